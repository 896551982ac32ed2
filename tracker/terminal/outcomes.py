"""What an import would do and has done, in words, and the question between the two."""
from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from tracker.terminal import prompts, tables
from tracker.terminal.progress import Progress
from tracker.terminal.prompts import confirm, say
from tracker.terminal.tables import numbers, words
from tracker.text import plural, show_amount
from tracker.transfer import importing
from tracker.transfer.balances import Opening
from tracker.transfer.changes import Change, Changes
from tracker.transfer.choices import Choices
from tracker.transfer.importing import Outcome, Terms
from tracker.transfer.rejects import rejects_path
from tracker.transfer.sorting import Source

MOST_REASONS = 10
LONGEST_NOTE = 60
# Each kind of change: what one is called, what several are, and what they do.
KINDS = {
    "price": ("price", "prices", "changes", "change"),
    "value": ("value", "values", "changes", "change"),
    "name": ("name", "names", "changes", "change"),
    "phone_number": ("phone number", "phone numbers", "changes", "change"),
    "email": ("e-mail address", "e-mail addresses", "changes", "change"),
    "address": ("address", "addresses", "changes", "change"),
    "account_number": ("account number", "account numbers", "changes", "change"),
    "note": ("note", "notes", "is new", "are new"),
    "pause": ("service", "services", "rests from today on", "rest from today on"),
    "resume": ("service", "services", "goes on from today on", "go on from today on"),
    "end": ("service", "services", "ends", "end"),
}


def check_import(source: Source, choices: Choices) -> Outcome | None:
    """Check a file and show what an import would do; None when there is nothing to do."""
    with Progress("Checking the file") as progress:
        outcome = importing.check(source, choices, progress)
    show_outcome(outcome)
    if outcome.does_something() or outcome.rejects:
        return outcome
    print("Nothing to import: all of it is there already." if any(outcome.present) else
          "Nothing to import: no customer stands below the header.")
    return None


def show_outcome(outcome: Outcome) -> None:
    """Show what is new, there and changed, what else there is to know, and why lines are rejected."""
    changed = outcome.changed
    rows = [{"what": what, "new": new, "changed": changes, "present": present}
            for what, new, changes, present in zip(outcome.new._fields, outcome.new, changed, outcome.present)]
    columns = [words("", "what"), numbers("New", "new"), numbers("Already there", "present")]
    print(tables.table([*columns, numbers("Changed", "changed")] if any(changed) else columns, rows))
    for sentence in outcome_sentences(outcome):
        say(sentence)
    for reason in itertools.islice(grouped_reasons(outcome.rejects), MOST_REASONS):
        prompts.complain(reason)
    if outcome.rejects:
        prompts.complain(f"{plural(outcome.rejected(), 'line')} rejected.")


def outcome_sentences(outcome: Outcome) -> Iterator[str]:
    """Yield what of an import the administrator should know before it is done."""
    yield from outcome.remarks
    if count := outcome.repeated:
        examples = [f"line {again.line} is line {again.earlier} again" for again in outcome.repeats]
        verb = "is" if count == 1 else "are"
        yield f"{plural(count, 'line')} {verb} repeated and counted once: {listed(examples, count)}"
    if count := outcome.alike:
        verb = "looks like one that is" if count == 1 else "look like ones that are"
        examples = [f"line {new.line} {person(new.name, new.phone_number)} like customer {new.customer_id} "
                    f"{person(new.stored_name, new.stored_number)}" for new in outcome.first_alike]
        yield f"{plural(count, 'new customer')} {verb} there: {listed(examples, count, '; ')}"
    yield from change_sentences(outcome.changes)
    yield from status_sentences(outcome.statuses)
    yield from opening_sentences(outcome.opening)


def change_sentences(changes: Changes) -> Iterator[str]:
    """Yield the changes of each kind, counted, with the first of them."""
    counts = dict(changes.counts)
    for what, (one, several, does, do) in KINDS.items():
        if what not in counts:
            continue
        count = counts[what]
        first = [change for change in changes.first if change.what == what]
        more = count - sum(change.times for change in first)
        sign, between = (":", "; ") if what in ("name", "address", "note") else (",", ", ")
        told = between.join(map(example, first))
        yield (f"{count} {one if count == 1 else several} {does if count == 1 else do}{sign} {told}"
               f"{f'{between}and {more} more' if more else ''}.")
        if what == "price" and count > 1:
            yield f"With the changed prices, {changes.difference:+.2f} a month."


def example(change: Change) -> str:
    """Say what a change makes of what, and where the file says so."""
    where = f"line {change.line}" if change.times == 1 else f"{change.times} times, first in line {change.line}"
    if change.what == "name":
        return f"{change.old} → {change.new} ({where})"
    if change.what == "note":
        return f"{tables.shortened(change.new, LONGEST_NOTE)} ({change.name}, {where})"
    if change.what in ("pause", "resume"):
        return f"{change.name} ({where})"
    if change.what == "end":
        return f"{change.name} on {change.new} ({where})"
    return f"{change.old or 'none'} → {change.new} ({change.name}, {where})"


