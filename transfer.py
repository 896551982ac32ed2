"""Bulk in and out: customers with sites, services and equipment from a CSV file, and records into CSV files.

An import reads its file once, line by line, straight into a temporary table; there SQL compares the whole of it with
what is stored, and adds what is missing. A check and an import are one transaction each, and the file is read anew for
each, so nothing stays open while the administrator decides. Nothing here prints or asks.
"""
from __future__ import annotations

import codecs
import contextlib
import csv
import functools
import io
import itertools
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

import psycopg2
import psycopg2.extensions

import database
import display
import interrupts
import prompts
import reports

Cursor = psycopg2.extensions.cursor
Progress = Callable[[str, int], None]
Mapping = dict[str, tuple[int, ...]]
Record = tuple[int, list[str], str]

LONGEST_FIELD = 10_000_000
BATCH = 50_000
CHUNK = 500
DELIMITERS = ",;\t"
NUL = "\udc00"  # stands for NUL, which csv refuses before Python 3.11; no decoded text can hold it
NOTHING = "\\N"
GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")
REJECT_COLUMNS = ("line_number", "reason")
REQUIRED = ("name", "phone_number")
TOGETHER = (("service_name", "service_cost"), ("equipment_name", "equipment_cost"))

# The fields of an import, each with the headers that mean it: in small letters, without spaces and signs.
SYNONYMS = {
    "customer_id": "customerid",
    "name": "name customer customername client clientname fullname subscriber subscribername accountname",
    "phone_number": "phonenumber phone phoneno mobile mobileno mobilenumber mobilephone cell cellphone cellnumber tel "
                    "telno telephone telephoneno telephonenumber contactnumber contactno msisdn gsm",
    "address": "address street streetaddress siteaddress serviceaddress installationaddress customeraddress location "
               "site premises",
    "service_name": "servicename service plan planname package packagename tariff product subscription bundle",
    "service_cost": "servicecost monthlyfee monthlycost monthlycharge monthlyprice monthlyrate price fee planprice "
                    "plancost packageprice packagecost serviceprice servicefee",
    "equipment_name": "equipmentname equipment device devicename devicemodel router modem cpe hardware",
    "serial_number": "serialnumber serial serialno sn deviceserial routerserial",
    "equipment_cost": "equipmentcost equipmentprice equipmentvalue devicecost deviceprice devicevalue worth",
}
FIRST_NAME = ("firstname", "first", "givenname", "forename")
LAST_NAME = ("lastname", "last", "surname", "familyname")


class BadFile(database.Error):
    """The file cannot be read or written as it is; nothing was imported."""


class UnclearDelimiter(BadFile):
    def __init__(self) -> None:
        super().__init__("The header does not show what separates the columns: give --delimiter , or ; or tab.")


class FileExists(BadFile):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already.")


class Source(NamedTuple):
    """A CSV file, how it is written, and its header."""

    path: Path
    encoding: str
    delimiter: str
    headers: list[str]


class Tally(NamedTuple):
    customers: int
    sites: int
    services: int
    equipment: int


class Outcome(NamedTuple):
    """What an import adds, what of the file is there already, and why which lines are rejected."""

    new: Tally
    present: Tally
    rejects: dict[int, str]


def silent(verb: str, rows: int) -> None:
    """Report no progress."""


def open_source(path: Path, encoding: str = "utf-8", delimiter: str = "") -> Source:
    """Read the header of a CSV file; raise BadFile when it has none that can be read."""
    encoding = _text_encoding(encoding)
    if (kind := _kind(path)) != "file":
        raise BadFile(f"{path} is a {kind}, not a file." if kind else f"There is no file {path}.")
    with _opened(path, encoding) as lines:
        first = next((line for line in lines if line.strip()), "")
    source = Source(path, encoding, _delimiter(delimiter, first), [])
    _, headers, problem = next(_filled_records(source), (1, [], "The file is empty."))
    if problem:
        raise BadFile(f"{path} has no header that can be read. {problem}")
    return source._replace(headers=[header.strip() for header in headers])


def _kind(path: Path) -> str:
    """Return file, folder or device; nothing when there is none."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as exc:
        raise BadFile(f"{path} cannot be used: {exc.strerror}.") from exc
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "device"


def _text_encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise BadFile(f"There is no encoding {name[:40]}; utf-8 and cp1252 are common ones.") from None
    return "utf-8-sig" if found.name == "utf-8" else found.name


@contextlib.contextmanager
def _opened(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file to read it as text; what goes wrong with it is a BadFile."""
    try:
        with path.open(encoding=encoding, newline="") as lines:
            yield lines
    except OSError as exc:
        raise BadFile(f"{path} cannot be read: {exc.strerror}.") from exc
    except UnicodeError as exc:
        number, name = _undecodable_line(path, encoding), encoding.replace("-sig", "")
        raise BadFile(f"Line {number} of {path} is not {name}; name its encoding: --encoding cp1252, say.") from exc


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


