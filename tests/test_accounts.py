"""An account and what is done from it: how it is found, its actions, the lists that open it, and whose records are."""
from __future__ import annotations

import re

import pytest
from conftest import lines, sentence
from emulator import LINES, Terminal

import main

pytestmark = pytest.mark.slow

QUESTION = "Customer (ID or search)"
ACTIONS = [f"{digit}  {label}" for digit, (label, _) in main.ACCOUNT_MENU.entries.items()]
# Each kind's menu, and in it: view, update, delete or void.
KINDS = {
    "location": ("2", "2", "3", "4"), "service": ("3", "2", "3", "4"), "equipment": ("4", "2", "3", "4"),
    "bill": ("5", "3", "4", "5"), "payment": ("5", None, None, "8"),
}
TABLES = {
    "location": "locations", "service": "services", "equipment": "equipment", "bill": "billing", "payment": "payments",
}


def add_account(sql, customer_id: int, name: str, phone_number: str, row_id: int) -> None:
    """Add a customer with one record of each kind, all of one ID."""
    sql("INSERT INTO customers (customer_id, name, phone_number) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)",
        customer_id, name, phone_number)
    sql("INSERT INTO locations (location_id, customer_id, address) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)",
        row_id, customer_id, f"{row_id} Harbour Street")
    sql("INSERT INTO services (service_id, location_id, service_name, cost) OVERRIDING SYSTEM VALUE "
        "VALUES (%s, %s, 'Fibre', 49.90)", row_id, row_id)
    sql("INSERT INTO equipment (equipment_id, location_id, equipment_name, serial_number, cost) "
        "OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'Router', %s, 89)", row_id, row_id, f"RT-{row_id}")
    sql("INSERT INTO billing (billing_id, customer_id, description, amount_billed, issued_on, due_date) "
        "OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'Setup', 30, '2026-01-02', '2026-01-16')", row_id, customer_id)
    sql("INSERT INTO payments (payment_id, customer_id, amount, paid_on, method) "
        "OVERRIDING SYSTEM VALUE VALUES (%s, %s, 5, '2026-01-10', 'cash')", row_id, customer_id)
    sql("SELECT apply_credit()")


@pytest.fixture
def two(sql):
    """Ada is customer 302, her records have other IDs; the records 302 are Björn's."""
    add_account(sql, 302, "Ada Okafor", "+44 20 7946 0958", 900)
    add_account(sql, 700, "Björn Åkesson", "+46 8 555 0102", 302)


@pytest.fixture
def screen(uri, tmp_path):
    """Start the program in a terminal of 80 by 24."""
    terminal = Terminal(uri, 80, tmp_path)
    terminal.start()
    yield terminal
    terminal.close()


def shown(terminal: Terminal, *answers: str) -> str:
    """Type answers and return all that the terminal shows from the last one's question on."""
    terminal.type(*answers[:-1])
    row = terminal.row()
    terminal.type(answers[-1])
    return "\n".join(terminal.lines(row, terminal.row()))


def has_actions(lines_shown: str) -> bool:
    return all(action in lines_shown for action in ACTIONS) and lines_shown.endswith("Choose:")


NEW_CUSTOMER = (
    ["1", "1", "Noor Haddad", "020 7946 0999", "4", "9 Elm Close", "Fibre 500", "49.90", "",
     "5", "Router", "RT-1", "89", "Terminal", "ON-1", "64.50"],
    ["Noor Haddad", "yes", "020 7946 0999", "3", "9 Elm Close", "4", "Fibre 500", "49.90", "",
     "5", "Router", "RT-1", "89", "Terminal", "ON-1", "64.50"],
)


