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
            SELECT billing_id, sum(allocation.amount) AS amount, max(paid_on) AS last_date
            FROM payment_allocations AS allocation
            JOIN payments USING (payment_id)
            WHERE voided_at IS NULL
            GROUP BY billing_id
        )
        SELECT billing_id, amount_billed, amount_paid, amount_due, last_payment_date,
               coalesce(paid.amount, 0) AS allocated, paid.last_date
        FROM billing
        LEFT JOIN paid USING (billing_id)
        WHERE amount_paid <> coalesce(paid.amount, 0)
           OR last_payment_date IS DISTINCT FROM paid.last_date
           OR amount_due IS DISTINCT FROM amount_billed - amount_paid
           OR amount_due < 0
        ORDER BY billing_id
        """
    )
    return [
        f"Bill {row['billing_id']}: it says {row['amount_paid']:.2f} paid, last on {row['last_payment_date']}, and "
        f"{row['amount_due']:.2f} due of {row['amount_billed']:.2f}; its payments come to {row['allocated']:.2f}, "
        f"last on {row['last_date']}."
        for row in cur
    ]


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


def _wrong_payments(cur: Cursor) -> list[str]:
    cur.execute(
        """
        WITH used AS (SELECT payment_id, sum(amount) AS amount FROM payment_allocations GROUP BY payment_id)
        SELECT payment_id, payments.amount, amount_allocated, coalesce(used.amount, 0) AS used
        FROM payments
        LEFT JOIN used USING (payment_id)
        WHERE amount_allocated <> coalesce(used.amount, 0) OR coalesce(used.amount, 0) > payments.amount
        ORDER BY payment_id
        """
    )
    return [
        f"Payment {row['payment_id']}: it is over {row['amount']:.2f} and says {row['amount_allocated']:.2f} of it was "
        f"used; its allocations come to {row['used']:.2f}."
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
    return [
        f"Allocation {row['payment_allocation_id']}: payment {row['payment_id']} pays bill {row['billing_id']} of "
        "another customer."
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
    "payments": _wrong_payments,
    "whose payments pay whose bills": _wrong_owners,
    "credit": _idle_credit,
    "the reports' totals": _wrong_totals,
}
