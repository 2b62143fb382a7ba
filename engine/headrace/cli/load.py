"""`headrace load`: how fast a server of the Open Inference Protocol answers."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.console import JsonOption, print_json

if TYPE_CHECKING:
    from headrace.load import Latency, LoadPlan, LoadResult, Stage
    from headrace.load.observations import Interval

_IN_FLIGHT_CLOSED, _IN_FLIGHT_OPEN = 64, 4096
_FINE_S, _COARSE_S, _LONG_RUN_S = 0.1, 1.0, 120.0  # resolution over time


def load(
    address: Annotated[str, typer.Argument(help="The server, HOST:PORT.")],
    *,
    model: Annotated[str, typer.Option("--model", "-m", help="Model name, or `late@2` for one version.")],
    rate: Annotated[
        float | None,
        typer.Option(help="Open loop: requests a second, sent when they are due. Without it: closed loop."),
    ] = None,
    stages: Annotated[
        str, typer.Option(help="Open loop with rates over time, warm-up included: `5s:1000,60s:20000,0s:500,10s:500`.")
    ] = "",
    poisson: Annotated[bool, typer.Option("--poisson", help="Random arrivals instead of evenly spaced ones.")] = False,
    in_flight: Annotated[
        int | None,
        typer.Option(help="Closed loop: requests in flight all the time (64). Open loop: at most so many (4096)."),
    ] = None,
    connections: Annotated[int, typer.Option(help="HTTP/2 connections that share the requests.")] = 8,
    threads: Annotated[int, typer.Option(help="Threads of the generator; one drives several 100,000 requests/s.")] = 1,
    duration: Annotated[str, typer.Option(help="How long it is measured: `10s`, `5m`.")] = "10s",
    warmup: Annotated[str, typer.Option(help="How long it runs before it is measured.")] = "1s",
    requests: Annotated[int, typer.Option(help="End after so many requests; 0: only time ends the run.")] = 0,
    rows: Annotated[int, typer.Option(help="Rows in one request.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Rows to send: .npy, .parquet, .arrow or .csv. Without it: random ones.")
    ] = None,
    nan_share: Annotated[float, typer.Option(help="Share of random values that are missing.")] = 0.05,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME:DATATYPE:EXTENT, where the server's metadata does not say it."),
    ] = None,
    output: Annotated[str, typer.Option(help="The one output to ask for.")] = "",
    check: Annotated[
        Path | None, typer.Option(help="Right answers to --data, row by row (.npy); each is compared.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Largest difference of a float from --check.")] = 2e-6,
    timeout_ms: Annotated[float, typer.Option(help="Deadline that goes with each request; 0: none.")] = 0.0,
    priority: Annotated[int, typer.Option(help="Request parameter `priority`; 0: none.")] = 0,
    seed: Annotated[int, typer.Option(help="Of random rows, their order and random arrivals.")] = 7,
    token: Annotated[
        str, typer.Option(envvar="HEADRACE_TOKEN", help="Sent as `authorization: Bearer ...`.", show_envvar=True)
    ] = "",
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, metadata of each request.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS.")] = False,
    ca: Annotated[Path | None, typer.Option(help="Authorities that sign the server's certificate (PEM).")] = None,
    certificate: Annotated[Path | None, typer.Option(help="The client's certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    server_name: Annotated[str, typer.Option(help="Name in the server's certificate, if not the host.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Draw the run into a .svg or .html file.")] = None,
    fail_on_errors: Annotated[
        bool, typer.Option("--fail-on-errors", help="Exit with 6 where a request failed or was answered wrong.")
    ] = False,
    max_p99_ms: Annotated[float, typer.Option(help="Exit with 6 where the p99 is above this; 0: never.")] = 0.0,
    portable: Annotated[
        bool, typer.Option("--portable", help="Use grpcio's client, not the native generator.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Load a server and say how long answers took: any server of the Open Inference Protocol over gRPC.

    With --rate, requests are sent by a schedule and latency counts from when each was due, so that a stall of the
    server is charged for everybody it would have kept waiting. Without it, a fixed number is in flight.

    Example: `headrace load 127.0.0.1:8001 --model late --rate 5000 --duration 30s --plot load.html`
    """
    from headrace.load import Content, Endpoint, LoadPlan

    name, _, version = model.partition("@")
    warmup_s, duration_s = _seconds(warmup), _seconds(duration)
    schedule = _schedule(rate, stages, warmup_s, duration_s)
    if stages:
        duration_s = sum(stage.seconds for stage in schedule) - warmup_s
    plan = LoadPlan(
        endpoint=Endpoint(address, tls, ca, certificate, key, server_name, _metadata(token, header or [])),
        content=Content(
            model=name,
            version=version,
            rows=rows,
            data=data,
            nan_share=nan_share,
            inputs=tuple(inputs or ()),
            output=output,
            expected=check,
            tolerance=tolerance,
            priority=priority,
        ),
        stages=schedule,
        poisson=poisson,
        in_flight=in_flight if in_flight is not None else _IN_FLIGHT_OPEN if schedule else _IN_FLIGHT_CLOSED,
        connections=connections,
        threads=threads,
        warmup_s=warmup_s,
        duration_s=duration_s,
        requests=requests,
        timeout_ms=timeout_ms,
        interval_s=_FINE_S if warmup_s + duration_s <= _LONG_RUN_S else _COARSE_S,
        seed=seed,
    )
    result = _run(plan, plot, portable=portable)
    if as_json:
        print_json(result.to_json())
    else:
        _print(result, plot)
    _judge(result, fail_on_errors=fail_on_errors, max_p99_ms=max_p99_ms)


