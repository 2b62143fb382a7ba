"""Chooses the front door: the native one where it is built and asked for, else grpcio."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.core.errors import UnavailableError
from headrace.core.logging import get_logger
from headrace.serving.config import Door, ServingConfig
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.transport.seam import Answered, Application, Kind, Transport

_LOG = get_logger("serving")


def open_transport(
    application: Application,
    methods: Mapping[str, Kind],
    config: ServingConfig,
    recorder: Recorder | None,
    tell: Callable[[str, Answered], None],
) -> Transport:
    """Open the door that the configuration names; `auto` falls back to grpcio and says why, once.

    Args:
        application: who answers.
        methods: its paths and how each talks.
        config: how to serve.
        recorder: where answers of the native door go; None: predictions are not logged.
        tell: told of requests that the native door answered by itself and that somebody wants to know of, with their
            path.

    Raises:
        UnavailableError: the native door is asked for and is not built, or lacks TLS.
        CorruptedError: certificate and key cannot be used.
    """
    if config.door is not Door.GRPCIO:
        missing = native_missing(tls=config.tls is not None)
        if missing is None:
            from headrace.serving.transport.native import NativeTransport

            return NativeTransport(application, methods, config, recorder=recorder, tell=tell)
        if config.door is Door.NATIVE:
            raise UnavailableError(
                f"the native transport is asked for and cannot be used: {missing}",
                hint="install libnghttp2-dev and a C++20 compiler and reinstall headrace, or serve with --door grpcio",
            )
        _LOG.warning("native_transport_missing", reason=missing, serves_with="grpcio")
    from headrace.serving.transport.grpcio import GrpcTransport

    return GrpcTransport(application, threads=config.threads, limits=config.limits, tls=config.tls)


def native_missing(*, tls: bool) -> str | None:
    """Why the native transport cannot be used, or None where it can."""
    try:
        from headrace.serving.transport import _front
    except ImportError as error:
        return f"it is not built ({error})"
    if tls and not _front.TLS:
        return "it is built without TLS: OpenSSL's headers were not there"
    return None
