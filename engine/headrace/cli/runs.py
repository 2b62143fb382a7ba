"""`headrace runs`: what was trained, with what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli import runs_answers as tell
from headrace.cli.console import JsonOption, print_json, terminal_progress
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace
from headrace.core.errors import FailedCheckError, InvalidInputError, UnavailableError, did_you_mean

if TYPE_CHECKING:
    from headrace.training.runs import RunRecord, RunStore

app = typer.Typer(
    name="runs",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Run records: parameters, metrics, curves, data, code; compared side by side, and mirrored to MLflow.",
)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the first characters of it.")]
MetricOption = Annotated[str, typer.Option("--metric", help="What to rank by. Default: what the runs were judged by.")]


@app.command("list")
def list_runs(
    *,
    model: Annotated[str | None, typer.Option("--model", help="Runs of this model.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="pipeline, tuning or trial. Default: all but trials.")
    ] = None,
    status: Annotated[str | None, typer.Option("--status", help="running, finished, failed or killed.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Newest runs to list.")] = 20,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first: how they ended, how long they took, what they were judged by.

    Example: `headrace runs list --model late --home build/demo`
    """
    from headrace.training.runs import RunKind, RunQuery, RunStatus

    query = RunQuery(
        model=model,
        kind=RunKind(_known(kind, [one.value for one in RunKind], "kind")) if kind else None,
        status=RunStatus(_known(status, [one.value for one in RunStatus], "status")) if status else None,
        limit=limit,
    )
    with open_runs(home) as store:
        tell.listing(store.runs(query), as_json=as_json)


@app.command("show")
def show(run: RunArgument, *, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show a run: parameters, metrics with their intervals, curves, the data and the code it was made from.

    Example: `headrace runs show 1a2b3c --home build/demo`
    """
    with open_runs(home) as store:
        tell.run(store.get(run), as_json=as_json)


@app.command("compare")
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Two runs or more; or one, for its trials.")],
    *,
    metric: MetricOption = "",
    html: Annotated[Path | None, typer.Option("--html", help="Write the comparison as one HTML page.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Put runs side by side: parameters that differ, metrics with intervals, differences of data and code.

    One run alone stands for the runs that belong to it: name a tuning run to compare its trials.

    Example: `headrace runs compare 1a2b 3c4d --html compare.html --home build/demo`
    """
    from headrace.training.runs import compare_runs

    with open_runs(home) as store:
        found = compare_runs(_chosen(store, runs), metric=metric)
    if html is not None:
        from headrace.pipeline.report.compared import write_comparison

        with terminal_progress() as progress, progress.step("draw the page"):
            write_comparison(html, found, command=f"headrace runs compare {' '.join(runs)} --html {html} --home {home}")
    tell.comparison(found, as_json=as_json)
    if html is not None and not as_json:
        typer.echo(f"written: {html}")


@app.command("mirror")
def mirror_runs(
    *,
    uri: Annotated[
        str, typer.Option("--uri", help="The MLflow server. Default: HEADRACE_MLFLOW_URI.", show_default=False)
    ] = "",
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="Seconds to wait for a server that is away.")
    ] = 30,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Send runs and model versions to an MLflow server now, and what the server refused before again.

    With HEADRACE_MLFLOW_URI set, every run does this by itself, in the background.

    Example: `headrace runs mirror --uri http://mlflow.example:5000 --home build/demo`
    """
    from headrace.core.config import load_settings
    from headrace.pipeline.mirror import MirrorJob, MlflowServer, mirror

    workspace, settings = existing_workspace(home), load_settings(home=home)
    server = MlflowServer.parse(uri or settings.mlflow_uri, token=settings.mlflow_token)
    with open_runs(home) as store, terminal_progress() as progress:
        job = MirrorJob(store.engine, workspace.home, server, patience_s=patience, again=True, progress=progress)
        done = mirror(job)
    if done.busy:
        raise UnavailableError(f"a mirror to {server.url} is at work already", hint="what is waiting goes with it")
    if as_json:
        print_json({"server": server.url, "runs": done.runs, "versions": done.versions, "refused": list(done.refused)})
    else:
        typer.echo(f"{server.url}: {done.runs} runs sent, {done.versions} model versions created")
    if done.refused:
        raise FailedCheckError(f"the server refused {len(done.refused)}: {'; '.join(done.refused[:3])}")


@contextmanager
def open_runs(home: Path) -> Iterator[RunStore]:
    """The run records of a workspace.

    Raises:
        NotFoundError: nothing was ever run there.
    """
    from headrace.core.database import open_database
    from headrace.training.runs import RunStore

    engine = open_database(existing_workspace(home).database)
    try:
        yield RunStore(engine)
    finally:
        engine.dispose()


def _chosen(store: RunStore, names: list[str]) -> list[RunRecord]:
    """The named runs; for one run alone, those that belong to it, in the order they began."""
    from headrace.training.runs import RunQuery

    if len(names) > 1:
        return [store.get(name) for name in names]
    (parent,) = (store.get(name) for name in names)
    children = store.runs(RunQuery(parent=parent.id), curves=True)
    if len(children) < 2:
        raise InvalidInputError(
            f"run {parent.short_id} alone has nothing to be compared with",
            hint="name two runs, or a tuning run that has trials",
        )
    return list(reversed(children))


def _known(given: str, allowed: list[str], what: str) -> str:
    if given not in allowed:
        raise InvalidInputError(
            f"--{what} is '{given}'; allowed: {', '.join(allowed)}", hint=did_you_mean(given, allowed)
        )
    return given
