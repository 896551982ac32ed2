"""Credit notes, write-offs and refunds: what lowers a debt without being money, and money that is given back."""
from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from database import apply_credit, release, retried
from tracker.cursor import Cursor, Row
from tracker.errors import Conflict
from tracker.payments import Payment, record, spend_on_bills
from tracker.text import show_amount

if TYPE_CHECKING:
    from uuid import UUID


@retried
def add_credit_note(customer_id: int, amount: Decimal, reason: str, entry_key: UUID) -> Payment:
    """Lower what a customer owes, from today, and return the credit note as get_payment does.

    It pays the bills due first; what is left is credit. entry_key and what is raised are as in record_payment.
    """
    return record(_values("credit note", customer_id, amount, entry_key, reason=reason), spend_on_bills)


@retried
def write_off(
    customer_id: int, amount: Decimal, reason: str, entry_key: UUID, billing_id: int | None = None
) -> Payment:
    """Give up what a customer owes, on one bill or on those due first, and return the write-off as get_payment does.

    Raise Conflict when less than that is owed, and the rest as record_payment.
    """
    values = _values("write-off", customer_id, amount, entry_key, reason=reason, billing_id=billing_id)
    return record(values, _write_bills_off)


@retried
def refund(
    customer_id: int,
    amount: Decimal,
    method: str,
    reference: str | None,
    entry_key: UUID,
    payment_id: int | None = None,
) -> Payment:
    """Give money back, out of credit, the oldest first, or that of one payment; return the refund as get_payment does.

    Of one payment what is left goes first; then bills that it paid are due again, the latest first. It is of today, as
    what it takes is taken today. Raise Conflict when there is less credit, or less of that payment, and the rest as
    record_payment.
    """
    values = _values("refund", customer_id, amount, entry_key, method=method, reference=reference, source_id=payment_id)
    return record(values, _take_credit if payment_id is None else _take_back)


def _values(kind: str, customer_id: int, amount: Decimal, entry_key: UUID, **more: object) -> Row:
    """Return what is recorded; without a day it is of today."""
    return {"kind": kind, "customer_id": customer_id, "amount": amount, "paid_on": None, "method": "other",
            "reference": None, "reason": None, "bank_line_id": None, "entry_key": entry_key, **more}


def _write_bills_off(cur: Cursor, write_off_id: int, values: Row) -> None:
    cur.execute(
        """
        INSERT INTO payment_allocations (payment_id, billing_id, amount)
        SELECT %(write_off_id)s, billing_id, least(upto, %(amount)s) - (upto - amount_due)
        FROM (
            SELECT billing_id, amount_due, sum(amount_due) OVER (ORDER BY due_date, billing_id) AS upto
            FROM billing
            WHERE customer_id = %(customer_id)s AND amount_due > 0
              AND (%(billing_id)s::bigint IS NULL OR billing_id = %(billing_id)s)
        ) AS owed
        WHERE upto - amount_due < %(amount)s
        RETURNING amount
        """,
        {**values, "write_off_id": write_off_id},
    )
    owed = sum((row["amount"] for row in cur.fetchall()), Decimal(0))
    if owed < values["amount"]:
        whose = "by this customer" if values["billing_id"] is None else f"on bill {values['billing_id']}"
        raise Conflict(f"Only {show_amount(owed)} is owed {whose}; nothing was written.", "amount")


def _take_credit(cur: Cursor, refund_id: int, values: Row) -> None:
    cur.execute(
        """
        INSERT INTO payment_allocations (payment_id, refund_id, amount, from_credit, made_on)
        SELECT payment_id, %(refund_id)s, least(upto, %(amount)s) - (upto - amount_left), true, CURRENT_DATE
        FROM (
            SELECT payment_id, amount_left, sum(amount_left) OVER (ORDER BY paid_on, payment_id) AS upto
            FROM payments
            WHERE customer_id = %(customer_id)s AND amount_left > 0 AND voided_at IS NULL
              AND kind IN ('payment', 'credit note')
        ) AS credit
        WHERE upto - amount_left < %(amount)s
        RETURNING amount
        """,
        {**values, "refund_id": refund_id},
    )
    credit = sum((row["amount"] for row in cur.fetchall()), Decimal(0))
    if credit < values["amount"]:
        raise Conflict(f"Only {show_amount(credit)} is credit of this customer; nothing was written.", "amount")


def _take_back(cur: Cursor, refund_id: int, values: Row) -> None:
    cur.execute(
        """
        SELECT amount_left,
               amount - (SELECT coalesce(sum(allocation.amount), 0)
                         FROM payment_allocations AS allocation
                         WHERE allocation.payment_id = payments.payment_id
                           AND refund_id IS NOT NULL AND released_on IS NULL) AS not_given_back
        FROM payments
        WHERE payment_id = %(source_id)s AND customer_id = %(customer_id)s AND kind = 'payment' AND voided_at IS NULL
        """,
        values,
    )
    if not (source := cur.fetchone()):
        raise Conflict(f"Payment {values['source_id']} is none of this customer's that counts; "
                       "nothing was written.")
    if source["not_given_back"] < values["amount"]:
        raise Conflict(f"Only {show_amount(source['not_given_back'])} of payment {values['source_id']} can be given "
                       "back; nothing was written.", "amount")
    if source["amount_left"] < values["amount"]:
        release(cur, values["amount"] - source["amount_left"], payment_id=values["source_id"])
    cur.execute(
        """
        INSERT INTO payment_allocations (payment_id, refund_id, amount, from_credit, made_on)
        VALUES (%(source_id)s, %(refund_id)s, %(amount)s, true, CURRENT_DATE)
        """,
        {**values, "refund_id": refund_id},
    )
    apply_credit(cur, values["customer_id"])
