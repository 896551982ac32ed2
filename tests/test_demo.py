"""What the made-up provider holds, and that its sums are those that the triggers would have stored."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

import database
from tracker import bill_run, demo, errors, prices
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

ALMOST_ALL = {
    "customers": "SELECT customer_id, name, phone_number, created_at FROM customers ORDER BY customer_id",
    "locations": "SELECT * FROM locations ORDER BY location_id",
    "services": "SELECT * FROM services ORDER BY service_id",
    "equipment": "SELECT * FROM equipment ORDER BY equipment_id",
    "billing": "SELECT * FROM billing ORDER BY billing_id",
    "billing_items": "SELECT * FROM billing_items ORDER BY billing_item_id",
    "payments": "SELECT * FROM payments ORDER BY payment_id",
    "payment_allocations": "SELECT * FROM payment_allocations ORDER BY payment_allocation_id",
}
RULES = """
    SELECT conrelid::regclass::text AS place, conname::text AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT tgrelid::regclass::text, tgname, tgenabled::text || pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY place, name, definition
"""


@pytest.fixture(params=["row by row", "indexes later"])
def provider(db, request, monkeypatch):
    """A provider of 400 customers, made in either of the two ways."""
    if request.param == "indexes later":
        monkeypatch.setattr(demo, "INDEX_LATER_FROM", 1)
    demo.fill(400)


def everything(sql):
    return {table: sql(statement) for table, statement in ALMOST_ALL.items()}


def test_the_same_seed_makes_the_same_provider_with_triggers_and_indexes_or_without(
    db, sql, uri, empty_uri, monkeypatch
):
    demo.fill(300, seed=5)
    first = everything(sql)
    database.disconnect()
    database.connect(empty_uri)
    monkeypatch.setattr(demo, "INDEX_LATER_FROM", 1)
    demo.fill(300, seed=5)
    with database.reading() as cur:
        for table, statement in ALMOST_ALL.items():
            cur.execute(statement)
            assert cur.fetchall() == first[table], table


def test_another_seed_makes_other_customers(db, sql, empty_uri):
    demo.fill(50, seed=1)
    first = sql(ALMOST_ALL["customers"])
    database.disconnect()
    database.connect(empty_uri)
    demo.fill(50, seed=2)
    assert [row["name"] for row in database.list_customers()] != [row["name"] for row in first]


def test_keys_indexes_and_triggers_are_as_before(db, sql, monkeypatch):
    monkeypatch.setattr(demo, "INDEX_LATER_FROM", 1)
    before = sql(RULES)
    demo.fill(20)
    assert sql(RULES) == before


def test_each_bill_says_what_its_allocations_add_up_to(provider, sql):
    assert sql("SELECT count(*) AS bills FROM billing") == [{"bills": 4_800}]
    assert sql(
        """
        SELECT billing_id, amount_paid, last_payment_date, sum(allocation.amount), max(paid_on)
        FROM billing
        LEFT JOIN payment_allocations AS allocation USING (billing_id)
        LEFT JOIN payments USING (payment_id)
        GROUP BY billing_id
        HAVING amount_paid <> coalesce(sum(allocation.amount), 0) OR last_payment_date IS DISTINCT FROM max(paid_on)
        """
    ) == []


def test_each_bill_is_the_sum_of_its_items(provider, sql):
    assert sql(
        """
        SELECT billing_id, amount_billed, sum(amount)
        FROM billing
        LEFT JOIN billing_items USING (billing_id)
        GROUP BY billing_id
        HAVING amount_billed IS DISTINCT FROM sum(amount)
        """
    ) == []


def test_each_payment_says_what_it_paid_and_paid_its_own_customers_bills(provider, sql):
    assert sql(
        """
        SELECT payment_id, amount_allocated, sum(allocation.amount)
        FROM payments
        LEFT JOIN payment_allocations AS allocation USING (payment_id)
        LEFT JOIN billing USING (billing_id)
        GROUP BY payment_id
        HAVING amount_allocated <> sum(allocation.amount) OR bool_or(billing.customer_id <> payments.customer_id)
        """
    ) == []


def test_nobody_has_credit_and_an_unpaid_bill(provider, sql):
    assert sql("SELECT 1 FROM customer_credit JOIN billing USING (customer_id) WHERE amount_due > 0") == []
    assert sql("SELECT count(*) AS customers FROM customer_credit") == [{"customers": 2}]


def test_nothing_is_paid_in_the_future_or_before_it_was_billed(provider, sql):
    assert sql("SELECT 1 FROM payments WHERE paid_on > CURRENT_DATE OR recorded_at > now()") == []
    assert sql(
        """
        SELECT 1
        FROM payment_allocations
        JOIN payments USING (payment_id)
        JOIN billing USING (billing_id)
        GROUP BY payment_id
        HAVING min(issued_on) > min(paid_on)
        """
    ) == []


def test_three_in_a_hundred_are_late_and_fewer_for_longer(provider, sql):
    late = sql(
        """
        SELECT oldest, count(*) AS customers
        FROM (
            SELECT customer_id, min(due_date) AS oldest
            FROM billing_status
            WHERE is_late
            GROUP BY customer_id
        ) AS late
        GROUP BY oldest
        ORDER BY oldest DESC
        """
    )
    counts = [row["customers"] for row in late]
    assert sum(counts) == 12
    assert len(counts) >= 4
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize("day", ["2026-01-15", "2026-01-16", "2026-03-01", "2026-03-15", "2026-12-31", "2028-02-29"])
def test_three_in_a_hundred_are_late_on_any_day_of_the_month(db, sql, monkeypatch, day):
    monkeypatch.setattr(demo, "_today", lambda cur: date.fromisoformat(day))
    demo.fill(200)
    (late,) = sql(
        "SELECT count(DISTINCT customer_id) AS customers FROM billing WHERE amount_due > 0 AND due_date < %s", day
    )
    assert late == {"customers": 6}
    assert sql("SELECT 1 FROM payments WHERE paid_on > %s", day) == []


def test_ids_go_on_where_the_provider_ends(provider, db, sql):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    assert customer_id == 401
    assert db.add_service(location_id, "Fibre 100", Decimal(10)) > 400
    assert db.add_equipment(location_id, "Router", "007", Decimal(10)) > 400


def lives(sql):
    """Return what was made of the first records, by what it is."""
    return {
        "services": sql("SELECT service_id, standing, changes_on - CURRENT_DATE AS days FROM services_today"
                        " WHERE standing IS NOT NULL OR changes_on IS NOT NULL ORDER BY service_id"),
        "closed": sql("SELECT customer_id FROM customers WHERE closed_on IS NOT NULL ORDER BY customer_id"),
        "credit notes": sql("SELECT customer_id, amount FROM payments"
                            " WHERE kind = 'credit note' AND from_bill IS NULL"),
        "notes": sql("SELECT said.customer_id, note, state FROM customer_notes AS said"
                     " LEFT JOIN promises USING (customer_note_id)"
                     " ORDER BY customer_note_id"),
        "stock": sql("SELECT equipment_name, count(*) AS devices, count(retired_on) AS gone FROM equipment"
                     " WHERE location_id IS NULL GROUP BY 1 ORDER BY 1"),
    }


def test_a_few_of_the_customers_live_on_and_the_books_tie(db, sql):
    demo.fill(200)
    demo.enliven()
    seen = lives(sql)
    standings = [row["standing"] and row["standing"].split()[0] for row in seen["services"]]
    closed = [row["customer_id"] for row in seen["closed"]]
    assert [standings.count(word) for word in ("ends", "paused", None)] == [2, 2, 2]
    assert (len(closed), [row["amount"] for row in seen["credit notes"]]) == (2, [Decimal(5)])
    assert [(row["note"], row["state"]) for row in seen["notes"]] == [
        ("Rang twice, nobody there", None), ("Will pay all of it", "open"), ("Pays after the holidays", "broken")]
    assert sum(row["devices"] for row in seen["stock"]) >= 7
    assert sum(row["gone"] for row in seen["stock"]) == 1
    assert verify_books()[1] == []


def test_the_next_bill_run_makes_good_what_changes_in_a_month_that_is_billed(db, sql):
    demo.fill(20)
    today = database.today()
    this_month = today.replace(day=1)
    next_month = (this_month + timedelta(days=32)).replace(day=1)
    days = (next_month - this_month).days
    nothing_special = bill_run.preview(next_month)
    assert [nothing_special[part] for part in ("customers", "changed", "prorated", "made_good")] == [20, 0, 0, 0]
    plan = prices.find_plans().rows[0]
    prices.change_price(prices.Change(plan["service_name"], plan["cost"] + days, this_month))
    seen = bill_run.preview(next_month)
    assert (seen["made_good"], seen["made_good_amount"]) == (2 * plan["services"], days * plan["services"])
    assert sql("SELECT DISTINCT period - first_day AS first, days, last_day - first_day + 1 - days AS rest"
               " FROM billing JOIN billing_items USING (billing_id) WHERE period = %s", this_month) == [
        {"first": 0, "days": days, "rest": 0}]


def test_the_same_seed_leads_the_same_lives(db, sql, empty_uri):
    demo.fill(60, seed=5)
    demo.enliven()
    first = lives(sql)
    database.disconnect()
    database.connect(empty_uri)
    demo.fill(60, seed=5)
    demo.enliven()
    with database.reading() as cur:
        def there(statement):
            cur.execute(statement)
            return cur.fetchall()

        assert lives(there) == first


@pytest.mark.parametrize("customers", [1, 2, 3])
def test_a_provider_of_a_few_customers_lives_too(db, sql, customers):
    demo.fill(customers)
    demo.enliven()
    assert verify_books()[1] == []


def test_a_database_in_use_is_refused_and_left_alone(db, sql):
    db.add_customer("Ada Okafor", "+44 20 7946 0958")
    with pytest.raises(errors.Conflict, match="only into an empty database"):
        demo.fill(10)
    assert sql("SELECT count(*) AS customers FROM customers") == [{"customers": 1}]


def test_a_failure_in_the_middle_leaves_nothing(db, sql, monkeypatch):
    before = sql(RULES)
    monkeypatch.setattr(demo, "INDEX_LATER_FROM", 1)
    monkeypatch.setattr(demo, "_advance_ids", lambda cur: cur.execute("SELECT 1 / 0"))
    with pytest.raises(errors.Error):
        demo.fill(10)
    assert sql("SELECT count(*) AS customers FROM customers") == [{"customers": 0}]
    assert sql(RULES) == before


def test_the_command_fills_an_empty_database_once(run, sql):
    first, second = run("demo"), run("demo")
    assert (first.returncode, first.stdout) == (0, "Added a made-up provider of 200 customers, 2 of them closed.\n")
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.count("\n") == 1
    assert sql("SELECT count(*) AS customers FROM customers") == [{"customers": 200}]
