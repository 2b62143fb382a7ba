"""Lanes of the native door: one a loaded version that can be served natively, and the running of their batches."""

from __future__ import annotations

import itertools
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4
from weakref import WeakKeyDictionary

from headrace.core.errors import Code
from headrace.core.logging import get_logger
from headrace.rollout import Router
from headrace.serving.batching.controller import Controller
from headrace.serving.batching.execution import EXTRA_RUNS
from headrace.serving.batching.policy import Parameters
from headrace.serving.batching.queue import Drop
from headrace.serving.batching.refusals import over_target, queue_full
from headrace.serving.batching.tickets import Arrays
from headrace.serving.models.fleet import Deployment, Fleet
from headrace.serving.models.version import ServedVersion
from headrace.serving.runtime.backend import Runner, Tensor
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.statistics import LATENCY_BOUNDS_S, BatchTimes, Histogram, Totals
from headrace.serving.transport import _front
from headrace.wire.parameters import ID_SEPARATOR
from headrace.wire.status import STATUS_NAMES, STATUS_NUMBERS
from headrace.wire.tensors import DTYPES

_LOG = get_logger("serving")

MAX_TENSORS = 16
MAX_OUTPUTS = 8
MAX_DIMENSIONS = 8
NATIVE_DATATYPES = frozenset(DTYPES) - {"BOOL", "BF16", "BYTES"}
"""What the door lays into a matrix as it comes: a BOOL's bytes have to be made 0 or 1, BF16 is uint16 to NumPy."""


_STATUS_OF = {STATUS_NUMBERS[code]: name for code, name in STATUS_NAMES.items()} | {0: "OK"}

_DROPS = (
    Drop.QUEUE_FULL,
    Drop.OVER_TARGET,
    Drop.EXPIRED_WAITING,
    Drop.EXPIRED_RUNNING,
    Drop.CANCELLED_WAITING,
    Drop.CANCELLED_RUNNING,
)
"""Reasons in the order in which the door counts them."""


@dataclass(frozen=True)
class LaneState:
    """One version's lane, and what steers it.

    Attributes:
        version: whose lane it is.
        lane: the door's.
        controller: decides window, batch size and admission; None: they stay as configured.
        lock: guards the controller.
    """

    version: ServedVersion
    lane: _front.Lane
    controller: Controller | None
    lock: threading.Lock


class LaneFeed:
    """What a lane counted, for the statistics of its version."""

    def __init__(self, front: _front.Front, lane: _front.Lane) -> None:
        self._front = front
        self._lane = lane

    def totals(self) -> Totals:
        """Consistent snapshot."""
        counted = self._front.statistics(self._lane)
        requests = {_STATUS_OF[number]: count for number, count in enumerate(counted["requests"]) if count}
        dropped = {reason.value: count for reason, count in zip(_DROPS, counted["dropped"], strict=True) if count}
        totals = Totals(
            requests=requests,
            dropped=dropped,
            rows=counted["rows"],
            batches=counted["batches"],
            latency=Histogram(LATENCY_BOUNDS_S, *counted["latency"]),
            failed_latency=Histogram(LATENCY_BOUNDS_S, *counted["failed_latency"]),
        )
        return replace(totals, phases={**totals.phases, "queue": Histogram(LATENCY_BOUNDS_S, *counted["queue"])})

    def load(self) -> tuple[int, int]:
        """Rows that wait there now, and batches that run."""
        return self._front.load(self._lane)


