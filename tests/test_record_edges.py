"""Lists, searches and single records at their edges; what each error of the server becomes; what is tried again."""
from __future__ import annotations

import inspect
import uuid
from datetime import date, datetime, timezone
from decimal import Decimal

import psycopg2.extensions
import psycopg2.extras
import pytest
from logins import BANK

import database
from tracker import (
    accounts,
    backup,
    bill_run,
    credits,
    errors,
    late_fees,
    notes,
    payments,
    prices,
    reports,
    stock,
    trail,
    verify,
)
from tracker.transfer import bank, booking
from tracker.transfer.bank_formats import Format

pytestmark = pytest.mark.slow

DAY = date(2026, 1, 31)
# As many customers with one of everything. The first and the third are written anew, so that they come last where
# nothing puts rows in order.
FILL = """
    INSERT INTO customers (name, phone_number)
    SELECT CASE i % 2 WHEN 0 THEN 'Okafor' ELSE 'okafor' END, '555 0100' FROM generate_series(1, {0}) AS i;
    INSERT INTO locations (customer_id, address) SELECT customer_id, 'Quay ' || customer_id FROM customers ORDER BY 1;
    INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre', 5 FROM locations ORDER BY 1;
    INSERT INTO equipment (location_id, equipment_name, cost) SELECT location_id, 'Router', 5 FROM locations ORDER BY 1;
    INSERT INTO billing (customer_id, description, due_date, amount_billed)
    SELECT customer_id, 'Setup', '2026-01-31', 5 FROM customers ORDER BY 1;
    UPDATE customers SET phone_number = phone_number || '1' WHERE customer_id IN (1, 3);
    UPDATE customers SET phone_number = left(phone_number, -1) WHERE customer_id IN (1, 3);
    UPDATE locations SET address = address || 'x' WHERE location_id IN (1, 3);
    UPDATE locations SET address = left(address, -1) WHERE location_id IN (1, 3);
    UPDATE services SET location_id = 2 WHERE service_id = 1;
    UPDATE services SET location_id = 1 WHERE service_id = 1;
    UPDATE equipment SET location_id = 2 WHERE equipment_id = 1;
    UPDATE equipment SET location_id = 1 WHERE equipment_id = 1;
    UPDATE billing SET due_date = due_date + 1 WHERE billing_id IN (1, 3);
    UPDATE billing SET due_date = due_date - 1 WHERE billing_id IN (1, 3)
"""
LISTS = {"customer_id": "list_customers", "location_id": "list_locations", "service_id": "list_services",
         "equipment_id": "list_equipment", "billing_id": "list_bills"}
FINDS = {"customer_id": "find_customers", "location_id": "find_locations", "service_id": "find_services",
         "equipment_id": "find_equipment", "billing_id": "find_bills"}


def ids(rows, key):
    return [row[key] for row in rows]


