"""What the menus ask before money moves, what they say of it, and what they leave alone."""
from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import PROMPT, lines, sentence, there_since, wait_for

import database
from tracker import bill_run, payments

pytestmark = pytest.mark.slow


def ago(days):
    return database.today() - timedelta(days=days)


def month(ahead):
    """Return a month so many months ahead, as it is typed."""
    today = database.today()
    months = today.year * 12 + today.month - 1 + ahead
    return f"{months // 12}-{months % 12 + 1:02}"


def pay(customer_id, amount, paid_on=None):
    return payments.record_payment(customer_id, Decimal(amount), paid_on or database.today(), "cash", None, uuid4())


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def subscriber(db, ada):
    db.add_service(db.add_location(ada, "1 Harbour Street"), "Fibre", Decimal("49.90"))
    there_since()
    return ada


@pytest.fixture
def typed(run):
    """Type answers at the main menu, then 0 twice, and return what was printed and complained of."""
    def type_(*answers):
        done = run(answers=lines(*answers, "0", "0"))
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return type_


def open_form(child, *answers):
    """Answer each question of the program on a terminal, and wait for the next one."""
    for answer in answers:
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)


PAYMENT = ("5", "6", "1")


@pytest.mark.parametrize(("owed", "monthly", "paid", "asked"), [
    ("12.34", None, "123.40", True), ("12.34", None, "123.39", False), ("12.34", None, "123.41", True),
    ("12.34", "20.00", "199.99", False), ("12.34", "20.00", "200.00", True), (None, "20.00", "200.00", True),
    (None, "20.00", "199.99", False), (None, None, "999.99", False), ("0.01", None, "0.10", True),
])
def test_an_amount_of_ten_times_what_is_usual_is_asked_about(ada, typed, sql, owed, monthly, paid, asked):
    if owed:
        database.add_bill(ada, "Bill", Decimal(owed), ago(3))
    if monthly:
        database.add_service(database.add_location(ada, "1 Harbour Street"), "Fibre", Decimal(monthly))
    screen = typed(*PAYMENT, paid, "", "", "", *["no"][:asked])
    assert (f"{paid} is ten times what is owed or more; what is left will be credit." in screen) == asked
    assert ("Type yes if that is right:" in screen) == ("Not recorded." in screen) == asked
    assert len(sql("SELECT 1 FROM payments")) == (not asked)


@pytest.mark.parametrize(("days", "asked"), [(364, False), (365, True), (366, True), (3000, True)])
def test_a_payment_of_more_than_a_year_ago_is_asked_about(ada, typed, sql, days, asked):
    screen = typed(*PAYMENT, "5", str(ago(days)), "", "", *["no"][:asked])
    assert (f"{ago(days)} is a year ago or more." in screen) == asked
    assert ("Type yes if that is right:" in screen) == ("Not recorded." in screen) == asked
    assert len(sql("SELECT 1 FROM payments")) == (not asked)


@pytest.mark.parametrize("answers", [("200", ""), ("5", "2010-01-01")], ids=["ten times", "years ago"])
def test_an_odd_payment_is_recorded_when_it_is_right(subscriber, typed, sql, answers):
    database.add_bill(subscriber, "Bill", Decimal("20.00"), ago(3))
    pay(subscriber, "19.00")
    if answers[0] == "200":
        answers = ("499.00", "")
    assert "Recorded payment 2, " in typed(*PAYMENT, *answers, "", "", "yes")
    assert len(sql("SELECT 1 FROM payments")) == 2


def test_what_is_owed_is_all_unpaid_bills_together(ada, typed):
    for amount in ("10.00", "10.00"):
        database.add_bill(ada, "Bill", Decimal(amount), ago(3))
    assert "ten times" not in typed(*PAYMENT, "199.99", "", "", "", "")
    assert "To pay 0.00, credit 179.99." in typed(*PAYMENT[:2], "1", "1", "", "", "", "")


@pytest.mark.parametrize(("same", "asked"), [
    ({}, True), ({"amount": "5.01"}, False), ({"paid_on": "yesterday"}, False), ({"void": True}, False),
])
def test_a_payment_like_an_earlier_one_is_shown_and_asked_about(ada, typed, sql, same, asked):
    pay(ada, "5.00")
    if same.get("void"):
        payments.void_payment(1, "typo")
    screen = typed(*PAYMENT, same.get("amount", "5"), same.get("paid_on", ""), "", "", *["no"][:asked])
    assert ("A payment of this amount on this day is recorded already:" in screen) == asked
    assert ("Type yes to record another one:" in screen) == ("Not recorded." in screen) == asked
    assert len(sql("SELECT 1 FROM payments")) == 1 + (not asked)


