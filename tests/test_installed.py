"""The installed command isp-tracker: its name, its settings, and its modules beside those of other packages."""
from __future__ import annotations

import argparse
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
import pytest
from conftest import PROJECT, environment, lines, sentence

from tracker import settings
from tracker.migrate import program_version
from tracker.terminal import commands


@pytest.fixture
def isp_tracker(tmp_path: Path, uri: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as its script does, out of a folder of packages."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "isp_tracker").symlink_to(PROJECT)
    for name in ("main", "database", "web", "tracker"):
        (packages / f"{name}.py").write_text("raise SystemExit('another package was run')")

    def run(*arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from isp_tracker.tracker.installed import start; start()", *arguments],
            input=answers, cwd=tmp_path, env=environment(uri, PYTHONPATH=str(packages)), text=True, capture_output=True,
            timeout=180, check=False,
        )

    return run


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Write the file of settings of an installed program's user, who is not root."""
    monkeypatch.setattr(settings, "installed", True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TIMEZONE", raising=False)

    def write(text: str) -> None:
        folder = tmp_path / "isp-customer-tracker"
        folder.mkdir()
        (folder / ".env").write_text(text)
        settings._env_file.cache_clear()

    yield write
    settings._env_file.cache_clear()


def test_the_command_runs_the_menus_and_no_other_package_s_modules(isp_tracker):
    done = isp_tracker(answers=lines("1", "1", "Ada Okafor", "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Added customer 1, Ada Okafor.\n" in done.stdout


def test_what_is_mistyped_is_told_with_the_command_s_name(isp_tracker):
    done = isp_tracker("--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("usage: isp-tracker [-h] [--version] [--read-only] COMMAND ...\n"
                           "isp-tracker: error: unrecognized arguments: --nonsense\n")


def test_an_older_database_is_told_with_the_command_that_upgrades_it(isp_tracker, sql):
    sql("UPDATE schema_version SET version = 1")
    done = isp_tracker("verify")
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence(done.stderr) == (
        f"The database is at version 1 and this program needs version {program_version()}: "
        "run isp-tracker upgrade, which brings it there.")


def test_a_user_s_settings_stand_in_their_configuration_folder(settings_of):
    settings_of("TIMEZONE=Asia/Tokyo\n")
    assert settings.get("TIMEZONE") == "Asia/Tokyo"


def test_root_s_settings_stand_where_a_machine_s_do(monkeypatch):
    monkeypatch.setattr(settings, "installed", True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert settings._env_path() == Path("/etc/isp-customer-tracker/.env")


def test_a_user_without_a_home_has_no_file_of_settings(settings_of, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    settings._env_file.cache_clear()
    assert settings.get("TIMEZONE") == ""


# platformdirs 4.0 answers so where XDG_CONFIG_HOME is relative.
def test_a_folder_of_settings_from_wherever_the_program_is_started_is_none(settings_of, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_config_dir", lambda name: name)
    settings_of("TIMEZONE=Asia/Tokyo\n")
    assert settings.get("TIMEZONE") == ""


def test_a_program_in_a_folder_of_its_own_reads_no_settings_but_those_beside_it(settings_of, monkeypatch):
    settings_of("TIMEZONE=Asia/Tokyo\n")
    monkeypatch.setattr(settings, "installed", False)
    assert settings._env_path() == PROJECT / ".env"
    assert settings.get("TIMEZONE") == ""


def test_the_commands_in_the_page_about_installing_are_the_program_s():
    page = (PROJECT / "docs" / "INSTALL.md").read_text(encoding="utf-8")
    parser = commands.parser("", lambda arguments: 0, lambda arguments: 0)
    known, = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    written = re.findall(r"isp-tracker ([a-z][a-z-]*)([^`;&\n]*)", page)
    assert written
    for name, rest in written:
        options = {option for action in known[name]._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options
