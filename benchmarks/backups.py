"""Backing up and restoring, beside pg_dump and pg_restore doing no more than the same."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.bulk import need_command
from benchmarks.measure import Peer, Row, alternate, median, run
from benchmarks.server import PREFIX, Server, program, psql


def backup_rows(server: Server, provider: str, runs: int) -> list[Row]:
    """Time a backup, and its restore into an empty database, which is compared and verified as well."""
    need_command(server, "backup")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as place:  # noqa: S108 (not in memory)
        folder = Path(place)
        plain = folder / "plain.dump"

        def backup_once() -> float:
            for earlier in folder.glob("*.backup"):
                earlier.unlink()
            return run(program("backup", place), DATABASE_URI=server.uri(provider)).seconds

        def dump_once() -> float:
            return tool("pg_dump", "-Fc", "-Z1", f"--file={plain}", f"--dbname={server.uri(provider)}")

        ours, bare = alternate(runs, backup_once, dump_once)
        rows = [Row("backup", median(ours), median(bare), 1.1)]
        alone: list[float] = []
        target = f"{PREFIX}_restored"

        def restore_once() -> float:
            make(server, target)
            backup, = folder.glob("*.backup")
            return run(program("restore", str(backup)), DATABASE_URI=server.uri(target)).seconds

        def restore_bare() -> float:
            make(server, target)
            jobs = f"--jobs={max(2, min(4, os.cpu_count() or 1))}"
            uri = server.uri(target)
            seconds = tool("pg_restore", jobs, "--no-owner", "--no-privileges", f"--dbname={uri}", str(plain))
            seconds += run([psql(), "-X", "-q", "-c", "VACUUM (ANALYZE)", uri]).seconds
            alone.append(seconds)
            return seconds + run(program("verify"), DATABASE_URI=uri).seconds

        ours, bare = alternate(runs, restore_once, restore_bare)
        server.drop(target)
    peers = [Peer("pg_restore and VACUUM, nothing verified", median(alone))]
    return [*rows, Row("restore, verified", median(ours), median(bare), 1.1, peers)]


def make(server: Server, name: str) -> None:
    server.drop(name)
    server.execute(f"CREATE DATABASE {name}")
    server.execute("CHECKPOINT")


def tool(name: str, *arguments: str) -> float:
    return run([str(Path(psql()).with_name(name)), *arguments]).seconds
