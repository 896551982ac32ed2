"""All the books out of one database and into another, where every account, report and statement is what it was."""
from __future__ import annotations

import json
import random
import re
import zipfile
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import named, numbers, run_program, sentence

import database
from tracker import (
    accounts,
    bill_run,
    bulk,
    credits,
    demo,
    errors,
    late_fees,
    migrate,
    notes,
    payments,
    prices,
    reports,
    stock,
    trail,
)
from tracker.terminal import history, screens
from tracker.transfer import everything
from tracker.verify import verify_books

CUSTOMERS = 30
HOSTILE = ["=1+1", "'quoted'", "-", "NULL", "\\N", "\\.", 'a,"\'b"', ',"\'', "a;b\tc", '"', "é\u202e"]


@pytest.fixture
def other(server_uri, admin, template):
    """A second database, with the schema in it and nothing else."""
    name = f"isp_test_other_{next(numbers)}"
    admin(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


def work(chance):
    """Do one thing to the books, as an administrator would."""
    customer_id = chance.randint(1, CUSTOMERS)
    amount = Decimal(chance.randint(100, 6000)).scaleb(-2)
    bills = [row for row in database.list_bills(customer_id=customer_id) if not row["cancelled_on"]]
    counted = [row for row in payments.list_payments(customer_id) if not row["voided_on"]]
    bill = chance.choice(bills) if bills else None
    paid = chance.choice(counted) if counted else None
    today = database.today()
    deeds = {
        "bill": lambda: database.add_bill(customer_id, chance.choice(HOSTILE), amount, today + timedelta(14)),
        "pay": lambda: payments.record_payment(
            customer_id, amount, today - timedelta(chance.randint(0, 40)), "cash", chance.choice(HOSTILE), uuid4()),
        "credit note": lambda: credits.add_credit_note(customer_id, amount, chance.choice(HOSTILE), uuid4()),
        "write-off": lambda: credits.write_off(customer_id, amount / 10, "moved away", uuid4()),
        "refund": lambda: credits.refund(customer_id, amount / 4, "transfer", None, uuid4()),
        "give back": lambda: paid and credits.refund(
            customer_id, amount / 4, "transfer", None, uuid4(), paid["payment_id"]),
        "void": lambda: paid and payments.void_payment(paid["payment_id"], chance.choice(HOSTILE)),
        "raise": lambda: bill and database.update_bill(bill["billing_id"], amount=bill["amount_billed"] + amount),
        "lower": lambda: bill and database.update_bill(bill["billing_id"], amount=round(bill["amount_billed"] / 2, 2)),
        "delete": lambda: bill and database.delete_bill(bill["billing_id"]),
        "note": lambda: notes.add_note(customer_id, chance.choice(HOSTILE), today + timedelta(9), amount),
    }
    deed = chance.choice(list(deeds))
    with suppress(errors.Conflict):
        return deed if deeds[deed]() else None


@pytest.fixture
def books(db, sql, monkeypatch):
    """A provider to whom all has happened that can."""
    monkeypatch.setenv("LATE_FEE", "5.00")
    monkeypatch.setenv("LATE_FEE_AFTER_DAYS", "1")
    demo.fill(CUSTOMERS)
    demo.enliven()
    today = database.today()
    chance, seen = random.Random(4), set()
    for _ in range(400):
        seen.add(work(chance))
    assert len(seen) == 12
    assert late_fees.run()["created"] > 0
    for number, name in enumerate(HOSTILE, 1):
        customer_id = database.add_customer(name, f"+49 30 23125 9{number:02}")
        location_id = database.add_location(customer_id, f"{number} {name}")
        database.add_service(location_id, name, Decimal("10.10"), today.replace(day=1))
        database.add_equipment(location_id, name, f"S{number}", Decimal(9))
    sql("INSERT INTO customer_notes (customer_id, note) VALUES (31, E'two\\nlines, \"and\\r\\n\\'more')")
    bill_run.run(today.replace(day=1), today)
    bill_run.undo(today.replace(day=1))
    bill_run.run(today.replace(day=1), today)
    service = database.list_services(customer_id=32)[0]["service_id"]
    database.pause_service(service, today, None)
    prices.change_price(prices.Change("=1+1", Decimal("12.34"), today + timedelta(3), True))
    device = database.get_equipment(database.list_equipment(customer_id=33)[0]["equipment_id"])
    stock.write_off(device)
    kept = database.add_customer("Jo", "555")
    database.delete_customer(kept, database.customer_contents(kept))
    accounts.close(34, today, to_stock=True)
    accounts.merge(35, 36)
    accounts.close(37, today, to_stock=True)
    payments.record_payment(37, reports.get_account(37)["amount_due"], today, "cash", None, uuid4())
    accounts.erase(37)
    assert verify_books()[1] == []


def told():
    """Return all that the program tells of the books that it has open."""
    today = database.today()
    shown = {"accounts": list(reports.stream_accounts(closed=True)), "verify": verify_books()}
    for days in (0, 1, 20, 45, 100, 300):
        day = today - timedelta(days)
        shown[f"aging {day}"] = [list(reports.stream_aging(day, sort)) for sort in reports.ORDERS]
        shown[f"late {day}"] = [list(reports.stream_late_customers(day, sort)) for sort in reports.ORDERS]
        shown[f"totals {day}"] = reports.aging_total(day), reports.late_total(day)
    for customer_id in range(1, CUSTOMERS + len(HOSTILE) + 1):
        statement = reports.get_statement(customer_id, today - timedelta(400), today)
        shown[f"statement {customer_id}"] = list(screens.statement_lines(statement, today - timedelta(400), today))
        shown[f"account {customer_id}"] = list(screens.account_lines(reports.get_account(customer_id)))
        shown[f"history {customer_id}"] = trail.history_of_customer(customer_id)
        shown[f"notes {customer_id}"] = notes.list_notes(customer_id)
        shown[f"bills {customer_id}"] = [database.get_bill(bill["billing_id"])
                                         for bill in database.list_bills(customer_id=customer_id)]
        shown[f"payments {customer_id}"] = [payments.get_payment(payment["payment_id"])
                                            for payment in payments.list_payments(customer_id)]
    for number in range(1, database.count("equipment")[0] + 1):
        shown[f"places {number}"] = stock.places(number)
    for by in ("period", "issue"):
        shown[f"revenue by {by}"] = reports.recurring_revenue(), reports.monthly_revenue(by)
    shown["changes"] = list(history.exported(trail.stream_changes(trail.Wanted())))
    shown["deletions"] = trail.deletions()
    shown["next run"] = bill_run.preview((today.replace(day=1) + timedelta(32)).replace(day=1))
    return shown


REPORTS = (
    ("account-report",), ("account-report", "--closed", "--format", "json"), ("aging-report",),
    ("aging-report", "--as-of", "2026-01-02"), ("late-report", "--format", "csv"), ("revenue-report",),
    ("statement", "3", "--from", "2026-01-01"), ("export", "payments"), ("changes", "--format", "csv"), ("verify",),
)


RULES = """
    SELECT conrelid::regclass::text AS place, conname::text AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT tgrelid::regclass::text, tgname, tgenabled::text || pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY place, name, definition
"""


@pytest.mark.parametrize("least", [1, 10**9])
def test_keys_indexes_and_triggers_are_the_same_afterwards_whether_they_wait_or_not(
    exported, other, tmp_path, monkeypatch, least
):
    monkeypatch.setattr(everything, "INDEX_LATER_FROM", least)
    database.connect(other)
    before = database.fetch_all(RULES)
    told = []
    everything.load(exported, lambda *progress: told.append(progress[0]))
    assert database.fetch_all(RULES) == before
    assert ("Making keys and indexes" in told) == (least == 1)
    assert verify_books()[1] == []
    everything.export(tmp_path / "again.zip")
    database.disconnect()
    assert (tmp_path / "again.zip").read_bytes() == exported.read_bytes()


@pytest.mark.slow
def test_books_in_another_database_are_told_and_exported_again_to_the_byte(books, uri, other, tmp_path):
    shown = told()
    database.disconnect()
    there, here = tmp_path / "there.zip", tmp_path / "here.zip"
    done = run_program(uri, "export-everything", str(there))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"Exported everything, 41 customers, \d+ bills and \d+ payments, to {there}\.\n", done.stdout)
    done = run_program(other, "import-everything", str(there))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"Imported everything, 41 customers, (\d+ bills and \d+ payments)\.\nChecked \1\.\n"
                        r"Everything adds up\.\n", done.stdout)
    for arguments in REPORTS:
        assert run_program(uri, *arguments).stdout == run_program(other, *arguments).stdout != ""
    assert run_program(other, "export-everything", str(here)).returncode == 0
    assert here.read_bytes() == there.read_bytes()
    database.connect(other)
    try:
        again = told()
        assert {name for name in shown if shown[name] != again[name]} == set()
        bill_run.run((database.today().replace(day=1) + timedelta(32)).replace(day=1), database.today())
        assert verify_books()[1] == []
    finally:
        database.disconnect()


