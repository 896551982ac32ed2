"""Bold, red and struck out where that helps, and nothing but text where it cannot be shown or is not wanted."""
from __future__ import annotations

import io
import sys

import pexpect
import pytest
from conftest import run_program
from emulator import Terminal

from tracker.terminal import tables

pytestmark = pytest.mark.slow


@pytest.fixture
def books(sql):
    """A customer who is late with one bill and not with another, and whose payment was voided."""
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada Okafor', '555 0104')")
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "VALUES (1, 'Setup', 75, CURRENT_DATE - 60, CURRENT_DATE - 40), "
        "(1, 'Rent', 20, CURRENT_DATE, CURRENT_DATE + 9)")
    sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (1, 30, CURRENT_DATE - 2)")
    sql("SELECT apply_credit()")
    sql("UPDATE payments SET voided_at = now(), void_reason = 'bounced'")
    sql("SELECT apply_credit()")


@pytest.fixture
def screen(uri, books, tmp_path):
    """Type answers, and return the emulated terminal with the rows from the last answer on."""
    terminal = Terminal(uri, 80, tmp_path)
    terminal.start()

    def show(*answers):
        terminal.type(*answers[:-1])
        first = terminal.row() + 1
        terminal.type(answers[-1])
        return lambda style: terminal.words(style, first, terminal.row())

    yield show
    terminal.close()


def test_in_the_late_list_the_days_are_red_and_the_headers_and_the_sum_bold(screen):
    styled = screen("5", "1")
    assert styled("red") == ["40"]
    assert styled("bold") == ["ID Customer Phone number Late Oldest due Days Last paid",
                              "1 customer late, with 75.00 in total."]


def test_in_a_list_of_bills_only_the_late_one_is_marked(screen):
    assert screen("5", "3", "")("red") == ["40"]


def test_on_an_account_what_is_late_is_red_what_is_void_struck_out_and_headings_bold(screen):
    styled = screen("1", "2", "1")
    assert styled("red") == ["40 days late, to pay 75.00"]
    assert [line.split(":")[0].split(" on")[0] for line in styled("struck")] == ["Payment 1"]
    assert styled("bold") == ["Customer 1 Ada Okafor", "Monthly total 0.00, to pay 95.00, credit 0.00", "Unpaid bills"]


def test_a_void_payment_is_struck_out_from_end_to_end(screen):
    line, = screen("5", "7", "1")("struck")
    assert line.split()[0] == "1"
    assert line.endswith("bounced")


def test_the_sums_below_the_aging_report_are_bold(screen):
    styled = screen("6", "2", "")
    assert [line.split()[0] for line in styled("bold")] == ["ID", "1"]
    assert styled("red") == []


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_nothing_is_styled_where_that_is_not_wanted_or_not_known(setting, books, terminal):
    for command in ("late-report", "account-report", "aging-report", "revenue-report"):
        child = terminal(command, **setting)
        child.expect([r"back\): ", pexpect.EOF])
        assert "ID" in child.before or "Monthly" in child.before
        assert "\x1b" not in child.before.replace("\x1b[?2004h", "")  # which marks pastes


def test_an_empty_no_color_is_none(books, terminal):
    child = terminal("late-report", NO_COLOR="")
    child.expect_exact("\x1b[1mID")
    child.expect_exact("\x1b[31m40\x1b[39m")


def test_off_a_terminal_nothing_is_styled(uri, books):
    for command in ("late-report", "account-report", "aging-report", "revenue-report"):
        done = run_program(uri, command, TERM="xterm")
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("columns", ["80", "40"])
def test_what_is_styled_is_as_wide_as_what_is_not(columns, monkeypatch):
    rows = [{"name": "Ada Okafor of Harbour Street, No 7", "phone_number": "5" * 30, "days_late": days}
            for days in (7, 0, 1234)]
    layout = [tables.words("Customer", "name"), tables.days_late("Days"), tables.codes("Phone number", "phone_number")]
    stdout = io.StringIO()
    stdout.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = tables.table(layout, rows, totals=1)
    monkeypatch.delenv("NO_COLOR")
    styled = tables.table(layout, rows, struck=lambda row: row["days_late"] == 7, totals=1)
    assert styled.count(f"\x1b[{tables.OVERDUE[0]}m") == 2
    assert styled.count(f"\x1b[{tables.STRUCK[0]}m") == styled.count(f"\x1b[{tables.STRUCK[1]}m") > 0
    assert styled.count(f"\x1b[{tables.BOLD[0]}m") == styled.count(f"\x1b[{tables.BOLD[1]}m") > 1
    for begin, end in (tables.BOLD, tables.STRUCK, tables.OVERDUE):
        styled = styled.replace(f"\x1b[{begin}m", "").replace(f"\x1b[{end}m", "")
    assert styled == plain
    assert all(tables.width(line) <= int(columns) for line in plain.split("\n"))