def _records(source: Source) -> Iterator[Record]:
    """Yield the records after the header."""
    return itertools.islice(_filled_records(source), 1, None)


def _filled_records(source: Source) -> Iterator[Record]:
    """Yield the line number, the cells, and what is wrong with the quotes, of each record that is not blank."""
    csv.field_size_limit(LONGEST_FIELD)
    raw: list[str] = []
    with _opened(source.path, source.encoding) as file:
        rows = csv.reader(_noted(file, raw), delimiter=source.delimiter, strict=True)
        number = 1
        while True:
            problem = ""
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                problem = _quoting_problem(source.path, number, rows.line_num, str(exc))
                row = next(csv.reader(raw, delimiter=source.delimiter))
            if any(map(str.strip, row)):
                yield number, row, problem
            raw.clear()
            number = rows.line_num + 1


def _noted(file: IO[str], raw: list[str]) -> Iterator[str]:
    """Yield a file's lines, and note them in raw, in case their record cannot be read."""
    for line in file:
        if "\0" in line:
            line = line.replace("\0", NUL)
        raw.append(line)
        yield line


def _quoting_problem(path: Path, first: int, last: int, error: str) -> str:
    if "limit" in error:
        raise BadFile(f"Line {first} of {path} has a field of over {LONGEST_FIELD} characters: is a quote missing?")
    if "end of data" in error:
        return f"A quotation mark is opened and not closed up to the end of the file, line {last}."
    return "A quotation mark inside a quoted field must be doubled."


def choice(headers: Sequence[str], answer: str) -> tuple[str, tuple[int, ...]]:
    """Parse what the administrator says of a field, field=Header, field=First+Last or field= for none, to its columns.

    Raise ValueError, as parsers do.
    """
    field, equals, wanted = answer.partition("=")
    field = field.strip().casefold()
    if not equals or field not in SYNONYMS:
        raise ValueError(f"Write it as name=Header; the fields are {', '.join(SYNONYMS)}.")
    parts = [wanted] if wanted.strip() in headers else wanted.split("+")
    return field, tuple(_column(headers, part) for part in parts if part.strip())


def match_headers(headers: Sequence[str], chosen: Mapping | None = None) -> Mapping:
    """Return the columns of each field: those chosen, else the column whose header means it.

    Raise BadFile, before anything is read, when a required field has no column, or it is not clear which.
    """
    mapping = dict(chosen or {})
    for field in SYNONYMS:
        if field not in mapping:
            mapping[field] = _best_columns(headers, field, mapping)
    mapping = {field: mapping[field] for field in SYNONYMS if mapping[field]}
    for column in itertools.chain(*mapping.values()):
        if sum(header.casefold() == headers[column].casefold() for header in headers) > 1:
            raise BadFile(f"The header {headers[column]} stands more than once; rename all but one of them.")
    _check_complete(mapping)
    return mapping


def _column(headers: Sequence[str], wanted: str) -> int:
    for form in (str.strip, _words):
        for column, header in enumerate(headers):
            if form(header) == form(wanted):
                return column
    raise ValueError(f"The file has no column {wanted.strip()[:80]}; it has {', '.join(filter(None, headers))[:300]}.")


def _best_columns(headers: Sequence[str], field: str, taken: Mapping) -> tuple[int, ...]:
    used = set(itertools.chain(*taken.values()))
    free = [column for column, header in enumerate(headers) if header and column not in used]
    exact = [column for column in free if _words(headers[column]) == _words(field)]
    fitting = exact or [column for column in free if _words(headers[column]) in SYNONYMS[field].split()]
    if len({headers[column] for column in fitting}) > 1:
        names = " and ".join(headers[column] for column in fitting)
        raise BadFile(f"{names} could all be {field}: say which it is, as in --map {field}={headers[fitting[0]]}.")
    if not fitting and field == "name":
        return tuple(c for known in (FIRST_NAME, LAST_NAME) for c in free if _words(headers[c]) in known)
    return tuple(fitting[:1])


