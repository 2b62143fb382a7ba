"""Groups with intervals against statistics' own tables, small groups by name, proxies against what was built in."""

import numpy as np
import polars as pl
import pytest

from headrace.core.errors import DefinitionError, InvalidInputError
from headrace.validation.bias import difference_interval, proxies, rate_interval, representation


class TestIntervals:
    @pytest.mark.parametrize("hits", [0, 1, 15, 148, 263])
    def test_wilson_against_scipy(self, hits):
        from scipy.stats import binomtest

        expected = binomtest(hits, 263).proportion_ci(method="wilson")
        assert rate_interval(hits, 263) == pytest.approx((expected.low, expected.high), abs=1e-12)

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [  # Newcombe 1998 (second paper), table II, method 10
            ((56, 70, 48, 80), (0.0524, 0.3339)),
            ((9, 10, 3, 10), (0.1705, 0.8090)),
            ((6, 7, 2, 7), (0.0582, 0.8062)),
            ((5, 56, 0, 29), (-0.0381, 0.1926)),
            ((0, 10, 0, 20), (-0.1611, 0.2775)),
            ((10, 10, 0, 20), (0.6791, 1.0000)),
        ],
    )
    def test_newcombe_against_his_table(self, counts, expected):
        assert difference_interval(*counts) == pytest.approx(expected, abs=5e-5)

    def test_without_rows_everything_is_possible(self):
        assert rate_interval(0, 0) == (0.0, 1.0)
        assert difference_interval(0, 0, 1, 2) == (-1.0, 1.0)

    def test_what_is_no_share_is_refused(self):
        with pytest.raises(InvalidInputError):
            rate_interval(3, 2)

    def test_wilson_covers_what_it_says(self):
        random = np.random.default_rng(0)
        hits = random.binomial(40, 0.05, 4_000)
        covered = [low <= 0.05 <= high for low, high in (rate_interval(int(n), 40) for n in hits)]
        assert 0.93 < np.mean(covered) < 0.99


def people(rows=4_000, seed=0):
    random = np.random.default_rng(seed)
    group = random.choice(["a", "b", "c"], rows, p=[0.6, 0.38, 0.02])
    rate = np.select([group == "a", group == "b"], [0.5, 0.25], 0.9)
    return pl.DataFrame(
        {
            "group": group,
            "hired": random.random(rows) < rate,
            "district": np.where(random.random(rows) < 0.9, group, "x"),
            "height": random.normal(170, 8, rows) + 6 * (group == "a"),
            "noise": random.normal(0, 1, rows),
            "colour": random.choice(["red", "blue"], rows),
        }
    )


class TestRepresentation:
    def test_groups_largest_first_with_shares_and_rates(self):
        found = representation(people(), "group", label=pl.col("hired"))
        assert [group.name for group in found.groups] == ["a", "b", "c"]
        first = found.groups[0]
        assert first.share_low < 0.6 < first.share_high
        assert first.rate_low < 0.5 < first.rate_high
        assert first.difference_low < first.difference < first.difference_high

    def test_a_small_group_is_named_and_its_rate_alarms_nobody(self):
        found = representation(people(), "group", label=pl.col("hired"))
        kinds = {finding.kind: finding for finding in found.findings}
        assert "c (" in kinds["small_group"].message
        assert (kinds["label_rate"].evidence["lowest"], kinds["label_rate"].evidence["highest"]) == ("b", "a")

    def test_equal_rates_alarm_nobody(self):
        random = np.random.default_rng(1)
        frame = pl.DataFrame({"g": random.choice(list("abcdef"), 6_000), "y": random.random(6_000) < 0.3})
        assert representation(frame, "g", label=pl.col("y")).findings == ()

    def test_a_missing_value_is_a_group_and_an_unknown_label_no_label(self):
        frame = pl.DataFrame({"g": ["a", None, "a"], "y": [True, False, None]})
        found = representation(frame, "g", label=pl.col("y"), smallest=1)
        assert [(group.name, group.rows, group.labelled) for group in found.groups] == [
            ("a", 2, 1),
            ("(missing)", 1, 1),
        ]

    def test_columns_together(self):
        found = representation(people(), ("group", "colour"))
        assert found.column == "group, colour"
        assert found.groups[0].name in {"a / red", "a / blue"}
        assert found.groups[0].rate is None

    def test_expected_shares(self):
        found = representation(people(), "group", expected={"a": 0.6, "c": 0.2, "d": 0.1})
        groups = [finding.evidence["group"] for finding in found.findings if finding.kind == "representation"]
        assert groups == ["c", "d"]

    def test_many_values_are_counted_together(self):
        frame = pl.DataFrame({"g": [f"g{n}" for n in range(500)]})
        found = representation(frame, "g")
        assert len(found.groups) == 200
        assert sum(group.rows for group in found.groups) == 500

    def test_an_unknown_column_is_refused(self):
        with pytest.raises(DefinitionError, match="'groups' is not in the table"):
            representation(people(10), "groups")


@pytest.mark.slow
class TestProxies:
    def test_columns_that_tell_are_named_and_noise_is_not(self):
        report = proxies(people(), "group", columns=["district", "height", "noise", "colour"])
        told = {proxy.column: proxy for proxy in report.proxies}
        assert told["district"].tells
        assert told["district"].auc > 0.85
        assert not told["noise"].tells
        assert not told["colour"].tells
        assert told["height"].information > told["height"].baseline
        assert report.findings[0].column == "district"
        assert "predicts group" in report.findings[0].message

    def test_columns_that_tell_only_together(self):
        random = np.random.default_rng(3)
        a, b = random.integers(0, 2, 4_000), random.integers(0, 2, 4_000)
        frame = pl.DataFrame({"s": np.where(a ^ b, "x", "y"), "a": a, "b": b})
        report = proxies(frame, "s")
        assert not any(proxy.tells for proxy in report.proxies)
        assert report.together > 0.95
        assert [finding.column for finding in report.findings] == ["s"]

    def test_that_something_is_missing_may_tell(self):
        random = np.random.default_rng(4)
        s = random.random(2_000) < 0.4
        frame = pl.DataFrame({"s": s, "v": pl.Series(random.normal(0, 1, 2_000))}).with_columns(
            v=pl.when("s").then(None).otherwise("v")
        )
        assert proxies(frame, "s").proxies[0].auc > 0.99

    @pytest.mark.parametrize("frame", [pl.DataFrame({"s": ["a"] * 500, "v": range(500)}), people(20)])
    def test_too_little_says_nothing(self, frame):
        assert proxies(frame, frame.columns[0]).findings == ()
