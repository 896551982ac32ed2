"""ISP Customer Tracker: the menus of an internet provider's administrator, and what each entry does."""
from __future__ import annotations

import argparse
import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any, NamedTuple

import database
from database import Bill, Customer, Location, Pause, Service
from tracker import (
    access,
    accounts,
    backup,
    bill_run,
    credits,
    errors,
    fields,
    interrupts,
    late_fees,
    log,
    notes,
    payments,
    reports,
    text,
)
from tracker.terminal import (
    backups,
    choosing,
    closing,
    commands,
    devices,
    history,
    menus,
    outcomes,
    people,
    pricing,
    prompts,
    screens,
    tables,
)
from tracker.terminal.forms import (
    BILL_FIELDS,
    CUSTOMER_CHANGES,
    CUSTOMER_FIELDS,
    EQUIPMENT_FIELDS,
    FIRST_DAY_FIELD,
    LOCATION_FIELDS,
    SERVICE_FIELDS,
    add_location_to,
    ask_aim,
    ask_form,
    ask_import_file,
    ask_source,
    at_most,
    change,
    confirm_delete,
    confirm_odd,
    confirm_repeated_payment,
    deleted_with,
    file_path,
    fill_in,
    folder_path,
    location_of,
    mind_due_date,
    most_to_give_back,
    not_before,
    of_whom,
    of_whom_open,
    show_fields,
    show_what_is_owed,
    view,
)
from tracker.terminal.menus import AccountMenu, run_account
from tracker.terminal.paging import LEAVE, browse, show_lines
from tracker.terminal.paying import save_once, save_payment, say_paid
from tracker.terminal.pick import (
    BILL,
    CUSTOMER,
    EQUIPMENT,
    LOCATION,
    PAYMENT,
    SERVICE,
    leads_nowhere,
    look_up,
    pick,
    pick_or,
    say_record,
)
from tracker.terminal.progress import Progress, during
from tracker.terminal.prompts import ask, confirm, say
from tracker.transfer import exporting

VERSION = "1.0.0"
NO_STATEMENT = "The first day of a statement cannot be after its last."


class Menu(NamedTuple):
    """A menu as data; other takes an answer that is no digit of it, and hint says so below the entries."""

    title: str
    entries: dict[str, tuple[str, Callable[[], object] | Menu]]
    leave: str = "Back"
    hint: str = ""
    other: Callable[[str], object] | None = None


def find_customer(answer: str) -> None:
    """Open the account that an answer at the main menu leads to, or show what is at no location by its serial number.

    A name that nobody has may be a new customer's.
    """
    found = devices.unplaced(answer)
    if found.total and leads_nowhere(CUSTOMER, answer):
        devices.show_unplaced(answer, found)
        return
    while not (customer := look_up(CUSTOMER, answer)):
        if not menus.may_run(add_customer) or not may_be_new(answer):
            return
        again = ask("Search again, or yes to add a customer of that name", fields.text(300), shown="back")
        if again is None or again.casefold() in LEAVE:
            return
        if again.casefold() == "yes":
            add_customer(name=answer)
            return
        answer = again
    run_account(customer["customer_id"], ACCOUNT_MENU)


def may_be_new(answer: str) -> bool:
    """Tell whether an answer that led to no customer may be the name of one who is not there yet."""
    is_name = len(answer) > 1 and re.sub(r"[ '\u2019.&,-]", "", answer).isalpha()
    return is_name and not database.find_customers(answer, 0, 1).total


def open_account(row: Mapping[str, Any]) -> bool:
    """Show the account of the customer of a row; on a terminal with what can be done to it.

    Piped, a script goes on after it as it did before there were actions.
    """
    if prompts.attended():
        run_account(row["customer_id"], ACCOUNT_MENU)
    else:
        show_lines(screens.account_lines(reports.get_account(row["customer_id"])))
    return True


@menus.changes
def add_customer(**given: str) -> None:
    """Add a customer, asking for what is not given, and on a terminal go on with the account."""
    customer_id, new = fill_in(CUSTOMER_FIELDS, add_new_customer, **given)
    if not customer_id:
        print("Not added.")
        return
    say(f"Added customer {customer_id}, {new['name']}.")
    if prompts.attended():
        run_account(customer_id, ACCOUNT_MENU)


def add_new_customer(name: str, phone_number: str | None) -> int | None:
    """Add a customer, asking first where the name or phone number is known already; return the new ID, if any."""
    if others := database.similar_customers(name, phone_number):
        print("This name or phone number is known already:")
        print(tables.table(screens.CUSTOMERS, others))
        if not confirm("Type yes to add another customer:"):
            return None
    return database.add_customer(name, phone_number)


def view_customer() -> None:
    view(CUSTOMER, screens.CUSTOMERS, database.list_customers, open_account, "closed", view_closed_customers)


def view_closed_customers() -> None:
    browse(
        screens.CUSTOMERS, database.list_closed_customers, lambda row: (row["closed_on"], row["customer_id"]), None,
        str(database.count_closed_customers()), opens=open_account,
        renew=lambda: (str(database.count_closed_customers()), "", None),
    )


