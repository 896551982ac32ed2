"""Records into CSV files, streamed from the server."""
from __future__ import annotations

import codecs
import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import IO, Any, NamedTuple

import psycopg2
import psycopg2.extensions

import database
from tracker import reports, text
from tracker.cursor import be_patient
from tracker.errors import FileExists
from tracker.files import device, kind_to_write, part_of, put
from tracker.reports import Sort
from tracker.transfer.lines import Progress, silent

TOLD_EVERY = 1_000

# All that Python strips, as SQL.
SPACES = "U&'" + "".join(f"\\{code:04X}" for code in range(0x3001) if chr(code).isspace()) + "'"


class Form(NamedTuple):
    """How an export is written: whether a text that a spreadsheet would run is guarded, and for which decimal sign."""

    is_guarded: bool = True
    has_mark: bool = False  # at its beginning, by which Excel knows UTF-8
    delimiter: str = ","
    decimal: str = "."


PLAIN, RAW = Form(), Form(is_guarded=False)
# Where Excel's decimal sign is a comma, a semicolon separates columns, and 9.10 would be the 9th of October.
EXCEL, EXCEL_POINT = Form(has_mark=True, delimiter=";", decimal=","), Form(has_mark=True)


@database.reporting()
def export(
    what: str, path: Path, overwrite: bool = False, progress: Progress = silent, form: Form = PLAIN
) -> int:
    """Write records to a file and return how many lines; raise FileExists when it may not be replaced.

    The file appears when it is whole; a new one is its owner's alone. A device or a pipe is written to as it is.
    """
    kind = kind_to_write(path)
    if kind == "file" and not overwrite:
        raise FileExists(path)
    if kind == "device":
        with device(path) as file:
            return export_to(what, Followed(what, file, progress), form)
    return _export_whole(what, path, overwrite, progress, form)


@database.retried
def _export_whole(what: str, path: Path, overwrite: bool, progress: Progress, form: Form) -> int:
    with part_of(path) as part:
        count = export_to(what, Followed(what, part.file, progress), form)
        put(part, path, replace=overwrite)
        return count


@database.reporting()
def export_to(what: str, file: Any, form: Form = PLAIN) -> int:
    """Write records as CSV, in UTF-8, to a binary file, and return how many lines after the header."""
    if form.has_mark:
        file.write(codecs.BOM_UTF8)
    return EXPORTS[what](file, form)


class Followed:
    """A binary file that tells how many lines were written to it, of about how many."""

    def __init__(self, what: str, file: IO[bytes], progress: Progress) -> None:
        self._what, self._file, self._progress = what, file, progress
        self._count = 0
        self._whole = 0 if progress is silent else _about_how_many(what)

    def write(self, line: bytes) -> int:
        if self._count % TOLD_EVERY == 0:
            self._progress(f"Exporting {self._what}", self._count, self._whole)
        self._count += 1
        return self._file.write(line)


def _about_how_many(what: str) -> int:
    """Return about how many lines an export has, by what the planner knows; 0 when it does not know."""
    return database.fetch_value(
        """
        SELECT coalesce(max(greatest(reltuples, 0)), 0)::bigint AS lines
        FROM pg_class
        WHERE oid = ANY (%(tables)s::regclass[])
        """,
        tables=TABLES[what],
    )


