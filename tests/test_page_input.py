"""Whatever is sent to the page is taken as it is meant, or refused with one sentence and nothing written."""
from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from uuid import uuid4

import pytest
from conftest import PROJECT
from logins import everything, session
from pages import books, problem, site

import database
from tracker import access, accounts, bill_run, credits, notes, payments, reports, stock, trail, verify
from web.app import make_app
from web.sessions import Sessions

pytestmark = pytest.mark.slow

NOT_TEXT = [None, 1, 1.5, True, [], ["x"], {}, {"a": 1}, float("nan")]
NOT_SHOWN = ["\0", "a\0b", "\x1b[31mred", "\x9b31m", "\u202egnp.exe", "a\nb", "\ud800", "\udfff", "\u2028", "\x7f"]
BLANK = ["", " ", "\u200b", "\t"]
LONG = ["x" * 301, "é" * 10_000, "x" * 60_000]
TEXT = [*NOT_TEXT, *NOT_SHOWN, *BLANK, *LONG]
MAYBE_TEXT = TEXT[1:]
EMPTY_IS_NONE = [value for value in MAYBE_TEXT if not isinstance(value, str) or value.strip()]
PHONE = ["12", "1" * 16, "abc", "+44 20 7946 0958 extra", "１２３４", "1" * 10_000, "123\0", "\ud800123", *NOT_TEXT[1:]]
EMAIL = ["ada", "ada@", "@example.com", "a b@example.com", "ada@example@com", "a@" + "x" * 253, "a@b\0", *NOT_TEXT[1:]]
ACCOUNT_NUMBER = ["K" * 51, "K\n1", "K\0", "\ud800", *NOT_TEXT[1:]]
AMOUNT = [
    49.9, 5, "", "NaN", "nan", "sNaN", "Infinity", "-Infinity", "-1", "+1", "-0", "0.005", "1_000", "１２", "1e3",
    "1e-2", ".5", "5.", "1,50", "1 000", "٣", " 5", "5\n", "0x10", "12345678901", "1" * 5000, "5\0", "\ud800",
    *NOT_TEXT, float("inf"), -1, 10**400,
]
MONEY = [*AMOUNT, "0", "0.00", "0000000000.00"]
DAY = [
    "", "tomorrow", "2026-02-30", "2026-13-01", "01/02/2026", "99999-12-31", "2199-12-31", "1999-12-31", "0001-01-01",
    "-9999", "+1", "1e3", "2026-11", "２０２６-01-01", "2026-01-01T00:00", "2026-01-01\0", "\ud800", "x" * 10_000,
    *NOT_TEXT,
]
COMING = [day for day in DAY if day not in ("tomorrow", "+1", "2199-12-31", None)] + ["yesterday", "2026-01-31"]
NOTE = [value for value in MAYBE_TEXT if value != LONG[0]] + ["x" * 2_001]
ID = ["", "0", "-1", "1.5", "x", "１", "1 ", "9" * 19, "1" * 5_000, "\0", "\ud800", 1, *NOT_TEXT[1:]]
KEY = ["", "x", "1" * 32 + "0", "\0", "\ud800", str(uuid4()) + "0", *NOT_TEXT]
METHOD = ["", "gold", "CASH", "cash ", "cash\0", "1", *NOT_TEXT]
NUMBER = [0, -1, 2**63, 10**30, 1.5, 1.0, True, "1", "x", [], {}, float("nan")]
ANSWERS = ["much", [1], [None], None, {"much": True}, 1, [["much"]], ["x" * 61_000]]

