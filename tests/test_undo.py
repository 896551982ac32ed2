"""What was deleted comes back as it was, a changed field is as it was before, or it is said why not."""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from datetime import date
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import PROJECT, delete_with_money, there_since, wait_for

import database
from tracker import accounts, bill_run, errors, payments, prices, trail, wording
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

TABLES = list(trail.KEYS)


def pay(customer_id, amount, billing_id=None):
    return payments.record_payment(
        customer_id, Decimal(amount), database.today(), "transfer", "TX-1", uuid4(), billing_id)["payment_id"]


def everything(sql):
    """Return every row of every table, all columns, and where the sequences stand."""
    tables = {table: sql(f"SELECT * FROM {table} ORDER BY {key}") for table, key in trail.KEYS.items()}
    tables["sequences"] = sql("SELECT sequencename, last_value FROM pg_sequences "
                              "WHERE sequencename <> 'trail_trail_id_seq' ORDER BY 1")
    return tables


def undo_last(without_taken_numbers=False):
    deletion = trail.deletions()[0]
    trail.restore(deletion, without_taken_numbers)
    return deletion


@pytest.fixture
def ada(db, sql):
    """A customer with all that one can have: two sites, services, devices, bills, payments, voids, credit."""
    bo = db.add_customer("Bo Li", None)
    db.add_service(db.add_location(bo, "9 Dock Road"), "DSL", Decimal("19.95"))
    ada = db.add_customer("Ada O'Kafor 👩", "+44 20 7946 0958 ext 7")
    for address in ("1 Harbour Street", "2 Quay \\ \"B\""):
        location = db.add_location(ada, address)
        db.add_service(location, "Fibre 100", Decimal("29.90"))
        db.add_service(location, "TV Basic", Decimal("9.99"))
        db.add_equipment(location, "Router", f"SN-{location}", Decimal("89.00"))
        db.add_equipment(location, "TV box", None, Decimal("49.90"))
    there_since("2020-01-01 12:34:56.789012+03:30")
    bill_run.run(date(2026, 9, 1), date(2026, 9, 15))
    setup = db.add_bill(ada, "Setup", Decimal("100.00"), date(2026, 10, 1)).billing_id
    db.update_bill(setup, amount=Decimal("120.50"))
    db.update_bill(setup, amount=Decimal("110.25"))
    payments.void_payment(pay(ada, "60.00", setup), "bounced")
    payments.void_payment(pay(ada, "110.25", setup), "typo")
    pay(ada, "110.25", setup)
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    pay(ada, "100.00")
    payments.void_payment(pay(ada, "0.01"), "typo")
    pay(ada, "200.00")
    there, = sql("SELECT customer_id, sum(amount_left) AS credit FROM payments WHERE customer_id = 2 "
                 "AND voided_at IS NULL GROUP BY 1")
    assert (ada, there["customer_id"]) == (2, 2)
    assert there["credit"] > 0
    return ada


def delete_customer():
    delete_with_money(2)


def delete_location():
    database.delete_location(2)


def delete_service():
    database.delete_service(2)


def delete_equipment():
    database.delete_equipment(1)


@pytest.mark.parametrize("delete", [delete_customer, delete_location, delete_service, delete_equipment])
def test_what_was_deleted_comes_back_as_it_was(ada, sql, delete):
    before = everything(sql)
    delete()
    assert everything(sql) != before
    deletion = trail.deletions()[0]
    assert trail.obstacles(deletion) == []
    undo_last()
    assert everything(sql) == before
    assert verify_books()[1] == []
    assert trail.deletions()[0] == {**deletion, "is_back": True}


@pytest.mark.parametrize("billing_id", [1, 2, 3, 4, 5])
def test_a_deleted_bill_comes_back_with_its_lines_and_the_books_are_sound(ada, sql, billing_id):
    before = everything(sql)
    paid = database.delete_bill(billing_id)
    assert trail.obstacles(trail.deletions()[0]) == []
    undo_last()
    after = everything(sql)
    for table in ("customers", "locations", "services", "equipment", "billing_items"):
        assert after[table] == before[table]
    kept = ("billing_id", "customer_id", "description", "period", "issued_on", "due_date", "amount_billed")
    assert [[row[name] for name in kept] for row in after["billing"]] == [
        [row[name] for name in kept] for row in before["billing"]]
    assert paid >= 0
    assert verify_books()[1] == []


