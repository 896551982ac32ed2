"""What each question accepts, and what it says of the rest."""
from __future__ import annotations

import random
import re
import unicodedata
from datetime import date
from decimal import Decimal

import pytest
from conftest import lines, sentence
from hypothesis import given
from hypothesis import strategies as st

from tracker import fields, text
from tracker.terminal import prompts

PARSERS = {
    "money": fields.amount,
    "positive_money": fields.positive_amount,
    "phone": fields.phone,
    "day": fields.day,
    "past_day": fields.past_day(date(2026, 12, 15)),
    "month": fields.month,
    "row_id": fields.row_id,
    "text": fields.text(100),
    "choice": fields.choice({"1": 1, "0": 0}),
    "optional": fields.optional(fields.amount),
}
ANYTHING = st.text(st.characters(), max_size=40)
NEARLY = st.text(st.sampled_from("0123456789٣１²+-()./ ,_eEnN\x00\u200b\n"), max_size=25)


def digits(least: int, most: int):
    return st.text(st.sampled_from("0123456789"), min_size=least, max_size=most)


def complaint(parse, answer: str) -> str:
    """Return the one line that a parser says of a wrong answer."""
    with pytest.raises(ValueError, match=r"^.{1,199}$") as caught:
        parse(answer)
    line = str(caught.value)
    assert line.isprintable()
    return line


@pytest.mark.parametrize("parser", PARSERS)
@given(answer=ANYTHING | NEARLY)
def test_a_parser_accepts_or_says_why_not(parser, answer):
    reason = ""
    try:
        PARSERS[parser](answer)
    except ValueError as exc:
        reason = str(exc)
    assert reason.isprintable()
    assert len(reason) < 200


@given(digits(1, 10), digits(1, 2) | st.none())
def test_an_amount_is_exactly_what_was_typed(whole, cents):
    typed = whole if cents is None else f"{whole}.{cents}"
    amount = fields.amount(typed)
    assert amount == Decimal(typed)
    assert fields.amount(text.show_amount(amount)) == amount
    assert amount.as_tuple().exponent == -2


@given(ANYTHING | NEARLY)
def test_an_accepted_amount_is_finite_and_has_two_decimals(answer):
    try:
        amount = fields.amount(answer)
    except ValueError:
        return
    assert Decimal(0) <= amount <= Decimal("9999999999.99")
    assert amount == amount.quantize(Decimal("0.01"))


@pytest.mark.parametrize("wrong", [
    "", "NaN", "nan", "Infinity", "-1", "+1", "0.005", "1_000", "１２", "1e3", "1e-2", ".5", "5.", "1,50", "1 000", "٣",
    "12345678901", "0x10", "1.999", "4²", "--1", "1\n", "1" * 5000,
])
def test_an_odd_amount_is_refused(wrong):
    assert "49.90" in complaint(fields.amount, wrong)


@pytest.mark.parametrize("nothing", ["0", "0.0", "0.00", "000"])
def test_an_amount_above_zero_is_above_zero(nothing):
    assert "above 0" in complaint(fields.positive_amount, nothing)


@given(st.text(st.sampled_from("0123456789 +().-/"), min_size=3, max_size=20))
def test_a_phone_number_is_kept_as_typed(typed):
    if 3 <= sum(c.isdigit() for c in typed) <= 15:
        assert fields.phone(typed) == typed.strip()
    else:
        complaint(fields.phone, typed)


@pytest.mark.parametrize(("wrong", "why"), [
    ("", "that has 0."), ("12", "that has 2."), ("1" * 16, "that has 16."), ("123 " * 6, "that has 18."),
    ("()-/.+", "that has 0."), ("1" * 10**7, "at most 32 characters."),
    ("1 " * 10 + " " * 20 + "1", "at most 32 characters."),
    ("１２３", "Take out the sign １, U+FF11:"), ("12a", "Take out a:"), ("#31#", "Take out #:"),
    ("123\x00", "Take out the sign U+0000:"), ("123_456", "Take out _:"), ("555 ext", "Take out e:"),
    ("555 0100 ext 1234567", "Take out e:"), ("555…0100", "Take out the sign …, U+2026:"),
])
def test_an_odd_phone_number_is_refused_with_the_sign_that_is_wrong(wrong, why):
    assert why in complaint(fields.phone, wrong)


