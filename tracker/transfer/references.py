"""What a payment's reference says: which customer, which bills; and what it is told again by."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from tracker.transfer.bank_lines import compact, folded

# Words for a bill and for a customer, as they stand before a number, in the languages of the banks that are read.
BILL = (r"bills?|inv(?:oice)?s?|rechnung(?:en|s)?|rechn|rech|rg|re|rnr|renr|rgnr|faktur[ay]?|faktúr[ay]|fakt|fv|"
        r"fact(?:ure|ura|uur)?s?|fattur[ae]|fatt|fra(?=\.)|fatura|laskun?|számla|szla|arved?|rēķins|sąskaita|račun|"
        r"faktuur")
CUSTOMER = (r"customer|cust|client|klient[ai]?|kunde|kunden|kdnr|kd|account|acct|acc|a/c|subscriber|abonent[ai]?|"
            r"abonnent|abonn[ée]|cliente|utente|contratto|contrato|kundnr|kundenr|kund|asiakas|ügyfél|zákazn[ií]k|vs|klant|"
            r"mitglied|vertrag|contract|member")
NUMBER_WORD = r"(?:[- ]?(?:(?:no|nr|n|č|num(?:mer|ber|éro|ero)?|numer|id|code)\b|n[°º]))?[\s.:#°º/-]{0,3}"
# After a word: a number that is not the beginning of a date, a month of a year, an amount or a longer code.
WHOLE_NUMBER = r"0*([1-9][0-9]{0,17})(?![0-9]|[.,/:][0-9]|-[0-9]{2,4}\b|[A-Za-z_])"
BILLS = re.compile(rf"(?<![^\W_])(?:{BILL})(?:s?nummern?|snr|nr)?(?![^\W\d_])\.?{NUMBER_WORD}{WHOLE_NUMBER}",
                   re.IGNORECASE)
FURTHER = re.compile(rf"\s*(?:,|;|\+|&|und|and|et|y|e|i|a|en|och)\s*(?:{NUMBER_WORD})?{WHOLE_NUMBER}", re.IGNORECASE)
HASHED = re.compile(r"(?<![^\s(,;:])#\s?0*([1-9][0-9]{0,17})(?![0-9]|[.,/:-][0-9]|[A-Za-z_])")
OURS = re.compile(r"(?<![^\W_])C[-.]?0*([1-9][0-9]{0,17})(?![^\W_]|[.,/-][0-9])", re.IGNORECASE)
LABELLED = re.compile(rf"(?<![^\W_])(?:{CUSTOMER})(?:en)?(?:nummer|nr)?(?![^\W\d_])\.?{NUMBER_WORD}"
                      r"([A-Z]{0,4}[-/ ]?[0-9](?:[0-9A-Z]|[-/.](?=[0-9A-Z]))*)", re.IGNORECASE)
TOKEN = re.compile(r"[^\W_]+(?:[-/.,:][^\W_]+)*")
SPACED = re.compile(r"(?<![^\W_])([A-Z]{1,3}) ([0-9]{2,})(?![^\W_]|[.,/-][0-9])")
# What is no account number, whoever has that: days, months, times and amounts.
DAY_OR_AMOUNT = re.compile(r"[0-9]{1,2}[./-][0-9]{1,2}[./-](?:[0-9]{2}|[0-9]{4})|"
                           r"[0-9]{4}[./-][0-9]{1,2}(?:[./-][0-9]{1,2})?|[0-9]{2}(?:[0-9]{2})?|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?|"
                           r"[0-9.,]*,[0-9]{2}|[0-9]+\.[0-9]{2}")
CREDITOR = re.compile(r"(?<![^\W_])RF[0-9]{2}(?: ?[0-9A-Z]{4}){0,5} ?[0-9A-Z]{1,4}(?![^\W_])", re.IGNORECASE)
SWISS = re.compile(r"(?<![0-9])[0-9]{2}(?: ?[0-9]{5}){5}(?![0-9])|(?<![0-9])[0-9]{27}(?![0-9])")
BELGIAN = re.compile(r"[+*]{3}([0-9]{3})/([0-9]{4})/([0-9]{5})[+*]{3}")
CARRY = (0, 9, 4, 6, 8, 2, 7, 1, 3, 5)  # of the recursive modulo 10 of Swiss references
YEARS = range(1990, 2100)
MOST_NUMBERS = 30
Value = TypeVar("Value", int, str)


class Said(NamedTuple):
    """What a reference names, each number once and in its order.

    bills are the numbers that stand with a word for a bill or behind #. customer_ids are those written as C123.
    accounts are account numbers with a word for customer, folded by number_key; tokens are all others that may be one,
    and name a customer only where one has exactly that number. C123 is among them, too.
    """

    bills: tuple[int, ...]
    customer_ids: tuple[int, ...]
    accounts: tuple[str, ...]
    tokens: tuple[str, ...]


def said_in(reference: str) -> Said:
    """Read a reference; of a long one the first 500 characters."""
    text = unicodedata.normalize("NFKC", reference)[:500]
    bills = list(_bills(text))
    accounts = [number_key(found[1]) for found in LABELLED.finditer(text)]
    named = [found.span() for found in LABELLED.finditer(text)] + [span for span, _ in bills]
    tokens = _tokens("".join(" " if any(start <= place < end for start, end in named) else sign
                             for place, sign in enumerate(text)))
    return Said(_firsts(number for _, number in bills), _firsts(int(found[1]) for found in OURS.finditer(text)),
                _firsts(accounts), _firsts(tokens))


def _firsts(found: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(found))[:MOST_NUMBERS]


def number_key(number: str) -> str:
    """Return an account number as it is compared: letters and digits alone, in small letters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", number).casefold()))