def test_a_bill_that_void_payments_had_paid_comes_back_with_these_though_others_pay_the_rest_of_theirs(db, sql):
    ada = db.add_customer("Ada", None)
    one, other = (db.add_bill(ada, name, Decimal(30), date(2026, 10, 1)).billing_id for name in ("One", "Other"))
    payments.void_payment(pay(ada, "60.00"), "bounced")
    pay(ada, "60.00")
    before = everything(sql)
    db.delete_bill(other)
    undo_last()
    assert everything(sql) == before
    assert sql("SELECT billing_id, count(*) FROM payment_allocations GROUP BY 1 ORDER BY 1") == [
        {"billing_id": one, "count": 2}, {"billing_id": other, "count": 2}]
    assert verify_books()[1] == []


def test_a_bill_whose_payment_is_void_by_now_comes_back_unpaid_and_was_paid_then(db, sql):
    ada = db.add_customer("Ada", None)
    bill = db.add_bill(ada, "Setup", Decimal(30), date(2026, 10, 1)).billing_id
    payment = pay(ada, "30.00")
    db.delete_bill(bill)
    payments.void_payment(payment, "bounced")
    undo_last()
    assert sql("SELECT amount_paid, amount_due, last_payment_date FROM billing") == [
        {"amount_paid": 0, "amount_due": 30, "last_payment_date": None}]
    assert sql("SELECT payment_id, billing_id, amount FROM payment_allocations") == [
        {"payment_id": payment, "billing_id": bill, "amount": 30}]
    assert verify_books()[1] == []


def test_a_bill_whose_payment_is_void_by_now_and_had_paid_another_comes_back_without_it(db, sql):
    ada = db.add_customer("Ada", None)
    bill = db.add_bill(ada, "Setup", Decimal(30), date(2026, 10, 1)).billing_id
    payment = pay(ada, "30.00")
    other = db.add_bill(ada, "Repair", Decimal(20), date(2026, 11, 1)).billing_id
    db.delete_bill(bill)
    payments.void_payment(payment, "bounced")
    undo_last()
    assert sql("SELECT billing_id, amount FROM payment_allocations ORDER BY 1") == [
        {"billing_id": bill, "amount": 10}, {"billing_id": other, "amount": 20}]
    assert verify_books()[1] == []


def test_a_bill_whose_money_has_paid_another_since_comes_back_due(db, sql):
    ada = db.add_customer("Ada", None)
    bill = db.add_bill(ada, "Setup", Decimal(30), date(2026, 10, 1)).billing_id
    pay(ada, "30.00")
    db.add_bill(ada, "Repair", Decimal(25), date(2026, 11, 1))
    db.delete_bill(bill)
    undo_last()
    assert [row["amount_due"] for row in sql("SELECT amount_due FROM billing ORDER BY billing_id")] == [25, 0]
    assert verify_books()[1] == []


def test_credit_that_has_come_since_pays_what_comes_back(db, sql):
    ada = db.add_customer("Ada", None)
    bill = db.add_bill(ada, "Setup", Decimal(30), date(2026, 10, 1)).billing_id
    db.delete_bill(bill)
    pay(ada, "12.00")
    undo_last()
    assert db.get_bill(bill)["amount_due"] == 18
    assert verify_books()[1] == []


def test_a_payment_deleted_by_psql_comes_back_and_pays_what_there_is(ada, sql):
    before = everything(sql)
    sql("DELETE FROM payments WHERE customer_id = 2")
    undo_last()
    assert everything(sql) == before
    sql("DELETE FROM payments WHERE customer_id = 2")
    pay(2, "400.00")
    database.add_bill(2, "Repair", Decimal("5000.00"), date(2027, 1, 1))
    trail.restore(trail.deletions()[0])
    assert payments.credit(2) == 0
    assert verify_books()[1] == []


def test_allocations_deleted_by_psql_come_back(ada, sql):
    before = everything(sql)
    sql("DELETE FROM payment_allocations")
    assert trail.deletions() == []  # a repair of psql's, and no record that somebody misses
    deletion, = sql("SELECT DISTINCT transaction_id, changed_at FROM trail WHERE kind = 'deleted'")
    trail.restore(deletion)
    assert everything(sql) == before


def test_rows_that_psql_deleted_together_come_back_together(ada, sql):
    before = everything(sql)
    sql("DELETE FROM services WHERE cost < 20")
    deletion = undo_last()
    assert (deletion["table_name"], deletion["counts"]) == ("services", {"services": 3})
    assert everything(sql) == before


