"""Who is late, what is owed by age, and who changed what."""
from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from datetime import date
from typing import IO, Annotated, Any, Callable, Literal, Optional
from weakref import WeakKeyDictionary

import anyio
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Scope, Send

import database
from tracker import fields, reports, trail, wording
from tracker.errors import Busy
from tracker.transfer import exporting
from web.shapes import Input, Page, Place, Word, after, money, page, page_of, parsed, shape, storable, whole
from web.telling import Told, told

router = APIRouter(tags=["lists"])
CHUNK = 64 * 1024
MOST_DOWNLOADS = 4  # of one person at a time
SENT_WITHIN = 15 * 60  # seconds
_turns: WeakKeyDictionary[database.Login, threading.BoundedSemaphore] = WeakKeyDictionary()
Day = Annotated[str, Field(max_length=40)]
Sort = Literal["oldest", "amount", "name"]
Kind = Literal["", "added", "changed", "deleted"]
Table = Literal[
    "", "customers", "locations", "services", "equipment", "billing", "billing_items", "payments",
    "payment_allocations", "service_pauses", "price_changes", "equipment_moves", "customer_notes"
]


class List(Input):
    """Whose debts are asked for: on a day, today where it is empty; in an order; of customers with these words."""

    as_of: Day = ""
    sort: Sort = "oldest"
    search: Word = ""


class ListPage(List, Place):
    """The same, a page at a time."""


class Wanted(Place):
    """Which changes are asked for: between two days, by a person, of a kind, in a table."""

    first: Day = ""
    last: Day = ""
    person: Word = ""
    kind: Kind = ""
    table: Table = ""


class LatePage(page_of(reports.LateCustomer)):  # type: ignore[misc]
    as_of: str
    total: shape(reports.LateTotal)  # type: ignore[valid-type]


class AgingPage(page_of(reports.AgedCustomer)):  # type: ignore[misc]
    as_of: str
    total: shape(reports.AgedTotal)  # type: ignore[valid-type]


# What a cursor of each order holds: the order's key, and the customer's ID.
KEYS: dict[str, tuple[Callable[[str], Any], ...]] = {
    "oldest": (fields.day, whole), "amount": (money, whole), "name": (storable, whole),
}


@router.get("/late")
def list_late(asked: Annotated[ListPage, Query()]) -> LatePage:
    """List the customers who are late, or were on a past day, and of all of them how many and with how much."""
    given = _given(asked)
    rows = reports.late_customers(after(asked.cursor, *KEYS[asked.sort]), asked.limit + 1, **given)
    return LatePage(**page(rows, asked.limit, lambda row: _key(row, asked.sort, "amount_late")),
                    as_of=_shown(given["as_of"]), total=reports.late_total(given["as_of"], given["search"]))


@router.get("/aging")
def list_aging(asked: Annotated[ListPage, Query()]) -> AgingPage:
    """List what customers owe by age, today or on a past day, and all of it summed."""
    given = _given(asked)
    rows = reports.aging(after=after(asked.cursor, *KEYS[asked.sort]), limit=asked.limit + 1, **given)
    return AgingPage(**page(rows, asked.limit, lambda row: _key(row, asked.sort, "total")),
                     as_of=_shown(given["as_of"]), total=reports.aging_total(given["as_of"], given["search"]))


def _given(asked: List) -> dict[str, Any]:
    """Return what a list is asked for as the functions take it: no day for today, which has its own quick way."""
    today = database.today()
    day = parsed(fields.past_day(today), asked.as_of, "as_of") if asked.as_of else today
    return {"as_of": None if day == today else day, "sort": asked.sort, "search": asked.search or None}


def _key(row: Any, sort: str, amount: str) -> list[object]:
    return [{"oldest": row["oldest_due_date"], "amount": row[amount], "name": row["name"]}[sort], row["customer_id"]]


def _shown(day: Optional[date]) -> str:
    return (day or database.today()).isoformat()


@router.get("/late.csv", response_class=StreamingResponse)
def export_late(request: Request, asked: Annotated[List, Query()]) -> StreamingResponse:
    """Return the whole list of late customers as CSV."""
    return _download(request, "late", exporting.export_late, _given(asked))


@router.get("/aging.csv", response_class=StreamingResponse)
def export_aging(request: Request, asked: Annotated[List, Query()]) -> StreamingResponse:
    """Return the whole list of what is owed by age as CSV."""
    return _download(request, "aging", exporting.export_aging, _given(asked))


def _download(request: Request, name: str, write: Callable[..., object], given: dict[str, Any]) -> StreamingResponse:
    """Return a file that is written whole before its first byte is sent, so that none can end in the middle unseen.

    Raise Busy when this person has MOST_DOWNLOADS of them already, which may be slow to be read.
    """
    turns = _turns.setdefault(request.scope["session"].login, threading.BoundedSemaphore(MOST_DOWNLOADS))
    if not turns.acquire(blocking=False):
        raise Busy(f"{MOST_DOWNLOADS} lists are being downloaded already; wait until one of them has come.")
    file = tempfile.TemporaryFile()  # noqa: SIM115, it is closed when it is sent
    try:
        write(file, **given)
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        turns.release()
        raise
    return _Download(file, turns, {
        "Content-Disposition": f'attachment; filename="{name}-{_shown(given["as_of"])}.csv"',
        "Content-Length": str(size),
    })


class _Download(StreamingResponse):
    """Sends a file, and closes it at the end, also that of a client who leaves in the middle or takes too long."""

    def __init__(self, file: IO[bytes], turns: threading.BoundedSemaphore, headers: dict[str, str]) -> None:
        super().__init__(_chunks(file), media_type="text/csv; charset=utf-8", headers=headers)
        self._file, self._turns = file, turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._file, anyio.move_on_after(SENT_WITHIN):
                await super().__call__(scope, receive, send)
        finally:
            self._turns.release()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


@router.get("/changes")
def list_changes(asked: Annotated[Wanted, Query()]) -> Page[Told]:
    """List who changed what, newest first."""
    today = database.today()
    wanted = trail.Wanted(
        parsed(fields.past_day(today), asked.first, "first") if asked.first else None,
        parsed(fields.past_day(today), asked.last, "last") if asked.last else None,
        asked.person or None, asked.kind or None, asked.table or None, details=False,
    )
    rows = trail.changes(wanted, (after(asked.cursor, whole) or (0,))[0], asked.limit + 1)
    pages = page(rows, asked.limit, lambda row: [row["trail_id"]])
    return Page[Told](rows=[told(row, wording.statement_name(row)) for row in pages["rows"]], next=pages["next"])
