"""Long work that somebody keeps waiting: it says whom it waits for, and ends."""
from __future__ import annotations

import os
import re
import subprocess
import sys

import psycopg2
import psycopg2.extensions
import pytest
from conftest import PROJECT, environment

import database
from tracker import cursor

pytestmark = pytest.mark.slow
ANN = f"ann_{os.getpid()}"

# The program, less patient.
HURRIED = """
import sys
import main
from tracker import cursor, interrupts
interrupts.LOOK_EVERY = 0.5
cursor.LOCK_PATIENCE = 4
sys.exit(main.main(sys.argv[1:]))
"""
# The program that looks as often, and waits as long as it always does.
PATIENT = HURRIED.replace("cursor.LOCK_PATIENCE = 4\n", "")
ENDED = ("Another session kept what this needs for 5 minutes; nothing was written. "
         "End that session, or wait for it, and try again.")
HOLD = {
    "customer": "SELECT FROM customers FOR UPDATE",
    "turn": f"SELECT pg_advisory_xact_lock({database.SCHEMA_LOCK}) FROM work_locks FOR UPDATE",
    "tables": "LOCK TABLE customers, locations, services, billing, payments, payment_allocations",
}


@pytest.fixture
def ann(uri, sql):
    """Another login, in psql."""
    sql(f"CREATE ROLE {ANN} LOGIN SUPERUSER PASSWORD 'zq81'")
    conn = psycopg2.connect(psycopg2.extensions.make_dsn(uri, user=ANN, password="zq81", application_name="psql"))
    yield conn.cursor()
    conn.close()
    sql(f"DROP ROLE {ANN}")


@pytest.fixture
def subscriber(db):
    customer_id = db.add_customer("Ada Okafor", "5550100")
    db.add_service(db.add_location(customer_id, "1 Quay"), "Fibre", 50)
    with db.transaction() as cur:
        cur.execute("INSERT INTO payments (customer_id, amount) VALUES (1, 5)")
    return customer_id


def hurried(uri, *arguments, answers=""):
    return subprocess.run([sys.executable, "-c", HURRIED, *arguments], cwd=PROJECT, env=environment(uri), input=answers,
                          capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize(("held", "arguments"), [
    ("customer", ["bill", "--period", "2026-12", "--yes"]),
    ("turn", ["bill", "--period", "2026-12", "--yes"]),
    ("tables", ["bill", "--period", "2026-12", "--yes"]),
    ("turn", ["import", "FILE", "--yes"]),
    ("tables", ["import", "FILE", "--yes"]),
    ("tables", ["verify"]),
    ("tables", ["export", "bills"]),
    ("tables", ["aging-report", "--format", "csv"]),
])
def test_long_work_says_whom_it_waits_for_and_ends(held, arguments, ann, subscriber, uri, tmp_path, sql):
    (tmp_path / "in.csv").write_text("name,phone\nBo Li,5550101\n")
    ann.execute(HOLD[held])
    done = hurried(uri, *[str(tmp_path / "in.csv") if word == "FILE" else word for word in arguments])
    waiting, ended = done.stderr.splitlines()
    assert re.fullmatch(rf"Waiting for the session of {ANN} in psql \(process [0-9]+, in a transaction since "
                        r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}\), for 5 minutes at most\.", waiting)
    assert (ended, done.returncode) == (ENDED, 1)
    ann.connection.rollback()
    assert len(sql("SELECT customer_id FROM customers UNION ALL SELECT customer_id FROM billing")) == 1


def test_an_undo_says_whom_it_waits_for_and_ends(ann, subscriber, uri, sql):
    assert "Created 1" in hurried(uri, "bill", "--period", "2026-12", "--yes").stdout
    ann.execute(HOLD["customer"])
    done = hurried(uri, answers="5\n10\n2026-12\nyes\n")
    waiting, ended = done.stderr.splitlines()
    assert waiting.startswith(f"Waiting for the session of {ANN} in psql")
    assert (ended, done.returncode) == (f"Stopped at input line 4: {ENDED}", 1)


def test_a_prepared_transaction_is_named_as_what_is_waited_for():
    assert database._blocker({"pid": 0, "login": None}) == "a prepared transaction"


def test_what_a_login_may_not_see_of_a_session_is_left_out():
    row = {"pid": 7, "login": "ann", "program": "", "since": None}
    assert database._blocker(row) == "the session of ann (process 7)"


def test_a_wait_that_ends_in_time_is_no_failure(ann, subscriber, uri, sql):
    ann.execute(HOLD["customer"])
    child = subprocess.Popen([sys.executable, "-c", PATIENT, "bill", "--period", "2026-12", "--yes"], cwd=PROJECT,
                             env=environment(uri), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stderr.readline().startswith(f"Waiting for the session of {ANN}")
    ann.connection.rollback()
    said, complaints = child.communicate(timeout=90)
    assert ("Created 1" in said, complaints, child.returncode) == (True, "", 0)


def test_the_bound_of_long_work_is_the_one_that_readme_names():
    assert f"{cursor.LOCK_PATIENCE // 60} minutes" in (PROJECT / "README.md").read_text()
