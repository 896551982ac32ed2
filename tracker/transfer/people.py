"""Whom the lines of an import speak of: each customer once, and the stored one that it is, or that it looks like.

Lines with one account number are of one customer. Without one, those with the same name and phone number are, unless
they have different customer_ids. A stored customer is found by the account number, else by our own customer_id where
the name or the phone number says so, too, else by both of these. Each step reads the temporary tables of the steps
before it, and those that reject lines take them out of import_lines.
"""
from __future__ import annotations

from typing import NamedTuple

from tracker import settings
from tracker.cursor import Cursor

MOST_TOLD = 3  # of those that look alike
PARTS = 4  # of long statements, so that one can tell how far they are


class Alike(NamedTuple):
    """A new customer who may be one that is stored already."""

    line: int
    name: str
    phone_number: str | None
    customer_id: int
    stored_name: str
    stored_number: str | None


def find_ways(cur: Cursor) -> None:
    """Fill import_ways with each way in which a customer is written, known by its first line."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_ways ON COMMIT DROP AS
        SELECT min(line) AS line, lower(account_number) AS written_number, customer_id, name, phone_number
        FROM import_lines
        GROUP BY lower(account_number), customer_id, name, phone_number
        """
    )


def find_spellings(cur: Cursor, part: int) -> None:
    """Fill import_spellings with a part of these.

    number is the account number that each goes by. person tells those of one name and phone number, customer those that
    are one customer; both are the first line of any.
    """
    if part == 0:
        cur.execute(
            """
            CREATE TEMPORARY TABLE import_spellings (
                line            bigint  NOT NULL,
                written_number  text    NOT NULL,
                number          text    NOT NULL,
                customer_id     text    NOT NULL,
                name            text    NOT NULL,
                phone_number    text    NOT NULL,
                folded          text    NOT NULL,
                person          bigint,
                customer        bigint  NOT NULL
            ) ON COMMIT DROP
            """
        )
    cur.execute(
        """
        INSERT INTO import_spellings
        SELECT line, written_number, written_number, customer_id, name, phone_number, folded(name),
               CASE WHEN name <> '' THEN line END, line
        FROM import_ways
        WHERE line %% %(parts)s = %(part)s
        """,
        {"parts": PARTS, "part": part},
    )


def find_persons(cur: Cursor) -> None:
    """Find the spellings that are of one person, and then of one customer."""
    cur.execute("DROP TABLE import_ways; ANALYZE import_spellings")
    _find_one_person(cur)
    _find_one_customer(cur)


def place_lines(cur: Cursor, part: int) -> None:
    """Give a part of the lines their spelling and customer, and their serial number as such are compared."""
    if part == 0:
        cur.execute(
            """
            ALTER TABLE import_lines RENAME TO import_copied;

            CREATE TEMPORARY TABLE import_lines (
                spelling bigint, customer bigint, serial text, LIKE import_copied
            ) ON COMMIT DROP
            """
        )
    cur.execute(
        """
        INSERT INTO import_lines
        SELECT spelling.line, customer, serial_key(serial_number), import_copied.*
        FROM import_copied
        JOIN import_spellings AS spelling
          ON written_number = lower(account_number)
         AND (spelling.customer_id, spelling.name, spelling.phone_number)
             = (import_copied.customer_id, import_copied.name, import_copied.phone_number)
        WHERE import_copied.line %% %(parts)s = %(part)s
        """,
        {"parts": PARTS, "part": part},
    )
    if part == PARTS - 1:
        cur.execute("DROP TABLE import_copied; ANALYZE import_lines")


