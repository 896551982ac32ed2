"""Histories, changes and deletions are read completely, in order and by index; the trail outlives backups."""
from __future__ import annotations

import os
import subprocess
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import psycopg2
import psycopg2.extras
import pytest
from catalogue import catalogue, differences
from conftest import delete_with_money, named, there_since
from test_indexes import PAST

import database
from tracker import access, bill_run, demo, embedded, errors, payments, trail
from tracker.verify import verify_books

pytestmark = pytest.mark.slow


@pytest.fixture
def ada(db):
    """A customer with a site, a service, a device, a bill and a payment, and another with the same."""
    for name in ("Ada Okafor", "Bo Li"):
        customer = db.add_customer(name, None)
        location = db.add_location(customer, "1 Harbour Street")
        db.add_service(location, "Fibre", Decimal("29.90"))
        db.add_equipment(location, "Router", f"SN-{customer}", Decimal(89))
        db.add_bill(customer, "Setup", Decimal(50), date(2026, 12, 1))
        payments.record_payment(customer, Decimal(10), db.today(), "cash", None, uuid4())
    return 1


def told(changes):
    return [(change["table_name"], change["record_id"], change["kind"]) for change in changes]


def keys(changes):
    return [(change["trail_id"], change["table_name"], change["record_id"]) for change in changes]


def paged(fetch, limit):
    """Return all changes, a page at a time."""
    found, before = [], None
    while page := fetch(before, limit):
        assert len(page) <= limit
        found += page
        before = keys(page)[-1]
    return found


FIRST = [("payments", 1, "added"), ("billing", 1, "added"), ("equipment", 1, "added"), ("services", 1, "added"),
         ("locations", 1, "added"), ("customers", 1, "added")]


def test_a_customer_s_history_is_theirs_and_newest_first(ada):
    assert told(trail.history_of_customer(ada)) == FIRST
    assert [change["record"]["customer_id"] for change in trail.history_of_customer(2) if change["table_name"] in (
        "customers", "locations", "billing", "payments")] == [2] * 4


def test_a_record_s_history_is_its_own(ada):
    database.update_service(1, cost=Decimal(5))
    database.update_service(2, cost=Decimal(6))
    changed, added = trail.history_of("services", 1)
    assert (added["kind"], added["old"], added["new"]) == ("added", None, None)
    assert (changed["old"], changed["new"]) == ({"cost": Decimal("29.90")}, {"cost": 5})
    assert changed["record"]["cost"] == added["record"]["cost"] == 5
    assert trail.count_history_of("services", 1) == 2


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_leave_nothing_out_and_repeat_nothing_where_a_statement_did_several(ada, sql, limit):
    for number in range(2, 6):
        location = database.add_location(ada, f"{number} Quay")
        database.add_service(location, "TV", Decimal(number))
    sql("UPDATE services SET cost = 1")
    sql("UPDATE locations SET address = address || '!'")
    sql("DELETE FROM services WHERE service_id > 2")
    whole = trail.history_of_customer(ada, limit=10_000)
    assert len(whole) == trail.count_history_of_customer(ada) == 6 + 8 + 5 + 5 + 4
    assert keys(whole) == sorted(set(keys(whole)), reverse=True)
    assert paged(lambda before, many: trail.history_of_customer(ada, before, many), limit) == whole
    service = trail.history_of("services", 3)
    assert paged(lambda before, many: trail.history_of("services", 3, before, many), limit) == service
    assert told(service) == [("services", 3, "deleted"), ("services", 3, "changed"), ("services", 3, "added")]


def test_records_that_were_deleted_long_ago_are_in_their_customer_s_history(ada):
    database.delete_equipment(1)
    database.delete_bill(1)
    database.delete_location(1)
    database.update_customer(ada, "Ada Li")
    history = trail.history_of_customer(ada)
    first, *with_its_site, bill, device = told(history)[:5]
    assert (first, bill, device) == (
        ("customers", 1, "changed"), ("billing", 1, "deleted"), ("equipment", 1, "deleted"))
    assert sorted(with_its_site) == [("locations", 1, "deleted"), ("services", 1, "deleted")]
    assert told(history)[5:] == FIRST
    named_so = {change["table_name"]: change["record"] for change in history}
    assert (named_so["services"]["service_name"], named_so["equipment"]["serial_number"]) == ("Fibre", "SN-1")
    assert named_so["locations"]["address"] == "1 Harbour Street"
    assert trail.count_history_of_customer(ada) == len(history)


