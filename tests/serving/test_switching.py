"""Versions that come, go, share traffic or are damaged, while requests run."""

import shutil
import threading
import time
import urllib.request

import numpy as np
import pytest

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.core.hashing import stable_bucket
from headrace.serving.server import Server

ROW = np.array([[1, 2, 3, 4]], np.float32)
SUM = 10.0
LIMIT_S = 60.0


def until(condition):
    """Wait for another thread's work; the limit only bounds a failure."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


def answers_from(client, version: int) -> bool:
    return client.infer("late", ROW).model_version == str(version)


def scrape(server: Server) -> str:
    with urllib.request.urlopen(f"http://{server._metrics.address}/metrics", timeout=5) as page:
        return page.read().decode()


def test_a_promotion_is_followed(world, start):
    _, client = start()
    assert client.infer("late", ROW).scores.tolist() == [SUM + 1000]
    world.releases.adopt("late", 2, reason="better")
    until(lambda: answers_from(client, 2))
    assert client.infer("late", ROW).scores.tolist() == [SUM + 2000]


def test_a_switch_under_load_fails_no_request(world, start):
    """Promotions and rollbacks back and forth, while eight threads ask: every answer is right for its version."""
    _, client = start()
    wrong, counts, stop = [], {"1": 0, "2": 0}, threading.Event()

    def ask():
        while not stop.is_set():
            try:
                answer = client.infer("late", ROW)
                counts[answer.model_version] += 1
                if answer.scores[0] != SUM + 1000 * int(answer.model_version):
                    wrong.append(answer)
            except Exception as error:  # noqa: BLE001  any failure at all is the finding
                wrong.append(error)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        world.releases.adopt("late", 2, reason="forth")
        until(lambda: answers_from(client, 2))
        world.releases.rollback("late", reason="back")
        until(lambda: answers_from(client, 1))
    stop.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert not wrong
    assert min(counts.values()) > 0


@pytest.mark.slow
def test_a_hundred_reloads_fail_no_request_and_mix_no_versions(world, start, sum_model, tmp_path):
    """Every swap reads, opens and warms a graph and lets one go, while four threads ask without a pause."""
    folder = tmp_path / "models" / "sum"

    def put(version):
        (folder / str(version)).mkdir(parents=True)
        (folder / str(version) / "model.onnx").write_bytes(sum_model(version))
        shutil.rmtree(folder / str(version - 2), ignore_errors=True)

    put(1)
    server, client = start(models=(), database=None, store=None, repository=folder.parent, watch=True, poll_ms=10)
    wrong, seen, stop = [], set(), threading.Event()

    def ask(seed):
        random = np.random.default_rng(seed)
        while not stop.is_set():
            rows = random.integers(0, 100, (3, 4)).astype(np.float32)
            try:
                answer = client.infer("sum", rows)
                version = int(answer.model_version)
                seen.add(version)
                if answer.scores.tolist() != (rows.sum(axis=1) + 1000 * version).tolist():
                    wrong.append((version, rows, answer.scores))
            except Exception as error:  # noqa: BLE001  any failure at all is the finding
                wrong.append(error)

    threads = [threading.Thread(target=ask, args=(seed,), daemon=True) for seed in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: 1 in seen)
    for version in range(2, 102):
        put(version)
        until(lambda version=version: version in seen)
    stop.set()
    for thread in threads:
        thread.join(LIMIT_S)
    assert not wrong
    assert seen == set(range(1, 102))
    assert [line.state for line in server._manager.index(ready_only=False)] == ["READY"]


def test_a_canary_takes_its_share_by_key_and_sticks(world, start):
    _, client = start()
    state = world.releases.start("late", 2, share=0.25, reason="try")
    keys = [f"flight-{number}" for number in range(400)]
    chosen = next(key for key in keys if stable_bucket(key, state.salt) < 2500)
    until(lambda: client.infer("late", ROW, routing_key=chosen).model_version == "2")  # ready a moment before routed to
    routed = {key: client.infer("late", ROW, routing_key=key).model_version for key in keys}
    assert routed == {key: "2" if stable_bucket(key, state.salt) < 2500 else "1" for key in keys}
    assert 0.15 < sum(version == "2" for version in routed.values()) / len(keys) < 0.35
    by_id = {key: client.infer("late", ROW, request_id=key).model_version for key in keys[:50]}
    assert by_id == {key: routed[key] for key in keys[:50]}
    world.releases.abort("late", reason="enough")
    until(lambda: all(client.infer("late", ROW, routing_key=key).model_version == "1" for key in keys[:40]))


def test_both_sides_of_a_canary_answer_by_version(world, start):
    world.releases.start("late", 2, share=0.0, reason="dark")
    _, client = start()
    for version in (1, 2):
        assert client.infer("late", ROW, version=str(version)).scores.tolist() == [SUM + 1000 * version]


def test_an_altered_package_is_refused_at_start(world, start):
    world.alter_package(1)
    with pytest.raises(CorruptedError, match=r"late@1: package .* was altered: model.onnx has digest"):
        start()


def test_an_altered_package_is_refused_while_the_old_version_keeps_answering(world, start):
    server, client = start()
    world.alter_package(2)
    world.releases.adopt("late", 2, reason="damaged")
    until(lambda: 'headrace_model_loads_total{model="late",outcome="corrupted",version="2"}' in scrape(server))
    assert client.infer("late", ROW).scores.tolist() == [SUM + 1000]
    with pytest.raises(NotFoundError):
        client.infer("late", ROW, version="2")


def test_an_altered_candidate_gets_no_traffic_and_the_champion_takes_its_share(world, start):
    world.alter_package(2)
    world.releases.start("late", 2, share=1.0, reason="damaged")
    _, client = start()
    assert {client.infer("late", ROW, routing_key=str(key)).model_version for key in range(20)} == {"1"}


def test_a_package_that_is_restored_is_loaded_on_request_without_a_restart(world, start):
    server, client = start()
    file = world.registry.get("late", 2).path / "model.onnx"
    intact = file.read_bytes()
    world.alter_package(2)
    world.releases.adopt("late", 2, reason="damaged")
    until(lambda: 'outcome="corrupted"' in scrape(server))
    file.write_bytes(intact)
    server._manager.load("late", {})
    assert answers_from(client, 2)


def test_a_change_that_the_files_do_not_show_is_found_too(world, start):
    """Two commits within one tick of the file system's clock may leave time and size as they were."""
    server, client = start()
    server._manager._source.revision = lambda: "always the same"
    until(lambda: server._manager._seen == "always the same")
    world.releases.adopt("late", 2, reason="unseen")
    server._manager._look_at = 0.0
    until(lambda: answers_from(client, 2))


