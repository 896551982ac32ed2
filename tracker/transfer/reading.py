"""The records of a file, checked and made into what COPY reads."""
from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Generator
from datetime import date
from decimal import Decimal
from typing import TextIO

from tracker import interrupts, text
from tracker.transfer import cells
from tracker.transfer.choices import AMOUNTS, Choices, Formula, Formulas
from tracker.transfer.columns import FIRST_FILLED, TOGETHER
from tracker.transfer.sorting import Noticed, Record, Source
from tracker.transfer.source import records
from tracker.transfer.synonyms import fold

Progress = Callable[[str, int, int], object]
Parse = Callable[[str], str]
CHUNK = 500
NOTHING = "\\N"
# The fields that are \N, and not '', where the file says nothing.
NULLABLE = frozenset(("balance", "address", "service_name", "service_cost", "service_end", "equipment_name",
                      "serial_number", "equipment_cost"))
OF_CUSTOMER = ("customer_id", "account_number", "name", "phone_number", "email", "notes", "customer_status")
SERVICE = ("service_id", "service_name", "service_cost", "service_status", "service_end")
EQUIPMENT = ("equipment_id", "equipment_name", "serial_number", "equipment_cost")
ADDRESS = ", "
BETWEEN = {"address": ADDRESS, "notes": ", "}
SIGNS = {"n": "\n"}
FURTHER = {"phone_number": "Further phone numbers", "email": "Further e-mail addresses"}


def silent(what: str, done: int, whole: int) -> None:
    """Report no progress."""


