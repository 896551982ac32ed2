"""The monthly bill run, and how it is undone."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from database import fetch_all, fetch_one, give_reason, retried, take_turn, transaction
from tracker.cursor import Cursor, Row, only
from tracker.errors import Conflict

SHOWN_KEPT = 100
SHOWN_TOO_LARGE = 10
LARGEST = Decimal("9999999999.99")  # as money_amount has it
DAYS_TO_PAY = 14
YEARS_BACK = 5


# Whom a month is for, and what each is billed: the one definition of a preview and of its run. They are the customers
# who were there before the month ended, by the business's calendar.
ACCOUNTS = """
    charge AS (
        SELECT customer_id, service_id, service_name || ', ' || address AS description, cost
        FROM services
        JOIN locations USING (location_id)
    ), account AS MATERIALIZED (
        SELECT customer_id, amount, billed.customer_id IS NOT NULL AS is_billed,
               created_at < %(period)s + interval '1 month' AS was_there
        FROM (SELECT customer_id, sum(cost) AS amount FROM charge GROUP BY customer_id) AS total
        JOIN customers USING (customer_id)
        LEFT JOIN (SELECT customer_id FROM billing WHERE period = %(period)s) AS billed USING (customer_id)
    ), meant AS (
        SELECT customer_id, amount FROM account WHERE was_there AND NOT is_billed
    ), too_large AS (
        SELECT customer_id, amount,
               (SELECT name FROM customers WHERE customers.customer_id = meant.customer_id) AS name
        FROM meant
        WHERE amount > %(largest)s
        ORDER BY customer_id
        LIMIT %(most)s
    )
"""


class TooLarge(TypedDict):
    """A customer whose services come to more than a bill can be over."""

    customer_id: int
    name: str
    amount: Decimal


class Preview(TypedDict):
    """What a run would do, and how that differs from the month before.

    skipped are billed already, later came after the month; while there are any too_large, nobody can be billed.
    """

    customers: int
    total: Decimal
    skipped: int
    later: int
    too_large: list[TooLarge]
    new: int
    gone: int
    changed: int
    total_before: Decimal


class Result(TypedDict):
    """skipped were billed already, gone were deleted while the run was under way."""

    created: int
    skipped: int
    gone: int
    total: Decimal
    from_credit: Decimal


class Run(TypedDict):
    """The bills of a month, the first day on which one was issued, and what is paid of them by now."""

    period: date
    issued_on: date
    bills: int
    amount: Decimal
    paid: Decimal


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
    """Say what a bill run would do: customers and total to bill, who is left out and why, and against the month before:
    new, gone and changed customers, with that month's total.
    """
    return only(fetch_one(
        f"""
        WITH {ACCOUNTS}, before AS (
            SELECT customer_id, amount_billed
            FROM billing
            WHERE period = (%(period)s - interval '1 month')::date
        )
        SELECT count(meant.amount)                                           AS customers,
               coalesce(sum(meant.amount), 0)                                AS total,
               count(*) FILTER (WHERE is_billed)                             AS skipped,
               count(*) FILTER (WHERE NOT was_there AND NOT is_billed)       AS later,
               (SELECT coalesce(json_agg(too_large ORDER BY customer_id), '[]') FROM too_large) AS too_large,
               count(meant.amount) FILTER (WHERE amount_billed IS NULL)      AS new,
               count(*) FILTER (WHERE account.amount IS NULL)                AS gone,
               count(*) FILTER (WHERE meant.amount <> amount_billed)         AS changed,
               coalesce(sum(amount_billed), 0)                               AS total_before
        FROM account
        LEFT JOIN meant USING (customer_id)
        FULL JOIN before USING (customer_id)
        """,  # noqa: S608 (ACCOUNTS holds no value)
        patient=True, period=period, largest=LARGEST, most=SHOWN_TOO_LARGE,
    ))


def default_due_date(period: date, today: date) -> date:
    """Return when a month's bills fall due unless said otherwise: the 15th, or in DAYS_TO_PAY when that is past."""
    fifteenth = period.replace(day=15)
    return fifteenth if fifteenth >= today else today + timedelta(days=DAYS_TO_PAY)


