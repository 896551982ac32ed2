"""An account's whole life on the page in a real browser: what is shown of it, and the forms of what happens in one."""
from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from browser import PHONE
from conftest import wait_for
from pages import books
from playwright.sync_api import expect
from test_page_browser import choices, facts, money, text
from test_page_browser_writes import fill, lose_answers, posts, refusal, values

import database
from tracker import accounts, credits, notes, payments, prices, reports, stock, wording
from tracker.terminal import screens
from tracker.text import show_promise

pytestmark = pytest.mark.slow

ADA, LEFT, GONE, ERASED = 1, 2, 3, 4  # customers of the provider


def ahead(days):
    return database.today() + timedelta(days=days)


def provider(uri):
    """Ada, with something of everything; who left and still owes; who was merged into her; who was erased."""
    database.connect(uri)
    ada = database.add_customer("Ada Okafor", "+44 20 7946 0958")
    database.update_customer(ada, email="ada@example.com")
    harbour = database.add_location(ada, "1 Harbour Street")
    fibre = database.add_service(harbour, "Fibre 500", Decimal("49.90"), ahead(-40))
    database.pause_service(fibre, ahead(-1), ahead(9))
    database.end_service(database.add_service(harbour, "TV", Decimal("9.90")), ahead(20))
    telephone = database.add_service(harbour, "Telephone", Decimal(5), ahead(6))
    database.end_service(telephone, ahead(90))
    radio = database.add_service(harbour, "Radio", Decimal(3))
    database.pause_service(radio, ahead(7), ahead(9))
    database.end_service(radio, ahead(30))
    prices.change_price(prices.Change("Fibre 500", Decimal("54.90"), ahead(30)))
    router = database.add_equipment(harbour, "Router AX3000", "AX-1/b", Decimal(89))
    database.add_equipment(None, "ONT", "ONT-9", Decimal(30))
    database.add_bill(ada, "Installation", Decimal(75), ahead(-10))
    money_of(ada)
    left = database.add_customer("Bo Li", "5550100")
    hill = database.add_location(left, "9 Hill")
    database.add_bill(left, "Repair", Decimal(20), ahead(-30))
    for place in (hill, None, harbour):
        stock.move(database.get_equipment(router), place)
    accounts.close(left, ahead(-2), to_stock=True)
    gone = database.add_customer("Ada Okafor", None)
    erased = database.add_customer("Cy Dee", "5550177")
    accounts.close(erased, ahead(-1), to_stock=True)
    accounts.erase(erased)
    accounts.merge(ada, gone)
    assert (ada, left, gone, erased) == (ADA, LEFT, GONE, ERASED)
    deleted = database.add_bill(ada, "Entered twice", Decimal(8), ahead(9))
    with database.transaction() as cur:
        cur.execute("UPDATE billing SET issued_on = CURRENT_DATE - 1 WHERE billing_id = %s", [deleted.billing_id])
    database.delete_bill(deleted.billing_id)
    database.disconnect()


def money_of(customer_id):
    paid = payments.record_payment(customer_id, Decimal(10), ahead(0), "cash", "R-1", uuid4())
    credits.add_credit_note(customer_id, Decimal(5), "Outage of 3 November", uuid4())
    credits.write_off(customer_id, Decimal(2), "Small rest", uuid4())
    credits.refund(customer_id, Decimal(3), "transfer", "B-1", uuid4(), paid["payment_id"])
    notes.add_note(customer_id, "Called about the outage, and wants to pay by the end of the week. " * 3)
    notes.add_note(customer_id, None, ahead(5), Decimal(50))
    notes.add_note(customer_id, "Was away.")
    notes.add_note(customer_id, "Card was refused.", ahead(9), Decimal(20))


@pytest.fixture(scope="module")
def place(browser):
    with books(provider) as made:
        database.connect(made.uri)
        yield made
        database.disconnect()


@pytest.fixture
def bob_refused(desk):
    """The same, who will be refused something by the rules."""
    with desk("bob", refused=[404, 409, 422]) as screen:
        yield screen


def whole(line):
    """Return a line as a browser lays it out."""
    return " ".join(line.split())


