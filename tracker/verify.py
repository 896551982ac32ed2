"""The proof that the money adds up."""
from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import TypedDict, cast

import database
from database import fetch_one, reading, transaction
from tracker import errors
from tracker.cursor import Cursor, be_patient
from tracker.reports import sum_aged, sum_late


class Checked(TypedDict):
    bills: int
    payments: int


class Verified(TypedDict):
    """What a verify looked at and found; first_finding is None where everything added up."""

    verified_at: datetime
    person: str
    bills: int
    payments: int
    findings: int
    first_finding: str | None


Progress = Callable[[str, int, int], object]


def _silent(what: str, done: int, whole: int) -> None:
    """Tell nobody."""


def verify(progress: Progress = _silent) -> tuple[Checked, list[str]]:
    """Prove that the money adds up as verify_books does, and note the result where this session may."""
    checked, findings = verify_books(progress)
    if not database.rights()["why_not"]:
        with contextlib.suppress(errors.Error):  # what was proved is proved, whether or not it can be noted
            _note(checked, findings)
    return checked, findings


def _note(checked: Checked, findings: list[str]) -> None:
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO verifications (bills, payments, findings, first_finding)
            VALUES (%(bills)s, %(payments)s, %(findings)s, %(first_finding)s)
            """,
            {**checked, "findings": len(findings), "first_finding": findings[0] if findings else None},
        )
    database.saved -= 1  # nothing that anybody entered


def last() -> Verified | None:
    """Return what the last verify that was noted found, or None before the first."""
    return fetch_one(
        """
        SELECT verified_at, person, bills, payments, findings, first_finding
        FROM verifications
        ORDER BY verification_id DESC
        LIMIT 1
        """
    )


def verify_books(progress: Progress = _silent) -> tuple[Checked, list[str]]:
    """Prove that the money adds up; return what was checked, counted, and a sentence for each finding.

    It reads one snapshot and writes nothing. progress is told which check begins, of how many.
    """
    with reading(snapshot=True) as cur:
        be_patient(cur)
        cur.execute("SELECT (SELECT count(*) FROM billing) AS bills, (SELECT count(*) FROM payments) AS payments")
        checked = cast(Checked, cur.row())
        findings = []
        for number, (what, check) in enumerate(CHECKS.items(), 1):
            progress(f"Verifying {what}", number, len(CHECKS))
            findings += check(cur)
        return checked, findings


def _wrong_bills(cur: Cursor) -> list[str]:
    cur.execute(
        """
        WITH paid AS (
            SELECT billing_id, sum(allocation.amount) AS amount,
                   max(paid_on) FILTER (WHERE kind = 'payment') AS last_date,
                   max(coalesce(made_on, paid_on)) AS last_day
            FROM payment_allocations AS allocation
            JOIN payments USING (payment_id)
            WHERE voided_at IS NULL AND released_on IS NULL AND billing_id IS NOT NULL
            GROUP BY billing_id
        )
        SELECT billing_id, amount_billed, amount_paid, amount_due, last_payment_date,
               coalesce(paid.amount, 0) AS allocated, paid.last_date, settled_on,
               nullif(paid.last_day, paid.last_date) AS last_day
        FROM billing
        LEFT JOIN paid USING (billing_id)
        WHERE amount_paid <> coalesce(paid.amount, 0)
           OR last_payment_date IS DISTINCT FROM paid.last_date
           OR settled_on IS DISTINCT FROM nullif(paid.last_day, paid.last_date)
           OR amount_due IS DISTINCT FROM amount_billed - amount_paid
           OR amount_due < 0
        ORDER BY billing_id
        """
    )
    findings = []
    for row in cur:
        said = row["amount_paid"], row["last_payment_date"], row["amount_due"]
        is_so = row["allocated"], row["last_date"], row["amount_billed"] - row["amount_paid"]
        if said == is_so and row["settled_on"] != row["last_day"]:
            findings.append(f"Bill {row['billing_id']}: it says {row['settled_on']} for its latest allocation after "
                            f"its last payment, and that was {row['last_day']}.")
        else:
            findings.append(
                f"Bill {row['billing_id']}: it says {row['amount_paid']:.2f} paid, last on {row['last_payment_date']}, "
                f"and {row['amount_due']:.2f} due of {row['amount_billed']:.2f}; its payments come to "
                f"{row['allocated']:.2f}, last on {row['last_date']}."
            )
    return findings


def _wrong_items(cur: Cursor) -> list[str]:
    cur.execute(
        """
        WITH items AS (SELECT billing_id, sum(amount) AS amount FROM billing_items GROUP BY billing_id)
        SELECT billing_id, amount_billed, coalesce(items.amount, 0) AS amount
        FROM billing
        LEFT JOIN items USING (billing_id)
        WHERE amount_billed <> coalesce(items.amount, 0)
        ORDER BY billing_id
        """
    )
    return [
        f"Bill {row['billing_id']}: it is over {row['amount_billed']:.2f} and its lines add up to {row['amount']:.2f}."
        for row in cur
    ]


def _days_billed_twice(cur: Cursor) -> list[str]:
    """Find services that have a day on two lines, of bills that count, which do not cancel each other.

    One whose lines are as long as the time from the first of them to the last, and each begins where another ends, has
    each day once; only the others are looked at day by day, which would take long for all. Beginnings and ends are told
    apart by their hashes, so that a sum tells whether they all meet.
    """
    cur.execute(
        """
        WITH line AS NOT MATERIALIZED (
            SELECT service_id, first_day, last_day, days,
                   hashint4(first_day - '2000-01-01')::bigint AS begins, hashint4(last_day + 1 - '2000-01-01') AS ends
            FROM billing_items
            WHERE days IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM billing
                  WHERE billing.billing_id = billing_items.billing_id AND cancelled_on IS NOT NULL
              )
        ), uneven AS MATERIALIZED (
            SELECT service_id
            FROM line
            GROUP BY service_id
            HAVING sum(days) <> max(last_day) - min(first_day) + 1
                OR sum(CASE WHEN days > 0 THEN ends - begins ELSE begins - ends END)
                   <> hashint4(max(last_day) + 1 - '2000-01-01')::bigint - hashint4(min(first_day) - '2000-01-01')
        ), counted AS (
            SELECT service_id, day, sum(sum(step)) OVER (PARTITION BY service_id ORDER BY day) AS times
            FROM line
            JOIN uneven USING (service_id)
            CROSS JOIN LATERAL (VALUES (first_day, sign(days)), (last_day + 1, -sign(days))) AS edge (day, step)
            GROUP BY service_id, day
        )
        SELECT service_id, min(day) AS day FROM counted WHERE times > 1 GROUP BY service_id ORDER BY service_id
        """
    )
    return [f"Service {row['service_id']}: {row['day']} is on two lines of its bills, which do not cancel each other."
            for row in cur]


def _wrong_payments(cur: Cursor) -> list[str]:
    cur.execute(
        """
        WITH used AS (
            SELECT payment_id, sum(amount) AS amount
            FROM (
                SELECT payment_id, amount FROM payment_allocations WHERE released_on IS NULL
                UNION ALL
                SELECT refund_id, amount FROM payment_allocations WHERE refund_id IS NOT NULL AND released_on IS NULL
            ) AS allocation
            GROUP BY payment_id
        )
        SELECT payment_id, kind, payments.amount, amount_allocated, coalesce(used.amount, 0) AS used
        FROM payments
        LEFT JOIN used USING (payment_id)
        WHERE amount_allocated <> coalesce(used.amount, 0) OR coalesce(used.amount, 0) > payments.amount
        ORDER BY payment_id
        """
    )
    return [
        f"{row['kind'].capitalize()} {row['payment_id']}: it is over {row['amount']:.2f} and says "
        f"{row['amount_allocated']:.2f} of it was used; its allocations come to {row['used']:.2f}."
        for row in cur
    ]


def _wrong_bank_lines(cur: Cursor) -> list[str]:
    cur.execute(
        """
        WITH booked AS (
            SELECT bank_line_id, sum(amount) AS amount
            FROM payments
            WHERE bank_line_id IS NOT NULL AND voided_at IS NULL
            GROUP BY bank_line_id
        )
        SELECT bank_line_id, bank_lines.amount, amount_booked, coalesce(booked.amount, 0) AS booked
        FROM bank_lines
        LEFT JOIN booked USING (bank_line_id)
        WHERE amount_booked <> coalesce(booked.amount, 0) OR coalesce(booked.amount, 0) > bank_lines.amount
        ORDER BY bank_line_id
        """
    )
    return [
        f"Line {row['bank_line_id']} of the bank: it is over {row['amount']:.2f} and says "
        f"{row['amount_booked']:.2f} of it was booked; its payments come to {row['booked']:.2f}."
        for row in cur
    ]


def _wrong_refunds(cur: Cursor) -> list[str]:
    """Find refunds that are not all taken from what can be given back, and write-offs that are not all on bills."""
    cur.execute(
        """
        SELECT payment_id, kind, amount, amount_allocated
        FROM payments
        WHERE kind IN ('refund', 'write-off') AND voided_at IS NULL AND amount_allocated <> amount
        ORDER BY payment_id
        """
    )
    findings = [
        f"{row['kind'].capitalize()} {row['payment_id']}: it is over {row['amount']:.2f}, and only "
        f"{row['amount_allocated']:.2f} of it {'came from' if row['kind'] == 'refund' else 'went to'} anything."
        for row in cur
    ]
    cur.execute(
        """
        SELECT payment_allocation_id, refund_id, source.payment_id, source.kind,
               refund.kind <> 'refund' AS is_none, refund.voided_at IS NOT NULL AS is_void
        FROM payment_allocations
        JOIN payments AS refund ON refund.payment_id = refund_id
        JOIN payments AS source ON source.payment_id = payment_allocations.payment_id
        WHERE released_on IS NULL
          AND (refund.kind <> 'refund' OR refund.voided_at IS NOT NULL OR source.voided_at IS NOT NULL
               OR source.kind IN ('refund', 'write-off'))
        ORDER BY payment_allocation_id
        """
    )
    return findings + [
        f"Allocation {row['payment_allocation_id']}: {row['kind']} {row['payment_id']} cannot go into refund "
        f"{row['refund_id']}{', which is none' if row['is_none'] else ', which is void' if row['is_void'] else ''}."
        for row in cur
    ]


def _wrong_days_of_refunds(cur: Cursor) -> list[str]:
    """Find refunds of another day than what they took, by which a statement would not agree with aging.

    A payment may be of tomorrow, or the day after, to who gives it back in a time zone further west.
    """
    cur.execute(
        """
        SELECT payment_allocation_id, refund_id, refund.paid_on AS refunded_on, made_on,
               source.payment_id, source.kind, source.paid_on
        FROM payment_allocations
        JOIN payments AS refund ON refund.payment_id = refund_id
        JOIN payments AS source ON source.payment_id = payment_allocations.payment_id
        WHERE made_on IS DISTINCT FROM refund.paid_on OR refund.paid_on < source.paid_on - 2
        ORDER BY payment_allocation_id
        """
    )
    findings = [
        f"Refund {row['refund_id']}: it is of {row['refunded_on']}, " + (
            f"before {row['kind']} {row['payment_id']}, which it gave back, of {row['paid_on']}."
            if row["made_on"] == row["refunded_on"] else
            f"and its allocation {row['payment_allocation_id']} counts from {row['made_on']}.")
        for row in cur
    ]
    cur.execute(
        """
        WITH span AS (
            SELECT payment_id, payments.amount AS whole, allocation.amount,
                   coalesce(made_on, paid_on) AS first, released_on - 2 AS until
            FROM payment_allocations AS allocation
            JOIN payments USING (payment_id)
            WHERE payment_id IN (SELECT payment_id FROM payment_allocations WHERE refund_id IS NOT NULL)
        ), step AS (
            SELECT payment_id, whole, amount, first AS day FROM span WHERE until IS NULL OR until > first
            UNION ALL
            SELECT payment_id, whole, -amount, until FROM span WHERE until > first
        )
        SELECT DISTINCT ON (payment_id) payment_id, whole, day, used
        FROM (
            SELECT payment_id, whole, day, sum(sum(amount)) OVER (PARTITION BY payment_id ORDER BY day) AS used
            FROM step
            GROUP BY payment_id, whole, day
        ) AS by_day
        WHERE used > whole
        ORDER BY payment_id, day
        """
    )
    return findings + [
        f"Payment {row['payment_id']}: it is over {row['whole']:.2f}, and on {row['day']} its allocations and refunds "
        f"came to {row['used']:.2f}."
        for row in cur
    ]


def _wrong_days(cur: Cursor) -> list[str]:
    """Find deleted bills that something still pays, and what was changed before it was there.

    A payment may be of tomorrow, or the day after, to who works on it in a time zone further west.
    """
    cur.execute(
        """
        SELECT billing_id, issued_on, cancelled_on
        FROM billing
        WHERE cancelled_on IS NOT NULL
          AND (cancelled_on < issued_on OR amount_billed <> 0 OR EXISTS (
                  SELECT FROM payment_allocations AS allocation
                  WHERE allocation.billing_id = billing.billing_id AND released_on IS NULL))
        ORDER BY billing_id
        """
    )
    findings = [
        f"Bill {row['billing_id']}: it was issued on {row['issued_on']} and deleted on {row['cancelled_on']}, and "
        "something still pays it, or it is over something."
        for row in cur
    ]
    cur.execute(
        """
        SELECT billing_item_id, billing_id, booked_on, issued_on
        FROM billing_items
        JOIN billing USING (billing_id)
        WHERE booked_on < issued_on
        ORDER BY billing_item_id
        """
    )
    findings += [
        f"Bill {row['billing_id']}: it was issued on {row['issued_on']}, and its line {row['billing_item_id']} was "
        f"booked on {row['booked_on']}, before that."
        for row in cur
    ]
    cur.execute(
        """
        SELECT payment_allocation_id, released_on, coalesce(made_on, paid_on) AS made_on
        FROM payment_allocations
        JOIN payments USING (payment_id)
        WHERE released_on < coalesce(payment_allocations.made_on, paid_on) - 2
        ORDER BY payment_allocation_id
        """
    )
    return findings + [
        f"Allocation {row['payment_allocation_id']}: it counts from {row['made_on']}, and was released on "
        f"{row['released_on']}, before that."
        for row in cur
    ]


def _wrong_owners(cur: Cursor) -> list[str]:
    cur.execute(
        """
        SELECT payment_allocation_id, payment_id, billing_id
        FROM payment_allocations
        JOIN payments USING (payment_id)
        JOIN billing USING (billing_id)
        WHERE payments.customer_id <> billing.customer_id
        ORDER BY payment_allocation_id
        """
    )
    findings = [
        f"Allocation {row['payment_allocation_id']}: payment {row['payment_id']} pays bill {row['billing_id']} of "
        "another customer."
        for row in cur
    ]
    cur.execute(
        """
        SELECT payment_allocation_id, source.payment_id, refund_id
        FROM payment_allocations
        JOIN payments AS source USING (payment_id)
        JOIN payments AS refund ON refund.payment_id = refund_id
        WHERE source.customer_id <> refund.customer_id
        ORDER BY payment_allocation_id
        """
    )
    return findings + [
        f"Allocation {row['payment_allocation_id']}: payment {row['payment_id']} was given back by refund "
        f"{row['refund_id']}, of another customer."
        for row in cur
    ]


def _idle_credit(cur: Cursor) -> list[str]:
    cur.execute(
        """
        SELECT customer_id, credit, amount_due
        FROM customer_credit
        JOIN (SELECT customer_id, sum(amount_due) AS amount_due FROM billing WHERE amount_due > 0 GROUP BY customer_id)
          AS owing USING (customer_id)
        ORDER BY customer_id
        """
    )
    return [
        f"Customer {row['customer_id']}: they have {row['credit']:.2f} of credit and {row['amount_due']:.2f} to pay."
        for row in cur
    ]


def _wrong_totals(cur: Cursor) -> list[str]:
    """Compare the aging and late reports with the bills themselves, summed as plainly as can be."""
    aged = sum_aged(cur)
    cur.execute(
        """
        SELECT coalesce(sum(amount_billed - amount_paid), 0) AS due,
               coalesce(sum(amount_billed - amount_paid) FILTER (WHERE due_date < CURRENT_DATE), 0) AS late
        FROM billing
        """
    )
    bills = cur.row()
    late = sum_late(cur)["amount"]
    findings = []
    if aged["total"] != bills["due"]:
        findings.append(f"Late payments by age: the total is {aged['total']:.2f} "
                        f"and the bills have {bills['due']:.2f} due.")
    if not late == bills["late"] == aged["total"] - aged["not_due"]:
        findings.append(f"Late report: the total is {late:.2f} and the bills have {bills['late']:.2f} late.")
    return findings


CHECKS: dict[str, Callable[[Cursor], list[str]]] = {
    "bills": _wrong_bills,
    "bills' lines": _wrong_items,
    "days of services": _days_billed_twice,
    "payments": _wrong_payments,
    "lines of the bank": _wrong_bank_lines,
    "refunds and write-offs": _wrong_refunds,
    "days of refunds": _wrong_days_of_refunds,
    "bills that were changed": _wrong_days,
    "whose payments pay whose bills": _wrong_owners,
    "credit": _idle_credit,
    "the reports' totals": _wrong_totals,
}
