"""Replay logged predictions: the package alone, on the logged features, must give the logged scores bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.core.hashing import finite_or_none
from headrace.core.progress import Progress
from headrace.monitoring.prediction_segments import feature_matrix, read_segment, score_matrix
from headrace.packaging import Package
from headrace.serving.config import Device
from headrace.serving.runtime.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 8192
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Difference:
    """The first prediction whose score is another one.

    Attributes:
        prediction_id: its id.
        segment: file of the log.
        column: of the scores.
        logged: what was answered then.
        replayed: what the package gives now.
    """

    prediction_id: str
    segment: str
    column: int
    logged: float
    replayed: float

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; NaN and infinities are null, the hexadecimal forms tell every bit."""
        return {
            "prediction_id": self.prediction_id,
            "segment": self.segment,
            "column": self.column,
            "logged": finite_or_none(self.logged),
            "replayed": finite_or_none(self.replayed),
            "logged_hex": float(self.logged).hex(),
            "replayed_hex": float(self.replayed).hex(),
        }


@dataclass(frozen=True)
class Replay:
    """What came of a replay.

    Attributes:
        rows: predictions of the version.
        equal: of them, those whose every score has the logged bits.
        segments: files they were read from.
        other_rows: predictions of other versions, left out.
        first_difference: None where there is none.
    """

    rows: int
    equal: int
    segments: int
    other_rows: int
    first_difference: Difference | None

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        first = self.first_difference
        return {
            "rows": self.rows,
            "equal": self.equal,
            "different": self.rows - self.equal,
            "segments": self.segments,
            "other_rows": self.other_rows,
            "first_difference": first.to_json() if first else None,
        }


def replay(package: Package, place: Path, *, version: int | None, progress: Progress) -> Replay:
    """Run the package's graph on logged features and compare the scores with the logged ones.

    Args:
        package: the verified package.
        place: a segment, or a folder with segments of the model at any depth: a home, a log, a model's folder.
        version: whose predictions; None: of the one version that the log has.
        progress: where the work is shown.

    Raises:
        NotFoundError: no prediction of the version is there.
        InvalidInputError: several versions are there and none is named; or rows are not what the model takes.
        CorruptedError: a segment is not readable.
    """
    segments = find_segments(place, package.name)
    version = version if version is not None else _only_version(segments, place)
    session = Session(package.model, device=Device.CPU, name=package.name)
    rows = equal = used = other = 0
    first: Difference | None = None
    with progress.step(f"replay {package.name}", total=len(segments)) as step:
        for segment in segments:
            table = read_segment(segment)
            own = _of_version(table, version)
            other += table.num_rows - own.num_rows
            used += own.num_rows > 0
            for chunk in _chunks(own):
                same, difference = _compare(session, package, chunk, segment)
                rows, equal = rows + chunk.num_rows, equal + same
                first = first or difference
            step.advance()
    if not rows:
        raise NotFoundError(
            f"{place} holds no prediction of {package.name} version {version}; it has {other} of other versions"
        )
    return Replay(rows, equal, used, other, first)


def find_segments(place: Path, model: str) -> list[Path]:
    """Segments of a model under a place, in the order of their names.

    Raises:
        NotFoundError: there are none.
    """
    if place.is_file():
        return [place]
    found = sorted(place.glob("[!.]*.arrow")) if place.name == model else sorted(place.glob(f"**/{model}/[!.]*.arrow"))
    if not found:
        raise NotFoundError(
            f"{place} holds no logged predictions of '{model}'",
            hint="give the folder that `headrace serve --prediction-log` wrote to, or a home",
        )
    return found


def _compare(session: Session, package: Package, chunk: pa.Table, segment: Path) -> tuple[int, Difference | None]:
    features, logged = feature_matrix(chunk), score_matrix(chunk)
    width = len(package.signature.features)
    if features.shape[1] != width:
        raise InvalidInputError(
            f"{segment} has predictions over {features.shape[1]} features, package {package.name} takes {width}",
            hint="they are of another model or version: name the version with --version",
        )
    replayed = _scores(session, features)
    if replayed.shape != logged.shape:
        raise InvalidInputError(
            f"{segment} has {logged.shape[1]} scores a prediction, package {package.name} gives {replayed.shape[1]}"
        )
    same = replayed.view(np.uint32) == logged.view(np.uint32)
    equal_rows = same.all(axis=1)
    if equal_rows.all():
        return len(equal_rows), None
    row = int(np.flatnonzero(~equal_rows)[0])
    column = int(np.flatnonzero(~same[row])[0])
    name = chunk["prediction_id"][row].as_py()
    return int(equal_rows.sum()), Difference(
        name, str(segment), column, float(logged[row, column]), float(replayed[row, column])
    )


def _scores(session: Session, features: Rows) -> Rows:
    """The graph's first output as the prediction log holds it: float32[n, K]."""
    outputs = session.run((np.ascontiguousarray(features),))
    return np.ascontiguousarray(outputs[0].reshape(len(features), -1), np.float32)


def _only_version(segments: list[Path], place: Path) -> int:
    import pyarrow.compute as pc

    versions = sorted({one for segment in segments for one in pc.unique(read_segment(segment)["version"]).to_pylist()})
    if not versions:
        raise NotFoundError(f"{place} holds segments without a prediction")
    if len(versions) > 1:
        listed = ", ".join(map(str, versions))
        raise InvalidInputError(
            f"{place} holds predictions of versions {listed}, and a directory does not say which one it is",
            hint=f"name it: --version {versions[0]}",
        )
    return int(versions[0])


def _of_version(table: pa.Table, version: int) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["version"], version))


def _chunks(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, CHUNK_ROWS):
        yield table.slice(start, CHUNK_ROWS)
