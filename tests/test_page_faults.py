"""Nothing is lost or paid twice when the page, its server, the database or a connection ends at any moment."""
from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from urllib.parse import quote
from uuid import uuid4

import psutil
import psycopg2
import pytest
from conftest import PROJECT, environment, kill_server, run_program, sentence, wait_for
from pages import CHANGED, PASSWORDS, books, embedded_site, problem, site, together
from test_faults import LosesCommitReplies
from test_frozen_server import Server as Frozen
from test_people import WORD

import database
from tracker.transfer import exporting
from tracker.verify import verify_books
from web import lists
from web import server as web_server
from web.sessions import UNUSED_SECONDS

pytestmark = pytest.mark.slow

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'bob'"
HOLD = "BEGIN; SELECT 1 FROM customers WHERE customer_id = 1 FOR UPDATE"
PAYMENTS = "/api/customers/1/payments"
# The program, less patient with a database that is silent.
HURRIED = """
import database
from tracker import interrupts
interrupts.LOOK_EVERY = interrupts.SILENCE = 0.5
database.STATEMENT_MARGIN = 1
"""
# And less patient with requests at its end, or more.
HASTY = "from web import server\nserver.END_WITHIN = 1"
UNHURRIED = "from web import server\nserver.END_WITHIN = 60"
PATIENT = {"DB_LOCK_TIMEOUT": "600", "DB_STATEMENT_TIMEOUT": "600"}


@pytest.fixture(scope="module")
def place():
    with books() as made:
        made.add("ben")
        yield made


@pytest.fixture(scope="module")
def page(place):
    with site(place.uri) as served:
        yield served


@pytest.fixture
def bob(page):
    """A person who may change, at a server that other tests use, too; the login is not bob's, who has servers alone."""
    return page.person("ben", WORD)


@pytest.fixture(autouse=True)
def sums(place):
    """See that after each test the money adds up."""
    yield
    import database
    database.connect(place.uri)
    assert verify_books()[1] == []
    database.disconnect()


def payment(amount="3.21", **more):
    return {"entry_key": str(uuid4()), "amount": amount, "paid_on": "yesterday", "method": "cash",
            "confirmed": ["repeated"], **more}


def recorded(place, sent):
    """Return the IDs of what a payment's key recorded."""
    return [number for number, in place.sql(f"SELECT payment_id FROM payments WHERE entry_key = '{sent['entry_key']}'")]


@contextlib.contextmanager
def in_background(work):
    """Do something in a thread; yield a list that holds what came of it after the block."""
    came = []

    def run():
        with contextlib.suppress(OSError):
            try:
                came.append(work())
            except Exception as exc:  # what became of it is looked at
                came.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    yield came
    thread.join()


def test_a_payment_whose_reply_is_lost_is_said_to_be_unknown_and_sent_again_is_the_same(place):
    proxy = LosesCommitReplies(place.uri)
    with site(proxy.uri) as served:
        bob, sent = served.person("bob"), payment()
        proxy.armed = True
        said = problem(bob.post(PAYMENTS, json=sent), 503)
        assert "look whether it was saved" in said["error"]
        assert not proxy.armed
        again = [bob.post(PAYMENTS, json=sent) for _ in range(2)]
    proxy.listener.close()
    assert [answer.status_code for answer in again] == [201, 201]
    assert [answer.json()["payment_id"] for answer in again] == 2 * recorded(place, sent)


def test_a_payment_that_is_sent_again_after_its_day_asks_nothing_and_is_the_same(bob, place):
    sent = payment(confirmed=["repeated"])
    first = bob.post(PAYMENTS, json=sent)
    again = bob.post(PAYMENTS, json={**sent, "confirmed": []})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()


@pytest.mark.parametrize("times", [2, 8])
def test_a_double_click_pays_once(bob, place, times):
    sent = payment("4.44")
    answers = together(times, lambda: bob.post(PAYMENTS, json=sent))
    assert {answer.status_code for answer in answers} == {201}
    assert [answer.json()["payment_id"] for answer in answers] == times * recorded(place, sent)


def test_two_people_with_the_same_form_pay_once(page, place):
    """As when a session ended and somebody else signed in at the same browser."""
    sent, first, second = payment("4.45"), page.person("ben", WORD), page.person("ben", WORD)
    answers = [visitor.post(PAYMENTS, json=sent) for visitor in (first, second)]
    assert [answer.json()["payment_id"] for answer in answers] == 2 * recorded(place, sent)


