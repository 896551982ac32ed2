"""Credit notes, write-offs and refunds; and bills that are lowered or deleted: where each cent goes, and since when."""
from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import lines

import database
from tracker import credits, errors, payments, reports
from tracker.verify import verify_books


def ago(days):
    return database.today() - timedelta(days=days)


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def bills(ada):
    """Bills 1 and 2, of 40.00 and 30.00, the first due first."""
    return [database.add_bill(ada, f"Bill {amount}", Decimal(amount), ago(-days)).billing_id
            for amount, days in ((40, 5), (30, 9))]


def pay(customer_id, amount, days_ago=0):
    payment = payments.record_payment(customer_id, Decimal(amount), ago(days_ago), "cash", None, uuid4())
    return payment["payment_id"]


def credit_note(customer_id, amount):
    return credits.add_credit_note(customer_id, Decimal(amount), "outage", uuid4())["payment_id"]


def write_off(customer_id, amount, billing_id=None):
    return credits.write_off(customer_id, Decimal(amount), "moved away", uuid4(), billing_id)["payment_id"]


def refund(customer_id, amount, payment_id=None):
    return credits.refund(customer_id, Decimal(amount), "transfer", None, uuid4(), payment_id)["payment_id"]


def due():
    return {row["billing_id"]: row["amount_due"] for row in database.list_bills() if row["amount_due"]}


def aged(sql, days):
    """Let what there is be of days ago: its days, of which no report may learn otherwise, are written back."""
    sql("SET session_replication_role = replica")
    sql("UPDATE billing SET issued_on = issued_on - %s, due_date = due_date - %s, settled_on = settled_on - %s, "
        "last_payment_date = last_payment_date - %s", days, days, days, days)
    sql("UPDATE payments SET paid_on = paid_on - %s, voided_on = voided_on - %s", days, days)
    sql("UPDATE payment_allocations SET made_on = made_on - %s, released_on = released_on - %s", days, days)
    sql("UPDATE billing_items SET booked_on = booked_on - %s", days)
    sql("SET session_replication_role = origin")


def owed(day):
    return {row["customer_id"]: row["total"] for row in reports.aging(day)}


def sound():
    return verify_books()[1] == []


def test_a_credit_note_lowers_what_is_due_first_and_what_is_left_is_credit(ada, bills):
    made = credits.add_credit_note(ada, Decimal(75), "outage", uuid4())
    assert (made["kind"], made["reason"], made["amount_left"], due()) == ("credit note", "outage", 5, {})
    assert [(use["billing_id"], use["amount"]) for use in made["bills"]] == [(1, 40), (2, 30)]
    assert payments.credit(ada) == 5
    assert sound()


def test_a_credit_note_is_no_payment_received(ada, bills):
    credit_note(ada, 40)
    assert database.get_bill(1)["last_payment_date"] is None
    assert payments.payments_on(ago(0)) == {"count": 0, "amount": 0, "rows": []}
    assert payments.same_payments(ada, Decimal(40), ago(0)) == []
    month = reports.monthly_revenue()[-1]
    assert (month["credited"], month["collected"]) == (40, 0)


@pytest.mark.parametrize("record", [
    lambda ada, key, amount: credits.add_credit_note(ada, Decimal(amount), "outage", key),
    lambda ada, key, amount: credits.write_off(ada, Decimal(amount), "moved away", key),
    lambda ada, key, amount: credits.refund(ada, Decimal(amount), "cash", "R-1", key, 1),
])
def test_the_same_form_records_once_and_with_other_values_never(ada, bills, sql, record):
    pay(ada, 10)
    key = uuid4()
    first = record(ada, key, 5)
    assert record(ada, key, 5) == first
    with pytest.raises(errors.Conflict, match="was saved before with other values"):
        record(ada, key, 6)
    assert sql("SELECT count(*) FROM payments") == [{"count": 2}]
    assert sound()


def test_a_form_of_one_kind_is_none_of_another(ada, bills):
    key = uuid4()
    credits.add_credit_note(ada, Decimal(5), "outage", key)
    with pytest.raises(errors.Conflict, match="another write-off"):
        credits.write_off(ada, Decimal(5), "outage", key)


