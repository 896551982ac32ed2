"""What a person means finds what is stored, however either is written."""
from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal

import pytest
from conftest import lines

import database
from tracker import fields, payments, text

pytestmark = pytest.mark.slow
DAY = date(2026, 11, 3)
PEOPLE = [
    ("José García", "+34 600 111 222", "Calle Mayor 1"), ("Jürgen Müller", "+442079460963", "Rothenstein 4"),
    ("Séan O’Brien", "020 7946 0964", "1 Strand"), ("Łukasz Żółć", "+48 512 345 678", "Ulica Długa 5"),
    ("Straße & Söhne", None, "Große Straße 7"), ("Anna van den Berg", "0049 561 124", "Bergweg 2"),
    ("ΑΛΕΞΑΝΔΡΟΣ ΣΟΦΟΣ", "2101234567", "Οδός Ερμού 3"), ("Hans Mueller", "0561 999", "Am Markt 2"),
    ("Ilona Işık", "777 888 999", "Kıyı Sokak 9"), ("Stanhope Ltd", "01 234 567", "12-14 November Road"),
    ("Jean-Luc\u00a0 Picard", "1234567", "La Barre"),
    ("می\u200cخواهم رضا", "7654321", "تهران ۱۲"),
    ("Đặng Thị Ơn", "8887776", "Æblevej 1"), ("김철수", "555 1234", "東京都千代田区"),
    ("Ａｎｎａ Ｗｉｄｅ", "999 0000", "ﬁeld lane"),
    ("Ёлкин Андрей", "8 916 123 45 67", "улица Ленина"),
]


@pytest.fixture
def people(db):
    for name, phone_number, address in PEOPLE:
        db.add_location(db.add_customer(name, phone_number), address)
    return db


def names(hits: database.Hits) -> list[str]:
    return [row["name"] for row in hits.rows]


@pytest.mark.parametrize(("term", "found"), [
    ("garcia", "José García"), ("GARCÍA", "José García"), ("Garci\u0301a José", "José García"), ("jose", "José García"),
    ("muller rothenstein", "Jürgen Müller"), ("rothenstein MÜLLER", "Jürgen Müller"), ("Jurgen", "Jürgen Müller"),
    ("o'brien", "Séan O’Brien"), ("O’Brien", "Séan O’Brien"), ("obrien", "Séan O’Brien"), ("o´brien", "Séan O’Brien"),
    ("o`brien sean", "Séan O’Brien"), ("lukasz zolc", "Łukasz Żółć"), ("zolc dluga", "Łukasz Żółć"),
    ("strasse", "Straße & Söhne"), ("STRASSE", "Straße & Söhne"), ("straße", "Straße & Söhne"), ("&", "Straße & Söhne"),
    ("soehne", "Straße & Söhne"), ("grosse strasse", "Straße & Söhne"), ("van berg", "Anna van den Berg"),
    ("van  den\u00a0berg", "Anna van den Berg"), ("berg anna", "Anna van den Berg"), ("an be", "Anna van den Berg"),
    ("σοφός", "ΑΛΕΞΑΝΔΡΟΣ ΣΟΦΟΣ"), ("σοφοσ", "ΑΛΕΞΑΝΔΡΟΣ ΣΟΦΟΣ"), ("αλέξανδρος ερμου", "ΑΛΕΞΑΝΔΡΟΣ ΣΟΦΟΣ"),
    ("isik", "Ilona Işık"), ("IŞIK", "Ilona Işık"), ("kiyi", "Ilona Işık"), ("november stanhope", "Stanhope Ltd"),
    ("12-14", "Stanhope Ltd"), ("12–14 november", "Stanhope Ltd"), ("jean luc picard", "Jean-Luc\u00a0 Picard"),
    ("jean–luc", "Jean-Luc\u00a0 Picard"), ("picard, jean", "Jean-Luc\u00a0 Picard"),
    ("میخواهم", "می\u200cخواهم رضا"), ("مي\u200cخواهم", "می\u200cخواهم رضا"), ("تهران 12", "می\u200cخواهم رضا"),
    ("dang on", "Đặng Thị Ơn"), ("aeblevej", "Đặng Thị Ơn"), ("철수", "김철수"), ("千代田", "김철수"),
    ("東京", "김철수"), ("anna wide", "Ａｎｎａ Ｗｉｄｅ"), ("field", "Ａｎｎａ Ｗｉｄｅ"), ("елкин", "Ёлкин Андрей"),
    ("ЛЕНИНА андрей", "Ёлкин Андрей"),
])
def test_words_find_a_customer_whatever_their_accents_case_order_and_field(term, found, people):
    assert names(people.find_customers(term)) == [found]


