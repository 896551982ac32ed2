"""Notes and promises to pay: what is kept or broken, where it is shown, and which notes can be taken back."""
from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2.extensions
import pytest
from conftest import lines
from emulator import Terminal

import database
from tracker import errors, notes, payments, reports, trail

pytestmark = pytest.mark.slow


def ahead(days):
    return database.today() + timedelta(days=days)


@pytest.fixture
def ada(db, sql):
    """A customer with 75.00 late for ten days, of a bill that was issued forty days ago."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_bill(customer_id, "Installation", Decimal("75"), ahead(-10))
    sql("UPDATE billing SET issued_on = CURRENT_DATE - 40")
    return customer_id


def pay(customer_id, amount, days=0):
    return payments.record_payment(customer_id, Decimal(amount), ahead(days), "cash", None, uuid4())["payment_id"]


def promise(customer_id, amount, until, made=0):
    """Note a promise until so many days from today, as it was made so many days from today."""
    note_id = notes.add_note(customer_id, None, ahead(0), Decimal(amount))
    with database.transaction() as cur:
        cur.execute(
            """
            UPDATE customer_notes
            SET promised_until = CURRENT_DATE + %(until)s, noted_on = CURRENT_DATE + %(made)s,
                noted_at = now() + make_interval(days => %(made)s)
            WHERE customer_note_id = %(note_id)s
            """,
            {"note_id": note_id, "until": until, "made": made},
        )
    return note_id


def states(customer_id):
    """Return what has become of a customer's promises, in the order in which they were noted."""
    return [note["state"] for note in reversed(notes.list_notes(customer_id))]


def test_a_promise_is_open_to_the_end_of_its_last_day_and_broken_from_the_next_on(ada):
    promise(ada, 50, 0, -5), promise(ada, 50, -1, -5), promise(ada, 50, 3)
    assert states(ada) == ["open", "broken", "open"]


def test_a_promise_is_kept_when_payments_come_to_its_amount(ada):
    promise(ada, 50, 3)
    pay(ada, "49.99")
    assert states(ada) == ["open"]
    pay(ada, "0.01")
    assert states(ada) == ["kept"]


@pytest.mark.parametrize(("paid_on", "state"), [(-6, "broken"), (-5, "kept"), (-2, "kept"), (-1, "broken")])
def test_the_money_counts_from_the_day_of_the_promise_to_its_last(ada, paid_on, state):
    promise(ada, 50, -2, -5)
    pay(ada, 50, paid_on)
    assert states(ada) == [state]


def test_a_payment_that_was_recorded_before_the_promise_keeps_it_not(ada):
    pay(ada, 50)
    promise(ada, 50, 3)
    assert states(ada) == ["open"]


def test_neither_a_void_payment_nor_a_credit_note_is_money_that_keeps_a_promise(ada, sql):
    promise(ada, 50, 3)
    payments.void_payment(pay(ada, 50), "bounced")
    sql("INSERT INTO payments (customer_id, amount, kind, reason) VALUES (%s, 50, 'credit note', 'Outage')", ada)
    assert states(ada) == ["open"]


@pytest.mark.parametrize("until", [-1, 3])
def test_a_promise_is_kept_when_nothing_of_the_bills_of_then_is_left_to_pay(ada, db, sql, until):
    promise(ada, 50, until, -5)
    sql("INSERT INTO payments (customer_id, amount, kind, reason) VALUES (%s, 75, 'credit note', 'Outage')", ada)
    sql("SELECT apply_credit()")
    assert states(ada) == ["kept"]


def test_a_kept_promise_stays_kept_when_a_later_bill_becomes_late(ada, db, sql):
    promise(ada, 100, -1, -5)
    pay(ada, 75)
    db.add_bill(ada, "Repair", Decimal(15), ahead(-2))
    assert states(ada) == ["kept"]


def test_promises_of_one_day_are_instalments_that_add_up(ada):
    promise(ada, 30, 3), promise(ada, 30, 10)
    pay(ada, 30)
    assert states(ada) == ["kept", "open"]
    pay(ada, 30)
    assert states(ada) == ["kept", "kept"]


def late_promise():
    row, = reports.late_customers()
    return row["promise"] and (row["promise"]["state"], row["promise"]["amount"], row["promise"]["until"])


def test_the_late_list_has_the_open_promise_that_ends_first_else_the_broken_one_that_ended_last(ada):
    assert late_promise() is None
    promise(ada, 10, -4, -9), promise(ada, 20, -2, -8), promise(ada, 5, -3, -7)
    assert late_promise() == ("broken", 20, str(ahead(-2)))
    promise(ada, 40, 9), promise(ada, 30, 2, -1)
    assert late_promise() == ("open", 30, str(ahead(2)))
    assert reports.get_account(ada)["promise"] == reports.late_customers()[0]["promise"]


