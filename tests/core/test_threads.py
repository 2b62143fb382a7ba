"""The thread pool: what it gives, and that Ctrl-C at any moment ends it."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED

import pytest

from headrace.core.threads import ThreadPool, result_of, wait_for


def test_results_come_in_order_and_an_error_at_its_place():
    with ThreadPool(3) as pool:
        assert list(pool.map(lambda value: value * value, range(50))) == [value * value for value in range(50)]
        results = pool.map(lambda value: 1 / value, [1, 0, 2])
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert list(pool.map(abs, [])) == []


def test_an_error_cancels_what_no_thread_has_begun():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.05)

    def leave():
        with ThreadPool(1) as pool:
            for number in range(40):
                pool.submit(work, number)
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        leave()
    assert len(begun) < 10


def test_what_is_done_first_is_told_first():
    gate = threading.Event()
    with ThreadPool(2) as pool:
        slow, fast = pool.submit(gate.wait, 30), pool.submit(int, "7")
        done, others = wait_for([slow, fast], FIRST_COMPLETED)
        assert (done, others) == ({fast}, {slow})
        assert result_of(fast) == 7
        gate.set()
        assert wait_for([slow, fast]) == ({slow, fast}, set())
        assert wait_for([]) == (set(), set())


PRESSER = """
import os, signal, sys, time

for line in sys.stdin:
    time.sleep(float(line))
    os.kill(os.getppid(), signal.SIGINT)
    print(flush=True)
"""
PRESSED = f"""
import faulthandler, hashlib, random, subprocess, sys
from headrace.core.threads import ThreadPool, result_of

moments = random.Random(int(sys.argv[1]))
presser = subprocess.Popen(
    [sys.executable, "-c", {PRESSER!r}],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
)
content = bytes(100_000)

def work(number):
    return hashlib.sha256(content).digest() + bytes(number)

for turn in range(1_500):
    faulthandler.dump_traceback_later(30, exit=True)
    try:
        print(moments.uniform(0, 0.004), file=presser.stdin, flush=True)
        while True:
            with ThreadPool(2) as pool:
                list(pool.map(work, range(6)))
                result_of(pool.submit(work, 3))
    except KeyboardInterrupt:
        pass
    presser.stdout.readline()
presser.stdin.close()
presser.wait()
print("whole")
"""


def test_ctrl_c_at_any_moment_ends_a_pool():
    seed = time.time_ns() % 2**32
    # Without measuring coverage: its Python code would be most of what is interrupted, and may lose what it meets.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", PRESSED, str(seed)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=plain,
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), (seed, done.stderr)
