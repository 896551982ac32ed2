"""Each lock at the moment it is there for, with a second session held then; and how long whoever waits will wait."""
from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest
from conftest import lines, sentence, there_since, wait_for

import database
from tracker import accounts, bill_run, demo, errors, late_fees, notes, payments, prices, reports
from tracker.transfer import columns, exporting, importing, source
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

PERIOD, NEXT_PERIOD, DUE = date(2026, 12, 1), date(2027, 1, 1), date(2027, 1, 15)
WAITING = """
    SELECT pid
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'
"""
WAITING_LONG = """
    SELECT pid
    FROM pg_locks
    JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND NOT granted AND clock_timestamp() - waitstart > interval '1.5 seconds'
"""
ALLOCATE = "INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (%s, %s, %s)"
HOLD_ACCOUNT = "SELECT FROM customers WHERE customer_id = %s FOR NO KEY UPDATE"

# Behind the others, so that whoever reads a table as it lies comes to the first row last.
MOVE_FIRST_ROWS = """
    UPDATE customers SET name = 'A' WHERE customer_id = 1;
    UPDATE billing SET description = 'A' WHERE billing_id = 1;
    UPDATE payments SET reference = 'A' WHERE payment_id = 1
"""
ADDITION_LATER = """
    INSERT INTO customers (customer_id, name, phone_number) OVERRIDING SYSTEM VALUE
    VALUES (1000, 'Ada Okafor', '5550100')
"""
ADDITIONS = {
    "location": "INSERT INTO locations (customer_id, address) VALUES (1, 'There')",
    "service": "INSERT INTO services (location_id, service_name, cost) VALUES (1, 'Phone', 5)",
    "equipment": "INSERT INTO equipment (location_id, equipment_name, cost) VALUES (1, 'Router', 5)",
    "bill": "INSERT INTO billing (customer_id, description, amount_billed, due_date) VALUES (1, 'Setup', 5, now())",
    "payment": "INSERT INTO payments (customer_id, amount) VALUES (1, 5)",
}


MERGE = "UPDATE customers SET closed_on = CURRENT_DATE, merged_into = 2 WHERE customer_id = 1"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let whoever waits do so until a busy machine has come to what the test does next."""
    monkeypatch.setenv("DB_LOCK_TIMEOUT", "60")


@pytest.fixture
def psql(uri) -> Iterator[Callable[..., psycopg2.extensions.connection]]:
    """Type statements into a session of its own, which holds what they lock until its commit() or rollback()."""
    sessions: list[psycopg2.extensions.connection] = []

    def type_in(statement: str, *values: object) -> psycopg2.extensions.connection:
        sessions.append(psycopg2.connect(uri))
        sessions[-1].cursor().execute(statement, values or None)
        return sessions[-1]

    type_in.sessions = sessions
    yield type_in
    for session in sessions:
        session.close()


@pytest.fixture
def beside(psql, sql) -> Iterator[Callable[..., Future]]:
    """Start a function beside the test; come back when it, and each started before, has ended or waits for a lock."""
    started: list[Future] = []

    def start(function: Callable[..., object], *arguments: object, **more: object) -> Future:
        started.append(threads.submit(function, *arguments, **more))
        wait_for(lambda: len(sql(WAITING)) == sum(not future.done() for future in started))
        return started[-1]

    with ThreadPoolExecutor(30) as threads:
        yield start
        for session in psql.sessions:
            session.close()


@pytest.fixture
def typed(uri) -> Callable[..., list[dict]]:
    """Type a statement into a session of its own and commit it: psql beside the test."""
    def run(statement: str, *values: object) -> None:
        with contextlib.closing(psycopg2.connect(uri)) as session, session:
            session.cursor().execute(statement, values or None)

    return run


@pytest.fixture
def connect(uri, monkeypatch):
    """Open the pool with settings of the test's own."""
    def connect_with(to=uri, **settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, str(value))
        database.connect(to)
        return database

    yield connect_with
    database.disconnect()


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


