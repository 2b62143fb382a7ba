"""The runner: order, skipping, interruption."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.core.clock import ManualClock
from headrace.core.errors import CancelledError, InvalidInputError
from headrace.pipeline.runner import run_stages
from headrace.pipeline.stage import StageOutcome, StageRecord
from headrace.pipeline.workspace import Workspace


class Stage:
    code = ("core",)

    def __init__(self, name, after=(), *, error=None):
        self.name = name
        self.after = after
        self.setting = 1
        self.runs = 0
        self.error = error

    def inputs(self, context):
        return {"setting": self.setting}

    def outputs(self, context):
        return [context.workspace.home / f"{self.name}.out"]

    def run(self, context):
        self.runs += 1
        if self.error is not None:
            raise self.error
        (context.workspace.home / f"{self.name}.out").write_text("made")
        return StageOutcome(f"{self.name} done", facts={"runs": self.runs})


@pytest.fixture
def context(tmp_path):
    closed = []
    return SimpleNamespace(
        workspace=Workspace(tmp_path), records={}, clock=ManualClock(), close=lambda: closed.append(1), closed=closed
    )


def run(stages, context):
    context.records.clear()
    return [(report.record.name, report.skipped) for report in run_stages(stages, context)]


def test_stages_run_in_order_and_are_skipped_the_second_time(context):
    stages = [Stage("a"), Stage("b", ("a",))]
    assert run(stages, context) == [("a", False), ("b", False)]
    assert run(stages, context) == [("a", True), ("b", True)]
    assert [stage.runs for stage in stages] == [1, 1]
    assert context.records["b"].facts == {"runs": 1}


def test_a_changed_input_runs_the_stage_and_all_after_it_again(context):
    stages = [Stage("a"), Stage("b", ("a",)), Stage("c", ())]
    run(stages, context)
    stages[0].setting = 2
    assert run(stages, context) == [("a", False), ("b", False), ("c", True)]


def test_a_missing_output_runs_the_stage_again(context):
    stages = [Stage("a")]
    run(stages, context)
    (context.workspace.home / "a.out").unlink()
    assert run(stages, context) == [("a", False)]


def test_an_unreadable_record_runs_the_stage_again(context):
    stages = [Stage("a")]
    run(stages, context)
    context.workspace.stage_record("a").write_text("{half")
    assert run(stages, context) == [("a", False)]


def test_ctrl_c_names_the_stage_and_keeps_the_ones_before(context):
    stages = [Stage("a"), Stage("b", ("a",), error=KeyboardInterrupt())]
    with pytest.raises(CancelledError, match="interrupted in stage 'b'") as caught:
        run(stages, context)
    assert caught.value.exit_code == 130
    assert context.closed
    assert not context.workspace.stage_record("b").exists()
    stages[1].error = None
    assert run(stages, context) == [("a", True), ("b", False)]


def test_a_failing_stage_forgets_its_earlier_record(context):
    stages = [Stage("a")]
    run(stages, context)
    stages[0].setting, stages[0].error = 2, InvalidInputError("no")
    with pytest.raises(InvalidInputError):
        run(stages, context)
    assert StageRecord.read(context.workspace.stage_record("a")) is None


def test_a_record_reads_back_as_written(tmp_path: Path):
    record = StageRecord("a", "digest", 1.5, StageOutcome("head", "detail", {"x": [1, None]}))
    record.write(tmp_path / "a.json")
    assert StageRecord.read(tmp_path / "a.json") == record
    assert json.loads((tmp_path / "a.json").read_text())["name"] == "a"
