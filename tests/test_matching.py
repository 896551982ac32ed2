"""What an import takes for the same: customers however they are written, one service in several lines, a new price."""
from __future__ import annotations

import csv
import io
import os
import threading

import psycopg2
import psycopg2.extensions
import pytest
from conftest import wait_for

from tracker import errors
from tracker.transfer import columns, exporting, importing, source
from tracker.transfer.choices import Choices

pytestmark = pytest.mark.slow
HEADER = "name,phone_number,address,service_name,service_cost,equipment_name,serial_number,equipment_cost"
ADA = "Ada,555 0100,1 Quay"


@pytest.fixture
def file(tmp_path):
    def write(*lines, header=HEADER):
        path = tmp_path / "in.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


def opened(path, **chosen):
    found = source.open_source(path)
    choices = (columns.parse_choice(found.headers, f"{field}={header}") for field, header in chosen.items())
    return found, columns.match_headers(found.headers, Choices(dict(choices)))


def load(path, **chosen):
    return importing.load(*opened(path, **chosen))


def services(sql):
    return [(row["service_name"], f"{row['cost']:.2f}") for row in sql("SELECT * FROM services ORDER BY service_id")]


def devices(sql):
    return [(row["equipment_name"], row["serial_number"], f"{row['cost']:.2f}")
            for row in sql("SELECT * FROM equipment ORDER BY equipment_id")]


def people(sql):
    return [(row["name"], row["phone_number"]) for row in sql("SELECT * FROM customers ORDER BY customer_id")]


# Prices


def test_a_price_raised_in_the_file_changes_the_service_and_adds_none(db, sql, file):
    load(file(f"{ADA},Fibre 500,49.90,,,"))
    outcome = load(file(f"{ADA},Fibre 500,54.90,,,"))
    assert (outcome.new, outcome.changed, outcome.present.services) == ((0, 0, 0, 0), (0, 0, 1, 0), 0)
    assert services(sql) == [("Fibre 500", "54.90")]


def test_a_check_says_what_prices_change_and_changes_none(db, sql, file):
    load(file(f"{ADA},Fibre 500,49.90,,,", f"{ADA},TV,10,,,"))
    outcome = importing.check(*opened(file(f"{ADA},Fibre 500,54.90,,,", f"{ADA},TV,8,,,")))
    assert outcome.changes.first == (("price", 2, "Fibre 500", "49.90", "54.90", 1), ("price", 3, "TV", "10.00",
                                                                                      "8.00", 1))
    assert str(outcome.changes.difference) == "3.00"
    assert services(sql) == [("Fibre 500", "49.90"), ("TV", "10.00")]


def test_a_change_is_said_before_it_is_made(db, sql, run, file):
    load(file(f"{ADA},Fibre 500,49.90,,,"))
    path = str(file(f"{ADA},Fibre 500,54.90,,,"))
    done = run("import", path, answers="no\n")
    assert "1 price changes, 49.90 → 54.90 (Fibre 500, line 2).\n" in done.stdout
    assert services(sql) == [("Fibre 500", "49.90")]
    assert "Changed 1 price." in run("import", path, answers="yes\n").stdout
    assert services(sql) == [("Fibre 500", "54.90")]
    assert "all of it is there already" in run("import", path).stdout


@pytest.mark.parametrize(("cost", "changed"), [("49.90", 0), ("54.90", 1)])
def test_a_service_or_device_written_otherwise_is_the_one_that_is_there(cost, changed, db, sql, file):
    load(file(f"{ADA},Fibre 500,49.90,Box “S”,,49.90"))
    outcome = load(file(f"{ADA},FIBRE–500,{cost},box s,,{cost}", f"{ADA},fibre 500,{cost},Box S,,{cost}"))
    assert (outcome.new, outcome.changed[2:]) == ((0, 0, 0, 0), (changed, changed))
    assert services(sql) == [("Fibre 500", cost)]
    assert devices(sql) == [("Box “S”", None, cost)]


def test_services_of_one_name_in_two_spellings_come_back_as_they_are(db, sql, tmp_path):
    location_id = db.add_location(db.add_customer("Ada", "555 0100"), "1 Quay")
    for name in ("Fibre", "FIBRE", "Fibre"):
        db.add_service(location_id, name, "20")
    exporting.export("accounts", tmp_path / "out.csv")
    assert load(tmp_path / "out.csv").new == (0, 0, 0, 0)
    db.delete_customer(1)
    load(tmp_path / "out.csv")
    assert services(sql) == [("Fibre", "20.00"), ("FIBRE", "20.00"), ("Fibre", "20.00")]


