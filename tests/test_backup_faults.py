"""Whatever happens during a backup or a restore, the books stay, and no half of a file or of a database is left."""
from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import backups
import psycopg2
import pytest
from backups import HELD, back_up, held, name_of, others
from conftest import PROJECT, environment, lines, named, run_program, sentence, wait_for
from logins import everything, run

import database
from tracker import archive, backup, embedded, errors, interrupts
from web.sessions import Sessions

pytestmark = pytest.mark.slow
books, folder = pytest.fixture(backups.books), pytest.fixture(backups.folder)


def start(uri, *arguments, answers="", **more):
    program = subprocess.Popen([sys.executable, str(PROJECT / "main.py"), *arguments], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(uri, **more))
    program.stdin.write(answers)
    program.stdin.flush()
    return program


@contextlib.contextmanager
def stopped_backup(uri, folder):
    """Start a backup whose pg_dump waits in its middle until the block ends."""
    with contextlib.closing(psycopg2.connect(uri)) as conn, conn.cursor() as cur:
        cur.execute("LOCK TABLE billing IN ACCESS EXCLUSIVE MODE")
        program = start(uri, "backup", str(folder))
        wait_for(lambda: run(uri, "SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_dump' "
                                  "AND wait_event_type = 'Lock' AND datname = current_database()"))
        yield program, conn


@pytest.fixture
def slow_restore(admin, tmp_path, monkeypatch):
    """Let pg_restore wait, once it has done its work, until the file that this returns is gone."""
    server = archive.Target({}, admin.__self__.connection.server_version // 10_000, False)
    gate, real = tmp_path / "gate", archive._find("pg_restore", server)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "pg_restore"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\n{real} "$@"; code=$?\n'
                      f"touch {tmp_path}/done\nwhile [ -e {gate} ]; do sleep 0.05; done; exit $code\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    gate.touch()
    yield gate
    gate.unlink(missing_ok=True)


def restored(tmp_path):
    return wait_for((tmp_path / "done").exists, 60)


def dumps_of(uri):
    return run(uri, "SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_dump' "
                    "AND datname = current_database()")


# Backing up


def test_a_backup_killed_in_its_middle_leaves_no_backup_and_the_next_clears_up(books, folder):
    with stopped_backup(books, folder) as (program, _):
        program.kill()
        program.communicate()
        left, = folder.iterdir()
        assert left.suffix == ".part"
        left.rename(left.with_name(re.sub(r"-[0-9-]{17}\.", "-2020-01-01-030000.", left.name)))  # no second is the same
    wait_for(lambda: not dumps_of(books))
    path = back_up(books, folder)
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 130, "Cancelled."),
                                                      (signal.SIGTERM, 143, "Cancelled, nothing changed.")])
def test_a_backup_that_is_stopped_leaves_nothing_and_no_pg_dump_behind(books, folder, number, code, said):
    with stopped_backup(books, folder) as (program, _):
        program.send_signal(number)
        _, stderr = program.communicate(timeout=90)
        assert (program.returncode, sentence(stderr)) == (code, said)
    wait_for(lambda: not dumps_of(books))  # its session is in the server until what it waited for is free
    assert list(folder.iterdir()) == []
    assert run(books, "SELECT backup_id FROM backups") == []


