"""Devices at locations, in stock and written off: where each is, was, and what it is worth."""
from __future__ import annotations

import json
from decimal import Decimal

import pytest
from conftest import PROMPT, lines

import database
from tracker import errors, stock, trail
from tracker.transfer import columns, importing, source

ADA, BO = "Ada Okafor, 1 Harbour Street", "Bo Berg, 7 Mill Lane"


@pytest.fixture
def devices(db, sql):
    """A router (1) and a modem without a serial number (2) at Ada's, an antenna (3) at Bo's; 4, 5 in stock."""
    ada = db.add_location(db.add_customer("Ada Okafor", "+44 20 7946 0958"), "1 Harbour Street")
    bo = db.add_location(db.add_customer("Bo Berg", "555 0102"), "7 Mill Lane")
    db.add_equipment(ada, "Router", "SN-101", Decimal(120))
    db.add_equipment(ada, "Modem", None, Decimal("20.50"))
    db.add_equipment(bo, "Antenna", "A-101", Decimal(80))
    db.add_equipment(None, "Router", "SN-102", Decimal(100))
    db.add_equipment(None, "router", "SN-103", Decimal(90))
    sql("ALTER TABLE trail DISABLE TRIGGER USER")
    sql("UPDATE trail SET person = 'eve', changed_at = CURRENT_DATE - 9 + time '09:00'")
    return db


def device(equipment_id):
    return database.get_equipment(equipment_id)


def where(sql):
    return {row["equipment_id"]: row["place"] for row in sql(
        "SELECT equipment_id, place_in_words(location_id, retired_on) AS place FROM equipment ORDER BY 1")}


def moves(sql):
    return [tuple(row.values()) for row in sql(
        "SELECT equipment_id, from_location_id, to_location_id, from_place, to_place FROM equipment_moves ORDER BY 1, "
        "equipment_move_id")]


def test_every_way_of_a_device_is_written_down(devices, sql):
    stock.move(device(1), None)
    stock.move(device(1), 2)
    stock.write_off(device(1))
    stock.move(device(1), None)
    assert moves(sql) == [
        (1, 1, None, ADA, "stock"), (1, None, 2, "stock", BO), (1, 2, None, BO, "written off"),
        (1, None, None, "written off", "stock")]
    today = devices.today()
    assert sql("SELECT DISTINCT moved_on, moved_by = session_user AS own FROM equipment_moves") == [
        {"moved_on": today, "own": True}]


def test_what_is_no_move_is_not_written_down(devices, sql):
    devices.update_equipment(1, "Bridge", "SN-109", Decimal(5))
    sql("UPDATE equipment SET location_id = location_id, retired_on = retired_on")
    assert moves(sql) == []


def test_a_move_by_sql_of_many_at_once_is_written_down_for_each(devices, sql):
    sql("UPDATE equipment SET location_id = 2 WHERE location_id = 1")
    assert moves(sql) == [(1, 1, 2, ADA, BO), (2, 1, 2, ADA, BO)]


def test_places_are_told_in_the_words_of_their_day(devices, sql):
    stock.move(device(1), 2)
    devices.update_customer(1, "Ada Obi")
    devices.update_location(1, "2 Harbour Street")
    today, added = devices.today(), sql("SELECT CURRENT_DATE - 9 AS day")[0]["day"]
    me, = sql("SELECT session_user AS name")
    assert stock.places(1) == [
        {"place": BO, "since": today, "until": None, "person": me["name"]},
        {"place": ADA, "since": added, "until": today, "person": "eve"},
    ]
    assert stock.places(2) == [
        {"place": "Ada Obi, 2 Harbour Street", "since": added, "until": None, "person": "eve"}]
    assert stock.places(4) == [{"place": "stock", "since": added, "until": None, "person": "eve"}]


def test_a_place_from_before_the_trail_has_no_day(devices, sql):
    sql("DELETE FROM trail")
    stock.move(device(4), 1)
    today = devices.today()
    first = stock.places(4)[-1]
    assert first == {"place": "stock", "since": None, "until": today, "person": None}


