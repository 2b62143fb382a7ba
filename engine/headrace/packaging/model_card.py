"""The model card: one page of Markdown that a person reads before trusting the model.

It is made from the package's own documents, so it cannot say anything they do not.
Reference: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, for the order of its sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.packaging.lineage import Lineage
from headrace.packaging.signature import Signature

# Features listed by importance; the evaluation document holds them all.
LISTED_FEATURES = 10
LISTED_SLICES = 8


def model_card(
    name: str, *, description: str, evaluation: Mapping[str, Any], lineage: Lineage, signature: Signature
) -> str:
    """Write the card.

    Args:
        name: the model's name.
        description: what it predicts and for whom, a sentence or more.
        evaluation: the package's evaluation document.
        lineage: where the model came from.
        signature: what it takes.
    """
    sections = [
        f"# {name}",
        description.strip(),
        _quality(evaluation),
        _gates(evaluation.get("gates"), evaluation.get("override")),
        _decisions(evaluation),
        _slices(evaluation),
        _inputs(evaluation.get("training", {}), signature),
        _origin(lineage),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def without_cuda(reason: str) -> str:
    """A closing section for a card whose package has no graph for CUDA; empty where there is no reason."""
    return f"\n## On a GPU\n\nThe package has no graph for CUDA, so trees run on the CPU: {reason}.\n" if reason else ""


def _quality(evaluation: Mapping[str, Any]) -> str:
    columns = {"model": evaluation["model"], **evaluation.get("baselines", {})}
    positive = f" ({evaluation['positives']:,} positive)" if evaluation["positives"] is not None else ""
    lines = [
        f"## Quality on {evaluation['rows']:,} rows it was not trained on{positive}",
        "",
        "| metric | " + " | ".join(columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for metric in evaluation["model"]["figures"]:
        cells = (_figure(column["figures"][metric]) for column in columns.values())
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    confidence = evaluation["settings"]["confidence"]
    lines += ["", f"In brackets: {confidence:.0%} intervals, bootstrap over days."]
    return "\n".join(lines)


def _gates(gates: Mapping[str, Any] | None, override: Mapping[str, Any] | None) -> str:
    if not gates:
        return ""
    lines = (
        f"- {'passed' if verdict['passed'] else 'FAILED'}: {verdict['name']} ({verdict['reason']})"
        for verdict in gates["verdicts"]
    )
    said = f"Registered although {', '.join(override['gates'])} failed: {override['reason']}" if override else ""
    return "\n".join(["## Gates", "", *lines, *(["", said] if said else [])])


def _decisions(evaluation: Mapping[str, Any]) -> str:
    """What follows at the threshold, and on which groups it falls."""
    decisions = evaluation.get("decisions")
    if not decisions:
        return ""
    at = "nobody" if decisions["threshold"] is None else f"scores of {decisions['threshold']:.4g} and above"
    lines = ["## Decisions", "", f"Acting on {at}:", ""]
    lines += [f"- {metric}: {_figure(figure)}" for metric, figure in decisions["figures"].items()]
    for column, found in evaluation.get("fairness", {}).items():
        for metric, one in found["disparities"].items():
            ratio = _figure(one["ratio"])
            lines.append(f"- {metric} of {column} {one['lowest']} over {one['highest']}: {ratio}")
        if found["insufficient"]:
            lines.append(f"- too few rows of {column}: {', '.join(found['insufficient'])}")
    return "\n".join(lines)


def _slices(evaluation: Mapping[str, Any]) -> str:
    lines = []
    metric, binary = evaluation.get("metric", "auc"), evaluation["positives"] is not None
    headings = ["group", "rows", *(["positive"] if binary else []), metric]
    for column, slicing in evaluation.get("slicings", {}).items():
        lines += ["", f"### By {column}", "", f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
        for one in slicing["slices"][:LISTED_SLICES]:
            share = [f"{one['label_rate']:.1%}"] if binary else []
            cells = [one["group"], f"{one['rows']:,}", *share, _figure(one["figures"][metric])]
            lines.append(f"| {' | '.join(cells)} |")
        more = len(slicing["slices"]) - LISTED_SLICES
        notes = [f"{more} more in evaluation.json"] if more > 0 else []
        notes += [f"too small to judge: {', '.join(slicing['left_out'])}"] if slicing["left_out"] else []
        lines += ["", "; ".join(notes) + "."] if notes else []
    return "\n".join(["## Groups", *lines]) if lines else ""


def _inputs(training: Mapping[str, Any], signature: Signature) -> str:
    lines = [f"## Inputs: {len(signature.features)} features", ""]
    importance = training.get("importance", {})
    ranked = sorted(importance, key=lambda feature: (-importance[feature], feature))[:LISTED_FEATURES]
    lines += [f"- {feature}: {importance[feature]:.1%} of the gain" for feature in ranked]
    return "\n".join(lines) if ranked else lines[0]


def _origin(lineage: Lineage) -> str:
    lines = ["## Origin", ""]
    for table, read in sorted(lineage.snapshot.items()):
        lines.append(f"- table {table}, version {read.version}, digest {read.digest[:SHORT_DIGEST_CHARS]}")
    lines.append(f"- feature plan {lineage.plan_digest[:SHORT_DIGEST_CHARS]}")
    if lineage.features_digest is not None:
        lines.append(f"- features {lineage.features_digest[:SHORT_DIGEST_CHARS]}")
    lines.append(f"- code {lineage.code_commit or 'not committed'}")
    lines += [f"- {library} {version}" for library, version in sorted(lineage.libraries.items())]
    return "\n".join(lines)


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    interval = "" if figure["low"] is None else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure['value']:.3f}{interval}"
