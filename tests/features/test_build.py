"""Builds: the bits of the computation in memory, however the work is cut; whole files or none; what stopped goes on."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace.features as hr
from headrace.core.errors import (
    CancelledError,
    CorruptedError,
    DefinitionError,
    ExhaustedError,
    FailedCheckError,
    InvalidInputError,
    NotFoundError,
    SourceError,
    UnavailableError,
)
from headrace.data.types import table_dtypes
from headrace.features.build import (
    BuildSettings,
    Manifest,
    as_source,
    backfill,
    build,
    discard,
    layout,
    manifest_path,
    spill,
)
from headrace.features.build import building as building_module
from headrace.features.build.layout import TableSize, lay_out
from headrace.features.build.sources import MemorySource
from headrace.features.build.specimen import specimen_plan, specimen_tables
from headrace.features.build.work import work_folder

CUT = BuildSettings(pieces=4)


def bits(values):
    return np.ascontiguousarray(values).view(np.uint32)


def names_left(folder):
    return sorted(path.name for path in folder.iterdir())


class TestEquality:
    @pytest.mark.parametrize("pieces", [None, 1, 2, 5, 17])
    def test_however_it_is_cut(self, plan, tables, tmp_path, pieces):
        result = build(plan, tables, tmp_path / "x.npy", settings=BuildSettings(pieces=pieces))
        expected = hr.compute(plan, tables)
        assert np.array_equal(bits(np.load(result.output)), bits(expected.values))
        assert result.pieces > 1 or pieces in (None, 1)
        assert names_left(tmp_path) == ["x.npy", "x.npy.json"]

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.tuples(st.integers(0, 1000), st.integers(30, 80), st.integers(1, 9), st.integers(1, 40)))
    def test_any_cut_any_batches(self, plan, world, tmp_path_factory, case):
        seed, n_flights, pieces, batch_rows = case
        tables = world(seed, n_flights=n_flights)
        sources = {name: InBatches(table, batch_rows) for name, table in tables.items()}
        output = tmp_path_factory.mktemp("cut") / "x.npy"
        build(plan, sources, output, settings=BuildSettings(pieces=pieces))
        assert np.array_equal(bits(np.load(output)), bits(hr.compute(plan, tables).values))

    @pytest.mark.parametrize("suffix", [".npy", ".arrow", ".parquet"])
    def test_every_format_holds_the_same(self, plan, tables, tmp_path, suffix):
        output = tmp_path / f"x{suffix}"
        build(plan, tables, output, settings=CUT)
        expected = hr.compute(plan, tables)
        if suffix == ".npy":
            assert np.array_equal(bits(np.load(output)), bits(expected.values))
            names = [feature["name"] for feature in json.loads(manifest_path(output).read_text())["features"]]
            assert names == list(plan.feature_names)
            return
        table = pa.ipc.open_file(output).read_all() if suffix == ".arrow" else pq.read_table(output)
        assert table.column_names == ["row_id", "query_time", *plan.feature_names]
        assert table["row_id"].to_pylist() == tables["flights"]["flight_id"].to_pylist()
        assert np.array_equal(table["query_time"].cast(pa.int64()).to_numpy(), expected.query_time)
        for name in plan.feature_names:
            assert np.array_equal(bits(table[name].to_numpy()), bits(expected.column(name))), name

    @pytest.mark.parametrize("suffix", [".arrow", ".parquet", "folder"])
    def test_every_source_reads_the_same(self, plan, tables, tmp_path, suffix):
        sources = {}
        for name, table in tables.items():
            path = tmp_path / f"{name}{'' if suffix == 'folder' else suffix}"
            if suffix == "folder":
                path.mkdir()
                half = table.num_rows // 2
                pq.write_table(table.slice(0, half), path / "part-0.parquet", row_group_size=7)
                pq.write_table(table.slice(half), path / "part-1.parquet")
            elif suffix == ".parquet":
                pq.write_table(table, path, row_group_size=11)
            else:
                with pa.ipc.new_file(path, table.schema) as writer:
                    writer.write_table(table, max_chunksize=13)
            sources[name] = path
        build(plan, sources, tmp_path / "x.npy", settings=CUT)
        assert np.array_equal(bits(np.load(tmp_path / "x.npy")), bits(hr.compute(plan, tables).values))

    def test_no_rows(self, plan, tables, tmp_path):
        empty = {name: table.slice(0, 0) for name, table in tables.items()}
        for pieces in (None, 3):
            discard(tmp_path / "x.parquet")
            build(plan, empty, tmp_path / "x.parquet", settings=BuildSettings(pieces=pieces))
            assert pq.read_table(tmp_path / "x.parquet").num_rows == 0

    def test_a_small_budget_cuts_by_itself(self, plan, tables, tmp_path, monkeypatch):
        monkeypatch.setattr(layout, "FIXED_BYTES", 0)
        work = building_module.prepare(plan, tables, tmp_path / "x.npy")
        sizes = {name: TableSize(source.rows, source.rows * 1000) for name, source in work.sources.items()}
        groups = lay_out(plan, plan.feature_names, sizes, 400_000)
        assert sum(group.pieces for group in groups) > len(groups)
        assert sorted(name for group in groups for name in group.features) == sorted(plan.feature_names)

    @pytest.mark.slow
    def test_everything_a_feature_can_be(self, tmp_path):
        tables = specimen_tables(600)
        plan = specimen_plan(tables)
        expected = bits(hr.compute(plan, tables).values)
        for pieces in (1, 3, 8):
            output = tmp_path / f"{pieces}.npy"
            build(plan, tables, output, settings=BuildSettings(pieces=pieces))
            found = bits(np.load(output))
            wrong = [plan.feature_names[slot] for slot in np.flatnonzero((found != expected).any(axis=0))]
            assert wrong == []


class InBatches(MemorySource):
    """A table that is read a few rows at a time."""

    def __init__(self, table, rows):
        super().__init__(table)
        object.__setattr__(self, "most", rows)

    def batches(self, dtypes, *, rows=1):
        return super().batches(dtypes, rows=min(rows, self.most))


class TestResuming:
    def test_an_output_that_is_up_to_date_is_left_alone(self, plan, tables, tmp_path):
        first = build(plan, tables, tmp_path / "x.npy")
        written = (tmp_path / "x.npy").stat().st_mtime_ns
        again = build(plan, tables, tmp_path / "x.npy")
        assert first.computed == plan.feature_names
        assert (again.computed, again.kept) == ((), plan.feature_names)
        assert (tmp_path / "x.npy").stat().st_mtime_ns == written

    @pytest.mark.parametrize("pieces_done", [0, 1, 3, 9])
    def test_what_was_cancelled_goes_on(self, plan, tables, tmp_path, monkeypatch, pieces_done):
        output = tmp_path / "x.npy"
        computed = count_computes(monkeypatch)

        def cancelled():
            return len(computed) >= pieces_done

        with pytest.raises(CancelledError, match="was cancelled"):
            build(plan, tables, output, settings=CUT, cancelled=cancelled)
        assert not output.exists()
        result = build(plan, tables, output, settings=CUT)
        assert result.resumed == pieces_done
        assert len(computed) == result.pieces, "no piece twice"
        assert np.array_equal(bits(np.load(output)), bits(hr.compute(plan, tables).values))
        assert names_left(tmp_path) == ["x.npy", "x.npy.json"]

    def test_parts_of_other_inputs_are_not_used(self, plan, tables, tmp_path, monkeypatch):
        computed = count_computes(monkeypatch)
        with pytest.raises(CancelledError):
            build(plan, tables, tmp_path / "x.npy", settings=CUT, cancelled=lambda: len(computed) >= 5)
        other = {**tables, "flights": tables["flights"].slice(1)}
        result = build(plan, other, tmp_path / "x.npy", settings=CUT)
        assert (result.resumed, result.restarted) == (0, True)
        assert np.array_equal(bits(np.load(tmp_path / "x.npy")), bits(hr.compute(plan, other).values))

    def test_two_processes_do_not_build_one_output(self, plan, tables, tmp_path):
        with work_folder(tmp_path / "x.npy", "key"), pytest.raises(UnavailableError, match="another process"):
            build(plan, tables, tmp_path / "x.npy", settings=CUT)

    def test_a_crash_between_the_matrix_and_its_manifest_is_mended(self, plan, tables, tmp_path, monkeypatch):
        output = tmp_path / "x.npy"
        real, calls = Manifest.write, []

        def write(self, path):
            calls.append(path)
            if len(calls) == 2:
                raise KeyboardInterrupt
            real(self, path)

        monkeypatch.setattr(Manifest, "write", write)
        with pytest.raises(KeyboardInterrupt):
            build(plan, tables, output, settings=CUT)
        monkeypatch.undo()
        assert output.exists()
        assert not manifest_path(output).exists()
        assert build(plan, tables, output, settings=CUT).computed == ()

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["build", "backfill"])
    def test_a_killed_process_goes_on(self, plan, tables, tmp_path, how):
        for name, table in tables.items():
            pq.write_table(table, tmp_path / f"{name}.parquet")
        (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
        code = (
            "import json, sys, time\nfrom pathlib import Path\n"
            "from headrace.features import FeaturePlan\n"
            "from headrace.features.build import BuildSettings, backfill, build\n"
            "import headrace.features.build.pieces as pieces\n"
            "real = pieces.write_part\n"
            "def slow(*part):\n    real(*part)\n    print('part', flush=True)\n    time.sleep(float(sys.argv[1]))\n"
            "pieces.write_part = slow\n"
            "plan = FeaturePlan.from_json(json.loads(Path('plan.json').read_text()))\n"
            "tables = {name: Path(f'{name}.parquet') for name in plan.columns}\n"
            f"result = {how}(plan, tables, Path('x.npy'), settings=BuildSettings(pieces=4))\n"
            "print(json.dumps(result.to_json()))\n"
        )
        if how == "backfill":
            files = {name: tmp_path / f"{name}.parquet" for name in tables}
            build(plan.only([name for name in plan.feature_names if "fuel" not in name]), files, tmp_path / "x.npy")
        before = (tmp_path / "x.npy").read_bytes() if how == "backfill" else None
        slow = subprocess.Popen([sys.executable, "-c", code, "30"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert slow.stdout.readline() == "part\n"
        os.kill(slow.pid, signal.SIGKILL)
        slow.wait()
        slow.stdout.close()
        assert (before is None) == (not (tmp_path / "x.npy").exists())
        assert before is None or (tmp_path / "x.npy").read_bytes() == before
        done = subprocess.run(
            [sys.executable, "-c", code, "0"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        said = json.loads(done.stdout.splitlines()[-1])
        assert said["resumed"] == 1
        assert bool(said["kept"]) == (how == "backfill")
        assert np.array_equal(bits(np.load(tmp_path / "x.npy")), bits(hr.compute(plan, tables).values))


def count_computes(monkeypatch):
    from headrace.features.build import pieces

    computed, real = [], pieces.compute
    monkeypatch.setattr(pieces, "compute", lambda *args, **options: (real(*args, **options), computed.append(1))[0])
    return computed


class TestBackfill:
    @pytest.fixture
    def less(self, plan):
        return plan.only([name for name in plan.feature_names if "fuel" not in name])

    @pytest.mark.parametrize("suffix", [".npy", ".arrow", ".parquet"])
    @pytest.mark.parametrize("settings", [BuildSettings(), CUT], ids=["whole", "cut"])
    def test_only_what_is_new_is_computed(self, plan, less, tables, tmp_path, suffix, settings):
        output = tmp_path / f"x{suffix}"
        build(less, tables, output, settings=settings)
        result = backfill(plan, tables, output, settings=settings)
        assert result.kept == less.feature_names
        assert result.computed == tuple(name for name in plan.feature_names if "fuel" in name)
        build(plan, tables, tmp_path / f"fresh{suffix}", settings=settings)
        assert output.read_bytes() == (tmp_path / f"fresh{suffix}").read_bytes()
        assert Manifest.read(output) == Manifest.read(tmp_path / f"fresh{suffix}")
        assert backfill(plan, tables, output).computed == ()

    def test_what_was_dropped_goes(self, plan, less, tables, tmp_path):
        build(plan, tables, tmp_path / "x.npy")
        result = backfill(less, tables, tmp_path / "x.npy")
        assert result.computed == ()
        assert set(result.dropped) == set(plan.feature_names) - set(less.feature_names)
        assert np.array_equal(bits(np.load(tmp_path / "x.npy")), bits(hr.compute(less, tables).values))

    def test_another_name_is_the_same_feature(self, plan, tables, tmp_path):
        build(plan, tables, tmp_path / "x.npy")
        first = replace(plan.features[0], name="renamed")
        result = backfill(replace(plan, features=(first, *plan.features[1:])), tables, tmp_path / "x.npy")
        assert result.computed == ()
        assert next(iter(Manifest.read(tmp_path / "x.npy").features)) == "renamed"

    def test_changed_inputs_are_refused(self, plan, less, tables, tmp_path):
        build(less, tables, tmp_path / "x.npy")
        changed = {**tables, "weather": tables["weather"].slice(1)}
        with pytest.raises(FailedCheckError, match="table 'weather' changed") as refused:
            backfill(plan, changed, tmp_path / "x.npy")
        assert "--rebuild" in refused.value.hint

    def test_another_query_time_is_refused(self, plan, less, tables, tmp_path):
        build(less, tables, tmp_path / "x.npy")
        with pytest.raises(FailedCheckError, match="departs_at-120 minutes"):
            backfill(replace(plan, at=replace(plan.at, offset_us=0)), tables, tmp_path / "x.npy")

    def test_there_must_be_something(self, plan, tables, tmp_path):
        with pytest.raises(NotFoundError, match="no built matrix"):
            backfill(plan, tables, tmp_path / "x.npy")

    def test_an_altered_output_is_refused(self, plan, less, tables, tmp_path):
        build(less, tables, tmp_path / "x.npy")
        with (tmp_path / "x.npy").open("ab") as file:
            file.write(b"more")
        with pytest.raises(CorruptedError, match="its manifest says"):
            backfill(plan, tables, tmp_path / "x.npy")

    def test_a_cancelled_backfill_leaves_the_output_as_it_was(self, plan, less, tables, tmp_path, monkeypatch):
        output = tmp_path / "x.npy"
        build(less, tables, output)
        before = output.read_bytes()
        computed = count_computes(monkeypatch)
        with pytest.raises(CancelledError):
            backfill(plan, tables, output, settings=CUT, cancelled=lambda: len(computed) >= 2)
        assert output.read_bytes() == before
        assert Manifest.read(output).plan == less.digest
        assert backfill(plan, tables, output, settings=CUT).resumed == 2
        assert np.array_equal(bits(np.load(output)), bits(hr.compute(plan, tables).values))


class TestErrors:
    def test_a_missing_table(self, plan, tables, tmp_path):
        del tables["weather"]
        with pytest.raises(InvalidInputError, match="reads table 'weather'"):
            build(plan, tables, tmp_path / "x.npy")

    def test_a_missing_column_names_the_file(self, plan, tables, tmp_path):
        pq.write_table(tables["weather"].drop_columns(["temp"]), tmp_path / "weather.parquet")
        with pytest.raises(DefinitionError, match=r"weather\.parquet: column 'temp'"):
            build(plan, {**tables, "weather": tmp_path / "weather.parquet"}, tmp_path / "x.npy")
        assert names_left(tmp_path) == ["weather.parquet"]

    def test_an_unknown_suffix(self, plan, tables, tmp_path):
        with pytest.raises(InvalidInputError, match=r"allowed: \.npy, \.arrow, \.parquet"):
            build(plan, tables, tmp_path / "x.csv")

    @pytest.mark.parametrize("suffix", [".arrow", ".parquet"])
    def test_a_file_that_is_none(self, plan, tables, tmp_path, suffix):
        (tmp_path / f"flights{suffix}").write_bytes(b"nothing of the kind")
        with pytest.raises(SourceError, match="cannot be read"):
            build(plan, {**tables, "flights": tmp_path / f"flights{suffix}"}, tmp_path / "x.npy")

    def test_sources_that_are_not_there(self, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "x.txt").touch()
        with pytest.raises(NotFoundError, match="there is no file"):
            as_source(tmp_path / "gone.parquet")
        with pytest.raises(NotFoundError, match=r"holds no \.parquet"):
            as_source(tmp_path / "empty")
        with pytest.raises(SourceError, match="not known by its suffix"):
            as_source(tmp_path / "x.txt")

    @pytest.mark.parametrize("where", ["spill", "part", "output"])
    def test_a_full_disk_leaves_nothing_half_written(self, plan, tables, tmp_path, monkeypatch, where):
        def full(*_args, **_options):
            raise OSError(28, "No space left on device")

        places = {"spill": (spill.Spill, "write"), "output": (building_module, "merge")}
        with monkeypatch.context() as patch:
            from headrace.features.build import pieces

            patch.setattr(*places.get(where, (pieces, "write_part")), full)
            with pytest.raises(ExhaustedError, match=r"disk under .* is full"):
                build(plan, tables, tmp_path / "x.npy", settings=CUT)
        assert not (tmp_path / "x.npy").exists()
        assert not manifest_path(tmp_path / "x.npy").exists()
        build(plan, tables, tmp_path / "x.npy", settings=CUT)
        assert np.array_equal(bits(np.load(tmp_path / "x.npy")), bits(hr.compute(plan, tables).values))

    def test_a_damaged_part_is_found(self, plan, tables, tmp_path, monkeypatch):
        computed = count_computes(monkeypatch)
        with pytest.raises(CancelledError):
            build(plan, tables, tmp_path / "x.npy", settings=CUT, cancelled=lambda: len(computed) >= 6)
        part = min((tmp_path / "x.npy.parts").glob("group-01/part-*"))
        part.write_bytes(b"")
        with pytest.raises(CorruptedError, match="parts hold"):
            build(plan, tables, tmp_path / "x.npy", settings=CUT)

    def test_too_little_memory_says_for_what(self, plan, tables, monkeypatch):
        sizes = {name: TableSize(10**8, 10**10) for name in plan.columns}
        chunked = plan.only(["aircraft_age", "cold_charter"])
        two = hr.compile_plan(two_keys(), {name: table_dtypes(table) for name, table in tables.items()})
        with pytest.raises(ExhaustedError, match=r"'planes'|'weather'") as refused:
            lay_out(two, two.feature_names, sizes, 1 << 30)
        assert "--memory" in refused.value.hint
        assert len(lay_out(chunked, chunked.feature_names, sizes, 1 << 30)) == 2

    def test_one_key_that_is_too_large_is_refused(self, plan, tables, tmp_path, monkeypatch):
        monkeypatch.setattr(layout, "ROW_BYTES", 10_000_000)
        with pytest.raises(ExhaustedError, match="partitions by origin takes about") as refused:
            build(plan, tables, tmp_path / "x.npy", settings=BuildSettings(memory_bytes=1 << 28, pieces=3))
        assert "--memory" in refused.value.hint

    @pytest.mark.parametrize("wrong", [{"memory_bytes": 10}, {"threads": 0}, {"pieces": 0}, {"pieces": 10_000}])
    def test_settings_are_checked(self, wrong):
        with pytest.raises(InvalidInputError):
            BuildSettings(**wrong)


def two_keys():
    flights = hr.EventTable("flights", keys=["origin"], event_time="departs_at")
    weather = hr.StateTable("weather", keys=["origin"], valid_from="observed_at")
    planes = hr.StateTable("planes", keys=["tailnum"])
    both = (weather["temp"] * planes["seats"]).named("both")
    return hr.FeatureSet("two", spine=flights, at="departs_at", features=[both])


def test_building_from_a_thread_can_be_cancelled(plan, tables, tmp_path):
    stop = threading.Event()
    failure = []

    def work():
        try:
            build(plan, tables, tmp_path / "x.npy", settings=CUT, cancelled=stop.is_set)
        except CancelledError as error:
            failure.append(error)

    stop.set()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert failure
    assert not (tmp_path / "x.npy").exists()
    assert time.monotonic() > 0
