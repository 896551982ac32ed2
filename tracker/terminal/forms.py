"""The parts that forms of main.py share: lists and single records, deletions, payments, imports."""
from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import database
from tracker import errors, fields, payments, reports, text
from tracker.payments import Payment, UnpaidBill
from tracker.terminal import commands, prompts, screens, tables
from tracker.terminal.paging import browse
from tracker.terminal.pick import Kind, Record, look_up
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row
from tracker.transfer import mapping as mappings
from tracker.transfer import source as sources

if TYPE_CHECKING:
    from uuid import UUID

LOOK_UP_SECONDS = 60


def view(
    kind: Kind[Record],
    columns: list[tables.Column],
    list_all: Callable[[int, int], Sequence[Row]],
    show: Callable[[Record], None],
) -> None:
    """Show the record that is asked for, or at Enter the list of all."""
    while True:
        answer = ask(f"{kind.noun.capitalize()} (ID or search)", fields.text(300), shown="all")
        if answer is None:
            rows, exact = database.count(kind.table)
            total = f"{rows}" if exact else f"about {rows}"
            browse(columns, list_all, lambda row: row[kind.key], 0, total)
            return
        if row := look_up(kind, answer):
            show(row)
            return


def show_fields(columns: list[tables.Column]) -> Callable[[Row], None]:
    """Make a screen of one record, a line for each of its columns."""
    def show(row: Row) -> None:
        for line in tables.field_lines(columns, row):
            print(line)

    return show


def deleted_with(contents: Row) -> str:
    """Say what goes with a deleted record, counted: with 2 locations, 1 bill over 49.90."""
    sums = {"bills": f" over {text.show_amount(contents.get('billed'))}",
            "payments": f" of {text.show_amount(contents.get('paid'))}"}
    counted = [
        text.plural(count, kind if kind == "equipment" else kind[:-1]) + sums.get(kind, "")
        for kind, count in contents.items() if count and kind not in ("billed", "paid")
    ]
    return f" with {', '.join(counted)}" if counted else ""


def confirm_delete(what: str, contents: Row, wanted: str = "yes") -> bool:
    say(f"This deletes {what}{deleted_with(contents)}.")
    question = ("Type yes to delete:" if wanted == "yes"
                else "Type the customer's name to delete, money records and all:")
    if confirm(question, wanted):
        return True
    print("Not deleted.")
    return False


def show_what_is_owed(customer_id: int) -> list[UnpaidBill]:
    """Show a customer's unpaid bills and credit, and return the bills."""
    bills = payments.unpaid_bills(customer_id)
    print(tables.table(screens.UNPAID_BILLS, bills) if bills else "No unpaid bills.")
    say(f"To pay {text.show_amount(sum(bill['amount_due'] for bill in bills))}, "
        f"credit {text.show_amount(payments.credit(customer_id))}.")
    return bills


def ask_aim(bills: list[UnpaidBill]) -> int | None:
    """Ask which bill a payment is meant for; Enter pays the one due first, then the next."""
    ids = {str(bill["billing_id"]): bill["billing_id"] for bill in bills}
    return ask("Bill ID", fields.choice(ids), shown="oldest due first")


def confirm_odd_payment(customer_id: int, bills: list[UnpaidBill], paid: Decimal, paid_on: date, today: date) -> bool:
    """Ask again about what is likely a slip: ten times what is owed, or a day more than a year ago; True goes on."""
    owed = sum((bill["amount_due"] for bill in bills), Decimal(0))
    usual = max(owed, reports.get_account(customer_id)["monthly_total"])
    if usual and paid >= 10 * usual:
        say(f"{text.show_amount(paid)} is ten times what is owed or more; what is left will be credit.")
    elif (today - paid_on).days > 366:
        print(f"{paid_on} is more than a year ago.")
    else:
        return True
    return confirm("Type yes if that is right:")


def confirm_repeated_payment(customer_id: int, paid: Decimal, paid_on: date) -> bool:
    """Show earlier payments of the same customer, amount and day and ask whether this is another; True goes on."""
    earlier = payments.same_payments(customer_id, paid, paid_on)
    if not earlier:
        return True
    say("A payment of this amount on this day is recorded already:")
    print(tables.table(screens.SAME_PAYMENTS, earlier))
    return confirm("Type yes to record another one:")


