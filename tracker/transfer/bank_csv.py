"""The rows of a bank's CSV as bookings."""
from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from tracker.transfer import bank_cells
from tracker.transfer.bank_formats import fold
from tracker.transfer.bank_lines import NO_KEY, BankLine, Booking, compact, real_id
from tracker.transfer.bank_table import Row, Table, cell_of

PENDING = re.compile(
    r"vorgemerkt|umsatz vorgemerkt|offen|venter|odottaa|autorizzato|pending|authori[sz]ed|ausstehend|reserverat|"
    r"reserveret|reservert|w rozliczeniu|blokada|en attente|pendiente|pendente|in attesa|čeká.*|on hold|processing|"
    r"requires.*", re.IGNORECASE)
NEVER = re.compile(
    r"slettet|geweigerd|refusée?|reverted|declined|failed|denied|cancell?ed|abgelehnt|storniert|zurückgewiesen|"
    r"voided|expired|refused|odrzucona|anulowana|rechazado|cancelado|annulé", re.IGNORECASE)
BOOKED = re.compile(
    r"|gebucht|umsatz gebucht|udført|geaccepteerd|acceptée?|contabilizzato|sent|successful|booked|completed|complete|"
    r"posted|cleared|abgeschlossen|paid|succeeded|settled|available|zaksięgowan[ay]|wykonana|zrealizowana|zaúčtováno|"
    r"terminé|completado|completato|concluído|genomförd|ok", re.IGNORECASE)
BALANCE = re.compile(
    r"(anfangssaldo|endsaldo|s a l d o|(alter |neuer )?kontostand|saldovortrag|saldo (anterior|inicial|final|do dia|"
    r"contabile inizia\w*|contabile fina\w*|początkowe|końcowe|iniziale|finale)|"
    r"(opening|closing|beginning|ending|starting) (ledger )?balance|balance (brought|carried) forward|"
    r"ingående saldo|utgående saldo|solde (initial|final)|"
    r"počáteční (stav|zůstatek).*|koncový (stav|zůstatek).*|beginsaldo|eindsaldo|algsaldo|lõppsaldo|"
    r"käive|sākuma atlikums|beigu atlikums|apgrozījums|turnover)"
    r"([ :]*(as of|vom|zum|per|am|al|au|in)?[ :]*([0-9./ -]+|euro?))?", re.IGNORECASE)
BALANCE_WORD = re.compile("sald|s a l d o|balance|solde|kontostand|käive|atlikums|apgro|turnover|stav|zůstatek",
                          re.IGNORECASE)
AS_ONE = "are read as one"
TEXTS = ("reference", "text", "kind", "payer", "payee")
NO_TEXTS = dict.fromkeys(TEXTS, "")
# A payment that is taken back, in what the bank calls a booking; and the same where only the text says it.
RETURNED = re.compile(
    r"rücklastschrift|ruecklastschrift|lastschriftr[üu]e?ckgabe|rückgabe|retoure|rückbuchung|rueckbuchung|returned|"
    r"return(ed)? (of|item|payment)|direct debit return|unpaid|reversal|reversed|chargeback|refund|rückzahlung|"
    r"erstattung|storno|impagad[oa]|devoluci[óo]n|devolvid[oa]|estorno|devolução|rejet|impay[ée]|insoluto|storno|"
    r"zwrot|vrácen|terugboeking|stornering|dishonou?r|payment_failure|rücküberweisung|returnering", re.IGNORECASE)
RETURNED_TEXT = re.compile(
    r"rücklastschrift|ruecklastschrift|lastschriftr[üu]e?ckgabe|returned (direct debit|item|payment|cheque|check)|"
    r"direct debit return|unpaid (direct debit|cheque|check|item)|chargeback|rejet (de )?prlv|prélèvement impayé|"
    r"recibo devuelto|devoluci[óo]n (de )?recibo|estorno|devolvid[oa]|dishonou?r|zwrot (polecenia|przelewu)|"
    r"addebito insoluto|insoluto sdd|terugboeking", re.IGNORECASE)
