"""The trail has every change of the business's tables, exactly, whoever made it and however; and little beside."""
from __future__ import annotations

import contextlib
import io
import json
import os
import random
from datetime import date
from decimal import Decimal
from uuid import uuid4

import psycopg2
import psycopg2.extras
import pytest
from conftest import there_since

import database
from tracker import bill_run, errors, payments, trail
from tracker.transfer import columns, importing
from tracker.transfer import source as sources
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

KEYS = trail.KEYS
PARENTS = {
    "locations": "customer_id", "services": "location_id", "equipment": "location_id", "billing": "customer_id",
    "billing_items": "billing_id", "payments": "customer_id", "payment_allocations": "payment_id",
    "service_pauses": "service_id", "price_changes": "service_id", "equipment_moves": "equipment_id",
    "customer_notes": "customer_id",
}
SUMS = {"billing": {"amount_paid", "amount_due", "last_payment_date", "settled_on"},
        "payments": {"amount_allocated", "amount_left"}}
# As many rows as wanted, in one statement.
INSERTS = {
    "customers": "INSERT INTO customers (name) SELECT 'Bo' FROM generate_series(1, %s)",
    "locations": "INSERT INTO locations (customer_id, address) SELECT 1, n || ' Quay' FROM generate_series(1, %s) AS n",
    "services": "INSERT INTO services (location_id, service_name, cost) SELECT 1, 'TV', 5 FROM generate_series(1, %s)",
    "equipment":
        "INSERT INTO equipment (location_id, equipment_name, cost) SELECT 1, 'Box', 5 FROM generate_series(1, %s)",
    "billing": "INSERT INTO billing (customer_id, description, due_date, amount_billed) "
               "SELECT 1, 'Setup', '2026-12-01', 5 FROM generate_series(1, %s)",
    "billing_items": "INSERT INTO billing_items (billing_id, description, amount) "
                     "SELECT 1, 'Cable', 5 FROM generate_series(1, %s)",
    "payments": "INSERT INTO payments (customer_id, amount) SELECT 1, 5 FROM generate_series(1, %s)",
    "payment_allocations": "INSERT INTO payment_allocations (payment_id, billing_id, amount) "
                           "SELECT 1, 1, 0.01 FROM generate_series(1, %s)",
    "service_pauses": "INSERT INTO service_pauses (service_id, first_day, last_day) "
                      "SELECT 1, date '2026-02-01' + n, date '2026-02-01' + n FROM generate_series(1, %s) AS n",
    "price_changes": "INSERT INTO price_changes (service_id, from_day, cost_before) "
                     "SELECT 1, date '2026-02-01' + n, 5 FROM generate_series(1, %s) AS n",
    "equipment_moves": "INSERT INTO equipment_moves (equipment_id, from_place, to_place) "
                       "SELECT 1, 'stock', '2 Quay' FROM generate_series(1, %s)",
    "customer_notes": "INSERT INTO customer_notes (customer_id, note) SELECT 1, 'Called.' FROM generate_series(1, %s)",
}
# A column that a statement changes, and to what.
UPDATES = {
    "customers": ("phone_number", "0201 555001"), "locations": ("customer_id", 2),
    "services": ("cost", Decimal("7.25")), "equipment": ("serial_number", None),
    "billing": ("due_date", "2027-01-31"), "billing_items": ("service_id", 9),
    "payments": ("reference", "TX-7"), "equipment_moves": ("to_place", "3 Quay"), "customer_notes": ("note", "Wrote."),
}


@pytest.fixture
def books(db, sql):
    """Two customers, each with a site, a service, a device, a bill of 100.00 and a payment that paid 10.00 of it."""
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada Okafor', '5550100'), ('Bo Li', '5550101')")
    sql("INSERT INTO locations (customer_id, address) VALUES (1, '1 Harbour Street'), (2, '2 Dock Road')")
    sql("INSERT INTO services (location_id, service_name, cost) VALUES (1, 'Fibre', 29.90), (2, 'DSL', 19.95)")
    sql("INSERT INTO equipment (location_id, equipment_name, serial_number, cost) "
        "VALUES (1, 'Router', 'S-1', 89), (2, 'Router', 'S-2', 64.5)")
    sql("INSERT INTO billing (customer_id, description, due_date, amount_billed) "
        "VALUES (1, 'Setup', '2026-12-01', 100), (2, 'Setup', '2026-12-02', 100)")
    sql("INSERT INTO billing_items (billing_id, description, amount) VALUES (1, 'Cable', 100), (2, 'Cable', 100)")
    sql("INSERT INTO payments (customer_id, amount) VALUES (1, 50), (2, 50)")
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, 1, 10), (2, 2, 10)")
    sql("INSERT INTO service_pauses (service_id, first_day, last_day) "
        "VALUES (1, '2026-01-01', '2026-01-05'), (2, '2026-01-01', '2026-01-05')")
    sql("INSERT INTO price_changes (service_id, from_day, cost_before) "
        "VALUES (1, '2026-01-01', 25), (2, '2026-01-01', 15)")
    sql("INSERT INTO equipment_moves (equipment_id, from_place, to_place) "
        "VALUES (1, 'stock', '1 Quay'), (2, 'stock', '2 Quay')")
    sql("INSERT INTO customer_notes (customer_id, note) VALUES (1, 'Called.'), (2, 'Called.')")
    sql("DELETE FROM trail")
    return sql


