"""Stage eight: the second version goes out as a canary, is promoted, and is rolled back."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headrace.client import Client
from headrace.core.errors import FailedCheckError, UnavailableError
from headrace.core.hashing import BUCKETS, stable_bucket
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import load_dataset
from headrace.pipeline.processes import run_json
from headrace.pipeline.releasing import desk_over, event_json
from headrace.pipeline.scoring import read_rows
from headrace.pipeline.stage import StageOutcome
from headrace.pipeline.stages.package import ACTOR
from headrace.pipeline.stages.serve import send_rows, write_features
from headrace.rollout import Ledger, ReleaseState, Router
from headrace.rollout.state import fold

FOLLOW_TIMEOUT_S = 10.0
AFTER_STEP_REQUESTS = 200


class ReleaseStage:
    """Walks a release there and back, over the same command line a person uses, while the server answers."""

    name: ClassVar[str] = "release"
    after: ClassVar[tuple[str, ...]] = ("serve",)
    code: ClassVar[tuple[str, ...]] = ("rollout", "serving")

    def inputs(self, context: RunContext) -> Any:
        """The declared share and the versions."""
        release = context.project.release
        return {"share": release.share, "requests": release.requests, **context.records["package"].facts["digests"]}

    def outputs(self, context: RunContext) -> list[Path]:
        """The ledger."""
        return context.workspace.model_files

    def run(self, context: RunContext) -> StageOutcome:
        """Canary, promote, roll back, restart.

        Raises:
            FailedCheckError: a request met another version than the ledger says.
            UnavailableError: the server did not follow the ledger in time.
        """
        release, name = context.project.release, context.project.model.name
        versions = context.records["package"].facts["versions"]
        first, second = versions["first"], versions["second"]
        workspace = context.workspace
        walk = _Walk(context)
        desk = desk_over(context.registry, actor=ACTOR, clock=context.clock)
        began = desk.ledger.sequence()
        with context.progress.step("release", total=4) as step:
            step.note(f"canary {release.share:.0%}")
            run_json(
                ["release", "start", name, str(second), "--share", str(release.share), "-m", "canary"],
                workspace=workspace,
            )
            canary = walk.send("canary", release.requests)
            step.advance()
            step.note("promote")
            run_json(["release", "promote", name, "-m", "the canary is as good"], workspace=workspace)
            walk.expect(second)
            step.advance()
            step.note("roll back")
            run_json(["release", "rollback", name, "-m", "rehearsed"], workspace=workspace)
            walk.expect(first)
            step.advance()
            step.note("restart")
            before = run_json(["release", "status", name], workspace=workspace)
            context.restart_server(log=context.records["serve"].facts["prediction_log"])
            walk.expect(first)
            after = run_json(["release", "status", name], workspace=workspace)
            step.advance()
        if before != after:
            raise FailedCheckError("the ledger after a restart of the server is not the one before")
        share = float(np.mean(canary == second))
        return StageOutcome(
            headline=f"version {second} took {share:.1%} of {release.requests:,} requests, promoted, rolled back",
            detail=f"{release.share:.0%} planned, every key on its version · the ledger survived a restart",
            facts={
                "planned_share": release.share,
                "canary_share": share,
                "canary_interval": wilson(share, len(canary)),
                "requests": len(canary),
                "timeline": _timeline(desk.ledger, name, began),
                "state": after["state"],
            },
        )


def _timeline(ledger: Ledger, model: str, began: int) -> list[dict[str, Any]]:
    """The events of this walk, each with the state it led to; the last event before it opens the picture."""
    timeline = []
    events = ledger.events(model)
    for number, event in enumerate(events, start=1):
        state = fold(model, events[:number])
        if event.sequence >= began:
            after = {"champion": state.champion, "candidate": state.candidate, "candidate_share": state.share}
            timeline.append({**event_json(event), **after})
    return timeline


class _Walk:
    """Sends rows through the server and holds every answer's version against the ledger's router."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._dataset = load_dataset(context)
        self._test = np.flatnonzero(context.project.model.split.masks(self._dataset.times).test)
        self._steps = 0

    def expect(self, version: int) -> None:
        """All traffic must meet one version."""
        met = self.send(f"step{self._steps}", AFTER_STEP_REQUESTS)
        if set(met.tolist()) != {version}:
            raise FailedCheckError(
                f"after the step, traffic met versions {sorted(set(met.tolist()))}, not {version} alone"
            )

    def send(self, label: str, requests: int) -> Any:
        """Versions that answered, one a request: int64[requests]."""
        self._steps += 1
        name = self._context.project.model.name
        state = desk_over(self._context.registry, actor=ACTOR, clock=self._context.clock).ledger.state(name)
        self._wait_until_followed(state)
        exchange = self._context.workspace.exchange
        rows = self._test[np.arange(requests) % len(self._test)]
        write_features(exchange / f"{label}.arrow", self._dataset, rows, prefix=f"{label}/")
        answers = exchange / f"{label}.scores.arrow"
        send_rows(self._context.server().address, name, exchange / f"{label}.arrow", answers, rows=1, in_flight=4)
        table = read_rows(answers)
        met = table["model_version"].to_numpy()
        router = Router(state)
        planned = np.array([router.route(key) for key in table["id"].to_pylist()])
        if not (met == planned).all():
            raise FailedCheckError(
                f"{int((met != planned).sum())} of {requests} requests met another version than planned"
            )
        return met

    def _wait_until_followed(self, state: ReleaseState) -> None:
        """Ask with one key of each side until the server routes as the ledger says."""
        probes = [key for key in (f"probe-{n}" for n in range(1_000)) if _side(key, state) is not None]
        sides = {_side(key, state): key for key in probes}
        router = Router(state)
        row = np.asarray(self._dataset.matrix.values)[self._test[:1]]
        deadline = time.monotonic() + FOLLOW_TIMEOUT_S
        with Client(self._context.server().address) as client:
            while True:
                answers = {
                    key: client.infer(state.model, row, request_id=f"probe/{key}", routing_key=key).model_version
                    for key in sides.values()
                }
                if all(int(version) == router.route(key) for key, version in answers.items()):
                    return
                if time.monotonic() > deadline:
                    raise UnavailableError(f"the server did not follow the ledger within {FOLLOW_TIMEOUT_S:.0f} s")
                time.sleep(0.02)


def _side(key: str, state: ReleaseState) -> bool | None:
    """Whether the candidate answers the key, as far from the border as a probe should be."""
    place = stable_bucket(key, state.salt) / BUCKETS
    return None if abs(place - state.share) < 0.01 else place < state.share


def wilson(share: float, count: int, z: float = 1.96) -> list[float]:
    """95 % interval of a share. Reference: Wilson, JASA 22 (1927)."""
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return [centre - half, centre + half]
