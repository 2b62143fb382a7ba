"""A run report as the flights demo would fill it: plausible numbers, seeded, every section present."""

from __future__ import annotations

import numpy as np

from headrace.pipeline.report import model as m

ROWS, POSITIVES = 54_120, 12_706


def full() -> m.RunReport:
    """Give the report of a run in which everything went well."""
    scores, labels = _scored(0.80)
    naive, _ = _scored(0.18)
    return m.RunReport(
        project="examples/flights",
        model="late 1",
        question="Will this flight arrive more than 15 minutes late, asked two hours before its scheduled departure?",
        digest="4f1c9a2e" * 8,
        positives="late flights",
        finished_at="2026-11-03T09:41:27Z",
        stages=_stages(),
        data=_data(),
        validation=_checks(),
        evaluation=m.Evaluation(
            split="November and December 2013",
            rows=ROWS,
            positives=POSITIVES,
            model=_scorer("late 1", m.Estimate(0.774, 0.771, 0.777), m.Estimate(0.012, 0.009, 0.016), scores, labels),
            naive=_scorer("late share of the hour", m.Estimate(0.612, 0.607, 0.616), None, naive, labels),
            slices=_slices(),
        ),
        importance=_importance(),
        ablation=m.Ablation(
            full=m.AblationArm("all features", m.Estimate(0.774, 0.771, 0.777), 87),
            without_windows=m.AblationArm("without windows", m.Estimate(0.689, 0.685, 0.693), 23),
            difference=m.Estimate(0.085, 0.081, 0.089),
        ),
        learning_curve=_curve(),
        gates=_gates(),
        decisions=_decisions(),
        fairness=(_fairness(),),
        weak_slices=m.WeakSlices(
            "log loss",
            (
                m.WeakSlice("origin = EWR and distance > 2,100", 2_410, 0.09, m.Estimate(0.151, 0.112, 0.19)),
                m.WeakSlice("visib <= 2", 1_204, 0.04, m.Estimate(0.082, 0.02, 0.144)),
            ),
            judged=14,
            rows=27_060,
        ),
        robustness=m.Robustness(
            0.774,
            20_000,
            (
                m.Damage("windows and states 6h late", "delay", m.Estimate(0.132, 0.111, 0.155)),
                m.Damage("origin_arr_delay_mean_1h missing everywhere", "dropped", m.Estimate(0.0013, -0.0002, 0.0029)),
            ),
        ),
        overconfident=m.WeakSlices(
            "log loss", (m.WeakSlice("visib <= 2", 1_204, 0.04, m.Estimate(0.02, 0.01, 0.03)),), judged=9, rows=27_060
        ),
        effects=m.Effects(
            20_000,
            (
                m.Effect("origin_arr_delay_mean_1h", 0.31, 0.92),
                m.Effect("visib", 0.12, -0.7),
                m.Effect("hour", 0.05, 0.1),
                m.Effect("distance", 0.01),
            ),
        ),
        data_study=_data_study(),
        folds=m.Folds((0.751, 0.762, 0.748, 0.771), (90_000, 118_000, 145_000, 172_000)),
        export=m.ExportCheck(rows=54_120, trees=214, leaf_mismatches=0, max_abs_diff=0.0),
        served=m.ServedCheck(rows=54_120, max_abs_diff=5.96e-8, figure_offline=0.774211, figure_served=0.774211),
        service=_service(),
        release=_release(),
        drift=_drift(),
        performance=_performance(),
        retraining=m.Retraining(
            outcome="retrained",
            trigger="drift in origin_arr_delay_mean_3h",
            reason="an important feature drifted and 46,310 new labels had arrived",
            new_labels=46_310,
            champion="late 1",
            champion_figure=m.Estimate(0.7688, 0.7612, 0.7763),
            candidate="late 3",
            candidate_figure=m.Estimate(0.7731, 0.7657, 0.7804),
            difference=m.Estimate(0.0043, 0.0011, 0.0075),
            gates_passed=6,
            gates_total=6,
        ),
        lineage=_lineage(),
        environment=_environment(),
        reproduce=(
            m.Command("make demo", "install, run the flights example end to end, write this file"),
            m.Command(
                "headrace run examples/flights", "the same in an environment that has it; skips what did not change"
            ),
            m.Command("headrace predict late@champion --rows flights.csv", "score rows through the running server"),
            m.Command("headrace report --home build/demo", "draw this page again from the stored run"),
        ),
    )


