"""What an import adds, parents first, in the order of the file's lines."""
from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

from tracker.cursor import Cursor
from tracker.transfer.batches import in_batches
from tracker.transfer.reading import Progress


def add(cur: Cursor, new: tuple[int, ...], progress: Progress) -> None:
    """Add the customers, sites, services and equipment that were found to be new, so many of each."""
    done, whole = itertools.accumulate(new, initial=0), sum(new)

    def add_all(what: str, count: int, add_some: Callable[[Cursor, int, int], None]) -> None:
        before = next(done)
        progress(f"Adding {what}", before, whole)
        if count:
            in_batches(cur, add_some, lambda added: progress(f"Adding {what}", before + added, whole))

    with _search_indexes_later(cur, ["customers", "locations"], new[0], progress):
        add_all("customers", new[0], _add_customers)
        cur.execute("ANALYZE import_known")
        add_all("sites", new[1], _add_sites)
    if any(new[2:]):
        _find_places(cur)
    with _search_indexes_later(cur, ["services", "equipment"], new[0], progress):
        add_all("services", new[2], _add_services)
        add_all("equipment", new[3], _add_equipment)
    if new[2]:
        _let_services_rest(cur)


def close(cur: Cursor) -> None:
    """Close the new customers who are closed in the file, once they have what is theirs."""
    cur.execute(
        """
        UPDATE customers
        SET closed_on = CURRENT_DATE
        FROM import_customers
        JOIN import_known USING (customer)
        WHERE customers.customer_id = import_known.customer_id AND is_new AND status = 'closed'
        """
    )


def add_notes(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO customer_notes (customer_id, note)
        SELECT customer_id, notes
        FROM import_notes
        JOIN import_known USING (customer)
        ORDER BY line
        """
    )


@contextlib.contextmanager
def _search_indexes_later(cur: Cursor, tables: list[str], new: int, progress: Progress) -> Iterator[None]:
    """Make the search indexes once the rows are in, where these are most of what there will be.

    Keeping a trigram index up to date costs as much as the rest of the import, and making it anew a fifth of that; but
    nobody can use the tables meanwhile, and only their owner may.
    """
    cur.execute(
        """
        SELECT format('DROP INDEX %%s', indexrelid::regclass) AS drop_it, pg_get_indexdef(indexrelid) AS make_it
        FROM pg_index
        JOIN pg_class AS index ON index.oid = indexrelid
        WHERE indrelid = ANY (%(tables)s::regclass[]) AND NOT indisunique
          AND pg_get_indexdef(indexrelid) NOT LIKE '%%(location_id)'
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
          AND pg_has_role(index.relowner, 'USAGE')
          AND %(new)s > (SELECT count(*) FROM (SELECT FROM customers LIMIT %(new)s) AS stored)
        """,
        {"tables": tables, "new": new},
    )
    indexes = cur.fetchall()
    for index in indexes:
        cur.execute(index["drop_it"])
    yield
    cur.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for number, index in enumerate(indexes, 1):
        progress("Making the search indexes", number, len(indexes))
        cur.execute(index["make_it"])


def _add_customers(cur: Cursor, after: int, upto: int) -> None:
    """Add new customers in the order of the file, in which they get their IDs, and note these in import_known."""
    cur.execute(
        """
        WITH fresh AS MATERIALIZED (
            SELECT customer, nullif(account_number, '') AS account_number, name,
                   nullif(phone_number, '') AS phone_number, nullif(email, '') AS email,
                   row_number() OVER (ORDER BY first_line) AS place
            FROM import_customers
            WHERE first_line > %(after)s AND first_line <= %(upto)s AND is_new
        ), added AS (
            INSERT INTO customers (account_number, name, phone_number, email)
            SELECT account_number, name, phone_number, email FROM fresh ORDER BY place
            RETURNING customer_id
        )
        INSERT INTO import_known (customer, customer_id)
        SELECT customer, customer_id
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
        JOIN import_known USING (customer)
        WHERE site_line > %(after)s AND site_line <= %(upto)s AND location_id IS NULL
        ORDER BY site_line
        """,
        {"after": after, "upto": upto},
    )


def _find_places(cur: Cursor) -> None:
    """Fill import_places with the location of each site, which is there by now."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_places ON COMMIT DROP AS
        SELECT site_line, coalesce(import_sites.location_id, locations.location_id) AS location_id
        FROM import_sites
        JOIN import_known USING (customer)
        LEFT JOIN locations ON import_sites.location_id IS NULL
                           AND locations.customer_id = import_known.customer_id
                           AND locations.address = import_sites.address;

        CREATE UNIQUE INDEX ON import_places (site_line);

        ANALYZE import_places;

        CREATE TEMPORARY TABLE import_subscribed (line bigint, service_id bigint) ON COMMIT DROP
        """
    )


def _add_services(cur: Cursor, after: int, upto: int) -> None:
    """Add services; those that ended on a day that is not known do so with the month before their customer came, which
    no bill run bills to them.
    """
    cur.execute(
        """
        WITH fresh AS MATERIALIZED (
            SELECT line, import_places.location_id, service_name, cost, CASE
                       WHEN has_ended AND (ends < CURRENT_DATE) IS NOT TRUE
                       THEN (date_trunc('month', created_at) - interval '1 day')::date
                       ELSE ends
                   END AS ended_on, row_number() OVER (ORDER BY line) AS place
            FROM import_services
            JOIN import_places USING (site_line)
            JOIN locations ON locations.location_id = import_places.location_id
            JOIN customers USING (customer_id)
            WHERE line > %(after)s AND line <= %(upto)s AND service_id IS NULL
        ), added AS (
            INSERT INTO services (location_id, service_name, cost, ended_on)
            SELECT location_id, service_name, cost, ended_on FROM fresh ORDER BY place
            RETURNING service_id
        )
        INSERT INTO import_subscribed
        SELECT line, service_id
        FROM fresh
        JOIN (SELECT service_id, row_number() OVER (ORDER BY service_id) AS place FROM added) AS placed USING (place)
        """,
        {"after": after, "upto": upto},
    )


def _let_services_rest(cur: Cursor) -> None:
    """Let new services that are paused in the file rest from this month on, so that no bill run bills it."""
    cur.execute(
        """
        INSERT INTO service_pauses (service_id, first_day)
        SELECT import_subscribed.service_id, date_trunc('month', CURRENT_DATE)
        FROM import_subscribed
        JOIN import_services USING (line)
        WHERE is_paused AND NOT has_ended
        ORDER BY 1
        """
    )


def _add_equipment(cur: Cursor, after: int, upto: int) -> None:
    cur.execute(
        """
        INSERT INTO equipment (location_id, equipment_name, serial_number, cost)
        SELECT import_places.location_id, equipment_name, serial_number, cost
        FROM import_equipment
        JOIN import_places USING (site_line)
        WHERE line > %(after)s AND line <= %(upto)s AND equipment_id IS NULL
        ORDER BY line
        """,
        {"after": after, "upto": upto},
    )