def test_a_payment_like_an_earlier_one_is_recorded_when_it_is_another(ada, typed, sql):
    pay(ada, "5.00")
    assert "Recorded payment 2, 5.00" in typed(*PAYMENT, "5", "", "", "", "yes")


def test_a_payment_is_stored_as_the_form_was_filled_in(ada, typed, sql):
    typed(*PAYMENT, "5.25", "yesterday", "4", "R-1")
    typed(*PAYMENT, "6", str(ago(3)), "Cheque", "")
    typed(*PAYMENT, "7", "", "", "")
    rows = sql("SELECT amount, paid_on, method, reference FROM payments ORDER BY payment_id")
    assert [tuple(row.values()) for row in rows] == [
        (Decimal("5.25"), ago(1), "direct debit", "R-1"), (Decimal(6), ago(3), "cheque", None),
        (Decimal(7), ago(0), "transfer", None)]


@pytest.mark.parametrize(("bills", "asked"), [(0, False), (1, False), (2, True)])
def test_a_payment_form_asks_for_a_bill_only_where_several_are_unpaid(ada, typed, bills, asked):
    for _ in range(bills):
        database.add_bill(ada, "Bill", Decimal(10), ago(3))
    screen = typed(*PAYMENT, "5", "", "", "", *[""][:asked])
    assert ("Bill ID [oldest due first]: " in screen) == asked
    assert ("No unpaid bills." in screen) == (not bills)
    assert f"To pay {10 * bills}.00, credit 0.00." in screen


@pytest.mark.parametrize("answer", ["no", "", "n", "NO"])
def test_a_payment_is_not_voided_unless_yes_is_typed(ada, typed, sql, answer):
    pay(ada, "5.00")
    screen = typed("5", "8", "1", "bounced", answer)
    assert "Type yes to void it:" in screen
    assert "Not voided." in screen
    assert "Voided payment" not in screen
    assert sql("SELECT voided_at FROM payments") == [{"voided_at": None}]


def test_a_void_says_what_it_was_and_what_is_owed_again(ada, typed, sql):
    database.add_bill(ada, "Setup", Decimal(10), ago(3))
    pay(ada, "4.00")
    screen = typed("5", "8", "1", "bounced", "yes")
    assert f"Voided payment 1, 4.00 on {ago(0)}, cash, of Ada Okafor: bounced" in screen
    assert "To pay 10.00, credit 0.00." in screen
    assert sql("SELECT void_reason FROM payments") == [{"void_reason": "bounced"}]


def test_what_is_void_already_is_not_voided_again(ada, typed, sql):
    pay(ada, "5.00")
    payments.void_payment(1, "typo")
    screen = typed("5", "8", "1")
    assert f"Payment 1 is void already, since {ago(0)}." in screen
    assert "Reason" not in screen
    assert sql("SELECT void_reason FROM payments") == [{"void_reason": "typo"}]


def test_void_payments_are_struck_out_on_a_terminal_and_others_are_not(ada, terminal):
    for amount in ("5.00", "6.00", "7.00"):
        pay(ada, amount)
    payments.void_payment(2, "typo")
    child = terminal()
    open_form(child, "5", "7", "1")
    struck = re.findall(r"\x1b\[9m(.*?)\x1b\[29m", child.before)
    assert len(struck) == 1
    assert re.match(rf" +2  {ago(0)} +6\.00 .* typo", struck[0])
    assert "7.00" in child.before
    assert "5.00" in child.before


@pytest.fixture
def crowd(db, sql):
    """Forty-five customers who owe the same since the same day, and as many payments of the first one on one day."""
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Customer ' || i, '5550100' FROM generate_series(1, 45) AS i")
    sql("INSERT INTO billing (customer_id, description, due_date, issued_on, amount_billed) "
        "SELECT customer_id, 'Bill', '2026-01-31', '2026-01-01', 5 FROM customers ORDER BY customer_id")
    sql("INSERT INTO payments (customer_id, amount, paid_on) "
        "SELECT 1, i, '2026-01-31' FROM generate_series(1, 45) AS i")