def _data_study() -> m.DataStudy:
    nothing = m.Estimate(0.0, 0.0, 0.0)
    curve = ((0.1, 0.741), (0.2, 0.752), (0.4, 0.762), (0.7, 0.769), (1.0, 0.774))
    months = (("2013-01", 0.002), ("2013-02", -0.004), ("2013-03", 0.0005))
    return m.DataStudy(
        tuple(m.DataPart(f"{share:.0%}", round(share * 217_000), value, nothing) for share, value in curve),
        tuple(
            m.DataPart(name, 27_000, 0.774 - lost, m.Estimate(lost, lost - 0.003, lost + 0.003))
            for name, lost in months
        ),
        ("half as many rows again would bring +0.002 [0.001, 0.003]", "the model is better without 2013-02"),
    )


def _decisions() -> m.Decisions:
    thresholds = np.linspace(0.95, 0.05, 40)
    curve = tuple((float(at), float(0.1 - (at - 0.25) ** 2)) for at in thresholds)
    figures = (
        ("precision", m.Estimate(0.426, 0.363, 0.487)),
        ("recall", m.Estimate(0.623, 0.547, 0.686)),
        ("selection_rate", m.Estimate(0.384, 0.317, 0.453)),
        ("profit", m.Estimate(0.097, 0.081, 0.113)),
    )
    rule = "Chosen for the highest profit: a hit brings 2, a false alarm costs 1, a miss costs 0"
    return m.Decisions(0.253, rule, "profit", curve, figures)


def _fairness() -> m.Fairness:
    groups = tuple(
        m.GroupRate(name, rows, m.Estimate(rate, rate - 0.03, rate + 0.03))
        for name, rows, rate in (("UA", 9_000, 0.35), ("EV", 8_000, 0.41), ("9E", 2_000, 0.31))
    )
    return m.Fairness("carrier", groups, m.Estimate(0.756, 0.68, 0.84), "open", ("OO",))


def _stages() -> tuple[m.StageRun, ...]:
    lines = (
        ("ingest", 1.9, "336,776 flights \u00b7 26,115 weather \u00b7 3,322 planes", "3 tables, version 0"),
        (
            "validate",
            0.6,
            "41 checks: 39 passed, 2 warned \u00b7 0 rows quarantined",
            "8,255 cancelled flights have no delay",
        ),
        ("features", 1.4, "336,776 x 87, point-in-time, 12 windows shared", "cpu, 2 threads"),
        ("train", 9.8, "LightGBM, 214 trees, early stop", "valid AUC 0.771"),
        ("evaluate", 2.1, "test AUC 0.774 [0.771, 0.777] \u00b7 without windows 0.689", "6 of 6 gates passed"),
        (
            "package",
            0.7,
            "late 1 \u00b7 4f1c9a2e \u00b7 1.3 MB \u00b7 exact: 0 leaf mismatches",
            "registered, alias champion",
        ),
        ("serve", 2.4, "127.0.0.1:8001 ready in 0.9 s \u00b7 cpu (no CUDA: driver not found)", ""),
        ("release", 3.1, "canary 10 % \u00b7 promoted \u00b7 rolled back", "5 events in the ledger"),
        ("monitor", 6.3, "54,120 answers checked against offline: all equal", "p50 0.41 ms, p99 1.2 ms"),
    )
    return tuple(m.StageRun(name, "run", seconds, headline, detail) for name, seconds, headline, detail in lines)


def _data() -> m.DataProfile:
    random = np.random.default_rng(1)
    rows = 336_776
    late = np.clip(random.gumbel(-6, 16, 60_000) + random.exponential(9, 60_000) - 4, -86, 330)
    hours = random.choice(24, 60_000, p=_hours())
    columns = (
        _numeric("flights", "arr_delay", late, nulls=9_430, unit="minutes"),
        _numeric("flights", "dep_delay", np.clip(late * 0.9 + random.normal(0, 8, 60_000), -43, 330), 8_255, "minutes"),
        _numeric("flights", "distance", random.choice([229, 502, 733, 1089, 1400, 2475, 2586], 60_000), 0, "miles"),
        _numeric("flights", "sched_dep_hour", hours, 0, "h"),
        _top(
            "flights",
            "carrier",
            (("UA", 58_665), ("B6", 54_635), ("EV", 54_173), ("DL", 48_110), ("AA", 32_729)),
            16,
            0,
        ),
        _top("flights", "origin", (("EWR", 120_835), ("JFK", 111_279), ("LGA", 104_662)), 3, 0),
        _top("flights", "tailnum", (("N725MQ", 575), ("N722MQ", 513), ("N723MQ", 507)), 4_043, 2_512),
        _numeric("weather", "temp", random.normal(55, 18, 26_115), 1, "\u00b0F"),
        _numeric("weather", "wind_speed", random.gamma(4, 2.6, 26_115), 4, "mph"),
        _numeric("weather", "visib", np.minimum(10, random.gamma(9, 1.5, 26_115)), 0, "miles"),
        _numeric("weather", "precip", random.exponential(0.02, 26_115), 0, "inches"),
        _numeric("planes", "year", np.clip(2013 - random.gamma(2.4, 5.2, 3_322), 1956, 2013), 70),
    )
    tables = (
        m.TableSummary("flights", 0, "9b1f03aa" * 8, rows, 0, "flights.csv"),
        m.TableSummary("weather", 0, "77a0c1d2" * 8, 26_115, 0, "weather.csv"),
        m.TableSummary("planes", 0, "0dd41f7e" * 8, 3_322, 0, "planes.csv"),
    )
    return m.DataProfile(tables, columns)


