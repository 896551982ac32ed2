"""A backup is one file, whole or not there; a restore brings back what it held, and keeps the books of before."""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import subprocess
import threading
import time
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import backups
import psycopg2
import pytest
from backups import HELD, back_up, held, name_of, others
from conftest import PROJECT, lines, named, numbers, run_program, sentence
from logins import close_to_all, everything, fill, four_logins, make_database, run
from psycopg2.extensions import make_dsn, parse_dsn

import database
from tracker import archive, backup, embedded, errors, migrate, payments
from tracker.terminal import screens

ADDS_UP = "Checked 2 bills and 3 payments.\nEverything adds up.\n"
NEWEST = migrate.program_version()

pytestmark = pytest.mark.slow
books, folder = pytest.fixture(backups.books), pytest.fixture(backups.folder)


@pytest.fixture(scope="module")
def logins(server_uri, admin, template):
    with four_logins(server_uri, admin) as uris:
        fill(uris["owner"])
        yield uris


def with_note(path, **changed):
    """Write a backup's note anew, with other values."""
    note = json.dumps({**archive.read(path).note, **changed}).encode()
    before = dump_of(path) + b"\n" + note
    path.write_bytes(before + archive.END.format(len(note), hashlib.sha256(before).hexdigest()).encode())
    return path


def dump_of(path):
    """Return what pg_dump wrote of a backup."""
    content = path.read_bytes()
    length = int(re.search(rb"NOTE OF ([0-9]{8}) BYTES", content[-archive.END_BYTES:])[1])
    return content[:-archive.END_BYTES - length - 1]


# Backing up


def test_a_backup_is_named_by_database_day_and_time_and_its_owners_alone(books, folder, sql):
    today, = sql("SELECT CURRENT_DATE::text AS day")
    done = run_program(books, "backup", str(folder))
    path, = folder.iterdir()
    assert re.fullmatch(rf"{name_of(books)}-{today['day']}-\d{{6}}\.backup", path.name)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o600, os.geteuid())
    assert (done.returncode, done.stderr) == (0, "")
    size = f"{round(path.stat().st_size / 1_000)} kB"
    assert done.stdout == f"Backed up to {path}: {HELD}, {size}.\n"


def test_a_backup_says_of_itself_what_every_table_held(books, folder, sql):
    note = archive.read(back_up(books, folder)).note
    tables = [row["name"] for row in sql("SELECT relname AS name FROM pg_class WHERE relkind = 'r' "
                                         "AND relnamespace = 'public'::regnamespace")]
    assert set(note["stock"]) == set(tables)
    for table, columns in note["stock"].items():
        for column, value in columns.items():
            counted = "count(*)" if column == "rows" else f"coalesce(sum({column}), 0)"
            if table != "backups":  # the note of the backup itself came after it
                assert value == sql(f"SELECT {counted}::text AS value FROM {table}")[0]["value"]
    assert {"amount", "amount_allocated"} <= set(note["stock"]["payments"])
    assert (note["database"], note["schema_version"]) == (name_of(books), NEWEST)


def test_pg_restore_reads_a_backup_as_one_of_its_own(books, folder, empty_uri):
    path = back_up(books, folder)
    before = held(books)
    done = subprocess.run([embedded.binaries() / "pg_restore", "--jobs=2", f"--dbname={empty_uri}", path], text=True,
                          capture_output=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "ERROR" in line]  # 18's to an older server
    assert all('unrecognized configuration parameter "transaction_timeout"' in line for line in complaints)
    now = held(empty_uri)
    now["schema public"] = before["schema public"]  # the program itself takes what PostgreSQL 14 gives everybody there
    assert now == before


def test_the_database_says_when_it_was_backed_up_and_by_whom(books, folder, sql):
    path = back_up(books, folder)
    row, = sql("SELECT taken_at, person, login, path, bytes, checked_at FROM backups")
    assert row.pop("taken_at").isoformat()[:16] == archive.read(path).note["taken_at"][:16]
    login = parse_dsn(books)["user"]
    assert row == {"person": login, "login": login, "path": str(path), "bytes": path.stat().st_size, "checked_at": None}


