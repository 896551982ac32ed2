"""Every table and text at every width: nothing is wider than the screen, and no phone number, ID, date or amount is
cut.
"""
from __future__ import annotations

import itertools
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.reports import LateCustomer
from tracker.terminal import choosing, outcomes, paging, screens, tables
from tracker.text import clean
from tracker.transfer.choices import Choices
from tracker.transfer.columns import parse_choice
from tracker.transfer.importing import Outcome, Tally
from tracker.transfer.sorting import Source

WIDTHS = (40, 60, 80, 120)
MOST, ALL_IN_ALL = Decimal("9999999999.99"), Decimal("987654321098.76")
DAY = date(2026, 12, 31)
NAMES = [
    "Wilhelmina-Alexandrine Quackenbrück-Featherstonehaugh & Daughters",
    "上海市徐汇区国际互联网络通信技术服务有限公司第三分公司客户服务中心",
    "شركة الاتصالات العربية المتحدة للخدمات الرقمية والإنترنت السريع",
    "Ada",
]
PHONES = ["+442 0794 6095 8123", "+86 (21) 5555-012345", "020 7946 0958 ext 1234", "555"]
ADDRESS = "Third warehouse behind the old lighthouse, 1024 Harbour Promenade North, Port Ellen"
ROWS = [{
    "customer_id": 9_999_990 + i, "location_id": 9_999_980 + i, "service_id": 9_999_970 + i,
    "equipment_id": 9_999_960 + i, "billing_id": 9_999_950 + i, "payment_id": 9_999_940 + i,
    "name": name, "phone_number": phone, "address": ADDRESS, "service_name": f"Fibre 10000 for {name}",
    "equipment_name": f"Router of {name}", "serial_number": f"CARRIER-0000-1111-2222-3333-4444-{i}",
    "description": f"Trenching of the yard for {name}", "method": "direct debit",
    "reference": "REF-2026-11-25 from the bank, in its words", "void_reason": "bounced for want of money",
    "cost": MOST, "amount": MOST, "amount_billed": MOST, "amount_due": MOST, "amount_paid": MOST, "amount_left": MOST,
    "amount_late": ALL_IN_ALL, "monthly": ALL_IN_ALL, "total": ALL_IN_ALL, "not_due": MOST, "days_30": MOST,
    "days_60": MOST, "days_90": MOST, "older": MOST, "services": 1_000_000, "days_late": 12_345, "due_date": DAY,
    "oldest_due_date": DAY, "last_payment_date": DAY, "issued_on": DAY, "paid_on": DAY, "voided_on": DAY,
    "customer_note_id": 9_999_930 + i, "noted_on": DAY, "noted_by": f"clerk, for {name}",
    "note": f"Rang {name}, nobody.",
    "promise": {"amount": MOST, "until": "2026-12-31", "state": "open"}, "promised": f"{MOST} until 2026-12-31, broken",
    "email": f"wilhelmina-alexandrine.{i}@featherstonehaugh-and-daughters.example.org", "closed_on": DAY,
    "account_number": f"OLD-SYSTEM-0000-1111-2222-3333-{i}",
    "service_pause_id": 9_999_920 + i, "first_day": DAY, "last_day": DAY, "started_on": DAY, "ended_on": DAY,
    "standing": "paused from 2026-12-31 to 2027-01-31, ends 2027-12-31", "cancelled_on": DAY,
    "amount_before": MOST, "credit": MOST,
    "kind": "refund", "reason": "an outage", "locations": 1_000_000, "equipment": 1_000_000, "notes": 1_000_000,
    "bills": 1_000_000, "payments": 1_000_000, "month": DAY, "billed": ALL_IN_ALL, "credited": MOST,
    "written_off": MOST, "collected": ALL_IN_ALL, "refunded": MOST,
    "service": f"Fibre 10000 for {name}, {ADDRESS}", "days": "21 to 30 November 2026, 10 of 30 days",
    "place": ADDRESS, "since": DAY, "at_customers": 1_000_000, "in_stock": 1_000_000, "devices": 2_000_000,
    "worth_at_customers": ALL_IN_ALL, "worth_in_stock": ALL_IN_ALL, "worth": ALL_IN_ALL,
    "number": 1 + i, "monthly_total": ALL_IN_ALL, "why": "account of the payer, bill, customer number, name, reference",
    "day": DAY, "received": ALL_IN_ALL, "voided": ALL_IN_ALL, "last_paid_on": DAY, "booked_on": DAY, "payer": name,
    "set_aside_on": DAY,
} for i, (name, phone) in enumerate(zip(NAMES, PHONES))]
TEXTS = {"name", "email", "address", "place", "service", "service_name", "equipment_name", "description", "method",
         "reference", "void_reason", "noted_by", "note", "why", "reason", "payer"}
