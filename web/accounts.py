"""Customers, their accounts, and what they have at each location."""
from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

from fastapi import APIRouter, Query

import database
from database import MOST_COUNTED, SUGGESTED
from tracker import accounts, fields, notes, payments, reports, trail, wording
from tracker.errors import RULES, Conflict
from web.shapes import (
    AccountNumberOrNothing,
    Address,
    BadInput,
    Cost,
    EmailOrNothing,
    Found,
    Id,
    Input,
    Name,
    NoteText,
    Payable,
    Phone,
    PhoneOrNothing,
    Place,
    Question,
    Search,
    Seen,
    ShortText,
    Unanswered,
    after,
    ask_first,
    changed,
    found,
    found_of,
    page,
    page_of,
    parsed,
    shape,
    storable,
    whole,
)
from web.telling import Told, told

router = APIRouter(tags=["accounts"])
KNOWN = "This name or phone number is known already."


class TypedSearch(Search):
    """A search; quick while it is being typed: a page of what is found at once.

    It finds closed customers, too; without one, closed lists those alone.
    """

    quick: bool = False
    closed: bool = False


class NewCustomer(Input):
    name: Name
    phone_number: Optional[Phone] = None
    confirmed: tuple[Literal["similar"], ...] = ()


class SeenCustomer(Input):
    name: Optional[Seen]
    phone_number: Optional[Seen]
    email: Optional[Seen] = None
    account_number: Optional[Seen] = None


class CustomerChange(Input):
    """What is to change; an empty phone number, e-mail or account number takes it away.

    seen is the record as it was shown.
    """

    name: Optional[Name] = None
    phone_number: Optional[PhoneOrNothing] = None
    email: Optional[EmailOrNothing] = None
    account_number: Optional[AccountNumberOrNothing] = None
    seen: SeenCustomer


class NewLocation(Input):
    address: Address


class SeenLocation(Input):
    address: Seen


class LocationChange(Input):
    address: Optional[Address] = None
    seen: SeenLocation


class NewService(Input):
    service_name: ShortText
    cost: Cost


class SeenService(Input):
    service_name: Seen
    cost: Cost


class ServiceChange(Input):
    service_name: Optional[ShortText] = None
    cost: Optional[Cost] = None
    seen: SeenService


class NewNote(Input):
    """What was said, or what was promised until a day, or both."""

    note: Optional[NoteText] = None
    promised_until: Optional[str] = None
    promised_amount: Optional[Payable] = None
    confirmed: tuple[Literal["much"], ...] = ()


@router.get("/customers", response_model=found_of(database.CustomerHit))
def list_customers(asked: Annotated[TypedSearch, Query()]) -> Any:
    """Find customers by name, phone or account number, e-mail, address or serial number; without a search, list them
    by ID, and closed ones the last closed first.
    """
    if asked.search and asked.quick:
        hits = database.suggest_customers(asked.search, asked.limit)
        return {"rows": hits.rows, "next": None, "total": min(hits.total, SUGGESTED), "more": hits.total > SUGGESTED}
    if asked.search:
        skip = (after(asked.cursor, whole) or (0,))[0]
        return found(database.find_customers(asked.search, skip, asked.limit), skip, asked.limit, MOST_COUNTED)
    if asked.closed:
        before = after(asked.cursor, fields.day, whole)
        total = None if before else database.count_closed_customers()
        return page(without_address(database.list_closed_customers(before, asked.limit + 1)), asked.limit,
                    lambda row: [row["closed_on"], row["customer_id"]], total=total)
    rows = database.list_customers((after(asked.cursor, whole) or (0,))[0], asked.limit + 1)
    return page(without_address(rows), asked.limit, lambda row: [row["customer_id"]])


def without_address(rows: list[database.Customer]) -> list[dict[str, Any]]:
    """Shape customers of a list as hits of a search."""
    return [{**row, "address": None} for row in rows]


@router.post("/customers", status_code=201, response_model=shape(database.Customer))
def add_customer(new: NewCustomer) -> Any:
    """Add a customer; where the name or phone number is known already, asks first."""
    if "similar" not in new.confirmed and (others := database.similar_customers(new.name, new.phone_number)):
        raise Unanswered([Question(kind="similar", sentence=KNOWN, customers=list(others))])
    customer_id = database.add_customer(new.name, new.phone_number)
    return database.get_customer(customer_id)


@router.get("/customers/{customer_id}", response_model=shape(reports.Account))
def get_account(customer_id: Id) -> Any:
    """Return a customer with all that they have and owe."""
    return reports.get_account(customer_id)


