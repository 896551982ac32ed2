"""What the records add up to: who is late, what each customer has and owes.

Every figure has one query, whichever screen or file shows it.
"""
from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict, cast

from database import (
    BillItem,
    ComingPrice,
    customer_patterns,
    existing,
    fetch_all,
    fetch_one,
    reading,
    retried,
    stream,
)
from tracker.cursor import Cursor, Row, be_patient

LATEST_PAID, LATEST_NOTES = 3, 3
Sort = Literal["oldest", "amount", "name"]
After = tuple[Any, int]  # oldest_due_date, amount or name of the last row of a page, and its customer_id


class LateTotal(TypedDict):
    customers: int
    amount: Decimal


class Promise(TypedDict):
    """A promise to pay, until a day that is ISO text; state is open or broken."""

    amount: Decimal
    until: str
    state: str


class LateCustomer(TypedDict):
    """reference is what a transfer is to name, so that who paid is found; promise is that of today alone."""

    customer_id: int
    name: str
    phone_number: str | None
    closed_on: date | None
    amount_late: Decimal
    oldest_due_date: date
    days_late: int
    last_payment_date: date | None
    email: str | None
    account_number: str | None
    reference: str
    promise: Promise | None


class SiteService(TypedDict):
    service_id: int
    service_name: str
    cost: Decimal
    started_on: str | None
    ended_on: str | None
    standing: str | None
    coming_prices: list[ComingPrice]


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
    kind: str
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


class LatestNote(TypedDict):
    """What was noted of a customer; state is what has become of its promise: open, kept or broken."""

    customer_note_id: int
    noted_on: str
    noted_by: str
    note: str | None
    promised_until: str | None
    promised_amount: Decimal | None
    state: str | None


class Account(TypedDict):
    """What a customer has and owes. Days inside lists are ISO text.

    unpaid_bills begin with the one due first; paid_bills are the LATEST_PAID latest of paid_bill_count, latest first,
    and notes the LATEST_NOTES latest of note_count. promise is as in the late list.
    """

    customer_id: int
    name: str
    phone_number: str | None
    email: str | None
    account_number: str | None
    closed_on: date | None
    erased_on: date | None
    merged_into: int | None
    customer_since: date
    locations: list[Site]
    monthly_total: Decimal
    unpaid_bills: list[OpenBill]
    paid_bills: list[SettledBill]
    paid_bill_count: int
    amount_due: Decimal
    credit: Decimal
    promise: Promise | None
    notes: list[LatestNote]
    note_count: int


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
    """Billed by the month it is for, or by date of issue; the others by their day. What was changed, deleted or voided
    later lowers the month in which it was.
    """

    month: date
    billed: Decimal
    credited: Decimal
    written_off: Decimal
    collected: Decimal
    refunded: Decimal


class ReceivedByMethod(TypedDict):
    """payments counts those that came, and received sums them; voided and refunded are below 0 where money was taken
    back, and total is what is left.
    """

    method: str
    payments: int
    received: Decimal
    voided: Decimal
    refunded: Decimal
    total: Decimal


class ReceivedOnDay(TypedDict):
    day: date
    entries: int


class Received(TypedDict):
    """What a span of days brought, by method; days are those that have entries."""

    first: date
    last: date
    methods: list[ReceivedByMethod]
    days: list[ReceivedOnDay]


class ReceivedEntry(TypedDict):
    """kind is payment, refund, void, or void of refund; amount is below 0 where money went, and reason a void's."""

    payment_id: int
    day: date
    customer_id: int
    name: str
    kind: str
    amount: Decimal
    method: str
    reference: str | None
    reason: str | None


AfterEntry = tuple[date, int, int]  # day, payment_id and 1 for a void, of the last row of a page


class StatementEntry(TypedDict):
    """kind is bill, adjustment or deletion of a bill, payment, credit note, write-off, refund or void; amounts say what
    they add to what is owed; only bills have items, those that they were issued with.
    """

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
    account_number: str | None
    opening: Decimal
    closing: Decimal
    entries: list[StatementEntry]


