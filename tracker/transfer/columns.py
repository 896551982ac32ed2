"""Which column of a file is which field: what the administrator says, else what the headers mean."""
from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tracker import fields
from tracker.errors import UnclearMapping
from tracker.transfer.cells import STATES as STATE_WORDS
from tracker.transfer.choices import AMOUNTS, STATES, Choices, Formula, Formulas, Term, header_name
from tracker.transfer.sorting import REJECT_COLUMNS, Column
from tracker.transfer.synonyms import (
    BARE_NAME,
    BARE_NUMBER,
    BESIDE,
    COMPANY,
    CONTACT,
    FIELDS,
    FIRST_NAME,
    LAST_NAME,
    MIDDLE_NAME,
    MULTIPLIED,
    SYNONYMS,
    address_part,
    fold,
    meaning,
    words,
)

MAPPED = (*FIELDS, "quantity")
FIRST_FILLED = ("phone_number", "email")
TOGETHER = (("service_name", "service_cost"), ("equipment_name", "equipment_cost"))
NUMBERS = (("service_id", "service_name"), ("equipment_id", "equipment_name"))
RECORDS = (*("service_name", "service_cost", "service_status", "service_end", "service_id"),
           *("equipment_name", "equipment_cost", "serial_number", "equipment_id"))
WEAK = 2  # the rank from which a word is taken for a field only where the rest of its record is there
# Spanish status and Portuguese or Mexican state, as the other headers tell.
WHERE_ESTADO_IS_A_STATE = words("cidade bairro cep logradouro endereco municipio colonia codigopostal uf")
DESCRIPTION = words("description beschreibung opis descricao descripcion popis leiras")


def parse_choice(headers: Sequence[str], answer: str) -> tuple[str, Formulas]:
    """Parse what the administrator says of a field to its columns; raise ValueError, as parsers do.

    It is field=Header, or field= for none. A|B is the first that is filled, A+B both joined. A column may be named by
    its number, from 1. An amount is worked out of its columns from left to right, by + - * and /, or -A turns its sign.
    """
    name, equals, wanted = answer.partition("=")
    name = name.strip().casefold()
    if not equals or name not in MAPPED:
        raise ValueError(f"Write it as name=Header; the fields are {', '.join(MAPPED)}.")
    return name, tuple(_formulas(headers, wanted.strip(), name))


def parse_constant(answer: str) -> tuple[str, str]:
    """Parse what a field is wherever the file does not say it: field=value; raise ValueError."""
    name, equals, value = answer.partition("=")
    name, value = name.strip().casefold(), value.strip()
    if not equals or name not in FIELDS:
        raise ValueError(f"Write it as equipment_cost=0; the fields are {', '.join(FIELDS)}.")
    if name in ("customer_status", "service_status"):
        return name, _state(value)
    if name in AMOUNTS:
        return name, str(fields.amount(value))
    if name == "service_end":
        return name, str(fields.day(value))
    parse = {"phone_number": fields.phone, "email": fields.email, "address": fields.text(300)}
    return name, parse.get(name, fields.text(100))(value)


def parse_price(answer: str) -> tuple[str, str]:
    """Parse the monthly price of a plan, Plan=29.90; raise ValueError."""
    plan, equals, price = answer.rpartition("=")
    if not equals or not plan.strip():
        raise ValueError("Write it as Plan=29.90.")
    return fold(plan), str(fields.amount(price.strip()))


def parse_state(answer: str) -> tuple[str, str]:
    """Parse what a word of a status column means, Word=paused; raise ValueError."""
    word, equals, state = answer.rpartition("=")
    if not equals or not word.strip():
        raise ValueError("Write it as Word=paused; a status is active, paused or closed.")
    return fold(word), _state(state)


def _state(answer: str) -> str:
    if answer.strip().casefold() not in STATES:
        raise ValueError(f"A status is active, paused or closed, not {answer.strip()[:40] or 'nothing'}.")
    return answer.strip().casefold()


