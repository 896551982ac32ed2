"""A backup as a file: a dump that pg_restore reads, and behind it a note of what the books held in that very moment.

pg_restore finds what it needs by offsets from the beginning of the file and never looks behind the last of them, so
that PostgreSQL's own tools read such a file, too. The note is the last that is written, with the length and the
checksum of the dump: a file that was cut short has none. A dump that pg_dump made alone has none either, and is told by
its contents.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, TypedDict

from psycopg2.extensions import make_dsn
from psycopg2.sql import SQL, Identifier

from tracker import embedded, files, interrupts, log, migrate
from tracker.cursor import Cursor
from tracker.errors import BadFile, Error, Forbidden, ServerError

MAGIC = b"PGDMP"  # of a dump in pg_dump's custom format
FORM = 1  # of the note
# The last line: how long the note before it is, and the checksum of all that comes before this line.
END = "\nISP CUSTOMER TRACKER BACKUP, NOTE OF {:08d} BYTES, SHA-256 {}\n"
END_BYTES = len(END.format(0, "0" * 64))
LONGEST_NOTE = 10_000_000
BEGINNING = b'\n{"form": '  # of the note
BLOCK = 1 << 20
ASK_EVERY = 5  # seconds
LOCK_PATIENCE = "60s"
# Where systems put the programs of several versions beside each other.
FOLDERS = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin",
           "/usr/local/opt/postgresql@{}/bin", "/usr/local/pgsql/bin")
NEWEST_MAJOR = 40  # to look for
# What is no argument, which everybody on the machine sees; of these libpq's environment has the password alone.
SECRET = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# What chooses among several servers, where one was reached already; and what they see of who connects.
ONE_OF_SEVERAL = ("target_session_attrs", "load_balance_hosts", "application_name")
# A newer pg_restore says this to an older server, which does not know the setting and need not.
HARMLESS = re.compile(r'unrecognized configuration parameter "transaction_timeout"')
Progress = Callable[[str, int, int], object]
Stock = dict[str, dict[str, str]]


class Note(TypedDict):
    """What a backup says of itself: taken_at as ISO 8601; pg_dump is the major version of that; stock as take_stock()
    gives it, empty where none was taken; size is the database's on its disk.
    """

    form: int
    taken_at: str
    database: str
    server_version: int
    pg_dump: int
    schema_version: int
    size: int
    stock: Stock


class Archive(NamedTuple):
    """A backup file that was looked at; major is the version of the pg_dump that made it, which an older pg_restore may
    not read; note is None in a dump that pg_dump made alone.
    """

    path: Path
    bytes: int
    major: int
    note: Note | None


class Target(NamedTuple):
    """A database that PostgreSQL's programs connect to: parameters as libpq's, major of its server."""

    parameters: dict[str, str]
    major: int
    is_encrypted: bool

    def of(self, database: str) -> Target:
        return self._replace(parameters={**self.parameters, "dbname": database})


def target_of(conn: interrupts.Connection, parameters: dict[str, Any]) -> Target:
    """Return the server that a connection reached, which may be one of several in its parameters."""
    known = {key: value for key, value in parameters.items()
             if isinstance(value, str) and key not in ONE_OF_SEVERAL and not (key == "hostaddr" and "," in value)}
    there = {"host": conn.info.host, "port": str(conn.info.port), "dbname": conn.info.dbname}
    return Target({**known, **{key: value for key, value in there.items() if value}},
                  conn.server_version // 10_000, conn.info.ssl_in_use)


def note(cur: Cursor, with_stock: bool = True) -> Note:
    """Return what a backup says of itself, as the transaction of the cursor sees the database."""
    cur.execute(
        """
        SELECT now() AS taken_at, current_database() AS database, pg_database_size(current_database()) AS size,
               current_setting('server_version_num')::integer AS server_version,
               (SELECT max(version) FROM schema_version) AS schema_version
        """
    )
    row = cur.row()
    return {
        "form": FORM, "taken_at": row["taken_at"].isoformat(), "database": row["database"],
        "server_version": row["server_version"], "pg_dump": 0, "schema_version": row["schema_version"],
        "size": row["size"],
        "stock": take_stock(cur) if with_stock else {},
    }


def listening(cur: Cursor) -> Progress:
    """Ask the server now and then whether it still answers, so that one that is frozen ends the wait for its dump."""
    asked = time.monotonic()

    def ask(what: str, done: int, whole: int) -> None:
        nonlocal asked
        if time.monotonic() > asked + ASK_EVERY:
            cur.execute("SELECT 1")
            asked = time.monotonic()

    return ask


def take_stock(cur: Cursor) -> Stock:
    """Return for each table how many rows it has, and the sum of each column of numbers, as text."""
    cur.execute(
        """
        SELECT relname,
               ARRAY(SELECT attname::text
                     FROM pg_attribute
                     JOIN pg_type ON pg_type.oid = atttypid
                     WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND typcategory = 'N'
                     ORDER BY attnum) AS columns
        FROM pg_class
        WHERE relname = ANY (%(tables)s) AND relkind = 'r' AND pg_table_is_visible(oid)
        """,
        {"tables": migrate.TABLES},
    )
    return {row["relname"]: _counted(cur, row["relname"], row["columns"]) for row in cur.fetchall()}


def _counted(cur: Cursor, table: str, columns: Sequence[str]) -> dict[str, str]:
    sums = [SQL("coalesce(sum({0}), 0)::text AS {0}").format(Identifier(column)) for column in columns]
    cur.execute(SQL("SELECT {} FROM {}").format(SQL(", ").join([SQL('count(*)::text AS "rows"'), *sums]),
                                                Identifier(table)))
    return cur.row()


def write(path: Path, target: Target, snapshot: str | None, note: Callable[[], Note], progress: Progress) -> int:
    """Write a backup of a database as a snapshot shows it, or as it is, and return the file's size.

    The file is its owner's alone, and whole or not there. note is called while the dump goes on. Raise ServerError,
    BadFile, FileExists.
    """
    files.clear_all(path.parent, r".+-[0-9-]{17}\.(backup|dump)\.")
    # pg_dump writes through an opening of its own, so that the file is unlocked when this program is killed; and by
    # a name, since on standard output it does not go back to write where each table begins.
    with files.part_of(path) as part, open(part.path, "r+b") as out:
        options = [f"--snapshot={snapshot}"] if snapshot else []
        program = _find("pg_dump", target)
        with _running(program, target, "--format=custom", "--compress=1", "--verbose",
                      f"--lock-wait-timeout={LOCK_PATIENCE}", f"--file=/dev/fd/{out.fileno()}", *options,
                      pass_fds=[out.fileno()]) as dump:
            noted = note()
            said = dump.finish(progress)
        if dump.code:
            raise _failure("pg_dump", said, path, dump.code)
        with files.told(path):
            _add_note(part.path, part.file, {**noted, "pg_dump": _major(program)})
        files.put(part, path)
        return path.stat().st_size


def _add_note(path: Path, file: IO[bytes], note: Note) -> None:
    file.seek(0, os.SEEK_END)
    written = json.dumps(note).encode()
    file.write(b"\n" + written)
    file.flush()
    file.write(END.format(len(written), _checksum(path, file.tell())).encode())


def _checksum(path: Path, size: int) -> str:
    """Return the SHA-256 of the first bytes of a file."""
    checksum = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(BLOCK, size))):
            checksum.update(block)
            size -= len(block)
            interrupts.check()
    return checksum.hexdigest()


def is_finished(path: Path) -> bool:
    """Tell whether a file ends as a backup does that was written to its end."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
            return _end(file.read()) is not None
    except OSError:
        return False


