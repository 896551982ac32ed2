"""Late fees: which bills get one, how the run is previewed, agreed to and undone; what is said where none is set."""
from __future__ import annotations

import functools
import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines, wait_for

import database
from tracker import bill_run, errors, late_fees, notes, payments
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

FEE = {"LATE_FEE": "5.00", "LATE_FEE_AFTER_DAYS": "14"}
NOT_SET = ("No late fee is set: LATE_FEE=5.00 and LATE_FEE_AFTER_DAYS=14 in .env, say, charge 5.00 for each bill that "
           "is 14 days late.\n")
WRONG = ("LATE_FEE must be an amount such as 5.00, and LATE_FEE_AFTER_DAYS a whole number of days from 1 to 999: set "
         "both, or neither.\n")


def ahead(days):
    return database.today() + timedelta(days=days)


@pytest.fixture
def fee(monkeypatch):
    for name, value in FEE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bill(db, sql):
    """Make a function that bills a customer for something that is due so many days from today, and returns the ID."""
    def make(customer_id, days, amount="30", description="November 2026"):
        billing_id = db.add_bill(customer_id, description, Decimal(amount), ahead(days)).billing_id
        sql("UPDATE billing SET issued_on = least(due_date - 14, issued_on) WHERE billing_id = %s", billing_id)
        return billing_id

    return make


@pytest.fixture
def ada(db, fee):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


def pay(customer_id, amount, billing_id=None):
    return payments.record_payment(
        customer_id, Decimal(amount), database.today(), "cash", None, uuid4(), billing_id)["payment_id"]


def fees(sql):
    """Return the fees that are there: the bill that each is for, its description, amount and due date."""
    return [tuple(row.values()) for row in sql(
        """
        SELECT late_fee_for, description, amount_billed, due_date
        FROM billing
        WHERE late_fee_for IS NOT NULL AND cancelled_on IS NULL
        ORDER BY billing_id
        """)]


def test_a_bill_gets_a_fee_from_the_set_day_on_and_not_before(ada, bill, sql):
    late, _ = bill(ada, -14), bill(ada, -13)
    assert late_fees.run()["created"] == 1
    assert fees(sql) == [(late, f"Late fee for bill {late}, November 2026", 5, ahead(14))]
    assert sql("SELECT description, amount FROM billing_items ORDER BY billing_item_id DESC LIMIT 1") == [
        {"description": f"Late fee for bill {late}, November 2026", "amount": 5}]
    assert verify_books()[1] == []


def test_a_second_run_makes_none_and_a_fee_gets_no_fee(ada, bill, sql):
    bill(ada, -40)
    late_fees.run()
    sql("UPDATE billing SET due_date = CURRENT_DATE - 20 WHERE late_fee_for IS NOT NULL")
    assert late_fees.run() == {"created": 0, "customers": 0, "total": 0, "due_date": ahead(14), "from_credit": 0}
    assert late_fees.preview()["bills"] == 0
    assert len(fees(sql)) == 1


def test_each_late_bill_of_a_customer_gets_a_fee_of_its_own(ada, bill, db, sql):
    first, second, other = bill(ada, -40), bill(ada, -20), bill(db.add_customer("Bo Li", "0301 555002"), -15)
    assert late_fees.preview() == {"bills": 3, "customers": 2, "total": 15, "due_date": ahead(14), "promised": 0}
    assert late_fees.run(Decimal("15.00"))["customers"] == 2
    assert [late_fee_for for late_fee_for, *_ in fees(sql)] == [first, second, other]


def test_paid_and_closed_accounts_bills_get_none(ada, bill, db, sql):
    paid, gone = bill(ada, -40), bill(db.add_customer("Bo Li", "0301 555002"), -40)
    pay(ada, 30, paid)
    sql("UPDATE customers SET closed_on = CURRENT_DATE WHERE customer_id = 2")
    assert (late_fees.run()["created"], gone) == (0, 2)


