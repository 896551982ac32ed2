"""The log: what of a fault, a refusal or a slow statement is kept for us, and what must never be in it."""
from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import PROJECT, environment, lines, run_program, sentence

import database
import main
from tracker import errors, log

pytestmark = pytest.mark.slow

SECRET = "tr0ub4dor&3"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ISP_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def logged(folder: Path) -> str:
    return (folder / "program.log").read_text()


FAULTY = """
import sys
sys.path.insert(0, sys.argv[1])
import main
module, _, name = sys.argv[2].rpartition(".")

def broken(*args, **kwargs):
    raise KeyError("rofakO adA"[::-1])  # not as the line of the code has it, which a traceback shows

sound = getattr(sys.modules[module], name)
for room in list(sys.modules.values()):
    if getattr(room, name, None) is sound:
        setattr(room, name, broken)
sys.excepthook = main.say_fault
sys.exit(main.main([]))
"""


@pytest.mark.parametrize(("room", "answers"), [
    ("database.add_location", ["2", "1", "1", "2 Quay"]),
    ("tracker.payments.unpaid_bills", ["5", "6", "1"]),
    ("tracker.bill_run.preview", ["5", "9", "", ""]),
    ("tracker.reports.late_total", ["5", "1"]),
    ("tracker.verify.verify_books", ["8", "1"]),
    ("tracker.transfer.exporting.export", ["7", "2", "out.csv"]),
    ("tracker.transfer.source.open_source", ["7", "1", str(PROJECT / "README.md"), ""]),
    ("tracker.terminal.pick.pick", ["1", "3"]),
    ("tracker.terminal.paging.browse", ["1", "2", ""]),
    ("tracker.terminal.screens.account_lines", ["1", "2", "1"]),
    ("tracker.text.plural", ["5", "1"]),
])
def test_a_fault_in_any_room_is_one_sentence_on_the_screen_and_a_traceback_in_the_log(room, answers, db, uri, folder):
    db.add_customer("Ada Okafor", "+44 20 7946 0958")
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, str(PROJECT), room], input=lines(*answers, "0", "0"), text=True,
        env=environment(uri, ISP_DATA_DIR=str(folder)), capture_output=True, timeout=60, check=False,
    )
    assert re.fullmatch(
        rf"This is a fault of the program \(KeyError in .*, line \d+\); please report it, with {folder}/program\.log\. "
        r"Nothing was saved\.", sentence(done.stderr))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    trace = logged(folder)
    assert "\nKeyError\n" in trace
    assert "main.py\", line" in trace
    assert "Okafor" not in trace


def test_a_fault_after_something_was_saved_says_so(db, folder, monkeypatch, capsys):
    monkeypatch.setattr(main.menus, "saved_before", database.saved)
    monkeypatch.setattr(main.menus, "unknown_before", database.unknown)
    db.add_customer("Ada Okafor", "+44 20 7946 0958")
    main.say_fault(KeyError, KeyError("x"), None)
    assert capsys.readouterr().err.endswith("program.log. What was saved before it stays.\n")


def test_a_fault_that_cannot_be_logged_names_no_log(folder, capsys):
    folder.write_text("a file where the folder should be")
    main.say_fault(KeyError, KeyError("x"), None)
    assert "please report it. " in capsys.readouterr().err


def test_what_the_server_refuses_is_logged_in_its_words_without_the_values(db, folder):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_location(customer_id, "1 Harbour Street")
    with pytest.raises(errors.Conflict):
        db.add_location(customer_id, "1 Harbour Street")
    kept = logged(folder)
    assert "SQLSTATE 23505: duplicate key value violates unique constraint" in kept
    assert "(table locations, constraint locations_address_once) in: INSERT INTO locations" in kept
    assert "%(address)s" in kept
    assert "Harbour" not in kept


def test_words_of_the_server_that_quote_a_value_are_logged_without_it(db, folder):
    with pytest.raises(errors.Refused), db.reading() as cur:
        cur.execute("SELECT %(name)s::integer", {"name": "Ada Okafor"})
    assert 'SQLSTATE 22P02: invalid input syntax for type integer: "…"' in logged(folder)
    assert "Okafor" not in logged(folder)


