"""Devices that come and go: in stock, at a location, written off; where each was, and what they are worth."""
from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import TypedDict

from database import (
    Equipment,
    existing,
    fetch_all,
    fetch_one,
    fetch_value,
    insert_equipment,
    retried,
    stream,
    transaction,
)
from tracker.cursor import Cursor, only
from tracker.errors import Conflict

MOVED = "That device was moved meanwhile; nothing was written. Look again."


class Stocked(TypedDict):
    """A device in stock; since is None where nobody knows. equipment_name_folded is its place in the list."""

    equipment_id: int
    equipment_name: str
    serial_number: str | None
    cost: Decimal
    since: date | None
    equipment_name_folded: str


class StockTotal(TypedDict):
    devices: int
    worth: Decimal


class PlaceOfDevice(TypedDict):
    """Where a device was, in words of that day; until is None while it is there. person put it there."""

    place: str
    since: date | None
    until: date | None
    person: str | None


class Model(TypedDict):
    """The devices of one name, however it is spelt, and what they are worth; without those that are written off."""

    equipment_name: str
    at_customers: int
    worth_at_customers: Decimal
    in_stock: int
    worth_in_stock: Decimal
    devices: int
    worth: Decimal


@retried
def move(device: Equipment, location_id: int | None) -> None:
    """Put a device at a location, or in stock, where one that was written off is found again.

    Raise Conflict when it is somewhere else by now than device says, and NotFound when it is gone.
    """
    with transaction() as cur:
        _put(cur, device, location_id)


@retried
def write_off(device: Equipment) -> None:
    """Write a device off today; raise as move."""
    with transaction() as cur:
        _put(cur, device, None, written_off=True)


@retried
def swap_for_stocked(device: Equipment, written_off: bool, other: Equipment) -> None:
    """Put a device from stock in the place of another, which goes into stock, or is written off; raise as move."""
    with transaction() as cur:
        _put(cur, device, None, written_off)
        _put(cur, other, device["location_id"])


@retried
def swap_for_new(
    device: Equipment, written_off: bool, equipment_name: str, serial_number: str | None, cost: Decimal
) -> int:
    """Put a new device in the place of another, as swap_for_stocked; return its ID."""
    with transaction() as cur:
        _put(cur, device, None, written_off)
        return insert_equipment(cur, device["location_id"], equipment_name, serial_number, cost)


def _put(cur: Cursor, seen: Equipment, location_id: int | None, written_off: bool = False) -> None:
    cur.execute(
        """
        UPDATE equipment
        SET location_id = %(location_id)s,
            retired_on = CASE WHEN %(written_off)s THEN CURRENT_DATE END
        WHERE equipment_id = %(equipment_id)s
          AND location_id IS NOT DISTINCT FROM %(seen_location_id)s
          AND retired_on IS NOT DISTINCT FROM %(seen_retired_on)s
        RETURNING equipment_id
        """,
        {"equipment_id": seen["equipment_id"], "location_id": location_id, "written_off": written_off,
         "seen_location_id": seen["location_id"], "seen_retired_on": seen["retired_on"]},
    )
    if cur.fetchone() is None:
        cur.execute("SELECT 1 FROM equipment WHERE equipment_id = %(equipment_id)s",
                    {"equipment_id": seen["equipment_id"]})
        existing("equipment", seen["equipment_id"], cur.fetchone())
        raise Conflict(MOVED)


# Who added a device, and when, as far back as the trail goes; OFFSET 0 as in tracker.trail.
ADDED = """
    SELECT changed_at::date AS day, person
    FROM (
        SELECT trail_id, changed_at, person
        FROM trail
        WHERE kind = 'added' AND table_name = 'equipment'
          AND (single_id = device.equipment_id OR single_id IS NULL AND ids @> device.equipment_id)
        OFFSET 0
    ) AS addition
    ORDER BY trail_id
    LIMIT 1
"""


