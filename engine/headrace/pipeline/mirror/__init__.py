"""The mirror: run records and model versions, written to an MLflow server for the people who look there.

It speaks MLflow's REST API over HTTP; MLflow itself is not installed with Headrace and never imported. A command only
starts the mirror's process and does not wait for it: what the server does not take now is sent the next time. The
mirror reads the workspace's database and writes nothing but its own outbox.
"""

from headrace.pipeline.mirror.client import MlflowServer
from headrace.pipeline.mirror.starting import start_mirror
from headrace.pipeline.mirror.work import Mirrored, MirrorJob, mirror

__all__ = ["MirrorJob", "Mirrored", "MlflowServer", "mirror", "start_mirror"]
