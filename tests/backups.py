"""Books to back up: one of everything, a folder for backups, and what tells whether they are what they were."""
from __future__ import annotations

from conftest import run_program
from logins import everything, fill
from psycopg2.extensions import parse_dsn

HELD = "3 customers, 2 bills, 3 payments"


def books(uri, admin):
    """A database with one of everything; what a restore keeps of it is dropped in the end."""
    fill(uri)
    yield uri
    admin("SELECT datname FROM pg_database WHERE datname LIKE '%_before_%'")
    for name, in admin.__self__.fetchall():
        if name.startswith(parse_dsn(uri)["dbname"]):
            admin(f'DROP DATABASE "{name}" WITH (FORCE)')


def folder(tmp_path):
    made = tmp_path / "backups"
    made.mkdir()
    return made


def name_of(uri):
    return parse_dsn(uri)["dbname"]


def back_up(uri, folder):
    """Back up by the command, and return the file."""
    done = run_program(uri, "backup", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return max(folder.glob("*.backup"))


def held(uri):
    """Return all that is stored, but for what a restore notes itself."""
    found = everything(uri)
    for own in ("rows of backups", "rows of verifications", "elsewhere"):
        del found[own]
    return found


def databases(admin):
    admin("SELECT datname FROM pg_database ORDER BY datname")
    return [name for name, in admin.__self__.fetchall()]


def others(admin, uri):
    """Return what stands beside a database under names that begin with its own."""
    return [name for name in databases(admin) if name.startswith(f"{name_of(uri)}_")]