def test_a_slow_statement_is_logged_and_a_quick_one_is_not(db, folder, monkeypatch):
    assert log.SLOW == 1
    with db.reading() as cur:
        cur.execute("SELECT pg_sleep(%(seconds)s), 'slow'", {"seconds": 1.1})
        monkeypatch.setattr(log, "SLOW", 60)  # nothing is sure to take less than a second on a busy machine
        cur.execute("SELECT 'quick'")
    assert re.search(r"A statement took \d+\.\d s: SELECT pg_sleep\(%\(seconds\)s\), 'slow'", logged(folder))
    assert "quick" not in logged(folder)


def test_a_second_try_is_logged(db, sql, folder):
    sql("CREATE SEQUENCE tries; CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('tries') = 1 THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER lose BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION lose()")
    db.add_customer("Ada Okafor", "+44 20 7946 0958")
    assert "write_one is tried again after: Others are working on the same records" in logged(folder)


def test_a_connect_is_logged_with_the_server_and_without_the_password(uri, folder):
    assert run_program(uri, "late-report", ISP_DATA_DIR=str(folder)).returncode == 0
    assert re.search(r"Connected to PostgreSQL \d+[.\d]*, database isp_test_\w+, as \w+", logged(folder))


def test_a_connect_that_fails_is_logged_without_the_password(folder):
    uri = f"postgresql://admin:{SECRET}@127.0.0.1:1/isp"
    assert run_program(uri, "late-report", ISP_DATA_DIR=str(folder)).returncode == 2
    assert "onnection" in logged(folder)
    assert SECRET not in logged(folder)


def test_the_log_is_its_owners_alone_and_so_is_its_folder(folder):
    before = os.umask(0)
    try:
        log.note("a line")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "program.log").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == (0o755 if os.geteuid() == 0 else 0o700)


def test_the_log_begins_anew_when_it_is_full_and_one_old_one_is_kept(folder, monkeypatch):
    monkeypatch.setattr(log, "LIMIT", 200)
    for number in range(20):
        log.note(f"line {number}")
    assert sorted(path.name for path in folder.iterdir()) == ["program.log", "program.log.old"]
    assert "line 19" in logged(folder)
    assert (folder / "program.log").stat().st_size < 400


def test_the_log_never_follows_a_planted_link(folder, tmp_path):
    folder.mkdir()
    target = tmp_path / "target"
    target.write_text("untouched")
    (folder / "program.log").symlink_to(target)
    log.note("a line")
    assert target.read_text() == "untouched"


def test_administration_says_where_the_log_is(run, folder):
    assert f"Log        {folder}/program.log" in run(answers=lines("8", "2", "0", "0")).stdout.splitlines()


def test_an_amount_that_is_too_large_is_no_fault_and_not_in_the_log(db, folder):
    with pytest.raises(errors.Conflict):
        db.add_service(1, "Fibre", Decimal("12345678901.00"))
    assert "12345678901" not in logged(folder)


def test_the_rows_that_a_server_error_repeats_stay_out_of_a_faults_traceback(db, folder):
    customer_id, address = db.add_customer("Ada Okafor", "+44 20 7946 0958"), "1 Harbour Street"
    db.add_location(customer_id, address)
    with pytest.raises(ZeroDivisionError) as caught:
        try:
            db.add_location(customer_id, address)
        except errors.Conflict:
            _ = 1 / 0  # a fault while the error is being told
    assert log.fault(caught.value)
    kept = logged(folder)
    assert "ZeroDivisionError" in kept
    assert "UniqueViolation: SQLSTATE 23505" in kept
    assert "Harbour" not in kept


@pytest.mark.parametrize("statement", [
    "SELECT %(secret)s::integer",
    "SELECT to_tsquery('simple', %(secret)s || ' (')",
    "DO $$ BEGIN RAISE EXCEPTION 'no money for Ada Okafor'; END $$",
    "SELECT %(secret)s::date",
    "SELECT %(secret)s::jsonb",
    "SELECT 1 WHERE x = %(secret)s",
])
@pytest.mark.parametrize("secret", ["Ada Okafor", "Ada\nOkafor", "Ada' & Okafor", "Ada \"the\" Okafor"])
def test_no_value_comes_into_the_log_by_the_servers_words(statement, secret, db, folder):
    with pytest.raises(errors.Error), db.reading() as cur:
        cur.execute(statement, {"secret": secret})
    kept = logged(folder)
    assert "SQLSTATE" in kept
    assert not re.search("Ada|Okafor", kept.partition(" in: ")[0])


