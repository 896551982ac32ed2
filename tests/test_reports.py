"""Late payments, aging, revenue, statements and the account report."""
from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

import database
from tracker import payments, reports


def ago(days):
    return database.today() - timedelta(days=days)


def pay(customer_id, amount, paid_on=None, **more):
    paid_on = paid_on or database.today()
    return payments.record_payment(customer_id, Decimal(amount), paid_on, "cash", None, uuid4(), **more)


@pytest.fixture
def late(db, sql):
    """Three late customers, and one whose bill is due today."""
    ids = {}
    for name, days in (("Ada", 5), ("Bo", 70), ("Cy", 35), ("Di", 0)):
        ids[name] = db.add_customer(name, "5550100")
        db.add_bill(ids[name], "Bill", Decimal("20.00"), ago(days))
    sql("UPDATE billing SET issued_on = due_date")
    return ids


def test_the_longest_late_comes_first_and_a_bill_due_today_is_not_late(late):
    rows = reports.late_customers()
    assert [(row["name"], row["days_late"]) for row in rows] == [("Bo", 70), ("Cy", 35), ("Ada", 5)]


def test_a_late_customer_is_one_row_over_all_late_bills(db, late):
    db.add_bill(late["Ada"], "Older", Decimal("5.00"), ago(9))
    db.add_bill(late["Ada"], "Not yet due", Decimal("7.00"), ago(-9))
    row, = [row for row in reports.late_customers() if row["name"] == "Ada"]
    assert (row["amount_late"], row["oldest_due_date"]) == (Decimal("25.00"), ago(9))


def test_the_late_report_pages_where_it_left_off(late):
    first, = reports.late_customers(None, 1)
    rest = reports.late_customers((first["oldest_due_date"], first["customer_id"]), 10)
    assert [row["name"] for row in [first, *rest]] == ["Bo", "Cy", "Ada"]


def test_the_late_total_is_the_sum_of_the_report(late):
    total = reports.late_total()
    assert (total["customers"], total["amount"]) == (3, Decimal("60.00"))


def test_a_paid_bill_is_late_no_more(late):
    pay(late["Bo"], "20.00")
    assert "Bo" not in [row["name"] for row in reports.late_customers()]


def test_the_last_payment_is_shown_and_a_void_one_is_not(late):
    pay(late["Bo"], "1.00", ago(3))
    void = pay(late["Bo"], "1.00", ago(1))
    payments.void_payment(void["payment_id"], "typo")
    assert reports.late_customers()[0]["last_payment_date"] == ago(3)


def test_what_is_owed_is_sorted_into_buckets_by_age(late):
    total = reports.aging_total()
    assert {key: int(total[key]) for key in ("not_due", "days_30", "days_60", "days_90", "older", "total")} == {
        "not_due": 20, "days_30": 20, "days_60": 20, "days_90": 20, "older": 0, "total": 80,
    }


@pytest.mark.parametrize(("days", "bucket"), [
    (0, "not_due"), (1, "days_30"), (30, "days_30"), (31, "days_60"), (60, "days_60"), (61, "days_90"),
    (90, "days_90"), (91, "older"),
])
def test_each_bucket_ends_where_the_next_begins(db, days, bucket):
    db.add_bill(db.add_customer("Ada", "5550100"), "Bill", Decimal("1.00"), ago(days))
    row, = reports.aging()
    assert row[bucket] == Decimal("1.00")


def test_the_aging_report_pages_by_whose_debt_is_oldest(db, late):
    db.add_bill(late["Cy"], "More", Decimal("1.00"), ago(1))
    seen, after = [], None
    while page := reports.aging(None, after, 1):
        seen += [row["name"] for row in page]
        after = page[-1]["oldest_due_date"], page[-1]["customer_id"]
    assert seen == ["Bo", "Cy", "Ada", "Di"]


def test_aging_on_a_past_day_does_not_know_later_payments(late):
    pay(late["Bo"], "20.00", ago(10))
    assert reports.aging_total(ago(11))["total"] == Decimal("40.00")
    assert reports.aging_total(ago(10))["total"] == Decimal("20.00")