def noted(sql):
    """Return what the trail has, in order, without who and when."""
    return sql("SELECT table_name, kind, ids::text, parent_ids::text, row_count, old, new FROM trail ORDER BY trail_id")


def keys(sql, table):
    return [row["id"] for row in sql(f"SELECT {KEYS[table]} AS id FROM {table} ORDER BY 1")]


def as_ranges(ids):
    """Return IDs as a multirange is written."""
    ranges = []
    for number in sorted(ids):
        if ranges and ranges[-1][1] == number:
            ranges[-1][1] = number + 1
        else:
            ranges.append([number, number + 1])
    return "{" + ",".join(f"[{first},{end})" for first, end in ranges) + "}"


def whole(sql, table, condition="true"):
    """Return rows of a table as JSON has them, without spellings."""
    return [row["line"] for row in sql(
        f"""
        SELECT to_jsonb({table}) - ARRAY['name_folded', 'address_folded', 'service_name_folded',
                                         'equipment_name_folded'] AS line
        FROM {table}
        WHERE {condition}
        ORDER BY {KEYS[table]}
        """
    )]


def note(table, kind, ids, parent_ids=None, old=None, new=None, many=None):
    return {"table_name": table, "kind": kind, "ids": as_ranges(ids), "old": old, "new": new,
            "parent_ids": parent_ids and as_ranges(parent_ids), "row_count": many or len(set(ids))}


@pytest.mark.parametrize("table", KEYS)
@pytest.mark.parametrize("many", [1, 3])
def test_added_rows_are_one_row_of_the_trail_with_their_ids(books, table, many):
    before = keys(books, table)
    books(INSERTS[table], many)
    assert noted(books) == [note(table, "added", set(keys(books, table)) - set(before))]


@pytest.mark.parametrize("table", KEYS)
def test_ids_with_others_between_them_are_noted_one_by_one(books, table):
    before = keys(books, table)
    books(f"{INSERTS[table]} WHERE nextval(pg_get_serial_sequence('{table}', '{KEYS[table]}')) > 0", 3)
    new = sorted(set(keys(books, table)) - set(before))
    assert new[2] - new[0] == 4
    assert noted(books) == [note(table, "added", new)]


@pytest.mark.parametrize("table", KEYS)
def test_statements_that_change_nothing_leave_nothing(books, table):
    books(INSERTS[table], 0)
    books(f"DELETE FROM {table} WHERE false")
    if table in UPDATES:
        column, _ = UPDATES[table]
        books(f"UPDATE {table} SET {column} = {column}")
        books(f"UPDATE {table} SET {column} = {column} WHERE false")
    assert noted(books) == []


@pytest.mark.parametrize("table", UPDATES)
def test_a_changed_row_is_noted_with_what_changed_alone(books, table):
    column, value = UPDATES[table]
    books("DELETE FROM payment_allocations")  # a location's customer is changed freely, and a payment's is not
    books("DELETE FROM trail")
    before, = whole(books, table, f"{KEYS[table]} = 1")
    books(f"UPDATE {table} SET {column} = %s WHERE {KEYS[table]} = 1", value)
    parents = [1] if table in PARENTS else None
    assert noted(books) == [note(table, "changed", [1], parents, {column: before[column]}, {column: value})]


@pytest.mark.parametrize(("table", "column", "value"), [
    (table, *({"equipment": ("cost", 7)}.get(table, change))) for table, change in UPDATES.items()
])
def test_rows_changed_from_the_same_to_the_same_are_together(books, table, column, value):
    books(INSERTS[table], 4)
    books("DELETE FROM trail")
    old, = {json.dumps(line[column], default=str) for line in whole(books, table, f"{KEYS[table]} > 2")}
    books(f"UPDATE {table} SET {column} = %s WHERE {KEYS[table]} > 2", value)
    row, = noted(books)
    assert (row["ids"], row["row_count"], row["new"]) == ("{[3,7)}", 4, {column: value})
    assert json.dumps(row["old"][column], default=str) == old


