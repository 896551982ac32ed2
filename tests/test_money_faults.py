"""What a void payment still counts for, whom a bill run bills, and what a form of money asks about."""
from __future__ import annotations

import contextlib
import json
import re
import threading
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import lines, wait_for

import database
from tracker import bill_run, errors, payments, reports
from tracker.terminal import commands
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
    assert "80.00" in before.rpartition("Credit")[2]
    assert "To pay 0.00, credit 0.00." in after


MONTH, DUE = date(2030, 1, 1), date(2030, 1, 15)


def subscribe(customer_id, cost="10.00"):
    return database.add_service(database.add_location(customer_id, "1 Harbour Street"), "Fibre", Decimal(cost))


def since(sql, customer_id, moment):
    sql("UPDATE customers SET created_at = %s WHERE customer_id = %s", moment, customer_id)


def test_bill_runs_go_on_while_customers_are_added_and_deleted_all_the_time(db, ada):
    subscribe(ada)
    ended, wrong = threading.Event(), []

    def come_and_go():
        while not ended.is_set():
            customer_id = database.add_customer("Somebody", "5550101")
            subscribe(customer_id)
            with contextlib.suppress(errors.Conflict):  # billed at the last moment
                database.delete_customer(customer_id, database.customer_contents(customer_id))

    others = [threading.Thread(target=come_and_go) for _ in range(2)]
    for other in others:
        other.start()
    for year in range(2030, 2055):
        try:
            bill_run.run(MONTH.replace(year=year), DUE)
        except errors.Error as exc:
            wrong.append(str(exc))
    ended.set()
    for other in others:
        other.join()
    assert wrong == []
    assert len(payments.unpaid_bills(ada)) == 25
    assert verify_books()[1] == []


@pytest.mark.parametrize(("end", "billed"), [("commit", 1), ("rollback", 2)])
def test_a_run_waits_for_a_deletion_and_leaves_out_only_who_is_gone(ada, uri, sql, end, billed):
    subscribe(ada)
    bo = database.add_customer("Bo Li", "5550101")
    subscribe(bo, "5.00")
    deletion = psycopg2.connect(uri)
    deletion.cursor().execute("DELETE FROM customers WHERE customer_id = %s", (bo,))
    results = []
    run = threading.Thread(target=lambda: results.append(bill_run.run(MONTH, DUE, Decimal("15.00"))))
    run.start()
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                         "WHERE wait_event_type = 'Lock' AND datname = current_database()"))
    getattr(deletion, end)()
    run.join()
    deletion.close()
    result, = results
    assert (result["created"], result["gone"]) == (billed, 2 - billed)


def test_who_is_only_being_changed_is_billed(ada, uri):
    subscribe(ada)
    change = psycopg2.connect(uri)
    change.cursor().execute("UPDATE customers SET name = 'Ada Li'")
    assert bill_run.run(MONTH, DUE)["created"] == 1
    change.close()


def test_a_run_that_asks_nothing_bills_what_there_is_when_it_runs(ada, monkeypatch):
    subscribe(ada)
    shown = bill_run.preview(MONTH)
    monkeypatch.setattr(bill_run, "preview", lambda period: {**shown, "total": Decimal("9.00")})
    arguments = commands.parser("", lambda _: 0, lambda _: 0).parse_args(["bill", "--period", "2030-01", "--yes"])
    assert commands.bill_command(arguments) == 0
    assert len(payments.unpaid_bills(ada)) == 1


@pytest.mark.parametrize(("moment", "billed"), [
    ("2026-03-31 23:59:59.999+02", 1), ("2026-04-01 00:00+02", 0), ("2026-03-31 23:00+00", 0), ("2026-03-01", 1),
    ("2026-04-15", 0),
])
def test_a_month_is_billed_to_who_was_there_before_it_ended_in_the_business_s_zone(ada, sql, run, moment, billed):
    subscribe(ada)
    since(sql, ada, moment)
    done = run("bill", "--period", "2026-03", "--due", "2099-01-01", "--yes", TIMEZONE="Europe/Berlin")
    assert f"bills for {billed} customer" in done.stdout
    assert ("Left out, since they came after 2026-03: 1 customer." in done.stdout) == (not billed)
    assert f"Created {billed}, skipped 0; {'10.00' if billed else '0.00'} billed" in done.stdout


