"""What each report and record looks like: the columns of its table, or its lines."""
from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from database import ComingPrice, Pause, Server, Upgrade
from tracker import late_fees, settings
from tracker.accounts import Closing, Merging, Standing
from tracker.backup import Kept, Noted
from tracker.bill_run import Preview
from tracker.notes import Note
from tracker.payments import Payment
from tracker.prices import Change
from tracker.prices import Preview as PricePreview
from tracker.reports import (
    Account,
    AgedTotal,
    LatestNote,
    LateTotal,
    MonthlyRevenue,
    OpenBill,
    Received,
    RecurringRevenue,
    SettledBill,
    Site,
    Statement,
)
from tracker.settings import LateFee
from tracker.stock import Model, PlaceOfDevice, StockTotal
from tracker.terminal import tables
from tracker.terminal.tables import (
    BOLD,
    OVERDUE,
    STRUCK,
    Row,
    amounts,
    bold,
    codes,
    dates,
    days_late,
    indented,
    numbers,
    promises,
    spread,
    styled,
    words,
)
from tracker.text import clean, plural, show_amount, show_promise, show_size
from tracker.verify import Checked
from tracker.wording import how_paid

BAR = 24
ENTRY = 20  # how wide a statement's entries must be to stand beside their amounts
FAR_OFF = 92
CLOSED = dates("Closed", "closed_on")._replace(seldom=True)
DELETED = dates("Deleted", "cancelled_on")._replace(seldom=True)
CUSTOMERS = [
    numbers("ID", "customer_id"), words("Name", "name"), codes("Phone number", "phone_number"),
    words("E-mail", "email")._replace(spare=1, seldom=True),
    codes("Account number", "account_number", spare=2)._replace(seldom=True), CLOSED,
]
CUSTOMER_HITS = [*CUSTOMERS, words("Address", "address")]
SERVICES_TO_END = [
    numbers("ID", "service_id"), words("Service", "service_name"), words("Address", "address"),
]
DEVICES_THERE = [
    numbers("ID", "equipment_id"), words("Equipment", "equipment_name"), codes("Serial number", "serial_number"),
    words("Address", "address"),
]
TO_MERGE = [
    numbers("ID", "customer_id"), words("Name", "name"), codes("Phone number", "phone_number"),
    words("E-mail", "email")._replace(seldom=True), codes("Account number", "account_number")._replace(seldom=True),
    CLOSED, numbers("Locations", "locations"), numbers("Services", "services"), numbers("Equipment", "equipment"),
    numbers("Notes", "notes"), numbers("Bills", "bills"), numbers("Payments", "payments"),
    amounts("To pay", "amount_due"), amounts("Credit", "credit"),
]
LOCATIONS = [numbers("ID", "location_id"), words("Address", "address"), words("Customer", "name")]
SERVICES = [
    numbers("ID", "service_id"), words("Service", "service_name"), amounts("Monthly", "cost"),
    codes("Standing", "standing", spare=1)._replace(of=lambda row: in_brief(row["standing"])),
    words("Address", "address"), words("Customer", "name"),
]
SERVICE_FIELDS = [
    *(column._replace(seldom=column.key == "standing") for column in SERVICES),
    words("From", "started_on", lambda row: row["started_on"] or "always"),
    dates("Last day", "ended_on")._replace(seldom=True),
]
PLANS = [words("Service", "service_name"), numbers("Services", "services"), amounts("Usually", "cost")]
PRICED = [numbers("ID", "service_id"), amounts("Today", "cost"), words("Address", "address"), words("Customer", "name")]
EQUIPMENT = [
    numbers("ID", "equipment_id"), words("Equipment", "equipment_name"), codes("Serial number", "serial_number"),
    amounts("Worth", "cost", spare=1), words("Address", "place"), words("Customer", "name"),
]
STOCK_HITS = [column for column in EQUIPMENT if column.key not in ("place", "name")]
STOCK = [*STOCK_HITS, dates("Since", "since")]
MODELS = [
    words("Equipment", "equipment_name"), numbers("At customers", "at_customers"),
    amounts("Worth", "worth_at_customers"), numbers("In stock", "in_stock"), amounts("Worth", "worth_in_stock"),
    numbers("In all", "devices"), amounts("Worth", "worth"),
]
BILLS = [
    numbers("ID", "billing_id"), words("Customer", "name"), words("Description", "description"),
    dates("Due", "due_date"), days_late("Late", spare=2), amounts("Billed", "amount_billed", spare=1),
    amounts("To pay", "amount_due"),
]
BILL_FIELDS = [
    *BILLS, amounts("Paid", "amount_paid"), dates("Last payment", "last_payment_date"), dates("Issued", "issued_on"),
    DELETED,
]
UNPAID_BILLS = [column for column in BILLS if column.key != "name"]
BILLS_OF_CUSTOMER = [*UNPAID_BILLS, DELETED]
LATE = [
    numbers("ID", "customer_id"), words("Customer", "name"), codes("Phone number", "phone_number"), CLOSED,
    amounts("Late", "amount_late"), dates("Oldest due", "oldest_due_date"), days_late("Days", spare=2),
    dates("Last paid", "last_payment_date", spare=1), promises("Promise")._replace(seldom=True),
]
NOTES = [
    numbers("ID", "customer_note_id"), dates("Day", "noted_on"), words("Who", "noted_by"), words("Note", "note"),
    codes("Promise", "promised")._replace(seldom=True),
]
LATE_BILLS = [
    numbers("ID", "billing_id"), words("Customer", "name"), words("Description", "description"),
    dates("Due", "due_date"), days_late("Late"), amounts("To pay", "amount_due"),
]
AGING = [
    numbers("ID", "customer_id"), words("Customer", "name"), amounts("Current", "not_due"), amounts("1-30", "days_30"),
    amounts("31-60", "days_60"), amounts("61-90", "days_90"), amounts("Over 90", "older"), amounts("Total", "total"),
]
METHOD = words("Method", "method", how_paid)
REFERENCE = words("Reference", "reference", lambda row: row["reference"] or row["reason"])
PAYMENTS = [
    numbers("ID", "payment_id"), dates("Paid on", "paid_on"), amounts("Amount", "amount"),
    METHOD, REFERENCE, amounts("Credit", "amount_left"),
    dates("Void since", "voided_on"), words("Because", "void_reason"),
]
PAYMENTS_TO_REFUND = [column for column in PAYMENTS if column.key not in ("voided_on", "void_reason")]
BANK_CANDIDATES = [
    numbers("#", "number"), numbers("ID", "customer_id"), words("Customer", "name"), amounts("Owes", "amount_due"),
    amounts("A month", "monthly_total", spare=1), dates("Last paid", "last_paid_on", spare=2), words("Why", "why"),
]
BANK_SET_ASIDE = [
    numbers("#", "number"), dates("Day", "booked_on"), amounts("Amount", "amount"), words("Payer", "payer"),
    words("Reference", "reference"), dates("Set aside", "set_aside_on"),
]
PAYMENT_HITS = [
    numbers("ID", "payment_id"), words("Customer", "name"), dates("Paid on", "paid_on"), amounts("Amount", "amount"),
    METHOD, REFERENCE, dates("Void since", "voided_on"),
]
SAME_PAYMENTS = [column for column in PAYMENT_HITS if column.key not in ("name", "voided_on")]
REFERRED_PAYMENTS = [column for column in PAYMENT_HITS if column.key != "voided_on"]
RECEIVED = [
    numbers("ID", "payment_id"), dates("Day", "day"), words("Customer", "name"), amounts("Amount", "amount"), METHOD,
    words("Reference", "reference"), words("Because", "reason")._replace(seldom=True),
]
RECEIVED_KEYS = ["payment_id", "day", "customer_id", "name", "kind", "amount", "method", "reference", "reason"]
RECEIVED_BY_METHOD = [
    words("Method", "method"), numbers("Payments", "payments"), amounts("Received", "received"),
]
TAKEN_BACK = [
    amounts("Voided", "voided")._replace(seldom=True), amounts("Refunded", "refunded")._replace(seldom=True),
    amounts("Total", "total"),
]
KEPT_BILLS = [
    numbers("ID", "billing_id"), words("Customer", "name"), amounts("Billed", "amount_billed"),
    amounts("Paid", "amount_paid"), dates("Last payment", "last_payment_date", spare=1),
]
NEW_BILLS = [numbers("ID", "customer_id"), words("Customer", "name"), amounts("Billed now", "amount")]
GONE_BILLS = [numbers("ID", "customer_id"), words("Customer", "name"), amounts("Billed before", "amount_before")]
CHANGED_BILLS = [*GONE_BILLS, amounts("Now", "amount")]
PREVIEW_LINES = [
    numbers("ID", "customer_id"), words("Customer", "name"), words("Service", "service"), codes("Days", "days"),
    amounts("Amount", "amount"),
]
PAUSES = [numbers("ID", "service_pause_id"), dates("First day", "first_day"), dates("Last day", "last_day")]
RECURRING = [words("Service", "service_name"), numbers("Services", "services"), amounts("Monthly", "monthly")]
LOWERED = [
    tables.Column("Month", "month", lambda month: f"{month:%Y-%m}"), amounts("Billed", "billed"),
    amounts("Credited", "credited"), amounts("Written off", "written_off"), amounts("Collected", "collected"),
    amounts("Refunded", "refunded"),
]
RECORD_KEYS = [
    "customer_id", "name", "phone_number", "record", "record_id", "description", "amount", "serial_number", "due_date",
    "amount_due",
]