def test_of_many_changes_the_first_are_listed_and_all_are_counted(db, run, file):
    load(file(*(f"Ada {i},555 010{i},1 Quay,Fibre,20,,," for i in range(5))))
    done = run("import", str(file(*(f"Ada {i},555 010{i},1 Quay,Fibre,21.5,,," for i in range(5)))), "--dry-run")
    assert "5 prices change, 20.00 → 21.50 (Fibre, 5 times, first in line 2).\n" in done.stdout
    assert "With the changed prices, +7.50 a month.\n" in done.stdout
    done = run("import", str(file(*(f"Ada {i},555 010{i},1 Quay,Fibre,2{i}.5,,," for i in range(5)))), "--dry-run")
    assert "5 prices change, 20.00 → 20.50 (Fibre, line 2), 20.00 → 21.50 (Fibre, line 3), " in done.stdout
    assert "(Fibre, line 4), and 2 more.\nWith the changed prices, +12.50 a month.\n" in done.stdout


def test_our_own_export_with_a_raised_price_changes_that_service_alone(db, sql, tmp_path):
    location_id = db.add_location(db.add_customer("Ada", "555 0100"), "1 Quay")
    for name, cost in (("Fibre", "20"), ("Fibre", "20"), ("Fibre", "30"), ("TV", "5")):
        db.add_service(location_id, name, cost)
    exporting.export("accounts", tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    (tmp_path / "out.csv").write_text(text.replace('"Fibre",30.00', '"Fibre",35.00'))
    outcome = load(tmp_path / "out.csv")
    assert (outcome.new.services, outcome.changed.services) == (0, 1)
    assert services(sql) == [("Fibre", "20.00"), ("Fibre", "20.00"), ("Fibre", "35.00"), ("TV", "5.00")]


def test_equal_prices_are_matched_before_the_rest_in_order(db, sql, file):
    location_id = db.add_location(db.add_customer("Ada", "555 0100"), "1 Quay")
    for cost in ("10", "20", "30"):
        db.add_service(location_id, "Line", cost)
    outcome = load(file(f"{ADA},Line,30,,,", f"{ADA},Line,12,,,", f"{ADA},Line,22,,,", f"{ADA},Line,40,,,"))
    assert (outcome.new.services, outcome.changed.services, outcome.present.services) == (1, 2, 1)
    assert services(sql) == [("Line", "12.00"), ("Line", "22.00"), ("Line", "30.00"), ("Line", "40.00")]


def test_what_a_device_is_worth_changes_likewise(db, sql, run, file):
    load(file(f"{ADA},,,Router,R1,30", f"{ADA},,,Box,,5"))
    done = run("import", str(file(f"{ADA},,,Router,R1,25", f"{ADA},,,Box,,4")), "--yes")
    assert "2 values change, 30.00 → 25.00 (Router, line 2), 5.00 → 4.00 (Box, line 3).\n" in done.stdout
    assert done.stdout.endswith("Changed 2 values.\n")
    assert devices(sql) == [("Router", "R1", "25.00"), ("Box", None, "4.00")]


def test_a_price_that_somebody_changes_after_the_check_is_not_overwritten(db, sql, file):
    load(file(f"{ADA},Fibre,20,,,"))
    found, fields = opened(file(f"{ADA},Fibre,30,,,"))
    confirmed = importing.check(found, fields)
    sql("UPDATE services SET cost = 25")
    with pytest.raises(errors.Conflict, match="changed after the check"):
        importing.load(found, fields, confirmed)
    assert services(sql) == [("Fibre", "25.00")]


def test_a_price_that_somebody_is_changing_is_waited_for_and_not_overwritten(uri, db, sql, file):
    load(file(f"{ADA},Fibre,20,,,"))
    path, outcome = file(f"{ADA},Fibre,30,,,"), []

    def try_it():
        try:
            outcome.append(load(path))
        except errors.Conflict as exc:
            outcome.append(exc)

    other = psycopg2.connect(uri)
    other.cursor().execute("UPDATE services SET cost = 25")
    thread = threading.Thread(target=try_it)
    thread.start()
    wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                         "AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"))
    other.commit()
    thread.join()
    other.close()
    assert "changed after the check" in str(outcome[0])
    assert services(sql) == [("Fibre", "25.00")]


