"""The import of the menu: what cannot be read is said at its question, which is asked again."""
from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.slow


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


def test_a_file_that_cannot_be_read_is_said_before_the_encoding_is_asked(menu, tmp_path):
    child = menu()
    answer(child, str(tmp_path / "none.csv"), "There is no file", "CSV file: ")
    answer(child, str(tmp_path), "is a folder, not a file.", "CSV file: ")
    answer(child, write(tmp_path / "empty.csv", ""), "is empty.", "CSV file: ")
    answer(child, write(tmp_path / "in.csv", "name,phone\nAda,555\n"), "Encoding [utf-8]: ")


def test_a_header_that_cannot_be_read_asks_for_another_file(menu, tmp_path):
    child = menu()
    answer(child, write(tmp_path / "in.csv", "\n  \n"), "Encoding [utf-8]: ")
    answer(child, "", "has no header that can be read.", "CSV file: ")


def test_a_wrong_encoding_is_asked_for_again_and_no_option_is_advised(menu, tmp_path, sql):
    child = menu()
    content = "name,phone\n" + "Ada,555\n" * 2_000 + "José,556\n"
    answer(child, write(tmp_path / "in.csv", content.encode("cp1252")), "Encoding [utf-8]: ")
    answer(child, "", "Line 2002 of", "is not utf-8.", "Encoding [utf-8]: ")
    assert "--" not in child.before
    answer(child, "runes", "There is no encoding runes; utf-8 and cp1252 are common ones.", "Encoding [utf-8]: ")
    answer(child, "cp1252", "Change (such as name=First+Last; Enter to go on): ")
    answer(child, "", "Type yes to import: ")
    answer(child, "yes", "Imported 2 customers")
    assert [row["name"] for row in sql("SELECT name FROM customers ORDER BY 1")] == ["Ada", "José"]


@pytest.mark.parametrize("sign", ["semicolon", ";"])
def test_a_delimiter_that_is_not_clear_is_asked_for_by_its_name(menu, tmp_path, sign):
    child = menu()
    answer(child, write(tmp_path / "in.csv", "name,a;phone\n"), "Encoding [utf-8]: ")
    answer(child, "", "The header does not show what separates the columns.", "Delimiter (comma, semicolon or tab): ")
    answer(child, "x", "Enter comma, semicolon or tab.", "Delimiter (comma, semicolon or tab): ")
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
    assert "--" not in child.before.replace("---", "")


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
    ("name,a;phone\n", "The header does not show what separates the columns. Give --delimiter , or ; or tab or '|'.\n"),
])
def test_the_command_advises_its_options(run, tmp_path, content, sentence):
    done = run("import", write(tmp_path / "in.csv", content), "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith(sentence)


def test_off_a_terminal_a_wrong_encoding_ends_the_form(run, tmp_path):
    path = write(tmp_path / "in.csv", b"name,phone\nJos\xe9,556\n")
    done = run(answers=f"7\n1\n{path}\n\n1\nAda\n555\n")
    assert done.returncode == 1
    assert done.stdout.count("Encoding") == 1
