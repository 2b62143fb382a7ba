"""The example of the guide to runs works as it stands."""

import re
from pathlib import Path

import pytest

from headrace.training.runs import RunKind, RunQuery

GUIDE = Path(__file__).parents[3] / "docs" / "operations" / "runs.md"


def test_the_example_runs(store):
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    before, again = block.split("study = store.resume")
    exec(compile(before, str(GUIDE), "exec"), {"engine": store.engine})  # noqa: S102  that is the test
    (trial,) = store.runs(RunQuery(kind=RunKind.TRIAL))
    assert trial.metrics["valid.auc"].value == pytest.approx(0.771)
    assert again.startswith("(study.id)")
