"""The table in a bank's CSV: found below what the bank writes above it, by its header or by what its columns hold."""
from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from tracker.errors import BadFile, UnclearDecimals, UnclearMapping
from tracker.transfer import bank_cells
from tracker.transfer.bank_formats import (
    HEADERS,
    KINDS,
    Format,
    currency_in,
    find_columns,
    fold,
    is_complete,
    is_english,
    may_be_header,
)
from tracker.transfer.bank_lines import compact
from tracker.transfer.sorting import REJECT_COLUMNS

DELIMITERS = ";,\t|"
DEEPEST_HEADER = 80  # rows; mBank writes 38 lines above its table
LONGEST_CELL = 10_000_000
SAMPLE = 200
AMERICAN = ("", "USD", "CAD", "PHP")  # where the month may stand first
IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
# An account's number beside its name, above the table; 26 digits are a Polish one.
NUMBERED = re.compile(r"\b(?:account|konto(?:nummer)?|rekening|compte|cuenta|cont[oa]|číslo účtu)\b[^0-9]{1,20}"
                      r"([0-9](?![0-9]?[./-][0-9]{1,2}[./-][0-9]{4})[0-9 .-]{4,30}[0-9A-Z])\b|"
                      r"\b([0-9]{2}(?: ?[0-9]{4}){6})\b", re.IGNORECASE)


class Row(NamedTuple):
    """A record: the numbers of its first and last line, and its cells."""

    first: int
    last: int
    cells: list[str]


class Table(NamedTuple):
    """A bank's CSV whose columns are known: the format found, its header and the rows below, and what stood above."""

    layout: Format
    headers: list[str]
    header_line: int
    columns: dict[str, list[int]]
    rows: list[Row]
    account: str
    currency: str  # that of most rows
    signs: Mapping[str, int]  # how an amount counts: 1 as it is written, -1 turned


def open_table(text: str, remembered: Format, today: date | None = None) -> Table:
    """Find a bank's table in a text, with what is remembered of the bank.

    Raise UnclearDates or UnclearDecimals when the file does not tell one, UnclearMapping when a column is missing.
    """
    csv.field_size_limit(LONGEST_CELL)
    delimiter, place, columns = _find_table(text, remembered)
    rows = list(_filled(text, delimiter))
    has_header = place >= 0
    place = max(place, 0 if _is_summary(rows) else -1)
    headers = rows[place].cells if has_header else [str(column + 1) for column in range(_width(rows))]
    above, body = rows[:place if has_header else place + 1], _unguarded(rows[place + 1:])
    _settle_valuta(headers, columns, body)
    signs = _find_signs(headers, columns, body, "indicator" in remembered.columns)
    amounts = [cell for field in ("amount", "debit", "credit") for cell in _cells(columns.get(field, ()), body)]
    decimal = remembered.decimal or _decimal(amounts, headers, body)
    currency = _currency(headers, columns, body)
    dates = _cells([*columns["booked_on"], *columns.get("value_on", ())], body)
    may_be_american = decimal == "." and currency in AMERICAN and is_english(headers)
    days = remembered.days or bank_cells.day_order(dates, may_be_american, today)
    layout = Format(remembered.encoding, delimiter, has_header,
                    {field: tuple(_name(headers, column) for column in found) for field, found in columns.items()},
                    decimal, days)
    return Table(layout, headers, rows[place].first if has_header else 0, columns, body,
                 _own_account(above), currency, signs)


def _name(headers: list[str], column: int) -> str:
    """Return what a column is remembered by: its header, or its number where that is blank or another's before it."""
    header = headers[column].strip() if column < len(headers) else ""
    return header if header and list(map(str.strip, headers)).index(header) == column else str(column + 1)


def _currency(headers: list[str], columns: dict[str, list[int]], rows: list[Row]) -> str:
    """Return the currency of most rows, or the one in the header of the amounts; nothing when neither tells."""
    cells = (cell.strip().upper() for cell in _cells(columns.get("currency", ()), rows))
    if counted := Counter(filter(None, cells)).most_common(1):
        return counted[0][0]
    amounts = next(columns[field] for field in ("amount", "credit") if field in columns)
    return currency_in(headers[amounts[0]])


