"""The trail as commands print it, and how it is thinned."""
from __future__ import annotations

import csv
import io
import json
import os
from datetime import date, timedelta, timezone
from decimal import Decimal

import psycopg2.extensions
import pytest
from conftest import lines, sentence

from tracker import bill_run, wording
from tracker.terminal import history

pytestmark = pytest.mark.slow


@pytest.fixture
def changed(db, sql):
    """A customer, =Ada, with a service whose cost was raised, and a device that is gone; by Ada but the last."""
    customer_id = db.add_customer("=Ada", "+44 20 7946 0958")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    db.update_service(db.add_service(location_id, "Fibre", Decimal("49.90")), cost=Decimal(50))
    db.delete_equipment(db.add_equipment(location_id, "Router", None, Decimal(89)))
    sql("UPDATE trail SET person = 'ada', changed_at = CURRENT_DATE - 2 + time '09:00' WHERE table_name <> 'equipment'")


def test_csv_has_every_change_with_its_values(changed, run, sql):
    done = run("changes", "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["trail_id"], row["table_name"], row["kind"], row["ids"], row["old"], row["new"]) for row in rows] == [
        ("6", "equipment", "deleted", "1", json.dumps([{
            "cost": "89.00", "retired_on": None, "location_id": 1, "equipment_id": 1, "serial_number": None,
            "serial_repeat": 0, "equipment_name": "Router"}]), ""),
        ("5", "equipment", "added", "1", "", ""),
        ("4", "services", "changed", "1", '{"cost": "49.90"}', '{"cost": "50.00"}'),
        ("3", "services", "added", "1", "", ""), ("2", "locations", "added", "1", "", ""),
        ("1", "customers", "added", "1", "", ""),
    ]


def test_a_value_of_the_trail_runs_in_no_spreadsheet(changed, db, run, sql):
    sql("UPDATE trail SET reason = '=1+1', person = '@ada'")
    row = next(csv.DictReader(io.StringIO(run("changes", "--format", "csv").stdout)))
    assert (row["reason"], row["person"]) == ("'=1+1", "'@ada")


@pytest.mark.parametrize(("options", "ids"), [
    (["--person", "ADA"], [4, 3, 2, 1]), (["--person", "postgres"], [6, 5, 4, 3, 2, 1]), (["--kind", "changed"], [4]),
    (["--table", "equipment"], [6, 5]), (["--from", "today"], [6, 5]), (["--to", "-1"], [4, 3, 2, 1]),
    (["--from", "-2", "--to", "-2", "--kind", "added", "--table", "services"], [3]), (["--person", "nobody"], []),
])
def test_changes_are_chosen_by_day_person_kind_and_table(options, ids, changed, run, sql):
    day, = sql("SELECT (CURRENT_DATE - 1)::text AS one, (CURRENT_DATE - 2)::text AS two")
    given = [{"-1": day["one"], "-2": day["two"]}.get(option, option) for option in options]
    done = run("changes", "--format", "json", *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["trail_id"] for row in json.loads(done.stdout)] == ids


def test_the_table_of_the_command_has_one_line_a_change(changed, run, sql):
    day, = sql("SELECT (CURRENT_DATE - 2)::text AS two")
    done = run("changes", "--kind", "changed")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2:] == [f"4   {day['two']} 09:00 ada: service 1, Fibre: monthly cost 49.90 → 50.00"]


def test_thinning_takes_what_is_older_than_the_years_and_notes_itself(changed, run, sql):
    longest = "CURRENT_DATE - interval '3 years'"
    sql(f"UPDATE trail SET changed_at = {longest} WHERE trail_id = 1")
    sql(f"UPDATE trail SET changed_at = {longest} - interval '1 second' WHERE trail_id IN (2, 4)")
    done = run("thin-trail", TRAIL_YEARS="3")
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "Deleted 2 rows of the trail older than 3 years.\n", "")
    assert sql("SELECT trail_id, table_name, kind, ids::text, row_count, reason FROM trail WHERE trail_id > 6 "
               "OR trail_id < 3") == [
        {"trail_id": 1, "table_name": "customers", "kind": "added", "ids": "{[1,2)}", "row_count": 1, "reason": None},
        {"trail_id": 7, "table_name": "trail", "kind": "deleted", "ids": "{[2,3),[4,5)}", "row_count": 2,
         "reason": "older than 3 years"},
    ]
    done = run("thin-trail")
    assert (done.returncode, done.stdout) == (0, "Nothing of the trail is older than 10 years.\n")