def subscribe(*names):
    """Add customers with a service of 50.00 each. What works on all in order can be held at the first."""
    ids = [database.add_customer(name, "5550100") for name in names]
    there_since()
    for customer_id in ids:
        database.add_service(database.add_location(customer_id, "Here"), "Fibre", Decimal("50.00"))
    return ids


@pytest.fixture
def subscribers(db):
    return subscribe("First", "Second")


def pay(customer_id, amount, **more):
    values = {"paid_on": database.today(), "method": "cash", "reference": None, "entry_key": uuid4(), **more}
    return payments.record_payment(customer_id, Decimal(amount), **values)["payment_id"]


def add_bill(customer_id, amount, days=5):
    due_date = database.today() + timedelta(days=days)
    return database.add_bill(customer_id, "By hand", Decimal(amount), due_date).billing_id


def due(customer_id):
    return {bill["billing_id"]: bill["amount_due"] for bill in payments.unpaid_bills(customer_id)}


def stored_payment(sql, customer_id, amount):
    """Record a payment as psql can: what is left of it stays credit, also beside unpaid bills."""
    row, = sql("INSERT INTO payments (customer_id, amount) VALUES (%s, %s) RETURNING payment_id", customer_id, amount)
    return row["payment_id"]


def import_file(path):
    opened = source.open_source(path)
    return importing.load(opened, columns.match_headers(opened.headers))


def test_two_sessions_that_pay_one_bill_both_count(ada, sql, psql, beside, typed):
    billing_id = add_bill(ada, "10.00")
    first, second = stored_payment(sql, ada, "4.00"), stored_payment(sql, ada, "6.00")
    one = psql(ALLOCATE, first, billing_id, "4.00")
    other = beside(typed, ALLOCATE, second, billing_id, "6.00")
    one.commit()
    other.result(60)
    assert database.get_bill(billing_id)["amount_paid"] == Decimal("10.00")
    assert verify_books() == ({"bills": 1, "payments": 2}, [])


def test_two_sessions_cannot_spend_one_payment_twice(ada, sql, psql, beside, typed):
    first, second = add_bill(ada, "10.00"), add_bill(ada, "10.00")
    payment_id = stored_payment(sql, ada, "10.00")
    one = psql(ALLOCATE, payment_id, first, "6.00")
    other = beside(typed, ALLOCATE, payment_id, second, "6.00")
    one.commit()
    assert other.exception(60).diag.constraint_name == "payments_not_overallocated"


def test_two_sessions_that_spend_one_credit_share_it(ada, sql, psql, beside):
    pay(ada, "15.00")
    one = psql("INSERT INTO billing (customer_id, description, amount_billed, due_date) VALUES (%s, 'A', 10, now());"
               "SELECT apply_credit(ARRAY[%s]::bigint[])", ada, ada)
    other = beside(add_bill, ada, "10.00")
    one.commit()
    billing_id = other.result(60)
    assert due(ada) == {billing_id: Decimal("5.00")}


def test_a_bill_is_added_without_waiting_for_another_that_is_being_added(ada, psql, beside):
    pay(ada, "15.00")
    psql(ADDITIONS["bill"])
    assert beside(add_bill, ada, "10.00").done()


def test_a_payment_does_not_wait_for_a_line_that_is_being_added_to_its_bill(ada, psql, beside):
    billing_id = add_bill(ada, "10.00")
    psql("INSERT INTO billing_items (billing_id, description, amount) VALUES (%s, 'More', 5)", billing_id)
    assert beside(pay, ada, "10.00").done()
    assert due(ada) == {}


@pytest.mark.parametrize(("statement", "table", "key"), [
    ("SELECT settle_bills('{2, 1}')", "billing", "billing_id"),
    ("SELECT settle_payments('{2, 1}')", "payments", "payment_id"),
    ("SELECT apply_credit('{2, 1}')", "customers", "customer_id"),
])
def test_a_function_that_locks_several_rows_begins_with_the_lowest_id(
    db, sql, psql, beside, typed, statement, table, key,
):
    for customer_id in subscribe("First", "Second"):
        add_bill(customer_id, "10.00")
        pay(customer_id, "1.00")
    sql(MOVE_FIRST_ROWS)
    held = psql(f"SELECT FROM {table} WHERE {key} = 1 FOR UPDATE")
    other = beside(typed, f"SET enable_indexscan = off; SET enable_bitmapscan = off; {statement}")
    psql(f"SELECT FROM {table} WHERE {key} = 2 FOR UPDATE NOWAIT").rollback()
    held.rollback()
    other.result(60)