def test_a_promise_that_was_kept_is_not_in_the_late_list(ada):
    promise(ada, 30, 5)
    pay(ada, 30)
    assert late_promise() is None


def test_a_past_days_late_list_tells_no_promise(ada):
    promise(ada, 30, 5)
    row, = reports.late_customers(as_of=ahead(-1))
    assert row["promise"] is None
    assert reports.late_customers(as_of=ahead(0)) == reports.late_customers()


def test_a_note_of_today_can_be_deleted_by_who_wrote_it_and_the_trail_has_it(ada):
    note_id = notes.add_note(ada, "Wrong number.")
    notes.delete_note(note_id)
    assert notes.list_notes(ada) == []
    change, *_ = trail.history_of_customer(ada)
    assert (change["kind"], change["table_name"], change["record"]["note"]) == (
        "deleted", "customer_notes", "Wrong number.")


@pytest.mark.parametrize("other", ["noted_on = CURRENT_DATE - 1", "noted_by = 'bo'"])
def test_a_note_of_another_day_or_person_stays(ada, sql, other):
    note_id = notes.add_note(ada, "Wrong number.")
    sql(f"UPDATE customer_notes SET {other}")
    note, = notes.list_notes(ada)
    assert not note["may_go"]
    with pytest.raises(errors.Conflict, match="can be deleted on its day alone, by who wrote it"):
        notes.delete_note(note_id)
    assert len(notes.list_notes(ada)) == 1


def test_a_note_that_is_not_there_is_said_not_to_be(ada):
    for call in (notes.get_note, notes.delete_note):
        with pytest.raises(errors.NotFound, match=r"There is no note 7\."):
            call(7)


def test_notes_come_by_pages_newest_first_and_are_one_customers(ada, db):
    other = db.add_customer("Bo Li", "0301 555002")
    written = [notes.add_note(customer_id, "Called.") for customer_id in (ada, ada, other, ada)]
    assert [note["customer_note_id"] for note in notes.list_notes(ada, limit=2)] == [written[3], written[1]]
    assert [note["customer_note_id"] for note in notes.list_notes(ada, written[1])] == [written[0]]
    assert (notes.count_notes(ada), notes.count_notes(other)) == (3, 1)


def test_an_account_has_the_latest_three_notes_and_says_how_many_there_are(ada):
    for word in ("one", "two", "three", "four"):
        notes.add_note(ada, word)
    account = reports.get_account(ada)
    assert ([note["note"] for note in account["notes"]], account["note_count"]) == (["four", "three", "two"], 4)


