"""How a record is asked for: by its ID, or by a search whose hits are picked by number."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import database
from database import Customer, Hits
from tracker import accounts, errors, fields, payments, text, wording
from tracker.terminal import prompts, screens, tables
from tracker.terminal.paging import fitting, turn_page
from tracker.terminal.prompts import ask, say
from tracker.terminal.tables import Row, numbers

Record = TypeVar("Record", bound=Mapping[str, Any])
LEAST_DIGITS = 3  # of a number that no record has, for it to be searched


@dataclass(frozen=True)
class Kind(Generic[Record]):
    """One sort of record: how it is asked for, found, listed and named, and which of them are a customer's."""

    noun: str
    table: str
    key: str
    get: Callable[[Any], Record]
    find: Callable[[str, int, int], Hits]
    hits: list[tables.Column]
    name: Callable[[Row], str]
    of_customer: Callable[[Customer], Sequence[Row]] | None = None

    def plural(self) -> str:
        return self.noun if self.noun == "equipment" else f"{self.noun}s"


def of_customer(list_all: Callable[[int, int, int], Sequence[Row]]) -> Callable[[Customer], Sequence[Row]]:
    """Make what lists all of a customer's records of a kind."""
    return lambda customer: list_all(0, database.MOST_COUNTED, customer["customer_id"])


def get_customer(customer_id: int) -> Customer:
    """Return a customer, or the one who they were merged into, saying so."""
    customer = database.get_customer(customer_id)
    if customer["merged_into"]:
        say(accounts.merged(customer))
        return database.get_customer(customer["merged_into"])
    return customer


def customer_name(row: Row) -> str:
    closed = f", closed {row['closed_on']}" if row["closed_on"] else ""
    account = f", account number {row['account_number']}" if row["account_number"] else ""
    return f"customer {row['customer_id']}, {row['name']}, {row['phone_number'] or 'no phone number'}{account}{closed}"


CUSTOMER = Kind(
    "customer", "customers", "customer_id",
    get_customer, database.find_customers, screens.CUSTOMER_HITS,
    customer_name,
)
LOCATION = Kind(
    "location", "locations", "location_id",
    database.get_location, database.find_locations, screens.LOCATIONS,
    lambda row: f"location {row['location_id']}, {row['address']}, of {row['name']}",
    of_customer(database.list_locations),
)
SERVICE = Kind(
    "service", "services", "service_id",
    database.get_service, database.find_services, screens.SERVICES,
    lambda row: f"service {row['service_id']}, {row['service_name']}, at {row['address']}, of {row['name']}",
    of_customer(database.list_services),
)
EQUIPMENT = Kind(
    "equipment", "equipment", "equipment_id",
    database.get_equipment, database.find_equipment, screens.EQUIPMENT,
    wording.device,
    of_customer(database.list_equipment),
)
STOCKED = Kind(
    "equipment in stock", "equipment", "equipment_id",
    database.get_equipment, functools.partial(database.find_equipment, in_stock=True), screens.STOCK_HITS,
    wording.device,
)
BILL = Kind(
    "bill", "billing", "billing_id",
    database.get_bill, database.find_bills, screens.BILLS,
    lambda row: (f"bill {row['billing_id']}, {row['description']}, {text.show_amount(row['amount_billed'])}, "
                 f"of {row['name']}"),
    of_customer(database.list_bills),
)
PAYMENT = Kind(
    "payment", "payments", "payment_id",
    payments.get_payment, payments.find_payments, screens.PAYMENT_HITS,
    wording.payment_name,
    lambda customer: [
        {**row, "name": customer["name"]}
        for row in payments.list_payments(customer["customer_id"], limit=database.MOST_COUNTED)
    ],
)


def pick(kind: Kind[Record]) -> Record:
    """Ask for a record by ID or by part of a name, phone number or address, until there is one, and say which it is."""
    while True:
        if row := look_up(kind, ask_for(kind)):
            return say_record(kind, row)


def pick_or(kind: Kind[Record], word: str) -> Record | None:
    """Ask for a record as pick does, or for a word, which is None."""
    while True:
        answer = ask_for(kind, instead=word)
        if answer.casefold() == word:
            return None
        if row := look_up(kind, answer):
            return say_record(kind, row)


