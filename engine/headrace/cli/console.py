"""What a terminal shows: errors, progress, lines of a run. Progress goes to stderr, answers to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from headrace.core.errors import HeadraceError
from headrace.core.progress import Progress, SilentProgress, Step

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

_UNFOLDED = 10_000

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout, for scripts.")]


def fail(error: HeadraceError) -> int:
    """Tell the user what was wrong and what to do, on stderr; the exit code."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]error:[/] ", end="")
    console.print(error.message, markup=False)
    if error.hint:
        console.print(f"       {error.hint}", markup=False, style="dim")
    return error.exit_code


def print_json(value: Any) -> None:
    """Write JSON data on stdout: indented on a terminal, one line in a pipe."""
    typer.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None))


def print_table(columns: list[str], rows: list[list[str]], *, title: str | None = None) -> None:
    """Write a small table on stdout; columns whose cells are all numbers are right-aligned.

    A terminal folds what is too wide for it; in a pipe or a file a row stays one line.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numbers = bool(rows) and all(
            row[index].replace(",", "").replace(".", "").strip("-+% ").isdigit() for row in rows
        )
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED).print(table)


class ConsoleProgress:
    """Progress bars on a terminal; nothing at all when stderr is a file or a pipe."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bars.stop()

    def line(self, text: str) -> None:
        """Write a finished line above the running bars, on stdout."""
        from rich.console import Console

        if self._console.is_terminal and sys.stdout.isatty():
            self._bars.console.print(text, markup=True, highlight=False, soft_wrap=True)
        else:
            Console(highlight=False, soft_wrap=True).print(text)

    @contextmanager
    def step(self, label: str, total: float | None = None) -> Iterator[Step]:
        """Open a bar that disappears when its work is done."""
        task = self._bars.add_task(label, total=total, note="")
        try:
            yield _BarStep(self._bars, task)
        finally:
            self._bars.remove_task(task)


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Bars where stderr is a terminal; elsewhere nothing, and nothing is loaded to draw it."""
    if not sys.stderr.isatty():
        yield SilentProgress()
        return
    with ConsoleProgress() as progress:
        yield progress


class _BarStep:
    def __init__(self, bars: RichProgress, task: Any) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: float = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Change the text behind the bar."""
        self._bars.update(self._task, note=text)
