"""An administrator's hand: what is typed into the menus of one program, over a pipe, which stays open day after day."""
from __future__ import annotations

import csv
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
from conftest import PROJECT, environment

from quarter import clock
from quarter.books import FEE, FEE_AFTER_DAYS

PATIENCE = 60
VERIFY = ("8", "1", "0")
CHECKED = "\nChecked "  # comes last, whatever the deed shows
VERIFIED = re.compile(rf"{CHECKED}[0-9]+ bills? and [0-9]+ payments?\.\n(.*?)\n\nAdministration\n"
                      r".*Main menu\n.*Choose: $", re.DOTALL)


class Hand:
    """The program, on the day that next_day() says, and what it showed since the last deed began."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.folder, self.steps = folder, 0
        self._environment = environment(uri, LATE_FEE=str(FEE), LATE_FEE_AFTER_DAYS=str(FEE_AFTER_DAYS))
        self._conn = psycopg2.connect(uri)
        self._conn.autocommit = True
        self._ask(clock.CALENDAR)
        self._program: subprocess.Popen[bytes] | None = None

    def _ask(self, statement: str, *values: object) -> None:
        with self._conn.cursor() as cur:
            cur.execute(statement, values or None)

    def next_day(self, day: object) -> None:
        """Let a day begin, while the program waits at its main menu."""
        self._ask(clock.NEXT_DAY, day)

    def open(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, clock.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self._environment, cwd=self.folder)
        self.do()

    def close(self) -> None:
        """Leave the program, which ends well."""
        output, _ = self._program.communicate(b"0\n", timeout=PATIENCE)
        assert self._program.returncode == 0, output.decode()

    def kill(self) -> None:
        """End the program, if the test has not come to its end."""
        self._conn.close()
        if self._program:
            self._program.kill()
            self._program.communicate()

    def do(self, *answers: object) -> str:
        """Type answers from the main menu on, and verify; return what was shown, once everything adds up."""
        self.steps += 1
        self._type(*answers, *VERIFY)
        shown = self._shown(VERIFIED)
        verified = shown.rfind(CHECKED)
        found = VERIFIED.search(shown, max(verified, 0))
        assert found, shown
        assert found[1] == "Everything adds up.", shown
        return shown[:verified]

    def asked(self, question: str, *answers: object) -> str:
        """Type answers up to a question, from which do() goes on, and return what was shown."""
        self._type(*answers)
        return self._shown(re.compile(question))

    def _type(self, *answers: object) -> None:
        self._program.stdin.write("".join(f"{answer}\n" for answer in answers).encode())
        self._program.stdin.flush()

    def _shown(self, end: re.Pattern[str]) -> str:
        """Read until what is shown ends in a question, or the program has ended."""
        shown, patient_until = b"", time.monotonic() + PATIENCE
        while not (shown.endswith(b": ") and end.search(shown[max(shown.rfind(CHECKED.encode()), 0):].decode())):
            assert select.select([self._program.stdout], [], [], max(patient_until - time.monotonic(), 0))[0], (
                f"waited in vain after\n{shown.decode(errors='replace')}")
            part = os.read(self._program.stdout.fileno(), 1 << 20)
            if not part:
                break
            shown += part
        return shown.decode()

    def says(self, expected: str, *answers: object) -> re.Match[str]:
        """Type answers, after which the program is to say a sentence that matches."""
        shown = self.do(*answers)
        found = re.search(f"^{expected}$", shown, re.MULTILINE)
        assert found, f"Nothing like {expected} in\n{shown}"
        return found

    def export(self, digit: int) -> list[dict[str, str]]:
        """Return what an entry of Import & Export writes."""
        path = self.folder / f"export-{digit}-{self.steps}.csv"
        self.says(rf"Exported .* to .*{path.name}\.", 7, digit, path, 0)
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def run(self, *arguments: str) -> str:
        """Return what a command prints."""
        done = subprocess.run([sys.executable, clock.__file__, *arguments], env=self._environment, cwd=PROJECT,
                              capture_output=True, check=True, timeout=PATIENCE)
        return done.stdout.decode()
