"""Long tables and texts, a screen at a time."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tracker.fields import choice
from tracker.terminal import tables
from tracker.terminal.prompts import ask, on_terminal
from tracker.terminal.tables import Row

MENU_LINES = 9  # what a menu may push off the screen


def browse(
    columns: list[tables.Column],
    fetch: Callable[[Any, int], Sequence[Row]],
    key: Callable[[Row], Any],
    start: Any,
    total: str,
    footer: str = "",
    total_row: Row | None = None,
    struck: Callable[[Row], bool] = lambda row: False,
    stream: Callable[[], Iterator[Row]] | None = None,
) -> None:
    """Show a long table a page at a time; off a terminal, all of it.

    fetch(after, limit) returns the rows that follow the key after; start is the key before the first. total says how
    many rows there are; footer, a line, or total_row, a last row, stands below every page. stream yields all rows,
    where that is cheaper than page after page.
    """
    last = [total_row] if total_row else []
    if not on_terminal():
        _print_all(columns, stream() if stream else _each_row(fetch, key, start), last, footer)
        return
    size = tables.terminal_size()[1] - 4 - len(last) - (1 if footer else 0)
    starts = [start]
    while True:
        rows = fetch(starts[-1], size + 1)
        page, more = list(rows[:size]), len(rows) > size
        print(tables.table(columns, page + last, struck) if page else "There are none.")
        if footer:
            print(footer)
        if not more and len(starts) == 1 and len(page) <= size - MENU_LINES:
            return
        first = (len(starts) - 1) * size + 1
        turn = _turn_page(f"Rows {first} to {first + len(page) - 1} of {total}", more, len(starts) > 1)
        if turn == "next":
            starts.append(key(page[-1]))
        elif turn == "previous":
            starts.pop()
        else:
            return


def _each_row(
    fetch: Callable[[Any, int], Sequence[Row]], key: Callable[[Row], Any], after: Any
) -> Iterator[Row]:
    while rows := fetch(after, tables.CHUNK):
        yield from rows
        after = key(rows[-1])


def _print_all(
    columns: list[tables.Column], rows: Iterator[Row], last: list[Row], footer: str
) -> None:
    chunk = list(itertools.islice(rows, tables.CHUNK))
    if not chunk:
        print("There are none.")
    while chunk:
        following = list(itertools.islice(rows, tables.CHUNK))
        print(tables.table(columns, chunk if following else chunk + last))
        if following:
            print()
        chunk = following
    if footer:
        print(footer)


def show_lines(lines: Iterator[str]) -> None:
    """Show long text a screen at a time, fetching only as far as the reader goes; off a terminal, all of it."""
    if not on_terminal():
        for line in lines:
            print(line)
        return
    size = tables.terminal_size()[1] - 2
    seen: list[str] = []
    top = 0
    while True:
        seen += itertools.islice(lines, max(0, top + size + 1 - len(seen)))
        print("\n".join(seen[top:top + size]))
        more = len(seen) > top + size
        if not more and not top and len(seen) <= size - MENU_LINES:
            return
        turn = _turn_page(f"Lines {top + 1} to {min(top + size, len(seen))}", more, top > 0)
        if turn == "next":
            top += size
        elif turn == "previous":
            top -= size
        else:
            return


def _turn_page(position: str, more: bool, earlier: bool) -> str:
    """Ask for the next or the previous page; Enter alone goes on while there is more, then back to the menu."""
    turns = {"": "next" if more else "back", "0": "back"}
    hints = []
    if more:
        turns["n"] = "next"
        hints.append("Enter next")
    if earlier:
        turns["p"] = "previous"
        hints.append("p previous")
    hints.append("0 back" if more else "Enter or 0 back")
    return ask(f"{position}  ({', '.join(hints)})", choice(turns, f"Type one of these: {', '.join(hints)}."))
