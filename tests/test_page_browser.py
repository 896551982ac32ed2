"""Signing in to the page in a real browser, and what each of its pages shows."""
from __future__ import annotations

import contextlib
import csv
import io
import re
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from browser import PHONE, at_desk
from conftest import wait_for
from pages import PASSWORDS, books, embedded_site
from playwright.sync_api import expect

import database
from tracker import bill_run, demo, payments, reports, trail, verify, wording
from tracker.transfer import exporting

pytestmark = pytest.mark.slow

WRONG = "That login and password are not let in here; try again, or ask who looks after people."
OLD_LINK = "This link was used already, or is an older start's: open the last one that the server printed."
EVERYTHING = """JSON.stringify([document.documentElement.outerHTML, {...sessionStorage}, {...localStorage},
    history.state, document.referrer, document.title])"""


def provider(uri):
    """A provider of 43, three of them late, with a bill run, a bill ahead, a void, and books that were verified."""
    database.connect(uri)
    demo.fill(40)
    today = database.today()
    for name, days, amount in (("Zoë Ångström", 10, 75), ("Ada O'Brien", 45, 30), ("Łukasz Żółć", 100, 1234)):
        customer_id = database.add_customer(name, f"+44 20 7946 {days:04}")
        location_id = database.add_location(customer_id, f"{days} Harbour Street")
        database.add_service(location_id, "Fibre 500", Decimal("49.90"))
        database.add_equipment(location_id, "Router AX3000", f"AX-{days}/b", Decimal(89))
        database.add_bill(customer_id, "Installation", Decimal(amount), today - timedelta(days=days))
    payments.record_payment(41, Decimal(25), today, "cash", "R-1042", uuid4())
    void = payments.record_payment(41, Decimal(40), today, "card", None, uuid4())
    payments.void_payment(void["payment_id"], "entered twice")
    month = today.replace(day=1)
    bill_run.run(month, today + timedelta(days=14))
    ahead = database.add_bill(43, "The month ahead", Decimal(10), today + timedelta(days=45))
    with database.transaction() as cur:
        cur.execute("UPDATE billing SET period = %s WHERE billing_id = %s",
                    ((month + timedelta(days=31)).replace(day=1), ahead.billing_id))
    verify.verify()
    database.disconnect()


@pytest.fixture(scope="module")
def place(browser):
    with books(provider) as made:
        database.connect(made.of("bob"))
        database.update_customer(42, phone_number="+44 20 7946 0042")
        yield made
        database.disconnect()


@pytest.fixture(scope="module")
def embedded(browser):
    with embedded_site("--viewer-link") as started:
        yield started


def money(amount):
    return f"{amount:.2f}"


def text(value):
    return "" if value is None else str(value)


def sign_in(page, login, password):
    page.get_by_label("Login").fill(login)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


# Signing in


def test_a_link_signs_in_and_its_key_is_gone_from_the_address(browser, embedded):
    links = len(embedded.links)
    with at_desk(browser, embedded.address) as screen:
        screen.page.goto(embedded.links[0])
        expect(screen.page.get_by_role("heading", name="Overview")).to_be_attached()
        screen.is_at("")
        screen.page.go_back()
        screen.page.go_forward()
        expect(screen.page.get_by_role("heading", name="Overview")).to_be_attached()
        screen.is_at("")
        assert embedded.key() not in screen.page.evaluate(EVERYTHING)
    wait_for(lambda: len(embedded.links) > links)


def test_a_link_works_once_and_the_next_one_then(browser, embedded):
    used, links = embedded.links[1], len(embedded.links)  # the viewer's
    with at_desk(browser, embedded.address) as screen:
        screen.page.goto(used)
        expect(screen.page.get_by_text("Read-only: this link may look, not change.").first).to_be_visible()
    wait_for(lambda: len(embedded.links) > links)
    with at_desk(browser, embedded.address, refused=[401]) as screen:
        screen.page.goto(used)
        expect(screen.page.get_by_role("alert")).to_have_text(OLD_LINK)
        screen.page.get_by_label("Link").fill(embedded.links[-1])
        screen.page.get_by_role("button", name="Sign in").click()
        expect(screen.page.get_by_role("heading", name="Overview")).to_be_attached()
    wait_for(lambda: len(embedded.links) > links + 1)


