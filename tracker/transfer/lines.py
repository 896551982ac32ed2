"""The lines of a file, checked and made into what COPY reads."""
from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import TextIO

from tracker import fields, interrupts, text
from tracker.transfer.mapping import TOGETHER, Mapping
from tracker.transfer.sorting import Noticed, Record, Source
from tracker.transfer.source import NUL, records

Progress = Callable[[str, int, int], object]
CHUNK = 500
NOTHING = "\\N"
USUAL_PHONE = re.compile(r"[+(]?(?:[0-9().\-/]| (?! )){3,19}", re.ASCII)


def silent(what: str, done: int, whole: int) -> None:
    """Report no progress."""


def unguarded(cell: str) -> str:
    """Strip a cell, and take away the apostrophe that keeps a spreadsheet from running what follows."""
    value = cell.strip()
    return value[1:] if value.startswith("'") and text.is_risky(value[1:]) else value


def _value(cell: str) -> str:
    """Return what a cell says: nothing, too, where it has another program's word for that."""
    return "" if cell.strip() in text.EMPTY_WORDS else unguarded(cell)


def _text(limit: int) -> Callable[[str], str]:
    """Make a parser of one line of text, with the rules of fields.text, to what COPY takes.

    Plain ASCII, most of most files, is told without a look at each character.
    """
    parse = fields.text(limit)

    def read(cell: str) -> str:
        is_plain = cell.isascii() and cell.isprintable() and "\\" not in cell and 0 < len(cell) <= limit
        if is_plain and cell[0] not in " '" and cell[-1] != " " and cell not in text.EMPTY_WORDS:
            return cell
        value = _value(cell).replace(NUL, "\0")
        if not value:
            raise ValueError("It is missing.")
        if "\n" in value or "\r" in value:
            raise ValueError("It has a line break; write it on one line.")
        return parse(value).replace("\\", "\\\\")

    return read


def _phone(cell: str) -> str:
    """Parse a phone number, with the rule of fields.phone; the usual ones are told by a look at the signs alone."""
    # A program that takes it for a number with decimals has added them.
    value = re.sub(r"\A(\+?[0-9]{3,15})\.0{1,2}\Z", r"\1", _value(cell))
    usual = USUAL_PHONE.fullmatch(value) and 3 <= sum(map(value.count, "0123456789")) <= 15
    return value if usual else fields.phone(value)


def _email(cell: str) -> str:
    return fields.email(_value(cell)).replace("\\", "\\\\")


def _money(cell: str) -> str:
    return str(fields.amount(_value(cell)))


def _or(nothing: str, parse: Callable[[str], str]) -> Callable[[str], str]:
    return lambda cell: parse(cell) if _value(cell) else nothing


def _parsers() -> dict[str, Callable[[str], str]]:
    """Return each field's parser; those whose values repeat remember them."""
    remember = functools.lru_cache(maxsize=10_000)
    return {
        "customer_id": _or("", _text(100)),
        "name": _text(200),
        "phone_number": _or("", _phone),
        "email": _or("", _email),
        "address": _or(NOTHING, _text(300)),
        "service_id": _or("", _text(100)),
        "service_name": remember(_or(NOTHING, _text(100))),
        "service_cost": remember(_or(NOTHING, _money)),
        "equipment_id": _or("", _text(100)),
        "equipment_name": remember(_or(NOTHING, _text(100))),
        "serial_number": _or(NOTHING, _text(100)),
        "equipment_cost": remember(_or(NOTHING, _money)),
    }


def _joined(field: str, cells: list[str]) -> str:
    """Join what is filled of a field's columns; of several phone numbers the first is the customer's."""
    return "".join(cells[:1]) if field == "phone_number" else " ".join(cells)