def test_rows_changed_otherwise_are_apart(books):
    books("UPDATE services SET cost = 5")
    assert sorted(noted(books), key=lambda row: row["ids"]) == [
        note("services", "changed", [1], [1], {"cost": Decimal("29.90")}, {"cost": 5}),
        note("services", "changed", [2], [2], {"cost": Decimal("19.95")}, {"cost": 5}),
    ]


@pytest.mark.parametrize("table", KEYS)
@pytest.mark.parametrize("condition", ["= 1", "> 0"])
def test_deleted_rows_are_noted_whole(books, table, condition):
    if table in ("customers", "billing"):
        books("DELETE FROM payments")
    if table == "customers":
        books("DELETE FROM billing")
    condition = f"{KEYS[table]} {condition}"
    lines = {name: whole(books, name) for name in KEYS}
    books("DELETE FROM trail")
    books(f"DELETE FROM {table} WHERE {condition}")
    for name in KEYS:
        left = keys(books, name)
        gone = [line for line in lines[name] if line[KEYS[name]] not in left]
        parent = PARENTS.get(name)
        expected = [note(name, "deleted", [line[KEYS[name]] for line in gone],
                         [line[parent] for line in gone] if parent else None, gone)] if gone else []
        assert [row for row in noted(books) if row["table_name"] == name] == expected
    assert any(row["table_name"] == table for row in noted(books))
    assert {row["kind"] for row in noted(books)} == {"deleted"}


def test_a_cascade_is_one_row_of_the_trail_for_each_table(books):
    books("DELETE FROM payments")
    books("DELETE FROM billing")
    books(INSERTS["locations"], 50)
    books("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'TV', 5 FROM locations")
    books("DELETE FROM trail")
    books("DELETE FROM customers")
    assert sorted((row["table_name"], row["kind"], row["row_count"]) for row in noted(books)) == [
        ("customer_notes", "deleted", 2), ("customers", "deleted", 2), ("equipment", "deleted", 2),
        ("equipment_moves", "deleted", 2), ("locations", "deleted", 52), ("price_changes", "deleted", 2),
        ("service_pauses", "deleted", 2), ("services", "deleted", 54),
    ]


def test_a_thousand_deleted_rows_are_a_row_of_the_trail(books):
    books(INSERTS["billing_items"], 2_001)
    books("DELETE FROM trail")
    books("DELETE FROM billing_items WHERE billing_item_id > 2")
    assert sorted(row["row_count"] for row in noted(books)) == [1, 1000, 1000]
    lines = [line["billing_item_id"] for row in noted(books) for line in row["old"]]
    assert sorted(lines) == list(range(3, 2_004))
    for row in noted(books):
        assert row["ids"] == as_ranges([line["billing_item_id"] for line in row["old"]])


def test_what_copy_brings_is_noted_as_what_insert_brings(books, uri):
    conn = psycopg2.connect(uri)
    with conn, conn.cursor() as cur:
        cur.copy_expert("COPY customers (name) FROM STDIN", io.StringIO("Cy\nDi\nEd\n"))
        cur.copy_expert("COPY payments (customer_id, amount) FROM STDIN", io.StringIO("3\t1.00\n4\t2.00\n"))
    conn.close()
    assert noted(books) == [note("customers", "added", [3, 4, 5]), note("payments", "added", [3, 4])]


def test_an_insert_that_updates_where_there_is_one_is_noted_as_both(books):
    books("UPDATE billing SET period = '2026-11-01' WHERE billing_id = 1")
    books("DELETE FROM trail")
    books(
        """
        INSERT INTO billing (customer_id, description, period, due_date, amount_billed)
        SELECT customer_id, 'November', '2026-11-01', '2026-12-01', 100 FROM customers
        ON CONFLICT (customer_id, (CASE WHEN cancelled_on IS NULL AND merged_from IS NULL THEN period END))
        DO UPDATE SET description = excluded.description
        """
    )
    new, = set(keys(books, "billing")) - {1, 2}
    assert sorted(noted(books), key=lambda row: row["kind"]) == [
        note("billing", "added", [new]),
        note("billing", "changed", [1], [1], {"description": "Setup"}, {"description": "November"}),
    ]


