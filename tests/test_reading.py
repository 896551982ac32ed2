"""From the records of a file to what COPY reads."""
from __future__ import annotations

from datetime import date

import pytest

from tracker.transfer import columns, reading
from tracker.transfer import source as sources
from tracker.transfer.choices import Choices

TODAY = date(2026, 11, 26)


@pytest.fixture
def read(tmp_path):
    """Write a file and read it: the good lines without what says nothing, and the rejects."""
    def lines_and_rejects(content, *maps, **said):
        path = tmp_path / "in.csv"
        path.write_text(content, encoding="utf-8")
        source = sources.open_source(path, "utf-8", ";")
        chosen = Choices(columns=dict(columns.parse_choice(source.headers, answer) for answer in maps), **said)
        reader = reading.Reader(source, columns.match_headers(source.headers, chosen), TODAY)
        copied = "".join(iter(lambda: reader.read(8192), ""))
        rows = (dict(zip(reader.columns, line.split("\t"))) for line in copied.splitlines())
        return [{name: value for name, value in row.items() if value not in ("",
                                                                             "\\N")} for row in rows], reader.rejects

    return lines_and_rejects


def good(read, *arguments, **said):
    lines, rejects = read(*arguments, **said)
    assert rejects == {}
    return lines


def test_further_numbers_and_addresses_go_to_the_notes_once(read):
    [line] = good(read, "Name;Phone;Mobile;E-mail;Notes\nAda;555 0100, 555 0101;555-0100;a@b, c@d;Back door\n")
    assert line == {"line": "2", "name": "Ada", "phone_number": "555 0100", "email": "a@b",
                    "notes": "Back door\\nFurther phone numbers: 555 0101\\nFurther e-mail addresses: c@d"}


def test_the_first_filled_of_several_columns_counts(read):
    lines = good(read, "Company;First;Last;Phone;Mobile\n;Ada;Okafor;;555 0100\nQuay Ltd;Bo;Ek;555 0101;555 0102\n")
    assert [(line["name"], line["phone_number"], line.get("notes")) for line in lines] == [
        ("Ada Okafor", "555 0100", None), ("Quay Ltd", "555 0101", "Further phone numbers: 555 0102")]


def test_an_address_is_joined_by_commas_and_has_no_part_twice(read):
    lines = good(read, 'Name;Street;City;Zip\nAda;"1 Quay\nLagos";lagos;100\nBo;;Lagos;\nCy;=2;;\n')
    assert [line.get("address") for line in lines] == ["1 Quay, Lagos, 100", "Lagos", "=2"]


def test_an_address_is_that_of_the_first_filled_place(read):
    lines = good(read, "Name;Service Address;Billing Address\nAda;1 Quay;PO 5\nBo;;PO 6\n")
    assert [line["address"] for line in lines] == ["1 Quay", "PO 6"]


def test_an_amount_is_worked_out_of_columns(read):
    head = "Name;Address;Plan;Price;Months;Qty\n"
    lines, rejects = read(head + "Ada;1;A;120,00;12;2\nBo;2;B;100;12;1\nCy;3;C;;12;1\nDi;4;D;9;0;1\nEd;5;E;9;;1\n",
                          "service_cost=Price/Months*Qty", decimals={"service_cost": ","})
    assert [line["service_cost"] for line in lines] == ["20.00"]
    assert rejects == {
        3: "service_cost: It comes to 8.333333333333333333333333333, which is no amount of whole cents.",
        4: "service_name has no service_cost.",
        5: "service_cost: It cannot be divided by 0.",
        6: "service_cost: What it is multiplied or divided by is missing.",
    }


def test_a_balance_may_be_turned_and_taken_away(read):
    lines = good(read, "Name;Phone;Owed;Paid\nAda;555;5.00;\nBo;556;-3;2\nCy;557;;\n", "balance=-Owed-Paid")
    assert [line.get("balance") for line in lines] == ["-5.00", "1.00", None]


def test_a_quantity_multiplies_the_price(read):
    lines = good(read, "Name;Address;Product;Qty;Unit price\nAda;1 Quay;TV;2;5.50\nBo;2 Quay;TV;;5.50\n")
    assert [(line["service_name"], line["service_cost"]) for line in lines] == [("TV", "11.00"), ("TV", "5.50")]


def test_a_constant_says_something_only_where_there_is_a_record(read):
    content = "Name;Address;Plan;Price;Router\nAda;1 Quay;Fibre;20;AX\nBo;2 Quay;;;\n"
    lines = good(read, content, constants={"equipment_cost": "0.00", "service_status": "paused",
                                           "customer_status": "closed"})
    assert lines == [
        {"line": "2", "name": "Ada", "customer_status": "closed", "address": "1 Quay", "service_name": "Fibre",
         "service_cost": "20.00", "service_status": "paused", "equipment_name": "AX", "equipment_cost": "0.00"},
        {"line": "3", "name": "Bo", "customer_status": "closed", "address": "2 Quay"}]


def test_a_plan_has_the_price_that_was_said_where_the_file_has_none(read):
    lines, rejects = read("Name;Address;Plan;Price\nAda;1;Fibre 100;\nBo;2;FIBRE-100;30\nCy;3;Phone;\n",
                          prices={"fibre100": "29.90"})
    assert [line["service_cost"] for line in lines] == ["29.90", "30.00"]
    assert rejects == {4: "service_name has no service_cost."}


