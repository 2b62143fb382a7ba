"""McNemar's test: two models' decisions on the same independent rows, judged by the rows they disagree on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from headrace.evaluation.metrics import Labels
from headrace.monitoring.significance import chi_square_tail

Method = Literal["exact", "mid-p", "chi-square"]

EXACT_UP_TO = 10_000  # disagreements; beyond, the chi-square form is the same to three digits


@dataclass(frozen=True)
class McNemar:
    """Decisions compared.

    Attributes:
        only_first_right: rows that the first decided rightly and the second wrongly.
        only_second_right: the other way round.
        method: how the p-value was found.
        p_value: two-sided, of both being wrong equally often.
    """

    only_first_right: int
    only_second_right: int
    method: Method
    p_value: float

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "only_first_right": self.only_first_right,
            "only_second_right": self.only_second_right,
            "method": self.method,
            "p_value": self.p_value,
        }


def mcnemar(labels: Labels, first: Labels, second: Labels, *, method: Method | None = None) -> McNemar:
    """Compare decisions; p is 1 where the two never disagree.

    Args:
        labels: bool[n], what was right.
        first: bool[n], decisions of the first model.
        second: bool[n], of the second.
        method: `exact` binomial, never below its level; `mid-p`, closer to it, the default; `chi-square` with
            continuity correction, taken where there are more than `EXACT_UP_TO` disagreements.

    Reference: McNemar, Psychometrika 12 (1947); Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13
    (2013), which recommends the mid-p form.
    """
    right_first, right_second = first == labels, second == labels
    one, other = int((right_first & ~right_second).sum()), int((right_second & ~right_first).sum())
    used: Method = method or ("mid-p" if one + other <= EXACT_UP_TO else "chi-square")
    return McNemar(one, other, used, _p_value(one, other, used))


def _p_value(one: int, other: int, method: Method) -> float:
    total = one + other
    if total == 0:
        return 1.0
    if method == "chi-square":
        return chi_square_tail(max(abs(one - other) - 1, 0) ** 2 / total, 1)
    from scipy.stats import binom

    fewer = min(one, other)
    p_value = 2.0 * float(binom.cdf(fewer, total, 0.5))
    if method == "mid-p":
        p_value -= float(binom.pmf(fewer, total, 0.5))
    return min(1.0, p_value) if math.isfinite(p_value) else 1.0