@menus.changes
def update_customer(customer: Customer | None = None) -> None:
    customer = of_whom(customer)
    accounts.check_known(customer["customer_id"])
    if row := change(CUSTOMER_CHANGES, customer, database.update_customer, customer["customer_id"]):
        say(f"Saved {CUSTOMER.name(row)}.")


@menus.changes
def delete_customer() -> None:
    customer = pick(CUSTOMER)
    contents = database.customer_contents(customer["customer_id"])
    if reason := database.why_kept(customer, contents):
        prompts.refuse(reason)
        return
    if confirm_delete(CUSTOMER.name(customer), contents):
        database.delete_customer(customer["customer_id"], contents)
        say(f"Deleted {CUSTOMER.name(customer)}{deleted_with(contents)}.")


@menus.changes
def add_location(customer: Customer | None = None) -> None:
    add_location_to(of_whom_open(customer))


def view_location() -> None:
    view(LOCATION, screens.LOCATIONS, database.list_locations, show_location)


def show_location(location: Location) -> None:
    account = reports.get_account(location["customer_id"])
    say(f"Customer {account['customer_id']}  {account['name']}, {account['phone_number'] or 'no phone number'}")
    sites = [site for site in account["locations"] if site["location_id"] == location["location_id"]]
    show_lines(line for site in sites for line in screens.location_lines(site))


@menus.changes
def update_location() -> None:
    location = pick(LOCATION)
    if row := change(LOCATION_FIELDS, location, database.update_location, location["location_id"]):
        say(f"Saved location {row['location_id']}, {row['address']}.")


@menus.changes
def delete_location() -> None:
    location = pick(LOCATION)
    contents = database.location_contents(location["location_id"])
    if confirm_delete(LOCATION.name(location), contents):
        database.delete_location(location["location_id"], contents)
        say(f"Deleted {LOCATION.name(location)}{deleted_with(contents)}.")


@menus.changes
def add_service(customer: Customer | None = None) -> None:
    location = location_of(customer)
    name, usual = pricing.ask_service_name()
    cost = replace(SERVICE_FIELDS["cost"], usual=usual)
    service_id, new = fill_in({**SERVICE_FIELDS, "cost": cost, **FIRST_DAY_FIELD}, database.add_service,
                              location["location_id"], service_name=name)
    say(f"Added service {service_id}, {new['service_name']}, at {text.show_amount(new['cost'])} a month, "
        f"{since(new['started_on'])}, to {location['address']}.")


def since(started_on: date | None) -> str:
    return f"from {started_on}" if started_on else "which was always there"


def view_service() -> None:
    view(SERVICE, screens.SERVICES, database.list_services, show_service)


def show_service(service: Service) -> None:
    show_fields(screens.SERVICE_FIELDS)(service)
    for line in screens.pause_lines(database.list_pauses(service["service_id"])):
        print(line)
    if service["coming_prices"]:
        say(f"It will cost {screens.coming(service['coming_prices'])}.")


@menus.changes
def update_service() -> None:
    service = pick(SERVICE)
    questions = {**SERVICE_FIELDS, **FIRST_DAY_FIELD}
    if row := change(questions, service, database.update_service, service["service_id"]):
        saved = database.get_service(row["service_id"])
        start = f", {since(saved['started_on'])}" if saved["started_on"] != service["started_on"] else ""
        coming = f"; {screens.coming(saved['coming_prices'])}" if saved["coming_prices"] else ""
        say(f"Saved service {row['service_id']}, {row['service_name']}, at {text.show_amount(row['cost'])} "
            f"a month{start}{coming}.")
        say_what_next_bill_does(row["service_id"])


@menus.changes
def delete_service() -> None:
    service = pick(SERVICE)
    if confirm_delete(SERVICE.name(service), {}):
        database.delete_service(service["service_id"])
        say(f"Deleted {SERVICE.name(service)}.")


def named(service: Service) -> str:
    """Name a service at the beginning of a sentence."""
    name = SERVICE.name(service)
    return f"{name[0].upper()}{name[1:]}"


@menus.changes
def end_service() -> None:
    """Set the last day of a service, or with none let one go on that has one."""
    service = pick(SERVICE)
    today = database.today()
    start, last = service["started_on"], service["ended_on"]
    default = last or max(today, start or today)
    day = fields.day_from(today)
    if start:
        day = not_before(start, day, f"The last day cannot be before the first, {start}.")
    ended_on = ask("Last day, or none" if last else "Last day", fields.either("none", day, None),
                   shown="today" if default == today else str(default), default=default)
    if ended_on == last:
        print("Nothing saved.")
        return
    database.end_service(service["service_id"], ended_on)
    say(f"{named(service)}, {f'ends on {ended_on}' if ended_on else 'goes on'}.")
    say_what_next_bill_does(service["service_id"])