def _schedule(rate: float | None, stages: str, warmup_s: float, duration_s: float) -> tuple[Stage, ...]:
    from headrace.core.errors import InvalidInputError
    from headrace.load import parse_stages, steady

    if rate is not None and stages:
        raise InvalidInputError("--rate and --stages are both given", hint="a constant rate is a single stage")
    if stages:
        return parse_stages(stages)
    return () if rate is None else steady(rate, warmup_s=warmup_s, duration_s=duration_s)


def _metadata(token: str, headers: list[str]) -> tuple[tuple[str, str], ...]:
    from headrace.core.errors import InvalidInputError

    fields = [text.partition("=") for text in headers]
    for text, (name, equals, _) in zip(headers, fields, strict=True):
        if not name or not equals:
            raise InvalidInputError(f"the header '{text}' is not NAME=VALUE")
    metadata = [(name.strip().lower(), value.strip()) for name, _, value in fields]
    return (*metadata, *([("authorization", f"Bearer {token}")] if token else []))


def _run(plan: LoadPlan, plot: Path | None, *, portable: bool) -> LoadResult:
    from headrace.load import run_load
    from headrace.load.native import native_generator
    from headrace.load.plot import check_ending, write_plot

    if plot is not None:
        check_ending(plot)
    if not portable and native_generator() is None:
        typer.echo("the native generator is not built: grpcio's client is used, which is slower", err=True)
        portable = True
    meter = _Meter(plan)
    result = run_load(plan, on_interval=meter, portable=portable)
    meter.close()
    if plot is not None:
        write_plot(result, plot)
    return result


def _seconds(text: str) -> float:
    from headrace.core.errors import InvalidInputError

    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    unit = next((name for name in units if text.endswith(name)), "")
    try:
        return float(text.removesuffix(unit)) * units.get(unit, 1.0)
    except ValueError:
        raise InvalidInputError(f"'{text}' is not a time", hint="such as 500ms, 10s, 5m") from None


class _Meter:
    """One line a second on a terminal while the run goes on; nothing where stderr is a file or a pipe."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._pieces: list[Interval] = []
        self._seen = 0
        self._shown = sys.stderr.isatty()

    def __call__(self, interval: Interval) -> None:
        from headrace.load.observations import Interval
        from headrace.load.result import describe_interval

        self._seen += 1
        self._pieces.append(interval)
        length = len(self._pieces) * self._plan.interval_s
        if not self._shown or length < 1.0 - self._plan.interval_s / 2:
            return
        point = describe_interval(Interval.merged(self._pieces), self._seen * self._plan.interval_s, length)
        self._pieces = []
        errors = f"   {sum(point.errors.values()):,.0f} errors/s" if point.errors else ""
        warm = "   warm-up" if point.seconds <= self._plan.warmup_s + self._plan.interval_s / 2 else ""
        typer.echo(
            f"{point.seconds:5.0f} s  {point.rate:9,.0f}/s   p50 {_time(point.p50_ms):>8}   "
            f"p99 {_time(point.p99_ms):>8}   {point.in_flight:,} in flight{errors}{warm}",
            err=True,
        )

    def close(self) -> None:
        """Leave an empty line behind the lines."""
        if self._shown:
            typer.echo(err=True)


def _print(result: LoadResult, plot: Path | None) -> None:
    plan, seen = result.plan, result.observed
    offered = f" of {result.offered_rate:,.0f}/s offered" if plan.open_loop else f" with {plan.in_flight} in flight"
    each = "" if plan.content.rows == 1 else f" · {result.rate * plan.content.rows:,.0f} rows/s"
    typer.echo(f"{result.rate:,.0f} answers/s{offered}{each} · {seen.window_s:.1f} s · {seen.engine} generator")
    names = ("answers", "per second", "p50", "p90", "p99", "p99.9", "max")
    typer.echo(f"{'':<18}{''.join(f'{name:>11}' for name in names)}")
    for name, status in result.statuses.items():
        cells = (f"{status.answers:,}", f"{status.rate:,.0f}", *_times(status.response))
        typer.echo(f"{name:<18}{''.join(f'{cell:>11}' for cell in cells)}")
    if plan.open_loop and result.ok.answers:
        typer.echo(
            f"from when they were sent: p50 {_time(result.ok.service.p50_ms)}, p99 {_time(result.ok.service.p99_ms)}"
        )
    for number, text, count in seen.messages[:8]:
        from headrace.load.observations import STATUS_NAMES

        typer.echo(f"{count:,} x {STATUS_NAMES[number]}: {text}")
    if plan.content.expected is not None:
        check = seen.check
        typer.echo(
            f"{check.checked:,} answers compared, {check.mismatches:,} wrong, "
            f"largest difference {check.worst_difference:.2g}"
        )
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if plot is not None:
        typer.echo(f"drawn in {plot}")


def _times(latency: Latency) -> list[str]:
    values = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p99_9_ms, latency.max_ms)
    return [_time(value) for value in values]


def _time(value: float) -> str:
    from headrace.load.axes import milliseconds

    return "-" if math.isnan(value) else milliseconds(value)


def _judge(result: LoadResult, *, fail_on_errors: bool, max_p99_ms: float) -> None:
    from headrace.core.errors import FailedCheckError

    wrong = result.observed.check.mismatches
    if fail_on_errors and (result.errors or wrong):
        raise FailedCheckError(f"{result.errors:,} requests failed and {wrong:,} were answered wrong")
    p99 = result.ok.response.p99_ms
    if max_p99_ms and not p99 <= max_p99_ms:
        raise FailedCheckError(f"the p99 is {_time(p99)}; allowed are {max_p99_ms:g} ms (--max-p99-ms)")