def _words(header: str) -> str:
    """Return a header as it is compared: letters and digits alone, in small letters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", header).casefold()))


def _check_complete(mapping: Mapping) -> None:
    for field in REQUIRED:
        if field not in mapping:
            raise BadFile(f"No column looks like {field}: say which it is, as in --map {field}=Header.")
    if "serial_number" in mapping and "equipment_name" not in mapping:
        raise BadFile("There is a column for serial_number but none for equipment_name: add it with --map, or leave "
                      "the first out with --map serial_number=")
    for name, cost in TOGETHER:
        if (name in mapping) != (cost in mapping):
            there, missing = (name, cost) if name in mapping else (cost, name)
            raise BadFile(f"There is a column for {there} but none for {missing}: add it with --map, or leave the "
                          f"first out with --map {there}=")


def ignored_headers(source: Source, mapping: Mapping) -> list[str]:
    """Return the headers that no field uses."""
    used = set(itertools.chain(*mapping.values()))
    return [header for column, header in enumerate(source.headers)
            if header and column not in used and header not in REJECT_COLUMNS]


def unguarded(cell: str) -> str:
    """Strip a cell, and take away the apostrophe that keeps a spreadsheet from running what follows."""
    value = cell.strip()
    return value[1:] if value.startswith("'") and value[1:2] in GUARDED else value


def _text(limit: int) -> Callable[[str], str]:
    """Make a parser of one line of text, with the rules of prompts.text, to what COPY takes.

    Plain ASCII, most of most files, is told without a look at each character.
    """
    parse = prompts.text(limit)

    def read(cell: str) -> str:
        is_plain = cell.isascii() and cell.isprintable() and "\\" not in cell and 0 < len(cell) <= limit
        if is_plain and cell[0] not in " '" and cell[-1] != " ":
            return cell
        value = unguarded(cell).replace(NUL, "\0")
        if not value:
            raise ValueError("It is missing.")
        if "\n" in value or "\r" in value:
            raise ValueError("It has a line break; write it on one line.")
        return parse(value).replace("\\", "\\\\")

    return read


def _phone(cell: str) -> str:
    """Parse a phone number, with the rule of prompts.phone, to two columns: its digits alone, and as it is."""
    value = unguarded(cell)
    digits = value.replace(" ", "").replace("+", "").replace("-", "")
    if not digits.isdigit():
        digits = digits.replace("(", "").replace(")", "").replace(".", "").replace("/", "")
    if not (digits.isascii() and digits.isdigit() and 3 <= len(digits) <= 15 and len(value) <= 20):
        prompts.phone(value)
    return f"{digits}\t{value}"


def _money(cell: str) -> str:
    return str(prompts.money(unguarded(cell)))


def _or(nothing: str, parse: Callable[[str], str]) -> Callable[[str], str]:
    return lambda cell: parse(cell) if cell and not cell.isspace() else nothing


def _parsers() -> dict[str, Callable[[str], str]]:
    """Return each field's parser; those whose values repeat remember them."""
    remember = functools.lru_cache(maxsize=10_000)
    return {
        "customer_id": _or("", _text(100)),
        "name": _text(200),
        "phone_number": _phone,
        "address": _or(NOTHING, _text(300)),
        "service_name": remember(_or(NOTHING, _text(100))),
        "service_cost": remember(_or(NOTHING, _money)),
        "equipment_name": remember(_or(NOTHING, _text(100))),
        "serial_number": _or(NOTHING, _text(100)),
        "equipment_cost": remember(_or(NOTHING, _money)),
    }


class _Rows:
    """What COPY reads: a file's good lines, checked as they are asked for; the others are noted in rejects."""

    def __init__(self, source: Source, mapping: Mapping, progress: Progress) -> None:
        self.rejects: dict[int, str] = {}
        self.error: BaseException | None = None
        self.columns = ["line", *(field.replace("phone_number", "digits, phone_number") for field in mapping)]
        self._mapping, self._progress = mapping, progress
        self._width = len(source.headers)
        self._joined = [columns for columns in mapping.values() if len(columns) > 1]
        self._plan = self._columns_and_parsers()
        self._incomplete = functools.lru_cache(maxsize=None)(self._find_incomplete)
        self._good = self._good_lines(source)
        self._count = 0

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
            self._count += len(lines)
            self._progress("Read", self._count)
            return "".join(lines)
        except BaseException as exc:
            self.error = exc
            raise

    def _good_lines(self, source: Source) -> Iterator[str]:
        for number, row, problem in _records(source):
            try:
                if problem:
                    raise ValueError(problem)
                cells = row if len(row) == self._width and not self._joined else self._squared(row)
                values = [parse(cells[column]) for column, parse in self._plan]
            except ValueError:
                self.rejects[number] = problem or self._why_rejected(row)
                continue
            if problem := self._incomplete(tuple([value is NOTHING for value in values])):
                self.rejects[number] = problem
                continue
            yield f"{number}\t" + "\t".join(values) + "\n"

    def _squared(self, row: list[str]) -> list[str]:
        """Return a row with as many cells as the header has, and the joined columns after them."""
        if len(row) < self._width or any(cell.strip() for cell in row[self._width:]):
            raise ValueError(f"The line has {display.plural(len(row), 'field')}, the header {self._width}.")
        cells = [unguarded(cell) for cell in row]
        joined = [" ".join(filter(None, (cells[column] for column in columns))) for columns in self._joined]
        return row[:self._width] + [display.spreadsheet_safe(cell) for cell in joined]

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


