"""The monthly bill run, and how it is undone."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypedDict, cast

from database import BillItem, cancel_bills, fetch_all, fetch_one, give_reason, reading, retried, take_turn, transaction
from tracker.cursor import Cursor, Row, be_patient, only
from tracker.errors import Conflict
from tracker.fields import FIRST_DAY

SHOWN_KEPT = 100
SHOWN_TOO_LARGE = 10
SHOWN_WITH_FEES = 5
SHOWN_IN_PREVIEW = 1000
LARGEST = Decimal("9999999999.99")  # as money_amount has it
DAYS_TO_PAY = 14
YEARS_BACK = 5


# The days to bill and to take back, line by line: the one definition of a preview, its run and a final bill. The rule
# stands in docs/BILLING.md. With a customer_id it is for all months of that customer. Else it is for whom the month is
# to be billed to, and is about that month, those from first on, and those that unsettled services may be wrong for.
# Most services have nothing special in the month, and are whole_or_part of it; the others, and all of one customer, are
# cut where a thing changes.
CHARGES = """
    billed AS MATERIALIZED (
        SELECT customer_id
        FROM billing
        WHERE period = %(period)s AND cancelled_on IS NULL AND merged_from IS NULL
    ), service AS NOT MATERIALIZED (
        SELECT customer_id, service_id, service_name || ', ' || address AS description, cost, started_on, ended_on
        FROM services
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        LEFT JOIN billed USING (customer_id)
        WHERE %(customer_id)s::bigint IS NULL AND billed.customer_id IS NULL AND closed_on IS NULL
              AND created_at < %(period)s + interval '1 month'
           OR customer_id = %(customer_id)s
    ), noted AS MATERIALIZED (
        SELECT service_id, since, billed_from, xmin AS version FROM unsettled_services
    ), unsettled AS MATERIALIZED (
        SELECT customer_id, service_id, min(since) AS since, min(billed_from) AS billed_from
        FROM (
            SELECT service_id, since, billed_from FROM noted WHERE since < %(period)s
            UNION ALL
            SELECT service_id, %(first)s, NULL FROM service WHERE %(first)s < %(period)s
        ) AS mark
        JOIN service USING (service_id)
        GROUP BY customer_id, service_id
    ), line AS MATERIALIZED (
        SELECT service_id, %(period)s AS month, first_day, last_day, days, monthly_cost, amount, false AS is_whole
        FROM billing_items
        JOIN billing USING (billing_id)
        WHERE %(customer_id)s::bigint IS NULL AND cancelled_on IS NULL
          AND first_day BETWEEN %(period)s AND (%(period)s + interval '1 month - 1 day')::date
        UNION ALL
        SELECT service_id, %(period)s, NULL, NULL, 1, amount, amount, true
        FROM billing
        JOIN billing_items USING (billing_id)
        WHERE %(customer_id)s::bigint IS NULL AND cancelled_on IS NULL AND merged_from IS NOT NULL
          AND period = %(period)s AND first_day IS NULL
        UNION ALL
        SELECT service_id, coalesce(date_trunc('month', first_day)::date, period), first_day, last_day,
               coalesce(days, 1), coalesce(monthly_cost, amount), amount, first_day IS NULL
        FROM unsettled
        JOIN billing USING (customer_id)
        JOIN billing_items USING (billing_id, service_id)
        WHERE cancelled_on IS NULL
          AND (%(customer_id)s::bigint IS NOT NULL OR coalesce(first_day, period) < %(period)s)
          AND coalesce(first_day, period) IS NOT NULL
    ), known AS (
        SELECT service_id, since, min(month) AS first_month, max(month) AS last_month, CASE
                   WHEN %(customer_id)s::bigint IS NULL
                   THEN least(min(month) FILTER (WHERE NOT is_whole), billed_from, %(period)s)
                   ELSE coalesce(least(min(month) FILTER (WHERE NOT is_whole), billed_from),
                                 greatest(min(month), %(period)s))
               END AS billed_from
        FROM unsettled
        LEFT JOIN line USING (service_id)
        GROUP BY service_id, since, billed_from
    ), odd AS MATERIALIZED (
        SELECT customer_id, service_id, description, cost, started_on, ended_on, billed_from, month,
               (month + interval '1 month')::date AS next_month
        FROM (
            SELECT service_id, billed_from, month::date
            FROM known
            JOIN service USING (service_id)
            CROSS JOIN LATERAL generate_series(
                greatest(since, least(date_trunc('month', coalesce(started_on, billed_from)), first_month)),
                CASE WHEN %(customer_id)s::bigint IS NULL THEN %(period)s - interval '1 month'
                ELSE greatest(last_month, %(period)s) END,
                interval '1 month'
            ) AS month
            WHERE month <> %(period)s OR %(customer_id)s::bigint IS NOT NULL
            UNION ALL
            SELECT service_id, %(period)s, %(period)s
            FROM (
                SELECT service_id FROM line WHERE month = %(period)s
                UNION
                SELECT service_id
                FROM service_pauses
                WHERE daterange(first_day, last_day, '[]')
                   && daterange(%(period)s, (%(period)s + interval '1 month')::date)
                UNION
                SELECT service_id
                FROM price_changes
                WHERE from_day > %(period)s AND from_day < %(period)s + interval '1 month'
            ) AS special
            WHERE %(customer_id)s::bigint IS NULL
        ) AS pair
        JOIN service USING (service_id)
    ), edge AS (
        SELECT service_id, month, next_month, month AS day FROM odd
        UNION
        SELECT service_id, month, next_month, day
        FROM odd
        CROSS JOIN LATERAL (
            VALUES (started_on), (ended_on + 1)
            UNION ALL
            SELECT unnest(ARRAY[first_day, last_day + 1]) FROM service_pauses WHERE service_id = odd.service_id
            UNION ALL
            SELECT from_day FROM price_changes WHERE service_id = odd.service_id
        ) AS change (day)
        WHERE day > month AND day < next_month
        UNION
        SELECT service_id, month, next_month, unnest(ARRAY[first_day, last_day + 1])
        FROM odd
        JOIN line USING (service_id, month)
    ), part AS MATERIALIZED (
        SELECT service_id, month, day AS first_day,
               lead(day, 1, next_month) OVER (PARTITION BY service_id, month ORDER BY day) - 1 AS last_day
        FROM edge
        WHERE day >= month AND day < next_month
    ), difference AS (
        SELECT service_id, month, first_day, last_day, monthly_cost, sum(times)::integer AS times
        FROM (
            SELECT service_id, month, part.first_day, part.last_day, CASE
                       WHEN part.first_day < started_on OR part.first_day > ended_on THEN NULL
                       WHEN EXISTS (
                           SELECT FROM service_pauses AS pause
                           WHERE pause.service_id = odd.service_id AND pause.first_day <= part.first_day
                             AND (pause.last_day >= part.first_day OR pause.last_day IS NULL)
                       ) THEN NULL
                       WHEN whole.monthly_cost IS NOT NULL THEN whole.monthly_cost
                       WHEN part.first_day >= coalesce(started_on, billed_from) THEN coalesce((
                           SELECT cost_before
                           FROM price_changes
                           WHERE price_changes.service_id = odd.service_id AND from_day > part.first_day
                           ORDER BY from_day
                           LIMIT 1
                       ), cost)
                   END AS monthly_cost, 1 AS times
            FROM part
            JOIN odd USING (service_id, month)
            LEFT JOIN (
                SELECT service_id, month, max(monthly_cost) AS monthly_cost
                FROM line
                WHERE is_whole
                GROUP BY service_id, month
            ) AS whole USING (service_id, month)
            UNION ALL
            SELECT service_id, month, part.first_day, part.last_day, monthly_cost, CASE WHEN days > 0 THEN -1 ELSE 1 END
            FROM part
            JOIN line USING (service_id, month)
            WHERE is_whole OR part.first_day BETWEEN line.first_day AND line.last_day
        ) AS wanted_or_billed
        WHERE monthly_cost IS NOT NULL
        GROUP BY service_id, month, first_day, last_day, monthly_cost
        HAVING sum(times) <> 0
    ), stretch AS (
        SELECT service_id, month, monthly_cost, copy, min(first_day) AS first_day, max(last_day) AS last_day,
               CASE WHEN is_added THEN 1 ELSE -1 END * (max(last_day) - min(first_day) + 1) AS days
        FROM (
            SELECT service_id, month, monthly_cost, copy, times > 0 AS is_added, first_day, last_day,
                   last_day - sum(last_day - first_day + 1) OVER (
                       PARTITION BY service_id, month, monthly_cost, times > 0, copy ORDER BY first_day
                   )::integer AS island
            FROM difference
            CROSS JOIN LATERAL generate_series(1, abs(times)) AS copy
        ) AS counted
        GROUP BY service_id, month, monthly_cost, copy, is_added, island
    ), made_good AS (
        SELECT customer_id, service_id, description, month, next_month, monthly_cost, first_day, last_day, days,
               upto - lag(upto, 1, billed_amount) OVER (
                   PARTITION BY service_id, month ORDER BY days > 0, first_day, monthly_cost, copy
               ) AS amount
        FROM (
            SELECT stretch.*, customer_id, description, next_month, coalesce(so_far.amount, 0) AS billed_amount,
                   round((coalesce(so_far.cost_days, 0) + sum(monthly_cost * days) OVER (
                       PARTITION BY service_id, month ORDER BY days > 0, first_day, monthly_cost, copy
                   )) / (next_month - month), 2) AS upto
            FROM stretch
            JOIN odd USING (service_id, month)
            LEFT JOIN (
                SELECT service_id, month, sum(amount) AS amount,
                       sum(monthly_cost * CASE WHEN is_whole THEN (month + interval '1 month')::date - month
                                          ELSE days END) AS cost_days
                FROM line
                GROUP BY service_id, month
            ) AS so_far USING (service_id, month)
        ) AS rounded
    ), whole_or_part AS (
        SELECT customer_id, service_id, description, coalesce(cost_before, cost) AS monthly_cost,
               greatest(started_on, %(period)s) AS first_day,
               least(ended_on, (%(period)s + interval '1 month - 1 day')::date) AS last_day
        FROM service
        LEFT JOIN (
            SELECT DISTINCT ON (service_id) service_id, cost_before
            FROM price_changes
            WHERE from_day > %(period)s
            ORDER BY service_id, from_day
        ) AS change USING (service_id)
        WHERE %(customer_id)s::bigint IS NULL
          AND NOT EXISTS (SELECT FROM odd WHERE odd.month = %(period)s AND odd.service_id = service.service_id)
          AND (started_on < %(period)s + interval '1 month' OR started_on IS NULL)
          AND (ended_on >= %(period)s OR ended_on IS NULL)
    ), charge AS MATERIALIZED (
        SELECT customer_id, service_id, first_day, last_day, days, monthly_cost, amount,
               month = %(period)s AND days > 0 AS is_of_month, days = length AS is_whole,
               description || CASE WHEN days = length AND month = %(own_month)s THEN '' ELSE concat(
                   ', ',
                   CASE WHEN first_day < last_day AND abs(days) < length THEN to_char(first_day, 'FMDD') || ' to ' END,
                   CASE WHEN abs(days) < length THEN to_char(last_day, 'FMDD ') END,
                   to_char(month, 'FMMonth'),
                   CASE WHEN month IS DISTINCT FROM %(own_month)s THEN to_char(month, ' YYYY') END,
                   CASE WHEN abs(days) < length THEN concat(', ', abs(days), ' of ', length, ' days') END,
                   CASE WHEN days < 0 THEN ', taken back' END
               ) END AS description
        FROM (
            SELECT customer_id, service_id, description, %(period)s AS month, first_day, last_day, days, length,
                   monthly_cost, CASE days WHEN length THEN monthly_cost ELSE round(monthly_cost * days / length, 2) END
                   AS amount
            FROM (
                SELECT *, last_day - first_day + 1 AS days,
                       (%(period)s + interval '1 month')::date - %(period)s AS length
                FROM whole_or_part
            ) AS counted
            UNION ALL
            SELECT customer_id, service_id, description, month, first_day, last_day, days, next_month - month,
                   monthly_cost, amount
            FROM made_good
        ) AS stretch
    ), account AS MATERIALIZED (
        SELECT customer_id, sum(amount) AS balance, greatest(sum(amount), 0) AS amount FROM charge GROUP BY customer_id
    ), too_large AS (
        SELECT customer_id, amount,
               (SELECT name FROM customers WHERE customers.customer_id = account.customer_id) AS name
        FROM account
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
    prorated are lines for a part of the month, made_good those for other months and for days that are taken back;
    credited is what would be too much on bills of less than nothing, for which there are credit_notes.
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
    prorated: int
    prorated_amount: Decimal
    made_good: int
    made_good_amount: Decimal
    credit_notes: int
    credited: Decimal


class PreviewAccount(TypedDict):
    """A customer whose bill is not what that of the month before was; None where there is no bill."""

    customer_id: int
    name: str
    amount_before: Decimal | None
    amount: Decimal | None


class PreviewLine(TypedDict):
    customer_id: int
    name: str
    service: str
    days: str
    amount: Decimal


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


# The lines of the bills that were created, and for one of less than nothing, which is over 0.00, a credit note.
LINES_OF_CREATED = """
    item AS (
        INSERT INTO billing_items (billing_id, service_id, description, amount, first_day, last_day, days, monthly_cost)
        SELECT billing_id, service_id, description, amount, first_day, last_day, days, monthly_cost
        FROM created
        JOIN charge USING (customer_id)
        UNION ALL
        SELECT billing_id, NULL, 'Carried over to a credit note', -balance, NULL, NULL, NULL, NULL
        FROM created
        JOIN account USING (customer_id)
        WHERE balance < 0
    ), credit_note AS (
        INSERT INTO payments (customer_id, amount, kind, reason, from_bill)
        SELECT customer_id, -balance, 'credit note', 'Days that were billed too many', billing_id
        FROM created
        JOIN account USING (customer_id)
        WHERE balance < 0
    )
"""
# How the bills of a month differ from those of the month before.
COMPARED = """
    before AS (
        SELECT customer_id, amount_billed AS amount_before
        FROM billing
        WHERE period = (%(period)s - interval '1 month')::date AND cancelled_on IS NULL AND merged_from IS NULL
    ), compared AS (
        SELECT customer_id, amount_before, amount, CASE
                   WHEN amount_before IS NULL THEN 'new'
                   WHEN amount IS NULL THEN 'gone'
                   WHEN amount <> amount_before THEN 'changed'
               END AS difference
        FROM (SELECT customer_id, amount FROM account) AS account
        FULL JOIN before USING (customer_id)
        LEFT JOIN billed USING (customer_id)
        WHERE billed.customer_id IS NULL
    )
"""


def preview(period: date) -> Preview:
    """Say what a bill run would do: customers and total to bill, who is left out and why, lines for less or more than
    the month, and against the month before: new, gone and changed customers, with that month's total.
    """
    row, = _previewed(
        f"""
        WITH {CHARGES}, {COMPARED}
        SELECT count(amount)                                                 AS customers,
               coalesce(sum(amount), 0)                                      AS total,
               (SELECT count(*) FROM billed)                                 AS skipped,
               (SELECT count(*)
                FROM customers
                LEFT JOIN billed USING (customer_id)
                WHERE created_at >= %(period)s + interval '1 month' AND closed_on IS NULL AND billed.customer_id IS NULL
                  AND EXISTS (
                      SELECT FROM locations
                      JOIN services USING (location_id)
                      WHERE locations.customer_id = customers.customer_id
                  ))                                                         AS later,
               (SELECT coalesce(json_agg(too_large ORDER BY customer_id), '[]') FROM too_large) AS too_large,
               count(*) FILTER (WHERE difference = 'new')                    AS new,
               count(*) FILTER (WHERE difference = 'gone')                   AS gone,
               count(*) FILTER (WHERE difference = 'changed')                AS changed,
               (SELECT coalesce(sum(amount_before), 0) FROM before)          AS total_before,
               line.*,
               (SELECT count(*) FROM account WHERE balance < 0)              AS credit_notes,
               (SELECT coalesce(-sum(balance), 0) FROM account WHERE balance < 0) AS credited
        FROM (
            SELECT count(*) FILTER (WHERE is_of_month)                           AS prorated,
                   coalesce(sum(amount) FILTER (WHERE is_of_month), 0)           AS prorated_amount,
                   count(*) FILTER (WHERE NOT is_of_month)                       AS made_good,
                   coalesce(sum(amount) FILTER (WHERE NOT is_of_month), 0)       AS made_good_amount
            FROM charge
            WHERE NOT is_of_month OR NOT is_whole
        ) AS line
        LEFT JOIN compared ON true
        GROUP BY prorated, prorated_amount, made_good, made_good_amount
        """,  # noqa: S608 (CHARGES and COMPARED hold no value)
        period,
    )
    return cast(Preview, row)


def preview_accounts(period: date, difference: str) -> list[PreviewAccount]:
    """Return the first SHOWN_IN_PREVIEW customers whose bill of a run would be new, gone or changed."""
    rows: list[Any] = _previewed(
        f"""
        WITH {CHARGES}, {COMPARED}
        SELECT customer_id, name, amount_before, amount
        FROM compared
        JOIN customers USING (customer_id)
        WHERE difference = %(difference)s
        ORDER BY customer_id
        LIMIT %(limit)s
        """,  # noqa: S608 (as above)
        period, difference=difference, limit=SHOWN_IN_PREVIEW,
    )
    return rows


def preview_lines(period: date, made_good: bool) -> list[PreviewLine]:
    """Return the first SHOWN_IN_PREVIEW lines of a run that are for a part of the month, or make good other days."""
    rows: list[Any] = _previewed(
        f"""
        WITH {CHARGES}
        SELECT customer_id, name, service.description AS service, amount,
               replace(
                   substr(charge.description, char_length(service.description || ', ') + 1), ', taken back', ''
               ) AS days
        FROM charge
        JOIN service USING (customer_id, service_id)
        JOIN customers USING (customer_id)
        WHERE is_of_month <> %(made_good)s AND (%(made_good)s OR NOT is_whole)
        ORDER BY customer_id, service_id, first_day, days
        LIMIT %(limit)s
        """,  # noqa: S608 (as above)
        period, made_good=made_good, limit=SHOWN_IN_PREVIEW,
    )
    return rows


@retried
def _previewed(sql: str, period: date, **values: object) -> list[Row]:
    with reading() as cur:
        be_patient(cur)
        cur.execute(sql, {**_of_run(cur, period), **values})
        return list(cur.fetchall())


def _of_run(cur: Cursor, period: date) -> Row:
    """Return the values of CHARGES for the run of a month: first is the month after the last that a run was for before
    it, or itself where there was none of late.
    """
    cur.execute(
        """
        SELECT (month + interval '1 month')::date AS first
        FROM (
            SELECT generate_series(
                %(period)s - make_interval(years => %(years)s), %(period)s - interval '1 month', interval '1 month'
            )::date AS month
            ORDER BY month DESC
        ) AS earlier
        CROSS JOIN LATERAL (SELECT FROM billing WHERE period = month AND cancelled_on IS NULL LIMIT 1) AS run
        ORDER BY month DESC
        LIMIT 1
        """,
        {"period": period, "years": YEARS_BACK},
    )
    row = cur.fetchone()
    return {"period": period, "own_month": period, "first": row["first"] if row else period, "customer_id": None,
            "largest": LARGEST, "most": SHOWN_TOO_LARGE}


@retried
def to_make_good(service_id: int) -> list[BillItem]:
    """Return the lines that the next bill will have for days of a service in the months that are billed already."""
    with reading() as cur:
        cur.execute(
            """
            SELECT customer_id, max(period) AS period
            FROM services
            JOIN locations USING (location_id)
            JOIN billing USING (customer_id)
            WHERE service_id = %(service_id)s AND period IS NOT NULL AND cancelled_on IS NULL
            GROUP BY customer_id
            """,
            {"service_id": service_id},
        )
        row = cur.fetchone()
        if row is None:
            return []
        cur.execute(
            f"""
            WITH {CHARGES}
            SELECT description, amount FROM charge WHERE service_id = %(service_id)s ORDER BY first_day, days
            """,  # noqa: S608 (as above)
            {**_of_customer(row["customer_id"], row["period"]), "service_id": service_id},
        )
        return cast("list[BillItem]", cur.fetchall())


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
        _note_who_is_found_late(cur, period)
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
    What is settled now is no longer noted, unless it has been noted anew meanwhile, there are bills of later months,
    which this run did not look at, or no line tells any more from when on a service that was always there is billed.
    """
    cur.execute(
        f"""
        WITH {CHARGES}, present AS MATERIALIZED (
            SELECT customer_id, amount
            FROM customers
            JOIN account USING (customer_id)
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
        ), {LINES_OF_CREATED}, settled AS (
            DELETE FROM unsettled_services
            USING noted
            LEFT JOIN services USING (service_id)
            LEFT JOIN service USING (service_id)
            LEFT JOIN (
                SELECT service_id, min(month) AS first_month
                FROM (
                    SELECT service_id, date_trunc('month', first_day)::date AS month FROM charge WHERE days > 0
                    UNION ALL
                    SELECT service_id, month FROM line WHERE NOT is_whole
                ) AS of_service
                JOIN noted USING (service_id)
                GROUP BY service_id
            ) AS of_service USING (service_id)
            WHERE unsettled_services.service_id = noted.service_id AND unsettled_services.xmin = noted.version
              AND (services.service_id IS NULL
                   OR noted.since <= %(period)s AND service.customer_id IN (
                       SELECT customer_id FROM customers EXCEPT SELECT customer_id FROM account
                       UNION ALL
                       SELECT customer_id FROM created
                   ) AND NOT EXISTS (SELECT FROM billing WHERE period > %(period)s AND cancelled_on IS NULL)
                   AND (noted.billed_from IS NULL OR services.started_on IS NOT NULL
                        OR first_month <= noted.billed_from))
        )
        SELECT count(*)                                                                  AS created,
               coalesce(sum(amount_billed), 0)                                           AS total,
               (SELECT count(*) FROM billed) + (SELECT count(*) FROM present) - count(*) AS skipped,
               (SELECT count(*) FROM account) - (SELECT count(*) FROM present)           AS gone,
               (SELECT coalesce(sum(amount), 0) FROM account)
                 - (SELECT coalesce(sum(amount), 0) FROM present)                        AS gone_total,
               (SELECT coalesce(json_agg(too_large ORDER BY customer_id), '[]') FROM too_large) AS too_large
        FROM created
        """,  # noqa: S608 (CHARGES and LINES_OF_CREATED hold no value)
        {**_of_run(cur, period), "due_date": due_date},
    )
    return cur.row()


def _of_customer(customer_id: int, period: date) -> Row:
    """Return the values of CHARGES for all months of a customer, to a month at least, on a bill of no month."""
    return {"period": period, "own_month": None, "first": FIRST_DAY, "customer_id": customer_id, "largest": LARGEST,
            "most": SHOWN_TOO_LARGE}


def _note_who_is_found_late(cur: Cursor, period: date) -> None:
    """Note services that were always there, and that a late run found which those of later months did not find."""
    cur.execute(
        """
        SELECT unsettle(array_agg(service_id), array_agg((%(period)s + interval '1 month')::date), NULL)
        FROM billing_items
        JOIN billing USING (billing_id)
        JOIN services USING (service_id)
        WHERE first_day BETWEEN %(period)s AND (%(period)s + interval '1 month - 1 day')::date
          AND cancelled_on IS NULL AND started_on IS NULL
          AND EXISTS (SELECT FROM billing WHERE period > %(period)s AND cancelled_on IS NULL)
          AND NOT EXISTS (
              SELECT FROM billing_items AS next_item
              JOIN billing AS next_bill USING (billing_id)
              WHERE next_item.service_id = billing_items.service_id AND next_bill.cancelled_on IS NULL
                AND first_day BETWEEN %(period)s + interval '1 month' AND %(period)s + interval '2 months - 1 day'
          )
        """,
        {"period": period},
    )


def final_balance(cur: Cursor, customer_id: int, last_day: date) -> Decimal:
    """Return what final_bill() would come to; what is below 0 it would credit."""
    cur.execute(
        f"WITH {CHARGES} SELECT coalesce(sum(balance), 0) AS balance FROM account",  # noqa: S608 (as below)
        _of_customer(customer_id, last_day.replace(day=1)),
    )
    balance: Decimal = cur.row()["balance"]
    return balance


def final_bill(cur: Cursor, customer_id: int, last_day: date, due_date: date) -> int | None:
    """Bill a customer who leaves what is open of all months of their services, or credit it; return the bill's ID.

    Their services have ended already, on last_day at the latest. The bill is of no month; None where nothing is open.
    Where it comes to less than nothing, it is over 0.00, and a credit note has what is too much. What somebody changes
    meanwhile stays noted, for an account that is reopened.
    """
    cur.execute(
        f"""
        WITH {CHARGES}, created AS (
            INSERT INTO billing (customer_id, description, due_date, amount_billed)
            SELECT customer_id, 'Final bill, to ' || to_char(%(last_day)s, 'FMDD FMMonth YYYY'), %(due_date)s, amount
            FROM account
            RETURNING billing_id, customer_id
        ), {LINES_OF_CREATED}, settled AS (
            DELETE FROM unsettled_services
            USING noted
            WHERE unsettled_services.service_id = noted.service_id AND unsettled_services.xmin = noted.version
              AND noted.service_id IN (SELECT service_id FROM service)
        )
        SELECT billing_id FROM created
        """,  # noqa: S608 (as above)
        {**_of_customer(customer_id, last_day.replace(day=1)), "last_day": last_day, "due_date": due_date},
    )
    row = cur.fetchone()
    return row["billing_id"] if row else None


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
            WHERE billing.period = month.period AND cancelled_on IS NULL
            HAVING count(*) > 0
        ) AS run
        ORDER BY period DESC
        LIMIT %(limit)s
        """,
        patient=True, limit=limit, years=YEARS_BACK,
    )


