"""What the program shows of a provider at the end of a month: screens and files, read back into sums."""
from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from quarter.books import ZERO
from quarter.provider import Provider
from quarter.story import DECEMBER

AMOUNT = re.compile(r"-?[0-9]+\.[0-9]{2}")
AGES = 6  # sums in a line of Late payments by age
LATEST_NOTES = 3  # that an account shows
REVENUE = ("billed", "credited", "written_off", "collected", "refunded")


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def amounts(line: str) -> list[Decimal]:
    return [Decimal(cell) for cell in cells(line) if AMOUNT.fullmatch(cell)]


@dataclass
class Printed:
    """The reports as of a day: what each says, line by line, under whom or which month it is about."""

    day: date
    statements: dict[int, str]
    aged: dict[int, str]
    aged_total: list[Decimal]
    revenue: dict[tuple[str, str], str]

    def closing(self, customer: int) -> Decimal:
        return amounts(self.statements[customer].rstrip().splitlines()[-1])[-1]

    def sums_aged(self) -> dict[int, list[Decimal]]:
        return {customer: amounts(line)[-AGES:] for customer, line in self.aged.items()}

    def months(self, by: str) -> dict[date, dict[str, Decimal]]:
        """Return the months of which anything is said but nothing."""
        rows = {date.fromisoformat(f"{month}-01"): dict(zip(REVENUE, amounts(line)))
                for (view, month), line in self.revenue.items() if view == by}
        return {month: row for month, row in rows.items() if any(row.values())}


def print_reports(isp: Provider, day: date) -> Printed:
    """Print the reports as of a day, which may be today, through the menus."""
    hand = isp.hand
    customers = [customer.number for customer in isp.books.customers.values() if not customer.merged_into]
    asked = [answer for customer in customers for answer in (4, f"customer {customer}", DECEMBER, day)]
    statements = re.findall(rf"^Statement from {DECEMBER} to {day} .*?^{day}  Closing balance .*?$",
                            hand.do(6, *asked, 0), re.MULTILINE | re.DOTALL)
    shown = hand.do(6, 2, "" if day == isp.today else day, 0)
    aged = re.findall(r"^ *[0-9]+  .*(?: {2,}[0-9]+\.[0-9]{2}){6}$", shown, re.MULTILINE)
    total = re.search(r"^ +[0-9]+ customers?  .*$", shown, re.MULTILINE)
    revenue = {(by, line[:7]): line for digit, by in ((3, "period"), (5, "issue")) for line in re.findall(
        r"^20[0-9]{2}-[0-9]{2}(?: {2,}-?[0-9]+\.[0-9]{2}){5}$", hand.do(6, digit, 0), re.MULTILINE)}
    return Printed(day, _by_customer(customers, statements), {int(cells(line)[0]): line for line in aged},
                   amounts(total[0]) if total else [ZERO] * AGES, revenue)


def _by_customer(customers: list[int], statements: list[str]) -> dict[int, str]:
    assert len(customers) == len(statements)
    for customer, statement in zip(customers, statements):
        assert re.search(rf"Customer {customer}$", statement, re.MULTILINE), statement
    return dict(zip(customers, statements))


def compare_reports(isp: Provider, printed: Printed) -> None:
    """Compare the reports as of today with the books."""
    books = isp.books
    for customer in printed.statements:
        assert printed.closing(customer) == books.sums(customer)["balance"], printed.statements[customer]
    assert printed.sums_aged() == books.aged()
    aged = list(books.aged().values())
    assert printed.aged_total == [sum((row[age] for row in aged), ZERO) for age in range(AGES)]
    for by in ("period", "issue"):
        wanted = {month: row for month, row in books.revenue(by).items() if any(row.values())}
        assert printed.months(by) == wanted, by


def compare_again(isp: Provider, before: Printed) -> None:
    """Print the reports as of a past day again: they say what they said.

    What was somebody's who was merged since is told of whoever stayed, and who was erased has another name.
    """
    books, now = isp.books, print_reports(isp, before.day)
    merged: dict[int, list[int]] = defaultdict(list)
    for customer in before.statements:
        merged[books.now(customer)].append(customer)
    since = now.statements.keys() - merged.keys()
    for customer, parts in merged.items():
        if parts == [customer] and not books.customers[customer].erased:
            assert now.statements[customer] == before.statements[customer]
            assert cells(now.aged.get(customer, "")) == cells(before.aged.get(customer, ""))
        assert now.closing(customer) == sum((before.closing(part) for part in parts), ZERO), customer
    assert all(now.closing(customer) == 0 for customer in since)
    then: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO] * AGES)
    for customer, sums in before.sums_aged().items():
        then[books.now(customer)] = [one + other for one, other in zip(then[books.now(customer)], sums)]
    assert now.sums_aged() == then
    assert now.aged_total == before.aged_total
    over = {key: amounts(line) for key, line in before.revenue.items()
            if f"{DECEMBER:%Y-%m}" <= key[1] <= f"{before.day:%Y-%m}"}
    assert over == {key: amounts(now.revenue[key]) for key in over}
    assert over.keys() >= {(by, f"{before.day:%Y-%m}") for by in ("period", "issue")}


