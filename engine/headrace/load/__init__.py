"""The load generator: asks any server of the protocol, open or closed loop, and says how long answers took.

In an open loop requests come by a schedule and their latency counts from when they were due, so a server that stalls is
charged for everybody who would have had to wait (no coordinated omission). It knows the wire, not the server.
"""

from headrace.client.raw import Endpoint
from headrace.load.plan import Content, LoadPlan, parse_stages, steady
from headrace.load.result import Latency, LoadResult
from headrace.load.run import prepare, run_load
from headrace.load.schedule import Stage

__all__ = [
    "Content",
    "Endpoint",
    "Latency",
    "LoadPlan",
    "LoadResult",
    "Stage",
    "parse_stages",
    "prepare",
    "run_load",
    "steady",
]
