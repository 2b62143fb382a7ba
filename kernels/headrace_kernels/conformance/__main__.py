"""`python -m headrace_kernels.conformance`: every case on this machine's CUDA device; exits with 1 if a bit differs."""

from __future__ import annotations

import sys

from headrace_kernels.conformance.case import EDGES, cases_of, run_case, suites
from headrace_kernels.cuda import device


def main() -> int:
    """Run every case and print what differs."""
    reason = device.why_unavailable()
    if reason:
        print(f"no CUDA device: {reason}", file=sys.stderr)  # noqa: T201  # a program of its own
        return 3
    failed = done = 0
    for suite in suites():
        for size in (*EDGES, 100_000):
            for case in cases_of(suite, size, seed=1):
                outcome = run_case(case)
                done += 1
                if outcome.problem:
                    failed += 1
                    print(f"{suite}.{outcome.kernel}: {outcome.label}: {outcome.problem}")  # noqa: T201
    print(f"{done - failed:,} of {done:,} cases are equal bit for bit on {device.current().name}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
