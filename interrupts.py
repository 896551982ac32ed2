"""Ctrl-C and the signals that end the program, for a program that waits on a database.

psycopg2 waits inside C, where Python's own handler cannot run. So a watcher thread, woken by the signal itself, asks
the server to cancel what it is doing; the wait then ends and Python's handler raises. Around COMMIT and the pool's
bookkeeping the handler waits its turn: a commit is never reported as cancelled.
"""
from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Optional

import psycopg2

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_running: set[psycopg2.extensions.connection] = set()
_running_lock = threading.Lock()
_depth = 0
_pending: Optional[BaseException] = None


def install() -> None:
    """Begin to watch; call once, from the main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _WATCHED:
        signal.signal(number, _on_signal)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def _on_signal(number: int, frame: Optional[FrameType]) -> None:
    global _pending
    stop = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
    if _depth:
        _pending = stop
    else:
        raise stop


def _watch(reader: int) -> None:
    while number := os.read(reader, 1):
        if number[0] in _WATCHED:
            _cancel_running()


def _cancel_running() -> None:
    with _running_lock:
        for conn in _running:
            try:
                conn.cancel()
            except psycopg2.Error:
                pass  # its server is gone, and so is what it was doing


def watch(conn: psycopg2.extensions.connection) -> None:
    """Let Ctrl-C cancel what conn runs, if it is the main thread's."""
    if _in_main_thread():
        with _running_lock:
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
    finally:
        _depth -= 1
        _deliver()


@contextmanager
def allowed() -> Iterator[None]:
    """Let signals through again inside a deferred block."""
    global _depth
    if not _in_main_thread():
        yield
        return
    depth, _depth = _depth, 0
    try:
        _deliver()
        yield
    finally:
        _depth = depth


def forget() -> None:
    """Drop a Ctrl-C that came too late to cancel anything."""
    global _pending
    if isinstance(_pending, KeyboardInterrupt):
        _pending = None


def _deliver() -> None:
    global _pending
    if _pending is not None and not _depth:
        stop, _pending = _pending, None
        raise stop


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