def test_a_link_entered_where_the_page_is_open_already_signs_in(browser, embedded):
    with at_desk(browser, embedded.address) as screen:
        screen.open()
        expect(screen.page.get_by_label("Link")).to_be_visible()
        screen.page.goto(embedded.links[-1])
        expect(screen.page.get_by_role("heading", name="Overview")).to_be_attached()
        screen.is_at("")


def test_a_wrong_password_is_one_sentence_and_the_right_one_signs_in(desk):
    with desk(refused=[401]) as screen:
        screen.open()
        sign_in(screen.page, "ann", "wrong")
        expect(screen.page.get_by_role("alert")).to_have_text(WRONG)
        expect(screen.page.get_by_label("Login")).to_have_value("ann")
        expect(screen.page.get_by_label("Password")).to_have_value("")
        sign_in(screen.page, "ann", PASSWORDS["ann"])
        expect(screen.page.get_by_role("heading", name="Overview")).to_be_attached()


def test_who_opens_an_address_without_a_session_signs_in_and_goes_on_there(desk):
    with desk() as screen:
        screen.open("late?sort=name")
        expect(screen.page.get_by_label("Login")).to_be_focused()
        sign_in(screen.page, "bob", PASSWORDS["bob"])
        expect(screen.page.get_by_role("heading", name="Late customers")).to_be_visible()
        screen.is_at("late?sort=name")


def test_who_signs_out_leaves_nothing_behind(desk):
    with desk(refused=[401]) as screen:
        screen.open("customers/41")
        sign_in(screen.page, "bob", PASSWORDS["bob"])
        expect(screen.page.get_by_role("heading", name="Zoë Ångström")).to_be_visible()
        screen.page.get_by_role("link", name="Late", exact=True).click()
        expect(screen.page.get_by_role("heading", name="Late customers")).to_be_visible()
        screen.page.get_by_text("bob", exact=True).click()
        screen.button("Sign out").click()
        expect(screen.page.get_by_label("Password")).to_be_visible()
        screen.page.go_back()
        expect(screen.page.get_by_label("Password")).to_be_visible()
        assert "Zoë" not in screen.page.content()
        assert screen.page.evaluate("fetch('/api/customers/41').then((answer) => answer.status)") == 401


# What each page shows


def test_the_overview_shows_the_business_figures(ann):
    today, late, aged = database.today(), reports.late_total(), reports.aging_total()
    paid = payments.payments_on(today)
    assert ann.open().figures() == {
        "Customers": str(database.count("customers")[0]),
        "Late": f"{late['customers']} customers",
        "Late in total": money(late["amount"]),
        f"Owed by {aged['customers']} customers": money(aged["total"]),
        f"Payments on {today}": str(paid["count"]),
        "Paid today": money(paid["amount"]),
    }


def test_each_chart_of_the_overview_has_its_table(ann):
    ann.open()
    tables = ann.page.get_by_text("Table", exact=True)
    expect(tables).to_have_count(3)
    for at in range(3):
        tables.nth(at).click()
    months = reports.monthly_revenue()
    assert len(months) == 13
    ann.shows("Billed and collected by month", [
        [f"{row['month']:%Y-%m}", money(row["billed"]), money(row["collected"])] for row in months])
    recurring = reports.recurring_revenue()
    ann.shows("Monthly recurring revenue by service", [
        *([row["service_name"], str(row["services"]), money(row["monthly"])] for row in recurring),
        ["Total", money(sum(row["monthly"] for row in recurring))]])
    aged = reports.aging_total()
    ann.shows("Owed by age", [
        *([name, money(aged[key])] for name, key in (
            ("Not due", "not_due"), ("1-30 days", "days_30"), ("31-60 days", "days_60"), ("61-90 days", "days_90"),
            ("Over 90", "older"), ("Total", "total")))])


def test_the_overview_shows_payments_of_today_bill_runs_and_what_verify_said(ann):
    ann.open()
    today = payments.payments_on(database.today(), 8)
    ann.shows("The latest payments of today",
              [[row["name"], row["method"], money(row["amount"])] for row in today["rows"]])
    ann.shows("The last bill runs", [
        [f"{run['period']:%Y-%m}", str(run["bills"]), money(run["amount"]), money(run["paid"])]
        for run in bill_run.latest_runs()])
    said = verify.last()
    expect(ann.page.get_by_text(re.compile(rf"^Verified {said['verified_at']:%Y-%m-%d %H:%M} by isp: "
                                           rf"{said['bills']} bills and {said['payments']} payments"))).to_be_visible()


