"""Append-only tables, by triggers that hold for any client of the database."""

from __future__ import annotations

import sqlalchemy as sa

_REFUSE = "headrace_refuse_change"
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_REFUSE}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def forbid_changes(table: sa.Table) -> None:
    """Make a table append-only: triggers refuse UPDATE and DELETE from any client of the database.

    SQLite: `INSERT OR REPLACE` deletes the row it replaces without firing a delete trigger, so an insert trigger
    refuses a row whose primary key, or other unique columns, are there already. PostgreSQL: TRUNCATE is refused too,
    and `ON CONFLICT DO UPDATE` is an update.
    """
    for name, body in _sqlite_triggers(table):
        _after_create(table, f"CREATE TRIGGER IF NOT EXISTS {table.name}_{name} {body}", "sqlite")
    _after_create(table, _FUNCTION, "postgresql")
    for name, moment, each in (
        ("no_change", "BEFORE UPDATE OR DELETE", "ROW"),
        ("no_truncate", "BEFORE TRUNCATE", "STATEMENT"),
    ):
        trigger = f"{moment} ON {table.name} FOR EACH {each} EXECUTE FUNCTION {_REFUSE}()"
        _after_create(table, f"CREATE OR REPLACE TRIGGER {table.name}_{name} {trigger}", "postgresql")


def _sqlite_triggers(table: sa.Table) -> list[tuple[str, str]]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    unique = [one for one in table.constraints if isinstance(one, sa.PrimaryKeyConstraint | sa.UniqueConstraint)]
    same = sorted(" AND ".join(f"{column.name} = NEW.{column.name}" for column in one.columns) for one in unique)
    occupied = f"EXISTS (SELECT 1 FROM {table.name} WHERE {' OR '.join(same)})"  # noqa: S608  names from code
    return [
        ("no_update", f"BEFORE UPDATE ON {table.name} {refuse}"),
        ("no_delete", f"BEFORE DELETE ON {table.name} {refuse}"),
        ("no_replace", f"BEFORE INSERT ON {table.name} WHEN {occupied} {refuse}"),
    ]


def _after_create(table: sa.Table, statement: str, dialect: str) -> None:
    ddl = sa.DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
    sa.event.listen(table, "after_create", ddl)
