"""Training: splits in time, LightGBM, and the definition of a model.

It must not read files or tables, compute features, or decide whether a model is good enough: matrices come in,
a trained model goes out. LightGBM is imported when training starts, not before.
"""

from headrace.training.binning import Binned, bin_data
from headrace.training.calibrating import calibrated
from headrace.training.checkpoint import Checkpoint
from headrace.training.cross_validation import CrossValidation, Fold, cross_validate
from headrace.training.dataset import TrainingData
from headrace.training.model import Model
from headrace.training.objectives import OBJECTIVES, Metric
from headrace.training.screening import Screening, screen_features
from headrace.training.settings import TrainingSettings
from headrace.training.split import SplitMasks, TimeSplit
from headrace.training.storage import load_trained, save_trained
from headrace.training.trained import CurvePoint, TrainedModel
from headrace.training.trainer import boost, refit, train
from headrace.training.walk_forward import WalkForward

__all__ = [
    "OBJECTIVES",
    "Binned",
    "Checkpoint",
    "CrossValidation",
    "CurvePoint",
    "Fold",
    "Metric",
    "Model",
    "Screening",
    "SplitMasks",
    "TimeSplit",
    "TrainedModel",
    "TrainingData",
    "TrainingSettings",
    "WalkForward",
    "bin_data",
    "boost",
    "calibrated",
    "cross_validate",
    "load_trained",
    "refit",
    "save_trained",
    "screen_features",
    "train",
]
