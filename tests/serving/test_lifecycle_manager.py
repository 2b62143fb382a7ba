"""Models that are loaded, switched, refused and unloaded: what is served, and what the index says."""

import gc
import threading
import weakref

import numpy as np
import pytest

from headrace.core.clock import ManualClock
from headrace.core.errors import (
    CorruptedError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnimplementedError,
)
from headrace.serving.batching.tickets import Ticket
from headrace.serving.config import BatchingConfig, Device, ServingConfig
from headrace.serving.models.change import FOLLOW, Action, Change
from headrace.serving.models.manager import LOOK_S, FleetManager
from headrace.serving.models.source import open_source

ROW = np.array([[1, 2, 3, 4]], np.float32)
LIMIT_S = 60.0


class Place:
    """A repository folder, and a manager that serves it."""

    def __init__(self, root, make_model):
        self.root = root
        self.make_model = make_model
        self.clock = ManualClock()

    def put(self, name, version, content=None):
        file = self.root / name / str(version) / "model.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.make_model(version) if content is None else content)
        return file

    def settings(self, name, text):
        (self.root / name / "model.toml").write_text(text)

    def open(self, **changes):
        config = ServingConfig(repository=self.root, port=0, device=Device.CPU, **({"watch": True} | changes))
        return FleetManager(open_source(config, self.clock), config, self.clock)

    def start(self, **changes):
        manager = self.open(**changes)
        manager.start()
        return manager

    def follow(self, manager):
        """Look often enough that a change stands still and is taken."""
        for _ in range(2):
            self.clock.advance(0.1)
            manager.refresh()


@pytest.fixture
def place(tmp_path, sum_model):
    return Place(tmp_path, sum_model)


def score(manager, name="sum", version=""):
    return manager.fleet.deployment(name).pick(version, "").infer(Ticket((ROW,)))[0].tolist()


def lines(manager, *, ready_only=False):
    return [(line.name, line.version, line.state) for line in manager.index(ready_only=ready_only)]


def reason(manager, name, version):
    return next(line.reason for line in manager.index(ready_only=False) if (line.name, line.version) == (name, version))


def test_the_latest_version_is_served_and_switched_to(place):
    place.put("sum", 1)
    manager = place.start()
    assert score(manager) == [[1010]]
    assert lines(manager) == [("sum", "1", "READY")]
    place.put("sum", 2)
    place.follow(manager)
    assert score(manager) == [[2010]]
    assert lines(manager) == [("sum", "2", "READY")]


def test_several_versions_are_served_side_by_side(place):
    for version in (1, 2, 3):
        place.put("sum", version)
    place.settings("sum", "versions = { latest = 2 }")
    manager = place.start()
    assert score(manager) == [[3010]]
    assert score(manager, version="2") == [[2010]]
    with pytest.raises(NotFoundError, match="has no version 1 here; loaded: 2, 3"):
        score(manager, version="1")


def test_a_failed_load_keeps_the_old_version_and_says_why(place):
    place.put("sum", 1)
    manager = place.start()
    place.put("sum", 2, b"no graph")
    place.follow(manager)
    assert score(manager) == [[1010]]
    assert lines(manager) == [("sum", "1", "READY"), ("sum", "2", "UNAVAILABLE")]
    assert "the graph cannot be run" in reason(manager, "sum", "2")
    assert lines(manager, ready_only=True) == [("sum", "1", "READY")]
    place.put("sum", 2)
    place.follow(manager)
    assert score(manager) == [[2010]]
    assert lines(manager) == [("sum", "2", "READY")]


def test_content_that_is_replaced_under_its_number_is_loaded_again(place, sum_model):
    place.put("sum", 1)
    manager = place.start()
    digest = manager.fleet.deployment("sum").champion.identity.digest
    place.put("sum", 1, sum_model(7))
    place.follow(manager)
    assert score(manager) == [[7010]]
    assert manager.fleet.deployment("sum").champion.identity.digest != digest
    place.put("sum", 1, b"no graph")
    place.follow(manager)
    assert score(manager) == [[7010]]
    assert lines(manager) == [("sum", "1", "READY")]
    assert "its new content cannot be served" in reason(manager, "sum", "1")


def test_the_best_version_that_loads_answers(place):
    place.put("sum", 1)
    place.put("sum", 2, b"no graph")
    place.settings("sum", 'versions = "all"')
    manager = place.start()
    assert score(manager) == [[1010]]
    assert lines(manager) == [("sum", "1", "READY"), ("sum", "2", "UNAVAILABLE")]


def test_a_bad_model_does_not_keep_the_others_from_starting(place):
    place.put("good", 1)
    place.put("bad", 1, b"no graph")
    (place.root / "empty").mkdir()
    manager = place.start()
    assert lines(manager) == [("bad", "1", "UNAVAILABLE"), ("empty", "", "UNAVAILABLE"), ("good", "1", "READY")]
    assert "holds no version" in reason(manager, "empty", "")