@overload
def ask_for(kind: Kind[Record], *, instead: str = "") -> str: ...
@overload
def ask_for(kind: Kind[Record], shown: str, *, instead: str = "") -> str | None: ...
def ask_for(kind: Kind[Record], shown: str | None = None, *, instead: str = "") -> str | None:
    """Ask for a record; 0 and q leave, and so does Enter alone, unless shown says what else that does.

    instead is a word that may be answered, too.

    Piped, they are rather values that a script did not have, and what follows them is no choice from a menu.
    """
    def parse(answer: str) -> str:
        if answer.casefold() in ("", "0", "q"):
            if prompts.attended():
                raise errors.Left
            raise ValueError("Enter an ID, or part of a name, phone number, address or serial number.")
        return fields.text(300)(answer)

    label = f"{kind.noun.capitalize()} (ID or search{f', or {instead}' if instead else ''})"
    return ask(label, parse) if shown is None else ask(label, parse, shown=shown)


def look_up(kind: Kind[Record], answer: str) -> Record | None:
    """Return the record that an ID or a search leads to; None after saying why there is none.

    Digits are an ID, unless they begin with 0. A record's name with its ID is that one, as screens call it: bill 12.
    """
    if fields.is_id(answer) and not answer.startswith("0"):
        return _by_number(kind, answer)
    noun, _, number = answer.casefold().partition(" ")
    if noun == kind.noun.partition(" ")[0] and (row := _existing(kind, number)):
        return row
    if noun == "customer" and kind.of_customer and (customer := _existing(CUSTOMER, number)):
        return _choose_hit(kind, answer, among(kind.of_customer(customer)))
    return _choose_hit(kind, answer, functools.partial(kind.find, answer))


def customers_meant(answer: str) -> Hits:
    """Return the customer whose ID an answer is, else all whom a search finds, as look_up() leads to them."""
    if not fields.is_id(answer) or answer.startswith("0"):
        return database.find_customers(answer, 0, database.MOST_COUNTED)
    rows = [row for row in database.find_customers(f"C{answer}", 0, database.MOST_COUNTED).rows
            if row["customer_id"] == int(answer)]
    if rows or len(answer) < LEAST_DIGITS:
        return Hits(rows, len(rows))
    return database.find_customers(answer[:20], 0, database.MOST_COUNTED)


def _existing(kind: Kind[Record], number: str) -> Record | None:
    try:
        return kind.get(fields.row_id(number))
    except (ValueError, errors.NotFound):
        return None


def leads_nowhere(kind: Kind[Record], answer: str) -> bool:
    """Tell whether look_up() would find nothing for an answer."""
    return not (fields.is_id(answer) and _existing(kind, answer)) and not kind.find(answer, 0, 1).total


def _by_number(kind: Kind[Record], number: str) -> Record | None:
    """Return the record of that ID, unless the customer of that ID is somebody else: what that finds is picked.

    Where nothing has that ID, the customer of that account number is meant. So are, picked among, the hits of a number
    that no record has: it may be a caller's number, or its last digits.
    """
    if kind.key == CUSTOMER.key:
        return _customer_by_number(kind, number)
    row = _existing(kind, number)
    customer = _customer_meant(number, row) if kind.of_customer else None
    if row and (customer is None or row["customer_id"] == customer["customer_id"]):
        return row
    theirs = kind.of_customer(customer) if kind.of_customer and customer else []
    if customer and (row or theirs):
        say(_which_is_meant(kind, number, row, customer, theirs))
        return pick_hit(kind, among([row, *theirs] if row else theirs))
    return _by_part_of_number(kind, number)


def _customer_by_number(kind: Kind[Record], number: str) -> Record | None:
    """Return the customer of that ID, else of that account number; on a terminal ask where these are two.

    Off a terminal an ID is one, whatever account numbers there will be: a script goes on meaning whom it meant.
    """
    row, holder = _existing(kind, number), _account_holder(number)
    if row is None and holder is None:
        return _by_part_of_number(kind, number)
    if row is None or holder is None or holder["customer_id"] == row["customer_id"] or not prompts.attended():
        return row or holder
    say(f"{number} is {kind.name(row)}, and the account number of {kind.name(holder)}.")
    return pick_hit(kind, among([{**row, "address": None}, {**holder, "address": None}]))


