"""Which column is which field."""
from __future__ import annotations

import pytest

from tracker import errors
from tracker.transfer import columns
from tracker.transfer.choices import Choices, named
from tracker.transfer.sorting import Column


def chosen(headers, *maps, **more):
    return Choices(columns=dict(columns.parse_choice(headers, answer) for answer in maps), **more)


def matched(line, *maps, **more):
    """Return each field's columns by their headers, which stand between commas."""
    headers = line.split(",")
    choices = columns.match_headers(headers, chosen(headers, *maps, **more))
    return {name: named(formulas, headers) for name, formulas in choices.columns.items()}


def left_out(line, *maps):
    headers = line.split(",")
    return columns.left_out_parts(headers, columns.match_headers(headers, chosen(headers, *maps)))


def unclear(line, *maps):
    with pytest.raises(errors.UnclearMapping) as raised:
        matched(line, *maps)
    return str(raised.value), raised.value.example


def test_our_own_export_is_matched_to_itself():
    line = ",".join(name for name in columns.FIELDS if name not in ("customer_status", "service_status", "balance"))
    assert matched(line) == dict(zip(line.split(","), line.split(",")))


@pytest.mark.parametrize(("line", "name"), [
    ("First,Last", "First + Last"), ("Last name,First Name", "First Name + Last name"),
    ("Company,First Name,Middle Name,Last Name", "Company or First Name + Middle Name + Last Name"),
    ("Name,Vorname", "Vorname + Name"), ("Nome,Cognome", "Nome + Cognome"), ("Prénom,Nom", "Prénom + Nom"),
    ("Display Name,Company Name,First Name,Last Name", "Display Name or Company Name or First Name + Last Name"),
    ("*ContactName,FirstName,LastName", "*ContactName or FirstName + LastName"),
    ("Nazwisko i imię / Nazwa", "Nazwisko i imię / Nazwa"), ("Customer,Company", "Customer or Company"),
])
def test_a_name_is_whole_else_the_company_else_first_and_last(line, name):
    assert matched(line)["name"] == name


def test_phones_and_addresses_of_mail_are_the_first_that_is_filled():
    found = matched("Name,Mobile,Phone,Fax,Work phone,E-mail,E-mail 2")
    assert (found["phone_number"], found["email"]) == ("Phone or Mobile or Work phone", "E-mail or E-mail 2")


def test_an_address_is_of_its_parts_and_that_of_service_before_any_other():
    assert matched("Name,PLZ,Ort,Straße,Hausnr.,Land")["address"] == "Straße + Hausnr. + PLZ + Ort"
    assert matched("Name,Billing Street,Billing City,Service Address,Service City")["address"] == (
        "Service Address + Service City or Billing Street + Billing City")
    assert matched("Name,Address,Street 1,City")["address"] == "Address or Street 1 + City"
    assert matched("Nome,Endereço,Número,Bairro,Cidade,Estado,CEP") == {
        "name": "Nome", "address": "Endereço + Número + Bairro + Cidade + Estado + CEP"}


def test_a_number_behind_a_street_is_no_account_number():
    assert matched("Nr,Name,Straße,Nr,Ort", "account_number=1")["address"] == "Straße + Nr (column 4) + Ort"
    assert "account_number" not in matched("Name,Straße,Nr,Ort")


def test_the_number_of_another_system_is_an_account_number_and_our_own_is_not():
    assert matched("Customer ID,Name")["account_number"] == "Customer ID"
    assert matched("ID,Login,Name")["account_number"] == "ID"
    assert matched("ID,Kundennummer,Name")["account_number"] == "Kundennummer"
    assert matched("Id,Name,Custom ID")["account_number"] == "Custom ID or Id"
    assert "customer_id" in matched("customer_id,name")
    assert matched("customer_id,plan,price") == {
        "account_number": "customer_id", "service_name": "plan", "service_cost": "price"}


def test_a_file_without_names_needs_a_number_and_something_to_say():
    assert matched("Account no,Amount owed") == {"account_number": "Account no", "balance": "Amount owed"}
    assert unclear("phone,address") == ("No column looks like name.", "name=Header")
    assert unclear("account number") == ("No column looks like name.", "name=Header")
    assert unclear("id,plan,price") == ("No column looks like name.", "name=Header")


@pytest.mark.parametrize(("line", "sentence", "example"), [
    ("name,name,phone", "name (column 1) and name (column 2) could both be name.", "name=1"),
    ("name,address,plan,package,price", "plan and package could both be service_name.", "service_name=plan"),
    ("name,address,price,cost,rate,plan", "price and cost and rate could all be service_cost.", "service_cost=price"),
    ("name,address,plan", "There is a column for service_name but none for service_cost.", "service_name="),
    ("name,address,price", "There is a column for service_cost but none for service_name.", "service_cost="),
    ("name,address,router", "There is a column for equipment_name but none for equipment_cost.", "equipment_name="),
    ("name,phone,address,serial", "There is a column for serial_number but none for equipment_name.", "serial_number="),
])
def test_what_is_not_clear_is_asked_with_an_example(line, sentence, example):
    assert unclear(line) == (sentence, example)


