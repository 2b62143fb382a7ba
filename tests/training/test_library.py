"""LightGBM is loaded with threads that wait, unless the user wants them to spin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_wait_policy_is_set_before_openmp_is_loaded(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    environment["OMP_DISPLAY_ENV"] = "true"  # OpenMP tells at load what it read
    program = "from headrace.training.library import load_lightgbm; load_lightgbm()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert f"OMP_WAIT_POLICY = '{expected}'" in ran.stderr