def test_a_whole_bill_run_that_was_undone_comes_back_with_its_sums(db, sql):
    sql("INSERT INTO customers (name, created_at) SELECT 'Customer ' || n, '2020-01-01' "
        "FROM generate_series(1, 2500) AS n")
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, '1 Quay' FROM customers")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre', 20 FROM locations")
    sql("INSERT INTO payments (customer_id, amount) SELECT customer_id, 5 FROM customers WHERE customer_id % 3 = 0")
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    before = everything(sql)
    bill_run.undo(date(2026, 10, 1))
    assert trail.deletions()[0]["counts"] == {"billing": 2_500, "billing_items": 2_500, "payment_allocations": 833}
    sql("DELETE FROM trail WHERE kind = 'added'")
    undo_last()
    assert everything(sql) == before
    assert sql("SELECT table_name, row_count FROM trail WHERE kind = 'added' ORDER BY trail_id") == [
        {"table_name": "billing", "row_count": 2_500}, {"table_name": "billing_items", "row_count": 2_500},
        {"table_name": "payment_allocations", "row_count": 833}]


def test_the_next_ids_are_free_after_an_undo(ada, sql):
    delete_customer()
    undo_last()
    assert database.add_customer("Cy", None) == 3
    assert database.add_service(2, "TV", Decimal(1)) == 6


def test_deleted_restored_and_deleted_again_is_two_deletions_of_which_the_last_is_open(ada, sql):
    before = everything(sql)
    delete_customer()
    undo_last()
    delete_customer()
    last, first = trail.deletions()
    assert (last["is_back"], first["is_back"]) == (False, True)
    undo_last()
    assert everything(sql) == before


def test_a_deletion_is_undone_once(ada, sql):
    delete_customer()
    undo_last()
    before = everything(sql)
    deletion = trail.deletions()[0]
    assert deletion["is_back"]
    with pytest.raises(errors.Conflict):
        trail.restore(deletion)
    assert everything(sql) == before


def test_an_undo_waits_for_a_bill_run_which_locks_accounts_in_two_rounds(ada, sql, uri):
    before = everything(sql)
    delete_customer()
    deletion = trail.deletions()[0]
    undo = threading.Thread(target=trail.restore, args=(deletion,))
    with contextlib.closing(psycopg2.connect(uri)) as run:
        run.cursor().execute("SELECT FROM work_locks WHERE work = 'bill run' FOR UPDATE")
        undo.start()
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                             "AND wait_event_type = 'Lock' AND query ~ 'UPDATE work_locks'"))
    undo.join()
    assert everything(sql) == before


