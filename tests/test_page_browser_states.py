"""What the page shows in a real browser when something is missing, away, hostile, long, small, or read aloud."""
from __future__ import annotations

import contextlib
import os
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from browser import DESK, NARROW, PHONE, SIDEWAYS, at_desk, open_site
from conftest import PROJECT, wait_for
from pages import PASSWORDS, Site, books, embedded_site, own_folder, site
from playwright.sync_api import expect
from test_people import WORD

import database
from tracker import accounts, bill_run, credits, notes, payments, verify

pytestmark = pytest.mark.slow

AXE = Path("web/frontend/node_modules/axe-core/axe.min.js")
SILENT = "The server does not answer; see whether it runs and this machine reaches it, then try again."
MANY = 10_000
NOBODY = re.compile("^None at a glance; Enter looks everywhere.")


def provider(uri):
    """A customer with one of everything, late, with a void payment, and books that were verified."""
    database.connect(uri)
    today = database.today()
    customer_id = database.add_customer("Ada Okafor", "+44 20 7946 0958")
    location_id = database.add_location(customer_id, "1 Harbour Street")
    database.add_service(location_id, "Fibre 500", Decimal("49.90"))
    database.add_equipment(location_id, "Router AX3000", "AX-1", Decimal(89))
    database.add_bill(customer_id, "Installation", Decimal(75), today - timedelta(days=10))
    payments.record_payment(customer_id, Decimal(10), today, "cash", "R-1", uuid4())
    void = payments.record_payment(customer_id, Decimal(5), today, "card", None, uuid4())
    payments.void_payment(void["payment_id"], "entered twice")
    bill_run.run(today.replace(day=1), today + timedelta(days=14))
    notes.add_note(customer_id, "Called.", today + timedelta(days=3), Decimal(20))
    notes.add_note(customer_id, "Was away.")
    database.add_equipment(None, "ONT", "ONT-9", Decimal(30))
    gone = database.add_customer("Bo Li", None)
    accounts.close(gone, today, to_stock=True)
    accounts.erase(gone)
    credits.add_credit_note(database.add_customer("Cy Dee", None), Decimal(2), "Outage", uuid4())
    verify.verify()
    database.disconnect()


PAGES = {
    "": "Overview", "customers": "Customers", "customers/1": "Ada Okafor", "customers/1?tab=bills": "Ada Okafor",
    "customers/1?tab=payments": "Ada Okafor", "customers/1?tab=history": "Ada Okafor", "late": "Late customers",
    "aging": "Owed by age", "bills": "Bills", "bills/1": "Bill 1", "payments": "Payments", "payments/1": "Payment 1",
    "payments/2": "Payment 2", "payments/3": "Credit note 3", "equipment": "Equipment", "changes": "Changes",
    "nothing-here": "Not found", "customers/1?tab=notes": "Ada Okafor", "customers/2": "Erased 2",
    "customers?closed=yes": "Closed customers", "customers?search=nobody": "Customers",
    "stock": "In stock", "equipment/1/places": "Equipment 1 Router AX3000",
}


@pytest.fixture(scope="module")
def place(browser):
    with books(provider) as made:
        yield made


def heading(screen, name):
    return screen.page.get_by_role("heading", name=name, level=1)


def settled(screen, path, name):
    """Open a page and wait until all of it is there."""
    screen.open(path)
    expect(heading(screen, name)).to_be_attached()
    expect(screen.page.get_by_text("Loading…")).to_have_count(0)


def hold(held):
    """Return what keeps requests back until a test lets them go on."""
    def keep(route):
        held.append(route)

    return keep


def let_go(screen, held):
    """Let a request go on that is kept back, once the browser has come to it."""
    wait_for(lambda: held or screen.page.evaluate("0"))  # which also lets the browser tell of it
    held.pop().continue_()


# States


def test_a_page_that_is_awaited_says_so(desk):
    with desk("ann") as screen:
        held = []
        screen.page.route("**/api/late?**", hold(held))
        screen.open("late")
        expect(screen.page.get_by_role("status").filter(has_text="Loading…")).to_be_visible()
        let_go(screen, held)
        expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        expect(screen.page.get_by_text("Loading…")).to_have_count(0)


def test_a_day_that_is_being_typed_is_left_alone_by_the_answer_that_arrives(desk):
    with desk("ann") as screen:
        held = []
        screen.page.route("**/api/late?**", hold(held))
        screen.open("late")
        day = screen.page.get_by_label("As of")
        day.press_sequentially("yest")
        let_go(screen, held)
        expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        expect(day).to_have_value("yest")
        day.press_sequentially("erday")
        screen.page.unroute("**/api/late?**")
        screen.page.keyboard.press("Enter")
        screen.is_at("late?as_of=yesterday")