def test_the_surer_of_two_words_is_meant_and_none_is_asked():
    found = matched("Name,Address,Plan,Plan name,Price,Monthly fee")
    assert (found["service_name"], found["service_cost"]) == ("Plan name", "Monthly fee")


def test_what_could_be_a_part_of_a_record_without_the_rest_is_left_out_and_pointed_out():
    assert matched("name,phone,MAC") == {"name": "name", "phone_number": "phone"}
    assert left_out("name,phone,MAC") == [("MAC", "serial_number")]
    assert matched("name,phone,plan,price") == {"name": "name", "phone_number": "phone"}
    assert left_out("name,phone,plan,price") == [("plan", "service_name"), ("price", "service_cost")]


def test_a_status_by_its_name_is_a_services_and_a_state_is_part_of_an_address():
    found = matched("Nombre,Dirección,Plan,Precio,Estado,Service status")
    assert (found["customer_status"], found["service_status"]) == ("Estado", "Service status")
    assert "customer_status" not in matched("Nome,Cidade,Estado")


def test_a_balance_whose_sign_is_not_known_is_pointed_out_and_what_is_owed_is_taken():
    assert matched("Kunde,Offener Betrag")["balance"] == "Offener Betrag"
    assert "balance" not in matched("Kunde,Saldo")
    assert left_out("Kunde,Saldo,Guthaben") == [("Saldo", "balance"), ("Guthaben", "balance")]


def test_a_quantity_counts_where_the_price_is_that_of_one():
    assert matched("Name,Address,Product,Qty,Unit price")["quantity"] == "Qty"
    assert "quantity" not in matched("Name,Address,Product,Qty,Total")


@pytest.mark.parametrize(("line", "maps", "parts"), [
    ("Name,Street,City,Zip", ["address=Street"], [("City", "address"), ("Zip", "address")]),
    ("Name,Street,City,Billing City", [], []),
    ("First,Last,Phone,Mobile", ["name=Last", "phone_number=Mobile"], [("First", "name"), ("Phone", "phone_number")]),
    ("Name,Address,Plan,Price,Billing cycle,Discount", [], [("Billing cycle", "service_cost"),
    ("Discount", "service_cost")]),
    ("Name,Address,Plan,Price,Valid until", [], [("Valid until", "service_end")]), ("Name,Valid until", [], []),
    ("Name,Phone,Phone CC", [], [("Phone CC", "phone_number")]),
    ("Name,Notes,Colour", ["notes="], []),
])
def test_what_looks_like_a_part_of_a_field_and_is_left_out_is_pointed_out(line, maps, parts):
    assert left_out(line, *maps) == parts


def test_columns_of_no_field_are_named():
    headers = ["name", "phone", "Colour", "line_number", "reason", "Colour"]
    choices = columns.match_headers(headers)
    assert columns.ignored_headers(headers, choices) == ["Colour (column 3)", "Colour (column 6)"]


@pytest.mark.parametrize(("answer", "shown"), [
    ("name=Company|First+Last", "Company or First + Last"), ("name=first + LAST", "First + Last"),
    ("name=2+3", "First + Last"),
    ("name=#2", "First"), ("phone_number=Phone+5", "Phone (column 4) or Phone (column 5)"), ("phone_number=", ""),
    ("balance=-Saldo", "-Saldo"), ("service_cost=Price/Months", "Price/Months"),
    ("service_cost=Saldo/12", "Saldo / 12"),
    ("service_cost=Saldo*#7/1.19", "Saldo x Price/Months / 1.19"), ("balance=Saldo-Paid", "Saldo - Paid"),
])
def test_columns_are_said_by_header_or_number_joined_or_worked_out(answer, shown):
    headers = ["Company", "First", "Last", "Phone", "Phone", "Saldo", "Price/Months", "Paid"]
    answer = answer.replace("Phone+5", "4+5")
    _, formulas = columns.parse_choice(headers, answer)
    assert named(formulas, headers) == shown


