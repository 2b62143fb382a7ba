"""Runs side by side: what differs between them, and which came out best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.training.runs.records import OBJECTIVE, SHORT_ID, MetricValue, RunRecord


@dataclass(frozen=True)
class Difference:
    """A named thing that is not the same in all runs.

    Attributes:
        name: of the thing.
        values: one a run, in the runs' order; None where a run does not have it.
    """

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: in the order they were named.
        metric: what they are ranked by; empty where they share no metric.
        higher_is_better: of that metric; None where it is not known, and nothing is ranked.
        parameters: those that differ, by name.
        same_parameters: how many are the same in all runs.
        metrics: every metric that any run has.
        data: tables whose version or content differs: `version 3 (1a2b3c4d)`.
        code: commits, where they differ; a run with uncommitted changes differs from every other one.
        environment: versions, machines and threads that differ.
    """

    runs: tuple[RunRecord, ...]
    metric: str
    higher_is_better: bool | None
    parameters: tuple[Difference, ...]
    same_parameters: int
    metrics: tuple[Difference, ...]
    data: tuple[Difference, ...]
    code: tuple[Difference, ...]
    environment: tuple[Difference, ...]

    def value(self, run: RunRecord) -> float | None:
        """A run's value of the metric they are ranked by."""
        found = run.metrics.get(self.metric)
        return found.value if found is not None else None

    @property
    def ranked(self) -> tuple[RunRecord, ...]:
        """Runs with a value, best first; as named where no direction is known. Those without one come last."""
        known = [run for run in self.runs if self.value(run) is not None]
        if self.higher_is_better is not None:
            known.sort(key=lambda run: self.value(run) or 0.0, reverse=self.higher_is_better)
        return (*known, *(run for run in self.runs if self.value(run) is None))

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        parts = ("parameters", "data", "code", "environment")
        return {
            "runs": [run.id for run in self.runs],
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "best": self.ranked[0].id if self.higher_is_better is not None and self.metric else None,
            "same_parameters": self.same_parameters,
            "metrics": {
                one.name: [_metric_json(value) if value is not None else None for value in one.values]
                for one in self.metrics
            },
            **{part: {one.name: list(one.values) for one in getattr(self, part)} for part in parts},
        }


def compare_runs(runs: Sequence[RunRecord], *, metric: str = "") -> Comparison:
    """Put runs side by side.

    Args:
        runs: two or more.
        metric: what to rank them by; empty: the one their `objective` tag names, else the first that most of them
            have.

    Raises:
        InvalidInputError: fewer than two runs, or no run has the metric.
    """
    if len(runs) < 2:
        raise InvalidInputError(f"{len(runs)} run cannot be compared", hint="name two, or one that has trials")
    names = list(dict.fromkeys(name for run in runs for name in run.metrics))
    if metric and metric not in names:
        known = ", ".join(names) or "none"
        raise InvalidInputError(f"no run has metric '{metric}'; known: {known}", hint=did_you_mean(metric, names))
    chosen = metric or _objective(runs, names)
    directions = {run.metrics[chosen].higher_is_better for run in runs if chosen in run.metrics} - {None}
    parameters = _differences(runs, lambda run: run.parameters)
    every = {name for run in runs for name in run.parameters}
    return Comparison(
        runs=tuple(runs),
        metric=chosen,
        higher_is_better=directions.pop() if len(directions) == 1 else None,
        parameters=parameters,
        same_parameters=len(every) - len(parameters),
        metrics=tuple(Difference(name, tuple(run.metrics.get(name) for run in runs)) for name in names),
        data=_differences(runs, _data, gaps=False),
        code=_differences(runs, _code, gaps=False),
        environment=_differences(runs, _environment, gaps=False),
    )


def _objective(runs: Sequence[RunRecord], names: Sequence[str]) -> str:
    """The metric that the runs say they were judged by, else the one most of them have, those with a direction first.

    A run that failed has neither, and decides nothing.
    """
    told = [run.tags[OBJECTIVE] for run in runs if run.tags.get(OBJECTIVE) in names]
    if told:
        return max(sorted(set(told)), key=told.count)
    having = {name: [run.metrics[name] for run in runs if name in run.metrics] for name in names}
    directed = {name: all(one.higher_is_better is not None for one in found) for name, found in having.items()}
    return max(names, key=lambda name: (directed[name], len(having[name])), default="")


def _differences(
    runs: Sequence[RunRecord], of: Callable[[RunRecord], Mapping[str, Any]], *, gaps: bool = True
) -> tuple[Difference, ...]:
    """Names whose values are not equal in all runs. 1 and 1.0 are equal, 1 and True are not.

    Args:
        runs: to compare.
        of: names and values of one.
        gaps: whether a run that does not have a name differs from those that do: one that failed early read no data.
    """
    known = [of(run) for run in runs]
    found = []
    for name in sorted({name for one in known for name in one}):
        values = tuple(one.get(name) for one in known)
        kinds = {_key(value) for value in values if gaps or value is not None}
        if len(kinds) > 1:
            found.append(Difference(name, values))
    return tuple(found)


def _key(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(value)


def _data(run: RunRecord) -> dict[str, str]:
    return {name: f"version {read.version} ({read.digest[:8]})" for name, read in run.snapshots.items()}


def _code(run: RunRecord) -> dict[str, str]:
    """Uncommitted changes make a state of the code that no other run has, but for the trials of one run."""
    code = run.start.code
    if code.commit is None:
        return {}
    owner = (run.start.parent or run.id)[:SHORT_ID]
    return {"commit": f"{code.commit[:12]} with uncommitted changes of {owner}" if code.is_dirty else code.commit[:12]}


def _environment(run: RunRecord) -> dict[str, Any]:
    known = dict(run.start.environment)
    return {**known.pop("libraries", {}), **known}


def _metric_json(metric: MetricValue) -> dict[str, Any]:
    return {name: value for name, value in asdict(metric).items() if name in {"value", "low", "high"}}