def _end(line: bytes) -> re.Match[bytes] | None:
    return re.fullmatch(END.replace("{:08d}", "([0-9]{8})").replace("{}", "([0-9a-f]{64})").encode(), line)


def read(path: Path) -> Archive:
    """Look at a backup file and see that it is whole; raise BadFile."""
    if (kind := files.kind_of(path)) != "file":
        raise BadFile(f"{path} is a folder; name a file in it." if kind == "folder" else
                      f"{path} is not there, or is no file.")
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BadFile(f"{path} is not a backup of this program.")
            size = os.fstat(file.fileno()).st_size
            note = _note(path, file, size)
    except OSError as exc:
        raise BadFile(f"{path} cannot be read: {exc.strerror}.") from exc
    return Archive(path, size, note["pg_dump"] if note else _listed(path), note)


def _note(path: Path, file: IO[bytes], size: int) -> Note | None:
    """Return the note behind a dump, all of which is as it was written; None where there is none."""
    file.seek(max(0, size - END_BYTES))
    end = _end(file.read())
    if not end:
        file.seek(max(0, size - LONGEST_NOTE))
        if BEGINNING in file.read():
            raise BadFile(f"{path} is cut short or damaged.")
        return None
    length = int(end[1])
    if _checksum(path, size - END_BYTES) != end[2].decode() or not 0 < length < min(size - END_BYTES, LONGEST_NOTE):
        raise BadFile(f"{path} is damaged: what it holds is not what was written.")
    file.seek(size - END_BYTES - length)
    note: Note = json.loads(file.read(length))
    if note["form"] > FORM:
        raise BadFile(f"{path} was made by a newer program; use that.")
    return note


