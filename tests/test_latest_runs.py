"""The last bill runs: which months, when, how much, and what is paid of it."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import there_since

import database
from tracker import bill_run, payments

pytestmark = pytest.mark.slow


def month(ahead):
    """Return the first day of the month that is so many months ahead."""
    today = database.today()
    count = today.year * 12 + today.month - 1 + ahead
    return date(count // 12, count % 12 + 1, 1)


def run(ahead):
    bill_run.run(month(ahead), month(ahead) + timedelta(days=14))


def periods(limit=6):
    return [row["period"] for row in bill_run.latest_runs(limit)]


@pytest.fixture
def two(db):
    for name, cost in (("Ada", "20.00"), ("Bo", "30.50")):
        db.add_service(db.add_location(db.add_customer(name, None), "1 Harbour Street"), "Fibre", Decimal(cost))
    there_since()


def test_there_are_no_runs_before_the_first(two):
    database.add_bill(1, "By hand", Decimal("9.00"), database.today())
    assert bill_run.latest_runs() == []


def test_the_last_runs_come_newest_first_with_months_ahead_and_without_the_months_between(two):
    for ahead in (-30, -8, -7, -3, -2, 0, 2, 14):
        run(ahead)
    for again in (0, -7):  # whose bills are then the newest
        bill_run.undo(month(again))
        run(again)
    assert periods() == [month(ahead) for ahead in (14, 2, 0, -2, -3, -7)]
    assert periods(2) == [month(14), month(2)]
    assert periods(20) == [month(ahead) for ahead in (14, 2, 0, -2, -3, -7, -8, -30)]


def test_a_run_of_five_years_ago_is_the_oldest_that_is_shown(two):
    run(-60), run(-61)
    assert periods() == [month(-60)]


def test_a_run_says_when_it_was_first_issued_how_much_it_billed_and_what_is_paid_by_now(two, sql):
    run(0)
    database.add_bill(1, "By hand", Decimal("9.00"), database.today() + timedelta(days=400))
    payments.record_payment(1, Decimal("25.00"), database.today(), "cash", None, uuid4())
    payments.record_payment(2, Decimal("0.50"), database.today(), "cash", None, uuid4())
    sql("UPDATE billing SET issued_on = issued_on - customer_id::integer WHERE period IS NOT NULL")
    assert bill_run.latest_runs() == [{
        "period": month(0), "issued_on": database.today() - timedelta(days=2), "bills": 2,
        "amount": Decimal("50.50"), "paid": Decimal("20.50"),
    }]


def test_an_undone_run_is_none(two):
    run(0), run(-1)
    bill_run.undo(month(0))
    assert periods() == [month(-1)]