def _customer_meant(number: str, row: Any) -> Customer | None:
    """Return the customer of that ID, or of that account number where it is no record's ID either."""
    return _existing(CUSTOMER, number) or (None if row else _account_holder(number))


def _account_holder(number: str) -> Any:
    holder = database.account_holder(number)
    return get_customer(holder["customer_id"]) if holder else None


def _by_part_of_number(kind: Kind[Record], number: str) -> Record | None:
    """Return the record that is picked among what digits find that are no ID; None after saying that they find none."""
    missing = f"There is no {kind.noun} {number}."
    hits = functools.partial(kind.find, number[:20])
    if len(number) >= LEAST_DIGITS and (found := hits(0, _page_size())).total:
        say(f"{missing} These match:")
        return pick_hit(kind, hits, found)
    prompts.refuse(f"{missing} Enter another ID, or part of a name, phone number or address.")
    return None


def _which_is_meant(
    kind: Kind[Record], number: str, row: Record | None, customer: Customer, theirs: Sequence[Row]
) -> str:
    is_id = str(customer["customer_id"]) == number
    by_account = f", account number {number}" if customer["account_number"] == number and not is_id else ""
    who = f"customer {customer['customer_id']}, {customer['name']}{by_account}"
    if row is None:
        return f"There is no {kind.noun} {number}; {who}, has:"
    if theirs:
        return f"{number} is {kind.name(row)}, and {who}, has the other{'s' if len(theirs) > 1 else ''}:"
    return f"{number} is {kind.name(row)}; {who}, has no {kind.plural()}."


def among(rows: Sequence[Row]) -> Callable[[int, int], Hits]:
    """Make pages of rows that are all there, as a search makes them of what it finds."""
    return lambda skip, limit: Hits(list(rows[skip:skip + limit]), len(rows))


def say_record(kind: Kind[Record], row: Record) -> Record:
    """Say which record this is, so that nobody's money goes to another by a slip, and return it."""
    say(f"{kind.name(row)[0].upper()}{kind.name(row)[1:]}.")
    return row


def _choose_hit(kind: Kind[Record], term: str, hits: Callable[[int, int], Hits]) -> Record | None:
    """Return the only hit, or the one that is picked; None where there is none."""
    found = hits(0, _page_size())
    if not found.total:
        prompts.refuse(f"No {kind.noun} matches {term}. "
                       "Try a shorter part of a name, phone number, address or serial number.")
        return None
    if found.total == 1:
        return kind.get(found.rows[0][kind.key])
    return pick_hit(kind, hits, found)


def _page_size() -> int:
    return min(database.MOST_HITS, tables.terminal_size()[1] - 4)


def pick_hit(kind: Kind[Record], hits: Callable[[int, int], Hits], found: Hits | None = None) -> Record | None:
    """List hits, a page at a time, and ask for the number of one; found is the first page, where it is known already.

    Numbers go on from page to page, so that those of earlier pages can be picked, too.
    """
    by_number: dict[str, Any] = {}
    starts = [0]
    while True:
        first = starts[-1]
        rows, total = found or hits(first, _page_size())
        found = None
        ids = _show_hits(kind, rows, first)
        by_number.update(ids)
        last = first + len(ids)
        known = f"more than {database.MOST_COUNTED}" if total > database.MOST_COUNTED else f"{total}"
        turn = turn_page(f"Hits {first + 1} to {last} of {known}", last < total, first > 0, by_number, "number picks")
        if turn in by_number:
            return kind.get(by_number[turn])
        if turn == "back":
            return None
        starts = [*starts, last] if turn == "next" else starts[:-1]


def _show_hits(kind: Kind[Record], rows: list[Row], first: int) -> dict[str, Any]:
    """Show as many hits as fit the screen, numbered from first + 1, and return their IDs by their numbers.

    IDs are left out, so that there is only one number to type, unless hits read the same without.
    """
    without_ids = [column for column in kind.hits if column.key != kind.key]
    columns = [numbers("#", "hit"), *(kind.hits if tables.read_alike(without_ids, rows) else without_ids)]
    numbered: list[Row] = [{**row, "hit": i} for i, row in enumerate(rows, first + 1)]
    shown, lines = fitting(columns, numbered, [], lambda row: False, _page_size() + 2)
    print(*lines, sep="\n")
    return {str(row["hit"]): row[kind.key] for row in shown}
