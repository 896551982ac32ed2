"""The import of the menu: what cannot be read is said at its question, which is asked again."""
from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.slow
WHICH = "Which reads right (its number, or another encoding): "


@pytest.fixture
def menu(terminal, tmp_path):
    """The program at the import's first question."""
    def start():
        child = terminal()
        for entry in ("7", "1"):
            child.expect("Choose: ")
            child.sendline(entry)
        child.expect("CSV file: ")
        return child

    return start


def answer(child, line, *expected):
    child.sendline(line)
    for text in expected:
        child.expect(r"\s+".join(map(re.escape, text.strip().split())))  # a sentence may be broken anywhere


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_a_file_that_cannot_be_read_asks_for_another(menu, tmp_path):
    child = menu()
    answer(child, str(tmp_path / "none.csv"), "There is no file", "CSV file: ")
    answer(child, str(tmp_path), "is a folder, not a file.", "CSV file: ")
    answer(child, write(tmp_path / "empty.csv", ""), "is empty.", "CSV file: ")
    answer(child, write(tmp_path / "in.csv", "name,phone\nAda,555\n"), "Change (such as name=First+Last;")


def test_a_header_that_cannot_be_read_asks_for_another_file(menu, tmp_path):
    child = menu()
    answer(child, write(tmp_path / "in.csv", "\n  \n"), "has no header that can be read.", "CSV file: ")


def test_an_encoding_that_is_not_clear_is_asked_for_with_how_names_would_read(menu, tmp_path, sql):
    child = menu()
    content = "name,phone\n" + "Ada,555\n" * 2_000 + "José Núñez,556\nÁngel,557\nMuñiz,558\n"
    answer(child, write(tmp_path / "in.csv", content.encode("cp1252")), "is not UTF-8, and does not show what it is.",
           "1  cp1252", "José Núñez", "Ángel", "2  cp1250", "José Núńez", WHICH)
    assert "--" not in re.sub("-{3,}", "", child.before)
    answer(child, "runes", "There is no encoding runes; utf-8 and cp1252 are common ones.", WHICH)
    answer(child, "utf-8", "Line 2002 of", "is not utf-8.", WHICH)
    answer(child, "1", "Change (such as name=First+Last; Enter to go on): ")
    answer(child, "", "Type yes to import: ")
    answer(child, "yes", "Imported 4 customers")
    names = [row["name"] for row in sql("SELECT name FROM customers ORDER BY customer_id")]
    assert names == ["Ada", "José Núñez", "Ángel", "Muñiz"]


def test_an_encoding_that_reads_worse_than_another_is_chosen_and_pointed_out(menu, tmp_path):
    child = menu()
    content = "name,phone\nDvořák,555\nŘezníček,556\n".encode("cp1250")
    answer(child, write(tmp_path / "in.csv", content), WHICH)
    answer(child, "cp1252", "has Dvoøák, which would be Dvořák in cp1250: is cp1252 right?", "Change (such as")


@pytest.mark.parametrize(("said", "following"), [
    ("yes", "The file's columns: 1 to 2"), ("no", "The file's columns: 1 Ada, 2 555"),
])
def test_a_file_without_a_header_is_asked_about(menu, tmp_path, said, following):
    child = menu()
    answer(child, write(tmp_path / "in.csv", "Ada,555\nBo,556\n"),
           "The first line looks like a customer, and not like a header: Ada, 555.",
           "Type yes if it is one, and the columns have numbers for names:")
    answer(child, said, "No column looks like name.", following)


@pytest.mark.parametrize("sign", ["semicolon", ";"])
def test_a_delimiter_that_is_not_clear_is_asked_for_by_its_name(menu, tmp_path, sign):
    child = menu()
    asked = "Delimiter (comma, semicolon, tab or |): "
    answer(child, write(tmp_path / "in.csv", "name,a;phone\n"), "The lines do not show what separates the columns.",
           asked)
    answer(child, "x", "Enter comma, semicolon, tab or |.", asked)
    answer(child, sign, "No column looks like name.", "Which column (name=Header): ")


def test_a_column_that_is_not_clear_is_said_as_it_is_answered(menu, tmp_path):
    child = menu()
    answer(child, write(tmp_path / "in.csv", "name,address,plan,product,price\nAda,1 Quay,Fibre,TV,5\n"),
           "plan and product could both be service_name.", "Which column (service_name=plan; service_name= for none): ")
    assert "--map" not in child.before
    answer(child, "service_name=product", "service_name  product", "Change (such as")


@pytest.mark.parametrize(("content", "questions"), [
    ("name,address,plan\nAda,1 Quay,Fibre\n", [
        ("There is a column for service_name but none for service_cost.", "prices"),
        ("Monthly price of Fibre: ", "29.90"), ("service_cost          29.90", "")]),
    ("name,address,router\nAda,1 Quay,AX\n", [
        ("There is a column for equipment_name but none for equipment_cost.", "0"),
        ("equipment_cost is 0.00 where the file does not say it.", "")]),
    ("name,status\nAda,purple\n", [
        ("status has purple: is that active, paused or closed?", "paused"), ("customer_status       paused", "")]),
    ("name;address;plan;price\nAda;1 Quay;Fibre;1.234\n", [
        ("price does not show its decimal sign: 1.234 may be 1234 or 1.234.", "comma"),
        ("service_cost          1234.00", "")]),
])
def test_what_a_file_does_not_show_is_asked(menu, tmp_path, content, questions):
    child = menu()
    child.sendline(write(tmp_path / "in.csv", content))
    for expected, reply in questions:
        child.expect(r"\s+".join(map(re.escape, expected.strip().split())))
        if reply:
            child.sendline(reply)
    child.expect_exact("Change (such as")
    assert "--" not in re.sub("-{3,}", "", child.before)