class Reader:
    """What COPY reads: a file's good lines, checked as they are asked for; the others are noted in rejects."""

    def __init__(self, source: Source, choices: Choices, today: date, progress: Progress = silent) -> None:
        self.rejects: dict[int, str] = {}
        self.hidden = 0  # further lines that a rejected one took in, by a quotation mark
        self.noticed: Noticed = []  # lines that are no records, or end early
        self.error: BaseException | None = None
        self._fields = choices.fields()
        self.columns = ["line", *self._fields]
        self._names = [*self._fields, *(["quantity"] if choices.has("quantity") else [])]
        self._choices, self._today, self._progress = choices, today, progress
        self._headers = source.headers
        self._made = {name: formulas for name, formulas in choices.columns.items()
                      if len(formulas) > 1 or len(formulas[0]) > 1 or formulas[0][0].sign != "+"}
        self._further: dict[str, list[str]] = {}  # of the line that is read, what does not fit into its field
        self._parsers = self._all_parsers()
        self._plan = self._columns_and_parsers()
        self._incomplete = functools.lru_cache(maxsize=None)(self._find_incomplete)
        self._above: list[str] | None = None  # the values of the customer above, unless that was rejected
        self._file: TextIO | None = None
        self._size = source.size
        self._good = self._good_lines(source)

    def read(self, size: int) -> str:
        """Return some lines; what goes wrong, Ctrl-C too, is kept in error, because psycopg2 does not hand it on."""
        try:
            interrupts.check()
            lines = list(itertools.islice(self._good, CHUNK))
            if self._file is not None and not self._file.closed:
                self._progress("Reading the file", self._file.buffer.tell(), self._size)
            return "".join(lines)
        except BaseException as exc:
            self.error = exc
            raise

    def samples(self, count: int) -> list[tuple[int, dict[str, str]]]:
        """Return the first good lines by their numbers, field by field as they will be stored, but for blank ones."""
        found = []
        for line in itertools.islice(self._good, count):
            number, *values = line.rstrip("\n").split("\t")
            found.append((int(number), {
                name: re.sub(r"\\(.)", lambda sign: SIGNS.get(sign[1], sign[1]), value)
                for name, value in zip(self._fields, values) if value not in ("", NOTHING)}))
        self._good.close()
        return found

    def _all_parsers(self) -> dict[str, Parse]:
        """Return each field's parser; those whose values repeat remember them."""
        remember = functools.lru_cache(maxsize=10_000)
        parsers: dict[str, Parse] = {
            "name": cells.line_of(200),
            "phone_number": self._first_of("phone_number", cells.phones),
            "email": self._first_of("email", cells.emails),
            "notes": cells.line_of(1000),
            "address": cells.line_of(300, ", "),
            "account_number": cells.account_number,
            "service_end": remember(lambda cell: str(cells.day(cell, self._choices.day_first is not False) or "")),
            "quantity": remember(lambda cell: str(cells.quantity(cell))),
            **{name: cells.line_of(100) for name in ("customer_id", "service_id", "equipment_id", "serial_number")},
            **{name: remember(cells.line_of(100)) for name in ("service_name", "equipment_name")},
            **{name: remember(self._amount(name)) for name in AMOUNTS},
            **{name: remember(self._state(name)) for name in ("customer_status", "service_status")},
        }
        return {name: _or_null(parse) if name in NULLABLE else parse for name, parse in parsers.items()}

    def _first_of(self, name: str, parse: Callable[[str], list[str]]) -> Parse:
        """Make a parser that returns the first of several values, and keeps the others beside."""
        def read(cell: str) -> str:
            found = parse(cell)
            if len(found) > 1:
                self._further[name] = found
            return cells.copied(found[0]) if found else ""

        return read

    def _amount(self, name: str) -> Parse:
        decimal = "." if name in self._made else self._choices.decimals.get(name, ".")
        return lambda cell: str(cells.amount(cell, decimal, name == "balance")) if cells.value_of(cell) else ""

    def _state(self, name: str) -> Parse:
        columns = self._choices.columns_of(name)
        return cells.state_of(self._headers[columns[0]] if columns else "", self._choices.states)

    def _columns_and_parsers(self) -> list[tuple[int, Parse]]:
        """Return the column and the parser of each field; what is made of several columns follows the file's own."""
        places = {name: len(self._headers) + place for place, name in enumerate(self._made)}
        plan = []
        for name in self._names:
            formulas = self._choices.columns.get(name)
            column = places[name] if name in places else formulas[0][0].column if formulas else 0
            nothing = NOTHING if name in NULLABLE else ""
            plan.append((column, self._parsers[name] if formulas else _always(nothing)))
        return plan

    def _good_lines(self, source: Source) -> Generator[str, None, None]:
        plan, width, has_made = self._plan, len(self._headers), bool(self._made)
        choices, further = self._choices, self._further
        is_plain = not (choices.constants or choices.prices or "quantity" in self._names or choices.has("service_end"))
        name_at = self._names.index("name") if "name" in self._names else -1
        for record in records(source, self._follow, self.noticed):
            try:
                if record.problem:
                    raise ValueError(record.problem)
                row = record.row
                if has_made or len(row) != width:
                    row = self._squared(row)
                values = [parse(row[column]) for column, parse in plan]
                if name_at >= 0 and values[name_at]:
                    self._above = values
                else:
                    values = self._of_customer_above(values)
                if further or not is_plain:
                    values = self._completed(dict(zip(self._names, values)))
            except ValueError:
                self._reject(record, record.problem or self._why_rejected(record.row))
                continue
            if problem := self._incomplete(tuple([value is NOTHING for value in values])):
                self._reject(record, problem)
                continue
            yield f"{record.number}\t" + "\t".join(values) + "\n"

    def _reject(self, record: Record, reason: str) -> None:
        if further := len(record.raw) - 1:
            self.hidden += further
            reason = f"Lines {record.number} to {record.number + further} are read as one. {reason}"
        elif self._above is not None and not record.problem and not self._says_whose(record.row):
            reason += " It belongs to the customer above it: fill in the cells of that, too."
        else:
            self._above = None
        self.rejects[record.number] = reason
        self._further.clear()

    def _says_whose(self, row: list[str]) -> bool:
        columns = self._choices.columns_of(*OF_CUSTOMER, "balance")
        return any(cells.value_of(row[column]) for column in columns if column < len(row))

    def _of_customer_above(self, values: list[str]) -> list[str]:
        """Return the values of a line without a name as those of the customer above it, if it is no other's."""
        line = dict(zip(self._names, values))
        said = {name for name in (*OF_CUSTOMER, "balance") if line.get(name, "") not in ("", NOTHING)}
        if said & {"account_number", "customer_id"}:
            return values  # which is who that is
        if "name" not in line:
            raise ValueError(f"{'account_number' if 'account_number' in line else 'customer_id'}: It is missing.")
        if said:
            raise ValueError("name: It is missing.")
        if self._above is None:
            raise ValueError("name: It is missing, and no good line of a customer is above it.")
        above = dict(zip(self._names, self._above))
        line.update({name: above[name] for name in OF_CUSTOMER if name in above})
        if line.get("address") is NOTHING:
            line["address"] = above["address"]
        return list(line.values())

    def _follow(self, file: TextIO) -> None:
        """Keep the file that is read, which knows how far that has come."""
        self._file = file

    def _squared(self, row: list[str]) -> list[str]:
        """Return a row with as many cells as the header has, and after them what is made of several."""
        width = len(self._headers)
        if len(row) < width or any(cell.strip() for cell in row[width:]):
            raise ValueError(f"The line has {text.plural(len(row), 'field')}, the header {width}.")
        return row[:width] + [self._make(name, formulas, row) for name, formulas in self._made.items()]

    def _make(self, name: str, formulas: Formulas, row: list[str]) -> str:
        """Return the cell that comes of a field's formulas; what it begins with does not matter to a parser then."""
        if name in AMOUNTS:
            return self._calculated(name, formulas, row)
        if name in FIRST_FILLED:
            filled = [value for (term, *_) in formulas if (value := cells.value_of(row[term.column]))]
            return "\n".join(filled)
        between = BETWEEN.get(name, " ")
        joined = (_joined([cells.value_of(row[term.column]) for term in formula], between) for formula in formulas)
        return text.spreadsheet_safe(next(filter(None, joined), ""))

    def _calculated(self, name: str, formulas: Formulas, row: list[str]) -> str:
        decimal = self._choices.decimals.get(name, ".")
        for formula in formulas:
            try:
                value = _value_of(formula, row, decimal)
            except ValueError as exc:
                raise ValueError(f"{name}: {exc}") from exc
            if value is not None:
                return str(value)
        return ""

    def _completed(self, line: dict[str, str]) -> list[str]:
        """Return a line's values with what does not stand in its cells."""
        if self._further:
            self._note_further(line)
        choices = self._choices
        if line.get("service_name", NOTHING) is not NOTHING and line.get("service_cost") is NOTHING:
            line["service_cost"] = choices.prices.get(fold(line["service_name"]), NOTHING)
        for name, value in choices.constants.items():
            if line[name] in ("", NOTHING) and self._applies(name, line):
                line[name] = value
        if line.get("service_cost", NOTHING) is not NOTHING and "quantity" in line:
            line["service_cost"] = str(Decimal(line["service_cost"]) * int(line["quantity"]))
        if "" < line.get("service_end", NOTHING) < str(self._today):
            line["service_status"] = "closed"
        return [line[name] for name in self._fields]

    def _applies(self, constant: str, line: dict[str, str]) -> bool:
        """Tell whether a constant of a service or device says something in a line: not where there is none."""
        record = next((names for names in (SERVICE, EQUIPMENT) if constant in names), ())
        others = [name for name in record if name in self._choices.columns]
        return not others or any(line[name] not in ("", NOTHING) for name in others)

    def _note_further(self, line: dict[str, str]) -> None:
        notes = [line["notes"]] if line["notes"] else []
        for name, title in FURTHER.items():
            seen = {_key(value): value for value in reversed(self._further.get(name, []))}
            seen.pop(_key(self._further.get(name, [""])[0]), None)
            if seen:
                notes.append(f"{title}: {cells.copied(', '.join(reversed(list(seen.values()))))}")
        line["notes"] = "\\n".join(notes)
        self._further.clear()

    def _why_rejected(self, row: list[str]) -> str:
        try:
            row = self._squared(row)
        except ValueError as exc:
            return str(exc)
        reasons, values = [], []
        for name, (column, parse) in zip(self._names, self._plan):
            try:
                values.append(parse(row[column]))
            except ValueError as exc:
                reasons.append(f"{name}: {exc}")
        if not reasons:
            try:
                self._of_customer_above(values)
            except ValueError as exc:
                return str(exc)
        return " ".join(reasons)

    def _find_incomplete(self, missing: tuple[bool, ...]) -> str:
        """Say what is missing beside a service, equipment, or its cost; nothing when all is there."""
        there = {name for name, is_missing in zip(self._fields, missing) if not is_missing}
        for name, cost in TOGETHER:
            if name in there and cost not in there:
                return f"{name} has no {cost}."
            if cost in there and name not in there:
                return f"{cost} has no {name}."
        if "serial_number" in there and "equipment_name" not in there:
            return "serial_number has no equipment_name."
        return ""