def test_the_charts_are_said_in_words(ann):
    ann.open()
    *_, this, ahead = reports.monthly_revenue()
    assert this["month"] == database.today().replace(day=1) < ahead["month"]
    expect(ann.page.get_by_role("img")).to_have_count(3)
    expect(ann.page.get_by_role("img").first).to_have_attribute(
        "aria-label", f"Billed and collected in 13 months; in {this['month']:%Y-%m} billed {money(this['billed'])}, "
                      f"collected {money(this['collected'])}.")


def test_customers_are_listed_by_number(ann):
    ann.open("customers")
    assert ann.whole_table("Customers") == [
        [row["name"], str(row["customer_id"]), text(row["phone_number"])] for row in database.list_customers()]


def customer_row(row):
    return [row["name"], str(row["customer_id"]), text(row["phone_number"]), text(row["address"])]


@pytest.mark.parametrize("words", ["harbour", "lukasz zolc", "0010", "AX10b", "nobody of that name"])
def test_customers_are_found_while_one_types(ann, words):
    ann.open("customers")
    ann.page.get_by_role("searchbox").press_sequentially(words)
    found = database.find_customers(words)
    if found.rows:
        ann.shows(f"Customers with {words}", [customer_row(row) for row in found.rows])
        noun = "customer" if found.total == 1 else "customers"
        expect(ann.page.get_by_text(f"{found.total} {noun}", exact=True)).to_be_visible()
    else:
        expect(ann.page.get_by_text("No customer found; try fewer words, or a part of one.")).to_be_visible()
    ann.is_at(f"customers?search={words.replace(' ', '+')}")


def test_a_search_opened_anew_finds_the_same(ann):
    ann.open("customers?search=harbour")
    expect(ann.page.get_by_role("searchbox")).to_have_value("harbour")
    ann.shows("Customers with harbour", [customer_row(row) for row in database.find_customers("harbour").rows])


def choices(screen):
    return screen.page.get_by_role("listbox", name="What was found").get_by_role("option")


def chosen(screen):
    return screen.page.get_by_role("listbox", name="What was found").get_by_role("option", selected=True)


def names_of_choices(screen):
    return [line.split("\n")[0] for line in choices(screen).all_inner_texts()]


def test_slash_searches_arrows_choose_and_enter_opens(ann):
    ann.open("late")
    expect(ann.page.get_by_role("heading", name="Late customers")).to_be_visible()
    ann.page.keyboard.press("/")
    search = ann.page.get_by_role("combobox", name="Find a customer")
    expect(search).to_be_focused()
    ann.page.keyboard.type("ångström")
    elsewhere = [f"{what} with “ångström”" for what in ("All customers", "Equipment", "Payments", "Bills")]
    wait_for(lambda: names_of_choices(ann) == ["Zoë Ångström", *elsewhere])
    for key, marked in (("ArrowDown", elsewhere[0]), ("ArrowDown", elsewhere[1]), ("ArrowUp", elsewhere[0]),
                        ("ArrowUp", "Zoë Ångström")):
        ann.page.keyboard.press(key)
        expect(chosen(ann)).to_contain_text(marked)
    ann.page.keyboard.press("Enter")
    expect(ann.page.get_by_role("heading", name="Zoë Ångström")).to_be_visible()
    ann.is_at("customers/41")


def test_arrows_go_round_the_choices_of_the_search(ann):
    ann.open()
    ann.page.keyboard.press("/")
    ann.page.keyboard.type("r-1042")
    wait_for(lambda: names_of_choices(ann)[-1:] == ["Bills with “r-1042”"])
    ann.page.keyboard.press("ArrowUp")
    expect(chosen(ann)).to_contain_text("Bills with")
    ann.page.keyboard.press("ArrowUp")
    expect(chosen(ann)).to_contain_text("Payments with")
    ann.page.keyboard.press("Enter")
    ann.is_at("payments?search=r-1042")