@pytest.mark.parametrize(("table", "key"), [("customers", "customer_id"), ("billing", "billing_id")])
def test_an_undo_locks_its_accounts_and_bills_in_the_order_of_their_ids(uri, connect, sql, psql, beside, table, key):
    database_name = psycopg2.extensions.parse_dsn(uri)["dbname"]
    for way in ("indexscan", "bitmapscan", "hashjoin", "mergejoin"):
        sql(f"ALTER DATABASE {database_name} SET enable_{way} = off")
    connect()
    subscribe("First", "Second")
    bill_run.run(PERIOD, DUE)
    sql(MOVE_FIRST_ROWS)
    held = psql(f"SELECT FROM {table} WHERE {key} = 1 FOR UPDATE")
    undo = beside(bill_run.undo, PERIOD)
    psql(f"SELECT FROM {table} WHERE {key} = 2 FOR UPDATE NOWAIT").rollback()
    held.rollback()
    assert undo.result(60)["removed"] == 2


@pytest.mark.parametrize("work", [
    lambda customer_id, bill, payment: pay(customer_id, "1.00", billing_id=bill),
    lambda customer_id, bill, payment: payments.void_payment(payment, "typing error"),
    lambda customer_id, bill, payment: database.update_bill(bill, amount=Decimal("60.00")),
    lambda customer_id, bill, payment: database.delete_bill(bill),
    lambda customer_id, bill, payment: accounts.close(customer_id, PERIOD, False),
    lambda customer_id, bill, payment: bill_run.undo(PERIOD),
], ids=["payment", "void", "change of a bill", "deletion of a bill", "closing of an account", "undo of a run"])
def test_whoever_waits_for_an_account_holds_none_of_its_bills_and_payments(subscribers, psql, beside, work):
    first, _ = subscribers
    payment_id = pay(first, "10.00")
    bill_run.run(PERIOD, DUE)
    billing_id, = due(first)
    held = psql(HOLD_ACCOUNT, first)
    other = beside(work, first, billing_id, payment_id)
    psql("SELECT FROM payments FOR UPDATE NOWAIT").rollback()
    psql("SELECT FROM billing FOR UPDATE NOWAIT").rollback()
    held.rollback()
    other.result(60)
    assert verify_books()[1] == []


def test_two_payments_aimed_at_one_bill_at_the_same_time_both_count(ada, psql, beside):
    billing_id = add_bill(ada, "10.00")
    held = psql("SELECT FROM billing WHERE billing_id = %s FOR UPDATE", billing_id)
    both = [beside(pay, ada, "6.00", billing_id=billing_id) for _ in range(2)]
    held.rollback()
    for one in both:
        one.result(60)
    assert (due(ada), payments.credit(ada)) == ({}, Decimal("2.00"))


def test_a_payment_during_a_bill_run_pays_the_new_bill(subscribers, psql, beside):
    first, second = subscribers
    pay(first, "1.00")
    held = psql(HOLD_ACCOUNT, first)
    both = [beside(bill_run.run, PERIOD, DUE), beside(pay, second, "50.00")]
    held.rollback()
    for one in both:
        one.result(60)
    assert (due(second), payments.credit(second)) == ({}, 0)
    assert verify_books()[1] == []


def test_a_bill_deleted_during_a_bill_run_gives_its_payment_to_the_new_bill(subscribers, psql, beside):
    first, second = subscribers
    pay(first, "1.00")
    billing_id = add_bill(second, "50.00")
    pay(second, "50.00")
    held = psql(HOLD_ACCOUNT, first)
    both = [beside(bill_run.run, PERIOD, DUE), beside(database.delete_bill, billing_id)]
    held.rollback()
    for one in both:
        one.result(60)
    assert (due(second), payments.credit(second)) == ({}, 0)
    assert verify_books()[1] == []


