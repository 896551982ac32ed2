"""What is written on the page in a real browser: once, as asked, by who may, and over nobody's work unseen."""
from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from browser import at_desk
from conftest import wait_for
from pages import PASSWORDS, books, empty
from playwright.sync_api import expect
from test_people import WORD

import database
from tracker import access, notes, payments, reports

pytestmark = pytest.mark.slow

NO_RIGHT = "This login may not do that."


@pytest.fixture(scope="module")
def place(browser):
    """Books of which each test has customers of its own; cara and dora may change things, too."""
    with books(empty) as made:
        made.add("cara")
        made.add("dora")
        database.connect(made.uri)
        yield made
        database.disconnect()


@pytest.fixture
def bob_refused(desk):
    """The same, who will be refused something by the rules."""
    with desk("bob", refused=[409, 422]) as screen:
        yield screen


def somebody():
    """Return the name of a new customer that is like nobody else's."""
    return uuid4().hex


@pytest.fixture
def customer(place):
    """A customer who is late with an installation of 75.00, and has a service, a device and their site."""
    customer_id = database.add_customer(somebody(), None)
    location_id = database.add_location(customer_id, "1 Harbour Street")
    database.add_service(location_id, "Fibre 500", Decimal("49.90"))
    database.add_equipment(location_id, "Router AX3000", None, Decimal(89))
    database.add_bill(customer_id, "Installation", Decimal(75), database.today() - timedelta(days=10))
    return customer_id


def site_of(customer_id):
    location, = reports.get_account(customer_id)["locations"]
    return location


def recorded(customer_id):
    """Return the amounts of what was recorded and is not void."""
    return [f"{row['amount']:.2f}" for row in payments.list_payments(customer_id) if not row["voided_on"]]


def to_pay(customer_id):
    return f"{reports.get_account(customer_id)['amount_due']:.2f}"


def payment_form(screen, customer_id, **typed):
    """Open the form of a payment and fill it in, not sent yet."""
    screen.open(f"customers/{customer_id}")
    screen.button("Record payment").click()
    form = screen.page.get_by_role("dialog", name="Record payment of")
    expect(form.get_by_label("Amount")).to_be_focused()
    fill(form, **typed)
    return form


def fill(form, **typed):
    for label, value in typed.items():
        field = form.get_by_label(label.replace("_", " "))
        if label in ("Method", "Bill"):
            field.select_option(value)
        else:
            field.fill(str(value))


def values(form):
    """Return what stands in a form's inputs, by their labels without what is optional about them."""
    return form.evaluate("""(form) => Object.fromEntries([...form.querySelectorAll("label")].map((label) =>
        [label.firstChild.textContent, label.control.value]))""")


def refusal(form, label):
    """Wait for what is said against a field, beside it and to who cannot see it, and return it."""
    field = form.get_by_label(label)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    said, below = field.evaluate("""(field) => {
        const said = document.getElementById(field.getAttribute("aria-describedby"));
        return [said.innerText, said.getBoundingClientRect().top - field.getBoundingClientRect().bottom];
    }""")
    assert 0 <= below < 10
    return said


def posts(screen):
    """Return the writes that the page sends from now on."""
    sent = []
    screen.page.on("request", lambda request: sent.append(request.method) if request.method != "GET" else None)
    return sent


def lose_answers(screen, path):
    """Let the next write to that path go through, and its answer reach nobody."""
    screen.page.route(path, lambda route: (route.fetch(), route.abort()), times=1)


# Payments


def test_a_payment_is_recorded_told_and_the_account_follows(bob, customer):
    form = payment_form(bob, customer, Amount="60.5", Method="cash", Reference="R-1")
    form.get_by_role("button", name="Record payment").click()
    told = bob.dialog("Payment recorded")
    expect(told).to_be_visible()
    payment, = payments.list_payments(customer)
    name, bill = reports.get_account(customer)["name"], reports.get_account(customer)["unpaid_bills"][0]
    expect(told.get_by_role("status")).to_have_text(
        f"Recorded payment {payment['payment_id']}, 60.50 on {database.today()}, of {name}.")
    bob.shows("Paid with it", [[f"Bill {bill['billing_id']}, Installation", "60.50"]])
    told.get_by_role("button", name="Done").click()
    expect(bob.button("Record payment")).to_be_focused()
    wait_for(lambda: bob.figures()["To pay"] == "14.50")
    assert (payment["method"], payment["reference"], recorded(customer)) == ("cash", "R-1", ["60.50"])


def test_what_is_owed_stands_beside_the_form_and_a_click_on_it_enters_it(bob, customer):
    form = payment_form(bob, customer)
    bill, = reports.get_account(customer)["unpaid_bills"]
    bob.shows("Unpaid bills", [[f"Installation {bill['billing_id']}", "10 days late", "75.00"],
                               ["To pay", "75.00"], ["Credit", "0.00"]])
    form.get_by_role("row", name="To pay").last.get_by_role("button").click()
    expect(form.get_by_label("Amount")).to_have_value("75.00")


