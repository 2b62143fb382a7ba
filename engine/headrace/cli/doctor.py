"""`headrace doctor`: what this installation has, what it lacks, and what to do about it."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

import typer

from headrace import __version__
from headrace.cli.console import JsonOption, print_json, print_table

OK = "ok"
WITHOUT = "without"
_HEADERS = "install a C++20 compiler and libnghttp2-dev, then reinstall headrace"


@dataclass(frozen=True)
class Finding:
    """One part of the installation.

    Attributes:
        part: what was looked at.
        state: `ok`, or `without`: it works without this part, slower or with less.
        detail: what is there, or what serves instead.
        advice: what to do about it; empty where nothing is to be done.
    """

    part: str
    state: str
    detail: str
    advice: str = ""


def doctor(*, as_json: JsonOption = False) -> None:
    """Say which parts of headrace are in use here: native front door, native kernels, CUDA, and the machine's limits.

    Example: `headrace doctor`
    """
    findings = [finding for look in _LOOKS for finding in look()]
    if as_json:
        print_json({"version": __version__, "findings": [asdict(finding) for finding in findings]})
        return
    print_table(
        ["part", "state", "detail"],
        [[finding.part, finding.state, finding.detail] for finding in findings],
        title=f"headrace {__version__} on Python {platform.python_version()}, {platform.machine()}",
    )
    for finding in findings:
        if finding.advice:
            typer.echo(f"{finding.part}: {finding.advice}")


def _front() -> Iterator[Finding]:
    from headrace.serving.transport.choice import native_missing

    missing = native_missing(tls=False)
    if missing is not None:
        yield Finding("native front door", WITHOUT, f"grpcio serves: {missing}", _HEADERS)
        return
    from headrace.serving.transport import _front as front

    tls = "TLS 1.3" if front.TLS else "no TLS"
    advice = "" if front.TLS else "for TLS on the native door install libssl-dev, then reinstall headrace"
    yield Finding("native front door", OK, f"libnghttp2 {front.NGHTTP2_VERSION}, {tls}", advice)


def _extension(part: str, module: str, otherwise: str) -> Iterator[Finding]:
    try:
        importlib.import_module(module)
    except ImportError as error:
        yield Finding(part, WITHOUT, f"{otherwise}: it is not built ({error})", _HEADERS)
    else:
        yield Finding(part, OK, "built")


def _forest() -> Iterator[Finding]:
    return _extension("native forest", "headrace_kernels.native._forest", "ONNX Runtime runs forests")


def _load() -> Iterator[Finding]:
    return _extension("native load generator", "headrace.load._load", "grpcio's client sends the load")


def _cuda() -> Iterator[Finding]:
    from headrace.serving.config import Device
    from headrace.serving.runtime.session import place
    from headrace_kernels.cuda.device import why_unavailable

    reason = why_unavailable()
    if reason:
        yield Finding("CUDA kernels", WITHOUT, f"features and forests run on the CPU: {reason}")
    else:
        yield Finding("CUDA kernels", OK, "CuPy and a device are there; `make gpu-check` compares every kernel")
    placement = place(b"", Device.AUTO)
    if placement.device == "cuda":
        yield Finding("ONNX Runtime on CUDA", OK, "built in, and the driver loads")
    else:
        yield Finding("ONNX Runtime on CUDA", WITHOUT, f"graphs run on the CPU: {placement.reason}")


def _limits() -> Iterator[Finding]:
    from headrace.core.config import cpu_budget, memory_budget

    gib = memory_budget() / 2**30
    yield Finding("machine", OK, f"{cpu_budget()} CPUs and {gib:.1f} GiB for this process")


def _extras() -> Iterator[Finding]:
    for extra, distribution in (
        ("train", "lightgbm"),
        ("gpu", "cupy-cuda13x"),
        ("telemetry", "opentelemetry-sdk"),
        ("postgres", "psycopg"),
        ("signing", "cryptography"),
    ):
        try:
            yield Finding(f"extra '{extra}'", OK, f"{distribution} {metadata.version(distribution)}")
        except metadata.PackageNotFoundError:
            yield Finding(
                f"extra '{extra}'", WITHOUT, f"{distribution} is not installed", f"pip install 'headrace[{extra}]'"
            )


_LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (_front, _forest, _load, _cuda, _limits, _extras)