# The bills that an undo of a month leaves: somebody has paid on them other than from credit, or they were written off,
# or they are of a closed account, which no run bills again.
IS_KEPT = """
    (EXISTS (
        SELECT FROM payment_allocations
        JOIN payments USING (payment_id)
        WHERE payment_allocations.billing_id = billing.billing_id AND released_on IS NULL AND voided_at IS NULL
          AND (NOT from_credit OR kind = 'write-off')
    ) OR EXISTS (
        SELECT FROM customers WHERE customers.customer_id = billing.customer_id AND closed_on IS NOT NULL
    ))
"""


def preview_undo(period: date) -> UndoPreview:
    """Say what undoing a month's bill run would do: removed and their total, and kept, those IS_KEPT leaves."""
    return only(fetch_one(
        f"""
        SELECT count(*) FILTER (WHERE NOT is_kept)                       AS removed,
               coalesce(sum(amount_billed) FILTER (WHERE NOT is_kept), 0) AS total,
               count(*) FILTER (WHERE is_kept)                           AS kept
        FROM (
            SELECT amount_billed, {IS_KEPT} AS is_kept FROM billing WHERE period = %(period)s AND cancelled_on IS NULL
        ) AS bill
        """,  # noqa: S608 (IS_KEPT holds no value)
        patient=True, period=period,
    ))


