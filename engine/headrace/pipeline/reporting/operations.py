"""The report's parts about the package, the server, the release and the watch."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.evaluation.measures import higher_is_better
from headrace.pipeline.packing import MAX_ABS_DIFF
from headrace.pipeline.report.model import (
    CanaryShare,
    Drift,
    DriftPeriod,
    DriftSeries,
    Estimate,
    ExportCheck,
    Fact,
    Histogram,
    Lineage,
    Measure,
    PackageFile,
    PerformancePeriod,
    Release,
    ReleaseEvent,
    Retraining,
    ServedCheck,
    Service,
)

DRIFT_FEATURES = 14
LATENCY_BINS = 40


def export_check(package: dict[str, Any], trained: dict[str, Any]) -> ExportCheck:
    """The exported graph against LightGBM."""
    return ExportCheck(
        rows=package["rows_verified"],
        trees=trained["trees"],
        leaf_mismatches=package["leaf_mismatches"],
        max_abs_diff=package["max_abs_diff_export"],
    )


def served_check(served: dict[str, Any], judged: dict[str, Any]) -> ServedCheck:
    """The server's answers against the offline scores."""
    return ServedCheck(
        rows=served["rows"],
        max_abs_diff=served["max_abs_diff_served"],
        figure_offline=judged["figure_test"],
        figure_served=served["figure_served"],
        tolerance=MAX_ABS_DIFF,
        measure=Measure(judged["metric"], judged["higher_is_better"]),
    )


def service(served: dict[str, Any]) -> Service:
    """Latency of one row a request, one request at a time; bins of equal ratio, because a tail is long."""
    latencies = np.array(served["latencies_ms"])
    edges = np.geomspace(float(latencies.min()), float(latencies.max()), LATENCY_BINS + 1)
    edges[0], edges[-1] = latencies.min(), latencies.max()  # what rounding moved
    counts, _ = np.histogram(latencies, edges)
    return Service(
        requests=len(latencies),
        rows=len(latencies),
        p50_ms=served["p50_ms"],
        p99_ms=served["p99_ms"],
        latency_ms=Histogram(tuple(edges.tolist()), tuple(counts.tolist())),
        device=served["device"],
        fallback=served["device_reason"],
        ready_s=served["ready_s"],
        rows_per_s=served["rows_per_s"],
    )


def release(model: str, released: dict[str, Any]) -> Release:
    """The ledger's events of this run with the state after each."""
    low, high = released["canary_interval"]
    return Release(
        model=model,
        events=tuple(
            ReleaseEvent(
                at=event["at"],
                event=event["kind"],
                champion=event["champion"],
                candidate=event["candidate"],
                candidate_share=event["candidate_share"],
                actor=event["actor"],
                reason=event["reason"],
            )
            for event in released["timeline"]
        ),
        canary=CanaryShare(
            released["planned_share"], Estimate(released["canary_share"], low, high), released["requests"]
        ),
    )


def drift(watched: dict[str, Any]) -> Drift:
    """Windows against features: the most important ones, and any that ever drifted."""
    windows = watched["windows"]
    rehearsal = watched["rehearsal"]
    periods = [*windows, rehearsal] if rehearsal else windows
    names = _worth_showing(periods, watched["importance"])
    return Drift(
        periods=tuple(
            DriftPeriod(
                label=period["label"],
                rows=period["rows"],
                verdict={"stable": "quiet", "drifted": "drift"}.get(period["verdict"], "insufficient"),  # type: ignore[arg-type]
                injected=period is rehearsal,
            )
            for period in periods
        ),
        series=tuple(
            DriftSeries(
                name,
                tuple(period["excess"].get(name) for period in periods),
                watched["importance"].get(name, 0.0),
            )
            for name in names
        ),
        judged_features=watched["judged_features"],
        injected_feature=rehearsal["feature"] if rehearsal else "",
        injected_change=rehearsal["words"] if rehearsal else "",
        found=watched["drift_found"],
        false_alarms=watched["false_alarms"],
    )


def performance(watched: dict[str, Any]) -> tuple[PerformancePeriod, ...]:
    """Quality of each window once its labels had arrived."""
    return tuple(
        PerformancePeriod(
            window["label"],
            window["rows"],
            window["labelled"],
            Estimate(window["figure"], window["low"], window["high"]) if window["figure"] is not None else None,
        )
        for window in watched["windows"]
    )


def retraining(watched: dict[str, Any]) -> Retraining | None:
    """What the policy decided and what came of it."""
    found = watched["retraining"]
    if not found:
        return None
    estimates = {
        name: Estimate(*found[name]) if found.get(name) else None
        for name in ("champion_figure", "candidate_figure", "difference")
    }
    return Retraining(
        outcome=found["outcome"],
        trigger=found["trigger"],
        reason=found["reason"],
        new_labels=found["new_labels"],
        champion=found.get("champion", ""),
        candidate=found.get("candidate", ""),
        gates_passed=found.get("gates_passed"),
        gates_total=found.get("gates_total"),
        measure=Measure(found["metric"], bool(higher_is_better(found["metric"]))) if "metric" in found else Measure(),
        **estimates,
    )


def lineage(package: dict[str, Any], validated: dict[str, Any], model: str) -> Lineage:
    """The package and what it was made from."""
    return Lineage(
        package_digest=package["digest"],
        version=f"{model} {package['versions']['first']}",
        alias="champion",
        size_bytes=package["size_bytes"],
        files=tuple(PackageFile(file["name"], file["digest"], file["size_bytes"]) for file in package["files"]),
        facts=tuple(
            Fact(f"table {name}", f"version {used['version']}, digest {used['digest'][:8]}, {used['rows']:,} rows")
            for name, used in validated["tables"].items()
        ),
    )


def _worth_showing(periods: list[dict[str, Any]], importance: dict[str, float]) -> list[str]:
    drifted = [name for period in periods for name in period["drifted"]]
    ranked = sorted(importance, key=lambda name: -importance[name])
    return list(dict.fromkeys([*drifted, *ranked]))[:DRIFT_FEATURES]
