"""Money at its edges: equal days, the least and the largest amounts, what is spent first, what may not be touched."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import pytest
from conftest import there_since

import database
from tracker import bill_run, errors, payments, reports
from tracker.verify import verify_books

MOST_HITS = database.MOST_HITS
LEAST, MOST = Decimal("0.01"), Decimal("9999999999.99")
MONTH, DUE = date(2026, 12, 1), date(2026, 12, 15)


def ago(days):
    return database.today() - timedelta(days=days)


def pay(customer_id, amount, paid_on=None, **more):
    values = {"method": "cash", "reference": None, "entry_key": uuid4(), **more}
    return payments.record_payment(customer_id, Decimal(amount), paid_on or database.today(), **values)


def bill(customer_id, amount, days_ago=0, description="Bill"):
    return database.add_bill(customer_id, description, Decimal(amount), ago(days_ago)).billing_id


def due(customer_id):
    return [(row["billing_id"], str(row["amount_due"])) for row in payments.unpaid_bills(customer_id)]


def subscribe(customer_id, cost, address="1 Harbour Street", service="Fibre"):
    there_since()
    return database.add_service(database.add_location(customer_id, address), service, Decimal(cost))


@pytest.fixture
def ada(db):
    return db.add_customer("Ada Okafor", "+44 20 7946 0958")


@pytest.fixture
def bo(db, ada):
    return db.add_customer("Bo Li", "5550100")


@pytest.fixture
def allocations(sql):
    """Read which payment paid how much of which bill, and whether from credit, in the order of payments and bills."""
    return lambda: [
        (row["payment_id"], row["billing_id"], f"{row['amount']:.2f}", row["from_credit"])
        for row in sql("SELECT payment_id, billing_id, amount, from_credit FROM payment_allocations ORDER BY 1, 2")
    ]


def test_unpaid_bills_come_by_due_date_and_those_of_one_day_by_id(ada, rewritten):
    ids = [bill(ada, "1", days) for days in (3, 9, 3, 5, 9)]
    rewritten("billing", ids[0])
    rewritten("billing", ids[1])
    assert [row["billing_id"] for row in payments.unpaid_bills(ada)] == [ids[i] for i in (1, 4, 3, 0, 2)]


def test_unpaid_bills_are_of_one_customer_and_not_paid(ada, bo):
    paid, unpaid = bill(ada, "5.00", 2), bill(ada, "7.00", 1)
    bill(bo, "9.00")
    pay(ada, "6.00", billing_id=paid)
    row, = payments.unpaid_bills(ada)
    assert (row["billing_id"], row["days_late"], row["due_date"]) == (unpaid, 1, ago(1))
    assert [str(row[f"amount_{what}"]) for what in ("billed", "paid", "due")] == ["7.00", "1.00", "6.00"]


def test_a_bill_is_late_from_the_day_after_it_is_due(ada):
    for days in (-1, 0, 1):
        bill(ada, "1", days, f"{days}")
    late = {row["description"]: (row["is_late"], row["days_late"]) for row in database.list_bills()}
    assert late == {"-1": (False, 0), "0": (False, 0), "1": (True, 1)}


def test_credit_is_what_is_left_of_payments_that_are_not_void(ada, bo):
    pay(ada, "5.00"), pay(ada, "0.50"), pay(bo, "70.00")
    payments.void_payment(pay(ada, "30.00")["payment_id"], "typo")
    assert (payments.credit(ada), payments.credit(bo)) == (Decimal("5.50"), Decimal(70))


def test_nobody_has_no_credit(db):
    assert payments.credit(7) == 0


def test_a_payment_pays_bills_of_one_day_by_id(ada, rewritten):
    first, second = bill(ada, "10.00"), bill(ada, "10.00")
    rewritten("billing", first)
    pay(ada, "10.00")
    assert due(ada) == [(second, "10.00")]


def test_a_payment_of_a_cent_less_leaves_a_cent(ada):
    billing_id = bill(ada, "10.00")
    pay(ada, "9.99")
    assert (due(ada), payments.credit(ada)) == ([(billing_id, "0.01")], 0)


def test_a_payment_of_a_cent_more_leaves_a_cent_of_credit(ada):
    bill(ada, "10.00")
    pay(ada, "10.01")
    assert (due(ada), payments.credit(ada)) == ([], LEAST)


def test_the_smallest_payment_pays_the_smallest_bill(ada, allocations):
    bill(ada, LEAST)
    pay(ada, LEAST)
    assert (due(ada), allocations()) == ([], [(1, 1, "0.01", False)])


def test_the_largest_payment_pays_the_largest_bill(ada, allocations):
    bill(ada, MOST)
    payment = pay(ada, MOST)
    assert (due(ada), payment["amount_left"], allocations()) == ([], 0, [(1, 1, "9999999999.99", False)])
    assert verify_books()[1] == []


@pytest.mark.parametrize("amount", ["0", "-0.01", "0.001", "10000000000"])
def test_a_payment_out_of_bounds_is_refused(ada, amount):
    with pytest.raises(errors.Conflict):
        pay(ada, amount)
    assert payments.list_payments(ada) == []


@pytest.mark.parametrize("amount", ["-0.01", "0.001", "10000000000"])
def test_a_bill_out_of_bounds_is_refused(ada, amount):
    with pytest.raises(errors.Conflict):
        bill(ada, amount)
    assert database.list_bills() == []


@pytest.mark.parametrize("day", [date(2000, 1, 1), date(2199, 12, 31)])
def test_the_first_and_the_last_day_are_stored(ada, day):
    pay(ada, "1.00", day)
    database.add_bill(ada, "Bill", Decimal(2), day)
    assert [row["paid_on"] for row in payments.list_payments(ada)] == [day]
    assert [row["due_date"] for row in database.list_bills()] == [day]


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2200, 1, 1)])
def test_a_day_out_of_bounds_is_refused(ada, day):
    with pytest.raises(errors.Conflict, match="lies between 2000-01-01 and 2199-12-31"):
        pay(ada, "1.00", day)
    with pytest.raises(errors.Conflict, match="lies between 2000-01-01 and 2199-12-31"):
        database.add_bill(ada, "Bill", Decimal(2), day)


def test_an_aimed_payment_pays_no_more_than_is_due_there(ada, allocations):
    old, new = bill(ada, "10.00", 5), bill(ada, "10.00", 1)
    pay(ada, "4.00", billing_id=new)
    pay(ada, "9.00", billing_id=new)
    assert allocations() == [(1, new, "4.00", False), (2, old, "3.00", False), (2, new, "6.00", False)]


def test_a_payment_cannot_be_aimed_at_a_bill_that_is_paid(ada):
    paid, _ = bill(ada, "10.00", 5), bill(ada, "10.00", 1)
    pay(ada, "10.00")
    said = rf"^Bill {paid} is no unpaid bill of this customer; nothing was written\.$"
    with pytest.raises(errors.Conflict, match=said):
        pay(ada, "1.00", billing_id=paid)
    assert len(payments.list_payments(ada)) == 1


def test_a_payment_of_nobody_is_refused(db):
    with pytest.raises(errors.NotFound, match=r"^There is no customer 7\.$"):
        pay(7, "1.00")


def test_a_recorded_payment_says_what_was_recorded_and_what_it_paid(ada, sql):
    first, second = bill(ada, "10.00", 5, "First"), bill(ada, "10.00", 1, "Second")
    row = pay(ada, "12.50", ago(1), method="direct debit", reference="R-1", billing_id=second)
    assert row == payments.get_payment(1)
    expected = {"payment_id": 1, "customer_id": ada, "name": "Ada Okafor", "paid_on": ago(1), "method": "direct debit",
                "reference": "R-1", "voided_on": None, "void_reason": None}
    assert {key: row[key] for key in expected} == expected
    assert (row["amount"], row["amount_left"]) == (Decimal("12.50"), 0)
    assert [(b["billing_id"], b["description"], Decimal(b["amount"])) for b in row["bills"]] == [
        (second, "Second", Decimal(10)), (first, "First", Decimal("2.50"))]
    assert [row["recorded_by"]] == [user["login"] for user in sql("SELECT session_user::text AS login")]


def test_what_sql_leaves_out_of_a_payment_a_bill_or_an_allocation_has_its_default(ada, sql):
    sql("INSERT INTO payments (customer_id, amount) VALUES (1, 5), (1, 6)")
    sql("INSERT INTO billing (customer_id, description, amount_billed, due_date) VALUES (1, 'Bill', 7, '2026-01-01')")
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, 1, 2)")
    first, second = sql("SELECT * FROM payments ORDER BY payment_id")
    assert (first["paid_on"], first["method"], first["reference"], first["voided_at"]) == (ago(0), "other", None, None)
    assert first["entry_key"] != second["entry_key"]
    assert sql("SELECT recorded_by = session_user AND recorded_at > now() - interval '1 hour' AS ok FROM payments") == [
        {"ok": True}] * 2
    row, = sql("SELECT * FROM billing")
    assert (row["issued_on"], row["period"], row["amount_paid"], row["amount_due"]) == (ago(0), None, 2, 5)
    assert sql("SELECT from_credit FROM payment_allocations") == [{"from_credit": False}]
    row, = sql("SELECT created_at > now() - interval '1 hour' AS ok FROM customers")
    assert row["ok"]


def test_there_is_no_payment_that_is_not_there(db):
    with pytest.raises(errors.NotFound, match=r"^There is no payment 7\.$"):
        payments.get_payment(7)
    with pytest.raises(errors.NotFound, match=r"^There is no payment 7\.$"):
        payments.void_payment(7, "typo")


@pytest.mark.parametrize(("method", "accepted"), [*[(method, True) for method in payments.METHODS], ("shells", False)])
def test_each_method_that_the_form_offers_is_stored_and_no_other(ada, method, accepted):
    if accepted:
        assert pay(ada, "1.00", method=method)["method"] == method
    else:
        with pytest.raises(errors.Conflict, match="cash, card, transfer, direct debit, cheque or other"):
            pay(ada, "1.00", method=method)


@pytest.mark.parametrize("reference", [None, "R-1"])
def test_the_same_form_again_gives_the_payment_that_it_made_and_pays_no_more(ada, reference):
    bill(ada, "3.00", 2), bill(ada, "30.00", 1)
    key = uuid4()
    first = pay(ada, "5.00", entry_key=key, reference=reference, billing_id=2)
    assert pay(ada, "5.00", entry_key=key, reference=reference, billing_id=2) == first
    assert due(ada) == [(1, "3.00"), (2, "25.00")]


@pytest.mark.parametrize("other", [
    {"amount": "5.01"}, {"paid_on": date(2026, 1, 2)}, {"method": "card"}, {"reference": "R-2"}, {"reference": None},
    {"customer_id": 2},
])
def test_the_same_form_with_anything_else_is_refused(ada, bo, other):
    values = {"customer_id": ada, "amount": "5.00", "paid_on": date(2026, 1, 1), "method": "cash", "reference": "R-1",
              "entry_key": uuid4()}
    pay(**values)
    with pytest.raises(errors.Conflict, match="saved before with other values"):
        pay(**{**values, **other})
    assert payments.count_payments(ada) + payments.count_payments(bo) == 1


def test_a_payment_is_found_by_its_form_and_no_other_is(ada):
    key = uuid4()
    pay(ada, "4.00")
    made = pay(ada, "5.00", entry_key=key)
    assert (payments.find_by_entry_key(key), payments.find_by_entry_key(uuid4())) == (made, None)


def test_only_the_same_customer_day_and_amount_is_the_same_payment_and_a_void_one_is_not(ada, bo):
    same = [pay(ada, "5.00", ago(1), reference=reference)["payment_id"] for reference in ("R-1", None)]
    pay(ada, "5.01", ago(1)), pay(ada, "5.00", ago(2)), pay(bo, "5.00", ago(1))
    payments.void_payment(pay(ada, "5.00", ago(1))["payment_id"], "typo")
    rows = payments.same_payments(ada, Decimal("5.00"), ago(1))
    assert [(row["payment_id"], row["reference"]) for row in rows] == [(same[0], "R-1"), (same[1], None)]


def test_the_same_payments_come_by_id(ada, rewritten):
    ids = [pay(ada, "5.00")["payment_id"] for _ in range(3)]
    rewritten("payments", ids[0])
    assert [row["payment_id"] for row in payments.same_payments(ada, Decimal(5), database.today())] == ids


def test_credit_is_spent_oldest_payment_first(ada, allocations):
    new, old = pay(ada, "10.00", ago(1)), pay(ada, "10.00", ago(9))
    billing_id = bill(ada, "4.00")
    assert allocations() == [(old["payment_id"], billing_id, "4.00", True)]
    assert payments.get_payment(new["payment_id"])["amount_left"] == 10


def test_credit_of_one_day_is_spent_by_id(ada, allocations, rewritten):
    first, _ = pay(ada, "10.00"), pay(ada, "10.00")
    rewritten("payments", first["payment_id"])
    billing_id = bill(ada, "4.00")
    assert allocations() == [(first["payment_id"], billing_id, "4.00", True)]


def test_credit_pays_the_bill_that_is_due_first(ada, sql, allocations):
    for days in (1, 5):
        bill(ada, "10.00", days)
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 12)", ada)
    sql("SELECT apply_credit()")
    assert allocations() == [(1, 1, "2.00", True), (1, 2, "10.00", True)]


def test_credit_and_bills_are_laid_end_to_end(ada, sql, allocations):
    for amount in ("5.00", "5.00", "0.01"):
        sql("INSERT INTO payments (customer_id, amount) VALUES (%s, %s)", ada, amount)
    for amount in ("4.00", "4.00", "7.00"):
        sql("INSERT INTO billing (customer_id, description, amount_billed, due_date) "
            "VALUES (%s, 'Bill', %s, '2026-01-01')", ada, amount)
    sql("SELECT apply_credit()")
    assert allocations() == [(1, 1, "4.00", True), (1, 2, "1.00", True), (2, 2, "3.00", True), (2, 3, "2.00", True),
                             (3, 3, "0.01", True)]
    assert due(ada) == [(3, "4.99")]


def test_credit_pays_only_its_own_customers_bills(ada, bo, sql, allocations):
    bill(ada, "10.00"), bill(bo, "10.00")
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 3), (%s, 4)", bo, ada)
    sql("SELECT apply_credit()")
    assert allocations() == [(1, 2, "3.00", True), (2, 1, "4.00", True)]


def test_credit_of_others_waits_for_them(ada, bo, sql, allocations):
    bill(ada, "10.00"), bill(bo, "10.00")
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 3), (%s, 4)", bo, ada)
    sql("SELECT apply_credit(ARRAY[%s]::bigint[])", ada)
    assert allocations() == [(2, 1, "4.00", True)]


def test_a_void_payment_is_never_spent(ada, allocations):
    payments.void_payment(pay(ada, "10.00")["payment_id"], "typo")
    billing_id = bill(ada, "4.00")
    assert (due(ada), allocations()) == ([(billing_id, "4.00")], [])


def test_credit_beside_a_new_payment_is_spent_as_credit(ada, sql, allocations):
    bill(ada, "10.00")
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (%s, 3, '2026-01-01')", ada)
    pay(ada, "4.00")
    assert allocations() == [(1, 1, "3.00", True), (2, 1, "4.00", False)]


def test_a_bill_that_is_raised_spends_credit(ada, allocations):
    billing_id = bill(ada, "10.00")
    pay(ada, "15.00")
    row = database.update_bill(billing_id, amount=Decimal("12.00"))
    assert (row["amount_paid"], row["amount_due"], payments.credit(ada)) == (12, 0, 3)
    assert verify_books()[1] == []


def test_a_bill_can_shrink_to_what_was_paid_on_it(ada):
    billing_id = bill(ada, "10.00")
    pay(ada, "4.00")
    assert database.update_bill(billing_id, amount=Decimal("4.00"))["amount_due"] == 0
    items = [(item["description"], Decimal(item["amount"])) for item in database.get_bill(billing_id)["items"]]
    assert items == [("Bill", 10), ("Adjustment", -6)]


def test_a_bill_whose_amount_stays_gets_no_line(ada):
    billing_id = bill(ada, "10.00")
    row = database.update_bill(billing_id, "Other words", Decimal("10.00"), ago(3))
    assert [item["description"] for item in row["items"]] == ["Bill"]
    assert (row["description"], row["due_date"], row["amount_billed"]) == ("Other words", ago(3), 10)


def test_a_deleted_bill_gives_its_payments_to_the_next_bill_as_credit(ada, allocations):
    first, second = bill(ada, "10.00", 5), bill(ada, "10.00", 1)
    pay(ada, "10.00")
    assert database.delete_bill(first) == 10
    assert allocations() == [(1, second, "10.00", True)]


def test_a_payment_cannot_be_voided_twice(ada):
    pay(ada, "1.00")
    payments.void_payment(1, "typo")
    with pytest.raises(errors.Conflict, match=r"^Payment 1 is void already\.$"):
        payments.void_payment(1, "again")
    assert payments.get_payment(1)["void_reason"] == "typo"


def test_a_void_says_since_when_and_why_and_still_shows_what_it_had_paid(ada):
    billing_id = bill(ada, "10.00")
    pay(ada, "4.00"), pay(ada, "3.00")
    row = payments.void_payment(1, "bounced")
    assert row == payments.get_payment(1)
    assert (row["voided_on"], row["void_reason"], [b["billing_id"] for b in row["bills"]]) == (
        database.today(), "bounced", [billing_id])
    assert due(ada) == [(billing_id, "7.00")]


def test_a_void_takes_the_last_payment_date_back_to_the_payment_before(ada):
    billing_id = bill(ada, "10.00")
    pay(ada, "1.00", ago(9)), pay(ada, "1.00", ago(2))
    assert database.get_bill(billing_id)["last_payment_date"] == ago(2)
    payments.void_payment(2, "typo")
    assert database.get_bill(billing_id)["last_payment_date"] == ago(9)
    payments.void_payment(1, "typo")
    assert database.get_bill(billing_id)["last_payment_date"] is None


def test_other_credit_pays_the_bills_of_a_void_payment_as_credit(ada, allocations):
    billing_id = bill(ada, "10.00")
    pay(ada, "10.00"), pay(ada, "3.00"), pay(ada, "9.00")
    payments.void_payment(1, "bounced")
    assert allocations() == [
        (1, billing_id, "10.00", False), (2, billing_id, "3.00", True), (3, billing_id, "7.00", True)]
    assert (due(ada), payments.credit(ada)) == ([], 2)


def test_a_void_leaves_other_customers_alone(ada, bo):
    bill(ada, "10.00"), bill(bo, "10.00")
    pay(ada, "10.00"), pay(bo, "10.00")
    payments.void_payment(1, "bounced")
    assert (due(ada), due(bo)) == ([(1, "10.00")], [])


def test_a_void_payment_pays_nothing_by_sql_either(ada, sql):
    billing_id = bill(ada, "10.00")
    payments.void_payment(pay(ada, "10.00")["payment_id"], "typo")
    sql("DELETE FROM payment_allocations")
    with pytest.raises(psycopg2.IntegrityError) as caught:
        sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, %s, 1)", billing_id)
    assert caught.value.diag.constraint_name == "payment_allocations_own_bill"


def test_a_corrected_day_of_a_payment_is_what_its_bill_says(ada, sql):
    billing_id = bill(ada, "10.00")
    pay(ada, "1.00", ago(5))
    sql("UPDATE payments SET paid_on = %s", ago(3))
    assert database.get_bill(billing_id)["last_payment_date"] == ago(3)


def test_payments_come_newest_first_and_those_of_one_day_by_id(ada, bo, rewritten):
    ids = [pay(ada, "1.00", ago(days))["payment_id"] for days in (3, 9, 3, 1, 9)]
    pay(bo, "1.00")
    rewritten("payments", ids[4])
    assert [row["payment_id"] for row in payments.list_payments(ada)] == [ids[i] for i in (3, 2, 0, 4, 1)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_payments_have_every_payment_once_when_days_are_equal(ada, size):
    ids = [pay(ada, "1.00", ago(days))["payment_id"] for days in (3, 3, 1, 3, 3, 9, 3)]
    seen, before = [], None
    while (page := payments.list_payments(ada, before, size)) and len(seen) < 20:
        assert len(page) <= size
        seen += [row["payment_id"] for row in page]
        before = page[-1]["paid_on"], page[-1]["payment_id"]
    assert seen == [ids[i] for i in (2, 6, 4, 3, 1, 0, 5)]


def test_a_page_of_payments_has_most_hits_rows_and_the_count_has_all(ada, bo, sql):
    sql("INSERT INTO payments (customer_id, amount) SELECT %s, i FROM generate_series(1, %s) AS i", ada, MOST_HITS + 1)
    pay(bo, "1.00")
    payments.void_payment(1, "typo")
    assert (len(payments.list_payments(ada)), payments.count_payments(ada)) == (MOST_HITS, MOST_HITS + 1)


def test_a_listed_payment_says_what_is_left_of_it_and_since_when_it_is_void(ada):
    bill(ada, "4.00")
    pay(ada, "10.00", ago(2), method="card", reference="R-1")
    row, = payments.list_payments(ada)
    assert (row["amount"], row["amount_left"], row["voided_on"]) == (10, 6, None)
    assert (row["method"], row["reference"], row["void_reason"]) == ("card", "R-1", None)
    payments.void_payment(1, "typo")
    row, = payments.list_payments(ada)
    assert (row["voided_on"], row["void_reason"]) == (database.today(), "typo")


@pytest.mark.parametrize("term", ["okaf", "0958", "OKAFOR"])
def test_payments_are_found_by_their_customer_newest_first(ada, bo, rewritten, term):
    ids = [pay(ada, "1.00", ago(days))["payment_id"] for days in (3, 9, 3)]
    pay(bo, "1.00")
    rewritten("payments", ids[2])
    assert [row["payment_id"] for row in payments.find_payments(term).rows] == [ids[i] for i in (2, 0, 1)]


def test_payments_come_a_page_at_a_time_and_say_how_many_there_are(ada, sql):
    sql("INSERT INTO payments (customer_id, amount) SELECT %s, i FROM generate_series(1, %s) AS i", ada, MOST_HITS + 9)
    found = [payments.find_payments("okafor", skip=skip) for skip in (0, MOST_HITS)]
    assert [(len(page.rows), page.total) for page in found] == [(MOST_HITS, MOST_HITS + 9), (9, MOST_HITS + 9)]


@pytest.mark.parametrize(("today", "expected"), [
    (date(2026, 11, 30), DUE), (date(2026, 12, 1), DUE), (date(2026, 12, 14), DUE), (date(2026, 12, 15), DUE),
    (date(2026, 12, 16), date(2026, 12, 30)), (date(2026, 12, 31), date(2027, 1, 14)),
])
def test_bills_are_due_on_the_15th_or_14_days_from_now_when_that_is_past(today, expected):
    assert bill_run.default_due_date(MONTH, today) == expected


def test_a_run_makes_bills_in_the_order_of_its_customers_wherever_they_stand(ada, bo, sql, rewritten):
    for customer_id in (ada, bo):
        subscribe(customer_id, "10.00")
    rewritten("customers", ada)
    rewritten("services", 1)
    bill_run.run(MONTH, DUE)
    assert [row["customer_id"] for row in sql("SELECT customer_id FROM billing ORDER BY billing_id")] == [ada, bo]


def test_a_run_bills_each_service_of_each_site_on_a_bill_of_the_month(ada, bo, sql):
    fibre = subscribe(ada, "49.90")
    phone = subscribe(ada, "0.10", "2 Dock Road", "Phone")
    free = subscribe(bo, "0.00")
    database.add_customer("Cy without services", "5550101")
    assert bill_run.run(MONTH, DUE) == {"created": 2, "skipped": 0, "gone": 0, "total": 50, "from_credit": 0}
    made = sql("SELECT customer_id, description, period, issued_on, due_date, amount_billed::text "
               "FROM billing ORDER BY customer_id")
    assert made == [
        {"customer_id": customer_id, "description": "December 2026", "period": MONTH, "issued_on": database.today(),
         "due_date": DUE, "amount_billed": amount} for customer_id, amount in ((ada, "50.00"), (bo, "0.00"))
    ]
    items = sql("SELECT customer_id, service_id, billing_items.description, amount::text FROM billing_items "
                "JOIN billing USING (billing_id) ORDER BY 1, 2")
    assert [tuple(item.values()) for item in items] == [
        (ada, fibre, "Fibre, 1 Harbour Street", "49.90"), (ada, phone, "Phone, 2 Dock Road", "0.10"),
        (bo, free, "Fibre, 1 Harbour Street", "0.00"),
    ]


@pytest.mark.parametrize(("month", "name"), [(1, "January 2026"), (5, "May 2026"), (9, "September 2026")])
def test_a_bill_of_a_run_is_named_after_its_month(ada, month, name):
    subscribe(ada, "1.00")
    bill_run.run(date(2026, month, 1), DUE)
    row, = database.list_bills()
    assert row["description"] == name


def test_a_run_bills_whom_it_has_not_billed_and_counts_the_others(ada, bo):
    subscribe(ada, "49.90")
    bill_run.run(MONTH, DUE)
    subscribe(bo, "20.00")
    assert bill_run.run(MONTH, DUE) == {"created": 1, "skipped": 1, "gone": 0, "total": 20, "from_credit": 0}


def test_a_run_says_what_credit_paid_of_it(ada, bo):
    subscribe(ada, "49.90")
    subscribe(bo, "20.00")
    pay(ada, "100.00"), pay(bo, "5.00")
    result = bill_run.run(MONTH, DUE)
    assert (result["total"], result["from_credit"]) == (Decimal("69.90"), Decimal("54.90"))
    assert (payments.credit(ada), [amount for _, amount in due(bo)]) == (Decimal("50.10"), ["15.00"])


@pytest.mark.parametrize(("shown", "bills"), [("49.89", 0), ("49.90", 1), ("49.91", 0), ("0", 0), (None, 1)])
def test_a_run_goes_on_only_at_the_total_that_was_shown(ada, shown, bills):
    subscribe(ada, "49.90")
    total = None if shown is None else Decimal(shown)
    if bills:
        bill_run.run(MONTH, DUE, total)
    else:
        said = r"^The total is now 49\.90, since services have changed; nobody was billed\.$"
        with pytest.raises(errors.Conflict, match=said):
            bill_run.run(MONTH, DUE, total)
    assert len(database.list_bills()) == bills


def test_a_run_that_another_has_done_meanwhile_is_no_fault(ada):
    subscribe(ada, "49.90")
    bill_run.run(MONTH, DUE)
    assert bill_run.run(MONTH, DUE, Decimal("49.90"))["created"] == 0


def test_a_preview_is_what_the_run_does(ada, bo):
    subscribe(ada, "49.90")
    subscribe(bo, "0.00")
    before = bill_run.preview(MONTH)
    result = bill_run.run(MONTH, DUE, before["total"])
    assert (before["customers"], before["total"], before["skipped"]) == (result["created"], result["total"], 0)
    after = bill_run.preview(MONTH)
    assert (after["customers"], after["total"], after["skipped"]) == (0, 0, 2)


def test_a_preview_counts_nobody_as_new_or_changed_who_is_billed_already(ada, bo):
    subscribe(bo, "20.00")
    bill_run.run(date(2026, 11, 1), DUE)
    subscribe(ada, "49.90")
    subscribe(bo, "1.00", "2 Dock Road")
    before = bill_run.preview(MONTH)
    bill_run.run(MONTH, DUE)
    after = bill_run.preview(MONTH)
    assert [(row["new"], row["gone"], row["changed"], row["total_before"]) for row in (before, after)] == [
        (1, 0, 1, 20), (0, 0, 0, 20)]


def test_a_preview_compares_january_with_december(ada):
    service_id = subscribe(ada, "20.00")
    bill_run.run(MONTH, DUE)
    database.update_service(service_id, cost=Decimal("20.01"))
    row = bill_run.preview(date(2027, 1, 1))
    assert (row["new"], row["gone"], row["changed"], row["total_before"]) == (0, 0, 1, 20)
    database.delete_service(service_id)
    row = bill_run.preview(date(2027, 1, 1))
    assert (row["customers"], row["new"], row["gone"], row["changed"], row["total_before"]) == (0, 0, 1, 0, 20)


def test_a_preview_does_not_compare_with_bills_by_hand(ada):
    subscribe(ada, "20.00")
    bill(ada, "7.00")
    row = bill_run.preview(MONTH)
    assert (row["new"], row["changed"], row["total_before"]) == (1, 0, 0)


def test_the_largest_total_of_a_run_is_billed(ada, bo):
    subscribe(ada, MOST)
    subscribe(bo, MOST)
    assert bill_run.run(MONTH, DUE)["total"] == 2 * MOST


def test_a_bill_over_the_largest_amount_stops_the_run(ada, bo):
    subscribe(ada, MOST)
    subscribe(ada, LEAST, "2 Dock Road")
    subscribe(bo, "1.00")
    with pytest.raises(errors.Conflict):
        bill_run.run(MONTH, DUE)
    assert database.list_bills() == []


def test_an_undo_removes_the_bills_of_its_month_alone(ada):
    subscribe(ada, "49.90")
    for month in (11, 12):
        bill_run.run(date(2026, month, 1), DUE)
    by_hand = bill(ada, "5.00")
    assert bill_run.preview_undo(MONTH) == {"removed": 1, "total": Decimal("49.90"), "kept": 0}
    assert bill_run.undo(MONTH) == {"removed": 1, "kept": 0, "bills": []}
    assert sorted(row["description"] for row in database.list_bills()) == ["Bill", "November 2026"]
    assert database.get_bill(by_hand)["amount_due"] == 5


def test_an_undo_counts_a_bill_that_credit_paid_as_not_paid_on(ada, bo):
    subscribe(ada, "49.90")
    subscribe(bo, "20.00")
    pay(ada, "60.00")
    bill_run.run(MONTH, DUE)
    pay(bo, "0.01")
    assert bill_run.preview_undo(MONTH) == {"removed": 1, "total": Decimal("49.90"), "kept": 1}
    result = bill_run.undo(MONTH)
    assert (result["removed"], result["kept"]) == (1, 1)
    row, = result["bills"]
    assert (row["name"], row["amount_billed"], row["amount_paid"], row["last_payment_date"]) == (
        "Bo Li", 20, LEAST, database.today())


def test_an_undo_counts_a_bill_whose_payment_is_void_as_not_paid_on(ada):
    subscribe(ada, "49.90")
    bill_run.run(MONTH, DUE)
    payments.void_payment(pay(ada, "49.90")["payment_id"], "bounced")
    assert bill_run.preview_undo(MONTH) == {"removed": 1, "total": Decimal("49.90"), "kept": 0}
    assert bill_run.undo(MONTH)["removed"] == 1


def test_credit_that_an_undo_sets_free_pays_other_bills(ada):
    subscribe(ada, "49.90")
    pay(ada, "60.00")
    bill_run.run(MONTH, ago(9))
    other = bill(ada, "30.00")
    assert due(ada) == [(other, "19.90")]
    bill_run.undo(MONTH)
    assert (due(ada), payments.credit(ada)) == ([], 30)
    assert verify_books()[1] == []


def test_an_undo_names_the_first_hundred_of_the_bills_that_stay_and_counts_all(sql, db):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'Customer ' || i, '5550100' FROM generate_series(1, 101) AS i")
    sql("INSERT INTO billing (customer_id, description, period, due_date, amount_billed) "
        "SELECT customer_id, 'December', '2026-12-01', '2026-12-15', 5 FROM customers ORDER BY customer_id")
    sql("INSERT INTO payments (customer_id, amount) SELECT customer_id, 1 FROM customers ORDER BY customer_id")
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) "
        "SELECT payment_id, billing_id, 1 FROM payments JOIN billing USING (customer_id)")
    sql("UPDATE billing SET description = 'first' WHERE billing_id = 1")
    result = bill_run.undo(MONTH)
    assert (result["removed"], result["kept"]) == (0, 101)
    assert [row["billing_id"] for row in result["bills"]] == list(range(1, 101))


def test_what_no_run_billed_has_nothing_to_undo(ada):
    bill(ada, "5.00")
    assert bill_run.preview_undo(MONTH) == {"removed": 0, "total": 0, "kept": 0}
    assert bill_run.undo(MONTH) == {"removed": 0, "kept": 0, "bills": []}


@pytest.mark.parametrize(("damage", "finding"), [
    ("UPDATE billing SET amount_paid = 3.99 WHERE billing_id = 1",
     "Bill 1: it says 3.99 paid, last on {today}, and 6.01 due of 10.00; its payments come to 4.00, last on {today}."),
    ("UPDATE billing SET last_payment_date = NULL WHERE billing_id = 1",
     "Bill 1: it says 4.00 paid, last on None, and 6.00 due of 10.00; its payments come to 4.00, last on {today}."),
    ("UPDATE billing SET amount_paid = 1 WHERE billing_id = 2",
     "Bill 2: it says 1.00 paid, last on None, and 19.00 due of 20.00; its payments come to 0.00, last on None."),
    ("ALTER TABLE billing ALTER amount_due DROP EXPRESSION; UPDATE billing SET amount_due = 5 WHERE billing_id = 1",
     "Bill 1: it says 4.00 paid, last on {today}, and 5.00 due of 10.00; its payments come to 4.00, last on {today}."),
    ("UPDATE billing_items SET amount = 9.99 WHERE billing_id = 2",
     "Bill 2: it is over 20.00 and its lines add up to 9.99."),
    ("DELETE FROM billing_items WHERE billing_id = 2", "Bill 2: it is over 20.00 and its lines add up to 0.00."),
    ("UPDATE payments SET amount_allocated = 3.99 WHERE payment_id = 1",
     "Payment 1: it is over 4.00 and says 3.99 of it was used; its allocations come to 4.00."),
    ("INSERT INTO payments (customer_id, amount, amount_allocated) VALUES (2, 3, 3)",
     "Payment 2: it is over 3.00 and says 3.00 of it was used; its allocations come to 0.00."),
    ("UPDATE payments SET customer_id = 2 WHERE payment_id = 1",
     "Allocation 1: payment 1 pays bill 1 of another customer."),
    ("INSERT INTO payments (customer_id, amount) VALUES (2, 0.01)",
     "Customer 2: they have 0.01 of credit and 20.00 to pay."),
])
def test_verify_has_one_sentence_for_one_fault(ada, bo, sql, damage, finding):
    bill(ada, "10.00"), bill(bo, "20.00")
    pay(ada, "4.00")
    sql("SET session_replication_role = replica")
    sql(damage)
    assert finding.format(today=database.today()) in verify_books()[1]


def test_verify_names_findings_by_id(ada, bo, sql):
    for customer_id in (ada, bo, ada):
        bill(customer_id, "10.00")
    sql("UPDATE billing SET description = 'first' WHERE billing_id = 1")
    sql("UPDATE billing_items SET amount = 9")
    sql("INSERT INTO payments (customer_id, amount) VALUES (2, 1), (1, 1)")
    assert [sentence.split(":")[0] for sentence in verify_books()[1]] == [
        "Bill 1", "Bill 2", "Bill 3", "Customer 1", "Customer 2"]


@pytest.mark.parametrize(("damage", "named"), [
    ("UPDATE billing SET amount_paid = 3", "Bill"), ("UPDATE billing_items SET amount = 9", "Bill"),
    ("UPDATE payments SET amount_allocated = 3", "Payment"), ("UPDATE payments SET customer_id = 3", "Allocation"),
])
def test_verify_names_findings_of_one_kind_by_id(ada, bo, sql, rewritten, damage, named):
    for customer_id in (ada, bo, ada):
        bill(customer_id, "10.00")
    pay(ada, "20.00"), pay(bo, "10.00")
    rewritten("billing", 1)
    rewritten("payments", 1)
    database.add_customer("Cy", "5550102")
    sql("SET session_replication_role = replica")
    sql(damage)
    found = [sentence.split(":")[0] for sentence in verify_books()[1] if sentence.startswith(named)]
    assert found == [f"{named} {nth}" for nth in range(1, len(found) + 1)]
    assert len(found) > 1


def test_verify_finds_a_bill_on_which_too_much_was_paid(ada, sql):
    bill(ada, "10.00")
    pay(ada, "30.00")
    sql("ALTER TABLE billing DROP CONSTRAINT billing_not_overpaid")
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, 1, 5)")
    assert any(sentence.startswith("Bill 1: it says 15.00 paid") for sentence in verify_books()[1])


def test_verify_finds_a_payment_that_was_spent_beyond_its_amount(ada, sql):
    bill(ada, "10.00")
    pay(ada, "4.00")
    sql("ALTER TABLE payments DROP CONSTRAINT payments_not_overallocated")
    sql("INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, 1, 5)")
    assert verify_books()[1] == [
        "Payment 1: it is over 4.00 and says 9.00 of it was used; its allocations come to 9.00."]


def test_verify_finds_nothing_where_several_bills_are_late_due_today_or_to_come(ada, bo):
    for customer_id, days in ((ada, 9), (ada, 1), (ada, 0), (bo, 40), (bo, -1)):
        bill(customer_id, "10.00", days)
    pay(ada, "4.00"), pay(bo, "0.01")
    assert verify_books() == ({"bills": 5, "payments": 2}, [])


def test_verify_counts_what_it_looked_at_and_forgives_voids(ada):
    bill(ada, "10.00")
    pay(ada, "15.00"), pay(ada, "1.00")
    payments.void_payment(1, "bounced")
    assert verify_books() == ({"bills": 1, "payments": 2}, [])


def test_a_bill_paid_on_two_days_is_sound_and_was_paid_last_on_the_later(db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    billing_id = bill(customer_id, "30.00", 5)
    for days in (3, 1, 2):
        payments.record_payment(customer_id, Decimal(5), ago(days), "cash", None, uuid4())
    assert db.get_bill(billing_id)["last_payment_date"] == ago(1)
    assert verify_books()[1] == []


def test_all_that_was_paid_in_a_month_was_collected_in_it(db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    for amount in ("5.00", "7.50", "5.00"):
        bill(customer_id, amount, 0)
        payments.record_payment(customer_id, Decimal(amount), database.today(), "cash", None, uuid4())
    month = reports.monthly_revenue()[-1]
    assert (month["billed"], month["collected"]) == (Decimal("17.50"), Decimal("17.50"))
