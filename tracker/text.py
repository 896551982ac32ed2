"""Values as text: amounts, days, counts, and the cleaning that keeps stored text from steering the terminal."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

# What begins a formula, also where it is typed in full width, and what keeps a spreadsheet from running it.
RISKY_SIGNS = tuple("=+-@＝＋－＠'")
# What other programs write for nothing, in this spelling: Null is somebody's name.
EMPTY_WORDS = frozenset((
    "NULL", "null", "(null)", "(NULL)", "[NULL]", "<null>", "<NULL>", "None", "none", "NONE", "NaN", "nan", "NAN",
    "N/A", "n/a", "#N/A", "\\N", "-", "--", "–", "—",
))
HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
JOINER = re.compile("(?<=[^\\s\u200c\u200d])[\u200c\u200d](?=[^\\s\u200c\u200d])")


def clean(value: Any) -> str:
    """Return text in which no character can steer the terminal: each that could is shown as U+FFFD."""
    line = "" if value is None else str(value)
    if line.isprintable():
        return line
    seen = [not JOINER.match(line, i) and unicodedata.category(c) in HIDDEN for i, c in enumerate(line)]
    return "".join("\N{REPLACEMENT CHARACTER}" if hidden else c for c, hidden in zip(line, seen))


def without_joiners(line: str) -> str:
    """Leave out the joiners inside words (U+200C, U+200D), with which Persian and Indic words and emoji are spelt."""
    return JOINER.sub("", line)


def show_amount(value: Any) -> str:
    """Show an amount exactly, with two decimals."""
    return "" if value is None else f"{Decimal(value):.2f}"


def show_day(value: date | None) -> str:
    return "" if value is None else value.isoformat()


def show_days_late(value: int) -> str:
    return str(value) if value else ""


def show_promise(promise: Any) -> str:
    """Say what a customer has promised to pay, or has not kept of that; nothing where there is no promise."""
    if not promise:
        return ""
    what = "promised" if promise["state"] == "open" else "broken promise of"
    return f"{what} {show_amount(promise['amount'])} until {promise['until']}"


def plural(count: int, noun: str) -> str:
    """Count a noun: 1 location, 2 locations."""
    return f"{count} {noun}" if count == 1 or noun == "equipment" else f"{count} {noun}s"


def name_lines(numbers: Sequence[int]) -> str:
    """Name lines of a file at the beginning of a sentence, the first of many: Lines 4, 9, 12 and 5 more."""
    if len(numbers) == 1:
        return f"Line {numbers[0]}"
    first = numbers[:3] if len(numbers) > 3 else numbers[:-1]
    last = f"{len(numbers) - 3} more" if len(numbers) > 3 else str(numbers[-1])
    return f"Lines {', '.join(map(str, first))} and {last}"


def show_size(size: int) -> str:
    """Show a number of bytes in a unit of which there are few."""
    for unit in ("bytes", "kB", "MB"):
        if size < 10_000:
            return f"{size} {unit}"
        size = round(size / 1_000)
    return f"{size} GB"


def is_risky(cell: str) -> bool:
    """Tell whether a spreadsheet would take a cell for a formula, or an import would take it for none, or for one that
    an apostrophe keeps from that.
    """
    return cell[:1] in ("\t", "\r") or cell.lstrip()[:1] in RISKY_SIGNS or cell in EMPTY_WORDS


def spreadsheet_safe(cell: str) -> str:
    """Put an apostrophe before what is risky, so that taking one away gives the text back."""
    return "'" + cell if is_risky(cell) else cell


def csv_line(cells: Iterable[Any], delimiter: str = ",", decimal: str = ".") -> str:
    """Join cells into a line of CSV in which every text is quoted, so that no program takes a sign in it for another
    column; numbers and days are not, and nothing at all is nothing.
    """
    return delimiter.join(_csv_cell(cell, decimal) for cell in cells) + "\n"


def _csv_cell(value: Any, decimal: str) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return show_amount(value).replace(".", decimal)
    if isinstance(value, (int, date)):  # also a truth, and a moment
        return str(value)
    return '"' + str(value).replace('"', '""') + '"'