def test_a_search_that_is_awaited_says_so_and_offers_no_old_hits(desk):
    with desk("ann") as screen:
        screen.open("late")
        screen.page.keyboard.press("/")
        screen.page.keyboard.type("ada")
        hits = screen.page.get_by_role("option", name="Ada Okafor")
        expect(hits).to_be_visible()
        held = []
        screen.page.route("**/api/customers?**", hold(held))
        screen.page.keyboard.type("x")
        expect(screen.page.get_by_text("Searching…")).to_be_visible()
        expect(hits).to_have_count(0)
        let_go(screen, held)
        expect(screen.page.get_by_text(NOBODY)).to_be_visible()


def test_an_empty_database_says_on_each_page_what_to_do_first(browser):
    with embedded_site() as empty, at_desk(browser, empty.address, empty.guest()) as screen:
        for path, said in {
            "": "No bill run yet; the terminal makes one: Billing, Bill run.", "customers": "No customers yet.",
            "late": "Nobody is late.", "aging": "Nobody owes anything.", "bills": "No bills yet.",
            "payments": "No payments yet. Record one from a customer's account.",
            "equipment": "No equipment yet. Add some from a customer's account.", "changes": "No changes like that",
            "stock": "Nothing is in stock.", "customers?closed=yes": "No customer is closed.",
        }.items():
            screen.open(path)
            expect(screen.page.get_by_text(said).first).to_be_visible()
        screen.open()
        expect(screen.page.get_by_text("No services yet.")).to_be_visible()
        assert screen.figures()["Late"] == "Nobody"
        screen.open("customers")
        screen.button("Add customer").click()
        screen.dialog("Add customer").get_by_label("Name").fill("Ada")
        screen.page.keyboard.press("Enter")
        expect(heading(screen, "Ada")).to_be_visible()
        for said in ("No unpaid bills.", "No locations. Add location adds the first.", "no phone number"):
            expect(screen.page.get_by_text(said)).to_be_visible()


@pytest.mark.parametrize(("path", "said"), [
    ("nothing-here", "There is no page at this address; look at how it is spelt, or search above."),
    ("customers/999999", "There is no customer 999999."), ("bills/999999", "There is no bill 999999."),
    ("payments/999999", "There is no payment 999999."), ("equipment/999999", "There is no equipment 999999."),
    ("equipment/999999/places", "There is no equipment 999999."),
    ("equipment/ada/places", "There is no page at this address; look at how it is spelt, or search above."),
    ("locations/999999", "There is no location 999999."), ("services/999999", "There is no service 999999."),
    ("customers/ada", "There is no page at this address; look at how it is spelt, or search above."),
    ("payments/1e5", "There is no payment 100000."),
    ("customers/99999999999999999999", "There is no page at this address; look at how it is spelt, or search above."),
    ("customers/1/bills/2", "There is no page at this address; look at how it is spelt, or search above."),
    ("customers/-1", None), ("customers/0", None), ("bills/0", None),
])
def test_what_is_not_there_is_not_found(desk, path, said):
    with desk("ann", refused=[404, 422]) as screen:
        screen.open(path)
        expect(heading(screen, "Not found")).to_be_visible()
        if said:
            expect(screen.page.get_by_text(said)).to_be_visible()
        screen.page.get_by_role("link", name="To the overview").click()
        expect(heading(screen, "Overview")).to_be_attached()


@pytest.mark.parametrize("path", ["equipment/1", "locations/1", "services/1"])
def test_the_address_of_what_stands_at_a_site_leads_to_the_account(desk, path):
    with desk("ann") as screen:
        screen.open(path)
        expect(heading(screen, "Ada Okafor")).to_be_visible()


def test_who_may_not_look_at_payments_is_told_so_there_and_sees_the_rest(place, served, browser):
    place.add("finn", "", WORD)
    place.sql("GRANT isp_readonly TO finn")
    with at_desk(browser, served.address, served.person("finn", WORD), refused=[403]) as screen:
        place.sql("REVOKE isp_readonly FROM finn; GRANT SELECT ON customers, locations, schema_version TO finn")
        settled(screen, "customers", "Customers")
        expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        screen.open("payments/1")
        expect(heading(screen, "No right")).to_be_visible()
        expect(screen.page.get_by_text("This login may not look at that.")).to_be_visible()
        expect(screen.button("Try again")).to_have_count(0)
        screen.open("payments")
        expect(screen.page.get_by_text("This login may not look at that.")).to_be_visible()


def test_without_a_network_the_page_keeps_what_it_shows_and_says_that_it_may_be_old(desk):
    with desk("ann") as screen:
        settled(screen, "late", "Late customers")
        screen.page.context.set_offline(True)
        screen.page.get_by_role("link", name="Bills").click()
        expect(screen.page.get_by_text("No answer from the server: what is shown may be old.")).to_be_visible()
        expect(screen.page.get_by_text(SILENT)).to_be_visible()
        screen.page.get_by_role("link", name="Late", exact=True).click()
        expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        screen.page.context.set_offline(False)
        screen.page.locator(".offline").get_by_role("button", name="Try again").click()  # the list is old by then, too
        expect(screen.page.get_by_text("No answer from the server")).to_have_count(0)
        screen.page.get_by_role("link", name="Bills").click()
        expect(screen.page.get_by_role("table", name="Bills")).to_be_visible()