def _formulas(headers: Sequence[str], wanted: str, name: str) -> Iterator[Formula]:
    """Yield the formulas that are separated by |."""
    signs = "+|-*/" if name in AMOUNTS else "+|"
    formula: list[Term] = []
    sign = "+"
    if name in AMOUNTS and wanted.startswith("-"):
        sign, wanted = "-", wanted[1:]
    while wanted:
        part, follows = _first_part(headers, wanted, signs)
        formula.append(_term(headers, part, sign, name))
        sign, wanted = wanted[len(part):][:1], wanted[len(part) + 1:]
        if sign == "|" or (sign and name in FIRST_FILLED) or not follows:
            yield tuple(formula)
            formula, sign = [], "+"
    if formula:
        raise ValueError(f"Name a column after the {sign}.")


def _first_part(headers: Sequence[str], wanted: str, signs: str) -> tuple[str, bool]:
    """Return what stands before the first sign that is not of a header's own, and whether a sign follows."""
    ends = [place for place, letter in enumerate(wanted) if letter in signs] + [len(wanted)]
    known = {header.strip().casefold() for header in headers if header.strip()}
    end = next((end for end in reversed(ends) if wanted[:end].strip().casefold() in known), ends[0])
    return wanted[:end], end < len(wanted)


def _term(headers: Sequence[str], part: str, sign: str, name: str) -> Term:
    wanted = part.strip()
    for form in (str.strip, str.casefold, fold):
        found = [column for column, header in enumerate(headers) if header and form(header) == form(wanted)]
        if len(found) > 1:
            places = " and ".join(str(column + 1) for column in found)
            raise ValueError(f"The header {wanted[:80]} stands in columns {places}; name one by its number: "
                             f"{name}={found[0] + 1}")
        if found and wanted:
            return Term(sign, found[0])
    if sign in ("*", "/") and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", wanted, re.ASCII) and float(wanted):
        return Term(sign, -1, wanted)
    if (number := re.fullmatch(r"#?([0-9]{1,4})", wanted, re.ASCII)) and 1 <= int(number[1]) <= len(headers):
        return Term(sign, int(number[1]) - 1)
    there = listed_columns(headers)[:300] or f"{len(headers)}"
    raise ValueError(f"The file has no column {wanted[:80]}; it has {there}.")


def listed_columns(headers: Sequence[str]) -> str:
    """List the columns with their numbers, by which they may be named."""
    return ", ".join(f"{column} {header}" for column, header in enumerate(headers, 1) if header)


def match_headers(
    headers: Sequence[str], chosen: Choices | None = None, columns_like: Sequence[Column] = ()
) -> Choices:
    """Complete the choices by the columns whose headers mean the fields that nothing was said of.

    Raise UnclearMapping, before anything is read, when it is not clear which column a field has, or a record cannot
    be whole without a column.
    """
    chosen = chosen or Choices()
    match = _Match(headers, chosen, columns_like)
    for name in ("name", *FIELDS):
        if name not in match.columns and not (name in RECORDS and match.has_no_place_for_records()):
            match.find(name)
    match.drop_what_is_alone()
    match.find_quantity()
    columns = {name: match.columns[name] for name in MAPPED if match.columns.get(name)}
    matched = replace(chosen, columns=columns, given=chosen.given | set(chosen.columns))
    _check_complete(matched)
    return matched