# What a list of who owes is made of: whose bills count, in which order, and which customers a search leaves.
LATE = {
    "today": "SELECT customer_id, due_date, amount_due AS amount FROM billing_status WHERE is_late",
    "on a day": "SELECT customer_id, %(as_of)s::date - days AS due_date, amount FROM owed_on(%(as_of)s) WHERE days > 0",
}
OWED = """
    SELECT customer_id, coalesce(%(as_of)s::date, CURRENT_DATE) - days AS due_date, amount, days
    FROM owed_on(coalesce(%(as_of)s::date, CURRENT_DATE))
"""
# A full join is hashed whatever the planner takes a search to find; a nested loop, which it likes for few, took 28 s.
MEANT = {
    "all": "",
    "by name": """
        FULL JOIN (
            SELECT customer_id, true AS is_meant
            FROM customers
            WHERE name_folded ~ %(word)s AND name_folded ~ ALL (%(others)s)
            UNION
            SELECT customer_id, true
            FROM customers
            WHERE lower(account_number) LIKE %(account)s
        ) AS meant USING (customer_id)
        WHERE coalesce(is_meant, false) AND coalesce(amount, 0) > 0
    """,
    "by name or number": """
        FULL JOIN (
            SELECT customer_id, true AS is_meant
            FROM customers
            WHERE name_folded ~ %(word)s AND name_folded ~ ALL (%(others)s)
            UNION
            SELECT customer_id, true
            FROM customers
            WHERE lower(account_number) LIKE %(account)s
            UNION
            SELECT customer_id, true
            FROM customers
            WHERE translate(phone_number, ' +().-/', '') LIKE ANY (%(phones)s)
        ) AS meant USING (customer_id)
        WHERE coalesce(is_meant, false) AND coalesce(amount, 0) > 0
    """,
}
# The promise that matters of the customer who stands in the row of that name: the open one that ends first, else the
# broken one that ended last.
PROMISE_OF = """
    SELECT json_build_object('amount', promised_amount::numeric(12,2), 'until', promised_until, 'state', state)
    FROM promises
    WHERE promises.customer_id = {}.customer_id AND state <> 'kept'
    ORDER BY state DESC, CASE state WHEN 'open' THEN promised_until END, promised_until DESC, customer_note_id DESC
    LIMIT 1
"""
AGES = """
    coalesce(sum(amount) FILTER (WHERE days <= 0), 0)               AS not_due,
    coalesce(sum(amount) FILTER (WHERE days BETWEEN 1 AND 30), 0)   AS days_30,
    coalesce(sum(amount) FILTER (WHERE days BETWEEN 31 AND 60), 0)  AS days_60,
    coalesce(sum(amount) FILTER (WHERE days BETWEEN 61 AND 90), 0)  AS days_90,
    coalesce(sum(amount) FILTER (WHERE days > 90), 0)               AS older
"""


# Money that came and went on the days of a span (part 0), and voids of such (1), which count on their own day, though
# not before that of the payment, as in monthly_revenue().
RECEIVED = """
    SELECT day, payment_id, part, customer_id,
           CASE WHEN part = 0 THEN kind WHEN kind = 'payment' THEN 'void' ELSE 'void of refund' END AS kind,
           CASE WHEN (part = 0) = (kind = 'payment') THEN amount ELSE -amount END AS amount,
           method, reference, CASE part WHEN 1 THEN void_reason END AS reason
    FROM (
        SELECT paid_on AS day, part, payments.*
        FROM payments
        CROSS JOIN (VALUES (0), (1)) AS entry (part)
        WHERE paid_on BETWEEN %(first)s AND %(last)s AND (part = 0 OR voided_on <= paid_on)
        UNION ALL
        SELECT voided_on, 1, payments.*
        FROM payments
        WHERE voided_on BETWEEN %(first)s AND %(last)s AND voided_on > paid_on
    ) AS entry
    WHERE kind IN ('payment', 'refund')
"""


