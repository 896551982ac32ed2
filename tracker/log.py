"""The log: what went wrong, for whoever mends it; the screen has one sentence.

It stands beside the data, its owner's alone. No secret and no customer's data reach it: statements are logged without
their values, and of other words what stands in quotes is left out.
"""
from __future__ import annotations

import logging
import os
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tracker import settings

if TYPE_CHECKING:
    import psycopg2

NAME = "program.log"
LIMIT = 5_000_000  # bytes; then it begins anew, and one old one is kept
SLOW = 1.0  # seconds from which on a statement is logged


class _File(logging.Handler):
    """Appends to the file, opened for each line, so that programs at the same time share it and may move it away."""

    failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with os.fdopen(_append(path()), "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(self.format(record) + "\n")
        except OSError:  # a full disk, or somebody else's folder, must not stop the work
            self.failed = True


def path() -> Path:
    """Return where the log is."""
    return settings.data_folder() / NAME


def _append(file: Path) -> int:
    """Open the log to append to it; make it, and its folder, if missing; begin anew when it is full."""
    if not file.parent.exists():
        # Root's folder must let the system user through that runs its embedded server.
        file.parent.mkdir(parents=True, mode=0o755 if os.geteuid() == 0 else 0o700)
    if file.exists() and file.stat().st_size > LIMIT:
        file.replace(file.with_name(f"{NAME}.old"))
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


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
    _log.warning("A statement took %.1f s: %s", seconds, " ".join(statement.split())[:500])


def server_error(error: psycopg2.Error, statement: str = "") -> None:
    """Log the server's own words, with what they are about, and the statement without its values."""
    diag = error.diag
    about = ", ".join(
        f"{kind} {name}" for kind, name in
        (("table", diag.table_name), ("column", diag.column_name), ("constraint", diag.constraint_name)) if name
    )
    words = diag.message_primary or str(error)
    if not diag.message_primary or (error.pgcode or "").startswith("22"):
        words = _unquoted(words)
    _log.warning(
        "SQLSTATE %s: %s%s%s", error.pgcode or "unknown", " ".join(words.split()), f" ({about})" if about else "",
        f" in: {' '.join(statement.split())[:500]}" if statement else "",
    )


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
    where = "".join(traceback.format_tb(error.__traceback__))
    return f"{where}{type(error).__name__}: {_unquoted(' '.join(str(error).split()))}"


def _unquoted(words: str) -> str:
    """Leave out what stands in quotes, which may be anybody's data."""
    return re.sub(r"""("|'|“|«).*("|'|”|»)""", '"…"', words)