def _filled(text: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows that say something, without the number and the reason that an import put before a line."""
    own = 0
    for place, row in enumerate(read_rows(text, delimiter)):
        own = 2 if not place and tuple(row.cells[:2]) == REJECT_COLUMNS else own
        if any(map(str.strip, row.cells[own:])):
            yield Row(row.first, row.last, row.cells[own:])


def read_rows(text: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a CSV, blank ones too; raise BadFile where it cannot be read as one."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    first = 1
    try:
        for cells in reader:
            yield Row(first, reader.line_num, [_plain(cell) for cell in cells] if '="' in "".join(cells) else cells)
            first = reader.line_num + 1
    except csv.Error as exc:
        raise BadFile(f"Line {first} cannot be read as CSV: {exc}. Is a quotation mark missing?") from exc


def _plain(cell: str) -> str:
    """Take the text out of ="0561", which keeps a spreadsheet from reading a number."""
    return cell[2:-1] if cell.startswith('="') and cell.endswith('"') else cell


def _find_table(text: str, remembered: Format) -> tuple[str, int, dict[str, list[int]]]:
    """Return the delimiter, the place of the header among the filled rows, or -1 without one, and the columns."""
    tried = [(sign, list(itertools.islice(_filled(text, sign), DEEPEST_HEADER + SAMPLE)))
             for sign in remembered.delimiter or DELIMITERS]
    best: tuple[int, str, int, dict[str, list[int]]] = (0, "", -1, {})
    complaint: UnclearMapping | None = None
    absent: dict[int, UnclearMapping] = {}  # by how many cells the line has that lacks a column which was said
    seen: set[str] = set()
    for sign, rows in tried if remembered.has_header else ():
        for place, row in enumerate(rows[:DEEPEST_HEADER]):
            if not (remembered.columns or may_be_header(row.cells)):
                continue
            try:
                columns = find_columns(row.cells, remembered.columns)
            except UnclearMapping as exc:
                complaint = complaint or (exc if is_complete(find_columns(row.cells)) else None)
                absent.setdefault(len(row.cells), exc)
                continue
            if bank_cells.is_day(cell_of(row, columns.get("booked_on", ()))):
                continue  # a booking of a file without a header, whose columns are said by number
            seen.update(columns)
            score = len({column for found in columns.values() for column in found})
            if is_complete(columns) and score > best[0]:
                best = (score, sign, place, columns)
    if best[0]:
        return best[1:]
    if complaint:
        raise complaint
    for sign, rows in tried if _numbered(remembered.columns) is not None else ():
        if columns := _columns_by_content(rows[1:] if _is_summary(rows) else rows, remembered):
            return sign, -1, columns
    if absent and not seen:
        raise absent[max(absent)]
    wanted = "amount" if "booked_on" in seen else "booked_on"
    if remembered.columns:
        raise UnclearMapping(f"The column of {'amounts' if wanted == 'amount' else 'days'} must be said, too.",
                             f"{wanted}=Header")
    first = max((rows[0].cells for _, rows in tried if rows), key=len, default=[])
    names = ", ".join(filter(None, map(str.strip, first)))
    raise UnclearMapping("No line of the file names a day and an amount, and no columns look like them. "
                         f"Its first line has {names[:300] or 'nothing'}.", f"{wanted}=Header")


def _is_summary(rows: list[Row]) -> bool:
    """Tell whether the first row sums the account up, as Santander in Poland does: two days, the account as text, the
    currency.
    """
    cells = [cell.strip() for cell in rows[0].cells] if rows else []
    return (len(cells) > 4 and bank_cells.is_day(cells[0]) and bank_cells.is_day(cells[1])
            and re.fullmatch("'[0-9 ]{12,}", cells[2]) is not None and re.fullmatch("[A-Z]{3}", cells[4]) is not None)


def _unguarded(rows: list[Row]) -> list[Row]:
    """Take the apostrophe away that begins every cell of a column, so that a spreadsheet takes them for text."""
    guarded = [column for column in range(_width(rows))
               if any(column < len(row.cells) and row.cells[column].lstrip().startswith("'") for row in rows[:SAMPLE])
               and (filled := [cell for cell in _cells([column], rows) if cell.strip()])
               and all(cell.lstrip().startswith("'") for cell in filled)]
    for row in rows if guarded else ():
        for column in guarded:
            if column < len(row.cells):
                row.cells[column] = row.cells[column].strip().strip("'")
    return rows


def _width(rows: list[Row]) -> int:
    return max((len(row.cells) for row in rows), default=0)


def _columns_by_content(rows: list[Row], remembered: Format) -> dict[str, list[int]]:
    """Tell the columns of a file without a header by what they hold; nothing when no day and amount is among them.

    The first column of days counts, and that of amounts by which another changes. Amounts in two columns, one of them
    filled in each row, are debits and credits as the balance beside them says. Raise UnclearMapping when there is none
    to say it. Columns that are said by number count before.
    """
    chosen = _numbered(remembered.columns) or {}
    used = set(itertools.chain(*chosen.values()))
    if not used <= set(range(_width(rows))):
        return {}
    if chosen and not remembered.has_header:
        return chosen
    sample = rows[:SAMPLE]
    days: list[int] = []
    whole: list[int] = []
    partial: list[int] = []
    columns: dict[str, list[int]] = {}
    for column in range(_width(rows)):
        filled = [cell for row in sample if column < len(row.cells) and (cell := row.cells[column].strip())]
        is_whole = len(filled) * 10 >= len(sample) * 9
        if filled and all(map(bank_cells.is_day, filled)):
            days.append(column)
        elif filled and all(map(bank_cells.is_amount, filled)) and any(re.search("[.,][0-9]", cell) for cell in filled):
            (whole if is_whole else partial).append(column)
        elif is_whole:
            columns.setdefault(_field_of(filled), []).append(column)
    if not (days or "booked_on" in chosen) or not (whole or partial):
        return {}
    columns["booked_on"] = days[:1]
    columns.update(_amount_columns(sample, whole, partial, chosen))
    columns["payer_account"] = columns.get("payer_account", [])[-1:]  # in a file of one row ours stands before it
    columns = {field: [column for column in found if column not in used] for field, found in columns.items()}
    columns.update(chosen)
    return {field: columns[field] for field in HEADERS if columns.get(field)}


def _numbered(columns: Mapping[str, tuple[str, ...]]) -> dict[str, list[int]] | None:
    """Return columns that are all said by number, or None."""
    if not all(name.isdecimal() and int(name) for names in columns.values() for name in names):
        return None
    return {field: [int(name) - 1 for name in names] for field, names in columns.items()}


def _field_of(cells: list[str]) -> str:
    """Return which field the cells of a column look like: an account, the currency, text, or none."""
    if all(re.fullmatch("[A-Z]{3}", cell) for cell in cells):
        return "currency"
    if all(re.fullmatch(r"'?(?:[A-Z]{2})?[0-9][0-9A-Z ./-]{9,40}'?", cell) for cell in cells):
        return "payer_account" if len(set(cells)) > 1 or len(cells) == 1 else "account"
    return "text" if any(re.search(r"[^\W\d_]{2}", cell) for cell in cells) else ""


def _amount_columns(
    rows: list[Row], whole: list[int], partial: list[int], chosen: Mapping[str, list[int]]
) -> dict[str, list[int]]:
    """Tell amount, or debit and credit, from the balance, as far as that is not chosen.

    Of several columns in which each row has an amount, that one counts by which another goes from row to row. Raise
    UnclearMapping where none does, as in a file of one row.
    """
    if "amount" in chosen or {"debit", "credit"} <= set(chosen):
        return {}
    for one, other in (("debit", "credit"), ("credit", "debit")):
        if one in chosen and len(left := [column for column in partial if column not in chosen[one]]) == 1:
            return {other: left}
    if not partial:
        moved = [column for column in whole if any(
            _adds_up(rows, balance, [(column, 1)], may_be_before=True) for balance in whole if balance != column)]
        if len(whole) > 1 and len(moved) != 1:
            names = ", ".join(str(column + 1) for column in whole)
            raise UnclearMapping(f"The file has no header, and amounts in columns {names}: say which has what came or "
                                 "went.", f"amount={whole[-1] + 1}")
        return {"amount": moved[:1] or whole[:1]}
    if len(partial) == 2 and whole:
        for debit, credit in (partial, partial[::-1]):
            if _adds_up(rows, whole[-1], [(debit, -1), (credit, 1)]):
                return {"debit": [debit], "credit": [credit]}
    names = " and ".join(str(column + 1) for column in partial)
    raise UnclearMapping(f"The file has no header, and amounts in columns {names}: say which are debits and which "
                         "credits.", f"debit={partial[0] + 1}")


def _adds_up(rows: list[Row], balance: int, movements: list[tuple[int, int]], may_be_before: bool = False) -> bool:
    """Tell whether a column changes from row to row, either way, by what others hold, taken with a sign each.

    It has the balance after each row, or where that may be, before it.
    """
    try:
        decimal = bank_cells.decimal_sign(_cells([balance, *(column for column, _ in movements)], rows))
        balances = [bank_cells.amount(cell_of(row, [balance]), decimal) for row in rows]
        moved = [sum(sign * bank_cells.amount(cell, decimal) for column, sign in movements
                     if (cell := cell_of(row, [column]))) for row in rows]
    except (UnclearDecimals, ValueError):
        return False
    steps = [(after - before, first, second)
             for before, after, first, second in zip(balances, balances[1:], moved, moved[1:])]
    is_after = all(step == later for step, _, later in steps) or all(-step == earlier for step, earlier, _ in steps)
    is_before = all(step == earlier for step, earlier, _ in steps) or all(-step == later for step, _, later in steps)
    return bool(steps) and (is_after or (may_be_before and is_before))


def _cells(columns: Iterable[int], rows: list[Row]) -> list[str]:
    return [row.cells[column] for column in columns for row in rows if column < len(row.cells)]


def _settle_valuta(headers: list[str], columns: dict[str, list[int]], rows: list[Row]) -> None:
    """Tell whether a column Valuta is the day of value, as in German, or the currency, as in Swedish."""
    for column, header in enumerate(headers):
        if fold(header) == "valuta":
            filled = [cell for cell in _cells([column], rows) if cell.strip()]
            is_currency = bool(filled) and re.fullmatch("[A-Z]{3}", filled[0].strip())
            field = "currency" if is_currency else "value_on"
            if field == "value_on" and columns.get("currency") == [column]:
                del columns["currency"]
            columns[field] = [*columns.get(field, []), column] if field == "value_on" else [column]


def _decimal(amounts: list[str], headers: list[str], rows: list[Row]) -> str:
    """Tell what stands before the cents, by the amounts and, where they do not tell, by the balances beside them."""
    try:
        return bank_cells.decimal_sign(amounts)
    except UnclearDecimals:
        balances = [column for column, header in enumerate(headers)
                    if re.match("(running)?(balance|saldo|solde|kontostand|zustatek|egyenleg)", fold(header))]
        if not balances:
            raise
        return bank_cells.decimal_sign([*amounts, *_cells(balances, rows)])


def _find_signs(headers: list[str], columns: dict[str, list[int]], rows: list[Row], is_chosen: bool) -> dict[str, int]:
    """Settle by which columns an amount is debit or credit; what is not needed for it is taken out of columns.

    An amount that carries signs needs no more; one without takes those of a column that says S and H, Debit and Credit,
    or the like, whatever its header, else what stands in columns of debits and credits beside it. Debits in a column of
    their own count as written when all of them are below 0.
    """
    indicators = columns.pop("indicator", [])
    in_two = {"debit", "credit"} <= set(columns)
    if in_two and not any(map(bank_cells.is_amount, _cells(columns.get("amount", ()), rows))):
        columns.pop("amount", None)
    if "amount" not in columns:
        debits = [cell for cell in _cells(columns["debit"], rows) if bank_cells.is_amount(cell)]
        are_signed = debits and all(cell.strip().startswith(("-", "\u2212")) for cell in debits)
        return {"debit": 1 if are_signed else -1, "credit": 1}
    if not any(map(bank_cells.is_signed, _cells(columns["amount"], rows))):
        others = [column for column in range(_width(rows)) if column not in indicators]
        for column in [*indicators, *others]:
            words = [bank_cells.indicated(row.cells[column]) for row in rows if column < len(row.cells)
                     and row.cells[column].strip() and bank_cells.is_amount(cell_of(row, columns["amount"]))]
            is_sure = is_chosen or (column in indicators and fold(headers[column]) not in KINDS)
            is_known = (column in indicators or column >= len(headers) or not headers[column].strip()
                        or headers == [str(place + 1) for place in range(len(headers))])
            if any(words) and (is_sure or (all(words) and (is_known or len(set(words)) > 1))):
                columns["indicator"] = [column]
                break
        else:
            if in_two and any(map(bank_cells.is_amount, _cells(columns["debit"], rows))):
                del columns["amount"]
                return {"debit": -1, "credit": 1}
    columns.pop("debit", None)
    columns.pop("credit", None)
    return {"amount": 1}


def cell_of(row: Row, columns: Iterable[int]) -> str:
    """Return the first cell of some columns that is filled."""
    for column in columns:
        if column < len(row.cells) and row.cells[column].strip():
            return row.cells[column]
    return ""


def _own_account(above: list[Row]) -> str:
    """Return the account that is named above the table, if one is: its IBAN, else a number beside a word for it."""
    texts = [" ".join(" ".join(row.cells).split()) for row in above]
    for pattern in (IBAN, NUMBERED):
        for text in texts:
            if found := pattern.search(text):
                return compact(next(filter(None, reversed((found[0], *found.groups())))))
    return ""
