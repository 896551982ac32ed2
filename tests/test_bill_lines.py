"""What a bill run's lines say and come to, whom it bills, and what makes the next bill make something good."""
from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal

import psycopg2
import pytest
from conftest import PROMPT, lines, there_since, wait_for

import database
from tracker import bill_run, payments, prices, trail
from tracker.verify import verify

NOVEMBER, DECEMBER, JANUARY = date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
DUE = date(2030, 1, 15)
FIBRE = "Fibre 100, 1 Harbour Street"


@pytest.fixture
def ada(db):
    customer_id = db.add_customer("Ada Okafor", "5550100")
    db.add_location(customer_id, "1 Harbour Street")
    there_since()
    return customer_id


def fibre(started_on=date(2026, 1, 1), cost="30.00"):
    return database.add_service(1, "Fibre 100", Decimal(cost), started_on)


def settled_until_november():
    """Bill what is open to the end of October."""
    bill_run.run(date(2026, 10, 1), DUE)


def of_month(sql, period):
    """Return the lines of the bills of a month: text and amount."""
    rows = sql("SELECT item.description, item.amount FROM billing_items AS item JOIN billing USING (billing_id)"
               " WHERE period = %s AND cancelled_on IS NULL ORDER BY billing_item_id", period)
    return [(row["description"], f"{row['amount']:.2f}") for row in rows]


def late_start(sql):
    bill_run.run(NOVEMBER, DUE)
    fibre(date(2026, 11, 12))
    return DECEMBER, [(FIBRE, "30.00"), (f"{FIBRE}, 12 to 30 November 2026, 19 of 30 days", "19.00")]


def early_end(sql):
    fibre()
    settled_until_november()
    bill_run.run(NOVEMBER, DUE)
    database.end_service(1, date(2026, 11, 20))
    return DECEMBER, [(f"{FIBRE}, 21 to 30 November 2026, 10 of 30 days, taken back", "-10.00"),
                      ("Carried over to a credit note", "10.00")]


def mid_month_start(sql):
    fibre(date(2026, 11, 12))
    return NOVEMBER, [(f"{FIBRE}, 12 to 30 November, 19 of 30 days", "19.00")]


def one_day(sql):
    fibre(date(2026, 11, 12))
    database.end_service(1, date(2026, 11, 12))
    return NOVEMBER, [(f"{FIBRE}, 12 November, 1 of 30 days", "1.00")]


def a_pause(sql):
    fibre()
    settled_until_november()
    database.pause_service(1, date(2026, 11, 5), date(2026, 11, 14))
    return NOVEMBER, [(f"{FIBRE}, 1 to 4 November, 4 of 30 days", "4.00"),
                      (f"{FIBRE}, 15 to 30 November, 16 of 30 days", "16.00")]


def another_price(sql):
    fibre()
    settled_until_november()
    sql("INSERT INTO price_changes (service_id, from_day, cost_before) VALUES (1, '2026-11-16', 30)")
    sql("UPDATE services SET cost = 36")
    return NOVEMBER, [(f"{FIBRE}, 1 to 15 November, 15 of 30 days", "15.00"),
                      (f"{FIBRE}, 16 to 30 November, 15 of 30 days", "18.00")]


def a_price_to_come(sql):
    fibre()
    settled_until_november()
    sql("INSERT INTO price_changes (service_id, from_day, cost_before) VALUES (1, '2026-12-01', 30)")
    sql("UPDATE services SET cost = 36")
    return NOVEMBER, [(FIBRE, "30.00")]


def a_month_left_out(sql):
    fibre(date(2026, 9, 1))
    bill_run.run(date(2026, 9, 1), DUE)
    return NOVEMBER, [(FIBRE, "30.00"), (f"{FIBRE}, October 2026", "30.00")]


def one_always_there(sql):
    fibre(None)
    return NOVEMBER, [(FIBRE, "30.00")]