@pytest.mark.parametrize("term", ["müller", "MUELLER", "mu\u0308ller", "Mueller"])
def test_an_umlaut_is_one_letter_or_two(term, people):
    assert names(people.find_customers(term)) == ["Hans Mueller", "Jürgen Müller"]


@pytest.mark.parametrize("term", [
    "garcia muller", "jose rothenstein", "-", "...", "\u200b", "’", "lukasz x", "zzz", "50%", "a_c", ".*", "(", "[a",
    "\\",
])
def test_what_no_customer_has_finds_none(term, people):
    assert people.find_customers(term) == ([], 0)


@pytest.mark.parametrize("typed", [
    "+442079460963", "020 7946 0963", "00442079460963", "+44 (0)20 7946 0963", "(020) 7946-0963", "0044 20/7946.0963",
    "442079460963", "20 7946 0963", "+44\u00a020\u00a07946\u00a00963", "020–7946–0963", "7946 0963", "0963",
    "020 79460963 ext 5",
])
@pytest.mark.parametrize("stored", [
    "+442079460963", "020 7946 0963", "00442079460963", "+44 (0)20 7946 0963", "442079460963", "020 7946 0963 ext 12",
    "(020) 7946-0963 x7",
])
def test_a_phone_number_is_one_number_however_it_is_typed_or_stored(typed, stored, db, monkeypatch):
    monkeypatch.setenv("COUNTRY_CODE", "44")
    customer_id = db.add_customer("Ada", stored)
    db.add_customer("Other", "+44 20 7946 1111")
    assert [row["customer_id"] for row in db.find_customers(typed).rows] == [customer_id]
    is_whole = sum(map(str.isdigit, typed.partition("ext")[0])) >= 10
    known = [row["customer_id"] for row in db.similar_customers("", fields.phone(typed))]
    assert known == ([customer_id] if is_whole else [])


def test_the_number_of_another_country_is_another_number(db, monkeypatch):
    monkeypatch.setenv("COUNTRY_CODE", "44")
    db.add_customer("Ada", "+49 20 7946 0963")
    assert db.similar_customers("", "+44 20 7946 0963") == db.similar_customers("", "020 7946 0963") == []
    assert [row["name"] for row in db.similar_customers("", "0049 (0)20 79460963")] == ["Ada"]


@pytest.mark.parametrize("name", ["José García", "jose  garcia", "JOSÉ GARCÍA", "Jose\u0301 Garcia"])
def test_a_customer_of_the_same_name_is_asked_about_however_it_is_written(name, people, run, sql):
    assert [row["customer_id"] for row in people.similar_customers(name, "999 9999")] == [1]
    done = run(answers=lines("1", "1", name, "999 9999", "no", "1", name, "999 9999", "yes", "0", "0"))
    assert done.stderr == ""
    assert done.stdout.count("This name or phone number is known already:") == 2
    assert len(sql("SELECT 1 FROM customers")) == len(PEOPLE) + 1
    assert people.similar_customers("Jos", "999 9998") == []


@pytest.mark.parametrize(("country", "one", "other", "same"), [
    ("44", "020 7946 0963", "+44 20 7946 0963", True), ("44", "020 7946 0963", "+49 20 7946 0963", False),
    ("49", "020 7946 0963", "+44 20 7946 0963", False), ("", "020 7946 0963", "+44 20 7946 0963", True),
    ("", "+49 20 7946 0963", "+44 20 7946 0963", False), ("1", "(555) 123-4567", "1-555-123-4567", True),
    ("1", "555 123 4567", "+1 555 123 4567", True), ("48", "512 345 678", "+48 512345678", True),
    ("48", "48 123 45 67", "+48 48 123 45 67", True), ("39", "06 1234567", "+39 06 1234567", True),
    ("7", "8 916 123-45-67", "+7 916 123-45-67", True), ("36", "06 1 234 5678", "+36 1 234 5678", True),
    ("353", "01 234 5678", "+353 1 234 5678", True), ("353", "00353 1 234 5678", "353 1 234 5678", True),
    ("44", "020 7946 0963", "020 7946 0964", False), ("91", "98765 43210", "+91 (0) 98765-43210", True),
    ("420", "123 456 789", "+420 123 456 789", True), ("44", "000", "000", True),
])
def test_the_country_of_the_business_decides_which_numbers_are_the_same(country, one, other, same, sql):
    row, = sql("SELECT same_phone(%s, %s, %s) AS there, same_phone(%s, %s, %s) AS back",
               one, other, country, other, one, country)
    assert row == {"there": same, "back": same}


