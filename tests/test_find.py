"""The command that finds customers: whom the menus find, for scripts."""
from __future__ import annotations

import json

import pytest

import database


@pytest.fixture
def books(db, sql):
    ada = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    bo = db.add_customer("Bo Li", "555 0102")
    place = db.add_location(ada, "1 Harbour Street")
    db.add_location(ada, "2 Harbour Street")
    db.add_location(bo, "3 Harbour Street")
    db.add_equipment(place, "Router", "RT-9E3779B1", 5)
    db.add_customer("José Twin", None)
    sql("UPDATE customers SET email = 'bo@li.example', closed_on = '2026-01-31' WHERE customer_id = %s", bo)


ADA = " 1  Ada Okafor  +44 20 7946 0958  1 Harbour Street"
FOUND = f"""\
ID  Name        Phone number      Address
--  ----------  ----------------  ----------------
{ADA}
"""


@pytest.mark.parametrize("words", [
    ["ada"], ["okafor", "harbour"], ["0958"], ["+44", "20", "7946", "0958"], ["rt9e3779b1"], ["C1"], ["1"],
    ["1 Harbour"],
])
def test_a_customer_is_found_by_what_the_menus_take(books, run, words):
    done = run("find", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, FOUND, "")


def test_the_address_is_the_one_that_has_the_words(books, run):
    assert run("find", "2", "harbour").stdout == FOUND.replace("1 Harbour", "2 Harbour")


def test_several_stand_by_name_with_what_some_have(books, run):
    done = run("find", "HARBOUR")
    assert (done.returncode, done.stdout, done.stderr) == (0, """\
ID  Name        Phone number      E-mail         Closed      Address
--  ----------  ----------------  -------------  ----------  ----------------
 1  Ada Okafor  +44 20 7946 0958                             1 Harbour Street
 2  Bo Li       555 0102          bo@li.example  2026-01-31  3 Harbour Street
""", "")


def test_files_have_the_same_under_fixed_names(books, run):
    assert run("find", "harbour", "--format", "csv").stdout == """\
customer_id,name,phone_number,email,account_number,closed_on,address
1,"Ada Okafor","'+44 20 7946 0958",,,,"1 Harbour Street"
2,"Bo Li","555 0102","bo@li.example",,2026-01-31,"3 Harbour Street"
"""
    assert json.loads(run("find", "jose", "--format", "json").stdout) == [
        {"customer_id": 3, "name": "José Twin", "phone_number": None, "email": None, "account_number": None,
         "closed_on": None, "merged_into": None, "address": None}]


def test_digits_are_an_id_before_they_are_part_of_a_number(books, run, sql):
    sql("UPDATE customers SET phone_number = '555 3' WHERE customer_id = 1")
    sql("UPDATE customers SET name = 'Club C3' WHERE customer_id = 2")
    assert run("find", "3").stdout.splitlines()[2:] == [" 3  José Twin"]
    assert [line.split()[0] for line in run("find", "555").stdout.splitlines()[2:]] == ["1", "2"]
    assert [line.split()[0] for line in run("find", "0102").stdout.splitlines()[2:]] == ["2"]


@pytest.mark.parametrize("words", [["nobody"], ["4"], ["98765"], ["ada", "quay"], ["9" * 300], ["%"]])
def test_where_nobody_is_found_that_is_said_and_the_exit_code_is_1(books, run, words):
    complaint = f"No customer matches {' '.join(words)}.\n"
    header = "customer_id,name,phone_number,email,account_number,closed_on,address\n"
    for form, nothing in (("table", ""), ("csv", header), ("json", "[]\n")):
        done = run("find", *words, "--format", form)
        assert (done.returncode, done.stdout, done.stderr) == (1, nothing, complaint)


@pytest.mark.parametrize(("words", "complaint"), [
    ([" "], "Enter 1 to 300 characters; that was nothing."),
    (["x" * 301], "Enter 1 to 300 characters; that was 301."),
    (["a\x1bb"], "Remove the control character U+001B; use letters, digits and signs."),
])
def test_words_that_cannot_be_are_refused(books, run, words, complaint):
    done = run("find", *words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{complaint}\n")


def test_all_are_shown_page_by_page_on_a_terminal_and_whole_elsewhere(db, sql, run, terminal):
    sql("INSERT INTO customers (name) SELECT 'Tenant ' || lpad(i::text, 3, '0') FROM generate_series(1, 600) AS i")
    done = run("find", "tenant", "--format", "csv")
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 601, "")
    assert run("find", "tenant").stdout.count("Tenant") == 600
    child = terminal("find", "tenant")
    child.expect_exact("Rows 1 to 20 of 600")
    child.sendline("")
    child.expect_exact("Rows 21 to 40 of 600")
    child.sendline("q")
    child.wait()
    assert child.exitstatus == 0


@pytest.mark.slow
def test_more_than_are_counted_are_said_to_be_cut_off(db, sql, run):
    sql("INSERT INTO customers (name) SELECT 'Tenant' FROM generate_series(1, %s)", database.MOST_COUNTED + 1)
    done = run("find", "tenant", "--format", "csv")
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (
        0, 100_001, "These are the first 100000; more words find fewer.\n")