@router.patch("/customers/{customer_id}", response_model=shape(database.Customer))
def update_customer(customer_id: Id, given: CustomerChange) -> Any:
    return database.update_customer(customer_id, **changed(given))


@router.get("/customers/{customer_id}/history")
def get_history(customer_id: Id, asked: Annotated[Place, Query()]) -> Found[Told]:
    """Return the changes of a customer and of all that is or was theirs, newest first."""
    before = after(asked.cursor, whole, storable, whole)
    rows = trail.history_of_customer(customer_id, before, asked.limit + 1)
    total = None if before else trail.count_history_of_customer(customer_id)
    pages = page(rows, asked.limit, lambda row: [row["trail_id"], row["table_name"], row["record_id"]], total=total)
    named = [told(row, wording.record_name(row["table_name"], row["record_id"], row["record"]))
             for row in pages.pop("rows")]
    return Found[Told](rows=named, **pages)


@router.get("/customers/{customer_id}/bills", response_model=page_of(database.BillHit))
def list_bills(customer_id: Id, asked: Annotated[Place, Query()]) -> Any:
    """Return a customer's bills, newest first."""
    rows = database.list_bills((after(asked.cursor, whole) or (0,))[0], asked.limit + 1, customer_id)
    return page(rows, asked.limit, lambda row: [row["billing_id"]])


@router.get("/customers/{customer_id}/payments", response_model=page_of(payments.PaymentOfCustomer))
def list_payments(customer_id: Id, asked: Annotated[Place, Query()]) -> Any:
    """Return a customer's payments, newest first."""
    rows = payments.list_payments(customer_id, after(asked.cursor, fields.day, whole), asked.limit + 1)
    return page(rows, asked.limit, lambda row: [row["paid_on"], row["payment_id"]])


@router.get("/customers/{customer_id}/notes", response_model=page_of(notes.Note))
def list_notes(customer_id: Id, asked: Annotated[Place, Query()]) -> Any:
    """Return a customer's notes, newest first."""
    rows = notes.list_notes(customer_id, (after(asked.cursor, whole) or (0,))[0], asked.limit + 1)
    return page(rows, asked.limit, lambda row: [row["customer_note_id"]])


@router.post("/customers/{customer_id}/notes", status_code=201, response_model=shape(notes.Note))
def add_note(customer_id: Id, new: NewNote) -> Any:
    """Note what was said with a customer, or what they promised to pay, or both; ask first about a promise of far more
    than is owed.
    """
    day = fields.coming_day(database.today())
    until = None if new.promised_until is None else parsed(day, new.promised_until, "promised_until")
    if not new.note and not until:
        raise BadInput("Enter a note, or what was promised, or both.", "note")
    if bool(until) != bool(new.promised_amount):
        raise BadInput(RULES["customer_notes_promise"], "promised_amount" if until else "promised_until")
    if (customer := database.get_customer(customer_id))["merged_into"]:
        raise Conflict(accounts.merged(customer))
    if new.promised_amount:
        ask_first(payments.excess(customer_id, new.promised_amount, promised=True), new.confirmed)
    return notes.get_note(notes.add_note(customer_id, new.note, until, new.promised_amount))


@router.post("/customers/{customer_id}/locations", status_code=201, response_model=shape(database.LocationRow))
def add_location(customer_id: Id, new: NewLocation) -> Any:
    location_id = database.add_location(customer_id, new.address)
    return {"location_id": location_id, "customer_id": customer_id, "address": new.address}


@router.get("/locations/{location_id}", response_model=shape(database.Location))
def get_location(location_id: Id) -> Any:
    return database.get_location(location_id)


@router.patch("/locations/{location_id}", response_model=shape(database.LocationRow))
def update_location(location_id: Id, given: LocationChange) -> Any:
    return database.update_location(location_id, **changed(given))


@router.post("/locations/{location_id}/services", status_code=201, response_model=shape(database.ServiceRow))
def add_service(location_id: Id, new: NewService) -> Any:
    """Subscribe a location to a service, from today on."""
    service_id = database.add_service(location_id, new.service_name, new.cost, database.today())
    return {"service_id": service_id, "location_id": location_id, **new.model_dump()}


@router.get("/services/{service_id}", response_model=shape(database.Service))
def get_service(service_id: Id) -> Any:
    return database.get_service(service_id)


@router.patch("/services/{service_id}", response_model=shape(database.ServiceRow))
def update_service(service_id: Id, given: ServiceChange) -> Any:
    return database.update_service(service_id, **changed(given))