def test_a_bill_run_says_what_it_spent_itself_whatever_is_paid_and_voided_meanwhile(subscribers, psql, beside):
    first, second = subscribers
    third = database.add_customer("No Services", "5550199")
    add_bill(third, "5.00")
    pay(first, "10.00")
    payment_id = pay(second, "20.00")
    held = psql(HOLD_ACCOUNT, first)
    run = beside(bill_run.run, PERIOD, DUE)
    assert beside(pay, third, "30.00").done()
    assert beside(payments.void_payment, payment_id, "typing error").done()
    held.rollback()
    assert run.result(60)["from_credit"] == Decimal("10.00")
    assert (sum(due(first).values()), sum(due(second).values())) == (Decimal("40.00"), Decimal("50.00"))
    assert verify_books()[1] == []


def test_two_bill_runs_at_the_same_time_do_not_both_say_they_spent_the_credit(subscribers, psql, beside):
    first, _ = subscribers
    pay(first, "30.00")
    held = psql(HOLD_ACCOUNT, first)
    runs = [beside(bill_run.run, period, DUE) for period in (PERIOD, NEXT_PERIOD)]
    held.rollback()
    assert [run.result(60)["from_credit"] for run in runs] == [Decimal("30.00"), 0]


def test_a_customer_deleted_during_a_bill_run_is_left_out(subscribers, psql, beside):
    first, second = subscribers
    deletion = psql("DELETE FROM customers WHERE customer_id = %s", second)
    run = beside(bill_run.run, PERIOD, DUE)
    deletion.commit()
    assert (run.result(60)["created"], run.result()["total"]) == (1, Decimal("50.00"))
    assert list(due(first).values()) == [Decimal("50.00")]


def test_days_that_psql_changes_while_an_account_is_closed_are_billed_once_it_is_open_again(
    subscribers, sql, psql, beside
):
    first, _ = subscribers
    database.add_service(1, "TV", Decimal("31.00"), PERIOD)
    database.end_service(3, PERIOD + timedelta(4))
    held = psql("UPDATE services SET ended_on = %s WHERE service_id = 3", PERIOD + timedelta(14))
    closing = beside(accounts.close, first, PERIOD + timedelta(19), False)
    held.commit()
    closing.result(60)
    accounts.reopen(first)
    bill_run.run(NEXT_PERIOD, DUE)
    assert sql("SELECT sum(days) AS days, sum(amount) AS amount FROM billing_items WHERE service_id = 3") == [
        {"days": 15, "amount": Decimal("15.00")}]


def test_an_undo_during_its_run_removes_what_the_run_bills(subscribers, psql, beside):
    first, second = subscribers
    pay(first, "1.00")
    held = psql(HOLD_ACCOUNT, first)
    run, undo = beside(bill_run.run, PERIOD, DUE), beside(bill_run.undo, PERIOD)
    held.rollback()
    assert (run.result(60)["created"], undo.result(60)["removed"]) == (2, 2)
    assert {**due(first), **due(second)} == {}


def test_a_run_during_an_undo_of_it_bills_everybody_again(subscribers, psql, beside):
    _, second = subscribers
    bill_run.run(PERIOD, DUE)
    held = psql(HOLD_ACCOUNT, second)
    undo, run = beside(bill_run.undo, PERIOD), beside(bill_run.run, PERIOD, DUE)
    held.rollback()
    assert (undo.result(60)["removed"], run.result(60)["created"]) == (2, 2)


def test_a_bill_that_psql_pays_while_its_run_is_undone_stays(subscribers, sql, psql, beside):
    first, second = subscribers
    bill_run.run(PERIOD, DUE)
    paid, = due(first)
    payment = psql(ALLOCATE, stored_payment(sql, first, "20.00"), paid, "20.00")
    undo = beside(bill_run.undo, PERIOD)
    payment.commit()
    assert (undo.result(60)["removed"], undo.result()["kept"]) == (1, 1)
    assert (due(first), due(second)) == ({paid: Decimal("30.00")}, {})


