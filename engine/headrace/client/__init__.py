"""The client: sync and async, over any server of the Open Inference Protocol.

It knows the wire, not the server; statuses come back as the project's errors.
"""

from headrace.client.aio import AsyncClient
from headrace.client.messages import InferResult, ModelDescription, TensorSpec
from headrace.client.sync import Client

__all__ = ["AsyncClient", "Client", "InferResult", "ModelDescription", "TensorSpec"]
