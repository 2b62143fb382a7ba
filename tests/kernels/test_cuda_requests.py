"""What CUDA kernels of windows say of statistics that they do not compute."""

from __future__ import annotations

import pytest

from headrace_kernels.arrays import Statistic, StatisticRequest
from headrace_kernels.cuda import categories, decay, pairs, quantiles
from headrace_kernels.cuda.requests import UnsupportedStatisticError, require_support

MODULES = (categories, decay, pairs, quantiles)


def test_a_statistic_without_a_kernel_is_refused_with_those_that_have_one():
    requests = [StatisticRequest(Statistic.DISTINCT), StatisticRequest(Statistic.MODE)]
    with pytest.raises(
        UnsupportedStatisticError, match=r"MODE has no CUDA kernel here; there are DISTINCT: use the CPU"
    ):
        require_support(requests, categories.SUPPORTED)


def test_no_statistic_has_two_modules():
    together = [statistic for module in MODULES for statistic in module.SUPPORTED]
    assert len(together) == len(set(together))