def test_an_error_is_one_sentence_and_try_again_reads_anew(desk):
    with desk("ann") as screen:
        screen.open("late")
        expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()
        screen.page.context.set_offline(True)
        screen.page.get_by_role("link", name="Bills").click()
        failed = screen.page.get_by_role("alert").filter(has_text=SILENT)
        expect(failed).to_be_visible()
        screen.page.context.set_offline(False)
        failed.get_by_role("button", name="Try again").click()
        expect(screen.page.get_by_role("table", name="Bills")).to_be_visible()


def test_a_database_that_is_away_is_said_and_is_back_when_it_is_back(browser):
    with contextlib.ExitStack() as open_:
        away = open_.enter_context(books(provider))
        served = open_.enter_context(site(away.uri))
        with at_desk(browser, served.address, served.person("bob"), refused=[503]) as screen:
            settled(screen, "customers/1", "Ada Okafor")
            screen.button("Record payment").click()
            form = screen.page.get_by_role("dialog", name="Record payment of")
            form.get_by_label("Amount").fill("7")
            away.server.kill()
            form.get_by_role("button", name="Record payment").click()
            expect(form.get_by_role("button", name="Try again")).to_be_visible()
            (away.server.folder / "data" / "postmaster.pid").unlink()
            away.server.start("fsync=off")
            form.get_by_role("button", name="Try again").click()
            expect(screen.dialog("Payment recorded")).to_be_visible()
            screen.button("Done").click()
            wait_for(lambda: screen.figures()["To pay"] == "107.90")
            away.server.kill()
            screen.page.get_by_role("link", name="Late", exact=True).click()
            expect(screen.page.get_by_role("main").get_by_role("alert")).to_be_visible()
            (away.server.folder / "data" / "postmaster.pid").unlink()
            away.server.start("fsync=off")
            screen.page.get_by_role("main").get_by_role("button", name="Try again").click()
            expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()


def test_a_server_that_was_killed_is_said_and_the_new_one_asks_for_its_link_and_goes_on_there(browser):
    with own_folder() as folder, contextlib.ExitStack() as ends:
        first = Site("", ISP_DATA_DIR=str(folder))
        ends.callback(lambda: first.process.poll() is None and first.end())
        with at_desk(browser, first.address, first.guest(), refused=[401]) as screen:
            settled(screen, "customers", "Customers")
            screen.button("Add customer").click()
            form = screen.dialog("Add customer")
            form.get_by_label("Name").fill("Ada")
            first.kill()
            form.get_by_role("button", name="Add", exact=True).click()
            expect(form.get_by_role("alert")).to_contain_text(f"{SILENT} Whether it was saved is unknown")
            port = first.address.rstrip("/").rpartition(":")[2]
            second = ends.enter_context(site("", "--port", port, ISP_DATA_DIR=str(folder)))
            # What the page asks by itself may have found that the session is over, and cover the form, before this.
            form.get_by_role("button", name="Add", exact=True).dispatch_event("click")
            over = screen.dialog("Your session is over")
            expect(over.get_by_text("Open the link that python main.py web printed last")).to_be_visible()
            over.get_by_label("Link").fill(second.links[-1])
            over.get_by_role("button", name="Sign in").click()
            expect(over).to_have_count(0)
            expect(form.get_by_label("Name")).to_have_value("Ada")
            form.get_by_role("button", name="Add", exact=True).click()
            expect(heading(screen, "Ada")).to_be_visible()
            second.end()
            screen.page.get_by_role("link", name="Late", exact=True).click()
            expect(screen.page.get_by_text("No answer from the server: what is shown may be old.")).to_be_visible()
            expect(screen.page.get_by_role("main").get_by_text(SILENT)).to_be_visible()


def test_a_page_opened_while_the_server_is_gone_and_back_says_so_and_tries_again(desk):
    with desk("ann") as screen:
        screen.page.route("**/api/session", lambda route: route.abort(), times=1)
        screen.page.goto(screen.address + "late")
        expect(screen.page.get_by_role("alert")).to_contain_text(SILENT)
        screen.button("Try again").click()
        expect(screen.page.get_by_role("link", name="Ada Okafor")).to_be_visible()


# What is stored may be anything


HOSTILE = [
    "<script>xss(1)</script>", '<img src=x onerror="xss(2)">', '"><b>xss</b>', "{{7*7}} ${7*7} #{7*7}",
    "javascript:xss(3)",
    "</td></table><iframe srcdoc='<script>parent.xss(4)</script>'>", "&lt;b&gt; &amp; %3Cscript%3E",
    "a\\u001b[31m\\u0007\\u009bb\\u0008", "\\u202eevil\\u2066 \\u200f\\u200b\\u2028x", "表示テスト漢字" * 8,
    "مرحبا بالعالم عربي " * 3,
    "👩‍👩‍👧‍👦🏴‍☠️" * 6, "W" * 100, "wide " * 20,
]
SHOWN_AS = {"\\u202eevil\\u2066 \\u200f\\u200b\\u2028x": "\ufffdevil\ufffd \ufffd\ufffd\ufffdx",
            "a\\u001b[31m\\u0007\\u009bb\\u0008": "a\ufffd[31m\ufffd\ufffdb\ufffd"}


