"""Questions to the administrator, and the parsers that read the answers.

A parser takes the text that was typed and returns a value, or raises ValueError with the sentence to show. ask()
repeats its question until the parser is content.
"""
from __future__ import annotations

import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import display

LONGEST_ANSWER = 10_000
MENU_LINES = 9  # what a menu may push off the screen
LARGEST_ID = 2**63 - 1
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
UNWANTED = {"Cc": "control", "Cf": "format", "Cs": "invalid", "Zl": "line-break", "Zp": "line-break"}

Value = TypeVar("Value")
complaints = 0


class Cancelled(Exception):
    """The administrator left the form: Ctrl-C, Ctrl-D, or the end of piped input."""


def prepare() -> None:
    """Make input safe to read: any bytes become text, and on a terminal the arrow keys edit the line."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started the program
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115, it stays open as a standard stream does
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        errors = "surrogateescape" if stream is sys.stdin else "backslashreplace"
        stream.reconfigure(encoding="utf-8", errors=errors)  # type: ignore[union-attr]
    if on_terminal():
        try:
            import readline
            readline.set_auto_history(False)
        except (ImportError, AttributeError):
            pass  # a Python without readline, or one built on an old libedit


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def say(sentence: str) -> None:
    """Print a sentence that may hold stored text; on a terminal, broken between words."""
    print(_broken(sentence, sys.stdout.isatty()))


def _broken(sentence: str, on_screen: bool) -> str:
    line = display.clean(sentence)
    return "\n".join(display.wrap(line, display.terminal_size()[0] - 1)) if on_screen else line


def complain(sentence: str) -> None:
    """Say what went wrong, on standard error, and remember that something did."""
    global complaints
    complaints += 1
    sys.stdout.flush()
    print(_broken(sentence, sys.stderr.isatty()), file=sys.stderr, flush=True)


def read_line(prompt: str) -> str:
    """Ask once and return what was typed; raise Cancelled at the end of input and KeyboardInterrupt at Ctrl-C."""
    try:
        answer = input(prompt)
    except EOFError:
        print()
        raise Cancelled from None
    except KeyboardInterrupt:
        print()
        raise
    if not sys.stdin.isatty():
        print(display.clean(answer[:80]))  # so that a transcript reads like a session
    return answer


def ask(label: str, parse: Callable[[str], Value], *, shown: str | None = None, default: Any = None) -> Value:
    """Ask until parse is content; with shown, that stands in brackets and Enter alone returns default."""
    prompt = f"{label}: " if shown is None else f"{label} [{display.clean(shown)}]: "
    while True:
        answer = read_line(prompt).strip()
        if not answer and shown is not None:
            return default
        try:
            return parse(answer)
        except ValueError as exc:
            complain(str(exc))


def confirm(question: str, wanted: str = "yes") -> bool:
    """Ask for a word to be typed in full; anything else is no."""
    answer = unicodedata.normalize("NFC", read_line(f"{question} ").strip())
    return answer.casefold() == unicodedata.normalize("NFC", wanted.strip()).casefold()


def text(max_length: int) -> Callable[[str], str]:
    """Make a parser of one line of text, which it returns in Unicode's composed form (NFC)."""
    def parse(answer: str) -> str:
        if len(answer) > LONGEST_ANSWER:
            raise ValueError(f"That is too long: use at most {max_length} characters.")
        answer = unicodedata.normalize("NFC", answer.strip())
        for character in answer:
            if kind := UNWANTED.get(unicodedata.category(character)):
                raise ValueError(f"Remove the {kind} character U+{ord(character):04X}; use letters, digits and signs.")
        if not 1 <= len(answer) <= max_length:
            raise ValueError(f"Enter 1 to {max_length} characters; that was {len(answer) or 'nothing'}.")
        return answer

    return parse