@menus.changes
def pause_service() -> None:
    """Pause a service from a day to a day or until further notice, or change one of its pauses."""
    service = pick(SERVICE)
    pauses = database.list_pauses(service["service_id"])
    if pauses:
        print(tables.table(screens.PAUSES, pauses))
        numbered = {str(pause["service_pause_id"]): pause for pause in pauses}
        if pause := ask("Pause to change (ID)", fields.choice(numbered), shown="another pause"):
            change_pause(service, pause)
            return
    first, last = ask_pause(service["service_id"])
    say(f"{named(service)}, is paused {screens.span(first, last)}.")
    say_what_next_bill_does(service["service_id"])


def ask_pause(service_id: int) -> tuple[date, date | None]:
    """Ask for the days of a pause until none is one of another pause, and note it."""
    today = database.today()
    while True:
        first = ask("First day", fields.day_from(today), shown="today", default=today)
        last = ask("Last day", not_before(first, fields.day_from(today)), shown="until further notice")
        try:
            database.pause_service(service_id, first, last)
            return first, last
        except errors.Conflict as exc:
            if exc.field != "first_day":
                raise
            prompts.refuse(str(exc), "First day")


def change_pause(service: Service, pause: Pause) -> None:
    """End a pause on a day, or remove it."""
    first, today = pause["first_day"], database.today()
    last = ask("Last day, or remove", fields.either("remove", not_before(first, fields.day_from(today))),
               shown=str(pause["last_day"] or "until further notice"), default=pause["last_day"])
    if last == pause["last_day"]:
        print("Nothing saved.")
        return
    if last == "remove":
        database.delete_pause(pause["service_pause_id"])
        say(f"Removed the pause {screens.span(first, pause['last_day'])} of {SERVICE.name(service)}.")
    else:
        database.end_pause(pause["service_pause_id"], last)
        say(f"{named(service)}, is paused {screens.span(first, last)}.")
    say_what_next_bill_does(service["service_id"])


def say_what_next_bill_does(service_id: int) -> None:
    """Say which days of a service that are billed already the next bill takes back, or adds."""
    for line in bill_run.to_make_good(service_id):
        say(f"The next bill has: {line['description']}, {text.show_amount(line['amount'])}.")


@menus.changes
def add_equipment(customer: Customer | None = None) -> None:
    """Add a device to a location or to stock; in an account and in stock one after another: several come at once."""
    location = location_of(customer) if customer else pick_or(LOCATION, "stock")
    add = functools.partial(database.add_equipment, location["location_id"] if location else None)
    given: dict[str, str] = {}
    while True:
        equipment_id, new = fill_in(EQUIPMENT_FIELDS, add, **given)
        say(f"Added equipment {equipment_id}, {new['equipment_name']}, worth {text.show_amount(new['cost'])}, "
            f"to {location['address'] if location else 'stock'}.")
        several = customer or not location
        name = ask("Another equipment name", fields.text(100), shown="no more") if several else None
        if name is None or name.casefold() in LEAVE:
            return
        given = {"equipment_name": name}


@menus.changes
def update_equipment() -> None:
    device = pick(EQUIPMENT)
    if row := change(EQUIPMENT_FIELDS, device, database.update_equipment, device["equipment_id"]):
        say(f"Saved equipment {row['equipment_id']}, {row['equipment_name']}, worth {text.show_amount(row['cost'])}.")


@menus.changes
def delete_equipment() -> None:
    device = pick(EQUIPMENT)
    if confirm_delete(EQUIPMENT.name(device), {}):
        database.delete_equipment(device["equipment_id"])
        say(f"Deleted {EQUIPMENT.name(device)}.")


@menus.changes
def add_bill(customer: Customer | None = None) -> None:
    customer = of_whom_open(customer)
    (billing_id, credit), new = fill_in(BILL_FIELDS, add_new_bill, customer["customer_id"])
    say(f"Added bill {billing_id}, {new['description']}, {text.show_amount(new['amount'])} due {new['due_date']}, "
        f"to {customer['name']}{f'; {text.show_amount(credit)} of it paid from credit' if credit else ''}.")


def add_new_bill(customer_id: int, description: str, amount: Decimal, due_date: date) -> database.NewBill:
    mind_due_date(due_date)
    return database.add_bill(customer_id, description, amount, due_date)


def view_bill() -> None:
    view(BILL, screens.BILLS, database.list_bills, show_bill)


def view_bills_of(customer: Customer) -> None:
    customer_id = of_whom(customer)["customer_id"]
    browse(
        screens.BILLS_OF_CUSTOMER, lambda before, limit: database.list_bills(before, limit, customer_id),
        lambda row: row["billing_id"], 0, str(database.customer_contents(customer_id)["bills"]),
        struck=lambda row: row["cancelled_on"] is not None,
        opens=lambda row: show_bill(database.get_bill(row["billing_id"])),
    )


def show_bill(bill: Bill) -> None:
    show_fields(screens.BILL_FIELDS)(bill)
    for item in bill["items"] or []:
        for line in tables.spread(text.clean(item["description"]), text.show_amount(item["amount"]), 2):
            print(line)


