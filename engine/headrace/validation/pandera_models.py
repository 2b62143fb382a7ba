"""pandera's Polars models as a way to declare a schema.

What a model says in pandera's own words (types, nullability, ranges, allowed values, patterns, lengths, uniqueness)
becomes fields and row rules of one pass; checks that are functions are called as pandera calls them and become frame
rules. pandera's own `validate` is not run. What pandera cannot say (severity, unit, share of nulls) stands in a field's
`metadata={"headrace": {...}}`, and whole-table rules are given to `Schema.from_pandera`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.validation.fields import Field, FrameRule, RowRule, Severity
from headrace.validation.schema import Schema

if TYPE_CHECKING:
    import polars as pl

_METADATA = ("severity", "unit", "null_share_at_most")


def read_model(model: Any, **more: Any) -> Schema:
    """Make a schema of a pandera model; see `Schema.from_pandera`.

    A check or column with `raise_warning=True` has severity `warn`; others quarantine, unless metadata says otherwise.

    Raises:
        DefinitionError: not a pandera model, a type that tables do not hold, a pattern for column names, or metadata
            that is not known.
    """
    schema = model.to_schema() if hasattr(model, "to_schema") else model
    if not hasattr(schema, "columns") or not hasattr(schema, "checks"):
        raise DefinitionError(
            f"{model!r} is no pandera model", hint="give a pandera.polars.DataFrameModel or a DataFrameSchema"
        )
    fields: list[Field] = []
    rows: list[RowRule | FrameRule] = []
    for name, column in schema.columns.items():
        field, rules = _column(str(name), column)
        fields.append(field)
        rows += rules
    rows += [_function(check, "*", "", _severity(check, "quarantine")) for check in schema.checks]
    unique = schema.unique or ()
    return Schema(
        tuple(fields),
        unique=(unique,) if isinstance(unique, str) else tuple(unique),
        rows=(*rows, *more.pop("rows", ())),
        strict=bool(schema.strict) and schema.strict != "filter",
        **more,
    )


def _column(name: str, column: Any) -> tuple[Field, list[RowRule | FrameRule]]:
    where = f"pandera column '{name}'"
    if column.regex:
        raise DefinitionError(f"{where}: a pattern for column names is not supported; name each column")
    metadata = dict((column.metadata or {}).get("headrace", {}))
    for key in metadata:
        if key not in _METADATA:
            raise DefinitionError(f"{where}: metadata '{key}' is not known", hint=did_you_mean(key, _METADATA))
    severity: Severity = metadata.pop("severity", "quarantine")
    said: dict[str, Any] = {}
    rules: list[RowRule | FrameRule] = []
    dtype = _dtype(column.dtype, where)
    for check in column.checks:
        own = _severity(check, severity)
        attributes = _attributes(check, dtype) if own == severity else None
        if attributes is not None and not set(attributes) & set(said):
            said |= attributes
        else:
            rules.append(_rule(check, name, own))
    field = Field(
        name,
        dtype,
        nullable=bool(column.nullable),
        unique=bool(column.unique),
        required=bool(column.required),
        severity=severity,
        **said,
        **metadata,
    )
    return field, rules


def _dtype(dtype: Any, where: str) -> str:
    import polars as pl

    from headrace.data.types import dtype_name

    polars = getattr(dtype, "type", None)
    if polars is None:
        raise DefinitionError(f"{where} has no type; tables hold bool, int64, float64, string, timestamp")
    found = dtype_name(pl.Series([], dtype=polars).to_arrow().type)
    if found is None:
        hint = 'write pl.Datetime("us", "UTC")' if polars == pl.Datetime else None
        raise DefinitionError(f"{where}: {polars} is no type that tables hold", hint=hint)
    return found


def _attributes(check: Any, dtype: str) -> dict[str, Any] | None:
    """What a built-in check is called in a Field; None where a Field cannot say it."""
    if not _built_in(check):
        return None
    given = dict(check.statistics)
    numeric = dtype in ("int64", "float64")
    closed = given.get("include_min", True) and given.get("include_max", True)
    names = {
        "greater_than_or_equal_to": {"min_value": "min"} if numeric else None,
        "less_than_or_equal_to": {"max_value": "max"} if numeric else None,
        "in_range": {"min_value": "min", "max_value": "max"} if numeric and closed else None,
        "isin": {"allowed_values": "allowed"},
        "str_length": {"min_value": "min_length", "max_value": "max_length"}
        if given.get("exact_value") is None
        else None,
    }.get(check.name)
    if names is None:
        return None
    said = {ours: given[theirs] for theirs, ours in names.items()}
    return said | {"allowed": tuple(said["allowed"])} if "allowed" in said else said


def _rule(check: Any, column: str, severity: Severity) -> RowRule | FrameRule:
    given = check.statistics or {}
    makers = _EXPRESSIONS.get(check.name or "")
    if makers is None or not _built_in(check):
        return _function(check, column, column, severity)
    return RowRule(_words(check), _BuiltIn(check.name, column, tuple(given.items())), severity=severity, column=column)


@dataclass(frozen=True)
class _BuiltIn:
    """A built-in check as an expression."""

    name: str
    column: str
    given: tuple[tuple[str, Any], ...]

    def __call__(self) -> pl.Expr:
        import polars as pl

        holds: pl.Expr = _EXPRESSIONS[self.name](pl.col(self.column), dict(self.given))
        return holds

    @property
    def described(self) -> str:
        """For the schema's digest."""
        return repr(self)


