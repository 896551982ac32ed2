"""Three PostgreSQL under Patroni on this machine, the primary killed while payments are recorded, again and again.

Patroni keeps its state in its own Raft (patroni[raft]), so that nothing else has to be installed. It gets a virtual
environment in a temporary folder, which goes at the end with all that was started. PostgreSQL is the wheel's.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg2

import database
from benchmarks.server import PROJECT
from tracker import embedded
from tracker.verify import verify_books

PATIENCE = 180
SYNC = {"synchronous_mode": True, "synchronous_mode_strict": True}
# Patroni's lowest ttl, by which a primary that is gone is given up; and its defaults are 30, 10, 10.
PACE = {"ttl": 20, "loop_wait": 5, "retry_timeout": 5}
HBA = ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
# Records payments as the menus do, and says of each that is saved when that was known.
WRITER = """
import time
from decimal import Decimal
from uuid import uuid4
import database
from tracker import errors
from tracker.terminal import paying
database.connect()
while True:
    key = uuid4()
    try:
        paying.save_payment(1, Decimal("0.01"), database.today(), "cash", None, key)
    except errors.Error:
        continue
    print("saved", key, time.time(), flush=True)
"""


class Failed(Exception):
    """The drill cannot be done here; the text says why."""


class Round(NamedTuple):
    """One kill: how long until there was another primary, until a standby confirmed what it wrote, and until a payment
    was known to be saved.
    """

    killed: str
    primary: str
    promoted: float
    confirmed: float
    saved: float


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in listeners]


def wait_for(what: str, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Return what the condition gives as soon as it is true."""
    patient_until = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > patient_until:
            raise Failed(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(0.05)
    return found


class Node:
    """One PostgreSQL and the Patroni that looks after it."""

    def __init__(self, top: Path, number: int, ports: tuple[int, int, int]) -> None:
        self.name, self.folder = f"node{number}", top / f"node{number}"
        self.api, self.sql, self.raft = ports
        self.folder.mkdir(0o700)
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, others: list[Node]) -> None:
        settings = {
            "scope": "isp", "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.api}", "connect_address": f"127.0.0.1:{self.api}"},
            "raft": {"data_dir": str(self.folder / "raft"), "self_addr": f"127.0.0.1:{self.raft}",
                     "partner_addrs": [f"127.0.0.1:{other.raft}" for other in others]},
            "bootstrap": {"dcs": {**PACE, **SYNC, "postgresql": {"use_pg_rewind": True, "use_slots": True}},
                          "initdb": ["data-checksums", "no-sync", {"encoding": "UTF8"}, {"locale": "C"}]},
            "postgresql": {
                "listen": f"127.0.0.1:{self.sql}", "connect_address": f"127.0.0.1:{self.sql}",
                "data_dir": str(self.folder / "data"), "bin_dir": str(embedded.binaries()),
                "pgpass": str(self.folder / "pgpass"), "pg_hba": HBA,
                "authentication": {role: {"username": "postgres"} for role in ("superuser", "replication", "rewind")},
                "parameters": {"unix_socket_directories": str(self.folder), "max_connections": 50,
                               "wal_keep_size": "256MB", "wal_retrieve_retry_interval": "500ms"},
            },
        }
        (self.folder / "patroni.json").write_text(json.dumps(settings, indent=1))  # JSON is YAML, too
        if user := embedded._system_user():
            for path in (self.folder, self.folder / "patroni.json"):
                os.chown(path, user.pw_uid, user.pw_gid)

    def start(self, python: Path) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [python, "-m", "patroni", self.folder / "patroni.json"], cwd="/", env=embedded._environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **embedded._identity())

    def kill(self) -> None:
        """End Patroni and PostgreSQL as a power cut would."""
        family = [self.process.pid] if self.process and self.process.poll() is None else []
        with contextlib.suppress(OSError, ValueError):
            family.append(int((self.folder / "data" / "postmaster.pid").read_text().split("\n")[0]))
        processes: list[psutil.Process] = []
        for pid in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                head = psutil.Process(pid)
                processes += [head, *head.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process:
            self.process.wait(PATIENCE)

    def asked(self, path: str) -> Any:
        """Return what its Patroni answers, or None."""
        with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(
                f"http://127.0.0.1:{self.api}/{path}", timeout=2) as answer:
            return json.loads(answer.read())
        return None


class Cluster:
    """Three nodes; all that is asked of them goes to whichever answers."""

    def __init__(self, top: Path) -> None:
        self.python = top / "venv" / "bin" / "python"
        ports = iter(free_ports(9))
        self.nodes = [Node(top, number, (next(ports), next(ports), next(ports))) for number in (1, 2, 3)]
        for node in self.nodes:
            node.configure([other for other in self.nodes if other is not node])

    @property
    def uri(self) -> str:
        ports = ",".join(str(node.sql) for node in self.nodes)
        return (f"host=127.0.0.1,127.0.0.1,127.0.0.1 port={ports} user=postgres dbname=postgres "
                "target_session_attrs=read-write")

    def roles(self) -> dict[str, str]:
        """Return the role of each node that works, by its name: leader, sync_standby or replica."""
        seen = next(filter(None, (node.asked("cluster") for node in self.nodes)), {"members": []})
        return {member["name"]: member["role"] for member in seen["members"]
                if member.get("state") in ("running", "streaming")}

    def is_whole(self) -> bool:
        roles = self.roles()
        return len(roles) == 3 and {"leader", "sync_standby"} <= set(roles.values())

    def leader(self) -> Node | None:
        """Return the node that takes writes and says so itself."""
        return next((node for node in self.nodes
                     if (node.asked("patroni") or {}).get("role") in ("primary", "master")), None)


class Writer:
    """A program that records payments; saved holds their keys, and when each was known to be saved."""

    def __init__(self, uri: str, file: Path) -> None:
        self.file = file
        with file.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, "-c", WRITER], cwd=PROJECT, stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.DEVNULL,
                                            env={**os.environ, "DATABASE_URI": uri})

    @property
    def saved(self) -> list[tuple[str, float]]:
        said = re.findall(r"^saved (\S+) (\S+)$", self.file.read_text(), re.MULTILINE)
        return [(key, float(when)) for key, when in said]

    def save_more(self) -> None:
        """Wait until it has saved further payments."""
        before = len(self.saved)
        wait_for("Payments", lambda: len(self.saved) > before + 100)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


