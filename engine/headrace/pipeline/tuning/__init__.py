"""`headrace tune` as a function: stages up to the features, trials, the winner held against the untuned model.

The only place that knows both how a model is trained and how it is served: it gives the tuning a function that compiles
a trial's model and measures it in the serving runtime.
"""

from headrace.pipeline.tuning.measuring import CompiledMeasure, sample_rows, smallest_forest
from headrace.pipeline.tuning.report import TuningReport
from headrace.pipeline.tuning.tuning import TuneOptions, tune_project

__all__ = ["CompiledMeasure", "TuneOptions", "TuningReport", "sample_rows", "smallest_forest", "tune_project"]
