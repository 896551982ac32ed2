"""Which backups are kept, which of PostgreSQL's programs are run, and what they complain of."""
from __future__ import annotations

import contextlib
from pathlib import Path

import backups
import psycopg2
import pytest
from psycopg2.extensions import make_dsn

import database
from tracker import archive, backup, embedded, errors, fields

WHOLE = archive.END.format(0, "0" * 64)  # how a backup ends that was written to its end
books, folder = pytest.fixture(backups.books), pytest.fixture(backups.folder)


# Which are kept


@pytest.mark.parametrize(("keep", "stay"), [
    ("1d", ["2026-11-26-030000"]),
    ("3d", ["2026-11-26-030000", "2026-11-25-230000", "2026-11-23-030000"]),
    ("2w", ["2026-11-26-030000", "2026-11-22-030000"]),
    ("3m", ["2026-11-26-030000", "2026-10-31-030000", "2026-09-30-030000"]),
    ("2y", ["2026-11-26-030000", "2025-12-31-030000"]),
    ("1d,2m,9y", ["2026-11-26-030000", "2026-10-31-030000", "2025-12-31-030000"]),
])
def test_of_each_day_week_month_and_year_that_has_one_the_last_is_kept(keep, stay, tmp_path):
    for moment in ("2025-12-30-030000", "2025-12-31-030000", "2026-09-30-030000", "2026-10-30-030000",
                   "2026-10-31-030000", "2026-11-22-030000", "2026-11-23-030000", "2026-11-25-030000",
                   "2026-11-25-230000", "2026-11-26-030000"):
        (tmp_path / f"isp-{moment}.backup").write_text(WHOLE)
    backup.thin(tmp_path / "isp-2026-11-26-030000.backup", fields.keep(keep))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"isp-{moment}.backup" for moment in stay)


def test_the_backup_just_made_is_kept_by_a_clock_that_was_set_back(tmp_path):
    for moment in ("1969-12-31-030000", "2026-11-26-030000", "1970-01-01-000000"):
        (tmp_path / f"isp-{moment}.backup").write_text(WHOLE)
    gone = backup.thin(tmp_path / "isp-1970-01-01-000000.backup", {"d": 1})
    assert gone == [tmp_path / "isp-1969-12-31-030000.backup"]  # what is dated after it neither counts nor goes


def test_what_was_not_written_to_its_end_takes_no_other_s_place(tmp_path):
    for moment, content in (("25-030000", WHOLE), ("25-230000", ""), ("24-030000", WHOLE), ("24-230000", "PGDMP"),
                            ("23-030000", WHOLE), ("26-030000", WHOLE)):
        (tmp_path / f"isp-2026-11-{moment}.backup").write_text(content)
    gone = backup.thin(tmp_path / "isp-2026-11-26-030000.backup", {"d": 3})
    assert gone == [tmp_path / "isp-2026-11-23-030000.backup"]


def test_what_is_no_backup_of_the_same_database_is_left_alone(tmp_path):
    kept = ["isp-2026-11-25-030000.dump", "isp-2-2026-11-25-030000.backup", "xisp-2026-11-25-030000.backup",
            "isp-2026-11-25.backup", "isp-2026-99-99-030000.backup", "notes.txt", "isp-2026-11-26-030000.backup"]
    for name in kept:
        (tmp_path / name).write_text(WHOLE)
    (tmp_path / "isp-2026-11-24-030000.backup").mkdir()
    (tmp_path / "isp-2026-11-23-030000.backup").write_text(WHOLE)
    gone = backup.thin(tmp_path / "isp-2026-11-26-030000.backup", {"d": 1})
    assert gone == [tmp_path / "isp-2026-11-23-030000.backup"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "isp-2026-11-24-030000.backup"])


@pytest.mark.parametrize("answer", ["", "7", "d7", "7x", "7d,", "0d", "7d,3d", "7d 4w", "-1d", "７d", "99999d"])
def test_what_is_to_be_kept_is_said_like_7d_4w_12m(answer):
    with pytest.raises(ValueError, match=r"^Say how many backups of days, weeks, months and years to keep, such as "
                                         r"7d,4w,12m\.$"):
        fields.keep(answer)


def test_keep_takes_units_in_any_order_and_case():
    assert fields.keep("12M, 7d,4w,10y") == {"m": 12, "d": 7, "w": 4, "y": 10}


# The programs of PostgreSQL