class Order(NamedTuple):
    """An order of such a list: its key, the same of the row that after is of, and what the key is of besides."""

    key: str
    after: str
    whose: str = ""


ORDERS: dict[Sort, Order] = {
    "oldest": Order("oldest_due_date", "%(after)s::date"),
    "amount": Order("-total", "-%(after)s::numeric"),
    "name": Order("name_folded", "folded(%(after)s)", "JOIN customers USING (customer_id)"),
}


class _Asked(NamedTuple):
    """The parts of a statement about who owes, and its values."""

    late: str
    meant: str
    order: Order
    values: Row


def _asked(
    as_of: date | None, search: str | None, sort: Sort = "oldest", after: After | None = None, limit: int | None = None
) -> _Asked:
    after_key, after_id = after or (None, 0)
    values = {"as_of": as_of, "after": after_key, "after_id": after_id, "limit": limit}
    meant = "all"
    if search and search.strip():
        patterns = customer_patterns(search)
        first, *others = patterns["words"] or [None]
        values.update(word=first, others=others, phones=patterns["phones"], account=patterns["account"])
        meant = "by name or number" if patterns["phones"] else "by name"
    return _Asked(LATE["on a day" if as_of else "today"], MEANT[meant], ORDERS[sort], values)


@retried
def late_total(as_of: date | None = None, search: str | None = None) -> LateTotal:
    """Return how many customers late_customers() has (customers), and with how much in total (amount)."""
    asked = _asked(as_of, search)
    with reading() as cur:
        if as_of:
            be_patient(cur)
        return _sum_late(cur, asked)


def sum_late(cur: Cursor) -> LateTotal:
    return _sum_late(cur, _asked(None, None))


def _sum_late(cur: Cursor, asked: _Asked) -> LateTotal:
    cur.execute(
        f"""
        SELECT count(DISTINCT customer_id) AS customers, coalesce(sum(amount), 0) AS amount
        FROM ({asked.late}) AS bill
        {asked.meant}
        """,  # noqa: S608 (the parts hold no value)
        asked.values,
    )
    return cast(LateTotal, cur.row())


@retried
def late_customers(
    after: After | None = None,
    limit: int = 100,
    *,
    as_of: date | None = None,
    sort: Sort = "oldest",
    search: str | None = None,
) -> list[LateCustomer]:
    """Return a page of the late-payment report, the longest late first, or the largest amount, or by name.

    after is the sort's key (oldest_due_date, amount_late or name) and customer_id of the last row of the page before.
    A past day is answered as aging() does, with the last payment of then; names and phone numbers are today's. search
    leaves those whose name has every word of it, or whose phone number has its digits.
    """
    asked = _asked(as_of, search, sort, after, limit)
    with reading() as cur:
        if as_of:
            be_patient(cur)
        _late_customers(cur, asked)
        return cast(list[LateCustomer], cur.fetchall())


def stream_late_customers(
    as_of: date | None = None, sort: Sort = "oldest", search: str | None = None
) -> Iterator[LateCustomer]:
    """Yield the whole late-payment report, in flat memory."""
    asked = _asked(as_of, search, sort)
    yield from stream(lambda cur: _late_customers(cur, asked))


