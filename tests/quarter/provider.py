"""A provider of 300 that is made up from a seed: its customers, its books, and whom a deed can be about."""
from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import TypeVar

from quarter.books import ZERO, Bill, Books, Customer, Device, Money, Service, Site
from quarter.hand import Hand

Thing = TypeVar("Thing")
CUSTOMERS = 300
PLANS = {"Fibre 100": "29.90", "Fibre 250": "39.95", "Fibre 500": "49.99", "Radio 20": "19.90", "Telephone": "9.50",
         "TV": "7.77", "Fixed address": "0.00"}
MODELS = {"Router AX3000": "89.00", "Antenna 5G": "140.25", "TV box": "49.90"}
FIRST_NAMES = ("Ada", "Björn", "Cyd", "Dede", "Esra", "Finn", "Greta", "Hana", "Ivo", "June", "Kofi", "Lena", "Milo",
               "Noor", "Otto", "Pia", "Quinn", "Rosa", "Sami", "Tove")
LAST_NAMES = ("Okafor", "Åkesson", "O'Hara", "Mbeki", "Yilmaz", "Lund", "Moss", "Sato", "Novak", "Archer", "Mensah",
              "Vogel", "Rossi", "Haddad", "Brandt", "Keller", "Byrne", "Costa", "Virtanen", "Dahl")


class Provider:
    """The provider, on its day, with the hand that types for it; names are those of who may still join."""

    def __init__(self, hand: Hand, seed: int) -> None:
        self.hand, self.books, self.chance = hand, Books(), random.Random(seed)
        self.doubles: list[tuple[int, int]] = []
        self.names = [" ".join(name) for name in product(FIRST_NAMES, LAST_NAMES)]
        self.chance.shuffle(self.names)
        self._number = 0

    @property
    def today(self) -> date:
        return self.books.today

    def begin(self, day: date) -> None:
        self.books.today = day
        self.hand.next_day(day)

    def says(self, expected: str, *answers: object) -> re.Match[str]:
        """Type answers that lead to an entry of a menu and through its form; a sentence is to be said after them."""
        return self.hand.says(expected, *answers, 0)

    # By chance

    def day(self, least: int, most: int) -> date:
        """Return a day so many from today."""
        return self.today + timedelta(days=self.chance.randint(least, most))

    def amount(self, least: str, most: str | Decimal) -> Decimal:
        return Decimal(self.chance.randint(int(Decimal(least) * 100), int(Decimal(most) * 100))).scaleb(-2)

    def plan(self) -> tuple[str, Decimal]:
        """Return a plan and what it costs somebody: most pay the usual price."""
        plan, usual = self.chance.choice(list(PLANS.items()))
        is_own = self.chance.random() < 0.15
        return plan, max(Decimal(usual) - self.amount("0.01", "5.00"), ZERO) if is_own else Decimal(usual)

    def number(self) -> int:
        """Return a number that was not used before."""
        self._number += 1
        return self._number

    # Whom a deed can be about; None where there is nobody

    def one_of(self, things: Iterable[Thing], meant: Callable[[Thing], object] = lambda thing: True) -> Thing | None:
        fitting = [thing for thing in things if meant(thing)]
        return self.chance.choice(fitting) if fitting else None

    def is_open(self, site: int) -> bool:
        return not self.books.customers[self.books.sites[site].customer].closed_on

    def customer(self, meant: Callable[[int], object] = lambda customer: True) -> int | None:
        return self.one_of((customer.number for customer in self.books.open_customers()), meant)

    def who_left(self, meant: Callable[[Customer], object] = lambda customer: True) -> Customer | None:
        return self.one_of(
            (customer for customer in self.books.customers.values()
             if customer.closed_on and not customer.merged_into and not customer.erased), meant)

    def site(self) -> Site | None:
        return self.one_of(self.books.sites.values(), lambda site: self.is_open(site.number))

    def service(self, meant: Callable[[Service], object] = lambda service: True) -> Service | None:
        """Return a service of an open account that has not ended."""
        return self.one_of(
            (service for service in self.books.services.values()
             if (service.end is None or service.end >= self.today) and self.is_open(service.site)), meant)

    def device(self, meant: Callable[[Device], object] = lambda device: True) -> Device | None:
        return self.one_of((device for device in self.books.devices.values() if not device.written_off), meant)

    def bill(self, meant: Callable[[Bill], object] = lambda bill: True) -> Bill | None:
        """Return a bill that may be changed: nothing of it was written off."""
        return self.one_of(
            (bill for bill in self.books.bills
             if not bill.cancelled and not any(use.source.kind == "write-off" for use in bill.uses)), meant)

    def money(self, kind: str, meant: Callable[[Money], object] = lambda money: True) -> Money | None:
        """Return a payment, or what is recorded as one, that counts, and was entered by hand."""
        return self.one_of(
            (money for money in self.books.money if money.kind == kind and money.number and not money.voided_on), meant)

    # The beginning: an import

    def import_customers(self) -> None:
        rows = [row for number in range(1, CUSTOMERS + 1) for row in self._lines(self.names.pop(), number)]
        path = self.hand.folder / "customers.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        services = sum(bool(row["service"]) for row in rows)
        devices = sum(bool(row["device"]) for row in rows)
        sites = len({row["address"] for row in rows})
        self.says(rf"Imported {CUSTOMERS} customers, {sites} sites, {services} services, {devices} equipment\.",
                  7, 1, path, "", "yes")
        self._learn_accounts()
        assert (len(self.books.sites), len(self.books.services), len(self.books.devices)) == (sites, services, devices)

    def _lines(self, name: str, number: int) -> list[dict[str, str]]:
        """Return the lines of a customer: a site or two, each with services, or none, and often with a device."""
        lines = []
        for street in ("Harbour Street", "Mill Lane")[:self.chance.choice([1, 1, 1, 1, 1, 2])]:
            plans = dict(self.plan() for _ in range(self.chance.choice([0, 1, 1, 1, 1, 1, 1, 2, 2, 3])))
            for plan, cost in (plans or {"": ""}).items():
                model = self.chance.choice(list(MODELS)) if self.chance.random() < 0.4 else ""
                lines.append({
                    "name": name, "phone": f"555 {1000 + number}", "email": f"c{number}@example.com",
                    "address": f"{number} {street}", "service": plan, "monthly cost": str(cost), "device": model,
                    "serial number": f"S-{number}-{len(lines)}" if model else "", "worth": MODELS.get(model, ""),
                })
        return lines

    def _learn_accounts(self) -> None:
        """Book what was imported, with the IDs that the program gave it."""
        for account in json.loads(self.hand.run("account-report", "--format", "json")):
            number = account["customer_id"]
            self.books.customers[number] = Customer(number, account["name"], self.today)
            for location in account["locations"]:
                site = location["location_id"]
                self.books.sites[site] = Site(site, number, location["address"])
                for row in location["services"]:
                    self.books.services[row["service_id"]] = Service(
                        row["service_id"], site, row["service_name"], None, {date.min: Decimal(row["cost"])})
                for row in location["equipment"]:
                    self.books.devices[row["equipment_id"]] = Device(
                        row["equipment_id"], row["equipment_name"], site, Decimal(row["cost"]))

    def learn_bills(self) -> None:
        """Learn the IDs of new bills; those of one customer have theirs in the order in which they were made."""
        known = {bill.number for bill in self.books.bills}
        for row in self.hand.export(3):
            if int(row["billing_id"]) not in known:
                bill = next(bill for bill in self.books.bills_of(int(row["customer_id"])) if bill.number is None)
                bill.number = int(row["billing_id"])
        assert all(bill.number for bill in self.books.bills)
