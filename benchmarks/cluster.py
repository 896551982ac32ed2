"""PostgreSQL servers that are made for a measurement or a test: each in a folder of its own, on a socket there."""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2

from tracker import embedded

HBA = "local all postgres trust\nlocal replication all trust\nlocal all all scram-sha-256\n"
SETTINGS = ["listen_addresses=", "port=5432", "max_connections=30",
            "dynamic_shared_memory_type=mmap"]  # in its folder, so that nothing is left of one that was killed
PATIENCE = 60


def wait_for(condition: Callable[[], object]) -> None:
    patient_until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > patient_until:
            raise TimeoutError(f"Waited in vain for {PATIENCE} seconds.")
        time.sleep(0.01)


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether a process has ended, whether or not somebody has asked how."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


class Server:
    """A PostgreSQL from the binaries that come along."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = f"host={folder} port=5432 user=postgres dbname=postgres"
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([embedded.binaries() / program, *arguments], check=True, cwd="/", capture_output=True,
                       env=embedded._environment(), **embedded._identity())

    def begin(self, *settings: str) -> None:
        """Make an empty server, and start it."""
        self.run("initdb", "-D", self.folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                 "--locale=C", "--no-sync")
        (self.folder / "data" / "pg_hba.conf").write_text(HBA)
        self.start(*settings)

    def follow(self, primary: Server, *settings: str) -> None:
        """Become a standby of another server, whatever was here before."""
        self.remove()
        self.run("pg_basebackup", "-d", primary.uri, "-D", self.folder / "data", "-R", "--checkpoint=fast", "--no-sync")
        self.start(*settings)
        wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_replication WHERE state = 'streaming'"))

    def start(self, *settings: str) -> None:
        options = embedded._options(*SETTINGS, *settings, f"unix_socket_directories={self.folder}")
        self.process = subprocess.Popen([embedded.binaries() / "postgres", "-D", self.folder / "data", *options],
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

    def wait_for_standby(self) -> None:
        """Let each COMMIT wait from now on until a standby has it."""
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")
        wait_for(lambda: self.sql("SELECT pid FROM pg_stat_replication WHERE sync_state = 'sync'"))

    def kill(self) -> None:
        """End it as a power cut would, all of it: while any of it runs, none can be started in its place."""
        postmaster = psutil.Process(self.process.pid)
        postmaster.suspend()
        wait_for(lambda: postmaster.status() == psutil.STATUS_STOPPED)  # it starts none, and none that ends is gone
        family = [*postmaster.children(), postmaster]
        for process in family:
            process.kill()
        self.process.wait(PATIENCE)
        wait_for(lambda: all(_has_ended(process) for process in family))

    def remove(self) -> None:
        """Remove its data, once it has ended, and the piece of System V memory that a killed server leaves: a machine
        has room for a few thousand.
        """
        with contextlib.suppress(OSError, IndexError, ValueError):
            _, memory = (self.folder / "data" / "postmaster.pid").read_text().split("\n")[6].split()
            subprocess.run(["ipcrm", "-m", memory], capture_output=True, check=False)  # noqa: S607 (the system's)
        shutil.rmtree(self.folder / "data", ignore_errors=True)


@contextlib.contextmanager
def servers(*names: str, where: str | None = None) -> Iterator[list[Server]]:
    """Make places for servers, none of which runs yet; end and remove them after the block."""
    top = Path(tempfile.mkdtemp(prefix="isp-servers-", dir=where))
    top.chmod(0o755)
    made = [Server(top / name) for name in names]
    for server in made:
        server.folder.mkdir(0o700)
        if user := embedded._system_user():
            os.chown(server.folder, user.pw_uid, user.pw_gid)
    try:
        yield made
    finally:
        for server in made:
            if server.process and server.process.poll() is None:
                server.process.send_signal(signal.SIGQUIT)  # at once, and leaving nothing behind
                server.process.wait(PATIENCE)
            server.remove()
        shutil.rmtree(top)