TABLES = {name: columns for name, columns in vars(screens).items()
          if isinstance(columns, list) and all(isinstance(column, tables.Column) for column in columns)}


@pytest.fixture(params=WIDTHS)
def width(request, monkeypatch):
    """A terminal of a width."""
    monkeypatch.setattr(tables, "screen_width", lambda: request.param)
    monkeypatch.setattr(tables, "terminal_size", lambda: (request.param, 24))
    return request.param


def assert_fits(lines, width):
    assert [line for line in lines if tables.width(line) > width] == []


def assert_whole(values, lines):
    """Each value is read as it is on one line, not broken over two."""
    assert [value for value in values if not any(value in line for line in lines)] == []


def test_the_walk_knows_the_tables():
    assert {"CUSTOMER_HITS", "LATE", "AGING", "PAYMENTS", "PAYMENT_HITS", "EQUIPMENT", "KEPT_BILLS"} <= set(TABLES)
    assert len(TABLES) >= 14


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[3:]], ids=["all", "longest", "short"])
def test_a_table_fits_and_cuts_no_phone_number_id_date_or_amount(name, rows, width):
    lines = tables.table(TABLES[name], rows).split("\n")
    assert_fits(lines, width)
    for column in TABLES[name]:
        if column.key not in TEXTS and (not column.spare or column.header in lines[0]):
            assert_whole([column.cell(row) for row in rows], lines)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_shows_all_columns_where_there_is_room(name, monkeypatch):
    monkeypatch.setattr(tables, "screen_width", lambda: 500)
    head, records = tables.lay_out(TABLES[name], ROWS)
    assert re.split("  +", head[0].strip()) == [column.header for column in TABLES[name]]
    assert [len(record) for record in records] == [1] * len(ROWS)


@pytest.mark.parametrize("name", TABLES)
def test_no_header_of_a_table_is_cut_or_broken_inside_a_word(name, width):
    head, _ = tables.lay_out(TABLES[name], ROWS)
    wanted = {word for column in TABLES[name] for word in column.header.split()}
    assert {word for line in head[:-1] for word in line.split()} <= wanted


def test_the_late_list_gives_up_last_paid_first(monkeypatch):
    headers = []
    for width in (500, 80, 70, 40):
        monkeypatch.setattr(tables, "screen_width", lambda width=width: width)
        head, records = tables.lay_out(screens.LATE, [{**row, "amount_late": Decimal("75.00"), "promise": None,
                                                       "closed_on": None}
                                                      for row in ROWS])
        headers.append((" ".join(" ".join(head[:-1]).split()), len(records[0])))
    assert headers == [
        ("ID Customer Phone number Late Oldest due Days Last paid", 1),
        ("ID Customer Phone number Late Oldest due Days", 1),
        ("ID Customer Phone number Late Oldest due", 1),
        ("ID Customer Phone number Late Oldest due Days Last paid", 3),
    ]


