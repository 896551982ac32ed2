"""Every statement that the program sends, as four logins: the owner, an admin, a reader, and one with no right."""
from __future__ import annotations

import inspect
import io
import re
import tempfile
import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from catalogue import differences
from conftest import run_program, sentence
from logins import DAY, everything, fill, four_logins, name_of, run
from test_record_edges import CALLS, MONTH, TODAY

import database
from tracker import access, accounts, backup, bill_run, demo, errors, notes, payments, reports, trail
from tracker.transfer import bank, booking, columns, exporting, importing
from tracker.transfer import everything as whole
from tracker.transfer import source as sources
from tracker.transfer.bank_formats import Format
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

WRITES = re.compile("add_|update_|delete_|record_|void_|run$|undo$|restore$|thin$|move$|write_off$|swap_|refund$|"
                    "change_price$|end_|pause_|close$|preview_closing$|reopen$|erase$|merge$|candidates$|remember_|book$|"
                    "set_aside$|take_back$")
FILE = "name,phone,address,service,monthly cost,equipment,serial,worth\nEve Moss,5550199,9 Quay,Fibre,5,Router,S-9,10\n"


@pytest.fixture
def logins(server_uri, template, admin, monkeypatch):
    """Four logins on books that are filled; customer 1 has a note, 4 is closed, 5 has nothing; there is a late fee."""
    monkeypatch.setenv("LATE_FEE", "5.00"), monkeypatch.setenv("LATE_FEE_AFTER_DAYS", "14")
    with four_logins(server_uri, admin) as uris:
        fill(uris["superuser"])
        database.connect(uris["superuser"])
        database.add_customer("Dee Eck", None), database.add_customer("Eli Fox", None)
        accounts.close(4, TODAY, to_stock=True)
        notes.add_note(1, "Called.")
        database.disconnect()
        yield uris


@pytest.fixture
def file(tmp_path):
    """A file to import, and its mapping."""
    path = tmp_path / "customers.csv"
    path.write_text(FILE, encoding="utf-8")
    source = sources.open_source(path)
    return source, columns.match_headers(source.headers)


@pytest.fixture
def bank_file(tmp_path):
    """A bank's file with a line that is certain, and one that names nobody."""
    path = tmp_path / "january.csv"
    path.write_text("Buchungstag;Betrag;Auftraggeber;Verwendungszweck\n"
                    "30.01.2026;2,00;Ada Okafor-Li;C1\n31.01.2026;3,00;Somebody;Thanks\n", encoding="utf-8")
    return bank.open_bank_file(path)


def exported(what):
    file = io.BytesIO()
    exporting.export_to(what, file)
    return file.getvalue()


def exported_whole():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "books.zip"
        whole.export(path)
        return path.read_bytes()


def listed(function, *values):
    return lambda: list(function(*values))


def calls(kind):
    """Return every call of the data rooms by name that reads, or that writes, with deletions last."""
    said = {f"{getattr(module, '__name__', 'database')}.{name}": (
                lambda module=module, name=name, values=values:
                    getattr(database if module == "deletions" else module, name)(*values))
            for module, functions in CALLS.items() for name, values in functions.items()}
    return {name: call for name, call in said.items()
            if bool(WRITES.match(name.rpartition(".")[2])) == (kind == "writes")}


def own_people():
    """Return the people of this test: on the server others come and go meanwhile."""
    own = f"{database.describe_server()['database']}_"
    return [person for person in access.people() if person["login"].startswith(own)]