def test_a_preview_and_its_run_leave_out_the_same_customers(ada, sql):
    subscribe(ada, "1.00")
    bo, cy = (database.add_customer(name, "5550101") for name in ("Bo", "Cy"))
    subscribe(bo, "2.00"), subscribe(cy, "4.00")
    since(sql, ada, "2026-03-31 12:00"), since(sql, bo, "2026-04-01 12:00"), since(sql, cy, "2026-03-01")
    period = date(2026, 3, 1)
    sql("INSERT INTO billing (customer_id, description, period, due_date, amount_billed) VALUES (%s, 'x', %s, %s, 0)",
        cy, period, DUE)
    shown = bill_run.preview(period)
    done = bill_run.run(period, DUE, shown["total"])
    assert (shown["customers"], shown["total"], shown["skipped"], shown["later"], shown["new"]) == (1, 1, 1, 1, 1)
    assert (done["created"], done["total"], done["skipped"], done["gone"]) == (1, 1, 1, 0)


@pytest.fixture
def too_much(ada, sql):
    """A customer whose services come to more than a bill can hold, and one who is billed as ever."""
    subscribe(ada, "9999999999.99")
    database.add_service(database.add_location(ada, "2 Dock Road"), "Fibre", Decimal("0.01"))
    bo = database.add_customer("Bo Li", "5550101")
    subscribe(bo)
    sql("UPDATE customers SET created_at = '2020-01-01'")
    return ada


NAMED = ("Customer 1, Ada Okafor, would be billed 10000000000.00, and no bill can be over more than 9999999999.99.\n"
         "Nobody is billed until their services cost less.\n")


@pytest.mark.parametrize("more", [["--dry-run"], ["--yes"], []])
def test_the_bill_command_names_whom_no_bill_can_be_made_for(too_much, run, sql, more):
    done = run("bill", "--period", "2030-01", *more)
    assert (done.returncode, done.stderr) == (1, NAMED)
    assert sql("SELECT 1 FROM billing") == []


def test_the_form_names_whom_no_bill_can_be_made_for_and_asks_for_no_total(too_much, run):
    done = run(answers=lines("5", "9", "2030-01", "2030-01-15", "0", "0"))
    assert done.stderr == NAMED
    assert "Type the total" not in done.stdout


def test_a_run_names_whom_no_bill_can_be_made_for_and_bills_nobody(too_much, sql):
    with pytest.raises(errors.Conflict) as caught:
        bill_run.run(MONTH, DUE)
    assert str(caught.value) == NAMED.splitlines()[0] + " Nobody was billed."
    assert sql("SELECT 1 FROM billing") == []


def test_who_is_billed_already_or_came_later_stops_no_run_however_much_their_services_cost(too_much, sql):
    since(sql, too_much, "2030-02-01")
    assert bill_run.preview(MONTH)["too_large"] == []
    assert bill_run.run(MONTH, DUE)["created"] == 1


def ago(days):
    return database.today() - timedelta(days=days)