def test_an_empty_repository_is_a_server_without_models(place):
    manager = place.start()
    assert lines(manager) == []
    place.put("sum", 1)
    place.follow(manager)
    assert score(manager) == [[1010]]


def test_a_model_whose_folder_is_removed_is_unloaded(place):
    place.put("sum", 1)
    file = place.put("gone", 1)
    manager = place.start()
    file.unlink()
    file.parent.rmdir()
    file.parent.parent.rmdir()
    place.follow(manager)
    assert lines(manager) == [("sum", "1", "READY")]


def test_a_models_own_batching_bounds_its_queue_and_follows_its_settings(place):
    place.put("sum", 1)
    place.settings("sum", "[batching]\nmax_batch_rows = 8")
    manager = place.start(batching=BatchingConfig(window_us=7))
    assert manager.fleet.deployment("sum").champion.batching == BatchingConfig(window_us=7, max_batch_rows=8)
    before = manager.fleet.deployment("sum").champion
    place.settings("sum", "[batching]\nmax_batch_rows = 16")
    place.follow(manager)
    assert manager.fleet.deployment("sum").champion.batching.max_batch_rows == 16
    place.settings("sum", "[batching]\nmax_batch_row = 32")
    place.follow(manager)
    assert manager.fleet.deployment("sum").champion.batching.max_batch_rows == 16
    assert "'max_batch_row' is unknown" in reason(manager, "sum", "")
    assert before is not manager.fleet.deployment("sum").champion


def test_a_failed_load_is_tried_again_less_and_less_often(place, monkeypatch):
    place.put("sum", 1, b"no graph")
    manager = place.start()
    tries = [0.0]
    loads = manager._loader.load

    def count(model, number):
        tries.append(place.clock.monotonic())
        return loads(model, number)

    monkeypatch.setattr(manager._loader, "load", count)
    while place.clock.monotonic() < 1000:
        manager.refresh()
        place.clock.advance(1.0)
    gaps = np.diff(tries)
    assert gaps[:5].tolist() == pytest.approx([5, 10, 20, 40, 80], abs=LOOK_S + 1)
    assert gaps[-1] == pytest.approx(300, abs=LOOK_S + 1)


def test_without_watch_only_a_load_on_request_changes_what_is_served(place):
    place.put("sum", 1)
    manager = place.start(watch=False)
    place.put("sum", 2)
    place.put("other", 1)
    place.clock.advance(LOOK_S)
    place.follow(manager)
    assert lines(manager) == [("other", "", "UNAVAILABLE"), ("sum", "1", "READY")]
    manager.load("sum", {})
    manager.load("other", {})
    assert lines(manager) == [("other", "1", "READY"), ("sum", "2", "READY")]
    place.clock.advance(LOOK_S)
    place.follow(manager)
    assert lines(manager) == [("other", "1", "READY"), ("sum", "2", "READY")]


@pytest.mark.parametrize("watch", [False, True])
def test_what_was_unloaded_on_request_is_loaded_on_request_only(place, watch):
    place.put("sum", 1)
    manager = place.start(watch=watch)
    manager.unload("sum", dependents=True)
    place.put("sum", 2)
    place.clock.advance(LOOK_S)
    place.follow(manager)
    with pytest.raises(NotFoundError, match="is not served here"):
        score(manager)
    assert {line.state for line in manager.index(ready_only=False)} == {"UNAVAILABLE"}
    assert {line.reason for line in manager.index(ready_only=False)} == {"unloaded"}
    manager.unload("sum", dependents=False)
    manager.load("sum", {})
    assert score(manager) == [[2010]]
    place.put("sum", 3)
    place.follow(manager)
    assert score(manager) == [[3010 if watch else 2010]]


def test_a_load_on_request_that_fails_raises_why_and_changes_nothing(place):
    place.put("sum", 1)
    manager = place.start(watch=False)
    swaps = []
    manager.listeners.append(lambda _: swaps.append(1))
    place.put("sum", 2, b"no graph")
    with pytest.raises(CorruptedError, match="sum@2: the graph cannot be run"):
        manager.load("sum", {})
    place.clock.advance(LOOK_S)
    manager.refresh()
    assert not swaps
    assert lines(manager) == [("sum", "1", "READY"), ("sum", "2", "UNAVAILABLE")]
    place.put("sum", 2)
    manager.load("sum", {})
    assert lines(manager) == [("sum", "2", "READY")]


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"config": "{}"}, UnimplementedError, "load parameter 'config' is not supported"),
        ({"file:1/model.onnx": b""}, UnimplementedError, "load parameter 'file:1/model.onnx' is not supported"),
        ({"conifg": "{}"}, InvalidInputError, "load parameter 'conifg' is unknown"),
    ],
)
def test_load_parameters_are_refused_in_words(place, parameters, kind, words):
    place.put("sum", 1)
    with pytest.raises(kind, match=words):
        place.start().load("sum", parameters)


