"""From the command line to the first menu."""
from __future__ import annotations

import contextlib
import os
import sys

from benchmarks import peers
from benchmarks.measure import Missing, Peer, Row, alternate, median, run, seconds_of
from benchmarks.server import Server, program

PATIENCE = 30


def start_rows(server: Server, dbname: str, runs: int) -> list[Row]:
    """Time the program until it has shown its menu and left, beside a Python that connects and no more."""
    uri = server.uri(dbname)
    connect = [sys.executable, "-c", "import psycopg2, sys; psycopg2.connect(sys.argv[1]).close()", uri]
    ours, bare = alternate(
        runs,
        lambda: run(program(), typed="0\n", DATABASE_URI=uri).seconds,
        lambda: run(connect).seconds,
    )
    return [Row("start to first menu", median(ours), median(bare), 2.0, [pgcli(uri, runs)])]


def pgcli(uri: str, runs: int) -> Peer:
    """Time pgcli until its prompt stands on a terminal."""
    try:
        command = peers.command("pgcli")
        return Peer("pgcli", median([seconds_of(lambda: _until_prompt(command, uri)) for _ in range(runs)]))
    except Missing as exc:
        return Peer("pgcli", None, str(exc))


def _until_prompt(command: str, uri: str) -> None:
    try:
        import pexpect
    except ImportError:
        raise Missing("needs pexpect") from None
    child = pexpect.spawn(command, ["--no-password", "--prompt", "ready for a query ", uri], timeout=PATIENCE,
                          dimensions=(24, 80), env={**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"})
    try:
        child.expect_exact("ready for a query")
    except pexpect.ExceptionPexpect:
        raise Missing("it showed no prompt") from None
    finally:
        with contextlib.suppress(pexpect.ExceptionPexpect):
            child.close(force=True)
