"""A report in which nothing stands is a report all the same: for a spreadsheet, with its header."""
from __future__ import annotations

import csv

import pytest

pytestmark = pytest.mark.slow
REPORTS = {
    "late-report": ["customer_id", "name", "phone_number", "closed_on", "amount_late", "oldest_due_date", "days_late",
                    "last_payment_date", "promise"],
    "aging-report": ["customer_id", "name", "not_due", "days_30", "days_60", "days_90", "older", "total"],
    "account-report": ["customer_id", "name", "phone_number", "record", "record_id", "description", "amount",
                       "serial_number", "due_date", "amount_due"],
}


@pytest.mark.parametrize("report", REPORTS)
def test_a_csv_report_without_rows_has_its_header(report, run):
    done = run(report, "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(csv.reader(done.stdout.splitlines())) == [REPORTS[report]]


@pytest.mark.parametrize("report", REPORTS)
def test_its_header_is_the_same_with_rows_and_has_all_that_json_has(report, sql, run):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '555')")
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "VALUES (1, 'Setup', 75, CURRENT_DATE - 60, CURRENT_DATE - 40)")
    header, row, *_ = csv.reader(run(report, "--format", "csv").stdout.splitlines())
    assert header == REPORTS[report]
    assert row[:2] == ["1", "Ada"]
    if report != "account-report":
        assert f'"{header[-1]}": ' in run(report, "--format", "json").stdout.splitlines()[-2]


def test_a_run_with_nothing_to_undo_says_so(sql, run):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '555')")
    sql("INSERT INTO billing (customer_id, description, period, amount_billed, issued_on, due_date) "
        "VALUES (1, 'May', '2026-05-01', 75, '2026-05-01', '2026-05-15')")
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (1, 75, '2026-05-02')")
    sql("SELECT apply_credit(NULL, ARRAY[1])")
    shown = run(answers="5\n10\n2026-05\n0\n0\n").stdout
    assert "0 bills" not in shown
    assert "Nothing to remove.\n1 bill stayed, since it was paid on, or its account is closed:\n" in shown


def test_payments_of_two_people_of_one_name_are_told_apart_where_one_is_voided(db, sql, run):
    for phone_number in ("555 0101", "555 0102"):
        db.add_customer("Maria Garcia", phone_number)
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (1, 20, '2026-05-02'), (2, 20, '2026-05-02')")
    shown = run(answers="5\n8\ngarcia\n\n").stdout
    assert "Maria Garcia            2  2026-05-02" in shown
    assert "Maria Garcia            1  2026-05-02" in shown


def test_two_customers_with_the_same_name_number_and_address_are_told_apart(db, run):
    for _ in range(2):
        db.add_location(db.add_customer("José Twin", "555 0101"), "1 Harbour Street")
    shown = run(answers="1\n2\ntwin\n\n").stdout
    assert [line.split()[3] for line in shown.splitlines() if "José Twin" in line] == ["1", "2"]


def test_two_services_that_read_the_same_are_told_apart(db, run):
    location_id = db.add_location(db.add_customer("Ada", "555 0101"), "1 Harbour Street")
    for _ in range(2):
        db.add_service(location_id, "Fibre 500", 5)
    shown = run(answers="3\n2\nfibre\n\n").stdout
    assert [line.split()[:2] for line in shown.splitlines() if "Fibre 500" in line] == [["1", "1"], ["2", "2"]]
