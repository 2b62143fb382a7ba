"""Training: splits in time, LightGBM, and the definition of a model.

It must not read files or tables, compute features, or decide whether a model is good enough: matrices come in,
a trained model goes out. LightGBM is imported when training starts, not before.
"""

from headrace.training.dataset import TrainingData
from headrace.training.model import Model
from headrace.training.settings import TrainingSettings
from headrace.training.split import SplitMasks, TimeSplit
from headrace.training.storage import load_trained, save_trained
from headrace.training.trained import CurvePoint, TrainedModel
from headrace.training.trainer import refit, train

__all__ = [
    "CurvePoint",
    "Model",
    "SplitMasks",
    "TimeSplit",
    "TrainedModel",
    "TrainingData",
    "TrainingSettings",
    "load_trained",
    "refit",
    "save_trained",
    "train",
]
