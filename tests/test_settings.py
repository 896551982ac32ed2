"""Settings: from the environment, else from .env beside main.py, else the default."""
from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import PROJECT, environment, lines

pytestmark = pytest.mark.slow


@pytest.fixture
def beside_a_file(tmp_path, uri) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a copy of the program that has a file .env."""
    for name in ("main.py", "database.py", "schema.sql"):
        shutil.copy(PROJECT / name, tmp_path)
    for name in ("tracker", "migrations"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))

    def run(settings: bytes, **env: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / ".env").write_bytes(settings.replace(b"@", uri.encode()))
        return subprocess.run(
            [sys.executable, str(tmp_path / "main.py")], input=lines("8", "2", "0", "0"), text=True,
            env={name: value for name, value in environment("", **env).items() if value}, capture_output=True,
            timeout=60, check=False,
        )

    return run


def test_settings_are_read_from_a_file_beside_the_program(beside_a_file):
    done = beside_a_file(b"DATABASE_URI='@'\nTIMEZONE=Pacific/Kiritimati\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert ", in Pacific/Kiritimati\n" in done.stdout


def test_the_environment_wins_over_the_file(beside_a_file):
    done = beside_a_file(b"DATABASE_URI='@'\nTIMEZONE=Pacific/Kiritimati\n", TIMEZONE="Asia/Tokyo")
    assert ", in Asia/Tokyo\n" in done.stdout


def test_a_file_that_is_no_text_is_one_sentence(beside_a_file, tmp_path):
    done = beside_a_file(b"DATABASE_URI='@'\nTIMEZONE=\xff\xfe\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{tmp_path}/.env cannot be read as UTF-8 text.\n"