def test_a_new_site_of_a_known_customer_has_its_own_services(db, sql, file):
    load(file(f"{ADA},Fibre,20,,,"))
    assert load(file(f"{ADA},Fibre,20,,,", "Ada,555 0100,2 Quay,Fibre,30,,,")).new.services == 1
    assert services(sql) == [("Fibre", "20.00"), ("Fibre", "30.00")]


# One thing in several lines


@pytest.mark.parametrize(("lines", "wanted_services", "wanted_devices"), [
    ([f"{ADA},Fibre,20,Router,R1,30", f"{ADA},Fibre,20,Box,,5"], 1, 2),
    ([f"{ADA},Fibre,20,Router,R1,30", f"{ADA},Fibre,20,,,"], 1, 1),
    ([f"{ADA},Fibre,20,Router,R1,30", f"{ADA},TV,5,Router,R1,30"], 2, 1),
    ([f"{ADA},Fibre,20,Box,,5", f"{ADA},TV,5,Box,,5"], 2, 1),
    ([f"{ADA},Fibre,20,A,,5", f"{ADA},Fibre,20,B,,5", f"{ADA},TV,5,A,,5", f"{ADA},TV,5,B,,5"], 2, 2),
    ([f"{ADA},Fibre,20,,,", f"{ADA},Fibre,30,,,"], 2, 0),
    ([f"{ADA},Fibre,20,,,", f"{ADA},Fibre,20,,,"], 1, 0),
    ([f"{ADA},Fibre,20,,,", "Ada,555 0100,2 Quay,Fibre,20,,,"], 2, 0),
    ([f"{ADA},,,Router,R1,30", f"{ADA},,,Router,r-1,30"], 0, 1),
])
def test_a_service_or_device_in_several_lines_is_one(db, sql, file, lines, wanted_services, wanted_devices):
    path = file(*lines)
    load(path)
    assert (len(services(sql)), len(devices(sql))) == (wanted_services, wanted_devices)
    assert load(path).new == (0, 0, 0, 0)


def test_two_equal_services_and_devices_come_back_as_two(db, sql, tmp_path):
    location_id = db.add_location(db.add_customer("Ada", "555 0100"), "1 Quay")
    for _ in range(2):
        db.add_service(location_id, "Fibre", "20")
        db.add_equipment(location_id, "Box", None, "5")
    exporting.export("accounts", tmp_path / "out.csv")
    db.delete_customer(1)
    assert load(tmp_path / "out.csv").repeated == 0
    assert (services(sql), devices(sql)) == ([("Fibre", "20.00")] * 2, [("Box", None, "5.00")] * 2)


def test_a_line_without_a_service_id_repeats_the_service_that_has_one(db, sql, file):
    header = f"service_id,equipment_id,{HEADER}"
    load(file(f"1,1,{ADA},Fibre,20,Box,,5", f",,{ADA},Fibre,20,Cable,,2", f",,{ADA},TV,5,Box,,5", header=header))
    assert services(sql) == [("Fibre", "20.00"), ("TV", "5.00")]
    assert devices(sql) == [("Box", None, "5.00"), ("Cable", None, "2.00")]


def test_a_service_id_with_another_name_or_cost_at_a_site_is_a_reject(db, sql, file):
    outcome = load(file(f"1,{ADA},Fibre,20,,,", f"1,{ADA},Fibre,25,,,", "1,Bo,555 0101,2 Quay,TV,5,,,",
                        header=f"service_id,{HEADER}"))
    assert outcome.rejects == {3: "service_id: Line 2 has it with another name or cost."}
    assert services(sql) == [("Fibre", "20.00"), ("TV", "5.00")]


def test_a_serial_number_with_another_name_or_cost_is_a_reject(db, file):
    outcome = load(file(f"{ADA},,,Router,R1,30", f"{ADA},,,Router,r1,35"))
    assert outcome.rejects == {3: "serial_number: Line 2 has it with another name or cost."}


def test_repeated_lines_are_counted_once_and_said(db, run, file):
    path = str(file(f"{ADA},Fibre,20,,,", "Bo,555 0101,,,,,,", f"{ADA},Fibre,20,,,", "Bo,555 0101,,,,,,"))
    done = run("import", path, "--dry-run")
    assert "2 lines are repeated and counted once: line 4 is line 2 again, line 5 is line 3 again.\n" in done.stdout
    done = run("import", str(file("Bo,555 0101,,,,,,", "Bo,555 0101,,,,,,")), "--yes")
    assert "1 line is repeated and counted once: line 3 is line 2 again.\n" in done.stdout