class LaneBook:
    """Makes lanes of versions, and runs what comes out of them.

    Invariant: a lane that may still give a batch is in `_by_key`.

    Args:
        front: the door.
        recorder: where answers go; None: predictions are not logged.
    """

    def __init__(self, front: _front.Front, recorder: Recorder | None) -> None:
        self._front = front
        self._recorder = recorder
        self._keys = itertools.count(1)
        self._lock = threading.Lock()
        self._by_key: dict[int, LaneState] = {}
        self._key_of: dict[ServedVersion, int | None] = {}
        self._retired: set[int] = set()

    def publish(self, fleet: Fleet) -> None:
        """Open lanes for versions that are new, swap the door's routes, close lanes that nobody can reach any more."""
        with self._lock:
            served = {version for deployment in fleet.deployments.values() for version in deployment.versions.values()}
            for version in served - self._key_of.keys():
                self._open(version)
            self._front.publish([(name, self._route(of)) for name, of in fleet.deployments.items()])
            for version in self._key_of.keys() - served:
                key = self._key_of.pop(version)
                if key is not None:
                    self._retired.add(key)
        self._sweep()

    def name_of(self, key: int) -> tuple[str, str]:
        """Model and version of a lane; empty where it is gone."""
        state = self._by_key.get(key)
        return (state.version.identity.model, str(state.version.identity.version)) if state is not None else ("", "")

    def run(self) -> None:
        """Run batches until the door is closed; an executor thread's life."""
        runners: WeakKeyDictionary[ServedVersion, Runner] = WeakKeyDictionary()
        while (batch := self._front.take()) is not None:
            try:
                state = self._by_key[batch.key]
                runner = runners.get(state.version)
                if runner is None:
                    runner = runners[state.version] = state.version.session.runner()
                self._answer(state, runner, batch, EXTRA_RUNS)
                del state, runner
            except Exception as error:  # noqa: BLE001  nobody foresaw it: the thread goes on, and no client waits for ever
                self._give_up(batch, error)
            del batch
            if self._retired:
                self._sweep()

    def _give_up(self, batch: _front.Batch, error: Exception) -> None:
        correlation_id = uuid4().hex[:12]
        _LOG.error("executor_failed", correlation_id=correlation_id, exc_info=error)
        with suppress(RuntimeError):  # it was answered before that
            self._front.fail(batch, STATUS_NUMBERS[Code.INTERNAL], f"the batch failed; correlation id {correlation_id}")

    def _open(self, version: ServedVersion) -> None:
        spec = _spec(version, next(self._keys), members=self._recorder is not None)
        if spec is None:
            self._key_of[version] = None
            return
        lane = _front.Lane(spec)
        state = LaneState(version, lane, Controller.of(version.batching), threading.Lock())
        self._by_key[spec.key] = state
        version.statistics.feeds.append(LaneFeed(self._front, lane))
        self._key_of[version] = spec.key
        controller = state.controller
        self._apply(state, Parameters.of(version.batching) if controller is None else controller.parameters)

    def _sweep(self) -> None:
        """Forget retired lanes in which nothing waits or runs."""
        with self._lock:
            for key in list(self._retired):
                if self._front.load(self._by_key[key].lane) == (0, 0):
                    self._retired.remove(key)
                    del self._by_key[key]

    def _route(self, deployment: Deployment) -> _front.Route:
        """Route of one model; a version without a lane, and a route that is no `Router`'s, are left to the service."""
        route = _front.Route()
        for number, version in deployment.versions.items():
            lane = self._lane(version)
            if lane is not None:
                route.add(str(number), lane)
        chosen = deployment.route
        route.champion = self._lane(deployment.champion)
        if isinstance(chosen, Router) and chosen.split is not None:
            candidate = deployment.versions.get(chosen.split.version)
            route.candidate = self._lane(candidate or deployment.champion)
            route.share, route.salt = chosen.split.buckets, chosen.split.salt
        return route

    def _lane(self, version: ServedVersion) -> _front.Lane | None:
        key = self._key_of[version]
        return self._by_key[key].lane if key is not None else None

    def _apply(self, state: LaneState, parameters: Parameters) -> None:
        config = state.version.batching
        self._front.set_parameters(
            state.lane,
            _front.BatchParameters(
                parameters.max_batch_rows,
                config.max_queue_rows,
                parameters.admit_rows,
                parameters.window_s,
                config.slots,
                parameters.unread_s,
            ),
        )

    def _answer(self, state: LaneState, runner: Runner, batch: _front.Batch, extra_runs: int) -> int:
        """Run a batch and answer its members; one that fails is halved. Extra runs that are left."""
        rows, taken_s, oldest_s, arrived_rows = batch.rows, batch.taken_s, batch.oldest_s, batch.arrived_rows
        start = time.perf_counter()
        try:
            inputs = batch.inputs()
            assembled = time.perf_counter()
            outputs = runner.run(inputs)
            inferred = time.perf_counter()
            answered = self._front.complete(batch, outputs)
        except Exception as error:  # noqa: BLE001  whatever a graph or a library raises is this batch's failure
            return self._fail(state, runner, batch, error, extra_runs)
        done = time.perf_counter()
        if answered:
            self._record(state.version, answered, inputs, outputs)
        times = BatchTimes((), assembled - start, inferred - assembled, done - inferred)
        state.version.statistics.batch_ran(rows, times, counted=True)
        if state.controller is not None:
            now = time.monotonic()
            with state.lock:
                before = state.controller.parameters
                after = state.controller.batch_ran(now, rows, now - taken_s, now - oldest_s, arrived_rows)
            if after is not before:
                self._apply(state, after)
        return extra_runs

    def _fail(self, state: LaneState, runner: Runner, batch: _front.Batch, error: Exception, extra_runs: int) -> int:
        state.version.statistics.batch_failed()
        if batch.requests > 1 and extra_runs >= 2:
            first, second = self._front.halve(batch)
            left = self._answer(state, runner, first, extra_runs - 2)
            return self._answer(state, runner, second, left)
        identity = state.version.identity
        correlation_id = uuid4().hex[:12]
        _LOG.error(
            "batch_failed",
            model=identity.model,
            version=identity.version,
            rows=batch.rows,
            correlation_id=correlation_id,
            error=repr(error),
        )
        text = f"{identity} failed to answer; correlation id {correlation_id}"
        self._front.fail(batch, STATUS_NUMBERS[Code.INTERNAL], text)
        return extra_runs

    def _record(
        self, version: ServedVersion, answered: list[tuple[str, str, int, int]], inputs: Arrays, outputs: Arrays
    ) -> None:
        """Hand the answered rows to the prediction log, copied: the memory behind them is used again."""
        assert self._recorder is not None
        ids: list[str] = []
        kept: list[int] = []
        for name, given, first, rows in answered:
            if given:
                ids += given.split(ID_SEPARATOR)
            else:
                ids += [name] if rows == 1 else [f"{name}:{row}" for row in range(rows)]
            kept += range(first, first + rows)
        chosen = slice(None) if len(kept) == len(inputs[0]) else kept
        self._recorder.record(version.identity, ids, inputs[0][chosen].copy(), outputs[0][chosen].copy())


