"""What a stage is to the runner, and what it leaves behind."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from headrace.core.files import write_atomic

if TYPE_CHECKING:
    from headrace.pipeline.context import RunContext


@dataclass(frozen=True)
class StageOutcome:
    """What a stage found, in a line for people and in facts for scripts and later stages.

    Attributes:
        headline: what was done, with the figure that matters.
        detail: the second thing a reader wants to know; may be empty.
        facts: JSON data that later stages, the summary and the report read.
    """

    headline: str
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageRecord:
    """A finished stage on disk.

    Attributes:
        name: the stage.
        inputs_digest: digest of everything its result depends on.
        seconds: how long it ran.
        outcome: what it found.
    """

    name: str
    inputs_digest: str
    seconds: float
    outcome: StageOutcome

    @property
    def facts(self) -> dict[str, Any]:
        """The outcome's facts."""
        return self.outcome.facts

    def write(self, path: Path) -> None:
        """Write the record, whole or not at all."""
        write_atomic(path, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> StageRecord | None:
        """Read a record; None where there is none or it is not readable (the stage then runs again)."""
        try:
            data = json.loads(path.read_bytes())
            return cls(**{**data, "outcome": StageOutcome(**data["outcome"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


class Stage(Protocol):
    """One stage of a run.

    `code` names the engine packages whose source its result depends on; `inputs` what else it depends on, beside the
    stages before it; `outputs` the paths without which a skip would be wrong; `run` does the work, and must leave
    nothing half-written when it is interrupted.
    """

    name: ClassVar[str]
    after: ClassVar[tuple[str, ...]]
    code: ClassVar[tuple[str, ...]]

    def inputs(self, context: RunContext) -> Any:
        """JSON data that the result depends on."""
        ...

    def outputs(self, context: RunContext) -> list[Path]:
        """Paths that must exist for the stage to be skipped."""
        ...

    def run(self, context: RunContext) -> StageOutcome:
        """Do the work."""
        ...
