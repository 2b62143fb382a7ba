"""Run encoders: categories through a small table of what each becomes, numbers in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import InvalidInputError
from headrace.features.definition.encoders import CATEGORICAL
from headrace.features.executor.value_hashes import hash_values
from headrace.features.plan import EncoderSpec
from headrace_kernels.cpu import cyclic, encoding
from headrace_kernels.dtypes import Floats, Integers, Matrix

Values: TypeAlias = "pa.ChunkedArray | pa.Array"


def write_encoder(spec: EncoderSpec, values: Sequence[Values], parts: Sequence[tuple[int, int]], out: Matrix) -> None:
    """Write columns of an encoder.

    Args:
        spec: which encoder, fitted.
        values: Array or ChunkedArray[n_rows] for each entry of `spec.of`.
        parts: which of its columns, and the matrix's column of each.
        out: float32[n_rows, n_features], C-contiguous.

    Raises:
        InvalidInputError: the encoder has not been fitted, or the values are of a type it does not take.
    """
    if spec.fitted is None:
        raise InvalidInputError(
            f"encoder '{spec.name}' has not been fitted to a training split",
            hint="plan = fit_plan(plan, tables, rows=<training rows>), then compute",
        )
    if spec.kind == "hashed":
        _write_buckets(spec, values[0], [slot for _, slot in parts], out)
    elif spec.kind in CATEGORICAL:
        prepare_categories(spec).write(values[0], parts, out)
    else:
        _write_numbers(spec, as_floats(values[0]), parts, out)


@dataclass(frozen=True, eq=False)
class CategoryTable:
    """What each category becomes; independent of rows, so that a server makes it once.

    Attributes:
        name: the encoder's name.
        categories: pyarrow.Array of strings, int64 or bool.
        table: float32[n_categories + 2, n_parts]; after the categories the row of the unknown and that of null.
    """

    name: str
    categories: pa.Array
    table: Matrix

    def write(self, values: Values, parts: Sequence[tuple[int, int]], out: Matrix) -> None:
        """Write columns; `write_encoder` documents the arguments. Complexity: O(n_categories + n_rows * n_parts)."""
        table = np.ascontiguousarray(self.table[:, [part for part, _ in parts]])
        cyclic.write_encoded(self.codes(values), table, np.array([slot for _, slot in parts], dtype=np.int64), out)

    def codes(self, values: Values) -> Integers:
        """Rows of the table: int64[n_rows].

        Raises:
            InvalidInputError: the values are of another type than the categories.
        """
        found = as_categories(values)
        try:
            known = self.categories.cast(found.type) if len(self.categories) else pa.array([], found.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInputError(
                f"encoder '{self.name}' knows categories of type {self.categories.type} and was given {found.type}"
            ) from error
        codes = pc.fill_null(pc.index_in(found, value_set=known), len(known))
        rows: Integers = np.array(codes.to_numpy(zero_copy_only=False), dtype=np.int64)
        if found.null_count:
            rows[pc.is_null(found).to_numpy(zero_copy_only=False)] = len(known) + 1
        return rows


def prepare_categories(spec: EncoderSpec) -> CategoryTable:
    """Make the table of a fitted `one_hot`, `ordinal` or `frequency` encoder."""
    fitted: Any = spec.fitted
    categories = spec.settings.get("categories")
    categories = fitted["categories"] if categories is None else categories
    size, with_null = len(categories), spec.settings["null_category"]
    if spec.kind == "one_hot":
        table = _one_hot_table(size, spec)
    elif spec.kind == "ordinal":
        table = np.array([*range(size), -1.0, size if with_null else math.nan], dtype=np.float32)[:, np.newaxis]
    else:
        shares = [count / fitted["rows"] for count in fitted["counts"]]
        null = fitted["nulls"] / fitted["rows"] if with_null else math.nan
        table = np.array([*shares, 0.0, null], dtype=np.float32)[:, np.newaxis]
    return CategoryTable(spec.name, pa.array(categories), table)


def as_categories(values: Values) -> pa.Array:
    """Categories as one plain array of strings, int64 or bool, however they are stored.

    Raises:
        InvalidInputError: the values are floats or times, which are no categories.
    """
    array = _one_chunk(values)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type):
        return pc.cast(array, pa.int64())
    if pa.types.is_string_view(array.type):
        return pc.cast(array, pa.large_string())
    if pa.types.is_null(array.type):
        return pc.cast(array, pa.string())
    if pa.types.is_boolean(array.type) or pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array
    raise InvalidInputError(f"values of type {array.type} are no categories", hint="bin numbers first: binned(...)")


def as_floats(values: Values) -> Floats:
    """Numbers or booleans as float64[n_rows], in memory of their own; null becomes NaN.

    Raises:
        InvalidInputError: the values are no numbers.
    """
    array = _one_chunk(values)
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_boolean(array.type)):
        raise InvalidInputError(f"values of type {array.type} are no numbers")
    floats = pc.cast(array, pa.float64(), safe=False)  # whole numbers beyond 2**53 are rounded
    return np.array(floats.to_numpy(zero_copy_only=False))


def _one_chunk(values: Values) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _one_hot_table(size: int, spec: EncoderSpec) -> Matrix:
    columns = spec.settings["max_categories"]
    other, with_null = spec.settings["other"], spec.settings["null_category"]
    table = np.zeros((size + 2, columns + other + with_null), dtype=np.float32)
    table[range(size), range(size)] = 1.0
    if other:
        table[size, columns] = 1.0
    if with_null:
        table[size + 1, -1] = 1.0
    else:
        table[size + 1] = np.nan
    return table


def _write_buckets(spec: EncoderSpec, values: Values, slots: Sequence[int], out: Matrix) -> None:
    categories = as_categories(values)
    hashes = hash_values(categories, seed=spec.settings["seed"])
    buckets = (hashes % np.uint64(spec.settings["buckets"])).astype(np.float32)
    if categories.null_count:
        null = spec.settings["buckets"] if spec.settings["null_category"] else np.nan
        buckets[pc.is_null(categories).to_numpy(zero_copy_only=False)] = null
    for slot in slots:
        out[:, slot] = buckets


def _write_numbers(spec: EncoderSpec, values: Floats, parts: Sequence[tuple[int, int]], out: Matrix) -> None:
    for part, slot in parts:
        if spec.kind == "binned":
            edges = np.array(_setting(spec, "edges"), dtype=np.float64)
            missing = float(len(edges) + 1) if spec.settings["null_category"] else math.nan
            encoding.write_bins(values, edges, missing, slot, out)
        elif spec.kind == "imputed" and part == 1:
            out[:, slot] = np.isnan(values)
        else:
            encoding.write_rescaled(values, _scaling(spec), slot, out)


def _scaling(spec: EncoderSpec) -> Floats:
    """What `write_rescaled` takes: float64[5], fill, low, high, center, scale."""
    fill, low, high, center, scale = math.nan, -math.inf, math.inf, 0.0, 1.0
    if spec.kind in {"scaled", "robust_scaled", "min_max"}:
        fitted: Any = spec.fitted
        center, scale = fitted["center"], fitted["scale"]
        if spec.kind == "min_max" and spec.settings["clip"]:
            low, high = fitted["low"], fitted["high"]
    elif spec.kind == "clipped":
        source: Any = spec.settings if spec.settings["absolute"] else spec.fitted
        low = low if source["low"] is None else source["low"]
        high = high if source["high"] is None else source["high"]
    elif isinstance(spec.settings["with"], str):
        fitted = spec.fitted
        fill = fitted["fill"]
    else:
        fill = spec.settings["with"]
    return np.array([fill, low, high, center, scale], dtype=np.float64)


def _setting(spec: EncoderSpec, name: str) -> Any:
    """What was declared, or else what was fitted."""
    declared = spec.settings[name]
    fitted: Any = spec.fitted
    return fitted[name] if declared is None else declared
