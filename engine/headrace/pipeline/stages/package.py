"""Stage six: both versions packaged and registered, the first one champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from headrace.core.errors import FailedCheckError
from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.monitoring import Baseline
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
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
        """The model's name and question, which the model card carries, and where models are kept."""
        named = {"model": context.project.model.name, "question": context.project.question}
        return named | context.workspace.model_places

    def outputs(self, context: RunContext) -> list[Path]:
        """The registry's index and store."""
        return context.workspace.model_files

    def run(self, context: RunContext) -> StageOutcome:
        """Package and register both versions; the first becomes champion.

        Raises:
            FailedCheckError: a gate failed.
        """
        judged = context.records["evaluate"].facts
        for part, gates in (("the model", judged["gates"]), ("the refit model", judged["refit"]["gates"])):
            _require(part, gates)
        model = context.project.model
        dataset = load_dataset(context)
        with context.progress.step("reference statistics"):
            reference = reference_features(dataset, model.split)
        first = _pack(context, dataset, FULL, judged, reference)
        second = _pack(context, dataset, REFIT, judged["refit"], reference)
        desk = desk_over(context.registry, actor=ACTOR, clock=context.clock)
        state = desk.ledger.state(model.name)
        if state.status is not ReleaseStatus.UNRELEASED and state.candidate is not None:
            desk.abort(model.name, reason="a new run begins")
        if state.champion != first.version.version:
            desk.adopt(model.name, first.version.version, reason="passed its gates")
        return StageOutcome(
            headline=(
                f"{first.version.name} {first.version.version} · {first.version.digest[:SHORT_DIGEST_CHARS]} · "
                f"{first.size_bytes / 1e6:.1f} MB · exact: {first.export.leaf_mismatches} leaf mismatches"
            ),
            detail=f"registered, alias champion · version {second.version.version} ready to release",
            facts={
                "versions": {"first": first.version.version, "second": second.version.version},
                "digest": first.version.digest,
                "digests": {str(packed.version.version): packed.version.digest for packed in (first, second)},
                "size_bytes": first.size_bytes,
                "files": first.files,
                "rows_verified": first.export.rows,
                "leaf_mismatches": first.export.leaf_mismatches + second.export.leaf_mismatches,
                "max_abs_diff_export": max(first.export.max_abs_diff, second.export.max_abs_diff),
            },
        )


def _pack(context: RunContext, dataset: Dataset, part: str, judged: dict[str, Any], reference: Baseline) -> Packed:
    trained = load_trained(context.workspace.models / part)
    document = {**judged["evaluation"], "gates": judged["gates"], "training": trained.to_json()}
    return pack_model(context, PackingJob(dataset, context.project.model.split, trained, document, reference))


def _require(part: str, gates: dict[str, Any]) -> None:
    failed = [verdict for verdict in gates["verdicts"] if not verdict["passed"]]
    if failed:
        raise FailedCheckError(
            f"{part} is not packaged, {len(failed)} of {len(gates['verdicts'])} gates failed: "
            + "; ".join(f"'{verdict['name']}': {verdict['reason']}" for verdict in failed),
            hint="improve the model, or change the gate in the project file where it asks for too much",
        )
