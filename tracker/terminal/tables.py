"""Rows to text: tables, columns, lines of a given width, CSV and JSON."""
from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tracker.text import HIDDEN, clean, csv_line, show_amount, show_day, show_days_late, spreadsheet_safe

Row = Mapping[str, Any]
COMFORTABLE = 16  # what a long text is shortened to before a column goes
NARROWEST = 8
READABLE = 100  # wider than that, a line of two margins is hard to follow
CHUNK = 500
INDENT = 2
BETWEEN_WORDS = re.compile(r"(?<![0-9)]) | (?![0-9(])")
BOLD, STRUCK, OVERDUE = (1, 22), (9, 29), (31, 39)  # each how it begins and ends, so that they may stand in each other
Style = tuple[int, int]


class Column(NamedTuple):
    """One column of a table: its header, the row's value as text, and how it behaves on a narrow screen.

    whole columns are never shortened; those with a rank in spare are left out where room is scarce, 1 first; those that
    are seldom filled, where no row fills them; of says what of the row is shown, where that is not the value of the key
    alone.
    """

    header: str
    key: str
    show: Callable[[Any], str]
    right: bool = False
    whole: bool = True
    spare: int = 0
    style: Style | None = None
    of: Callable[[Row], Any] | None = None
    seldom: bool = False

    def cell(self, row: Row) -> str:
        return self.show(self.of(row) if self.of else row[self.key])


def numbers(header: str, key: str) -> Column:
    return Column(header, key, clean, right=True)


def words(header: str, key: str, of: Callable[[Row], Any] | None = None) -> Column:
    """Make a column of texts that can be shortened: names, addresses, descriptions."""
    return Column(header, key, clean, whole=False, of=of)


def codes(header: str, key: str, spare: int = 0) -> Column:
    """Make a column of texts that mean nothing once shortened: phone numbers, serial numbers."""
    return Column(header, key, clean, spare=spare)


def amounts(header: str, key: str, spare: int = 0) -> Column:
    return Column(header, key, show_amount, right=True, spare=spare)


def dates(header: str, key: str, spare: int = 0) -> Column:
    return Column(header, key, show_day, spare=spare)


def days_late(header: str, spare: int = 0) -> Column:
    return Column(header, "days_late", show_days_late, right=True, spare=spare, style=OVERDUE)


def promises(header: str) -> Column:
    """Make a column of promises to pay, as narrow as can be: without the year, which is this one or the next."""
    def show(promise: Any) -> str:
        if not promise:
            return ""
        what = f"{show_amount(promise['amount'])} until" if promise["state"] == "open" else "broken"
        return f"{what} {promise['until'][5:]}"

    return Column(header, "promise", show)


def terminal_size() -> tuple[int, int]:
    """Return columns and lines of the terminal."""
    size = shutil.get_terminal_size((80, 24))
    return max(size.columns, 40), max(size.lines, 8)


def screen_width() -> int | None:
    """Return how wide a table may be: the terminal's width, or None when the output is no terminal."""
    return terminal_size()[0] if sys.stdout.isatty() else None


def line_width() -> int:
    """Return how wide a line of two margins is: the screen's width but for its last cell, and at most READABLE."""
    return min(screen_width() or 80, READABLE) - 1


