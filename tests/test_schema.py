"""The rules of the data, as SQL typed beside the program meets them."""
from __future__ import annotations

import os
import re
from datetime import date, timedelta
from decimal import Decimal

import psycopg2
import psycopg2.extras
import pytest
from conftest import PROJECT, named

import database
from tracker import errors, fields

ROWS = {
    "customers": {"name": "Ada Okafor", "phone_number": "+44 20 7946 0958"},
    "locations": {"customer_id": 1, "address": "1 Harbour Street"},
    "services": {"location_id": 1, "service_name": "Fibre", "cost": "49.90"},
    "equipment": {"location_id": 1, "equipment_name": "Router", "serial_number": "S-1", "cost": "120"},
    "billing": {"customer_id": 1, "description": "Setup", "amount_billed": "10", "issued_on": "2026-01-01",
                "due_date": "2026-02-01"},
    "billing_items": {"billing_id": 1, "description": "Setup", "amount": "10"},
    "payments": {"customer_id": 1, "amount": "4", "paid_on": "2026-01-15"},
    "payment_allocations": {"payment_id": 1, "billing_id": 1, "amount": "4"},
    "service_pauses": {"service_id": 1, "first_day": "2026-01-10", "last_day": "2026-01-12"},
    "price_changes": {"service_id": 1, "from_day": "2026-01-01", "cost_before": "39.90"},
    "equipment_moves": {"equipment_id": 1, "from_place": "stock", "to_place": "Ada Okafor, 1 Harbour Street"},
    "customer_notes": {"customer_id": 1, "note": "Called."},
    "verifications": {"bills": 1, "payments": 1, "findings": 1, "first_finding": "Bill 1: it is off."},
    "bank_formats": {"name": "Sparkasse", "format": "{}"},
    "bank_lines": {"key": "00000000-0000-4000-8000-000000000001", "booked_on": "2026-01-15", "amount": "4",
                   "file_name": "january.csv", "line": 2},
    "backups": {"taken_at": "2026-01-01", "path": "/srv/isp.backup", "bytes": 1},
}
AMOUNTS = [
    ("services", "cost"), ("equipment", "cost"), ("billing", "amount_billed"), ("billing", "amount_paid"),
    ("billing_items", "amount"), ("payments", "amount"), ("payments", "amount_allocated"),
    ("payment_allocations", "amount"), ("price_changes", "cost_before"), ("bank_lines", "amount"),
    ("bank_lines", "amount_booked"),
]
TEXTS = {
    ("customers", "name"): 200, ("locations", "address"): 300, ("services", "service_name"): 100,
    ("equipment", "equipment_name"): 100, ("equipment", "serial_number"): 100, ("billing", "description"): 200,
    ("billing_items", "description"): 500, ("payments", "reference"): 100,
    ("customer_notes", "note"): 2000,
}


@pytest.fixture(scope="module")
def records(server_uri, admin, template):
    """A database with one row in every table, open for SQL whose effects each test takes back."""
    name = f"isp_test_{os.getpid()}_schema"
    admin(f"CREATE DATABASE {name} TEMPLATE {template}")
    conn = psycopg2.connect(named(server_uri, name), cursor_factory=psycopg2.extras.RealDictCursor)
    for table, row in ROWS.items():
        insert_row(conn.cursor(), table, row)
    conn.commit()
    yield conn
    conn.close()
    admin(f"DROP DATABASE {name} WITH (FORCE)")


def insert_row(cur, table, row):
    columns = ", ".join(row)
    values = ", ".join(["%s"] * len(row))
    cur.execute(f"INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING *", (*row.values(),))
    return cur.fetchone()


@pytest.fixture
def sql(records):
    """Run SQL on the records; nothing of it stays."""
    def run(statement, *values):
        with records.cursor() as cur:
            cur.execute(statement, values or None)
            return cur.fetchall() if cur.description else []

    yield run
    records.rollback()


@pytest.fixture
def insert(records):
    """Insert one more row: a good one, but for the columns that are given."""
    yield lambda table, **changed: insert_row(records.cursor(), table, {**ROWS[table], **changed})
    records.rollback()


