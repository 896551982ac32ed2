"""Customers with sites, services and equipment from a CSV file.

An import reads its file once, line by line, straight into a temporary table; there SQL compares the whole of it with
what is stored, and adds what is missing. A check and an import are one transaction each, and the file is read anew for
each, so nothing stays open while the administrator decides. Nothing here prints or asks.
"""
from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, NamedTuple

import psycopg2
import psycopg2.extras
import psycopg2.pool

import database
from tracker import errors
from tracker.cursor import Cursor, be_patient
from tracker.files import Part, clear, kind_of, part_of, put
from tracker.transfer import people
from tracker.transfer.kinds import STANDARD_INPUT
from tracker.transfer.lines import Progress, Rows, silent
from tracker.transfer.mapping import Mapping
from tracker.transfer.people import Alike
from tracker.transfer.sorting import REJECT_COLUMNS, Record, Source, remarks
from tracker.transfer.source import NUL, all_records

BATCH = 50_000
COMPARISONS = 5
MOST_TOLD = 3  # of the changes and repeats
CHANGED_SINCE = "The file or the records changed after the check; nothing was imported. Check again."


class Tally(NamedTuple):
    customers: int
    sites: int
    services: int
    equipment: int


class Change(NamedTuple):
    """What costs or is worth more or less in a line of the file than it is stored with."""

    what: str
    line: int
    name: str
    old: Decimal
    new: Decimal


class Repeat(NamedTuple):
    """A line that says what an earlier one says."""

    line: int
    earlier: int


class Outcome(NamedTuple):
    """What an import adds and changes, what of the file is there already, and why which lines are rejected."""

    new: Tally
    present: Tally
    rejects: dict[int, str]
    hidden: int = 0  # further lines of the rejected ones, which a quotation mark made one with them
    changed: Tally = Tally(0, 0, 0, 0)
    changes: tuple[Change, ...] = ()  # the first of them, services before equipment
    difference: Decimal = Decimal(0)  # what the changed services cost more a month, less where below 0
    repeated: int = 0
    repeats: tuple[Repeat, ...] = ()  # the first of them
    alike: int = 0  # new customers who may be stored ones
    first_alike: tuple[Alike, ...] = ()
    remarks: tuple[str, ...] = ()  # on lines of the file that are no records, and on those that end early
    rejects_file: Path | None = None

    def rejected(self) -> int:
        """Return how many lines are rejected."""
        return len(self.rejects) + self.hidden


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
def check(source: Source, mapping: Mapping, progress: Progress = silent) -> Outcome:
    """Return what an import would do; write nothing."""
    _refresh_statistics()
    with database.rehearsal() as cur:
        be_patient(cur)
        return _compare(cur, source, mapping, progress)


@database.retried
def load(
    source: Source,
    mapping: Mapping,
    confirmed: Outcome | None = None,
    progress: Progress = silent,
    hold_alike: bool = False,
) -> Outcome:
    """Import a file's good lines, all of them or none, and write the others to a file beside it, named in the outcome.

    With hold_alike, lines of new customers who may be stored ones are rejected. Raise Conflict when this is not what
    was confirmed, because the file or the records have changed since.
    """
    _refresh_statistics()
    clear(rejects_path(source))
    with contextlib.ExitStack() as stack:
        with database.transaction() as cur:
            database.take_turn(cur, "import")
            database.give_reason(cur, f"import of {source.path.name}".encode(errors="replace").decode())
            outcome = _compare(cur, source, mapping, progress, hold_alike)
            if confirmed is not None and outcome != confirmed:
                raise errors.Conflict(CHANGED_SINCE)
            if outcome.rejects:
                part = stack.enter_context(part_of(rejects_path(source)))
                _write_rejects(source, outcome.rejects, part.file)
            _add(cur, outcome.new, progress)
            _change(cur, outcome.changed)
        return outcome._replace(rejects_file=_put_rejects(part, source)) if outcome.rejects else outcome


