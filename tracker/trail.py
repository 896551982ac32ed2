"""The trail: who changed what, and how a deletion or a change is undone. Triggers write it; see schema.sql."""
from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple, TypedDict

import database
from database import fetch_all, give_reason, retried, stream, transaction
from tracker import settings
from tracker.cursor import Cursor, Row, be_patient
from tracker.errors import Conflict

MOST_DELETIONS = 20
TRAIL_YEARS, MOST_YEARS = 10, 1000
KINDS = ("added", "changed", "deleted")
# Each table and its key, parents first.
KEYS = {
    "customers": "customer_id", "locations": "location_id", "services": "service_id", "equipment": "equipment_id",
    "billing": "billing_id", "billing_items": "billing_item_id", "payments": "payment_id",
    "payment_allocations": "payment_allocation_id", "service_pauses": "service_pause_id",
    "price_changes": "price_change_id", "equipment_moves": "equipment_move_id", "customer_notes": "customer_note_id",
}


KEYS_AS_JSON = json.dumps(KEYS)
DETAILS = ("billing_items", "payment_allocations", "equipment_moves")  # which go with their bills, payments, devices
NOT_ALONE = (*DETAILS, "price_changes")  # taken back by itself that is another price, and no row that somebody misses


class Change(TypedDict):
    """What a statement did to one record; record is that as it is now, or as it was deleted."""

    trail_id: int
    changed_at: datetime
    person: str
    login: str
    program: str
    reason: str | None
    table_name: str
    kind: str
    record_id: int
    old: Row | None
    new: Row | None
    record: Row | None


class StatementChange(TypedDict):
    """What a statement did to one or more records of a table; ids are ranges, as 1, 3-7.

    record is that of a page whose statement did it to one alone, as it is now, or as it was deleted.
    """

    trail_id: int
    changed_at: datetime
    login: str
    person: str
    program: str
    reason: str | None
    transaction_id: int
    table_name: str
    kind: str
    ids: str
    row_count: int
    record_id: int | None
    old: Any
    new: Any
    record: Row | None


class Deletion(TypedDict):
    """What a transaction deleted: how many rows of each table, and the first row of the topmost of these tables."""

    changed_at: datetime
    transaction_id: int
    person: str
    reason: str | None
    table_name: str
    record: Row
    counts: dict[str, int]
    is_back: bool


class Obstacle(NamedTuple):
    """What keeps a deletion from being undone; a serial number that another device has, only in part."""

    kind: str
    record_id: int
    what: str
    holder: Row | None


# Of a deletion alone: what else may be in old is no list, and a plan may look there before it looks at the kind.
DELETED_LINES = "CROSS JOIN LATERAL jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS line"
EACH_ID = """
    CROSS JOIN LATERAL unnest(ids) AS range
    CROSS JOIN LATERAL generate_series(lower(range), upper(range) - 1) AS record_id
"""


@retried
def history_of_customer(
    customer_id: int, before: tuple[int, str, int] | None = None, limit: int = 100
) -> list[Change]:
    """Return the changes of a customer and of all that is or was theirs, newest first.

    before is trail_id, table_name and record_id of the last one shown.
    """
    with database.reading() as cur:
        be_patient(cur)
        return _history(cur, _records_of(cur, customer_id), before, limit)


@retried
def history_of(
    table: str, record_id: int, before: tuple[int, str, int] | None = None, limit: int = 100
) -> list[Change]:
    """Return the changes of one record, newest first; before as in history_of_customer."""
    with database.reading() as cur:
        be_patient(cur)
        return _history(cur, [(table, record_id)], before, limit)


@retried
def count_history_of_customer(customer_id: int) -> int:
    with database.reading() as cur:
        be_patient(cur)
        return _count_history(cur, _records_of(cur, customer_id))


@retried
def count_history_of(table: str, record_id: int) -> int:
    with database.reading() as cur:
        return _count_history(cur, [(table, record_id)])


