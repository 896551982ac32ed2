"""Install the wheel into an empty environment of each of some Pythons, and try there what an administrator does first.

python .ci/try_wheel.py WHEEL PYTHON...
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).parents[1]
FIXTURES = PROJECT / "tests" / "fixtures"
# A database as 1.0.0 left it, made with what the wheel brings along; it ends with the program that holds its server.
OLD = """
import sys
from pathlib import Path
import isp_tracker.tracker.installed
sys.path.insert(0, str(Path(isp_tracker.tracker.installed.__file__).parents[1]))
import psycopg2
from tracker import embedded
conn = psycopg2.connect(embedded.start(Path(sys.argv[1]), []))
with conn, conn.cursor() as cur:
    for path in sys.argv[2:]:
        cur.execute(Path(path).read_text(encoding="utf-8"))
conn.close()
"""


class Installed:
    """The program in an environment of its own, run from a folder that has nothing to do with it."""

    def __init__(self, folder: Path, python: str, wheel: Path) -> None:
        subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
        self._folder, self._bin = folder, folder / "venv" / "bin"
        self.data = folder / "data"
        self.run("python", "-m", "pip", "install", "--quiet", str(wheel))

    def environment(self) -> dict[str, str]:
        """Return this environment without settings of the program, but for its data folder."""
        ours = ("DATABASE_URI", "ISP_", "DB_", "PYTHONPATH", "TIMEZONE", "READ_ONLY")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**kept, "ISP_DATA_DIR": str(self.data)}

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([str(self._bin / command), *arguments], cwd=self._folder, env=self.environment(),
                                text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, command: str, *arguments: str, answers: str = "") -> tuple[str, str]:
        """Return what a command printed and what it complained of; raise AssertionError when it fails."""
        program = self.start(command, *arguments)
        stdout, stderr = program.communicate(answers, timeout=300)
        assert program.returncode == 0, (command, arguments, program.returncode, stdout, stderr)
        return stdout, stderr


def try_commands(program: Installed, version: str) -> None:
    """It says its version and help, and brings along what it needs and no test package."""
    assert program.run("isp-tracker", "--version") == (f"ISP Customer Tracker {version}\n", "")
    assert program.run("isp-tracker", "--help")[0].startswith("usage: isp-tracker [-h]")
    program.run("python", "-m", "pip", "check")
    assert "pytest" not in program.run("python", "-m", "pip", "list")[0]


def try_menus(program: Installed, version: str) -> None:
    """The first start makes the database, on a pipe; it is backed up, and the backup can be restored."""
    shown, _ = program.run("isp-tracker", answers="1\n1\nAda Okafor\n\n0\n0\n")
    assert shown.startswith(f"ISP Customer Tracker {version}\nPostgreSQL "), shown
    assert "Added customer 1, Ada Okafor.\n" in shown, shown
    program.run("isp-tracker", "backup")
    backup, = (program.data / "backups").iterdir()
    program.run("isp-tracker", "backup", "--check", str(backup))


def fetch(address: str) -> str:
    """Return what a server on this machine answers; raise HTTPError where that is an error."""
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310, the page has just said the address
        return answer.read().decode()


def try_page(program: Installed) -> None:
    """The page answers with what the wheel brought along, and ends with exit code 0."""
    page = program.start("isp-tracker", "web", "--port", "0")
    assert page.stdout
    try:
        address = re.findall(r"http://127\.0\.0\.1:\d+/", page.stdout.readline())[0]
        script = re.findall(r'src="/(assets/[^"]+\.js)"', fetch(address))[0]
        fetch(address + script)
    finally:
        page.terminate()
        stdout, stderr = page.communicate(timeout=60)
    assert (page.returncode, stdout.splitlines()[-1], stderr) == (0, "Stopped.", ""), (stdout, stderr)


def try_upgrade(program: Installed) -> None:
    """What 1.0.0 had still starts: it is upgraded, and its money adds up."""
    schema, rows = FIXTURES / "schema_1.sql", FIXTURES / "rows_1.sql"
    program.data = program.data.with_name("data-of-1.0")
    program.run("python", "-c", OLD, str(program.data), str(schema), str(rows))
    shown, said = program.run("isp-tracker", answers="0\n")
    assert said.startswith("Upgrading the database from version 1 to "), said
    assert "\n120 customers. " in shown, shown
    program.run("isp-tracker", "verify")


def try_wheel(wheel: Path, python: str) -> None:
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory(prefix="isp-wheel-") as name:
        Path(name).chmod(0o755)  # the user who runs the server for root goes through it
        program = Installed(Path(name), python, wheel)
        try_commands(program, version)
        try_menus(program, version)
        try_page(program)
        try_upgrade(program)


if __name__ == "__main__":
    for each in sys.argv[2:]:
        try_wheel(Path(sys.argv[1]).resolve(), each)