def has_style() -> bool:
    """Say whether what is shown may be bold or coloured; nothing is told by that alone."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and (os.environ.get("TERM") or "dumb") != "dumb"


def styled(line: str, style: Style | None) -> str:
    """Return a line in a style where the terminal has styles; last of all, since it is as wide as before."""
    return f"\033[{style[0]}m{line}\033[{style[1]}m" if style and line and has_style() else line


def bold(line: str) -> str:
    return styled(line, BOLD)


def table(
    columns: list[Column], rows: Iterable[Row], struck: Callable[[Row], bool] = lambda row: False, totals: int = 0
) -> str:
    """Lay rows out as a table, struck rows struck out and the last rows that are totals in bold.

    On a terminal it fits: long texts are shortened to COMFORTABLE, headers broken between words, empty columns and then
    those that can be spared left out, texts shortened to NARROWEST; and where that is too wide still, each row takes
    several lines.
    """
    head, records = lay_out(columns, list(rows), struck, totals)
    return "\n".join([*head, *(line for record in records for line in record)])


def lay_out(
    columns: list[Column], rows: list[Row], struck: Callable[[Row], bool] = lambda row: False, totals: int = 0
) -> tuple[list[str], list[list[str]]]:
    """Return the lines above a table's rows, and the lines of each row."""
    columns = [column for column in columns if not column.seldom or any(row[column.key] for row in rows)]
    columns = _told_apart(columns, rows)
    cells = {column.key: [column.cell(row) for row in rows] for column in columns}
    screen = screen_width()
    lines = _arranged(columns, cells, screen) if screen else [columns]
    margins = ["", *[" " * INDENT] * (len(lines) - 1)]
    parts = [_part(line, cells, screen and screen - len(margin)) for margin, line in zip(margins, lines)]
    head = [bold(margin + line) for margin, part in zip(margins, parts) for line in part.head]
    widest = max(len(margin + part.rule) for margin, part in zip(margins, parts))
    rule = parts[0].rule if len(parts) == 1 else "-" * widest
    records = [[margin + line for margin, part in zip(margins, parts) for line in part.rows[row]
                if line.strip() or not margin] for row in range(len(rows))]
    styles = [STRUCK if struck(row) else BOLD if n >= len(rows) - totals else None for n, row in enumerate(rows)]
    return [*head, rule], [[styled(line, style) for line in record] for record, style in zip(records, styles)]


def _told_apart(columns: list[Column], rows: list[Row]) -> list[Column]:
    """Add customer IDs where customers of one name would read the same."""
    keys = [column.key for column in columns]
    if "name" not in keys or "customer_id" in keys:
        return columns
    known = [key for key in ("name", "phone_number") if key in keys]
    people = {(*(clean(row[key]).casefold() for key in known), row.get("customer_id")) for row in rows}
    if len({person[:-1] for person in people}) == len(people):
        return columns
    after = keys.index("name") + 1
    return [*columns[:after], numbers("Customer ID", "customer_id"), *columns[after:]]


def read_alike(columns: list[Column], rows: Iterable[Row]) -> bool:
    """Say whether two rows of a table would read the same, so that it needs their IDs."""
    rows = list(rows)
    shown = [tuple(column.cell(row) for column in _told_apart(columns, rows)) for row in rows]
    return len(set(shown)) < len(shown)


def _arranged(columns: list[Column], cells: dict[str, list[str]], screen: int) -> list[list[Column]]:
    """Return the columns of each line of a row: of one line, as long as that can be."""
    if _total(_floors(columns, cells, COMFORTABLE)) > screen:
        columns = [column for column in columns if any(cells[column.key])]
    ranks = sorted({column.spare for column in columns} | {0})
    for narrowest, spared in [*((COMFORTABLE, rank) for rank in ranks), (NARROWEST, ranks[-1])]:
        kept = [column for column in columns if not 0 < column.spare <= spared]
        if _total(_floors(kept, cells, narrowest)) <= screen:
            return [kept]
    lines: list[list[Column]] = [[]]
    for column in columns:
        room = screen - (INDENT if len(lines) > 1 else 0)
        if lines[-1] and _total(_floors([*lines[-1], column], cells, COMFORTABLE)) > room:
            lines.append([])
        lines[-1].append(column)
    return lines


