"""Reports at their edges: the day itself, the day before and after; equal rows in order; pages that miss nothing."""
from __future__ import annotations

import calendar
import csv
import io
import itertools
import json
import re
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

import database
from tracker import errors, payments, reports
from tracker.terminal import screens
from tracker.transfer import exporting

BUCKETS = ("not_due", "days_30", "days_60", "days_90", "older")
EDGES = {-1: "not_due", 0: "not_due", 1: "days_30", 30: "days_30", 31: "days_60", 60: "days_60", 61: "days_90",
         90: "days_90", 91: "older"}


def ago(days):
    return database.today() - timedelta(days=days)


def pay(customer_id, amount, paid_on=None, **more):
    values = {"method": "cash", "reference": None, "entry_key": uuid4(), **more}
    return payments.record_payment(customer_id, Decimal(amount), paid_on or database.today(), **values)


def bill(customer_id, amount, days_ago=0, description="Bill"):
    return database.add_bill(customer_id, description, Decimal(amount), ago(days_ago)).billing_id


def months_ago(count):
    """Return the first day of a month that is so many months ago."""
    today = database.today()
    month = today.year * 12 + today.month - 1 - count
    return date(month // 12, month % 12 + 1, 1)


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def edges(db, sql):
    """A customer for each edge of a bucket, with two bills that were due so many days ago and a sum of their own."""
    ids = {}
    for nth, days in enumerate(EDGES):
        ids[days] = db.add_customer(f"Due {days} days ago", "5550100")
        bill(ids[days], 30, days), bill(ids[days], 70 - nth, days)
    sql("UPDATE billing SET issued_on = '2020-01-01'")
    return ids


def expected_row(days, nth):
    """Return the buckets of a customer of edges: the whole amount in one, and nothing in the others."""
    amount = Decimal(100 - nth)
    return {**dict.fromkeys(BUCKETS, Decimal(0)), EDGES[days]: amount, "total": amount}


def expected_rows(edges):
    """Return the rows of the customers of edges: the longest late first, who is not late last."""
    return [expected_row(days, nth) for nth, days in enumerate(edges)][::-1]


def buckets(row):
    return {key: Decimal(row[key]) for key in (*BUCKETS, "total")}


def test_each_bucket_holds_its_days_and_no_other_does(edges):
    rows = reports.aging()
    assert [row["customer_id"] for row in rows] == list(edges.values())[::-1]
    assert [buckets(row) for row in rows] == expected_rows(edges)


def test_each_bucket_of_a_past_day_holds_its_days_and_no_other_does(edges, sql):
    sql("UPDATE billing SET due_date = due_date - 200")
    rows = reports.aging(ago(200))
    assert [buckets(row) for row in rows] == expected_rows(edges)


def test_the_streamed_aging_report_is_the_paged_one(edges):
    assert list(reports.stream_aging()) == reports.aging()
    assert list(reports.stream_aging(ago(30))) == reports.aging(ago(30))


@pytest.mark.parametrize("days", EDGES)
def test_the_aging_total_has_each_edge_in_one_bucket_alone(db, ada, days):
    bill(ada, "7.00", days)
    total = reports.aging_total()
    assert (total["customers"], buckets(total)) == (
        1, {**dict.fromkeys(BUCKETS, 0), EDGES[days]: Decimal(7), "total": Decimal(7)})


@pytest.mark.parametrize("days", [days for days in EDGES if days >= 0])
def test_the_aging_total_of_a_past_day_has_each_edge_in_one_bucket_alone(ada, sql, days):
    bill(ada, "7.00", days + 5)
    sql("UPDATE billing SET issued_on = '2020-01-01'")
    total = buckets(reports.aging_total(ago(5)))
    assert total == {**dict.fromkeys(BUCKETS, 0), EDGES[days]: Decimal(7), "total": Decimal(7)}


def test_the_aging_total_is_the_sum_of_the_rows(edges):
    bill(edges[31], "5.00", 2)
    rows = reports.aging()
    total = reports.aging_total()
    assert total["customers"] == len(rows) == len(EDGES)
    assert buckets(total) == {key: sum(row[key] for row in rows) for key in (*BUCKETS, "total")}


def test_the_aging_report_of_nobody_is_nothing(db):
    assert (reports.aging(), list(reports.stream_aging())) == ([], [])
    assert set(reports.aging_total().values()) == {0}


def test_the_aging_report_as_csv_has_every_edge_in_its_bucket(edges, run):
    rows = list(csv.DictReader(io.StringIO(run("aging-report", "--format", "csv").stdout)))
    assert [buckets(row) for row in rows] == expected_rows(edges)


def test_the_aging_report_as_json_has_every_edge_in_its_bucket(edges, run):
    rows = json.loads(run("aging-report", "--format", "json").stdout)
    assert [buckets(row) for row in rows] == expected_rows(edges)


def test_the_aging_report_as_a_table_has_every_edge_in_its_bucket_and_ends_with_the_sums(edges, run):
    header, _, *rows, last = run("aging-report").stdout.splitlines()
    assert re.split("  +", header.strip()) == [
        "ID", "Customer", "Current", "1-30", "31-60", "61-90", "Over 90", "Total"]
    expected = expected_rows(edges)
    for row, amounts in zip(rows, expected):
        assert row.split()[-6:] == [f"{amounts[key]:.2f}" for key in (*BUCKETS, "total")]
    assert len(rows) == len(expected)
    assert last.split() == [str(len(EDGES)), "customers",
                            *(f"{sum(row[key] for row in expected):.2f}" for key in (*BUCKETS, "total"))]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_the_aging_report_have_everybody_once_when_the_oldest_bills_are_equal(db, size, rewritten):
    ids = [db.add_customer(f"C{nth}", "5550100") for nth in range(7)]
    for customer_id, days in zip(ids, (5, 9, 5, 5, 9, -1, 5)):
        bill(customer_id, 10 - days, -9), bill(customer_id, 7, days)
    rewritten("billing", 1)
    rewritten("customers", 1)
    seen, after = [], None
    while (page := reports.aging(None, after, size)) and len(seen) < 20:
        assert len(page) <= size
        seen += [row["customer_id"] for row in page]
        after = page[-1]["oldest_due_date"], page[-1]["customer_id"]
    assert seen == [ids[nth] for nth in (1, 4, 0, 2, 3, 6, 5)]
    assert [row["customer_id"] for row in reports.stream_aging()] == seen


@pytest.mark.parametrize(("as_of", "code", "words"), [
    (1, 0, "20.00"), (0, 0, "20.00"), (-1, 1, "Enter a past day with --as-of; {} is still to come."),
])
def test_the_aging_command_answers_for_past_days_and_today(ada, run, sql, as_of, code, words):
    bill(ada, "20.00", 5)
    sql("UPDATE billing SET issued_on = due_date")
    done = run("aging-report", "--as-of", str(ago(as_of)))
    assert done.returncode == code
    assert words.format(ago(as_of)) in done.stdout + done.stderr


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_the_aging_command_answers_for_the_day_that_is_given_in_every_form(ada, run, sql, form):
    bill(ada, "20.00", 5)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "8.00")
    then = run("aging-report", "--as-of", str(ago(1)), "--format", form).stdout
    now = run("aging-report", "--format", form).stdout
    assert ("20.00" in then, "12.00" in then, "20.00" in now, "12.00" in now) == (True, False, False, True)