# Cells


@pytest.mark.parametrize("nothing", [
    "NULL", "null", "N/A", "n/a", "#N/A", "None", "none", "nan", "NaN", "\\N", "-", "—", " NULL ", "[NULL]", "(null)",
])
def test_what_other_programs_write_for_nothing_is_empty_in_every_column(db, sql, file, nothing):
    outcome = load(file(f"Ada,{nothing},{nothing},{nothing},{nothing},{nothing},{nothing},{nothing}",
                        f"Bo,555,1 Quay,Fibre,20,Router,{nothing},30", f"{nothing},556,,,,,,"))
    assert outcome.rejects == {4: "name: It is missing."}
    assert people(sql) == [("Ada", None), ("Bo", "555")]
    assert devices(sql) == [("Router", None, "30.00")]


def test_null_may_be_somebodys_name(db, sql, file):
    load(file("Ada Null,555,,,,,,", "Null,556,,,,,,"))
    assert people(sql) == [("Ada Null", "555"), ("Null", "556")]


def test_names_like_other_programs_words_for_nothing_come_back(db, sql, tmp_path):
    names = ["NULL", "'NULL", "None", "-", "--", "N/A", "\\N", "'-", "''"]
    for number, name in enumerate(names):
        db.add_customer(name, f"555 010{number}")
    exporting.export("accounts", tmp_path / "out.csv")
    assert load(tmp_path / "out.csv").present.customers == len(names)
    for customer_id in range(1, len(names) + 1):
        db.delete_customer(customer_id)
    load(tmp_path / "out.csv")
    assert [name for name, _ in people(sql)] == names


@pytest.mark.parametrize(("choice", "wanted"), [
    ("Phone+Mobile", ["555 0100", "555 0201", "555 0102", None]),
    ("Phone|Mobile", ["555 0100", "555 0201", "555 0102", None]),
    ("Mobile+Phone", ["555 0200", "555 0201", "555 0102", None]),
])
def test_of_several_columns_for_a_phone_number_the_first_filled_counts(db, sql, file, choice, wanted):
    load(file("Ada,555 0100,555 0200", "Bo,N/A,555 0201", "Cy,555 0102,", "Di,,NULL", header="Name,Phone,Mobile"),
         phone_number=choice)
    assert [number for _, number in people(sql)] == wanted


@pytest.mark.parametrize(("cell", "wanted"), [
    ("442079460958.0", "442079460958"), ("+442079460958.00", "+442079460958"), ("020.7946.0958", "020.7946.0958"),
    ("555.0", "555"), ("'+44 20", "+44 20"), ("020\u00a07946\u20110958", "020 7946-0958"),
    ("555 0100 ext 12", "555 0100 ext 12"),
])
def test_a_phone_number_is_stored_as_somebody_would_write_it(db, sql, file, cell, wanted):
    assert load(file(f"Ada,{cell},,,,,,")).rejects == {}
    assert people(sql) == [("Ada", wanted)]


@pytest.mark.parametrize("start", ["＝", "＋", "－", "＠", "=", " =", "\u3000=", "\u00a0@", "\t+", "\r", "'"])
def test_what_a_spreadsheet_would_run_is_guarded_in_every_export(db, sql, start):
    sql("INSERT INTO customers (name, phone_number) VALUES (%s, '555')", f"{start}1+1")
    out = io.BytesIO()
    exporting.export_to("accounts", out)
    [row] = csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))
    assert row["name"] == f"'{start}1+1"


# Customers


def test_customers_without_a_phone_number_are_imported_once(db, sql, file):
    path = file("Bo,,,,,,,", "Ada,,1 Quay,,,,,", "Ada,,2 Quay,,,,,")
    assert load(path).new == (2, 2, 0, 0)
    assert load(path).new == (0, 0, 0, 0)
    assert people(sql) == [("Bo", None), ("Ada", None)]


def test_a_file_of_names_alone_is_imported_once(db, sql, file):
    path = file("Ada,,,,,,,", "Bo,,,,,,,")
    assert (load(path).new, load(path).new) == ((2, 0, 0, 0), (0, 0, 0, 0))
    assert people(sql) == [("Ada", None), ("Bo", None)]