def three_pieces(sql):
    fibre(None, "0.10")
    for first, last in ((6, 6), (12, 12)):
        database.pause_service(1, date(2026, 12, first), date(2026, 12, last))
    return DECEMBER, [(f"{FIBRE}, 1 to 5 December, 5 of 31 days", "0.02"),
                      (f"{FIBRE}, 7 to 11 December, 5 of 31 days", "0.01"),
                      (f"{FIBRE}, 13 to 31 December, 19 of 31 days", "0.06")]


@pytest.mark.parametrize("case", [late_start, early_end, mid_month_start, one_day, a_pause, another_price,
                                  a_price_to_come, a_month_left_out, one_always_there, three_pieces])
def test_a_line_says_its_days_and_comes_to_their_price(ada, sql, case):
    period, said = case(sql)
    bill_run.run(period, DUE)
    assert sorted(of_month(sql, period)) == sorted(said)


def test_a_bill_of_less_than_nothing_is_over_nothing_and_its_undo_voids_the_credit_note(ada, sql):
    period, _ = early_end(sql)
    bill_run.run(period, DUE)
    note, = sql("SELECT amount, reason, from_bill FROM payments")
    bill, = sql("SELECT billing_id, amount_billed FROM billing WHERE period = %s", period)
    assert (note["amount"], note["from_bill"], bill["amount_billed"]) == (Decimal("10.00"), bill["billing_id"], 0)
    bill_run.undo(period)
    note, = sql("SELECT voided_on, from_bill FROM payments")
    assert note["voided_on"] is not None
    assert payments.credit(ada) == 0
    bill_run.run(period, DUE)
    assert sql("SELECT sum(amount) FROM payments WHERE voided_on IS NULL") == [{"sum": Decimal("10.00")}]


def test_a_bill_of_less_than_nothing_that_comes_back_has_its_credit_note_again(ada, sql):
    period, said = early_end(sql)
    bill_run.run(period, DUE)
    bill_run.undo(period)
    trail.restore(trail.deletions()[0])
    assert of_month(sql, period) == said
    bill, = sql("SELECT billing_id FROM billing WHERE period = %s", period)
    assert sql("SELECT amount, from_bill, voided_on IS NULL AS counts FROM payments ORDER BY payment_id") == [
        {"amount": Decimal("10.00"), "from_bill": None, "counts": False},
        {"amount": Decimal("10.00"), "from_bill": bill["billing_id"], "counts": True}]
    assert verify()[1] == []


def test_a_credit_note_that_was_void_before_its_bill_was_deleted_stays_void(ada, sql):
    period, _ = early_end(sql)
    bill_run.run(period, DUE)
    payments.void_payment(1, "given in cash")
    bill_run.undo(period)
    trail.restore(trail.deletions()[0])
    assert sql("SELECT count(*) FROM payments WHERE voided_on IS NULL") == [{"count": 0}]


def test_what_was_billed_too_much_of_a_service_is_taken_back_though_it_was_deleted_for_a_run(ada, sql):
    fibre(None)
    database.add_service(1, "TV", Decimal("5.00"))
    for month in (9, 10, 11):
        bill_run.run(date(2026, month, 1), DUE)
    database.end_service(1, date(2026, 9, 20))
    database.delete_service(1)
    bill_run.run(DECEMBER, DUE)
    trail.restore(next(row for row in trail.deletions() if row["table_name"] == "services"))
    bill_run.run(JANUARY, DUE)
    assert of_month(sql, JANUARY) == [
        ("TV, 1 Harbour Street", "5.00"),
        (f"{FIBRE}, 21 to 30 September 2026, 10 of 30 days, taken back", "-10.00"),
        (f"{FIBRE}, October 2026, taken back", "-30.00"), (f"{FIBRE}, November 2026, taken back", "-30.00"),
        ("Carried over to a credit note", "65.00")]


def test_a_price_that_psql_takes_away_was_never_another_one(ada, sql):
    fibre(None)
    for month in (9, 10):
        bill_run.run(date(2026, month, 1), DUE)
    prices.change_price(prices.Change("Fibre 100", Decimal("36.00"), date(2026, 10, 16)))
    bill_run.run(NOVEMBER, DUE)
    sql("DELETE FROM price_changes")
    bill_run.run(DECEMBER, DUE)
    sums = sql("SELECT date_trunc('month', first_day)::date AS month, sum(amount) FROM billing_items"
               " GROUP BY 1 ORDER BY 1")
    assert [row["sum"] for row in sums] == [Decimal("36.00")] * 4


