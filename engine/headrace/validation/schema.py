"""A table's declared shape: its fields, what holds in a row, what holds over the table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.core.hashing import digest_bytes, digest_json
from headrace.validation.fields import Field, FrameRule, RowRule
from headrace.validation.rules import Rule

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Schema:
    """What a table must be.

    Attributes:
        fields: one a column that must be there; other columns are let through unchecked.
        unique: columns whose values together come once; every repeating row but the first is quarantined.
        rows: rules within every row.
        rows_at_least: fewer rows fail the table.
        rules: rules over the table: keys of other tables, age, volume, order, gaps.
        labels: columns that are known only afterwards: they must be there in training and must not when serving.
        strict: whether a column without a field fails the table.
        sensitive: columns that say who somebody is: groups are counted, and columns that stand in for them are named.
        outcome: gives the Polars expression that is true where a row is positive, for the rates of groups and for
            columns that give the label away.
        anomalies: what it does that the table is unlike its frozen reference: `warn`, or `stop` the run.

    Raises:
        DefinitionError: a field comes twice, or `unique` or `labels` names a column without a field.
    """

    fields: tuple[Field, ...]
    unique: tuple[str, ...] = field(default=(), kw_only=True)
    rows: tuple[RowRule | FrameRule, ...] = field(default=(), kw_only=True)
    rows_at_least: int = field(default=1, kw_only=True)
    rules: tuple[Rule, ...] = field(default=(), kw_only=True)
    labels: tuple[str, ...] = field(default=(), kw_only=True)
    strict: bool = field(default=False, kw_only=True)
    sensitive: tuple[str, ...] = field(default=(), kw_only=True)
    outcome: Callable[[], pl.Expr] | None = field(default=None, kw_only=True)
    anomalies: Literal["warn", "stop"] = field(default="warn", kw_only=True)

    def __post_init__(self) -> None:
        for name in ("fields", "unique", "rows", "rules", "labels", "sensitive"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.anomalies not in {"warn", "stop"}:
            raise DefinitionError(f"Schema: anomalies='{self.anomalies}' is neither 'warn' nor 'stop'")
        names = [item.name for item in self.fields]
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(f"Schema: field '{name}' is declared {names.count(name)} times")
        for where, wanted in (("unique", self.unique), ("labels", self.labels), ("sensitive", self.sensitive)):
            for name in wanted:
                if name not in names:
                    raise DefinitionError(
                        f"Schema: {where} names '{name}', which has no field", hint=did_you_mean(name, names)
                    )

    @classmethod
    def from_pandera(cls, model: Any, **more: Any) -> Schema:
        """Read a pandera model or schema for Polars; see `headrace.validation.pandera_models`.

        Args:
            model: a `pandera.polars.DataFrameModel` class or a `DataFrameSchema`.
            more: what pandera cannot say: `rules`, `labels`, `rows_at_least`, more `rows`.

        Raises:
            DefinitionError: it is neither, or a column has a type that tables do not hold.
        """
        from headrace.validation.pandera_models import read_model

        return read_model(model, **more)

    @property
    def dtypes(self) -> dict[str, str]:
        """Column types by name: what `ingest(schema=...)` and the feature planner take."""
        return {item.name: item.dtype for item in self.fields}

    def to_json(self) -> dict[str, Any]:
        """JSON data; a rule that is code is described by the digest of its source."""
        return {
            "fields": [asdict(item) | {"allowed": list(item.allowed)} for item in self.fields],
            "unique": list(self.unique),
            "rows": [
                {"name": rule.name, "severity": rule.severity, "column": rule.column, "source": _source(rule.holds)}
                for rule in self.rows
            ],
            "rows_at_least": self.rows_at_least,
            "rules": [_rule(rule) for rule in self.rules],
            "labels": list(self.labels),
            "strict": self.strict,
            "sensitive": list(self.sensitive),
            "outcome": _source(self.outcome) if self.outcome is not None else None,
            "anomalies": self.anomalies,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form."""
        return digest_json(self.to_json())


def as_schema(declared: Any) -> Schema:
    """A schema as it is, or read from a pandera model.

    Raises:
        DefinitionError: it is neither.
    """
    return declared if isinstance(declared, Schema) else Schema.from_pandera(declared)


def _rule(rule: Rule) -> dict[str, Any]:
    return {"kind": type(rule).__name__} | {name: _plain(value) for name, value in vars(rule).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}s"
    if isinstance(value, tuple):
        return list(value)
    return _source(value) if callable(value) else value


def _source(holds: Callable[..., Any]) -> str:
    described = getattr(holds, "described", None)  # a rule that was read from elsewhere says what it is
    if isinstance(described, str):
        return digest_bytes(described.encode())
    try:
        return digest_bytes(inspect.getsource(holds).encode())
    except (OSError, TypeError):
        return repr(holds())
