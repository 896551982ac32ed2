"""The monthly bill run, and how it is undone."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypedDict, cast

import psycopg2.errors

from database import BILL_RUN_LOCK, fetch_one, retried, transaction
from tracker import log
from tracker.cursor import Cursor, be_patient, only
from tracker.errors import Conflict, Deadlock

SHOWN_KEPT = 100
DAYS_TO_PAY = 14


class Preview(TypedDict):
    """What a run would do, and how that differs from the month before."""

    customers: int
    total: Decimal
    skipped: int
    new: int
    gone: int
    changed: int
    total_before: Decimal


class Result(TypedDict):
    created: int
    skipped: int
    total: Decimal
    from_credit: Decimal


class UndoPreview(TypedDict):
    removed: int
    total: Decimal
    kept: int


class KeptBill(TypedDict):
    billing_id: int
    customer_id: int
    name: str
    amount_billed: Decimal
    amount_paid: Decimal
    last_payment_date: date | None


class UndoResult(TypedDict):
    removed: int
    kept: int
    bills: list[KeptBill]


def preview(period: date) -> Preview:
    """Say what a bill run would do: customers and total to bill, skipped (billed already), and against the month
    before: new, gone and changed customers, with that month's total.
    """
    return only(fetch_one(
        """
        WITH account AS (
            SELECT customer_id, sum(cost) AS amount
            FROM services
            JOIN locations USING (location_id)
            GROUP BY customer_id
        ), billed AS (
            SELECT customer_id, true AS is_billed FROM billing WHERE period = %(period)s
        ), before AS (
            SELECT customer_id, amount_billed
            FROM billing
            WHERE period = (%(period)s - interval '1 month')::date
        )
        SELECT count(account.amount) FILTER (WHERE is_billed IS NULL)                        AS customers,
               coalesce(sum(account.amount) FILTER (WHERE is_billed IS NULL), 0)             AS total,
               count(account.amount) FILTER (WHERE is_billed)                                AS skipped,
               count(*) FILTER (WHERE amount_billed IS NULL AND is_billed IS NULL)           AS new,
               count(*) FILTER (WHERE account.amount IS NULL)                                AS gone,
               count(*) FILTER (WHERE account.amount <> amount_billed AND is_billed IS NULL) AS changed,
               coalesce(sum(amount_billed), 0)                                               AS total_before
        FROM account
        FULL JOIN before USING (customer_id)
        LEFT JOIN billed USING (customer_id)
        """,
        patient=True, period=period,
    ))


def default_due_date(period: date, today: date) -> date:
    """Return when a month's bills fall due unless said otherwise: the 15th, or in DAYS_TO_PAY when that is past."""
    fifteenth = period.replace(day=15)
    return fifteenth if fifteenth >= today else today + timedelta(days=DAYS_TO_PAY)


@retried
def run(period: date, due_date: date, expected_total: Decimal | None = None) -> Result:
    """Bill every customer with services for a month, once, and spend their credit; return created, skipped, total
    and from_credit, what credit paid of it.

    Raise Conflict, and bill nobody, when the total is not the one that the administrator was shown.
    """
    with transaction() as cur, _deletion_in_the_way():
        _lock_bill_run(cur)
        cur.execute(
            """
            WITH charge AS MATERIALIZED (
                SELECT customer_id, service_id, service_name || ', ' || address AS description, cost
                FROM services
                JOIN locations USING (location_id)
            ), account AS MATERIALIZED (
                SELECT customer_id, sum(cost) AS amount
                FROM charge
                GROUP BY customer_id
            ), created AS (
                INSERT INTO billing (customer_id, description, period, issued_on, due_date, amount_billed)
                SELECT customer_id, to_char(%(period)s, 'FMMonth YYYY'), %(period)s,
                       CURRENT_DATE, %(due_date)s, amount
                FROM account
                ON CONFLICT (customer_id, period) DO NOTHING
                RETURNING billing_id, customer_id, amount_billed
            ), item AS (
                INSERT INTO billing_items (billing_id, service_id, description, amount)
                SELECT billing_id, service_id, description, cost
                FROM created
                JOIN charge USING (customer_id)
            )
            SELECT count(*)                                      AS created,
                   (SELECT count(*) FROM account) - count(*)     AS skipped,
                   coalesce(sum(amount_billed), 0)               AS total
            FROM created
            """,
            {"period": period, "due_date": due_date},
        )
        result = cast(Result, {**cur.row(), "from_credit": Decimal(0)})
        if expected_total is not None and result["created"] and result["total"] != expected_total:
            raise Conflict(f"The total is now {result['total']:.2f}, since services have changed; nobody was billed.")
        if result["created"]:
            result["from_credit"] = _spend_all_credit(cur)
        return result