@pytest.mark.parametrize(("way", "backwards"), [
    (("1", "2", ""), False), (("5", "3", ""), True), (("5", "1"), False), (("6", "2", ""), False),
    (("6", "2", "2026-02-10"), False), (("5", "7", "1"), True),
], ids=["customers", "bills", "late", "aging", "aging on a past day", "payments"])
def test_a_long_list_is_turned_over_without_a_gap_when_rows_are_equal(crowd, terminal, way, backwards):
    child = terminal()
    open_form(child, *way)
    seen, last = [], 0
    while last < 45:
        first, last, total = map(int, re.search(r"Rows (\d+) to (\d+) of (\d+)  \(", child.after).groups())
        seen += re.findall(r"^ *(\d+)  (?!customers)", child.before, re.MULTILINE)
        assert (first, last, total) == (len(seen) - (last - first), len(seen), 45)
        if last < 45:
            child.send("\r")
            child.expect(PROMPT)
    assert [int(row_id) for row_id in seen] == (list(range(45, 0, -1)) if backwards else list(range(1, 46)))


def test_nothing_is_struck_out_off_a_terminal(ada, typed):
    pay(ada, "5.00")
    payments.void_payment(1, "typo")
    screen = typed("5", "7", "1")
    assert "typo" in screen
    assert "\x1b" not in screen


@pytest.mark.parametrize(("credit", "billed", "said"), [
    ("5.00", "12", "; 5.00 of it paid from credit."), ("12.00", "5", "; 5.00 of it paid from credit."),
    ("0.01", "0.01", "; 0.01 of it paid from credit."), (None, "5", "."),
])
def test_a_new_bill_says_what_credit_paid_of_it(ada, typed, credit, billed, said):
    if credit:
        pay(ada, credit)
    screen = typed("5", "2", "1", "Setup", billed, "2030-01-01")
    assert f"Added bill 1, Setup, {Decimal(billed):.2f} due 2030-01-01, to Ada Okafor{said}\n" in screen


@pytest.mark.parametrize("credit", [Decimal("5.00"), Decimal(0)], ids=["paid meanwhile", "spent meanwhile"])
def test_a_new_bill_says_what_credit_paid_of_it_and_not_what_there_was_before(ada, terminal, uri, sql, credit):
    if not credit:
        pay(ada, "5.00")
    child = terminal(DB_LOCK_TIMEOUT="60")
    open_form(child, "5", "2", "1", "Setup", "12")
    other = psycopg2.connect(uri)
    with other.cursor() as cur:
        cur.execute("SELECT 1 FROM customers FOR UPDATE")
        child.send("2030-01-01\r")
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                             "WHERE datname = current_database() AND wait_event_type = 'Lock'"))
        cur.execute("INSERT INTO payments (customer_id, amount) VALUES (1, 5)" if credit else "DELETE FROM payments")
    other.commit()
    other.close()
    child.expect(PROMPT)
    said = " ".join(child.before.split())
    assert "Added bill 1, Setup, 12.00 due 2030-01-01, to Ada Okafor" in said
    assert ("; 5.00 of it paid from credit." in said) == ("from credit" in said) == bool(credit)


@pytest.mark.parametrize(("paid", "said"), [
    ("5.00", ", 5.00 paid from credit."), ("60.00", ", 49.90 paid from credit."), (None, "."),
])
def test_a_bill_run_says_what_credit_paid_of_it(subscriber, typed, run, paid, said):
    if paid:
        pay(subscriber, paid)
    done = f"Created 1, skipped 0; 49.90 billed, due 2030-01-15{said}\n"
    assert done in typed("5", "9", "2030-01", "2030-01-15", "49.90")
    bill_run.undo(date(2030, 1, 1))
    assert done in run("bill", "--period", "2030-01", "--due", "2030-01-15", "--yes").stdout


@pytest.mark.parametrize(("ahead", "words"), [
    (-13, "13 months ago"), (-2, "2 months ago"), (-1, None), (0, None), (1, None), (2, "2 months ahead"),
    (12, "12 months ahead"),
])
def test_a_month_that_looks_like_a_slip_is_pointed_out(subscriber, run, ahead, words):
    screen = run("bill", "--period", month(ahead), "--due", str(ago(0)), "--dry-run").stdout
    said = [line for line in screen.splitlines() if line.startswith("Mind")]
    assert said == ([f"Mind the month: {month(ahead)} is {words}."] if words else [])


@pytest.mark.parametrize(("days", "odd"), [(-1, False), (0, False), (1, True)])
def test_a_due_date_that_is_past_is_pointed_out(subscriber, run, days, odd):
    screen = run("bill", "--period", month(0), "--due", str(ago(days)), "--dry-run").stdout
    said = [line for line in screen.splitlines() if line.startswith("Mind")]
    assert said == [f"Mind the due date: {ago(days)} is past, so these bills are late at once."][:odd]


def test_the_form_points_out_odd_dates_before_it_asks_for_the_total(subscriber, typed):
    screen = typed("5", "9", month(-3), str(ago(40)), "no")
    assert screen.index("Mind the month: ") < screen.index("Mind the due date: ") < screen.index("Type the total")