# Where the SEPA fields begin that follow, or surround, what the payer wrote.
PURPOSE = re.compile(r"SVWZ\+(.*?)(?=(?:ABW[AE]|BIC|IBAN|EREF|KREF|MREF|CRED|DEBT|PURP|COAM|OAMT)\+|$)", re.DOTALL)
SEPA_TAIL = re.compile(r"\s*(?:\b(?:EREF|KREF|MREF|CRED|DEBT|PURP|IBAN|BIC|ABWA|ABWE)(?::\s|\+)|End-to-End-Ref\.:|"
                       r"Mandatsref(?:erenz)?:|Gläubiger-ID:|Kundenreferenz:).*", re.DOTALL)
# What names the parts of a text, in one cell or in several of them, and the field of each; nothing ends another part.
LABELS = {
    "nazwa nadawcy": "payer", "nazwa odbiorcy": "payer", "rachunek nadawcy": "payer_account",
    "rachunek odbiorcy": "payer_account", "tytuł": "reference", "zahlungsreferenz": "reference",
    "verwendungszweck": "reference", "mitteilungen": "reference", "omschrijving": "reference", "auftraggeber": "payer",
    "naam": "payer", "iban": "payer_account", "bic": "", "kenmerk": "", "valutadatum": "", "machtiging id": "",
    "incassant id": "", "datum/tijd": "", "adres nadawcy": "", "adres odbiorcy": "", "referenzen": "",
    "operacja": "", "lokalizacja": "", "data i czas operacji": "", "numer referencyjny": "",
    "zahlungspflichtiger": "payer", "buchungstext": "reference", "kto/iban": "payer_account", "blz/bic": "",
}
LABEL = re.compile(rf"(?:^|\s)({'|'.join(map(re.escape, LABELS))})\s*:\s*", re.IGNORECASE)
# The same as the Netherlands write it, and the field of each: /TRTP/SEPA OVERBOEKING/IBAN/NL91.../NAME/.../REMI/...
SLASHED = {"NAME": "payer", "IBAN": "payer_account", "REMI": "reference"}
SLASHES = re.compile(r"/(TRTP|IBAN|BIC|NAME|REMI|EREF|MARF|CSID|ORDP|PREF|RTRN|NRTX|ISDT|SVCL|ULTB|ULTD)/")
PRELIMINARY = re.compile(r"prel\.? ", re.IGNORECASE)  # before the text of what Handelsbanken has not booked yet
NUMBER_AND_NAME = re.compile(r"[0-9*+]{6,} - (.*[^\W\d_].*)")  # M-Pesa
PAID_BY = re.compile(r"(?:payment|transfer|received money) from ([^\d;,]+?)(?: with reference .*)?", re.IGNORECASE)
NAME_AND_ACCOUNT = re.compile(r"(.*[^\W\d_].*?) ((?:[A-Z]{2})?[0-9]{16,30})")


