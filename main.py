"""ISP Customer Tracker: menus for the administrator of an internet provider, and commands for cron."""
from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import database
import display
import interrupts
import prompts
import reports
import transfer
from database import Row
from display import amount, date_of, number, words
from prompts import ask, browse, confirm

VERSION = "1.0.0"
MOST_REASONS = 10


class Menu(NamedTuple):
    title: str
    entries: dict[str, tuple[str, Union[Callable[[], None], Menu]]]


class Kind(NamedTuple):
    """One sort of record: how it is asked for, found, listed and named."""

    noun: str
    table: str
    key: str
    get: Callable[[int], Row]
    find: Callable[[str], list[Row]]
    list: Callable[[int, int], list[Row]]
    columns: list[display.Column]
    name: Callable[[Row], str]


CUSTOMER = Kind(
    "customer", "customers", "customer_id",
    database.get_customer, database.find_customers, database.list_customers,
    [number("ID", "customer_id"), words("Name", "name"), words("Phone number", "phone_number")],
    lambda row: f"customer {row['customer_id']}, {row['name']}",
)
LOCATION = Kind(
    "location", "locations", "location_id",
    database.get_location, database.find_locations, database.list_locations,
    [number("ID", "location_id"), words("Address", "address"), words("Customer", "name")],
    lambda row: f"location {row['location_id']}, {row['address']}, of {row['name']}",
)
SERVICE = Kind(
    "service", "services", "service_id",
    database.get_service, database.find_services, database.list_services,
    [number("ID", "service_id"), words("Service", "service_name"), amount("Monthly", "cost"),
     words("Address", "address"), words("Customer", "name")],
    lambda row: f"service {row['service_id']}, {row['service_name']}, at {row['address']}, of {row['name']}",
)
EQUIPMENT = Kind(
    "equipment", "equipment", "equipment_id",
    database.get_equipment, database.find_equipment, database.list_equipment,
    [number("ID", "equipment_id"), words("Equipment", "equipment_name"), words("Serial number", "serial_number"),
     amount("Worth", "cost"), words("Address", "address"), words("Customer", "name")],
    lambda row: f"equipment {row['equipment_id']}, {row['equipment_name']}, at {row['address']}, of {row['name']}",
)
BILL = Kind(
    "bill", "billing", "billing_id",
    database.get_bill, database.find_bills, database.list_bills,
    [number("ID", "billing_id"), words("Customer", "name"), words("Description", "description"),
     date_of("Due", "due_date"), display.Column("Late", "days_late", display.days_late, right=True),
     amount("Billed", "amount_billed"), amount("To pay", "amount_due")],
    lambda row: f"bill {row['billing_id']}, {row['description']}, of {row['name']}",
)
BILL_FIELDS = [
    *BILL.columns, amount("Paid", "amount_paid"), date_of("Last payment", "last_payment_date"),
    date_of("Issued", "issued_on"),
]
LATE_COLUMNS = [
    number("ID", "customer_id"), words("Customer", "name"), words("Phone number", "phone_number"),
    amount("Late", "amount_late"), date_of("Oldest due", "oldest_due_date"),
    display.Column("Days", "days_late", display.days_late, right=True), date_of("Last paid", "last_payment_date"),
]


def pick(kind: Kind) -> Row:
    """Ask for a record by ID or by part of a name, phone number or address, until there is one."""
    while True:
        answer = ask(f"{kind.noun.capitalize()} (ID or search)", prompts.text(300))
        if row := look_up(kind, answer):
            return row


def look_up(kind: Kind, answer: str) -> Optional[Row]:
    """Return the record that an ID or a search leads to; None after saying why there is none."""
    if not prompts.is_id(answer):
        return choose_hit(kind, answer, kind.find(answer))
    try:
        return kind.get(prompts.row_id(answer))
    except ValueError as exc:
        reason = str(exc)
    except database.NotFound as exc:
        reason = str(exc)
    # A caller's number typed without any sign is digits, too.
    if len(answer) >= 6 and (hits := kind.find(answer[:20])):
        return choose_hit(kind, answer, hits)
    prompts.complain(f"{reason} Enter another ID, or part of a name, phone number or address.")
    return None