def test_who_has_promised_to_pay_is_left_out_until_the_promise_is_broken(ada, bill, sql):
    bill(ada, -40)
    notes.add_note(ada, None, ahead(3), Decimal(30))
    assert late_fees.preview() == {"bills": 0, "customers": 0, "total": 0, "due_date": ahead(14), "promised": 1}
    assert late_fees.run()["created"] == 0
    sql("UPDATE customer_notes SET promised_until = CURRENT_DATE - 1, noted_on = CURRENT_DATE - 5")
    assert late_fees.run()["created"] == 1


def test_the_list_of_a_preview_comes_by_pages(ada, bill):
    first, second, _ = bill(ada, -40), bill(ada, -20), bill(ada, -2)
    row, = late_fees.list_charged(limit=1)
    assert row == {"billing_id": first, "customer_id": ada, "name": "Ada Okafor", "description": "November 2026",
                   "due_date": ahead(-40), "days_late": 40, "amount_due": 30}
    assert [row["billing_id"] for row in late_fees.list_charged(first)] == [second]


def test_a_long_description_is_cut_to_what_a_bill_can_have(ada, bill, sql):
    late = bill(ada, -40, description="x" * 200)
    late_fees.run()
    assert fees(sql)[0][1] == f"Late fee for bill {late}, {'x' * 200}"[:200]


def test_credit_pays_a_fee_at_once(ada, bill, sql):
    late = bill(ada, -40)
    pay(ada, 40)  # ten of it is credit, and the bill is paid
    sql("UPDATE payments SET void_reason = 'bounced'")
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 33)", ada)  # as psql does: nothing of it is spent yet
    assert late_fees.run()["from_credit"] == 3
    assert sql("SELECT amount_due FROM billing ORDER BY billing_id") == [{"amount_due": 0}, {"amount_due": 2}]
    assert late == 1


def test_nobody_is_charged_when_the_total_is_another_than_was_shown(ada, bill, sql):
    bill(ada, -40)
    with pytest.raises(errors.Conflict, match=r"The total is now 5\.00, since .* nobody was charged"):
        late_fees.run(Decimal("10.00"))
    assert fees(sql) == []


