"""Answers that are given again: only to equal bits, of one version, within the memory allowed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from headrace.core.clock import ManualClock
from headrace.serving.batching.tickets import Ticket
from headrace.serving.config import Device, ServingConfig
from headrace.serving.models.cache import ENTRY_BYTES, ResponseCache, VersionCache
from headrace.serving.models.manager import FleetManager
from headrace.serving.models.source import open_source


def row(*values):
    return (np.array([values], np.float32),)


@pytest.fixture
def manager(tmp_path, sum_model):
    """Two models of one file, a third of another, and a cache for all."""
    for name, version in (("a", 1), ("same", 1), ("b", 2)):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.onnx").write_bytes(sum_model(version))
    config = ServingConfig(repository=tmp_path, port=0, device=Device.CPU, response_cache_bytes=100_000)
    manager = FleetManager(open_source(config), config, ManualClock())
    manager.start()
    return manager


def version_of(manager, name):
    return manager.fleet.deployment(name).champion


def ask(version, *values):
    return version.infer(Ticket(row(*values)))[0].tolist()


def counts(version):
    totals = version.statistics.totals()
    return totals.cache_hit_latency.count, totals.cache_miss_latency.count


def batches(version):
    return version.statistics.totals().batches


def test_an_equal_request_is_answered_without_a_run(manager):
    version = version_of(manager, "a")
    assert ask(version, 1, 2, 3, 4) == ask(version, 1, 2, 3, 4) == [[1010]]
    assert ask(version, 1, 2, 3, 5) == [[1011]]
    assert counts(version) == (1, 2)
    assert batches(version) == 2


def test_versions_share_answers_only_if_they_are_the_same_bytes(manager):
    a, same, b = (version_of(manager, name) for name in ("a", "same", "b"))
    assert [ask(version, 1, 2, 3, 4) for version in (a, same, b)] == [[[1010]], [[1010]], [[2010]]]
    assert [counts(version) for version in (a, same, b)] == [(0, 1), (1, 0), (0, 1)]


def test_nothing_is_kept_of_a_request_that_fails(manager):
    version = version_of(manager, "a")
    with pytest.raises(Exception, match="failed to answer"):
        version.infer(Ticket((np.zeros((1, 9), np.float32),)))
    assert len(manager.cache) == 0
    assert counts(version) == (0, 1)


def test_an_answer_that_is_given_again_cannot_be_changed_by_whoever_got_it(manager):
    version = version_of(manager, "a")
    version.infer(Ticket(row(1, 2, 3, 4)))[0][:] = 0
    again = version.infer(Ticket(row(1, 2, 3, 4)))[0]
    assert again.tolist() == [[1010]]
    with pytest.raises(ValueError, match="read-only"):
        again[:] = 0


def test_without_a_cache_a_version_has_none(tmp_path, sum_model):
    (tmp_path / "a" / "1").mkdir(parents=True)
    (tmp_path / "a" / "1" / "model.onnx").write_bytes(sum_model(1))
    config = ServingConfig(repository=tmp_path, port=0, device=Device.CPU)
    manager = FleetManager(open_source(config), config, ManualClock())
    manager.start()
    assert manager.cache is None
    assert version_of(manager, "a").cache is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros((1, 4), np.float32), np.zeros((2, 2), np.float32)),
        (np.zeros((1, 2), np.float32), np.zeros((1, 1), np.float64)),
        (np.array([[0.0]]), np.array([[-0.0]])),
        (np.array([[b"ab", b""]], object), np.array([[b"a", b"b"]], object)),
        (np.array([[b"1"]], object), np.array([["1"]], object)),
    ],
)
def test_inputs_that_differ_in_anything_differ(one, other):
    cache = VersionCache(ResponseCache(10_000), "digest")
    key, _ = cache.find((one,))
    cache.keep(key, (one,), (one,))
    assert cache.find((one.copy(),))[1] is not None
    assert cache.find((other,))[1] is None


def test_nan_is_found_again_by_its_bits():
    cache = VersionCache(ResponseCache(10_000), "digest")
    rows = (np.array([[np.nan, 1.0]], np.float32),)
    key, _ = cache.find(rows)
    cache.keep(key, rows, rows)
    assert cache.find((rows[0].copy(),))[1] is not None


def test_the_least_recently_used_answer_goes_first():
    cache = ResponseCache(3 * 100)
    for name in "abc":
        cache.put(name, row(1), 100)
    assert cache.get("a") is not None
    cache.put("d", row(1), 100)
    assert [cache.get(name) is not None for name in "abcd"] == [True, False, True, True]
    assert cache.bytes == 300


def test_an_answer_larger_than_the_cache_is_not_kept():
    cache = ResponseCache(100)
    cache.put("a", row(1), 50)
    cache.put("b", row(1), 101)
    assert (cache.get("a") is not None, cache.get("b"), cache.bytes, len(cache)) == (True, None, 50, 1)


def test_an_answer_that_is_kept_again_counts_once():
    cache = ResponseCache(100)
    cache.put("a", row(1), 50)
    cache.put("a", row(2), 60)
    assert (cache.bytes, len(cache), cache.get("a")[0].tolist()) == (60, 1, [[2]])


def test_a_kept_answer_does_not_keep_its_batch_alive():
    cache = VersionCache(ResponseCache(10_000), "digest")
    batch = np.zeros((1024, 1), np.float32)
    key, _ = cache.find(row(1))
    cache.keep(key, row(1), (batch[3:4],))
    assert cache.find(row(1))[1][0].base is None


def test_memory_is_what_the_cache_says_within_a_fifth():
    """Filled to its limit with small and large requests, the process holds about that much more."""
    import tracemalloc

    for rows in (1, 64):
        shared = ResponseCache(2_000_000)
        cache = VersionCache(shared, "digest")
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(20_000 // rows):
                inputs = (np.full((rows, 40), number, np.float32),)
                key, _ = cache.find(inputs)
                cache.keep(key, inputs, (np.zeros((rows, 1), np.float32),))
            del inputs, key
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert shared.bytes > 1_900_000
        assert 0.8 < held / shared.bytes < 1.2, f"{rows} rows: {held / len(shared)} bytes an entry, {ENTRY_BYTES=}"


def test_many_threads_keep_the_books(manager):
    version = version_of(manager, "a")
    barrier = threading.Barrier(8)

    def work(seed):
        random = np.random.default_rng(seed)
        barrier.wait(60)
        for _ in range(200):
            values = random.integers(0, 40, 4).tolist()
            assert ask(version, *values) == [[1000 + sum(values)]]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    hits, misses = counts(version)
    assert hits + misses == 1600
    assert manager.cache.bytes <= 100_000
    assert manager.cache.bytes == sum(size for _, size in manager.cache._entries.values())