def _records_of(cur: Cursor, customer_id: int) -> list[tuple[str, int]]:
    """Return the table and ID of each record that is or was a customer's: deleted ones as the trail has them, and those
    that psql gave to others.

    Its own statements, with the IDs in them, so that the server knows how few these are.
    """
    cur.execute(
        f"""
        SELECT location_id FROM locations WHERE customer_id = %(customer_id)s
        UNION
        SELECT (line ->> 'location_id')::bigint
        FROM trail
        {DELETED_LINES}
        WHERE kind = 'deleted' AND table_name = 'locations' AND parent_ids @> %(customer_id)s::bigint
          AND (line ->> 'customer_id')::bigint = %(customer_id)s
        UNION
        SELECT record_id
        FROM trail
        {EACH_ID}
        WHERE kind = 'changed' AND table_name = 'locations' AND parent_ids @> %(customer_id)s::bigint
          AND (old ->> 'customer_id')::bigint = %(customer_id)s
        """,  # noqa: S608 (the parts hold no value)
        {"customer_id": customer_id},
    )
    sites = [row["location_id"] for row in cur]
    cur.execute(
        f"""
        SELECT 'services' AS table_name, service_id AS record_id
        FROM services
        WHERE location_id = ANY (%(sites)s::bigint[])
        UNION
        SELECT 'equipment', equipment_id FROM equipment WHERE location_id = ANY (%(sites)s::bigint[])
        UNION
        SELECT 'billing', billing_id FROM billing WHERE customer_id = %(customer_id)s
        UNION
        SELECT 'payments', payment_id FROM payments WHERE customer_id = %(customer_id)s
        UNION
        SELECT 'customer_notes', customer_note_id FROM customer_notes WHERE customer_id = %(customer_id)s
        UNION
        SELECT table_name, (line ->> (%(keys)s::jsonb ->> table_name))::bigint
        FROM trail
        {DELETED_LINES}
        WHERE kind = 'deleted'
          AND (parent_ids @> %(customer_id)s::bigint OR parent_ids && %(of_sites)s::int8multirange)
          AND (table_name IN ('services', 'equipment')
               AND (line ->> 'location_id')::bigint = ANY (%(sites)s::bigint[])
               OR table_name IN ('billing', 'payments', 'customer_notes')
               AND (line ->> 'customer_id')::bigint = %(customer_id)s)
        UNION
        SELECT table_name, record_id
        FROM trail
        {EACH_ID}
        WHERE kind = 'changed' AND table_name IN ('services', 'equipment')
          AND parent_ids && %(of_sites)s::int8multirange
          AND (old ->> 'location_id')::bigint = ANY (%(sites)s::bigint[])
        """,  # noqa: S608 (the parts hold no value)
        {"customer_id": customer_id, "sites": sites, "keys": KEYS_AS_JSON,
         "of_sites": "{" + ",".join(f"[{site},{site}]" for site in sites) + "}"},
    )
    others = [(row["table_name"], row["record_id"]) for row in cur]
    return [("customers", customer_id), *(("locations", site) for site in sites), *others]


# The record of a page's row, as it is, or as it was deleted last.
RECORD = f"""
    coalesce(
        CASE table_name
            WHEN 'customers' THEN (SELECT to_jsonb(customers) FROM customers WHERE customer_id = record_id)
            WHEN 'locations' THEN (SELECT to_jsonb(locations) FROM locations WHERE location_id = record_id)
            WHEN 'services' THEN (SELECT to_jsonb(services) FROM services WHERE service_id = record_id)
            WHEN 'equipment' THEN (SELECT to_jsonb(equipment) FROM equipment WHERE equipment_id = record_id)
            WHEN 'billing' THEN (SELECT to_jsonb(billing) FROM billing WHERE billing_id = record_id)
            WHEN 'payments' THEN (SELECT to_jsonb(payments) FROM payments WHERE payment_id = record_id)
            WHEN 'customer_notes' THEN (SELECT to_jsonb(customer_notes)
                                        FROM customer_notes
                                        WHERE customer_note_id = record_id)
        END,
        (SELECT (array_agg(line ORDER BY gone.trail_id DESC))[1]
         FROM (SELECT trail_id, kind, old
               FROM trail
               WHERE kind = 'deleted' AND trail.table_name = page.table_name
                 AND (single_id = record_id OR single_id IS NULL AND ids @> record_id)
               OFFSET 0) AS gone
         {DELETED_LINES}
         WHERE (line ->> (%(keys)s::jsonb ->> page.table_name))::bigint = record_id)
    )
"""  # noqa: S608 (the part holds no value)