def test_a_file_needs_no_phone_numbers(db, sql, file):
    assert load(file("Ada,1 Quay", header="name,address")).new.customers == 1


@pytest.mark.parametrize(("stored", "written"), [
    (("José García", "+34 600 555 010"), ("Jose Garcia", "0034600555010")),
    (("Łukasz Żółć", "020 7946 0958"), ("LUKASZ ZOLC", "+44 20 7946 0958")),
    (("O’Brien Sean", "0044 20 7946 0958"), ("O'Brien  Sean", "+44 (0)20 7946 0958")),
    (("Ada", "+44 20 7946 0958"), ("Ada", "442079460958.0")),
])
def test_a_customer_written_otherwise_is_the_same(db, sql, file, monkeypatch, stored, written):
    monkeypatch.setenv("COUNTRY_CODE", "44")
    db.add_customer(*stored)
    outcome = load(file(f"{written[0]},{written[1]},1 Quay,,,,,"))
    assert (outcome.new[:2], outcome.present.customers, outcome.alike) == ((0, 1), 1, 0)
    assert people(sql) == [stored]


def test_lines_that_write_a_customer_otherwise_are_one(db, sql, file, monkeypatch):
    monkeypatch.setenv("COUNTRY_CODE", "44")
    path = file("José García,020 7946 0958,1 Quay,,,,,", "Jose Garcia,+44 20 7946 0958,2 Quay,,,,,",
                "JOSE GARCIA,0044 20 7946 0958,3 Quay,,,,,", "Jose Garcia,020 7946 0959,1 Quay,,,,,")
    assert load(path).new[:2] == (2, 4)
    assert load(path).new[:2] == (0, 0)
    assert people(sql) == [("José García", "020 7946 0958"), ("Jose Garcia", "020 7946 0959")]


def test_a_customer_id_may_write_its_customer_otherwise(db, file):
    outcome = load(file("1,José,+44 20 7946 0958,", "1,Jose,020 7946 0958,", "1,Jo,020 7946 0958,",
                        header="customer_id,name,phone,address"))
    assert outcome.rejects == {4: "customer_id: Line 2 has it with another name or phone number."}


def test_new_customers_who_look_like_stored_ones_are_asked_about(db, sql, run, file):
    db.add_customer("Jose Garcia", "+34 600 555 010")
    db.add_customer("Ada", None)
    path = str(file("José García,+34 600 555 099,,,,,,", "Maria García,0034600555010,,,,,,", "Ada,555 0100,,,,,,",
                    "Bo,555 0101,,,,,,"))
    done = run("import", path, answers="no\n")
    told = done.stdout.partition("3 new customers look like ones that are there: ")[2].partition("\n")[0]
    assert told == ("line 2 José García, +34 600 555 099 like customer 1 Jose Garcia, +34 600 555 010; "
                    "line 3 Maria García, 0034600555010 like customer 1 Jose Garcia, +34 600 555 010; "
                    "line 4 Ada, 555 0100 like customer 2 Ada, without a number.")
    assert run("import", path, answers="yes\n").returncode == 0
    assert len(people(sql)) == 6


def test_with_nobody_to_ask_those_who_look_like_stored_ones_are_held_back(db, sql, run, file):
    db.add_customer("Jose Garcia", "+34 600 555 010")
    path = file("José García,+34 600 555 099,,,,,,", "Maria García,0034600555010,,,,,,", "Bo,555 0101,,,,,,")
    done = run("import", str(path), "--yes")
    assert done.returncode == 1
    assert "Line 2: name: Customer 1 has it, with another phone number." in done.stderr
    assert "Line 3: phone_number: Customer 1 has it, under another name." in done.stderr
    assert [name for name, _ in people(sql)] == ["Jose Garcia", "Bo"]
    assert run("import", f"{path}.rejects.csv", answers="yes\n").returncode == 0
    assert len(people(sql)) == 4
    assert run("import", str(path), "--yes").returncode == 0


def test_a_stored_customer_spelt_alike_comes_before_one_spelt_otherwise(db, file):
    db.add_customer("ADA", "555 0100")
    db.add_customer("Ada", "555 0100")
    outcome = load(file("Ada,555 0100,1 Quay,,,,,"))
    assert outcome.rejects == {}
    assert db.list_locations()[0]["customer_id"] == 2


