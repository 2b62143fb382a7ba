"""Compute one group of features piece by piece: chunks of the spine's rows, or partitions of its keys.

Every piece becomes a part file. Parts that exist are not computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import ExhaustedError
from headrace.core.progress import Progress, Step
from headrace.features.build.access import accesses
from headrace.features.build.layout import Group, TableSize, megabytes, working_bytes
from headrace.features.build.parts import write_part
from headrace.features.build.settings import BuildSettings
from headrace.features.build.sources import Source, empty_table, read_whole, rechunked
from headrace.features.build.work import WorkFolder
from headrace.features.device import Placement
from headrace.features.execution import compute
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from headrace.features.build.spill import Spill

_SPINE = "spine"


@dataclass(frozen=True)
class GroupRun:
    """One group of a build.

    Attributes:
        plan: of the group's features alone.
        group: how it is cut.
        number: of the group, in its folder's name.
        sources: the build's tables.
        work: where spills and parts go.
        check: called between pieces; raises to end the work.
        settings: how the machine may be used.
        placements: what `compute` said of devices, each once.
    """

    plan: FeaturePlan
    group: Group
    number: int
    sources: Mapping[str, Source]
    work: WorkFolder
    check: Callable[[], None]
    settings: BuildSettings
    placements: dict[Placement, None] = field(default_factory=dict)

    def run(self, progress: Progress) -> int:
        """Compute every piece that is not there yet; the number of pieces an earlier run had finished."""
        missing = [piece for piece in range(self.group.pieces) if not self.work.part(self.number, piece).is_file()]
        if missing:
            self.work.group(self.number).mkdir(exist_ok=True)
            label = f"group {self.number + 1}: {len(self.group.features)} features"
            with progress.step(label, total=self.group.pieces) as step:
                step.advance(self.group.pieces - len(missing))
                (self._partitions if self.group.on else self._chunks)(missing, step)
        return self.group.pieces - len(missing)

    def whole(self, progress: Progress) -> npt.NDArray[np.float32]:
        """Compute a group of one chunk at once, without a part: float32[n_rows, n_features]."""
        tables = self._kept_tables()
        spine = tables.get(self.plan.spine)
        if spine is None:
            spine = read_whole(self.sources[self.plan.spine], self.plan.columns[self.plan.spine])
            tables[self.plan.spine] = spine
        self.check()
        return self._compute(tables, progress=progress).values

    def _chunks(self, missing: list[int], step: Step) -> None:
        tables = self._kept_tables()
        for piece, chunk in enumerate(self._spine_chunks()):
            self.check()
            if piece in missing:
                first = piece * self.group.rows
                self._finish(piece, np.arange(first, first + chunk.num_rows), tables, chunk)
                step.advance()

    def _spine_chunks(self) -> Iterator[pa.Table]:
        source, dtypes = self.sources[self.plan.spine], self.plan.columns[self.plan.spine]
        return rechunked(source.batches(dtypes), self.group.rows) if source.rows else iter([empty_table(dtypes)])

    def _partitions(self, missing: list[int], step: Step) -> None:
        from headrace.features.build.partitions import ROW  # here: most builds are not cut

        spills = self._spills()
        for name, (spill, table) in spills.items():
            if not spill.is_whole:
                self._spill(spill, table, name, step)
        self._check_fit(spills)
        kept = self._kept_tables()
        for piece in missing:
            self.check()
            parts = {name: spill.read(piece, self.plan.columns[table]) for name, (spill, table) in spills.items()}
            spine = parts.pop(_SPINE, None)
            asking = parts[self.plan.spine] if spine is None else spine
            self._finish(piece, asking.column(ROW).to_numpy(), {**kept, **parts}, spine)
            for spill, _ in spills.values():
                spill.discard(piece)
            step.advance()

    def _finish(
        self, piece: int, rows: npt.NDArray[np.int64], tables: Mapping[str, pa.Table],
        spine: pa.Table | None,
    ) -> None:  # fmt: skip
        import pyarrow as pa

        matrix = self._compute(tables, spine=spine)
        write_part(self.work.part(self.number, piece), rows, matrix.values)
        del matrix
        pa.default_memory_pool().release_unused()

    def _compute(
        self, tables: Mapping[str, pa.Table], *, spine: pa.Table | None = None, progress: Progress | None = None
    ) -> FeatureMatrix:
        settings = self.settings
        matrix = compute(
            self.plan, tables, spine=spine, threads=settings.threads, progress=progress, device=settings.devices
        )
        self.placements.update(dict.fromkeys(matrix.placements))
        return matrix

    def _spills(self) -> dict[str, tuple[Spill, str]]:
        """Spills by the name their table has for `compute`: one of the spine unless it is itself such a table."""
        from headrace.features.build.spill import Spill

        folder, pieces = self.work.group(self.number), self.group.pieces
        spills = {table: (Spill(folder, table, by, pieces), table) for table, by in self.group.by.items()}
        if self.group.by.get(self.plan.spine) != self.group.on:
            spills[_SPINE] = (Spill(folder, _SPINE, self.group.on, pieces), self.plan.spine)
        return spills

    def _check_fit(self, spills: Mapping[str, tuple[Spill, str]]) -> None:
        """Refuse a partition that one key, or few, make too large: the kernel would end the process without a word.

        Raises:
            ExhaustedError: it does not fit.
        """
        needed = 8.0 * len(self.group.features) * max(spill.fullest for spill, _ in spills.values())
        for spill, table in spills.values():
            source, columns = self.sources[table], list(self.plan.columns[table])
            row_bytes = source.size_bytes(columns) / max(1, source.rows)
            needed += working_bytes(TableSize(spill.fullest, int(row_bytes * spill.fullest)))
        if needed > self.settings.memory_bytes:
            raise ExhaustedError(
                f"the fullest of {self.group.pieces} partitions by {', '.join(self.group.on)} takes about "
                f"{megabytes(needed)}, of {megabytes(self.settings.memory_bytes)} allowed: single keys have very many "
                "rows",
                hint="give more memory with --memory; the rows of one key cannot be cut",
            )

    def _spill(self, spill: Spill, table: str, name: str, step: Step) -> None:
        source = self.sources[table]
        done = 0

        def advanced(rows: int) -> None:
            nonlocal done
            self.check()
            done += rows
            step.note(f"{name}: {done:,} of {source.rows:,} rows partitioned")

        spill.write(source, self.plan.columns[table], on_rows=advanced)
        step.note("")

    def _kept_tables(self) -> dict[str, pa.Table]:
        """The tables that are read by key and not partitioned, whole."""
        read = {access.table for name in self.group.features for access in accesses(self.plan, name)}
        return {
            table: read_whole(self.sources[table], self.plan.columns[table])
            for table in sorted(read - set(self.group.by))
        }