def save_payment(
    customer_id: int,
    amount: Decimal,
    paid_on: date,
    method: str,
    reference: str | None,
    entry_key: UUID,
    billing_id: int | None = None,
) -> Payment:
    """Record a payment; when the reply is lost, look it up by its entry key, which can never pay twice."""
    save = functools.partial(
        payments.record_payment, customer_id, amount, paid_on, method, reference, entry_key, billing_id
    )
    try:
        return save()
    except errors.OutcomeUnknown:
        say("The connection was lost while saving and the outcome is unknown; looking it up.")
    if payment := look_up_saved_payment(entry_key):
        print("It had been saved.")
        return payment
    print("It had not been saved; saving it now.")
    return save()


def look_up_saved_payment(entry_key: UUID) -> Payment | None:
    """Look a payment up by its entry key, until there is an answer; after LOOK_UP_SECONDS the last try begins."""
    patient_until = time.monotonic() + LOOK_UP_SECONDS
    while True:
        try:
            return payments.find_by_entry_key(entry_key)
        except errors.Error:  # whatever kept this from being answered, the payment may have been saved
            if time.monotonic() > patient_until:
                break
            time.sleep(1)
    raise errors.Unavailable("The server is away, and whether this payment was saved is unknown: "
                             "look at View payments before you enter it again.")


def file_path(answer: str) -> Path:
    """Parse the name of a file, kept as typed; ~ is the home folder."""
    fields.text(4_000)(answer)
    try:
        return Path(answer).expanduser()
    except RuntimeError:
        raise ValueError("There is no such home folder.") from None


def import_path(answer: str) -> Path:
    """Parse the name of a file that has something to read."""
    path = file_path(answer)
    try:
        sources.check_readable(path)
    except errors.BadFile as exc:
        raise ValueError(str(exc)) from exc
    return path


def ask_import_file() -> sources.Source:
    """Ask for a file and how it is written, until it can be read."""
    while True:
        path = ask("CSV file", import_path)
        try:
            return open_import_file(path)
        except errors.BadFile as exc:
            ask_again(exc)


def open_import_file(path: Path) -> sources.Source:
    while True:
        encoding = ask("Encoding", fields.text(40), shown="utf-8", default="utf-8")
        try:
            source = _opened(path, encoding)
            sources.check_encoding(source)
        except errors.BadEncoding as exc:
            ask_again(exc)
        else:
            return source


def _opened(path: Path, encoding: str) -> sources.Source:
    try:
        return sources.open_source(path, encoding)
    except errors.UnclearDelimiter as exc:
        say(str(exc))
        return sources.open_source(path, encoding, ask("Delimiter (comma, semicolon or tab)", delimiter))


def delimiter(answer: str) -> str:
    """Parse what separates columns, by its name or itself."""
    signs = {",": ",", "comma": ",", ";": ";", "semicolon": ";", "tab": "\t", "\\t": "\t"}
    if answer.casefold() not in signs:
        raise ValueError("Enter comma, semicolon or tab.")
    return signs[answer.casefold()]


def ask_again(refusal: errors.Error) -> None:
    """Say why an answer was of no use; off a terminal nobody can mend it, and it ends the form."""
    if not prompts.on_terminal():
        raise refusal
    prompts.complain(str(refusal))


def choose_mapping(source: sources.Source) -> mappings.Mapping:
    """Show which column is which field until the administrator is content."""
    chosen: mappings.Mapping = {}
    while True:
        mapping = propose_mapping(source, chosen)
        change = ask("Change (such as name=First+Last; Enter to go on)",
                     fields.optional(lambda answer: mappings.parse_choice(source.headers, answer)))
        if change:
            chosen.update([change])
        elif mapping:
            return mapping


def propose_mapping(source: sources.Source, chosen: mappings.Mapping) -> mappings.Mapping | None:
    try:
        mapping = mappings.match_headers(source.headers, chosen)
    except errors.BadFile as exc:
        example = exc.example if isinstance(exc, errors.UnclearMapping) else ""
        prompts.complain(f"{exc} Say which has it, or that none has: {example}" if example else str(exc))
        say(f"The file's columns: {', '.join(source.headers)}")
        return None
    commands.show_mapping(source, mapping)
    return mapping