@pytest.mark.parametrize("wrong", ["0044", "abc", "4444", "4 4", "+"])
def test_a_country_code_that_is_none_is_refused_at_the_start(wrong, run):
    done = run("late-report", COUNTRY_CODE=wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "COUNTRY_CODE must be a country's telephone code, such as 44.\n"


def test_a_country_code_may_begin_with_a_plus(run):
    assert run("late-report", COUNTRY_CODE="+44").returncode == 0


@pytest.mark.parametrize("typed", [
    "AA:BB:CC:11:22:33", "aabbcc112233", "AA-BB-CC-11-22-33", "aabb.cc11.2233", "aa bb cc 11 22 33", "AABBCC",
    "aa:bb:cc", "ＡＡ:ＢＢ:ＣＣ:11:22:33", "bb:cc:11",
])
def test_a_mac_address_finds_its_device_and_its_customer_whatever_case_and_separators(typed, people):
    people.add_equipment(2, "Router", "aa:BB:cc:11:22:33", Decimal(1))
    people.add_equipment(1, "Router", "00:11:22:33:44:55", Decimal(1))
    device, = people.find_equipment(typed).rows
    assert (device["name"], device["serial_number"]) == ("Jürgen Müller", "aa:BB:cc:11:22:33")
    assert names(people.find_customers(typed)) == ["Jürgen Müller"]


@pytest.mark.parametrize("again", ["aabbcc112233", "AA-BB-CC-11-22-33", "ＡＡbbcc112233", "AABB.CC11.2233 "])
def test_a_serial_number_is_taken_whatever_case_and_separators_and_its_holder_is_known(again, people):
    people.add_equipment(2, "Router", "AA:BB:CC:11:22:33", Decimal(1))
    assert people.serial_holder(again)["name"] == "Jürgen Müller"
    assert people.serial_holder("AA:BB:CC:11:22:34") is None
    with pytest.raises(database.Conflict, match="already has that serial number"):
        people.add_equipment(1, "Router", again, Decimal(1))
    with pytest.raises(database.Conflict, match="already has that serial number"):
        people.update_equipment(people.add_equipment(1, "Router", None, Decimal(1)), serial_number=again)


def test_serial_numbers_of_signs_alone_are_told_apart(people):
    for serial_number in ("---", "--", "№", "#"):
        people.add_equipment(1, "Router", serial_number, Decimal(1))


def test_a_service_is_found_by_all_who_have_it_in_order(people):
    for location in (3, 1, 2):
        people.add_service(location, "Fibre 100", Decimal(30))
    people.add_service(4, "Fibre 1000 Plus", Decimal(30))
    people.add_service(5, "DSL 100", Decimal(30))
    assert names(people.find_services("fibre 100")) == ["José García", "Jürgen Müller", "Łukasz Żółć", "Séan O’Brien"]
    assert names(people.find_services("100 muller")) == ["Jürgen Müller"]
    assert names(people.find_services("plus")) == ["Łukasz Żółć"]
    assert names(people.find_services("fibre strand")) == ["Séan O’Brien"]


def test_a_device_is_found_by_its_name_with_its_customer_s(people):
    people.add_equipment(2, "Router AX3000", "S-1", Decimal(1))
    people.add_equipment(3, "Router AX3000", "S-2", Decimal(1))
    assert names(people.find_equipment("ax3000 router")) == ["Jürgen Müller", "Séan O’Brien"]
    assert names(people.find_equipment("ax3000 obrien")) == ["Séan O’Brien"]


def test_a_bill_is_found_by_its_words_its_month_and_its_customer_s(people, sql):
    for customer_id in (2, 10):
        people.add_bill(customer_id, "Installation für Büro", Decimal("75.00"), date(2026, 12, 15))
    sql("INSERT INTO billing (customer_id, description, period, due_date, amount_billed) "
        "SELECT customer_id, 'November 2026', '2026-11-01', '2026-11-15', 49.9 "
        "FROM customers WHERE customer_id IN (2, 10, 1)")

    def found(term):
        return sorted((row["name"], row["description"]) for row in people.find_bills(term).rows)

    bureau, november = "Installation für Büro", "November 2026"
    assert found("2026-11") == [(name, november) for name in ("José García", "Jürgen Müller", "Stanhope Ltd")]
    assert set(found("2026-11")) <= set(found(november))
    assert ("Stanhope Ltd", november) in found("november stanhope")
    assert found("muller november") == [("Jürgen Müller", november)]
    assert found("buro muller") == found("75.00 muller") == [("Jürgen Müller", bureau)]
    assert found("installation buro") == [("Jürgen Müller", bureau), ("Stanhope Ltd", bureau)]


@pytest.mark.parametrize(("term", "found"), [
    ("TX-1", [1]), ("tx 1", [1]), ("Tx1", []), ("TX", [3, 1]), ("2026-11-03", [1]), ("12.50", [2, 1]),
    ("12,50", [2, 1]), ("12.5", [2, 1]), ("garcia 12,5", [2]),
    ("muller 12.50", [1]), ("2026-11-03 12.50", [1]), ("transfer rothenstein", [1]), ("garcia", [3, 2]),
    ("cash garcia", [2]), ("2026-11-04 muller", []), ("80", [3]),
])
def test_a_payment_is_found_by_reference_date_and_amount(term, found, people):
    for customer_id, amount, day, method, reference in (
        (2, "12.50", DAY, "transfer", "TX-1"), (1, "12.50", date(2026, 11, 4), "cash", None),
        (1, "80.00", date(2026, 11, 5), "card", "TX-999"),
    ):
        payments.record_payment(customer_id, Decimal(amount), day, method, reference, uuid.uuid4())
    assert [row["payment_id"] for row in payments.find_payments(term).rows] == found


def test_more_hits_than_are_counted_are_more(people, monkeypatch):
    monkeypatch.setattr(database, "MOST_COUNTED", 3)
    hits = people.find_customers("a")
    assert (hits.total, len(hits.rows)) == (4, 4)


def test_the_rarest_of_several_words_is_the_one_that_an_index_finds(people, sql, monkeypatch):
    monkeypatch.setattr(database, "MOST_COUNTED", 30)
    sql("INSERT INTO customers (name, phone_number) SELECT 'Common ' || i, '5550100' FROM generate_series(1, 100) AS i")
    sql("INSERT INTO customers (name, phone_number) VALUES ('Common Rarity', '5550100')")
    assert people.find_customers("common rarity").total == 1


def test_a_search_without_the_extension_finds_the_same(people, sql):
    sql("DROP EXTENSION pg_trgm CASCADE")
    for term, found in (("lukasz zolc", "Łukasz Żółć"), ("muller rothenstein", "Jürgen Müller"),
                        ("0963", "Jürgen Müller")):
        assert names(people.find_customers(term)) == [found]


@pytest.mark.parametrize(("name", "stored"), [
    ("می\u200cخواهم", "می\u200cخواهم"), ("क\u094d\u200dष", "क\u094d\u200dष"),
    ("👨\u200d👩\u200d👧 Family", "👨\u200d👩\u200d👧 Family"),
    ("Ada\u200b Okafor\ufeff", "Ada Okafor"), ("\u200eAda", "Ada"), ("Ma\u00adria", "Maria"),
])
def test_the_joiners_of_spelling_and_emoji_are_kept_and_what_is_merely_invisible_is_not(name, stored, run, sql):
    done = run(answers=lines("1", "1", name, "5550100", "0", "0", "0"))
    assert done.stderr == ""
    assert sql("SELECT name FROM customers") == [{"name": stored}]
    assert stored in done.stdout


@pytest.mark.parametrize("wrong", ["Ada\u202e", "Ada\u2066Li", "A\x1bda", "\u200d\u200dAda", "Ada \u200d Li"])
def test_a_sign_that_could_turn_a_line_around_is_refused(wrong):
    with pytest.raises(ValueError, match=r"U\+"):
        fields.text(100)(wrong)


def test_a_joiner_that_joins_nothing_does_not_reach_the_screen():
    assert text.clean("a \u200d b\u200d") == "a \ufffd b\ufffd"
    assert text.clean("می\u200cخواهم") == "می\u200cخواهم"


