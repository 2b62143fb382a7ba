"""The page of a comparison: it states the finding, draws what there is, and shows hostile names as text."""

import random
import re

import pytest

from headrace.core.clock import ManualClock
from headrace.core.code_version import CodeState
from headrace.core.database import open_database
from headrace.pipeline.report.compared import render_comparison
from headrace.pipeline.report.compared.scales import ABSENT, Scale
from headrace.training.runs import RunKind, RunStart, RunStatus, RunStore, SnapshotRead, compare_runs

COMMAND = "headrace runs compare abc --html page.html"


@pytest.fixture
def store(tmp_path):
    made = RunStore(open_database(tmp_path / "registry.db"), clock=ManualClock())
    yield made
    made.engine.dispose()


def study(store, trials, *, curve=30):
    draw = random.Random(4)
    found = []
    with store.begin(RunStart(RunKind.TUNING, "flights", "late", code=CodeState("a" * 40))) as parent:
        for number in range(trials):
            trial = parent.child(RunKind.TRIAL, f"trial {number}")
            leaves = draw.randint(4, 127)
            trial.parameters({"num_leaves": leaves, "rate": 10 ** draw.uniform(-3, 0), "kind": draw.choice(["a", "b"])})
            if number == 3:
                trial.finish(RunStatus.FAILED, "no memory")
            else:
                auc = 0.7 + leaves / 1000
                trial.metric("valid.auc", auc, auc - 0.01, auc + 0.01, higher_is_better=True)
                trial.curve("valid.auc", [(tree, auc * tree / (tree + 1)) for tree in range(1, curve + 1)])
                trial.snapshot("flights", SnapshotRead("flights", 1, "d" * 64))
                trial.finish()
            found.append(store.get(trial.id))
    return compare_runs(found)


def test_the_page_of_a_study_states_who_is_best_and_what_decided(store):
    found = study(store, 24)
    page = render_comparison(found, COMMAND)
    best = found.ranked[0]
    heading = re.search("<h1>(.*?)</h1>", page).group(1)
    assert heading.startswith(f"{best.start.name} is best of 24 runs: valid AUC {found.value(best):.4f}")
    assert "num_leaves decides most" in heading
    for name in ("p-ranking", "p-progress", "p-curve-0", "p-importance", "p-parallel", "t-runs", "t-importance"):
        assert f'id="{name}"' in page
    assert "fANOVA" in page
    assert "23 curves" in page
    assert COMMAND in page
    assert f"git checkout {'a' * 40}" in page
    assert "1 failed" in page
    assert page == render_comparison(found, COMMAND)


def test_the_page_of_two_runs_says_by_how_much_and_whether_the_intervals_meet(store):
    runs = []
    for auc, version in ((0.70, 1), (0.78, 2)):
        with store.begin(RunStart(RunKind.PIPELINE, "flights", "late", f"of {version}")) as run:
            run.parameters({"num_leaves": 8 * version})
            run.metric("test.auc", auc, auc - 0.01, auc + 0.01, higher_is_better=True)
            run.snapshot("flights", SnapshotRead("flights", version, f"{version}" * 64))
        runs.append(store.get(run.id))
    page = render_comparison(compare_runs(runs), COMMAND)
    assert "of 2 beats of 1 by 0.0800 test AUC, outside of their intervals" in page
    assert 'id="t-data"' in page
    assert "not the same" in page
    assert 'id="p-parallel"' not in page
    assert 'id="p-importance"' not in page


def test_a_run_that_alone_has_a_value_is_not_called_the_best(store):
    runs = []
    for metrics in ({"auc": 0.7}, {}):
        with store.begin(RunStart(RunKind.PIPELINE, name=f"with {len(metrics)}")) as run:
            for name, value in metrics.items():
                run.metric(name, value, higher_is_better=True)
                run.curve(name, [(1, 0.6), (2, value)])
        runs.append(store.get(run.id))
    page = render_comparison(compare_runs(runs), COMMAND)
    assert "Of 2 runs with 1 alone has a value: AUC 0.7000." in page
    assert "AUC ends at 0.7000" in page
    assert 'id="p-ranking"' not in page


def test_runs_without_metrics_or_curves_have_a_page_still(store):
    runs = []
    for number in range(2):
        with store.begin(RunStart(RunKind.PIPELINE)) as run:
            run.parameters({"a": number})
        runs.append(store.get(run.id))
    page = render_comparison(compare_runs(runs), COMMAND)
    assert "2 runs, 1 parameter differ" in page
    assert 'id="t-parameters"' in page


def test_hostile_names_are_shown_as_text(store):
    bad = "<script>alert(1)</script>"
    runs = []
    for number in range(12):
        with store.begin(RunStart(RunKind.TRIAL, bad, bad, f"{bad}{number}")) as run:
            run.parameters({bad: number, "b": bad if number % 2 else "$x_1$"})
            run.metric(bad, number, higher_is_better=True)
            run.curve(bad, [(0, 0), (1, number)])
        runs.append(store.get(run.id))
    page = render_comparison(compare_runs(runs), f"headrace {bad}")
    assert bad not in page
    assert page.count("<script>") == 1


def test_a_scale_puts_values_between_bottom_and_top():
    assert [Scale.of("a", [1, 2, 3]).height(value) for value in (1, 2, 3, None)] == [0.0, 0.5, 1.0, ABSENT]
    assert Scale.of("a", [0.001, 1.0]).height(0.0316227766) == pytest.approx(0.5)
    assert [Scale.of("a", ["x", "y", None]).height(value) for value in ("x", "y")] == [0.0, 1.0]
    assert Scale.of("a", [True, False]).height(True) == 1.0
    assert Scale.of("a", [5, 5]).height(5) == 0.5
    assert Scale.of("a", [1, None]).marks(4)[0] == (ABSENT, "none")
    assert Scale.of("a", [0.02, 0.1]).span() == "0.02 to 0.1"
