"""The late list and the aging list on a past day, in three orders, filtered, page by page and as CSV."""
from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

import database
from tracker import notes, payments, reports
from tracker.transfer import exporting

pytestmark = pytest.mark.slow

SORTS = ("oldest", "amount", "name")
KEYS = {
    "late": {"oldest": "oldest_due_date", "amount": "amount_late", "name": "name"},
    "aging": {"oldest": "oldest_due_date", "amount": "total", "name": "name"},
}
# Name, phone number, and the amount and days of each bill. Some of each key are equal, and none of their orders.
PEOPLE = {
    "Zoë Okafor": ("+44 20 7946 0958", [("20", 70)]),
    "ada okafor": ("020 7946 0007", [("5", 40), ("25", 9)]),
    "Ada-Okafor": (None, [("30", 40)]),
    "Jürgen Müller": ("0301 555001", [("7", 3)]),
    "Bo Li": ("0301 555002", [("30", 3)]),
    "Nobody Late": ("0301 555003", [("99", 0)]),
}


def ago(days):
    return database.today() - timedelta(days=days)


def pay(customer_id, amount, days=0):
    payment = payments.record_payment(customer_id, Decimal(amount), ago(days), "cash", None, uuid4())
    return payment["payment_id"]


@pytest.fixture
def people(db, sql):
    ids = {name: db.add_customer(name, phone) for name, (phone, _) in PEOPLE.items()}
    for name, (_, bills) in PEOPLE.items():
        for amount, days in bills:
            db.add_bill(ids[name], "Bill", Decimal(amount), ago(days))
    sql("UPDATE billing SET issued_on = due_date")
    return ids


def rows_of(listed, after=None, limit=100, as_of=None, **more):
    if listed == "late":
        return reports.late_customers(after, limit, as_of=as_of, **more)
    return reports.aging(as_of, after, limit, **more)


def names(rows):
    return [row["name"] for row in rows]


def late(**more):
    return names(reports.late_customers(**more))


def total_of(listed, *arguments):
    return (reports.late_total if listed == "late" else reports.aging_total)(*arguments)


def test_the_late_list_has_three_orders_in_which_equals_come_by_id(people):
    assert late() == late(sort="oldest") == ["Zoë Okafor", "ada okafor", "Ada-Okafor", "Jürgen Müller", "Bo Li"]
    assert late(sort="amount") == ["ada okafor", "Ada-Okafor", "Bo Li", "Zoë Okafor", "Jürgen Müller"]
    assert late(sort="name") == ["ada okafor", "Ada-Okafor", "Bo Li", "Jürgen Müller", "Zoë Okafor"]


def test_the_aging_list_has_three_orders_in_which_equals_come_by_id(people):
    assert names(reports.aging()) == [
        "Zoë Okafor", "ada okafor", "Ada-Okafor", "Jürgen Müller", "Bo Li", "Nobody Late"]
    assert names(reports.aging(sort="amount")) == [
        "Nobody Late", "ada okafor", "Ada-Okafor", "Bo Li", "Zoë Okafor", "Jürgen Müller"]
    assert names(reports.aging(sort="name")) == [
        "ada okafor", "Ada-Okafor", "Bo Li", "Jürgen Müller", "Nobody Late", "Zoë Okafor"]


@pytest.mark.parametrize("search", [None, "o"])
@pytest.mark.parametrize("days", [None, 2])
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("listed", KEYS)
def test_pages_of_any_size_miss_nobody_and_show_nobody_twice(people, listed, sort, days, search):
    wanted = {"as_of": days and ago(days), "sort": sort, "search": search}
    whole = rows_of(listed, **wanted)
    for size in (1, 2, 3):
        seen, after = [], None
        while page := rows_of(listed, after, size, **wanted):
            seen += page
            after = page[-1][KEYS[listed][sort]], page[-1]["customer_id"]
            assert len(seen) <= len(whole)
        assert seen == whole


@pytest.mark.parametrize(("search", "found"), [
    ("okafor", ["Zoë Okafor", "ada okafor", "Ada-Okafor"]),
    ("OKAFOR ada", ["ada okafor", "Ada-Okafor"]),
    ("zoe", ["Zoë Okafor"]), ("kafo", ["Zoë Okafor", "ada okafor", "Ada-Okafor"]),
    ("muller", ["Jürgen Müller"]), ("mueller", ["Jürgen Müller"]), ("Jurgen  MÜLLER", ["Jürgen Müller"]),
    ("o", ["Zoë Okafor", "ada okafor", "Ada-Okafor"]), ("l", ["Bo Li"]), ("da", []),
    ("okafor li", []), (".*", []), ("%", []), ("...", []),
    ("7946", ["Zoë Okafor", "ada okafor"]), ("0958", ["Zoë Okafor"]), ("020 7946 0958", ["Zoë Okafor"]),
    ("+44 20 7946 0007", ["ada okafor"]), ("(0301) 555", ["Jürgen Müller", "Bo Li"]),
    ("55500", ["Jürgen Müller", "Bo Li"]), ("30", []), ("okafor 7946", []),
])
def test_a_filter_leaves_those_whose_name_has_every_word_or_whose_number_has_the_digits(people, search, found):
    assert late(search=search) == found
    assert [name for name in names(reports.aging(search=search)) if name != "Nobody Late"] == found


def test_who_is_meant_by_name_and_by_number_is_counted_once(db):
    db.add_bill(db.add_customer("Studio 0301", "0301 555009"), "Bill", Decimal("8"), ago(3))
    row, = reports.late_customers(search="0301")
    assert (row["amount_late"], reports.late_total(None, "0301")) == (8, {"customers": 1, "amount": 8})


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_an_empty_filter_leaves_everybody(people, nothing):
    assert len(reports.late_customers(search=nothing)) == 5
    assert reports.late_total(None, nothing) == {"customers": 5, "amount": 117}


