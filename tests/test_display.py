"""What screens and files show."""
from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import unicodedata
from datetime import date
from decimal import Decimal

import pytest
from conftest import PROMPT, lines
from hypothesis import given
from hypothesis import strategies as st

from tracker.terminal import screens, tables
from tracker.text import clean, plural, show_amount, show_day, show_days_late, spreadsheet_safe

HOSTILE = "\x1b[2J\x1b]52;c;aGk=\x07\r\x9b31m\u202e\u200b\u2066\x7f\u2028!"
ON_ONE_LINE = HOSTILE.replace("\r", "")
STEERING = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
COLUMNS = [tables.numbers("ID", "id"), tables.words("Name", "name"), tables.amounts("Cost", "cost")]
SHOWN = st.text(st.characters(), max_size=60).map(clean)

# Every way to a screen or a file that shows stored text, with answers for a database that holds one of everything.
SCREENS = {
    "view customer": ["1", "2", "1"], "list customers": ["1", "2", ""],
    "update customer": ["1", "3", "1", "", "", "", ""], "delete customer": ["1", "4", "2", "no"],
    "add a known number": ["1", "1", "New", "+44 123", "no"],
    "view location": ["2", "2", "1"], "list locations": ["2", "2", ""], "add location": ["2", "1", "1", "New address"],
    "update location": ["2", "3", "1", "New address"], "delete location": ["2", "4", "1", "yes"],
    "view service": ["3", "2", "1"], "list services": ["3", "2", ""], "add service": ["3", "1", "1", "New", "1", ""],
    "update service": ["3", "3", "1", "", "7", ""], "delete service": ["3", "4", "1", "yes"],
    "view equipment": ["4", "2", "1"], "list equipment": ["4", "2", ""],
    "add equipment": ["4", "1", "1", "New", "", "1"],
    "update equipment": ["4", "3", "1", "", "", "7"], "delete equipment": ["4", "4", "1", "yes"],
    "late payments": ["5", "1"], "add bill": ["5", "2", "1", "New", "1", "2030-01-01"], "view bill": ["5", "3", "1"],
    "list bills": ["5", "3", ""], "update bill": ["5", "4", "1", "", "50", ""], "delete bill": ["5", "5", "1", "yes"],
    "find one": ["1", "2", "+44 123"], "find many": ["1", "2", "!", "1"],
    "all accounts": ["6", "1"],
    "close account": ["1", "6", "1", "", "", "yes"], "closed customers": ["1", "6", "2", "", "", "yes", "2", "closed"],
    "merge customers": ["1", "9", "1", "2", "yes"], "erase a person": ["1", "6", "2", "", "", "yes", "8", "2", "no"],
    "end service": ["3", "6", "1", ""], "pause service": ["3", "7", "1", "", ""],
    "change a price": ["3", "8", "!", "9", "", "9"],
    "in stock": ["4", "7", "1", "stock", "6", "0"], "swap": ["4", "8", "1", "", "new", "New", "", "1"],
    "write off a device": ["4", "9", "1", "yes"],
    "credit note": ["5", "13", "1", "5", "An outage"], "write-off": ["5", "14", "1", "1", "", "Gone"],
    "refund": ["5", "15", "1", "1", "", "", ""], "notes": ["!", "1", "13", ""],
}
REPORTS = [(name, form) for name in ("late-report", "account-report") for form in ("table", "csv", "json")]