def choose_hit(kind: Kind, term: str, hits: list[Row]) -> Optional[Row]:
    if not hits:
        prompts.complain(f"No {kind.noun} matches {term}. Try a shorter part of a name, phone number or address.")
        return None
    if len(hits) == 1:
        row = kind.get(hits[0][kind.key])
        print(display.clean(f"Found {kind.name(row)}."))
        return row
    shown = hits[:database.MOST_HITS]
    print(display.table([number("#", "hit"), *kind.columns], [{**row, "hit": i} for i, row in enumerate(shown, 1)]))
    if len(hits) > len(shown):
        print(f"These are the first {len(shown)}; a longer search term finds fewer.")
    options = {str(i): row[kind.key] for i, row in enumerate(shown, 1)}
    row_id = ask(f"Number 1 to {len(shown)}", prompts.choice(options), shown="search again")
    return kind.get(row_id) if row_id else None


def view(kind: Kind, show: Callable[[Row], None]) -> None:
    """Show the record that is asked for, or at Enter the list of all."""
    while True:
        answer = ask(f"{kind.noun.capitalize()} (ID or search)", prompts.text(300), shown="all")
        if answer is None:
            rows, exact = database.count(kind.table)
            total = f"{rows}" if exact else f"about {rows}"
            browse(kind.columns, kind.list, lambda row: row[kind.key], 0, total)
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
    """Say what goes with a deleted record, counted: with 2 locations, 1 service."""
    counted = [display.plural(count, kind if kind == "equipment" else kind[:-1]) for kind, count in contents.items() if count]
    return f" with {', '.join(counted)}" if counted else ""


def confirm_delete(what: str, contents: Row, wanted: str = "yes") -> bool:
    print(display.clean(f"This deletes {what}{deleted_with(contents)}."))
    question = "Type yes to delete:" if wanted == "yes" else "Type the customer's name to delete, money records and all:"
    if confirm(question, wanted):
        return True
    print("Not deleted.")
    return False


def say(sentence: str) -> None:
    print(display.clean(sentence))


def add_customer() -> None:
    name = ask("Name", prompts.text(200))
    phone_number = ask("Phone number", prompts.phone)
    if others := database.customers_with_phone(phone_number):
        print("This phone number is known already:")
        print(display.table(CUSTOMER.columns, others))
        if not confirm("Type yes to add another customer with it:"):
            print("Not added.")
            return
    customer_id = database.add_customer(name, phone_number)
    say(f"Added customer {customer_id}, {name}.")


def view_customer() -> None:
    view(CUSTOMER, lambda row: prompts.show_lines(display.account(reports.account(row["customer_id"]))))


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
    view(LOCATION, show_location)


def show_location(location: Row) -> None:
    account = reports.account(location["customer_id"])
    say(f"Customer {account['customer_id']}  {account['name']}, {account['phone_number']}")
    sites = [site for site in account["locations"] if site["location_id"] == location["location_id"]]
    prompts.show_lines(line for site in sites for line in display.location(site))


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
    view(SERVICE, show_fields(SERVICE.columns))


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
    view(EQUIPMENT, show_fields(EQUIPMENT.columns))


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


def late_payments() -> None:
    total = reports.late_total()
    if not total["customers"]:
        print("Nobody is late.")
        return
    browse(
        LATE_COLUMNS, reports.late_customers, lambda row: (row["oldest_due_date"], row["customer_id"]), None,
        str(total["customers"]), late_footer(total),
    )


def late_footer(total: Row) -> str:
    return f"{display.plural(total['customers'], 'customer')} late, with {display.money(total['amount'])} in total."