def compare_accounts(isp: Provider) -> None:
    """Compare every account, closed ones too, and what is exported, with the books."""
    books, hand = isp.books, isp.hand
    accounts = {account["customer_id"]: account
                for account in json.loads(hand.run("account-report", "--closed", "--format", "json"))}
    assert accounts.keys() == {customer.number for customer in books.customers.values() if not customer.merged_into}
    for customer, account in accounts.items():
        assert _account(account) == _booked_account(isp, customer), account
    _compare_money(isp)
    assert {int(row["customer_id"]): (Decimal(row["amount_late"]), date.fromisoformat(row["oldest_due_date"]))
            for row in hand.export(5)} == books.late()
    _compare_devices(isp)


def _account(account: dict[str, Any]) -> dict[str, object]:
    sites = account["locations"]
    return {
        "name": account["name"], "closed": account["closed_on"],
        "owed": Decimal(account["amount_due"]), "credit": Decimal(account["credit"]),
        "monthly": Decimal(account["monthly_total"]),
        "unpaid": [(bill["billing_id"], bill["due_date"], Decimal(bill["amount_billed"]), Decimal(bill["amount_due"]))
                   for bill in account["unpaid_bills"]],
        "sites": {site["location_id"]: site["address"] for site in sites},
        "services": {row["service_id"]: (row["service_name"], Decimal(row["cost"]), site["location_id"])
                     for site in sites for row in site["services"]},
        "devices": {row["equipment_id"]: (row["equipment_name"], site["location_id"])
                    for site in sites for row in site["equipment"]},
        "promises": [(note["promised_until"], Decimal(note["promised_amount"]), note["state"])
                     for note in account["notes"]],
    }


def _booked_account(isp: Provider, customer: int) -> dict[str, object]:
    books = isp.books
    whose = books.customers[customer]
    sites = sorted(books.sites_of(customer), key=lambda site: site.number)
    promises = sorted((promise for promise in books.promises if promise.customer == customer),
                      key=lambda promise: -promise.order)
    erased = [f"Erased {customer}", *(f"Erased {customer}, site {place}" for place in range(2, len(sites) + 1))]
    return {
        "name": f"Erased {customer}" if whose.erased else whose.name,
        "closed": str(whose.closed_on) if whose.closed_on else None,
        "owed": books.owed(customer), "credit": books.credit(customer), "monthly": books.monthly_total(customer),
        "unpaid": [(bill.number, str(bill.due_date), bill.amount, bill.due) for bill in books.unpaid(customer)],
        "sites": {site.number: erased[place] if whose.erased else site.address for place, site in enumerate(sites)},
        "services": {service.number: (service.name, service.price(isp.today), service.site)
                     for service in books.services_of(customer)},
        "devices": {device.number: (device.name, device.site) for device in books.devices_of(customer)},
        "promises": [(str(promise.until), promise.amount, books.state(promise))
                     for promise in promises[:LATEST_NOTES]],
    }


def _compare_money(isp: Provider) -> None:
    """Compare the exports of bills and payments, record by record, and summed for each customer."""
    books = isp.books
    bills = {int(row["billing_id"]): (
        int(row["customer_id"]), row["period"], row["issued_on"], row["due_date"], Decimal(row["amount_billed"]),
        Decimal(row["amount_paid"]), Decimal(row["amount_due"])) for row in isp.hand.export(3)}
    assert bills == {bill.number: (
        bill.customer, str(bill.period or ""), str(bill.issued), str(bill.due_date), bill.amount, bill.paid, bill.due)
        for bill in books.bills if not bill.cancelled}
    payments = [(int(row["customer_id"]), row["kind"], Decimal(row["amount"]), row["paid_on"], row["voided_at"][:10])
                for row in isp.hand.export(4)]
    assert Counter(payments) == Counter(
        (money.customer, money.kind, money.amount, str(money.paid_on), str(money.voided_on or ""))
        for money in books.money)
    sums: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for customer, *_, amount, _, _ in bills.values():
        sums[customer]["billed"] += amount
    for customer, kind, amount, _, voided_on in payments:
        sums[customer][kind] += ZERO if voided_on else amount
    for number, customer in books.customers.items():
        booked, was = books.sums(number), sums[number]
        assert {kind: was[kind] for kind in booked if kind != "balance"} == {
            kind: amount for kind, amount in booked.items() if kind != "balance"}, customer
        assert booked["balance"] == books.owed(number) - books.credit(number), customer


def _compare_devices(isp: Provider) -> None:
    """Compare what there is of each model, at customers and in stock, and what that is worth."""
    counted: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO] * 4)
    for device in isp.books.devices.values():
        if not device.written_off:
            place = 0 if device.site else 2
            counted[device.name][place] += 1
            counted[device.name][place + 1] += device.cost
    shown = isp.hand.do(6, 7, 0)
    rows = [cells(line) for line in shown.splitlines() if re.match(r" *[0-9]+  .*\.[0-9]{2}$", line)]
    assert {name: [Decimal(cell) for cell in numbers[:4]] for _, name, *numbers in rows} == dict(counted)
