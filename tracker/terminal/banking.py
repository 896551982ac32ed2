"""The bank's file at the terminal: what an import of it would book, and the list of lines that somebody decides on."""
from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple
from tracker import errors, fields, payments, text
from tracker.terminal import forms, menus, prompts, screens, tables
from tracker.terminal.pick import CUSTOMER, look_up, pick
from tracker.terminal.progress import Progress
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row, amounts, numbers, words
from tracker.transfer import booking
from tracker.transfer.booking import Candidate, OpenLine, Outcome

KEYS = ("Enter or a digit books a line; a name or C with an ID finds another customer; s splits it, n is not to book, "
        "l leaves it for later, u undoes the last, q leaves.")
NO_BOOKING = "Booked for the wrong customer."  # why a payment was voided by u


class Decision(NamedTuple):
    """What was done with a line last, to be undone: a payment, or where there is none it was set aside."""

    bank_line_id: int
    payment_id: int | None


def outcome_lines(outcome: Outcome) -> Iterator[str]:
    """Yield what an import of a bank's file would do, or did, as a table and sentences."""
    rows: list[Row] = [
        {"what": what, "lines": total.lines, "amount": total.amount}
        for what, total in (("To book", outcome.booked), ("To decide on", outcome.open),
                            ("There already", outcome.known), ("Money that went out", outcome.debits))
        if total.lines or what == "To book"
    ]
    yield tables.table([words("", "what"), numbers("Lines", "lines"), amounts("Amount", "amount")], rows)
    for line in outcome.returned[:booking.MOST_TOLD]:
        yield (f"Went back: {text.show_amount(-line.amount)} of {line.booked_on}, {line.payer or 'no name'}, "
               f"{line.reference or 'no reference'}; void that payment if it is recorded.")
    if (more := len(outcome.returned) - booking.MOST_TOLD) > 0:
        yield f"And {text.plural(more, 'other')} went back."


def say_outcome(outcome: Outcome) -> None:
    for line in outcome_lines(outcome):
        print(line) if "\n" in line else say(line)
    for number, reason in list(outcome.rejects.items())[:booking.MOST_TOLD]:
        prompts.complain(f"Line {number}: {reason}")
    if outcome.rejects:
        prompts.complain(f"{text.plural(len(outcome.rejects), 'line')} could not be read.")


@menus.changes
def decide() -> None:
    """Show the open lines one by one, each with who may have paid it, until all are decided on or it is left."""
    left = booking.count_open()
    if not left.lines:
        print("No line of the bank is open.")
        return
    say(f"{text.plural(left.lines, 'line')} of the bank to decide on, {text.show_amount(left.amount)} in all. {KEYS}")
    decided: list[Decision] = []
    line = booking.next_open()
    while line:
        found = booking.candidates(line)
        show_line(line, found)
        answer = _answer(line, found, decided)
        if answer == "q":
            break
        if answer == "u":
            line = _undo(decided.pop())
        elif answer == "l" or _done(line, found, answer, decided):
            line = booking.next_open((line["booked_on"], line["bank_line_id"]))
    left = booking.count_open()
    say(f"{text.plural(left.lines, 'line')} left open, {text.show_amount(left.amount)}." if left.lines
        else "Every line is decided on.")


def show_line(line: OpenLine, found: list[Candidate]) -> None:
    """Show a line with what speaks for and against those who may have paid it."""
    part = f", {text.show_amount(line['amount_left'])} of it left" if line["amount_left"] != line["amount"] else ""
    print()
    say(f"{line['booked_on']}  {text.show_amount(line['amount'])}{part}  {line['payer'] or 'no name'}")
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
    keys = ("s", "n", "l", "q", *(["u"] if decided else []))

    def parse(answer: str) -> str:
        if answer.isdecimal() and not 1 <= int(answer) <= len(found):
            raise ValueError(f"Enter a number from 1 to {len(found)}, or C{answer} for customer {answer}." if found
                             else f"Enter C{answer} for customer {answer}.")
        if answer.casefold() == "u" and not decided:
            raise ValueError("Nothing was decided on yet.")
        return answer.casefold() if answer.casefold() in keys else fields.text(300)(answer)

    likely = [i for i, candidate in enumerate(found, 1) if candidate["is_sure"]] or [1]
    is_plain = len(found) > 0 and len(likely) == 1 and not line["doubt"] and (
        found[likely[0] - 1]["is_sure"] or (len(found) == 1 and found[0]["amount_due"] == line["amount_left"]))
    if is_plain:
        return ask("Whose", parse, shown=str(likely[0]), default=str(likely[0]))
    return ask("Whose", parse)


def _done(line: OpenLine, found: list[Candidate], answer: str, decided: list[Decision]) -> bool:
    """Do what an answer says; False where that came to nothing, and the line is asked about again."""
    if answer == "n":
        booking.set_aside(line["bank_line_id"])
        print("Set aside.")
        decided.append(Decision(line["bank_line_id"], None))
        return True
    if answer == "s":
        return _split(line, decided)
    if answer.isdecimal():
        candidate = found[int(answer) - 1]
        customer_id, billing_id = candidate["customer_id"], candidate["billing_id"]
    else:
        customer = look_up(CUSTOMER, answer)
        if not customer:
            return False
        customer_id, billing_id = customer["customer_id"], None
    _book(line, customer_id, line["amount_left"], billing_id, decided)
    return True


def _split(line: OpenLine, decided: list[Decision]) -> bool:
    """Book a line in parts, each for a customer, until nothing of it is left."""
    left = line["amount_left"]
    while left:
        say(f"{text.show_amount(left)} left.")
        customer = pick(CUSTOMER)
        amount = ask("Amount", forms.at_most(left, "is left of the line"), shown=f"{left:.2f}", default=left)
        _book(line, customer["customer_id"], amount, None, decided)
        left -= amount
    return True


def _book(
    line: OpenLine, customer_id: int, amount: Decimal, billing_id: int | None, decided: list[Decision]
) -> None:
    nth = booking.count_payments(line["bank_line_id"])
    payment = forms.save_once(booking.entry_key(line, nth), functools.partial(
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