NEW_KEY = str(uuid4())
SEEN_CUSTOMER = {"name": "Ada Okafor-Li", "phone_number": "+44 20 7946 0958", "email": None, "account_number": None}
SEEN_EQUIPMENT = {"equipment_name": "Router", "serial_number": "S-1", "cost": "120.00"}
PAYMENT = {"entry_key": NEW_KEY, "amount": "5.00", "paid_on": "2026-01-31", "method": "cash", "confirmed": ["long_ago"]}
# Each write as it would succeed, and what each of its inputs must not be.
WRITES = {
    ("POST", "/api/customers"): (
        {"name": "Cy", "phone_number": "5550177"}, {"name": TEXT, "phone_number": PHONE, "confirmed": ANSWERS}),
    ("PATCH", "/api/customers/1"): (
        {"name": "Cy", "phone_number": "", "email": "cy@example.com", "account_number": "K-7", "seen": SEEN_CUSTOMER},
        {"name": MAYBE_TEXT, "phone_number": PHONE, "email": EMAIL, "account_number": ACCOUNT_NUMBER}),
    ("POST", "/api/customers/1/locations"): ({"address": "9 Hill"}, {"address": TEXT}),
    ("PATCH", "/api/locations/1"): (
        {"address": "9 Hill", "seen": {"address": "1 Harbour Street"}}, {"address": MAYBE_TEXT}),
    ("POST", "/api/locations/1/services"): (
        {"service_name": "TV", "cost": "5.00"}, {"service_name": TEXT, "cost": AMOUNT}),
    ("PATCH", "/api/services/1"): (
        {"service_name": "TV", "cost": "5.00", "seen": {"service_name": "Fibre", "cost": "49.90"}},
        {"service_name": MAYBE_TEXT, "cost": [value for value in AMOUNT if value is not None]}),
    ("POST", "/api/locations/1/equipment"): (
        {"equipment_name": "Box", "serial_number": "S-9", "cost": "5"},
        {"equipment_name": TEXT, "serial_number": MAYBE_TEXT, "cost": AMOUNT}),
    ("PATCH", "/api/equipment/1"): (
        {"equipment_name": "Box", "serial_number": "", "cost": "5", "seen": SEEN_EQUIPMENT},
        {"equipment_name": MAYBE_TEXT, "serial_number": EMPTY_IS_NONE,
         "cost": [value for value in AMOUNT if value is not None]}),
    ("POST", "/api/customers/1/payments"): (
        PAYMENT, {"entry_key": KEY, "amount": MONEY, "paid_on": DAY, "method": METHOD, "reference": MAYBE_TEXT,
                  "billing_id": NUMBER, "confirmed": ANSWERS}),
    ("POST", "/api/payments/1/void"): ({"reason": "typo"}, {"reason": TEXT}),
    ("POST", "/api/customers/1/credit-notes"): (
        {"entry_key": NEW_KEY, "amount": "5.00", "reason": "Outage"},
        {"entry_key": KEY, "amount": MONEY, "reason": TEXT, "confirmed": ANSWERS}),
    ("POST", "/api/customers/1/notes"): (
        {"note": "Called.", "promised_until": "tomorrow", "promised_amount": "5.00"},
        {"note": NOTE, "promised_until": COMING, "promised_amount": [value for value in MONEY if value is not None],
         "confirmed": ANSWERS}),
    ("POST", "/api/equipment/1/move"): (
        {"location_id": None, "seen": {"location_id": 1, "retired_on": None}}, {"location_id": ID}),
}
INPUTS = [(*write, field) for write, (_, fields) in WRITES.items() for field in fields]
CHANGES = [write for write, (body, _) in WRITES.items() if "seen" in body]
OPERATIONS = make_app(Sessions(), "any").openapi()["paths"]
READS = sorted(path for path, kinds in OPERATIONS.items() if "get" in kinds and path != "/api/session")
WITH_ID = sorted((method.upper(), path) for path, kinds in OPERATIONS.items() for method in kinds if "{" in path)


@pytest.fixture(scope="module")
def place():
    with books() as made:
        yield made


@pytest.fixture(scope="module")
def page(place):
    with site(place.uri) as served:
        yield served


@pytest.fixture(scope="module")
def bob(page):
    return page.person("bob")


@pytest.fixture
def untouched(place):
    """See that a test leaves everything in the database as it was."""
    before = everything(place.superuser)
    yield
    assert everything(place.superuser) == before


def send(person, method, path, body):
    return person.send_text(method, path, json.dumps(body))


def test_every_write_and_input_is_tried_below():
    document = make_app(Sessions(), "any").openapi()
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "1", path)):
            set(document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]["properties"]) - {"seen"}
        for path, kinds in document["paths"].items() for method, kind in kinds.items()
        if path != "/api/session" and (body := kind.get("requestBody", {}).get("content", {}).get("application/json"))
    }
    assert described == {write: set(fields) for write, (_, fields) in WRITES.items()}


