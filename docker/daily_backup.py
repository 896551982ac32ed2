"""Back the books up each day at BACKUP_AT, and whenever that was missed; with --check, tell whether it was done.

On the first of a month the backup is restored as a trial, too. What fails is tried again after 15 minutes, or after one
where the database could not be used, and makes the container unhealthy until it succeeds.
"""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import FrameType
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FOLDER = Path("/backups")
PROGRAM = Path(__file__).resolve().parents[1] / "main.py"
FAILED = Path("/tmp/backup-failed")  # noqa: S108, in the container's own memory
LOOK_EVERY = 20  # seconds; by the clock, so that a machine that slept is not late for longer
TRY_AGAIN = timedelta(minutes=15)
UNAVAILABLE = 2  # the program's exit code where the database cannot be used, as while it starts: nothing was written
SOON = timedelta(minutes=1)
MAY_TAKE = timedelta(hours=4)


def last_due(now: datetime, at: str) -> datetime:
    """Return the latest moment, by the clock on the wall, at which a backup was to begin."""
    hour, minute = map(int, at.split(":"))
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


def newest(folder: Path) -> Path | None:
    """Return the newest backup; one under way has another name."""
    return max(folder.glob("*.backup"), key=lambda file: file.stat().st_mtime, default=None)


def finished(backup: Path | None) -> datetime | None:
    """Return when a backup was finished."""
    return datetime.fromtimestamp(backup.stat().st_mtime).astimezone() if backup else None


def why_unhealthy(folder: Path, now: datetime, at: str) -> str:
    """Say what is wrong with the backups; nothing where nothing is."""
    if FAILED.exists():
        return "The last backup failed; docker compose logs backup says why."
    last = finished(newest(folder))
    if last is None:
        return "There is no backup yet."
    if last < last_due(now, at) < now - MAY_TAKE:
        return f"The last backup is of {last.astimezone(now.tzinfo):%Y-%m-%d %H:%M}."
    return ""


def end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def exit_code(*arguments: str) -> int:
    """Run a command of the program; whoever ends this one ends that, too."""
    with subprocess.Popen([sys.executable, str(PROGRAM), *arguments]) as command:
        try:
            return command.wait()
        except SystemExit:
            command.terminate()
            raise


def back_up(folder: Path, keep: str, is_to_be_tried: bool) -> int:
    """Make a backup, thin the older ones out, and perhaps try whether it can be restored; return an exit code."""
    code = exit_code("backup", str(folder), "--keep", keep)
    return code if code or not is_to_be_tried else exit_code("backup", "--check", str(newest(folder)))


def run(folder: Path, zone: tzinfo, at: str, keep: str) -> None:
    """Make each backup when it is due; never return."""
    not_before: datetime | None = None
    while True:
        now = datetime.now(zone)
        last = finished(newest(folder))
        is_due = FAILED.exists() or last is None or last < last_due(now, at)
        if is_due and (not_before is None or now >= not_before):
            code = back_up(folder, keep, is_to_be_tried=now.day == 1)
            if code == 0:
                FAILED.unlink(missing_ok=True)
            else:
                FAILED.touch()
                not_before = now + (SOON if code == UNAVAILABLE else TRY_AGAIN)
                print(f"The backup failed. The next try is at {not_before:%H:%M}.", file=sys.stderr, flush=True)
        time.sleep(LOOK_EVERY)


def main(arguments: list[str]) -> int | str:
    at = os.environ.get("BACKUP_AT") or "03:00"
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", at, re.ASCII):
        return "BACKUP_AT must be a time of day such as 03:00."
    name = os.environ.get("TIMEZONE") or "UTC"
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return "TIMEZONE must be a name such as Europe/Paris."
    if arguments == ["--check"]:
        sentence = why_unhealthy(FOLDER, datetime.now(zone), at)
        print(sentence or "The backups are as they should be.")
        return 1 if sentence else 0
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"Backups are made at {at}, {name}.", flush=True)
    run(FOLDER, zone, at, os.environ.get("BACKUP_KEEP") or "7d,4w,12m")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