def reference_key(reference: str) -> str:
    """Return what tells that a reference is the same again: all of it, in small letters, with single spaces."""
    return folded(reference)


def payer_key(payer: str, payer_account: str = "") -> str:
    """Return what tells that the same pays again: the account, else the name in small letters; nothing without both."""
    if account := compact(payer_account):
        return f"account {account.casefold()}"
    return f"name {folded(payer)}" if payer.strip() else ""


def _bills(text: str) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield where bills are named and their numbers, also of those that go on after a comma or an and.

    A number that looks like a year is none unless a word or sign for number stands before it.
    """
    for found in BILLS.finditer(text):
        if int(found[1]) in YEARS and not re.search(r"[#°º]|n[ro]\b|num|nummer", found[0], re.IGNORECASE):
            continue
        yield found.span(), int(found[1])
        place = found.end()
        while (more := FURTHER.match(text, place)) and int(more[1]) not in YEARS:
            yield more.span(), int(more[1])
            place = more.end()
    yield from ((found.span(), int(found[1])) for found in HASHED.finditer(text))


def _tokens(text: str) -> Iterator[str]:
    """Yield what may be an account number: words of at least three characters with a digit, their parts, and what
    check digits guard; no years, days, times and amounts.
    """
    yield from _structured(text)
    for found in TOKEN.finditer(text):
        if not any(map(str.isdigit, found[0])) or DAY_OR_AMOUNT.fullmatch(found[0]):
            continue
        for part in dict.fromkeys((found[0], *re.split("[-/.,:]", found[0]))):
            key = number_key(part)
            if len(key) >= 3 and any(map(str.isdigit, key)) and not (key.isdecimal() and int(key) in YEARS):
                yield key
    yield from (number_key(found[0]) for found in SPACED.finditer(text))


def _structured(text: str) -> Iterator[str]:
    """Yield the numbers inside references with check digits that are right, without these and leading zeros.

    Creditor references of ISO 11649 (RF), the 27 digits of Swiss bills (QRR), and Belgian ones (+++123/1234/12345+++).
    """
    for found in CREDITOR.finditer(text):
        code = re.sub(r"\s", "", found[0]).upper()
        digits = "".join(str(int(sign, 36)) for sign in code[4:] + code[:4])
        if int(digits) % 97 == 1 and code[4:].strip("0"):
            yield code[4:].lstrip("0").casefold()
    for found in SWISS.finditer(text):
        digits = re.sub(r"\s", "", found[0])
        carry = 0
        for digit in digits[:-1]:
            carry = CARRY[(carry + int(digit)) % 10]
        if (10 - carry) % 10 == int(digits[-1]) and digits[:-1].strip("0"):
            yield digits[:-1].lstrip("0")
    for found in BELGIAN.finditer(text):
        digits = "".join(found.groups())
        if int(digits[-2:]) == (int(digits[:-2]) % 97 or 97) and digits[:-2].strip("0"):
            yield digits[:-2].lstrip("0")
