"""Payments, credit and the monthly bill run: what moves an account's balance, each in one transaction."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg2.extensions
import psycopg2.extras

from database import (
    BILL_RUN_LOCK,
    MOST_HITS,
    Conflict,
    NotFound,
    Row,
    be_patient,
    reading,
    retried,
    search,
    transaction,
)

if TYPE_CHECKING:
    from uuid import UUID

SHOWN_KEPT = 100
DAYS_TO_PAY = 14
METHODS = ("cash", "card", "transfer", "direct debit", "cheque", "other")

psycopg2.extras.register_uuid()


@retried
def unpaid_bills(customer_id: int) -> list[Row]:
    """Return a customer's unpaid bills, the one due first first."""
    with reading() as cur:
        cur.execute(
            """
            SELECT billing_id, description, due_date, days_late, amount_billed, amount_paid, amount_due
            FROM billing_status
            WHERE customer_id = %(customer_id)s AND amount_due > 0
            ORDER BY due_date, billing_id
            """,
            {"customer_id": customer_id},
        )
        return cur.fetchall()


@retried
def credit(customer_id: int) -> Decimal:
    """Return what a customer paid that no bill has used yet."""
    with reading() as cur:
        cur.execute(
            """
            SELECT coalesce(sum(credit), 0) AS credit
            FROM customer_credit
            WHERE customer_id = %(customer_id)s
            """,
            {"customer_id": customer_id},
        )
        return cur.fetchone()["credit"]


@retried
def same_payments(customer_id: int, amount: Decimal, paid_on: date) -> list[Row]:
    """Return payments that are not void of the same customer, amount and day: perhaps the same one entered twice."""
    with reading() as cur:
        cur.execute(
            """
            SELECT payment_id, paid_on, amount, method, reference, recorded_at
            FROM payments
            WHERE customer_id = %(customer_id)s AND paid_on = %(paid_on)s AND amount = %(amount)s AND voided_at IS NULL
            ORDER BY payment_id
            """,
            {"customer_id": customer_id, "amount": amount, "paid_on": paid_on},
        )
        return cur.fetchall()


@retried
def record_payment(
    customer_id: int,
    amount: Decimal,
    paid_on: date,
    method: str,
    reference: str | None,
    entry_key: UUID,
    billing_id: int | None = None,
) -> Row:
    """Record a payment and return it as get_payment does: it pays billing_id first, then the oldest due bills.

    The same entry_key with the same values returns the payment that it made; with others it raises Conflict. Raise
    OutcomeUnknown when the reply to COMMIT was lost: call again with the same entry_key.
    """
    values = {
        "customer_id": customer_id, "amount": amount, "paid_on": paid_on, "method": method, "reference": reference,
        "entry_key": entry_key, "billing_id": billing_id,
    }
    with transaction() as cur:
        cur.execute(
            "SELECT 1 FROM customers WHERE customer_id = %(customer_id)s FOR UPDATE", {"customer_id": customer_id}
        )
        if not cur.fetchone():
            raise NotFound("customer", customer_id)
        payment_id = _insert_payment(cur, values)
        return _payment(cur, payment_id)


def _insert_payment(cur: psycopg2.extensions.cursor, values: dict[str, Any]) -> int:
    cur.execute(
        """
        INSERT INTO payments (customer_id, amount, paid_on, method, reference, entry_key)
        VALUES (%(customer_id)s, %(amount)s, %(paid_on)s, %(method)s, %(reference)s, %(entry_key)s)
        ON CONFLICT (entry_key) DO NOTHING
        RETURNING payment_id
        """,
        values,
    )
    if not (inserted := cur.fetchone()):
        return _earlier_payment(cur, values)
    payment_id = inserted["payment_id"]
    if values["billing_id"] is not None:
        _pay_bill(cur, payment_id, values)
    cur.execute(
        "SELECT apply_credit(ARRAY[%(customer_id)s]::bigint[], %(payment_id)s)",
        {"customer_id": values["customer_id"], "payment_id": payment_id},
    )
    return payment_id


