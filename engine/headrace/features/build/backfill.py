"""Bring a built matrix to a new plan: compute what is new, keep what is the same, bit for bit, drop what is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.core.errors import FailedCheckError
from headrace.core.progress import Progress, SilentProgress
from headrace.features.build.building import BuildResult, Work, carry_out, finished, prepare
from headrace.features.build.manifest import Manifest
from headrace.features.build.settings import BuildSettings
from headrace.features.build.sources import Source
from headrace.features.plan import FeaturePlan

if TYPE_CHECKING:
    import pyarrow as pa


def backfill(
    plan: FeaturePlan,
    sources: Mapping[str, Source | pa.Table | Path],
    output: Path,
    *,
    settings: BuildSettings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> BuildResult:
    """Compute the features that an output lacks and leave the others as they are.

    A feature is the same when its definition's digest is, whatever its name: a renamed feature is kept. The arguments
    and the behaviour after a kill are those of `build`.

    Raises:
        NotFoundError: there is no built output.
        FailedCheckError: a table changed since, so that old and new columns would not belong together.
        CorruptedError: the output is not what its manifest says.
        HeadraceError: as `build`.
    """
    work = prepare(plan, sources, output)
    manifest = Manifest.read(output)
    _check_inputs(manifest, work)
    done = finished(work)
    if done is not None:
        return done
    stored = {digest: name for name, digest in manifest.features.items()}
    taken = {spec.name: stored[spec.digest] for spec in plan.features if spec.digest in stored}
    work = replace(work, kept=(manifest, taken) if taken else None)
    return carry_out(work, settings or BuildSettings(), progress or SilentProgress(), cancelled)


def _check_inputs(manifest: Manifest, work: Work) -> None:
    plan = work.plan
    hint = "build all of it again with --rebuild"
    if manifest.spine != plan.spine or manifest.at != (plan.at.column, plan.at.offset_us):
        raise FailedCheckError(
            f"{work.output} has the rows of '{manifest.spine}' at {_moment(*manifest.at)}, the plan asks for "
            f"'{plan.spine}' at {_moment(plan.at.column, plan.at.offset_us)}",
            hint=hint,
        )
    for table, read in work.inputs.items():
        before = manifest.inputs.get(table)
        if before is not None and before != read:
            raise FailedCheckError(
                f"table '{table}' changed since {work.output.name} was built: it had {before.rows:,} rows and digest "
                f"{before.digest[:8]}, now {read.rows:,} and {read.digest[:8]}",
                hint=hint,
            )


def _moment(column: str, offset_us: int) -> str:
    return f"{column}{offset_us / 60e6:+g} minutes" if offset_us else column
