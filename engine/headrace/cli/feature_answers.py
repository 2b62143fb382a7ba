"""What `headrace features` says when it is done."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from headrace.cli.console import print_json, print_table

if TYPE_CHECKING:
    from headrace.features.build import BuildResult
    from headrace.features.build.checking import CheckReport
    from headrace.features.device import Devices
    from headrace.features.plan import FeaturePlan
    from headrace.pipeline.feature_inputs import FeatureInputs
    from headrace.pipeline.provenance import Rebuilt


def tell_build(result: BuildResult, plan: FeaturePlan, seconds: float, devices: Devices, *, as_json: bool) -> None:
    """One line about a build or backfill, and what was computed on which device where there was a choice."""
    if as_json:
        told = {"plan": plan.name, "digest": plan.digest, "seconds": round(seconds, 3), "device": devices.to_json()}
        print_json({**result.to_json(), **told})
        return
    shape = f"{result.rows:,} x {len(result.computed) + len(result.kept)}"
    if not result.computed and not result.dropped:
        typer.echo(f"{result.output}  {shape}  skipped: it is up to date")
        return
    parts = [f"{len(result.computed)} features computed"]
    parts += [f"{len(result.kept)} kept"] if result.kept else []
    parts += [f"{len(result.dropped)} dropped"] if result.dropped else []
    parts += [f"{result.pieces} pieces"] if result.pieces > 1 else []
    parts += [f"{result.resumed} of them from the interrupted build"] if result.resumed else []
    parts += ["an interrupted build of other inputs was removed"] if result.restarted else []
    typer.echo(f"{result.output}  {shape}  {', '.join(parts)}  {seconds:.1f} s")
    there = sum(each.features for each in result.placements if each.device == "cuda")
    if devices.devices:
        typer.echo(f"{there} features on {devices.names}, {len(result.computed) - there} on the CPU")
    for each in result.placements:
        if each.reason:
            typer.echo(f"on the CPU: {each.features} features of {each.what}: {each.reason}")


def tell_rebuilt(found: Rebuilt, *, as_json: bool) -> None:
    """Whether a package's features are what they were."""
    if as_json:
        print_json({**asdict(found), "is_same": found.is_same})
        return
    typer.echo(f"{found.model}: {found.rows:,} rows x {found.features} features, digest {found.digest}")
    if found.recorded is None:
        typer.echo("the package does not tell what its features were: an earlier release built it")
    else:
        typer.echo("the same bits as in training" if found.is_same else f"not the same: {found.recorded} in training")


def tell_check(report: CheckReport, plan: FeaturePlan, *, as_json: bool) -> None:
    """A table of what was checked."""
    if as_json:
        print_json(report.to_json())
        return
    lines = [
        [line.kind, line.name, f"{line.values:,}", f"{line.differing:,}", line.first or "all equal"]
        for line in report.lines
    ]
    print_table(["test", "what", "values", "differing", "first difference"], lines, title=repr(plan))
    for note in report.notes:
        typer.echo(f"note: {note}")


def tell_outline(plan: FeaturePlan, svg: Path | None, *, as_json: bool) -> None:
    """How a plan is computed, in words or JSON, and drawn into a file where one is named."""
    from headrace.core.files import write_atomic
    from headrace.features.planning.outline import outline

    found = outline(plan)
    if svg is not None:
        write_atomic(svg, found.svg().encode())
    if as_json:
        print_json({"digest": plan.digest, **found.to_json()})
        return
    typer.echo(found.text())
    if svg is not None:
        typer.echo(f"drawn in {svg}")


def tell_value(inputs: FeatureInputs, feature: str, row: int, *, as_json: bool) -> None:
    """One value and the events behind it.

    Raises:
        InvalidInputError: there is no such row or feature.
    """
    from headrace.core.hashing import finite_or_none
    from headrace.features import explain
    from headrace.features.build.sources import read_whole

    plan = inputs.plan.only([feature])
    tables = {name: read_whole(inputs.sources[name], columns) for name, columns in plan.columns.items()}
    found = explain(plan, tables, row, feature)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found.query_time_us)
    events = [{name: _plain(value) for name, value in event.items()} for event in found.events.to_pylist()]
    if as_json:
        print_json(
            {
                "feature": feature,
                "row": row,
                "query_time": at.isoformat(),
                "description": found.description,
                "value": finite_or_none(found.value),
                "events": events,
            }
        )
        return
    typer.echo(f"{feature} of row {row:,} at {at:%Y-%m-%d %H:%M:%S} UTC = {found.value:g}")
    typer.echo(found.description)
    rows = [[str(value) for value in event.values()] for event in events]
    print_table(found.events.column_names, rows, title=f"{len(events):,} events")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