def test_credit_that_an_undo_frees_pays_a_bill_that_psql_is_adding(subscribers, psql, beside):
    first, _ = subscribers
    pay(first, "50.00")
    bill_run.run(PERIOD, DUE)
    addition = psql(ADDITIONS["bill"])
    undo = beside(bill_run.undo, PERIOD)
    addition.commit()
    undo.result(60)
    assert (due(first), payments.credit(first)) == ({}, Decimal("45.00"))


@pytest.mark.parametrize("work", [
    database.delete_bill,
    lambda bill: bill_run.undo(PERIOD),
], ids=["deletion of a bill", "undo of a run"])
def test_whoever_waits_to_delete_a_bill_does_not_hold_it(subscribers, psql, beside, work):
    first, _ = subscribers
    bill_run.run(PERIOD, DUE)
    billing_id, = due(first)
    session = psql("INSERT INTO billing_items (billing_id, description, amount) VALUES (%s, 'More', 5)", billing_id)
    deletion = beside(work, billing_id)
    session.cursor().execute("SELECT FROM billing WHERE billing_id = %s FOR NO KEY UPDATE NOWAIT", (billing_id,))
    session.commit()
    deletion.result(60)
    assert due(first) == {}


def test_an_amount_that_psql_changes_meanwhile_is_the_one_a_bill_is_changed_from(ada, psql, beside):
    billing_id = add_bill(ada, "10.00")
    change = psql("UPDATE billing SET amount_billed = 30 WHERE billing_id = %s;"
                  "INSERT INTO billing_items (billing_id, description, amount) VALUES (%s, 'More', 20.00)",
                  billing_id, billing_id)
    other = beside(database.update_bill, billing_id, amount=Decimal("25.00"))
    change.commit()
    assert [str(item["amount"]) for item in other.result(60)["items"]] == ["10.00", "20.00", "-5.00"]
    assert verify_books()[1] == []


def test_a_deletion_of_a_bill_tells_what_psql_paid_on_it_meanwhile(ada, sql, psql, beside):
    billing_id = add_bill(ada, "10.00")
    payment = psql(ALLOCATE, stored_payment(sql, ada, "4.00"), billing_id, "4.00")
    deletion = beside(database.delete_bill, billing_id)
    payment.commit()
    assert deletion.result(60) == Decimal("4.00")


@pytest.mark.parametrize("addition", ADDITIONS)
def test_what_is_added_at_the_last_moment_is_not_deleted_with_its_customer(db, psql, beside, addition):
    customer_id, = subscribe("Ada Okafor")
    contents = db.customer_contents(customer_id)
    other = psql(ADDITIONS[addition])
    deletion = beside(db.delete_customer, customer_id, contents)
    other.commit()
    assert "changed while you were looking" in str(deletion.exception(60))
    assert db.customer_contents(customer_id) != contents


@pytest.mark.parametrize("addition", ["service", "equipment"])
def test_what_is_added_at_the_last_moment_is_not_deleted_with_its_location(db, psql, beside, addition):
    subscribe("Ada Okafor")
    contents = db.location_contents(1)
    other = psql(ADDITIONS[addition])
    deletion = beside(db.delete_location, 1, contents)
    other.commit()
    assert "changed while you were looking" in str(deletion.exception(60))
    assert db.location_contents(1) != contents


@pytest.mark.parametrize("addition", ["service", "equipment"])
def test_what_is_added_at_the_last_moment_goes_along_with_a_customer_who_is_merged(db, sql, psql, beside, addition):
    goes, stays = subscribe("Ada Okafor", "A. Okafor")
    other = psql(ADDITIONS[addition])
    merging = beside(accounts.merge, stays, goes)
    other.commit()
    merging.result(60)
    kept = sql("SELECT location_id FROM services UNION ALL SELECT location_id FROM equipment")
    assert [row["location_id"] for row in kept] == [2, 2, 2]


