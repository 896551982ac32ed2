"""A bank's file at the terminal: how it is read, what an import of it would book, and the command that does it."""
from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import database
from tracker import errors, text
from tracker.terminal import prompts, tables
from tracker.terminal.outcomes import say_settled
from tracker.terminal.progress import Progress
from tracker.terminal.prompts import confirm, say
from tracker.terminal.tables import Row, amounts, numbers, words
from tracker.transfer import bank, booking
from tracker.transfer.bank_formats import HEADERS, Format
from tracker.transfer.booking import Outcome

NOTHING_NEW = "Nothing to book: no line of it is new."


def import_payments_command(arguments: argparse.Namespace) -> int:
    """Import a bank's file: 0 when each line is booked or was there, 1 when lines are open or could not be read."""
    known = booking.get_format(arguments.bank) if arguments.bank else None
    layout = _said(known or Format(), arguments)
    try:
        file = bank.open_bank_file(Path(arguments.file), layout, database.today())
    except errors.UnclearDates as exc:
        raise errors.BadFile(f"{exc} Give --days DMY, MDY or YMD.") from exc
    except errors.UnclearDecimals as exc:
        raise errors.BadFile(f"{exc} Give --decimal , or .") from exc
    except errors.UnclearMapping as exc:
        raise errors.BadFile(f"{exc} Say which it is: --map {shlex.quote(exc.example)}") from exc
    say_file(file)
    if arguments.yes and not arguments.dry_run:
        with Progress("Booking") as progress:
            outcome = booking.load(file, None, progress)
        say_outcome(outcome)
    else:
        with Progress("Checking the file") as progress:
            outcome = booking.check(file, progress)
        say_outcome(outcome)
        if arguments.dry_run:
            print("A dry run: nothing was written.")
        elif not is_worth(outcome) or not confirm(question(outcome)):
            return 1 if outcome.rejects else 0
        else:
            with Progress("Booking") as progress:
                outcome = booking.load(file, outcome, progress)
    if not arguments.dry_run:
        say_done(outcome)
        say_open()
        if arguments.bank and file.table:
            booking.remember_format(arguments.bank, file.layout)
    return 1 if outcome.rejects or outcome.open.lines else 0


def _said(layout: Format, arguments: argparse.Namespace) -> Format:
    """Return a format with what the command line says of it."""
    columns = dict(layout.columns)
    for choice in arguments.map:
        field, equals, header = choice.partition("=")
        if not equals or field.strip() not in HEADERS:
            raise errors.BadFile(f"Write it as amount=Header; the fields are {', '.join(HEADERS)}.")
        columns[field.strip()] = tuple(filter(None, map(str.strip, header.split("+"))))
    return layout._replace(columns=columns, days=arguments.days or layout.days,
                           decimal=arguments.decimal or layout.decimal)


def say_file(file: bank.BankFile) -> None:
    """Say how a bank's file is read, so that a slip is seen before it is booked."""
    if not file.table:
        say(f"The file is {file.kind}.")
        return
    where = f"The header is on line {file.header_line}; " if file.header_line > 1 else ""
    columns = ", ".join(f"{field}={'+'.join(headers)}" for field, headers in file.layout.columns.items())
    say(f"{where}{'c' if where else 'C'}olumns: {columns}.")
    if file.guessed:
        say(f"Its encoding is a guess: as {file.layout.encoding} it has {', '.join(file.guessed)}. Where that reads "
            "wrong, save it as UTF-8.")


def outcome_rows(outcome: Outcome) -> list[Row]:
    """Return what an import of a bank's file comes to, a row for each thing that becomes of lines."""
    return [
        {"what": what, "lines": total.lines, "amount": total.amount}
        for what, total in (("Certain", outcome.booked), ("To decide on", outcome.open),
                            ("There already", outcome.known), ("Money that went out", outcome.debits))
        if total.lines or what == "Certain"
    ]


def say_outcome(outcome: Outcome) -> None:
    if outcome.first_day:
        say(f"Bookings of {outcome.first_day} to {outcome.last_day}:")
    print(tables.table([words("", "what"), numbers("Lines", "lines"), amounts("Amount", "amount")],
                       outcome_rows(outcome)))
    for line in outcome.returned[:booking.MOST_TOLD]:
        say(f"Went back on {line.booked_on}: {text.show_amount(-line.amount)}, {line.payer or 'no name'}, "
            f"{line.reference or 'no reference'}; void that payment if it is recorded.")
    if (more := len(outcome.returned) - booking.MOST_TOLD) > 0:
        say(f"And {text.plural(more, 'more payment')} went back.")
    for place, reason in list(outcome.left_out.items())[:booking.MOST_TOLD]:
        say(f"Line {place} is left out: {reason}")
    if (more := len(outcome.left_out) - booking.MOST_TOLD) > 0:
        say(f"And {text.plural(more, 'more line')} left out.")
    for place, reason in list(outcome.rejects.items())[:booking.MOST_TOLD]:
        prompts.complain(f"Line {place}: {reason}")
    if outcome.rejects:
        prompts.complain(f"{text.plural(len(outcome.rejects), 'line')} could not be read.")


def is_worth(outcome: Outcome) -> bool:
    if outcome.booked.lines or outcome.open.lines:
        return True
    print(NOTHING_NEW)
    return False


def question(outcome: Outcome) -> str:
    booked = f"book {text.plural(outcome.booked.lines, 'payment')}, {text.show_amount(outcome.booked.amount)}"
    kept = f"keep {text.plural(outcome.open.lines, 'line')} to decide on"
    doing = [*([booked] if outcome.booked.lines else []), *([kept] if outcome.open.lines else [])]
    return f"Type yes to {', and '.join(doing)}:"


def say_done(outcome: Outcome) -> None:
    if outcome.booked.lines:
        say(f"Booked {text.plural(outcome.booked.lines, 'payment')}, {text.show_amount(outcome.booked.amount)}.")
    elif outcome.open.lines:
        say(f"Booked nothing; kept {text.plural(outcome.open.lines, 'line')} to decide on.")
    else:
        say(NOTHING_NEW)
    if outcome.rejects_file:
        say(f"{text.plural(len(outcome.rejects), 'line')} to mend and import: {outcome.rejects_file}")
    say_settled(outcome.settled)


def say_open() -> None:
    """Say what of all files is not decided on yet, and where that is done."""
    if (left := booking.count_open()).lines:
        say(f"{text.plural(left.lines, 'line')} of the bank to decide on, {text.show_amount(left.amount)}: "
            "Billing, Bank lines to decide on.")