@menus.changes
def update_bill() -> None:
    bill = pick(BILL)
    refuse_deleted(bill)
    if row := change(BILL_FIELDS, bill, database.update_bill, bill["billing_id"]):
        if row["due_date"] != bill["due_date"]:
            mind_due_date(row["due_date"])
        say(f"Saved bill {row['billing_id']}, {row['description']}, {text.show_amount(row['amount_billed'])} "
            f"due {row['due_date']}, {text.show_amount(row['amount_due'])} to pay.")
        if row["amount_paid"] < bill["amount_paid"]:
            say_freed(bill["customer_id"], bill["amount_paid"] - row["amount_paid"])


def refuse_deleted(bill: Bill) -> None:
    """Raise Conflict for a bill that is deleted before anything is asked about it."""
    if bill["cancelled_on"]:
        raise errors.Conflict(database.deleted(bill))


def say_freed(customer_id: int, freed: Decimal) -> None:
    """Say where what had been paid on a bill went."""
    credit = payments.credit(customer_id)
    say(f"{text.show_amount(freed)} of what was paid on it " + (
        "is credit now." if credit >= freed else
        f"went to other unpaid bills of the customer, {text.show_amount(credit)} of it is credit now." if credit else
        "went to other unpaid bills of the customer."))


@menus.changes
def delete_bill() -> None:
    bill = pick(BILL)
    refuse_deleted(bill)
    if fee_id := late_fees.fee_of(bill["billing_id"]):
        raise errors.Conflict(f"Bill {bill['billing_id']} has a late fee, bill {fee_id}, which is deleted first.")
    if bill["amount_paid"]:
        say(f"The {text.show_amount(bill['amount_paid'])} paid on it goes to other unpaid bills of the customer, "
              "then to credit.")
    if bill["issued_on"] < database.today():
        say("It was issued on an earlier day: it stays in the books, over 0.00 from today on.")
    if confirm_delete(BILL.name(bill), {}):
        database.delete_bill(bill["billing_id"])
        say(f"Deleted {BILL.name(bill)}.")


@menus.changes
def record_payment(customer: Customer | None = None) -> None:
    customer = of_whom(customer)
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
    if not (confirm_odd(payments.slips(customer_id, paid, paid_on))
            and confirm_repeated_payment(customer_id, paid, paid_on, reference)):
        print("Not recorded.")
        return
    say_paid(save_payment(customer_id, paid, paid_on, method, reference, entry_key, billing_id))


@menus.changes
def add_credit_note(customer: Customer | None = None) -> None:
    customer_id = of_whom(customer)["customer_id"]
    from uuid import uuid4
    entry_key = uuid4()
    show_what_is_owed(customer_id)
    amount = ask("Amount", fields.positive_amount)
    reason = ask("Reason", fields.text(200))
    if not confirm_odd(payments.excess(customer_id, amount)):
        print("Not recorded.")
        return
    say_recorded(save_once(entry_key, lambda: credits.add_credit_note(customer_id, amount, reason, entry_key)))


@menus.changes
def write_off() -> None:
    customer_id = pick(CUSTOMER)["customer_id"]
    from uuid import uuid4
    entry_key = uuid4()
    bills = show_what_is_owed(customer_id)
    if not bills:
        return
    billing_id = ask_aim(bills) if len(bills) > 1 else None
    owed = sum((bill["amount_due"] for bill in bills if billing_id in (None, bill["billing_id"])), Decimal(0))
    amount = ask("Amount", at_most(owed, "is owed"), shown=text.show_amount(owed), default=owed)
    reason = ask("Reason", fields.text(200))
    say_recorded(save_once(
        entry_key, lambda: credits.write_off(customer_id, amount, reason, entry_key, billing_id)))


@menus.changes
def refund() -> None:
    """Give credit back, or what one payment brought."""
    customer_id = pick(CUSTOMER)["customer_id"]
    from uuid import uuid4
    entry_key = uuid4()
    show_what_is_owed(customer_id)
    credit = payments.credit(customer_id)
    source = ask_source(customer_id, credit)
    most = most_to_give_back(source) if source else credit
    what = f"of payment {source['payment_id']} can be given back" if source else "is credit"
    amount = ask("Amount", at_most(most, what), shown=text.show_amount(most), default=most)
    say(", ".join(f"{i} {method}" for i, method in enumerate(payments.METHODS, 1)))
    method = ask("Method", fields.one_of(payments.METHODS), shown="transfer", default="transfer")
    say("A refund counts from today; if it was paid out earlier, that day can stand in the reference.")
    reference = ask("Reference", fields.text(100), shown="none")
    source_id = source["payment_id"] if source else None
    say_recorded(save_once(entry_key, lambda: credits.refund(
        customer_id, amount, method, reference, entry_key, source_id)))
    if source:
        show_what_is_owed(customer_id)


def say_recorded(payment: payments.Payment) -> None:
    say(f"Recorded {PAYMENT.name(payment)}.")
    for line in screens.payment_lines(payment):
        print(line)