class Reader:
    """Reads a table's rows; rejects and left_out say of which line why it is no booking."""

    def __init__(self, table: Table, rejects: dict[int, str], left_out: dict[int, str]) -> None:
        self.table, self.rejects, self.left_out = table, rejects, left_out
        self._columns, self._decimal, self._days = table.columns, table.layout.decimal, table.layout.days
        self._width = len(table.headers)
        while self._width and not table.headers[self._width - 1].strip():
            self._width -= 1
        self._unnamed = [column for column, header in enumerate(table.headers) if not header.strip()]
        self._texts = [(field, self._columns[field]) for field in TEXTS if field in self._columns]
        self._has_kind_line = any(fold(table.headers[column]) == "vorgangverwendungszweck"
                                  for column in self._columns.get("reference", ()) if table.layout.has_header)
        self._is_text_only = not any(field in self._columns for field in ("reference", "symbol"))

    def bookings(self) -> Iterator[Booking]:
        """Yield the bookings; a row without day and amount goes on with the text of the one before it."""
        rows, waiting = self.table.rows, None
        end = self._end()
        for row in rows[:end]:
            if self._is_header(row):
                continue
            if waiting and (more := self._goes_on(row)):
                longer = f"{waiting.line.reference} {more}".strip()
                waiting = Booking(waiting.line._replace(reference=longer), f"{waiting.written} {more}")
                continue
            if waiting:
                yield waiting
            waiting = self._booking(row)
        if waiting:
            yield waiting
        for row in rows[end:]:
            self.left_out[row.first] = "It stands below a second header, in another list."

    def _end(self) -> int:
        """Return how many rows belong to the table: up to a title and a second header, as of the latest bookings."""
        for place, row in enumerate(self.table.rows):
            if place and self._is_header(row) and len(list(filter(str.strip, self.table.rows[place - 1].cells))) == 1:
                return place - 1
        return len(self.table.rows)

    def _is_header(self, row: Row) -> bool:
        booked_on = self._columns["booked_on"][0]
        return (self.table.layout.has_header and booked_on < len(row.cells)
                and row.cells[booked_on].strip() == self.table.headers[booked_on].strip())

    def _goes_on(self, row: Row) -> str:
        """Return the text of a row that only goes on with the one before; nothing for another."""
        columns = self._columns
        texts = [*columns.get("reference", ()), *columns.get("text", ())]
        if any(cell.strip() and column not in texts for column, cell in enumerate(row.cells)):
            return ""
        text = _joined(row, texts)
        return "" if BALANCE.fullmatch(text) or re.match("total", text, re.IGNORECASE) else text

    def _booking(self, row: Row) -> Booking | None:
        try:
            return self._read(row)
        except ValueError as exc:
            self.rejects[row.first] = str(exc)
            return None

    def _read(self, row: Row) -> Booking | None:
        """Return a row's booking, or None when it is none; raise ValueError when it should be one."""
        self._check_shape(row)
        columns = self._columns
        written_day = cell_of(row, columns["booked_on"]).strip()
        booked_on = bank_cells.day(written_day, self._days)
        parts = self._parts(row)
        status = cell_of(row, columns.get("status", ())).strip()
        if not booked_on:
            self.left_out[row.first] = _why_of_status(status) or _why_dateless(row, written_day, parts["kind"])
            return None
        amount = self._amount(row)
        if why := _why_left_out(row, amount, parts, status):
            self.left_out[row.first] = why
            return None
        if amount is None:
            raise ValueError("It has no amount.")
        return self._line(row, booked_on, amount, parts, status)

    def _check_shape(self, row: Row) -> None:
        """Raise ValueError for a row of too many cells, or whose quotation mark has taken in the lines of others."""
        if any(map(str.strip, row.cells[len(self.table.headers):])):
            raise ValueError(f"The line has {len(row.cells)} fields, the header {self._width}.")
        if row.first == row.last:
            return
        booked_on = self._columns["booked_on"][0]
        for cell in row.cells:
            for line in cell.splitlines()[1:]:
                inner = line.split(self.table.layout.delimiter)
                if len(inner) > max(booked_on, 1) and bank_cells.day(inner[booked_on].strip(' "'), self._days):
                    raise ValueError(f"Lines {row.first} to {row.last} {AS_ONE}: a quotation mark is opened and not "
                                     "closed.")

    def _amount(self, row: Row) -> Decimal | None:
        """Return a row's amount with its sign, None when none is written; raise ValueError when it cannot be read."""
        columns, signs = self._columns, self.table.signs
        values = []
        for field, sign in signs.items():
            if written := cell_of(row, columns[field]).strip():
                values.append(sign * bank_cells.amount(written, self._decimal))
        filled = [value for value in values if value] or values[:1]
        if len(filled) > 1:
            raise ValueError("It has both a debit and a credit.")
        if filled and "indicator" in columns:
            written = cell_of(row, columns["indicator"]).strip()
            if not (sign := bank_cells.indicated(written)):
                raise ValueError(f"Whether it is debit or credit is written as {written[:20] or 'nothing'}.")
            return sign * filled[0]
        return filled[0] if filled else None

    def _parts(self, row: Row) -> dict[str, str]:
        """Return the texts of a row by field: joined where a field has several columns, told apart where they are
        labelled, in cells without a header too.
        """
        columns = self._columns
        parts = dict(NO_TEXTS)
        for field, places in self._texts:
            parts[field] = _joined(row, places)
        if self._has_kind_line and "\n" in (cell := cell_of(row, columns["reference"][:1])).strip():
            kind, _, rest = cell.strip().partition("\n")
            parts["kind"] = parts["kind"] or kind.strip()
            parts["reference"] = _joined(row._replace(cells=[rest]), [0])
        parts["written"] = parts["reference"] or parts["text"]
        if self._unnamed:
            unnamed = " ".join(_one_line(row.cells[column]) for column in self._unnamed if column < len(row.cells))
            parts["written"] = f"{parts['written']} {unnamed}".strip()
        if ":" in parts["written"] or parts["written"].startswith("/TRTP/"):
            named = _labelled(parts["written"])
            parts.update((field, value) for field, value in named.items()
                         if field == "reference" or not parts.get(field))
        if not parts["payer"] and (found := PAID_BY.fullmatch(parts["text"])):
            parts["payer"] = found[1]
        return parts

    def _line(self, row: Row, booked_on: date, amount: Decimal, parts: dict[str, str], status: str) -> Booking:
        columns = self._columns
        symbols = " ".join(f"VS {cell.strip()}" for column in columns["symbol"] if (
            cell := cell_of(row, [column])).strip(" 0")) if "symbol" in columns else ""
        text = parts["reference"] or parts["text"] or (parts["kind"] if self._is_text_only else "")
        payer, account = self._other_side(row, amount, parts)
        currency = cell_of(row, columns.get("currency", ())).strip().upper() or self.table.currency
        # Without a header another file may tell otherwise which account is ours; the key has it with the other words.
        own = cell_of(row, columns.get("account", ())) if self.table.layout.has_header else ""
        is_returned = _is_return(parts["kind"]) or (amount < 0 and RETURNED_TEXT.search(text) is not None)
        line = BankLine(
            row.first, booked_on, amount, payer, compact(account),
            " ".join(filter(None, (_purpose(text), symbols))), real_id(cell_of(row, columns.get("bank_id", ()))),
            compact(own) or self.table.account, currency, amount < 0 and is_returned,
            self._doubt(amount, is_returned, currency, status), NO_KEY)
        return Booking(line, "\x1f".join((payer, parts["written"] or text, symbols)) if self.table.layout.has_header
                       else _words(row))

    def _other_side(self, row: Row, amount: Decimal, parts: dict[str, str]) -> tuple[str, str]:
        """Return name and account of who paid, or was paid, in columns of their own or in one for both."""
        columns, payer, account = self._columns, parts["payer"], cell_of(row, self._columns.get("payer_account", ()))
        if amount < 0:
            payer = parts["payee"] or payer
            account = cell_of(row, columns["payee_account"]) if "payee_account" in columns else account
        account = account.strip(" '") or parts.get("payer_account", "")
        if account and (code := cell_of(row, columns.get("bank_code", ())).strip()):
            account = f"{account}/{code}"
        if not account and (found := NAME_AND_ACCOUNT.fullmatch(payer)):
            payer, account = found[1], found[2]
        if found := NUMBER_AND_NAME.fullmatch(payer):
            payer = found[1]
        return payer, account

    def _doubt(self, amount: Decimal, is_returned: bool, currency: str, status: str) -> str:
        if currency != self.table.currency:
            return f"It is in {currency}, most of the file in {self.table.currency}."
        if amount > 0 and is_returned:
            return "It gives back what was paid from the account."
        if not _is_booked(status):
            return f"Its status is {status[:40]}."
        return ""