def test_of_two_who_undo_the_same_at_once_one_does(ada, sql, uri):
    before = everything(sql)
    delete_customer()
    deletion = trail.deletions()[0]
    said, barrier = [], threading.Barrier(2)

    def undo():
        barrier.wait()
        try:
            said.append(trail.restore(deletion))
        except errors.Conflict as exc:
            said.append(str(exc))

    both = [threading.Thread(target=undo) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(word is None for word in said) == [False, True]
    assert everything(sql) == before


def test_no_site_comes_back_to_a_customer_who_is_gone(ada, sql):
    database.delete_location(2)
    delete_customer()
    deletion = trail.deletions()[1]
    assert trail.obstacles(deletion) == [trail.Obstacle("customer", 2, "locations", None)]
    with pytest.raises(errors.Conflict):
        trail.restore(deletion)
    trail.restore(trail.deletions()[0])
    assert trail.obstacles(deletion) == []
    trail.restore(deletion)


@pytest.mark.parametrize(("statement", "later", "kind", "record_id"), [
    ("DELETE FROM billing WHERE billing_id = 3", "DELETE FROM payments; DELETE FROM billing; DELETE FROM customers",
     "customer", 2),
    ("DELETE FROM payments WHERE payment_id = 3", "DELETE FROM payments; DELETE FROM billing; DELETE FROM customers",
     "customer", 2),
    ("DELETE FROM services WHERE service_id = 2", "DELETE FROM locations", "location", 2),
    ("DELETE FROM equipment WHERE equipment_id = 1", "DELETE FROM locations", "location", 2),
    ("DELETE FROM services WHERE service_id = 2; DELETE FROM billing_items WHERE billing_id = 3", "DELETE FROM billing",
     "bill", 3),
])
def test_what_something_belonged_to_must_be_there(ada, sql, statement, later, kind, record_id):
    sql(statement)
    deletion = trail.deletions()[0]
    assert trail.obstacles(deletion) == []
    sql(later)
    found, = trail.obstacles(deletion)
    assert (found.kind, found.record_id) == (kind, record_id)
    before = everything(sql)
    with pytest.raises(errors.Conflict):
        trail.restore(deletion)
    assert everything(sql) == before


def test_an_address_that_is_taken_since_is_named_with_its_location(ada, sql):
    database.delete_location(2)
    again = database.add_location(2, "1 Harbour Street")
    found, = trail.obstacles(trail.deletions()[0])
    assert (found.kind, found.record_id, found.what, found.holder["name"]) == (
        "address", again, "1 Harbour Street", "Ada O'Kafor 👩")
    with pytest.raises(errors.Conflict, match="address"):
        undo_last()


def test_a_month_that_was_billed_again_is_named_with_its_bill(ada, sql):
    row, = sql("SELECT billing_id FROM billing WHERE customer_id = 2 AND period = '2026-10-01'")
    database.delete_bill(row["billing_id"])
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    again, = sql("SELECT billing_id FROM billing WHERE customer_id = 2 AND period = '2026-10-01'")
    assert trail.obstacles(trail.deletions()[0]) == [
        trail.Obstacle("month", again["billing_id"], "October 2026", None)]
    with pytest.raises(errors.Conflict):
        undo_last()


def test_a_month_whose_other_bill_is_deleted_is_free(ada, sql):
    """One that was issued on an earlier day stays for the reports of the days until now."""
    row, = sql("SELECT billing_id FROM billing WHERE customer_id = 2 AND period = '2026-10-01'")
    sql("UPDATE billing SET issued_on = issued_on - 1 WHERE billing_id = %s", row["billing_id"])
    database.delete_bill(row["billing_id"])
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    again, = sql("SELECT billing_id FROM billing"
                 " WHERE customer_id = 2 AND period = '2026-10-01' AND cancelled_on IS NULL")
    database.delete_bill(again["billing_id"])
    assert trail.obstacles(trail.deletions()[0]) == []
    undo_last()
    assert verify_books()[1] == []


@pytest.mark.parametrize("deleted", [2, 1])
def test_of_two_bills_of_a_month_that_a_merge_brought_together_neither_is_in_the_others_way(ada, sql, deleted):
    """Bill 1 was that of the one who went, and keeps a place of its own for the month."""
    accounts.merge(2, 1)
    assert sql("SELECT billing_id, merged_from FROM billing WHERE period = '2026-09-01' ORDER BY 1") == [
        {"billing_id": 1, "merged_from": 1}, {"billing_id": 2, "merged_from": None}]
    before = everything(sql)
    database.delete_bill(deleted)
    assert trail.obstacles(trail.deletions()[0]) == []
    undo_last()
    assert [row["billing_id"] for row in everything(sql)["billing"]] == [row["billing_id"] for row in before["billing"]]
    assert verify_books()[1] == []


def test_nothing_of_one_who_was_merged_is_offered(ada, sql):
    """Neither a location that the merge made one with that of the other, nor one that was deleted before it."""
    database.add_location(1, "1 harbour street")
    database.delete_location(1)
    accounts.merge(2, 1)
    assert sql("SELECT count(*) FROM trail WHERE kind = 'deleted' AND table_name = 'locations'") == [{"count": 2}]
    assert trail.deletions() == []


def test_a_price_that_was_taken_back_is_no_deletion_to_undo(ada, sql):
    service, = sql("SELECT service_id, cost FROM services WHERE service_name = 'DSL'")
    for cost in (Decimal("24.95"), service["cost"]):
        prices.change_price(prices.Change("DSL", cost, date(2099, 1, 1)))
    assert sql("SELECT count(*) FROM trail WHERE kind = 'deleted' AND table_name = 'price_changes'") == [{"count": 1}]
    assert trail.deletions() == []
    before = everything(sql)
    prices.change_price(prices.Change("DSL", Decimal("24.95"), date(2099, 1, 1)))
    raised = everything(sql)
    database.delete_service(service["service_id"])
    assert trail.deletions()[0]["counts"] == {"services": 1, "price_changes": 1}
    undo_last()
    assert everything(sql) == raised != before


def test_several_changes_of_price_are_counted_as_such():
    assert [wording.noun("price_changes", count) for count in (1, 12)] == ["change of price", "12 changes of price"]


@pytest.mark.parametrize("written", ["SN-2", "sn 2", "S.N.2"])
def test_a_serial_number_that_another_device_has_since_is_left_out(ada, sql, written):
    before = everything(sql)
    database.delete_location(2)
    holder = database.add_equipment(1, "Terminal", written, Decimal(1))
    found, = trail.obstacles(trail.deletions()[0])
    assert (found.kind, found.record_id, found.what) == ("serial", holder, "SN-2")
    assert (found.holder["equipment_name"], found.holder["address"], found.holder["name"]) == (
        "Terminal", "9 Dock Road", "Bo Li")
    with pytest.raises(errors.Conflict, match="serial"):
        undo_last()
    undo_last(without_taken_numbers=True)
    router, box, *_ = everything(sql)["equipment"]
    assert {**router, "serial_number": "SN-2"} == before["equipment"][0]
    assert (router["serial_number"], box) == (None, before["equipment"][1])


def test_serial_numbers_that_nobody_has_come_back_though_taken_ones_are_left_out(ada, sql):
    before = everything(sql)
    delete_customer()
    undo_last(without_taken_numbers=True)
    assert everything(sql) == before


def test_an_account_number_that_another_customer_has_since_is_left_out(ada, sql):
    database.update_customer(2, account_number="K-1007")
    before = everything(sql)
    delete_customer()
    holder = database.add_customer("Cy Dee", None)
    database.update_customer(holder, account_number="k-1007")
    found, = trail.obstacles(trail.deletions()[0])
    assert (found.kind, found.record_id, found.what) == ("account number", holder, "k-1007")
    with pytest.raises(errors.Conflict, match="account number"):
        undo_last()
    undo_last(without_taken_numbers=True)
    customer, = [row for row in everything(sql)["customers"] if row["customer_id"] == 2]
    assert customer["account_number"] is None
    assert {**customer, "account_number": "K-1007"} in before["customers"]


def test_a_device_that_shared_its_serial_number_for_long_shares_it_again(ada, sql):
    sql("UPDATE equipment SET serial_repeat = 1 WHERE equipment_id = 1")
    sql("UPDATE equipment SET serial_number = 'sn-2' WHERE equipment_id = 3")
    before = everything(sql)
    for without in (False, True):
        database.delete_equipment(1)
        assert trail.obstacles(trail.deletions()[0]) == []
        undo_last(without)
        assert everything(sql) == before


def test_a_deletion_that_was_thinned_away_is_no_longer_offered(ada, sql):
    delete_customer()
    deletion = trail.deletions()[0]
    sql("UPDATE trail SET changed_at = changed_at - interval '11 years'")
    trail.thin()
    assert trail.deletions() == []
    before = everything(sql)
    trail.restore(deletion)
    assert everything(sql) == before


def test_a_row_comes_back_though_its_table_has_a_column_more_and_one_less(ada, sql):
    before = everything(sql)["services"]
    sql("ALTER TABLE services ADD COLUMN speed integer NOT NULL DEFAULT 100, ADD COLUMN until date")
    sql("UPDATE services SET speed = 50, until = '2030-01-01' WHERE service_id = 2")
    sql("DELETE FROM services WHERE service_id IN (2, 3)")
    sql("ALTER TABLE services DROP COLUMN until, ADD COLUMN tax numeric NOT NULL DEFAULT 19")
    undo_last()
    assert [{name: row[name] for name in before[0]} for row in everything(sql)["services"]] == before
    assert sql("SELECT speed, tax FROM services ORDER BY service_id LIMIT 2") == [
        {"speed": 100, "tax": 19}, {"speed": 50, "tax": 19}]


def test_killed_in_the_middle_nothing_is_back(ada, sql, uri):
    delete_customer()
    before = everything(sql)
    sql("CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'")
    sql("CREATE TRIGGER a_stop BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION stop()")
    code = ("import sys, database; from tracker import trail; database.connect(sys.argv[1]); "
            "trail.restore(trail.deletions()[0])")
    child = subprocess.Popen([sys.executable, "-c", code, uri], cwd=PROJECT)
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
                         "AND datname = current_database()"))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
        "AND datname = current_database()")
    sql("DROP TRIGGER a_stop ON payments")
    assert everything(sql) == before
    undo_last()
    assert verify_books()[1] == []