def account_lines(row: Account) -> Iterator[str]:
    """Yield an account as lines: the customer, each location with what is there, and the bills."""
    yield from account_head(row)
    for site in row["locations"]:
        yield from location_lines(site)
    if not row["locations"]:
        yield "  No locations."
    yield from _unpaid_bills(row["unpaid_bills"])
    yield from _paid_bills(row["paid_bills"], row["paid_bill_count"])
    yield from _latest_notes(row["notes"], row["note_count"])


def account_head(row: Account) -> Iterator[str]:
    """Yield who the customer is and how the account stands."""
    name = clean(f"Customer {row['customer_id']}  {row['name']}")
    yield from spread(name, clean(row["phone_number"]), left_style=BOLD)
    if row["email"]:
        yield from indented(f"E-mail {clean(row['email'])}", 2)
    if row["account_number"]:
        yield from indented(f"Account number {clean(row['account_number'])}", 2)
    if row["closed_on"]:
        erased = f", erased {row['erased_on']}" if row["erased_on"] else ""
        yield from map(bold, indented(f"Closed {row['closed_on']}{erased}", 2))
    yield from map(bold, indented(f"Monthly total {show_amount(row['monthly_total'])}, to pay "
                                  f"{show_amount(row['amount_due'])}, credit {show_amount(row['credit'])}", 2))
    if row["promise"]:
        style = OVERDUE if row["promise"]["state"] == "broken" else None
        said = show_promise(row["promise"])
        yield from (styled(line, style) for line in indented(f"{said[0].upper()}{said[1:]}", 2))