@pytest.mark.parametrize(("method", "path", "field"), INPUTS)
def test_a_bad_input_is_refused_with_a_sentence_about_it(bob, untouched, method, path, field):
    good, fields = WRITES[method, path]
    for value in fields[field]:
        answer = send(bob, method, path, {**good, field: value})
        assert answer.status_code == 422, (value, answer.text)
        assert problem(answer, 422)["field"] == field, (value, answer.text)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_an_input_that_is_missing_or_too_much_is_named(bob, untouched, method, path):
    good, _ = WRITES[method, path]
    optional = {"confirmed", "phone_number", "serial_number", "reference", "note"} | (
        set(good) if method == "PATCH" else set())
    for field in set(good) - optional | ({"seen"} & set(good)):
        answer = send(bob, method, path, {name: value for name, value in good.items() if name != field})
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    for field in ("customer_id", "trail_id", "amount_paid", "recorded_by", "person"):
        assert problem(send(bob, method, path, {**good, field: 2}), 422)["field"] == field
    for field in ("\ud800", "\0", "<script>", "x" * 5000, "a b", "\u202e", ""):
        assert problem(send(bob, method, path, {**good, field: 2}), 422)["field"] is None


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_what_was_seen_is_wholly_there_and_text(bob, untouched, method, path):
    good, _ = WRITES[method, path]
    for seen in (None, [], "x", 1, {}, {**good["seen"], "more": 1}):
        problem(send(bob, method, path, {**good, "seen": seen}), 422)
    for name in good["seen"]:
        for value in NUMBER if name == "location_id" else (1, [], {}, True, "a\0b", "\ud800", "x" * 20_000):
            answer = send(bob, method, path, {**good, "seen": {**good["seen"], name: value}})
            assert answer.status_code == 422, (name, value, answer.text)
            assert problem(answer, 422)["field"] == name


@pytest.mark.parametrize("text", [
    "", "null", "[]", "5", '"x"', "{",
    "{'a': 1}", '{"name": "Cy",}', '{"name": NaN}', '{"name": "\\ud800"}', "\xff\xfe",
    "[" * 25_000, '{"name":' * 3_000, "1" * 25_000, '{"name": "Cy"}x', "\ufeff{}", '{"name": "\x01"}', "{}" * 2,
])
def test_a_body_that_is_no_record_is_refused(bob, untouched, text):
    for method, path in WRITES:
        problem(bob.send_text(method, path, text.encode("utf-8", "surrogatepass")), 422)
        problem(bob.send_text(method, path, text.encode("utf-16", "surrogatepass")), 422)


@pytest.mark.parametrize("wrong", [
    "0", "-1", "1.0", "1.5", "abc", "1" * 5000, str(2**63), "１２", "1_0", "0x1", "٣", "1%202", "%00", "1%00", "NaN",
    "1e0", "+1", "%201", "1%0a", "1;2", "True", "null", "%ff",
])
def test_an_id_that_is_none_is_refused(bob, untouched, wrong):
    for method, path in WITH_ID:
        body = next((body for (_, tried), (body, _) in WRITES.items() if tried == re.sub(r"\{\w+\}", "1", path)), {})
        answer = bob.request(method, re.sub(r"\{\w+\}", lambda _: wrong, path), json=body)
        field, = re.findall(r"\{(\w+)\}", path)
        assert answer.status_code == 422, (path, answer.text)
        assert problem(answer, 422)["field"] == field


def rows(place):
    return {name: value for name, value in everything(place.superuser).items() if name.startswith("rows of ")}


def test_a_record_that_is_not_there_is_said_to_be_missing(bob, place):
    before = rows(place)
    for number in (999, 2**63 - 1):
        for method, path in WITH_ID:
            tried = re.sub(r"\{\w+\}", "1", path)
            body = next((body for (_, write), (body, _) in WRITES.items() if write == tried), None)
            answer = bob.request(method, re.sub(r"\{\w+\}", str(number), path), json=body)
            if method == "POST" and path.endswith(("/locations", "/services", "/equipment")):
                assert problem(answer, 409)["error"].endswith("no longer exists."), path
            elif method != "GET" or not path.endswith(("/history", "/bills", "/payments", "/notes")):
                assert str(number) in problem(answer, 404)["error"], path
    assert rows(place) == before


QUERIES = {
    "search": ["\0", "a\0", "\x1b[2J", "\u202e", "x" * 301, "x" * 20_000],
    "limit": ["0", "-1", "201", "x", "1.5", "", "1" * 5000, "١", "NaN", "1e1"],
    "as_of": [day for day in DAY if isinstance(day, str) and "\ud800" not in day and day],
    "sort": ["", "newest", "amount; DROP TABLE customers", "\0", "OLDEST"],
    "first": ["x", "2026-02-30", "99999-01-01", "tomorrow", "\0", "x" * 5000, "-9999", "1999-12-31"],
    "last": ["x", "2026-02-30", "99999-01-01", "tomorrow", "\0", "x" * 5000, "-9999", "1999-12-31"],
    "person": ["\0", "a\0b", "x" * 301, "\x1b"],
    "kind": ["removed", "\0", "ADDED"],
    "table": ["pg_authid", "schema_version", "\0", "trail"],
    "cursor": ["x", "===", "e30=", "WzFd", "\0", "x" * 2000, "é", "WyJ4Il0=", "None"],
    "quick": ["x", "2", "", "\0"], "closed": ["x", "2", "", "\0"], "unknown": ["1"], "customer_id": ["2"],
}


