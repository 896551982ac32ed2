"""Answers that nobody types: a script ends at the first that is refused; a paste is one answer everywhere."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import termios
import threading
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pexpect
import pytest
from conftest import PROJECT, environment, lines, sentence, wait_for

from tracker import accounts, bill_run, credits, payments

pytestmark = pytest.mark.slow

TABLES = ("customers", "locations", "services", "equipment", "billing", "payments")
LONG = "x" * 301
# Each form: the way to it, and its answers, each with what is refused in its place and how the sentence begins.
FORMS = {
    "menu": (["5"], [("1", "99", "Enter a number from 0 to 19")]),
    "add customer": (["1", "1"], [("Bo Berg", LONG, "Enter 1 to 200"), ("555 0100", "12", "Enter a phone")]),
    "known phone": (["1", "1", "Bo Berg", "+442079460958"], [("yes", "y", "Type yes in full, or no.")]),
    "update customer": (["1", "3"], [
        ("1", "77", "There is no customer 77."), ("Ada Obi", LONG, "Enter 1 to 200"), ("555", "x", "Take out x"),
        ("ada@example.com", "ada", "Enter an e-mail"), ("K-1007", "K" * 51, "Enter 1 to 50")]),
    "view customer": (["1", "2"], [("1", "nobody", "No customer matches nobody.")]),
    "several hits": (["1", "3", "okafor"], [
        ("1", "3", "3 is not shown here. Type one of these: number picks, "),
        ("Ada", LONG, "Enter 1 to 200"), ("555", "x", "Take out x"), ("-", "ada", "Enter an e-mail"),
        ("-", "K" * 51, "Enter 1 to 50")]),
    "delete customer": (["1", "4", "3"], [("yes", "y", "Type yes in full, or no.")]),
    "close account": (["1", "6"], [
        ("1", "77", "There is no customer 77."), ("today", "never", "Enter a date"), ("left", "gone", "Enter stock"),
        ("yes", "y", "Type yes in full, or no.")]),
    "reopen account": (["1", "7"], [
        ("3", "77", "There is no customer 77."), ("yes", "y", "Type yes in full, or no.")]),
    "erase a person": (["1", "8"], [
        ("3", "77", "There is no customer 77."), ("Cy Dale", "yes", "Type Cy Dale in full, or no.")]),
    "merge": (["1", "9"], [
        ("1", "77", "There is no customer 77."), ("2", "78", "There is no customer 78."),
        ("yes", "y", "Type yes in full, or no.")]),
    "add location": (["2", "1"], [("1", "77", "There is no customer 77."), ("9 Mill Lane", LONG, "Enter 1 to 300")]),
    "update location": (["2", "3"], [("1", "nowhere", "No location matches"), ("9 Quay", LONG, "Enter 1 to 300")]),
    "delete location": (["2", "4"], [("1", "0", "Enter an ID, or part of"), ("yes", "ja", "Type yes in full, or no.")]),
    "add service": (["3", "1"], [
        ("1", "77", "There is no location 77."), ("Cable", "", "Enter 1 to 100"), ("9.50", "9,50", "Enter an amount"),
        ("2026-11-12", "someday", "Enter a date")]),
    "update service": (["3", "3"], [
        ("1", "77", "There is no service 77."), ("Cable", LONG, "Enter 1 to 100"), ("9.50", "free", "Enter an"),
        ("2026-11-12", "soon", "Enter a date")]),
    "end service": (["3", "6"], [("1", "77", "There is no service 77."), ("today", "never", "Enter a date")]),
    "pause service": (["3", "7"], [
        ("1", "77", "There is no service 77."), ("today", "soon", "Enter a date"),
        ("+3", "-3", "The last day cannot be before the first.")]),
    "change a price": (["3", "8"], [
        ("fib", "77", "No service in use is called 77;"), ("39.90", "free", "Enter an amount"),
        ("2031-01-01", "soon", "Enter a date"), ("39.90", "39", "Type 39.90 in full")]),
    "add equipment": (["4", "1"], [
        ("1", "77", "There is no location 77."), ("Antenna", "", "Enter 1 to 100"), ("S-9", LONG, "Enter 1 to 100"),
        ("5", "-5", "Enter an amount")]),
    "update equipment": (["4", "3"], [
        ("1", "77", "There is no equipment 77."), ("Antenna", LONG, "Enter 1 to 100"), ("-", LONG, "Enter 1 to 100"),
        ("5", "1e3", "Enter an amount")]),
    "move equipment": (["4", "7"], [
        ("1", "77", "There is no equipment 77."), ("stock", "77", "There is no location 77.")]),
    "swap": (["4", "8"], [
        ("1", "77", "There is no equipment 77."), ("written off", "gone", "Enter 1 stock"),
        ("new", "77", "There is no equipment in stock 77."), ("Antenna", "", "Enter 1 to 100"),
        ("S-9", LONG, "Enter 1 to 100"), ("5", "-5", "Enter an amount")]),
    "write off equipment": (["4", "9"], [
        ("1", "77", "There is no equipment 77."), ("yes", "y", "Type yes in full, or no.")]),
    "add bill": (["5", "2"], [
        ("1", "77", "There is no customer 77."), ("Repair", "", "Enter 1 to 200"), ("5", "0", "Enter an amount above"),
        ("2030-01-31", "soon", "Enter a date")]),
    "update bill": (["5", "4"], [
        ("1", "77", "There is no bill 77."), ("Repair", LONG, "Enter 1 to 200"), ("45", "NaN", "Enter an amount"),
        ("2030-01-31", "soon", "Enter a date")]),
    "record payment": (["5", "6"], [
        ("1", "77", "There is no customer 77."), ("5", "0", "Enter an amount above"), ("yesterday", "2199-01-01", ""),
        ("cash", "barter", "Enter 1 cash"), ("R-1", LONG, "Enter 1 to 100"), ("1", "77", "Enter 1 or 2")]),
    "odd payment": (["5", "6", "1", "999", "", "", "", ""], [("yes", "y", "Type yes in full, or no.")]),
    "repeated payment": (["5", "6", "2", "7", "", "", ""], [("yes", "y", "Type yes in full, or no.")]),
    "void payment": (["5", "8"], [
        ("1", "77", "There is no payment 77."), ("bounced", LONG, "Enter 1 to 200"), ("yes", "y", "Type yes in full")]),
    "bill run": (["5", "9"], [
        ("2031-01", "May", "Enter a month"), ("2031-02-15", "15", "Enter a date"), ("49.90", "49", "Type 49.90")]),
    "undo a bill run": (["5", "10"], [("2030-12", "May", "Enter a month"), ("yes", "y", "Type yes in full, or no.")]),
    "credit note": (["5", "13"], [
        ("1", "77", "There is no customer 77."), ("5", "0", "Enter an amount above"),
        ("an outage", LONG, "Enter 1 to 200")]),
    "write-off": (["5", "14"], [
        ("1", "77", "There is no customer 77."), ("1", "77", "Enter 1 or 2"), ("5", "23.01", "Only 23.00 is owed."),
        ("gone", LONG, "Enter 1 to 200")]),
    "refund": (["5", "15"], [
        ("2", "77", "There is no customer 77."), ("2", "1", "Payment 1 is none of this customer's"),
        ("5", "7.01", "Only 7.00 of payment 2 can be given back."), ("cash", "barter", "Enter 1 cash"),
        ("R-1", LONG, "Enter 1 to 100")]),
    "import payments": (["5", "18", "{bank}"], [
        ("amount=Came", "Came", "Write it as amount=Header"), ("booked_on=Day", "Day=booked_on", "Write it as amount="),
        ("yes", "y", "Type yes in full, or no."), ("no", LONG, "Enter 1 to 50"),
        ("s", "x", "Enter a number, s, n, l, u, a or q, or"), ("1", "77", "Enter 1, or C77 for"),
        ("5", "5.01", "Only 5.00 is left of the line.")]),
    "note": (["Ada Okafor", "11"], [
        ("rang", "x" * 2001, "Enter 1 to 2000"), ("+5", "yesterday", "Enter"), ("5", "0", "Enter an amount above")]),
    "aging": (["6", "2"], [("yesterday", "then", "Enter today")]),
    "statement": (["6", "4"], [
        ("1", "77", "There is no customer 77."), ("yesterday", "then", "Enter today"),
        ("today", "2020-01-01", "The first day of a statement cannot be after its last.")]),
    "export": (["7", "3", "{file}"], [("yes", "y", "Type yes in full, or no.")]),
    "import": (["7", "1", "{import}"], [
        ("", "name=Nickname", ""), ("yes", "y", "Type yes in full, or no.")]),
    "history": (["1", "5"], [("1", "77", "There is no customer 77.")]),
    "changes": (["6", "6"], [
        ("yesterday", "then", "Enter today"), ("today", "2199-01-01", "Enter today"), ("ada", LONG, "Enter 1 to 100"),
        ("deleted", "gone", "Enter 1 added")]),
    "undo a deletion": (["8", "4"], [("1", "9", "Enter 1."), ("yes", "y", "Type yes in full, or no.")]),
}
CASES = [(form, place) for form, (_, answers) in FORMS.items() for place in range(len(answers))]


@pytest.fixture
def books(db):
    """Three customers; the first with one of everything, two unpaid bills and one of a bill run; the last one closed;
    two payments; a device that was deleted.
    """
    ada = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    bo = db.add_customer("Bo Okafor", "555 0101")
    accounts.close(db.add_customer("Cy Dale", "555 0102"), db.today(), to_stock=False)
    location_id = db.add_location(ada, "1 Harbour Street")
    db.add_service(location_id, "Fibre", Decimal("49.90"))
    db.add_equipment(location_id, "Router", "S-1", Decimal(120))
    db.delete_equipment(db.add_equipment(location_id, "Modem", "S-2", Decimal(20)))
    db.add_bill(ada, "Setup", Decimal(30), db.today() - timedelta(days=10))
    bill_run.run(date(2030, 12, 1), date(2030, 12, 15))
    for customer_id in (ada, bo):
        payments.record_payment(customer_id, Decimal(7), db.today(), "cash", None, uuid4())


@pytest.fixture
def contents(sql):
    return lambda: [sql(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES]


@pytest.fixture
def script(tmp_path):
    """Make the answers of a form, one of them exchanged for what is refused; return them with its line's number."""
    (tmp_path / "out.csv").write_text("mine")
    (tmp_path / "in.csv").write_text("name,phone\nDi,5550199\n")
    (tmp_path / "bank.csv").write_text("Day,Came,Payer\n2026-01-02,5.00,Ada\n2026-01-03,6.00,Nobody\n")

    def make(form, place):
        way, answers = FORMS[form]
        typed = [*way, *(answer for answer, _, _ in answers[:place]), answers[place][1],
                 *(answer for answer, _, _ in answers[place + 1:])]
        files = {"{file}": str(tmp_path / "out.csv"), "{import}": str(tmp_path / "in.csv"),
                 "{bank}": str(tmp_path / "bank.csv")}
        return [files.get(answer, answer) for answer in typed], len(way) + place + 1

    return make