@pytest.mark.parametrize(("pasted", "kept"), [
    ("+44\u00a020\u00a07946\u00a00963", "+44 20 7946 0963"), ("\u200e+44 20 7946 0963\u202c", "+44 20 7946 0963"),
    ("020–7946—0963", "020-7946-0963"), ("020\u22127946", "020-7946"), ("\ufeff020 7946", "020 7946"),
    ("tel:+442079460963", "+442079460963"), ("020\t7946", "020 7946"), ("020\u2009794\u00ad6", "020 7946"),
    ("020 7946 0963 ext 12", "020 7946 0963 ext 12"), ("020 7946 0963x12", "020 7946 0963x12"),
    ("020 7946 0963, Ext. 12", "020 7946 0963, Ext. 12"), ("020 7946 0963 #12", "020 7946 0963 #12"),
    ("020 7946 0963 extension 12", "020 7946 0963 extension 12"), ("+44 (0)20 7946 0963", "+44 (0)20 7946 0963"),
])
def test_a_pasted_phone_number_is_cleaned_and_its_extension_kept(pasted, kept, db, sql):
    assert fields.phone(pasted) == kept
    db.add_customer("Ada", kept)
    assert sql("SELECT phone_number FROM customers") == [{"phone_number": kept}]


@given(st.dates(fields.FIRST_DAY, fields.LAST_DAY))
def test_a_day_is_the_day_that_was_typed(value):
    assert fields.day(value.isoformat()) == value


@given(st.dates())
def test_a_day_is_accepted_only_within_the_range(value):
    if fields.FIRST_DAY <= value <= fields.LAST_DAY:
        assert fields.day(text.show_day(value)) == value
    else:
        assert "from 2000-01-01 to 2199-12-31" in complaint(fields.day, value.isoformat())


@pytest.mark.parametrize("wrong", [
    "", "today", "2026-W50-2", "２０２６-12-15", "2026-12-15T00:00", "infinity", "-2026-12-15", "2026-12-15\n", "2026",
    "15-12/2026", "15.12.26", "2026121", "2026-012-15", "1e3",
])
def test_an_odd_day_is_refused(wrong):
    assert complaint(fields.day, wrong) == "Enter a date such as 2026-12-15."


def test_a_past_day_may_be_said_in_words():
    parse = fields.past_day(date(2026, 3, 1))
    assert (parse("today"), parse("Yesterday"), parse("2026-02-27")) == (
        date(2026, 3, 1), date(2026, 2, 28), date(2026, 2, 27)
    )


def test_a_past_day_is_not_after_today():
    assert "2026-03-01" in complaint(fields.past_day(date(2026, 3, 1)), "2026-03-02")


@given(st.dates(fields.FIRST_DAY, fields.LAST_DAY))
def test_a_month_is_its_first_day(value):
    assert fields.month(f"{value:%Y-%m}") == value.replace(day=1)


@pytest.mark.parametrize("wrong", ["", "2026", "2026-12-01", "99999-01", "202612", "12.26", "2026-"])
def test_an_odd_month_is_refused(wrong):
    assert complaint(fields.month, wrong) == "Enter a month such as 2026-12."


@given(st.integers(1, fields.LARGEST_ID))
def test_an_id_is_the_number_that_was_typed(value):
    assert fields.row_id(str(value)) == value


@pytest.mark.parametrize("wrong", [
    "", "0", "-1", "1.0", "abc", "1" * 5000, str(2**63), "１２", "1_0", "0x1", "٣", "1 2",
])
def test_an_odd_id_is_refused(wrong):
    assert complaint(fields.row_id, wrong) == "Enter an ID: a whole number from 1 on."


@given(ANYTHING.filter(lambda t: t.strip() and not any(unicodedata.category(c) in fields.UNWANTED for c in t.strip())))
def test_a_text_is_kept_in_its_composed_form(typed):
    kept = fields.text(300)(typed)
    assert kept == unicodedata.normalize("NFC", typed.strip())
    assert fields.text(300)(kept) == kept


@given(ANYTHING)
def test_an_accepted_text_is_shown_as_it_is(answer):
    try:
        kept = fields.text(300)(answer)
    except ValueError:
        return
    assert text.clean(kept) == kept


