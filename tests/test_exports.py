"""CSV files as spreadsheets of any country open them: no text of them is a formula or a column of its own."""
from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import database
from tracker import errors, files, notes, payments
from tracker.text import csv_line, spreadsheet_safe, unguarded
from tracker.transfer import exporting

NAME = 'Ada; =1+1;, "B" \t-2'
PHONE = "+44 20 7946 0958"
HOSTILE = "\t=1+1;\"'-@, \n+x"


@pytest.fixture
def books(db):
    """One customer whose every text is hostile, with a bill that is late and a payment."""
    today = database.today()
    customer_id = db.add_customer(NAME, PHONE)
    db.update_customer(customer_id, NAME, PHONE, "=2@example.org")
    location_id = db.add_location(customer_id, ";=2+2, 7 Quay")
    db.add_service(location_id, "a;b", Decimal("1029.90"))
    db.add_equipment(location_id, "@router", "-S;-1", Decimal("9.10"))
    db.add_bill(customer_id, "=bill", Decimal("29.90"), today - timedelta(40))
    payments.record_payment(customer_id, Decimal("9.10"), today, "direct debit", "+ref;+1", uuid4())
    notes.add_note(customer_id, None, today + timedelta(3), Decimal("5.00"))


def exported(what, form=exporting.PLAIN):
    file = io.BytesIO()
    exporting.export_to(what, file, form)
    return file.getvalue().decode()


LINES = {
    "accounts": '''1,,"Ada; '=1+1;, ""B"" \t-2","'+44 20 7946 0958","'=2@example.org",";'=2+2, 7 Quay",1,"a;b",'''
                '''1029.90,1,"'@router","'-S;'-1",9.10\n''',
    "bills": '''1,1,"Ada; '=1+1;, ""B"" \t-2","'=bill",,{today},{late},29.90,9.10,20.80,{today},t\n''',
    "late": '''1,"Ada; '=1+1;, ""B"" \t-2","'+44 20 7946 0958",20.80,{late},40,{today},"'=2@example.org","C1",'''
            '''"promised 5.00 until {soon}",,\n''',
}
EXCEL = {
    "accounts": '''1;;"Ada; =1+1;, ""B"" \t-2";"'+44 20 7946 0958";"'=2@example.org";";=2+2, 7 Quay";1;"a;b";1029,90;'''
                '''1;"'@router";"'-S;-1";9,10\n''',
    "bills": '''1;1;"Ada; =1+1;, ""B"" \t-2";"'=bill";;{today};{late};29,90;9,10;20,80;{today};t\n''',
    "late": '''1;"Ada; =1+1;, ""B"" \t-2";"'+44 20 7946 0958";20,80;{late};40;{today};"'=2@example.org";"C1";'''
            '''"promised 5.00 until {soon}";;\n''',
}
RAW = {
    "accounts": '''1,,"Ada; =1+1;, ""B"" \t-2","+44 20 7946 0958","=2@example.org",";=2+2, 7 Quay",1,"a;b",1029.90,'''
                '''1,"@router","-S;-1",9.10\n''',
    "bills": '''1,1,"Ada; =1+1;, ""B"" \t-2","=bill",,{today},{late},29.90,9.10,20.80,{today},t\n''',
    "late": '''1,"Ada; =1+1;, ""B"" \t-2","+44 20 7946 0958",20.80,{late},40,{today},"=2@example.org","C1",'''
            '''"promised 5.00 until {soon}",,\n''',
}


def with_days(line):
    today = database.today()
    return line.format(today=today, late=today - timedelta(40), soon=today + timedelta(3))


@pytest.mark.parametrize("what", LINES)
def test_every_text_is_quoted_and_no_number_or_day(books, what):
    header, line = exported(what).split("\n", 1)
    assert re.fullmatch("[a-z_]+(,[a-z_]+)+", header)
    assert line == with_days(LINES[what])


@pytest.mark.parametrize("what", EXCEL)
def test_excel_of_most_countries_gets_semicolons_decimal_commas_and_a_mark(books, what):
    header, line = exported(what, exporting.EXCEL).split("\n", 1)
    assert re.fullmatch("\ufeff[a-z_]+(;[a-z_]+)+", header)
    assert line == with_days(EXCEL[what])


@pytest.mark.parametrize("what", LINES)
def test_excel_with_a_decimal_point_gets_the_mark_alone(books, what):
    assert exported(what, exporting.EXCEL_POINT) == "\ufeff" + exported(what)


@pytest.mark.parametrize("what", RAW)
def test_a_program_gets_the_texts_as_they_are(books, what):
    assert exported(what, exporting.RAW).split("\n", 1)[1] == with_days(RAW[what])