@pytest.fixture
def hostile(sql):
    """One of everything, whose every text is out to steer the terminal."""
    statements = """
        INSERT INTO customers (name, phone_number) VALUES (%s, '+44 123'), (%s, '+44 456');
        INSERT INTO locations (customer_id, address) VALUES (1, %s), (2, %s);
        INSERT INTO services (location_id, service_name, cost) VALUES (1, %s, 5);
        INSERT INTO equipment (location_id, equipment_name, serial_number, cost) VALUES (1, %s, %s, 5);
        INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date)
        VALUES (1, %s, 40, '2026-01-01', '2026-01-31'), (1, %s, 10, '2025-12-01', '2025-12-31');
        INSERT INTO billing_items (billing_id, description, amount) VALUES (1, %s, 40);
        INSERT INTO customer_notes (customer_id, noted_by, note) VALUES (1, %s, %s);
        INSERT INTO payments (customer_id, amount, paid_on, reference) VALUES (1, 15, '2026-01-15', %s);
        SELECT apply_credit()
    """
    sql(statements, *[HOSTILE] * statements.count("%s"))
    sql("UPDATE customers SET account_number = %s WHERE customer_id = 1", ON_ONE_LINE)


def assert_harmless(output: str) -> None:
    steering = {f"U+{ord(c):04X}" for c in output if unicodedata.category(c) in STEERING}
    assert steering <= {"U+000A"}


def test_every_text_column_is_tried(sql, hostile):
    columns = sql(
        """
        SELECT table_name, column_name
        FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'text'
          AND table_name IN (
              'customers', 'locations', 'services', 'equipment', 'billing', 'billing_items', 'customer_notes'
          )
        """
    )
    for column in columns:
        if (column["column_name"] not in ("phone_number", "email", "account_number")
                and not column["column_name"].endswith("_folded")):
            texts = sql(f"SELECT {column['column_name']} AS text FROM {column['table_name']}")
            assert {row["text"] for row in texts} == {HOSTILE}
    assert sql("SELECT account_number FROM customers ORDER BY 1") == [
        {"account_number": ON_ONE_LINE}, {"account_number": None}]


@pytest.mark.slow
@pytest.mark.parametrize("screen", SCREENS)
def test_stored_text_cannot_steer_a_screen(screen, hostile, run):
    done = run(answers=lines(*SCREENS[screen]))
    assert_harmless(done.stdout + done.stderr)
    assert "\N{REPLACEMENT CHARACTER}" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), REPORTS)
def test_stored_text_cannot_steer_through_a_report(name, form, hostile, run):
    done = run(name, "--format", form)
    assert (done.returncode, done.stderr) == (0, "")
    assert_harmless(done.stdout)
    assert "!" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("screen", [
    "view customer", "list customers", "update customer", "delete customer", "all accounts",
])
def test_stored_text_cannot_steer_a_terminal(screen, hostile, terminal):
    child = terminal()
    shown = ""
    for answer in SCREENS[screen]:
        child.expect(PROMPT)
        shown += child.before + child.after
        child.send(f"{answer}\r")
    while child.expect_exact(["Choose: ", "q back): "]):
        shown += child.before
        child.send("0\r")
    shown += child.before
    assert "\N{REPLACEMENT CHARACTER}" in shown
    shown = re.sub(r"(\x1b\[)?\?2004h|\x1b\[$|\x1b\[(?=\?2004h)", "", shown)  # the program's own: pastes are marked
    our_own = "|".join(rf"\x1b\[{code}m" for style in (tables.BOLD, tables.STRUCK, tables.OVERDUE) for code in style)
    assert_harmless(re.sub(our_own, "", shown).replace("\r\n", "\n"))


def test_an_error_does_not_repeat_stored_text(hostile, run):
    done = run(answers=lines("4", "1", "1", "New", "S-1", "1", "3", "1", "", "-", "", "1", "1", "New", "S-1", "1"))
    assert_harmless(done.stdout + done.stderr)


def test_the_servers_own_words_are_never_shown(db, sql):
    sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION E'\\x1b[2Jsecret' USING DETAIL = NEW.name, ERRCODE = 'P0001'; END $$")
    sql("CREATE TRIGGER refuse BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION refuse()")
    with pytest.raises(db.Error) as caught:
        db.add_customer("Ada Okafor", "123")
    assert str(caught.value) == "The database refused (SQLSTATE P0001); nothing was written."