def test_esc_closes_the_search_then_leaves_it(ann):
    ann.open()
    ann.page.keyboard.press("/")
    ann.page.keyboard.type("harbour")
    expect(choices(ann).first).to_be_visible()
    ann.page.keyboard.press("Escape")
    expect(choices(ann)).to_have_count(0)
    search = ann.page.get_by_role("combobox", name="Find a customer")
    expect(search).to_have_value("harbour")
    ann.page.keyboard.press("Escape")
    expect(search).not_to_be_focused()


@pytest.mark.parametrize(("words", "path"), [
    ("ångström", "customers/41"), ("harbour", "customers?search=harbour"), ("no such", "customers?search=no%20such"),
])
def test_enter_before_the_answer_opens_the_only_customer_found_or_the_list(ann, words, path):
    ann.open()
    ann.page.get_by_role("combobox", name="Find a customer").fill(words)
    ann.page.keyboard.press("Enter")
    ann.is_at(path)


def test_an_account_says_why_the_customer_is_late(ann):
    account = reports.get_account(41)
    ann.open("customers/41")
    assert ann.figures() == {"Monthly total": money(account["monthly_total"]), "To pay": money(account["amount_due"]),
                             "Credit": money(account["credit"])}
    late, new = account["unpaid_bills"]
    said = [f"Payment {paid['payment_id']} on {paid['paid_on']}: {money(paid['amount'])}"
            + (f", void since {paid['voided_on']}." if paid["voided_on"] else ".") for paid in late["payments"]]
    assert [line[line.index(":"):] for line in said] == [": 25.00.", f": 40.00, void since {database.today()}."]
    ann.shows("Unpaid bills, and why they are late", [
        [f"Bill {late['billing_id']}, Installation", "10 days late", "50.00"],
        [" ".join([f"Due {late['due_date']}, today {late['today']}, billed 75.00.", *said])],
        [f"Bill {new['billing_id']}, {new['description']}", f"due {new['due_date']}", "49.90"],
    ])


def test_an_account_shows_what_is_at_each_location(ann):
    site, = reports.get_account(41)["locations"]
    service, device = site["services"][0], site["equipment"][0]
    ann.open("customers/41")
    ann.shows(f"Services and equipment at {site['address']}", [
        [f"Fibre 500 {service['service_id']}", "monthly", "49.90"],
        [f"Router AX3000 {device['equipment_id']}serial AX-10/b", "worth", "89.00"],
    ])


def test_an_account_shows_the_bills_paid_last_and_leads_to_the_others(ann):
    account = reports.get_account(3)
    ann.open("customers/3")
    ann.shows("Bills that were paid last", [
        [f"Bill {bill['billing_id']}, {bill['description']}", f"paid {bill['last_payment_date']}",
         money(bill["amount_billed"])] for bill in account["paid_bills"]])
    ann.page.get_by_role("link", name=f"and {account['paid_bill_count'] - 3} earlier").click()
    ann.is_at("customers/3?tab=bills")


def bill_row(bill, name=True):
    days = str(bill["days_late"]) if bill["days_late"] else ""
    whose = [bill["name"]] if name else []
    return [str(bill["billing_id"]), *whose, bill["description"], str(bill["due_date"]), days,
            money(bill["amount_billed"]), money(bill["amount_due"]), text(bill["last_payment_date"])]


def test_an_account_has_all_its_bills(ann):
    ann.open("customers/3?tab=bills")
    ann.shows("All bills", [bill_row(bill, name=False) for bill in database.list_bills(customer_id=3)])


def test_an_account_has_all_its_payments_with_voids_and_their_reasons(ann):
    ann.open("customers/41?tab=payments")
    ann.shows("Payments", [
        [str(row["payment_id"]), str(row["paid_on"]), money(row["amount"]), row["method"], text(row["reference"]),
         money(row["amount_left"]), text(row["voided_on"]), text(row["void_reason"])]
        for row in payments.list_payments(41)])


def change_row(change, name):
    who = f"{change['person']}{wording.program(change)}"
    return [change["changed_at"].astimezone().strftime("%Y-%m-%d %H:%M"), who, wording.what_was_done(change, name)]


def history(customer_id):
    return [change_row(row, wording.record_name(row["table_name"], row["record_id"], row["record"]))
            for row in trail.history_of_customer(customer_id)]


def test_an_account_has_its_history(ann):
    ann.open("customers/42?tab=history")
    ann.shows("History", history(42))
    assert len(history(42)) > 4