def test_a_payment_on_an_earlier_day_and_for_a_bill_is_recorded_so(bob, customer):
    second = database.add_bill(customer, "Repair", Decimal(20), database.today())
    day = database.today() - timedelta(days=3)
    form = payment_form(bob, customer, Amount="20", Date=day, Bill=str(second.billing_id))
    form.get_by_role("button", name="Record payment").click()
    bob.shows("Paid with it", [[f"Bill {second.billing_id}, Repair", "20.00"]])
    assert [row["paid_on"] for row in payments.list_payments(customer)] == [day]


def test_yesterday_may_be_said(bob, customer):
    payment_form(bob, customer, Amount="75", Date="yesterday").get_by_role("button", name="Record payment").click()
    expect(bob.dialog("Payment recorded")).to_be_visible()
    assert [row["paid_on"] for row in payments.list_payments(customer)] == [database.today() - timedelta(days=1)]


@pytest.mark.parametrize(("field", "typed", "said"), [
    ("Amount", "", "Enter an amount such as 49.90: at most ten digits, and two decimals after a point."),
    ("Amount", "1.005", "Enter an amount such as 49.90: at most ten digits, and two decimals after a point."),
    ("Amount", "0", "Enter an amount above 0, such as 49.90."),
    ("Date", "2026-02-30", "2026 is no leap year: February has 28 days."),
    ("Date", "2199-01-01", None), ("Date", "", None),
    ("Reference", "r" * 101, "Enter 1 to 100 characters; that was 101."),
])
def test_a_refused_payment_says_why_beside_the_field_and_keeps_what_was_typed(
        bob_refused, customer, field, typed, said):
    whole = {"Amount": "75", "Date": "yesterday", "Method": "cheque", "Reference": uuid4().hex, field: typed}
    form = payment_form(bob_refused, customer, **whole)
    form.get_by_role("button", name="Record payment").click()
    assert refusal(form, field) == (said or refusal(form, field))
    assert values(form) == {**whole, "Bill": ""}
    assert recorded(customer) == []
    form.get_by_label(field).fill({"Amount": "75", "Date": "today", "Reference": uuid4().hex}[field])
    form.get_by_role("button", name="Record payment").click()
    expect(bob_refused.dialog("Payment recorded")).to_be_visible()
    assert recorded(customer) == ["75.00"]


@pytest.fixture(params=["much", "long_ago", "repeated", "reference"])
def doubtful(request, customer):
    """A payment that is asked about: what to type, and what is asked."""
    today = database.today()
    if request.param == "much":
        return {"Amount": "750"}, "750.00 is ten times what is owed or more; what is left will be credit."
    if request.param == "long_ago":
        day = today - timedelta(days=365)
        return {"Amount": "75", "Date": day}, f"{day} is a year ago or more."
    if request.param == "repeated":
        payments.record_payment(customer, Decimal(10), today, "cash", None, uuid4())
        return {"Amount": "10"}, "A payment of this amount on this day is recorded already."
    other = database.add_customer(somebody(), None)
    reference = uuid4().hex
    payments.record_payment(other, Decimal(12), today, "cash", reference, uuid4())
    return {"Amount": "10", "Reference": reference}, f"Reference {reference} is recorded already."


def test_an_odd_payment_is_asked_about_and_going_back_writes_nothing(bob_refused, customer, doubtful):
    typed, question = doubtful
    before = recorded(customer)
    form = payment_form(bob_refused, customer, **typed)
    kept = values(form)
    form.get_by_role("button", name="Record payment").click()
    expect(form.get_by_text(question)).to_be_visible()
    expect(form.get_by_role("button", name="Go back")).to_be_focused()
    form.get_by_role("button", name="Go back").click()
    expect(form.get_by_label("Amount")).to_be_visible()
    assert values(form) == kept
    assert recorded(customer) == before


def test_an_odd_payment_is_recorded_all_the_same_once(bob_refused, customer, doubtful):
    typed, question = doubtful
    before = recorded(customer)
    form = payment_form(bob_refused, customer, **typed)
    form.get_by_role("button", name="Record payment").click()
    expect(form.get_by_text(question)).to_be_visible()
    form.get_by_role("button", name="Record all the same").dblclick()
    expect(bob_refused.dialog("Payment recorded")).to_be_visible()
    assert sorted(recorded(customer)) == sorted([*before, f"{Decimal(typed['Amount']):.2f}"])


def test_the_earlier_payment_is_shown_with_the_question(bob_refused, customer):
    earlier = payments.record_payment(customer, Decimal(10), database.today(), "card", "R-9" + uuid4().hex, uuid4())
    form = payment_form(bob_refused, customer, Amount="10")
    form.get_by_role("button", name="Record payment").click()
    bob_refused.shows("Earlier payments", [[
        str(earlier["payment_id"]), earlier["name"], str(earlier["paid_on"]), "10.00", "card", earlier["reference"]]])


