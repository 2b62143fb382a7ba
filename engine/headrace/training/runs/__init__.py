"""Run records: what was trained with which settings on which data by which code, and what came of it.

A `RunStore` keeps runs in the workspace's database; a `RunRecorder` writes one of them while it happens. Whatever
`begin`, `flush` and `finish` have returned from is safe; a run whose process died is shown as killed. This package must
not train, judge or package anything: others tell it what they did.
"""

from headrace.training.runs.comparison import Comparison, Difference, compare_runs
from headrace.training.runs.environment import describe_environment
from headrace.training.runs.recorder import RunRecorder
from headrace.training.runs.records import (
    Artefact,
    MetricValue,
    RegisteredVersion,
    RunKind,
    RunRecord,
    RunStart,
    RunStatus,
    SnapshotRead,
)
from headrace.training.runs.store import RunQuery, RunStore

__all__ = [
    "Artefact",
    "Comparison",
    "Difference",
    "MetricValue",
    "RegisteredVersion",
    "RunKind",
    "RunQuery",
    "RunRecord",
    "RunRecorder",
    "RunStart",
    "RunStatus",
    "RunStore",
    "SnapshotRead",
    "compare_runs",
    "describe_environment",
]