def test_aging_on_a_past_day_counts_a_payment_that_was_voided_since(late, sql):
    payment = pay(late["Bo"], "20.00", ago(30))
    payments.void_payment(payment["payment_id"], "bounced")
    assert reports.aging_total(ago(20))["total"] == Decimal("20.00")
    assert reports.aging_total()["total"] == Decimal("80.00")


def test_aging_on_a_past_day_measures_days_from_then(late):
    row = next(row for row in reports.aging(ago(40)) if row["name"] == "Bo")
    assert (row["days_30"], row["days_90"]) == (Decimal("20.00"), 0)


def test_aging_as_of_today_is_the_same_as_aging(late):
    assert reports.aging(database.today()) == reports.aging()


def test_revenue_is_collected_by_payment_without_voids(db, late):
    pay(late["Ada"], "8.00")
    void = pay(late["Ada"], "4.00")
    payments.void_payment(void["payment_id"], "typo")
    months = reports.monthly_revenue()
    assert len(months) == 12
    assert months[-1]["month"] == database.today().replace(day=1)
    assert months[-1]["collected"] == Decimal("8.00")
    assert sum(row["billed"] for row in months) == Decimal("80.00")


def test_recurring_revenue_is_by_service_name(db, late):
    for cost in ("10.00", "10.00", "7.50"):
        location_id = db.add_location(late["Ada"], f"Street {uuid4()}")
        db.add_service(location_id, "Fiber" if cost == "10.00" else "Phone", Decimal(cost))
    assert [(row["service_name"], row["services"], row["monthly"]) for row in reports.recurring_revenue()] == [
        ("Fiber", 2, Decimal("20.00")), ("Phone", 1, Decimal("7.50")),
    ]


def test_a_statement_runs_from_opening_to_closing_balance(db, sql):
    ada = db.add_customer("Ada", "5550100")
    db.add_bill(ada, "Old", Decimal("10.00"), ago(50))
    db.add_bill(ada, "New", Decimal("20.00"), ago(5))
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "12.00", ago(4))
    row = reports.get_statement(ada, ago(10), database.today())
    assert (row["opening"], row["closing"]) == (Decimal("10.00"), Decimal("18.00"))
    assert [(entry["kind"], Decimal(entry["amount"])) for entry in row["entries"]] == [
        ("bill", Decimal("20.00")), ("payment", Decimal("-12.00")),
    ]
    assert [item["description"] for item in row["entries"][0]["items"]] == ["New"]


def test_a_statement_shows_a_void_on_the_day_it_was_made(db):
    ada = db.add_customer("Ada", "5550100")
    payment = pay(ada, "12.00", ago(20))
    payments.void_payment(payment["payment_id"], "bounced")
    assert reports.get_statement(ada, ago(30), ago(1))["closing"] == Decimal("-12.00")
    row = reports.get_statement(ada, ago(10), database.today())
    assert (row["opening"], row["closing"]) == (Decimal("-12.00"), 0)
    assert [entry["kind"] for entry in row["entries"]] == ["void"]


def test_a_statement_closes_at_what_the_customer_owes(db, late):
    pay(late["Ada"], "50.00")
    row = reports.get_statement(late["Ada"], date(2000, 1, 1), database.today())
    assert row["closing"] == -payments.credit(late["Ada"]) == Decimal("-30.00")


def test_an_account_shows_sites_with_what_is_there_and_bills_with_their_payments(db):
    ada = db.add_customer("Ada", "5550100")
    location_id = db.add_location(ada, "1 Harbour Street")
    db.add_location(ada, "2 Dock Road")
    db.add_service(location_id, "Fiber", Decimal("49.90"))
    db.add_equipment(location_id, "ONT", "SN1", Decimal("80.00"))
    for days in range(1, 6):
        db.add_bill(ada, f"Paid {days}", Decimal("1.00"), ago(days * 10))
    pay(ada, "5.00")
    db.add_bill(ada, "Late", Decimal("9.00"), ago(3))
    pay(ada, "4.00")
    account = reports.get_account(ada)
    assert [len(site["services"]) + len(site["equipment"]) for site in account["locations"]] == [2, 0]
    assert (account["monthly_total"], account["amount_due"], account["paid_bill_count"]) == (Decimal("49.90"), 5, 5)
    bill, = account["unpaid_bills"]
    assert (bill["days_late"], [Decimal(p["amount"]) for p in bill["payments"]]) == (3, [Decimal("4.00")])
    assert [bill["description"] for bill in account["paid_bills"]] == ["Paid 1", "Paid 2", "Paid 3"]


