"""Ctrl-C that arrives where Python loses it: while a module loads, and in a destructor."""

import os
import signal
import sys
import textwrap
import time

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
