"""Print an outline: a tree of lines, and JSON data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from headrace.features.definition.durations import format_duration
from headrace.features.planning.outline import Block, Match, Outline, Scan

_NAMES_SHOWN = 4


def outline_text(outline: Outline) -> str:
    """One line a block, an extent and a scan, with what they share."""
    return "\n".join(_lines(outline)) + "\n"


def outline_to_json(outline: Outline) -> dict[str, Any]:
    """The outline as JSON data, what is shared and the memory included."""
    shared = {name: {"done": done, "asked": asked} for name, (done, asked) in outline.shared.items()}
    return {
        **asdict(outline),
        "shared": shared,
        "bytes_per_row": outline.bytes_per_row,
        "bytes_per_event": outline.bytes_per_event,
    }


def _lines(outline: Outline) -> Iterator[str]:
    beside = f" and {outline.n_intermediates} intermediates" if outline.n_intermediates else ""
    yield f"{outline.name}  {outline.n_features} features{beside} of {outline.spine} at {outline.at}"
    yield f"  plan {outline.digest[:8]} · {outline.n_steps} different steps · {outline.bytes_per_row:,} bytes a row"
    yield ""
    yield "reads"
    for table, columns in outline.columns.items():
        yield f"  {table}: {', '.join(columns)}"
    if outline.blocks:
        yield ""
        yield "windows"
    for block in outline.blocks:
        yield from _block_lines(block, outline.bytes_per_event[block.view])
    if outline.matches:
        yield ""
        yield "states"
        for match in outline.matches:
            yield f"  {_match_line(match)}"
    rest = [f"{place}: {', '.join(fields)}" for place, fields in outline.calendars.items()]
    yield from _section("calendar", rest)
    yield from _section("encoders", [f"{name}: {_plural(count, 'column')}" for name, count in outline.encoders.items()])
    yield from _section("expressions", list(outline.expressions))
    repeated = [f"{text}: {count} places" for text, count in outline.repeated.items()]
    yield from _section("computed once", repeated)
    shared = [f"{done} {name} for {asked} values" for name, (done, asked) in outline.shared.items() if asked]
    yield from _section("shared", shared)


def _block_lines(block: Block, event_bytes: int) -> Iterator[str]:
    key = f"by {', '.join(block.by)}" if block.by else "all events"
    other = f" on {', '.join(block.on)}" if block.on != block.by else ""
    where = f" where {block.where}" if block.where else ""
    table = f" ({block.table})" if block.table != block.view else ""
    values = _plural(len(block.features), "value")
    yield f"  {block.view}{table} {key}{other}{where}: {values}, {event_bytes} bytes an event"
    for extent in block.extents:
        yield f"    {extent.label}"
        for scan in extent.scans:
            yield f"      {scan.reads}: {', '.join(scan.statistics)} -> {_names(scan)}"


def _match_line(match: Match) -> str:
    limit = "" if match.tolerance_us is None else f", at most {format_duration(match.tolerance_us)} old"
    return f"{match.view} on {', '.join(match.on)}{limit}: {', '.join(match.columns)}"


def _names(scan: Scan) -> str:
    shown = ", ".join(scan.features[:_NAMES_SHOWN])
    more = len(scan.features) - _NAMES_SHOWN
    return shown if more <= 0 else f"{shown} and {more} more"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
