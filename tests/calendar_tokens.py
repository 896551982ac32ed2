"""Dates in expected texts, as tokens that say how far they are from today and are as wide as what they stand for."""
from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone

from wcwidth import wcswidth

from tracker.bill_run import default_due_date

# Examples in sentences of the program, the same on every day.
FIXED = ("such as 2026-12-15", "such as 2026-12.", "from 2000-01-01 to 2199-12-31")
TOKEN = re.compile(
    r"\[(?:(today|day)([+-][0-9]+)? *|(mon|mo)([+-][0-9]+)|([0-9]{2}) mon([+-][0-9]+)|due date|new year)\]")
DATE = re.compile(r"(?<![0-9-])([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9-])")
DATE_OR_MONTH = re.compile(r"(?<![0-9-])([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?(?![0-9-])")
NEAR_MONTHS = 120


def noon() -> str:
    """Return a time zone in which it is about noon, so that no midnight falls between two screens."""
    return f"<NOON>{datetime.now(timezone.utc).hour - 12:+d}"


def month(today: date, offset: int) -> date:
    """Return the first day of a month, counted from today's."""
    months = today.year * 12 + today.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)


def day_token(days: int) -> str:
    sign = f"{days:+d}" if days else ""
    return f"[{f'today{sign}' if abs(days) < 100 else f'day{sign}':<8}]"


def month_token(months: int) -> str:
    return f"[mon{months:+d}]" if abs(months) < 10 else f"[mo{months:+d}]"


def rendered(template: str, today: date, columns: int = 0) -> str:
    """Return a template as it reads on a day."""
    def text_of(token: re.Match[str]) -> str:
        day, days, of_a_month, months, day_of_month, of_month = token.groups()
        if day:
            return str(today + timedelta(days=int(days or 0))) if len(token[0]) == 10 else token[0]
        if of_a_month:
            return f"{month(today, int(months)):%Y-%m}"
        if day_of_month:
            return str(month(today, int(of_month)).replace(day=int(day_of_month)))
        return str(default_due_date(month(today, 0), today) if token[0] == "[due date]" else date(today.year, 1, 1))

    def with_dates(text: str) -> str:
        return TOKEN.sub(text_of, text)

    return across_margins(with_dates, with_dates, template, columns)


def template_of(screen: str, today: date, by_month: dict[date, str], columns: int = 0) -> str:
    """Return a text with its dates as tokens: those of by_month as it says, the others by their distance in days."""
    def templated(text: str, pattern: re.Pattern[str]) -> str:
        for number, example in enumerate(FIXED):
            text = text.replace(example, f"\0{number}\0")
        text = pattern.sub(lambda found: token_of(found, today, by_month), text)
        for number, example in enumerate(FIXED):
            text = text.replace(f"\0{number}\0", example)
        return text

    # What reads as a month may be a date that goes on in the next line.
    return across_margins(
        lambda text: templated(text, DATE), lambda text: templated(text, DATE_OR_MONTH), screen, columns)


def across_margins(by_line: Callable[[str], str], change: Callable[[str], str], screen: str, columns: int) -> str:
    """Change a text as it is, and then with what a terminal of that width broke at its margin put together again.

    A change keeps lengths, so that the breaks come back where they were.
    """
    joined, breaks, line_is_full = "", [], False
    for line in by_line(screen).splitlines(keepends=True):
        if line_is_full and "~" in line and not line.strip(" ~\n"):
            breaks[-1] = (breaks[-1][0], breaks[-1][1] + line)
            continue
        joined += line
        line_is_full = columns > 0 and wcswidth(line.rstrip("\n")) == columns
        if line_is_full:
            joined = joined.rstrip("\n")
            breaks.append((len(joined), "\n"))
    changed = change(joined)
    assert len(changed) == len(joined) or not breaks
    for position, between in reversed(breaks):
        changed = changed[:position] + between + changed[position:]
    return changed


def token_of(found: re.Match[str], today: date, by_month: dict[date, str]) -> str:
    year, month_of_year, day_of_month = (int(part) if part else None for part in found.groups())
    try:
        day = date(year, month_of_year, day_of_month or 1)
    except ValueError:
        return found[0]
    if day_of_month is None:
        months = (year - today.year) * 12 + month_of_year - today.month
        return month_token(months) if abs(months) < NEAR_MONTHS else found[0]
    if day != today and day in by_month:
        return by_month[day]
    days = (day - today).days
    return day_token(days) if abs(days) < 31 * NEAR_MONTHS else found[0]