@pytest.mark.parametrize(("wrong", "part"), [
    ("a\x00b", "control character U+0000"), ("a\x1b[2Jb", "control character U+001B"), ("a\rb", "U+000D"),
    ("a\x9bb", "control character U+009B"), ("a\u202eb", "format character U+202E"), ("a\u2028b", "U+2028"),
    ("a\udcffb", "invalid character U+DCFF"), ("a\tb", "U+0009"),
])
def test_a_text_with_an_unprintable_character_is_refused_by_its_number(wrong, part):
    assert part in complaint(fields.text(100), wrong)


@pytest.mark.parametrize("wrong", ["", " ", "\u3000", "x" * 101, "é" * 101, "x" * 10**7])
def test_a_text_of_the_wrong_length_is_refused(wrong):
    assert "100 characters" in complaint(fields.text(100), wrong)


def test_a_decomposed_text_is_measured_as_it_is_stored():
    assert fields.text(100)("e\u0301" * 100) == "é" * 100


@pytest.mark.parametrize("options", [["0", "1", "2"], ["n", "0"], ["", "p"], ["1"], [str(i) for i in range(1, 21)]])
def test_a_choice_names_what_can_be_chosen(options):
    said = complaint(fields.choice(dict.fromkeys(options)), "x")
    assert options[0] in said
    assert options[-1] in said


@pytest.mark.parametrize(("wanted", "typed", "yes"), [
    ("yes", "yes", True), ("yes", "YES", True), ("yes", " yes ", True), ("yes", "y", False), ("yes", "", False),
    ("José", "Jose\u0301", True), ("José", "JOSÉ", True), ("José", "Jose", False),
    (" Ada  Okafor ", "Ada  Okafor", True), ("\x1bAda", "yes", False),
])
def test_a_delete_is_confirmed_by_typing_the_word(wanted, typed, yes, monkeypatch):
    monkeypatch.setattr(prompts, "attended", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: typed)
    assert prompts.confirm("Type it:", wanted) == yes


