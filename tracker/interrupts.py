"""Ctrl-C and the signals that end the program, for a program that waits on a database.

psycopg2 waits inside C, where Python's own handler cannot run. So a watcher thread, woken by the signal itself, asks
the server to cancel what it is doing, and the wait ends with an error. While a connection is lent out, the handler only
notes the signal; it is raised at the next statement or row, or when the connection is back. Raised at any moment, it
could strike inside the bookkeeping that gives the connection back, and inside a COMMIT that then succeeds.
"""
from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_running: set[psycopg2.extensions.connection] = set()
_running_lock = threading.Lock()
_reader: int | None = None
_depth = 0
_pending: BaseException | None = None


def install() -> None:
    """Begin to watch; call once, from the main thread."""
    global _reader
    _reader, writer = os.pipe()
    os.set_blocking(_reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _WATCHED:
        signal.signal(number, _on_signal)
    threading.Thread(target=_watch, args=(_reader,), daemon=True).start()


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _pending
    stop = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
    if _depth:
        _pending = stop
    else:
        _pending = None
        raise stop


def _watch(reader: int) -> None:
    while True:
        select.select([reader], [], [])
        with _running_lock:
            if any(number in _WATCHED for number in _arrived(reader)):
                _cancel_running()


def _arrived(reader: int) -> bytes:
    try:
        return os.read(reader, 512)
    except BlockingIOError:
        return b""


def _cancel_running() -> None:
    for conn in _running:
        with suppress(psycopg2.Error):  # its server is gone, and so is what it was doing
            conn.cancel()


def watch(conn: psycopg2.extensions.connection) -> None:
    """Let Ctrl-C cancel what conn runs, if it is the main thread's; a signal that came before is not meant for it."""
    if _in_main_thread():
        with _running_lock:
            if _reader is not None:
                _arrived(_reader)
            _running.add(conn)


def unwatch(conn: psycopg2.extensions.connection) -> None:
    """Leave conn alone from here on; returns after a cancel that is under way."""
    with _running_lock:
        _running.discard(conn)


@contextmanager
def deferred() -> Iterator[None]:
    """Hold signals back until the block ends."""
    global _depth
    if not _in_main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    except GeneratorExit:  # a report that was broken off is collected here, where what is raised gets lost
        _depth -= 1
        raise
    except BaseException:
        _depth -= 1
        check()
        raise
    _depth -= 1
    check()


def check() -> None:
    """Raise the signal that is held back, if there is one; only where an exception does no harm."""
    global _pending
    if _pending is not None and _in_main_thread():
        stop, _pending = _pending, None
        raise stop


def forget() -> None:
    """Drop a Ctrl-C that came too late to cancel anything."""
    global _pending
    if isinstance(_pending, KeyboardInterrupt) and _in_main_thread():
        _pending = None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
