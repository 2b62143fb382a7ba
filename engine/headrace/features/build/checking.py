"""Check, on a user's own data, that features see no future and are the same however they are computed.

Every comparison is bit for bit, NaN included; a single differing bit fails.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.core.progress import Progress, SilentProgress
from headrace.features.build.building import build
from headrace.features.build.futures import with_more_future, with_scrambled_future, without_future
from headrace.features.build.settings import BuildSettings
from headrace.features.device import CPU_ONLY, Devices
from headrace.features.execution import compute
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import numpy.typing as npt

    Tables = Mapping[str, pa.Table]

_PIECES = 5


@dataclass(frozen=True)
class CheckLine:
    """One thing that was checked.

    Attributes:
        name: in a few words.
        kind: `leak` or `parity`.
        values: how many values were compared.
        differing: how many of them had other bits.
        first: the first difference, in words; empty where there is none.
    """

    name: str
    kind: str
    values: int
    differing: int
    first: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What `check_features` found.

    Attributes:
        rows: positions of the spine rows that were looked at one by one.
        lines: what was checked.
        notes: what no check can see, in sentences.
    """

    rows: tuple[int, ...]
    lines: tuple[CheckLine, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether not one bit differed."""
        return not any(line.differing for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "passed": self.passed,
            "rows": len(self.rows),
            "checks": [vars(line) for line in self.lines],
            "notes": list(self.notes),
        }


def check_features(  # noqa: PLR0913  # what, how much of it, and how
    plan: FeaturePlan,
    tables: Tables,
    *,
    sample: int = 100,
    seed: int = 0,
    threads: int = 2,
    devices: Devices = CPU_ONLY,
    progress: Progress | None = None,
) -> CheckReport:
    """Test a plan for leaks and for parity.

    Leaks: for each sampled row, what it could not know at its query time is deleted, then scrambled; and a century of
    later rows is added for all of them. Not a bit of theirs may change. Parity: each sampled row alone (as a request
    asks), one thread, the spine in another order, a build in partitions, and CUDA devices give the bits of the batch.

    Cost: one computation of everything, four more, and three of a single row for each sampled one.

    Args:
        plan: what is checked; fitted.
        tables: stored tables by name.
        sample: how many spine rows are looked at one by one; the last row is among them.
        seed: chooses them.
        threads: of the batch.
        devices: CUDA devices to compare the CPU with.
        progress: where to report to.

    Raises:
        InvalidInputError: as `compute`.
    """
    checker = _Checker(plan, tables, sample, seed, BuildSettings(threads=threads, pieces=_PIECES, devices=devices))
    with (progress or SilentProgress()).step("checking", total=3 * len(checker.rows) + 5) as step:
        lines = tuple(checker.lines(step.advance))
    return CheckReport(tuple(checker.rows.tolist()), lines, tuple(_notes(plan)))


class _Checker:
    """The batch everything is compared with, and the sampled rows."""

    def __init__(self, plan: FeaturePlan, tables: Tables, sample: int, seed: int, settings: BuildSettings) -> None:
        self.plan = plan
        self.tables = dict(tables)
        self.spine = tables[plan.spine]
        self.threads = settings.threads
        self.devices = settings.devices
        self.batch = compute(plan, tables, threads=self.threads)
        self.random = np.random.default_rng(seed)
        n_rows = self.spine.num_rows
        chosen = self.random.choice(n_rows, min(sample, n_rows), replace=False) if n_rows else np.empty(0, np.int64)
        self.rows = np.unique(np.append(chosen[1:], n_rows - 1)) if n_rows else chosen

    def lines(self, advance: Callable[[], None]) -> Iterator[CheckLine]:
        """Every check, one after the other."""
        yield self._one_by_one("future rows deleted", "leak", self._deleted, advance)
        yield self._one_by_one("future values scrambled", "leak", self._scrambled, advance)
        later = with_more_future(self.plan, self.tables)
        yield self._compared("a century of rows added", "leak", self.rows, self._rows(later, self.rows, self.threads))
        advance()
        yield self._one_by_one("row alone = batch", "parity", lambda _row: self.tables, advance)
        everything = np.arange(self.spine.num_rows)
        if self.threads > 1:
            alone = compute(self.plan, self.tables, threads=1).values
            yield self._compared(f"1 thread = {self.threads} threads", "parity", everything, alone)
        advance()
        order = self.random.permutation(self.spine.num_rows)
        yield self._compared("rows in another order", "parity", order, self._rows(self.tables, order, self.threads))
        advance()
        yield self._compared(f"built in {_PIECES} pieces", "parity", everything, self._built())
        advance()
        if self.devices.devices:
            yield self._compared(f"{self.devices.names} = CPU", "parity", everything, self._on_devices())
        advance()

    def _one_by_one(
        self, name: str, kind: str, tables: Callable[[int], Tables], advance: Callable[[], None]
    ) -> CheckLine:
        found = np.empty((len(self.rows), len(self.plan.features)), dtype=np.float32)
        for place, row in enumerate(self.rows.tolist()):
            found[place] = self._rows(tables(row), [row], 1)
            advance()
        return self._compared(name, kind, self.rows, found)

    def _deleted(self, row: int) -> Tables:
        return without_future(self.plan, self.tables, int(self.batch.query_time[row]))

    def _scrambled(self, row: int) -> Tables:
        return with_scrambled_future(self.plan, self.tables, int(self.batch.query_time[row]), self.random)

    def _rows(self, tables: Tables, rows: npt.ArrayLike, threads: int) -> npt.NDArray[np.float32]:
        asking = self.spine.take(pa.array(np.asarray(rows, dtype=np.int64)))
        return compute(self.plan, tables, spine=asking, threads=threads).values

    def _built(self) -> npt.NDArray[np.float32]:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "built.npy"
            build(self.plan, self.tables, output, settings=BuildSettings(threads=self.threads, pieces=_PIECES))
            values: npt.NDArray[np.float32] = np.load(output)
        return values

    def _on_devices(self) -> npt.NDArray[np.float32]:
        """The matrix of the devices; where both have NaN, with the bits of the CPU's: devices write NumPy's."""
        there = compute(self.plan, self.tables, threads=self.threads, device=self.devices).values
        here = self.batch.values
        return np.where(np.isnan(here) & np.isnan(there), here, there)

    def _compared(self, name: str, kind: str, rows: npt.NDArray[np.int64], found: npt.NDArray[np.float32]) -> CheckLine:
        expected = self.batch.values[rows]
        differs = expected.view(np.uint32) != found.view(np.uint32)
        first = ""
        if differs.any():
            place, slot = (int(index) for index in np.argwhere(differs)[0])
            feature = self.plan.feature_names[slot]
            first = f"'{feature}' of row {int(rows[place]):,}: {expected[place, slot]!s}, then {found[place, slot]!s}"
        return CheckLine(name, kind, differs.size, int(differs.sum()), first)


def _notes(plan: FeaturePlan) -> Iterator[str]:
    for view in plan.state_views.values():
        if view.valid_from is None:
            yield f"'{view.name}' has no valid_from: what it says today is taken to have been true at every query time"
    read = [feature.name for feature in plan.features if feature.role in {"request", "derived"}]
    if read:
        shown = ", ".join(read[:5]) + (f" and {len(read) - 5} more" if len(read) > 5 else "")
        yield f"columns of the asking row itself are taken as known at its query time: {shown}"