@pytest.mark.parametrize("work", [
    lambda seen: stock.move(seen, 2), stock.write_off, lambda seen: stock.swap_for_stocked(seen, False, device(4)),
    lambda seen: stock.swap_for_new(seen, False, "Hub", None, Decimal(1)),
], ids=["move", "write off", "swap for stocked", "swap for new"])
def test_a_device_that_somebody_moved_meanwhile_is_left_where_it_is(work, devices, sql):
    seen = device(1)
    sql("UPDATE equipment SET location_id = NULL WHERE equipment_id = 1")
    before = where(sql)
    with pytest.raises(errors.Conflict, match=r"^That device was moved meanwhile; nothing was written\. Look again\.$"):
        work(seen)
    assert where(sql) == before
    sql("DELETE FROM equipment WHERE equipment_id = 1")
    with pytest.raises(errors.NotFound, match=r"^There is no equipment 1\.$"):
        work(seen)


def test_a_device_written_off_meanwhile_is_not_found_again_by_a_slip(devices, sql):
    seen = device(4)
    sql("UPDATE equipment SET retired_on = CURRENT_DATE WHERE equipment_id = 4")
    with pytest.raises(errors.Conflict):
        stock.move(seen, 1)
    assert where(sql)[4] == "written off"


@pytest.mark.parametrize(("written_off", "old"), [(False, "stock"), (True, "written off")])
def test_a_swap_moves_both_or_none(written_off, old, devices, sql):
    stock.swap_for_stocked(device(1), written_off, device(4))
    assert (where(sql)[1], where(sql)[4]) == (old, ADA)
    seen = device(5)
    sql("UPDATE equipment SET location_id = 2 WHERE equipment_id = 5")
    with pytest.raises(errors.Conflict):
        stock.swap_for_stocked(device(3), written_off, seen)
    assert where(sql)[3] == BO


def test_a_swap_for_a_new_device_whose_serial_is_taken_changes_nothing(devices, sql):
    before = where(sql)
    with pytest.raises(errors.Conflict) as refused:
        stock.swap_for_new(device(1), True, "Router", "sn102", Decimal(1))
    assert refused.value.field == "serial_number"
    assert where(sql) == before
    assert stock.swap_for_new(device(1), True, "Router", "SN-104", Decimal(1)) in where(sql)
    assert (where(sql)[1], device(7)["address"]) == ("written off", "1 Harbour Street")


def test_search_finds_what_is_nowhere_and_says_where_it_is(devices):
    stock.write_off(device(3))
    found = devices.find_equipment("router")
    assert ([(row["equipment_id"], row["place"], row["name"]) for row in found.rows], found.total) == (
        [(1, "1 Harbour Street", "Ada Okafor"), (4, "in stock", None), (5, "in stock", None)], 3)
    assert [row["equipment_id"] for row in devices.find_equipment("router", in_stock=True).rows] == [4, 5]
    assert [row["place"] for row in devices.find_equipment("a101").rows] == ["written off"]
    assert devices.find_equipment("a-101", in_stock=True).rows == []
    assert [row["place"] for row in devices.list_equipment()] == [
        "1 Harbour Street", "1 Harbour Street", "written off", "in stock", "in stock"]
    assert devices.serial_holder("sn102")["place"] == "in stock"
    assert [row["equipment_id"] for row in devices.list_equipment(customer_id=1)] == [1, 2]
    assert devices.find_customers("SN-102").total == devices.suggest_customers("SN-102").total == 0


def test_stock_is_listed_by_name_a_page_at_a_time(devices, sql):
    stock.move(device(2), None)
    rows = stock.list_stock(limit=2)
    rest = stock.list_stock((rows[-1]["equipment_name_folded"], rows[-1]["equipment_id"]), 2)
    added = sql("SELECT CURRENT_DATE - 9 AS day")[0]["day"]
    assert [(row["equipment_id"], row["since"]) for row in rows + rest] == [
        (2, devices.today()), (4, added), (5, added)]
    assert stock.stock_total() == {"devices": 3, "worth": Decimal("210.50")}