def view_payments(customer: Customer | None = None) -> None:
    customer_id = of_whom(customer)["customer_id"]
    browse(
        screens.PAYMENTS, lambda before, limit: payments.list_payments(customer_id, before, limit),
        lambda row: (row["paid_on"], row["payment_id"]), None, str(payments.count_payments(customer_id)),
        struck=lambda row: row["voided_on"] is not None, opens=show_payment,
    )


def show_payment(row: Mapping[str, Any]) -> None:
    payment = payments.get_payment(row["payment_id"])
    say_record(PAYMENT, payment)
    for line in screens.payment_lines(payment):
        print(line)


@menus.changes
def void_payment() -> None:
    print("Credit notes, write-offs and refunds are voided here, too.")
    payment = pick(PAYMENT)
    if payment["voided_on"]:
        prompts.refuse(f"{payment['kind'].capitalize()} {payment['payment_id']} is void already, "
                       f"since {payment['voided_on']}.")
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


@menus.changes
def run_bills() -> None:
    today = database.today()
    this_month = today.replace(day=1)
    period = ask("Month", fields.month, shown=f"{this_month:%Y-%m}", default=this_month)
    default = bill_run.default_due_date(period, today)
    due_date = ask("Due date", fields.day_from(today), shown=str(default), default=default)
    preview = during("Adding up", lambda: bill_run.preview(period))
    for line in screens.bill_preview_lines(period, due_date, today, preview):
        say(line)
    if not commands.refused_as_too_large(preview) and commands.confirm_total(period, preview):
        commands.run_bills(period, due_date, preview["total"])


@menus.changes
def undo_bills() -> None:
    period = ask("Month", fields.month)
    preview = during("Looking for bills", lambda: bill_run.preview_undo(period))
    if not preview["removed"] and not preview["kept"]:
        say(f"No bills of a bill run for {period:%Y-%m}.")
        return
    stay = "stays" if preview["kept"] == 1 else "stay"
    kept = f"{preview['kept']} {stay}, since {screens.why_bills_stay(preview['kept'])}."
    if preview["removed"]:
        say(f"This removes {text.plural(preview['removed'], 'bill')} of {period:%Y-%m}, over "
            f"{text.show_amount(preview['total'])}{f'; {kept}' if preview['kept'] else '.'}")
        if not confirm("Type yes to remove them:"):
            print("Nothing removed.")
            return
    result = during("Removing bills", lambda: bill_run.undo(period))
    print(f"Removed {text.plural(result['removed'], 'bill')} of {period:%Y-%m}." if result["removed"]
          else "Nothing to remove.")
    say_kept(result, "bill", screens.why_bills_stay(result["kept"]))


def say_kept(result: bill_run.UndoResult, noun: str, why: str) -> None:
    """Say which bills an undo left, and why."""
    if result["bills"]:
        say(f"{text.plural(result['kept'], noun)} stayed, since {why}"
            f"{'; the first are' if result['kept'] > len(result['bills']) else ''}:")
        print(tables.table(screens.KEPT_BILLS, result["bills"]))


@menus.changes
def run_late_fees() -> None:
    preview = commands.preview_late_fees()
    if commands.confirm_late_fees(preview):
        commands.charge_late_fees(preview["total"])


@menus.changes
def undo_late_fees() -> None:
    last = late_fees.last_day()
    if last is None:
        late_fees.in_force()
        print("There are no late fees.")
        return
    day = ask("Day", fields.past_day(database.today()), shown=str(last), default=last)
    preview = late_fees.preview_undo(day)
    if not preview["removed"] and not preview["kept"]:
        say(f"No late fees were made on {day}.")
        return
    kept = f"; {preview['kept']} {'stays, since it was' if preview['kept'] == 1 else 'stay, since they were'} paid on"
    if preview["removed"]:
        say(f"This takes back {text.plural(preview['removed'], 'late fee')} of {day}, over "
            f"{text.show_amount(preview['total'])}{kept if preview['kept'] else ''}.")
        if not confirm("Type yes to take them back:"):
            print("Nothing taken back.")
            return
    result = during("Taking late fees back", lambda: late_fees.undo(day))
    print(f"Took back {text.plural(result['removed'], 'late fee')} of {day}." if result["removed"]
          else "Nothing to take back.")
    say_kept(result, "late fee", "it was paid on" if result["kept"] == 1 else "they were paid on")


@menus.changes
def add_note(customer: Customer | None = None) -> None:
    """Note what was said with a customer, or what they promised to pay, or both."""
    customer = of_whom(customer)
    note = ask("Note", fields.text(notes.LONGEST), shown="none")
    until = ask("Promised until", fields.coming_day(database.today()), shown="no promise")
    if not note and not until:
        print("Nothing noted.")
        return
    amount = ask_promised_amount(customer["customer_id"]) if until else None
    if amount and not confirm_odd(payments.excess(customer["customer_id"], amount, promised=True)):
        print("Nothing noted.")
        return
    note_id = notes.add_note(customer["customer_id"], note, until, amount)
    promise = f": {text.show_amount(amount)} promised until {until}" if until else ""
    say(f"Added note {note_id} to {customer['name']}{promise}.")