@pytest.fixture
def account(db):
    """One of everything: customer 1, location 1, service 1, equipment 1, bill 1 and payment 1."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    db.add_service(location_id, "Fibre", Decimal("49.90"))
    db.add_equipment(location_id, "Router", "S-1", Decimal(120))
    db.add_bill(customer_id, "Setup", Decimal(30), DAY)
    payments.record_payment(customer_id, Decimal(4), DAY, "cash", None, uuid.UUID(int=1))


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_a_list_have_each_record_once_in_the_order_of_ids(key, size, db, sql):
    sql(FILL.format(7))
    seen, after = [], 0
    while (page := getattr(db, LISTS[key])(after, size)) and len(seen) < 20:
        assert len(page) <= size
        seen += ids(page, key)
        after = page[-1][key]
    assert seen == ([7, 6, 5, 4, 3, 2, 1] if key == "billing_id" else [1, 2, 3, 4, 5, 6, 7])


@pytest.mark.parametrize("key", LISTS)
def test_a_page_has_a_hundred_rows_unless_said_otherwise(key, db, sql):
    sql(FILL.format(101))
    assert len(getattr(db, LISTS[key])()) == 100


@pytest.mark.parametrize("key", FINDS)
def test_hits_come_by_name_in_either_case_then_by_id_and_bills_newest_first(key, db, sql):
    sql(FILL.format(5))
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada Okafor', '123'), ('zoë okafor', '123')")
    sql("INSERT INTO locations (customer_id, address) VALUES (7, 'Quay'), (6, 'Quay')")
    sql("INSERT INTO services (location_id, service_name, cost) VALUES (6, 'Fibre', 5), (7, 'Fibre', 5)")
    sql("INSERT INTO equipment (location_id, equipment_name, cost) VALUES (6, 'Router', 5), (7, 'Router', 5)")
    sql("INSERT INTO billing (customer_id, description, due_date, amount_billed) "
        "VALUES (7, 'Setup', '2026-01-30', 5), (6, 'Setup', '2026-02-01', 5)")
    expected = {"customer_id": [6, 1, 2, 3, 4, 5, 7], "billing_id": [7, 5, 4, 3, 2, 1, 6]}
    assert ids(getattr(db, FINDS[key])("okafor").rows, key) == expected.get(key, [7, 1, 2, 3, 4, 5, 6])


def test_unpaid_bills_are_found_before_paid_ones(account, sql):
    sql("INSERT INTO billing (customer_id, description, due_date, amount_billed) "
        "VALUES (1, 'Free', '2026-12-01', 0), (1, 'New', '2026-03-01', 5), (1, 'Free, too', '2026-12-02', 0)")
    assert ids(database.find_bills("okafor").rows, "billing_id") == [3, 1, 4, 2]


@pytest.mark.parametrize("key", FINDS)
@pytest.mark.parametrize("term", ["okafor", "555 0100"])
def test_hits_come_a_page_at_a_time_and_say_how_many_there_are(key, term, db, sql):
    sql(FILL.format(database.MOST_HITS + 5))
    find = getattr(db, FINDS[key])
    first, rest = find(term), find(term, skip=database.MOST_HITS)
    assert (len(first.rows), first.total, len(rest.rows), rest.total) == (database.MOST_HITS, 25, 5, 25)
    everybody = find(term, limit=100).rows
    assert ids(first.rows + rest.rows, key) == ids(everybody, key)
    assert find(term, skip=3, limit=1).rows == everybody[3:4]


@pytest.mark.parametrize("key", [key for key in FINDS if key != "customer_id"])
@pytest.mark.parametrize("term", ["okafor", "555 0100", "quay"])
def test_each_hit_is_counted_once_where_a_customer_has_several(key, term, db, sql):
    sql(FILL.format(12))
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, 'New Quay ' || customer_id FROM customers")
    for table, columns in (("services", "location_id, service_name, cost"),
                           ("equipment", "location_id, equipment_name, cost"),
                           ("billing", "customer_id, description, due_date, amount_billed")):
        sql(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}")
    found = getattr(db, FINDS[key])(term, limit=100)
    assert (found.total, len(set(ids(found.rows, key)))) == (24, 24)


def test_the_server_says_what_it_is_and_what_day_it_is(db, sql):
    expected, = sql("SELECT current_setting('server_version') AS version, current_database() AS database, "
                    "current_user AS login, current_setting('TimeZone') AS timezone, CURRENT_DATE AS today")
    server = db.describe_server()
    assert {key: server[key] for key in expected} == expected
    assert (server["search_is_indexed"], server["folder"]) == (True, None)
    sql("DROP EXTENSION pg_trgm CASCADE")
    assert db.describe_server()["search_is_indexed"] is False


@pytest.mark.parametrize(("find", "term"), [
    ("find_services", "fibr"), ("find_equipment", "route"), ("find_bills", "setu"), ("find_customers", "quay"),
    ("find_locations", "quay"),
])
def test_hits_of_what_a_record_is_called_are_all_counted(find, term, db, sql):
    sql(FILL.format(database.MOST_HITS + 5))
    found = getattr(db, find)(term)
    assert (len(found.rows), found.total) == (database.MOST_HITS, database.MOST_HITS + 5)


@pytest.mark.parametrize(("find", "term"), [
    ("find_services", "IBR"), ("find_equipment", "OUTE"), ("find_equipment", "S-1"), ("find_bills", "ETU"),
    ("find_services", "harb"), ("find_equipment", "harb"), ("find_locations", "harb"), ("find_customers", "harb"),
    ("find_services", "7946"), ("find_equipment", "0958"), ("find_locations", "4420"), ("find_bills", "0958"),
    ("find_services", "okaf"), ("find_equipment", "ada"), ("find_locations", "ka"), ("find_bills", "Ada Okafor"),
    ("find_customers", "1 h"), ("find_locations", "st"), ("find_customers", "ST"), ("find_customers", "or"),
])
def test_a_record_is_found_by_any_part_of_its_name_customer_number_or_address(find, term, account):
    assert getattr(database, find)(term).total == 1


@pytest.mark.parametrize(("find", "term"), [
    ("find_equipment", "9-9"), ("find_services", "router"), ("find_customers", "fibre"), ("find_customers", "44209"),
    ("find_locations", "fibre"), ("find_customers", "Ada Okafor Li"), ("find_customers", "xk"),
    ("find_bills", "router"),
])
def test_a_record_is_not_found_by_what_it_does_not_hold(find, term, account):
    assert getattr(database, find)(term) == ([], 0)


@pytest.mark.parametrize(("term", "found"), [
    ("ad", ["Ada", "Bo Adams"]),     # a beginning of a word goes before the middle of one
    ("da", ["Fadi Da"]),
    ("di", ["Fadi Da"]),             # nothing begins so, and what holds it is found
    ("dam", ["Bo Adams"]),           # three characters are found wherever they stand
    ("0958", ["Ada"]),               # last digits go before those in the middle
    ("207", ["Ada"]),                # and so do first digits in the country
    ("946", ["Ada"]),                # those in the middle are found where nothing else is
    ("442", ["Ada", "Bo Adams"]),
    ("0207", ["Ada"]),               # a leading zero is left out
    ("000", ["Fadi Da"]),            # unless there is nothing else
])
def test_a_search_takes_what_an_index_finds_first_and_looks_everywhere_only_when_that_is_nothing(term, found, db):
    for name, number in (("Ada", "+44 20 7946 0958"), ("Bo Adams", "10958 442 1"), ("Fadi Da", "7000 1")):
        db.add_customer(name, number)
    assert [row["name"] for row in db.find_customers(term).rows] == found


def test_what_a_record_is_called_counts_as_much_as_whose_it_is(account):
    other = database.add_location(database.add_customer("Bo Li", "5550100"), "2 Quay")
    database.add_service(other, "Okafor special", Decimal(1))
    database.add_equipment(other, "Okafor special", None, Decimal(1))
    database.add_bill(2, "Okafor special", Decimal(1), DAY)
    for find in (database.find_services, database.find_equipment, database.find_bills):
        assert {row["name"] for row in find("okafor").rows} == {"Ada Okafor", "Bo Li"}
        assert [row["name"] for row in find("special okafor").rows] == ["Bo Li"]


def test_customers_share_a_number_whatever_stands_between_its_digits(db, sql):
    for number in ("+44 20 7946 0958", "(44) 2079460958", "44 20 7946 095", "0 44 20 7946 0958", "44.20/7946-0958"):
        db.add_customer("Somebody", number)
    sql("UPDATE customers SET name = name WHERE customer_id = 1")
    assert ids(db.similar_customers("Nobody", "442079460958"), "customer_id") == [1, 2, 4, 5]


def test_no_more_customers_of_one_number_are_returned_than_hits_are_shown(db, sql):
    sql(FILL.format(database.MOST_HITS + 5))
    assert ids(db.similar_customers("Nobody", "5550100"), "customer_id") == list(range(1, database.MOST_HITS + 1))


def test_what_goes_with_a_customer_is_counted_and_summed_without_voids_or_others(account, sql):
    sql(FILL.format(3))
    payments.record_payment(1, Decimal(9), DAY, "cash", None, uuid.uuid4())
    payments.void_payment(2, "typo")
    assert database.customer_contents(1) == {
        "locations": 2, "services": 3, "equipment": 3, "notes": 0, "bills": 2, "payments": 2}


def test_what_goes_with_a_location_is_counted_without_others(account, sql):
    sql(FILL.format(3))
    database.add_service(1, "TV", Decimal(1))
    assert database.location_contents(1) == {"services": 3, "equipment": 2}


@pytest.mark.parametrize(("delete", "contents"), [
    ("delete_customer", "customer_contents"), ("delete_location", "location_contents"),
])
@pytest.mark.parametrize("change", ["INSERT INTO services (location_id, service_name, cost) VALUES (1, 'TV', 1)",
                                    "INSERT INTO equipment (location_id, equipment_name, cost) VALUES (1, 'TV', 1)",
                                    "DELETE FROM services"])
def test_a_delete_is_refused_when_its_contents_have_changed(delete, contents, change, account, sql):
    sql("DELETE FROM payments; DELETE FROM billing")
    shown = getattr(database, contents)(1)
    sql(change)
    with pytest.raises(errors.Conflict, match=r"changed while you were looking; nothing was deleted\. Look again\.$"):
        getattr(database, delete)(1, shown)
    assert database.get_location(1)["name"] == "Ada Okafor"
    getattr(database, delete)(1, getattr(database, contents)(1))
    assert database.list_locations() == []


@pytest.mark.parametrize("change", [
    "INSERT INTO locations (customer_id, address) VALUES (1, '2 Quay')",
    "INSERT INTO payments (customer_id, amount) VALUES (1, 5)",
    "INSERT INTO customer_notes (customer_id, note) VALUES (1, 'rang')",
    "INSERT INTO billing (customer_id, description, due_date, amount_billed) VALUES (1, 'Free', '2026-01-31', 0)",
])
def test_a_customer_is_not_deleted_when_sites_notes_or_money_have_changed(change, account, sql):
    sql("DELETE FROM payments; DELETE FROM billing")
    shown = database.customer_contents(1)
    sql(change)
    with pytest.raises(errors.Conflict, match="nothing was deleted"):
        database.delete_customer(1, shown)


def test_a_delete_takes_nothing_of_others(account, sql):
    sql(FILL.format(3))
    sql("DELETE FROM payments; DELETE FROM billing WHERE customer_id = 1")
    database.delete_customer(1)
    database.delete_location(database.list_locations()[0]["location_id"])
    left, = sql("SELECT (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM locations) AS locations, "
                "(SELECT count(*) FROM services) AS services, (SELECT count(*) FROM equipment) AS equipment, "
                "(SELECT count(*) FROM billing) AS bills, (SELECT count(*) FROM payments) AS payments")
    assert left == {"customers": 3, "locations": 2, "services": 2, "equipment": 2, "bills": 3, "payments": 0}


@pytest.mark.parametrize(("call", "kind"), [
    (lambda: database.get_customer(7), "customer"), (lambda: database.get_location(7), "location"),
    (lambda: database.get_service(7), "service"), (lambda: database.get_equipment(7), "equipment"),
    (lambda: database.get_bill(7), "bill"),
    (lambda: database.update_customer(7, "Ada"), "customer"), (lambda: database.update_location(7, "Quay"), "location"),
    (lambda: database.update_service(7, "Fibre"), "service"),
    (lambda: database.update_equipment(7, "Router"), "equipment"),
    (lambda: database.update_bill(7, "Setup"), "bill"),
    (lambda: database.delete_customer(7), "customer"), (lambda: database.delete_location(7), "location"),
    (lambda: database.delete_service(7), "service"), (lambda: database.delete_equipment(7), "equipment"),
    (lambda: database.delete_bill(7), "bill"),
])
def test_a_record_that_is_not_there_is_named(call, kind, account):
    with pytest.raises(errors.NotFound, match=rf"^There is no {kind} 7\.$"):
        call()


@pytest.mark.parametrize(("update", "key", "changed"), [
    (database.update_customer, "customer_id", {"name": "Bo", "phone_number": "123", "email": "bo@example.com",
                                                 "account_number": "K-1"}),
    (database.update_location, "location_id", {"address": "2 Quay"}),
    (database.update_service, "service_id", {"service_name": "TV", "cost": Decimal(1)}),
    (database.update_equipment, "equipment_id", {"equipment_name": "TV", "serial_number": "S-2", "cost": Decimal(1)}),
    (database.update_bill, "billing_id", {"description": "Repair", "due_date": date(2030, 1, 1)}),
], ids=["customer", "location", "service", "equipment", "bill"])
def test_an_update_changes_what_is_given_of_one_record_and_keeps_the_rest(update, key, changed, account, sql):
    sql(FILL.format(2))
    table = {"customer_id": "customers", "location_id": "locations", "service_id": "services",
             "equipment_id": "equipment", "billing_id": "billing"}[key]
    for column, value in changed.items():
        before = {row[key]: dict(row) for row in sql(f"SELECT * FROM {table}")}
        assert update(1, **{column: value})[column] == value
        after = {row[key]: dict(row) for row in sql(f"SELECT * FROM {table}")}
        folded = {name: after[1][name] for name in after[1] if name == f"{column}_folded"}
        assert after == {**before, 1: {**before[1], column: value, **folded}}


def test_an_empty_serial_number_takes_it_away_and_none_keeps_it(account):
    assert database.update_equipment(1)["serial_number"] == "S-1"
    assert database.update_equipment(1, serial_number="")["serial_number"] is None


def test_a_bill_by_hand_has_one_line_and_is_issued_today(account):
    row = database.get_bill(1)
    assert (row["description"], row["due_date"], row["period"]) == ("Setup", DAY, None)
    assert row["issued_on"] == database.today()
    assert [(item["description"], Decimal(item["amount"])) for item in row["items"]] == [("Setup", 30)]
    assert (row["amount_billed"], row["amount_paid"], row["amount_due"], row["last_payment_date"]) == (30, 4, 26, DAY)


@pytest.mark.parametrize(("most", "counted"), [(4, False), (5, True), (6, True)])
def test_a_table_is_counted_up_to_a_limit_and_estimated_beyond_it(most, counted, db, sql, monkeypatch):
    sql(FILL.format(5))
    sql("ANALYZE customers")
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '123')")
    monkeypatch.setattr(database, "COUNT_EXACTLY", most)
    assert database.count("customers") == ((6, True) if counted else (5, False))


@pytest.mark.parametrize("table", ["customers", "locations", "services", "equipment", "billing"])
def test_each_table_is_counted(table, db, sql):
    sql(FILL.format(3))
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '123'), ('Bo', '123')")
    assert database.count(table) == ((5, True) if table == "customers" else (3, True))


@pytest.mark.parametrize(("code", "kind", "sentence"), [
    ("22003", errors.Conflict, "The sum is too large to store."),
    ("23514", errors.Conflict, "A rule of the database forbids that."),
    ("25006", errors.Forbidden, "This server takes no changes now: it is a standby, or read-only."),
    ("40001", errors.Deadlock, "Others are working on the same records; nothing was written. Try again."),
    ("40P01", errors.Deadlock, "Others are working on the same records; nothing was written. Try again."),
    ("42501", errors.Forbidden, "This login may not do that."),
    ("53100", errors.Unavailable, "The server's disk is full; nothing was written."),
    ("55P03", errors.Busy, "Somebody else is changing the same record; nothing was written. Try again in a moment."),
    ("57014", errors.Busy,
     "The database took longer than DB_STATEMENT_TIMEOUT allows and was stopped; nothing was written."),
    ("P0001", errors.Refused, "The database refused (SQLSTATE P0001); nothing was written."),
])
def test_what_the_server_refuses_has_its_kind_and_its_sentence(db, code, kind, sentence):
    with pytest.raises(errors.Error) as caught, db.transaction() as cur:
        cur.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
    assert (type(caught.value), str(caught.value)) == (kind, sentence)


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda: database.add_customer(None, "123"), "Name is required."),
    (lambda: database.add_bill(1, "Setup", None, DAY), "Amount billed is required."),
])
def test_what_is_missing_is_named(account, call, sentence):
    with pytest.raises(errors.Conflict) as caught:
        call()
    assert str(caught.value) == sentence


def test_a_sum_that_is_too_large_for_its_column_is_one_sentence(account):
    with pytest.raises(errors.Conflict, match=r"^The sum is too large to store\.$"), database.transaction() as cur:
        cur.execute("SELECT 1e12::numeric(12, 2)")


def connected_with(db):
    with db.transaction() as cur:
        return cur.connection.info.dsn_parameters


def test_a_connection_that_has_gone_dead_is_noticed_within_a_minute(db):
    kept = connected_with(db)
    assert {name: kept.get(name) for name in ("keepalives_idle", "keepalives_interval", "keepalives_count",
                                              "tcp_user_timeout", "connect_timeout", "application_name")} == {
        "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "30000",
        "connect_timeout": "5", "application_name": "isp-customer-tracker"}
    assert kept.get("keepalives", "1") == "1"


@pytest.mark.parametrize(("name", "value"), [
    ("keepalives_idle", "7"), ("tcp_user_timeout", "7000"), ("application_name", "x"), ("connect_timeout", "7"),
])
def test_what_the_uri_says_goes_before_what_the_program_adds(uri, name, value):
    database.connect(psycopg2.extensions.make_dsn(uri, **{name: value}))
    assert connected_with(database)[name] == value
    database.disconnect()


def test_a_session_speaks_utf_8_and_keeps_the_options_of_the_uri(uri):
    database.connect(psycopg2.extensions.make_dsn(uri, client_encoding="LATIN1", options="-c work_mem=5MB"))
    with database.transaction() as cur:
        cur.execute("SELECT current_setting('client_encoding') AS encoding, current_setting('work_mem') AS memory, "
                    "current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock")
        assert cur.fetchone() == {"encoding": "UTF8", "memory": "5MB", "statement": "1min", "lock": "5s"}
    database.disconnect()


REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{}'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION refuse()
"""