def test_back_and_forward_go_through_the_parts_of_an_account(ann):
    ann.open("customers/41")
    ann.page.get_by_role("navigation", name="Parts of the account").get_by_role("link", name="Payments").click()
    expect(ann.page.get_by_role("table", name="Payments")).to_be_visible()
    ann.page.get_by_role("link", name="History").click()
    expect(ann.page.get_by_role("table", name="History")).to_be_visible()
    ann.page.go_back()
    ann.is_at("customers/41?tab=payments")
    expect(ann.page.get_by_role("table", name="Payments")).to_be_visible()
    ann.page.go_back()
    expect(ann.page.get_by_role("table", name="Unpaid bills, and why they are late")).to_be_visible()
    ann.page.go_forward()
    expect(ann.page.get_by_role("table", name="Payments")).to_be_visible()


def late_rows(**asked):
    return [[row["name"], text(row["phone_number"]), money(row["amount_late"]), str(row["oldest_due_date"]),
             str(row["days_late"]), text(row["last_payment_date"])] for row in reports.late_customers(**asked)]


def caption_of_late(day=None):
    return f"Customers late on payments, as of {day or database.today()}"


def test_late_customers_are_ordered_by_a_click_on_a_head(ann):
    ann.open("late")
    ann.shows(caption_of_late(), late_rows())
    total = reports.late_total()
    expect(ann.page.get_by_text(
        f"{total['customers']} customers late, with {money(total['amount'])} in total.")).to_be_visible()
    for head, order in (("Late", "amount"), ("Customer", "name")):
        ann.button(head).click()
        ann.is_at(f"late?sort={order}")
        ann.shows(caption_of_late(), late_rows(sort=order))
        expect(ann.page.get_by_role("columnheader", name=head)).to_have_attribute(
            "aria-sort", "descending" if order == "amount" else "ascending")
    ann.page.go_back()
    ann.shows(caption_of_late(), late_rows(sort="amount"))
    ann.page.go_back()
    ann.shows(caption_of_late(), late_rows())


def test_late_customers_are_searched(ann):
    ann.open("late")
    ann.page.get_by_role("searchbox").fill("zolc")
    expect(ann.page).to_have_url(re.compile("search=zolc"))
    ann.shows(caption_of_late(), late_rows(search="zolc"))
    assert len(late_rows(search="zolc")) == 1
    ann.page.get_by_role("searchbox").fill("zolc nobody")
    expect(ann.page.get_by_text("Nobody late is found by that; try fewer words.")).to_be_visible()


def test_late_customers_of_a_past_day_are_shown_and_the_day_stands_in_the_address(ann):
    day = database.today() - timedelta(days=30)
    ann.open("late")
    ann.page.get_by_label("As of").fill(str(day))
    ann.page.keyboard.press("Enter")
    ann.is_at(f"late?as_of={day}")
    ann.shows(caption_of_late(day), late_rows(as_of=day))
    ann.open(f"late?as_of={day}&sort=name")
    ann.shows(caption_of_late(day), late_rows(as_of=day, sort="name"))
    expect(ann.page.get_by_label("As of")).to_have_value(str(day))


def test_a_day_that_is_said_goes_to_the_server_as_it_is_said(ann):
    today = database.today()
    ann.open("late")
    for word, day in (("yesterday", today - timedelta(days=1)), ("today", today)):
        ann.page.get_by_label("As of").fill(word)
        ann.page.keyboard.press("Enter")
        ann.is_at(f"late?as_of={word}")
        ann.shows(caption_of_late(day), late_rows(as_of=day))
        expect(ann.page.get_by_label("As of")).to_have_value(str(day))
    ann.page.get_by_label("As of").fill("")
    ann.page.keyboard.press("Enter")
    ann.is_at("late")


def test_a_day_that_is_none_or_has_not_come_is_refused_in_words(desk):
    with desk("ann", refused=[422]) as screen:
        screen.open("late")
        for wrong in ("2026-02-31", str(database.today() + timedelta(days=1)), "soon"):
            screen.page.get_by_label("As of").fill(wrong)
            screen.page.keyboard.press("Enter")
            expect(screen.page.get_by_role("alert")).to_be_visible()
            screen.page.get_by_label("As of").fill("today")
            screen.page.keyboard.press("Enter")
            screen.shows(caption_of_late(), late_rows())


