"""What was said with a customer, and what they promised to pay."""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TypedDict

from database import existing, fetch_all, fetch_one, fetch_value, write_one, write_value
from tracker.errors import Conflict

LONGEST = 2_000


class Note(TypedDict):
    """A note; state is what has become of its promise: open, kept or broken. may_go says whether it can be deleted."""

    customer_note_id: int
    customer_id: int
    noted_on: date
    noted_by: str
    note: str | None
    promised_until: date | None
    promised_amount: Decimal | None
    state: str | None
    may_go: bool


NOTES = """
    SELECT customer_note_id, customer_id, customer_notes.noted_on, noted_by, note,
           customer_notes.promised_until, customer_notes.promised_amount, state,
           customer_notes.noted_on = CURRENT_DATE AND noted_by = acting_person() AS may_go
    FROM customer_notes
    LEFT JOIN promises USING (customer_note_id, customer_id)
"""


def add_note(
    customer_id: int, note: str | None, promised_until: date | None = None, promised_amount: Decimal | None = None
) -> int:
    """Note what was said, or what was promised, or both, and return the new ID."""
    return write_value(
        """
        INSERT INTO customer_notes (customer_id, note, promised_until, promised_amount)
        VALUES (%(customer_id)s, %(note)s, %(promised_until)s, %(promised_amount)s)
        RETURNING customer_note_id
        """,
        customer_id=customer_id, note=note, promised_until=promised_until, promised_amount=promised_amount,
    )


def get_note(customer_note_id: int) -> Note:
    return existing("note", customer_note_id, fetch_one(
        f"{NOTES} WHERE customer_note_id = %(customer_note_id)s", customer_note_id=customer_note_id
    ))


def list_notes(customer_id: int, before: int = 0, limit: int = 100) -> list[Note]:
    """Return a page of a customer's notes, the newest first; before is the ID of the last one shown."""
    return fetch_all(
        f"""
        {NOTES}
        WHERE customer_id = %(customer_id)s AND (%(before)s = 0 OR customer_note_id < %(before)s)
        ORDER BY customer_note_id DESC
        LIMIT %(limit)s
        """,
        customer_id=customer_id, before=before, limit=limit,
    )


def count_notes(customer_id: int) -> int:
    return fetch_value(
        "SELECT count(*) FROM customer_notes WHERE customer_id = %(customer_id)s", customer_id=customer_id
    )


def delete_note(customer_note_id: int) -> None:
    """Delete a note that is a mistake of today, by whoever wrote it; raise Conflict for any other, NotFound for none.

    Later it is what was known, and a further note says what is wrong with it.
    """
    gone: Note | None = write_one(
        """
        DELETE FROM customer_notes
        WHERE customer_note_id = %(customer_note_id)s AND noted_on = CURRENT_DATE AND noted_by = acting_person()
        RETURNING customer_note_id
        """,
        customer_note_id=customer_note_id,
    )
    if gone is None:
        get_note(customer_note_id)
        raise Conflict("A note can be deleted on its day alone, by who wrote it; note what is wrong with it instead.")
