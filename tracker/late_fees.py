"""Late fees: a bill of its own for each bill that is late for long, made by a run, and how that is undone."""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, TypedDict

from database import cancel_bills, fetch_all, fetch_one, fetch_value, give_reason, retried, take_turn, transaction
from tracker import settings
from tracker.bill_run import DAYS_TO_PAY, SHOWN_KEPT, KeptBill, UndoPreview, UndoResult
from tracker.cursor import Cursor, only
from tracker.errors import Conflict

# The bills that a fee is due for: the one definition of a preview, its list and its run. There is no fee on a fee,
# nor for who has promised to pay and still can, nor for a closed account.
CHARGED = """
    late AS (
        SELECT billing_id, customer_id, description, due_date, amount_due,
               EXISTS (
                   SELECT FROM promises WHERE promises.customer_id = billing.customer_id AND state = 'open'
               ) AS is_promised
        FROM billing
        JOIN customers USING (customer_id)
        WHERE amount_due > 0 AND due_date <= CURRENT_DATE - %(after_days)s AND late_fee_for IS NULL
          AND closed_on IS NULL
          AND NOT EXISTS (
              SELECT FROM billing AS fee WHERE fee.late_fee_for = billing.billing_id AND fee.cancelled_on IS NULL
          )
    ), charged AS (
        SELECT * FROM late WHERE NOT is_promised
    )
"""
# A day's fees, and whether anybody has paid on them other than from credit.
MADE = """
    SELECT billing_id, customer_id, amount_billed, EXISTS (
               SELECT FROM payment_allocations
               JOIN payments USING (payment_id)
               WHERE payment_allocations.billing_id = billing.billing_id AND NOT from_credit
                 AND released_on IS NULL AND voided_at IS NULL
           ) AS is_paid_on
    FROM billing
    WHERE late_fee_for IS NOT NULL AND issued_on = %(day)s AND cancelled_on IS NULL
"""


class Preview(TypedDict):
    """What a run would do: how many bills of how many customers get a fee, and all of it; promised are customers who
    are left out, since they have promised to pay.
    """

    bills: int
    customers: int
    total: Decimal
    due_date: date
    promised: int


class LateBill(TypedDict):
    billing_id: int
    customer_id: int
    name: str
    description: str
    due_date: date
    days_late: int
    amount_due: Decimal


class Result(TypedDict):
    """from_credit is what credit paid of the total."""

    created: int
    customers: int
    total: Decimal
    due_date: date
    from_credit: Decimal


def in_force() -> settings.LateFee:
    """Return the late fee that is set; raise Conflict, which says how to set one, where there is none."""
    if fee := settings.late_fee():
        return fee
    raise Conflict("No late fee is set: LATE_FEE=5.00 and LATE_FEE_AFTER_DAYS=14 in .env, say, charge 5.00 for each "
                   "bill that is 14 days late.")


def preview() -> Preview:
    """Say what a run would do today; raise Conflict where no fee is set."""
    fee = in_force()
    return only(fetch_one(
        f"""
        WITH {CHARGED}
        SELECT count(*) FILTER (WHERE NOT is_promised)                        AS bills,
               count(DISTINCT customer_id) FILTER (WHERE NOT is_promised)     AS customers,
               count(*) FILTER (WHERE NOT is_promised) * %(amount)s::numeric  AS total,
               CURRENT_DATE + %(days_to_pay)s                                 AS due_date,
               count(DISTINCT customer_id) FILTER (WHERE is_promised)         AS promised
        FROM late
        """,  # noqa: S608 (CHARGED holds no value)
        patient=True, **fee._asdict(), days_to_pay=DAYS_TO_PAY,
    ))


def list_charged(after: int = 0, limit: int = 100) -> list[LateBill]:
    """Return the bills that a run would charge a fee for, whose IDs follow after."""
    return fetch_all(
        f"""
        WITH {CHARGED}
        SELECT billing_id, customer_id, name, description, due_date, CURRENT_DATE - due_date AS days_late, amount_due
        FROM charged
        JOIN customers USING (customer_id)
        WHERE billing_id > %(after)s
        ORDER BY billing_id
        LIMIT %(limit)s
        """,  # noqa: S608 (CHARGED holds no value)
        patient=True, after_days=in_force().after_days, after=after, limit=limit,
    )


@retried
def run(expected_total: Decimal | None = None) -> Result:
    """Make a bill of the late fee for each bill that has been late for so long, once, and spend its customer's credit.

    Raise Conflict, and charge nobody, where no fee is set, or the total is not what the administrator was shown.
    """
    fee = in_force()
    with transaction() as cur:
        take_turn(cur, "bill run")
        give_reason(cur, "late fees")
        customer_ids = _lock_customers(cur, fee)
        cur.execute(
            f"""
            WITH {CHARGED}, created AS (
                INSERT INTO billing (customer_id, description, due_date, amount_billed, late_fee_for)
                SELECT customer_id, left('Late fee for bill ' || billing_id || ', ' || description, 200),
                       CURRENT_DATE + %(days_to_pay)s, %(amount)s, billing_id
                FROM charged
                WHERE customer_id = ANY (%(customer_ids)s::bigint[])
                ORDER BY billing_id
                RETURNING billing_id, customer_id, description, due_date, amount_billed
            ), item AS (
                INSERT INTO billing_items (billing_id, description, amount)
                SELECT billing_id, description, amount_billed FROM created
            )
            SELECT count(*) AS created, count(DISTINCT customer_id) AS customers,
                   coalesce(sum(amount_billed), 0) AS total, CURRENT_DATE + %(days_to_pay)s AS due_date,
                   coalesce(array_agg(billing_id), '{{}}') AS ids
            FROM created
            """,  # noqa: S608 (CHARGED holds no value)
            {**fee._asdict(), "days_to_pay": DAYS_TO_PAY, "customer_ids": customer_ids},
        )
        made = cur.row()
        if expected_total is not None and made["total"] != expected_total:
            raise Conflict(f"The total is now {made['total']:.2f}, since bills were paid, charged or promised "
                           "meanwhile; nobody was charged.")
        cur.execute("SELECT apply_credit(%(customer_ids)s::bigint[])", {"customer_ids": customer_ids})
        cur.execute("SELECT coalesce(sum(amount_paid), 0) AS paid FROM billing WHERE billing_id = ANY (%(ids)s)", made)
        return {"created": made["created"], "customers": made["customers"], "total": made["total"],
                "due_date": made["due_date"], "from_credit": cur.row()["paid"]}