def unescaped(value):
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), value)


def plant(number, value):
    """Return the SQL that puts a value into every column of text of a new customer's records, and one as login, too."""
    text = "'" + unescaped(value).replace("'", "''") + "'"
    name = f"left({text} || ' {'n' * 30 if number % 2 else ''}' || {number}, 200)"
    return f"""
        WITH customer AS (INSERT INTO customers (name) VALUES (normalize({name})) RETURNING customer_id),
        site AS (INSERT INTO locations (customer_id, address) SELECT customer_id, normalize({text}) FROM customer
                 RETURNING location_id),
        service AS (INSERT INTO services (location_id, service_name, cost)
                    SELECT location_id, normalize(left({text}, 100)), 9999999999.99 FROM site),
        device AS (INSERT INTO equipment (location_id, equipment_name, serial_number, cost)
                   SELECT location_id, normalize(left({text}, 100)), left('{number}' || {text}, 100), 1 FROM site),
        bill AS (INSERT INTO billing (customer_id, description, issued_on, due_date, amount_billed)
                 SELECT customer_id, normalize(left({text}, 200)), CURRENT_DATE, CURRENT_DATE - 3, 9999999999.99
                 FROM customer RETURNING billing_id),
        stocked AS (INSERT INTO equipment (equipment_name, serial_number, cost)
                    SELECT normalize(left({text}, 100)), left('stocked {number}' || {text}, 100), 1 FROM customer),
        noted AS (INSERT INTO customer_notes (customer_id, note, promised_until, promised_amount)
                  SELECT customer_id, {text}, CURRENT_DATE + 3, 9999999999.99 FROM customer),
        line AS (INSERT INTO billing_items (billing_id, description, amount)
                 SELECT billing_id, left({text}, 500), 9999999999.99 FROM bill)
        INSERT INTO payments (customer_id, amount, paid_on, method, reference, entry_key)
        SELECT customer_id, 9999999999.99, CURRENT_DATE, 'cash', left({text}, 100), gen_random_uuid() FROM customer
        RETURNING customer_id, payment_id
    """


@pytest.fixture(scope="module")
def hostile(place):
    """Customers with hostile text in every column, and voids with such reasons: their IDs, payments' IDs, and text."""
    planted = []
    for number, value in enumerate(HOSTILE):
        (customer_id, payment_id), = place.sql(plant(number, value))
        reason = unescaped(value).replace("'", "''")
        if number % 2:
            place.sql(f"UPDATE payments SET voided_at = now(), void_reason = left('{reason}', 200) "
                      f"WHERE payment_id = {payment_id}")
        planted.append((customer_id, payment_id, SHOWN_AS.get(value, unescaped(value))))
    return planted


LISTS = ("", "customers", "late", "aging", "bills", "payments", "equipment", "stock", "changes")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("path", LISTS)
def test_hostile_text_in_a_list_runs_nothing_and_breaks_no_layout(desk, hostile, path, size):
    with desk("bob", size=size) as screen:
        settled(screen, path, PAGES[path])
        wait_for(lambda: screen.page.locator("main").inner_text())
        assert screen.page.evaluate(SIDEWAYS) <= 0
        assert screen.page.locator("main iframe, main img, main script").count() == 0


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_of_an_account_is_shown_as_text_on_a_phone(desk, place, hostile, number):
    customer_id, payment_id, shown = hostile[number]
    (bill_id,), = place.sql(f"SELECT billing_id FROM billing WHERE customer_id = {customer_id}")
    (device_id,), = place.sql("SELECT equipment_id FROM equipment JOIN locations USING (location_id) "
                              f"WHERE customer_id = {customer_id}")
    words = " ".join(shown.split())[:40].strip()
    with desk("bob", size=PHONE) as screen:
        account = f"customers/{customer_id}"
        for path in (account, f"{account}?tab=bills", f"payments/{payment_id}", f"{account}?tab=payments",
                     f"{account}?tab=history", f"{account}?tab=notes", f"equipment/{device_id}/places",
                     f"bills/{bill_id}"):
            screen.open(path)
            expect(screen.page.locator("main h1")).to_be_visible()
            expect(screen.page.locator("main")).to_contain_text(words)
            expect(screen.page.get_by_text("Loading…")).to_have_count(0)
            assert screen.page.evaluate(SIDEWAYS) <= 0, path
            everything = screen.page.title() + screen.page.content()
            assert not re.search("[\u202e\u2066\u200f\u200b\u001b\u0007\u009b]", everything)
        screen.open(f"customers/{customer_id}")
        screen.button("Record payment").click()
        expect(screen.page.get_by_role("dialog").get_by_label("Amount")).to_be_visible()
        assert screen.page.evaluate(SIDEWAYS) <= 0
        screen.page.keyboard.press("Escape")
        screen.button("Update customer").click()
        expect(screen.dialog("Update customer")).to_be_visible()
        assert screen.page.evaluate(SIDEWAYS) <= 0


