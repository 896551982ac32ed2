"""What happens when connections die, wait, or are interrupted."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import psycopg2.extensions
import pytest
from conftest import PROJECT, PROMPT, environment, lines, run_program, sentence, wait_for

import database
from tracker import errors, interrupts, log

pytestmark = pytest.mark.slow

BACKENDS = """
    SELECT pid, state, wait_event_type, wait_event
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'isp-customer-tracker'
"""
TERMINATE = """
    SELECT pg_terminate_backend(pid, 10000)
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'isp-customer-tracker'
"""


@pytest.fixture
def connect(uri, monkeypatch):
    """Open the pool with settings of the test's own."""
    def connect_with(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, str(value))
        database.connect(uri)
        return database

    yield connect_with
    database.disconnect()


@pytest.fixture
def signals():
    """Handle Ctrl-C as the program does."""
    kept = signal.signal(signal.SIGINT, interrupts._on_signal)
    yield
    signal.signal(signal.SIGINT, kept)


@pytest.fixture
def holder(uri):
    """Another session, which keeps what it locks until it is closed."""
    conn = psycopg2.connect(uri)
    yield conn.cursor()
    conn.close()


@pytest.fixture
def server():
    """Listen on a port of this machine and answer every login with one message, or with silence."""
    listeners = []

    def listen(message: bytes = b"", password_first: bool = False) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=answer_logins, args=(listener, message, password_first), daemon=True).start()
        return listener.getsockname()[1]

    yield listen
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)  # close() alone would leave accept() waiting
        listener.close()


def answer_logins(listener: socket.socket, message: bytes, password_first: bool) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            while client.recv(4096)[4:8] in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):
                client.sendall(b"N")
            if not message:
                client.recv(4096)
            if password_first:
                client.sendall(b"R" + struct.pack("!ii", 8, 3))
                client.recv(4096)
            client.sendall(message)
            client.close()


def fatal(code: str, text: bytes) -> bytes:
    """Return a server's last words as the protocol has them."""
    body = b"SFATAL\0VFATAL\0C" + code.encode() + b"\0M" + text + b"\0\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


def backend(db) -> int:
    with db.reading() as cur:
        cur.execute("SELECT pg_backend_pid() AS pid")
        return cur.fetchone()["pid"]


def fill_pool(size: int) -> None:
    """Use every connection of the pool at once."""
    barrier = threading.Barrier(size)

    def borrow(_):
        with database.transaction() as cur:
            cur.execute("SELECT 1")
            barrier.wait(60)

    with ThreadPoolExecutor(size) as threads:
        list(threads.map(borrow, range(size)))


FORMS = {
    "customers": [
        "1", "1", "Ada", "+44 999", "0", "1", "Bob", "+44 999", "yes", "0", "2", "1", "0", "2", "", "n", "p", "0",
        "3", "customer", "2", "New name", "", "", "", "4", "2", "no", "0",
    ],
    "locations": ["2", "1", "1", "Elsewhere", "2", "1", "2", "", "0", "3", "1", "New address", "4", "1", "yes", "0"],
    "services": ["3", "1", "1", "Fibre", "49.90", "", "2", "1", "2", "", "0", "3", "1", "", "", "", "4", "1", "yes",
                 "0"],
    "equipment": [
        "4", "1", "1", "Router", "S-2", "10", "2", "1", "2", "", "0", "3", "1", "", "", "", "4", "1", "yes", "0",
    ],
    "billing": [
        "5", "1", "0", "2", "1", "Repair", "10", "2030-01-01", "3", "1", "3", "", "0", "4", "1", "", "", "", "5", "1",
        "yes", "0",
    ],
    "reporting": ["6", "1", "n", "p", "n", "0", "0"],
}


@pytest.mark.parametrize("menu", FORMS)
def test_no_transaction_is_open_at_a_prompt(menu, db, sql, terminal):
    customer_id = db.add_customer("customer 1", "123")
    location_id = db.add_location(customer_id, "1 Harbour Street")
    db.add_service(location_id, "DSL", 20)
    db.add_equipment(location_id, "Modem", "S-1", 20)
    sql("INSERT INTO customers (name, phone_number) SELECT 'customer ' || i, 1000 + i FROM generate_series(2, 40) AS i")
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "VALUES (1, 'Setup', 5, '2020-01-01', '2020-02-01')")
    db.disconnect()
    child = terminal()
    for answer in FORMS[menu]:
        child.expect(PROMPT)
        assert {row["state"] for row in sql(BACKENDS)} == {"idle"}
        child.send(f"{answer}\r")
    child.expect_exact("Main menu")