def _late_customers(cur: Cursor, asked: _Asked) -> None:
    """Group and limit the late bills first, then name only the customers of the page.

    At a million customers that takes 20 ms, and 330 to 510 ms when customers are joined before.
    """
    cur.execute(
        f"""
        WITH late AS (
            SELECT customer_id, min(due_date) AS oldest_due_date, sum(amount) AS total
            FROM ({asked.late}) AS bill
            {asked.meant}
            GROUP BY customer_id
        ), page AS MATERIALIZED (
            SELECT customer_id, oldest_due_date, total, {asked.order.key} AS place
            FROM late
            {asked.order.whose}
            WHERE %(after_id)s = 0 OR ({asked.order.key}, customer_id) > ({asked.order.after}, %(after_id)s)
            ORDER BY place, customer_id
            LIMIT %(limit)s
        )
        SELECT customer_id, name, phone_number, closed_on, total AS amount_late, oldest_due_date,
               coalesce(%(as_of)s::date, CURRENT_DATE) - oldest_due_date AS days_late,
               (SELECT max(paid_on)
                FROM payments
                WHERE payments.customer_id = page.customer_id AND kind = 'payment'
                  AND CASE WHEN %(as_of)s::date < CURRENT_DATE
                      THEN paid_on <= %(as_of)s AND (voided_on IS NULL OR voided_on > %(as_of)s)
                      ELSE voided_at IS NULL END) AS last_payment_date,
               email, account_number, 'C' || customer_id AS reference,
               CASE WHEN coalesce(%(as_of)s::date, CURRENT_DATE) = CURRENT_DATE
               THEN ({PROMISE_OF.format("page")}) END AS promise
        FROM page
        JOIN customers USING (customer_id)
        ORDER BY place, customer_id
        """,  # noqa: S608 (the parts hold no value)
        asked.values,
    )


@retried
def get_account(customer_id: int) -> Account:
    """Return a customer's account; raise NotFound if there is none."""
    with reading() as cur:
        _accounts(cur, customer_id, 0, 1, closed=True)
        return cast(Account, existing("customer", customer_id, cur.fetchone()))


@retried
def list_accounts(after: int = 0, limit: int = 20, closed: bool = False) -> list[Account]:
    """Return the accounts of the customers whose IDs follow after, with those that are closed if wanted."""
    with reading() as cur:
        _accounts(cur, None, after, limit, closed)
        return cast(list[Account], cur.fetchall())


def each_account(closed: bool = False) -> Iterator[Account]:
    """Yield every account, a batch at a time: between batches no transaction is open."""
    after = 0
    while batch := list_accounts(after, closed=closed):
        yield from batch
        after = batch[-1]["customer_id"]


def stream_accounts(closed: bool = False) -> Iterator[Account]:
    """Yield every account, in flat memory."""
    yield from stream(lambda cur: _accounts(cur, None, 0, None, closed))