def test_hostile_words_in_an_address_or_a_search_run_nothing(desk):
    with desk("bob", refused=[404, 422]) as screen:
        for words in HOSTILE:
            typed = unescaped(words)
            screen.open("customers?search=" + quote(typed))
            expect(screen.page.get_by_role("searchbox")).to_have_value(typed)
            screen.page.get_by_role("combobox", name="Find a customer").fill(typed)
            found = screen.page.get_by_role("listbox", name="What was found")
            expect(found.get_by_role("option").first).to_be_visible()
            assert screen.page.evaluate(SIDEWAYS) <= 0


# Ten thousand rows


@pytest.fixture(scope="module")
def many(browser):
    """A page over so many customers that no browser draws them all."""
    def crowd(uri):
        database.connect(uri)
        database.write_one("""
            WITH made AS (
                INSERT INTO customers (name, phone_number)
                SELECT 'Customer ' || n, '+44 20 7946 ' || lpad(n::text, 5, '0') FROM generate_series(1, %(many)s) AS n
                RETURNING customer_id)
            SELECT count(*) FROM made
        """, many=MANY)
        database.disconnect()

    with books(crowd) as made, site(made.uri) as served:
        yield open_site(served, browser)


def drawn(screen):
    """Return the numbers of the customers that are drawn about where one looks, in the order in which they stand."""
    rows = screen.page.evaluate("""() => [...document.querySelectorAll(".list tbody tr[data-index]")].map((row) =>
        Number(row.cells[0].innerText.replace("Customer ", "")))""")
    return rows[1:] if rows[1:] and rows[1] != rows[0] + 1 else rows  # the row that Tab comes to stays


STEP = 1_000  # of the wheel, in pixels; twice as many are drawn
END = "document.documentElement.scrollHeight - innerHeight"


def test_the_wheel_goes_through_ten_thousand_rows_each_once_in_order_with_few_drawn(many):
    with many("ann") as screen:
        screen.open("customers")
        screen.page.mouse.move(700, 500)
        seen, most, place = 0, 0, 0
        while seen < MANY:
            rows = wait_for(lambda seen=seen: (now := drawn(screen)) and now[-1] > seen and now)
            assert rows == list(range(rows[0], rows[0] + len(rows)))
            assert rows[0] <= seen + 1
            seen, most = rows[-1], max(most, len(rows))
            place = min(place + STEP, screen.page.evaluate(END))
            screen.page.mouse.wheel(0, STEP)
            wait_for(lambda place=place: screen.page.evaluate("scrollY") >= place - 1)
        assert (seen, most < 150) == (MANY, True)
        assert screen.page.evaluate("document.getElementsByTagName('*').length") < 1_500


def test_the_keyboard_goes_to_the_end_of_ten_thousand_rows(many):
    with many("ann") as screen:
        screen.open("customers")
        screen.page.get_by_role("link", name="Customer 1", exact=True).focus()
        at = 1
        while at < MANY:
            screen.page.keyboard.press("End")
            at = wait_for(lambda at=at: _further(screen, at))
        assert at == MANY
        for key, to in (("ArrowUp", MANY - 1), ("PageUp", MANY - 16), ("Home", 1), ("ArrowDown", 2)):
            screen.page.keyboard.press(key)
            expect(screen.page.get_by_role("link", name=f"Customer {to}", exact=True)).to_be_focused()
        screen.page.keyboard.press("Enter")
        expect(heading(screen, "Customer 2")).to_be_visible()
        assert screen.page.evaluate("document.getElementsByTagName('*').length") < 1_000


def _further(screen, at):
    """Return the row that has the focus now, if it is further on; press End once more, since rows come meanwhile."""
    now = screen.page.evaluate("Number(document.activeElement.innerText.replace('Customer ', ''))")
    if now > at:
        return now
    screen.page.keyboard.press("End")
    return 0


def test_a_long_list_tells_how_long_it_is(many):
    with many("ann") as screen:
        screen.open("customers?search=customer")
        expect(screen.page.get_by_text(f"{MANY} customers", exact=True)).to_be_visible()


# Read aloud, by keyboard, small


@pytest.fixture(scope="module")
def axe():
    """The rules of accessibility, as npm ci brings them for the front end."""
    if not (PROJECT / AXE).exists():
        missing = pytest.fail if os.environ.get("PAGE_TESTS") == "required" else pytest.skip
        missing(f"There is no {AXE}: run npm ci in web/frontend.")
    return (PROJECT / AXE).read_text()


