"""One line typed on a terminal: the arrows edit it, and what is pasted is one piece whose line breaks are no Enter.

It is not GNU readline: that stores half a character in a locale without UTF-8, hears neither Ctrl-C nor SIGTERM in the
middle of a paste, and where Python comes with libedit instead, it knows no pastes at all.
"""
from __future__ import annotations

import atexit
import codecs
import contextlib
import os
import re
import select
import signal
import sys
import termios
import unicodedata
from collections.abc import Callable, Iterator

from tracker import text
from tracker.fields import LONGEST_ANSWER
from tracker.terminal import tables

PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"
PASTES_MARKED, PASTES_UNMARKED = "\x1b[?2004h", "\x1b[?2004l"
PASTE_PAUSE = 0.3  # seconds after which no more is to come of a paste that was broken off
# An escape sequence, whole or broken off by a control character; other text; a control character.
_KEY = re.compile(r"\x1b+\[[ -?]*(?:[@-~]|(?=[^ -~]))|\x1b+(?:O?[^\x1b\[O]|O[\[O]|O(?=\x1b))"
                  r"|[^\x00-\x1f\x7f]+|[^\x1b]")


def can_edit() -> bool:
    """Tell whether the terminal moves its cursor as a line editor needs."""
    return os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def read(prompt: str, value: str = "", line_break: str = " ", hidden: bool = False) -> str:
    """Ask for a line, on which value stands already; raise EOFError at Ctrl-D at its end, or at a hangup.

    line_break is what a line break within a paste becomes; a hidden line is not shown.
    """
    line = _Line(prompt, value, hidden)
    with _edited_here(line):
        while True:
            line.draw()
            if line.press(_keyboard.next(), line_break):
                break
        line.end()
    _write("\n")
    return line.text


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Keep the terminal from showing what is typed until the block ends; also after the program was stopped."""
    usual = termios.tcgetattr(0)

    def hide(*_: object) -> None:
        termios.tcsetattr(0, termios.TCSADRAIN, [*usual[:3], usual[3] & ~termios.ECHO, *usual[4:]])

    earlier = signal.signal(signal.SIGCONT, hide)
    try:
        hide()
        yield
    finally:
        signal.signal(signal.SIGCONT, earlier)
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(0, termios.TCSADRAIN, usual)


@contextlib.contextmanager
def _edited_here(line: _Line) -> Iterator[None]:
    """Take keys as they are pressed, pastes marked, until the block ends; also after the program was stopped."""
    usual = termios.tcgetattr(0)

    def take_keys(*_: object) -> None:
        _mark_pastes()
        keys = [*usual[:6], [*usual[6]]]
        keys[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
        keys[6][termios.VMIN], keys[6][termios.VTIME] = 1, 0
        termios.tcsetattr(0, termios.TCSADRAIN, keys)
        line.draw_anew()

    earlier = signal.signal(signal.SIGCONT, take_keys)
    try:
        take_keys()
        yield
    except (KeyboardInterrupt, SystemExit):
        _keyboard.forget()
        raise
    finally:
        signal.signal(signal.SIGCONT, earlier)
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(0, termios.TCSADRAIN, usual)


def _mark_pastes() -> None:
    """Have the terminal mark pastes from now until the program ends, also those that come while it works."""
    atexit.unregister(_unmark_pastes)
    atexit.register(_unmark_pastes)
    _write(PASTES_MARKED)


def _unmark_pastes() -> None:
    with contextlib.suppress(OSError):  # the terminal is gone
        os.write(1, PASTES_UNMARKED.encode())


def _write(shown: str) -> None:
    sys.stdout.write(shown)
    sys.stdout.flush()


class _Keyboard:
    """The keys that were pressed, also those ahead of the next question."""

    def __init__(self) -> None:
        self.unread = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def read_more(self) -> None:
        try:
            received = os.read(0, 65_536)
        except OSError:  # the terminal is gone
            received = b""
        if not received:
            raise EOFError
        self.unread += self.decoder.decode(received)

    def next(self) -> str:
        """Return a key's character or escape sequence, a run of text, or a whole paste with the mark before it."""
        while not (found := _KEY.match(self.unread)):
            self.read_more()
        if found[0].endswith(PASTE_BEGINS):
            self.unread = self.unread[found.end() - len(PASTE_BEGINS):]  # without an Esc that was pressed before
            return self.next_paste()
        self.unread = self.unread[found.end():]
        return found[0]

    def next_paste(self) -> str:
        looked_at = len(PASTE_BEGINS)
        while (end := self.unread.find(PASTE_ENDS, looked_at)) < 0:
            looked_at = max(looked_at, len(self.unread) - len(PASTE_ENDS))
            self.read_more()
        paste, self.unread = self.unread[:end], self.unread[end + len(PASTE_ENDS):]
        return paste

    def forget(self) -> None:
        """Drop what was typed ahead, and the rest of a paste that was broken off: none of it is meant for a menu."""
        broken_off = self.unread.startswith(PASTE_BEGINS)
        with contextlib.suppress(EOFError):
            while broken_off and PASTE_ENDS not in self.unread and select.select([0], [], [], PASTE_PAUSE)[0]:
                self.unread = self.unread[-len(PASTE_ENDS):]
                self.read_more()
        self.unread = ""
        self.decoder.reset()


