"""What the records add up to: who is late, what each customer has and owes.

Every figure has one query, whichever screen or file shows it.
"""
from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import TypedDict, cast

from database import BillItem, existing, fetch_all, fetch_one, reading, retried, streaming
from tracker.cursor import Cursor, be_patient

LATEST_PAID = 3


class LateTotal(TypedDict):
    customers: int
    amount: Decimal


class LateCustomer(TypedDict):
    customer_id: int
    name: str
    phone_number: str | None
    amount_late: Decimal
    oldest_due_date: date
    days_late: int
    last_payment_date: date | None


class SiteService(TypedDict):
    service_id: int
    service_name: str
    cost: Decimal


class SiteEquipment(TypedDict):
    equipment_id: int
    equipment_name: str
    serial_number: str | None
    cost: Decimal


class Site(TypedDict):
    location_id: int
    address: str
    services: list[SiteService]
    equipment: list[SiteEquipment]


class PaymentOnBill(TypedDict):
    payment_id: int
    paid_on: str
    amount: Decimal
    voided_on: str | None


class OpenBill(TypedDict):
    billing_id: int
    description: str
    due_date: str
    amount_billed: Decimal
    amount_paid: Decimal
    amount_due: Decimal
    days_late: int
    today: str
    payments: list[PaymentOnBill]


class SettledBill(TypedDict):
    billing_id: int
    description: str
    due_date: str
    amount_billed: Decimal
    last_payment_date: str | None


class Account(TypedDict):
    """What a customer has and owes. Days inside lists are ISO text.

    unpaid_bills begin with the one due first; paid_bills are the LATEST_PAID latest of paid_bill_count, latest first.
    """

    customer_id: int
    name: str
    phone_number: str | None
    customer_since: date
    locations: list[Site]
    monthly_total: Decimal
    unpaid_bills: list[OpenBill]
    paid_bills: list[SettledBill]
    paid_bill_count: int
    amount_due: Decimal
    credit: Decimal


class Ages(TypedDict):
    """What is owed by age: not due yet, 1 to 30 days late, 31 to 60, 61 to 90, older, and all of it."""

    not_due: Decimal
    days_30: Decimal
    days_60: Decimal
    days_90: Decimal
    older: Decimal
    total: Decimal


class AgedCustomer(Ages):
    customer_id: int
    name: str
    oldest_due_date: date


class AgedTotal(Ages):
    customers: int


class RecurringRevenue(TypedDict):
    service_name: str
    services: int
    monthly: Decimal


class MonthlyRevenue(TypedDict):
    """Billed by the month it is for, or by date of issue; collected by date of payment, voids left out."""

    month: date
    billed: Decimal
    collected: Decimal


class StatementEntry(TypedDict):
    """kind is bill, payment or void; the amounts of payments are negative; only bills have items."""

    day: str
    kind: str
    record_id: int
    description: str
    amount: Decimal
    items: list[BillItem] | None


class Statement(TypedDict):
    """What a customer owed at the start and the end (credit is negative), and what changed it, in order."""

    customer_id: int
    name: str
    phone_number: str | None
    opening: Decimal
    closing: Decimal
    entries: list[StatementEntry]


@retried
def late_total() -> LateTotal:
    """Return how many customers are late (customers) and with how much in total (amount)."""
    with reading() as cur:
        return sum_late(cur)


def sum_late(cur: Cursor) -> LateTotal:
    cur.execute(
        """
        SELECT count(DISTINCT customer_id) AS customers, coalesce(sum(amount_due), 0) AS amount
        FROM billing_status
        WHERE is_late
        """
    )
    return cast(LateTotal, cur.row())


@retried
def late_customers(after: tuple[date, int] | None = None, limit: int = 100) -> list[LateCustomer]:
    """Return a page of the late-payment report, the longest late first.

    after is the oldest_due_date and customer_id of the last row of the page before.
    """
    with reading() as cur:
        _late_customers(cur, after, limit)
        return cast(list[LateCustomer], cur.fetchall())


def stream_late_customers() -> Iterator[LateCustomer]:
    """Yield the whole late-payment report, in flat memory."""
    with streaming() as cur:
        _late_customers(cur, None, None)
        yield from cur