def install(top: Path) -> None:
    """Put Patroni into a virtual environment of its own."""
    venv.create(top / "venv", with_pip=True)
    done = subprocess.run([top / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet",
                           "patroni[raft]>=4,<5", "psycopg2-binary"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"Patroni cannot be installed: {done.stderr.strip()}")


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Start three nodes in a temporary folder; kill them and remove it."""
    top = Path(tempfile.mkdtemp(prefix="isp-patroni-"))
    try:
        top.chmod(0o755)
        install(top)
        made = Cluster(top)
        try:
            for node in made.nodes:
                node.start(made.python)
            wait_for("Three nodes", made.is_whole)
            yield made
        finally:
            for node in made.nodes:
                node.kill()
    finally:
        shutil.rmtree(top)


def is_confirmed(node: Node) -> bool:
    """Tell whether a standby confirms what a primary writes."""
    with contextlib.suppress(psycopg2.OperationalError), contextlib.closing(psycopg2.connect(
            host="127.0.0.1", port=node.sql, user="postgres", dbname="postgres")) as conn, conn.cursor() as cur:
        cur.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
        return cur.fetchone() is not None
    return False


def kill_the_primary(made: Cluster, writers: list[Writer]) -> Round:
    """Kill the primary while payments are recorded, and bring it back as a standby."""
    wait_for("A leader and two standbys", made.is_whole)
    killed: Node = wait_for("A leader", made.leader)
    for writer in writers:
        writer.save_more()
    begin = time.time()
    killed.kill()

    def another() -> Node | None:
        return other if (other := made.leader()) is not killed else None

    primary: Node = wait_for("Another leader", another)
    promoted = time.time() - begin
    wait_for("A standby of the new primary", lambda: is_confirmed(primary))
    confirmed = time.time() - begin

    def first_saved() -> float | None:
        later = [when for writer in writers for _, when in writer.saved if when > begin + 1]
        return min(later) - begin if later else None

    saved = wait_for("A payment after the kill", first_saved)
    for writer in writers:
        writer.save_more()
    killed.start(made.python)
    return Round(killed.name, primary.name, promoted, confirmed, saved)


def drill(rounds: int) -> bool:
    """Kill the primary so many times, print what that took, and tell whether each saved payment is there once."""
    with cluster() as made:
        database.connect(made.uri)
        database.add_customer("Ada Okafor", "5550100")
        database.disconnect()
        writers = [Writer(made.uri, made.nodes[0].folder.parent / f"writer{number}") for number in range(2)]
        print("| killed | new primary | promoted after | with a standby after | payments saved after |\n"
              "| --- | --- | --- | --- | --- |")
        try:
            for _ in range(rounds):
                done = kill_the_primary(made, writers)
                print(f"| {done.killed} | {done.primary} | {done.promoted:.1f} s | {done.confirmed:.1f} s "
                      f"| {done.saved:.1f} s |", flush=True)
            wait_for("A leader and two standbys", made.is_whole)
        finally:
            for writer in writers:
                writer.end()
        said = [key for writer in writers for key, _ in writer.saved]
        database.connect(made.uri)
        kept = [row["key"] for row in database.fetch_all("SELECT entry_key::text AS key FROM payments")]
        findings = verify_books()[1]
        database.disconnect()
    lost, doubled = len(set(said) - set(kept)), len(kept) - len(set(kept))
    print(f"\n{len(said)} payments acknowledged, {len(kept)} there: {lost} lost, {doubled} doubled, "
          f"{len(findings)} findings of verify.")
    return not lost and not doubled and not findings


def leave(number: int, frame: object) -> None:
    """End at the first signal, and clean up undisturbed by another."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patroni", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how many times the primary is killed (3)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        return 0 if drill(options.rounds) else 1
    except Failed as exc:
        print(exc, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