# OFFSET 0: each record's changes are found by its ID, and not by reading the trail from its end.
CHANGES_OF = """
    FROM unnest(%(tables)s::text[], %(ids)s::bigint[]) AS record (table_name, record_id)
    CROSS JOIN LATERAL (
        SELECT trail_id, changed_at, person, login, program, reason, kind, old, new
        FROM trail
        WHERE trail.table_name = record.table_name
          AND (single_id = record_id OR single_id IS NULL AND ids @> record_id)
        OFFSET 0
    ) AS change
"""


def _count_history(cur: Cursor, records: list[tuple[str, int]]) -> int:
    cur.execute(f"SELECT count(*) {CHANGES_OF}", _named(records))
    count: int = cur.row()["count"]
    return count


def _named(records: list[tuple[str, int]]) -> Row:
    return {"tables": [table for table, _ in records], "ids": [record_id for _, record_id in records]}


def _history(
    cur: Cursor, records: list[tuple[str, int]], before: tuple[int, str, int] | None, limit: int
) -> list[Change]:
    before_id, before_table, before_record = before or (2**62, "", 0)
    cur.execute(
        f"""
        WITH page AS MATERIALIZED (
            SELECT record.*, change.*
            {CHANGES_OF}
            WHERE (trail_id, table_name, record_id) < (%(before_id)s, %(before_table)s, %(before_record)s)
            ORDER BY trail_id DESC, table_name DESC, record_id DESC
            LIMIT %(limit)s
        )
        SELECT trail_id, changed_at, person, login, program, reason, table_name, kind, record_id,
               CASE kind WHEN 'changed' THEN old END AS old, new,
               {RECORD} AS record
        FROM page
        ORDER BY trail_id DESC, table_name DESC, record_id DESC
        """,  # noqa: S608 (the parts hold no value)
        {**_named(records), "before_id": before_id, "before_table": before_table, "before_record": before_record,
         "limit": limit, "keys": KEYS_AS_JSON},
    )
    return cur.fetchall()  # type: ignore[return-value]


CHANGES = """
    SELECT trail_id, changed_at, login, person, program, reason, transaction_id, table_name, kind,
           (SELECT string_agg(concat_ws('-', lower(range), nullif(upper(range) - 1, lower(range))), ', ' ORDER BY range)
            FROM unnest(ids) AS range) AS ids,
           row_count, single_id AS record_id,
           CASE
               WHEN %(whole)s OR kind = 'changed' THEN old
               WHEN old IS NOT NULL THEN jsonb_build_array(old -> 0)
           END AS old,
           new
    FROM trail
    WHERE (%(first)s::date IS NULL OR changed_at >= %(first)s::date)
      AND (%(last)s::date IS NULL OR changed_at < %(last)s::date + 1)
      AND (%(person)s::text IS NULL OR folded(person) = folded(%(person)s) OR login = %(person)s)
      AND (%(kind)s::text IS NULL OR kind = %(kind)s)
      AND (%(table)s::text IS NULL OR table_name = %(table)s)
      AND (%(details)s OR table_name = %(table)s OR table_name <> ALL (%(of_others)s))
      AND (%(before)s::bigint = 0 OR trail_id < %(before)s)
"""


class Wanted(NamedTuple):
    """Which changes are meant: by day, person, kind and table, each None for all.

    Without details those of bill lines, of what payments pay and of where devices went are left out: they go with their
    bills, payments and devices.
    """

    first: date | None = None
    last: date | None = None
    person: str | None = None
    kind: str | None = None
    table: str | None = None
    details: bool = True


