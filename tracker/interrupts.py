"""Ctrl-C, the signals that end the program, and a server that does not answer, for a program that waits on a database.

psycopg2 waits inside C, where Python's own handler cannot run. So a watcher thread, woken by the signal itself, asks
the server to cancel what it is doing, and the wait ends with an error. A frozen server hears no cancel. At a second
Ctrl-C, at a signal to end, when a statement is far past its time limit, or when the server is silent to whoever knocks,
the watcher gives the connection up: it closes the socket on this side, which ends the wait, too.

While a connection is lent out, the handler only notes the signal; it is raised at the next statement or row, or when
the connection is back. Raised at any moment, it could strike inside the bookkeeping that gives the connection back, and
inside a COMMIT that then succeeds.

A signal that comes in the moment before a key is waited for does not end that wait: Python has looked for signals, and
the system does not wait yet. So the watcher nudges the main thread after each, by a signal that means nothing.
"""
from __future__ import annotations

import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NUDGE, NUDGES = signal.SIGURG, 3
TICK = 0.5  # seconds; all of these are
NUDGE_EVERY = 0.05
CANCEL_PATIENCE = 2.0  # that the server has to follow the first signal before another gives the connection up
LEAVE_WITHIN = 6.0  # that the main thread has to begin to leave
LOOK_EVERY = 5.0  # between looks at a statement that takes long
SILENCE = 30.0  # in which a server says nothing to whoever knocks, as one that is frozen
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the shortest thing that every PostgreSQL, and every pooler, answers
_running: set[Connection] = set()
_lent: set[Connection] = set()  # to any thread, while _running are the main thread's
_waits: dict[Connection, float] = {}  # since when each connection waits for its server
_running_lock = threading.Lock()
_reader: int | None = None
_depth = 0
_pending: BaseException | None = None
_must_leave: tuple[float, int] | None = None  # by when, and with which exit code
_leaving = 0  # with this exit code


class Connection(psycopg2.extensions.connection):
    """A connection whose every wait can be ended."""

    limit: float | None = None  # seconds that a statement may take
    patient = False  # it may take any time, as long as the server answers
    pid = 0  # of its server process, while patient: behind a pooler each transaction may have another
    given_up = False
    blockers: object = None  # who it was last seen to wait for
    first_signal: float | None = None
    stop_insisted = False
    looked: float = 0
    canceller: threading.Thread | None = None
    look: Callable[[Connection], object] | None = None  # what else to do about a patient statement that takes long

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let the watcher know that the server is waited for."""
        _waits[self] = self.looked = time.monotonic()
        try:
            yield
        finally:
            _waits.pop(self, None)

    def commit(self) -> None:
        with self.waiting():
            super().commit()

    def rollback(self) -> None:
        with self.waiting():
            super().rollback()

    def reset(self) -> None:
        with self.waiting():
            super().reset()

    def cancel(self) -> None:
        """Ask the server to cancel what it does, and give the connection up when it does not."""
        _begin_to_cancel(self)
        if self.canceller:
            self.canceller.join(CANCEL_PATIENCE)
            if self.canceller.is_alive():
                self.give_up()

    def be_patient(self, pid: int) -> None:
        """Let statements take any time until the connection is given back; the server process is pid."""
        self.patient, self.pid = True, pid

    def give_up(self) -> None:
        """End whatever waits for the server; of what it was doing nothing more will be heard."""
        self.given_up = True
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)

    def is_overdue(self, since: float) -> bool:
        """Tell whether what has been waited for since then is to be given up, because somebody said so or by time."""
        now = time.monotonic()
        if self.first_signal is not None and self.stop_insisted:
            return now > self.first_signal + CANCEL_PATIENCE
        return not self.patient and self.limit is not None and now > since + self.limit


def install() -> None:
    """Begin to watch; call once, from the main thread."""
    global _reader
    _reader, writer = os.pipe()
    os.set_blocking(_reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _WATCHED:
        signal.signal(number, _on_signal)
    signal.signal(_NUDGE, lambda number, frame: None)
    threading.Thread(target=_watch, args=(_reader,), daemon=True).start()


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _pending
    # A Ctrl-C that is heard on the way out, since both came at once, does not call the program back.
    stop = KeyboardInterrupt() if number == signal.SIGINT and not _leaving else SystemExit(_leaving or 128 + number)
    if not _depth:
        _raise(stop)
    if not isinstance(_pending, SystemExit):
        _pending = stop


def _raise(stop: BaseException) -> None:
    global _pending, _leaving
    _pending = None
    if isinstance(stop, SystemExit):
        _leaving = int(stop.code or 0)
    raise stop


def _watch(reader: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are to interrupt the main thread's reads
    nudges = 0
    while True:
        came = select.select([reader], [], [], NUDGE_EVERY if nudges else TICK)[0]
        with _running_lock:
            heard = [number for number in _arrived(reader) if number in _WATCHED]
            for number in heard:
                _hear(number)
        if heard:
            nudges = NUDGES
        elif nudges and not came:
            nudges -= 1
            signal.pthread_kill(threading.main_thread().ident or 0, _NUDGE)
        for conn, since in list(_waits.items()):
            _look_after(conn, since)
        if _must_leave and not _leaving and time.monotonic() > _must_leave[0]:
            os._exit(_must_leave[1])  # the main thread hangs where nothing reaches it, such as in a pipe that is full


def _arrived(reader: int) -> bytes:
    try:
        return os.read(reader, 512)
    except BlockingIOError:
        return b""


def _hear(number: int) -> None:
    global _must_leave
    if number != signal.SIGINT:
        _must_leave = _must_leave or (time.monotonic() + LEAVE_WITHIN, 128 + number)
    for conn in _running:
        _stop(conn, number != signal.SIGINT or conn.first_signal is not None)


def _stop(conn: Connection, insisted: bool) -> None:
    conn.stop_insisted = insisted
    if conn.first_signal is None:
        conn.first_signal = time.monotonic()
        _begin_to_cancel(conn)


def stop_all() -> None:
    """Cancel what every thread waits for; the watcher gives up what does not follow."""
    with _running_lock:
        for conn in _lent:
            _stop(conn, True)


def _begin_to_cancel(conn: Connection) -> None:
    """Ask the server to cancel, in a thread: it would wait for ever for the answer of one that is frozen."""
    if cancel := _cancel_of(conn):
        conn.canceller = threading.Thread(target=cancel, daemon=True)
        conn.canceller.start()


def _cancel_of(conn: Connection) -> Callable[[], object] | None:
    """Return what cancels: libpq's own, since conn.cancel() would keep all threads waiting with it."""
    import ctypes  # only where needed

    libpq = ctypes.CDLL(psycopg2._psycopg.__file__)
    libpq.PQgetCancel.restype = ctypes.c_void_p
    with suppress(psycopg2.Error):  # its server is gone, and so is what it was doing
        handle = libpq.PQgetCancel(ctypes.c_void_p(conn.pgconn_ptr))
        complaint = ctypes.create_string_buffer(256)
        return lambda: libpq.PQcancel(ctypes.c_void_p(handle), complaint, 256)
    return None


