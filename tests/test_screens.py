"""Every screen, whole: what the terminal shows is compared with a file, to the character, at 80, 60 and 120 columns.

    python -m pytest tests/test_screens.py --rewrite-screens

writes the files anew, to be reviewed as any change. screens/<walk>/<screen>.80.txt is one screen at 80 columns; one
that differs at 60 or 120 has a file for that width, too. Dates are tokens (calendar_tokens.py), and so is what differs
between machines. ~ stands under what is struck out.
"""
from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import calendar_tokens
import psycopg2
import psycopg2.extras
import pytest
import walks
from conftest import named, numbers

import main

SCREENS = Path(__file__).with_name("screens")
WIDTHS = (80, 60, 120)
MACHINES_OWN = (
    (re.compile(r"PostgreSQL [0-9].*"), "PostgreSQL [version and place]"),
    (re.compile(r"isp_test_[0-9_]+"), "[database]"),
    (re.compile(r"(\[database\]), [0-9]+ (?:bytes|[kMG]B)"), r"\1, [size]"),
    (re.compile(r"(\[database\](?:, \[size\])?), as \S+$", re.MULTILINE), r"\1, as [login]"),
    (re.compile(r"^Log\s+\S+/program\.log$", re.MULTILINE), "Log        [log]"),
    (re.compile(r"<NOON>\S*"), "[time zone]"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*?(?=,|$)", re.MULTILINE), "[moment]"),
    (re.compile(r"\^C$", re.MULTILINE), ""),  # some line editors show it, some do not
)


@pytest.fixture
def fresh_database(server_uri: str, admin: Callable[[str], None], template: str) -> Iterator[Callable[[], str]]:
    """Make databases with the schema, in which it is about noon."""
    made: list[str] = []

    def make() -> str:
        made.append(f"isp_test_{os.getpid()}_{next(numbers)}")
        admin(f"CREATE DATABASE {made[-1]} TEMPLATE {template}")
        admin(f"ALTER DATABASE {made[-1]} SET TimeZone = '{calendar_tokens.noon()}'")
        return named(server_uri, made[-1])

    yield make
    for name in made:
        admin(f"DROP DATABASE {name} WITH (FORCE)")


def walked(
    walk: Callable[[walks.Walk], None], uri: str, columns: int, folder: Path, login_uri: str = ""
) -> walks.Walk:
    """Go through a walk on a database, in a folder of its own; with login_uri the program has another login."""
    folder.mkdir()
    conn = psycopg2.connect(uri, cursor_factory=psycopg2.extras.RealDictCursor)
    conn.autocommit = True

    def sql(statement: str, *values: Any) -> list[dict[str, Any]]:
        with conn.cursor() as cur:
            cur.execute(statement, values or None)
            return cur.fetchall() if cur.description else []

    session = walks.Walk(login_uri or uri, columns, folder, sql)
    try:
        walk(session)
        session.leave()
    finally:
        session.close()
        conn.close()
    return session


def everywhere(screen: str) -> str:
    """Return a screen as it reads on every machine."""
    for found, shown in MACHINES_OWN:
        screen = found.sub(shown, screen)
    return screen


def expected_file(folder: Path, screen: str, columns: int) -> Path:
    """Return the file of a screen at a width: its own, or that of 80 columns where the two are the same."""
    own = folder / f"{screen}.{columns}.txt"
    return own if own.exists() else folder / f"{screen}.{WIDTHS[0]}.txt"


def expected(path: Path, today: date, columns: int) -> str:
    """Return what a file says that a screen shows today; nothing when there is no file."""
    return calendar_tokens.rendered(path.read_text(encoding="utf-8"), today, columns) if path.exists() else ""


def difference(path: Path, wanted: str, shown: str, columns: int) -> str:
    """Return how a screen differs from its file, line by line; nothing when it does not."""
    return "\n".join(difflib.unified_diff(
        wanted.split("\n"), shown.split("\n"), str(path.relative_to(SCREENS)), f"the screen at {columns} columns",
        lineterm="", n=2,
    ))


def rewrite(folder: Path, sessions: dict[int, walks.Walk]) -> None:
    """Write what each screen shows where its file does not say it, and remove the files that no screen needs."""
    folder.mkdir(parents=True, exist_ok=True)
    needed = set()
    for columns, session in sessions.items():
        for screen, raw in session.shots.items():
            shown = everywhere(raw)
            common, own = folder / f"{screen}.{WIDTHS[0]}.txt", folder / f"{screen}.{columns}.txt"
            fitting = [path for path in (common, own)
                       if path.exists() and expected(path, session.today, columns) == shown]
            if not fitting:
                template = calendar_tokens.template_of(shown, session.today, session.by_month.get(screen, {}), columns)
                own.write_text(template, encoding="utf-8")
            needed.add(fitting[0] if fitting else own)
    for path in set(folder.iterdir()) - needed:
        path.unlink()


@pytest.mark.parametrize("widths", [WIDTHS[:1], pytest.param(WIDTHS[1:], marks=pytest.mark.slow)], ids=["80", "others"])
@pytest.mark.parametrize("walk", walks.WALKS, ids=lambda walk: walk.__name__)
def test_each_screen_is_what_its_file_says(walk, widths, fresh_database, tmp_path, request):
    folder = SCREENS / walk.__name__
    rewriting = request.config.getoption("rewrite_screens")
    if rewriting and WIDTHS[0] not in widths:
        return  # written along with the first width
    sessions = {columns: walked(walk, fresh_database(), columns, tmp_path / str(columns))
                for columns in (WIDTHS if rewriting else widths)}
    if rewriting:
        rewrite(folder, sessions)
    found, seen = [], set()
    for columns, session in sessions.items():
        for screen, shown in session.shots.items():
            path = expected_file(folder, screen, columns)
            seen.add(path)
            found.append(difference(path, expected(path, session.today, columns), everywhere(shown), columns))
    files = {path for columns in sessions for path in folder.glob(f"*.{columns}.txt")}
    found += [f"No screen is {path.relative_to(SCREENS)}." for path in sorted(files - seen)]
    if any(found):
        found.append("If that is meant, run pytest tests/test_screens.py --rewrite-screens, and review.")
        pytest.fail("\n\n".join(filter(None, found)), pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize("walk", walks.WALKS, ids=lambda walk: walk.__name__)
def test_an_admin_who_owns_nothing_sees_the_same_screens(walk, fresh_database, admin, tmp_path):
    login = f"isp_ann_{os.getpid()}"
    uri = fresh_database()
    admin(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE isp_admin")
    try:
        session = walked(walk, uri, WIDTHS[0], tmp_path / "own",
                         psycopg2.extensions.make_dsn(uri, user=login, password="x"))
    finally:
        admin(f"DROP ROLE {login}")
    found = [
        difference(path, expected(path, session.today, WIDTHS[0]), everywhere(shown).replace(login, "postgres"),
                   WIDTHS[0])
        for screen, shown in session.shots.items() if "menu-administration" not in screen
        for path in [expected_file(SCREENS / walk.__name__, screen, WIDTHS[0])]
    ]
    assert "\n".join(filter(None, found)) == ""


@pytest.fixture
def files(request: pytest.FixtureRequest) -> list[Path]:
    """The expected files; none while they are written."""
    return [] if request.config.getoption("rewrite_screens") else sorted(SCREENS.glob("*/*.txt"))


def test_no_file_is_of_a_walk_that_is_no_more(files):
    assert {path.parent.name for path in files} <= {walk.__name__ for walk in walks.WALKS}


def entries(menu: main.Menu) -> Iterator[str]:
    for label, action in menu.entries.values():
        if isinstance(action, main.Menu):
            yield from entries(action)
        else:
            yield label


def test_every_entry_of_every_menu_is_on_a_screen(files):
    first_lines = {path.read_text(encoding="utf-8").partition("\n")[0] for path in files}
    seen_by_others = {"People"}  # whose list is the server's: tests/test_people.py compares it whole
    assert not files or set(entries(main.MAIN_MENU)) - first_lines == seen_by_others


def days_of_several_years() -> Iterator[date]:
    return (date(2023, 12, 25) + timedelta(days=days) for days in range(3 * 366))


def test_a_template_is_as_wide_as_what_it_stands_for(files):
    for path, today in itertools.product(files, list(days_of_several_years())[::61]):
        template = path.read_text(encoding="utf-8")
        rendered = calendar_tokens.rendered(template, today)
        assert list(map(len, rendered.split("\n"))) == list(map(len, template.split("\n")))


@pytest.mark.parametrize("token", [
    "[today   ]", "[today+9 ]", "[today-17]", "[day-1234]", "[mon+0]", "[mon-1]", "[mo-11]",
])
def test_a_token_comes_back_from_the_day_that_it_gives(token):
    for today in days_of_several_years():
        assert calendar_tokens.template_of(calendar_tokens.rendered(token, today), today, {}) == token


@pytest.mark.parametrize(("today", "text"), [
    (date(2024, 2, 29), "2024-02-28 2024-03-01 2023-12 2025-02 2024-02-15 2024-03-14 2024-01-01"),
    (date(2027, 1, 31), "2027-01-30 2027-02-01 2026-11 2028-01 2027-01-15 2027-02-14 2027-01-01"),
    (date(2026, 12, 15), "2026-12-14 2026-12-16 2026-10 2027-12 2026-12-15 2026-12-15 2026-01-01"),
    (date(2026, 12, 1), "2026-11-30 2026-12-02 2026-10 2027-12 2026-12-15 2026-12-15 2026-01-01"),
])
def test_a_template_is_read_at_the_ends_of_months_and_years(today, text):
    template = "[today-1 ] [today+1 ] [mon-2] [mo+12] [15 mon+0] [due date] [new year]"
    assert calendar_tokens.rendered(template, today) == text


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_date_that_is_broken_at_the_margin_is_a_token_all_the_same(cut):
    today = date(2026, 11, 25)
    screen = f"{'x' * (20 - cut)}2026-12-24.\n2026-11, 2026-11-25\n"
    broken = f"{screen[:20]}\n{screen[20:]}"
    template = calendar_tokens.template_of(broken, today, {}, 20)
    assert template.replace("\n", "") == f"{'x' * (20 - cut)}[today+29].[mon+0], [today   ]"
    assert calendar_tokens.rendered(template, today, 20) == broken


def test_a_date_that_a_sentence_gives_as_an_example_stays():
    sentence = "Enter a date such as 2026-12-15."
    assert calendar_tokens.template_of(sentence, date(2026, 12, 15), {}) == sentence
