"""Payments, credit, the bill run and verify: the money adds up."""
from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import there_since

import database
from tracker import bill_run, errors, payments, reports
from tracker.verify import verify_books

TODAY = date.today()


def pay(customer_id, amount, **more):
    values = {"paid_on": database.today(), "method": "cash", "reference": None, "entry_key": uuid4(), **more}
    return payments.record_payment(customer_id, Decimal(amount), **values)


def due(customer_id):
    return {bill["billing_id"]: bill["amount_due"] for bill in payments.unpaid_bills(customer_id)}


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def bills(db, ada):
    """Three bills of 10.00; the one entered last is due first."""
    return [
        db.add_bill(ada, f"Bill {days}", Decimal("10.00"), TODAY + timedelta(days=days)).billing_id
        for days in (10, 5, -5)
    ]


@pytest.fixture
def subscriber(db, ada):
    location_id = db.add_location(ada, "1 Harbour Street")
    db.add_service(location_id, "Fiber 500", Decimal("49.90"))
    db.add_service(location_id, "Static IP", Decimal("5.00"))
    there_since()
    return ada


def test_a_payment_pays_the_oldest_due_bill_first_and_the_next_in_part(ada, bills):
    pay(ada, "14.00")
    assert due(ada) == {bills[1]: Decimal("6.00"), bills[0]: Decimal("10.00")}


def test_what_bills_do_not_need_is_credit(ada, bills):
    payment = pay(ada, "37.50")
    assert (due(ada), payments.credit(ada), payment["amount_left"]) == ({}, Decimal("7.50"), Decimal("7.50"))


def test_a_payment_can_be_aimed_at_a_bill_and_the_rest_pays_the_oldest(ada, bills):
    pay(ada, "12.00", billing_id=bills[0])
    assert due(ada) == {bills[2]: Decimal("8.00"), bills[1]: Decimal("10.00")}


def test_a_payment_cannot_be_aimed_at_another_customers_bill(db, ada, bills):
    other = db.add_customer("Bo Li", "5550100")
    with pytest.raises(errors.Conflict, match="no unpaid bill of this customer"):
        pay(other, "1.00", billing_id=bills[0])
    assert payments.list_payments(other) == []


def test_credit_pays_the_next_bill_at_once(db, ada):
    pay(ada, "25.00")
    billing_id = db.add_bill(ada, "Installation", Decimal("30.00"), TODAY).billing_id
    assert due(ada) == {billing_id: Decimal("5.00")}


def test_the_same_entry_key_records_one_payment(ada):
    key = uuid4()
    first, second = pay(ada, "5.00", entry_key=key), pay(ada, "5.00", entry_key=key)
    assert first["payment_id"] == second["payment_id"]
    assert len(payments.list_payments(ada)) == 1


def test_the_same_entry_key_with_another_amount_is_refused(ada):
    key = uuid4()
    pay(ada, "5.00", entry_key=key)
    with pytest.raises(errors.Conflict, match="saved before with other values"):
        pay(ada, "6.00", entry_key=key)


def test_an_earlier_payment_of_the_same_amount_and_day_is_shown(ada):
    payment = pay(ada, "5.00")
    assert [row["payment_id"] for row in payments.same_payments(ada, Decimal("5.00"), database.today())] == [
        payment["payment_id"]
    ]


def test_a_void_payment_makes_its_bills_due_again_and_stays_visible(ada, bills):
    payment = pay(ada, "30.00")
    payments.void_payment(payment["payment_id"], "typing error")
    assert sum(due(ada).values()) == Decimal("30.00")
    listed, = payments.list_payments(ada)
    assert (listed["voided_on"], listed["void_reason"]) == (database.today(), "typing error")


def test_a_void_payment_is_no_credit(ada):
    payment = pay(ada, "30.00")
    payments.void_payment(payment["payment_id"], "typing error")
    assert payments.credit(ada) == 0