@pytest.fixture
def exported(db, tmp_path):
    """An export of a small provider, and the connections closed."""
    demo.fill(5)
    notes.add_note(1, "first", None, None)
    with database.transaction() as cur:
        cur.execute(r"UPDATE customers SET name = E'=Ada\n\\x\nB\"o' WHERE customer_id = 2")
    path = tmp_path / "books.zip"
    everything.export(path)
    database.disconnect()
    return path


def rewritten(path, change):
    """Write an export anew, each file as change makes it, which is left out where that is None."""
    damaged = path.with_name("damaged.zip")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(damaged, "w") as after:
        for name in before.namelist():
            if (body := change(name, before.read(name))) is not None:
                after.writestr(name, body)
    return damaged


def swapped(file, old, new):
    def change(name, body):
        assert name != file or old in body
        return body.replace(old, new, 1) if name == file else body

    return change


def without_line(file, place):
    def change(name, body):
        if name != file:
            return body
        lines = body.splitlines(keepends=True)
        del lines[place]
        return b"".join(lines)

    return change


def cut(name, body):
    return body[:-30] if name == "billing.csv" else body


NOTHING = "; nothing was imported.\n"
CHANGED = "it is not as it was exported, or the line before it is missing" + NOTHING
DAMAGES = {
    "a cell": (swapped("customers.csv", b"+44", b"+45"), r"customers.csv, line \d: " + CHANGED),
    "a cell after one of several lines": (swapped("customers.csv", b"\n5,", b"\n6,"),
                                          "customers.csv, line 8: " + CHANGED),
    "a row in the middle": (without_line("billing.csv", 7), "billing.csv, line 8: " + CHANGED),
    "the last row": (without_line("billing.csv", -1),
                     r"billing.csv, line \d+: lines are missing at its end: 1 of \d+" + NOTHING),
    "a header": (swapped("equipment.csv", b"equipment_id", b"id"),
                 "equipment.csv, line 1: its columns are not those of this version" + NOTHING),
    "the places of two columns": (swapped("billing.csv", b"description,period", b"period,description"),
                                  "billing.csv, line 2: " + CHANGED),
    "an empty file": (lambda name, body: b"" if name == "trail.csv" else body,
                      r"trail.csv, line 1: lines are missing at its end: \d+ of \d+" + NOTHING),
    "a quotation mark": (swapped("payments.csv", b'"direct', b'""direct'),
                         r"payments.csv, line \d+: a quotation mark is not closed" + NOTHING),
    "half a line": (cut, r"billing.csv, line \d+: " + CHANGED),
    "a file": (lambda name, body: None if name == "payments.csv" else body,
               r"payments.csv is missing in .*damaged.zip" + NOTHING),
    "the contents": (swapped("contents.json", b'"rows": 5', b'"rows": 6'),
                     r"contents.json in .*damaged.zip is not as it was exported" + NOTHING),
    "contents that are none": (swapped("contents.json", b"{", b"["),
                               r"contents.json in .*damaged.zip is not as it was exported" + NOTHING),
    "no contents": (lambda name, body: None if name == "contents.json" else body,
                    r".*damaged.zip is no export of everything: it has no contents.json.\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_export_is_one_sentence_with_its_line_and_writes_nothing(exported, other, damage):
    change, said = DAMAGES[damage]
    done = run_program(other, "import-everything", str(rewritten(exported, change)))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(said, done.stderr)
    assert is_empty(other)


def is_empty(uri):
    """Tell whether a database is as a new one, its triggers and next IDs too."""
    database.connect(uri)
    try:
        if database.fetch_value("SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'"):
            return False
        with database.reading() as cur:
            for table in everything.TABLES:
                cur.execute(f"SELECT FROM {table}")
                if cur.rowcount:
                    return False
        return database.add_customer("Ada", "555") == 1
    finally:
        database.disconnect()


def as_of_version(form, version):
    def change(name, body):
        if name != "contents.json":
            return body
        said = {**json.loads(body), "form": form, "schema_version": version}
        del said["check"]
        return json.dumps({**said, "check": everything._sum_of(said)}).encode()

    return change


KNOWN = migrate.program_version()


@pytest.mark.parametrize(("form", "version", "said"), [
    (2, KNOWN, r".*damaged.zip is written in form 2, and this program reads form 1: use a newer program\.\n"),
    (1, KNOWN + 1, rf".*damaged.zip holds books of version {KNOWN + 1}, and this program's are of version {KNOWN}: use "
                   r"a newer program\.\n"),
    (1, KNOWN - 1, rf".*damaged.zip holds books of version {KNOWN - 1}, and this program's are of version {KNOWN}: "
                   r"import it with the program that exported it, upgrade, and export it anew\.\n"),
])
def test_an_export_of_another_version_is_named(exported, other, form, version, said):
    done = run_program(other, "import-everything", str(rewritten(exported, as_of_version(form, version))))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(said, done.stderr)
    assert is_empty(other)


@pytest.mark.parametrize(("body", "said"), [
    (b"name,phone\nAda,555\n", " is no .zip file, or is cut short.\n"), (b"", " is no .zip file, or is cut short.\n"),
])
def test_another_file_is_no_export(other, tmp_path, body, said):
    path = tmp_path / "x.zip"
    path.write_bytes(body)
    done = run_program(other, "import-everything", str(path))
    assert (done.returncode, done.stderr) == (1, f"{path}{said}")


def test_bytes_that_changed_on_a_disk_are_noticed(exported, other):
    whole = bytearray(exported.read_bytes())
    with zipfile.ZipFile(exported) as archive:
        place = archive.getinfo("billing.csv").header_offset
    whole[place + 400] ^= 0x10
    exported.write_bytes(whole)
    done = run_program(other, "import-everything", str(exported))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"billing\.csv, line \d+: .*; nothing was imported\.", sentence(done.stderr))
    assert is_empty(other)


def test_a_file_cut_short_and_one_that_is_not_there_are_one_sentence(exported, other, tmp_path):
    exported.write_bytes(exported.read_bytes()[:-100])
    done = run_program(other, "import-everything", str(exported))
    assert done.stderr == f"{exported} is no .zip file, or is cut short.\n"
    done = run_program(other, "import-everything", str(tmp_path / "none.zip"))
    assert done.stderr == f"{tmp_path}/none.zip is not there, or is no file.\n"
    done = run_program(other, "import-everything", str(tmp_path))
    assert done.stderr == f"{tmp_path} is a folder; name the .zip of an export.\n"


@pytest.mark.parametrize("deed", [
    "INSERT INTO customers (name) VALUES ('Ada')", "INSERT INTO equipment (equipment_name, cost) VALUES ('Router', 9)",
    "INSERT INTO customers (name) VALUES ('Ada'); DELETE FROM customers",
])
def test_a_database_that_was_worked_with_takes_no_import_of_everything(exported, uri, other, deed):
    database.connect(other)
    with database.transaction() as cur:
        cur.execute(deed)
    database.disconnect()
    done = run_program(other, "import-everything", str(exported))
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == (
        "Everything is imported into an empty database, and this one has been worked with: name another one in "
        "DATABASE_URI, or for the embedded database another folder in ISP_DATA_DIR.")


def test_texts_are_safe_in_a_spreadsheet_and_come_back(exported, other, tmp_path):
    with zipfile.ZipFile(exported) as archive:
        lines = archive.read("customers.csv").decode().split("\n")
    assert re.fullmatch(r'1,"[^"=]+","\'\+[0-9 ]+",2[0-9-]+ 00:00:00\+00,+"[0-9a-f]{8}"', lines[1])
    assert lines[2:4] == ['2,"\'=Ada', "\\x"]
    assert lines[4].startswith('B""o",')
    assert run_program(other, "import-everything", str(exported)).returncode == 0
    assert run_program(other, "export-everything", str(tmp_path / "again.zip")).returncode == 0
    assert (tmp_path / "again.zip").read_bytes() == exported.read_bytes()


def test_every_column_of_every_business_table_is_exported(db, sql, exported):
    written = {}
    with zipfile.ZipFile(exported) as archive:
        for name in archive.namelist():
            if name != "contents.json":
                written[name[:-4]] = archive.read(name).decode().split("\n")[0].split(",")
    columns = sql(
        """
        SELECT relname, array_agg(attname::text ORDER BY attnum) AS columns
        FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
          AND attgenerated = ''
        GROUP BY relname
        """
    )
    about_the_database = ("schema_version", "work_locks", "verifications", "backups")
    assert written == {row["relname"]: [*row["columns"], "row_check"]
                       for row in columns if row["relname"] not in about_the_database}


def test_the_first_column_of_each_table_is_its_key(db):
    with database.reading() as cur:
        for table in everything.TABLES:
            cur.execute(
                "SELECT indkey::text AS key FROM pg_index WHERE indrelid = %(table)s::regclass AND indisprimary",
                {"table": table})
            assert cur.row()["key"] == "1"


def test_ids_of_what_is_gone_are_not_given_again(db, other, tmp_path):
    for name in ("Ada", "Bo", "Cy"):
        db.add_customer(name, None)
    db.delete_customer(3)
    everything.export(tmp_path / "x.zip")
    database.disconnect()
    database.connect(other)
    everything.load(tmp_path / "x.zip")
    assert db.add_customer("Di", None) == 4
    [lost] = trail.deletions()
    trail.restore(lost)
    assert [row["name"] for row in db.list_customers()] == ["Ada", "Bo", "Cy", "Di"]


def test_an_export_of_everything_replaces_a_file_only_when_told(exported, uri, tmp_path):
    before = exported.read_bytes()
    exported.write_text("mine")
    done = run_program(uri, "export-everything", str(exported))
    assert (done.returncode, done.stderr) == (1, f"{exported} exists already. Give --yes to replace it.\n")
    assert exported.read_text() == "mine"
    assert run_program(uri, "export-everything", str(exported), "--yes").returncode == 0
    assert exported.read_bytes() == before
    (tmp_path / "link.zip").symlink_to(exported)
    done = run_program(uri, "export-everything", str(tmp_path / "link.zip"), "--yes")
    assert done.stderr == (f"{tmp_path}/link.zip is a link, and nothing is written through one; name the file itself."
                           "\n")


def test_the_menu_exports_everything_and_imports_it(exported, uri, other, tmp_path):
    path = tmp_path / "menu.zip"
    done = run_program(uri, answers=f"7\n6\n{path}\n6\n{path}\nno\n6\n{path}\nyes\n0\n0\n")
    assert done.returncode == 0
    assert done.stdout.count("Exported everything, 5 customers, ") == 2
    assert f"{path} exists already. Type yes to replace it: no\nNot exported.\n" in done.stdout
    assert path.read_bytes() == exported.read_bytes()
    done = run_program(other, answers=f"7\n7\n{path}\n0\n0\n")
    assert "Imported everything, 5 customers, " in done.stdout
    assert "Everything adds up.\n" in done.stdout
    assert done.returncode == 0


def test_books_that_do_not_add_up_are_imported_as_they_are_and_said(exported, uri, other, tmp_path):
    database.connect(uri)
    with database.transaction() as cur, bulk.without_triggers(cur, ["billing"]):
        cur.execute("UPDATE billing SET amount_paid = 0 WHERE billing_id = 1")
    everything.export(exported, overwrite=True)
    database.disconnect()
    done = run_program(other, "import-everything", str(exported))
    assert done.returncode == 1
    assert "Bill 1: it says 0.00 paid" in done.stdout


def test_moments_and_days_are_the_same_from_one_time_zone_to_another(exported, other, tmp_path):
    path = tmp_path / "there.zip"
    done = run_program(other, "import-everything", str(exported), TIMEZONE="Pacific/Kiritimati")
    assert done.returncode == 0
    assert run_program(other, "export-everything", str(path), TIMEZONE="America/Adak").returncode == 0
    assert path.read_bytes() == exported.read_bytes()


def test_the_progress_of_both_is_told_as_a_share(db, other, tmp_path, sql):
    sql("INSERT INTO customers (name) SELECT 'Ada' FROM generate_series(1, 2500)")
    sql("ANALYZE customers")
    told = []
    everything.export(tmp_path / "x.zip", progress=lambda *progress: told.append(progress))
    assert told[:3] == [("Exporting customers", lines, 2500) for lines in (0, 1000, 2000)]
    assert all(done <= whole for _, done, whole in told)
    database.disconnect()
    database.connect(other)
    told.clear()
    everything.load(tmp_path / "x.zip", lambda *progress: told.append(progress))
    assert told[:3] == [("Importing customers", lines, 2501) for lines in (0, 1000, 2000)]
    assert told[-1] == ("Tidying up", 0, 0)


def test_an_import_that_is_stopped_writes_nothing(exported, other):
    def stop(what, done, whole):
        if what == "Importing billing":
            raise KeyboardInterrupt

    database.connect(other)
    with pytest.raises(KeyboardInterrupt):
        everything.load(exported, stop)
    database.disconnect()
    assert is_empty(other)
