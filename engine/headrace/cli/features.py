"""`headrace features`: build a feature matrix, explain it, check it, extend it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.console import JsonOption, print_json, terminal_progress
from headrace.cli.feature_answers import tell_build, tell_check, tell_outline, tell_rebuilt, tell_value
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace
from headrace.core.errors import EXIT_CODES, Code, FailedCheckError, InvalidInputError

if TYPE_CHECKING:
    from headrace.features.build import BuildSettings
    from headrace.features.device import Devices
    from headrace.pipeline.feature_inputs import FeatureInputs

app = typer.Typer(
    name="features",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Build, explain, check and extend feature matrices.",
)

ProjectArgument = Annotated[
    Path, typer.Argument(help="A folder that holds project.py, or a Python file with a Project or a FeatureSet.")
]
TablesOption = Annotated[
    list[str] | None,
    typer.Option("--table", help="NAME=FILE (.parquet, .arrow, .csv or a folder of .parquet); again for each table."),
]
NameOption = Annotated[str | None, typer.Option("--features", help="Which feature set, where the file has several.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file: .npy, .arrow or .parquet. Default: HOME/matrices/NAME.parquet."),
]
MemoryOption = Annotated[
    str | None, typer.Option("--memory", help="What the process may take: 4GB, 512MB. Default: half of what there is.")
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="Compute threads. Default: the CPUs there are.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="auto (CUDA where it is there and faster), cpu, or cuda (wherever there is a kernel). Default: "
        "HEADRACE_DEVICE, or auto. The bits are the same.",
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--fit-until", help="Fit encoders on rows before this UTC time (2013-09-01). Default: the project's split."
    ),
]
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@app.command()
def build(
    project: ProjectArgument,
    *,
    output: OutputOption = None,
    table: TablesOption = None,
    features: NameOption = None,
    fit_until: UntilOption = None,
    memory: MemoryOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Compute everything, whatever is there.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Compute every feature of every row and write them to one file, within a memory budget.

    An output that is up to date is left alone; an interrupted build goes on where it stopped.

    Example: `headrace features build examples/flights --home build/demo -o flights.parquet`
    """
    from headrace.features.build import build as build_matrix
    from headrace.features.build import discard

    started = time.monotonic()
    settings = _settings(memory, threads, device)
    inputs = _open(project, table, features, home, fit_until)
    target = output or home / "matrices" / f"{inputs.plan.name}.parquet"
    if rebuild:
        discard(target)
    with terminal_progress() as progress:
        result = build_matrix(inputs.plan, inputs.sources, target, settings=settings, progress=progress)
    tell_build(result, inputs.plan, time.monotonic() - started, settings.devices, as_json=as_json)


