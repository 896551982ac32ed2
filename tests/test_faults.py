"""What must survive: crashes, lost replies, kills and writers at the same time."""
from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg2
import psycopg2.extensions
import pytest
from conftest import PROJECT, PROMPT, environment, wait_for

import database
from tracker import bill_run, errors, payments
from tracker.terminal import paying
from tracker.verify import verify_books

WRITER = """
import sys
from decimal import Decimal
from uuid import uuid4
import database
from tracker import payments
database.connect(sys.argv[1])
while True:
    payment = payments.record_payment(1, Decimal("0.01"), database.today(), "cash", None, uuid4())
    print(payment["payment_id"], flush=True)
"""


WAITING = """
    SELECT 1
    FROM pg_locks
    JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND NOT granted
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let nobody give up waiting for what a test holds until something else has happened."""
    monkeypatch.setenv("DB_LOCK_TIMEOUT", "60")


def pay(customer_id, amount, key=None):
    return payments.record_payment(customer_id, Decimal(amount), database.today(), "cash", None, key or uuid4())


HOLDER = """
import sys
from pathlib import Path
from tracker import embedded
print(embedded.start(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start_durable() -> Iterator[Callable[[], tuple[str, int]]]:
    """Start a server of its own, which writes to disk as it would for an administrator; return its URI and PID."""
    folder = Path(tempfile.mkdtemp(prefix="isp-faults-"))
    folder.chmod(0o755)
    holders = []

    def start() -> tuple[str, int]:
        holders.append(subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=PROJECT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        uri = holders[-1].stdout.readline().strip()
        return uri, int(next(folder.glob("postgres-*/postmaster.pid")).read_text().split()[0])

    yield start
    database.disconnect()
    for holder in holders:
        holder.communicate(timeout=90)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_acknowledged_payments_survive_a_crash_of_the_server(start_durable):
    uri, pid = start_durable()
    database.connect(uri)
    database.add_customer("Ada Okafor", "+44 20 7946 0958")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, uri], cwd=PROJECT, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    noted = [int(writer.stdout.readline()) for writer in writers for _ in range(20)]
    os.kill(pid, signal.SIGQUIT)  # PostgreSQL's immediate shutdown: no checkpoint, the next start recovers
    for writer in writers:
        noted += [int(line) for line in writer.communicate(timeout=90)[0].split()]
    database.disconnect()
    database.connect(start_durable()[0])
    kept = {row["payment_id"] for row in payments.list_payments(1, limit=100_000)}
    assert len(noted) >= 40
    assert set(noted) <= kept


class LosesCommitReplies(threading.Thread):
    """A proxy to a server that passes everything on, but for the reply to the first COMMIT after arm()."""

    def __init__(self, uri: str) -> None:
        super().__init__(daemon=True)
        server = psycopg2.extensions.parse_dsn(uri)
        self.host, self.port = server.get("host", "localhost"), server.get("port", "5432")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = psycopg2.extensions.make_dsn(uri, host="127.0.0.1", port=str(self.listener.getsockname()[1]))
        self.armed = self.refusing = False
        self.cut: set[socket.socket] = set()
        self.start()

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing and not self.armed:
                client.close()
                continue
            threading.Thread(target=self.serve, args=(client, self.connect()), daemon=True).start()

    def connect(self) -> socket.socket:
        if not self.host.startswith("/"):
            return socket.create_connection((self.host, int(self.port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self.host}/.s.PGSQL.{self.port}")
        return server

    def serve(self, client: socket.socket, server: socket.socket) -> None:
        threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
        with suppress(OSError), server:  # either side may be cut off
            while data := client.recv(65536):
                if lost := self.armed and b"COMMIT" in data:
                    self.armed = False
                    self.cut.add(client)
                server.sendall(data)
                if lost:
                    client.shutdown(socket.SHUT_RDWR)

    def pump(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and client not in self.cut:
                client.sendall(data)


@pytest.fixture
def proxy(uri) -> Iterator[LosesCommitReplies]:
    proxy = LosesCommitReplies(uri)
    yield proxy
    database.disconnect()
    proxy.listener.close()


def test_a_lost_reply_to_commit_is_an_unknown_outcome_and_one_payment(proxy, sql):
    database.connect(proxy.uri)
    customer_id = database.add_customer("Ada Okafor", "5550100")
    key = uuid4()
    proxy.armed = True
    with pytest.raises(errors.OutcomeUnknown):
        pay(customer_id, "5.00", key)
    wait_for(lambda: payments.find_by_entry_key(key))
    assert pay(customer_id, "5.00", key)["payment_id"] == payments.find_by_entry_key(key)["payment_id"]
    assert len(sql("SELECT 1 FROM payments")) == 1


def test_the_program_looks_up_a_payment_whose_reply_was_lost(proxy, sql, terminal):
    sql("INSERT INTO customers (name, phone_number) VALUES ('Ada Okafor', '5550100')")
    child = terminal(DATABASE_URI=proxy.uri)
    for answer in ("5", "6", "1", "5", "", ""):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect(PROMPT)
    assert "Reference" in child.after
    proxy.armed = True
    child.send("\r")
    child.expect_exact("outcome is unknown")
    child.expect_exact("Recorded payment 1, 5.00")
    assert len(sql("SELECT 1 FROM payments")) == 1


def test_payments_recorded_at_the_same_time_all_count(db, sql):
    customer_id = db.add_customer("Ada Okafor", "5550100")
    billing_id = db.add_bill(customer_id, "Large", Decimal("150.00"), date(2026, 12, 1)).billing_id
    writers = [threading.Thread(target=lambda: [pay(customer_id, "1.00") for _ in range(50)]) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert db.get_bill(billing_id)["amount_paid"] == Decimal("150.00")
    assert payments.credit(customer_id) == Decimal("50.00")
    assert verify_books() == ({"bills": 1, "payments": 200}, [])


def test_bill_runs_at_the_same_time_bill_once(db, sql):
    sql("INSERT INTO customers (name, phone_number) SELECT 'C' || n, '5550100' FROM generate_series(1, 200) AS n")
    sql("INSERT INTO locations (customer_id, address) SELECT customer_id, 'Here' FROM customers")
    sql("INSERT INTO services (location_id, service_name, cost) SELECT location_id, 'Fiber', 10 FROM locations")
    results = []
    period = date(2026, 12, 1)
    runs = [
        threading.Thread(target=lambda: results.append(bill_run.run(period, date(2026, 12, 15))))
        for _ in range(4)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted((row["created"], row["skipped"]) for row in results) == [(0, 200), (0, 200), (0, 200), (200, 0)]


@pytest.mark.slow
def test_a_deadlock_between_payments_is_tried_again(db, sql, uri):
    database.disconnect()  # its session looks for a deadlock once, by when there is to be one
    database.connect(psycopg2.extensions.make_dsn(uri, options="-c deadlock_timeout=5s"))
    customer_id = db.add_customer("Ada Okafor", "5550100")
    billing_id = db.add_bill(customer_id, "Bill", Decimal("10.00"), date(2026, 12, 1)).billing_id
    other = psycopg2.connect(uri)
    cur = other.cursor()
    # It waits longer to look for deadlocks, so that the program's transaction is always the victim.
    cur.execute("SET deadlock_timeout = '60s'")
    cur.execute("SELECT 1 FROM billing WHERE billing_id = %s FOR UPDATE", (billing_id,))
    paid = threading.Thread(target=pay, args=(customer_id, "4.00"))
    paid.start()
    wait_for(lambda: sql(WAITING))
    cur.execute("SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE", (customer_id,))
    other.rollback()
    other.close()
    paid.join()
    assert db.get_bill(billing_id)["amount_due"] == Decimal("6.00")


def test_a_kill_before_commit_leaves_nothing_half_done(db, sql, uri):
    customer_id = db.add_customer("Ada Okafor", "5550100")
    billing_id = db.add_bill(customer_id, "Bill", Decimal("10.00"), date(2026, 12, 1)).billing_id
    holder = psycopg2.connect(uri)
    holder.cursor().execute("SELECT 1 FROM billing WHERE billing_id = %s FOR UPDATE", (billing_id,))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, uri], cwd=PROJECT, env=environment(uri),
                              stdout=subprocess.DEVNULL)
    wait_for(lambda: sql(WAITING))
    writer.kill()
    writer.wait()
    holder.close()
    wait_for(lambda: not sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                          " AND pid <> pg_backend_pid() AND state <> 'idle'"))
    assert payments.list_payments(customer_id) == []
    assert db.get_bill(billing_id)["amount_due"] == Decimal("10.00")


@contextmanager
def held(uri, statement, *values):
    """Keep a lock that a statement takes, until the block ends."""
    conn = psycopg2.connect(uri)
    conn.cursor().execute(statement, values)
    yield
    conn.close()


@pytest.fixture
def two_subscribers(db):
    """Two customers with a service each; the second one's account can be held while a run is under way."""
    ids = [db.add_customer(name, "5550100") for name in ("Ada", "Bo")]
    for customer_id in ids:
        db.add_service(db.add_location(customer_id, "Here"), "Fibre", Decimal("50.00"))
    return ids