def test_a_backup_that_the_disk_has_no_room_for_is_said_and_gone(books, folder):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run([sys.executable, str(PROJECT / "main.py"), "backup", str(folder)], text=True,
                          capture_output=True, env=environment(books), preexec_fn=small_files, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == (f"There is no room left on the disk of {folder}, or it cannot be written; nothing "
                                     "is left of that backup.")
    assert list(folder.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_said(books, folder, monkeypatch):
    folder.chmod(0o500)
    done = subprocess.run([sys.executable, str(PROJECT / "main.py"), "backup", "/proc"], text=True, capture_output=True,
                          env=environment(books), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr).startswith("/proc/")
    assert "cannot be written: " in done.stderr


def test_a_frozen_server_ends_the_backup(books, folder, monkeypatch):
    monkeypatch.setattr(interrupts, "SILENCE", 1.0)
    monkeypatch.setattr(interrupts, "LOOK_EVERY", 0.5)
    monkeypatch.setattr(interrupts, "_is_silent", lambda conn: True)
    monkeypatch.setattr(archive, "ASK_EVERY", 0.2)
    interrupts.install()
    database.connect(books)
    with contextlib.closing(psycopg2.connect(books)) as conn, conn.cursor() as cur:
        cur.execute("LOCK TABLE billing IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(errors.NoAnswer):
            backup.take(folder, lambda *_: None)
    database.disconnect()
    assert list(folder.iterdir()) == []


def test_a_server_that_ends_its_sessions_in_mid_backup_leaves_no_file(books, folder):
    with stopped_backup(books, folder) as (program, conn):
        run(books, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump' "
                   "AND datname = current_database()")
        conn.rollback()
        _, stderr = program.communicate(timeout=90)
        assert program.returncode == 2
        assert sentence(stderr).startswith("pg_dump says ")
    assert list(folder.iterdir()) == []


# Restoring


def test_a_restore_killed_before_the_names_change_leaves_the_books_and_the_next_clears_up(
        books, folder, admin, slow_restore, tmp_path):
    path = back_up(books, folder)
    run(books, "UPDATE customers SET name = 'Changed Since'")
    before = everything(books)
    program = start(books, "restore", str(path), answers=lines(name_of(books)))
    restored(tmp_path)
    program.kill()
    program.communicate()
    slow_restore.unlink()
    assert everything(books) == before
    assert others(admin, books) == [f"{name_of(books)}_restoring"]
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, done.stderr) == (0, "")
    assert [name.rpartition("_before_")[0] for name in others(admin, books)] == [name_of(books)]


def test_killed_at_any_moment_a_restore_leaves_the_books_or_those_of_the_backup(books, folder, admin):
    path = back_up(books, folder)
    kept = held(books)
    run(books, "UPDATE customers SET name = 'Changed Since'")
    changed = held(books)
    ends = set()
    for tenths in range(6, 30, 2):
        program = start(books, "restore", str(path), answers=lines(name_of(books)))
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(tenths / 10)
        program.kill()
        program.communicate()
        now = held(books)
        assert now in (kept, changed)
        ends.add(now == kept)
        if now == kept:
            run(books, "UPDATE customers SET name = 'Changed Since'")
            changed = held(books)
    assert run_program(books, "restore", str(path), answers=lines(name_of(books))).returncode == 0
    assert held(books) == kept
    assert not [name for name in others(admin, books) if "_before_" not in name]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_restore_that_is_stopped_leaves_the_books_alone(books, folder, admin, slow_restore, tmp_path, number, code):
    path = back_up(books, folder)
    before = everything(books)
    program = start(books, "restore", str(path), answers=lines(name_of(books)))
    restored(tmp_path)
    program.send_signal(number)
    program.communicate(timeout=90)
    assert program.returncode == code
    assert everything(books) == before
    assert others(admin, books) == []


def test_whoever_has_the_database_open_keeps_it_from_being_replaced(books, folder, admin, sql):
    path = back_up(books, folder)
    before = everything(books)
    done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (done.returncode, sentence(done.stderr)) == (1, (
        f"Others have the database {name_of(books)} open (postgres): end their programs, then restore."))
    assert everything(books) == before
    assert others(admin, books) == []


def test_whoever_opens_the_database_meanwhile_keeps_it_from_being_replaced(
        books, folder, admin, slow_restore, tmp_path):
    path = back_up(books, folder)
    program = start(books, "restore", str(path), answers=lines(name_of(books)))
    restored(tmp_path)
    with contextlib.closing(psycopg2.connect(books)):
        slow_restore.unlink()
        _, stderr = program.communicate(timeout=90)
    assert (program.returncode, sentence(stderr)) == (1, (
        f"Others have opened the database {name_of(books)} meanwhile, and nothing was changed: end their programs, "
        "then restore."))
    assert others(admin, books) == []
    assert run_program(books, "verify").returncode == 0


def test_two_restores_at_once_are_one_after_another_or_the_second_says_why(books, folder, slow_restore, tmp_path):
    path = back_up(books, folder)
    program = start(books, "restore", str(path), answers=lines(name_of(books)))
    restored(tmp_path)
    second = run_program(books, "restore", str(path), answers=lines(name_of(books)))
    assert (second.returncode, sentence(second.stderr)) == (1, (
        f"Another program has the database {name_of(books)}_restoring at work; wait for that to end."))
    slow_restore.unlink()
    stdout, _ = program.communicate(timeout=90)
    assert f"Restored {name_of(books)}: {HELD}, as backed up.\n" in stdout


def test_a_database_of_somebodys_own_with_that_name_is_left_alone(books, folder, admin):
    path = back_up(books, folder)
    name = f"{name_of(books)}_restoring"
    admin(f"CREATE DATABASE {name}")
    run(named(books, name), "CREATE TABLE mine ()")
    try:
        done = run_program(books, "restore", str(path), answers=lines(name_of(books)))
        assert (done.returncode, sentence(done.stderr)) == (1, (
            f"There is a database {name}, which this program would make and did not; rename it."))
        assert others(admin, books) == [name]
    finally:
        admin(f"DROP DATABASE {name}")


def test_a_trial_database_that_a_kill_left_unmarked_is_made_anew(books, folder, admin):
    path = back_up(books, folder)
    admin(f"CREATE DATABASE {name_of(books)}_checking")
    assert run_program(books, "backup", "--check", str(path)).returncode == 0
    assert others(admin, books) == []


def keepers(admin, name):
    """End the session that keeps a database to a program, and no other program's; return whether each was told."""
    admin("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 "
          f"AND classid = {backup.RESTORE_LOCK} AND objid::bigint = hashtext('{name}')::bigint & 4294967295")
    return admin.__self__.fetchall()


def test_a_restore_whose_sessions_are_ended_leaves_the_books(books, folder, admin, slow_restore, tmp_path):
    path = back_up(books, folder)
    before = everything(books)
    program = start(books, "restore", str(path), answers=lines(name_of(books)))
    restored(tmp_path)
    admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(books)}_restoring'")
    assert keepers(admin, f"{name_of(books)}_restoring") == [(True,)]
    slow_restore.unlink()
    _, stderr = program.communicate(timeout=90)
    assert "Traceback" not in stderr
    assert len(stderr.splitlines()) <= 1
    if program.returncode:
        assert everything(books) == before
    assert not [name for name in others(admin, books) if "_before_" not in name]


def test_writes_off_keep_a_restore_from_beginning(books, folder, admin):
    path = back_up(books, folder)
    for arguments in (("restore", str(path)), ("backup", "--check", str(path))):
        done = run_program(books, "--read-only", *arguments, answers=lines(name_of(books)))
        assert (done.returncode, sentence(done.stderr)) == (1, (
            "Nothing is changed here: READ_ONLY or --read-only opened it so."))
    assert others(admin, books) == []


# The embedded database


@pytest.fixture
def home():
    """A data folder that the server's own user can reach."""
    place = Path(tempfile.mkdtemp(prefix="isp-backups-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_the_embedded_database_is_backed_up_checked_restored_and_moved_to_a_server(home, folder, empty_uri):
    for arguments in (["demo"], ["backup", str(folder)]):
        assert run_program("", *arguments, ISP_DATA_DIR=str(home)).returncode == 0
    path, = folder.iterdir()
    assert run_program("", "backup", "--check", str(path), ISP_DATA_DIR=str(home)).returncode == 0
    done = run_program("", "restore", str(path), answers=lines("isp_customer_tracker"), ISP_DATA_DIR=str(home))
    assert (done.returncode, done.stderr) == (0, "")
    done = run_program(empty_uri, "restore", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\nRestored {name_of(empty_uri)}: 200 customers, 2402 bills, " in done.stdout


def test_a_new_embedded_database_is_restored_into_without_a_question(home, books, folder):
    done = run_program("", "restore", str(back_up(books, folder)), ISP_DATA_DIR=str(home))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\nRestored isp_customer_tracker: {HELD}, as backed up.\n" in done.stdout


@pytest.fixture
def small_disk():
    """A data folder on a disk of 100 MB."""
    if os.geteuid():
        pytest.skip("a disk of a size is root's to mount")
    place = Path(tempfile.mkdtemp(prefix="isp-small-", dir="/tmp"))
    place.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m,mode=755", "tmpfs", place], check=True)
    yield place
    wait_for(lambda: subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0)
    place.rmdir()


@pytest.mark.parametrize(("spare", "why"), [
    (backup.SPARE, r"Restoring takes about 7\d MB on the disk of \S+, which has \d+ kB free: make room there, and try "
                   r"again\."),
    # Where there is no room for its own log either, PostgreSQL ends and begins again.
    (-10**9, r"There is no room left on the disk of the database; make room there and try again\."
             r"|The connection to the database was lost; nothing was written\. Try again\."),
])
def test_a_full_disk_under_the_restored_books_leaves_those_of_before(small_disk, folder, monkeypatch, spare, why):
    for arguments in (["demo"], ["backup", str(folder)]):
        assert run_program("", *arguments, ISP_DATA_DIR=str(small_disk)).returncode == 0
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 6_000_000))
    path, = folder.iterdir()
    monkeypatch.setenv("ISP_DATA_DIR", str(small_disk))
    monkeypatch.delenv("DATABASE_URI", raising=False)
    monkeypatch.setattr(backup, "SPARE", spare)
    database.connect()
    with pytest.raises(errors.Error) as refused:
        backup.restore(backup.read(path), backup.standing(), lambda *_: None, lambda sentence: None)
    database.disconnect()
    embedded.stop()
    assert re.fullmatch(why, str(refused.value))
    (small_disk / "filler").unlink()
    assert run_program("", "verify", ISP_DATA_DIR=str(small_disk)).stdout.startswith("Checked 2402 bills and ")


def test_connections_that_a_restore_left_behind_lead_no_person_into_the_other_books(books, folder):
    path = back_up(books, folder)
    database.connect(books)
    person = database.Login(database._template, 1)
    with database.acting_as(person):
        database.today()
    person.close()  # as those of a page that nobody uses for a while
    database.close_idle()
    assert run_program(books, "restore", str(path), answers=lines(name_of(books))).returncode == 0
    with database.acting_as(person), pytest.raises(errors.SignInRefused):
        database.add_customer("Bert After", None)
    sessions, told = Sessions(), []
    key = sessions.make_link("administrator", person, told.append)
    _, session = sessions.come_by_link(key)
    with database.acting_as(session.login):
        assert database.get_customer(1)["name"] == "Ada Okafor-Li"
    session.login.close()
    with pytest.raises(errors.Unavailable, match=r"^A backup was restored in place of these books: leave the program, "
                                                 r"and start anew\.$"):
        database.add_customer("Bert After", None)
    database.disconnect()


def test_progress_is_told_in_growing_shares(books, folder):
    told = []
    database.connect(books)
    backup.take(folder, lambda what, done, whole: told.append((what, done, whole)))
    found = backup.read(max(folder.iterdir()))
    backup.check(found, lambda what, done, whole: told.append((what, done, whole)), lambda sentence: None)
    database.disconnect()
    dumped = [done for what, done, whole in told if what == "Backing up"]
    assert dumped == sorted(dumped)
    assert {what.partition(" ")[0] for what, _, _ in told} >= {"Backing", "Restoring", "Comparing", "Tidying",
                                                              "Verifying"}
    assert all(done <= whole for what, done, whole in told if what == "Backing up")


def test_payments_recorded_while_a_backup_waits_are_in_the_books_and_not_lost(books, folder):
    """A backup keeps nobody from working: it takes no lock that a payment needs."""
    done = []

    def pay():
        done.append(run_program(books, answers=lines("5", "6", "1", "1", "", "", "R-77", "", "yes", "0", "0")))

    with contextlib.closing(psycopg2.connect(books)) as conn, conn.cursor() as cur:
        cur.execute("LOCK TABLE work_locks IN ACCESS EXCLUSIVE MODE")
        program = start(books, "backup", str(folder))
        wait_for(lambda: dumps_of(books))
        worker = threading.Thread(target=pay)
        worker.start()
        worker.join(90)
    program.communicate(timeout=90)
    assert "Recorded payment 4, 1.00 on " in done[0].stdout, done[0].stdout + done[0].stderr
    assert run(books, "SELECT count(*) AS rows FROM payments WHERE reference = 'R-77'") == [{"rows": 1}]
