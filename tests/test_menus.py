"""The program as its user meets it: by piped input, and on a pseudo-terminal."""
from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal

import pexpect
import pytest
from conftest import PROJECT, PROMPT, environment, lines, run_program, sentence

import database

pytestmark = pytest.mark.slow

# How each kind of record is added, shown, changed and deleted, on a database that holds one of everything.
KINDS = {
    "customer": ("1", "12345", ["Bo Berg", "555 0100"]),
    "location": ("2", "12345", ["1", "9 Mill Lane"]),
    "service": ("3", "12345", ["1", "Telephone", "9.50", "always"]),
    "equipment": ("4", "12345", ["1", "Antenna", "S-77", "80"]),
    "bill": ("5", "23456", ["1", "Repair", "15.25", "2030-05-31"]),
}
QUESTIONS_OF_A_CHANGE = {"customer": 4, "location": 1, "service": 3, "equipment": 3, "bill": 3}
TABLES = {
    "customer": "customers", "location": "locations", "service": "services", "equipment": "equipment",
    "bill": "billing",
}


@pytest.fixture
def records(db):
    """Ada's account: two locations, one of them with a service and a device, and a late bill."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    db.add_location(customer_id, "2 Harbour Street")
    db.add_service(location_id, "Fibre", Decimal("49.90"))
    db.add_equipment(location_id, "Router", "S-1", Decimal(120))
    db.add_bill(customer_id, "Setup", Decimal(30), db.today() - timedelta(days=10))
    db.disconnect()


def count(sql, kind: str) -> int:
    return sql(f"SELECT count(*) FROM {TABLES[kind]}")[0]["count"]


def entry(kind: str, action: str) -> list[str]:
    """Return the two digits that lead from the main menu to an action."""
    menu, digits, _ = KINDS[kind]
    return [menu, digits[["add", "view", "update", "delete"].index(action)]]


@pytest.mark.parametrize("kind", KINDS)
def test_add_says_the_new_id(kind, records, run, sql):
    before = count(sql, kind)
    done = run(answers=lines(*entry(kind, "add"), *KINDS[kind][2], "0", "0"))
    said, = re.findall(rf"^Added {kind} (\d+), (.*)\.$", done.stdout, re.MULTILINE)
    assert KINDS[kind][2][0 if kind == "customer" else 1] in said[1]
    assert (done.returncode, done.stderr) == (0, "")
    assert count(sql, kind) == before + 1


def test_what_is_added_is_stored(records, run, sql):
    for kind in KINDS:
        run(answers=lines(*entry(kind, "add"), *KINDS[kind][2], "0", "0"))
    assert sql("SELECT name, phone_number FROM customers WHERE customer_id = 2") == [
        {"name": "Bo Berg", "phone_number": "555 0100"}]
    assert sql("SELECT customer_id, address FROM locations WHERE location_id = 3") == [
        {"customer_id": 1, "address": "9 Mill Lane"}]
    assert sql("SELECT location_id, service_name, cost FROM services WHERE service_id = 2") == [
        {"location_id": 1, "service_name": "Telephone", "cost": Decimal("9.50")}]
    assert sql("SELECT location_id, equipment_name, serial_number, cost FROM equipment WHERE equipment_id = 2") == [
        {"location_id": 1, "equipment_name": "Antenna", "serial_number": "S-77", "cost": Decimal(80)}]
    assert sql("SELECT customer_id, description, amount_billed, due_date FROM billing WHERE billing_id = 2") == [
        {"customer_id": 1, "description": "Repair", "amount_billed": Decimal("15.25"), "due_date": date(2030, 5, 31)}]


@pytest.mark.parametrize(("kind", "shown"), [
    ("customer",
     ["Customer 1  Ada Okafor", "Location 2  2 Harbour Street", "Service 1  Fibre", "49.90", "Bill 1  Setup"]),
    ("location", ["Customer 1  Ada Okafor", "Location 1  1 Harbour Street", "Service 1  Fibre", "serial S-1"]),
    ("service", ["Fibre", "49.90", "1 Harbour Street", "Ada Okafor"]),
    ("equipment", ["Router", "S-1", "120.00", "1 Harbour Street", "Ada Okafor"]),
    ("bill", ["Setup", "30.00", "10", "Ada Okafor"]),
])
def test_view_shows_one_record(kind, shown, records, run):
    done = run(answers=lines(*entry(kind, "view"), "1", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    for part in shown:
        assert part in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_view_lists_all_at_enter(kind, records, run):
    done = run(answers=lines(*entry(kind, "view"), "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^ +1 .*Ada Okafor", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_view_of_nothing_says_so(kind, run):
    done = run(answers=lines(*entry(kind, "view"), "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "There are none." in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_enter_keeps_what_is_there_on_update(kind, records, run, sql):
    before = sql(f"SELECT * FROM {TABLES[kind]} ORDER BY 1")
    done = run(answers=lines(*entry(kind, "update"), "1", *[""] * QUESTIONS_OF_A_CHANGE[kind], "0", "0"))
    assert f"Saved {kind} 1, " in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert sql(f"SELECT * FROM {TABLES[kind]} ORDER BY 1") == before


@pytest.mark.parametrize(("kind", "answers", "column", "value"), [
    ("customer", ["Ada Obi", "", "", ""], "name", "Ada Obi"),
    ("customer", ["", "555 0199", "", ""], "phone_number", "555 0199"),
    ("customer", ["", "", "ada@example.org", ""], "email", "ada@example.org"),
    ("customer", ["", "", "", " K-1007 "], "account_number", "K-1007"),
    ("location", ["3 Harbour Street"], "address", "3 Harbour Street"),
    ("service", ["Cable", "", ""], "service_name", "Cable"),
    ("service", ["", "39.90", ""], "cost", Decimal("39.90")),
    ("service", ["", "", "2026-11-12"], "started_on", date(2026, 11, 12)),
    ("equipment", ["Modem", "", ""], "equipment_name", "Modem"),
    ("equipment", ["", "S-2", ""], "serial_number", "S-2"),
    ("equipment", ["", "-", ""], "serial_number", None),
    ("equipment", ["", "", "99.95"], "cost", Decimal("99.95")),
    ("bill", ["Repair", "", ""], "description", "Repair"),
    ("bill", ["", "31.50", ""], "amount_billed", Decimal("31.50")),
    ("bill", ["", "", "2031-01-31"], "due_date", date(2031, 1, 31)),
])
def test_update_changes_one_field_and_keeps_the_rest(kind, answers, column, value, records, run, sql):
    table = TABLES[kind]
    before = sql(f"SELECT * FROM {table} ORDER BY 1")[0]
    done = run(answers=lines(*entry(kind, "update"), "1", *answers, "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    after = sql(f"SELECT * FROM {table} ORDER BY 1")[0]
    assert after[column] == value
    assert {name for name in before if before[name] != after[name]} - {
        "amount_due", "issued_on", f"{column}_folded"} == {column}


def test_update_shows_each_present_value_in_brackets(records, run):
    done = run(answers=lines("4", "3", "1", "", "", "", "0", "0"))
    for question in ("Equipment name [Router]: ", "Serial number [S-1; - for none]: ", "Cost [120.00]: "):
        assert question in done.stdout


@pytest.mark.parametrize(("kind", "counted"), [
    ("location", "This deletes location 1, 1 Harbour Street, of Ada Okafor with 1 service, 1 equipment."),
    ("service", "This deletes service 1, Fibre, at 1 Harbour Street, of Ada Okafor."),
    ("equipment", "This deletes equipment 1, Router, at 1 Harbour Street, of Ada Okafor."),
    ("bill", "This deletes bill 1, Setup, 30.00, of Ada Okafor."),
])
def test_delete_counts_and_wants_yes(kind, counted, records, run, sql):
    before = count(sql, kind)
    menu, delete = entry(kind, "delete")
    refusals = [answer for word in ("no", "n", "", "NO") for answer in (delete, "1", word)]
    done = run(answers=lines(menu, *refusals, "0", "0"))
    assert done.stdout.count(counted) == done.stdout.count("Not deleted.") == 4
    for word in ("y", "Ada Okafor"):
        done = run(answers=lines(menu, delete, "1", word))
        assert sentence(done.stderr) == "Stopped at input line 4: Type yes in full, or no."
    assert count(sql, kind) == before
    done = run(answers=lines(menu, delete, "1", "yes", "0", "0"))
    assert f"Deleted {kind} 1, " in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert count(sql, kind) == before - 1


@pytest.mark.parametrize(("name", "typed"), [
    ("Máire O’Brien‐Núñez", "máire o'brien-núñez"), ("Jürgen\u00a0Weiß", "jürgen weiss"),
])
def test_a_name_with_signs_that_a_keyboard_lacks_can_be_typed_to_erase(name, typed, run, sql):
    sql("INSERT INTO customers (name) VALUES (%s)", name)
    done = run(answers=lines("1", "6", "1", "", "yes", "8", "1", typed, "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert sql("SELECT name FROM customers") == [{"name": "Erased 1"}]


def test_a_customer_with_bills_is_not_deleted_but_closing_is_offered(records, run, sql):
    before = {kind: count(sql, kind) for kind in KINDS}
    done = run(answers=lines("1", "4", "1", "yes", "0", "0"))
    assert sentence(done.stderr) == ("Stopped at input line 3: Customer 1 has 1 bill, which stays; close the account "
                                     "instead: Manage Customers, 6.")
    assert {kind: count(sql, kind) for kind in KINDS} == before


def test_deleting_a_customer_without_bills_wants_yes_and_counts_what_goes(records, run, sql):
    sql("DELETE FROM billing")
    account = "customer 1, Ada Okafor, +44 20 7946 0958 with 2 locations, 1 service, 1 equipment"
    done = run(answers=lines("1", "4", "1", "ada okafor"))
    assert f"This deletes {account}." in done.stdout
    assert sentence(done.stderr) == "Stopped at input line 4: Type yes in full, or no."
    done = run(answers=lines("1", "4", "1", "yes", "0", "0"))
    assert f"Deleted {account}." in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert all(count(sql, kind) == 0 for kind in KINDS)


@pytest.mark.parametrize("kind", ["customer", "location"])
def test_a_delete_is_refused_when_more_would_go_than_was_shown(kind, records, terminal, sql):
    sql("DELETE FROM billing")
    child = terminal()
    for answer in (*entry(kind, "delete"), "1"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert child.after.endswith("to delete: ")
    sql("INSERT INTO services (location_id, service_name, cost) VALUES (1, 'Telephone', 5)")
    child.send("yes\r")
    child.expect_exact("changed while you were looking; nothing was deleted.")
    assert count(sql, "service") == 2


@pytest.mark.parametrize(("kind", "term"), [
    ("customer", "okafor"), ("customer", "+7946"), ("customer", "020 7946 0958"), ("customer", "2 HARBOUR"),
    ("location", "1 harb"), ("service", "okafor"), ("equipment", "S-1"), ("equipment", "okafor"), ("bill", "Ada"),
])
def test_what_is_no_id_is_searched_for(kind, term, records, run):
    done = run(answers=lines(*entry(kind, "view"), term, "0", "0"))
    assert f"\n{kind.capitalize()} 1{'  ' if kind == 'customer' else ', '}" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_id_and_a_search_without_a_hit_get_a_sentence_and_the_question_again(kind, records, terminal):
    child = terminal()
    child.setwinsize(24, 200)
    for action in ("view", "update", "delete"):
        more = ", or closed" if (kind, action) == ("customer", "view") else ""
        question = f"{kind.capitalize()} (ID or search{more})"
        child.send("".join(f"{answer}\r" for answer in entry(kind, action)))
        for answer, said in (("999", f"There is no {kind} 999. Enter another ID, or part"),
                             ("nobody at all", f"No {kind} matches nobody at all.")):
            child.expect_exact(question)
            child.send(f"{answer}\r")
            child.expect_exact(said)
        child.expect_exact(question)
        child.expect(": $")
        child.sendintr()
        child.expect(PROMPT)
        child.send("0\r")


@pytest.mark.parametrize("kind", ["location", "service", "equipment", "bill"])
def test_an_unknown_parent_gets_a_sentence_and_the_question_again(kind, records, terminal, sql):
    before = count(sql, kind)
    child = terminal()
    child.send("".join(f"{answer}\r" for answer in (*entry(kind, "add"), "999", *KINDS[kind][2])))
    child.expect_exact("There is no ")
    child.expect_exact("Added")
    assert count(sql, kind) == before + 1


def test_several_hits_are_picked_by_number(run, sql):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Bo Berg', '123'), ('Al Berg', '456'), ('Cy', '789')")
    done = run(answers=lines("1", "3", "berg", "2", "New name", "", "", "", "0", "0"))
    assert "Saved customer 1, New name, 123." in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_a_number_that_is_not_listed_is_asked_for_again(terminal, sql):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Bo Berg', '123'), ('Al Berg', '456')")
    child = terminal()
    for answer in ("1", "3", "berg", "3"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("Type one of these: number picks, Enter, 0 or q back.")
    child.expect(PROMPT)
    child.send("2\r")
    child.expect(PROMPT)
    assert child.after.endswith("Name: Bo Berg")
    child.send("\x15New name\r")
    for _ in range(3):
        child.expect(PROMPT)
        child.send("\r")
    child.expect_exact("Saved customer 1, New name, 123.")


def test_an_id_wins_over_an_account_number_off_a_terminal(run, sql):
    sql("INSERT INTO customers (name, account_number) VALUES ('Ada', '2'), ('Bo', '77'), ('Cy', NULL)")
    for number, name in (("2", "Bo"), ("77", "Bo"), ("3", "Cy")):
        done = run(answers=lines("1", "3", number, "", "", "", "", "0", "0"))
        assert f", {name}, no phone number" in done.stdout.split("Saved customer")[1]
        assert (done.returncode, done.stderr) == (0, "")


def test_digits_that_are_an_account_number_lead_to_what_that_customer_has_where_they_are_no_id(run, sql):
    sql("INSERT INTO customers (name, account_number) VALUES ('Ada', '77'), ('Bo', NULL)")
    sql("INSERT INTO locations (customer_id, address) VALUES (1, '1 Quay'), (1, '2 Quay'), (2, '9 Hill')")
    done = run(answers=lines("2", "3", "77", "2", "3 Quay", "0", "0"))
    assert "There is no location 77; customer 1, Ada, account number 77, has:" in done.stdout
    assert "Saved location 2, 3 Quay." in done.stdout
    sql("UPDATE customers SET account_number = '3' WHERE customer_id = 1")
    assert "Saved location 3, 9 Hall." in run(answers=lines("2", "3", "3", "9 Hall", "0", "0")).stdout


def test_a_long_list_of_hits_says_that_there_are_more(run, sql):
    sql("INSERT INTO customers (name, phone_number) SELECT 'Berg ' || i, '555 0100' FROM generate_series(1, 30) AS i")
    done = run(answers=lines("1", "3", "berg", "0", "berg 30", "", "", "", "", "0", "0"))
    assert f"Hits 1 to {database.MOST_HITS} of 30  (number picks, Enter next, 0 or q back): " in done.stdout
    assert "Saved customer 30, Berg 30, 555 0100." in done.stdout


def test_a_known_phone_number_is_shown_before_it_is_used_again(records, run, sql):
    done = run(answers=lines("1", "1", "Bo", "+442079460958", "no", "1", "Bo", "+442079460958", "yes", "0", "0"))
    assert done.stdout.count("This name or phone number is known already:") == 2
    assert "Not added." in done.stdout
    assert "Added customer 2, Bo." in done.stdout
    assert count(sql, "customer") == 2


@pytest.mark.parametrize(("way", "said"), [
    (["2", "1", "1", "1 Harbour Street"], "4: This customer already has a location with that address."),
    (["2", "3", "2", "1 Harbour Street"], "4: This customer already has a location with that address."),
    (["4", "1", "2", "Router", "S-1", "1"],
     "5: That is the serial number of equipment 1, Router, at 1 Harbour Street, of Ada Okafor."),
])
def test_a_broken_rule_is_one_sentence(way, said, records, run):
    done = run(answers=lines(*way, "0", "0"))
    assert (done.returncode, sentence(done.stderr)) == (1, f"Stopped at input line {said}")


def test_a_record_deleted_meanwhile_is_one_sentence(records, sql, terminal):
    child = terminal()
    for answer in ("3", "3", "1"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert child.after.endswith("Service name: Fibre")
    sql("DELETE FROM services")
    child.send("\x15Cable\r\r\r")
    child.expect_exact("There is no service 1.\r\n\r\nManage Services")


def test_credit_pays_a_new_bill_and_comes_back_when_it_is_deleted(records, run, sql):
    sql("DELETE FROM billing")
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (1, 25, '2026-01-15')")
    run(answers=lines("5", "2", "1", "Repair", "40", "2030-01-01"))
    assert sql("SELECT amount_paid, amount_due FROM billing") == [
        {"amount_paid": Decimal(25), "amount_due": Decimal(15)}]
    done = run(answers=lines("5", "5", "2", "yes", "0", "0"))
    assert "The 25.00 paid on it goes to other unpaid bills of the customer, then to credit." in done.stdout
    assert sql("SELECT credit FROM customer_credit") == [{"credit": Decimal(25)}]


def test_a_bill_that_is_lowered_below_what_was_paid_on_it_says_what_is_credit_now(records, run, sql):
    sql("INSERT INTO payments (customer_id, amount) VALUES (1, 25)")
    sql("SELECT apply_credit()")
    done = run(answers=lines("5", "4", "1", "", "20", "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "5.00 of what was paid on it is credit now.\n" in done.stdout


def test_the_first_screen_says_where_the_data_are_and_how_business_stands(records, run, uri):
    title, server, database, state, *_ = run(answers="0\n").stdout.splitlines()
    assert title.startswith("ISP Customer Tracker ")
    assert re.fullmatch(r"PostgreSQL \d+\.\d+.*, on .+", server)
    assert re.fullmatch(r"Database isp_test_\w+, as \w+", database)
    assert state == "1 customer. 1 customer late, with 30.00 in total."


def test_nothing_is_printed_in_colour_or_paged_off_a_terminal(run, sql):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'customer ' || i, 1000 + i FROM generate_series(1, 1200) AS i")
    done = run(answers=lines("1", "2", "", "0", "6", "1", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert len(re.findall(r"^ *\d+  customer \d+", done.stdout, re.MULTILINE)) == 1200
    assert len(re.findall(r"^Customer \d+  customer \d+", done.stdout, re.MULTILINE)) == 1200


def test_complaints_go_to_standard_error_and_make_the_exit_code_1(run):
    done = run(answers=lines("1", "1", "Ada", "123", "10", "1", "Bo", "123", "0", "0"))
    assert (done.returncode, done.stderr) == (1, "Stopped at input line 5: Enter a number from 0 to 9.\n")
    assert "Added customer 1, Ada." in done.stdout
    assert "Stopped" not in done.stdout


def test_a_run_without_complaints_ends_with_0(run):
    assert run(answers=lines("1", "1", "Ada", "123", "0", "0")).returncode == 0


@pytest.mark.parametrize("answers", ["", "\n", "1\n", "1\n1\n", "1\n1\nAda\n", "6\n1\n"])
def test_the_end_of_input_leaves_the_program(answers, run, sql):
    done = run(answers=answers)
    assert "Traceback" not in done.stderr
    assert count(sql, "customer") == 0


def test_the_end_of_input_in_a_form_writes_nothing(run, sql):
    done = run(answers="1\n1\nAda\n")
    assert (done.returncode, done.stderr) == (1, "Cancelled, nothing changed.\n")
    assert count(sql, "customer") == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_a_form_at_its_last_question_writes_nothing(key, kind, records, sql, terminal):
    tables = {name: sql(f"SELECT * FROM {name}") for name in TABLES.values()}
    child = terminal()
    for answer in [*entry(kind, "add"), *KINDS[kind][2][:-1]]:
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    child.send(key)
    child.expect_exact("Cancelled, nothing changed.")
    child.expect_exact("Choose: ")
    assert tables == {name: sql(f"SELECT * FROM {name}") for name in TABLES.values()}


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_a_delete_deletes_nothing(key, records, sql, terminal):
    child = terminal()
    for answer in ("3", "4", "1"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert child.after.endswith("Type yes to delete: ")
    child.send(key)
    child.expect_exact("Cancelled, nothing changed.")
    assert count(sql, "service") == 1


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_leaving_a_menu_goes_back_and_at_the_top_ends_with_0(key, terminal):
    child = terminal()
    child.expect(PROMPT)
    child.send("2\r")
    child.expect(PROMPT)
    assert "Manage Locations" in child.before
    child.send(key)
    child.expect(PROMPT)
    assert "Main menu" in child.before
    child.send(key)
    child.expect(pexpect.EOF)
    assert child.wait() == 0


def test_on_a_terminal_a_wrong_answer_does_not_spoil_the_exit_code(terminal):
    child = terminal()
    child.send("x\r0\r")
    child.expect(pexpect.EOF)
    assert child.wait() == 0


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_program_at_a_prompt(ending, code, terminal):
    child = terminal()
    for answer in ("1", "1"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert child.after.endswith("Name: ")
    child.kill(ending)
    child.expect(pexpect.EOF)
    assert child.wait() == code
    assert "Traceback" not in child.before


@pytest.mark.parametrize(("keys", "name"), [
    ("Adz\x1b[D\x1b[3~a", "Ada"), ("dda\x1b[H\x1b[C\x7fA", "Ada"), ("Adaa\x7f", "Ada"), ("da\x01A", "Ada"),
    ("Ad\x1b[A\x1b[Ba", "Ada"), ("José\x1b[D\x7fsé\x1b[C\x7f", "José"),
])
def test_the_arrow_keys_edit_the_line(keys, name, sql, terminal):
    child = terminal()
    for answer in ("1", "1", keys, "123"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("Added customer 1")
    assert sql("SELECT name FROM customers") == [{"name": name}]


@pytest.fixture
def many(sql):
    sql("INSERT INTO customers (name, phone_number) SELECT 'customer ' || i, 1000 + i FROM generate_series(1, 50) AS i")
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "SELECT customer_id, 'Setup', 10, '2020-01-01', DATE '2020-02-01' + customer_id::int FROM customers")


def rows(screen: str) -> list[int]:
    """Return the IDs of the rows on a screen."""
    return [int(row) for row in re.findall(r"^ *(\d+)  ", screen, re.MULTILINE)]


@pytest.mark.parametrize("way", ["1\r2\r\r", "5\r1\r"], ids=["list", "late report"])
def test_a_long_table_is_turned_by_pages(way, many, terminal):
    child = terminal()
    child.expect_exact("Choose: ")
    child.send(way)
    child.expect(r"Rows (\d+) to (\d+) of 50  \(ID opens, Enter next, 0 or q back\): ")
    size = int(child.match[2])
    assert size < 24
    assert rows(child.before)[-size:] == list(range(1, size + 1))
    child.send("\r")
    child.expect_exact(f"Rows {size + 1} to {2 * size} of 50  (ID opens, Enter next, p previous, 0 or q back): ")
    assert rows(child.before) == list(range(size + 1, 2 * size + 1))
    child.send("p\r")
    child.expect_exact(f"Rows 1 to {size} of 50")
    child.send("n\rn\r")
    child.expect_exact("to 50 of 50  (ID opens, p previous, Enter, 0 or q back): ")
    child.send("x\r")
    child.expect_exact("Type one of these: ID opens, p previous, Enter, 0 or q back.")
    child.send("0\r")
    child.expect_exact("Choose: ")


def test_a_page_of_a_table_fits_the_terminal(many, terminal):
    child = terminal()
    child.send("1\r2\r")
    child.expect_exact("[all]: ")
    child.send("\r")
    child.expect(r"back\): $")
    assert len(child.before.splitlines()) <= 24


def test_the_account_report_is_turned_by_pages(many, terminal):
    child = terminal()
    child.send("6\r1\r")
    child.expect_exact("Lines 1 to 22  (Enter next, 0 or q back): ")
    child.send("\r")
    child.expect_exact("Lines 23 to 44  (Enter next, p previous, 0 or q back): ")
    child.send("p\r")
    child.expect_exact("Customer 1  customer 1\x1b")
    child.expect_exact("Lines 1 to 22")
    child.send("0\r")
    child.expect_exact("Choose: ")


def test_a_short_list_asks_only_what_to_open(records, terminal):
    child = terminal()
    child.send("1\r2\r")
    child.expect_exact("[all]: ")
    child.send("\r")
    child.expect_exact("Ada Okafor")
    child.expect_exact("Rows 1 to 1 of 1  (ID opens, Enter, 0 or q back): ")
    child.send("\r")
    child.expect_exact("Manage Customers")


@pytest.mark.parametrize("option", ["--help", "--version", "late-report --help", "account-report --help"])
def test_help_and_version_need_no_database(option):
    done = run_program("postgresql://nobody@127.0.0.1:1/nothing", *option.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert "ISP Customer Tracker" in done.stdout or "usage: main.py" in done.stdout


@pytest.mark.parametrize("wrong", ["--frob", "frob", "late-report --format xml"])
def test_a_wrong_argument_ends_with_2_before_the_database(wrong):
    done = run_program("postgresql://nobody@127.0.0.1:1/nothing", *wrong.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: main.py")


@pytest.fixture
def late(sql):
    """Two customers who are late, one who has paid, and one whose bill is not due yet."""
    sql("INSERT INTO customers (name, phone_number) "
        "VALUES ('Short', '111'), ('Long', '222'), ('Paid', '333'), ('Fine', '444')")
    sql("""
        INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date)
        VALUES (1, 'Setup', 10.50, '2020-01-01', CURRENT_DATE - 3), (2, 'March', 20, '2020-01-01', CURRENT_DATE - 40),
               (2, 'April', 30, '2020-01-01', CURRENT_DATE - 10), (2, 'May', 99, '2020-01-01', CURRENT_DATE + 20),
               (3, 'Setup', 10, '2020-01-01', CURRENT_DATE - 40), (4, 'Setup', 10, '2020-01-01', CURRENT_DATE)
        """)
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (2, 5, '2026-01-15'), (3, 10, '2026-01-16')")
    sql("SELECT apply_credit()")
    return {"Short": (Decimal("10.50"), 3, None), "Long": (Decimal(45), 40, "2026-01-15")}


def test_the_late_report_lists_the_latest_first_and_sums_up(late, run):
    done = run("late-report")
    _, _, first, second, last = done.stdout.splitlines()
    assert re.fullmatch(r" +2  Long +222 +45\.00  \S+ +40  2026-01-15", first)
    assert re.fullmatch(r" +1  Short +111 +10\.50  \S+ +3 *", second)
    assert last == "2 customers late, with 55.50 in total."
    assert (done.returncode, done.stderr) == (0, "")


def test_the_late_report_in_the_menu_is_the_same(late, run):
    assert run("late-report").stdout in run(answers=lines("5", "1", "0", "0")).stdout


def test_the_late_report_as_csv(late, run):
    found = list(csv.DictReader(io.StringIO(run("late-report", "--format", "csv").stdout)))
    assert [row["name"] for row in found] == ["Long", "Short"]
    for row in found:
        amount, days, paid = late[row["name"]]
        shown = (row["amount_late"], row["days_late"], row["last_payment_date"])
        assert shown == (f"{amount:.2f}", str(days), paid or "")


def test_the_late_report_as_json(late, run):
    found = json.loads(run("late-report", "--format", "json").stdout)
    assert [row["name"] for row in found] == ["Long", "Short"]
    for row in found:
        amount, days, paid = late[row["name"]]
        assert (row["amount_late"], row["days_late"], row["last_payment_date"]) == (f"{amount:.2f}", days, paid)


@pytest.mark.parametrize("closed", ["0", "2"])
def test_a_report_runs_with_a_standard_stream_closed(closed, late, uri):
    command = f'exec {closed}>&-; exec "$0" "$@"'
    done = subprocess.run(["sh", "-c", command, sys.executable, PROJECT / "main.py", "late-report"],
                          env=environment(uri), capture_output=True, timeout=180, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"2 customers late" in done.stdout


def test_nobody_late_is_said(run):
    assert run("late-report").stdout == "Nobody is late.\n"
    assert json.loads(run("late-report", "--format", "json").stdout) == []


def test_the_account_report_shows_the_hierarchy(records, run):
    report = run("account-report").stdout
    parts = ["Customer 1  Ada Okafor", "  Monthly total 49.90, to pay 30.00, credit 0.00",
             "  Location 1  1 Harbour Street", "    Service 1  Fibre",
             "    Equipment 1  Router, serial S-1", "  Location 2  2 Harbour Street",
             "    No services, no equipment.", "  Unpaid bills", "    Bill 1  Setup ", "1 customer."]
    found = [report.index(part) for part in parts]
    assert found == sorted(found)
    assert max(map(len, report.splitlines())) <= 80


def test_the_account_report_shows_the_latest_paid_bills_and_counts_the_earlier(run, sql):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '123')")
    sql("""
        INSERT INTO billing (customer_id, description, amount_billed, amount_paid, issued_on, due_date,
                             last_payment_date)
        SELECT 1, 'No. ' || i, 10, 10, '2020-01-01', DATE '2020-02-01' + i, '2020-02-02'
        FROM generate_series(1, 8) AS i
        """)
    report = run("account-report").stdout
    assert re.findall(r"No\. \d", report) == ["No. 8", "No. 7", "No. 6"]
    assert "and 5 earlier" in report


def test_the_account_report_as_csv(records, run):
    found = list(csv.DictReader(io.StringIO(run("account-report", "--format", "csv").stdout)))
    assert [row["record"] for row in found] == ["customer", "location", "service", "equipment", "location", "bill"]
    assert {row["name"] for row in found} == {"Ada Okafor"}


def test_the_account_report_as_json(records, run):
    account, = json.loads(run("account-report", "--format", "json").stdout)
    assert (account["name"], account["monthly_total"], account["amount_due"]) == ("Ada Okafor", "49.90", "30.00")
    assert [site["address"] for site in account["locations"]] == ["1 Harbour Street", "2 Harbour Street"]


# Its own, as the system notes it for what runs in a process now: ru_maxrss has what ran there before, the tests.
MEASURED = """
import re, sys
sys.path.insert(0, sys.argv.pop(1))
import main
code = main.main(sys.argv[1:])
with open("/proc/self/status") as status:
    print(re.search(r"VmHWM:\\s+([0-9]+) kB", status.read())[1], file=sys.stderr)