def findings(screen, axe, *rules):
    """Return what axe finds wrong on a page: the rule, and where."""
    screen.page.evaluate(axe)
    found = screen.page.evaluate("(rules) => axe.run(document, {resultTypes: ['violations'], ...rules})",
                                 {"runOnly": list(rules)} if rules else {})
    assert found["passes"] or found["incomplete"]
    return [(wrong["id"], node["html"][:200], node["failureSummary"][:300])
            for wrong in found["violations"] for node in wrong["nodes"]]


def findings_in_all_colours(screen, axe):
    """Return what axe finds in light colours, and of the contrast in dark ones."""
    found = findings(screen, axe)
    screen.page.emulate_media(color_scheme="dark")
    found += findings(screen, axe, "color-contrast")
    screen.page.emulate_media(color_scheme="light")
    return found


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_on_any_page(desk, axe, path):
    with desk("bob", color_scheme="light", refused=[404]) as screen:
        settled(screen, path, PAGES[path])
        assert findings_in_all_colours(screen, axe) == []
        screen.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        expect(screen.button("Menu")).to_be_visible()
        assert findings(screen, axe) == []


def test_axe_finds_nothing_on_the_pages_of_who_may_only_look(desk, axe):
    with desk("ann") as screen:
        for path in ("customers/1", "payments/1", "customers"):
            settled(screen, path, PAGES[path])
            assert (path, findings_in_all_colours(screen, axe)) == (path, [])


def test_axe_finds_nothing_where_one_signs_in(desk, axe):
    with desk(color_scheme="light", refused=[401]) as screen:
        screen.page.goto(screen.address)
        expect(screen.page.get_by_label("Login")).to_be_visible()
        screen.page.get_by_label("Login").fill("ann")
        screen.page.get_by_label("Password").fill("wrong")
        screen.button("Sign in").click()
        expect(screen.page.get_by_role("alert")).to_be_visible()
        assert findings_in_all_colours(screen, axe) == []


DIALOGS = {
    "Record payment": ("customers/1", "Record payment of Ada Okafor"),
    "Update customer": ("customers/1", "Update customer"),
    "Credit note": ("customers/1", "Credit note to Ada Okafor"), "Note or promise": ("customers/1", "Note or promise"),
    "Add location": ("customers/1", "Add location"), "Update location 1": ("customers/1", "Update location"),
    "Add service": ("customers/1", "Add service"), "Update service 1": ("customers/1", "Update service"),
    "Add equipment": ("customers/1", "Add equipment"), "Update equipment 1": ("customers/1", "Update equipment"),
    "Add customer": ("customers", "Add customer"), "Void payment": ("payments/1", "Void payment 1"),
}


@pytest.mark.parametrize("button", DIALOGS)
def test_axe_finds_nothing_on_a_dialog_that_refuses_something(desk, axe, button):
    path, title = DIALOGS[button]
    with desk("bob", color_scheme="light", refused=[409, 422]) as screen:
        screen.open(path)
        screen.button(button).click()
        dialog = screen.dialog(title)
        expect(dialog.get_by_role("textbox").first).to_be_focused()
        dialog.get_by_role("textbox").first.fill("")
        dialog.get_by_role("button", name=re.compile("^(Record (payment|credit note)|Save|Add|Void payment)$")).click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        assert findings_in_all_colours(screen, axe) == []


def test_axe_finds_nothing_on_a_question_and_what_was_recorded(desk, axe):
    with desk("bob", color_scheme="light", refused=[409]) as screen:
        screen.open("customers/1")
        screen.button("Record payment").click()
        screen.page.get_by_label("Amount").fill("5000")
        screen.page.keyboard.press("Enter")
        expect(screen.button("Go back")).to_be_focused()
        assert findings_in_all_colours(screen, axe) == []
        screen.button("Go back").click()
        screen.page.get_by_label("Amount").fill("0.01")
        screen.page.keyboard.press("Enter")
        expect(screen.dialog("Payment recorded")).to_be_visible()
        assert findings_in_all_colours(screen, axe) == []


def test_axe_finds_nothing_on_the_menu_the_search_and_the_keys(desk, axe):
    with desk("bob") as screen:
        settled(screen, "", "Overview")
        screen.page.get_by_text("Table", exact=True).first.click()
        screen.page.get_by_text("bob", exact=True).click()
        expect(screen.button("Sign out")).to_be_visible()
        assert findings(screen, axe) == []
        screen.button("Keys (?)").click()
        expect(screen.dialog("Keys")).to_be_visible()
        assert findings(screen, axe) == []
        screen.page.keyboard.press("Escape")
        screen.page.keyboard.press("/")
        screen.page.keyboard.type("ada")
        expect(screen.page.get_by_role("option", name="Ada Okafor")).to_be_visible()
        assert findings(screen, axe) == []


