"""What the page answers of an account's whole life: notes, credit notes, devices that move, customers who left."""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import lines, run_program
from pages import books, empty, problem, together

import database
from tracker import accounts, credits, notes, payments, reports, stock
from tracker.terminal import screens, tables
from web.shapes import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place():
    """Books of which each test has customers of its own."""
    with books(empty) as made:
        database.connect(made.uri)
        yield made
        database.disconnect()


@pytest.fixture(scope="module")
def bob(served):
    return served.person("bob")


def ahead(days):
    return database.today() + timedelta(days=days)


@pytest.fixture
def customer(place):
    """A customer with a site, a service, a device, and a bill of 75.00 that is ten days late."""
    customer_id = database.add_customer(uuid4().hex, None)
    location_id = database.add_location(customer_id, "1 Harbour Street")
    database.add_service(location_id, "Fibre 500", Decimal("49.90"), ahead(-40))
    database.add_equipment(location_id, "Router", uuid4().hex, Decimal(89))
    database.add_bill(customer_id, "Installation", Decimal(75), ahead(-10))
    return customer_id


def device_of(customer_id):
    site_, *_ = reports.get_account(customer_id)["locations"]
    return database.get_equipment(site_["equipment"][0]["equipment_id"])


def closed(days=0):
    """Return a customer who left so many days ago."""
    customer_id = database.add_customer(uuid4().hex, None)
    accounts.close(customer_id, ahead(-days), to_stock=True)
    return customer_id


def merged_into(customer_id):
    goes = database.add_customer(uuid4().hex, None)
    accounts.merge(customer_id, goes)
    return goes


def wire(rows):
    """Return records as they go over the wire."""
    return [{name: str(value) if hasattr(value, "isoformat") else value for name, value in record(row).items()}
            for row in rows]


def every_row(visitor, path, **asked):
    """Return a list by pages of one row, each with how many it says there are."""
    seen, totals, cursor = [], [], None
    while not seen or cursor:
        answer = visitor.get(path, params={"limit": 1, **asked, **({"cursor": cursor} if cursor else {})}).json()
        assert cursor is None or cursor != answer["next"], "the list goes round"
        seen, cursor = [*seen, *answer["rows"]], answer["next"]
        totals.append(answer.get("total"))
    return seen, totals


# Customers who left


def test_closed_customers_are_listed_where_they_are_asked_for_the_last_closed_first(bob, customer):
    gone = [closed(3), closed(1), closed(2)]
    merged_into(customer)
    rows, totals = every_row(bob, "/api/customers", closed=True)
    theirs = [row["customer_id"] for row in rows if row["customer_id"] in gone]
    assert theirs == [gone[1], gone[2], gone[0]]
    assert rows == [{**row, "address": None} for row in wire(database.list_closed_customers(limit=1_000))]
    assert totals == [database.count_closed_customers(), *[None] * (len(rows) - 1)]
    open_, _ = every_row(bob, "/api/customers", limit=200)
    assert {row["customer_id"] for row in open_}.isdisjoint(row["customer_id"] for row in rows)


@pytest.mark.parametrize("quick", [False, True])
def test_a_search_finds_who_left_and_says_since_when(bob, quick):
    customer_id = closed(2)
    name = database.get_customer(customer_id)["name"]
    found = bob.get("/api/customers", params={"search": name, "quick": quick}).json()["rows"]
    assert [(row["customer_id"], row["closed_on"]) for row in found] == [(customer_id, str(ahead(-2)))]


@pytest.mark.parametrize(("path", "body"), [
    ("customers/{customer}/locations", {"address": "9 Hill"}),
    ("locations/{location}/services", {"service_name": "TV", "cost": "5"}),
    ("locations/{location}/equipment", {"equipment_name": "Box", "cost": "5"}),
])
def test_nothing_is_added_to_a_closed_account(bob, customer, path, body):
    location, = database.list_locations(customer_id=customer)
    accounts.close(customer, ahead(0), to_stock=False)
    answer = bob.post("/api/" + path.format(customer=customer, location=location["location_id"]), json=body)
    assert problem(answer, 409)["error"] == accounts.why_closed(database.get_customer(customer))


def test_a_merged_customer_gets_no_note_and_no_credit_note(bob, customer):
    goes = merged_into(customer)
    said = accounts.merged(database.get_customer(goes))
    for path, body in (("notes", {"note": "Called."}), ("payments", {
        "entry_key": str(uuid4()), "amount": "5", "paid_on": "today", "method": "cash"}), (
            "credit-notes", {"entry_key": str(uuid4()), "amount": "5", "reason": "Outage"})):
        assert problem(bob.post(f"/api/customers/{goes}/{path}", json=body), 409)["error"] == said
    assert (notes.count_notes(goes), payments.count_payments(goes)) == (0, 0)


def test_an_account_says_when_services_run_and_what_they_will_cost(bob, customer):
    service, = bob.get(f"/api/customers/{customer}").json()["locations"][0]["services"]
    database.end_service(service["service_id"], ahead(20))
    now, = bob.get(f"/api/customers/{customer}").json()["locations"][0]["services"]
    assert now == {**service, "started_on": str(ahead(-40)), "ended_on": str(ahead(20)), "coming_prices": [],
                   "standing": f"ends {ahead(20)}"}