def rejects_path(source: Source) -> Path:
    """Return where the rejected lines of a file would go: a name that is free, since an older one may be mended."""
    file = Path("standard-input") if source.path == STANDARD_INPUT else source.path
    name = re.sub(r"\.rejects(-[0-9]+)?\.csv$", "", file.name)
    for number in itertools.count(1):
        path = file.with_name(f"{name}.rejects{f'-{number}' if number > 1 else ''}.csv")
        if not kind_of(path) and not path.is_symlink():
            break
    return path


def _put_rejects(part: Part, source: Source) -> Path:
    while True:
        path = rejects_path(source)
        try:
            put(part, path, like=None if source.path == STANDARD_INPUT else source.path)
        except errors.FileExists:
            continue  # another import took the name just now
        except errors.BadFile as exc:
            raise errors.BadFile(f"The good lines were imported, but {exc}") from exc
        return path


def _compare(cur: Cursor, source: Source, mapping: Mapping, progress: Progress, hold_alike: bool = False) -> Outcome:
    """Read the file into temporary tables, and find what of it is stored already."""
    rows = _stage(cur, source, mapping, progress)
    steps = itertools.count(1)

    def step(what: str) -> None:
        progress(f"Comparing {what}", next(steps), COMPARISONS)

    step("line with line")
    people.find_persons(cur)
    step("customers")
    people.find_stored(cur)
    _spell_sites_as_stored(cur)
    rejects = {**rows.rejects, **_reject_unclear(cur, mapping)}
    if hold_alike:
        rejects.update(people.reject_alike(cur))
    customers = people.match_customers(cur, "customer_id" in mapping)
    step("sites")
    sites = _match_sites(cur)
    step("services")
    services = _match_services(cur) if "service_name" in mapping else (0, 0, 0)
    step("equipment")
    equipment = _match_equipment(cur) if "equipment_name" in mapping else (0, 0, 0)
    new, present, changed = zip((*customers, 0), (*sites, 0), services, equipment)
    alike, first_alike = people.find_alike(cur)
    outcome = Outcome(Tally(*new), Tally(*present), dict(sorted(rejects.items())), rows.hidden, Tally(*changed),
                      alike=alike, first_alike=first_alike, remarks=tuple(remarks(rows.noticed)))
    return _find_repeats(cur, _find_changes(cur, outcome))


def _reject_unclear(cur: Cursor, mapping: Mapping) -> dict[int, str]:
    """Take out the lines that contradict what is stored, or each other."""
    rejects: dict[int, str] = {}
    if "customer_id" in mapping:
        rejects.update(people.reject_changed_customers(cur))
    if "serial_number" in mapping:
        rejects.update(_reject_serials_elsewhere(cur))
        rejects.update(_reject_serials_repeated(cur))
    if "service_id" in mapping:
        rejects.update(_reject_changed_services(cur))
    rejects.update(people.reject_closed(cur))
    rejects.update(people.reject_namesakes(cur))
    return rejects


def _stage(cur: Cursor, source: Source, mapping: Mapping, progress: Progress) -> Rows:
    """Copy the good lines into import_lines and return them read, with why the others are not good."""
    cur.execute(
        """
        SET LOCAL work_mem = '64MB';
        SET LOCAL jit = off;
        CREATE TEMPORARY TABLE import_lines (
            line            bigint   NOT NULL,
            customer_id     text     NOT NULL DEFAULT '',
            name            text     NOT NULL,
            phone_number    text     NOT NULL DEFAULT '',
            email           text     NOT NULL DEFAULT '',
            address         text,
            service_id      text     NOT NULL DEFAULT '',
            service_name    text,
            service_cost    numeric,
            equipment_id    text     NOT NULL DEFAULT '',
            equipment_name  text,
            serial_number   text,
            equipment_cost  numeric
        ) ON COMMIT DROP
        """
    )
    rows = Rows(source, mapping, progress)
    try:
        cur.copy_expert(f"COPY import_lines ({', '.join(rows.columns)}) FROM STDIN", rows)
    except psycopg2.Error:
        if rows.error is not None:
            raise rows.error from None
        raise
    cur.execute("ANALYZE import_lines")
    return rows


