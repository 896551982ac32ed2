"""The server of the page: its address, its links, and its end."""
from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Optional

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

import database
from tracker.errors import Error, Unavailable
from web.app import make_app
from web.sessions import SHARED_CONNECTIONS, Sessions

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104, that is what whoever starts it may ask for
LOOPBACK = ("127.0.0.1", "localhost", "::1")
BACKLOG = 256
HEAD_WITHIN = 20  # seconds
KEEP_ALIVE = 75  # seconds, as usual: at 5 a browser may send into a connection that is just being closed
END_WITHIN = 4  # seconds that requests under way have at the end
Say = Callable[[str], object]


class Options(NamedTuple):
    """Where to listen, whether to open a browser, and whether there is a link to look with."""

    host: str
    port: int
    opens: bool
    viewer_link: bool


def serve(version: str, options: Options, say: Say) -> None:
    """Serve the page until a signal ends it; say tells where it is.

    Raise Unavailable when the address cannot be listened at, and Error for a link where people have logins.
    """
    sessions = Sessions(database.is_embedded())
    if options.viewer_link and not sessions.by_link:
        raise Error("--viewer-link is for the embedded database; here people sign in with their own logins.")
    with listening(options.host, options.port) as listener:
        address = _address(options.host, listener.getsockname()[1])
        link = _say_where(sessions, address, say, options.viewer_link)
        if options.host not in LOOPBACK:
            say("Whoever can listen to the network can read along: put a proxy with TLS in front.")
        database.disconnect()  # no request is answered with the program's own rights
        with _opened(link, say) if options.opens else contextlib.nullcontext():
            run(version, sessions, listener)


def _open(address: str, say: Say) -> None:
    if not webbrowser.open(address):
        say("There is no browser here to be opened: open the link yourself.")


@contextlib.contextmanager
def _opened(link: str, say: Say) -> Iterator[None]:
    """Open a link in a browser, by a file that leads to it: a browser's arguments are for everybody to see."""
    descriptor, name = tempfile.mkstemp(suffix=".html")
    with os.fdopen(descriptor, "w") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={link}"><a href="{link}">Open</a>\n')
    threading.Thread(target=_open, args=(Path(name).as_uri(), say), daemon=True).start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def run(version: str, sessions: Sessions, listener: socket.socket) -> None:
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())  # the program has its own log
    config = uvicorn.Config(
        make_app(sessions, version), log_config=None, access_log=False, server_header=False, http=_Listener, ws="none",
        loop="asyncio", lifespan="on", timeout_graceful_shutdown=END_WITHIN, timeout_keep_alive=KEEP_ALIVE,
    )
    try:
        with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn raises the signal anew once it has ended
            server = uvicorn.Server(config)
            with _ended_by_hanging_up(server):
                server.run([listener])
    finally:
        sessions.end_all()


class _Listener(H11Protocol):
    """A connection that is closed when it says nothing, or not all, of a first request in HEAD_WITHIN."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.loop.call_later(HEAD_WITHIN, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None:
            self.transport.close()


@contextlib.contextmanager
def _ended_by_hanging_up(server: uvicorn.Server) -> Iterator[None]:
    """Let a terminal that is closed end the server as Ctrl-C does: raised in its loop, SIGHUP would leave threads."""
    def hear(number: int, frame: Optional[FrameType]) -> None:
        signal.signal(number, before)
        server.handle_exit(number, frame)

    before = signal.signal(signal.SIGHUP, hear)
    yield
    signal.signal(signal.SIGHUP, before)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen at an address; raise Unavailable where that is not to be had."""
    try:
        listener = _bound(host, port)
    except (OSError, UnicodeError) as exc:
        raise Unavailable(_why_not_here(host, port, exc)) from exc
    with listener:
        yield listener


def _bound(host: str, port: int) -> socket.socket:
    """Bind a socket whose protocol is named: only then asyncio sends an answer's end at once, and not 40 ms later."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _why_not_here(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"Something listens at port {port} already; end that, or choose another with --port."
    if number == errno.EACCES:
        return f"This system user may not listen at port {port}; choose one from 1024 on with --port."
    return f"This machine has no address {host} to listen at; choose another with --host."


def _say_where(sessions: Sessions, address: str, say: Say, viewer_link: bool) -> str:
    """Say the address, with its secrets where the database is embedded; return what a browser is to open."""
    if not sessions.by_link:
        say(f"The page: {address}")
        say("People sign in with their logins of the database. Ctrl-C stops it.")
        return address

    def link(key: str) -> str:
        return f"{address}#key={key}"

    administrator = database.administrator_of_embedded(SHARED_CONNECTIONS)
    first = link(sessions.make_link("administrator", administrator, lambda key: say(f"Used. The next: {link(key)}")))
    say(f"The page: {first}")
    if viewer_link:
        viewer = database.viewer_of_embedded(SHARED_CONNECTIONS)
        key = sessions.make_link("viewer", viewer, lambda key: say(f"Used. To look, the next: {link(key)}"))
        say(f"To look: {link(key)}")
    say("A link opens the page once, in one browser. Ctrl-C stops it.")
    return first


def _address(host: str, port: int) -> str:
    if host in EVERYWHERE:
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"
