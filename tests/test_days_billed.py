"""No day of a service is billed twice or left out: bill runs, late, undone and repeated, against a sum day by day."""
from __future__ import annotations

import calendar
import contextlib
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

import database
from tests.conftest import there_since
from tracker import bill_run, errors
from tracker.verify import verify

DUE = date(2199, 12, 31)
FIRST = date(2026, 1, 1)
MONTHS = [date(2026 + month // 12, month % 12 + 1, 1) for month in range(9)]


def month_of(day):
    return day.replace(day=1)


def length(month):
    return calendar.monthrange(month.year, month.month)[1]


def days_of(month):
    return [month + timedelta(days=number) for number in range(length(month))]


def run_month(month):
    return bill_run.run(month, DUE)


class Books:
    """What a provider does with services, beside a plain account of each service's days and prices."""

    def __init__(self, seed, sql):
        self.random, self.sql = random.Random(seed), sql
        self.services = {}
        self.customers = [database.add_customer(f"Customer {number}", None) for number in range(2)]
        self.locations = {customer: database.add_location(customer, "1 Quay") for customer in self.customers}
        there_since("2020-01-01")

    def any_day(self):
        return FIRST + timedelta(days=self.random.randrange(-10, 250))

    def cost(self):
        return Decimal(self.random.choice(["30.00", "29.99", "0.00", "0.10", "100.01", "7.77"]))

    def add_service(self):
        customer = self.random.choice(self.customers)
        start = self.random.choice([None, self.any_day(), self.any_day()])
        cost = self.cost()
        service_id = database.add_service(self.locations[customer], "Fibre", cost, start)
        self.services[service_id] = {"customer": customer, "start": start, "end": None, "pauses": {}, "cost": cost,
                                     "changes": {}, "first_run": None}

    def any_service(self):
        return self.random.choice(list(self.services)) if self.services else None

    def start(self):
        if service_id := self.any_service():
            service = self.services[service_id]
            day = self.random.choice([None, self.any_day(), self.any_day()])
            if day is None or service["end"] is None or day <= service["end"]:
                service["start"] = day
                database.update_service(service_id, started_on=day or "")
                if day is None and (first := self.first_line(service_id)):
                    service["first_run"] = min(service["first_run"] or first, first)

    def first_line(self, service_id):
        """The month from which on a service stays billed that is said to have been always there."""
        return self.sql("SELECT date_trunc('month', min(first_day))::date AS month FROM billing_items"
                        " JOIN billing USING (billing_id) WHERE service_id = %s AND cancelled_on IS NULL",
                        service_id)[0]["month"]

    def end(self):
        if service_id := self.any_service():
            service = self.services[service_id]
            day = self.random.choice([None, self.any_day(), self.any_day()])
            if day is None or not service["start"] or day >= service["start"]:
                service["end"] = day
                self.sql("UPDATE services SET ended_on = %s WHERE service_id = %s", day, service_id)

    def pause(self):
        if service_id := self.any_service():
            first = self.any_day()
            last = self.random.choice([None, first + timedelta(days=self.random.randrange(40))])
            try:
                pause_id = database.pause_service(service_id, first, last)
            except errors.Conflict:
                return
            self.services[service_id]["pauses"][pause_id] = (first, last)

    def end_pause(self):
        if (service_id := self.any_service()) and (pauses := self.services[service_id]["pauses"]):
            pause_id, (first, _) = self.random.choice(list(pauses.items()))
            last = self.random.choice([None, first + timedelta(days=self.random.randrange(20))])
            if last is None:
                database.delete_pause(pause_id)
                del pauses[pause_id]
                return
            with contextlib.suppress(errors.Conflict):  # it would be into the next one
                database.end_pause(pause_id, last)
                pauses[pause_id] = (first, last)

    def change_price(self):
        """From a day after the last change on, which was the price of all days before where there was none."""
        if service_id := self.any_service():
            service = self.services[service_id]
            day, cost = self.any_day(), self.cost()
            if day <= max(service["changes"], default=date.min):
                return
            self.sql("WITH change AS (INSERT INTO price_changes (service_id, from_day, cost_before)"
                     "                SELECT service_id, %s, cost FROM services WHERE service_id = %s)"
                     "UPDATE services SET cost = %s WHERE service_id = %s", day, service_id, cost, service_id)
            service["changes"][day] = service["cost"]
            service["cost"] = cost

    def run(self, month=None):
        month = month or self.random.choice(MONTHS)
        billed = {row["customer_id"] for row in self.sql(
            "SELECT customer_id FROM billing WHERE period = %s AND cancelled_on IS NULL", month)}
        shown = bill_run.preview(month)
        done = bill_run.run(month, DUE, shown["total"])
        assert (done["created"], done["total"]) == (shown["customers"], shown["total"])
        for service in self.services.values():
            if service["customer"] not in billed and any(self.is_wanted(service, day, month) for day in days_of(month)):
                service["first_run"] = min(service["first_run"] or month, month)

    def undo(self):
        """On the same day, or on a later one."""
        if self.random.random() < 0.5:
            self.sql("UPDATE billing SET issued_on = issued_on - 1")
        bill_run.undo(self.random.choice(MONTHS))

    def delete_bill(self):
        bills = self.sql("SELECT billing_id FROM billing WHERE cancelled_on IS NULL ORDER BY billing_id")
        if bills:
            database.delete_bill(self.random.choice(bills)["billing_id"])

    def price(self, service, day):
        coming = [change for change in service["changes"] if change > day]
        return service["changes"][min(coming)] if coming else service["cost"]

    def is_wanted(self, service, day, found_in=None):
        start = service["start"] or found_in or service["first_run"]
        is_paused = any(first <= day and (not last or day <= last) for first, last in service["pauses"].values())
        return start and start <= day and (not service["end"] or day <= service["end"]) and not is_paused

    def wanted(self, service, month):
        """The days of a month and what they come to, summed one by one, and rounded once."""
        days = {day: self.price(service, day) for day in days_of(month) if self.is_wanted(service, day)}
        return days, (sum(days.values(), Decimal(0)) / length(month)).quantize(Decimal("0.01"), ROUND_HALF_UP)

    def check(self):
        """After the runs of all months, and one of the month after, compare each service's days and sums."""
        lines = self.sql("SELECT service_id, first_day, last_day, days, monthly_cost, amount FROM billing_items"
                         " JOIN billing USING (billing_id) WHERE cancelled_on IS NULL AND service_id IS NOT NULL")
        days, sums = defaultdict(int), defaultdict(Decimal)
        for line in lines:
            sums[line["service_id"], month_of(line["first_day"])] += line["amount"]
            for number in range(abs(line["days"])):
                day = line["first_day"] + timedelta(days=number)
                days[line["service_id"], day, line["monthly_cost"]] += 1 if line["days"] > 0 else -1
        last = max(MONTHS[-1], max((month_of(line["first_day"]) for line in lines), default=FIRST))
        for service_id, service in self.services.items():
            month = date(2025, 12, 1)
            while month <= last:
                wanted, amount = self.wanted(service, month)
                billed = {(day, cost): times for (of, day, cost), times in days.items()
                          if of == service_id and month_of(day) == month and times}
                assert billed == dict.fromkeys(wanted.items(), 1), (service_id, month)
                assert sums[service_id, month] == amount, (service_id, month)
                month = month_of(month + timedelta(days=31))

    def all_days(self):
        """Each customer's bills less their credit notes are the sum of all of these."""
        billed = {row["customer_id"]: row["sum"] for row in self.sql(
            "SELECT customer_id, sum(amount) FROM (SELECT customer_id, amount_billed AS amount FROM billing UNION ALL"
            " SELECT customer_id, -amount FROM payments WHERE voided_at IS NULL) AS entry GROUP BY customer_id")}
        lines = self.sql("SELECT customer_id, sum(amount) FROM billing_items JOIN billing USING (billing_id)"
                         " WHERE cancelled_on IS NULL AND service_id IS NOT NULL GROUP BY customer_id")
        assert {row["customer_id"]: row["sum"] for row in lines if row["sum"]} == {
            customer: amount for customer, amount in billed.items() if amount}


def play(seed, sql, steps=25):
    books = Books(seed, sql)
    actions = [books.add_service, books.add_service, books.start, books.end, books.pause, books.end_pause,
               books.change_price, books.run, books.run, books.undo, books.delete_bill]
    for _ in range(steps):
        books.random.choice(actions)()
    for month in [*MONTHS, date(2026, 10, 1), date(2026, 11, 1)]:
        books.run(month)
    books.check()
    books.all_days()
    assert verify()[1] == []
    assert sql("SELECT service_id FROM unsettled_services WHERE since <= '2026-11-01' AND billed_from IS NULL") == []


@pytest.mark.parametrize("seed", range(12))
def test_a_random_history_bills_each_day_of_a_service_once_at_its_price(db, sql, seed):
    play(seed, sql)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1100))
def test_many_random_histories_bill_each_day_of_a_service_once_at_its_price(db, sql, seed):
    play(seed, sql, 60)