# Notes and promises


def test_a_note_is_returned_as_it_is_listed(bob, customer):
    bob.post(f"/api/customers/{customer}/notes", json={"note": "Called."})
    said = bob.post(f"/api/customers/{customer}/notes", json={
        "note": "Will pay.", "promised_until": "+3", "promised_amount": "50"})
    assert (said.status_code, said.json()["promised_until"], said.json()["state"]) == (201, str(ahead(3)), "open")
    rows, _ = every_row(bob, f"/api/customers/{customer}/notes")
    assert rows[0] == {**said.json(), "noted_by": "bob"}
    # whether it may go is asked for whoever looks: here that is another
    assert rows == [{**row, "may_go": True} for row in wire(notes.list_notes(customer))]


@pytest.mark.parametrize(("path", "body", "then"), [
    ("notes", {"promised_until": "+3", "promised_amount": "750"}, ""),
    ("credit-notes", {"entry_key": str(uuid4()), "amount": "750", "reason": "Outage"}, "; what is left will be credit"),
])
def test_far_more_than_is_owed_is_asked_about(bob, customer, path, body, then):
    asked = problem(bob.post(f"/api/customers/{customer}/{path}", json=body), 409)
    assert asked["questions"] == [{
        "kind": "much", "sentence": f"750.00 is ten times what is owed or more{then}.", "customers": [],
        "payments": []}]
    assert (notes.count_notes(customer), payments.count_payments(customer)) == (0, 0)
    written = bob.post(f"/api/customers/{customer}/{path}", json={**body, "confirmed": ["much"]})
    assert written.status_code == 201
    assert notes.count_notes(customer) + payments.count_payments(customer) == 1


@pytest.mark.parametrize(("body", "field", "said"), [
    ({}, "note", "Enter a note, or what was promised, or both."),
    ({"note": None}, "note", "Enter a note, or what was promised, or both."),
    ({"promised_amount": "5"}, "note", "Enter a note, or what was promised, or both."),
    ({"note": "x", "promised_amount": "5"}, "promised_until", "A promise is of an amount above 0, and until a day."),
    ({"promised_until": "+3"}, "promised_amount", "A promise is of an amount above 0, and until a day."),
    ({"promised_until": "yesterday", "promised_amount": "5"}, "promised_until",
     "Enter today or a later day; {yesterday} is past."),
])
def test_a_note_that_says_nothing_and_half_a_promise_are_refused(bob, customer, body, field, said):
    refused = problem(bob.post(f"/api/customers/{customer}/notes", json=body), 422)
    assert (refused["field"], refused["error"]) == (field, said.format(yesterday=ahead(-1)))
    assert notes.count_notes(customer) == 0


def test_the_late_list_and_the_account_have_the_promise(bob, customer):
    bob.post(f"/api/customers/{customer}/notes", json={"promised_until": "today", "promised_amount": "75"})
    name = database.get_customer(customer)["name"]
    late, = bob.get("/api/late", params={"search": name}).json()["rows"]
    assert late["promise"] == bob.get(f"/api/customers/{customer}").json()["promise"] == {
        "amount": "75.00", "until": str(ahead(0)), "state": "open"}


# Credit notes


def credit(visitor, customer_id, **body):
    return visitor.post(f"/api/customers/{customer_id}/credit-notes", json={
        "entry_key": str(uuid4()), "amount": "20", "reason": "Outage", **body})


def what_it_did(customer_id):
    """Return what an account shows of its money, without what tells one record from another."""
    account = reports.get_account(customer_id)
    paid = [{**row, "payment_id": 0} for row in payments.list_payments(customer_id)]
    bills = [[(payment["kind"], payment["amount"]) for payment in bill["payments"]] for bill in account["unpaid_bills"]]
    return account["amount_due"], account["credit"], paid, bills


def test_a_credit_note_of_the_page_is_that_of_the_terminal(bob, place, customer):
    other = database.add_customer(uuid4().hex, None)
    database.add_bill(other, "Installation", Decimal(75), ahead(-10))
    made = credit(bob, customer, amount="80")
    done = run_program(place.uri, answers=lines(str(other), "12", "80", "Outage", "0", "0"))
    assert (made.status_code, done.returncode, done.stderr) == (201, 0, "")
    assert what_it_did(customer) == what_it_did(other)
    assert what_it_did(customer)[:2] == (0, 5)
    assert made.json()["bills"] == [{**bill, "amount": "75.00"} for bill in payments.get_payment(
        made.json()["payment_id"])["bills"]]


def test_a_credit_note_sent_twice_at_once_counts_once(bob, customer):
    key = str(uuid4())
    answers = together(4, lambda: credit(bob, customer, entry_key=key))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["payment_id"] for answer in answers}) == payments.count_payments(customer) == 1
    said = problem(credit(bob, customer, entry_key=key, amount="21"), 409)["error"]
    assert said == "This form was saved before with other values; open a new one to record another credit note."
    assert reports.get_account(customer)["amount_due"] == 55


