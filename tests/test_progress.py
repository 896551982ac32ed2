"""Long work says that it goes on, on a terminal alone, and leaves nothing behind."""
from __future__ import annotations

import contextlib
import signal
import sys

import pexpect
import psycopg2
import pyte
import pytest
from conftest import PROJECT, environment, wait_for

from tracker import verify
from tracker.terminal.progress import progress_line
from tracker.transfer import columns, exporting, importing
from tracker.transfer import source as sources

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def held(uri, table):
    """Hold a table, so that whoever reads it works long."""
    conn = psycopg2.connect(uri)
    conn.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    yield
    conn.close()


def screen_of(written):
    """Return the lines that a terminal shows after all that was written to it."""
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(written)
    return [line.rstrip() for line in screen.display if line.strip()]


def read_on(child, *expected):
    """Return all that the program writes up to what is expected."""
    seen = ""
    for pattern in expected:
        child.expect(pattern)
        seen += child.before + child.after
    return seen


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_verify_says_which_check_of_how_many_runs_and_the_line_goes_when_it_ends(term, uri, db, terminal):
    with held(uri, "billing_items"):
        child = terminal("verify", TERM=term)
        seen = read_on(child, r"Verifying bills' lines: 2 of 11, ([0-9]+) s")
        seconds = int(child.match[1])
        seen += read_on(child, rf"Verifying bills' lines: 2 of 11, (?!{seconds} )([0-9]+) s")
        assert int(child.match[1]) > seconds >= 1
    seen += read_on(child, "Everything adds up.\r\n")
    assert screen_of(seen) == ["Checked 0 bills and 0 payments.", "Everything adds up."]
    assert "\x1b" not in seen


@pytest.mark.parametrize(("ends", "said"), [
    (signal.SIGINT, "Cancelled."), (signal.SIGTERM, "Cancelled, nothing changed."),
    (signal.SIGHUP, "Cancelled, nothing changed."),
])
def test_a_signal_leaves_a_clean_line(ends, said, uri, db, terminal):
    with held(uri, "billing_items"):
        child = terminal("verify")
        seen = read_on(child, r"2 of 11, [0-9]+ s *\r")
        child.kill(ends)
        child.expect_exact(pexpect.EOF)
        seen += child.before
    assert screen_of(seen) == [said]


def test_an_error_stands_on_a_clean_line(uri, db, sql, terminal):
    with held(uri, "billing_items"):
        child = terminal("verify")
        seen = read_on(child, r"2 of 11, [0-9]+ s *\r")
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()")
        child.expect_exact(pexpect.EOF)
        seen += child.before
    assert screen_of(seen) != []
    assert "Verifying" not in "".join(screen_of(seen))


def test_where_standard_error_is_no_terminal_nothing_is_said(uri, db, sql, tmp_path):
    with held(uri, "billing_items"):
        child = pexpect.spawn("/bin/sh", ["-c", f"{sys.executable} {PROJECT}/main.py verify 2>{tmp_path}/err"],
                              env=environment(uri, TERM="xterm"), encoding="utf-8", timeout=15)
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                             "AND datname = current_database() AND now() - query_start > interval '1.5 s'"))
    child.expect_exact("Everything adds up.")
    assert (tmp_path / "err").read_text() == ""
    child.close(force=True)


@pytest.mark.parametrize(("command", "table", "shown"), [
    (["aging-report"], "billing", "Adding up what is owed… [0-9]+ s"),
    (["revenue-report"], "services", "Adding up… [0-9]+ s"),
    (["payments-received"], "payments", "Adding up… [0-9]+ s"),
    (["bill", "--period", "2026-11", "--yes"], "services", "Adding up… [0-9]+ s"),
    (["export", "bills", "bills.csv"], "billing", "Exporting… [0-9]+ s"),
])
def test_every_long_command_says_that_it_goes_on(command, table, shown, uri, db, terminal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with held(uri, table):
        child = terminal(*command)
        child.expect(shown)


def test_a_bill_run_says_that_it_goes_on(uri, db, terminal):
    location_id = db.add_location(db.add_customer("Ada", "555"), "1 Harbour Street")
    db.add_service(location_id, "Fibre", 5)
    child = terminal("bill", "--period", "2026-11")
    child.expect_exact("to bill: ")
    with held(uri, "billing_items"):
        child.sendline("5.00")
        seen = read_on(child, "Billing… [0-9]+ s")
    seen += read_on(child, r"Created 1[^\r]*\r\n")
    assert screen_of(seen)[-1].startswith("Created 1, skipped 0")


def test_a_check_of_a_file_says_how_far_the_comparison_is(uri, db, terminal, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("name,phone\nAda,555\n")
    with held(uri, "customers"):
        child = terminal("import", str(path))
        seen = read_on(child, r"Comparing [a-z ]+: [0-9]+%, [0-9]+ s")
    seen += read_on(child, "Type yes to import: ")
    assert not any("Comparing" in line for line in screen_of(seen))


def test_verify_tells_each_check_once_with_their_number(db):
    told = []
    verify.verify_books(lambda *progress: told.append(progress))
    assert [(done, whole) for _, done, whole in told] == [(i, len(verify.CHECKS)) for i in range(1, len(told) + 1)]
    assert len(told) == len(verify.CHECKS)


def test_an_import_tells_reading_comparing_and_adding_each_as_a_share(db, tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("name,phone,address,service_name,service_cost\n"
                    + "".join(f"Ada {i},{i:06},Site {i},Fibre,5\n" for i in range(3_000)))
    source = sources.open_source(path)
    told = []
    importing.load(source, columns.match_headers(source.headers), None, lambda *progress: told.append(progress))
    assert all(0 <= done <= whole for _, done, whole in told)
    assert max(done for what, done, _ in told if what == "Reading the file") > path.stat().st_size / 2
    compared = [(done, whole) for what, done, whole in told if what.startswith("Comparing")]
    assert compared == [(done, len(compared)) for done in range(1, len(compared) + 1)]
    assert ("Adding services", 6_000, 9_000) in told
    assert {what for what, _, _ in told} >= {"Adding customers", "Adding sites", "Adding equipment",
                                             "Making the search indexes"}


def test_an_export_tells_how_many_lines_of_about_how_many(db, sql, tmp_path):
    sql("INSERT INTO customers (name, phone_number) SELECT 'Ada', '555' FROM generate_series(1, 2500)")
    sql("ANALYZE customers")
    told = []
    exporting.export("accounts", tmp_path / "a.csv", progress=lambda *progress: told.append(progress))
    assert told == [("Exporting accounts", lines, 2500) for lines in (0, 1000, 2000)]


@pytest.mark.parametrize(("told", "line"), [
    (("Billing", 0, 0, 12), "Billing… 12 s"), (("Verifying bills", 1, 6, 2), "Verifying bills: 1 of 6, 2 s"),
    (("Adding sites", 500, 1000, 9), "Adding sites: 50%, 9 s"), (("Exporting", 1200, 1000, 9), "Exporting: 99%, 9 s"),
])
def test_a_few_steps_are_counted_and_many_are_a_share(told, line):
    assert progress_line(*told) == line
