"""A bank's file: which kind it is, how it is written, and its lines, each with a key that is the same in every file."""
from __future__ import annotations

import codecs
import io
import itertools
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import IO, NamedTuple

from tracker.errors import BadFile, UnclearEncoding
from tracker.files import kind_of
from tracker.transfer import camt, encodings
from tracker.transfer.bank_csv import AS_ONE, Reader
from tracker.transfer.bank_formats import Format
from tracker.transfer.bank_lines import BankLine, keyed
from tracker.transfer.bank_table import Table, open_table, read_rows
from tracker.transfer.kinds import BROKEN, STANDARD_INPUT, open_bytes
from tracker.transfer.rejects import first_cells, rejects_beside, without_first_cells
from tracker.transfer.sorting import REJECT_COLUMNS

LARGEST = 500_000_000
HEAD = 4096
INSTEAD = "let the bank send the account as camt.053 (XML) or CSV"
# What is no CSV and no camt, by how it begins; and what to do.
NOT_READ = (
    (rb"%PDF", f"a PDF, made to be printed; {INSTEAD}"),
    (rb"PK\x03\x04", "a ZIP archive or an Excel workbook; unpack it, or save it as CSV, and give the files in it"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook; save it as CSV"),
    (rb"\s*(\{1:F01|:20:|:940:)", f"an MT940 statement, which banks are giving up; {INSTEAD}"),
    (rb"\s*(OFXHEADER|<OFX|<\?OFX)", f"an OFX file; {INSTEAD}"),
    (rb"\s*!(Type|Account|Option):", f"a QIF file; {INSTEAD}"),
    (rb"\s*(<!doctype html|<html|<table)", "a web page, whatever its name; save it as CSV"),
    (rb"01,[^\r\n]*/\r?\n02,", f"a BAI2 file; {INSTEAD}"),
    (rb"0{4,}[0-9]{4}[05][^\r\n]{119}\r?\n[1-4]", f"a CODA file; {INSTEAD}"),
    (rb"[0-9]{3}0{5}[^\r\n]{232}\r?\n|02RETORNO", f"a CNAB file; {INSTEAD}"),
    (rb"\{|\[", f"a JSON file; {INSTEAD}"),
)


class BankFile(NamedTuple):
    """A bank's file that can be read: its format, for a CSV; where its header stands; and what was found of its lines.

    rejects are the lines that should be bookings and cannot be read, left_out those that are none or not yet, each with
    why, in sentences; both are filled by lines(). guessed are some cells as they read, where the encoding is neither
    proven by the bytes nor remembered.
    """

    path: Path
    kind: str  # CSV, or the message, as camt.053
    layout: Format
    header_line: int
    rejects: dict[int, str]
    left_out: dict[int, str]
    text: str  # of a CSV
    table: Table | None
    guessed: tuple[str, ...] = ()


def open_bank_file(path: Path, remembered: Format | None = None, today: date | None = None) -> BankFile:
    """Tell what a bank's file is and how it is written, by the whole of it and what is remembered of the bank.

    Raise BadFile, with what to do, when it is nothing that is read, UnclearDates or UnclearDecimals when it does not
    tell how to read it: remembered._replace(days="MDY") and decimal="," say so.
    """
    data = _bytes(path)
    head = data[:HEAD].lstrip(codecs.BOM_UTF8)
    if camt.is_xml(head):
        return BankFile(path, camt.describe(path), Format(), 0, {}, {}, "", None)
    for beginning, what in NOT_READ:
        if re.match(beginning, head, re.IGNORECASE):
            raise BadFile(f"{path} is {what}.")
    layout = remembered or Format()
    encoding, guessed = _encoding(path, data, layout.encoding)
    text = data.decode(encoding)
    if re.search("^:61:", text[:HEAD], re.MULTILINE):
        raise BadFile(f"{path} is an MT940 statement, which banks are giving up; {INSTEAD}.")
    if "\0" in text:
        raise BadFile(f"{path} is no text, and nothing else that is read; {INSTEAD}.")
    table = open_table(text, layout._replace(encoding=encoding), today)
    return BankFile(path, "CSV", table.layout, table.header_line, {}, {}, text, table, tuple(guessed))


def lines(file: BankFile) -> Iterator[BankLine]:
    """Yield the bookings of a bank's file, debits too, in its order."""
    if file.table:
        return keyed(Reader(file.table, file.rejects, file.left_out).bookings())
    return keyed(camt.bookings(file.path, file.left_out))


def raw(file: BankFile, line: int) -> str:
    """Return the text that a CSV's line is read from, with its further lines where a cell goes over several."""
    rows = file.table.rows if file.table else []
    if not (row := next((row for row in rows if row.first == line), None)):
        return ""
    return "".join(itertools.islice(io.StringIO(file.text, newline=""), row.first - 1, row.last))


def is_rejects(file: BankFile) -> bool:
    """Tell a file that an import wrote the lines to that could not be read."""
    return file.text.startswith(first_cells(REJECT_COLUMNS, file.layout.delimiter))


def write_rejects(file: BankFile, rejects: dict[int, str], out: IO[bytes]) -> None:
    """Write the lines that could not be read as they are, number and reason before them, in the file's own encoding.

    What stands above the bookings comes first, so that they are read as they were in the file.
    """
    sign, again = file.layout.delimiter, is_rejects(file)
    text = io.TextIOWrapper(out, file.layout.encoding, "backslashreplace", newline="")
    written = list(io.StringIO(file.text, newline=""))
    text.write(f"{first_cells(REJECT_COLUMNS, sign)}\n")
    first = file.table.rows[0].first if file.table else 0
    for row in itertools.takewhile(lambda row: row.first < first, read_rows(file.text, sign)):
        above = "".join(written[row.first - 1:row.last])
        if (rest := without_first_cells(above, sign) if again else above).strip():
            text.write(f"{sign}{sign}{rest}")
    for number, reason in sorted(rejects.items()):
        line, *further = raw(file, number).splitlines(keepends=True)
        text.write(first_cells((str(number), reason), sign) + (without_first_cells(line, sign) if again else line))
        for place, line in enumerate(further, number + 1):
            # Hidden by a quotation mark, they may be lines again once that is mended.
            text.write(f"{place}{sign}{sign}{line}" if AS_ONE in reason else line)
        text.write("" if line.endswith(("\n", "\r")) else "\n")
    text.flush()
    text.detach()


def settled(file: BankFile) -> tuple[tuple[Path, int], ...]:
    """Return the rejects files of which an import without rejects leaves nothing to mend, and how long each is."""
    if not file.table or file.path == STANDARD_INPUT:
        return ()
    found = [file.path] if is_rejects(file) else rejects_beside(file.path)
    counted = ((path, _count_rejects(path, file.layout)) for path in found)
    return tuple((path, count) for path, count in counted if count)


def _count_rejects(path: Path, layout: Format) -> int:
    """Return how many lines a rejects file of a bank's file has; 0 where it is none."""
    try:
        rows = list(read_rows(_bytes(path).decode(layout.encoding), layout.delimiter))
    except (BadFile, ValueError):
        return 0
    is_one = bool(rows) and tuple(rows[0].cells[:2]) == REJECT_COLUMNS
    return sum(row.cells[0].isdecimal() for row in rows if row.cells) if is_one else 0


def _bytes(path: Path) -> bytes:
    """Return what a file holds, unpacked where it is packed with gzip; raise BadFile when that cannot be read."""
    kind = "file" if path == STANDARD_INPUT else kind_of(path)
    if kind != "file":
        raise BadFile(f"{path} is a {kind}, not a file." if kind else f"There is no file {path}.")
    try:
        with open_bytes(path) as file:
            data = file.read(LARGEST)
    except BROKEN as exc:
        raise BadFile(f"{path} is packed with gzip and damaged: it cannot be unpacked. Get it anew.") from exc
    except OSError as exc:
        raise BadFile(f"{path} cannot be read: {exc.strerror}.") from exc
    if len(data) == LARGEST:
        raise BadFile(f"{path} is larger than a bank's file of an account can be.")
    if not data.strip():
        raise BadFile(f"{path} is empty.")
    return data


def _encoding(path: Path, data: bytes, remembered: str) -> tuple[str, list[str]]:
    """Return the encoding that a file's bytes prove, else what is remembered, else the likeliest, with some cells as
    that reads them: no key depends on it.
    """
    try:
        return encodings.encoding_of(path), []
    except UnclearEncoding as exc:
        if remembered in encodings.ENCODINGS:
            return remembered, []
        likely, cells = exc.candidates[0]
        return ("cp1252" if data.decode("cp1252", "replace") == data.decode(likely) else likely), cells
