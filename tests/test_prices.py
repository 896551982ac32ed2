"""What a service costs on which day: changes of a price, what screens show until they come, and names in use."""
from __future__ import annotations

import csv
import json
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from conftest import PROMPT, lines

import database
from tracker import errors, prices, reports, trail
from tracker.transfer import columns, importing
from tracker.transfer import source as sources

OLD, NEW = Decimal("29.90"), Decimal("34.90")


@pytest.fixture
def plan(db, sql):
    """Four customers with Fibre 100, one of them at a price of her own, and a telephone; all were always there."""
    for name, service_name, cost in (("Ada Okafor", "Fibre 100", OLD), ("Bo Berg", "FIBRE-100", OLD),
                                     ("Cy Dean", "Fibre 100", Decimal(25)), ("Di Else", "Fibre 100", OLD)):
        db.add_service(db.add_location(db.add_customer(name, None), "1 Harbour Street"), service_name, cost)
    db.add_service(1, "Telephone", Decimal("9.50"))
    return db


def today():
    return database.today()


def next_month():
    return (today().replace(day=1) + timedelta(days=32)).replace(day=1)


def raised(day=None, cost=NEW, all_prices=False):
    return prices.Change("fibre 100", cost, day or next_month(), all_prices)


def changes(sql):
    return [tuple(row.values()) for row in sql(
        "SELECT service_id, from_day, cost_before FROM price_changes ORDER BY service_id, from_day")]


def billed(sql, service_id):
    """Put a service on a bill of its customer, by its place."""
    sql("""
        WITH bill AS (
            INSERT INTO billing (customer_id, description, due_date, amount_billed)
            SELECT customer_id, 'By hand', CURRENT_DATE, 1
            FROM services JOIN locations USING (location_id) WHERE service_id = %(id)s
            RETURNING billing_id
        )
        INSERT INTO billing_items (billing_id, service_id, description, amount)
        SELECT billing_id, %(id)s, 'Fibre 100', 1 FROM bill
        """.replace("%(id)s", str(service_id)))


class Chain:
    """The prices of one service, day by day, in plain Python."""

    def __init__(self, cost, started_on):
        self.first, self.started_on, self.from_days = cost, started_on, {}

    def on(self, day):
        came = [from_day for from_day in self.from_days if from_day <= day]
        return self.from_days[max(came)] if came else self.first

    def change(self, cost, day):
        if self.started_on and self.started_on >= day:
            day = self.started_on
        if self.on(day) == cost:
            return
        if self.started_on == day and day not in self.from_days:
            self.first = cost  # no day came before it
            return
        before = self.on(day - timedelta(days=1))
        self.from_days[day] = cost
        if before == cost:
            del self.from_days[day]


@pytest.mark.parametrize("seed", range(20))
def test_a_chain_of_changes_gives_each_day_the_price_that_was_set_for_it_last(db, sql, seed):
    chance = random.Random(seed)
    location = db.add_location(db.add_customer("Ada Okafor", None), "1 Harbour Street")
    start = today() - timedelta(days=12)
    chains = {}
    for started_on in (None, start, start + timedelta(days=10), today(), today() + timedelta(days=6)):
        service_id = db.add_service(location, "Fibre", OLD)
        sql("UPDATE services SET started_on = %s WHERE service_id = %s", started_on, service_id)
        billed(sql, service_id)
        chains[service_id] = Chain(OLD, started_on)
    for _ in range(25):
        day = start + timedelta(days=chance.randrange(24))
        chosen = chance.sample(sorted(chains), chance.randint(1, 5))
        costs = [Decimal(chance.choice(("29.90", "30.00", "31.00", "32.50"))) for _ in chosen]
        sql("SELECT change_prices(%s::bigint[], %s::numeric[], %s)", chosen, costs, day)
        for service_id, cost in zip(chosen, costs):
            chains[service_id].change(cost, day)
        wanted = [(service_id, start + timedelta(days=i), chain.on(start + timedelta(days=i)))
                  for service_id, chain in chains.items() for i in range(26)
                  if not chain.started_on or start + timedelta(days=i) >= chain.started_on]
        assert [tuple(row.values()) for row in sql("""
            SELECT service_id, day::date AS day, coalesce((
                       SELECT cost_before
                       FROM price_changes
                       WHERE price_changes.service_id = services.service_id AND from_day > day
                       ORDER BY from_day
                       LIMIT 1
                   ), cost) AS cost
            FROM services
            CROSS JOIN generate_series(%s::timestamp, %s, interval '1 day') AS day
            WHERE day >= coalesce(started_on, '2000-01-01')
            ORDER BY service_id, day
            """, start, start + timedelta(days=25))] == wanted
        assert [row["cost"] for row in db.list_services(limit=4)] == [
            chains[service_id].on(today()) for service_id in range(1, 5)]