def optional(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    """Make a parser that takes Enter alone for nothing."""
    return lambda answer: parse(answer) if answer else None


def serial_or_none(answer: str) -> str:
    """Parse a serial number; a hyphen alone means none and gives an empty one."""
    return "" if answer == "-" else text(100)(answer)


def phone(answer: str) -> str:
    """Parse a phone number, kept as typed."""
    digits = sum(character in "0123456789" for character in answer[:21])
    if not re.fullmatch(r"[0-9 +().\-/]{3,20}", answer, re.ASCII) or not 3 <= digits <= 15:
        raise ValueError("Enter a phone number of 3 to 15 digits; spaces and + ( ) - . / may stand between them.")
    return answer


def money(answer: str) -> Decimal:
    """Parse an amount of money, 0 or more: digits, at most two decimals."""
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", answer, re.ASCII):
        raise ValueError("Enter an amount such as 49.90: at most ten digits, and two decimals after a point.")
    return Decimal(answer).quantize(Decimal("0.01"))


def positive_money(answer: str) -> Decimal:
    """Parse an amount of money that is more than 0."""
    if amount := money(answer):
        return amount
    raise ValueError("Enter an amount above 0, such as 49.90.")


def day(answer: str) -> date:
    """Parse a date, written YYYY-MM-DD."""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", answer, re.ASCII):
            raise ValueError
        value = date.fromisoformat(answer)
    except ValueError:
        raise ValueError("Enter a date such as 2026-12-15.") from None
    if not FIRST_DAY <= value <= LAST_DAY:
        raise ValueError(f"Enter a date from {FIRST_DAY} to {LAST_DAY}.")
    return value


def past_day(today: date) -> Callable[[str], date]:
    """Make a parser of a day that is not after today; it knows the words today and yesterday."""
    words = {"today": today, "yesterday": today - timedelta(days=1)}

    def parse(answer: str) -> date:
        try:
            value = words.get(answer.casefold()) or day(answer)
        except ValueError:
            value = LAST_DAY
        if value > today:
            raise ValueError(f"Enter today, yesterday, or a date up to {today}, written like it.")
        return value

    return parse


def month(answer: str) -> date:
    """Parse a month, written YYYY-MM, as its first day."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", answer, re.ASCII):
        raise ValueError("Enter a month such as 2026-12.")
    try:
        return day(f"{answer}-01")
    except ValueError:
        raise ValueError("Enter a month such as 2026-12.") from None


def is_id(answer: str) -> bool:
    return re.fullmatch(r"[0-9]+", answer, re.ASCII) is not None


def row_id(answer: str) -> int:
    """Parse the ID of a record: digits, no more than PostgreSQL's bigint holds."""
    if not is_id(answer) or len(answer) > 19 or not 1 <= int(answer) <= LARGEST_ID:
        raise ValueError("Enter an ID: a whole number from 1 on.")
    return int(answer)


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """Make a parser of one of a few words, or of its number, counted from 1."""
    numbered = {str(i): word for i, word in enumerate(words, 1)}
    hint = ", ".join(f"{i} {word}" for i, word in numbered.items())

    def parse(answer: str) -> str:
        word = numbered.get(answer, answer.casefold())
        if word not in words:
            raise ValueError(f"Enter {hint}.")
        return word

    return parse


def choice(options: dict[str, Value]) -> Callable[[str], Value]:
    """Make a parser of one of the options."""
    def parse(answer: str) -> Value:
        if answer.casefold() in options:
            return options[answer.casefold()]
        raise ValueError(f"Enter {_either([word for word in options if word])}.")

    return parse


def _either(words: list[str]) -> str:
    if all(map(str.isdigit, words)) and len(words) > 2:
        return f"a number from {min(map(int, words))} to {max(map(int, words))}"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def browse(
    columns: list[display.Column],
    fetch: Callable[[Any, int], list[display.Row]],
    key: Callable[[display.Row], Any],
    start: Any,
    total: str,
    footer: str = "",
    total_row: display.Row | None = None,
    struck: Callable[[display.Row], bool] = lambda row: False,
    stream: Callable[[], Iterator[display.Row]] | None = None,
) -> None:
    """Show a long table a page at a time; off a terminal, all of it.

    fetch(after, limit) returns the rows that follow the key after; start is the key before the first. total says how
    many rows there are; footer, a line, or total_row, a last row, stands below every page. stream yields all rows, where
    that is cheaper than page after page.
    """
    last = [total_row] if total_row else []
    if not on_terminal():
        _print_all(columns, stream() if stream else _each_row(fetch, key, start), last, footer)
        return
    size = display.terminal_size()[1] - 4 - len(last) - (1 if footer else 0)
    starts = [start]
    while True:
        rows = fetch(starts[-1], size + 1)
        page, more = rows[:size], len(rows) > size
        print(display.table(columns, page + last, struck) if page else "There are none.")
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
    fetch: Callable[[Any, int], list[display.Row]], key: Callable[[display.Row], Any], after: Any
) -> Iterator[display.Row]:
    while rows := fetch(after, display.CHUNK):
        yield from rows
        after = key(rows[-1])


def _print_all(
    columns: list[display.Column], rows: Iterator[display.Row], last: list[display.Row], footer: str
) -> None:
    chunk = list(itertools.islice(rows, display.CHUNK))
    if not chunk:
        print("There are none.")
    while chunk:
        following = list(itertools.islice(rows, display.CHUNK))
        print(display.table(columns, chunk if following else chunk + last))
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
    size = display.terminal_size()[1] - 2
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
    return ask(f"{position}  ({', '.join(hints)})", choice(turns))