def test_an_alias_without_a_release_is_followed(world, start):
    from headrace.packaging import AliasMove

    def point(version):
        move = AliasMove("late", "nightly", version, "test", "try", world.releases.clock.now())
        with world.registry.engine.begin() as tx:
            world.registry.set_alias(tx, move)

    point(2)
    _, client = start(models=("late@nightly",))
    assert answers_from(client, 2)
    point(1)
    until(lambda: answers_from(client, 1))


def test_a_fixed_version_stays_whatever_is_released(world, start):
    _, client = start(models=("late@2", "late@champion"))
    assert answers_from(client, 2)
    assert client.metadata("late").versions == ("1", "2")


@pytest.mark.parametrize(
    ("reference", "words"),
    [("other", "no model 'other' is registered"), ("late@9", "no version 9"), ("late@nobody", "no alias 'nobody'")],
)
def test_an_unknown_reference_is_named_at_start(start, reference, words):
    with pytest.raises(NotFoundError, match=words):
        start(models=(reference,))


def test_a_missing_registry_is_named_at_start(world, start, tmp_path):
    from headrace.serving import ServingConfig

    config = ServingConfig(models=("late",), database=tmp_path / "none.db", store=tmp_path, port=0, metrics_port=0)
    with pytest.raises(NotFoundError, match=r"no registry at .*none.db"):
        Server(config).start()


def test_versions_no_longer_wanted_are_let_go_but_for_the_last_two(world, start, sum_model):
    for version in (3, 4):
        world.register(sum_model(version))
    server, client = start()
    for version in (2, 3, 4):
        world.releases.adopt("late", version, reason="next")
        until(lambda version=version: answers_from(client, version))
    assert sorted(server._manager.fleet.deployments["late"].versions) == [2, 3, 4]