def test_a_write_off_goes_to_what_is_due_first_or_to_the_bill_that_is_named(ada, bills):
    write_off(ada, 45)
    assert due() == {2: 25}
    write_off(ada, 20, 2)
    assert due() == {2: 5}
    assert payments.credit(ada) == 0
    assert reports.monthly_revenue()[-1]["written_off"] == 65
    assert sound()


@pytest.mark.parametrize(("billing_id", "amount", "sentence"), [
    (None, 71, "Only 70.00 is owed by this customer; nothing was written."),
    (1, 41, "Only 40.00 is owed on bill 1; nothing was written."),
])
def test_no_more_is_written_off_than_is_owed(ada, bills, sql, billing_id, amount, sentence):
    with pytest.raises(errors.Conflict) as caught:
        write_off(ada, amount, billing_id)
    assert str(caught.value) == sentence
    assert sql("SELECT count(*) FROM payments") == [{"count": 0}]


def test_a_refund_takes_the_oldest_credit_of_payments_and_credit_notes(ada):
    first, second = pay(ada, 10, days_ago=3), credit_note(ada, 20)
    made = credits.refund(ada, Decimal(15), "transfer", "R-9", uuid4())
    assert [(part["payment_id"], part["kind"], part["amount"]) for part in made["refunds"]] == [
        (first, "payment", 10), (second, "credit note", 5)]
    assert (payments.credit(ada), made["amount_left"], made["reference"]) == (15, 0, "R-9")
    assert payments.get_payment(second)["refunds"][0]["payment_id"] == made["payment_id"]
    assert reports.monthly_revenue()[-1]["refunded"] == 15
    assert sound()


def test_no_more_is_refunded_than_is_credit(ada):
    pay(ada, 10)
    with pytest.raises(errors.Conflict, match=r"^Only 10\.00 is credit of this customer; nothing was written\.$"):
        refund(ada, "10.01")
    assert payments.credit(ada) == 10


def test_a_payment_is_given_back_from_what_is_left_and_then_from_its_latest_bills(ada, bills, sql):
    paid = pay(ada, 75)
    refund(ada, 15, paid)
    assert (due(), payments.credit(ada)) == ({2: 10}, 0)
    refund(ada, 30, paid)
    assert (due(), payments.credit(ada)) == ({1: 10, 2: 30}, 0)
    assert [use["amount"] for use in payments.get_payment(paid)["bills"]] == [30]
    with pytest.raises(errors.Conflict, match=r"^Only 30\.00 of payment 1 can be given back"):
        refund(ada, 31, paid)
    assert sound()


def test_what_is_given_back_of_a_payment_is_paid_by_other_credit_first(ada, bills):
    paid = pay(ada, 70)
    credit_note(ada, 20)
    refund(ada, 70, paid)
    assert (due(), payments.credit(ada)) == ({1: 20, 2: 30}, 0)
    assert sound()


@pytest.mark.parametrize("what", ["another's", "void", "a credit note", "nobody's"])
def test_only_a_payment_of_the_customer_that_counts_is_given_back(db, ada, what):
    other = db.add_customer("Bo Li", "5550100")
    source = {"another's": lambda: pay(other, 10), "void": lambda: pay(ada, 10),
              "a credit note": lambda: credit_note(ada, 10), "nobody's": lambda: 99}[what]()
    if what == "void":
        payments.void_payment(source, "typo")
    with pytest.raises(errors.Conflict, match=rf"^Payment {source} is none of this customer's that counts"):
        refund(ada, 5, source)


def test_a_void_takes_each_kind_back(ada, bills):
    noted, gone = credit_note(ada, 10), write_off(ada, 10)
    assert due() == {1: 20, 2: 30}
    payments.void_payment(noted, "wrong customer")
    assert due() == {1: 30, 2: 30}
    payments.void_payment(gone, "they paid")
    assert due() == {1: 40, 2: 30}
    month = reports.monthly_revenue()[-1]
    assert (month["credited"], month["written_off"]) == (0, 0)
    assert sound()


def test_a_refund_that_is_void_is_credit_again_and_pays_what_is_due(ada, bills):
    paid = pay(ada, 75)
    given = refund(ada, 20, paid)
    assert due() == {2: 15}
    payments.void_payment(given, "it came back")
    assert (due(), payments.credit(ada)) == ({}, 5)
    assert [part["amount"] for part in payments.get_payment(given)["refunds"]] == [20]
    assert sound()


