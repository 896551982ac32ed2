"""A line of a bank's file as the program works with it, and the key that tells that it is the same line again."""
from __future__ import annotations

import re
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

NAMESPACE = uuid.UUID("6d1c9a0e-5f0b-4f6e-9a55-2f8f3c1b7d40")
# What banks write where a transaction has no ID.
NO_ID = re.compile(r"[0\W_]*|nonref|none|null|nan|n/?a|not ?provided|notprovided|no ?ref(erence)?|unknown|keine?|brak",
                   re.IGNORECASE)


APOSTROPHES = re.compile("['\u2019]")  # some of them are a spreadsheet's


class BankLine(NamedTuple):
    """A booking. amount is below 0 for money that left the account; returned says that it takes back a payment.

    payer and payer_account are the other side's, whoever paid. account is our own, as far as the file names it.
    doubt is a sentence when somebody must look at the line first, whatever else is certain of it.
    """

    line: int  # of the file; of camt, the number of the booking in it
    booked_on: date
    amount: Decimal
    payer: str
    payer_account: str
    reference: str
    bank_id: str
    account: str
    currency: str
    returned: bool
    doubt: str
    key: uuid.UUID


NO_KEY = uuid.UUID(int=0)  # of a line that keyed() has not seen yet


class Booking(NamedTuple):
    """A line that has no key yet, and the other side and the reference as the bank wrote them, which the key is of."""

    line: BankLine
    written: str


def folded(words: str) -> str:
    """Return text as it is compared: composed, in small letters, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", words).casefold().split())


def real_id(bank_id: str) -> str:
    """Return a bank's ID without spaces around it; nothing when it is a word for none."""
    bank_id = bank_id.strip()
    return "" if NO_ID.fullmatch(bank_id) else bank_id


def compact(account: str) -> str:
    """Return an account's number without spaces, and without the quotes that make it text in a spreadsheet; one that is
    an e-mail address in small letters.
    """
    number = re.sub(r"[\s'\"]", "", account)
    return number.lower() if "@" in number else number.upper()


def keyed(bookings: Iterable[Booking]) -> Iterator[BankLine]:
    """Give each line its key, which is the same in every file of the bank that has the line.

    It is made of day, amount and our account, and of the bank's ID or, without one, of what the bank wrote of the other
    side and the reference; of lines that have all that in common, the first, the second and so on of the day have a key
    each. The day is in it because banks use some IDs again.
    """
    seen: Counter[str] = Counter()
    for line, written in bookings:
        what = f"id\x1f{line.bank_id}" if line.bank_id else f"text\x1f{folded(APOSTROPHES.sub('', written))}"
        content = "\x1f".join((line.account, line.booked_on.isoformat(), str(line.amount), what))
        seen[content] += 1
        yield line._replace(key=uuid.uuid5(NAMESPACE, f"{content}\x1f{seen[content]}"))
