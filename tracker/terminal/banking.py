"""The lines of the bank at the terminal: the form that imports them, and the list of those that somebody decides on."""
from __future__ import annotations

import functools
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import database
from database import Customer
from tracker import errors, fields, payments, text
from tracker.terminal import bank_files, forms, paying, prompts, screens, tables
from tracker.terminal.paging import LEAVE
from tracker.terminal.pick import CUSTOMER, look_up, say_record
from tracker.terminal.progress import Progress
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row
from tracker.transfer import bank, booking
from tracker.transfer.bank_formats import HEADERS, Format
from tracker.transfer.booking import Candidate, OpenLine, SetAside

KEYS = ("A digit books a line, Enter the one in brackets; a name or C with an ID finds another customer; s splits it, "
        "n is not to book, l leaves it for later, u undoes the last, a shows those not to book, q leaves.")
NO_BOOKING = "Booked for the wrong customer."  # why a payment was voided by u


class Decision(NamedTuple):
    """What was done with a line last, to be undone: a payment, or where there is none it was set aside."""

    bank_line_id: int
    payment_id: int | None


def import_payments() -> None:
    """Import a bank's file that is asked for, once what it would book is shown; then go on with what is open."""
    file, name, asked = _ask_file()
    if file is None:
        return
    with Progress("Checking the file") as progress:
        outcome = booking.check(file, progress)
    bank_files.say_file(file)
    bank_files.say_outcome(outcome)
    if not bank_files.is_worth(outcome):
        return
    if not confirm(bank_files.question(outcome)):
        print("Nothing booked.")
        return
    with Progress("Booking") as progress:
        done = booking.load(file, outcome, progress)
    bank_files.say_done(done)
    if asked or name:
        _remember(name, file)
    if booking.count_open().lines:
        decide()


def _ask_file() -> tuple[bank.BankFile | None, str | None, bool]:
    """Ask for a bank's file until there is one that can be read, or none is wanted; return it, the bank's name, and
    whether anything was asked about how it is written.
    """
    banks = booking.formats()
    while True:
        path = ask("File of the bank", forms.file_path)
        name = None
        if banks:
            say(f"Banks that are remembered: {', '.join(banks)}.")
            name = ask("Bank", fields.text(50), shown="none")
        try:
            file, asked = _opened(path, (name and booking.get_format(name)) or Format())
        except errors.BadFile as exc:
            prompts.refuse(str(exc))
            continue
        return file, name, asked


def _opened(path: Path, layout: Format) -> tuple[bank.BankFile | None, bool]:
    """Open a bank's file, asking what it does not tell; return whether anything was asked, too. Raise BadFile."""
    asked = False
    while True:
        try:
            return bank.open_bank_file(path, layout, database.today()), asked
        except errors.UnclearDates as exc:
            say(str(exc))
            say("; ".join(f"{i}  {reading}" for i, reading in enumerate(exc.readings.values(), 1)))
            orders = {str(i): order for i, order in enumerate(exc.readings, 1)}
            layout = layout._replace(days=ask("Which", fields.choice(orders)))
        except errors.UnclearDecimals as exc:
            say(str(exc))
            say("1 comma, 2 point")
            sign = ask("Which", fields.one_of(("comma", "point")))
            layout = layout._replace(decimal="," if sign == "comma" else ".")
        except errors.UnclearMapping as exc:
            say(str(exc))
            field, header = ask(f"Which column (such as {exc.example}; 0 to leave)", _choice) or ("", "")
            if not field:
                return None, asked
            layout = layout._replace(columns={**layout.columns, field: (header,)})
        asked = True


def _choice(answer: str) -> tuple[str, str] | None:
    """Parse field=Header, or 0 for none."""
    if answer == "0":
        return None
    field, equals, header = answer.partition("=")
    if not equals or field.strip() not in HEADERS or not header.strip():
        raise ValueError(f"Write it as amount=Header; the fields are {', '.join(HEADERS)}.")
    return field.strip(), header.strip()