def _find_one_person(cur: Cursor) -> None:
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_written ON COMMIT DROP AS
        SELECT folded, phone_number, min(line) AS line
        FROM import_spellings
        WHERE folded IN (SELECT folded FROM import_spellings WHERE name <> '' GROUP BY folded HAVING count(*) > 1)
        GROUP BY folded, phone_number;

        CREATE TEMPORARY TABLE import_keys ON COMMIT DROP AS
        SELECT folded, key, key = phone_key(phone_number) AS is_own, line, phone_number
        FROM import_written
        CROSS JOIN unnest(phone_keys(phone_number, %(country)s)) AS likely (key)
        WHERE phone_number <> '';

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
        UPDATE import_spellings AS spelling
        SET person = least(written.line, nearest.other_line, further.other_line)
        FROM import_written AS written
        LEFT JOIN nearest ON nearest.line = written.line
        LEFT JOIN nearest AS further ON further.line = nearest.other_line
        WHERE (spelling.folded, spelling.phone_number) = (written.folded, written.phone_number)
        """,
        {"country": settings.country_code()},
    )


def _find_one_customer(cur: Cursor) -> None:
    """Let a line without a number go by the one of its person, where that has one alone, or by its customer_id."""
    cur.execute(
        """
        UPDATE import_spellings AS spelling
        SET number = of_person.number
        FROM (
            SELECT person, min(number) AS number
            FROM import_spellings
            WHERE number <> '' AND name <> ''
            GROUP BY person
            HAVING count(DISTINCT number) = 1
        ) AS of_person
        WHERE spelling.number = '' AND spelling.customer_id = '' AND spelling.person = of_person.person;

        UPDATE import_spellings AS spelling
        SET number = of_id.number, person = of_id.person
        FROM (
            SELECT customer_id, min(number) AS number, min(person) AS person
            FROM import_spellings
            WHERE customer_id <> '' AND name <> ''
            GROUP BY customer_id
            HAVING count(DISTINCT (number, person)) = 1
        ) AS of_id
        WHERE spelling.name = '' AND spelling.number = '' AND spelling.customer_id = of_id.customer_id;

        UPDATE import_spellings AS spelling
        SET customer = one.customer
        FROM (
            SELECT number, CASE number WHEN '' THEN customer_id END AS customer_id,
                   CASE number WHEN '' THEN coalesce(person, 0) END AS person, min(line) AS customer
            FROM import_spellings
            GROUP BY 1, 2, 3
            HAVING count(*) > 1
        ) AS one
        WHERE spelling.number = one.number
          AND (spelling.number <> ''
               OR (spelling.customer_id, coalesce(spelling.person, 0)) = (one.customer_id, one.person))
        """
    )


def reject_contradictions(cur: Cursor) -> dict[int, str]:
    """Take out lines with an account number or customer_id that an earlier line has with another name or phone number,
    and those without a number of whom the file has several numbers.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_contradictions ON COMMIT DROP AS
        SELECT line, CASE
                   WHEN name <> '' AND folded <> first_folded
                   THEN 'account_number: Line ' || name_line || ' has it with another name, ' || first_name || '.'
                   ELSE 'account_number: Line ' || phone_line || ' has it with another phone number, ' || first_phone
                        || '.'
               END AS reason
        FROM (
            SELECT line, name, folded, phone_number,
                   first_value(line) OVER by_name AS name_line, first_value(name) OVER by_name AS first_name,
                   first_value(folded) OVER by_name AS first_folded,
                   first_value(line) OVER by_phone AS phone_line, first_value(phone_number) OVER by_phone AS first_phone
            FROM import_spellings
            WHERE number <> ''
              AND number IN (SELECT number FROM import_spellings WHERE number <> '' GROUP BY number HAVING count(*) > 1)
            WINDOW by_name AS (PARTITION BY number ORDER BY name = '', line),
                   by_phone AS (PARTITION BY number ORDER BY phone_number = '', line)
        ) AS told
        WHERE name <> '' AND folded <> first_folded
           OR phone_number <> '' AND NOT same_phone(phone_number, first_phone, %(country)s)
        UNION ALL
        SELECT line, 'customer_id: Line ' || first_line || ' has it with another name or phone number.'
        FROM (
            SELECT line, person, first_value(person) OVER of_id AS first_person,
                   first_value(line) OVER of_id AS first_line
            FROM import_spellings
            WHERE number = '' AND customer_id <> '' AND name <> ''
            WINDOW of_id AS (PARTITION BY customer_id ORDER BY line)
        ) AS told
        WHERE person <> first_person
        UNION ALL
        SELECT line, 'account_number: It is missing, and customers of the file with this name and phone number have '
                     'different ones.'
        FROM import_spellings
        JOIN (
            SELECT person
            FROM import_spellings
            WHERE number <> '' AND name <> ''
            GROUP BY person
            HAVING count(DISTINCT number) > 1
        ) AS several USING (person)
        WHERE number = '' AND customer_id = '';

        DELETE FROM import_spellings
        USING import_contradictions
        WHERE import_contradictions.line = import_spellings.line;

        DELETE FROM import_lines
        USING import_contradictions AS contradiction
        WHERE contradiction.line = spelling
        RETURNING import_lines.line, reason
        """,
        {"country": settings.country_code()},
    )
    return {row["line"]: row["reason"] for row in cur}


def find_known(cur: Cursor) -> None:
    """Fill import_callers, one row for each customer, and import_known with those who are stored by number or ID: of
    them that is sure.

    is_closing tells customers of whom the file says nothing but that they are closed.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_callers ON COMMIT DROP AS
        SELECT DISTINCT ON (customer) customer, number, customer_id, person, name, phone_number, folded,
               coalesce(is_closing, false) AS is_closing
        FROM import_spellings
        LEFT JOIN (
            SELECT customer, bool_and(customer_status = 'closed') AS is_closing
            FROM import_lines
            WHERE customer_status <> ''
            GROUP BY customer
        ) AS said USING (customer)
        ORDER BY customer, name = '', phone_number = '', line;

        ANALYZE import_callers;

        CREATE TEMPORARY TABLE import_known ON COMMIT DROP AS
        SELECT customer, coalesce(stored.merged_into, stored.customer_id) AS customer_id, true AS is_sure
        FROM import_callers
        JOIN customers AS stored ON lower(stored.account_number) = number
        WHERE number <> '';

        ANALYZE import_known;

        INSERT INTO import_known
        SELECT DISTINCT ON (stored.customer_id) customer, stored.customer_id, true
        FROM import_callers AS caller
        JOIN customers AS stored
          ON stored.customer_id
             = CASE WHEN caller.customer_id ~ '^[1-9][0-9]{0,17}$' THEN caller.customer_id::bigint END
        WHERE merged_into IS NULL
          AND (name_folded = folded OR same_phone(stored.phone_number, nullif(caller.phone_number, ''), %(country)s)
               OR caller.name = '')
          AND NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = caller.customer)
          AND NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer_id = stored.customer_id)
        ORDER BY stored.customer_id, customer
        """,
        {"country": settings.country_code()},
    )


def find_stored(cur: Cursor) -> None:
    """Fill import_stored with the stored customers that a person is who is not known yet, those spelt alike before any
    other, and import_alike with those that have a name or number of the rest.

    Who has an account number is nobody who is stored with another one, but looks like them.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_unknown ON COMMIT DROP AS
        SELECT person, caller.folded, spelling.name, spelling.phone_number,
               bool_and(caller.number <> '') AS is_numbered, bool_and(is_closing) AS is_closing
        FROM import_callers AS caller
        JOIN import_spellings AS spelling USING (customer, person)
        WHERE caller.name <> '' AND EXISTS (SELECT FROM customers)
          AND NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = caller.customer)
        GROUP BY person, caller.folded, spelling.name, spelling.phone_number;

        ANALYZE import_unknown;

        CREATE TEMPORARY TABLE import_stored ON COMMIT DROP AS
        SELECT DISTINCT person, coalesce(merged_into, stored.customer_id) AS customer_id
        FROM import_unknown AS wanted
        JOIN customers AS stored
          ON stored.name = wanted.name AND coalesce(stored.phone_number, '') = wanted.phone_number
        WHERE (account_number IS NULL OR NOT is_numbered)
          AND NOT EXISTS (
              SELECT FROM import_known AS known WHERE known.customer_id = coalesce(merged_into, stored.customer_id)
          );

        ANALYZE import_stored;

        DELETE FROM import_unknown
        USING import_stored
        WHERE import_stored.person = import_unknown.person
        """
    )


def find_alike(cur: Cursor) -> None:
    """Add to import_stored those written otherwise, and fill import_alike with who else looks like a person."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_alike ON COMMIT DROP AS
        SELECT person, coalesce(merged_into, customer_id) AS customer_id, same_name, same_number,
               account_number IS NULL OR NOT is_numbered AS may_be
        FROM (
            SELECT person, is_numbered, stored.customer_id, name_folded = folded AS same_name, true AS same_number
            FROM import_unknown
            CROSS JOIN unnest(phone_keys(nullif(import_unknown.phone_number, ''), %(country)s)) AS likely (key)
            JOIN customers AS stored ON phone_key(stored.phone_number) = likely.key
            WHERE same_phone(stored.phone_number, import_unknown.phone_number, %(country)s)
            UNION
            SELECT person, is_numbered, stored.customer_id, true, true
            FROM import_unknown
            JOIN customers AS stored ON name_folded = folded AND stored.phone_number IS NULL
            WHERE import_unknown.phone_number = ''
            UNION
            SELECT person, is_numbered, namesake.customer_id, true, false
            FROM import_unknown
            JOIN (
                SELECT wanted.folded, min(customers.customer_id) AS customer_id
                FROM (SELECT DISTINCT folded FROM import_unknown) AS wanted
                JOIN customers ON name_folded = wanted.folded
                WHERE NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer_id = customers.customer_id)
                GROUP BY wanted.folded
            ) AS namesake USING (folded)
        ) AS resembling
        JOIN customers USING (customer_id)
        WHERE NOT EXISTS (
            SELECT FROM import_known AS known WHERE known.customer_id = coalesce(merged_into, customers.customer_id)
        );

        INSERT INTO import_stored
        SELECT DISTINCT person, customer_id
        FROM import_alike
        WHERE same_name AND same_number AND may_be;

        DELETE FROM import_alike
        USING import_stored
        WHERE import_stored.person = import_alike.person;

        ANALYZE import_stored
        """,
        {"country": settings.country_code()},
    )


def reject_unclear(cur: Cursor, hold_alike: bool) -> dict[int, str]:
    """Take out the lines of whom it is not clear who that is here, or to whom nothing may be added.

    Of stored customers of one name and phone number the open ones are meant, or by lines that say closed the closed
    ones; where there are still several, the file must have them all.
    """
    cur.execute(
        """
        DELETE FROM import_stored
        USING customers,
              (SELECT person, bool_and(is_closing) AS is_closing FROM import_callers GROUP BY person) AS caller
        WHERE customers.customer_id = import_stored.customer_id AND caller.person = import_stored.person
          AND (closed_on IS NOT NULL) <> is_closing
          AND EXISTS (
              SELECT FROM import_stored AS other
              JOIN customers USING (customer_id)
              WHERE other.person = import_stored.person AND (closed_on IS NOT NULL) = is_closing
          )
        """
    )
    rejects = _reject_namesakes(cur)
    if hold_alike:
        rejects.update(_reject_alike(cur))
    return rejects


def _reject_namesakes(cur: Cursor) -> dict[int, str]:
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_namesakes ON COMMIT DROP AS
        SELECT customer, person, stored
        FROM (SELECT person, count(*) AS stored FROM import_stored GROUP BY person HAVING count(*) > 1) AS several
        JOIN (
            SELECT customer, person, count(*) OVER (PARTITION BY person) AS callers
            FROM import_callers AS caller
            WHERE NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = caller.customer)
        ) AS wanted USING (person)
        WHERE stored > callers;

        DELETE FROM import_stored
        USING import_namesakes
        WHERE import_namesakes.person = import_stored.person;

        DELETE FROM import_lines
        USING import_namesakes
        WHERE import_namesakes.customer = import_lines.customer
        RETURNING line, stored
        """
    )
    return {row["line"]: f"name: {row['stored']} stored customers have this name and phone number." for row in cur}