def _accounts(
    cur: Cursor, customer_id: int | None, after: int, limit: int | None, closed: bool
) -> None:
    cur.execute(
        f"""
        SELECT customer.customer_id, customer.name, customer.phone_number, customer.email, customer.account_number,
               customer.closed_on, customer.erased_on, customer.merged_into,
               customer.created_at::date               AS customer_since,
               coalesce(site.locations, '[]')          AS locations,
               coalesce(site.monthly_total, 0)         AS monthly_total,
               coalesce(unpaid.bills, '[]')            AS unpaid_bills,
               coalesce(paid.bills, '[]')              AS paid_bills,
               (SELECT count(*)
                FROM billing
                WHERE billing.customer_id = customer.customer_id AND amount_due = 0
                  AND cancelled_on IS NULL) AS paid_bill_count,
               coalesce(unpaid.amount_due, 0)          AS amount_due,
               coalesce((SELECT credit
                         FROM customer_credit
                         WHERE customer_credit.customer_id = customer.customer_id), 0) AS credit,
               ({PROMISE_OF.format("customer")}) AS promise,
               coalesce(noted.notes, '[]')             AS notes,
               (SELECT count(*)
                FROM customer_notes
                WHERE customer_notes.customer_id = customer.customer_id) AS note_count
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
                           'service_id', service_id, 'service_name', service_name, 'cost', cost::numeric(12,2),
                           'started_on', started_on, 'ended_on', ended_on, 'standing', standing,
                           'coming_prices', (
                               SELECT coalesce(json_agg(json_build_object(
                                          'from_day', from_day, 'cost', coming.cost::numeric(12,2)
                                      ) ORDER BY from_day), '[]')
                               FROM coming_prices AS coming
                               WHERE changes_on IS NOT NULL AND coming.service_id = services_today.service_id
                           )
                       ) ORDER BY service_id) AS list,
                       sum(cost) FILTER (WHERE runs) AS cost
                FROM services_today
                WHERE services_today.location_id = locations.location_id
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
                                      'payment_id', payment_id, 'kind', kind, 'paid_on', paid_on,
                                      'amount', paid.amount::numeric(12,2), 'voided_on', voided_on
                                  ) ORDER BY paid_on, payment_id), '[]')
                           FROM (
                               SELECT payment_id, sum(amount) AS amount
                               FROM payment_allocations AS allocation
                               WHERE allocation.billing_id = billing_status.billing_id AND released_on IS NULL
                               GROUP BY payment_id
                           ) AS paid
                           JOIN payments USING (payment_id)
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
                WHERE billing.customer_id = customer.customer_id AND amount_due = 0 AND cancelled_on IS NULL
                ORDER BY due_date DESC, billing_id DESC
                LIMIT %(latest)s
            ) AS latest
        ) AS paid
        CROSS JOIN LATERAL (
            SELECT json_agg(json_build_object(
                       'customer_note_id', customer_note_id, 'noted_on', noted_on, 'noted_by', noted_by, 'note', note,
                       'promised_until', promised_until, 'promised_amount', promised_amount::numeric(12,2),
                       'state', (SELECT state
                                 FROM promises
                                 WHERE promises.customer_note_id = latest.customer_note_id)
                   ) ORDER BY customer_note_id DESC) AS notes
            FROM (
                SELECT *
                FROM customer_notes
                WHERE customer_notes.customer_id = customer.customer_id
                ORDER BY customer_note_id DESC
                LIMIT %(latest_notes)s
            ) AS latest
        ) AS noted
        WHERE (%(customer_id)s::bigint IS NULL OR customer.customer_id = %(customer_id)s)
          AND customer.customer_id > %(after)s
          AND (%(customer_id)s::bigint IS NOT NULL OR closed_on IS NULL OR %(closed)s AND merged_into IS NULL)
        ORDER BY customer.customer_id
        LIMIT %(limit)s
        """,  # noqa: S608 (PROMISE_OF holds no value)
        {"customer_id": customer_id, "after": after, "limit": limit, "latest": LATEST_PAID,
         "latest_notes": LATEST_NOTES, "closed": closed},
    )


@retried
def aging(
    as_of: date | None = None,
    after: After | None = None,
    limit: int = 100,
    *,
    sort: Sort = "oldest",
    search: str | None = None,
) -> list[AgedCustomer]:
    """Return a page of what customers owe by age on a day, whose oldest bill was due first first: late ones lead.

    Other orders, after (oldest_due_date, total or name) and search are as in late_customers(). A past day is answered
    from the payments as they stood then, those since voided included.
    """
    asked = _asked(as_of, search, sort, after, limit)
    with reading() as cur:
        be_patient(cur)
        _aging(cur, asked)
        return cast(list[AgedCustomer], cur.fetchall())


def stream_aging(
    as_of: date | None = None, sort: Sort = "oldest", search: str | None = None
) -> Iterator[AgedCustomer]:
    """Yield the whole aging report, in flat memory."""
    asked = _asked(as_of, search, sort)
    yield from stream(lambda cur: _aging(cur, asked))


@retried
def aging_total(as_of: date | None = None, search: str | None = None) -> AgedTotal:
    """Return the aging report's last line: the amounts of aging() summed, and how many customers they are of."""
    asked = _asked(as_of, search)
    with reading() as cur:
        be_patient(cur)
        return _sum_aged(cur, asked)


def sum_aged(cur: Cursor) -> AgedTotal:
    return _sum_aged(cur, _asked(None, None))


def _sum_aged(cur: Cursor, asked: _Asked) -> AgedTotal:
    cur.execute(
        f"""
        SELECT count(DISTINCT customer_id) AS customers, {AGES}, coalesce(sum(amount), 0) AS total
        FROM ({OWED}) AS bill
        {asked.meant}
        """,  # noqa: S608 (the parts hold no value)
        asked.values,
    )
    return cast(AgedTotal, cur.row())


