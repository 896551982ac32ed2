"""The command line: work for cron, by the same functions as the menus."""
from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import database
from tracker import (
    access,
    bill_run,
    demo,
    errors,
    fields,
    late_fees,
    payments,
    prices,
    reports,
    settings,
    stock,
    text,
    trail,
)
from tracker.accounts import merged
from tracker.terminal import (
    backups,
    choosing,
    history,
    outcomes,
    paging,
    paying,
    people,
    pick,
    prompts,
    screens,
    tables,
)
from tracker.terminal.progress import Progress, during
from tracker.terminal.prompts import confirm, say
from tracker.terminal.tables import Row, numbers
from tracker.transfer import everything, exporting, importing, kinds
from tracker.transfer import source as sources
from tracker.transfer.columns import MAPPED
from tracker.transfer.synonyms import means_something
from tracker.verify import verify

ANY_DAY = date(2100, 1, 1)
FORMATS = ("table", "csv", "json")
NO_SPAN = "The first day cannot be after the last."
Command = Callable[[argparse.Namespace], int]


def parser(version: str, run_menus: Command, serve: Command) -> argparse.ArgumentParser:
    """Describe the command line; without a command, the menus run. serve is what serves the page."""
    top = argparse.ArgumentParser(
        prog="isp-tracker" if settings.installed else "main.py",
        description="Track an internet provider's customers, sites, services, equipment and bills.",
        epilog="Without a command, the menus open. Settings stand in .env; README says where, and lists them.",
    )
    top.add_argument("--version", action="version", version=f"ISP Customer Tracker {version}")
    top.add_argument("--read-only", action="store_true",
                     help="open the database with writes off: a seat belt, while a login's rights are a lock")
    top.set_defaults(run=run_menus, schema="present")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, run: Command, summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        command.set_defaults(run=run)
        return command

    add_format(add("late-report", late_report_command, "customers late on payments, the longest late first"))
    accounts = add("account-report", account_report_command, "every customer with sites, services, equipment and bills")
    accounts.add_argument("--closed", action="store_true", help="with closed accounts")
    add_format(accounts)
    aging = add("aging-report", aging_report_command, "what customers owe, by age, the oldest first")
    aging.add_argument("--as-of", type=day, metavar="DATE", help="as it was on a past day")
    add_format(aging)
    revenue = add("revenue-report", revenue_report_command,
                  "recurring revenue by service; billed and collected by month")
    revenue.add_argument("--by", choices=("period", "issue"), default="period",
                         help="bills in the month they are for, else in that of their issue")
    equipment = add("equipment-report", equipment_report_command,
                    "what the equipment of each name is worth, at customers and in stock")
    equipment.add_argument("--model", metavar="NAME", help="who has the equipment of this name, instead")
    add_format(equipment)
    statement = add("statement", statement_command, "one customer's bills and payments over a span of days")
    statement.add_argument("customer", type=argument(fields.account_number), metavar="CUSTOMER")
    statement.add_argument("--from", dest="first", type=day, metavar="DATE", required=True)
    statement.add_argument("--to", dest="last", type=day, metavar="DATE", help="today, unless given")
    add_span(add("payments-received", payments_received_command,
                 "what was paid on a day or a span of days, by method, and each payment"))
    add_search(add("find", find_command, "customers, found as in the menus; exit with 1 if there are none"))
    add_payment(add("pay", pay_command, "record a payment of a customer"))
    add_bill_run(add("bill", bill_command, "bill every customer with services for a month, once"))
    add_price_change(add("change-price", change_price_command, "change what a service costs for all who have it"))
    add_late_fees(add("late-fees", late_fees_command, "charge the late fee for each bill that is late for long, once"))
    add_import(add("import", import_command, "add customers with sites, services and equipment from a CSV file"))
    add_bank(add("import-payments", import_payments_command, "book the payments of a bank's file, CSV or camt.053"))
    add_export(add("export", export_command, "write accounts, bills, payments or late customers as CSV"))
    add_whole(add("export-everything", export_everything_command, "write all the books, as CSV files in a .zip"))
    add("import-everything", import_everything_command, "fill an empty database from such a file").add_argument(
        "file", type=Path, metavar="FILE")
    add_wanted(add("changes", changes_command, "who changed what, newest first"))
    add("thin-trail", thin_command, "delete what of the trail is older than TRAIL_YEARS; for the tables' owner")
    add_people(add("people", people.list_command, "who may look at the records or change them, and changing that"))
    add_page(add("web", serve, "serve the page, for browsers on this machine"))
    add("demo", demo_command, f"fill an empty database with {demo.DEMO_CUSTOMERS} made-up customers")
    add("verify", verify_command, "prove that the money adds up; exit with 1 if anything is off")
    add_backup(add("backup", backups.backup_command, "back the books up to a file, or try whether one can be restored"))
    restored = add("restore", backups.restore_command, "put the books of a backup in place of the present ones")
    restored.add_argument("file", metavar="FILE")
    restored.set_defaults(schema="any")
    upgrade = add("upgrade", upgrade_command, "bring the database of an older program to this one's version")
    upgrade.add_argument("--yes", action="store_true", help="upgrade without asking")
    upgrade.set_defaults(schema="older")
    return top


def argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Make an argument's type of a prompt's parser: the same sentence says what is wrong."""
    def convert(answer: str) -> Any:
        try:
            return parse(answer)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from None

    return convert


def day(answer: str) -> Callable[[date], date]:
    """Check a day as far as it can be without the database, which knows what day today is."""
    argument(fields.day_from(ANY_DAY))(answer)
    return lambda today: fields.day_from(today)(answer)


def is_to_come(option: str, value: date, today: date) -> bool:
    """Complain about a day that has not come yet: what will be then is not known."""
    if value > today:
        prompts.complain(f"Enter a past day with {option}; {value} is still to come.")
    return value > today


def add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=FORMATS, default="table")


def add_span(command: argparse.ArgumentParser) -> None:
    command.add_argument("--from", dest="first", type=day, metavar="DATE", help="the last day alone, unless given")
    command.add_argument("--to", dest="last", type=day, metavar="DATE", help="the last day; today, unless given")
    add_format(command)


def add_search(command: argparse.ArgumentParser) -> None:
    command.add_argument("words", nargs="+", metavar="WORD",
                         help="an ID, or words of a name, phone number, address, e-mail address or serial number")
    add_format(command)


def add_payment(command: argparse.ArgumentParser) -> None:
    command.add_argument("customer", metavar="CUSTOMER", help="an ID, a reference such as C123, or an account number")
    command.add_argument("amount", type=argument(fields.positive_amount), metavar="AMOUNT")
    command.add_argument("--date", type=day, metavar="DATE", help="today, unless given")
    command.add_argument("--method", type=argument(fields.one_of(payments.METHODS)), default="transfer",
                         metavar="METHOD", help=f"{', '.join(payments.METHODS)}; else transfer")
    command.add_argument("--reference", type=argument(fields.text(100)), metavar="TEXT")
    command.add_argument("--yes", action="store_true", help="record what looks like a slip or a repetition, too")


def add_bill_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--period", type=argument(fields.month), metavar="YYYY-MM", required=True)
    command.add_argument("--due", type=day, metavar="DATE",
                         help="the 15th, or 14 days from now when that is past")
    command.add_argument("--dry-run", action="store_true", help="show what would be billed, and stop")
    command.add_argument("--yes", action="store_true", help="bill without asking for the total")


def add_price_change(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="a service name in use")
    command.add_argument("cost", type=argument(fields.amount), metavar="COST", help="the new monthly cost")
    command.add_argument("--from", dest="from_day", type=day, metavar="DATE", required=True,
                         help="the first day of the new cost")
    command.add_argument("--all-prices", action="store_true",
                         help="change prices of their own, too: those that are not the usual one of today")
    command.add_argument("--dry-run", action="store_true", help="show what would change, and stop")
    command.add_argument("--yes", action="store_true", help="change without asking for the new total")


def add_late_fees(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="show what would be charged, and stop")
    command.add_argument("--yes", action="store_true", help="charge without asking for the total")


def add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="- is standard input")
    command.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
    command.add_argument("--yes", action="store_true", help="import without asking")
    command.add_argument("--map", action="append", default=[], metavar="FIELD=HEADER",
                         help="the column of a field, joined (name=First+Last), the first that is filled "
                              "(phone_number=Phone|Mobile), by number (name=2) or worked out (balance=-Saldo, "
                              f"service_cost=Price/Months); fields are {', '.join(MAPPED)}")
    command.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                         help="what a field is where the file does not say it, such as equipment_cost=0")
    command.add_argument("--price", action="append", default=[], metavar="PLAN=PRICE",
                         help="what a plan costs a month where the file does not say it")
    command.add_argument("--status", action="append", default=[], metavar="WORD=STATUS",
                         help="what a word of a status column means: active, paused or closed")
    command.add_argument("--decimal", choices=("point", "comma"), help="the decimal sign; else what the columns show")
    command.add_argument("--dates", choices=("day", "month"), help="what comes first in dates; else what they show")
    command.add_argument("--balance-date", type=day, metavar="DATE",
                         help="the day of opening balances, from which on they are late; else today")
    command.add_argument("--balance-total", type=argument(fields.balance), metavar="AMOUNT",
                         help="what opening balances must come to; with --yes nothing is imported without it")
    command.add_argument("--encoding", default="", help="how the file is encoded, such as cp1252; else what it shows")
    command.add_argument("--delimiter", default="", help=", or ; or tab or |; else what the lines show")
    command.add_argument("--no-header", action="store_true", help="the first line is a customer; columns have numbers")


def add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("what", choices=exporting.EXPORTS)
    command.add_argument("file", nargs="?", default="", metavar="FILE", help="else standard output")
    command.add_argument("--yes", action="store_true", help="replace a file that exists")
    forms = command.add_mutually_exclusive_group()
    for option, form, summary in (
        ("--excel", exporting.EXCEL, "for an Excel that writes 9,90: semicolons, decimal commas and a mark of UTF-8"),
        ("--excel-point", exporting.EXCEL_POINT, "for an Excel that writes 9.90: a mark of UTF-8"),
        ("--raw", exporting.RAW, "for programs: no apostrophe before what a spreadsheet would run as a formula"),
    ):
        forms.add_argument(option, dest="form", action="store_const", const=form, default=exporting.PLAIN, help=summary)


def add_page(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1",
                         help="the address to listen at; else this machine's own, 127.0.0.1")
    command.add_argument("--port", type=argument(fields.port), default=8000, help="else 8000; 0 takes a free one")
    command.add_argument("--open", action="store_true", help="open it in a browser here")
    command.add_argument("--viewer-link", action="store_true",
                         help="print a second link, to look and not change; for the embedded database")


def add_wanted(command: argparse.ArgumentParser) -> None:
    command.add_argument("--from", dest="first", type=day, metavar="DATE")
    command.add_argument("--to", dest="last", type=day, metavar="DATE")
    command.add_argument("--person", help="a name that screens show, or a login")
    command.add_argument("--kind", choices=trail.KINDS)
    command.add_argument("--table", choices=trail.KEYS)
    add_format(command)


def add_backup(command: argparse.ArgumentParser) -> None:
    command.set_defaults(schema="older")  # before an upgrade, too
    command.add_argument("folder", nargs="?", metavar="FOLDER",
                         help="else where the last one went, or the data folder's")
    command.add_argument("--keep", type=argument(fields.keep), metavar="7d,4w,12m",
                         help="then remove older ones, but for the last of so many days, weeks, months, years (y)")
    command.add_argument("--check", metavar="FILE",
                         help="restore a backup into a database of its own, compare, verify, and drop that")


def changes_command(arguments: argparse.Namespace) -> int:
    today = database.today()
    first, last = (chosen and chosen(today) for chosen in (arguments.first, arguments.last))
    if first and last and first > last:
        prompts.complain("The first day of the changes cannot be after their last.")
        return 1
    wanted = trail.Wanted(first, last, arguments.person, arguments.kind, arguments.table)
    if arguments.format == "table":
        history.show_changes(wanted)
    elif arguments.format == "csv":
        with database.reporting():
            tables.write_csv(history.as_texts(history.exported(trail.stream_changes(wanted))), history.CHANGE_KEYS)
    else:
        with database.reporting():
            tables.write_json(history.exported(trail.stream_changes(wanted)))
    return 0


def thin_command(arguments: argparse.Namespace) -> int:
    check_may_change()
    if not (rights := database.rights())["is_owner"]:
        raise errors.Forbidden(f"That is for the owner of the tables, {rights['owner']}.")
    gone = during("Thinning the trail", trail.thin)
    years = text.plural(trail.years_kept(), "year")
    say(f"Deleted {text.plural(gone, 'row')} of the trail older than {years}." if gone
        else f"Nothing of the trail is older than {years}.")
    return 0


def add_people(command: argparse.ArgumentParser) -> None:
    add_format(command)
    actions = command.add_subparsers(title="what is done", metavar="WORD")

    def add(name: str, run: Command, summary: str, login: Callable[[str], Any] = str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=summary, description=summary.capitalize() + ".")
        action.set_defaults(run=run)
        if name != "list":
            action.add_argument("login", type=login, metavar="LOGIN")
        return action

    lists = add("list", people.list_command, "list them, which is done without a word, too")
    lists.add_argument("--format", choices=FORMATS, default=argparse.SUPPRESS)
    added = add("add", people.add_command, "add a person, whose password is asked for or a line of piped input",
                argument(fields.login))
    added.add_argument("--role", choices=people.ROLES, default=people.ROLES[0])
    added.add_argument("--until", type=until, metavar="DATE", help="the last day on which the password is taken")
    changed = add("password", people.password_command, "give a person another password")
    for action in (added, changed):
        action.add_argument("--generate", action="store_true", help="make a password, and print it once")
    add("role", people.role_command, "change what a person may do").add_argument("role", choices=people.ROLES)
    add("until", people.until_command, "set the last day on which a person's password is taken").add_argument(
        "until", type=until, metavar="DATE", help="or none")
    add("lock", people.lock_command, "keep a person out, and end their sessions")
    add("unlock", people.unlock_command, "let a locked person in again")
    removed = add("remove", people.remove_command, "remove a person's login; what it changed stays")
    removed.add_argument("--yes", action="store_true", help="remove without asking")


def until(answer: str) -> str:
    """Check the last day of a login as far as it can be without the database; none is none."""
    if answer.casefold() == "none":
        return "none"
    day(answer)
    return answer


def add_whole(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--yes", action="store_true", help="replace a file that exists")


def add_bank(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE")
    command.add_argument("--bank", metavar="NAME", type=argument(fields.text(50)),
                         help="read it as remembered under this name, and remember it")
    command.add_argument("--map", action="append", default=[], metavar="FIELD=HEADER",
                         help="which column is which, as in amount=Betrag; booked_on, payer and reference are others")
    command.add_argument("--days", choices=("DMY", "MDY", "YMD"), help="the order of day, month and year")
    command.add_argument("--decimal", choices=(",", "."), help="the sign before the cents")
    command.add_argument("--dry-run", action="store_true", help="show what would be booked, and write nothing")
    command.add_argument("--yes", action="store_true", help="book without asking")


def import_payments_command(arguments: argparse.Namespace) -> int:
    check_may_change()
    from tracker.terminal import bank_files  # slow to import, and no other command needs it
    return bank_files.import_payments_command(arguments)


def check_may_change() -> None:
    """Raise Forbidden where nothing may be changed, before anything is asked or read."""
    if why_not := database.rights()["why_not"]:
        raise errors.Forbidden(f"That changes the database, and this is read-only: {why_not}.")


def write(form: str, rows: Iterable[Row], columns: list[tables.Column]) -> None:
    if form == "csv":
        tables.write_csv(rows, [column.key for column in columns])
    else:
        tables.write_json(rows)


@database.reporting()
def late_report_command(arguments: argparse.Namespace) -> int:
    if arguments.format == "table":
        show_late()
    elif arguments.format == "csv":
        write("csv", ({**row, "promise": text.show_promise(row["promise"]) or None}
                      for row in reports.stream_late_customers()), screens.LATE)
    else:
        write("json", reports.stream_late_customers(), screens.LATE)
    return 0


@database.reporting()
def show_late(opens: Callable[[Row], object] | None = None) -> None:
    """Show the late-payment report, a page at a time on a terminal; there opens is given the row that is chosen."""
    def totals() -> tuple[str, str, Row | None]:
        total = reports.late_total()
        return str(total["customers"]), screens.late_footer(total), None

    counted, footer, _ = totals()
    if counted == "0":
        say(footer)
        return
    paging.browse(
        screens.LATE, reports.late_customers, lambda row: (row["oldest_due_date"], row["customer_id"]), None,
        counted, footer, stream=reports.stream_late_customers, opens=opens, renew=totals,
    )


@database.reporting()
def account_report_command(arguments: argparse.Namespace) -> int:
    if arguments.format == "table":
        show_accounts(arguments.closed)
    elif arguments.format == "json":
        tables.write_json(reports.stream_accounts(arguments.closed))
    else:
        tables.write_csv(screens.account_records(reports.stream_accounts(arguments.closed)), screens.RECORD_KEYS)
    return 0


@database.reporting()
def show_accounts(closed: bool = False) -> None:
    """Show the full-account report: pages on a terminal, with no transaction open while one is read; else a stream."""
    accounts = reports.each_account(closed) if prompts.on_terminal() else reports.stream_accounts(closed)
    paging.show_lines(screens.accounts_report_lines(accounts))


@database.reporting()
def aging_report_command(arguments: argparse.Namespace) -> int:
    today = database.today()
    as_of = arguments.as_of and arguments.as_of(today)
    if as_of and is_to_come("--as-of", as_of, today):
        return 1
    if arguments.format == "table":
        show_aging(as_of)
    else:
        rows: Iterable[Row] = reports.stream_aging(as_of)
        write(arguments.format, ({column.key: row[column.key] for column in screens.AGING} for row in rows),
              screens.AGING)
    return 0


@database.reporting()
def show_aging(as_of: date | None, titled: bool = False, opens: Callable[[Row], object] | None = None) -> None:
    """Show what customers owe by age, on a day or today, the oldest first; titled says what that is, opens as in
    show_late.
    """
    def totals() -> tuple[str, str, Row | None]:
        total = during("Adding up what is owed", lambda: reports.aging_total(as_of))
        if titled and total["customers"]:
            say(screens.aging_title(total))
        return str(total["customers"]), "", screens.aging_total(total)

    counted, _, total_row = totals()
    if counted == "0":
        print("Nobody owes anything.")
        return
    paging.browse(
        screens.AGING,
        lambda after, limit: during("Adding up what is owed", lambda: reports.aging(as_of, after, limit)),
        lambda row: (row["oldest_due_date"], row["customer_id"]), None, counted,
        total_row=total_row, stream=lambda: reports.stream_aging(as_of), opens=opens, renew=totals,
    )


@database.reporting()
def payments_received_command(arguments: argparse.Namespace) -> int:
    today = database.today()
    last = arguments.last(today) if arguments.last else today
    first = arguments.first(today) if arguments.first else last
    if is_to_come("--to", last, today):
        return 1
    if first > last:
        prompts.complain(NO_SPAN)
        return 1
    if arguments.format == "table":
        show_payments_received(first, last)
    elif arguments.format == "csv":
        tables.write_csv(reports.stream_received(first, last), screens.RECEIVED_KEYS)
    else:
        tables.write_json(reports.stream_received(first, last))
    return 0


@database.reporting()
def show_payments_received(first: date, last: date, opens: Callable[[Row], object] | None = None) -> None:
    """Show what was paid from first to last, by method and then each payment; opens is as in show_late."""
    received = during("Adding up", lambda: reports.payments_received(first, last))
    if not received["days"]:
        say(f"No payments {screens.on_days(first, last)}.")
        return
    paging.browse(
        screens.RECEIVED, lambda after, limit: reports.list_received(received, after, limit),
        lambda row: (row["day"], row["payment_id"], int(row["kind"].startswith("void"))), None,
        str(sum(row["entries"] for row in received["days"])), head=list(screens.received_lines(received)),
        stream=lambda: reports.stream_received(first, last), opens=opens,
    )


def pay_command(arguments: argparse.Namespace) -> int:
    check_may_change()
    today = database.today()
    paid_on = arguments.date(today) if arguments.date else today
    if is_to_come("--date", paid_on, today):
        return 1
    from uuid import uuid4  # slow to import, and no other command needs it
    customer_id = paying.customer_of(arguments.customer)["customer_id"]
    if not arguments.yes:
        paying.refuse_doubtful(customer_id, arguments.amount, paid_on, arguments.reference)
    paying.say_paid(paying.save_payment(
        customer_id, arguments.amount, paid_on, arguments.method, arguments.reference, uuid4()))
    return 0


def find_command(arguments: argparse.Namespace) -> int:
    """Show whom words mean, as the menus find them: 0, or 1 where that is nobody."""
    try:
        term = fields.text(300)(" ".join(arguments.words))
    except ValueError as exc:
        prompts.complain(str(exc))
        return 1
    found = pick.customers_meant(term)
    if arguments.format != "table":
        write(arguments.format, found.rows, screens.CUSTOMER_HITS)
    elif found.rows:
        show_found(found.rows)
    if not found.rows:
        prompts.complain(f"No customer matches {term}.")
        return 1
    if found.total > len(found.rows):
        prompts.note(f"These are the first {len(found.rows)}; more words find fewer.")
    return 0


def show_found(customers: Sequence[Row]) -> None:
    rows = [{**row, "place": place} for place, row in enumerate(customers, 1)]
    paging.browse(screens.CUSTOMER_HITS, lambda after, limit: rows[after:after + limit], lambda row: row["place"], 0,
                  str(len(rows)))


def revenue_report_command(arguments: argparse.Namespace) -> int:
    show_revenue(arguments.by)
    return 0


@database.reporting()
def show_revenue(by: str = "period") -> None:
    """Show revenue, bills by the month they are for, or by date of issue."""
    recurring, months = during("Adding up", lambda: (reports.recurring_revenue(), reports.monthly_revenue(by)))
    paging.show_lines(screens.revenue_lines(recurring, months, by))


@database.reporting()
def equipment_report_command(arguments: argparse.Namespace) -> int:
    if arguments.model is not None and not stock.count_of_model(arguments.model):
        raise errors.NotFound("equipment named", arguments.model)
    if arguments.format == "table":
        if arguments.model is None:
            show_models()
        else:
            show_model(arguments.model)
    elif arguments.model is None:
        write(arguments.format, stock.models(), screens.MODELS)
    else:
        write(arguments.format, stock.stream_of_model(arguments.model), screens.EQUIPMENT)
    return 0


@database.reporting()
def show_models(opens: Callable[[Row], object] | None = None) -> None:
    """Show what the devices of each name are worth, and on a terminal who has them; there opens is as in show_late."""
    def open_model(row: Row) -> bool:
        show_model(row["equipment_name"], opens)
        return True

    models = during("Adding up", stock.models)
    if not models:
        print("No equipment.")
        return
    rows: list[Row] = [{"number": i, **model} for i, model in enumerate(models, 1)]
    paging.browse(
        [numbers("#", "number"), *screens.MODELS], lambda after, limit: rows[after:after + limit],
        lambda row: row["number"], 0, str(len(rows)), total_row=screens.models_total(models), opens=open_model,
    )


@database.reporting()
def show_model(equipment_name: str, opens: Callable[[Row], object] | None = None) -> None:
    """Show who has devices of a name, a page at a time on a terminal."""
    paging.browse(
        screens.EQUIPMENT, lambda after, limit: stock.list_of_model(equipment_name, after, limit),
        lambda row: row["equipment_id"], 0, str(stock.count_of_model(equipment_name)),
        stream=lambda: stock.stream_of_model(equipment_name), opens=opens,
    )


@database.reporting()
def statement_command(arguments: argparse.Namespace) -> int:
    today = database.today()
    first, last = arguments.first(today), arguments.last(today) if arguments.last else today
    if is_to_come("--to", last, today):
        return 1
    if first > last:
        prompts.complain("The first day of a statement cannot be after its last.")
        return 1
    customer = pick.named(arguments.customer)
    if customer["merged_into"]:
        raise errors.Conflict(merged(customer))
    show_statement(customer["customer_id"], first, last)
    return 0


@database.reporting()
def show_statement(customer_id: int, first: date, last: date) -> None:
    paging.show_lines(screens.statement_lines(reports.get_statement(customer_id, first, last), first, last))


def bill_command(arguments: argparse.Namespace) -> int:
    if not arguments.dry_run:
        check_may_change()
    today = database.today()
    due_date = arguments.due(today) if arguments.due else bill_run.default_due_date(arguments.period, today)
    preview = during("Adding up", lambda: bill_run.preview(arguments.period))
    for line in screens.bill_preview_lines(arguments.period, due_date, today, preview):
        say(line)
    if refused_as_too_large(preview):
        return 1
    if arguments.dry_run:
        return 0
    if not arguments.yes and not confirm_total(arguments.period, preview):
        return 1
    run_bills(arguments.period, due_date, None if arguments.yes else preview["total"])
    return 0


def refused_as_too_large(preview: bill_run.Preview) -> bool:
    """Name those whom no bill can be made for, since the whole run waits for them to be mended."""
    for account in preview["too_large"]:
        prompts.complain(bill_run.too_large(account))
    if preview["too_large"]:
        prompts.complain("Nobody is billed until their services cost less.")
    return bool(preview["too_large"])


def confirm_total(period: date, preview: bill_run.Preview) -> bool:
    """Ask for the total to be typed; a person may look at the lists of the preview before.

    There is nothing to ask when nobody would be billed.
    """
    if not preview["customers"]:
        return True
    total = text.show_amount(preview["total"])
    if confirm(f"Type the total, {total}, to bill:", total, offered(preview_lists(period, preview))):
        return True
    prompts.complain("That is not the total; nobody was billed.")
    return False


def offered(lists: Mapping[str, Callable[[], object]]) -> dict[str, Callable[[], object]]:
    """Tell a person which lists there are, by what they are called, and return what shows each, by the number to type;
    piped, none.
    """
    if not lists or not prompts.attended():
        return {}
    numbered = ", ".join(f"{number} {what}" for number, what in enumerate(lists, 1))
    say(f"To look at a list, type its number: {numbered}.")
    return {str(number): show for number, show in enumerate(lists.values(), 1)}


def preview_lists(period: date, preview: bill_run.Preview) -> dict[str, Callable[[], None]]:
    """Return what shows each list of a preview that has something, by what it is called."""
    lists: list[tuple[str, int, list[tables.Column], Callable[[], Sequence[Row]]]] = [
        ("new", preview["new"], screens.NEW_BILLS, lambda: bill_run.preview_accounts(period, "new")),
        ("gone", preview["gone"], screens.GONE_BILLS, lambda: bill_run.preview_accounts(period, "gone")),
        ("with another amount", preview["changed"], screens.CHANGED_BILLS,
         lambda: bill_run.preview_accounts(period, "changed")),
        ("part of the month", preview["prorated"], screens.PREVIEW_LINES,
         lambda: bill_run.preview_lines(period, False)),
        ("made good", preview["made_good"], screens.PREVIEW_LINES, lambda: bill_run.preview_lines(period, True)),
    ]
    return {what: functools.partial(show_preview_list, count, columns, fetch)
            for what, count, columns, fetch in lists if count}


def show_preview_list(count: int, columns: list[tables.Column], fetch: Callable[[], Sequence[Row]]) -> None:
    rows = [{**row, "place": place} for place, row in enumerate(during("Adding up", fetch), 1)]
    paging.browse(columns, lambda after, limit: rows[after:after + limit], lambda row: row["place"], 0, f"{count}")


def run_bills(period: date, due_date: date, total: Decimal | None) -> None:
    """Bill a month, with the total that was agreed to, if one was, and say what was done."""
    result = during("Billing", lambda: bill_run.run(period, due_date, total))
    credit = f", {text.show_amount(result['from_credit'])} paid from credit" if result["from_credit"] else ""
    say(f"Created {result['created']}, skipped {result['skipped']}; {text.show_amount(result['total'])} billed, "
        f"due {due_date}{credit}.")
    if result["gone"]:
        say(f"Left out, since deleted meanwhile: {text.plural(result['gone'], 'customer')}.")


def change_price_command(arguments: argparse.Namespace) -> int:
    if not arguments.dry_run:
        check_may_change()
    today = database.today()
    name = prices.get_plan(arguments.name)["service_name"]
    change = prices.Change(name, arguments.cost, arguments.from_day(today), arguments.all_prices)
    preview = show_price_change(change, today)
    if arguments.dry_run or not preview["changing"]:
        return 0
    if not arguments.yes and not confirm_price_change(preview, price_lists(change, preview)):
        return 1
    make_price_change(change, None if arguments.yes else preview)
    return 0


def show_price_change(change: prices.Change, today: date) -> prices.Preview:
    """Show what a change of a price would do, and return it."""
    preview = during("Adding up", lambda: prices.preview(change))
    for line in screens.price_change_lines(change, today, preview):
        say(line)
    return preview


def price_lists(change: prices.Change, preview: prices.Preview) -> dict[str, Callable[[], object]]:
    """Say which lists of a preview a person may look at, and return what shows each, by the number to type."""
    lists = [("those that change", preview["changing"], prices.list_changing),
             ("prices of their own", preview["own"], prices.list_own)]
    return offered({what: functools.partial(show_prices, change, count, fetch)
                    for what, count, fetch in lists if count})


def show_prices(
    change: prices.Change, count: int, fetch: Callable[[prices.Change, int, int], Sequence[Row]]
) -> None:
    paging.browse(screens.PRICED, functools.partial(fetch, change), lambda row: row["service_id"], 0, str(count))


def confirm_price_change(preview: prices.Preview, lists: Mapping[str, Callable[[], object]]) -> bool:
    total = text.show_amount(preview["total_after"])
    if confirm(f"Type the new monthly total, {total}, to change the price:", total, lists):
        return True
    prompts.complain("That is not the total; nothing was changed.")
    return False


def make_price_change(change: prices.Change, seen: prices.Preview | None) -> None:
    """Change a price, if it does what was seen, where that was, and say what was done."""
    done = during("Changing", lambda: prices.change_price(change, seen))
    say(f"Changed {text.plural(done['changing'], 'service')} to {text.show_amount(change.cost)} from "
        f"{change.from_day}; {text.show_amount(done['total_after'])} a month.")


def late_fees_command(arguments: argparse.Namespace) -> int:
    if not arguments.dry_run:
        check_may_change()
    preview = preview_late_fees()
    if arguments.dry_run:
        return 0
    if not arguments.yes and not confirm_late_fees(preview):
        return 1
    charge_late_fees(None if arguments.yes else preview["total"])
    return 0


def preview_late_fees() -> late_fees.Preview:
    fee = late_fees.in_force()
    preview = during("Looking for late bills", late_fees.preview)
    for line in screens.late_fee_lines(fee, preview):
        say(line)
    return preview


def confirm_late_fees(preview: late_fees.Preview) -> bool:
    """Ask for the total to be typed, and show the bills on demand; there is nothing to ask where there are none."""
    if not preview["bills"]:
        return True
    total = text.show_amount(preview["total"])
    lists = offered({"bills to charge for": lambda: paging.browse(
        screens.LATE_BILLS, late_fees.list_charged, lambda row: row["billing_id"], 0, str(preview["bills"]))})
    if confirm(f"Type the total, {total}, to charge:", total, lists):
        return True
    prompts.complain("That is not the total; nobody was charged.")
    return False


def charge_late_fees(total: Decimal | None) -> None:
    """Charge the late fees, with the total that was agreed to, if one was, and say what was done."""
    result = during("Charging", lambda: late_fees.run(total))
    credit = f", {text.show_amount(result['from_credit'])} paid from credit" if result["from_credit"] else ""
    say(f"Created {text.plural(result['created'], 'late fee')} for {text.plural(result['customers'], 'customer')}; "
        f"{text.show_amount(result['total'])} billed, due {result['due_date']}{credit}.")


def verify_command(arguments: argparse.Namespace) -> int:
    return 1 if show_verification() else 0


def show_verification() -> list[str]:
    """Verify the books, show the result, and return the findings."""
    with Progress("Verifying") as progress:
        checked, findings = verify(progress)
    for line in screens.verification_lines(checked, findings):
        say(line)
    return findings


def upgrade_command(arguments: argparse.Namespace) -> int:
    """Upgrade the database, once what that does was shown and agreed to."""
    plan = database.plan_upgrade()
    if not plan.pending:
        rights = database.rights()
        if rights["is_owner"] and not rights["why_not"]:
            access.give_rights()
        print(f"Already at version {plan.version}.")
        return 0
    for line in screens.upgrade_lines(database.describe_server(), plan):
        say(line)
    if not arguments.yes and not confirm("Type yes to upgrade:"):
        print("Not upgraded.")
        return 1
    try:
        with Progress("Upgrading") as progress:
            done = database.upgrade(progress.note)
    except (errors.ConnectionLost, errors.OutcomeUnknown):
        prompts.complain(f"The connection was lost; run {settings.command('upgrade')} again, which begins where "
                         "this one ended.")
        return 1
    print(f"{'Upgraded to' if done else 'Already at'} version {plan.pending[-1].version}.")
    return 0


def demo_command(arguments: argparse.Namespace) -> int:
    check_may_change()
    during("Making customers up", lambda: demo.fill(demo.DEMO_CUSTOMERS))
    during("Letting them live", demo.enliven)
    say(f"Added a made-up provider of {demo.DEMO_CUSTOMERS} customers, {database.count_closed_customers()} of them "
        "closed.")
    return 0


def import_command(arguments: argparse.Namespace) -> int:
    """Import a file: 0 when all of it is there afterwards, 1 when lines were rejected or nothing was done."""
    check_may_change()  # a dry run, too: its temporary tables are no reader's to make
    if arguments.file == "-" and not (arguments.yes or arguments.dry_run):
        raise errors.BadFile("Standard input is the file, and nobody can type yes there: give --dry-run or --yes.")
    try:
        return import_file(arguments)
    except errors.UnclearEncoding as exc:
        readings = "; ".join(f"{encoding} reads {', '.join(names)}" for encoding, names in exc.candidates)
        raise errors.BadFile(f"{exc} Give the one that reads right, as in --encoding {exc.candidates[0][0]}: "
                             f"{readings}.") from exc
    except errors.UnclearDelimiter as exc:
        raise errors.BadFile(f"{exc} Give --delimiter , or ; or tab or '|'.") from exc
    except errors.NoHeader as exc:
        raise errors.BadFile(f"{exc} Give --no-header, and the columns by number, as in --map name=1.") from exc
    except errors.BadEncoding as exc:
        raise errors.BadFile(f"{exc} Give the one that it has, as in --encoding cp1252.") from exc


def import_file(arguments: argparse.Namespace) -> int:
    named = {name.strip() for answer in arguments.map for name in re.split("[+|]", answer.partition("=")[2])}
    source = sources.open_source(
        kinds.STANDARD_INPUT if arguments.file == "-" else Path(arguments.file), arguments.encoding,
        arguments.delimiter, not arguments.no_header,
        lambda cells: means_something(cells) + len(named.intersection(cells)))
    say_layout(source)
    choices = choosing.by_options(source, choosing.said(arguments, source))
    choosing.show(source, choices)
    as_of = arguments.balance_date and arguments.balance_date(database.today())
    if arguments.yes and not arguments.dry_run:
        with Progress("Importing") as progress:
            outcome = importing.load(source, choices, None, progress, importing.Terms(
                hold_alike=True, as_of=as_of, must_total=True, total=arguments.balance_total))
        outcomes.show_outcome(outcome)
        outcomes.say_imported(outcome)
        return 1 if outcome.rejects else 0
    checked = outcomes.check_import(source, choices)
    if checked is None:
        return 0
    if arguments.dry_run:
        print("A dry run: nothing was written.")
    elif not outcomes.import_confirmed(source, choices, checked, lambda: as_of):
        return 1
    return 1 if checked.rejects else 0


def export_command(arguments: argparse.Namespace) -> int:
    if arguments.file not in ("", "-"):
        try:
            with Progress("Exporting") as progress:
                exporting.export(arguments.what, Path(arguments.file), arguments.yes, progress, arguments.form)
        except errors.FileExists as exc:
            prompts.complain(f"{exc} Give --yes to replace it.")
            return 1
    elif sys.stdout.isatty():
        exporting.export_to(arguments.what, exporting.Cleaned(sys.stdout), arguments.form._replace(has_mark=False))
    else:
        sys.stdout.flush()
        exporting.export_to(arguments.what, sys.stdout.buffer, arguments.form)
        sys.stdout.flush()
    return 0


def export_everything_command(arguments: argparse.Namespace) -> int:
    try:
        export_everything(arguments.file, arguments.yes)
    except errors.FileExists as exc:
        prompts.complain(f"{exc} Give --yes to replace it.")
        return 1
    return 0


def export_everything(path: Path, overwrite: bool) -> None:
    with Progress("Exporting") as progress:
        rows = everything.export(path, overwrite, progress)
    say(f"Exported everything, {books(rows)}, to {path}.")


def import_everything_command(arguments: argparse.Namespace) -> int:
    check_may_change()
    return 1 if import_everything(arguments.file) else 0


def import_everything(path: Path) -> list[str]:
    """Fill an empty database, verify it, and return the findings."""
    with Progress("Importing") as progress:
        rows = everything.load(path, progress)
    say(f"Imported everything, {books(rows)}.")
    return show_verification()


def books(rows: Mapping[str, int]) -> str:
    return (f"{text.plural(rows['customers'], 'customer')}, {text.plural(rows['billing'], 'bill')} and "
            f"{text.plural(rows['payments'], 'payment')}")


def say_layout(source: sources.Source) -> None:
    """Say what of a file's layout is not as usual, and which of its letters are not as they should be."""
    if source.titles:
        say(f"The header is on line {source.header_line}.")
    if not source.header_line:
        say(f"Without a header; its {text.plural(len(source.headers), 'column')} have numbers from 1.")
    if source.garbled:
        prompts.note(source.garbled)
