"""What every kind of server does at the edges of its life: say that it is ready, show probes, stop on a signal."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from prometheus_client.metrics_core import Metric

from headrace.core.files import write_atomic
from headrace.core.hashing import canonical_json
from headrace.core.logging import get_logger
from headrace.serving.config import ReadyInfo, ServingConfig
from headrace.serving.telemetry.http_port import HttpPort
from headrace.serving.telemetry.metrics import metrics_page
from headrace.serving.telemetry.probes import Probes

_LOG = get_logger("serving")


def announce(info: ReadyInfo, config: ServingConfig) -> None:
    """Say that the server takes requests: log, ready file, callback."""
    fields = dataclasses.asdict(info)
    _LOG.info("server_ready", **fields)
    if config.ready_file is not None:
        write_atomic(config.ready_file, canonical_json(fields))
    if config.on_ready is not None:
        config.on_ready(info)


def open_http_port(config: ServingConfig, probes: Probes, collect: Callable[[], Iterable[Metric]]) -> HttpPort:
    """Open the port of metrics and probes; `config.metrics_port` says which.

    Raises:
        OSError: the port cannot be opened.
    """
    assert config.metrics_port is not None
    pages = {
        "/metrics": lambda accept: metrics_page(collect, accept),
        "/livez": probes.livez,
        "/readyz": probes.readyz,
    }
    return HttpPort(pages, host=config.host, port=config.metrics_port)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM or SIGINT sets; a second one of its kind ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
