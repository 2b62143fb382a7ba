"""`headrace features`: build, backfill, explain, check, warm; what they print and how they fail."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from headrace.cli.features import app
from headrace.core.errors import DefinitionError, FailedCheckError, HeadraceError, InvalidInputError, NotFoundError

PROJECT = """
import headrace as hr
payments = hr.EventTable("payments", keys=["card"], event_time="at")
features = hr.FeatureSet("cards", spine=payments, at="at", row_id="id", features=[
    hr.windows(payments, by="card", over=["1h", "7d"], values={None: [hr.Count()], "amount": [hr.Mean()]}),
    *EXTRA,
])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    random = np.random.default_rng(2)
    n = 200
    at = pa.array(1_400_000_000_000_000 + random.integers(0, 500, n) * 900_000_000, pa.timestamp("us", "UTC"))
    table = pa.table({"id": np.arange(n), "card": random.integers(0, 9, n), "at": at, "amount": random.normal(size=n)})
    pq.write_table(table, tmp_path / "payments.parquet")
    (tmp_path / "project.py").write_text(PROJECT.replace("*EXTRA,", ""))
    monkeypatch.chdir(tmp_path)
    return tmp_path


TABLE = ["--table", "payments=payments.parquet"]


def features(*arguments):
    """Run a command in this process; its answer."""
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def extend(folder, *entries):
    (folder / "project.py").write_text(PROJECT.replace("*EXTRA,", "".join(f"{entry}, " for entry in entries)))


class TestBuild:
    def test_a_file_and_what_stands_beside_it(self, folder):
        said = json.loads(features("build", ".", *TABLE, "-o", "x.npy", "--json"))
        assert (said["rows"], len(said["computed"]), said["pieces"]) == (200, 4, 1)
        assert np.load("x.npy").shape == (200, 4)
        manifest = json.loads((folder / "x.npy.json").read_text())
        assert [feature["name"] for feature in manifest["features"]] == said["computed"]
        assert manifest["plan"] == said["digest"]

    def test_the_second_time_it_says_that_it_skipped(self, folder):
        features("build", ".", *TABLE, "-o", "x.parquet")
        assert "skipped: it is up to date" in features("build", ".", *TABLE, "-o", "x.parquet")
        assert "4 features computed" in features("build", ".", *TABLE, "-o", "x.parquet", "--rebuild")

    def test_without_a_name_it_goes_into_the_home(self, folder):
        features("build", "project.py", *TABLE, "--home", "here", "--memory", "1.5GiB", "--threads", "1")
        assert pq.read_table("here/matrices/cards.parquet").num_rows == 200

    @pytest.mark.parametrize(
        ("arguments", "error", "says"),
        [
            (["build", "nowhere"], NotFoundError, "there is no project at nowhere"),
            (["build", "."], NotFoundError, "there is no table 'payments'"),
            (["build", ".", "--table", "payments"], InvalidInputError, "is not NAME=FILE"),
            (["build", ".", "--table", "payments=gone.parquet"], NotFoundError, "there is no file gone.parquet"),
            (["build", ".", *TABLE, "-o", "x.csv"], InvalidInputError, "does not say its format"),
            (["build", ".", *TABLE, "--memory", "lots"], InvalidInputError, "is not an amount of memory"),
            (["build", ".", *TABLE, "--threads", "0"], InvalidInputError, "it must be at least 1"),
            (["build", ".", *TABLE, "--features", "card"], DefinitionError, "declares no feature set 'card'"),
            (["backfill", ".", *TABLE, "-o", "x.npy"], NotFoundError, "there is no built matrix"),
            (["explain", ".", *TABLE, "--row", "1"], InvalidInputError, "--row needs --feature"),
            (["check", ".", *TABLE, "--rows", "0"], InvalidInputError, "--rows is 0"),
        ],
    )
    def test_errors_name_the_thing(self, folder, arguments, error, says):
        with pytest.raises(error, match=says):
            features(*arguments)

    def test_two_feature_sets_need_a_name(self, folder):
        text = (folder / "project.py").read_text()
        again = text + text.replace("features = ", "more = ").replace('"cards"', '"more"')
        (folder / "project.py").write_text(again)
        with pytest.raises(DefinitionError, match="2 feature sets: cards, more"):
            features("build", ".", *TABLE, "-o", "x.npy")
        features("build", ".", *TABLE, "-o", "x.npy", "--features", "more")

    def test_encoders_are_fitted_on_rows_before_a_time(self, folder):
        extend(folder, 'hr.scaled("amount")')
        with pytest.raises(HeadraceError) as refused:
            features("build", ".", *TABLE, "-o", "x.npy")
        assert "--fit-until" in refused.value.hint
        with pytest.raises(InvalidInputError, match="is no date or time"):
            features("build", ".", *TABLE, "-o", "x.npy", "--fit-until", "soon")
        features("build", ".", *TABLE, "-o", "x.npy", "--fit-until", "2014-05-16")
        assert np.isfinite(np.load("x.npy")[:, -1]).all()