sys.exit(code)
"""


def peak_kilobytes(uri: str, *arguments: str) -> int:
    done = subprocess.run([sys.executable, "-c", MEASURED, str(PROJECT), *arguments], env=environment(uri),
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=180)
    return int(done.stderr)


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_the_account_reports_memory_does_not_grow_with_the_customers(form, sql, uri):
    add = """
        INSERT INTO customers (name, phone_number)
        SELECT repeat('name ', 8) || i, 100000 + i FROM generate_series(1, %s) AS i;
        INSERT INTO locations (customer_id, address)
        SELECT customer_id, repeat('address ', 8) || n FROM customers, generate_series(1, 2) AS n
        ON CONFLICT DO NOTHING
    """
    sql(add, 600)
    few = peak_kilobytes(uri, "account-report", "--format", form)
    sql(add, 4400)
    many = peak_kilobytes(uri, "account-report", "--format", form)
    assert many < few + 4000


def test_what_was_entered_is_there_after_a_restart(run):
    run(answers=lines("1", "1", "Ada Okafor", "123", "0", "2", "1", "1", "1 Harbour Street", "0", "0"))
    report = run("account-report").stdout
    assert "Customer 1  Ada Okafor" in report
    assert "Location 1  1 Harbour Street" in report


def test_a_killed_program_loses_nothing_that_it_acknowledged(run, terminal):
    child = terminal()
    child.send("1\r1\rAda\r123\r")
    child.expect_exact("Added customer 1, Ada.")
    child.kill(signal.SIGKILL)
    assert "Customer 1  Ada" in run("account-report").stdout


def test_no_entry_of_a_menu_leads_nowhere(run):
    import main

    def actions(menu):
        for label, action in menu.entries.values():
            yield label
            if isinstance(action, main.Menu):
                yield from actions(action)
            else:
                assert callable(action)

    assert all(label and label[0].isupper() for label in actions(main.MAIN_MENU))


def test_every_menu_ends_with_0(run):
    import main

    menus = {digit: action for digit, (_, action) in main.MAIN_MENU.entries.items() if isinstance(action, main.Menu)}
    done = run(answers=lines(*[answer for digit in menus for answer in (digit, "0")], "0"))
    assert (done.returncode, done.stderr) == (0, "")
    for menu in menus.values():
        assert f"\n{menu.title}\n" in done.stdout