def _reject_alike(cur: Cursor) -> dict[int, str]:
    cur.execute(
        """
        DELETE FROM import_lines
        USING import_callers AS caller
        JOIN (
            SELECT DISTINCT ON (person) person, customer_id, same_name, same_number
            FROM import_alike
            ORDER BY person, same_number DESC, customer_id
        ) AS alike USING (person)
        WHERE import_lines.customer = caller.customer
          AND NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = caller.customer)
        RETURNING line, alike.customer_id, same_name, same_number
        """
    )
    return {
        row["line"]: (f"account_number: Customer {row['customer_id']} has another one, with this name and phone number."
                      if row["same_name"] and row["same_number"] else
                      f"phone_number: Customer {row['customer_id']} has it, under another name." if row["same_number"]
                      else f"name: Customer {row['customer_id']} has it, with another phone number.")
        for row in cur
    }


def know_the_rest(cur: Cursor, numbered: bool) -> None:
    """Pair the customers of a person with those stored: where the file has IDs or numbers, those spelt alike first, and
    what is left by its order in the file; then let customers of the file who are one stored be one.
    """
    if numbered:
        _pair(cur, "concat_ws(' ', name, phone_number)")
    _pair(cur, "''")
    cur.execute(
        """
        WITH one AS (
            SELECT customer_id, min(customer) AS customer
            FROM import_known
            GROUP BY customer_id
            HAVING count(*) > 1
        ), gone AS (
            DELETE FROM import_known
            USING one
            WHERE one.customer_id = import_known.customer_id AND one.customer <> import_known.customer
            RETURNING import_known.customer AS gone, one.customer
        )
        UPDATE import_lines
        SET customer = gone.customer
        FROM gone
        WHERE import_lines.customer = gone.gone;

        CREATE UNIQUE INDEX ON import_known (customer);

        ANALYZE import_known
        """
    )


