"""Whom the lines of an import speak of: each customer once, and the stored one that it is, or that it looks like.

Two spellings are one person when the folded names are equal and the phone numbers are the same. Each step reads the
temporary tables of the steps before it, and those that reject lines take them out of import_lines.
"""
from __future__ import annotations

from typing import NamedTuple

from tracker import settings
from tracker.cursor import Cursor

MOST_TOLD = 3  # of those that look alike


class Alike(NamedTuple):
    """A new customer who may be one that is stored already."""

    line: int
    name: str
    phone_number: str | None
    customer_id: int
    stored_name: str
    stored_number: str | None


def find_persons(cur: Cursor) -> None:
    """Fill import_people, one row for each customer_id, name and phone number as they are spelt, with their person.

    A person is known by the first line of any spelling.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_people ON COMMIT DROP AS
        SELECT customer_id, name, phone_number, folded(name) AS folded, line, line AS person
        FROM (
            SELECT customer_id, name, phone_number, min(line) AS line
            FROM import_lines
            GROUP BY customer_id, name, phone_number
        ) AS written;

        ANALYZE import_people;

        CREATE TEMPORARY TABLE import_keys ON COMMIT DROP AS
        SELECT folded, key, key = phone_key(phone_number) AS is_own, line, phone_number
        FROM (
            SELECT folded, phone_number, min(line) AS line, count(*) OVER (PARTITION BY folded) AS spellings
            FROM import_people
            GROUP BY folded, phone_number
        ) AS written
        CROSS JOIN unnest(phone_keys(phone_number, %(country)s)) AS likely (key)
        WHERE spellings > 1 AND phone_number <> '';

        ANALYZE import_keys;

        WITH pair AS MATERIALIZED (
            SELECT DISTINCT one.line, other.line AS other_line
            FROM import_keys AS one
            JOIN import_keys AS other USING (folded, key)
            WHERE other.is_own AND other.line <> one.line
              AND same_phone(other.phone_number, one.phone_number, %(country)s)
        ), nearest AS (
            SELECT line, min(other_line) AS other_line
            FROM (SELECT line, other_line FROM pair UNION ALL SELECT other_line, line FROM pair) AS either
            GROUP BY line
        )
        UPDATE import_people
        SET person = found.person
        FROM (
            SELECT folded, phone_number, least(written.line, nearest.other_line, further.other_line) AS person
            FROM (
                SELECT folded, phone_number, min(line) AS line
                FROM import_people
                GROUP BY folded, phone_number
            ) AS written
            LEFT JOIN nearest ON nearest.line = written.line
            LEFT JOIN nearest AS further ON further.line = nearest.other_line
        ) AS found
        WHERE import_people.folded = found.folded AND import_people.phone_number = found.phone_number
          AND import_people.person <> found.person
        """,
        {"country": settings.country_code()},
    )


def find_stored(cur: Cursor) -> None:
    """Fill import_stored with the stored customers that a person is, those spelt alike before any other, and
    import_alike with those that have a name or number of the rest.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_stored ON COMMIT DROP AS
        SELECT DISTINCT person, coalesce(stored.merged_into, stored.customer_id) AS customer_id
        FROM import_people
        JOIN customers AS stored
          ON stored.name = import_people.name AND coalesce(stored.phone_number, '') = import_people.phone_number;

        ANALYZE import_stored;

        CREATE TEMPORARY TABLE import_unknown ON COMMIT DROP AS
        SELECT DISTINCT person, folded, phone_number
        FROM import_people
        WHERE EXISTS (SELECT FROM customers)
          AND NOT EXISTS (SELECT FROM import_stored WHERE import_stored.person = import_people.person);

        ANALYZE import_unknown;

        CREATE TEMPORARY TABLE import_alike ON COMMIT DROP AS
        SELECT person, coalesce(stored.merged_into, stored.customer_id) AS customer_id,
               name_folded = folded AS same_name, true AS same_number
        FROM import_unknown
        CROSS JOIN unnest(phone_keys(nullif(import_unknown.phone_number, ''), %(country)s)) AS likely (key)
        JOIN customers AS stored ON phone_key(stored.phone_number) = likely.key
        WHERE same_phone(stored.phone_number, import_unknown.phone_number, %(country)s)
        UNION
        SELECT person, coalesce(stored.merged_into, stored.customer_id), true, true
        FROM import_unknown
        JOIN customers AS stored ON name_folded = folded AND stored.phone_number IS NULL
        WHERE import_unknown.phone_number = ''
        UNION
        SELECT person, namesake.customer_id, true, false
        FROM import_unknown
        JOIN (
            SELECT wanted.folded, min(coalesce(merged_into, customer_id)) AS customer_id
            FROM (SELECT DISTINCT folded FROM import_unknown) AS wanted
            JOIN customers ON name_folded = wanted.folded
            GROUP BY wanted.folded
        ) AS namesake USING (folded);

        INSERT INTO import_stored
        SELECT DISTINCT person, customer_id
        FROM import_alike
        WHERE same_name AND same_number;

        DELETE FROM import_alike
        USING import_stored
        WHERE import_stored.person = import_alike.person;

        ANALYZE import_stored
        """,
        {"country": settings.country_code()},
    )


