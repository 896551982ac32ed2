"""The file of an import: how it is encoded and separated, its header, and its records one after the other."""
from __future__ import annotations

import codecs
import contextlib
import csv
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from tracker.errors import BadEncoding, BadFile, UnclearDelimiter
from tracker.files import kind_of

LONGEST_FIELD = 10_000_000
DELIMITERS = ",;\t"
NUL = "\udc00"  # stands for NUL, which csv refuses before Python 3.11; no decoded text can hold it


class Record(NamedTuple):
    """What is between two delimiters of lines: its first line's number, its cells, what is wrong with its quotes, and
    the lines as they are, until the next record is read."""

    number: int
    row: list[str]
    problem: str
    raw: list[str]


class Source(NamedTuple):
    """A CSV file, how it is written, and its header."""

    path: Path
    encoding: str
    delimiter: str
    headers: list[str]


def open_source(path: Path, encoding: str = "utf-8", delimiter: str = "") -> Source:
    """Read the header of a CSV file; raise BadFile when it has none that can be read."""
    check_readable(path)
    encoding = _text_encoding(encoding)
    with _opened(path, encoding) as lines:
        first = next((line for line in lines if line.strip()), "")
    source = Source(path, encoding, _delimiter(delimiter, first), [])
    header = next(all_records(source), Record(1, [], "The file is empty.", []))
    if header.problem:
        raise BadFile(f"{path} has no header that can be read. {header.problem}")
    return source._replace(headers=[name.strip() for name in header.row])


def check_readable(path: Path) -> None:
    """Raise BadFile when there is no file to read, or nothing in it."""
    if (kind := kind_of(path)) != "file":
        raise BadFile(f"{path} is a {kind}, not a file." if kind else f"There is no file {path}.")
    with _opened(path, "latin-1") as lines:
        if not lines.read(1):
            raise BadFile(f"{path} is empty.")


def check_encoding(source: Source) -> None:
    """Read a file to its end; raise BadEncoding when that is not in its encoding."""
    with _opened(source.path, source.encoding) as lines:
        while lines.read(1 << 20):
            pass


def _text_encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise BadEncoding(f"There is no encoding {name[:40]}; utf-8 and cp1252 are common ones.") from None
    return "utf-8-sig" if found.name == "utf-8" else found.name


@contextlib.contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file to read it as text; what goes wrong with it is a BadFile."""
    try:
        with path.open(encoding=encoding, newline="") as lines:
            yield lines
    except OSError as exc:
        raise BadFile(f"{path} cannot be read: {exc.strerror}.") from exc
    except UnicodeError as exc:
        number, name = _undecodable_line(path, encoding), encoding.replace("-sig", "")
        raise BadEncoding(f"Line {number} of {path} is not {name}.") from exc


def _undecodable_line(path: Path, encoding: str) -> int:
    """Return the number of the first line that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    breaks = 0
    with path.open("rb") as lines, contextlib.suppress(UnicodeError):
        for line in lines:
            breaks += decoder.decode(line).count("\n")
    return breaks + 1


def _delimiter(chosen: str, header: str) -> str:
    """Return the delimiter chosen, or the one that stands most often outside quotes in the header."""
    if chosen:
        chosen = "\t" if chosen.casefold() in ("tab", "\\t") else chosen
        if chosen not in tuple(DELIMITERS):
            raise BadFile("A delimiter is a comma, a semicolon or tab.")
        return chosen
    outside = re.sub(r'"[^"]*("|$)', "", header)
    counts = {sign: outside.count(sign) for sign in DELIMITERS}
    best = [sign for sign in DELIMITERS if counts[sign] == max(counts.values())]
    if len(best) > 1 and any(counts.values()):
        raise UnclearDelimiter
    return best[0]


def records(source: Source, opened: Callable[[TextIO], object] = lambda file: None) -> Iterator[Record]:
    """Yield the records after the header; opened is given the file that they are read from."""
    return itertools.islice(all_records(source, opened), 1, None)


def all_records(source: Source, opened: Callable[[TextIO], object] = lambda file: None) -> Iterator[Record]:
    """Yield the header and the records after it, but for blank ones."""
    csv.field_size_limit(LONGEST_FIELD)
    raw: list[str] = []
    with _opened(source.path, source.encoding) as file:
        opened(file)
        rows = csv.reader(_noted(file, raw), delimiter=source.delimiter, strict=True)
        number = 1
        while True:
            problem = ""
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                problem = _quoting_problem(source.path, number, str(exc))
                row = next(csv.reader(raw, delimiter=source.delimiter))
            if any(map(str.strip, row)):
                yield Record(number, row, problem, raw)
            raw.clear()
            number = rows.line_num + 1


def _noted(file: TextIO, raw: list[str]) -> Iterator[str]:
    """Yield a file's lines, and note them in raw, in case their record is rejected."""
    for line in file:
        whole = line.replace("\0", NUL) if "\0" in line else line
        raw.append(whole)
        yield whole


def _quoting_problem(path: Path, first: int, error: str) -> str:
    if "limit" in error:
        raise BadFile(f"Line {first} of {path} has a field of over {LONGEST_FIELD} characters: is a quote missing?")
    if "end of data" in error:
        return "A quotation mark is opened and not closed up to the end of the file."
    return "A quotation mark inside a quoted field must be doubled."