def _hours() -> np.ndarray:
    weight = np.array([0, 0, 0, 0, 0, 2, 7, 7, 8, 6, 5, 5, 5, 6, 7, 7, 7, 8, 7, 7, 6, 4, 1, 0.5])
    return weight / weight.sum()


def _numeric(table: str, name: str, values: np.ndarray, nulls: int = 0, unit: str = "") -> m.ColumnProfile:
    counts, edges = np.histogram(values, bins=30)
    rows = {"flights": 336_776, "weather": 26_115, "planes": 3_322}[table]
    ends = float(values.min()), float(values.mean()), float(values.max())
    histogram = _histogram(counts, edges)
    return m.ColumnProfile(
        table, name, "float64", rows, nulls, unit, histogram, minimum=ends[0], mean=ends[1], maximum=ends[2]
    )


def _top(table: str, name: str, top: tuple[tuple[str, int], ...], distinct: int, nulls: int) -> m.ColumnProfile:
    counted = tuple(m.CategoryCount(value, rows) for value, rows in top)
    return m.ColumnProfile(table, name, "string", 336_776, nulls, top=counted, distinct=distinct)


def _histogram(counts: np.ndarray, edges: np.ndarray) -> m.Histogram:
    return m.Histogram(tuple(float(edge) for edge in edges), tuple(int(count) for count in counts))


def _checks() -> tuple[m.ValidationCheck, ...]:
    columns = {
        "flights": ("departs_at", "arrives_at", "arr_delay", "carrier", "origin", "dest", "distance", "flight_id"),
        "weather": ("observed_at", "temp", "dewp", "humid", "wind_speed", "visib"),
        "planes": ("tailnum", "year", "seats"),
    }
    checks = [
        m.ValidationCheck(table, column, name, "passed")
        for table, names in columns.items()
        for column in names
        for name in ("type", "range" if column not in {"carrier", "origin", "dest", "tailnum"} else "domain")
    ]
    checks += [m.ValidationCheck(table, "", "row count", "passed") for table in columns]
    checks += [
        m.ValidationCheck("flights", "flight_id", "unique", "passed"),
        m.ValidationCheck("planes", "tailnum", "unique", "passed"),
        m.ValidationCheck("flights", "arr_delay", "null share", "warned", "2.8 % null, expected under 2.5 %", 9_430),
        m.ValidationCheck("weather", "wind_speed", "range", "warned", "1,048 mph is above 120", 1),
    ]
    return tuple(checks)