def head(screen):
    """Return who a customer is, as the head of the account says it."""
    expect(screen.page.locator(".account-head h1")).to_be_visible()
    return [line for line in screen.page.locator(".account-head > div").first.inner_text().split("\n") if line]


def buttons(screen):
    """Return what can be done on a page, without what stands around every page."""
    return screen.page.get_by_role("main").get_by_role("button").all_inner_texts()


# What is shown


def test_an_account_shows_e_mail_and_the_promise_that_is_open(ann):
    account = reports.get_account(ADA)
    ann.open(f"customers/{ADA}")
    assert head(ann) == [
        "Ada Okafor", f"Customer 1 · +44 20 7946 0958 · since {account['customer_since']}", "E-mail ada@example.com",
        f"Promised 50.00 until {ahead(5)}."]


def test_an_account_says_of_services_when_they_run_rest_and_cost_something_else(ann):
    ann.open(f"customers/{ADA}")
    ann.shows("Services and equipment at 1 Harbour Street", [
        [f"Fibre 500 1 since {ahead(-40)}, paused to {ahead(9)}, 54.90 from {ahead(30)}", "monthly", "49.90"],
        [f"TV 2 ends {ahead(20)}", "monthly", "9.90"],
        [f"Telephone 3 from {ahead(6)} to {ahead(90)}", "monthly", "5.00"],
        [f"Radio 4 paused from {ahead(7)} to {ahead(9)}, ends {ahead(30)}", "monthly", "3.00"],
        ["Router AX3000 1serial AX-1/b", "worth", "89.00"],
    ])


def test_the_tables_of_an_account_fit_a_phone(ann):
    ann.page.set_viewport_size({"width": 400, "height": 900})
    ann.open(f"customers/{ADA}")
    expect(ann.page.get_by_role("table", name="Services and equipment at 1 Harbour Street")).to_be_visible()
    beyond = "(all) => all.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.innerText)"
    assert ann.page.locator("main :is(td, th)").evaluate_all(beyond) == []


def test_an_account_says_its_latest_notes_as_the_terminal_does_and_leads_to_the_others(ann):
    account = reports.get_account(ADA)
    ann.open(f"customers/{ADA}")
    latest = ann.page.get_by_role("list").filter(has_text="Was away.").get_by_role("listitem")
    expect(latest).to_have_text([whole(screens.note_line(note)) for note in account["notes"]])
    ann.page.get_by_role("link", name="and 1 earlier").click()
    ann.is_at(f"customers/{ADA}?tab=notes")
    rows = [[str(note["noted_on"]), note["noted_by"], screens.promised(note), whole(text(note["note"]))]
            for note in notes.list_notes(ADA)]
    ann.shows("Notes", rows)
    assert [row[2] for row in rows] == [f"20.00 until {ahead(9)}, open", "", f"50.00 until {ahead(5)}, open", ""]


def test_a_note_on_a_phone_has_its_promise_with_it(desk):
    with desk("ann", size=PHONE) as screen:
        screen.open(f"customers/{ADA}?tab=notes")
        screen.shows("Notes", [
            [str(note["noted_on"]), screens.note_line(note).partition(": ")[2].strip()]
            for note in notes.list_notes(ADA)])


def test_payments_say_what_they_are_and_why(ann):
    ann.open(f"customers/{ADA}?tab=payments")
    rows = payments.list_payments(ADA)
    ann.shows("Payments", [
        [str(row["payment_id"]), str(row["paid_on"]), money(row["amount"]), wording.how_paid(row),
         row["reference"] or row["reason"], money(row["amount_left"]), "", ""] for row in rows])
    assert [wording.how_paid(row) for row in rows] == ["refund, transfer", "write-off", "credit note", "cash"]
    ann.open("payments")
    ann.shows("Payments", [
        [str(row["payment_id"]), row["name"], str(row["paid_on"]), money(row["amount"]), wording.how_paid(row),
         row["reference"] or row["reason"], ""] for row in payments.latest_payments()])