def test_a_connection_lost_at_the_commit_of_an_undo_is_an_unknown_outcome(ada, sql):
    delete_customer()
    sql("CREATE FUNCTION on_commit() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10); RETURN NULL; END'")
    sql("CREATE CONSTRAINT TRIGGER on_commit AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION on_commit()")
    with pytest.raises(errors.OutcomeUnknown):
        undo_last()
    assert not trail.deletions()[0]["is_back"]
    sql("DROP TRIGGER on_commit ON customers")
    undo_last()
    assert trail.deletions()[0]["is_back"]


def test_an_undo_has_its_reason_and_who_did_it(ada, sql):
    delete_service()
    undo_last()
    row, = sql("SELECT kind, ids::text, reason, login = session_user AS own FROM trail ORDER BY trail_id DESC LIMIT 1")
    assert row == {"kind": "added", "ids": "{[2,3)}", "reason": "undo of a deletion", "own": True}


def test_the_last_twenty_deletions_are_listed_newest_first(db, sql):
    for n in range(25):
        db.delete_customer(db.add_customer(f"Customer {n}", None))
    listed = trail.deletions()
    assert [deletion["record"]["name"] for deletion in listed] == [f"Customer {n}" for n in range(24, 4, -1)]
    assert len(trail.deletions(3)) == 3


