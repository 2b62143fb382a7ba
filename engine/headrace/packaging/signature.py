"""The signature of a model: the tensors it takes and gives, and which columns may fill them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import InvalidInputError, did_you_mean

_INTEGER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_FLOAT_BITS = {"float32": 32, "float64": 64}
# A double carries every integer of up to 53 bits; wider ones are admitted as the field's tools do.
_NUMBERS = _INTEGER_BITS | _FLOAT_BITS


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: its name, its Open Inference Protocol datatype, its shape with -1 for the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives.

    Attributes:
        inputs: tensors of the graph, in order.
        outputs: tensors of the graph, in order.
        features: names of the columns of the first input, in order.
        columns: column -> dtype a caller who sends named columns must provide; empty where only tensors are taken.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    features: tuple[str, ...]
    columns: Mapping[str, str]

    @classmethod
    def of_matrix(cls, features: tuple[str, ...], *, outputs: int = 1) -> Signature:
        """Signature of a graph from a float32 feature matrix to float32 scores, as the exporter writes it."""
        return cls(
            inputs=(TensorSpec("features", "FP32", (-1, len(features))),),
            outputs=(TensorSpec("score", "FP32", (-1, outputs)),),
            features=features,
            columns=dict.fromkeys(features, "float32"),
        )

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "inputs": [_tensor_json(tensor) for tensor in self.inputs],
            "outputs": [_tensor_json(tensor) for tensor in self.outputs],
            "features": list(self.features),
            "columns": dict(self.columns),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Signature:
        """Decode what `to_json` gave."""
        return cls(
            inputs=tuple(TensorSpec(t["name"], t["datatype"], tuple(t["shape"])) for t in body["inputs"]),
            outputs=tuple(TensorSpec(t["name"], t["datatype"], tuple(t["shape"])) for t in body["outputs"]),
            features=tuple(body["features"]),
            columns=dict(body["columns"]),
        )

    def admit(self, offered: Mapping[str, str]) -> tuple[str, ...]:
        """Check named columns against the signature; extra columns are ignored.

        Args:
            offered: column -> dtype as the caller has them.

        Returns:
            The columns to take, in the model's order.

        Raises:
            InvalidInputError: a required column is missing, or its dtype would lose values.
        """
        for column, wanted in self.columns.items():
            if column not in offered:
                raise InvalidInputError(
                    f"column '{column}' ({wanted}) is missing", hint=did_you_mean(column, offered.keys())
                )
            if not _widens(offered[column], wanted):
                raise InvalidInputError(
                    f"column '{column}' is {offered[column]}; the model takes {wanted} or what widens to it"
                )
        return tuple(self.columns)


def _tensor_json(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _widens(offered: str, wanted: str) -> bool:
    """Whether every value of one dtype may be taken as the other: int to wider int or float, float to double.

    float64 to float32 is admitted because the feature matrix is float32 by definition: it is the declared rounding.
    """
    if offered == wanted:
        return True
    if offered in _INTEGER_BITS and wanted in _INTEGER_BITS:
        return _INTEGER_BITS[offered] <= _INTEGER_BITS[wanted]
    return offered in _NUMBERS and wanted in _FLOAT_BITS