class Cleaned:
    """A binary file in front of a terminal: no character that could steer it goes through."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal

    def write(self, line: bytes) -> int:
        self._terminal.write(text.clean(line.decode().rstrip("\n")) + "\n")
        return len(line)


def _copy(query: str, file: Any, form: Form) -> int:
    """Let the server write what a query returns as CSV, straight to a file; nothing of it stays in memory.

    Every text is quoted, so that no locale's spreadsheet finds another column in it.
    """
    with database.reading() as cur:
        be_patient(cur)
        cur.execute("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
        cur.execute(f"SELECT * FROM ({query}) AS line LIMIT 0")  # noqa: S608 (queries of this room)
        columns = {column.name: column.type_code for column in cur.description or ()}
        cells = ", ".join(_cell(name, kind, form) for name, kind in columns.items())
        texts = ", ".join(name for name, kind in columns.items() if kind in psycopg2.STRING.values)
        try:
            cur.copy_expert(
                f"COPY (SELECT {cells} FROM ({query}) AS line) TO STDOUT "  # noqa: S608 (columns that we have named)
                f"WITH (FORMAT csv, HEADER, DELIMITER '{form.delimiter}', FORCE_QUOTE ({texts}))", file)
        except OSError:
            cur.connection.cancel()
            raise
        return cur.rowcount


def _cell(name: str, kind: int, form: Form) -> str:
    """Return SQL for a column as it is written."""
    if kind in psycopg2.STRING.values and form.is_guarded:
        return safe(name)
    if kind in psycopg2.extensions.DECIMAL.values and form.decimal != ".":
        return f"replace({name}::text, '.', '{form.decimal}') AS {name}"
    return name


def safe(column: str) -> str:
    """Return SQL for a column of text as text.spreadsheet_safe shows it: by the first characters' numbers, which is
    quicker than by themselves.
    """
    signs = ", ".join(str(ord(sign)) for sign in text.RISKY_SIGNS)
    words = ", ".join(f"'{word}'" for word in sorted(text.EMPTY_WORDS))
    risky = f"ascii({column}) IN (9, 13) OR ascii(ltrim({column}, {SPACES})) IN ({signs}) OR {column} IN ({words})"
    return f"CASE WHEN {risky} THEN '''' || {column} ELSE {column} END AS {column}"


def _export_accounts(file: Any, form: Form, closed: bool = False) -> int:
    """Write what an import reads: a line for each site, more where it has several services or devices.

    Their IDs tell two equal ones from one that stands in two lines. closed writes the closed accounts instead, with
    their last days.
    """
    return _copy(
        f"""
        SELECT customer_id, account_number, name, phone_number, email, address,
               service_id, service_name, service_cost,
               equipment_id, equipment_name, serial_number, equipment_cost
               {', closed_on' if closed else ''}
        FROM customers
        LEFT JOIN locations USING (customer_id)
        LEFT JOIN (
            SELECT *
            FROM (
                SELECT location_id, service_id, service_name, cost::numeric(12,2) AS service_cost,
                       row_number() OVER (PARTITION BY location_id ORDER BY service_id) AS nth
                FROM services_today
                {'' if closed else 'WHERE ended_on IS NULL OR ended_on >= CURRENT_DATE'}
            ) AS service
            FULL JOIN (
                SELECT location_id, equipment_id, equipment_name, serial_number, cost::numeric(12,2) AS equipment_cost,
                       row_number() OVER (PARTITION BY location_id ORDER BY equipment_id) AS nth
                FROM equipment
            ) AS device USING (location_id, nth)
        ) AS content USING (location_id)
        WHERE {'closed_on IS NOT NULL AND merged_into IS NULL' if closed else 'closed_on IS NULL'}
        ORDER BY customer_id, location_id, nth
        """,  # noqa: S608 (every column is named in this statement)
        file, form,
    )


def _export_bills(file: Any, form: Form) -> int:
    return _copy(
        """
        SELECT billing_id, customer_id, name, description, period, issued_on, due_date,
               amount_billed::numeric(12,2), amount_paid::numeric(12,2), amount_due::numeric(12,2),
               last_payment_date, is_late
        FROM billing_status
        JOIN customers USING (customer_id)
        WHERE cancelled_on IS NULL
        ORDER BY billing_id
        """,
        file, form,
    )


def _export_payments(file: Any, form: Form) -> int:
    return _copy(
        """
        SELECT payment_id, customer_id, name, amount::numeric(12,2), paid_on, method, reference,
               recorded_at, voided_at, void_reason, kind, reason
        FROM payments
        JOIN customers USING (customer_id)
        ORDER BY payment_id
        """,
        file, form,
    )


def export_late(
    file: Any, as_of: date | None = None, sort: Sort = "oldest", search: str | None = None, form: Form = PLAIN
) -> int:
    """Write the late-payment report, from its one query, as CSV to a binary file; return how many customers.

    It has all that a reminder needs, for a mail merge.
    """
    columns = ["customer_id", "name", "phone_number", "amount_late", "oldest_due_date", "days_late",
               "last_payment_date", "email", "reference", "promise", "closed_on", "account_number"]
    return _write_rows(file, form, columns, (
        {**row, "promise": text.show_promise(row["promise"]) or None}
        for row in reports.stream_late_customers(as_of, sort, search)
    ))


def export_aging(
    file: Any, as_of: date | None = None, sort: Sort = "oldest", search: str | None = None
) -> int:
    """Write the aging report, from its one query, as CSV to a binary file; return how many customers."""
    columns = ["customer_id", "name", "not_due", "days_30", "days_60", "days_90", "older", "total", "oldest_due_date"]
    return _write_rows(file, PLAIN, columns, reports.stream_aging(as_of, sort, search))


def _write_rows(file: Any, form: Form, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> int:
    file.write((form.delimiter.join(columns) + "\n").encode())
    count = 0
    for row in rows:
        count += 1
        cells = (_guarded(row[column]) if form.is_guarded else row[column] for column in columns)
        file.write(text.csv_line(cells, form.delimiter, form.decimal).encode())
    return count


def _guarded(value: Any) -> Any:
    return text.spreadsheet_safe(value) if isinstance(value, str) else value


EXPORTS: dict[str, Callable[[Any, Form], int]] = {
    "accounts": _export_accounts,
    "closed": functools.partial(_export_accounts, closed=True),
    "bills": _export_bills,
    "payments": _export_payments,
    "late": lambda file, form: export_late(file, form=form),
}

TABLES = {
    "accounts": ["customers", "locations", "services", "equipment"],
    "closed": [],
    "bills": ["billing"],
    "payments": ["payments"],
    "late": [],
}