def download(screen):
    with screen.page.expect_download() as coming:
        screen.page.get_by_role("link", name="CSV").click()
    with open(coming.value.path(), "rb") as file:
        return coming.value.suggested_filename, file.read().decode("utf-8-sig").splitlines()


def cell(value):
    """Return a value as a CSV has it, where a leading + must not begin a formula."""
    shown = money(value) if isinstance(value, Decimal) else text(value)
    return f"'{shown}" if shown.startswith("+") else shown


@pytest.mark.parametrize("days_ago", [0, 40])
@pytest.mark.parametrize(("name", "rows", "export"), [
    ("late", reports.late_customers, exporting.export_late), ("aging", reports.aging, exporting.export_aging),
])
def test_what_is_shown_is_downloaded_as_csv(ann, name, rows, export, days_ago):
    day = database.today() - timedelta(days=days_ago)
    as_of = day if days_ago else None
    asked = {"sort": "name"} if days_ago else {"sort": "amount", "search": "7946"}
    ann.open(f"{name}?as_of={day if days_ago else ''}&" + "&".join(map("=".join, asked.items())))
    file, (head, *records) = download(ann)
    assert file == f"{name}-{day}.csv"
    listed = [{column: cell(value) for column, value in row.items()} for row in rows(as_of=as_of, **asked)]
    assert list(csv.DictReader([head, *records])) == listed
    written = io.BytesIO()
    export(written, as_of, **asked)
    assert [head, *records] == written.getvalue().decode().splitlines()
    assert listed


def aged_rows(**asked):
    return [[row["name"], str(row["oldest_due_date"]), *(money(row[key]) for key in (
        "not_due", "days_30", "days_60", "days_90", "older", "total"))] for row in reports.aging(**asked)]


def caption_of_aging(day=None):
    return f"What customers owe by days late, as of {day or database.today()}"


def test_what_is_owed_by_age_is_ordered_searched_and_summed(ann):
    ann.open("aging")
    assert ann.whole_table(caption_of_aging()) == aged_rows()
    total = reports.aging_total()
    assert ann.figures() == {"Owe": f"{total['customers']} customers", **{name: money(total[key]) for name, key in (
        ("Current", "not_due"), ("1-30", "days_30"), ("31-60", "days_60"), ("61-90", "days_90"), ("Over 90", "older"),
        ("Total", "total"))}}
    ann.open("aging?sort=amount&search=7946")
    ann.shows(caption_of_aging(), aged_rows(sort="amount", search="7946"))
    ann.button("Customer").click()
    ann.shows(caption_of_aging(), aged_rows(sort="name", search="7946"))
    assert len(aged_rows(search="7946")) == 3


def test_what_was_owed_on_a_past_day_is_shown(ann):
    day = database.today() - timedelta(days=60)
    ann.open(f"aging?as_of={day}")
    ann.shows(caption_of_aging(day), aged_rows(as_of=day))


def test_bills_are_listed_to_the_end_the_newest_first(ann):
    ann.open("bills")
    assert ann.whole_table("Bills") == [bill_row(bill) for bill in database.list_bills(limit=1000)]


def test_bills_are_found_and_opened(ann):
    ann.open("bills?search=installation")
    found = database.find_bills("installation").rows
    ann.shows("Bills with installation", [bill_row(bill) for bill in found])
    ann.page.get_by_role("row").filter(has_text="Zoë").get_by_role("link").click()
    bill, = (bill for bill in found if bill["name"] == "Zoë Ångström")
    expect(ann.page.get_by_role("heading", name=f"Bill {bill['billing_id']} Installation")).to_be_visible()


def facts(screen):
    expect(screen.page.locator("dl.facts dt").first).to_be_visible()
    return dict(zip(screen.page.locator("dl.facts dt").all_inner_texts(),
                    screen.page.locator("dl.facts dd").all_inner_texts()))


def test_one_bill_is_shown_with_its_lines(ann):
    bill = next(bill for bill in database.list_bills(customer_id=41) if "Installation" not in bill["description"])
    whole = database.get_bill(bill["billing_id"])
    ann.open(f"bills/{bill['billing_id']}")
    assert facts(ann) == {
        "Customer": "Zoë Ångström", "For": f"{whole['period']:%Y-%m}", "Issued on": str(whole["issued_on"]),
        "Due": str(whole["due_date"]), "Billed": "49.90", "Paid": money(whole["amount_paid"]),
        "To pay": money(whole["amount_due"]),
    }
    ann.shows("Lines", [[item["description"], money(item["amount"])] for item in whole["items"]])


