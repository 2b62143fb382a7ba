"""Evaluation: how good a model is on rows it has not seen, with intervals, and whether that is good enough.

NumPy alone: it must not import a training library, know where rows come from, or decide what happens to the model.
"""

from headrace.evaluation.assessment import Assessment, EvaluationSettings
from headrace.evaluation.baselines import GroupRates
from headrace.evaluation.comparison import Comparison, Outcome, compare
from headrace.evaluation.evaluation import Baseline, Evaluation, Sample, evaluate
from headrace.evaluation.figures import Figure
from headrace.evaluation.gates import AtLeast, AtMost, Gate, GateReport, Improves, MaxGap, Verdict, gate_json, judge

__all__ = [
    "Assessment",
    "AtLeast",
    "AtMost",
    "Baseline",
    "Comparison",
    "Evaluation",
    "EvaluationSettings",
    "Figure",
    "Gate",
    "GateReport",
    "GroupRates",
    "Improves",
    "MaxGap",
    "Outcome",
    "Sample",
    "Verdict",
    "compare",
    "evaluate",
    "gate_json",
    "judge",
]