def test_amounts_come_out_of_a_report_exactly(db, run):
    ada = db.add_customer("Ada", "5550100")
    db.add_bill(ada, "Large", Decimal("1234567.10"), ago(1))
    row, = json.loads(run("late-report", "--format", "json").stdout)
    assert row["amount_late"] == "1234567.10"


def test_the_statement_command_prints_a_statement_for_paper(db, run):
    ada = db.add_customer("Ada", "5550100")
    db.add_bill(ada, "Installation of fiber on two floors", Decimal("20.00"), ago(5))
    done = run("statement", str(ada), "--from", str(ago(10)))
    assert "Opening balance" in done.stdout
    assert "Closing balance" in done.stdout
    assert max(map(len, done.stdout.split("\n"))) <= 80
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("named", ["7", "C7", "K-1007"])
def test_a_statement_of_nobody_fails_in_one_sentence(named, run):
    done = run("statement", named, "--from", "2026-01-01")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"There is no customer {named}.\n")


@pytest.mark.parametrize(("named", "customer"), [
    ("1", 1), ("2", 2), ("C2", 2), ("k-1007", 1), ("77", 1), ("c1", 1),
])
def test_a_statement_is_of_whom_an_id_a_reference_or_else_an_account_number_names(named, customer, db, run):
    for name, number in (("Ada", "2" if named == "2" else "77" if named == "77" else "K-1007"), ("Bo", "C1")):
        db.update_customer(db.add_customer(name, None), account_number=number)
    done = run("statement", named, "--from", str(ago(10)))
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third, *_ = done.stdout.splitlines()
    assert first.endswith(f" Customer {customer}")
    assert second.startswith("Ada" if customer == 1 else "Bo")
    assert third.strip() == f"Account number {db.get_customer(customer)['account_number']}"


def test_verify_says_what_is_off_and_exits_with_1(db, run, sql):
    ada = db.add_customer("Ada", "5550100")
    db.add_bill(ada, "Bill", Decimal("20.00"), ago(5))
    assert run("verify").returncode == 0
    sql("SET session_replication_role = replica")
    sql("UPDATE billing SET amount_paid = 20")
    done = run("verify")
    assert done.returncode == 1
    assert "Bill 1: it says 20.00 paid" in done.stdout


def test_the_bill_command_bills_once_and_says_so(db, run, sql):
    location_id = db.add_location(db.add_customer("Ada", "5550100"), "Here")
    db.add_service(location_id, "Fiber", Decimal("49.90"))
    dry = run("bill", "--period", "2026-12", "--dry-run")
    assert "bills for 1 customer, 49.90 in total" in dry.stdout
    assert sql("SELECT 1 FROM billing") == []
    assert "Created 1, skipped 0" in run("bill", "--period", "2026-12", "--yes").stdout
    assert "Created 0, skipped 1" in run("bill", "--period", "2026-12", "--due", "2026-12-20", "--yes").stdout
    assert len(sql("SELECT 1 FROM billing")) == 1


def test_the_bill_command_wants_the_total_typed(db, run, sql):
    location_id = db.add_location(db.add_customer("Ada", "5550100"), "Here")
    db.add_service(location_id, "Fiber", Decimal("49.90"))
    refused = run("bill", "--period", "2026-12", answers="49\n")
    assert (refused.returncode, refused.stderr) == (1, "Stopped at input line 1: Type 49.90 in full, or no.\n")
    refused = run("bill", "--period", "2026-12", answers="no\n")
    assert (refused.returncode, refused.stderr) == (1, "That is not the total; nobody was billed.\n")
    assert sql("SELECT 1 FROM billing") == []
    assert run("bill", "--period", "2026-12", answers="49.90\n").returncode == 0
    assert len(sql("SELECT 1 FROM billing")) == 1
