"""The parts that forms of main.py share: lists and single records, deletions, payments, imports."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import database
from database import Customer, Location
from tracker import accounts, errors, fields, payments, text
from tracker.payments import Payment, UnpaidBill
from tracker.terminal import commands, prompts, screens, tables
from tracker.terminal.paging import browse
from tracker.terminal.pick import (
    CUSTOMER,
    EQUIPMENT,
    LOCATION,
    Kind,
    Record,
    among,
    ask_for,
    look_up,
    pick,
    pick_hit,
    say_record,
)
from tracker.terminal.prompts import ask, confirm, edit, say
from tracker.terminal.tables import Row
from tracker.transfer import encodings, exporting, kinds
from tracker.transfer import mapping as mappings
from tracker.transfer import source as sources

Value = TypeVar("Value")


def view(
    kind: Kind[Record],
    columns: list[tables.Column],
    list_all: Callable[[int, int], Sequence[Row]],
    show: Callable[[Record], object],
    also: str = "",
    show_also: Callable[[], object] | None = None,
) -> None:
    """Show the record that is asked for, or at Enter the list of all, from which any can be opened by its ID.

    also is a word that shows another list.
    """
    while True:
        answer = ask_for(kind, "all", instead=also)
        if show_also and answer and answer.casefold() == also:
            show_also()
            return
        if answer is None:
            browse(columns, list_all, lambda row: row[kind.key], 0, counted(kind),
                   opens=lambda row: show(kind.get(row[kind.key])), renew=lambda: (counted(kind), "", None))
            return
        if row := look_up(kind, answer):
            show(row if kind is CUSTOMER else say_record(kind, row))  # an account says itself whose it is
            return


def counted(kind: Kind[Record]) -> str:
    rows, exact = database.count(kind.table)
    return f"{rows}" if exact else f"about {rows}"


def of_whom(customer: Customer | None) -> Customer:
    """Say which customer an account's action is for; where there is none yet, ask."""
    return say_record(CUSTOMER, customer) if customer else pick(CUSTOMER)


def of_whom_open(customer: Customer | None) -> Customer:
    """Return whom something is added to, as of_whom() does; raise Conflict where the account is closed."""
    customer = of_whom(customer)
    if reason := accounts.why_closed(customer):
        raise errors.Conflict(reason)
    return customer


def location_of(customer: Customer | None) -> Location:
    """Return the location that something is added to: a customer's only one, or the one that is picked.

    Where the customer has none, the first is added. Raise Conflict where the account is closed.
    """
    if customer is None:
        location = pick(LOCATION)
        if reason := accounts.why_closed(database.get_customer(location["customer_id"])):
            raise errors.Conflict(reason)
        return location
    if reason := accounts.why_closed(customer):
        raise errors.Conflict(reason)
    rows = database.list_locations(limit=database.MOST_COUNTED, customer_id=customer["customer_id"])
    if not rows:
        say(f"{customer['name']} has no location yet; enter the first.")
        return database.get_location(add_location_to(customer))
    picked = rows[0] if len(rows) == 1 else pick_hit(LOCATION, among(rows))
    if picked is None:
        raise errors.Left
    return say_record(LOCATION, picked)


def add_location_to(customer: Customer) -> int:
    location_id, new = fill_in(LOCATION_FIELDS, database.add_location, customer["customer_id"])
    say(f"Added location {location_id}, {new['address']}, to {customer['name']}.")
    return location_id


@dataclass(frozen=True)
class Field:
    """One question of a form: its label and parser, the record's column, how that is shown, whether it may be empty.

    usual is what Enter means for a new record.
    """

    label: str
    parse: Callable[[str], Any]
    column: str
    show: Callable[[Any], str] = text.clean
    optional: bool = False
    line_break: str = " "
    usual: Any = None

    def ask(self) -> Any:
        if self.usual is not None:
            return ask(self.label, self.parse, shown=self.show(self.usual), default=self.usual)
        if self.optional:
            return ask(self.label, self.parse, shown="none")
        return ask(self.label, self.parse, line_break=self.line_break)

    def edit(self, present: Any) -> Any:
        """Ask for a new value: None when the present one stays, an empty text when it goes."""
        none = "" if self.optional else None
        return edit(self.label, self.parse, self.show(present), none=none, line_break=self.line_break)