@pytest.mark.parametrize("ask", [lambda m: m.load("sun", {}), lambda m: m.unload("sun", dependents=False)])
def test_an_unknown_model_is_named(place, ask):
    place.put("sum", 1)
    with pytest.raises(NotFoundError, match="no model 'sun' can be loaded; there are: sum"):
        ask(place.start())


def test_a_prepared_change_is_served_when_it_is_committed(place):
    place.put("sum", 1)
    manager = place.start(watch=False)
    other = place.start(watch=False)
    place.put("sum", 2)
    change = Change.from_json(Change(Action.LOAD, "sum").to_json())
    prepared, elsewhere = manager.prepare(change), other.prepare(change)
    assert prepared.changed
    assert prepared.digest == elsewhere.digest
    assert score(manager) == [[1010]]
    manager.commit(prepared)
    other.abort(elsewhere)
    assert (score(manager), score(other)) == ([[2010]], [[1010]])
    assert other.prepare(FOLLOW).changed is False
    assert other.prepare(FOLLOW).digest != manager.prepare(FOLLOW).digest


def test_of_two_changes_of_one_fleet_the_first_is_committed(place):
    place.put("sum", 1)
    manager = place.start()
    place.put("sum", 2)
    first, second = manager.prepare(Change(Action.LOAD, "sum")), manager.prepare(Change(Action.UNLOAD, "sum"))
    manager.commit(first)
    with pytest.raises(UnavailableError, match="another change"):
        manager.commit(second)
    assert score(manager) == [[2010]]


def test_what_is_no_change_is_refused():
    with pytest.raises(InvalidInputError, match="is no change of models"):
        Change.from_json({"action": "explode"})


def test_every_change_goes_through_the_conductor(place):
    place.put("sum", 1)
    manager = place.start()
    asked = []
    manager.conductor = asked.append
    manager.load("sum", {})
    manager.unload("sum", dependents=False)
    place.put("sum", 2)
    place.follow(manager)
    assert asked == [Change(Action.LOAD, "sum"), Change(Action.UNLOAD, "sum"), FOLLOW]
    assert score(manager) == [[1010]]


def test_listeners_hear_of_every_fleet_and_of_nothing_else(place):
    place.put("sum", 1)
    manager = place.open()
    heard = []
    manager.listeners.append(heard.append)
    manager.start()
    place.clock.advance(LOOK_S)
    place.follow(manager)
    assert heard == [manager.fleet]
    place.put("sum", 2)
    place.follow(manager)
    manager.unload("sum", dependents=False)
    assert [list(fleet.deployments) for fleet in heard] == [["sum"], ["sum"], []]
    assert heard[-1] is manager.fleet


def test_a_version_that_leaves_is_freed_with_its_last_request(place):
    """A request that picked the version before the switch is answered by it; then nothing holds the graph."""
    place.put("sum", 1)
    manager = place.start()
    picked = manager.fleet.deployment("sum").champion
    graph = weakref.ref(picked.session)
    place.put("sum", 2)
    place.follow(manager)
    assert lines(manager) == [("sum", "1", "UNLOADING"), ("sum", "2", "READY")]
    assert picked.infer(Ticket((ROW,)))[0].tolist() == [[1010]]
    gc.disable()
    try:
        del picked
        assert graph() is None
    finally:
        gc.enable()
    assert lines(manager) == [("sum", "2", "READY")]


def test_a_failed_load_leaves_nothing_behind(place, monkeypatch):
    """The reason is kept, not the traceback that would keep the graph's bytes alive."""
    from headrace.serving.models import repository_source

    refs, kind = [], repository_source.Artifact

    def artifact(content, digest):
        made = kind(content, digest)
        refs.append(weakref.ref(made))
        return made

    place.put("sum", 1)
    manager = place.start()
    monkeypatch.setattr(repository_source, "Artifact", artifact)
    place.put("sum", 2, b"no graph")
    gc.disable()
    try:
        place.follow(manager)
    finally:
        gc.enable()
    assert [ref() for ref in refs] == [None]


def test_a_load_is_shown_while_it_runs_and_requests_are_answered_meanwhile(place, monkeypatch):
    place.put("sum", 1)
    manager = place.start()
    go_on, begun = threading.Event(), threading.Event()
    load = manager._loader.load

    def slow(model, number):
        begun.set()
        assert go_on.wait(LIMIT_S)
        return load(model, number)

    monkeypatch.setattr(manager._loader, "load", slow)
    place.put("sum", 2)
    thread = threading.Thread(target=manager.load, args=("sum", {}))
    thread.start()
    assert begun.wait(LIMIT_S)
    assert lines(manager) == [("sum", "1", "READY"), ("sum", "2", "LOADING")]
    assert score(manager) == [[1010]]
    go_on.set()
    thread.join(LIMIT_S)
    assert lines(manager) == [("sum", "2", "READY")]