@pytest.mark.parametrize(("amount", "part"), [(5, " in part"), (10, "")])
def test_what_was_refunded_is_voided_after_its_refund(ada, amount, part):
    paid = pay(ada, 10)
    given = refund(ada, amount)
    with pytest.raises(errors.Conflict) as caught:
        payments.void_payment(paid, "bounced")
    assert str(caught.value) == f"Payment {paid} was refunded{part} by refund {given}; void that first."
    payments.void_payment(given, "typo")
    payments.void_payment(paid, "bounced")
    assert payments.credit(ada) == 0
    assert sound()


def test_psql_voids_no_payment_that_was_refunded_either(ada, sql):
    pay(ada, 10)
    refund(ada, 5)
    with pytest.raises(psycopg2.Error) as caught:
        sql("UPDATE payments SET void_reason = 'x' WHERE payment_id = 1")
    assert caught.value.diag.constraint_name == "payments_refunded_stays"


@pytest.mark.parametrize("statement", [
    "INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (2, 1, 1)",
    "INSERT INTO payment_allocations (payment_id, refund_id, amount) VALUES (3, 2, 1)",
    "INSERT INTO payment_allocations (payment_id, refund_id, amount) VALUES (1, 3, 1)",
    "INSERT INTO payment_allocations (payment_id, refund_id, amount) VALUES (4, 2, 1)",
])
def test_psql_lets_money_go_only_where_it_can(db, ada, sql, statement):
    pay(ada, 10)
    refund(ada, 5)
    database.add_bill(ada, "Bill", Decimal(20), ago(0))
    write_off(ada, 1)
    pay(db.add_customer("Bo Li", "5550100"), 10)
    with pytest.raises(psycopg2.Error) as caught:
        sql(statement)
    assert caught.value.diag.constraint_name in ("payment_allocations_own_bill", "payments_not_overallocated")


@pytest.mark.parametrize("change", ["released_on = CURRENT_DATE - 1", "released_on = NULL", "amount = 1",
                                    "released_on = CURRENT_DATE, amount = 1", "made_on = CURRENT_DATE"])
def test_an_allocation_is_released_today_and_never_edited(ada, bills, sql, change):
    pay(ada, 10)
    with pytest.raises(psycopg2.Error) as caught:
        sql(f"UPDATE payment_allocations SET {change}")
    assert caught.value.diag.constraint_name == "payment_allocations_never_edited"


def test_what_is_released_is_released_for_good(ada, bills, sql):
    pay(ada, 10)
    sql("UPDATE payment_allocations SET released_on = CURRENT_DATE")
    assert (due(), payments.credit(ada)) == ({1: 40, 2: 30}, 10)
    with pytest.raises(psycopg2.Error) as caught:
        sql("UPDATE payment_allocations SET released_on = CURRENT_DATE")
    assert caught.value.diag.constraint_name == "payment_allocations_never_edited"


def test_a_bill_that_is_lowered_frees_the_latest_payment_first(ada, bills):
    pay(ada, 30, days_ago=2), pay(ada, 10)
    database.update_bill(1, amount=Decimal(25))
    assert [(use["billing_id"], use["amount"]) for use in payments.get_payment(1)["bills"]] == [(1, 25), (2, 5)]
    assert [(use["billing_id"], use["amount"]) for use in payments.get_payment(2)["bills"]] == [(2, 10)]
    assert due() == {2: 15}
    assert sound()


def test_a_written_off_bill_is_lowered_or_deleted_after_the_write_off_is_void(ada, bills):
    gone = write_off(ada, 40)
    for refused in (lambda: database.update_bill(1, amount=Decimal(30)), lambda: database.delete_bill(1)):
        with pytest.raises(errors.Conflict) as caught:
            refused()
        assert str(caught.value) == f"Bill 1 was written off by write-off {gone}; void that first."
    payments.void_payment(gone, "they paid")
    database.delete_bill(1)
    assert due() == {2: 30}
    assert sound()


