"""camt.052, camt.053 and camt.054 of ISO 20022: a bank's bookings as XML, whatever the version of the message.

No library for Python 3.9 that is kept reads batches and returns right, so it is read here, a booking at a time. A file
with a document type is refused, and with it every entity that it could declare.
"""
from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.parsers import expat

from tracker.errors import BadFile
from tracker.transfer.bank_lines import NO_KEY, BankLine, Booking, compact, real_id
from tracker.transfer.kinds import open_bytes

REPORTS = {"BkToCstmrAcctRpt": "camt.052", "BkToCstmrStmt": "camt.053", "BkToCstmrDbtCdtNtfctn": "camt.054"}
STATEMENTS = ("Rpt", "Stmt", "Ntfctn")
CHUNK = 1 << 16
CENT = Decimal("0.01")
# Bank transaction codes, sub-family: returned and reversed debits, cheques and transfers.
RETURNS = ("UPDD", "RRTN", "PRDD", "ARET", "UPCQ", "UPCT", "RPCR", "CQRV", "RVSL")
# The same in the codes of German banks (GVC), which stand in the proprietary code as NRTI+109+...
GERMAN_RETURNS = re.compile(r"\+(?:108|109|159)\+")


class Context(NamedTuple):
    """What holds for all bookings of a statement."""

    account: str
    currency: str


def is_xml(head: bytes) -> bool:
    """Tell whether a file begins as XML does, in any encoding."""
    return re.match(rb"\s*(<\?xml|<[A-Za-z]*:?Document\b|<!DOCTYPE (?!html)|<!--)", head.replace(b"\0", b"")
                    .lstrip(b"\xff\xfe")) is not None


class _Told(Exception):
    """The parts that tell the message have been seen."""


