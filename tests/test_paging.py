"""Long lists and long texts, a page at a time, at the edges of a page; and in one go off a terminal."""
from __future__ import annotations

import itertools

import pytest

from tracker.errors import Cancelled
from tracker.terminal import paging, tables

COLUMNS = [tables.numbers("ID", "id")]


@pytest.fixture
def screen(monkeypatch, capsys):
    """Show something on a terminal of 80 by 24 while answers are typed; return each page and the question below it."""
    def show(view, *answers):
        typed, pages = iter(answers), []

        def page():
            lines = capsys.readouterr().out.splitlines()
            return lines[1:] if pages else lines  # without the answer before, which is printed where it is not typed

        def answer(prompt):
            pages.append((page(), prompt))
            try:
                return next(typed)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr(paging, "on_terminal", lambda: True)
        monkeypatch.setattr(tables, "terminal_size", lambda: (80, 24))
        monkeypatch.setattr("builtins.input", answer)
        try:
            view()
        except Cancelled:
            pages.append("left open")
            return pages
        pages.append((page(), None))
        return pages

    return show


def browse(rows, **more):
    """Browse rows whose IDs count from 1."""
    def fetch(after, limit):
        return [{"id": i} for i in range(after + 1, min(after + limit, rows) + 1)]

    return lambda: paging.browse(COLUMNS, fetch, lambda row: row["id"], 0, f"{rows}", **more)


def shown(lines):
    return [int(line) for line in lines if line.strip().isdigit()]


def show_lines(count):
    return lambda: paging.show_lines(f"line {i}" for i in range(1, count + 1))


@pytest.mark.parametrize(("rows", "asked"), [(1, False), (11, False), (12, True), (20, True)])
def test_a_list_asks_nothing_where_it_and_the_menu_fit_the_screen(rows, asked, screen):
    first, *rest = screen(browse(rows), "0")
    assert shown(first[0]) == list(range(1, rows + 1))
    assert first[1] == (f"Rows 1 to {rows} of {rows}  (Enter, 0 or q back): " if asked else None)
    assert bool(rest) == asked


def test_an_empty_list_says_so_and_asks_nothing(screen):
    assert screen(browse(0)) == [(["There are none."], None)]


@pytest.mark.parametrize("more", [
    {}, {"footer": "All in all."}, {"total_row": {"id": 99}}, {"footer": "All in all.", "total_row": {"id": 99}},
], ids=["bare", "footer", "total", "both"])
def test_every_page_of_a_list_fits_the_screen_with_its_question(more, screen):
    size = 20 - len(more)
    for rows in (size, size + 1):
        lines, question = screen(browse(rows, **more), "0")[0]
        assert len(lines) + 1 <= 23
        assert question.startswith(f"Rows 1 to {size} of {rows}  (")


def test_pages_follow_each_other_without_a_gap_and_lead_back(screen):
    pages = screen(browse(45), "", "n", "p", "", "")
    assert [shown(lines) for lines, _ in pages[:-1]] == [
        list(range(1, 21)), list(range(21, 41)), list(range(41, 46)), list(range(21, 41)), list(range(41, 46))]
    assert [question for _, question in pages] == [
        "Rows 1 to 20 of 45  (Enter next, 0 or q back): ",
        "Rows 21 to 40 of 45  (Enter next, p previous, 0 or q back): ",
        "Rows 41 to 45 of 45  (p previous, Enter, 0 or q back): ",
        "Rows 21 to 40 of 45  (Enter next, p previous, 0 or q back): ",
        "Rows 41 to 45 of 45  (p previous, Enter, 0 or q back): ", None]