def test_a_bill_of_today_is_deleted_and_leaves_nothing(ada, bills, sql):
    pay(ada, 40)
    assert database.delete_bill(1) == 40
    assert sql("SELECT billing_id, amount_due FROM billing") == [{"billing_id": 2, "amount_due": 0}]
    assert payments.credit(ada) == 10
    assert sound()


def test_an_older_bill_is_cancelled_today_and_past_days_stay(ada, bills, sql):
    pay(ada, 40)
    aged(sql, 30)
    before = [(owed(ago(day)), reports.late_customers(as_of=ago(day))) for day in (30, 29, 20, 1)]
    assert database.delete_bill(1) == 40
    assert [(owed(ago(day)), reports.late_customers(as_of=ago(day))) for day in (30, 29, 20, 1)] == before
    assert (owed(None), due(), payments.credit(ada)) == ({}, {}, 10)
    bill = database.get_bill(1)
    assert (bill["cancelled_on"], bill["amount_billed"]) == (ago(0), 0)
    assert [item["amount"] for item in bill["items"]] == [40, -40]
    assert sound()


def test_whoever_deletes_an_older_bill_is_told_that_it_stays(bills, run, sql):
    stays = "It was issued on an earlier day: it stays in the books, over 0.00 from today on.\n"
    assert stays not in run(answers=lines("5", "5", "bill 1", "no", "0", "0")).stdout
    sql("UPDATE billing SET issued_on = CURRENT_DATE - 1 WHERE billing_id = 1")
    assert stays in run(answers=lines("5", "5", "bill 1", "no", "0", "0")).stdout


def test_a_deleted_bill_is_in_no_list_but_its_customers_own_and_not_changed_any_more(ada, bills, sql):
    aged(sql, 30)
    database.delete_bill(1)
    assert [row["billing_id"] for row in database.list_bills()] == [2]
    assert [row["billing_id"] for row in database.find_bills("Ada").rows] == [2]
    assert [(row["billing_id"], row["cancelled_on"]) for row in database.list_bills(customer_id=ada)] == [
        (2, None), (1, ago(0))]
    account = reports.get_account(ada)
    assert (account["paid_bill_count"], account["paid_bills"]) == (0, [])
    for again in (lambda: database.delete_bill(1), lambda: database.update_bill(1, amount=Decimal(5))):
        with pytest.raises(errors.Conflict, match=rf"^Bill 1 was deleted on {ago(0)}\.$"):
            again()


@pytest.mark.parametrize("amount", [10, 60])
def test_an_older_bill_is_changed_by_a_line_of_today_and_past_days_stay(ada, bills, sql, amount):
    pay(ada, 35)
    aged(sql, 30)
    before = [owed(ago(day)) for day in (30, 29, 1)]
    database.update_bill(1, amount=Decimal(amount))
    assert [owed(ago(day)) for day in (30, 29, 1)] == before
    assert sql("SELECT amount, booked_on FROM billing_items WHERE description = 'Adjustment'") == [
        {"amount": amount - 40, "booked_on": ago(0)}]
    assert sound()


def test_a_bill_that_credit_pays_today_was_owed_yesterday(ada, bills, sql):
    aged(sql, 30)
    pay(ada, 10, days_ago=20)  # recorded late, and counts from its day
    credit_note(ada, 60)
    assert [owed(ago(day)).get(ada) for day in (25, 20, 1, 0)] == [70, 60, 60, None]


def test_what_a_refund_takes_back_today_was_paid_yesterday(ada, bills, sql):
    paid = pay(ada, 70)
    aged(sql, 30)
    refund(ada, 70, paid)
    assert [owed(ago(day)).get(ada) for day in (30, 1, 0)] == [None, None, 70]


def test_a_deleted_bill_stays_so(ada, bills, sql):
    """Its lines would stand for days that are billed, and it is over nothing."""
    aged(sql, 30)
    database.delete_bill(1)
    for value in ("NULL", "CURRENT_DATE - 1"):
        with pytest.raises(psycopg2.IntegrityError) as caught:
            sql(f"UPDATE billing SET cancelled_on = {value} WHERE billing_id = 1")
        assert caught.value.diag.constraint_name == "billing_cancelled_for_good"


