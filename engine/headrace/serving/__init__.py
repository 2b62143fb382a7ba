"""The server: models of the registry answered over gRPC.

It loads packages, routes, batches, runs and counts. It must not train, and it must start without a training library, a
dataframe library or Arrow in memory.
"""

from headrace.serving.config import BatchingConfig, Device, ReadyInfo, ServingConfig
from headrace.serving.server import serve

__all__ = ["BatchingConfig", "Device", "ReadyInfo", "ServingConfig", "serve"]