def test_two_questions_are_asked_together_and_answered_at_once(bob_refused, customer):
    payments.record_payment(customer, Decimal(2000), database.today(), "card", None, uuid4())
    database.add_bill(customer, "Digging", Decimal(2000), database.today())
    form = payment_form(bob_refused, customer, Amount="2000")
    form.get_by_role("button", name="Record payment").click()
    expect(form.get_by_text("2000.00 is ten times what is owed or more")).to_be_visible()
    expect(form.get_by_text("A payment of this amount on this day is recorded already.")).to_be_visible()
    form.get_by_role("button", name="Record all the same").click()
    expect(bob_refused.dialog("Payment recorded")).to_be_visible()
    assert recorded(customer) == ["2000.00", "2000.00"]


def test_a_double_click_and_enter_twice_send_a_payment_once(bob, customer):
    form = payment_form(bob, customer, Amount="10")
    sent = posts(bob)
    form.get_by_role("button", name="Record payment").dblclick()
    expect(bob.dialog("Payment recorded")).to_be_visible()
    assert (recorded(customer), sent) == (["10.00"], ["POST"])
    bob.button("Done").click()
    form = payment_form(bob, customer, Amount="11")
    form.evaluate("(dialog) => [1, 2].forEach(() => dialog.querySelector('form').requestSubmit())")
    expect(bob.dialog("Payment recorded")).to_be_visible()
    assert (sorted(recorded(customer)), sent) == (["10.00", "11.00"], ["POST"] * 2)


def test_enter_twice_in_the_amount_pays_once(bob, customer):
    form = payment_form(bob, customer, Amount="12")
    form.get_by_label("Amount").press("Enter")
    bob.page.keyboard.press("Enter")
    wait_for(lambda: recorded(customer))
    wait_for(lambda: bob.page.get_by_role("dialog").filter(has_text="Recording").count() == 0)
    assert recorded(customer) == ["12.00"]


def test_a_payment_whose_answer_was_lost_is_tried_again_and_pays_once(bob, customer):
    lost = []

    def lose(route):
        """Let the first one reach the server, and its answer nobody."""
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    bob.page.route("**/api/customers/*/payments", lose)
    form = payment_form(bob, customer, Amount="20", Reference=uuid4().hex)
    form.get_by_role("button", name="Record payment").click()
    expect(form.get_by_text("Whether this payment was saved is unknown.")).to_be_visible()
    expect(form.get_by_label("Amount")).to_be_disabled()
    assert (lost, recorded(customer)) == ([201], ["20.00"])
    form.get_by_role("button", name="Try again").click()
    expect(bob.dialog("Payment recorded")).to_be_visible()
    assert recorded(customer) == ["20.00"]


def test_a_payment_that_never_reached_the_server_is_tried_again_and_pays_once(bob, customer):
    bob.page.route("**/api/customers/*/payments", lambda route: route.abort(), times=1)
    form = payment_form(bob, customer, Amount="20")
    form.get_by_role("button", name="Record payment").click()
    expect(form.get_by_role("button", name="Try again")).to_be_focused()
    assert recorded(customer) == []
    bob.page.keyboard.press("Enter")
    expect(bob.dialog("Payment recorded")).to_be_visible()
    assert recorded(customer) == ["20.00"]


def test_after_a_lost_answer_the_payments_can_be_looked_at_instead(bob, customer):
    bob.page.route("**/api/customers/*/payments", lambda route: (route.fetch(), route.abort()), times=1)
    form = payment_form(bob, customer, Amount="75")
    form.get_by_role("button", name="Record payment").click()
    form.get_by_role("button", name="Close, and look at the payments").click()
    wait_for(lambda: bob.figures()["To pay"] == "0.00")
    assert recorded(customer) == ["75.00"]


def test_esc_and_cancel_leave_the_form_with_nothing_written(bob, customer):
    payment_form(bob, customer, Amount="20")
    bob.page.keyboard.press("Escape")
    expect(bob.page.get_by_role("dialog")).to_have_count(0)
    expect(bob.button("Record payment")).to_be_focused()
    payment_form(bob, customer, Amount="20").get_by_role("button", name="Cancel").click()
    expect(bob.page.get_by_role("dialog")).to_have_count(0)
    assert recorded(customer) == []


