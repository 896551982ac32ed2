"""All the books as CSV files in one .zip, and such a file into an empty database.

Each table is a file, named as it is, with the names of its columns; contents.json says how many lines each has. Every
line ends with a sum of it and of all lines before it, so that a changed or missing one is known by its number.
"""
from __future__ import annotations

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, TypedDict, cast

import psycopg2
from psycopg2.sql import SQL, Identifier, Literal

import database
from tracker import errors, interrupts, migrate
from tracker.cursor import Cursor, be_patient
from tracker.files import kind_of, kind_to_write, part_of, put
from tracker.transfer.exporting import TOLD_EVERY, safe
from tracker.transfer.lines import Progress, silent

FORM = 1
CONTENTS = "contents.json"
SUM = "row_check"
# What is about a database, and not about the business; every other table of migrate.TABLES is exported.
NO_BOOKS = ("schema_version", "work_locks", "verifications", "backups")
TABLES = [table for table in migrate.TABLES if table not in NO_BOOKS]
PLAIN_KINDS = ("N", "D", "B")  # numbers, days and moments, truths: what stands in no quotation marks
LONGEST = 1 << 26  # bytes of a line; a longer one is a quotation mark that is not closed
BLOCK = 1 << 20
SAME_DAY = (1980, 1, 1, 0, 0, 0)  # the same books make the same file, whenever
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError)


class Part(TypedDict):
    """What a table's file holds; next_id is the ID that comes next, None where rows have none of their own."""

    rows: int
    next_id: int | None


class Column(NamedTuple):
    name: str
    kind: str  # as pg_type.typcategory has it
    is_identity: bool


class Book(NamedTuple):
    """An opened export of everything."""

    path: Path
    parts: dict[str, Part]
    archive: zipfile.ZipFile


def columns_of(cur: Cursor, table: str) -> list[Column]:
    """Return the columns of a table that are stored for themselves, and do not follow from others."""
    cur.execute(
        """
        SELECT attname, typcategory, attidentity <> '' AS is_identity
        FROM pg_attribute
        JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        ORDER BY attnum
        """,
        {"table": table},
    )
    return [Column(row["attname"], row["typcategory"], row["is_identity"]) for row in cur]


@database.reporting()
@database.retried
def export(path: Path, overwrite: bool = False, progress: Progress = silent) -> dict[str, int]:
    """Write all the books, as one moment shows them, to a .zip, and return how many rows of each table.

    The file appears when it is whole, its owner's alone. Raise FileExists when it may not be replaced, BadFile.
    """
    kind = kind_to_write(path)
    if kind == "device":
        raise errors.BadFile(f"{path} is no file.")
    if kind and not overwrite:
        raise errors.FileExists(path)
    with database.reading(snapshot=True) as cur, part_of(path) as part:
        be_patient(cur)
        cur.execute("SET LOCAL jit = off; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = ISO")
        done, whole = 0, _about_how_many(cur)
        parts: dict[str, Part] = {}
        with zipfile.ZipFile(part.file, "w") as archive:
            for table in TABLES:
                with _member(archive, f"{table}.csv") as member:
                    lines = _Summed(member, f"Exporting {table}", done, whole, progress)
                    parts[table] = {"rows": _copy(cur, table, lines), "next_id": _next_id(cur, table)}
                done += parts[table]["rows"]
            with _member(archive, CONTENTS) as member:
                member.write(_contents(parts))
        put(part, path, replace=overwrite)
    return {table: found["rows"] for table, found in parts.items()}


def _about_how_many(cur: Cursor) -> int:
    cur.execute(
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint AS rows FROM pg_class "
        "WHERE oid = ANY (%(tables)s::regclass[])",
        {"tables": TABLES},
    )
    return int(cur.row()["rows"])


@contextlib.contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """Lend a file of a .zip to write, which is one that the same bytes always make."""
    info = zipfile.ZipInfo(name, SAME_DAY)
    info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o600 << 16, 3
    info._compresslevel = 1  # type: ignore[attr-defined]  # what ZipFile.writestr() sets, too
    with archive.open(info, "w", force_zip64=True) as member, io.BufferedWriter(cast(Any, member), BLOCK) as file:
        yield file


def _copy(cur: Cursor, table: str, file: Any) -> int:
    columns = columns_of(cur, table)
    cells = SQL(", ").join(SQL(safe(column.name)) if column.kind == "S" else Identifier(column.name)
                           for column in columns)
    quoted = SQL(", ").join(Identifier(column.name) for column in columns if column.kind not in PLAIN_KINDS)
    how = SQL(", FORCE_QUOTE ({})").format(quoted) if quoted.seq else SQL("")
    key = SQL('{} COLLATE "C"' if columns[0].kind == "S" else "{}").format(Identifier(columns[0].name))
    try:
        cur.copy_expert(
            SQL("COPY (SELECT {} FROM {} ORDER BY {}.{}) TO STDOUT WITH (FORMAT csv, HEADER{})").format(
                cells, Identifier(table), Identifier(table), key, how),
            file,
        )
    except OSError:
        cur.connection.cancel()
        raise
    return cur.rowcount


