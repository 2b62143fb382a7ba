"""The leak and parity test: passes where it should, and catches an executor that sees the future."""

import pytest

from headrace.features.build import checking
from headrace.features.build.checking import check_features
from headrace.features.build.specimen import specimen_plan, specimen_tables


class TestChecking:
    def test_a_plan_without_leaks_passes(self, plan, tables):
        report = check_features(plan, tables, sample=6)
        assert report.passed, report.lines
        assert {line.kind for line in report.lines} == {"leak", "parity"}
        assert any("planes" in note for note in report.notes)

    @pytest.mark.slow
    def test_everything_a_feature_can_be_passes(self):
        tables = specimen_tables(400)
        report = check_features(specimen_plan(tables), tables, sample=4)
        assert report.passed, [line for line in report.lines if line.differing]

    @pytest.mark.parametrize("wrong", ["peeks", "grows"])
    def test_an_executor_that_sees_the_future_is_caught(self, plan, tables, monkeypatch, wrong):
        real = checking.compute

        def leaky(plan, tables, **options):
            matrix = real(plan, tables, **options)
            matrix.values[:, 0] += tables["flights"].num_rows if wrong == "grows" else hash_of(tables["flights"])
            return matrix

        monkeypatch.setattr(checking, "compute", leaky)
        report = check_features(plan, tables, sample=5)
        failed = {line.name for line in report.lines if line.differing}
        assert not report.passed
        assert ("future values scrambled" if wrong == "peeks" else "future rows deleted") in failed
        assert plan.feature_names[0] in next(line.first for line in report.lines if line.differing)


def hash_of(table):
    return sum(index * (value or 0) for index, value in enumerate(table["arr_delay"].to_pylist())) % 1001
