"""What of a file shows only in its whole: the decimal sign of its amounts, the words of its statuses, the order in its
dates, the plans that have no price. One look through it, before it is read.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TextIO

from tracker import interrupts, text
from tracker.errors import UnclearAmounts, UnclearDays, UnclearPrices, UnclearWords
from tracker.transfer import cells
from tracker.transfer.choices import AMOUNTS, Choices, header_name
from tracker.transfer.sorting import Source
from tracker.transfer.source import records
from tracker.transfer.synonyms import SYNONYMS, fold, meaning

Progress = Callable[[str, int, int], object]
CHUNK = 2_000
MOST_KEPT = 50_000  # different cells of a column, before they are looked at
MOST_NAMED = 5
STATUSES = ("customer_status", "service_status")


def work_out(source: Source, choices: Choices, progress: Progress) -> Choices:
    """Complete the choices by what the whole file shows; raise what is unclear, one thing at a time."""
    look = _Look(source, choices)
    if not look.wanted:
        return choices
    look.through(progress)
    choices = look.place_status(choices)
    choices = replace(choices, decimals={**look.decimals(), **choices.decimals})
    if choices.day_first is None:
        choices = replace(choices, day_first=look.day_first())
    look.check_words(choices)
    look.check_prices(choices)
    return choices


class _Look:
    """What the columns say that cannot be told line by line."""

    def __init__(self, source: Source, choices: Choices) -> None:
        self._source, self._choices = source, choices
        self._signs: dict[int, dict[str, str]] = {}  # of a column: a cell with each decimal sign
        self._seen: dict[int, dict[str, str]] = {}  # of a column: the folded words, and how they are written
        self._days: dict[bool | None, str] = {}  # a cell that shows the order: day first, month first, neither
        self._states: dict[tuple[str, ...], str] = {}  # of a customer
        self._differ = False  # the states in the lines of a customer
        self._whose = self._columns_of_customer()
        words = [*STATUSES, *(["service_name"] if self._wants_prices() else [])]
        self._looks: dict[int, Callable[[Iterable[str]], None]] = {}
        for name in AMOUNTS:
            if name not in choices.decimals:
                self._look_at(name, self._see_signs)
        for name in words:
            self._look_at(name, self._see_words)
        self._look_at("service_end", self._see_days)
        self.wanted = bool(self._looks)

    def _look_at(self, name: str, see: Callable[[int, Iterable[str]], None]) -> None:
        for column in self._choices.columns_of(name):
            self._looks[column] = lambda found, column=column, see=see: see(column, found)  # type: ignore[misc]

    def _wants_prices(self) -> bool:
        return self._choices.has("service_name") and not self._choices.has("service_cost")

    def _columns_of_customer(self) -> list[int]:
        """Return the columns that say whose a line is, where a status may be that of a service, too."""
        choices = self._choices
        is_told = "customer_status" in choices.given or choices.has("service_status")
        if is_told or not choices.has("customer_status") or not choices.has("service_name"):
            return []
        header = self._source.headers[choices.columns_of("customer_status")[0]]
        if meaning(header) in SYNONYMS["customer_status"][0].split():
            return []
        return choices.columns_of("account_number", "customer_id", "name", "phone_number")

    def through(self, progress: Progress) -> None:
        """Read the file once."""
        opened: list[TextIO] = []
        size = self._source.size
        kept: dict[int, set[str]] = {column: set() for column in self._looks}
        for rows in _chunks(self._source, opened.append):
            interrupts.check()
            for column, found in kept.items():
                found.update([row[column] for row in rows if column < len(row)])
                if len(found) > MOST_KEPT:
                    self._looks[column](found)
                    found.clear()
            if self._whose and not self._differ:
                self._see_states(rows)
            if opened and not opened[-1].closed:
                progress("Looking through the file", opened[-1].buffer.tell(), size)
        for column, found in kept.items():
            self._looks[column](sorted(found))

    def _see_signs(self, column: int, found: Iterable[str]) -> None:
        signs = self._signs.setdefault(column, {})
        for cell in found:
            signs.setdefault(cells.decimal_sign(cell), cell)

    def _see_words(self, column: int, found: Iterable[str]) -> None:
        seen = self._seen.setdefault(column, {})
        for cell in found:
            if value := cells.value_of(cell):
                seen.setdefault(fold(value), value)

    def _see_days(self, column: int, found: Iterable[str]) -> None:
        for cell in found:
            self._days.setdefault(cells.shows_day_first(cell), cell)

    def _see_states(self, rows: list[list[str]]) -> None:
        [status, *_] = self._choices.columns_of("customer_status")
        for row in rows:
            if status < len(row) and (state := fold(row[status])):
                whose = tuple([row[column] for column in self._whose if column < len(row)])
                self._differ = self._differ or self._states.setdefault(whose, state) != state

    def place_status(self, choices: Choices) -> Choices:
        """Take a status for that of the services where a customer has several, or no name has a column."""
        is_of_services = self._differ or (self._whose and not choices.has("name"))
        if not is_of_services:
            return choices
        columns = dict(choices.columns)
        columns["service_status"] = columns.pop("customer_status")
        return replace(choices, columns=columns)

    def decimals(self) -> dict[str, str]:
        """Return the decimal sign of each field of amounts; raise UnclearAmounts where its columns do not show one."""
        found = {}
        for name in AMOUNTS:
            if name not in self._choices.decimals and (signs := self._signs_of(name)):
                found[name] = self._one_sign(name, signs)
        return found

    def _signs_of(self, name: str) -> dict[str, str]:
        return {sign: cell for column in self._choices.columns_of(name)
                for sign, cell in self._signs.get(column, {}).items() if sign}

    def _one_sign(self, name: str, signs: dict[str, str]) -> str:
        header = header_name(self._source.headers, self._choices.columns_of(name)[0]) or name
        if "." in signs and "," in signs:
            raise UnclearAmounts(f"{header} has amounts with a decimal point, such as {_short(signs['.'])}, and with a "
                                 f"decimal comma, such as {_short(signs[','])}.", name, signs["."].strip())
        if set(signs) == {"?"}:
            cell = signs["?"].strip()
            raise UnclearAmounts(f"{header} does not show its decimal sign: {_short(cell)} may be "
                                 f"{_plain(cell, ',' if '.' in cell else '.')} or "
                                 f"{_plain(cell, '.' if '.' in cell else ',')}.", name, cell)
        return "," if "," in signs else "."

    def day_first(self) -> bool | None:
        """Tell whether the day stands before the month, where that matters; raise UnclearDays where that is unclear."""
        if True in self._days and False in self._days:
            raise UnclearDays(f"Some dates have the day first, such as {self._days[True]}, and some the month, such as "
                              f"{self._days[False]}.", self._days[True])
        if None in self._days and True not in self._days and False not in self._days:
            cell = self._days[None].strip()
            if cells.may_be_either(cell):
                raise UnclearDays(f"It does not show whether {_short(cell)} has the day first, or the month.", cell)
        return True if True in self._days else False if False in self._days else None

    def check_words(self, choices: Choices) -> None:
        """Raise UnclearWords for the words of a status column that are not known."""
        for name in STATUSES:
            for column in choices.columns_of(name):
                read = cells.state_of(self._source.headers[column], choices.states)
                unknown = [word for word in self._seen.get(column, {}).values() if not _is_known(read, word)]
                if unknown:
                    header = header_name(self._source.headers, column)
                    raise UnclearWords(f"{header} has {_listed(unknown)}: is that active, paused or closed?", unknown)

    def check_prices(self, choices: Choices) -> None:
        """Raise UnclearPrices for plans whose price is neither in the file nor said."""
        if not self._wants_prices():
            return
        plans = [plan for column in choices.columns_of("service_name")
                 for word, plan in sorted(self._seen.get(column, {}).items()) if word not in choices.prices]
        if plans:
            verb = "has" if len(plans) == 1 else "have"
            raise UnclearPrices(f"{text.plural(len(plans), 'plan')} of the file {verb} no price: {_listed(plans)}.",
                                plans)


def _chunks(source: Source, opened: Callable[[TextIO], object]) -> Iterator[list[list[str]]]:
    rows = (record.row for record in records(source, opened) if not record.problem)
    while chunk := list(itertools.islice(rows, CHUNK)):
        yield chunk


def _is_known(read: Callable[[str], str], word: str) -> bool:
    try:
        read(word)
    except ValueError:
        return False
    return True


def _plain(cell: str, decimal: str) -> str:
    """Return an amount as it would be with a decimal sign."""
    digits, _ = cells.bare_amount(cell)
    group = "," if decimal == "." else "."
    return digits.replace(group, "").replace(decimal, ".")


def _short(cell: str) -> str:
    return cell.strip()[:40]


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return ", ".join(map(_short, words[:MOST_NAMED])) + more