def _reject_serials_elsewhere(cur: Cursor) -> dict[int, str]:
    """Take out lines whose serial number is stored at another place."""
    cur.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT import_lines.line, min(equipment.equipment_id) AS equipment_id,
                   coalesce(' at location ' || min(location_id),
                            CASE WHEN min(retired_on) IS NULL THEN ' in stock' ELSE ', written off,' END) AS place
            FROM import_lines
            JOIN import_people USING (customer_id, name, phone_number)
            JOIN equipment ON serial_key(equipment.serial_number) = serial_key(import_lines.serial_number)
            LEFT JOIN locations USING (location_id)
            LEFT JOIN import_stored
              ON import_stored.person = import_people.person AND import_stored.customer_id = locations.customer_id
            GROUP BY import_lines.line
            HAVING bool_and(import_stored.person IS NULL OR locations.address IS DISTINCT FROM import_lines.address)
        )
        DELETE FROM import_lines
        USING held
        WHERE held.line = import_lines.line
        RETURNING held.line, held.equipment_id, held.place
        """
    )
    return {
        row["line"]: f"serial_number: Equipment {row['equipment_id']}{row['place']} has it."
        for row in cur
    }


def _reject_serials_repeated(cur: Cursor) -> dict[int, str]:
    """Take out lines whose serial number stands in an earlier line at another place, or of another device."""
    cur.execute(
        """
        WITH repeated AS MATERIALIZED (
            SELECT line, first_line, elsewhere
            FROM (
                SELECT line, first_value(line) OVER same AS first_line,
                       (customer_id, person, address) IS DISTINCT FROM
                       (first_value(customer_id) OVER same, first_value(person) OVER same,
                        first_value(address) OVER same) AS elsewhere,
                       (equipment_name, equipment_cost) IS DISTINCT FROM
                       (first_value(equipment_name) OVER same, first_value(equipment_cost) OVER same) AS differs
                FROM (
                    SELECT import_lines.line, customer_id, person, address, equipment_name, equipment_cost,
                           serial_key(serial_number) AS serial
                    FROM import_lines
                    JOIN import_people USING (customer_id, name, phone_number)
                    WHERE serial_number IS NOT NULL
                ) AS placed
                WINDOW same AS (PARTITION BY serial ORDER BY line)
            ) AS compared
            WHERE elsewhere OR differs
        )
        DELETE FROM import_lines
        USING repeated
        WHERE repeated.line = import_lines.line
        RETURNING repeated.line, first_line, elsewhere
        """
    )
    return {
        row["line"]: f"serial_number: Line {row['first_line']} has it "
                     f"{'at another place' if row['elsewhere'] else 'with another name or cost'}."
        for row in cur
    }


def _reject_changed_services(cur: Cursor) -> dict[int, str]:
    """Take out lines whose service_id stands in an earlier line of the same site with another name or cost."""
    cur.execute(
        """
        WITH changed AS MATERIALIZED (
            SELECT line, first_line
            FROM (
                SELECT import_lines.line, first_value(import_lines.line) OVER same AS first_line,
                       (service_name, service_cost) <> (first_value(service_name) OVER same,
                                                        first_value(service_cost) OVER same) AS differs
                FROM import_lines
                JOIN import_people USING (customer_id, name, phone_number)
                WHERE service_id <> '' AND service_name IS NOT NULL
                WINDOW same AS (PARTITION BY customer_id, person, address, service_id ORDER BY import_lines.line)
            ) AS compared
            WHERE differs
        )
        DELETE FROM import_lines
        USING changed
        WHERE changed.line = import_lines.line
        RETURNING changed.line, changed.first_line
        """
    )
    return {row["line"]: f"service_id: Line {row['first_line']} has it with another name or cost." for row in cur}


def _new_and_present(cur: Cursor) -> tuple[int, int]:
    row = cur.row()
    return row["new"], row["present"]


def _spell_sites_as_stored(cur: Cursor) -> None:
    """Give lines the stored address where that reads the same: another spelling is no other site, billed once more."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_addresses ON COMMIT DROP AS
        SELECT person, address, address_folded
        FROM import_stored
        JOIN locations USING (customer_id);

        ANALYZE import_addresses;

        CREATE TEMPORARY TABLE import_respelt ON COMMIT DROP AS
        SELECT import_lines.line, person, folded(address) AS address_folded
        FROM import_lines
        JOIN import_people USING (customer_id, name, phone_number)
        WHERE NOT EXISTS (
            SELECT FROM import_addresses AS exact
            WHERE exact.person = import_people.person AND exact.address = import_lines.address
        );

        ANALYZE import_respelt;

        UPDATE import_lines
        SET address = stored.address
        FROM (
            SELECT line, min(address) AS address
            FROM import_respelt
            JOIN import_addresses USING (person, address_folded)
            GROUP BY line
        ) AS stored
        WHERE stored.line = import_lines.line
        """
    )


def _match_sites(cur: Cursor) -> tuple[int, int]:
    """Fill import_sites, each known by its first line, with its location_id if it is stored; count new and present."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_sites ON COMMIT DROP AS
        SELECT site_line, first_line, site.address, location_id
        FROM (
            SELECT first_line, address, min(line) AS site_line
            FROM import_lines
            JOIN import_spellings USING (customer_id, name, phone_number)
            WHERE address IS NOT NULL
            GROUP BY first_line, address
        ) AS site
        LEFT JOIN import_known AS known USING (first_line)
        LEFT JOIN locations ON locations.customer_id = known.customer_id AND locations.address = site.address;

        ANALYZE import_sites;

        SELECT count(*) FILTER (WHERE location_id IS NULL) AS new, count(location_id) AS present
        FROM import_sites
        """
    )
    return _new_and_present(cur)


def _match_services(cur: Cursor) -> tuple[int, int, int]:
    """Fill import_services, each known by its first line, with the one stored that it is; count new, present, changed.

    At a site, one name, however it is written, and cost is one service, however many lines have it, unless the file
    tells several apart by their service_id. The nth of a name and cost is the nth stored. What is left of a name is
    then the nth left of those stored, at another cost. One that has ended is none of them: who has it again has a new
    one.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_services ON COMMIT DROP AS
        WITH incoming AS (
            SELECT min(line) AS line, site_line, location_id, service_id, service_name, folded(service_name) AS folded,
                   service_cost AS cost,
                   row_number() OVER (PARTITION BY site_line, folded(service_name), service_cost
                                      ORDER BY service_id = '', min(line)) AS nth
            FROM import_lines
            JOIN import_spellings USING (customer_id, name, phone_number)
            JOIN import_sites USING (first_line, address)
            WHERE service_name IS NOT NULL
            GROUP BY site_line, location_id, service_id, service_name, service_cost
        ), stored AS (
            SELECT service_id, location_id, service_name_folded AS folded, cost,
                   row_number() OVER (PARTITION BY location_id, service_name_folded, cost ORDER BY service_id) AS nth
            FROM services_today
            JOIN import_sites USING (location_id)
            WHERE ended_on IS NULL OR ended_on >= CURRENT_DATE
        )
        SELECT line, site_line, location_id, service_name, folded, incoming.cost, stored.service_id,
               stored.cost AS old_cost
        FROM incoming
        LEFT JOIN stored USING (location_id, folded, cost, nth)
        WHERE incoming.service_id <> '' OR nth = 1;

        ANALYZE import_services;

        UPDATE import_services
        SET service_id = stored.service_id, old_cost = stored.cost
        FROM (
            SELECT line, location_id, folded,
                   row_number() OVER (PARTITION BY location_id, folded ORDER BY line) AS nth
            FROM import_services
            WHERE service_id IS NULL AND location_id IS NOT NULL
        ) AS incoming
        JOIN (
            SELECT service_id, location_id, service_name_folded AS folded, cost,
                   row_number() OVER (PARTITION BY location_id, service_name_folded ORDER BY service_id) AS nth
            FROM services_today AS services
            JOIN import_sites USING (location_id)
            WHERE (ended_on IS NULL OR ended_on >= CURRENT_DATE)
              AND NOT EXISTS (SELECT FROM import_services WHERE import_services.service_id = services.service_id)
        ) AS stored USING (location_id, folded, nth)
        WHERE import_services.line = incoming.line;

        SELECT count(*) FILTER (WHERE service_id IS NULL)  AS new,
               count(*) FILTER (WHERE old_cost = cost)     AS present,
               count(*) FILTER (WHERE old_cost <> cost)    AS changed
        FROM import_services
        """
    )
    return _new_present_and_changed(cur)


def _match_equipment(cur: Cursor) -> tuple[int, int, int]:
    """Fill import_equipment as import_services; a serial number is one device, however many lines have it."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_equipment ON COMMIT DROP AS
        WITH incoming AS (
            SELECT min(line) AS line, site_line, location_id, equipment_id, equipment_name,
                   folded(equipment_name) AS folded,
                   min(serial_number) AS serial_number, serial_key(serial_number) AS serial, equipment_cost AS cost,
                   row_number() OVER (PARTITION BY site_line, folded(equipment_name), equipment_cost,
                                                   serial_key(serial_number)
                                      ORDER BY equipment_id = '', min(line)) AS nth
            FROM import_lines
            JOIN import_spellings USING (customer_id, name, phone_number)
            JOIN import_sites USING (first_line, address)
            WHERE equipment_name IS NOT NULL
            GROUP BY site_line, location_id, equipment_id, equipment_name, serial_key(serial_number), equipment_cost
        ), numbered AS (
            SELECT DISTINCT ON (location_id, serial_key(serial_number))
                   equipment_id, location_id, serial_key(serial_number) AS serial, cost
            FROM equipment
            JOIN import_sites USING (location_id)
            WHERE serial_number IS NOT NULL
            ORDER BY location_id, serial_key(serial_number), equipment_id
        ), stored AS (
            SELECT equipment_id, location_id, equipment_name_folded AS folded, cost,
                   row_number() OVER (PARTITION BY location_id, equipment_name_folded, cost
                                      ORDER BY equipment_id) AS nth
            FROM equipment
            JOIN import_sites USING (location_id)
            WHERE serial_number IS NULL
        )
        SELECT incoming.line, incoming.site_line, incoming.location_id, incoming.equipment_name, incoming.folded,
               incoming.serial_number, incoming.cost,
               coalesce(numbered.equipment_id, stored.equipment_id) AS equipment_id,
               coalesce(numbered.cost, stored.cost)                 AS old_cost
        FROM incoming
        LEFT JOIN numbered ON numbered.location_id = incoming.location_id AND numbered.serial = incoming.serial
        LEFT JOIN stored
          ON incoming.serial IS NULL
         AND (stored.location_id, stored.folded, stored.cost, stored.nth)
             = (incoming.location_id, incoming.folded, incoming.cost, incoming.nth)
        WHERE incoming.nth = 1 OR incoming.serial IS NULL AND incoming.equipment_id <> '';

        ANALYZE import_equipment;

        UPDATE import_equipment
        SET equipment_id = stored.equipment_id, old_cost = stored.cost
        FROM (
            SELECT line, location_id, folded,
                   row_number() OVER (PARTITION BY location_id, folded ORDER BY line) AS nth
            FROM import_equipment
            WHERE equipment_id IS NULL AND serial_number IS NULL AND location_id IS NOT NULL
        ) AS incoming
        JOIN (
            SELECT equipment_id, location_id, equipment_name_folded AS folded, cost,
                   row_number() OVER (PARTITION BY location_id, equipment_name_folded ORDER BY equipment_id) AS nth
            FROM equipment
            JOIN import_sites USING (location_id)
            WHERE serial_number IS NULL
              AND NOT EXISTS (SELECT FROM import_equipment WHERE import_equipment.equipment_id = equipment.equipment_id)
        ) AS stored USING (location_id, folded, nth)
        WHERE import_equipment.line = incoming.line;

        SELECT count(*) FILTER (WHERE equipment_id IS NULL)  AS new,
               count(*) FILTER (WHERE old_cost = cost)       AS present,
               count(*) FILTER (WHERE old_cost <> cost)      AS changed
        FROM import_equipment
        """
    )
    return _new_present_and_changed(cur)


def _new_present_and_changed(cur: Cursor) -> tuple[int, int, int]:
    row = cur.row()
    return row["new"], row["present"], row["changed"]


def _find_changes(cur: Cursor, outcome: Outcome) -> Outcome:
    """Note the first changes, and what all of them make a month."""
    changes: list[Change] = []
    difference = Decimal(0)
    if outcome.changed.services:
        cur.execute(
            """
            SELECT line, service_name, old_cost, cost, sum(cost - old_cost) OVER () AS difference
            FROM import_services
            WHERE old_cost <> cost
            ORDER BY line
            LIMIT %(most)s
            """,
            {"most": MOST_TOLD},
        )
        for row in cur:
            changes.append(Change("services", row["line"], row["service_name"], row["old_cost"], row["cost"]))
            difference = row["difference"]
    if outcome.changed.equipment:
        cur.execute(
            """
            SELECT line, equipment_name, old_cost, cost
            FROM import_equipment
            WHERE old_cost <> cost
            ORDER BY line
            LIMIT %(most)s
            """,
            {"most": MOST_TOLD},
        )
        changes += [Change("equipment", row["line"], row["equipment_name"], row["old_cost"], row["cost"])
                    for row in cur]
    return outcome._replace(changes=tuple(changes), difference=difference)


def _find_repeats(cur: Cursor, outcome: Outcome) -> Outcome:
    """Count the lines that say what an earlier one says, and note the first."""
    cur.execute(
        """
        SELECT max(line) AS line, min(line) AS earlier, sum(count(*) - 1) OVER () AS repeated
        FROM import_lines
        GROUP BY customer_id, name, phone_number, email, address, service_id, service_name, service_cost,
                 equipment_id, equipment_name, serial_number, equipment_cost
        HAVING count(*) > 1
        ORDER BY min(line)
        LIMIT %(most)s
        """,
        {"most": MOST_TOLD},
    )
    rows = cur.fetchall()
    repeated = int(rows[0]["repeated"]) if rows else 0
    return outcome._replace(repeated=repeated, repeats=tuple(Repeat(row["line"], row["earlier"]) for row in rows))


def _add(cur: Cursor, new: Tally, progress: Progress) -> None:
    """Add what _compare found to be new, parents first, in the order of the file's lines."""
    done, whole = itertools.accumulate(new, initial=0), sum(new)
    with _search_indexes_later(cur, new, progress):
        progress("Adding customers", next(done), whole)
        if new.customers:
            _in_batches(cur, _add_customers, lambda count: progress("Adding customers", count, whole))
            cur.execute("ANALYZE import_known")
        before = next(done)
        progress("Adding sites", before, whole)
        if new.sites:
            _in_batches(cur, _add_sites, lambda count: progress("Adding sites", before + count, whole))
    progress("Adding services", next(done), whole)
    if new.services:
        _add_services(cur)
    progress("Adding equipment", next(done), whole)
    if new.equipment:
        _add_equipment(cur)