def broken_rule(caught) -> str:
    """Return the name of the constraint that was broken; errors.RULES knows a sentence for it."""
    name = caught.value.diag.constraint_name
    assert name in errors.RULES
    return name


def test_every_rule_of_the_database_has_its_sentence(sql):
    constraints = {row["conname"] for row in sql(
        """
        SELECT conname
        FROM pg_constraint
        JOIN pg_namespace ON pg_namespace.oid = connamespace
        WHERE nspname = 'public' AND contype <> 'n'
        """
    )}
    raised = set(re.findall(r"CONSTRAINT = '(\w+)'", (PROJECT / "schema.sql").read_text()))
    unique_indexes = {"bank_formats_name_once", "customers_account_number_once", "equipment_serial_once",
                      "billing_once_a_period", "billing_late_fee_once"}
    assert constraints | raised | unique_indexes == set(errors.RULES)


def test_every_table_and_every_rule_was_named_on_purpose(sql):
    tables = [row["tablename"] for row in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert set(tables) >= set(ROWS)
    for name in errors.RULES:
        assert name.startswith((*tables, "money_", "business_")), name


@pytest.mark.parametrize("rule", errors.RULES)
def test_a_rule_is_one_sentence(rule):
    assert re.fullmatch(r"[A-Z][^\n]*[./]", errors.RULES[rule])


def test_good_rows_are_stored(sql):
    for table in ROWS:
        _, = sql(f"SELECT * FROM {table}")


@pytest.mark.parametrize(("table", "column"), AMOUNTS)
@pytest.mark.parametrize("wrong", [
    "NaN", "Infinity", "-Infinity", "0.005", "0.001", "5e-3", "1e10", "10000000000", "12.345", "1e130",
])
def test_a_wrong_amount_is_refused(table, column, wrong, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert(table, **{column: wrong})
    broken_rule(caught)


@pytest.mark.parametrize("wrong", ["１２", "1,5", "1.2.3", "abc", "", "0x", "1__0"])
def test_an_odd_numeral_is_refused(wrong, insert):
    with pytest.raises(psycopg2.DataError):
        insert("services", cost=wrong)


@pytest.mark.parametrize(("written", "amount"), [
    ("0", "0"), ("0.01", "0.01"), ("1234567.10", "1234567.10"), ("9999999999.99", "9999999999.99"), ("1e3", "1000"),
    ("12.3400", "12.34"),
])
def test_an_amount_is_stored_exactly(written, amount, insert):
    row = insert("services", cost=written)
    assert row["cost"] == Decimal(amount)


@pytest.mark.parametrize("wrong", [Decimal("NaN"), Decimal("Infinity"), Decimal("0.005"), float("nan"), float("inf")])
def test_a_wrong_number_from_python_is_refused(wrong, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert("services", cost=wrong)
    assert broken_rule(caught) == "money_amount_exact"


def test_a_broken_rule_is_its_sentence(db):
    with pytest.raises(errors.Conflict, match=r"^That customer no longer exists\.$"):
        db.add_location(7, "1 Harbour Street")


@pytest.mark.parametrize("wrong", [Decimal("NaN"), Decimal("Infinity"), Decimal("0.005"), Decimal("1e10")])
def test_a_wrong_amount_from_the_program_is_its_sentence(wrong, db):
    customer_id = db.add_customer("Ada Okafor", "123")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    with pytest.raises(errors.Conflict, match=r"^An amount has at most two decimals and ten digits before them\.$"):
        db.add_service(location_id, "Fibre", wrong)
    assert db.list_services() == []


@pytest.mark.parametrize(("table", "column"), [
    ("billing", "due_date"), ("billing", "issued_on"), ("billing", "period"), ("payments", "paid_on"),
])
@pytest.mark.parametrize("wrong", ["infinity", "-infinity", "1999-12-31", "2200-01-01", "0001-01-01 BC"])
def test_a_day_out_of_range_is_refused(table, column, wrong, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert(table, **{column: wrong})
    assert broken_rule(caught) == "business_day_range"


@pytest.mark.parametrize(("table", "column"), TEXTS)
@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u3000"])
def test_a_blank_text_is_refused(table, column, blank, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert(table, **{column: blank})
    assert broken_rule(caught).endswith("_length")


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_a_text_that_is_too_long_is_refused(table, column, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert(table, **{column: "x" * (TEXTS[table, column] + 1)})
    assert broken_rule(caught).endswith("_length")


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_a_text_may_be_as_long_as_promised(table, column, insert):
    longest = "é" * TEXTS[table, column]
    row = insert(table, **{"serial_number": None} if column == "equipment_name" else {}, **{column: longest})
    assert row[column] == longest


@pytest.mark.parametrize(("table", "column"), [
    ("customers", "name"), ("locations", "address"), ("services", "service_name"), ("equipment", "equipment_name"),
    ("billing", "description"),
])
def test_a_decomposed_spelling_is_refused(table, column, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert(table, **{column: "Jose\u0301"})
    assert broken_rule(caught).endswith("_nfc")


@pytest.mark.parametrize("wrong", [
    "12", "1-2", "1234567890123456", "1-" * 15 + "123", "12a", "１２３", "123\n", "#123", "555 ext", "555 ext 1234567",
    "555 0100 ext 12 13", "ext 1234", "12 ext 345", "5" * 15 + " " * 12 + "ext 12", "555 0100 klappe 12",
    "555 0100 wew", "555 0100 ramal 1234567",
])
def test_a_wrong_phone_number_is_refused(wrong, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert("customers", phone_number=wrong)
    assert broken_rule(caught) == "customers_phone_form"


@pytest.mark.parametrize(("rule", "table", "changed"), [
    ("services_cost_not_negative", "services", {"cost": -1}),
    ("equipment_cost_not_negative", "equipment", {"cost": -1}),
    ("billing_amount_not_negative", "billing", {"amount_billed": -1}),
    ("billing_not_overpaid", "billing", {"amount_paid": "10.01"}),
    ("billing_not_overpaid", "billing", {"amount_paid": -1}),
    ("billing_period_first_day", "billing", {"period": "2026-01-02"}),
    ("payments_amount_positive", "payments", {"amount": 0}),
    ("payments_not_overallocated", "payments", {"amount_allocated": 5}),
    ("payments_method_known", "payments", {"method": "shells"}),
    ("payments_void_has_reason", "payments", {"voided_at": "2026-01-20"}),
    ("payments_void_reason_length", "payments", {"voided_at": "2026-01-20", "void_reason": " "}),
    ("payment_allocations_amount_positive", "payment_allocations", {"amount": 0}),
    ("payment_allocations_amount_positive", "payment_allocations", {"amount": -1}),
    ("locations_customer", "locations", {"customer_id": 7}),
    ("services_location", "services", {"location_id": 7}),
    ("equipment_location", "equipment", {"location_id": 7, "serial_number": None}),
    ("billing_customer", "billing", {"customer_id": 7}),
    ("billing_items_bill", "billing_items", {"billing_id": 7}),
    ("payments_customer", "payments", {"customer_id": 7}),
    ("customers_email_form", "customers", {"email": "ada"}),
    ("customers_email_form", "customers", {"email": "ada @example.net"}),
    *(("customers_account_number_form", "customers", {"account_number": wrong})
      for wrong in ("", " ", " K-1", "K-1 ", "K\n1", "K\r1", "\u3000K", "x" * 51)),
    ("customers_closed_range", "customers", {"closed_on": "1999-12-31"}),
    ("customers_erased_closed", "customers", {"erased_on": "2026-01-31"}),
    ("customers_erased_stays", "customers", {"erased_on": "2026-01-31", "closed_on": "2026-01-31"}),
    ("customers_merged_closed", "customers", {"merged_into": 1}),
    ("customers_merged_into", "customers", {"merged_into": 70_000, "closed_on": "2026-01-31"}),
    ("services_days_range", "services", {"ended_on": "infinity"}),
    ("services_days_in_order", "services", {"started_on": "2026-01-02", "ended_on": "2026-01-01"}),
    ("service_pauses_service", "service_pauses", {"service_id": 7}),
    ("service_pauses_range", "service_pauses", {"first_day": "1999-12-31", "last_day": "2000-01-01"}),
    ("service_pauses_in_order", "service_pauses", {"first_day": "2026-03-02", "last_day": "2026-03-01"}),
    ("service_pauses_apart", "service_pauses", {"first_day": "2026-01-12", "last_day": None}),
    ("price_changes_service", "price_changes", {"service_id": 7}),
    ("price_changes_once_a_day", "price_changes", {}),
    ("price_changes_range", "price_changes", {"from_day": "2200-01-01"}),
    ("price_changes_cost_not_negative", "price_changes", {"from_day": "2026-02-01", "cost_before": -1}),
    ("equipment_retired", "equipment", {"serial_number": None, "retired_on": "2026-01-01"}),
    ("equipment_moves_equipment", "equipment_moves", {"equipment_id": 7}),
    ("customer_notes_customer", "customer_notes", {"customer_id": 7}),
    ("customer_notes_says", "customer_notes", {"note": None}),
    ("customer_notes_promise", "customer_notes", {"promised_until": "2026-01-31"}),
    ("customer_notes_promise", "customer_notes", {"promised_until": "2026-01-31", "promised_amount": 0}),
    ("customer_notes_range", "customer_notes", {"promised_until": "2200-01-01", "promised_amount": 1}),
    ("billing_cancelled_is_empty", "billing", {"cancelled_on": "2026-01-31"}),
    ("billing_late_fee_for", "billing", {"late_fee_for": 7}),
    ("billing_items_days", "billing_items", {"first_day": "2026-01-01"}),
    ("billing_items_days", "billing_items", {"first_day": "2026-01-31", "last_day": "2026-02-01", "days": 2,
                                             "monthly_cost": 1}),
    ("billing_items_days", "billing_items", {"first_day": "2026-01-01", "last_day": "2026-01-02", "days": 1,
                                             "monthly_cost": 1}),
    ("payments_kind_known", "payments", {"kind": "gift"}),
    ("payments_from_bill", "payments", {"from_bill": 7}),
    ("payments_reason_length", "payments", {"kind": "credit note", "reason": " "}),
    ("payments_reason_given", "payments", {"kind": "write-off"}),
    ("payments_reason_given", "payments", {"reason": "outage"}),
    ("payment_allocations_of_one", "payment_allocations", {"billing_id": None}),
    ("bank_formats_name_length", "bank_formats", {"name": " "}),
    ("bank_formats_name_once", "bank_formats", {"name": "SPARKASSE"}),
    ("bank_lines_once", "bank_lines", {}),
    ("bank_lines_range", "bank_lines", {"booked_on": "1999-12-31"}),
    ("bank_lines_positive", "bank_lines", {"amount": 0}),
    ("bank_lines_not_overbooked", "bank_lines", {"amount_booked": "4.01"}),
    *(("bank_lines_length", "bank_lines", {column: "x" * longest + "x"})
      for column, longest in (("payer", 300), ("payer_account", 100), ("reference", 1000), ("file_name", 300),
                              ("doubt", 300))),
    ("bank_lines_set_aside", "bank_lines", {"set_aside_on": "2026-01-31"}),
    ("payments_bank_line", "payments", {"bank_line_id": 7}),
    ("locations_address_once", "locations", {}),
    ("equipment_serial_once", "equipment", {}),
    ("payments_not_overallocated", "payment_allocations", {"amount": "0.01"}),
])
def test_a_rule_holds_for_sql_too(rule, table, changed, insert):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert(table, **changed)
    assert broken_rule(caught) == rule


@pytest.mark.parametrize("number", [
    "555 0100 wew. 12", "555 0100 wewn. 12", "555 0100, int. 12", "555 0100 interno 12", "555 0100 poste 12",
    "555 0100 Durchwahl 12", "555 0100 DW 12", "555 0100 dw.12", "555 0100 Ramal 123456", "5550100x7",
])
def test_a_phone_number_may_have_an_extension_as_other_countries_write_it(number, insert, sql):
    customer = insert("customers", phone_number=number)
    assert customer["phone_number"] == fields.phone(number) == number
    found, = sql("SELECT phone_key(%s) AS key, same_phone(%s, '5550100', '') AS same", number, number)
    assert found == {"key": "5550100", "same": True}


@pytest.mark.parametrize("number", ["é" * 50, "7", "K 10/07", "K-1", "o'Neil"])
def test_an_account_number_is_any_line_of_up_to_50_characters(number, insert):
    assert insert("customers", account_number=number)["account_number"] == number


def test_customers_may_lack_an_account_number_and_share_none_whatever_its_case(insert):
    insert("customers")
    insert("customers")
    insert("customers", account_number="K-1007é")
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert("customers", account_number="k-1007É")
    assert broken_rule(caught) == "customers_account_number_once"


def test_a_customer_is_billed_once_a_period(insert):
    insert("billing", period="2026-03-01")
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert("billing", period="2026-03-01")
    assert broken_rule(caught) == "billing_once_a_period"


def test_a_payment_is_entered_once(insert):
    key = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    insert("payments", entry_key=key)
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert("payments", entry_key=key)
    assert broken_rule(caught) == "payments_entry_once"


def test_allocations_are_never_edited(sql):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        sql("UPDATE payment_allocations SET amount = 3")
    assert broken_rule(caught) == "payment_allocations_never_edited"


def test_a_payment_pays_only_its_own_customers_bills(insert):
    customer = insert("customers")
    bill = insert("billing", customer_id=customer["customer_id"])
    payment = insert("payments")
    with pytest.raises(psycopg2.IntegrityError) as caught:
        insert("payment_allocations", payment_id=payment["payment_id"], billing_id=bill["billing_id"])
    assert broken_rule(caught) == "payment_allocations_own_bill"


def test_a_customer_with_bills_is_not_deleted_by_a_careless_statement(sql):
    with pytest.raises(psycopg2.IntegrityError) as caught:
        sql("DELETE FROM customers")
    assert broken_rule(caught) in ("billing_customer", "payments_customer")


def test_what_is_due_follows_what_is_paid(sql):
    bill, = sql("SELECT * FROM billing")
    assert (bill["amount_paid"], bill["amount_due"]) == (4, 6)
    assert bill["last_payment_date"] == date(2026, 1, 15)
    sql("DELETE FROM payment_allocations")
    bill, = sql("SELECT * FROM billing")
    assert (bill["amount_paid"], bill["amount_due"], bill["last_payment_date"]) == (0, 10, None)


def test_what_is_due_cannot_be_written(sql):
    with pytest.raises(psycopg2.errors.GeneratedAlways):
        sql("UPDATE billing SET amount_due = 0")


def test_late_is_not_stored(sql):
    columns = "information_schema.columns"
    assert sql(f"SELECT FROM {columns} WHERE table_name = 'billing' AND column_name ~ 'late(?!_fee)'") == []


@pytest.mark.parametrize(("days_past_due", "paid", "late", "days"), [
    (1, 0, True, 1), (0, 0, False, 0), (-1, 0, False, 0), (30, 4, True, 30), (30, 10, False, 0),
])
def test_a_bill_is_late_when_money_is_due_and_the_day_is_past(days_past_due, paid, late, days, insert, sql):
    today, = sql("SELECT CURRENT_DATE AS today")
    bill = insert("billing", due_date=today["today"] - timedelta(days=days_past_due), amount_paid=paid)
    row, = sql("SELECT is_late, days_late FROM billing_status WHERE billing_id = %s", bill["billing_id"])
    assert (row["is_late"], row["days_late"]) == (late, days)


@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_today_is_the_day_of_the_business(timezone, uri, sql, monkeypatch):
    monkeypatch.setenv("TIMEZONE", timezone)
    database.connect(uri)
    there, = sql("SELECT (clock_timestamp() AT TIME ZONE %s)::date AS today", timezone)
    assert database.today() == there["today"]
    database.disconnect()


def test_what_is_late_turns_with_the_day_of_the_business(insert, sql):
    sql("SET LOCAL TimeZone = 'Pacific/Kiritimati'")
    ahead, = sql("SELECT CURRENT_DATE AS today")
    bill = insert("billing", due_date=ahead["today"] - timedelta(days=1))
    for timezone, late in (("Pacific/Kiritimati", True), ("Etc/GMT+12", False)):
        sql(f"SET LOCAL TimeZone = '{timezone}'")
        row, = sql("SELECT is_late FROM billing_status WHERE billing_id = %s", bill["billing_id"])
        assert row["is_late"] == late
