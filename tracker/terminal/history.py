"""The trail in words: the history of a record or account, all changes, and what of them is undone."""
from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import database
from tracker import errors, fields, trail, wording
from tracker.terminal import menus, prompts, tables
from tracker.terminal.paging import browse
from tracker.terminal.pick import Kind, pick
from tracker.terminal.progress import during
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row, codes, numbers, words
from tracker.text import clean, show_amount
from tracker.trail import Change, Deletion, StatementChange, Wanted
from tracker.wording import (
    AMOUNTS,
    in_order,
    label,
    money,
    noun,
    of_what,
    program,
    record_name,
    shown,
    what_was_done,
)

LINES = [numbers("#", "number"), words("Change", "line")]
DELETIONS = [
    numbers("#", "number"), codes("When", "when"), words("Who", "person"), words("Deleted", "what"),
    words("With", "along"),
]
LOOKED_THROUGH = 100  # deletions, for those that are not back
MOST_OBSTACLES = 10
CHANGE_KEYS = [
    "trail_id", "changed_at", "login", "person", "program", "transaction_id", "reason", "table_name", "kind", "ids",
    "row_count", "old", "new",
]


def who(change: Mapping[str, Any]) -> str:
    return f"{change['changed_at']:%Y-%m-%d %H:%M} {change['person']}{program(change)}"


def change_line(change: Mapping[str, Any], name: str) -> str:
    """Return a change as one line; name is the record's, empty where all lines are of that one."""
    return clean(f"{who(change)}: {what_was_done(change, name)}")


def show_history(kind: Kind[Any]) -> None:
    """Ask for a record and show its changes."""
    row = pick(kind)
    record_id = row[kind.key]
    browse_history(
        functools.partial(trail.history_of, kind.table, record_id),
        functools.partial(trail.count_history_of, kind.table, record_id), lambda change: "",
    )


def show_history_of_customer(customer: database.Customer) -> None:
    """Show the changes of an account, and of what was there and is gone."""
    customer_id = customer["customer_id"]

    def name(change: Change) -> str:
        own = change["table_name"] == "customers" and change["kind"] == "changed"
        return "" if own else record_name(change["table_name"], change["record_id"], change["record"])

    browse_history(
        functools.partial(trail.history_of_customer, customer_id),
        functools.partial(trail.count_history_of_customer, customer_id), name,
    )


def browse_history(
    fetch: Callable[[Any, int], Sequence[Change]], count: Callable[[], int], name: Callable[[Change], str]
) -> None:
    """Show changes a page at a time; one whose number is typed is shown in full, and undone where it can be."""
    def page(after: tuple[tuple[int, str, int] | None, int], limit: int) -> list[Row]:
        key, number = after
        return [{"number": i, "line": change_line(change, name(change)), "change": change}
                for i, change in enumerate(fetch(key, limit), number + 1)]

    def key(row: Row) -> tuple[tuple[int, str, int], int]:
        change = row["change"]
        return (change["trail_id"], change["table_name"], change["record_id"]), row["number"]

    if not (counted := count()):
        print("Nothing of it was changed since the trail began.")
        return
    browse(LINES, page, key, (None, 0), str(counted), opens=lambda row: open_change(row["change"]),
           renew=lambda: (str(count()), "", None))


def open_change(change: Change) -> bool:
    """Show a change in full, and undo it if that is wanted and nobody has changed it since; True when it was undone."""
    name = record_name(change["table_name"], change["record_id"], change["record"])
    for line in change_lines(change, name):
        say(line)
    if not menus.may_run(undo_deletion):
        return False
    if change["kind"] == "deleted":
        print("Administration, Undo a deletion, brings back the last twenty that are not back.")
    if not trail.can_undo(change):
        return False
    if later := changed_since(change):
        say(f"Changed again since then: {later}; so it is not undone here.")
        return False
    if not confirm("Type yes to undo this change:"):
        return False
    try:
        trail.undo(change)
    except errors.Conflict as exc:
        prompts.refuse(str(exc))
        return False
    say(f"Undone: {name} is as it was before, in this.")
    return True


