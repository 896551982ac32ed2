"""CSV files in and out: nothing lost, nothing twice, all or nothing."""
from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import signal
import subprocess
import sys
import threading

import psycopg2
import pytest
from conftest import PROJECT, environment, wait_for
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tracker import errors, fields, interrupts
from tracker.text import spreadsheet_safe
from tracker.transfer import batches, cells, columns, exporting, importing
from tracker.transfer import source as sources
from tracker.transfer.choices import Choices

HEADER = "name,phone_number,address,service_name,service_cost,equipment_name,serial_number,equipment_cost"
ACCOUNTS = """
    SELECT name, phone_number, address, service_name, services.cost::text AS service_cost,
           equipment_name, serial_number, equipment.cost::text AS equipment_cost
    FROM customers
    LEFT JOIN locations USING (customer_id)
    LEFT JOIN services USING (location_id)
    LEFT JOIN equipment USING (location_id)
    ORDER BY customer_id, location_id, service_id, equipment_id
"""
CONTENTS = {
    "customers": "SELECT name, phone_number FROM customers ORDER BY customer_id",
    "sites": "SELECT name, address FROM locations JOIN customers USING (customer_id) ORDER BY location_id",
    "services": "SELECT address, service_name, services.cost FROM services JOIN locations USING (location_id) "
                "ORDER BY location_id, service_id",
    "equipment": "SELECT address, equipment_name, serial_number, equipment.cost FROM equipment "
                 "JOIN locations USING (location_id) ORDER BY location_id, equipment_id",
}


@pytest.fixture
def file(tmp_path):
    """Write a CSV file and return its path."""
    def write(text, name="in.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def mapped(path, **chosen):
    """Open a file and match its headers; chosen as after --map."""
    source = sources.open_source(path)
    return source, columns.match_headers(
        source.headers,
        Choices(dict(columns.parse_choice(source.headers, f"{field}={header}") for field, header in chosen.items())),
    )


def load(path, **chosen):
    return importing.load(*mapped(path, **chosen))


def rejects(path):
    with open(f"{path}.rejects.csv", encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(line.replace("\0", "?") for line in lines))


def counts(sql):
    [row] = sql("SELECT (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM locations) AS sites, "
                "(SELECT count(*) FROM services) AS services, (SELECT count(*) FROM equipment) AS equipment")
    return tuple(row.values())


def contents(sql):
    return {what: sql(query) for what, query in CONTENTS.items()}


def exported(what):
    out = io.BytesIO()
    exporting.export_to(what, out)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))


def test_every_column_of_an_export_is_matched_to_itself(db):
    db.add_customer("Ada", "555")
    headers = list(exported("accounts")[0])
    mapping = columns.match_headers(headers).columns
    assert {name: headers[term.column] for name, ((term,),) in mapping.items()} == dict(zip(headers, headers))


def test_joined_names_are_joined_by_a_space_and_addresses_by_commas(db, sql, file):
    load(file("First,Last,Tel,Street,Town\n Ada ,Okafor,555,1 Quay,Lagos\n,Bo,556,,\n"), address="Street+Town")
    assert [row["name"] for row in sql(ACCOUNTS)] == ["Ada Okafor", "Bo"]
    assert [row["address"] for row in sql(ACCOUNTS)] == ["1 Quay, Lagos", None]


@pytest.mark.parametrize(("headers", "sentence"), [
    ("phone,address", "No column looks like name"),
    ("name,name,phone", r"name \(column 1\) and name \(column 2\) could both be name"),
    ("name,address,plan", "a column for service_name but none for service_cost"),
    ("name,address,serial", "a column for serial_number but none for equipment_name"),
])
def test_a_header_that_is_not_clear_is_said_before_anything_is_read(file, headers, sentence):
    with pytest.raises(errors.BadFile, match=sentence):
        mapped(file(headers + "\n\xff"))


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_the_delimiter_is_seen_in_the_header(db, sql, file, sign):
    load(file('name|phone|address\nAda|555|"1, Quay; Lagos"\n'.replace("|", sign)))
    assert [row["address"] for row in sql(ACCOUNTS)] == ["1, Quay; Lagos"]