def _earlier_payment(cur: psycopg2.extensions.cursor, values: dict[str, Any]) -> int:
    cur.execute(
        """
        SELECT payment_id
        FROM payments
        WHERE entry_key = %(entry_key)s
          AND customer_id = %(customer_id)s AND amount = %(amount)s AND paid_on = %(paid_on)s
          AND method = %(method)s AND reference IS NOT DISTINCT FROM %(reference)s
        """,
        values,
    )
    if row := cur.fetchone():
        return row["payment_id"]
    raise Conflict("This form was saved before with other values; open a new one to record another payment.")


def _pay_bill(cur: psycopg2.extensions.cursor, payment_id: int, values: dict[str, Any]) -> None:
    cur.execute(
        """
        INSERT INTO payment_allocations (payment_id, billing_id, amount)
        SELECT %(payment_id)s, billing_id, least(amount_due, %(amount)s)
        FROM billing
        WHERE billing_id = %(billing_id)s AND customer_id = %(customer_id)s AND amount_due > 0
        RETURNING billing_id
        """,
        {**values, "payment_id": payment_id},
    )
    if not cur.fetchone():
        raise Conflict(f"Bill {values['billing_id']} is no unpaid bill of this customer; nothing was written.")


@retried
def get_payment(payment_id: int) -> Row:
    """Return a payment with its customer's name and, under bills, what it paid; raise NotFound if there is none."""
    with reading() as cur:
        return _payment(cur, payment_id)


def _payment(cur: psycopg2.extensions.cursor, payment_id: int) -> Row:
    cur.execute(
        """
        SELECT payment_id, customer_id, name, amount, amount_left, paid_on, method, reference, recorded_at, recorded_by,
               voided_at::date AS voided_on, void_reason,
               (SELECT coalesce(json_agg(json_build_object('billing_id', billing_id, 'description', description,
                                                           'amount', allocation.amount)
                                         ORDER BY payment_allocation_id), '[]')
                FROM payment_allocations AS allocation
                JOIN billing USING (billing_id)
                WHERE allocation.payment_id = payments.payment_id) AS bills
        FROM payments
        JOIN customers USING (customer_id)
        WHERE payment_id = %(payment_id)s
        """,
        {"payment_id": payment_id},
    )
    if row := cur.fetchone():
        return row
    raise NotFound("payment", payment_id)


@retried
def find_recorded(entry_key: UUID) -> Row | None:
    """Return the payment that a form made, or None."""
    with reading() as cur:
        cur.execute("SELECT payment_id FROM payments WHERE entry_key = %(entry_key)s", {"entry_key": entry_key})
        row = cur.fetchone()
    return get_payment(row["payment_id"]) if row else None


@retried
def find_payments(term: str) -> list[Row]:
    """Return up to MOST_HITS + 1 payments of customers whose name or phone number contains term, newest first."""
    return search(
        """
        SELECT payment_id, name, paid_on, amount, method, reference, voided_at::date AS voided_on
        FROM matching_customers(%(whole)s, %(word)s, %(phone)s, %(reversed_phone)s, %(most)s)
        JOIN customers USING (customer_id)
        JOIN payments USING (customer_id)
        ORDER BY paid_on DESC, payment_id DESC
        LIMIT %(most)s
        """,
        term,
    )


@retried
def list_payments(
    customer_id: int, before: tuple[date, int] | None = None, limit: int = MOST_HITS
) -> list[Row]:
    """Return a page of a customer's payments, newest first; before is paid_on and payment_id of the last row shown."""
    before_day, before_id = before or (date.max, 0)
    with reading() as cur:
        cur.execute(
            """
            SELECT payment_id, paid_on, amount, amount_left, method, reference, voided_at::date AS voided_on, void_reason
            FROM payments
            WHERE customer_id = %(customer_id)s AND (paid_on, payment_id) < (%(before_day)s::date, %(before_id)s)
            ORDER BY paid_on DESC, payment_id DESC
            LIMIT %(limit)s
            """,
            {"customer_id": customer_id, "before_day": before_day, "before_id": before_id, "limit": limit},
        )
        return cur.fetchall()