def test_an_unpaid_bill_names_the_credit_notes_on_it(ann):
    bill, = reports.get_account(ADA)["unpaid_bills"]
    ann.open(f"customers/{ADA}")
    ann.shows("Unpaid bills, and why they are late", [
        [f"Bill {bill['billing_id']}, Installation", "10 days late", "61.00"],
        [" ".join([f"Due {bill['due_date']}, today {bill['today']}, billed 75.00.",
                   *(f"{paid['kind'].capitalize()} {paid['payment_id']} on {paid['paid_on']}: {money(paid['amount'])}."
                     for paid in bill["payments"])])],
    ])
    assert [paid["kind"] for paid in bill["payments"]] == ["payment", "credit note", "write-off"]


@pytest.mark.parametrize(("number", "title", "named"), [
    (2, "Credit note 2", {"Day": "{paid_on}", "Reason": "Outage of 3 November"}),
    (3, "Write-off 3", {"Day": "{paid_on}", "Reason": "Small rest"}),
    (4, "Refund 4", {"Paid on": "{paid_on}", "Method": "transfer", "Reference": "B-1"}),
])
def test_one_of_them_says_what_it_is(ann, number, title, named):
    paid = payments.get_payment(number)
    ann.open(f"payments/{number}")
    expect(ann.page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(ann.page).to_have_title(f"{title} · ISP Customer Tracker")
    assert facts(ann) == {
        "Customer": "Ada Okafor", "Amount": money(paid["amount"]),
        **{name: value.format(paid_on=paid["paid_on"]) for name, value in named.items()},
        "Recorded": f"{paid['recorded_at'].astimezone():%Y-%m-%d %H:%M} by isp"}


def test_what_was_given_back_stands_with_the_payment_and_with_the_refund(ann):
    ann.open("payments/1")
    ann.shows("Paid with it", [["Bill 1, Installation", "7.00"], [f"Refund 4 on {ahead(0)}", "3.00"]])
    ann.page.get_by_role("link", name="Refund 4").click()
    ann.shows("Given back", [[f"Of payment 1 on {ahead(0)}", "3.00"]])


def test_a_bill_that_was_deleted_is_struck_out_and_says_when(ann):
    ann.open(f"customers/{ADA}?tab=bills")
    row = ann.page.get_by_role("row").filter(has_text="Entered twice")
    expect(row.get_by_role("link")).to_have_css("text-decoration-line", "line-through")
    number = row.get_by_role("rowheader").inner_text()
    ann.shows("All bills", [
        [str(bill["billing_id"]), bill["description"], str(bill["due_date"]), str(bill["days_late"] or ""),
         money(bill["amount_billed"]), money(bill["amount_due"]), text(bill["last_payment_date"]),
         text(bill["cancelled_on"])] for bill in database.list_bills(customer_id=ADA)])
    row.get_by_role("link").click()
    expect(ann.page.get_by_role("heading", name=f"Bill {number} Entered twice deleted")).to_be_visible()
    assert facts(ann)["Deleted"] == str(ahead(0))


def test_a_closed_account_says_since_when_and_nothing_is_added_to_it(bob):
    bob.open(f"customers/{LEFT}")
    assert head(bob) == ["Bo Li", f"Customer 2 · 5550100 · since {ahead(0)}", f"Closed {ahead(-2)}."]
    assert buttons(bob) == ["Record payment", "Credit note", "Note or promise", "Update customer", "Update"]


def test_who_was_erased_is_marked_so(ann):
    ann.open(f"customers/{ERASED}")
    name = database.get_customer(ERASED)["name"]
    assert head(ann) == [name, f"Customer 4 · no phone number · since {ahead(0)}",
                         f"Closed {ahead(-1)}, erased {ahead(0)}."]


def test_who_was_merged_leads_to_who_that_is_and_offers_nothing(bob):
    bob.open(f"customers/{GONE}")
    assert head(bob)[2:] == [accounts.merged(database.get_customer(GONE))]
    assert buttons(bob) == []
    bob.page.get_by_role("link", name="customer 1", exact=True).click()
    bob.is_at(f"customers/{ADA}")


def test_closed_customers_are_in_no_list_unless_they_are_asked_for(ann):
    ann.open("customers")
    ann.shows("Customers", [[row["name"], str(row["customer_id"]), text(row["phone_number"]), text(row["email"])]
                            for row in database.list_customers()])
    ann.page.get_by_label("Accounts").select_option("closed")
    ann.is_at("customers?closed=yes")
    expect(ann.page.get_by_role("heading", name="Closed customers")).to_be_visible()
    expect(ann.page.get_by_text(f"{database.count_closed_customers()} customers", exact=True)).to_be_visible()
    ann.shows("Closed customers", [
        [row["name"], str(row["customer_id"]), text(row["phone_number"]), str(row["closed_on"])]
        for row in database.list_closed_customers()])
    ann.page.go_back()
    expect(ann.page.get_by_role("heading", name="Customers", exact=True)).to_be_visible()


def test_a_search_finds_who_left_and_marks_them(ann):
    ann.open("customers?search=5550100")
    ann.shows("Customers with 5550100", [["Bo Li", "2", "5550100", str(ahead(-2)), "9 Hill"]])
    ann.page.keyboard.press("/")
    ann.page.keyboard.type("bo li")
    expect(choices(ann).first).to_have_text(re.compile(f"^Bo Liclosed {ahead(-2)} · 5550100 · 9 Hill$"))


def test_the_late_list_has_promises_and_who_left(ann):
    ann.open("late?sort=name")
    rows = reports.late_customers(sort="name")
    ann.shows(f"Customers late on payments, as of {ahead(0)}", [
        [row["name"], text(row["phone_number"]), text(row["closed_on"]), money(row["amount_late"]),
         str(row["oldest_due_date"]), str(row["days_late"]), text(row["last_payment_date"]),
         show_promise(row["promise"])] for row in rows])
    assert [(row["customer_id"], bool(row["promise"])) for row in rows] == [(ADA, True), (LEFT, False)]


def test_the_months_of_the_overview_have_what_was_credited_written_off_and_given_back(ann):
    ann.open()
    # of its own chart: another one may be there before it
    ann.page.get_by_role("figure", name="Billed and collected").get_by_text("Table", exact=True).click()
    ann.shows("Billed and collected by month", [
        [f"{row['month']:%Y-%m}", *(money(row[key]) for key in (
            "billed", "collected", "credited", "written_off", "refunded"))] for row in reports.monthly_revenue()])
    assert ann.table("Billed and collected by month")[0] == [
        "Month", "Billed", "Collected", "Credited", "Written off", "Refunded"]


def test_changes_are_filtered_by_notes_pauses_prices_and_moves(ann):
    ann.open("changes")
    for name, noun in (("notes", "added note"), ("pauses", "added pause"),
                       ("changes of price", "added change of price"), ("moves", "added move")):
        ann.page.get_by_label("Of").select_option(name)
        expect(ann.page.get_by_role("row").nth(1)).to_contain_text(noun)


def place_rows(equipment_id):
    return [[row["place"], text(row["since"]), text(row["until"]), text(row["person"])]
            for row in stock.places(equipment_id)]


def test_a_device_of_an_account_leads_to_where_it_was(ann):
    ann.open(f"customers/{ADA}")
    ann.page.get_by_role("link", name="Router AX3000").click()
    ann.is_at("equipment/1/places")
    expect(ann.page.get_by_role("heading", name="Equipment 1 Router AX3000")).to_be_visible()
    assert facts(ann) == {"Serial number": "AX-1/b", "Worth": "89.00", "Place": "1 Harbour Street",
                          "Customer": "Ada Okafor"}
    ann.shows("Places", place_rows(1))
    assert [row[0] for row in place_rows(1)] == [
        "Ada Okafor, 1 Harbour Street", "stock", "Bo Li, 9 Hill", "Ada Okafor, 1 Harbour Street"]
    ann.page.get_by_role("link", name="Ada Okafor").click()
    ann.is_at(f"customers/{ADA}?equipment=1")


def test_what_is_in_stock_is_listed_with_what_it_is_worth(ann):
    ann.open()
    ann.page.get_by_role("navigation", name="Pages").get_by_role("link", name="In stock").click()
    expect(ann.page.get_by_text(screens.stock_footer(stock.stock_total()), exact=True)).to_be_visible()
    ann.shows("In stock", [[row["equipment_name"], str(row["equipment_id"]), text(row["serial_number"]),
                            money(row["cost"]), text(row["since"])] for row in stock.list_stock()])


@pytest.mark.parametrize("path", ["equipment?search=ont9", "equipment/2"])
def test_a_device_in_stock_is_found_and_says_that_it_is_there(ann, path):
    ann.open(path)
    if "search" in path:
        ann.shows("Equipment with ont9", [["ONT-9", "ONT", "in stock", "", "30.00"]])
        ann.page.get_by_role("link", name="ONT-9").click()
    ann.is_at("equipment/2/places")
    assert facts(ann) == {"Serial number": "ONT-9", "Worth": "30.00", "Place": "in stock"}
    ann.shows("Places", place_rows(2))


@pytest.mark.parametrize("part", ["ont-9", "nt-"])
def test_a_serial_number_in_stock_or_its_part_leads_to_it_from_the_search_for_customers(ann, part):
    ann.open()
    ann.page.get_by_role("combobox", name="Find a customer").fill(part)
    ann.page.keyboard.press("Enter")
    expect(ann.page.get_by_text("No customer found; try fewer words, or a part of one.")).to_be_visible()
    ann.page.get_by_role("link", name="Look among equipment").click()
    ann.shows(f"Equipment with {part}", [["ONT-9", "ONT", "in stock", "", "30.00"]])


# Forms


@pytest.fixture
def customer(place):
    """A customer who is late with an installation of 75.00, and has two sites and a device at the first."""
    customer_id = database.add_customer(uuid4().hex, None)
    location_id = database.add_location(customer_id, "1 Harbour Street")
    database.add_location(customer_id, "7 Side Street")
    database.add_equipment(location_id, "Router AX3000", uuid4().hex, Decimal(89))
    database.add_bill(customer_id, "Installation", Decimal(75), ahead(-10))
    return customer_id


def name_of(customer_id):
    return database.get_customer(customer_id)["name"]


def opened(screen, customer_id, button, title, **typed):
    """Open a form of an account and fill it in, not sent yet."""
    screen.open(f"customers/{customer_id}")
    screen.button(button).click()
    form = screen.dialog(title)
    expect(form).to_be_visible()
    fill(form, **typed)
    return form


def said(screen, sentence):
    """Wait for what is said of a write, whole."""
    expect(screen.page.locator(".saved")).to_have_text(f"{sentence}✕")


def note_form(screen, customer_id, **typed):
    return opened(screen, customer_id, "Note or promise", "Note or promise", **typed)


# At once: a second one that comes later may find the form gone, and open it anew, or what stands in its place.
TWO_CLICKS = "button => { button.click(); button.click(); }"
TWO_ENTERS = """field => {
    const enter = { key: "Enter", bubbles: true, cancelable: true };
    for (const _ of [1, 2]) field.dispatchEvent(new KeyboardEvent("keydown", enter));
}"""


def test_a_note_is_added_by_enter_once_and_stands_on_the_account(bob, customer):
    form = note_form(bob, customer, Note="Called,\nand was away.")
    assert values(form) == {"Note": "Called, and was away.", "Promised until": "", "Promised amount": ""}
    sent = posts(bob)
    form.get_by_label("Note").evaluate(TWO_ENTERS)
    note, = wait_for(lambda: notes.list_notes(customer))
    said(bob, f"Added note {note['customer_note_id']} to {name_of(customer)}.")
    assert (note["note"], note["noted_by"], note["promised_until"], sent) == (
        "Called, and was away.", "bob", None, ["POST"])
    expect(bob.page.get_by_role("listitem").filter(has_text="Called")).to_have_text(screens.note_line(note))
    expect(bob.button("Note or promise")).to_be_focused()


@pytest.mark.parametrize(("amount", "promised"), [("50.5", "50.50"), ("", "75.00")])
def test_a_promise_is_of_what_is_entered_or_of_all_that_is_to_pay(bob, customer, amount, promised):
    form = note_form(bob, customer, Promised_until="+3", Promised_amount=amount)
    expect(form.get_by_text("Where nothing is entered, 75.00, which is all that is to pay.")).to_be_visible()
    form.get_by_role("button", name="Add", exact=True).click()
    note, = wait_for(lambda: notes.list_notes(customer))
    said(bob, f"Added note {note['customer_note_id']} to {name_of(customer)}: {promised} promised until {ahead(3)}.")
    assert (note["note"], money(note["promised_amount"]), note["promised_until"]) == (None, promised, ahead(3))
    wait_for(lambda: head(bob)[-1] == f"Promised {promised} until {ahead(3)}.")


@pytest.mark.parametrize(("typed", "field", "refused"), [
    ({}, "Note", "Enter a note, or what was promised, or both."),
    ({"Note": "n" * 2_001}, "Note", "Enter 1 to 2000 characters; that was 2001."),
    ({"Promised until": "yesterday", "Promised amount": "5"}, "Promised until", None),
    ({"Note": "Called.", "Promised amount": "5"}, "Promised until",
     "A promise is of an amount above 0, and until a day."),
    ({"Promised until": "+3", "Promised amount": "0"}, "Promised amount", "Enter an amount above 0, such as 49.90."),
])
def test_a_refused_note_says_why_beside_the_field_and_keeps_what_was_typed(
        bob_refused, customer, typed, field, refused):
    form = note_form(bob_refused, customer, **typed)
    form.get_by_role("button", name="Add", exact=True).click()
    assert refusal(form, field) == (refused or f"Enter today or a later day; {ahead(-1)} is past.")
    assert values(form) == {"Note": "", "Promised until": "", "Promised amount": "", **typed}
    assert notes.count_notes(customer) == 0


def test_a_note_whose_answer_was_lost_is_listed_for_who_looks_whether_it_is_there(bob, customer):
    lose_answers(bob, "**/api/customers/*/notes")
    form = note_form(bob, customer, Note="Called.")
    form.get_by_role("button", name="Add", exact=True).click()
    expect(form.get_by_role("alert")).to_contain_text("Look whether this note is there before you enter it again.")
    form.get_by_role("button", name="Cancel").click()
    expect(bob.page.get_by_role("listitem").filter(has_text="Called.")).to_have_count(1)
    assert notes.count_notes(customer) == 1


def credit_form(screen, customer_id, **typed):
    return opened(screen, customer_id, "Credit note", f"Credit note to {name_of(customer_id)}", **typed)


def credited(customer_id):
    return [(row["kind"], money(row["amount"]), row["reason"]) for row in payments.list_payments(customer_id)]


def test_a_credit_note_is_recorded_once_told_and_the_account_follows(bob, customer):
    form = credit_form(bob, customer, Amount="80", Reason="Outage")
    bill, = reports.get_account(customer)["unpaid_bills"]
    bob.shows("Unpaid bills", [[f"Installation {bill['billing_id']}", "10 days late", "75.00"],
                               ["To pay", "75.00"], ["Credit", "0.00"]])
    sent = posts(bob)
    form.get_by_role("button", name="Record credit note").evaluate(TWO_CLICKS)
    told = bob.dialog("Credit note recorded")
    made = payments.get_payment(wait_for(lambda: payments.list_payments(customer))[0]["payment_id"])
    expect(told.get_by_role("status")).to_have_text(f"Recorded {wording.payment_name(made)}.")
    bob.shows("Paid with it", [[f"Bill {bill['billing_id']}, Installation", "75.00"], ["Credit", "5.00"]])
    told.get_by_role("button", name="Done").click()
    expect(bob.button("Credit note")).to_be_focused()
    wait_for(lambda: bob.figures() == {"Monthly total": "0.00", "To pay": "0.00", "Credit": "5.00"})
    assert (credited(customer), sent) == ([("credit note", "80.00", "Outage")], ["POST"])


@pytest.mark.parametrize(("field", "typed", "refused"), [
    ("Amount", "0", "Enter an amount above 0, such as 49.90."),
    ("Amount", "1.005", "Enter an amount such as 49.90: at most ten digits, and two decimals after a point."),
    ("Reason", "", "Enter 1 to 200 characters; that was nothing."),
])
def test_a_refused_credit_note_says_why_beside_the_field_and_keeps_what_was_typed(
        bob_refused, customer, field, typed, refused):
    form = credit_form(bob_refused, customer, **{"Amount": "5", "Reason": "Outage", field: typed})
    form.get_by_role("button", name="Record credit note").click()
    assert refusal(form, field) == refused
    assert values(form) == {"Amount": "5", "Reason": "Outage", field: typed}
    assert credited(customer) == []


def test_a_credit_note_whose_answer_was_lost_is_tried_again_and_counts_once(bob, customer):
    lose_answers(bob, "**/api/customers/*/credit-notes")
    form = credit_form(bob, customer, Amount="20", Reason="Outage")
    form.get_by_role("button", name="Record credit note").click()
    expect(form.get_by_text("Whether this credit note was saved is unknown. Trying again is safe: it is sent with the "
                            "same key and cannot count twice.")).to_be_visible()
    expect(form.get_by_label("Amount")).to_be_disabled()
    wait_for(lambda: credited(customer))
    form.get_by_role("button", name="Try again").click()
    expect(bob.dialog("Credit note recorded")).to_be_visible()
    assert credited(customer) == [("credit note", "20.00", "Outage")]


@pytest.mark.parametrize(("kind", "after"), [
    ("credit note", "What it paid is due again, unless other credit pays it"),
    ("refund", "What it gave back is credit again, and pays what is due"),
])
def test_a_credit_note_and_a_refund_are_voided_under_their_own_names(bob, customer, kind, after):
    made = credits.add_credit_note(customer, Decimal(80), "Outage", uuid4())
    if kind == "refund":
        made = credits.refund(customer, Decimal(5), "cash", None, uuid4())
    bob.open(f"payments/{made['payment_id']}")
    bob.button(f"Void {kind}").click()
    form = bob.dialog(f"Void {kind} {made['payment_id']}")
    expect(form.get_by_role("paragraph").first).to_have_text(
        f"This voids {wording.payment_name(made)}. {after}; the {kind} stays in the list, struck out and with its "
        f"reason. A void is not undone: record the {kind} again.")
    form.get_by_label("Reason").fill("typo")
    form.get_by_role("button", name=f"Void {kind}").click()
    said(bob, f"Voided {wording.payment_name(made)}: typo")
    assert payments.get_payment(made["payment_id"])["void_reason"] == "typo"


def device_of(customer_id):
    device, = database.list_equipment(customer_id=customer_id)
    return device


def move_form(screen, device):
    number = device["equipment_id"]
    return opened(screen, device["customer_id"], f"Move equipment {number}", f"Move or take back equipment {number}")


def moved(device, to):
    return f"Moved equipment {device['equipment_id']}, Router AX3000, to {to}."


def test_a_device_is_taken_back_into_stock(bob, customer):
    device = device_of(customer)
    form = move_form(bob, device)
    expect(form.get_by_label("To")).to_be_focused()
    assert form.get_by_label("To").locator("option").all_inner_texts() == [
        "In stock", "7 Side Street", "Another location, by its ID"]
    sent = posts(bob)
    form.get_by_role("button", name="Move").evaluate(TWO_CLICKS)
    said(bob, moved(device, "stock"))
    expect(bob.page.get_by_role("main").get_by_text("Router AX3000", exact=True)).to_have_count(0)
    assert (database.get_equipment(device["equipment_id"])["place"], sent) == ("in stock", ["POST"])


def test_a_device_is_moved_to_another_location_of_its_customer(bob, customer):
    device = device_of(customer)
    form = move_form(bob, device)
    form.get_by_label("To").select_option("7 Side Street")
    form.get_by_role("button", name="Move").click()
    said(bob, moved(device, f"7 Side Street, of {name_of(customer)}"))
    bob.shows("Services and equipment at 7 Side Street", [[
        f"Router AX3000 {device['equipment_id']}serial {device['serial_number']}", "worth", "89.00", "Update Move"]])
    assert device_of(customer)["address"] == "7 Side Street"


def test_a_device_from_stock_is_put_at_a_location_by_its_id_which_says_whose_it_is(bob_refused, customer):
    number = database.add_equipment(None, "Router AX3000", None, Decimal(5))
    location, *_ = database.list_locations(customer_id=customer)
    bob_refused.open(f"equipment/{number}/places")
    bob_refused.button("Move or take back").click()
    form = bob_refused.dialog(f"Move or take back equipment {number}")
    expect(form.get_by_text("It stands beside each address of an account.")).to_be_visible()
    form.get_by_role("button", name="Move").click()
    assert refusal(form, "Location ID") == "Enter an ID: a whole number from 1 on."
    form.get_by_label("Location ID").fill("999999")
    form.get_by_role("button", name="Move").click()
    expect(form.get_by_role("alert")).to_have_text("That location no longer exists.")
    expect(form.get_by_text("There is no location 999999.")).to_be_visible()
    form.get_by_label("Location ID").fill(str(location["location_id"]))
    expect(form.get_by_text(f"1 Harbour Street, of {name_of(customer)}.")).to_be_visible()
    form.get_by_label("Location ID").press("Enter")
    said(bob_refused, moved({"equipment_id": number}, f"1 Harbour Street, of {name_of(customer)}"))
    bob_refused.shows("Places", place_rows(number))
    assert len(place_rows(number)) == 2


def test_a_device_that_somebody_moved_meanwhile_stays_and_that_is_said(bob_refused, customer):
    device = device_of(customer)
    form = move_form(bob_refused, device)
    stock.move(device, None)
    form.get_by_label("To").select_option("7 Side Street")
    form.get_by_role("button", name="Move").click()
    expect(form.get_by_role("alert")).to_have_text(stock.MOVED)
    assert database.get_equipment(device["equipment_id"])["place"] == "in stock"


def test_an_account_number_is_entered_found_refused_where_another_has_it_and_taken_away(bob_refused, customer):
    number = f"K-{customer}"
    database.update_customer(ADA, account_number="K-1007")
    form = opened(bob_refused, customer, "Update customer", "Update customer", **{"Account number": "k-1007"})
    form.get_by_role("button", name="Save").click()
    assert refusal(form, "Account number") == f"Customer {ADA} has account number K-1007."
    for typed in (number, ""):
        form.get_by_label("Account number").fill(typed)
        form.get_by_role("button", name="Save").click()
        expect(bob_refused.page.get_by_role("dialog")).to_have_count(0)
        shown = [f"Account number {typed}"] if typed else []
        wait_for(lambda shown=shown: [line for line in head(bob_refused) if line.startswith("Account")] == shown)
        assert database.get_customer(customer)["account_number"] == (typed or None)
        if typed:
            bob_refused.page.get_by_role("combobox", name="Find a customer").fill(number.lower())
            expect(bob_refused.page.get_by_role("option").first).to_contain_text(number)
            bob_refused.page.keyboard.press("Enter")
            bob_refused.is_at(f"customers/{customer}")
        bob_refused.button("Update customer").click()
    database.update_customer(ADA, account_number="")


def test_an_e_mail_is_entered_refused_where_it_is_none_and_taken_away(bob_refused, customer):
    form = opened(bob_refused, customer, "Update customer", "Update customer", **{"E-mail": "ada"})
    form.get_by_role("button", name="Save").click()
    assert refusal(form, "E-mail") == "Enter an e-mail address, such as name@example.com."
    for email in ("ada@example.com", ""):
        form.get_by_label("E-mail").fill(email)
        form.get_by_role("button", name="Save").click()
        expect(bob_refused.page.get_by_role("dialog")).to_have_count(0)
        shown = [f"E-mail {email}"] if email else []
        wait_for(lambda shown=shown: [line for line in head(bob_refused) if line.startswith("E-mail")] == shown)
        assert database.get_customer(customer)["email"] == (email or None)
        bob_refused.button("Update customer").click()