def test_names_in_use_come_with_how_many_have_them_and_what_most_pay(plan):
    rows = [{name: row[name] for name in ("service_name", "services", "cost")} for row in prices.find_plans().rows]
    assert rows == [{"service_name": "Fibre 100", "services": 4, "cost": OLD},
                    {"service_name": "Telephone", "services": 1, "cost": Decimal("9.50")}]
    assert [row["service_name"] for row in prices.find_plans("100 fib").rows] == ["Fibre 100"]
    assert prices.find_plans("fib phone").total == 0


def test_a_change_is_for_all_spellings_of_a_name_and_leaves_prices_of_their_own_alone(plan, sql):
    change = raised()
    seen = prices.preview(change)
    assert dict(seen) == {
        "services": 4, "usual": OLD, "changing": 3, "own": 1, "later": 0,
        "total_before": Decimal("114.70"), "total_after": Decimal("129.70"),
    }
    assert [row["name"] for row in prices.list_changing(change)] == ["Ada Okafor", "Bo Berg", "Di Else"]
    assert [row["name"] for row in prices.list_changing(change, after=2)] == ["Di Else"]
    assert [dict(row) for row in prices.list_own(change)] == [
        {"service_id": 3, "name": "Cy Dean", "address": "1 Harbour Street", "cost": Decimal(25)}]
    assert prices.change_price(change, seen) == dict(seen)
    assert changes(sql) == [(service_id, next_month(), OLD) for service_id in (1, 2, 4)]
    assert sql("SELECT reason FROM trail WHERE table_name = 'price_changes'") == [
        {"reason": f"price of fibre 100: 34.90 from {next_month()}"}]


def test_a_change_is_for_prices_of_their_own_where_that_is_said(plan, sql):
    assert prices.change_price(raised(all_prices=True))["changing"] == 4
    assert changes(sql)[2] == (3, next_month(), Decimal(25))


def test_the_same_change_back_to_the_price_before_leaves_no_trace_of_it(plan, sql):
    prices.change_price(raised())
    assert prices.change_price(raised(cost=OLD))["changing"] == 3
    assert changes(sql) == []
    assert [row["cost"] for row in plan.list_services()] == [OLD, OLD, Decimal(25), OLD, Decimal("9.50")]


def test_a_change_ends_where_a_later_one_begins(plan, sql):
    later = next_month() + timedelta(days=40)
    prices.change_price(raised(later, Decimal(40)))
    seen = prices.preview(raised())
    assert (seen["changing"], seen["later"]) == (3, 3)
    prices.change_price(raised())
    assert [(price["from_day"], price["cost"]) for price in plan.get_service(1)["coming_prices"]] == [
        (str(next_month()), NEW), (str(later), Decimal(40))]


def test_ended_services_and_closed_customers_are_left_out(plan, sql):
    sql("UPDATE services SET ended_on = %s WHERE service_id = 1", next_month() - timedelta(days=1))
    sql("UPDATE services SET ended_on = %s WHERE service_id = 2", next_month())
    sql("UPDATE customers SET closed_on = CURRENT_DATE WHERE customer_id = 4")
    assert [row["service_id"] for row in prices.list_changing(raised())] == [2]
    assert prices.find_plans("fibre").rows[0]["services"] == 3
    sql("UPDATE services SET ended_on = CURRENT_DATE - 1 WHERE service_id = 1")
    assert prices.find_plans("fibre").rows[0]["services"] == 2