@pytest.mark.parametrize(("answer", "sentence"), [
    ("name", "Write it as name=Header; the fields are customer_id, account_number, name,"),
    ("nonsense=Phone", "Write it as name=Header; the fields are"),
    ("name=Nobody", "The file has no column Nobody; it has 1 Name, 2 Phone, 3 Phone."),
    ("name=9", "The file has no column 9; it has"),
    ("phone_number=Phone", "The header Phone stands in columns 2 and 3; name one by its number: phone_number=2"),
    ("name=Name+", "Name a column after the +."),
    ("service_cost=Name/0", "The file has no column 0; it has"),
])
def test_a_choice_that_is_none_is_one_sentence(answer, sentence):
    with pytest.raises(ValueError, match=r"[.+2]\Z") as raised:
        columns.parse_choice(["Name", "Phone", "Phone"], answer)
    assert str(raised.value).startswith(sentence)


def test_a_field_can_be_left_out_and_its_record_with_it():
    assert matched("name,address,plan", "service_name=") == {"name": "name", "address": "address"}


def test_constants_prices_and_states_are_parsed_as_the_forms_do():
    assert columns.parse_constant(" Equipment_cost = 0") == ("equipment_cost", "0.00")
    assert columns.parse_constant("customer_status=Paused") == ("customer_status", "paused")
    assert columns.parse_price("Fibre = 100=29.9") == ("fibre100", "29.90")
    assert columns.parse_state("No packages=paused") == ("nopackages", "paused")
    for parse, answer in ((columns.parse_constant, "colour=red"), (columns.parse_constant, "service_cost=dear"),
                          (columns.parse_price, "29.90"), (columns.parse_state, "On=perhaps"),
                          (columns.parse_state, "x")):
        with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
            parse(answer)


def test_a_constant_or_a_price_does_for_a_column():
    assert "equipment_name" in matched("name,address,router", constants={"equipment_cost": "0.00"})
    assert "service_name" in matched("name,address,plan", prices={"fibre": "20.00"})
    assert "service_cost" in matched("name,address,price", constants={"service_name": "Fibre"})


def like(*values):
    """Return what a column is like that has these words."""
    return Column(few=frozenset(values))


@pytest.mark.parametrize(("line", "columns_like", "parts"), [
    ("Name,Phone,Zustand", ((), (), ("aktiv", "gesperrt")), [("Zustand", "customer_status")]),
    ("Name,Phone,Zustand", ((), (), ("aktiv", "laufend")), []),
    ("Name,Phone,Group", ((), (), ("north", "south", "closed")), []),
    ("Name,Phone,Login status", ((), (), ("0", "1")), [("Login status", "customer_status")]),
    ("Name,Status,Zustand", ((), ("active",), ("aktiv", "gesperrt")), []),
])
def test_a_status_under_an_unknown_header_is_told_by_its_words_and_pointed_out(line, columns_like, parts):
    headers = line.split(",")
    choices = columns.match_headers(headers)
    assert columns.left_out_parts(headers, choices, [like(*words) for words in columns_like]) == parts


def test_a_state_that_has_words_of_a_status_is_one():
    headers = ["Nombre", "Calle", "Código postal", "Ciudad", "Estado"]
    for words, is_status in (("activo", "bloqueado"), True), (("jalisco", "colima"), False):
        found = columns.match_headers(headers, None, [*[like()] * 4, like(*words)])
        assert ("customer_status" in found.columns, 4 in found.columns_of("address")) == (is_status, not is_status)


def test_a_sign_for_a_number_means_one_and_alone_only_counts_the_lines():
    assert matched("Client #,First Name,Last Name")["account_number"] == "Client #"
    assert matched("№,Договор,Абонент")["account_number"] == "Договор"
    assert matched("№ договора,Абонент")["account_number"] == "№ договора"


def test_a_polish_code_beside_a_postal_one_is_the_customers():
    found = matched("Kod,Nazwa,Ulica,Kod pocztowy,Miasto")
    assert (found["account_number"], found["address"]) == ("Kod", "Ulica + Kod pocztowy + Miasto")
    assert matched("Nazwa,Ulica,Kod,Miasto")["address"] == "Ulica + Kod + Miasto"


def test_a_header_of_which_only_the_end_stands_there_belongs_to_the_one_before():
    found = matched("Co./Last Name,First Name,Addr 1 - Line 1,- Line 2,- City,- Phone # 1,- Contact Name,"
                    "Addr 2 - Line 1,- Line 2,- City,- Phone # 1,- Contact Name")
    assert found["name"] == "First Name + Co./Last Name"
    assert found["address"] == ("Addr 1 - Line 1 + - Line 2 (column 4) + - City (column 5) or "
                                "Addr 2 - Line 1 + - Line 2 (column 9) + - City (column 10)")


@pytest.mark.parametrize(("header", "address"), [
    ("Postal address", "Postal address"), ("Person - Postal address", "Person - Postal address"),
    ("Serviceable Address", "Serviceable Address"),
])
def test_an_address_is_known_by_what_it_is_for(header, address):
    assert matched(f"Name,{header}")["address"] == address