class _Match:
    """The columns found so far, and how surely."""

    def __init__(self, headers: Sequence[str], chosen: Choices, columns_like: Sequence[Column]) -> None:
        self.columns = dict(chosen.columns)
        self.ranks: dict[str, int] = {}
        self._headers, self._chosen = headers, chosen
        self._whole = list(_whole_headers(headers))
        folded = {fold(header) for header in headers}
        self._has_states = bool(WHERE_ESTADO_IS_A_STATE & folded) and not any(
            fold(header) == "estado" and _are_states(column.few) for header, column in zip(headers, columns_like))
        self._has_postal_code = "kodpocztowy" in folded

    def find(self, name: str) -> None:
        """Note the columns of a field."""
        if name == "name":
            self.columns[name] = self._name()
        elif name == "address":
            self.columns[name] = self._address()
        elif name in FIRST_FILLED:
            self.columns[name] = tuple((Term("+", column),) for rank in self._hits(name) for column in rank)
        elif name == "notes":
            columns = list(itertools.chain(*self._hits(name), self._descriptions()))
            self.columns[name] = (tuple(Term("+", column) for column in columns),) if columns else ()
        elif name == "serial_number":
            firsts = [self._only(name, rank) for rank in self._hits(name) if rank]
            self.columns[name] = tuple((Term("+", column),) for column in firsts)
        elif name == "balance":
            self._find_one(name, ranks=1)
        elif name != "customer_id" or self._is_own_export():
            self._find_one(name)

    def _descriptions(self) -> list[int]:
        """Return the columns of what a customer, and no service, is described by."""
        of_services = words(" ".join((*SYNONYMS["service_cost"], *SYNONYMS["service_name"][:WEAK])))
        return [] if any(self._word(column) in of_services for column in self._free()) else self._meaning(DESCRIPTION)

    def _find_one(self, name: str, ranks: int = 9) -> None:
        for rank, hits in enumerate(self._hits(name)[:ranks]):
            if hits:
                self.columns[name] = ((Term("+", self._only(name, hits)),), *self._else_its_id(hits))
                self.ranks[name] = rank
                return

    def _else_its_id(self, hits: list[int]) -> Formulas:
        """Return the ID of UISP, by which those are known who have no custom ID."""
        if self._word(hits[0]) not in ("customid", "clientcustomid"):
            return ()
        return tuple((Term("+", column),) for column in self._meaning(words("id"))[:1])

    def _is_own_export(self) -> bool:
        """Tell whether a customer_id is ours: in a file without names it is the number of another system."""
        return "customer_id" in self._headers and bool(self.columns.get("name"))

    def _free(self) -> list[int]:
        used = {term.column for formulas in self.columns.values() for formula in formulas for term in formula}
        return [column for column, header in enumerate(self._headers)
                if header and column not in used and header not in REJECT_COLUMNS]

    def _hits(self, name: str) -> list[list[int]]:
        """Return the free columns that mean a field, rank by rank; the field's own name before all others."""
        free = self._free()
        own = [column for column in free if fold(self._headers[column]) == fold(name)]
        meant = {column: self._word(column) for column in free if column not in own}
        others = [[column for column in meant if meant[column] in rank.split()] for rank in SYNONYMS[name]]
        return [own or others[0], *([own and others[0]] if name in FIRST_FILLED else []), *others[1:]]

    def _word(self, column: int) -> str:
        header = self._headers[column]
        word = meaning(header)
        if header.startswith("!") or header == "№":
            return ""  # the kind of record of an IIF file, or the line's number
        if fold(header) in BARE_NUMBER and column and address_part(self._headers[column - 1]):
            return "housenumber"
        if word == "kod" and self._has_postal_code:
            return "code"  # of the customer
        return "state" if word == "estado" and self._has_states else word

    def _only(self, name: str, hits: list[int]) -> int:
        if len(hits) > 1:
            names = [header_name(self._headers, column) for column in hits]
            both = "both" if len(names) == 2 else "all"
            is_twice = len({self._headers[column].casefold() for column in hits}) < len(hits)
            raise UnclearMapping(f"{' and '.join(names)} could {both} be {name}.",
                                 f"{name}={hits[0] + 1 if is_twice else self._headers[hits[0]]}")
        return hits[0]

    def _name(self) -> Formulas:
        """The whole name before the company, and that before first and last name."""
        whole, nouns, displayed = [*self._hits("name"), [], []][:3]
        bare = [column for column in whole if self._word(column) in BARE_NAME]
        first, middle, last = (self._meaning(words) for words in (FIRST_NAME, MIDDLE_NAME, LAST_NAME))
        if bare and bool(first) != bool(last):
            half = self._only("name", bare)
            whole = [column for column in whole if column != half]
            first, last = (first or [half]), (last or [half])
        elif len(bare) > 1:
            self._only("name", bare)
        whole.sort(key=lambda column: column in bare)
        person = tuple(Term("+", column) for column in (*first[:1], *middle[:1], *last[:1]))
        contacts = [column for column in self._meaning(CONTACT) if self._whole[column] == self._headers[column]]
        single = [*whole, *nouns, *displayed, *self._meaning(COMPANY), *contacts]
        return (*((Term("+", column),) for column in single), *((person,) if person else ()))

    def _meaning(self, words: frozenset[str]) -> list[int]:
        return [column for column in self._free() if self._word(column) in words]

    def _address(self) -> Formulas:
        """The address of service before any other, each of a street and the other parts beside it."""
        parts: dict[int, list[tuple[str, int]]] = {}
        for column in self._free():
            word, header = self._word(column), self._whole[column]
            is_whole = header == self._headers[column]
            if word != "code" and (part := (is_whole and address_part(word)) or address_part(header)):
                parts.setdefault(part[0], []).append((part[1], column))
        return tuple(formula for purpose in sorted(parts) for formula in _addresses_of(parts[purpose]))

    def drop_what_is_alone(self) -> None:
        """Let go of what was taken for a part of a record whose other parts have no column."""
        for name, cost in TOGETHER:
            for one, other in ((name, cost), (cost, name)):
                if one in self.ranks and self.ranks[one] >= WEAK and not self._has(other):
                    self.columns.pop(one)
        if not self._has("equipment_name") and "serial_number" not in self._chosen.columns:
            self.columns["serial_number"] = tuple(
                formula for formula in self.columns.get("serial_number", ())
                if self._word(formula[0].column) in SYNONYMS["serial_number"][0].split()
                or fold(self._headers[formula[0].column]) == "serialnumber")
        for number, name in NUMBERS:
            if not self._has(name):
                self.columns.pop(number, None)
        if not self._has("name") and self.ranks.get("account_number", 0) >= WEAK:
            self.columns.pop("account_number")

    def has_no_place_for_records(self) -> bool:
        """Tell whether customers have no address, at which their services could be, and nothing was said of those."""
        return self._has("name") and not self._has("address") and not self._chosen.columns.keys() & set(RECORDS)

    def _has(self, name: str) -> bool:
        return bool(self.columns.get(name)) or name in self._chosen.constants or (
            name == "service_cost" and bool(self._chosen.prices))

    def find_quantity(self) -> None:
        """Note how many of a service there are, where its price is that of one."""
        costs = self.columns.get("service_cost", ())
        is_of_one = costs and "service_cost" not in self._chosen.columns and not any(
            self._word(term.column) in MULTIPLIED for term in costs[0])
        if is_of_one and self._has("service_name") and "quantity" not in self.columns:
            self._find_one("quantity")


