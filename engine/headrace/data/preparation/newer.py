"""The rows of a source that lie beyond a watermark, and the highest value among them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.data.preparation.loads import Watermark
from headrace.data.reading import Part, Rejection, Source, rejected_table

if TYPE_CHECKING:
    import polars as pl


class Newer:
    """Filters parts by a watermark.

    Attributes:
        column: of the prepared table.
        highest: so far: what the table was loaded up to, then the greatest value that was seen.
        old: rows that were left out.
    """

    def __init__(self, watermark: Watermark, highest: Any, table: str) -> None:
        self.column = watermark.column
        self.highest = highest
        self.old = 0
        self._watermark = watermark
        self._start = highest
        self._bound = watermark.bound(highest)
        self._table = table

    def narrowed(self, source: Source) -> Source:
        """The source without rows that it can leave out itself."""
        beyond = getattr(source, "beyond", None)
        column = self._watermark.source_column
        if column is None or self._bound is None:
            return source
        if beyond is None:
            raise DefinitionError(f"{type(source).__name__} cannot leave out rows by '{column}': drop source_column")
        narrowed: Source = beyond(column, self._bound)
        return narrowed

    def again(self) -> None:
        """Begin anew: the source is read once more."""
        self.highest, self.old = self._start, 0

    def only(self, part: Part) -> Part:
        """The rows beyond the watermark; one whose value is missing is set aside.

        Raises:
            DefinitionError: the column is not there, or of another type than the watermark.
        """
        import polars as pl
        import pyarrow as pa

        names = part.table.column_names
        if self.column not in names:
            raise DefinitionError(
                f"watermark of '{self._table}': there is no column '{self.column}'; there are: {', '.join(names)}",
                hint=did_you_mean(self.column, names),
            )
        values = pl.Series(part.table.column(self.column))
        missing = values.is_null() | (values.is_nan() if values.dtype == pl.Float64() else False)
        rejected = part.rejected
        if missing.any():
            rejected = pa.concat_tables([rejected, rejected_table(part.file, self._rejections(part, missing))])
            rejected = rejected.sort_by("line_number")
        try:
            stays = ~missing if self._bound is None else ~missing & (values > self._bound).fill_null(value=False)
            top = values.filter(stays).max()
            if top is not None and (self.highest is None or top > self.highest):
                self.highest = top
        except (TypeError, pl.exceptions.PolarsError) as error:
            raise DefinitionError(
                f"watermark of '{self._table}': column '{self.column}' is {values.dtype}, and the table was loaded up "
                f"to {self._bound!r}"
            ) from error
        self.old += int((~stays & ~missing).sum())
        if stays.all() and rejected is part.rejected:
            return part
        lines = part.lines[stays.to_numpy()] if part.lines is not None else None
        return replace(part, table=part.table.filter(stays.to_arrow()), rejected=rejected, lines=lines)

    def _rejections(self, part: Part, missing: pl.Series) -> list[Rejection]:
        import json

        import polars as pl

        rows = missing.arg_true().to_list()
        frame = pl.DataFrame(part.table)
        return [
            Rejection(
                int(part.lines[row]) if part.lines is not None else row + 1,
                json.dumps(frame.row(row, named=True), default=str, ensure_ascii=False),
                f"column '{self.column}' is missing, and the watermark needs it",
            )
            for row in rows
        ]
