"""A bank's file as payments: which lines are certain, what becomes of the others, and that none pays twice."""
from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import lines, wait_for

import database
from tracker import accounts, errors, payments
from tracker.transfer import bank, booking
from tracker.verify import verify_books

HEADER = "Buchungstag;Betrag;Beguenstigter/Zahlungspflichtiger;Verwendungszweck;IBAN\n"
NOBODY = (0, Decimal(0))


@pytest.fixture
def ada(db):
    """A customer who owes 29.90 (bill 1) and 49.00 (bill 2)."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    database.update_customer(customer_id, account_number="K-1007")
    for cost in ("29.90", "49.00"):
        database.add_bill(customer_id, "Internet", Decimal(cost), database.today())
    return customer_id


@pytest.fixture
def statement(tmp_path):
    """Write a bank's file of lines: day of this month or date, amount, payer, reference, and the payer's account."""
    names = itertools.count(1)

    def write(*rows):
        path = tmp_path / f"bank{next(names)}.csv"
        written = [";".join([*map(str, row), *[""] * (5 - len(row))]) for row in rows]
        path.write_text(HEADER + "\n".join(written) + "\n")
        return bank.open_bank_file(path)

    return write


def day(ago=0):
    return (database.today() - timedelta(days=ago)).strftime("%d.%m.%Y")


def booked():
    """Return every payment: whose, how much, and which bills it paid."""
    made = [payments.get_payment(row["payment_id"]) for row in reversed(payments.latest_payments())]
    return [(row["customer_id"], row["amount"], [(use["billing_id"], use["amount"]) for use in row["bills"]])
            for row in made if not row["voided_on"]]


def certain(outcome):
    return outcome.booked.lines


def test_a_line_that_names_the_account_number_is_booked_and_pays_the_oldest_bill(ada, statement):
    outcome = booking.load(statement((day(1), "29,90", "A. OKAFOR", "Internet K-1007 Juli")))
    assert outcome[2:7] == ((1, Decimal("29.90")), NOBODY, NOBODY, NOBODY, ())
    payment = payments.get_payment(1)
    assert (payment["customer_id"], payment["method"]) == (ada, "transfer")
    assert payment["paid_on"] == database.today() - timedelta(days=1)
    assert payment["reference"] == "Internet K-1007 Juli"
    assert booked() == [(ada, Decimal("29.90"), [(1, Decimal("29.90"))])]
    assert verify_books()[1] == []


@pytest.mark.parametrize(("reference", "payer", "amount", "is_certain"), [
    ("Kunde K1007", "Somebody", "1,00", True),  # with a word for customer, however it is written
    ("K 1007", "Somebody", "1,00", True),
    ("1007", "Somebody", "1,00", False),  # another number
    ("Rechnung 2", "Okafor Ada", "1,00", True),  # the name agrees
    ("Rechnung 2", "Somebody", "49,00", True),  # the amount agrees
    ("Rechnung 2", "Somebody", "1,00", False),
    ("Rechnung 2", "Somebody", "29,90", False),  # that of another bill
    ("Rechnung 77", "Okafor Ada", "49,00", False),
    ("C1", "ADA OKAFOR", "5,00", True),
    ("C1", "Somebody", "49,00", True),
    ("C1", "Somebody", "5,00", False),
    ("danke", "Ada Okafor", "29,90", False),  # a name and an amount are a proposal
])
def test_what_is_certain(ada, statement, reference, payer, amount, is_certain):
    outcome = booking.check(statement((day(1), amount, payer, reference)))
    assert (outcome.booked.lines, outcome.open.lines) == ((1, 0) if is_certain else (0, 1))
    assert booked() == []
    assert booking.count_open().lines == 0


def test_a_bill_that_is_named_is_paid_before_older_ones(ada, statement):
    booking.load(statement((day(1), "49,00", "Somebody", "Rechnung 2")))
    assert booked() == [(ada, 49, [(2, 49)])]


def test_two_lines_that_name_one_bill_pay_it_once_and_the_rest_goes_to_the_oldest(ada, statement):
    booking.load(statement((day(1), "49,00", "Ada Okafor", "Rechnung 2"),
                           (day(1), "40,00", "Ada Okafor", "Rechnung 2")))
    assert booked() == [(ada, 49, [(2, 49)]), (ada, 40, [(1, Decimal("29.90"))])]
    assert payments.credit(ada) == Decimal("10.10")
    assert verify_books()[1] == []


def test_two_lines_that_name_one_bill_share_it(ada, statement):
    booking.load(statement((day(1), "30,00", "Ada Okafor", "Rechnung 2"),
                           (day(1), "40,00", "Ada Okafor", "Rechnung 2")))
    assert booked() == [(ada, 30, [(2, 30)]), (ada, 40, [(2, 19), (1, 21)])]


def test_a_bill_that_is_being_made_is_waited_for_and_paid(ada, statement, uri, sql):
    other = psycopg2.connect(uri)
    with other.cursor() as cur, ThreadPoolExecutor(1) as pool:
        cur.execute("INSERT INTO billing (customer_id, description, due_date, amount_billed) "
                    "VALUES (1, 'TV', CURRENT_DATE, 5); INSERT INTO billing_items (billing_id, description, amount) "
                    "VALUES (3, 'TV', 5)")
        done = pool.submit(booking.load, statement((day(1), "83,90", "X", "K-1007")))
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                             "AND wait_event_type = 'Lock'") or done.done())
        other.commit()
        done.result()
    other.close()
    assert verify_books()[1] == []
    assert payments.credit(ada) == 0


def test_money_of_today_is_no_credit_of_before(ada, statement, sql):
    booking.load(statement((day(3), "29,90", "A", "K-1007"), (day(2), "49,00", "A", "K-1007")))
    assert sql("SELECT from_credit, made_on FROM payment_allocations") == [{"from_credit": False, "made_on": None}] * 2


def test_the_same_file_again_and_a_month_that_holds_its_days_add_nothing(ada, statement):
    first = (day(2), "10,00", "Ada Okafor", "K-1007")
    second = (day(1), "12,00", "Ada Okafor", "K-1007")
    booking.load(statement(first))
    assert certain(booking.load(statement(first))) == 0
    outcome = booking.load(statement(first, second, second))
    assert (outcome.booked, outcome.known) == ((2, 24), (1, 10))
    assert [amount for _, amount, _ in booked()] == [10, 12, 12]


def test_a_line_that_was_voided_is_open_and_does_not_come_again(ada, statement):
    row = (day(1), "29,90", "Ada Okafor", "K-1007")
    booking.load(statement(row))
    payments.void_payment(1, "wrong")
    assert booking.load(statement(row)).known.lines == 1
    line = booking.next_open()
    assert (line["amount_left"], booking.count_open()) == (Decimal("29.90"), (1, Decimal("29.90")))
    assert verify_books()[1] == []


@pytest.mark.parametrize(("reference", "payer", "is_certain"), [
    ("auftrag  4711000", "X", True),  # a long number
    ("Internet", "Okafor Ada", True),  # the name agrees
    ("Internet", "X", False),  # many write that, and owe this amount
    ("Internet 122026", "X", False),  # a month is no number of anybody's, and no day is
    ("Internet 01122026 202612 20261201 011226", "X", False),
])
def test_a_reference_that_paid_before_is_certain_with_a_long_number_or_the_payers_name(
    reference, payer, is_certain, ada, statement
):
    for written in ("Auftrag 4711000", "Internet", "Internet 122026", "Internet 01122026 202612 20261201 011226"):
        payments.record_payment(ada, Decimal(7), database.today(), "transfer", written, uuid4())
    assert certain(booking.check(statement((day(1), "49,00", payer, reference)))) == is_certain


@pytest.mark.parametrize(("payer", "amount", "doubt"), [
    ("bob  MILLER", "60,00", "It names customer 1; its payer has the name of customer 2."),  # a slip in the number
    ("Bob Miller", "29,90", None),  # who owes this is meant: Bob pays for Ada
    ("Cy Dunn", "60,00", None),
])
def test_a_number_of_one_and_the_name_of_another_are_asked_about(payer, amount, doubt, ada, db, statement):
    bob = db.add_customer("Bob Miller", None)
    database.add_bill(bob, "Internet", Decimal(60), database.today())
    outcome = booking.load(statement((day(1), amount, payer, "K-1007")))
    line = booking.next_open()
    assert (outcome.booked.lines, line and line["doubt"]) == (0 if doubt else 1, doubt)


def test_a_reference_that_two_customers_pay_with_is_nobody_s(ada, db, statement):
    bob = db.add_customer("Bob Miller", None)
    for customer_id in (ada, bob):
        payments.record_payment(customer_id, Decimal(7), database.today(), "transfer", "Miete 4711000", uuid4())
    outcome = booking.load(statement((day(1), "3,00", "X", "Miete 4711000")))
    assert (outcome.booked.lines, booking.next_open()["doubt"]) == (0, f"It names customers {ada} and {bob}.")


@pytest.mark.parametrize(("many", "few"), [(1000, 1), (3, 20)])
def test_a_reference_that_many_pay_with_is_of_whoever_paid_with_it_from_the_same_account(
    ada, db, statement, monkeypatch, many, few
):
    bob = db.add_customer("Bob Miller", None)
    booking.load(statement((day(40), "10,00", "Ada Okafor", "Internet 12345", "DE1"),
                           (day(40), "10,00", "Bob Miller", "Internet 12345", "DE2"),
                           (day(40), "10,00", "Jonas", "Internet 12345", "DE2")))
    for customer_id in (ada, bob, bob):
        booking.book(booking.next_open(), customer_id, Decimal(10), 0)
    monkeypatch.setattr(booking, "MANY", many)
    monkeypatch.setattr(booking, "FEW", few)
    outcome = booking.load(statement(
        (day(1), "11,00", "Ada Okafor", "internet 12345", "DE1"),  # the name agrees
        (day(1), "29,90", "Somebody", "Internet 12345", "DE1"),  # the amount agrees
        (day(1), "12,00", "Somebody", "Internet 12345", "DE1"),
        (day(1), "29,90", "Ada Okafor", "Internet 12345", "DE3"),  # another account
        (day(1), "29,90", "Ada Okafor", "Internet", "DE1"),  # another reference
    ))
    assert (outcome.booked.lines, outcome.open.lines) == (2, 3)
    assert [row[:2] for row in booked()[3:]] == [(ada, 11), (ada, Decimal("29.90"))]


@pytest.mark.parametrize(("many", "few"), [(1000, 1), (2, 20)])
def test_an_account_that_pays_for_many_is_no_reason(ada, db, statement, monkeypatch, many, few):
    bob = db.add_customer("Bob Miller", None)
    booking.load(statement((day(40), "10,00", "Post", "a", "DE1"), (day(40), "10,00", "Post", "b", "DE1")))
    for customer_id in (ada, bob):
        booking.book(booking.next_open(), customer_id, Decimal(10), 0)
    booking.load(statement((day(1), "1,00", "Post", "c", "DE1")))
    assert [row["why"] for row in booking.candidates(booking.next_open())] == ["account of the payer"] * 2
    monkeypatch.setattr(booking, "MANY", many)
    monkeypatch.setattr(booking, "FEW", few)
    assert booking.candidates(booking.next_open()) == []


@pytest.mark.parametrize(("account", "amount", "is_certain"), [
    ("DE1", "29,90", True), ("DE2", "29,90", False), ("DE1", "30,00", False), ("", "29,90", False)])
def test_what_somebody_else_paid_before_from_that_account_with_that_reference_is_certain_by_its_amount(
    ada, statement, account, amount, is_certain
):
    booking.load(statement((day(40), "10,00", "Jonas", "Internet", "DE1")))
    booking.book(booking.next_open(), ada, Decimal(10), 0)
    outcome = booking.load(statement((day(1), amount, "Jonas", "Internet", account)))
    assert outcome.booked.lines == is_certain


def test_customers_who_are_named_stand_in_the_order_of_their_ids(ada, db, statement):
    for number in range(2, 11):
        db.add_customer(f"Bob {number}", None)
    booking.load(statement((day(1), "49,00", "Bob 10", "C10 Rechnung 2")))
    assert booking.next_open()["doubt"] == "It names customers 1 and 10."


def test_a_payment_that_was_typed_near_that_day_is_asked_about(ada, statement):
    payments.record_payment(ada, Decimal("29.90"), database.today(), "transfer", None, uuid4())
    outcome = booking.load(statement((day(5), "29,90", "X", "K-1007"), (day(6), "29,90", "X", "K-1007")))
    assert (outcome.booked.lines, outcome.open.lines) == (1, 1)
    assert booking.next_open()["doubt"] == (
        f"Payment 1 of {database.today()} was typed, of this amount; n where it is the same.")


def test_a_line_that_another_file_has_had_otherwise_is_asked_about(ada, statement):
    booking.load(statement((day(1), "29,90", "Ada Okafor", "K-1007"), (day(2), "5,00", "Ada Okafor", "K-1007")))
    # As another format of the bank has the same day: other words, and so another key.
    outcome = booking.load(statement((day(1), "29,90", "OKAFOR", "Kd K-1007"), (day(0), "5,00", "OKAFOR", "Kd K-1007"),
                                     (day(0), "5,00", "OKAFOR", "Kd K-1007")))
    assert (outcome.booked.lines, outcome.open.lines) == (2, 1)
    assert booking.next_open()["doubt"] == (
        "Payment 1 came by another file, of this day and amount; n where it is the same.")
    payments.void_payment(1, "wrong")
    assert certain(booking.check(statement((day(1), "29,90", "O", "K-1007")))) == 1


def test_a_payment_that_is_being_typed_is_asked_about(ada, statement, uri, sql):
    other = psycopg2.connect(uri)
    with other.cursor() as cur, ThreadPoolExecutor(1) as pool:
        cur.execute("SELECT FROM customers FOR UPDATE; INSERT INTO payments (customer_id, amount) VALUES (1, 29.90); "
                    "SELECT apply_credit(ARRAY[1], ARRAY[1])")
        done = pool.submit(booking.load, statement((day(1), "29,90", "Ada Okafor", "K-1007")))
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                             "AND wait_event_type = 'Lock'"))
        other.commit()
        assert certain(done.result()) == 0
    other.close()
    assert booked() == [(ada, Decimal("29.90"), [(1, Decimal("29.90"))])]
    assert booking.next_open()["doubt"].startswith("Payment 1 of ")


def test_a_day_to_come_is_asked_about(ada, statement):
    assert certain(booking.load(statement((day(-1), "29,90", "X", "K-1007")))) == 0
    assert booking.next_open()["doubt"] == "It is of a day to come."


def test_money_that_went_out_is_skipped_and_told(ada, statement):
    outcome = booking.load(statement((day(1), "-15,00", "Power company", "K-1007")))
    assert (outcome.booked, outcome.open, outcome.debits) == (NOBODY, NOBODY, (1, 15))
    assert booking.count_open().lines == 0


def test_whoever_was_merged_pays_as_who_they_are(ada, db, statement):
    bob = db.add_customer("Bob Miller", None)
    database.update_customer(bob, account_number="B-77")  # so that the number stays with who was merged
    accounts.merge(bob, ada)
    booking.load(statement((day(1), "29,90", "X", "K-1007")))
    assert booked() == [(bob, Decimal("29.90"), [(1, Decimal("29.90"))])]


def test_what_changed_after_the_check_is_not_booked(ada, statement):
    file = statement((day(1), "29,90", "X", "K-1007"))
    checked = booking.check(file)
    booking.load(statement((day(1), "29,90", "X", "K-1007")))
    with pytest.raises(errors.Conflict) as caught:
        booking.load(file, checked)
    assert str(caught.value) == booking.CHANGED_SINCE
    assert len(booked()) == 1


def test_candidates_are_named_with_why_the_likeliest_first(ada, db, statement):
    bob = db.add_customer("Okafor Bob", None)
    database.add_bill(bob, "Internet", Decimal("29.90"), database.today())
    booking.load(statement((day(1), "29,90", "Ada Okafor", "danke", "DE89")))
    found = booking.candidates(booking.next_open())
    assert [(row["customer_id"], row["why"], row["amount_due"], row["is_sure"]) for row in found] == [
        (ada, "name, owes this", Decimal("78.90"), False), (bob, "owes this", Decimal("29.90"), False),
    ]
    assert found[0]["last_paid_on"] is None
    booking.book(booking.next_open(), ada, Decimal("29.90"), 0)
    booking.load(statement((day(0), "3,00", "Jonas Weiss", "danke", "DE89")))
    found = booking.candidates(booking.next_open())
    assert [(row["customer_id"], row["why"], row["last_paid_on"]) for row in found] == [
        (ada, "account of the payer", database.today() - timedelta(days=1))]


@pytest.mark.parametrize(("payer", "reference", "amount", "expected"), [
    # Who is named in the reference, before those who share a word, however many they are.
    ("Hans Okafor", "fuer Ada Okafor", "29,90", ["1 name, owes this", *[f"{i} owes this" for i in range(2, 10)]]),
    # Whose name it is comes first, also where they owe something else, then who has more than that name.
    ("Jürgen Weiß", "Abschlag", "5,00", ["17 name", "16 name"]),
    ("Weiss, Juergen", "Abschlag", "20,00", ["17 name, owes this", "16 name"]),
    # All that they owe, and an account that is closed.
    ("Ada Okafor", "beides", "78,90", ["1 name, owes this", *[f"{i} name" for i in range(2, 14, 2)]]),
    ("Cy Dunn", "Rest", "7,00", ["15 name, closed", "14 owes this"]),
])
def test_whose_name_it_is_comes_before_who_shares_a_word_of_it(payer, reference, amount, expected, ada, db, statement):
    for number in range(2, 14):
        twin = db.add_customer(f"{'Bert' if number % 2 else 'Ada-Maria'} Okafor", None)
        database.add_bill(twin, "Internet", Decimal("29.90"), database.today())
    database.add_bill(db.add_customer("Dee Dunn", None), "Internet", Decimal(7), database.today())
    accounts.close(db.add_customer("Cy Dunn", None), database.today(), False)
    database.add_bill(db.add_customer("Jürgen Weiß-Weiß", None), "Internet", Decimal(7), database.today())
    database.add_bill(db.add_customer("Jürgen Weiß", None), "Internet", Decimal(20), database.today())
    booking.load(statement((day(1), amount, payer, reference)))
    found = booking.candidates(booking.next_open())
    assert [f"{row['customer_id']} {row['why']}" for row in found][:9] == expected


def test_two_people_who_decide_on_a_line_book_it_once(ada, db, statement):
    bob = db.add_customer("Bob Miller", None)
    booking.load(statement((day(1), "29,90", "X", "danke")))
    line = booking.next_open()
    assert booking.book(line, ada, line["amount_left"], 0)["payment_id"] == booking.book(
        line, ada, line["amount_left"], 0)["payment_id"]
    with pytest.raises(errors.Conflict):
        booking.book(line, bob, line["amount_left"], 0)
    with pytest.raises(errors.Error):
        booking.book(line, bob, line["amount_left"], 1)
    assert booked() == [(ada, Decimal("29.90"), [(1, Decimal("29.90"))])]


def test_a_line_that_is_set_aside_is_not_open_and_can_be_taken_back(ada, statement):
    booking.load(statement((day(1), "29,90", "X", "danke")))
    line = booking.next_open()
    booking.set_aside(line["bank_line_id"])
    assert booking.next_open() is None
    with pytest.raises(errors.Conflict):
        booking.set_aside(line["bank_line_id"])
    assert booking.list_set_aside() == [{**{field: line[field] for field in (
        "bank_line_id", "booked_on", "amount", "payer", "reference")}, "set_aside_on": database.today()}]
    booking.take_back(line["bank_line_id"])
    assert (booking.next_open(), booking.list_set_aside()) == (line, [])
    booking.book(line, ada, line["amount_left"], 0)
    with pytest.raises(errors.Conflict, match=r"^Somebody else has decided on this line just now\.$"):
        booking.set_aside(line["bank_line_id"])


def test_what_was_set_aside_last_comes_first_and_older_ones_go(ada, statement, sql, monkeypatch):
    booking.load(statement(*[(day(ago), "3,00", "X", "danke") for ago in (4, 3, 2, 1)]))
    for bank_line_id in (1, 2, 3, 4):
        booking.set_aside(bank_line_id)
    sql("UPDATE bank_lines SET set_aside_on = CURRENT_DATE - 1 WHERE bank_line_id IN (3, 4)")
    assert [line["bank_line_id"] for line in booking.list_set_aside()] == [2, 1, 4, 3]
    monkeypatch.setattr(booking, "MOST_SET_ASIDE", 3)
    assert [line["bank_line_id"] for line in booking.list_set_aside()] == [2, 1, 4]


def test_enter_books_no_line_that_something_speaks_against(ada, statement, run):
    payments.record_payment(ada, Decimal("29.90"), database.today() - timedelta(days=3), "cash", None, uuid4())
    booking.load(statement((day(1), "29,90", "Ada Okafor", "K-1007")))
    [found] = booking.candidates(booking.next_open())
    assert found["is_sure"]
    done = run(answers=lines("5", "19", "", "0", "0"))
    assert "But: Payment 1 of" in done.stdout
    assert (len(booked()), booking.count_open().lines) == (1, 1)


def test_a_line_says_how_many_open_ones_come_after_it(ada, statement):
    booking.load(statement(*[(day(ago), "3,00", "X", "danke") for ago in (4, 3, 2, 1)]))
    first = booking.next_open()
    second = booking.next_open((first["booked_on"], first["bank_line_id"]))
    booking.set_aside(second["bank_line_id"])
    assert (first["more"], second["more"], booking.get_open(first["bank_line_id"])["more"]) == (3, 2, 2)


def test_a_line_that_was_set_aside_pays_nothing(ada, statement):
    booking.load(statement((day(1), "29,90", "X", "danke")))
    line = booking.next_open()
    booking.set_aside(line["bank_line_id"])
    with pytest.raises(errors.Conflict, match="was set aside as no customer's; nothing was written"):
        booking.book(line, ada, line["amount_left"], 0)
    assert booked() == []


def test_a_void_opens_its_line_though_the_rest_was_set_aside(ada, statement, sql):
    booking.load(statement((day(1), "100,00", "X", "danke")))
    booking.book(booking.next_open(), ada, Decimal(60), 0)
    booking.set_aside(1)
    assert booking.count_open() == NOBODY
    payments.void_payment(1, "wrong")
    assert booking.count_open() == (1, 100)
    assert sql("SELECT set_aside_by FROM bank_lines") == [{"set_aside_by": None}]


@pytest.mark.parametrize(("by_hand", "deed", "left"), [
    ("UPDATE payments SET void_reason = 'x' WHERE payment_id = 1", lambda line: payments.void_payment(2, "x"), 100),
    ("UPDATE payments SET void_reason = 'x' WHERE payment_id = 1",
     lambda line: booking.book(line, 2, Decimal(20), 2), 60),
    ("INSERT INTO payments (customer_id, amount, bank_line_id) VALUES (1, 20, 1); SELECT apply_credit(ARRAY[1])",
     lambda line: payments.void_payment(2, "x"), 40),
])
def test_two_who_pay_and_void_by_one_line_at_once_are_both_counted(ada, db, statement, uri, sql, by_hand, deed, left):
    bob = db.add_customer("Bob Miller", None)
    booking.load(statement((day(1), "100,00", "X", "danke")))
    line = booking.next_open()
    booking.book(line, ada, Decimal(40), 0)
    booking.book(line, bob, Decimal(20), 1)
    other = psycopg2.connect(uri)
    with other.cursor() as cur, ThreadPoolExecutor(1) as pool:
        cur.execute(by_hand)
        done = pool.submit(deed, line)
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                             "AND wait_event_type = 'Lock'"))
        other.commit()
        done.result()
    other.close()
    assert booking.count_open().amount == left
    assert verify_books()[1] == []


def test_an_erased_person_is_in_no_line_of_the_bank(ada, statement, sql):
    booking.load(statement((day(1), "78,90", "Ada Okafor", "K-1007 Ada Okafor", "DE89")))
    accounts.close(ada, database.today(), False)
    accounts.erase(ada)
    assert sql("SELECT payer, payer_account, reference FROM bank_lines") == [
        {"payer": "Erased 1", "payer_account": None, "reference": "Erased 1 Erased 1"}]


def test_a_line_full_of_an_account_number_is_cut_where_who_that_was_takes_more_room(ada, statement, sql):
    booking.load(statement((day(1), "78,90", "Ada Okafor", " ".join(["K-1007"] * 142))))
    accounts.close(ada, database.today(), False)
    accounts.erase(ada)
    assert sql("SELECT reference FROM bank_lines") == [{"reference": " ".join(["Erased 1"] * 142)[:1000]}]


def test_a_line_that_is_open_after_a_void_still_tells_whose_it_may_be_when_the_wrong_one_is_erased(ada, statement, sql):
    booking.load(statement((day(1), "30,00", "Bob Miller", "K-1007", "DE89"),
                           (day(1), "78,90", "Ada Okafor", "K-1007", "DE90")))
    payments.void_payment(1, "wrong")
    accounts.close(ada, database.today(), False)
    accounts.erase(ada)
    assert sql("SELECT payer, payer_account, reference FROM bank_lines ORDER BY bank_line_id") == [
        {"payer": "Bob Miller", "payer_account": "DE89", "reference": "Erased 1"},
        {"payer": "Erased 1", "payer_account": None, "reference": "Erased 1"}]


@pytest.mark.parametrize("reference", ["Vertrag 9988776", "C1", "Rechnung 1", "danke"])
def test_no_line_is_an_erased_person_s(ada, statement, reference):
    booking.load(statement((day(40), "78,90", "Ada Okafor", "Vertrag 9988776", "DE89")))
    booking.book(booking.next_open(), ada, Decimal("78.90"), 0)
    accounts.close(ada, database.today(), False)
    accounts.erase(ada)
    assert certain(booking.load(statement((day(1), "29,90", "Erased 1", reference, "DE89")))) == 0
    assert booking.candidates(booking.next_open()) == []


def test_the_list_is_worked_off_with_a_key_each(ada, db, statement, run):
    bob = db.add_customer("Bob Miller", None)
    booking.load(statement(
        (day(5), "29,90", "Ada Okafor", "danke"), (day(4), "60,00", "Familie", "fuer beide"),
        (day(3), "5,00", "Versicherung", "Erstattung"), (day(2), "3,00", "Jonas", "spaeter"),
    ))
    done = run(answers=lines("5", "19", "1", "s", "C1", "40", f"C{bob}", "", "n", "u", "n", "l", "0", "0"))
    assert done.stderr == ""
    assert booked() == [(ada, Decimal("29.90"), [(1, Decimal("29.90"))]), (ada, 40, [(2, 40)]), (bob, 20, [])]
    assert booking.count_open() == (1, 3)


def test_a_line_is_split_by_the_places_of_its_candidates_and_left_half_way(ada, db, statement, run):
    for name in ("Bob Miller", "Cy Dunn", "Ada Okafor-Dunn"):
        database.add_bill(db.add_customer(name, None), "Internet", Decimal(5), database.today())
    booking.load(statement((day(1), "100,00", "Ada Okafor-Dunn", "fuer drei")))
    # 1 is who stands first in the list, customer 4, not customer 1; Enter takes what each owes, up to what is left.
    done = run(answers=lines("5", "19", "s", "9", "1", "", "0", "q", "0", "0"))
    assert done.stderr == "Stopped at input line 4: Enter 1, or C9 for customer 9.\n"
    assert booked() == []
    run(answers=lines("5", "19", "s", "1", "", "0", "q", "0", "0"))
    assert (booked(), booking.next_open()["amount_left"]) == ([(4, 5, [(5, 5)])], 95)
    run(answers=lines("5", "19", "s", "C1", "", "C2", "11.10", "C3", "", "0", "0"))
    assert [(whose, amount) for whose, amount, _ in booked()] == [
        (4, 5), (ada, Decimal("78.90")), (2, Decimal("11.10")), (3, 5)]


def test_a_customer_is_found_by_a_phone_number_too_and_asked_about(ada, statement, run):
    booking.load(statement((day(1), "29,90", "", "Einzahlung Tel 7946 0958")))
    run(answers=lines("5", "19", "79460958", "1", "no", "q", "0", "0"))
    assert booked() == []
    done = run(answers=lines("5", "19", "79460958", "1", "yes", "0", "0"))
    assert (done.stderr, booked()) == ("", [(ada, Decimal("29.90"), [(1, Decimal("29.90"))])])


def test_verify_finds_a_line_that_says_otherwise_than_its_payments(ada, statement, sql):
    booking.load(statement((day(1), "29,90", "X", "K-1007")))
    sql("SET session_replication_role = replica")
    sql("UPDATE bank_lines SET amount_booked = 10")
    assert verify_books()[1] == [
        "Line 1 of the bank: it is over 29.90 and says 10.00 of it was booked; its payments come to 29.90."]


def test_lines_that_cannot_be_read_go_to_a_file_that_is_mended_imported_and_settled(ada, statement, tmp_path):
    file = statement((day(1), "29,90", "X", "K-1007"), (day(1), "4x", "X", "K-1007"))
    outcome = booking.load(file, booking.check(file))
    rejects = tmp_path / "bank1.csv.rejects.csv"
    assert (outcome.rejects_file, outcome.settled) == (rejects, ())
    assert rejects.read_text("utf-8-sig") == (
        f"line_number;reason;\n;;{HEADER}3;4x is no amount.;{day(1)};4x;X;K-1007;\n")
    assert booking.load(file).rejects_file == rejects
    rejects.write_text(rejects.read_text("utf-8-sig").replace(";4x;", ";40,00;"))
    assert booking.load(file).rejects_file == tmp_path / "bank1.csv.rejects-2.csv"  # the first is being mended
    again = booking.load(bank.open_bank_file(rejects))
    assert (again.booked, again.settled) == ((1, 40), ((rejects, 1),))
    mended = file.path
    mended.write_text(mended.read_text().replace("4x", "40,00"))
    outcome = booking.load(bank.open_bank_file(mended))
    assert (outcome.booked, outcome.known.lines) == (NOBODY, 2)
    assert outcome.settled == ((tmp_path / "bank1.csv.rejects-2.csv", 1), (rejects, 1))


def test_two_imports_wait_for_each_other_and_book_a_line_once(ada, statement, uri, sql):
    file = statement((day(1), "29,90", "X", "K-1007"))
    other = psycopg2.connect(uri)
    with other.cursor() as cur, ThreadPoolExecutor(2) as pool:
        cur.execute("UPDATE work_locks SET taken_at = now() WHERE work = 'payments import'")
        loads = [pool.submit(booking.load, file) for _ in range(2)]
        try:
            wait_for(lambda: len(sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                                     "AND wait_event_type = 'Lock' AND query LIKE '%UPDATE work_locks%'")) == 2)
        finally:
            other.rollback()
        assert sorted(load.result().booked.lines for load in loads) == [0, 1]
    other.close()
    assert booked() == [(ada, Decimal("29.90"), [(1, Decimal("29.90"))])]