def closing_lines(closing: Closing, last_day: date, due_date: date) -> Iterator[str]:
    """Yield what closing an account would end, and what is there."""
    ending = [service for service in closing["services"] if not service["begins_later"]]
    never_run = [service for service in closing["services"] if service["begins_later"]]
    if ending:
        yield from indented(
            f"Services that end on {last_day}; what they ran for is billed or credited:")
        yield tables.table(SERVICES_TO_END, ending)
    if never_run:
        yield "Services that would begin later, and never run:"
        yield tables.table(SERVICES_TO_END, never_run)
    if not closing["services"]:
        yield "No services end."
    if closing["equipment"]:
        yield "Devices there:"
        yield tables.table(DEVICES_THERE, closing["equipment"])
    final = closing["final"]
    if final > 0:
        yield f"The last bill is over {show_amount(final)}, due {due_date}."
    elif final < 0:
        yield f"Nothing more is billed, and {show_amount(-final)} is credited."
    else:
        yield "Nothing more is billed."
    yield f"As of now, {standing(closing)}"


def standing(stands: Standing) -> str:
    return f"to pay {show_amount(stands['amount_due'])}, credit {show_amount(stands['credit'])}."


def merging_table(merging: Merging) -> str:
    """Lay two customers who are to be merged side by side, a line for each field."""
    sides: tuple[Row, Row] = merging["stays"], merging["goes"]
    rows = [{"field": column.header, "stays": column.cell(sides[0]), "goes": column.cell(sides[1])}
            for column in TO_MERGE if not column.seldom or any(side[column.key] for side in sides)]
    return tables.table([codes("", "field"), words("Stays", "stays"), words("Goes", "goes")], rows)


