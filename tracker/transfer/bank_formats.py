"""How a bank lays out its CSV: which column is what, and the same remembered under a name."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tracker.errors import BadFile, UnclearMapping
from tracker.transfer.bank_cells import without_accents

# Headers by which banks name a column, the likeliest first, English before the bar. They are compared in small letters,
# without accents, signs and the currency. Where a field takes several columns they are joined in this order, whatever
# the file's own.
HEADERS = {
    "booked_on": (
        "Booking Date, Booked At, Booked On, Posting Date, Posted Date, Post Date, Date Posted, Date Processed, "
        "Completed Date, Date completed (UTC), Completion Time, Settlement date (UTC), Posted Transactions Date, "
        "Transaction Date, Trans Date, Tran Date, Txn Date, Entry Date, Date, Date (UTC), Payment date, Created "
        "(UTC), created utc, Created date (UTC), created, Created on, Finished on, Transaction date and time",
        "Buchungstag, Buchungsdatum, Buchung, Boekdatum, Boekingsdatum, Uitvoeringsdatum, Date de comptabilisation, "
        "Date comptable, Date opération, Date de l'opération, Date d'exécution, date_comptabilisation, dateOp, Fecha "
        "contable, F. Contable, Fecha de operación, Fecha operación, F. Operación, Data contabile, Data "
        "registrazione, Data operazione, Data Lançamento, Data do lançamento, Data movimento, Data Mov., Data "
        "księgowania, Data zaksięgowania, Data operacji, Data transakcji, Datum zaúčtování, Datum provedení, Datum "
        "splatnosti, Splatnost, Dátum zaúčtovania, Bokföringsdag, Bokföringsdatum, Reskontradatum, Transaktionsdag, "
        "Transaktionsdatum, Bokført dato, Bokføringsdato, Bogføringsdato, Bogført, Kirjauspäivä, Kirjauspvm, "
        "Päivämäärä, Könyvelés dátuma, Tranzakció dátuma, Abschlussdatum, Transaktionsdato, Kuupäev, Datums, Data "
        "tranzactiei, Data tranzactie, Día, İşlem Tarihi, Tarih, Дата, Datum, Data, Fecha, Dato, Dátum"),
    "value_on": (
        "Value Date, Value Dt, Valuta Date",
        "Wertstellung, Valutadatum, Wertstellungsdatum, Wert, Rentedatum, Date de valeur, Date valeur, dateVal, Fecha "
        "valor, F. Valor, Data valuta, Data waluty, Valutadag, Rentedato, Értéknap"),
    "amount": (
        "Gross, Amount, Total amount (incl. VAT), Transaction Amount, Credit/Debit Amount, Amount in account "
        "currency, Target amount (after fees), CAD$, Value",
        "Brutto, Betrag, Umsatz, Buchungsbetrag, Betrag in Kontowährung, Bedrag, Montant, Importe, Importo, Valor, "
        "Kwota, Kwota w walucie rachunku, Kwota operacji, Kwota transakcji, Kwota transakcji (waluta rachunku), "
        "Částka, Částka v měně účtu, Montant operation, Monto, Objem, Zaúčtovaná částka, Suma, Belopp, Beløp, Beløb, "
        "Summa, Määrä, Tranzakció összege, Összeg, Tutar, İşlem Tutar\u0131, Iznos, Сумма"),
    "debit": (
        "Debit, Debit Amount, Debits, Debit Amt, DR, Withdrawal, Withdrawals, Withdrawal Amt., Withdrawal Amount, "
        "Withdrawn, Paid Out, Money Out, Outflow",
        "Soll, Belastung, Lastschrift, Ausgang, Debet, Débit, Cargo, Cargos, Debe, Addebiti, Uscite, Dare, Débito, "
        "Obciążenia, Wydatki, Ut, Ut fra konto, Uttag, Terhelés, Saída, Saídas, Retiros, Borç"),
    "credit": (
        "Credit, Credit Amount, Credits, Credit Amt, CR, Deposit, Deposits, Deposit Amt., Deposit Amount, Paid In, "
        "Money In, Inflow",
        "Haben, Gutschrift, Eingang, Kredit, Crédit, Abono, Abonos, Haber, Accrediti, Entrate, Avere, Crédito, "
        "Uznania, Wpływy, Inn, Inn på konto, Insättning, Jóváírás, Entrada, Entradas, Depósitos, Alacak"),
    "indicator": (
        "Debit/Credit, Credit/Debit, Debit or Credit, Credit Debit Indicator, Debit Credit Indicator, Debit/Credit "
        "(D/C), CreditDebet, Cargo/Abono, DR/CR, CR/DR, D/C, C/D, Balance Impact, Direction, Sign, Transaction Type, "
        "Type",
        "Soll/Haben, S/H, Haben/Soll, Kennzeichen, Auswirkung auf Guthaben, Af Bij, Bij Af, Debet/Credit, Sens, D/K, "
        "K/D, Deebet/Kreedit, Tipo, Natureza, Typ, Bevétel/Kiadás"),
    "payer": (
        "Payer Name, Payer, Paid by, Sender Name, Sender, Partner Name, Counterparty Name, Counterpart Name, Counter "
        "Party, Counterparty, Other Party, Other Party Info, OP name, Sender/receiver name, From name, "
        "Beneficiary/Payer, Source name, Name / Description, Name, Payee, Merchant",
        "Zahlungspflichtige*r, Auftraggeber/Zahlungsempfänger, Beguenstigter/Zahlungspflichtiger, "
        "Begünstigter/Zahlungspflichtiger, Begünstigter / Auftraggeber, Auftraggeber / Begünstigter, "
        "Auftraggeber/Empfänger, Empfänger/Auftraggeber, Sender / Empfänger, Name Zahlungsbeteiligter, "
        "Zahlungsbeteiligter, Empfaenger 1, Libelle simplifie, Tegenrekeninghouder, Partner elnevezése, Partner név, "
        "Nimi, Partnername, Name des Partners, Zahlungspartner, Auftraggeber, Naam / Omschrijving, Naam tegenpartij, "
        "Naam tegenpartij bevat, Naam van de tegenpartij, Naam, Nom de la contrepartie, Nom contrepartie, Nom, "
        "Nombre, Ordenante, Ordenante/Beneficiario, Nome, Nadawca/Odbiorca, Nadawca / Odbiorca, Dane kontrahenta, "
        "Kontrahent, Nadawca, Nazwa nadawcy, Odbiorca/Zleceniodawca, Název protiúčtu, Název účtu protiúčtu, Název "
        "protistrany, Názov protiúčtu, Jméno protistrany, Namn, Avsändare/Mottagare, Navn, Saaja/Maksaja, "
        "Maksaja/Saaja, Saaja / Maksaja, Partner neve, Saatja/saaja nimi, Saaja/Maksja, Saņēmējs/Maksātājs"),
    "payee": (
        "Payee Name, Recipient, To name, Beneficiary Name, Beneficiary, Target name",
        "Zahlungsempfänger*in, Empfänger/Zahlungspflichtiger, Zahlungsempfänger, Empfänger, Bénéficiaire, "
        "Beneficiario, Odbiorca, Nazwa odbiorcy"),
    "payer_account": (
        "Counterparty IBAN, Counterparty account, Partner Iban, Payer account, Other Party Account, OP Bank Account "
        "Number, Sender/receiver account, From Email Address",
        "IBAN Zahlungsbeteiligter, Kontonummer/IBAN, IBAN/Kontonummer, IBAN, Konto-Nr., Kontonummer, Absender "
        "E-Mail-Adresse, Tegenrekening IBAN/BBAN, Tegenrekening, rekeningnummer tegenpartij, Rekening tegenpartij, "
        "Compte contrepartie, IBAN contrepartie, Rachunek kontrahenta, Numer rachunku kontrahenta, Numer konta, Numer "
        "rachunku, Nr rachunku, Tegenrekeningnummer, Partner számla, Rachunek źródłowy, Numer rachunku nadawcy, Na "
        "konto/Z konta, Protiúčet, Protiúčet a kód banky, Číslo protiúčtu, Číslo účtu protiúčtu, Číslo účtu "
        "protistrany, Partner számlaszáma, Saatja/saaja konto"),
    "payee_account": (
        "To Email Address, Payee Account Number",
        "Empfänger E-Mail-Adresse, Rachunek docelowy, Numer rachunku odbiorcy"),
    "bank_code": (
        "",
        "Kód banky, Kód banky protiúčtu, Banka"),
    "reference": (
        "Payment Reference, Remittance Information, Reference, Message for payee, Message, Particulars, Analysis "
        "Code, Payment purpose, Notes/Message, A/C No., OP ref, OP part, OP code, Reference number, Invoice Number, "
        "Subject, Note, Notifications, Structured communication",
        "Verwendungszweck, Vorgang/Verwendungszweck, Zahlungsreferenz, Rechnungsnummer, Betreff, Hinweis, "
        "Mededelingen, Vrije mededeling, gestructureerde mededeling, Omschrijving-1, Omschrijving-2, Omschrijving-3, "
        "Informations complementaires, Betalingskenmerk, Mededeling, Omschrijving, Communication, Communications, "
        "Motif, Causale, Tytuł, Tytuł operacji, Tytułem, Zpráva pro příjemce, Popis pro příjemce, Zpráva, Správa pre "
        "príjemcu, Informácia pre príjemcu, Rubrik, Meddelande, Melding, Referens, Viesti, Viite, Viitenumero, OCR, "
        "KID, Közlemény, Selgitus, Viitenumber, Informācija saņēmējam"),
    "symbol": (
        "Variable symbol, Variable symbol 1",
        "VS, Variabilní symbol, Variabilní symbol 1, Variabilný symbol"),
    "text": (
        "Transaction Description, Description, Description 1, Description 2, Description 3, Narrative, Narration, "
        "Details, Transaction Details, Transaction Remarks, Remarks, Original Description, Sub-description, Memo, "
        "Memo/Description, Booking text, Transaction Ref1, Transaction Ref2, Transaction Ref3, Notes, Notes and "
        "#tags, Text, Label",
        "Beschreibung, Beschreibung1, Beschreibung2, Beschreibung3, Buchungsdetails, Avisierungstext, Buchungstext, "
        "Libellé, Libellé opération, Détail de l'écriture, Concepto, Movimiento, Más datos, Observaciones, "
        "Descripción, Descripción detallada, Descrizione, Descrizione Operazione, Descrizione estesa, Descrizione "
        "Completa, Libellé complet operation, Descripción operación, Concepto / Referencia, Otsikko, Tittel, "
        "Descriere, Detalii tranzactie, Título, Histórico, Lançamento, Descrição, Opis transakcji, Opis operacji, "
        "Opis, Szczegóły, Szczegóły transakcji, Popis, Poznámka, Beskrivning, Beskrivelse, Forklaring, Tekst, "
        "Text/mottagare, Transaktion, Selite, Részletek, Aç\u0131klama"),
    "kind": (
        "Type, Transaction Type, Subcategory, Code, reporting category",
        "Umsatzart, Umsatztyp, Transaktionstyp, Buchungstext, Buchungsart, Typ, Typ transakcji, Mutatiesoort, "
        "Bewegungstyp, Opis operacji, Typ transakce, Tipo, Vorgang, Tranzakció típusa"),
    "bank_id": (
        "balance transaction id, TransferWise ID, Transaction ID, Transaction reference number, Transaction no., "
        "Archive ID, Unique Id, Receipt No., Archiving code, FITID, Transfer reference, ID",
        "Transaktionscode, Transaktions-Nr., Volgnr, Identificador, ID operace, ID pohybu, Id transakce, "
        "Arkistointitunnus, Arkiveringsreferanse, Numer referencyjny, Nr transakcji, Tranzakció azonosító, Megbízás "
        "azonosító, Arhiveerimistunnus, Arhīva kods, Identifikace transakce, Referenční číslo, Referinta tranzactiei, "
        "Buchungsreferenz, ZKB reference"),
    "account": (
        "Account Number, Bank Account, Account No, Client account, Posted Account, This Party Account, Customer "
        "account no, Könyvelési számla, Account",
        "Auftragskonto, IBAN Auftragskonto, IBAN Kontoinhaber, IBAN Auftraggeberkonto, IBAN/BBAN, Rekening, "
        "Rekeningnummer, Numéro de compte, Numer rachunku/karty, Cuenta, Číslo účtu, Számlaszám, Kliendi konto"),
    "currency": (
        "Currency, Posted Currency, Payment currency, Account currency, Target currency, Curr",
        "Waehrung, Währung, Buchungswährung, Munt, Devise, Divisa, Moneda, Moeda, Waluta, Waluta rachunku, Valuta "
        "rekening, Valutacode, Valuutta, Összeg devizaneme, Devise du compte, Devies, Měna, Měna účtu, Mena, "
        "Devizanem, Tranzakció devizaneme, Valūta, Valuuta"),
    "status": (
        "Status, State, Transaction Status",
        "Info, Stan, Stav, Statut, Estado, Stato"),
}
SEVERAL = ("payer_account", "reference", "text", "symbol", "kind", "value_on")  # fields that take more than one column
SHARED = ("indicator", "kind")  # these may name a column that another field has, too
# Headers that mean another thing beside certain others.
BESIDE = (
    ({"counterparty", "name"}, {"counterparty": "payer_account"}),  # bunq
    ({"counterparty", "namedescription"}, {"counterparty": "payer_account"}),  # ING in the Netherlands
    ({"payee", "accountnumber"}, {"accountnumber": "payer_account"}),  # N26
    ({"clearingnummer", "kontonummer"}, {"kontonummer": "account"}),  # Swedbank
    ({"iban", "bookedat"}, {"iban": "account"}),  # Raiffeisen in Switzerland
    ({"particulars", "code", "reference"}, {"details": "payer", "code": "reference"}),  # ANZ in New Zealand
    ({"postingdate", "checkorslip"}, {"details": "kind"}),  # Chase
    ({"referens", "beskrivning", "radnummer"}, {"beskrivning": "payer"}),  # Swedbank
    ({"namn", "rubrik"}, {"rubrik": "text"}),  # Nordea
    ({"omschrijving", "vrijemededeling"}, {"omschrijving": "text"}),  # KBC
    ({"avisierungstext", "label"}, {"label": ""}),  # PostFinance: the account holder's own
    ({"empfaenger1", "kontonummer"}, {"kontonummer": "account"}),  # HypoVereinsbank
    ({"naamvandetegenpartij", "tegenpartij"}, {"tegenpartij": "payer_account"}),  # BNP Paribas Fortis
    ({"nomdelacontrepartie", "contrepartie"}, {"contrepartie": "payer_account"}),
    ({"counterpartyname", "totalamountinclvat"}, {"iban": "account"}),  # Qonto
    ({"transactionref1", "reference"}, {"reference": "kind"}),  # DBS
    ({"iban", "odeslano", "splatnost"}, {"iban": "account"}),  # Moneta
    ({"reference", "remarks"}, {"reference": "kind", "remarks": "reference"}),  # GTBank
    ({"archivingcode", "description"}, {"description": "reference"}),  # LHV
    ({"dato", "valor", "belob"}, {"valor": "value_on"}),  # Jyske Bank's Valør
)
# As they stand in headers; r is what is left of R$.
CURRENCIES = frozenset((
    "eur", "euro", "euros", "euroa", "usd", "gbp", "chf", "pln", "czk", "sek", "nok", "dkk", "huf", "ron", "bgn", "brl",
    "r",
    "cad", "aud", "nzd", "zar", "inr", "sgd", "hkd", "jpy", "cny", "try", "mxn", "kes", "ngn", "ghs", "ugx", "tzs",
    "php", "idr", "myr", "thb", "aed", "sar", "ils", "uah", "rsd", "isk",
))


SPELT: dict[str, str] = {"euro": "EUR", "euros": "EUR", "euroa": "EUR", "r": "BRL"}


class Format(NamedTuple):
    """How a bank writes its file; what is empty is found out from each file.

    columns are a field's headers, or their numbers from 1 where there is none or another
    column has the same before them. decimal is a comma or a point, days
    DMY, MDY or YMD.
    """

    encoding: str = ""
    delimiter: str = ""
    has_header: bool = True
    columns: Mapping[str, tuple[str, ...]] = {}
    decimal: str = ""
    days: str = ""


def to_json(layout: Format) -> dict[str, Any]:
    """Return a format as what JSON holds."""
    return {**layout._asdict(), "columns": {field: list(names) for field, names in layout.columns.items()}}


def from_json(stored: Mapping[str, Any]) -> Format:
    """Return the format that to_json gave; raise BadFile when it is none, or one of a newer program."""
    try:
        columns = {field: tuple(names) for field, names in stored["columns"].items()}
        layout = Format(**{**stored, "columns": columns})
        known = all(field in HEADERS and all(isinstance(name, str) for name in names)
                    for field, names in columns.items())
        is_good = (known and isinstance(layout.encoding, str) and isinstance(layout.has_header, bool)
                   and layout.delimiter in ("", ";", ",", "\t", "|") and layout.decimal in ("", ",", ".")
                   and layout.days in ("", "DMY", "MDY", "YMD"))
        if not is_good:
            raise TypeError
    except (AttributeError, KeyError, TypeError):
        raise BadFile("What is remembered of the bank's file is not readable; remember it again.") from None
    return layout


def fold(header: str) -> str:
    """Return a header as it is compared: letters and digits alone, and no currency unless that is all it says."""
    words = re.findall(r"[^\W_]+", without_accents(header))
    named = [word for place, word in enumerate(words) if word not in CURRENCIES
             and not (word in ("in", "en") and words[place + 1:] and words[place + 1] in CURRENCIES)]
    return "".join(named or words)


def currency_in(header: str) -> str:
    """Return the code of the currency that a header names; nothing when it names none."""
    words: list[str] = re.findall(r"[^\W_]+", without_accents(header.replace("€", " eur ").replace("£", " gbp ")))
    for word in words:
        if word in CURRENCIES:
            return SPELT.get(word, word.upper())
    return ""


def _folded(names: str) -> list[str]:
    return [word for name in names.split(", ") if (word := fold(name))]


SYNONYMS = {field: _folded(english) + _folded(others) for field, (english, others) in HEADERS.items()}
KINDS = frozenset(SYNONYMS["kind"])
DAYS = frozenset(SYNONYMS["booked_on"])
AMOUNTS = frozenset(SYNONYMS["amount"] + SYNONYMS["debit"])
ENGLISH = {word for english, _ in HEADERS.values() for word in _folded(english)}


def is_english(headers: Iterable[str]) -> bool:
    """Tell whether no header is of another language, as those of banks that write the month first are."""
    known = set().union(*SYNONYMS.values())
    return all(word in ENGLISH or word not in known for word in map(fold, headers))


def find_columns(headers: Sequence[str], chosen: Mapping[str, tuple[str, ...]] | None = None) -> dict[str, list[int]]:
    """Return the columns of each field, those that are chosen first.

    Raise UnclearMapping when a chosen column is not there.
    """
    words = [fold(header) for header in headers]
    columns = {field: [_column(headers, name) for name in names] for field, names in (chosen or {}).items()}
    used = {column for chosen_columns in columns.values() for column in chosen_columns}
    beside = {word: field for others, meant in BESIDE if others <= set(words) for word, field in meant.items()}
    for field, names in SYNONYMS.items():
        if field in columns:
            continue
        found = []
        for name in [word for word in words if beside.get(word) == field] + names:
            for column, word in enumerate(words):
                is_free = column not in used or field in SHARED
                if word == name and is_free and beside.get(word, field) == field and column not in found:
                    found.append(column)
                    if field not in SHARED:
                        used.add(column)
        if found:
            columns[field] = found if field in (*SEVERAL, "indicator") else found[:1]
            used -= set(found[1:]) if field not in (*SEVERAL, *SHARED) else set()
    if "payee" in columns and "payer" not in columns:
        columns["payer"] = columns.pop("payee")
    return {field: columns[field] for field in HEADERS if columns.get(field)}


def _column(headers: Sequence[str], name: str) -> int:
    for form in (str.strip, fold):
        for column, header in enumerate(headers):
            if form(header) == form(name) and form(name):
                return column
    if name.isdecimal() and 0 < int(name) <= len(headers):
        return int(name) - 1
    named = ", ".join(header.strip() for header in headers if header.strip())
    raise UnclearMapping(f"The file has no column {name[:80]}; it has {named[:300]}.", "amount=Header")


def may_be_header(cells: Iterable[str]) -> bool:
    """Tell at a look whether a row names a day and an amount."""
    words = {fold(cell) for cell in cells if len(cell) < 60}
    return not words.isdisjoint(DAYS) and not words.isdisjoint(AMOUNTS)


def is_complete(columns: Mapping[str, list[int]]) -> bool:
    """Tell whether there is a day and an amount, in one column or in two."""
    return "booked_on" in columns and ("amount" in columns or {"debit", "credit"} <= set(columns))