def test_nothing_is_pointed_out_where_nobody_would_be_billed(ada, typed):
    assert "Mind" not in typed("5", "9", month(-3), str(ago(40)))


def test_a_bill_run_shows_what_it_would_do_and_what_changed(subscriber, typed, sql):
    other = database.add_customer("Bo Li", "5550100")
    database.add_service(database.add_location(other, "2 Quay"), "Fibre", Decimal("20.00"))
    bill_run.run(date(2030, 1, 1), date(2030, 1, 15))
    database.update_service(1, cost=Decimal("50.00"))
    database.delete_service(2)
    for name in ("Cy", "Di"):
        location_id = database.add_location(database.add_customer(name, "555"), "3 Quay")
        database.add_service(location_id, "Fibre", Decimal("1.00"))
    screen = typed("5", "9", "2030-02", "2030-02-15", "no")
    assert "2030-02: bills for 3 customers, 52.10 in total, due 2030-02-15.\n" in screen
    assert "Against the month before (69.90): 2 new, 1 gone, 1 with another amount.\n" in screen
    assert len(sql("SELECT 1 FROM billing")) == 2


def test_a_bill_run_says_whom_it_skips_and_asks_nothing_where_that_is_everybody(subscriber, typed):
    screen = typed("5", "9", "2030-01", "2030-01-15", "49.90")
    assert "Skipped" not in screen
    screen = typed("5", "9", "2030-01", "2030-01-15")
    assert "2030-01: bills for 0 customers, 0.00 in total, due 2030-01-15.\n" in screen
    assert "Skipped, since billed already: 1 customer.\nCreated 0, skipped 1; 0.00 billed, due 2030-01-15.\n" in screen


def test_a_bill_run_bills_nobody_when_services_change_while_its_total_is_typed(subscriber, terminal, sql):
    child = terminal()
    open_form(child, "5", "9", "2030-01", "2030-01-15")
    sql("UPDATE services SET cost = 50")
    child.send("49.90\r")
    child.expect(PROMPT)
    said = " ".join(child.before.split())
    assert "The total is now 50.00, since services have changed; nobody was billed." in said
    assert sql("SELECT 1 FROM billing") == []


def test_a_dry_run_shows_what_would_be_billed_and_stops(subscriber, run, sql):
    for more in ([], ["--yes"]):
        done = run("bill", "--period", month(0), "--dry-run", *more, answers="49.90\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert "bills for 1 customer, 49.90 in total" in done.stdout
        assert "Type the total" not in done.stdout
    assert sql("SELECT 1 FROM billing") == []


def test_a_bill_run_proposes_this_month_and_its_due_date(subscriber, typed, sql):
    this_month = database.today().replace(day=1)
    due_date = bill_run.default_due_date(this_month, database.today())
    screen = typed("5", "9", "", "", "49.90")
    assert f"Month [{this_month:%Y-%m}]: " in screen
    assert f"Due date [{due_date}]: " in screen
    assert sql("SELECT period, due_date FROM billing") == [{"period": this_month, "due_date": due_date}]


@pytest.mark.parametrize("ahead", [-1, 1])
def test_a_due_date_is_the_15th_of_the_month_or_14_days_from_now(subscriber, typed, run, ahead):
    due_date = f"{month(1)}-15" if ahead == 1 else str(ago(-14))
    assert f"Due date [{due_date}]: " in typed("5", "9", month(ahead), "", "49.90")
    bill_run.undo(date.fromisoformat(f"{month(ahead)}-01"))
    assert f"due {due_date}.\n" in run("bill", "--period", month(ahead), "--dry-run").stdout


@pytest.mark.parametrize("answer", ["no", "", "n"])
def test_a_bill_run_is_not_undone_unless_yes_is_typed(subscriber, typed, sql, answer):
    bill_run.run(date(2030, 1, 1), date(2030, 1, 15))
    screen = typed("5", "10", "2030-01", answer)
    assert "This removes 1 bill of 2030-01, over 49.90.\n" in screen
    assert "Type yes to remove them:" in screen
    assert "Nothing removed." in screen
    assert len(sql("SELECT 1 FROM billing")) == 1


def test_an_undo_says_what_it_removed_and_which_bills_stay(subscriber, typed, sql):
    other = database.add_customer("Bo Li", "5550100")
    database.add_service(database.add_location(other, "2 Quay"), "Fibre", Decimal("20.00"))
    bill_run.run(date(2030, 1, 1), date(2030, 1, 15))
    pay(other, "5.00")
    screen = typed("5", "10", "2030-01", "yes")
    assert ("This removes 1 bill of 2030-01, over 49.90; 1 stays, since it was paid on, or its account is closed.\n"
            in screen)
    assert "Removed 1 bill of 2030-01.\n" in screen
    assert "1 bill stayed, since it was paid on, or its account is closed:\n" in screen
    assert re.search(rf"^ *\d+  Bo Li +20\.00 +5\.00  {ago(0)}$", screen, re.MULTILINE)


def test_an_undo_of_more_kept_bills_than_it_shows_says_so(db, typed, sql):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Customer ' || i, '5550100' FROM generate_series(1, 101) AS i")
    sql("INSERT INTO billing (customer_id, description, period, due_date, amount_billed) "
        "SELECT customer_id, 'January', '2030-01-01', '2030-01-15', 5 FROM customers")
    sql("INSERT INTO payments (customer_id, amount) SELECT customer_id, 1 FROM customers")
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) "
        "SELECT payment_id, billing_id, 1 FROM payments JOIN billing USING (customer_id)")
    screen = typed("5", "10", "2030-01")
    assert "101 bills stayed, since they were paid on, or their accounts are closed; the first are:\n" in screen
    assert len(re.findall(r"Customer \d+ +5\.00", screen)) == 100


