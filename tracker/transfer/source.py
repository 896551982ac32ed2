"""The file of an import: how it is encoded and separated, its header, and its records one after the other."""
from __future__ import annotations

import codecs
import contextlib
import csv
import html
import html.entities
import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from tracker.errors import BadEncoding, BadFile, NoHeader, UnclearDelimiter
from tracker.fields import without_invisible
from tracker.transfer import encodings, kinds
from tracker.transfer.kinds import shown
from tracker.transfer.sorting import (
    REJECT_COLUMNS,
    Column,
    Noticed,
    Record,
    Sorter,
    Source,
    filled,
    kind_of_cell,
)

__all__ = ["NUL", "Noticed", "Record", "Source", "all_records", "check_encoding", "check_readable", "open_source",
           "records"]

LONGEST_FIELD = 10_000_000
DELIMITERS = ",;\t|"
NUL = "\udc00"  # stands for NUL, which csv refuses before Python 3.11; no decoded text can hold it
HEAD = 300_000  # characters that show how a file is laid out
HEAD_RECORDS = 300
HEADER_WITHIN = 10  # records
FEW = 12  # different cells of a column that may be words of a status
SEPARATOR_LINE = re.compile(r'\A"?sep=([^\r\n])"?[ ,;\t]*(\r\n?|\n|\Z)', re.IGNORECASE)
QUOTED = re.compile(r'(^|[,;\t|]) *"(?:[^"]|""){0,2000}"(?= *(?:[,;\t|\r\n]|\Z))', re.MULTILINE)
ESCAPE = re.compile(r"\\(.)")
ESCAPES = {"n": "\n", "r": "\n", "t": " ", "b": "", "f": " ", "v": " ", "0": ""}
GUARDED_NUMBER = re.compile(r"'[A-Z]{0,2}[0-9]", re.ASCII)  # Shopify and Square write '0123 and 'SA70 7AA
# What a web panel's list has in its cells: marks of HTML, and letters written as its entities.
MARKUP = re.compile(r"</?(?:br|p|div|b|i|u|em|strong|span|font|small|li|ul)(?:\s[^<>]*)?/?>", re.IGNORECASE)
BREAKS = re.compile(r"\s*</?(?:br|p|div|li|ul)(?:\s[^<>]*)?/?>\s*", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#[0-9]{1,6}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,9});", re.IGNORECASE)
MARKS = re.compile("[&<']")
OURS = {"customer_id", "name"}  # headers of our own export, whose texts are what they are
TEXT_CELL = re.compile(r'="([^"]*)"')


def open_source(
    path: Path,
    encoding: str = "",
    delimiter: str = "",
    has_header: bool = True,
    means_something: Callable[[list[str]], int] | None = None,
) -> Source:
    """Find out how a CSV file is written; raise BadFile when there is nothing that can be read, or what is unclear.

    means_something counts the cells of a record that are known as headers: the header is the first of the first ten
    records with the most of them. An encoding or delimiter that is not given is found in the file.
    """
    kind = kinds.check(path)
    with _told(path):
        found = encodings.text_encoding(encoding) if encoding else encodings.encoding_of(path)
        source = Source(path, found, "", [], kind=kind, size=kinds.size_of(path))
        head = _head(source)
        if encoding:
            check_encoding(source)
        source = source._replace(garbled=_garbled(source, head, bool(encoding)))
    separator = SEPARATOR_LINE.match(head)
    source = source._replace(delimiter=_delimiter(delimiter, separator, head, means_something),
                             begins=2 if separator else 1)
    source = source._replace(has_escapes=source.delimiter == "\t" and _has_escapes(head))
    records = _first_records(source, head)
    if not records:
        raise BadFile(f"{shown(path)} has no header that can be read. The file is empty.")
    if not has_header and tuple(records[0][1][:2]) != REJECT_COLUMNS:
        width = _usual_width([row for _, row in records])
        return _described(source._replace(headers=[""] * width, header_line=0), records)
    return _with_header(source, records, means_something)


def _has_escapes(head: str) -> bool:
    """Tell whether the backslashes of a text are those of a database's text format, in which none stands alone."""
    return "\\" in head and '"' not in head and not re.search(r"\\([^nrtbfv0N\\]|\Z)", head.replace("\\\\", ""))


def check_encoding(source: Source) -> None:
    """Read a file to its end; raise BadEncoding when that is not in its encoding."""
    with _opened(source) as lines:
        while lines.read(1 << 20):
            pass


def check_readable(path: Path) -> None:
    """Raise BadFile when there is no file to read, nothing in it, or something else than text."""
    kinds.check(path)


def _with_header(
    source: Source, records: list[tuple[int, list[str]]], means_something: Callable[[list[str]], int] | None
) -> Source:
    place = _header_place([row for _, row in records], means_something)
    number, row = records[place]
    source = source._replace(begins=number, header_line=number)
    if problem := next(_parsed(source, lambda file: None)).problem:
        raise BadFile(f"{shown(source.path)} has no header that can be read. {problem}")
    headers = [" ".join(without_invisible(name).split()) for name in row]
    if len(headers) == 1 and means_something and means_something(re.split(f"[{DELIMITERS}]", headers[0])) > 1:
        raise BadFile(f"Each line of {shown(source.path)} stands in quotation marks as a whole, so that it has one "
                      "column only. Export it anew, and import it without opening it in a spreadsheet.")
    titles = frozenset(tuple(map(str.strip, row)) for _, row in records[:place])
    return _described(source._replace(headers=headers, titles=titles), records[place + 1:])


def _header_place(rows: list[list[str]], means_something: Callable[[list[str]], int] | None) -> int:
    """Return which of the first records is the header: that with the most known words, else the first wide one."""
    first = rows[:HEADER_WITHIN]
    # A word of a header may stand in a customer's line, too, but no phone number in a header.
    known = [max(means_something([cell.strip() for cell in row]) - sum(map(_is_no_header, row)), 0)
             if means_something else 0 for row in first]
    if any(known):
        place = known.index(max(known))
        place = next((place for place, words in enumerate(known[:place]) if words > 1 and _has_records(first, place)),
                     place)
    else:
        width = _usual_width(rows)
        place = next(place for place, row in enumerate(first) if 2 * filled(row) >= width or place == len(first) - 1)
    if means_something and known[place] < 2 and any(map(_is_no_header, first[place])):
        raise NoHeader("The first line looks like a customer, and not like a header: "
                       f"{', '.join(filter(None, map(str.strip, first[place])))[:100]}.")
    return place


def _has_records(rows: list[list[str]], place: int) -> bool:
    """Tell whether the next record is as long as one that may be a header: of two tables in a file, it is the first."""
    return len(rows[place]) > 2 and len(rows[place + 1]) == len(rows[place]) and filled(rows[place + 1]) > 2


def _is_no_header(cell: str) -> bool:
    return (kind_of_cell(cell) != "text" and len(re.sub(r"\D", "", cell)) > 2) or "@" in cell


def _usual_width(rows: list[list[str]]) -> int:
    """Return how many cells most records have, the larger number where two are as frequent."""
    widths = Counter(map(len, rows))
    return max(widths, key=lambda width: (widths[width], width))


def _described(source: Source, records: list[tuple[int, list[str]]]) -> Source:
    """Note what the columns' cells are like, and whether many lines leave trailing cells out."""
    width = len(source.headers)
    full = [row for _, row in records if len(row) == width]
    like = full if len(full) > 2 else [row for _, row in records if 1 < len(row) <= width]
    columns = []
    for place in range(width):
        cells = [cell for row in like for cell in map(str.strip, row[place:place + 1]) if cell]
        often = Counter(cell.casefold() for cell in cells)
        columns.append(Column(frozenset(map(kind_of_cell, cells) if len(cells) > 2 else ()),
                              frozenset(cell for cell, count in often.items() if count > 1),
                              frozenset(often if len(often) <= FEW else ())))
    short = sum(1 < len(row) < width for _, row in records)
    return source._replace(columns=tuple(columns), mostly_short=short * 5 > len(records))


def _head(source: Source) -> str:
    """Return the beginning of a file, in whole lines where it has any."""
    with _opened(source) as lines:
        head = lines.read(HEAD).lstrip("\ufeff").replace("\0", NUL)
    if len(head) < HEAD:
        return head
    return head[:max(head.rfind("\n"), head.rfind("\r")) + 1] or head


def _garbled(source: Source, head: str, was_chosen: bool) -> str:
    """Say what of a file reads as if its letters had been taken for others, when it was saved or now."""
    name = shown(source.path)
    encoding = source.encoding.replace("-sig", "")
    if was_chosen and (found := encodings.doubts(source.path, source.encoding)):
        return f"Read as {encoding}, {name} has {found.shown}, which would be {found.meant}: is {encoding} right?"
    if not (found := encodings.looks_garbled(head)):
        return ""
    if not found.meant:
        return f"{name} has {found.shown}: letters were lost when it was saved. Export it anew, as UTF-8."
    return (f"{name} has {found.shown} where {found.meant} was meant: its letters were garbled before it was saved. "
            "Export it anew, as UTF-8.")


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[TextIO]:
    """Open a file to read it as text; what goes wrong with it is a BadFile."""
    with _told(source.path), kinds.open_bytes(source.path) as file:
        try:
            with io.TextIOWrapper(file, source.encoding, newline="") as lines:
                yield lines
        except UnicodeError as exc:
            number, name = _undecodable_line(source), source.encoding.replace("-sig", "")
            raise BadEncoding(f"Line {number} of {shown(source.path)} is not {name}.") from exc


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Make one sentence of what goes wrong with a file that is read."""
    try:
        yield
    except kinds.BROKEN as exc:
        raise BadFile(f"{shown(path)} is packed with gzip and damaged: it cannot be unpacked to its end. Get it anew."
                      ) from exc
    except OSError as exc:
        raise BadFile(f"{shown(path)} cannot be read: {exc.strerror}.") from exc


def _undecodable_line(source: Source) -> int:
    """Return the number of the first line that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(source.encoding)()
    breaks = 0
    with kinds.open_bytes(source.path) as lines, contextlib.suppress(UnicodeError):
        for line in lines:
            for part in line.splitlines(keepends=True):
                breaks += max(map(decoder.decode(part).count, "\r\n"))
    return breaks + 1


def _delimiter(
    chosen: str,
    separator: re.Match[str] | None,
    head: str,
    means_something: Callable[[list[str]], int] | None,
) -> str:
    """Return the delimiter chosen, the one that a first line sep=; says, or the one that splits the lines alike."""
    if chosen:
        chosen = "\t" if chosen.casefold() in ("tab", "\\t") else chosen
        if chosen not in tuple(DELIMITERS):
            raise BadFile("A delimiter is a comma, a semicolon, tab or |.")
        return chosen
    if separator:
        return separator[1]
    lines = [line for line in io.StringIO(QUOTED.sub(r'\1""', head)) if line.strip()][:HEAD_RECORDS]
    ranks = {sign: _rank(sign, lines, means_something) for sign in DELIMITERS}
    best = [sign for sign in DELIMITERS if ranks[sign] == max(ranks.values())]
    if len(best) > 1 and any(sign in line for sign in best for line in lines):
        raise UnclearDelimiter
    return best[0]


def _rank(
    sign: str, lines: list[str], means_something: Callable[[list[str]], int] | None
) -> tuple[int, float, int]:
    """Return how well a sign splits lines: into how many known headers, what share of them alike, and how often."""
    known = max((means_something([cell.strip(' "\r\n') for cell in line.split(sign)]) if means_something else 0
                 for line in lines[:HEADER_WITHIN]), default=0)
    times = Counter(line.count(sign) for line in lines if sign in line)
    usual = max(times, key=lambda count: (times[count], count), default=0)
    return known if known > 1 else 0, times[usual] / len(lines) if usual else 0, usual


def _first_records(source: Source, head: str) -> list[tuple[int, list[str]]]:
    """Return the first records that are not blank, each with its line's number, whatever their quotes are like."""
    csv.field_size_limit(LONGEST_FIELD)
    lines = io.StringIO(head, newline="")
    for _ in range(source.begins - 1):
        lines.readline()
    rows = csv.reader(lines, delimiter=source.delimiter, skipinitialspace=True)
    found = []
    number = source.begins
    try:
        for row in rows:
            if filled(row):
                found.append((number, [_unwrapped(cell) for cell in _unescaped(source, row)]))
            number = source.begins + rows.line_num
            if len(found) >= HEAD_RECORDS:
                break
    except csv.Error:
        pass  # a field too long, about which the reading says more
    return found


def records(
    source: Source,
    opened: Callable[[TextIO], object] = lambda file: None,
    noticed: Noticed | None = None,
) -> Iterator[Record]:
    """Yield the records after the header; opened is given the file that they are read from.

    Each that has no problem has as many cells as the header. Lines that are none are left out, and put into noticed.
    """
    return itertools.islice(all_records(source, opened, noticed), 1 if source.header_line else 0, None)


def all_records(
    source: Source,
    opened: Callable[[TextIO], object] = lambda file: None,
    noticed: Noticed | None = None,
) -> Iterator[Record]:
    """Yield the header, where there is one, and the records after it, but for blank ones."""
    parsed = _parsed(source, opened)
    if source.header_line:
        yield from itertools.islice(parsed, 1)
    yield from Sorter(source, [] if noticed is None else noticed).sort(parsed)


def _parsed(source: Source, opened: Callable[[TextIO], object]) -> Iterator[Record]:
    """Yield the records of a file from where it begins, as they are, but for blank ones."""
    csv.field_size_limit(LONGEST_FIELD)
    raw: list[str] = []
    wrapped: list[str] = []
    with _opened(source) as file:
        opened(file)
        for _ in range(source.begins - 1):
            file.readline()
        rows = csv.reader(_noted(file, source.delimiter, raw, wrapped), delimiter=source.delimiter, strict=True,
                          skipinitialspace=True)
        number = source.begins
        is_foreign = not set(source.headers) >= OURS
        while True:
            problem = ""
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                row, problem = _mended(source, number, raw, str(exc))
            if wrapped:
                row = [_unwrapped(cell) for cell in row]
                wrapped.clear()
            if any(map(str.strip, row)):
                if is_foreign and any(MARKS.search(line) for line in raw):
                    row = [_without_marks(cell) for cell in row]
                yield Record(number, _unescaped(source, row), problem, raw)
            raw.clear()
            number = source.begins + rows.line_num


def _noted(file: TextIO, delimiter: str, raw: list[str], wrapped: list[str]) -> Iterator[str]:
    """Yield a file's lines, and note them in raw, in case their record is rejected; in wrapped, those with ="text"."""
    sign = re.escape(delimiter)
    cell = re.compile(rf'(^|{sign}) *=("(?:[^"]|"")*")(?= *(?:{sign}|[\r\n]|\Z))')
    for line in file:
        whole = line.replace("\0", NUL) if "\0" in line else line
        raw.append(whole)
        if '="' in whole:
            wrapped.append(whole)
            whole = cell.sub(r"\1\2", whole)
        yield whole


def _unescaped(source: Source, row: list[str]) -> list[str]:
    """Return cells with what a database's escapes stand for; \\N stays, which is nothing."""
    if not source.has_escapes:
        return row
    return [ESCAPE.sub(lambda found: ESCAPES.get(found[1], found[1]), cell) if cell != "\\N" else cell for cell in row]


def _without_marks(cell: str) -> str:
    """Return what a browser would show of a cell: lines for <br> and the like, and letters for entities; and a number
    without the mark that kept a spreadsheet from taking it for one.
    """
    value = MARKUP.sub("", BREAKS.sub("\n", cell)) if "<" in cell and MARKUP.search(cell) else cell
    if "&" in value:
        value = ENTITY.sub(lambda found: html.unescape(found[0]) if _is_entity(found[0][1:]) else found[0], value)
    value = value.strip()
    return value[1:] if GUARDED_NUMBER.match(value) else value


def _is_entity(name: str) -> bool:
    """Tell whether HTML has a letter for what stands between & and ;, and not for its beginning only."""
    return name.startswith("#") or name in html.entities.html5


def _unwrapped(cell: str) -> str:
    """Return the text of a cell ="text", which keeps a spreadsheet from taking it for a number."""
    found = TEXT_CELL.fullmatch(cell.strip()) if '="' in cell else None
    return found[1] if found else cell


def _mended(source: Source, number: int, raw: list[str], error: str) -> tuple[list[str], str]:
    """Return the cells of a record whose quotes are not as they should be, and what is wrong with them.

    Nothing is, where a space stands after a quoted cell or quotes inside are escaped by a backslash, and the line then
    has as many cells as the header.
    """
    problem = _quoting_problem(source.path, number, error)
    lines = "".join(raw)
    spaces = re.sub(rf'" +(?={re.escape(source.delimiter)}|[\r\n]|\Z)', '"', lines)
    escapes = re.sub(r'\\(["\\])', lambda found: '""' if found[1] == '"' else found[1], lines)
    for tried in (spaces, escapes):
        with contextlib.suppress(csv.Error):
            rows = list(csv.reader(io.StringIO(tried, newline=""), delimiter=source.delimiter, strict=True,
                                   skipinitialspace=True))
            if len(rows) == 1 and len(rows[0]) == len(source.headers):
                return rows[0], ""
    return next(csv.reader(raw, delimiter=source.delimiter)), problem


def _quoting_problem(path: Path, first: int, error: str) -> str:
    if "limit" in error:
        raise BadFile(f"Line {first} of {shown(path)} has a field of over {LONGEST_FIELD} characters: is a quote "
                      "missing?")
    if "end of data" in error:
        return "A quotation mark is opened and not closed up to the end of the file."
    return "A quotation mark inside a quoted field must be doubled."