def changed_since(change: Change) -> str:
    """Return which fields of a change have other values by now."""
    present, new = change["record"] or {}, change["new"] or {}
    return ", ".join(label(change["table_name"], column) for column in in_order(new)
                     if present.get(column) != new[column])


def change_lines(change: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield a change of a record, or of several, in full: who, by what, what for, and each field."""
    table = change["table_name"]
    old, new = (change["old"] or {}, change["new"] or {}) if change["kind"] == "changed" else ({}, {})
    yield f"{change['kind'].capitalize()} {name}, {change['changed_at']:%Y-%m-%d %H:%M:%S}"
    login = "" if change["person"] == change["login"] else f", with the login {change['login']}"
    yield f"By {change['person']}{login}{program(change)}"
    if change["reason"]:
        yield f"For {change['reason']}"
    if change["kind"] != "changed" and change["record"]:
        yield from record_lines(table, change["record"], change["changed_at"].tzinfo)
    for column in in_order(old):
        was, is_now = (shown(column, values.get(column), change["changed_at"].tzinfo) for values in (old, new))
        yield f"  {label(table, column)}: {was} → {is_now}"


def record_lines(table: str, record: Row, zone: tzinfo | None) -> Iterator[str]:
    """Yield the fields of a record, without what follows from others."""
    for column in in_order(record):
        if not wording.is_derived(column):
            yield f"  {label(table, column)}: {shown(column, record[column], zone)}"


def statement_name(change: StatementChange) -> str:
    return wording.statement_name(change, lambda ids: tables.shortened(ids, 40))


def open_statement(change: StatementChange) -> bool:
    """Show in full what one statement did; of several deleted records, the first."""
    for line in change_lines(change, statement_name(change)):
        say(line)
    if change["kind"] == "deleted" and change["row_count"] > 1:
        print("The first of them:")
        for line in record_lines(change["table_name"], change["old"][0], change["changed_at"].tzinfo):
            say(line)
    return False


def ask_wanted() -> Wanted:
    """Ask which changes are meant: by day, person and kind."""
    today = database.today()
    first = ask("From", fields.past_day(today), shown="today", default=today)
    last = ask("To", fields.past_day(today), shown="today", default=today)
    person = ask("Person", fields.text(100), shown="all")
    kind = ask("Kind (added, changed, deleted)", fields.one_of(trail.KINDS), shown="all")
    return Wanted(first, last, person, kind)


def changes_menu() -> None:
    show_changes(ask_wanted())


@database.reporting()
def show_changes(wanted: Wanted) -> None:
    """Show all changes but for details, newest first, a page at a time on a terminal."""
    wanted = wanted._replace(details=False)
    counted = during("Counting changes", lambda: trail.count_changes(wanted))
    browse(
        [codes("ID", "trail_id"), words("Change", "line")],
        lambda before, limit: [with_line(change) for change in trail.changes(wanted, before, limit)],
        lambda row: row["trail_id"], 0, str(counted),
        opens=lambda row: open_statement(row["change"]),
    )


def with_line(change: StatementChange) -> Row:
    return {"trail_id": change["trail_id"], "line": change_line(change, statement_name(change)), "change": change}


def exported(changes: Iterable[StatementChange]) -> Iterator[Row]:
    """Yield changes as rows for JSON: amounts with two decimals, times to the microsecond."""
    for change in changes:
        exact = {"changed_at": change["changed_at"].isoformat(), "old": _exact(change["old"]),
                 "new": _exact(change["new"])}
        row: Row = {**change, **exact}
        yield {key: row[key] for key in CHANGE_KEYS}


def _exact(values: Any) -> Any:
    if isinstance(values, list):
        return list(map(_exact, values))
    return values and {column: show_amount(money(value)) if column in AMOUNTS and value is not None else value
                       for column, value in values.items()}


def as_texts(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield exported changes as rows for CSV, with their values as JSON texts."""
    for row in rows:
        texts = {side: row[side] and json.dumps(row[side], ensure_ascii=False) for side in ("old", "new")}
        yield {**row, **texts}


@menus.changes
def undo_deletion() -> None:
    """Show the last deletions that are not undone, and bring back the one that is picked."""
    def page(after: int, limit: int) -> list[Row]:
        lost = [deletion for deletion in trail.deletions(LOOKED_THROUGH) if not deletion["is_back"]]
        rows = [deletion_row(number, deletion) for number, deletion in enumerate(lost[:trail.MOST_DELETIONS], 1)]
        return rows[after:after + limit]

    def count() -> int:
        return len(page(0, trail.MOST_DELETIONS))

    shown_rows = page(0, trail.MOST_DELETIONS)
    if not shown_rows:
        print("There is no deletion to undo.")
        return
    browse(DELETIONS, page, lambda row: row["number"], 0, str(len(shown_rows)),
           opens=lambda row: bring_back(row["deletion"]), renew=lambda: (str(count()), "", None))
    if not prompts.on_terminal():
        by_number = {str(row["number"]): row for row in shown_rows}
        bring_back(ask("Deletion (its number)", fields.choice(by_number))["deletion"])


def deleted_name(deletion: Deletion) -> str:
    """Return what a deletion was of, as its form named it, or how many and what for where it was of several."""
    table, record = deletion["table_name"], deletion["record"]
    if (count := deletion["counts"][table]) > 1:
        return f"{noun(table, count)}{f' ({reason})' if (reason := deletion['reason']) else ''}"
    return f"{record_name(table, record[trail.KEYS[table]], record)}{of_what(table, record)}"


def gone_along(deletion: Deletion) -> str:
    """Say what a deletion took with it, counted, but for details."""
    return ", ".join(noun(table, count) if count > 1 else f"1 {noun(table)}"
                     for table, count in deletion["counts"].items()
                     if table not in (deletion["table_name"], *trail.DETAILS))


def deletion_row(number: int, deletion: Deletion) -> Row:
    return {
        "number": number, "when": f"{deletion['changed_at']:%Y-%m-%d %H:%M}", "person": deletion["person"],
        "what": deleted_name(deletion), "along": gone_along(deletion), "deletion": deletion,
    }


def bring_back(deletion: Deletion) -> bool:
    """Say what stands in the way of undoing a deletion; undo it if that is little and wanted, and return whether."""
    what = deleted_name(deletion)
    found = trail.obstacles(deletion)
    for obstacle in found[:MOST_OBSTACLES]:
        say(OBSTACLES[obstacle.kind](obstacle))
    if len(found) > MOST_OBSTACLES:
        print(f"And {len(found) - MOST_OBSTACLES} more like these.")
    if any(obstacle.kind not in TAKEN_NUMBERS for obstacle in found):
        prompts.refuse("Nothing was brought back.")
        return False
    along = gone_along(deletion)
    say(f"This brings back {what}{f', with {along}' if along else ''}"
        f"{', without the numbers that others have by now' if found else ''}.")
    if deletion["table_name"] == "billing" and "payment_allocations" in deletion["counts"]:
        say("Of what was paid on it, what has paid other bills since stays there.")
    if not confirm("Type yes to bring it back:"):
        print("Nothing was brought back.")
        return False
    during("Bringing back", lambda: trail.restore(deletion, without_taken_numbers=bool(found)))
    say(f"Brought back {what}.")
    return True


def _serial(obstacle: trail.Obstacle) -> str:
    return f"Serial number {obstacle.what} is now that of {wording.device(obstacle.holder or {})}."


TAKEN_NUMBERS = ("serial", "account number")  # without which a record comes back
OBSTACLES: dict[str, Callable[[trail.Obstacle], str]] = {
    "customer": lambda it: f"Customer {it.record_id} is gone; bring that back first.",
    "location": lambda it: f"Location {it.record_id} is gone; bring that back first.",
    "bill": lambda it: f"Bill {it.record_id} is gone; bring that back first.",
    "address": lambda it: f"The customer has another location {it.record_id} with the address {it.what} by now.",
    "month": lambda it: f"The customer has another bill for that month by now, bill {it.record_id}, {it.what}.",
    "serial": _serial,
    "account number": lambda it: f"Customer {it.record_id} has account number {it.what} by now.",
}