def ask_promised_amount(customer_id: int) -> Decimal:
    owed = sum((bill["amount_due"] for bill in payments.unpaid_bills(customer_id)), Decimal(0))
    if not owed:
        return ask("Amount", fields.positive_amount)
    return ask("Amount", fields.positive_amount, shown=text.show_amount(owed), default=owed)


def view_notes(customer: Customer | None = None) -> None:
    customer_id = of_whom(customer)["customer_id"]
    browse(
        screens.NOTES, lambda before, limit: [{**row, "promised": screens.promised(row)}
                                              for row in notes.list_notes(customer_id, before, limit)],
        lambda row: row["customer_note_id"], 0, str(notes.count_notes(customer_id)), opens=show_note,
        renew=lambda: (str(notes.count_notes(customer_id)), "", None),
    )


def show_note(row: Mapping[str, Any]) -> bool:
    """Show a note whole, and let it go if it is a mistake of today; tell whether it went."""
    note = notes.get_note(row["customer_note_id"])
    say(screens.note_line(note))
    return note["may_go"] and menus.may_run(delete_note) and delete_note(note)


@menus.changes
def delete_note(note: notes.Note) -> bool:
    if not confirm("Type yes to delete it, Enter keeps it:"):
        return False
    notes.delete_note(note["customer_note_id"])
    say(f"Deleted note {note['customer_note_id']}.")
    return True


def aging_report() -> None:
    today = database.today()
    as_of = ask("As of", fields.past_day(today), shown="today")
    commands.show_aging(as_of, titled=True, opens=open_account)


def payments_received() -> None:
    today = database.today()
    first = ask("From", fields.past_day(today), shown="today", default=today)
    last = today if first == today else ask("To", not_before(first, fields.past_day(today)), shown="today",
                                            default=today)
    commands.show_payments_received(first, last, show_payment)


def late_customers() -> None:
    commands.show_late(open_account)


def customer_statement(customer: Customer | None = None) -> None:
    customer = of_whom(customer)
    today = database.today()
    year_start = today.replace(month=1, day=1)
    first = ask("From", fields.past_day(today), shown=str(year_start), default=year_start)
    last = ask("To", not_before(first, fields.past_day(today), NO_STATEMENT), shown="today", default=today)
    commands.show_statement(customer["customer_id"], first, last)


def customer_history(customer: Customer | None = None) -> None:
    history.show_history_of_customer(of_whom(customer))


def about_database() -> None:
    server = database.describe_server()
    say(f"Server     {screens.where(server)}")
    say(f"Database   {server['database']}, {database.size()}, as {server['login']}")
    if source := database.reports_source():
        say(f"Reports    {source}")
    say(f"Today      {server['today']}, in {server['timezone']}")
    for line in screens.backup_lines(backup.last(), backup.kept()):
        say(line)
    say(f"Log        {log.where()}")
    if server["search_is_indexed"]:
        print("Search     indexed by pg_trgm")
    else:
        say("Search     not indexed, so searches read whole tables: "
            "the extension pg_trgm was not there at the first start")


@menus.changes
def back_up() -> None:
    backups.back_up(ask("Folder", folder_path, shown=str(backup.folder())))


@menus.changes
def import_accounts() -> None:
    """Import a CSV file whose columns, once shown, may be changed."""
    source = ask_import_file()
    commands.say_layout(source)
    choices = choosing.by_questions(source)
    if outcome := outcomes.check_import(source, choices):
        outcomes.import_confirmed(source, choices, outcome, ask_balance_date)


def ask_balance_date() -> date:
    """Ask for the day of opening balances."""
    today = database.today()
    return ask("Day of the opening balances", fields.day_from(today), shown=str(today), default=today)


@menus.changes
def import_payments() -> None:
    from tracker.terminal import banking  # slow to import, and no other entry needs it
    banking.import_payments()


@menus.changes
def decide_on_bank_lines() -> None:
    from tracker.terminal import banking
    banking.decide()


def exporter(what: str, named: str) -> Callable[[], None]:
    """Make the action that exports what to a file that is asked for."""
    def export() -> None:
        path, form = ask("CSV file", file_path), ask_form()
        try:
            with Progress("Exporting") as progress:
                count = exporting.export(what, path, False, progress, form)
        except errors.FileExists as exc:
            if not confirm(text.clean(f"{exc} Type yes to replace it:")):
                print("Not exported.")
                return
            with Progress("Exporting") as progress:
                count = exporting.export(what, path, True, progress, form)
        say(f"Exported {text.plural(count, named)} to {path}.")

    return export


def export_everything() -> None:
    path = ask("File to write (.zip)", file_path)
    try:
        commands.export_everything(path, False)
    except errors.FileExists as exc:
        if confirm(text.clean(f"{exc} Type yes to replace it:")):
            commands.export_everything(path, True)
        else:
            print("Not exported.")


