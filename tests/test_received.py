"""Payments received: what came in from day to day, by method, to the cent what revenue and statements have."""
from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines

import database
from tracker import credits, payments, reports

METHODS = ("cash", "card", "transfer", "direct debit", "cheque", "other")
NEVER = {"payments": 0, "received": 0, "voided": 0, "refunded": 0, "total": 0}


def ago(days):
    return database.today() - timedelta(days=days)


def pay(customer_id, amount, method="cash", days=0, reference=None):
    return payments.record_payment(customer_id, Decimal(amount), ago(days), method, reference, uuid4())["payment_id"]


@pytest.fixture
def books(db):
    """Payments of today, of yesterday and of three days ago; one of yesterday's is void, and a refund was, too."""
    ada, bo = db.add_customer("Ada Okafor", "555 0101"), db.add_customer("Bo Li", "555 0102")
    pay(ada, "12.50"), pay(bo, "100", "transfer", reference="C2"), pay(ada, "7.25", days=3)
    wrong = pay(bo, "49.90", "card", 1)
    payments.void_payment(wrong, "bounced")
    credits.refund(bo, Decimal("20.00"), "transfer", "R-7", uuid4())
    taken_back = credits.refund(bo, Decimal("5.00"), "cash", None, uuid4())["payment_id"]
    payments.void_payment(taken_back, "not fetched")
    credits.add_credit_note(ada, Decimal(3), "outage", uuid4())
    db.add_bill(ada, "Setup", Decimal(30), ago(-9))
    credits.write_off(ada, Decimal("7.25"), "moved away", uuid4())


TODAY = """\
Payments received on {0}
Method    Payments  Received  Voided  Refunded   Total
--------  --------  --------  ------  --------  ------
card             0      0.00  -49.90      0.00  -49.90
cash             1     12.50    0.00      0.00   12.50
transfer         1    100.00    0.00    -20.00   80.00
Total            2    112.50  -49.90    -20.00   42.60

ID  Day         Customer    Amount  Method                Reference  Because
--  ----------  ----------  ------  --------------------  ---------  -----------
 1  {0}  Ada Okafor   12.50  cash
 2  {0}  Bo Li       100.00  transfer              C2
 4  {0}  Bo Li       -49.90  void, card                       bounced
 5  {0}  Bo Li       -20.00  refund, transfer      R-7
 6  {0}  Bo Li        -5.00  refund, cash
 6  {0}  Bo Li         5.00  void of refund, cash             not fetched
"""


def test_what_came_today_stands_by_method_and_one_by_one(books, run):
    done = run("payments-received")
    assert (done.returncode, done.stdout, done.stderr) == (0, TODAY.format(ago(0)), "")


def test_a_span_without_anything_taken_back_has_no_columns_of_that(db, run):
    ada = db.add_customer("Ada Okafor", "555 0101")
    pay(ada, "10", days=2), pay(ada, "2.5", "cheque", 1, "No 5"), pay(ada, "4", days=4)
    done = run("payments-received", "--from", "-2", "--to", "yesterday")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"""\
Payments received from {ago(2)} to {ago(1)}
Method  Payments  Received
------  --------  --------
cash           1     10.00
cheque         1      2.50
Total          2     12.50

ID  Day         Customer    Amount  Method  Reference
--  ----------  ----------  ------  ------  ---------
 1  {ago(2)}  Ada Okafor   10.00  cash
 2  {ago(1)}  Ada Okafor    2.50  cheque  No 5
""", "")


def test_a_payment_that_was_voided_later_still_stands_on_its_day(books, run):
    done = run("payments-received", "--to", "yesterday", "--format", "csv")
    assert (done.returncode, done.stdout.splitlines()[1:], done.stderr) == (
        0, [f'4,{ago(1)},2,"Bo Li","payment",49.90,"card",,'], "")


def test_files_have_each_entry_with_its_kind(books, run):
    assert run("payments-received", "--from", "-3", "--format", "csv").stdout == f"""\
payment_id,day,customer_id,name,kind,amount,method,reference,reason
3,{ago(3)},1,"Ada Okafor","payment",7.25,"cash",,
4,{ago(1)},2,"Bo Li","payment",49.90,"card",,
1,{ago(0)},1,"Ada Okafor","payment",12.50,"cash",,
2,{ago(0)},2,"Bo Li","payment",100.00,"transfer","C2",
4,{ago(0)},2,"Bo Li","void",-49.90,"card",,"bounced"
5,{ago(0)},2,"Bo Li","refund",-20.00,"transfer","R-7",
6,{ago(0)},2,"Bo Li","refund",-5.00,"cash",,
6,{ago(0)},2,"Bo Li","void of refund",5.00,"cash",,"not fetched"
"""
    rows = json.loads(run("payments-received", "--format", "json").stdout)
    assert rows[4:] == [
        {"payment_id": 6, "day": str(ago(0)), "customer_id": 2, "name": "Bo Li", "kind": "refund", "amount": "-5.00",
         "method": "cash", "reference": None, "reason": None},
        {"payment_id": 6, "day": str(ago(0)), "customer_id": 2, "name": "Bo Li", "kind": "void of refund",
         "amount": "5.00", "method": "cash", "reference": None, "reason": "not fetched"},
    ]


