"""Every gate a project may declare, and what each needs the evaluation to look at."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.evaluation.gates import AtLeast, AtMost, Gate, Improves, MaxGap
from headrace.evaluation.gates_of_groups import Fair, SliceFloor
from headrace.evaluation.gates_of_rivals import CHAMPION, NonInferior, Superior
from headrace.evaluation.gates_of_use import AtThreshold, Calibrated, Robust

__all__ = ["CHAMPION", "GATES", "need_champion", "sensitive_columns", "sliced_columns"]

GATES = (AtLeast, AtMost, MaxGap, Improves, NonInferior, Superior, SliceFloor, Fair, AtThreshold, Calibrated, Robust)


def sliced_columns(gates: Sequence[Gate]) -> list[str]:
    """Columns whose groups gates judge."""
    one_column = [gate.by for gate in gates if isinstance(gate, (MaxGap, SliceFloor))]
    return one_column + [column for gate in gates if isinstance(gate, NonInferior) for column in gate.by]


def sensitive_columns(gates: Sequence[Gate]) -> list[str]:
    """Columns that gates on fairness name."""
    return [gate.by for gate in gates if isinstance(gate, Fair)]


def need_champion(gates: Sequence[Gate]) -> bool:
    """Whether a gate compares with the registered champion."""
    rivals = {gate.to for gate in gates if isinstance(gate, (NonInferior, Superior))}
    return CHAMPION in rivals | {gate.over for gate in gates if isinstance(gate, Improves)}