def test_a_note_that_is_written_while_its_customer_is_merged_goes_along(db, sql, psql, beside):
    goes, _ = subscribe("Ada Okafor", "A. Okafor")
    last = db.add_customer("A. O.", None)
    merging = psql("UPDATE customers SET merged_into = 2, closed_on = CURRENT_DATE WHERE customer_id = 1")
    noting = beside(notes.add_note, goes, "rang")
    merging.commit()
    first = noting.result(60)
    merging = psql("UPDATE customers SET merged_into = 3, closed_on = CURRENT_DATE WHERE customer_id = 2")
    noting = beside(notes.add_note, goes, "rang again")
    merging.commit()
    second = noting.result(60)
    assert sql("SELECT customer_note_id, customer_id FROM customer_notes ORDER BY 1") == [
        {"customer_note_id": first, "customer_id": last}, {"customer_note_id": second, "customer_id": last}]


@pytest.mark.parametrize("addition", ["service", "equipment"])
def test_what_is_added_at_the_last_moment_goes_along_with_a_customer_whom_psql_merges(
        db, sql, psql, beside, typed, addition):
    subscribe("Ada Okafor", "A. Okafor")
    other = psql(ADDITIONS[addition])
    merging = beside(typed, MERGE)
    other.commit()
    merging.result(60)
    kept = sql("SELECT location_id FROM services UNION ALL SELECT location_id FROM equipment")
    assert [row["location_id"] for row in kept] == [2, 2, 2]


def test_nobody_is_merged_by_psql_into_a_customer_who_is_being_closed(db, psql, beside, typed):
    subscribe("Ada Okafor", "A. Okafor")
    closing = psql("UPDATE customers SET closed_on = CURRENT_DATE WHERE customer_id = 2")
    merging = beside(typed, MERGE)
    closing.commit()
    assert merging.exception(60).diag.constraint_name == "customers_merged_into_open"


def test_a_price_that_psql_changes_meanwhile_is_not_changed_by_what_was_seen_before(subscribers, sql, psql, beside):
    change = prices.Change("Fibre", Decimal("55.00"), database.today() + timedelta(5))
    seen = prices.preview(change)
    other = psql("UPDATE services SET cost = 60 WHERE service_id = 1")
    changing = beside(prices.change_price, change, seen)
    other.commit()
    assert str(changing.exception(60)) == (
        "Services have changed since: 1 would change now, and the total would be 115.00; nothing was changed.")
    assert sql("SELECT cost FROM services ORDER BY service_id") == [{"cost": Decimal(60)}, {"cost": Decimal(50)}]


def test_a_change_of_a_price_keeps_the_cost_of_today_that_psql_changes_meanwhile(subscribers, sql, psql, beside, typed):
    other = psql("UPDATE services SET cost = 60 WHERE service_id = 1")
    changing = beside(typed, "SELECT change_prices('{1}', '{55}', CURRENT_DATE + 5)")
    other.commit()
    changing.result(60)
    assert sql("SELECT cost, last_cost FROM services_today WHERE service_id = 1") == [
        {"cost": Decimal(60), "last_cost": Decimal(55)}]


def test_a_late_fee_that_is_paid_while_it_is_undone_stays(ada, sql, psql, beside, monkeypatch):
    monkeypatch.setenv("LATE_FEE", "5.00"), monkeypatch.setenv("LATE_FEE_AFTER_DAYS", "14")
    add_bill(ada, "10.00", days=-30)
    late_fees.run()
    session = psql("SELECT FROM customers WHERE customer_id = %s FOR UPDATE", ada)
    undo = beside(late_fees.undo, database.today())
    psql("SELECT FROM billing FOR UPDATE NOWAIT").rollback()  # who waits for the account does not hold the fee
    session.cursor().execute("INSERT INTO payments (customer_id, amount) VALUES (%s, 15);"
                             "SELECT apply_credit(ARRAY[%s]::bigint[], ARRAY[max(payment_id)]) FROM payments",
                             (ada, ada))
    session.commit()
    assert (undo.result(60)["removed"], undo.result()["kept"], due(ada)) == (0, 1, {})
    assert verify_books()[1] == []