@database.retried
def check(source: Source, mapping: Mapping, progress: Progress = silent) -> Outcome:
    """Return what an import would do; write nothing."""
    with database.transaction() as cur:
        database.be_patient(cur)
        return _compare(cur, source, mapping, progress)


@database.retried
def load(
    source: Source, mapping: Mapping, confirmed: Outcome | None = None, progress: Progress = silent
) -> Outcome:
    """Import a file's good lines, all of them or none, and write the others to rejects_path().

    Raise Conflict when this is not what was confirmed, because the file or the records have changed since.
    """
    rejects = rejects_path(source)
    with _part(rejects) as part:
        with database.transaction() as cur:
            database.be_patient(cur)
            cur.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": database.IMPORT_LOCK})
            outcome = _compare(cur, source, mapping, progress)
            if confirmed is not None and outcome != confirmed:
                raise database.Conflict("The file or the records changed after the check; nothing was imported. "
                                        "Check again.")
            if outcome.rejects:
                _write_rejects(source, outcome.rejects, part)
            _add(cur, outcome.new, progress)
        if outcome.rejects:
            _put(part, rejects, "The good lines were imported, but ")
    return outcome


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    """Lend the name under which a file is written until it is whole; remove what is left under it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if _kind(path) == "folder":
        raise BadFile(f"{path} is a folder.")
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _put(part: Path, path: Path, but: str = "") -> None:
    try:
        if path.name.endswith(".rejects.csv") and path.exists():
            os.replace(path, f"{path}.old")  # somebody may have mended it
        os.replace(part, path)
    except OSError as exc:
        raise BadFile(f"{but}{path} cannot be replaced: {exc.strerror}.") from exc


def rejects_path(source: Source) -> Path:
    return source.path.with_name(source.path.name + ".rejects.csv")


def _compare(cur: Cursor, source: Source, mapping: Mapping, progress: Progress) -> Outcome:
    """Read the file into temporary tables, and find what of it is stored already."""
    rejects = _stage(cur, source, mapping, progress)
    if "customer_id" in mapping:
        rejects.update(_reject_changed_customers(cur))
    if "serial_number" in mapping:
        rejects.update(_reject_serials_elsewhere(cur))
        rejects.update(_reject_serials_repeated(cur))
    rejects.update(_reject_namesakes(cur))
    customers = _match_customers(cur, "customer_id" in mapping)
    sites = _match_sites(cur)
    services = _match_services(cur) if "service_name" in mapping else (0, 0)
    equipment = _match_equipment(cur) if "equipment_name" in mapping else (0, 0)
    new, present = zip(customers, sites, services, equipment)
    return Outcome(Tally(*new), Tally(*present), dict(sorted(rejects.items())))


def _stage(cur: Cursor, source: Source, mapping: Mapping, progress: Progress) -> dict[int, str]:
    """Copy the good lines into import_lines and return why the others are not."""
    cur.execute(
        """
        SET LOCAL work_mem = '64MB';
        SET LOCAL jit = off;
        CREATE TEMPORARY TABLE import_lines (
            line            bigint   NOT NULL,
            customer_id     text     NOT NULL DEFAULT '',
            name            text     NOT NULL,
            phone_number    text     NOT NULL,
            digits          text     NOT NULL,
            address         text,
            service_name    text,
            service_cost    numeric,
            equipment_name  text,
            serial_number   text,
            equipment_cost  numeric
        ) ON COMMIT DROP
        """
    )
    rows = _Rows(source, mapping, progress)
    try:
        cur.copy_expert(f"COPY import_lines ({', '.join(rows.columns)}) FROM STDIN", rows)
    except psycopg2.Error:
        if rows.error is not None:
            raise rows.error from None
        raise
    cur.execute("ANALYZE import_lines")
    return rows.rejects


def _reject_changed_customers(cur: Cursor) -> dict[int, str]:
    """Take out lines whose customer_id stands in an earlier line with another name or phone number."""
    cur.execute(
        """
        DELETE FROM import_lines AS later
        USING (
            SELECT DISTINCT ON (customer_id) customer_id, name, digits, line
            FROM import_lines
            WHERE customer_id <> ''
            ORDER BY customer_id, line
        ) AS first
        WHERE later.customer_id = first.customer_id AND (later.name, later.digits) <> (first.name, first.digits)
        RETURNING later.line, first.line AS first_line
        """
    )
    return {
        row["line"]: f"customer_id: Line {row['first_line']} has it with another name or phone number." for row in cur
    }


def _reject_serials_elsewhere(cur: Cursor) -> dict[int, str]:
    """Take out lines whose serial number is stored at another place."""
    cur.execute(
        """
        DELETE FROM import_lines AS incoming
        USING equipment
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        WHERE equipment.serial_number = incoming.serial_number
          AND (customers.name, digits(customers.phone_number), locations.address)
              IS DISTINCT FROM (incoming.name, incoming.digits, incoming.address)
        RETURNING line, equipment_id, location_id
        """
    )
    return {
        row["line"]: f"serial_number: Equipment {row['equipment_id']} at location {row['location_id']} has it."
        for row in cur
    }


def _reject_serials_repeated(cur: Cursor) -> dict[int, str]:
    """Take out lines whose serial number stands in an earlier line at another place."""
    cur.execute(
        """
        DELETE FROM import_lines AS later
        USING (
            SELECT DISTINCT ON (serial_number) serial_number, customer_id, name, digits, address, line
            FROM import_lines
            WHERE serial_number IS NOT NULL
            ORDER BY serial_number, line
        ) AS first
        WHERE later.serial_number = first.serial_number
          AND (later.customer_id, later.name, later.digits, later.address)
              IS DISTINCT FROM (first.customer_id, first.name, first.digits, first.address)
        RETURNING later.line, first.line AS first_line
        """
    )
    return {row["line"]: f"serial_number: Line {row['first_line']} has it at another place." for row in cur}


def _reject_namesakes(cur: Cursor) -> dict[int, str]:
    """Take out lines that may be of either of several stored customers: those of one name and phone number, when the
    file does not have them all.
    """
    cur.execute(
        """
        WITH incoming AS (
            SELECT name, digits, count(DISTINCT customer_id) AS customers
            FROM import_lines
            GROUP BY name, digits
        ), unclear AS (
            SELECT incoming.name, incoming.digits, count(*) AS stored
            FROM incoming
            JOIN customers ON customers.name = incoming.name AND digits(customers.phone_number) = incoming.digits
            GROUP BY incoming.name, incoming.digits, incoming.customers
            HAVING count(*) > incoming.customers
        )
        DELETE FROM import_lines
        USING unclear
        WHERE import_lines.name = unclear.name AND import_lines.digits = unclear.digits
        RETURNING line, stored
        """
    )
    return {row["line"]: f"name: {row['stored']} stored customers have this name and phone number." for row in cur}


def _match_customers(cur: Cursor, numbered: bool) -> tuple[int, int]:
    """Fill import_customers, one for each that the lines speak of, known by its first line, and import_known with
    the IDs of those that are stored; count new and present.

    When the file has customer IDs, several customers may have one name and phone number: the nth in the file is then
    the nth stored.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_customers ON COMMIT DROP AS
        SELECT min(line) AS first_line, customer_id, name, digits, min(phone_number) AS phone_number, 1 AS nth
        FROM import_lines
        GROUP BY customer_id, name, digits
        """
    )
    if numbered:
        _number_namesakes(cur)
    cur.execute(
        """
        ANALYZE import_customers;

        CREATE TEMPORARY TABLE import_known ON COMMIT DROP AS
        SELECT first_line, customer_id, false AS is_new
        FROM (
            SELECT incoming.first_line, incoming.nth, stored.customer_id,
                   row_number() OVER (PARTITION BY incoming.first_line ORDER BY stored.customer_id) AS stored_nth
            FROM import_customers AS incoming
            JOIN customers AS stored
              ON stored.name = incoming.name AND digits(stored.phone_number) = incoming.digits
        ) AS pair
        WHERE nth = stored_nth;

        ANALYZE import_known;

        SELECT (SELECT count(*) FROM import_customers) - (SELECT count(*) FROM import_known) AS new,
               (SELECT count(*) FROM import_known)                                           AS present
        """
    )
    return _new_and_present(cur)


def _number_namesakes(cur: Cursor) -> None:
    cur.execute(
        """
        UPDATE import_customers
        SET nth = numbered.nth
        FROM (
            SELECT first_line, row_number() OVER (PARTITION BY name, digits ORDER BY first_line) AS nth
            FROM import_customers
        ) AS numbered
        WHERE numbered.first_line = import_customers.first_line AND numbered.nth > 1
        """
    )


def _new_and_present(cur: Cursor) -> tuple[int, int]:
    row = cur.fetchone()
    return row["new"], row["present"]


def _match_sites(cur: Cursor) -> tuple[int, int]:
    """Fill import_sites, each known by its first line, with its location_id if it is stored; count new and present."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_sites ON COMMIT DROP AS
        SELECT site_line, first_line, site.address, location_id
        FROM (
            SELECT first_line, address, min(line) AS site_line
            FROM import_lines
            JOIN import_customers USING (customer_id, name, digits)
            WHERE address IS NOT NULL
            GROUP BY first_line, address
        ) AS site
        LEFT JOIN import_known AS known USING (first_line)
        LEFT JOIN locations ON locations.customer_id = known.customer_id AND locations.address = site.address;

        ANALYZE import_sites;

        SELECT count(*) FILTER (WHERE location_id IS NULL) AS new, count(location_id) AS present
        FROM import_sites
        """
    )
    return _new_and_present(cur)


def _match_services(cur: Cursor) -> tuple[int, int]:
    """Fill import_services with each line's service, and whether it is stored; count new and present.

    Of several of one name and cost at a site, the nth in the file is the nth stored.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_services ON COMMIT DROP AS
        WITH incoming AS (
            SELECT line, site_line, location_id, service_name, service_cost AS cost,
                   row_number() OVER (PARTITION BY site_line, service_name, service_cost ORDER BY line) AS nth
            FROM import_lines
            JOIN import_customers USING (customer_id, name, digits)
            JOIN import_sites USING (first_line, address)
            WHERE service_name IS NOT NULL
        ), stored AS (
            SELECT location_id, service_name, cost,
                   row_number() OVER (PARTITION BY location_id, service_name, cost ORDER BY service_id) AS nth
            FROM services
            JOIN import_sites USING (location_id)
        )
        SELECT line, site_line, service_name, cost, stored.location_id IS NOT NULL AS present
        FROM incoming
        LEFT JOIN stored USING (location_id, service_name, cost, nth);

        SELECT count(*) FILTER (WHERE NOT present) AS new, count(*) FILTER (WHERE present) AS present
        FROM import_services
        """
    )
    return _new_and_present(cur)


def _match_equipment(cur: Cursor) -> tuple[int, int]:
    """Fill import_equipment as import_services; a serial number is one device, however many lines have it."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE import_equipment ON COMMIT DROP AS
        WITH incoming AS (
            SELECT line, site_line, location_id, equipment_name, serial_number, equipment_cost AS cost,
                   row_number() OVER (PARTITION BY site_line, equipment_name, equipment_cost, serial_number
                                      ORDER BY line) AS nth
            FROM import_lines
            JOIN import_customers USING (customer_id, name, digits)
            JOIN import_sites USING (first_line, address)
            WHERE equipment_name IS NOT NULL
        ), stored AS (
            SELECT location_id, equipment_name, cost,
                   row_number() OVER (PARTITION BY location_id, equipment_name, cost ORDER BY equipment_id) AS nth
            FROM equipment
            JOIN import_sites USING (location_id)
            WHERE equipment.serial_number IS NULL
        )
        SELECT DISTINCT ON (incoming.serial_number, CASE WHEN incoming.serial_number IS NULL THEN line END)
               line, site_line, equipment_name, serial_number, cost,
               CASE WHEN incoming.serial_number IS NULL THEN stored.location_id IS NOT NULL
                    ELSE EXISTS (SELECT FROM equipment WHERE equipment.serial_number = incoming.serial_number)
               END AS present
        FROM incoming
        LEFT JOIN stored USING (location_id, equipment_name, cost, nth)
        ORDER BY incoming.serial_number, CASE WHEN incoming.serial_number IS NULL THEN line END, line;

        SELECT count(*) FILTER (WHERE NOT present) AS new, count(*) FILTER (WHERE present) AS present
        FROM import_equipment
        """
    )
    return _new_and_present(cur)


def _add(cur: Cursor, new: Tally, progress: Progress) -> None:
    """Add what _compare found to be new, parents first, in the order of the file's lines."""
    with _search_indexes_later(cur, new):
        if new.customers:
            _give_ids(cur)
            _in_batches(cur, _add_customers, "Added customers:", progress)
        if new.sites:
            _in_batches(cur, _add_sites, "Added sites:", progress)
    if new.services:
        _add_services(cur)
        progress("Added services:", new.services)
    if new.equipment:
        _add_equipment(cur)
        progress("Added equipment:", new.equipment)