def add_bill() -> None:
    customer = pick(CUSTOMER)
    description = ask("Description", prompts.text(200))
    billed = ask("Amount", prompts.positive_money)
    due_date = ask("Due date", prompts.day)
    billing_id = database.add_bill(customer["customer_id"], description, billed, due_date)
    say(f"Added bill {billing_id}, {description}, {display.money(billed)} due {due_date}, to {customer['name']}.")


def view_bill() -> None:
    view(BILL, show_bill)


def show_bill(bill: Row) -> None:
    show_fields(BILL_FIELDS)(bill)
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
        print(f"The {display.money(bill['amount_paid'])} paid on it will be the customer's credit.")
    if confirm_delete(BILL.name(bill), {}):
        database.delete_bill(bill["billing_id"])
        say(f"Deleted {BILL.name(bill)}.")


def account_report() -> None:
    prompts.show_lines(account_lines(each_account()))


def each_account() -> Iterator[Row]:
    """Yield every account, a batch at a time, so that no transaction is open while a page is read."""
    after = 0
    while batch := reports.accounts(after):
        yield from batch
        after = batch[-1]["customer_id"]


def account_lines(accounts: Iterator[Row]) -> Iterator[str]:
    count = 0
    for count, row in enumerate(accounts, 1):
        yield from display.account(row)
        yield ""
    yield f"{display.plural(count, 'customer')}."


def import_accounts() -> None:
    """Import a CSV file whose columns, once shown, may be changed."""
    path = ask("CSV file", file_path)
    source = open_source(path, ask("Encoding", prompts.text(40), shown="utf-8", default="utf-8"))
    mapping = choose_mapping(source)
    if outcome := checked(source, mapping):
        import_confirmed(source, mapping, outcome)


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


def matched(source: transfer.Source, chosen: transfer.Mapping) -> Optional[transfer.Mapping]:
    try:
        mapping = transfer.match_headers(source.headers, chosen)
    except transfer.BadFile as exc:
        prompts.complain(str(exc))
        say(f"The file's columns: {', '.join(source.headers)}")
        return None
    show_mapping(source, mapping)
    return mapping


def show_mapping(source: transfer.Source, mapping: transfer.Mapping) -> None:
    rows = [{"field": field, "header": " + ".join(source.headers[column] for column in columns)}
            for field, columns in mapping.items()]
    print(display.table([words("Field", "field"), words("Column in the file", "header")], rows))
    if ignored := transfer.ignored_headers(source, mapping):
        say(f"Ignored: {', '.join(ignored)}.")


def checked(source: transfer.Source, mapping: transfer.Mapping) -> Optional[transfer.Outcome]:
    """Check a file and show what an import would do; None when there is nothing to do."""
    with Progress() as progress:
        outcome = transfer.check(source, mapping, progress)
    show_outcome(outcome)
    if any(outcome.new) or outcome.rejects:
        return outcome
    print("Nothing to import: all of it is there already.")
    return None


def show_outcome(outcome: transfer.Outcome) -> None:
    rows = [{"what": what, "new": new, "present": present}
            for what, new, present in zip(outcome.new._fields, outcome.new, outcome.present)]
    print(display.table([words("", "what"), number("New", "new"), number("Already there", "present")], rows))
    for line, reason in list(outcome.rejects.items())[:MOST_REASONS]:
        prompts.complain(f"Line {line}: {reason}")
    if outcome.rejects:
        prompts.complain(f"{display.plural(len(outcome.rejects), 'line')} rejected.")


def import_confirmed(source: transfer.Source, mapping: transfer.Mapping, outcome: transfer.Outcome) -> bool:
    rejects = transfer.rejects_path(source)
    if outcome.rejects:
        say(f"Rejected lines go to {rejects}{', which is replaced' if os.path.exists(rejects) else ''}.")
    if not confirm("Type yes to import:"):
        print("Not imported.")
        return False
    with Progress() as progress:
        transfer.load(source, mapping, outcome, progress)
    say_imported(source, outcome)
    return True