def test_the_next_action_works_after_every_connection_was_terminated(connect, sql):
    db = connect(DB_POOL_SIZE=3)
    fill_pool(3)
    assert len(sql(TERMINATE)) == 3
    db.add_customer("Ada Okafor", "123")
    assert db.get_customer(1)["name"] == "Ada Okafor"


def test_the_program_goes_on_after_the_server_ended_its_connection(sql, terminal):
    child = terminal()
    child.expect_exact("Choose: ")
    child.send("1\r2\r")
    child.expect_exact("[all]: ")
    sql(TERMINATE)
    child.send("\r")
    child.expect_exact("There are none.")


def test_a_connection_that_dies_in_a_transaction_uses_up_no_slot(connect, sql):
    db = connect(DB_POOL_SIZE=2, DB_POOL_WAIT=1)
    for _ in range(5):
        with pytest.raises(errors.ConnectionLost, match="nothing was written"), db.transaction() as cur:
            cur.execute("SELECT 1")
            sql(TERMINATE)
            cur.execute("SELECT 1")
    fill_pool(2)


def test_a_connection_that_dies_in_a_stream_uses_up_no_slot(connect, sql):
    db = connect(DB_POOL_SIZE=2, DB_POOL_WAIT=1)
    for _ in range(5):
        with pytest.raises(errors.ConnectionLost), db.streaming() as cur:
            cur.execute("SELECT * FROM generate_series(1, 2000)")
            next(cur)
            sql(TERMINATE)
            list(cur)
    fill_pool(2)


def test_a_dead_connection_under_an_unrelated_error_uses_up_no_slot(connect, sql):
    db = connect(DB_POOL_SIZE=2, DB_POOL_WAIT=1)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), db.transaction() as cur:
            cur.execute("SELECT 1")
            sql(TERMINATE)
            raise ZeroDivisionError
    fill_pool(2)


def test_forty_threads_share_a_pool_of_four(connect, sql):
    db = connect(DB_POOL_SIZE=4)
    at_once = []

    def work(_):
        with db.transaction() as cur:
            cur.execute("SELECT pg_sleep(0.01)")
            at_once.append(len(sql(BACKENDS)))
            return True

    with ThreadPoolExecutor(40) as threads:
        assert all(threads.map(work, range(40)))
    assert max(at_once) <= 4


def test_waiting_for_a_connection_is_bounded(connect):
    db = connect(DB_POOL_SIZE=1, DB_POOL_WAIT=1)
    with db.transaction(), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(db.list_customers)
        assert str(waiting.exception(30)) == "Every connection to the database is in use; try again in a moment."


@pytest.mark.parametrize(("change", "question"), [
    ("SET ROLE pg_monitor", "SELECT current_user"),
    ("SET SESSION AUTHORIZATION pg_monitor", "SELECT session_user"),
    ("SET statement_timeout = 1", "SHOW statement_timeout"),
    ("SET search_path = pg_temp", "SHOW search_path"),
    ("SET default_transaction_read_only = on", "SHOW transaction_read_only"),
    ("SET client_encoding = LATIN1", "SHOW client_encoding"),
    ("SET TimeZone = 'Asia/Tokyo'", "SHOW TimeZone"),
    ("SET DateStyle = German", "SHOW DateStyle"),
])
def test_what_a_borrower_sets_is_forgotten(connect, change, question):
    db = connect(DB_POOL_SIZE=1)
    with db.transaction() as cur:
        cur.execute(question)
        before = cur.fetchone()
    with db.transaction() as cur:
        cur.execute(change)
    with db.transaction() as cur:
        cur.execute(question)
        assert cur.fetchone() == before


def test_the_time_limits_hold_for_the_next_borrower_too(connect):
    db = connect(DB_POOL_SIZE=1, DB_STATEMENT_TIMEOUT=77, DB_LOCK_TIMEOUT=3)
    for _ in range(2):
        with db.transaction() as cur:
            cur.execute("SELECT current_setting('statement_timeout') AS statement, "
                        "current_setting('lock_timeout') AS lock")
            assert cur.fetchone() == {"statement": "77s", "lock": "3s"}
            db.be_patient(cur)