class Rows:
    """What COPY reads: a file's good lines, checked as they are asked for; the others are noted in rejects."""

    def __init__(self, source: Source, mapping: Mapping, progress: Progress) -> None:
        self.rejects: dict[int, str] = {}
        self.hidden = 0  # further lines that a rejected one took in, by a quotation mark
        self.noticed: Noticed = []  # lines that are no records, or end early
        self.error: BaseException | None = None
        self.columns = ["line", *mapping]
        self._mapping, self._progress = mapping, progress
        self._width = len(source.headers)
        self._joined = {field: columns for field, columns in mapping.items() if len(columns) > 1}
        self._plan = self._columns_and_parsers()
        self._incomplete = functools.lru_cache(maxsize=None)(self._find_incomplete)
        self._size = source.size
        self._file: TextIO | None = None
        self._good = self._good_lines(source)

    def _columns_and_parsers(self) -> list[tuple[int, Callable[[str], str]]]:
        """Return the column and the parser of each field; joined columns follow the file's own."""
        parsers, places = _parsers(), itertools.count(self._width)
        return [(next(places) if len(columns) > 1 else columns[0], parsers[field])
                for field, columns in self._mapping.items()]

    def read(self, size: int) -> str:
        """Return some lines; what goes wrong, Ctrl-C too, is kept in error, because psycopg2 does not hand it on."""
        try:
            interrupts.check()
            lines = list(itertools.islice(self._good, CHUNK))
            if self._file is not None and not self._file.closed:
                self._progress("Reading the file", self._file.buffer.tell(), self._size)
            return "".join(lines)
        except BaseException as exc:
            self.error = exc
            raise

    def _good_lines(self, source: Source) -> Iterator[str]:
        for record in records(source, self._follow, self.noticed):
            try:
                if record.problem:
                    raise ValueError(record.problem)
                row = record.row
                cells = row if len(row) == self._width and not self._joined else self._squared(row)
                values = [parse(cells[column]) for column, parse in self._plan]
            except ValueError:
                self._reject(record, record.problem or self._why_rejected(record.row))
                continue
            if problem := self._incomplete(tuple([value is NOTHING for value in values])):
                self._reject(record, problem)
                continue
            yield f"{record.number}\t" + "\t".join(values) + "\n"

    def _reject(self, record: Record, reason: str) -> None:
        if further := len(record.raw) - 1:
            self.hidden += further
            reason = f"Lines {record.number} to {record.number + further} are read as one. {reason}"
        self.rejects[record.number] = reason

    def _follow(self, file: TextIO) -> None:
        """Keep the file that is read, which knows how far that has come."""
        self._file = file

    def _squared(self, row: list[str]) -> list[str]:
        """Return a row with as many cells as the header has, and the joined columns after them."""
        if len(row) < self._width or any(cell.strip() for cell in row[self._width:]):
            raise ValueError(f"The line has {text.plural(len(row), 'field')}, the header {self._width}.")
        cells = [_value(cell) for cell in row]
        joined = [_joined(field, [cells[column] for column in columns if cells[column]])
                  for field, columns in self._joined.items()]
        return row[:self._width] + [text.spreadsheet_safe(cell) for cell in joined]

    def _why_rejected(self, row: list[str]) -> str:
        try:
            cells = self._squared(row)
        except ValueError as exc:
            return str(exc)
        reasons = []
        for field, (column, parse) in zip(self._mapping, self._plan):
            try:
                parse(cells[column])
            except ValueError as exc:
                reasons.append(f"{field}: {exc}")
        return " ".join(reasons)

    def _find_incomplete(self, missing: tuple[bool, ...]) -> str:
        """Say what is missing beside a service, equipment, or its cost; nothing when all is there."""
        there = {field for field, is_missing in zip(self._mapping, missing) if not is_missing}
        for name, cost in TOGETHER:
            if name in there and cost not in there:
                return f"{name} has no {cost}."
            if cost in there and name not in there:
                return f"{cost} has no {name}."
            if name in there and "address" not in there:
                return f"{name} has no address."
        if "serial_number" in there and "equipment_name" not in there:
            return "serial_number has no equipment_name."
        return ""
