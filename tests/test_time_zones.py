"""Two machines whose days differ: what is stored is a day, and every report of it is the same on both."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines

import database
from tracker import payments, reports
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

EAST, WEST = "Etc/GMT-14", "Etc/GMT+12"  # 26 hours apart: never the same day
FIRST = date(2000, 1, 1)


@pytest.fixture
def at(uri, monkeypatch):
    """Work as the program does on a machine of a time zone."""
    def move(zone):
        database.disconnect()
        monkeypatch.setenv("TIMEZONE", zone)
        database.connect(uri)

    yield move
    database.disconnect()


def pay(customer_id, amount):
    return payments.record_payment(
        customer_id, Decimal(amount), database.today(), "cash", None, uuid4())["payment_id"]


def ties(customer_id, day):
    """Return what a statement up to a day closes at, once aging as of that day says the same."""
    aged = reports.aging_total(day)["total"]
    closing = reports.get_statement(customer_id, FIRST, day)["closing"]
    assert closing == aged or closing < aged == 0, (database.today(), day)  # else credit for a bill to come
    return closing


@pytest.mark.parametrize(("pays", "voids"), [(EAST, EAST), (EAST, WEST), (WEST, EAST), (WEST, WEST)])
@pytest.mark.parametrize("bills", [EAST, WEST])
def test_statement_and_aging_tie_on_every_day_in_each_zone_whoever_billed_paid_and_voided(at, sql, bills, pays, voids):
    at(bills)
    ada = database.add_customer("Ada Okafor", "5550100")
    database.add_bill(ada, "Setup", Decimal(100), date(2030, 1, 1))
    at(pays)
    pay(ada, "30.00")
    payment_id = pay(ada, "50.00")
    at(voids)
    payments.void_payment(payment_id, "bounced")
    seen = []
    for zone in (EAST, WEST):
        at(zone)
        days = [database.today() - timedelta(days=ago) for ago in range(5)]
        seen.append({day: ties(ada, day) for day in days})
        assert seen[-1][days[0]] == 70
        assert verify_books()[1] == []
    east, west = seen
    past = sorted(east.keys() & west.keys())[:-1]
    assert len(past) >= 2
    assert [east[day] for day in past] == [west[day] for day in past]


@pytest.mark.parametrize("zone", [EAST, WEST])
def test_the_day_of_a_void_is_that_of_the_machine_where_it_was_voided_everywhere(at, run, zone):
    at(zone)
    ada = database.add_customer("Ada Okafor", "5550100")
    database.add_bill(ada, "Setup", Decimal(100), date(2030, 1, 1))
    payment_id = pay(ada, "50.00")
    payments.void_payment(payment_id, "bounced")
    today = str(database.today())
    for elsewhere in (EAST, WEST):
        account = run("account-report", TIMEZONE=elsewhere).stdout
        listed = run(answers=lines("5", "7", str(ada), "8", str(payment_id), "0", "0"), TIMEZONE=elsewhere)
        assert f"void since {today}" in account
        assert listed.stdout.count(f"{today}  bounced") == 1
        assert f"void already, since {today}." in listed.stderr


def test_a_void_takes_a_payment_back_no_earlier_than_the_day_the_money_came(at, sql):
    at(EAST)
    ada = database.add_customer("Ada Okafor", "5550100")
    payment_id, paid_on = pay(ada, "50.00"), database.today()
    at(WEST)
    assert payments.void_payment(payment_id, "bounced")["voided_on"] == database.today() < paid_on
    assert [entry["day"] for entry in reports.get_statement(ada, FIRST, paid_on)["entries"]] == [str(paid_on)] * 2


def test_the_day_of_a_void_follows_what_psql_writes(db, sql):
    pay(db.add_customer("Ada Okafor", "5550100"), "50.00")
    for change, day in (
        ("voided_at = '2026-02-03 12:00', void_reason = 'x'", date(2026, 2, 3)),
        ("voided_at = '2026-01-05 12:00', voided_on = '2026-01-20'", date(2026, 1, 5)),
        ("voided_on = NULL", date(2026, 1, 5)),
        ("paid_on = '2026-01-20'", date(2026, 1, 5)),
        ("voided_at = NULL, void_reason = NULL", None),
        ("voided_on = '2026-01-20'", None),
    ):
        sql(f"UPDATE payments SET {change}")
        assert sql("SELECT voided_on FROM payments") == [{"voided_on": day}], change


def test_a_payment_that_is_copied_in_keeps_the_day_of_its_void(db, sql):
    ada = db.add_customer("Ada Okafor", "5550100")
    copy = ("INSERT INTO payments (customer_id, amount, paid_on, voided_at, void_reason, voided_on) "
            "VALUES (%s, 5, '2026-01-10', '2026-02-03 12:00', 'x', %s) RETURNING voided_on")
    for day, kept in (("2026-02-04", date(2026, 2, 4)), (None, date(2026, 2, 3))):
        assert sql(copy, ada, day) == [{"voided_on": kept}]
