"""What is asked before a payment is recorded, for the terminal and the page alike; the latest payments of all."""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines

import database
from tracker import errors, payments

pytestmark = pytest.mark.slow


def ago(days):
    return database.today() - timedelta(days=days)


def pay(customer_id, amount, days=0, reference=None):
    return payments.record_payment(customer_id, Decimal(amount), ago(days), "cash", reference, uuid4())["payment_id"]


def void(payment_id):
    payments.void_payment(payment_id, "typo")
    return payment_id


def doubts(customer_id, amount, days=0, reference=None):
    return payments.doubts(customer_id, Decimal(amount), ago(days), reference)


def kinds(*arguments, **named):
    return [doubt.kind for doubt in doubts(*arguments, **named)]


def ids(rows):
    return [row["payment_id"] for row in rows]


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def bo(db, ada):
    return db.add_customer("Bo Li", "5550100")


def owe(customer_id, amount):
    database.add_bill(customer_id, "Bill", Decimal(amount), ago(3))


@pytest.mark.parametrize(("amount", "asked"), [("199.99", []), ("200.00", ["much"]), ("5000", ["much"])])
def test_ten_times_what_is_owed_is_doubted(ada, amount, asked):
    owe(ada, "20.00")
    assert kinds(ada, amount) == asked


def test_the_monthly_price_counts_where_less_is_owed(ada):
    owe(ada, "1.00")
    database.add_service(database.add_location(ada, "1 Harbour Street"), "Fibre", Decimal("20.00"))
    assert (kinds(ada, "199.99"), kinds(ada, "200.00")) == ([], ["much"])


@pytest.mark.parametrize(("amount", "asked"), [("999.99", []), ("1000.00", ["much"])])
def test_a_thousand_from_who_owes_nothing_is_doubted(ada, amount, asked):
    assert kinds(ada, amount) == asked


@pytest.mark.parametrize(("owed", "amount", "credited", "promised"), [
    ("20.00", "199.99", [], []),
    ("20.00", "200", ["200.00 is ten times what is owed or more; what is left will be credit."],
     ["200.00 is ten times what is owed or more."]),
    (None, "999.99", [], []),
    (None, "1000", ["Nothing is owed, and no service is billed; all of the 1000.00 will be credit."],
     ["Nothing is owed, and no service is billed; 1000.00 is promised."]),
])
def test_a_credit_note_and_a_promise_are_doubted_as_a_payment_is(ada, run, owed, amount, credited, promised):
    if owed:
        owe(ada, owed)
    assert [doubt.sentence for doubt in payments.excess(ada, Decimal(amount))] == credited
    assert [doubt.sentence for doubt in payments.slips(ada, Decimal(amount), ago(0))] == credited
    assert [doubt.sentence for doubt in payments.excess(ada, Decimal(amount), promised=True)] == promised
    no = ["no"] * len(credited)
    note = run(answers=lines("5", "13", "1", amount, "outage", *no, "0", "0")).stdout
    promise = run(answers=lines("Ada", "11", "", "+3", amount, *no, "0", "0")).stdout
    for shown, sentences, left in ((note, credited, "Not recorded."), (promise, promised, "Nothing noted.")):
        assert "".join(f"{said}\n" for said in sentences) in shown
        assert (left in shown) == bool(sentences)
    assert payments.count_payments(ada) == (not credited)


@pytest.mark.parametrize(("days", "asked"), [(0, []), (364, []), (365, ["long_ago"])])
def test_a_day_a_year_ago_is_doubted(ada, days, asked):
    assert kinds(ada, "5.00", days) == asked


def test_of_much_and_long_ago_only_much_is_asked(ada):
    assert kinds(ada, "1000.00", 400) == ["much"]