def test_an_old_line_of_a_whole_month_is_only_taken_back(ada, sql):
    sql("INSERT INTO services (location_id, service_name, cost) VALUES (1, 'Fibre 100', 30)")
    sql("INSERT INTO billing (customer_id, description, period, issued_on, due_date, amount_billed)"
        " VALUES (1, 'November', '2026-11-01', '2026-11-01', '2026-11-15', 25)")
    sql("INSERT INTO billing_items (billing_id, service_id, description, amount) VALUES (1, 1, 'Fibre', 25)")
    database.end_service(1, date(2026, 11, 24))
    bill_run.run(DECEMBER, DUE)
    assert of_month(sql, DECEMBER) == [(f"{FIBRE}, 25 to 30 November 2026, 6 of 30 days, taken back", "-5.00"),
                                       ("Carried over to a credit note", "5.00")]


def test_a_month_before_the_first_line_with_days_is_not_billed_to_a_service_that_was_always_there(ada, sql):
    fibre(None)
    sql("INSERT INTO billing (customer_id, description, period, issued_on, due_date, amount_billed)"
        " VALUES (1, 'August', '2026-08-01', '2026-08-01', '2026-08-15', 25)")
    bill_run.run(NOVEMBER, DUE)
    assert of_month(sql, NOVEMBER) == [(FIBRE, "30.00")]


def test_a_run_that_was_undone_and_never_made_again_is_made_good_by_the_next(ada, sql):
    fibre(None)
    bill_run.run(NOVEMBER, DUE)
    bill_run.undo(NOVEMBER)
    bill_run.run(DECEMBER, DUE)
    assert sorted(of_month(sql, DECEMBER)) == [(FIBRE, "30.00"), (f"{FIBRE}, November 2026", "30.00")]


def test_a_run_undone_on_a_later_day_is_billed_again(ada, sql):
    fibre(None)
    bill_run.run(NOVEMBER, DUE)
    sql("UPDATE billing SET issued_on = issued_on - 1")
    bill_run.undo(NOVEMBER)
    assert bill_run.run(NOVEMBER, DUE)["total"] == Decimal("30.00")
    assert sql("SELECT count(*) FROM billing WHERE cancelled_on IS NOT NULL") == [{"count": 1}]