def answered(run, *answers):
    """Return what an account's form shows: its own paragraph, without the account above and below it."""
    done = run(answers=lines("Ada", "11", *answers, "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("Choose: 11\n\n")[1].split("\n\nCustomer 1  ")[0]


def test_the_form_notes_a_text_and_a_promise_of_what_is_owed(ada, run, sql):
    assert answered(run, "Will pay on Friday.", "+3", "") == (
        "Note or promise\n"
        "Customer 1, Ada Okafor, +44 20 7946 0958.\n"
        "Note [none]: Will pay on Friday.\n"
        "Promised until [no promise]: +3\n"
        "Amount [75.00]: \n"
        f"Added note 1 to Ada Okafor: 75.00 promised until {ahead(3)}.")
    assert sql("SELECT note, promised_until, promised_amount, noted_on FROM customer_notes") == [
        {"note": "Will pay on Friday.", "promised_until": ahead(3), "promised_amount": 75, "noted_on": ahead(0)}]


def test_the_form_notes_a_promise_without_a_text(ada, run, sql):
    assert answered(run, "", "today", "50").endswith(
        "Note [none]: \nPromised until [no promise]: today\nAmount [75.00]: 50\n"
        f"Added note 1 to Ada Okafor: 50.00 promised until {ahead(0)}.")
    assert sql("SELECT note, promised_amount FROM customer_notes") == [{"note": None, "promised_amount": 50}]


def test_the_form_notes_nothing_where_nothing_is_said(ada, run, sql):
    assert answered(run, "", "").endswith("Note [none]: \nPromised until [no promise]: \nNothing noted.")
    assert sql("SELECT 1 FROM customer_notes") == []


def test_a_promise_until_yesterday_is_refused(ada, run, sql):
    done = run(answers=lines("Ada", "11", "", "yesterday", "50"))
    assert done.stderr == f"Stopped at input line 4: Enter today or a later day; {ahead(-1)} is past.\n"
    assert sql("SELECT 1 FROM customer_notes") == []


def test_who_owes_nothing_can_promise_an_amount_all_the_same(ada, run):
    pay(ada, 75)
    assert "Amount: 20\nAdded note 1 to Ada Okafor: 20.00 promised until" in answered(run, "", "+3", "20")


def test_all_notes_are_a_list_in_which_one_of_today_can_be_deleted(ada, uri, sql, tmp_path):
    promise(ada, 50, -1, -5), notes.add_note(ada, "Rang, nobody there.")
    login, = sql("UPDATE customer_notes SET noted_by = 'bo' WHERE customer_note_id = 1; SELECT session_user AS name")
    terminal = Terminal(uri, 80, tmp_path)
    try:
        terminal.start()
        terminal.type("Ada")
        row = terminal.row()
        terminal.type("13", "1", "2", "", "2", "yes")
        shown = terminal.lines(row, terminal.row())
    finally:
        terminal.close()
    me, two = login["name"], "Rows 1 to 2 of 2  (ID opens, Enter, 0 or q back):"
    wide = max(len(me), 3)
    assert shown == [
        "Choose: 13",
        "",
        "All notes",
        "Customer 1, Ada Okafor, +44 20 7946 0958.",
        f"ID  Day         {'Who':<{wide}}  Note                 Promise",
        f"--  ----------  {'-' * wide}  -------------------  ------------------------------",
        f" 2  {ahead(0)}  {me:<{wide}}  Rang, nobody there.",
        f" 1  {ahead(-5)}  {'bo':<{wide}}                       50.00 until {ahead(-1)}, broken",
        f"{two} 1",
        f"{ahead(-5)} bo: promised 50.00 until {ahead(-1)}, broken",
        f"{two} 2",
        f"{ahead(0)} {me}: Rang, nobody there.",
        "Type yes to delete it, Enter keeps it:",
        f"{two} 2",
        f"{ahead(0)} {me}: Rang, nobody there.",
        "Type yes to delete it, Enter keeps it: yes",
        "Deleted note 2.",
        "ID  Day         Who  Note  Promise",
        "--  ----------  ---  ----  ------------------------------",
        f" 1  {ahead(-5)}  bo         50.00 until {ahead(-1)}, broken",
        "Rows 1 to 1 of 1  (ID opens, Enter, 0 or q back):",
    ]
    assert [row["customer_note_id"] for row in sql("SELECT customer_note_id FROM customer_notes")] == [1]


def test_a_reader_sees_the_notes_and_is_offered_no_form(ada, run, sql):
    notes.add_note(ada, "Called.")
    name = f"isp_reader_{os.getpid()}"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE isp_readonly")
    try:
        uri = psycopg2.extensions.make_dsn(run.args[0], user=name, password="x")
        done = run(answers=lines("Ada", "13", "0", "0"), DATABASE_URI=uri)
    finally:
        sql(f"DROP ROLE {name}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Note or promise" not in done.stdout
    assert "\n  Notes\n" in done.stdout
    assert "All notes\nCustomer 1, Ada Okafor, +44 20 7946 0958.\nID  Day " in done.stdout


@pytest.mark.parametrize("reference", ["C1", "c1", "C001", "C 1", " c1 "])
def test_a_reference_to_pay_with_finds_its_customer(ada, db, reference):
    assert reports.late_customers()[0]["reference"] == "C1"
    for find in (db.find_customers, db.suggest_customers):
        found = find(reference)
        assert ([row["customer_id"] for row in found.rows], found.total) == ([ada], 1)


@pytest.mark.parametrize("reference", ["C2", "C0", "C", "1C", "C1a", "C99999999999999999999"])
def test_what_is_no_customers_reference_finds_nobody(ada, db, reference):
    for find in (db.find_customers, db.suggest_customers):
        assert find(reference) == ([], 0)


def test_a_device_whose_serial_number_reads_like_a_reference_is_found_beside_it(ada, db, sql):
    sql("INSERT INTO customers (customer_id, name) OVERRIDING SYSTEM VALUE VALUES (123, 'Bo Li')")
    db.add_equipment(db.add_location(ada, "1 Quay"), "Router", "C123", Decimal(5))
    for find in (db.find_customers, db.suggest_customers):
        assert [row["customer_id"] for row in find("C123").rows] == [ada, 123]


def test_the_payment_form_takes_a_reference_for_its_customer(ada, run):
    done = run(answers=lines("5", "6", "C1", "75", "", "", "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Customer (ID or search): C1\nCustomer 1, Ada Okafor, +44 20 7946 0958.\n" in done.stdout