@retried
def undo(period: date) -> UndoResult:
    """Remove a month's bills, but for those that were paid on other than from credit, and those of closed accounts.

    Return removed and kept, counted, and under bills the first SHOWN_KEPT that stay, each with its customer's name
    and what was paid. Credit that the removed bills had used is credit again, and pays older bills first. What they
    were for is billed again by the next run.
    """
    with transaction() as cur:
        take_turn(cur, "bill run")
        give_reason(cur, f"undo of the bill run {period:%Y-%m}")
        _lock_period(cur, period)
        cur.execute(
            f"""
            SELECT coalesce(array_agg(billing_id), '{{}}') AS ids
            FROM billing
            WHERE period = %(period)s AND cancelled_on IS NULL AND NOT {IS_KEPT}
            """,  # noqa: S608 (IS_KEPT holds no value)
            {"period": period},
        )
        ids: list[int] = cur.row()["ids"]
        _refuse_with_late_fees(cur, ids)
        cancel_bills(cur, ids)
        cur.execute(
            """
            SELECT billing_id, customer_id, name, amount_billed, amount_paid, last_payment_date,
                   count(*) OVER () AS kept
            FROM billing
            JOIN customers USING (customer_id)
            WHERE period = %(period)s AND cancelled_on IS NULL
            ORDER BY billing_id
            LIMIT %(limit)s
            """,
            {"period": period, "limit": SHOWN_KEPT},
        )
        bills: list[Any] = cur.fetchall()
        return {"removed": len(ids), "kept": bills[0]["kept"] if bills else 0, "bills": bills}


def _refuse_with_late_fees(cur: Cursor, ids: list[int]) -> None:
    """Raise Conflict where bills have late fees, which would be of nothing, and name the first SHOWN_WITH_FEES."""
    cur.execute(
        """
        SELECT bill.billing_id, name, count(*) OVER () AS bills
        FROM billing AS fee
        JOIN billing AS bill ON bill.billing_id = fee.late_fee_for
        JOIN customers ON customers.customer_id = bill.customer_id
        WHERE fee.late_fee_for = ANY (%(ids)s) AND fee.cancelled_on IS NULL
        ORDER BY bill.billing_id
        LIMIT %(limit)s
        """,
        {"ids": ids, "limit": SHOWN_WITH_FEES},
    )
    if not (rows := cur.fetchall()):
        return
    more = rows[0]["bills"] - len(rows)
    named = ", ".join(f"bill {row['billing_id']} of {row['name']}" for row in rows)
    raise Conflict(f"Late fees are deleted before their bills, and nothing was removed. These have one: {named}"
                   f"{f', and {more} more' if more else ''}.")


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
