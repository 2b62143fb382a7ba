"""A process that records runs, to be run many times at once and to be killed.

run_writer.py DATABASE RUNS        record that many trials under one tuning run; prints each metric it was told is safe
"""

from __future__ import annotations

import sys
from pathlib import Path

from headrace.core.database import open_database
from headrace.training.runs import RunKind, RunStart, RunStore


def main() -> None:
    store = RunStore(open_database(Path(sys.argv[1])))
    with store.begin(RunStart(RunKind.TUNING, model="late")) as parent:
        for number in range(int(sys.argv[2])):
            with parent.child(RunKind.TRIAL, f"trial {number}") as trial:
                trial.parameters({"num_leaves": number, "nested": {"rate": number / 10}})
                trial.metric("valid.auc", 0.5 + number / 1000)
                trial.curve("valid.auc", [(tree, tree / 100) for tree in range(1, 51)])
                trial.flush()
                print(trial.id, number, flush=True)  # noqa: T201 - the answer of this program


if __name__ == "__main__":
    main()
