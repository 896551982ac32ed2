"""How the business stands, on one page."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Generic, Optional, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel

import database
from tracker import bill_run, payments, reports, verify
from tracker.errors import Busy
from web.shapes import Amount, shape

router = APIRouter(tags=["overview"])
KEPT_SECONDS = 60
PATIENCE = 20  # seconds that a request waits for sums that another one adds up
LATEST = 8
Sums = TypeVar("Sums")


class Overview(BaseModel):
    today: str
    customers: int
    customers_exact: bool
    late: shape(reports.LateTotal)  # type: ignore[valid-type]
    aged: shape(reports.AgedTotal)  # type: ignore[valid-type]
    payments_today: shape(payments.PaymentsOfDay)  # type: ignore[valid-type]
    verified: Optional[shape(verify.Verified)]  # type: ignore[valid-type]


class Revenue(BaseModel):
    """Sums over the whole books, as they were at summed_at."""

    summed_at: datetime
    months: list[shape(reports.MonthlyRevenue)]  # type: ignore[valid-type]
    recurring: list[shape(reports.RecurringRevenue)]  # type: ignore[valid-type]
    monthly_total: Amount
    bill_runs: list[shape(bill_run.Run)]  # type: ignore[valid-type]


class Kept(Generic[Sums]):
    """Sums that take seconds, kept for a while: one request adds up, and others get what it was before, or wait."""

    def __init__(self, add_up: Callable[[], Sums]) -> None:
        self._add_up, self._turn = add_up, threading.Lock()
        self._kept: Optional[tuple[float, Sums]] = None

    def get(self) -> Sums:
        kept = self._kept
        if kept and time.monotonic() < kept[0] + KEPT_SECONDS:
            return kept[1]
        if not self._turn.acquire(timeout=0 if kept else PATIENCE):
            if kept:
                return kept[1]
            raise Busy("Revenue is being added up; look again in a moment.")
        try:
            return self._fresh(kept)
        finally:
            self._turn.release()

    def _fresh(self, seen: Optional[tuple[float, Sums]]) -> Sums:
        if self._kept is not seen:  # somebody else added up while this one waited
            return self._kept[1]  # type: ignore[index]
        sums = self._add_up()
        self._kept = time.monotonic(), sums
        return sums


def _add_up() -> Revenue:
    recurring = reports.recurring_revenue()
    return Revenue(
        summed_at=database.now(), months=reports.monthly_revenue(), recurring=recurring,
        monthly_total=sum((row["monthly"] for row in recurring), Decimal(0)), bill_runs=bill_run.latest_runs(),
    )


_revenue = Kept(_add_up)


@router.get("/overview")
def get_overview() -> Overview:
    """Return how the business stands today."""
    today = database.today()
    customers, exact = database.count("customers")
    return Overview(
        today=today.isoformat(), customers=customers, customers_exact=exact, late=reports.late_total(),
        aged=reports.aging_total(), payments_today=payments.payments_on(today, LATEST), verified=verify.last(),
    )


@router.get("/revenue")
def get_revenue() -> Revenue:
    """Return what was billed and collected in the last twelve months, recurring revenue, and the last bill runs."""
    reports.check_may_read()  # what is kept was added up for whoever came first
    return _revenue.get()