@pytest.mark.parametrize(("form", "place"), CASES, ids=[f"{form}-{place + 1}" for form, place in CASES])
def test_a_refused_answer_ends_the_program_and_nothing_after_it_runs(form, place, books, script, contents, run):
    before = contents()
    answers, line = script(form, place)
    done = run(answers=lines(*answers, "0", "0", "1", "1", "Intruder", "123", "0", "0"))
    assert sentence(done.stderr).startswith(f"Stopped at input line {line}: {FORMS[form][1][place][2]}")
    assert done.returncode == 1
    assert contents() == before
    assert answers[line - 1][:80] == done.stdout.splitlines()[-1].rpartition(": ")[2] or not answers[line - 1]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_these_scripts_goes_through_when_nothing_is_refused(form, books, script, run):
    way, answers = FORMS[form]
    typed, _ = script(form, 0)
    good = [*typed[:len(way)], *(answer for answer, _, _ in answers)]
    done = run(answers=lines(*good, "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("answer", ["no", "", "n", "NO"])
def test_a_no_is_an_answer_and_what_follows_it_runs(answer, books, run, sql):
    done = run(answers=lines("1", "4", "3", answer, "1", "Di", "5550199", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Not deleted." in done.stdout
    assert "Added customer 4, Di." in done.stdout


@pytest.mark.parametrize(("answers", "line", "why"), [
    (["2", "1", "1", "1 Harbour Street"], 4, "This customer already has a location with that address."),
    (["4", "1", "1", "Modem", "S-1", "9"], 5, ""), (["4", "1", "1", "Modem", "s-1", "9"], 5, ""),
    (["5", "4", "1", "Repair", "5", ""], 5, "Bill 1 was written off by write-off 3; void that first."),
    (["7", "1", "/nowhere/in.csv", ""], 3, "There is no file /nowhere/in.csv."),
    (["7", "3", "/nowhere/out.csv"], 3, "/nowhere/"),
    (["5", "8", "1"], 3, "Payment 1 is void already"),
    (["1", "4", "1"], 3, "Customer 1 has 2 bills and 1 payment, which stay; close the account instead:"),
], ids=["address", "serial", "serial otherwise", "amount", "import", "export", "void", "delete customer with money"])
def test_what_the_program_cannot_do_ends_it_with_the_line_that_asked_for_it(answers, line, why, books, contents, run):
    if why.startswith("Payment"):
        payments.void_payment(1, "typo")
    if why.startswith("Bill"):
        credits.write_off(1, Decimal(23), "gone", uuid4(), 1)
    before = contents()
    done = run(answers=lines(*answers, "0", "0", "1", "1", "Intruder", "123", "0", "0"))
    assert sentence(done.stderr).startswith(f"Stopped at input line {line}: {why}")
    assert (done.returncode, contents()) == (1, before)


def test_a_column_that_is_missing_ends_an_import_when_enter_goes_on_without_it(books, tmp_path, run, contents):
    before = contents()
    (tmp_path / "in.csv").write_text("handle,phone\nDi,5550199\n")
    done = run(answers=lines("7", "1", str(tmp_path / "in.csv"), "", "yes", "1", "1", "Intruder", "123"))
    assert done.stderr.splitlines()[-1].startswith("Stopped at input line 4: ")
    assert (done.returncode, contents()) == (1, before)


@pytest.mark.parametrize(("command", "answer", "why"), [
    (["bill", "--period", "2031-01"], "49", "Type 49.90 in full, or no."), (["upgrade"], "", None),
], ids=["bill", "upgrade"])
def test_a_command_that_asks_ends_likewise(command, answer, why, books, run, contents):
    before = contents()
    done = run(*command, answers=lines(answer, "49.90"))
    assert (done.returncode, done.stderr) == ((1, f"Stopped at input line 1: {why}\n") if why else (0, ""))
    assert contents() == before


def test_ctrl_c_ends_a_script_and_not_one_action_of_it(books, uri, sql):
    sql("CREATE OR REPLACE VIEW customer_credit AS "
        "SELECT 1::bigint AS customer_id, 0::numeric AS credit FROM pg_sleep(60)")
    program = subprocess.Popen([sys.executable, str(PROJECT / "main.py")], env=environment(uri), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    program.stdin.write(lines("5", "6", "1", "0", "0", "1", "1", "Intruder", "123", "0", "0"))
    program.stdin.flush()
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                         "WHERE datname = current_database() AND wait_event = 'PgSleep'"))
    os.kill(program.pid, signal.SIGINT)
    said, complained = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "Cancelled, nothing changed." in said
    assert re.fullmatch(r"(Cancelled\.\n)?", complained)
    assert sql("SELECT 1 FROM customers WHERE name = 'Intruder'") == []


PASTE = "4\n3\nyes\r\n1\r1\nIntruder\n123\n"
ASKED = "\x1b[?2004h"  # before each question


def paste(child, text):
    child.send(f"\x1b[200~{text}\x1b[201~\r")


def question(child):
    """Return the next question that the program asks on a terminal."""
    child.expect_exact(ASKED)
    child.expect(r"^(.*?): ?(?=$|\S)")
    return child.match[1]


@pytest.mark.parametrize("form", [form for form in FORMS if "menu" not in form])
def test_a_paste_is_one_answer_at_every_question(form, books, script, terminal, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an export takes what is pasted for the name of its file
    way, answers = FORMS[form]
    typed, _ = script(form, 0)
    good = [*typed[:len(way)], *(answer for answer, _, _ in answers)]
    child = terminal(columns=200)
    for place, answer in enumerate(good, 1):
        asked = question(child)
        paste(child, PASTE)
        child.expect_exact("4, 3, yes, 1, 1, Intruder, 123" if asked == "Address" else "4 3 yes 1 1 Intruder 123")
        if question(child) != asked or place == len(good):  # the last one would do what the form is for
            break
        child.send(f"\x15{answer}\r")
    child.sendintr()
    assert not sql("SELECT 1 FROM customers WHERE customer_id > 3 OR name = 'Intruder'")
    assert len(sql("SELECT 1 FROM customers")) == 3


def test_a_paste_at_a_pager_is_one_answer(terminal, sql):
    sql("INSERT INTO customers (name, phone_number) SELECT 'C ' || i, '5550100' FROM generate_series(1, 60) AS i")
    child = terminal()
    for answer in ("1", "2", ""):
        question(child)
        child.send(f"{answer}\r")
    assert question(child).startswith("Rows 1 to 20")
    paste(child, "n\nn\n0\n")
    assert question(child).startswith("Rows 1 to 20")
    paste(child, "n\n")
    assert question(child).startswith("Rows 21 to 40")


@pytest.mark.parametrize(("pasted", "stored"), [
    ("1 Quay\nLondon\n", "1 Quay, London"), ("1 Quay,\r\nLondon", "1 Quay, London"),
    ("1 Quay\r\rLondon", "1 Quay, London"),
    ("1 Quay\tLondon", "1 Quay London"), ("\n1 Quay\n\n \nLondon\n\n", "1 Quay, London"),
])
def test_a_pasted_address_of_several_lines_is_one(pasted, stored, books, terminal, sql):
    child = terminal()
    for answer in ("2", "1", "1"):
        question(child)
        child.send(f"{answer}\r")
    question(child)
    paste(child, pasted)
    child.expect_exact("Added location 2")
    assert sql("SELECT address FROM locations WHERE location_id = 2") == [{"address": stored}]


def test_a_paste_goes_in_where_the_cursor_is_and_can_be_edited(terminal, sql):
    child = terminal()
    for answer in ("1", "1"):
        question(child)
        child.send(f"{answer}\r")
    question(child)
    child.send("A Okafor\x1b[H\x1b[C\x1b[200~da\tB.\n\x1b[201~\x7f!\r")
    question(child)
    child.send("123\r")
    child.expect_exact("Added customer 1")
    assert sql("SELECT name FROM customers") == [{"name": "Ada B! Okafor"}]


def test_what_is_pasted_while_the_program_works_is_one_answer_too(books, terminal, sql):
    sql("CREATE OR REPLACE VIEW customer_credit AS "
        "SELECT 1::bigint AS customer_id, 0::numeric AS credit FROM pg_advisory_lock_shared(1)")
    sql("SELECT pg_advisory_lock(1)")
    child = terminal(DB_LOCK_TIMEOUT="60")
    for answer in ("5", "6", "1"):
        question(child)
        child.send(f"{answer}\r")
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                         "WHERE datname = current_database() AND wait_event = 'advisory'"))
    paste(child, "1\n\n1\n\nyes\n")
    sql("SELECT pg_advisory_unlock(1)")
    assert question(child) == "Amount"
    child.expect_exact("Enter an amount such as 49.90")
    assert question(child) == "Amount"
    assert len(sql("SELECT 1 FROM payments")) == 2


def test_a_paste_of_a_hundred_thousand_characters_is_one_refused_answer(terminal, sql):
    child = terminal()
    for answer in ("1", "1"):
        question(child)
        child.send(f"{answer}\r")
    question(child)
    child.timeout = 120
    sender = threading.Thread(target=paste, args=(child, "é line\n" * 14_300))
    sender.start()
    child.expect_exact("That is too long: use at most 200 characters.")
    sender.join()
    child.expect_exact(ASKED)
    child.expect_exact("Name: ")
    child.send("Ada\r")
    child.expect_exact("Phone number")


def test_escape_sequences_within_a_paste_are_neither_keys_nor_sent_back(terminal, sql):
    child = terminal()
    for answer in ("1", "1"):
        question(child)
        child.send(f"{answer}\r")
    question(child)
    paste(child, "Ada\x1b[D\x1b[2J\x15\x04\x7f\x1b]52;c;aGk=\x07")
    child.expect_exact("Remove the control character U+001B")
    assert "\x1b[2J" not in child.before
    assert "\x1b]52" not in child.before
    assert question(child) == "Name"


# Says when Ctrl-C has been heard; then patient with the rest of a paste, where one is to come.
FORGETS = """
from tracker.terminal import editor
forget = editor._Keyboard.forget
editor._Keyboard.forget = lambda keyboard: (print("forgets what was typed ahead", flush=True), forget(keyboard))
"""


@pytest.mark.parametrize("after", ["", "rest\n1\n4\n1\nyes\n\x1b[201~"], ids=["the rest is lost", "the rest comes"])
def test_ctrl_c_leaves_a_paste_that_is_under_way_and_its_rest_chooses_nothing(after, books, terminal, sql):
    child = terminal(before=f"{FORGETS}editor.PASTE_PAUSE = 60" if after else FORGETS)
    for answer in ("1", "1"):
        question(child)
        child.send(f"{answer}\r")
    question(child)
    child.send("A\x1b[200~begun\n")
    child.expect_exact("A")  # it has read that: Ctrl-C drops what it has not
    child.sendintr()
    child.expect_exact("forgets what was typed ahead")
    child.send(after)
    child.expect_exact("Cancelled, nothing changed.")
    assert question(child) == "Choose"
    child.send("0\r")
    child.expect_exact("Main menu")
    assert len(sql("SELECT 1 FROM customers")) == 3


@pytest.mark.parametrize("key", [b"\x1b", b"\x1b\x1b", b"\x1bO", b"\x1b["], ids=["esc", "esc esc", "esc o", "esc ["])
def test_a_paste_after_half_a_key_is_a_paste_all_the_same(key, terminal):
    child = terminal()
    question(child)
    child.send(key.decode())
    paste(child, "1\n1\n")
    child.expect_exact("No customer matches 1 1.")


ENDS = {
    "choosing 0": lambda child: child.send("0\r"),
    "ctrl-d": lambda child: child.send("\x04"),
    "ctrl-c": lambda child: child.sendintr(),
    "a signal": lambda child: child.kill(signal.SIGTERM),
    "a signal within a paste": lambda child: (child.send("\x1b[200~x"), child.kill(signal.SIGTERM)),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_terminal_is_left_as_it_was_found(end, terminal):
    child = terminal()
    question(child)
    ENDS[end](child)
    child.expect(pexpect.EOF)
    assert child.before.rindex("\x1b[?2004l") > child.before.rfind("\x1b[?2004h")


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_a_terminal_takes_lines_again_when_the_program_has_ended(signal_, uri):
    child = pexpect.spawn("sh", ["-c", f"stty -a; {sys.executable} {PROJECT}/main.py; echo; stty -a"],
                          env=environment(uri, TERM="xterm"), encoding="utf-8", timeout=60)
    child.expect_exact(ASKED)
    found = child.before.partition("ISP Customer")[0].split()
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    os.kill(int(children.read_text()), signal_)
    child.expect(pexpect.EOF)
    assert child.before.split()[-len(found):] == found
    assert "icanon" in found


def stop(child):
    child.kill(signal.SIGSTOP)
    wait_for(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_the_program_does_so_though_a_ctrl_c_comes_with_it(number, terminal):
    child = terminal()
    question(child)
    stop(child)
    for each in (signal.SIGINT, number, signal.SIGCONT):
        child.kill(each)
    child.expect(pexpect.EOF)
    wait_for(lambda: not child.isalive())
    assert child.exitstatus == 128 + number


def test_a_program_that_was_stopped_goes_on_where_it_was(terminal, sql):
    child = terminal()
    for answer in ("1", "1"):
        question(child)
        child.send(f"{answer}\r")
    question(child)
    child.send("Ada")
    child.expect_exact("Ada")
    stop(child)
    state = termios.tcgetattr(child.child_fd)
    state[3] |= termios.ICANON | termios.ECHO
    termios.tcsetattr(child.child_fd, termios.TCSANOW, state)
    child.kill(signal.SIGCONT)
    child.expect_exact("Name: Ada")
    child.send("\x7fi\r123\r")
    child.expect_exact("Added customer 1")
    assert sql("SELECT name FROM customers") == [{"name": "Adi"}]


def test_a_signal_always_reaches_the_thread_that_reads(terminal):
    child = terminal()
    question(child)

    def blocked():
        return {
            int(path.parent.name): int(re.findall(r"^SigBlk:\t(\w+)$", path.read_text(), re.MULTILINE)[0], 16)
            for path in Path(f"/proc/{child.pid}/task").glob("*/status")
        }

    wait_for(lambda: len(blocked()) > 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):
        bit = 1 << number - 1
        wait_for(lambda bit=bit: [thread for thread, mask in blocked().items() if not mask & bit] == [child.pid])