def test_a_payment_is_voided_with_its_reason_once(bob_refused, customer):
    paid = payments.record_payment(customer, Decimal(75), database.today(), "cash", None, uuid4())
    bob_refused.open(f"payments/{paid['payment_id']}")
    bob_refused.button("Void payment").click()
    form = bob_refused.dialog(f"Void payment {paid['payment_id']}")
    form.get_by_role("button", name="Void payment").click()
    assert refusal(form, "Reason") == "Enter 1 to 200 characters; that was nothing."
    form.get_by_label("Reason").fill("entered twice")
    sent = posts(bob_refused)
    form.get_by_role("button", name="Void payment").dblclick()
    expect(bob_refused.page.get_by_role("status").filter(has_text="Voided")).to_contain_text(
        f"Voided payment {paid['payment_id']}, 75.00 on {database.today()}, cash, of {paid['name']}: entered twice")
    expect(bob_refused.button("Void payment")).to_have_count(0)
    assert (payments.get_payment(paid["payment_id"])["void_reason"], sent) == ("entered twice", ["POST"])
    bob_refused.page.get_by_role("link", name=paid["name"]).click()
    wait_for(lambda: bob_refused.figures()["To pay"] == "75.00")


def test_after_a_lost_answer_one_sees_whether_the_payment_is_void(bob, customer):
    paid = payments.record_payment(customer, Decimal(75), database.today(), "cash", None, uuid4())
    lose_answers(bob, "**/api/payments/*/void")
    bob.open(f"payments/{paid['payment_id']}")
    bob.button("Void payment").click()
    form = bob.dialog(f"Void payment {paid['payment_id']}")
    form.get_by_label("Reason").fill("entered twice")
    form.get_by_role("button", name="Void payment").click()
    expect(form.get_by_role("alert")).to_contain_text("Look whether this payment is void before you void it again.")
    form.get_by_role("button", name="Cancel").click()
    expect(bob.page.get_by_role("heading", name=f"Payment {paid['payment_id']} void")).to_be_visible()


def test_a_payment_that_somebody_voided_meanwhile_is_not_voided_again(bob_refused, customer):
    paid = payments.record_payment(customer, Decimal(75), database.today(), "cash", None, uuid4())
    bob_refused.open(f"payments/{paid['payment_id']}")
    bob_refused.button("Void payment").click()
    payments.void_payment(paid["payment_id"], "by another")
    form = bob_refused.dialog(f"Void payment {paid['payment_id']}")
    form.get_by_label("Reason").fill("entered twice")
    form.get_by_role("button", name="Void payment").click()
    expect(form.get_by_role("alert")).to_be_visible()
    assert payments.get_payment(paid["payment_id"])["void_reason"] == "by another"


def test_the_overview_counts_the_further_payments_of_today_without_voids(bob, customer):
    for _ in range(10):
        paid = payments.record_payment(customer, Decimal(1), database.today(), "cash", None, uuid4())
    payments.void_payment(paid["payment_id"], "entered twice")
    of_today = payments.payments_on(database.today(), 8)
    assert [row["voided_on"] is None for row in of_today["rows"]] == [False] + [True] * 7
    bob.open()
    expect(bob.page.get_by_role("link", name=f"and {of_today['count'] - 7} more", exact=True)).to_be_visible()


# Customers and what they have


def test_a_customer_is_added_and_their_account_opens(bob):
    name = somebody()
    bob.open("customers")
    bob.button("Add customer").click()
    form = bob.dialog("Add customer")
    expect(form.get_by_label("Name")).to_be_focused()
    fill(form, Name=name, Phone_number="020 7946 0001")
    sent = posts(bob)
    form.get_by_role("button", name="Add", exact=True).dblclick()
    expect(bob.page.get_by_role("heading", name=name)).to_be_visible()
    added, = database.find_customers(name).rows
    expect(bob.page.get_by_text(f"Added customer {added['customer_id']}, {name}.")).to_be_visible()
    bob.is_at(f"customers/{added['customer_id']}")
    assert (added["phone_number"], sent) == ("020 7946 0001", ["POST"])


@pytest.mark.parametrize(("field", "typed", "said"), [
    ("Name", " ", "Enter 1 to 200 characters; that was nothing."),
    ("Name", "n" * 201, "Enter 1 to 200 characters; that was 201."),
    ("Phone number", "12", "Enter a phone number of 3 to 15 digits; that has 2."),
    ("Phone number", "call me", "Take out c: a phone number has digits, spaces and + ( ) - . / and perhaps an "
                                "extension, such as ext 12."),
])
def test_a_refused_customer_says_why_beside_the_field_and_keeps_what_was_typed(bob_refused, field, typed, said):
    name = somebody()
    whole = {"Name": name, "Phone number": "5550199", field: typed}
    bob_refused.open("customers")
    bob_refused.button("Add customer").click()
    form = bob_refused.dialog("Add customer")
    fill(form, **whole)
    form.get_by_role("button", name="Add", exact=True).click()
    assert refusal(form, field) == said
    assert values(form) == whole
    assert database.find_customers(name).total == 0