def test_a_month_without_a_bill_run_has_nothing_to_undo(subscriber, typed):
    screen = typed("5", "10", "2030-01")
    assert "No bills of a bill run for 2030-01.\n" in screen
    assert "Type yes" not in screen
    assert "Removed" not in screen


BILL_RUN, UNDO = ("5", "9", "2030-02", ""), ("5", "10", "2030-01")


@pytest.mark.parametrize("way", [BILL_RUN, UNDO], ids=["bill run", "undo"])
@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_a_bill_run_or_an_undo_at_its_confirmation_changes_nothing_and_says_so(
        subscriber, terminal, sql, way, key):
    bill_run.run(date(2030, 1, 1), date(2030, 1, 15))
    child = terminal()
    open_form(child, *way)
    child.send(key)
    child.expect(r"Cancelled, nothing changed\.|Stopped")
    assert child.after == "Cancelled, nothing changed."
    assert len(sql("SELECT 1 FROM billing")) == 1


@pytest.mark.parametrize("way", [BILL_RUN, UNDO], ids=["bill run", "undo"])
def test_the_end_of_input_at_a_confirmation_changes_nothing_and_says_so(subscriber, run, sql, way):
    bill_run.run(date(2030, 1, 1), date(2030, 1, 15))
    assert sentence(run(answers=lines(*way)).stderr) == "Cancelled, nothing changed."
    assert len(sql("SELECT 1 FROM billing")) == 1


def test_leaving_a_report_changes_nothing_and_says_so(db, terminal, sql):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Customer ' || i, '5550100' FROM generate_series(1, 50) AS i")
    sql("INSERT INTO billing (customer_id, description, due_date, amount_billed) "
        "SELECT customer_id, 'Bill', '2026-01-31', 5 FROM customers")
    child = terminal()
    open_form(child, "6", "2", "")
    child.sendintr()
    child.expect(r"Cancelled, nothing changed\.|Stopped")
    assert child.after == "Cancelled, nothing changed."


def test_what_is_stopped_after_it_was_saved_says_that_it_stays(ada, terminal, sql):
    pay(ada, "5.00")
    sql("CREATE OR REPLACE VIEW customer_credit AS "
        "SELECT 1::bigint AS customer_id, 0::numeric AS credit FROM pg_sleep(60)")
    child = terminal()
    open_form(child, "5", "8", "1", "bounced")
    child.send("yes\r")
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                         "WHERE datname = current_database() AND wait_event = 'PgSleep'"))
    child.sendintr()
    child.expect(r"Cancelled, nothing changed\.|Stopped; what was saved before that stays\.")
    assert child.after == "Stopped; what was saved before that stays."
    assert sql("SELECT void_reason FROM payments") == [{"void_reason": "bounced"}]


def test_what_is_stopped_after_an_earlier_entry_saved_something_changed_nothing(db, terminal):
    child = terminal()
    open_form(child, "1", "1", "Ada Okafor", "123")
    child.send("1\r")
    open_form(child, "Bo Li")
    child.sendintr()
    child.expect(r"Cancelled, nothing changed\.|Stopped")
    assert child.after == "Cancelled, nothing changed."


