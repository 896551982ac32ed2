"""A line on standard error that says that long work goes on, and how far it is."""
from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

from tracker.terminal import prompts, tables

PATIENCE = 1  # seconds of silence
TICK = 0.25
FEW_STEPS = 20

Value = TypeVar("Value")


class Progress(AbstractContextManager["Progress"]):
    """On a terminal, says what goes on, its share of the whole and the seconds so far, once work takes over a second.

    A thread of its own writes the line, since one statement may take minutes. When the block ends, however it does,
    nothing of the line is left. Ask nothing and print nothing within it, but by note().
    """

    def __init__(self, what: str) -> None:
        self._now = (what, 0, 0)
        self._started = time.monotonic()
        self._is_shown = False
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __call__(self, what: str, done: int = 0, whole: int = 0) -> None:
        """Take note of what goes on, and how much of the whole is done, where that is known."""
        self._now = (what, done, whole)

    def note(self, sentence: str) -> None:
        """Say a sentence that stays."""
        with self._writing:
            self._erase()
            prompts.note(sentence)

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        try:
            with self._writing:
                self._erase()
        finally:
            self._erase()  # where a signal came in between

    def _show(self) -> None:
        while not self._over.wait(TICK):
            seconds = int(time.monotonic() - self._started)
            if seconds >= PATIENCE:
                with self._writing, suppress(OSError, ValueError):  # the terminal may be gone
                    self._write(progress_line(*self._now, seconds))

    def _write(self, line: str) -> None:
        if self._over.is_set():
            return
        room = tables.terminal_size()[0] - 1
        shown = tables.shortened(line, room)
        self._is_shown = True
        # Any terminal knows these two signs, and escape codes only some.
        sys.stderr.write(f"\r{shown}{' ' * (room - tables.width(shown))}\r")
        sys.stderr.flush()

    def _erase(self) -> None:
        if self._is_shown:
            self._is_shown = False
            with suppress(OSError, ValueError):
                sys.stderr.write(f"\r{' ' * (tables.terminal_size()[0] - 1)}\r")
                sys.stderr.flush()


def progress_line(what: str, done: int, whole: int, seconds: int) -> str:
    """Put progress in words: a few steps are counted, more are a share in percent."""
    if not whole:
        return f"{what}… {seconds} s"
    share = f"{done} of {whole}" if whole <= FEW_STEPS else f"{min(100 * done // whole, 99)}%"
    return f"{what}: {share}, {seconds} s"


def during(what: str, work: Callable[[], Value]) -> Value:
    """Do work whose share of the whole is not known, and return what it returns."""
    with Progress(what):
        return work()