_EXPRESSIONS: dict[str, Any] = {
    "greater_than": lambda value, given: value > given["min_value"],
    "greater_than_or_equal_to": lambda value, given: value >= given["min_value"],
    "less_than": lambda value, given: value < given["max_value"],
    "less_than_or_equal_to": lambda value, given: value <= given["max_value"],
    "equal_to": lambda value, given: value == given["value"],
    "not_equal_to": lambda value, given: value != given["value"],
    "notin": lambda value, given: ~value.is_in(list(given["forbidden_values"])),
    "isin": lambda value, given: value.is_in(list(given["allowed_values"])),
    "str_matches": lambda value, given: value.str.contains(_anchored(given["pattern"])),
    "str_contains": lambda value, given: value.str.contains(_text(given["pattern"])),
    "str_startswith": lambda value, given: value.str.starts_with(given["string"]),
    "str_endswith": lambda value, given: value.str.ends_with(given["string"]),
}


def _built_in(check: Any) -> bool:
    """Whether pandera itself made the check: then its statistics say what it asks."""
    return not check.native and not check.element_wise and bool(check.statistics)


def _text(pattern: Any) -> str:
    return str(getattr(pattern, "pattern", pattern))


def _anchored(pattern: Any) -> str:
    """Pandera matches from the beginning, not to the end."""
    text = _text(pattern)
    return text if text.startswith("^") else f"^(?:{text})"


def _words(check: Any) -> str:
    given = ", ".join(f"{value}" for value in (check.statistics or {}).values() if value is not None)
    return f"{check.name}({given})" if given else str(check.name)


def _severity(check: Any, otherwise: Severity) -> Severity:
    return "warn" if check.raise_warning else otherwise


def _function(check: Any, key: str, column: str, severity: Severity) -> FrameRule:
    return FrameRule(check.name or "check", _Called(check, key), severity=severity, column=column)


@dataclass(frozen=True)
class _Called:
    """A check that is a function, called as pandera calls it."""

    check: Any
    key: str

    def __call__(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        from pandera.backends.polars.checks import PolarsCheckBackend

        output: pl.LazyFrame = PolarsCheckBackend(self.check)(frame, self.key).check_output
        return output

    @property
    def described(self) -> str:
        """For the schema's digest: names and statistics; pandera wraps the function's source away."""
        return f"{self.check.name} {self.key} {self.check.statistics}"
