"""The log: what went wrong, for whoever mends it; the screen has one sentence.

It stands beside the data, its owner's alone. No secret and no customer's data reach it: statements are logged without
their values, and of what others say, whatever stands in quotes is left out.
"""
from __future__ import annotations

import fcntl
import logging
import os
import re
import stat
import traceback
from pathlib import Path

import psycopg2

from tracker import settings
from tracker.errors import Error

NAME = "program.log"
LIMIT = 5_000_000  # bytes; then it begins anew, and one old one is kept
SLOW = 1.0  # seconds from which on a statement is logged
LONGEST = 500  # characters of a statement
TELLING = (TypeError, AttributeError, NameError, ImportError, OSError)  # faults whose words are about the program
QUOTES = "\"'`“”„‟«»‹›‘’‚‛"


_begun: set[Path] = set()


class _File(logging.Handler):
    """Appends to the file, opened for each line, so that programs at the same time share it and may move it away."""

    failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with os.fdopen(_opened(path()), "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(self.format(record) + "\n")
        except (OSError, Error):  # a full disk, or a folder out of reach, must not stop the work
            self.failed = True


def path() -> Path:
    """Return where the log is; raise Unavailable when there is no folder for it."""
    return settings.data_folder() / NAME


def where() -> str:
    """Say where the log is."""
    try:
        return str(path())
    except Error as exc:
        return f"none. {exc}"


def _opened(file: Path) -> int:
    """Open the log to append to it; make it, and its folder, if missing; begin anew when it is full.

    A folder that was there and is not any more was moved away with the data in it, and is not made again.
    """
    if not file.parent.exists() and file not in _begun:
        _make(file.parent)
    descriptor = _open(file)
    _begun.add(file)
    if os.fstat(descriptor).st_size > LIMIT:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # of several programs one moves it, and the others find another there
        if os.fstat(descriptor).st_ino == file.stat().st_ino:
            file.replace(file.with_name(f"{NAME}.old"))
        os.close(descriptor)
        descriptor = _open(file)
    return descriptor


def _make(folder: Path) -> None:
    # Root's folder must let the system user through that runs its embedded server.
    before = os.umask(0o022 if os.geteuid() == 0 else 0o077)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(before)


def _open(file: Path) -> int:
    """Open a file that is ours alone; whatever else was put in its place raises OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        os.close(descriptor)
        raise PermissionError(f"{file} is not ours alone")
    os.fchmod(descriptor, 0o600)
    return descriptor


_file = _File()
_file.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
_log = logging.getLogger("isp-customer-tracker")
_log.setLevel(logging.INFO)
_log.propagate = False
_log.addHandler(_file)


def note(message: str) -> None:
    """Log something ordinary: a connect, an upgrade."""
    _log.info(message)


def retry(action: str, error: Exception) -> None:
    _log.warning("%s is tried again after: %s", action, error)


def slow(statement: str, seconds: float) -> None:
    """Log a statement that took long; one that did not is nothing to tell."""
    if seconds > SLOW:
        _log.warning("A statement took %.1f s: %s", seconds, _line(statement)[:LONGEST])


def server_error(error: psycopg2.Error, statement: str = "") -> None:
    """Log the server's own words, with what they are about, and the statement without its values."""
    _log.warning("%s%s", _words(error), f" in: {_line(statement)[:LONGEST]}" if statement else "")


def fault(error: BaseException) -> bool:
    """Log where a fault of the program happened; return whether that is in the file."""
    _file.failed = False
    lines = [_traceback(error)]
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        lines.append(_traceback(cause))
        error = cause
    _log.error("A fault of the program\n%s", "\nwhich came after\n".join(lines))
    return not _file.failed


def _traceback(error: BaseException) -> str:
    steps = "".join(traceback.format_tb(error.__traceback__))
    if isinstance(error, psycopg2.Error):
        return f"{steps}{type(error).__name__}: {_words(error)}"
    if isinstance(error, TELLING):
        return f"{steps}{type(error).__name__}: {_unquoted(str(error))}"
    return f"{steps}{type(error).__name__}"


def _words(error: psycopg2.Error) -> str:
    """Return what the server said: its first line alone, because DETAIL and the rest repeat the data."""
    diag, code = error.diag, error.pgcode or "unknown"
    about = ", ".join(
        f"{kind} {name}" for kind, name in
        (("table", diag.table_name), ("column", diag.column_name), ("constraint", diag.constraint_name)) if name
    )
    if not diag.message_primary:  # from the client's library: it names hosts, logins and databases, and no data
        said = re.sub(f"[{QUOTES}][^{QUOTES}]*[{QUOTES}]", '"…"', _line(str(error)))
    elif code.startswith("23"):  # broken rules are named, not quoted from
        said = _line(diag.message_primary)
    elif code.startswith("P0"):
        said = "a function's own words, which may hold data"
    else:
        said = _unquoted(diag.message_primary)
    return f"SQLSTATE {code}: {said}{f' ({about})' if about else ''}"


def _unquoted(words: str) -> str:
    """Leave out all from the first quote to the last, which may be anybody's data, quotes within it and all."""
    return re.sub(f"[{QUOTES}].*[{QUOTES}]", '"…"', _line(words))


def _line(words: str) -> str:
    return " ".join(words.split())
