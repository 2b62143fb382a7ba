"""The stages of a run, in order; each file is one stage."""

from headrace.pipeline.stages.evaluate import EvaluateStage
from headrace.pipeline.stages.features import FeaturesStage
from headrace.pipeline.stages.ingest import IngestStage
from headrace.pipeline.stages.monitor import MonitorStage
from headrace.pipeline.stages.package import PackageStage
from headrace.pipeline.stages.release import ReleaseStage
from headrace.pipeline.stages.report import ReportStage
from headrace.pipeline.stages.serve import ServeStage
from headrace.pipeline.stages.train import TrainStage
from headrace.pipeline.stages.validate import ValidateStage

__all__ = [
    "EvaluateStage",
    "FeaturesStage",
    "IngestStage",
    "MonitorStage",
    "PackageStage",
    "ReleaseStage",
    "ReportStage",
    "ServeStage",
    "TrainStage",
    "ValidateStage",
]