def _pair(cur: Cursor, spelling: str) -> None:
    """Pair those who are not known yet, of one person and spelling, with those stored: the nth with the nth."""
    cur.execute(
        f"""
        INSERT INTO import_known
        SELECT customer, stored.customer_id, false
        FROM (
            SELECT customer, person, {spelling} AS spelling,
                   row_number() OVER (PARTITION BY person, {spelling} ORDER BY customer) AS nth
            FROM import_callers AS caller
            WHERE person IN (SELECT person FROM import_stored)
              AND NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = caller.customer)
        ) AS incoming
        JOIN (
            SELECT person, customer_id, {spelling} AS spelling,
                   row_number() OVER (PARTITION BY person, {spelling} ORDER BY customer_id) AS nth
            FROM import_stored
            JOIN customers USING (customer_id)
            WHERE NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer_id = import_stored.customer_id)
        ) AS stored USING (person, spelling, nth);

        ANALYZE import_known
        """  # noqa: S608 (the spellings stand above)
    )


def reject_closed_and_unknown(cur: Cursor) -> dict[int, str]:
    """Take out lines for closed accounts, unless they say so, and those without a name of whom nobody is stored.

    Of who is closed in the file and here there is nothing to compare: fill import_gone with them.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_gone ON COMMIT DROP AS
        SELECT customer, is_closing, import_known.customer_id
        FROM import_callers
        JOIN import_known USING (customer)
        JOIN customers AS stored ON stored.customer_id = import_known.customer_id
        WHERE closed_on IS NOT NULL;

        DELETE FROM import_lines
        USING import_callers AS caller
        LEFT JOIN import_gone USING (customer)
        WHERE import_lines.customer = caller.customer
          AND (import_gone.customer IS NOT NULL
               OR caller.name = ''
                  AND NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = caller.customer))
        RETURNING line, caller.number, caller.customer_id AS file_id, import_gone.customer_id, import_gone.is_closing
        """
    )
    return {row["line"]: _why_gone(row["number"], row["file_id"], row["customer_id"])
            for row in cur if not row["is_closing"]}


