"""Each action of the menus that adds, updates or deletes, run as the administrator would, beside its bare SQL."""
from __future__ import annotations

import contextlib
import io
import itertools
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest import mock

import psycopg2.extensions

import database
import main
from benchmarks.measure import Missing, Row, median, seconds_of
from benchmarks.replay import replay, statements_of
from benchmarks.screens import Timing, growth_rows, in_turns
from benchmarks.server import Server
from tracker.errors import WrongAnswer
from tracker.terminal import menus


class Records(NamedTuple):
    """Records made for one action to work on."""

    customer_id: int
    location_id: int
    service_id: int
    equipment_id: int
    billing_id: int


class Action(NamedTuple):
    """An entry of the menus by the digits that lead there, and what is typed into its form for records."""

    name: str
    digits: str
    answers: Callable[[Records, int], list[object]]


ACTIONS = [
    Action("add customer", "11", lambda at, n: [f"Benchmark new {n}", f"+999 123{n:06}"]),
    Action("update customer", "13", lambda at, n: [at.customer_id, f"Benchmark again {n}", "", "", ""]),
    Action("delete customer", "14", lambda at, n: [at.customer_id, "yes"]),
    Action("add location", "21", lambda at, n: [at.customer_id, f"{n} New Street"]),
    Action("update location", "23", lambda at, n: [f"location {at.location_id}", f"{n} Newer Street"]),
    Action("delete location", "24", lambda at, n: [f"location {at.location_id}", "yes"]),
    Action("add service", "31", lambda at, n: [f"location {at.location_id}", "Fibre 300", "39.90", ""]),
    Action("update service", "33", lambda at, n: [f"service {at.service_id}", f"Fibre {n}", "29.90", ""]),
    Action("delete service", "34", lambda at, n: [f"service {at.service_id}", "yes"]),
    Action("add equipment", "41",
           lambda at, n: [f"location {at.location_id}", "Router AX3000", f"BENCH-{n}", "89.00"]),
    Action("update equipment", "43",
           lambda at, n: [f"equipment {at.equipment_id}", "Router AX6000", f"BENCH-{n}", "99.00"]),
    Action("delete equipment", "44", lambda at, n: [f"equipment {at.equipment_id}", "yes"]),
    Action("add bill", "52", lambda at, n: [at.customer_id, f"Installation {n}", "49.00", "2199-01-15"]),
    Action("update bill", "54", lambda at, n: [f"bill {at.billing_id}", f"Visit {n}", "59.00", "2199-02-15"]),
    Action("delete bill", "55", lambda at, n: [f"bill {at.billing_id}", "yes"]),
]

numbers = itertools.count(1)


def action_rows(server: Server, large: str, small: str, samples: int) -> list[Row]:
    """Time each action on the large database, and how its slowest grow from the small one."""
    in_large, in_small = in_turns(server, (large, small), samples, timed_actions)
    rows = [Row(name, median(timing.ours), median(timing.bare), 1.3) for name, timing in in_large.items()]
    return [*rows, *growth_rows(in_large, in_small)]


def timed_actions(conn: psycopg2.extensions.connection, samples: int) -> dict[str, Timing]:
    """Time every action on the database that is open, which is left as it was."""
    try:
        return {action.name: timed_action(conn, action, samples) for action in ACTIONS}
    finally:
        clear()


def timed_action(conn: psycopg2.extensions.connection, action: Action, samples: int) -> Timing:
    """Run an action and its bare SQL in turn, each time on records of their own; the first time does not count."""
    timing = Timing([], [])
    for sample in range(samples + 1):
        ours = partial(choose, action.digits, action.answers(make_records(), next(numbers)))
        bare = partial(choose, action.digits, action.answers(make_records(), next(numbers)))
        took = seconds_of(ours), seconds_of(partial(replay, conn, statements_of(bare)))
        if sample:
            timing.ours.append(took[0])
            timing.bare.append(took[1])
    return timing


def make_records() -> Records:
    """Add a customer with a site, a service and a device, and a bill of another, whom nobody could delete."""
    with database.transaction() as cur:
        cur.execute(
            """
            WITH customer AS (
                INSERT INTO customers (name, phone_number)
                VALUES ('Benchmark', '000')
                RETURNING customer_id
            ), location AS (
                INSERT INTO locations (customer_id, address)
                SELECT customer_id, 'Benchmark Street' FROM customer
                RETURNING location_id
            ), service AS (
                INSERT INTO services (location_id, service_name, cost)
                SELECT location_id, 'Fibre 100', 29.90 FROM location
                RETURNING service_id
            ), device AS (
                INSERT INTO equipment (location_id, equipment_name, cost)
                SELECT location_id, 'Router', 89.00 FROM location
                RETURNING equipment_id
            ), payer AS (
                INSERT INTO customers (name, phone_number)
                VALUES ('Benchmark 0', '000')
                RETURNING customer_id
            ), bill AS (
                INSERT INTO billing (customer_id, description, due_date, amount_billed)
                SELECT customer_id, 'Benchmark', DATE '2199-01-01', 49.00 FROM payer
                RETURNING billing_id
            ), item AS (
                INSERT INTO billing_items (billing_id, description, amount)
                SELECT billing_id, 'Benchmark', 49.00 FROM bill
            )
            SELECT customer_id, location_id, service_id, equipment_id, billing_id
            FROM customer, location, service, device, bill
            """
        )
        records = Records(**cur.fetchone())
        cur.execute(
            "UPDATE customers SET name = 'Benchmark ' || customer_id WHERE customer_id = %(customer_id)s",
            {"customer_id": records.customer_id},
        )
        return records


def clear() -> None:
    """Delete the records that were made, which are those of the last customers called Benchmark."""
    with database.transaction() as cur:
        database.be_patient(cur)
        cur.execute(
            """
            CREATE TEMPORARY TABLE made ON COMMIT DROP AS
            SELECT customer_id
            FROM customers
            WHERE name LIKE 'Benchmark %'
            """
        )
        cur.execute("DELETE FROM billing WHERE customer_id IN (SELECT customer_id FROM made)")
        cur.execute("DELETE FROM customers WHERE customer_id IN (SELECT customer_id FROM made)")


def choose(digits: str, answers: list[object]) -> None:
    """Run the action that the digits lead to, on answers; raise Missing when it complains."""
    label, action = entry(digits)
    typed = io.StringIO("".join(f"{answer}\n" for answer in answers))
    complaints = io.StringIO()
    with mock.patch.object(sys, "stdin", typed), contextlib.redirect_stdout(io.StringIO()), \
            contextlib.redirect_stderr(complaints):
        try:
            menus.run_action(label, action)
        except WrongAnswer as exc:
            raise Missing(f"{label} said: {exc}") from exc
    if complaints.getvalue():
        raise Missing(f"{label} said: {complaints.getvalue().strip()}")


def entry(digits: str) -> tuple[str, Callable[[], None]]:
    """Return an entry of the menus, by the digits that are pressed."""
    menu = main.MAIN_MENU
    for digit in digits[:-1]:
        menu = menu.entries[digit][1]
    return menu.entries[digits[-1]]
