"""What an import changes of stored records: found first, shown, and made once that was agreed to."""
from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from tracker import errors, settings
from tracker.cursor import Cursor
from tracker.transfer.batches import in_batches

MOST_TOLD = 3  # of each kind
OF_CUSTOMERS = ("account_number", "name", "phone_number", "email", "note")
OF_SERVICES = ("price", "pause", "resume", "end")
CHANGED_SINCE = "The file or the records changed after the check; nothing was imported. Check again."


class Change(NamedTuple):
    """A change in the words of the first line that has it, and how many records have the same.

    name is whose, or of which service or device; old and new are what it was and will be, empty for nothing.
    """

    what: str
    line: int
    name: str
    old: str
    new: str
    times: int = 1


class Changes(NamedTuple):
    """The changes counted by what, in that order, with the first of each kind.

    customers to equipment count the records that change; difference is what the changed prices make a month.
    """

    counts: tuple[tuple[str, int], ...] = ()
    first: tuple[Change, ...] = ()
    customers: int = 0
    sites: int = 0
    services: int = 0
    equipment: int = 0
    difference: Decimal = Decimal(0)


def find_of_customers(cur: Cursor) -> None:
    """Begin import_changes with what the file has otherwise of stored customers; another spelling is no change."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_changes ON COMMIT DROP AS
        SELECT field.what, first_line AS line, stored.customer_id AS id, stored.name, coalesce(field.old, '') AS old,
               field.new
        FROM import_customers AS one
        JOIN import_known USING (customer)
        JOIN customers AS stored ON stored.customer_id = import_known.customer_id
        CROSS JOIN LATERAL (
            VALUES ('account_number', stored.account_number, one.account_number,
                    lower(stored.account_number) IS DISTINCT FROM lower(one.account_number)),
                   ('name', stored.name, one.name, stored.name <> one.name AND name_folded <> folded(one.name)),
                   ('phone_number', stored.phone_number, one.phone_number,
                    stored.phone_number IS DISTINCT FROM one.phone_number
                    AND same_phone(stored.phone_number, nullif(one.phone_number, ''), %(country)s) IS NOT TRUE),
                   ('email', stored.email, one.email, lower(stored.email) IS DISTINCT FROM lower(one.email))
        ) AS field (what, old, new, differs)
        WHERE field.new <> '' AND differs;

        INSERT INTO import_changes
        SELECT 'address', line, location_id, stored.name, old, new
        FROM import_moves
        JOIN import_known USING (customer)
        JOIN customers AS stored USING (customer_id)
        """,
        {"country": settings.country_code()},
    )


def find_notes(cur: Cursor) -> int:
    """Fill import_notes with what the file notes of customers and is not noted here yet, and count that."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_notes ON COMMIT DROP AS
        SELECT customer, notes, min(line) AS line
        FROM import_lines
        WHERE notes <> ''
        GROUP BY customer, notes;

        DELETE FROM import_notes
        USING import_known, customer_notes
        WHERE import_known.customer = import_notes.customer
          AND customer_notes.customer_id = import_known.customer_id AND note = notes;

        INSERT INTO import_changes
        SELECT 'note', line, customer_id, stored.name, '', notes
        FROM import_notes
        JOIN import_known USING (customer)
        JOIN customers AS stored USING (customer_id);

        SELECT count(*) AS notes FROM import_notes
        """
    )
    count: int = cur.row()["notes"]
    return count


