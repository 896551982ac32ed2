"""Rows to text: tables, columns, lines of a given width, CSV and JSON."""
from __future__ import annotations

import csv
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tracker.text import HIDDEN, clean, show_amount, show_day, spreadsheet_safe

Row = Mapping[str, Any]
NARROWEST = 4
CHUNK = 500


class Column(NamedTuple):
    """One column of a table: its header, the row's value as text, and how it behaves."""

    header: str
    key: str
    show: Callable[[Any], str]
    right: bool = False


def numbers(header: str, key: str) -> Column:
    return Column(header, key, clean, right=True)


def words(header: str, key: str) -> Column:
    return Column(header, key, clean)


def amounts(header: str, key: str) -> Column:
    return Column(header, key, show_amount, right=True)


def dates(header: str, key: str) -> Column:
    return Column(header, key, show_day)


def terminal_size() -> tuple[int, int]:
    """Return columns and lines of the terminal."""
    size = shutil.get_terminal_size((80, 24))
    return max(size.columns, 40), max(size.lines, 8)


def screen_width() -> int | None:
    """Return how wide a table may be: the terminal's width, or None when the output is no terminal."""
    return terminal_size()[0] if sys.stdout.isatty() else None


def table(columns: list[Column], rows: Iterable[Row], struck: Callable[[Row], bool] = lambda row: False) -> str:
    """Lay rows out as a table; on a terminal, the widest texts are shortened until it fits, struck rows struck out."""
    import tabulate

    tabulate.MIN_PADDING = 0  # else every header is two cells wider than it reads
    rows = list(rows)
    cells = [[column.show(row[column.key]) for column in columns] for row in rows]
    limits = _limits(columns, cells)
    text = tabulate.tabulate(
        [[_shorten(cell, limit) for cell, limit in zip(line, limits)] for line in cells],
        headers=[_shorten(column.header, limit) for column, limit in zip(columns, limits)],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in columns] if cells else None,
    )
    if not sys.stdout.isatty() or not any(map(struck, rows)):
        return text
    head, rule, *lines = text.split("\n")
    shown = (f"\033[9m{line}\033[0m" if struck(row) else line for line, row in zip(lines, rows))
    return "\n".join([head, rule, *shown])


def _limits(columns: list[Column], cells: list[list[str]]) -> list[int]:
    """Return how wide each column may be, taking from the widest words first; numbers and dates stay whole."""
    widths = [max(map(width, (column.header, *texts))) for column, *texts in zip(columns, *cells)]
    words_at = [i for i, column in enumerate(columns) if column.show is clean and not column.right]
    screen = screen_width()
    while screen and words_at and sum(widths) + 2 * (len(widths) - 1) > screen:
        widest = max(words_at, key=lambda i: widths[i])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _shorten(line: str, limit: int) -> str:
    if width(line) <= limit:
        return line
    from wcwidth import clip
    return clip(line, 0, limit - 1).rstrip() + "…"


def width(line: str) -> int:
    """Return how many terminal cells a line takes; CJK characters take two, combining marks none."""
    if line.isascii():
        return len(line)
    from wcwidth import width as cells
    return cells(line)


def in_columns(entries: list[str]) -> list[str]:
    """Set short lines side by side, as few lines as fit the terminal."""
    each = max(map(width, entries)) + 2
    across = max(terminal_size()[0] // each, 1)
    down = -(-len(entries) // across)
    return ["".join(f"{entry:<{each}}" for entry in entries[row::down]).rstrip() for row in range(down)]


def wrap(line: str, limit: int) -> list[str]:
    """Break a line into lines of at most limit cells."""
    if width(line) <= limit:
        return [line]
    from wcwidth import wrap as break_line
    return break_line(line, limit)


def spread(left: str, right: str, indent: int = 0, columns: int = 79) -> Iterator[str]:
    """Set left and right at the two margins, left in as many lines as it needs."""
    room = columns - indent - width(right) - 2
    first, *rest = wrap(left, room)
    yield " " * indent + first + " " * (room + 2 - width(first)) + right if right else " " * indent + first
    for line in rest:
        yield " " * indent + line


def write_csv(rows: Iterable[Row]) -> None:
    """Print rows as CSV, their keys as the header; a text that a spreadsheet would run as a formula is quoted first."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number_, row in enumerate(rows):
        if number_ == 0:
            writer.writerow(row)
        writer.writerow([_csv_cell(value) for value in row.values()])


def _csv_cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return show_amount(value)
    return spreadsheet_safe(clean(value)) if isinstance(value, str) else value


def write_json(rows: Iterable[Row]) -> None:
    """Print rows as one JSON array, a row a line; amounts are strings, so that they stay exact."""
    separator = "[\n"
    for row in rows:
        print(separator + _json_line(row), end="")
        separator = ",\n"
    print("[]" if separator == "[\n" else "\n]")


def _json_line(row: Row) -> str:
    line = json.dumps(row, default=_json_value, ensure_ascii=False)
    if line.isprintable():
        return line
    return "".join(json.dumps(c)[1:-1] if unicodedata.category(c) in HIDDEN else c for c in line)


def _json_value(value: Any) -> str:
    return show_amount(value) if isinstance(value, Decimal) else str(value)