def _always(value: str) -> Parse:
    return lambda cell: value


def _or_null(parse: Parse) -> Parse:
    """Make a parser that says NULL where another says nothing."""
    return lambda cell: parse(cell) or NOTHING


def _joined(values: list[str], between: str) -> str:
    """Join what is filled; of an address, what is part of it already does not come twice."""
    if between != ADDRESS:
        return between.join(filter(None, values))
    joined = ""
    for value in values:
        part = cells.whole_number(re.sub(r"[\s,]*[\r\n]+\s*", ADDRESS, value))
        if part and part.casefold() not in joined.casefold().split(ADDRESS):
            joined += ADDRESS * bool(joined) + part
    return joined


def _value_of(formula: Formula, row: list[str], decimal: str) -> Decimal | None:
    """Work out a formula from left to right; None where its first column is blank, or in a sum all of them."""
    total: Decimal | None = None
    for sign, column, number in formula:
        cell = number if column < 0 else row[column]
        if not cells.value_of(cell):
            if sign in "*/" and total is not None:
                raise ValueError("What it is multiplied or divided by is missing.")
            continue
        value = Decimal(number) if column < 0 else cells.amount(cell, decimal, owed=True)
        total = _combined(total, sign, value)
    if total is not None and total != total.quantize(Decimal("0.01")):
        raise ValueError(f"It comes to {total.normalize():f}, which is no amount of whole cents.")
    return total and total.quantize(Decimal("0.01"))


def _combined(total: Decimal | None, sign: str, value: Decimal) -> Decimal | None:
    if sign in "+-":
        return (total or 0) + (value if sign == "+" else -value)
    if total is None:
        return None
    if sign == "/" and not value:
        raise ValueError("It cannot be divided by 0.")
    return total * value if sign == "*" else total / value


def _key(value: str) -> str:
    """Return what two ways of writing a phone number or an e-mail address have in common."""
    return value.casefold() if "@" in value else re.sub(r"[^0-9a-z]", "", value.casefold())