def test_signs_inside_quotes_do_not_count_as_delimiters(file):
    assert sources.open_source(file('"name;;;",phone\n')).delimiter == ","


def test_a_header_with_two_possible_delimiters_is_asked_about(file):
    path = file("name,a;phone\n")
    with pytest.raises(errors.UnclearDelimiter):
        sources.open_source(path)
    assert sources.open_source(path, delimiter=";").headers == ["name,a", "phone"]


@pytest.mark.parametrize("text", ["", "\n\n  \n", "\ufeff"])
def test_an_empty_file_is_refused(file, text):
    with pytest.raises(errors.BadFile, match=r"is empty\.$"):
        sources.open_source(file(text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(errors.BadFile, match="There is no file"):
        sources.open_source(tmp_path / "none.csv")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(errors.BadFile, match="is a folder, not a file"):
        sources.open_source(tmp_path)


def test_a_header_alone_imports_nothing(db, file):
    assert load(file(HEADER)) == importing.Outcome(importing.Tally(0, 0, 0, 0), importing.Tally(0, 0, 0, 0), {})


def test_a_name_too_long_for_a_file_is_refused(db, tmp_path):
    path = tmp_path / ("x" * 300)
    with pytest.raises(errors.BadFile, match="File name too long"):
        sources.open_source(path)
    with pytest.raises(errors.BadFile, match="File name too long"):
        exporting.export("bills", path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_encoding_that_is_named_is_read(db, sql, file, encoding):
    source = sources.open_source(file("Name;Phone\nJosé;555\n".encode(encoding)), encoding)
    importing.load(source, columns.match_headers(source.headers))
    assert [row["name"] for row in sql(ACCOUNTS)] == ["José"]


def test_what_is_not_in_the_encoding_that_is_given_is_refused_with_its_line(file):
    with pytest.raises(errors.BadFile, match=r"^Line 3 of .* is not utf-8\.$"):
        sources.open_source(file(b"name,phone\nAda,555\nJos\xe9,556\n"), "utf-8")


@pytest.mark.parametrize("name", ["klingon", "base64", "\0"])
def test_an_unknown_encoding_is_refused(file, name):
    with pytest.raises(errors.BadFile, match="There is no encoding"):
        sources.open_source(file("name,phone\n"), name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_understood_and_blank_lines_are_skipped(db, sql, file, end):
    outcome = load(file(end.join(["name,phone,address", "", "Ada,007,1 Quay", " , ,", "Bo,008,", ""])))
    assert outcome.rejects == {}
    assert [(row["name"], row["phone_number"]) for row in sql(ACCOUNTS)] == [("Ada", "007"), ("Bo", "008")]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "reason"), [
    ("Ada,55,,,,,,", "phone_number: Enter a phone number"),
    ("Ada,2.34E+12,,,,,,", r"phone_number: A spreadsheet has shortened it to 2\.34E\+12"),
    ("Ada,５５５,,,,,,", "phone_number: Take out the sign ５"),
    ("Ada", "The line has 1 field, the header 8"),
    ("Ada,555,1 Quay,Fibre,20,Router,R1,30,more", "The line has 9 fields, the header 8"),
    (",555,1 Quay,,,,,", "name: It is missing"),
    ("A\0da,555,,,,,,", r"name: Remove the control character U\+0000"),
    ("A\x1bda,555,,,,,,", r"name: Remove the control character U\+001B"),
    ("A\u202eda,555,,,,,,", r"name: Remove the format character U\+202E"),
    (f"Ada,555,{'x' * 200_000},,,,,", "address: That is too long"),
    (f"Ada,555,{'x' * 301},,,,,", "address: Enter 1 to 300 characters"),
    ("Ada,555,1 Quay,Fibre,,,,", "service_name has no service_cost"),
    ("Ada,555,1 Quay,,20,,,", "service_cost has no service_name"),
    ("Ada,555,,Fibre,20,,,", "service_name has no address"),
    ("Ada,555,1 Quay,Fibre,-5,,,", "service_cost: Enter an amount of 0 or more"),
    ("Ada,555,1 Quay,Fibre,0.005,,,", "service_cost: Enter an amount"),
    ("Ada,555,1 Quay,Fibre,NaN,,,", "service_name has no service_cost"),
    ("Ada,555,1 Quay,Fibre,Infinity,,,", "service_cost: Enter an amount"),
    ("Ada,555,1 Quay,,,Router,R1,", "equipment_name has no equipment_cost"),
    ("Ada,555,1 Quay,,,,R1,", "serial_number has no equipment_name"),
    ('"Ada "The" Okafor",555,,,,,,', "A quotation mark inside a quoted field must be doubled"),
    ('Ada,5,"x",Fibre,x,,,', "phone_number: .* service_cost: Enter an amount"),
])
def test_a_damaged_line_is_a_reject_with_its_reason(db, sql, file, line, reason):
    path = file(f"{HEADER}\nBo,556,,,,,,\n{line}\nCy,557,,,,,,\n")
    load(path)
    assert [row["name"] for row in sql(ACCOUNTS)] == ["Bo", "Cy"]
    [reject] = rejects(path)
    assert reject["line_number"] == "3"
    assert re.match(reason, reject["reason"])


def test_a_quotation_mark_that_is_never_closed_is_a_reject(db, sql, file):
    path = file(f'{HEADER}\nBo,556,,,,,,\nAda,555,"1 Quay,,,,,\nCy,557,,,,,,\n')
    load(path)
    assert [row["name"] for row in sql(ACCOUNTS)] == ["Bo"]
    assert [row["line_number"] for row in rejects(path)] == ["3"]


def test_a_field_of_more_than_ten_million_characters_refuses_the_file(db, sql, file):
    with pytest.raises(errors.BadFile, match=r"Line 3 .* is a quote missing"):
        load(file("name,phone\nBo,556\n" + '"' + "x" * 10_000_001 + '",555\n'))
    assert counts(sql) == (0, 0, 0, 0)


def test_text_is_stored_stripped_and_composed(db, sql, file):
    load(file("name,phone,address\n  Jose\u0301\u00a0 ,555 , back\\slash \\N \n"))
    [row] = sql(ACCOUNTS)
    assert (row["name"], row["phone_number"], row["address"]) == ("José", "555", "back\\slash \\N")


def test_one_line_brings_a_customer_a_site_a_service_and_equipment(db, sql, file):
    outcome = load(file(f"{HEADER}\nAda,555,1 Quay,Fibre,20,Router,R1,30.5\n"))
    assert outcome.new == (1, 1, 1, 1)
    assert [tuple(row.values()) for row in sql(ACCOUNTS)] == [
        ("Ada", "555", "1 Quay", "Fibre", "20.00", "Router", "R1", "30.50")]


def test_lines_with_the_same_name_and_digits_are_one_customer(db, sql, file):
    outcome = load(file("name,phone,address\nAda,+1 (555),1 Quay\nBo,1555,2 Quay\nAda,1555,3 Quay\nAda,1-555,1 Quay\n"))
    assert outcome.new == (2, 3, 0, 0)
    assert [row["address"] for row in sql(ACCOUNTS)] == ["1 Quay", "3 Quay", "2 Quay"]


def test_lines_join_a_customer_who_is_there_already(db, sql, file):
    customer_id = db.add_customer("Ada", "+1 (555) 555-0100")
    db.add_location(customer_id, "1 Quay")
    outcome = load(file("name,phone,address\nAda,15555550100,1 Quay\nAda,15555550100,2 Quay\nAda,999,1 Quay\n"))
    assert (outcome.new[:2], outcome.present[:2]) == ((1, 2), (1, 1))
    assert [row["address"] for row in sql(ACCOUNTS)] == ["1 Quay", "2 Quay", "1 Quay"]


def test_the_same_file_twice_adds_nothing(db, sql, file):
    path = file("customer_id,name,phone_number,address,service_id,service_name,service_cost,"
                "equipment_id,equipment_name,serial_number,equipment_cost\n1,Ada,555,1 Quay,1,Fibre,20,1,Router,R1,30\n"
                "1,Ada,555,1 Quay,2,Fibre,20,2,Box,,5\n1,Ada,555,1 Quay,,,,3,Box,,5\n"
                "2,Ada,555,1 Quay,3,Fibre,20,4,Box,,5\n3,Bo,556,,,,,,,,\n")
    first, after = load(path), contents(sql)
    second = load(path)
    assert (first.new, second.new, second.present) == ((3, 2, 3, 4), (0, 0, 0, 0), first.new)
    assert contents(sql) == after


def test_only_as_many_equal_services_are_added_as_are_missing(db, sql, file):
    header, line = "service_id,name,phone,address,plan,fee", "Ada,555,1 Quay,Fibre,20"
    load(file(f"{header}\n7,{line}"))
    outcome = load(file(f"{header}\n7,{line}\n8,{line}\n9,{line}"))
    assert (outcome.new.services, outcome.present.services) == (2, 1)
    assert counts(sql) == (1, 1, 3, 0)


def test_a_device_on_several_lines_is_one_by_its_serial_number(db, sql, file):
    line = "Ada,555,1 Quay,,,Router,R1,30"
    assert load(file(f"{HEADER}\n{line}\n{line}")).new.equipment == 1


def test_namesakes_with_the_same_phone_are_told_apart_by_customer_id(db, sql, file):
    outcome = load(file("customer_id,name,phone,address\n9,Ada,555,1 Quay\n4,Ada,555,1 Quay\n9,Ada,555,2 Quay\n"))
    assert outcome.new == (2, 3, 0, 0)
    assert [row["address"] for row in sql(ACCOUNTS)] == ["1 Quay", "2 Quay", "1 Quay"]


def test_a_column_named_otherwise_may_group_the_lines(db, sql, file):
    outcome = load(file("Account No,name,phone\nX1,Ada,555\nX2,Ada,555\nX1,Ada,555\n"), customer_id="Account No")
    assert outcome.new.customers == 2


def test_a_customer_id_with_another_name_is_a_reject(db, sql, file):
    path = file("customer_id,name,phone\n1,Ada,555\n1,Bo,555\n2,Cy,557\n")
    assert load(path).rejects == {3: "customer_id: Line 2 has it with another name or phone number."}
    assert [row["name"] for row in sql(ACCOUNTS)] == ["Ada", "Cy"]


def test_a_serial_number_that_stands_elsewhere_is_a_reject(db, sql, file):
    load(file(f"{HEADER}\nAda,555,1 Quay,,,Router,R1,30\n"))
    outcome = load(file(f"{HEADER}\nBo,556,2 Quay,,,Router,R1,30\nCy,557,3 Quay,,,Router,R2,30\n"
                        "Di,558,4 Quay,,,Router,R2,30\n"))
    assert list(outcome.rejects) == [2, 4]
    assert "Equipment 1 at location 1 has it" in outcome.rejects[2]
    assert outcome.rejects[4] == "serial_number: Line 3 has it at another place."
    assert [row["name"] for row in sql(ACCOUNTS)] == ["Ada", "Cy"]


def test_mended_rejects_add_just_what_was_missing(db, sql, file):
    path = file("name;phone;address;notes\nAda;555;1 Quay;x\nAda;555;2 Quay;x;y\nBo;5x;3 Quay;=y\nCy;557;4 Quay;z\n")
    load(path)
    rest = path.with_name("in.csv.rejects.csv")
    rest.write_bytes(rest.read_bytes().replace(b"5x", b"556").replace(b";x;y", b";x"))
    again = load(rest)
    assert (again.new, again.rejects) == ((1, 2, 0, 0), {})
    assert sorted(os.listdir(path.parent)) == ["in.csv", "in.csv.rejects.csv"]
    assert sorted((row["name"], row["address"]) for row in sql(ACCOUNTS)) == [
        ("Ada", "1 Quay"), ("Ada", "2 Quay"), ("Bo", "3 Quay"), ("Cy", "4 Quay")]


def test_rejects_of_rejects_have_the_two_columns_once(db, file):
    path = file("name,phone\nBo,5x\n")
    load(path)
    load(path.with_name("in.csv.rejects.csv"))
    [line] = csv.DictReader(path.with_name("in.csv.rejects-2.csv").open(newline="", encoding="utf-8-sig"))
    assert list(line) == ["line_number", "reason", "name", "phone"]


@pytest.mark.parametrize("cell", ["=1+1", "'=1", "' ", " x ", 'a "b" c', "a,b", "a\r\nb", "a\0b", "", "é", "\udcff"])
def test_rejected_cells_come_back_unchanged(db, file, cell):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["name", "phone"], [cell.replace("\0", "\udcfe"), "x"]])  # 3.10 cannot write NUL
    path = file(text.getvalue().replace("\udcff", "?").replace("\udcfe", "\0"))
    load(path)
    read = [record.row[0] for record in sources.records(sources.open_source(path))]
    again = sources.open_source(path.with_name("in.csv.rejects.csv"))
    assert [record.row[2] for record in sources.records(again)] == read


