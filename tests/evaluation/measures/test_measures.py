"""Figures of every task against scikit-learn and LightGBM, and their replicates against rows drawn by hand."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn import metrics

from headrace.evaluation.measures import higher_is_better, measure, value_of
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.task import Question, Task

ROWS, DAYS = 3_000, 40
CLASSES = Question(Task.MULTICLASS, classes=("a", "b", "c"))
COUNTS = Question(Task.REGRESSION, counts=True)
RANKING = Question(Task.RANKING, at=5)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def resamples(rng):
    return Resamples.draw(np.sort(rng.integers(0, DAYS, ROWS)), replicates=20, seed=2)


def drawn(resamples, replicate):
    """Rows of a replicate, each as often as its block was drawn."""
    times = resamples.counts[replicate].astype(np.int64)[resamples.blocks]
    return np.repeat(np.arange(times.size), times)


def cases(rng):
    probabilities = rng.dirichlet([2.0, 1.0, 1.0], ROWS)
    classes = np.array([rng.choice(3, p=row) for row in probabilities])
    scores = rng.integers(1, 1_000, ROWS) / 1_000  # few enough for the average precision to be exact
    means = rng.gamma(2.0, 2.0, ROWS)
    numbers = rng.normal(3.0, 2.0, ROWS)
    return {
        "binary": (Question(), rng.random(ROWS) < scores, scores),
        "classes": (CLASSES, classes, probabilities),
        "numbers": (Question(Task.REGRESSION), numbers, numbers + rng.normal(size=ROWS)),
        "counts": (COUNTS, rng.poisson(means).astype(np.float64), means),
        "quantile": (Question(Task.REGRESSION, quantile=0.8), numbers, np.full(ROWS, 4.5)),
    }


@pytest.mark.parametrize("case", ["binary", "classes", "numbers", "counts", "quantile"])
def test_replicates_are_the_figures_of_the_drawn_rows(rng, resamples, case):
    question, labels, predictions = cases(rng)[case]
    found = measure(question, labels, predictions, resamples)
    for replicate in range(5):
        rows = drawn(resamples, replicate)
        for metric, values in found.replicates.items():
            expected = value_of(question, metric, labels[rows], predictions[rows])
            assert values[replicate] == pytest.approx(expected, rel=1e-9), metric


def test_several_classes_against_scikit_learn(rng, resamples):
    question, labels, probabilities = cases(rng)["classes"]
    found = measure(question, labels, probabilities, resamples).values
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-12)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, probabilities.argmax(axis=1)))
    assert found["macro_auc"] == pytest.approx(
        metrics.roc_auc_score(labels, probabilities, multi_class="ovr"), rel=1e-9
    )
    whole = np.eye(3)[labels]
    assert found["brier"] == pytest.approx(np.square(whole - probabilities).sum(axis=1).mean())


def test_numbers_against_scikit_learn(rng, resamples):
    question, labels, predictions = cases(rng)["numbers"]
    found = measure(question, labels, predictions, resamples).values
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(labels, predictions))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(labels, predictions))
    assert found["r2"] == pytest.approx(metrics.r2_score(labels, predictions))
    assert found["bias"] == pytest.approx((predictions - labels).mean())
    question, labels, predictions = cases(rng)["quantile"]
    found = measure(question, labels, predictions, resamples).values
    assert found["pinball"] == pytest.approx(metrics.mean_pinball_loss(labels, predictions, alpha=0.8))
    assert found["coverage"] == pytest.approx((labels <= predictions).mean())
    question, labels, predictions = cases(rng)["counts"]
    found = measure(question, labels, predictions, resamples).values
    assert found["poisson_deviance"] == pytest.approx(metrics.mean_poisson_deviance(labels, predictions))


def test_a_ranking_against_scikit_learn_and_lightgbm(rng):
    queries = np.repeat(np.arange(200), rng.integers(2, 12, 200))
    grades = rng.integers(0, 4, queries.size)
    scores = grades + rng.normal(size=queries.size)
    mixed = rng.permutation(queries.size)
    resamples = Resamples.draw(queries[mixed] // 10, replicates=20, seed=2)
    found = measure(RANKING, grades[mixed], scores[mixed], resamples, queries[mixed])
    every = [
        metrics.ndcg_score([2.0 ** grades[rows] - 1], [scores[rows]], k=5)
        for rows in (queries == query for query in range(200))
        if grades[rows].any()
    ]
    idle = 200 - len(every)
    assert found.values["ndcg@5"] == pytest.approx((sum(every) + idle) / 200)
    dataset = lightgbm.Dataset(np.zeros((queries.size, 1)), grades, group=np.bincount(queries)).construct()
    parameters = {"objective": "lambdarank", "metric": ["ndcg", "map"], "eval_at": [5], "verbosity": -1}
    booster = lightgbm.Booster(parameters, dataset)
    for _, name, value, _ in judged_by(booster, dataset, scores):
        assert found.values[name] == pytest.approx(value, rel=1e-6), name


def judged_by(booster, dataset, scores):
    """LightGBM's own metrics of scores that are given as its starting point."""
    started = lightgbm.Dataset(np.zeros((scores.size, 1)), dataset.get_label(), group=dataset.get_group())
    started.set_init_score(scores).construct()
    fresh = lightgbm.Booster(booster.params, started)
    return fresh.eval_train()


def test_a_figure_of_no_rows_is_not_a_number():
    assert np.isnan(value_of(Question(Task.REGRESSION), "rmse", np.empty(0), np.empty(0)))


def test_what_is_better_is_known_of_every_metric_but_those_with_a_target():
    assert higher_is_better("ndcg@7")
    assert higher_is_better("rmse") is False
    assert higher_is_better("bias") is None
    assert higher_is_better("ndcg@") is None


@pytest.mark.parametrize(
    ("question", "leading"),
    [
        (Question(), "auc"),
        (CLASSES, "log_loss"),
        (Question(Task.REGRESSION), "rmse"),
        (COUNTS, "poisson_deviance"),
        (Question(Task.REGRESSION, quantile=0.9), "pinball"),
        (RANKING, "ndcg@5"),
    ],
)
def test_each_question_has_a_metric_that_leads(question, leading):
    assert question.leading == leading