def _why_gone(number: str, file_id: str, customer_id: int | None) -> str:
    if customer_id is not None:
        return f"name: Customer {customer_id} is closed; reopen the account first."
    if number:
        return "account_number: No customer has it, and the line has no name."
    if file_id:
        return f"customer_id: There is no customer {file_id[:50]}, and the line has no name."
    return "name: It is missing."


def match_customers(cur: Cursor) -> None:
    """Fill import_customers, one for each that the good lines speak of, in the order of first_line.

    status is closed or paused where all that the file says of the customer is that; lines that say nothing of it say
    so from here on.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_customers ON COMMIT DROP AS
        SELECT first_line, customer, known.customer IS NULL AS is_new, account_number, name, phone_number, email, status
        FROM (
            SELECT customer, min(line) AS first_line, CASE
                       WHEN bool_and(customer_status = 'closed') FILTER (WHERE customer_status <> '') THEN 'closed'
                       WHEN bool_and(customer_status <> 'active') FILTER (WHERE customer_status <> '') THEN 'paused'
                       ELSE ''
                   END AS status
            FROM import_lines
            GROUP BY customer
        ) AS one
        JOIN (SELECT line AS first_line, account_number, name, phone_number, email FROM import_lines) AS first
       USING (first_line)
        LEFT JOIN import_known AS known USING (customer);

        UPDATE import_customers AS one
        SET account_number = coalesce(nullif(one.account_number, ''), filled.account_number, ''),
            name = coalesce(nullif(one.name, ''), filled.name, ''),
            phone_number = coalesce(nullif(one.phone_number, ''), filled.phone_number, ''),
            email = coalesce(nullif(one.email, ''), filled.email, '')
        FROM (
            SELECT customer, (array_agg(import_lines.account_number ORDER BY line)
                              FILTER (WHERE import_lines.account_number <> ''))[1] AS account_number,
                   (array_agg(import_lines.name ORDER BY line) FILTER (WHERE import_lines.name <> ''))[1] AS name,
                   (array_agg(import_lines.phone_number ORDER BY line)
                    FILTER (WHERE import_lines.phone_number <> ''))[1] AS phone_number,
                   (array_agg(import_lines.email ORDER BY line) FILTER (WHERE import_lines.email <> ''))[1] AS email
            FROM import_lines
            JOIN import_customers AS first USING (customer)
            WHERE line > first_line
              AND (first.account_number = '' AND import_lines.account_number <> '' OR first.name = ''
                   OR first.phone_number = '' AND import_lines.phone_number <> ''
                   OR first.email = '' AND import_lines.email <> '')
            GROUP BY customer
        ) AS filled
        WHERE filled.customer = one.customer;

        CREATE UNIQUE INDEX ON import_customers (customer);

        ANALYZE import_customers;

        DELETE FROM import_known
        WHERE NOT EXISTS (SELECT FROM import_customers WHERE import_customers.customer = import_known.customer);

        UPDATE import_lines
        SET customer_status = status
        FROM import_customers
        WHERE import_customers.customer = import_lines.customer AND status <> '' AND customer_status = ''
        """
    )


def first_alike(cur: Cursor) -> tuple[int, tuple[Alike, ...]]:
    """Count the new customers who may be stored ones, and return the first, each beside whom it looks like most."""
    cur.execute(
        """
        SELECT first_line AS line, import_customers.name, nullif(import_customers.phone_number, '') AS phone_number,
               alike.customer_id, stored.name AS stored_name, stored.phone_number AS stored_number,
               count(*) OVER () AS customers
        FROM import_customers
        JOIN import_callers USING (customer)
        JOIN (
            SELECT DISTINCT ON (person) person, customer_id
            FROM import_alike
            ORDER BY person, same_number DESC, customer_id
        ) AS alike USING (person)
        JOIN customers AS stored ON stored.customer_id = alike.customer_id
        WHERE NOT EXISTS (SELECT FROM import_known AS known WHERE known.customer = import_customers.customer)
        ORDER BY first_line
        LIMIT %(most)s
        """,
        {"most": MOST_TOLD},
    )
    rows = cur.fetchall()
    return (rows[0]["customers"] if rows else 0), tuple(Alike(*[row[key] for key in Alike._fields]) for row in rows)
