"""Put the report together and write it."""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC
from typing import Any

from headrace.core.errors import HeadraceError, NotFoundError
from headrace.core.files import write_atomic
from headrace.core.hashing import digest_json
from headrace.pipeline.context import RunContext
from headrace.pipeline.fingerprint import describe, library_versions
from headrace.pipeline.report import RunReport, write_report
from headrace.pipeline.report.model import Command, Fact, StageRun
from headrace.pipeline.reporting import data, operations, quality, use
from headrace.pipeline.workspace import Workspace

DATA_FILE = "report.json"
LIBRARIES = ("headrace", "lightgbm", "numba", "numpy", "onnxruntime-gpu", "polars", "pyarrow", "grpcio")


def write_run_report(context: RunContext, *, failure: HeadraceError | None = None) -> RunReport:
    """Write `report.html`, and its data beside it; a run that failed shows how far it came."""
    report = build_report(context, failure=failure)
    write_atomic(context.workspace.home / DATA_FILE, report.to_json().encode())
    write_report(context.workspace.report, report)
    return report


def rewrite_report(workspace: Workspace) -> None:
    """Draw the last run's report again from its data.

    Raises:
        NotFoundError: no run was finished there.
    """
    write_report(workspace.report, RunReport.from_json(json.dumps(read_report(workspace))))


def read_report(workspace: Workspace) -> dict[str, Any]:
    """Data of the last run's report.

    Raises:
        NotFoundError: no run was finished there.
    """
    try:
        report: dict[str, Any] = json.loads((workspace.home / DATA_FILE).read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{workspace.home} holds no report", hint="run the project first: headrace run PROJECT"
        ) from error
    return report


def build_report(context: RunContext, *, failure: HeadraceError | None = None) -> RunReport:
    """Fill the report from the stages that have a record."""
    facts = {name: record.facts for name, record in context.records.items()}
    model = context.project.model
    package = facts.get("package", {})
    version = package.get("versions", {}).get("first")
    name = f"{model.name} {version}" if version else model.name
    stages = [
        StageRun(record.name, "run", record.seconds, record.outcome.headline, record.outcome.detail)
        for record in context.records.values()
    ]
    if failure is not None:
        stages.append(StageRun("stopped", "failed", 0.0, failure.message, failure.hint or ""))
    trained, judged = facts.get("train"), facts.get("evaluate")
    served, released, watched = facts.get("serve"), facts.get("release"), facts.get("monitor")
    return RunReport(
        project=context.project.name,
        model=name,
        question=context.project.question,
        digest=digest_json(describe(context.project)),
        positives=context.project.positives,
        finished_at=context.clock.now().astimezone(UTC).isoformat(timespec="seconds"),
        stages=tuple(stages),
        data=data.data_profile(facts["ingest"], facts.get("validate"), context.project.units)
        if "ingest" in facts
        else None,
        validation=data.checks(facts["validate"]) if "validate" in facts else (),
        evaluation=quality.evaluation(judged, name, _split_words(context)) if judged else None,
        importance=quality.importance(trained, context) if trained else (),
        ablation=quality.ablation(judged["ablation"], facts) if judged else None,
        learning_curve=quality.learning_curve(trained) if trained else None,
        gates=quality.gates(judged["gates"]) if judged else (),
        decisions=use.decisions(judged["evaluation"]) if judged else None,
        fairness=use.fairness(judged["evaluation"]) if judged else (),
        weak_slices=use.weak_slices(judged["evaluation"]) if judged else None,
        overconfident=use.weak_slices(judged["evaluation"], "overconfident_slices") if judged else None,
        effects=use.effects(judged) if judged else None,
        data_study=use.data_study(judged) if judged else None,
        robustness=use.robustness(judged["evaluation"]) if judged else None,
        folds=use.folds(trained) if trained else None,
        export=operations.export_check(package, facts["train"]) if package else None,
        served=operations.served_check(served, judged) if served and judged else None,
        service=operations.service(served) if served else None,
        release=operations.release(model.name, released) if released else None,
        drift=operations.drift(watched) if watched else None,
        performance=operations.performance(watched) if watched else (),
        retraining=operations.retraining(watched) if watched else None,
        lineage=operations.lineage(package, facts["validate"], model.name) if package else None,
        environment=_environment(context),
        reproduce=(
            Command(
                f"headrace run {context.folder.name} --home {context.workspace.home}",
                "run it again; what did not change is skipped",
            ),
            Command(f"headrace serve {model.name}@champion --home {context.workspace.home}", "serve the champion"),
            Command(f"headrace release status {model.name} --home {context.workspace.home}", "the release ledger"),
            Command(
                f"headrace monitor {model.name} --home {context.workspace.home}", "drift and quality, week by week"
            ),
        ),
    )


def _split_words(context: RunContext) -> str:
    split = context.project.model.split
    return f"from {split.valid} on" if split.test is None else f"{split.valid} to {split.test}"


def _environment(context: RunContext) -> tuple[Fact, ...]:
    versions = library_versions(tuple(name for name in LIBRARIES if _installed(name)))
    return (
        Fact("machine", f"{platform.machine()}, {context.settings.threads} threads"),
        Fact("system", platform.system()),
        Fact("python", ".".join(map(str, sys.version_info[:3]))),
        *(Fact(name, version) for name, version in versions.items()),
    )


def _installed(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
