"""A table's declared shape: its fields, what holds in a row, what holds over the table."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.core.hashing import digest_bytes, digest_json
from headrace.validation.fields import Field, RowRule


@dataclass(frozen=True)
class Schema:
    """What a table must be.

    Attributes:
        fields: one a column that must be there; other columns are let through unchecked.
        unique: columns whose values together come once; every repeating row but the first is quarantined.
        rows: rules within every row.
        rows_at_least: fewer rows fail the table.

    Raises:
        DefinitionError: a field comes twice, or `unique` names a column without a field.
    """

    fields: tuple[Field, ...]
    unique: tuple[str, ...] = field(default=(), kw_only=True)
    rows: tuple[RowRule, ...] = field(default=(), kw_only=True)
    rows_at_least: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("fields", "unique", "rows"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        names = [item.name for item in self.fields]
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(f"Schema: field '{name}' is declared {names.count(name)} times")
        for name in self.unique:
            if name not in names:
                raise DefinitionError(
                    f"Schema: unique names '{name}', which has no field", hint=did_you_mean(name, names)
                )

    @property
    def dtypes(self) -> dict[str, str]:
        """Column types by name: what `ingest(schema=...)` and the feature planner take."""
        return {item.name: item.dtype for item in self.fields}

    def to_json(self) -> dict[str, Any]:
        """JSON data; a row rule is described by the digest of its source."""
        return {
            "fields": [asdict(item) | {"allowed": list(item.allowed)} for item in self.fields],
            "unique": list(self.unique),
            "rows": [{"name": rule.name, "severity": rule.severity, "source": _source(rule)} for rule in self.rows],
            "rows_at_least": self.rows_at_least,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form."""
        return digest_json(self.to_json())


def _source(rule: RowRule) -> str:
    try:
        return digest_bytes(inspect.getsource(rule.holds).encode())
    except (OSError, TypeError):
        return repr(rule.holds())