def payment_row(row):
    return [str(row["payment_id"]), row["name"], str(row["paid_on"]), money(row["amount"]), row["method"],
            text(row["reference"]), text(row["voided_on"])]


def test_payments_are_listed_to_the_end_the_one_recorded_last_first(ann):
    ann.open("payments")
    assert ann.whole_table("Payments") == [payment_row(row) for row in payments.latest_payments(limit=1000)]


@pytest.mark.parametrize("words", ["R-1042", "zoë", "40.00"])
def test_payments_are_found_by_reference_customer_or_amount(ann, words):
    ann.open("payments")
    ann.page.get_by_role("searchbox").fill(words)
    found = payments.find_payments(words)
    ann.shows(f"Payments with {words}", [payment_row(row) for row in found.rows])
    assert found.rows


def test_a_void_payment_is_struck_out_and_says_why(ann):
    void, = (row for row in payments.list_payments(41) if row["voided_on"])
    ann.open("payments?search=zo%C3%AB")
    row = ann.page.get_by_role("row").filter(has_text=str(void["voided_on"])).filter(has_text="40.00")
    expect(row.get_by_role("link")).to_have_css("text-decoration-line", "line-through")
    row.get_by_role("link").click()
    said = payments.get_payment(void["payment_id"])
    assert facts(ann) == {
        "Customer": "Zoë Ångström", "Amount": "40.00", "Paid on": str(said["paid_on"]), "Method": "card",
        "Reference": "none", "Recorded": f"{said['recorded_at'].astimezone():%Y-%m-%d %H:%M} by isp",
        "Void since": f"{said['voided_on']}: entered twice",
    }


def test_one_payment_says_what_it_paid(ann):
    paid, = payments.find_payments("R-1042").rows
    ann.open(f"payments/{paid['payment_id']}")
    ann.shows("Paid with it", [[f"Bill {use['billing_id']}, {use['description']}", money(use["amount"])]
                               for use in payments.get_payment(paid["payment_id"])["bills"]])


@pytest.mark.parametrize("typed", ["AX-100/b", "ax100b", "AX 100"])
def test_equipment_is_found_by_its_serial_number_and_leads_to_where_it_stands(ann, typed):
    ann.open("equipment")
    ann.page.get_by_role("searchbox").fill(typed)
    ann.shows(f"Equipment with {typed}", [["AX-100/b", "Router AX3000", "100 Harbour Street", "Łukasz Żółć", "89.00"]])
    ann.page.get_by_role("link", name="AX-100/b").click()
    expect(ann.page.get_by_role("heading", name="Łukasz Żółć")).to_be_visible()
    expect(ann.page.get_by_text("AX-100/b")).to_be_in_viewport()


def test_all_equipment_is_listed(ann):
    ann.open("equipment")
    assert ann.whole_table("Equipment") == [
        [row["serial_number"] or "none", row["equipment_name"], row["address"], row["name"], money(row["cost"])]
        for row in database.list_equipment(limit=1000)]


def change_rows(**asked):
    wanted = trail.Wanted(**{"first": None, "last": None, "person": None, "kind": None, "table": None, **asked},
                          details=False)
    return [change_row(row, wording.statement_name(row)) for row in trail.changes(wanted, limit=200)]


def test_changes_are_filtered_by_person_kind_and_table(ann):
    ann.open("changes")
    assert ann.whole_table("Changes, the newest first") == change_rows()
    ann.page.get_by_label("Kind").select_option("changed")
    ann.shows("Changes, the newest first", change_rows(kind="changed"))
    ann.page.get_by_label("Of").select_option("customers")
    ann.shows("Changes, the newest first", change_rows(kind="changed", table="customers"))
    ann.page.get_by_role("searchbox", name="Person").fill("bob")
    expect(ann.page).to_have_url(re.compile("person=bob"))
    ann.shows("Changes, the newest first", change_rows(kind="changed", table="customers", person="bob"))
    again = ann.page.url.removeprefix(ann.address)
    ann.open(again)
    ann.shows("Changes, the newest first", change_rows(kind="changed", table="customers", person="bob"))
    ann.page.get_by_role("searchbox", name="Person").fill("nobody")
    expect(ann.page.get_by_text("No changes like that; take another day or person.")).to_be_visible()


