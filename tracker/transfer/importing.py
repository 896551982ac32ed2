"""Customers with sites, services and equipment from a CSV file.

An import reads its file once, line by line, straight into a temporary table; there SQL compares the whole of it with
what is stored, and adds and changes what is new. A check and an import are one transaction each, and the file is read
anew for each, so nothing stays open while the administrator decides. Nothing here prints or asks.
"""
from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import psycopg2

import database
from tracker import errors
from tracker.cursor import Cursor, be_patient
from tracker.files import clear, part_of
from tracker.transfer import adding, balances, changes, contents, people
from tracker.transfer.balances import Opening
from tracker.transfer.changes import CHANGED_SINCE, Changes
from tracker.transfer.choices import Choices
from tracker.transfer.people import Alike
from tracker.transfer.reading import Progress, Reader, silent
from tracker.transfer.rejects import is_rejects, put_rejects, rejects_path, settled, write_rejects
from tracker.transfer.sorting import Source, remarks

MOST_TOLD = 3  # of the repeats


class Tally(NamedTuple):
    customers: int
    sites: int
    services: int
    equipment: int


class Repeat(NamedTuple):
    """A line that says what an earlier one says."""

    line: int
    earlier: int


class Statuses(NamedTuple):
    """How many of what is new does not arrive as active, and whose status the administrator should see to.

    paused_without are new customers who are paused and have no service that could be; closed_here_open are those who
    are closed in the file and open here, and first_open the first line, ID and name of them.
    """

    closed: int = 0
    paused: int = 0
    ended: int = 0
    paused_without: int = 0
    closed_here_open: int = 0
    first_open: tuple[tuple[int, int, str], ...] = ()


class Outcome(NamedTuple):
    """What an import adds and changes, what of the file is there already, and why which lines are rejected."""

    new: Tally
    present: Tally
    rejects: dict[int, str]
    hidden: int = 0  # further lines of the rejected ones, which a quotation mark made one with them
    changes: Changes = Changes()
    notes: int = 0
    statuses: Statuses = Statuses()
    opening: Opening = Opening()
    repeated: int = 0
    repeats: tuple[Repeat, ...] = ()  # the first of them
    alike: int = 0  # new customers who may be stored ones
    first_alike: tuple[Alike, ...] = ()
    remarks: tuple[str, ...] = ()  # on lines of the file that are no records, and on those that end early
    rejects_file: Path | None = None
    settled: tuple[tuple[Path, int], ...] = ()  # earlier rejects of which nothing is missing now, and their lines

    @property
    def changed(self) -> Tally:
        """How many records change."""
        found = self.changes
        return Tally(found.customers, found.sites, found.services, found.equipment)

    def rejected(self) -> int:
        """Return how many lines are rejected."""
        return len(self.rejects) + self.hidden

    def does_something(self) -> bool:
        """Tell whether there is anything to import."""
        return bool(any(self.new) or self.changes.counts or self.notes or self.opening.to_make())


class Terms(NamedTuple):
    """What was said of an import beside its file.

    With hold_alike, lines of new customers who may be stored ones are rejected. as_of is the day of opening balances,
    today unless it is given. Where they must_total something, and come to something else, nothing is imported.
    """

    hold_alike: bool = False
    as_of: date | None = None
    must_total: bool = False
    total: Decimal | None = None


USUAL = Terms()


def _refresh_statistics() -> None:
    """Let the server look anew at the tables that an import is compared with, where a fifth of the rows came or went:
    on stale statistics it reads a whole table for each line.

    Outside transactions, because the lock that this takes is held to the end of one.
    """
    with contextlib.suppress(errors.Busy), database.outside_transactions() as cur:
        for table in ("customers", "locations", "services", "equipment"):
            cur.execute(
                f"""
                SELECT 1
                FROM pg_class
                CROSS JOIN (SELECT count(*) AS rows FROM {table}) AS counted
                WHERE pg_class.oid = %(table)s::regclass AND pg_has_role(relowner, 'USAGE')
                  AND abs(rows - reltuples) > 1000 + 0.2 * least(rows, reltuples)
                """,  # noqa: S608 (the tables are named above)
                {"table": table},
            )
            if cur.fetchone():
                cur.execute(f"ANALYZE {table}")


