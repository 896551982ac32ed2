"""Changing a record: its fields stand on the line to be edited, and nobody's change is written over unasked."""
from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest
from conftest import PROJECT, environment, lines

from tracker import errors

pytestmark = pytest.mark.slow

ADDRESS = "1 Harbour Street"
# Each update form: the way to it, then each question with what it shows, its column, and a change with the new value.
FORMS = {
    "customers": (("1", "3"), [
        ("Name", "Ada Okafor", "name", "\x7f\x7fye", "Ada Okafye"),
        ("Phone number", "+44 20 7946 0958", "phone_number", "\x7f9", "+44 20 7946 0959"),
        ("E-mail", "ada@example.com", "email", "\x7fn", "ada@example.con"),
        ("Account number", "K-1007", "account_number", "\x7f8", "K-1008"),
    ]),
    "locations": (("2", "3"), [("Address", ADDRESS, "address", "\x1b[H2\x1b[3~", "2 Harbour Street")]),
    "services": (("3", "3"), [
        ("Service name", "Fibre", "service_name", " 500", "Fibre 500"),
        ("Monthly cost", "49.90", "cost", "\x1b[D\x1b[D\x1b[D\x7f8", Decimal("48.90")),
        ("From", "2026-11-12", "started_on", "\x7f3", date(2026, 11, 13)),
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
    db.update_customer(customer_id, email="ada@example.com", account_number="K-1007")
    location_id = db.add_location(customer_id, ADDRESS)
    db.add_service(location_id, "Fibre", Decimal("49.90"), date(2026, 11, 12))
    db.add_equipment(location_id, "Router", "S-1", Decimal(120))
    db.add_bill(customer_id, "Setup", Decimal(30), date(2030, 1, 15))


def open_update(child, table):
    """Lead the program on a terminal to the first question of an update form."""
    for answer in (*FORMS[table][0], "1"):
        child.expect(r": $")
        child.send(f"{answer}\r")


def answer_in_turn(child, table, answers):
    """Answer each question of an update form when it stands there: what erases a line too early erases nothing."""
    for label, shown, column, *_ in FORMS[table][1]:
        child.expect_exact(f"{label}: {shown}")
        yield
        child.send(f"\x15{answers[column]}\r" if column in answers else "\r")


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
    assert {name for name in before if before[name] != after[name]} - {"amount_due", f"{column}_folded"} == {column}


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
    child.send("\r\r\r\r")
    child.expect_exact("Saved customer 1, Ada Okafor")


def test_a_refused_change_stays_on_the_line_to_be_mended(records, terminal, sql):
    child = terminal()
    open_update(child, "services")
    child.send("\r")
    child.expect_exact("Monthly cost: 49.90")
    child.send("5\r")
    child.expect_exact("Enter an amount such as 49.90")
    child.expect_exact("Monthly cost: 49.905")
    child.send("\x7f\x7f5\r\r")
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


THEIRS = {
    "name": "Theirs", "phone_number": "555 0777", "email": "theirs@example.com", "account_number": "T-1",
    "address": "Theirs", "service_name": "Theirs",
    "cost": Decimal("7.77"), "equipment_name": "Theirs", "serial_number": "T-7", "description": "Theirs",
    "amount_billed": Decimal("77.70"), "due_date": date(2030, 7, 7), "started_on": date(2026, 7, 7),
}
MINE = {
    "name": "Mine", "phone_number": "555 0888", "email": "mine@example.com", "account_number": "M-1",
    "address": "Mine", "service_name": "Mine", "cost": Decimal("8.88"),
    "equipment_name": "Mine", "serial_number": "M-8", "description": "Mine", "amount_billed": Decimal("88.80"),
    "due_date": date(2030, 8, 8), "started_on": date(2026, 8, 8),
}
TAKEN = pytest.mark.parametrize(("answer", "kept"), [("yes", MINE), ("no", THEIRS)])
EACH_FIELD = pytest.mark.parametrize(("table", "column"), FIELDS, ids=[f"{table}-{column}" for table, column in FIELDS])


@TAKEN
@EACH_FIELD
def test_what_somebody_else_changed_meanwhile_is_told_and_asked_about(
        table, column, answer, kept, records, terminal, sql):
    child = terminal()
    open_update(child, table)
    for _ in answer_in_turn(child, table, {column: MINE[column]}):
        sql(f"UPDATE {table} SET {column} = %s", THEIRS[column])
    label, = (label for label, _, of, *_ in FORMS[table][1] if of == column)
    child.expect_exact(f"Meanwhile somebody changed {label} to {THEIRS[column]}.")
    child.expect_exact("Type yes to overwrite that:")
    child.send(f"{answer}\r")
    child.expect_exact("Saved" if answer == "yes" else "Nothing saved.")
    assert sql(f"SELECT {column} FROM {table}") == [{column: kept[column]}]


@EACH_FIELD
def test_a_field_left_alone_does_not_take_back_what_somebody_else_made_of_it(table, column, records, terminal, sql):
    child = terminal()
    open_update(child, table)
    mine = {of: MINE[of] for _, _, of, *_ in FORMS[table][1] if of != column}
    for _ in answer_in_turn(child, table, mine):
        sql(f"UPDATE {table} SET {column} = %s", THEIRS[column])
    child.expect_exact("Saved")
    row, = sql(f"SELECT * FROM {table}")
    assert {of: row[of] for of in (*mine, column)} == {**mine, column: THEIRS[column]}


def test_no_keeps_theirs_and_saves_the_other_fields(records, terminal, sql):
    child = terminal()
    open_update(child, "equipment")
    child.expect_exact("Equipment name: Router")
    sql("UPDATE equipment SET equipment_name = 'Theirs', cost = 5")
    child.send("\x15Mine\r2\r\r")
    child.expect_exact("Meanwhile somebody changed Equipment name to Theirs.")
    child.send("no\r")
    child.expect_exact("Saved equipment 1, Theirs")
    assert sql("SELECT equipment_name, serial_number, cost FROM equipment") == [
        {"equipment_name": "Theirs", "serial_number": "S-12", "cost": 5}]


def test_what_both_changed_to_the_same_is_not_asked_about(records, terminal, sql):
    child = terminal()
    open_update(child, "services")
    child.expect_exact("Service name: Fibre")
    sql("UPDATE services SET service_name = 'Cable'")
    child.send("\x15Cable\r\r\r")
    child.expect_exact("Saved service 1, Cable")


def test_what_is_changed_again_while_the_question_stands_is_asked_about_again(records, terminal, sql):
    child = terminal()
    open_update(child, "services")
    child.expect_exact("Service name: Fibre")
    for theirs in ("Theirs", "Theirs again"):
        sql("UPDATE services SET service_name = %s", theirs)
        child.send("\x15Mine\r\r\r" if theirs == "Theirs" else "yes\r")
        child.expect_exact(f"Meanwhile somebody changed Service name to {theirs}.")
    child.expect_exact("overwrite that:")
    child.send("yes\r")
    child.expect_exact("Saved service 1, Mine")


def test_a_serial_number_that_somebody_took_away_is_told(records, terminal, sql):
    child = terminal()
    open_update(child, "equipment")
    child.expect_exact("Equipment name: Router")
    sql("UPDATE equipment SET serial_number = NULL")
    child.send("\r2\r\r")
    child.expect_exact("Meanwhile somebody changed Serial number to none.")


def test_a_script_ends_where_somebody_changed_the_same_and_no_yes_follows(records, uri, sql):
    program = subprocess.Popen([sys.executable, str(PROJECT / "main.py")], env=environment(uri), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    program.stdin.write(lines("1", "3", "1"))
    program.stdin.flush()
    said = ""
    while not said.endswith("Name [Ada Okafor]: "):
        said += program.stdout.read(1) or pytest.fail(f"It ended after {said}")
    sql("UPDATE customers SET name = 'Theirs'")
    said, complained = program.communicate(lines("Mine", "", "", "", "5", "1"), timeout=60)
    assert "Meanwhile somebody changed Name to Theirs." in said
    assert complained.startswith("Stopped at input line 8: Type yes in full, or no.")
    assert sql("SELECT name FROM customers") == [{"name": "Theirs"}]


@pytest.mark.parametrize("update", ["customer", "location", "service", "equipment", "bill"])
def test_an_update_writes_only_over_what_was_seen(update, records, db):
    change, get = getattr(db, f"update_{update}"), getattr(db, f"get_{update}")
    table = {"customer": "customers", "bill": "billing", "equipment": "equipment"}.get(update, f"{update}s")
    names = {"amount_billed": "amount"}
    seen = get(1)
    for _, _, column, *_ in FORMS[table][1]:
        name = names.get(column, column)
        change(1, **{name: THEIRS[column]}, seen=seen)
        with pytest.raises(errors.Changed) as caught:
            change(1, **{name: MINE[column]}, seen=seen)
        assert caught.value.present == get(1)
        assert get(1)[column] == THEIRS[column]
        change(1, seen=seen)
        change(1, **{name: THEIRS[column]}, seen=seen)
        assert get(1)[column] == THEIRS[column]
    with pytest.raises(errors.NotFound):
        change(99, **{name: MINE[column]}, seen=seen)


def test_devices_that_shared_a_serial_number_before_let_no_other_have_it_or_take_anothers(records, db, sql):
    db.add_equipment(1, "Modem", "M-1", Decimal(20))
    sql("INSERT INTO equipment (location_id, equipment_name, serial_number, cost, serial_repeat) "
        "VALUES (1, 'Twin', 's1', 5, 1)")
    db.update_equipment(3, serial_number="s-1")
    with pytest.raises(errors.Conflict):
        db.update_equipment(3, serial_number="m1")
    db.delete_equipment(1)
    with pytest.raises(errors.Conflict):
        db.add_equipment(1, "Third", "S1", Decimal(5))
    with pytest.raises(errors.Conflict):
        db.update_equipment(2, serial_number="S1")
    db.update_equipment(3, serial_number="")
    db.update_equipment(3, serial_number="S 1")
    db.update_equipment(2, serial_number="m-1", equipment_name="Bridge")
    assert sql("SELECT serial_number, serial_repeat FROM equipment ORDER BY 1") == [
        {"serial_number": "S 1", "serial_repeat": 0}, {"serial_number": "m-1", "serial_repeat": 0},
    ]