@pytest.mark.parametrize("answers", NEW_CUSTOMER, ids=["by the menu", "by a name that nobody has"])
def test_a_new_customer_with_a_site_a_service_and_two_devices_takes_16_answers(answers, screen, sql):
    assert len(answers) <= 16
    screen.type(*answers)
    assert "Added equipment 2, Terminal, worth 64.50, to 9 Elm Close." in "\n".join(screen.last_lines())
    assert sql(
        """
        SELECT name, phone_number, address, service_name, services.cost::text,
               array_agg(equipment_name || ' ' || serial_number || ' ' || equipment.cost ORDER BY equipment_id) AS worth
        FROM customers
        JOIN locations USING (customer_id)
        JOIN services USING (location_id)
        JOIN equipment USING (location_id)
        GROUP BY customer_id, location_id, service_id
        """
    ) == [{
        "name": "Noor Haddad", "phone_number": "020 7946 0999", "address": "9 Elm Close", "service_name": "Fibre 500",
        "cost": "49.90", "worth": ["Router RT-1 89.00", "Terminal ON-1 64.50"],
    }]


@pytest.mark.parametrize("answer", [
    "okafor", "ADA", "020 7946 0958", "0958", "302", "customer 302", "RT-900", "900 harbour",
])
def test_what_is_no_digit_of_the_main_menu_opens_the_account_that_it_finds(answer, two, screen):
    opened = shown(screen, answer)
    assert "Customer 302  Ada Okafor" in opened
    assert has_actions(opened)
    assert QUESTION not in opened


def test_several_hits_at_the_main_menu_are_picked_by_number(two, screen):
    assert "Hits 1 to 2 of 2" in shown(screen, "harbour street")
    assert "Customer 700  Björn Åkesson" in shown(screen, "2")


def test_no_digit_of_the_main_menu_is_taken_for_a_customer(screen, sql):
    for digit in main.MAIN_MENU.entries:
        sql("INSERT INTO customers (name, phone_number) VALUES (%s, '555 0100')", digit)
    for digit, (_, menu) in main.MAIN_MENU.entries.items():
        opened = shown(screen, digit)
        assert menu.title in opened
        assert "Customer" not in opened.replace("Customers", "")
        screen.type("0")
    screen.type("0")
    assert not screen._child.isalive()


def test_a_number_that_is_no_digit_of_the_main_menu_and_no_customer_says_so(two, screen):
    opened = shown(screen, "9")
    assert "There is no customer 9." in opened
    assert "Main menu" in opened


@pytest.mark.parametrize("answer", ["9", "nobody"])
def test_piped_what_finds_nobody_at_the_main_menu_ends_the_program(answer, two, run):
    done = run(answers=lines(answer, "1", "1", "Ada", "555 0100"))
    assert done.returncode == 1
    assert sentence(done.stderr).startswith("Stopped at input line 1: ")


@pytest.mark.parametrize("name", ["O'Brien", "Séan O’Brien", "Anna-Maria Li", "Smith & Sons, Ltd."])
def test_a_name_with_signs_in_it_is_one_that_may_be_added(name, screen, sql):
    assert "yes to add a customer of that name" in shown(screen, name)
    screen.type("yes", "555 0100")
    assert sql("SELECT name FROM customers") == [{"name": name}]


@pytest.mark.parametrize("leave", ["0", "q", "Q", ""])
def test_what_leaves_a_list_is_no_name_of_another_device(leave, two, screen, sql):
    before = sql("SELECT count(*) FROM equipment")
    screen.type("302", "5", "Antenna", "", "5")
    assert has_actions(shown(screen, leave))
    assert sql("SELECT count(*) FROM equipment")[0]["count"] == before[0]["count"] + 1


def test_a_name_that_nobody_has_can_be_searched_again_or_left(two, screen):
    assert "No customer matches zzz." in shown(screen, "zzz")
    assert "Customer 302  Ada Okafor" in shown(screen, "okafor")
    screen.type("0", "zzz")
    assert "Main menu" in shown(screen, "")


