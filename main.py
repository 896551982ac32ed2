"""ISP Customer Tracker: the menus of an internet provider's administrator, and what each entry does."""
from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import commands
import database
import display
import interrupts
import money
import prompts
import reports
import screens
import transfer
from database import Row
from display import number
from prompts import ask, browse, confirm, say

VERSION = "1.0.0"
LOOK_UPS = 60


class Menu(NamedTuple):
    title: str
    entries: dict[str, tuple[str, Callable[[], None] | Menu]]


class Kind(NamedTuple):
    """One sort of record: how it is asked for, found, listed and named."""

    noun: str
    table: str
    key: str
    get: Callable[[int], Row]
    find: Callable[[str], list[Row]]
    hits: list[display.Column]
    name: Callable[[Row], str]


CUSTOMER = Kind(
    "customer", "customers", "customer_id",
    database.get_customer, database.find_customers, screens.CUSTOMER_HITS,
    lambda row: f"customer {row['customer_id']}, {row['name']}, {row['phone_number']}",
)
LOCATION = Kind(
    "location", "locations", "location_id",
    database.get_location, database.find_locations, screens.LOCATIONS,
    lambda row: f"location {row['location_id']}, {row['address']}, of {row['name']}",
)
SERVICE = Kind(
    "service", "services", "service_id",
    database.get_service, database.find_services, screens.SERVICES,
    lambda row: f"service {row['service_id']}, {row['service_name']}, at {row['address']}, of {row['name']}",
)
EQUIPMENT = Kind(
    "equipment", "equipment", "equipment_id",
    database.get_equipment, database.find_equipment, screens.EQUIPMENT,
    lambda row: f"equipment {row['equipment_id']}, {row['equipment_name']}, at {row['address']}, of {row['name']}",
)
BILL = Kind(
    "bill", "billing", "billing_id",
    database.get_bill, database.find_bills, screens.BILLS,
    lambda row: f"bill {row['billing_id']}, {row['description']}, {display.money(row['amount_billed'])}, of {row['name']}",
)
PAYMENT = Kind(
    "payment", "payments", "payment_id",
    money.get_payment, money.find_payments, screens.PAYMENT_HITS,
    lambda row: f"payment {row['payment_id']}, {display.money(row['amount'])} on {row['paid_on']}, {row['method']}, "
                f"of {row['name']}",
)


def pick(kind: Kind) -> Row:
    """Ask for a record by ID or by part of a name, phone number or address, until there is one."""
    while True:
        answer = ask(f"{kind.noun.capitalize()} (ID or search)", prompts.text(300))
        if row := look_up(kind, answer):
            return row


def look_up(kind: Kind, answer: str) -> Row | None:
    """Return the record that an ID or a search leads to; None after saying why there is none.

    Digits are an ID, unless they begin with 0. Where no record has it, they may be a caller's number or its last digits,
    but what that finds is never taken without being picked.
    """
    if not prompts.is_id(answer) or answer.startswith("0"):
        return choose_hit(kind, answer, kind.find(answer))
    try:
        return found(kind, kind.get(prompts.row_id(answer)))
    except (ValueError, database.NotFound) as exc:
        reason = str(exc)
    if len(answer) >= 4 and (hits := kind.find(answer[:20])):
        prompts.complain(f"{reason} These match:")
        return pick_hit(kind, hits)
    prompts.complain(f"{reason} Enter another ID, or part of a name, phone number or address.")
    return None


def found(kind: Kind, row: Row) -> Row:
    """Say which record this is, so that nobody's money goes to another by a slip, and return it."""
    say(f"{kind.name(row)[0].upper()}{kind.name(row)[1:]}.")
    return row


def choose_hit(kind: Kind, term: str, hits: list[Row]) -> Row | None:
    """Return the only hit, or the one that is picked; None where there is none."""
    if not hits:
        prompts.complain(f"No {kind.noun} matches {term}. Try a shorter part of a name, phone number or address.")
        return None
    if len(hits) == 1:
        return found(kind, kind.get(hits[0][kind.key]))
    return pick_hit(kind, hits)