def location_lines(site: Site) -> Iterator[str]:
    """Yield a location as lines, under it its services and equipment."""
    yield from spread(clean(f"Location {site['location_id']}  {site['address']}"), "", 2)
    for service in site["services"]:
        standing = f", {service['standing']}" if service["standing"] else ""
        left = f"Service {service['service_id']}  {service['service_name']}{standing}"
        yield from spread(clean(left), f"monthly {show_amount(service['cost']):>10}", 4)
        if service["coming_prices"]:
            yield from indented(f"{coming(service['coming_prices'])}.", 6)
    for device in site["equipment"]:
        serial = f", serial {device['serial_number']}" if device["serial_number"] else ""
        left = f"Equipment {device['equipment_id']}  {device['equipment_name']}{serial}"
        yield from spread(clean(left), f"worth {show_amount(device['cost']):>10}", 4)
    if not site["services"] and not site["equipment"]:
        yield "    No services, no equipment."


def in_brief(standing: str | None) -> str:
    """Return of how a service stands what a list has room for: up to its first day, as paused from 2027-01-01."""
    return re.sub("(?<=[0-9]) .*", "", (standing or "").partition(", ")[0])


def span(first: date, last: date | None) -> str:
    return f"from {first} {f'to {last}' if last else 'until further notice'}"


def pause_lines(pauses: list[Pause]) -> Iterator[str]:
    """Yield the days on which a service rests, or did."""
    if pauses:
        yield bold("Pauses")
    for pause in pauses:
        yield from indented(span(pause["first_day"], pause["last_day"]), 2)


def coming(prices: list[ComingPrice]) -> str:
    """Say what a service will cost: 34.90 from 2026-12-01, 39.90 from 2027-06-01."""
    return ", ".join(f"{show_amount(price['cost'])} from {price['from_day']}" for price in prices)


def _unpaid_bills(bills: list[OpenBill]) -> Iterator[str]:
    yield f"  {bold('Unpaid bills')}" if bills else "  No unpaid bills."
    for bill in bills:
        state = f"{plural(bill['days_late'], 'day')} late" if bill["days_late"] else f"due {bill['due_date']}"
        yield from spread(_bill_name(bill), f"{state}, to pay {show_amount(bill['amount_due']):>10}", 4,
                          right_style=OVERDUE if bill["days_late"] else None)
        if bill["days_late"] or bill["payments"]:
            yield from _why(bill)


def _bill_name(bill: OpenBill | SettledBill) -> str:
    return clean(f"Bill {bill['billing_id']}  {bill['description']}")


def _why(bill: OpenBill) -> Iterator[str]:
    """Explain what is to pay on a bill: its due date, today, what was billed, and every payment on it."""
    yield from indented(f"Due {bill['due_date']}, today {bill['today']}, billed {show_amount(bill['amount_billed'])}.",
                        6)
    for payment in bill["payments"]:
        void = f", void since {payment['voided_on']}" if payment["voided_on"] else ""
        paid = (f"{payment['kind'].capitalize()} {payment['payment_id']} on {payment['paid_on']}: "
                f"{show_amount(payment['amount'])}{void}.")
        for line in indented(paid, 6):
            yield line[:6] + styled(line[6:], STRUCK if void else None)
    if not bill["payments"]:
        yield "      No payments on it."


def _paid_bills(bills: list[SettledBill], count: int) -> Iterator[str]:
    if not bills:
        return
    yield f"  {bold('Paid bills')}"
    for bill in bills:
        paid = f"paid {bill['last_payment_date'] or ''} {show_amount(bill['amount_billed']):>10}"
        yield from spread(_bill_name(bill), paid, 4)
    if count > len(bills):
        yield f"    and {count - len(bills)} earlier"


def _latest_notes(notes: list[LatestNote], count: int) -> Iterator[str]:
    if not notes:
        return
    yield f"  {bold('Notes')}"
    for note in notes:
        yield from indented(note_line(note), 4)
    if count > len(notes):
        yield f"    and {count - len(notes)} earlier"