@pytest.mark.parametrize("way", [
    ["302"], ["1", "2", "302"], ["1", "2", "okafor"], ["1", "2", "harbour street", "1"], ["1", "2", "", "302"],
    ["5", "1", "302"], ["6", "2", "", "302"],
], ids=["main menu", "view", "search", "hit list", "list", "late list", "aging"])
def test_the_same_account_opens_from_everywhere(way, two, screen):
    opened = shown(screen, *way)
    assert "Customer 302  Ada Okafor" in opened
    assert has_actions(opened)


def test_each_action_of_an_account_works_on_that_customer_without_asking_who(two, screen, sql):
    screen.type("302")
    for answers, said in [
        (["1", "10", "", "", ""], "Recorded payment"), (["2", "Repair", "40", "2030-01-01"], "Added bill"),
        (["4", "Telephone", "9.50", ""], "Added service"), (["5", "Antenna", "", "80", ""], "Added equipment"),
        (["3", "2 Quay"], "Added location"), (["7", "q"], "Setup"), (["8", "q"], "2026-01-10"),
        (["9", "2026-01-01", ""], "Setup"),
    ]:
        row = screen.row()
        screen.type(*answers)
        done = "\n".join(screen.lines(row, screen.row()))
        assert said in done
        assert QUESTION not in done
        if not done.endswith("Choose:"):
            screen.type("0")
    assert sql("SELECT customer_id, count(*) FROM payments GROUP BY 1 ORDER BY 1") == [
        {"customer_id": 302, "count": 2}, {"customer_id": 700, "count": 1}]
    assert sql("SELECT customer_id, count(*) FROM billing GROUP BY 1 ORDER BY 1") == [
        {"customer_id": 302, "count": 2}, {"customer_id": 700, "count": 1}]
    assert sql("SELECT customer_id, address FROM locations ORDER BY 1, 2") == [
        {"customer_id": 302, "address": "2 Quay"}, {"customer_id": 302, "address": "900 Harbour Street"},
        {"customer_id": 700, "address": "302 Harbour Street"}]
    assert sql("SELECT location_id, service_name FROM services ORDER BY 1, 2") == [
        {"location_id": 302, "service_name": "Fibre"}, {"location_id": 900, "service_name": "Fibre"},
        {"location_id": 900, "service_name": "Telephone"}]


def test_an_account_is_updated_from_its_actions(two, terminal, sql):
    child = terminal()
    child.send("302\r6\r")
    child.expect_exact("Name: ")
    child.send("\x15Ada Obi\r\r\r\r")
    child.expect_exact("Saved customer 302, Ada Obi")
    child.expect(r"Customer 302  Ada Obi.*Choose: ")
    assert sql("SELECT name FROM customers WHERE customer_id = 302") == [{"name": "Ada Obi"}]


def test_an_account_asks_for_the_location_only_where_there_are_several(two, screen, sql):
    assert "Service name:" in shown(screen, "302", "4")
    screen.type("Telephone", "9.50", "", "3", "2 Quay")
    listed = shown(screen, "4")
    assert "Hits 1 to 2 of 2" in listed
    assert "302 Harbour Street" not in listed
    screen.type("1", "Television", "12", "")
    assert sql("SELECT address FROM services JOIN locations USING (location_id) WHERE service_name = 'Television'") == [
        {"address": "2 Quay"}]
    assert has_actions(shown(screen, "5", "q"))


def test_an_account_without_a_location_adds_the_first_one(two, screen, sql):
    sql("DELETE FROM locations WHERE customer_id = 302")
    assert "Address:" in shown(screen, "302", "5")
    screen.type("2 Quay", "Router", "", "89", "")
    assert sql("SELECT address FROM locations JOIN equipment USING (location_id) WHERE customer_id = 302") == [
        {"address": "2 Quay"}]


def test_what_an_action_said_stays_in_sight_above_the_accounts_head_and_actions(two, screen, sql):
    for number in range(12):
        sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
            "VALUES (302, %s, 10, '2026-01-02', '2026-02-02')", f"Bill {number}")
    screen.type("302", "0", "1", "12", "", "", "", "")
    seen = "\n".join(screen.last_lines()[-LINES + 1:])
    assert "Recorded payment " in seen
    assert "Customer 302  Ada Okafor" in seen
    assert "to pay 133.00" in seen
    assert has_actions(seen)