@pytest.mark.parametrize("search", [None, "okafor", "0301", "nobody at all"])
@pytest.mark.parametrize("days", [None, 5, 20])
@pytest.mark.parametrize("listed", KEYS)
def test_a_total_is_the_sum_of_the_list_of_the_same_day_and_filter(people, listed, days, search):
    pay(people["Zoë Okafor"], "3.00", 6)
    as_of = days and ago(days)
    rows = rows_of(listed, as_of=as_of, search=search)
    amounts = {"amount": "amount_late"} if listed == "late" else {
        key: key for key in ("not_due", "days_30", "days_60", "days_90", "older", "total")}
    assert total_of(listed, as_of, search) == {
        "customers": len(rows), **{key: sum(row[column] for row in rows) for key, column in amounts.items()}}


def test_who_was_late_on_a_past_day_is_told_by_the_bills_that_were_late_then(people):
    rows = reports.late_customers(as_of=ago(39))
    assert [(row["name"], str(row["amount_late"]), row["days_late"]) for row in rows] == [
        ("Zoë Okafor", "20", 31), ("ada okafor", "5", 1), ("Ada-Okafor", "30", 1)]
    assert late(as_of=ago(40)) == ["Zoë Okafor"]
    assert late(as_of=ago(70)) == []


def test_a_payment_made_since_does_not_lessen_what_was_late(people):
    pay(people["Zoë Okafor"], "20.00", 5)
    assert "Zoë Okafor" not in late()
    assert late(as_of=ago(5))[0] == "ada okafor"
    row, *_ = reports.late_customers(as_of=ago(6))
    assert (row["name"], row["amount_late"], row["last_payment_date"]) == ("Zoë Okafor", 20, None)


def test_the_last_payment_is_the_last_of_then_with_what_was_voided_since(people, sql):
    zoe = people["Zoë Okafor"]
    pay(zoe, "1.00", 30), pay(zoe, "1.00", 10)
    payments.void_payment(pay(zoe, "1.00", 20), "typo")
    sql("UPDATE payments SET voided_on = %s WHERE voided_at IS NOT NULL", ago(15))
    last = {days: reports.late_customers(as_of=ago(days))[0]["last_payment_date"] for days in (31, 30, 20, 16, 15, 10)}
    assert last == {31: None, 30: ago(30), 20: ago(20), 16: ago(20), 15: ago(30), 10: ago(10)}
    assert reports.late_customers()[0]["last_payment_date"] == ago(10)


@pytest.mark.parametrize("sort", SORTS)
def test_late_as_of_today_is_the_same_as_late(people, sort):
    pay(people["Zoë Okafor"], "1.00", 2), pay(people["Zoë Okafor"], "1.00", -1)
    payments.void_payment(pay(people["Bo Li"], "1.00"), "typo")
    assert reports.late_customers(as_of=database.today(), sort=sort) == reports.late_customers(sort=sort)
    assert reports.late_total(database.today()) == reports.late_total()


@pytest.mark.parametrize("search", [None, "okafor"])
@pytest.mark.parametrize("days", [None, 20])
@pytest.mark.parametrize("sort", SORTS)
def test_a_stream_and_a_csv_have_the_whole_list(people, sort, days, search):
    as_of = days and ago(days)
    for listed, stream, export in (("late", reports.stream_late_customers, exporting.export_late),
                                   ("aging", reports.stream_aging, exporting.export_aging)):
        whole = rows_of(listed, as_of=as_of, sort=sort, search=search)
        assert whole
        assert list(stream(as_of, sort, search)) == whole
        file = io.BytesIO()
        assert export(file, as_of, sort, search) == len(whole)
        lines = list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))
        assert [line["name"] for line in lines] == names(whole)
        assert [set(line) for line in lines] == [set(row) for row in whole]


def test_a_csv_of_either_list_has_exact_amounts_and_no_cell_that_runs(db, sql):
    db.add_bill(db.add_customer("=1+1", "+44 20 7946 0958"), "Bill", Decimal("12.50"), ago(31))
    sql("UPDATE customers SET email = '=2@example.org'")
    sql("UPDATE billing SET issued_on = due_date")
    notes.add_note(1, None, ago(-3), Decimal("12.50"))
    late_file, aging_file = io.BytesIO(), io.BytesIO()
    exporting.export_late(late_file), exporting.export_aging(aging_file)
    assert late_file.getvalue().decode() == (
        "customer_id,name,phone_number,amount_late,oldest_due_date,days_late,last_payment_date,email,reference,promise,"
        "closed_on\n"
        f"""1,"'=1+1","'+44 20 7946 0958",12.50,{ago(31)},31,,"'=2@example.org","C1","""
        f'"promised 12.50 until {ago(-3)}",\n')
    assert aging_file.getvalue().decode() == (
        "customer_id,name,not_due,days_30,days_60,days_90,older,total,oldest_due_date\n"
        f"1,\"'=1+1\",0.00,0.00,12.50,0.00,0.00,12.50,{ago(31)}\n")


def test_the_export_of_the_late_list_is_the_one_of_today_the_longest_late_first(people):
    command, page = io.BytesIO(), io.BytesIO()
    exporting.export_to("late", command), exporting.export_late(page)
    assert command.getvalue() == page.getvalue()
    assert b"Zo\xc3\xab Okafor" in command.getvalue().splitlines()[1]
