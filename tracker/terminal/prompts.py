"""Questions to the administrator: ask() repeats its question until the parser is content."""
from __future__ import annotations

import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, TextIO, TypeVar, cast, overload

from tracker import text
from tracker.errors import Cancelled
from tracker.terminal import tables

Value = TypeVar("Value")
complaints = 0


class _Output(io.FileIO):
    """Standard output, which remembers why it took no more: its buffer may not."""

    lost: OSError | None = None

    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except OSError as exc:
            _Output.lost = exc
            raise


def prepare() -> None:
    """Make input safe to read: any bytes become text, and on a terminal the arrow keys edit the line."""
    for name, mode, flags in (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:  # closed by whoever started the program; writing to stdout must fail then
            setattr(sys, name, open(os.open(os.devnull, flags), mode))  # noqa: SIM115, it stays open as they do
    stdout = cast(io.TextIOWrapper, sys.stdout)
    if stdout is sys.__stdout__ and not stdout.isatty():
        raw = _Output(stdout.fileno(), "w", closefd=False)
        buffer = cast(io.BufferedWriter, raw) if stdout.write_through else io.BufferedWriter(raw)
        sys.stdout = io.TextIOWrapper(buffer, write_through=stdout.write_through)
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
    """Say on standard error what goes on, out of the way of data; where that is lost, nothing can be said."""
    with contextlib.suppress(OSError):  # main() finds out by itself, and at its end only
        sys.stdout.flush()
    try:
        print(_broken(sentence, sys.stderr.isatty()), file=sys.stderr, flush=True)
    except OSError:
        _leave_alone(sys.stderr)


def _leave_alone(stream: TextIO) -> None:
    """Let whatever is still in a standard stream, or comes later, go nowhere: it would fail again at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def why_output_is_lost() -> OSError | None:
    """Return why standard output took no more, and leave it alone from here on; None where all of it arrived."""
    lost = _Output.lost
    try:
        sys.stdout.flush()
    except OSError as exc:
        lost = exc
    if lost:
        _leave_alone(sys.stdout)
    return lost


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