class FirstDay(Field):
    """The question for the first day of a service: Enter means today, and always one that was always there."""

    def ask(self) -> Any:
        return ask(self.label, self.parse, shown="today", default=database.today())

    def edit(self, present: Any) -> Any:
        return edit(self.label, fields.either("always", fields.day_from(database.today()), ""), self.show(present))


def show_first_day(day: date | None) -> str:
    return text.show_day(day) or "always"


def first_day(answer: str) -> date | None:
    day: date | None = fields.either("always", fields.day_from(database.today()), None)(answer)
    return day


def due_day(answer: str) -> date:
    """Parse a due date, which may be said by today's: tomorrow, +14."""
    return fields.day_from(database.today())(answer)


# The questions of each form, under the names that the functions of database.py give the answers.
Fields = Mapping[str, Field]
CUSTOMER_FIELDS: Fields = {
    "name": Field("Name", fields.text(200), "name"),
    "phone_number": Field("Phone number", fields.phone, "phone_number", optional=True),
}
CUSTOMER_CHANGES: Fields = {
    **CUSTOMER_FIELDS,
    "email": Field("E-mail", fields.email, "email", optional=True),
    "account_number": Field("Account number", fields.account_number, "account_number", optional=True),
}
LOCATION_FIELDS: Fields = {"address": Field("Address", fields.text(300), "address", line_break=", ")}
SERVICE_FIELDS: Fields = {
    "service_name": Field("Service name", fields.text(100), "service_name"),
    "cost": Field("Monthly cost", fields.amount, "cost", text.show_amount),
}
FIRST_DAY_FIELD: Fields = {"started_on": FirstDay("From", first_day, "started_on", show_first_day)}
EQUIPMENT_FIELDS: Fields = {
    "equipment_name": Field("Equipment name", fields.text(100), "equipment_name"),
    "serial_number": Field("Serial number", fields.text(100), "serial_number", optional=True),
    "cost": Field("Cost", fields.amount, "cost", text.show_amount),
}
BILL_FIELDS: Fields = {
    "description": Field("Description", fields.text(200), "description"),
    "amount": Field("Amount", fields.positive_amount, "amount_billed", text.show_amount),
    "due_date": Field("Due date", due_day, "due_date", text.show_day),
}


def fill_in(questions: Fields, add: Callable[..., Value], *of: int, **given: str) -> tuple[Value, dict[str, Any]]:
    """Ask what is not given of a form and add it, to the record of an ID; return what add does, and the answers."""
    answers = {name: given[name] if name in given else field.ask() for name, field in questions.items()}
    while True:
        try:
            return add(*of, **answers), answers
        except errors.Conflict as exc:
            name = refused_field(exc, questions, answers)
            answers[name] = questions[name].ask()


def change(questions: Fields, seen: Row, update: Callable[..., Value], row_id: int) -> Value | None:
    """Ask for each field of a record, and write those that were changed; None when nothing is left to write."""
    given = {name: field.edit(seen[field.column]) for name, field in questions.items()}
    while True:
        try:
            return update(row_id, **given, seen=seen)
        except errors.Changed as exc:
            given = overwriting(questions, given, seen, exc.present)
            seen = exc.present
        except errors.Conflict as exc:
            name = refused_field(exc, questions, given)
            given[name] = questions[name].edit(seen[questions[name].column])
        if all(value is None for value in given.values()):
            print("Nothing saved.")
            return None


def refused_field(refusal: errors.Conflict, questions: Fields, given: dict[str, Any]) -> str:
    """Say why the database refuses what a form was given, and return which field that is about; raise it if none."""
    name = refusal.field
    if name not in questions:
        raise refusal
    holder = database.serial_holder(given[name]) if name == "serial_number" and given[name] else None
    prompts.refuse(f"That is the serial number of {EQUIPMENT.name(holder)}." if holder else str(refusal),
                   questions[name].label)
    return name


def overwriting(questions: Fields, given: dict[str, Any], seen: Row, present: Row) -> dict[str, Any]:
    """Tell what somebody else made of the fields that are given, and return what is to be written all the same."""
    def differs(name: str, value: Any) -> bool:
        now = present[questions[name].column]
        return value is not None and now != seen[questions[name].column] and (now or "") != value

    theirs = {name for name, value in given.items() if differs(name, value)}
    for name in theirs:
        field = questions[name]
        say(f"Meanwhile somebody changed {field.label} to {field.show(present[field.column]) or 'none'}.")
    if not theirs or confirm("Type yes to overwrite that:"):
        return given
    return {name: None if name in theirs else value for name, value in given.items()}