def parameters(path):
    return {parameter["name"] for parameter in OPERATIONS[path]["get"].get("parameters", []) if
            parameter["in"] == "query"}


def test_every_question_a_list_takes_is_tried_below():
    assert set().union(*map(parameters, READS)) == set(QUERIES) - {"unknown", "customer_id"}


@pytest.mark.parametrize("name", QUERIES)
def test_a_bad_question_to_a_list_is_refused_with_a_sentence_about_it(bob, untouched, name):
    of_none = name in ("unknown", "customer_id")
    for path in (path for path in READS if name in parameters(path) or (of_none and parameters(path))):
        for value in QUERIES[name]:
            answer = bob.get(re.sub(r"\{\w+\}", "1", path), params={name: value})
            assert answer.status_code == 422, (path, value, answer.text)
            assert problem(answer, 422)["field"] == name, (path, value)


def cursor(*key):
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


FORGED = [
    cursor("\0", "1"), cursor("\ud800", "1"), cursor("a", "\0"), cursor("1", "\0", "1"), cursor("1", "\ud800", "1"),
    cursor("1", "x" * 500, "1"), cursor("9" * 30), cursor("9" * 18), cursor("-1"), cursor("1.5"), cursor(1), cursor([]),
    cursor({}), cursor(None), cursor(), cursor("2026-02-30", "1"), cursor("2026-01-31", "9" * 40), cursor("NaN", "1"),
    cursor("1e9", "1"), cursor("1" * 40, "1"), cursor("'; DROP TABLE customers; --", "1"),
    base64.urlsafe_b64encode(b"[" * 700).decode(), base64.urlsafe_b64encode(b'["\xff"]').decode(),
]


@pytest.mark.parametrize("sort", ["oldest", "amount", "name", ""])
def test_a_cursor_that_no_list_gave_is_a_place_in_it_or_refused(bob, untouched, sort):
    for path in (path for path in READS if "cursor" in parameters(path) and ("sort" in parameters(path)) == bool(sort)):
        for forged in FORGED:
            for also in ({}, {"closed": "yes"}) if "closed" in parameters(path) else ({},):
                asked = {"cursor": forged, **({"sort": sort} if sort else {}), **also}
                answer = bob.get(re.sub(r"\{\w+\}", "1", path), params=asked)
                assert answer.status_code in (200, 422), (path, base64.urlsafe_b64decode(forged), answer.text)
                if answer.status_code == 422:
                    assert problem(answer, 422)["field"] == "cursor"


@pytest.mark.parametrize("search", [
    "%", "_", "\\", "'", '"', "';--", "(", "[", "*", ".*", "\\d", "a" * 300, " ".join("a" * 150), "$1", "%s",
    "%(name)s", "<script>", "🙂", "ß", "١٢٣", "0" * 300, "1e400", "2026-02-30", "-", "+", "é" * 150,
    "1 2 3 4 5 6 7 8 9",
])
def test_any_words_may_be_searched_for(bob, untouched, search):
    for path in (path for path in READS if "search" in parameters(path)):
        answer = bob.get(path, params={"search": search})
        assert answer.status_code == 200, (path, answer.text)