@pytest.mark.parametrize("day", ["", "yesterday"])
def test_what_is_owed_by_age_says_what_it_is_and_leads_with_the_oldest_and_who_is_late(db, sql, run, day):
    for name, amount, days in (("Not due", 900, -9), ("Little late", 5, 20), ("Very late", 1, 200), ("Late", 50, 100)):
        db.add_bill(db.add_customer(name, "5550100"), "Bill", Decimal(amount), ago(days))
    sql("UPDATE billing SET issued_on = '2020-01-01'")
    screen = run(answers=lines("6", "2", day, "0", "0")).stdout.split("As of [today]: ")[1]
    title, _, _, *rows = screen.splitlines()[1:]
    assert title == "What is owed, by age, the oldest first: 56.00 of 956.00 is late."
    shown = [re.split("  +", row.strip()) for row in rows[:5]]
    assert [row[1] for row in shown[:4]] == ["Very late", "Late", "Little late", "Not due"]
    assert shown[4] == ["4 customers", "900.00", "5.00", "0.00", "0.00", "51.00", "956.00"]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_files_of_what_is_owed_by_age_keep_their_columns(db, ada, run, form):
    db.add_bill(ada, "Bill", Decimal(5), ago(3))
    output = run("aging-report", "--format", form).stdout
    columns = output.splitlines()[0].split(",") if form == "csv" else list(json.loads(output)[0])
    assert columns == ["customer_id", "name", "not_due", "days_30", "days_60", "days_90", "older", "total"]


def month(ahead):
    today = database.today()
    months = today.year * 12 + today.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)


# Of bills of runs and by hand: the month each is for, the one it was issued in, counted from this one, and its amount.
BILLS = [(1, 0, "10.01"), (0, 0, "20.02"), (-1, 0, "40.04"), (None, -1, "80.08"), (-11, -10, "160.16"), (2, 0, "0.03")]


@pytest.fixture
def revenue(db, ada, sql):
    for nth, (period, issued, amount) in enumerate(BILLS):
        sql("INSERT INTO billing (customer_id, description, period, issued_on, due_date, amount_billed) "
            "VALUES (%s, %s, %s, %s, '2030-01-01', %s)", ada, f"Bill {nth}",
            None if period is None else month(period), month(issued) + timedelta(days=0 if nth % 2 else 27), amount)


@pytest.mark.parametrize("by", ["period", "issue"])
def test_revenue_counts_a_bill_in_the_month_it_is_for_or_in_that_of_its_issue(revenue, by):
    billed = dict.fromkeys((month(ahead) for ahead in range(-11, 3 if by == "period" else 1)), Decimal(0))
    for period, issued, amount in BILLS:
        billed[month(issued if by == "issue" or period is None else period)] += Decimal(amount)
    assert [(row["month"], row["billed"]) for row in reports.monthly_revenue(by)] == list(billed.items())


def test_both_views_of_revenue_tie_to_the_cent(revenue):
    sums = {sum(row["billed"] for row in reports.monthly_revenue(by)) for by in ("period", "issue")}
    assert sums == {sum(Decimal(amount) for _, _, amount in BILLS)}


def test_a_run_made_before_its_month_is_that_month_s_revenue(ada, run):
    subscribe(ada)
    bill_run.run(month(1), DUE)
    shown = [run(*what, answers=answers).stdout for what, answers in (
        (("revenue-report",), ""), ((), lines("6", "3", "0", "0")), (("revenue-report", "--by", "issue"), ""))]
    assert [f"{month(1):%Y-%m}           10.00  ===" in screen for screen in shown] == [True, True, False]
    assert [f"{month(0):%Y-%m}           10.00  ===" in screen for screen in shown] == [False, False, True]
    for screen in shown[:2]:
        assert f"Billed (=), bills by the month they are for, and collected (#) since {month(-11):%Y-%m}" in screen
        assert "The other view counts bills by date of issue.\n" in screen
    assert "The other view counts bills by the month they are for.\n" in shown[2]


@pytest.mark.parametrize(("option", "command"), [
    ("--to", ("statement", "1", "--from", "2026-01-01", "--to")), ("--as-of", ("aging-report", "--as-of")),
])
def test_a_statement_and_aging_take_the_same_days(ada, run, option, command):
    database.add_bill(ada, "Bill", Decimal(5), ago(3))
    for day in (str(ago(0)), "today", "yesterday", "-1"):
        assert run(*command, day).returncode == 0
    for day in (str(ago(-1)), "tomorrow", "+1"):
        done = run(*command, day)
        assert (done.returncode, done.stderr) == (1, f"Enter a past day with {option}; {ago(-1)} is still to come.\n")
    done = run(*command, "2026-11-31")
    assert (done.returncode, "There is no day 31: November has 30 days." in done.stderr) == (2, True)


