"""Who may look and not change: what is offered, what commands say, and the seat belt that opens everything so."""
from __future__ import annotations

import contextlib
import io
import os
import sys
from decimal import Decimal
from uuid import uuid4

import psycopg2.extensions
import pytest
from conftest import lines, run_program, sentence

import database
import main
from tracker import errors, payments
from tracker.terminal import menus

pytestmark = pytest.mark.slow
BELT = "by READ_ONLY or --read-only, a seat belt and no lock"


@pytest.fixture
def records(db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_service(db.add_location(customer_id, "1 Harbour Street"), "Fibre", Decimal("49.90"))


@pytest.fixture
def reader(uri, sql):
    """The URI of a login that may look."""
    name = f"isp_reader_{os.getpid()}"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE isp_readonly")
    yield psycopg2.extensions.make_dsn(uri, user=name, password="x")
    database.disconnect()
    sql(f"DROP ROLE {name}")


def each_entry(menu):
    for label, action in menu.entries.values():
        if isinstance(action, main.Menu):
            yield from each_entry(action)
        else:
            yield label, action


def complaint_of(action, monkeypatch):
    """Return what is refused of an action that is given 1 for every answer."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n" * 8))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            menus.run_action("An entry", action)
    except errors.WrongAnswer as exc:
        return str(exc)
    return said.getvalue()


def test_no_entry_that_is_left_ends_in_a_refusal_of_the_login(records, reader, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    database.disconnect()
    database.connect(reader)
    monkeypatch.setattr(menus, "why_not", database.rights()["why_not"])
    offered = [(label, action) for label, action in each_entry(main.MAIN_MENU) if menus.may_run(action)]
    assert {label: said for label, action in offered
            if "login" in (said := complaint_of(action, monkeypatch))} == {}
    assert len(offered) > 20


def test_the_entries_that_are_left_out_are_those_that_write(monkeypatch):
    monkeypatch.setattr(menus, "why_not", "for a reason")
    monkeypatch.setattr(menus, "may_see_people", True)
    assert {label for label, action in each_entry(main.MAIN_MENU) if not menus.may_run(action)} == {
        "Add customer", "Update customer", "Delete customer", "Add location to a customer", "Update location",
        "Delete location", "Add service to a location", "Update service", "Delete service",
        "End service", "Pause service", "Change a price",
        "Add equipment to a location", "Update equipment", "Delete equipment", "Add bill", "Update bill", "Delete bill",
        "Record payment", "Void payment", "Bill run", "Undo a bill run", "Credit note", "Write-off", "Refund",
        "Import customers from a CSV file", "Import everything into an empty database",
        "Import payments from a bank's file", "Bank lines to decide on", "Late fees", "Undo late fees",
        "Undo a deletion", "People", "Back up now", "Move or take back", "Swap", "Write off",
        "Close account", "Reopen account", "Erase a person", "Merge two customers",
    }


def test_the_first_screen_says_why_nothing_can_be_changed(records, reader, run, sql):
    login = psycopg2.extensions.parse_dsn(reader)["user"]
    assert f"Read-only: the login {login} may look, not change.\n" in run(answers="0\n", DATABASE_URI=reader).stdout
    assert f"Read-only: {BELT}.\n" in run("--read-only", answers="0\n").stdout
    assert f"Read-only: {BELT}.\n" in run(answers="0\n", READ_ONLY="yes").stdout
    name, = sql("SELECT current_database() AS name")
    sql(f"ALTER DATABASE {name['name']} SET default_transaction_read_only = on")
    assert "Read-only: the database is set so.\n" in run(answers="0\n").stdout
    assert "Read-only" not in run(answers="0\n", PGOPTIONS="-c default_transaction_read_only=off").stdout


@pytest.mark.parametrize("command", [
    ("bill", "--period", "2026-12", "--yes"), ("import", "none.csv"), ("import", "none.csv", "--dry-run"), ("demo",),
    ("thin-trail",), ("late-fees",), ("late-fees", "--yes"), ("pay", "1", "5"), ("pay", "2", "5", "--yes"),
    ("import-payments", "none.csv"), ("import-payments", "none.csv", "--dry-run"),
])
def test_a_command_that_changes_something_says_so_before_it_begins(command, records, reader, run):
    login = psycopg2.extensions.parse_dsn(reader)["user"]
    why = "That changes the database, and this is read-only:"
    done = run(*command, DATABASE_URI=reader)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{why} the login {login} may look, not change.\n")
    done = run("--read-only", *command)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{why} {BELT}.\n")


def test_a_reader_may_see_what_a_bill_run_would_do(records, reader, run, db):
    done = run("bill", "--period", f"{db.today():%Y-%m}", "--dry-run", DATABASE_URI=reader)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bills for 1 customer, 49.90 in total" in done.stdout


def test_a_reader_finds_customers_and_sees_what_was_paid(records, reader, run, db):
    payments.record_payment(1, Decimal(5), db.today(), "cash", None, uuid4())
    for command in (("find", "ada"), ("payments-received",)):
        done = run(*command, DATABASE_URI=reader)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == run(*command).stdout
        assert "Ada Okafor" in done.stdout


def test_the_seat_belt_keeps_the_program_s_own_functions_from_writing(records, uri):
    database.disconnect()
    database.connect(uri, read_only=True)
    with pytest.raises(errors.Forbidden, match="READ_ONLY or --read-only opened it so"):
        database.add_customer("Bo Li", "124")
    assert len(database.list_customers()) == 1
    with pytest.raises(errors.Forbidden), database.outside_transactions():
        pass
    with database.reading() as cur:  # a default of the session would be another's behind a pooler
        cur.execute("SHOW default_transaction_read_only")
        assert cur.fetchone()["default_transaction_read_only"] == "off"


@pytest.mark.parametrize("value", ["maybe", "1", "true"])
def test_a_seat_belt_that_is_neither_yes_nor_no_is_refused(value, run):
    done = run(READ_ONLY=value)
    assert (done.returncode, sentence(done.stderr)) == (2, "READ_ONLY must be yes or no.")


def test_tables_are_not_made_with_writes_off(empty_uri):
    done = run_program(empty_uri, "--read-only")
    assert (done.returncode, sentence(done.stderr)) == (
        2, "The tables are not there yet, and READ_ONLY or --read-only keeps everything as it is: start once without.")


def test_a_name_that_nobody_has_is_not_offered_to_a_reader_as_a_new_customer(records, reader, run):
    done = run(answers=lines("Noor Haddad"), DATABASE_URI=reader)
    assert "yes to add" not in done.stdout
    assert sentence(done.stderr).startswith("Stopped at input line 1: No customer matches Noor Haddad.")
