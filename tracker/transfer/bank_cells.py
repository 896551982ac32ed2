"""The amounts and dates in a bank's CSV: how a whole column writes them, and what one cell says."""
from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from tracker.errors import UnclearDates, UnclearDecimals

CENT = Decimal("0.01")
LARGEST = Decimal(10) ** 10
SPACES = "\\s'\u2019\u00b4`"
# Unsigned numbers: 1.234,50 · 1,234.50 · 1 234,50 · 1'234.50 · ,50
NUMBER = re.compile(rf"[0-9][0-9.,{SPACES}]*|[.,][0-9]+")
CURRENCY = re.compile(r"R\$|US\$|A\$|C\$|zł|Kč|kr\.?|Ft|lei|Fr\.|[€$£¥₹₺₽₴]"
                      r"|Rs\.?|RM|Rp|[KTU]Sh|(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
MARK = re.compile(r"(?:(?<=[0-9\s])|^)(CR|DR|HABEN|SOLL|[CDSHK])\.?\s*$", re.IGNORECASE)
DEBITS = frozenset((
    "s", "d", "dr", "db", "dbit", "debit", "debet", "debits", "soll", "af", "out", "-", "outflow", "cargo", "debe",
    "debito", "dare", "withdrawal", "ut", "odchozi", "obciazenie", "borc",
    "outgoing", "expense", "egreso", "saida", "uscita", "depense", "ausgang", "belastung", "wydatek",
))
CREDITS = frozenset((
    "h", "c", "k", "cr", "crdt", "credit", "kredit", "credits", "haben", "bij", "in", "+", "inflow", "abono", "haber",
    "credito", "avere", "deposit", "inn", "prichozi", "uznanie", "alacak",
    "incoming", "income", "ingreso", "entrada", "entrata", "recette", "eingang", "gutschrift", "przychod",
))
# The months' names by their first letters, accents left out, in the languages of the banks that write them so.
MONTHS = {
    name: number for number, names in enumerate((
        "jan ene gen sty ian", "feb fev lut", "mar mrz maa", "apr avr abr kwi", "may mai maj mag mei",
        "jun juin giu cze iun", "jul juil lug lip iul", "aug aou ago sie", "sep set wrz", "oct okt out ott paz",
        "nov lis noi", "dec dez dic gru",
    ), 1) for name in names.split()
}
PARTS = re.compile(r"(\d{1,4})([./-])\s?(\d{1,2})\2\s?(\d{2,4})\.?(?:$|[\sT,])", re.ASCII)
DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})(?:$|[\sT]|\d{6}$)", re.ASCII)
NAMED = re.compile(r"(\d{1,2})[.\s/-]*([^\W\d_]{3,10})\.?[,\s/-]*(\d{4}|\d{2})(?:$|[\sT,])")
NAMED_FIRST = re.compile(r"([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:,\s*|\s+)(\d{4})(?:$|[\sT,])")


def without_accents(word: str) -> str:
    """Return a word in small letters without accents, as headers and months are compared."""
    word = word.casefold().translate({ord("ł"): "l", ord("ø"): "o", ord("đ"): "d", ord("\u0131"): "i"})
    return "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))


def indicated(cell: str) -> int:
    """Return 1 for a word that means credit, -1 for one that means debit, 0 for another."""
    word = without_accents(cell.strip(" '\""))
    return 1 if word in CREDITS else -1 if word in DEBITS else 0


@functools.lru_cache(maxsize=100_000)
def _signed(cell: str) -> tuple[str, str] | None:
    """Return the sign of an amount (+, - or nothing) and its number, still with its separators; None without one."""
    words = cell.strip()
    sign = ""
    if mark := MARK.search(words):
        sign = "-" if indicated(mark[1]) < 0 else "+"
        words = words[:mark.start()]
    words = CURRENCY.sub("", words).strip()
    if words.startswith("(") and words.endswith(")"):
        sign, words = "-", words[1:-1].strip()
    for place in (0, -1):
        if words and words[place] in "+-\u2212\u2013":
            sign = "+" if words[place] == "+" and sign != "-" else "-"
            words = (words[1:] if place == 0 else words[:-1]).strip()
    return (sign, words) if NUMBER.fullmatch(words) else None


def is_amount(cell: str) -> bool:
    return _signed(cell) is not None


def is_signed(cell: str) -> bool:
    """Tell whether a cell itself says that it is debit or credit."""
    return bool((found := _signed(cell)) and found[0])


def decimal_sign(cells: Iterable[str]) -> str:
    """Return what stands before the cents, a comma or a point, by all the amounts of a file.

    Raise UnclearDecimals when they do not tell, as 1.234 alone, or when some tell one and some the other.
    """
    proofs: dict[str, str] = {}
    unclear = ""
    for cell in dict.fromkeys(cells):
        if not (found := _signed(cell)):
            continue
        sign = _decimal_sign(found[1])
        if sign == "?":
            unclear = unclear or cell.strip()
        elif sign:
            proofs.setdefault(sign, cell.strip())
    if len(proofs) > 1:
        raise UnclearDecimals(f"The amounts {proofs[',']} and {proofs['.']} are written in two ways: one has a comma "
                              "before the cents, one a point.")
    if unclear and not proofs:
        raise UnclearDecimals(f"The amounts do not show what stands before the cents: {unclear} may be thousands, or "
                              "one with three decimals.")
    return next(iter(proofs), ".")


def _decimal_sign(number: str) -> str:
    """Return the sign before a number's decimals; nothing when it has none, and ? when that cannot be told."""
    last = max(number.rfind(","), number.rfind("."))
    if last < 0:
        return ""
    sign = number[last]
    other = "." if sign == "," else ","
    if other in number:
        return sign
    if number.count(sign) > 1:
        return other
    before, after = number[:last], number[last + 1:]
    is_group = len(after) == 3 and re.fullmatch("[1-9][0-9]{0,2}", before)
    return "?" if is_group else sign


