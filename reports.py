"""What the records add up to: who is late, what each customer has and owes.

Every figure has one query, whichever screen or file shows it.
"""
from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Optional

import psycopg2.extensions

from database import NotFound, Row, reading, retried, streaming

LATEST_PAID = 3


@retried
def late_total() -> Row:
    """Return how many customers are late (customers) and with how much in total (amount)."""
    with reading() as cur:
        cur.execute(
            """
            SELECT count(*) AS customers, coalesce(sum(amount), 0) AS amount
            FROM (SELECT sum(amount_due) AS amount FROM billing_status WHERE is_late GROUP BY customer_id) AS late
            """
        )
        return cur.fetchone()


@retried
def late_customers(after: Optional[tuple[date, int]] = None, limit: int = 100) -> list[Row]:
    """Return a page of the late-payment report, the longest late first.

    after is the oldest_due_date and customer_id of the last row of the page before.
    """
    with reading() as cur:
        _late_customers(cur, after, limit)
        return cur.fetchall()


def stream_late_customers() -> Iterator[Row]:
    """Yield the whole late-payment report, in flat memory."""
    with streaming() as cur:
        _late_customers(cur, None, None)
        yield from cur


def _late_customers(
    cur: psycopg2.extensions.cursor, after: Optional[tuple[date, int]], limit: Optional[int]
) -> None:
    """Sum and limit the late bills first and join the customers last: at a million customers ten times as fast."""
    after_day, after_id = after or (date.min, 0)
    cur.execute(
        """
        WITH late AS MATERIALIZED (
            SELECT customer_id, sum(amount_due) AS amount_late, min(due_date) AS oldest_due_date
            FROM billing_status
            WHERE is_late
            GROUP BY customer_id
            HAVING (min(due_date), customer_id) > (%(after_day)s::date, %(after_id)s)
            ORDER BY oldest_due_date, customer_id
            LIMIT %(limit)s
        )
        SELECT customer_id, name, phone_number, amount_late, oldest_due_date,
               CURRENT_DATE - oldest_due_date AS days_late,
               (SELECT max(paid_on)
                FROM payments
                WHERE payments.customer_id = late.customer_id AND voided_at IS NULL) AS last_payment_date
        FROM late
        JOIN customers USING (customer_id)
        ORDER BY oldest_due_date, customer_id
        """,
        {"after_day": after_day, "after_id": after_id, "limit": limit},
    )


@retried
def account(customer_id: int) -> Row:
    """Return a customer's account, shaped as in accounts(); raise NotFound if there is none."""
    with reading() as cur:
        _accounts(cur, customer_id, 0, 1)
        if row := cur.fetchone():
            return row
    raise NotFound("customer", customer_id)


@retried
def accounts(after: int = 0, limit: int = 20) -> list[Row]:
    """Return the accounts of the customers whose IDs follow after.

    Each has the customer's own columns; locations, a list, each with its services and equipment; monthly_total;
    unpaid_bills, the one due first first; paid_bills, the LATEST_PAID latest first, of paid_bill_count; amount_due
    and credit.
    """
    with reading() as cur:
        _accounts(cur, None, after, limit)
        return cur.fetchall()


def stream_accounts() -> Iterator[Row]:
    """Yield every account, shaped as in accounts(), in flat memory."""
    with streaming() as cur:
        _accounts(cur, None, 0, None)
        yield from cur


def _accounts(
    cur: psycopg2.extensions.cursor, customer_id: Optional[int], after: int, limit: Optional[int]
) -> None:
    cur.execute(
        """
        SELECT customer.customer_id, customer.name, customer.phone_number, customer.created_at::date AS customer_since,
               coalesce(site.locations, '[]')          AS locations,
               coalesce(site.monthly_total, 0)         AS monthly_total,
               coalesce(unpaid.bills, '[]')            AS unpaid_bills,
               coalesce(paid.bills, '[]')              AS paid_bills,
               (SELECT count(*)
                FROM billing
                WHERE billing.customer_id = customer.customer_id AND amount_due = 0) AS paid_bill_count,
               coalesce(unpaid.amount_due, 0)          AS amount_due,
               coalesce((SELECT credit
                         FROM customer_credit
                         WHERE customer_credit.customer_id = customer.customer_id), 0) AS credit
        FROM customers AS customer
        CROSS JOIN LATERAL (
            SELECT json_agg(json_build_object(
                       'location_id', location_id,
                       'address', address,
                       'services', coalesce(service.list, '[]'),
                       'equipment', coalesce(device.list, '[]')
                   ) ORDER BY location_id) AS locations,
                   sum(service.cost) AS monthly_total
            FROM locations
            CROSS JOIN LATERAL (
                SELECT json_agg(json_build_object(
                           'service_id', service_id, 'service_name', service_name, 'cost', cost::numeric(12,2)
                       ) ORDER BY service_id) AS list,
                       sum(cost) AS cost
                FROM services
                WHERE services.location_id = locations.location_id
            ) AS service
            CROSS JOIN LATERAL (
                SELECT json_agg(json_build_object(
                           'equipment_id', equipment_id, 'equipment_name', equipment_name,
                           'serial_number', serial_number, 'cost', cost::numeric(12,2)
                       ) ORDER BY equipment_id) AS list
                FROM equipment
                WHERE equipment.location_id = locations.location_id
            ) AS device
            WHERE locations.customer_id = customer.customer_id
        ) AS site
        CROSS JOIN LATERAL (
            SELECT json_agg(json_build_object(
                       'billing_id', billing_id, 'description', description, 'due_date', due_date,
                       'amount_billed', amount_billed::numeric(12,2), 'amount_paid', amount_paid::numeric(12,2),
                       'amount_due', amount_due::numeric(12,2), 'days_late', days_late
                   ) ORDER BY due_date, billing_id) AS bills,
                   sum(amount_due) AS amount_due
            FROM billing_status
            WHERE billing_status.customer_id = customer.customer_id AND amount_due > 0
        ) AS unpaid
        CROSS JOIN LATERAL (
            SELECT json_agg(json_build_object(
                       'billing_id', billing_id, 'description', description, 'due_date', due_date,
                       'amount_billed', amount_billed::numeric(12,2), 'last_payment_date', last_payment_date
                   ) ORDER BY due_date DESC, billing_id DESC) AS bills
            FROM (
                SELECT *
                FROM billing
                WHERE billing.customer_id = customer.customer_id AND amount_due = 0
                ORDER BY due_date DESC, billing_id DESC
                LIMIT %(latest)s
            ) AS latest
        ) AS paid
        WHERE (%(customer_id)s::bigint IS NULL OR customer.customer_id = %(customer_id)s)
          AND customer.customer_id > %(after)s
        ORDER BY customer.customer_id
        LIMIT %(limit)s
        """,
        {"customer_id": customer_id, "after": after, "limit": limit, "latest": LATEST_PAID},
    )
