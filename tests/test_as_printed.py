"""Closed months stay: what was printed for a month is printed again after three more months of work, to the byte.

The work of each day is done today, as the program does it, and what it left is then written back to the day on which it
is played: days come in their order, so each finds the earlier ones as they were.
"""
from __future__ import annotations

import io
import random
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import there_since

import database
from tracker import bill_run, credits, errors, payments, reports
from tracker.terminal import screens
from tracker.transfer import exporting
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

CUSTOMERS = 8
DAYS = (1, 4, 9, 13, 17, 21, 26)  # of a month on which there is work; the last leaves the month's end to whoever prints


def month_before(count):
    """Return the first day of the month that is so many months before this one."""
    today = database.today()
    months = today.year * 12 + today.month - 1 - count
    return date(months // 12, months % 12 + 1, 1)


@pytest.fixture
def business(db):
    for number in range(1, CUSTOMERS + 1):
        customer_id = db.add_customer(f"Customer {number}", f"555 01{number:02}")
        location_id = db.add_location(customer_id, f"{number} Quay")
        db.add_service(location_id, "Fibre", Decimal("29.90") + number)
    there_since()


@pytest.fixture
def write_back(sql):
    """Write what was done today back to the day on which it is played."""
    def write(day):
        sql("SET session_replication_role = replica")
        for table, columns in {
            "billing": ("issued_on", "cancelled_on"), "billing_items": ("booked_on",),
            "payments": ("paid_on", "voided_on"), "payment_allocations": ("made_on", "released_on"),
        }.items():
            for column in columns:
                sql(f"UPDATE {table} SET {column} = %s WHERE {column} = CURRENT_DATE", day)
        sql("SELECT settle_bills(ARRAY(SELECT billing_id FROM billing))")
        sql("SET session_replication_role = origin")

    return write


def work(chance, day, seen):
    """Do one thing of a day, as an administrator would; what a rule refuses is left."""
    customer_id = chance.randint(1, CUSTOMERS)
    amount = Decimal(chance.randint(1, 60))
    bills = [row for row in database.list_bills(customer_id=customer_id) if not row["cancelled_on"]]
    counted = [row for row in payments.list_payments(customer_id) if not row["voided_on"]]
    bill = chance.choice(bills) if bills else None
    paid = chance.choice(counted) if counted else None
    deeds = {
        "bill": lambda: database.add_bill(customer_id, "Setup", amount, day + timedelta(14)),
        "pay": lambda: payments.record_payment(customer_id, amount, day, "cash", None, uuid4()),
        "pay all": lambda: payments.record_payment(
            customer_id, reports.get_account(customer_id)["amount_due"], day, "transfer", None, uuid4()),
        "credit note": lambda: credits.add_credit_note(customer_id, amount, "outage", uuid4()),
        "write-off": lambda: credits.write_off(customer_id, amount / 10, "moved away", uuid4()),
        "refund": lambda: credits.refund(customer_id, amount / 4, "transfer", None, uuid4()),
        "give back": lambda: paid and credits.refund(
            customer_id, amount / 4, "transfer", None, uuid4(), paid["payment_id"]),
        "void": lambda: paid and payments.void_payment(paid["payment_id"], "typo"),
        "lower": lambda: bill and database.update_bill(bill["billing_id"], amount=round(bill["amount_billed"] / 2, 2)),
        "raise": lambda: bill and database.update_bill(bill["billing_id"], amount=bill["amount_billed"] + amount),
        "delete": lambda: bill and database.delete_bill(bill["billing_id"]),
    }
    deed = chance.choice([*deeds, "bill", "delete"])
    with suppress(errors.Conflict):
        if deeds[deed]():
            seen.add(deed)


def play(month, chance, write_back, seen):
    """Work through a month: a bill run on its first day, undone and run anew in every other month, and deeds."""
    for day in (month.replace(day=number) for number in DAYS):
        if day.day == 1:
            bill_run.run(month, month.replace(day=15))
        for _ in range(8):
            work(chance, day, seen)
        write_back(day)
        if day.day == 4 and month.month % 2:
            if bill_run.undo(month)["removed"]:
                seen.add("undo")
            write_back(day)
            bill_run.run(month, month.replace(day=15))
            write_back(day)
        assert verify_books()[1] == []
    tie(month)


def tie(month):
    """Hold that what came in in a month, by method, is what revenue has of it, and that its days are that, too."""
    last = (month + timedelta(32)).replace(day=1) - timedelta(1)
    row = next(row for row in reports.monthly_revenue() if row["month"] == month)
    methods = reports.payments_received(month, last)["methods"]
    assert sum(row["received"] + row["voided"] for row in methods) == row["collected"]
    assert -sum(row["refunded"] for row in methods) == row["refunded"]
    days = [reports.payments_received(month.replace(day=day), month.replace(day=day))["methods"]
            for day in range(1, last.day + 1)]
    assert sum(row["total"] for methods in days for row in methods) == row["collected"] - row["refunded"]


def printed(month, run):
    """Print all that can be asked for of a month that is over, and return it."""
    last = (month + timedelta(32)).replace(day=1) - timedelta(1)
    shown = {}
    for days in (0, 12, 25):
        day = last - timedelta(days)
        shown[f"aging {day}"] = [list(reports.stream_aging(day, sort)) for sort in reports.ORDERS]
        shown[f"late {day}"] = [list(reports.stream_late_customers(day, sort)) for sort in reports.ORDERS]
        shown[f"totals {day}"] = reports.aging_total(day), reports.late_total(day)
    for form in ("table", "csv", "json"):
        done = run("aging-report", "--as-of", str(last), "--format", form)
        assert (done.returncode, done.stderr) == (0, "")
        shown[f"aging as {form}"] = done.stdout
    for write in (exporting.export_late, exporting.export_aging):
        file = io.BytesIO()
        assert write(file, last) > 0
        shown[write.__name__] = file.getvalue()
    for customer_id in range(1, CUSTOMERS + 1):
        statement = reports.get_statement(customer_id, month, last)
        shown[f"statement {customer_id}"] = list(screens.statement_lines(statement, month, last))
    shown["statement on paper"] = run("statement", "1", "--from", str(month), "--to", str(last)).stdout
    shown["payments received"] = list(reports.stream_received(month, last))
    shown["by method"] = reports.payments_received(month, last)
    for by in ("period", "issue"):
        shown[f"revenue by {by}"] = next(row for row in reports.monthly_revenue(by) if row["month"] == month)
    return shown


def test_what_was_printed_of_a_month_is_printed_again_after_three_more_months(business, write_back, run):
    chance, seen = random.Random(12), set()
    first, *later = [month_before(count) for count in (4, 3, 2, 1)]
    play(first, chance, write_back, seen)
    before = printed(first, run)
    seen.clear()
    for month in later:
        play(month, chance, write_back, seen)
    assert seen == {"bill", "pay", "pay all", "credit note", "write-off", "refund", "give back", "void", "lower",
                    "raise", "delete", "undo"}
    after = printed(first, run)
    assert {name for name, text in after.items() if text != before[name]} == set()
    assert all(before.values())
