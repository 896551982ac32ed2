"""python -m benchmarks: one table of what the program costs, beside the bare minimum and what is run instead of it."""
from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tabulate import tabulate

from benchmarks import actions, backups, bulk, page, screens, startup, trail
from benchmarks.measure import Missing, Peer, Row
from benchmarks.server import Server
from tracker import embedded, errors, interrupts, settings


class Sizes(argparse.Namespace):
    """The options of the command line."""

    customers: int
    small: int
    import_customers: int | None
    runs: int
    samples: int


Benchmark = Callable[[Server, Sizes], list[Row]]

BENCHMARKS: dict[str, Benchmark] = {
    "import": lambda server, sizes: bulk.import_rows(
        server, server.provider(sizes.customers), sizes.import_customers or min(sizes.customers, MOST_IMPORTED),
        sizes.runs),
    "export": lambda server, sizes: bulk.export_rows(server, server.provider(sizes.customers), sizes.runs),
    "late-report": lambda server, sizes: screens.late_report(server, server.provider(sizes.customers), 2 * sizes.runs),
    "screens": lambda server, sizes: screens.screen_rows(
        server, server.provider(sizes.customers), server.provider(sizes.small), sizes.samples),
    "actions": lambda server, sizes: actions.action_rows(
        server, server.provider(sizes.customers), server.provider(sizes.small), sizes.samples),
    "bill-run": lambda server, sizes: bulk.bill_run_rows(server, server.provider(sizes.customers), sizes.runs),
    "trail": lambda server, sizes: trail.trail_rows(
        server, server.provider(sizes.customers), sizes.import_customers or min(sizes.customers, MOST_IMPORTED),
        sizes.runs, sizes.samples),
    "page": lambda server, sizes: page.page_rows(server, server.provider(sizes.customers), sizes.samples),
    "backup": lambda server, sizes: backups.backup_rows(server, server.provider(sizes.customers), sizes.runs),
    "start": lambda server, sizes: startup.start_rows(server, server.provider(sizes.customers), 3 * sizes.runs),
}
MOST_IMPORTED = 200_000
HEADERS = ("What", "This program", "Bare minimum", "Ratio", "Goal", "Instead of it", "takes", "× this program")


def parser() -> argparse.ArgumentParser:
    """Describe the options; the defaults take a minute or two."""
    top = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the program beside the bare minimum and beside what a user would otherwise run.",
        epilog="Everything runs in databases of its own, named isp_benchmark_…, on DATABASE_URI's server or an "
               "embedded one. csvsql, pgloader, pgcli and Django are found on PATH.",
    )
    top.add_argument("--customers", type=int, default=20_000, help="size of the large database (default %(default)s)")
    top.add_argument("--small", type=int, default=2_000, help="size of the small one (default %(default)s)")
    top.add_argument("--import-customers", type=int,
                     help=f"how many to import (default --customers, at most {MOST_IMPORTED})")
    top.add_argument("--runs", type=int, default=3,
                     help="runs of each, of which the median counts (default %(default)s)")
    top.add_argument("--samples", type=int, default=40, help="runs of each screen and action (default %(default)s)")
    top.add_argument("--only", action="append", choices=BENCHMARKS, help="measure just this; may be repeated")
    top.add_argument("--folder", type=Path, help="data folder of the embedded server, kept for the next run")
    return top


@contextmanager
def serve(folder: Path | None) -> Iterator[Server]:
    """Lend DATABASE_URI's server, or an embedded one in a folder, which is removed unless it was named."""
    if uri := settings.get("DATABASE_URI"):
        yield Server(uri)
        return
    place = folder or Path(tempfile.mkdtemp(prefix="isp-benchmarks-"))
    try:
        place.mkdir(exist_ok=True)
        place.chmod(0o755)
        yield Server(embedded.start(place))
    finally:
        embedded.stop()
        if not folder:
            shutil.rmtree(place, ignore_errors=True)


def measured(server: Server, sizes: Sizes, names: list[str]) -> list[Row]:
    """Run the benchmarks named; what cannot be measured becomes a line that says why."""
    rows = []
    for name in names:
        print(f"Measuring {name}...", file=sys.stderr, flush=True)
        try:
            rows += BENCHMARKS[name](server, sizes)
        except Missing as exc:
            rows.append(Row(name, None, None, None, note=str(exc)))
    return rows


def table(rows: list[Row]) -> str:
    """Lay the measurements out; a peer after the first has a line of its own."""
    return tabulate([line for row in rows for line in lines(row)], headers=HEADERS, disable_numparse=True,
                    colalign=("left", "right", "right", "right", "right", "left", "right", "right"))


def lines(row: Row) -> Iterator[tuple[str, ...]]:
    first, *others = [peer_cells(row, peer) for peer in row.peers] or [("", "", "")]
    if row.ours is None or row.bare is None:
        yield (row.what, row.note, "", "", "", *first)
        return
    ratio = row.ours / row.bare
    missed = row.goal is not None and ratio > row.goal
    yield (row.what, amount(row.ours, row.unit), amount(row.bare, row.unit), f"{'! ' if missed else ''}{ratio:.2f}",
           f"≤ {row.goal:g}", *first)
    for other in others:
        yield ("", "", "", "", "", *other)


def peer_cells(row: Row, peer: Peer) -> tuple[str, str, str]:
    if peer.seconds is None:
        return peer.name, peer.why, ""
    return peer.name, amount(peer.seconds, "s"), f"{peer.seconds / row.ours:.1f}"


def amount(value: float, unit: str) -> str:
    """Show seconds in a unit that fits them, and anything else in its own."""
    if unit != "s":
        return f"{value:.0f} {unit}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{1000 * value:.1f} ms" if value >= 0.001 else f"{1000 * value:.2f} ms"


def main() -> int:
    """Measure and print the table; return 1, after one sentence, when there is no database."""
    sizes = parser().parse_args(namespace=Sizes())
    interrupts.install()
    try:
        with serve(sizes.folder) as server:
            rows = measured(server, sizes, sizes.only or list(BENCHMARKS))
            version = server.execute("SHOW server_version")[0][0]
    except (errors.Error, errors.ServerError) as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"{sizes.customers} customers beside {sizes.small}, PostgreSQL {version}, {os.cpu_count()} processors; "
          f"medians of {sizes.runs} runs, {sizes.samples} of each screen and action\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