def test_days_on_which_nothing_came_say_so(books, run):
    for arguments, days in ((("--to", "-2"), f"on {ago(2)}"),
                            (("--from", "2020-01-01", "--to", "-4"), f"from 2020-01-01 to {ago(4)}")):
        done = run("payments-received", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"No payments {days}.\n", "")
    assert run("payments-received", "--to", "-2", "--format", "json").stdout == "[]\n"
    assert run("payments-received", "--to", "-2", "--format", "csv").stdout == (
        "payment_id,day,customer_id,name,kind,amount,method,reference,reason\n")


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("--to", "tomorrow"), "Enter a past day with --to; {0} is still to come."),
    (("--from", "yesterday", "--to", "-2"), "The first day cannot be after the last."),
    (("--from", "tomorrow"), "The first day cannot be after the last."),
])
def test_days_that_cannot_be_are_refused(db, run, arguments, complaint):
    done = run("payments-received", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{complaint.format(ago(-1))}\n")


def test_the_menu_asks_for_the_days_and_shows_the_same(books, run):
    for answers, arguments in (((("",), ())), (("today",), ()), (("-3", "yesterday"), ("--from", "-3", "--to", "-1")),
                               (("yesterday", ""), ("--from", "-1"))):
        done = run(answers=lines("6", "8", *answers, "0", "0"))
        assert (done.returncode, done.stderr) == (0, "")
        assert run("payments-received", *arguments).stdout in done.stdout, answers


def test_the_menu_refuses_days_that_cannot_be(books, run):
    done = run(answers=lines("6", "8", "yesterday", "-2"))
    assert (done.returncode, done.stderr) == (
        1, "Stopped at input line 4: The last day cannot be before the first.\n")
    done = run(answers=lines("6", "8", "tomorrow"))
    assert done.stderr.startswith("Stopped at input line 3: Enter today, yesterday, or a date up to ")


def test_on_a_terminal_the_sums_stand_above_the_first_page_and_an_id_opens_a_payment(db, terminal):
    ada = db.add_customer("Ada Okafor", "555 0101")
    for number in range(1, 41):
        pay(ada, number, METHODS[number % 2], reference=f"R-{number}")
    child = terminal()
    for answer in ("6", "8", ""):
        child.expect(r"(?:Choose|\]): ")
        child.send(f"{answer}\r")
    pages = []
    for answer, position in (("", "Rows 1 to 13 of 40"), ("", "Rows 14 to 33 of 40"), ("p", "Rows 34 to 40 of 40")):
        child.expect_exact(position)
        pages.append(child.before)
        child.expect_exact("back): ")
        child.send(f"{answer}\r")
    child.expect_exact("Rows 14 to 33 of 40")
    assert ["Payments received on" in page for page in pages] == [True, False, False]
    assert [page.count("Ada Okafor") for page in pages] == [13, 20, 7]
    child.expect_exact("back): ")
    child.send("20\r")
    child.expect_exact(f"Payment 20, 20.00 on {ago(0)}, cash, of Ada Okafor.")
    child.send("q\r")
    child.expect_exact("Choose: ")


@pytest.fixture
def histories(db, sql):
    """Payments, refunds, credit notes and write-offs of half a year, voided sooner, later, or before their day."""
    for number in range(1, 9):
        db.add_customer(f"Customer {number}", f"555 01{number:02}")
    chance, today = random.Random(13), database.today()
    sql("SET session_replication_role = replica")
    records = []
    for _ in range(600):
        kind = chance.choice(["payment"] * 6 + ["refund"] * 2 + ["credit note", "write-off"])
        day = today - timedelta(days=chance.randint(0, 180))
        voided = chance.choice([None, None, None, day, day + timedelta(chance.randint(1, 40)), day - timedelta(2)])
        voided = voided and min(voided, today)
        amount, method = Decimal(chance.randint(1, 20_000)) / 100, chance.choice(METHODS)
        row, = sql(
            """
            INSERT INTO payments (customer_id, kind, amount, paid_on, method, reason, voided_on, voided_at, void_reason)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            RETURNING payment_id
            """, chance.randint(1, 8), kind, amount, day, method,
            "a reason" if kind in ("credit note", "write-off") else None, voided, voided, voided and "a slip")
        records.append((row["payment_id"], kind, amount, day, method, voided and max(voided, day)))
    sql("SET session_replication_role = origin")
    return records


def as_told(records, first, last):
    """Return the entries of a span as plain Python makes them of the records."""
    told = []
    for payment_id, kind, amount, day, method, voided in records:
        if kind in ("payment", "refund"):
            signed = amount if kind == "payment" else -amount
            told.append((day, payment_id, kind, signed, method))
            if voided:
                told.append((voided, payment_id, "void" if kind == "payment" else "void of refund", -signed, method))
    return sorted((row for row in told if first <= row[0] <= last), key=lambda row: (row[0], row[1], row[2] != "payment"
                                                                                    and row[2] != "refund"))


def entries(rows):
    return [(row["day"], row["payment_id"], row["kind"], row["amount"], row["method"]) for row in rows]


def summed(told):
    """Return the sums of entries by method, as the report has them."""
    sums = {}
    for _, _, kind, amount, method in told:
        row = sums.setdefault(method, {"method": method, **NEVER})
        row[{"payment": "received", "void": "voided"}.get(kind, "refunded")] += amount
        row["total"] += amount
        row["payments"] += kind == "payment"
    return [sums[method] for method in sorted(sums)]


def spans(count):
    chance = random.Random(7)
    for _ in range(count):
        last = chance.randint(0, 190)
        yield ago(chance.randint(last, 200)), ago(last)


def test_any_span_has_what_the_records_say_and_its_sums(histories):
    for first, last in [(ago(200), ago(0)), (ago(9), ago(9)), *spans(25)]:
        told = as_told(histories, first, last)
        received = reports.payments_received(first, last)
        assert entries(reports.stream_received(first, last)) == told
        assert received["methods"] == summed(told)
        assert {row["day"]: row["entries"] for row in received["days"]} == Counter(row[0] for row in told)


@pytest.mark.parametrize("limit", [1, 7, 20, 1000])
def test_pages_are_the_whole_in_its_order_none_left_out_and_none_twice(histories, limit):
    for first, last in [(ago(200), ago(0)), *spans(3)]:
        received = reports.payments_received(first, last)
        rows, after, sizes = [], None, []
        while page := reports.list_received(received, after, limit):
            sizes.append(len(page))
            rows += page
            after = (page[-1]["day"], page[-1]["payment_id"], int(page[-1]["kind"].startswith("void")))
        assert rows == list(reports.stream_received(first, last))
        assert set(sizes[:-1]) <= {limit}, "a page that is not full is taken for the last"
        assert sizes[-1] <= limit


def test_each_month_is_what_revenue_says_was_collected_and_refunded(histories):
    for row in reports.monthly_revenue():
        last = (row["month"] + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        methods = reports.payments_received(row["month"], last)["methods"]
        sums = {key: sum((method[key] for method in methods), Decimal(0)) for key in NEVER}
        assert sums["received"] + sums["voided"] == row["collected"]
        assert -sums["refunded"] == row["refunded"]
        assert sums["total"] == row["collected"] - row["refunded"]


def test_the_days_of_a_span_add_up_to_it(histories):
    first, last = ago(60), ago(0)
    days = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    each = list(itertools.chain.from_iterable(reports.stream_received(day, day) for day in days))
    assert each == list(reports.stream_received(first, last))


def test_statements_of_all_customers_have_the_same_entries(histories):
    for first, last in spans(4):
        stated = [
            (date.fromisoformat(entry["day"]), entry["record_id"], -entry["amount"])
            for customer_id in range(1, 9)
            for entry in reports.get_statement(customer_id, first, last)["entries"]
            if entry["kind"] in ("payment", "refund")
            or entry["description"].startswith(("of payment", "of refund"))
        ]
        shown = [(row["day"], row["payment_id"], row["amount"]) for row in reports.stream_received(first, last)]
        assert sorted(stated) == sorted(shown)


def test_a_day_on_the_overview_of_the_page_is_that_day_s_payments_without_voids(books):
    received = reports.payments_received(ago(0), ago(0))["methods"]
    of_today = payments.payments_on(ago(0))
    assert (of_today["count"], of_today["amount"]) == (
        sum(row["payments"] for row in received), sum(row["received"] for row in received))


