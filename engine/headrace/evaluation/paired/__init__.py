"""Two models on the same rows: which test decides, what it says, and what many tests together may say.

Pure statistics of arrays: it must not know which model is champion, or what follows from a verdict.
"""

from headrace.evaluation.paired.corrections import adjusted_p_values, holm
from headrace.evaluation.paired.decided import DecisionContest, contest_decisions
from headrace.evaluation.paired.delong import DeLong, delong
from headrace.evaluation.paired.mcnemar import McNemar, mcnemar
from headrace.evaluation.paired.permutation import sign_flip_p_value
from headrace.evaluation.paired.slices import SliceContest, contest_slices
from headrace.evaluation.paired.testing import PairedTest, choose_test

__all__ = [
    "DeLong",
    "DecisionContest",
    "McNemar",
    "PairedTest",
    "SliceContest",
    "adjusted_p_values",
    "choose_test",
    "contest_decisions",
    "contest_slices",
    "delong",
    "holm",
    "mcnemar",
    "sign_flip_p_value",
]