def test_what_others_stand_in_the_way_of_is_tried_four_times_each_pause_longer(db, sql, monkeypatch):
    sql(REFUSE.format("40P01"))
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(errors.Deadlock):
        db.add_customer("Ada", "123")
    tries, = sql("SELECT last_value FROM customers_customer_id_seq")
    assert tries["last_value"] == 4
    first, second, third = pauses
    assert 0.025 <= first <= 0.075
    assert 0.1 <= second <= 0.3
    assert 0.4 <= third <= 1.2


def test_pauses_differ_so_that_two_programs_do_not_meet_again(db, sql, monkeypatch):
    sql(REFUSE.format("40001"))
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    for _ in range(2):
        with pytest.raises(errors.Deadlock):
            db.add_customer("Ada", "123")
    assert len(set(pauses)) == 6


@pytest.mark.parametrize("code", ["23514", "55P03", "57014", "42501", "P0001"])
def test_what_no_second_try_can_help_is_tried_once(db, sql, code):
    sql(REFUSE.format(code))
    with pytest.raises(errors.Error):
        db.add_customer("Ada", "123")
    tries, = sql("SELECT last_value FROM customers_customer_id_seq")
    assert tries["last_value"] == 1


TODAY, MONTH = date(2026, 12, 15), date(2026, 12, 1)
PRICE = prices.Change("Fibre", Decimal(5), TODAY)
NO_DELETION = {"transaction_id": 0, "changed_at": datetime(2026, 1, 1, tzinfo=timezone.utc)}
AT_LOCATION = {"equipment_id": 1, "location_id": 1, "retired_on": None}
IN_STOCK = {"equipment_id": 1, "location_id": None, "retired_on": None}
BANK_LINE: booking.OpenLine = {
    "bank_line_id": 1, "key": uuid.UUID("00000000-0000-4000-8000-000000000001"), "booked_on": date(2026, 1, 15),
    "amount": Decimal(5), "amount_left": Decimal(5), "payer": "Ada Okafor", "payer_account": "DE89",
    "reference": "Thanks", "doubt": None, "more": 0,
}
# Every public function that reads or writes, in an order in which each finds its record.
CALLS = {
    database: {
        "describe_server": (), "rights": (), "size": (), "today": (), "now": (), "count": ("customers",),
        "get_customer": (1,), "list_customers": (), "find_customers": ("ada",), "suggest_customers": ("ada",),
        "similar_customers": ("Ada", "123"), "list_closed_customers": (), "count_closed_customers": (),
        "customer_patterns": ("ada",),
        "customer_contents": (1,), "account_holder": ("K-1",),
        "get_location": (1,), "list_locations": (), "find_locations": ("ada",), "location_contents": (1,),
        "get_service": (1,), "list_services": (), "find_services": ("ada",),
        "get_equipment": (1,), "list_equipment": (), "find_equipment": ("ada",), "serial_holder": ("S-1",),
        "find_unplaced": ("S-1",),
        "get_bill": (1,), "list_bills": (), "find_bills": ("ada",),
        "add_customer": ("Bo", "123"), "update_customer": (1, "Ada"),
        "add_location": (1, "2 Quay"), "update_location": (1, "3 Quay"), "add_service": (1, "TV", Decimal(1)),
        "update_service": (2, "Phone"), "add_equipment": (1, "TV", None, Decimal(1)), "update_equipment": (1, "TV"),
        "add_bill": (1, "Setup", Decimal(1), DAY), "update_bill": (1, "Repair"),
        "end_service": (1, TODAY), "list_pauses": (1,), "pause_service": (1, TODAY, None), "end_pause": (1, TODAY),
        "delete_pause": (1,),
    },
    payments: {
        "unpaid_bills": (1,), "credit": (1,), "same_payments": (1, Decimal(4), DAY),
        "payments_with_reference": ("R-1", []), "doubts": (1, Decimal(4), DAY, "R-1"), "excess": (1, Decimal(4)),
        "slips": (1, Decimal(4), DAY),
        "repeats": (1, Decimal(4), DAY, "R-1"), "latest_payments": (), "payments_on": (DAY,),
        "get_payment": (1,),
        "find_by_entry_key": (uuid.UUID(int=1),), "find_payments": ("ada",), "list_payments": (1,),
        "count_payments": (1,),
        "record_payment": (1, Decimal(1), DAY, "cash", None, uuid.UUID(int=2)), "void_payment": (1, "typo"),
    },
    credits: {
        "write_off": (1, Decimal(1), "gone", uuid.UUID(int=5)),
        "add_credit_note": (1, Decimal(100), "outage", uuid.UUID(int=6)),
        "refund": (1, Decimal(1), "cash", None, uuid.UUID(int=7)),
    },
    bill_run: {"preview": (MONTH,), "run": (MONTH, TODAY), "preview_undo": (MONTH,), "undo": (MONTH,),
               "latest_runs": (), "preview_accounts": (MONTH, "new"), "preview_lines": (MONTH, True),
               "to_make_good": (1,)},
    prices: {
        "find_plans": (), "look_up_name": ("Fibre",), "get_plan": ("Fibre",), "preview": (PRICE,),
        "list_changing": (PRICE,), "list_own": (PRICE,), "change_price": (PRICE,),
    },
    verify: {"last": ()},
    notes: {"add_note": (1, "Called."), "get_note": (1,), "list_notes": (1,), "count_notes": (1,), "delete_note": (2,)},
    backup: {"last": (), "folder": (), "kept": (), "standing": ()},
    reports: {
        "late_total": (), "late_customers": (), "get_account": (1,), "list_accounts": (), "aging": (),
        "aging_total": (),
        "check_may_read": (), "recurring_revenue": (), "monthly_revenue": (), "get_statement": (1, DAY, TODAY),
        "payments_received": (DAY, TODAY),
        "list_received": ({"first": DAY, "last": TODAY, "methods": [], "days": []},),
    },
    booking: {
        "count_open": (), "next_open": (), "get_open": (1,), "candidates": (BANK_LINE,), "count_payments": (1,),
        "formats": (), "get_format": ("Sparkasse",), "remember_format": ("Sparkasse", Format(days="DMY")),
        "book": (BANK_LINE, 1, Decimal(2), 0), "set_aside": (2,), "list_set_aside": (), "take_back": (2,),
    },
    stock: {
        "list_stock": (), "stock_total": (), "models": (), "list_of_model": ("TV",), "count_of_model": ("TV",),
        "places": (1,), "swap_for_stocked": (AT_LOCATION, False, IN_STOCK),
        "swap_for_new": (AT_LOCATION, False, "TV", None, Decimal(1)), "move": (IN_STOCK, 1),
        "write_off": (AT_LOCATION,),
    },
    # 4 is closed already, and 5 has nothing
    accounts: {
        "reopen": (4,), "preview_closing": (4, TODAY), "close": (4, TODAY, True), "check_known": (1,),
        "check_erasure": (4,), "erase": (4,),
        "preview_merge": (1, 5), "merge": (1, 5),
    },
    trail: {
        "history_of_customer": (1,), "history_of": ("customers", 1), "count_history_of_customer": (1,),
        "count_history_of": ("customers", 1), "changes": (trail.Wanted(),), "count_changes": (trail.Wanted(),),
        "deletions": (), "obstacles": (NO_DELETION,), "restore": (NO_DELETION,),
        "undo": ({"table_name": "customers", "record_id": 1, "old": {"name": "Ada"}, "new": {"name": "Eve"}},),
        "thin": (),
    },
    # last, since nothing is left to read after them
    "deletions": {"delete_bill": (2,), "delete_service": (1,), "delete_equipment": (1,), "delete_location": (1,),
                  "delete_customer": (3,)},
    # a bill that has a late fee could not be deleted
    late_fees: {"preview": (), "list_charged": (), "run": (), "last_day": (), "fee_of": (1,), "preview_undo": (TODAY,),
                "undo": (TODAY,)},
}
NOT_IN_ONE_GO = {"connect", "disconnect", "transaction", "reading", "streaming", "be_patient", "retried", "search",
                 "rehearsal", "outside_transactions", "fetch_one", "fetch_all", "fetch_value", "write_one", "stream",
                 "write_value", "only", "existing", "apply_credit", "sum_late", "sum_aged", "verify", "verify_books",
                 "default_due_date", "customer_in", "contents_in", "lock_account", "why_kept", "cancel_bills",
                 "final_bill", "final_balance", "deleted",
                 "plan_upgrade", "upgrade", "too_large", "take_turn", "give_reason", "is_embedded",
                 "take", "thin", "read", "refuse", "restore", "check", "login_to", "target", "close_idle", "can_undo",
                 "years_kept", "acting_as", "sign_in", "reporting", "reports_source", "remember", "news", "forget_news",
                 "viewer_of_embedded", "administrator_of_embedded", "record", "spend_on_bills", "release",
                 "insert_equipment", "in_force", "why_closed", "merged", "due_date_of_last_bill", "load", "entry_key"}