def describe(path: Path) -> str:
    """Return which message a file is, as camt.053.

    Raise BadFile when it is another XML, broken or one with a document type.
    """
    opened: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        opened.append(name.rpartition(":")[2])
        if opened[-1] in REPORTS or len(opened) > 100:
            raise _Told

    def document_type(*_: object) -> None:
        raise BadFile(f"{path} declares a document type, as no bank's file does; it is not read.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, document_type
    try:
        with open_bytes(path) as file:
            while chunk := file.read(CHUNK):
                parser.Parse(chunk)
            parser.Parse(b"", True)
    except _Told:
        pass
    except expat.ExpatError as exc:
        raise BadFile(f"{path} is no XML that can be read: {_where(exc)}.") from exc
    if opened[-1] not in REPORTS:
        what = opened[1] if opened[:1] == ["Document"] and opened[1:] else opened[0]
        raise BadFile(f"{path} is XML, but no account statement of a bank (camt.052, camt.053 or camt.054): it holds "
                      f"{what[:40]}.")
    return REPORTS[opened[-1]]


def _where(exc: expat.ExpatError) -> str:
    return f"{expat.ErrorString(exc.code)} in line {exc.lineno}"


def bookings(path: Path, left_out: dict[int, str]) -> Iterator[Booking]:
    """Yield the bookings of a file; a batch whose payments are told apart gives one for each of them.

    They are numbered; left_out is told which are not booked yet, by their number.
    """
    number = 0
    try:
        for element, context in _entries(path):
            number += 1
            for booking in _entry(Entry(element), context, number, left_out):
                number = booking.line.line
                yield booking
    except ParseError as exc:
        raise BadFile(f"{path} is no XML that can be read, after booking {number}: {exc}.") from exc


def _entries(path: Path) -> Iterator[tuple[Element, Context]]:
    """Yield each booking of a file and what holds for its statement; what was yielded is forgotten."""
    parser: XMLPullParser[Any] = XMLPullParser(("start",))
    root: Element | None = None
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            parser.feed(chunk)
            events: Iterator[Any] = parser.read_events()
            if root is None and (begun := next(events, None)):
                root = begun[1]
            deque(events, maxlen=0)  # only the root was asked for
            if root is not None:
                yield from _complete(root, is_whole=False)
    parser.close()
    if root is not None:
        yield from _complete(root, is_whole=True)


def _complete(root: Element, is_whole: bool) -> Iterator[tuple[Element, Context]]:
    """Take the bookings out of the tree that are read to their end: all but the last, unless the file is."""
    statements = list(_statements(root, 0))
    for statement in statements:
        parts = list(statement)
        is_open = not is_whole and statement is statements[-1]
        done = [part for part in (parts[:-1] if is_open else parts) if _local(part) == "Ntry"]
        if done:
            context = _context(statement)
            yield from ((part, context) for part in done)
            taken = set(map(id, done))
            statement[:] = [part for part in parts if id(part) not in taken]


def _statements(element: Element, depth: int) -> Iterator[Element]:
    for part in element:
        if _local(part) in STATEMENTS:
            yield part
        elif depth < 3:
            yield from _statements(part, depth + 1)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _context(statement: Element) -> Context:
    found = Entry(statement)
    account = compact(found.text("Acct/Id/IBAN") or found.text("Acct/Id/Othr/Id"))
    return Context(account, found.text("Acct/Ccy"))


@functools.lru_cache(maxsize=1000)
def _tags(namespace: str, path: str) -> tuple[str, ...]:
    return tuple(namespace + tag for tag in path.split("/"))


class Entry:
    """An element whose parts are found by their names, in whatever namespace the message has."""

    def __init__(self, element: Element) -> None:
        self.element = element
        self._namespace = element.tag[:element.tag.rfind("}") + 1]

    def find(self, path: str) -> Element | None:
        """Return the first part along a path."""
        found: Element | None = self.element
        for tag in _tags(self._namespace, path):
            if found is None:
                return None
            found = found.find(tag)
        return found

    def text(self, path: str) -> str:
        """Return a part's text on one line; nothing when it is not there."""
        found = self.find(path)
        return "" if found is None else " ".join((found.text or "").split())

    def all(self, path: str) -> list[Element]:
        return self.element.findall("/".join(_tags(self._namespace, path)))

    def texts(self, path: str) -> list[str]:
        return [" ".join((found.text or "").split()) for found in self.all(path)]


def _entry(entry: Entry, context: Context, number: int, left_out: dict[int, str]) -> Iterator[Booking]:
    status = entry.text("Sts") or entry.text("Sts/Cd") or entry.text("Sts/Prtry")
    if status in ("PDNG", "INFO", "FUTR"):
        left_out[number] = "It is not booked yet."
        return
    amount, currency = _amount(entry, "Amt")
    booked_on = _day(entry, "BookgDt") or _day(entry, "ValDt")
    if amount is None or booked_on is None:
        raise BadFile(f"Booking {number} has no {'amount' if amount is None else 'day'} that can be read.")
    if not amount:
        left_out[number] = "Its amount is 0."
        return
    if entry.text("CdtDbtInd") not in ("CRDT", "DBIT"):
        raise BadFile(f"Booking {number} does not say whether it is credit or debit.")
    line = BankLine(number, booked_on, _signed(entry, amount), "", "", "", real_id(entry.text("AcctSvcrRef")),
                    context.account, currency or context.currency, False, "", NO_KEY)
    details = [Entry(found) for found in entry.all("NtryDtls/TxDtls")]
    if status not in ("", "BOOK"):
        line = line._replace(doubt=f"Its status is {status[:40]}.")
    elif context.currency and line.currency != context.currency:
        line = line._replace(doubt=f"It is in {line.currency}, the account in {context.currency}.")
    if len(details) > 1:
        yield from _batch(entry, details, line)
        return
    payments = max(int(count) if (count := entry.text("NtryDtls/Btch/NbOfTxs")).isdigit() else 1, 1)
    if payments > 1:
        line = line._replace(doubt=f"It is a batch of {payments} payments that the bank does not tell apart; its "
                                   "camt.054 does.")
    yield _line(line, entry, details[0] if details else entry)


def _batch(entry: Entry, details: list[Entry], line: BankLine) -> Iterator[Booking]:
    """Yield a booking for each payment of a batch, or one for all where the bank does not say what each amounts to."""
    amounts = [_detail_amount(detail, entry, line.currency) for detail in details]
    if any(amount is None for amount in amounts):
        doubt = f"It is a batch of {len(details)} payments without their amounts."
        yield _line(line._replace(doubt=doubt), entry, entry)
        return
    known = [amount for amount in amounts if amount is not None]
    if (together := sum(known)) != line.amount:
        doubt = f"The {len(details)} payments of its batch add up to {together}, the booking is {line.amount}."
        line = line._replace(doubt=line.doubt or doubt)
    for number, (amount, detail) in enumerate(zip(known, details), line.line):
        own_id = real_id(detail.text("Refs/AcctSvcrRef")) or line.bank_id
        yield _line(line._replace(line=number, amount=amount, bank_id=own_id), entry, detail)


def _detail_amount(detail: Entry, entry: Entry, currency: str) -> Decimal | None:
    """Return a payment's amount in the account's currency, with its sign; None where the bank does not say it."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt", "AmtDtls/InstdAmt/Amt"):
        amount, its_currency = _amount(detail, path)
        if amount is not None and its_currency in ("", currency):
            return _signed(detail if detail.text("CdtDbtInd") else entry, amount)
    return None


def _line(line: BankLine, entry: Entry, detail: Entry) -> Booking:
    is_returned = _is_returned(entry, detail)
    payer, payer_account = _other_side(detail, line, is_returned)
    reference = _reference(detail) or detail.text("AddtlTxInf") or entry.text("AddtlNtryInf")
    is_ours_back = line.amount > 0 and is_returned
    return Booking(line._replace(
        payer=payer, payer_account=payer_account, reference=reference, returned=line.amount < 0 and is_returned,
        bank_id=line.bank_id or real_id(detail.text("Refs/AcctSvcrRef")),
        doubt=line.doubt or ("It gives back what was paid from the account." if is_ours_back else ""),
    ), f"{payer}\x1f{reference}")


def _other_side(detail: Entry, line: BankLine, is_returned: bool) -> tuple[str, str]:
    """Return name and account of who paid or was paid; of a returned debit, of the customer whose payment it was.

    On whose behalf somebody pays counts before who pays. A side with our own account is not the other one.
    """
    if (found := detail.find("RltdPties")) is None:
        return "", ""
    parties = Entry(found)
    sides = [_side(parties, role) for role in ("Dbtr", "Cdtr")]
    if line.amount < 0 and not is_returned:
        sides.reverse()
    ours = [account == line.account for _, account in sides]
    return sides[1] if ours[0] and line.account and not ours[1] else sides[0]


def _side(parties: Entry, role: str) -> tuple[str, str]:
    account = parties.find(f"{role}Acct/Id")
    number = Entry(account).text("IBAN") or Entry(account).text("Othr/Id") if account is not None else ""
    for party in (parties.find(f"Ultmt{role}"), parties.find(role)):
        if party is not None and (name := Entry(party).text("Nm") or Entry(party).text("Pty/Nm")):
            return name, compact(number)
    return "", compact(number)


def _reference(detail: Entry) -> str:
    """Return what the payer wrote, then the structured references and bills it names; else the payer's own ID."""
    written = ""
    for piece in detail.all("RmtInf/Ustrd"):
        text = piece.text or ""
        written += text if len(text) == 140 else f"{text} "
    structured = [text for part in ("CdtrRefInf/Ref", "RfrdDocInf/Nb", "AddtlRmtInf")
                  for text in detail.texts(f"RmtInf/Strd/{part}")] if detail.find("RmtInf/Strd") is not None else []
    whole = " ".join(dict.fromkeys(filter(None, (" ".join(written.split()), *structured))))
    return whole or real_id(detail.text("Refs/EndToEndId"))


def _is_returned(entry: Entry, detail: Entry) -> bool:
    """Tell whether a booking takes an earlier one back: it is reversed, has a reason of return, or a code of one."""
    if entry.text("RvslInd") in ("true", "1") or detail.find("RtrInf") is not None:
        return True
    codes = [Entry(code) for part in (detail, entry) if (code := part.find("BkTxCd")) is not None]
    return any(code.text("Domn/Fmly/SubFmlyCd") in RETURNS or GERMAN_RETURNS.search(code.text("Prtry/Cd"))
               for code in codes)


def _amount(entry: Entry, path: str) -> tuple[Decimal | None, str]:
    """Return the amount at a path, without a sign, and its currency; None where there is none that can be read."""
    element = entry.find(path)
    if element is None:
        return None, ""
    try:
        amount = Decimal((element.text or "").strip())
        exact = amount.quantize(CENT)
    except InvalidOperation:
        return None, ""
    is_good = exact == amount and 0 <= amount < 10 ** 10
    return (exact if is_good else None), element.get("Ccy", "")


def _signed(entry: Entry, amount: Decimal) -> Decimal:
    return -amount if entry.text("CdtDbtInd") == "DBIT" and amount else amount


def _day(entry: Entry, path: str) -> date | None:
    written = entry.text(f"{path}/Dt") or entry.text(f"{path}/DtTm")
    try:
        found = date.fromisoformat(written[:10])
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2199 else None