def _whole_headers(headers: Sequence[str]) -> Iterator[str]:
    """Yield the headers, those whole of which only the end stands there: "- City" after "Addr 1 - Line 1"."""
    before = ""
    for header in headers:
        if header.startswith("- ") and before:
            yield f"{before} {header}"
            continue
        if " - " in header:
            before = header.partition(" - ")[0]
        yield header


def _addresses_of(parts: list[tuple[str, int]]) -> Iterator[Formula]:
    """Yield an address whole, where a column has it so, and then of its parts: streets first, the rest as it stands."""
    by_kind = {kind: [column for other, column in parts if other == kind] for kind, _ in parts}
    streets, addresses = by_kind.get("street", []), by_kind.get("address", [])
    for column in [*by_kind.get("full", []), *(addresses if streets else [])][:1]:
        yield (Term("+", column),)
    if first := (streets or addresses or by_kind.get("place", []))[:1]:
        rest = sorted(column for kind, column in parts if kind in ("district", "zip", "city", "state"))
        columns = [*first, *by_kind.get("number", []), *by_kind.get("further", []), *rest]
        yield tuple(Term("+", column) for column in columns)


def _check_complete(choices: Choices) -> None:
    has = choices.has
    is_joined_by_number = has("account_number") or has("customer_id")
    if not has("name") and not (is_joined_by_number and len(choices.columns) > 1):
        raise UnclearMapping("No column looks like name.", "name=Header")
    if has("serial_number") and not has("equipment_name"):
        raise UnclearMapping("There is a column for serial_number but none for equipment_name.", "serial_number=")
    for name, cost in TOGETHER:
        there = has(name), has(cost) or (cost == "service_cost" and bool(choices.prices))
        # Where it was said that no column has the price, it is asked of each plan.
        if there == (True, False) and not (cost == "service_cost" and cost in choices.given):
            raise UnclearMapping(f"There is a column for {name} but none for {cost}.", f"{name}=", cost)
        if there == (False, True) and not choices.prices:
            raise UnclearMapping(f"There is a column for {cost} but none for {name}.", f"{cost}=", name)