def test_a_service_whose_deletion_is_undone_is_billed_for_the_months_between(ada, sql):
    fibre(None)
    this_month = database.today().replace(day=1)
    next_month = date(this_month.year + this_month.month // 12, this_month.month % 12 + 1, 1)
    database.delete_service(1)
    database.add_service(1, "Phone", Decimal("1.00"))
    bill_run.run(this_month, DUE)
    deletion, = trail.deletions()
    trail.restore(deletion)
    bill_run.run(next_month, DUE)
    assert sum(Decimal(amount) for text, amount in of_month(sql, next_month) if text.startswith(FIBRE)) == 60


def test_closed_customers_are_left_out(ada, sql):
    fibre(None)
    sql("UPDATE customers SET closed_on = CURRENT_DATE")
    assert bill_run.run(NOVEMBER, DUE)["created"] == 0


def test_a_final_bill_settles_all_months_and_is_of_none(ada, sql):
    fibre(date(2026, 10, 16), "31.00")
    bill_run.run(DECEMBER, DUE)
    bill_run.undo(DECEMBER)
    bill_run.run(NOVEMBER, DUE)
    database.end_service(1, date(2026, 12, 10))
    with database.transaction() as cur:
        billing_id = bill_run.final_bill(cur, ada, date(2026, 12, 10), DUE)
    bill = database.get_bill(billing_id)
    assert (bill["period"], bill["description"], bill["amount_billed"]) == (
        None, "Final bill, to 10 December 2026", Decimal("10.00"))
    assert [item["description"] for item in bill["items"]] == [f"{FIBRE}, 1 to 10 December 2026, 10 of 31 days"]
    with database.transaction() as cur:
        assert bill_run.final_bill(cur, ada, date(2026, 12, 10), DUE) is None
    assert bill_run.run(DECEMBER, DUE)["created"] == 0
    assert verify()[1] == []


def test_a_final_bill_takes_back_months_that_were_billed_ahead(ada, sql):
    fibre(NOVEMBER, "31.00")
    for period in (NOVEMBER, DECEMBER, JANUARY):
        bill_run.run(period, DUE)
    database.end_service(1, date(2026, 11, 30))
    with database.transaction() as cur:
        billing_id = bill_run.final_bill(cur, ada, date(2026, 11, 30), DUE)
    assert sorted((item["description"], item["amount"]) for item in database.get_bill(billing_id)["items"]) == [
        ("Carried over to a credit note", Decimal("62.00")),
        (f"{FIBRE}, December 2026, taken back", Decimal("-31.00")),
        (f"{FIBRE}, January 2027, taken back", Decimal("-31.00")),
    ]


def test_what_changes_while_a_run_is_under_way_is_made_good_by_the_next(ada, uri, sql):
    """The service is noted already, and again by the change that the run does not see."""
    fibre(NOVEMBER)
    customer = psycopg2.connect(uri)
    customer.cursor().execute("SELECT FROM customers FOR UPDATE")
    run = threading.Thread(target=bill_run.run, args=(NOVEMBER, DUE))
    run.start()
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity "
                         "WHERE datname = current_database() AND wait_event_type = 'Lock'"))
    database.end_service(1, date(2026, 11, 20))
    customer.rollback()
    run.join()
    customer.close()
    assert of_month(sql, NOVEMBER) == [(FIBRE, "30.00")]
    bill_run.run(DECEMBER, DUE)
    assert of_month(sql, DECEMBER)[0] == (f"{FIBRE}, 21 to 30 November 2026, 10 of 30 days, taken back", "-10.00")


def test_whoever_is_skipped_by_a_run_has_their_days_made_good_by_the_next(ada, sql):
    fibre(NOVEMBER)
    bill_run.run(NOVEMBER, DUE)
    database.end_service(1, date(2026, 11, 20))
    bill_run.run(NOVEMBER, DUE)
    bill_run.run(DECEMBER, DUE)
    assert len(of_month(sql, DECEMBER)) == 2


def test_a_preview_names_parts_of_the_month_and_what_is_made_good(ada, run, sql):
    period, _ = early_end(sql)
    database.add_service(1, "Phone", Decimal("31.00"), date(2026, 12, 11))
    done = run("bill", "--period", f"{period:%Y-%m}", "--due", "2099-01-01", "--dry-run")
    assert done.stdout.splitlines()[:4] == [
        "2026-12: bills for 1 customer, 11.00 in total, due 2099-01-01.",
        "Against the month before (30.00): 0 new, 0 gone, 1 with another amount.",
        "For a part of the month: 1 line, 21.00.",
        "Made good, days left out or billed too many: 1 line, -10.00.",
    ]


def test_a_preview_says_what_would_be_credited(ada, run, sql):
    period, _ = early_end(sql)
    done = run("bill", "--period", f"{period:%Y-%m}", "--dry-run")
    assert "Billed less than nothing: 1 customer, with credit notes of 10.00.\n" in done.stdout


