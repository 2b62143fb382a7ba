"""Ctrl-C that arrives where it breaks things: as a module loads, as a context opens, in a library, in a destructor."""

import os
import random
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.cli.interruption import whole_interrupts

LOADING = """
    import os, signal, time
    os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass
    LOADED = True
"""


def test_an_interrupt_waits_for_the_module_that_is_being_loaded(tmp_path, monkeypatch):
    (tmp_path / "slowly_loaded.py").write_text(textwrap.dedent(LOADING))
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []

    def load():
        import slowly_loaded

        loaded.append(slowly_loaded.LOADED)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        load()
    assert loaded == [True]


def test_a_second_press_does_not_wait(tmp_path, monkeypatch):
    (tmp_path / "loaded_for_ever.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nos.kill(os.getpid(), signal.SIGINT)\n"
        "import time\ntime.sleep(20)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        import loaded_for_ever  # noqa: F401
    assert time.monotonic() - started < 10


def press():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("pressed_in", ["opening", "closing"])
def test_an_interrupt_waits_until_a_context_is_open_or_closed(pressed_in):
    happened = []

    @contextmanager
    def context():
        if pressed_in == "opening":
            press()
        happened.append("opened")
        try:
            yield
        finally:
            if pressed_in == "closing":
                press()
            happened.append("closed")

    def use():
        with context():
            time.sleep(0 if pressed_in == "closing" else 5)
        time.sleep(5)
        happened.append("too late")

    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        use()
    assert happened == ["opened", "closed"]


def in_a_library(source, **names):
    """The function `f` of a text, as if the standard library had it."""
    file = str(Path(sysconfig.get_path("stdlib")) / "no_such_module.py")
    exec(compile(source, file, "exec"), names)  # noqa: S102  text of this file
    return names["f"]


def test_a_library_ends_its_step_and_what_calls_it_is_interrupted():
    ended = []
    steps = "".join(f"    ended.append({number} + 0 * sum(range(50_000)))\n" for number in range(200))
    step = in_a_library(f"def f():\n    os.kill(os.getpid(), {signal.SIGINT:d})\n{steps}", os=os, ended=ended)

    def call():
        step()
        time.sleep(5)
        ended.append("too late")

    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        call()
    assert ended == list(range(200))


def test_a_thread_that_waits_for_another_is_interrupted_there():
    timer = threading.Timer(0.1, press)
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        threading.Event().wait(20)
    timer.join()
    assert time.monotonic() - started < 2


def test_nobody_waits_for_long():
    class Stuck:
        def __enter__(self):
            return self

        def __exit__(self, *exc_info):
            press()
            time.sleep(20)

    def use():
        with Stuck():
            pass

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        use()
    assert 2.5 < time.monotonic() - started < 8


PRESSER = """
import os, signal, sys, time

for line in sys.stdin:
    time.sleep(float(line))
    os.kill(os.getppid(), signal.SIGINT)
    print(flush=True)
"""
PRESSED_AGAIN_AND_AGAIN = f"""
import random, subprocess, sys, time
from pathlib import Path

import headrace as hr
from headrace.cli.interruption import whole_interrupts
from headrace.data import TableStore, ingest

seed, file, root = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
moments = random.Random(seed)
source = hr.CsvSource(file, {{"key": "string", "value": "int64", "share": "float64"}})
presser = subprocess.Popen(
    [sys.executable, "-c", {PRESSER!r}],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
)
ingest(source, TableStore(root / "warm"), "rows")
started = time.monotonic()
ingest(source, TableStore(root / "timed"), "rows")
takes_s = time.monotonic() - started
for number in range(80):
    interrupted = False
    try:
        with whole_interrupts():
            print(moments.uniform(0, 1.2 * takes_s), file=presser.stdin, flush=True)
            ingest(source, TableStore(root / str(number)), "rows")
            time.sleep(20)
    except KeyboardInterrupt:
        interrupted = True
    presser.stdout.readline()
    assert interrupted, "a press was lost"
    left = [path for path in (root / str(number)).rglob(".*") if path.is_dir()]
    assert not left, left
presser.stdin.close()
presser.wait()
"""


def test_an_ingestion_leaves_nothing_wherever_it_is_interrupted(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("key,value,share\n" + "".join(f"k{n % 97},{n},{n / 7}\n" for n in range(60_000)))
    seed = random.randrange(2**32)
    done = subprocess.run(
        [sys.executable, "-c", PRESSED_AGAIN_AND_AGAIN, str(seed), str(file), str(tmp_path / "tables")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (seed, done.stderr)


def test_an_interrupt_in_a_destructor_is_raised_after_it(capsys):
    class Losing:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)

    def lose():
        Losing()
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt), whole_interrupts():
        lose()
    assert "Exception ignored" not in capsys.readouterr().err


def test_everything_is_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM), sys.unraisablehook
    with whole_interrupts():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM), sys.unraisablehook) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
