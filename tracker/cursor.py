"""The cursor that runs the program's statements."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg2.extras import RealDictCursor
from psycopg2.sql import Composable

from tracker import interrupts, log
from tracker.errors import Conflict

Row = dict[str, Any]
Record = TypeVar("Record")


def only(row: Record | None) -> Record:
    """Return the row of a statement that always has one."""
    if row is None:
        raise LookupError("The statement gave no row.")
    return row


class Cursor(RealDictCursor):
    """A cursor that Ctrl-C can stop before each statement and each row, and that logs what takes long."""

    statement = ""  # without its values, for the log

    def execute(self, query: str | bytes | Composable, vars: Any = None) -> None:
        with self._logged(query):
            super().execute(query, vars)

    def copy_expert(self, sql: str | bytes | Composable, file: Any, size: int = 8192) -> None:
        with self._logged(sql):
            super().copy_expert(sql, file, size)

    @contextmanager
    def _logged(self, statement: str | bytes | Composable) -> Iterator[None]:
        interrupts.check()
        self.statement = statement if isinstance(statement, str) else "a statement put together, with its values"
        started = time.monotonic()
        try:
            yield
        except UnicodeEncodeError as exc:
            raise Conflict("Text may not hold invalid characters.") from exc
        except ValueError as exc:
            if "NUL" not in str(exc):  # psycopg2's word for it
                raise
            raise Conflict("Text may not hold NUL.") from exc
        log.slow(self.statement, time.monotonic() - started)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        started: float | None = time.monotonic()
        for row in super().__iter__():
            if started is not None:  # of a server-side cursor the first row tells how long the query took
                log.slow(self.statement, time.monotonic() - started)
                started = None
            interrupts.check()
            yield row

    def row(self) -> Row:
        """Return the next row of a statement that always has one."""
        return dict(only(self.fetchone()))


def be_patient(cur: Cursor) -> None:
    """Lift the time limits for the rest of this transaction; Ctrl-C still ends it."""
    cur.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
