"""Several processes behind one port: a supervisor, and workers that are each a whole server.

The supervisor holds the port, starts workers and starts them again, follows the models' sources, and shows one page of
metrics. It must not answer a request and must not load a model: whatever a request or a graph can break, it outlives.
Workers share the port by SO_REUSEPORT and do what the supervisor says over a socket of JSON lines.
"""

from headrace.serving.workers.supervisor import supervise

__all__ = ["supervise"]