def note_line(note: Note | LatestNote) -> str:
    """Return a note as a line: the day, who, what was said, what was promised and what has become of that."""
    said = note["note"] or ""
    if note["promised_until"]:
        said = "; ".join(filter(None, [said.rstrip("."), f"promised {promised(note)}"]))
    return clean(f"{note['noted_on']} {note['noted_by']}: {said}")


def promised(note: Note | LatestNote) -> str:
    if note["promised_until"] is None:
        return ""
    return f"{show_amount(note['promised_amount'])} until {note['promised_until']}, {note['state']}"


def account_records(accounts: Iterable[Account]) -> Iterator[Row]:
    """Flatten accounts for CSV: a record for each customer, location, service, piece of equipment and bill shown."""
    for row in accounts:
        who = {"customer_id": row["customer_id"], "name": row["name"], "phone_number": row["phone_number"]}
        yield _record(who, "customer", row["customer_id"], row["name"], row["monthly_total"])
        for site in row["locations"]:
            yield _record(who, "location", site["location_id"], site["address"])
            for service in site["services"]:
                yield _record(who, "service", service["service_id"], service["service_name"], service["cost"])
            for device in site["equipment"]:
                yield _record(who, "equipment", device["equipment_id"], device["equipment_name"], device["cost"],
                              serial_number=device["serial_number"])
        for bill in row["unpaid_bills"] + row["paid_bills"]:
            yield _record(who, "bill", bill["billing_id"], bill["description"], bill["amount_billed"],
                          due_date=bill["due_date"], amount_due=bill.get("amount_due", Decimal(0)))


def _record(who: Row, kind: str, record_id: int, description: str, cost: Any = None, **more: Any) -> Row:
    return {
        **who, "record": kind, "record_id": record_id, "description": description,
        "amount": None if cost is None else show_amount(cost), "serial_number": more.get("serial_number"),
        "due_date": more.get("due_date"), "amount_due": show_amount(more.get("amount_due")),
    }


def accounts_report_lines(accounts: Iterable[Account]) -> Iterator[str]:
    """Yield the full-account report as lines, and how many customers it was."""
    count = 0
    for row in accounts:
        count += 1
        yield from account_lines(row)
        yield ""
    yield f"{plural(count, 'customer')}."


def where(server: Server) -> str:
    """Name the server: the embedded one with its data folder, or its address."""
    place = f"embedded, data in {server['folder']}" if server["folder"] else f"on {server['address'] or 'this machine'}"
    return clean(f"PostgreSQL {server['version']}, {place}")


def upgrade_lines(server: Server, plan: Upgrade) -> Iterator[str]:
    """Yield what an upgrade is about to do, to which database, and what to mind before it."""
    yield where(server)
    yield f"Database {server['database']}, as {server['login']}"
    yield f"It is at version {plan.version}; this program needs version {plan.pending[-1].version}."
    for migration in plan.pending:
        yield f"{migration.path.stem}: {migration.summary()}"
    if plan.others:
        yield f"{plural(plan.others, 'other session')} of this program: end those of an older version first."
    if plan.copied:
        yield "The database is first copied into the folder backups, beside its data."
    else:
        yield "No copy is made of a database on a server: have a backup."


def place_lines(places: list[PlaceOfDevice]) -> Iterator[str]:
    """Yield where a device is and was, from when to when, and who put it there."""
    yield bold("Places")
    for place in places:
        since, until = place["since"], place["until"]
        days = f"{since} to {until}: " if since and until else f"since {since}: " if since else (
            f"until {until}: " if until else "")
        by = f", by {place['person']}" if place["person"] else ""
        yield from indented(clean(f"{days}{place['place']}{by}"), 2)


def stock_footer(total: StockTotal) -> str:
    return f"{plural(total['devices'], 'device')} in stock, worth {show_amount(total['worth'])}."


def models_total(rows: list[Model]) -> Row:
    """Shape the sums of all models as the last row of their report."""
    keys = [column.key for column in MODELS[1:]]
    return {"number": None, "equipment_name": "Total",
            **{key: sum(row[key] for row in rows) for key in keys}}  # type: ignore[literal-required]


