"""Questions to the administrator: ask() repeats its question until the parser is content."""
from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

from tracker import text
from tracker.errors import Cancelled
from tracker.terminal import tables

Value = TypeVar("Value")
complaints = 0


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
    line = text.clean(sentence)
    return "\n".join(tables.wrap(line, tables.terminal_size()[0] - 1)) if on_screen else line


def complain(sentence: str) -> None:
    """Say what went wrong, on standard error, and remember that something did."""
    global complaints
    complaints += 1
    note(sentence)


def note(sentence: str) -> None:
    """Say on standard error what goes on, out of the way of data."""
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
        print(text.clean(answer[:80]))  # so that a transcript reads like a session
    return answer


@overload
def ask(label: str, parse: Callable[[str], Value]) -> Value: ...
@overload
def ask(label: str, parse: Callable[[str], Value], *, shown: str, default: Value) -> Value: ...
@overload
def ask(label: str, parse: Callable[[str], Value], *, shown: str) -> Value | None: ...
def ask(label: str, parse: Callable[[str], Any], *, shown: str | None = None, default: Any = None) -> Any:
    """Ask until parse is content; with shown, that stands in brackets and Enter alone returns default."""
    prompt = f"{label}: " if shown is None else f"{label} [{text.clean(shown)}]: "
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
