"""Bills and payments."""
from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Optional
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel

import database
from database import MOST_COUNTED
from tracker import credits, fields, payments
from web.shapes import (
    Amount,
    Id,
    Input,
    Payable,
    Reason,
    Search,
    ShortText,
    WholeId,
    after,
    ask_first,
    found,
    found_of,
    page,
    parsed,
    shape,
    whole,
)

router = APIRouter(tags=["bills and payments"])
Doubt = Literal["much", "long_ago", "repeated", "reference"]
Method = Literal["cash", "card", "transfer", "direct debit", "cheque", "other"]


class PaymentForm(BaseModel):
    """What a form for a payment begins with; entry_key is this form's own, so that sending it twice pays once."""

    entry_key: UUID
    today: str
    methods: list[str]
    unpaid_bills: list[shape(payments.UnpaidBill)]  # type: ignore[valid-type]
    amount_due: Amount
    credit: Amount


class NewPayment(Input):
    """billing_id is the bill to be paid first; without it, the one due first is."""

    entry_key: UUID
    amount: Payable
    paid_on: str
    method: Method
    reference: Optional[ShortText] = None
    billing_id: Optional[WholeId] = None
    confirmed: tuple[Doubt, ...] = ()


class NewCreditNote(Input):
    entry_key: UUID
    amount: Payable
    reason: Reason
    confirmed: tuple[Literal["much"], ...] = ()


class Void(Input):
    reason: Reason


@router.get("/bills", response_model=found_of(database.BillHit))
def list_bills(asked: Annotated[Search, Query()]) -> Any:
    """Find bills; without a search, list them, the newest first."""
    skip = (after(asked.cursor, whole) or (0,))[0]
    if asked.search:
        return found(database.find_bills(asked.search, skip, asked.limit), skip, asked.limit, MOST_COUNTED)
    return page(database.list_bills(skip, asked.limit + 1), asked.limit, lambda row: [row["billing_id"]])


@router.get("/bills/{billing_id}", response_model=shape(database.Bill))
def get_bill(billing_id: Id) -> Any:
    return database.get_bill(billing_id)


@router.get("/payments", response_model=found_of(payments.PaymentHit))
def list_payments(asked: Annotated[Search, Query()]) -> Any:
    """Find payments; without a search, list them, the one recorded last first."""
    skip = (after(asked.cursor, whole) or (0,))[0]
    if asked.search:
        return found(payments.find_payments(asked.search, skip, asked.limit), skip, asked.limit, MOST_COUNTED)
    return page(payments.latest_payments(skip, asked.limit + 1), asked.limit, lambda row: [row["payment_id"]])


@router.get("/payments/{payment_id}", response_model=shape(payments.Payment))
def get_payment(payment_id: Id) -> Any:
    return payments.get_payment(payment_id)


@router.get("/customers/{customer_id}/payment-form")
def get_payment_form(customer_id: Id) -> PaymentForm:
    """Return what a form for a payment of this customer, or a credit note, begins with."""
    database.get_customer(customer_id)
    bills = payments.unpaid_bills(customer_id)
    return PaymentForm(
        entry_key=uuid4(), today=database.today().isoformat(), methods=list(payments.METHODS), unpaid_bills=bills,
        amount_due=sum((bill["amount_due"] for bill in bills), Decimal(0)), credit=payments.credit(customer_id),
    )


@router.post("/customers/{customer_id}/payments", status_code=201, response_model=shape(payments.Payment))
def record_payment(customer_id: Id, new: NewPayment) -> Any:
    """Record a payment; where it is odd, or may be one that is recorded already, asks first.

    Sent again with the same entry_key, it returns what it recorded.
    """
    paid_on = parsed(fields.past_day(database.today()), new.paid_on, "paid_on")
    if not payments.find_by_entry_key(new.entry_key):
        ask_first(payments.doubts(customer_id, new.amount, paid_on, new.reference), new.confirmed)
    return payments.record_payment(
        customer_id, new.amount, paid_on, new.method, new.reference, new.entry_key, new.billing_id
    )


@router.post("/customers/{customer_id}/credit-notes", status_code=201, response_model=shape(payments.Payment))
def add_credit_note(customer_id: Id, new: NewCreditNote) -> Any:
    """Lower what a customer owes without money, asking first about an amount far above that.

    Sent again with the same entry_key, it returns what it recorded.
    """
    if not payments.find_by_entry_key(new.entry_key):
        ask_first(payments.excess(customer_id, new.amount), new.confirmed)
    return credits.add_credit_note(customer_id, new.amount, new.reason, new.entry_key)


@router.post("/payments/{payment_id}/void", response_model=shape(payments.Payment))
def void_payment(payment_id: Id, given: Void) -> Any:
    """Void a payment: its bills are due again."""
    return payments.void_payment(payment_id, given.reason)