def reads():
    latest, = trail.changes(trail.Wanted(), limit=1)
    deletion, = trail.deletions()
    return calls("reads") | {
        "database.rights": lambda: {key: value for key, value in database.rights().items() if key == "owner"},
        "database.describe_server": lambda: {**database.describe_server(), "login": ""},
        "tracker.backup.standing": lambda: {**backup.standing(), "login": "", "may_create": None},
        "reports.aging, past": lambda: reports.aging(DAY + timedelta(days=20)),
        "reports.aging_total, past": lambda: reports.aging_total(DAY + timedelta(days=20)),
        "reports.monthly_revenue, issue": lambda: reports.monthly_revenue("issue"),
        "reports.late_customers, after": lambda: reports.late_customers((DAY, 1)),
        "reports.late_customers, past": lambda: reports.late_customers(as_of=DAY + timedelta(days=20), sort="amount"),
        "reports.late_customers, search": lambda: reports.late_customers(sort="name", search="ada 5550100"),
        "reports.aging, search": lambda: reports.aging(sort="name", search="5550100"),
        "reports.stream_late_customers": listed(reports.stream_late_customers),
        "reports.stream_accounts": listed(reports.stream_accounts),
        "reports.each_account": listed(reports.each_account),
        "reports.stream_aging": listed(reports.stream_aging),
        "reports.stream_received": listed(reports.stream_received, DAY, TODAY),
        "database.find_customers, anywhere": lambda: database.find_customers("da"),
        "database.find_customers, number": lambda: database.find_customers("5550100"),
        "database.find_locations, number": lambda: database.find_locations("7946"),
        "database.find_equipment, serial": lambda: database.find_equipment("s1"),
        "payments.find_payments, reference": lambda: payments.find_payments("R-1"),
        "verify": verify_books,
        **{f"exporting.{what}": lambda what=what: exported(what) for what in exporting.EXPORTS},
        "everything.export": exported_whole,
        "trail.history_of_customer": lambda: trail.history_of_customer(1),
        "trail.count_history_of_customer": lambda: trail.count_history_of_customer(1),
        "trail.count_history_of": lambda: trail.count_history_of("services", 1),
        **{f"trail.history_of {table}": lambda table=table: trail.history_of(table, 1) for table in trail.KEYS},
        "trail.changes": lambda: trail.changes(trail.Wanted(DAY, None, latest["person"])),
        "trail.stream_changes": listed(trail.stream_changes, trail.Wanted()),
        "trail.count_changes": lambda: trail.count_changes(trail.Wanted()),
        "trail.deletions": trail.deletions,
        "trail.obstacles": lambda: trail.obstacles(deletion),
        "access.people": own_people,
    }


def writes(file, bank_file):
    """Return every call that writes, in an order in which each finds what it needs; file is one to import, as is that
    of a bank.
    """
    deletion, = trail.deletions()
    change = next(change for change in trail.history_of("customers", 1) if change["kind"] == "changed")
    later = {name: call for name, call in calls("writes").items() if "thin" not in name}  # the owner's alone
    last = {name: later.pop(name) for name in list(later) if "delete_" in name}
    return {
        "trail.undo": lambda: trail.undo(change),
        "importing.check": lambda: importing.check(*file),
        "importing.load": lambda: importing.load(*file),
        "booking.check": lambda: booking.check(bank_file),
        "booking.load": lambda: booking.load(bank_file),
        "trail.restore": lambda: trail.restore(deletion),
        "payments.record_payment on a bill": lambda: payments.record_payment(
            1, Decimal(2), DAY, "cash", None, uuid.UUID(int=9), 1),
        **later,
        "database.update_equipment, serial": lambda: database.update_equipment(1, None, "S-7"),
        "database.update_bill, amount": lambda: database.update_bill(1, None, Decimal(31)),
        "bill_run.run, again": lambda: bill_run.run(MONTH, TODAY),
        **last,
    }


def test_a_reader_reads_what_the_owner_reads(logins):
    results = {}
    for who in ("owner", "reader", "admin"):
        database.connect(logins[who])
        results[who] = {name: call() for name, call in reads().items()}
        assert results[who].pop("database.now").date() == results[who]["database.today"]
        assert re.fullmatch(r"\d+ [kM]B", results[who].pop("database.size"))  # vacuum may make it larger meanwhile
        database.disconnect()
    assert [name for name in results["owner"] if results["reader"][name] != results["owner"][name]] == []
    assert [name for name in results["owner"] if results["admin"][name] != results["owner"][name]] == []


