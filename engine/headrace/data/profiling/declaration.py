"""A proposed schema as Python source, to be read, changed and put into a project file."""

from __future__ import annotations

import re

from headrace.data.profiling.proposal import FieldProposal, SchemaProposal

_WIDTH = 120


def python_source(proposal: SchemaProposal, name: str) -> str:
    """Source of a module that declares the proposed schema.

    Args:
        proposal: what to declare.
        name: of the table; the variable is called after it.
    """
    variable = re.sub(r"\W", "_", name).strip("_").lower() or "table"
    variable = variable if variable[0].isalpha() else f"table_{variable}"
    source = f" of {_comment(proposal.source)}" if proposal.source else ""
    lines = [f'"""Proposed from {proposal.rows:,} rows{source}. A range says what came: review every line."""', ""]
    if proposal.keys:
        lines += [*_wrapped(f"Columns that may be a key: {', '.join(map(_comment, proposal.keys))}."), ""]
    lines += [
        line
        for column, why in proposal.left_out
        for line in _wrapped(f"Left out: {_comment(column)}, because {_comment(why)}.")
    ]
    lines += ["", "import headrace as hr", "", f"{variable}_schema = hr.Schema(", "    fields=("]
    for item in proposal.fields:
        lines += [f"        {line}" for line in _field(item)]
    lines += ["    ),", f"    rows_at_least={proposal.rows_at_least:_},", ")", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _field(item: FieldProposal) -> list[str]:
    settings = [f"{name}={_literal(value)}" for name, value in item.settings().items()]
    line = f"hr.Field({', '.join([_literal(item.name), _literal(item.dtype), *settings])}),"
    noted = f"{line}  # {_comment(item.note)}" if item.note else line
    if len(noted) + 8 <= _WIDTH:
        return [noted]
    above = [f"# {_comment(item.note)}"] if item.note else []
    if len(line) + 8 <= _WIDTH:
        return [*above, line]
    parts = [_literal(item.name), _literal(item.dtype)]
    return [*above, "hr.Field(", f"    {', '.join(parts)},", *_settings(item), "),"]


def _settings(item: FieldProposal) -> list[str]:
    lines = []
    for name, value in item.settings().items():
        line = f"    {name}={_literal(value)},"
        if name == "allowed" and len(line) + 8 > _WIDTH:
            lines += ["    allowed=(", *(f"        {_literal(entry)}," for entry in value), "    ),"]
        else:
            lines.append(line)
    return lines


def _literal(value: object) -> str:
    if isinstance(value, str):
        quoted = ascii(value) if not value.isprintable() else repr(value)
        return '"' + quoted[1:-1].replace("\\'", "'") + '"' if '"' not in quoted else quoted
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:_}"
    return repr(value)


def _comment(text: str) -> str:
    """Text that stays on its line, and inside of a docstring."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable.replace("\\", "/").replace('"', "'")


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