def pick_hit(kind: Kind, hits: list[Row]) -> Row | None:
    """List hits and ask for the number of one; IDs are left out, so that there is only one number to type."""
    shown = hits[:database.MOST_HITS]
    columns = [number("#", "hit"), *(column for column in kind.hits if column.key != kind.key)]
    print(display.table(columns, [{**row, "hit": i} for i, row in enumerate(shown, 1)]))
    if len(hits) > len(shown):
        print(f"These are the first {len(shown)}; a longer search term finds fewer.")
    options = {str(i): row[kind.key] for i, row in enumerate(shown, 1)}
    row_id = ask(f"Number 1 to {len(shown)}", prompts.choice(options), shown="search again")
    return found(kind, kind.get(row_id)) if row_id else None


def view(
    kind: Kind, columns: list[display.Column], list_all: Callable[[int, int], list[Row]], show: Callable[[Row], None]
) -> None:
    """Show the record that is asked for, or at Enter the list of all."""
    while True:
        answer = ask(f"{kind.noun.capitalize()} (ID or search)", prompts.text(300), shown="all")
        if answer is None:
            rows, exact = database.count(kind.table)
            total = f"{rows}" if exact else f"about {rows}"
            browse(columns, list_all, lambda row: row[kind.key], 0, total)
            return
        if row := look_up(kind, answer):
            show(row)
            return


def show_fields(columns: list[display.Column]) -> Callable[[Row], None]:
    """Make a screen of one record, a line for each of its columns."""
    room = max(len(column.header) for column in columns) + 2

    def show(row: Row) -> None:
        for column in columns:
            print(f"{column.header:<{room}}{column.show(row[column.key])}")

    return show


def deleted_with(contents: Row) -> str:
    """Say what goes with a deleted record, counted: with 2 locations, 1 bill over 49.90."""
    sums = {"bills": f" over {display.money(contents.get('billed'))}", "payments": f" of {display.money(contents.get('paid'))}"}
    counted = [
        display.plural(count, kind if kind == "equipment" else kind[:-1]) + sums.get(kind, "")
        for kind, count in contents.items() if count and kind not in ("billed", "paid")
    ]
    return f" with {', '.join(counted)}" if counted else ""


def confirm_delete(what: str, contents: Row, wanted: str = "yes") -> bool:
    print(display.clean(f"This deletes {what}{deleted_with(contents)}."))
    question = "Type yes to delete:" if wanted == "yes" else "Type the customer's name to delete, money records and all:"
    if confirm(question, wanted):
        return True
    print("Not deleted.")
    return False


def add_customer() -> None:
    name = ask("Name", prompts.text(200))
    phone_number = ask("Phone number", prompts.phone)
    if others := database.customers_with_phone(phone_number):
        print("This phone number is known already:")
        print(display.table(screens.CUSTOMERS, others))
        if not confirm("Type yes to add another customer with it:"):
            print("Not added.")
            return
    customer_id = database.add_customer(name, phone_number)
    say(f"Added customer {customer_id}, {name}.")


def view_customer() -> None:
    view(CUSTOMER, screens.CUSTOMERS, database.list_customers,
         lambda row: prompts.show_lines(screens.account(reports.account(row["customer_id"]))))


def update_customer() -> None:
    customer = pick(CUSTOMER)
    row = database.update_customer(
        customer["customer_id"],
        ask("Name", prompts.text(200), shown=customer["name"]),
        ask("Phone number", prompts.phone, shown=customer["phone_number"]),
    )
    say(f"Saved customer {row['customer_id']}, {row['name']}, {row['phone_number']}.")


def delete_customer() -> None:
    customer = pick(CUSTOMER)
    contents = database.customer_contents(customer["customer_id"])
    has_money = contents["bills"] or contents["payments"]
    wanted = display.clean(customer["name"]) if has_money else "yes"
    if confirm_delete(CUSTOMER.name(customer), contents, wanted):
        database.delete_customer(customer["customer_id"], contents)
        say(f"Deleted {CUSTOMER.name(customer)}{deleted_with(contents)}.")


def add_location() -> None:
    customer = pick(CUSTOMER)
    address = ask("Address", prompts.text(300))
    location_id = database.add_location(customer["customer_id"], address)
    say(f"Added location {location_id}, {address}, to {customer['name']}.")