def _spec(version: ServedVersion, key: int, *, members: bool) -> _front.LaneSpec | None:
    """What the door has to know of a version; None where its requests are left to the service.

    That is so for tensors of bytes, for shapes that vary beyond the rows, and where answers are cached.
    """
    inputs, outputs = version.session.inputs, version.session.outputs
    if version.cache is not None or len(inputs) > MAX_TENSORS or len(outputs) > MAX_OUTPUTS:
        return None
    if not all(map(_is_native, inputs)) or not all(tensor.datatype != "BYTES" for tensor in outputs):
        return None
    if any(extent < 0 for tensor in inputs for extent in tensor.shape[1:]):
        return None
    batching = version.batching
    spec = _front.LaneSpec()
    spec.key = key
    spec.model = version.identity.model
    spec.version = str(version.identity.version)
    spec.inputs = [
        _front.TensorSpec(
            tensor.name,
            tensor.datatype,
            list(tensor.shape[1:]),
            DTYPES[tensor.datatype].itemsize * math.prod(tensor.shape[1:]),
        )
        for tensor in inputs
    ]
    spec.outputs = [_front.TensorSpec(tensor.name, tensor.datatype, [], 0) for tensor in outputs]
    spec.max_request_rows = batching.max_request_rows
    spec.slab_rows = max(64, batching.max_batch_rows)
    spec.levels = batching.priority_levels
    spec.default_level = batching.default_priority
    spec.members = members
    name = f"{spec.model}@{spec.version}"
    spec.full_text = str(queue_full(name, batching))
    if batching.target_ms is not None:
        spec.late_text = str(over_target(name, batching.target_ms))
    spec.bounds_s = list(LATENCY_BOUNDS_S)
    return spec


def _is_native(tensor: Tensor) -> bool:
    return (
        tensor.datatype in NATIVE_DATATYPES
        and 1 <= len(tensor.shape) <= MAX_DIMENSIONS
        and DTYPES[tensor.datatype].isnative
    )
