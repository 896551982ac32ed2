"""The cursor that runs the program's statements."""
from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg2.extras import RealDictCursor
from psycopg2.sql import Composable

from tracker import interrupts, log
from tracker.errors import Conflict

LOCK_PATIENCE = 300  # seconds that long work waits for whoever holds what it needs
Row = dict[str, Any]
Record = TypeVar("Record")


def only(row: Record | None) -> Record:
    """Return the row of a statement that always has one."""
    if row is None:
        raise LookupError("The statement gave no row.")
    return row


@contextmanager
def _unsaid() -> Iterator[None]:
    """Log what psycopg2 reports as if nobody had caught it, when a server dies in a COPY: then it raises another."""
    hook, sys.excepthook = sys.excepthook, lambda kind, fault, trace: log.note(f"In a COPY: {kind.__name__}")
    try:
        yield
    finally:
        sys.excepthook = hook


class Cursor(RealDictCursor):
    """A cursor that Ctrl-C can stop before each statement and each row, and that logs what takes long."""

    connection: interrupts.Connection
    statement = ""  # without its values, for the log

    def execute(self, query: str | bytes | Composable, vars: Any = None) -> None:
        with self._logged(query):
            super().execute(query, vars)

    def copy_expert(self, sql: str | bytes | Composable, file: Any, size: int = 8192) -> None:
        with self._logged(sql), _unsaid():
            super().copy_expert(sql, file, size)

    @contextmanager
    def _logged(self, statement: str | bytes | Composable) -> Iterator[None]:
        interrupts.check()
        self.statement = statement if isinstance(statement, str) else "a statement put together, with its values"
        started = time.monotonic()
        try:
            with self.connection.waiting():
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
        for row in self._rows():
            if started is not None:  # of a server-side cursor the first row tells how long the query took
                log.slow(self.statement, time.monotonic() - started)
                started = None
            interrupts.check()
            yield row

    def _rows(self) -> Iterator[Any]:
        """Yield the rows; those of a server-side cursor as they are fetched, which may wait for the server."""
        if not self.name:
            yield from super().__iter__()
            return
        while rows := self._fetched():
            yield from rows

    def _fetched(self) -> list[Any]:
        with self.connection.waiting():
            return self.fetchmany(self.itersize)

    def close(self) -> None:
        with self.connection.waiting():  # of a server-side cursor, which tells the server
            super().close()

    def row(self) -> Row:
        """Return the next row of a statement that always has one."""
        return dict(only(self.fetchone()))


def be_patient(cur: Cursor) -> None:
    """Lift the time limits for the rest of this transaction, but for a longer one of locks; Ctrl-C still ends it."""
    cur.execute(
        f"""
        SET LOCAL statement_timeout = 0;
        SET LOCAL lock_timeout = '{LOCK_PATIENCE}s';
        SELECT pg_backend_pid() AS pid
        """
    )
    cur.connection.be_patient(cur.row()["pid"])