def test_a_refund_is_of_one_day_in_statement_and_aging(ada, bills, sql):
    """As of each day: in the statement it raises what is owed, in aging the bills that it takes from are due again."""
    aged(sql, 30)
    paid = pay(ada, 70, days_ago=20)
    refund(ada, 45, paid)
    assert [(reports.get_statement(ada, ago(40), ago(day))["closing"], owed(ago(day)).get(ada, 0))
            for day in (30, 21, 20, 1, 0)] == [(70, 70), (70, 70), (0, 0), (0, 0), (45, 45)]
    assert (reports.monthly_revenue()[-1]["refunded"], sound()) == (45, True)


def test_verify_finds_a_refund_of_an_earlier_day_than_what_it_took(ada, bills, sql):
    paid = pay(ada, 70)
    aged(sql, 30)
    given = refund(ada, 70, paid)
    sql("SET session_replication_role = replica")
    sql("UPDATE payment_allocations SET released_on = CURRENT_DATE + 1 WHERE released_on = CURRENT_DATE")
    assert sound()  # whoever released it may have had tomorrow
    sql("UPDATE payments SET paid_on = CURRENT_DATE - 20 WHERE kind = 'refund'")
    assert verify_books()[1] == [
        f"Refund {given}: it is of {ago(20)}, and its allocation 3 counts from {ago(0)}."]
    sql("UPDATE payment_allocations SET made_on = CURRENT_DATE - 20 WHERE refund_id IS NOT NULL")
    assert reports.get_statement(ada, ago(40), ago(10))["closing"] != owed(ago(10)).get(ada, 0)
    assert verify_books()[1] == [
        f"Payment {paid}: it is over 70.00, and on {ago(20)} its allocations and refunds came to 140.00."]
    sql("UPDATE payment_allocations SET made_on = CURRENT_DATE - 50 WHERE refund_id IS NOT NULL")
    sql("UPDATE payments SET paid_on = CURRENT_DATE - 50 WHERE kind = 'refund'")
    assert verify_books()[1][0] == (
        f"Refund {given}: it is of {ago(50)}, before payment {paid}, which it gave back, of {ago(30)}.")


def test_what_is_given_back_voided_and_given_back_again_is_sound(ada, bills, sql):
    paid = pay(ada, 75)
    for days in (30, 10, 5, 0):
        aged(sql, days)
        payments.void_payment(refund(ada, 20, paid), "it came back")
        refund(ada, 5, paid)
        database.add_bill(ada, "Bill", Decimal(3), ago(0))
    assert sound()


def test_a_credit_note_that_a_bill_made_goes_with_the_bill(ada, bills, sql):
    sql("INSERT INTO payments (customer_id, amount, kind, reason, from_bill) "
        "VALUES (%s, 5, 'credit note', 'x', 1)", ada)
    sql("SELECT apply_credit()")
    aged(sql, 30)
    database.delete_bill(1)
    assert payments.get_payment(1)["void_reason"] == "Its bill was deleted"
    assert due() == {2: 30}
    assert sound()


def test_a_statement_has_each_on_its_day(ada, bills, sql):
    paid = pay(ada, 50)
    aged(sql, 40)
    database.update_bill(2, amount=Decimal(25))
    noted = credit_note(ada, 5)
    gone = write_off(ada, 10)
    given = refund(ada, 20, paid)
    payments.void_payment(noted, "typo")
    database.delete_bill(1)
    statement = reports.get_statement(ada, ago(50), ago(0))
    entries = [(entry["day"], entry["kind"], entry["description"], entry["amount"]) for entry in statement["entries"]]
    then, now = ago(40).isoformat(), ago(0).isoformat()
    assert entries == [
        (then, "bill", f"Bill 40, due {ago(35)}", 40), (then, "bill", f"Bill 30, due {ago(31)}", 30),
        (then, "payment", "cash", -50),
        (now, "deletion", "of bill 1", -40), (now, "adjustment", "of bill 2", -5),
        (now, "credit note", "outage", -5), (now, "write-off", "moved away", -10), (now, "refund", "transfer", 20),
        (now, "void", f"of credit note {noted}", 5),
    ]
    account = reports.get_account(ada)
    assert statement["closing"] == account["amount_due"] - account["credit"] == -15
    assert (gone, given) == (3, 4)
    assert reports.get_statement(ada, ago(50), ago(1))["closing"] == 20