def reject_changed_customers(cur: Cursor) -> dict[int, str]:
    """Take out lines whose customer_id stands in an earlier line with another name or phone number."""
    cur.execute(
        """
        DELETE FROM import_lines
        USING import_people
        JOIN (
            SELECT DISTINCT ON (customer_id) customer_id, person, line
            FROM import_people
            WHERE customer_id <> ''
            ORDER BY customer_id, line
        ) AS first USING (customer_id)
        WHERE (import_lines.customer_id, import_lines.name, import_lines.phone_number)
              = (import_people.customer_id, import_people.name, import_people.phone_number)
          AND import_people.person <> first.person
        RETURNING import_lines.line, first.line AS first_line
        """
    )
    return {
        row["line"]: f"customer_id: Line {row['first_line']} has it with another name or phone number." for row in cur
    }


def reject_closed(cur: Cursor) -> dict[int, str]:
    """Take out lines of customers whose accounts are closed; of one who has an open account, too, that is meant."""
    cur.execute(
        """
        DELETE FROM import_stored
        USING customers
        WHERE customers.customer_id = import_stored.customer_id AND closed_on IS NOT NULL
          AND EXISTS (
              SELECT FROM import_stored AS other
              JOIN customers USING (customer_id)
              WHERE other.person = import_stored.person AND closed_on IS NULL
          );

        DELETE FROM import_lines
        USING import_people
        JOIN (
            SELECT person, min(customer_id) AS customer_id
            FROM import_stored
            JOIN customers USING (customer_id)
            WHERE closed_on IS NOT NULL
            GROUP BY person
        ) AS closed USING (person)
        WHERE (import_lines.customer_id, import_lines.name, import_lines.phone_number)
              = (import_people.customer_id, import_people.name, import_people.phone_number)
        RETURNING import_lines.line, closed.customer_id
        """
    )
    return {row["line"]: f"name: Customer {row['customer_id']} is closed; reopen the account first." for row in cur}


def reject_namesakes(cur: Cursor) -> dict[int, str]:
    """Take out lines that may be of either of several stored customers: those of one name and phone number, when the
    file does not have them all.
    """
    cur.execute(
        """
        WITH several AS (
            SELECT person, count(*) AS stored
            FROM import_stored
            GROUP BY person
            HAVING count(*) > 1
        ), unclear AS (
            SELECT person, stored
            FROM several
            JOIN import_people USING (person)
            JOIN import_lines USING (customer_id, name, phone_number)
            GROUP BY person, stored
            HAVING stored > count(DISTINCT customer_id)
        )
        DELETE FROM import_lines
        USING import_people
        JOIN unclear USING (person)
        WHERE (import_lines.customer_id, import_lines.name, import_lines.phone_number)
              = (import_people.customer_id, import_people.name, import_people.phone_number)
        RETURNING import_lines.line, stored
        """
    )
    return {row["line"]: f"name: {row['stored']} stored customers have this name and phone number." for row in cur}


def reject_alike(cur: Cursor) -> dict[int, str]:
    """Take out lines of new customers who may be stored ones."""
    cur.execute(
        """
        DELETE FROM import_lines
        USING import_people
        JOIN (
            SELECT DISTINCT ON (person) person, customer_id, same_number
            FROM import_alike
            ORDER BY person, same_number DESC, customer_id
        ) AS alike USING (person)
        WHERE (import_lines.customer_id, import_lines.name, import_lines.phone_number)
              = (import_people.customer_id, import_people.name, import_people.phone_number)
        RETURNING import_lines.line, alike.customer_id, same_number
        """
    )
    return {
        row["line"]: (f"phone_number: Customer {row['customer_id']} has it, under another name." if row["same_number"]
                      else f"name: Customer {row['customer_id']} has it, with another phone number.")
        for row in cur
    }


