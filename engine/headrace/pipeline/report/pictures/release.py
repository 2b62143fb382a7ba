"""The ledger as a picture: which version answered how much of the traffic, event by event."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import CanaryShare, Release, ReleaseEvent
from headrace.pipeline.report.palette import KINDS, sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture
from headrace.pipeline.report.pictures.marks import Look, dot, guide, note, ticks, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def timeline(release: Release) -> Markup:
    """Draw each version's share of the traffic between events."""
    events = release.events
    versions = sorted({version for event in events for version in _shares(event)})
    colours = {version: KINDS[position % len(KINDS)] for position, version in enumerate(versions)}

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        floor = [0.0] * len(events)
        for version in versions:
            heights = [_shares(event).get(version, 0.0) for event in events]
            fill = sentinel(colours[version])
            axes.bar(range(len(events)), heights, 1, align="edge", bottom=floor, color=fill, alpha=0.88)
            for column, height in enumerate(heights):
                if height >= 0.08:
                    words = f"v{version}" if screen.narrow else f"version {version}, {numbers.percent(height, 0)}"
                    note(axes, words, (column + 0.5, floor[column] + height / 2), Look("card", "center", bold=True))
            floor = [low + height for low, height in zip(floor, heights, strict=True)]
        for column in range(1, len(events)):
            axes.axvline(column, color=sentinel("card"), linewidth=2)
        labels = [_event_label(event, column, narrow=screen.narrow) for column, event in enumerate(events)]
        axes.set_xticks(range(len(events)), labels, ha="left", fontsize=9.5, color=sentinel("ink"))
        axes.set_xlim(0, len(events))
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.5, 1])
        axes.yaxis.set_major_formatter(lambda value, _position: numbers.percent(value))
        axes.set_ylabel("share of the traffic")
        axes.grid(visible=False)

    text = "From left to right the events of the append-only ledger, each with its time (UTC); widths are not to scale."
    alt = "; ".join(f"{_clock(event.at)} {_word(event)}: {_spoken(event)}" for event in events)
    return picture("p-release", Caption(_title(release), text, alt), paint, full=True, height=250, narrow=240)


def canary(share: CanaryShare) -> Markup:
    """Draw the planned share of the canary against the measured one."""
    measured = share.measured

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        guide(axes, share.planned)
        whisker(axes, measured, 0, "model", width=5)
        dot(axes, (measured.value, 0), "model", size=10)
        note(axes, "planned", (share.planned, 0.9), Look(va="top"), shift=(5, 0))
        end = measured.high if measured.high is not None else measured.value
        note(axes, f"measured {numbers.percent(measured.value)}", (end, 0), Look("model"), shift=(9, 0))
        known = [share.planned, measured.value, measured.low, measured.high]
        ends = [value for value in known if value is not None]
        room = max((max(ends) - min(ends)) * 0.8, share.planned * 0.25, 0.005)
        axes.set_xlim(max(0, min(ends) - room), min(1, max(ends) + room))
        axes.set_ylim(-1, 1)
        axes.set_yticks([])
        ticks(axes.xaxis, 5)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value))
        axes.set_xlabel("share of requests answered by the candidate")

    shown = numbers.percent_interval(measured)
    low = measured.low if measured.low is not None else measured.value
    high = measured.high if measured.high is not None else measured.value
    planned = numbers.percent(share.planned)
    fits = f"as planned: {planned}" if low <= share.planned <= high else f"not the {planned} planned"
    title = f"The canary got {shown} of the requests, {fits}"
    requests = numbers.plural(share.requests, "request")
    text = f"{requests}, split by a stable hash of the routing key. Line: 95\u00a0% interval."
    return picture(
        "p-canary", Caption(title, text, f"Planned {planned}, measured {shown}"), paint, full=True, height=140
    )


def _shares(event: ReleaseEvent) -> dict[int, float]:
    if event.champion is None and event.candidate is None:
        return {}
    candidate = event.candidate_share if event.candidate is not None else 0.0
    shares: dict[int, float] = {}
    if event.champion is not None and candidate < 1:
        shares[event.champion] = 1 - candidate
    if event.candidate is not None and candidate > 0:
        shares[event.candidate] = shares.get(event.candidate, 0.0) + candidate
    return shares


def _title(release: Release) -> str:
    events = release.events
    last = events[-1]
    now = f"version {last.champion} answers" if last.champion is not None else "no version answers"
    if last.candidate is not None and last.candidate_share > 0:
        now += f", version {last.candidate} gets {numbers.percent(last.candidate_share)}"
    for before, event in reversed(list(pairwise(events))):
        if "roll" in event.event and before.champion != event.champion:
            return f"Version {before.champion} was rolled back: {now} at the end"
        if "promot" in event.event and before.champion != event.champion:
            return f"Version {event.champion} was promoted: {now} at the end"
    return f"{numbers.plural(len(events), 'event')} in the ledger: {now} at the end"


def _event_label(event: ReleaseEvent, column: int, *, narrow: bool) -> str:
    if narrow:
        return str(column + 1)
    to = f" to {numbers.percent(event.candidate_share)}" if event.candidate is not None else ""
    return f"{clipped(_word(event) + to, 24)}\n{_clock(event.at)}"


def _word(event: ReleaseEvent) -> str:
    return event.event.replace("_", " ")


def _clock(at: str) -> str:
    return clipped(at[11:19] if len(at) >= 19 else at, 20)


def _spoken(event: ReleaseEvent) -> str:
    shares = _shares(event)
    return ", ".join(f"version {version} {numbers.percent(share)}" for version, share in shares.items()) or "no traffic"