class _Line:
    """What stands on the line, where its cursor is, and where the terminal shows it."""

    def __init__(self, prompt: str, value: str, hidden: bool) -> None:
        self.prompt, self.text, self.at, self.hidden = prompt, value, len(value), hidden
        self.row = self.column = 0  # of the cursor, counted from where the question begins
        self.shown, self.shown_at = "", 0

    def press(self, key: str, line_break: str) -> bool:
        """Do what a key does; return whether it ends the line."""
        if key in ("\r", "\n"):
            return True
        if key == "\x04" and self.at == len(self.text):
            raise EOFError
        if key.startswith(PASTE_BEGINS):
            self.insert(pasted(key[len(PASTE_BEGINS):], line_break))
        elif key == "\t" or " " <= key[0] != "\x7f":
            self.insert(key.replace("\t", " "))
        elif action := KEYS.get(key):
            action(self)
        return False

    def insert(self, typed: str) -> None:
        """Put typed text where the cursor is; of a line that every parser finds too long, only so much is kept."""
        self.text = (self.text[:self.at] + typed + self.text[self.at:])[:LONGEST_ANSWER + 1]
        self.at = min(self.at + len(typed), len(self.text))

    def take(self, start: int, end: int) -> None:
        self.text, self.at = self.text[:start] + self.text[end:], start

    def left(self) -> int:
        """Return where the character before the cursor begins, with what combines with it."""
        at = self.at
        while at > 0:
            at -= 1
            if not unicodedata.category(self.text[at]).startswith("M"):
                break
        return at

    def right(self) -> int:
        at = self.at + 1
        while at < len(self.text) and unicodedata.category(self.text[at]).startswith("M"):
            at += 1
        return min(at, len(self.text))

    def word_left(self) -> int:
        return len(re.sub(r"\w+\W*\Z|\W+\Z", "", self.text[:self.at]))

    def word_right(self) -> int:
        found = re.match(r"\W*\w*", self.text[self.at:])
        return self.at + (found.end() if found else 0)

    def draw_anew(self) -> None:
        """Draw the question on a line of its own, whatever the terminal shows."""
        self.row, self.shown = 0, ""
        self.draw()

    def draw(self) -> None:
        """Show the line as it is now, as many rows of it as the terminal has, with the cursor among them."""
        columns, lines = _size()
        line = self.prompt + ("" if self.hidden else text.clean(self.text))
        at = len(self.prompt) + (0 if self.hidden else self.at)
        ends = self.shown and self.shown_at == len(self.shown) and at == len(line)
        added = line[len(self.shown):] if ends and line.startswith(self.shown) else ""
        if added and self.column + tables.width(added) < columns:  # the usual case, and the least to send
            _write(added)
            self.column += tables.width(added)
        elif line != self.shown or at != self.shown_at:
            rows, row, column = laid_out(line, at, columns)
            top = max(0, row - lines + 1)
            shown = rows[top:top + lines]
            _write((f"\r{_cursor(self.row, 'A')}\x1b[J" if self.shown else "") + "\r\n".join(shown))
            if at < len(line):
                _write(f"{_cursor(len(shown) - 1 - (row - top), 'A')}\r{_cursor(column, 'C')}")
            self.row, self.column = row - top, column
        self.shown, self.shown_at = line, at

    def end(self) -> None:
        self.at = len(self.text)
        self.draw()


def _size() -> tuple[int, int]:
    columns, lines = os.get_terminal_size(1)
    return columns or 80, lines or 24


def _cursor(steps: int, direction: str) -> str:
    return f"\x1b[{steps}{direction}" if steps else ""


def laid_out(line: str, at: int, columns: int) -> tuple[list[str], int, int]:
    """Break a line into rows of a terminal; return them with the row and the column of the character at."""
    rows, used, row, column = [""], 0, 0, 0
    for place, character in enumerate([*line, ""]):
        width = tables.width(character)
        if used + max(width, place == len(line) == at) > columns:
            rows.append("")
            used = 0
        if place == at:
            row, column = len(rows) - 1, used
        rows[-1] += character
        used += width
    return rows, row, column


def pasted(paste: str, line_break: str) -> str:
    """Return a paste as one line: what a line break becomes stands between its lines, a blank for each tab."""
    lines = [line.strip() for line in re.split(r"[\r\n\v\f\x85\u2028\u2029]+", paste.replace("\t", " "))]
    joined = ""
    for line in filter(None, lines):
        joined += (" " if joined.endswith(line_break.strip() or " ") else line_break) * bool(joined) + line
    return joined if len(lines) > 1 else paste.replace("\t", " ")


_keyboard = _Keyboard()


def _move(where: Callable[[_Line], int]) -> Callable[[_Line], None]:
    def move(line: _Line) -> None:
        line.at = where(line)

    return move


KEYS: dict[str, Callable[[_Line], None]] = {
    key: action for keys, action in (
        (("\x1b[D", "\x1bOD", "\x02"), _move(_Line.left)),
        (("\x1b[C", "\x1bOC", "\x06"), _move(_Line.right)),
        (("\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x01"), _move(lambda line: 0)),
        (("\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~", "\x05"), _move(lambda line: len(line.text))),
        (("\x1b[1;5D", "\x1b[1;3D", "\x1bb"), _move(_Line.word_left)),
        (("\x1b[1;5C", "\x1b[1;3C", "\x1bf"), _move(_Line.word_right)),
        (("\x7f", "\x08"), lambda line: line.take(line.left(), line.at)),
        (("\x1b[3~", "\x04"), lambda line: line.take(line.at, line.right())),
        (("\x17", "\x1b\x7f", "\x1b\x08"), lambda line: line.take(line.word_left(), line.at)),
        (("\x15",), lambda line: line.take(0, line.at)),
        (("\x0b",), lambda line: line.take(line.at, len(line.text))),
    ) for key in keys
}