def test_two_runs_at_once_charge_each_bill_once(ada, bill, sql):
    for days in range(20, 30):
        bill(ada, -days)
    done = []
    threads = [threading.Thread(target=lambda: done.append(late_fees.run()["created"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 0, 0, 10]
    assert len(fees(sql)) == 10


def test_the_database_lets_no_bill_have_two_fees(ada, bill, sql):
    late = bill(ada, -40)
    late_fees.run()
    with pytest.raises(Exception, match="billing_late_fee_once"):
        sql("INSERT INTO billing (customer_id, description, due_date, amount_billed, late_fee_for) "
            "VALUES (%s, 'Fee', CURRENT_DATE, 5, %s)", ada, late)


def test_a_payment_that_is_under_way_is_waited_for(ada, bill, uri, sql):
    late = bill(ada, -40)
    ended = []
    with database.transaction() as cur:
        cur.execute("SELECT 1 FROM customers FOR UPDATE")
        cur.execute("INSERT INTO payments (customer_id, amount) VALUES (%s, 30) RETURNING payment_id", (ada,))
        cur.execute("SELECT apply_credit(ARRAY[%s]::bigint[], ARRAY[%s]::bigint[])", (ada, cur.row()["payment_id"]))
        thread = threading.Thread(target=lambda: ended.append(late_fees.run()))
        thread.start()
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                             "WHERE wait_event_type = 'Lock' AND datname = current_database()"))
    thread.join()
    assert (ended[0]["created"], late) == (0, 1)


def test_undoing_takes_back_what_nobody_has_paid_on_and_says_what_stays(ada, bill, db, sql):
    bill(ada, -40), bill(db.add_customer("Bo Li", "0301 555002"), -20)
    late_fees.run()
    assert late_fees.last_day() == ahead(0)
    pay(2, 2, 4)
    assert late_fees.preview_undo(ahead(0)) == {"removed": 1, "total": 5, "kept": 1}
    done = late_fees.undo(ahead(0))
    assert (done["removed"], done["kept"]) == (1, 1)
    assert [(row["name"], row["amount_paid"]) for row in done["bills"]] == [("Bo Li", 2)]
    assert [late_fee_for for late_fee_for, *_ in fees(sql)] == [2]
    assert verify_books()[1] == []


def test_fees_that_were_undone_can_be_made_again(ada, bill, sql):
    bill(ada, -40)
    late_fees.run()
    late_fees.undo(ahead(0))
    assert (fees(sql), late_fees.last_day(), late_fees.run()["created"]) == ([], None, 1)


def test_fees_of_an_earlier_day_are_cancelled_and_stay_in_the_books_of_then(ada, bill, sql):
    bill(ada, -40)
    late_fees.run()
    sql("UPDATE billing SET issued_on = CURRENT_DATE - 3 WHERE late_fee_for IS NOT NULL")
    assert late_fees.last_day() == ahead(-3)
    assert late_fees.undo(ahead(-3)) == {"removed": 1, "kept": 0, "bills": []}
    assert sql("SELECT amount_billed, cancelled_on FROM billing WHERE late_fee_for IS NOT NULL") == [
        {"amount_billed": 0, "cancelled_on": ahead(0)}]
    assert sql("SELECT sum(amount) FROM owed_on(CURRENT_DATE - 1)") == [{"sum": 35}]
    assert late_fees.run()["created"] == 1
    assert verify_books()[1] == []


def test_a_fee_that_credit_alone_paid_is_undone_and_the_credit_is_there_again(ada, bill, sql):
    bill(ada, -40)
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 33)", ada)
    late_fees.run()
    assert late_fees.undo(ahead(0))["removed"] == 1
    assert payments.credit(ada) == 3


@pytest.mark.parametrize("issued", ["CURRENT_DATE", "CURRENT_DATE - 54"])
def test_a_bill_is_not_deleted_before_its_fee(ada, bill, db, sql, issued):
    late = bill(ada, -40)
    sql(f"UPDATE billing SET issued_on = {issued}")
    late_fees.run()
    with pytest.raises(errors.Conflict, match="The bill has a late fee, which is deleted first"):
        db.delete_bill(late)
    db.delete_bill(late + 1)
    db.delete_bill(late)
    assert sql("SELECT sum(amount_due) FROM billing")[0]["sum"] in (None, 0)


def test_a_bill_run_with_late_fees_is_not_undone_and_it_is_said_which_bills_have_one(ada, db, sql):
    month = ahead(-70).replace(day=1)
    for _ in range(6):
        db.add_location(db.add_customer("Bo Li", None), "1 Quay")
    db.add_location(ada, "2 Quay")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre', 20 FROM locations")
    sql("UPDATE customers SET created_at = '2020-01-01'")
    bill_run.run(month, month + timedelta(days=14))
    first = sql("SELECT min(billing_id) AS id FROM billing")[0]["id"]
    assert late_fees.run()["created"] == 7
    names = {row["billing_id"]: row["name"] for row in sql(
        "SELECT billing_id, name FROM billing JOIN customers USING (customer_id)")}
    before = sql("SELECT * FROM billing ORDER BY billing_id")
    with pytest.raises(errors.Conflict) as refused:
        bill_run.undo(month)
    named = ", ".join(f"bill {first + n} of {names[first + n]}" for n in range(5))
    assert str(refused.value) == (
        f"Late fees are deleted before their bills, and nothing was removed. These have one: {named}, and 2 more.")
    assert sql("SELECT * FROM billing ORDER BY billing_id") == before
    late_fees.undo(ahead(0))
    assert bill_run.undo(month)["removed"] == 7