def test_models_are_counted_where_they_are_however_they_are_spelt(devices):
    stock.write_off(device(3))
    assert [tuple(row.values()) for row in stock.models()] == [
        ("Router", 1, Decimal(120), 2, Decimal(190), 3, Decimal(310)),
        ("Modem", 1, Decimal("20.50"), 0, Decimal(0), 1, Decimal("20.50")),
    ]
    assert [row["equipment_id"] for row in stock.list_of_model("ROUTER", 1, 1)] == [4]
    assert [row["equipment_id"] for row in stock.stream_of_model("router")] == [1, 4, 5]
    assert (stock.count_of_model("router"), stock.count_of_model("antenna")) == (3, 0)


def test_a_device_that_was_deleted_in_stock_comes_back_with_its_moves(devices, sql):
    stock.move(device(4), 1)
    stock.move(device(4), None)
    before = stock.places(4)
    devices.delete_equipment(4)
    assert moves(sql) == []
    deletion = trail.deletions()[0]
    assert trail.obstacles(deletion) == []
    trail.restore(deletion)
    assert (where(sql)[4], [row["place"] for row in stock.places(4)]) == ("stock", [row["place"] for row in before])


def test_a_serial_number_that_a_device_in_stock_has_by_now_is_told(devices):
    devices.delete_equipment(1)
    devices.add_equipment(None, "Switch", "sn101", Decimal(3))
    obstacle, = trail.obstacles(trail.deletions()[0])
    assert (obstacle.kind, obstacle.holder["place"], obstacle.holder["address"]) == ("serial", "in stock", None)


def test_a_device_that_was_taken_back_stays_in_the_history_of_the_customer(devices):
    stock.move(device(1), None)
    changes = trail.history_of_customer(1)
    assert ("equipment", 1, "changed") in {(row["table_name"], row["record_id"], row["kind"]) for row in changes}


def test_a_location_takes_its_devices_with_it_counted(devices, sql):
    assert devices.location_contents(1) == {"services": 0, "equipment": 2}
    devices.delete_location(1, {"services": 0, "equipment": 2})
    assert list(where(sql)) == [3, 4, 5]


def test_an_import_of_a_serial_number_that_is_in_stock_is_refused_for_its_line(devices, tmp_path):
    stock.write_off(device(5))
    path = tmp_path / "new.csv"
    path.write_text("name,phone_number,address,equipment_name,serial_number,equipment_cost\n"
                    "Ada Okafor,+44 20 7946 0958,1 Harbour Street,Router,sn 102,100\n"
                    "Ada Okafor,+44 20 7946 0958,1 Harbour Street,Router,sn 103,90\n"
                    "Ada Okafor,+44 20 7946 0958,1 Harbour Street,Router,SN-108,90\n")
    opened = source.open_source(path)
    terms = importing.Terms(hold_alike=True)
    outcome = importing.load(opened, columns.match_headers(opened.headers), None, terms=terms)
    assert outcome.rejects == {
        2: "serial_number: Equipment 4 in stock has it.", 3: "serial_number: Equipment 5, written off, has it."}
    assert outcome.new.equipment == 1


def test_an_export_of_accounts_leaves_out_what_is_at_nobodys(devices, run):
    exported = run("export", "accounts").stdout
    assert ("SN-101" in exported, "SN-102" in exported) == (True, False)


def test_an_account_shows_what_stands_there(devices, run):
    shown = run("account-report").stdout
    assert ("serial SN-101" in shown, "serial SN-102" in shown) == (True, False)


def after(output, title):
    """Return the lines that follow the last one that is a title, up to the menu."""
    shown = output.split(f"\n{title}\n")[-1]
    for menu in ("Main menu", "Manage Equipment", "Reporting"):
        shown = shown.split(f"\n\n{menu}\n")[0]
    return shown.splitlines()