def view_location() -> None:
    view(LOCATION, screens.LOCATIONS, database.list_locations, show_location)


def show_location(location: Row) -> None:
    account = reports.account(location["customer_id"])
    say(f"Customer {account['customer_id']}  {account['name']}, {account['phone_number']}")
    sites = [site for site in account["locations"] if site["location_id"] == location["location_id"]]
    prompts.show_lines(line for site in sites for line in screens.location(site))


def update_location() -> None:
    location = pick(LOCATION)
    row = database.update_location(location["location_id"], ask("Address", prompts.text(300), shown=location["address"]))
    say(f"Saved location {row['location_id']}, {row['address']}.")


def delete_location() -> None:
    location = pick(LOCATION)
    contents = database.location_contents(location["location_id"])
    if confirm_delete(LOCATION.name(location), contents):
        database.delete_location(location["location_id"], contents)
        say(f"Deleted {LOCATION.name(location)}{deleted_with(contents)}.")


def add_service() -> None:
    location = pick(LOCATION)
    name = ask("Service name", prompts.text(100))
    cost = ask("Monthly cost", prompts.money)
    service_id = database.add_service(location["location_id"], name, cost)
    say(f"Added service {service_id}, {name}, at {display.money(cost)} a month, to {location['address']}.")


def view_service() -> None:
    view(SERVICE, screens.SERVICES, database.list_services, show_fields(screens.SERVICES))


def update_service() -> None:
    service = pick(SERVICE)
    row = database.update_service(
        service["service_id"],
        ask("Service name", prompts.text(100), shown=service["service_name"]),
        ask("Monthly cost", prompts.money, shown=display.money(service["cost"])),
    )
    say(f"Saved service {row['service_id']}, {row['service_name']}, at {display.money(row['cost'])} a month.")


def delete_service() -> None:
    service = pick(SERVICE)
    if confirm_delete(SERVICE.name(service), {}):
        database.delete_service(service["service_id"])
        say(f"Deleted {SERVICE.name(service)}.")


def add_equipment() -> None:
    location = pick(LOCATION)
    name = ask("Equipment name", prompts.text(100))
    serial_number = ask("Serial number", prompts.text(100), shown="none")
    cost = ask("Cost", prompts.money)
    equipment_id = database.add_equipment(location["location_id"], name, serial_number, cost)
    say(f"Added equipment {equipment_id}, {name}, worth {display.money(cost)}, to {location['address']}.")


def view_equipment() -> None:
    view(EQUIPMENT, screens.EQUIPMENT, database.list_equipment, show_fields(screens.EQUIPMENT))


def update_equipment() -> None:
    device = pick(EQUIPMENT)
    serial_number = device["serial_number"]
    row = database.update_equipment(
        device["equipment_id"],
        ask("Equipment name", prompts.text(100), shown=device["equipment_name"]),
        ask("Serial number", prompts.serial_or_none, shown=f"{serial_number}; - for none" if serial_number else "none"),
        ask("Cost", prompts.money, shown=display.money(device["cost"])),
    )
    say(f"Saved equipment {row['equipment_id']}, {row['equipment_name']}, worth {display.money(row['cost'])}.")


def delete_equipment() -> None:
    device = pick(EQUIPMENT)
    if confirm_delete(EQUIPMENT.name(device), {}):
        database.delete_equipment(device["equipment_id"])
        say(f"Deleted {EQUIPMENT.name(device)}.")


def add_bill() -> None:
    customer = pick(CUSTOMER)
    description = ask("Description", prompts.text(200))
    billed = ask("Amount", prompts.positive_money)
    due_date = ask("Due date", prompts.day)
    credit = min(money.credit(customer["customer_id"]), billed)
    billing_id = database.add_bill(customer["customer_id"], description, billed, due_date)
    say(f"Added bill {billing_id}, {description}, {display.money(billed)} due {due_date}, to {customer['name']}"
        f"{f'; {display.money(credit)} of it paid from credit' if credit else ''}.")


def view_bill() -> None:
    view(BILL, screens.BILLS, database.list_bills, show_bill)


