"""What the database refuses at the end of a form: that one field is asked for again, and the others are kept."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import PROMPT

from tracker import bill_run, credits, errors, payments
from tracker.terminal import forms

pytestmark = pytest.mark.slow


@pytest.fixture
def records(db):
    """Two customers; the first with two sites and one of everything, part of the bill paid, and last month billed."""
    ada = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.update_customer(ada, account_number="K-1007")
    db.add_customer("Bo Li", "555 0101")
    location_id = db.add_location(ada, "1 Harbour Street")
    db.add_location(ada, "2 Quay")
    db.add_service(location_id, "Fibre", Decimal("49.90"))
    db.add_equipment(location_id, "Router", "AA:BB:CC:11:22:33", Decimal(120))
    db.add_equipment(location_id, "Modem", "M-1", Decimal(20))
    db.add_bill(ada, "Setup", Decimal(30), db.today() - timedelta(days=10))
    payments.record_payment(ada, Decimal(25), db.today(), "cash", None, uuid4())


HOLDER = "That is the serial number of equipment 1, Router, at 1 Harbour Street, of"
ADDRESS = "This customer already has a location with that address."
WRITTEN_OFF = "Bill 1 was written off by write-off 2; void that first."
# Each: the answers that lead to the refusal, the sentence, the question that comes again, its better answer, what is
# said then.
REFUSALS = {
    "a new address": (["2", "1", "1", "2 Quay"], ADDRESS, "Address", "3 Quay", "Added location 4, 3 Quay, to Ada"),
    "an address": (["2", "3", "location 2", "\x151 Harbour Street"], ADDRESS, "Address: 2 Quay", "\x7f!",
                   "Saved location 2, 2 Qua!."),
    "an account number": (["1", "3", "2", "", "", "", "k-1007"], "Customer 1 has account number K-1007.",
                          "Account number", "K-1008", "Saved customer 2, Bo Li, 555 0101, account number K-1008."),
    "a new serial number": (["4", "1", "location 2", "Antenna", "aabbcc112233", "80"], HOLDER,
                            "Serial number [none]", "A-1",
                            "Added equipment 4, Antenna, worth 80.00, to 2 Quay."),
    "a new serial number, left out": (["4", "1", "location 2", "Antenna", "aa-bb-cc-11-22-33", "80"], HOLDER,
                                      "Serial number [none]", "", "Added equipment 4, Antenna, worth 80.00"),
    "a serial number": (["4", "3", "equipment 2", "\x15Antenna", "\x15AA.BB.CC.11.22.33", "\x1580"], HOLDER,
                        "Serial number: M-1", "2", "Saved equipment 2, Antenna, worth 80.00."),
    "an amount": (["5", "4", "1", "\x15Repair", "\x1520", ""], WRITTEN_OFF, "Amount: 30.00", "\x1535",
                  "Saved bill 1, Repair, 35.00"),
}


def answer_all(child, answers):
    for answer in answers:
        child.expect(PROMPT)
        child.send(f"{answer}\r")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_the_field_that_is_refused_is_asked_for_again_and_the_others_are_kept(refusal, records, terminal):
    answers, sentence, question, better, said = REFUSALS[refusal]
    if sentence == WRITTEN_OFF:
        credits.write_off(1, Decimal(5), "gone", uuid4())
    child = terminal(columns=200)
    answer_all(child, answers)
    child.expect_exact(sentence)
    child.expect_exact(question)
    child.send(f"{better}\r")
    child.expect_exact(said)


# Each rule that is about one field: the form that asks for it, and an answer that the parser lets through.
RULES = {
    "customers_name_length": (["1", "1", "Cy", "555 0102"], "Name"),
    "customers_phone_form": (["1", "1", "Cy", "555 0102"], "Phone number [none]"),
    "locations_address_length": (["2", "1", "1", "3 Quay"], "Address"),
    "services_name_length": (["3", "1", "1", "Cable", "5", ""], "Service name"),
    "services_cost_not_negative": (["3", "1", "1", "Cable", "5", ""], "Monthly cost"),
    "equipment_name_length": (["4", "1", "1", "Antenna", "A-1", "5"], "Equipment name"),
    "equipment_serial_length": (["4", "1", "1", "Antenna", "A-1", "5"], "Serial number [none]"),
    "equipment_cost_not_negative": (["4", "1", "1", "Antenna", "A-1", "5"], "Cost"),
    "billing_description_length": (["5", "2", "1", "Repair", "5", "2030-01-31"], "Description"),
    "billing_amount_not_negative": (["5", "2", "1", "Repair", "5", "2030-01-31"], "Amount"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_the_parser_does_not_know_asks_for_its_field_again(rule, records, terminal, sql):
    answers, question = RULES[rule]
    table = rule.partition("_")[0]
    sql(f"ALTER TABLE {table} DROP CONSTRAINT {rule}, ADD CONSTRAINT {rule} CHECK (false) NOT VALID")
    child = terminal(columns=200)
    answer_all(child, answers)
    child.expect_exact(errors.RULES[rule][:60])
    child.expect_exact(f"{question}: ")
    sql(f"ALTER TABLE {table} DROP CONSTRAINT {rule}")
    child.send(f"{answers[-1] or 5}\r" if question != "Amount" else "5\r")
    child.expect_exact("Added")


def test_each_rule_about_one_field_names_a_field_of_a_form():
    names = {name for fields in (forms.CUSTOMER_CHANGES, forms.LOCATION_FIELDS, forms.SERVICE_FIELDS,
                                 forms.EQUIPMENT_FIELDS, forms.BILL_FIELDS) for name in fields}
    assert set(errors.FIELDS) <= set(errors.RULES)
    assert set(errors.FIELDS.values()) == names - {"due_date"} | {"started_on", "first_day"}  # of a service, of a pause


YES_QUESTIONS = {
    "deletion": (["1", "4", "2"], "Type yes to delete:", "Deleted customer 2"),
    "known phone": (["1", "1", "Cy", "5550101"], "Type yes to add another customer:", "Added customer 3"),
    "odd payment": (["5", "6", "1", "600", "", "", ""], "Type yes if that is right:", "Recorded payment 2"),
    "repeated payment": (["5", "6", "1", "25", "", "", ""], "Type yes to record another one:", "Recorded payment 2"),
    "void": (["5", "8", "1", "typo"], "Type yes to void it:", "Voided payment 1"),
    "undo": (["5", "10", "2030-12"], "Type yes to remove them:", "Removed 1 bill"),
    "export": (["7", "3", "{file}", ""], "Type yes to replace it:", "Exported 2 bills"),
    "import": (["7", "1", "{import}", ""], "Type yes to import:", "Imported 1 customer"),
}


@pytest.mark.parametrize(("form", "typed"), [
    *((form, "y") for form in YES_QUESTIONS), *(("deletion", typed) for typed in ("ye", "Y", "yes!", "ja", "1")),
])
def test_a_short_yes_is_asked_about_once_more_and_loses_no_form(form, typed, records, terminal, tmp_path):
    if form in ("undo", "export"):
        bill_run.run(date(2030, 12, 1), date(2030, 12, 15))
    (tmp_path / "out.csv").write_text("mine")
    (tmp_path / "in.csv").write_text("name,phone\nDi,5550199\n")
    answers, question, said = YES_QUESTIONS[form]
    files = {"{file}": str(tmp_path / "out.csv"), "{import}": str(tmp_path / "in.csv")}
    child = terminal(columns=200)
    answer_all(child, [files.get(answer, answer) for answer in answers])
    child.expect_exact(question)
    child.send(f"{typed}\r")
    child.expect_exact("Type yes in full, or no.")
    child.expect_exact(question)
    child.send("yes\r")
    child.expect_exact(said)


@pytest.mark.parametrize("typed", ["no", "", "n", "y"])
def test_a_second_answer_that_is_not_yes_is_no(typed, records, terminal, sql):
    child = terminal()
    answer_all(child, ["1", "4", "2", "y"])
    child.expect_exact("Type yes in full, or no.")
    child.expect_exact("to delete: ")
    child.send(f"{typed}\r")
    child.expect_exact("Not deleted.")
    assert len(sql("SELECT 1 FROM customers")) == 2


def test_a_person_who_is_called_no_is_erased_by_name(records, terminal, sql):
    sql("UPDATE customers SET name = 'No', closed_on = CURRENT_DATE WHERE customer_id = 2")
    child = terminal()
    answer_all(child, ["1", "8", "2", "no"])
    child.expect_exact("Erased customer 2.")


def test_a_total_that_is_not_the_one_is_asked_for_once_more(records, terminal, sql):
    child = terminal()
    answer_all(child, ["5", "9", "2030-12", "", "yes"])
    child.expect_exact("Type 49.90 in full, or no.")
    answer_all(child, ["49.90"])
    child.expect_exact("Created 1")
