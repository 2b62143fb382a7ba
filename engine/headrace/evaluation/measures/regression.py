"""Figures of predicted numbers: float64[n] labels and predictions, no NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace.evaluation.resampling import Resamples

Numbers = npt.NDArray[np.float64]


def rmse(labels: Numbers, predictions: Numbers) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.square(predictions - labels).mean()))


def mae(labels: Numbers, predictions: Numbers) -> float:
    """Mean absolute error."""
    return float(np.abs(predictions - labels).mean())


def r2(labels: Numbers, predictions: Numbers) -> float:
    """Share of the variance that is explained; NaN where labels do not vary."""
    spread = float(np.square(labels - labels.mean()).sum())
    return 1.0 - float(np.square(predictions - labels).sum()) / spread if spread else float("nan")


def pinball_losses(labels: Numbers, predictions: Numbers, quantile: float) -> Numbers:
    """Loss of each row whose minimum is the quantile. Reference: Koenker and Bassett, Econometrica 46 (1978)."""
    above = labels - predictions
    return np.maximum(quantile * above, (quantile - 1.0) * above)


def poisson_deviances(labels: Numbers, predictions: Numbers) -> Numbers:
    """Twice the log likelihood that a perfect prediction of each count has more; infinite where 0 is predicted.

    Reference: McCullagh and Nelder, Generalized Linear Models, section 2.3.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(labels > 0, labels * np.log(labels / predictions), 0.0)
    return 2.0 * (ratio - (labels - predictions))


def replicates(labels: Numbers, predictions: Numbers, resamples: Resamples) -> dict[str, Numbers]:
    """rmse, mae, r2 and bias in each replicate, float64[R] each.

    r2 takes sums around the sample's own mean: around 0 they would cancel.
    """
    errors = predictions - labels
    squares = resamples.means(np.square(errors))
    centred = labels - labels.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = resamples.means(np.square(centred)) - np.square(resamples.means(centred))
        explained = 1.0 - squares / np.where(spread > 0, spread, np.nan)
    return {
        "rmse": np.sqrt(squares),
        "mae": resamples.means(np.abs(errors)),
        "r2": explained,
        "bias": resamples.means(errors),
    }
