"""The page's server, started as the program that it is, and visitors who keep their cookie and token."""
from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from conftest import PROJECT, environment, in_memory, wait_for
from logins import fill
from test_people import OTHER, WORD, asking_for_passwords, named

import database
from tracker import access

PASSWORDS = {"ann": WORD, "bob": OTHER, "eve": "nothing at all 4"}
READY = "Ctrl-C stops it."
# Runs the program after some lines of its own, which change what a test cannot wait for.
CHANGED = "{}\nimport sys, main\nsys.exit(main.main_to_the_end())"

# Sessions with a clock that goes as a file says, so that nothing passes while a test works; and connections that are
# closed at once.
CLOCK = """
import os
from pathlib import Path
from types import SimpleNamespace
from web import app, sessions
clock = Path(os.environ["CLOCK"])
sessions.time = SimpleNamespace(monotonic=lambda: float(clock.read_text()))
sessions.UNUSED_SECONDS, app.TIDY_EVERY = 0, 0.05
"""


class Site:
    """A server of the page that runs; links are those it printed, first the administrator's, then the viewer's."""

    def __init__(self, uri: str, *options: str, first: tuple[str, ...] = (), before: str = "", **env: str) -> None:
        start = ["-c", CHANGED.format(before)] if before else ["main.py"]
        self.process = subprocess.Popen(
            [sys.executable, *start, *first, "web", "--port", "0", *options], cwd=PROJECT, env=environment(uri, **env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.folder = Path(env.get("ISP_DATA_DIR", ""))
        self.printed: list[str] = []
        self.complained: list[str] = []
        self._readers = [threading.Thread(target=into.extend, args=(pipe,), daemon=True) for pipe, into in
                         ((self.process.stdout, self.printed), (self.process.stderr, self.complained))]
        for reader in self._readers:
            reader.start()
        wait_for(lambda: READY in self.output or self.process.poll() is not None)
        assert READY in self.output, "".join(self.complained)

    @property
    def output(self) -> str:
        return "".join(self.printed)

    @property
    def links(self) -> list[str]:
        return re.findall(r"http://\S+", self.output)

    @property
    def address(self) -> str:
        return self.links[0].partition("#")[0]

    def key(self, place: int = 0) -> str:
        """Return the secret of the link that was printed there, from the end where it is negative."""
        return self.links[place].partition("#key=")[2]

    def visitor(self, **more: Any) -> Visitor:
        """Return somebody who is not signed in."""
        return Visitor(self, **more)

    def person(self, login: str, password: str = "") -> Visitor:
        """Return a person who signed in with a login and its password."""
        return self.visitor().sign_in(login=login, password=password or PASSWORDS[login])

    def guest(self, place: int = 0) -> Visitor:
        """Return whoever came by a link, once the next one is here."""
        return self.come_by(self.key(place))

    def come_by(self, key: str) -> Visitor:
        """Return whoever came by the link with that secret, once the next one is here."""
        before = len(self.links)
        visitor = self.visitor().sign_in(key=key)
        wait_for(lambda: len(self.links) > before)
        return visitor

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(90)
        for reader in self._readers:
            reader.join()
        return code

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


class Visitor(httpx.Client):
    """Somebody at a browser; what they send carries their cookie, and what writes their token."""

    def __init__(self, site: Site, **more: Any) -> None:
        super().__init__(base_url=site.address, timeout=180, trust_env=False, **more)
        self.token = ""

    def request(self, method: str, url: Any, *, headers: Any = None, **more: Any) -> httpx.Response:
        token = {"X-CSRF-Token": self.token} if method in ("POST", "PATCH", "DELETE") and self.token else {}
        return super().request(method, url, headers={**token, **(headers or {})}, **more)

    def try_to_sign_in(self, **secret: object) -> httpx.Response:
        answer = self.send_text("POST", "/api/session", json.dumps(secret))
        if answer.status_code == 200:
            self.token = answer.json()["person"]["token"]
        return answer

    def sign_in(self, **secret: object) -> Visitor:
        answer = self.try_to_sign_in(**secret)
        assert answer.status_code == 200, answer.text
        return self

    def send_text(self, method: str, url: str, text: Any, kind: str = "application/json") -> httpx.Response:
        """Send a body as it stands, which need not be JSON."""
        return self.request(method, url, content=text, headers={"Content-Type": kind})

    def who(self) -> Any:
        """Return the person that the server takes this visitor for, or None."""
        return self.get("/api/session").json()["person"]


@contextlib.contextmanager
def site(uri: str, *options: str, **more: Any) -> Iterator[Site]:
    """Serve the page from a database that uri names, an embedded one if it is empty.

    options are those of `main.py web`, such as --viewer-link; first are main.py's own, such as --read-only; before is
    Python that runs before the program.
    """
    served = Site(uri, *options, **more)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.end()


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """Make a data folder for an embedded database, which its server's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="isp-page-", dir=in_memory()))
    folder.chmod(0o755)
    yield folder
    wait_for(lambda: not list(folder.glob("*/postmaster.pid")))
    shutil.rmtree(folder)


@contextlib.contextmanager
def embedded_site(*options: str, **more: Any) -> Iterator[Site]:
    """Serve the page from an embedded database of its own, in which there is nothing yet."""
    with own_folder() as folder, site("", *options, ISP_DATA_DIR=str(folder), **more) as served:
        yield served


class Books:
    """A filled database on a server that asks for passwords: ann may look, bob may change, eve may do nothing."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.uri = named(server, "isp")  # the owner's, whom that server takes without a password
        self.superuser = named(server, "postgres")

    def of(self, login: str) -> str:
        return named(self.server, login, PASSWORDS[login])

    def sql(self, statement: str) -> list[Any]:
        """Run SQL as the superuser, as in psql."""
        with contextlib.closing(psycopg2.connect(self.superuser)) as conn, conn.cursor() as cur:
            conn.autocommit = True
            cur.execute(statement)
            return cur.fetchall() if cur.description else []

    @contextlib.contextmanager
    def session(self) -> Iterator[Any]:
        """Lend a cursor of the superuser's in a session that holds what it took until it ends."""
        with contextlib.closing(psycopg2.connect(self.superuser)) as conn, conn.cursor() as cur:
            conn.autocommit = True
            yield cur

    def add(self, login: str, role: str = "admin", password: str = WORD) -> None:
        """Add a login of a test's own; role is admin or read-only, or empty for none."""
        if role:
            database.connect(self.uri)
            access.add(login, role, password)
            database.disconnect()
        else:
            self.server.sql(f"CREATE ROLE {login} LOGIN PASSWORD '{password}'")

    def sessions(self, login: str) -> list[Any]:
        return self.sql(f"SELECT pid FROM pg_stat_activity WHERE usename = '{login}' AND datname = 'books'")


def empty(uri: str) -> None:
    """Make books with nothing in them yet."""
    database.connect(uri)
    database.disconnect()


@contextlib.contextmanager
def books(filled: Callable[[str], None] = fill) -> Iterator[Books]:
    """Start a server that asks for passwords, with a filled database and its people."""
    with asking_for_passwords() as server:
        made = Books(server)
        server.sql("CREATE DATABASE books OWNER isp")
        filled(made.uri)
        made.add("ann", "read-only", PASSWORDS["ann"])
        made.add("bob", "admin", PASSWORDS["bob"])
        made.add("eve", "", PASSWORDS["eve"])
        yield made


def problem(answer: httpx.Response, status: int) -> Any:
    """Return what an answer says went wrong, which is one sentence in the one form that there is."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert set(said) == {"error", "field", "questions", "present"}
    assert re.fullmatch(r"[^\n]{10,400}[.?]", said["error"]), said["error"]
    assert not re.search(r"Error\b|psycopg2|pydantic|Traceback|SQLSTATE", said["error"]), said["error"]
    return said


def together(count: int, work: Callable[[], Any]) -> list[Any]:
    """Do the same several times at once, and return what came of each."""
    results: list[Any] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