@pytest.mark.parametrize("others", [("Ada", "555 0100"), ("ADA", "555-0100")], ids=["written alike", "otherwise"])
def test_namesakes_of_our_own_export_are_each_themselves_in_any_order(db, tmp_path, others):
    for number, (name, phone) in enumerate([("Ada", "555 0100"), others], 1):
        db.add_service(db.add_location(db.add_customer(name, phone), f"{number} Quay"), "Fibre", number)
    exporting.export("accounts", tmp_path / "out.csv")
    header, *lines = (tmp_path / "out.csv").read_text().splitlines()
    (tmp_path / "out.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert load(tmp_path / "out.csv").new == (0, 0, 0, 0)


def test_namesakes_of_another_program_go_by_their_spelling_then_by_their_order(db, sql, file):
    for name, address in (("Ada", "1 Quay"), ("ADA", "2 Quay"), ("Ada", "3 Quay")):
        db.add_location(db.add_customer(name, "555 0100"), address)
    outcome = load(file("x,ADA,555 0100,2 Quay", "y,ada,555 0100,3 Quay", "z,Ada,555 0100,1 Quay",
                        header="customer_id,name,phone,address"))
    assert (outcome.new, outcome.present[:2]) == ((0, 0, 0, 0), (3, 3))


# Sites


def test_an_address_written_otherwise_is_the_stored_site_and_its_service_is_billed_once(db, sql, file):
    load(file("Ada,555 0100,1 Straße,Fibre,49.90,,,"))
    outcome = load(file("Ada,555 0100,1  STRASSE,Fibre,49.90,Router,SN1,5"))
    assert (outcome.new, services(sql)) == ((0, 0, 0, 1), [("Fibre", "49.90")])
    assert load(file("Ada,555 0100,1 strasse,,,Router,sn-1,5")).rejects == {}


def test_sites_that_read_alike_come_back_as_they_are(db, sql, tmp_path):
    customer_id = db.add_customer("Ada", "555 0100")
    for address in ("1 Quay", "1 QUAY"):
        db.add_location(customer_id, address)
    exporting.export("accounts", tmp_path / "out.csv")
    assert load(tmp_path / "out.csv").new == (0, 0, 0, 0)
    sql("DELETE FROM customers")
    assert load(tmp_path / "out.csv").new == (1, 2, 0, 0)


# What it is compared with


def stored_and_estimated(sql, table):
    [row] = sql(f"SELECT (SELECT count(*) FROM {table}) AS stored, reltuples FROM pg_class "
                f"WHERE oid = '{table}'::regclass")
    return row["stored"], row["reltuples"]


@pytest.mark.parametrize("table", ["customers", "locations", "services", "equipment"])
def test_the_server_looks_anew_at_what_a_mass_deletion_emptied(db, sql, file, table):
    load(file(*(f"Ada {i},+44 20 7{i:07},1 Quay,Fibre,20,Router,R{i},30" for i in range(2_000))))
    sql(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    sql(f"ANALYZE {table}")
    sql("DELETE FROM customers WHERE customer_id > 10")
    assert stored_and_estimated(sql, table) == (10, 2_000)
    importing.check(*opened(file("Bo,555 0101,,,,,,")))
    assert stored_and_estimated(sql, table) == (10, 10)


def test_statistics_that_are_about_right_are_left_alone(db, sql, file):
    sql("ALTER TABLE customers SET (autovacuum_enabled = off)")
    load(file(*(f"Ada {i},+44 20 7{i:07},,,,,," for i in range(2_000))))
    sql("ANALYZE customers")
    sql("DELETE FROM customers WHERE customer_id > 1500")
    importing.check(*opened(file("Bo,555 0101,,,,,,")))
    assert stored_and_estimated(sql, "customers") == (1_500, 2_000)


def test_a_login_that_may_not_analyse_can_check_and_import(db, sql, file, uri):
    load(file(*(f"Ada {i},+44 20 7{i:07},,,,,," for i in range(2_000))))
    clerk = f"isp_clerk_{os.getpid()}"
    sql(f"CREATE ROLE {clerk} LOGIN")
    try:
        sql(f"GRANT isp_admin TO {clerk}")
        db.disconnect()
        db.connect(psycopg2.extensions.make_dsn(uri, user=clerk))
        assert load(file("Bo,555 0101,,,,,,")).new.customers == 1
    finally:
        db.disconnect()
        sql(f"DROP OWNED BY {clerk}")
        sql(f"DROP ROLE {clerk}")
