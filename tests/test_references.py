"""What a reference names: bills, customers, and what may be an account number; and by what it is known again."""
from __future__ import annotations

import pytest

from tracker.transfer.references import number_key, payer_key, reference_key, said_in


@pytest.mark.parametrize(("reference", "bills"), [
    ("Bill 123", (123,)), ("bill no. 123", (123,)), ("BILL#123", (123,)), ("#123", (123,)), ("(#123)", (123,)),
    ("INV-123", (123,)), ("INV 123", (123,)), ("INV123", (123,)), ("inv 000123", (123,)), ("Invoice INV 204", (204,)),
    ("Rechnung 123", (123,)), ("Rechnung Nr. 123", (123,)), ("Rechnungsnr. 123", (123,)),
    ("Rechnungsnummer: 123", (123,)),
    ("RE 1190", (1190,)), ("RG-Nr. 55", (55,)), ("Re-Nr 55", (55,)), ("RNr. 55", (55,)), ("faktura 123", (123,)),
    ("FAKTURA NR 123", (123,)), ("FV 123", (123,)), ("facture n° 42", (42,)), ("Facture nº 42", (42,)),
    ("FACTURA 31", (31,)),
    ("Fra. 20", (20,)), ("Fattura n. 51", (51,)), ("fatura 9", (9,)), ("factuur 61", (61,)), ("számla 101", (101,)),
    ("arve 81", (81,)), ("lasku 7", (7,)), ("Rechnungen 123, 124 und 125", (123, 124, 125)), ("Bills 12+13", (12, 13)),
    ("bill 5 and 6, thanks", (5, 6)), ("Rechnung 7 vom 3.4.2026", (7,)), ("Rechnung 12 Rechnung 12", (12,)),
    ("Rechnung 1204 Kundennr. 4021", (1204,)), ("Rechnung Nr. 2026", (2026,)), ("Rechnung #2026", (2026,)),
    ("Rechnung 12, 2026", (12,)),
])
def test_a_number_with_a_word_for_bill_is_a_bill(reference, bills):
    assert said_in(reference).bills == bills


@pytest.mark.parametrize("reference", [
    "Rechnung vom 12.03.2026", "Rechnung 03/2026", "Rechnung 2026", "Rechnung 12.11.2026", "Rechnung 29,90",
    "FV 123/2026",
    "INV-2026-0007", "order#5", "Rechnung", "billing 7", "Rechnungen", "Verein 123", "Reise 123", "tariff 5", "fra 20",
    "INV 12a", "Bill 0", "#12.50", "", "Rechnung 10:30", "Mobil 5", "inv 12345678901234567890",
])
def test_days_months_amounts_and_other_codes_are_no_bills(reference):
    assert said_in(reference).bills == ()


@pytest.mark.parametrize(("reference", "accounts"), [
    ("Kundennr. 4021", ("4021",)), ("Kundennummer 4021", ("4021",)), ("Kd.-Nr. 4021", ("4021",)),
    ("KD 4021", ("4021",)),
    ("Customer no: 00017", ("00017",)), ("customer 17", ("17",)), ("Klient K-1024", ("k1024",)),
    ("nr klienta: 4021", ("4021",)), ("ABONENT 4021", ("4021",)), ("VS 4021", ("4021",)), ("VS:4021", ("4021",)),
    ("cliente 55", ("55",)), ("abonné 55", ("55",)), ("klant 4021", ("4021",)), ("a/c 17", ("17",)),
    ("Kundennr. 4021 / Kundennr. 4022", ("4021", "4022")), ("Account AB-12/3", ("ab123",)), ("Kunde", ()),
    ("Kunden", ()),
    ("Kundendienst 12", ()),
])
def test_a_number_with_a_word_for_customer_is_an_account(reference, accounts):
    assert said_in(reference).accounts == accounts


@pytest.mark.parametrize(("reference", "customers"), [
    ("C123", (123,)), ("c-123", (123,)), ("INV-7 C00123 C124", (123, 124)), ("C 123", ()), ("AC123", ()), ("C123a", ()),
    ("C12.50", ()), ("C0", ()),
])
def test_a_c_before_a_number_is_our_customer(reference, customers):
    assert said_in(reference).customer_ids == customers


@pytest.mark.parametrize(("reference", "tokens"), [
    ("Internet November K-1024", ("k1024", "1024")), ("Internet 4021", ("4021",)), ("C4021", ("c4021",)),
    ("K 1024", ("1024", "k1024")), ("4021/77a", ("402177a", "4021", "77a")), ("Rechnung 1204 4021", ("4021",)),
    ("Kundennr. 4021", ()), ("Miete 11/26", ()), ("Miete 11/2026", ()), ("am 12.11.2026", ()), ("2026-11-12", ()),
    ("2026", ()), ("29,90", ()), ("1.234,56", ()), ("29.90", ()), ("09:12", ()), ("09:12:33", ()), ("5 GB", ()),
    ("vom 4021", ("4021",)), ("Ąż-77ć", ("ąż77ć", "77ć")), ("4021 4021", ("4021",)),
])
def test_other_words_with_a_digit_may_be_an_account_number(reference, tokens):
    assert said_in(reference).tokens == tokens


@pytest.mark.parametrize(("reference", "number"), [
    ("RF18 5390 0754 7034", "539007547034"), ("RF18539007547034", "539007547034"), ("rf18539007547034", "539007547034"),
    ("210000000003139471430009017", "21000000000313947143000901"),
    ("21 00000 00003 13947 14300 09017", "21000000000313947143000901"), ("000000000000000000000012045", "1204"),
    ("+++000/0004/02144+++", "4021"), ("***000/0004/02144***", "4021"),
])
def test_the_number_inside_a_reference_with_check_digits_is_found(reference, number):
    said = said_in(reference)
    assert number == said.tokens[0]
    assert said.bills == ()


@pytest.mark.parametrize(("reference", "number"), [
    ("RF19539007547034", "539007547034"), ("000000000000000000000012046", "1204"), ("+++000/0004/02145+++", "4021"),
    ("RF00", ""), ("000000000000000000000000000", ""), ("+++000/0000/00097+++", ""),
])
def test_with_wrong_check_digits_it_is_not(reference, number):
    assert number not in said_in(reference).tokens


def test_a_long_reference_is_read_in_no_time_and_names_a_bounded_number():
    assert len(said_in(" ".join(str(number) for number in range(1000, 1990))).tokens) == 30
    assert said_in("Rechnung " * 100_000 + "5").bills == ()


@pytest.mark.parametrize(("number", "key"), [("K-1024", "k1024"), (" 00 17 ", "0017"), ("ＡＢ１", "ab1"), ("", "")])
def test_account_numbers_are_compared_by_letters_and_digits(number, key):
    assert number_key(number) == key


def test_a_reference_is_the_same_whatever_its_case_and_spaces_and_nothing_else():
    assert reference_key("  Miete  NOVEMBER 2026 ") == "miete november 2026"
    assert reference_key("Größl") == reference_key("GRÖSSL")
    assert reference_key("RE 12") != reference_key("RE 13")
    assert reference_key("RE-12") != reference_key("RE 12")


@pytest.mark.parametrize(("payer", "account", "key"), [
    ("Ada Okafor", "DE02 1203 0000 0000 2020 51", "account de02120300000000202051"),
    ("Ada  OKAFOR", "", "name ada okafor"),
    ("", "12/0800", "account 12/0800"), (" ", "", ""), ("Ada", " ", "name ada"),
])
def test_a_payer_is_known_by_account_or_else_by_name(payer, account, key):
    assert payer_key(payer, account) == key