def _remember(name: str | None, file: bank.BankFile) -> None:
    if not file.table:
        return
    kept = name or ask("Remember how this bank writes, as", fields.either("no", fields.text(50), None), shown="no")
    if kept:
        booking.remember_format(kept, file.layout)
        say(f"Remembered as {kept}.")


def decide() -> None:
    """Show the open lines one by one, each with who may have paid it, until all are decided on or it is left."""
    left = booking.count_open()
    if left.lines:
        say(f"{text.plural(left.lines, 'line')} of the bank to decide on, {text.show_amount(left.amount)} in all. "
            f"{KEYS}")
    else:
        print("No line of the bank is open.")
    decided: list[Decision] = []
    line = booking.next_open()
    if not line and prompts.attended() and (rows := booking.list_set_aside()):
        line = _taken_back(rows)
    if not line:
        return
    while line:
        found = booking.candidates(line)
        show_line(line, found)
        answer = _answer(line, found, decided)
        if answer in LEAVE:
            break
        if answer == "u":
            line = _undo(decided.pop())
        elif answer == "a":
            line = _taken_back(booking.list_set_aside()) or line
        elif answer == "l" or _done(line, found, answer, decided):
            line = booking.next_open((line["booked_on"], line["bank_line_id"]))
        else:
            line = booking.get_open(line["bank_line_id"])
    left = booking.count_open()
    say(f"{text.plural(left.lines, 'line')} left open, {text.show_amount(left.amount)}." if left.lines
        else "Every line is decided on.")


def show_line(line: OpenLine, found: list[Candidate]) -> None:
    """Show a line with what speaks for and against those who may have paid it."""
    part = f", {text.show_amount(line['amount_left'])} of it left" if line["amount_left"] != line["amount"] else ""
    more = f"  ({line['more']} more)" if line["more"] else ""
    print()
    say(f"{line['booked_on']}  {text.show_amount(line['amount'])}{part}  {line['payer'] or 'no name'}{more}")
    for label, value in (("Reference", line["reference"]), ("Account", line["payer_account"]), ("But", line["doubt"])):
        if value:
            for shown in tables.indented(f"{label}: {text.clean(value)}", 2):
                print(shown)
    if found:
        rows: list[Row] = [{**candidate, "number": i} for i, candidate in enumerate(found, 1)]
        print(tables.table(screens.BANK_CANDIDATES, rows))
    else:
        say("Nobody is like this; search by name, phone number or address, or C with an ID.")


def _answer(line: OpenLine, found: list[Candidate], decided: list[Decision]) -> str:
    """Ask what becomes of a line: the place of a candidate, a key, or a search."""
    keys = ("s", "n", "l", "a", *LEAVE, *(["u"] if decided else []))

    def parse(answer: str) -> str:
        if answer.casefold() in keys:
            return answer.casefold()
        if answer.casefold() == "u" and not decided:
            raise ValueError("Nothing was decided on yet.")
        if not answer or (len(answer) == 1 and answer.isascii() and not answer.isdecimal()):
            raise ValueError("Enter a number, s, n, l, u, a or q, or more of a name.")
        return _one_of(found, answer)

    sure = [str(i) for i, candidate in enumerate(found, 1) if candidate["is_sure"]]
    likely = sure or [str(i) for i, candidate in enumerate(found, 1)
                      if candidate["is_owed"] and candidate["reasons"] > 1]
    if line["doubt"] or len(likely) != 1:
        return ask("Whose", parse)
    return ask("Whose", parse, shown=likely[0], default=likely[0])


def _one_of(found: list[Candidate], answer: str) -> str:
    """Return an answer that is the place of a candidate, or a search; raise ValueError for another number."""
    if answer.isdecimal() and not 1 <= int(answer) <= len(found):
        raise ValueError(f"Enter a number from 1 to {len(found)}, or C{answer} for customer {answer}." if found
                         else f"Enter C{answer} for customer {answer}.")
    return fields.text(300)(answer)