def _values(wanted: Wanted) -> Row:
    return {**wanted._asdict(), "of_others": list(DETAILS)}


def changes(wanted: Wanted, before: int = 0, limit: int = 100) -> list[StatementChange]:
    """Return changes, newest first; before is the trail_id of the last one shown. Of deleted rows old has the first."""
    return fetch_all(
        f"""
        WITH page AS MATERIALIZED ({CHANGES} ORDER BY trail_id DESC LIMIT %(limit)s)
        SELECT page.*, CASE WHEN record_id IS NOT NULL THEN {RECORD} END AS record
        FROM page
        ORDER BY trail_id DESC
        """,  # noqa: S608 (the parts hold no value)
        patient=True, **_values(wanted), before=before, limit=limit, whole=False, keys=KEYS_AS_JSON,
    )


def stream_changes(wanted: Wanted) -> Iterator[StatementChange]:
    """Yield all changes, newest first, with all that was deleted."""
    def query(cur: Cursor) -> None:
        cur.itersize = 20  # a thousand deleted rows may be in each
        cur.execute(f"{CHANGES} ORDER BY trail_id DESC", {**_values(wanted), "before": 0, "whole": True})

    yield from stream(query)


def count_changes(wanted: Wanted) -> int:
    return database.fetch_value(
        f"SELECT count(*) FROM ({CHANGES}) AS change",  # noqa: S608 (CHANGES holds no value)
        patient=True, **_values(wanted), before=0, whole=False,
    )


def deletions(limit: int = MOST_DELETIONS) -> list[Deletion]:
    """Return the last transactions that deleted records, newest first, but for what was of one who is merged by now."""
    return fetch_all(
        """
        WITH latest AS MATERIALIZED (
            SELECT changed_at, transaction_id
            FROM trail
            WHERE kind = 'deleted' AND table_name = ANY (%(named)s)
            GROUP BY changed_at, transaction_id
            ORDER BY changed_at DESC, transaction_id DESC
            LIMIT %(limit)s
        ), part AS (
            SELECT changed_at, transaction_id, table_name, min(person) AS person, min(reason) AS reason,
                   sum(row_count)::bigint AS rows, min(trail_id) AS first_id,
                   array_position(%(tables)s, table_name) AS place
            FROM latest
            JOIN trail USING (changed_at, transaction_id)
            WHERE kind = 'deleted' AND table_name = ANY (%(tables)s)
            GROUP BY changed_at, transaction_id, table_name
        ), top AS (
            SELECT DISTINCT ON (changed_at, transaction_id)
                   changed_at, transaction_id, person, reason, table_name, first_id
            FROM part
            ORDER BY changed_at, transaction_id, place
        )
        SELECT top.changed_at, top.transaction_id, top.person, top.reason, top.table_name, first.old -> 0 AS record,
               (SELECT json_object_agg(part.table_name, part.rows ORDER BY place)
                FROM part
                WHERE (part.changed_at, part.transaction_id) = (top.changed_at, top.transaction_id)) AS counts,
               EXISTS (
                   SELECT
                   FROM (SELECT trail_id
                         FROM trail
                         WHERE kind = 'added' AND trail.table_name = top.table_name
                           AND (single_id = lost_id OR single_id IS NULL AND ids @> lost_id)
                         OFFSET 0) AS again
                   WHERE again.trail_id > first_id
               ) AS is_back
        FROM top
        JOIN trail AS first ON first.trail_id = first_id
        CROSS JOIN LATERAL (
            SELECT (first.old -> 0 ->> (%(keys)s::jsonb ->> top.table_name))::bigint AS lost_id
        ) AS lost
        WHERE top.table_name = 'customer_notes' OR NOT EXISTS (
            SELECT
            FROM customers
            WHERE customer_id = (first.old -> 0 ->> 'customer_id')::bigint AND merged_into IS NOT NULL
        )
        ORDER BY top.changed_at DESC, top.transaction_id DESC
        """,
        limit=limit, tables=list(KEYS), named=[table for table in KEYS if table not in NOT_ALONE],
        keys=KEYS_AS_JSON,
    )


