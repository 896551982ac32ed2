"""camt.052, camt.053 and camt.054 of ISO 20022: a bank's bookings as XML, whatever the version of the message.

No library for Python 3.9 that is kept reads batches and returns right, so it is read here, a booking at a time. A file
with a document type is refused, and with it every entity that it could declare.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers import expat

from tracker.errors import BadFile
from tracker.transfer.bank_lines import NO_KEY, BankLine, Booking, compact, real_id

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
        with path.open("rb") as file:
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

    left_out is told which are not booked yet, by their number in the file.
    """
    number, context, statement = 0, Context("", ""), None
    try:
        for event, element in iterparse(str(path), events=("start", "end")):  # noqa: S314 - document types are refused
            tag = element.tag.rpartition("}")[2]
            if event == "start":
                if tag in STATEMENTS:
                    statement, context = element, Context("", "")
            elif tag == "Acct":
                context = _context(element)
            elif tag == "Ntry":
                number += 1
                yield from _entry(Entry(element), context, number, left_out)
                if statement is not None:
                    statement.clear()
    except ParseError as exc:
        raise BadFile(f"{path} is no XML that can be read, from booking {number + 1} on: {exc}.") from exc


def _context(account: Element) -> Context:
    found = Entry(account)
    return Context(compact(found.text("Id/IBAN") or found.text("Id/Othr/Id")), found.text("Ccy"))


class Entry:
    """An element whose parts are found by their names, in whatever namespace the message has."""

    def __init__(self, element: Element) -> None:
        self.element = element
        self._namespace = element.tag[:element.tag.rfind("}") + 1]

    def _path(self, path: str) -> str:
        return self._namespace + path.replace("/", f"/{self._namespace}") if self._namespace else path

    def text(self, path: str) -> str:
        """Return a part's text on one line; nothing when it is not there."""
        return " ".join((self.element.findtext(self._path(path)) or "").split())

    def texts(self, path: str) -> list[str]:
        return [" ".join((found.text or "").split()) for found in self.element.findall(self._path(path))]

    def find(self, path: str) -> Element | None:
        return self.element.find(self._path(path))

    def parts(self, path: str) -> list[Entry]:
        return [Entry(found) for found in self.element.findall(self._path(path))]


def _entry(entry: Entry, context: Context, number: int, left_out: dict[int, str]) -> Iterator[Booking]:
    status = entry.text("Sts/Cd") or entry.text("Sts/Prtry") or entry.text("Sts")
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
    details = entry.parts("NtryDtls/TxDtls")
    if context.currency and line.currency != context.currency:
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
    for amount, detail in zip(known, details):
        own_id = real_id(detail.text("Refs/AcctSvcrRef")) or line.bank_id
        yield _line(line._replace(amount=amount, bank_id=own_id), entry, detail)


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
    sides = []
    for role in ("Dbtr", "Cdtr"):
        name = next(filter(None, (detail.text(f"RltdPties/{side}/{path}") for side in (f"Ultmt{role}", role)
                                  for path in ("Nm", "Pty/Nm", "Pty/OrgId/Nm"))), "")
        account = compact(detail.text(f"RltdPties/{role}Acct/Id/IBAN")
                          or detail.text(f"RltdPties/{role}Acct/Id/Othr/Id"))
        sides.append((name, account))
    if line.amount < 0 and not is_returned:
        sides.reverse()
    ours = [account == line.account for _, account in sides]
    return sides[1] if ours[0] and line.account and not ours[1] else sides[0]


def _reference(detail: Entry) -> str:
    """Return what the payer wrote, then the structured references and bills it names; else the payer's own ID."""
    written = ""
    for piece in detail.element.findall(detail._path("RmtInf/Ustrd")):
        text = piece.text or ""
        written += text if len(text) == 140 else f"{text} "
    structured = [*detail.texts("RmtInf/Strd/CdtrRefInf/Ref"), *detail.texts("RmtInf/Strd/RfrdDocInf/Nb"),
                  *detail.texts("RmtInf/Strd/AddtlRmtInf")]
    whole = " ".join(dict.fromkeys(filter(None, (" ".join(written.split()), *structured))))
    return whole or real_id(detail.text("Refs/EndToEndId"))


def _is_returned(entry: Entry, detail: Entry) -> bool:
    """Tell whether a booking takes an earlier one back: it is reversed, has a reason of return, or a code of one."""
    if entry.text("RvslInd") in ("true", "1") or detail.find("RtrInf") is not None:
        return True
    for part in (detail, entry):
        code = part.text("BkTxCd/Domn/Fmly/SubFmlyCd")
        if code in RETURNS or GERMAN_RETURNS.search(part.text("BkTxCd/Prtry/Cd")):
            return True
    return False


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
