"""What a cell says."""
from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import text
from tracker.transfer import cells


def refusal(parse, *arguments):
    with pytest.raises(ValueError, match=r"\.\Z") as raised:
        parse(*arguments)
    return str(raised.value)


@pytest.mark.parametrize(("cell", "decimal", "value"), [
    ("29,90", ",", "29.90"), ("1.049,00 €", ",", "1049.00"), ("R$\u00a099,90", ",", "99.90"),
    ("59.90 zł", ".", "59.90"),
    ("$49.90", ".", "49.90"), ("1,049.00", ".", "1049.00"), ("49.9000", ".", "49.90"), (".99", ".", "0.99"),
    ("5", ",", "5.00"),
    ("1'049.00", ".", "1049.00"), ("CHF 1’049.00", ".", "1049.00"), ("1 049,00", ",", "1049.00"),
    ("1\u202f049,00\u00a0Kč", ",", "1049.00"), ("₹1,00,000.00", ".", "100000.00"), ("1.234.567", ",", "1234567.00"),
    ("49,-", ",", "49.00"), ("49.–", ".", "49.00"), ("Rs.500", ".", "500.00"), ("S/. 50.00", ".", "50.00"),
    ("US$ 5.00", ".", "5.00"), ("kr 1.200,50", ",", "1200.50"), ("29.90/month", ".", "29.90"),
    ("Ksh 1,500", ".", "1500.00"),
    ("25.00000000000000", ".", "25.00"), ("'-5.00", ".", "-5.00"), ("5.00-", ".", "-5.00"), ("(5.00)", ".", "-5.00"),
    ("($5.00)", ".", "-5.00"), ("-$5.00", ".", "-5.00"), ("$-5.00", ".", "-5.00"), ("−5,00 €", ",", "-5.00"),
    ("٢٥٬٠٠٠", ".", "25000.00"), ("२९.९०", ".", "29.90"), ("\u200f99.90 \u200f₪", ".", "99.90"),
    ("99.00元", ".", "99.00"), ("165.000đ", ",", "165000.00"),
    ("5.00 CR", ".", "-5.00"), ("5.00Dr", ".", "5.00"), ("+5.00", ".", "5.00"), ("-0.00", ".", "0.00"),
])
def test_an_amount_is_read_whatever_its_currency_and_groups(cell, decimal, value):
    assert str(cells.amount(cell, decimal, owed=True)) == value


@pytest.mark.parametrize(("cell", "decimal"), [
    ("0.005", "."), ("1.234", "."), ("1,234", ","), ("29,90", "."), ("1,2,3", "."), ("5..0", "."), ("--5", "."),
    ("abc", "."),
    ("Infinity", "."), ("1e3", "."), ("€", "."), ("12345678901", "."), ("5 5", "."), ("29.90 / year", "."),
    ("10%", "."),
    ("5 apples", "."), ("1.234,56", "."), ("５", "."), ("1,00,0000", "."),
])
def test_what_is_no_amount_of_whole_cents_is_refused(cell, decimal):
    assert refusal(cells.amount, cell, decimal, True).startswith(f"Enter an amount such as 49{decimal}90: ")


def test_what_a_service_costs_is_not_below_nothing():
    assert refusal(cells.amount, "-5.00") == "Enter an amount of 0 or more."


@given(st.decimals(min_value=-10**10 + 1, max_value=10**10 - 1, places=2), st.sampled_from([
    ("{:,}", ","), ("{:,}", " "), ("{:,}", "\u00a0"), ("{:,}", "'"), ("{:,} EUR", " "), ("€ {:,}", ","), ("{}", ""),
    ("{:,} zł", " "),
]), st.booleans())
def test_an_amount_comes_back_however_it_is_written(value, form, has_comma):
    template, group = form
    written = template.format(value).replace(",", "g").replace(".", "d")
    point, comma = (",", ".") if has_comma else (".", ",")
    written = written.replace("d", point).replace("g", comma if group == "," else group)
    assert cells.amount(written, point, owed=True) == value
    assert cells.decimal_sign(written) in (point, "?")


