"""The parsers of what is typed or read from a file, one a field.

A parser takes text and returns a value, or raises ValueError with the sentence to show.
"""
from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from tracker.text import without_joiners

LONGEST_ANSWER = 10_000
LARGEST_ID = 2**63 - 1
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u061c\u200b\u200e\u200f\u2060\ufeff"))
UNWANTED = {"Cc": "control", "Cf": "format", "Cs": "invalid", "Zl": "line-break", "Zp": "line-break"}

LONGEST_PHONE = 32
LONGEST_EMAIL = 254
LONGEST_ACCOUNT_NUMBER = 50
EXTENSION = re.compile(
    r"[ ,;]*(extension|ext\.?|x|#|wewn\.?|wew\.?|interno|int\.?|poste|durchwahl|dw\.?|ramal) ?[0-9]{1,6}$",
    re.IGNORECASE | re.ASCII,
)
RESERVED_LOGINS = ("isp_readonly", "isp_admin", "public", "none")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 200
DASHES = "[\u2010-\u2015\u2212\uff0d]"

Value = TypeVar("Value")


def text(max_length: int) -> Callable[[str], str]:
    """Make a parser of one line of text; it returns Unicode's composed form (NFC) without invisible signs."""
    def parse(answer: str) -> str:
        if len(answer) > LONGEST_ANSWER:
            raise ValueError(f"That is too long: use at most {max_length} characters.")
        answer = unicodedata.normalize("NFC", answer.translate(INVISIBLE).strip())
        for character in without_joiners(answer):
            if kind := UNWANTED.get(unicodedata.category(character)):
                raise ValueError(f"Remove the {kind} character U+{ord(character):04X}; use letters, digits and signs.")
        if not 1 <= len(answer) <= max_length:
            raise ValueError(f"Enter 1 to {max_length} characters; that was {len(answer) or 'nothing'}.")
        return answer

    return parse


def optional(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    """Make a parser that takes Enter alone for nothing."""
    return lambda answer: parse(answer) if answer else None


def phone(answer: str) -> str:
    """Parse a phone number, perhaps with an extension; it is kept as typed, but for odd signs that a paste brings."""
    if len(answer) > LONGEST_ANSWER:
        raise ValueError(f"Enter a phone number of at most {LONGEST_PHONE} characters.")
    number = _plain_phone(answer)
    without_extension = EXTENSION.sub("", number)
    if wrong := re.search(r"[^0-9 +().\-/]", without_extension, re.ASCII):
        raise ValueError(f"Take out {_named(wrong[0])}: a phone number has digits, spaces and + ( ) - . / and perhaps "
                         "an extension, such as ext 12.")
    digits = sum(map(str.isdigit, without_extension))
    if not 3 <= digits <= 15:
        raise ValueError(f"Enter a phone number of 3 to 15 digits; that has {digits}.")
    if len(number) > LONGEST_PHONE:
        raise ValueError(f"Enter a phone number of at most {LONGEST_PHONE} characters.")
    return number


def email(answer: str) -> str:
    """Parse an e-mail address: one @ between two parts without spaces, which is all that can be told of one."""
    value = text(LONGEST_EMAIL)(answer)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise ValueError("Enter an e-mail address, such as name@example.com.")
    return value


def account_number(answer: str) -> str:
    """Parse a provider's own number for a customer, which may have letters and signs."""
    return text(LONGEST_ACCOUNT_NUMBER)(answer)


def phone_like(term: str) -> str | None:
    """Return a search term as a phone number, if it may be a part of one: three digits or more, and no letters."""
    number = EXTENSION.sub("", _plain_phone(term[:100]))
    return number if re.fullmatch(r"[ +().\-/]*([0-9][ +().\-/]*){3,}", number, re.ASCII) else None


def _plain_phone(answer: str) -> str:
    """Return a pasted phone number with plain spaces and hyphens, and without what cannot be seen."""
    line = without_invisible(re.sub(r"^tel:", "", answer.translate(INVISIBLE).strip(), flags=re.IGNORECASE))
    return re.sub(r"\s", " ", re.sub(DASHES, "-", line)).strip()


def without_invisible(line: str) -> str:
    """Leave out what cannot be seen, such as marks of direction."""
    return line if line.isprintable() else "".join(c for c in line if unicodedata.category(c) != "Cf")


def _named(sign: str) -> str:
    """Name a sign so that it can be found: as it is, and by its number where it may look like another."""
    if sign.isascii() and sign.isprintable():
        return sign
    shown = f"{sign}, " if sign.isprintable() else ""
    return f"the sign {shown}U+{ord(sign):04X}"


def amount(answer: str) -> Decimal:
    """Parse an amount of money, 0 or more: digits, at most two decimals."""
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", answer, re.ASCII):
        raise ValueError("Enter an amount such as 49.90: at most ten digits, and two decimals after a point.")
    return Decimal(answer).quantize(Decimal("0.01"))


def balance(answer: str) -> Decimal:
    """Parse what is owed, or with a minus before it what was paid too much."""
    return -amount(answer[1:].strip()) if answer.startswith("-") else amount(answer)


def positive_amount(answer: str) -> Decimal:
    """Parse an amount of money that is more than 0."""
    if value := amount(answer):
        return value
    raise ValueError("Enter an amount above 0, such as 49.90.")


def day(answer: str) -> date:
    """Parse a date: YYYY-MM-DD, or written in another way that can be read in one way only."""
    if value := _written_day(answer):
        return value
    raise ValueError("Enter a date such as 2026-12-15.")


def _written_day(answer: str) -> date | None:
    """Return the day that is written, or None where nothing is written like one; raise where there is no such day."""
    if found := (re.fullmatch(r"([0-9]{4,6})([-/.])([0-9]{1,2})\2([0-9]{1,2})", answer, re.ASCII)
                 or re.fullmatch(r"([0-9]{4})()([0-9]{2})([0-9]{2})", answer, re.ASCII)):
        return _existing_day(int(found[1]), int(found[3]), int(found[4]))
    if found := re.fullmatch(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})", answer, re.ASCII):
        return _existing_day(int(found[4]), *_month_and_day(answer, int(found[1]), int(found[3]), found[4]))
    if re.fullmatch(r"[0-9]{4}-[0-9]{1,2}", answer, re.ASCII):
        raise ValueError("That is a month: enter a date in it, such as 2026-12-15.")
    return None


