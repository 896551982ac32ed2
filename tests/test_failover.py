"""A primary dies and its standby takes over, with both named in DATABASE_URI, while payments are being recorded."""
from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions
import pytest
from conftest import PROJECT, environment, in_memory, wait_for

import database
from tracker import embedded
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

WRITER = """
import sys
from decimal import Decimal
from uuid import uuid4
import database
from tracker import errors
from tracker.terminal import forms
database.connect()
while True:
    key = uuid4()
    try:
        forms.save_payment(1, Decimal("0.01"), database.today(), "cash", None, key)
    except errors.Error:
        continue
    print("saved", key, flush=True)
"""
SETTINGS = ["listen_addresses=", "port=5432", "max_connections=30"]


class Server:
    """A PostgreSQL in a folder of its own, on a socket there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"host={folder} port=5432 user=postgres dbname=postgres"
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([embedded._binaries() / program, *arguments], check=True, cwd="/", capture_output=True,
                       env=embedded._environment(), **embedded._identity())

    def start(self, *settings: str) -> None:
        options = embedded._options(*SETTINGS, *settings, f"unix_socket_directories={self.folder}")
        self.process = subprocess.Popen([embedded._binaries() / "postgres", "-D", self.folder / "data", *options],
                                        cwd="/", env=embedded._environment(), start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, **embedded._identity())
        wait_for(self.answers)

    def answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.uri).close()
            return True
        return False

    def sql(self, statement: str) -> list[tuple]:
        with contextlib.closing(psycopg2.connect(self.uri)) as conn, conn.cursor() as cur:
            conn.autocommit = True
            cur.execute(statement)
            return cur.fetchall() if cur.description else []

    def kill(self) -> None:
        """End it as a power cut would."""
        family = psutil.Process(self.process.pid)
        for process in [family, *family.children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(20)


@contextlib.contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """Start a primary, and a standby that follows it."""
    top = Path(tempfile.mkdtemp(prefix="isp-failover-", dir=in_memory()))
    top.chmod(0o755)
    primary, standby = both = Server(top / "primary"), Server(top / "standby")
    for server in both:
        server.folder.mkdir(0o700)
        if user := embedded._system_user():
            os.chown(server.folder, user.pw_uid, user.pw_gid)
    primary.run("initdb", "-D", primary.folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                "--locale=C", "--no-sync")
    primary.start()
    primary.run("pg_basebackup", "-d", primary.uri, "-D", standby.folder / "data", "-R", "--checkpoint=fast",
                "--no-sync")
    standby.start()
    wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_replication WHERE state = 'streaming'"))
    try:
        yield both
    finally:
        database.disconnect()
        for server in both:
            if server.process and server.process.poll() is None:
                server.kill()
        shutil.rmtree(top)


@pytest.fixture
def servers():
    with pair() as both:
        yield both


@pytest.fixture
def uri(servers):
    """Both servers, as README names them, with a customer."""
    both = ",".join(str(server.folder) for server in servers)
    uri = f"host={both} port=5432 user=postgres dbname=postgres target_session_attrs=read-write"
    database.connect(uri)
    database.add_customer("Ada Okafor", "123")
    database.disconnect()
    return uri


@pytest.fixture
def writers(uri):
    """Two programs that record payments, one after the other, and say of which they know that they are saved."""
    started = [subprocess.Popen([sys.executable, "-c", WRITER], cwd=PROJECT, env=environment(uri), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    yield started
    for writer in started:
        writer.kill()
        writer.wait()


def acknowledged(writer: subprocess.Popen[str], count: int) -> list[str]:
    """Return the keys of the next payments that a writer knows to be saved."""
    keys = []
    while len(keys) < count:
        if (line := writer.stdout.readline()).startswith("saved"):
            keys.append(line.split()[1])
    return keys


def synchronous(primary: Server) -> None:
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("SELECT pg_reload_conf()")
    wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_replication WHERE sync_state = 'sync'"))


def fail_over(primary: Server, standby: Server) -> None:
    primary.kill()
    standby.sql("SELECT pg_promote()")


@pytest.mark.parametrize("commits", ["synchronous", "asynchronous"])
def test_payments_go_on_after_a_failover_and_none_is_there_twice(commits, servers, writers, uri):
    primary, standby = servers
    if commits == "synchronous":
        synchronous(primary)
    said = [key for writer in writers for key in acknowledged(writer, 20)]
    fail_over(primary, standby)
    promoted_with, = standby.sql("SELECT count(*) FROM payments")
    wait_for(lambda: standby.sql("SELECT count(*) FROM payments")[0] > (promoted_with[0] + 20,))
    for writer in writers:
        writer.terminate()
        said += re.findall(r"^saved (.+)$", writer.communicate()[0], re.MULTILINE)
    kept = [key for key, in standby.sql("SELECT entry_key::text FROM payments")]
    assert len(kept) == len(set(kept))
    assert len(set(said)) > 40
    if commits == "synchronous":
        assert set(said) <= set(kept)
    database.connect(uri)
    assert verify_books()[1] == []


def test_the_menu_goes_on_after_a_failover(servers, uri, terminal):
    child = terminal()
    child.expect_exact("Choose: ")
    fail_over(*servers)
    child.send("1\r1\rBo Li\r124\r")
    child.expect_exact("Added customer")
    child.expect_exact("Choose: ")
    child.send("0\r2\r\r")
    child.expect_exact("Ada Okafor")


def test_what_no_standby_got_is_gone_after_a_failover_and_is_not_shown(servers, uri):
    primary, standby = servers
    database.connect(uri)
    written, = primary.sql("SELECT pg_current_wal_lsn()::text")[0]
    wait_for(lambda: standby.sql(f"SELECT 1 WHERE pg_last_wal_replay_lsn() >= '{written}'"))
    standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
    standby.sql("SELECT pg_reload_conf()")
    wait_for(lambda: not primary.sql("SELECT pid FROM pg_stat_replication"))
    customer_id = database.add_customer("Bo Li", "124")
    fail_over(primary, standby)
    assert [row["name"] for row in database.list_customers()] == ["Ada Okafor"]
    assert database.add_customer("Bo Li", "124") >= customer_id


def test_ctrl_c_while_the_standby_has_not_confirmed_says_so(servers, uri, terminal):
    primary, standby = servers
    synchronous(primary)
    child = terminal()
    child.expect_exact("Choose: ")
    receiver, = (child for child in psutil.Process(standby.process.pid).children()
                 if "walreceiver" in " ".join(child.cmdline()))
    receiver.suspend()
    child.send("1\r1\rBo Li\r124\r")
    wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
    child.sendintr()
    child.expect_exact("no standby has confirmed it")
    child.expect_exact("Added customer 2, Bo Li.")
    receiver.resume()