def _why_dateless(row: Row, written_day: str, kind: str) -> str:
    """Say why a row without a day is no booking; raise ValueError when it looks like one."""
    if PENDING.fullmatch(written_day) or (not written_day and PENDING.fullmatch(kind)):
        return "It is not booked yet."
    is_sum = BALANCE.fullmatch(written_day) or re.match("total|summe|suma|saldo|soma", written_day, re.IGNORECASE)
    if written_day and not is_sum and any(map(bank_cells.is_amount, row.cells)):
        raise ValueError(f"Its day, {written_day[:40]}, cannot be read.")
    return "It has no day: it is no booking."


@functools.lru_cache(maxsize=1000)
def _is_return(kind: str) -> bool:
    return RETURNED.search(kind) is not None


@functools.lru_cache(maxsize=1000)
def _why_of_status(status: str) -> str:
    if PENDING.fullmatch(status):
        return "It is not booked yet."
    return f"Nothing came of it: its status is {status[:40]}." if NEVER.fullmatch(status) else ""


@functools.lru_cache(maxsize=1000)
def _is_booked(status: str) -> bool:
    return BOOKED.fullmatch(status) is not None


def _why_left_out(row: Row, amount: Decimal | None, parts: dict[str, str], status: str) -> str:
    """Say why a row with a day is no booking; nothing when it is one."""
    if not parts["payer"] and BALANCE_WORD.search("\n".join(row.cells)) and any(
            BALANCE.fullmatch(cell.strip()) for cell in row.cells):
        return "It is a balance."
    if PRELIMINARY.match(parts["text"]):
        return "It is not booked yet."
    return _why_of_status(status) or ("Its amount is 0." if amount is not None and not amount else "")