@pytest.mark.parametrize(("cell", "sign"), [
    ("29,90", ","), ("29.90", "."), ("1.049,00 €", ","), ("1,049.00", "."), ("49.9000", "."), (".99", "."),
    ("49", ""), ("", ""),
    ("1.234", "?"), ("1,234", "?"), ("1.234.567", ","), ("1,234,567", "."), ("0.500", "."), ("12 345,678", ","),
    ("1234.567", "."),
    ("NULL", ""), ("Rs. 500", ""), ("-", ""),
])
def test_a_cell_shows_its_decimal_sign_or_not(cell, sign):
    assert cells.decimal_sign(cell) == sign


@pytest.mark.parametrize(("cell", "numbers"), [
    ("0561 124", ["0561 124"]), ("442079460958.0", ["442079460958"]), ("+442079460958,00", ["+442079460958"]),
    ('="0561 124"', ["0561 124"]), ("'+44 20 7946", ["+44 20 7946"]), ("0561/123456", ["0561/123456"]),
    ("030 / 1234567", ["030 / 1234567"]), ("0561 1234 / 0171 5678901", ["0561 1234", "0171 5678901"]),
    ("555-0100 / 555-0101", ["555-0100", "555-0101"]),
    ("555 0100; 555 0101, 555 0102", ["555 0100", "555 0101", "555 0102"]),
    ("555 0100 or 555 0101", ["555 0100", "555 0101"]), ("0561 124\r\n0171 555", ["0561 124", "0171 555"]),
    ("+1 555 0100 ::: +1 555 0101", ["+1 555 0100", "+1 555 0101"]),
    ("Phone: 555 0100 Mobile: 555 0101", ["555 0100", "555 0101"]),
    ("555 0100 ext. 5", ["555 0100 ext. 5"]), ("555 0100 x5", ["555 0100 x5"]),
    ("555 0100 Nst. 12", ["555 0100 ext 12"]),
    ("555 0100, ext 5, 555 0200", ["555 0100 ext 5", "555 0200"]), ("brak", []), ("n/a", []), ("", []), (" - ", []),
    ("(307) 555-0188 (Work), (307) 555-0189 (Mobile)", ["(307) 555-0188", "(307) 555-0189"]),
    ("555 0100, 555 0109 (Fax), Fax 555 0108", ["555 0100"]), ("٠٧٧٠٥٥٥", ["0770555"]), ("555 0100\n555 0101",
    ["555 0100", "555 0101"]),
    ("555 0100, ask for Bo", ["555 0100", "ask for Bo"]), ("555 0100\nbrak", ["555 0100"]),
])
def test_the_first_number_of_a_cell_is_the_number_and_the_others_are_kept(cell, numbers):
    assert cells.phones(cell) == numbers


@pytest.mark.parametrize(("cell", "reason"), [
    ("4.42079E+11",
     "A spreadsheet has shortened it to 4.42079E+11, and its last digits are lost; take the number from the other "
                    "system again, as text."),
    ("5x", "Take out x"), ("５５５", "Take out the sign ５"), ("55", "Enter a phone number of 3 to 15 digits"),
])
def test_what_is_no_phone_number_is_refused(cell, reason):
    assert refusal(cells.phones, cell).startswith(reason)


@pytest.mark.parametrize(("cell", "addresses"), [
    ("a@b.example", ["a@b.example"]), ("a@b; c@d, e@f", ["a@b", "c@d", "e@f"]), ("Ada <a@b.example>", ["a@b.example"]),
    ("mailto:a@b", ["a@b"]), ("a@b\nc@d", ["a@b", "c@d"]), ("brak", []), ("NULL", []),
])
def test_the_first_of_several_addresses_of_mail_is_the_customers(cell, addresses):
    assert cells.emails(cell) == addresses


def test_what_is_no_address_of_mail_is_refused():
    assert refusal(cells.emails, "a b@c") == "Enter an e-mail address, such as name@example.com."


@pytest.mark.parametrize("word", sorted(text.EMPTY_WORDS))
def test_other_programs_words_for_nothing_are_nothing(word):
    assert cells.value_of(f" {word} ") == ""
    assert cells.line_of(100)(word) == ""
    assert cells.value_of(f"'{word}") == word


