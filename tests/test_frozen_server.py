"""A server that is frozen: its connections stay open, and nothing answers any more."""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg2
import pytest
from conftest import (
    HOLDER,
    PROJECT,
    environment,
    in_memory,
    named,
    numbers,
    processes_of,
    run_program,
    sentence,
    wait_for,
)

import database

pytestmark = pytest.mark.slow

SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
WAITING_LONG = "SELECT pid FROM pg_locks WHERE NOT granted AND clock_timestamp() - waitstart > '3 seconds'"
SLOW_SEARCH = """
    CREATE OR REPLACE FUNCTION matching_customers(
        words text[], phones text[], phone_inside text, account text, most integer
    ) RETURNS TABLE (customer_id bigint, by_number boolean) LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$
"""
ON_COMMIT = """
    CREATE FUNCTION on_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(60);
        RETURN NULL;
    END
    $$;
    CREATE CONSTRAINT TRIGGER on_commit AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION on_commit()
"""
# The program, less patient.
HURRIED = """
import sys
import database, main
from tracker import interrupts
interrupts.LOOK_EVERY, interrupts.SILENCE = 0.5, {}
database.STATEMENT_MARGIN = 1
sys.exit(main.main(sys.argv[1:]))
"""


class Server:
    """A server of the test's own, which can be frozen and thawed."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.uri = uri
        self.postmaster = int(next(folder.glob("postgres-*/postmaster.pid")).read_text().split()[0])
        self.frozen: list[int] = []

    def freeze(self, *pids: int) -> None:
        """Freeze these processes of it, or all."""
        if not pids:
            os.kill(self.postmaster, signal.SIGSTOP)  # first: it starts none now, and none that ends is gone
            pids = (self.postmaster, *(process.pid for process in processes_of(self.postmaster)))
        self.frozen = list(pids)
        for pid in self.frozen:
            os.kill(pid, signal.SIGSTOP)
        # One that was about to end has: a frozen postmaster does not ask how.
        still = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
        wait_for(lambda: all(psutil.Process(pid).status() in still for pid in self.frozen))

    def thaw(self) -> None:
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen = []


@pytest.fixture(scope="module")
def own_server():
    folder = Path(tempfile.mkdtemp(prefix="isp-frozen-", dir=in_memory()))
    folder.chmod(0o755)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=PROJECT, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    uri = holder.stdout.readline().strip()
    server = Server(folder, uri)
    yield server
    server.thaw()
    holder.communicate(timeout=60)
    wait_for(lambda: not psutil.pid_exists(server.postmaster))
    shutil.rmtree(folder)


@pytest.fixture
def uri(own_server):
    """A fresh database on the server that can be frozen."""
    name = f"isp_test_{os.getpid()}_{next(numbers)}"
    with contextlib.closing(psycopg2.connect(named(own_server.uri, "postgres"))) as conn:
        conn.autocommit = True
        conn.cursor().execute(f"CREATE DATABASE {name}")
        database.connect(named(own_server.uri, name))
        database.disconnect()
        yield named(own_server.uri, name)
        own_server.thaw()
        conn.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def searching(own_server, sql, terminal):
    """Start the program, and freeze the server while it waits for a search."""
    sql("INSERT INTO customers (name, phone_number) VALUES ('Bo Li', '123')")
    sql(SLOW_SEARCH)
    child = terminal()
    child.send("1\r2\rAda\r")
    wait_for(lambda: sql(SLEEPING))
    own_server.freeze()
    return child


@pytest.fixture
def saving(own_server, sql, terminal):
    """Start the program, and freeze the server while it waits for a COMMIT."""
    sql(ON_COMMIT)
    child = terminal()
    child.send("1\r1\rAda\r123\r")
    wait_for(lambda: sql(SLEEPING))
    own_server.freeze()
    return child


def connections(pid: int) -> int:
    return len(psutil.Process(pid).net_connections("unix"))


def press_ctrl_c_twice(child) -> None:
    """Press Ctrl-C, and again once the first has been heard: the server is being asked to cancel."""
    before = connections(child.pid)
    child.sendintr()
    wait_for(lambda: connections(child.pid) > before)
    child.sendintr()


def hurried(uri: str, *arguments: str, silence: float = 2, **env: str) -> subprocess.Popen[str]:
    """Start the program, less patient, with arguments; a server on a busy machine is silent for a second at times."""
    return subprocess.Popen([sys.executable, "-c", HURRIED.format(silence), *arguments], cwd=PROJECT, text=True,
                            env=environment(uri, **env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def test_a_second_ctrl_c_gives_the_prompt_back(searching, own_server):
    press_ctrl_c_twice(searching)
    searching.expect_exact("Cancelled, nothing changed.")
    searching.expect_exact("Choose: ")
    own_server.thaw()
    searching.send("2\r\r")
    searching.expect_exact("Bo Li")


def test_a_second_ctrl_c_in_a_commit_says_that_nobody_knows(saving, own_server, sql):
    press_ctrl_c_twice(saving)
    saving.expect_exact("Stopped; whether that was saved is not known: look before you enter it again.")
    saving.expect_exact("Choose: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["searching", "saving"])
def test_a_signal_to_end_ends_the_program(moment, number, request):
    child = request.getfixturevalue(moment)
    child.kill(number)
    wait_for(lambda: not child.isalive())
    assert (child.exitstatus, child.signalstatus) == (128 + number, None)


def test_a_signal_to_end_ends_a_program_that_connects(own_server, uri):
    own_server.freeze()
    child = hurried(uri, "late-report", DB_CONNECT_TIMEOUT="600")
    wait_for(lambda: connections(child.pid))
    child.terminate()
    child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("whose", ["postmaster and backends", "backend"])
def test_a_statement_far_past_its_time_limit_is_given_up(whose, own_server, uri, sql):
    held = psycopg2.connect(uri)
    held.cursor().execute("LOCK TABLE billing")
    child = hurried(uri, "late-report", DB_STATEMENT_TIMEOUT="4", DB_LOCK_TIMEOUT="90")
    backend, = wait_for(lambda: sql(WAITING))
    own_server.freeze(*[backend["pid"]] * (whose == "backend"))
    said, complaints = child.communicate(timeout=60)
    assert (said, sentence(complaints)) == (
        "", "The server does not answer; not everything was read. Try again when it does.")
    assert child.returncode == 2
    own_server.thaw()
    held.close()


@pytest.mark.parametrize("arguments", [
    ["bill", "--period", "2026-12", "--yes"], ["verify"], ["export", "bills"], ["aging-report", "--format", "csv"],
])
def test_long_work_notices_a_frozen_server(arguments, own_server, uri, sql):
    held = psycopg2.connect(uri)
    held.cursor().execute("LOCK TABLE customers, locations, billing")
    child = hurried(uri, *arguments, DB_STATEMENT_TIMEOUT="900")
    wait_for(lambda: sql(WAITING))
    own_server.freeze()
    _, complaints = child.communicate(timeout=60)
    assert sentence(complaints.splitlines()[-1]) == (
        "The server does not answer; not everything was read. Try again when it does.")
    assert child.returncode == 2
    own_server.thaw()
    held.close()


def test_long_work_goes_on_while_the_server_answers(uri, sql):
    held = psycopg2.connect(uri)
    held.cursor().execute("LOCK TABLE customers, locations, billing")
    child = hurried(uri, "bill", "--period", "2026-12", "--yes", silence=60,
                    DB_STATEMENT_TIMEOUT="1")
    wait_for(lambda: sql(WAITING_LONG))
    held.close()
    said, _ = child.communicate(timeout=60)
    assert "Created 0" in said
    assert child.returncode == 0


def test_connecting_to_a_frozen_server_is_bounded(own_server, uri):
    own_server.freeze()
    done = run_program(uri, "late-report", DB_CONNECT_TIMEOUT="2")
    assert sentence(done.stderr).startswith("Nothing answered in time at ")
    assert done.returncode == 2


def test_leaving_does_not_wait_for_a_frozen_server(own_server, uri, terminal):
    child = terminal()
    child.expect_exact("Choose: ")
    own_server.freeze()
    child.send("0\r")
    wait_for(lambda: not child.isalive())
    assert child.exitstatus == 0