def test_a_deletion_names_the_topmost_record_and_counts_what_went_with_it(ada, sql):
    delete_customer()
    deletion = trail.deletions()[0]
    assert (deletion["table_name"], deletion["record"]["name"]) == ("customers", "Ada O'Kafor 👩")
    assert list(deletion["counts"].items())[:4] == [
        ("customers", 1), ("locations", 2), ("services", 4), ("equipment", 4)]


def test_what_one_transaction_deleted_is_one_deletion_however_many_statements(ada, uri):
    conn = psycopg2.connect(uri)
    with conn, conn.cursor() as cur:
        for number in (2, 3, 4):
            cur.execute("DELETE FROM services WHERE service_id = %s", (number,))
    conn.close()
    deletion, = trail.deletions()
    assert deletion["counts"] == {"services": 3}


def test_thinning_is_no_deletion_to_undo(ada, sql):
    sql("UPDATE trail SET changed_at = changed_at - interval '11 years'")
    delete_service()
    assert trail.thin() > 0
    assert [deletion["table_name"] for deletion in trail.deletions(1)] == ["services"]


FIELDS = [
    ("customers", 2, lambda value: database.update_customer(2, name=value), "name", "Ada Okafor"),
    ("customers", 2, lambda value: database.update_customer(2, phone_number=value), "phone_number", "0201 555001"),
    ("customers", 2, lambda value: database.update_customer(2, phone_number=value), "phone_number", ""),
    ("customers", 2, lambda value: database.update_customer(2, account_number=value), "account_number", "K-1007"),
    ("locations", 2, lambda value: database.update_location(2, value), "address", "3 Quay"),
    ("services", 2, lambda value: database.update_service(2, service_name=value), "service_name", "Fibre 300"),
    ("services", 2, lambda value: database.update_service(2, cost=value), "cost", Decimal("0.07")),
    ("services", 2, lambda value: database.update_service(2, cost=value), "cost", Decimal(50)),
    ("equipment", 1, lambda value: database.update_equipment(1, equipment_name=value), "equipment_name", "Modem"),
    ("equipment", 1, lambda value: database.update_equipment(1, serial_number=value), "serial_number", "NEW-1"),
    ("equipment", 1, lambda value: database.update_equipment(1, serial_number=value), "serial_number", ""),
    ("equipment", 2, lambda value: database.update_equipment(2, serial_number=value), "serial_number", "NEW-2"),
    ("equipment", 1, lambda value: database.update_equipment(1, cost=value), "cost", Decimal("0.10")),
    ("billing", 3, lambda value: database.update_bill(3, description=value), "description", "Set-up"),
    ("billing", 3, lambda value: database.update_bill(3, due_date=value), "due_date", date(2026, 12, 31)),
    ("billing", 1, lambda value: database.update_bill(1, amount=value), "amount_billed", Decimal("150.01")),
]


@pytest.mark.parametrize("before", [None, date(2026, 11, 1)])
def test_another_first_day_is_undone_by_its_line(ada, sql, before):
    sql("UPDATE services SET started_on = %s WHERE service_id = 2", before)
    database.update_service(2, started_on=date(2026, 11, 12))
    change = last_change("services", 2)
    assert trail.can_undo(change)
    trail.undo(change)
    assert sql("SELECT started_on FROM services WHERE service_id = 2") == [{"started_on": before}]
    database.update_service(2, started_on=date(2026, 11, 13))
    with pytest.raises(errors.Changed):
        trail.undo(change)