def match_customers(cur: Cursor, numbered: bool) -> tuple[int, int]:
    """Fill import_customers, one for each that the lines speak of, known by its first line, import_spellings with that
    line for every spelling, and import_known with the IDs of those that are stored; count new and present.

    When the file has customer IDs, several customers may have one name and phone number: of those stored, each is then
    the one of its ID, else one that is spelt as it is, and what is left goes by its order in the file.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_customers ON COMMIT DROP AS
        SELECT first_line, customer_id, person, import_lines.name, import_lines.phone_number, import_lines.email
        FROM (
            SELECT min(import_lines.line) AS first_line, customer_id, person
            FROM import_lines
            JOIN import_people USING (customer_id, name, phone_number)
            GROUP BY customer_id, person
        ) AS customer
        JOIN import_lines USING (customer_id)
        WHERE import_lines.line = first_line;

        ANALYZE import_customers;

        CREATE TEMPORARY TABLE import_spellings ON COMMIT DROP AS
        SELECT customer_id, import_people.name, import_people.phone_number, first_line
        FROM import_people
        JOIN import_customers USING (customer_id, person);

        ANALYZE import_spellings;

        CREATE TEMPORARY TABLE import_known ON COMMIT DROP AS
        SELECT first_line, stored.customer_id, person
        FROM import_customers
        JOIN import_stored AS stored USING (person)
        WHERE import_customers.customer_id = stored.customer_id::text
        """
    )
    if numbered:
        _know_the_rest(cur, "concat_ws(' ', name, phone_number)")
    _know_the_rest(cur, "''")
    cur.execute(
        """
        ANALYZE import_known;

        SELECT (SELECT count(*) FROM import_customers) - (SELECT count(*) FROM import_known) AS new,
               (SELECT count(*) FROM import_known)                                           AS present
        """
    )
    row = cur.row()
    return row["new"], row["present"]


def _know_the_rest(cur: Cursor, spelling: str) -> None:
    """Pair those who are not known yet, of one person and spelling, with those stored: the nth with the nth."""
    cur.execute(
        f"""
        ANALYZE import_known;

        INSERT INTO import_known
        SELECT first_line, stored.customer_id, person
        FROM (
            SELECT first_line, person, {spelling} AS spelling,
                   row_number() OVER (PARTITION BY person, {spelling} ORDER BY first_line) AS nth
            FROM import_customers
            WHERE NOT EXISTS (SELECT FROM import_known WHERE import_known.first_line = import_customers.first_line)
        ) AS incoming
        JOIN (
            SELECT person, customer_id, {spelling} AS spelling,
                   row_number() OVER (PARTITION BY person, {spelling} ORDER BY customer_id) AS nth
            FROM import_stored
            JOIN customers USING (customer_id)
            WHERE NOT EXISTS (
                SELECT FROM import_known AS known
                WHERE known.person = import_stored.person AND known.customer_id = import_stored.customer_id
            )
        ) AS stored USING (person, spelling, nth)
        """,  # noqa: S608 (the spellings stand above)
    )


def find_alike(cur: Cursor) -> tuple[int, tuple[Alike, ...]]:
    """Count the new customers who may be stored ones, and return the first, each beside whom it looks like most."""
    cur.execute(
        """
        SELECT first_line AS line, import_customers.name, nullif(import_customers.phone_number, '') AS phone_number,
               alike.customer_id, stored.name AS stored_name, stored.phone_number AS stored_number,
               count(*) OVER () AS customers
        FROM import_customers
        JOIN (
            SELECT DISTINCT ON (person) person, customer_id
            FROM import_alike
            ORDER BY person, same_number DESC, customer_id
        ) AS alike USING (person)
        JOIN customers AS stored ON stored.customer_id = alike.customer_id
        ORDER BY first_line
        LIMIT %(most)s
        """,
        {"most": MOST_TOLD},
    )
    rows = cur.fetchall()
    return (rows[0]["customers"] if rows else 0), tuple(Alike(*[row[key] for key in Alike._fields]) for row in rows)