def test_a_credit_note_is_voided_as_a_payment_is(bob, customer):
    made = credit(bob, customer).json()
    answer = bob.post(f"/api/payments/{made['payment_id']}/void", json={"reason": "wrong customer"})
    assert (answer.status_code, answer.json()["kind"], answer.json()["void_reason"]) == (
        200, "credit note", "wrong customer")
    assert reports.get_account(customer)["amount_due"] == 75


def test_what_was_given_back_of_a_payment_stands_with_it_and_with_the_refund(bob, customer):
    paid = payments.record_payment(customer, Decimal(75), ahead(0), "cash", None, uuid4())
    back = credits.refund(customer, Decimal(5), "transfer", "B-1", uuid4(), paid["payment_id"])
    answers = [bob.get(f"/api/payments/{row['payment_id']}").json()["refunds"] for row in (paid, back)]
    assert answers == [
        [{"payment_id": back["payment_id"], "kind": "refund", "paid_on": str(ahead(0)), "amount": "5.00"}],
        [{"payment_id": paid["payment_id"], "kind": "payment", "paid_on": str(ahead(0)), "amount": "5.00"}],
    ]


# Devices


def move(visitor, device, to, **seen):
    return visitor.post(f"/api/equipment/{device['equipment_id']}/move", json={
        "location_id": to if to is None else str(to),
        "seen": {"location_id": device["location_id"], "retired_on": None, **seen}})


def test_a_device_is_taken_back_and_put_elsewhere_and_its_places_are_those_of_the_terminal(bob, place, customer):
    device, other = device_of(customer), database.add_customer("Bo Li", None)
    there = database.add_location(other, "9 Hill")
    taken = move(bob, device, None)
    assert (taken.status_code, taken.json()["place"], taken.json()["customer_id"]) == (200, "in stock", None)
    put = move(bob, {**device, "location_id": None}, there)
    assert (put.status_code, put.json()["place"], put.json()["customer_id"]) == (200, "9 Hill", other)
    places = bob.get(f"/api/equipment/{device['equipment_id']}/places").json()
    assert places == wire(stock.places(device["equipment_id"]))
    assert [(row["place"], row["person"]) for row in places] == [
        ("Bo Li, 9 Hill", "bob"), ("stock", "bob"),
        (f"{database.get_customer(customer)['name']}, 1 Harbour Street", "isp")]
    done = run_program(place.uri, answers=lines("4", "2", f"equipment {device['equipment_id']}", "0", "0"))
    assert "\n".join(screens.place_lines(stock.places(device["equipment_id"]))) in done.stdout


def test_a_device_that_is_moved_from_where_it_no_longer_is_stays(bob, customer):
    device = device_of(customer)
    stock.move(device, None)
    assert problem(move(bob, device, None, location_id=device["location_id"]), 409)["error"] == stock.MOVED
    assert database.get_equipment(device["equipment_id"])["place"] == "in stock"


def test_a_device_is_moved_nowhere_but_to_another_place_that_is_there(bob, customer):
    device = device_of(customer)
    left = closed()
    accounts.reopen(left)
    theirs = database.add_location(left, "9 Hill")
    accounts.close(left, ahead(0), to_stock=True)
    refused = [problem(move(bob, device, to), status) for to, status in (
        (device["location_id"], 422), (999_999, 409), (theirs, 409))]
    assert [(said["field"], said["error"]) for said in refused] == [
        ("location_id", "It is there already."), (None, "That location no longer exists."),
        (None, accounts.why_closed(database.get_customer(left)))]
    assert device_of(customer) == device


def test_a_device_that_was_written_off_is_found_again(bob, customer):
    device = device_of(customer)
    stock.write_off(device)
    gone = {**device, "location_id": None}
    problem(move(bob, gone, None), 422)
    found = move(bob, gone, None, retired_on=str(ahead(0)))
    assert (found.status_code, found.json()["place"], found.json()["retired_on"]) == (200, "in stock", None)


def test_stock_is_listed_by_name_to_its_end_with_what_it_is_worth_as_in_the_terminal(bob, place, customer):
    for name, cost in (("Switch", 40), ("ONT", 30), ("ont", 35)):
        database.add_equipment(None, name, uuid4().hex, Decimal(cost))
    rows, totals = every_row(bob, "/api/stock")
    assert rows == wire(stock.list_stock(limit=1_000))
    total = stock.stock_total()
    assert totals == [wire([total])[0]] * len(rows)
    done = run_program(place.uri, answers=lines("4", "6", "0", "0"))
    assert f"{tables.table(screens.STOCK, stock.list_stock(limit=1_000))}\n{screens.stock_footer(total)}" in done.stdout
    device, = bob.get("/api/equipment", params={"search": rows[0]["serial_number"]}).json()["rows"]
    assert (device["equipment_id"], device["place"]) == (rows[0]["equipment_id"], "in stock")
