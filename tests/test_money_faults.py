"""What a void payment still counts for, whom a bill run bills, and what a form of money asks about."""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines

import database
from tracker import payments, reports
from tracker.verify import verify_books

pytestmark = pytest.mark.slow


def pay(customer_id, amount, paid_on=None, **more):
    values = {"method": "cash", "reference": None, "entry_key": uuid4(), **more}
    return payments.record_payment(customer_id, Decimal(amount), paid_on or database.today(), **values)


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def void(db, ada):
    """A void payment of 80.00, of which a bill had used 30.00."""
    db.add_bill(ada, "Setup", Decimal(30), db.today())
    return payments.void_payment(pay(ada, "80.00")["payment_id"], "bounced")


def test_nothing_is_left_of_a_void_payment_wherever_it_is_read(ada, void, sql):
    listed, = payments.list_payments(ada)
    row, = sql("SELECT entry_key FROM payments")
    found = payments.find_by_entry_key(row["entry_key"])
    read = payments.get_payment(void["payment_id"])
    assert [payment["amount_left"] for payment in (listed, found, read, void)] == [0, 0, 0, 0]
    assert (payments.credit(ada), reports.get_account(ada)["credit"], verify_books()[1]) == (0, 0, [])
    assert reports.get_statement(ada, date(2000, 1, 1), database.today())["closing"] == Decimal("30.00")
    assert reports.monthly_revenue()[-1]["collected"] == 0


def test_what_is_left_of_a_payment_that_counts_is_its_customer_s_credit(ada, void):
    pay(ada, "100.00")
    assert [row["amount_left"] for row in payments.list_payments(ada)] == [Decimal("70.00"), 0]


def test_view_payments_shows_no_credit_of_a_void_payment(ada, void, run):
    *_, row = (line for line in run(answers=lines("5", "7", "1", "0", "0")).stdout.splitlines() if "bounced" in line)
    assert row.split()[:5] == ["1", str(database.today()), "80.00", "cash", "0.00"]


def test_voiding_shows_the_credit_that_goes_and_none_afterwards(ada, run, db):
    pay(ada, "80.00")
    before, after = run(answers=lines("5", "8", "1", "bounced", "yes", "0", "0")).stdout.split("Voided payment 1")
    assert "Credit" in before
    assert "80.00" in before.split("Credit")[1]
    assert "To pay 0.00, credit 0.00." in after