def status_sentences(statuses: importing.Statuses) -> Iterator[str]:
    """Yield what does not arrive as active, and what is left to the administrator."""
    arrive = [plural(count, noun) + how for count, noun, how in (
        (statuses.closed, "new customer", " closed"), (statuses.paused, "new service", " paused"),
        (statuses.ended, "new service", " ended"),
    ) if count]
    if arrive:
        yield f"Not active: {', '.join(arrive)}."
    if count := statuses.paused_without:
        verb, them = ("is", "it comes") if count == 1 else ("are", "they come")
        yield (f"{plural(count, 'new customer')} {verb} paused and {'has' if count == 1 else 'have'} no services here: "
               f"pause these when {them}.")
    if count := statuses.closed_here_open:
        verb = "is" if count == 1 else "are"
        examples = [f"customer {customer_id} {name} (line {line})" for line, customer_id, name in statuses.first_open]
        yield (f"{plural(count, 'customer')} {verb} closed in the file and open here, and "
               f"{'stays' if count == 1 else 'stay'} so until you close the account: {listed(examples, count)}")


def opening_sentences(opening: Opening) -> Iterator[str]:
    """Yield what of opening balances would be billed and credited, and which differ from those that are here."""
    if opening.bills or opening.credits:
        parts = [f"{plural(count, noun)} of {show_amount(amount)}" for count, noun, amount in (
            (opening.bills, "bill", opening.owed), (opening.credits, "credit", opening.credit)) if count]
        yield f"Opening balances: {' and '.join(parts)}, {show_amount(opening.total())} in all."
    if count := opening.others:
        verb = "has" if count == 1 else "have"
        examples = [f"{other.name} {show_amount(other.here)} here, {show_amount(other.in_file)} in line {other.line}"
                    for other in opening.first_others]
        yield (f"{plural(count, 'customer')} {verb} another opening balance here, which stays: "
               f"{listed(examples, count, '; ')}")


def grouped_reasons(rejects: dict[int, str]) -> Iterator[str]:
    """Yield why lines are rejected: what is the same but for its numbers is said once, and counted."""
    groups: dict[str, list[int]] = {}
    for line, reason in rejects.items():
        groups.setdefault(re.sub(r"[0-9]+", "0", reason), []).append(line)
    for lines in groups.values():
        reason = rejects[lines[0]]
        yield (f"Line {lines[0]}: {reason}" if len(lines) == 1
               else f"{len(lines)} lines, first line {lines[0]}: {reason}")


def listed(examples: list[str], count: int, between: str = ", ") -> str:
    """Join the first examples into the end of a sentence that counts more."""
    more = f"{between}and {count - len(examples)} more" if count > len(examples) else ""
    return f"{between.join(examples)}{more}."


def person(name: str, phone_number: str | None) -> str:
    return f"{name}, {phone_number}" if phone_number else f"{name}, without a number"


def import_confirmed(
    source: Source, choices: Choices, outcome: Outcome, ask_day: Callable[[], date | None] = lambda: None
) -> bool:
    """Import what was shown once that is agreed to; where balances come with it their total is what is typed, and
    ask_day asks for their day.
    """
    if outcome.rejects:
        say(f"Rejected lines go to {rejects_path(source.path)}.")
    as_of = ask_day() if outcome.opening.to_make() else None
    if not agreed(outcome):
        print("Not imported.")
        return False
    with Progress("Importing") as progress:
        done = importing.load(source, choices, outcome, progress, Terms(as_of=as_of))
    say_imported(done)
    return True


def agreed(outcome: Outcome) -> bool:
    """Ask for yes, or for the total of the opening balances, which shows a wrong decimal sign."""
    if not outcome.opening.to_make():
        return confirm("Type yes to import:")
    total = show_amount(outcome.opening.total())
    if confirm(f"Type the total of the opening balances, {total}, to import:", total):
        return True
    prompts.complain("That is not the total.")
    return False


def say_imported(outcome: Outcome) -> None:
    """Say what was done, and what became of rejects."""
    added = ", ".join(plural(n, what if what == "equipment" else what[:-1])
                      for what, n in zip(outcome.new._fields, outcome.new))
    say(f"Imported {added}.")
    counts = dict(outcome.changes.counts)
    changed = [f"{count} {KINDS[what][count != 1]}" for what, count in counts.items()
               if KINDS[what][3] == "change"]
    if changed:
        say(f"Changed {' and '.join([', '.join(changed[:-1]), changed[-1]] if changed[1:] else changed)}.")
    stands = [f"{counts[what]} {done}" for what, done in
              (("pause", "paused"), ("resume", "resumed"), ("end", "ended")) if what in counts]
    if stands:
        say(f"Services that are here: {', '.join(stands)}.")
    if outcome.notes:
        say(f"Added {plural(outcome.notes, 'note')}.")
    if outcome.opening.to_make():
        say(f"Added {plural(outcome.opening.bills, 'opening bill')} and {plural(outcome.opening.credits, 'credit')}, "
            f"{show_amount(outcome.opening.total())} in all.")
    if outcome.statuses.closed:
        say(f"Closed {plural(outcome.statuses.closed, 'new account')}.")
    if outcome.rejects:
        say(f"{plural(outcome.rejected(), 'line')} rejected, to mend and import: {outcome.rejects_file}")
    say_settled(outcome.settled)


def say_settled(rejects: tuple[tuple[Path, int], ...]) -> None:
    """Say of which rejects files nothing is missing any more."""
    for path, lines in rejects:
        say(f"{path.name} is settled: its {'line is' if lines == 1 else f'{lines} lines are'} in.")