class TestBackfill:
    def test_only_the_new_feature_is_computed(self, folder):
        features("build", ".", *TABLE, "-o", "x.npy")
        before = np.load("x.npy")
        extend(folder, 'hr.request("amount")')
        said = json.loads(features("backfill", ".", *TABLE, "-o", "x.npy", "--json"))
        assert (said["computed"], len(said["kept"])) == (["amount"], 4)
        assert np.array_equal(np.load("x.npy")[:, :4].view(np.uint32), before.view(np.uint32))

    def test_changed_rows_are_refused_unless_told(self, folder):
        features("build", ".", *TABLE, "-o", "x.npy")
        pq.write_table(pq.read_table("payments.parquet").slice(1), "payments.parquet")
        with pytest.raises(FailedCheckError, match="table 'payments' changed"):
            features("backfill", ".", *TABLE, "-o", "x.npy")
        assert "4 features computed" in features("backfill", ".", *TABLE, "-o", "x.npy", "--rebuild")


class TestExplain:
    def test_the_plan_in_words_and_drawn(self, folder):
        said = features("explain", ".", *TABLE, "--svg", "plan.svg")
        assert "card_amount_mean_7d" in said
        assert (folder / "plan.svg").read_text().startswith("<svg")
        assert json.loads(features("explain", ".", *TABLE, "--json"))["digest"]

    def test_the_events_behind_one_value(self, folder):
        said = json.loads(features("explain", ".", *TABLE, "--feature", "card_count_7d", "--row", "7", "--json"))
        assert said["value"] == len(said["events"])
        assert "events" in features("explain", ".", *TABLE, "--feature", "card_count_7d", "--row", "7")


class TestCheck:
    def test_it_passes_and_says_what_it_did(self, folder):
        said = json.loads(features("check", ".", *TABLE, "--rows", "5", "--json"))
        assert said["passed"]
        assert {line["kind"] for line in said["checks"]} == {"leak", "parity"}
        assert "all equal" in features("check", ".", *TABLE, "--rows", "3")

    def test_a_difference_ends_with_a_failed_check(self, folder, monkeypatch):
        from headrace.features.build import checking

        real = checking.compute

        def leaky(plan, tables, **options):
            matrix = real(plan, tables, **options)
            matrix.values[:, 0] += tables["payments"].num_rows
            return matrix

        monkeypatch.setattr(checking, "compute", leaky)
        with pytest.raises(FailedCheckError, match="future rows deleted") as failed:
            features("check", ".", *TABLE, "--rows", "3")
        assert failed.value.exit_code == 6


def start(*arguments, cwd):
    command = [sys.executable, "-m", "headrace.cli.main", "features", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
class TestProcesses:
    def test_ctrl_c_ends_with_130_and_a_message(self, folder):
        n = 3_000_000
        at = pa.array(np.arange(n) * 1_000_000, pa.timestamp("us", "UTC"))
        table = pa.table({"id": np.arange(n), "card": np.arange(n) % 50_000, "at": at, "amount": np.ones(n)})
        pq.write_table(table, "payments.parquet")
        running = start("build", ".", *TABLE, "-o", "x.npy", "--memory", "256MiB", cwd=folder)
        limit = time.monotonic() + 60
        while not list(folder.glob("x.npy.parts/group-*")) and time.monotonic() < limit:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert running.returncode == 130, (out, err)
        assert err.startswith("error: interrupted")
        assert "Traceback" not in err
        assert not (folder / "x.npy").exists()

    def test_an_error_is_a_message_a_hint_and_a_code(self, folder):
        done = start("build", ".", "--table", "payment=payments.parquet", cwd=folder)
        out, err = done.communicate(timeout=60)
        assert (done.returncode, out) == (3, "")
        assert err.startswith("error: there is no table 'payments'")
        assert "Traceback" not in err

    def test_a_build_loads_no_library_that_it_does_not_need(self, folder):
        table = pq.read_table("payments.parquet")
        with pa.ipc.new_file("payments.arrow", table.schema) as writer:
            writer.write_table(table)
        code = (
            "import sys\nfrom headrace.cli.main import main\n"
            "sys.argv = ['headrace', 'features', 'build', '.', '--table', 'payments=payments.arrow', '-o', 'x.npy']\n"
            "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
            "heavy = {'polars', 'pandas', 'lightgbm', 'onnxruntime', 'grpc', 'deltalake', 'structlog', 'rich'}\n"
            "print(sorted(heavy & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"

    def test_a_filled_cache_means_nothing_is_compiled(self, folder):
        for _ in range(2):
            done = start("warm", "--json", cwd=folder)
            out, err = done.communicate(timeout=600)
            assert done.returncode == 0, err
        said = json.loads(out)
        assert said["compiled"] == 0
        assert said["loaded"] > 20