@pytest.mark.parametrize("other", [
    {"amount": "5.56"}, {"method": "card"}, {"reference": "R-9"}, {"paid_on": "today"},
])
def test_the_same_form_with_other_values_is_refused(bob, place, other):
    sent = payment("5.55")
    assert bob.post(PAYMENTS, json=sent).status_code == 201
    said = problem(bob.post(PAYMENTS, json={**sent, **other}), 409)
    assert "This form was saved before with other values" in said["error"]
    assert said["questions"] == []
    assert len(recorded(place, sent)) == 1


def test_the_same_form_for_another_customer_is_refused(bob, place):
    sent = payment("5.57")
    assert bob.post(PAYMENTS, json=sent).status_code == 201
    problem(bob.post("/api/customers/2/payments", json={**sent, "confirmed": ["much", "repeated"]}), 409)
    assert len(recorded(place, sent)) == 1


def test_a_payment_is_whole_or_not_there_when_the_page_s_server_is_killed(place):
    sent = payment("6.66")
    with site(place.uri) as served, place.session() as holder:
        bob = served.person("bob")
        holder.execute(HOLD)
        with in_background(lambda: bob.post(PAYMENTS, json=sent)) as came:
            wait_for(lambda: place.sql(WAITING))
            served.kill()
            holder.execute("COMMIT")
        wait_for(lambda: not place.sessions("bob"))
    failure, = came
    assert isinstance(failure, Exception)
    assert recorded(place, sent) == []
    with site(place.uri) as again:
        answer = again.person("bob").post(PAYMENTS, json=sent)
    assert [answer.json()["payment_id"]] == recorded(place, sent)


def test_connections_that_were_ended_under_the_server_are_replaced(bob, place):
    assert bob.get("/api/customers/1").status_code == 200
    place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ben'")
    wait_for(lambda: not place.sessions("ben"))
    sent = payment("7.01")
    assert bob.post(PAYMENTS, json=sent).status_code == 201
    assert len(recorded(place, sent)) == 1


def test_a_payment_whose_connection_is_ended_is_made_once(place):
    sent = payment("7.02")
    with site(place.uri) as served, place.session() as holder:
        bob = served.person("bob")
        holder.execute(HOLD)
        with in_background(lambda: bob.post(PAYMENTS, json=sent)) as came:
            (pid,), = wait_for(lambda: place.sql(WAITING))
            place.sql(f"SELECT pg_terminate_backend({pid})")
            wait_for(lambda: place.sql(f"{WAITING} AND pid <> {pid}"))
            holder.execute("COMMIT")
    answer, = came
    assert answer.status_code == 201, answer.text
    assert len(recorded(place, sent)) == 1


def test_a_database_that_was_away_is_used_again_and_nobody_must_sign_in_anew(page, bob, place):
    assert bob.get("/api/customers/1").status_code == 200
    place.server.kill()
    for _ in range(3):
        assert problem(bob.get("/api/customers/1"), 503)["error"]
    problem(bob.post(PAYMENTS, json=payment()), 503)
    said = problem(page.visitor().try_to_sign_in(login="bob", password="battery staple 7"), 503)
    assert said["error"] == "The database cannot be reached now; try again in a moment."
    place.server.start("fsync=off")
    assert bob.get("/api/customers/1").status_code == 200
    sent = payment("7.03")
    assert bob.post(PAYMENTS, json=sent).status_code == 201
    assert len(recorded(place, sent)) == 1


@contextlib.contextmanager
def frozen(place):
    """Freeze the server of the books for the block."""
    server = Frozen.__new__(Frozen)
    server.postmaster, server.frozen = place.server.process.pid, []
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def test_a_database_that_is_frozen_keeps_nobody_for_ever(place):
    with site(place.uri, before=HURRIED, DB_STATEMENT_TIMEOUT="1", DB_CONNECT_TIMEOUT="1") as served:
        bob = served.visitor()
        wait_for(lambda: bob.try_to_sign_in(login="bob", password=PASSWORDS["bob"]).status_code == 200)  # in a second
        bob.get("/api/customers/1")
        sent = payment("7.04")
        with frozen(place):
            assert problem(bob.get("/api/customers/1"), 503)["error"]
            problem(bob.post(PAYMENTS, json=sent), 503)
            problem(served.visitor().try_to_sign_in(login="ann", password="correct-horse-9"), 503)
            assert served.visitor().who() is None
        answer = wait_for(lambda: (tried := bob.post(PAYMENTS, json=sent)).status_code == 201 and tried)
    assert [answer.json()["payment_id"]] == recorded(place, sent)


SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGHUP])
def test_a_signal_ends_the_server_and_says_so(place, number):
    with site(place.uri) as served:
        bob = served.person("bob")
        bob.get("/api/customers/1")
        assert served.end(number) == 0
        assert served.output.endswith("Stopped.\n")
        assert served.complained == []
    wait_for(lambda: not place.sessions("bob"))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_payment_under_way_at_the_end_is_finished(place, number):
    sent = payment("8.01")
    with site(place.uri, before=UNHURRIED, **PATIENT) as served, place.session() as holder:
        bob = served.person("bob")
        holder.execute(HOLD)
        with in_background(lambda: bob.post(PAYMENTS, json=sent)) as came:
            wait_for(lambda: place.sql(WAITING))
            served.process.send_signal(number)
            wait_for(lambda: _refuses(served))
            holder.execute("COMMIT")
        assert served.process.wait(90) == 0
    answer, = came
    assert [answer.json()["payment_id"]] == recorded(place, sent)


def _refuses(served):
    """Tell whether the server has heard that it is to end: then it takes nobody in."""
    try:
        socket.create_connection(("127.0.0.1", int(served.address.rstrip("/").rpartition(":")[2]))).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("number", SIGNALS)
def test_a_payment_that_waits_too_long_at_the_end_is_not_made(place, number):
    sent = payment("8.02")
    with site(place.uri, before=HASTY, **PATIENT) as served, place.session() as holder:
        bob = served.person("bob")
        holder.execute(HOLD)
        with in_background(lambda: bob.post(PAYMENTS, json=sent)):
            wait_for(lambda: place.sql(WAITING))
            assert served.end(number) == 0
        wait_for(lambda: not place.sessions("bob"))
        holder.execute("COMMIT")
    assert recorded(place, sent) == []
    assert served.complained == []


def test_a_frozen_database_does_not_keep_the_server_from_ending(place):
    with site(place.uri, before=HASTY, **PATIENT) as served, place.session() as holder:
        bob = served.person("bob")
        holder.execute(HOLD)
        with in_background(lambda: bob.post(PAYMENTS, json=payment())):
            wait_for(lambda: place.sql(WAITING))
            with frozen(place):
                assert served.end() == 0
    assert served.complained == []


def test_clients_that_hang_do_not_keep_the_server_from_ending(place):
    with site(place.uri, before=HASTY) as served, contextlib.ExitStack() as opened:
        bob = served.person("bob")
        cookie = "; ".join(f"{name}={value}" for name, value in bob.cookies.items())
        for text in ("", "GET / HT", f"POST /api/customers HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nX-CSRF-Token: "
                     f"{bob.token}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{"):
            _silent(opened, served, text)
        assert bob.get("/api/customers/1").status_code == 200
        assert served.end() == 0
        assert served.complained == []


def _silent(opened, served, text):
    """Connect, send a text, and never read; what is not read is not taken over by this machine either."""
    client = opened.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", int(served.address.rstrip("/").rpartition(":")[2])))
    client.sendall(text.encode())
    return client


def test_the_embedded_database_ends_with_the_server_and_keeps_what_was_saved(tmp_path):
    with embedded_site() as served:
        guest = served.guest()
        added = guest.post("/api/customers", json={"name": "Ada"}).json()
        assert served.end() == 0
        assert not list(served.folder.glob("*/postmaster.pid"))
        with site("", ISP_DATA_DIR=str(served.folder)) as again:
            assert again.guest().get(f"/api/customers/{added['customer_id']}").json()["name"] == "Ada"


def test_an_embedded_database_that_died_is_started_again(tmp_path):
    with embedded_site() as served:
        guest = served.guest()
        guest.post("/api/customers", json={"name": "Ada"})
        pid = int(next(served.folder.glob("postgres-*/postmaster.pid")).read_text().split()[0])
        kill_server(pid)
        answer = wait_for(lambda: (tried := guest.get("/api/customers/1")).status_code == 200 and tried)
        assert answer.json()["name"] == "Ada"