def payment_lines(payment: Payment) -> Iterator[str]:
    """Yield which bills a payment paid, what was given back of it, and what is left as credit; what a refund is of; and
    that it is void.
    """
    for bill in payment["bills"]:
        yield from spread(clean(f"Bill {bill['billing_id']}  {bill['description']}"), show_amount(bill["amount"]), 2)
    for other in payment["refunds"]:
        what = f"{other['kind'].capitalize()} {other['payment_id']} on {other['paid_on']}"
        yield from spread(f"Of {what[0].lower()}{what[1:]}" if payment["kind"] == "refund" else what,
                          show_amount(other["amount"]), 2)
    if payment["amount_left"]:
        yield from spread("Credit", show_amount(payment["amount_left"]), 2)
    if payment["voided_on"]:
        yield from indented(clean(f"Void since {payment['voided_on']}: {payment['void_reason']}"), 2)


def on_days(first: date, last: date) -> str:
    return f"on {first}" if first == last else f"from {first} to {last}"


def received_lines(received: Received) -> Iterator[str]:
    """Yield what came in on a span of days, by method, and where there was any, what was taken back of it."""
    rows = received["methods"]
    keys = [column.key for column in (*RECEIVED_BY_METHOD, *TAKEN_BACK)[1:]]
    total = {"method": "Total", **{key: sum(row[key] for row in rows) for key in keys}}  # type: ignore[literal-required]
    columns = [*RECEIVED_BY_METHOD, *(TAKEN_BACK if any(row["total"] != row["received"] for row in rows) else [])]
    yield bold(f"Payments received {on_days(received['first'], received['last'])}")
    yield from tables.table(columns, [*rows, total], totals=1).split("\n")
    yield ""


def late_footer(total: LateTotal) -> str:
    if not total["customers"]:
        return "Nobody is late."
    return f"{plural(total['customers'], 'customer')} late, with {show_amount(total['amount'])} in total."


def aging_title(total: AgedTotal) -> str:
    late = show_amount(total["total"] - total["not_due"])
    return f"What is owed, by age, the oldest first: {late} of {show_amount(total['total'])} is late."


def aging_total(total: AgedTotal) -> Row:
    """Shape the aging report's sums as its last row."""
    return {**total, "customer_id": None, "name": plural(total["customers"], "customer")}


def bill_preview_lines(period: date, due_date: date, today: date, preview: Preview) -> Iterator[str]:
    """Yield what a bill run would do, how that differs from the month before, and what is odd about its dates."""
    yield (f"{period:%Y-%m}: bills for {plural(preview['customers'], 'customer')}, {show_amount(preview['total'])} "
           f"in total, due {due_date}.")
    if preview["skipped"]:
        yield f"Skipped, since billed already: {plural(preview['skipped'], 'customer')}."
    if preview["later"]:
        yield f"Left out, since they came after {period:%Y-%m}: {plural(preview['later'], 'customer')}."
    if not preview["customers"]:
        return
    yield (f"Against the month before ({show_amount(preview['total_before'])}): {preview['new']} new, "
           f"{preview['gone']} gone, {preview['changed']} with another amount.")
    if preview["prorated"]:
        yield (f"For a part of the month: {plural(preview['prorated'], 'line')}, "
               f"{show_amount(preview['prorated_amount'])}.")
    if preview["made_good"]:
        yield (f"Made good, days left out or billed too many: {plural(preview['made_good'], 'line')}, "
               f"{show_amount(preview['made_good_amount'])}.")
    if preview["credit_notes"]:
        yield (f"Billed less than nothing: {plural(preview['credit_notes'], 'customer')}, with credit notes of "
               f"{show_amount(preview['credited'])}.")
    months = (period.year - today.year) * 12 + period.month - today.month
    if months not in (-1, 0, 1):
        yield f"Mind the month: {period:%Y-%m} is {plural(abs(months), 'month')} {'ahead' if months > 0 else 'ago'}."
    if due_date < today:
        yield f"Mind the due date: {due_date} is past, so these bills are late at once."
    elif (due_date - period).days > FAR_OFF and (odd := odd_due_date(due_date, today)):
        yield odd


def why_bills_stay(count: int) -> str:
    """Say why the undo of a bill run leaves bills."""
    return ("it was paid on, or its account is closed" if count == 1
            else "they were paid on, or their accounts are closed")