def test_the_late_list_shows_promises_on_a_screen_of_80_columns(monkeypatch):
    monkeypatch.setattr(tables, "screen_width", lambda: 80)
    promises = [{"amount": Decimal("50.00"), "until": "2026-12-05", "state": state} for state in ("open", "broken")]
    people = [("Ada Okafor", "+44 20 7946 0958"), (NAMES[0], "0301 555002"), ("Bo Li", None)]
    rows = [{**ROWS[0], "customer_id": 1200 + i, "name": name, "phone_number": phone, "amount_late": Decimal("1075.00"),
             "closed_on": None, "promise": promise}
            for i, ((name, phone), promise) in enumerate(zip(people, [*promises, None]))]
    assert tables.table(screens.LATE, rows).split("\n") == [
        "  ID  Customer          Phone number         Late  Oldest due  Promise",
        "----  ----------------  ----------------  -------  ----------  -----------------",
        "1200  Ada Okafor        +44 20 7946 0958  1075.00  2026-12-31  50.00 until 12-05",
        "1201  Wilhelmina-Alex…  0301 555002       1075.00  2026-12-31  broken 12-05",
        "1202  Bo Li                               1075.00  2026-12-31",
    ]


def test_a_long_name_gives_way_before_a_column_does(monkeypatch):
    monkeypatch.setattr(tables, "screen_width", lambda: 80)
    row = {**ROWS[0], "phone_number": "555 0104", "amount_late": Decimal("75.00"), "days_late": 3, "promise": None,
           "closed_on": None}
    head, (record,) = tables.lay_out(screens.LATE, [row])
    assert head[0].endswith("Last paid")
    assert "Wilhelmina-Alexa" in record[0]


def test_an_empty_column_goes_before_one_with_something_in_it(monkeypatch):
    monkeypatch.setattr(tables, "screen_width", lambda: 60)
    rows = [{**row, "voided_on": None, "void_reason": None, "amount": Decimal(5), "amount_left": Decimal(0)}
            for row in ROWS]
    head, _ = tables.lay_out(screens.PAYMENTS, rows)
    assert head[0].split() == ["ID", "Paid", "on", "Amount", "Method", "Reference", "Credit"]


def test_off_a_terminal_a_table_is_as_wide_as_it_is(monkeypatch):
    monkeypatch.setattr(tables, "screen_width", lambda: None)
    text = tables.table(screens.LATE, ROWS)
    assert_whole([*NAMES, *PHONES, str(ALL_IN_ALL)], text.split("\n"))


def test_customers_of_one_name_are_told_apart_in_every_list_that_names_them(width):
    rows = [{**ROWS[0], "name": name, "customer_id": customer_id, "phone_number": "555"}
            for name, customer_id in (("Maria Garcia", 7654321), ("MARIA Garcia", 7654322), ("Ada", 7654323))]
    for shown in TABLES.values():
        keys = [column.key for column in shown]
        if "name" in keys:
            lines = tables.table(shown, rows).split("\n")
            assert_fits(lines, width)
            assert_whole(["7654321", "7654322"], lines)


def test_a_customer_in_several_rows_needs_no_id():
    shown = [column for column in screens.BILLS if column.key != "billing_id"]
    rows = [{**ROWS[0], "description": what} for what in ("One", "Two")]
    assert "Customer ID" not in tables.table(shown, rows)
    assert not tables.read_alike(shown, rows)
    assert tables.read_alike(shown, [rows[0], rows[0]])


def test_the_fields_of_a_record_fit(width):
    for shown in (screens.BILL_FIELDS, screens.SERVICE_FIELDS, screens.EQUIPMENT):
        for row in ROWS:
            lines = list(tables.field_lines(shown, row))
            assert_fits(lines, width)
            assert_whole([column.show(row[column.key]) for column in shown if column.show is not clean], lines)
            assert "".join("".join(lines).split()).count("".join(row["name"].split()))


