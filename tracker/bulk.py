"""Many rows at once, by the tables' owner: without triggers, and with keys and indexes that are made afterwards."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg2.sql import SQL, Identifier

from tracker.cursor import Cursor


@contextmanager
def without_triggers(cur: Cursor, tables: Sequence[str]) -> Iterator[None]:
    """Load rows that already say what the triggers would compute; foreign keys are looked at as ever."""
    for table in tables:
        cur.execute(SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(Identifier(table)))
    yield
    for table in tables:
        cur.execute(SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(Identifier(table)))


@contextmanager
def indexes_later(cur: Cursor, tables: Sequence[str], say: Callable[[int, int], object]) -> Iterator[None]:
    """Drop keys and indexes, and make them again after the block, which checks every row.

    say is told how many of how many are made before each.
    """
    rules = _rules(cur, tables)
    cur.execute("SET LOCAL maintenance_work_mem = '512MB'; SET LOCAL work_mem = '128MB'")
    for rule in reversed(rules):
        cur.execute(rule["drop_it"])
    yield
    for place, rule in enumerate(rules):
        say(place, len(rules))
        cur.execute(rule["make_it"])


def _rules(cur: Cursor, tables: Sequence[str]) -> list[Any]:
    """Return the statements that drop and make each key and index, keys that others refer to first."""
    cur.execute(
        """
        SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname) AS drop_it,
               format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s',
                      conrelid::regclass, conname, pg_get_constraintdef(oid))            AS make_it,
               CASE contype WHEN 'f' THEN 3 ELSE 1 END                                  AS step,
               conname                                                                  AS name
        FROM pg_constraint
        WHERE conrelid = ANY (%(tables)s::regclass[]) AND contype IN ('p', 'u', 'f')
           OR confrelid = ANY (%(tables)s::regclass[])
        UNION ALL
        SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid), 2,
               indexrelid::regclass::name
        FROM pg_index
        WHERE indrelid = ANY (%(tables)s::regclass[])
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        ORDER BY step, name
        """,
        {"tables": list(tables)},
    )
    return cur.fetchall()