def test_a_known_customer_is_asked_about(bob_refused):
    name = somebody()
    known = database.add_customer(name, "5550123")
    bob_refused.open("customers")
    bob_refused.button("Add customer").click()
    form = bob_refused.dialog("Add customer")
    fill(form, Name=name, Phone_number="")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.get_by_text("This name or phone number is known already.")).to_be_visible()
    bob_refused.shows("Known customers", [[str(known), name, "5550123"]])
    form.get_by_role("button", name="Go back").click()
    assert values(form) == {"Name": name, "Phone number": ""}
    assert database.find_customers(name).total == 1
    form.get_by_role("button", name="Add", exact=True).click()
    form.get_by_role("button", name="Add all the same").click()
    expect(bob_refused.page.get_by_text("Added customer")).to_be_visible()
    assert database.find_customers(name).total == 2


def test_another_known_customer_is_asked_about_after_the_first_was_confirmed(bob_refused):
    names = [somebody(), somebody()]
    for name in names:
        database.add_customer(name, None)
    bob_refused.open("customers")
    bob_refused.button("Add customer").click()
    form = bob_refused.dialog("Add customer")
    fill(form, Name=names[0])
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.get_by_role("button", name="Add all the same")).to_be_visible()
    bob_refused.page.route("**/api/customers", lambda route: route.abort(), times=1)
    form.get_by_role("button", name="Add all the same").click()
    expect(form.get_by_text("Whether it was saved is unknown.")).to_be_visible()
    fill(form, Name=names[1])
    form.get_by_role("button", name="Add", exact=True).click()
    bob_refused.shows("Known customers", [[str(row["customer_id"]), names[1], ""] for row in
                                          database.find_customers(names[1]).rows])
    assert [database.find_customers(name).total for name in names] == [1, 1]


def test_a_customer_who_moves_onto_the_next_page_of_a_search_is_listed_once(bob):
    word = uuid4().hex
    for number in range(1, 206):
        database.add_customer(f"{word} {number:03}", None)
    bob.open(f"customers?search={word}")
    expect(bob.page.get_by_role("link", name=f"{word} 001")).to_be_visible()
    expect(bob.page.get_by_role("table")).to_have_attribute("aria-busy", "false")
    database.add_customer(f"{word} 000", None)
    names = [row[0] for row in bob.whole_table(f"Customers with {word}")]
    assert names == [f"{word} {number:03}" for number in range(1, 206)]


def test_a_customer_is_updated_and_the_phone_number_taken_away(bob):
    customer_id, name = database.add_customer(somebody(), "5550124"), somebody()
    bob.open(f"customers/{customer_id}")
    bob.button("Update customer").click()
    form = bob.dialog("Update customer")
    assert values(form)["Phone number"] == "5550124"
    fill(form, Name=name, Phone_number="")
    form.get_by_role("button", name="Save").click()
    expect(bob.page.get_by_role("heading", name=name)).to_be_visible()
    expect(bob.page.get_by_text(f"Saved customer {customer_id}, {name}.")).to_be_visible()
    expect(bob.page.get_by_text("no phone number")).to_be_visible()
    expect(bob.button("Update customer")).to_be_focused()
    assert database.get_customer(customer_id) == {
        "customer_id": customer_id, "name": name, "phone_number": None, "email": None, "account_number": None,
        "closed_on": None, "merged_into": None}


def test_an_account_that_cannot_be_read_again_is_said_to_be_old_until_it_is(desk, customer):
    name = somebody()
    with desk("bob", refused=[503]) as screen:
        screen.open(f"customers/{customer}")
        screen.button("Update customer").click()
        form = screen.dialog("Update customer")
        fill(form, Name=name)
        screen.page.route(f"**/api/customers/{customer}", lambda route: route.fulfill(
            status=503, json={"error": "The database is busy; try again."}) if route.request.method == "GET"
            else route.continue_())
        form.get_by_role("button", name="Save").click()
        old = screen.page.get_by_role("status").filter(has_text="What is shown may be old")
        expect(old).to_have_text("What is shown may be old: The database is busy; try again. Try again")
        expect(screen.page.get_by_role("heading", name=name)).to_have_count(0)
        screen.page.unroute_all()
        old.get_by_role("button", name="Try again").click()
        expect(screen.page.get_by_role("heading", name=name)).to_be_visible()
        expect(old).to_have_count(0)


def test_saving_without_a_change_writes_nothing(bob, customer):
    bob.open(f"customers/{customer}")
    sent = posts(bob)
    bob.button("Update customer").click()
    bob.dialog("Update customer").get_by_role("button", name="Save").click()
    expect(bob.page.get_by_text("Nothing was changed.")).to_be_visible()
    assert sent == []