def show_bill(bill: Row) -> None:
    show_fields(screens.BILL_FIELDS)(bill)
    for item in bill["items"] or []:
        for line in display.spread(display.clean(item["description"]), display.money(item["amount"]), 2):
            print(line)


def update_bill() -> None:
    bill = pick(BILL)
    row = database.update_bill(
        bill["billing_id"],
        ask("Description", prompts.text(200), shown=bill["description"]),
        ask("Amount", prompts.positive_money, shown=display.money(bill["amount_billed"])),
        ask("Due date", prompts.day, shown=display.day(bill["due_date"])),
    )
    say(f"Saved bill {row['billing_id']}, {row['description']}, {display.money(row['amount_billed'])} "
        f"due {row['due_date']}, {display.money(row['amount_due'])} to pay.")


def delete_bill() -> None:
    bill = pick(BILL)
    if bill["amount_paid"]:
        print(f"The {display.money(bill['amount_paid'])} paid on it goes to other unpaid bills of the customer, then to credit.")
    if confirm_delete(BILL.name(bill), {}):
        database.delete_bill(bill["billing_id"])
        say(f"Deleted {BILL.name(bill)}.")


def record_payment() -> None:
    customer = pick(CUSTOMER)
    customer_id = customer["customer_id"]
    from uuid import uuid4  # slow to import, and no other entry needs it
    entry_key = uuid4()
    bills = show_what_is_owed(customer_id)
    today = database.today()
    paid = ask("Amount", prompts.positive_money)
    paid_on = ask("Date", prompts.past_day(today), shown="today", default=today)
    print(", ".join(f"{i} {method}" for i, method in enumerate(money.METHODS, 1)))
    method = ask("Method", prompts.one_of(money.METHODS), shown="transfer", default="transfer")
    reference = ask("Reference", prompts.text(100), shown="none")
    billing_id = ask_aim(bills) if len(bills) > 1 else None
    if odd_payment_refused(customer_id, bills, paid, paid_on, today) or same_payment_refused(customer_id, paid, paid_on):
        print("Not recorded.")
        return
    payment = save_payment(customer_id, paid, paid_on, method, reference, entry_key, billing_id)
    say(f"Recorded payment {payment['payment_id']}, {display.money(paid)} on {paid_on}, of {payment['name']}.")
    for line in screens.payment_uses(payment):
        print(line)


def show_what_is_owed(customer_id: int) -> list[Row]:
    """Show a customer's unpaid bills and credit, and return the bills."""
    bills = money.unpaid_bills(customer_id)
    print(display.table(screens.UNPAID_BILLS, bills) if bills else "No unpaid bills.")
    print(f"To pay {display.money(sum(bill['amount_due'] for bill in bills))}, "
          f"credit {display.money(money.credit(customer_id))}.")
    return bills


def ask_aim(bills: list[Row]) -> int | None:
    """Ask which bill a payment is meant for; Enter pays the one due first, then the next."""
    ids = {str(bill["billing_id"]): bill["billing_id"] for bill in bills}
    return ask("Bill ID", prompts.choice(ids), shown="oldest due first")


def odd_payment_refused(customer_id: int, bills: list[Row], paid: Decimal, paid_on: date, today: date) -> bool:
    """Ask again about what is likely a slip: ten times what is owed, or a payment of more than a year ago."""
    owed = sum((bill["amount_due"] for bill in bills), Decimal(0))
    usual = max(owed, reports.account(customer_id)["monthly_total"])
    if usual and paid >= 10 * usual:
        print(f"{display.money(paid)} is ten times what is owed or more; what is left will be credit.")
    elif (today - paid_on).days > 366:
        print(f"{paid_on} is more than a year ago.")
    else:
        return False
    return not confirm("Type yes if that is right:")


def same_payment_refused(customer_id: int, paid: Decimal, paid_on: date) -> bool:
    """Show earlier payments of the same customer, amount and day, if any, and ask whether this is another one."""
    earlier = money.same_payments(customer_id, paid, paid_on)
    if not earlier:
        return False
    print("A payment of this amount on this day is recorded already:")
    print(display.table(screens.SAME_PAYMENTS, earlier))
    return not confirm("Type yes to record another one:")


