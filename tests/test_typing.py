"""What is typed on a terminal: characters of every script, in every locale, on one row or several."""
from __future__ import annotations

import os
import select

import pexpect
import pyte
import pytest
from conftest import wait_for
from hypothesis import given
from hypothesis import strategies as st

from tracker.terminal import editor, tables

pytestmark = pytest.mark.slow

LOCALES = {
    "C": {"LC_ALL": "C"}, "POSIX": {"LC_ALL": "POSIX"}, "none": {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""},
    "latin-1": {"LC_ALL": "en_GB.ISO-8859-1"}, "utf-8": {"LC_ALL": "C.UTF-8"},
    "without utf-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
LEFT, RIGHT, BACKSPACE, DELETE, HOME = "\x1b[D", "\x1b[C", "\x7f", "\x1b[3~", "\x1b[H"


class Screen:
    """What a terminal shows of the program that asks for a name."""

    def __init__(self, child, columns=80, lines=24):
        self.child = child
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.Stream(self.screen)

    def feed(self):
        try:
            while True:
                self.stream.feed(self.child.read_nonblocking(10_000, timeout=0))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return self

    def shown(self):
        return [row.rstrip() for row in self.feed().screen.display]

    def last(self):
        """Return the row of the cursor."""
        return self.shown()[self.screen.cursor.y]


@pytest.fixture
def asked(terminal):
    """Start the program, lead it to the name of a new customer, and return what the terminal shows of it."""
    def start(columns=80, lines=24, **env):
        child = terminal(**env)
        child.setwinsize(lines, columns)
        screen = Screen(child, columns, lines)
        for question in ("Choose:", "Choose:", "Name:"):
            wait_for(lambda question=question: screen.last() == question)
            child.send("1\r" if question != "Name:" else "")
        return screen

    return start


def name_on(screen):
    """Return what the terminal shows as the name, from all its rows; a wide character has an empty cell behind it."""
    rows = screen.shown()
    first = max(place for place, row in enumerate(rows) if row.startswith("Name:"))
    return "".join(rows[first:])[len("Name:"):].replace(" ", "")


def save_name(screen):
    """Save the customer whose name has been typed."""
    screen.child.send("\r")
    wait_for(lambda: "Phone number" in screen.last())
    screen.child.send("123\r")
    wait_for(lambda: "Choose:" in screen.last())


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(("keys", "name"), [
    (f"Zoë{BACKSPACE}e", "Zoe"),
    (f"Zoe\u0308{BACKSPACE}e", "Zoe"),
    (f"Łódź{BACKSPACE}{BACKSPACE}dz", "Łódz"),
    (f"日本{BACKSPACE}曜", "日曜"),
    (f"日本{LEFT}{LEFT}{DELETE}x", "x本"),
    (f"Łódź{LEFT}{LEFT}{BACKSPACE}o", "Łodź"),
    (f"ódź{HOME}Ł{RIGHT}{BACKSPACE}ó", "Łódź"),
    (f"ë{BACKSPACE}{BACKSPACE}Bo", "Bo"),
    ("Ada😀", "Ada😀"),
], ids=["ë", "ë in two", "Łódź", "日本", "日本 from the left", "ó from the left", "Ł in front", "nothing left",
        "emoji"])
def test_a_key_moves_over_or_takes_a_whole_character_on_the_screen_and_in_what_is_stored(
        locale, keys, name, asked, sql):
    screen = asked(**LOCALES[locale])
    screen.child.send(keys)
    wait_for(lambda: name_on(screen) == name)
    save_name(screen)
    assert sql("SELECT name FROM customers") == [{"name": name}]


LONG = "".join(f"{number}-" for number in range(10, 62))


@pytest.mark.parametrize(("keys", "name"), [
    (LONG, LONG), (f"{LONG}{HOME}x", f"x{LONG}"), (f"{LONG}{HOME}{RIGHT * 35}{DELETE}", f"{LONG[:35]}{LONG[36:]}"),
    (LONG + BACKSPACE * 130, LONG[:-130]), ("日" * 60, "日" * 60),
    (f"{'日' * 60}{HOME}x{RIGHT * 20}{BACKSPACE}", f"x{'日' * 59}"),
    (f"{'x' * 34}", "x" * 34), (f"{'x' * 33}日", f"{'x' * 33}日"), (f"{'x' * 34}{BACKSPACE}", "x" * 33),
    (f"{'x' * 34}{LEFT}{BACKSPACE}y", f"{'x' * 32}yx"), (f"{LONG}\x0c{BACKSPACE}", LONG[:-1]),
], ids=["long", "in front", "in the second row", "back to one row", "wide", "wide in front", "a whole row",
        "a wide one at the margin", "back from the margin", "before the margin", "an unknown key"])
def test_a_line_longer_than_a_row_is_shown_and_stored_whole(keys, name, asked, sql):
    screen = asked(columns=40)
    above = [row for row in screen.shown() if row][:-1]
    screen.child.send(keys)
    wait_for(lambda: name_on(screen) == name)
    rows = [row for row in screen.shown() if row]
    kept = rows[:max(place for place, row in enumerate(rows) if row.startswith("Name:"))]
    assert kept == above[-len(kept):]
    save_name(screen)
    assert sql("SELECT name FROM customers") == [{"name": name}]


def test_a_line_longer_than_the_terminal_shows_the_part_with_the_cursor(asked, sql):
    screen = asked(columns=40, lines=8)
    screen.child.send("".join(f"{number} " for number in range(1000, 1160)))
    wait_for(lambda: "1159" in "".join(screen.shown()))
    screen.child.send(HOME)
    wait_for(lambda: screen.shown()[0].startswith("Name: 1000 1001"))
    screen.child.send("\x0b200\r")
    wait_for(lambda: "Phone number" in screen.last())


@pytest.mark.parametrize(("keys", "name"), [
    ("Ada Okafor\x17Obi", "Ada Obi"), ("xAda\x01\x04", "Ada"), ("Obi\x15Ada", "Ada"), ("AdaObi\x02\x02\x02\x0b", "Ada"),
    ("Obi\x1bbAda \x05!", "Ada Obi!"), ("Ada Obi\x1b[1;5D\x1b[1;5D\x1b[1;5C\x1b[3~-", "Ada-Obi"), ("A\tB", "A B"),
    ("Ada\x1b[15~\x1b[A\x1b[B\x1bOP\x00\x0e", "Ada"), ("x\x06\x08Ada", "Ada"), ("Ada\x1b\x7f\x1b[7~Bo", "Bo"),
])
def test_the_usual_keys_edit_and_others_do_nothing(keys, name, asked, sql):
    screen = asked()
    screen.child.send(keys)
    save_name(screen)
    assert sql("SELECT name FROM customers") == [{"name": name}]


def test_keys_that_come_in_pieces_are_whole(asked, sql):
    screen = asked()
    for piece in "Adë😀x\x1b[D\x1b[3~".encode():
        os.write(screen.child.child_fd, bytes([piece]))
    wait_for(lambda: name_on(screen) == "Adë😀")
    save_name(screen)
    assert sql("SELECT name FROM customers") == [{"name": "Adë😀"}]


def test_bytes_that_are_no_text_are_refused_by_their_number(asked):
    screen = asked()
    os.write(screen.child.child_fd, b"Ad\xff\r")
    wait_for(lambda: "Remove the invalid character U+DCFF" in "".join(screen.shown()))


@given(st.text(st.sampled_from("ab é日 \u0308-"), max_size=40), st.integers(0, 40), st.integers(4, 12))
def test_no_row_is_wider_than_the_terminal_and_none_of_the_line_is_lost(line, at, columns):
    at = min(at, len(line))
    rows, row, column = editor.laid_out(line, at, columns)
    assert "".join(rows) == line
    assert all(tables.width(shown) <= columns for shown in rows)
    assert column < columns or at < len(line)
    assert (0, 0) <= (row, column) < (len(rows), columns)


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_move_its_cursor_is_sent_no_escape_sequence(term, terminal, sql):
    child = terminal(TERM=term)
    for answer in ("1", "1", "Ada", "123"):
        child.expect(": $")
        assert "\x1b" not in child.before
        child.send(f"{answer}\r")
    child.expect_exact("Added customer 1")
    assert "\x1b" not in child.before


@pytest.mark.parametrize("rest", [b"rest\n1\n4\n1\nyes\n\x1b[201~", b"rest\n1\n4\n", b""])
def test_the_rest_of_a_paste_that_was_broken_off_is_dropped(rest):
    keyboard = editor._Keyboard()
    keyboard.unread = f"{editor.PASTE_BEGINS}begun\n"
    reader, writer = os.pipe()
    usual = os.dup(0)
    os.dup2(reader, 0)
    try:
        os.write(writer, rest)
        keyboard.forget()
        assert (keyboard.unread, select.select([0], [], [], 0)[0]) == ("", [])
    finally:
        os.dup2(usual, 0)
        for descriptor in (reader, writer, usual):
            os.close(descriptor)