@pytest.mark.parametrize(("content", "sentence"), [
    ("name,address,plan,product,price\n",
     "plan and product could both be service_name. Say which has it, or that none has: --map service_name=plan. "
     "The columns are 1 name, 2 address, 3 plan, 4 product, 5 price.\n"),
    ("name,address,plan\n",
     "There is a column for service_name but none for service_cost. Say which has it, or that none has: "
     "--map service_name=, or a price of each plan: --price Plan=29.90. The columns are 1 name, 2 address, 3 plan.\n"),
    ("name,address,serial\n",
     "There is a column for serial_number but none for equipment_name. Say which has it, or that none has: "
     "--map serial_number=. The columns are 1 name, 2 address, 3 serial.\n"),
    ("name,status\nAda,purple\n",
     "status has purple: is that active, paused or closed? Say so of each, as in --status purple=paused.\n"),
    ("name;address;plan;price\nAda;1;Fibre;1.234\n",
     "price does not show its decimal sign: 1.234 may be 1234 or 1.234. Say which it is: --decimal point or --decimal "
     "comma.\n"),
    (b"name,phone\nJos\xe9,556\n", "is not UTF-8, and does not show what it is. Give the one that reads right, as in "
                                   "--encoding cp1252: cp1252 reads José; mac_latin2 reads Josť; cp775 reads Josķ.\n"),
    ("name,a;phone\n", "The lines do not show what separates the columns. Give --delimiter , or ; or tab or '|'.\n"),
    ("Ada,555\n", "The first line looks like a customer, and not like a header: Ada, 555. Give --no-header, and the "
                  "columns by number, as in --map name=1.\n"),
])
def test_the_command_advises_its_options(run, tmp_path, content, sentence):
    done = run("import", write(tmp_path / "in.csv", content), "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith(sentence)


def test_off_a_terminal_an_encoding_that_is_none_ends_the_form(run, tmp_path):
    path = write(tmp_path / "in.csv", b"name,phone\nJos\xe9,556\n")
    done = run(answers=f"7\n1\n{path}\nrunes\n1\nAda\n555\n")
    assert done.returncode == 1
    assert done.stdout.count("Which reads right") == 1


def test_standard_input_is_read_like_a_file_and_its_rejects_have_a_name(run, tmp_path, sql, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = "name,phone\nAda,555\nBo,5x\n"
    done = run("import", "-", "--yes", answers=content)
    assert (done.returncode, [row["name"] for row in sql("SELECT name FROM customers")]) == (1, ["Ada"])
    assert "1 line rejected, to mend and import: standard-input.rejects.csv\n" in done.stdout
    assert (tmp_path / "standard-input.rejects.csv").read_text(encoding="utf-8-sig").endswith(",Bo,5x\n")
    refused = run("import", "-", answers=content)
    assert (refused.returncode, refused.stderr) == (
        1, "Standard input is the file, and nobody can type yes there: give --dry-run or --yes.\n")


def test_a_file_without_a_header_is_imported_by_numbers_and_so_are_its_rejects(run, tmp_path, sql):
    path = write(tmp_path / "in.csv", "555,Ada,x\n5x,Bo,y\n")
    options = ("--no-header", "--map", "name=2", "--map", "phone_number=1", "--yes")
    done = run("import", path, *options)
    assert "Without a header; its 3 columns have numbers from 1.\n" in done.stdout
    rejects = tmp_path / "in.csv.rejects.csv"
    assert rejects.read_text(encoding="utf-8-sig").startswith("line_number,reason,1,2,3\n2,")
    rejects.write_text(rejects.read_text().replace("5x", "556"))
    assert run("import", str(rejects), *options).returncode == 0
    assert sql("SELECT name, phone_number FROM customers ORDER BY 1") == [
        {"name": "Ada", "phone_number": "555"}, {"name": "Bo", "phone_number": "556"}]


def test_what_is_no_customer_in_a_report_is_left_out_and_said(run, tmp_path):
    path = write(tmp_path / "in.csv", "Customers of the north,,\n2026-11-01,,\n\nName,Phone,Notes\nAda,555,x\n"
                                      "Bo,556,y\nName,Phone,Notes\nCy,557\nTotal,3,\n")
    done = run("import", path, "--dry-run")
    assert done.returncode == 0
    for sentence in ("The header is on line 4.", "Line 7 is the header again, and is left out.",
                     "Line 9 is a total, and is left out.",
                     "Line 8 ends early; the cells that are left out there are blank."):
        assert f"{sentence}\n" in done.stdout
    assert "customers    3 " in done.stdout


def test_a_header_with_nothing_below_is_said(run, tmp_path):
    done = run("import", write(tmp_path / "in.csv", "name,phone\n"), "--dry-run")
    assert done.returncode == 0
    assert done.stdout.endswith("Nothing to import: no customer stands below the header.\n")


def test_a_comma_that_may_group_is_asked_with_both_readings(run, tmp_path):
    done = run("import", write(tmp_path / "in.csv", 'name,address,plan,price\nAda,1 Quay,Net,"1,234"\n'), "--dry-run")
    assert "price does not show its decimal sign: 1,234 may be 1234 or 1.234." in done.stderr
