"""The books of a provider, kept in plain Python: what happens to each customer, and what comes of it to the cent.

This is the other reckoning that the program's is compared with. It knows nothing of the database: it is told what was
done, on which day, and has its own arithmetic, by docs/BILLING.md: a service's days, each at its price, one by one.
"""
from __future__ import annotations

import calendar
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

FEE, FEE_AFTER_DAYS = Decimal("5.00"), 14
DAYS_TO_PAY = 14
ZERO = Decimal("0.00")
Made = TypeVar("Made")
Days = Counter  # of (day, monthly cost): how often it is on a line, below 0 where it is taken back


def month_of(day: date) -> date:
    return day.replace(day=1)


def next_month(month: date) -> date:
    return month_of(month + timedelta(days=31))


def days_of(month: date) -> list[date]:
    return [month.replace(day=number) for number in range(1, calendar.monthrange(month.year, month.month)[1] + 1)]


def half_up(exact: Fraction) -> Decimal:
    return Decimal(math.floor(exact * 100 + Fraction(1, 2))).scaleb(-2)


@dataclass
class Customer:
    number: int
    name: str
    since: date
    closed_on: date | None = None
    erased: bool = False
    merged_into: int | None = None


@dataclass
class Site:
    number: int
    customer: int
    address: str


@dataclass
class Device:
    """One without a site is in stock, unless it was written off."""

    number: int
    name: str
    site: int | None
    cost: Decimal
    written_off: bool = False


@dataclass(eq=False)
class Line:
    service: Service
    month: date
    days: Days
    amount: Decimal


@dataclass(eq=False)
class Service:
    """prices tell from which day on each counts; one that was always there begins with first_run."""

    number: int
    site: int
    name: str
    start: date | None
    prices: dict[date, Decimal]
    end: date | None = None
    pauses: dict[date, date | None] = field(default_factory=dict)
    first_run: date | None = None
    lines: list[Line] = field(default_factory=list)

    def price(self, day: date) -> Decimal:
        """Return what it costs a month on a day; before its first day, what it will cost on that."""
        day = max(day, self.start or day)
        return self.prices[max(begin for begin in self.prices if begin <= day)]

    def is_paused(self, day: date) -> bool:
        return any(first <= day and (last is None or day <= last) for first, last in self.pauses.items())

    def runs(self, day: date) -> bool:
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end) \
            and not self.is_paused(day)


@dataclass(eq=False)
class Bill:
    """booked are changes of its amount on days after that of its issue."""

    order: int
    customer: int
    issued: date
    due_date: date
    amount: Decimal
    period: date | None = None
    lines: list[Line] = field(default_factory=list)
    booked: list[tuple[date, Decimal]] = field(default_factory=list)
    cancelled: bool = False
    fee_for: Bill | None = None
    merged: bool = False
    number: int | None = None
    uses: list[Use] = field(default_factory=list)

    @property
    def paid(self) -> Decimal:
        return sum((use.amount for use in self.uses), ZERO)

    @property
    def due(self) -> Decimal:
        return self.amount - self.paid


@dataclass(eq=False)
class Money:
    """A payment, credit note, write-off or refund. from_bill made it, of less than nothing."""

    order: int
    kind: str
    customer: int
    amount: Decimal
    paid_on: date
    number: int | None = None
    from_bill: Bill | None = None
    voided_on: date | None = None
    uses: list[Use] = field(default_factory=list)

    @property
    def left(self) -> Decimal:
        if self.voided_on or self.kind not in ("payment", "credit note"):
            return ZERO
        return self.amount - sum((use.amount for use in self.uses), ZERO)

    @property
    def refunded(self) -> Decimal:
        return sum((use.amount for use in self.uses if isinstance(use.target, Money)), ZERO)


@dataclass(eq=False)
class Use:
    """How much of some money went to a bill, or was given back by a refund."""

    source: Money
    target: Bill | Money
    amount: Decimal
    made_on: date
    order: int
    from_credit: bool


@dataclass
class Promise:
    order: int
    customer: int
    noted_on: date
    until: date
    amount: Decimal