def named(value, name=""):
    """Yield each value of an answer with the name it stands under."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from named(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from named(part, name)
    else:
        yield name, value


AMOUNTS = re.compile(
    r"amount|\w+_amount|amount_\w+|cost|worth|credit|billed|credited|written_off|collected|refunded|monthly|"
    r"\w+_total|not_due|days_[369]0|older|total|paid|opening|closing")
DAYS = re.compile(r"\w+_on|due_date|oldest_due_date|last_payment_date|as_of|today|month|period|customer_since|"
                  r"(promised_)?until|since|from_day")
MOMENTS = re.compile(r"\w+_at")
COUNTED = ("/api/customers", "/api/bills", "/api/payments", "/api/equipment", "/history")  # total is how many


@pytest.fixture(scope="module")
def bare():
    """Books in which everything that may be left out is, beside those in which it is there."""
    with books() as made:
        database.connect(made.uri)
        customer_id = database.add_customer("Nobody's Number", None)
        location_id = database.add_location(customer_id, "3 Bare Street")
        database.add_equipment(location_id, "Box", None, 0)
        database.add_service(location_id, "Free", 0)
        database.add_bill(customer_id, "Setup", 30, database.date(2026, 1, 1))
        payments.record_payment(customer_id, 5, database.date(2026, 1, 2), "cash", None, uuid4())
        database.add_customer("Has Nothing", None)
        notes.add_note(customer_id, None, database.today(), 5)
        notes.add_note(customer_id, "Called.")
        credits.add_credit_note(customer_id, 4, "Outage", uuid4())
        database.add_equipment(None, "ONT", None, 0)
        stock.move(database.get_equipment(1), None)
        accounts.close(database.add_customer("Has Left", None), database.today(), to_stock=True)
        bill_run.run(database.today().replace(day=1), database.today())
        verify.verify_books()
        database.disconnect()
        with site(made.uri) as served:
            yield served.person("bob")


def answers(person):
    for path in READS:
        if path.endswith((".csv", "openapi.json")):
            continue
        for number in ("1", "2", "3", "4") if "{" in path else ("",):
            answer = person.get(re.sub(r"\{\w+\}", number, path))
            if answer.status_code != 404:
                assert answer.status_code == 200, (path, answer.text)
                yield path, answer.json()


def test_amounts_are_text_with_two_decimals_and_days_are_iso(bare):
    seen = set()
    for path, answer in answers(bare):
        for name, value in named(answer):
            assert not isinstance(value, float), (path, name)
            if value is None or name in ("before", "after") or (name == "total" and path.endswith(COUNTED)):
                continue  # the trail's words, and how many were found
            if AMOUNTS.fullmatch(name):
                assert re.fullmatch(r"-?[0-9]+\.[0-9]{2}", str(value)), (path, name, value)
                seen.add("amount")
            elif DAYS.fullmatch(name):
                assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value), (path, name, value)
                seen.add("day")
            elif MOMENTS.fullmatch(name):
                assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}(\.[0-9]+)?([+-][0-9:]{5}|Z)", value), (path, name, value)
                seen.add("moment")
            elif isinstance(value, str):
                assert not re.fullmatch(r"-?[0-9]+\.[0-9]{2}", value), (path, name, value)
    assert seen == {"amount", "day", "moment"}


def test_moments_are_in_the_time_zone_of_the_business(place):
    with site(place.uri, TIMEZONE="Pacific/Kiritimati", TZ="UTC") as served:
        bob = served.person("bob")
        moments = [bob.get("/api/revenue").json()["summed_at"], bob.get("/api/payments/1").json()["recorded_at"],
                   *(row["changed_at"] for row in bob.get("/api/changes").json()["rows"])]
    assert [moment for moment in moments if not moment.endswith("+14:00")] == []


def test_what_may_be_left_out_in_the_database_may_be_null_in_every_answer(place):
    """A name that stands for a column which may be NULL is declared so in each shape that has it."""
    with session(place.superuser) as conn, conn.cursor() as cur:
        cur.execute("SELECT column_name FROM information_schema.columns JOIN information_schema.tables "
                    "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
                    "AND is_generated = 'NEVER' AND table_name <> 'trail' GROUP BY column_name "
                    "HAVING bool_and(is_nullable = 'YES')")
        empty = {row["column_name"] for row in cur.fetchall()}
    assert {"phone_number", "serial_number", "reference", "period", "last_payment_date"} <= empty
    declared = [
        (record.__name__, name, str(kind))
        for module in (access, bill_run, database, notes, payments, reports, stock, trail, verify)
        for record in vars(module).values()
        if isinstance(record, type) and hasattr(record, "__total__") and record.__module__ == module.__name__
        for name, kind in record.__annotations__.items() if name in empty
    ]
    # other bills have no month, those of a bill run have; what a transfer is to name is made of the customer's ID, and
    # what is said of the days of a line to come, of the days; and those of what was received are a list
    never = [("Run", "period"), ("LateCustomer", "reference"), ("PreviewLine", "days"), ("Received", "days")]
    assert [field for *field, kind in declared if "None" not in kind and tuple(field) not in never] == []


def test_the_document_can_be_printed_without_a_database():
    done = subprocess.run([sys.executable, "-m", "web.openapi"], cwd=PROJECT, stdout=subprocess.PIPE, text=True,
                          check=True)
    assert "/api/customers" in json.loads(done.stdout)["paths"]