def test_a_payment_whose_saving_failed_without_a_word_is_looked_up_and_saved(ada, terminal, sql):
    sql("CREATE SEQUENCE tries")
    sql("CREATE FUNCTION lose_the_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10); END IF; "
        "RETURN NULL; END $$")
    sql("CREATE CONSTRAINT TRIGGER lose_the_first AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION lose_the_first()")
    child = terminal()
    open_form(child, *PAYMENT, "5", "", "", "")
    said = " ".join(child.before.split())
    assert "outcome is unknown; looking it up. It had not been saved; saving it now. Recorded payment" in said
    assert len(sql("SELECT 1 FROM payments")) == 1


EXPORTS = {
    "2": ("Export customers with sites, services and equipment",
          "customer_id,account_number,name,phone_number,email,address,", "Exported 2 lines to"),
    "3": ("Export bills", "billing_id,customer_id,name,description,", "Exported 3 bills to"),
    "4": ("Export payments", "payment_id,customer_id,name,amount,", "Exported 1 payment to"),
    "5": ("Export customers late on payments", "customer_id,name,phone_number,amount_late,", "Exported 1 customer to"),
}


@pytest.fixture
def books(subscriber, db):
    """Two customers, three bills, one payment, one customer late."""
    db.add_customer("Bo Li", "5550100")
    for customer_id, days in ((1, 5), (1, -5), (2, -5)):
        db.add_bill(customer_id, "Bill", Decimal(10), ago(days))
    pay(1, "4.00")


@pytest.mark.parametrize("digit", EXPORTS)
def test_each_export_of_the_menu_writes_what_it_says(books, typed, tmp_path, digit):
    label, header, said = EXPORTS[digit]
    path = tmp_path / "out.csv"
    screen = typed("7", digit, str(path))
    assert f"  {digit}  {label}\n" in screen
    assert f"\n{label}\nCSV file: " in screen
    assert f"{said} {path}.\n" in screen
    first, *rest = path.read_text().splitlines()
    assert first.startswith(header)
    assert len(rest) == int(re.search(r"\d", said)[0])


@pytest.mark.parametrize("what", ["accounts", "bills", "payments", "late"])
def test_each_export_of_the_command_writes_what_it_says(books, run, what):
    first, *rest = run("export", what).stdout.splitlines()
    _, header, said = EXPORTS[str(["accounts", "bills", "payments", "late"].index(what) + 2)]
    assert first.startswith(header)
    assert len(rest) == int(re.search(r"\d", said)[0])


@pytest.mark.parametrize(("answer", "replaced"), [("no", False), ("", False), ("yes", True)])
def test_a_file_is_replaced_when_yes_is_typed(books, typed, tmp_path, answer, replaced):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    screen = typed("7", "3", str(path), answer)
    assert f"{path} exists already. Type yes to replace it:" in screen
    assert ("Not exported." in screen) == (path.read_text() == "mine") == (not replaced)
    assert ("Exported 3 bills" in screen) == replaced


