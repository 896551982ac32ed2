"""Money that comes in, recorded once: what the form of a payment and the command share."""
from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import database
from database import Customer
from tracker import accounts, errors, fields, payments, wording
from tracker.payments import Doubt, Payment
from tracker.terminal import prompts, screens
from tracker.terminal.prompts import say
from tracker.text import show_amount

if TYPE_CHECKING:
    from uuid import UUID

LOOK_UP_SECONDS = 60


def customer_of(answer: str) -> Customer:
    """Return the customer whom an argument names: by ID, or by reference, such as C123; raise NotFound for nobody.

    As in the form, who was merged leads to the one who stays, and that is said.
    """
    try:
        customer_id = fields.customer_id(answer)
    except ValueError:
        raise errors.NotFound("customer", answer) from None
    customer = database.get_customer(customer_id)
    if customer["merged_into"]:
        prompts.note(accounts.merged(customer))
        return database.get_customer(customer["merged_into"])
    return customer


def refuse_doubtful(customer_id: int, amount: Decimal, paid_on: date, reference: str | None) -> None:
    """Raise Conflict where the form would ask again before it records a payment."""
    if doubts := payments.doubts(customer_id, amount, paid_on, reference):
        raise errors.Conflict(" ".join([*map(doubtful, doubts), "Give --yes to record it all the same."]))


def doubtful(doubt: Doubt) -> str:
    """Say what is doubtful about a payment, and which ones say so."""
    earlier = "; ".join(map(wording.payment_name, doubt.payments))
    return f"{doubt.sentence[:-1]}: {earlier}." if earlier else doubt.sentence


def say_paid(payment: Payment) -> None:
    """Say which payment was recorded, and what became of it."""
    say(f"Recorded payment {payment['payment_id']}, {show_amount(payment['amount'])} on {payment['paid_on']}, "
        f"of {payment['name']}.")
    for line in screens.payment_lines(payment):
        print(line)


def save_payment(
    customer_id: int,
    amount: Decimal,
    paid_on: date,
    method: str,
    reference: str | None,
    entry_key: UUID,
    billing_id: int | None = None,
) -> Payment:
    """Record a payment as save_once does."""
    return save_once(entry_key, functools.partial(
        payments.record_payment, customer_id, amount, paid_on, method, reference, entry_key, billing_id
    ))


def save_once(entry_key: UUID, save: Callable[[], Payment]) -> Payment:
    """Record money; when the reply is lost, look it up by its entry key, which can never be used twice."""
    try:
        return save()
    except errors.OutcomeUnknown:
        say("The connection was lost while saving and the outcome is unknown; looking it up.")
    if payment := look_up_saved_payment(entry_key):
        print("It had been saved.")
        return payment
    print("It had not been saved; saving it now.")
    return save()


def look_up_saved_payment(entry_key: UUID) -> Payment | None:
    """Look a payment up by its entry key, until there is an answer; after LOOK_UP_SECONDS the last try begins."""
    patient_until = time.monotonic() + LOOK_UP_SECONDS
    while True:
        try:
            return payments.find_by_entry_key(entry_key)
        except errors.Error:  # whatever kept this from being answered, the payment may have been saved
            if time.monotonic() > patient_until:
                break
            time.sleep(1)
    raise errors.Unavailable("The server is away, and whether this was saved is unknown: "
                             "look at View payments before you enter it again.")