def test_a_merge_is_noted_as_each_of_what_it_did(books, db):
    with db.reading() as cur:
        version = cur.connection.info.server_version
    merge = """
        MERGE INTO services
        USING (VALUES (1, 'Fibre', 31), (2, 'gone', 0), (1, 'TV', 9)) AS wanted (location_id, name, cost)
            ON services.location_id = wanted.location_id AND (service_name = name OR name = 'gone')
        WHEN MATCHED AND name = 'gone' THEN DELETE
        WHEN MATCHED THEN UPDATE SET cost = wanted.cost
        WHEN NOT MATCHED THEN INSERT (location_id, service_name, cost) VALUES (location_id, name, wanted.cost)
    """
    if version < 150000:
        merge = """
            DELETE FROM services WHERE service_id = 2;
            UPDATE services SET cost = 31 WHERE service_id = 1;
            INSERT INTO services (location_id, service_name, cost) VALUES (1, 'TV', 9)
        """
    books("DELETE FROM service_pauses; DELETE FROM price_changes; DELETE FROM trail")
    gone = whole(books, "services", "service_id = 2")
    books(merge)
    new, = set(keys(books, "services")) - {1, 2}
    assert sorted(noted(books), key=lambda row: row["kind"]) == [
        note("services", "added", [new]),
        note("services", "changed", [1], [1], {"cost": Decimal("29.90")}, {"cost": 31}),
        note("services", "deleted", [2], [2], gone),
    ]


def test_a_changed_key_is_noted_under_both_keys(books):
    books("DELETE FROM service_pauses; DELETE FROM price_changes; DELETE FROM trail")
    books("UPDATE services SET service_id = DEFAULT, cost = 1")
    assert sorted(noted(books), key=lambda row: row["ids"]) == [
        note("services", "changed", [1, 3], [1], {"service_id": 1, "cost": Decimal("29.90")},
             {"service_id": 3, "cost": 1}, many=1),
        note("services", "changed", [2, 4], [2], {"service_id": 2, "cost": Decimal("19.95")},
             {"service_id": 4, "cost": 1}, many=1),
    ]


def test_many_rows_are_each_noted_with_their_own_values(books):
    books(INSERTS["billing_items"], 30_000)
    books("UPDATE billing_items SET description = 'Line ' || billing_item_id")
    books("DELETE FROM trail")
    books("SET work_mem = '64kB'")
    books("UPDATE billing_items SET description = description || ' of ' || billing_item_id")
    assert books(
        """
        SELECT * FROM trail
        WHERE ids <> int8multirange(int8range(split_part(old ->> 'description', ' ', 2)::bigint,
                                              split_part(new ->> 'description', ' ', 4)::bigint, '[]'))
           OR new ->> 'description' <> format('Line %s of %s', lower(ids), lower(ids))
        """
    ) == []
    assert len(noted(books)) == 30_002


FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308"
ODD = ["O'Brien", '"quoted"', "back\\slash \\n \\u0041", "ünïcödé 中文 العربية", f"emoji {FAMILY}",
       "a\u2028b\u00a0c\u200bd\ufeffe", "tab\there", "new\nline", "\x01\x1f\x7f", "x" * 200, "👩" * 200, "null", "{}",
       "[1]", "%s %(name)s", "\U0001d54f\U0010ffff"]


@pytest.mark.parametrize("name", ODD)
def test_text_survives_exactly(books, name):
    books("UPDATE customers SET name = %s WHERE customer_id = 1", name)
    books("UPDATE customers SET name = 'Ada Okafor' WHERE customer_id = 1")
    books("UPDATE locations SET address = %s WHERE location_id = 2", name + "x" * (300 - len(name)))
    books("DELETE FROM locations WHERE location_id = 2")
    there, back, _, *deleted = noted(books)
    gone, = (row for row in deleted if row["table_name"] == "locations")
    assert (there["old"], there["new"]) == ({"name": "Ada Okafor"}, {"name": name})
    assert (back["old"], back["new"]) == ({"name": name}, {"name": "Ada Okafor"})
    assert gone["old"][0]["address"] == name + "x" * (300 - len(name))


@pytest.mark.parametrize(("old", "new"), [
    ("0.01", "0.1"), ("9999999999.99", "9999999999.98"), ("12345678.90", "12345678.91"), ("0", "0.01"),
    ("1.10", "1.01"), ("0.07", "0.7"),
])
def test_cents_survive_exactly(books, old, new):
    books("UPDATE services SET cost = %s WHERE service_id = 1", Decimal(old))
    books("UPDATE services SET cost = %s WHERE service_id = 1", Decimal(new))
    *_, row = noted(books)
    assert {side: str(Decimal(row[side]["cost"])) for side in ("old", "new")} == {"old": old, "new": new}


def test_nothing_becomes_something_and_something_nothing(books):
    books("UPDATE equipment SET serial_number = NULL WHERE equipment_id = 1")
    books("UPDATE equipment SET serial_number = 'S-9' WHERE equipment_id = 1")
    assert [(row["old"], row["new"]) for row in noted(books)] == [
        ({"serial_number": "S-1"}, {"serial_number": None}), ({"serial_number": None}, {"serial_number": "S-9"}),
    ]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Chatham", "America/St_Johns", "Europe/Paris"])
