"""A bank's file from the command line: how it is said to be read, what it books, and the exit code."""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

import database
from tracker import payments

pytestmark = pytest.mark.slow
HEADER = "Buchungstag;Betrag;Beguenstigter/Zahlungspflichtiger;Verwendungszweck\n"
COLUMNS = ("Columns: booked_on=Buchungstag, amount=Betrag, payer=Beguenstigter/Zahlungspflichtiger, "
           "reference=Verwendungszweck.\n")
OPEN = "1 line of the bank to decide on, 5.00: Billing, Bank lines to decide on.\n"


@pytest.fixture
def ada(db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    database.update_customer(customer_id, account_number="K-1007")
    return customer_id


@pytest.fixture
def yesterday(db):
    return database.today() - timedelta(days=1)


@pytest.fixture
def statement(tmp_path, yesterday):
    """Write a bank's file of yesterday's lines: amount, payer and reference."""
    def write(*rows, encoding="utf-8"):
        path = tmp_path / "bank.csv"
        path.write_bytes((HEADER + "".join(f"{yesterday:%d.%m.%Y};{row}\n" for row in rows)).encode(encoding))
        return str(path)

    return write


def told(done):
    return done.returncode, done.stdout, done.stderr


def test_a_file_is_checked_booked_and_booked_once(ada, statement, yesterday, run):
    path = statement("29,90;Ada Okafor;K-1007", "5,00;Bo Green;thanks", "x;Cy Dunn;K-1007")
    found = (f"{COLUMNS}Bookings of {yesterday} to {yesterday}:\n"
             "              Lines  Amount\n"
             "------------  -----  ------\n"
             "Certain           1   29.90\n"
             "To decide on      1    5.00\n")
    unread = "Line 4: x is no amount.\n1 line could not be read.\n"
    mend = f"1 line to mend and import: {path}.rejects.csv\n"
    assert told(run("import-payments", path, "--dry-run")) == (
        1, f"{found}A dry run: nothing was written.\n", unread)
    assert payments.latest_payments() == []
    assert told(run("import-payments", path, "--yes")) == (1, f"{found}Booked 1 payment, 29.90.\n{mend}{OPEN}", unread)
    again = (f"{COLUMNS}Bookings of {yesterday} to {yesterday}:\n"
             "               Lines  Amount\n"
             "-------------  -----  ------\n"
             "Certain            0    0.00\n"
             "There already      2   34.90\n")
    assert told(run("import-payments", path)) == (1, f"{again}Nothing to book: no line of it is new.\n", unread)
    assert [(row["customer_id"], row["amount"]) for row in payments.latest_payments()] == [(ada, Decimal("29.90"))]


def test_an_encoding_that_is_a_guess_is_said_and_one_that_is_proven_or_remembered_is_not(ada, statement, run):
    rows = ["29,90;Jürgen Weiß;K-1007"]
    guess = "Its encoding is a guess: as cp1252 it has Jürgen Weiß. Where that reads wrong, save it as UTF-8.\n"
    assert run("import-payments", statement(*rows), "--dry-run").stdout.count("encoding") == 0
    path = statement(*rows, encoding="cp1252")
    for said in (guess, ""):
        done = run("import-payments", path, "--yes", "--bank", "House bank")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"{COLUMNS}{said}Bookings of ")