def find_of_services(cur: Cursor) -> None:
    """Add prices, and which services end, rest or go on again.

    Those of customers who are closed in the file alone stay as they are, until the account is closed.
    """
    cur.execute(
        """
        INSERT INTO import_changes
        SELECT 'price', line, service_id, service_name, old_cost::numeric(12,2)::text, cost::numeric(12,2)::text
        FROM import_services
        WHERE old_cost <> cost AND NOT has_ended;

        INSERT INTO import_changes
        SELECT 'end', line, service_id, stored.service_name, coalesce(ended_on::text, ''), ends_on::text
        FROM (
            SELECT line, customer, service_id,
                   CASE WHEN has_ended THEN coalesce(least(ends, CURRENT_DATE), CURRENT_DATE) ELSE ends END AS ends
            FROM import_services
            JOIN import_sites USING (site_line)
            WHERE has_ended OR ends IS NOT NULL
        ) AS ending
        JOIN import_customers USING (customer)
        JOIN services AS stored USING (service_id)
        CROSS JOIN LATERAL (SELECT greatest(ends, started_on) AS ends_on) AS day
        WHERE status <> 'closed' AND (ended_on < CURRENT_DATE) IS NOT TRUE AND ends_on IS DISTINCT FROM ended_on;

        WITH resting AS (
            SELECT line, service_id
            FROM import_services
            WHERE is_paused AND NOT has_ended AND service_id IS NOT NULL
            UNION
            SELECT first_line, service_id
            FROM import_customers
            JOIN import_known USING (customer)
            JOIN locations USING (customer_id)
            JOIN services AS stored USING (location_id)
            WHERE status = 'paused'
              AND NOT EXISTS (SELECT FROM import_services AS told WHERE told.service_id = stored.service_id)
        )
        INSERT INTO import_changes
        SELECT what, line, service_id, service_name, '', ''
        FROM (
            SELECT 'pause' AS what, line, service_id FROM resting
            UNION ALL
            SELECT 'resume', line, service_id
            FROM import_services
            WHERE is_active AND NOT has_ended AND NOT is_paused AND service_id IS NOT NULL
        ) AS change
        JOIN services AS stored USING (service_id)
        WHERE (ended_on < CURRENT_DATE) IS NOT TRUE
          AND (what = 'resume') = EXISTS (
              SELECT FROM service_pauses AS pause
              WHERE pause.service_id = stored.service_id
                AND first_day <= CURRENT_DATE AND coalesce(last_day, 'infinity') >= CURRENT_DATE
          )
        """
    )


def find_of_equipment(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO import_changes
        SELECT 'value', line, equipment_id, equipment_name, old_cost::numeric(12,2)::text, cost::numeric(12,2)::text
        FROM import_equipment
        WHERE old_cost <> cost
        """
    )


def summed_up(cur: Cursor) -> Changes:
    """Count the changes, and note the first of each kind: those that are the same are one."""
    cur.execute(
        """
        SELECT what, line, name, old, new, times::bigint AS times, count::bigint AS count
        FROM (
            SELECT what, min(line) AS line, name, old, new, count(*) AS times,
                   row_number() OVER (PARTITION BY what ORDER BY min(line)) AS nth,
                   sum(count(*)) OVER (PARTITION BY what) AS count
            FROM import_changes
            GROUP BY what, name, old, new
        ) AS told
        WHERE nth <= %(most)s
        ORDER BY what, nth
        """,
        {"most": MOST_TOLD},
    )
    rows = cur.fetchall()
    cur.execute(
        """
        SELECT count(DISTINCT id) FILTER (WHERE what = ANY (%(of_customers)s)) AS customers,
               count(DISTINCT id) FILTER (WHERE what = 'address')              AS sites,
               count(DISTINCT id) FILTER (WHERE what = ANY (%(of_services)s))  AS services,
               count(DISTINCT id) FILTER (WHERE what = 'value')                AS equipment,
               coalesce(sum(CASE what WHEN 'price' THEN new::numeric - old::numeric END), 0) AS difference
        FROM import_changes
        """,
        {"of_customers": list(OF_CUSTOMERS), "of_services": list(OF_SERVICES)},
    )
    return Changes(
        tuple({row["what"]: row["count"] for row in rows}.items()),
        tuple(Change(*[row[field] for field in Change._fields]) for row in rows),
        **cur.row(),
    )


def make(cur: Cursor, changes: Changes, tell: Callable[[int], object]) -> None:
    """Make the changes; raise Conflict when what they are about is not as it was any more."""
    counts = dict(changes.counts)
    if any(what in counts for what in OF_CUSTOMERS if what != "note"):
        _change_customers(cur)
    if "address" in counts:
        _change_addresses(cur, counts["address"])
    if "end" in counts:
        _end_services(cur, counts["end"])
    if "pause" in counts or "resume" in counts:
        _pause_services(cur)
    if "price" in counts:
        _check_all_changed(in_batches(cur, _change_prices, tell), counts["price"])
    if "value" in counts:
        _check_all_changed(in_batches(cur, _change_values, tell), counts["value"])


def _check_all_changed(done: int, wanted: int) -> None:
    if done != wanted:
        raise errors.Conflict(CHANGED_SINCE)


def _change_customers(cur: Cursor) -> None:
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_renamed ON COMMIT DROP AS
        SELECT id AS customer_id, jsonb_object_agg(what, old) AS old, jsonb_object_agg(what, new) AS new
        FROM import_changes
        WHERE what IN ('account_number', 'name', 'phone_number', 'email')
        GROUP BY id;

        ANALYZE import_renamed;

        SELECT FROM customers
        JOIN import_renamed USING (customer_id)
        ORDER BY customer_id
        FOR UPDATE OF customers;

        UPDATE customers AS stored
        SET account_number = coalesce(new ->> 'account_number', account_number), name = coalesce(new ->> 'name', name),
            phone_number = coalesce(new ->> 'phone_number', phone_number), email = coalesce(new ->> 'email', email)
        FROM import_renamed
        WHERE import_renamed.customer_id = stored.customer_id
          AND coalesce(account_number, '') = coalesce(old ->> 'account_number', account_number, '')
          AND name = coalesce(old ->> 'name', name)
          AND coalesce(phone_number, '') = coalesce(old ->> 'phone_number', phone_number, '')
          AND coalesce(email, '') = coalesce(old ->> 'email', email, '')
        """
    )
    done = cur.rowcount
    cur.execute("SELECT count(*) AS wanted FROM import_renamed")
    _check_all_changed(done, cur.row()["wanted"])