def ignored_headers(headers: Sequence[str], choices: Choices) -> list[str]:
    """Return the headers that no field uses."""
    return [header_name(headers, column) for column in _unused(headers, choices)]


def _unused(headers: Sequence[str], choices: Choices) -> list[int]:
    used = set(choices.columns_of(*choices.columns))
    return [column for column, header in enumerate(headers)
            if header and column not in used and header not in REJECT_COLUMNS]


def left_out_parts(
    headers: Sequence[str], choices: Choices, columns: Sequence[Column] = ()
) -> list[tuple[str, str]]:
    """Return the columns that no field uses and that look like part of one, each with the field.

    A status is told by its words, too, whatever its header: customers who are blocked must not come as active ones
    without a word.
    """
    has_status = choices.has("customer_status") or choices.has("service_status")
    purposes = {part[0] for column in choices.columns_of("address") if (part := address_part(headers[column]))}
    refused = {name for name in choices.given if not choices.columns.get(name)}
    found = []
    for column in _unused(headers, choices):
        name = _part_of(headers[column], purposes, choices)
        if not name and not has_status and column < len(columns) and (
                _are_states(columns[column].few) or (columns[column].few and fold(headers[column]).endswith("status"))):
            name = "customer_status"
        if name and name not in refused:
            found.append((header_name(headers, column), name))
    return found


def _are_states(cells: frozenset[str]) -> bool:
    """Tell whether words are mostly those of a status, and one of them says that somebody is not active."""
    states = {word: next((state for state, known in STATE_WORDS.items() if word in known), "")
              for word in map(fold, cells)}
    return 2 * sum(map(bool, states.values())) >= len(states) and bool({*states.values()} & {"paused", "closed"})


def _part_of(header: str, purposes: set[int], choices: Choices) -> str:
    """Return the field that a column looks like a part of."""
    word, part = meaning(header), address_part(header)
    if choices.has("address") and part and (not purposes or part[0] in purposes):
        return "address"
    if choices.has("name") and word in FIRST_NAME | MIDDLE_NAME | LAST_NAME | COMPANY:
        return "name"
    for name, beside in BESIDE.items():
        if word in beside and (name == "balance" or choices.has("service_name" if name == "service_end" else name)):
            return name
    known = ("phone_number", "email", "notes", "customer_status", "service_status", "balance", "service_name",
             "service_cost", "serial_number", "equipment_name", "account_number")
    return next((name for name in known if word in " ".join(SYNONYMS[name][:3 if "status" in name else 2]).split()), "")