def _late_customers(
    cur: Cursor, after: tuple[date, int] | None, limit: int | None
) -> None:
    """Group and limit the late bills first, then sum and name only the customers of the page.

    At a million customers that takes 30 ms, and 330 to 510 ms when customers are joined before.
    """
    after_day, after_id = after or (date.min, 0)
    cur.execute(
        """
        WITH late AS MATERIALIZED (
            SELECT customer_id, min(due_date) AS oldest_due_date
            FROM billing_status
            WHERE is_late
            GROUP BY customer_id
            HAVING (min(due_date), customer_id) > (%(after_day)s::date, %(after_id)s)
            ORDER BY oldest_due_date, customer_id
            LIMIT %(limit)s
        )
        SELECT customer_id, name, phone_number,
               (SELECT sum(amount_due)
                FROM billing_status
                WHERE billing_status.customer_id = late.customer_id AND is_late) AS amount_late,
               oldest_due_date,
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
def get_account(customer_id: int) -> Account:
    """Return a customer's account; raise NotFound if there is none."""
    with reading() as cur:
        _accounts(cur, customer_id, 0, 1)
        return cast(Account, existing("customer", customer_id, cur.fetchone()))


@retried
def list_accounts(after: int = 0, limit: int = 20) -> list[Account]:
    """Return the accounts of the customers whose IDs follow after."""
    with reading() as cur:
        _accounts(cur, None, after, limit)
        return cast(list[Account], cur.fetchall())


def each_account() -> Iterator[Account]:
    """Yield every account, a batch at a time: between batches no transaction is open."""
    after = 0
    while batch := list_accounts(after):
        yield from batch
        after = batch[-1]["customer_id"]


def stream_accounts() -> Iterator[Account]:
    """Yield every account, in flat memory."""
    with streaming() as cur:
        _accounts(cur, None, 0, None)
        yield from cur


def _accounts(
    cur: Cursor, customer_id: int | None, after: int, limit: int | None
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
                       'amount_due', amount_due::numeric(12,2), 'days_late', days_late, 'today', CURRENT_DATE,
                       'payments', (
                           SELECT coalesce(json_agg(json_build_object(
                                      'payment_id', payment_id, 'paid_on', paid_on,
                                      'amount', allocation.amount::numeric(12,2), 'voided_on', voided_on
                                  ) ORDER BY paid_on, payment_id), '[]')
                           FROM payment_allocations AS allocation
                           JOIN payments USING (payment_id)
                           WHERE allocation.billing_id = billing_status.billing_id
                       )
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


@retried
def aging(as_of: date | None = None, after: tuple[date, int] | None = None, limit: int = 100) -> list[AgedCustomer]:
    """Return a page of what customers owe by age on a day, whose oldest bill was due first first: late ones lead.

    after is oldest_due_date and customer_id of the last row of the page before. A past day is answered from the
    payments as they stood then, those since voided included.
    """
    with reading() as cur:
        be_patient(cur)
        _aging(cur, as_of, after, limit)
        return cast(list[AgedCustomer], cur.fetchall())


def stream_aging(as_of: date | None = None) -> Iterator[AgedCustomer]:
    """Yield the whole aging report, in flat memory."""
    with streaming() as cur:
        _aging(cur, as_of, None, None)
        yield from cur


@retried
def aging_total(as_of: date | None = None) -> AgedTotal:
    """Return the aging report's last line: the amounts of aging() summed, and how many customers they are of."""
    with reading() as cur:
        be_patient(cur)
        return sum_aged(cur, as_of)


def sum_aged(cur: Cursor, as_of: date | None) -> AgedTotal:
    cur.execute(
        """
        SELECT count(DISTINCT customer_id)                                     AS customers,
               coalesce(sum(amount) FILTER (WHERE days <= 0), 0)               AS not_due,
               coalesce(sum(amount) FILTER (WHERE days BETWEEN 1 AND 30), 0)   AS days_30,
               coalesce(sum(amount) FILTER (WHERE days BETWEEN 31 AND 60), 0)  AS days_60,
               coalesce(sum(amount) FILTER (WHERE days BETWEEN 61 AND 90), 0)  AS days_90,
               coalesce(sum(amount) FILTER (WHERE days > 90), 0)               AS older,
               coalesce(sum(amount), 0)                                        AS total
        FROM owed_on(coalesce(%(as_of)s::date, CURRENT_DATE))
        """,
        {"as_of": as_of},
    )
    return cast(AgedTotal, cur.row())


def _aging(
    cur: Cursor,
    as_of: date | None,
    after: tuple[date, int] | None,
    limit: int | None,
) -> None:
    after_day, after_id = after or (date.min, 0)
    cur.execute(
        """
        WITH aged AS MATERIALIZED (
            SELECT customer_id,
                   coalesce(sum(amount) FILTER (WHERE days <= 0), 0)               AS not_due,
                   coalesce(sum(amount) FILTER (WHERE days BETWEEN 1 AND 30), 0)   AS days_30,
                   coalesce(sum(amount) FILTER (WHERE days BETWEEN 31 AND 60), 0)  AS days_60,
                   coalesce(sum(amount) FILTER (WHERE days BETWEEN 61 AND 90), 0)  AS days_90,
                   coalesce(sum(amount) FILTER (WHERE days > 90), 0)               AS older,
                   sum(amount)                                                     AS total,
                   coalesce(%(as_of)s::date, CURRENT_DATE) - max(days)             AS oldest_due_date
            FROM owed_on(coalesce(%(as_of)s::date, CURRENT_DATE))
            GROUP BY customer_id
            HAVING (coalesce(%(as_of)s::date, CURRENT_DATE) - max(days), customer_id)
                 > (%(after_day)s::date, %(after_id)s)
            ORDER BY oldest_due_date, customer_id
            LIMIT %(limit)s
        )
        SELECT customer_id, name, not_due, days_30, days_60, days_90, older, total, oldest_due_date
        FROM aged
        JOIN customers USING (customer_id)
        ORDER BY oldest_due_date, customer_id
        """,
        {"as_of": as_of, "after_day": after_day, "after_id": after_id, "limit": limit},
    )


def recurring_revenue() -> list[RecurringRevenue]:
    """Return the monthly recurring revenue by service name: service_name, services (how many), monthly."""
    return fetch_all(
        """
        SELECT service_name, count(*) AS services, sum(cost) AS monthly
        FROM services
        GROUP BY service_name
        ORDER BY monthly DESC, service_name
        """,
        patient=True,
    )


def monthly_revenue(by: str = "period") -> list[MonthlyRevenue]:
    """Return what was billed and collected in the last 12 months, and what is billed for months ahead already.

    Billed is by the month that a bill run billed for, where there is one, or all of it by date of issue (by is period
    or issue); collected by date of payment, voids left out.
    """
    return fetch_all(
        """
        WITH year AS (
            SELECT generate_series(date_trunc('month', CURRENT_DATE) - interval '11 months',
                                   date_trunc('month', CURRENT_DATE), interval '1 month')::date AS month
        ), billed AS (
            SELECT date_trunc('month', day)::date AS month, sum(amount_billed) AS amount
            FROM (
                SELECT CASE WHEN %(by)s = 'period' THEN coalesce(period, issued_on) ELSE issued_on END AS day,
                       amount_billed
                FROM billing
            ) AS bill
            WHERE day >= (SELECT min(month) FROM year)
            GROUP BY 1
        ), collected AS (
            SELECT date_trunc('month', paid_on)::date AS month, sum(amount) AS amount
            FROM payments
            WHERE paid_on >= (SELECT min(month) FROM year) AND voided_at IS NULL
            GROUP BY 1
        )
        SELECT month, coalesce(billed.amount, 0) AS billed, coalesce(collected.amount, 0) AS collected
        FROM year
        FULL JOIN billed USING (month)
        FULL JOIN collected USING (month)
        ORDER BY month
        """,
        patient=True, by=by,
    )


def get_statement(customer_id: int, first: date, last: date) -> Statement:
    """Return a customer's statement from first to last, both included; raise NotFound if there is no such customer.

    Why a payment was voided is not for the customer's eyes. One up to today tells all there is by now: what was
    recorded where it is tomorrow already counts as in aging().
    """
    return existing("customer", customer_id, fetch_one(
        """
        WITH entry AS (
            SELECT issued_on AS day, 1 AS rank, 'bill' AS kind, billing_id AS record_id,
                   description || ', due ' || due_date AS description, amount_billed AS amount
            FROM billing
            WHERE customer_id = %(customer_id)s
            UNION ALL
            SELECT paid_on, 2, 'payment', payment_id,
                   concat_ws(', ', method, reference), -amount
            FROM payments
            WHERE customer_id = %(customer_id)s
            UNION ALL
            SELECT greatest(voided_on, paid_on), 3, 'void', payment_id,
                   'of payment ' || payment_id, amount
            FROM payments
            WHERE customer_id = %(customer_id)s AND voided_on IS NOT NULL
        )
        SELECT customer_id, name, phone_number,
               (SELECT coalesce(sum(amount), 0) FROM entry WHERE day < %(first)s)  AS opening,
               (SELECT coalesce(sum(amount), 0) FROM entry WHERE day <= until)     AS closing,
               (SELECT coalesce(json_agg(json_build_object(
                           'day', day, 'kind', kind, 'record_id', record_id, 'description', description,
                           'amount', amount::numeric(12,2),
                           'items', (SELECT json_agg(json_build_object('description', item.description,
                                                                       'amount', item.amount::numeric(12,2))
                                                     ORDER BY billing_item_id)
                                     FROM billing_items AS item
                                     WHERE entry.kind = 'bill' AND item.billing_id = entry.record_id)
                       ) ORDER BY day, rank, record_id), '[]')
                FROM entry
                WHERE day BETWEEN %(first)s AND until)                             AS entries
        FROM customers
        CROSS JOIN (SELECT CASE WHEN %(last)s < CURRENT_DATE THEN %(last)s ELSE 'infinity' END AS until) AS span
        WHERE customer_id = %(customer_id)s
        """,
        customer_id=customer_id, first=first, last=last,
    ))
