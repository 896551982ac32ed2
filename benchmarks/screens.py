"""Screens: the late report, an account, and the searches, beside one bare connection and Django's admin."""
from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import psycopg2
import psycopg2.extensions

import database
from benchmarks import peers
from benchmarks.measure import Missing, Peer, Row, alternate, median, p95, run, seconds_of
from benchmarks.replay import replay, statements_of
from benchmarks.server import Server, psql
from tracker import reports
from tracker.terminal import screens as screens_of
from tracker.terminal import tables

TURNS = 4
PAGE = 21  # the rows that a terminal of 24 lines asks for
dice = random.Random(1)
PLAIN_LATE_REPORT = """
    SELECT customers.customer_id, name, phone_number, sum(amount_due) AS amount_late, min(due_date) AS oldest_due_date,
           CURRENT_DATE - min(due_date) AS days_late, max(last_payment_date) AS last_payment_date
    FROM customers
    JOIN billing ON billing.customer_id = customers.customer_id
    WHERE amount_due > 0 AND due_date < CURRENT_DATE
    GROUP BY customers.customer_id, name, phone_number
    ORDER BY oldest_due_date, customers.customer_id
    LIMIT 100
"""


class Screen(NamedTuple):
    """Something that is shown for an ID or a term: its name, what asks and formats it, and what it is asked for."""

    name: str
    show: Callable[[Any], object]
    asked: Sequence[Any]


class Timing(NamedTuple):
    """How long a screen took each time, through the program and through one bare connection."""

    ours: list[float]
    bare: list[float]


@contextmanager
def opened(server: Server, dbname: str) -> Iterator[psycopg2.extensions.connection]:
    """Open a database for the program, and lend a bare connection to it."""
    database.connect(server.uri(dbname))
    conn = psycopg2.connect(server.uri(dbname))
    try:
        yield conn
    finally:
        conn.close()
        database.disconnect()


def late_report(server: Server, dbname: str, runs: int) -> list[Row]:
    """Time the late report's first page, beside the same SQL in psql and the query that joins before it groups."""
    with opened(server, dbname):
        (statement,) = statements_of(lambda: reports.late_customers(None, PAGE))
        with psycopg2.connect(server.uri(dbname)) as conn, conn.cursor() as cur:
            same = cur.mogrify(statement.text, statement.parameters).decode()
        conn.close()

        def page() -> object:
            return tables.table(screens_of.LATE, reports.late_customers(None, PAGE))

        page()
        ours, bare, plain = alternate(
            runs,
            lambda: seconds_of(page),
            lambda: in_psql(server, dbname, same),
            lambda: in_psql(server, dbname, PLAIN_LATE_REPORT),
        )
    query = Peer("the plain join-then-group query", median(plain))
    return [Row("late report, first page", median(ours), median(bare), 1.3, [query])]


def in_psql(server: Server, dbname: str, statement: str) -> float:
    """Return how long a statement takes by psql's own clock, its second time in a session."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\o /dev/null\n{statement};\n\\timing on\n{statement};\n")
        script.flush()
        done = run([psql(), "-X", "-q", "-f", script.name, server.uri(dbname)])
    found = re.findall(r"Time: ([0-9.]+) ms", done.output)
    if not found:
        raise Missing(f"psql said {done.output[:100]!r}")
    return float(found[-1]) / 1000


def screens(samples: int) -> list[Screen]:
    """Choose what to ask of the open database: customers from all over it, and parts of what they are called."""
    with database.reading() as cur:
        cur.execute(
            """
            SELECT customer_id, name, phone_number
            FROM customers
            WHERE customer_id IN (
                SELECT greatest(1, (highest * share)::bigint)
                FROM (SELECT max(customer_id) AS highest FROM customers) AS customer
                CROSS JOIN unnest(%(shares)s::float8[]) AS share
            )
            ORDER BY customer_id
            """,
            {"shares": [dice.random() for _ in range(samples)]},
        )
        rows = cur.fetchall()
    parts = [row["name"][place % 3:place % 3 + 4 + place % 4].strip() for place, row in enumerate(rows)]
    return [
        Screen("account screen", account, [row["customer_id"] for row in rows]),
        Screen("search by part of a name", search, [part for part in parts if len(part) >= 3]),
        Screen("search by phone", search, [row["phone_number"] for row in rows]),
    ]


def account(customer_id: int) -> object:
    return "\n".join(screens_of.account_lines(reports.get_account(customer_id)))


def search(term: str) -> object:
    return tables.table(screens_of.CUSTOMERS, database.find_customers(term).rows)


def screen_rows(server: Server, large: str, small: str, samples: int) -> list[Row]:
    """Time the screens on the large database, and how their slowest grow from the small one."""
    in_large, in_small = in_turns(server, (large, small), samples, timed_screens)
    pages = admin_pages(server, large, samples)
    rows = [
        Row(name, median(timing.ours), median(timing.bare), 1.3, [pages[name]]) for name, timing in in_large.items()
    ]
    return [*rows, *growth_rows(in_large, in_small)]


def in_turns(
    server: Server, dbnames: Sequence[str], samples: int,
    measure: Callable[[psycopg2.extensions.connection, int], dict[str, Timing]],
) -> list[dict[str, Timing]]:
    """Measure on each database in turn, a part of the samples at a time, so that all see the same machine."""
    results: list[dict[str, Timing]] = [{} for _ in dbnames]
    for _ in range(TURNS):
        for result, dbname in zip(results, dbnames):
            with opened(server, dbname) as conn:
                for name, timing in measure(conn, -(-samples // TURNS)).items():
                    known = result.setdefault(name, Timing([], []))
                    known.ours.extend(timing.ours)
                    known.bare.extend(timing.bare)
    return results


def timed_screens(conn: psycopg2.extensions.connection, samples: int) -> dict[str, Timing]:
    """Time every screen for everything it is asked for."""
    return {screen.name: timed_screen(conn, screen) for screen in screens(samples)}


def timed_screen(conn: psycopg2.extensions.connection, screen: Screen) -> Timing:
    screen.show(screen.asked[0])
    timing = Timing([], [])
    for asked in screen.asked:
        statements = statements_of(partial(screen.show, asked))
        timing.bare.append(seconds_of(partial(replay, conn, statements)))
        timing.ours.append(seconds_of(partial(screen.show, asked)))
    return timing


def growth_rows(in_large: dict[str, Timing], in_small: dict[str, Timing]) -> list[Row]:
    """Set the p95 of the large database beside that of the small one."""
    return [
        Row(f"{name}: p95, beside p95 at --small", p95(timing.ours), p95(in_small[name].ours), 1.5)
        for name, timing in in_large.items() if name in in_small
    ]


def admin_pages(server: Server, dbname: str, samples: int) -> dict[str, Peer]:
    """Time the pages of Django's admin that show the same."""
    names = {"account screen": "account", "search by part of a name": "name", "search by phone": "phone"}
    with opened(server, dbname):
        work = {names[screen.name]: list(screen.asked)[:samples] for screen in screens(min(samples, 20))}
    try:
        seconds = peers.django(server, dbname, "pages", json.dumps(work))
    except Missing as exc:
        return {name: Peer("Django admin", None, str(exc)) for name in names}
    return {name: Peer("Django admin", seconds[key]) for name, key in names.items()}