@pytest.fixture
def refused(place):
    """Run `main.py web` where it cannot serve, and return its one sentence."""
    def run(*options, code=2, **more):
        done = run_program(place.uri, "web", *options, **more)
        assert (done.returncode, done.stdout) == (code, "")
        return sentence(done.stderr)

    return run


def test_a_port_that_is_taken_is_said_to_be(refused):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refused("--port", str(port)) == (
            f"Something listens at port {port} already; end that, or choose another with --port.")


def test_a_port_that_is_not_for_this_user_is_said_to_be():
    said = web_server._why_not_here("127.0.0.1", 80, PermissionError(errno.EACCES, "Permission denied"))
    assert said == "This system user may not listen at port 80; choose one from 1024 on with --port."


@pytest.mark.parametrize("host", [
    "203.0.113.1", "no-such-host.invalid", "a" * 300, "x..y", "\xe9.", "1.2.3", "300.1.1.1", "::zz", "127.0.0.1:80",
    "http://localhost", " ", "", "-",
])
def test_an_address_that_this_machine_has_not_is_said_to_be_none(refused, host):
    assert refused("--host", host) == f"This machine has no address {host} to listen at; choose another with --host."


@pytest.mark.parametrize("port", ["-1", "65536", "x", "", "80.5", "١"])
def test_a_port_that_is_none_is_refused(place, port):
    done = run_program(place.uri, "web", f"--port={port}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Enter a port from 1 to 65535, or 0 for one that is free." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_viewer_s_link_is_refused_where_people_have_logins(refused):
    assert refused("--viewer-link", code=1) == ("--viewer-link is for the embedded database; here people sign in with "
                                                "their own logins.")


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "pydantic"])
def test_packages_that_are_not_there_are_said_to_be_missing(place, package):
    done = subprocess.run(
        [sys.executable, "-c", CHANGED.format(f"import sys; sys.modules[{package!r}] = None"), "web"], text=True,
        cwd=PROJECT, env=environment(place.uri), capture_output=True, check=False, timeout=180)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence(done.stderr) == "The page needs packages that are not here: run pip install -r requirements.txt."


HOSTILE = ["<script>alert(1)</script>", "</title><img src=x onerror=alert(1)>", "\x1b]0;owned\x07", "\u202egnp.exe",
           "a\u2028b", "\x9b31m", "=HYPERLINK(1)", "\r\nSet-Cookie: a=b", "\ufeff", "\U0001f600"]


@pytest.fixture
def hostile(place):
    """Customers with such names, who are late, as SQL in psql can store them."""
    numbers = []
    with contextlib.closing(psycopg2.connect(place.superuser)) as conn, conn.cursor() as cur:
        conn.autocommit = True
        for name in HOSTILE:
            cur.execute("INSERT INTO customers (name) VALUES (%s) RETURNING customer_id", (name,))
            numbers.append(cur.fetchone()[0])
            cur.execute("INSERT INTO billing (customer_id, description, due_date, amount_billed) "
                        "VALUES (%s, %s, '2026-01-01', 5)", (numbers[-1], name))
        yield numbers
        cur.execute("DELETE FROM billing WHERE customer_id = ANY (%s)", (numbers,))
        cur.execute("DELETE FROM customers WHERE customer_id = ANY (%s)", (numbers,))


def test_what_is_stored_comes_out_as_data_and_nothing_else(bob, hostile):
    for number, name in zip(hostile, HOSTILE):
        answer = bob.get(f"/api/customers/{number}")
        assert answer.headers["content-type"] == "application/json"
        assert "set-cookie" not in answer.headers
        assert answer.json()["name"] == name
        assert answer.json()["unpaid_bills"][0]["description"] == name
    listed = {row["name"] for row in bob.get("/api/late", params={"limit": 200}).json()["rows"]}
    assert set(HOSTILE) <= listed


@pytest.mark.parametrize("name", HOSTILE)
def test_a_refusal_repeats_nothing_that_was_sent(bob, name):
    """What stands in a sentence may be anybody's; a page that showed it as markup would be theirs."""
    said = [bob.post("/api/customers", json={"name": f"{name}\0"}), bob.post("/api/customers", json={name: 1}),
            bob.get(f"/api/customers/{quote(name)}"), bob.get("/api/late", params={"sort": name})]
    for answer in said:
        assert "script" not in answer.json()["error"]
        assert all(sign.isprintable() for sign in answer.json()["error"])