def account(row):
    late = {"billing_id": 9_999_950, "description": row["description"], "due_date": "2026-11-30", "amount_billed": MOST,
            "amount_paid": MOST, "amount_due": MOST, "days_late": 12_345, "today": "2026-12-31",
            "payments": [{"payment_id": 9_999_940, "kind": "credit note", "paid_on": "2026-11-22", "amount": MOST,
                          "voided_on": "2026-11-23"}]}
    site = {"location_id": 9_999_980, "address": row["address"],
            "services": [{"service_id": 9_999_970, "service_name": row["service_name"], "cost": MOST,
                          "started_on": DAY, "ended_on": DAY, "standing": row["standing"],
                          "coming_prices": [{"cost": MOST, "from_day": "2027-01-31"},
                                            {"cost": MOST, "from_day": "2027-02-28"}]}],
            "equipment": [{"equipment_id": 9_999_960, "equipment_name": row["equipment_name"],
                           "serial_number": row["serial_number"], "cost": MOST}]}
    paid = {"billing_id": 9_999_951, "description": row["description"], "due_date": "2026-10-30", "amount_billed": MOST,
            "last_payment_date": "2026-10-29"}
    return {"customer_id": row["customer_id"], "name": row["name"], "phone_number": row["phone_number"],
            "email": row["email"], "account_number": row["account_number"], "closed_on": row["closed_on"],
            "erased_on": date(2027, 12, 31), "merged_into": None,
            "customer_since": DAY, "locations": [site], "monthly_total": MOST, "unpaid_bills": [late],
            "paid_bills": [paid], "paid_bill_count": 9, "amount_due": ALL_IN_ALL, "credit": MOST,
            "promise": row["promise"], "note_count": 9, "notes": [
                {"customer_note_id": 9_999_930, "noted_on": "2026-08-30", "noted_by": row["noted_by"],
                 "note": row["note"],
                 "promised_until": "2026-09-30", "promised_amount": MOST, "state": "broken"}]}


@pytest.mark.parametrize("row", ROWS)
def test_an_account_fits_and_cuts_nothing(row, width):
    lines = list(screens.account_lines(account(row)))
    assert_fits(lines, width)
    assert_whole([str(row["customer_id"]), row["phone_number"], row["account_number"], row["serial_number"],
                  str(ALL_IN_ALL), "2026-11-30",
                  "2026-12-31", "2026-11-22", "2026-11-23", "2026-10-29", "9999980", "9999970", "9999960", "9999950",
                  "9999940", f"worth {MOST}", f"monthly {MOST}", "2026-08-30", "2026-09-30",
                  "2027-01-31", "2027-02-28", "2027-12-31"], lines)


def test_amounts_of_an_account_stand_at_one_margin(width):
    lines = list(screens.account_lines(account(ROWS[0])))
    ends = {tables.width(line) for line in lines if line.endswith(str(MOST)) and "credit" not in line}
    assert ends == {min(width, tables.READABLE) - 1}


@pytest.mark.parametrize("row", ROWS)
def test_a_statement_fits_and_cuts_nothing(row, width):
    entries = [
        {"day": f"2026-1{i}-15", "kind": kind, "record_id": 9_999_950 + i, "description": row["description"],
         "amount": amount, "items": [{"description": row["service_name"], "amount": MOST}] if kind == "bill" else None}
        for i, (kind, amount) in enumerate((("bill", MOST), ("payment", -MOST), ("void", MOST)))
    ]
    statement = {"customer_id": row["customer_id"], "name": row["name"], "phone_number": row["phone_number"],
                 "account_number": row["account_number"],
                 "opening": -ALL_IN_ALL, "closing": -ALL_IN_ALL + MOST, "entries": entries}
    lines = list(screens.statement_lines(statement, date(2026, 1, 1), DAY))
    assert_fits(lines, width)
    assert_whole([str(row["customer_id"]), row["phone_number"], "2026-01-01", "2026-12-31", "2026-10-15", "2026-11-15",
                  "2026-12-15", "9999950", "9999951", str(MOST), f"-{MOST}", f"-{ALL_IN_ALL}",
                  f"{ALL_IN_ALL - MOST} is"], lines)


def test_revenue_fits_and_cuts_nothing(width):
    months = [{"month": date(2026, month, 1), "billed": ALL_IN_ALL, "collected": MOST, "credited": MOST,
               "written_off": MOST, "refunded": MOST} for month in range(1, 13)]
    lines = list(screens.revenue_lines(ROWS, months))
    assert_fits(lines, width)
    assert_whole([str(ALL_IN_ALL), str(MOST), "2026-12", str(4 * ALL_IN_ALL), "4000000"], lines)