def test_a_device_is_added_to_stock_and_another_after_it(devices, run, sql):
    done = run(answers=lines("4", "1", "stock", "Hub", "", "5", "Hub", "H-2", "6", "", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert after(done.stdout, "Add equipment to a location") == [
        "Location (ID or search, or stock): stock",
        "Equipment name: Hub", "Serial number [none]: ", "Cost: 5",
        "Added equipment 6, Hub, worth 5.00, to stock.",
        "Another equipment name [no more]: Hub", "Serial number [none]: H-2", "Cost: 6",
        "Added equipment 7, Hub, worth 6.00, to stock.",
        "Another equipment name [no more]: ",
    ]
    assert sql("SELECT location_id FROM equipment WHERE equipment_id > 5") == [{"location_id": None}] * 2


def test_where_a_serial_number_is_and_was(devices, run, sql):
    run(answers=lines("4", "7", "sn101", "stock", "0", "0"))
    today, added = devices.today(), sql("SELECT CURRENT_DATE - 9 AS day")[0]["day"]
    me, = sql("SELECT session_user AS name")
    done = run(answers=lines("4", "2", "sn101", "0", "0"))
    assert after(done.stdout, "View equipment") == [
        "Equipment (ID or search) [all]: sn101",
        "Equipment 1, Router, in stock.",
        "ID             1", "Equipment      Router", "Serial number  SN-101", "Worth          120.00",
        "Address        in stock", "Customer",
        "Places", f"  since {today}: stock, by {me['name']}", f"  {added} to {today}: {ADA}, by eve",
    ]


def test_a_serial_number_at_the_main_menu_finds_what_is_at_nobodys(devices, run, sql):
    stock.move(device(1), None)
    today, added = devices.today(), sql("SELECT CURRENT_DATE - 9 AS day")[0]["day"]
    me, = sql("SELECT session_user AS name")
    done = run(answers=lines("sn101", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert after(done.stdout, "Find customer") == [
        "Equipment 1, Router, in stock.",
        "ID             1", "Equipment      Router", "Serial number  SN-101", "Worth          120.00",
        "Address        in stock", "Customer",
        "Places", f"  since {today}: stock, by {me['name']}", f"  {added} to {today}: {ADA}, by eve",
    ]
    stock.write_off(device(1))
    assert after(run(answers=lines("SN-101", "0")).stdout, "Find customer")[0] == "Equipment 1, Router, written off."


@pytest.mark.parametrize("part", ["sn10", "SN-1", "n-102"])
def test_a_part_of_a_serial_number_at_the_main_menu_finds_what_is_at_nobodys(part, devices, run, sql):
    stock.write_off(device(3))
    sql("UPDATE equipment SET serial_number = 'SN-1029' WHERE equipment_id = 3")
    sql("UPDATE equipment SET serial_number = 'X-' || equipment_id WHERE equipment_id IN (1, 5)")
    hits = ["#  Equipment  Serial number   Worth  Address      Customer",
            "-  ---------  -------------  ------  -----------  --------",
            "1  Router     SN-102         100.00  in stock",
            "2  Antenna    SN-1029         80.00  written off"]
    done = run(answers=lines(part, "2", "0"))
    said = after(done.stdout, "Find customer")
    assert (done.returncode, done.stderr, said[:4]) == (0, "", hits)
    assert said[5] == "Equipment 3, Antenna, written off."
    assert after(run(answers=lines("sn-102", "0")).stdout, "Find customer")[0] == "Equipment 4, Router, in stock."
    assert after(run(answers=lines("029", "0")).stdout, "Find customer")[0] == "Equipment 3, Antenna, written off."


def test_two_characters_at_the_main_menu_are_no_part_of_a_serial_number(devices, run, sql):
    sql("UPDATE equipment SET serial_number = 'Z9' WHERE equipment_id = 4")
    sql("UPDATE equipment SET serial_number = 'ZZ9Z' WHERE equipment_id = 5")
    assert after(run(answers=lines("z9", "0")).stdout, "Find customer")[0] == "Equipment 4, Router, in stock."
    done = run(answers=lines("9z", "0"))
    assert done.stderr == ("Stopped at input line 1: No customer matches 9z. Try a shorter part of a name, phone "
                           "number, address or serial number.\n")


@pytest.mark.parametrize("answer", ["9", "sn-101", "Ada"])
def test_a_customer_comes_before_a_device_in_stock_of_that_serial_number(answer, devices, run, sql):
    for _ in range(7):
        devices.add_customer("Cy Dee", None)
    sql("UPDATE equipment SET serial_number = '9' WHERE equipment_id = 4")
    sql("UPDATE equipment SET serial_number = 'ada' WHERE equipment_id = 5")
    name = "Cy Dee" if answer == "9" else "Ada Okafor"
    assert after(run(answers=lines(answer, "0")).stdout, "Find customer")[0].split("  ")[1] == name


def test_what_is_in_stock_is_listed(devices, run, sql):
    added = sql("SELECT CURRENT_DATE - 9 AS day")[0]["day"]
    done = run(answers=lines("4", "6", "0", "0"))
    assert after(done.stdout, "In stock") == [
        "ID  Equipment  Serial number   Worth  Since",
        "--  ---------  -------------  ------  ----------",
        f" 4  Router     SN-102         100.00  {added}",
        f" 5  router     SN-103          90.00  {added}",
        "2 devices in stock, worth 190.00.",
    ]
    sql("UPDATE equipment SET location_id = 1")
    assert after(run(answers=lines("4", "6", "0", "0")).stdout, "In stock") == ["Nothing is in stock."]


PICKED = ["Equipment (ID or search): sn101", "Equipment 1, Router, at 1 Harbour Street, of Ada Okafor."]


@pytest.mark.parametrize(("answers", "shown", "place"), [
    (["7", "stock"], ["Location (ID or search, or stock): stock", "Moved equipment 1, Router, to stock."], "stock"),
    (["7", "mill"], ["Location (ID or search, or stock): mill", "Location 2, 7 Mill Lane, of Bo Berg.",
                     "Moved equipment 1, Router, to 7 Mill Lane, of Bo Berg."], BO),
    (["9", "yes"], ["Type yes to write it off: yes", "Wrote off equipment 1, Router, worth 120.00."], "written off"),
    (["9", "no"], ["Type yes to write it off: no", "Not written off."], ADA),
], ids=["take back", "move", "write off", "not written off"])
def test_a_device_is_moved_or_written_off(answers, shown, place, devices, run, sql):
    entry, answer = answers
    done = run(answers=lines("4", entry, "sn101", answer, "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert after(done.stdout, {"7": "Move or take back", "9": "Write off"}[entry]) == [*PICKED, *shown]
    assert where(sql)[1] == place


@pytest.mark.parametrize(("answers", "said"), [
    (["7", "1", "1"], "4: It is there already."), (["7", "4", "stock"], "4: It is there already."),
    (["8", "4"], "3: It is in stock, and there is nothing to swap."),
    (["8", "1", "", "3"], "5: Equipment 3 is not in stock."),
    (["8", "1", "", "antenna"], "5: No equipment in stock matches antenna. Try a shorter part of a name, phone number, "
                                "address or serial number."),
    (["8", "1", "sold"], "4: Enter 1 stock, 2 written off."),
    (["8", "1", "", "new", "Hub", "sn103", "5"],
     "7: That is the serial number of equipment 5, router, in stock."),
])
def test_what_cannot_be_moved_is_refused_and_stays(answers, said, devices, run, sql):
    before = where(sql)
    done = run(answers=lines("4", *answers))
    assert (done.returncode, done.stderr) == (1, f"Stopped at input line {said}\n")
    assert where(sql) == before


def test_what_is_written_off_already_is_not_again(devices, run):
    stock.write_off(device(1))
    done = run(answers=lines("4", "9", "equipment 1"))
    assert done.stderr == (
        f"Stopped at input line 3: Equipment 1 is written off already, since {devices.today()}.\n")


@pytest.mark.parametrize(("fate", "became", "place"), [
    ("", "now in stock", "stock"), ("2", "written off", "written off"),
])
def test_a_device_is_swapped_for_one_in_stock(fate, became, place, devices, run, sql):
    done = run(answers=lines("4", "8", "1", fate, "sn102", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert after(done.stdout, "Swap") == [
        "Equipment (ID or search): 1", "Equipment 1, Router, at 1 Harbour Street, of Ada Okafor.",
        f"What becomes of it (1 stock, 2 written off) [stock]: {fate}",
        "Equipment in stock (ID or search, or new): sn102", "Equipment 4, Router, in stock.",
        f"Swapped equipment 1, Router, {became}, for equipment 4, Router, at 1 Harbour Street, of Ada Okafor.",
    ]
    assert (where(sql)[1], where(sql)[4]) == (place, ADA)


def test_a_device_is_swapped_for_a_new_one(devices, run, sql):
    done = run(answers=lines("4", "8", "1", "written off", "new", "Router AX", "SN-109", "99.90", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert after(done.stdout, "Swap") == [
        "Equipment (ID or search): 1", "Equipment 1, Router, at 1 Harbour Street, of Ada Okafor.",
        "What becomes of it (1 stock, 2 written off) [stock]: written off",
        "Equipment in stock (ID or search, or new): new",
        "Equipment name: Router AX", "Serial number [none]: SN-109", "Cost: 99.90",
        "Swapped equipment 1, Router, written off, for equipment 6, Router AX, worth 99.90, at 1 Harbour Street, of "
        "Ada Okafor.",
    ]
    assert (where(sql)[1], where(sql)[6]) == ("written off", ADA)


MODELS = """\
#  Equipment  At customers   Worth  In stock   Worth  In all   Worth
-  ---------  ------------  ------  --------  ------  ------  ------
1  Router                1  120.00         2  190.00       3  310.00
2  Antenna               1   80.00         0    0.00       1   80.00
3  Modem                 1   20.50         0    0.00       1   20.50
   Total                 3  220.50         2  190.00       5  410.50
"""


def test_equipment_is_reported_by_model(devices, run):
    done = run("equipment-report")
    assert (done.returncode, done.stdout, done.stderr) == (0, MODELS, "")
    assert after(run(answers=lines("6", "7", "0", "0")).stdout, "Equipment by model") == MODELS.splitlines()


def test_the_report_by_model_is_written_as_csv_and_json(devices, run):
    assert run("equipment-report", "--format", "csv").stdout == (
        "equipment_name,at_customers,worth_at_customers,in_stock,worth_in_stock,devices,worth\n"
        '"Router",1,120.00,2,190.00,3,310.00\n"Antenna",1,80.00,0,0.00,1,80.00\n"Modem",1,20.50,0,0.00,1,20.50\n')
    rows = json.loads(run("equipment-report", "--format", "json").stdout)
    assert rows[2] == {"equipment_name": "Modem", "at_customers": 1, "worth_at_customers": "20.50", "in_stock": 0,
                       "worth_in_stock": "0.00", "devices": 1, "worth": "20.50"}


def test_who_has_a_model_is_a_list(devices, run):
    assert run("equipment-report", "--model", "ROUTER").stdout.splitlines() == [
        "ID  Equipment  Serial number   Worth  Address           Customer",
        "--  ---------  -------------  ------  ----------------  ----------",
        " 1  Router     SN-101         120.00  1 Harbour Street  Ada Okafor",
        " 4  Router     SN-102         100.00  in stock",
        " 5  router     SN-103          90.00  in stock",
    ]
    assert run("equipment-report", "--model", "router", "--format", "csv").stdout == (
        "equipment_id,equipment_name,serial_number,cost,place,name\n"
        '1,"Router","SN-101",120.00,"1 Harbour Street","Ada Okafor"\n4,"Router","SN-102",100.00,"in stock",\n'
        '5,"router","SN-103",90.00,"in stock",\n')
    none = run("equipment-report", "--model", "hub")
    assert (none.returncode, none.stdout, none.stderr) == (1, "", "There is no equipment named hub.\n")


def test_there_may_be_no_equipment(db, run):
    assert run("equipment-report").stdout == "No equipment.\n"


def test_the_number_of_a_model_opens_who_has_it(devices, terminal):
    child = terminal()
    for answer in ("6", "7", "1"):
        child.expect(PROMPT)
        child.sendline(answer)
    child.expect_exact("1 Harbour Street  Ada Okafor")
    child.expect_exact("Rows 1 to 3 of 3")
