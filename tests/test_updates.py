"""Changing a record: its fields stand on the line to be edited, and nobody's change is written over unasked."""
from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

pytestmark = pytest.mark.slow

ADDRESS = "1 Harbour Street"
# Each update form: the way to it, then each question with what it shows, its column, and a change with the new value.
FORMS = {
    "customers": (("1", "3"), [
        ("Name", "Ada Okafor", "name", "\x7f\x7fye", "Ada Okafye"),
        ("Phone number", "+44 20 7946 0958", "phone_number", "\x7f9", "+44 20 7946 0959"),
    ]),
    "locations": (("2", "3"), [("Address", ADDRESS, "address", "\x1b[H2\x1b[3~", "2 Harbour Street")]),
    "services": (("3", "3"), [
        ("Service name", "Fibre", "service_name", " 500", "Fibre 500"),
        ("Monthly cost", "49.90", "cost", "\x1b[D\x1b[D\x1b[D\x7f8", Decimal("48.90")),
    ]),
    "equipment": (("4", "3"), [
        ("Equipment name", "Router", "equipment_name", "\x15Modem", "Modem"),
        ("Serial number", "S-1", "serial_number", "2", "S-12"),
        ("Cost", "120.00", "cost", "\x7f\x7f50", Decimal("120.50")),
    ]),
    "billing": (("5", "4"), [
        ("Description", "Setup", "description", "\x01The \x1b[C", "The Setup"),
        ("Amount", "30.00", "amount_billed", "\x7f\x7f05", Decimal("30.05")),
        ("Due date", "2030-01-15", "due_date", "\x7f\x7f31", date(2030, 1, 31)),
    ]),
}
FIELDS = [(table, column) for table, (_, questions) in FORMS.items() for _, _, column, _, _ in questions]


@pytest.fixture
def records(db):
    """One of everything."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    location_id = db.add_location(customer_id, ADDRESS)
    db.add_service(location_id, "Fibre", Decimal("49.90"))
    db.add_equipment(location_id, "Router", "S-1", Decimal(120))
    db.add_bill(customer_id, "Setup", Decimal(30), date(2030, 1, 15))


def open_update(child, table):
    """Lead the program on a terminal to the first question of an update form."""
    for answer in (*FORMS[table][0], "1"):
        child.expect(r": $")
        child.send(f"{answer}\r")


@pytest.mark.parametrize("table", FORMS)
def test_enter_keeps_each_value_that_stands_on_the_line(table, records, terminal, sql):
    before = sql(f"SELECT * FROM {table}")
    child = terminal()
    open_update(child, table)
    for label, shown, *_ in FORMS[table][1]:
        child.expect_exact(f"{label}: {shown}")
        child.send("\r")
    child.expect_exact("Saved")
    assert sql(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize(("table", "column"), FIELDS, ids=[column for _, column in FIELDS])
def test_a_value_is_edited_where_it_stands_and_the_others_stay(table, column, records, terminal, sql):
    before, = sql(f"SELECT * FROM {table}")
    child = terminal()
    open_update(child, table)
    for label, shown, of, keys, value in FORMS[table][1]:
        child.expect_exact(f"{label}: {shown}")
        child.send(f"{keys if of == column else ''}\r")
        if of == column:
            expected = value
    child.expect_exact("Saved")
    after, = sql(f"SELECT * FROM {table}")
    assert after[column] == expected
    assert {name for name in before if before[name] != after[name]} - {"amount_due"} == {column}


def test_a_serial_number_that_is_emptied_is_none(records, terminal, sql):
    child = terminal()
    open_update(child, "equipment")
    child.send("\r")
    child.expect_exact("Serial number: S-1")
    child.send("\x15\r\r")
    child.expect_exact("Saved")
    assert sql("SELECT serial_number FROM equipment") == [{"serial_number": None}]


def test_a_name_that_is_emptied_is_asked_for_again_as_it_was(records, terminal, sql):
    child = terminal()
    open_update(child, "customers")
    child.expect_exact("Name: Ada Okafor")
    child.send("\x15\r")
    child.expect_exact("Enter 1 to 200 characters")
    child.expect_exact("Name: Ada Okafor")
    child.send("\r\r")
    child.expect_exact("Saved customer 1, Ada Okafor")


def test_a_refused_change_stays_on_the_line_to_be_mended(records, terminal, sql):
    child = terminal()
    open_update(child, "services")
    child.send("\r")
    child.expect_exact("Monthly cost: 49.90")
    child.send("5\r")
    child.expect_exact("Enter an amount such as 49.90")
    child.expect_exact("Monthly cost: 49.905")
    child.send("\x7f\x7f5\r")
    child.expect_exact("Saved")
    assert sql("SELECT cost FROM services") == [{"cost": Decimal("49.95")}]


@pytest.mark.parametrize("term", ["dumb", ""])
def test_where_no_line_can_be_edited_the_value_stands_in_brackets(term, records, terminal, sql):
    child = terminal(TERM=term)
    open_update(child, "equipment")
    child.expect_exact("Equipment name [Router]: ")
    child.send("\r")
    child.expect_exact("Serial number [S-1; - for none]: ")
    child.send("-\r")
    child.expect_exact("Cost [120.00]: ")
    child.send("\r")
    child.expect_exact("Saved")
    assert "\x1b" not in child.before
    assert sql("SELECT serial_number FROM equipment") == [{"serial_number": None}]
