"""Payments and credit: what an account has been paid, each change in one transaction.

A credit note, a write-off and a refund are recorded, found and voided as payments are; tracker.credits makes them.
"""
from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar, cast

import psycopg2
import psycopg2.extras
import psycopg2.pool

import database
from database import (
    MOST_HITS,
    Hits,
    existing,
    fetch_all,
    fetch_value,
    give_reason,
    reading,
    retried,
    search,
    transaction,
)
from tracker import fields, reports, text
from tracker.cursor import Cursor, Row
from tracker.errors import Conflict, NotFound

if TYPE_CHECKING:
    from uuid import UUID

Value = TypeVar("Value")
METHODS = ("cash", "card", "transfer", "direct debit", "cheque", "other")
MUCH = 1000  # for who owes nothing and has no service
LONG_AGO = 365  # days
psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]


class UnpaidBill(TypedDict):
    billing_id: int
    description: str
    due_date: date
    days_late: int
    amount_billed: Decimal
    amount_paid: Decimal
    amount_due: Decimal


class PaymentUse(TypedDict):
    billing_id: int
    description: str
    amount: Decimal


class Refunded(TypedDict):
    """The other side of money that was given back: the refund, or the payment or credit note that it came from."""

    payment_id: int
    kind: str
    paid_on: str
    amount: Decimal


class Payment(TypedDict):
    """kind is payment, credit note, write-off or refund; the second and third have a reason.

    amount_left is credit: nothing of a void payment. refunds are what was given back of it, or what a refund came from.
    """

    payment_id: int
    customer_id: int
    name: str
    kind: str
    amount: Decimal
    amount_left: Decimal
    paid_on: date
    method: str
    reference: str | None
    reason: str | None
    recorded_at: datetime
    recorded_by: str
    voided_on: date | None
    void_reason: str | None
    bills: list[PaymentUse]
    refunds: list[Refunded]


class PaymentHit(TypedDict):
    payment_id: int
    customer_id: int
    name: str
    kind: str
    paid_on: date
    amount: Decimal
    method: str
    reference: str | None
    reason: str | None
    voided_on: date | None


class RecordedPayment(PaymentHit):
    recorded_at: datetime


class Doubt(NamedTuple):
    """What may be wrong with a payment that is about to be recorded, and the payments that say so.

    kind is much, long_ago, repeated or reference.
    """

    kind: str
    sentence: str
    payments: list[RecordedPayment]


class PaymentsOfDay(TypedDict):
    """How many payments came on a day, and how much, voids left out; rows are the latest recorded, voids too."""

    count: int
    amount: Decimal
    rows: list[PaymentHit]


class PaymentOfCustomer(TypedDict):
    """amount_left is credit: nothing of a void payment."""

    payment_id: int
    kind: str
    paid_on: date
    amount: Decimal
    amount_left: Decimal
    method: str
    reference: str | None
    reason: str | None
    voided_on: date | None
    void_reason: str | None


def unpaid_bills(customer_id: int) -> list[UnpaidBill]:
    """Return a customer's unpaid bills, the one due first first."""
    return fetch_all(
        """
        SELECT billing_id, description, due_date, days_late, amount_billed, amount_paid, amount_due
        FROM billing_status
        WHERE customer_id = %(customer_id)s AND amount_due > 0
        ORDER BY due_date, billing_id
        """,
        customer_id=customer_id,
    )


def credit(customer_id: int) -> Decimal:
    """Return what a customer paid, or was credited, that no bill has used yet."""
    return fetch_value(
        """
        SELECT coalesce((SELECT credit FROM customer_credit WHERE customer_id = %(customer_id)s), 0) AS credit
        """,
        customer_id=customer_id,
    )


def doubts(customer_id: int, amount: Decimal, paid_on: date, reference: str | None) -> list[Doubt]:
    """Return what is to be asked before a payment is recorded: slips, then repeats; raise NotFound for nobody's."""
    return [*slips(customer_id, amount, paid_on), *repeats(customer_id, amount, paid_on, reference)]


def slips(customer_id: int, amount: Decimal, paid_on: date) -> list[Doubt]:
    """Return the doubt about what is likely a slip, if any: ten times what is owed, or a day a year ago or more."""
    if doubts := excess(customer_id, amount):
        return doubts
    if (database.today() - paid_on).days >= LONG_AGO:
        return [Doubt("long_ago", f"{paid_on} is a year ago or more.", [])]
    return []


