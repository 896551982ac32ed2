"""A bank's CSV of any make: which column is what, how amounts and days are written, and what is asked or refused."""
from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal

import pytest

from tracker.errors import BadFile, UnclearDates, UnclearDecimals, UnclearMapping
from tracker.transfer import bank, bank_cells
from tracker.transfer.bank_formats import Format, find_columns, fold, from_json, to_json


@pytest.fixture
def write(tmp_path):
    def write(text, encoding="utf-8", name="bank.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def read(path, **remembered):
    """Return day, amount, payer and reference of each line, and what was rejected and left out."""
    file = bank.open_bank_file(path, Format(**remembered))
    lines = [(str(line.booked_on), str(line.amount), line.payer, line.reference) for line in bank.lines(file)]
    return lines, file.rejects, file.left_out


# Amounts

@pytest.mark.parametrize(("cells", "sign"), [
    (["29,90"], ","), (["29.90"], "."), (["1.049,00"], ","), (["1,049.00"], "."), (["1.234.567"], ","),
    (["1,234,567"], "."), (["1 234,5"], ","), (["1'234.50"], "."), ([",99"], ","), ([".99"], "."), (["100", "7"], "."),
    (["1.234", "5,00"], ","), (["1,234", "5.00"], "."), (["1.234", "1,5"], ","), (["0.500"], "."), (["1234.567"], "."),
    (["-10,7", "1.234"], ","), (["R$ 1.234,56"], ","), (["49.9000"], "."), (["", "x", "12,5"], ","),
])
def test_the_decimal_sign_is_told_by_the_whole_column(cells, sign):
    assert bank_cells.decimal_sign(cells) == sign


@pytest.mark.parametrize(("cells", "sentence"), [
    (["1.234", "50"], "The amounts do not show what stands before the cents: 1.234 may be thousands, or one with three "
                      "decimals."),
    (["12,50", "12.50"], "The amounts 12,50 and 12.50 are written in two ways: one has a comma before the cents, one a "
                         "point."),
])
def test_a_column_that_does_not_tell_the_decimal_sign_is_asked(cells, sentence):
    with pytest.raises(UnclearDecimals) as caught:
        bank_cells.decimal_sign(cells)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(("cell", "decimal", "value"), [
    ("29,90", ",", "29.90"), ("29.90", ".", "29.90"), ("1.049,00 €", ",", "1049.00"), ("R$ 99,90", ",", "99.90"),
    ("59.90 zł", ".", "59.90"), ("$49.90", ".", "49.90"), ("-$49.90", ".", "-49.90"), ("$-49.90", ".", "-49.90"),
    ("1,049.00", ".", "1049.00"), ("49.9000", ".", "49.90"), (".99", ".", "0.99"), (",5", ",", "0.50"),
    ("12,00-", ",", "-12.00"), ("12,00+", ",", "12.00"), ("(12.00)", ".", "-12.00"), ("12.00 CR", ".", "12.00"),
    ("12.00 DR", ".", "-12.00"), ("12,00 S", ",", "-12.00"), ("12,00 H", ",", "12.00"), ("12,00H", ",", "12.00"),
    ("+12,00", ",", "12.00"), ("−12,00", ",", "-12.00"), ("– 12,00", ",", "-12.00"), ("1\xa0234,56", ",", "1234.56"),
    ("1 234,56", ",", "1234.56"), ("1'234.56", ".", "1234.56"),
    ("1’234.56", ".", "1234.56"), ("1,00,000.00", ".", "100000.00"), ("29,90EUR", ",", "29.90"),
    ("EUR29,90", ",", "29.90"), ("CHF 1'000", ".", "1000.00"), ("Rs. 500", ".", "500.00"), ("0", ".", "0.00"),
    ("-0,00", ",", "0.00"), ("1000", ",", "1000.00"), ("9999999999.99", ".", "9999999999.99"), ("12,", ",", "12.00"),
])
def test_an_amount_is_read_as_banks_write_it(cell, decimal, value):
    assert str(bank_cells.amount(cell, decimal)) == value


@pytest.mark.parametrize(("cell", "decimal", "sentence"), [
    ("12.50", ",", "12.50 is no amount with a comma before the cents."),
    ("12,50", ".", "12,50 is no amount with a point before the cents."),
    ("1.23.456,00", ",", None), ("12,345", ",", "12,345 is no amount of at most ten digits and two decimals."),
    ("10000000000", ".", "10000000000 is no amount of at most ten digits and two decimals."),
    ("abc", ".", "abc is no amount."), ("", ".", " is no amount."), ("1,2,3", ",", None), ("12 34", ".", None),
    ("1e5", ".", "1e5 is no amount."), ("NaN", ".", "NaN is no amount."), ("１２", ".", "１２ is no amount."),
    (",", ",", None), ("-", ".", "- is no amount."),
])
def test_what_is_no_amount_is_refused(cell, decimal, sentence):
    if cell == "1.23.456,00":
        assert bank_cells.amount(cell, decimal) == Decimal("123456.00")
        return
    with pytest.raises(ValueError, match="is no amount") as caught:
        bank_cells.amount(cell, decimal)
    assert sentence is None or str(caught.value) == sentence


def test_the_balance_tells_the_decimal_sign_where_the_amounts_do_not(write):
    path = write("Date,Description,Amount,Balance\n2026-11-16,INV 1,1.234,10.000,50\n".replace(
        "1.234,10.000,50", '"1.234","10.000,50"'))
    assert read(path)[0] == [("2026-11-16", "1234.00", "", "INV 1")]


def test_amounts_that_do_not_tell_are_asked_and_the_answer_is_kept(write):
    path = write('Date,Description,Amount\n2026-11-16,INV 1,"1.234"\n')
    with pytest.raises(UnclearDecimals):
        read(path)
    assert read(path, decimal=",")[0][0][1] == "1234.00"
    assert read(path, decimal=".")[1] == {2: "1.234 is no amount of at most ten digits and two decimals."}


# Debit and credit

@pytest.mark.parametrize(("table", "amounts"), [
    ("Datum;Text;Soll;Haben\n16.11.2026;a;;5,00\n13.11.2026;b;7,00;\n", ["5.00", "-7.00"]),
    ("Datum;Text;Soll;Haben\n16.11.2026;a;;5,00\n13.11.2026;b;-7,00;\n", ["5.00", "-7.00"]),
    ("Datum;Text;Soll;Haben\n16.11.2026;a;0,00;5,00\n13.11.2026;b;7,00;0,00\n", ["5.00", "-7.00"]),
    ("Datum;Text;Soll;Haben\n16.11.2026;a;;-5,00\n13.11.2026;b;7,00;\n", ["-5.00", "-7.00"]),
    ("Datum;Text;Soll;Haben\n16.11.2026;a;-5,00;\n13.11.2026;b;7,00;\n", ["5.00", "-7.00"]),
    ("Datum;Text;Betrag;S/H\n16.11.2026;a;5,00;H\n13.11.2026;b;7,00;S\n", ["5.00", "-7.00"]),
    ("Datum;Text;Betrag;Soll/Haben\n16.11.2026;a;5,00;Haben\n13.11.2026;b;7,00;Soll\n", ["5.00", "-7.00"]),
    ("Datum;Text;Betrag;\n16.11.2026;a;5,00;H\n13.11.2026;b;7,00;S\n", ["5.00", "-7.00"]),
    ("Date,Text,Amount,DR/CR\n2026-11-16,a,5.00,CR\n2026-11-13,b,7.00,DR\n", ["5.00", "-7.00"]),
    ("Date,Text,Amount,Type\n2026-11-16,a,5.00,Credit\n2026-11-13,b,7.00,debit\n", ["5.00", "-7.00"]),
    ("Date,Text,Amount,Type\n2026-11-16,a,5.00,D\n", ["-5.00"]),
    ("Date,Text,Amount,Type\n2026-11-16,a,5.00,Credit\n2026-11-13,b,-7.00,Credit\n", ["5.00", "-7.00"]),
    ("Date,Text,Amount,Type\n2026-11-16,a,5.00,Transfer\n2026-11-13,b,7.00,D\n", ["5.00", "7.00"]),
    ("Datum;Naam;Bedrag;Af Bij\n2026-11-16;a;5,00;Bij\n2026-11-13;b;7,00;Af\n", ["5.00", "-7.00"]),
    ("Datum;Text;Betrag\n16.11.2026;a;5,00 H\n13.11.2026;b;7,00 S\n", ["5.00", "-7.00"]),
])
def test_debit_and_credit_are_told_in_every_way(table, amounts, write):
    lines, rejects, _ = read(write(table))
    assert ([line[1] for line in lines], rejects) == (amounts, {})


def test_a_row_that_is_debit_and_credit_is_rejected(write):
    _, rejects, _ = read(write("Datum;Text;Soll;Haben\n16.11.2026;a;3,00;5,00\n13.11.2026;b;7,00;\n"))
    assert rejects == {2: "It has both a debit and a credit."}


def test_a_sign_that_is_remembered_and_is_another_word_is_rejected(write):
    path = write("Datum;Text;Betrag;S/H\n16.11.2026;a;5,00;H\n13.11.2026;b;7,00;X\n14.11.2026;c;7,00;\n")
    remembered = bank.open_bank_file(write("Datum;Text;Betrag;S/H\n16.11.2026;a;5,00;H\n", name="before.csv")).layout
    assert remembered.columns["indicator"] == ("S/H",)
    _, rejects, _ = read(path, **remembered._asdict())
    assert rejects == {3: "Whether it is debit or credit is written as X.",
                       4: "Whether it is debit or credit is written as nothing."}


# Days

@pytest.mark.parametrize(("cell", "order", "day"), [
    ("16.11.2026", "DMY", date(2026, 11, 16)), ("16.11.26", "DMY", date(2026, 11, 16)),
    ("5.1.26", "DMY", date(2026, 1, 5)),
    ("11/16/2026", "MDY", date(2026, 11, 16)), ("2026-11-16", "YMD", date(2026, 11, 16)),
    ("2026/11/16", "YMD", date(2026, 11, 16)), ("2026.11.16.", "YMD", date(2026, 11, 16)),
    ("20261116", "", date(2026, 11, 16)),
    ("20261116123000", "", date(2026, 11, 16)), ("2026-11-16 23:59:59", "YMD", date(2026, 11, 16)),
    ("2026-11-16T23:59:59Z", "YMD", date(2026, 11, 16)), ("16 Nov 2026", "", date(2026, 11, 16)),
    ("16-Nov-26", "", date(2026, 11, 16)), ("Nov 16, 2026", "", date(2026, 11, 16)),
    ("16 DEZ 2026", "", date(2026, 12, 16)),
    ("16. März 2026", "", date(2026, 3, 16)), ("16 paź 2026", "", date(2026, 10, 16)),
    ("'16/11/2026", "DMY", date(2026, 11, 16)),
    ("16/11/2026, 10:00", "DMY", date(2026, 11, 16)), ("26-11-16", "YMD", date(2026, 11, 16)),
    ("31.02.2026", "DMY", None), ("16.11.1999", "DMY", None), ("16.11.2200", "DMY", None), ("16.11", "DMY", None),
    ("16.11.226", "DMY", None), ("2026-11-16", "DMY", None), ("16/11/2026", "YMD", None), ("16 Foo 2026", "", None),
    ("", "DMY", None), ("Total", "DMY", None), ("16.11.2026x", "DMY", None), ("16.11-2026", "DMY", None),
    ("202611161", "", None), ("16.11.2026", "", None),
])
def test_a_day_is_read_as_banks_write_it(cell, order, day):
    assert bank_cells.day(cell, order) == day


@pytest.mark.parametrize(("cells", "order"), [
    (["16/11/2026"], "DMY"), (["11/16/2026"], "MDY"), (["2026-11-05"], "YMD"), (["05.11.2026"], "DMY"),
    (["05.11.26"], "DMY"), (["16 Nov 2026"], ""), ([], ""), (["05/11/2026", "16/11/2026"], "DMY"),
    (["05/11/2026", "11/16/2026"], "MDY"), (["05/02/2026", "11/02/2026", "03/03/2026"], "DMY"),
    (["03/03/2026", "11/02/2026", "05/02/2026"], "DMY"), (["11/11/2026"], "DMY"), (["32-01-01", "32-01-05"], "YMD"),
    (["05/11/2026", "x", "", "31/11/2026", "16/11/2026"], "DMY"),
])
def test_the_order_of_days_is_told_by_the_whole_column(cells, order):
    assert bank_cells.day_order(cells, may_be_american=True) == order


def test_years_of_two_digits_may_stand_first_between_hyphens():
    with pytest.raises(UnclearDates) as caught:
        bank_cells.day_order(["26-11-16"], may_be_american=False)
    assert caught.value.readings == {"DMY": "26 November 2016", "YMD": "16 November 2026"}
    assert bank_cells.day_order(["26-11-16"], False, date(2016, 11, 26)) == "DMY"


def test_the_order_of_days_is_asked_when_two_fit(write):
    path = write("Date,Description,Amount\n03/11/2026,INV 1,5.00\n04/11/2026,INV 2,6.00\n")
    with pytest.raises(UnclearDates) as caught:
        read(path)
    assert str(caught.value) == ("The dates do not show whether day or month comes first: 03/11/2026 may be 3 November "
                                 "2026 or 11 March 2026.")
    assert (caught.value.written, caught.value.readings) == (
        "03/11/2026", {"DMY": "3 November 2026", "MDY": "11 March 2026"})
    assert [line[0] for line in read(path, days="MDY")[0]] == ["2026-03-11", "2026-04-11"]
    assert [line[0] for line in read(path, days="DMY")[0]] == ["2026-11-03", "2026-11-04"]


def test_days_after_today_leave_an_order_out(write):
    path = write("Date,Description,Amount\n03/11/2026,INV 1,5.00\n04/11/2026,INV 2,6.00\n")
    file = bank.open_bank_file(path, today=date(2026, 4, 12))
    assert file.layout.days == "MDY"
    with pytest.raises(UnclearDates):
        bank.open_bank_file(path, today=date(2026, 11, 4))


@pytest.mark.parametrize("table", [
    "Datum,Beschreibung,Betrag\n03/11/2026,INV 1,5.00\n",  # another language
    'Date,Description,Amount\n03/11/2026,INV 1,"5,00"\n',  # a comma before the cents
    "Date,Description,Amount (GBP)\n03/11/2026,INV 1,5.00\n",  # pounds
    "Date,Description,Amount,Currency\n03/11/2026,INV 1,5.00,AUD\n",
    "Date,Description,Amount\n03.11.2026,INV 1,5.00\n",  # points
])
def test_the_month_is_first_only_where_banks_write_it_so(table, write):
    assert read(write(table))[0][0][0] == "2026-11-03"


# The table

@pytest.mark.parametrize("sign", [";", ",", "\t", "|"])
def test_any_separator_is_found(sign, write):
    lines, _, _ = read(write(sign.join(("Date", "Name", "Reference", "Amount")) + "\n"
                             + sign.join(("2026-11-16", "Ada, Okafor; x" if sign == "\t" else "Ada", "INV 1", "5.00"))))
    assert [line[1] for line in lines] == ["5.00"]


@pytest.mark.parametrize("above", [
    "", "sep=;\n", "\n\n", "Kontoauszug\n" * 40, '"Konto:";"123";"x"\n\n', "Datum;1.1.2026\nBetrag;x\n",
    "a;b;c;d;e;f;g;h;i;j\n",
])
def test_the_header_is_found_below_what_stands_above_it(above, write):
    lines, rejects, _ = read(write(above + "Datum;Name;Verwendungszweck;Betrag\n16.11.2026;Ada;INV 1;5,00\n"))
    assert (lines, rejects) == ([("2026-11-16", "5.00", "Ada", "INV 1")], {})


@pytest.mark.parametrize(("encoding", "name"), [
    ("utf-8", "Łukasz Größl"), ("utf-8-sig", "Łukasz"), ("utf-16", "Łukasz"), ("utf-16-le", "Ada Okafor-Berg"),
    ("utf-16-be", "Ada Okafor-Berg"), ("cp1252", "Jürgen Größl, Müßen"), ("cp1250", "Łukasz Śliwa, Żółkiew"),
    ("cp852", "Jiří Dvořák, Příbram"), ("iso8859-15", "Hélène Façade"),
])
def test_the_encoding_is_found(encoding, name, write):
    path = write(f"Datum;Name;Verwendungszweck;Betrag\n16.11.2026;{name};INV 1;5,00\n", encoding)
    assert read(path)[0] == [("2026-11-16", "5.00", name, "INV 1")]


@pytest.mark.parametrize(("encoding", "remembered"), [
    ("cp1252", "utf-8-sig"), ("utf-8", "cp1252"), ("utf-16", "cp1250"), ("cp1252", "cp1252"), ("cp1252", "utf-99"),
])
def test_an_encoding_that_is_remembered_counts_only_where_the_bytes_prove_none(encoding, remembered, write):
    path = write("Datum;Name;Betrag\n16.11.2026;Jürgen Größl;5,00\n", encoding)
    assert read(path, encoding=remembered)[0][0][2] == "Jürgen Größl"


def test_the_encoding_that_is_remembered_decides_between_those_that_may_be(write):
    path = write("Datum;Name;Betrag\n16.11.2026;Łaćny;5,00\n", "cp1250")
    assert [read(path, encoding=name)[0][0][2] for name in ("cp1250", "cp1252")] == ["Łaćny", "£aæny"]


@pytest.mark.parametrize(("row", "why"), [
    ("16.11.2026;Ada;INV 2", "It has no amount."), ("16.11.2026;Ada;INV 2;x", "x is no amount."),
    ("16.11.2026;Ada;INV 2;5.00.", None), ("32.11.2026;Ada;INV 2;5,00", "Its day, 32.11.2026, cannot be read."),
    ("soon;Ada;INV 2;5,00", "Its day, soon, cannot be read."),
    ("16.11.2026;Ada;INV;2;5,00", "The line has 5 fields, the header 4."),
    ('16.11.2026;"Ada;INV 2;5,00\n17.11.2026;Ben;INV 3;6,00',
    "Lines 3 to 4 are read as one: a quotation mark is opened "
                                                               "and not closed."),
])
def test_a_row_that_cannot_be_read_is_rejected_with_why(row, why, write):
    lines, rejects, left_out = read(write(f"Datum;Name;Verwendungszweck;Betrag\n15.11.2026;Ada;INV 1;5,00\n{row}\n"))
    assert (len(lines), left_out) == (1, {})
    assert list(rejects) == [3]
    assert why is None or rejects == {3: why}


@pytest.mark.parametrize(("row", "why"), [
    (";;Total;5,00", "It has no day: it is no booking."), ("Summe;;;5,00", "It has no day: it is no booking."),
    ("Kontostand;;;5,00", "It has no day: it is no booking."), ("16.11.2026;;Endsaldo;5,00", "It is a balance."),
    ("16.11.2026;;Kontostand vom 16.11.2026;", "It is a balance."), ("16.11.2026;Ada;INV 2;0,00", "Its amount is 0."),
    ("Pending;Ada;INV 2;5,00", "It is not booked yet."), ("vorgemerkt;Ada;INV 2;5,00", "It is not booked yet."),
])
def test_a_row_that_is_no_booking_is_left_out_with_why(row, why, write):
    _, rejects, left_out = read(write(f"Datum;Name;Verwendungszweck;Betrag\n15.11.2026;Ada;INV 1;5,00\n{row}\n"))
    assert (rejects, left_out) == ({}, {3: why})


@pytest.mark.parametrize("reference", ["Saldo", "Restsaldo RE 12", "Saldo final factura 3",
"opening balance inv 3 paid"])
def test_a_payment_that_speaks_of_a_balance_is_a_payment(reference, write):
    lines, _, left_out = read(write(f"Datum;Verwendungszweck;Betrag\n15.11.2026;{reference};5,00\n"))
    assert ([line[3] for line in lines], left_out) == ([reference], {})


def test_a_row_of_text_alone_goes_on_with_the_one_above(write):
    lines, _, left_out = read(write("Datum;Text;Betrag\n15.11.2026;Gutschrift;5,00\n;Ada Okafor;\n;INV 1\n;Total;\n"
                                    "16.11.2026;Gutschrift;6,00\n"))
    assert [line[3] for line in lines] == ["Gutschrift Ada Okafor INV 1", "Gutschrift"]
    assert left_out == {5: "It has no day: it is no booking."}


@pytest.mark.parametrize(("status", "doubts", "left_out"), [
    ("Booked", [""], {}), ("", [""], {}), ("COMPLETED", [""], {}), ("Umsatz gebucht", [""], {}),
    ("Pending", [], {2: "It is not booked yet."}), ("Umsatz vorgemerkt", [], {2: "It is not booked yet."}),
    ("REVERTED", [], {2: "Nothing came of it: its status is REVERTED."}),
    ("On its way", ["Its status is On its way."], {}),
])
def test_what_is_not_booked_is_left_out_and_what_may_not_be_is_doubted(status, doubts, left_out, write):
    file = bank.open_bank_file(write(f"Date,Name,Amount,Status\n2026-11-16,Ada,5.00,{status}\n"))
    assert ([line.doubt for line in bank.lines(file)], file.left_out) == (doubts, left_out)


@pytest.mark.parametrize(("kind", "amount", "returned", "doubt"), [
    ("Rücklastschrift", "-5.00", True, ""), ("RUECKLASTSCHRIFT", "-5.00", True, ""),
    ("Payment Refund", "-5.00", True, ""),
    ("Direct Debit", "-5.00", False, ""), ("Gutschrift", "5.00", False, ""),
    ("Rücküberweisung", "5.00", False, "It gives back what was paid from the account."),
])
def test_a_debit_that_takes_a_payment_back_is_marked(kind, amount, returned, doubt, write):
    line, = bank.lines(bank.open_bank_file(write(f"Date,Name,Type,Amount\n2026-11-16,Ada,{kind},{amount}\n")))
    assert (line.returned, line.doubt) == (returned, doubt)


def test_a_text_that_speaks_of_a_return_marks_only_a_debit(write):
    file = bank.open_bank_file(write("Date,Description,Amount\n2026-11-16,Returned direct debit ADA,-5.00\n"
                                     "2026-11-16,Returned direct debit ADA,5.00\n2026-11-17,Return ticket,-5.00\n"))
    assert [(line.returned, line.doubt) for line in bank.lines(file)] == [(True, ""), (False, ""), (False, "")]


def test_a_second_list_below_the_table_is_left_out_and_a_repeated_header_is_not_the_end(write):
    header = "Datum;Text;Betrag\n"
    path = write(f"{header}15.11.2026;a;5,00\n{header}16.11.2026;b;6,00\nLetzte Buchungen\n{header}16.11.2026;b;6,00\n")
    lines, _, left_out = read(path)
    assert [line[1] for line in lines] == ["5.00", "6.00"]
    assert left_out == dict.fromkeys((5, 6, 7), "It stands below a second header, in another list.")


@pytest.mark.parametrize(("text", "written", "payer", "account"), [
    ("EREF+1MREF+2SVWZ+RE 5 C7ABWA+Ada", "RE 5 C7", "", ""), ("RE 5 EREF: 9 IBAN: DE1 BIC: X", "RE 5", "", ""),
    ("RE 5 End-to-End-Ref.: 9 Mandatsref: 2", "RE 5", "", ""), ("EREF: 9", "EREF: 9", "", ""),
    ("Zahlungsreferenz: RE 5 Auftraggeber: Ada Okafor IBAN: AT12 3456", "RE 5", "Ada Okafor", "AT123456"),
    ("Naam: Ada Omschrijving: factuur 5 IBAN: NL1 Kenmerk: x", "factuur 5", "Ada", "NL1"),
    ("IBAN: DE1 oder so", "IBAN: DE1 oder so", "", ""), ("Auftraggeber: Ada", "Auftraggeber: Ada", "", ""),
    ("Payment from Ada Okafor", "Payment from Ada Okafor", "Ada Okafor", ""),
    ("Received money from Ada with reference INV 5", "Received money from Ada with reference INV 5", "Ada", ""),
    ("Payment from 2 shops; x", "Payment from 2 shops; x", "", ""),
])
def test_what_the_payer_wrote_is_told_from_what_the_bank_adds(text, written, payer, account, write):
    line, = bank.lines(bank.open_bank_file(write(f"Datum,Text,Betrag\n15.11.2026,{text},5.00\n")))
    assert (line.reference, line.payer, line.payer_account) == (written, payer, account)


def test_a_line_in_another_currency_is_doubted(write):
    file = bank.open_bank_file(write("Date,Name,Amount,Currency\n2026-11-16,Ada,5.00,EUR\n2026-11-17,Ben,6.00,usd\n"
                                     "2026-11-17,Cy,7.00,EUR\n2026-11-18,Di,8.00,\n"))
    assert [(line.currency, line.doubt) for line in bank.lines(file)] == [
        ("EUR", ""), ("USD", "It is in USD, most of the file in EUR."), ("EUR", ""), ("EUR", "")]


@pytest.mark.parametrize(("header", "currency"), [
    ("Amount (EUR)", "EUR"), ("Betrag (€)", "EUR"), ("Betrag in CHF", "CHF"), ("valor (R$)", "BRL"), ("Amount", ""),
    ("Montant(EUROS)", "EUR"),
])
def test_a_header_tells_the_currency_where_no_column_does(header, currency, write):
    line, = bank.lines(bank.open_bank_file(write(f"Date;Name;{header}\n2026-11-16;Ada;5.00\n")))
    assert (line.amount, line.currency) == (Decimal("5.00"), currency)


# Without a header

@pytest.mark.parametrize(("table", "amounts"), [
    ('16/11/2026,"+89.00","R NGUYEN","+5,089.00"\n15/11/2026,"-12.50","CAFE","+5,000.00"\n', ["89.00", "-12.50"]),
    ('16/11/2026,"R NGUYEN","5,089.00","89.00"\n15/11/2026,"CAFE","5,000.00","-12.50"\n', ["89.00", "-12.50"]),
    ("16/11/2026,TRANSFER,,79.99,1079.99\n15/11/2026,FEE,10.00,,1000.00\n14/11/2026,FEE,5.00,,1010.00\n",
     ["79.99", "-10.00", "-5.00"]),
    ("14/11/2026,FEE,,5.00,1010.00\n15/11/2026,FEE,,10.00,1000.00\n16/11/2026,TRANSFER,79.99,,1079.99\n",
     ["-5.00", "-10.00", "79.99"]),
])
def test_the_columns_of_a_file_without_a_header_are_told_by_what_they_hold(table, amounts, write):
    assert [line[1] for line in read(write(table))[0]] == amounts


def test_debits_and_credits_that_no_balance_tells_apart_are_asked(write):
    path = write("16/11/2026,TRANSFER,,79.99\n15/11/2026,FEE,10.00,\n")
    with pytest.raises(UnclearMapping) as caught:
        read(path)
    assert str(caught.value) == ("The file has no header, and amounts in columns 3 and 4: say which are debits and "
                                 "which credits.")
    columns = {"booked_on": ("1",), "text": ("2",), "debit": ("3",), "credit": ("4",)}
    assert [line[1] for line in read(path, has_header=False, columns=columns)[0]] == ["79.99", "-10.00"]
    # The first row is no header, as it would be if it were only there that columns may be found by number.
    for said in ({"debit": ("3",)}, {"credit": ("4",)}, {"debit": ("3",), "credit": ("4",), "booked_on": ("1",)}):
        assert [line[1::2] for line in read(path, columns=said)[0]] == [("79.99", "TRANSFER"), ("-10.00", "FEE")]


def test_amounts_and_balances_that_nothing_tells_apart_are_asked(write):
    # The balance before, as ASN has it; by one row it cannot be told, and the first is not the amount.
    rows = "14/11/2026,EUR,1204.16,EUR,29.90,RENT\n15/11/2026,EUR,1234.06,EUR,-50.00,POWER\n"
    assert [line[1] for line in read(write(rows))[0]] == ["29.90", "-50.00"]
    one = write(rows.splitlines()[0] + "\n", name="one.csv")
    with pytest.raises(UnclearMapping) as caught:
        read(one)
    assert (str(caught.value), caught.value.example) == (
        "The file has no header, and amounts in columns 3, 5: say which has what came or went.", "amount=5")
    file = bank.open_bank_file(one, Format(columns={"amount": ("5",)}))
    assert [(line.amount, line.reference) for line in bank.lines(file)] == [(Decimal("29.90"), "RENT")]
    assert (file.layout.has_header, file.layout.columns["amount"]) == (False, ("5",))


@pytest.mark.parametrize("table", [
    "Date,Amount,What it is,Text\n16/11/2026,5.00,Credit,Ada\n17/11/2026,7.00,Debit,Power\n",
    "Date,Amount,Way,Text\n16/11/2026,5.00,'+',Ada\n17/11/2026,7.00,'-',Power\n",
    "Date,Amount,Debit,Credit,Text\n16/11/2026,5.00,,5.00,Ada\n17/11/2026,7.00,7.00,,Power\n",
    "Date,Amount,Debit,Credit,Text\n16/11/2026,,,5.00,Ada\n17/11/2026,,7.00,,Power\n",
])
def test_an_amount_without_a_sign_is_a_debit_where_anything_beside_it_says_so(table, write):
    assert [line[1] for line in read(write(table))[0]] == ["5.00", "-7.00"]


def test_a_day_of_eight_digits_is_read_from_either_end(write):
    for written in ("20261116", "16112026"):
        assert read(write(f"Date,Amount,Name\n{written},5.00,Ada\n"))[0][0][0] == "2026-11-16"


# What is remembered

def test_a_chosen_column_counts_before_what_its_header_means(write):
    path = write("Date,Name,Memo,Amount,Net\n2026-11-16,Ada,INV 1,5.00,4.50\n")
    assert read(path, columns={"amount": ("Net",), "payer": ("memo",)})[0] == [("2026-11-16", "4.50", "INV 1", "")]
    assert read(path, columns={"amount": ("5",)})[0][0][1] == "4.50"


def test_a_column_that_is_remembered_and_missing_is_named_with_those_that_are_there(write):
    path = write("Datum;Name;Betrag\n16.11.2026;Ada;5,00\n")
    with pytest.raises(UnclearMapping) as caught:
        read(path, columns={"reference": ("Verwendungszweck",)})
    assert str(caught.value) == "The file has no column Verwendungszweck; it has Datum, Name, Betrag."


def test_a_file_without_the_header_that_is_remembered_is_not_guessed(write):
    with pytest.raises(UnclearMapping) as caught:
        read(write('16/11/2026,"89.00","R NGUYEN"\n'), columns={"amount": ("Betrag",)})
    assert str(caught.value) == "The file has no column Betrag; it has 16/11/2026, 89.00, R NGUYEN."


@pytest.mark.parametrize("stored", [
    {}, {"columns": {"amount": "Betrag"}, "colour": 1}, {"columns": {"nothing": ["x"]}}, {"columns": {"amount": [1]}},
    {"columns": {}, "days": "YDM"}, {"columns": {}, "decimal": ";"}, {"columns": {}, "delimiter": "x"}, {"columns": []},
    {"columns": {}, "encoding": 1}, {"columns": {}, "has_header": 1}, {"columns": {"amount": 1}},
])
def test_what_is_remembered_wrongly_is_refused_in_a_sentence(stored):
    with pytest.raises(BadFile) as caught:
        from_json(stored)
    assert str(caught.value) == "What is remembered of the bank's file is not readable; remember it again."


def test_a_format_goes_through_json_and_back():
    layout = Format("cp1252", ";", True, {"amount": ("Betrag",), "text": ("a", "b")}, ",", "DMY")
    assert to_json(layout) == {"encoding": "cp1252", "delimiter": ";", "has_header": True, "decimal": ",",
    "days": "DMY",
                               "columns": {"amount": ["Betrag"], "text": ["a", "b"]}}
    assert from_json(to_json(layout)) == layout


@pytest.mark.parametrize(("header", "words"), [
    ("Betrag (EUR)", "betrag"), ("Auftraggeber / Begünstigter", "auftraggeberbegunstigter"), ("#Kwota", "kwota"),
    ("Gutschrift in CHF", "gutschrift"), ("CAD$", "cad"), ("Częstka łączna", "czestkalaczna"), ("Beløp", "belop"),
    ("MÃ¡s datos", "masdatos"), ("valor (R$)", "valor"), (" ", ""), ("Montant(FRANCS)", "montantfrancs"),
])
def test_headers_are_compared_without_case_accents_signs_and_currency(header, words):
    assert fold(header) == words


@pytest.mark.parametrize("header", ["Original Amount", "Betrag (Fremdwährung)", "Lastschrift Ursprungsbetrag", "Fee",
"Net"])
def test_another_amount_is_not_the_bookings(header):
    assert find_columns(["Date", header]) == {"booked_on": [0]}


# What is refused

@pytest.mark.parametrize(("data", "sentence"), [
    (b"%PDF-1.7\n", "a PDF, made to be printed; let the bank send the account as camt.053 (XML) or CSV."),
    (b"PK\x03\x04\x14", "a ZIP archive or an Excel workbook; unpack it, or save it as CSV, and give the files in it."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook; save it as CSV."),
    (b":20:STARTUMSE\r\n:25:DE89\r\n:61:2611161116C29,90N\r\n",
     "an MT940 statement, which banks are giving up; let the bank send the account as camt.053 (XML) or CSV."),
    (b"{1:F01BANKDEFFAXXX}{2:O940}{4:\n:20:X\n", "an MT940 statement, which banks are giving up; let the bank send the "
     "account as camt.053 (XML) or CSV."),
    (b"\r\n\r\n:940:\r\n:20:X\r\n", "an MT940 statement, which banks are giving up; let the bank send the account as "
     "camt.053 (XML) or CSV."),
    (b"ABNANL2A\r\n940\r\nABNANL2A\r\n:20:X\r\n:61:2611161116C29,90N\r\n", "an MT940 statement, which banks are giving "
     "up; let the bank send the account as camt.053 (XML) or CSV."),
    (b"OFXHEADER:100\r\n", "an OFX file; let the bank send the account as camt.053 (XML) or CSV."),
    (b"!Type:Bank\r\nD11/16/26\r\n", "a QIF file; let the bank send the account as camt.053 (XML) or CSV."),
    (b"<html><table><tr><td>Datum</td></tr></table></html>", "a web page, whatever its name; save it as CSV."),
    (b"01,BANK,US,261116,0600,1,80,,2/\n02,US,BANK,1,261116,,,/\n", "a BAI2 file; let the bank send the account as "
     "camt.053 (XML) or CSV."),
    (b'[{"date": 1}]', "a JSON file; let the bank send the account as camt.053 (XML) or CSV."),
])
def test_what_is_no_csv_is_named_with_what_to_do(data, sentence, write):
    path = write(data)
    with pytest.raises(BadFile) as caught:
        bank.open_bank_file(path)
    assert str(caught.value) == f"{path} is {sentence}"


@pytest.mark.parametrize(("data", "sentence"), [
    (b"", " is empty."), (b" \n\n", " is empty."),
    (b"Datum;Name;Betrag\n16.11.2026;A\0da;5,00\n", " is no text, and nothing else that is read; let the bank "
                                                   "send the account as camt.053 (XML) or CSV."),
])
def test_what_is_nothing_is_refused(data, sentence, write):
    path = write(data)
    with pytest.raises(BadFile) as caught:
        bank.open_bank_file(path)
    assert str(caught.value) == f"{path}{sentence}"


def test_a_file_that_is_packed_is_read_and_a_damaged_one_is_refused(write):
    packed = gzip.compress(b"Datum;Name;Betrag\n16.11.2026;Ada;5,00\n")
    assert read(write(packed, name="bank.csv.gz"))[0] == [("2026-11-16", "5.00", "Ada", "")]
    with pytest.raises(BadFile, match=r"is packed with gzip and damaged: it cannot be unpacked\. Get it anew\.$"):
        read(write(packed[:-12], name="cut.csv.gz"))


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"^There is no file .*none\.csv\.$"):
        bank.open_bank_file(tmp_path / "none.csv")
    with pytest.raises(BadFile, match=r"is a folder, not a file\.$"):
        bank.open_bank_file(tmp_path)


@pytest.mark.parametrize("table", ["just a text\nof two lines\n", "Name,Phone\nAda,0561\n",
"Datum;Name\n16.11.2026;Ada\n"])
def test_a_file_without_day_and_amount_is_refused(table, write):
    with pytest.raises(UnclearMapping, match=r"^No line of the file names a day and an amount, and no columns look"):
        bank.open_bank_file(write(table))


def test_a_table_without_rows_has_no_bookings(write):
    assert read(write("Datum;Name;Betrag\n")) == ([], {}, {})