def test_the_command_replaces_a_file_only_when_told(books, run, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    done = run("export", "bills", str(path))
    assert (done.returncode, done.stderr) == (1, f"{path} exists already. Give --yes to replace it.\n")
    assert path.read_text() == "mine"
    assert run("export", "bills", str(path), "--yes").returncode == 0
    assert path.read_text().startswith("billing_id,")


def test_earlier_rejects_are_left_as_they_are(typed, run, tmp_path):
    path = tmp_path / "in.csv"
    earlier, later = tmp_path / "in.csv.rejects.csv", tmp_path / "in.csv.rejects-2.csv"
    path.write_text("name,phone\nAda,5x\n")
    screen = typed("7", "1", str(path), "", "yes")
    assert f"Rejected lines go to {earlier}.\n" in screen
    first = earlier.read_bytes()
    path.write_text("name,phone\nBo,6x\n")
    screen = typed("7", "1", str(path), "", "yes")
    assert f"Rejected lines go to {later}.\n" in screen
    assert earlier.read_bytes() == first
    assert b"Bo,6x" in later.read_bytes()
    assert f"1 line rejected, to mend and import: {later}\n" in screen


def test_no_more_than_ten_reasons_are_shown_and_all_lines_are_counted(run, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("name,phone\n" + "".join(f"Ada,{letter}\n" for letter in "abcdfghijkl"))
    done = run("import", str(path), "--dry-run")
    assert len(re.findall(r"^Line \d+: ", done.stderr, re.MULTILINE)) == 10
    assert "11 lines rejected.\n" in done.stderr


@pytest.mark.parametrize("answer", ["no", "", "n"])
def test_nothing_is_imported_unless_yes_is_typed(typed, run, sql, tmp_path, answer):
    path = tmp_path / "in.csv"
    path.write_text("name,phone\nAda,555\n")
    assert "Not imported." in typed("7", "1", str(path), "", answer)
    assert run("import", str(path), answers=f"{answer}\n").returncode == 1
    assert sql("SELECT 1 FROM customers") == []


@pytest.mark.parametrize(("first", "last", "refused"), [(3, 2, False), (2, 2, False), (1, 2, True)])
def test_a_statement_does_not_end_before_it_begins(subscriber, typed, run, first, last, refused):
    said = "The first day of a statement cannot be after its last."
    screen = typed("6", "4", "1", str(ago(first)), str(ago(last)))
    assert (said in screen) == ("Closing balance" not in screen) == refused
    done = run("statement", "1", "--from", str(ago(first)), "--to", str(ago(last)))
    assert (done.returncode, done.stderr) == ((1, f"{said}\n") if refused else (0, ""))


def test_a_statement_that_begins_tomorrow_is_refused_by_the_command_too(subscriber, run):
    assert run("statement", "1", "--from", str(ago(-1))).returncode == 1


def test_a_statement_proposes_this_year_up_to_today(subscriber, typed):
    screen = typed("6", "4", "1", "", "")
    first = database.today().replace(month=1, day=1)
    assert f"From [{first}]: " in screen
    assert "To [today]: " in screen
    assert f"Statement from {first} to {database.today()}" in screen


def test_the_aging_form_answers_for_today_and_for_a_past_day(subscriber, typed, sql):
    database.add_bill(subscriber, "Bill", Decimal("20.00"), ago(9))
    assert "20.00" in typed("6", "2", "")
    assert "Nobody owes anything." in typed("6", "2", "yesterday")
    sql("UPDATE billing SET issued_on = due_date")
    assert "20.00" in typed("6", "2", "yesterday")


@pytest.fixture
def two_sites(db):
    """Two customers with the same two addresses each."""
    for name in ("Ada", "Bo"):
        customer_id = db.add_customer(name, "5550100")
        for address in ("1 Alder Way", "2 Zoo Lane"):
            db.add_location(customer_id, address)


def test_a_search_by_address_lists_the_address_that_matched(two_sites, typed):
    screen = typed("1", "2", "zoo lane", "1")
    assert screen.split("Hits 1 to 2 of 2")[0].count("2 Zoo Lane") == 2
    assert "Alder" not in screen.split("Hits 1 to 2 of 2")[0]


def test_customers_are_found_with_the_address_that_matched(two_sites):
    assert [row["address"] for row in database.find_customers("zoo").rows] == ["2 Zoo Lane"] * 2
    assert [row["address"] for row in database.find_customers("alder").rows] == ["1 Alder Way"] * 2


@pytest.mark.parametrize(("hits", "more"), [(20, False), (21, True), (30, True)])
def test_no_more_hits_are_listed_than_can_be_picked(db, typed, sql, hits, more):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Berg ' || to_char(i, 'FM00'), '555' FROM generate_series(1, %s) AS i", hits)
    screen = typed("1", "3", "berg", "20", "", "", "", "")
    assert len(re.findall(r"^ *\d+  Berg \S", screen, re.MULTILINE)) == 20
    enter = "Enter next, 0" if more else "Enter, 0"
    assert f"Hits 1 to 20 of {hits}  (number picks, {enter} or q back): " in screen
    assert "Saved customer 20, Berg 20, 555." in screen


def test_hits_are_listed_by_number_and_not_by_id(db, typed, sql):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Zed Berg', '1234'), ('Ann Berg', '1235')")
    screen = typed("1", "3", "berg", "1", "", "", "", "")
    listed = screen.split("Hits 1 to 2 of 2")[0].splitlines()
    assert [re.split("  +", line.strip()) for line in listed[-4:]] == [
        ["#", "Name", "Phone number", "Address"], ["-", "--------", "------------", "-------"],
        ["1", "Ann Berg", "1235"], ["2", "Zed Berg", "1234"]]
    assert "Saved customer 2, Ann Berg, 1235." in screen


@pytest.mark.parametrize(("answers", "said"), [
    (["1"], "Customer 1, Ada Okafor, +44 20 7946 0958."),
    (["0958"], "Customer 1, Ada Okafor, +44 20 7946 0958."),
    (["7946", "1"], "There is no customer 7946. These match:"),
    (["7946", "0", "1"], "There is no customer 7946. These match:"),
    (["946", "1"], "There is no customer 946. These match:"),
    (["46", "1"], "There is no customer 46. Enter another ID, or part of a name, phone number or address."),
    (["9999", "1"], "There is no customer 9999. Enter another ID, or part of a name, phone number or address."),
    (["20794609581234567890", "1"], "There is no customer 20794609581234567890. Enter another ID, or part of"),
])
def test_digits_are_an_id_and_a_number_only_where_nobody_has_it(ada, typed, answers, said):
    screen = typed("1", "3", *answers, "", "", "", "")
    assert said in screen
    assert ("Hits 1 to 1 of 1  (number picks, " in screen) == said.endswith("match:")
    assert ("Saved customer 1" in screen) == ("Enter another ID" not in said)


def test_a_bill_is_shown_with_its_lines(ada, typed):
    database.update_bill(database.add_bill(ada, "Setup", Decimal(10), ago(3)).billing_id, amount=Decimal("12.50"))
    screen = typed("5", "3", "1")
    assert re.search(r"^  Setup +10\.00\n  Adjustment +2\.50$", screen, re.MULTILINE)
    fields = dict(re.findall(r"^(\w[\w ]*?)  +(\S.*)$", screen, re.MULTILINE))
    assert {name: fields.get(name) for name in ("ID", "Due", "Late", "Billed", "To pay", "Paid", "Issued")} == {
        "ID": "1", "Due": str(ago(3)), "Late": "3", "Billed": "12.50", "To pay": "12.50", "Paid": "0.00",
        "Issued": str(ago(0))}


@pytest.mark.parametrize("paid", [None, "4.00"])
def test_deleting_a_bill_says_where_what_was_paid_on_it_goes(ada, typed, sql, paid):
    database.add_bill(ada, "Setup", Decimal(10), ago(3))
    if paid:
        pay(ada, paid)
    screen = typed("5", "5", "1", "no")
    said = [line for line in screen.splitlines() if "paid on it goes" in line]
    assert said == ["The 4.00 paid on it goes to other unpaid bills of the customer, then to credit."] * bool(paid)
    assert len(sql("SELECT 1 FROM billing")) == 1


def test_a_customer_with_payments_is_not_deleted_and_closing_is_offered(ada, typed, sql):
    pay(ada, "4.00"), pay(ada, "0.50")
    said = typed("1", "4", "1").split("Delete customer\n")[-1]
    assert said.startswith("Customer (ID or search): 1\nCustomer 1, Ada Okafor, +44 20 7946 0958.\n")
    assert "Customer 1 has 2 payments, which stay; close the account instead: Manage Customers, 6." in said
    assert len(sql("SELECT 1 FROM customers")) == 1


@pytest.mark.parametrize(("rows", "said"), [(200_000, "50 customers."), (200_001, "about 200001 customers.")])
def test_many_customers_are_told_from_an_estimate(db, terminal, sql, rows, said):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Customer ' || i, '5550100' FROM generate_series(1, 50) AS i")
    sql("UPDATE pg_class SET reltuples = %s WHERE relname = 'customers'", rows)
    child = terminal()
    child.expect(PROMPT)
    assert f"\n{said} Nobody is late.\r\n" in child.before
    child.send("1\r2\r\r")
    child.expect(r"Rows 1 to 20 of ([a-z0-9 ]+)  \(")
    assert child.match[1] == said.split(" customers")[0]


@pytest.mark.parametrize("on_terminal", [True, False])
def test_the_first_screen_says_how_to_choose_on_a_terminal_alone(db, terminal, run, on_terminal):
    if on_terminal:
        child = terminal()
        child.expect(PROMPT)
        screen = child.before
    else:
        screen = run(answers="0\n").stdout
    assert ("A digit and Enter choose; ? shows a menu again; Ctrl-C leaves a form or menu." in screen) == on_terminal


def test_administration_says_where_the_data_are(db, typed, sql):
    screen = typed("8", "2")
    name, = sql("SELECT current_database() AS name, session_user::text AS login, "
                "pg_size_pretty(pg_database_size(current_database())) AS size, current_setting('TimeZone') AS zone")
    assert f"Database   {name['name']}, " in screen
    assert f", as {name['login']}\n" in screen
    assert re.search(r"^Database .*, \d+ [kM]B, as ", screen, re.MULTILINE)
    assert f"Today      {ago(0)}, in {name['zone']}\n" in screen


@pytest.mark.parametrize(("damage", "code", "last"), [
    (None, 0, "Everything adds up."), ("UPDATE billing_items SET amount = 9 WHERE billing_id = 1", 1, "1 finding."),
    ("UPDATE billing_items SET amount = 9", 1, "3 findings."),
])
def test_verify_says_what_it_looked_at_and_how_much_it_found(books, run, typed, sql, damage, code, last):
    if damage:
        sql(damage)
    done = run("verify")
    first, *_, said = done.stdout.splitlines()
    assert (done.returncode, first, said) == (code, "Checked 3 bills and 1 payment.", last)
    assert done.stdout in typed("8", "1")
