"""What the program sends to the server, taken down and sent again by one bare psycopg2 connection."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple
from unittest import mock

import psycopg2
import psycopg2.extensions
import psycopg2.extras

import database
from tracker.cursor import Cursor


class Statement(NamedTuple):
    """One statement: its text and parameters, whether it only read, the first row it returned, and whether a COMMIT of
    its own followed.
    """

    text: Any
    parameters: Any
    reads: bool
    row: dict[str, Any] | None = None
    committed: bool = False


class Recorder(Cursor):
    """The program's cursor, which writes down what passes through it."""

    statements: ClassVar[list[Statement]] = []

    def execute(self, query: Any, parameters: Any = None) -> None:
        super().execute(query, parameters)
        self.statements.append(Statement(query, parameters, bool(self.connection.readonly)))

    def fetchone(self) -> dict[str, Any] | None:
        row = super().fetchone()
        self.statements[-1] = self.statements[-1]._replace(row=row)
        return row


@contextmanager
def _recording() -> Iterator[list[Statement]]:
    with database.reading() as cur:
        conn = cur.connection
    usual, conn.cursor_factory = conn.cursor_factory, Recorder
    Recorder.statements = []
    try:
        yield Recorder.statements
    finally:
        conn.cursor_factory = usual


def statements_of(work: Callable[[], object]) -> list[Statement]:
    """Return what work sends to the server; what it writes is rolled back."""
    with _recording() as statements, mock.patch.object(database, "_commit", _roll_back):
        work()
    return statements


def _roll_back(conn: psycopg2.extensions.connection) -> None:
    conn.rollback()
    Recorder.statements[-1] = Recorder.statements[-1]._replace(committed=True)


def replay(conn: psycopg2.extensions.connection, statements: list[Statement]) -> None:
    """Send statements as the program did, in as many transactions; IDs that come out new go into what follows."""
    changed: dict[tuple[str, Any], Any] = {}
    with conn.cursor() as cur:
        for statement in statements:
            if statement.reads != conn.autocommit:
                conn.autocommit = statement.reads
            cur.execute(statement.text, _with_new_ids(statement.parameters, changed))
            rows = cur.fetchall() if cur.description else []
            if rows and statement.row:
                names = [column.name for column in cur.description]
                changed.update({(name, statement.row[name]): value for name, value in zip(names, rows[0])
                                if name.endswith("_id")})
            if statement.committed:
                conn.commit()


def _with_new_ids(parameters: Any, changed: dict[tuple[str, Any], Any]) -> Any:
    if not isinstance(parameters, dict):
        return parameters
    return {name: _new_id(name, value, changed) for name, value in parameters.items()}


def _new_id(name: str, value: Any, changed: dict[tuple[str, Any], Any]) -> Any:
    return changed.get((name, value), value) if name.endswith("_id") else value
