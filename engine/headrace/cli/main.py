"""The `headrace` command: what exists, and how every command fails.

`headrace features` starts alone: a short build should not wait for the libraries of commands that it is not.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import cache
from typing import Annotated, Any

import typer

from headrace import __version__
from headrace.cli.console import fail
from headrace.cli.interruption import whole_interrupts
from headrace.core.errors import EXIT_CODES, CancelledError, Code, HeadraceError

_ALONE = "features"


@cache
def application() -> typer.Typer:
    """Every command."""
    from headrace.cli import (
        data,
        doctor,
        features,
        key,
        load,
        models,
        monitor,
        package,
        predict,
        release,
        report,
        run,
        runs,
        score,
        serve,
        tune,
    )

    app = typer.Typer(
        name="headrace",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        add_completion=False,
        help="One engine for the whole life of a tabular model: the same feature bits in batch, backfill and request, "
        "and a gRPC server in front.",
        epilog="First time here? `headrace run examples/flights`, then open the report it names.",
    )
    app.callback()(_main)
    app.command("run")(run.run)
    app.command("tune")(tune.tune)
    app.add_typer(runs.app, name="runs")
    app.add_typer(data.app, name="data")
    app.add_typer(features.app, name=_ALONE)
    app.command("serve")(serve.serve)
    app.command("key")(key.key)
    app.command("predict")(predict.predict)
    app.command("score")(score.score)
    app.command("load")(load.load)
    app.add_typer(release.app, name="release")
    app.command("monitor")(monitor.monitor)
    app.command("report")(report.report)
    app.add_typer(models.app, name="models")
    app.add_typer(package.app, name="package")
    app.command("doctor")(doctor.doctor)
    return app


def __getattr__(name: str) -> Any:
    if name == "app":
        return application()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _version(*, value: bool) -> None:
    if value:
        typer.echo(f"headrace {__version__}")
        raise typer.Exit


def _main(
    *,
    version: Annotated[  # noqa: ARG001  handled by the callback
        bool, typer.Option("--version", help="Show the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    from headrace.core.logging import configure_logging

    configure_logging("auto")


def main() -> None:
    """Run the command line; every error of ours ends as a message and an exit code, never as a stack trace."""
    # Before any library starts OpenMP: threads that spin while they wait train many times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Imports make hundreds of thousands of objects that stay: looking for garbage among them is a tenth of the start.
    gc.set_threshold(200_000, 20, 20)
    try:
        with whole_interrupts():
            if sys.argv[1:2] == [_ALONE]:
                from headrace.cli import features

                features.app(args=sys.argv[2:], prog_name=f"headrace {_ALONE}", standalone_mode=True)
            application()(standalone_mode=True)
    except HeadraceError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:  # Ctrl-C before the option parser runs
        sys.exit(fail(CancelledError("interrupted")))
    except SystemExit as ended:
        if ended.code == EXIT_CODES[Code.CANCELLED]:  # Ctrl-C outside of a stage: the option parser ends without a word
            fail(CancelledError("interrupted"))
        raise
    except BrokenPipeError:
        sys.exit(EXIT_CODES[Code.INTERNAL])


if __name__ == "__main__":
    main()