def test_an_import_waits_for_another_and_adds_what_that_did_not(db, sql, psql, beside, tmp_path):
    db.add_customer("Bo Li", "5550101")  # of an import that doubles the customers, the search indexes are made anew
    path = tmp_path / "in.csv"
    path.write_text("name,phone,address,plan,price\nAda Okafor,5550100,1 Quay,Fibre,9\n")
    held = psql("LOCK TABLE services IN EXCLUSIVE MODE")
    both = [beside(import_file, path) for _ in range(2)]
    held.rollback()
    assert [one.result(60).new for one in both] == [(1, 1, 1, 0), (0, 0, 0, 0)]
    assert [row["name"] for row in sql("SELECT name FROM customers ORDER BY customer_id")] == ["Bo Li", "Ada Okafor"]


def test_made_up_customers_do_not_mix_with_one_who_is_being_added(db, sql, psql, beside):
    other = psql(ADDITION_LATER)
    filling = beside(demo.fill, 20)
    other.commit()
    assert "has customers already" in str(filling.exception(60))
    assert [row["name"] for row in sql("SELECT name FROM customers")] == ["Ada Okafor"]


def test_a_customer_added_while_made_up_ones_are_has_an_id_of_its_own(db, sql, psql, beside):
    held = psql("LOCK TABLE services IN EXCLUSIVE MODE")
    filling, adding = beside(demo.fill, 20), beside(db.add_customer, "Ada Okafor", "5550100")
    held.rollback()
    filling.result(60)
    assert adding.result(60) == 21


def test_of_two_demos_at_the_same_time_one_is_refused(db, sql, psql, beside):
    other = psql(ADDITION_LATER)
    both = [beside(demo.fill, 20) for _ in range(2)]
    other.rollback()
    first, second = [str(filling.exception(60)) for filling in both]
    assert (first, "has customers already" in second) == ("None", True)
    assert sql("SELECT count(*) AS customers FROM customers") == [{"customers": 20}]


def test_a_payment_between_two_of_its_queries_is_no_finding_of_verify(ada, psql, beside):
    add_bill(ada, "10.00", days=-5)
    held = psql("DROP VIEW billing_status")  # only the last query of verify reads it
    verify = beside(verify_books)
    with database.transaction() as cur:
        cur.execute("INSERT INTO payments (customer_id, amount) VALUES (1, 10); SELECT apply_credit()")
    held.rollback()
    assert verify.result(60) == ({"bills": 1, "payments": 0}, [])
    assert verify_books() == ({"bills": 1, "payments": 1}, [])


def test_verify_can_write_nothing(db, sql):
    sql("""
        CREATE OR REPLACE FUNCTION owed_on(as_of date)
            RETURNS TABLE (customer_id bigint, amount numeric, days integer) LANGUAGE plpgsql VOLATILE
        AS $$ BEGIN INSERT INTO customers (name, phone_number) VALUES ('Ada', '123'); END $$
        """)
    with pytest.raises(errors.Forbidden):
        verify_books()
    assert db.list_customers() == []


def refuse_demo() -> None:
    with pytest.raises(errors.Conflict, match="customers already"):
        demo.fill(20)


def test_long_work_waits_longer_than_the_time_limits(connect, sql, psql, beside, tmp_path):
    connect()
    subscribe("Ada Okafor")
    database.disconnect()
    connect(DB_LOCK_TIMEOUT=1, DB_STATEMENT_TIMEOUT=1, DB_POOL_SIZE=30)
    path = tmp_path / "in.csv"
    path.write_text("name,phone\nBo Li,5550101\n")
    opened = source.open_source(path)
    work = {
        "preview of a run": lambda: bill_run.preview(PERIOD)["customers"],
        "bill run": lambda: bill_run.run(PERIOD, DUE)["created"],
        "preview of an undo": lambda: bill_run.preview_undo(NEXT_PERIOD)["removed"],
        "undo": lambda: bill_run.undo(NEXT_PERIOD)["removed"],
        "verify": lambda: verify_books()[1],
        "aging": reports.aging,
        "aging's total": lambda: reports.aging_total()["total"],
        "recurring revenue": lambda: reports.recurring_revenue()[0]["monthly"],
        "monthly revenue": lambda: len(reports.monthly_revenue()),
        "payments received": lambda: reports.payments_received(DUE, DUE)["days"],
        "a stream": lambda: list(reports.stream_late_customers()),
        "check of an import": lambda: importing.check(opened, columns.match_headers(opened.headers)).new.customers,
        "import": lambda: import_file(path).new.customers,
        "export": lambda: exporting.export("bills", tmp_path / "out.csv"),
        "demo": refuse_demo,
    }
    held = psql("LOCK TABLE customers, locations, services, billing, payments, payment_allocations")
    started = {name: beside(function) for name, function in work.items()}
    wait_for(lambda: len(sql(WAITING_LONG)) == sum(not future.done() for future in started.values()))
    held.rollback()
    assert {name: future.exception(60) for name, future in started.items()} == dict.fromkeys(work)