def _done(line: OpenLine, found: list[Candidate], answer: str, decided: list[Decision]) -> bool:
    """Do what an answer says; False where that came to nothing, and the line is asked about again."""
    if answer == "n":
        booking.set_aside(line["bank_line_id"])
        print("Set aside.")
        decided.append(Decision(line["bank_line_id"], None))
        return True
    if answer == "s":
        return _split(line, found, decided)
    if answer.isdecimal():
        candidate = found[int(answer) - 1]
        customer_id, billing_id = candidate["customer_id"], candidate["billing_id"]
    else:
        customer = look_up(CUSTOMER, answer)
        if not customer or not _is_meant(answer, customer, line["amount_left"]):
            return False
        customer_id, billing_id = customer["customer_id"], None
    _book(line, customer_id, line["amount_left"], billing_id, decided)
    return True


def _is_meant(answer: str, customer: Customer, amount: Decimal) -> bool:
    """Ask about a customer whom a search has found, since a slip may find somebody; an ID is meant."""
    if answer.casefold() in (f"c{customer['customer_id']}", f"customer {customer['customer_id']}"):
        return True
    say_record(CUSTOMER, customer)
    return confirm(f"Type yes to book {text.show_amount(amount)} as theirs:")


def _split(line: OpenLine, found: list[Candidate], decided: list[Decision]) -> bool:
    """Book a line in parts, each for a customer, until nothing of it is left; False where that is left before."""
    def parse(answer: str) -> str:
        return answer.casefold() if answer.casefold() in LEAVE else _one_of(found, answer)

    left = line["amount_left"]
    while left:
        answer = ask(f"Whose part of {text.show_amount(left)} (as above; 0 back)", parse)
        if answer in LEAVE:
            return False
        if answer.isdecimal():
            customer_id = found[int(answer) - 1]["customer_id"]
        elif customer := look_up(CUSTOMER, answer):
            customer_id = say_record(CUSTOMER, customer)["customer_id"]
        else:
            continue
        owed = sum((bill["amount_due"] for bill in payments.unpaid_bills(customer_id)), Decimal(0))
        part = min(owed or left, left)
        amount = ask("Amount", forms.at_most(left, "is left of the line"), shown=f"{part:.2f}", default=part)
        _book(line, customer_id, amount, None, decided)
        left -= amount
    return True


def _book(
    line: OpenLine, customer_id: int, amount: Decimal, billing_id: int | None, decided: list[Decision]
) -> None:
    nth = booking.count_payments(line["bank_line_id"])
    payment = paying.save_once(booking.entry_key(line, nth), functools.partial(
        booking.book, line, customer_id, amount, nth, billing_id))
    decided.append(Decision(line["bank_line_id"], payment["payment_id"]))
    say(f"Recorded payment {payment['payment_id']}, {text.show_amount(amount)} on {payment['paid_on']}, "
        f"of {payment['name']}.")
    for shown in screens.payment_lines(payment):
        print(shown)


def _undo(decision: Decision) -> OpenLine:
    """Take back what was decided last, and return its line as it is then."""
    if decision.payment_id is None:
        booking.take_back(decision.bank_line_id)
        print("It is open again.")
    else:
        payments.void_payment(decision.payment_id, NO_BOOKING)
        print(f"Payment {decision.payment_id} is void.")
    return booking.get_open(decision.bank_line_id)


def _taken_back(rows: list[SetAside]) -> OpenLine | None:
    """Show the lines that were set aside, and open the one that is picked again; None where none is."""
    if not rows:
        print("No line is set aside.")
        return None
    print(tables.table(screens.BANK_SET_ASIDE, [{**row, "number": i} for i, row in enumerate(rows, 1)]))
    ids: dict[str, int | None] = {str(i): row["bank_line_id"] for i, row in enumerate(rows, 1)}
    parse = fields.choice({**ids, **dict.fromkeys(LEAVE)}, "Enter the number of a line, or nothing for none.")
    bank_line_id = ask("Open again", parse, shown="none")
    return _undo(Decision(bank_line_id, None)) if bank_line_id else None
