"""The values that statistics read, on the device, in the order of a chunk's events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from headrace.features.executor.columns import TableColumns
from headrace.features.executor.device.chunks import ChunkTable
from headrace.features.executor.statistics import Family, Source, out_of_range
from headrace_kernels.arrays import ExactRangeError, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cuda import device, extremes, moments, nulls, rows
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.summed_columns import SummedColumn

_Value = TypeVar("_Value")


class DeviceColumns:
    """Values by place, each gathered on the device when it is first asked for.

    Args:
        view: the view's name, for messages.
        table: its table's columns.
        chunk: the chunk's rows of that table.
        order: int64[n_events], row of the chunk at each place.
    """

    def __init__(self, view: str, table: TableColumns, chunk: ChunkTable, order: DeviceArray) -> None:
        self._view = view
        self._table = table
        self._chunk = chunk
        self._order = order
        self._held: dict[Any, Any] = {}

    def write(
        self, family: Family, frames: WindowFrames, sources: Sequence[Source], requests: Sequence[StatisticRequest],
        out: DeviceArray,
    ) -> None:  # fmt: skip
        """Write one family's statistics of the same values: float[n_requests, n_queries] on the device.

        Raises:
            InvalidInputError: a value or a sum leaves the exact range.
        """
        try:
            self._write(family, frames, sources, requests, out)
        except ExactRangeError as error:
            raise out_of_range(self._view, sources, error) from error

    def _write(
        self, family: Family, frames: WindowFrames, sources: Sequence[Source], requests: Sequence[StatisticRequest],
        out: DeviceArray,
    ) -> None:  # fmt: skip
        match family:
            case "moments":
                moments.aggregate_moments(frames, self._summed(sources[0]) if sources else None, requests, out)
            case "extremes":
                extremes.aggregate_extremes(frames, self._summed(sources[0]), requests, out)
            case "ends":
                from headrace_kernels.cuda import ends

                ends.aggregate_ends(frames, self._value(sources[0]) if sources else None, requests, out)
            case "decay":
                from headrace_kernels.cuda import decay

                decay.aggregate_decayed(frames, self._value(sources[0]) if sources else None, requests, out)
            case _:
                self._write_indexed(family, frames, sources, requests, out)

    def _write_indexed(
        self, family: Family, frames: WindowFrames, sources: Sequence[Source], requests: Sequence[StatisticRequest],
        out: DeviceArray,
    ) -> None:  # fmt: skip
        """Families that rank or sum their values once, for the windows of every span."""
        key = (family, *[part for source in sources for part in source.key])
        if family == "categories":
            from headrace_kernels.cuda import categories

            known = self._table.categories(sources[0].of)
            codes = self._once(("codes", *sources[0].key), lambda: self._take(known.codes))
            index = self._once(key, lambda: categories.index_categories(frames.events, codes, len(known.values)))
            categories.aggregate_categories(frames, codes, known.values, known.hashes, requests, out, index=index)
        elif family == "pairs":
            from headrace_kernels.cuda import pairs

            left, right = self._value(sources[0]), self._value(sources[1]) if len(sources) > 1 else None
            sums = self._once(key, lambda: pairs.index_pairs(frames.events, left, right))
            pairs.aggregate_pairs(frames, left, right, requests, out, index=sums)
        else:
            from headrace_kernels.cuda import quantiles

            value = self._value(sources[0])
            ranks = self._once(key, lambda: quantiles.index_quantiles(frames.events, value))
            quantiles.aggregate_quantiles(frames, value, requests, out, index=ranks)

    def _summed(self, source: Source) -> SummedColumn:
        return self._once(("summed", *source.key), lambda: SummedColumn(self._value(source)))

    def _value(self, source: Source) -> ValueColumn:
        return self._once(("value", *source.key), lambda: self._gathered(source))

    def _gathered(self, source: Source) -> ValueColumn:
        numbers, valid = self._table.numbers(source.of)
        values, kept = self._take(numbers), None if valid is None else self._take(valid)
        if source.skip_nan and values.dtype.kind == "f":
            kept = nulls.known_values(values, kept)
        return ValueColumn(values, kept, source.bits)

    def _take(self, values: Any) -> DeviceArray:
        taken = device.empty(len(self._order), np.dtype(values.dtype))
        rows.take_rows(self._chunk.column(values), self._order, taken)
        return taken

    def _once(self, key: Any, make: Callable[[], _Value]) -> _Value:
        if key not in self._held:
            self._held[key] = make()
        value: _Value = self._held[key]
        return value
