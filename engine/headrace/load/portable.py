"""Run a plan on grpcio's asyncio client: slower, and there without a compiler. The figures mean the same."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from headrace.client.raw import AsyncRawCaller, RawAnswer
from headrace.core.errors import UnavailableError
from headrace.load.bodies import Bodies
from headrace.load.histogram import Histogram
from headrace.load.observations import STATUS_NAMES, Check, Effort, Interval, Observations, Outcome
from headrace.load.plan import LoadPlan
from headrace.load.schedule import arrivals
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

_MESSAGES = 32
_PREFIX = 5


@dataclass
class _Seen:
    """What one process saw; `times` are (due, sent, answered, status), nanoseconds from the start."""

    times: list[tuple[int, int, int, int]] = field(default_factory=list)
    messages: Counter[tuple[int, str]] = field(default_factory=Counter)
    lags: list[int] = field(default_factory=list)
    checked: int = 0
    mismatches: int = 0
    worst: float = 0.0
    first_mismatch: int = -1
    unanswered: int = 0
    unsent: int = 0
    sending_s: float = 0.0
    cpu_s: float = 0.0


def observe_portable(plan: LoadPlan, bodies: Bodies) -> Observations:
    """Drive the server from `plan.threads` processes.

    Raises:
        UnavailableError: the server cannot be reached.
    """
    if plan.threads == 1:
        seen = [_drive(plan, bodies, 0)]
    else:
        with ProcessPoolExecutor(plan.threads, mp_context=get_context("spawn")) as pool:
            seen = list(
                pool.map(_drive, *zip(*((plan, bodies, number) for number in range(plan.threads)), strict=True))
            )
    return _observations(plan, seen)


def _drive(plan: LoadPlan, bodies: Bodies, process: int) -> _Seen:
    return asyncio.run(_Driver(plan, bodies, process).run())


class _Driver:
    """One process's share: every nth arrival, or its part of what is in flight."""

    def __init__(self, plan: LoadPlan, bodies: Bodies, process: int) -> None:
        self._plan = plan
        self._bodies = bodies
        self._process = process
        self._next_body = len(bodies.framed) * process // plan.threads
        self._left = plan.requests // plan.threads if plan.requests else 2**62
        self._seen = _Seen()
        self._start = 0
        self._end = 0
        self._callers: list[AsyncRawCaller] = []

    async def run(self) -> _Seen:
        plan = self._plan
        count = max(1, plan.connections // plan.threads)
        self._callers = [AsyncRawCaller(plan.endpoint, METHODS["ModelInfer"].path) for _ in range(count)]
        await self._connect()
        self._start = time.monotonic_ns()
        self._end = self._start + int((plan.warmup_s + plan.duration_s) * 1e9)
        cpu = time.process_time()
        tasks = await (self._open_loop() if plan.open_loop else self._closed_loop())
        self._seen.cpu_s = time.process_time() - cpu
        self._seen.sending_s = (min(time.monotonic_ns(), self._end) - self._start) / 1e9
        if tasks:
            done, late = await asyncio.wait(tasks, timeout=plan.drain_s)
            for task in done:
                task.result()
            self._seen.unanswered = len(late)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.gather(*(caller.close() for caller in self._callers))
        return self._seen

    async def _connect(self) -> None:
        """Ask once, so that the connections are open when time starts."""
        answers = await asyncio.gather(*(caller(self._body(0)[1], timeout_s=5.0) for caller in self._callers))
        for answer in answers:
            if STATUS_NAMES[answer.status] == "UNAVAILABLE":
                raise UnavailableError(f"no server answers at {self._plan.endpoint.address}: {answer.message}")

    async def _closed_loop(self) -> set[asyncio.Task[None]]:
        in_flight = max(1, self._plan.in_flight // self._plan.threads)
        workers = {asyncio.create_task(self._worker(number)) for number in range(in_flight)}
        done, late = await asyncio.wait(workers, timeout=(self._end - time.monotonic_ns()) / 1e9)
        for worker in done:
            worker.result()
        return late

    async def _worker(self, number: int) -> None:
        while (now := time.monotonic_ns()) < self._end and self._left > 0:
            await self._ask(self._callers[number % len(self._callers)], now, now)

    async def _open_loop(self) -> set[asyncio.Task[None]]:
        plan, tasks = self._plan, set[asyncio.Task[None]]()
        due_times = arrivals(plan.stages, poisson=plan.poisson, seed=plan.seed)[self._process :: plan.threads]
        most, room_since, full = max(1, plan.in_flight // plan.threads), 0, False
        for number, after in enumerate(due_times):
            due = self._start + int(after)
            while (wait := due - time.monotonic_ns()) > 0 or len(tasks) >= most:
                full = full or len(tasks) >= most
                await asyncio.sleep(max(wait / 1e9, 0.0) if len(tasks) < most else 0.001)
                if time.monotonic_ns() >= self._end and len(tasks) >= most:
                    self._seen.unsent = int((due_times[number:] < self._end - self._start).sum())
                    return tasks
            if due >= self._end or self._left <= 0:
                break
            now = time.monotonic_ns()
            room_since, full = (now, False) if full else (room_since, False)
            self._seen.lags.append(now - max(due, room_since))
            task = asyncio.create_task(self._ask(self._callers[number % len(self._callers)], due, now))
            tasks.add(task)
            task.add_done_callback(partial(_settle, tasks))
            await asyncio.sleep(0)
        return tasks

    async def _ask(self, caller: AsyncRawCaller, due: int, sent: int) -> None:
        self._left -= 1
        number, body = self._body()
        answer = await caller(body, timeout_s=self._plan.timeout_ms / 1e3 or None)
        answered = time.monotonic_ns()
        self._seen.times.append((due - self._start, sent - self._start, answered - self._start, answer.status))
        if answer.status:
            key = (answer.status, answer.message)
            if key in self._seen.messages or len(self._seen.messages) < _MESSAGES:
                self._seen.messages[key] += 1
        elif self._bodies.expected:
            self._check(number, answer)

    def _body(self, step: int = 1) -> tuple[int, bytes]:
        number = self._next_body
        self._next_body = (number + step) % len(self._bodies.framed)
        return number, self._bodies.framed[number][_PREFIX:]

    def _check(self, number: int, answer: RawAnswer) -> None:
        self._seen.checked += 1
        found, wanted = _first_raw_output(answer.body), self._bodies.expected[number]
        if len(found) == len(wanted) and self._equal(found, wanted):
            return
        self._seen.mismatches += 1
        if self._seen.first_mismatch < 0:
            self._seen.first_mismatch = number

    def _equal(self, found: bytes, wanted: bytes) -> bool:
        if self._bodies.value_bytes == 1:
            return found == wanted
        left, right = (
            np.frombuffer(raw, f"<f{self._bodies.value_bytes}").astype(np.float64) for raw in (found, wanted)
        )
        difference = float(np.max(np.where(np.isnan(left) & np.isnan(right), 0.0, np.abs(left - right)), initial=0.0))
        self._seen.worst = max(self._seen.worst, difference)
        return difference <= self._plan.content.tolerance


def _settle(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    """Forget a task that did its work; one that failed is kept, and raises when all are waited for."""
    if task.cancelled() or task.exception() is None:
        tasks.discard(task)


def _first_raw_output(body: bytes) -> bytes:
    try:
        raw = pb.ModelInferResponse.FromString(body).raw_output_contents
    except DecodeError:
        return b""
    return raw[0] if raw else b""


def _observations(plan: LoadPlan, seen: list[_Seen]) -> Observations:
    times = np.array([row for one in seen for row in one.times], np.int64).reshape(-1, 4)
    measured = times[times[:, 0] >= plan.warmup_s * 1e9]
    sending_s = max(one.sending_s for one in seen) - plan.warmup_s
    window_s = max(min(plan.duration_s, sending_s), 1e-9)
    messages = sum((one.messages for one in seen), Counter[tuple[int, str]]())
    cpu_share = max(one.cpu_s / max(one.sending_s, 1e-9) for one in seen)
    lag = np.array([lag for one in seen for lag in one.lags] or [0], np.int64)
    kept = measured[: plan.samples]
    return Observations(
        engine="grpcio",
        window_s=window_s,
        outcomes=_outcomes(times, measured, plan.warmup_s, window_s),
        messages=tuple((status, text, count) for (status, text), count in sorted(messages.items())),
        intervals=_intervals(times, plan.interval_s),
        unanswered=sum(one.unanswered for one in seen),
        unsent=sum(one.unsent for one in seen),
        reconnects=0,
        check=Check(
            sum(one.checked for one in seen),
            sum(one.mismatches for one in seen),
            max(one.worst for one in seen),
            max(one.first_mismatch for one in seen),
        ),
        effort=Effort(cpu_share, 0.0, Histogram.of_values(lag)),
        samples=np.column_stack([kept[:, 0], kept[:, 2] - kept[:, 0], kept[:, 2] - kept[:, 1], kept[:, 3]]),
    )


def _outcomes(
    times: npt.NDArray[np.int64], measured: npt.NDArray[np.int64], warmup_s: float, window_s: float
) -> dict[int, Outcome]:
    found = {}
    for status in np.unique(times[:, 3]):
        own = measured[measured[:, 3] == status]
        answered = times[times[:, 3] == status][:, 2] / 1e9
        in_window = int(((answered >= warmup_s) & (answered < warmup_s + window_s)).sum())
        response, service = (Histogram.of_values(own[:, 2] - own[:, start]) for start in (0, 1))
        found[int(status)] = Outcome(len(own), in_window, response, service)
    return found


def _intervals(times: npt.NDArray[np.int64], interval_s: float) -> tuple[Interval, ...]:
    width = int(interval_s * 1e9)
    if not len(times):
        return ()
    found = []
    for number in range(int(times[:, 2].max()) // width + 1):
        low, high = number * width, (number + 1) * width
        answered = times[(times[:, 2] >= low) & (times[:, 2] < high)]
        counts = np.bincount(answered[:, 3], minlength=len(STATUS_NAMES))
        fine = answered[answered[:, 3] == 0]
        in_flight = int(((times[:, 1] < high) & (times[:, 2] >= high)).sum())
        sent = int(((times[:, 1] >= low) & (times[:, 1] < high)).sum())
        found.append(Interval(tuple(counts.tolist()), sent, in_flight, Histogram.of_values(fine[:, 2] - fine[:, 0])))
    return tuple(found)
