"""What verify found is noted where its login may note it, and not a word is said of that."""
from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal

import pexpect
import psycopg2
import pytest
from conftest import lines, run_program, there_since, wait_for
from logins import four_logins, name_of, run

import database
from tracker import bill_run, errors, verify

pytestmark = pytest.mark.slow

SOUND = "Checked 1 bill and 0 payments.\nEverything adds up.\n"
SPOIL = "SET session_replication_role = replica; UPDATE billing SET amount_billed = 30 WHERE billing_id = 1"


@pytest.fixture
def books(db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_bill(customer_id, "Setup", Decimal("20.00"), database.today())


@pytest.fixture
def logins(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        run(uris["owner"], "INSERT INTO customers (name) VALUES ('Ada Okafor')")
        yield uris


def noted(sql):
    return sql("SELECT * FROM verifications ORDER BY verification_id")


def test_before_the_first_verify_there_is_no_last(db):
    assert verify.last() is None


def test_a_verify_is_noted_with_who_when_and_what_it_looked_at(books, sql):
    before = datetime.now(timezone.utc)
    assert verify.verify() == verify.verify_books()
    row, = noted(sql)
    assert before <= row["verified_at"] <= datetime.now(timezone.utc)
    assert verify.last() == {
        "verified_at": row["verified_at"], "person": "postgres", "bills": 1, "payments": 0, "findings": 0,
        "first_finding": None}
    assert (row["person"], row["login"]) == ("postgres", "postgres")


@pytest.fixture
def billed(db, sql):
    """A service of Ada's that is billed for November and December, by the day, without an overlap."""
    location_id = db.add_location(db.add_customer("Ada Okafor", None), "1 Harbour Street")
    db.add_service(location_id, "Fibre", Decimal(30), date(2026, 11, 1))
    there_since()
    for month in (11, 12):
        bill_run.run(date(2026, month, 1), date(2026, 12, 15))
    return sql


def spoil(sql, *added):
    """Add lines of days to bill 1, over nothing: the first day, the last, and 1 or -1 for billed or taken back."""
    for first, last, sign in added:
        sql("INSERT INTO billing_items"
            " (billing_id, service_id, description, amount, first_day, last_day, days, monthly_cost)"
            " VALUES (1, 1, 'Days', 0, %s, %s, %s * (%s::date - %s::date + 1), 0)", first, last, sign, last, first)


@pytest.mark.parametrize(("added", "day"), [
    ([("2026-11-20", "2026-11-30", 1)], "2026-11-20"),
    ([("2026-12-31", "2026-12-31", 1)], "2026-12-31"),
    ([("2026-11-01", "2026-11-30", -1), ("2026-12-02", "2026-12-31", 1)], "2026-12-02"),
    ([("2026-11-01", "2026-11-10", -1), ("2026-12-01", "2026-12-10", 1)], "2026-12-01"),
    ([("2026-11-11", "2026-11-12", -1), ("2026-11-14", "2026-11-15", 1)], "2026-11-14"),
    ([("2027-01-05", "2027-01-05", 1), ("2027-02-05", "2027-02-09", 1), ("2027-02-09", "2027-02-12", 1)], "2027-02-09"),
])
def test_a_day_of_a_service_that_is_billed_twice_is_found(billed, added, day):
    spoil(billed, *added)
    assert verify.verify_books()[1] == [
        f"Service 1: {day} is on two lines of its bills, which do not cancel each other."]


@pytest.mark.parametrize("added", [
    [], [("2026-11-20", "2026-11-30", -1), ("2026-11-20", "2026-11-30", 1)], [("2026-11-20", "2026-11-30", -1)],
    [("2027-01-05", "2027-01-20", 1), ("2027-01-21", "2027-01-31", 1), ("2027-03-01", "2027-03-31", 1)],
])
def test_days_that_are_taken_back_and_billed_again_or_left_out_are_no_finding(billed, added):
    spoil(billed, *added)
    assert verify.verify_books()[1] == []


def test_days_of_a_bill_that_is_deleted_are_billed_once(billed):
    billed("UPDATE billing SET issued_on = issued_on - 1 WHERE billing_id = 2")
    database.delete_bill(2)
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    assert billed("SELECT count(*) FROM billing_items WHERE first_day = '2026-12-01'") == [{"count": 2}]
    assert verify.verify_books()[1] == []


def test_the_findings_are_counted_and_the_first_is_kept(books, sql):
    database.add_bill(1, "More", Decimal("9.00"), database.today())
    sql(SPOIL.replace("WHERE billing_id = 1", ""))
    _, findings = verify.verify()
    assert len(findings) > 1
    last = verify.last()
    assert (last["bills"], last["findings"], last["first_finding"]) == (2, len(findings), findings[0])
    assert "Ada" not in str(findings)


def test_the_last_verify_is_the_latest_and_the_earlier_ones_stay(books, sql):
    verify.verify()
    sql(SPOIL)
    verify.verify()
    sql(SPOIL.replace("30", "20"))
    verify.verify()
    assert [bool(row["findings"]) for row in noted(sql)] == [False, True, False]
    assert verify.last()["findings"] == 0


def test_verify_says_what_it_said_and_notes_it_from_the_menu_and_from_the_command(books, run, sql):
    done = run("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, SOUND, "")
    assert SOUND in run(answers=lines("8", "1", "0", "0")).stdout
    sql(SPOIL)
    assert run("verify").returncode == 1
    assert [row["findings"] > 0 for row in noted(sql)] == [False, False, True]


@pytest.mark.parametrize("env", [{"READ_ONLY": "yes"}, {"PGOPTIONS": "-c default_transaction_read_only=on"}])
def test_a_verify_that_may_change_nothing_verifies_all_the_same_and_does_not_try(books, run, sql, env, tmp_path):
    done = run("verify", ISP_DATA_DIR=str(tmp_path), **env)
    assert (done.returncode, done.stdout, done.stderr) == (0, SOUND, "")
    assert noted(sql) == []
    assert "read-only" not in (tmp_path / "program.log").read_text()


def test_a_reader_s_verify_notes_nothing_and_an_admin_s_says_whose_it_is(logins):
    said = "Checked 0 bills and 0 payments.\nEverything adds up.\n"
    for who in ("reader", "admin", "owner"):
        done = run_program(logins[who], "verify")
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    rows = run(logins["superuser"], "SELECT person, login FROM verifications ORDER BY verification_id")
    assert [(row["person"], row["login"]) for row in rows] == [
        (name_of(logins[who]), name_of(logins[who])) for who in ("admin", "owner")]
    database.connect(logins["reader"])
    assert verify.last()["person"] == name_of(logins["owner"])
    database.disconnect()


@pytest.mark.parametrize("refusal", [
    "ALTER TABLE verifications ADD CONSTRAINT none CHECK (false) NOT VALID",
    "ALTER TABLE verifications RENAME TO others",
])
def test_a_database_that_refuses_the_note_leaves_the_verify_as_it_is(books, run, sql, refusal):
    sql(refusal)
    done = run("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, SOUND, "")


def test_a_verify_that_is_interrupted_notes_nothing(books, sql, uri, terminal):
    held = psycopg2.connect(uri)
    held.cursor().execute("LOCK TABLE payment_allocations IN ACCESS EXCLUSIVE MODE")
    child = terminal("verify")
    # Copies of the template, of which there are others on the server, have their tables under the same numbers.
    wait_for(lambda: sql("SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                         "WHERE datname = current_database() AND relation = 'payment_allocations'::regclass "
                         "AND NOT granted"))
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    held.close()
    assert (child.exitstatus, noted(sql)) == (130, [])


def test_the_note_is_written_after_the_snapshot_and_not_in_it(books, monkeypatch):
    inside = []
    note = verify._note

    def noting(*result):
        with database.reading() as cur:
            cur.execute("SELECT count(*) AS open FROM pg_stat_activity WHERE datname = current_database() "
                        "AND state = 'idle in transaction'")
            inside.append(cur.row()["open"])
        note(*result)

    monkeypatch.setattr(verify, "_note", noting)
    verify.verify()
    assert inside == [0]


@pytest.mark.parametrize("wrong", [
    {"findings": 0, "first_finding": "Bill 1"}, {"findings": 1, "first_finding": None},
    {"findings": 1, "first_finding": "x" * 1001}, {"bills": -1}, {"payments": -1}, {"findings": -1},
])
def test_a_note_that_makes_no_sense_is_refused(db, wrong):
    row = {"bills": 1, "payments": 1, "findings": 0, "first_finding": None, **wrong}
    with pytest.raises(errors.Conflict, match="A verification "), database.transaction() as cur:
        cur.execute("INSERT INTO verifications (bills, payments, findings, first_finding) "
                    "VALUES (%(bills)s, %(payments)s, %(findings)s, %(first_finding)s)", row)