def save_payment(*values: Any) -> Row:
    """Record a payment; when the reply is lost, look it up by its entry key, which can never pay twice."""
    try:
        return money.record_payment(*values)
    except database.OutcomeUnknown:
        print("The connection was lost while saving and the outcome is unknown; looking it up.")
    if payment := find_recorded(values[5]):
        print("It had been saved.")
        return payment
    print("It had not been saved; saving it now.")
    return money.record_payment(*values)


def find_recorded(entry_key: Any) -> Row | None:
    """Look a payment up by its entry key, as long as it takes the server to come back, a minute at most."""
    for _ in range(LOOK_UPS):
        try:
            return money.find_recorded(entry_key)
        except database.Unavailable:
            time.sleep(1)
    raise database.Unavailable(
        "The server is away, and whether this payment was saved is unknown: look at View payments before you enter it again."
    )


def view_payments() -> None:
    customer_id = pick(CUSTOMER)["customer_id"]
    browse(
        screens.PAYMENTS, lambda before, limit: money.list_payments(customer_id, before, limit),
        lambda row: (row["paid_on"], row["payment_id"]), None, str(money.count_payments(customer_id)),
        struck=lambda row: row["voided_on"] is not None,
    )


def void_payment() -> None:
    payment = pick(PAYMENT)
    if payment["voided_on"]:
        prompts.complain(f"Payment {payment['payment_id']} is void already, since {payment['voided_on']}.")
        return
    for line in screens.payment_uses(payment):
        print(line)
    reason = ask("Reason", prompts.text(200))
    if confirm("Type yes to void it:"):
        money.void_payment(payment["payment_id"], reason)
        say(f"Voided {PAYMENT.name(payment)}: {reason}")
        show_what_is_owed(payment["customer_id"])
    else:
        print("Not voided.")


def bill_run() -> None:
    today = database.today()
    this_month = today.replace(day=1)
    period = ask("Month", prompts.month, shown=f"{this_month:%Y-%m}", default=this_month)
    default = money.default_due_date(period, today)
    due_date = ask("Due date", prompts.day, shown=str(default), default=default)
    preview = money.preview_bills(period)
    for line in screens.bill_preview(period, due_date, today, preview):
        print(line)
    if commands.confirm_total(preview):
        commands.run_bills(period, due_date, preview)


def undo_bill_run() -> None:
    period = ask("Month", prompts.month)
    preview = money.preview_undo(period)
    if not preview["removed"] and not preview["kept"]:
        print(f"No bills of a bill run for {period:%Y-%m}.")
        return
    print(f"This removes {display.plural(preview['removed'], 'bill')} of {period:%Y-%m}, over "
          f"{display.money(preview['total'])}; {preview['kept']} stay, since they were paid on.")
    if preview["removed"] and not confirm("Type yes to remove them:"):
        print("Nothing removed.")
        return
    result = money.undo_bills(period)
    print(f"Removed {display.plural(result['removed'], 'bill')} of {period:%Y-%m}.")
    if result["bills"]:
        print(f"{display.plural(result['kept'], 'bill')} stayed, since they were paid on"
              f"{'; the first are' if result['kept'] > len(result['bills']) else ''}:")
        print(display.table(screens.KEPT_BILLS, result["bills"]))


def aging_report() -> None:
    today = database.today()
    as_of = ask("As of", prompts.past_day(today), shown="today")
    commands.show_aging(as_of)


def statement() -> None:
    customer = pick(CUSTOMER)
    today = database.today()
    year_start = today.replace(month=1, day=1)
    first = ask("From", prompts.past_day(today), shown=str(year_start), default=year_start)
    last = ask("To", prompts.past_day(today), shown="today", default=today)
    if first > last:
        prompts.complain("The first day of a statement cannot be after its last.")
        return
    commands.show_statement(customer["customer_id"], first, last)


def verify() -> None:
    for line in screens.verified(*reports.verify()):
        print(line)


def about_database() -> None:
    server = database.describe_server()
    print(f"Server     {screens.where(server)}")
    say(f"Database   {server['database']}, {database.size()}, as {server['login']}")
    print(f"Today      {server['today']}, in {server['timezone']}")
    if server["search_is_indexed"]:
        print("Search     indexed by pg_trgm")
    else:
        print("Search     not indexed, so searches read whole tables: the extension pg_trgm was not there at the first start")


