"""What an import makes of customers who are stored, what changes, and in what state new ones come."""
from __future__ import annotations

import pytest

from tracker import accounts as accounts_of
from tracker import bill_run, errors, verify
from tracker.transfer import columns, importing, source
from tracker.transfer.choices import Choices

pytestmark = pytest.mark.slow
HEADER = "account_number,name,phone_number,address,service_name,service_cost"
ACCOUNTS = """
    SELECT customers.account_number, name, phone_number, email, customers.closed_on IS NOT NULL AS is_closed, address,
           service_name, services.cost::text AS cost, ended_on::text AS ended_on,
           (SELECT string_agg(concat_ws(' to ', first_day, last_day), ', ') FROM service_pauses
            WHERE service_pauses.service_id = services.service_id) AS pauses
    FROM customers
    LEFT JOIN locations USING (customer_id)
    LEFT JOIN services USING (location_id)
    ORDER BY customer_id, location_id, service_id
"""


@pytest.fixture
def file(tmp_path):
    def write(*lines, header=HEADER, name="in.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


def opened(path, *chosen):
    found = source.open_source(path)
    choices = Choices(dict(columns.parse_choice(found.headers, answer) for answer in chosen))
    return found, columns.match_headers(found.headers, choices)


def load(path, **terms):
    return importing.load(*opened(path), terms=importing.Terms(**terms))


def accounts(sql):
    """Return what there is, a line each, without what is empty."""
    return [" · ".join(str(value) for value in row.values() if value not in (None, False)) for row in sql(ACCOUNTS)]


def sentences(done):
    """Return what is said between the table and the question."""
    return done.stdout.partition("equipment")[2].partition("Type yes")[0].splitlines()[1:]


def changed(outcome):
    return [f"{change.what} {change.line} {change.name}: {change.old} > {change.new}"
            + (f" ×{change.times}" if change.times > 1 else "") for change in outcome.changes.first]


# Who it is


def test_lines_with_one_account_number_are_one_customer_however_they_are_written(db, sql, file):
    outcome = load(file("K1,Ada,555 0100,1 Quay,Fibre,20", "k1,ADA,555-0100,2 Quay,,", "K1,,,3 Quay,,",
                        "K2,Ada,555 0100,,,",
                        "K3,,555 0102,,,"))
    assert outcome.rejects == {6: "account_number: No customer has it, and the line has no name."}
    assert accounts(sql) == ["K1 · Ada · 555 0100 · 1 Quay · Fibre · 20.00", "K1 · Ada · 555 0100 · 2 Quay",
                             "K1 · Ada · 555 0100 · 3 Quay", "K2 · Ada · 555 0100"]


def test_another_name_or_phone_number_under_an_account_number_is_a_reject_that_names_the_first(db, sql, file):
    outcome = load(file("K1,Ada,555 0100,1 Quay,Fibre,20", "K1,Bo,555 0100,1 Quay,TV,5", "K1,Ada,555 0199,1 Quay,TV,5"))
    assert outcome.rejects == {3: "account_number: Line 2 has it with another name, Ada.",
                               4: "account_number: Line 2 has it with another phone number, 555 0100."}
    assert accounts(sql) == ["K1 · Ada · 555 0100 · 1 Quay · Fibre · 20.00"]


def test_a_line_without_a_number_is_of_the_customer_whose_name_and_phone_number_it_has(db, sql, file):
    outcome = load(file("K1,Ada,555 0100,1 Quay,,", ",ada,5550100,2 Quay,,", "K2,Bo,555 0101,,,", "K3,Bo,555 0101,,,",
                        ",Bo,555 0101,,,"))
    assert outcome.rejects == {6: "account_number: It is missing, and customers of the file with this name and phone "
                                  "number have different ones."}
    assert [line for line in accounts(sql) if "Ada" in line] == ["K1 · Ada · 555 0100 · 1 Quay",
                                                                 "K1 · Ada · 555 0100 · 2 Quay"]


def test_a_stored_customer_gets_the_number_of_the_file_and_is_found_by_it_from_then_on(db, sql, file):
    db.add_customer("Ada", "555 0100")
    assert changed(load(file("K1,ADA,5550100,,,"))) == ["account_number 2 Ada:  > K1"]
    outcome = load(file("k1,Ada Byron,555 0199,,,"))
    assert changed(outcome) == ["name 2 Ada: Ada > Ada Byron", "phone_number 2 Ada: 555 0100 > 555 0199"]
    assert (outcome.new.customers, outcome.changed.customers, outcome.present.customers) == (0, 1, 0)
    assert accounts(sql) == ["K1 · Ada Byron · 555 0199"]
    assert not load(file("K1,ada byron,5550199,,,")).does_something()


def test_whoever_has_another_number_is_somebody_else_who_looks_alike(db, sql, file):
    load(file("K1,Ada,555 0100,,,"))
    outcome = importing.check(*opened(file("K2,Ada,555 0100,,,")))
    assert (outcome.new.customers, outcome.alike) == (1, 1)
    held = load(file("K2,Ada,555 0100,,,"), hold_alike=True)
    assert held.rejects == {2: "account_number: Customer 1 has another one, with this name and phone number."}
    assert accounts(sql) == ["K1 · Ada · 555 0100"]


def test_our_own_id_finds_a_customer_whose_name_or_number_changed_and_no_other(db, sql, file):
    db.add_customer("Ada", "555 0100")
    db.add_customer("Bo", "555 0101")
    outcome = load(file("1,Ada Byron,555 0100", "2,Bo,555 0199", "3,Cy,555 0102",
                        header="customer_id,name,phone_number"))
    assert changed(outcome) == ["name 2 Ada: Ada > Ada Byron", "phone_number 3 Bo: 555 0101 > 555 0199"]
    outcome = load(file("1,Di,555 0103", header="customer_id,name,phone_number"))
    assert (outcome.new.customers, outcome.changed.customers) == (1, 0)
    assert accounts(sql) == ["Ada Byron · 555 0100", "Bo · 555 0199", "Cy · 555 0102", "Di · 555 0103"]


def test_a_file_of_services_alone_joins_by_the_number(db, sql, file):
    load(file("K1,Ada,555 0100,1 Quay,,", "K2,Bo,555 0101,2 Quay,,", "K2,Bo,555 0101,3 Quay,,", "K3,Cy,,,,"))
    outcome = load(file("k1,Fibre,20", "K2,Fibre,20", "K3,Fibre,20", "K9,TV,5",
                        header="account_number,service_name,service_cost"))
    assert outcome.rejects == {3: "service_name has no address, and the customer has 2 sites.",
                               4: "service_name has no address.",
                               5: "account_number: No customer has it, and the line has no name."}
    path = file("1,1 Quay,TV,5", "9,1 Quay,TV,5", header="customer_id,address,service_name,service_cost")
    outcome = importing.load(*opened(path, "customer_id=customer_id"))
    assert outcome.rejects == {3: "customer_id: There is no customer 9, and the line has no name."}
    assert accounts(sql)[:2] == ["K1 · Ada · 555 0100 · 1 Quay · Fibre · 20.00",
                                 "K1 · Ada · 555 0100 · 1 Quay · TV · 5.00"]


# What changes


def test_what_the_file_has_otherwise_is_shown_and_made_on_yes_alone(db, sql, run, file):
    header = f"{HEADER},email,notes"
    load(file("K1,Ada,555 0100,1 Quay,Fibre,59.90,,", "K2,Bo,,2 Quay,Fibre,59.90,bo@b.test,",
              "K3,Cy,555 3,3 Quay,TV,5,,",
              header=header))
    path = str(file("K1,Ada Byron,555 0199,9 Quay,Fibre,64.90,ada@b.test,pays late",
                    "K2,Bo,555 0102,2 Quay,Fibre,64.90,BO@b.test,",
                    "K3,Cy,555 3,3 Quay,TV,4.50,,", header=header))
    before = accounts(sql)
    said = sentences(run("import", path, answers="no\n"))
    assert said == [
        "3 prices change, 59.90 → 64.90 (Fibre, 2 times, first in line 2), 5.00 → 4.50 (TV, line 4).",
        "With the changed prices, +9.50 a month.",
        "1 name changes: Ada → Ada Byron (line 2).",
        "2 phone numbers change, 555 0100 → 555 0199 (Ada, line 2), none → 555 0102 (Bo, line 3).",
        "1 e-mail address changes, none → ada@b.test (Ada, line 2).",
        "1 address changes: 1 Quay → 9 Quay (Ada, line 2).",
        "1 note is new: pays late (Ada, line 2).",
    ]
    assert accounts(sql) == before
    done = run("import", path, answers="yes\n").stdout
    assert done.splitlines()[-3:] == [
        "Imported 0 customers, 0 sites, 0 services, 0 equipment.",
        "Changed 1 address, 1 e-mail address, 1 name, 2 phone numbers and 3 prices.",
        "Added 1 note.",
    ]
    assert accounts(sql) == [
        "K1 · Ada Byron · 555 0199 · ada@b.test · 9 Quay · Fibre · 64.90",
        "K2 · Bo · 555 0102 · bo@b.test · 2 Quay · Fibre · 64.90",
        "K3 · Cy · 555 3 · 3 Quay · TV · 4.50"]
    assert sql("SELECT customer_id, note FROM customer_notes") == [{"customer_id": 1, "note": "pays late"}]
    assert "all of it is there already" in run("import", path).stdout


def test_what_the_file_does_not_say_stays(db, sql, file):
    load(file("K1,Ada,555 0100,a@b.test", header="account_number,name,phone_number,email"))
    assert not load(file("K1,Ada,,", "K1,,,", header="account_number,name,phone_number,email")).does_something()
    assert accounts(sql) == ["K1 · Ada · 555 0100 · a@b.test"]


def test_an_address_changes_where_it_is_clear_which(db, sql, file):
    load(file("K1,Ada,555 0100,1 Quay,Fibre,20", "K2,Bo,555 0101,1 Quay,,", "K2,Bo,555 0101,2 Quay,,"))
    outcome = load(file("K1,Ada,555 0100,9 Quay,Fibre,20", "K1,Ada,555 0100,9 Quay,TV,5", "K2,Bo,555 0101,9 Quay,,"))
    assert changed(outcome) == ["address 2 Ada: 1 Quay > 9 Quay"]
    assert (outcome.new, outcome.changed) == ((0, 1, 1, 0), (0, 1, 0, 0))
    assert [line.partition("· ")[2] for line in accounts(sql)] == [
        "Ada · 555 0100 · 9 Quay · Fibre · 20.00", "Ada · 555 0100 · 9 Quay · TV · 5.00", "Bo · 555 0101 · 1 Quay",
        "Bo · 555 0101 · 2 Quay", "Bo · 555 0101 · 9 Quay"]


def test_another_address_is_another_site_where_no_number_service_or_whole_file_says_otherwise(db, sql, file):
    load(file("K1,Ada,555 0100,1 Quay,,", ",Bo,555 0101,1 Quay,,", ",Cy,555 0102,1 Quay,Fibre,20"))
    outcome = load(file("K1,Ada,555 0100,9 Quay,,", ",Bo,555 0101,9 Quay,,", ",Cy,555 0102,9 Quay,Fibre,20"))
    assert changed(outcome) == ["address 2 Ada: 1 Quay > 9 Quay", "address 4 Cy: 1 Quay > 9 Quay"]
    outcome = load(file("3,,K1,Ada,555 0100,5 Quay,,", header=f"line_number,reason,{HEADER}"))
    assert (changed(outcome), outcome.new.sites) == ([], 1)
    assert [line for line in accounts(sql) if "Bo" in line] == ["Bo · 555 0101 · 1 Quay", "Bo · 555 0101 · 9 Quay"]


def test_a_device_moves_with_its_only_site(db, sql, file):
    header = "account_number,name,phone_number,address,equipment_name,serial_number,equipment_cost"
    load(file("K1,Ada,555 0100,1 Quay,Router,R1,30", header=header))
    outcome = load(file("K1,Ada,555 0100,9 Quay,Router,R1,30", header=header))
    assert (outcome.rejects, changed(outcome)) == ({}, ["address 2 Ada: 1 Quay > 9 Quay"])


def test_a_record_that_somebody_changes_after_the_check_is_not_overwritten(db, sql, file):
    load(file("K1,Ada,555 0100,,,"))
    found = opened(file("K1,Ada Byron,555 0100,,,"))
    confirmed = importing.check(*found)
    sql("UPDATE customers SET name = 'Ada King'")
    with pytest.raises(errors.Conflict, match="changed after the check"):
        importing.load(*found, confirmed)
    assert accounts(sql) == ["K1 · Ada King · 555 0100"]


# In what state they come

STATED = "account_number,name,phone_number,customer_status,address,service_name,service_cost,service_status,service_end"


def test_whoever_is_not_active_is_not_billed_by_the_next_run(db, sql, file, run):
    outcome = load(file("K1,Ada,555 1,closed,1 Quay,Fibre,20,,", "K2,Bo,555 2,paused,2 Quay,Fibre,20,,",
                        "K3,Cy,555 3,active,3 Quay,Fibre,20,,",
                        "K3,Cy,555 3,active,3 Quay,TV,5,paused,", "K3,Cy,555 3,active,3 Quay,Phone,3,closed,",
                        "K3,Cy,555 3,active,3 Quay,Mail,1,,2020-05-31", "K4,Di,555 4,paused,,,,,", header=STATED))
    assert outcome.statuses == (1, 2, 3, 1, 0, ())
    month = sql("SELECT date_trunc('month', CURRENT_DATE)::date AS first")[0]["first"]
    last = sql("SELECT (date_trunc('month', CURRENT_DATE) - interval '1 day')::date AS day")[0]["day"]
    assert accounts(sql) == [
        f"K1 · Ada · 555 1 · True · 1 Quay · Fibre · 20.00 · {last}",
        f"K2 · Bo · 555 2 · 2 Quay · Fibre · 20.00 · {month}",
        "K3 · Cy · 555 3 · 3 Quay · Fibre · 20.00", f"K3 · Cy · 555 3 · 3 Quay · TV · 5.00 · {month}",
        f"K3 · Cy · 555 3 · 3 Quay · Phone · 3.00 · {last}",
        "K3 · Cy · 555 3 · 3 Quay · Mail · 1.00 · 2020-05-31", "K4 · Di · 555 4"]
    assert str(bill_run.preview(month)["total"]) == "20.00"


def test_the_same_file_again_adds_and_rejects_nothing_of_whoever_is_not_active(db, sql, file):
    path = file("K1,Ada,555 1,closed,1 Quay,Fibre,20,,", "K2,Bo,555 2,paused,2 Quay,Fibre,20,,",
                "K3,Cy,555 3,active,3 Quay,Fibre,20,closed,",
                "K3,Cy,555 3,active,3 Quay,Fibre,30,active,", header=STATED)
    load(path)
    before = accounts(sql)
    outcome = load(path)
    assert (outcome.does_something(), outcome.rejects, outcome.present.customers) == (False, {}, 3)
    assert accounts(sql) == before


def test_statuses_of_stored_services_change_and_closing_is_left_to_the_administrator(db, sql, file, run):
    load(file("K1,Ada,555 1,,1 Quay,Fibre,20,,", "K2,Bo,555 2,,2 Quay,Fibre,20,,", "K2,Bo,555 2,,2 Quay,TV,5,,",
              "K3,Cy,555 3,,3 Quay,Fibre,20,paused,",
              "K4,Di,555 4,,4 Quay,Fibre,20,,", header=STATED))
    today = sql("SELECT CURRENT_DATE AS today")[0]["today"]
    path = str(file("K1,Ada,555 1,closed,1 Quay,Fibre,20,,", "K2,Bo,555 2,active,2 Quay,Fibre,20,closed,",
                    "K2,Bo,555 2,active,2 Quay,TV,5,paused,",
                    "K3,Cy,555 3,active,3 Quay,Fibre,20,,", "K4,Di,555 4,paused,,,,,", header=STATED))
    done = run("import", path, answers="yes\n")
    assert sentences(done) == [
        "2 services rest from today on, TV (line 4), Fibre (line 6).",
        "1 service goes on from today on, Fibre (line 5).",
        f"1 service ends, Fibre on {today} (line 3).",
        "1 customer is closed in the file and open here, and stays so until you close the account: "
        "customer 1 Ada (line 2)."]
    assert "Services that are here: 2 paused, 1 resumed, 1 ended.\n" in done.stdout
    month = f"{today:%Y-%m}-01"
    ended = "" if str(today) == month else f" · {month} to "
    rows = accounts(sql)
    assert rows[0] == "K1 · Ada · 555 1 · 1 Quay · Fibre · 20.00"
    assert rows[1:3] == [f"K2 · Bo · 555 2 · 2 Quay · Fibre · 20.00 · {today}",
                         f"K2 · Bo · 555 2 · 2 Quay · TV · 5.00 · {today}"]
    assert rows[3].startswith(f"K3 · Cy · 555 3 · 3 Quay · Fibre · 20.00{ended}")
    assert rows[4] == f"K4 · Di · 555 4 · 4 Quay · Fibre · 20.00 · {today}"


def test_a_service_that_ended_some_day_is_billed_for_no_month_that_its_customer_was_here(db, sql, file):
    load(file("K1,Ada,555 1,,1 Quay,Fibre,20,,", header=STATED))
    sql("UPDATE customers SET created_at = created_at - interval '3 months'")
    load(file("K1,Ada,555 1,,1 Quay,TV,5,closed,", "K2,Bo,555 2,,2 Quay,TV,5,closed,", header=STATED))
    for ago in (3, 2, 1, 0):
        month = sql("SELECT (date_trunc('month', CURRENT_DATE) - make_interval(months => %s))::date AS month",
                    ago)[0]["month"]
        bill_run.run(month, db.today())
    assert sql("SELECT description FROM billing_items WHERE description LIKE 'TV%'") == []
    assert len(sql("SELECT 1 FROM billing_items WHERE description LIKE 'Fibre%'")) == 4


def test_lines_for_a_closed_account_are_rejects_unless_they_say_so(db, sql, file):
    load(file("K1,Ada,555 1,closed,1 Quay,Fibre,20,,", header=STATED))
    outcome = load(file("K1,Ada,555 1,,1 Quay,TV,5,,", header=STATED))
    assert outcome.rejects == {2: "name: Customer 1 is closed; reopen the account first."}


# Opening balances

OWED = "account_number,name,phone_number,balance"
MONEY = """
    SELECT name, description, issued_on, due_date, amount_billed, amount_due
    FROM billing
    JOIN customers USING (customer_id)
    UNION ALL
    SELECT name, kind || ': ' || reason, paid_on, NULL, amount, amount_left
    FROM payments
    JOIN customers USING (customer_id)
    ORDER BY name, description
"""


def money(sql):
    return [" ".join(map(str, row.values())) for row in sql(MONEY)]


def test_balances_are_a_bill_or_a_credit_note_once(db, sql, file):
    path = file("K1,Ada,555 1,12.50", "K1,Ada,555 1,12.50", "K2,Bo,555 2,-30", "K3,Cy,555 3,0", "K4,Di,555 4,",
                header=OWED)
    outcome = load(path, as_of=sql("SELECT DATE '2026-10-31' AS day")[0]["day"])
    assert (outcome.opening[:5], outcome.opening.total()) == ((1, 12.5, 1, 30, 0), -17.5)
    assert money(sql) == ["Ada Opening balance 2026-10-31 2026-10-31 12.50 12.50",
                          "Bo credit note: Opening balance 2026-10-31 None 30.00 30.00"]
    assert verify.verify()[1] == []
    again = load(path)
    assert (again.does_something(), again.opening.present) == (False, 2)
    other = load(file("K1,Ada,555 1,99", "K2,Bo,555 2,-30", header=OWED))
    assert (other.does_something(), other.opening.first_others) == (False, ((2, "Ada", 12.5, 99),))
    assert len(money(sql)) == 2


def test_an_opening_balance_that_is_called_otherwise_by_now_is_there(db, sql, file):
    path = file("K1,Ada,555 1,12.50", header=OWED)
    load(path)
    db.update_bill(1, description="From the old books")
    again = load(path)
    assert (again.does_something(), again.opening.present) == (False, 1)
    db.delete_bill(1)
    assert load(path).opening.bills == 1


def test_a_balance_of_who_is_closed_here_and_in_the_file_is_a_reject_unless_it_is_there(db, sql, file):
    header = "account_number,name,phone_number,customer_status,balance"
    load(file("K1,Ada,555 1,closed,", "K2,Bo,555 2,closed,20", "K3,Cy,555 3,closed,-5", header=header))
    path = file("K1,Ada,555 1,closed,50", "K2,Bo,555 2,closed,20", "K3,Cy,555 3,closed,-5", "K4,Di,555 4,closed,0",
                header=header)
    before = money(sql)
    reason = "balance: Customer 1 is closed, and has no opening balance; reopen the account first."
    assert load(path).rejects == {2: reason}
    assert money(sql) == before
    accounts_of.reopen(1)
    assert load(path).opening.owed == 50


def test_different_balances_of_one_customer_are_rejects(db, sql, file):
    outcome = load(file("K1,Ada,555 1,12.50", "K1,Ada,555 1,13", "K2,Bo,555 2,1", header=OWED))
    reason = "balance: Lines 2 to 3 have different ones of this customer; write one, the sum if they add up."
    assert outcome.rejects == {2: reason, 3: reason}
    assert len(money(sql)) == 1


def test_the_credit_of_a_stored_customer_pays_their_opening_balance(db, sql, file):
    customer_id = db.add_customer("Ada", "555 0100")
    sql("INSERT INTO payments (customer_id, amount) VALUES (%s, 10)", customer_id)
    load(file("K1,Ada,555 0100,12.50", header=OWED))
    assert [line.rpartition(" ")[2] for line in money(sql) if "Opening" in line] == ["2.50"]
    assert verify.verify()[1] == []


def test_the_total_of_opening_balances_is_typed(db, sql, run, file):
    path = str(file("K1,Ada,555 1,12.50", "K2,Bo,555 2,-30", header=OWED))
    done = run("import", path, answers="yes\nno\n")
    assert "Opening balances: 1 bill of 12.50 and 1 credit of 30.00, -17.50 in all.\n" in done.stdout
    assert done.returncode == 1
    done = run("import", path, "--yes")
    assert done.stderr.endswith("The opening balances come to -17.50; nothing was imported. Where that is right, give "
                                "--balance-total -17.50.\n")
    done = run("import", path, "--yes", "--balance-total=-1.75")
    assert "come to -17.50, not -1.75; nothing" in done.stderr
    assert money(sql) == []
    done = run("import", path, "--balance-date", "2026-10-31", answers="-17.50\n")
    assert "Added 1 opening bill and 1 credit, -17.50 in all.\n" in done.stdout
    assert money(sql)[0] == "Ada Opening balance 2026-10-31 2026-10-31 12.50 12.50"
    assert run("import", path, "--yes").returncode == 0


# Rejects


def test_reasons_are_grouped_and_a_clean_import_settles_the_rejects(db, sql, run, file):
    path = file("K1,,555 1,x", "K2,Bo,555 2,y", "K3,Cy,555 3,z", "K4,Di,555 4,1",
                header="account_number,name,phone_number,balance")
    done = run("import", str(path), "--yes", "--balance-total", "1")
    assert "3 lines, first line 2: balance: Enter an amount" in done.stderr
    rejects = path.with_name("in.csv.rejects.csv")
    assert rejects.exists()
    rejects.write_text(rejects.read_text().replace(",x", ",1").replace(",y", ",2").replace(",z", ",3").replace("K1,",
                                                                                                               "K1,Ada"))
    done = run("import", str(rejects), "--yes", "--balance-total", "6")
    assert done.stdout.endswith("in.csv.rejects.csv is settled: its 3 lines are in.\n")
    path.write_text(path.read_text().replace(",x", ",1").replace(",y", ",2").replace(",z", ",3").replace("K1,",
                                                                                                         "K1,Ada"))
    assert "in.csv.rejects.csv is settled: its 3 lines are in.\n" in run("import", str(path), "--yes").stdout
