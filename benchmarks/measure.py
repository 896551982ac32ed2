"""Timing, and what a measurement is: one line of the table."""
from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Missing(Exception):
    """Something that a measurement needs is not there; the text says what."""


class Peer(NamedTuple):
    """What a user would otherwise run; seconds is None when it could not be measured, and why says the reason."""

    name: str
    seconds: float | None
    why: str = ""


class Row(NamedTuple):
    """One line of the table: this program beside the bare minimum, both in unit, and how many times it may take."""

    what: str
    ours: float | None
    bare: float | None
    goal: float | None
    peers: Sequence[Peer] = ()
    unit: str = "s"
    note: str = ""


class Done(NamedTuple):
    """A program that ended: how long it took, how much memory it held at most, and what it wrote."""

    seconds: float
    peak_mb: float
    code: int
    output: str


def seconds_of(work: Callable[[], object]) -> float:
    """Run something once and return how long it took."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def alternate(runs: int, *contestants: Callable[[], float]) -> list[list[float]]:
    """Let contestants measure themselves in turn, so that what slows the machine for a while slows all of them."""
    results: list[list[float]] = [[] for _ in contestants]
    for run in range(runs):
        for turn in range(len(contestants)):
            place = (run + turn) % len(contestants)
            results[place].append(contestants[place]())
    return results


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def p95(seconds: Sequence[float]) -> float:
    """Return the time that 95 of 100 stayed within."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def run(command: Sequence[str], typed: str = "", limit: float = 3600, **environment: str) -> Done:
    """Run a program to its end; raise Missing with the last line it wrote when it fails."""
    with tempfile.TemporaryFile("w+") as answers, tempfile.TemporaryFile("w+", errors="replace") as output:
        answers.write(typed)
        answers.seek(0)
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=answers, stdout=output, stderr=subprocess.STDOUT,
                                   env=settled(environment))
        code, peak_kb = _wait(process, begin + limit)
        seconds = time.perf_counter() - begin
        output.seek(0)
        written = output.read()
    if code:
        last = written.strip().split("\n")[-1]
        raise Missing(f"{os.path.basename(command[0])} failed: {last[:100] or f'code {code}'}")
    return Done(seconds, peak_kb / 1024, code, written)


def settled(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the settings of whoever measures, and with some more."""
    # Without the last two: a user's Python keeps what it has compiled, and buffers what it prints.
    settings = ("DATABASE_URI", "ISP_DATA_DIR", "TIMEZONE", "DB_", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(settings)}, **more}


def _wait(process: subprocess.Popen, deadline: float) -> tuple[int, int]:
    """Wait for a child and return its exit code and peak memory in KB, which only wait4 tells for one child alone."""
    patience = 0.0005
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss
        if time.perf_counter() > deadline:
            process.kill()
        time.sleep(patience)
        patience = min(patience * 1.1, 0.05)
