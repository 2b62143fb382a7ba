"""What validation found: one line a check, and the rows that passed and failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from headrace.core.errors import FailedCheckError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class CheckResult:
    """One check.

    Attributes:
        name: what was checked: `present`, `dtype`, `absent`, `declared`, `not_null`, `range`, `allowed`, `pattern`,
            `length`, `unique`, `ordered`, `foreign_key`, `null_share`, `fresh`, `volume`, `gaps`, `rows`, or a
            rule's name.
        column: of which column, several joined by commas; empty for a check of rows or of the table.
        status: `warned` also where rows were quarantined: the table goes on without them.
        detail: what was found, for people; empty where there is nothing to say.
        rows: rows that failed it.
    """

    name: str
    column: str
    status: Literal["passed", "warned", "failed"]
    detail: str
    rows: int


@dataclass(frozen=True)
class ValidationReport:
    """The outcome of one validation.

    Attributes:
        checks: in the order of the schema.
        accepted: rows that no quarantining check refused, in their order.
        rejected: the others, with a string column `reason` added; empty (with its columns) without any.
    """

    checks: tuple[CheckResult, ...]
    accepted: pa.Table
    rejected: pa.Table

    def count(self, status: Literal["passed", "warned", "failed"]) -> int:
        """Number of checks with this status."""
        return sum(check.status == status for check in self.checks)

    @property
    def passed(self) -> bool:
        """Whether no check failed; warnings and quarantined rows are allowed."""
        return self.count("failed") == 0

    def raise_if_failed(self, table: str) -> None:
        """Turn failed checks into an error.

        Raises:
            FailedCheckError: naming the first failed check of the table, and how many others.
        """
        raise_if_failed(table, self.checks)

    def to_json(self) -> dict[str, Any]:
        """JSON data: the checks and the row counts, without the rows."""
        return {
            "checks": [asdict(check) for check in self.checks],
            "accepted": self.accepted.num_rows,
            "rejected": self.rejected.num_rows,
            "passed": self.count("passed"),
            "warned": self.count("warned"),
            "failed": self.count("failed"),
        }


def raise_if_failed(table: str, checks: Iterable[CheckResult]) -> None:
    """Turn failed checks into an error.

    Raises:
        FailedCheckError: naming the first failed check of the table, and how many others.
    """
    failed = [check for check in checks if check.status == "failed"]
    if failed:
        more = f" (and {len(failed) - 1} other checks)" if len(failed) > 1 else ""
        where = f"column '{failed[0].column}', " if failed[0].column else ""
        raise FailedCheckError(f"table '{table}': {where}{failed[0].name}: {failed[0].detail}{more}")
