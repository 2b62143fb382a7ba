"""Which version of a model takes which traffic, and who decided it when.

The ledger keeps every decision, a state is what its events fold into, the router applies a state to a request.
Light: the serving process imports it. It knows versions by number only, nothing of packages, models or servers.
"""

from headrace.rollout.analysis import Action, ActionKind, AnalysisPolicy, AnalysisSnapshot, CandidateCounts
from headrace.rollout.ledger import Ledger
from headrace.rollout.releases import AliasMove, Releases
from headrace.rollout.router import Router
from headrace.rollout.state import EventKind, ReleaseEvent, ReleaseState, ReleaseStatus, Strategy

__all__ = [
    "Action",
    "ActionKind",
    "AliasMove",
    "AnalysisPolicy",
    "AnalysisSnapshot",
    "CandidateCounts",
    "EventKind",
    "Ledger",
    "ReleaseEvent",
    "ReleaseState",
    "ReleaseStatus",
    "Releases",
    "Router",
    "Strategy",
]