def test_an_account_that_fits_above_its_actions_is_shown_without_a_question(two, screen, sql):
    for number in range(8):
        sql("INSERT INTO services (location_id, service_name, cost) VALUES (900, %s, 10)", f"Service {number}")
    seen = shown(screen, "302")
    assert has_actions(seen)
    assert len(seen[seen.index("Customer 302"):].splitlines()) <= LINES
    sql("INSERT INTO locations (customer_id, address) SELECT 302, 'Quay ' || i FROM generate_series(1, 6) AS i")
    seen = shown(screen, "?")
    assert seen.endswith("Lines 1 to 22  (Enter next, 0 or q actions):")
    seen = shown(screen, "0")
    assert "Customer 302  Ada Okafor" in seen
    assert has_actions(seen)


@pytest.mark.parametrize("again", ["", "?"])
def test_enter_and_a_question_mark_show_the_account_again(again, two, screen):
    first = shown(screen, "302").partition("Customer 302")[2]
    assert shown(screen, "3", "2 Quay").count("Location") == 0
    screen.type("0", "302")
    assert "Location 900" in first
    assert "Location 900" in shown(screen, again)


@pytest.mark.parametrize("again", ["", "?"])
def test_enter_and_a_question_mark_show_a_menu_in_full_again(again, screen):
    for digit, (_, menu) in [("", ("", main.MAIN_MENU)), *main.MAIN_MENU.entries.items()]:
        screen.type(*[digit] * bool(digit), "x" if digit else "7", *["q"] * (not digit))
        seen = shown(screen, again)
        entries = [f"{number:>3}  {label}" for number, (label, _) in menu.entries.items()]
        assert "\n".join(entries) in seen
        screen.type(*["0"] * bool(digit))


@pytest.mark.parametrize("leave", ["0", "q", "Q"])
def test_0_and_q_leave_every_menu_account_list_and_question_of_an_id_without_a_word(leave, two, screen):
    for way in (["1"], ["302"], ["5", "1"], ["1", "2", ""], ["1", "3"], ["1", "2"], ["5", "8"], ["2", "3"],
                ["1", "2", "harbour street"], ["5", "7", "302"]):
        screen.type(*way)
        row = screen.row()
        for _ in range(4):
            if "Main menu" in "\n".join(screen.lines(row, screen.row())):
                break
            screen.type(leave)
        said = "\n".join(screen.lines(row, screen.row()))
        assert "Main menu" in said
        assert not re.search("Cancelled|Enter a|Type one|no customer|No customer", said)


def test_enter_alone_at_the_question_of_an_id_leaves_a_form(two, screen):
    assert "Manage Customers" in shown(screen, "1", "3", "")


@pytest.mark.parametrize("answer", ["", "0", "q"])
def test_what_leaves_the_question_of_an_id_is_refused_where_nobody_sees_what_is_asked_then(answer, two, run):
    done = run(answers=lines("1", "4", answer, "1"))
    assert done.returncode == 1
    assert sentence(done.stderr).startswith("Stopped at input line 3: Enter an ID, or part of a name, ")


@pytest.mark.parametrize("way", [["1", "3", "harbour street"], ["1"], []], ids=["hits", "menu", "main menu"])
def test_an_empty_line_that_is_piped_chooses_nothing(way, two, run):
    done = run(answers=lines(*way, "", "0"))
    assert done.returncode == 1
    assert sentence(done.stderr).startswith(f"Stopped at input line {len(way) + 1}: ")