def _month_and_day(answer: str, first: int, second: int, year: str) -> tuple[int, int]:
    """Tell month and day apart where one of them can only be the day."""
    if first != second and 1 <= first <= 12 and 1 <= second <= 12:
        raise ValueError(f"{answer} can be read in two ways: write {year}-{second:02}-{first:02} "
                         f"or {year}-{first:02}-{second:02}.")
    return (first, second) if second > 12 >= first else (second, first)


def _existing_day(year: int, month: int, number: int) -> date:
    if not FIRST_DAY.year <= year <= LAST_DAY.year:
        raise ValueError(f"Enter a date from {FIRST_DAY} to {LAST_DAY}.")
    if not 1 <= month <= 12:
        raise ValueError(f"There is no month {month}: enter a date such as 2026-12-15.")
    days = calendar.monthrange(year, month)[1]
    if number > days and month == 2 and days == 28:
        raise ValueError(f"{year} is no leap year: February has 28 days.")
    if not 1 <= number <= days:
        raise ValueError(f"There is no day {number}: {calendar.month_name[month]} has {days} days.")
    return date(year, month, number)


def day_from(today: date) -> Callable[[str], date]:
    """Make a parser of a day, which may be said from today on: yesterday, tomorrow, +14 or -3 days."""
    def parse(answer: str) -> date:
        if value := _said_day(answer, today) or _written_day(answer):
            return value
        raise ValueError("Enter a date such as 2026-12-15, or today, tomorrow or +14.")

    return parse


def _said_day(answer: str, today: date) -> date | None:
    words = {"today": "0", "yesterday": "-1", "tomorrow": "1"}
    days = words.get(answer.casefold(), answer if re.fullmatch(r"[+-][0-9]{1,4}", answer, re.ASCII) else "")
    return today + timedelta(days=int(days)) if days else None


def either(word: str, parse: Callable[[str], Value], value: Any = ...) -> Callable[[str], Any]:
    """Make a parser of what another one parses, or of a word, which stands for value, or else for itself."""
    def parse_either(answer: str) -> Any:
        if answer.casefold() == word:
            return word if value is ... else value
        return parse(answer)

    return parse_either


def past_day(today: date) -> Callable[[str], date]:
    """Make a parser of a day that is not after today; it knows the words today and yesterday."""
    def parse(answer: str) -> date:
        value = _said_day(answer, today) or _written_day(answer)
        if not value or not FIRST_DAY <= value <= today:
            raise ValueError(f"Enter today, yesterday, or a date up to {today}, written like it.")
        return value

    return parse


def coming_day(today: date) -> Callable[[str], date]:
    """Make a parser of a day from today on."""
    def parse(answer: str) -> date:
        value = day_from(today)(answer)
        if value < today:
            raise ValueError(f"Enter today or a later day; {value} is past.")
        return value

    return parse