def amount(cell: str, decimal: str) -> Decimal:
    """Return what a cell says, with its sign; raise ValueError when that is no amount of at most two decimals."""
    return _amount(cell, decimal)


@functools.lru_cache(maxsize=100_000)
def _amount(cell: str, decimal: str) -> Decimal:
    if not (found := _signed(cell)):
        raise ValueError(f"{cell.strip()[:40]} is no amount.")
    sign, number = found
    whole, _, cents = number.partition(decimal)
    thousands = "." if decimal == "," else ","
    # Groups of two are how India writes thousands: 1,00,000.00
    grouped = rf"[0-9]+|[0-9]{{1,3}}(?:[{thousands}{SPACES}][0-9]{{2,3}})*[{thousands}{SPACES}][0-9]{{3}}|"
    if not re.fullmatch(grouped, whole) or not re.fullmatch("[0-9]*", cents) or not (whole or cents):
        raise ValueError(f"{cell.strip()[:40]} is no amount with a {'comma' if decimal == ',' else 'point'} before the "
                         "cents.")
    value = Decimal(f"{re.sub('[^0-9]', '', whole) or '0'}.{cents or '0'}")
    if value >= LARGEST or value != value.quantize(CENT):
        raise ValueError(f"{cell.strip()[:40]} is no amount of at most ten digits and two decimals.")
    return value.quantize(CENT).copy_negate() if sign == "-" and value else value.quantize(CENT)


def _date(year: int, month: int, day: int) -> date | None:
    """Return a day between 2000 and 2199, as the books take them; None when there is none."""
    year += 2000 if year < 100 else 0
    try:
        return date(year, month, day) if 2000 <= year <= 2199 else None
    except ValueError:
        return None


def _named(cell: str) -> date | None:
    """Return a day whose month is a word, 12 Dec 2026 or Dec 12, 2026; None for another."""
    if found := NAMED.match(cell):
        day, name, year = found[1], found[2], found[3]
    elif found := NAMED_FIRST.match(cell):
        name, day, year = found[1], found[2], found[3]
    else:
        return None
    word = without_accents(name)
    month = MONTHS.get(word[:4]) or MONTHS.get(word[:3])
    return _date(int(year), month, int(day)) if month else None


@functools.lru_cache(maxsize=20_000)
def day(cell: str, order: str) -> date | None:
    """Return the day that a cell says, its time left out; None when it says none. order is DMY, MDY or YMD."""
    cell = cell.strip().strip("'")
    if found := order and PARTS.match(cell):
        parts = {letter: int(found[place]) for letter, place in zip(order, (1, 3, 4))}
        years_digits = len(found[1]) if order[0] == "Y" else len(found[4])
        has_other = len(found[1] if order[0] != "Y" else found[4]) > 2
        if years_digits == 3 or has_other:
            return None
        return _date(parts["Y"], parts["M"], parts["D"])
    if found := DIGITS.match(cell):
        return _date(int(found[1]), int(found[2]), int(found[3])) or _date(
            int(found[2] + found[3]), int(found[1][2:]), int(found[1][:2]))  # 24112026, which is no year, month and day
    return _named(cell)


def is_day(cell: str) -> bool:
    """Tell whether a cell says a day in one order or another."""
    return any(day(cell, order) for order in ("DMY", "MDY", "YMD"))


def day_order(cells: Iterable[str], may_be_american: bool, today: date | None = None) -> str:
    """Return in which order a file writes its dates, by all of them: DMY, MDY or YMD; nothing when no order is needed.

    Several may fit. Then one is left out whose days would lie after today, or would go up and down while another's only
    go one way, as a bank's lists do. Raise UnclearDates when several are left.
    """
    written = [cell.strip() for cell in cells if PARTS.match(cell.strip())]
    counts = Counter(written)
    scores = {order: sum(count for cell, count in counts.items() if day(cell, order))
              for order in _orders(counts, may_be_american)}
    best = max(scores.values(), default=0)
    if not best:
        return ""
    fitting = [order for order, score in scores.items() if score == best]
    fitting = [order for order in fitting if _is_past(counts, order, today)] or fitting
    fitting = [order for order in fitting if _goes_one_way(written, order)] or fitting
    readings = {order: [day(cell, order) for cell in counts] for order in fitting}
    if any(days != readings[fitting[0]] for days in readings.values()):
        example = next(cell for cell in counts if len({day(cell, order) for order in fitting}) > 1)
        raise UnclearDates(example, {order: _spelt(day(example, order)) for order in fitting})
    return fitting[0]


def _orders(cells: Iterable[str], may_be_american: bool) -> list[str]:
    """Return the orders that dates with these signs and lengths may have: a point is never American."""
    found = [match for cell in cells if (match := PARTS.match(cell))]
    if any(len(match[1]) == 4 for match in found):
        return ["YMD"]
    orders = ["DMY"]
    if may_be_american and any(match[2] != "." for match in found):
        orders.append("MDY")
    if all(len(match[4]) == 2 for match in found) and any(match[2] == "-" for match in found):
        orders.append("YMD")
    return orders


def _is_past(cells: Iterable[str], order: str, today: date | None) -> bool:
    """Tell whether no day is later than the few that a bank may be ahead."""
    return today is None or all(value <= today + timedelta(days=3) for cell in cells if (value := day(cell, order)))


def _goes_one_way(cells: list[str], order: str) -> bool:
    days = [value for cell in cells if (value := day(cell, order))]
    return days in (sorted(days), sorted(days, reverse=True))


def _spelt(value: date | None) -> str:
    return f"{value.day} {value:%B %Y}" if value else "no day"