def not_before(
    first: date, parse: Callable[[str], date], refusal: str = "The last day cannot be before the first."
) -> Callable[[str], date]:
    """Make a parser of the last day of a span that begins on first."""
    def parse_last(answer: str) -> date:
        last = parse(answer)
        if last < first:
            raise ValueError(refusal)
        return last

    return parse_last


def show_fields(columns: list[tables.Column]) -> Callable[[Row], None]:
    """Make a screen of one record, a line for each of its columns."""
    def show(row: Row) -> None:
        for line in tables.field_lines(columns, row):
            print(line)

    return show


def deleted_with(contents: Row) -> str:
    """Say what goes with a deleted record, counted: with 2 locations, 1 service."""
    counted = [text.plural(count, kind if kind == "equipment" else kind[:-1])
               for kind, count in contents.items() if count]
    return f" with {', '.join(counted)}" if counted else ""


def confirm_delete(what: str, contents: Row) -> bool:
    say(f"This deletes {what}{deleted_with(contents)}.")
    if confirm("Type yes to delete:"):
        return True
    print("Not deleted.")
    return False


def mind_due_date(due_date: date) -> None:
    """Point out a due date that is likely a slip of the year or month."""
    if odd := screens.odd_due_date(due_date, database.today()):
        say(odd)


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


def at_most(most: Decimal, what: str) -> Callable[[str], Decimal]:
    """Make a parser of an amount up to what there is."""
    def parse(answer: str) -> Decimal:
        amount = fields.positive_amount(answer)
        if amount > most:
            raise ValueError(f"Only {text.show_amount(most)} {what}.")
        return amount

    return parse


def ask_source(customer_id: int, credit: Decimal) -> Payment | None:
    """Show the latest payments, and ask which of them is given back; where there is credit, Enter takes that."""
    rows = [row for row in payments.list_payments(customer_id) if not row["voided_on"]
            and (row["kind"] == "payment" or (row["kind"] == "credit note" and row["amount_left"]))]
    if rows:
        print(tables.table(screens.PAYMENTS_TO_REFUND, rows))
    if not rows and not credit:
        raise errors.Conflict("There is no credit and no payment to give back.")

    def of_customer(answer: str) -> Payment:
        try:
            payment = payments.get_payment(fields.row_id(answer))
        except errors.NotFound as exc:
            raise ValueError(str(exc)) from None
        if (payment["customer_id"], payment["kind"]) == (customer_id, "credit note"):
            raise ValueError(f"Credit note {payment['payment_id']} is given back as credit: press Enter.")
        if (payment["customer_id"], payment["kind"], payment["voided_on"]) != (customer_id, "payment", None):
            raise ValueError(f"Payment {payment['payment_id']} is none of this customer's that counts.")
        if not most_to_give_back(payment):
            raise ValueError(f"Payment {payment['payment_id']} was given back already.")
        return payment

    if credit:
        return ask("Payment ID to give back", of_customer, shown="credit")
    return ask("Payment ID to give back", of_customer)


def most_to_give_back(payment: Payment) -> Decimal:
    """Return what of a payment has not been given back yet."""
    return payment["amount"] - sum((refund["amount"] for refund in payment["refunds"]), Decimal(0))


def confirm_odd(doubts: list[payments.Doubt]) -> bool:
    """Ask again about what is likely a slip; True goes on."""
    for doubt in doubts:
        say(doubt.sentence)
    return not doubts or confirm("Type yes if that is right:")


def confirm_repeated_payment(customer_id: int, paid: Decimal, paid_on: date, reference: str | None) -> bool:
    """Show what may be the same payment, recorded earlier, and ask whether this is another; True goes on."""
    doubts = payments.repeats(customer_id, paid, paid_on, reference)
    for doubt in doubts:
        say(f"{doubt.sentence[:-1]}:")
        columns = screens.SAME_PAYMENTS if doubt.kind == "repeated" else screens.REFERRED_PAYMENTS
        print(tables.table(columns, doubt.payments))
    return not doubts or confirm("Type yes to record another one:")