def obstacles(deletion: Deletion) -> list[Obstacle]:
    """Return what keeps a deletion from being undone: what it belongs to is gone, or its place is taken since.

    NOT IN, which is looked up in a hash, since the server does not know how many rows there are.
    """
    rows: list[Row] = fetch_all(
        """
        WITH lost AS (
            SELECT name, line
            FROM unnest(%(tables)s) AS name
            CROSS JOIN LATERAL deleted_rows(%(transaction_id)s, %(changed_at)s, name)
        )
        SELECT 'customer' AS kind, (line ->> 'customer_id')::bigint AS record_id, name AS what, NULL::jsonb AS holder
        FROM lost
        WHERE name IN ('locations', 'billing', 'payments')
          AND NOT EXISTS (SELECT FROM customers WHERE customer_id = (line ->> 'customer_id')::bigint)
          AND line -> 'customer_id' NOT IN (SELECT line -> 'customer_id' FROM lost WHERE name = 'customers')
        UNION
        SELECT 'location', (line ->> 'location_id')::bigint, name, NULL
        FROM lost
        WHERE name IN ('services', 'equipment') AND line ->> 'location_id' IS NOT NULL
          AND NOT EXISTS (SELECT FROM locations WHERE location_id = (line ->> 'location_id')::bigint)
          AND line -> 'location_id' NOT IN (SELECT line -> 'location_id' FROM lost WHERE name = 'locations')
        UNION
        SELECT 'bill', (line ->> 'billing_id')::bigint, name, NULL
        FROM lost
        WHERE name = 'billing_items'
          AND NOT EXISTS (SELECT FROM billing WHERE billing_id = (line ->> 'billing_id')::bigint)
          AND line -> 'billing_id' NOT IN (SELECT line -> 'billing_id' FROM lost WHERE name = 'billing')
        UNION
        SELECT 'address', locations.location_id, locations.address, to_jsonb(customers)
        FROM lost
        JOIN locations ON customer_id = (line ->> 'customer_id')::bigint AND address = line ->> 'address'
        JOIN customers USING (customer_id)
        WHERE lost.name = 'locations'
        UNION
        SELECT 'month', billing.billing_id, billing.description, NULL
        FROM lost
        JOIN billing ON customer_id = (line ->> 'customer_id')::bigint AND period = (line ->> 'period')::date
        WHERE lost.name = 'billing' AND line ->> 'merged_from' IS NULL
          AND cancelled_on IS NULL AND billing.merged_from IS NULL
        UNION
        SELECT 'serial', holder.equipment_id, lost.line ->> 'serial_number',
               to_jsonb(holder) || jsonb_build_object(
                   'address', address, 'name', customers.name,
                   'place', CASE WHEN holder.retired_on IS NULL THEN 'in stock' ELSE 'written off' END)
        FROM lost
        JOIN equipment AS holder ON serial_key(holder.serial_number) = serial_key(lost.line ->> 'serial_number')
                                AND serial_repeat = (lost.line ->> 'serial_repeat')::integer
        LEFT JOIN locations USING (location_id)
        LEFT JOIN customers USING (customer_id)
        WHERE lost.name = 'equipment'
        UNION
        SELECT 'account number', holder.customer_id, holder.account_number, NULL
        FROM lost
        JOIN customers AS holder ON lower(holder.account_number) = lower(lost.line ->> 'account_number')
        WHERE lost.name = 'customers'
        ORDER BY kind, record_id
        """,
        patient=True, tables=list(KEYS), transaction_id=deletion["transaction_id"], changed_at=deletion["changed_at"],
    )
    return [Obstacle(**row) for row in rows]


