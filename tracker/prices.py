"""The prices of service names in use, and changing one for everybody who has it, from a day on.

The price on a day is cost_before of the first price_changes after it, else services.cost: change_prices() keeps it so.
"""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict, cast

from database import MOST_HITS, Hits, fetch_all, fetch_one, give_reason, retried, transaction
from tracker.cursor import Cursor, Row, be_patient, only
from tracker.errors import Conflict, NotFound

MOST_NAMES = 1_000


class Plan(TypedDict):
    """A service name in use in its most frequent spelling, how many services have it, and what most of them cost today.

    folded is the name as names are compared.
    """

    service_name: str
    folded: str
    services: int
    cost: Decimal


class Named(NamedTuple):
    """A name as it is compared, the plan that it is, if any, and the names in use, the most frequent first."""

    folded: str
    plan: Plan | None
    plans: list[Plan]


class Change(NamedTuple):
    """A new price of a service name from a day on; all_prices is for those with a price of their own, too."""

    service_name: str
    cost: Decimal
    from_day: date
    all_prices: bool = False


class Preview(TypedDict):
    """What a change would do to the services of a name that are there on its day.

    usual is what most of them cost today, own are those that cost something else and would change, changing those that
    the change is for, later those of them whose price changes again. The totals are a month's, on that day.
    """

    services: int
    usual: Decimal
    changing: int
    own: int
    later: int
    total_before: Decimal
    total_after: Decimal


class PricedService(TypedDict):
    service_id: int
    name: str
    address: str
    cost: Decimal


# The services in use: those that have not ended, of customers whose accounts are open.
IN_USE = """
    SELECT service_id, location_id, service_name, service_name_folded, ended_on, services.cost AS last_cost,
           coalesce(changing.cost, services.cost) AS cost, from_day AS changes_on
    FROM services
    LEFT JOIN changing_prices AS changing USING (service_id)
    WHERE (ended_on IS NULL OR ended_on >= CURRENT_DATE)
      AND NOT EXISTS (
          SELECT
          FROM customers
          JOIN locations USING (customer_id)
          WHERE closed_on IS NOT NULL AND locations.location_id = services.location_id
      )
"""

# Whom a change is for: the one definition of its preview, its lists and the change itself.
AFFECTED = f"""
    named AS MATERIALIZED (
        SELECT service_id, location_id, in_use.cost, ended_on,
               coalesce(later.cost_before, last_cost) AS cost_then, later.from_day IS NOT NULL AS changes_later
        FROM ({IN_USE}) AS in_use
        LEFT JOIN LATERAL (
            SELECT from_day, cost_before
            FROM price_changes
            WHERE price_changes.service_id = in_use.service_id AND from_day > %(from_day)s
              AND (changes_on IS NOT NULL OR %(from_day)s < CURRENT_DATE)
            ORDER BY from_day
            LIMIT 1
        ) AS later ON true
        WHERE service_name_folded = folded(%(service_name)s)
    ), usual AS (
        SELECT cost FROM named GROUP BY cost ORDER BY count(*) DESC, cost LIMIT 1
    ), affected AS (
        SELECT named.*, named.cost <> usual.cost AS is_own, cost_then <> %(cost)s AS differs,
               cost_then <> %(cost)s AND (%(all_prices)s OR named.cost = usual.cost) AS is_meant
        FROM named
        CROSS JOIN usual
        WHERE ended_on IS NULL OR ended_on >= %(from_day)s
    ), summed AS (
        SELECT count(*)                                                                AS services,
               coalesce((SELECT cost FROM usual), 0)                                   AS usual,
               count(*) FILTER (WHERE is_meant)                                        AS changing,
               count(*) FILTER (WHERE is_own AND differs)                              AS own,
               count(*) FILTER (WHERE is_meant AND changes_later)                      AS later,
               coalesce(sum(cost_then), 0)                                             AS total_before,
               coalesce(sum(CASE WHEN is_meant THEN %(cost)s ELSE cost_then END), 0)   AS total_after
        FROM affected
    )
"""  # noqa: S608 (IN_USE holds no value)

# In which spelling and at which price most services of a name are.
PLANS = f"""
    part AS MATERIALIZED (
        SELECT service_name_folded AS folded, service_name, cost, count(*) AS services
        FROM ({IN_USE}) AS in_use
        GROUP BY service_name_folded, service_name, cost
    ), spelling AS (
        SELECT DISTINCT ON (folded) folded, service_name, sum(sum(services)) OVER (PARTITION BY folded) AS services
        FROM part
        GROUP BY folded, service_name
        ORDER BY folded, sum(services) DESC, service_name
    ), usual AS (
        SELECT DISTINCT ON (folded) folded, cost::numeric(12,2) AS cost
        FROM part
        GROUP BY folded, cost
        ORDER BY folded, sum(services) DESC, cost
    ), plan AS (
        SELECT service_name, folded, services::bigint AS services, cost
        FROM spelling
        JOIN usual USING (folded)
    )
"""  # noqa: S608 (IN_USE holds no value)