def test_a_location_is_added_and_a_second_one_like_it_refused(bob_refused):
    customer_id = database.add_customer(somebody(), None)
    bob_refused.open(f"customers/{customer_id}")
    bob_refused.button("Add location").click()
    form = bob_refused.dialog("Add location")
    form.get_by_label("Address").fill("7 Side Street")
    form.get_by_label("Address").press("Enter")
    expect(bob_refused.page.get_by_role("region", name="7 Side Street")).to_be_visible()
    bob_refused.button("Add location").click()
    form.get_by_label("Address").fill("7 Side Street")
    form.get_by_label("Address").press("Enter")
    assert refusal(form, "Address") == "This customer already has a location with that address."
    assert values(form) == {"Address": "7 Side Street"}
    form.get_by_label("Address").fill("9 Side Street")
    form.get_by_label("Address").press("Enter")
    expect(bob_refused.page.get_by_role("region", name="9 Side Street")).to_be_visible()
    assert [row["address"] for row in database.list_locations(customer_id=customer_id)] == [
        "7 Side Street", "9 Side Street"]


def test_a_location_is_updated(bob, customer):
    location = site_of(customer)["location_id"]
    bob.open(f"customers/{customer}")
    bob.button(f"Update location {location}").click()
    bob.dialog("Update location").get_by_label("Address").fill("2 Harbour Street")
    bob.button("Save").click()
    expect(bob.page.get_by_role("region", name="2 Harbour Street")).to_be_visible()
    assert site_of(customer)["address"] == "2 Harbour Street"


def test_a_service_is_added_refused_and_updated(bob_refused, customer):
    location = site_of(customer)["location_id"]
    bob_refused.open(f"customers/{customer}")
    bob_refused.button("Add service").click()
    form = bob_refused.dialog("Add service")
    fill(form, Service_name="TV 4K", Monthly_cost="9.999")
    form.get_by_role("button", name="Add", exact=True).click()
    assert refusal(form, "Monthly cost").startswith("Enter an amount such as 49.90")
    assert values(form) == {"Service name": "TV 4K", "Monthly cost": "9.999"}
    fill(form, Monthly_cost="9.99")
    form.get_by_role("button", name="Add", exact=True).dblclick()
    wait_for(lambda: bob_refused.figures()["Monthly total"] == "59.89")
    _, added = site_of(customer)["services"]
    bob_refused.button(f"Update service {added['service_id']}").click()
    form = bob_refused.dialog("Update service")
    fill(form, Monthly_cost="12")
    form.get_by_role("button", name="Save").click()
    wait_for(lambda: bob_refused.figures()["Monthly total"] == "61.90")
    assert [(row["service_name"], row["cost"]) for row in site_of(customer)["services"]] == [
        ("Fibre 500", Decimal("49.90")), ("TV 4K", Decimal(12))]
    assert site_of(customer)["location_id"] == location


def test_a_service_whose_answer_was_lost_is_listed_for_who_looks_whether_it_is_there(bob, customer):
    lose_answers(bob, "**/api/locations/*/services")
    bob.open(f"customers/{customer}")
    bob.button("Add service").click()
    form = bob.dialog("Add service")
    fill(form, Service_name="TV 4K", Monthly_cost="9.99")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.get_by_role("alert")).to_contain_text("before you enter it again.")
    form.get_by_role("button", name="Cancel").click()
    expect(bob.page.get_by_role("main").get_by_text("TV 4K")).to_be_visible()
    assert len(site_of(customer)["services"]) == 2


def test_equipment_is_added_with_a_serial_number_that_no_other_has(bob_refused, customer):
    taken = uuid4().hex
    database.add_equipment(site_of(customer)["location_id"], "ONT", taken, Decimal(5))
    bob_refused.open(f"customers/{customer}")
    bob_refused.button("Add equipment").click()
    form = bob_refused.dialog("Add equipment")
    fill(form, Equipment_name="Switch", Serial_number=taken.upper(), Cost="30")
    form.get_by_role("button", name="Add", exact=True).click()
    holder = database.serial_holder(taken)
    assert refusal(form, "Serial number") == (f"That is the serial number of equipment {holder['equipment_id']}, ONT, "
                                              f"at 1 Harbour Street, of {holder['name']}.")
    assert values(form) == {"Equipment name": "Switch", "Serial number": taken.upper(), "Cost": "30"}
    fill(form, Serial_number=taken + "-2")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(bob_refused.page.get_by_role("row", name="Switch")).to_contain_text(f"serial {taken}-2")
    added = site_of(customer)["equipment"][-1]
    bob_refused.button(f"Update equipment {added['equipment_id']}").click()
    fill(bob_refused.dialog("Update equipment"), Serial_number="")
    bob_refused.button("Save").click()
    expect(bob_refused.page.get_by_role("row", name="Switch")).not_to_contain_text("serial")
    assert site_of(customer)["equipment"][-1]["serial_number"] is None


# Two people, and a session that ends


def change_name(screen, customer_id, name):
    """Open the form of a customer and enter another name, not sent yet."""
    screen.open(f"customers/{customer_id}")
    screen.button("Update customer").click()
    form = screen.dialog("Update customer")
    form.get_by_label("Name").fill(name)
    return form