def import_accounts() -> None:
    """Import a CSV file whose columns, once shown, may be changed."""
    path = ask("CSV file", file_path)
    source = open_source(path, ask("Encoding", prompts.text(40), shown="utf-8", default="utf-8"))
    mapping = choose_mapping(source)
    if outcome := commands.checked(source, mapping):
        commands.import_confirmed(source, mapping, outcome)


def file_path(answer: str) -> Path:
    """Parse the name of a file, kept as typed; ~ is the home folder."""
    prompts.text(4_000)(answer)
    try:
        return Path(answer).expanduser()
    except RuntimeError:
        raise ValueError("There is no such home folder.") from None


def open_source(path: Path, encoding: str) -> transfer.Source:
    try:
        return transfer.open_source(path, encoding)
    except transfer.UnclearDelimiter:
        signs = {",": ",", ";": ";", "tab": "\t"}
        return transfer.open_source(path, encoding, ask("Delimiter (, or ; or tab)", prompts.choice(signs)))


def choose_mapping(source: transfer.Source) -> transfer.Mapping:
    """Show which column is which field until the administrator is content."""
    chosen: transfer.Mapping = {}
    while True:
        mapping = matched(source, chosen)
        change = ask("Change (such as name=First+Last; Enter to go on)",
                     prompts.optional(lambda answer: transfer.choice(source.headers, answer)))
        if change:
            chosen.update([change])
        elif mapping:
            return mapping


def matched(source: transfer.Source, chosen: transfer.Mapping) -> transfer.Mapping | None:
    try:
        mapping = transfer.match_headers(source.headers, chosen)
    except transfer.BadFile as exc:
        prompts.complain(str(exc))
        say(f"The file's columns: {', '.join(source.headers)}")
        return None
    commands.show_mapping(source, mapping)
    return mapping


def exporter(what: str, named: str) -> Callable[[], None]:
    """Make the action that exports what to a file that is asked for."""
    def export() -> None:
        path = ask("CSV file", file_path)
        try:
            count = transfer.export(what, path)
        except transfer.FileExists as exc:
            if not confirm(display.clean(f"{exc} Type yes to replace it:")):
                print("Not exported.")
                return
            count = transfer.export(what, path, overwrite=True)
        say(f"Exported {display.plural(count, named)} to {path}.")

    return export


CUSTOMERS = Menu("Manage Customers", {
    "1": ("Add customer", add_customer),
    "2": ("View customer", view_customer),
    "3": ("Update customer", update_customer),
    "4": ("Delete customer", delete_customer),
})
LOCATIONS = Menu("Manage Locations", {
    "1": ("Add location to a customer", add_location),
    "2": ("View location", view_location),
    "3": ("Update location", update_location),
    "4": ("Delete location", delete_location),
})
SERVICES = Menu("Manage Services", {
    "1": ("Add service to a location", add_service),
    "2": ("View service", view_service),
    "3": ("Update service", update_service),
    "4": ("Delete service", delete_service),
})
EQUIPMENT_MENU = Menu("Manage Equipment", {
    "1": ("Add equipment to a location", add_equipment),
    "2": ("View equipment", view_equipment),
    "3": ("Update equipment", update_equipment),
    "4": ("Delete equipment", delete_equipment),
})
BILLING = Menu("Billing", {
    "1": ("Customers late on payments", commands.show_late),
    "2": ("Add bill", add_bill),
    "3": ("View bills", view_bill),
    "4": ("Update bill", update_bill),
    "5": ("Delete bill", delete_bill),
    "6": ("Record payment", record_payment),
    "7": ("View payments", view_payments),
    "8": ("Void payment", void_payment),
    "9": ("Bill run", bill_run),
    "10": ("Undo a bill run", undo_bill_run),
})
REPORTING = Menu("Reporting", {
    "1": ("All customers with full details", commands.show_accounts),
    "2": ("Late payments by age", aging_report),
    "3": ("Revenue", commands.show_revenue),
    "4": ("Statement of a customer", statement),
})
ADMINISTRATION = Menu("Administration", {
    "1": ("Verify that the money adds up", verify),
    "2": ("About this database", about_database),
})
TRANSFER = Menu("Import & Export", {
    "1": ("Import customers from a CSV file", import_accounts),
    "2": ("Export customers with sites, services and equipment", exporter("accounts", "line")),
    "3": ("Export bills", exporter("bills", "bill")),
    "4": ("Export payments", exporter("payments", "payment")),
    "5": ("Export customers late on payments", exporter("late", "customer")),
})
MAIN = Menu("Main menu", {
    "1": ("Manage Customers", CUSTOMERS),
    "2": ("Manage Locations", LOCATIONS),
    "3": ("Manage Services", SERVICES),
    "4": ("Manage Equipment", EQUIPMENT_MENU),
    "5": ("Billing", BILLING),
    "6": ("Reporting", REPORTING),
    "7": ("Import & Export", TRANSFER),
    "8": ("Administration", ADMINISTRATION),
})