def in_background(function, *arguments):
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    return thread


def test_a_payment_during_a_bill_run_pays_that_bill(db, sql, uri, two_subscribers):
    ada, bo = two_subscribers
    pay(bo, "1.00")  # credit, so that the run wants bo's account
    with held(uri, "SELECT 1 FROM customers WHERE customer_id = %s FOR NO KEY UPDATE", bo):
        run = in_background(bill_run.run, date(2026, 12, 1), date(2026, 12, 15))
        wait_for(lambda: sql(WAITING))
        payment = in_background(pay, ada, "50.00")
        wait_for(lambda: len(sql(WAITING)) > 1)
    run.join()
    payment.join()
    assert (payments.unpaid_bills(ada), payments.credit(ada)) == ([], 0)
    assert verify_books()[1] == []


def test_a_bill_paid_while_its_run_is_undone_stays(db, sql, uri, two_subscribers):
    ada, bo = two_subscribers
    bill_run.run(date(2026, 12, 1), date(2026, 12, 15))
    with held(uri, "SELECT 1 FROM billing WHERE customer_id = %s FOR UPDATE", ada):
        payment = in_background(pay, ada, "20.00")
        wait_for(lambda: sql(WAITING))
        undo = in_background(bill_run.undo, date(2026, 12, 1))
        wait_for(lambda: len(sql(WAITING)) > 1)
    payment.join()
    undo.join()
    bill, = payments.unpaid_bills(ada)
    assert (bill["amount_due"], payments.unpaid_bills(bo)) == (Decimal("30.00"), [])
    assert verify_books()[1] == []