@database.retried
def check(source: Source, choices: Choices, progress: Progress = silent) -> Outcome:
    """Return what an import would do; write nothing."""
    _refresh_statistics()
    with database.rehearsal() as cur:
        be_patient(cur)
        return _compare(cur, source, choices, progress)


@database.retried
def load(
    source: Source,
    choices: Choices,
    confirmed: Outcome | None = None,
    progress: Progress = silent,
    terms: Terms = USUAL,
) -> Outcome:
    """Import a file's good lines, all of them or none, and write the others to a file beside it, named in the outcome.

    Raise Conflict when this is not what was confirmed, because the file or the records have changed since.
    """
    _refresh_statistics()
    clear(rejects_path(source.path))
    with contextlib.ExitStack() as stack:
        with database.transaction() as cur:
            database.take_turn(cur, "import")
            database.give_reason(cur, f"import of {source.path.name}".encode(errors="replace").decode())
            outcome = _compare(cur, source, choices, progress, terms.hold_alike)
            if confirmed is not None and outcome != confirmed:
                raise errors.Conflict(CHANGED_SINCE)
            _check_total(outcome.opening, terms)
            if outcome.rejects:
                part = stack.enter_context(part_of(rejects_path(source.path)))
                write_rejects(source, outcome.rejects, part.file)
            _make(cur, outcome, terms, progress)
        if outcome.rejects:
            return outcome._replace(rejects_file=put_rejects(part, source.path))
        return outcome._replace(settled=settled(source))


def _check_total(opening: Opening, terms: Terms) -> None:
    total = opening.total()
    if terms.must_total and opening.to_make() and total != terms.total:
        given = "" if terms.total is None else f", not {terms.total:.2f}"
        raise errors.BadFile(f"The opening balances come to {total:.2f}{given}; nothing was imported. Where that is "
                             f"right, give --balance-total {total:.2f}.")


def _make(cur: Cursor, outcome: Outcome, terms: Terms, progress: Progress) -> None:
    whole = sum(count for _, count in outcome.changes.counts)
    progress("Changing records", 0, whole)
    changes.make(cur, outcome.changes, lambda count: progress("Changing records", count, whole))
    adding.add(cur, outcome.new, progress)
    if outcome.notes:
        progress("Adding notes", 0, 0)
        adding.add_notes(cur)
    if outcome.opening.to_make():
        progress("Adding opening balances", 0, 0)
        balances.book(cur, outcome.opening, terms.as_of)
    if outcome.statuses.closed:
        progress("Closing accounts", 0, 0)
        adding.close(cur)


def _compare(cur: Cursor, source: Source, choices: Choices, progress: Progress, hold_alike: bool = False) -> Outcome:
    """Read the file into temporary tables, and find what of it is stored already."""
    reader = _stage(cur, source, choices, progress)
    rejects = dict(reader.rejects)
    steps = _steps(choices, is_rejects(source), hold_alike)
    for number, (what, step) in enumerate(steps, 1):
        progress(f"Comparing {what}", number, len(steps) + 1)
        rejects.update(step(cur) or {})
    progress("Comparing the rest", len(steps) + 1, len(steps) + 1)
    return _outcome(cur, choices, dict(sorted(rejects.items())), reader)


Step = Callable[[Cursor], "dict[int, str] | None"]