def test_changes_are_filtered_by_day(ann):
    yesterday = database.today() - timedelta(days=1)
    ann.open(f"changes?last={yesterday}")
    expect(ann.page.get_by_text("No changes like that; take another day or person.")).to_be_visible()
    ann.page.get_by_label("To", exact=True).fill("today")
    ann.page.keyboard.press("Enter")
    ann.is_at("changes?last=today")
    assert ann.whole_table("Changes, the newest first") == change_rows()


def test_a_change_shows_in_full_beneath_its_row(ann):
    ann.open("changes?person=bob")
    row = ann.page.get_by_role("row").filter(has_text="0042")
    row.get_by_role("button").click()
    expect(row).to_contain_text("phone number: +44 20 7946 0045 → +44 20 7946 0042")
    row.get_by_role("link", name="Open it").click()
    ann.is_at("customers/42")


def test_a_row_of_a_list_opens_by_a_click_anywhere_on_it(ann):
    ann.open("late")
    ann.page.get_by_role("cell", name="1234.00").click()
    expect(ann.page.get_by_role("heading", name="Łukasz Żółć")).to_be_visible()


def test_arrows_move_in_a_list_and_enter_opens_the_row(ann):
    ann.open("customers")
    names = [row["name"] for row in database.list_customers()]
    ann.page.get_by_role("link", name=names[0], exact=True).focus()
    for key, at in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", len(names) - 1), ("Home", 0),
                    ("PageDown", 15), ("PageUp", 0), ("ArrowDown", 1)):
        ann.page.keyboard.press(key)
        expect(ann.page.get_by_role("link", name=names[at], exact=True)).to_be_focused()
    ann.page.keyboard.press("Enter")
    expect(ann.page.get_by_role("heading", name=names[1], exact=True)).to_be_visible()


def test_back_from_an_account_returns_to_the_same_place_in_the_list(ann):
    ann.open("bills")
    expect(ann.page.get_by_role("table", name="Bills")).to_be_visible()
    ann.page.mouse.move(700, 500)
    for step in range(1, 8):
        ann.page.mouse.wheel(0, 600)
        wait_for(lambda step=step: ann.page.evaluate("scrollY") >= step * 600)
    row = ann.page.get_by_role("link").filter(has_text=re.compile(r"^\d+$")).filter(visible=True).nth(20)
    ann.page.evaluate("addEventListener('click', () => { window.place = scrollY; }, {capture: true})")
    row.click()
    expect(ann.page.get_by_role("heading", name="Bill ")).to_be_visible()
    place = ann.page.evaluate("window.place")
    ann.page.go_back()
    expect(ann.page.get_by_role("table", name="Bills")).to_be_visible()
    with contextlib.suppress(AssertionError):
        wait_for(lambda: abs(ann.page.evaluate("scrollY") - place) < 3)
    assert abs(ann.page.evaluate("scrollY") - place) < 3


def test_each_page_names_itself_in_the_title(ann):
    bill_id = database.list_bills(customer_id=41)[0]["billing_id"]
    for path, title in {
        "": "Overview", "customers": "Customers", "customers?search=ada": "Customers with ada",
        "customers/41": "Zoë Ångström", "late": "Late customers", "aging": "Owed by age", "bills": "Bills",
        f"bills/{bill_id}": f"Bill {bill_id}",
        "payments": "Payments", "equipment": "Equipment", "changes": "Changes", "nothing-here": "Not found",
    }.items():
        ann.open(path)
        expect(ann.page).to_have_title(f"{title} · ISP Customer Tracker")


def test_a_phone_leaves_columns_out_and_keeps_what_counts(desk):
    with desk("ann", size=PHONE) as screen:
        screen.open("late?sort=name")
        screen.shows(caption_of_late(), [
            [name, amount, days] for name, _, amount, _, days, _ in late_rows(sort="name")])
        screen.button("Menu").click()
        screen.page.get_by_role("link", name="Customers").click()
        expect(screen.page.get_by_role("heading", name="Customers")).to_be_visible()
        expect(screen.page.get_by_role("link", name="Bills")).to_be_hidden()