def places(equipment_id: int) -> list[PlaceOfDevice]:
    """Return where a device is and was, the last place first."""
    return fetch_all(
        f"""
        WITH placed AS (
            SELECT 0 AS nth,
                   coalesce((SELECT from_place
                             FROM equipment_moves
                             WHERE equipment_id = device.equipment_id
                             ORDER BY equipment_move_id
                             LIMIT 1), place_in_words(location_id, retired_on)) AS place,
                   added.day AS since, added.person
            FROM equipment AS device
            LEFT JOIN LATERAL ({ADDED}) AS added ON true
            WHERE equipment_id = %(equipment_id)s
            UNION ALL
            SELECT equipment_move_id, to_place, moved_on, moved_by
            FROM equipment_moves
            WHERE equipment_id = %(equipment_id)s
        )
        SELECT place, since, lead(since) OVER (ORDER BY nth) AS until, person
        FROM placed
        ORDER BY nth DESC
        """,  # noqa: S608 (the part holds no value)
        equipment_id=equipment_id,
    )


def list_stock(after: tuple[str, int] = ("", 0), limit: int = 100) -> list[Stocked]:
    """Return devices in stock by name; after is equipment_name_folded and equipment_id of the last one shown."""
    return fetch_all(
        f"""
        WITH page AS MATERIALIZED (
            SELECT equipment_id, equipment_name, serial_number, cost, equipment_name_folded
            FROM equipment
            WHERE location_id IS NULL AND retired_on IS NULL
              AND (equipment_name_folded, equipment_id) > (%(name)s, %(equipment_id)s)
            ORDER BY equipment_name_folded, equipment_id
            LIMIT %(limit)s
        )
        SELECT device.*,
               coalesce((SELECT moved_on
                         FROM equipment_moves
                         WHERE equipment_id = device.equipment_id
                         ORDER BY equipment_move_id DESC
                         LIMIT 1), (SELECT day FROM ({ADDED}) AS added)) AS since
        FROM page AS device
        ORDER BY equipment_name_folded, equipment_id
        """,  # noqa: S608 (the part holds no value)
        name=after[0], equipment_id=after[1], limit=limit,
    )


def stock_total() -> StockTotal:
    row: StockTotal | None = fetch_one(
        """
        SELECT count(*) AS devices, coalesce(sum(cost), 0) AS worth
        FROM equipment
        WHERE location_id IS NULL AND retired_on IS NULL
        """
    )
    return only(row)


def models() -> list[Model]:
    """Return the devices of each name, counted, what is worth most first."""
    return fetch_all(
        """
        SELECT min(equipment_name) AS equipment_name,
               count(location_id)                                          AS at_customers,
               coalesce(sum(cost) FILTER (WHERE location_id IS NOT NULL), 0) AS worth_at_customers,
               count(*) - count(location_id)                               AS in_stock,
               coalesce(sum(cost) FILTER (WHERE location_id IS NULL), 0)     AS worth_in_stock,
               count(*)                                                    AS devices,
               sum(cost)                                                   AS worth
        FROM equipment
        WHERE retired_on IS NULL
        GROUP BY equipment_name_folded
        ORDER BY worth DESC, equipment_name
        """,
        patient=True,
    )


OF_MODEL = """
    SELECT equipment_id, location_id, customer_id, name, address, equipment_name, serial_number, cost, retired_on,
           coalesce(address, 'in stock') AS place
    FROM equipment
    LEFT JOIN locations USING (location_id)
    LEFT JOIN customers USING (customer_id)
    WHERE equipment_name_folded = folded(%(equipment_name)s) AND retired_on IS NULL
      AND equipment_id > %(after)s
    ORDER BY equipment_id
"""


def list_of_model(equipment_name: str, after: int = 0, limit: int = 100) -> list[Equipment]:
    """Return the devices of a name, however it is spelt, whose IDs follow after; without those written off."""
    return fetch_all(f"{OF_MODEL} LIMIT %(limit)s", equipment_name=equipment_name, after=after, limit=limit)


def count_of_model(equipment_name: str) -> int:
    return fetch_value(
        """
        SELECT count(*)
        FROM equipment
        WHERE equipment_name_folded = folded(%(equipment_name)s) AND retired_on IS NULL
        """,
        equipment_name=equipment_name,
    )


def stream_of_model(equipment_name: str) -> Iterator[Equipment]:
    """Yield all devices of a name, as list_of_model."""
    yield from stream(lambda cur: cur.execute(OF_MODEL, {"equipment_name": equipment_name, "after": 0}))