@pytest.mark.parametrize(("way", "shown_then"), [
    (["2", "2", ""], "Location 302  302 Harbour Street"), (["3", "2", ""], "302 Harbour Street"),
    (["4", "2", ""], "RT-302"), (["5", "3", ""], "Björn Åkesson"), (["5", "7", "700"], "Payment 302, 5.00"),
    (["700", "7"], "2026-01-16"), (["700", "8"], "Payment 302, 5.00"),
], ids=["locations", "services", "equipment", "bills", "payments", "an account's bills", "an account's payments"])
def test_a_row_of_a_list_is_opened_by_its_id_and_the_list_can_go_on(way, shown_then, two, screen):
    assert "ID opens" in shown(screen, *way)
    opened = shown(screen, "302")
    assert shown_then in opened
    assert "ID opens" in opened


def test_a_number_that_is_not_in_a_list_opens_nothing(two, screen):
    said = "900 is not shown here. Type one of these: ID opens, Enter, 0 or q back."
    assert said in shown(screen, "5", "1", "900")


def test_a_late_list_is_shown_anew_after_a_payment_with_its_sums(two, screen):
    assert "2 customers late, with 50.00 in total." in shown(screen, "5", "1")
    screen.type("302", "1", "25", "", "", "")
    listed = shown(screen, "0")
    assert "1 customer late, with 25.00 in total." in listed
    assert "Rows 1 to 1 of 1" in listed
    assert "Ada Okafor" not in listed


def test_hits_are_counted_and_paged_and_any_of_them_is_picked_by_its_number(screen, sql):
    sql("INSERT INTO customers (name, phone_number) SELECT 'Berg ' || to_char(i, 'FM00'), '555 0100' "
        "FROM generate_series(1, 45) AS i")
    assert "Hits 1 to 20 of 45  (number picks, Enter next, 0 or q back):" in shown(screen, "berg")
    assert "Hits 21 to 40 of 45" in shown(screen, "")
    assert "Hits 41 to 45 of 45  (number picks, p previous, Enter, 0 or q back):" in shown(screen, "n")
    assert "Hits 21 to 40 of 45" in shown(screen, "p")
    assert "Customer 42  Berg 42" in shown(screen, "n", "42")
    screen.type("0", "berg", "n")
    assert "Customer 7  Berg 07" in shown(screen, "7")


def test_a_search_by_the_name_of_a_service_lists_all_who_have_it_in_order(sql, screen):
    sql("INSERT INTO customers (name, phone_number) SELECT 'Berg ' || to_char(i, 'FM00'), '555 0100' "
        "FROM generate_series(1, 30) AS i")
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, 'Here' FROM customers ORDER BY 1 DESC")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fibre 500', 10 FROM locations")
    listed = shown(screen, "3", "2", "fibre 500") + shown(screen, "n")
    assert re.findall(r"Berg \d\d", listed) == [f"Berg {number:02}" for number in range(1, 31)]
    assert "Hits 21 to 30 of 30" in listed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["piped", "terminal"])
def test_a_customers_number_never_leads_to_a_strangers_record_unasked(where, kind, two, run, screen):
    menu, *_, last = KINDS[kind]
    said = run(answers=lines(menu, last, "302")).stdout if where == "piped" else shown(screen, menu, last, "302")
    words = " ".join(said.split())
    assert f"302 is {kind} 302, " in words
    assert "customer 302, Ada Okafor, has the other:" in words
    assert re.search(r"^ *1  .*Björn", said, re.MULTILINE)
    assert re.search(r"^ *2  .*Ada", said, re.MULTILINE)
    assert "This deletes" not in said
    assert "Reason" not in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("number", "row_id", "whose"), [("1", 302, "Björn Åkesson"), ("2", 900, "Ada Okafor")])
def test_of_a_number_that_is_a_record_and_a_customer_what_is_picked_is_taken(kind, number, row_id, whose, two, run):
    menu, *_, last = KINDS[kind]
    done = run(answers=lines(menu, last, "302", number))
    assert re.search(rf"^{kind.capitalize()} {row_id}, .*of {whose}\.$", done.stdout, re.MULTILINE)