def test_a_check_writes_nothing(db, sql, file, tmp_path):
    path = file("name,phone,address\nAda,555,1 Quay\nBo,x,\n")
    outcome = importing.check(*mapped(path))
    assert (outcome.new, list(outcome.rejects)) == ((1, 1, 0, 0), [3])
    assert counts(sql) == (0, 0, 0, 0)
    assert os.listdir(tmp_path) == ["in.csv"]
    assert db.add_customer("Ada", "555") == 1


def test_what_changed_after_the_check_is_not_imported(db, sql, file):
    source, mapping = mapped(file("name,phone\nAda,555\nBo,556\n"))
    confirmed = importing.check(source, mapping)
    db.add_customer("Bo", "556")
    with pytest.raises(errors.Conflict, match="changed after the check; nothing was imported"):
        importing.load(source, mapping, confirmed)
    assert counts(sql) == (1, 0, 0, 0)


def test_rejects_that_cannot_be_written_import_nothing(db, sql, file):
    path = file("name,phone\nAda,555\nBo,x\n", "x" * 250 + ".csv")
    with pytest.raises(errors.BadFile, match="File name too long"):
        load(path)
    assert counts(sql) == (0, 0, 0, 0)


def test_imports_of_one_file_at_the_same_time_add_it_once(db, sql, file):
    path = file("name,phone\n" + "".join(f"Ada {i},7{i:06}\n" for i in range(500)))
    threads = [threading.Thread(target=load, args=(path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(sql) == (500, 0, 0, 0)


def test_many_customers_get_their_own_sites_across_batches(db, sql, file, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 700)
    seen = []
    path = file("phone,name,address\n" + "".join(f"7{i:06},Ada {i % 7},Site {i}\n" for i in range(3_000)))
    importing.load(*mapped(path), None, lambda *told: seen.append(told))
    assert counts(sql) == (3_000, 3_000, 0, 0)
    assert sql("SELECT 1 FROM customers JOIN locations USING (customer_id) "
               "WHERE address <> 'Site ' || phone_number::int - 7000000") == []
    read = [(done, whole) for what, done, whole in seen if what == "Reading the file"]
    assert read == sorted(read)
    assert {whole for _, whole in read} == {path.stat().st_size}
    assert {("Adding customers", 3_000, 6_000), ("Adding sites", 6_000, 6_000)} <= set(seen)


@contextlib.contextmanager
def blocked(uri, table):
    """Hold a table, so that whoever writes to it waits."""
    conn = psycopg2.connect(uri)
    conn.cursor().execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
    yield
    conn.close()


def started(uri, *arguments):
    return subprocess.Popen([sys.executable, PROJECT / "main.py", *arguments], env=environment(uri),
                            stdout=subprocess.DEVNULL)


def wait_for_session(sql, condition):
    wait_for(lambda: sql(f"SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND {condition}"))


def test_a_program_killed_in_the_middle_has_imported_nothing(uri, db, sql, file):
    path = file("name,phone,address,plan,price\n" + "".join(f"Ada,7{i:06},1 Quay,Fibre,9\n" for i in range(1_000)))
    with blocked(uri, "services"):
        child = started(uri, "import", path, "--yes")
        wait_for_session(sql, "wait_event_type = 'Lock' AND query LIKE '%services%'")
        child.kill()
        child.wait()
    assert counts(sql) == (0, 0, 0, 0)
    assert load(path).new == (1_000, 1_000, 1_000, 0)


def test_ctrl_c_while_a_file_is_read_imports_nothing(uri, sql, file):
    path = file("name,phone\n" + "Ada,555\n" * 400_000)
    child = started(uri, "import", path, "--yes")
    wait_for_session(sql, "query LIKE 'COPY import_lines%'")
    child.send_signal(signal.SIGINT)
    assert child.wait(90) == 130
    assert counts(sql) == (0, 0, 0, 0)


def test_no_transaction_is_open_while_the_question_waits(uri, sql, file, terminal):
    child = terminal("import", str(file("name,phone\nAda,555\n")))
    child.expect("Type yes to import:")
    states = sql("SELECT state FROM pg_stat_activity "
                 "WHERE datname = current_database() AND application_name = 'isp-customer-tracker'")
    assert {row["state"] for row in states} == {"idle"}
    child.sendline("yes")
    child.expect("Imported 1 customer, 0 sites")


@pytest.mark.slow
@given(st.text(max_size=12))
@example("=1")
@example("'")
@example("''=")
@example("+234 80")
@example("-5.00")
@example("\t")
def test_a_guarded_cell_comes_back_and_is_no_formula(text):
    cell = spreadsheet_safe(text.strip())
    assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert cells.unguarded(cell) == text.strip()


names_of_people = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def empty(sql):
    """Empty the tables, which triggers forbid."""
    sql("SET session_replication_role = replica")
    sql("TRUNCATE customers RESTART IDENTITY CASCADE")
    sql("SET session_replication_role = origin")


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(names_of_people, st.sampled_from(["=", "+", "'", "''", "@", "-", '"', ",", "\\", ""])),
                min_size=1, max_size=40))
def test_whatever_text_the_forms_take_comes_back_from_a_file(db, sql, tmp_path, texts):
    wanted = []
    for text, start in texts:
        with contextlib.suppress(ValueError):
            wanted.append(fields.text(200)(start + text))
    empty(sql)
    for number, name in enumerate(wanted):
        sql("INSERT INTO customers (name, phone_number) VALUES (%s, %s)", name, f"+{number:03}")
    before = sql("SELECT customer_id, name, phone_number FROM customers ORDER BY customer_id")
    exporting.export("accounts", tmp_path / "out.csv", overwrite=True)
    empty(sql)
    assert load(tmp_path / "out.csv").rejects == {}
    assert sql("SELECT customer_id, name, phone_number FROM customers ORDER BY customer_id") == before


def fill(db):
    """A database with what is hard to restore: namesakes, equal services, no site, no service, signs."""
    for name in ("Ada", "Ada", "=Bo", "José, \"the\" 'first'"):
        customer_id = db.add_customer(name, "+44 20 7946")
        for address in ("1 Quay", "-2 Quay"):
            location_id = db.add_location(customer_id, address)
            for _ in range(2):
                db.add_service(location_id, "@Fibre", "20.5")
            db.add_service(location_id, "Phone", "0")
            db.add_equipment(location_id, "Router", f"={customer_id}-{location_id}", "30")
            db.add_equipment(location_id, "Box", None, "1.25")
    db.add_equipment(db.add_location(db.add_customer("Cy", "007"), "Device alone"), "Box", None, "1")
    db.add_location(db.add_customer("Di", "008"), "Empty site")
    db.add_customer("Ed", "(009)")


def test_an_export_into_an_empty_database_restores_the_accounts(db, sql, tmp_path):
    fill(db)
    before = contents(sql)
    exporting.export("accounts", tmp_path / "out.csv")
    assert load(tmp_path / "out.csv").new == (0, 0, 0, 0)
    empty(sql)
    outcome = load(tmp_path / "out.csv")
    assert (outcome.new, outcome.rejects) == ((7, 10, 24, 17), {})
    assert contents(sql) == before
    exporting.export("accounts", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_an_export_pairs_services_and_devices_on_a_line(db):
    location_id = db.add_location(db.add_customer("Ada", "555"), "1 Quay")
    db.add_service(location_id, "Fibre", "20")
    db.add_service(location_id, "Phone", "5")
    db.add_equipment(location_id, "Router", "R1", "30")
    assert [(row["service_name"], row["service_cost"], row["serial_number"]) for row in exported("accounts")] == [
        ("Fibre", "20.00", "R1"), ("Phone", "5.00", "")]


def test_a_service_that_has_ended_is_not_exported_and_who_has_it_again_has_a_new_one(db, sql, tmp_path):
    db.add_service(db.add_location(db.add_customer("Ada", "555"), "1 Quay"), "Fibre", "20")
    exporting.export("accounts", tmp_path / "before.csv")
    db.end_service(1, db.today())
    assert load(tmp_path / "before.csv").new == (0, 0, 0, 0)
    sql("UPDATE services SET ended_on = CURRENT_DATE - 1")
    assert [row["service_name"] for row in exported("accounts")] == [""]
    assert load(tmp_path / "before.csv").new == (0, 0, 1, 0)
    assert sql("SELECT ended_on IS NULL AS goes_on FROM services ORDER BY service_id") == [
        {"goes_on": False}, {"goes_on": True}]


def test_bills_and_payments_are_exported_with_their_customers(db, sql):
    customer_id = db.add_customer("=Ada", "555")
    sql("INSERT INTO billing (customer_id, description, issued_on, due_date, amount_billed) "
        "VALUES (%s, '+Line', '2026-01-01', '2026-01-31', 20)", customer_id)
    sql("INSERT INTO payments (customer_id, amount, paid_on, method, reference) "
        "VALUES (%s, 5.5, '2026-02-01', 'cash', '-R')", customer_id)
    [bill], [payment], [late] = exported("bills"), exported("payments"), exported("late")
    assert (bill["name"], bill["description"], bill["due_date"]) == ("'=Ada", "'+Line", "2026-01-31")
    assert (bill["amount_billed"], bill["amount_due"], bill["is_late"], bill["period"]) == ("20.00", "20.00", "t", "")
    assert (payment["amount"], payment["paid_on"], payment["reference"]) == ("5.50", "2026-02-01", "'-R")
    assert (late["name"], late["amount_late"], late["oldest_due_date"]) == ("'=Ada", "20.00", "2026-01-31")


def test_an_export_does_not_replace_a_file_unasked(db, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(errors.BadFile, match="exists already"):
        exporting.export("bills", path)
    assert path.read_text() == "mine"
    exporting.export("bills", path, overwrite=True)
    assert path.read_text().startswith("billing_id,")


def test_an_export_that_fails_leaves_no_file(db, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting.EXPORTS, "bills", lambda file, form: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        exporting.export("bills", tmp_path / "out.csv")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_sentence_and_the_connection_lives(db, tmp_path):
    with pytest.raises(errors.BadFile, match=r"^/dev/full cannot be written: No space left on device"):
        exporting.export("accounts", exporting.Path("/dev/full"))
    assert db.count("customers") == (0, True)


class Failing:
    """A file that takes the header and no more."""

    lines = 0

    def write(self, line):
        self.lines += 1
        if self.lines > 1:
            raise BrokenPipeError
        return len(line)


def test_a_reader_that_goes_away_ends_the_export_and_the_connection_lives(db):
    for number in range(5):
        db.add_customer("Ada", f"{number:03}")
    with pytest.raises(BrokenPipeError):
        exporting.export_to("accounts", Failing())
    assert db.count("customers") == (5, True)


@pytest.fixture
def watched():
    """The program's own handling of signals, for the time of a test."""
    before = {number: signal.getsignal(number) for number in interrupts._WATCHED}
    interrupts.install()
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_stops_an_export_and_the_connection_lives(db, sql, watched):
    asleep = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    stopped = []

    def press():
        wait_for(lambda: sql(asleep))
        os.kill(os.getpid(), signal.SIGINT)
        stopped.append(wait_for(lambda: not sql(asleep)))

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        exporting._copy("SELECT pg_sleep(200)::text", io.BytesIO(), exporting.PLAIN)  # longer than it is waited for
    presser.join()
    assert stopped == [True]
    assert db.count("customers") == (0, True)


def test_a_terminal_is_shown_no_control_characters(db, sql, terminal):
    sql("INSERT INTO customers (name, phone_number) VALUES (E'A\\x1b]0;x\\u009b\\u202eda', '555')")
    child = terminal("export", "accounts")
    child.expect("A\N{REPLACEMENT CHARACTER}]0;x\N{REPLACEMENT CHARACTER}{2}da")


def test_a_pipe_gets_the_text_as_it_is(sql, run):
    sql("INSERT INTO customers (name, phone_number) VALUES (E'A\\x1bda', '+555')")
    assert run("export", "accounts").stdout.endswith("""\n1,,"A\x1bda","'+555",,,,,,,,,\n""")


def test_the_command_asks_and_a_dry_run_does_not(sql, run, file):
    path = str(file("Client,Tel\nAda,555\n"))
    done = run("import", path, "--dry-run")
    assert (done.returncode, counts(sql)) == (0, (0, 0, 0, 0))
    done = run("import", path, answers="no\n")
    assert (done.returncode, counts(sql)) == (1, (0, 0, 0, 0))
    done = run("import", path, answers="yes\n")
    assert (done.returncode, done.stderr, counts(sql)) == (0, "", (1, 0, 0, 0))
    done = run("import", path)
    assert (done.returncode, counts(sql)) == (0, (1, 0, 0, 0))
    assert "all of it is there already" in done.stdout


def test_the_command_fails_when_lines_are_rejected(sql, run, file):
    done = run("import", str(file("Who,Tel\nAda,555\nBo,x\n")), "--yes", "--map", "name=Who")
    assert done.returncode == 1
    assert "Line 3: phone_number: Take out x" in done.stderr
    assert counts(sql) == (1, 0, 0, 0)


def test_the_command_fails_in_one_sentence(run, file):
    done = run("import", str(file("a,b\n")), "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_without_a_database_the_commands_return_2(run, file):
    assert run("export", "bills", DATABASE_URI="postgresql://127.0.0.1:1/none").returncode == 2


def test_the_menu_imports_and_exports(sql, run, file, tmp_path):
    path, out = file("Who;Plan;Tel\nAda;x;555\n"), tmp_path / "out.csv"
    done = run(answers=f"7\n1\n{path}\nname=Who\nservice_name=\n\nyes\n2\n{out}\n0\n0\n")
    assert counts(sql) == (1, 0, 0, 0)
    assert "Ignored: Plan." in done.stdout
    assert out.read_text().endswith('\n1,,"Ada","555",,,,,,,,,\n')