def _look_after(conn: Connection, since: float) -> None:
    now = time.monotonic()
    if conn.is_overdue(since):
        conn.give_up()
    elif now > conn.looked + LOOK_EVERY:
        conn.looked = now + SILENCE
        threading.Thread(target=_look_closer, args=(conn, since), daemon=True).start()


def _look_closer(conn: Connection, since: float) -> None:
    if _is_silent(conn) and _waits.get(conn) == since:
        conn.give_up()
    elif conn.patient and conn.look and _waits.get(conn) == since:
        conn.look(conn)
    conn.looked = time.monotonic()


def _is_silent(conn: Connection) -> bool:
    """Tell whether a connection's server takes connects and says nothing. One that refuses them, or sends them back,
    is not frozen: what becomes of its sessions, they hear themselves.
    """
    try:
        with socket.socket(fileno=os.dup(conn.fileno())) as ours:
            family, address = ours.family, ours.getpeername()
        with socket.socket(family, socket.SOCK_STREAM) as knock:
            knock.settimeout(SILENCE)
            knock.connect(address)
            knock.sendall(SSL_REQUEST)
            knock.recv(1)
    except (TimeoutError, socket.timeout):  # two kinds before Python 3.10
        return True
    except (OSError, psycopg2.Error):
        pass
    return False


def watch(conn: Connection) -> None:
    """Let Ctrl-C cancel what conn runs, if it is the main thread's; a signal that came before is not meant for it."""
    conn.patient = conn.stop_insisted = False
    conn.first_signal = conn.canceller = None
    with _running_lock:
        _lent.add(conn)
        if _in_main_thread():
            if _reader is not None and not isinstance(_pending, SystemExit):
                _arrived(_reader)
            _running.add(conn)


def unwatch(conn: Connection) -> bool:
    """Leave conn alone from here on; return whether nothing that is under way can strike what it runs next."""
    with _running_lock:
        _running.discard(conn)
        _lent.discard(conn)
    if conn.canceller is None or conn.given_up:
        return not conn.given_up
    conn.canceller.join(CANCEL_PATIENCE)
    return not conn.canceller.is_alive()


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
    if _pending is not None and _in_main_thread():
        _raise(_pending)


def forget() -> None:
    """Drop a Ctrl-C that came too late to cancel anything."""
    global _pending
    if isinstance(_pending, KeyboardInterrupt) and _in_main_thread():
        _pending = None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
