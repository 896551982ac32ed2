"""Run a command with TEST_DATABASE_URI set to a PostgreSQL 14 that is made for it, and removed again.

python .ci/postgres14.py FOLDER COMMAND...: FOLDER is npm's package of the binaries, once installed.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2

sys.path.insert(0, str(Path(__file__).parents[1]))

from tracker import embedded

SETTINGS = ["listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200"]
PATIENCE = 30


def make_links(package: Path) -> None:
    """Make the links that npm's archive cannot hold, as a script of the package would: packages run none here."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        path = package / link["target"]
        if not path.is_symlink():
            path.symlink_to(os.path.relpath(package / link["source"], path.parent))


@contextlib.contextmanager
def made_folder() -> Iterator[Path]:
    """Lend a folder for the data, in memory where there is room."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30
    folder = Path(tempfile.mkdtemp(prefix="isp-postgres14-", dir=memory if roomy else None))
    try:
        folder.chmod(0o755)
        (folder / "data").mkdir(0o700)
        if user := embedded._system_user():
            os.chown(folder / "data", user.pw_uid, user.pw_gid)
        yield folder / "data"
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def server(binaries: Path, data: Path) -> Iterator[str]:
    """Make a cluster and serve it on a socket in its folder; yield the URI."""
    embedded.binaries()  # lets the server's user pass through the folders above the virtual environment
    as_user = {"cwd": "/", "env": embedded._environment(), **embedded._identity()}
    subprocess.run([binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                    "--locale=C.UTF-8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, **as_user)
    options = embedded._options(*SETTINGS, f"unix_socket_directories={data}")
    with open(data.parent / "log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen([binaries / "postgres", "-D", data, *options], start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_user)
        try:
            uri = f"postgresql://postgres@/postgres?host={quote(str(data))}"
            wait_until_ready(uri, process, log)
            yield uri
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def wait_until_ready(uri: str, process: subprocess.Popen[bytes], log) -> None:
    patient_until = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg2.connect(uri).close()
            return
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > patient_until:
                log.seek(0)
                sys.exit(f"PostgreSQL 14 does not start: {log.read()}")
        time.sleep(0.05)


def main(package: Path, command: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    make_links(package)
    with made_folder() as data, server(package / "native" / "bin", data) as uri:
        return subprocess.run(command, env={**os.environ, "TEST_DATABASE_URI": uri}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