def _scored(strength: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    latent = random.normal(0, 1, 20_000)
    seen = strength * latent + np.sqrt(1 - strength**2) * random.normal(0, 1, 20_000)
    chance = 1 / (1 + np.exp(-(1.55 * latent - 1.45)))
    labels = random.random(20_000) < chance
    return np.clip(1 / (1 + np.exp(-(1.55 * strength * seen - 1.35))), 0.01, 0.97), labels


def _scorer(
    name: str, auc: m.Estimate, ece: m.Estimate | None, scores: np.ndarray, labels: np.ndarray
) -> m.ScorerQuality:
    order = np.argsort(-scores)
    hits, misses = np.cumsum(labels[order]), np.cumsum(~labels[order])
    picked = np.linspace(0, len(scores) - 1, 200).astype(int)
    roc = m.RocCurve(
        (0.0, *(float(rate) for rate in misses[picked] / misses[-1])),
        (0.0, *(float(rate) for rate in hits[picked] / hits[-1])),
    )
    bins = []
    for part in np.array_split(np.argsort(scores), 12):
        share, width = float(labels[part].mean()), float(1.96 * labels[part].std() / np.sqrt(len(part)))
        observed = m.Estimate(share, share - width, share + width)
        bins.append(m.CalibrationBin(float(scores[part].mean()), observed, len(part)))
    counts, edges = np.histogram(scores, bins=np.linspace(0, 1, 41))
    losses = m.Estimate(0.447, 0.443, 0.452), m.Estimate(0.143, 0.141, 0.145), m.Estimate(0.541, 0.533, 0.549)
    if name != "late 1":
        losses = m.Estimate(0.533, 0.529, 0.537), m.Estimate(0.176, 0.174, 0.178), m.Estimate(0.317, 0.311, 0.323)
        ece = m.Estimate(0.049, 0.044, 0.054)
    names = ("auc", "average_precision", "log_loss", "brier", "ece")
    known = {metric: one for metric, one in zip(names, (auc, losses[2], *losses[:2], ece), strict=True) if one}
    return m.ScorerQuality(name, auc, tuple(known.items()), roc, tuple(bins), _histogram(counts, edges))


def _slices() -> tuple[m.SliceQuality, ...]:
    random = np.random.default_rng(3)
    groups = [("origin", value) for value in ("EWR", "JFK", "LGA")]
    groups += [
        ("carrier", value)
        for value in ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "YV", "HA"]
    ]
    groups += [("hour", f"{hour:02}") for hour in range(6, 22, 2)]
    slices = []
    for column, value in groups:
        rows = int(random.integers(260, 19_000))
        auc = float(random.normal(0.765, 0.016))
        width = 0.9 / float(np.sqrt(rows))
        share = float(random.uniform(0.12, 0.34))
        slices.append(m.SliceQuality(column, value, rows, m.Estimate(auc, auc - width, auc + width), share))
    return tuple(slices)


def _importance() -> tuple[m.FeatureImportance, ...]:
    windows = [
        f"{key}_arr_delay_{statistic}_{span}"
        for key in ("origin", "dest", "carrier", "tailnum")
        for statistic in ("mean", "share_above_15", "max", "std")
        for span in ("1h", "3h", "24h", "7d")
    ]
    names = [(name, "window") for name in windows]
    names += [
        (name, "calendar") for name in ("departs_at_hour_sin", "departs_at_hour_cos", "weekday", "departs_at_hour")
    ]
    names += [(f"weather_{name}", "state") for name in ("visib", "wind_speed", "pressure", "precip", "humid", "temp")]
    names += [("distance", "request"), ("aircraft_age_years", "derived"), ("planes_seats", "state")]
    order = np.random.default_rng(11).permutation(len(names))
    gains = 1 / (np.arange(len(names)) + 1.6) ** 1.25
    ranked = [names[0], names[65], *(names[position] for position in order if position not in {0, 65})]
    shares = gains / gains.sum()
    return tuple(
        m.FeatureImportance(*name[:1], float(share), name[1]) for name, share in zip(ranked, shares, strict=True)
    )


def _curve() -> m.LearningCurve:
    rounds = np.arange(1, 265)
    random = np.random.default_rng(5)
    valid = 0.7712 - 0.085 * np.exp(-rounds / 30) - 3e-6 * np.maximum(rounds - 214, 0) ** 1.4
    valid = valid + random.normal(0, 1.2e-4, len(rounds)) * (rounds != 214)
    train = 0.834 - 0.13 * np.exp(-rounds / 70)
    best = int(np.argmax(valid)) + 1
    return m.LearningCurve("AUC", tuple(map(float, valid)), best, tuple(map(float, train)), stopped_early=True)


def _gates() -> tuple[m.GateResult, ...]:
    return (
        m.GateResult("auc", True, m.Estimate(0.774, 0.771, 0.777), "at least 0.70", "the low end is above", 0.70),
        m.GateResult("auc over naive", True, m.Estimate(0.162, 0.158, 0.166), "at least 0.05", "paired", 0.05),
        m.GateResult("ece", True, m.Estimate(0.012, 0.009, 0.016), "at most 0.05", "", 0.05, "at_most"),
        m.GateResult("auc gap by carrier", True, m.Estimate(0.061, 0.044, 0.083), "at most 0.10", "", 0.10, "at_most"),
        m.GateResult("log loss", True, m.Estimate(0.447, 0.443, 0.452), "at most 0.56", "base rate", 0.56, "at_most"),
        m.GateResult("p99 at batch 1", True, m.Estimate(1.2), "at most 5 ms", "measured here", 5.0, "at_most"),
    )