def _steps(choices: Choices, is_part: bool, hold_alike: bool) -> list[tuple[str, Step]]:
    """Return what is done one after the other, in words, each step of a few hundred thousand lines in a second or two;
    each may take lines out, and says why. is_part tells a file that has only some lines of customers, as rejects do.
    """
    numbered = "customer_id" in choices or "account_number" in choices
    steps: list[tuple[str, Step | None]] = [
        ("line with line", people.find_ways),
        *[("names", functools.partial(people.find_spellings, part=part)) for part in range(people.PARTS)],
        ("persons", people.find_persons),
        *[("persons", functools.partial(people.place_lines, part=part)) for part in range(people.PARTS)],
        ("persons", people.reject_contradictions if numbered else None),
        ("account numbers", people.find_known),
        ("customers", people.find_stored),
        ("names and phone numbers", people.find_alike),
        ("customers", lambda cur: people.reject_unclear(cur, hold_alike)),
        ("customers", lambda cur: people.know_the_rest(cur, numbered)),
        ("balances", balances.reject_of_closed if "balance" in choices else None),
        ("customers", people.reject_closed_and_unknown),
        ("addresses", contents.spell_sites_as_stored),
        ("addresses", lambda cur: contents.find_moves(cur, not is_part)),
        ("addresses", contents.find_missing_addresses),
        ("serial numbers", contents.reject_serials_elsewhere if "serial_number" in choices else None),
        ("serial numbers", contents.reject_serials_repeated if "serial_number" in choices else None),
        ("services", contents.reject_changed_services if "service_id" in choices else None),
        ("balances", balances.reject_differing if "balance" in choices else None),
        ("customers", people.match_customers),
        ("sites", contents.match_sites),
        ("services", contents.match_services),
        ("services", contents.match_changed_services),
        ("equipment", contents.match_equipment),
        ("equipment", contents.match_changed_equipment),
        ("records", changes.find_of_customers),
        ("prices", changes.find_of_services),
        ("values", changes.find_of_equipment),
    ]
    return [(what, step) for what, step in steps if step]


def _stage(cur: Cursor, source: Source, choices: Choices, progress: Progress) -> Reader:
    """Copy the good lines into import_lines and return them read, with why the others are not good."""
    cur.execute(
        """
        SET LOCAL work_mem = '64MB';
        SET LOCAL jit = off;
        CREATE TEMPORARY TABLE import_lines (
            line             bigint   NOT NULL,
            customer_id      text     NOT NULL DEFAULT '',
            account_number   text     NOT NULL DEFAULT '',
            name             text     NOT NULL DEFAULT '',
            phone_number     text     NOT NULL DEFAULT '',
            email            text     NOT NULL DEFAULT '',
            notes            text     NOT NULL DEFAULT '',
            customer_status  text     NOT NULL DEFAULT '',
            balance          numeric,
            address          text,
            service_id       text     NOT NULL DEFAULT '',
            service_name     text,
            service_cost     numeric,
            service_status   text     NOT NULL DEFAULT '',
            service_end      date,
            equipment_id     text     NOT NULL DEFAULT '',
            equipment_name   text,
            serial_number    text,
            equipment_cost   numeric
        ) ON COMMIT DROP
        """
    )
    cur.execute("SELECT CURRENT_DATE AS today")
    reader = Reader(source, choices, cur.row()["today"], progress)
    try:
        cur.copy_expert(f"COPY import_lines ({', '.join(reader.columns)}) FROM STDIN", reader)
    except psycopg2.Error:
        if reader.error is not None:
            raise reader.error from None
        raise
    cur.execute("ANALYZE import_lines")
    return reader


def _outcome(cur: Cursor, choices: Choices, rejects: dict[int, str], reader: Reader) -> Outcome:
    notes = changes.find_notes(cur) if "notes" in choices else 0
    opening = balances.find(cur) if "balance" in choices else Opening()
    changed = changes.summed_up(cur)
    new, present = _tallies(cur, changed)
    alike, first_alike = people.first_alike(cur)
    return _find_repeats(cur, Outcome(
        new, present, rejects, reader.hidden, changed, notes, _find_statuses(cur), opening, alike=alike,
        first_alike=first_alike, remarks=tuple(remarks(reader.noticed)),
    ))