@retried
def restore(deletion: Deletion, without_taken_numbers: bool = False) -> None:
    """Bring back what a transaction deleted, with its IDs, in one transaction.

    Raise Conflict when its place is taken, as obstacles() says; without_taken_numbers leaves out the serial numbers
    that other devices have by now, and the account numbers that other customers have.
    """
    with transaction() as cur:
        database.take_turn(cur, "bill run")  # which locks accounts in two rounds: they would wait for each other
        give_reason(cur, "undo of a deletion")
        cur.execute(
            "SELECT restore_deleted(%(transaction_id)s, %(changed_at)s, %(without)s)",
            {"transaction_id": deletion["transaction_id"], "changed_at": deletion["changed_at"],
             "without": without_taken_numbers},
        )


UPDATES = {
    "customers": (database.update_customer, {"name": "name", "phone_number": "phone_number", "email": "email",
                                             "account_number": "account_number"}),
    "locations": (database.update_location, {"address": "address"}),
    "services": (database.update_service, {"service_name": "service_name", "cost": "cost", "started_on": "started_on"}),
    "equipment": (database.update_equipment,
                  {"equipment_name": "equipment_name", "serial_number": "serial_number", "cost": "cost"}),
    "billing": (database.update_bill,
                {"description": "description", "amount_billed": "amount", "due_date": "due_date"}),
}


def can_undo(change: Change) -> bool:
    """Tell whether a change is one of fields that the forms change, and can be undone as they are."""
    if change["kind"] != "changed" or change["table_name"] not in UPDATES:
        return False
    columns = set(change["old"] or {}) - {"serial_repeat"}
    return bool(columns) and columns <= set(UPDATES[change["table_name"]][1])


def undo(change: Change) -> Row:
    """Give a record's fields their values from before a change, and return it as the update functions do.

    Raise Changed when somebody has changed one of the fields since, NotFound when the record is gone, and Conflict when
    its old value breaks a rule by now.
    """
    update, names = UPDATES[change["table_name"]]
    if change["table_name"] == "services" and "cost" in (change["old"] or {}):
        _check_that_no_price_is_to_come(change["record_id"])
    old, new = change["old"] or {}, change["new"] or {}
    given = {names[column]: "" if value is None else _from_json(column, value)
             for column, value in old.items() if column in names}
    seen = {column: _from_json(column, new.get(column)) for column in names}
    row: Row = update(change["record_id"], **given, seen=seen)  # type: ignore[operator]
    return row


def _check_that_no_price_is_to_come(service_id: int) -> None:
    """Raise Conflict where the cost that the trail has is one of days to come, while an update is for today."""
    if prices := database.get_service(service_id)["coming_prices"]:
        raise Conflict(f"The cost of service {service_id} changes on {prices[0]['from_day']}: Change a price sets what "
                       "all who have such a service pay from that day.")


def _from_json(column: str, value: Any) -> Any:
    return date.fromisoformat(value) if column in ("due_date", "started_on") and value else value


def years_kept() -> int:
    """Return for how many years the trail is kept: TRAIL_YEARS."""
    return settings.whole_number("TRAIL_YEARS", TRAIL_YEARS, MOST_YEARS)


@retried
def thin() -> int:
    """Delete what of the trail is older than it is kept, note that in the trail, and return how many rows it was.

    Raise Forbidden for any but the owner of the tables.
    """
    years = years_kept()
    with transaction() as cur:
        be_patient(cur)
        give_reason(cur, f"older than {years} years")
        cur.execute(
            """
            WITH gone AS (
                DELETE FROM trail
                WHERE changed_at < CURRENT_DATE - make_interval(years => %(years)s)
                RETURNING trail_id
            )
            INSERT INTO trail (table_name, kind, ids, row_count)
            SELECT 'trail', 'deleted', range_agg(int8range(trail_id, trail_id, '[]')), count(*)
            FROM gone
            HAVING count(*) > 0
            RETURNING row_count
            """,
            {"years": years},
        )
        row = cur.fetchone()
        return row["row_count"] if row else 0