@pytest.fixture
def crossed(desk, bob_refused, customer):
    """Two people who have both opened a customer's form and renamed them; cara was first."""
    theirs, mine = somebody(), somebody()
    form = change_name(bob_refused, customer, mine)
    with desk("cara") as other:
        change_name(other, customer, theirs).get_by_role("button", name="Save").click()
        expect(other.page.get_by_role("heading", name=theirs)).to_be_visible()
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_text(f"Meanwhile somebody changed Name to {theirs}; you entered {mine}.")).to_be_visible()
    assert database.get_customer(customer)["name"] == theirs
    return bob_refused, form, customer, theirs, mine


def test_the_second_person_overwrites_knowing_what_the_first_made_of_it(crossed):
    screen, form, customer, _, mine = crossed
    form.get_by_role("button", name="Overwrite").click()
    expect(screen.page.get_by_role("heading", name=mine)).to_be_visible()
    assert database.get_customer(customer)["name"] == mine


def test_the_second_person_keeps_what_the_first_made_of_it(crossed):
    screen, form, customer, theirs, _ = crossed
    expect(form.get_by_role("button", name="Keep theirs")).to_be_focused()
    form.get_by_role("button", name="Keep theirs").click()
    expect(screen.page.get_by_role("dialog")).to_have_count(0)
    expect(screen.page.get_by_role("heading", name=theirs)).to_be_visible()
    assert database.get_customer(customer)["name"] == theirs


def test_what_two_people_change_of_one_record_in_different_fields_is_both_saved(desk, bob, customer):
    mine = somebody()
    form = change_name(bob, customer, mine)
    with desk("cara") as other:
        other.open(f"customers/{customer}")
        other.button("Update customer").click()
        fill(other.dialog("Update customer"), Phone_number="5550166")
        other.button("Save").click()
        expect(other.page.get_by_text("5550166")).to_be_visible()
    form.get_by_role("button", name="Save").click()
    expect(bob.page.get_by_role("heading", name=mine)).to_be_visible()
    expect(bob.page.get_by_text("5550166")).to_be_visible()
    assert database.get_customer(customer) == {
        "customer_id": customer, "name": mine, "phone_number": "5550166", "email": None, "account_number": None,
        "closed_on": None, "merged_into": None}


def sign_in_again(screen, login="bob"):
    over = screen.dialog("Your session is over")
    expect(over.get_by_label("Login")).to_have_value(login)
    over.get_by_label("Password").fill(PASSWORDS[login])
    over.get_by_role("button", name="Sign in").click()
    expect(over).to_have_count(0)


def test_a_session_that_ends_in_a_form_is_signed_in_to_again_and_the_form_is_kept(served, browser, customer):
    who = served.person("bob")
    with at_desk(browser, served.address, who, refused=[401]) as screen:
        form = payment_form(screen, customer, Amount="33.30", Reference="kept")
        who.delete("/api/session")
        form.get_by_role("button", name="Record payment").click()
        expect(screen.dialog("Your session is over")).to_be_visible()
        sign_in_again(screen)
        screen.is_at(f"customers/{customer}")
        assert (values(form)["Amount"], values(form)["Reference"], recorded(customer)) == ("33.30", "kept", [])
        form.get_by_role("button", name="Record payment").click()
        expect(screen.dialog("Payment recorded")).to_be_visible()
        assert recorded(customer) == ["33.30"]


def test_a_session_that_is_over_hides_the_page_until_somebody_signs_in_again(served, browser, customer):
    who = served.person("bob")
    with at_desk(browser, served.address, who, refused=[401]) as screen:
        screen.open(f"customers/{customer}")
        who.delete("/api/session")
        screen.page.get_by_role("link", name="History").click()
        over = screen.dialog("Your session is over")
        expect(over).to_be_visible()
        screen.page.keyboard.press("Escape")
        screen.page.keyboard.press("Escape")
        expect(over).to_be_visible()
        sign_in_again(screen)
        screen.is_at(f"customers/{customer}?tab=history")
        expect(screen.page.get_by_role("table", name="History")).to_be_visible()


def test_a_csv_that_is_asked_for_when_the_session_is_over_asks_to_sign_in_again_first(served, browser, customer):
    who = served.person("bob")
    with at_desk(browser, served.address, who) as screen:
        screen.open("late")
        csv = screen.page.get_by_role("link", name="CSV")
        expect(csv).to_have_attribute("href", "/api/late.csv?sort=oldest")
        who.delete("/api/session")
        csv.click()
        expect(screen.dialog("Your session is over")).to_be_visible()
        sign_in_again(screen)
        with screen.page.expect_download() as coming:
            csv.click()
        assert coming.value.suggested_filename == f"late-{database.today()}.csv"