@pytest.mark.parametrize(("path", "write"), [
    ("/api/late.csv", exporting.export_late), ("/api/aging.csv", exporting.export_aging),
])
@pytest.mark.parametrize("asked", [
    {}, {"as_of": "2026-02-15"}, {"sort": "name"}, {"sort": "amount"}, {"search": "script"},
    {"as_of": "2026-02-15", "sort": "name", "search": "script"}, {"search": "nobody of this name"},
])
def test_the_csv_of_a_list_is_what_the_exports_write(bob, place, hostile, path, write, asked):
    answer = bob.get(path, params=asked)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    database.connect(place.uri)
    given = {**asked, **({"as_of": date(2026, 2, 15)} if "as_of" in asked else {})}
    file = io.BytesIO()
    write(file, **given)
    assert answer.content == file.getvalue()


def test_the_csv_of_late_customers_is_the_file_that_the_export_writes(bob, place, hostile, tmp_path):
    run_program(place.uri, "export", "late", str(tmp_path / "late.csv"))
    assert bob.get("/api/late.csv").content == (tmp_path / "late.csv").read_bytes()


def test_what_somebody_else_changed_is_shown_with_two_decimals_however_it_is_stored(bob, place):
    place.sql("UPDATE equipment SET equipment_name = 'Modem', cost = 7 WHERE equipment_id = 1")
    seen = {"equipment_name": "Router", "serial_number": "S-1", "cost": "7"}
    said = problem(bob.patch("/api/equipment/1", json={"equipment_name": "Switch", "seen": seen}), 409)
    assert (said["present"]["equipment_name"], said["present"]["cost"]) == ("Modem", "7.00")


def test_a_field_that_somebody_else_changed_meanwhile_is_shown_and_not_lost(page, bob):
    seen = bob.get("/api/equipment/1").json()
    seen = {name: seen[name] for name in ("equipment_name", "serial_number", "cost")}
    other = page.person("ben", WORD)
    assert other.patch("/api/equipment/1", json={"cost": "70", "seen": seen}).status_code == 200
    said = problem(bob.patch("/api/equipment/1", json={"cost": "80", "seen": seen}), 409)
    assert (said["present"]["cost"], said["present"]["equipment_id"], said["questions"]) == ("70.00", 1, [])
    assert bob.patch("/api/equipment/1", json={"equipment_name": "Router 2", "seen": seen}).status_code == 200
    assert bob.get("/api/equipment/1").json()["cost"] == "70.00"
    taken = bob.patch("/api/equipment/1", json={"cost": "80", "seen": {**seen, "cost": said["present"]["cost"]}})
    assert taken.json()["cost"] == "80.00"


def test_of_many_who_change_a_field_at_once_one_wins_and_all_others_are_told(page, bob):
    added = bob.post("/api/customers", json={"name": "Contested", "confirmed": ["similar"]}).json()
    names, lock = iter(range(8)), threading.Lock()

    def change():
        with lock:
            number = next(names)
        return bob.patch(f"/api/customers/{added['customer_id']}", json={
            "name": f"Contested {number}", "seen": {"name": "Contested", "phone_number": None}})

    answers = together(8, change)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    won, = (answer.json()["name"] for answer in answers if answer.status_code == 200)
    assert {answer.json()["present"]["name"] for answer in answers if answer.status_code == 409} == {won}


def test_forty_at_once_on_two_connections_all_get_their_answer(page, bob, place):
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: bob.get("/api/overview"), range(80)))
    assert {answer.status_code for answer in answers} == {200}
    wait_for(lambda: len(place.sessions("ben")) <= 2, UNUSED_SECONDS / 2)  # one that was closed ends by itself


def test_who_asks_for_much_at_once_keeps_nobody_else_waiting(place):
    """Whoever has more requests under way than the server has threads would stop it for all, but for their turn."""
    with site(place.uri, **PATIENT, DB_POOL_WAIT="600") as served, place.session() as holder, \
            contextlib.ExitStack() as opened:
        ann, bob = served.person("ann"), served.person("bob")
        cookie = "; ".join(f"{name}={value}" for name, value in bob.cookies.items())
        holder.execute("BEGIN; LOCK TABLE equipment")
        for _ in range(150):
            _silent(opened, served, f"GET /api/equipment/1 HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n")
        wait_for(lambda: len(place.sql(WAITING)) == 2)
        assert ann.get("/api/customers").status_code == 200
        assert served.visitor().who() is None
        assert place.sql(WAITING)
        holder.execute("COMMIT")