@menus.changes
def import_everything() -> None:
    commands.import_everything(ask("File to read (.zip)", file_path))


CUSTOMERS_MENU = Menu("Manage Customers", {
    "1": ("Add customer", add_customer),
    "2": ("View customer", view_customer),
    "3": ("Update customer", update_customer),
    "4": ("Delete customer", delete_customer),
    "5": ("History of a customer", customer_history),
    "6": ("Close account", closing.close_account),
    "7": ("Reopen account", closing.reopen_account),
    "8": ("Erase a person", closing.erase_person),
    "9": ("Merge two customers", closing.merge_customers),
})
LOCATIONS_MENU = Menu("Manage Locations", {
    "1": ("Add location to a customer", add_location),
    "2": ("View location", view_location),
    "3": ("Update location", update_location),
    "4": ("Delete location", delete_location),
    "5": ("History of a location", lambda: history.show_history(LOCATION)),
})
SERVICES_MENU = Menu("Manage Services", {
    "1": ("Add service to a location", add_service),
    "2": ("View service", view_service),
    "3": ("Update service", update_service),
    "4": ("Delete service", delete_service),
    "5": ("History of a service", lambda: history.show_history(SERVICE)),
    "6": ("End service", end_service),
    "7": ("Pause service", pause_service),
    "8": ("Change a price", pricing.change_price),
})
EQUIPMENT_MENU = Menu("Manage Equipment", {
    "1": ("Add equipment to a location", add_equipment),
    "2": ("View equipment", devices.view_equipment),
    "3": ("Update equipment", update_equipment),
    "4": ("Delete equipment", delete_equipment),
    "5": ("History of equipment", lambda: history.show_history(EQUIPMENT)),
    "6": ("In stock", devices.show_stock),
    "7": ("Move or take back", devices.move_equipment),
    "8": ("Swap", devices.swap_equipment),
    "9": ("Write off", devices.write_off_equipment),
})
BILLING_MENU = Menu("Billing", {
    "1": ("Customers late on payments", late_customers),
    "2": ("Add bill", add_bill),
    "3": ("View bills", view_bill),
    "4": ("Update bill", update_bill),
    "5": ("Delete bill", delete_bill),
    "6": ("Record payment", record_payment),
    "7": ("View payments", view_payments),
    "8": ("Void payment", void_payment),
    "9": ("Bill run", run_bills),
    "10": ("Undo a bill run", undo_bills),
    "11": ("History of a bill", lambda: history.show_history(BILL)),
    "12": ("History of a payment", lambda: history.show_history(PAYMENT)),
    "13": ("Credit note", add_credit_note),
    "14": ("Write-off", write_off),
    "15": ("Refund", refund),
    "16": ("Late fees", run_late_fees),
    "17": ("Undo late fees", undo_late_fees),
    "18": ("Import payments from a bank's file", import_payments),
    "19": ("Bank lines to decide on", decide_on_bank_lines),
})
REPORTING_MENU = Menu("Reporting", {
    "1": ("All customers with full details", commands.show_accounts),
    "2": ("Late payments by age", aging_report),
    "3": ("Revenue", commands.show_revenue),
    "4": ("Statement of a customer", customer_statement),
    "5": ("Revenue by date of issue", lambda: commands.show_revenue("issue")),
    "6": ("Changes", history.changes_menu),
    "7": ("Equipment by model", lambda: commands.show_models(devices.open_device)),
    "8": ("Payments received", payments_received),
})
ADMINISTRATION_MENU = Menu("Administration", {
    "1": ("Verify that the money adds up", commands.show_verification),
    "2": ("About this database", about_database),
    "3": ("People", people.look_after_people),
    "4": ("Undo a deletion", history.undo_deletion),
    "5": ("Back up now", back_up),
})
TRANSFER_MENU = Menu("Import & Export", {
    "1": ("Import customers from a CSV file", import_accounts),
    "2": ("Export customers with sites, services and equipment", exporter("accounts", "line")),
    "3": ("Export bills", exporter("bills", "bill")),
    "4": ("Export payments", exporter("payments", "payment")),
    "5": ("Export customers late on payments", exporter("late", "customer")),
    "6": ("Export everything", export_everything),
    "7": ("Import everything into an empty database", import_everything),
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
}, "Exit", "Anything else finds a customer: a name, phone number, address or serial number.", find_customer)
ACCOUNT_MENU = AccountMenu({
    "1": ("Record payment", record_payment),
    "2": ("Add bill", add_bill),
    "3": ("Add location", add_location),
    "4": ("Add service", add_service),
    "5": ("Add equipment", add_equipment),
    "6": ("Update", update_customer),
    "7": ("All bills", view_bills_of),
    "8": ("All payments", view_payments),
    "9": ("Statement", customer_statement),
    "10": ("History", customer_history),
    "11": ("Note or promise", add_note),
    "12": ("Credit note", add_credit_note),
    "13": ("All notes", view_notes),
})