def _labelled(text: str) -> dict[str, str]:
    """Return the parts of a text that names them, by field; nothing of one that does not name what was written."""
    is_slashed = text.startswith("/TRTP/")
    pieces = (SLASHES if is_slashed else LABEL).split(text)
    parts: dict[str, str] = {}
    for label, value in zip(pieces[1::2], pieces[2::2]):
        if field := SLASHED.get(label) if is_slashed else LABELS[label.casefold()]:
            parts.setdefault(field, value.strip(" ;,"))
    return parts if "reference" in parts and (len(parts) > 1 or not pieces[0].strip()) else {}


def _joined(row: Row, columns: Sequence[int]) -> str:
    """Join a row's cells and their lines with spaces; each text once."""
    if len(columns) == 1:
        return _one_line(row.cells[columns[0]]) if columns[0] < len(row.cells) else ""
    return " ".join(dict.fromkeys(
        text for column in columns if column < len(row.cells) and (text := _one_line(row.cells[column]))))


def _words(row: Row) -> str:
    """Return the texts of a row, whichever columns of a file without a header they are taken from in this file."""
    return " ".join(cell for cell in row.cells if re.search(r"[^\W\d_]{2}", cell))


def _one_line(cell: str) -> str:
    """Join the lines of a cell: those of 27 characters are pieces of a longer one, as German banks cut it."""
    if "\n" not in cell and "\r" not in cell:
        return " ".join(cell.split())
    whole = ""
    for line in cell.splitlines():
        whole += line if len(line) == 27 else f"{line} "
    return " ".join(whole.split())


def _purpose(reference: str) -> str:
    """Return what the payer wrote, without the SEPA fields that some banks put around it."""
    if "+" in reference and (found := PURPOSE.search(reference)):
        return found[1].strip()
    return SEPA_TAIL.sub("", reference).strip() or reference if ":" in reference or "+" in reference else reference
