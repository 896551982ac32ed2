"""Questions to the administrator: ask() repeats its question until the parser is content."""
from __future__ import annotations

import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TextIO, TypeVar, cast, overload

from tracker import text
from tracker.errors import Cancelled, WrongAnswer
from tracker.terminal import editor, tables

PLAIN_SIGNS = str.maketrans("\u2018\u2019\u02bc\u00b4`\u2010\u2011\u2012\u2013\u2014\u2212", "'''''------")

Value = TypeVar("Value")
LONGEST_KEPT = 1_000  # characters of a refused answer that stay on the line to be mended
AT_QUESTION = "at a question"  # a Ctrl-C after which the cursor stands on a new line already
complaints = 0
lines_read = 0  # off a terminal
asked_at: dict[str, int] = {}  # the line that answered each question last


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
    """Make input safe to read: any bytes become text."""
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


def on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def can_edit() -> bool:
    return on_terminal() and editor.can_edit()


def say(sentence: str) -> None:
    """Print a sentence that may hold stored text; on a terminal, broken between words."""
    print(_broken(sentence, sys.stdout.isatty()))


def _broken(sentence: str, on_screen: bool) -> str:
    line = text.clean(sentence)
    return "\n".join(tables.wrap(line, tables.terminal_size()[0] - 1)) if on_screen else line


def refuse(sentence: str, label: str = "") -> None:
    """Say why an answer is refused, so that it is asked for again; off a terminal, raise WrongAnswer, the last word.

    label is the question's, where it was not the last one.
    """
    if not attended():
        raise WrongAnswer(asked_at.get(label, lines_read), sentence)
    complain(sentence)


def attended() -> bool:
    """Tell whether a person types, who sees what is asked."""
    return sys.stdin.isatty()


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


def read_line(prompt: str, value: str = "", line_break: str = " ", hidden: bool = False) -> str:
    """Ask once and return what was typed; raise Cancelled at the end of input and KeyboardInterrupt at Ctrl-C.

    Where the line can be edited, value stands on it already; line_break is what a pasted line break becomes. A hidden
    answer is shown nowhere; on a terminal within editor.unseen().
    """
    global lines_read
    try:
        answer = editor.read(prompt, value, line_break, hidden) if can_edit() else input(prompt)
    except (EOFError, OSError) as exc:  # under nohup, standard input cannot be read at all
        if _Output.lost:
            raise
        print()
        raise Cancelled from exc
    except KeyboardInterrupt:
        print()
        raise KeyboardInterrupt(AT_QUESTION) from None
    if not attended():
        lines_read += 1
        print("" if hidden else text.clean(answer[:80]))  # so that a transcript reads like a session
    elif hidden and not can_edit():
        print()
    return answer


@overload
def ask(label: str, parse: Callable[[str], Value], *, line_break: str = " ") -> Value: ...
@overload
def ask(label: str, parse: Callable[[str], Value], *, shown: str, default: Value) -> Value: ...
@overload
def ask(label: str, parse: Callable[[str], Value], *, shown: str) -> Value | None: ...
def ask(
    label: str,
    parse: Callable[[str], Any],
    *,
    shown: str | None = None,
    default: Any = None,
    line_break: str = " ",
) -> Any:
    """Ask until parse is content; with shown, that stands in brackets and Enter alone returns default."""
    prompt = f"{label}: " if shown is None else f"{label} [{text.clean(shown)}]: "
    while True:
        answer = read_line(prompt, line_break=line_break).strip()
        asked_at[label] = lines_read
        if not answer and shown is not None:
            return default
        try:
            return parse(answer)
        except ValueError as exc:
            refuse(str(exc))


def edit(
    label: str,
    parse: Callable[[str], Value],
    present: str,
    *,
    none: Value | None = None,
    line_break: str = " ",
) -> Value | None:
    """Ask for a field that has a value, which can be edited where the terminal can; None when it is left alone.

    none is what an emptied field means, where it may be empty; where lines cannot be edited, a hyphen empties it.
    """
    shown = text.clean(present)
    if not can_edit():
        hint = f"{shown}; - for none" if shown and none is not None else shown or "none"
        return ask(label, lambda answer: none if answer == "-" and none is not None else parse(answer), shown=hint)
    on_line = shown
    while True:
        answer = read_line(f"{label}: ", on_line, line_break).strip()
        if answer == shown.strip():
            return None
        try:
            return none if not answer and none is not None else parse(answer)
        except ValueError as exc:
            complain(str(exc))
            on_line = answer if answer and len(answer) <= LONGEST_KEPT else shown


def piped_line() -> str:
    """Return a line of piped input that nothing asks for and nothing shows; raise Cancelled where there is none."""
    line = sys.stdin.readline()
    if not line:
        raise Cancelled
    return line.rstrip("\r\n")


def ask_secret(label: str, parse: Callable[[str], str], shown: str) -> str | None:
    """Ask for a secret, typed twice and shown nowhere, until parse is content; Enter alone, as shown, is None."""
    with editor.unseen() if attended() else contextlib.nullcontext():
        while True:
            secret = read_line(f"{label} [{shown}]: ", hidden=True)
            if not secret:
                return None
            try:
                parse(secret)
            except ValueError as exc:
                refuse(str(exc))
                continue
            if read_line(f"{label} again: ", hidden=True) == secret:
                return secret
            refuse("Those two differ; type it again, twice.")


def confirm(question: str, wanted: str = "yes", lists: Mapping[str, Callable[[], object]] | None = None) -> bool:
    """Ask for a word to be typed in full; what is neither that nor no, such as y, is asked about once more.

    An answer that is one of lists shows that, and asks again.
    """
    for is_last in (False, True):
        answer = _folded(read_line(f"{question} "))
        while lists and answer in lists:
            lists[answer]()
            answer = _folded(read_line(f"{question} "))
        if answer == _folded(wanted):
            return True
        if answer in ("", "n", "no"):
            return False
        refuse(f"That is not {wanted.strip()} either, and counts as no." if is_last
               else f"Type {wanted.strip()} in full, or no.")
    return False


def _folded(answer: str) -> str:
    """Fold case, and the apostrophes, dashes and spaces of print, which a keyboard lacks."""
    return unicodedata.normalize("NFC", " ".join(answer.translate(PLAIN_SIGNS).split())).casefold()