@contextmanager
def _deletion_in_the_way() -> Iterator[None]:
    """Have the run tried again when a customer whom it read was gone when it billed them."""
    try:
        yield
    except psycopg2.errors.ForeignKeyViolation as exc:
        log.server_error(exc, "a bill run")
        raise Deadlock("A customer was deleted meanwhile; nobody was billed. Try again.") from exc


def _spend_all_credit(cur: Cursor) -> Decimal:
    """Spend every customer's credit on unpaid bills and return how much that was."""
    cur.execute("SELECT coalesce(max(payment_allocation_id), 0) AS last_id FROM payment_allocations")
    last_id = cur.row()["last_id"]
    cur.execute("SELECT apply_credit()")
    cur.execute(  # of this transaction alone: others pay and void meanwhile
        """
        SELECT coalesce(sum(amount), 0) AS spent
        FROM payment_allocations
        WHERE payment_allocation_id > %(last_id)s AND xmin = pg_current_xact_id()::xid
        """,
        {"last_id": last_id},
    )
    spent: Decimal = cur.row()["spent"]
    return spent


def _lock_bill_run(cur: Cursor) -> None:
    """Wait for another bill run to end."""
    be_patient(cur)
    cur.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": BILL_RUN_LOCK})


def preview_undo(period: date) -> UndoPreview:
    """Say what undoing a month's bill run would do: removed and their total, and kept, those somebody has paid on."""
    return only(fetch_one(
        """
        SELECT count(*) FILTER (WHERE NOT is_paid_on)                       AS removed,
               coalesce(sum(amount_billed) FILTER (WHERE NOT is_paid_on), 0) AS total,
               count(*) FILTER (WHERE is_paid_on)                           AS kept
        FROM (
            SELECT amount_billed, EXISTS (
                SELECT FROM payment_allocations
                JOIN payments USING (payment_id)
                WHERE payment_allocations.billing_id = billing.billing_id AND NOT from_credit AND voided_at IS NULL
            ) AS is_paid_on
            FROM billing
            WHERE period = %(period)s
        ) AS bill
        """,
        patient=True, period=period,
    ))


@retried
def undo(period: date) -> UndoResult:
    """Remove a month's bills, but for those that were paid on other than from credit.

    Return removed and kept, counted, and under bills the first SHOWN_KEPT that stay, each with its customer's name
    and what was paid. Credit that the removed bills had used is credit again, and pays older bills first.
    """
    with transaction() as cur:
        _lock_bill_run(cur)
        _lock_period(cur, period)
        cur.execute(
            """
            DELETE FROM billing
            WHERE period = %(period)s
              AND NOT EXISTS (
                  SELECT FROM payment_allocations
                  JOIN payments USING (payment_id)
                  WHERE payment_allocations.billing_id = billing.billing_id AND NOT from_credit AND voided_at IS NULL
              )
            """,
            {"period": period},
        )
        removed = cur.rowcount
        cur.execute("SELECT apply_credit()")
        cur.execute(
            """
            SELECT billing_id, customer_id, name, amount_billed, amount_paid, last_payment_date,
                   count(*) OVER () AS kept
            FROM billing
            JOIN customers USING (customer_id)
            WHERE period = %(period)s
            ORDER BY billing_id
            LIMIT %(limit)s
            """,
            {"period": period, "limit": SHOWN_KEPT},
        )
        bills: list[Any] = cur.fetchall()
        return {"removed": removed, "kept": bills[0]["kept"] if bills else 0, "bills": bills}


def _lock_period(cur: Cursor, period: date) -> None:
    """Lock the accounts that a month's bills are of, then the bills, so that the next statement sees every payment."""
    cur.execute(
        """
        SELECT count(*)
        FROM (
            SELECT 1
            FROM customers
            WHERE customer_id IN (SELECT customer_id FROM billing WHERE period = %(period)s)
            ORDER BY customer_id
            FOR UPDATE
        ) AS account
        """,
        {"period": period},
    )
    cur.execute(
        """
        SELECT count(*)
        FROM (SELECT 1 FROM billing WHERE period = %(period)s ORDER BY billing_id FOR UPDATE) AS bill
        """,
        {"period": period},
    )