def test_a_service_that_ended_is_closed_and_one_that_will_end_is_not(read):
    lines = good(read,
                 "Name;Address;Plan;Price;Service end\nAda;1;A;5;25.11.2026\nBo;2;B;5;2026-11-26 00:00:00\nCy;3;C;5;\n")
    assert [(line.get("service_end"), line.get("service_status")) for line in lines] == [
        ("2026-11-25", "closed"), ("2026-11-26", None), (None, None)]


SERVICES = "Id;Name;Phone;Status;Address;Plan;Price\n"


def test_a_line_without_a_customer_is_of_the_one_above(read):
    lines = good(read, SERVICES + "7;Ada;555;active;1 Quay;Fibre;20\n;;;;;TV;5\n;;;;2 Quay;Phone;3\n"
                       "8;Bo;556;;3 Quay;;\n;;;;;TV;5\n")
    assert [(line["account_number"], line["name"], line["phone_number"], line["address"],
             line.get("service_name")) for line in lines] == [
        ("7", "Ada", "555", "1 Quay", "Fibre"), ("7", "Ada", "555", "1 Quay", "TV"),
        ("7", "Ada", "555", "2 Quay", "Phone"),
        ("8", "Bo", "556", "3 Quay", None), ("8", "Bo", "556", "3 Quay", "TV")]
    assert [line.get("customer_status") for line in lines] == ["active"] * 3 + [None] * 2


def test_further_numbers_are_those_of_the_line_that_has_them(read):
    lines = good(read, SERVICES + "7;Ada;555, 556;;1 Quay;Fibre;20\n;;;;;TV;5\n")
    assert [line.get("notes") for line in lines] == ["Further phone numbers: 556", None]


def test_a_line_that_says_whose_it_is_needs_no_name(read):
    lines = good(read, SERVICES + "7;Ada;555;;1 Quay;Fibre;20\n9;;;;9 Quay;TV;5\n")
    assert (lines[1]["account_number"], lines[1].get("name")) == ("9", None)


@pytest.mark.parametrize(("line", "reason"), [
    (";;556;;2 Quay;TV;5", "name: It is missing."),
    (";;;;;TV;dear", "service_cost: Enter an amount such as 49.90: at most ten digits, and two decimals after a point. "
                     "It belongs to the customer above it: fill in the cells of that, too."),
    (";;;;;;5",
     "service_cost has no service_name. It belongs to the customer above it: fill in the cells of that, too."),
])
def test_a_line_without_a_customer_is_rejected_with_what_it_needs(read, line, reason):
    lines, rejects = read(f"{SERVICES}7;Ada;555;;1 Quay;Fibre;20\n{line}\n8;Bo;557;;;;\n")
    assert ([line["name"] for line in lines], rejects) == (["Ada", "Bo"], {3: reason})


def test_what_follows_a_rejected_customer_is_nobody_elses(read):
    lines, rejects = read(f"{SERVICES}6;Cy;554;;;;\n7;Ada;5;;1 Quay;Fibre;20\n;;;;;TV;5\n8;Bo;557;;;;\n")
    assert [line["name"] for line in lines] == ["Cy", "Bo"]
    assert rejects[4] == "name: It is missing, and no good line of a customer is above it."


def test_services_alone_are_joined_by_their_number(read):
    lines, rejects = read("Account no;Plan;Price\n7;Fibre;20\n;TV;5\n")
    assert lines == [{"line": "2", "account_number": "7", "service_name": "Fibre", "service_cost": "20.00"}]
    assert rejects == {3: "account_number: It is missing."}


def test_statuses_are_read_by_their_column(read):
    lines = good(read, "Name;Phone;Archived\nAda;555;no\nBo;556;yes\nCy;557;\n", "customer_status=Archived")
    assert [line.get("customer_status") for line in lines] == ["active", "closed", None]


def test_all_that_is_wrong_with_a_line_is_said(read):
    _, rejects = read("Name;Phone;E-mail;Address;Plan;Price\nAda;5;x;1 Quay;Fibre;dear\n")
    assert rejects == {2: "phone_number: Enter a phone number of 3 to 15 digits; that has 1. email: Enter an e-mail "
                          "address, such as name@example.com. service_cost: Enter an amount such as 49.90: at most ten "
                          "digits, and two decimals after a point."}


def test_what_copy_takes_for_signs_of_its_own_is_text(read):
    assert good(read, "Name;Notes;Address\nA\\N;b\\tc;\\.\n")[0] == {
        "line": "2", "name": "A\\\\N", "notes": "b\\\\tc", "address": "\\\\."}


def test_samples_are_field_by_field_as_they_will_be_stored(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("Name;Phone;Address;Plan;Price\nA\\B;555, 556;;;\nBo;x;;;\nCy;557;1 Quay;Fibre;20\nDi;558;;;\n")
    source = sources.open_source(path, "utf-8", ";")
    reader = reading.Reader(source, columns.match_headers(source.headers), TODAY)
    assert reader.samples(2) == [
        (2, {"name": "A\\B", "phone_number": "555", "notes": "Further phone numbers: 556"}),
        (4, {"name": "Cy", "phone_number": "557", "address": "1 Quay", "service_name": "Fibre",
             "service_cost": "20.00"})]


def test_a_file_of_blank_lines_reads_nothing(read):
    assert read("Name;Phone\n\n ; \n") == ([], {})
