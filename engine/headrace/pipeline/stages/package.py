"""Stage six: both versions packaged and registered, the first one champion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.monitoring import Baseline
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
from headrace.pipeline.overriding import Override, failed_gates, person, require_gates
from headrace.pipeline.packing import Packed, PackingJob, pack_model, reference_features
from headrace.pipeline.releasing import desk_over
from headrace.pipeline.stage import StageOutcome
from headrace.pipeline.stages.train import FULL, REFIT
from headrace.rollout import ReleaseStatus
from headrace.training.storage import load_trained

ACTOR = "headrace run"


class PackageStage:
    """Registers what passed the gates; a failed gate ends the run here."""

    name: ClassVar[str] = "package"
    after: ClassVar[tuple[str, ...]] = ("evaluate",)
    code: ClassVar[tuple[str, ...]] = ("core", "packaging", "monitoring", "rollout")

    def inputs(self, context: RunContext) -> Any:
        """The model's name and question, why failed gates are set aside, and where models are kept."""
        judged = context.records["evaluate"].facts
        failed = failed_gates(judged["gates"]) + failed_gates(judged["refit"]["gates"])
        return {
            "model": context.project.model.name,
            "question": context.project.question,
            **({} if context.project.model.cuda_graph else {"cuda_graph": False}),
            **({"override": context.override} if failed else {}),
            **context.workspace.model_places,
        }

    def outputs(self, context: RunContext) -> list[Path]:
        """The registry's index and store."""
        return context.workspace.model_files

    def run(self, context: RunContext) -> StageOutcome:
        """Package and register both versions; the first becomes champion.

        Raises:
            FailedCheckError: a gate failed, and no override was given.
        """
        judged = context.records["evaluate"].facts
        set_aside = require_gates("the model", judged["gates"], context.override)
        set_aside_again = require_gates("the refit model", judged["refit"]["gates"], context.override)
        model = context.project.model
        dataset = load_dataset(context)
        with context.progress.step("reference statistics"):
            reference = reference_features(dataset, model.split)
        first = _pack(context, dataset, FULL, _document(judged, set_aside), reference)
        second = _pack(context, dataset, REFIT, _document(judged["refit"], set_aside_again), reference)
        actor = f"{person()}, {ACTOR} --override" if set_aside else ACTOR
        desk = desk_over(context.registry, actor=actor, clock=context.clock)
        state = desk.ledger.state(model.name)
        if state.status is not ReleaseStatus.UNRELEASED and state.candidate is not None:
            desk.abort(model.name, reason="a new run begins")
        if state.champion != first.version.version:
            desk.adopt(model.name, first.version.version, reason=set_aside.words if set_aside else "passed its gates")
        return StageOutcome(
            headline=(
                f"{first.version.name} {first.version.version} · {first.version.digest[:SHORT_DIGEST_CHARS]} · "
                f"{first.size_bytes / 1e6:.1f} MB · exact: {first.export.leaf_mismatches} leaf mismatches"
            ),
            detail=f"registered, alias champion · version {second.version.version} ready to release"
            + (" · gates OVERRIDDEN" if set_aside or set_aside_again else ""),
            facts={
                "versions": {"first": first.version.version, "second": second.version.version},
                "overrides": _overrides(context, ((first, set_aside), (second, set_aside_again))),
                "digest": first.version.digest,
                "digests": {str(packed.version.version): packed.version.digest for packed in (first, second)},
                "size_bytes": first.size_bytes,
                "files": first.files,
                "cuda_graph": first.cuda_graph,
                "rows_verified": first.export.rows,
                "leaf_mismatches": first.export.leaf_mismatches + second.export.leaf_mismatches,
                "max_abs_diff_export": max(first.export.max_abs_diff, second.export.max_abs_diff),
            },
        )


def _pack(context: RunContext, dataset: Dataset, part: str, judged: dict[str, Any], reference: Baseline) -> Packed:
    trained = load_trained(context.workspace.models / part)
    document = {**judged, "training": trained.to_json()}
    return pack_model(context, PackingJob(dataset, context.project.model.split, trained, document, reference))


def _document(judged: dict[str, Any], override: Override | None) -> dict[str, Any]:
    """The package's evaluation document, with the gates and what was overridden."""
    document = {**judged["evaluation"], "gates": judged["gates"]}
    return document | ({"override": override.to_json()} if override else {})


def _overrides(context: RunContext, packed: Sequence[tuple[Packed, Override | None]]) -> list[dict[str, Any]]:
    """Who set gates aside, when, why and which, for the run's summary."""
    return [
        {"version": one.version.version, "by": person(), "at": context.clock.now().isoformat(), **override.to_json()}
        for one, override in packed
        if override is not None
    ]