def test_a_line_break_joins():
    assert cells.line_of(300, ", ")("1 Quay,\r\n\n Lagos ") == "1 Quay, Lagos"
    assert cells.line_of(100)("Ada\nOkafor") == "Ada Okafor"


@given(st.text(max_size=20))
def test_a_line_of_text_has_no_sign_that_copy_takes_for_its_own(cell):
    try:
        read = cells.line_of(20)(cell)
    except ValueError:
        return
    assert not set("\n\r\t") & set(read)
    assert read.count("\\") % 2 == 0


@pytest.mark.parametrize(("header", "word", "state"), [
    ("Status", "Active", "active"), ("Status", "gesperrt", "paused"), ("Stan", "Zablokowany", "paused"),
    ("Status", "gekündigt", "closed"),
    ("Status", "Cancelled", "closed"), ("Status", "Inactive", "closed"), ("Status", "Suspended", "paused"),
    ("Account", "Account on hold", "paused"),
    ("Status", "", ""), ("Status", "NULL", ""), ("Status", "past due", "active"), ("Status", "lead", "paused"),
    ("Situação", "Bloqueado", "paused"),
    ("Active", "No", "closed"), ("Active", "1", "active"), ("Archived", "yes", "closed"), ("Archived", "0", "active"),
    ("Blocked", "true", "paused"), ("Inativo", "Não", "active"), ("ativo", "S", "active"),
])
def test_a_status_is_active_paused_or_closed(header, word, state):
    assert cells.state_of(header, {})(word) == state


def test_a_word_that_is_not_known_is_not_taken_for_active():
    assert refusal(cells.state_of("Status", {}),
                   "purple") == "It is not known whether purple is active, paused or closed."
    assert cells.state_of("Status", {"purple": "paused"})("Purple") == "paused"


def test_no_word_has_two_states():
    words = [word for state in cells.STATES.values() for word in state]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("cell", "day"), [
    ("2026-05-01", date(2026, 5, 1)), ("2026-05-01 00:00:00", date(2026, 5, 1)), ("01/05/2026", date(2026, 5, 1)),
    ("13.05.2026", date(2026, 5, 13)), ("", None), ("0000-00-00", None), ("NULL", None),
])
def test_a_day_may_have_a_time(cell, day):
    assert cells.day(cell) == day


def test_the_month_may_stand_first():
    assert cells.day("01/05/2026", day_first=False) == date(2026, 1, 5)
    assert [cells.shows_day_first(cell) for cell in ("13/05/2026", "05/13/2026", "01/05/2026", "2026-05-01")] == [
        True, False, None, None]


def test_a_quantity_is_whole():
    assert [cells.quantity(cell) for cell in ("", "2", "3.00")] == [1, 2, 3]
    assert refusal(cells.quantity, "1.5") == "1.5 is no whole number."


def test_decimals_are_exact():
    assert cells.amount("0,10", ",") == Decimal("0.10")


@pytest.mark.parametrize("cell", ["'t Hooft", "Loading dock", "Apt #5!", "AT&T; Co", "'4 us", "Smith &amp; Sons"])
def test_what_looks_like_a_mark_of_a_spreadsheet_or_a_browser_is_kept(cell):
    assert cells.line_of(100)(cell) == cell


@pytest.mark.parametrize("cell", [
    "#REF!", "#NAME?", "#DIV/0!", "#BEZUG!", "#¿NOMBRE?", "12 Quay, #VALUE!", "Loading...",
])
def test_what_a_spreadsheet_could_not_work_out_is_refused(cell):
    assert refusal(cells.line_of(100), cell).startswith("A spreadsheet could not work it out, and has ")


def test_an_account_number_that_a_program_took_for_an_amount_is_that_number_and_a_shortened_one_is_refused():
    assert list(map(cells.account_number, ["1001.0", "1001,00", "A-1.0", "0010", "٥٠١", "7E10"])) == [
        "1001", "1001", "A-1.0", "0010", "501", "7E10"]
    assert refusal(cells.account_number, "1.00E+12").startswith("A spreadsheet has shortened it to 1.00E+12, ")