def last_change(table, record_id):
    return trail.history_of(table, record_id)[0]


@pytest.mark.parametrize(("table", "record_id", "update", "column", "value"), FIELDS)
def test_each_field_of_each_form_is_undone_by_its_line(ada, sql, table, record_id, update, column, value):
    before = everything(sql)
    update(value)
    change = last_change(table, record_id)
    assert trail.can_undo(change)
    row = trail.undo(change)
    there, = sql(f"SELECT * FROM {table} WHERE {trail.KEYS[table]} = %s", record_id)
    if column == "amount_billed":
        assert there["amount_billed"] == row["amount_billed"] == Decimal("19.95")
        assert [item["amount"] for item in row["items"]] == [Decimal("19.95"), Decimal("130.06"), Decimal("-130.06")]
    else:
        assert everything(sql)[table] == before[table]
        assert row[column] == there[column]
    assert verify_books()[1] == []


@pytest.mark.parametrize(("table", "record_id", "update", "column", "value"), FIELDS)
def test_a_field_that_was_changed_since_is_left_as_it_is(ada, sql, table, record_id, update, column, value):
    update(value)
    change = last_change(table, record_id)
    update({"due_date": date(2027, 1, 1), "phone_number": "0800 1"}.get(
        column, "other" if isinstance(value, str) else Decimal(990)))
    before = everything(sql)
    with pytest.raises(errors.Changed):
        trail.undo(change)
    assert everything(sql) == before


@pytest.mark.parametrize(("table", "record_id", "update", "column", "value"), FIELDS)
def test_a_change_that_somebody_undid_already_may_be_undone_all_the_same(ada, sql, table, record_id, update, column,
                                                                         value):
    update(value)
    change = last_change(table, record_id)
    trail.undo(change)
    before = everything(sql)
    trail.undo(change)
    assert everything(sql) == before


def test_other_fields_that_were_changed_since_are_no_obstacle_and_are_kept(ada, sql):
    database.update_equipment(1, equipment_name="Modem", serial_number="NEW-1")
    change = last_change("equipment", 1)
    database.update_equipment(1, cost=Decimal(3))
    trail.undo(change)
    row = database.get_equipment(1)
    assert (row["equipment_name"], row["serial_number"], row["cost"]) == ("Router", "SN-2", 3)


def test_of_two_fields_changed_together_both_are_undone_or_none(ada, sql):
    database.update_customer(2, "Eve", "0800 1")
    change = last_change("customers", 2)
    database.update_customer(2, phone_number="0800 2")
    with pytest.raises(errors.Changed):
        trail.undo(change)
    assert database.get_customer(2)["name"] == "Eve"


@pytest.mark.parametrize(("table", "record_id", "update", "delete"), [
    ("customers", 2, lambda: database.update_customer(2, "Eve"), delete_customer),
    ("locations", 2, lambda: database.update_location(2, "Quay"), lambda: database.delete_location(2)),
    ("services", 2, lambda: database.update_service(2, "TV"), lambda: database.delete_service(2)),
    ("equipment", 1, lambda: database.update_equipment(1, "TV"), lambda: database.delete_equipment(1)),
    ("billing", 3, lambda: database.update_bill(3, "TV"), lambda: database.delete_bill(3)),
])
def test_a_change_of_a_record_that_is_gone_is_not_undone(ada, sql, table, record_id, update, delete):
    update()
    change = last_change(table, record_id)
    delete()
    before = everything(sql)
    with pytest.raises(errors.NotFound):
        trail.undo(change)
    assert everything(sql) == before


def test_a_serial_number_or_address_that_is_taken_since_is_not_given_back(ada):
    database.update_equipment(1, serial_number="NEW-1")
    database.add_equipment(1, "Router", "sn2", Decimal(1))
    with pytest.raises(errors.Conflict, match="serial"):
        trail.undo(last_change("equipment", 1))
    database.update_location(2, "3 Quay")
    database.add_location(2, "1 Harbour Street")
    with pytest.raises(errors.Conflict, match="address"):
        trail.undo(last_change("locations", 2))
    database.update_customer(2, account_number="K-1")
    database.update_customer(2, account_number="K-2")
    database.update_customer(1, account_number="K-1")
    with pytest.raises(errors.Conflict, match=r"^Customer 1 has account number K-1\.$"):
        trail.undo(last_change("customers", 2))


