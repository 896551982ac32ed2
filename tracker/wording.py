"""The trail in words, for every screen that shows it: what a record is called, and what was done to it."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from tracker.text import plural, show_amount

Row = Mapping[str, Any]
OURS = "isp-customer-tracker"
NOUNS = {
    "customers": "customer", "locations": "location", "services": "service", "equipment": "equipment",
    "billing": "bill", "billing_items": "bill line", "payments": "payment", "payment_allocations": "allocation",
    "service_pauses": "pause", "price_changes": "change of price", "equipment_moves": "move", "customer_notes": "note",
    "trail": "row of the trail",
}
# What tells a record from others of its table.
NAMES = {
    "customers": "name", "locations": "address", "services": "service_name", "equipment": "equipment_name",
    "billing": "description",
}
LABELS = {
    "service_name": "name", "equipment_name": "name", "amount_billed": "amount", "services.cost": "monthly cost",
    "equipment.cost": "worth", "location_id": "location", "retired_on": "written off on", "email": "e-mail",
}
AMOUNTS = ("cost", "amount", "amount_billed", "amount_paid", "amount_allocated", "amount_left", "amount_due",
           "promised_amount")
COLUMNS = (  # as forms ask for them; the trail has no order
    "name", "phone_number", "email", "account_number", "address", "service_name", "equipment_name", "serial_number",
    "cost", "description", "amount_billed", "due_date",
)
FOLLOWS = ("serial_repeat", "voided_on", "void_reason")  # from a change that the line tells


def noun(table: str, count: int = 1) -> str:
    """Return what a table's records are called, counted when there are several."""
    name = NOUNS.get(table, table)
    if count == 1:
        return name
    if table == "price_changes":
        return f"{count} changes of price"
    return plural(count, name)


def record_name(table: str, record_id: object, record: Row | None) -> str:
    """Return a record as sentences name it: service 12, Fibre 100."""
    if record and table == "payments":
        return (f"{record.get('kind', 'payment')} {record_id}, {show_amount(money(record['amount']))} "
                f"on {record['paid_on']}")
    name = record and record.get(NAMES.get(table, ""))
    return f"{noun(table)} {record_id}, {name}" if name else f"{noun(table)} {record_id}"


def money(value: Any) -> Decimal:
    return Decimal(value)


def shown(column: str, value: Any, zone: tzinfo | None) -> str:
    """Return a value of the trail as screens show it, moments in a zone."""
    if value is None:
        return "none"
    if column.endswith("_at"):
        return show_moment(str(value), zone)
    return show_amount(money(value)) if column in AMOUNTS else str(value)


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


def program(change: Mapping[str, Any]) -> str:
    """Say with what program it was, where not with this one."""
    return "" if change["program"] == OURS else f" in {change['program'] or 'a program without a name'}"


def of_what(table: str, record: Row) -> str:
    """Say what a deleted record belonged to, by its ID: that may be gone, too."""
    if table == "customers":
        return ""
    return (f", of customer {record['customer_id']}" if "customer_id" in record else
            f", at location {record['location_id']}" if record.get("location_id") else "")


def device(row: Row) -> str:
    """Return equipment as sentences name it, with where it is and whose."""
    where = f"at {row['address']}, of {row['name']}" if row["address"] else row["place"]
    return f"equipment {row['equipment_id']}, {row['equipment_name']}, {where}"


def what_was_done(change: Row, name: str) -> str:
    """Say what a change did to a record of this name, and why, if somebody said why."""
    if change["kind"] == "changed":
        said = differences(change["table_name"], change["old"] or {}, change["new"] or {}, change["changed_at"].tzinfo)
        what = f"{name}: {said}" if name else said
    else:
        what = f"{change['kind']} {name}".strip()
    reason = change["reason"] if change["reason"] != (change["new"] or {}).get("void_reason") else None
    return f"{what}{f' ({reason})' if reason else ''}"


def statement_name(change: Row, shorten: Callable[[str], str] = str) -> str:
    """Return what one statement was about: a record by its name, or how many, and which, shortened."""
    table, count = change["table_name"], change["row_count"]
    if count > 1:
        return f"{noun(table, count)}, {shorten(change['ids'])}"
    record = change["record"]
    whose = of_what(table, record) if record and change["kind"] != "changed" else ""
    return f"{record_name(table, change['ids'], record)}{whose}"


def values(change: Row) -> list[tuple[str, str | None, str | None]]:
    """Return each field that a change is about: what forms call it, its value before, and after."""
    table, zone = change["table_name"], change["changed_at"].tzinfo
    if change["kind"] != "changed":
        record = change["record"] or {}
        kept = [column for column in in_order(record) if not is_derived(column)]
        added = change["kind"] == "added"
        return [(label(table, column), None if added else shown(column, record[column], zone),
                 shown(column, record[column], zone) if added else None) for column in kept]
    old, new = change["old"] or {}, change["new"] or {}
    return [(label(table, column), shown(column, old.get(column), zone), shown(column, new.get(column), zone))
            for column in in_order(old)]


def is_derived(column: str) -> bool:
    """Tell what follows from another column, and is nothing to tell."""
    return column == "serial_repeat" or column.endswith("_folded")


def how_paid(row: Mapping[str, Any]) -> str:
    """Say what a payment is, or by which method money came or went: cash; credit note; refund, cash; void, cash."""
    if row["kind"] == "payment":
        return str(row["method"])
    return str(row["kind"]) if row["kind"] in ("credit note", "write-off") else f"{row['kind']}, {row['method']}"


def payment_name(row: Mapping[str, Any]) -> str:
    """Name a payment, credit note, write-off or refund, with what it was for or how it came: payment 5, 10.00 on …"""
    return (f"{row['kind']} {row['payment_id']}, {show_amount(row['amount'])} on {row['paid_on']}, "
            f"{row['reason'] or row['method']}, of {row['name']}")