def price_change_lines(change: Change, today: date, preview: PricePreview) -> Iterator[str]:
    """Yield what a change of a price would do, whom it leaves alone, and the monthly total without and with it."""
    yield (f"{change.service_name}, {show_amount(change.cost)} from {change.from_day}: {preview['changing']} of "
           f"{plural(preview['services'], 'service')} {'changes' if preview['changing'] == 1 else 'change'}.")
    has, keeps = ("has a price of its own", "keeps it") if preview["own"] == 1 else ("have prices of their own",
                                                                                  "keep them")
    if preview["own"]:
        yield (f"{preview['own']} {has}, other than {show_amount(preview['usual'])}, "
               f"and {'changes, too' if change.all_prices else keeps}.")
    if there := preview["services"] - preview["changing"] - (0 if change.all_prices else preview["own"]):
        yield f"{plural(there, 'service')} {'has' if there == 1 else 'have'} the new price on that day already."
    if preview["later"]:
        yield f"{plural(preview['later'], 'later change')} of price {'stays' if preview['later'] == 1 else 'stay'}."
    yield (f"Monthly total on {change.from_day}: {show_amount(preview['total_before'])} without this, "
           f"{show_amount(preview['total_after'])} with it.")
    if change.from_day < today:
        yield f"Mind the day: {change.from_day} is past, so the next bill run bills what that makes of days billed."


def late_fee_lines(fee: LateFee, preview: late_fees.Preview) -> Iterator[str]:
    """Yield what a run of late fees would do."""
    yield (f"A fee of {show_amount(fee.amount)} for each bill that is {plural(fee.after_days, 'day')} late or more, "
           "once.")
    yield (f"{plural(preview['bills'], 'bill')} of {plural(preview['customers'], 'customer')}, "
           f"{show_amount(preview['total'])} in total, due {preview['due_date']}.")
    if preview["promised"]:
        yield f"Left out, since they have promised to pay: {plural(preview['promised'], 'customer')}."


def odd_due_date(due_date: date, today: date) -> str | None:
    """Say how far off a due date is that is likely a slip of the year or month."""
    if abs(due_date - today).days <= FAR_OFF:
        return None
    months = (due_date.year - today.year) * 12 + due_date.month - today.month
    return f"Mind the due date: {due_date} is {plural(abs(months), 'month')} {'ahead' if months > 0 else 'ago'}."


REVENUE_BY = {"period": "the month they are for", "issue": "date of issue"}


def revenue_lines(recurring: list[RecurringRevenue], months: list[MonthlyRevenue], by: str = "period") -> Iterator[str]:
    """Yield recurring revenue by service, and each month's billed and collected amounts with a bar; and where there was
    any, what was credited, written off and refunded.
    """
    other = "issue" if by == "period" else "period"
    total = {"service_name": "Total", "services": sum(row["services"] for row in recurring),
             "monthly": sum((row["monthly"] for row in recurring), Decimal(0))}
    yield bold("Monthly recurring revenue")
    yield from tables.table(RECURRING, [*recurring, total], totals=1).split("\n")
    yield ""
    yield from map(bold, indented(f"Billed (=), bills by {REVENUE_BY[by]}, and collected (#) since "
                                  f"{months[0]['month']:%Y-%m}"))
    yield from indented(f"The other view counts bills by {REVENUE_BY[other]}.")
    scale = max(max(row["billed"], row["collected"]) for row in months) or Decimal(1)
    room = max(14, len(show_amount(scale)))
    bar = min(BAR, tables.line_width() - room - 11)
    for row in months:
        billed, collected = show_amount(row["billed"]).rjust(room), show_amount(row["collected"]).rjust(room)
        yield f"{row['month']:%Y-%m}  {billed}  {_bar('=', row['billed'] / scale, bar)}".rstrip()
        yield f"         {collected}  {_bar('#', row['collected'] / scale, bar)}".rstrip()
    if any(row["credited"] or row["written_off"] or row["refunded"] for row in months):
        yield ""
        yield from map(bold, indented("Credited, written off and refunded"))
        yield from tables.table(LOWERED, months).split("\n")


def _bar(sign: str, share: Decimal, whole: int) -> str:
    """Draw a share as a bar; anything above nothing shows at least one sign, and what is below nothing none."""
    length = round(whole * share)
    return sign * max(length, 1 if share > 0 else 0)