def file_path(answer: str) -> Path:
    """Parse the name of a file, kept as typed; ~ is the home folder."""
    fields.text(4_000)(answer)
    try:
        return Path(answer).expanduser()
    except RuntimeError:
        raise ValueError("There is no such home folder.") from None


def ask_form() -> exporting.Form:
    """Ask which Excel an export is for; piped, nobody, so that a script goes on after it as it did before."""
    if not prompts.attended():
        return exporting.PLAIN
    forms = {"comma": exporting.EXCEL, "point": exporting.EXCEL_POINT}
    return ask("For Excel, comma (9,90) or point (9.90)", fields.choice(forms), shown="no", default=exporting.PLAIN)


def folder_path(answer: str) -> Path:
    """Parse the name of a folder that is there."""
    path = file_path(answer)
    if not path.is_dir():
        raise ValueError(f"There is no folder {path}; make it, mount its disk, or name another.")
    return path


def import_path(answer: str) -> Path:
    """Parse the name of a file that has something to read."""
    path = file_path(answer)
    if path == kinds.STANDARD_INPUT:
        raise ValueError(f"{path} is a device, not a file.")
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
    """Open a file, asking for what it does not show of how it is written."""
    encoding, sign, has_header = "", "", True
    known: Callable[[list[str]], int] | None = mappings.known_headers
    while True:
        try:
            return sources.open_source(path, encoding, sign, has_header, known)
        except errors.UnclearEncoding as exc:
            encoding = ask_encoding(exc)
        except errors.BadEncoding as exc:
            if not encoding:
                raise
            ask_again(exc)
            encoding = ""
        except errors.UnclearDelimiter as exc:
            say(str(exc))
            sign = ask("Delimiter (comma, semicolon, tab or |)", delimiter)
        except errors.NoHeader as exc:
            say(str(exc))
            has_header = not confirm("Type yes if it is one, and the columns have numbers for names:")
            known = None


def ask_encoding(unclear: errors.UnclearEncoding) -> str:
    """Show how a file's names read in the likeliest encodings, and ask which of them is right, or for another."""
    say(str(unclear))
    rows = [{"number": number, "encoding": encoding, "names": ", ".join(names)}
            for number, (encoding, names) in enumerate(unclear.candidates, 1)]
    print(tables.table([tables.numbers("", "number"), tables.codes("Encoding", "encoding"),
                        tables.words("Names would read", "names")], rows))

    def parse(answer: str) -> str:
        if answer.isdecimal() and 1 <= int(answer) <= len(unclear.candidates):
            return unclear.candidates[int(answer) - 1][0]
        try:
            return encodings.text_encoding(answer)
        except errors.BadEncoding as exc:
            raise ValueError(str(exc)) from exc

    return ask("Which reads right (its number, or another encoding)", parse)


def delimiter(answer: str) -> str:
    """Parse what separates columns, by its name or itself."""
    signs = {",": ",", "comma": ",", ";": ";", "semicolon": ";", "tab": "\t", "\\t": "\t", "|": "|"}
    if answer.casefold() not in signs:
        raise ValueError("Enter comma, semicolon, tab or |.")
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
        mapping, question = propose_mapping(source, chosen)
        change = ask(question, fields.optional(lambda answer: mappings.parse_choice(source.headers, answer)))
        if change:
            chosen.update([change])
        elif mapping:
            return mapping
        else:
            prompts.refuse("Name the column first.")


def propose_mapping(source: sources.Source, chosen: mappings.Mapping) -> tuple[mappings.Mapping | None, str]:
    """Show which column is which field, or why that is not clear; return it, and the question that follows."""
    try:
        mapping = mappings.match_headers(source.headers, chosen)
    except errors.BadFile as exc:
        prompts.complain(str(exc))
        say(f"The file's columns: {', '.join(filter(None, source.headers)) or f'1 to {len(source.headers)}'}")
        return None, which_column(exc.example if isinstance(exc, errors.UnclearMapping) else "name=First+Last")
    commands.show_mapping(source, mapping)
    return mapping, "Change (such as name=First+Last; Enter to go on)"


def which_column(example: str) -> str:
    """Return the question for the column of a field, with how to answer it; a name there must be."""
    field, _, column = example.partition("=")
    ways = [f"{field}={column or 'Header'}", *([] if field == "name" else [f"{field}= for none"])]
    return f"Which column ({'; '.join(ways)})"
