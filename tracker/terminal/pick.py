"""How a record is asked for: by its ID, or by a search whose hits are picked by number."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import database
from tracker import errors, fields, payments, text
from tracker.terminal import prompts, screens, tables
from tracker.terminal.prompts import ask, say
from tracker.terminal.tables import Row, numbers

Record = TypeVar("Record", bound=Mapping[str, Any])


@dataclass(frozen=True)
class Kind(Generic[Record]):
    """One sort of record: how it is asked for, found, listed and named."""

    noun: str
    table: str
    key: str
    get: Callable[[int], Record]
    find: Callable[[str], database.Hits]
    hits: list[tables.Column]
    name: Callable[[Row], str]


CUSTOMER = Kind(
    "customer", "customers", "customer_id",
    database.get_customer, database.find_customers, screens.CUSTOMER_HITS,
    lambda row: f"customer {row['customer_id']}, {row['name']}, {row['phone_number']}",
)
LOCATION = Kind(
    "location", "locations", "location_id",
    database.get_location, database.find_locations, screens.LOCATIONS,
    lambda row: f"location {row['location_id']}, {row['address']}, of {row['name']}",
)
SERVICE = Kind(
    "service", "services", "service_id",
    database.get_service, database.find_services, screens.SERVICES,
    lambda row: f"service {row['service_id']}, {row['service_name']}, at {row['address']}, of {row['name']}",
)
EQUIPMENT = Kind(
    "equipment", "equipment", "equipment_id",
    database.get_equipment, database.find_equipment, screens.EQUIPMENT,
    lambda row: f"equipment {row['equipment_id']}, {row['equipment_name']}, at {row['address']}, of {row['name']}",
)
BILL = Kind(
    "bill", "billing", "billing_id",
    database.get_bill, database.find_bills, screens.BILLS,
    lambda row: (f"bill {row['billing_id']}, {row['description']}, {text.show_amount(row['amount_billed'])}, "
                 f"of {row['name']}"),
)
PAYMENT = Kind(
    "payment", "payments", "payment_id",
    payments.get_payment, payments.find_payments, screens.PAYMENT_HITS,
    lambda row: f"payment {row['payment_id']}, {text.show_amount(row['amount'])} on {row['paid_on']}, {row['method']}, "
                f"of {row['name']}",
)


def pick(kind: Kind[Record]) -> Record:
    """Ask for a record by ID or by part of a name, phone number or address, until there is one."""
    while True:
        answer = ask(f"{kind.noun.capitalize()} (ID or search)", fields.text(300))
        if row := look_up(kind, answer):
            return row


def look_up(kind: Kind[Record], answer: str) -> Record | None:
    """Return the record that an ID or a search leads to; None after saying why there is none.

    Digits are an ID, unless they begin with 0. Where no record has it, they may be a caller's number or its last
    digits, but what that finds is never taken without being picked.
    """
    if not fields.is_id(answer) or answer.startswith("0"):
        return choose_hit(kind, answer, kind.find(answer).rows)
    try:
        return say_record(kind, kind.get(fields.row_id(answer)))
    except (ValueError, errors.NotFound) as exc:
        reason = str(exc)
    if len(answer) >= 4 and (hits := kind.find(answer[:20]).rows):
        prompts.complain(f"{reason} These match:")
        return pick_hit(kind, hits)
    prompts.complain(f"{reason} Enter another ID, or part of a name, phone number or address.")
    return None


def say_record(kind: Kind[Record], row: Record) -> Record:
    """Say which record this is, so that nobody's money goes to another by a slip, and return it."""
    say(f"{kind.name(row)[0].upper()}{kind.name(row)[1:]}.")
    return row


def choose_hit(kind: Kind[Record], term: str, hits: Sequence[Row]) -> Record | None:
    """Return the only hit, or the one that is picked; None where there is none."""
    if not hits:
        prompts.complain(f"No {kind.noun} matches {term}. Try a shorter part of a name, phone number or address.")
        return None
    if len(hits) == 1:
        return say_record(kind, kind.get(hits[0][kind.key]))
    return pick_hit(kind, hits)


def pick_hit(kind: Kind[Record], hits: Sequence[Row]) -> Record | None:
    """List hits and ask for the number of one; IDs are left out, so that there is only one number to type, unless
    hits read the same without.
    """
    shown = hits[:database.MOST_HITS]
    columns = [column for column in kind.hits if column.key != kind.key]
    columns = [numbers("#", "hit"), *(kind.hits if tables.read_alike(columns, shown) else columns)]
    print(tables.table(columns, [{**row, "hit": i} for i, row in enumerate(shown, 1)]))
    if len(hits) > len(shown):
        print(f"These are the first {len(shown)}; a longer search term finds fewer.")
    options = {str(i): row[kind.key] for i, row in enumerate(shown, 1)}
    row_id = ask(f"Number 1 to {len(shown)}", fields.choice(options), shown="search again")
    return say_record(kind, kind.get(row_id)) if row_id else None
