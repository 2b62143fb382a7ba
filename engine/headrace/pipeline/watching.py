"""What was served, window by window: drift against the package's references, quality once labels arrived."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.errors import NotFoundError
from headrace.core.hashing import finite_or_none
from headrace.core.progress import Progress
from headrace.monitoring import (
    Baseline,
    DriftReport,
    Verdict,
    feature_matrix,
    join_labels,
    judge_drift,
    read_predictions,
    score_matrix,
)
from headrace.packaging.package import BASELINE_FILE
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
from headrace.pipeline.served import Quality, Served, judge_quality
from headrace.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class WatchedWindow:
    """One window of predictions.

    Attributes:
        label: its first day, for pictures and tables.
        start: ISO 8601, UTC.
        rows: predictions.
        verdict: `stable`, `drifted` or `insufficient`.
        reason: why, in a sentence.
        drifted: features that drifted, furthest beyond its limit first.
        excess: feature -> its largest statistic over that statistic's limit; above 1 it drifts where significant.
        labelled: predictions whose label is known.
        figure: of the metric that leads, with the ends of its 95 % interval; None where labels cannot say.
        low: lower end.
        high: upper end.
    """

    label: str
    start: str
    rows: int
    verdict: str
    reason: str
    drifted: tuple[str, ...]
    excess: dict[str, float | None]
    labelled: int = 0
    figure: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def worst_feature(self) -> str | None:
        """The feature furthest beyond its limit among those that drifted."""
        return self.drifted[0] if self.drifted else None


@dataclass(frozen=True)
class Watched:
    """A model's predictions, judged.

    Attributes:
        model: its name.
        version: whose predictions.
        windows: in order of time.
        judged_features: how many features are judged in a window.
        metric: what each window's figure is.
    """

    model: str
    version: int
    windows: tuple[WatchedWindow, ...]
    judged_features: int
    metric: str = "auc"

    @property
    def headline(self) -> str:
        """One sentence."""
        drifting = sum(window.verdict == Verdict.DRIFTED.value for window in self.windows)
        return f"{self.model} {self.version}: {len(self.windows)} windows, {drifting} with drift"

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return asdict(self)


def watch_model(workspace: Workspace, model: str, *, progress: Progress) -> Watched:
    """Judge what the last run's server logged for a model's champion.

    Raises:
        NotFoundError: no such model, or nothing was logged.
    """
    from headrace.pipeline.running import reopen

    context = reopen(workspace, progress=progress)
    try:
        if model != context.project.model.name:
            raise NotFoundError(
                f"the project in {workspace.home} has model '{context.project.model.name}', not '{model}'"
            )
        if "serve" not in context.records:
            raise NotFoundError(f"nothing was served from {workspace.home} yet", hint="run the project first")
        with progress.step(f"watch {model}"):
            version = context.registry.resolve(f"{model}@champion").version
            return judge_served(context, read_served(context, load_dataset(context), version), version)
    finally:
        context.close()


def read_served(context: RunContext, dataset: Dataset, version: int, *, prefix: str = "") -> Served:
    """Read the prediction log and join rows, times and labels.

    Args:
        context: the run whose server logged.
        dataset: spine rows, their times and labels.
        version: whose predictions.
        prefix: read predictions whose id starts with it, and take it off; others are left out.

    Raises:
        NotFoundError: no such predictions.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    folder = context.workspace.predictions / context.records["serve"].facts["prediction_log"]
    table = read_predictions(folder, context.project.model.name, version=version)
    if prefix:
        table = table.filter(pc.starts_with(table["prediction_id"], prefix))
        bare = pc.utf8_slice_codeunits(table["prediction_id"], len(prefix))
        table = table.set_column(table.column_names.index("prediction_id"), "prediction_id", bare)
    place = pc.index_in(table["prediction_id"], value_set=pa.array(dataset.ids.tolist(), pa.string()))
    table = table.append_column("place", place).filter(pc.is_valid(place))
    if not table.num_rows:
        raise NotFoundError(f"the prediction log in {folder} holds no predictions of version {version}")
    return _join(table, dataset)


def judge_served(context: RunContext, served: Served, version: int) -> Watched:
    """Judge consecutive windows from the first prediction's time on."""
    name = context.project.model.name
    baseline = load_baseline(context, name, version)
    window = timedelta(days=context.project.monitoring.window_days)
    start = datetime.fromtimestamp(int(served.times.min()) / 1e6, UTC).replace(minute=0, second=0, microsecond=0)
    question = context.project.model.question
    last = datetime.fromtimestamp(int(served.times.max()) / 1e6, UTC)
    windows = []
    while start <= last:
        part = served.between(start, start + window)
        judged = judge_window(context, baseline, part, min(window, last - start))
        windows.append(describe_window(judged, start, judge_quality(question, part)))
        start += window
    judged_features = sum(feature.role != "calendar" for feature in baseline.features)
    return Watched(name, version, tuple(windows), judged_features, question.leading)


def load_baseline(context: RunContext, model: str, version: int) -> Baseline:
    """Reference statistics out of a version's package."""
    return Baseline.from_json(context.registry.load(f"{model}@{version}").document(BASELINE_FILE))


def judge_window(context: RunContext, baseline: Baseline, served: Served, span: timedelta) -> DriftReport:
    """Drift of one window; the score is judged beside the features."""
    settings = context.project.monitoring.drift
    return judge_drift(baseline, np.column_stack([served.features, served.scores]), span=span, settings=settings)


def describe_window(judged: DriftReport, start: datetime, quality: Quality | None = None) -> WatchedWindow:
    """A window as facts."""
    quality = quality or Quality()
    return WatchedWindow(
        label=f"{start.day} {start:%b}",
        start=start.isoformat(),
        rows=judged.rows,
        verdict=judged.verdict.value,
        reason=judged.reason,
        drifted=tuple(feature.name for feature in judged.drifted),
        excess={
            feature.name: finite_or_none(feature.excess)
            for feature in judged.features
            if feature.verdict is not Verdict.NOT_JUDGED
        },
        labelled=quality.labelled,
        figure=quality.figure,
        low=quality.low,
        high=quality.high,
    )


def _join(table: pa.Table, dataset: Dataset) -> Served:
    import pyarrow.compute as pc

    known = dataset.known_at[dataset.labelled]
    as_of = datetime.fromtimestamp(int(known.max()) / 1e6, UTC) + timedelta(seconds=1)
    joined = join_labels(table, dataset.outcomes(), as_of=as_of)
    places = joined["place"].to_numpy()
    scores = score_matrix(joined)
    labels = pc.cast(joined["label"], "float64").to_numpy(zero_copy_only=False)
    return Served(
        times=dataset.times[places],
        features=feature_matrix(joined),
        scores=scores[:, 0] if scores.shape[1] == 1 else scores,
        labels=np.asarray(labels, np.float64),
        queries=dataset.queries[places] if dataset.queries is not None else None,
    )
