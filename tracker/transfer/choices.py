"""How a file is read: what the administrator said of it and what was worked out, as one value."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tracker.transfer.synonyms import FIELDS

STATES = ("active", "paused", "closed")
AMOUNTS = ("balance", "service_cost", "equipment_cost")


class Term(NamedTuple):
    """A column or, where that is below 0, a number, and the sign before it."""

    sign: str
    column: int
    number: str = ""


# What a field is made of: the first formula that comes to something. A formula of a text joins its columns by +.
Formula = tuple[Term, ...]
Formulas = tuple[Formula, ...]


@dataclass(frozen=True)
class Choices:
    """Columns, constants and readings of a file's cells; what is in given was said by the administrator."""

    columns: dict[str, Formulas] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)  # of a plan, by its name in small letters
    decimals: dict[str, str] = field(default_factory=dict)  # the decimal sign of an amount's columns
    states: dict[str, str] = field(default_factory=dict)  # of a word in small letters: active, paused, closed
    day_first: bool = True  # of 03/04/2026
    given: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Tell whether there is a column for a field, or a constant."""
        return name in self.columns or name in self.constants

    def fields(self) -> list[str]:
        """Return the fields that a reader has values for, those among them that others imply."""
        implied = {"notes": self.has("phone_number") or self.has("email"), "service_cost": bool(self.prices),
                   "service_status": self.has("service_end")}
        return [name for name in FIELDS if self.has(name) or implied.get(name)]

    def __contains__(self, name: str) -> bool:
        return name in self.fields()

    def columns_of(self, *names: str) -> list[int]:
        """Return the columns that these fields are made of, in order."""
        found = {term.column for name in names for formula in self.columns.get(name, ()) for term in formula}
        return sorted(found - {-1})


def named(formulas: Formulas, headers: Sequence[str]) -> str:
    """Say what a field is made of: First + Last or Company."""
    return " or ".join("".join(_named_terms(formula, headers)) for formula in formulas)


def _named_terms(formula: Formula, headers: Sequence[str]) -> Iterator[str]:
    for place, (sign, column, number) in enumerate(formula):
        shown = number if column < 0 else header_name(headers, column)
        if place == 0:
            yield f"-{shown}" if sign == "-" else shown
        else:
            yield f" {'x' if sign == '*' else sign} {shown}"


def header_name(headers: Sequence[str], column: int) -> str:
    """Return a column's header, with its number where that is not enough to know it by."""
    header = headers[column]
    if not header:
        return f"column {column + 1}"
    twice = sum(header.casefold() == other.casefold() for other in headers) > 1
    return f"{header} (column {column + 1})" if twice else header