def _next_id(cur: Cursor, table: str) -> int | None:
    for column in columns_of(cur, table):
        if column.is_identity:
            cur.execute("SELECT pg_get_serial_sequence(%(table)s, %(column)s) AS name",
                        {"table": table, "column": column.name})
            cur.execute(f"SELECT last_value + is_called::integer AS next_id FROM {cur.row()['name']}")  # noqa: S608
            return int(cur.row()["next_id"])
    return None


class _Summed:
    """A binary file to which each line is written with its sum behind it."""

    def __init__(self, file: IO[bytes], what: str, before: int, whole: int, progress: Progress) -> None:
        self._file, self._what, self._whole, self._progress = file, what, whole, progress
        self._before = self._count = before
        self._sum = 0

    def write(self, line: bytes) -> int:
        if self._count % TOLD_EVERY == 0:
            self._progress(self._what, self._count, max(self._whole, self._count))
        body = line[:-1]
        self._sum = zlib.crc32(body, self._sum)
        ending = b",%s\n" % SUM.encode() if self._count == self._before else b',"%08x"\n' % self._sum
        self._count += 1
        self._file.write(body + ending)
        return len(line)


def _contents(parts: dict[str, Part]) -> bytes:
    """Return what says of itself what the files are, with a sum of its own."""
    said = {"form": FORM, "schema_version": migrate.program_version(), "tables": parts}
    return json.dumps({**said, "check": _sum_of(said)}, indent=1).encode() + b"\n"


def _sum_of(said: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(said).encode()):08x}"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Book]:
    """Lend an export of everything that this program can read; raise BadFile."""
    if (kind := kind_of(path)) != "file":
        raise errors.BadFile(f"{path} is a folder; name the .zip of an export." if kind == "folder" else
                             f"{path} is not there, or is no file.")
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as exc:
        raise errors.BadFile(f"{path} is no .zip file, or is cut short.") from exc
    except OSError as exc:
        raise errors.BadFile(f"{path} cannot be read: {exc.strerror}.") from exc
    with archive:
        yield Book(path, _read_contents(path, archive), archive)


def _read_contents(path: Path, archive: zipfile.ZipFile) -> dict[str, Part]:
    damaged = errors.BadFile(f"{CONTENTS} in {path} is not as it was exported; nothing was imported.")
    if CONTENTS not in archive.namelist():
        raise errors.BadFile(f"{path} is no export of everything: it has no {CONTENTS}.")
    try:
        said = json.loads(archive.read(CONTENTS))
        check, form = said.pop("check"), int(said["form"])
    except (KeyError, ValueError, TypeError, AttributeError, *UNREADABLE) as exc:
        raise damaged from exc
    if form > FORM:
        raise errors.BadFile(f"{path} is written in form {form}, and this program reads form {FORM}: use a newer "
                             "program.")
    if check != _sum_of(said):
        raise damaged
    version, parts = said["schema_version"], said["tables"]
    if version != (known := migrate.program_version()):
        how = ("use a newer program" if version > known else
               "import it with the program that exported it, upgrade, and export it anew")
        raise errors.BadFile(f"{path} holds books of version {version}, and this program's are of version {known}: "
                             f"{how}.")
    if missing := [f"{table}.csv" for table in TABLES if f"{table}.csv" not in archive.namelist()]:
        raise errors.BadFile(f"{missing[0]} is missing in {path}; nothing was imported.")
    result: dict[str, Part] = parts
    return result


def load(path: Path, progress: Progress = silent) -> dict[str, int]:
    """Import an export of everything into an empty database, all of it or nothing; return how many rows of each table.

    IDs, moments and sums are those of the file, and so is the trail, so that no trigger adds to them. Raise Forbidden
    for any login but the owner's, since what says who did something when is nobody else's to write; Conflict where
    there is something already; BadFile.
    """
    rights = database.rights()
    if not rights["is_owner"]:
        raise errors.Forbidden(f"That is for the owner of the tables, {rights['owner']}.")
    with opened(path) as book:
        with database.transaction() as cur:
            be_patient(cur)
            _claim(cur)
            done, whole = 0, sum(part["rows"] for part in book.parts.values())
            for table in TABLES:
                cur.execute(SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(Identifier(table)))
                _fill(cur, table, _Checked(book, table, done, whole, progress))
                done += book.parts[table]["rows"]
            progress("Finishing", 0, 0)
            for table in TABLES:
                cur.execute(SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(Identifier(table)))
                _go_on(cur, table, book.parts[table]["next_id"])
        progress("Tidying up", 0, 0)
        with database.outside_transactions() as cur:
            cur.execute(SQL("VACUUM (ANALYZE) {}").format(SQL(", ").join(map(Identifier, TABLES))))
        return {table: part["rows"] for table, part in book.parts.items()}