@retried
def count_payments(customer_id: int) -> int:
    with reading() as cur:
        cur.execute("SELECT count(*) FROM payments WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})
        return cur.fetchone()["count"]


@retried
def void_payment(payment_id: int, reason: str) -> Row:
    """Void a payment and return it: its bills are due again, other credit of the customer pays them first.

    Raise NotFound, or Conflict when it is void already.
    """
    with transaction() as cur:
        payment = _payment(cur, payment_id)
        cur.execute(
            "SELECT 1 FROM customers WHERE customer_id = %(customer_id)s FOR UPDATE",
            {"customer_id": payment["customer_id"]},
        )
        cur.execute(
            """
            UPDATE payments
            SET voided_at = now(), void_reason = %(reason)s
            WHERE payment_id = %(payment_id)s AND voided_at IS NULL
            RETURNING payment_id
            """,
            {"payment_id": payment_id, "reason": reason},
        )
        if not cur.fetchone():
            raise Conflict(f"Payment {payment_id} is void already.")
        cur.execute("SELECT apply_credit(ARRAY[%(customer_id)s]::bigint[])", {"customer_id": payment["customer_id"]})
        return _payment(cur, payment_id)


@retried
def preview_bills(period: date) -> Row:
    """Say what a bill run would do: customers and total to bill, skipped (billed already), and against the month
    before: new, gone and changed customers, with that month's total.
    """
    with transaction() as cur:
        be_patient(cur)
        cur.execute(
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
            {"period": period},
        )
        return cur.fetchone()


def default_due_date(period: date, today: date) -> date:
    """Return when a month's bills fall due unless said otherwise: the 15th, or in DAYS_TO_PAY when that is past."""
    fifteenth = period.replace(day=15)
    return fifteenth if fifteenth >= today else today + timedelta(days=DAYS_TO_PAY)


@retried
def bill_customers(period: date, due_date: date, expected_total: Decimal | None = None) -> Row:
    """Bill every customer with services for a month, once, and spend their credit; return created, skipped, total
    and from_credit, what credit paid of it.

    Raise Conflict, and bill nobody, when the total is not the one that the administrator was shown.
    """
    with transaction() as cur:
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
        result = {**cur.fetchone(), "from_credit": Decimal(0)}
        if expected_total is not None and result["created"] and result["total"] != expected_total:
            raise Conflict(f"The total is now {result['total']:.2f}, since services have changed; nobody was billed.")
        if result["created"]:
            result["from_credit"] = _spend_all_credit(cur)
        return result


def _spend_all_credit(cur: psycopg2.extensions.cursor) -> Decimal:
    """Spend every customer's credit on unpaid bills and return how much that was."""
    cur.execute("SELECT coalesce(sum(credit), 0) AS before FROM customer_credit")
    before = cur.fetchone()["before"]
    cur.execute("SELECT apply_credit()")
    cur.execute("SELECT %(before)s - coalesce(sum(credit), 0) AS spent FROM customer_credit", {"before": before})
    return cur.fetchone()["spent"]


def _lock_bill_run(cur: psycopg2.extensions.cursor) -> None:
    """Wait for another bill run to end."""
    be_patient(cur)
    cur.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": BILL_RUN_LOCK})


@retried
def preview_undo(period: date) -> Row:
    """Say what undoing a month's bill run would do: removed and their total, and kept, those somebody has paid on."""
    with transaction() as cur:
        be_patient(cur)
        cur.execute(
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
            {"period": period},
        )
        return cur.fetchone()


@retried
def undo_bills(period: date) -> Row:
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
            SELECT billing_id, name, amount_billed, amount_paid, last_payment_date, count(*) OVER () AS kept
            FROM billing
            JOIN customers USING (customer_id)
            WHERE period = %(period)s
            ORDER BY billing_id
            LIMIT %(limit)s
            """,
            {"period": period, "limit": SHOWN_KEPT},
        )
        bills = cur.fetchall()
        return {"removed": removed, "kept": bills[0]["kept"] if bills else 0, "bills": bills}


def _lock_period(cur: psycopg2.extensions.cursor, period: date) -> None:
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