def _lock_customers(cur: Cursor, fee: settings.LateFee) -> list[int]:
    """Lock the customers who are to pay a fee, so that the next statement sees every payment, and return their IDs."""
    cur.execute(
        f"""
        WITH {CHARGED}
        SELECT coalesce(array_agg(customer_id), '{{}}') AS ids
        FROM (
            SELECT customer_id
            FROM customers
            WHERE customer_id IN (SELECT customer_id FROM charged)
            ORDER BY customer_id
            FOR KEY SHARE
        ) AS account
        """,  # noqa: S608 (CHARGED holds no value)
        fee._asdict(),
    )
    ids: list[int] = cur.row()["ids"]
    return ids


def fee_of(billing_id: int) -> int | None:
    """Return the bill that is the late fee for a bill, if there is one."""
    return fetch_value(
        """
        SELECT (SELECT billing_id FROM billing WHERE late_fee_for = %(billing_id)s AND cancelled_on IS NULL) AS fee_id
        """,
        billing_id=billing_id,
    )


def last_day() -> date | None:
    """Return the latest day on which late fees were made that are still there; None where there are none."""
    return fetch_value(
        "SELECT max(issued_on)::date FROM billing WHERE late_fee_for IS NOT NULL AND cancelled_on IS NULL"
    )


def preview_undo(day: date) -> UndoPreview:
    """Say what undoing a day's late fees would do: removed and their total, and kept, those somebody has paid on."""
    return only(fetch_one(
        f"""
        SELECT count(*) FILTER (WHERE NOT is_paid_on)                        AS removed,
               coalesce(sum(amount_billed) FILTER (WHERE NOT is_paid_on), 0) AS total,
               count(*) FILTER (WHERE is_paid_on)                            AS kept
        FROM ({MADE}) AS fee
        """,  # noqa: S608 (MADE holds no value)
        patient=True, day=day,
    ))


@retried
def undo(day: date) -> UndoResult:
    """Take back the late fees that were made on a day, but for those that were paid on other than from credit.

    Those of today are deleted, earlier ones cancelled. Return removed and kept, counted, and under bills the first
    SHOWN_KEPT that stay. Credit that the removed ones had used is credit again, and pays other bills first.
    """
    with transaction() as cur:
        take_turn(cur, "bill run")
        give_reason(cur, f"undo of the late fees of {day}")
        removed = _lock_unpaid(cur, day)
        cancel_bills(cur, removed)
        return {"removed": len(removed), **_kept(cur, day)}


def _lock_unpaid(cur: Cursor, day: date) -> list[int]:
    """Lock the accounts that a day's fees are of, then the fees; return the IDs of those that nobody has paid on."""
    cur.execute(
        f"""
        SELECT count(*)
        FROM (
            SELECT 1
            FROM customers
            WHERE customer_id IN (SELECT customer_id FROM ({MADE}) AS fee)
            ORDER BY customer_id
            FOR UPDATE
        ) AS account
        """,  # noqa: S608 (MADE holds no value)
        {"day": day},
    )
    cur.execute(
        f"""
        SELECT coalesce(array_agg(billing_id), '{{}}') AS ids
        FROM (
            SELECT billing_id
            FROM billing
            WHERE billing_id IN (SELECT billing_id FROM ({MADE}) AS fee WHERE NOT is_paid_on)
            ORDER BY billing_id
            FOR UPDATE
        ) AS fee
        """,  # noqa: S608 (MADE holds no value)
        {"day": day},
    )
    ids: list[int] = cur.row()["ids"]
    return ids


class _Kept(TypedDict):
    kept: int
    bills: list[KeptBill]


def _kept(cur: Cursor, day: date) -> _Kept:
    cur.execute(
        f"""
        SELECT billing_id, customer_id, name, amount_billed, amount_paid, last_payment_date,
               count(*) OVER () AS kept
        FROM (SELECT billing_id FROM ({MADE}) AS fee) AS made
        JOIN billing USING (billing_id)
        JOIN customers USING (customer_id)
        ORDER BY billing_id
        LIMIT %(limit)s
        """,  # noqa: S608 (MADE holds no value)
        {"day": day, "limit": SHOWN_KEPT},
    )
    bills: list[Any] = cur.fetchall()
    return {"kept": bills[0]["kept"] if bills else 0, "bills": bills}