def test_the_lists_of_a_preview_open_before_its_total_is_typed(ada, terminal, sql):
    period, _ = early_end(sql)
    database.add_service(1, "Phone", Decimal("31.00"), date(2026, 12, 11))
    child = terminal()
    for answer in ("5", "9", f"{period:%Y-%m}", "2027-01-05"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    said = " ".join(child.before.split())
    assert "To look at a list, type its number: 1 with another amount, 2 part of the month, 3 made good." in said
    for digit, shown in (
        ("1", "1 Ada Okafor 30.00 11.00"),
        ("2", "1 Ada Okafor Phone, 1 Harbour Stre… 11 to 31 December, 21 of 31 days 21.00"),
        ("3", "1 Ada Okafor Fibre 100, 1 Har… 21 to 30 November 2026, 10 of 30 days -10.00"),
    ):
        child.send(f"{digit}\r")
        child.expect(PROMPT)
        assert shown in " ".join(child.before.split())
    child.send("11.00\r")
    child.expect(PROMPT)
    assert "Created 1, skipped 0; 11.00 billed" in " ".join(child.before.split())


def test_ending_a_service_says_what_the_next_bill_takes_back(ada, run, sql):
    fibre(NOVEMBER)
    bill_run.run(NOVEMBER, DUE)
    done = run(answers=lines("3", "6", "1", "2026-11-20", "0", "0"))
    assert "Service 1, Fibre 100, at 1 Harbour Street, of Ada Okafor, ends on 2026-11-20.\n" in done.stdout
    assert f"The next bill has: {FIBRE}, 21 to 30 November 2026, 10 of 30 days, taken back, -10.00.\n" in done.stdout


def test_another_first_day_says_what_the_next_bill_makes_good(ada, run, sql):
    fibre(NOVEMBER)
    bill_run.run(NOVEMBER, DUE)
    done = run(answers=lines("3", "3", "1", "", "", "2026-11-12", "0", "0"))
    assert ("Saved service 1, Fibre 100, at 30.00 a month, from 2026-11-12.\n"
            f"The next bill has: {FIBRE}, 1 to 11 November 2026, 11 of 30 days, taken back, -11.00.\n") in done.stdout
    assert sql("SELECT started_on FROM services") == [{"started_on": date(2026, 11, 12)}]


def test_a_first_day_after_the_last_one_is_asked_for_again(ada, terminal, sql):
    fibre(NOVEMBER)
    database.end_service(1, date(2026, 11, 20))
    child = terminal()
    for answer in ("3", "3", "1", "", "", "\x152026-11-21"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("A service's last day is not before its first.")
    child.expect(PROMPT)
    assert "From: " in child.after
    child.send("\x152026-11-20\r")
    child.expect(PROMPT)
    assert sql("SELECT started_on FROM services") == [{"started_on": date(2026, 11, 20)}]


def test_pauses_are_added_changed_and_removed(ada, run, sql):
    fibre(NOVEMBER)
    run(answers=lines("3", "7", "1", "2026-11-05", "", "0", "0"))
    assert sql("SELECT first_day, last_day FROM service_pauses") == [{"first_day": date(2026, 11, 5), "last_day": None}]
    run(answers=lines("3", "7", "1", "1", "2026-11-09", "0", "0"))
    assert sql("SELECT last_day FROM service_pauses") == [{"last_day": date(2026, 11, 9)}]
    run(answers=lines("3", "7", "1", "1", "remove", "0", "0"))
    assert sql("SELECT last_day FROM service_pauses") == []


def test_a_pause_on_days_of_another_is_asked_for_again(ada, terminal, sql):
    fibre(NOVEMBER)
    database.pause_service(1, date(2026, 11, 5), date(2026, 11, 9))
    child = terminal()
    for answer in ("3", "7", "1", "", "2026-11-01", "2026-11-05"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("The service is paused on some of these days already.")
    for answer in ("2026-11-01", "2026-11-04"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert "is paused from 2026-11-01 to 2026-11-04." in " ".join(child.before.split())
    assert [(row["first_day"].day, row["last_day"].day) for row in
            sql("SELECT first_day, last_day FROM service_pauses ORDER BY first_day")] == [(1, 4), (5, 9)]


def test_a_last_day_before_the_first_is_asked_for_again(ada, terminal, sql):
    fibre(NOVEMBER)
    child = terminal()
    for answer in ("3", "6", "1", "2026-10-31"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("The last day cannot be before the first, 2026-11-01.")
    child.expect(PROMPT)
    child.send("2026-11-01\r")
    child.expect(PROMPT)
    assert sql("SELECT ended_on FROM services") == [{"ended_on": date(2026, 11, 1)}]


def test_a_service_that_begins_later_ends_on_its_first_day_at_the_earliest(ada, run, sql):
    fibre()
    tomorrow = sql("UPDATE services SET started_on = CURRENT_DATE + 1 RETURNING started_on")[0]["started_on"]
    assert f"Last day [{tomorrow}]: \n" in run(answers=lines("3", "6", "1", "", "0", "0")).stdout
    assert sql("SELECT ended_on FROM services") == [{"ended_on": tomorrow}]


@pytest.mark.parametrize(("change", "standing", "monthly"), [
    ("UPDATE services SET ended_on = CURRENT_DATE - 1, started_on = NULL", "ended {yesterday}", "0.00"),
    ("UPDATE services SET started_on = CURRENT_DATE + 1", "from {tomorrow}", "0.00"),
    ("INSERT INTO service_pauses (service_id, first_day) VALUES (1, CURRENT_DATE)", "paused", "0.00"),
    ("INSERT INTO service_pauses (service_id, first_day, last_day) VALUES (1, CURRENT_DATE - 1, CURRENT_DATE + 1)",
     "paused to {tomorrow}", "0.00"),
    ("UPDATE services SET ended_on = CURRENT_DATE + 1", "ends {tomorrow}", "30.00"),
    ("UPDATE services SET started_on = CURRENT_DATE + 1, ended_on = CURRENT_DATE + 2", "from {tomorrow} to {after}",
     "0.00"),
    ("INSERT INTO service_pauses (service_id, first_day) VALUES (1, CURRENT_DATE + 1)", "paused from {tomorrow}",
     "30.00"),
    ("INSERT INTO service_pauses (service_id, first_day, last_day) VALUES (1, CURRENT_DATE + 1, CURRENT_DATE + 2)",
     "paused from {tomorrow} to {after}", "30.00"),
    ("INSERT INTO service_pauses (service_id, first_day, last_day) VALUES (1, CURRENT_DATE - 3, CURRENT_DATE - 1), "
     "(1, CURRENT_DATE, CURRENT_DATE), (1, CURRENT_DATE + 2, NULL); UPDATE services SET ended_on = CURRENT_DATE + 2",
     "paused to {today}, ends {after}", "0.00"),
    ("INSERT INTO service_pauses (service_id, first_day) VALUES (1, CURRENT_DATE); "
     "UPDATE services SET ended_on = CURRENT_DATE + 1", "paused, ends {tomorrow}", "0.00"),
    ("INSERT INTO service_pauses (service_id, first_day) VALUES (1, CURRENT_DATE + 2); "
     "UPDATE services SET ended_on = CURRENT_DATE + 1", "ends {tomorrow}", "30.00"),
    ("INSERT INTO service_pauses (service_id, first_day) VALUES (1, CURRENT_DATE + 2); "
     "UPDATE services SET started_on = CURRENT_DATE + 1", "from {tomorrow}, paused from {after}", "0.00"),
    ("INSERT INTO service_pauses (service_id, first_day) VALUES (1, CURRENT_DATE - 9); "
     "UPDATE services SET ended_on = CURRENT_DATE - 1", "ended {yesterday}", "0.00"),
])
def test_an_account_marks_what_does_not_run_and_does_not_count_it(ada, run, sql, change, standing, monthly):
    fibre()
    sql(change)
    days = sql("SELECT (CURRENT_DATE - 1)::text AS yesterday, CURRENT_DATE::text AS today,"
               " (CURRENT_DATE + 1)::text AS tomorrow, (CURRENT_DATE + 2)::text AS after")[0]
    screen = run(answers=lines("1", "2", "1", "0", "0")).stdout
    shown = " ".join(screen[screen.index("Service 1"):screen.index("No unpaid")].split())
    assert shown.replace(" monthly 30.00", "") == f"Service 1 Fibre 100, {standing.format(**days)}"
    assert f"Monthly total {monthly}," in screen


def test_the_form_that_ends_a_service_says_how_one_that_ends_goes_on(ada, run, sql):
    fibre()
    assert "\nLast day [today]: 2099-01-01\n" in run(answers=lines("3", "6", "1", "2099-01-01", "0", "0")).stdout
    assert "\nLast day, or none [2099-01-01]: none\n" in run(answers=lines("3", "6", "1", "none", "0", "0")).stdout
    assert sql("SELECT ended_on FROM services") == [{"ended_on": None}]
