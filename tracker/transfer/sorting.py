"""What the records of a file are: customers, lines that end early or are broken in two, and what is no record at all.

A spreadsheet's list has a total below it, a printed one its header again on each page. They are left out, and that is
said; what may be a customer is never left out, and lines are never joined: what is not clear is a reject.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tracker import text

REJECT_COLUMNS = ("line_number", "reason")
LONGEST_NUMBER = 40  # characters
MOST_PARTS = 5  # of a line that line breaks split
# Amounts with their currency, phone numbers and days.
NUMBER = re.compile(r"[^\w@]*((R|kr|Rs|zł|Kč|Ft|[A-Z]{2,3})[^\w@]*)?[0-9][0-9\s.,()+/:'\-]*([^\W\d_]{0,3})[^\w@]*")
AMOUNT = re.compile(r"\D{0,5}([0-9]{1,5}|[0-9]{1,3}([ .,'\u00a0][0-9]{3})+|[0-9 .,'\u00a0]+[.,][0-9]{1,4})\D{0,5}"
                    r"|[0-9]+ [^\W\d_]+")
TOTAL = re.compile(
    r"((grand |sub[- ]?)?total( (customers|clients|amount|general|geral|général))?"
    r"|total[es]|totaal|totalt|totalsumme|summe|gesamt(summe|betrag)?|insgesamt|zwischensumme|sum|suma|razem|łącznie"
    r"|celkem|spolu|súčet|összesen|ukupno|skupaj|iš viso|kopā|kokku|yhteensä|summa|i alt|toplam|somma|soma|som|somme"
    r"|итого|всего|усього|разом|общо|укупно|σύνολο)( ?[:=(]? ?[0-9][0-9 .,]*\)?)?", re.IGNORECASE)
ROW_COUNT = re.compile(r"\(?[0-9]+ (rows?|records?|zeilen|datensätze|lignes|filas|linhas|wierszy|rekordów)\b.*",
                       re.IGNORECASE)
PAGE = re.compile(r"(page|seite|strona|página|pagina|strana|oldal|стр\.?|sida|side) *[0-9]+( *(/|\w+) *[0-9]+)?",
                  re.IGNORECASE)
RULE = re.compile(r"[-=_+*.~\u2500\u2550\u2014\s]+")
# What a line may be that is no record, as one says it of one line and of several.
NO_RECORDS = {
    "header": ("is the header again", "are the header again"),
    "title": ("is the title again", "are the title again"),
    "total": ("is a total", "are totals"),
    "count": ("counts the lines", "count the lines"),
    "page": ("is a page number", "are page numbers"),
    "rule": ("is a ruled line", "are ruled lines"),
}
SHORT = "short"
REMARK = "Only its first cell is filled, as in a remark below a list: fill it in or delete the line."

Noticed = list[tuple[str, int]]  # what was done to a line, and its number


class Record(NamedTuple):
    """What is between two delimiters of lines: its first line's number, its cells, what is wrong with its quotes, and
    the lines as they are, until the next record is read."""

    number: int
    row: list[str]
    problem: str
    raw: list[str]


class Column(NamedTuple):
    """What the cells of a column are like: which kinds of cells it has, which values stand in it repeatedly, and all
    of its values, where they are few.
    """

    kinds: frozenset[str] = frozenset()
    usual: frozenset[str] = frozenset()
    few: frozenset[str] = frozenset()


class Source(NamedTuple):
    """A CSV file, how it is written, and its header: the cells of that are blank where it has none."""

    path: Path
    encoding: str
    delimiter: str
    headers: list[str]
    header_line: int = 1  # 0 without a header
    kind: str = ""  # gzip, or nothing
    size: int = 0  # in bytes, packed where it is packed
    begins: int = 1  # the line of the header, or without one that from which on there may be records
    titles: frozenset[tuple[str, ...]] = frozenset()  # the records before the header
    columns: tuple[Column, ...] = ()
    mostly_short: bool = False  # many lines leave trailing cells out
    has_escapes: bool = False  # \n in a cell is a line break, as databases write it between tabs
    garbled: str = ""  # a sentence about letters that were read in a wrong encoding, now or earlier


class Sorter:
    """Tells records from what else stands in a file, and whole lines from those that end early or are broken."""

    def __init__(self, source: Source, noticed: Noticed) -> None:
        self._source, self._noticed = source, noticed
        self._width = len(source.headers)
        self._own = 2 if tuple(source.headers[:2]) == REJECT_COLUMNS else 0  # cells that an import put before a line
        self._waiting: list[Record] = []  # lines that end early, one after the other
        self._lone: list[Record] = []  # lines of a single cell that nothing has followed yet
        self._has_lone = self._has_others = False

    def sort(self, parsed: Iterator[Record]) -> Iterator[Record]:
        """Yield the records, each with as many cells as the header or with a problem."""
        width, own, source = self._width, self._own, self._source
        header = next(filter(None, source.headers[own:]), "")
        most_blank = max(width - own - 1, 1)
        for record in parsed:
            row = record.row
            if len(row) == width and not (self._waiting or self._lone):
                first, blank = row[own] or next(filter(None, row[own:]), ""), row.count("")
                # Most lines of most files, told without a look at each cell.
                if (first[:1].isalnum() and first.strip() != header and blank < most_blank and len(record.raw) == 1
                        and not record.problem and not TOTAL.match(first)):
                    self._has_others = True
                    yield record
                    continue
            yield from self._consider(record)
        yield from self._settle()
        # A list of names and nothing else has lines of a single cell only.
        is_usual = self._has_lone or not (self._has_others or self._own)
        for record in self._lone:
            yield record if is_usual else record._replace(problem=REMARK)

    def _consider(self, record: Record) -> Iterator[Record]:
        if not record.problem:
            if what := self._no_record(record.row):
                yield from self._settle()
                self._noticed.append((what, record.number))
                return
            record = self._squared(record)
        kept = record._replace(raw=list(record.raw))
        if not record.problem and len(record.row) < self._width:
            yield from self._wait(kept)
            return
        yield from self._settle()
        if self._is_lone(record):
            self._lone.append(kept)
            return
        yield from self._followed()
        self._has_others = True
        yield record

    def _followed(self) -> Iterator[Record]:
        """Yield the lines of a single cell, now that others follow."""
        self._has_lone = self._has_lone or bool(self._lone)
        lone, self._lone = self._lone, []
        yield from lone

    def _squared(self, record: Record) -> Record:
        """Return a record without blank cells beyond the header's, or with a problem: too many cells, or lines."""
        row = record.row
        if len(row) > self._width:
            if filled(row[self._width:]):
                return record._replace(problem=self._says_cells(row))
            record = record._replace(row=row[:self._width])
        if len(record.raw) > 1 and (self._hides_records(record.raw) or self._begins_twice(record)):
            return record._replace(problem="A quotation mark makes them one: one is missing, or one too many.")
        if self._is_total(list(filter(None, map(str.strip, record.row[self._own:])))):  # or somebody of that name
            return record._replace(problem="It looks like a total, not like a customer: delete the line.")
        return record

    def _says_cells(self, row: list[str]) -> str:
        return f"The line has {text.plural(len(row), 'field')}, the header {self._width}."

    def _hides_records(self, raw: list[str]) -> bool:
        """Tell whether a line within quotes is a record by its cells."""
        sign = self._source.delimiter
        within = [*raw[1:-1], raw[-1].partition('"')[0]]
        rows = [line.rstrip("\r\n").split(sign) for line in within if line.count(sign) == self._width - 1]
        return any(self._misfits(row, 0) == 0 and filled(row) > 1 for row in rows if len(row) > 2)

    def _begins_twice(self, record: Record) -> bool:
        """Tell whether a record's last line begins as its first, with such cells, before a quotation mark."""
        place = next((place for place, cell in enumerate(record.row) if "\n" in cell or "\r" in cell), 0)
        last = record.raw[-1].partition('"')[0].split(self._source.delimiter)
        kinds = [[kind_of_cell(cell.strip()) for cell in cells[self._own:place]] for cells in (record.row, last)]
        return len(last) == place + 1 and len(kinds[0]) > 1 and {*kinds[0]} != {"text"} and kinds[0] == kinds[1]

    def _no_record(self, row: list[str]) -> str:
        """Return what a line is that is no record; nothing where it may be one."""
        cells = [cell.strip() for cell in row]
        if self._source.header_line and [" ".join(cell.split()) for cell in cells] == self._source.headers:
            return "header"
        if tuple(cells) in self._source.titles:
            return "title"
        there = list(filter(None, cells[self._own:]))
        alone = {"count": ROW_COUNT, "page": PAGE} if len(there) == 1 else {}
        return ("rule" if all(map(RULE.fullmatch, there))
                else "total" if len(there) < self._width - self._own and self._is_total(there)
                else next((what for what, pattern in alone.items() if pattern.fullmatch(there[0].rstrip(": "))), ""))

    def _is_total(self, there: list[str]) -> bool:
        """Tell whether filled cells are a word for a total and amounts."""
        return bool(there and TOTAL.fullmatch(there[0].rstrip(": "))) and all(map(AMOUNT.fullmatch, there[1:]))

    def _is_lone(self, record: Record) -> bool:
        """Tell whether a line may be a remark; in a rejects file, whether it was rejected as one."""
        cells = record.row[self._own:]
        return (not record.problem and len(cells) > 2 and bool(cells[0].strip()) and filled(cells) == 1
                and (not self._own or record.row[1] == REMARK))

    def _wait(self, record: Record) -> Iterator[Record]:
        """Keep a line that ends early until what follows shows whether it is whole, or a part of one."""
        yield from self._followed()
        self._has_others = True
        self._waiting.append(record)
        for start in range(len(self._waiting) - 1):
            if self._is_broken(parts := self._waiting[start:]):
                del self._waiting[start:]
                yield from self._settle()
                yield parts[0]._replace(
                    problem="A line break stands in a cell without quotation marks: make it one line.",
                    raw=[line for part in parts for line in part.raw])
        if len(self._waiting) == MOST_PARTS:
            yield self._whole(self._waiting.pop(0))

    def _is_broken(self, parts: list[Record]) -> bool:
        """Tell whether lines that end early are one: together as long as the header, and of cells like its columns'."""
        own = self._own
        if sum(len(part.row) - own for part in parts) - len(parts) + 1 != self._width - own:
            return False
        place = len(parts[0].row)
        together = self._misfits(parts[0].row[own:], own)
        for part in parts[1:]:
            together += self._misfits(part.row[own + 1:], place)
            place += len(part.row) - own - 1
        apart = sum(self._misfits(part.row[own:], own) + (len(part.row) - own < 2) for part in parts)
        return together < apart or (together == apart == 0 and not self._source.mostly_short)

    def _misfits(self, cells: list[str], place: int) -> int:
        """Count the cells that are unlike those of the columns from a place on."""
        return sum(self._is_unlike(cell.strip(), column) for cell, column in zip(cells, self._source.columns[place:]))

    def _is_unlike(self, cell: str, column: Column) -> bool:
        if not cell or not column.kinds:
            return False
        usual = cell.casefold()
        elsewhere = usual not in column.usual and any(usual in other.usual for other in self._source.columns)
        return kind_of_cell(cell) not in column.kinds or elsewhere

    def _settle(self) -> Iterator[Record]:
        """Yield the lines that wait, each as one of its own."""
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            yield self._whole(record)

    def _whole(self, record: Record) -> Record:
        """Return a line that ends early with blank cells, where those that it has are like their columns'."""
        cells = record.row[self._own:]
        if len(cells) < 2 or self._misfits(cells, self._own):
            return record._replace(problem=self._says_cells(record.row))
        self._noticed.append((SHORT, record.number))
        return record._replace(row=record.row + [""] * (self._width - len(record.row)))


def remarks(noticed: Noticed) -> list[str]:
    """Say which lines were left out, and why, and which end early."""
    sentences = []
    for what, (one, several) in NO_RECORDS.items():
        if lines := [number for name, number in noticed if name == what]:
            verb, be = (one, "is") if len(lines) == 1 else (several, "are")
            sentences.append(f"{text.name_lines(lines)} {verb}, and {be} left out.")
    if lines := [number for name, number in noticed if name == SHORT]:
        verb = "ends" if len(lines) == 1 else "end"
        sentences.append(f"{text.name_lines(lines)} {verb} early; the cells that are left out there are blank.")
    return sentences


def filled(row: list[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def kind_of_cell(cell: str) -> str:
    """Return what a cell looks like: text, a number (of any kind, days and phones too) or an e-mail address."""
    if "@" in cell:
        return "email"
    return "number" if len(cell) <= LONGEST_NUMBER and NUMBER.fullmatch(cell.strip()) else "text"