def excess(customer_id: int, amount: Decimal, *, promised: bool = False) -> list[Doubt]:
    """Return the doubt about an amount that is paid, credited or only promised, if it is far above what is owed."""
    account = reports.get_account(customer_id)
    usual = max(account["amount_due"], account["monthly_total"])
    shown = text.show_amount(amount)
    if usual and amount >= 10 * usual:
        then = "" if promised else "; what is left will be credit"
        return [Doubt("much", f"{shown} is ten times what is owed or more{then}.", [])]
    if not usual and amount >= MUCH:
        then = f"; {shown} is promised" if promised else f"; all of the {shown} will be credit"
        return [Doubt("much", f"Nothing is owed, and no service is billed{then}.", [])]
    return []


def repeats(customer_id: int, amount: Decimal, paid_on: date, reference: str | None) -> list[Doubt]:
    """Return the doubts whether a payment is recorded already: as one of the same customer, amount and day, or as
    anybody's of the same reference.
    """
    earlier = same_payments(customer_id, amount, paid_on)
    referred = payments_with_reference(reference, [row["payment_id"] for row in earlier]) if reference else []
    found = [Doubt("repeated", "A payment of this amount on this day is recorded already.", earlier),
             Doubt("reference", f"Reference {reference} is recorded already.", referred)]
    return [doubt for doubt in found if doubt.payments]


def same_payments(customer_id: int, amount: Decimal, paid_on: date) -> list[RecordedPayment]:
    """Return payments that are not void of the same customer, amount and day: perhaps the same one entered twice."""
    return fetch_all(
        """
        SELECT payment_id, customer_id, name, kind, paid_on, amount, method, reference, reason, voided_on, recorded_at
        FROM payments
        JOIN customers USING (customer_id)
        WHERE customer_id = %(customer_id)s AND paid_on = %(paid_on)s AND amount = %(amount)s AND voided_at IS NULL
          AND kind = 'payment'
        ORDER BY payment_id
        """,
        customer_id=customer_id, amount=amount, paid_on=paid_on,
    )


def payments_with_reference(reference: str, but: list[int]) -> list[RecordedPayment]:
    """Return payments, but for some, that are not void and have a reference that reads the same, newest first."""
    return fetch_all(
        """
        SELECT payment_id, customer_id, name, kind, paid_on, amount, method, reference, reason, voided_on, recorded_at
        FROM payments
        JOIN customers USING (customer_id)
        WHERE folded(reference) = folded(%(reference)s) AND folded(%(reference)s) <> '' AND voided_at IS NULL
          AND payment_id <> ALL (%(but)s) AND kind = 'payment'
        ORDER BY paid_on DESC, payment_id DESC
        LIMIT %(limit)s
        """,
        reference=reference, but=but, limit=MOST_HITS,
    )


@retried
def record_payment(
    customer_id: int,
    amount: Decimal,
    paid_on: date,
    method: str,
    reference: str | None,
    entry_key: UUID,
    billing_id: int | None = None,
) -> Payment:
    """Record a payment and return it as get_payment does: it pays billing_id first, then the oldest due bills.

    The same entry_key with the same values returns the payment that it made; with others it raises Conflict. Raise
    OutcomeUnknown when the reply to COMMIT was lost: call again with the same entry_key.
    """
    values = {
        "kind": "payment", "customer_id": customer_id, "amount": amount, "paid_on": paid_on, "method": method,
        "reference": reference, "reason": None, "entry_key": entry_key, "billing_id": billing_id,
    }
    return record(values, _spend_payment)


def record(values: Row, spend: Callable[[Cursor, int, Row], object]) -> Payment:
    """Record what a form was given, once, and return it; spend, given its ID, says where the money goes.

    What was recorded with the same entry_key and the same values is returned as it is; with others it raises Conflict.
    """
    with transaction() as cur:
        cur.execute("SELECT 1 FROM customers WHERE customer_id = %(customer_id)s FOR UPDATE", values)
        if not cur.fetchone():
            raise NotFound("customer", values["customer_id"])
        payment_id = _inserted(cur, values)
        if payment_id is None:
            payment_id = _earlier(cur, values)
        else:
            spend(cur, payment_id, values)
        payment = _payment(cur, payment_id)
    _remember(cur, values["entry_key"], payment)
    return payment


