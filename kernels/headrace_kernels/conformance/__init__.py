"""Whether a device computes the CPU's bits: cases for every CUDA kernel, each with what the CPU makes of it.

`python -m headrace_kernels.conformance` runs them on this machine's CUDA device. Needs NumPy, Numba and CuPy alone.
"""

from headrace_kernels.conformance.case import Case, Outcome, cases_of, run_case, suites

__all__ = ["Case", "Outcome", "cases_of", "run_case", "suites"]