@contextlib.contextmanager
def _search_indexes_later(cur: Cursor, new: Tally, progress: Progress) -> Iterator[None]:
    """Make the search indexes once the rows are in, where these are most of what there will be.

    Keeping a trigram index up to date costs as much as the rest of the import, and making it anew a fifth of that; but
    nobody can use the tables meanwhile, and only their owner may.
    """
    cur.execute(
        """
        SELECT format('DROP INDEX %%s', indexrelid::regclass) AS drop_it, pg_get_indexdef(indexrelid) AS make_it
        FROM pg_index
        JOIN pg_class AS index ON index.oid = indexrelid
        WHERE indrelid IN ('customers'::regclass, 'locations'::regclass)
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
          AND pg_has_role(index.relowner, 'USAGE')
          AND %(new)s > (SELECT count(*) FROM (SELECT FROM customers LIMIT %(new)s) AS stored)
        """,
        {"new": new.customers},
    )
    indexes = cur.fetchall()
    for index in indexes:
        cur.execute(index["drop_it"])
    yield
    cur.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for number, index in enumerate(indexes, 1):
        progress("Making the search indexes", number, len(indexes))
        cur.execute(index["make_it"])


def _in_batches(cur: Cursor, add: Callable[[Cursor, int, int], None], tell: Callable[[int], object]) -> None:
    """Add a range of lines after the other, at most forty, so that progress can be told between them."""
    cur.execute("SELECT min(line) - 1 AS first, max(line) AS last FROM import_lines")
    lines = cur.row()
    step = max(BATCH, (lines["last"] - lines["first"]) // 40 + 1)
    count = 0
    for after in range(lines["first"], lines["last"], step):
        add(cur, after, after + step)
        count += cur.rowcount
        tell(count)


def _add_customers(cur: Cursor, after: int, upto: int) -> None:
    """Add new customers in the order of the file, in which they get their IDs, and note these in import_known."""
    cur.execute(
        """
        WITH fresh AS MATERIALIZED (
            SELECT first_line, name, nullif(phone_number, '') AS phone_number, nullif(email, '') AS email,
                   row_number() OVER (ORDER BY first_line) AS place
            FROM import_customers
            WHERE first_line > %(after)s AND first_line <= %(upto)s
              AND NOT EXISTS (SELECT FROM import_known WHERE import_known.first_line = import_customers.first_line)
        ), added AS (
            INSERT INTO customers (name, phone_number, email)
            SELECT name, phone_number, email FROM fresh ORDER BY place
            RETURNING customer_id
        )
        INSERT INTO import_known (first_line, customer_id)
        SELECT first_line, customer_id
        FROM fresh
        JOIN (SELECT customer_id, row_number() OVER (ORDER BY customer_id) AS place FROM added) AS placed USING (place)
        """,
        {"after": after, "upto": upto},
    )


def _add_sites(cur: Cursor, after: int, upto: int) -> None:
    cur.execute(
        """
        INSERT INTO locations (customer_id, address)
        SELECT customer_id, address
        FROM import_sites
        JOIN import_known USING (first_line)
        WHERE site_line > %(after)s AND site_line <= %(upto)s AND location_id IS NULL
        ORDER BY site_line
        """,
        {"after": after, "upto": upto},
    )


def _add_services(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO services (location_id, service_name, cost)
        SELECT locations.location_id, service_name, cost
        FROM import_services
        JOIN import_sites USING (site_line)
        JOIN import_known USING (first_line)
        JOIN locations USING (customer_id, address)
        WHERE service_id IS NULL
        ORDER BY line
        """
    )


def _add_equipment(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO equipment (location_id, equipment_name, serial_number, cost)
        SELECT locations.location_id, equipment_name, serial_number, cost
        FROM import_equipment
        JOIN import_sites USING (site_line)
        JOIN import_known USING (first_line)
        JOIN locations USING (customer_id, address)
        WHERE equipment_id IS NULL
        ORDER BY line
        """
    )


def _change(cur: Cursor, changed: Tally) -> None:
    """Give services and equipment the costs that the file has for them; raise Conflict when they have others by now."""
    if changed.services:
        cur.execute(
            """
            SELECT FROM services
            JOIN import_services USING (service_id)
            WHERE old_cost <> import_services.cost
            ORDER BY service_id
            FOR UPDATE OF services;

            SELECT change_prices(array_agg(service_id), array_agg(incoming.cost), CURRENT_DATE), count(*) AS changed
            FROM import_services AS incoming
            JOIN services_today AS stored USING (service_id)
            WHERE stored.cost = old_cost AND old_cost <> incoming.cost
            """
        )
        _check_all_changed(cur.row()["changed"], changed.services)
    if changed.equipment:
        cur.execute(
            """
            SELECT FROM equipment
            JOIN import_equipment USING (equipment_id)
            WHERE old_cost <> import_equipment.cost
            ORDER BY equipment_id
            FOR UPDATE OF equipment;

            UPDATE equipment
            SET cost = incoming.cost
            FROM import_equipment AS incoming
            WHERE equipment.equipment_id = incoming.equipment_id AND equipment.cost = old_cost
              AND old_cost <> incoming.cost
            """
        )
        _check_all_changed(cur.rowcount, changed.equipment)


def _check_all_changed(done: int, wanted: int) -> None:
    if done != wanted:
        raise errors.Conflict(CHANGED_SINCE)


def _write_rejects(source: Source, rejects: dict[int, str], file: IO[bytes]) -> None:
    """Write the rejected lines as they are, line number and reason before them, in the file's own encoding."""
    lines = io.TextIOWrapper(file, source.encoding, "backslashreplace", newline="")
    if not source.header_line:
        # Columns that are spoken of by number have it for a header there, two columns further on.
        numbers = source.delimiter.join(str(column) for column in range(1, len(source.headers) + 1))
        lines.write(f"{_first_cells(REJECT_COLUMNS, source.delimiter)}{numbers}\n")
    for is_first, record in zip(itertools.chain([True], itertools.repeat(False)), all_records(source)):
        if is_first and source.header_line:
            first = REJECT_COLUMNS
        elif reason := rejects.get(record.number):
            first = (str(record.number), reason)
        else:
            continue
        lines.write(_first_cells(first, source.delimiter) + _as_it_was(source, record))
    lines.flush()
    lines.detach()


def _first_cells(cells: tuple[str, ...], delimiter: str) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow([*cells, ""])
    return line.getvalue().rstrip("\n")


def _as_it_was(source: Source, record: Record) -> str:
    """Return a record as it stands in its file, less an earlier line number and reason."""
    again = tuple(source.headers[:2]) == REJECT_COLUMNS
    hidden = _numbered(record, source.delimiter, again) if record.problem else record.raw[1:]
    raw = "".join([record.raw[0], *hidden])
    if again:
        cell = rf'("([^"]|"")*"|[^"{source.delimiter}]*){source.delimiter}'
        raw = re.sub(rf"\A{cell}{cell}", "", raw)
    return raw.replace(NUL, "\0") + ("" if raw.endswith(("\n", "\r")) else "\n")


def _numbered(record: Record, delimiter: str, again: bool) -> list[str]:
    """Return the lines that a wrong quotation mark hid, each with its number, so that mending the mark mends all."""
    earlier = rf"\A[0-9]+{re.escape(delimiter)}{{2}}" if again else r"\A"
    return [f"{number}{delimiter}{delimiter}{re.sub(earlier, '', line)}"
            for number, line in enumerate(record.raw[1:], record.number + 1)]