def test_a_void_refund_stands_in_the_statement_with_its_sign(ada):
    pay(ada, 10)
    payments.void_payment(refund(ada, 4), "typo")
    entries = reports.get_statement(ada, ago(1), ago(0))["entries"]
    assert [(entry["kind"], entry["amount"]) for entry in entries] == [("payment", -10), ("refund", 4), ("void", -4)]


def test_revenue_has_a_void_and_a_change_in_the_month_in_which_they_were(ada, bills, sql):
    pay(ada, 40)
    aged(sql, 62)
    before = reports.monthly_revenue()[:-1]
    payments.void_payment(1, "bounced")
    database.delete_bill(1)
    database.update_bill(2, amount=Decimal(35))
    *earlier, month = reports.monthly_revenue()
    assert earlier == before
    assert (month["billed"], month["collected"]) == (-35, -40)


def test_what_is_of_tomorrow_elsewhere_may_be_released_today(ada, bills):
    paid = pay(ada, 70, days_ago=-1)
    database.update_bill(1, amount=Decimal(10))
    payments.void_payment(refund(ada, 5, paid), "typo")
    assert sound()


PLANTED = [
    ("UPDATE billing SET settled_on = '2020-02-02' WHERE billing_id = 1",
     "Bill 1: it says 2020-02-02 for its latest allocation after its last payment, and that was None."),
    ("UPDATE payment_allocations SET released_on = CURRENT_DATE WHERE billing_id = 1",
     "Bill 1: it says 40.00 paid, last on {today}, and 0.00 due of 40.00; its payments come to 0.00, last on None."),
    ("UPDATE payment_allocations SET amount = 4 WHERE refund_id = 2",
     "Refund 2: it is over 5.00 and says 5.00 of it was used; its allocations come to 4.00."),
    ("UPDATE payments SET amount = 6 WHERE payment_id = 2",
     "Refund 2: it is over 6.00, and only 5.00 of it came from anything."),
    ("UPDATE payments SET amount = 11 WHERE payment_id = 3",
     "Write-off 3: it is over 11.00, and only 10.00 of it went to anything."),
    ("UPDATE payments SET voided_at = now(), void_reason = 'x' WHERE payment_id = 2",
     "Allocation 2: payment 1 cannot go into refund 2, which is void."),
    ("UPDATE payments SET kind = 'write-off', reason = 'x' WHERE payment_id = 2",
     "Allocation 2: payment 1 cannot go into refund 2, which is none."),
    ("UPDATE payments SET customer_id = 2 WHERE payment_id = 2",
     "Allocation 2: payment 1 was given back by refund 2, of another customer."),
    ("UPDATE billing SET amount_billed = 0, amount_paid = 0, cancelled_on = '2020-01-01' WHERE billing_id = 1",
     "Bill 1: it was issued on {today} and deleted on 2020-01-01, and something still pays it, or it is over "
     "something."),
    ("UPDATE billing_items SET booked_on = '2020-01-01' WHERE billing_id = 1",
     "Bill 1: it was issued on {today}, and its line 1 was booked on 2020-01-01, before that."),
    ("UPDATE payment_allocations SET released_on = '2020-01-01' WHERE billing_id = 1",
     "Allocation 1: it counts from {today}, and was released on 2020-01-01, before that."),
    ("UPDATE payment_allocations SET made_on = '2030-01-01', released_on = '2029-01-01' WHERE billing_id = 1",
     "Allocation 1: it counts from 2030-01-01, and was released on 2029-01-01, before that."),
]


@pytest.mark.parametrize(("damage", "finding"), PLANTED, ids=range(len(PLANTED)))
def test_verify_finds_what_was_planted(db, ada, sql, damage, finding):
    db.add_customer("Bo Li", "5550100")
    database.add_bill(ada, "Bill", Decimal(40), ago(0))
    pay(ada, 45)
    refund(ada, 5)
    database.add_bill(ada, "Bill", Decimal(10), ago(0))
    write_off(ada, 10)
    assert sound()
    sql("SET session_replication_role = replica")
    sql(damage)
    assert finding.format(today=ago(0)) in verify_books()[1]


