"""The program on a day that a test sets: main.py as it is, but that today, on the server, is the day of a calendar.

Run as main.py is. What the program and its schema ask the server for as CURRENT_DATE and now() they ask a table for,
so that a day may be years from the machine's, and goes by when the test says so, while the program runs.
"""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psycopg2.extras

PROJECT = Path(__file__).parents[2]
WORDS = {"CURRENT_DATE": "played.today()", "now()": "played.now()"}
# To be there before the program's schema is.
CALENDAR = """
    CREATE SCHEMA played;
    CREATE TABLE played.calendar (day date NOT NULL, begun_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO played.calendar VALUES ('2000-01-01');
    CREATE FUNCTION played.today() RETURNS date LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    BEGIN
        RETURN (SELECT day FROM played.calendar);
    END
    $$;
    CREATE FUNCTION played.now() RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    BEGIN
        RETURN (SELECT day + (now() - begun_at) FROM played.calendar);
    END
    $$;
"""
NEXT_DAY = "UPDATE played.calendar SET day = %s, begun_at = now()"


def set_up() -> None:
    """Let every statement of the program that this process is ask the calendar."""
    for name in ("execute", "copy_expert"):
        sent = getattr(psycopg2.extras.RealDictCursor, name)

        def send(cur: Any, query: Any, *more: Any, sent: Any = sent) -> Any:
            return sent(cur, played(query) if isinstance(query, str) else query, *more)

        setattr(psycopg2.extras.RealDictCursor, name, send)


def played(statement: str) -> str:
    for word, instead in WORDS.items():
        statement = statement.replace(word, instead)
    return statement


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))
    import main
    set_up()
    main.start()
