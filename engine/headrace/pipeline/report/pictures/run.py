"""Where the time of the run went, and how the checks of its input came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import StageRun, ValidationCheck
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, note, ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"run": "model", "skipped": "line", "failed": "bad", "passed": "good", "warned": "warn"}


def stages(runs: tuple[StageRun, ...]) -> Markup:
    """Draw seconds by stage."""

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(run.name, 14) for run in runs])
        axes.barh(range(len(runs)), [run.seconds for run in runs], 0.62, color=[_colour(run.status) for run in runs])
        for row, run in enumerate(runs):
            words = "" if run.status == "run" else f"{run.status}, "
            note(axes, words + numbers.seconds(run.seconds), (run.seconds, row), shift=(5, 0))
        axes.set_xlim(0, max([run.seconds for run in runs] + [1e-3]) * (1.34 if screen.narrow else 1.2))
        axes.set_xlabel("seconds")
        axes.spines.bottom.set_visible(False)

    total = sum(run.seconds for run in runs)
    skipped = sum(run.status == "skipped" for run in runs)
    text = f"Wall time by stage, {numbers.seconds(total)} together."
    if skipped:
        text += f" {numbers.plural(skipped, 'stage')} skipped, because the inputs did not change."
    alt = "; ".join(f"{run.name} {run.status} in {numbers.seconds(run.seconds)}" for run in runs)
    caption = Caption(_stages_title(runs, total, skipped), text, alt)
    return picture("p-stages", caption, paint, height=70 + 26 * len(runs))


def checks(results: tuple[ValidationCheck, ...]) -> Markup:
    """Draw checks by table and outcome."""
    tables = list(dict.fromkeys(check.table for check in results))
    counts = {
        status: [sum(check.table == table and check.status == status for check in results) for table in tables]
        for status in ("passed", "warned", "failed")
    }

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(table, 14 if screen.narrow else 22) for table in tables])
        left = [0] * len(tables)
        for status, values in counts.items():
            axes.barh(range(len(tables)), values, 0.55, left=left, color=_colour(status))
            for row, (start, value) in enumerate(zip(left, values, strict=True)):
                if value:
                    look = Look("soft", "center", size=10)
                    note(axes, f"{value} {status}", (start + value / 2, row + 0.44), look)
            left = [start + value for start, value in zip(left, values, strict=True)]
        axes.set_xlabel("checks")
        axes.set_xlim(0, max(left) * 1.08)
        axes.spines.bottom.set_visible(False)
        ticks(axes.xaxis, 6, whole=True)

    totals = {status: sum(values) for status, values in counts.items()}
    title = f"{totals['passed']} of {numbers.plural(len(results), 'check')} passed"
    title += f", {totals['warned']} warned" if totals["warned"] else ""
    title += f", {totals['failed']} failed" if totals["failed"] else ", none failed"
    alt = "; ".join(
        f"{table}: " + ", ".join(f"{values[row]} {status}" for status, values in counts.items())
        for row, table in enumerate(tables)
    )
    text = "Checks of the declared schema by table. The table of checks has each with its rows."
    return picture("p-checks", Caption(title, text, alt), paint, height=80 + 44 * len(tables))


def _stages_title(runs: tuple[StageRun, ...], total: float, skipped: int) -> str:
    failed = [run.name for run in runs if run.status == "failed"]
    if failed:
        return f"The run stopped in {failed[0]} after {numbers.seconds(total)}"
    if skipped == len(runs):
        return f"Nothing had changed: all {skipped} stages were skipped in {numbers.seconds(total)}"
    longest = max(runs, key=lambda run: run.seconds)
    share = numbers.percent(longest.seconds / total, 0) if total > 0 else numbers.MISSING
    return f"The run took {numbers.seconds(total)}, {share} of it in {longest.name}"


def _colour(status: str) -> str:
    return sentinel(_COLOURS[status])