class Books:
    def __init__(self) -> None:
        self.today = date.min
        self.customers: dict[int, Customer] = {}
        self.sites: dict[int, Site] = {}
        self.devices: dict[int, Device] = {}
        self.services: dict[int, Service] = {}
        self._bills: dict[int, list[Bill]] = defaultdict(list)  # by customer, as money
        self._money: dict[int, list[Money]] = defaultdict(list)
        self.promises: list[Promise] = []
        self._order = 0

    def _next(self) -> int:
        self._order += 1
        return self._order

    # Who and what is there

    def open_customers(self) -> list[Customer]:
        return [customer for customer in self.customers.values() if not customer.closed_on]

    def sites_of(self, customer: int) -> list[Site]:
        return [site for site in self.sites.values() if site.customer == customer]

    def services_of(self, customer: int) -> list[Service]:
        return [service for service in self.services.values() if self.sites[service.site].customer == customer]

    def devices_of(self, customer: int) -> list[Device]:
        return [device for device in self.devices.values()
                if device.site and self.sites[device.site].customer == customer]

    def bills_of(self, customer: int) -> list[Bill]:
        return self._bills[customer]

    def money_of(self, customer: int) -> list[Money]:
        return self._money[customer]

    @property
    def bills(self) -> list[Bill]:
        return [bill for bills in self._bills.values() for bill in bills]

    @property
    def money(self) -> list[Money]:
        return [record for money in self._money.values() for record in money]

    def unpaid(self, customer: int) -> list[Bill]:
        """Return what is to be paid, the bill due first first."""
        return sorted((bill for bill in self.bills_of(customer) if bill.due > 0),
                      key=lambda bill: (bill.due_date, bill.order))

    def owed(self, customer: int) -> Decimal:
        return sum((bill.due for bill in self.bills_of(customer)), ZERO)

    def credit(self, customer: int) -> Decimal:
        return sum((money.left for money in self.money_of(customer)), ZERO)

    def monthly_total(self, customer: int) -> Decimal:
        return sum((service.price(self.today) for service in self.services_of(customer) if service.runs(self.today)),
                   ZERO)

    # Money

    def _use(self, source: Money, target: Bill | Money, amount: Decimal, made_on: date, from_credit: bool) -> None:
        use = Use(source, target, amount, made_on, self._next(), from_credit)
        source.uses.append(use)
        target.uses.append(use)

    @staticmethod
    def _release(use: Use) -> None:
        use.source.uses.remove(use)
        use.target.uses.remove(use)

    def _free(self, uses: list[Use], amount: Decimal) -> None:
        """Take that much back, of what was used last first."""
        for use in sorted(uses, key=lambda use: (use.made_on, use.order), reverse=True):
            if amount <= 0:
                return
            self._release(use)
            if use.amount > amount:
                self._use(use.source, use.target, use.amount - amount, self.today, use.from_credit)
            amount -= use.amount

    def _purses(self, customer: int) -> list[Money]:
        """Return what has some left, the oldest first."""
        return sorted((money for money in self.money_of(customer) if money.left > 0),
                      key=lambda money: (money.paid_on, money.order))

    def _spend(self, customer: int, new: Money | None = None) -> None:
        """Let the oldest money pay the bill due first, as long as there is either."""
        purses = self._purses(customer)
        bills = self.unpaid(customer)
        while purses and bills:
            amount = min(purses[0].left, bills[0].due)
            is_new = purses[0] is new
            self._use(purses[0], bills[0], amount, purses[0].paid_on if is_new else self.today, not is_new)
            purses = purses if purses[0].left else purses[1:]
            bills = bills if bills[0].due else bills[1:]

    def _record(self, kind: str, customer: int, amount: Decimal, paid_on: date | None = None) -> Money:
        money = Money(self._next(), kind, customer, amount, paid_on or self.today)
        self._money[customer].append(money)
        return money

    def is_recorded(self, customer: int, amount: Decimal, paid_on: date) -> bool:
        """Tell whether a payment of this customer, amount and day is there already."""
        return any((money.kind, money.amount, money.paid_on, money.voided_on) == ("payment", amount, paid_on, None)
                   for money in self.money_of(customer))

    def pay(self, customer: int, amount: Decimal, paid_on: date, bill: Bill | None = None) -> Money:
        payment = self._record("payment", customer, amount, paid_on)
        if bill:
            self._use(payment, bill, min(amount, bill.due), paid_on, False)
        self._spend(customer, payment)
        return payment

    def credit_note(self, customer: int, amount: Decimal) -> Money:
        note = self._record("credit note", customer, amount)
        self._spend(customer, note)
        return note

    def write_off(self, customer: int, amount: Decimal, bill: Bill | None = None) -> Money:
        given_up = self._record("write-off", customer, amount)
        for owed in [bill] if bill else self.unpaid(customer):
            if part := min(amount, owed.due):
                self._use(given_up, owed, part, self.today, False)
                amount -= part
        return given_up

    def refund(self, customer: int, amount: Decimal, payment: Money | None = None) -> Money:
        refund = self._record("refund", customer, amount)
        if payment:
            self._free([use for use in payment.uses if isinstance(use.target, Bill)], amount - payment.left)
        for purse in [payment] if payment else self._purses(customer):
            if part := min(amount, purse.left):
                self._use(purse, refund, part, self.today, True)
                amount -= part
        self._spend(customer)
        return refund

    def void(self, money: Money) -> None:
        self._take_void(money)
        self._spend(money.customer)

    def _take_void(self, money: Money) -> None:
        money.voided_on = self.today
        for use in list(money.uses):
            self._release(use)

    # Bills

    def add_bill(self, customer: int, amount: Decimal, due_date: date, **more: object) -> Bill:
        bill = self._new_bill(customer, amount, due_date, **more)
        self._spend(customer)
        return bill

    def _new_bill(self, customer: int, amount: Decimal, due_date: date, **more: object) -> Bill:
        bill = Bill(self._next(), customer, self.today, due_date, amount, **more)  # type: ignore[arg-type]
        self._bills[customer].append(bill)
        return bill

    def change_bill(self, bill: Bill, amount: Decimal) -> None:
        if amount < bill.paid:
            self._free(bill.uses, bill.paid - amount)
        if bill.issued < self.today:
            bill.booked.append((self.today, amount - bill.amount))
        bill.amount = amount
        self._spend(bill.customer)

    def cancel(self, bills: list[Bill]) -> None:
        """Delete bills: of today they are gone, older ones are over nothing from today on."""
        for bill in bills:
            for money in self.money_of(bill.customer):
                if money.from_bill is bill and not money.voided_on:
                    self._take_void(money)
            for use in list(bill.uses):
                self._release(use)
            for line in bill.lines:
                line.service.lines.remove(line)
            if bill.issued == self.today:
                self.bills_of(bill.customer).remove(bill)
            else:
                bill.booked.append((self.today, -bill.amount))
                bill.amount, bill.cancelled = ZERO, True
        for customer in {bill.customer for bill in bills}:
            self._spend(customer)

    def fee_on(self, bill: Bill) -> Bill | None:
        return next((fee for fee in self.bills_of(bill.customer) if fee.fee_for is bill and not fee.cancelled), None)

    # The bill run

    def _charges(self, customer: int, period: date, last: bool = False) -> list[Line]:
        """Return what is to be added or taken back of a customer's services, up to a month; for the last time of all.

        Each line here is what a service is billed more or less for a month, however many lines the program makes of it.
        """
        lines = []
        for service in self.services_of(customer):
            begin = service.start or service.first_run or period
            if not service.start and not last:
                begin = min(begin, period)
            months = [month_of(begin), *(line.month for line in service.lines)]
            month = min(months)
            while month <= (max(*months, period) if last else period):
                wanted = Days((day, service.price(day)) for day in days_of(month)
                              if day >= begin and service.runs(day))
                of_month = [line for line in service.lines if line.month == month]
                days = Days(wanted)
                for line in of_month:
                    days.subtract(line.days)
                days = Days({key: count for key, count in days.items() if count})
                if days:
                    whole = half_up(sum((Fraction(price) for _, price in wanted), Fraction(0)) / len(days_of(month)))
                    lines.append(Line(service, month, days, whole - sum((line.amount for line in of_month), ZERO)))
                month = next_month(month)
        return lines

    def to_bill(self, period: date) -> dict[int, list[Line]]:
        """Return the lines of a run for a month, of each customer whom it bills."""
        billed = {bill.customer for bill in self.bills
                  if bill.period == period and not bill.cancelled and not bill.merged}
        charges = {customer.number: self._charges(customer.number, period) for customer in self.open_customers()
                   if customer.since < next_month(period) and customer.number not in billed}
        return {customer: lines for customer, lines in charges.items() if lines}

    def run_bills(self, period: date, due_date: date) -> list[Bill]:
        bills = []
        for customer, lines in sorted(self.to_bill(period).items()):
            for service in self.services_of(customer):
                if any(service.runs(day) for day in days_of(period)) and not service.start:
                    service.first_run = min(service.first_run or period, period)
            bills.append(self._bill_lines(customer, lines, due_date, period))
        if bills:
            for customer in {money.customer for money in self.money if money.left > 0}:
                self._spend(customer)
        return bills

    def _bill_lines(self, customer: int, lines: list[Line], due_date: date, period: date | None = None) -> Bill:
        balance = sum((line.amount for line in lines), ZERO)
        bill = self._new_bill(customer, max(balance, ZERO), due_date, period=period, lines=lines)
        for line in lines:
            line.service.lines.append(line)
        if balance < 0:
            self._record("credit note", customer, -balance).from_bill = bill
        return bill

    def spending(self, deed: Callable[[], Made]) -> tuple[Made, Decimal]:
        """Do a deed, and tell how much credit it spent."""
        before = self._order
        made = deed()
        return made, sum((use.amount for bill in self.bills for use in bill.uses
                          if use.order > before and use.from_credit), ZERO)

    def to_undo(self, period: date) -> list[Bill]:
        """Return the bills of a month that nobody has paid on other than from credit."""
        return [bill for bill in self.bills if bill.period == period and not bill.cancelled
                and all(use.from_credit and use.source.kind != "write-off" for use in bill.uses)]

    # Late fees

    def to_charge(self) -> list[Bill]:
        return [bill for bill in self.bills
                if bill.due > 0 and bill.due_date <= self.today - timedelta(days=FEE_AFTER_DAYS) and not bill.fee_for
                and not self.customers[bill.customer].closed_on and not self.fee_on(bill)
                and not self._has_promised(bill.customer)]

    def _has_promised(self, customer: int) -> bool:
        return any(self.state(promise) == "open" for promise in self.promises if promise.customer == customer)

    def state(self, promise: Promise) -> str:
        came = sum((money.amount for money in self.money_of(promise.customer)
                    if money.kind == "payment" and not money.voided_on
                    and promise.noted_on <= money.paid_on <= promise.until and money.order > promise.order), ZERO)
        before = sum((other.amount for other in self.promises
                      if other.customer == promise.customer and other.noted_on == promise.noted_on
                      and (other.until, other.order) < (promise.until, promise.order)), ZERO)
        is_owed = any(bill.due > 0 and bill.issued <= promise.noted_on and bill.due_date <= promise.until
                      for bill in self.bills_of(promise.customer))
        if came >= promise.amount + before or not is_owed:
            return "kept"
        return "broken" if promise.until < self.today else "open"

    def charge_late_fees(self) -> list[Bill]:
        due_date = self.today + timedelta(days=DAYS_TO_PAY)
        fees = [self._new_bill(bill.customer, FEE, due_date, fee_for=bill) for bill in self.to_charge()]
        for customer in {fee.customer for fee in fees}:
            self._spend(customer)
        return fees

    def promise(self, customer: int, until: date, amount: Decimal) -> None:
        self.promises.append(Promise(self._next(), customer, self.today, until, amount))

    # Prices

    def in_use(self, name: str) -> list[Service]:
        return [service for service in self.services.values()
                if service.name == name and (service.end is None or service.end >= self.today)
                and not self.customers[self.sites[service.site].customer].closed_on]

    def usual_price(self, name: str) -> Decimal:
        counted = Counter(service.price(self.today) for service in self.in_use(name))
        return min(counted, key=lambda price: (-counted[price], price))

    def price_change(self, name: str, cost: Decimal, from_day: date) -> tuple[list[Service], list[Service], Decimal]:
        """Return the services of a name that pay the usual price and would change, those with a price of their own, and
        the monthly total of all others.
        """
        usual = self.usual_price(name)
        there = [service for service in self.in_use(name) if service.end is None or service.end >= from_day]
        differ = [service for service in there if service.price(from_day) != cost]
        own = [service for service in differ if service.price(self.today) != usual]
        changing = [service for service in differ if service not in own]
        return changing, own, sum((service.price(from_day) for service in there if service not in differ), ZERO)

    # The end of an account

    def close(self, customer: int, last_day: date, to_stock: bool) -> Bill | None:
        for service in self.services_of(customer):
            if service.start and service.start > last_day:
                if not service.lines:
                    del self.services[service.number]
                    continue
                service.start = service.end = last_day
                service.pauses = {last_day: last_day}
            elif service.end is None or service.end > last_day:
                service.end = last_day
                service.pauses = {first: min(last or last_day, last_day)
                                  for first, last in service.pauses.items() if first <= last_day}
        for device in self.devices_of(customer) if to_stock else ():
            device.site = None
        lines = self._charges(customer, month_of(last_day), last=True)
        for line in lines:
            line.service.first_run = line.service.first_run or line.month
        due_date = self.today + timedelta(days=DAYS_TO_PAY)
        bill = self._bill_lines(customer, lines, due_date) if lines else None
        self._spend(customer)
        self.customers[customer].closed_on = last_day
        return bill

    def merge(self, stays: int, goes: int) -> None:
        gone = self.customers[goes]
        gone.merged_into, gone.closed_on = stays, gone.closed_on or self.today
        for other in self.customers.values():
            if other.merged_into == goes:
                other.merged_into = stays
        here = {site.address: site for site in self.sites_of(stays)}
        for site in self.sites_of(goes):
            if same := here.get(site.address):
                for thing in (*self.services.values(), *self.devices.values()):
                    if thing.site == site.number:
                        thing.site = same.number
                del self.sites[site.number]
            else:
                site.customer = stays
        for bill in self.bills_of(goes):
            bill.merged = True
        for record in (*self.bills_of(goes), *self.money_of(goes), *self.promises):
            if record.customer == goes:
                record.customer = stays
        self._bills[stays] += self._bills.pop(goes)
        self._money[stays] += self._money.pop(goes)
        self._spend(stays)

    def now(self, customer: int) -> int:
        """Return who a customer is by now: whoever they were merged into."""
        return self.customers[customer].merged_into or customer

    # What reports are to say

    def aged(self) -> dict[int, list[Decimal]]:
        """Return what each customer who owes owes: not due, up to 30, 60 and 90 days late, later, and all of it."""
        aged: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO] * 6)
        for bill in self.bills:
            if bill.due > 0:
                late = (self.today - bill.due_date).days
                place = 0 if late <= 0 else min((late - 1) // 30 + 1, 4)
                aged[bill.customer][place] += bill.due
                aged[bill.customer][5] += bill.due
        return dict(aged)

    def late(self) -> dict[int, tuple[Decimal, date]]:
        """Return what each late customer is late with, and since when."""
        late = {}
        for customer in self.customers:
            bills = [bill for bill in self.unpaid(customer) if bill.due_date < self.today]
            if bills:
                late[customer] = sum((bill.due for bill in bills), ZERO), bills[0].due_date
        return late

    def sums(self, customer: int) -> dict[str, Decimal]:
        """Return what was billed, paid, credited, written off and refunded in all, and what is left of it."""
        def of_kind(kind: str) -> Decimal:
            return sum((money.amount for money in self.money_of(customer)
                        if money.kind == kind and not money.voided_on), ZERO)

        sums = {kind: of_kind(kind) for kind in ("payment", "credit note", "write-off", "refund")}
        sums["billed"] = sum((bill.amount for bill in self.bills_of(customer)), ZERO)
        sums["balance"] = (sums["billed"] - sums["payment"] - sums["credit note"] - sums["write-off"]
                           + sums["refund"])
        return sums

    def revenue(self, by: str) -> dict[date, dict[str, Decimal]]:
        """Return what was billed, credited, written off, collected and refunded in each month."""
        rows: dict[date, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(
            ("billed", "credited", "written_off", "collected", "refunded"), ZERO))
        for day, column, amount in self._entries(by):
            rows[month_of(day)][column] += amount
        return dict(rows)

    def _entries(self, by: str) -> Iterator[tuple[date, str, Decimal]]:
        columns = {"payment": "collected", "credit note": "credited", "write-off": "written_off", "refund": "refunded"}
        for bill in self.bills:
            day = bill.period if by == "period" and bill.period else bill.issued
            yield day, "billed", bill.amount - sum((amount for _, amount in bill.booked), ZERO)
            for booked_on, amount in bill.booked:
                yield max(day, booked_on), "billed", amount
        for money in self.money:
            yield money.paid_on, columns[money.kind], money.amount
            if money.voided_on:
                yield max(money.voided_on, money.paid_on), columns[money.kind], -money.amount