def test_a_payment_is_voided_once(ada):
    payment = pay(ada, "30.00")
    payments.void_payment(payment["payment_id"], "typing error")
    with pytest.raises(errors.Conflict, match="void already"):
        payments.void_payment(payment["payment_id"], "again")


def test_other_credit_pays_the_bills_of_a_void_payment(db, ada):
    first = pay(ada, "10.00")
    billing_id = db.add_bill(ada, "Installation", Decimal("10.00"), TODAY).billing_id
    pay(ada, "10.00")
    payments.void_payment(first["payment_id"], "bounced")
    assert (due(ada), payments.credit(ada)) == ({}, 0)
    assert db.get_bill(billing_id)["amount_paid"] == Decimal("10.00")


def test_payments_are_listed_newest_first_in_pages(ada):
    ids = [pay(ada, "1.00")["payment_id"] for _ in range(5)]
    first = payments.list_payments(ada, None, 3)
    second = payments.list_payments(ada, (first[-1]["paid_on"], first[-1]["payment_id"]), 3)
    assert [row["payment_id"] for row in first + second] == ids[::-1]


def test_deleting_a_bill_gives_its_payments_back_to_the_next_bill(db, ada, bills):
    pay(ada, "10.00")
    assert db.delete_bill(bills[2]) == Decimal("10.00")
    assert due(ada) == {bills[0]: Decimal("10.00")}


def test_a_changed_amount_is_a_line_of_the_bill(db, ada, bills):
    db.update_bill(bills[0], amount=Decimal("12.50"))
    items = [(item["description"], item["amount"]) for item in db.get_bill(bills[0])["items"]]
    assert items == [("Bill 10", Decimal("10.00")), ("Adjustment", Decimal("2.50"))]


def test_a_bill_that_shrinks_below_what_was_paid_frees_the_difference_for_other_bills(db, ada, bills):
    pay(ada, "10.00")
    assert db.update_bill(bills[2], amount=Decimal("4.00"))["amount_due"] == 0
    assert due(ada) == {bills[0]: Decimal("4.00")}


def test_the_last_payment_date_is_the_latest_payment_on_the_bill(db, ada, bills):
    yesterday = database.today() - timedelta(days=1)
    pay(ada, "1.00")
    pay(ada, "1.00", paid_on=yesterday)
    assert db.get_bill(bills[2])["last_payment_date"] == database.today()


def test_sums_follow_sql_typed_into_psql(ada, bills, sql):
    payment = pay(ada, "10.00", billing_id=bills[0])
    sql("DELETE FROM payment_allocations WHERE payment_id = %s", payment["payment_id"])
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (%s, %s, 4)",
        payment["payment_id"], bills[1])
    bill, = sql("SELECT amount_paid, last_payment_date FROM billing WHERE billing_id = %s", bills[1])
    assert (bill["amount_paid"], bill["last_payment_date"]) == (4, database.today())
    left, = sql("SELECT amount_left FROM payments")
    assert left["amount_left"] == 6


@pytest.mark.parametrize(("amount", "rule"), [
    ("10.01", "billing_not_overpaid"),
    ("20.01", "payments_not_overallocated"),
    ("0", "payment_allocations_amount_positive"),
    ("-1", "payment_allocations_amount_positive"),
    ("0.005", "money_amount_exact"),
])
def test_an_allocation_beyond_the_rules_is_refused(db, ada, sql, amount, rule):
    payment = pay(ada, "20.00")
    small = db.add_bill(ada, "Small", Decimal("10.00"), TODAY).billing_id
    sql("INSERT INTO billing (customer_id, description, amount_billed, due_date) "
        "VALUES (%s, 'Large', 99, CURRENT_DATE)", ada)
    sql("DELETE FROM payment_allocations")
    target = small if amount == "10.01" else small + 1
    with pytest.raises(psycopg2.Error) as caught:
        sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (%s, %s, %s::numeric)",
            payment["payment_id"], target, amount)
    assert caught.value.diag.constraint_name == rule