def test_the_first_start_waits_longer_than_the_time_limits(connect, empty_uri):
    held = psycopg2.connect(empty_uri)
    held.cursor().execute("SELECT pg_advisory_xact_lock(%s)", (database.SCHEMA_LOCK,))
    with ThreadPoolExecutor(1) as threads, contextlib.closing(psycopg2.connect(empty_uri)) as watch:
        first = threads.submit(connect, empty_uri, DB_LOCK_TIMEOUT=1, DB_STATEMENT_TIMEOUT=1)
        watch.autocommit = True
        cur = watch.cursor()
        wait_for(lambda: first.done() or cur.execute(WAITING_LONG) or cur.fetchone())
        held.close()
    assert first.result().list_customers() == []


def test_after_long_work_the_time_limits_hold_again(connect, psql):
    connect(DB_LOCK_TIMEOUT=1, DB_POOL_SIZE=1)
    ada, = subscribe("Ada Okafor")
    bill_run.run(PERIOD, DUE)
    psql(HOLD_ACCOUNT, ada)
    with pytest.raises(errors.Busy):
        pay(ada, "1.00")


def test_a_payment_that_cannot_wait_for_a_bill_run_says_so_and_is_not_recorded(subscribers, sql, psql, beside, run):
    first, second = subscribers
    pay(first, "1.00")
    held = psql(HOLD_ACCOUNT, first)
    billing = beside(bill_run.run, PERIOD, DUE)
    done = run(answers=lines("5", "6", str(second), "50", "", "", ""), DB_LOCK_TIMEOUT="1")
    assert done.returncode == 1
    assert sentence(done.stderr) == (
        "Stopped at input line 7: Somebody else is changing the same record; nothing was written. "
        "Try again in a moment."
    )
    assert payments.list_payments(second) == []
    held.rollback()
    assert billing.result(60)["created"] == 2
    assert list(due(second).values()) == [Decimal("50.00")]


def test_work_on_the_same_accounts_at_the_same_time_never_deadlocks(db, monkeypatch):
    monkeypatch.setattr(database, "RETRY_PAUSES", ())  # so that a deadlock is told at once
    customers = subscribe(*"ABCD")

    def work(seed):
        chance = random.Random(seed)
        for _ in range(12):
            customer_id = chance.choice(customers)
            billing_id = add_bill(customer_id, "20.00", chance.randint(-9, 9))
            with contextlib.suppress(errors.Conflict):  # another one's credit can have paid the bill meanwhile
                pay(customer_id, "7.00", billing_id=billing_id)
            payment_id = pay(customer_id, "30.00")
            database.update_bill(billing_id, amount=Decimal("40.00"))
            payments.void_payment(payment_id, "typing error")
            database.delete_bill(billing_id)

    def work_on_all(period):
        for _ in range(6):
            bill_run.run(period, DUE)
            bill_run.undo(period)

    with ThreadPoolExecutor(5) as threads:
        started = [threads.submit(work, seed) for seed in range(3)]
        started += [threads.submit(work_on_all, period) for period in (PERIOD, NEXT_PERIOD)]
    assert [future.exception() for future in started] == [None] * 5
    assert verify_books()[1] == []
