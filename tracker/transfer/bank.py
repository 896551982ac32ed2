"""A bank's file: which kind it is, how it is written, and its lines, each with a key that is the same in every file."""
from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from tracker.errors import BadEncoding, BadFile
from tracker.files import kind_of
from tracker.transfer import camt
from tracker.transfer.bank_csv import Reader
from tracker.transfer.bank_formats import Format
from tracker.transfer.bank_lines import BankLine, keyed
from tracker.transfer.bank_table import Table, open_table

LARGEST = 500_000_000
HEAD = 4096
INSTEAD = "let the bank send the account as camt.053 (XML) or CSV"
# What is no CSV and no camt, by how it begins; and what to do.
NOT_READ = (
    (rb"%PDF", f"a PDF, made to be printed; {INSTEAD}"),
    (rb"PK\x03\x04", "a ZIP archive or an Excel workbook; unpack it, or save it as CSV, and give the files in it"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook; save it as CSV"),
    (rb"\x1f\x8b", "compressed with gzip; unpack it first"),
    (rb"\s*(\{1:F01|:20:|:940:)", f"an MT940 statement, which banks are giving up; {INSTEAD}"),
    (rb"\s*(OFXHEADER|<OFX|<\?OFX)", f"an OFX file; {INSTEAD}"),
    (rb"\s*!(Type|Account|Option):", f"a QIF file; {INSTEAD}"),
    (rb"\s*(<!doctype html|<html|<table)", "a web page, whatever its name; save it as CSV"),
    (rb"01,[^\r\n]*/\r?\n02,", f"a BAI2 file; {INSTEAD}"),
    (rb"0{4,}[0-9]{4}[05][^\r\n]{119}\r?\n[1-4]", f"a CODA file; {INSTEAD}"),
    (rb"[0-9]{3}0{5}[^\r\n]{232}\r?\n|02RETORNO", f"a CNAB file; {INSTEAD}"),
    (rb"\{|\[", f"a JSON file; {INSTEAD}"),
)
MARKED = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class BankFile(NamedTuple):
    """A bank's file that can be read: its format, for a CSV; where its header stands; and what was found of its lines.

    rejects are the lines that should be bookings and cannot be read, left_out those that are none or not yet, each with
    why, in sentences; both are filled by lines().
    """

    path: Path
    kind: str  # CSV, or the message, as camt.053
    layout: Format
    header_line: int
    rejects: dict[int, str]
    left_out: dict[int, str]
    text: str  # of a CSV
    table: Table | None


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
    encoding = layout.encoding or _encoding(data)
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as exc:
        raise BadEncoding(f"{path} is not written in {encoding}.") from exc
    if re.search("^:61:", text[:HEAD], re.MULTILINE):
        raise BadFile(f"{path} is an MT940 statement, which banks are giving up; {INSTEAD}.")
    table = open_table(text, layout._replace(encoding=encoding), today)
    return BankFile(path, "CSV", table.layout, table.header_line, {}, {}, text, table)


def lines(file: BankFile) -> Iterator[BankLine]:
    """Yield the bookings of a bank's file, debits too, in its order."""
    if file.table:
        return keyed(Reader(file.table, file.rejects, file.left_out).bookings())
    return keyed(camt.bookings(file.path, file.left_out))


def _bytes(path: Path) -> bytes:
    if (kind := kind_of(path)) != "file":
        raise BadFile(f"{path} is a {kind}, not a file." if kind else f"There is no file {path}.")
    try:
        if path.stat().st_size > LARGEST:
            raise BadFile(f"{path} is larger than a bank's file of an account can be.")
        data = path.read_bytes()
    except OSError as exc:
        raise BadFile(f"{path} cannot be read: {exc.strerror}.") from exc
    if not data.strip():
        raise BadFile(f"{path} is empty.")
    return data


def _encoding(data: bytes) -> str:
    """Return how a file's text is encoded: as its mark says, as UTF-8 if it can be, else the likeliest of one byte."""
    for mark, name in MARKED:
        if data.startswith(mark):
            return name
    nuls = data[:HEAD].count(0)
    if nuls * 3 > len(data[:HEAD]):
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return max(("cp1252", "cp1250", "cp852", "cp850", "cp1251", "mac_roman"), key=lambda name: _likely(data, name))
    return "utf-8"


def _likely(data: bytes, name: str) -> int:
    """Count how many signs beyond ASCII are letters inside words, less those that never stand in one."""
    text = data.decode(name, "replace")
    letters = len(re.findall(r"(?<=[a-zA-Z])[ßàáâãäåæçèéêëìíîïñòóôõöøùúûüýąćęłńóśźżčďěňřšťůžőűșțăі]|"
                             r"[ÄÖÜÁÉÍÓÚÀÈÇÑŁŚŻŹĆČŘŠŽÅØÆÃÕ](?=[a-zA-Z])", text))
    odd = len(re.findall(r"(?<=[a-z])[^\x00-\x7fß-ÿą-žșț€](?=[a-z])|[\x80-\x9f\ufffd¤¦¨±\xb4\xb8¹³¿¼½¾]|[a-z][À-Þ]",
                         text))
    return letters - 3 * odd