@pytest.mark.parametrize("meanwhile", [
    "INSERT INTO services (location_id, service_name, cost) VALUES (1, 'Fibre 100', 29.90)",
    "UPDATE services SET cost = 20 WHERE service_id = 1",
    "DELETE FROM services WHERE service_id = 3",
    "UPDATE services SET ended_on = CURRENT_DATE WHERE service_id = 4",
    "SELECT change_prices('{4}', '{34.90}', CURRENT_DATE)",
])
def test_nothing_is_changed_when_it_would_not_be_what_was_shown(plan, sql, meanwhile):
    seen = prices.preview(raised())
    sql(meanwhile)
    before = sql("SELECT * FROM services ORDER BY service_id"), changes(sql)
    with pytest.raises(errors.Conflict, match=r"^Services have changed since: .* nothing was changed\.$"):
        prices.change_price(raised(), seen)
    assert (sql("SELECT * FROM services ORDER BY service_id"), changes(sql)) == before


def test_a_price_that_is_to_come_is_neither_shown_nor_summed_before_its_day(plan, sql):
    prices.change_price(raised())
    assert plan.find_services("Okafor fibre").rows[0]["cost"] == OLD
    assert plan.get_service(1)["cost"] == plan.list_services()[0]["cost"] == OLD
    account = reports.get_account(1)
    assert account["monthly_total"] == Decimal("39.40")
    assert account["locations"][0]["services"] == [
        {"service_id": 1, "service_name": "Fibre 100", "cost": OLD, "started_on": None, "ended_on": None,
         "standing": None, "coming_prices": [{"from_day": str(next_month()), "cost": NEW}]},
        {"service_id": 5, "service_name": "Telephone", "cost": Decimal("9.50"), "started_on": None, "ended_on": None,
         "standing": None, "coming_prices": []},
    ]
    assert {row["service_name"]: row["monthly"] for row in reports.recurring_revenue()} == {
        "Fibre 100": Decimal("84.80"), "FIBRE-100": OLD, "Telephone": Decimal("9.50")}


def test_a_price_is_shown_and_summed_from_its_day_on(plan, sql):
    prices.change_price(raised(today()))
    assert plan.get_service(1)["cost"] == NEW
    assert plan.get_service(1)["coming_prices"] == []
    assert reports.get_account(1)["monthly_total"] == Decimal("44.40")


def test_a_price_that_comes_when_a_service_has_ended_is_not_to_come(plan, sql):
    prices.change_price(raised())
    prices.change_price(raised(next_month() + timedelta(days=40), Decimal(40)))
    sql("UPDATE services SET ended_on = %s WHERE service_id = 1", next_month() + timedelta(days=9))
    assert [price["cost"] for price in plan.get_service(1)["coming_prices"]] == [NEW]
    sql("UPDATE services SET ended_on = CURRENT_DATE - 1 WHERE service_id = 1")
    assert plan.get_service(1)["coming_prices"] == []
    assert reports.get_account(1)["locations"][0]["services"][0]["coming_prices"] == []


def test_ended_services_are_in_no_sum(plan, sql):
    sql("UPDATE services SET ended_on = CURRENT_DATE - 1 WHERE service_id = 1")
    assert reports.get_account(1)["monthly_total"] == Decimal("9.50")
    assert reports.recurring_revenue()[0]["services"] == 2


@pytest.mark.parametrize(("started", "on_a_bill", "noted"), [
    (None, False, False), (None, True, True), ("CURRENT_DATE", False, False), ("CURRENT_DATE", True, False),
    ("CURRENT_DATE - 1", False, True), ("CURRENT_DATE + 5", False, False),
])
def test_an_updated_cost_holds_from_today_or_for_all_days_where_there_are_none_before(
    plan, sql, started, on_a_bill, noted
):
    sql(f"UPDATE services SET started_on = {started or 'NULL'} WHERE service_id = 1")
    if on_a_bill:
        billed(sql, 1)
    assert dict(plan.update_service(1, cost=Decimal(31))) == {
        "service_id": 1, "location_id": 1, "service_name": "Fibre 100", "cost": Decimal(31)}
    assert changes(sql) == [(1, today(), OLD)][:noted]