def _listed(path: Path) -> int:
    """See that a dump without a note is one of this program's tables, and whole; return the version of its pg_dump."""
    program = _newest("pg_restore")
    said = _said(path, program, "--list")
    found = re.search(r"^; +Dumped by pg_dump version: ([0-9]+)", said, re.MULTILINE)
    tables = set(re.findall(r"^[0-9]+; [0-9]+ [0-9]+ TABLE DATA \S+ (\w+) ", said, re.MULTILINE))
    if not {"schema_version", "customers", "billing"} <= tables or not found:
        raise BadFile(f"{path} is not a backup of this program.")
    _said(path, program, "--file=/dev/null")
    return int(found[1])


def _said(path: Path, program: Path, option: str) -> str:
    done = subprocess.run([program, option, path.resolve()], capture_output=True, encoding="utf-8", errors="replace",
                          env=_environment({}), check=False)
    if done.returncode:
        log.note(f"pg_restore {option}: {embedded.reason(done.stderr)}")
        if "unsupported version (1." in done.stderr:
            raise BadFile(f"{path} was made by a newer pg_dump than {program} can read; install that version's client "
                          "programs.")
        raise BadFile(f"{path} is cut short or damaged.")
    return done.stdout


def restore(archive: Archive, target: Target, whole: bool, size: Callable[[], int], progress: Progress) -> None:
    """Fill an empty database from a backup; with whole, in one transaction, else by several at once.

    size tells how large the database is by now. Raise ServerError.
    """
    program = _find("pg_restore", target._replace(major=max(target.major, archive.major)))
    how = ["--single-transaction"] if whole else [f"--jobs={max(2, min(4, os.cpu_count() or 1))}"]
    with _running(program, target, "--no-owner", "--no-privileges", "--verbose", *how,
                  last=str(archive.path.resolve())) as child:
        expected = archive.note["size"] if archive.note else 0
        said = child.finish(lambda what, *_: progress("Restoring", size() if expected else 0, expected))
    complaints = [line for line in re.findall(r"(?:error|ERROR): +(.*)", said) if "errors ignored" not in line]
    grave = [line for line in complaints if not HARMLESS.search(line)]
    if child.code and (whole or grave or not complaints):
        raise _failure("pg_restore", said, archive.path, child.code, *grave[:1])  # the others follow from the first