def test_a_customer_who_is_gone_has_a_history_all_the_same(ada):
    database.update_customer(ada, "Ada Li")
    delete_with_money(ada)
    history = trail.history_of_customer(ada)
    assert sorted(told(history)[:6]) == sorted((table, 1, "deleted") for table, _, _ in FIRST)
    assert told(history)[6:] == [("customers", 1, "changed"), *FIRST]
    assert history[0]["record"] is not None
    assert {change["record"]["name"] for change in history if change["table_name"] == "customers"} == {"Ada Li"}


def test_what_came_back_has_one_history(ada):
    delete_with_money(ada)
    trail.restore(trail.deletions()[0])
    database.delete_service(1)
    history = trail.history_of_customer(ada)
    assert told(history)[0] == ("services", 1, "deleted")
    assert sorted(told(history)[1:7]) == sorted((table, 1, "added") for table, _, _ in FIRST)
    assert told(history)[13:] == FIRST
    assert told(trail.history_of("customers", 1)) == [("customers", 1, kind) for kind in ("added", "deleted", "added")]


def test_what_psql_moved_is_in_the_history_of_both(ada, sql):
    sql("UPDATE locations SET customer_id = 2, address = '2 Quay' WHERE location_id = 1")
    sql("DELETE FROM services WHERE service_id = 1")
    sql("UPDATE equipment SET location_id = 2 WHERE equipment_id = 1")
    for customer in (1, 2):
        found = set(told(trail.history_of_customer(customer)))
        assert {("locations", 1, "changed"), ("equipment", 1, "changed"), ("services", 1, "deleted"),
                ("services", 1, "added")} <= found
    assert ("customers", 2, "added") not in told(trail.history_of_customer(1))


def test_a_changed_key_is_in_the_history_of_the_new_one_and_of_the_old_one(ada, sql):
    sql("UPDATE services SET service_id = DEFAULT WHERE service_id = 1")
    assert told(trail.history_of("services", 3)) == [("services", 3, "changed")]
    assert told(trail.history_of("services", 1)) == [("services", 1, "changed"), ("services", 1, "added")]


def test_the_trail_itself_has_no_record_and_asking_for_one_is_answered(ada):
    assert trail.history_of("customers", 999) == []
    assert trail.history_of_customer(999) == []
    assert trail.count_history_of_customer(999) == 0


def test_items_and_allocations_have_histories(ada):
    item, = trail.history_of("billing_items", 1)
    allocation, = trail.history_of("payment_allocations", 1)
    assert (item["kind"], allocation["kind"]) == ("added", "added")


def at(sql, moment, **values):
    """Put a row into the trail as it would have been then."""
    row = {"login": "ada", "person": "ada", "kind": "added", "table_name": "customers", **values}
    sql("INSERT INTO trail (changed_at, login, person, kind, table_name, ids, row_count) "
        "VALUES (%s, %s, %s, %s, %s, '{[1,2)}', 1)", moment, *row.values())


def found(**wanted):
    wanted = trail.Wanted(**wanted)
    listed = trail.changes(wanted, limit=1000)
    assert [row["trail_id"] for row in trail.stream_changes(wanted)] == [row["trail_id"] for row in listed]
    assert trail.count_changes(wanted) == len(listed)
    assert [row["trail_id"] for row in listed] == sorted({row["trail_id"] for row in listed}, reverse=True)
    return listed