@contextlib.contextmanager
def _search_indexes_later(cur: Cursor, new: Tally) -> Iterator[None]:
    """Make the search indexes once the rows are in, where these are most of what there will be.

    Keeping a trigram index up to date costs as much as the rest of the import, and making it anew a fifth of that; but
    nobody can use the tables meanwhile, and only their owner may.
    """
    cur.execute(
        """
        SELECT format('DROP INDEX %%s', indexrelid::regclass) AS drop_it, pg_get_indexdef(indexrelid) AS make_it
        FROM pg_index
        JOIN pg_class AS index ON index.oid = indexrelid
        WHERE indrelid IN ('customers'::regclass, 'locations'::regclass)
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
          AND pg_has_role(index.relowner, 'USAGE')
          AND %(new)s > (SELECT count(*) FROM (SELECT FROM customers LIMIT %(new)s) AS stored)
        """,
        {"new": new.customers},
    )
    indexes = cur.fetchall()
    for index in indexes:
        cur.execute(index["drop_it"])
    yield
    cur.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for index in indexes:
        cur.execute(index["make_it"])


def _in_batches(cur: Cursor, add: Callable[[Cursor, int, int], None], verb: str, progress: Progress) -> None:
    """Add a range of lines after the other, at most forty, so that progress can be told between them."""
    cur.execute("SELECT min(line) - 1 AS first, max(line) AS last FROM import_lines")
    lines = cur.fetchone()
    step = max(BATCH, (lines["last"] - lines["first"]) // 40 + 1)
    count = 0
    for after in range(lines["first"], lines["last"], step):
        add(cur, after, after + step)
        count += cur.rowcount
        progress(verb, count)


def _give_ids(cur: Cursor) -> None:
    """Note in import_known the ID that each new customer will have, in the order of the file."""
    cur.execute(
        """
        INSERT INTO import_known (first_line, customer_id, is_new)
        SELECT first_line, nextval(pg_get_serial_sequence('customers', 'customer_id')), true
        FROM (
            SELECT first_line
            FROM import_customers
            WHERE NOT EXISTS (SELECT FROM import_known WHERE import_known.first_line = import_customers.first_line)
            ORDER BY first_line
        ) AS fresh;

        ANALYZE import_known
        """
    )


def _add_customers(cur: Cursor, after: int, upto: int) -> None:
    cur.execute(
        """
        INSERT INTO customers (customer_id, name, phone_number)
        OVERRIDING SYSTEM VALUE
        SELECT known.customer_id, name, phone_number
        FROM import_customers
        JOIN import_known AS known USING (first_line)
        WHERE first_line > %(after)s AND first_line <= %(upto)s AND is_new
        ORDER BY first_line
        """,
        {"after": after, "upto": upto},
    )


def _add_sites(cur: Cursor, after: int, upto: int) -> None:
    cur.execute(
        """
        INSERT INTO locations (customer_id, address)
        SELECT customer_id, address
        FROM import_sites
        JOIN import_known USING (first_line)
        WHERE site_line > %(after)s AND site_line <= %(upto)s AND location_id IS NULL
        ORDER BY site_line
        """,
        {"after": after, "upto": upto},
    )


def _add_services(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO services (location_id, service_name, cost)
        SELECT locations.location_id, service_name, cost
        FROM import_services
        JOIN import_sites USING (site_line)
        JOIN import_known USING (first_line)
        JOIN locations USING (customer_id, address)
        WHERE NOT present
        ORDER BY line
        """
    )


def _add_equipment(cur: Cursor) -> None:
    cur.execute(
        """
        INSERT INTO equipment (location_id, equipment_name, serial_number, cost)
        SELECT locations.location_id, equipment_name, serial_number, cost
        FROM import_equipment
        JOIN import_sites USING (site_line)
        JOIN import_known USING (first_line)
        JOIN locations USING (customer_id, address)
        WHERE NOT present
        ORDER BY line
        """
    )


def _write_rejects(source: Source, rejects: dict[int, str], part: Path) -> None:
    """Write the rejected lines as they are, line number and reason after them, in the file's own encoding."""
    width = len(source.headers)
    kept = [column for column, header in enumerate(source.headers) if header not in REJECT_COLUMNS]
    with _writable(part) as binary, io.TextIOWrapper(binary, source.encoding, "backslashreplace", newline="") as file:
        # \r\n, because the writer quotes what stands in its line end
        writer = csv.writer(file, delimiter=source.delimiter, lineterminator="\r\n")
        writer.writerow([*(source.headers[column] for column in kept), *REJECT_COLUMNS])
        for number, row, _ in _records(source):
            if reason := rejects.get(number):
                row = [_as_it_was(cell) for cell in row] + [""] * (width - len(row))
                writer.writerow([*(row[column] for column in kept), number, reason, *row[width:]])


def _as_it_was(cell: str) -> str:
    """Return a cell that is safe in a spreadsheet and means on import what it meant in the file."""
    return display.spreadsheet_safe(unguarded(cell).replace(NUL, "\0"))


def export(what: str, path: Path, overwrite: bool = False) -> int:
    """Write records to a file and return how many lines; raise FileExists when it may not be replaced.

    The file appears when it is whole. A device or a pipe is written to as it is.
    """
    kind = _kind(path)
    if kind == "file" and not overwrite:
        raise FileExists(path)
    if kind == "device":
        with _writable(path) as file:
            return export_to(what, file)
    with _part(path) as part:
        with _writable(part) as file:
            count = export_to(what, file)
            file.flush()
            os.fsync(file.fileno())
        _put(part, path)
        return count


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("wb", buffering=1 << 20) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as exc:
        name = re.sub(r"\.[0-9]+\.part$", "", str(path))
        raise BadFile(f"{name} cannot be written: {exc.strerror}.") from exc


def export_to(what: str, file: Any) -> int:
    """Write records as CSV, in UTF-8, to a binary file, and return how many lines after the header."""
    return EXPORTS[what](file)


class Cleaned:
    """A binary file in front of a terminal: no character that could steer it goes through."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal

    def write(self, line: bytes) -> int:
        self._terminal.write(display.clean(line.decode().rstrip("\n")) + "\n")
        return len(line)


def _copy(query: str, file: Any) -> int:
    """Let the server write what a query returns as CSV, straight to a file; nothing of it stays in memory."""
    with database.transaction() as cur:
        database.be_patient(cur)
        cur.execute("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
        try:
            cur.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", file)
        except OSError:
            cur.connection.cancel()
            raise
        return cur.rowcount


def _safe(column: str) -> str:
    """Return SQL for a column of text as display.spreadsheet_safe shows it: by the first character's number, which is
    quicker than by itself: tab, CR, ' + - = and @.
    """
    return f"CASE WHEN ascii({column}) IN (9, 13, 39, 43, 45, 61, 64) THEN '''' || {column} ELSE {column} END AS {column}"


def _export_accounts(file: Any) -> int:
    """Write what an import reads: a line for each site, more where it has several services or devices."""
    return _copy(
        f"""
        SELECT customer_id, {_safe('name')}, {_safe('phone_number')}, {_safe('address')},
               {_safe('service_name')}, service_cost,
               {_safe('equipment_name')}, {_safe('serial_number')}, equipment_cost
        FROM customers
        LEFT JOIN locations USING (customer_id)
        LEFT JOIN (
            SELECT *
            FROM (
                SELECT location_id, service_name, cost::numeric(12,2) AS service_cost,
                       row_number() OVER (PARTITION BY location_id ORDER BY service_id) AS nth
                FROM services
            ) AS service
            FULL JOIN (
                SELECT location_id, equipment_name, serial_number, cost::numeric(12,2) AS equipment_cost,
                       row_number() OVER (PARTITION BY location_id ORDER BY equipment_id) AS nth
                FROM equipment
            ) AS device USING (location_id, nth)
        ) AS content USING (location_id)
        ORDER BY customer_id, location_id, nth
        """,
        file,
    )


def _export_bills(file: Any) -> int:
    return _copy(
        f"""
        SELECT billing_id, customer_id, {_safe('name')}, {_safe('description')}, period, issued_on, due_date,
               amount_billed::numeric(12,2), amount_paid::numeric(12,2), amount_due::numeric(12,2),
               last_payment_date, is_late
        FROM billing_status
        JOIN customers USING (customer_id)
        ORDER BY billing_id
        """,
        file,
    )


def _export_payments(file: Any) -> int:
    return _copy(
        f"""
        SELECT payment_id, customer_id, {_safe('name')}, amount::numeric(12,2), paid_on, method, {_safe('reference')},
               recorded_at, voided_at, {_safe('void_reason')}
        FROM payments
        JOIN customers USING (customer_id)
        ORDER BY payment_id
        """,
        file,
    )


def _export_late(file: Any) -> int:
    """Write the late-payment report, from its one query."""
    columns = ["customer_id", "name", "phone_number", "amount_late", "oldest_due_date", "days_late",
               "last_payment_date"]
    file.write(_csv_line(columns))
    count = 0
    for count, row in enumerate(reports.stream_late_customers(), 1):
        file.write(_csv_line(_late_cell(row[column]) for column in columns))
    return count


def _late_cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return display.money(value)
    return display.spreadsheet_safe(value) if isinstance(value, str) else value


def _csv_line(cells: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode("utf-8")


EXPORTS = {
    "accounts": _export_accounts,
    "bills": _export_bills,
    "payments": _export_payments,
    "late": _export_late,
}