@given(st.text(st.characters(), max_size=80))
def test_clean_text_has_the_same_length_and_nothing_that_steers(text):
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert not any(unicodedata.category(c) in STEERING for c in cleaned)
    assert all(shown in (typed, "\N{REPLACEMENT CHARACTER}") for shown, typed in zip(cleaned, text))


@given(st.text(st.sampled_from("abc ÅéΩ漢字-.'"), max_size=80))
def test_clean_text_is_not_changed(text):
    assert clean(text) == text


@given(st.decimals(0, Decimal("9999999999.99"), places=2))
def test_an_amount_is_shown_exactly(amount):
    shown = show_amount(amount)
    assert Decimal(shown) == amount
    assert re.fullmatch(r"[0-9]+\.[0-9]{2}", shown)


@pytest.mark.parametrize("text", ["1e5", "007", "+15550100", "1234567.10", "0x10", "nan", "inf", "1_000", "true", "-0"])
def test_a_text_like_a_number_is_shown_as_it_is(text):
    *_, line = tables.table(COLUMNS, [{"id": 1, "name": text, "cost": Decimal("1234567.10")}]).splitlines()
    assert line.split() == ["1", text, "1234567.10"]


def test_names_and_numbers_come_out_of_the_program_as_they_went_in(run):
    done = run(answers=lines("1", "1", "1e5", "007", "1", "NaN", "+15550100", "2", "", "3", "007", "", "", "0", "0"))
    assert re.search(r"^ +1 +1e5 +007$", done.stdout, re.MULTILINE)
    assert re.search(r"^ +2 +NaN +\+15550100$", done.stdout, re.MULTILINE)


def test_a_large_amount_comes_out_as_it_went_in(db, run):
    location_id = db.add_location(db.add_customer("Ada", "123"), "1 Harbour Street")
    db.disconnect()
    done = run(answers=lines("3", "1", str(location_id), "Transit", "1234567.10", "", "2", "", "0", "6", "1", "0", "0"))
    assert done.stdout.count("1234567.10") >= 4
    assert "e+06" not in done.stdout


@given(st.lists(st.tuples(st.integers(0, 2**63), SHOWN, st.decimals(0, 10**10, places=2)), min_size=1, max_size=4))
def test_a_table_fits_the_terminal_and_its_columns_line_up(rows):
    columns = [tables.words("Name", "name"), *COLUMNS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "screen_width", lambda: 80)
        table = tables.table(columns, [{"id": i, "name": name, "cost": cost} for i, name, cost in rows])
    assert all(tables.width(line) <= 80 for line in table.splitlines())
    assert len(table.splitlines()) == len(rows) + 2


@pytest.mark.parametrize("names", [
    ["漢字漢字", "plain"], ["Zoë", "Zoe"], ["José Ångström", "x"], ["한국어", "日本語テキスト"],
    ["e\u0301clair", "eclair"],
])
def test_wide_and_accented_names_line_up(names):
    table = tables.table(COLUMNS, [{"id": 1, "name": name, "cost": Decimal(1)} for name in names])
    assert len({tables.width(line) for line in table.splitlines()}) == 1


def test_wide_names_line_up_on_the_programs_screen(db, run):
    for name in ("漢字漢字", "José", "Plain name"):
        db.add_customer(name, "12345")
    db.disconnect()
    done = run(answers=lines("1", "2", "", "0", "0"))
    starts = {tables.width(line[:line.index("12345")]) for line in done.stdout.splitlines() if "12345" in line}
    assert len(starts) == 1


@given(SHOWN, st.sampled_from(["", "to pay      12.50", "+44 20 7946 0958"]), st.sampled_from([0, 2, 4]))
def test_two_margins_fit_the_line(left, right, indent):
    spread = list(tables.spread(f"Service 1  {left}", right, indent))
    assert all(tables.width(line) <= 79 for line in spread)
    assert spread[0].endswith(right)
    assert "".join("".join(spread).split()).replace("".join(right.split()), "", 1) or not left