def test_axe_finds_nothing_on_the_form_of_a_move_and_esc_leads_back_from_it(desk, axe):
    with desk("bob", color_scheme="light", refused=[404, 422]) as screen:
        settled(screen, "customers/1", "Ada Okafor")
        screen.button("Move equipment 1").click()
        dialog = screen.dialog("Move or take back equipment 1")
        expect(dialog.get_by_label("To")).to_be_focused()
        dialog.get_by_label("To").select_option("Another location, by its ID")
        dialog.get_by_role("button", name="Move").click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        assert findings_in_all_colours(screen, axe) == []
        assert out_of_order(screen, "dialog") == {}
        screen.page.keyboard.press("Escape")
        expect(screen.page.get_by_role("dialog")).to_have_count(0)
        expect(screen.button("Move equipment 1")).to_be_focused()


@pytest.mark.parametrize("button", DIALOGS)
def test_esc_closes_a_dialog_and_the_focus_returns_to_what_opened_it(desk, button):
    path, title = DIALOGS[button]
    with desk("bob") as screen:
        screen.open(path)
        opener = screen.button(button)
        opener.focus()
        screen.page.keyboard.press("Enter")
        expect(screen.dialog(title)).to_be_visible()
        screen.page.keyboard.press("Escape")
        expect(screen.page.get_by_role("dialog")).to_have_count(0)
        expect(opener).to_be_focused()


def test_a_dialog_keeps_the_keyboard_in_it(desk):
    with desk("bob") as screen:
        screen.open("customers/1")
        screen.button("Add equipment").click()
        expect(screen.dialog("Add equipment")).to_be_visible()
        for _ in range(12):
            screen.page.keyboard.press("Tab")
            assert screen.page.evaluate("document.activeElement === document.body || "
                                        "Boolean(document.activeElement.closest('dialog'))")


def tab_to(screen, name, role="button"):
    """Go on with Tab until what has that name has the focus."""
    wanted = screen.page.get_by_role(role, name=name, exact=True)
    expect(wanted.first).to_be_visible()
    for _ in range(80):
        screen.page.keyboard.press("Tab")
        if wanted.first.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_the_keyboard_alone_finds_a_customer_records_a_payment_and_voids_it(desk):
    with desk("bob", refused=[409]) as screen:
        screen.open()
        screen.page.keyboard.press("/")
        screen.page.keyboard.type("ada ok")
        expect(screen.page.get_by_role("option", name="Ada Okafor")).to_be_visible()
        screen.page.keyboard.press("Enter")
        expect(heading(screen, "Ada Okafor")).to_be_visible()
        tab_to(screen, "Record payment")
        screen.page.keyboard.press("Enter")
        expect(screen.page.get_by_label("Amount")).to_be_focused()
        screen.page.keyboard.type("1.23")
        tab_to(screen, "Reference (optional)", role="textbox")
        screen.page.keyboard.type("by keyboard")
        screen.page.keyboard.press("Enter")
        expect(screen.dialog("Payment recorded")).to_be_visible()
        expect(screen.button("Done")).to_be_focused()
        screen.page.keyboard.press("Enter")
        expect(screen.button("Record payment")).to_be_focused()
        screen.page.keyboard.press("/")
        screen.page.keyboard.type("by keyboard")
        expect(screen.page.get_by_text(NOBODY)).to_be_visible()
        screen.page.keyboard.press("ArrowDown")
        screen.page.keyboard.press("ArrowDown")
        screen.page.keyboard.press("Enter")
        expect(heading(screen, "Payments")).to_be_visible()  # on the account before it are rows with that amount, too
        row = screen.page.get_by_role("row").filter(has_text="1.23")
        expect(row).to_be_visible()
        number = row.get_by_role("rowheader").inner_text()
        tab_to(screen, number, role="link")
        screen.page.keyboard.press("Enter")
        expect(heading(screen, f"Payment {number}")).to_be_visible()
        tab_to(screen, "Void payment")
        screen.page.keyboard.press("Enter")
        expect(screen.page.get_by_label("Reason")).to_be_focused()
        screen.page.keyboard.type("tried by keyboard")
        screen.page.keyboard.press("Enter")
        expect(screen.page.get_by_text(re.compile(f"^Voided payment {number}, 1.23"))).to_be_visible()


def test_the_first_tab_leads_past_the_menu(desk):
    with desk("ann") as screen:
        settled(screen, "customers", "Customers")
        screen.page.keyboard.press("Tab")
        expect(screen.page.get_by_role("link", name="To the content")).to_be_focused()
        screen.page.keyboard.press("Enter")
        expect(screen.page.get_by_role("main")).to_be_focused()
        screen.is_at("customers")


UNNAMED = """() => [...document.querySelectorAll("input, select, textarea, button")].filter((field) =>
    !field.closest("[aria-hidden=true]") && field.ariaHidden !== "true" &&
    !(field.labels?.length || field.ariaLabel || field.textContent.trim())).map((field) => field.outerHTML)"""
BAD_TABLES = """() => [...document.querySelectorAll("table")].filter((table) => !(
    table.caption?.textContent.trim() && table.tHead?.rows.length === 1
    && [...table.querySelectorAll("th")].every((head) => ["row", "col"].includes(head.scope))
    && [...table.tHead.rows[0].cells].every((cell) => cell.tagName === "TH" && cell.textContent.trim())
)).map((table) => table.outerHTML.slice(0, 300))"""


