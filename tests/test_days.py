"""How a day may be written and said, and why one is refused."""
from __future__ import annotations

import re
from datetime import date

import pytest

from tracker import fields

TODAY = date(2026, 11, 25)
RANGE = "Enter a date from 2000-01-01 to 2199-12-31."


def why(parse, answer):
    with pytest.raises(ValueError, match=r"\.") as caught:
        parse(answer)
    return str(caught.value)


@pytest.mark.parametrize("written", [
    "2026-12-15", "2026/12/15", "2026.12.15", "20261215", "15.12.2026", "15/12/2026", "15-12-2026", "12/15/2026",
])
def test_a_date_is_taken_however_it_is_written_where_it_can_be_read_in_one_way(written):
    assert {parse(written) for parse in (fields.day, fields.day_from(TODAY), fields.past_day(date(2030, 1, 1)))} == {
        date(2026, 12, 15)}


@pytest.mark.parametrize(("written", "day"), [
    ("2026-1-5", date(2026, 1, 5)), ("4/4/2026", date(2026, 4, 4)), ("31.1.2026", date(2026, 1, 31)),
    ("1/31/2026", date(2026, 1, 31)), ("2028-02-29", date(2028, 2, 29)), ("29.2.2028", date(2028, 2, 29)),
    ("12/12/2026", date(2026, 12, 12)), ("13.12.2026", date(2026, 12, 13)), ("12/13/2026", date(2026, 12, 13)),
])
def test_short_numbers_and_the_last_days_of_months_are_read(written, day):
    assert fields.day(written) == day


@pytest.mark.parametrize("sign", "/.-")
@pytest.mark.parametrize(("first", "second"), [("03", "04"), ("12", "1"), ("1", "12")])
def test_a_date_that_can_be_read_in_two_ways_is_refused_with_both(sign, first, second):
    written = sign.join((first, second, "2026"))
    one, other = f"2026-{int(second):02}-{int(first):02}", f"2026-{int(first):02}-{int(second):02}"
    assert why(fields.day, written) == f"{written} can be read in two ways: write {one} or {other}."


@pytest.mark.parametrize(("written", "reason"), [
    ("2026-11-31", "There is no day 31: November has 30 days."),
    ("31.11.2026", "There is no day 31: November has 30 days."),
    ("20261131", "There is no day 31: November has 30 days."),
    ("2026-12-32", "There is no day 32: December has 31 days."),
    ("2026-11-00", "There is no day 0: November has 30 days."),
    ("2026-02-29", "2026 is no leap year: February has 28 days."),
    ("30/2/2026", "2026 is no leap year: February has 28 days."),
    ("2100-02-29", "2100 is no leap year: February has 28 days."),
    ("2028-02-30", "There is no day 30: February has 29 days."),
    ("2026-13-01", "There is no month 13: enter a date such as 2026-12-15."),
    ("2026-15-12", "There is no month 15: enter a date such as 2026-12-15."),
    ("15/13/2026", "There is no month 13: enter a date such as 2026-12-15."),
    ("2026-0-1", "There is no month 0: enter a date such as 2026-12-15."),
    ("2026-12", "That is a month: enter a date in it, such as 2026-12-15."),
    ("1999-12-31", RANGE), ("2200-01-01", RANGE), ("31.12.1999", RANGE), ("99999-01-01", RANGE), ("0000-00-00", RANGE),
    ("20261301", "There is no month 13: enter a date such as 2026-12-15."),
])
def test_a_date_that_is_none_says_why_wherever_it_is_asked_for(written, reason):
    parsers = (fields.day, fields.day_from(TODAY), fields.past_day(TODAY))
    assert [why(parse, written) for parse in parsers] == [reason] * 3


@pytest.mark.parametrize(("said", "day"), [
    ("today", TODAY), ("Yesterday", date(2026, 11, 24)), ("TOMORROW", date(2026, 11, 26)), ("+14", date(2026, 12, 9)),
    ("+0", TODAY), ("-3", date(2026, 11, 22)), ("+365", date(2027, 11, 25)),
])
def test_a_day_may_be_said_from_today_on(said, day):
    assert fields.day_from(TODAY)(said) == day
    if day <= TODAY:
        assert fields.past_day(TODAY)(said) == day
    else:
        assert "a date up to 2026-11-25" in why(fields.past_day(TODAY), said)


@pytest.mark.parametrize("said", ["", "14", "+", "++1", "+1d", "+12345", "next week", "+１"])
def test_what_is_no_day_is_told_what_is(said):
    assert why(fields.day_from(TODAY), said) == "Enter a date such as 2026-12-15, or today, tomorrow or +14."


@pytest.mark.parametrize(("written", "month"), [
    ("2026-12", 12), ("2026-1", 1), ("12/2026", 12), ("1.2026", 1), ("2026/02", 2),
])
def test_a_month_is_taken_as_it_is_written(written, month):
    assert fields.month(written) == date(2026, month, 1)


@pytest.mark.parametrize(("written", "reason"), [
    ("2026-13", "There is no month 13: enter a month such as 2026-12."),
    ("2026-00", "There is no month 0: enter a month such as 2026-12."),
    ("1999-12", "Enter a month from 2000-01 to 2199-12."), ("2200-01", "Enter a month from 2000-01 to 2199-12."),
])
def test_a_month_that_is_none_says_why(written, reason):
    assert why(fields.month, written) == reason


def test_every_reason_is_one_sentence():
    for written in ("2026-11-31", "03/04/2026", "2026-12", "1999-01-01", "x"):
        assert re.fullmatch(r"[^.]+\.", why(fields.day, written).replace("..", "."))