@pytest.mark.parametrize("words", ["»Ada Okafor«", "„Ada Okafor“", "«Ada Okafor»", "‚Ada Okafor‘", "`Ada Okafor'"])
def test_quotes_of_other_languages_are_quotes(words, folder):
    log.fault(TypeError(f"Wert {words} ist falsch"))
    assert 'TypeError: Wert "…" ist falsch' in logged(folder)


def test_the_words_of_a_fault_that_may_hold_anything_are_left_out(folder):
    log.fault(RuntimeError("no money for Ada Okafor"))
    assert "RuntimeError" in logged(folder)
    assert "Okafor" not in logged(folder)


def test_why_the_program_did_not_start_is_in_the_log(uri, folder):
    done = run_program(uri, "verify", ISP_DATA_DIR=str(folder), TIMEZONE="Mars/Olympus")
    assert done.returncode == 2
    assert "Not started: The server does not know the time zone in TIMEZONE" in logged(folder)


def test_a_statement_put_together_is_logged_without_its_parts(db, folder):
    from psycopg2 import sql

    with pytest.raises(errors.Error), db.reading() as cur:
        cur.execute(sql.SQL("SELECT {} + 1").format(sql.Literal("Ada Okafor")))
    assert "Okafor" not in logged(folder)


def test_why_a_server_refused_is_in_the_log(uri, folder):
    nowhere = re.sub("isp_test_[0-9_]+", "isp_nowhere", uri)
    assert run_program(nowhere, "verify", ISP_DATA_DIR=str(folder)).returncode == 2
    assert re.search(r'FATAL: database "…" does not exist', logged(folder))


def test_a_slow_stream_and_a_slow_commit_are_logged(db, sql, folder):
    with db.streaming() as cur:
        cur.execute("SELECT pg_sleep(1.1)")
        assert len(list(cur)) == 1
    sql("CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_sleep(1.1); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER rest AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION rest()")
    db.add_customer("Ada Okafor", "+44 20 7946 0958")
    took = re.findall(r"A statement took \d+\.\d s: (.*)", logged(folder))
    assert took == ["SELECT pg_sleep(1.1)", "COMMIT"]


@pytest.mark.parametrize("home", ["~nobody-of-that-name/data"])
def test_without_a_folder_for_the_log_the_program_works_and_says_so(home, uri):
    done = run_program(uri, answers=lines("8", "2", "0", "0"), ISP_DATA_DIR=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Log        none. ISP_DATA_DIR is {home}, but there is no such home folder;" in done.stdout


def test_a_pipe_in_the_place_of_the_log_holds_nobody_up(folder):
    folder.mkdir()
    os.mkfifo(folder / "program.log")
    assert not log.fault(KeyError("x"))


def test_a_log_that_others_could_read_or_share_is_made_ours_or_left_alone(folder, tmp_path):
    folder.mkdir()
    (folder / "program.log").touch()
    (folder / "program.log").chmod(0o666)
    log.note("ours")
    assert stat.S_IMODE((folder / "program.log").stat().st_mode) == 0o600
    os.link(folder / "program.log", tmp_path / "elsewhere")
    log.note("theirs")
    assert "theirs" not in logged(folder)


def test_the_folder_that_the_log_makes_serves_the_embedded_server_whatever_the_umask(folder):
    before = os.umask(0o077)
    try:
        log.note("a line")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == (0o755 if os.geteuid() == 0 else 0o700)


WRITER = """
import sys
from tracker import log
log.LIMIT = 2000
for number in range(100):
    log.note(f"{sys.argv[1]} {number:03} " + "." * 100)
"""


def test_programs_that_fill_the_log_at_once_keep_the_last_lines_of_each(folder):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name], cwd=PROJECT,
                         env=environment("", ISP_DATA_DIR=str(folder)))
        for name in "abcd"
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    kept = logged(folder) + (folder / "program.log.old").read_text()
    assert len(kept) > 2000
    assert all(len(line) > 100 for line in kept.splitlines())
