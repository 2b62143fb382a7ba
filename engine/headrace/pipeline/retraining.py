"""One retraining: the recipe on later months, the same gates, the same exact export, a challenger in the registry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from headrace.core.hashing import digest_json
from headrace.evaluation import compare
from headrace.evaluation.known_gates import CHAMPION, need_champion
from headrace.monitoring import RetrainDecision, RetrainSnapshot
from headrace.packaging import AliasMove
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset
from headrace.pipeline.examining import Rivals
from headrace.pipeline.judging import judge_model, test_rows
from headrace.pipeline.packing import PackingJob, pack_model, reference_features
from headrace.pipeline.stages.train import FULL
from headrace.rollout import Ledger
from headrace.training import TimeSplit, calibrated, train
from headrace.training.storage import load_trained

CHALLENGER = "challenger"
ACTOR = "retraining policy"


def decide(context: RunContext, dataset: Dataset, drifted: tuple[str, ...]) -> tuple[RetrainDecision, int]:
    """Ask the project's policy; the decision and how many labels the champion was not trained on."""
    model = context.project.model
    new_labels = int((dataset.labelled & (dataset.times >= model.split.valid_end_us)).sum())
    snapshot = RetrainSnapshot(
        now=context.clock.now(),
        input_digest=_input_digest(context, later_split(model.split, dataset)),
        new_labels=new_labels,
        last_input_digest=_input_digest(context, model.split),
        drifted_features=drifted,
    )
    return context.project.monitoring.retrain.decide(snapshot), new_labels


def retrain(context: RunContext, dataset: Dataset, decision: RetrainDecision, new_labels: int) -> dict[str, Any]:
    """Train, judge, and register a challenger where every gate passes.

    Returns:
        JSON data for the report: what was trained, how it compares with the champion on the same rows, what came of it.
    """
    model = context.project.model
    split = later_split(model.split, dataset)
    data = dataset.training_data(split)
    trained = train(data, model.settings(threads=context.settings.threads), progress=context.progress)
    trained = calibrated(trained, data, model.calibration)
    champion = load_trained(context.workspace.models / FULL)
    rival = champion.predict(test_rows(dataset, dataset.masks(split), champion.names))
    rivals = Rivals({CHAMPION: rival}) if need_champion(model.gates) else None
    judgement = judge_model(dataset, model, split, trained, rivals=rivals)
    chosen = judgement.evaluation.examined.threshold
    compared = compare(judgement.sample, rival, threshold=chosen.threshold if chosen else None)
    verdicts, metric = judgement.gates.verdicts, model.question.leading
    found: dict[str, Any] = {
        "outcome": "rejected",
        "trigger": decision.trigger.value if decision.trigger else "",
        "reason": decision.reason,
        "new_labels": new_labels,
        "split": split.to_json(),
        "champion": f"{model.name} {context.records['package'].facts['versions']['first']}",
        "metric": metric,
        "champion_figure": _ends(compared.champion[metric]),
        "candidate": "the retrained model",
        "candidate_figure": _ends(compared.challenger[metric]),
        "difference": _ends(compared.improvement[metric]),
        "comparison": compared.to_json(),
        "gates_passed": sum(verdict.passed for verdict in verdicts),
        "gates_total": len(verdicts),
    }
    if judgement.gates.passed:
        document = {
            **judgement.evaluation.to_json(),
            "gates": judgement.gates.to_json(),
            "training": trained.to_json(),
        }
        packed = pack_model(context, PackingJob(dataset, split, trained, document, reference_features(dataset, split)))
        _name_challenger(context, packed.version.version, decision.reason)
        found |= {
            "outcome": "retrained",
            "candidate": f"{model.name} {packed.version.version}",
            "version": packed.version.version,
            "digest": packed.version.digest,
            "leaf_mismatches": packed.export.leaf_mismatches,
        }
    return found


def later_split(split: TimeSplit, dataset: Dataset) -> TimeSplit:
    """The split moved on: training ends where validation ended, validation half-way from there to the last label."""
    end = split.valid_end_us
    last = int(dataset.times[dataset.labelled].max())
    middle = datetime.fromtimestamp((end + last) / 2e6, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return replace(split, train=split.valid, valid=middle.isoformat())


def _input_digest(context: RunContext, split: TimeSplit) -> str:
    tables = {name: used["digest"] for name, used in context.records["validate"].facts["tables"].items()}
    return digest_json(
        {"tables": tables, "plan": context.records["features"].facts["plan_digest"], "split": split.to_json()}
    )


def _name_challenger(context: RunContext, version: int, reason: str) -> None:
    name = context.project.model.name
    with Ledger(context.database).transaction() as transaction:
        move = AliasMove(name, CHALLENGER, version, actor=ACTOR, reason=reason, at=context.clock.now())
        context.registry.set_alias(transaction, move)


def _ends(figure: Any) -> list[float]:
    return [figure.value, figure.low, figure.high]