def owed(day):
    return reports.aging_total(day)["total"]


def test_a_bill_is_owed_from_the_day_on_which_it_is_issued(ada, sql):
    bill(ada, "20.00")
    sql("UPDATE billing SET issued_on = %s, due_date = %s", ago(10), ago(2))
    assert [owed(ago(days)) for days in (11, 10, 9)] == [0, 20, 20]


def test_a_bill_of_today_was_not_owed_yesterday(ada):
    bill(ada, "20.00")
    assert [owed(ago(days)) for days in (1, 0)] == [0, 20]


@pytest.mark.parametrize(("paid", "left"), [("20.00", 0), ("19.99", Decimal("0.01")), ("8.00", 12)])
def test_a_payment_counts_from_its_own_day(ada, sql, paid, left):
    bill(ada, "20.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, paid, ago(10))
    assert [owed(ago(days)) for days in (11, 10, 9, 0)] == [20, left, left, left]


def test_payments_in_part_count_each_from_its_own_day(ada, sql):
    bill(ada, "20.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "8.00", ago(10))
    pay(ada, "12.00", ago(5))
    assert [owed(ago(days)) for days in (11, 10, 6, 5, 4, 0)] == [20, 12, 12, 0, 0, 0]


def test_payments_in_part_count_together(ada, sql):
    bill(ada, "20.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "8.00", ago(10))
    pay(ada, "4.00", ago(5))
    assert [owed(ago(days)) for days in (11, 10, 6, 5, 4, 0)] == [20, 12, 12, 8, 8, 8]


def test_a_void_payment_counts_up_to_the_day_before_its_void(ada, sql):
    bill(ada, "20.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "20.00", ago(10))
    payments.void_payment(1, "bounced")
    sql("UPDATE payments SET voided_at = %s::date + time '12:00'", ago(5))
    assert [owed(ago(days)) for days in (11, 10, 6, 5, 4, 1, 0)] == [20, 0, 0, 20, 20, 20, 20]


def test_whoever_owed_nothing_on_a_day_is_not_in_its_report_nor_counted(ada, sql):
    bill(ada, "20.00", 20), bill(ada, "0.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "20.00", ago(10))
    payments.void_payment(1, "bounced")
    assert (reports.aging(ago(5)), reports.aging_total(ago(5))["customers"]) == ([], 0)
    row, = reports.aging()
    assert (row["total"], reports.aging_total()["customers"]) == (20, 1)


def test_a_payment_that_was_voided_today_counted_yesterday(ada, sql):
    bill(ada, "20.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "8.00", ago(10))
    payments.void_payment(1, "bounced")
    assert [owed(ago(days)) for days in (11, 10, 1, 0)] == [20, 12, 12, 20]


def test_a_payment_on_the_day_of_issue_leaves_nothing_owed_on_that_day(ada, sql):
    bill(ada, "20.00")
    sql("UPDATE billing SET issued_on = %s, due_date = %s", ago(10), ago(2))
    pay(ada, "20.00", ago(10))
    assert [owed(ago(days)) for days in (11, 10, 9)] == [0, 0, 0]


def test_a_bill_that_was_paid_by_a_later_day_was_owed_before(ada, sql):
    bill(ada, "20.00", 20)
    sql("UPDATE billing SET issued_on = due_date")
    pay(ada, "20.00")
    assert [owed(ago(days)) for days in (1, 0)] == [20, 0]


def test_a_day_to_come_is_answered_as_today(ada):
    bill(ada, "20.00", 20)
    row, = reports.aging(ago(-15))
    assert (row["days_60"], row["total"]) == (20, 20)


def test_the_late_report_begins_on_the_day_after_a_bill_was_due(db, ada):
    for days in (-1, 0, 1):
        bill(ada, 10 + days, days)
    row, = reports.late_customers()
    assert (row["amount_late"], row["oldest_due_date"], row["days_late"]) == (11, ago(1), 1)
    assert reports.late_total() == {"customers": 1, "amount": 11}


@pytest.mark.parametrize(("days", "late"), [(0, False), (1, True)])
def test_every_screen_and_file_agrees_from_which_day_a_bill_is_late(ada, run, days, late):
    bill(ada, "10.00", days)
    assert len(reports.late_customers()) == len(list(reports.stream_late_customers())) == late
    unpaid, = reports.get_account(ada)["unpaid_bills"]
    assert unpaid["days_late"] == days
    assert database.get_bill(1)["is_late"] == late
    assert payments.unpaid_bills(ada)[0]["days_late"] == days
    assert len(json.loads(run("late-report", "--format", "json").stdout)) == late
    assert run("export", "bills").stdout.splitlines()[1].endswith(",t" if late else ",f")


def test_a_late_bill_that_is_paid_in_part_is_late_with_the_rest_and_a_paid_one_is_not(db, ada):
    bill(ada, "10.00", 5), bill(ada, "7.00", 3)
    pay(ada, "9.99")
    other = db.add_customer("Bo Li", "5550100")
    bill(other, "10.00", 9), pay(other, "10.00")
    row, = reports.late_customers()
    assert (row["amount_late"], row["oldest_due_date"]) == (Decimal("7.01"), ago(5))
    assert reports.late_total() == {"customers": 1, "amount": Decimal("7.01")}


def test_the_last_payment_of_a_late_customer_is_the_latest_by_its_day(ada):
    bill(ada, "10.00", 5)
    for days in (3, 1, 9):
        pay(ada, "1.00", ago(days))
    assert reports.late_customers()[0]["last_payment_date"] == ago(1)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_the_late_report_have_everybody_once_when_days_are_equal(db, size, rewritten):
    ids = [db.add_customer(f"C{nth}", "5550100") for nth in range(7)]
    for customer_id, days in zip(ids, (5, 9, 5, 5, 9, 1, 5)):
        for late in (days, 1, 0):
            bill(customer_id, 3, late)
    rewritten("billing", 1)
    rewritten("customers", 1)
    seen, after = [], None
    while (page := reports.late_customers(after, size)) and len(seen) < 20:
        assert len(page) <= size
        seen += [row["customer_id"] for row in page]
        after = page[-1]["oldest_due_date"], page[-1]["customer_id"]
    assert seen == [ids[nth] for nth in (1, 4, 0, 2, 3, 6, 5)]
    assert list(reports.stream_late_customers()) == reports.late_customers()
    assert [row["customer_id"] for row in reports.stream_late_customers()] == seen


def test_recurring_revenue_comes_by_amount_and_equal_amounts_by_name(db, ada):
    here = db.add_location(ada, "1 Harbour Street")
    for name, cost in (("Phone", 10), ("Fibre", 10), ("Transit", "10.01"), ("TV", 1), ("TV", 2), ("Static IP", 0)):
        db.add_service(here, name, Decimal(cost))
    assert [(row["service_name"], row["services"], row["monthly"]) for row in reports.recurring_revenue()] == [
        ("Transit", 1, Decimal("10.01")), ("Fibre", 1, 10), ("Phone", 1, 10), ("TV", 2, 3), ("Static IP", 1, 0)]


def test_revenue_has_the_last_twelve_months_in_order(db):
    assert reports.monthly_revenue() == [
        {"month": months_ago(count), "billed": 0, "credited": 0, "written_off": 0, "collected": 0, "refunded": 0}
        for count in range(11, -1, -1)]


@pytest.mark.parametrize("count", [0, 1, 11])
@pytest.mark.parametrize("which", ["first", "last"])
def test_revenue_counts_a_month_from_its_first_day_to_its_last(ada, sql, count, which):
    first = months_ago(count)
    day = first if which == "first" else first.replace(day=calendar.monthrange(first.year, first.month)[1])
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "VALUES (%s, 'Bill', 20, %s, %s)", ada, day, day)
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (%s, 8, %s)", ada, day)
    months = {row["month"]: (row["billed"], row["collected"]) for row in reports.monthly_revenue()}
    assert {month: amounts for month, amounts in months.items() if any(amounts)} == {first: (20, 8)}


def test_revenue_leaves_out_what_is_older_than_twelve_months(ada, sql):
    day = months_ago(11) - timedelta(days=1)
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "VALUES (%s, 'Bill', 20, %s, %s)", ada, day, day)
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (%s, 8, %s)", ada, day)
    assert {(row["billed"], row["collected"]) for row in reports.monthly_revenue()} == {(0, 0)}


def test_revenue_leaves_voids_out_and_keeps_what_was_billed_and_not_paid(ada):
    bill(ada, "20.00")
    pay(ada, "8.00")
    payments.void_payment(pay(ada, "4.00")["payment_id"], "typo")
    last = reports.monthly_revenue()[-1]
    assert (last["billed"], last["collected"]) == (20, 8)


def test_a_statement_opens_before_its_first_day_and_closes_with_its_last(ada, sql):
    for days, amount in ((11, 1), (10, 2), (5, 4), (4, 8)):
        sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
            "VALUES (%s, 'Bill', %s, %s, %s)", ada, amount, ago(days), ago(days))
    row = reports.get_statement(ada, ago(10), ago(5))
    assert (row["opening"], row["closing"]) == (1, 7)
    assert [Decimal(entry["amount"]) for entry in row["entries"]] == [2, 4]


def test_a_statement_counts_payments_and_voids_on_the_edge_days_likewise(ada, sql):
    for days, amount in ((11, 1), (10, 2), (5, 4), (4, 8)):
        pay(ada, amount, ago(days))
    row = reports.get_statement(ada, ago(10), ago(5))
    assert (row["opening"], row["closing"]) == (-1, -7)
    for payment_id, days in ((1, 11), (2, 10), (3, 5), (4, 4)):
        payments.void_payment(payment_id, "typo")
        sql("UPDATE payments SET voided_at = %s::date + time '12:00' WHERE payment_id = %s", ago(days), payment_id)
    row = reports.get_statement(ada, ago(10), ago(5))
    assert (row["opening"], row["closing"]) == (0, 0)
    assert [(entry["kind"], entry["record_id"], Decimal(entry["amount"])) for entry in row["entries"]] == [
        ("payment", 2, -2), ("void", 2, 2), ("payment", 3, -4), ("void", 3, 4)]


def test_a_statement_of_one_day_has_that_day(ada):
    bill(ada, "5.00")
    row = reports.get_statement(ada, database.today(), database.today())
    assert (row["opening"], row["closing"], len(row["entries"])) == (0, 5, 1)
    row = reports.get_statement(ada, ago(-1), ago(-1))
    assert (row["opening"], row["closing"], row["entries"]) == (5, 5, [])


def test_a_day_of_a_statement_has_bills_then_payments_then_voids_each_by_id(db, ada, rewritten):
    for amount in ("1.00", "2.00", "3.00"):
        pay(ada, amount)
    for amount in ("10.00", "20.00"):
        bill(ada, amount)
    for payment_id in (2, 1):
        payments.void_payment(payment_id, "typo")
    rewritten("billing", 1)
    rewritten("payments", 1)
    row = reports.get_statement(ada, database.today(), database.today())
    assert [(entry["kind"], entry["record_id"]) for entry in row["entries"]] == [
        ("bill", 1), ("bill", 2), ("payment", 1), ("payment", 2), ("payment", 3), ("void", 1), ("void", 2)]


def test_the_entries_of_a_statement_say_what_they_are(ada):
    database.update_bill(bill(ada, "10.00", 3, "Installation"), amount=Decimal("12.00"))
    pay(ada, "1.00", method="cheque", reference="R-1"), pay(ada, "2.00")
    payments.void_payment(1, "bounced")
    row = reports.get_statement(ada, ago(0), ago(0))
    assert (row["customer_id"], row["name"], row["phone_number"]) == (ada, "Ada Okafor", "+44 20 7946 0958")
    assert [entry["description"] for entry in row["entries"]] == [
        f"Installation, due {ago(3)}", "cheque, R-1", "cash", "of payment 1"]
    assert [(item["description"], Decimal(item["amount"])) for item in row["entries"][0]["items"]] == [
        ("Installation", 10), ("Adjustment", 2)]
    assert {entry["day"] for entry in row["entries"]} == {str(database.today())}
    assert [entry["items"] for entry in row["entries"][1:]] == [None, None, None]


def test_the_lines_of_a_bill_come_by_id(ada, rewritten):
    billing_id = bill(ada, "10.00", 3, "Installation")
    for amount in (12, 15):
        database.update_bill(billing_id, amount=Decimal(amount))
    rewritten("billing_items", 1)
    expected = [("Installation", 10), ("Adjustment", 2), ("Adjustment", 3)]
    entry, = reports.get_statement(ada, ago(0), ago(0))["entries"]
    for items in (entry["items"], database.get_bill(billing_id)["items"]):
        assert [(item["description"], Decimal(item["amount"])) for item in items] == expected


def test_a_statement_is_of_one_customer(db, ada):
    other = db.add_customer("Bo Li", "5550100")
    bill(other, "10.00"), pay(other, "30.00")
    payments.void_payment(1, "typo")
    row = reports.get_statement(ada, ago(5), ago(0))
    assert (row["opening"], row["closing"], row["entries"]) == (0, 0, [])


@pytest.mark.parametrize("read", [lambda: reports.get_statement(7, ago(1), ago(0)), lambda: reports.get_account(7)],
                         ids=["statement", "account"])
def test_there_is_no_report_of_nobody(db, ada, read):
    with pytest.raises(errors.NotFound, match=r"^There is no customer 7\.$"):
        read()


def test_a_statement_is_printed_with_a_running_balance(ada, run, sql):
    bill(ada, "10.00", 0, "First")
    pay(ada, "4.00")
    sql("UPDATE billing SET issued_on = %s", ago(1))
    printed = run("statement", str(ada), "--from", str(ago(1)), "--to", str(ago(0))).stdout.splitlines()
    assert [re.split("  +", line.strip())[-2:] for line in printed if re.match(r"\d{4}-", line)] == [
        ["Opening balance", "0.00"], ["10.00", "10.00"], ["-4.00", "6.00"], ["Closing balance", "6.00"]]
    printed = run("statement", str(ada), "--from", str(ago(1)), "--to", str(ago(1))).stdout
    assert "Closing balance" in printed
    assert "10.00" in printed.splitlines()[-1]
    assert "-4.00" not in printed


@pytest.mark.parametrize(("paid", "said"), [("10.00", False), ("10.01", True)])
def test_a_statement_says_what_is_credit_for_coming_bills(ada, run, paid, said):
    bill(ada, "10.00")
    pay(ada, paid)
    printed = run("statement", str(ada), "--from", str(ago(1))).stdout.splitlines()
    assert [line.strip() for line in printed if "credit" in line] == ["0.01 is credit for coming bills."] * said


@pytest.fixture
def crowded(db, sql, ada, rewritten):
    """An account with several of everything, each list of which is stored in another order than it is shown."""
    for address in ("3 Quay", "1 Quay", "2 Quay"):
        db.add_location(ada, address)
    for service, cost in (("Phone", "5.00"), ("Fibre", "49.90"), ("TV", "0.10")):
        db.add_service(1, service, Decimal(cost))
    db.add_service(3, "Fibre", Decimal("20.00"))
    for device in ("Router", "Antenna", "Modem"):
        db.add_equipment(1, device, None, Decimal("30.00"))
    for table in ("locations", "services", "equipment"):
        rewritten(table, 1)
    return ada


def test_an_account_has_its_sites_services_and_equipment_by_id(crowded):
    sites = reports.get_account(crowded)["locations"]
    assert [site["location_id"] for site in sites] == [1, 2, 3]
    assert [[service["service_id"] for service in site["services"]] for site in sites] == [[1, 2, 3], [], [4]]
    assert [[device["equipment_id"] for device in site["equipment"]] for site in sites] == [[1, 2, 3], [], []]


def test_a_monthly_total_is_of_all_services_at_all_sites_of_one_customer(db, crowded):
    other = db.add_customer("Bo Li", "5550100")
    db.add_service(db.add_location(other, "1 Quay"), "Fibre", Decimal("7.00"))
    assert reports.get_account(crowded)["monthly_total"] == 75
    assert reports.get_account(other)["monthly_total"] == 7


def test_an_account_without_anything_has_nothing(ada):
    account = reports.get_account(ada)
    nothing = {"locations": [], "unpaid_bills": [], "paid_bills": [], "monthly_total": 0, "amount_due": 0, "credit": 0,
               "paid_bill_count": 0, "customer_since": database.today()}
    assert {key: account[key] for key in nothing} == nothing


def test_an_account_has_its_unpaid_bills_by_due_date_and_those_of_one_day_by_id(ada, rewritten):
    for days in (3, 9, 3, 5, 9):
        bill(ada, "2.00", days)
    rewritten("billing", 1, 2)
    account = reports.get_account(ada)
    assert [row["billing_id"] for row in account["unpaid_bills"]] == [2, 5, 4, 1, 3]
    assert (account["amount_due"], account["paid_bills"]) == (10, [])


@pytest.mark.parametrize("count", [2, 3, 4])
def test_an_account_shows_the_latest_three_paid_bills_and_counts_all(ada, count):
    for days in range(count):
        bill(ada, "1.00", 10 * days)
    pay(ada, count)
    account = reports.get_account(ada)
    assert [row["billing_id"] for row in account["paid_bills"]] == [1, 2, 3][:count]
    assert account["paid_bill_count"] == count


def test_paid_bills_of_one_day_come_newest_first(ada, rewritten):
    for _ in range(5):
        bill(ada, "1.00", 3)
    pay(ada, 5)
    rewritten("billing", 1)
    assert [row["billing_id"] for row in reports.get_account(ada)["paid_bills"]] == [5, 4, 3]


def test_an_account_shows_every_payment_on_an_unpaid_bill_by_day_and_id(ada, rewritten):
    bill(ada, "10.00", 3)
    for days in (1, 9, 1):
        pay(ada, "1.00", ago(days))
    payments.void_payment(3, "typo")
    rewritten("payments", 1)
    unpaid, = reports.get_account(ada)["unpaid_bills"]
    assert [(p["payment_id"], p["paid_on"], p["voided_on"]) for p in unpaid["payments"]] == [
        (2, str(ago(9)), None), (1, str(ago(1)), None), (3, str(ago(1)), str(ago(0)))]
    assert [Decimal(unpaid[f"amount_{what}"]) for what in ("billed", "paid", "due")] == [10, 2, 8]
    assert (unpaid["description"], unpaid["due_date"], unpaid["days_late"], unpaid["today"]) == (
        "Bill", str(ago(3)), 3, str(ago(0)))


def test_an_account_has_the_credit_of_its_customer_alone(db, ada):
    other = db.add_customer("Bo Li", "5550100")
    pay(ada, "5.00"), pay(ada, "0.50"), pay(other, "70.00")
    assert [account["credit"] for account in reports.list_accounts()] == [Decimal("5.50"), 70]


def test_accounts_come_by_id_page_after_page_and_none_is_left_out_or_twice(db, sql, rewritten):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Customer ' || i, '5550100' FROM generate_series(1, 45) AS i")
    rewritten("customers", 1)
    assert [row["customer_id"] for row in reports.list_accounts()] == list(range(1, 21))
    assert [row["customer_id"] for row in reports.list_accounts(20, 2)] == [21, 22]
    assert [row["customer_id"] for row in itertools.islice(reports.each_account(), 99)] == list(range(1, 46))
    assert list(reports.each_account()) == list(reports.stream_accounts())


def test_the_account_report_as_csv_has_each_record_with_its_amounts(crowded, run):
    bill(crowded, "10.00", 3), bill(crowded, "4.00", 9)
    pay(crowded, "5.00")
    rows = list(csv.DictReader(io.StringIO(run("account-report", "--format", "csv").stdout)))
    assert [(row["record"], row["record_id"], row["amount"], row["due_date"], row["amount_due"]) for row in rows] == [
        ("customer", "1", "75.00", "", ""),
        ("location", "1", "", "", ""), ("service", "1", "5.00", "", ""), ("service", "2", "49.90", "", ""),
        ("service", "3", "0.10", "", ""), ("equipment", "1", "30.00", "", ""), ("equipment", "2", "30.00", "", ""),
        ("equipment", "3", "30.00", "", ""), ("location", "2", "", "", ""), ("location", "3", "", "", ""),
        ("service", "4", "20.00", "", ""),
        ("bill", "1", "10.00", str(ago(3)), "9.00"), ("bill", "2", "4.00", str(ago(9)), "0.00"),
    ]


def exported(what):
    file = io.BytesIO()
    exporting.export_to(what, file)
    return list(csv.DictReader(io.StringIO(file.getvalue().decode())))


@pytest.mark.parametrize(("what", "key"), [
    ("bills", "billing_id"), ("payments", "payment_id"), ("late", "customer_id"),
])
def test_an_export_comes_in_its_order(what, key, db, rewritten):
    for name in ("Ada", "Bo", "Cy"):
        customer_id = db.add_customer(name, "5550100")
        bill(customer_id, "10.00", 5)
        pay(customer_id, "4.00")
    for table in ("billing", "payments", "customers"):
        rewritten(table, 1)
    assert [row[key] for row in exported(what)] == ["1", "2", "3"]


def test_an_export_of_accounts_comes_by_customer_and_site_with_services_and_devices_by_id(crowded, db, rewritten):
    db.add_location(db.add_customer("Bo Li", "5550100"), "1 Quay")
    rewritten("customers", 1)
    columns = ("customer_id", "address", "service_name", "equipment_name")
    assert [tuple(row[column] for column in columns) for row in exported("accounts")] == [
        ("1", "3 Quay", "Phone", "Router"), ("1", "3 Quay", "Fibre", "Antenna"), ("1", "3 Quay", "TV", "Modem"),
        ("1", "1 Quay", "", ""), ("1", "2 Quay", "Fibre", ""), ("2", "1 Quay", "", "")]


@pytest.mark.parametrize(("billed", "collected", "bars"), [
    ((1000, 500), (0, 0), ["=" * 24, "", "=" * 12, ""]), ((1000, 1), (1, 2), ["=" * 24, "#", "=", "#"]),
    ((500, 0), (1000, 250), ["=" * 12, "#" * 24, "", "#" * 6]), ((0, 0), (0, 0), ["", "", "", ""]),
])
def test_a_bar_is_as_long_as_its_amount_and_never_nothing_for_something(billed, collected, bars):
    months = [{"month": date(2026, 11 + nth, 1), "billed": Decimal(billed[nth]), "credited": 0, "written_off": 0,
               "collected": Decimal(collected[nth]), "refunded": 0} for nth in range(2)]
    *_, a, b, c, d = screens.revenue_lines([], months)
    assert [re.search(r"[=#]*$", line)[0] for line in (a, b, c, d)] == bars


def test_revenue_ends_its_services_with_their_sum(crowded):
    lines = list(screens.revenue_lines(reports.recurring_revenue(), reports.monthly_revenue()))
    assert [re.split("  +", line.strip()) for line in lines[3:8]] == [
        ["Fibre", "2", "69.90"], ["Phone", "1", "5.00"], ["TV", "1", "0.10"], ["Total", "4", "75.00"], [""]]


@pytest.mark.parametrize(("days", "state", "why"), [
    (2, "2 days late", True), (1, "1 day late", True), (0, "due {}", False), (-1, "due {}", False),
])
def test_an_account_says_of_an_unpaid_bill_how_late_it_is_and_why(ada, days, state, why):
    bill(ada, "10.00", days)
    lines = list(screens.account_lines(reports.get_account(ada)))
    assert [re.split("  +", line.strip()) for line in lines if "Bill" in line] == [
        ["Bill 1", "Bill", f"{state.format(ago(days))}, to pay", "10.00"]]
    reason = [line.strip() for line in lines if line.startswith("      ")]
    assert reason == [f"Due {ago(days)}, today {ago(0)}, billed 10.00.", "No payments on it."] * why


def test_an_account_lists_the_payments_on_an_unpaid_bill_with_their_voids(ada):
    bill(ada, "10.00", -5)
    pay(ada, "1.00"), pay(ada, "2.00", ago(3))
    payments.void_payment(1, "typo")
    lines = list(screens.account_lines(reports.get_account(ada)))
    assert [line.strip() for line in lines if line.startswith("      ")] == [
        f"Due {ago(-5)}, today {ago(0)}, billed 10.00.", f"Payment 2 on {ago(3)}: 2.00.",
        f"Payment 1 on {ago(0)}: 1.00, void since {ago(0)}."]


@pytest.mark.parametrize(("paid", "said"), [(2, []), (3, []), (4, ["and 1 earlier"]), (6, ["and 3 earlier"])])
def test_an_account_counts_the_paid_bills_that_it_does_not_show(ada, paid, said):
    for days in range(paid):
        bill(ada, "1.00", days)
    pay(ada, paid)
    lines = [line.strip() for line in screens.account_lines(reports.get_account(ada))]
    assert [line for line in lines if "earlier" in line] == said