def test_a_service_is_not_added_at_a_strangers_location_of_the_customers_number(two, run, sql):
    run(answers=lines("3", "1", "302", "2", "Television", "12", "", "0", "0"))
    assert sql("SELECT location_id FROM services WHERE service_name = 'Television'") == [{"location_id": 900}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_strangers_record_of_a_number_whose_customer_has_none_is_picked_all_the_same(kind, two, run, sql):
    sql("DELETE FROM billing WHERE customer_id = 302")
    sql("DELETE FROM payments WHERE customer_id = 302")
    sql("DELETE FROM locations WHERE customer_id = 302")
    menu, *_, last = KINDS[kind]
    done = run(answers=lines(menu, last, "302"))
    plural = "equipment" if kind == "equipment" else f"{kind}s"
    assert f"; customer 302, Ada Okafor, has no {plural}." in done.stdout
    assert "Hits 1 to 1 of 1" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_a_customer_that_no_record_has_offers_that_customers_records(kind, two, run, sql):
    sql("DELETE FROM customers WHERE customer_id = 701")
    menu, *_, last = KINDS[kind]
    done = run(answers=lines(menu, last, "700", "1"))
    assert f"There is no {kind} 700; customer 700, Björn Åkesson, has:" in done.stdout
    assert re.search(rf"^{kind.capitalize()} 302, .*of Björn Åkesson\.$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", ["900", "{kind} 900", "{kind} 302", "customer 302"])
def test_where_there_is_only_one_meaning_there_is_no_question(answer, kind, two, run):
    menu, *_, last = KINDS[kind]
    done = run(answers=lines(menu, last, answer.format(kind=kind)))
    assert "Hits" not in done.stdout
    row_id = "302" if answer == "{kind} 302" else "900"
    assert re.search(rf"^{kind.capitalize()} {row_id}, ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_the_customer_of_the_same_number_is_taken_at_once(kind, run, sql):
    add_account(sql, 5, "Ada Okafor", "555 0100", 5)
    menu, *_, last = KINDS[kind]
    done = run(answers=lines(menu, last, "5"))
    assert "Hits" not in done.stdout
    assert re.search(rf"^{kind.capitalize()} 5, ", done.stdout, re.MULTILINE)


def test_a_script_that_adds_or_views_a_customer_goes_on_in_the_menu_as_before(run, sql):
    done = run(answers=lines("1", "1", "Ada", "555 0100", "2", "1", "1", "Bo", "555 0101", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["name"] for row in sql("SELECT name FROM customers ORDER BY customer_id")] == ["Ada", "Bo"]


def test_a_script_can_work_in_an_account_that_it_finds(two, run, sql):
    done = run(answers=lines("okafor", "4", "Television", "12", "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Added service " in done.stdout
    assert sql("SELECT location_id FROM services WHERE service_name = 'Television'") == [{"location_id": 900}]


def test_an_account_that_is_gone_meanwhile_is_one_sentence(two, screen, sql):
    screen.type("302")
    sql("DELETE FROM billing WHERE customer_id = 302")
    sql("DELETE FROM payments WHERE customer_id = 302")
    sql("DELETE FROM customers WHERE customer_id = 302")
    said = shown(screen, "3")
    assert "There is no customer 302." in said
    assert "Main menu" in said


def test_an_error_in_an_action_of_a_new_account_does_not_say_that_the_customer_was_not_saved(screen, sql):
    screen.type("1", "1", "Ada", "555 0100")
    assert "Cancelled, nothing changed." in shown(screen, "3", "\x03")
    assert sql("SELECT name FROM customers") == [{"name": "Ada"}]


def test_a_piped_number_that_is_in_no_list_is_one_sentence(two, run):
    done = run(answers=lines("1", "2", "harbour street", "3"))
    assert sentence(done.stderr) == (
        "Stopped at input line 4: 3 is not shown here. Type one of these: number picks, Enter, 0 or q back.")