@pytest.mark.parametrize("moment", [
    "2026-11-25 14:02:03.000001+00", "2026-10-25 00:30:00.999999+00", "2026-10-25 01:30:00.5+00", "1890-01-01 12:00+00",
    "infinity", "-infinity", "0044-03-15 12:00:00.123456+00 BC", "9999-12-31 23:59:59.999999+00",
])
def test_moments_survive_to_the_microsecond_whatever_the_zone(books, zone, moment):
    books(f"SET TimeZone = '{zone}'")
    books("UPDATE customers SET created_at = %s WHERE customer_id = 1", moment)
    books("DELETE FROM trail")
    books("UPDATE customers SET created_at = '2026-01-01' WHERE customer_id = 1")
    books("SET TimeZone = 'Asia/Kathmandu'")
    assert books("SELECT (old ->> 'created_at')::timestamptz = %s::timestamptz AS same FROM trail", moment) == [
        {"same": True}]


def test_the_trail_says_who_by_what_when_and_what_for(books, uri):
    conn = psycopg2.connect(uri, application_name="accounting", cursor_factory=psycopg2.extras.RealDictCursor)
    with conn, conn.cursor() as cur:
        cur.execute("SET isp.person = 'Grace'; SET LOCAL isp.reason = 'moved house'")
        cur.execute("SELECT now() AS changed_at, pg_current_xact_id()::text::bigint AS transaction_id, "
                    "session_user::text AS login")
        known = cur.fetchone()
        cur.execute("UPDATE customers SET name = 'Eva' WHERE customer_id = 1")
        cur.execute("DELETE FROM billing_items")
    with conn, conn.cursor() as cur:
        cur.execute("DELETE FROM customer_notes WHERE customer_note_id = 1")
    conn.close()
    *first, last = books("SELECT changed_at, transaction_id, login, person, program, reason FROM trail "
                         "ORDER BY trail_id")
    assert first == [{**known, "person": "Grace", "program": "accounting", "reason": "moved house"}] * 2
    assert last["reason"] is None
    assert (last["changed_at"], last["transaction_id"]) > (known["changed_at"], known["transaction_id"])


def test_of_a_login_that_is_not_the_owner_s_a_person_is_a_claim(books, uri):
    name = f"isp_test_{os.getpid()}_claims"
    books(f"CREATE ROLE {name} LOGIN PASSWORD 's3cr3t' IN ROLE isp_admin")
    conn = psycopg2.connect(psycopg2.extensions.make_dsn(uri, user=name, password="s3cr3t"))
    try:
        with conn, conn.cursor() as cur:
            cur.execute("UPDATE customers SET name = 'Eva' WHERE customer_id = 1")
            cur.execute("SET isp.person = 'Grace'")
            cur.execute("UPDATE customers SET name = 'Eve' WHERE customer_id = 1")
            cur.execute("INSERT INTO payments (customer_id, amount) VALUES (1, 5)")
    finally:
        conn.close()
        books(f"DROP OWNED BY {name}")
        books(f"DROP ROLE {name}")
    own, claimed, paid = books("SELECT login, person FROM trail ORDER BY trail_id")
    assert own == {"login": name, "person": name}
    assert claimed == paid == {"login": name, "person": f"{name}, for Grace"}
    assert books("SELECT recorded_by FROM payments WHERE payment_id = 3") == [{"recorded_by": f"{name}, for Grace"}]


def test_what_was_rolled_back_leaves_nothing(books, uri):
    conn = psycopg2.connect(uri)
    with conn.cursor() as cur:
        cur.execute("DELETE FROM services")
        conn.rollback()
        cur.execute("SAVEPOINT one")
        cur.execute("DELETE FROM services")
        cur.execute("ROLLBACK TO one")
        cur.execute("UPDATE services SET cost = 3 WHERE service_id = 1")
        conn.commit()
    conn.close()
    assert [(row["table_name"], row["kind"]) for row in noted(books)] == [("services", "changed")]


def test_a_statement_that_fails_half_way_leaves_nothing(books, db):
    with pytest.raises(psycopg2.Error):
        books("UPDATE services SET cost = CASE service_id WHEN 1 THEN 5 ELSE -1 END")
    with pytest.raises(errors.Conflict), db.transaction() as cur:
        cur.execute("DELETE FROM equipment")
        cur.execute("INSERT INTO customers (name) VALUES ('')")
    assert noted(books) == []