def test_every_function_that_reads_or_writes_is_tried_again_after_a_deadlock(account, sql, tmp_path, monkeypatch):
    sql(BANK)
    path = tmp_path / "bank.csv"
    path.write_text("Buchungstag;Betrag;Auftraggeber;Verwendungszweck\n31.01.2026;1,00;Ada Okafor;C1\n")
    file = bank.open_bank_file(path)
    files = {booking: {"check": (file,), "load": (file,)}}
    for name in ("Bo", "Cy", "Dee", "Eli"):
        database.add_customer(name, None)
    accounts.close(4, TODAY, to_stock=True)
    notes.add_note(1, "Called.")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("LATE_FEE", "5.00"), monkeypatch.setenv("LATE_FEE_AFTER_DAYS", "14")
    execute = psycopg2.extras.RealDictCursor.execute
    calls = []

    def deadlock_first(cur, statement, values=None):
        calls.append(statement)
        if len(calls) == 1:
            execute(cur, "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40P01'; END $$")
        return execute(cur, statement, values)

    monkeypatch.setattr(psycopg2.extras.RealDictCursor, "execute", deadlock_first)
    given_up = []
    for module, functions in [*files.items(), *CALLS.items()]:
        for name, arguments in functions.items():
            calls.clear()
            try:
                getattr(database if module == "deletions" else module, name)(*arguments)
            except errors.Deadlock:
                given_up.append(name)
            assert calls, name
    assert given_up == []


@pytest.mark.parametrize("module", [
    database, payments, credits, bill_run, prices, reports, verify, stock, accounts, trail, backup, notes, late_fees,
    booking,
], ids=lambda module: module.__name__)
def test_every_function_that_reads_or_writes_is_among_those_that_are_tried(module):
    public = {
        name for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        and not inspect.isgeneratorfunction(function)
    }
    tried = set(CALLS[module]) | (set(CALLS["deletions"]) if module is database else set())
    assert public - NOT_IN_ONE_GO <= tried
