"""`headrace tune`: better parameters for a project's model, within a latency and a size that it must keep to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.console import ConsoleProgress, JsonOption, print_json, print_table
from headrace.cli.options import DEFAULT_HOME, HomeOption
from headrace.core.errors import CancelledError
from headrace.core.logging import set_level

if TYPE_CHECKING:
    from headrace.pipeline.runner import StageReport
    from headrace.pipeline.tuning import TuningReport
    from headrace.training.tuning import Trial, TuningResult

KILO = 1_000

TrialsOption = Annotated[int | None, typer.Option("--trials", min=1, help="Most trials, over all resumptions.")]
MinutesOption = Annotated[float | None, typer.Option("--minutes", min=0.01, help="Most minutes, over all resumptions.")]
LatencyOption = Annotated[
    float | None, typer.Option("--latency-us", help="Most microseconds for one row (99th percentile), compiled.")
]
FloorOption = Annotated[
    float | None, typer.Option("--latency-floors", help="The same as a multiple of the smallest forest's.")
]
SizeOption = Annotated[float | None, typer.Option("--size-kb", help="Most kilobytes (1,000) of the compiled model.")]
JobsOption = Annotated[int | None, typer.Option("--jobs", min=1, help="Trials side by side. Default: one a thread.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Of the search.")]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write the tuning as one HTML page.")]


def tune(
    project: Annotated[Path, typer.Argument(help="The project: a folder that holds project.py, or the file itself.")],
    *,
    trials: TrialsOption = None,
    minutes: MinutesOption = None,
    latency_us: LatencyOption = None,
    latency_floors: FloorOption = None,
    size_kb: SizeOption = None,
    jobs: JobsOption = None,
    seed: SeedOption = None,
    html: HtmlOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier trials of this model.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Search for better LightGBM parameters, trials side by side on datasets that are binned once.

    The project's own parameters are the first trial and the rival. A killed or interrupted tuning goes on with the same
    command. A latency or a size is a constraint: it is measured on each trial's compiled model, and the winner is the
    best model that keeps to it. The winner is held against the untuned model on the test part, and its parameters are
    written to `tuned/MODEL.json` in the project, for review.

    Example: `headrace tune examples/flights --minutes 20 --latency-us 5 --home build/demo`
    """
    from headrace.pipeline.tuning import TuneOptions, tune_project

    given = {
        "trials": trials,
        "minutes": minutes,
        "latency_p99_us": latency_us,
        "latency_over_floor": latency_floors,
        "size_bytes": round(size_kb * KILO) if size_kb is not None else None,
        "jobs": jobs,
        "seed": seed,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    set_level("warning")  # which backend serves each trial's model is no news
    with ConsoleProgress() as progress:

        def stage(report: StageReport) -> None:
            if not as_json and not report.skipped:
                progress.line(f"  {report.record.name:<9} {report.record.outcome.headline}")

        report = tune_project(project, home, TuneOptions(overrides, fresh=fresh, on_stage=stage), progress=progress)
    if html is not None:
        from headrace.pipeline.report.tuning import write_tuning

        write_tuning(html, report, command=f"headrace tune {project} --home {home} --html {html}")
    if as_json:
        print_json(report.to_json())
    else:
        _tell(report)
        if html is not None:
            typer.echo(f"written: {html}")
    _end(report)


def _end(report: TuningReport) -> None:
    """End with the exit code of what happened.

    Raises:
        CancelledError: Ctrl-C; the trials are kept.
        FailedCheckError: no trial met the target.
    """
    if report.result.interrupted:
        raise CancelledError(
            f"interrupted after {len(report.result.trials)} trials, which are kept",
            hint="run the same command again: it goes on from here",
        )
    _ = report.result.winner


def _tell(report: TuningReport) -> None:
    from headrace.training.tuning import State

    result = report.result
    missed = sum(trial.is_complete and not trial.is_feasible for trial in result.trials)
    over = f", {missed} over the target" if result.targets.any else ""
    typer.echo(
        f"{len(result.trials)} trials in {result.spent_s / 60:.1f} min, {result.jobs} side by side: "
        f"{result.count(State.COMPLETE)} complete{over}, {result.count(State.PRUNED)} pruned, "
        f"{result.count(State.FAILED)} failed"
    )
    headings = ["trial", f"valid {result.metric}", "p99 us", "x floor", "kB", "trees", ""]
    print_table(headings, [_row(trial, result) for trial in _shown(result)], title="the front, best first")
    if not result.ranked:
        return
    winner = result.winner
    words = ", ".join(f"{name} {_short(value)}" for name, value in winner.params.items())
    typer.echo(f"winner: trial {winner.number}: {words}")
    typer.echo(f"{report.verdict[0].upper()}{report.verdict[1:]}.")
    if report.frozen is not None:
        typer.echo(f'written: {report.frozen}; read it with params=hr.tuned("tuned/{report.model}.json")')


def _shown(result: TuningResult) -> list[Trial]:
    """The front, and the untuned model and the winner where they are not on it."""
    shown = result.front
    extra = [result.untuned, result.ranked[0] if result.ranked else None]
    numbers = {trial.number for trial in shown}
    return shown + list({one.number: one for one in extra if one is not None and one.number not in numbers}.values())


def _row(trial: Trial, result: TuningResult) -> list[str]:
    found = result.confirmed.get(trial.number) or trial.measured
    cells = (
        [f"{found.latency_p99_us:.2f}", f"{found.over_floor:.2f}", f"{found.size_bytes / KILO:,.0f}"] if found else []
    )
    marks = ["untuned"] if trial.origin.value == "untuned" else []
    marks += ["winner"] if result.ranked and trial.number == result.ranked[0].number else []
    marks += [] if trial.is_feasible else ["over the target"]
    value = f"{trial.value:.4f}" if trial.value is not None else ""
    return [str(trial.number), value, *(cells or ["", "", ""]), str(trial.trees), ", ".join(marks)]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
