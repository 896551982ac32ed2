"""A drill: the primary is killed under load and its standby promoted, again and again: python -m benchmarks.failover.

Programs record payments by the functions of the payment form, and say which they know to be saved. At the end each of
these must be there once. Where COMMIT waits for the standby none may be missing; where it does not, the programs must
have said of each that it is.
"""
from __future__ import annotations

import argparse
import functools
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import NamedTuple
from uuid import uuid4

import database
from benchmarks.cluster import Server, servers, wait_for
from benchmarks.measure import settled
from tracker import errors, interrupts
from tracker.terminal import paying
from tracker.verify import verify_books

PROJECT = Path(__file__).parents[1]
CUSTOMERS = 50
AT_ONCE = "wal_retrieve_retry_interval=500ms"  # else a standby may hear only after 5 seconds that it is promoted
BETWEEN = 100  # payments that are saved between two promotions, at least
GOAL = 5.0  # seconds from a promotion to the first payment that is saved
MISSING = "is not on the server that is in use now"


class Drill(NamedTuple):
    """What came of it; first are the seconds from each promotion to the next payment that was saved."""

    promotions: int
    acknowledged: int
    found: int
    told: int
    doubled: int
    gap: float
    first: Sequence[float]
    findings: Sequence[str]

    def is_good(self, synchronous: bool) -> bool:
        missing = self.acknowledged - self.found
        return (missing == 0 if synchronous else missing == self.told) and not self.doubled and not self.findings


def write() -> None:
    """Record payments until killed, and print when each is known to be saved, and what is said."""
    interrupts.install()
    database.connect(say=lambda sentence: print("said", sentence, flush=True))
    while True:
        reference, begun = str(uuid4()), time.monotonic()
        try:
            today = database.today()
            paying.save_payment(random.randint(1, CUSTOMERS), Decimal("0.01"), today, "cash", reference, uuid4())
        except errors.Error:
            time.sleep(0.02)
            continue
        print("saved", begun, time.monotonic(), reference, flush=True)


class Writer:
    """A program that records payments; saved is when each was begun, and when known to be saved, by its reference."""

    def __init__(self, uri: str) -> None:
        self.saved: dict[str, tuple[float, float]] = {}
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from benchmarks import failover; failover.write()"], cwd=PROJECT, text=True,
            env=settled({"DATABASE_URI": uri}), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "saved":
                begun, ended, reference = rest.split(" ")
                self.saved[reference] = float(begun), float(ended)
            elif word == "said":
                self.said.append(rest)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()


def saved_since(writers: Sequence[Writer], moment: float) -> list[float]:
    """Return when payments were saved that were begun since a moment, in order."""
    return sorted(ended for writer in writers for begun, ended in list(writer.saved.values()) if begun > moment)


def drill(promotions: int, synchronous: bool) -> Drill:
    """Promote the standby so often, each time after the primary was killed while programs recorded payments."""
    with servers("one", "two") as pair:
        primary, standby = pair
        primary.begin(AT_ONCE)
        standby.follow(primary, AT_ONCE)
        uri = (f"host={','.join(str(server.folder) for server in pair)} port=5432 user=postgres dbname=postgres "
               "target_session_attrs=read-write")
        fill(uri)
        writers = [Writer(uri) for _ in range(2)]
        try:
            began, first = time.monotonic(), []
            for _ in range(promotions):
                first.append(promote(primary, standby, writers, synchronous))
                primary, standby = standby, primary
                standby.follow(primary, AT_ONCE)
            begin = time.monotonic()
            wait_for(lambda: len(saved_since(writers, begin)) > BETWEEN)
            for writer in writers:  # which says at its next payment what of the last ones is lost
                wait_for(functools.partial(saved_since, [writer], begin))
        finally:
            for writer in writers:
                writer.end()
        return result(uri, writers, began, first)


def fill(uri: str) -> None:
    database.connect(uri)
    for number in range(CUSTOMERS):
        database.add_customer(f"Customer {number}", None)
    database.disconnect()


def promote(primary: Server, standby: Server, writers: Sequence[Writer], synchronous: bool) -> float:
    """Kill the primary under load, promote the standby, and return how long it took until a payment was saved."""
    if synchronous:
        primary.wait_for_standby()
    begin = time.monotonic()
    wait_for(lambda: len(saved_since(writers, begin)) > BETWEEN)
    primary.kill()
    promoted = time.monotonic()
    standby.sql("SELECT pg_promote()")
    wait_for(lambda: saved_since(writers, promoted))
    return saved_since(writers, promoted)[0] - promoted


def result(uri: str, writers: Sequence[Writer], began: float, first: Sequence[float]) -> Drill:
    database.connect(uri)
    try:
        rows: list[dict[str, str]] = database.fetch_all("SELECT reference FROM payments", patient=True)
        findings = verify_books()[1]
    finally:
        database.disconnect()
    there = [row["reference"] for row in rows]
    acknowledged = {reference for writer in writers for reference in writer.saved}
    moments = saved_since(writers, began)
    return Drill(
        len(first), len(acknowledged), len(acknowledged & set(there)),
        sum(MISSING in sentence for writer in writers for sentence in writer.said), len(there) - len(set(there)),
        max(later - sooner for sooner, later in zip(moments, moments[1:])), first, findings,
    )


def lines(drills: dict[str, Drill]) -> list[str]:
    heads = ["COMMIT", "promotions", "acknowledged", "found", "said to be missing", "doubled", "longest gap",
             "promotion to first saved"]
    rows = [heads]
    for name, done in drills.items():
        rows.append([
            name, *map(str, (done.promotions, done.acknowledged, done.found, done.told, done.doubled)),
            f"{done.gap:.1f} s", f"{median(done.first):.1f} s, longest {max(done.first):.1f} s",
        ])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def main(argv: list[str] | None = None) -> int:
    """Run the drill both ways; return 1 where something was lost unsaid, doubled, or too slow."""
    top = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__.split("\n")[0])
    top.add_argument("--promotions", type=int, default=20, help="how many, each way (default %(default)s)")
    arguments = top.parse_args(argv)
    drills = {}
    for name, synchronous in (("synchronous", True), ("asynchronous", False)):
        drills[name] = drill(arguments.promotions, synchronous)
    print("\n".join(lines(drills)))
    bad = [name for name, done in drills.items()
           if not done.is_good(name == "synchronous") or max(done.first) > GOAL]
    for name in bad:
        print(f"{name}: not as it must be. {' '.join(drills[name].findings)}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