def _tallies(cur: Cursor, changed: Changes) -> tuple[Tally, Tally]:
    """Count what is new, and what is there and stays as it is."""
    cur.execute(
        """
        SELECT (SELECT count(*) FROM import_customers) AS customers, (SELECT count(*) FROM import_known) AS known,
               (SELECT count(*) FROM import_gone WHERE is_closing) AS gone, sites.*, services.*, equipment.*
        FROM (SELECT count(*) AS sites, count(location_id) AS known_sites FROM import_sites) AS sites
        CROSS JOIN (
            SELECT count(*) AS services, count(service_id) AS known_services,
                   count(*) FILTER (WHERE service_id IN (
                       SELECT id FROM import_changes WHERE what = ANY (%(of_services)s)
                   )) AS changed_services
            FROM import_services
        ) AS services
        CROSS JOIN (SELECT count(*) AS equipment, count(equipment_id) AS known_equipment FROM import_equipment)
                   AS equipment
        """,
        {"of_services": list(changes.OF_SERVICES)},
    )
    row = cur.row()
    new = Tally(row["customers"] - row["known"], row["sites"] - row["known_sites"],
                row["services"] - row["known_services"], row["equipment"] - row["known_equipment"])
    return new, Tally(
        row["known"] + row["gone"] - changed.customers, row["known_sites"] - changed.sites,
        row["known_services"] - row["changed_services"], row["known_equipment"] - changed.equipment,
    )


def _find_statuses(cur: Cursor) -> Statuses:
    cur.execute(
        """
        SELECT count(*) FILTER (WHERE status = 'closed' AND customer_id IS NULL) AS closed,
               (SELECT count(*)
                FROM import_services
                WHERE service_id IS NULL AND is_paused AND NOT has_ended) AS paused,
               (SELECT count(*) FROM import_services WHERE service_id IS NULL AND has_ended) AS ended,
               count(*) FILTER (WHERE status = 'paused' AND customer_id IS NULL AND NOT EXISTS (
                   SELECT
                   FROM import_sites
                   JOIN import_services USING (site_line)
                   WHERE import_sites.customer = import_customers.customer
               )) AS paused_without,
               count(*) FILTER (WHERE status = 'closed' AND customer_id IS NOT NULL) AS closed_here_open
        FROM import_customers
        LEFT JOIN import_known USING (customer)
        """
    )
    statuses = Statuses(**cur.row())
    if not statuses.closed_here_open:
        return statuses
    cur.execute(
        """
        SELECT first_line, customer_id, stored.name
        FROM import_customers
        JOIN import_known USING (customer)
        JOIN customers AS stored USING (customer_id)
        WHERE status = 'closed'
        ORDER BY first_line
        LIMIT %(most)s
        """,
        {"most": MOST_TOLD},
    )
    return statuses._replace(first_open=tuple((row["first_line"], row["customer_id"], row["name"]) for row in cur))


def _find_repeats(cur: Cursor, outcome: Outcome) -> Outcome:
    """Count the lines that say what an earlier one says, and note the first."""
    cur.execute(
        """
        SELECT max(line) AS line, min(line) AS earlier, sum(count(*) - 1) OVER () AS repeated
        FROM import_lines
        GROUP BY spelling, email, notes, customer_status, balance, address, service_id, service_name, service_cost,
                 service_status, service_end, equipment_id, equipment_name, serial_number, equipment_cost
        HAVING count(*) > 1
        ORDER BY min(line)
        LIMIT %(most)s
        """,
        {"most": MOST_TOLD},
    )
    rows = cur.fetchall()
    repeated = int(rows[0]["repeated"]) if rows else 0
    return outcome._replace(repeated=repeated, repeats=tuple(Repeat(row["line"], row["earlier"]) for row in rows))