def _aging(cur: Cursor, asked: _Asked) -> None:
    cur.execute(
        f"""
        WITH aged AS (
            SELECT customer_id, {AGES}, sum(amount) AS total, min(due_date) AS oldest_due_date
            FROM ({OWED}) AS bill
            {asked.meant}
            GROUP BY customer_id
        ), page AS MATERIALIZED (
            SELECT aged.*, {asked.order.key} AS place
            FROM aged
            {asked.order.whose}
            WHERE %(after_id)s = 0 OR ({asked.order.key}, customer_id) > ({asked.order.after}, %(after_id)s)
            ORDER BY place, customer_id
            LIMIT %(limit)s
        )
        SELECT customer_id, name, not_due, days_30, days_60, days_90, older, total, oldest_due_date
        FROM page
        JOIN customers USING (customer_id)
        ORDER BY place, customer_id
        """,  # noqa: S608 (the parts hold no value)
        asked.values,
    )


def check_may_read() -> None:
    """Raise Forbidden where this login may not read what revenue and bill runs are summed from."""
    fetch_all("SELECT services.*, billing.*, payments.* FROM services, billing, payments LIMIT 0")


def recurring_revenue() -> list[RecurringRevenue]:
    """Return the monthly recurring revenue by service name: service_name, services (how many), monthly."""
    return fetch_all(
        """
        SELECT service_name, count(*) AS services, sum(coalesce(changing.cost, services.cost)) AS monthly
        FROM services
        LEFT JOIN changing_prices AS changing USING (service_id)
        WHERE (started_on > CURRENT_DATE OR ended_on < CURRENT_DATE) IS NOT TRUE
          AND NOT EXISTS (
              SELECT
              FROM service_pauses AS pause
              WHERE pause.service_id = services.service_id
                AND first_day <= CURRENT_DATE
                AND coalesce(last_day, 'infinity') >= CURRENT_DATE
          )
        GROUP BY service_name
        ORDER BY monthly DESC, service_name
        """,
        patient=True,
    )


def monthly_revenue(by: str = "period") -> list[MonthlyRevenue]:
    """Return what was billed, credited, written off, collected and refunded in each of the last 12 months, and what is
    billed for months ahead already.

    Billed is by the month that a bill run billed for, where there is one, or all of it by date of issue (by is period
    or issue), and a line that was booked later by its own day; the others are by their day, and a void by the day of
    that: no month that is over changes.
    """
    return fetch_all(
        """
        WITH year AS (
            SELECT generate_series(date_trunc('month', CURRENT_DATE) - interval '11 months',
                                   date_trunc('month', CURRENT_DATE), interval '1 month')::date AS month
        ), billed AS (
            SELECT day, sum(amount_billed) AS billed
            FROM (
                SELECT CASE WHEN %(by)s = 'period' THEN coalesce(period, issued_on) ELSE issued_on END AS day,
                       amount_billed
                FROM billing
            ) AS bill
            WHERE day >= (SELECT min(month) FROM year)
            GROUP BY 1
        ), changed AS (
            SELECT CASE WHEN %(by)s = 'period' THEN coalesce(period, issued_on) ELSE issued_on END AS day,
                   booked_on, amount
            FROM billing_items
            JOIN billing USING (billing_id)
            WHERE booked_on IS NOT NULL
        ), received AS (
            SELECT paid_on AS day,
                   sum(amount) FILTER (WHERE kind = 'payment')     AS collected,
                   sum(amount) FILTER (WHERE kind = 'credit note') AS credited,
                   sum(amount) FILTER (WHERE kind = 'write-off')   AS written_off,
                   sum(amount) FILTER (WHERE kind = 'refund')      AS refunded
            FROM payments
            WHERE paid_on >= (SELECT min(month) FROM year)
            GROUP BY 1
        ), part AS (
            SELECT day, billed, 0 AS credited, 0 AS written_off, 0 AS collected, 0 AS refunded FROM billed
            UNION ALL
            SELECT day, -amount, 0, 0, 0, 0 FROM changed
            UNION ALL
            SELECT greatest(day, booked_on), amount, 0, 0, 0, 0 FROM changed
            UNION ALL
            SELECT day, 0, credited, written_off, collected, refunded FROM received
            UNION ALL
            SELECT greatest(voided_on, paid_on), 0,
                   CASE kind WHEN 'credit note' THEN -amount END, CASE kind WHEN 'write-off' THEN -amount END,
                   CASE kind WHEN 'payment' THEN -amount END, CASE kind WHEN 'refund' THEN -amount END
            FROM payments
            WHERE voided_on IS NOT NULL
            UNION ALL
            SELECT month, 0, 0, 0, 0, 0 FROM year
        )
        SELECT date_trunc('month', day)::date AS month, sum(billed) AS billed, coalesce(sum(credited), 0) AS credited,
               coalesce(sum(written_off), 0) AS written_off, coalesce(sum(collected), 0) AS collected,
               coalesce(sum(refunded), 0) AS refunded
        FROM part
        WHERE day >= (SELECT min(month) FROM year)
        GROUP BY 1
        ORDER BY 1
        """,
        patient=True, by=by,
    )


