"""Whether a process lives is known exactly on its own machine, and not guessed for another one."""

import subprocess
from dataclasses import replace
from pathlib import Path

from headrace.training.runs.process import ProcessName


def name_of(pid: int) -> ProcessName:
    own = ProcessName.own()
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    _, _, rest = own.token.split(":", 2)
    return replace(own, token=f"{pid}:{started}:{rest}")


def test_this_process_lives():
    assert ProcessName.own().is_alive() is True


def test_a_process_that_ended_is_dead_even_before_anyone_waited_for_it():
    child = subprocess.Popen(["sleep", "60"])
    name = name_of(child.pid)
    assert name.is_alive() is True
    child.kill()
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        pass
    assert name.is_alive() is False
    child.wait()
    assert name.is_alive() is False


def test_an_id_that_was_given_again_is_another_process():
    own = ProcessName.own()
    pid, _, rest = own.token.split(":", 2)
    assert replace(own, token=f"{pid}:1:{rest}").is_alive() is False


def test_a_process_before_the_machine_started_again_is_dead():
    own = ProcessName.own()
    pid, started, _, namespace = own.token.split(":", 3)
    assert replace(own, token=f"{pid}:{started}:another-boot:{namespace}").is_alive() is False


def test_another_machine_and_another_container_are_not_known():
    own = ProcessName.own()
    assert replace(own, host="elsewhere").is_alive() is None
    assert replace(own, token=own.token + "0").is_alive() is None
