"""When a model is trained again: a pure policy over a snapshot of what monitoring knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from headrace.core.errors import DefinitionError


class Trigger(Enum):
    """What asks for a retraining, the most urgent first."""

    QUALITY = "quality"
    DRIFT = "drift"
    NEW_LABELS = "new_labels"
    SCHEDULE = "schedule"


@dataclass(frozen=True)
class RetrainSnapshot:
    """What is known at the moment of the decision.

    Attributes:
        now: aware.
        input_digest: of the data a retraining would read.
        new_labels: labelled rows the champion was not trained on.
        last_run_at: when the last retraining began; None: never.
        last_input_digest: what the champion, or the last retraining if later, read; None: unknown.
        drifted_features: named by the last drift report whose whole window drifted; empty otherwise.
        quality_loss: drop of the metric against the champion's evaluation, beyond its interval; 0: none, None: no
            labels to tell.
        paused: a person stopped retraining.
    """

    now: datetime
    input_digest: str
    new_labels: int
    last_run_at: datetime | None = None
    last_input_digest: str | None = None
    drifted_features: tuple[str, ...] = ()
    quality_loss: float | None = None
    paused: bool = False


@dataclass(frozen=True)
class RetrainDecision:
    """What to do, and why in one sentence.

    Attributes:
        trigger: what asked for it; None when nothing did.
    """

    retrain: bool
    trigger: Trigger | None
    reason: str


@dataclass(frozen=True)
class RetrainPolicy:
    """When a retraining is worth its cost.

    Attributes:
        triggers: what may ask for one.
        cooldown: least time between two runs.
        min_new_labels: fewer new labels cannot change a model enough to matter.
        max_quality_loss: a larger loss of the metric asks for a retraining.
        many_new_labels: as many new labels ask for one by themselves.
        period: a champion whose last training is older asks for one.

    Raises:
        DefinitionError: a count or a time is negative.
    """

    triggers: frozenset[Trigger] = frozenset({Trigger.QUALITY, Trigger.DRIFT})
    cooldown: timedelta = timedelta(hours=24)
    min_new_labels: int = 1_000
    max_quality_loss: float = 0.02
    many_new_labels: int = 100_000
    period: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        zero = timedelta(0)
        if min(self.min_new_labels, self.many_new_labels) < 0 or min(self.cooldown, self.period) < zero:
            raise DefinitionError("a retraining policy's counts and times must not be negative")

    def decide(self, snapshot: RetrainSnapshot) -> RetrainDecision:
        """Decide; the same snapshot gives the same decision."""
        asked = self._asked(snapshot)
        if asked is None:
            return RetrainDecision(retrain=False, trigger=None, reason="nothing asks for a retraining")
        trigger, cause = asked
        veto = self._veto(snapshot)
        if veto is not None:
            return RetrainDecision(retrain=False, trigger=trigger, reason=f"{cause}, but {veto}")
        return RetrainDecision(retrain=True, trigger=trigger, reason=cause)

    def _asked(self, snapshot: RetrainSnapshot) -> tuple[Trigger, str] | None:
        loss, last = snapshot.quality_loss, snapshot.last_run_at
        causes = {
            Trigger.QUALITY: f"quality fell by {loss:.3f} (allowed {self.max_quality_loss:.3f})"
            if loss is not None and loss > self.max_quality_loss
            else None,
            Trigger.DRIFT: f"{_named(snapshot.drifted_features)} drifted" if snapshot.drifted_features else None,
            Trigger.NEW_LABELS: f"{snapshot.new_labels:,} new labels"
            if snapshot.new_labels >= self.many_new_labels
            else None,
            Trigger.SCHEDULE: f"the last training began {snapshot.now - last} ago"
            if last is not None and snapshot.now - last >= self.period
            else None,
        }
        return next(((trigger, cause) for trigger, cause in causes.items() if cause and trigger in self.triggers), None)

    def _veto(self, snapshot: RetrainSnapshot) -> str | None:
        last = snapshot.last_run_at
        if snapshot.paused:
            return "retraining is paused"
        if last is not None and snapshot.now - last < self.cooldown:
            return f"the last run began {snapshot.now - last} ago (cooldown {self.cooldown})"
        if snapshot.new_labels < self.min_new_labels:
            return f"there are {snapshot.new_labels:,} new labels (at least {self.min_new_labels:,})"
        if snapshot.input_digest == snapshot.last_input_digest:
            return "its input is what the last training read"
        return None


def _named(features: tuple[str, ...]) -> str:
    """The first feature, and how many more."""
    return features[0] if len(features) == 1 else f"{features[0]} and {len(features) - 1} more"
