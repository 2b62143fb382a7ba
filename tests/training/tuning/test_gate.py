"""The gate: one measures while the others wait between two trees, and nobody waits for ever."""

from __future__ import annotations

import threading

from headrace.training.tuning import gate as gates
from headrace.training.tuning.gate import Gate


def test_training_waits_between_two_trees_while_another_measures():
    gate, trees, grown, done = Gate(), [], threading.Event(), threading.Event()

    def train():
        with gate.training():
            while not done.is_set():
                trees.append(1)
                grown.set()
                gate(None, ())

    worker = threading.Thread(target=train)
    worker.start()
    assert grown.wait(5)
    with gate.measuring() as alone:
        assert alone
        before = len(trees)
        assert not done.wait(0.05)
        assert len(trees) == before
    grown.clear()
    assert grown.wait(5)  # it goes on
    done.set()
    worker.join()


def test_a_measurement_says_when_a_trial_did_not_reach_the_end_of_its_tree(monkeypatch):
    monkeypatch.setattr(gates, "WAIT_S", 0.01)
    gate, leave = Gate(), threading.Event()
    entered = threading.Event()

    def train():
        with gate.training():
            entered.set()
            leave.wait()

    worker = threading.Thread(target=train)
    worker.start()
    entered.wait()
    with gate.measuring() as alone:
        assert not alone
    leave.set()
    worker.join()


def test_alone_without_other_trials():
    with Gate().measuring() as alone:
        assert alone
