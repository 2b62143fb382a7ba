"""All or none: what the conductor does when workers agree, differ, refuse or die."""

import threading
from concurrent.futures import Future

import pytest

from headrace.core.errors import CorruptedError, InvalidInputError, UnavailableError
from headrace.serving.models.change import FOLLOW, Action, Change
from headrace.serving.workers.calls import SharedCalls
from headrace.serving.workers.conductor import Conductor, NotAgreedError
from headrace.serving.workers.roster import Roster
from headrace.wire.methods import METHODS

LOAD = Change(Action.LOAD, "late")


class FakeLink:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, worker, answers):
        self._worker = worker
        self.answers = answers
        self.asked = []

    def ask(self, do, **parameters):
        self.asked.append((do, parameters))
        future = Future()
        answer = self.answers.get(do)
        if answer == "die":
            self._worker.lost.set()
            future.set_exception(UnavailableError("gone"))
        elif isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer(parameters) if callable(answer) else answer)
        return future


class FakeWorker:
    def __init__(self, number, **answers):
        self.number = number
        self.lost = threading.Event()
        self.killed = False
        self.link = FakeLink(self, answers)

    def kill(self):
        self.killed = True

    def did(self):
        return [do for do, _ in self.link.asked]


def prepared(**models):
    return {"models": models}


def conduct(*workers):
    roster = Roster()
    for worker in workers:
        roster.add(worker)
    return Conductor(roster)


def test_what_all_prepared_is_committed_by_all():
    workers = [FakeWorker(number, prepare=prepared(late="a")) for number in range(3)]
    conductor = conduct(*workers)
    conductor.conduct(LOAD)
    assert [worker.did() for worker in workers] == [["prepare", "commit"]] * 3
    assert conductor.marks == {"late": "a"}
    assert conductor.requested == {"late": LOAD}


def test_when_one_refuses_nobody_changes():
    good, bad = FakeWorker(0, prepare=prepared(late="a")), FakeWorker(1, prepare=CorruptedError("altered"))
    conductor = conduct(good, bad)
    with pytest.raises(CorruptedError, match="altered"):
        conductor.conduct(LOAD)
    assert good.did() == ["prepare", "abort"]
    assert bad.did() == ["prepare"]
    assert conductor.requested == {}


def test_when_they_differ_nobody_changes():
    workers = [FakeWorker(0, prepare=prepared(late="a")), FakeWorker(1, prepare=prepared(late="b"))]
    with pytest.raises(NotAgreedError):
        conduct(*workers).conduct(FOLLOW)
    assert [worker.did() for worker in workers] == [["prepare", "abort"]] * 2


def test_a_load_compares_the_loaded_model_alone():
    workers = [
        FakeWorker(0, prepare=prepared(late="a", other="x")),
        FakeWorker(1, prepare=prepared(late="a", other="y")),
    ]
    conduct(*workers).conduct(LOAD)
    assert [worker.did() for worker in workers] == [["prepare", "commit"]] * 2


def test_a_worker_that_dies_while_it_prepares_has_no_say():
    alive, dying = FakeWorker(0, prepare=prepared(late="a")), FakeWorker(1, prepare="die")
    conduct(alive, dying).conduct(LOAD)
    assert alive.did() == ["prepare", "commit"]


def test_a_worker_that_does_not_commit_is_killed():
    good = FakeWorker(0, prepare=prepared(late="a"))
    bad = FakeWorker(1, prepare=prepared(late="a"), commit=UnavailableError("another change came in between"))
    conduct(good, bad).conduct(LOAD)
    assert (good.killed, bad.killed) == (False, True)


def test_without_workers_a_change_is_refused():
    with pytest.raises(UnavailableError, match="no worker serves"):
        conduct().conduct(LOAD)


def test_the_first_worker_says_what_is_served_and_an_equal_one_joins():
    conductor = conduct()
    conductor.admit(FakeWorker(0), {"late": "a"})
    second = FakeWorker(1)
    conductor.admit(second, {"late": "a"})
    assert second.did() == []


def test_a_worker_that_found_something_newer_has_all_follow():
    first = FakeWorker(0, prepare=prepared(late="b"))
    conductor = conduct(first)
    conductor.marks = {"late": "a"}
    second = FakeWorker(1, prepare=prepared(late="b"))
    conductor.admit(second, {"late": "b"})
    assert first.did() == second.did() == ["prepare", "commit"]
    assert conductor.marks == {"late": "b"}


def test_where_following_does_not_agree_what_differs_is_loaded_by_all():
    def prepare(mark):
        return lambda given: prepared(late="new" if given["change"]["action"] == "load" else mark)

    first, second = FakeWorker(0, prepare=prepare("a")), FakeWorker(1, prepare=prepare("b"))
    conductor = conduct(first)
    conductor.marks = {"late": "a"}
    conductor.admit(second, {"late": "b"})
    assert first.did() == ["prepare", "abort", "prepare", "commit"]
    assert conductor.marks == {"late": "new"}


def shared(*workers):
    roster = Roster()
    for worker in workers:
        roster.add(worker)
    return SharedCalls(roster)


def encoded(method, **fields):
    from base64 import b64encode

    return METHODS[method].path, b64encode(METHODS[method].request(**fields).SerializeToString()).decode()


REGISTER = encoded("SystemSharedMemoryRegister", name="rows", key="/rows", byte_size=8)


def test_a_region_that_one_worker_refuses_is_taken_back_in_the_others():
    good, bad = FakeWorker(0, answer=""), FakeWorker(1, answer=InvalidInputError("no such object"))
    calls = shared(good, bad)
    with pytest.raises(InvalidInputError, match="no such object"):
        calls.change(*REGISTER)
    undo = encoded("SystemSharedMemoryUnregister", name="rows")
    assert [(given["path"], given["message"]) for _, given in good.link.asked] == [REGISTER, undo]
    assert len(bad.link.asked) == 1
    assert calls.remembered == []


def test_new_workers_are_told_what_is_registered_and_set_now():
    calls = shared(FakeWorker(0, answer=""))
    other = encoded("SystemSharedMemoryRegister", name="other", key="/other", byte_size=8)
    cuda = encoded("CudaSharedMemoryRegister", name="rows", byte_size=8)
    setting = encoded("TraceSetting", settings={"trace_rate": {"value": ["5"]}})
    for path, message in (REGISTER, other, cuda, setting, setting, encoded("LogSettings")):
        calls.change(path, message)
    assert calls.remembered == [REGISTER, other, cuda, setting]
    calls.change(*encoded("SystemSharedMemoryUnregister", name="rows"))
    assert calls.remembered == [other, cuda, setting]
    calls.change(*encoded("SystemSharedMemoryUnregister"))
    assert calls.remembered == [cuda, setting]


def test_statistics_of_workers_that_know_the_model_are_enough():
    from base64 import b64encode

    from headrace.core.errors import NotFoundError
    from headrace.wire import inference_pb2 as pb

    answer = pb.ModelStatisticsResponse(model_stats=[pb.ModelStatistics(name="late", inference_count=3)])
    knows = FakeWorker(0, answer=b64encode(answer.SerializeToString()).decode())
    calls = shared(knows, FakeWorker(1, answer=NotFoundError("no late")))
    assert calls.statistics("") == knows.link.answers["answer"]
    with pytest.raises(NotFoundError):
        shared(FakeWorker(1, answer=NotFoundError("no late"))).statistics("")
    with pytest.raises(UnavailableError, match="no worker serves"):
        shared().statistics("")