def say_imported(source: transfer.Source, outcome: transfer.Outcome) -> None:
    added = ", ".join(display.plural(n, what if what == "equipment" else what[:-1])
                      for what, n in zip(outcome.new._fields, outcome.new))
    say(f"Imported {added}.")
    if outcome.rejects:
        say(f"{display.plural(len(outcome.rejects), 'line')} rejected, to mend and import: "
            f"{transfer.rejects_path(source)}")


class Progress:
    """A line on standard error with rows and rate, on a terminal, once the work takes over a second."""

    def __enter__(self) -> Progress:
        self.verb, self.started, self.shown = "", time.monotonic(), 0.0
        return self

    def __call__(self, verb: str, rows: int) -> None:
        now = time.monotonic()
        if verb != self.verb:
            self.verb, self.started = verb, self.started if self.verb == "" else now
        if now - self.started > 1 and now - self.shown > 0.2 and sys.stderr.isatty():
            self.shown = now
            print(f"\r{verb} {rows} rows, {rows / (now - self.started):.0f} a second \x1b[K",
                  end="", file=sys.stderr, flush=True)

    def __exit__(self, *exc: object) -> None:
        if self.shown:
            print(file=sys.stderr)


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
    "1": ("Customers late on payments", late_payments),
    "2": ("Add bill", add_bill),
    "3": ("View bills", view_bill),
    "4": ("Update bill", update_bill),
    "5": ("Delete bill", delete_bill),
})
REPORTING = Menu("Reporting", {
    "1": ("All customers with full details", account_report),
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
})


def run_menu(menu: Menu) -> None:
    """Show a menu and run what is chosen from it, until 0, Ctrl-C or Ctrl-D."""
    options = {**{digit: digit for digit in menu.entries}, "0": "0"}
    while True:
        print(f"\n{menu.title}")
        for digit, (label, _) in menu.entries.items():
            print(f"{digit:>3}  {label}")
        print("  0  Exit" if menu is MAIN else "  0  Back")
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
    try:
        action()
    except prompts.Cancelled:
        prompts.complain("Cancelled, nothing changed.")
    except KeyboardInterrupt:
        print("\nCancelled, nothing changed.")
    except database.Error as exc:
        prompts.complain(str(exc))


def first_screen() -> None:
    """Say which server and database this is, as whom, and how the business stands."""
    server = database.describe_server()
    where = "embedded" if server["embedded"] else f"on {server['address'] or 'this machine'}"
    print(f"ISP Customer Tracker {VERSION}")
    say(f"PostgreSQL {server['version']} {where}, database {server['database']}, as {server['login']}")
    rows, exact = database.count("customers")
    customers = display.plural(rows, "customer") if exact else f"about {rows} customers"
    print(f"{customers}; {late_footer(reports.late_total())}")


def run_menus(arguments: argparse.Namespace) -> int:
    first_screen()
    run_menu(MAIN)
    if not prompts.on_terminal() and prompts.complaints:
        return 1
    return 0


def run_late_report(arguments: argparse.Namespace) -> int:
    if arguments.format == "table":
        late_payments()
    else:
        write(arguments.format, reports.stream_late_customers())
    return 0


def run_account_report(arguments: argparse.Namespace) -> int:
    if arguments.format == "table":
        prompts.show_lines(account_lines(each_account() if prompts.on_terminal() else reports.stream_accounts()))
    elif arguments.format == "json":
        display.write_json(reports.stream_accounts())
    else:
        display.write_csv(display.account_records(reports.stream_accounts()))
    return 0