def login(answer: str) -> str:
    """Parse the name of a new login, which needs no quotes in a URI or a shell."""
    if not re.fullmatch(r"[a-z][a-z0-9._-]{0,62}", answer, re.ASCII):
        raise ValueError("Enter 1 to 63 small letters, digits and . _ -, a letter first.")
    if answer.startswith("pg_") or answer in RESERVED_LOGINS:
        raise ValueError(f"The name {answer} is kept for something else; enter another.")
    return answer


def password(answer: str) -> str:
    """Parse a password; it is kept as typed, blanks and all."""
    if not SHORTEST_PASSWORD <= len(answer) <= LONGEST_PASSWORD:
        raise ValueError(f"Enter {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    if any(unicodedata.category(character) in UNWANTED for character in answer):
        raise ValueError("Leave out control characters and what cannot be seen; use letters, digits and signs.")
    return answer


def month(answer: str) -> date:
    """Parse a month, written YYYY-MM or MM/YYYY, as its first day."""
    found = re.fullmatch(r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{1,2})|(?P<first>[0-9]{1,2})[-/.](?P<last>[0-9]{4})",
                         answer, re.ASCII)
    if not found:
        raise ValueError("Enter a month such as 2026-12.")
    year, number = int(found["year"] or found["last"]), int(found["month"] or found["first"])
    if not FIRST_DAY.year <= year <= LAST_DAY.year:
        raise ValueError(f"Enter a month from {FIRST_DAY:%Y-%m} to {LAST_DAY:%Y-%m}.")
    if not 1 <= number <= 12:
        raise ValueError(f"There is no month {number}: enter a month such as 2026-12.")
    return date(year, number, 1)


def port(answer: str) -> int:
    """Parse the number of a TCP port; 0 is any that is free."""
    if not re.fullmatch(r"[0-9]{1,5}", answer, re.ASCII) or int(answer) > 65535:
        raise ValueError("Enter a port from 1 to 65535, or 0 for one that is free.")
    return int(answer)


def referred_customer(term: str) -> int | None:
    """Return the customer's ID in a reference such as C123, which a transfer is to name; None where it is no such."""
    found = re.fullmatch("[Cc] ?0*([1-9][0-9]{0,17})", term.strip(), re.ASCII)
    return int(found[1]) if found else None


def customer_id(answer: str) -> int:
    """Parse a customer's ID, or a reference such as C123."""
    return referred_customer(answer) or row_id(answer)


def is_id(answer: str) -> bool:
    return re.fullmatch(r"[0-9]+", answer, re.ASCII) is not None


def row_id(answer: str) -> int:
    """Parse the ID of a record: digits, no more than PostgreSQL's bigint holds."""
    if not is_id(answer) or len(answer) > 19 or not 1 <= int(answer) <= LARGEST_ID:
        raise ValueError("Enter an ID: a whole number from 1 on.")
    return int(answer)


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """Make a parser of one of a few words, or of its number, counted from 1."""
    numbered = {str(i): word for i, word in enumerate(words, 1)}
    hint = ", ".join(f"{i} {word}" for i, word in numbered.items())

    def parse(answer: str) -> str:
        word = numbered.get(answer, answer.casefold())
        if word not in words:
            raise ValueError(f"Enter {hint}.")
        return word

    return parse


def choice(options: dict[str, Value], sentence: str = "") -> Callable[[str], Value]:
    """Make a parser of one of the options; the sentence, or a list of them, says what they are."""
    def parse(answer: str) -> Value:
        if answer.casefold() in options:
            return options[answer.casefold()]
        raise ValueError(sentence or f"Enter {_either([word for word in options if word])}.")

    return parse


def _either(words: list[str]) -> str:
    if all(map(str.isdigit, words)) and len(words) > 2:
        least, *_, most = sorted(map(int, words))
        if most - least + 1 == len(words):
            return f"a number from {least} to {most}"
        words = sorted(words, key=int)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def keep(answer: str) -> dict[str, int]:
    """Parse how many backups stay, by the day, week, month and year: 7d,4w,12m."""
    kept: dict[str, int] = {}
    for part in answer.replace(" ", "").casefold().split(","):
        counted = re.fullmatch(r"([1-9][0-9]{0,3})([dwmy])", part, re.ASCII)
        if not counted or counted[2] in kept:
            raise ValueError("Say how many backups of days, weeks, months and years to keep, such as 7d,4w,12m.")
        kept[counted[2]] = int(counted[1])
    return kept