def test_without_a_folder_a_backup_goes_where_the_last_one_went_at_first_into_the_data_folder(books, folder, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    first = run_program(books, "backup", ISP_DATA_DIR=str(home))
    assert first.stdout.startswith(f"Backed up to {home}/backups/{name_of(books)}-")
    assert stat.S_IMODE((home / "backups").stat().st_mode) == 0o700
    back_up(books, folder)
    assert run_program(books, "backup", ISP_DATA_DIR=str(home)).returncode in (0, 1)  # two in a second are one too many
    assert len(list((home / "backups").iterdir())) == 1


def test_the_menu_asks_for_the_folder_and_shows_the_last_one(books, folder):
    back_up(books, folder)
    path = max(folder.iterdir())
    path.rename(folder / "earlier")
    done = run_program(books, answers=lines("8", "5", "", "0", "0"))
    assert done.returncode == 0
    path = max(folder.glob("*.backup"))
    assert f"\nBack up now\nFolder [{folder}]: \nBacked up to {path}: {HELD}, " in done.stdout


@pytest.mark.parametrize(("place", "why"), [
    ("nowhere", "There is no folder {}; make it, mount its disk, or name another."),
    ("file", "There is no folder {}; make it, mount its disk, or name another."),
])
def test_a_folder_that_is_not_there_is_said_and_not_made(books, tmp_path, place, why):
    (tmp_path / "file").touch()
    done = run_program(books, "backup", str(tmp_path / place))
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == why.format(tmp_path / place)
    assert not (tmp_path / "nowhere").exists()


def test_a_backup_under_work_going_on_is_one_moment_of_it(books, folder, empty_uri):
    database.connect(books)
    stop = threading.Event()

    def pay():
        while not stop.is_set():
            payments.record_payment(1, Decimal("0.07"), date(2026, 2, 1), "cash", None, uuid4())

    writers = [threading.Thread(target=pay) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        taken = [backup.take(None if i else folder, lambda *_: None) for i in range(1)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
        database.disconnect()
    done = run_program(empty_uri, "restore", str(taken[0].path))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{taken[0].note['stock']['payments']['rows']} payments, as backed up." in done.stdout


def test_the_first_screen_says_when_the_last_backup_was(books, folder):
    first = run_program(books, answers=lines("0")).stdout.splitlines()
    assert first[4] == "No backup yet: Administration, Back up now, makes one."
    back_up(books, folder)
    at = run(books, "SELECT to_char(taken_at, 'HH24:MI') AS at FROM backups")[0]["at"]
    assert run_program(books, answers=lines("0")).stdout.splitlines()[4] == f"Last backup today at {at}."


def test_before_an_upgrade_the_older_version_is_backed_up_and_checked(empty_uri, folder, tmp_path):
    for part in ("schema_1.sql", "rows_1.sql"):
        run(empty_uri, (PROJECT / "tests" / "fixtures" / part).read_text(encoding="utf-8"))
    done = run_program(empty_uri, "backup", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "The first screen will not know of it: it is of an older version."
    path, = folder.iterdir()
    assert archive.read(path).note["schema_version"] == 1
    done = run_program(empty_uri, "backup", "--check", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nIt was of version 1, and is upgraded.\n" in done.stdout
    path.unlink()  # the next may be of the same second, and of the same name
    done = run_program(empty_uri, "backup", ISP_DATA_DIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Backed up to {tmp_path}/backups/")


def test_an_empty_database_is_not_nagged_about_backups(uri):
    assert "backup" not in run_program(uri, answers=lines("0")).stdout.casefold()


@pytest.mark.parametrize(("days", "hours", "line"), [
    (0, 0, "Last backup today at 03:00."), (1, 0, "Last backup yesterday at 03:00."),
    (2, 0, "Last backup 2 days ago at 03:00."), (-1, 0, "Last backup today at 03:00."),
])
def test_a_recent_backup_is_told_by_day_and_time(days, hours, line, db, sql):
    sql("INSERT INTO backups (taken_at, path, bytes) VALUES (CURRENT_DATE - %s + time '03:00', '/x', 1)", days)
    noted = {**backup.last(), "is_old": False}
    assert screens.backup_line(noted, True) == line


def test_a_backup_of_more_than_two_days_worries(db, sql):
    for hours, is_old in ((47, False), (49, True)):
        sql("INSERT INTO backups (taken_at, path, bytes) VALUES (now() - %s * interval '1 hour', '/x', 1)", hours)
        assert backup.last()["is_old"] == is_old
    days = (database.today() - (database.now() - timedelta(hours=49)).date()).days
    assert screens.backup_line(backup.last(), True) == (
        f"The last backup is {days} days old: Administration, Back up now, makes one.")
    assert screens.backup_line(backup.last(), False) == f"The last backup is {days} days old."


def test_about_this_database_says_where_the_last_backup_is_and_whether_one_was_tried(books, folder):
    path = back_up(books, folder)
    asked = lines("8", "2", "0", "0")
    size = f"{round(path.stat().st_size / 1_000)} kB"
    moment = f"{path.stem[-17:-7]} {path.stem[-6:-4]}:{path.stem[-4:-2]}"
    before = run_program(books, answers=asked).stdout
    assert (f"\nBackup     {moment}, {size}\n           {path}\n"
            "Tried      none (python main.py backup --check FILE)\n") in before
    assert run_program(books, "backup", "--check", str(path)).returncode == 0
    assert re.search(r"\nTried      \d{4}-\d\d-\d\d \d\d:\d\d\n", run_program(books, answers=asked).stdout)
    assert run_program(books, "restore", str(path), answers=lines(name_of(books))).returncode == 0
    assert re.search(rf"\nKept       {name_of(books)}_before_[0-9_]{{17}}, [0-9]+ (kB|MB)\n",
                     run_program(books, answers=asked).stdout)


# Who may


def test_an_admin_backs_up_and_that_is_noted(logins, folder):
    done = run_program(logins["admin"], "backup", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert run(logins["owner"], "SELECT login FROM backups ORDER BY backup_id DESC LIMIT 1") == [
        {"login": parse_dsn(logins["admin"])["user"]}]


def test_a_reader_backs_up_and_is_told_that_nothing_notes_it(logins, folder):
    before = run(logins["owner"], "SELECT count(*) AS rows FROM backups")
    done = run_program(logins["reader"], "backup", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == (
        f"The first screen will not know of it: the login {parse_dsn(logins['reader'])['user']} may look, not change.")
    assert run(logins["owner"], "SELECT count(*) AS rows FROM backups") == before
    assert run_program(logins["superuser"], "backup", "--check", str(max(folder.iterdir()))).returncode == 0


def test_who_may_make_no_databases_is_told_so(logins, folder):
    path = back_up(logins["owner"], folder)
    login = parse_dsn(logins["owner"])["user"]
    checked = run_program(logins["owner"], "backup", "--check", str(path))
    assert (checked.returncode, sentence(checked.stderr)) == (1, (
        f"A backup is checked in a database of its own: that takes the login {login}, which has the books, and ALTER "
        f"ROLE {login} CREATEDB by a superuser; or check it without DATABASE_URI."))
    restored = run_program(logins["owner"], "restore", str(path), answers=lines(name_of(logins["owner"])))
    assert (restored.returncode, sentence(restored.stderr)) == (1, (
        f"A backup is restored beside the present books, and the login {login} may make no databases: have a superuser "
        f"run ALTER ROLE {login} CREATEDB, or name a new, empty database in DATABASE_URI."))


def test_an_owner_who_may_make_databases_and_no_more_checks_a_backup(template, logins, admin, folder):
    path = back_up(logins["owner"], folder)
    login = parse_dsn(logins["owner"])["user"]
    admin(f"ALTER ROLE {login} CREATEDB")
    try:
        checked = run_program(logins["owner"], "backup", "--check", str(path))
    finally:
        admin(f"ALTER ROLE {login} NOCREATEDB")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "It was restored as a trial:" in checked.stdout


def test_who_may_make_no_databases_restores_into_one_without_tables(logins, server_uri, admin, folder):
    path = back_up(logins["owner"], folder)
    owner = parse_dsn(logins["owner"])["user"]
    uri = make_database(server_uri, admin, f"isp_test_{os.getpid()}_{next(numbers)}", owner)
    mine = make_dsn(logins["owner"], dbname=name_of(uri))
    try:
        close_to_all(logins["superuser"], logins["owner"])
        done = run_program(mine, "restore", str(path))
        server = admin.__self__.connection.server_version // 10_000
        if server < 17 <= archive._major(archive._find("pg_restore", archive.Target({}, server, False))):
            assert (done.returncode, sentence(done.stderr)) == (2, (
                "pg_restore is too new for this server and login; install PostgreSQL's client programs of the server's "
                "version."))
            return
        assert (done.returncode, done.stderr) == (0, "")
        assert held(uri) == held(logins["superuser"])
        run(uri, f"DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {owner}")
        stock = archive.read(path).note["stock"]
        with_note(path, stock={**stock, "payments": {**stock["payments"], "amount": "34.01"}})
        done = run_program(mine, "restore", str(path))
        assert (done.returncode, sentence(done.stderr)) == (1, (
            f"{path} does not hold what was backed up: payments, amount: 34 instead of 34.01. The database was filled "
            "with it: have it made anew, and use another backup."))
    finally:
        admin(f"DROP DATABASE {name_of(uri)} WITH (FORCE)")


def test_a_pooler_is_no_server_to_back_up_from(db, folder, monkeypatch):
    monkeypatch.setattr(database._Session, "pooled", True)
    for conn in database._own.open()._pool:
        conn.pooled = True
    with pytest.raises(errors.Unavailable, match=(r"^Back up from the server itself: what DATABASE_URI names is a "
                                                  r"pooler, and pg_dump needs a session of its own\.$")):
        backup.take(folder, lambda *_: None)
    assert list(folder.iterdir()) == []


def test_older_backups_go_only_once_the_new_one_is_there(books, folder):
    older = folder / f"{name_of(books)}-2020-01-01-030000.backup"
    older.write_text(archive.END.format(0, "0" * 64))
    with open(folder / "full", "w"):
        refused = run_program(books, "backup", str(folder / "full"), "--keep", "1d")
    assert refused.returncode == 1
    assert older.exists()
    done = run_program(books, "backup", str(folder), "--keep", "1d")
    assert done.stdout.splitlines()[1:] == [f"Removed 1 older backup: {older.name}."]
    assert not older.exists()


# Restoring


def test_a_restore_brings_back_what_was_there_and_keeps_what_came_after(books, folder, admin):
    path = back_up(books, folder)
    before = held(books)
    run(books, "DELETE FROM payments; DELETE FROM billing; INSERT INTO customers (name) VALUES ('Late Comer')")
    after = held(books)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    kept, = others(admin, books)
    moment = archive.read(path).note["taken_at"][:16].replace("T", " ")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"A backup of {name_of(books)} of {moment}: {HELD}.\n"
        f"The database {name_of(books)} has 4 customers, 0 bills, 0 payments. They are kept, in a database of another "
        "name.\n"
        f"Type its name, {name_of(books)}, to restore in its place: {name_of(books)}\n"
        f"Restored {name_of(books)}: {HELD}, as backed up.\n"
        f"{ADDS_UP}"
        f"The books before are the database {kept} now.\n")
    assert re.fullmatch(rf"{name_of(books)}_before_\d{{4}}_\d\d_\d\d_\d{{6}}", kept)
    assert held(books) == before
    assert held(named(books, kept)) == after


def test_what_was_restored_knows_the_backup_that_it_came_from(books, folder):
    path = back_up(books, folder)
    assert run_program(books, "restore", str(path), answers=lines(name_of(books))).returncode == 0
    row, = run(books, "SELECT path, bytes, checked_at > noted_at - interval '1 hour' AS is_tried FROM backups")
    assert row == {"path": str(path), "bytes": path.stat().st_size, "is_tried": True}


@pytest.mark.parametrize("answer", ["", "yes", "no", "isp", "another"])
def test_without_the_databases_name_nothing_is_restored(books, folder, admin, answer):
    path = back_up(books, folder)
    before = everything(books)
    done = run_program(books, "restore", str(path), answers=lines(answer))
    assert done.returncode == 1
    assert everything(books) == before
    assert others(admin, books) == []


def test_an_empty_database_with_or_without_tables_is_restored_without_a_question(books, folder, uri, empty_uri, admin):
    path = back_up(books, folder)
    before = held(books)
    for target in (empty_uri, empty_uri):
        done = run_program(target, "restore", str(path))
        assert (done.returncode, done.stderr) == (0, "")
        assert held(target) == before
        assert others(admin, target) == []
        run(target, "SET session_replication_role = replica; "
                    "TRUNCATE trail, payments, bank_lines, bank_formats, billing, customers CASCADE")


def test_customers_entered_in_an_empty_database_during_a_restore_are_kept(
        books, folder, empty_uri, admin, monkeypatch):
    path, real = back_up(books, folder), backup._try

    def tried(*arguments, **more):
        outcome = real(*arguments, **more)
        run(empty_uri, "INSERT INTO customers (name) VALUES ('Just Now')")
        return outcome

    monkeypatch.setattr(backup, "_try", tried)
    database.connect(empty_uri)
    outcome = backup.restore(backup.read(path), backup.standing(), lambda *_: None, lambda sentence: None)
    database.disconnect()
    try:
        assert others(admin, empty_uri) == [outcome.kept]
        assert run(named(empty_uri, outcome.kept), "SELECT name FROM customers") == [{"name": "Just Now"}]
    finally:
        admin(f"DROP DATABASE {outcome.kept} WITH (FORCE)")


def test_the_two_names_change_both_or_neither(books, folder, admin, monkeypatch):
    """Whoever has the new database open keeps it from getting its name, after the old one has given it up."""
    path, real, before = back_up(books, folder), backup._try, everything(books)
    with contextlib.ExitStack() as stack:
        def tried(backup, beside, *arguments, **more):
            outcome = real(backup, beside, *arguments, **more)
            stack.enter_context(contextlib.closing(psycopg2.connect(named(books, beside))))
            return outcome

        monkeypatch.setattr(backup, "_try", tried)
        database.connect(books)
        with pytest.raises(errors.Busy):
            backup.restore(backup.read(path), backup.standing(), lambda *_: None, lambda sentence: None)
        database.disconnect()
    assert everything(books) == before
    assert others(admin, books) == []


def test_a_trail_of_customers_who_are_deleted_is_kept(books, folder, admin):
    path = back_up(books, folder)
    run(books, "DELETE FROM payments; DELETE FROM billing; DELETE FROM customers")
    trail = run(books, "SELECT count(*) AS rows FROM trail")
    assert run_program(books, "restore", str(path)).returncode == 0
    kept, = others(admin, books)
    assert run(named(books, kept), "SELECT count(*) AS rows FROM trail") == trail


def test_a_database_of_another_program_is_left_alone(books, folder, empty_uri, admin):
    path = back_up(books, folder)
    run(empty_uri, "CREATE TABLE photos (name text); INSERT INTO photos VALUES ('me')")
    before = everything(empty_uri)
    done = run_program(empty_uri, "restore", str(path), answers=lines(name_of(empty_uri)))
    assert (done.returncode, sentence(done.stderr)) == (1, (
        f"The database {name_of(empty_uri)} holds tables of something else; name a new, empty database in "
        "DATABASE_URI."))
    assert everything(empty_uri) == before
    assert others(admin, empty_uri) == []


def test_what_another_login_owns_is_restored_by_that_alone(logins, folder, admin):
    path = back_up(logins["owner"], folder)
    before = everything(logins["superuser"])
    done = run_program(logins["superuser"], "restore", str(path), answers=lines(name_of(logins["superuser"])))
    owner, login = parse_dsn(logins["owner"])["user"], parse_dsn(logins["superuser"])["user"]
    assert (done.returncode, sentence(done.stderr)) == (1, (
        f"The books belong to {owner}, and restored by {login} they would not: restore with their owner in "
        "DATABASE_URI."))
    assert everything(logins["superuser"]) == before
    assert others(admin, logins["superuser"]) == []


def test_an_owner_sees_who_else_has_the_database_open(logins, folder, admin):
    path, owner = back_up(logins["owner"], folder), parse_dsn(logins["owner"])["user"]
    admin(f"ALTER ROLE {owner} CREATEDB")
    try:
        with contextlib.closing(psycopg2.connect(logins["superuser"], application_name="psql")) as conn:
            login = conn.info.user
            done = run_program(logins["owner"], "restore", str(path), answers=lines(name_of(logins["owner"])))
    finally:
        admin(f"ALTER ROLE {owner} NOCREATEDB")
    assert (done.returncode, sentence(done.stderr)) == (1, (
        f"Others have the database {name_of(logins['owner'])} open ({login} in psql): end their programs, then "
        "restore."))


def test_a_setting_that_takes_a_superuser_is_named(logins, folder, admin):
    path, owner = back_up(logins["owner"], folder), parse_dsn(logins["owner"])["user"]
    name = name_of(logins["owner"])
    admin(f"ALTER ROLE {owner} CREATEDB; ALTER DATABASE {name} SET log_min_duration_statement = 500")
    try:
        done = run_program(logins["owner"], "backup", "--check", str(path))
    finally:
        admin(f"ALTER ROLE {owner} NOCREATEDB; ALTER DATABASE {name} RESET log_min_duration_statement")
    assert (done.returncode, sentence(done.stderr)) == (1, (
        "The database has the setting log_min_duration_statement, which only a superuser can give to the restored one: "
        "have one take it away (ALTER DATABASE … RESET), restore, and have it set again."))
    assert others(admin, logins["owner"]) == []


def test_a_restored_database_keeps_owner_locale_settings_and_rights_of_the_one_before(books, folder, admin):
    name = name_of(books)
    run(books, f"""
        ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE {name} SET search_path = "$user", public;
        ALTER DATABASE {name} SET lc_messages = 'C'; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;
        GRANT CONNECT ON DATABASE {name} TO isp_readonly
    """)
    assert run_program(books, "upgrade").returncode == 0  # gives the groups their rights, as a first start does
    known = f"""
        SELECT to_jsonb(pg_database) - '{{oid,datfrozenxid,datminmxid,datacl,dathasloginevt}}'::text[] AS known,
               (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = pg_database.oid AND setrole = 0) AS said,
               ARRAY(SELECT a::text FROM unnest(datacl) AS a ORDER BY a::text) AS rights,
               shobj_description(oid, 'pg_database') AS comment
        FROM pg_database WHERE datname = '{name}'
    """
    before = run(books, known)
    assert run_program(books, "restore", str(back_up(books, folder)), answers=lines(name)).returncode == 0
    assert run(books, known) == before


def test_the_first_complaint_of_pg_restore_is_said_and_not_what_follows_from_it(books, folder, admin):
    path = back_up(books, folder)
    run(books, f"ALTER DATABASE {name_of(books)} SET default_transaction_read_only = on")
    done = run_program(books, "backup", "--check", str(path))
    assert (done.returncode, sentence(done.stderr)) == (2, (
        "pg_restore says 'could not execute query: ERROR:  cannot execute CREATE EXTENSION in a read-only "
        "transaction'; correct that and try again."))
    assert others(admin, books) == []


def test_whoever_holds_the_trial_database_is_said_where_the_login_may_not_end_them(logins, folder, admin, monkeypatch):
    path, owner, real = back_up(logins["owner"], folder), parse_dsn(logins["owner"])["user"], backup._try
    admin(f"ALTER ROLE {owner} CREATEDB")
    with contextlib.ExitStack() as stack:
        def tried(archive, beside, *arguments, **more):
            stack.enter_context(contextlib.closing(psycopg2.connect(named(logins["superuser"], beside))))
            return real(archive, beside, *arguments, **more)

        monkeypatch.setattr(backup, "_try", tried)
        database.connect(logins["owner"])
        with pytest.raises(errors.Busy, match=(r"^Others have the database \w+_checking open, which this program made "
                                               r"for its work: end their programs; the next restore or check drops "
                                               r"it\.$")):
            backup.check(backup.read(path), lambda *_: None, lambda sentence: None)
        database.disconnect()
    assert run_program(logins["owner"], "backup", "--check", str(path)).returncode == 0
    admin(f"ALTER ROLE {owner} NOCREATEDB")
    assert others(admin, logins["owner"]) == []


def test_books_with_findings_are_restored_as_they_were_and_the_findings_said(books, folder):
    run(books, "SET session_replication_role = replica; UPDATE billing SET amount_paid = 1 WHERE billing_id = 1")
    path = back_up(books, folder)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert done.returncode == 1
    assert f"Restored {name_of(books)}: {HELD}, as backed up.\n" in done.stdout
    assert "\nBill 1: it says 1.00 paid, " in done.stdout


def test_a_plain_dump_is_restored_and_said_to_be_one(books, folder):
    path = folder / "plain.dump"
    subprocess.run([embedded.binaries() / "pg_dump", "-Fc", f"--file={path}", f"--dbname={books}"], check=True)
    before = held(books)
    run(books, "DELETE FROM payments")
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == ("A plain dump: it does not say what it holds, so that there is "
                                           "nothing to compare it with.")
    assert f"\nRestored {name_of(books)}: {HELD}.\n" in done.stdout
    assert held(books) == before


# Trying


def test_a_check_restores_compares_verifies_and_leaves_nothing_but_its_note(books, folder, admin):
    path = back_up(books, folder)
    before = held(books)
    done = run_program(books, "backup", "--check", str(path))
    moment = archive.read(path).note["taken_at"][:16].replace("T", " ")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (f"A backup of {name_of(books)} of {moment}: {HELD}.\n"
                           f"It was restored as a trial: {HELD}, as backed up.\n{ADDS_UP}")
    assert held(books) == before
    assert others(admin, books) == []
    assert run(books, "SELECT checked_at IS NOT NULL AS tried FROM backups") == [{"tried": True}]


def test_a_check_goes_on_beside_others_who_work(books, folder, sql):
    path = back_up(books, folder)
    sql("SELECT 1")
    assert run_program(books, "backup", "--check", str(path)).returncode == 0


@pytest.mark.parametrize(("table", "column", "noted", "there"), [
    ("payments", "amount", "34.01", "34"), ("customers", "rows", "4", "3"), ("invoices", "rows", "0", "nothing"),
])
def test_a_backup_that_holds_something_else_than_it_notes_is_not_restored(
        books, folder, admin, table, column, noted, there):
    path = back_up(books, folder)
    stock = archive.read(path).note["stock"]
    stock.setdefault(table, {})[column] = noted
    with_note(path, stock=stock)
    before = everything(books)
    for arguments in (("backup", "--check"), ("restore",)):
        done = run_program(books, *arguments, str(path), answers=lines(name_of(books)))
        assert (done.returncode, done.stderr) == (1, (
            f"{path} does not hold what was backed up: {table}, {column}: {there} instead of {noted}. Nothing was "
            "changed; use another backup.\n"))
        assert everything(books) == before
        assert others(admin, books) == []


def test_books_that_are_kept_get_no_name_that_a_database_has_already(books, admin):
    database.connect(books)
    time.sleep(1 - time.time() % 1)  # a second begins, in which both are asked for
    first = backup._unused(name_of(books))
    admin(f'CREATE DATABASE "{first}"')
    second = backup._unused(name_of(books))
    database.disconnect()
    assert re.fullmatch(rf"{name_of(books)}_before_\d{{4}}_\d\d_\d\d_\d{{6}}", second)
    assert second > first


def test_no_backups_are_removed_from_a_folder_that_was_not_named(run, tmp_path):
    done = run("backup", "--keep", "7d", ISP_DATA_DIR=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (
        1, "", "Name the folder whose older backups --keep may remove.\n")
    assert not list(tmp_path.glob("**/*.backup"))


@pytest.mark.parametrize("more", [("somewhere",), ("--keep", "7d")])
def test_check_takes_a_file_and_nothing_else(run, more):
    done = run("backup", "--check", "x.backup", *more)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Give --check a file and nothing else.\n")


# Files that will not do


def test_a_backup_cut_short_anywhere_is_refused_and_nothing_touched(books, folder, admin):
    path = back_up(books, folder)
    whole, dump = path.read_bytes(), len(dump_of(path))
    for size in (0, 3, 5, 100, len(whole) // 3, len(whole) // 2, dump - 2_000, dump - 30, dump - 1, dump + 20,
                 len(whole) - archive.END_BYTES, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(errors.BadFile, match=r"(is cut short or damaged|is not a backup of this program)\.$"):
            archive.read(path)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{path} is cut short or damaged.\n")
    assert others(admin, books) == []


@pytest.mark.parametrize("place", [100, 10_000, -300, -1_000])
def test_a_byte_that_changed_is_noticed(books, folder, place):
    path = back_up(books, folder)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.BadFile, match=rf"^{path} is damaged: what it holds is not what was written\.$"):
        archive.read(path)


def dump_of_another(uri, path):
    run(uri, "CREATE TABLE customers (name text); CREATE TABLE elsewhere ()")
    subprocess.run([embedded.binaries() / "pg_dump", "-Fc", f"--file={path}", f"--dbname={uri}"], check=True)


@pytest.mark.parametrize(("make", "why"), [
    (lambda path: path.write_text("name,phone\nAda,555\n"), "{} is not a backup of this program."),
    (lambda path: path.write_bytes(b""), "{} is not a backup of this program."),
    (lambda path: path.write_bytes(b"PGDMP" + bytes(1_000)), "{} is cut short or damaged."),
    (lambda path: path.mkdir(), "{} is a folder; name a file in it."),
    (lambda path: None, "{} is not there, or is no file."),
    (os.mkfifo, "{} is not there, or is no file."),
])
def test_a_file_that_is_no_backup_is_named_and_nothing_touched(uri, tmp_path, make, why):
    path = tmp_path / "isp.backup"
    make(path)
    for arguments in (("restore",), ("backup", "--check")):
        done = run_program(uri, *arguments, str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence(done.stderr) == why.format(path)


def test_a_dump_of_another_program_is_no_backup(uri, empty_uri, tmp_path):
    dump_of_another(empty_uri, tmp_path / "other.dump")
    done = run_program(uri, "restore", str(tmp_path / "other.dump"))
    assert (done.returncode, sentence(done.stderr)) == (1, f"{tmp_path}/other.dump is not a backup of this program.")


def test_a_backup_of_a_newer_version_is_refused(books, folder, admin):
    path = with_note(back_up(books, folder), schema_version=NEWEST + 1)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, sentence(done.stderr)) == (1, (
        f"{path} is of version {NEWEST + 1} and this program knows version {NEWEST}: use a newer program."))
    with_note(folder / path.name, form=2)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, sentence(done.stderr)) == (1, f"{path} was made by a newer program; use that.")
    assert others(admin, books) == []


def test_a_plain_dump_of_a_newer_version_is_refused_once_that_is_seen(books, folder, admin):
    path = folder / "newer.dump"
    run(books, "INSERT INTO schema_version (version) VALUES (99)")
    subprocess.run([embedded.binaries() / "pg_dump", "-Fc", f"--file={path}", f"--dbname={books}"], check=True)
    run(books, "DELETE FROM schema_version WHERE version = 99")
    before = everything(books)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, sentence(done.stderr)) == (2, (
        f"The database is at version 99 and this program knows version {NEWEST}: use a newer program."))
    assert everything(books) == before
    assert others(admin, books) == []


def test_over_a_database_of_a_newer_program_an_older_backup_is_restored(books, folder, admin):
    path = back_up(books, folder)
    run(books, "INSERT INTO schema_version (version) VALUES (99)")
    assert run_program(books, "verify").returncode == 2
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, done.stderr) == (0, "")
    assert run_program(books, "verify").returncode == 0


# Several at once, and elsewhere


def test_every_word_of_readmes_backup_commands_is_taken(books, folder):
    """The three commands under Backup and restore, one after another."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("### Backup and restore"):readme.index("### Import and export")]
    commands = re.findall(r"^    main\.py (.*)$", section, re.MULTILINE)
    path = folder / "none"
    for command in commands:
        words = [re.sub(r"/mnt/backups/\S+", str(path), word).replace("/mnt/backups", str(folder))
                 for word in command.split()]
        assert run_program(books, *words, answers=lines(name_of(books))).returncode == 0
        path = max(folder.glob("*.backup"))
    assert len(commands) == 3


def test_two_backups_at_once_are_two_files_or_one_says_why(books, folder):
    with contextlib.ExitStack() as stack:
        results = []

        def one():
            results.append(run_program(books, "backup", str(folder)))

        threads = [threading.Thread(target=one) for _ in range(3)]
        for thread in threads:
            thread.start()
        stack.callback(lambda: [thread.join() for thread in threads])
    whole = list(folder.glob("*.backup"))
    assert len(whole) == sum(result.returncode == 0 for result in results) >= 1
    assert all(archive.read(path).note for path in whole)
    assert [path for path in folder.iterdir() if path not in whole] == []


@pytest.mark.parametrize("whose", ["DATABASE {}", "ROLE {} IN DATABASE {}"])
def test_books_in_a_schema_of_their_own_are_restored_there(server_uri, admin, folder, whose):
    name = f"isp_test_{os.getpid()}_{next(numbers)}"
    admin(f"CREATE DATABASE {name}")
    uri = named(server_uri, name)
    try:
        of = whose.format(*(["current_user"] if "ROLE" in whose else []), name)
        run(uri, f"CREATE SCHEMA books; ALTER {of} SET search_path = books, public")
        fill(uri)
        path = back_up(uri, folder)
        done = run_program(uri, "restore", str(path), answers=lines(name))
        assert (done.returncode, done.stderr) == (0, "")
        assert run(uri, "SELECT count(*) AS rows FROM books.customers") == [{"rows": 3}]
    finally:
        for left in [name, *others(admin, uri)]:
            with contextlib.suppress(psycopg2.Error):
                admin(f'DROP DATABASE "{left}" WITH (FORCE)')
