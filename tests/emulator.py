"""The program in a terminal, and what that terminal shows."""
from __future__ import annotations

import select
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
from conftest import PROJECT, environment, wait_for

LINES = 24
# The emulator is so tall that nothing scrolls out of it: what a screen pushed off is still there to compare.
KEPT_LINES = 3_000
PATIENCE = 90
ASKED = "\x1b[?2004h"  # before each question, and not when one is drawn anew for a key
MOST_LEVELS = 20  # of menus and questions that 0 leaves


class Terminal:
    """main.py on a pseudo-terminal of some columns and 24 lines."""

    def __init__(self, uri: str, columns: int, folder: Path) -> None:
        self.columns = columns
        self.screen = pyte.Screen(columns, KEPT_LINES)
        self._stream = pyte.Stream(self.screen)
        self._unread = ""
        self._uri, self._folder = uri, folder
        self._child: pexpect.spawn | None = None

    def start(self, **env: str) -> None:
        """Start the program, and go on when it asks."""
        self._child = pexpect.spawn(
            sys.executable, [str(PROJECT / "main.py")], env={**_environment(self._uri), **env}, cwd=str(self._folder),
            dimensions=(LINES, self.columns), encoding="utf-8", codec_errors="replace", maxread=100_000,
        )
        self._child.delaybeforesend = None
        self._child.delayafterclose = 0
        self._unread = ""
        self.wait()

    def type(self, *answers: str | Callable[[], object]) -> None:
        """Type answers, each at its question; one that can be called happens while the question waits.

        A control character needs no Enter.
        """
        for answer in answers:
            if callable(answer):
                answer()
            else:
                self._unread = ""
                if answer == "\x03":
                    wait_for(self._is_asleep)
                self._child.send(answer if answer in ("\x03", "\x04") else f"{answer}\r")
                self.wait()

    def wait(self) -> None:
        """Read until the program ends or asks: a line editor has the terminal, and the last line is a question."""
        patient_until = time.monotonic() + PATIENCE
        while self._child.isalive() or select.select([self._child.child_fd], [], [], 0)[0]:
            is_asking = self._is_edited()
            while select.select([self._child.child_fd], [], [], 0 if is_asking else 0.005)[0]:
                try:
                    text = self._child.read_nonblocking(100_000, timeout=0)
                except pexpect.EOF:
                    return
                self._unread += text
                self._stream.feed(text)
            if is_asking and ASKED in self._unread and (self._unread.endswith(": ") or self._waits_for_an_edit()):
                return
            assert time.monotonic() < patient_until, f"no question in {self.last_lines()}"

    def _waits_for_an_edit(self) -> bool:
        """Say whether the program asks about a value that stands on the line, and has shown it."""
        return (self._is_edited() and self._is_asleep()
                and not select.select([self._child.child_fd], [], [], 0)[0])

    def _is_edited(self) -> bool:
        return not termios.tcgetattr(self._child.child_fd)[3] & termios.ICANON

    def _is_asleep(self) -> bool:
        """Say whether the program waits for keys: a signal in the moment before would wait for the next key."""
        state = Path(f"/proc/{self._child.pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "S"

    def row(self) -> int:
        """Return the row of the cursor, where the question stands."""
        assert self.screen.cursor.y < KEPT_LINES - 1
        return self.screen.cursor.y

    def lines(self, first: int, last: int) -> list[str]:
        """Return rows as they are read, without the blanks at their ends; ~ stands under what is struck out."""
        return [line for row in range(first, last + 1) for line in self._line(row)]

    def _line(self, row: int) -> list[str]:
        cells = [self.screen.buffer[row][column] for column in range(self.columns)]
        assert all((cell.bg, cell.reverse) == ("default", False) and cell.fg in ("default", "red") for cell in cells)
        shown = "".join(cell.data for cell in cells).rstrip()
        struck = "".join("~" if cell.strikethrough else " " for cell in cells).rstrip()
        return [shown, struck] if struck else [shown]

    def words(self, style: str, first: int, last: int) -> list[str]:
        """Return what stands in a style, such as bold or red, on each row where something does."""
        rows = ([cell.data if style in (cell.fg, "bold" * cell.bold, "struck" * cell.strikethrough) else " "
                 for cell in map(self.screen.buffer[row].__getitem__, range(self.columns))]
                for row in range(first, last + 1))
        return [" ".join(shown.split()) for shown in map("".join, rows) if shown.strip()]

    def last_lines(self) -> list[str]:
        return self.lines(max(self.screen.cursor.y - LINES, 0), self.screen.cursor.y)

    def leave(self) -> int:
        """Leave the menus, and return how the program ended."""
        for _ in range(MOST_LEVELS):
            if not self._child.isalive():
                return self._child.wait()
            self.type("0")
        raise AssertionError(f"0 does not leave {self.last_lines()}")

    def close(self) -> None:
        """End the program, if a test has not come to its end."""
        if self._child is not None:
            self._child.close(force=True)


def _environment(uri: str) -> dict[str, str]:
    """Return the program's environment without the size of another terminal."""
    return {name: value for name, value in environment(uri, TERM="xterm").items() if name not in ("COLUMNS", "LINES")}