def test_both_forms_take_the_same_days(ada, run):
    for answers in (("2", "tomorrow"), ("4", "1", "", "tomorrow")):
        done = run(answers=lines("6", *answers))
        assert done.stderr == (f"Stopped at input line {len(answers) + 1}: Enter today, yesterday, or a date up to "
                               f"{ago(0)}, written like it.\n")


@pytest.mark.parametrize(("said", "days"), [("today", 0), ("tomorrow", 1), ("+14", 14), ("yesterday", -1)])
def test_a_due_date_is_said_as_other_dates_are_in_every_form_and_command(ada, run, sql, said, days):
    subscribe(ada)
    run(answers=lines("5", "2", "1", "By hand", "5", said, "9", "", said, "10.00", "4", "1", "", "", said, "0", "0"))
    run("bill", "--period", "2030-01", "--due", said, "--yes")
    assert {row["due_date"] for row in sql("SELECT due_date FROM billing")} == {ago(-days)}
    assert len(sql("SELECT 1 FROM billing")) == 3


def test_today_in_a_form_is_the_business_s_day(ada, run, sql):
    for zone in ("Etc/GMT-14", "Etc/GMT+12"):
        run(answers=lines("5", "2", "1", zone, "5", "today", "0", "0"), TIMEZONE=zone)
    rows = sql("SELECT description, due_date, issued_on FROM billing")
    assert all(row["due_date"] == row["issued_on"] for row in rows)
    assert len({row["due_date"] for row in rows}) == 2


@pytest.mark.parametrize(("days", "odd"), [
    (92, False), (93, True), (400, True), (-92, False), (-93, True), (-365, True),
])
def test_a_due_date_far_off_is_pointed_out_when_a_bill_is_added_or_changed(ada, run, days, odd):
    due_date = ago(-days)
    screen = run(answers=lines("5", "2", "1", "By hand", "5", str(due_date), "4", "1", "", "", "today",
                               "4", "1", "", "", str(due_date), "4", "1", "", "", "", "0", "0")).stdout
    months = abs((due_date.year - ago(0).year) * 12 + due_date.month - ago(0).month)
    said = f"Mind the due date: {due_date} is {months} months {'ahead' if days > 0 else 'ago'}.\n"
    assert screen.count("Mind the due date: ") == screen.count(said) == (2 if odd else 0)
    assert "Added bill 1" in screen


@pytest.mark.parametrize(("due", "odd"), [(92, False), (93, True)])
def test_a_due_date_far_off_is_pointed_out_before_a_run(ada, run, due, odd):
    subscribe(ada)
    far = str(month(0) + timedelta(days=due + 60))
    screen = run("bill", "--period", f"{month(0):%Y-%m}", "--due", far, "--dry-run")
    assert "Mind the due date: " in screen.stdout
    ahead = run("bill", "--period", f"{month(9):%Y-%m}", "--due", str(month(9) + timedelta(days=due)), "--dry-run")
    assert ("Mind the due date: " in ahead.stdout) == odd


PAY = ("5", "6", "1", "7.00", "", "")