def _remember(cur: Cursor, entry_key: UUID, payment: Payment) -> None:
    """Keep what was acknowledged, to be looked for where another server takes over."""
    database.remember(cur, entry_key, f"{payment['kind'].capitalize()} {payment['payment_id']}, "
                                      f"{text.show_amount(payment['amount'])} of {payment['paid_on']} "
                                      f"of {payment['name']}")


def _inserted(cur: Cursor, values: Row) -> int | None:
    cur.execute(
        """
        INSERT INTO payments (customer_id, kind, amount, paid_on, method, reference, reason, entry_key)
        VALUES (%(customer_id)s, %(kind)s, %(amount)s, coalesce(%(paid_on)s::date, CURRENT_DATE), %(method)s,
                %(reference)s, %(reason)s, %(entry_key)s)
        ON CONFLICT (entry_key) DO NOTHING
        RETURNING payment_id
        """,
        values,
    )
    row = cur.fetchone()
    return row["payment_id"] if row else None


def _earlier(cur: Cursor, values: Row) -> int:
    """Return what the same form recorded before; what is of today may have been of the day before."""
    cur.execute(
        """
        SELECT payment_id
        FROM payments
        WHERE entry_key = %(entry_key)s
          AND customer_id = %(customer_id)s AND kind = %(kind)s AND amount = %(amount)s
          AND paid_on = coalesce(%(paid_on)s::date, paid_on) AND method = %(method)s
          AND reference IS NOT DISTINCT FROM %(reference)s AND reason IS NOT DISTINCT FROM %(reason)s
        """,
        values,
    )
    if row := cur.fetchone():
        return int(row["payment_id"])
    raise Conflict(f"This form was saved before with other values; open a new one to record another {values['kind']}.")


def _spend_payment(cur: Cursor, payment_id: int, values: Row) -> None:
    if values["billing_id"] is not None:
        _pay_bill(cur, payment_id, values)
    spend_on_bills(cur, payment_id, values)


def spend_on_bills(cur: Cursor, payment_id: int, values: Row) -> None:
    """Let what was just recorded pay the unpaid bills, the one due first first."""
    cur.execute(
        "SELECT apply_credit(ARRAY[%(customer_id)s]::bigint[], %(payment_id)s)",
        {"customer_id": values["customer_id"], "payment_id": payment_id},
    )


def _pay_bill(cur: Cursor, payment_id: int, values: Row) -> None:
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
def get_payment(payment_id: int) -> Payment:
    """Return a payment with its customer's name and, under bills, what it paid; raise NotFound if there is none."""
    with reading() as cur:
        return _payment(cur, payment_id)


def _payment(cur: Cursor, payment_id: int) -> Payment:
    cur.execute(
        """
        SELECT payment_id, customer_id, name, kind, amount,
               CASE WHEN voided_at IS NULL THEN amount_left ELSE 0 END AS amount_left,
               paid_on, method, reference, reason, recorded_at, recorded_by, voided_on, void_reason,
               (SELECT coalesce(json_agg(json_build_object('billing_id', billing_id, 'description', description,
                                                           'amount', paid.amount::numeric(12,2))
                                         ORDER BY first), '[]')
                FROM (
                    SELECT billing_id, sum(amount) AS amount, min(payment_allocation_id) AS first
                    FROM payment_allocations AS allocation
                    WHERE allocation.payment_id = payments.payment_id AND released_on IS NULL
                    GROUP BY billing_id
                ) AS paid
                JOIN billing USING (billing_id)) AS bills,
               (SELECT coalesce(json_agg(json_build_object('payment_id', other.payment_id, 'kind', other.kind,
                                                           'paid_on', other.paid_on,
                                                           'amount', allocation.amount::numeric(12,2))
                                         ORDER BY payment_allocation_id), '[]')
                FROM payment_allocations AS allocation
                JOIN payments AS other
                  ON other.payment_id = CASE refund_id WHEN payments.payment_id THEN allocation.payment_id
                                                       ELSE refund_id END
                WHERE refund_id = payments.payment_id
                   OR allocation.payment_id = payments.payment_id AND refund_id IS NOT NULL AND released_on IS NULL
               ) AS refunds
        FROM payments
        JOIN customers USING (customer_id)
        WHERE payment_id = %(payment_id)s
        """,
        {"payment_id": payment_id},
    )
    return cast(Payment, existing("payment", payment_id, cur.fetchone()))


