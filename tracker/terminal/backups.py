"""Backing the books up, restoring them, and trying a backup."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tracker import backup, errors, text
from tracker.terminal import prompts, screens
from tracker.terminal.progress import Progress
from tracker.terminal.prompts import confirm, say

if TYPE_CHECKING:
    from tracker.archive import Archive


def backup_command(arguments: argparse.Namespace) -> int:
    if arguments.keep and not arguments.folder and not arguments.check:
        prompts.complain("Name the folder whose older backups --keep may remove.")
        return 1
    if arguments.check:
        if arguments.folder or arguments.keep:
            prompts.complain("Give --check a file and nothing else.")
            return 1
        return _check(Path(arguments.check))
    taken = back_up(Path(arguments.folder) if arguments.folder else None)
    if arguments.keep:
        gone = backup.thin(taken.path, arguments.keep)
        say(f"Removed {text.plural(len(gone), 'older backup')}: {', '.join(path.name for path in gone)}." if gone
            else "No older backup was to be removed.")
    return 0


def back_up(folder: Path | None) -> backup.Taken:
    """Back the books up to a folder, or to where the last backup went, and say so."""
    with Progress("Backing up") as progress:
        taken = backup.take(folder, progress)
    say(f"Backed up to {taken.path}: {_held(taken.note['stock'])}, {text.show_size(taken.bytes)}.")
    if taken.why_not_noted:
        say(f"The first screen will not know of it: {taken.why_not_noted}.")
    return taken


def _held(stock: dict[str, dict[str, str]]) -> str:
    return _counted(*(int(stock[table]["rows"]) for table in ("customers", "billing", "payments")))


def _counted(customers: int, bills: int, payments: int) -> str:
    return f"{text.plural(customers, 'customer')}, {text.plural(bills, 'bill')}, {text.plural(payments, 'payment')}"


def _read(path: Path) -> Archive:
    """Look at a backup file, and say what it holds."""
    with Progress("Reading the backup"):
        archive = backup.read(path)
    if archive.note and archive.note["stock"]:
        say(f"A backup of {archive.note['database']} of {archive.note['taken_at'][:16].replace('T', ' ')}: "
            f"{_held(archive.note['stock'])}.")
    else:
        say("A plain dump: it does not say what it holds, so that there is nothing to compare it with.")
    return archive


def _check(path: Path) -> int:
    archive = _read(path)
    with Progress("Restoring") as progress:
        outcome = backup.check(archive, progress, progress.note)
    say(f"It was restored as a trial: {_brought(outcome)}.")
    return _say_findings(outcome)


def _brought(outcome: backup.Outcome) -> str:
    held = _counted(outcome.customers, outcome.bills, outcome.payments)
    return f"{held}{'' if outcome.differences is None else ', as backed up'}"


def _say_findings(outcome: backup.Outcome) -> int:
    if outcome.upgraded:
        say(f"It was of version {outcome.upgraded}, and is upgraded.")
    for line in screens.verification_lines({"bills": outcome.bills, "payments": outcome.payments}, outcome.findings):
        say(line)
    return 1 if outcome.findings else 0


def restore_command(arguments: argparse.Namespace) -> int:
    archive = _read(Path(arguments.file))
    there = backup.standing()
    backup.refuse(there, archive)
    if there["customers"] or there["bills"] or there["payments"]:
        say(f"The database {there['database']} has {_counted(there['customers'], there['bills'], there['payments'])}. "
            "They are kept, in a database of another name.")
        if not confirm(f"Type its name, {text.clean(there['database'])}, to restore in its place:", there["database"]):
            print("Not restored.")
            return 1
    with Progress("Restoring") as progress:
        try:
            outcome = backup.restore(archive, there, progress, progress.note)
        except errors.OutcomeUnknown:
            prompts.complain("The connection was lost at the very end: look which books the database holds.")
            return 1
    say(f"Restored {there['database']}: {_brought(outcome)}.")
    code = _say_findings(outcome)
    if outcome.kept:
        say(f"The books before are the database {outcome.kept} now.")
    return code
