"""PostgreSQL servers of a test's own: one alone, or a primary and a standby that follows it."""
from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
from conftest import in_memory, wait_for

import database
from tracker import embedded

HBA = "local all postgres trust\nlocal replication all trust\nlocal all all scram-sha-256\n"
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
def _folders(*names: str) -> Iterator[list[Server]]:
    """Make servers that do not run yet, and end and remove them after the block."""
    top = Path(tempfile.mkdtemp(prefix="isp-servers-", dir=in_memory()))
    top.chmod(0o755)
    servers = [Server(top / name) for name in names]
    for server in servers:
        server.folder.mkdir(0o700)
        if user := embedded._system_user():
            os.chown(server.folder, user.pw_uid, user.pw_gid)
    try:
        yield servers
    finally:
        database.disconnect()
        for server in servers:
            if server.process and server.process.poll() is None:
                server.kill()
        shutil.rmtree(top)


def _begin(server: Server) -> None:
    server.run("initdb", "-D", server.folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8",
               "--locale=C", "--no-sync")
    (server.folder / "data" / "pg_hba.conf").write_text(HBA)
    server.start()


@contextlib.contextmanager
def alone() -> Iterator[Server]:
    """Start a server."""
    with _folders("alone") as (server,):
        _begin(server)
        yield server


@contextlib.contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """Start a primary, and a standby that follows it."""
    with _folders("primary", "standby") as (primary, standby):
        _begin(primary)
        primary.run("pg_basebackup", "-d", primary.uri, "-D", standby.folder / "data", "-R", "--checkpoint=fast",
                    "--no-sync")
        standby.start()
        wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_replication WHERE state = 'streaming'"))
        yield primary, standby


def synchronous(primary: Server) -> None:
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("SELECT pg_reload_conf()")
    wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_replication WHERE sync_state = 'sync'"))


def fail_over(primary: Server, standby: Server) -> None:
    primary.kill()
    standby.sql("SELECT pg_promote()")


def cut_off(primary: Server, standby: Server) -> None:
    """Let the standby hear no more of the primary, once it has all that was written so far."""
    written, = primary.sql("SELECT pg_current_wal_lsn()::text")[0]
    wait_for(lambda: standby.sql(f"SELECT 1 WHERE pg_last_wal_replay_lsn() >= '{written}'"))
    standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
    standby.sql("SELECT pg_reload_conf()")
    wait_for(lambda: not primary.sql("SELECT pid FROM pg_stat_replication"))