def _total(widths: list[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _floors(columns: list[Column], cells: dict[str, list[str]], narrowest: int) -> list[int]:
    """Return how narrow each column may be: whole ones as wide as their cells, no word of a header broken."""
    widest = [max(map(width, cells[column.key]), default=0) for column in columns]
    return [max(max(map(len, column.header.split()), default=0), cell if column.whole else min(cell, narrowest))
            for column, cell in zip(columns, widest)]


def _widths(columns: list[Column], cells: dict[str, list[str]], room: int | None) -> list[int]:
    """Return how wide each column is: as wide as it wants to be, then narrower until the line fits."""
    widths = [max(map(width, [column.header, *cells[column.key]])) for column in columns]
    if room is None:
        return widths
    texts = [i for i, column in enumerate(columns) if not column.whole]
    _shrink(widths, texts, _floors(columns, cells, COMFORTABLE), room)
    if _total(widths) > room:
        widths = list(map(min, widths, _floors(columns, cells, COMFORTABLE)))
        _shrink(widths, texts, _floors(columns, cells, NARROWEST), room)
    return widths


def _shrink(widths: list[int], texts: list[int], floors: list[int], room: int) -> None:
    """Take from the widest texts first, until a line fits or none may be narrower."""
    while _total(widths) > room and (wide := [i for i in texts if widths[i] > floors[i]]):
        widths[max(wide, key=lambda i: widths[i])] -= 1


class _Part(NamedTuple):
    """One line of each row of a table, or the whole of it: its headers, the rule beneath, and each row's lines."""

    head: list[str]
    rule: str
    rows: list[list[str]]


def _part(columns: list[Column], cells: dict[str, list[str]], room: int | None) -> _Part:
    limits = _widths(columns, cells, room)
    if room is not None and len(columns) == 1 and limits[0] > room:
        return _Part([columns[0].header], "-" * room, [wrap(cell, room) for cell in cells[columns[0].key]])
    import tabulate

    tabulate.MIN_PADDING = 0  # else every header is two cells wider than it reads
    shown = [[styled(shortened(cell, limit), column.style) for cell in cells[column.key]]
             for column, limit in zip(columns, limits)]
    headers = [wrap(column.header, limit) for column, limit in zip(columns, limits)]
    lines = tabulate.tabulate(
        list(zip(*shown)), headers=["\n".join(header) for header in headers], tablefmt="simple", disable_numparse=True,
        colalign=["right" if column.right else "left" for column in columns] if shown and shown[0] else None,
    ).split("\n")
    high = max(map(len, headers))
    return _Part(lines[:high], lines[high], [[line] for line in lines[high + 1:]])


def shortened(line: str, limit: int) -> str:
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
    """Break a line at its blanks into lines of at most limit cells; not between the digits of a phone number.

    A word is broken where it is wider than a line.
    """
    if width(line) <= limit:
        return [line]
    lines = [""]
    for place, word in enumerate(BETWEEN_WORDS.split(line)):
        longer = f"{lines[-1]} {word}" if place and (lines[-1] or len(lines) == 1) else word
        if width(longer) <= limit:
            lines[-1] = longer
        else:
            pieces = _broken(word, limit)
            lines = [*lines, *pieces] if lines[-1].strip() else [*lines[:-1], *pieces]
    return [shown.rstrip() for shown in lines]


def _broken(word: str, limit: int) -> list[str]:
    if width(word) <= limit:
        return [word]
    from wcwidth import wrap as break_word
    return break_word(word, limit)


def indented(line: str, indent: int = 0) -> Iterator[str]:
    """Set a line off from the margin, in as many lines as it needs."""
    return (" " * indent + shown for shown in wrap(line, line_width() - indent))


def spread(
    left: str, right: str, indent: int = 0, *, left_style: Style | None = None, right_style: Style | None = None
) -> Iterator[str]:
    """Set left and right at the two margins, left in as many lines as it needs; right beneath where it has no room."""
    whole = line_width() - indent
    room = whole - width(right) - 2 if right else whole
    longest = max(map(width, BETWEEN_WORDS.split(left)))
    beside = right and longest <= room and len(wrap(left, room)) <= len(wrap(left, whole)) + 1
    margin = " " * indent
    for number, line in enumerate(wrap(left, room if beside else whole)):
        end = " " * (room + 2 - width(line)) + styled(right, right_style) if beside and not number else ""
        yield margin + styled(line, left_style) + end
    if right and not beside:
        for line in wrap(right, whole):
            yield margin + " " * (whole - width(line)) + styled(line, right_style)


def field_lines(columns: list[Column], row: Row) -> Iterator[str]:
    """Yield a record as lines, one for each column, and more where its value is longer than the screen is wide; none
    for one that is seldom filled and is not.
    """
    columns = [column for column in columns if not column.seldom or row[column.key]]
    room = max(len(column.header) for column in columns) + 2
    for column in columns:
        value = column.cell(row)
        screen = screen_width()
        for number, line in enumerate(wrap(value, screen - room) if screen else [value]):
            yield f"{'' if number else column.header:<{room}}{styled(line, column.style)}".rstrip()


def write_csv(rows: Iterable[Row], keys: Iterable[str]) -> None:
    """Print rows as CSV under their keys; a text that a spreadsheet would run as a formula has an apostrophe first."""
    keys = list(keys)
    print(",".join(keys))
    for row in rows:
        print(csv_line(map(_safe, (row[key] for key in keys))), end="")


def _safe(value: Any) -> Any:
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