def find_plans(term: str = "", skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return the names in use that have every word of term, all without one, the most frequent first."""
    rows: list[Any] = fetch_all(
        f"""
        WITH {PLANS}
        SELECT service_name, folded, services, cost, count(*) OVER () AS hits
        FROM plan
        WHERE NOT EXISTS (
            SELECT FROM regexp_split_to_table(folded(%(term)s), ' ') AS word WHERE strpos(folded, word) = 0
        )
        ORDER BY services DESC, service_name
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,  # noqa: S608 (PLANS holds no value)
        patient=True, term=term, skip=skip, limit=limit,
    )
    return Hits(rows, rows[0]["hits"] if rows else 0)


def get_plan(service_name: str) -> Plan:
    """Return the name in use that a name is, however it is written; raise NotFound if there is none."""
    plan = look_up_name(service_name).plan
    if plan is None:
        raise NotFound("service in use named", service_name)
    return plan


def look_up_name(service_name: str) -> Named:
    """Look a name up among those in use, of which the MOST_NAMES most frequent are returned."""
    found: Row = only(fetch_one(
        f"""
        WITH {PLANS}, frequent AS (
            SELECT * FROM plan ORDER BY services DESC, service_name LIMIT %(most)s
        )
        SELECT folded(%(service_name)s) AS folded,
               (SELECT to_json(plan) FROM plan WHERE folded = folded(%(service_name)s)) AS plan,
               (SELECT coalesce(json_agg(frequent ORDER BY services DESC, service_name), '[]') FROM frequent) AS plans
        """,  # noqa: S608 (PLANS holds no value)
        patient=True, service_name=service_name, most=MOST_NAMES,
    ))
    return Named(found["folded"], found["plan"], found["plans"])


def preview(change: Change) -> Preview:
    """Say what a change of a price would do."""
    return cast(Preview, only(fetch_one(
        f"WITH {AFFECTED} SELECT * FROM summed",  # noqa: S608 (AFFECTED holds no value)
        patient=True, **change._asdict(),
    )))


def list_changing(change: Change, after: int = 0, limit: int = 100) -> list[PricedService]:
    """Return the services that a change is for whose IDs follow after, with what they cost today."""
    return _list(change, "is_meant", after, limit)


def list_own(change: Change, after: int = 0, limit: int = 100) -> list[PricedService]:
    """Return as list_changing() those with a price of their own, which a change can be for or not."""
    return _list(change, "is_own AND differs", after, limit)


def _list(change: Change, which: str, after: int, limit: int) -> list[PricedService]:
    return fetch_all(
        f"""
        WITH {AFFECTED}, page AS MATERIALIZED (
            SELECT service_id, location_id, cost
            FROM affected
            WHERE {which} AND service_id > %(after)s
            ORDER BY service_id
            LIMIT %(limit)s
        )
        SELECT service_id, name, address, cost
        FROM page
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        ORDER BY service_id
        """,  # noqa: S608 (the parts hold no value)
        patient=True, **change._asdict(), after=after, limit=limit,
    )


@retried
def change_price(change: Change, seen: Preview | None = None) -> Preview:
    """Change a price for everybody whom it is for, in one transaction, and return what that did.

    Raise Conflict, and change nothing, when it would not do what was seen.
    """
    with transaction() as cur:
        be_patient(cur)
        give_reason(cur, f"price of {change.service_name}: {change.cost} from {change.from_day}")
        _lock_services(cur, change.service_name)
        cur.execute(
            f"""
            WITH {AFFECTED}
            SELECT summed.*,
                   change_prices(ids, array_fill(%(cost)s::numeric, ARRAY[cardinality(ids)]), %(from_day)s) AS done
            FROM summed
            CROSS JOIN (
                SELECT coalesce(array_agg(service_id), '{{}}') AS ids FROM affected WHERE is_meant
            ) AS meant
            """,  # noqa: S608 (AFFECTED holds no value)
            change._asdict(),
        )
        row = cur.row()
        del row["done"]
        if seen is not None and row != seen:
            raise Conflict(f"Services have changed since: {row['changing']} would change now, and the total would be "
                           f"{row['total_after']:.2f}; nothing was changed.")
        return cast(Preview, row)


def _lock_services(cur: Cursor, service_name: str) -> None:
    """Lock the services of a name, so that their prices stay as the next statement reads them."""
    cur.execute(
        """
        SELECT count(*)
        FROM (
            SELECT
            FROM services
            WHERE service_name_folded = folded(%(service_name)s)
            ORDER BY service_id
            FOR NO KEY UPDATE
        ) AS locked
        """,
        {"service_name": service_name},
    )