@pytest.mark.parametrize("rows", [20, 40])
def test_a_list_that_ends_with_its_page_has_no_empty_page_after_it(rows, screen):
    pages = screen(browse(rows), *[""] * (rows // 20))
    assert len(pages) == rows // 20 + 1
    assert pages[-1][1] is None


@pytest.mark.parametrize("turn", ["p", "x", "1"])
def test_there_is_no_page_before_the_first(turn, screen, monkeypatch):
    complaints = []
    monkeypatch.setattr("tracker.terminal.prompts.complain", complaints.append)
    pages = screen(browse(45), turn, "0")
    assert (complaints, len(pages)) == (["Type one of these: Enter next, 0 or q back."], 3)


@pytest.mark.parametrize("key", ["0", "q", "Q"])
def test_a_list_and_a_text_are_left_from_any_page(key, screen):
    for view in (browse(45), show_lines(50)):
        for turns in ([], [""], ["", ""]):
            pages = screen(view, *turns, key)
            assert len(pages) == len(turns) + 2
            assert pages[-1] == ([], None)


def test_what_is_wrong_below_a_page_is_said_in_the_words_of_its_question(screen, monkeypatch):
    complaints = []
    monkeypatch.setattr("tracker.terminal.prompts.complain", complaints.append)
    pages = screen(browse(45), "x", "", "x", "", "x", "")
    hints = [question[question.index("(") + 1:question.index(")")] for _, question in pages[:-1:2]]
    assert complaints == [f"Type one of these: {hint}." for hint in hints]
    assert hints == ["Enter next, 0 or q back", "Enter next, p previous, 0 or q back", "p previous, Enter, 0 or q back"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_question_below_a_page_fits_the_line_with_its_answer(width, monkeypatch):
    typed = []
    monkeypatch.setattr(paging, "on_terminal", lambda: True)
    monkeypatch.setattr(tables, "terminal_size", lambda: (width, 24))
    monkeypatch.setattr("builtins.input", lambda prompt: typed.append(prompt) or "")
    browse(1045)()
    assert len(typed) > 50
    assert all(len(prompt) < width for prompt in typed)


def test_a_footer_and_a_last_row_stand_below_every_page(screen):
    pages = screen(browse(20, footer="All in all.", total_row={"id": 99}), "", "")
    for lines, _ in pages[:-1]:
        assert [line.strip() for line in lines[-2:]] == ["99", "All in all."]


def test_a_list_does_not_fetch_further_than_it_shows(screen):
    asked = []

    def fetch(after, limit):
        asked.append((after, limit))
        return [{"id": i} for i in range(after + 1, after + limit + 1)]

    screen(lambda: paging.browse(COLUMNS, fetch, lambda row: row["id"], 0, "many"), "", "0")
    assert asked == [(0, 21), (20, 21)]


@pytest.mark.parametrize("rows", [1, 499, 500, 501, 1000, 1001])
@pytest.mark.parametrize("streamed", [False, True])
def test_off_a_terminal_a_list_is_shown_whole_with_one_last_row(rows, streamed, capsys):
    stream = (lambda: ({"id": i} for i in range(1, rows + 1))) if streamed else None
    browse(rows, total_row={"id": 9999}, footer="All in all.", stream=stream)()
    lines = capsys.readouterr().out.splitlines()
    assert shown(lines) == [*range(1, rows + 1), 9999]
    assert lines[-1] == "All in all."
    chunks = -(-rows // tables.CHUNK)
    assert (sum(line.strip() == "ID" for line in lines), lines.count("")) == (chunks, chunks - 1)


def test_off_a_terminal_a_list_that_can_be_streamed_is_not_fetched_page_by_page(capsys):
    paging.browse(COLUMNS, lambda after, limit: pytest.fail("a page"), lambda row: row["id"], 0, "1",
                  stream=lambda: iter([{"id": 1}]))
    assert shown(capsys.readouterr().out.splitlines()) == [1]


def test_off_a_terminal_an_empty_list_says_so(capsys):
    browse(0)()
    assert capsys.readouterr().out == "There are none.\n"


@pytest.mark.parametrize(("count", "asked"), [(1, False), (13, False), (14, True), (22, True)])
def test_a_text_asks_nothing_where_it_and_the_menu_fit_the_screen(count, asked, screen):
    first, *rest = screen(show_lines(count), "0")
    assert len(first[0]) == count
    assert first[1] == (f"Lines 1 to {count}  (Enter, 0 or q back): " if asked else None)
    assert bool(rest) == asked


def test_pages_of_a_text_follow_each_other_without_a_gap_and_lead_back(screen):
    pages = screen(show_lines(50), "", "", "p", "n", "")
    assert [(lines[0], lines[-1]) for lines, _ in pages[:-1]] == [
        ("line 1", "line 22"), ("line 23", "line 44"), ("line 45", "line 50"), ("line 23", "line 44"),
        ("line 45", "line 50")]
    assert [question for _, question in pages] == [
        "Lines 1 to 22  (Enter next, 0 or q back): ", "Lines 23 to 44  (Enter next, p previous, 0 or q back): ",
        "Lines 45 to 50  (p previous, Enter, 0 or q back): ", "Lines 23 to 44  (Enter next, p previous, 0 or q back): ",
        "Lines 45 to 50  (p previous, Enter, 0 or q back): ", None]


def test_a_text_that_ends_with_its_page_has_no_empty_page_after_it(screen):
    pages = screen(show_lines(44), "", "")
    assert [len(lines) for lines, _ in pages] == [22, 22, 0]


def test_a_text_is_fetched_only_as_far_as_the_reader_goes(screen):
    numbers = itertools.count(1)
    screen(lambda: paging.show_lines(f"line {i}" for i in numbers), "", "p", "", "0")
    assert next(numbers) == 46


def test_off_a_terminal_a_text_is_shown_whole(capsys):
    show_lines(100)()
    assert capsys.readouterr().out.splitlines() == [f"line {i}" for i in range(1, 101)]
