"""Build a feature matrix file from tables of any size, within a memory budget; go on after an interruption.

The bits are those of `compute` on the whole tables: a piece of the spine with all rows of its keys is enough for them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import (
    CancelledError,
    ExhaustedError,
    HeadraceError,
    InvalidInputError,
    UnavailableError,
    did_you_mean,
)
from headrace.core.hashing import digest_json
from headrace.core.progress import Progress, SilentProgress
from headrace.features.build.layout import Group, TableSize, lay_out, lay_out_evenly
from headrace.features.build.manifest import Input, Manifest
from headrace.features.build.merge import Columns, MatrixColumns, Target, merge
from headrace.features.build.outputs import StoredColumns, check_suffix
from headrace.features.build.parts import PartColumns
from headrace.features.build.pieces import GroupRun
from headrace.features.build.settings import BuildSettings
from headrace.features.build.sources import Source, as_source
from headrace.features.build.work import WorkFolder, recover, work_folder
from headrace.features.device import Placement
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Attributes:
        output: the matrix's file.
        rows: its rows.
        computed: features computed by this run or one it went on with.
        kept: features taken over from the matrix that was there, bit for bit.
        dropped: features of that matrix that the plan does not have any more.
        pieces: chunks and partitions the work was cut into.
        resumed: pieces that an interrupted run had finished.
        restarted: whether an interrupted run's pieces were of other inputs or definitions and were removed.
        placements: what a device computed, and what it did not, and why.
    """

    output: Path
    rows: int
    computed: tuple[str, ...]
    kept: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    pieces: int = 0
    resumed: int = 0
    restarted: bool = False
    placements: tuple[Placement, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {**vars(self), "output": str(self.output), "placements": [vars(each) for each in self.placements]}


@dataclass(frozen=True)
class Work:
    """What is to be done, with what.

    Attributes:
        plan: all columns of the output.
        sources: the tables it reads, by name.
        inputs: their digests.
        output: the matrix's file.
        kept: the earlier matrix's manifest, and the name in it of each feature taken over from it.
    """

    plan: FeaturePlan
    sources: Mapping[str, Source]
    inputs: Mapping[str, Input]
    output: Path
    kept: tuple[Manifest, Mapping[str, str]] | None = None

    @property
    def computed(self) -> tuple[str, ...]:
        """The features to compute, in the plan's order."""
        kept = self.kept[1] if self.kept else {}
        return tuple(name for name in self.plan.feature_names if name not in kept)


def build(
    plan: FeaturePlan,
    sources: Mapping[str, Source | pa.Table | Path],
    output: Path,
    *,
    settings: BuildSettings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> BuildResult:
    """Compute every feature of every spine row and write them to a file, with a manifest beside it.

    An output that holds just this already is left alone. After a kill, a crash or Ctrl-C, the same call goes on with
    the pieces that were finished. The file appears whole or not at all.

    Args:
        plan: what to compute; its encoders are fitted.
        sources: every table the plan reads, by name: in memory, or a file.
        output: the file; its suffix (`.npy`, `.arrow`, `.parquet`) is its format.
        settings: memory and threads.
        progress: where to report to.
        cancelled: asked between pieces whether to end.

    Raises:
        InvalidInputError: a table or column is missing or of another type, a row has no query time, the suffix names
            no format, or the plan is not fitted.
        SourceError: a file cannot be read.
        ExhaustedError: the memory does not suffice, or the disk is full.
        UnavailableError: another process builds this output, or its folder cannot be written.
        CancelledError: `cancelled` said so; what was finished is kept for the next run.
    """
    work = prepare(plan, sources, output)
    done = finished(work)
    if done is not None:
        return done
    return carry_out(work, settings or BuildSettings(), progress or SilentProgress(), cancelled)


def prepare(plan: FeaturePlan, sources: Mapping[str, Source | pa.Table | Path], output: Path) -> Work:
    """Check what a build is given, and digest its inputs.

    Raises:
        InvalidInputError: a table is missing, the suffix names no format, or the plan is not fitted.
        SourceError: a file cannot be read.
    """
    check_suffix(output)
    recover(output)
    if not plan.is_fitted:
        raise InvalidInputError(
            f"plan '{plan.name}' has encoders that are not fitted", hint="fit them on the training split: fit_plan(...)"
        )
    opened = {}
    for table in plan.columns:
        if table not in sources:
            raise InvalidInputError(
                f"plan '{plan.name}' reads table '{table}', which was not given", hint=did_you_mean(table, sources)
            )
        opened[table] = as_source(sources[table])
    inputs = {table: Input(source.digest, source.rows) for table, source in opened.items()}
    return Work(plan, opened, inputs, output)


def finished(work: Work) -> BuildResult | None:
    """What there is to say when the output holds just this already; None where there is work to do."""
    if not work.output.is_file():
        return None
    try:
        manifest = Manifest.read(work.output)
    except HeadraceError:
        return None
    if manifest != describe(work, manifest.size_bytes):
        return None
    return BuildResult(work.output, manifest.rows, (), kept=tuple(manifest.features))


def carry_out(work: Work, settings: BuildSettings, progress: Progress, cancelled: Callable[[], bool]) -> BuildResult:
    """Do the work: pieces, merge, output in place, manifest beside it."""
    plan, computed = work.plan, work.computed

    def check() -> None:
        if cancelled():
            raise CancelledError(f"building {work.output} was cancelled", hint="run it again to go on where it stopped")

    groups = _groups(work, settings) if computed else ()
    cut = {"work": describe(work, 0).to_json(), "groups": [group.to_json() for group in groups]}
    with _writing(work.output), work_folder(work.output, digest_json(cut)) as folder:
        columns, resumed, placements = _columns(work, groups, folder, settings, progress, check)
        with progress.step(f"writing {work.output.name}", total=work.sources[plan.spine].rows) as step:
            target = Target(folder.staged, work.output.suffix, plan, work.sources[plan.spine])
            merge(target, columns, check, step)
        folder.place(describe(work, folder.staged.stat().st_size))
    old, taken = work.kept or (None, {})
    left = set(taken.values())
    return BuildResult(
        output=work.output,
        rows=work.sources[plan.spine].rows,
        computed=computed,
        kept=tuple(taken),
        dropped=tuple(name for name in (old.features if old else ()) if name not in left),
        pieces=sum(group.pieces for group in groups),
        resumed=resumed,
        restarted=folder.dropped,
        placements=placements,
    )


def describe(work: Work, size_bytes: int) -> Manifest:
    """The manifest of the work's output."""
    plan = work.plan
    return Manifest(
        name=plan.name,
        plan=plan.digest,
        spine=plan.spine,
        at=(plan.at.column, plan.at.offset_us),
        row_id=plan.row_id,
        rows=work.sources[plan.spine].rows,
        features={feature.name: feature.digest for feature in plan.features},
        inputs=work.inputs,
        size_bytes=size_bytes,
    )


def _columns(
    work: Work,
    groups: tuple[Group, ...],
    folder: WorkFolder,
    settings: BuildSettings,
    progress: Progress,
    check: Callable[[], None],
) -> tuple[list[Columns], int, tuple[Placement, ...]]:
    """Where every column comes from, computed as far as it was not; pieces that were there; what ran where."""
    slot_of = {name: slot for slot, name in enumerate(work.plan.feature_names)}
    columns: list[Columns] = []
    if work.kept is not None:
        manifest, taken = work.kept
        slots = [slot_of[name] for name in taken]
        columns.append(StoredColumns(work.output, tuple(manifest.features), tuple(taken.values()), slots))
    resumed, placements = 0, dict[Placement, None]()
    for number, group in enumerate(groups):
        plan = work.plan.only(group.features)
        run = GroupRun(plan, group, number, work.sources, folder, check, settings)
        slots = [slot_of[name] for name in plan.feature_names]
        if len(groups) == 1 and group.pieces == 1:
            columns.append(MatrixColumns(run.whole(progress), slots))
            placements |= run.placements
            continue
        resumed += run.run(progress)
        placements |= run.placements
        parts = [folder.part(number, piece) for piece in range(group.pieces)]
        columns.append(PartColumns(parts, slots, settings.memory_bytes // (8 * len(groups))))
    return columns, resumed, tuple(placements)


def _groups(work: Work, settings: BuildSettings) -> tuple[Group, ...]:
    if settings.pieces is not None:
        return lay_out_evenly(work.plan, work.computed, _sizes(work), settings.pieces)
    return lay_out(work.plan, work.computed, _sizes(work), settings.memory_bytes)


def _sizes(work: Work) -> dict[str, TableSize]:
    return {
        table: TableSize(source.rows, source.size_bytes(list(work.plan.columns[table])))
        for table, source in work.sources.items()
    }


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Turn what the file system says into errors that name the place.

    Raises:
        ExhaustedError: the disk, or the quota, is full.
        UnavailableError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or "No space left" in str(error):
            raise ExhaustedError(
                f"the disk under {output.parent} is full: {error}",
                hint="nothing was put in place; make room and run it again: finished pieces are kept",
            ) from error
        raise UnavailableError(f"{output} cannot be built: {error}") from error