@pytest.mark.parametrize("what", exporting.EXPORTS)
@pytest.mark.parametrize("form", [exporting.PLAIN, exporting.EXCEL])
def test_no_cell_begins_a_formula_at_whichever_sign_a_spreadsheet_splits_the_line(books, what, form):
    for line in exported(what, form).lstrip("\ufeff").splitlines():
        for sign in ";,":
            for cell in next(csv.reader([line], delimiter=sign)):
                assert not re.match(r"\s*[=+@]|\s*-(?![0-9.]+$)", cell), (sign, cell)


@pytest.mark.parametrize(("option", "form"), [
    ("--excel", exporting.EXCEL), ("--excel-point", exporting.EXCEL_POINT), ("--raw", exporting.RAW)])
def test_the_command_writes_each_form_to_a_file_and_to_a_pipe(books, run, tmp_path, option, form):
    path = tmp_path / "out.csv"
    assert run("export", "accounts", str(path), option).returncode == 0
    assert path.read_bytes().decode() == run("export", "accounts", option).stdout == exported("accounts", form)


def test_two_forms_at_once_are_refused(run):
    done = run("export", "accounts", "--raw", "--excel")
    assert (done.returncode, done.stdout) == (2, "")
    assert "argument --excel: not allowed with argument --raw" in done.stderr


def test_a_terminal_is_shown_no_mark(books, terminal):
    child = terminal("export", "accounts", "--excel")
    child.expect(r"customer_id;")
    assert child.before.strip() == ""


@given(st.text(alphabet="ab =+-@'\";,\t\n＝", max_size=20), st.sampled_from(";,"))
def test_taking_the_guard_away_gives_any_text_back(text, other):
    guarded = spreadsheet_safe(text, other)
    if other == ";":
        assert unguarded(guarded) == text
    assert not re.match(r"[\t\r]|\s*[=+@-]", guarded)
    assert not re.search(other + r'[ "]*[=+@-]', guarded)


def test_the_server_guards_a_text_as_the_program_does(db, sql):
    texts = ["; =1", ';"=1', ";'=1", ";;=1", "; ;'-1", "a;b", "=;=", "'", ";＝1", HOSTILE]
    for delimiter, other in ((",", ";"), (";", ",")):
        shown = exporting._cell("said", 25, exporting.PLAIN._replace(delimiter=delimiter))
        for text in texts:
            assert sql(f"SELECT {shown.replace('%', '%%')} FROM (SELECT %s::text AS said) AS x", text) == [
                {"said": spreadsheet_safe(text, other)}]


def test_a_line_of_csv_is_read_back_by_any_reader():
    cells = [1, None, 'a "b"', "", "x,y", "a\nb", True, Decimal("1029.9")]
    assert csv_line(cells) == '1,,"a ""b""","","x,y","a\nb",True,1029.90\n'
    assert next(csv.reader(io.StringIO(csv_line(cells, ";", ","), newline=""), delimiter=";")) == [
        "1", "", 'a "b"', "", "x,y", "a\nb", "True", "1029,90"]


@pytest.mark.parametrize("report", ["late-report", "aging-report", "account-report", "equipment-report", "changes"])
def test_a_csv_report_quotes_its_texts_and_has_its_header_alone_without_rows(db, run, report):
    empty = run(report, "--format", "csv").stdout
    assert re.fullmatch("[a-z_0-9]+(,[a-z_0-9]+)+\n", empty)
    customer_id = db.add_customer(NAME, PHONE)
    db.add_bill(customer_id, "Bill", Decimal("29.90"), database.today() - timedelta(40))
    db.add_equipment(None, "=router; =1", None, Decimal("9.10"))
    db.delete_equipment(1)
    db.add_equipment(None, "=router; =1", None, Decimal("9.10"))
    header, *rows = run(report, "--format", "csv").stdout.splitlines()
    assert header + "\n" == empty
    assert rows
    for row in rows:
        for cell in re.findall(r'"(?:[^"]|"")*"|[^,]+', row):
            assert re.fullmatch(r'"(?:[^"]|"")*"|-?[0-9.]+|[0-9]{4}-[0-9-]{5}|True|False', cell), row
            assert not re.match('"[=+@]', cell)


def test_a_link_that_comes_while_a_file_is_written_is_not_replaced(tmp_path):
    path, mine = tmp_path / "out.csv", tmp_path / "mine"
    mine.write_text("mine")
    path.write_text("old")
    with pytest.raises(errors.BadFile) as failure, files.part_of(path) as part:
        part.file.write(b"new")
        path.unlink()
        path.symlink_to(mine)
        files.put(part, path, replace=True)
    assert str(failure.value) == f"{path} is a link, and nothing is written through one; name the file itself."
    assert path.is_symlink()
    assert mine.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine", "out.csv"]


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_an_export_to_a_link_is_refused_and_the_link_stays(books, run, tmp_path, target):
    (tmp_path / "there").write_text("mine")
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / target)
    done = run("export", "bills", str(link), "--yes")
    assert (done.returncode, done.stderr) == (
        1, f"{link} is a link, and nothing is written through one; name the file itself.\n")
    assert link.is_symlink()
    assert (tmp_path / "there").read_text() == "mine"