def test_a_reader_is_refused_every_write_and_nothing_is_written(logins, file, bank_file):
    before = everything(logins["superuser"])
    database.connect(logins["reader"])
    allowed, said = [], set()
    owners = {"demo": lambda: demo.fill(1), "trail.thin": trail.thin, "access.give_rights": access.give_rights}
    for name, call in {**writes(file, bank_file), **owners}.items():
        try:
            call()
            allowed.append(name)
        except errors.Forbidden as exc:
            said.add(str(exc))
    assert (allowed, said) == ([], {"This login may not do that."})
    assert differences(before, everything(logins["superuser"])) == []


@pytest.mark.parametrize("who", ["admin", "reader"])
def test_only_the_owner_imports_everything(who, logins, tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "_refuse_used", lambda cur: None)
    before = everything(logins["superuser"])
    database.connect(logins[who])
    whole.export(tmp_path / "books.zip")
    with pytest.raises(errors.Forbidden, match=r"^That is for the owner of the tables, \w+\.$"):
        whole.load(tmp_path / "books.zip")
    assert differences(before, everything(logins["superuser"])) == []


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_owner_and_admin_do_everything_and_the_books_stay_right(who, logins, file, bank_file):
    database.connect(logins[who])
    for call in writes(file, bank_file).values():
        call()
        assert verify_books()[1] == []
    noted = run(logins["superuser"], """
        SELECT DISTINCT login
        FROM trail
        WHERE trail_id > (SELECT max(trail_id) FROM trail WHERE login = 'postgres')
    """)
    assert [row["login"] for row in noted] == [name_of(logins[who])]
    recorded = run(logins["superuser"], "SELECT DISTINCT recorded_by FROM payments")
    assert {row["recorded_by"] for row in recorded} == {"postgres", name_of(logins[who])}


def test_an_admin_imports_a_bank_s_file_decides_on_its_lines_and_voids_what_was_wrong(logins, bank_file):
    """The sums of lines and bills follow, and each line says who decided, whatever an admin may not write."""
    run(logins["superuser"], "DELETE FROM bank_lines")
    me = name_of(logins["admin"])
    database.connect(logins["admin"])
    assert booking.load(bank_file, booking.check(bank_file))[2:4] == ((1, 2), (1, 3))
    certain = payments.latest_payments()[0]
    line = booking.next_open()
    paid = booking.book(line, 2, Decimal(2), 0)
    assert booking.count_open() == (1, 1)
    booking.set_aside(line["bank_line_id"])
    state = "SELECT amount_booked, imported_by, set_aside_by FROM bank_lines ORDER BY bank_line_id"
    assert [tuple(row.values()) for row in run(logins["superuser"], state)] == [(2, me, None), (2, me, me)]
    booking.take_back(line["bank_line_id"])
    payments.void_payment(certain["payment_id"], "Booked for the wrong customer.")
    payments.void_payment(paid["payment_id"], "Booked for the wrong customer.")
    assert [tuple(row.values()) for row in run(logins["superuser"], state)] == [(0, me, None)] * 2
    assert booking.count_open() == (2, 5)
    assert verify_books()[1] == []


def test_a_format_of_a_bank_says_who_gave_it_last(logins):
    for who in ("owner", "admin"):
        database.connect(logins[who])
        booking.remember_format("sparkasse", Format(days="DMY"))
        database.disconnect()
        assert run(logins["superuser"], "SELECT name, changed_by, changed_at > now() - interval '1 minute' AS is_now "
                                        "FROM bank_formats") == [
            {"name": "Sparkasse", "changed_by": name_of(logins[who]), "is_now": True}]


def test_an_admin_thins_no_trail_makes_no_demo_and_gives_no_rights(logins):
    before = everything(logins["superuser"])
    database.connect(logins["admin"])
    for call in (trail.thin, access.give_rights):
        with pytest.raises(errors.Forbidden):
            call()
    database.disconnect()
    for who in ("admin", "reader"):
        done = run_program(logins[who], "demo")
        assert (done.returncode != 0, sentence(done.stderr) != "") == (True, True)
    assert differences(before, everything(logins["superuser"])) == []