@pytest.mark.parametrize(("amount", "days"), [
    ("5", ""), ("", "14"), ("0", "14"), ("5.005", "14"), ("-5", "14"), ("NaN", "14"), ("5", "0"), ("5", "14.5"),
    ("5", "1000"), ("five", "14"), ("5", "x"),
])
def test_a_fee_that_is_set_in_half_or_wrongly_is_one_sentence(run, amount, days):
    done = run("late-fees", "--dry-run", LATE_FEE=amount, LATE_FEE_AFTER_DAYS=days)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", WRONG)


@pytest.mark.parametrize("arguments", [("late-fees",), ("late-fees", "--dry-run"), ("late-fees", "--yes")])
def test_where_no_fee_is_set_the_command_says_how_to_set_one(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NOT_SET)


@pytest.mark.parametrize("digit", ["16", "17"])
def test_where_no_fee_is_set_the_entries_say_how_to_set_one(run, digit):
    done = run(answers=lines("5", digit))
    assert done.returncode == 1
    assert done.stderr == f"Stopped at input line 2: {NOT_SET}"


@pytest.fixture
def charge(ada, bill, db, run):
    """Run the command on a customer with a late bill, and one who has promised to pay."""
    bill(ada, -40)
    bo = db.add_customer("Bo Li", "0301 555002")
    bill(bo, -20)
    notes.add_note(bo, "Next week.", ahead(7), Decimal(30))
    return functools.partial(run, "late-fees", **FEE)


def preview():
    return ("A fee of 5.00 for each bill that is 14 days late or more, once.\n"
            f"1 bill of 1 customer, 5.00 in total, due {ahead(14)}.\n"
            "Left out, since they have promised to pay: 1 customer.\n")


QUESTION = "Type the total, 5.00, to charge: "


def test_a_dry_run_shows_what_would_be_charged_and_stops(charge, sql):
    done = charge("--dry-run")
    assert (done.returncode, done.stdout, done.stderr) == (0, preview(), "")
    assert fees(sql) == []


def test_the_command_charges_when_its_total_is_typed(charge, sql):
    done = charge(answers=lines("5.00"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{preview()}{QUESTION}5.00\n"
        f"Created 1 late fee for 1 customer; 5.00 billed, due {ahead(14)}.\n")
    assert len(fees(sql)) == 1


@pytest.mark.parametrize(("answer", "said"), [
    ("", "That is not the total; nobody was charged.\n"), ("no", "That is not the total; nobody was charged.\n"),
    ("5", "Stopped at input line 1: Type 5.00 in full, or no.\n"),
])
def test_the_command_charges_nobody_when_another_answer_is_typed(charge, sql, answer, said):
    done = charge(answers=lines(answer))
    assert (done.returncode, done.stdout, done.stderr) == (1, f"{preview()}{QUESTION}{answer}\n", said)
    assert fees(sql) == []


def test_the_command_asks_nothing_with_yes(charge, sql):
    done = charge("--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{preview()}Created 1 late fee for 1 customer; 5.00 billed, due {ahead(14)}.\n"
    assert len(fees(sql)) == 1


def test_the_entries_charge_and_take_back(charge, run, sql):
    done = run(answers=lines("5", "16", "5.00", "17", "", "yes", "17", "0", "0"), **FEE)
    assert (done.returncode, done.stderr) == (0, "")
    entries = done.stdout.split("\n\nLate fees\n")[1].split("\n\nUndo late fees\n")
    assert [shown.split("\n\nBilling\n")[0] for shown in entries] == [
        f"{preview()}{QUESTION}5.00\nCreated 1 late fee for 1 customer; 5.00 billed, due {ahead(14)}.",
        f"Day [{ahead(0)}]: \nThis takes back 1 late fee of {ahead(0)}, over 5.00.\n"
        f"Type yes to take them back: yes\nTook back 1 late fee of {ahead(0)}.",
        "There are no late fees.",
    ]
    assert fees(sql) == []
