"""README against the program: its sessions are typed, and each of its tables is compared with what is there."""
from __future__ import annotations

import argparse
import ast
import re
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import calendar_tokens
import pytest
from conftest import PROJECT
from emulator import Terminal

import main
from tracker.bill_run import default_due_date
from tracker.terminal import commands

README = (PROJECT / "README.md").read_text(encoding="utf-8")
README_TODAY = date(2026, 11, 22)
# The server, the folder and the login are README's own; the last line is for a terminal alone.
FIRST_SCREEN = (
    ("PostgreSQL 18.6, embedded, data in /home/admin/.local/share/isp-customer-tracker", r"PostgreSQL [0-9].*"),
    ("Database isp_customer_tracker, as postgres", r"Database isp_test_\w+, as \w+"),
)
ON_A_TERMINAL = "A digit and Enter choose; ? shows a menu again; Ctrl-C leaves a form or menu."


def section(title: str) -> str:
    """Return what stands under a heading, up to the next one."""
    found, = re.findall(rf"^#+ {title}\n(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL)
    return found


def table(title: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    rows = [line.strip("|").replace(r"\|", "\0").split("|") for line in lines]
    return [[cell.strip().replace("\0", "|") for cell in row] for row in rows[2:]]


def session(title: str) -> list[list[str]]:
    """Return the session under a heading as paragraphs of lines: the first screen, a menu, or an entry."""
    typed, = re.findall(r"^```\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    paragraphs: list[list[str]] = []
    for lines in (paragraph.split("\n") for paragraph in typed.rstrip("\n").split("\n\n")):
        if paragraphs and lines[0] not in titles():
            paragraphs[-1] += ["", *lines]
        else:
            paragraphs.append(lines)
    return paragraphs


def menus() -> Iterator[main.Menu]:
    yield main.MAIN_MENU
    for _, menu in main.MAIN_MENU.entries.values():
        yield menu


def titles() -> set[str]:
    """Return the first lines that a paragraph of a session can have."""
    return {menu.title for menu in menus()} | {label for menu in menus() for label, _ in menu.entries.values()}


def on_todays_calendar(paragraph: list[str], today: date) -> list[str]:
    """Return README's lines as they are today: its days, its month and its due date are moved."""
    month = calendar_tokens.month(today, 0)
    moved = {
        str(README_TODAY + timedelta(days=days)): str(today + timedelta(days=days)) for days in (-14, -1, 0)
    }
    moved[str(default_due_date(date(2026, 11, 1), README_TODAY))] = str(default_due_date(month, today))
    moved["2026-11"] = f"{month:%Y-%m}"
    moved["November 2026"] = month_name(month)
    return [re.sub("|".join(moved), lambda found: moved[found[0]], line) for line in paragraph]


def month_name(month: date) -> str:
    names = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
             "November", "December")
    return f"{names[month.month - 1]} {month.year}"


def comparable(lines: list[str], month: date) -> list[str]:
    """Return lines as they are compared: where a month's name is not as long as November, the widths it changes go."""
    name = month_name(month)
    if len(name) == len("November 2026") or not any(name in line for line in lines):
        return lines
    return [re.sub(r"-{2,}", "--", re.sub(r" {2,}", "  ", line)) for line in lines]


def way_to(title: str) -> tuple[str, str]:
    """Return the digits of an entry: its menu's in the main menu, and its own."""
    way, = [
        (digit, own) for digit, (_, menu) in main.MAIN_MENU.entries.items()
        for own, (label, _) in menu.entries.items() if label == title
    ]
    return way


class Reader:
    """Someone who types what README's session types, and reads along."""

    def __init__(self, terminal: Terminal, today: date) -> None:
        self.terminal, self.today = terminal, today
        self._menu = ""
        terminal.start()
        self._row = 0

    def shown(self) -> list[str]:
        """Return what is on the terminal since the last time, to the question that it ends with, as text alone."""
        row = self.terminal.row()
        lines = self.terminal.lines(self._row, row)
        self._row = row
        return [line for line in lines if set(line.strip()) != {"~"}]

    def follow(self, paragraph: list[str]) -> None:
        """Type a paragraph's answers and compare what is shown with its lines."""
        title = paragraph[0]
        if title.startswith("ISP Customer Tracker"):
            self._first_screen(paragraph)
        elif title in {menu.title for menu in menus()}:
            self._menu_shown(title, paragraph)
        else:
            self._entry(title, on_todays_calendar(paragraph, self.today))

    def _first_screen(self, paragraph: list[str]) -> None:
        shown = self.shown()
        said = shown[:shown.index("")]
        assert said.pop() == ON_A_TERMINAL
        assert said[0] == paragraph[0]
        for (written, real), line in zip(FIRST_SCREEN, said[1:3]):
            assert written in paragraph
            assert re.fullmatch(real, line)
        assert said[3:] == paragraph[3:]
        self._first_menu = shown[shown.index("") + 1:]

    def _menu_shown(self, title: str, paragraph: list[str]) -> None:
        """Compare a menu that README shows, which is when it is shown for the first time."""
        if title == main.MAIN_MENU.title:
            assert self._first_menu == [*paragraph[:-1], "Choose:"]
            return
        digit, = [digit for digit, (_, menu) in main.MAIN_MENU.entries.items() if menu.title == title]
        self.terminal.type(digit)
        self._menu = title
        assert self.shown()[2:] == [*paragraph[:-1], "Choose:"]

    def _entry(self, title: str, left: list[str]) -> None:
        """Go to an entry, by the menus that README leaves out, and through its paragraph line by line."""
        menu, digit = way_to(title)
        if self._menu != main.MAIN_MENU.entries[menu][1].title:
            self.terminal.type(*["0"] * bool(self._menu), menu)
            self._menu = main.MAIN_MENU.entries[menu][1].title
        self._row = self.terminal.row()
        self.terminal.type(digit)
        shown = self.shown()[2:]
        month = calendar_tokens.month(self.today, 0)
        while shown[-1] != "Choose:":
            question = shown.pop()
            assert comparable(shown, month) == comparable(left[:len(shown)], month)
            written, left = left[len(shown)], left[len(shown) + 1:]
            assert written.startswith(question), f"README has {written} where the program asks {question}"
            self.terminal.type(written[len(question):].strip())
            answered, *shown = self.shown()
            assert answered == written.rstrip()
        last_blank = len(shown) - 1 - shown[::-1].index("")
        assert comparable(shown[:last_blank], month) == comparable(left, month)
        if "Statement" in " ".join(shown[last_blank:]):  # the entry led to an account, which README leaves
            self.terminal.type("0")
            self._row = self.terminal.row()


def test_readmes_sessions_are_what_the_program_shows(uri, sql, tmp_path):
    zone = calendar_tokens.noon()
    sql(f"ALTER DATABASE {sql('SELECT current_database()')[0]['current_database']} SET TimeZone = '{zone}'")
    sql(f"SET TimeZone = '{zone}'")
    today = sql("SELECT CURRENT_DATE AS today")[0]["today"]
    for title in ("A session", "Billing"):
        terminal = Terminal(uri, 80, tmp_path)
        try:
            reader = Reader(terminal, today)
            for paragraph in session(title):
                reader.follow(paragraph)
            assert terminal.leave() == 0
        finally:
            terminal.close()


def test_readmes_answers_to_the_menus_lead_where_its_session_goes_on():
    for title in ("A session", "Billing"):
        paragraphs = session(title)
        for paragraph, following in zip(paragraphs, paragraphs[1:]):
            menu = next((menu for menu in menus() if menu.title == paragraph[0]), None)
            if menu:
                label, action = menu.entries[paragraph[-1].removeprefix("Choose: ")]
                assert following[0] == (action.title if isinstance(action, main.Menu) else label)


def settings_that_the_code_reads() -> set[str]:
    """Return the names given to settings.get(), settings.whole_number() and settings.is_set()."""
    names = set()
    for path in [*PROJECT.glob("*.py"), *PROJECT.glob("tracker/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            reads = "(settings.)?(get|whole_number|is_set)" if path.name == "settings.py" else (
                r"settings\.(get|whole_number|is_set)")
            if isinstance(node, ast.Call) and re.fullmatch(reads, ast.unparse(node.func)) and (
                    ast.unparse(node.args[0]) != "name"):
                assert isinstance(node.args[0], ast.Constant), f"{path.name} reads a setting that has no fixed name"
                names.add(node.args[0].value)
    return names


def test_the_settings_in_readme_are_those_of_the_example_and_of_the_code():
    in_readme = set(re.findall("`([A-Z_]+)`", " ".join(row[0] for row in table("Settings"))))
    in_example = set(re.findall("^#([A-Z_]+)=", (PROJECT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert in_readme == in_example == settings_that_the_code_reads()


def unset(name: str) -> str:
    """Return what README says of a setting that is not set."""
    row, = [row for row in table("Settings") if f"`{name}`" in row[0]]
    names = re.findall("`([A-Z_]+)`", row[0])
    return row[2].split(", ")[names.index(name)] if len(names) > 1 else row[2]


def test_the_numbers_that_readme_and_the_example_give_are_the_defaults():
    code = (PROJECT / "database.py").read_text(encoding="utf-8")
    in_code = dict(re.findall(r'settings\.whole_number\("([A-Z_]+)", ([0-9]+)\)', code))
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    in_example = dict(re.findall("^#((?:DB|REPORTS)_[A-Z_]+)=([0-9]+)$", example, re.MULTILINE))
    assert {name: unset(name) for name in in_code} == in_code == in_example


def options_of(command: argparse.ArgumentParser) -> set[str]:
    return {option for action in command._actions for option in action.option_strings} - {"-h", "--help"}


def test_the_commands_in_readme_are_those_of_the_program_with_their_options():
    written = {}
    for row in table("Commands"):
        name, *rest = re.fullmatch(r"`main\.py (.*)`", row[0])[1].split()
        written[name] = set(re.findall(r"--[a-z-]+", " ".join(rest)))
    parser = commands.parser("", lambda arguments: 0, lambda arguments: 0)
    real, = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    assert written == {name: options_of(command) for name, command in real.items()}


def test_what_readme_exports_can_be_exported():
    row, = [row[0] for row in table("Commands") if "main.py export " in row[0]]
    assert re.search(r"export ([a-z|]+) ", row)[1].split("|") == list(commands.exporting.EXPORTS)


def words(text: str) -> set[str]:
    return set(re.findall("[a-z]+", text.lower())) - {"a", "of", "the", "to", "with", "and", "from", "by"}


def test_the_menus_in_readme_are_those_of_the_program():
    shown = [f"{digit} {label}" for digit, (label, _) in main.MAIN_MENU.entries.items()]
    assert [row[0] for row in table("The menus")] == shown
    for row, (_, menu) in zip(table("The menus"), main.MAIN_MENU.entries.values()):
        written = [entry for part in re.sub(r"\([^)]*\)", "", row[1]).split(" · ") for entry in several(part.strip())]
        labels = [label for label, _ in menu.entries.values()]
        assert len(written) == len(labels), f"{menu.title} has {labels}, README {written}"
        for entry, label in zip(written, labels):
            assert words(entry) <= words(label), f"README calls {label} {entry}"


def several(part: str) -> list[str]:
    """Return the entries of a part that names several: add, view bill; export accounts (customers with all), bills."""
    first, *others = part.split(", ")
    if first.startswith("export "):
        return ["export", *(f"export {other}" for other in others)]
    return [first, *others]


def test_the_tables_in_readme_have_the_columns_of_the_database(sql):
    written = {row[0]: re.sub(r" \([^)]*\)", "", row[1]).split(", ") for row in table("The tables")}
    rows = sql(
        """
        SELECT relname, array_agg(attname::text ORDER BY attnum) AS columns
        FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        GROUP BY relname
        """
    )
    assert written == {row["relname"]: row["columns"] for row in rows if row["relname"] != "schema_version"}


def test_the_files_in_readme_are_those_of_the_repository():
    named = {name for row in table("The files") for name in re.findall(r"`([^`]+)`", row[0])}
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files"], cwd=PROJECT, capture_output=True, text=True,
                            check=True)
    there = set(listed.stdout.splitlines())
    folders = {f"{Path(path).parts[0]}/" for path in there if len(Path(path).parts) > 1}
    rooms = {f"{Path(path).parts[0]}/{Path(path).parts[1]}/" for path in there
             if path.startswith(("tracker/", "web/")) and path.count("/") > 1}
    files = {path for path in there if "/" not in path} - {"README.md", "LICENSE", ".gitignore"}
    assert named == (folders - {".ci/"}) | {".ci/run"} | rooms | files


def test_each_module_of_the_program_has_its_words_in_readme():
    rows = {re.search("`([^`]+)`", row[0])[1]: row[1] for row in table("The files")}
    for folder in ("tracker/", "tracker/transfer/", "tracker/terminal/", "web/"):
        modules = {path.stem for path in (PROJECT / folder).glob("*.py")} - {"__init__"}
        assert set(re.findall("`([^`]+)`", rows[folder])) == modules


def test_readmes_test_command_is_the_one_that_ci_runs():
    start, test = re.findall(r"^    (python -m venv .*)$", section("Start"), re.MULTILINE)
    run = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^python -m venv \.venv .*$", run.replace("run_tests ", ""), re.MULTILINE) == [test]
    assert start == test.replace("-m pytest", "main.py")


@pytest.mark.parametrize("today", [date(2026, 5, 1), date(2024, 2, 29), date(2027, 1, 15), date(2026, 12, 31)])
def test_readmes_calendar_can_be_any_days(today):
    lines = on_todays_calendar(["2026-11: due 2026-12-06, November 2026, 2026-11-08, 2026-11-21, 2026-11-22."], today)
    month = today.replace(day=1)
    line, = lines
    assert line == (f"{today:%Y-%m}: due {default_due_date(month, today)}, {month_name(month)}, "
                    f"{today - timedelta(days=14)}, {today - timedelta(days=1)}, {today}.")
