"""Evaluation: how good a model is on rows it has not seen, with intervals, and whether that is good enough.

NumPy, with SciPy, scikit-learn and fairlearn where a judgement needs them, loaded when it is made. It must not import a
training library, know where rows come from, or decide what happens to the model.
"""

from headrace.evaluation.assessment import Assessment, EvaluationSettings
from headrace.evaluation.baselines import GroupRates
from headrace.evaluation.comparison import Comparison, Outcome, compare
from headrace.evaluation.evaluation import Baseline, Evaluation, Sample, evaluate
from headrace.evaluation.examined import Absence, Examined
from headrace.evaluation.figures import Figure
from headrace.evaluation.gates import AtLeast, AtMost, Gate, GateReport, Improves, MaxGap, Verdict, gate_json, judge
from headrace.evaluation.gates_of_groups import Fair, SliceFloor
from headrace.evaluation.gates_of_rivals import NonInferior, Superior
from headrace.evaluation.gates_of_use import AtThreshold, Calibrated, Robust
from headrace.evaluation.known_gates import GATES
from headrace.evaluation.thresholds import ConstrainedThreshold, CostThreshold

__all__ = [
    "GATES",
    "Absence",
    "Assessment",
    "AtLeast",
    "AtMost",
    "AtThreshold",
    "Baseline",
    "Calibrated",
    "Comparison",
    "ConstrainedThreshold",
    "CostThreshold",
    "Evaluation",
    "EvaluationSettings",
    "Examined",
    "Fair",
    "Figure",
    "Gate",
    "GateReport",
    "GroupRates",
    "Improves",
    "MaxGap",
    "NonInferior",
    "Outcome",
    "Robust",
    "Sample",
    "SliceFloor",
    "Superior",
    "Verdict",
    "compare",
    "evaluate",
    "gate_json",
    "judge",
]