@pytest.mark.parametrize("function", [access.add, access.set_password, access.set_role, access.set_end, access.lock,
                                      access.unlock, access.remove], ids=lambda function: function.__name__)
@pytest.mark.parametrize("who", ["admin", "reader"])
def test_who_may_not_look_after_people_changes_none(who, function, logins):
    person, before = name_of(logins["reader" if who == "admin" else "admin"]), everything(logins["superuser"])
    values = {"add": (f"{person}_2", "admin", "a long password"), "set_password": (person, "a long password"),
              "set_role": (person, "admin"), "set_end": (person, DAY)}.get(function.__name__, (person,))
    database.connect(logins[who])
    with pytest.raises(errors.Forbidden):
        function(*values)
    assert differences(before, everything(logins["superuser"])) == []


def test_every_function_that_reads_or_writes_is_among_those_that_each_login_tries():
    done = {name.partition(",")[0].partition(" ")[0] for name in (*calls("reads"), *calls("writes"))}
    assert {f"{module.__name__}.{name}" for module in (database, payments, bill_run, reports)
            for name in CALLS[module]} <= done
    public = {name for name, function in inspect.getmembers(trail, inspect.isfunction)
              if function.__module__ == "tracker.trail" and not name.startswith("_")}
    assert public == {"history_of_customer", "history_of", "changes", "stream_changes", "count_changes", "deletions",
                      "obstacles", "restore", "can_undo", "undo", "years_kept", "thin", "count_history_of",
                      "count_history_of_customer"}


@pytest.mark.parametrize("given", [
    "SELECT", "REVOKE USAGE ON SCHEMA public FROM PUBLIC", "GRANT SELECT ON customers, locations TO {}",
    "REVOKE USAGE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
    "GRANT INSERT ON customers TO {}", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
])
def test_a_login_that_may_not_look_is_told_which_grant_helps(given, logins):
    name = name_of(logins["nobody"])
    run(logins["superuser"], given.format(name))
    before = everything(logins["superuser"])
    with pytest.raises(errors.Unavailable) as told:
        database.connect(logins["nobody"])
    database.disconnect()
    owner = name_of(logins["owner"])
    assert str(told.value) == (
        f"The login {name} may not look at the tables of {owner}: that takes GRANT isp_readonly TO {name}, or "
        f"isp_admin to change them, too; ask {owner}, or a superuser.")
    done = run_program(logins["nobody"], "late-report")
    assert (done.returncode, done.stdout, str(told.value) in done.stderr) == (2, "", True)
    assert differences(before, everything(logins["superuser"])) == []
    run(logins["superuser"], f"GRANT isp_readonly TO {name}")
    database.connect(logins["nobody"])
    assert database.get_customer(1)["name"] == "Ada Okafor-Li"


def test_a_person_whose_group_has_no_rights_yet_is_told_who_gives_them(logins):
    run(logins["owner"], "REVOKE SELECT ON customers FROM isp_readonly")
    with pytest.raises(errors.Unavailable, match="The groups have no rights on the tables of .* yet; that takes python "
                                                 f"main.py upgrade with the login {name_of(logins['owner'])}"):
        database.connect(logins["reader"])
    database.disconnect()
    assert run_program(logins["owner"], "upgrade").returncode == 0
    database.connect(logins["reader"])
    assert database.rights()["why_not"]


def test_a_login_of_a_capital_letter_is_told_its_grant_as_it_must_be_written(logins, admin):
    name = name_of(logins["nobody"])
    admin(f'ALTER ROLE {name} RENAME TO "{name.upper()}"')
    try:
        admin(f'ALTER ROLE "{name.upper()}" PASSWORD \'x\'')
        with pytest.raises(errors.Unavailable, match=f'GRANT isp_readonly TO "{name.upper()}"'):
            database.connect(psycopg2.extensions.make_dsn(logins["nobody"], user=name.upper()))
    finally:
        admin(f'ALTER ROLE "{name.upper()}" RENAME TO {name}')
