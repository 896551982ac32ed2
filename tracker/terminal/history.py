"""The trail in words: the history of a record or account, all changes, and what of them is undone."""
from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

import database
from tracker import errors, fields, trail
from tracker.terminal import menus, prompts, tables
from tracker.terminal.paging import browse
from tracker.terminal.pick import Kind, pick
from tracker.terminal.progress import during
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row, codes, numbers, words
from tracker.text import clean, plural, show_amount
from tracker.trail import Change, Deletion, StatementChange, Wanted

OURS = "isp-customer-tracker"
NOUNS = {
    "customers": "customer", "locations": "location", "services": "service", "equipment": "equipment",
    "billing": "bill", "billing_items": "bill line", "payments": "payment", "payment_allocations": "allocation",
    "trail": "row of the trail",
}
# What tells a record from others of its table.
NAMES = {
    "customers": "name", "locations": "address", "services": "service_name", "equipment": "equipment_name",
    "billing": "description",
}
LABELS = {
    "service_name": "name", "equipment_name": "name", "amount_billed": "amount", "services.cost": "monthly cost",
    "equipment.cost": "worth",
}
AMOUNTS = ("cost", "amount", "amount_billed", "amount_paid", "amount_allocated", "amount_left", "amount_due")
COLUMNS = ("name", "phone_number", "address", "service_name", "equipment_name", "serial_number", "cost", "description",
           "amount_billed", "due_date")  # as forms ask for them; the trail has no order
FOLLOWS = ("serial_repeat", "voided_on", "void_reason")  # from a change that the line tells
LINES = [numbers("#", "number"), words("Change", "line")]
DELETIONS = [
    numbers("#", "number"), codes("When", "when"), words("Who", "person"), words("Deleted", "what"),
    words("With", "along"),
]
LOOKED_THROUGH = 100  # deletions, for those that are not back
CHANGE_KEYS = [
    "trail_id", "changed_at", "login", "person", "program", "transaction_id", "reason", "table_name", "kind", "ids",
    "row_count", "old", "new",
]


def noun(table: str, count: int = 1) -> str:
    """Return what a table's records are called, counted when there are several."""
    name = NOUNS.get(table, table)
    if count == 1:
        return name
    return f"{count} equipment" if table == "equipment" else plural(count, name)


def record_name(table: str, record_id: object, record: Row | None) -> str:
    """Return a record as sentences name it: service 12, Fibre 100."""
    if record and table == "payments":
        return f"payment {record_id}, {show_amount(_money(record['amount']))} on {record['paid_on']}"
    name = record and record.get(NAMES.get(table, ""))
    return f"{noun(table)} {record_id}, {name}" if name else f"{noun(table)} {record_id}"


def _money(value: Any) -> Decimal:
    return Decimal(value)


def shown(column: str, value: Any, zone: tzinfo | None) -> str:
    """Return a value of the trail as screens show it, moments in a zone."""
    if value is None:
        return "none"
    if column.endswith("_at"):
        return show_moment(str(value), zone)
    return show_amount(_money(value)) if column in AMOUNTS else str(value)


def show_moment(written: str, zone: tzinfo | None) -> str:
    """Return a moment, which the trail has in the zone of whoever wrote it."""
    whole = re.sub(r"\.([0-9]+)", lambda found: f".{found[1]:0<6}", written)  # Python 3.9 reads no fewer digits
    return f"{datetime.fromisoformat(whole).astimezone(zone):%Y-%m-%d %H:%M}"


def differences(table: str, old: Row, new: Row, zone: tzinfo | None) -> str:
    """Say which fields were changed: phone number 0201 555001 → 0201 555002."""
    if "voided_at" in old or "voided_at" in new:
        return f"voided: {new['void_reason']}" if new.get("voided_at") else "void taken back"
    return "; ".join(
        f"{label(table, column)} {shown(column, old.get(column), zone)} → {shown(column, new.get(column), zone)}"
        for column in in_order(old) if column not in FOLLOWS or len(old) == 1
    )