def test_a_second_answer_that_is_neither_counts_as_no_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(prompts, "attended", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    assert not prompts.confirm("Type it:")
    assert capsys.readouterr().err == "Type yes in full, or no.\nThat is not yes either, and counts as no.\n"


# Each form: the answers that lead to it, then each question's good answer.
FORMS = {
    "add customer": (["1", "1"], ["Ada Okafor", "+44 20 7946 0958"]),
    "update customer": (["1", "3"], ["1", "Ada Obi", "123", "ada@example.com", "K-1007"]),
    "add location": (["2", "1"], ["1", "2 Harbour Street"]),
    "update location": (["2", "3"], ["1", "3 Harbour Street"]),
    "add service": (["3", "1"], ["1", "Fibre", "49.90", "2026-11-12"]),
    "update service": (["3", "3"], ["1", "Cable", "39.90", "2026-11-12"]),
    "add equipment": (["4", "1"], ["1", "Router", "S-2", "120"]),
    "update equipment": (["4", "3"], ["1", "Modem", "S-3", "20"]),
    "add bill": (["5", "2"], ["1", "Setup", "10", "2030-01-01"]),
    "update bill": (["5", "4"], ["1", "Repair", "20", "2030-02-01"]),
}
HOSTILE = [
    b"nul\x00", b"\xff\xfe\xc3(", b"\x1b]52;c;aGk=\x07", b"\x1b[2J", "\u202etxt\u200b.".encode(), b"\xc2\x9b2J",
    b"7" * 5000,
    b"x" * 10_000_000, b"99999-01-01" * 30, b"'; DROP TABLE customers; --\\ %s %(x)s {}" * 10,
]


@pytest.fixture
def account(db):
    """A customer with one of everything, on a database that the program opens next."""
    customer_id = db.add_customer("First", "123")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    db.add_service(location_id, "DSL", Decimal(20))
    db.add_equipment(location_id, "Modem", "S-1", Decimal(30))
    db.add_bill(customer_id, "Setup", Decimal(40), date(2026, 1, 31))
    db.disconnect()


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("parser", PARSERS)
def test_each_parser_has_a_sentence_for_a_hostile_answer(parser, hostile):
    answer = hostile.decode("utf-8", "surrogateescape")
    if parser != "text" or b"DROP" not in hostile:  # which is a name like any other, of too many characters
        complaint(PARSERS[parser], answer)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_hostile_answer_in_a_form_gets_a_sentence_and_ends_the_program(form, account, run):
    way, good = FORMS[form]
    for place, hostile in enumerate(random.Random(form).sample(HOSTILE, len(good))):
        typed = b"\n".join([*(answer.encode() for answer in [*way, *good[:place]]), hostile, b"0", b""])
        done = run(answers=typed)
        assert len(sentence(done.stderr)) < 500
        assert done.stderr.startswith(f"Stopped at input line {len(way) + place + 1}: ")
        assert done.stderr.rstrip("\n").isprintable()
        assert not re.search(r"^(Added|Saved) .*\.$", done.stdout, re.MULTILINE)
        assert done.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_answer_at_a_menu_or_a_search_gets_a_sentence(hostile, account, run):
    for way in (["1", "2"], ["5", "3"], []):
        done = run(answers=lines(*way).encode() + hostile + b"\n1\n0\n0\n")
        assert sentence(done.stderr).startswith(f"Stopped at input line {len(way) + 1}: ")


@pytest.mark.slow
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_answer_confirms_no_delete(hostile, account, run, sql):
    sql("INSERT INTO customers (name) VALUES ('Second')")  # who has no bills, and so may be deleted
    done = run(answers=b"1\n4\n2\n" + hostile + b"\nyes\n0\n0\n")
    assert sentence(done.stderr) == "Stopped at input line 4: Type yes in full, or no."
    assert sql("SELECT name FROM customers ORDER BY name") == [{"name": "First"}, {"name": "Second"}]


@pytest.mark.slow
@pytest.mark.parametrize(("way", "before"), [
    (["3", "1"], ["1", "Fibre"]), (["4", "1"], ["1", "Router", "S-9"]), (["5", "2"], ["1", "Setup"]),
], ids=["service", "equipment", "bill"])
def test_an_odd_amount_is_asked_for_again(way, before, account, terminal):
    child = terminal()
    child.send("".join(f"{answer}\r" for answer in [*way, *before]))
    for wrong in ("NaN", "Infinity", "-1", "0.005", "1_000", "１２", "1e3", "1,50", ""):
        child.expect(r"(Cost|cost|Amount): $")
        child.send(f"{wrong}\r")
        child.expect_exact("Enter an amount such as 49.90")


def test_what_a_person_types_with_windows_line_ends_is_the_same(run, sql):
    run(answers=b"1\r\n1\r\nAda Okafor\r\n123\r\n0\r\n0\r\n")
    assert sql("SELECT name, phone_number FROM customers") == [{"name": "Ada Okafor", "phone_number": "123"}]


def test_a_name_typed_in_two_spellings_is_stored_once_and_found_by_both(run, sql):
    done = run(answers=lines("1", "1", "Jose\u0301 A\u030angstro\u0308m", "123", "3", "josé", "", "", "", "",
                             "3", "JOSE\u0301", "", "", "", "",
                             "3", "ångström", "", "", "", "", "0", "0"))
    assert done.stderr == ""
    assert done.stdout.count("\nCustomer 1, José Ångström, ") == 3
    assert sql("SELECT name FROM customers") == [{"name": "José Ångström"}]


@pytest.mark.parametrize("sign", ["%", "_", "\\", "100%", "a_b", "c\\d"])
def test_a_sign_of_sql_means_itself_in_a_search(sign, db):
    db.add_customer("Plain", "1000")
    hit = db.add_customer(f"Is 100% a_b c\\d {sign}", "2000")
    assert [row["customer_id"] for row in db.find_customers(sign).rows] == [hit]


@pytest.mark.parametrize("sign", ["%", "_", "\\"])
def test_a_sign_of_sql_means_itself_in_every_search(sign, db):
    location_id = db.add_location(db.add_customer("Plain", "1000"), "1 Harbour Street")
    db.add_service(location_id, "DSL", Decimal(1))
    db.add_equipment(location_id, "Modem", None, Decimal(1))
    db.add_bill(1, "Setup", Decimal(1), date(2026, 1, 31))
    for find in (db.find_customers, db.find_locations, db.find_services, db.find_equipment, db.find_bills):
        assert find(sign) == ([], 0)


@pytest.mark.parametrize("typed", [
    "020 7946 0958", "+44 20 7946", "7946-0958", "(0)20 7946", "79460958", "442079460958",
])
def test_a_caller_is_found_by_their_number_however_it_is_typed(typed, db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_customer("Other", "+44 20 1111 2222")
    assert [row["customer_id"] for row in db.find_customers(typed).rows] == [customer_id]