def _service() -> m.Service:
    latencies = np.random.default_rng(2).lognormal(np.log(0.41), 0.42, 20_000)
    counts, edges = np.histogram(latencies, bins=np.geomspace(0.12, 6, 40))
    return m.Service(
        requests=20_000,
        rows=54_120,
        p50_ms=float(np.quantile(latencies, 0.5)),
        p99_ms=float(np.quantile(latencies, 0.99)),
        latency_ms=_histogram(counts, edges),
        device="cpu",
        fallback="no CUDA: driver not found",
        ready_s=0.9,
        rows_per_s=8_590.0,
    )


def _release() -> m.Release:
    return m.Release(
        "late",
        (
            m.ReleaseEvent("2026-11-03T09:40:51Z", "adopt", 1, actor="demo", reason="passed 6 of 6 gates"),
            m.ReleaseEvent("2026-11-03T09:40:55Z", "start", 1, 2, 0.10, "demo", "seed 2 of the same model"),
            m.ReleaseEvent("2026-11-03T09:41:01Z", "set_share", 1, 2, 0.50, "demo", "no difference at 10 %"),
            m.ReleaseEvent("2026-11-03T09:41:04Z", "promote", 2, actor="demo", reason="paired AUC not inferior"),
            m.ReleaseEvent("2026-11-03T09:41:07Z", "rollback", 1, actor="demo", reason="rollback drill"),
        ),
        m.CanaryShare(0.10, m.Estimate(0.1021, 0.0962, 0.1082), 9_980),
    )


def _drift() -> m.Drift:
    random = np.random.default_rng(9)
    labels = ("4 Nov", "11 Nov", "18 Nov", "25 Nov", "2 Dec", "9 Dec", "16 Dec", "23 Dec")
    rows = (6_512, 6_498, 6_541, 5_930, 6_402, 6_377, 6_489, 5_871)
    periods = [m.DriftPeriod(label, count, "quiet") for label, count in zip(labels, rows, strict=True)]
    periods.append(m.DriftPeriod("9 Dec *", 6_377, "drift", injected=True))
    names = [feature.name for feature in _importance()[:14]]
    series = []
    for position, name in enumerate(names):
        quiet = [float(value) for value in np.clip(random.gamma(3, 0.13, 8), 0.03, 0.94)]
        series.append(m.DriftSeries(name, (*quiet, 38.4 if position == 0 else quiet[5]), 0.2 / (position + 1)))
    return m.Drift(
        tuple(periods), tuple(series), 83, names[0], "minutes sent as seconds (x 60)", found=names[0], false_alarms=0
    )


def _performance() -> tuple[m.PerformancePeriod, ...]:
    values = (0.768, 0.771, 0.766, 0.782, 0.774, 0.779, 0.770, 0.781)
    labels = ("4 Nov", "11 Nov", "18 Nov", "25 Nov", "2 Dec", "9 Dec", "16 Dec", "23 Dec")
    return tuple(
        m.PerformancePeriod(label, 6_500, 6_330, m.Estimate(auc, auc - 0.011, auc + 0.0105))
        for label, auc in zip(labels, values, strict=True)
    )


def _lineage() -> m.Lineage:
    sizes = {
        "manifest.json": 2_110,
        "model.onnx": 1_204_511,
        "plan.json": 41_870,
        "schema.json": 6_030,
        "signature.json": 5_112,
        "baseline/baseline.json": 96_204,
        "evaluation.json": 28_460,
        "lineage.json": 1_904,
        "sbom.json": 14_233,
        "model-card.md": 3_870,
    }
    files = tuple(
        m.PackageFile(name, f"{position:08x}" * 8, size) for position, (name, size) in enumerate(sizes.items())
    )
    facts = (m.Fact("feature plan", "c0ffee12" * 8), m.Fact("code commit", "3d56dcb0"), m.Fact("seed", "20130901"))
    return m.Lineage("4f1c9a2e" * 8, "late 1", "champion", sum(sizes.values()), files, facts)


def _environment() -> tuple[m.Fact, ...]:
    versions = {
        "machine": "x86-64, 2 cores, 8 GB",
        "operating system": "Linux 6.8",
        "python": "3.11.2",
        "headrace": "0.1.0",
        "lightgbm": "4.7.0",
        "onnxruntime": "1.31.0",
        "numba": "0.68.0",
        "pyarrow": "25.0.0",
        "polars": "2.1.0",
    }
    return tuple(m.Fact(name, value) for name, value in versions.items())