def _claim(cur: Cursor) -> None:
    """Keep every other writer out until the end, and refuse a database in use."""
    cur.execute(SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(SQL(", ").join(map(Identifier, TABLES))))
    for table in TABLES:
        cur.execute(SQL("SELECT EXISTS (SELECT FROM {}) AS used").format(Identifier(table)))
        if cur.row()["used"]:
            raise errors.Conflict(
                "Everything is imported into an empty database, and this one has been worked with: name another one in "
                "DATABASE_URI, or for the embedded database another folder in ISP_DATA_DIR.")


def _fill(cur: Cursor, table: str, lines: _Checked) -> None:
    columns = columns_of(cur, table)
    if {*lines.columns} != {column.name for column in columns}:
        raise errors.BadFile(f"{table}.csv, line 1: its columns are not those of this version; nothing was imported.")
    names = SQL(", ").join(map(Identifier, lines.columns))
    try:
        cur.copy_expert(SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv)").format(Identifier(table), names), lines, BLOCK)
    except psycopg2.Error:
        if lines.error is not None:
            raise lines.error from None
        raise


def _go_on(cur: Cursor, table: str, next_id: int | None) -> None:
    """Let IDs go on where they did in the books that were exported; it is taken back with the transaction."""
    for column in columns_of(cur, table):
        if column.is_identity and next_id is not None:
            cur.execute(SQL("ALTER TABLE {} ALTER COLUMN {} RESTART WITH {}").format(
                Identifier(table), Identifier(column.name), Literal(next_id)))


class _Checked:
    """What COPY reads: the lines of a table's file, each of which is as it was exported."""

    def __init__(self, book: Book, table: str, before: int, whole: int, progress: Progress) -> None:
        self.error: BaseException | None = None
        self._book, self._name, self._table = book, f"{table}.csv", table
        self._before, self._whole, self._progress = before, whole, progress
        self._rows = book.parts[table]["rows"]
        self._lines = self._checked()
        self.columns = next(self._lines).decode().rstrip("\n").split(",")

    def read(self, size: int) -> bytes:
        """Return some lines; what goes wrong, Ctrl-C too, is kept in error, because psycopg2 does not hand it on."""
        try:
            interrupts.check()
            block = bytearray()
            for line in self._lines:
                block += line
                if len(block) > size >> 1:
                    break
            return bytes(block)
        except BaseException as exc:
            self.error = exc
            raise

    def _checked(self) -> Iterator[bytes]:
        """Yield lines without their sums, and with texts as they are stored: no apostrophe before what is risky."""
        total, count, number = 0, -1, 1
        for line, following in self._records():
            body, _, check = line.rstrip(b"\r\n").rpartition(b",")
            total = zlib.crc32(body, total)
            if check != (SUM.encode() if count < 0 else b'"%08x"' % total):
                raise self._damaged(number, "it is not as it was exported, or the line before it is missing")
            count += 1
            if count % TOLD_EVERY == 0:
                self._progress(f"Importing {self._table}", self._before + count, self._whole)
            number = following
            if body.startswith(b'"\''):
                body = b'"' + body[2:]
            yield body.replace(b',"\'', b',"') + b"\n"
        if count != self._rows:
            raise self._damaged(number, f"lines are missing at its end: {self._rows - count} of {self._rows}")

    def _records(self) -> Iterator[tuple[bytes, int]]:
        """Yield the lines of the file, those that a quotation mark joins as one, and which line comes after each."""
        number, begun, joined, is_open = 1, 1, bytearray(), 0
        try:
            with self._book.archive.open(self._name) as member:
                for line in io.BufferedReader(cast(Any, member), BLOCK):
                    number += 1
                    joined += line
                    is_open ^= line.count(b'"') % 2
                    if not is_open:
                        yield bytes(joined), number
                        begun, joined = number, bytearray()
                    elif len(joined) > LONGEST:
                        break
        except UNREADABLE as exc:
            raise self._damaged(begun, "from here on it cannot be read") from exc
        if joined:
            raise self._damaged(begun, "a quotation mark is not closed")

    def _damaged(self, line: int, why: str) -> errors.BadFile:
        return errors.BadFile(f"{self._name}, line {line}: {why}; nothing was imported.")