def test_an_allocation_to_another_customers_bill_is_refused(db, bills, sql):
    other = db.add_customer("Bo Li", "5550100")
    payment = pay(other, "20.00")
    with pytest.raises(psycopg2.Error) as caught:
        sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (%s, %s, 1)",
            payment["payment_id"], bills[0])
    assert caught.value.diag.constraint_name == "payment_allocations_own_bill"


def test_allocations_are_never_edited(ada, bills, sql):
    pay(ada, "10.00")
    with pytest.raises(psycopg2.Error) as caught:
        sql("UPDATE payment_allocations SET amount = 1")
    assert caught.value.diag.constraint_name == "payment_allocations_never_edited"


def test_the_bill_run_makes_one_bill_per_customer_with_a_line_per_service(db, subscriber):
    db.add_customer("No Services", "5550199")
    result = bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    assert (result["created"], result["skipped"], result["total"]) == (1, 0, Decimal("54.90"))
    bill, = payments.unpaid_bills(subscriber)
    items = db.get_bill(bill["billing_id"])["items"]
    assert [(item["description"], item["amount"]) for item in items] == [
        ("Fiber 500, 1 Harbour Street", Decimal("49.90")), ("Static IP, 1 Harbour Street", Decimal("5.00")),
    ]


def test_a_second_run_adds_nothing(subscriber):
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    result = bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    assert (result["created"], result["skipped"]) == (0, 1)
    assert len(payments.unpaid_bills(subscriber)) == 1


def test_a_run_spends_credit(subscriber):
    pay(subscriber, "60.00")
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    assert (due(subscriber), payments.credit(subscriber)) == ({}, Decimal("5.10"))


def test_a_run_whose_total_is_not_the_one_shown_bills_nobody(db, subscriber):
    with pytest.raises(errors.Conflict, match=r"total is now 54\.90"):
        bill_run.run(date(2026, 12, 1), date(2026, 12, 15), Decimal("50.00"))
    assert payments.unpaid_bills(subscriber) == []


def test_the_preview_compares_with_the_month_before(db, subscriber):
    gone = db.add_customer("Gone Soon", "5550101")
    location_id = db.add_location(gone, "2 Dock Road")
    service_id = db.add_service(location_id, "Fiber 100", Decimal("29.90"))
    there_since()
    bill_run.run(date(2026, 11, 1), date(2026, 11, 15))
    db.delete_service(service_id)
    db.add_service(reports.get_account(subscriber)["locations"][0]["location_id"], "Phone", Decimal("1.00"))
    new = db.add_customer("Brand New", "5550102")
    db.add_service(db.add_location(new, "3 Quay"), "Fiber 100", Decimal("29.90"))
    there_since()
    preview = bill_run.preview(date(2026, 12, 1))
    assert {key: preview[key] for key in ("customers", "total", "new", "gone", "changed", "skipped")} == {
        "customers": 2, "total": Decimal("85.80"), "new": 1, "gone": 1, "changed": 1, "skipped": 0,
    }


def test_undoing_a_run_keeps_the_bills_that_were_paid_on(db, subscriber):
    with_credit = db.add_customer("Has Credit", "5550103")
    db.add_service(db.add_location(with_credit, "4 Quay"), "Fiber 100", Decimal("29.90"))
    there_since()
    pay(with_credit, "40.00")
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    pay(subscriber, "10.00")
    result = bill_run.undo(date(2026, 12, 1))
    assert (result["removed"], result["kept"]) == (1, 1)
    assert [bill["name"] for bill in result["bills"]] == ["Ada Okafor"]
    assert payments.credit(with_credit) == Decimal("40.00")


def test_after_undoing_a_run_it_can_be_run_again(subscriber):
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    bill_run.undo(date(2026, 12, 1))
    assert bill_run.run(date(2026, 12, 1), date(2026, 12, 15))["created"] == 1