def statement_lines(statement: Statement, first: date, last: date) -> Iterator[str]:
    """Yield a statement as lines for paper: opening balance, bills with lines, payments, voids, closing balance."""
    yield from spread(f"Statement from {first} to {last}", f"Customer {statement['customer_id']}", left_style=BOLD)
    yield from spread(clean(statement["name"]), clean(statement["phone_number"]))
    if statement["account_number"]:
        yield from spread("", clean(f"Account number {statement['account_number']}"))
    yield ""
    balance = statement["opening"]
    lines = _balance_lines(statement)
    yield from lines(str(first), "Opening balance", "", balance)
    for entry in statement["entries"]:
        balance += entry["amount"]
        what = f"{entry['kind'].capitalize()} {entry['record_id']}, {entry['description']}"
        if entry["kind"] in ("void", "adjustment", "deletion"):
            what = f"{entry['kind'].capitalize()} {entry['description']}"
        yield from lines(entry["day"], clean(what), show_amount(entry["amount"]), balance)
        for item in entry["items"] or []:
            yield from indented(clean(f"{item['description']}: {show_amount(item['amount'])}"), 14)
    yield from map(bold, lines(str(last), "Closing balance", "", statement["closing"]))
    if statement["closing"] < 0:
        yield from indented(f"{show_amount(-statement['closing'])} is credit for coming bills.", 12)


def _balance_lines(statement: Statement) -> Callable[[str, str, str, Decimal], Iterator[str]]:
    """Make what yields a day, what happened, and the amounts: at the right margin, or beneath if there is no room."""
    changes, balances = _statement_widths(statement)
    room = tables.line_width() - 12 - changes - balances
    beside = room >= ENTRY

    def lines(day: str, what: str, change: str, balance: Decimal) -> Iterator[str]:
        sums = f"{change:>{changes}}{show_amount(balance):>{balances}}"
        first, *rest = tables.wrap(what, room if beside else tables.line_width() - 12)
        yield f"{day:<12}{first}" + (" " * (room - tables.width(first)) + sums if beside else "")
        yield from (f"{'':12}{line}" for line in rest)
        if not beside:
            yield sums.strip().rjust(tables.line_width())

    return lines


def _statement_widths(statement: Statement) -> tuple[int, int]:
    """Return the widths of the columns of changes and of balances, each with the space before it."""
    changes = [entry["amount"] for entry in statement["entries"]]
    balances = itertools.accumulate(changes, initial=statement["opening"])
    return (max([12, *(len(show_amount(amount)) for amount in changes)]) + 1,
            max(13, *(len(show_amount(balance)) for balance in balances)) + 1)


def backup_line(noted: Noted | None, may_change: bool) -> str:
    """Say when the last backup was; where that is long ago, how to make one."""
    how = ": Administration, Back up now, makes one" if may_change else ""
    if noted is None:
        return f"No backup yet{how}."
    days, at = max(noted["age_days"], 0), f"{noted['taken_at']:%H:%M}"
    if noted["is_old"]:
        return f"The last backup is {days} days old{how}."
    return f"Last backup {('today', 'yesterday', '2 days ago')[min(days, 2)]} at {at}."


def backup_lines(noted: Noted | None, kept: list[Kept]) -> Iterator[str]:
    """Yield what is known of the last backup and of what restores have kept, as About this database shows it."""
    if noted is None:
        yield "Backup     none yet"
    else:
        yield f"Backup     {noted['taken_at']:%Y-%m-%d %H:%M}, {show_size(noted['bytes'])}"
        yield f"           {noted['path']}"
        never = f"none ({settings.command('backup --check')} FILE)"
        tried = f"{noted['checked_at']:%Y-%m-%d %H:%M}" if noted["checked_at"] else never
        yield f"Tried      {tried}"
    for books in kept:
        yield f"Kept       {books['name']}, {show_size(books['bytes'])}"


def verification_lines(checked: Checked, findings: list[str]) -> Iterator[str]:
    """Yield what verify looked at, and each finding."""
    yield f"Checked {plural(checked['bills'], 'bill')} and {plural(checked['payments'], 'payment')}."
    yield from findings
    yield f"{plural(len(findings), 'finding')}." if findings else "Everything adds up."