def tool(place, version, script="exit 1"):
    place.mkdir(parents=True, exist_ok=True)
    path = place / "pg_dump"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}" && exit\n{script}\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Nothing but what the test puts on PATH and into the folders of systems; the wheel's are of version 18."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(archive, "FOLDERS", (f"{tmp_path}/{{}}/bin",))
    wheel = tmp_path / "wheel"
    tool(wheel, "18.6")
    monkeypatch.setattr(embedded, "binaries", lambda: wheel)
    return tmp_path


def found(major, encrypted=False):
    return archive._find("pg_dump", archive.Target({}, major, encrypted))


def test_the_program_of_the_servers_own_version_is_taken_wherever_it_is(tools):
    on_path, of_system = tool(tools / "bin", "16.4"), tool(tools / "15" / "bin", "15.18 (Debian 15.18-0+deb12u1)")
    assert [found(16), found(15), found(18)] == [on_path, of_system, tools / "wheel" / "pg_dump"]


def test_where_there_is_none_of_the_servers_version_the_next_newer_one_is_taken(tools):
    assert found(14) == tools / "wheel" / "pg_dump"
    nearer = tool(tools / "16" / "bin", "16.4")
    assert found(14) == nearer


def test_an_older_program_is_never_taken(tools):
    tool(tools / "bin", "17.2")
    with pytest.raises(errors.ServerError, match=(
            r"^There is no pg_dump 19 on this machine, which the server takes: install PostgreSQL's client programs of "
            r"version 19 \(postgresql-client-19 on Debian\)\.$")):
        found(19)


def test_over_ssl_the_wheels_programs_which_know_none_are_not_taken(tools):
    with pytest.raises(errors.ServerError, match=r"^There is no pg_dump 18 with SSL on this machine, "):
        found(18, encrypted=True)
    on_path = tool(tools / "bin", "18.6")
    assert found(18, encrypted=True) == on_path


def test_a_server_that_is_named_by_its_address_is_reached_by_that(books):
    with contextlib.closing(psycopg2.connect(books)) as conn:
        one = archive.target_of(conn, {"hostaddr": "10.0.0.5"}).parameters
        several = archive.target_of(conn, {"hostaddr": "10.0.0.5,10.0.0.6"}).parameters
    assert (one.get("hostaddr"), several.get("hostaddr")) == ("10.0.0.5", None)


def test_the_password_is_no_argument_of_the_programs(books, folder, tools, tmp_path):
    tool(tools / "bin", "99.0", f'echo "$@" > {tmp_path}/arguments; echo "$PGPASSWORD" > {tmp_path}/secret; exit 1')
    (tools / "wheel" / "pg_dump").unlink()
    database.connect(make_dsn(books, password="h0rse battery", sslpassword="h0rse shoe"))
    with pytest.raises(errors.ServerError):
        backup.take(folder, lambda *_: None)
    database.disconnect()
    assert "h0rse" not in (tmp_path / "arguments").read_text()
    assert (tmp_path / "secret").read_text() == "h0rse battery\n"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("said", "why"), [
    ("pg_dump: error: query failed: ERROR:  permission denied for table customers",
     "This login may not read everything (permission denied for table customers); back up as the tables' owner."),
    ("pg_dump: error: could not write to output file: No space left on device",
     "There is no room left on the disk of /mnt, or it cannot be written; nothing is left of that backup."),
    ('pg_restore: error: could not execute query: ERROR:  could not extend file "base/1/2": No space left on device',
     "There is no room left on the disk of the database; make room there and try again."),
    ('pg_restore: error: could not execute query: ERROR:  could not write to file "base/pgsql_tmp/1": No space left on '
     "device", "There is no room left on the disk of the database; make room there and try again."),
    ('pg_restore: error: could not execute query: ERROR:  permission denied to create extension "postgis"\n'
     'pg_restore: error: could not execute query: ERROR:  extension "postgis" does not exist',
     "The backup holds the extension postgis, which only a superuser can make: have the login be one (ALTER ROLE … "
     "SUPERUSER) for as long as the restore takes."),
    ("pg_dump: error: connection to server failed", "pg_dump says 'connection to server failed'; correct that and try "
                                                    "again."),
])
def test_what_the_programs_complain_of_is_one_sentence(said, why):
    assert str(archive._failure(said.partition(":")[0], said, Path("/mnt/isp.backup"))) == why
