"""A month of billing by the menus, as an administrator types it."""
from __future__ import annotations

from decimal import Decimal

import pytest
from conftest import there_since

import database

pytestmark = pytest.mark.slow


@pytest.fixture
def subscriber(db):
    location_id = db.add_location(db.add_customer("Ada Okafor", "5550100"), "1 Harbour Street")
    db.add_service(location_id, "Fiber", Decimal("49.90"))
    there_since()


@pytest.fixture
def billing(subscriber, run):
    """Type answers into the Billing menu and return what the program printed."""
    def typed(*answers):
        done = run(answers="\n".join(("5", *answers, "0", "0")) + "\n")
        assert done.returncode == (1 if done.stderr else 0)
        return done.stdout + done.stderr

    return typed


BILL_OCTOBER = ("9", "2026-10", "2026-10-15", "49.90")
PAY = ("6", "1")


def test_a_bill_run_goes_on_when_its_total_is_typed(billing):
    assert "Created 1, skipped 0; 49.90 billed, due 2026-10-15." in billing(*BILL_OCTOBER)


def test_a_bill_run_stops_when_another_total_is_typed(billing, sql):
    assert "Type 49.90 in full, or no." in billing("9", "2026-10", "", "yes")
    assert "That is not the total; nobody was billed." in billing("9", "2026-10", "", "no")
    assert sql("SELECT 1 FROM billing") == []


def test_a_second_bill_run_asks_nothing_and_adds_nothing(billing):
    assert "Created 0, skipped 1" in billing(*BILL_OCTOBER, "9", "2026-10", "")


def test_a_payment_form_shows_what_is_owed_and_what_was_paid_of_it(billing):
    screen = billing(*BILL_OCTOBER, *PAY, "60", "", "", "R-1")
    assert "To pay 49.90, credit 0.00." in screen
    assert f"Recorded payment 1, 60.00 on {database.today()}, of Ada Okafor." in screen
    for part in ("Bill 1  October 2026", "Credit", "10.10"):
        assert part in screen


def test_the_same_payment_again_is_shown_and_asked_about(billing, sql):
    screen = billing(*BILL_OCTOBER, *PAY, "20", "", "", "", *PAY, "20", "", "", "", "no")
    assert "recorded already" in screen
    assert "Not recorded." in screen
    assert len(sql("SELECT 1 FROM payments")) == 1


def test_a_payment_can_be_aimed_at_a_bill_by_its_id(billing, sql):
    billing(*BILL_OCTOBER, "9", "2026-11", "", "49.90", *PAY, "49.90", "yesterday", "cash", "", "2")
    due = sql("SELECT amount_due FROM billing ORDER BY period")
    assert [str(row["amount_due"]) for row in due] == ["49.90", "0.00"]


def test_a_payment_of_tomorrow_is_refused(billing, sql):
    assert "Enter today, yesterday, or a date up to" in billing(*BILL_OCTOBER, *PAY, "20", "2199-01-01", "", "", "")
    assert sql("SELECT 1 FROM payments") == []


def test_a_voided_payment_stays_in_the_list_with_its_reason(billing):
    screen = billing(*BILL_OCTOBER, *PAY, "20", "", "", "", "8", "1", "bounced", "yes", "7", "1")
    assert "Voided payment 1" in screen
    assert "bounced" in screen.split("View payments\nCustomer")[-1]


def test_undoing_a_run_removes_its_bills(billing, sql):
    assert "Removed 1 bill of 2026-10." in billing(*BILL_OCTOBER, "10", "2026-10", "yes")
    assert sql("SELECT 1 FROM billing") == []


def test_undoing_a_run_says_which_bills_stay_and_why(billing):
    screen = billing(*BILL_OCTOBER, *PAY, "20", "", "", "", "10", "2026-10")
    assert "1 bill stayed, since it was paid on, or its account is closed:" in screen
    assert screen.split("stayed")[1].count("Ada Okafor") == 1


def test_the_account_says_why_a_customer_is_late(billing, run):
    billing(*BILL_OCTOBER, *PAY, "20", "", "", "")
    screen = run(answers="1\n2\n1\n0\n0\n").stdout
    assert f"Due 2026-10-15, today {database.today()}, billed 49.90." in screen
    assert f"Payment 1 on {database.today()}: 20.00." in screen


def test_reports_and_administration_lead_somewhere(billing, run):
    billing(*BILL_OCTOBER)
    screen = run(answers="6\n2\n\n3\n4\n1\n\n\n0\n8\n1\n2\n0\n0\n").stdout
    for words in ("61-90", "Monthly recurring revenue", "Opening balance", "Everything adds up.", "indexed by pg_trgm"):
        assert words in screen


def test_searches_work_without_their_indexes_and_administration_says_so(billing, run, sql):
    sql("DROP EXTENSION pg_trgm CASCADE")
    assert "Customer 1  Ada Okafor" in run(answers="1\n2\nkafo\n0\n0\n").stdout
    assert "Search     not indexed" in run(answers="8\n2\n0\n0\n").stdout