def test_two_at_once_are_each_noted_as_themselves(books, uri):
    one, other = (psycopg2.connect(uri, application_name=name) for name in ("one", "other"))
    one.cursor().execute("INSERT INTO customers (name) VALUES ('Cy')")
    other.cursor().execute("INSERT INTO customers (name) VALUES ('Di')")
    one.cursor().execute("UPDATE customers SET name = 'Ada' WHERE customer_id = 1")
    other.cursor().execute("UPDATE customers SET name = 'Bo' WHERE customer_id = 2")
    other.commit(), one.commit()
    one.close(), other.close()
    assert books("SELECT program, kind, ids::text FROM trail ORDER BY program, kind") == [
        {"program": "one", "kind": "added", "ids": "{[3,4)}"}, {"program": "one", "kind": "changed", "ids": "{[1,2)}"},
        {"program": "other", "kind": "added", "ids": "{[4,5)}"},
        {"program": "other", "kind": "changed", "ids": "{[2,3)}"},
    ]


@pytest.mark.parametrize("table", KEYS)
def test_no_table_is_emptied_behind_the_trail_s_back(books, table):
    with pytest.raises(psycopg2.Error):
        books(f"TRUNCATE {table} CASCADE")
    assert keys(books, table) == [1, 2]


CATALOGUE = """
    SELECT relname AS table_name, tgname AS name, tgenabled AS enabled, tgtype AS type,
           string_to_array(encode(tgargs, 'escape'), '\\000') AS arguments, proname AS function, prosecdef AS as_owner
    FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgname LIKE 'trail%' AND relnamespace = 'public'::regnamespace
"""
BUSINESS = """
    SELECT relname AS table_name
    FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
      AND relname NOT IN ('schema_version', 'trail', 'work_locks', 'verifications', 'backups', 'unsettled_services',
                          'bank_lines', 'bank_formats')
"""


def triggers(sql):
    return {(row["table_name"], row["name"]): row for row in sql(CATALOGUE)}


def business_tables(sql):
    return {row["table_name"] for row in sql(BUSINESS)}


def test_every_table_of_the_business_is_in_the_trail(db, sql):
    tables = business_tables(sql)
    assert tables == set(KEYS)
    assert set(triggers(sql)) == {
        (table, name) for table in tables for name in ("trail_added", "trail_changed", "trail_deleted", "trail_emptied")
    }
    for row in triggers(sql).values():
        assert row["enabled"] == "O"
        assert row["type"] % 2 == 0, "each statement, not each row"
        assert row["as_owner"] or row["name"] == "trail_emptied"
        assert row["function"] == {"trail_emptied": "never_emptied"}.get(row["name"], row["name"])


def test_the_triggers_know_each_table_s_key_and_parent(db, sql):
    primary = {row["table_name"]: row["name"] for row in sql(
        """
        SELECT conrelid::regclass::text AS table_name, attname AS name
        FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = ALL (conkey)
        WHERE contype = 'p'
        """
    )}
    foreign = {(row["table_name"], row["name"]) for row in sql(
        """
        SELECT conrelid::regclass::text AS table_name, attname AS name
        FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = ALL (conkey)
        WHERE contype = 'f' AND conrelid <> confrelid
        """
    )}
    for (table, name), row in triggers(sql).items():
        if name == "trail_emptied":
            continue
        key, *more = row["arguments"]
        assert key == primary[table] == KEYS[table]
        if name != "trail_added":
            parent = more[0]
            assert (table, parent) in foreign if parent else not any(child == table for child, _ in foreign)