@pytest.mark.parametrize(("earlier", "typed", "asked"), [
    ("TX-1", "TX-1", True), ("TX-1", "tx 1", True), ("TX-1", "TX-2", False), ("TX-1", "TX-11", False),
    ("TX-1", "", False), ("-", ".", False),
])
@pytest.mark.parametrize("payer", [1, 2])
def test_a_reference_that_is_recorded_already_is_asked_about(ada, run, earlier, typed, asked, payer):
    database.add_customer("Bo Li", "5550101")
    pay(payer, "80.00", ago(9), reference=earlier)
    screen = run(answers=lines(*PAY, typed, *(["no"] * asked), "0", "0")).stdout
    assert (f"Reference {typed} is recorded already:\n" in screen) == asked
    assert ("Type yes to record another one:" in screen) == ("Not recorded." in screen) == asked
    assert (f"{['Ada Okafor', 'Bo Li'][payer - 1]}" in screen.split("is recorded already:")[-1]) or not asked
    assert len(payments.list_payments(1)) + len(payments.list_payments(2)) == (1 if asked else 2)


def test_another_payment_of_a_reference_is_recorded_at_yes(ada, run):
    pay(ada, "80.00", ago(9), reference="TX-1")
    assert "Recorded payment 2" in run(answers=lines(*PAY, "TX-1", "yes", "0", "0")).stdout


def test_the_reference_of_a_void_payment_is_free_again(ada, run):
    payments.void_payment(pay(ada, "80.00", ago(9), reference="TX-1")["payment_id"], "bounced")
    assert "recorded already" not in run(answers=lines(*PAY, "TX-1", "0", "0")).stdout


def test_the_same_payment_twice_is_shown_once_and_asked_about_once(ada, run):
    pay(ada, "7.00", reference="TX-1")
    screen = run(answers=lines(*PAY, "TX-1", "no", "0", "0")).stdout
    assert (screen.count("recorded already"), screen.count("Type yes")) == (1, 1)


def test_a_reference_is_found_by_its_index(db, ada, sql):
    sql("INSERT INTO payments (customer_id, amount, reference) SELECT 1, 1, 'R-' || n FROM generate_series(1, 5000) n")
    sql("ANALYZE payments")
    plan = sql("EXPLAIN SELECT 1 FROM payments WHERE folded(reference) = folded('R-7') AND voided_at IS NULL")
    assert "payments_reference" in str(plan)


@pytest.mark.parametrize(("paid", "asked"), [("999.99", False), ("1000", True), ("1000000", True)])
def test_a_large_payment_of_who_owes_nothing_and_has_no_service_is_asked_about(ada, run, paid, asked):
    screen = run(answers=lines("5", "6", "1", paid, "", "", "", *(["no"] * asked), "0", "0")).stdout
    said = f"Nothing is owed, and no service is billed; all of the {Decimal(paid):.2f} will be credit."
    assert (said in screen) == ("Not recorded." in screen) == asked


def test_a_statement_does_not_tell_the_customer_why_a_payment_was_voided(ada, void, run):
    statement = run("statement", "1", "--from", "today").stdout
    assert "Void of payment 1 " in statement
    assert "bounced" not in statement
    assert payments.list_payments(ada)[0]["void_reason"] == "bounced"


def test_a_statement_keeps_its_columns_at_the_largest_amounts(ada, run):
    for _ in range(3):
        description = "A description that is as long as the column is wide, and longer"
        database.add_bill(ada, description, Decimal("9999999999.99"), ago(3))
    pay(ada, "9999999999.99")
    rows = [line for line in run("statement", "1", "--from", "today").stdout.splitlines()[3:]
            if line.startswith(str(ago(0)))]
    assert {len(row) for row in rows} == {79}
    assert [row.split()[-2:] for row in rows[1:-1]] == [
        ["9999999999.99", "9999999999.99"], ["9999999999.99", "19999999999.98"], ["9999999999.99", "29999999999.97"],
        ["-9999999999.99", "19999999999.98"]]


def test_an_undo_that_removes_nothing_says_what_stays(ada, run):
    subscribe(ada)
    bill_run.run(MONTH, DUE)
    pay(ada, "1.00")
    screen = run(answers=lines("5", "10", "2030-01", "0", "0")).stdout
    assert "1 bill stayed, since it was paid on, or its account is closed:\n" in screen
    assert "emove" not in screen.split("Undo a bill run\n")[-1]