def _change_addresses(cur: Cursor, wanted: int) -> None:
    cur.execute(
        """
        UPDATE locations
        SET address = new
        FROM import_changes
        WHERE what = 'address' AND id = location_id AND address = old
        """
    )
    _check_all_changed(cur.rowcount, wanted)


def _end_services(cur: Cursor, wanted: int) -> None:
    cur.execute(
        """
        UPDATE services
        SET ended_on = new::date
        FROM import_changes
        WHERE what = 'end' AND id = service_id AND coalesce(ended_on::text, '') = old
        """
    )
    _check_all_changed(cur.rowcount, wanted)


def _pause_services(cur: Cursor) -> None:
    """Let services rest from today until further notice, or until their next pause, and others go on from today."""
    cur.execute(
        """
        DELETE FROM service_pauses
        USING import_changes
        WHERE what = 'resume' AND id = service_id AND first_day = CURRENT_DATE;

        UPDATE service_pauses
        SET last_day = CURRENT_DATE - 1
        FROM import_changes
        WHERE what = 'resume' AND id = service_id AND first_day < CURRENT_DATE
          AND coalesce(last_day, 'infinity') >= CURRENT_DATE;

        INSERT INTO service_pauses (service_id, first_day, last_day)
        SELECT id, CURRENT_DATE, (
                   SELECT min(first_day) - 1
                   FROM service_pauses AS later
                   WHERE later.service_id = id AND first_day > CURRENT_DATE
               )
        FROM import_changes
        WHERE what = 'pause'
        """
    )


def _change_prices(cur: Cursor, after: int, upto: int) -> None:
    cur.execute(
        """
        SELECT FROM services
        JOIN import_changes ON what = 'price' AND id = service_id
        WHERE line > %(after)s AND line <= %(upto)s
        ORDER BY service_id
        FOR UPDATE OF services;

        WITH changing AS MATERIALIZED (
            SELECT id, new::numeric AS cost
            FROM import_changes
            JOIN services_today AS stored ON what = 'price' AND id = service_id
            WHERE line > %(after)s AND line <= %(upto)s AND stored.cost = old::numeric
        ), changed AS MATERIALIZED (
            SELECT change_prices(array_agg(id), array_agg(cost), CURRENT_DATE) FROM changing HAVING count(*) > 0
        )
        SELECT id FROM changing CROSS JOIN changed
        """,
        {"after": after, "upto": upto},
    )


def _change_values(cur: Cursor, after: int, upto: int) -> None:
    cur.execute(
        """
        SELECT FROM equipment
        JOIN import_changes ON what = 'value' AND id = equipment_id
        WHERE line > %(after)s AND line <= %(upto)s
        ORDER BY equipment_id
        FOR UPDATE OF equipment;

        UPDATE equipment
        SET cost = new::numeric
        FROM import_changes
        WHERE what = 'value' AND id = equipment_id AND cost = old::numeric
          AND line > %(after)s AND line <= %(upto)s
        """,
        {"after": after, "upto": upto},
    )