def test_the_triggers_leave_out_what_follows_and_nothing_else(db, sql):
    generated = {(row["table_name"], row["name"]) for row in sql(
        "SELECT attrelid::regclass::text AS table_name, attname AS name FROM pg_attribute "
        "WHERE attgenerated <> '' "
        "AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    )}
    kept_by_triggers = {("billing", "amount_paid"), ("billing", "last_payment_date"), ("billing", "settled_on"),
                        ("payments", "amount_allocated")}
    left_out, taken_along = set(), set()
    for (table, name), row in triggers(sql).items():
        if name in ("trail_changed", "trail_deleted"):
            lists = [words.strip("{}").split(",") for words in row["arguments"][2:] if words not in ("{}", "")]
            (left_out if name == "trail_changed" else taken_along).update(
                (table, column) for words in lists for column in words)
    assert left_out == generated | kept_by_triggers
    assert taken_along == {(table, column) for table, column in generated if column.endswith("_folded")}


def test_rows_that_come_are_counted_in_every_table(db, sql):
    source, = sql("SELECT prosrc AS code FROM pg_proc WHERE proname = 'trail_added'")
    for table, key in KEYS.items():
        assert f"WHEN '{table}' THEN\n            SELECT min({key}), max({key}), count(*)" in source["code"]


def test_a_table_that_the_trail_does_not_know_cannot_be_written(db, sql):
    sql("CREATE TABLE notes (note_id bigint GENERATED ALWAYS AS IDENTITY)")
    sql("CREATE TRIGGER trail_added AFTER INSERT ON notes REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION trail_added('note_id')")
    with pytest.raises(psycopg2.errors.CaseNotFound):
        sql("INSERT INTO notes DEFAULT VALUES")


def provider(sql, customers):
    """Make customers with a service each, who have been there for long; of every third there is 5.00 of credit."""
    sql("INSERT INTO customers (name, created_at) SELECT 'Customer ' || n, '2020-01-01' "
        "FROM generate_series(1, %s) AS n", customers)
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, '1 Quay' FROM customers")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre', 20 FROM locations")
    sql("INSERT INTO payments (customer_id, amount) SELECT customer_id, 5 FROM customers WHERE customer_id % 3 = 0")
    sql("DELETE FROM trail")


MONTH, DUE = date(2026, 10, 1), date(2026, 10, 15)


def test_a_bill_run_is_a_row_for_each_table(db, sql):
    provider(sql, 2_500)
    bill_run.run(MONTH, DUE)
    assert [(row["table_name"], row["kind"], row["row_count"]) for row in noted(sql)] == [
        ("billing", "added", 2_500), ("billing_items", "added", 2_500), ("payment_allocations", "added", 833)]
    assert {row["reason"] for row in sql("SELECT reason FROM trail")} == {"bill run 2026-10"}


def test_an_undone_bill_run_is_a_row_for_a_thousand_bills(db, sql):
    provider(sql, 2_500)
    bill_run.run(MONTH, DUE)
    sql("DELETE FROM trail")
    bill_run.undo(MONTH)
    assert sorted((row["table_name"], row["row_count"]) for row in noted(sql)) == [
        ("billing", 500), ("billing", 1000), ("billing", 1000), ("billing_items", 500), ("billing_items", 1000),
        ("billing_items", 1000), ("payment_allocations", 833),
    ]


def import_file(path, text):
    path.write_text(text)
    source = sources.open_source(path)
    return importing.load(source, columns.match_headers(source.headers))


def test_an_import_is_a_row_for_each_table(db, sql, tmp_path):
    header = "name,phone_number,address,service_name,service_cost,equipment_name,serial_number,equipment_cost\n"
    import_file(tmp_path / "in.csv", header + "".join(
        f"Customer {n},55501{n:05},{n} Quay,Fibre,29.90,Router,SN-{n},89\n" for n in range(2_500)))
    assert sorted((row["table_name"], row["kind"], row["row_count"]) for row in noted(sql)) == [
        (table, "added", 2_500) for table in ("customers", "equipment", "locations", "services")]
    assert {row["reason"] for row in sql("SELECT reason FROM trail")} == {"import of in.csv"}


def test_prices_that_an_import_raises_alike_are_one_row(db, sql, tmp_path):
    header = "name,phone_number,address,service_name,service_cost\n"
    for cost in ("29.90", "31.90"):
        sql("DELETE FROM trail")
        import_file(tmp_path / "in.csv", header + "".join(
            f"Customer {n},55501{n:05},{n} Quay,Fibre,{cost}\n" for n in range(500)))
    row, = noted(sql)
    assert (row["row_count"], row["old"], row["new"]) == (500, {"cost": Decimal("29.90")}, {"cost": Decimal("31.90")})


def test_a_payment_is_a_row_for_itself_and_one_for_what_it_paid(books, db):
    payments.record_payment(1, Decimal(20), db.today(), "cash", None, uuid4())
    assert [(row["table_name"], row["kind"], row["row_count"]) for row in noted(books)] == [
        ("payments", "added", 1), ("payment_allocations", "added", 2)]


def test_a_void_is_noted_and_the_sums_that_follow_are_not(books):
    payments.void_payment(1, "bounced")
    row, = noted(books)
    assert (row["table_name"], row["kind"], set(row["old"])) == (
        "payments", "changed", {"voided_at", "void_reason", "voided_on"})
    assert books("SELECT reason FROM trail ORDER BY trail_id DESC LIMIT 1") == [{"reason": "bounced"}]


def state(sql):
    """Return every row of the business as the trail would have it."""
    tables = {}
    for table, key in KEYS.items():
        tables[table] = {
            line[key]: {name: value for name, value in line.items() if name not in SUMS.get(table, ())}
            for line in whole(sql, table)
        }
    return tables


def take_back(tables, row):
    """Take what a row of the trail says back from a state, so that it is the one before."""
    table = tables[row["table_name"]]
    key = KEYS[row["table_name"]]
    ids = [number for part in row["ranges"] for number in range(part["lower"], part["upper"])]
    if row["kind"] == "added":
        assert len(ids) == row["row_count"]
        for number in ids:
            del table[number]
    elif row["kind"] == "deleted":
        assert sorted(ids) == sorted(line[key] for line in row["old"])
        for line in row["old"]:
            assert line[key] not in table
            table[line[key]] = {name: value for name, value in line.items()
                                if name not in SUMS.get(row["table_name"], ())}
    elif key in row["old"]:
        assert sorted(ids) == sorted({row["old"][key], row["new"][key]})
        table[row["old"][key]] = {**table.pop(row["new"][key]), **row["old"]}
    else:
        assert len(ids) == row["row_count"]
        for number in ids:
            assert {name: table[number][name] for name in row["new"]} == row["new"]
            table[number].update(row["old"])


class Office:
    """Somebody who does at random what the data rooms can."""

    def __init__(self, seed, sql, folder):
        self.random, self.sql, self.folder, self.files = random.Random(seed), sql, folder, 0

    def one(self, table):
        return self.random.choice(keys(self.sql, table))

    def amount(self):
        return Decimal(self.random.randint(1, 9_999)) / 100

    def word(self):
        return self.random.choice(["Ada", "Bo's", "Łódź", "a\\b", "👩"]) + str(self.random.randint(1, 999))

    def add(self):
        customer = database.add_customer(self.word(), "5550100")
        location = database.add_location(customer, self.word())
        database.add_service(location, self.word(), self.amount())
        database.add_equipment(location, self.word(), self.random.choice([None, self.word()]), self.amount())

    def add_bill(self):
        database.add_bill(self.one("customers"), self.word(), self.amount(), database.today())

    def pay(self):
        payments.record_payment(self.one("customers"), self.amount(), database.today(), "cash", None, uuid4())

    def void(self):
        payments.void_payment(self.one("payments"), self.word())

    def rename(self):
        database.update_customer(self.one("customers"), self.word(), self.random.choice(["", "123", None]))

    def move(self):
        database.update_location(self.one("locations"), self.word())

    def price(self):
        database.update_service(self.one("services"), None, self.amount())

    def exchange(self):
        database.update_equipment(self.one("equipment"), self.word(), self.random.choice(["", self.word()]))

    def correct(self):
        database.update_bill(self.one("billing"), self.word(), self.amount(), date(2026, 12, 24))

    def delete(self):
        table, delete = self.random.choice([
            ("customers", database.delete_customer), ("locations", database.delete_location),
            ("services", database.delete_service), ("equipment", database.delete_equipment),
            ("billing", database.delete_bill)])
        delete(self.one(table))

    def run(self):
        there_since()
        bill_run.run(date(2026, self.random.randint(1, 4), 1), database.today())

    def undo_run(self):
        bill_run.undo(date(2026, self.random.randint(1, 4), 1))

    def restore(self):
        trail.restore(self.random.choice(trail.deletions()), self.random.random() < 0.5)

    def undo(self):
        table = self.random.choice(list(trail.UPDATES))
        for change in trail.history_of(table, self.one(table)):
            if trail.can_undo(change):
                trail.undo(change)
                break

    def raise_all(self):
        self.sql("UPDATE services SET cost = round(cost * 1.05, 2)")

    def bring(self):
        self.files += 1
        header = "name,phone_number,address,service_name,service_cost\n"
        import_file(self.folder / f"{self.files}.csv", header + "".join(
            f"Customer {n},55501{n:05},{n} Quay,Fibre,{self.amount()}\n" for n in range(self.random.randint(1, 9))))

    def renumber(self):
        self.sql("UPDATE services SET service_id = DEFAULT WHERE service_id = %s", self.one("services"))

    def step(self):
        action = self.random.choice([
            self.add, self.add, self.add, self.add_bill, self.add_bill, self.pay, self.pay, self.pay, self.void,
            self.rename, self.move, self.price, self.exchange, self.correct, self.delete, self.delete, self.run,
            self.undo_run, self.restore, self.restore, self.undo, self.raise_all, self.bring, self.renumber])
        with contextlib.suppress(errors.Conflict, errors.NotFound, IndexError):  # there is nothing to do that to
            action()


@pytest.mark.parametrize("seed", range(8))
def test_the_trail_read_backwards_is_every_state_that_there_was(db, sql, tmp_path, seed):
    office = Office(seed, sql, tmp_path)
    states = []
    for _ in range(45):
        last_id, = sql("SELECT coalesce(max(trail_id), 0) AS id FROM trail")
        states.append((last_id["id"], state(sql)))
        office.step()
        assert verify_books()[1] == []
    rows = sql("SELECT trail_id, table_name, kind, row_count, old, new, (SELECT json_agg(json_build_object("
               "'lower', lower(range), 'upper', upper(range))) FROM unnest(ids) AS range) AS ranges "
               "FROM trail ORDER BY trail_id DESC")
    tables = state(sql)
    for last_id, earlier in reversed(states):
        while rows and rows[0]["trail_id"] > last_id:
            take_back(tables, rows.pop(0))
        assert tables == earlier
    assert rows == []
