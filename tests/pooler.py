"""A real pgbouncer before the server of a test."""
from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest
from conftest import wait_for

from tracker import embedded

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def free_port() -> int:
    """Return a port that is free, and stays so between two starts: it is below those that the system hands out."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Pooler:
    """A pgbouncer, on 127.0.0.1 and on a socket in its folder, before the server that a URI names."""

    def __init__(self, folder: Path, server: str, users: str, files: Mapping[str, str], **settings: str | int) -> None:
        self.folder, self.port = folder, free_port()
        before = psycopg2.extensions.parse_dsn(server)
        where = " ".join(f"{key}={before[key]}" for key in ("host", "port") if key in before)
        known = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": folder,
            "auth_file": folder / "users", "logfile": folder / "log", "pool_mode": "transaction", "auth_type": "trust",
            "default_pool_size": 3, "server_round_robin": 1, **settings,
        }
        lines = ["[databases]", f"* = {where}", "[pgbouncer]",
                 *(f"{name} = {str(value).format(folder=folder)}" for name, value in known.items())]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        for name, text in {"users": users, **files}.items():
            (folder / name).write_text(text)
        self.start()

    def uri(self, server: str, **more: Any) -> str:
        """Return how to come to the database of a server's URI through the pooler."""
        return psycopg2.extensions.make_dsn(server, **{"host": "127.0.0.1", "port": self.port, **more})

    def start(self) -> None:
        assert PROGRAM
        self.process = subprocess.Popen([PROGRAM, "--quiet", self.folder / "pgbouncer.ini"], cwd="/",
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True, **embedded._identity())
        wait_for(self.answers)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return False

    def end(self) -> None:
        self.process.kill()  # at once, whoever is connected, which none of its signals means in all of its versions
        self.process.wait(20)


@contextlib.contextmanager
def pooler(server: str, users: str = '"postgres" ""\n', files: Mapping[str, str] | None = None,
           **settings: str | int) -> Iterator[Pooler]:
    """Start a pgbouncer before a server, with files in its folder, and end it; settings may name the folder.

    Where there is none on this machine, skip, unless POOLER_TESTS says "required".
    """
    if not PROGRAM:
        missing = pytest.fail if os.environ.get("POOLER_TESTS") == "required" else pytest.skip
        missing("There is no pgbouncer on this machine to go through: apt-get install pgbouncer.")
    folder = Path(tempfile.mkdtemp(prefix="isp-pooler-"))
    if user := embedded._system_user():
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        started = Pooler(folder, server, users, files or {}, **settings)
        try:
            yield started
        finally:
            if started.process.poll() is None:
                started.end()
    finally:
        shutil.rmtree(folder)