def test_of_many_sign_ins_that_hang_few_are_at_the_database_at_once(place):
    with site(place.uri, DB_CONNECT_TIMEOUT="600") as served, contextlib.ExitStack() as opened:
        with frozen(place):
            for number in range(150):
                secret = json.dumps({"login": f"nobody{number}", "password": "x"})
                _silent(opened, served, "POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                        f"Content-Length: {len(secret)}\r\n\r\n{secret}")
            process = psutil.Process(served.process.pid)
            wait_for(lambda: process.num_fds() > 150)
            assert [served.visitor().who() for _ in range(20)] == [None] * 20
            assert len(process.net_connections("unix")) <= 12  # 8 at the database, and the program's own
        assert served.person("bob").who()["login"] == "bob"


@pytest.fixture
def many(place):
    """Thirty thousand who are late."""
    place.sql("""
        BEGIN;
        SET LOCAL session_replication_role = replica;
        INSERT INTO customers (name)
        SELECT 'Customer of many ' || n || repeat(' x', 85) FROM generate_series(1, 30000) AS n;
        INSERT INTO billing (customer_id, description, due_date, amount_billed)
        SELECT customer_id, 'Setup', '2026-01-01', 5 FROM customers WHERE name LIKE 'Customer of many %';
        COMMIT;
        ANALYZE customers, billing
    """)
    yield
    place.sql("""
        BEGIN;
        SET LOCAL session_replication_role = replica;
        DELETE FROM billing
        WHERE customer_id IN (SELECT customer_id FROM customers WHERE name LIKE 'Customer of many %');
        DELETE FROM customers WHERE name LIKE 'Customer of many %';
        COMMIT
    """)


def test_a_client_that_does_not_read_its_csv_holds_no_connection_and_no_file_once_it_is_gone(place, many):
    with site(place.uri) as served:
        bob = served.person("bob")
        bob.get("/api/customers/1")
        process = psutil.Process(served.process.pid)
        cookie = "; ".join(f"{name}={value}" for name, value in bob.cookies.items())
        busy = "SELECT pid FROM pg_stat_activity WHERE usename = 'bob' AND state <> 'idle'"
        before = process.num_fds()
        with contextlib.ExitStack() as opened:
            clients = [_silent(opened, served, f"GET /api/late.csv HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n")
                       for _ in range(lists.MOST_DOWNLOADS)]
            for client in clients:
                assert client.recv(12) == b"HTTP/1.1 200"
            wait_for(lambda: not place.sql(busy))
            assert process.num_fds() >= before + 2 * len(clients)
            assert bob.get("/api/customers/1").status_code == 200
        wait_for(lambda: process.num_fds() <= before + 2)


def test_a_list_is_read_to_its_end_page_by_page_and_has_nobody_twice(bob, many):
    seen, cursor = [], {}
    while cursor is not None:
        answer = bob.get("/api/late", params={"search": "many 12", "limit": 200, "sort": "name", **cursor}).json()
        seen += [row["customer_id"] for row in answer["rows"]]
        cursor = {"cursor": answer["next"]} if answer["next"] else None
    assert len(seen) == len(set(seen)) == answer["total"]["customers"]


def test_what_is_asked_comes_back_with_the_payments_it_is_about(bob):
    sent = payment("9.99", reference="Q-1")
    assert bob.post(PAYMENTS, json=sent).status_code == 201
    for asked, amount in ((payment("9.99", reference="Q-1"), "9.99"), (payment("4", paid_on="2026-01-31"), "4.00")):
        question, = problem(bob.post(PAYMENTS, json={**asked, "confirmed": []}), 409)["questions"]
        assert question["kind"] == "repeated"
        assert [row["amount"] for row in question["payments"]] == [amount]
    said = problem(bob.post(PAYMENTS, json={**payment("1000.00"), "confirmed": []}), 409)
    assert [question["kind"] for question in said["questions"]] == ["much"]
    assert json.dumps(said)


def test_the_server_does_not_begin_without_its_database(tmp_path):
    done = run_program(f"host={tmp_path} dbname=books user=isp", "web", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence(done.stderr)
    assert os.listdir(tmp_path) == []