def test_the_start_of_a_session_asks_for_nothing_that_a_pooler_refuses(uri, monkeypatch):
    monkeypatch.setenv("TIMEZONE", "Europe/Paris")
    parameters = database._parsed(uri)
    assert "options" not in parameters


SESSION = """
    SELECT current_setting('TimeZone') AS zone, current_setting('lock_timeout') AS locks,
           current_setting('statement_timeout') AS statements
"""


@pytest.mark.parametrize("lend", ["reading", "transaction", "rehearsal", "streaming"])
def test_behind_a_pooler_each_transaction_has_its_settings_whichever_session_it_gets(lend, connect):
    db = connect(DB_POOL_SIZE=1, TIMEZONE="Pacific/Kiritimati", DB_LOCK_TIMEOUT=3)
    conn = db._own.open().getconn()
    db._own.open().putconn(conn)
    conn.pooled = True  # as it is when the server's process is not the one that the start of the session named
    with db.outside_transactions() as cur:  # another session, as far as settings go
        cur.execute("RESET ALL")
        cur.connection.settings, kept = "", cur.connection.settings
    conn.settings = kept
    with getattr(db, lend)() as cur:
        cur.execute(SESSION)
        row = cur.fetchone()
    assert row["zone"] == "Pacific/Kiritimati"
    assert lend == "streaming" or (row["locks"], row["statements"]) == ("3s", "1min")


def test_a_direct_session_is_not_taken_for_a_poolers(connect):
    with connect(DB_POOL_SIZE=1).reading() as cur:
        assert not cur.connection.pooled


def test_a_drivers_session_settings_are_forgotten(connect):
    db = connect(DB_POOL_SIZE=1)
    with db.transaction() as cur:
        cur.connection.set_session(isolation_level="SERIALIZABLE", readonly=True, autocommit=True)
    with db.transaction() as cur:
        assert not cur.connection.autocommit
        cur.execute("SELECT current_setting('transaction_isolation') AS level, "
                    "current_setting('transaction_read_only') AS ro")
        assert cur.fetchone() == {"level": "read committed", "ro": "off"}


def test_what_a_failed_borrower_wrote_is_forgotten(connect):
    db = connect(DB_POOL_SIZE=1)
    with pytest.raises(ZeroDivisionError), db.transaction() as cur:
        cur.execute("INSERT INTO customers (name, phone_number) VALUES ('Ada', '123')")
        raise ZeroDivisionError
    assert db.list_customers() == []


@pytest.mark.parametrize("code", [
    "57014", "55P03", "54000", "40001", "40P01", "23505", "22003", "25006", "42501", "53100", "53200", "P0001",
])
def test_an_error_of_the_server_keeps_the_connection(connect, code):
    db = connect(DB_POOL_SIZE=1)
    before = backend(db)
    with pytest.raises(errors.Error) as caught, db.transaction() as cur:
        cur.execute(f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{code}'; END $$")
    assert "secret" not in sentence(str(caught.value))
    assert backend(db) == before


def test_a_held_lock_is_waited_for_no_longer_than_the_setting(connect, holder):
    db = connect(DB_LOCK_TIMEOUT=1)
    db.add_customer("Ada Okafor", "123")
    holder.execute("SELECT * FROM customers FOR UPDATE")
    with pytest.raises(errors.Busy, match="Somebody else is changing the same record"):
        db.update_customer(1, name="Ada Obi")


def test_a_slow_query_runs_no_longer_than_the_setting(connect):
    db = connect(DB_STATEMENT_TIMEOUT=1)
    with pytest.raises(errors.Busy, match="DB_STATEMENT_TIMEOUT"), db.reading() as cur:
        cur.execute("SELECT pg_sleep(60)")


def test_a_silent_server_is_given_up(server):
    begin = time.monotonic()
    done = run_program(f"postgresql://u:s3cr3t@127.0.0.1:{server()}/db", DB_CONNECT_TIMEOUT="2")
    assert time.monotonic() - begin < 30
    assert done.returncode == 2
    assert "Nothing answered in time" in sentence(done.stderr)


def lock_in_turn(first: str, second: str, barrier: threading.Barrier, attempts: list[str]) -> None:
    with database.transaction() as cur:
        attempts.append(first)
        cur.execute("SET LOCAL deadlock_timeout = 20")
        cur.execute("UPDATE customers SET name = name || %(first)s WHERE name LIKE %(first)s || '%%'", {"first": first})
        if len(attempts) <= 2:
            barrier.wait(60)
        cur.execute("UPDATE customers SET name = name || %(first)s WHERE name LIKE %(second)s || '%%'",
                    {"first": first, "second": second})


def test_a_deadlocks_victim_tries_again(db):
    db.add_customer("a", "123")
    db.add_customer("b", "123")
    barrier, attempts = threading.Barrier(2), []
    work = database.retried(lock_in_turn)
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(work, *names, barrier, attempts) for names in (("a", "b"), ("b", "a"))]
        for one in both:
            one.result(60)
    assert len(attempts) == 3
    assert {"".join(sorted(row["name"])) for row in db.list_customers()} == {"aab", "abb"}


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_retrying_is_bounded(db, monkeypatch, code):
    monkeypatch.setattr(database, "RETRY_PAUSES", (0, 0, 0))
    attempts = []

    @database.retried
    def fail():
        with db.transaction() as cur:
            attempts.append(code)
            cur.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")

    with pytest.raises(errors.Deadlock, match="nothing was written"):
        fail()
    assert len(attempts) == 4