def payments_received(first: date, last: date) -> Received:
    """Return what came in on the days from first to last, both included, by method, and how many entries each day has.

    Of a month it is what monthly_revenue() has as collected, and as refunded: credit notes and write-offs are no money.
    """
    rows: list[Row] = fetch_all(
        f"""
        SELECT method, day, count(*) AS entries, count(*) FILTER (WHERE kind = 'payment') AS payments,
               coalesce(sum(amount) FILTER (WHERE kind = 'payment'), 0) AS received,
               coalesce(sum(amount) FILTER (WHERE kind = 'void'), 0)    AS voided,
               coalesce(sum(amount) FILTER (WHERE kind IN ('refund', 'void of refund')), 0) AS refunded,
               sum(amount) AS total
        FROM ({RECEIVED}) AS entry
        GROUP BY GROUPING SETS ((method), (day))
        ORDER BY method, day
        """,  # noqa: S608 (RECEIVED holds no value)
        patient=True, first=first, last=last,
    )
    methods: list[Any] = [{key: row[key] for key in ReceivedByMethod.__annotations__} for row in rows if row["method"]]
    days: list[Any] = [{"day": row["day"], "entries": row["entries"]} for row in rows if row["day"]]
    return {"first": first, "last": last, "methods": methods, "days": days}


@retried
def list_received(received: Received, after: AfterEntry | None = None, limit: int = 100) -> list[ReceivedEntry]:
    """Return a page of the payments, refunds and voids that payments_received() has summed, by day.

    Only the days that the page is of are read: those that the index finds hold no order but that of days.
    """
    first = after[0] if after else received["first"]
    with reading() as cur:
        _received(cur, first, _last_day_of_page(received, first, bool(after), limit), after, limit)
        return cast(list[ReceivedEntry], cur.fetchall())


def _last_day_of_page(received: Received, first: date, begun: bool, limit: int) -> date:
    """Return by which day there are entries enough for a page; of a first day that is begun, none may be left."""
    for row in received["days"]:
        if row["day"] > first or (row["day"] == first and not begun):
            limit -= row["entries"]
            if limit <= 0:
                return row["day"]
    return received["last"]


def stream_received(first: date, last: date) -> Iterator[ReceivedEntry]:
    """Yield all payments, refunds and voids of a span of days, by day, in flat memory."""
    yield from stream(lambda cur: _received(cur, first, last, None, None))