@retried
def find_by_entry_key(entry_key: UUID) -> Payment | None:
    """Return the payment that a form made, or None."""
    with reading() as cur:
        cur.execute("SELECT payment_id FROM payments WHERE entry_key = %(entry_key)s", {"entry_key": entry_key})
        row = cur.fetchone()
        payment = _payment(cur, row["payment_id"]) if row else None
    if payment:
        _remember(cur, entry_key, payment)
    return payment


def find_payments(term: str, skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return payments, newest first, whose reference begins with term; without such, those where reference, date,
    amount, method, kind, reason, and the customer's name, phone number and addresses have every word of term.
    """
    day, amount = _first(fields.day, term), _first(fields.positive_amount if term.isdigit() else _exact_amount, term)
    if re.search(r"[0-9]", term) and not day and not amount:
        found = _find_by_reference(term, skip, limit)
        if found.rows:
            return found
    return search(
        """
        WITH account AS (
            SELECT customer_id, bool_or(by_number) AS by_number
            FROM matching_accounts(%(words)s, %(phones)s, %(phone_inside)s, %(account)s, %(most)s)
            GROUP BY customer_id
        ), candidate AS (
            SELECT payment_id, by_number FROM account JOIN payments USING (customer_id)
            UNION ALL
            SELECT payment_id, false FROM payments WHERE folded(reference) LIKE %(start)s
            UNION ALL
            SELECT payment_id, false FROM payments WHERE paid_on = %(day)s AND %(start)s IS NOT NULL
            UNION ALL
            SELECT payment_id, false FROM payments WHERE amount = %(amount)s AND %(start)s IS NOT NULL
            UNION ALL
            SELECT payment_id, true
            FROM payments
            WHERE reference ILIKE %(inside)s
               OR kind <> 'payment' AND concat_ws(' ', kind, reason) ILIKE %(inside)s
        ), hit AS MATERIALIZED (
            SELECT payments.payment_id
            FROM candidate
            JOIN payments USING (payment_id)
            JOIN customers USING (customer_id)
            GROUP BY payments.payment_id, customers.customer_id
            HAVING %(every)s::text[] IS NULL OR bool_or(by_number)
                OR concat_ws(' ', folded(concat_ws(' ', reference, paid_on, amount::numeric(12,2), method)),
                                    folded(concat_ws(' ', kind, reason)),
                                    name_folded, translate(phone_number, ' +().-/', ''), folded(account_number),
                                    (SELECT string_agg(address_folded, ' ')
                                     FROM locations
                                     WHERE locations.customer_id = customers.customer_id)) ~ ALL (%(every)s)
            LIMIT %(most)s
        )
        SELECT payment_id, customer_id, name, kind, paid_on, amount, method, reference, reason, voided_on,
               (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN payments USING (payment_id)
        JOIN customers USING (customer_id)
        ORDER BY paid_on DESC, payment_id DESC
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit, own_text=True, day=day, amount=amount,
    )


def _find_by_reference(term: str, skip: int, limit: int) -> Hits:
    return search(
        """
        WITH hit AS MATERIALIZED (
            SELECT payment_id FROM payments WHERE folded(reference) LIKE %(start)s LIMIT %(most)s
        )
        SELECT payment_id, customer_id, name, kind, paid_on, amount, method, reference, reason, voided_on,
               (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN payments USING (payment_id)
        JOIN customers USING (customer_id)
        ORDER BY paid_on DESC, payment_id DESC
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit,
    )


def _first(parse: Callable[[str], Value], term: str) -> Value | None:
    """Return the first word of a search term that a parser takes, or None."""
    for word in term.split():
        with contextlib.suppress(ValueError):
            return parse(word)
    return None


def _exact_amount(word: str) -> Decimal:
    """Parse an amount that is written with a point, which tells it from a house number."""
    if not re.search(r"[.,][0-9]{1,2}$", word, re.ASCII):
        raise ValueError
    return fields.positive_amount(word.replace(",", "."))


def list_payments(
    customer_id: int, before: tuple[date, int] | None = None, limit: int = MOST_HITS
) -> list[PaymentOfCustomer]:
    """Return a page of a customer's payments, newest first; before is paid_on and payment_id of the last row shown."""
    before_day, before_id = before or (date.max, 0)
    return fetch_all(
        """
        SELECT payment_id, kind, paid_on, amount,
               CASE WHEN voided_at IS NULL THEN amount_left ELSE 0 END AS amount_left,
               method, reference, reason, voided_on, void_reason
        FROM payments
        WHERE customer_id = %(customer_id)s AND (paid_on, payment_id) < (%(before_day)s::date, %(before_id)s)
        ORDER BY paid_on DESC, payment_id DESC
        LIMIT %(limit)s
        """,
        customer_id=customer_id, before_day=before_day, before_id=before_id, limit=limit,
    )


def latest_payments(before: int = 0, limit: int = 100) -> list[PaymentHit]:
    """Return a page of all payments, the latest recorded first; before is the payment_id of the last row shown."""
    return fetch_all(
        """
        WITH page AS MATERIALIZED (
            SELECT payment_id, customer_id, kind, paid_on, amount, method, reference, reason, voided_on
            FROM payments
            WHERE %(before)s = 0 OR payment_id < %(before)s
            ORDER BY payment_id DESC
            LIMIT %(limit)s
        )
        SELECT payment_id, customer_id, name, kind, paid_on, amount, method, reference, reason, voided_on
        FROM page
        JOIN customers USING (customer_id)
        ORDER BY payment_id DESC
        """,
        before=before, limit=limit,
    )


@retried
def payments_on(day: date, limit: int = MOST_HITS) -> PaymentsOfDay:
    """Return what was paid on a day, with its latest payments: money that came, and nothing else.

    The day's payments are found first, by their day: from the latest payment back, a day that has none reads all.
    """
    with reading() as cur:
        cur.execute(
            """
            WITH of_day AS MATERIALIZED (
                SELECT payment_id, amount, voided_at IS NULL AS counts
                FROM payments
                WHERE paid_on = %(day)s AND kind = 'payment'
            )
            SELECT count(*) FILTER (WHERE counts) AS count, coalesce(sum(amount) FILTER (WHERE counts), 0) AS amount,
                   ARRAY(SELECT payment_id FROM of_day ORDER BY payment_id DESC LIMIT %(limit)s) AS latest
            FROM of_day
            """,
            {"day": day, "limit": limit},
        )
        total = cur.row()
        cur.execute(
            """
            SELECT payment_id, customer_id, name, kind, paid_on, amount, method, reference, reason, voided_on
            FROM payments
            JOIN customers USING (customer_id)
            WHERE payment_id = ANY (%(latest)s::bigint[])
            ORDER BY payment_id DESC
            """,
            total,
        )
        rows: list[Any] = cur.fetchall()
        return {"count": total["count"], "amount": total["amount"], "rows": rows}


def count_payments(customer_id: int) -> int:
    return fetch_value("SELECT count(*) FROM payments WHERE customer_id = %(customer_id)s", customer_id=customer_id)


@retried
def void_payment(payment_id: int, reason: str) -> Payment:
    """Void a payment and return it: its bills are due again, other credit of the customer pays them first.

    What a refund had given back is credit again. Raise NotFound, or Conflict when it is void already, or was refunded.
    """
    with transaction() as cur:
        payment = _payment(cur, payment_id)
        give_reason(cur, reason)
        # Not their key, which a bill run holds until its end: a void brings no credit that the run could miss.
        cur.execute(
            "SELECT 1 FROM customers WHERE customer_id = %(customer_id)s FOR NO KEY UPDATE",
            {"customer_id": payment["customer_id"]},
        )
        payment = _payment(cur, payment_id)  # as nobody can change it any more
        _refuse_refunded(payment)
        cur.execute(
            """
            UPDATE payments
            SET void_reason = %(reason)s
            WHERE payment_id = %(payment_id)s AND voided_at IS NULL
            RETURNING payment_id
            """,
            {"payment_id": payment_id, "reason": reason},
        )
        if not cur.fetchone():
            raise Conflict(f"{payment['kind'].capitalize()} {payment_id} is void already.")
        cur.execute("SELECT apply_credit(ARRAY[%(customer_id)s]::bigint[])", {"customer_id": payment["customer_id"]})
        return _payment(cur, payment_id)


def _refuse_refunded(payment: Payment) -> None:
    if payment["kind"] != "refund" and payment["refunds"]:
        what = f"{payment['kind'].capitalize()} {payment['payment_id']}"
        part = "" if sum(refund["amount"] for refund in payment["refunds"]) == payment["amount"] else " in part"
        raise Conflict(f"{what} was refunded{part} by refund {payment['refunds'][0]['payment_id']}; void that first.")