def test_a_connection_lost_before_commit_is_tried_again(db, sql):
    attempts = []

    @database.retried
    def add():
        with db.transaction() as cur:
            attempts.append(1)
            cur.execute("INSERT INTO customers (name, phone_number) VALUES ('Ada', '123')")
            if len(attempts) == 1:
                sql(TERMINATE)
            cur.execute("SELECT 1")

    add()
    assert len(attempts) == 2
    assert [row["name"] for row in db.list_customers()] == ["Ada"]


ON_COMMIT = """
    CREATE FUNCTION on_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {}
        RETURN NULL;
    END
    $$;
    CREATE CONSTRAINT TRIGGER on_commit AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION on_commit()
"""


def test_a_connection_lost_during_commit_is_reported_and_never_tried_again(db, sql):
    sql(ON_COMMIT.format("PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10);"))
    with pytest.raises(errors.OutcomeUnknown, match="look whether it was saved"):
        db.add_customer("Ada Okafor", "123")
    last_id, = sql("SELECT last_value FROM customers_customer_id_seq")
    assert last_id["last_value"] == 1
    assert len({backend(db) for _ in range(8)}) == 1


def test_ctrl_c_ends_a_running_query_and_keeps_its_connection(db, sql, terminal):
    db.add_customer("Ada Okafor", "123")
    db.disconnect()
    sql("CREATE OR REPLACE FUNCTION matching_customers("
        "words text[], phones text[], phone_inside text, account text, most integer) "
        "RETURNS TABLE (customer_id bigint, by_number boolean) "
        "LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$")
    child = terminal(DB_STATEMENT_TIMEOUT="90")
    child.send("1\r3\rAda\r")
    before, = wait_for(lambda: [row for row in sql(BACKENDS) if row["wait_event"] == "PgSleep"])
    child.sendintr()
    child.expect_exact("Cancelled, nothing changed.")
    child.expect_exact("Choose: ")
    child.send("2\r\r")
    child.expect_exact("Ada Okafor")
    after, = sql(BACKENDS)
    assert after["pid"] == before["pid"]


def test_ctrl_c_ends_a_wait_for_a_lock(holder, sql, terminal):
    holder.execute("LOCK TABLE customers IN SHARE MODE")
    child = terminal(DB_LOCK_TIMEOUT="90")
    child.send("1\r1\rAda\r123\r")
    wait_for(lambda: any(row["wait_event_type"] == "Lock" for row in sql(BACKENDS)))
    child.sendintr()
    child.expect_exact("Cancelled, nothing changed.")
    holder.connection.rollback()
    child.expect_exact("Choose: ")
    child.send("1\rAda\r123\r")
    child.expect_exact("Added customer 1, Ada.")


def test_ctrl_c_during_commit_cancels_it_where_the_server_can(sql, terminal):
    sql(ON_COMMIT.format("PERFORM pg_sleep(60);"))
    child = terminal()
    child.send("1\r1\rAda\r123\r")
    wait_for(lambda: any(row["wait_event"] == "PgSleep" for row in sql(BACKENDS)))
    child.sendintr()
    child.expect_exact("Cancelled, nothing changed.")
    assert sql("SELECT name FROM customers") == []