def run_menu(menu: Menu) -> None:
    """Show a menu and run what is chosen from it, until 0, Ctrl-C or Ctrl-D."""
    options = {**{digit: digit for digit in menu.entries}, "0": "0"}
    labels = {**{digit: label for digit, (label, _) in menu.entries.items()}, "0": "Exit" if menu is MAIN else "Back"}
    lines = [f"{digit:>3}  {label}" for digit, label in labels.items()]
    while True:
        print(f"\n{menu.title}")
        for line in lines:
            print(line)
        lines = display.in_columns(lines)  # shown once, it makes room for what the entries show
        try:
            digit = ask("Choose", prompts.choice(options))
        except (prompts.Cancelled, KeyboardInterrupt):
            return
        if digit == "0":
            return
        label, action = menu.entries[digit]
        if isinstance(action, Menu):
            run_menu(action)
        else:
            run_action(label, action)


def run_action(label: str, action: Callable[[], None]) -> None:
    """Run one action; whatever stops it becomes one line."""
    print(f"\n{label}")
    saved = database.saved
    try:
        action()
    except prompts.Cancelled:
        prompts.complain(stopped(saved))
    except KeyboardInterrupt:
        print(f"\n{stopped(saved)}")
    except database.Error as exc:
        prompts.complain(str(exc))


def stopped(saved: int) -> str:
    """Say what a cancelled action left behind, given how much was saved when it began."""
    return "Cancelled, nothing changed." if database.saved == saved else "Stopped; what was saved before that stays."


def first_screen() -> None:
    """Say which server and database this is, as whom, and how the business stands."""
    server = database.describe_server()
    print(f"ISP Customer Tracker {VERSION}")
    print(screens.where(server))
    say(f"Database {server['database']}, as {server['login']}")
    rows, exact = database.count("customers")
    customers = display.plural(rows, "customer") if exact else f"about {rows} customers"
    print(f"{customers}. {screens.late_footer(reports.late_total())}")
    if prompts.on_terminal():
        print("A digit and Enter choose; Ctrl-C leaves a form, or a menu.")


def run_menus(arguments: argparse.Namespace) -> int:
    first_screen()
    run_menu(MAIN)
    if not prompts.on_terminal() and prompts.complaints:
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the menus or one command; return 0, 1 when something failed, or 2 when the database cannot be used."""
    arguments = commands.parser(VERSION, run_menus).parse_args(argv)
    prompts.prepare()
    interrupts.install()
    try:
        database.connect()
    except database.Error as exc:
        prompts.complain(str(exc))
        return 2
    try:
        return arguments.run(arguments)
    except database.Error as exc:
        prompts.complain(str(exc))
        return 1
    except prompts.Cancelled:
        prompts.complain("Cancelled, nothing changed.")
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        database.disconnect()


def say_fault(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """Report a fault of the program itself in one sentence that says where to look."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}" if trace else "the program"
    prompts.complain(f"This is a fault of the program ({kind.__name__} in {place}); please report it. Your data are safe.")


if __name__ == "__main__":
    sys.excepthook = say_fault
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        prompts.complain("Cancelled.")
        sys.exit(130)