@retried
def run(period: date, due_date: date, expected_total: Decimal | None = None) -> Result:
    """Bill every customer with services for a month, once, and spend their credit; return created, skipped, gone, total
    and from_credit, what credit paid of it.

    Raise Conflict, and bill nobody, when the total is not the one that the administrator was shown, or a customer's is
    too large. Whoever is deleted meanwhile is left out.
    """
    with transaction() as cur:
        take_turn(cur, "bill run")
        give_reason(cur, f"bill run {period:%Y-%m}")
        row = _bill_accounts(cur, period, due_date)
        if row["too_large"]:
            raise Conflict(f"{too_large(row['too_large'][0])} Nobody was billed.")
        if expected_total is not None and row["created"] and row["total"] + row["gone_total"] != expected_total:
            raise Conflict(f"The total is now {row['total']:.2f}, since services have changed; "
                           "nobody was billed.")
        spent = _spend_all_credit(cur) if row["created"] else Decimal(0)
        return {"created": row["created"], "skipped": row["skipped"], "gone": row["gone"], "total": row["total"],
                "from_credit": spent}


def too_large(account: TooLarge) -> str:
    """Say who cannot be billed, and why."""
    return (f"Customer {account['customer_id']}, {account['name']}, would be billed {account['amount']:.2f}, "
            f"and no bill can be over more than {LARGEST}.")


def _bill_accounts(cur: Cursor, period: date, due_date: date) -> Row:
    """Make the bills, and count them and those who are left out.

    Each customer is locked before they are billed: one whom somebody is deleting is waited for, and left out when gone.
    """
    cur.execute(
        f"""
        WITH {ACCOUNTS}, present AS MATERIALIZED (
            SELECT customer_id, amount
            FROM customers
            JOIN meant USING (customer_id)
            WHERE amount <= %(largest)s
            ORDER BY customer_id
            FOR KEY SHARE OF customers
        ), created AS (
            INSERT INTO billing (customer_id, description, period, issued_on, due_date, amount_billed)
            SELECT customer_id, to_char(%(period)s, 'FMMonth YYYY'), %(period)s,
                   CURRENT_DATE, %(due_date)s, amount
            FROM present
            ON CONFLICT DO NOTHING
            RETURNING billing_id, customer_id, amount_billed
        ), item AS (
            INSERT INTO billing_items (billing_id, service_id, description, amount)
            SELECT billing_id, service_id, description, cost
            FROM created
            JOIN charge USING (customer_id)
        )
        SELECT count(*)                                                                  AS created,
               coalesce(sum(amount_billed), 0)                                           AS total,
               (SELECT count(*) FILTER (WHERE is_billed) FROM account)
                 + (SELECT count(*) FROM present) - count(*)                             AS skipped,
               (SELECT count(*) FROM meant) - (SELECT count(*) FROM present)             AS gone,
               (SELECT coalesce(sum(amount), 0) FROM meant)
                 - (SELECT coalesce(sum(amount), 0) FROM present)                        AS gone_total,
               (SELECT coalesce(json_agg(too_large ORDER BY customer_id), '[]') FROM too_large) AS too_large
        FROM created
        """,  # noqa: S608 (ACCOUNTS holds no value)
        {"period": period, "due_date": due_date, "largest": LARGEST, "most": SHOWN_TOO_LARGE},
    )
    return cur.row()


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


def latest_runs(limit: int = 6) -> list[Run]:
    """Return the last months that have bills of a run, of the last YEARS_BACK and those to come, the newest first.

    Month by month, back from the last, so that only those that are returned are read: 100 ms for a million bills.
    """
    return fetch_all(
        """
        SELECT period, issued_on, bills, amount, paid
        FROM (
            SELECT DISTINCT period::date AS period FROM billing WHERE period > CURRENT_DATE
            UNION ALL
            SELECT generate_series(
                date_trunc('month', CURRENT_DATE - make_interval(years => %(years)s)),
                date_trunc('month', CURRENT_DATE), interval '1 month'
            )::date
            ORDER BY period DESC
        ) AS month
        CROSS JOIN LATERAL (
            SELECT min(issued_on) AS issued_on, count(*) AS bills,
                   sum(amount_billed) AS amount, sum(amount_paid) AS paid
            FROM billing
            WHERE billing.period = month.period
            HAVING count(*) > 0
        ) AS run
        ORDER BY period DESC
        LIMIT %(limit)s
        """,
        patient=True, limit=limit, years=YEARS_BACK,
    )


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
        take_turn(cur, "bill run")
        give_reason(cur, f"undo of the bill run {period:%Y-%m}")
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