def test_nothing_moves_for_who_wants_no_motion(desk):
    moves = """() => [...document.querySelectorAll("*")].filter((element) => {
        const style = getComputedStyle(element);
        return style.animationName !== "none" && parseFloat(style.animationDuration) > 0.01
            || style.transitionProperty !== "all" && parseFloat(style.transitionDuration) > 0.01
            || style.scrollBehavior === "smooth"; }).map((element) => element.className)"""
    with desk("bob", reduced_motion="reduce") as screen:
        held = []
        screen.page.route("**/api/late?**", hold(held))
        screen.open("late")
        expect(screen.page.get_by_text("Loading…")).to_be_attached()
        assert screen.page.evaluate(moves) == []
        let_go(screen, held)
        settled(screen, "customers/1", "Ada Okafor")
        screen.button("Record payment").click()
        expect(screen.page.get_by_label("Amount")).to_be_visible()
        assert screen.page.evaluate(moves) == []


def test_the_colours_that_were_chosen_are_kept(desk):
    with desk("ann", color_scheme="light") as screen:
        settled(screen, "", "Overview")
        paper = "getComputedStyle(document.body).backgroundColor"
        light = screen.page.evaluate(paper)
        screen.page.get_by_text("ann", exact=True).click()
        screen.page.get_by_label("Colours").select_option("Dark")
        dark = wait_for(lambda: (now := screen.page.evaluate(paper)) != light and now)
        settled(screen, "late", "Late customers")
        assert screen.page.evaluate(paper) == dark


# Whatever can be clicked, and cannot be, since something else lies over it, or it lies outside the screen.
OUT_OF_REACH = """(within) => [...document.querySelector(within).querySelectorAll(
        "button, a, input, select, textarea, summary")]
    .filter((one) => one.ariaHidden !== "true")
    .filter((one) => one.checkVisibility({visibilityProperty: true, opacityProperty: true}))
    .filter((one) => {
        one.scrollIntoView({block: "center"});
        const box = one.getClientRects()[0];
        const hit = box && document.elementFromPoint(box.x + Math.min(box.width / 2, 40), box.y + box.height / 2);
        return !hit || !(one.contains(hit) || hit.contains(one));
    }).map((one) => one.outerHTML)"""


# A list hears of another size in one frame, and has drawn its columns for it by the next.
DRAWN_ANEW = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
TOO_WIDE = "(one) => one.scrollWidth - one.clientWidth"


def out_of_order(screen, within):
    """Return at each size by how much a page is too wide, and what cannot be clicked; and inputs and tables unnamed."""
    found = {"unnamed": screen.page.evaluate(UNNAMED), "tables": screen.page.evaluate(BAD_TABLES)}
    for width, height in (NARROW, PHONE, DESK):
        screen.page.set_viewport_size({"width": width, "height": height})
        expect(screen.page.get_by_role("button", name="Menu", exact=True, include_hidden=True)).to_be_visible(
            visible=width <= 640)
        screen.page.evaluate(DRAWN_ANEW)
        found[f"out of reach at {width}"] = screen.page.evaluate(OUT_OF_REACH, within)
        found[f"sideways at {width}"] = screen.page.evaluate(SIDEWAYS)
        found[f"wider at {width}"] = screen.page.locator(within).evaluate(TOO_WIDE)
    return {what: wrong for what, wrong in found.items() if wrong}


def test_each_page_has_names_for_everything_and_room_for_it_at_every_size(desk):
    with desk("bob", refused=[404]) as screen:
        for path, name in PAGES.items():
            settled(screen, path, name)
            assert (path, out_of_order(screen, "main")) == (path, {})


def test_each_dialog_has_names_for_everything_and_room_for_it_at_every_size(desk):
    with desk("bob") as screen:
        for button, (path, title) in DIALOGS.items():
            settled(screen, path, PAGES[path])
            screen.button(button).click()
            expect(screen.dialog(title).get_by_role("textbox").first).to_be_visible()
            assert (title, out_of_order(screen, "dialog")) == (title, {})


def test_a_phone_reaches_every_page_by_its_menu(desk):
    with desk("ann", size=PHONE) as screen:
        settled(screen, "", "Overview")
        for name in ("Customers", "Late", "Owed by age", "Bills", "Payments", "Equipment", "In stock", "Changes",
                     "Overview"):
            screen.button("Menu").click()
            screen.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
            expect(heading(screen, {"Late": "Late customers"}.get(name, name))).to_be_attached()


def test_a_session_of_the_page_asks_nobody_else(desk):
    """Every test watches for requests elsewhere; this one that something is asked for at all."""
    with desk("ann") as screen:
        asked = []
        screen.page.on("request", lambda request: asked.append(request.url))
        settled(screen, "", "Overview")
        assert {url.split("/")[2] for url in asked} == {screen.address.split("/")[2]}
        assert PASSWORDS["ann"] not in "".join(asked)
