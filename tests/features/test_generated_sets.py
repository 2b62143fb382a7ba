"""Generated feature sets against an evaluator that shares no code with the engine: every cell of every matrix."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

import headrace.features as hr

SETS = 240
A_TEST = 12  # sets a test
MORE_SETS = 2400


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sets():
    """The module `generated_sets.py`."""
    return load("generated_sets")


@pytest.fixture(scope="module")
def evaluator():
    """The module `naive_evaluator.py`."""
    return load("naive_evaluator")


def differences(evaluator, generated, *, spine=None, rows_checked=None):
    """Cells that are not what the evaluator expects: feature, row, value, smallest and largest allowed."""
    spine_of = {} if spine is None else {"spine": spine}
    matrix = hr.compute(generated.plan, generated.tables, **spine_of)
    rows = {name: table.to_pylist() for name, table in generated.tables.items()}
    naive = evaluator.Naive(generated.plan.to_json(), rows, None if spine is None else spine.to_pylist())
    wrong = []
    for name, column in zip(matrix.names, matrix.values.T.tolist(), strict=True):
        for row in range(len(column)) if rows_checked is None else rows_checked:
            got = column[row]
            low, high = naive.expected(name, row)
            if not (low <= got <= high or (math.isnan(low) and math.isnan(got))):
                wrong.append((name, row, got, low, high))
    return wrong


@pytest.mark.parametrize("first", range(0, SETS, A_TEST))
def test_generated_sets_equal_the_naive_evaluator(sets, evaluator, first):
    for seed in range(first, first + A_TEST):
        assert not differences(evaluator, sets.generate(seed)), seed


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SETS, SETS + MORE_SETS, MORE_SETS // 8))
def test_many_more_generated_sets_equal_the_naive_evaluator(sets, evaluator, first):
    for seed in range(first, first + MORE_SETS // 8):
        assert not differences(evaluator, sets.generate(seed)), seed


@pytest.mark.parametrize("own", [True, False], ids=["own spine", "other spine"])
@pytest.mark.parametrize("seed", range(6))
def test_every_statistic_over_every_extent_equals_the_naive_evaluator(sets, evaluator, seed, own):
    assert not differences(evaluator, sets.generate_complete(seed, rows=40, numbered=seed % 2 == 0, own=own))


@pytest.mark.parametrize("own", [True, False], ids=["own spine", "other spine"])
@pytest.mark.parametrize("seed", range(3))
def test_long_windows_equal_the_naive_evaluator(sets, evaluator, seed, own):
    """Hundreds of events in a window: kernels do large windows in other ways than small ones."""
    generated = large(sets, seed, 1200, own)
    rows = range(0, generated.tables[generated.plan.spine].num_rows, 50)
    assert not differences(evaluator, generated, rows_checked=rows)


def large(sets, seed, rows, own):
    """The first generated set from a seed on whose tables are full."""
    while True:
        generated = sets.generate_complete(seed, rows=rows, own=own)
        if generated.tables["events"].num_rows == rows and generated.tables[generated.plan.spine].num_rows >= rows // 2:
            return generated
        seed += 100


@pytest.mark.slow
def test_rows_from_elsewhere_are_their_own_newest_event(sets, evaluator):
    """`include_current` reads the row that asks, which need not stand in the table of events."""
    checked = 0
    for seed in range(60):
        generated = sets.generate(seed)
        asking = generated.tables[generated.plan.spine]
        steps = generated.plan.to_json()["features"]
        if any(spec["step"].get("span", {}).get("include_current") for spec in steps) and asking.num_rows > 1:
            without = {**generated.tables, "events": asking.slice(0, asking.num_rows // 2)}
            fewer = sets.Generated(generated.plan, without)
            assert not differences(evaluator, fewer, spine=asking.slice(asking.num_rows // 3)), seed
            checked += 1
    assert checked > 10


def test_generated_sets_hold_every_extent_and_statistic(sets):
    """What is not generated is not proved."""
    spans, statistics, bounds, others = Counter(), Counter(), Counter(), Counter()
    for seed in range(SETS):
        plan = sets.generate(seed).plan.to_json()
        for spec in [*plan["features"], *plan["intermediates"]]:
            step = spec["step"]
            others[spec["role"]] += 1
            if step["kind"] != "window":
                continue
            spans[step["span"]["kind"]] += 1
            statistics[step["statistic"]] += 1
            bounds[step["span"]["kind"], step["span"]["closed"]] += 1
            others["current"] += step["span"]["include_current"]
            others["where"] += step["where"] is not None
            others["all"] += not step["by"]
            others["composite"] += len(step["by"]) > 1
            others["skip"] += step["skip_nan"]
            others["empty"] += step["empty"] is not None
    assert len(spans) == 6
    assert len(statistics) == 29
    assert {(kind, closed) for kind in ("duration", "calendar") for closed in ("left", "right", "both", "none")} <= {
        *bounds
    }
    assert min(*statistics.values(), *bounds.values(), *others.values()) >= 5
    assert others.keys() >= {"window", "state", "calendar", "derived"}


def test_the_evaluator_reads_no_engine():
    source = (Path(__file__).parent / "naive_evaluator.py").read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in imports if "headrace" in line or "numpy" in line or "pyarrow" in line]


def test_the_evaluator_finds_what_is_wrong(sets, evaluator):
    """One changed value of one event is seen: the comparison is no formality."""
    generated = sets.generate(next(s for s in range(99) if sets.generate(s).tables["events"].num_rows > 30))
    events = generated.tables["events"]
    other = events.set_column(
        events.column_names.index("at"), "at", pa.array(events["at"].to_pylist()[::-1], events["at"].type)
    )
    matrix = hr.compute(generated.plan, {**generated.tables, "events": other})
    naive = evaluator.Naive(generated.plan.to_json(), {n: t.to_pylist() for n, t in generated.tables.items()})
    assert any(
        not (naive.expected(name, row)[0] <= got <= naive.expected(name, row)[1])
        for name in matrix.names
        for row, got in enumerate(matrix.column(name).tolist())
        if not math.isnan(got)
    )