@app.command()
def backfill(
    project: ProjectArgument,
    *,
    output: OutputOption = None,
    table: TablesOption = None,
    features: NameOption = None,
    fit_until: UntilOption = None,
    memory: MemoryOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Compute everything where inputs changed.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Bring an output that was built earlier to the features as they are declared now.

    Features whose definition is the same keep their column, bit for bit; new ones are computed; dropped ones go.
    Refused where a table changed since, unless `--rebuild` says to compute everything.

    Example: `headrace features backfill examples/flights --home build/demo -o flights.parquet`
    """
    from headrace.features.build import backfill as backfill_matrix
    from headrace.features.build import build as build_matrix

    started = time.monotonic()
    settings = _settings(memory, threads, device)
    inputs = _open(project, table, features, home, fit_until)
    target = output or home / "matrices" / f"{inputs.plan.name}.parquet"
    with terminal_progress() as progress:
        try:
            result = backfill_matrix(inputs.plan, inputs.sources, target, settings=settings, progress=progress)
        except FailedCheckError:
            if not rebuild:
                raise
            result = build_matrix(inputs.plan, inputs.sources, target, settings=settings, progress=progress)
    tell_build(result, inputs.plan, time.monotonic() - started, settings.devices, as_json=as_json)


@app.command()
def check(
    project: ProjectArgument,
    *,
    rows: Annotated[int, typer.Option("--rows", help="How many rows are tried one by one.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Chooses them.")] = 0,
    table: TablesOption = None,
    features: NameOption = None,
    fit_until: UntilOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Test on your own data that no feature sees the future, and that batch, request and build give the same bits.

    So do CUDA devices, where there are any: `--device cuda` compares all that has a kernel there.

    Reads the tables whole. Ends with exit code 6 where one bit differs.

    Example: `headrace features check examples/flights --home build/demo --rows 200`
    """
    from headrace.features.build.checking import check_features
    from headrace.features.build.sources import read_whole

    if rows < 1:
        raise InvalidInputError(f"--rows is {rows}; at least one row has to be tried")
    inputs = _open(project, table, features, home, fit_until)
    tables = {name: read_whole(source, inputs.plan.columns[name]) for name, source in inputs.sources.items()}
    with terminal_progress() as progress:
        report = check_features(
            inputs.plan, tables, sample=rows, seed=seed, threads=threads_of(threads), devices=_devices(device),
            progress=progress,
        )  # fmt: skip
    tell_check(report, inputs.plan, as_json=as_json)
    if not report.passed:
        failed = ", ".join(line.name for line in report.lines if line.differing)
        raise FailedCheckError(f"the features of '{inputs.plan.name}' differ where they must not: {failed}")


@app.command()
def explain(
    project: ProjectArgument,
    *,
    feature: Annotated[str | None, typer.Option("--feature", help="One feature.")] = None,
    row: Annotated[
        int | None, typer.Option("--row", help="With --feature: list the events behind this row's value.")
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the plan into this file.")] = None,
    table: TablesOption = None,
    features: NameOption = None,
    fit_until: UntilOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show what a plan computes, how, and what its features share; or the events behind one value.

    Example: `headrace features explain examples/flights --home build/demo --feature origin_count_3h --row 17`
    """
    if row is not None and feature is None:
        raise InvalidInputError("--row needs --feature: which value of the row?")
    inputs = _open(project, table, features, home, fit_until, fit=row is not None)
    if row is not None and feature is not None:
        tell_value(inputs, feature, row, as_json=as_json)
        return
    tell_outline(inputs.plan if feature is None else inputs.plan.only([feature]), svg, as_json=as_json)


@app.command()
def rebuild(
    model: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="A registered model: late, late@2.")],
    *,
    threads: ThreadsOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Compute a package's features again from the tables it names, and compare every bit.

    Neither the project's file nor what a run left behind is read. Ends with exit code 6 where the bits differ.

    Example: `headrace features rebuild late@1 --home build/demo`
    """
    from headrace.pipeline.provenance import rebuild_features

    workspace = existing_workspace(home)
    with terminal_progress() as progress:
        found = rebuild_features(workspace, model, threads=threads_of(threads), progress=progress)
    tell_rebuilt(found, as_json=as_json)
    if not found.is_same:
        raise typer.Exit(EXIT_CODES[Code.FAILED_CHECK])


@app.command()
def warm(*, as_json: JsonOption = False) -> None:
    """Compile every kernel into the cache, so that no later process waits for the compiler.

    Example: `headrace features warm`
    """
    from headrace.features.build.warming import warm_kernels

    with terminal_progress() as progress:
        report = warm_kernels(progress)
    if as_json:
        print_json(report.to_json())
    else:
        typer.echo(f"{report.loaded} kernels from the cache, {report.compiled} compiled in {report.seconds:.1f} s")


def _open(
    project: Path, table: list[str] | None, features: str | None, home: Path, fit_until: str | None, *, fit: bool = True
) -> FeatureInputs:
    from headrace.pipeline.feature_inputs import fitted, open_features

    inputs = open_features(project, tables=table or (), home=home, name=features)
    return fitted(inputs, until=fit_until) if fit else inputs


def _settings(memory: str | None, threads: int | None, device: str | None) -> BuildSettings:
    from headrace.core.config import memory_budget
    from headrace.features.build import BuildSettings

    return BuildSettings(
        memory_bytes=_bytes(memory) if memory else memory_budget() // 2,
        threads=threads_of(threads),
        devices=_devices(device),
    )


def _devices(device: str | None) -> Devices:
    from headrace.core.config import load_settings
    from headrace.features.device import open_devices

    return open_devices(device or load_settings().device)


def threads_of(threads: int | None) -> int:
    """What `--threads` asks for, by default the CPUs there are.

    Raises:
        InvalidInputError: it is below 1.
    """
    from headrace.core.config import load_settings

    if threads is not None and threads < 1:
        raise InvalidInputError(f"--threads is {threads}; it must be at least 1")
    return threads or load_settings().threads


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]I?B)", text.upper())
    if found is None:
        raise InvalidInputError(f"--memory '{text}' is not an amount of memory", hint="write 4GB, 512MB or 1.5GiB")
    return int(float(found[1]) * _UNITS[found[2]])
