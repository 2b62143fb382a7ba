"""The supervisor: starts workers, keeps them the same, shows one page of metrics, drains them all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client.metrics_core import Metric

from headrace.core.errors import HeadraceError, UnavailableError
from headrace.core.logging import get_logger
from headrace.serving.config import ReadyInfo, ServingConfig
from headrace.serving.lifetime import announce, open_http_port, stop_on_signals
from headrace.serving.models.change import FOLLOW, Change
from headrace.serving.ports import check_ports
from headrace.serving.telemetry.http_port import HttpPort
from headrace.serving.telemetry.merge import Families, add_up, merge, sums, to_families
from headrace.serving.telemetry.metrics import worker_metrics
from headrace.serving.telemetry.probes import Phase, Probes
from headrace.serving.telemetry.process import ProcessMetrics
from headrace.serving.workers.calls import SharedCalls
from headrace.serving.workers.conductor import Conductor, NotAgreedError
from headrace.serving.workers.everywhere import STATISTICS
from headrace.serving.workers.port import SharedPort
from headrace.serving.workers.process import WorkerProcess
from headrace.serving.workers.roster import Roster, ask_all
from headrace.serving.workers.settings import worker_settings
from headrace.serving.workers.slot import Slot

_LOG = get_logger("workers")

START_TIMEOUT_S = 600.0
METRICS_TIMEOUT_S = 2.0
SNAPSHOT_S = 5.0
"""Metrics are taken this often even where nobody scrapes: what a worker that dies takes with it is at most this old."""

AGREE_S = 5.0
DRAIN_MARGIN_S = 5.0


class Supervisor:
    """A server of several processes; `start` it, `drain` it once.

    Args:
        config: how to serve.
    """

    def __init__(self, config: ServingConfig) -> None:
        self._config = config
        self._settings = worker_settings(config)
        self._probes = Probes()
        self._process = ProcessMetrics()
        self._roster = Roster()
        self._conductor = Conductor(self._roster)
        self._calls = SharedCalls(self._roster)
        self._slots: list[Slot] = []
        self._stopping = threading.Event()
        self._noticed = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._counting = threading.Lock()
        self._left: Families = []
        self._served: dict[str, Any] = {}
        self._port: SharedPort | None = None
        self._metrics: HttpPort | None = None

    def start(self) -> ReadyInfo:
        """Start every worker and say that they serve.

        Raises:
            AlreadyExistsError: a port is taken.
            HeadraceError: what kept a worker from starting; no worker is left behind.
        """
        begin = time.perf_counter()
        config = self._config
        check_ports(config)
        try:
            self._port = SharedPort(config.host, config.port)
            if config.metrics_port is not None:
                self._metrics = open_http_port(config, self._probes, self._collect)
            self._start_workers()
        except BaseException:
            self._stop_workers(0.0)
            raise
        self._follower.start()
        self._probes.phase = Phase.READY
        info = ReadyInfo(
            address=f"{config.host}:{self._port.number}",
            metrics_address=self._metrics.address if self._metrics is not None else None,
            pid=os.getpid(),
            seconds=time.perf_counter() - begin,
            workers=tuple(worker.pid for worker in self._roster.workers),
            **self._served,
        )
        announce(info, config)
        return info

    def drain(self) -> bool:
        """Have every worker refuse new requests, answer those in flight and end.

        Returns:
            Whether every request in flight was answered within the grace period.
        """
        config = self._config
        _LOG.info("server_draining", grace_s=config.grace_s, delay_s=config.drain_delay_s)
        self._probes.phase = Phase.DRAINING
        self._stopping.set()
        workers = self._roster.workers
        ask_all(workers, "retire", METRICS_TIMEOUT_S)
        time.sleep(config.drain_delay_s)
        replies = ask_all(workers, "drain", config.grace_s + DRAIN_MARGIN_S, grace_s=config.grace_s)
        answered = len(replies) == len(workers) and all(reply.value for reply in replies)
        for worker in workers:
            worker.link.close()
        self._stop_workers(DRAIN_MARGIN_S)
        _LOG.info("server_stopped", answered_all=answered)
        return answered

    def _start_workers(self) -> None:
        self._slots = [
            Slot(number, start=self._spawn, serve=self._serve, left=self._forget, stopping=self._stopping)
            for number in range(self._config.workers)
        ]
        for slot in self._slots:
            slot.first.result()

    def _stop_workers(self, timeout_s: float) -> None:
        self._stopping.set()
        self._noticed.set()
        until = time.monotonic() + timeout_s
        for slot in self._slots:
            slot.join(max(0.0, until - time.monotonic()))
        if self._follower.is_alive():
            self._follower.join()
        if self._metrics is not None:
            self._metrics.close()
        if self._port is not None:
            self._port.close()

    def _spawn(self, number: int) -> WorkerProcess:
        return WorkerProcess(number, {"change": self._change, "everywhere": self._everywhere})

    def _serve(self, worker: WorkerProcess) -> None:
        """Have a new worker load, make it the same as the others, let it listen."""
        assert self._port is not None
        with self._conductor.lock:
            changes = [change.to_json() for change in self._conductor.requested.values()]
            calls = self._calls.remembered
        found = worker.link.call("start", START_TIMEOUT_S, settings=self._settings, changes=changes, calls=calls)
        with self._conductor.lock:
            self._conductor.admit(worker, found["models"])
            for path, message in self._calls.remembered:
                if (path, message) not in calls:
                    worker.link.call("answer", START_TIMEOUT_S, path=path, message=message)
            if self._stopping.is_set():
                raise UnavailableError("the server is draining")
            served = worker.link.call("listen", START_TIMEOUT_S, port=self._port.number)
            models = {name: tuple(versions) for name, versions in served["models"].items()}
            self._served = served | {"models": models}
            self._roster.add(worker)
        _LOG.info("worker_serves", worker=worker.number, pid=worker.pid)

    def _forget(self, worker: WorkerProcess) -> None:
        self._roster.remove(worker)
        with self._counting:
            self._left = add_up([self._left, sums(worker.families)])
            worker.families = []

    def _change(self, given: dict[str, Any]) -> None:
        """A worker asks for a change of models: done everywhere, or, where it follows its sources, soon."""
        change = Change.from_json(given["change"])
        if change == FOLLOW:
            self._noticed.set()
        else:
            self._conductor.conduct(change)

    def _everywhere(self, given: dict[str, Any]) -> str:
        if given["path"] == STATISTICS:
            return self._calls.statistics(given["message"])
        with self._conductor.lock:
            return self._calls.change(given["path"], given["message"])

    def _follow(self) -> None:
        """Have all workers follow their sources when one of them noticed a change; take metrics now and then."""
        while not self._stopping.is_set():
            if self._noticed.wait(SNAPSHOT_S) and not self._stopping.is_set():
                self._noticed.clear()
                self._agree()
            self._take_metrics()

    def _agree(self) -> None:
        until = time.monotonic() + AGREE_S
        while not self._stopping.wait(self._config.poll_ms / 1e3):  # each worker looks once in this time
            try:
                self._conductor.conduct(FOLLOW)
            except NotAgreedError as error:
                if time.monotonic() >= until:
                    _LOG.error("change_not_agreed", error=error.message)
                    return
            except HeadraceError as error:
                _LOG.error("change_failed", error=error.message)
                return
            else:
                return

    def _take_metrics(self) -> None:
        for reply in ask_all(self._roster.workers, "metrics", METRICS_TIMEOUT_S):
            if reply.error is None:
                with self._counting:
                    if not reply.worker.lost.is_set():
                        reply.worker.families = reply.value

    def _collect(self) -> Iterator[Metric]:
        self._take_metrics()
        with self._counting:
            now = {str(worker.number): worker.families for worker in self._roster.workers}
            now["supervisor"] = to_families(self._process.collect())
            page = list(merge(now, self._left))
        yield from page
        yield from worker_metrics(
            {worker.number: worker.pid for worker in self._roster.workers},
            {slot.number: slot.restarts for slot in self._slots},
        )


def supervise(config: ServingConfig) -> None:
    """Serve with several workers until SIGTERM or SIGINT; as `headrace.serving.serve` otherwise."""
    with stop_on_signals() as stop:
        supervisor = Supervisor(config)
        supervisor.start()
        stop.wait()
        supervisor.drain()