def test_ctrl_c_during_a_commit_that_succeeds_is_not_reported_as_cancelled(sql, terminal):
    sql(ON_COMMIT.format("BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;"))
    child = terminal()
    child.send("1\r1\rAda\r123\r")
    wait_for(lambda: any(row["wait_event"] == "PgSleep" for row in sql(BACKENDS)))
    child.sendintr()
    child.expect_exact("Added customer 1, Ada.")
    child.expect_exact("Choose: ")
    assert "Cancelled" not in child.before
    assert len(sql("SELECT name FROM customers")) == 1


class Interrupter:
    """Sends Ctrl-C before the nth line that runs where connections are lent and given back."""

    FILES = (database.__file__, interrupts.__file__, contextlib.__file__)

    def __init__(self, step: int) -> None:
        self.steps_left = step

    def trace(self, frame, event, argument):
        if frame.f_code.co_filename not in self.FILES:
            return None
        if event == "line":
            self.steps_left -= 1
            if self.steps_left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self.trace


def interrupted_at(step: int, work) -> bool | None:
    """Run work with a Ctrl-C at one of its steps; tell whether it was raised, or None when work has fewer steps."""
    interrupter, before = Interrupter(step), sys.gettrace()
    sys.settrace(interrupter.trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False if interrupter.steps_left <= 0 else None


def every_interruption(work):
    """Yield, for each step of work at which Ctrl-C can come, whether it was raised."""
    step = 1
    while (raised := interrupted_at(step, work)) is not None:
        yield raised
        step += 1


def test_ctrl_c_anywhere_in_a_write_is_raised_only_when_nothing_was_written_or_it_is_known(db, signals, sql):
    rows, saved = 0, database.saved
    for raised in every_interruption(lambda: db.add_customer("Ada", "123")):
        found, = sql("SELECT count(*) FROM customers")
        assert (found["count"] - rows) == (database.saved - saved)
        assert raised or found["count"] == rows + 1
        rows, saved = found["count"], database.saved
    assert rows > 10


@pytest.mark.parametrize("work", [
    lambda: database.add_customer("Ada", "123"),
    database.list_customers,
], ids=["write", "read"])
def test_ctrl_c_anywhere_leaves_the_program_answering_to_the_next(connect, signals, work):
    connect(DB_POOL_SIZE=1, DB_POOL_WAIT=1)
    for _ in every_interruption(work):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert database.today()


LATE_CTRL_C = """
import select, signal, sys, time, types
sys.path.insert(0, sys.argv[1])
import database
from tracker import interrupts

def hear_late(*files):
    came = select.select(*files)
    time.sleep(0.1)
    return came

interrupts.select = types.SimpleNamespace(select=hear_late)
interrupts.install()
database.connect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    with database.reading() as cur:
        cur.execute("SELECT pg_sleep(0.3)")
database.disconnect()
"""


def test_ctrl_c_at_a_prompt_does_not_cancel_the_next_query(uri):
    done = subprocess.run([sys.executable, "-c", LATE_CTRL_C, str(PROJECT)], env=environment(uri), capture_output=True,
                          text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_stops_a_report_is_not_lost_where_the_server_fails_what_tidies_up_after_it(stop, db, sql):
    with pytest.raises(stop), database.streaming() as cur:
        cur.execute("SELECT generate_series(1, 5000)")
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'isp-customer-tracker'")
        raise stop
    assert db.list_customers() == []


def test_ctrl_c_in_a_report_leaves_no_traceback(sql, uri):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'customer ' || i, 1000 + i FROM generate_series(1, 5000) AS i")
    child = subprocess.Popen([sys.executable, PROJECT / "main.py", "account-report", "--format", "csv"],
                             env=environment(uri), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, complaints = child.communicate(timeout=60)
    assert (child.returncode, complaints) == (130, "Cancelled.\n")


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_report_whose_reader_leaves_ends_quietly(form, sql, uri):
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'customer ' || i, 1000 + i FROM generate_series(1, 5000) AS i")
    child = subprocess.Popen([sys.executable, PROJECT / "main.py", "account-report", "--format", form],
                             env=environment(uri), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == ""
    assert child.wait(60) == 1


def start_at_once(uri: str, programs: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen([sys.executable, PROJECT / "main.py", "late-report"], env=environment(uri),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(programs)
    ]


def test_eight_programs_that_find_no_schema_at_the_same_moment_all_start(empty_uri):
    gate = psycopg2.connect(empty_uri)
    gate.autocommit = True
    cur = gate.cursor()
    cur.execute("SELECT pg_advisory_lock(%s)", (database.SCHEMA_LOCK,))
    programs = start_at_once(empty_uri, 8)

    def all_wait() -> bool:
        cur.execute(
            """
            SELECT count(*)
            FROM pg_locks
            JOIN pg_stat_activity USING (pid)
            WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
            """
        )
        return cur.fetchone() == (8,)

    wait_for(all_wait, 60)
    cur.execute("SELECT pg_advisory_unlock(%s)", (database.SCHEMA_LOCK,))
    assert [program.communicate(timeout=90) for program in programs] == [("Nobody is late.\n", "")] * 8
    assert [program.returncode for program in programs] == [0] * 8
    gate.close()


def test_eight_programs_started_together_on_an_empty_database_all_start(server_uri, admin):
    for attempt in range(3):
        name = f"isp_test_{os.getpid()}_together_{attempt}"
        admin(f"CREATE DATABASE {name}")
        try:
            programs = start_at_once(psycopg2.extensions.make_dsn(server_uri, dbname=name), 8)
            assert [program.communicate(timeout=90) for program in programs] == [("Nobody is late.\n", "")] * 8
        finally:
            admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def clerk(uri, sql):
    """A login that may neither create anything nor own a table."""
    name = f"isp_test_{os.getpid()}_clerk"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 's3cr3t'")
    yield name, psycopg2.extensions.make_dsn(uri, user=name, password="s3cr3t")
    sql(f"DROP OWNED BY {name}")
    sql(f"DROP ROLE {name}")


def test_a_login_that_may_create_nothing_starts_on_an_existing_schema(clerk, sql, run):
    name, clerks_uri = clerk
    sql(f"GRANT isp_admin TO {name}")
    done = run(answers=lines("1", "1", "Ada", "123", "0", "0"), DATABASE_URI=clerks_uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"as {name}" in done.stdout
    assert "Added customer 1, Ada." in done.stdout


def test_a_database_newer_than_the_program_is_refused(sql, run):
    sql("UPDATE schema_version SET version = 99")
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "version 99" in sentence(done.stderr)


def test_a_database_that_does_not_store_utf_8_is_refused(server_uri, admin):
    name = f"isp_test_{os.getpid()}_ascii"
    admin(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    done = run_program(psycopg2.extensions.make_dsn(server_uri, dbname=name))
    admin(f"DROP DATABASE {name} WITH (FORCE)")
    assert (done.returncode, done.stdout) == (2, "")
    assert "UTF-8" in sentence(done.stderr)


def refusal(done: subprocess.CompletedProcess[str], *secrets: str) -> str:
    """Return the one line with which a program that could not start ended, which repeats no secret."""
    assert (done.returncode, done.stdout) == (2, "")
    for secret in secrets:
        assert secret not in done.stderr
    assert not log.path().exists() or "zq8" not in log.path().read_text()
    return sentence(done.stderr)


@pytest.mark.parametrize("wrong", [
    "postgres://ada:zq81@zq82@db.invalid/isp",
    "postgres://ada:zq81/zq82@db.invalid/isp",
    "postgres://ada:81/zq82@db.invalid/isp",
    "postgres://ada:zq81?zq82@db.invalid:1zq/isp",
    "postgres://ada:zq81%zq82@db.invalid/isp",
    "postgres://ada:zq81%00zq82@db.invalid/isp",
    "postgres://ada:zq81@[::1/isp",
    "postgres://ada:zq81@db.invalid:zq82/isp",
    "postgres://ada:zq81@db.invalid:99999/isp",
    "postgres://ada:zq81@db.invalid:0/isp",
    "postgres://ada:7777777/isp",
    "mysql://ada:zq81@db.invalid/isp",
    "ada:zq81@db.invalid/isp",
    "db.invalid/isp?password=zq81",
    "host=db.invalid password='zq81 zq82",
    "host=db.invalid password=zq81 zq82",
    "host=db.invalid passwort=zq81",
    "host=db.invalid port=zq81",
    "zq81",
])
def test_a_wrong_uri_is_one_sentence_without_its_parts(wrong):
    said = refusal(run_program(wrong), "zq", "7777777", "ada")
    assert said.startswith("DATABASE_URI cannot be read; it looks like postgresql://user:password@host:5432/database")


def test_a_uri_that_is_not_utf_8_is_one_sentence():
    said = refusal(run_program(os.fsdecode(b"postgres://ada:zq81\xff@db.invalid/isp")), "zq81")
    assert said.startswith("DATABASE_URI")


@pytest.mark.parametrize(("wrong", "part"), [
    ("postgres://ada:zq81@127.0.0.1:1/isp", "Nothing answers at 127.0.0.1, port 1"),
    ("postgres://ada:zq81@db.invalid/isp", "The host db.invalid cannot be found"),
    ("postgres://ada:zq81@/isp?host=/nowhere", "Nothing answers at /nowhere"),
    ("postgres://ada:zq81@127.0.0.1:1/isp?sslmode=zq82", "look at sslmode"),
    ("postgres://ada:zq81@127.0.0.1:1/isp?connect_timeout=zq82", "look at connect_timeout"),
])
def test_a_server_that_is_not_there_is_one_sentence_without_the_password(wrong, part):
    assert part in refusal(run_program(wrong), "zq", "ada")


@pytest.mark.parametrize("last_words", [
    fatal("28P01", b'password authentication failed for user "ada"'),
    fatal("28P01", 'Passwort-Authentifizierung für Benutzer »ada« fehlgeschlagen'.encode()),
    fatal("28P01", "authentification échouée".encode("latin-1")),
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"",
], ids=["english", "german", "latin-1", "no-postgresql", "silence"])
def test_a_wrong_password_is_one_sentence_without_it(last_words, server):
    uri = f"postgresql://ada:zq81%40zq82@127.0.0.1:{server(last_words, password_first=True)}/isp"
    assert "127.0.0.1" in refusal(run_program(uri, DB_CONNECT_TIMEOUT="2"), "zq", "ada")


def test_a_refused_password_is_named_as_the_reason(server):
    port = server(fatal("28P01", b'password authentication failed for user "ada"'), password_first=True)
    said = refusal(run_program(f"postgresql://ada:zq81@127.0.0.1:{port}/isp"), "zq81")
    assert said == f"The server at 127.0.0.1, port {port} refused the user or password for database isp."


def test_a_login_with_an_at_sign_can_be_written(server):
    port = server(fatal("28P01", b"password authentication failed"), password_first=True)
    assert "refused" in refusal(run_program(f"postgresql://ada%40office:zq81@127.0.0.1:{port}/isp"), "zq81")


def test_the_longest_time_limits_are_taken(db, run):
    most = {"DB_STATEMENT_TIMEOUT": "2147483", "DB_LOCK_TIMEOUT": "2147483", "DB_CONNECT_TIMEOUT": "2147483",
            "DB_POOL_WAIT": "2147483"}
    assert run("late-report", **most).stdout == "Nobody is late.\n"


def test_a_database_that_is_not_there_is_one_sentence(server_uri):
    uri = psycopg2.extensions.make_dsn(server_uri, dbname="isp_test_nowhere")
    assert "no database isp_test_nowhere" in refusal(run_program(uri))


@pytest.mark.parametrize(("name", "value"), [
    ("TIMEZONE", "Europe/Atlantis"),
    ("TIMEZONE", "UTC -c search_path=x"),
    ("DB_POOL_SIZE", "0"),
    ("DB_POOL_WAIT", "-1"),
    ("DB_CONNECT_TIMEOUT", "soon"),
    ("DB_LOCK_TIMEOUT", "1.5"),
    ("DB_STATEMENT_TIMEOUT", "99999999"),
    ("DB_STATEMENT_TIMEOUT", "2147484"),
    ("DB_LOCK_TIMEOUT", "9999999"),
    ("DB_CONNECT_TIMEOUT", "9999999"),
    ("DB_POOL_WAIT", "9999999"),
])
def test_a_wrong_setting_is_one_sentence_that_names_it(name, value, server_uri):
    assert name in refusal(run_program(server_uri, **{name: value}), value)