def test_each_sentence_can_be_read_alone(ada):
    pay(ada, "1000.00", 400, "R-1")
    assert [doubt.sentence for doubt in doubts(ada, "1000", 400, "r-1")] == [
        "Nothing is owed, and no service is billed; all of the 1000.00 will be credit.",
        "A payment of this amount on this day is recorded already.",
    ]
    assert [doubt.sentence for doubt in doubts(ada, "5.00", 365, "R-1")] == [
        f"{ago(365)} is a year ago or more.", "Reference R-1 is recorded already.",
    ]
    owe(ada, "1020.00")
    assert [doubt.sentence for doubt in doubts(ada, "200")] == [
        "200.00 is ten times what is owed or more; what is left will be credit.",
    ]


def test_the_same_amount_on_the_same_day_is_doubted_with_the_payments_it_may_be(ada, bo):
    same = [pay(ada, "5.00"), pay(ada, "5.00")]
    pay(ada, "5.00", 1), pay(ada, "5.01"), pay(bo, "5.00"), void(pay(ada, "5.00"))
    doubt, = doubts(ada, "5.00")
    assert (doubt.kind, ids(doubt.payments)) == ("repeated", same)


def test_a_reference_that_anybody_used_is_doubted_with_whose_payment_it_is(ada, bo):
    earlier = pay(bo, "80.00", 9, "TX-1")
    void(pay(bo, "80.00", 9, "TX-1"))
    doubt, = doubts(ada, "5.00", 0, "tx 1")
    row, = doubt.payments
    assert (doubt.kind, row["payment_id"], row["customer_id"], row["name"]) == ("reference", earlier, bo, "Bo Li")


def test_a_payment_that_is_the_same_in_all_is_shown_once(ada):
    pay(ada, "5.00", 0, "TX-1")
    other = pay(ada, "6.00", 0, "TX-1")
    assert [(doubt.kind, len(doubt.payments)) for doubt in doubts(ada, "5.00", 0, "TX-1")] == [
        ("repeated", 1), ("reference", 1)]
    assert ids(doubts(ada, "5.00", 0, "TX-1")[1].payments) == [other]


def test_the_payments_of_every_doubt_have_the_columns_of_a_hit(ada):
    pay(ada, "5.00", 0, "TX-1"), pay(ada, "6.00", 0, "TX-1")
    same, referred = doubts(ada, "5.00", 0, "TX-1")
    columns = {*payments.PaymentHit.__annotations__, "recorded_at"}
    assert [set(row) for row in [*same.payments, *referred.payments]] == [columns, columns]


def test_nobody_cannot_pay(db):
    with pytest.raises(errors.NotFound):
        doubts(77, "5.00")


def test_the_latest_payments_of_all_are_those_recorded_last(ada, bo):
    recorded = [pay(ada, "1.00"), pay(bo, "2.00", 30), void(pay(ada, "3.00", 2)), pay(bo, "4.00", 9)]
    rows = payments.latest_payments()
    assert ids(rows) == recorded[::-1]
    assert [row["name"] for row in rows] == ["Bo Li", "Ada Okafor", "Bo Li", "Ada Okafor"]
    assert [row["voided_on"] for row in rows] == [None, ago(0), None, None]


def test_the_latest_payments_are_turned_by_pages(ada):
    recorded = [pay(ada, n) for n in (1, 2, 3, 4, 5)]
    pages = [ids(payments.latest_payments(before, 2)) for before in (0, recorded[3], recorded[1], recorded[0])]
    assert pages == [recorded[:2:-1], recorded[2:0:-1], recorded[:1], []]


def test_the_payments_of_a_day_are_counted_and_summed_without_voids(ada, bo):
    pay(ada, "1.00", 1), pay(ada, "2.50"), void(pay(bo, "40.00")), pay(bo, "3.00")
    day = payments.payments_on(ago(0), 2)
    assert (day["count"], day["amount"], ids(day["rows"])) == (2, Decimal("5.50"), [4, 3])
    assert [row["name"] for row in day["rows"]] == ["Bo Li", "Bo Li"]


def test_a_day_without_payments_has_none(ada):
    pay(ada, "1.00", 1)
    assert payments.payments_on(ago(0)) == {"count": 0, "amount": 0, "rows": []}