def test_the_menus_record_each_show_each_and_void_each(ada, bills, run):
    done = run(answers=lines(
        "5", "13", "1", "5", "two days without service", "14", "1", "", "10", "moved away", "6", "1", "20", "", "", "",
        "", "15", "1", "3", "15", "1", "", "8", "4", "typo", "yes", "7", "1", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    for sentence in (
        "Recorded credit note 1, 5.00 on {}, two days without service, of Ada Okafor.",
        "Recorded write-off 2, 10.00 on {}, moved away, of Ada Okafor.",
        "Recorded refund 4, 15.00 on {}, cash, of Ada Okafor.",
        "Voided refund 4, 15.00 on {}, cash, of Ada Okafor: typo",
    ):
        assert sentence.format(ago(0)) in done.stdout
    table = done.stdout.rpartition("Voided refund")[2]
    assert re.findall(r"^ *\d  \d\S+ +\S+  (refund, cash|transfer|write-off|credit note) ", table, re.MULTILINE) == [
        "refund, cash", "transfer", "write-off", "credit note"]
    assert sound()


def test_credit_notes_write_offs_and_refunds_are_found_to_be_voided(ada, bills, run):
    noted, gone = credit_note(ada, 5), write_off(ada, 10)
    pay(ada, 100)
    given = refund(ada, 20)
    for term, payment_id in (("credit note", noted), ("outag", noted), ("Write-Off", gone), ("moved aw", gone),
                             ("refund", given)):
        assert [row["payment_id"] for row in payments.find_payments(term).rows] == [payment_id]
    assert payments.find_payments("payment").rows == []
    done = run(answers=lines("5", "8", "outag", "typo", "no", "0", "0"))
    assert "Credit notes, write-offs and refunds are voided here, too.\nPayment (ID or search): " in done.stdout
    assert "Not voided." in done.stdout


def test_a_refund_s_list_has_the_credit_notes_of_which_something_is_left(ada, run):
    pay(ada, 10), credit_note(ada, 5)
    spent = credit_note(ada, 7)
    payments.void_payment(spent, "typo")
    done = run(answers=lines("5", "15", "1", "2"))
    assert done.stderr == "Stopped at input line 4: Credit note 2 is given back as credit: press Enter.\n"
    assert re.findall(r"^ *(\d)  \S+ +\S+  (credit note|cash) .* (\S+)$", done.stdout, re.MULTILINE) == [
        ("2", "credit note", "5.00"), ("1", "cash", "10.00")]


def test_a_deleted_bill_and_one_with_a_late_fee_are_refused_before_anything_is_asked(ada, bills, run, sql):
    sql("INSERT INTO billing (customer_id, description, due_date, amount_billed, late_fee_for) "
        "VALUES (%s, 'Late fee', CURRENT_DATE, 5, 1)", ada)
    done = run(answers=lines("5", "5", "bill 1", "0", "0"))
    assert done.stderr == "Stopped at input line 3: Bill 1 has a late fee, bill 3, which is deleted first.\n"
    aged(sql, 30)
    database.delete_bill(3)
    for entry in ("4", "5"):
        done = run(answers=lines("5", entry, "bill 3", "0", "0"))
        assert done.stderr == f"Stopped at input line 3: Bill 3 was deleted on {ago(0)}.\n"


def test_the_forms_take_no_more_than_there_is(ada, bills, run):
    done = run(answers=lines("5", "14", "1", "", "70.01", "0", "0"))
    assert done.stderr == "Stopped at input line 5: Only 70.00 is owed.\n"
    pay(ada, 80)
    done = run(answers=lines("5", "15", "1", "", "10.01", "0", "0"))
    assert done.stderr == "Stopped at input line 5: Only 10.00 is credit.\n"
    done = run(answers=lines("5", "15", "1", "7", "0", "0"))
    assert done.stderr == "Stopped at input line 4: There is no payment 7.\n"


def test_who_has_neither_credit_nor_payments_gets_no_refund(ada, run):
    done = run(answers=lines("5", "15", "1", "0", "0"))
    assert done.stderr == "Stopped at input line 3: There is no credit and no payment to give back.\n"
