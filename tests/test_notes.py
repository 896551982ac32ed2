"""Notes and promises to pay: what is kept or broken, where it is shown, and which notes can be taken back."""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines, sentence

import database
from tracker import errors, notes, payments, reports

pytestmark = pytest.mark.slow


def ahead(days):
    return database.today() + timedelta(days=days)


@pytest.fixture
def ada(db, sql):
    """A customer with 75.00 late since ten days, of a bill issued forty days ago."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_bill(customer_id, "Installation", Decimal("75"), ahead(-10))
    sql("UPDATE billing SET issued_on = CURRENT_DATE - 40")
    return customer_id


def pay(customer_id, amount, days=0):
    return payments.record_payment(customer_id, Decimal(amount), ahead(days), "cash", None, uuid4())["payment_id"]


def states(customer_id):
    """Return what has become of a customer's promises, in the order in which they were made."""
    return [row["state"] for row in reversed(notes.list_notes(customer_id))]


def promise(customer_id, amount, until, made=0):
    """Note a promise until so many days from today, as it was made so many days from today."""
    note_id = notes.add_note(customer_id, None, ahead(0), Decimal(amount))
    with database.transaction() as cur:
        cur.execute(
            """
            UPDATE customer_notes
            SET promised_until = CURRENT_DATE + %(until)s, noted_on = CURRENT_DATE + %(made)s,
                noted_at = now() + make_interval(days => %(made)s)
            WHERE customer_note_id = %(note_id)s
            """,
            {"note_id": note_id, "until": until, "made": made},
        )
    return note_id


def test_a_promise_is_open_to_the_end_of_its_day_and_broken_from_the_next_on(ada):
    promise(ada, 50, 0, -5), promise(ada, 50, -1, -5), promise(ada, 50, 3)
    assert states(ada) == ["open", "broken", "open"]