def _received(cur: Cursor, first: date, last: date, after: AfterEntry | None, limit: int | None) -> None:
    after_day, after_id, after_part = after or (first, 0, 0)
    cur.execute(
        f"""
        WITH page AS MATERIALIZED (
            SELECT *
            FROM ({RECEIVED}) AS entry
            WHERE (day, payment_id, part) > (%(after_day)s::date, %(after_id)s, %(after_part)s)
            ORDER BY day, payment_id, part
            LIMIT %(limit)s
        )
        SELECT payment_id, day, customer_id, name, kind, amount, method, reference, reason
        FROM page
        JOIN customers USING (customer_id)
        ORDER BY day, payment_id, part
        """,  # noqa: S608 (RECEIVED holds no value)
        {"first": first, "last": last, "after_day": after_day, "after_id": after_id, "after_part": after_part,
         "limit": limit},
    )


def get_statement(customer_id: int, first: date, last: date) -> Statement:
    """Return a customer's statement from first to last, both included; raise NotFound if there is no such customer.

    Why a payment was voided is not for the customer's eyes. One up to today tells all there is by now: what was
    recorded where it is tomorrow already counts as in aging().
    """
    return existing("customer", customer_id, fetch_one(
        """
        WITH change AS (
            SELECT billing_id, booked_on, billing_item_id, item.description, amount
            FROM billing
            JOIN billing_items AS item USING (billing_id)
            WHERE customer_id = %(customer_id)s AND booked_on IS NOT NULL
        ), entry AS (
            SELECT issued_on AS day, 1 AS rank, 'bill' AS kind, billing_id AS record_id, 0 AS part,
                   description || ', due ' || due_date AS description,
                   amount_billed - coalesce((SELECT sum(amount)
                                             FROM change
                                             WHERE change.billing_id = billing.billing_id), 0) AS amount
            FROM billing
            WHERE customer_id = %(customer_id)s
            UNION ALL
            SELECT booked_on, 2, CASE description WHEN 'Deleted' THEN 'deletion' ELSE 'adjustment' END, billing_id,
                   billing_item_id,
                   'of bill ' || billing_id
                   || CASE WHEN description IN ('Deleted', 'Adjustment') THEN '' ELSE ', ' || description END,
                   amount
            FROM change
            UNION ALL
            SELECT paid_on, 3, kind, payment_id, 0,
                   coalesce(reason, concat_ws(', ', method, reference)),
                   CASE kind WHEN 'refund' THEN amount ELSE -amount END
            FROM payments
            WHERE customer_id = %(customer_id)s
            UNION ALL
            SELECT greatest(voided_on, paid_on), 4, 'void', payment_id, 0,
                   'of ' || kind || ' ' || payment_id, CASE kind WHEN 'refund' THEN -amount ELSE amount END
            FROM payments
            WHERE customer_id = %(customer_id)s AND voided_on IS NOT NULL
        )
        SELECT customer_id, name, phone_number, account_number,
               (SELECT coalesce(sum(amount), 0) FROM entry WHERE day < %(first)s)  AS opening,
               (SELECT coalesce(sum(amount), 0) FROM entry WHERE day <= until)     AS closing,
               (SELECT coalesce(json_agg(json_build_object(
                           'day', day, 'kind', kind, 'record_id', record_id, 'description', description,
                           'amount', amount::numeric(12,2),
                           'items', (SELECT json_agg(json_build_object('description', item.description,
                                                                       'amount', item.amount::numeric(12,2))
                                                     ORDER BY billing_item_id)
                                     FROM billing_items AS item
                                     WHERE entry.kind = 'bill' AND item.billing_id = entry.record_id
                                       AND booked_on IS NULL)
                       ) ORDER BY day, rank, record_id, part), '[]')
                FROM entry
                WHERE day BETWEEN %(first)s AND until)                             AS entries
        FROM customers
        CROSS JOIN (SELECT CASE WHEN %(last)s < CURRENT_DATE THEN %(last)s ELSE 'infinity' END AS until) AS span
        WHERE customer_id = %(customer_id)s
        """,
        customer_id=customer_id, first=first, last=last,
    ))