def test_a_bill_and_a_payment_at_the_same_time_meet(db, sql, uri, two_subscribers):
    ada, _ = two_subscribers
    with held(uri, "SELECT 1 FROM customers WHERE customer_id = %s FOR NO KEY UPDATE", ada):
        bill = in_background(db.add_bill, ada, "Bill", Decimal("30.00"), date(2026, 12, 1))
        payment = in_background(pay, ada, "30.00")
        wait_for(lambda: len(sql(WAITING)) > 1)
    bill.join()
    payment.join()
    assert (payments.unpaid_bills(ada), payments.credit(ada)) == ([], 0)


def test_a_payment_is_looked_up_until_the_server_is_back(proxy, sql, monkeypatch):
    database.connect(proxy.uri)
    customer_id = database.add_customer("Ada Okafor", "5550100")
    proxy.armed = proxy.refusing = True
    monkeypatch.setattr(paying.time, "sleep", lambda seconds: setattr(proxy, "refusing", False))
    payment = paying.save_payment(customer_id, Decimal("5.00"), database.today(), "cash", None, uuid4())
    assert [row["payment_id"] for row in sql("SELECT payment_id FROM payments")] == [payment["payment_id"]]


KILL_THE_SERVER = """
import os, signal, sys, time
from pathlib import Path
import psutil
import database
from tracker import errors

def has_ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

folder = Path(sys.argv[1])
os.environ["ISP_DATA_DIR"] = str(folder)
database.connect()
database.add_customer("Ada Okafor", "5550100")
pid = int(next(folder.glob("postgres-*/postmaster.pid")).read_text().split()[0])
os.kill(pid, signal.SIGSTOP)
while psutil.Process(pid).status() != psutil.STATUS_STOPPED:  # it starts none then, and none that ends is gone
    time.sleep(0.01)
family = [*psutil.Process(pid).children(), psutil.Process(pid)]
for process in family:
    process.kill()
while not all(map(has_ended, family)):
    time.sleep(0.01)
"""


@pytest.fixture
def after_its_server_was_killed() -> Iterator[Callable[[str], subprocess.CompletedProcess[str]]]:
    """Run a program that goes on after its embedded server was killed."""
    folder = Path(tempfile.mkdtemp(prefix="isp-faults-"))
    folder.chmod(0o755)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", KILL_THE_SERVER + script, str(folder / "data")], cwd=PROJECT,
                              capture_output=True, text=True, env=environment(""), timeout=180, check=False)

    yield run
    shutil.rmtree(folder)


@pytest.mark.slow
def test_the_embedded_server_is_started_again_by_the_next_action_after_it_died(after_its_server_was_killed):
    done = after_its_server_was_killed('print(database.get_customer(1)["name"])')
    assert (done.stdout, done.returncode) == ("Ada Okafor\n", 0), done.stderr


@pytest.mark.slow
def test_no_empty_database_takes_the_place_of_data_that_were_moved_away(after_its_server_was_killed):
    done = after_its_server_was_killed("""
folder.rename(folder.with_name("moved"))
try:
    database.get_customer(1)
except errors.Unavailable as exc:
    print(exc)
print(folder.exists())
folder.with_name("moved").rename(folder)
print(database.get_customer(1)["name"])
""")
    said, exists, name = done.stdout.splitlines()
    assert re.fullmatch(r"The data are no longer in .*/data; bring that folder back and start again\.", said)
    assert (exists, name, done.returncode) == ("False", "Ada Okafor", 0), done.stderr