class _Child:
    """A program of PostgreSQL that runs, and what it says on standard error."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._latest = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def code(self) -> int:
        return self._process.returncode

    def _listen(self) -> None:
        for line in self._process.stderr or ():
            if table := re.search(r'(?:contents of|data for) table "(?:[^"]+\.)?(\w+)"', line):
                self._latest = table[1]
            if not re.match(r"\w+: (?:dumping|reading|creating|processing|launching|finished|entering|saving|identif"
                            r"|finding|flagging|connecting|executing|implied|last built-in|setting)", line):
                self._lines.append(line)

    def finish(self, progress: Progress) -> str:
        """Return once the program has ended what it complained of; Ctrl-C ends it."""
        while self._process.poll() is None:
            interrupts.check()
            progress(self._latest, 0, 0)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
        self._listener.join()
        return "".join(self._lines)


@contextlib.contextmanager
def _running(program: Path, target: Target, *arguments: str, last: str = "", **more: Any) -> Iterator[_Child]:
    """Run a program of PostgreSQL on a database; it does not outlive the block."""
    parameters = {key: value for key, value in target.parameters.items() if key not in SECRET}
    command = [str(program), *arguments, "--no-password", f"--dbname={make_dsn(**parameters)}", *filter(None, [last])]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, encoding="utf-8", errors="replace", start_new_session=True,
                                   env=_environment(target.parameters), **more)
    except OSError as exc:
        raise ServerError(f"{program} does not run: {exc.strerror}.") from exc
    try:
        yield _Child(process)
    finally:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(parameters: dict[str, str]) -> dict[str, str]:
    """Return what a program is started with: the password not as an argument, which everybody on the machine sees."""
    password = {"PGPASSWORD": parameters["password"]} if "password" in parameters else {}
    return {**os.environ, "LC_ALL": "C", **password}


def _find(name: str, target: Target) -> Path:
    """Return a program of PostgreSQL of the server's own major version, else of the next newer one that is here.

    The wheel's are built without SSL.
    """
    found = _found(name, target.is_encrypted)
    for major in sorted(found):
        if major >= target.major:
            return found[major]
    encrypted = " with SSL" if target.is_encrypted and _found(name, False) else ""
    raise ServerError(f"There is no {name} {target.major}{encrypted} on this machine, which the server takes: install "
                      f"PostgreSQL's client programs of version {target.major} (postgresql-client-{target.major} on "
                      "Debian).")


def _newest(name: str) -> Path:
    found = _found(name, False)
    if not found:
        raise ServerError(f"There is no {name} on this machine: install PostgreSQL's client programs.")
    return found[max(found)]


def _found(name: str, with_ssl: bool) -> dict[int, Path]:
    """Return the programs of that name on this machine by their major versions; the first on PATH comes first."""
    places = [Path(found).parent for found in filter(None, [shutil.which(name)])]
    places += [Path(folder.format(major)) for folder in FOLDERS for major in range(14, NEWEST_MAJOR)]
    if not with_ssl:
        with contextlib.suppress(ServerError):
            places.append(embedded.binaries())
    found: dict[int, Path] = {}
    for place in dict.fromkeys(places):
        if (program := place / name).is_file() and (major := _major(program)):
            found.setdefault(major, program)
    return found


def _major(program: Path) -> int:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
        if version := re.search(r"\(PostgreSQL\) ([0-9]+)", said):
            return int(version[1])
    return 0


def _failure(name: str, said: str, path: Path, code: int = 1, reason: str = "") -> Error:
    reason = reason or embedded.reason(said)
    log.note(f"{name}: {reason}")
    unwritten = re.search(r"could not (write|close|flush)[^:]*: |wrote only", said) and "ERROR" not in said
    if name == "pg_dump" and (unwritten or code == -signal.SIGXFSZ):
        return BadFile(f"There is no room left on the disk of {path.parent}, or it cannot be written; nothing is left "
                       "of that backup.")
    if HARMLESS.search(said):
        return ServerError(f"{name} is too new for this server and login; install PostgreSQL's client programs of the "
                           "server's version.")
    if "No space left on device" in said:
        return ServerError("There is no room left on the disk of the database; make room there and try again.")
    if extension := re.search(r'permission denied to create extension "(.*)"', said):
        return ServerError(f"The backup holds the extension {extension[1]}, which only a superuser can make: have the "
                           "login be one (ALTER ROLE … SUPERUSER) for as long as the restore takes.")
    if denied := re.search(r"permission denied for (?:table|sequence|schema) \w+", said):
        return Forbidden(f"This login may not read everything ({denied[0]}); back up as the tables' owner.")
    return ServerError(f"{name} says {reason!r}; correct that and try again.")