def run_import(arguments: argparse.Namespace) -> int:
    """Import a file: 0 when all of it is there afterwards, 1 when lines were rejected or nothing was done."""
    source = transfer.open_source(Path(arguments.file), arguments.encoding, arguments.delimiter)
    try:
        chosen = dict(transfer.choice(source.headers, answer) for answer in arguments.map)
    except ValueError as exc:
        raise transfer.BadFile(str(exc)) from exc
    mapping = transfer.match_headers(source.headers, chosen)
    show_mapping(source, mapping)
    if arguments.yes and not arguments.dry_run:
        with Progress() as progress:
            outcome = transfer.load(source, mapping, None, progress)
        show_outcome(outcome)
        say_imported(source, outcome)
        return 1 if outcome.rejects else 0
    outcome = checked(source, mapping)
    if outcome is None:
        return 0
    try:
        if arguments.dry_run:
            print("A dry run: nothing was written.")
        elif not import_confirmed(source, mapping, outcome):
            return 1
    except prompts.Cancelled:
        prompts.complain("Cancelled, nothing changed.")
        return 1
    return 1 if outcome.rejects else 0


def run_export(arguments: argparse.Namespace) -> int:
    if arguments.file not in ("", "-"):
        transfer.export(arguments.what, Path(arguments.file), arguments.yes)
    elif sys.stdout.isatty():
        transfer.export_to(arguments.what, transfer.Cleaned(sys.stdout))
    else:
        sys.stdout.flush()
        transfer.export_to(arguments.what, sys.stdout.buffer)
        sys.stdout.flush()
    return 0


def add_transfer_commands(commands: Any) -> None:
    command = commands.add_parser("import", help="customers with sites, services and equipment from a CSV file",
                                  description="Import a CSV file: check it, show what is new, ask, add it all.")
    command.add_argument("file", metavar="FILE")
    command.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    command.add_argument("--yes", action="store_true", help="import without asking")
    command.add_argument("--map", action="append", default=[], metavar="FIELD=HEADER",
                         help=f"the column of a field, or several joined: name=First+Last; fields are "
                              f"{', '.join(transfer.SYNONYMS)}")
    command.add_argument("--encoding", default="utf-8", help="how the file is encoded, such as cp1252; else utf-8")
    command.add_argument("--delimiter", default="", help=", or ; or tab; else what the header shows")
    command.set_defaults(run=run_import)
    command = commands.add_parser("export", help="accounts, bills, payments or late as CSV",
                                  description="Export records as CSV; accounts has the columns that import reads.")
    command.add_argument("what", choices=transfer.EXPORTS)
    command.add_argument("file", nargs="?", default="", metavar="FILE", help="else standard output")
    command.add_argument("--yes", action="store_true", help="replace a file that exists")
    command.set_defaults(run=run_export)


def write(form: str, rows: Iterator[Row]) -> None:
    {"csv": display.write_csv, "json": display.write_json}[form](rows)


def parser() -> argparse.ArgumentParser:
    """Describe the command line; without a command, the menus run."""
    top = argparse.ArgumentParser(
        prog="main.py", description="Track an internet provider's customers, sites, services, equipment and bills.",
        epilog="Without a command, the menus open. Settings stand in .env; .env.example lists them.",
    )
    top.add_argument("--version", action="version", version=f"ISP Customer Tracker {VERSION}")
    top.set_defaults(run=run_menus)
    commands = top.add_subparsers(title="commands for cron", metavar="COMMAND")
    for name, run, summary in (
        ("late-report", run_late_report, "customers late on payments, the longest late first"),
        ("account-report", run_account_report, "every customer with sites, services, equipment and bills"),
    ):
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        command.add_argument("--format", choices=("table", "csv", "json"), default="table")
        command.set_defaults(run=run)
    add_transfer_commands(commands)
    return top


def main(argv: Optional[list[str]] = None) -> int:
    """Run the menus or one command; return 0, 1 when something failed, or 2 when the database cannot be used."""
    arguments = parser().parse_args(argv)
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
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        database.disconnect()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