def test_what_a_payment_paid_fits(width):
    bills = [{"billing_id": row["billing_id"], "description": row["description"], "amount": MOST} for row in ROWS]
    lines = list(screens.payment_lines({
        "kind": "payment", "bills": bills, "amount_left": MOST, "voided_on": DAY, "void_reason": ADDRESS,
        "refunds": [{"payment_id": 9_999_939, "kind": "refund", "paid_on": DAY, "amount": MOST}],
    }))
    assert_fits(lines, width)
    assert_whole([f"Bill {row['billing_id']}" for row in ROWS] + ["Refund 9999939", str(DAY), str(MOST)], lines)


def test_the_tables_of_an_import_fit(width, capsys, monkeypatch):
    headers = ["First names of whoever has signed", "Family name of whoever has signed", "Telephone, mobile"]
    source = Source(Path("/nowhere.csv"), "utf-8", ",", headers)
    monkeypatch.setattr(choosing, "show_samples", lambda *shown: None)
    said = (parse_choice(headers, answer) for answer in ("name=1+2", "phone_number=3"))
    choosing.show(source, Choices(dict(said)))
    outcomes.show_outcome(Outcome(Tally(*[9_999_999] * 4), Tally(*[9_999_999] * 4), {}))
    lines = capsys.readouterr().out.split("\n")
    assert_fits(lines, width)
    assert " ".join(" ".join(lines).split()).count("9999999") == 8
    assert {word for header in headers for word in header.split()} <= {word for line in lines for word in line.split()}


@given(st.lists(st.text(st.sampled_from("ab-漢é1(+"), min_size=1, max_size=8), min_size=1, max_size=20),
       st.integers(16, 60))
def test_no_word_is_broken_that_a_line_has_room_for(words, limit):
    lines = tables.wrap(" ".join(words), limit)
    assert [word for line in lines for word in line.split()] == words


@pytest.mark.parametrize("text", ["Maria Garcia, +44 20 7946 0958.", "Tel (020) 7946 0958 ext 12, or 555 0104"])
@pytest.mark.parametrize("limit", range(17, 34))
def test_a_phone_number_is_not_broken_over_two_lines(text, limit):
    lines = tables.wrap(text, limit)
    assert_whole(re.findall(r"[+(0-9][0-9 ()]+[0-9]", text), lines)
    assert_fits(lines, limit)


def test_a_word_wider_than_the_line_begins_a_line_and_is_broken():
    assert tables.wrap("Serial ABCDEFGHIJKLMNOP is it", 10) == ["Serial", "ABCDEFGHIJ", "KLMNOP is", "it"]


@pytest.mark.parametrize("lines", [16, 24, 50])
def test_every_page_fits_a_narrow_screen_and_each_row_is_on_one(lines, monkeypatch, capsys):
    """Rows that take several lines make a page of fewer rows."""
    customers: list[LateCustomer] = [{**ROWS[i % 4], "customer_id": 9_000_000 + i} for i in range(30)]
    monkeypatch.setattr(paging, "on_terminal", lambda: True)
    monkeypatch.setattr(tables, "screen_width", lambda: 40)
    monkeypatch.setattr(tables, "terminal_size", lambda: (40, lines))
    pages = []

    def answer(prompt):
        pages.append([*capsys.readouterr().out.splitlines(), prompt])
        return ""

    monkeypatch.setattr("builtins.input", answer)
    paging.browse(screens.LATE, lambda after, limit: [row for row in customers if row["customer_id"] > after][:limit],
                  lambda row: row["customer_id"], 0, "30", "30 customers late, with 987654321098.76 in total.")
    shown = list(itertools.chain.from_iterable(pages))
    assert [int(line.split()[0]) for line in shown if line.startswith("90000")] == [
        row["customer_id"] for row in customers]
    spans = [tuple(map(int, re.findall("[0-9]+", line)))[:2] for line in shown if line.startswith("Rows")]
    assert [first for first, _ in spans] == [1, *(last + 1 for _, last in spans[:-1])]
    for page in pages[1:]:
        assert len(page) <= lines
        assert_fits(page, 40)