def test_a_bill_that_more_was_paid_on_than_it_was_before_is_lowered_and_the_difference_is_credit(ada):
    before = database.get_bill(3)["amount_billed"], payments.credit(2)
    database.update_bill(3, amount=Decimal(5000))
    pay(2, "5000.00")
    trail.undo(last_change("billing", 3))
    bill = database.get_bill(3)
    assert (bill["amount_billed"], bill["amount_due"], payments.credit(2)) == (before[0], 0, before[1] + 5000)
    assert verify_books()[1] == []


def test_a_lowered_bill_is_raised_again_and_its_credit_with_it(db, sql):
    ada = db.add_customer("Ada", None)
    bill = db.add_bill(ada, "Setup", Decimal(30), date(2026, 10, 1)).billing_id
    db.update_bill(bill, amount=Decimal(20))
    pay(ada, "25.00")
    assert payments.credit(ada) == 5
    trail.undo(trail.history_of("billing", bill)[0])
    assert (payments.credit(ada), db.get_bill(bill)["amount_due"]) == (0, 5)
    assert verify_books()[1] == []


@pytest.mark.parametrize(("table", "record_id", "statement"), [
    ("payments", 3, "UPDATE payments SET reference = 'x' WHERE payment_id = 3"),
    ("customers", 2, "UPDATE customers SET created_at = '2021-01-01' WHERE customer_id = 2"),
    ("customers", 2, "UPDATE customers SET created_at = '2021-01-01', name = 'Eve' WHERE customer_id = 2"),
    ("locations", 3, "UPDATE locations SET customer_id = 1 WHERE location_id = 3"),
    ("services", 2, "UPDATE services SET location_id = 1 WHERE service_id = 2"),
    ("equipment", 1, "UPDATE equipment SET serial_repeat = 1 WHERE equipment_id = 1"),
    ("billing", 3, "UPDATE billing SET issued_on = '2026-01-01' WHERE billing_id = 3"),
    ("billing_items", 1, "UPDATE billing_items SET description = 'x' WHERE billing_item_id = 1"),
    ("services", 6, "UPDATE services SET service_id = DEFAULT WHERE service_id = 2"),
])
def test_what_no_form_changes_is_not_undone(ada, sql, table, record_id, statement):
    sql(statement)
    assert not trail.can_undo(last_change(table, record_id))


def test_neither_a_void_nor_an_addition_nor_a_deletion_is_an_update_to_undo(ada):
    delete_service()
    assert not trail.can_undo(last_change("services", 2))
    assert not trail.can_undo(last_change("payments", 1))
    assert not trail.can_undo(last_change("services", 3))
    assert last_change("payments", 1)["new"]["void_reason"] == "bounced"


def test_of_many_that_psql_changed_together_one_is_undone(ada, sql):
    sql("UPDATE services SET cost = 1, service_name = 'All' WHERE service_name = 'TV Basic'")
    *_, change = [change for change in trail.history_of_customer(2) if change["kind"] == "changed"
                  and change["table_name"] == "services"]
    trail.undo(change)
    assert [(row["service_name"], row["cost"]) for row in sql(
        "SELECT service_name, cost FROM services WHERE service_name IN ('All', 'TV Basic') ORDER BY service_id")] == (
        [("TV Basic", Decimal("9.99")), ("All", 1)] if change["record_id"] == 3 else
        [("All", 1), ("TV Basic", Decimal("9.99"))])


def test_undoing_an_undo_does_it_again(ada):
    database.update_customer(2, "Eve")
    trail.undo(last_change("customers", 2))
    trail.undo(last_change("customers", 2))
    assert database.get_customer(2)["name"] == "Eve"


def test_what_a_transaction_deleted_twice_comes_back_once_as_it_was_last(ada, sql):
    sql("""
        DELETE FROM equipment WHERE equipment_id = 1;
        INSERT INTO equipment (equipment_id, location_id, equipment_name, cost) OVERRIDING SYSTEM VALUE
        VALUES (1, 2, 'Last', 5);
        DELETE FROM equipment WHERE equipment_id = 1
    """)
    undo_last()
    assert sql("SELECT equipment_name FROM equipment WHERE equipment_id = 1") == [{"equipment_name": "Last"}]


def test_an_amount_that_psql_changed_without_a_line_is_undone_and_the_books_are_sound(ada, sql):
    sql("UPDATE billing SET amount_billed = amount_billed + 10 WHERE billing_id = 3")
    assert verify_books()[1] != []
    change = next(change for change in trail.history_of("billing", 3) if change["kind"] == "changed")
    trail.undo(change)
    assert verify_books()[1] == []
