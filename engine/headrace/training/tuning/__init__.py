"""Tuning: Optuna's search over LightGBM's parameters, on datasets that are binned once.

Trials run side by side on threads; hopeless ones end between two trees; a killed study goes on. What a compiled model
must keep to (latency, size) is a constraint of the search, measured by a function that the pipeline gives: this package
must not know how a model is compiled or served. Optuna is imported when tuning starts, not before.
"""

from headrace.training.tuning.declaration import Tuning
from headrace.training.tuning.frozen import tuned, write_tuned
from headrace.training.tuning.job import TuningJob
from headrace.training.tuning.measurement import Measure, Measured, Targets
from headrace.training.tuning.ranges import Choice, FloatRange, IntRange
from headrace.training.tuning.result import TuningResult
from headrace.training.tuning.space import SearchSpace, build_space
from headrace.training.tuning.study import model_of, tune
from headrace.training.tuning.trial import Origin, State, Trial

__all__ = [
    "Choice",
    "FloatRange",
    "IntRange",
    "Measure",
    "Measured",
    "Origin",
    "SearchSpace",
    "State",
    "Targets",
    "Trial",
    "Tuning",
    "TuningJob",
    "TuningResult",
    "build_space",
    "model_of",
    "tune",
    "tuned",
    "write_tuned",
]