def test_thinning_is_for_the_owner_of_the_tables(changed, run, sql, uri):
    name = f"isp_thin_{os.getpid()}"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE isp_admin")
    try:
        done = run("thin-trail", DATABASE_URI=psycopg2.extensions.make_dsn(uri, user=name, password="x"))
        assert (done.returncode, sentence(done.stderr)) == (1, "That is for the owner of the tables, postgres.")
    finally:
        sql(f"DROP ROLE {name}")
    assert len(sql("SELECT trail_id FROM trail")) == 6


def test_a_deletion_is_brought_back_by_piped_answers(changed, run, sql):
    done = run(answers=lines("8", "4", "1", "yes", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Brought back equipment 1, Router, at location 1.\n" in done.stdout
    assert sql("SELECT equipment_id, equipment_name FROM equipment") == [
        {"equipment_id": 1, "equipment_name": "Router"}]


def test_of_many_obstacles_the_first_ten_are_said_and_how_many_more(db, run, sql):
    sql("INSERT INTO customers (name, created_at) SELECT 'C ' || n, '2020-01-01' FROM generate_series(1, 12) AS n")
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, '1 Quay' FROM customers")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre', 20 FROM locations")
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    bill_run.undo(date(2026, 10, 1))
    bill_run.run(date(2026, 10, 1), date(2026, 10, 15))
    done = run(answers=lines("8", "4", "1", "0", "0"))
    said = done.stdout.splitlines()
    first = said.index("The customer has another bill for that month by now, bill 13, October 2026.")
    assert said[first:first + 11] == [
        *(f"The customer has another bill for that month by now, bill {bill}, October 2026." for bill in range(13, 23)),
        "And 2 more like these."]


def test_a_moment_is_shown_in_the_zone_of_whoever_looks():
    assert wording.show_moment("2026-11-26T08:56:00.5+09:00", timezone.utc) == "2026-11-25 23:56"
    assert wording.show_moment("2026-11-26T08:56:00+00:00", timezone(timedelta(hours=2))) == "2026-11-26 10:56"


@pytest.mark.parametrize(("arguments", "env", "said"), [
    (["changes", "--from", "today", "--to", "2020-01-01"], {},
     "The first day of the changes cannot be after their last."),
    (["thin-trail"], {"TRAIL_YEARS": "9000"}, "TRAIL_YEARS must be a whole number from 1 to 1000."),
])
def test_days_and_years_that_cannot_be_are_refused(arguments, env, said, run):
    done = run(*arguments, **env)
    assert (done.returncode, done.stdout, sentence(done.stderr)) == (
        2 if env else 1, "", said)


def test_a_record_in_full_says_why_a_payment_is_void_and_leaves_out_what_follows():
    record = {"payment_id": 1, "void_reason": "bounced", "voided_on": "2026-11-25", "serial_repeat": 0,
              "name_folded": "ada"}
    assert list(history.record_lines("payments", record, timezone.utc)) == [
        "  payment id: 1", "  void reason: bounced", "  voided on: 2026-11-25"]


def test_a_moment_that_was_changed_is_told_in_the_zone_of_whoever_looks():
    old, new = {"created_at": "2026-11-26T08:56:00+09:00"}, {"created_at": "2026-11-26T00:30:00+00:00"}
    assert wording.differences("customers", old, new, timezone(timedelta(hours=2))) == (
        "created at 2026-11-26 01:56 → 2026-11-26 02:30")
