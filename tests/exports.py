"""The exports of other systems in tests/files/exports, and what the database has, in the form of what must come of one.

README.md in that folder says what stands in its JSON files.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2.extras

FOLDER = Path(__file__).parent / "files" / "exports"
# The exceptions of tracker.errors with which the program asks, by the kind of question.
QUESTIONS = {
    "encoding": ("UnclearEncoding", "BadEncoding"),
    "columns": ("UnclearMapping", "UnclearDelimiter", "NoHeader"),
    "amounts": ("UnclearAmounts",),
    "words": ("UnclearWords",),
}


class Case(NamedTuple):
    """A file, the options of main.py import that it needs, and what must come of it."""

    name: str
    path: Path
    options: list[str]
    expected: dict[str, Any]


def cases() -> Iterator[Case]:
    """Yield the cases in order of their names; several may be of one file."""
    for answer in sorted(FOLDER.glob("*.json")):
        expected = json.loads(answer.read_text(encoding="utf-8"))
        yield Case(answer.stem, _file(answer.name.partition(".")[0]), expected["options"], expected)


def case(name: str) -> Case:
    """Return the case of that name."""
    return next(found for found in cases() if found.name == name)


def _file(stem: str) -> Path:
    [path] = (path for path in FOLDER.glob(f"{stem}.*") if path.suffix != ".json")
    return path


def stored(connection: Any) -> list[dict[str, Any]]:
    """Return all customers as a case expects them, in order of account number and name.

    A customer is closed, or paused where all services that go on rest; what has no value is left out.
    """
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cur:
        sites = _sites(cur)
        cur.execute(
            """
            SELECT customer_id, account_number, name, phone_number, email, notes, closed_on,
                   (coalesce(due, 0) - coalesce(credit, 0))::numeric(12, 2) AS balance
            FROM customers
            LEFT JOIN customer_credit USING (customer_id)
            LEFT JOIN (SELECT customer_id, sum(amount_due) AS due FROM billing GROUP BY 1) AS owed USING (customer_id)
            LEFT JOIN (
                SELECT customer_id, string_agg(note, E'\n' ORDER BY customer_note_id) AS notes
                FROM customer_notes
                GROUP BY 1
            ) AS noted USING (customer_id)
            WHERE merged_into IS NULL
            """
        )
        customers = [_customer(row, sites.get(row["customer_id"], [])) for row in cur]
    return sorted(customers, key=lambda customer: (customer.get("account_number", ""), customer["name"]))


def _customer(row: dict[str, Any], sites: list[dict[str, Any]]) -> dict[str, Any]:
    going = {service["status"] for site in sites for service in site.get("services", [])} - {"closed"}
    status = "closed" if row["closed_on"] else "paused" if going == {"paused"} else "active"
    return _filled({
        "account_number": row["account_number"], "name": row["name"], "phone_number": row["phone_number"],
        "email": row["email"], "notes": row["notes"], "status": status,
        "balance": str(row["balance"]) if row["balance"] else None, "sites": sites,
    })


def _sites(cur: Any) -> dict[int, list[dict[str, Any]]]:
    """Return the sites of each customer, in order of their addresses."""
    services, equipment = _services(cur), _equipment(cur)
    cur.execute("SELECT location_id, customer_id, address FROM locations")
    sites: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(cur, key=lambda row: row["address"]):
        sites.setdefault(row["customer_id"], []).append(_filled({
            "address": row["address"], "services": services.get(row["location_id"]),
            "equipment": equipment.get(row["location_id"]),
        }))
    return sites


def _services(cur: Any) -> dict[int, list[dict[str, Any]]]:
    cur.execute(
        """
        SELECT location_id, service_name AS name, cost::numeric(12, 2)::text AS cost,
               CASE
                   WHEN ended_on <= CURRENT_DATE THEN 'closed'
                   WHEN EXISTS (
                       SELECT FROM service_pauses
                       WHERE service_pauses.service_id = services.service_id AND last_day IS NULL
                   ) THEN 'paused'
                   ELSE 'active'
               END AS status
        FROM services
        """
    )
    return _by_location(cur, ("name", "cost", "status"))


def _equipment(cur: Any) -> dict[int, list[dict[str, Any]]]:
    cur.execute(
        """
        SELECT location_id, equipment_name AS name, serial_number, cost::numeric(12, 2)::text AS cost
        FROM equipment
        """
    )
    return _by_location(cur, ("name", "serial_number", "cost"))


def _by_location(cur: Any, keys: tuple[str, ...]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(cur, key=lambda row: tuple(row[key] or "" for key in keys)):
        found.setdefault(row["location_id"], []).append(_filled({key: row[key] for key in keys}))
    return found


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}