def test_days_are_the_business_s_from_midnight_to_midnight(uri, sql):
    for moment in ("2026-11-24 22:59:59.999999+00", "2026-11-24 23:00+00", "2026-11-25 22:59:59.999999+00",
                   "2026-11-25 23:00+00"):
        at(sql, moment)
    sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Europe/Berlin''', current_database()); END $$")
    database.connect(uri)
    day = date(2026, 11, 25)
    ids = [[row["trail_id"] for row in found(**wanted)] for wanted in (
        {"first": day, "last": day}, {"first": day}, {"last": day}, {"first": day + timedelta(1)},
        {"first": day, "last": day - timedelta(1)})]
    database.disconnect()
    assert ids == [[3, 2], [4, 3, 2], [3, 2, 1], [4], []]


@pytest.mark.parametrize(("person", "whose"), [
    ("ada", ["ada", "Ada"]), ("ADA", ["ada", "Ada"]), ("zoë de boer", ["page"]), ("page,  for Zoe de Boer", ["web"]),
    ("page", ["page", "web2"]), ("bo", ["bo"]), ("b", []), ("%", []),
])
def test_a_person_is_found_by_the_name_that_is_shown_or_by_the_login(db, sql, person, whose):
    for login, shown in (("ada", "ada"), ("Ada", "Ada"), ("page", "Zoë de Boer"), ("web", "page, for Zoë de Boer"),
                         ("bo", "bo"), ("web2", "page")):
        at(sql, "2026-11-25", login=login, person=shown)
    assert sorted(row["login"] for row in found(person=person)) == sorted(whose)


def test_changes_are_of_a_kind_and_of_a_table(ada):
    database.update_customer(1, "Ada Li")
    database.delete_equipment(1)
    assert [(row["table_name"], row["kind"]) for row in found(kind="changed")] == [("customers", "changed")]
    assert [(row["table_name"], row["kind"]) for row in found(kind="deleted")] == [("equipment", "deleted")]
    assert [(row["table_name"], row["ids"]) for row in found(table="equipment", kind="added")] == [
        ("equipment", "2"), ("equipment", "1")]
    assert len(found()) == len(found(kind="added")) + 2


def test_pages_of_changes_leave_nothing_out(ada):
    whole = found()
    pages, before = [], 0
    while page := trail.changes(trail.Wanted(), before, 3):
        pages += page
        before = page[-1]["trail_id"]
    assert pages == whole


def test_ids_are_shown_as_ranges(ada, sql):
    sql("INSERT INTO customers (name) SELECT 'Cy' FROM generate_series(1, 10)")
    sql("UPDATE customers SET phone_number = '123' WHERE customer_id IN (3, 4, 5, 7, 9, 10)")
    changed, added, *_ = trail.changes(trail.Wanted(table="customers"))
    assert (changed["ids"], added["ids"]) == ("3-5, 7, 9-10", "3-12")


def test_a_page_of_changes_does_not_hold_every_row_that_was_deleted_and_an_export_does(ada, sql):
    sql("INSERT INTO customers (name) SELECT 'Cy' FROM generate_series(1, 3)")
    sql("DELETE FROM customers WHERE customer_id > 2")
    database.delete_equipment(1)
    one, many, *_ = trail.changes(trail.Wanted(kind="deleted"))
    assert [(row["row_count"], [line["name" if row is many else "equipment_name"] for line in row["old"]])
            for row in (many, one)] == [(3, ["Cy"]), (1, ["Router"])]
    assert [len(row["old"]) for row in trail.stream_changes(trail.Wanted(kind="deleted"))] == [1, 3]


def test_what_is_older_than_it_is_kept_goes_and_that_is_noted(ada, sql, monkeypatch):
    monkeypatch.setenv("TRAIL_YEARS", "3")
    old = sql("SELECT min(trail_id) AS first, max(trail_id) AS last FROM trail")[0]
    sql("UPDATE trail SET changed_at = CURRENT_DATE - interval '3 years' - interval '1 second'")
    database.update_customer(1, "Ada Li")
    assert trail.thin() == old["last"]
    changed, thinned = sql("SELECT table_name, kind, ids::text, row_count, reason, login = session_user AS own "
                           "FROM trail ORDER BY trail_id")
    assert changed["kind"] == "changed"
    assert thinned == {"table_name": "trail", "kind": "deleted", "ids": f"{{[1,{old['last'] + 1})}}",
                       "row_count": old["last"], "reason": "older than 3 years", "own": True}
    assert trail.thin() == 0
    assert len(sql("SELECT 1 FROM trail")) == 2
    assert [row["table_name"] for row in trail.changes(trail.Wanted(kind="deleted"))] == ["trail"]


@pytest.mark.parametrize(("years", "moment", "gone"), [
    (10, "CURRENT_DATE - interval '10 years'", 0), (10, "CURRENT_DATE - interval '10 years' - interval '1 us'", 1),
    (1, "CURRENT_DATE - interval '1 year'", 0), (1, "CURRENT_DATE - interval '1 year' - interval '1 us'", 1),
    (11, "CURRENT_DATE - interval '10 years' - interval '1 us'", 0),
])
def test_the_day_on_which_something_is_old_enough_is_kept(db, sql, monkeypatch, years, moment, gone):
    if years != 10:
        monkeypatch.setenv("TRAIL_YEARS", str(years))
    sql("SET TimeZone = 'UTC'")
    db.add_customer("Ada", None)
    sql(f"UPDATE trail SET changed_at = {moment}")
    with db.reading() as cur:
        cur.execute("SHOW TimeZone")
        assert cur.row()["TimeZone"] in ("UTC", "Etc/UTC", "GMT")
    assert trail.thin() == gone


@pytest.mark.parametrize("years", ["0", "-1", "ten", "1.5"])
def test_years_that_are_none_are_refused_before_anything_goes(ada, sql, monkeypatch, years):
    monkeypatch.setenv("TRAIL_YEARS", years)
    with pytest.raises(errors.Unavailable, match="TRAIL_YEARS"):
        trail.thin()


@pytest.mark.parametrize("group", ["isp_admin", "isp_readonly"])
def test_the_owner_alone_thins_the_trail(ada, uri, sql, group):
    name = f"isp_test_{os.getpid()}_thins"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 's3cr3t' IN ROLE {group}")
    sql("UPDATE trail SET changed_at = '2000-01-01'")
    database.disconnect()
    database.connect(psycopg2.extensions.make_dsn(uri, user=name, password="s3cr3t"))
    try:
        with pytest.raises(errors.Forbidden):
            trail.thin()
        assert len(trail.history_of_customer(1)) == 6
        assert len(trail.changes(trail.Wanted())) == trail.count_changes(trail.Wanted())
    finally:
        database.disconnect()
        sql(f"DROP OWNED BY {name}")
        sql(f"DROP ROLE {name}")
    assert sql("SELECT kind FROM trail WHERE kind = 'deleted' OR changed_at > '2000-01-01'") == []


def test_ids_with_a_hundred_thousand_gaps_are_kept_and_found(db, sql):
    sql("INSERT INTO customers (name) SELECT 'Cy' FROM generate_series(1, 200000)")
    sql("UPDATE customers SET phone_number = '123' WHERE customer_id % 2 = 0")
    assert told(trail.history_of("customers", 100_000)) == [
        ("customers", 100_000, "changed"), ("customers", 100_000, "added")]
    assert told(trail.history_of("customers", 99_999)) == [("customers", 99_999, "added")]


@pytest.fixture(scope="module")
def long_past(server_uri, admin, template):
    """A provider of 20,000 customers and 200,000 changes."""
    name = f"isp_test_{os.getpid()}_past"
    admin(f"CREATE DATABASE {name} TEMPLATE {template}")
    database.connect(named(server_uri, name))
    demo.fill(20_000)
    database.disconnect()
    conn = psycopg2.connect(named(server_uri, name))
    conn.autocommit = True
    with conn.cursor() as cur:
        cur.execute(PAST, {"many": 200_000})
        cur.execute("VACUUM ANALYZE")
    conn.close()
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


QUESTIONS = {
    "a customer's history": lambda: trail.history_of_customer(30),
    "its count": lambda: trail.count_history_of_customer(30),
    "the history of a customer who is gone": lambda: trail.history_of_customer(77_777),
    "a record's history": lambda: trail.history_of("services", 30),
    "its count, too": lambda: trail.count_history_of("services", 30),
    "the history of one that is gone": lambda: trail.history_of("services", 1_000_002),
    "the last deletions": trail.deletions,
    "what stands in the way": lambda: trail.obstacles(trail.deletions()[0]),
    "the last changes": lambda: trail.changes(trail.Wanted()),
    "a day's changes, counted": lambda: trail.count_changes(trail.Wanted(*[database.today() - timedelta(days=9)] * 2)),
}


@pytest.fixture
def plans(sent):
    """Call a function that reads, and return what each of its statements did, as the server tells it."""
    def of(uri, function):
        ran = sent(function)
        conn = psycopg2.connect(uri)
        found = []
        with conn, conn.cursor() as cur:
            for statement in ran:
                cur.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
                found.append(cur.fetchone()[0][0]["Plan"])
        conn.close()
        return found

    return of


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_but_an_export_reads_the_whole_trail(long_past, plans, question):
    database.connect(long_past)
    found = plans(long_past, QUESTIONS[question])
    database.disconnect()
    assert found
    for plan in found:
        assert all(rows < 2_000 for rows in scans(plan)), plan


def compared(plan):
    """Return how many pairs of rows a plan compared in vain."""
    own = plan.get("Rows Removed by Join Filter", 0) * plan["Actual Loops"]
    return own + sum(map(compared, plan.get("Plans", [])))


def test_what_stands_in_the_way_of_many_is_looked_up_and_not_compared_with_each(db, sql, uri, plans):
    sql("INSERT INTO customers (name) SELECT 'Cy' FROM generate_series(1, 2000)")
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, '1 Quay' FROM customers")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre', 20 FROM locations")
    sql("INSERT INTO equipment (location_id, equipment_name, cost) SELECT location_id, 'Box', 20 FROM locations")
    there_since()
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    bill_run.undo(date(2026, 10, 1))
    sql("DELETE FROM customers")
    for deletion in trail.deletions():
        for plan in plans(uri, lambda deletion=deletion: trail.obstacles(deletion)):
            assert compared(plan) < 20_000


def scans(plan):
    """Yield how many rows each scan of a plan read, those that it then left out, too."""
    if "Scan" in plan["Node Type"] and plan["Node Type"] not in ("CTE Scan", "Function Scan", "Subquery Scan"):
        left_out = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield (plan["Actual Rows"] + left_out) * plan["Actual Loops"]
    for part in plan.get("Plans", []):
        yield from scans(part)


def objects(uri):
    conn = psycopg2.connect(uri, cursor_factory=psycopg2.extras.RealDictCursor)
    with conn, conn.cursor() as cur:
        found = catalogue(cur)
    conn.close()
    return found


def contents(uri):
    conn = psycopg2.connect(uri, cursor_factory=psycopg2.extras.RealDictCursor)
    tables = {}
    with conn, conn.cursor() as cur:
        for table in (*trail.KEYS, "trail"):
            cur.execute(f"SELECT to_jsonb({table}) AS line FROM {table} ORDER BY 1")
            tables[table] = [row["line"] for row in cur.fetchall()]
    conn.close()
    return tables


@pytest.mark.parametrize("options", [[], ["--no-owner", "--no-privileges"]])
def test_a_backup_has_the_trail_and_what_is_restored_from_it_goes_on_with_it(ada, uri, empty_uri, tmp_path, options):
    database.delete_service(1)
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    before, known = contents(uri), objects(uri)
    tools, path = embedded.binaries(), tmp_path / "books.dump"
    subprocess.run([tools / "pg_dump", "-Fc", *options, f"--file={path}", f"--dbname={uri}"], check=True)
    done = subprocess.run([tools / "pg_restore", f"--dbname={empty_uri}", path], capture_output=True, text=True,
                          check=False)
    assert [line for line in done.stderr.splitlines() if "ERROR" in line and "transaction_timeout" not in line] == []
    assert contents(empty_uri) == before
    database.disconnect()
    database.connect(empty_uri)
    access.give_rights()
    now = objects(empty_uri)
    now["schema public"] = known["schema public"]  # on 14 that is everybody's to create in again
    assert differences(known, now) == []
    trail.restore(trail.deletions()[0])
    assert database.get_service(1)["service_name"] == "Fibre"
    assert told(trail.history_of("services", 1)) == [("services", 1, kind) for kind in ("added", "deleted", "added")]
    assert verify_books()[1] == []


def test_transactions_of_two_servers_with_the_same_number_are_two_deletions(ada, sql):
    database.delete_service(1)
    database.delete_service(2)
    sql("UPDATE trail SET transaction_id = 7 WHERE kind = 'deleted'")
    first, second = trail.deletions()
    assert (first["record"]["service_id"], second["record"]["service_id"]) == (2, 1)
    trail.restore(second)
    assert database.get_service(1)["service_name"] == "Fibre"
    with pytest.raises(errors.NotFound):
        database.get_service(2)


def test_elements_are_taken_of_deletions_alone_whatever_is_evaluated_first(ada, uri, sql):
    database.update_customer(1, "Ada Li")
    database.update_location(1, "2 Quay")
    database.delete_equipment(1)
    found = sql(
        "SELECT prosrc AS code FROM pg_proc WHERE prosrc LIKE '%jsonb_array_elements(%' "
        "AND pronamespace = 'public'::regnamespace")
    assert all("jsonb_array_elements(CASE" in row["code"] for row in found)
    assert len(found) == 2
    database.disconnect()
    database.connect(psycopg2.extensions.make_dsn(
        uri, options="-c enable_nestloop=off -c enable_hashjoin=off -c enable_indexscan=off -c enable_bitmapscan=off"))
    assert len(trail.history_of_customer(1)) == 9
    assert trail.obstacles(trail.deletions()[0]) == []


def test_the_time_of_a_change_is_its_transaction_s_beginning_to_the_microsecond(db, uri):
    conn = psycopg2.connect(uri)
    with conn, conn.cursor() as cur:
        cur.execute("SELECT now()")
        begun, = cur.fetchone()
        cur.execute("SELECT pg_sleep(0.01)")
        cur.execute("INSERT INTO customers (name) VALUES ('Ada')")
    conn.close()
    change, = trail.history_of("customers", 1)
    assert change["changed_at"] == begun
    assert change["changed_at"].astimezone(timezone.utc) <= datetime.now(timezone.utc)