@pytest.mark.parametrize(("started", "noted"), [
    (None, False), ("CURRENT_DATE + 5", False), ("CURRENT_DATE", False), ("CURRENT_DATE - 1", True),
])
def test_days_that_another_first_day_adds_have_the_cost_that_is_entered_with_it(plan, sql, started, noted):
    sql(f"UPDATE services SET started_on = {started or 'NULL'} WHERE service_id = 1")
    plan.update_service(1, cost=Decimal(31), started_on=today() - timedelta(days=20))
    assert changes(sql) == [(1, today(), OLD)][:noted]
    assert plan.get_service(1)["started_on"] == today() - timedelta(days=20)


def test_an_updated_cost_leaves_the_changes_that_are_to_come(plan):
    prices.change_price(raised())
    assert plan.update_service(1, cost=Decimal(31))["cost"] == Decimal(31)
    assert plan.get_service(1)["coming_prices"] == [{"from_day": str(next_month()), "cost": NEW}]


def test_an_updated_cost_is_compared_with_that_of_today(plan):
    prices.change_price(raised())
    seen = plan.get_service(1)
    plan.update_service(1, cost=Decimal(31), seen=seen)
    with pytest.raises(errors.Changed) as refusal:
        plan.update_service(1, cost=Decimal(32), seen=seen)
    assert refusal.value.present["cost"] == Decimal(31)
    with pytest.raises(errors.NotFound):
        plan.update_service(77, cost=Decimal(32))


def test_a_cost_of_days_to_come_is_not_undone_as_if_it_were_of_today(plan):
    prices.change_price(raised())
    change = next(change for change in trail.history_of("services", 1) if change["kind"] == "changed")
    with pytest.raises(errors.Conflict) as refusal:
        trail.undo(change)
    assert str(refusal.value) == (f"The cost of service 1 changes on {next_month()}: Change a price sets what all who "
                                  "have such a service pay from that day.")


def test_an_import_compares_and_changes_what_services_cost_today(plan, sql, tmp_path):
    prices.change_price(raised())
    billed(sql, 1)
    path = tmp_path / "prices.csv"
    path.write_text("name,phone_number,address,service_name,service_cost\n"
                    "Ada Okafor,,1 Harbour Street,Fibre 100,31.00\n"
                    "Bo Berg,,1 Harbour Street,Fibre 100,29.90\n", encoding="utf-8")
    source = sources.open_source(path, "utf-8", "")
    outcome = importing.load(source, columns.match_headers(source.headers), None)
    assert (outcome.changed.services, outcome.present.services) == (1, 1)
    assert [plan.get_service(1)["cost"], plan.get_service(2)["cost"]] == [Decimal(31), OLD]
    assert changes(sql)[:2] == [(1, today(), OLD), (1, next_month(), Decimal(31))]


def test_an_export_has_what_services_cost_today(plan, run):
    prices.change_price(raised())
    out = run("export", "accounts").stdout
    assert [row["service_cost"] for row in csv.DictReader(out.splitlines())] == [
        "29.90", "9.50", "29.90", "25.00", "29.90"]


def shown(change_day):
    return [
        f"Fibre 100, 34.90 from {change_day}: 3 of 4 services change.",
        "1 has a price of its own, other than 29.90, and keeps it.",
        f"Monthly total on {change_day}: 114.70 without this, 129.70 with it.",
    ]