@given(st.text(st.sampled_from("word 漢字e\u0301-"), max_size=200), st.integers(10, 60))
def test_a_wrapped_text_loses_nothing_but_blanks(text, limit):
    wrapped = tables.wrap(clean(text), limit)
    assert all(tables.width(line) <= limit for line in wrapped)
    assert "".join("".join(wrapped).split()) == "".join(text.split())


ROWS = st.lists(st.builds(
    lambda name, cost, show_day: {"name": name, "cost": cost, "day": show_day},
    st.text(st.characters(), max_size=20), st.decimals(0, 10**10, places=2), st.dates(),
), max_size=4)


def written(write, rows) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        write(rows)
    return output.getvalue()


@given(ROWS)
def test_csv_reads_back(rows):
    output = written(lambda rows: tables.write_csv(rows, ["name", "cost", "day"]), rows)
    assert_harmless(output)
    for row, read in zip(rows, csv.DictReader(io.StringIO(output))):
        assert read == {"name": spreadsheet_safe(clean(row["name"])), "cost": show_amount(row["cost"]),
                        "day": str(row["day"])}


@given(ROWS)
def test_json_reads_back_exactly(rows):
    output = written(tables.write_json, rows)
    assert_harmless(output)
    assert json.loads(output) == [
        {"name": row["name"], "cost": show_amount(row["cost"]), "day": str(row["day"])} for row in rows
    ]


@pytest.mark.parametrize("formula", ["=1+1", "+234", "-5.00", "@SUM(A1)", "'quoted"])
def test_a_formula_is_text_in_a_csv(formula):
    assert spreadsheet_safe(formula) == f"'{formula}"


def test_amounts_in_json_are_text_however_they_were_written(sql, run):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '123')")
    sql("INSERT INTO locations (customer_id, address) VALUES (1, '1 Harbour Street')")
    sql("INSERT INTO services (location_id, service_name, cost) VALUES (1, 'DSL', 45), (1, 'TV', 4.5)")
    sql("INSERT INTO equipment (location_id, equipment_name, cost) VALUES (1, 'Modem', 0)")
    sql("INSERT INTO billing (customer_id, description, amount_billed, due_date, issued_on) "
        "VALUES (1, 'Setup', 40, '2026-01-31', '2026-01-01'), (1, 'Free', 0, '2026-01-31', '2026-01-01')")
    account, = json.loads(run("account-report", "--format", "json").stdout)
    location, = account["locations"]
    assert [service["cost"] for service in location["services"]] == ["45.00", "4.50"]
    assert [device["cost"] for device in location["equipment"]] == ["0.00"]
    assert [bill["amount_due"] for bill in account["unpaid_bills"]] == ["40.00"]
    assert [bill["amount_billed"] for bill in account["paid_bills"]] == ["0.00"]


@pytest.mark.parametrize(("count", "noun", "said"), [
    (0, "bill", "0 bills"), (1, "bill", "1 bill"), (2, "bill", "2 bills"), (2, "equipment", "2 equipment"),
])
def test_things_are_counted(count, noun, said):
    assert plural(count, noun) == said


def test_nothing_is_shown_as_nothing():
    assert (show_amount(None), show_day(None), clean(None), show_days_late(0)) == ("", "", "", "")
    assert show_day(date(2026, 12, 15)) == "2026-12-15"


def test_the_payments_of_a_customer_fit_a_terminal(monkeypatch):
    payment = {
        "payment_id": 12345, "kind": "payment", "paid_on": date(2026, 11, 22), "amount": Decimal("1234567.10"),
        "method": "direct debit", "reference": "a reference of some length", "amount_left": Decimal("1234567.10"),
        "voided_on": date(2026, 11, 22),
        "void_reason": "a reason of some length",
    }
    monkeypatch.setattr(tables, "screen_width", lambda: 80)
    shown = tables.table(screens.PAYMENTS, [payment])
    assert max(map(len, shown.split("\n"))) <= 80
    assert shown.count("1234567.10") == 2
    assert shown.count("2026-11-22") == 2
