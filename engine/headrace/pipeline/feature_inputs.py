"""What the feature commands open: a feature set from a project file, and its tables from files or from a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, InvalidInputError, NotFoundError, did_you_mean
from headrace.features import FeaturePlan, FeatureSet, compile_plan
from headrace.features.build.sources import Source, as_source
from headrace.pipeline.project_file import find_project_file, import_project_file
from headrace.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from headrace.pipeline.project import Project


@dataclass(frozen=True)
class Declared:
    """What a project file declares.

    Attributes:
        features: the feature set.
        project: the project it belongs to, where the file declares one.
    """

    features: FeatureSet
    project: Project | None


@dataclass(frozen=True)
class FeatureInputs:
    """A compiled plan and its tables.

    Attributes:
        plan: not fitted, where its encoders learn.
        declared: where it comes from.
        sources: every table the plan reads, by name.
    """

    plan: FeaturePlan
    declared: Declared
    sources: Mapping[str, Source]


def open_features(path: Path, *, tables: Sequence[str], home: Path, name: str | None = None) -> FeatureInputs:
    """Load a project's features, find their tables and compile the plan.

    Args:
        path: a folder with `project.py`, or a Python file with one Project or feature sets.
        tables: `name=file` for each table that is read from a file.
        home: the workspace whose last run has the other tables.
        name: which feature set, where the file declares several.

    Raises:
        NotFoundError: no such file, or a table that neither `tables` nor the run has.
        DefinitionError: the file does not run or declares no feature set, or the features do not fit the tables.
        InvalidInputError: an entry of `tables` is not `name=file`.
        SourceError: a file cannot be read.
    """
    declared = load_features(path, name=name)
    sources: dict[str, Source] = stored_tables(home)
    for given in tables:
        table, _, file = given.partition("=")
        if not table or not file:
            raise InvalidInputError(f"--table '{given}' is not NAME=FILE", hint="--table flights=flights.parquet")
        sources[table] = as_source(Path(file))
    schemas = {table: source.dtypes for table, source in sources.items()}
    _check_spine(declared.features, sources, home)
    target = declared.project.model.target if declared.project is not None else None
    plan = compile_plan(declared.features, schemas, target=target)
    return FeatureInputs(plan, declared, {table: sources[table] for table in plan.columns})


def load_features(path: Path, *, name: str | None = None) -> Declared:
    """Load the feature set that a file declares: its project's, or the one feature set in it.

    Raises:
        NotFoundError: there is no such file.
        DefinitionError: it does not run, or it is not clear which feature set is meant.
    """
    file = find_project_file(path)
    module = import_project_file(file)
    projects = [value for value in vars(module).values() if _is_project(value)]
    if len(projects) == 1 and name is None:
        return Declared(projects[0].model.features, projects[0])
    found = {value.name: value for value in vars(module).values() if isinstance(value, FeatureSet)}
    if name is None and len(found) == 1:
        return Declared(next(iter(found.values())), None)
    if name is None:
        names = f": {', '.join(found)}" if found else ""
        raise DefinitionError(
            f"{file} declares {len(found)} feature sets{names}; which one?",
            hint="name it with --features" if found else 'declare one: features = hr.FeatureSet("name", ...)',
        )
    if name not in found:
        raise DefinitionError(f"{file} declares no feature set '{name}'", hint=did_you_mean(name, found))
    return Declared(found[name], None)


def _is_project(value: Any) -> bool:
    module = sys.modules.get("headrace.pipeline.project")  # a file that declares a project has loaded it
    return module is not None and isinstance(value, module.Project)


def stored_tables(home: Path) -> dict[str, Source]:
    """The tables of the last run, in the versions that it validated; none where nothing was ever run."""
    workspace = Workspace(home)
    record = workspace.stage_record("validate")
    if not record.is_file():
        return {}
    from headrace.data import TableStore
    from headrace.features.build.stored import StoredSource
    from headrace.pipeline.stage import StageRecord

    validated = StageRecord.read(record)
    store = TableStore(workspace.tables)
    known = store.names()
    sources: dict[str, Source] = {}
    for table, used in (validated.facts["tables"] if validated is not None else {}).items():
        if used["name"] in known and used["version"] in {one.version for one in store.versions(used["name"])}:
            sources[table] = StoredSource(store, used["name"], used["version"])
    return sources


def _check_spine(features: FeatureSet, sources: Mapping[str, Source], home: Path) -> None:
    if features.spine.table not in sources:
        given = f"; there are: {', '.join(sorted(sources))}" if sources else ""
        raise NotFoundError(
            f"there is no table '{features.spine.table}', whose rows '{features.name}' asks for{given}",
            hint=f"name its file: --table {features.spine.table}=FILE, or run the project into {home} first",
        )


def fitted(inputs: FeatureInputs, *, until: str | None) -> FeatureInputs:
    """Fit the plan's encoders to training rows, where there are any to fit.

    Args:
        inputs: the plan and its tables.
        until: training rows have a query time before this moment, UTC, in ISO 8601; None takes the training part of
            the project's split.

    Raises:
        InvalidInputError: it is not said which rows are for training, `until` is no time, or there are no such rows.
    """
    if inputs.plan.is_fitted:
        return inputs
    from headrace.features import fit_plan
    from headrace.features.build.sources import read_whole
    from headrace.features.plan import EncoderStep

    plan = inputs.plan
    encoded = plan.only([spec.name for spec in plan.features if isinstance(spec.step, EncoderStep)])
    tables = {name: read_whole(inputs.sources[name], columns) for name, columns in encoded.columns.items()}
    rows = _training_rows(inputs, tables[plan.spine], until)
    found = fit_plan(encoded, tables, rows=rows).encoders
    return replace(inputs, plan=replace(plan, encoders={**plan.encoders, **found}))


def _training_rows(inputs: FeatureInputs, spine: pa.Table, until: str | None) -> npt.NDArray[np.bool_]:
    import pyarrow as pa

    plan, project = inputs.plan, inputs.declared.project
    if until is not None:
        try:
            moment = datetime.fromisoformat(until)
        except ValueError as error:
            raise InvalidInputError(f"--fit-until '{until}' is no date or time", hint="write 2013-09-01") from error
        limit = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        times = spine.column(plan.at.column).cast(pa.int64()).to_numpy() + plan.at.offset_us
        before: npt.NDArray[np.bool_] = times < limit // timedelta(microseconds=1)
        return before
    if project is None:
        raise InvalidInputError(
            f"'{plan.name}' has encoders to fit, and nothing says on which rows",
            hint="name the end of training: --fit-until",
        )
    event_time = inputs.declared.features.spine.event_time
    column = spine.column(event_time) if event_time in spine.column_names else _times(inputs, event_time)
    return project.model.split.masks(column.cast(pa.int64()).to_numpy()).train


def _times(inputs: FeatureInputs, column: str) -> pa.ChunkedArray:
    from headrace.features.build.sources import read_whole

    return read_whole(inputs.sources[inputs.plan.spine], {column: "timestamp"}).column(column)
