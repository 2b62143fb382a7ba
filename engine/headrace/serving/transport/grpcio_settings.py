"""Limits and TLS in the words of grpcio."""

from __future__ import annotations

from typing import Any

import grpc

from headrace.core.errors import HeadraceError
from headrace.core.logging import get_logger
from headrace.serving.config import LimitsConfig, TlsConfig
from headrace.serving.transport.certificates import Certificates, files_state, read_certificates

_LOG = get_logger("serving")


def server_options(limits: LimitsConfig) -> list[tuple[str, int]]:
    """Channel arguments that set the limits."""
    options = [
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", limits.max_message_bytes),
        ("grpc.max_metadata_size", limits.max_header_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_header_bytes),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        ("grpc.max_concurrent_streams", limits.max_streams),
        ("grpc.keepalive_time_ms", _ms(limits.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _ms(limits.keepalive_s)),
        ("grpc.server_handshake_timeout_ms", _ms(limits.handshake_s)),
    ]
    if limits.max_connection_age_s is not None:
        options.append(("grpc.max_connection_age_ms", _ms(limits.max_connection_age_s)))
    if limits.max_connection_idle_s is not None:
        options.append(("grpc.max_connection_idle_ms", _ms(limits.max_connection_idle_s)))
    return options


def _ms(seconds: float) -> int:
    return min(int(seconds * 1000), 2**31 - 1)


def server_credentials(tls: TlsConfig) -> Any:
    """Make credentials that follow the files: a renewed certificate serves the next handshake.

    Raises:
        HeadraceError: the files cannot be used, as `read_certificates` says.
    """
    seen = files_state(tls)
    first = _configuration(read_certificates(tls))

    def renewed() -> Any:
        nonlocal seen
        state = files_state(tls)
        if state == seen:
            return None
        seen = state
        try:
            configuration = _configuration(read_certificates(tls))
        except HeadraceError as error:
            _LOG.error("certificate_refused", file=str(tls.certificate), error=error.message)
            return None
        _LOG.info("certificate_renewed", file=str(tls.certificate))
        return configuration

    return grpc.dynamic_ssl_server_credentials(first, renewed, require_client_authentication=tls.client_ca is not None)


def _configuration(certificates: Certificates) -> Any:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.chain)], root_certificates=certificates.client_ca
    )