def test_a_line_outlives_its_service(db, subscriber):
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    location, = reports.get_account(subscriber)["locations"]
    db.delete_location(location["location_id"])
    bill, = payments.unpaid_bills(subscriber)
    assert len(db.get_bill(bill["billing_id"])["items"]) == 2


def test_sql_cannot_delete_a_customer_with_money_by_the_way(ada, bills, sql):
    with pytest.raises(psycopg2.Error) as caught:
        sql("DELETE FROM customers")
    assert caught.value.diag.constraint_name == "billing_customer"


def test_verify_finds_nothing_in_sound_books(subscriber, bills):
    pay(subscriber, "45.00")
    assert verify_books() == ({"bills": 3, "payments": 1}, [])


@pytest.mark.parametrize(("damage", "finding"), [
    ("UPDATE billing SET amount_paid = 3 WHERE billing_id = 3", r"Bill 3: it says 3\.00 paid"),
    ("UPDATE billing SET last_payment_date = '2020-02-02' WHERE billing_id = 3", r"Bill 3: .* last on 2020-02-02"),
    ("UPDATE billing_items SET amount = 9 WHERE billing_id = 2",
     r"Bill 2: it is over 10\.00 and its lines add up to 9"),
    ("DELETE FROM billing_items WHERE billing_id = 1", r"Bill 1: .* add up to 0\.00"),
    ("UPDATE payments SET amount_allocated = 2", r"Payment 1: it is over 5\.00 and says 2\.00"),
    ("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, 1, 99)",
     r"Payment 1: .* allocations come to 104\.00"),
    ("UPDATE payments SET customer_id = 2", r"Allocation 1: payment 1 pays bill 3 of another customer"),
])
def test_verify_finds_what_was_planted_with_triggers_disabled(db, ada, bills, sql, damage, finding):
    db.add_customer("Bo Li", "5550100")
    pay(ada, "5.00")
    sql("SET session_replication_role = replica")
    sql(damage)
    _, findings = verify_books()
    assert any(re.search(finding, sentence) for sentence in findings), findings


@pytest.mark.parametrize(("owed", "finding"), [
    ("SELECT customer_id, amount_due, 0 FROM billing WHERE billing_id > 1",
     r"Late payments by age: the total is 20\.00 and the bills have 30\.00 due"),
    ("SELECT customer_id, amount_due, 1 FROM billing",
     r"Late report: the total is 10\.00 and the bills have 10\.00 late"),
])
def test_verify_finds_reports_that_disagree(db, ada, bills, sql, owed, finding):
    sql("CREATE OR REPLACE FUNCTION owed_on(as_of date) "
        "RETURNS TABLE (customer_id bigint, amount numeric, days integer)"
        f" LANGUAGE sql STABLE AS '{owed}'")
    _, findings = verify_books()
    assert any(re.search(finding, sentence) for sentence in findings), findings


@pytest.mark.parametrize("statement", [
    "UPDATE billing SET amount_paid = amount_paid - 1",
    "UPDATE billing SET last_payment_date = '2020-01-01'",
    "UPDATE billing SET customer_id = 2",
    "UPDATE payments SET amount_allocated = 0",
    "UPDATE payments SET customer_id = 2",
    "TRUNCATE payment_allocations",
])
def test_sql_cannot_put_sums_and_allocations_at_odds(db, ada, bills, sql, statement):
    db.add_customer("Bo Li", "5550100")
    pay(ada, "30.00")
    with pytest.raises(psycopg2.IntegrityError) as caught:
        sql(statement)
    assert caught.value.diag.constraint_name == "payment_allocations_rule_sums"


def test_verify_finds_credit_beside_an_unpaid_bill(ada, bills, sql):
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 5)", ada)
    assert verify_books()[1] == ["Customer 1: they have 5.00 of credit and 30.00 to pay."]
