"""ISP Customer Tracker: the menus of an internet provider's administrator, and what each entry does."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import database
from database import Bill, Location
from tracker import bill_run, errors, fields, interrupts, log, payments, reports, text
from tracker.terminal import commands, prompts, screens, tables
from tracker.terminal.forms import (
    ask_aim,
    ask_import_file,
    choose_mapping,
    confirm_delete,
    confirm_odd_payment,
    confirm_repeated_payment,
    deleted_with,
    file_path,
    save_payment,
    show_fields,
    show_what_is_owed,
    view,
)
from tracker.terminal.paging import browse, show_lines
from tracker.terminal.pick import BILL, CUSTOMER, EQUIPMENT, LOCATION, PAYMENT, SERVICE, pick
from tracker.terminal.progress import Progress, during
from tracker.terminal.prompts import ask, confirm, say
from tracker.transfer import exporting

VERSION = "1.0.0"

# What database.saved and database.unknown were when the action that runs began.
saved_before = unknown_before = 0


class Menu(NamedTuple):
    title: str
    entries: dict[str, tuple[str, Callable[[], object] | Menu]]


def add_customer() -> None:
    name = ask("Name", fields.text(200))
    phone_number = ask("Phone number", fields.phone)
    if others := database.similar_customers(name, phone_number):
        print("This name or phone number is known already:")
        print(tables.table(screens.CUSTOMERS, others))
        if not confirm("Type yes to add another customer:"):
            print("Not added.")
            return
    customer_id = database.add_customer(name, phone_number)
    say(f"Added customer {customer_id}, {name}.")


def view_customer() -> None:
    view(CUSTOMER, screens.CUSTOMERS, database.list_customers,
         lambda row: show_lines(screens.account_lines(reports.get_account(row["customer_id"]))))


def update_customer() -> None:
    customer = pick(CUSTOMER)
    row = database.update_customer(
        customer["customer_id"],
        ask("Name", fields.text(200), shown=customer["name"]),
        ask("Phone number", fields.phone, shown=customer["phone_number"] or "none"),
    )
    say(f"Saved customer {row['customer_id']}, {row['name']}, {row['phone_number']}.")


def delete_customer() -> None:
    customer = pick(CUSTOMER)
    contents = database.customer_contents(customer["customer_id"])
    has_money = contents["bills"] or contents["payments"]
    wanted = text.clean(customer["name"]) if has_money else "yes"
    if confirm_delete(CUSTOMER.name(customer), contents, wanted):
        database.delete_customer(customer["customer_id"], contents)
        say(f"Deleted {CUSTOMER.name(customer)}{deleted_with(contents)}.")


def add_location() -> None:
    customer = pick(CUSTOMER)
    address = ask("Address", fields.text(300))
    location_id = database.add_location(customer["customer_id"], address)
    say(f"Added location {location_id}, {address}, to {customer['name']}.")


def view_location() -> None:
    view(LOCATION, screens.LOCATIONS, database.list_locations, show_location)


def show_location(location: Location) -> None:
    account = reports.get_account(location["customer_id"])
    say(f"Customer {account['customer_id']}  {account['name']}, {account['phone_number']}")
    sites = [site for site in account["locations"] if site["location_id"] == location["location_id"]]
    show_lines(line for site in sites for line in screens.location_lines(site))


def update_location() -> None:
    location = pick(LOCATION)
    row = database.update_location(location["location_id"], ask("Address", fields.text(300), shown=location["address"]))
    say(f"Saved location {row['location_id']}, {row['address']}.")


def delete_location() -> None:
    location = pick(LOCATION)
    contents = database.location_contents(location["location_id"])
    if confirm_delete(LOCATION.name(location), contents):
        database.delete_location(location["location_id"], contents)
        say(f"Deleted {LOCATION.name(location)}{deleted_with(contents)}.")


def add_service() -> None:
    location = pick(LOCATION)
    name = ask("Service name", fields.text(100))
    cost = ask("Monthly cost", fields.amount)
    service_id = database.add_service(location["location_id"], name, cost)
    say(f"Added service {service_id}, {name}, at {text.show_amount(cost)} a month, to {location['address']}.")


def view_service() -> None:
    view(SERVICE, screens.SERVICES, database.list_services, show_fields(screens.SERVICES))


def update_service() -> None:
    service = pick(SERVICE)
    row = database.update_service(
        service["service_id"],
        ask("Service name", fields.text(100), shown=service["service_name"]),
        ask("Monthly cost", fields.amount, shown=text.show_amount(service["cost"])),
    )
    say(f"Saved service {row['service_id']}, {row['service_name']}, at {text.show_amount(row['cost'])} a month.")


def delete_service() -> None:
    service = pick(SERVICE)
    if confirm_delete(SERVICE.name(service), {}):
        database.delete_service(service["service_id"])
        say(f"Deleted {SERVICE.name(service)}.")


def add_equipment() -> None:
    location = pick(LOCATION)
    name = ask("Equipment name", fields.text(100))
    serial_number = ask("Serial number", fields.text(100), shown="none")
    cost = ask("Cost", fields.amount)
    equipment_id = database.add_equipment(location["location_id"], name, serial_number, cost)
    say(f"Added equipment {equipment_id}, {name}, worth {text.show_amount(cost)}, to {location['address']}.")


def view_equipment() -> None:
    view(EQUIPMENT, screens.EQUIPMENT, database.list_equipment, show_fields(screens.EQUIPMENT))


def update_equipment() -> None:
    device = pick(EQUIPMENT)
    serial_number = device["serial_number"]
    row = database.update_equipment(
        device["equipment_id"],
        ask("Equipment name", fields.text(100), shown=device["equipment_name"]),
        ask("Serial number", fields.serial_or_none, shown=f"{serial_number}; - for none" if serial_number else "none"),
        ask("Cost", fields.amount, shown=text.show_amount(device["cost"])),
    )
    say(f"Saved equipment {row['equipment_id']}, {row['equipment_name']}, worth {text.show_amount(row['cost'])}.")


def delete_equipment() -> None:
    device = pick(EQUIPMENT)
    if confirm_delete(EQUIPMENT.name(device), {}):
        database.delete_equipment(device["equipment_id"])
        say(f"Deleted {EQUIPMENT.name(device)}.")


def add_bill() -> None:
    customer = pick(CUSTOMER)
    description = ask("Description", fields.text(200))
    billed = ask("Amount", fields.positive_amount)
    due_date = ask("Due date", fields.day)
    billing_id, credit = database.add_bill(customer["customer_id"], description, billed, due_date)
    say(f"Added bill {billing_id}, {description}, {text.show_amount(billed)} due {due_date}, to {customer['name']}"
        f"{f'; {text.show_amount(credit)} of it paid from credit' if credit else ''}.")


def view_bill() -> None:
    view(BILL, screens.BILLS, database.list_bills, show_bill)


def show_bill(bill: Bill) -> None:
    show_fields(screens.BILL_FIELDS)(bill)
    for item in bill["items"] or []:
        for line in tables.spread(text.clean(item["description"]), text.show_amount(item["amount"]), 2):
            print(line)


def update_bill() -> None:
    bill = pick(BILL)
    row = database.update_bill(
        bill["billing_id"],
        ask("Description", fields.text(200), shown=bill["description"]),
        ask("Amount", fields.positive_amount, shown=text.show_amount(bill["amount_billed"])),
        ask("Due date", fields.day, shown=text.show_day(bill["due_date"])),
    )
    say(f"Saved bill {row['billing_id']}, {row['description']}, {text.show_amount(row['amount_billed'])} "
        f"due {row['due_date']}, {text.show_amount(row['amount_due'])} to pay.")


def delete_bill() -> None:
    bill = pick(BILL)
    if bill["amount_paid"]:
        say(f"The {text.show_amount(bill['amount_paid'])} paid on it goes to other unpaid bills of the customer, "
              "then to credit.")
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
    paid = ask("Amount", fields.positive_amount)
    paid_on = ask("Date", fields.past_day(today), shown="today", default=today)
    say(", ".join(f"{i} {method}" for i, method in enumerate(payments.METHODS, 1)))
    method = ask("Method", fields.one_of(payments.METHODS), shown="transfer", default="transfer")
    reference = ask("Reference", fields.text(100), shown="none")
    billing_id = ask_aim(bills) if len(bills) > 1 else None
    if not (confirm_odd_payment(customer_id, bills, paid, paid_on, today)
            and confirm_repeated_payment(customer_id, paid, paid_on)):
        print("Not recorded.")
        return
    payment = save_payment(customer_id, paid, paid_on, method, reference, entry_key, billing_id)
    say(f"Recorded payment {payment['payment_id']}, {text.show_amount(paid)} on {paid_on}, of {payment['name']}.")
    for line in screens.payment_lines(payment):
        print(line)


def view_payments() -> None:
    customer_id = pick(CUSTOMER)["customer_id"]
    browse(
        screens.PAYMENTS, lambda before, limit: payments.list_payments(customer_id, before, limit),
        lambda row: (row["paid_on"], row["payment_id"]), None, str(payments.count_payments(customer_id)),
        struck=lambda row: row["voided_on"] is not None,
    )


def void_payment() -> None:
    payment = pick(PAYMENT)
    if payment["voided_on"]:
        prompts.complain(f"Payment {payment['payment_id']} is void already, since {payment['voided_on']}.")
        return
    for line in screens.payment_lines(payment):
        print(line)
    reason = ask("Reason", fields.text(200))
    if confirm("Type yes to void it:"):
        payments.void_payment(payment["payment_id"], reason)
        say(f"Voided {PAYMENT.name(payment)}: {reason}")
        show_what_is_owed(payment["customer_id"])
    else:
        print("Not voided.")


def run_bills() -> None:
    today = database.today()
    this_month = today.replace(day=1)
    period = ask("Month", fields.month, shown=f"{this_month:%Y-%m}", default=this_month)
    default = bill_run.default_due_date(period, today)
    due_date = ask("Due date", fields.day, shown=str(default), default=default)
    preview = during("Adding up", lambda: bill_run.preview(period))
    for line in screens.bill_preview_lines(period, due_date, today, preview):
        say(line)
    if commands.confirm_total(preview):
        commands.run_as_previewed(period, due_date, preview)


def undo_bills() -> None:
    period = ask("Month", fields.month)
    preview = during("Looking for bills", lambda: bill_run.preview_undo(period))
    if not preview["removed"] and not preview["kept"]:
        say(f"No bills of a bill run for {period:%Y-%m}.")
        return
    if preview["removed"]:
        say(f"This removes {text.plural(preview['removed'], 'bill')} of {period:%Y-%m}, over "
            f"{text.show_amount(preview['total'])}; {preview['kept']} stay, since they were paid on.")
        if not confirm("Type yes to remove them:"):
            print("Nothing removed.")
            return
    result = during("Removing bills", lambda: bill_run.undo(period))
    print(f"Removed {text.plural(result['removed'], 'bill')} of {period:%Y-%m}." if result["removed"]
          else "Nothing to remove.")
    if result["bills"]:
        say(f"{text.plural(result['kept'], 'bill')} stayed, since they were paid on"
            f"{'; the first are' if result['kept'] > len(result['bills']) else ''}:")
        print(tables.table(screens.KEPT_BILLS, result["bills"]))


def aging_report() -> None:
    today = database.today()
    as_of = ask("As of", fields.past_day(today), shown="today")
    commands.show_aging(as_of)


def customer_statement() -> None:
    customer = pick(CUSTOMER)
    today = database.today()
    year_start = today.replace(month=1, day=1)
    first = ask("From", fields.past_day(today), shown=str(year_start), default=year_start)
    last = ask("To", fields.past_day(today), shown="today", default=today)
    if first > last:
        prompts.complain("The first day of a statement cannot be after its last.")
        return
    commands.show_statement(customer["customer_id"], first, last)


def about_database() -> None:
    server = database.describe_server()
    say(f"Server     {screens.where(server)}")
    say(f"Database   {server['database']}, {database.size()}, as {server['login']}")
    say(f"Today      {server['today']}, in {server['timezone']}")
    say(f"Log        {log.where()}")
    if server["search_is_indexed"]:
        print("Search     indexed by pg_trgm")
    else:
        say("Search     not indexed, so searches read whole tables: "
            "the extension pg_trgm was not there at the first start")


def import_accounts() -> None:
    """Import a CSV file whose columns, once shown, may be changed."""
    source = ask_import_file()
    mapping = choose_mapping(source)
    if outcome := commands.check_import(source, mapping):
        commands.import_confirmed(source, mapping, outcome)


def exporter(what: str, named: str) -> Callable[[], None]:
    """Make the action that exports what to a file that is asked for."""
    def export() -> None:
        path = ask("CSV file", file_path)
        try:
            with Progress("Exporting") as progress:
                count = exporting.export(what, path, progress=progress)
        except errors.FileExists as exc:
            if not confirm(text.clean(f"{exc} Type yes to replace it:")):
                print("Not exported.")
                return
            with Progress("Exporting") as progress:
                count = exporting.export(what, path, True, progress)
        say(f"Exported {text.plural(count, named)} to {path}.")

    return export


CUSTOMERS_MENU = Menu("Manage Customers", {
    "1": ("Add customer", add_customer),
    "2": ("View customer", view_customer),
    "3": ("Update customer", update_customer),
    "4": ("Delete customer", delete_customer),
})
LOCATIONS_MENU = Menu("Manage Locations", {
    "1": ("Add location to a customer", add_location),
    "2": ("View location", view_location),
    "3": ("Update location", update_location),
    "4": ("Delete location", delete_location),
})
SERVICES_MENU = Menu("Manage Services", {
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
BILLING_MENU = Menu("Billing", {
    "1": ("Customers late on payments", commands.show_late),
    "2": ("Add bill", add_bill),
    "3": ("View bills", view_bill),
    "4": ("Update bill", update_bill),
    "5": ("Delete bill", delete_bill),
    "6": ("Record payment", record_payment),
    "7": ("View payments", view_payments),
    "8": ("Void payment", void_payment),
    "9": ("Bill run", run_bills),
    "10": ("Undo a bill run", undo_bills),
})
REPORTING_MENU = Menu("Reporting", {
    "1": ("All customers with full details", commands.show_accounts),
    "2": ("Late payments by age", aging_report),
    "3": ("Revenue", commands.show_revenue),
    "4": ("Statement of a customer", customer_statement),
})
ADMINISTRATION_MENU = Menu("Administration", {
    "1": ("Verify that the money adds up", commands.show_verification),
    "2": ("About this database", about_database),
})
TRANSFER_MENU = Menu("Import & Export", {
    "1": ("Import customers from a CSV file", import_accounts),
    "2": ("Export customers with sites, services and equipment", exporter("accounts", "line")),
    "3": ("Export bills", exporter("bills", "bill")),
    "4": ("Export payments", exporter("payments", "payment")),
    "5": ("Export customers late on payments", exporter("late", "customer")),
})
MAIN_MENU = Menu("Main menu", {
    "1": ("Manage Customers", CUSTOMERS_MENU),
    "2": ("Manage Locations", LOCATIONS_MENU),
    "3": ("Manage Services", SERVICES_MENU),
    "4": ("Manage Equipment", EQUIPMENT_MENU),
    "5": ("Billing", BILLING_MENU),
    "6": ("Reporting", REPORTING_MENU),
    "7": ("Import & Export", TRANSFER_MENU),
    "8": ("Administration", ADMINISTRATION_MENU),
})


def run_menu(menu: Menu) -> None:
    """Show a menu and run what is chosen from it, until 0, Ctrl-C or Ctrl-D."""
    options = {**{digit: digit for digit in menu.entries}, "0": "0"}
    labels = {digit: label for digit, (label, _) in menu.entries.items()}
    labels["0"] = "Exit" if menu is MAIN_MENU else "Back"
    lines = [f"{digit:>3}  {label}" for digit, label in labels.items()]
    while True:
        print(f"\n{menu.title}")
        for line in lines:
            print(line)
        lines = tables.in_columns(lines)  # shown once, it makes room for what the entries show
        try:
            digit = ask("Choose", fields.choice(options))
        except (errors.Cancelled, KeyboardInterrupt):
            return
        if digit == "0":
            return
        label, action = menu.entries[digit]
        if isinstance(action, Menu):
            run_menu(action)
        else:
            run_action(label, action)


def run_action(label: str, action: Callable[[], object]) -> None:
    """Run one action; whatever stops it becomes one line."""
    global saved_before, unknown_before
    print(f"\n{label}")
    saved_before, unknown_before = database.saved, database.unknown
    try:
        action()
    except errors.Cancelled:
        prompts.complain(stopped())
    except KeyboardInterrupt:
        print(f"\n{stopped()}")
    except errors.Error as exc:
        prompts.complain(str(exc) if database.saved == saved_before else f"{exc} What was saved before that stays.")


def stopped() -> str:
    """Say what a cancelled action left behind."""
    if database.unknown != unknown_before:
        return "Stopped; whether that was saved is not known: look before you enter it again."
    if database.saved == saved_before:
        return "Cancelled, nothing changed."
    return "Stopped; what was saved before that stays."


def first_screen() -> None:
    """Say which server and database this is, as whom, and how the business stands."""
    server = database.describe_server()
    print(f"ISP Customer Tracker {VERSION}")
    say(screens.where(server))
    say(f"Database {server['database']}, as {server['login']}")
    rows, exact = database.count("customers")
    customers = text.plural(rows, "customer") if exact else f"about {rows} customers"
    say(f"{customers}. {screens.late_footer(reports.late_total())}")
    if prompts.on_terminal():
        say("A digit and Enter choose; Ctrl-C leaves a form, or a menu.")


def run_menus(arguments: argparse.Namespace) -> int:
    first_screen()
    run_menu(MAIN_MENU)
    if not prompts.on_terminal() and prompts.complaints:
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the menus or one command; return 0, 1 when something failed, or 2 when the database cannot be used."""
    arguments = commands.parser(VERSION, run_menus).parse_args(argv)
    prompts.prepare()
    interrupts.install()
    try:
        database.connect(allow_older=arguments.allow_older, say=prompts.note)
    except errors.Error as exc:
        log.note(f"Not started: {exc}")
        prompts.complain(str(exc))
        return errors.Unavailable.exit_code
    try:
        run: commands.Command = arguments.run
        return run(arguments)
    except errors.Error as exc:
        prompts.complain(str(exc))
        return exc.exit_code
    except errors.Cancelled as exc:
        prompts.complain("Cancelled, nothing changed.")
        return exc.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        database.disconnect()


def say_fault(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """Report a fault of the program itself: in one sentence here, in full in the log."""
    where = f", with {log.where()}" if log.fault(fault) else ""
    saved = "Nothing was saved." if database.saved == saved_before else "What was saved before it stays."
    if database.unknown != unknown_before:
        saved = "Whether something was saved is not known: look before you enter it again."
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}" if trace else "the program"
    prompts.complain(f"This is a fault of the program ({kind.__name__} in {place}); please report it{where}. "
                     f"{saved}")


if __name__ == "__main__":
    sys.excepthook = say_fault
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        prompts.complain("Cancelled.")
        sys.exit(130)