def test_a_price_is_changed_from_the_menu_once_the_new_total_is_typed(plan, run, sql):
    done = run(answers=lines("3", "8", "fibre 100", "34.90", "", "no", "129.70", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    out = done.stdout[done.stdout.index("Change a price\nService"):done.stdout.index("\nManage Services", 900)]
    assert out.rstrip().splitlines() == [
        "Change a price",
        "Service name (or a part of it) [all]: fibre 100",
        "Fibre 100: 4 services, usually at 29.90 a month.",
        "New monthly cost: 34.90",
        f"From [{next_month()}]: ",
        *shown(next_month()),
        "Type yes to change prices of their own, too: no",
        "Type the new monthly total, 129.70, to change the price: 129.70",
        f"Changed 3 services to 34.90 from {next_month()}; 129.70 a month.",
    ]
    assert [service_id for service_id, _, _ in changes(sql)] == [1, 2, 4]


def test_prices_of_their_own_are_changed_from_the_menu_where_that_is_said(plan, run):
    out = run(answers=lines("3", "8", "fib", "34.90", "", "yes", "139.60", "0", "0")).stdout
    assert f"Fibre 100, 34.90 from {next_month()}: 4 of 4 services change.\n" in out
    assert "1 has a price of its own, other than 29.90, and changes, too.\n" in out
    assert f"Changed 4 services to 34.90 from {next_month()}; 139.60 a month.\n" in out


def test_another_total_changes_nothing(plan, run, sql):
    done = run(answers=lines("3", "8", "fib", "34.90", "", "no", "no", "0", "0"))
    assert (done.returncode, done.stderr) == (1, "That is not the total; nothing was changed.\n")
    assert changes(sql) == []


def test_who_changes_and_whose_price_is_their_own_can_be_looked_at_before(plan, terminal):
    child = terminal()
    for answer in ("3", "8", "", "1", "34.90", ""):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert "To look at a list, type its number: 1 those that change, 2 prices of their own." in child.before
    child.send("2\r")
    child.expect(PROMPT)
    assert [line.split() for line in child.before.splitlines() if "Cy Dean" in line] == [
        ["3", "25.00", "1", "Harbour", "Street", "Cy", "Dean"]]
    child.send("no\r")
    child.expect(PROMPT)
    child.send("1\r")
    child.expect(PROMPT)
    assert [line.split()[-2:] for line in child.before.splitlines() if "Harbour" in line] == [
        ["Ada", "Okafor"], ["Bo", "Berg"], ["Di", "Else"]]


def test_what_is_to_come_is_said_of_a_service_and_on_its_account(plan, run):
    prices.change_price(raised())
    out = run(answers=lines("3", "2", "1", "0", "1", "2", "1", "0", "0")).stdout
    assert f"It will cost 34.90 from {next_month()}.\n" in out
    assert ("    Service 1  Fibre 100                                     monthly      29.90\n"
            f"      34.90 from {next_month()}.\n"
            "    Service 5  Telephone                                     monthly       9.50\n") in out
    assert f"Saved service 1, Fibre 100, at 31.00 a month; 34.90 from {next_month()}." in run(
        answers=lines("3", "3", "1", "", "31", "", "0", "0")).stdout


def test_a_price_is_changed_by_a_command(plan, run, sql):
    day = str(next_month())
    tried = run("change-price", "fibre-100", "34.90", "--from", day, "--dry-run")
    assert (tried.returncode, tried.stdout.splitlines(), tried.stderr) == (0, shown(day), "")
    assert changes(sql) == []
    done = run("change-price", "fibre-100", "34.90", "--from", day, answers="129.70\n")
    assert (done.returncode, done.stdout.splitlines()[-2:], done.stderr) == (0, [
        "Type the new monthly total, 129.70, to change the price: 129.70",
        f"Changed 3 services to 34.90 from {day}; 129.70 a month."], "")
    again = run("change-price", "fibre-100", "34.90", "--from", day, "--all-prices", "--yes")
    assert again.stdout.splitlines() == [
        f"Fibre 100, 34.90 from {day}: 1 of 4 services changes.",
        "1 has a price of its own, other than 29.90, and changes, too.",
        "3 services have the new price on that day already.",
        f"Monthly total on {day}: 129.70 without this, 139.60 with it.",
        f"Changed 1 service to 34.90 from {day}; 139.60 a month.",
    ]
    assert run("change-price", "fibre-100", "34.90", "--from", day).returncode == 0
    assert len(changes(sql)) == 4


def test_a_command_says_that_a_name_is_not_in_use_and_that_a_day_is_past(plan, run):
    unknown = run("change-price", "Fibre 200", "34.90", "--from", "today", "--yes")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no service in use named Fibre 200.\n")
    past = run("change-price", "Fibre 100", "34.90", "--from", "yesterday", "--dry-run")
    day = today() - timedelta(days=1)
    assert past.stdout.splitlines()[-1] == (
        f"Mind the day: {day} is past, so the next bill run bills what that makes of days billed.")


def typed(terminal, *answers):
    """Add a service on a terminal, and return what was shown after each answer."""
    child = terminal()
    screens = []
    for answer in ("3", "1", "1", *answers, ""):
        child.expect(PROMPT)
        screens.append(child.before)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    return [*screens, child.before][4:]


def names(sql):
    return [row["service_name"] for row in sql("SELECT service_name FROM services WHERE service_id > 5 ORDER BY 1")]


def test_a_name_in_use_is_taken_in_its_usual_spelling(plan, terminal, sql):
    typed(terminal, "FIBRE  100", "10", "")
    assert names(sql) == ["Fibre 100"]


def test_names_in_use_are_offered_by_a_part_and_picked_by_number(plan, terminal, sql):
    database.add_service(2, "Fibre 1000", Decimal(60))
    after_name, *_ = typed(terminal, "fib", "2", "10", "")
    assert "Names in use with fib in them; Enter keeps fib:" in after_name
    assert [line.split() for line in after_name.splitlines() if line.strip().startswith(("1 ", "2 "))] == [
        ["1", "Fibre", "100", "4", "29.90"], ["2", "Fibre", "1000", "1", "60.00"]]
    typed(terminal, "fib", "", "10", "")
    assert names(sql) == ["Fibre 1000", "Fibre 1000", "fib"]


@pytest.mark.parametrize(("answer", "asked", "taken"), [
    ("Fiber 100", "Nearly Fibre 100, which 4 services have.", "Fibre 100"),
    ("Fibre100", "Nearly Fibre 100, which 4 services have.", "Fibre 100"),
    ("Phone", "A part of Telephone, which 1 service has.", "Telephone"),
])
def test_a_name_that_is_nearly_or_partly_one_in_use_is_asked_about(plan, terminal, sql, answer, asked, taken):
    after_name, *_ = typed(terminal, answer, "yes", "10", "")
    assert asked in after_name
    typed(terminal, answer, "no", "10", "")
    assert names(sql) == sorted([taken, answer])


@pytest.mark.parametrize(("answers", "cost"), [
    (("FIBRE-100", "", ""), "29.90"), (("Fiber 100", "yes", "", ""), "29.90"), (("fib", "yes", "", ""), "29.90"),
    (("Fibre 100", "x", "", ""), "29.90"), (("Fibre 100", "31", ""), "31.00"),
])
def test_what_a_name_in_use_usually_costs_is_offered(plan, terminal, sql, answers, cost):
    child, asked = terminal(), []
    for answer in ("3", "1", "1", *answers, ""):
        child.expect(PROMPT)
        asked.append(child.after)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert {question for question in asked if "Monthly" in question} == {"?2004hMonthly cost [29.90]: "}
    assert sql("SELECT service_name, cost FROM services WHERE service_id > 5") == [
        {"service_name": "Fibre 100", "cost": Decimal(cost)}]


@pytest.mark.parametrize("answer", ["Fibre 200", "Cable", "Fibre 100 Business"])
def test_another_name_is_not_asked_about(plan, terminal, sql, answer):
    typed(terminal, answer, "10", "")
    assert names(sql) == [answer]


@pytest.mark.parametrize(("answer", "said"), [
    ("Fibre", ""), ("FIBRE 100", ""), ("Fiber 100", "Fiber 100 is nearly Fibre 100, which 4 services have.\n"),
])
def test_piped_a_name_is_taken_as_it_is_and_a_slip_only_pointed_out(plan, run, sql, answer, said):
    done = run(answers=lines("3", "1", "1", answer, "10", "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, said)
    assert names(sql) == [answer]


def test_the_page_has_what_is_to_come(plan, run):
    prices.change_price(raised())
    accounts = json.loads(run("account-report", "--format", "json").stdout)
    assert accounts[0]["locations"][0]["services"][0]["coming_prices"] == [
        {"from_day": date.isoformat(next_month()), "cost": "34.90"}]