def run_menu(menu: Menu) -> None:
    """Show a menu and run what is chosen from it, until it is left."""
    labels = {**{digit: label for digit, (label, _) in menus.allowed(menu.entries).items()}, "0": menu.leave}
    lines = [f"{digit:>3}  {label}" for digit, label in labels.items()]
    shown = lines
    while True:
        print("", menu.title, *shown, sep="\n")
        if menu.hint:
            say(menu.hint)
        answer = menus.choose(labels, fields.text(300) if menu.other else None)
        if answer == "0":
            return
        shown = lines if answer == "?" else tables.in_columns(lines)  # shown once, it makes room for what entries show
        if answer != "?":
            run_entry(menu, answer)


def run_entry(menu: Menu, answer: str) -> None:
    if answer not in menu.entries:
        menus.run_action("Find customer", lambda: menu.other(answer))  # type: ignore[misc]
        return
    label, action = menu.entries[answer]
    if isinstance(action, Menu):
        run_menu(action)
    else:
        menus.run_action(label, action)


def first_screen() -> None:
    """Say which server and database this is, as whom, and how the business stands."""
    server = database.describe_server()
    print(f"ISP Customer Tracker {VERSION}")
    say(screens.where(server))
    say(f"Database {server['database']}, as {server['login']}")
    if menus.why_not:
        say(f"Read-only: {menus.why_not}.")
    rows, exact = database.count("customers")
    customers = text.plural(rows, "customer") if exact else f"about {rows} customers"
    say(f"{customers}. {screens.late_footer(reports.late_total())}")
    if rows:
        say(screens.backup_line(backup.last(), not menus.why_not))
    if prompts.on_terminal():
        say("A digit and Enter choose; ? shows a menu again; Ctrl-C leaves a form or menu.")


def run_menus(arguments: argparse.Namespace) -> int:
    menus.why_not = database.rights()["why_not"]
    menus.may_see_people = access.may_see()
    first_screen()
    run_menu(MAIN_MENU)
    if not prompts.on_terminal() and prompts.complaints:
        return 1
    return 0


def serve_page(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C or a signal ends it."""
    try:
        from web import server  # with what else it imports, it would keep the menus waiting
    except ImportError as exc:
        log.fault(exc)
        raise errors.Unavailable("The page needs packages that are not here: run pip install -r requirements.txt."
                                 ) from exc
    options = server.Options(arguments.host, arguments.port, arguments.open, arguments.viewer_link)
    server.serve(VERSION, options, say_now)
    say_now("Stopped.")
    return 0


def say_now(sentence: str) -> None:
    """Say something to whoever waits for it, also at the other end of a pipe."""
    say(sentence)
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Run the menus or one command; return 0, 1 when something failed, or 2 when the database cannot be used."""
    prompts.prepare()
    arguments = commands.parser(VERSION, run_menus, serve_page).parse_args(argv)
    interrupts.install()
    try:
        database.connect(schema=arguments.schema, read_only=arguments.read_only, say=prompts.note)
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
    except errors.WrongAnswer as exc:
        prompts.complain(str(exc))
        return exc.exit_code
    except errors.Cancelled as exc:
        prompts.complain("Cancelled, nothing changed.")
        return exc.exit_code
    finally:
        database.disconnect()


def main_to_the_end() -> int:
    """Run the program, see that what it printed arrived, and return its exit code: 130 after Ctrl-C, 128 and more after
    another signal that ended it.
    """
    code, lost = 1, None
    try:
        code = main()
    except KeyboardInterrupt:
        prompts.complain("Cancelled.")
        code = 130
    except SystemExit as exc:  # of a signal, or of argparse
        code = int(exc.code or 0)
        if code > 128:
            prompts.complain(menus.stopped())
    except OSError as exc:
        if not (lost := prompts.why_output_is_lost()):
            raise
        log.note(f"Standard output is lost: {exc.strerror}")
    if lost := lost or prompts.why_output_is_lost():
        code = code or 1
        say_lost(lost)
    return code


def say_lost(why: OSError) -> None:
    """Say that standard output took no more; to a reader that has left, as head does, there is nothing to say."""
    if not isinstance(why, BrokenPipeError):
        reason = "it is closed" if why.errno == errno.EBADF else why.strerror
        saved = "" if database.saved == menus.saved_before else " What was saved stays."
        prompts.complain(f"Standard output could not be written: {reason}.{saved}")


def say_fault(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """Report a fault of the program itself: in one sentence here, in full in the log."""
    where = f", with {log.where()}" if log.fault(fault) else ""
    saved = "Nothing was saved." if database.saved == menus.saved_before else "What was saved before it stays."
    if database.unknown != menus.unknown_before:
        saved = "Whether something was saved is not known: look before you enter it again."
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno}" if trace else "the program"
    prompts.complain(f"This is a fault of the program ({kind.__name__} in {place}); please report it{where}. "
                     f"{saved}")


def start() -> None:
    """Run the program and exit; a fault of its own is told in a sentence."""
    sys.excepthook = say_fault
    sys.exit(main_to_the_end())


if __name__ == "__main__":
    start()