def label(table: str, column: str) -> str:
    """Return what forms call a column, in small letters."""
    return LABELS.get(f"{table}.{column}", LABELS.get(column, column.replace("_", " ")))


def in_order(columns: Iterable[str]) -> list[str]:
    return sorted(columns, key=lambda column: COLUMNS.index(column) if column in COLUMNS else len(COLUMNS))


def who(change: Mapping[str, Any]) -> str:
    return f"{change['changed_at']:%Y-%m-%d %H:%M} {change['person']}{program(change)}"


def program(change: Mapping[str, Any]) -> str:
    """Say with what program it was, where not with this one."""
    return "" if change["program"] == OURS else f" in {change['program'] or 'a program without a name'}"


def change_line(change: Mapping[str, Any], name: str) -> str:
    """Return a change as one line; name is the record's, empty where all lines are of that one."""
    if change["kind"] == "changed":
        said = differences(change["table_name"], change["old"] or {}, change["new"] or {}, change["changed_at"].tzinfo)
        what = f"{name}: {said}" if name else said
    else:
        what = f"{change['kind']} {name}".strip()
    reason = change["reason"] if change["reason"] != (change["new"] or {}).get("void_reason") else None
    return clean(f"{who(change)}: {what}{f' ({reason})' if reason else ''}")


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
        if column != "serial_repeat" and not column.endswith("_folded"):
            yield f"  {label(table, column)}: {shown(column, record[column], zone)}"


def statement_name(change: StatementChange) -> str:
    """Return what one statement was about: a record by its name, or how many."""
    table, count = change["table_name"], change["row_count"]
    if count > 1:
        return f"{noun(table, count)}, {tables.shortened(change['ids'], 40)}"
    record = change["record"]
    whose = of_what(table, record) if record and change["kind"] != "changed" else ""
    return f"{record_name(table, change['ids'], record)}{whose}"


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
    return values and {column: show_amount(_money(value)) if column in AMOUNTS and value is not None else value
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


def of_what(table: str, record: Row) -> str:
    """Say what a deleted record belonged to, by its ID: that may be gone, too."""
    if table == "customers":
        return ""
    return (f", of customer {record['customer_id']}" if "customer_id" in record else
            f", at location {record['location_id']}" if "location_id" in record else "")


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
    for obstacle in found:
        say(OBSTACLES[obstacle.kind](obstacle))
    if any(obstacle.kind != "serial" for obstacle in found):
        prompts.refuse("Nothing was brought back.")
        return False
    along = gone_along(deletion)
    say(f"This brings back {what}{f', with {along}' if along else ''}"
        f"{', without the serial numbers that others have by now' if found else ''}.")
    if deletion["table_name"] == "billing" and "payment_allocations" in deletion["counts"]:
        say("Of what was paid on it, what has paid other bills since stays there.")
    if not confirm("Type yes to bring it back:"):
        print("Nothing was brought back.")
        return False
    during("Bringing back", lambda: trail.restore(deletion, without_taken_serials=bool(found)))
    say(f"Brought back {what}.")
    return True


def _serial(obstacle: trail.Obstacle) -> str:
    holder = obstacle.holder or {}
    return (f"Serial number {obstacle.what} is now that of equipment {obstacle.record_id}, "
            f"{holder.get('equipment_name')}, at {holder.get('address')}, of {holder.get('name')}.")


OBSTACLES: dict[str, Callable[[trail.Obstacle], str]] = {
    "customer": lambda it: f"Customer {it.record_id} is gone; bring that back first.",
    "location": lambda it: f"Location {it.record_id} is gone; bring that back first.",
    "bill": lambda it: f"Bill {it.record_id} is gone; bring that back first.",
    "address": lambda it: f"The customer has another location {it.record_id} with the address {it.what} by now.",
    "month": lambda it: f"The customer has another bill for that month by now, bill {it.record_id}, {it.what}.",
    "serial": _serial,
}
