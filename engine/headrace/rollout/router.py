"""Which version answers a request: sticky by a stable hash of its key, the same in every process."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.core.errors import NotFoundError
from headrace.core.hashing import BUCKETS, stable_bucket
from headrace.rollout.state import ReleaseState, ReleaseStatus, Strategy


@dataclass(frozen=True)
class Split:
    """A candidate's part of the traffic: keys whose `stable_bucket` with the salt is below `buckets` fall to it."""

    version: int
    buckets: int
    salt: str


@dataclass(frozen=True)
class Router:
    """Routes one model's requests as its release state says; pure, safe to share between threads.

    A key that the candidate answered at one share is answered by it at every larger share of the same release.
    """

    state: ReleaseState

    def route(self, key: str) -> int:
        """Version that answers the request with this key.

        Complexity: one 64-bit BLAKE2b hash while a candidate takes part of the traffic, none otherwise.

        Raises:
            NotFoundError: the model has no champion yet.
        """
        state = self.state
        if state.champion is None:
            raise NotFoundError(
                f"model '{state.model}' has no champion",
                hint="train and register one: headrace run",
            )
        split = self.split
        if split is not None and stable_bucket(key, split.salt) < split.buckets:
            return split.version
        return state.champion

    @property
    def split(self) -> Split | None:
        """The candidate's part of the traffic; None where it answers nobody."""
        state = self.state
        if state.candidate is None or state.strategy is Strategy.SHADOW:
            return None
        return Split(state.candidate, round(state.share * BUCKETS), state.salt)

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions that may be asked for an answer now, the champion first: what a server keeps loaded."""
        if self.state.status is ReleaseStatus.UNRELEASED:
            return ()
        present = (self.state.champion, self.state.candidate)
        return tuple(version for version in present if version is not None)
