"""`headrace models explain`: what a model's features do, and why single rows scored as they did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from headrace.cli.console import JsonOption, print_json, print_table, terminal_progress
from headrace.cli.options import DEFAULT_HOME, HomeOption, existing_workspace


def explain(
    reference: Annotated[str, typer.Argument(help="A version: late@1, late@champion.", metavar="REF")],
    *,
    row: Annotated[
        list[str] | None, typer.Option("--row", help="Id of a row; may be given more than once. Without: all features.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Features to list.")] = 20,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Say which features move a model's answers (TreeSHAP), over the test part or for single rows.

    Contributions are of the raw score (log-odds of a binary model): base + contributions = raw score. They say what the
    model makes of a value, not what the value causes. The trees lie in the workspace the model was trained in.

    Example: `headrace models explain late@1 --row 20131105-UA1545-EWR-IAH --home build/demo`
    """
    from headrace.pipeline.explaining import explain as explain_version
    from headrace.pipeline.running import reopen

    workspace = existing_workspace(home)
    with terminal_progress() as progress, progress.step("explain"):
        answer = explain_version(reopen(workspace, progress=progress), reference, row or [], top=top)
    if as_json:
        print_json(answer)
    elif "effects" in answer:
        _print_effects(answer, top)
    else:
        for told in answer["rows"]:
            _print_row(answer["model"], told)


def _print_effects(answer: dict[str, Any], top: int) -> None:
    features = answer["effects"].get("features", [])[:top]
    print_table(
        ["feature", "mean |contribution|", "direction", "when missing"],
        [
            [one["name"], f"{one['mean_abs']:.4f}", _signed(one["direction"], 2), _signed(one["when_missing"], 4)]
            for one in features
        ],
        title=f"{answer['model']}, {answer['effects'].get('rows', 0):,} rows of the test part",
    )


def _print_row(model: str, told: dict[str, Any]) -> None:
    rows = [
        [one["feature"], "missing" if one["value"] is None else f"{one['value']:.6g}", _signed(one["contribution"], 4)]
        for one in told["contributions"]
    ]
    title = f"{model}, row {told['row']}: score {_number(told['score'])}"
    ends = [["(base)", "", _signed(told["base"], 4)], ["(others)", "", _signed(told["others"], 4)]]
    print_table(
        ["feature", "value", "contribution"],
        [*rows, *ends, ["(raw score)", "", _signed(told["raw_score"], 4)]],
        title=title,
    )


def _number(value: Any) -> str:
    return ", ".join(map(_number, value)) if isinstance(value, list) else f"{value:.4f}"


def _signed(value: Any, digits: int) -> str:
    if value is None:
        return "-"
    return ", ".join(_signed(one, digits) for one in value) if isinstance(value, list) else f"{value:+.{digits}f}"