def test_another_tab_that_signed_in_anew_leaves_this_one_working(served, browser, customer):
    who = served.person("bob")
    with at_desk(browser, served.address, who, refused=[401, 403]) as screen:
        form = payment_form(screen, customer, Amount="44")
        other = screen.page.context.new_page()
        other.goto(screen.address)
        other.get_by_text("bob", exact=True).click()
        other.get_by_role("button", name="Sign out").click()
        other.get_by_label("Login").fill("bob")
        other.get_by_label("Password").fill(PASSWORDS["bob"])
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_role("heading", name="Overview")).to_be_attached()
        form.get_by_role("button", name="Record payment").click()
        expect(screen.dialog("Payment recorded")).to_be_visible()
        assert recorded(customer) == ["44.00"]


# Who may only look


def test_a_viewer_sees_nothing_that_writes(desk, customer):
    paid = payments.record_payment(customer, Decimal(5), database.today(), "cash", None, uuid4())
    device = site_of(customer)["equipment"][0]["equipment_id"]
    notes.add_note(customer, "Called.")
    database.add_equipment(None, "ONT", None, Decimal(30))
    with desk("ann") as screen:
        for path, heading in (("customers", "Customers"), (f"customers/{customer}", paid["name"]),
                              (f"payments/{paid['payment_id']}", f"Payment {paid['payment_id']}"),
                              (f"customers/{customer}?tab=notes", paid["name"]),
                              (f"equipment/{device}/places", f"Equipment {device}"), ("stock", "In stock"),
                              ("equipment", "Equipment"), ("payments", "Payments"), ("bills", "Bills")):
            screen.open(path)
            expect(screen.page.get_by_role("heading", name=heading)).to_be_visible()
            expect(screen.page.get_by_text("Read-only: the login ann may look, not change.").first).to_be_visible()
            wait_for(lambda: screen.page.get_by_role("table").count())
            names = screen.page.get_by_role("button").all_inner_texts()
            writing = "Add|Record|Update|Void|Save|Delete|Change|Credit|Note|Move"
            assert [name for name in names if re.search(writing, name)] == []


def test_each_write_by_hand_from_a_viewer_s_page_is_refused_by_the_database(desk, place, customer):
    paid = payments.record_payment(customer, Decimal(5), database.today(), "cash", None, uuid4())
    whole, location = reports.get_account(customer), site_of(customer)
    service, device = location["services"][0], location["equipment"][0]
    writes = [
        ("POST", "customers", {"name": somebody()}),
        ("PATCH", f"customers/{customer}", {"name": "X", "seen": {"name": whole["name"], "phone_number": None}}),
        ("POST", f"customers/{customer}/locations", {"address": "X"}),
        ("PATCH", f"locations/{location['location_id']}", {"address": "X", "seen": {"address": location["address"]}}),
        ("POST", f"locations/{location['location_id']}/services", {"service_name": "X", "cost": "1"}),
        ("PATCH", f"services/{service['service_id']}", {
            "cost": "1", "seen": {"service_name": "Fibre 500", "cost": "49.90"}}),
        ("POST", f"locations/{location['location_id']}/equipment", {"equipment_name": "X", "cost": "1"}),
        ("PATCH", f"equipment/{device['equipment_id']}", {
            "cost": "1", "seen": {"equipment_name": "Router AX3000", "serial_number": None, "cost": "89.00"}}),
        ("POST", f"customers/{customer}/payments", {
            "entry_key": str(uuid4()), "amount": "1", "paid_on": str(database.today()), "method": "cash"}),
        ("POST", f"payments/{paid['payment_id']}/void", {"reason": "X"}),
        ("POST", f"customers/{customer}/credit-notes", {"entry_key": str(uuid4()), "amount": "1", "reason": "X"}),
        ("POST", f"customers/{customer}/notes", {"note": "X"}),
        ("POST", f"equipment/{device['equipment_id']}/move", {
            "location_id": None, "seen": {"location_id": location["location_id"], "retired_on": None}}),
    ]
    count = "SELECT count(*), max(trail_id) FROM trail"
    before = place.sql(count)
    with desk("ann", refused=[403]) as screen:
        screen.open(f"customers/{customer}")
        answers = screen.page.evaluate("""async (writes) => {
            const session = await (await fetch("/api/session")).json();
            const headers = {"Content-Type": "application/json", "X-CSRF-Token": session.person.token};
            return Promise.all(writes.map(async ([method, path, body]) => {
                const answer = await fetch(`/api/${path}`, {method, headers, body: JSON.stringify(body)});
                return [answer.status, (await answer.json()).error];
            }));
        }""", writes)
    assert answers == [[403, NO_RIGHT]] * len(writes)
    assert place.sql(count) == before


def test_a_right_taken_away_under_an_open_form_is_told_and_nothing_is_written(served, browser, customer):
    with at_desk(browser, served.address, served.person("dora", WORD), refused=[403]) as screen:
        form = payment_form(screen, customer, Amount="10")
        access.set_role("dora", "read-only")
        form.get_by_role("button", name="Record payment").click()
        expect(form.get_by_role("alert")).to_have_text(NO_RIGHT)
        expect(form.get_by_label("Amount")).to_have_value("10")
    assert recorded(customer) == []
