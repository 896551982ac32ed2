"""Long tables and texts, a screen at a time."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

from tracker.terminal import tables
from tracker.terminal.prompts import ask, attended, on_terminal
from tracker.terminal.tables import Row

LEAVE = ("0", "q")  # what leaves a list, in either case
MENU_LINES = 9  # what a menu may push off the screen
LEAST_ROWS = 5  # of a page that something stands above, which then may be pushed off
ROWS_WIDE, LINES_WIDE = 80, 60  # cells that the question below a page may take; with fewer it stands in two lines


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
    opens: Callable[[Row], object] | None = None,
    renew: Callable[[], tuple[str, str, Row | None]] | None = None,
    head: Sequence[str] = (),
) -> None:
    """Show a long table a page at a time; off a terminal, all of it.

    fetch(after, limit) returns the rows that follow the key after; start is the key before the first. total says how
    many rows there are; footer, a line, or total_row, a last row, stands below every page. stream yields all rows,
    where that is cheaper than page after page. opens is given the row whose ID is typed, and says by True that the page
    is to be shown anew; renew then returns total, footer and total_row as they are by now. head stands above the first
    page.
    """
    last = [total_row] if total_row else []
    below = list(map(tables.bold, tables.wrap(footer, tables.terminal_size()[0]))) if footer else []
    if not on_terminal():
        print(*head, sep="\n", end="\n" if head else "")
        _print_all(columns, stream() if stream else _each_row(fetch, key, start), last, footer)
        return
    size = tables.terminal_size()[1] - 4 - len(last) - len(below) - _is_narrower(ROWS_WIDE)
    starts = [(start, 0)]  # of each page: the key before it, and how many rows
    while True:
        above = list(head) if len(starts) == 1 else []
        room = max(size - len(above), min(size, LEAST_ROWS))
        rows = fetch(starts[-1][0], room + 1)
        if not rows and len(starts) > 1:  # what stood there was changed meanwhile
            starts.pop()
            continue
        page, lines = fitting(columns, list(rows[:room]), last, struck, room + 2 + len(last))
        more = len(rows) > len(page)
        print("\n".join([*above, *(lines if page else ["There are none."]), *below]))
        is_short = not more and len(starts) == 1 and len(lines) - 2 - len(last) <= room - MENU_LINES
        if not page or (is_short and not opens):
            return
        before = starts[-1][1]
        position = f"Rows {before + 1} to {before + len(page)} of {total}"
        turn = _turn_or_open(position, more, len(starts) > 1, columns, page, opens)
        if turn == "next":
            starts.append((key(page[-1]), before + len(page)))
        elif turn == "previous":
            starts.pop()
        elif turn == "back":
            return
        elif renew:
            total, footer, total_row = renew()
            last = [total_row] if total_row else []
            below = tables.wrap(footer, tables.terminal_size()[0]) if footer else []


def _turn_or_open(
    position: str, more: bool, earlier: bool, columns: list[tables.Column], page: list[Row],
    opens: Callable[[Row], object] | None,
) -> str:
    """Ask for a turn, and open the rows whose IDs are typed instead, until one of them was more than a line or two."""
    if not opens:
        return turn_page(position, more, earlier)
    by_id = {columns[0].show(row[columns[0].key]): row for row in page}
    while True:
        turn = turn_page(position, more, earlier, by_id, f"{'number' if columns[0].header == '#' else 'ID'} opens")
        if turn not in by_id or opens(by_id[turn]):
            return turn


def fitting(
    columns: list[tables.Column], rows: list[Row], last: list[Row], struck: Callable[[Row], bool], room: int
) -> tuple[list[Row], list[str]]:
    """Return as many rows as fit the screen, which where it is narrow take several lines each, and those lines."""
    while True:
        head, records = tables.lay_out(columns, rows + last, struck, len(last))
        lines = [*head, *itertools.chain.from_iterable(records)]
        if len(lines) <= room or len(rows) <= 1:
            return rows, lines
        each = max(map(len, records))
        rows = rows[:max(min((room - len(head)) // each - len(last), len(rows) - 1), 1)]


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
        print(tables.table(columns, chunk if following else chunk + last, totals=0 if following else len(last)))
        if following:
            print()
        chunk = following
    if footer:
        print(footer)


def show_lines(lines: Iterator[str], below: int = MENU_LINES, back: str = "back") -> bool:
    """Show long text a screen at a time, fetching only as far as the reader goes; off a terminal, all of it.

    Return whether that took a question: none is asked where the text fits the screen with what stands below it.
    """
    if not on_terminal():
        for line in lines:
            print(line)
        return False
    size = tables.terminal_size()[1] - 2 - _is_narrower(LINES_WIDE)
    seen: list[str] = []
    top = 0
    while True:
        seen += itertools.islice(lines, max(0, top + size + 1 - len(seen)))
        print("\n".join(seen[top:top + size]))
        more = len(seen) > top + size
        if not more and not top and len(seen) <= size - below:
            return False
        turn = turn_page(f"Lines {top + 1} to {min(top + size, len(seen))}", more, top > 0, back=back)
        if turn == "next":
            top += size
        elif turn == "previous":
            top -= size
        else:
            return True


def turn_page(
    position: str, more: bool, earlier: bool, picks: Container[str] = (), picked_by: str = "", back: str = "back"
) -> str:
    """Ask for the next or the previous page, or one of the picks; Enter alone goes on while there is more, then back.

    picked_by says in the question what the picks do: ID opens.
    """
    hints = [*([picked_by] if picked_by else []), *(["Enter next"] if more else []),
             *(["p previous"] if earlier else []), f"0 or q {back}" if more else f"Enter, 0 or q {back}"]
    turns = {"": "next" if more else "back", **dict.fromkeys(LEAVE, "back"), **({"n": "next"} if more else {}),
             **({"p": "previous"} if earlier else {})}

    def parse(answer: str) -> str:
        turn = answer if answer in picks else turns.get(answer.casefold())
        if turn and (answer or not picks or attended()):  # a script's empty line is a number that it did not have
            return turn
        absent = f"{answer} is not shown here. " if picks and answer.isdecimal() else ""
        raise ValueError(f"{absent}Type one of these: {', '.join(hints)}.")

    question = f"{position}  ({', '.join(hints)})"
    if _is_narrower(len(question) + 3):
        print(position)
        question = ", ".join(hints)
    return ask(question, parse)


def _is_narrower(cells: int) -> bool:
    return tables.terminal_size()[0] < cells
