"""The whole program behind a real pgbouncer, whose sessions it shares with others and with itself."""
from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import psycopg2
import psycopg2.extensions
import pytest
import walks
from clusters import caught_up, fail_over
from conftest import PROJECT, PROMPT, environment, lines, run_program, sentence, wait_for
from pages import books, problem, site
from pooler import pooler
from test_failover import WRITER, servers  # noqa: F401
from test_migrations import old, template_1  # noqa: F401 (fixtures)
from test_people import OTHER, WORD
from test_screens import SCREENS, WIDTHS, difference, everywhere, expected, expected_file, fresh_database, walked  # noqa: F401
from test_time_zones import EAST, WEST

import database
from tracker import access
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

SETTINGS = """
    SELECT pg_backend_pid() AS pid, current_setting('statement_timeout') AS statements,
           current_setting('lock_timeout') AS locks, current_setting('search_path') AS path,
           current_setting('default_transaction_read_only') AS read_only
"""
AS_THEY_BEGAN = ("0", "0", '"$user", public', "off")


@pytest.fixture
def before(uri):
    """A pgbouncer in transaction mode before the server; several of its sessions are open."""
    with pooler(uri) as started:
        yield started
        database.disconnect()


@pytest.fixture
def pooled(before, uri):
    """The test's database, through the pooler."""
    return before.uri(uri)


@contextlib.contextmanager
def neighbours(uri, count=3):
    """Lend cursors of other clients of the pooler, each in a transaction, so that each has another session.

    They end it before they leave: of a client that leaves in the middle of one, the pooler gives the session to nobody.
    """
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(psycopg2.connect(uri))) for _ in range(count)]
        cursors = [client.cursor() for client in clients]
        for cur in cursors:
            cur.execute("SELECT 1")
            stack.callback(cur.connection.rollback)
        yield cursors


def sessions(uri):
    """Return how each of the pooler's sessions stands for its next client, by its process."""
    with neighbours(uri) as cursors:
        for cur in cursors:
            cur.execute(SETTINGS)
        return {row[0]: row[1:] for cur in cursors for row in cur.fetchall()}


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("walk", walks.WALKS, ids=lambda walk: walk.__name__)
def test_each_screen_is_the_same_through_a_pooler(walk, mode, fresh_database, tmp_path):  # noqa: F811
    uri = fresh_database()
    with pooler(uri, pool_mode=mode) as before:
        session = walked(walk, uri, WIDTHS[0], tmp_path / "own", before.uri(uri))
    found = [
        difference(path, expected(path, session.today, WIDTHS[0]), everywhere(shown), WIDTHS[0])
        for screen, shown in session.shots.items()
        for path in [expected_file(SCREENS / walk.__name__, screen, WIDTHS[0])]
    ]
    assert "\n".join(filter(None, found)) == ""


def test_no_setting_stays_with_the_sessions_that_others_get_next(pooled, uri, tmp_path):
    assert set(sessions(pooled).values()) == {AS_THEY_BEGAN}
    file = tmp_path / "customers.csv"
    file.write_text("name,phone_number,address\nBo Li,5550101,1 Hill\n")
    for command in (("demo",), ("import", "--yes", str(file)), ("bill", "--period", "2026-01", "--yes"),
                    ("late-report",), ("verify",), ("--read-only", "verify")):
        done = run_program(pooled, *command, TIMEZONE=EAST)
        assert done.returncode == 0, done.stderr
    assert run_program(pooled, answers=lines("1", "1", "Cy Young", "5550102", "0", "0", "0")).returncode == 0
    assert set(sessions(pooled).values()) == {AS_THEY_BEGAN}


def test_what_others_left_in_the_sessions_changes_nothing(pooled, run):
    assert run("demo").returncode == 0
    with neighbours(pooled) as cursors:
        for cur in cursors:  # as pg_dump does, and a program with limits of its own
            cur.execute("SET search_path = ''; SET statement_timeout = '9s'; SET lock_timeout = '7s'")
            cur.connection.commit()
    assert set(sessions(pooled).values()) == {("9s", "7s", '""', "off")}
    database.connect(pooled)
    for lend in (database.reading, database.transaction, database.rehearsal):
        with lend() as cur:
            cur.execute(SETTINGS)
            row = cur.row()
        assert (row["statements"], row["locks"], row["path"]) == ("1min", "5s", '"$user", public')
    database.disconnect()
    for command in (("late-report", "--format", "csv"), ("account-report",), ("verify",)):
        through, direct = run_program(pooled, *command), run(*command)
        assert (through.returncode, through.stdout, through.stderr) == (0, direct.stdout, direct.stderr)


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_bill_is_late_by_the_business_s_day_whichever_session_answers(mode, uri, run, monkeypatch):
    monkeypatch.setenv("TIMEZONE", WEST)
    database.connect(uri)
    yesterday = database.today() - timedelta(days=1)
    database.add_bill(database.add_customer("Ada Okafor", "5550100"), "Setup", Decimal(10), yesterday)
    database.disconnect()
    with pooler(uri, pool_mode=mode, ignore_startup_parameters="options") as before:
        ways = {"direct": uri, "pooled": before.uri(uri)}
        found = {(zone, way): run_program(ways[way], "late-report", "--format", "csv", TIMEZONE=zone).stdout
                 for zone in (EAST, WEST) for way in ways}
    for zone in (EAST, WEST):
        assert found[zone, "pooled"] == found[zone, "direct"] != ""
    assert found[EAST, "pooled"] != found[WEST, "pooled"]


def test_a_time_zone_that_the_server_does_not_know_is_said_through_a_pooler_too(pooled):
    done = run_program(pooled, "verify", TIMEZONE="Europe/Atlantis")
    assert done.returncode == 2
    assert sentence(done.stderr) == (
        "The server does not know the time zone in TIMEZONE; use a name such as Europe/Paris.")


def test_options_that_an_old_pooler_does_not_take_are_named_as_what_to_leave_out(before, uri):
    done = run_program(before.uri(uri, options="-c statement_timeout=5"), "verify")
    assert done.returncode == 2
    assert sentence(done.stderr) == (
        f"The pooler at 127.0.0.1, port {before.port} takes no options at the start; leave them out of DATABASE_URI.")


def test_a_result_that_is_streamed_comes_whole_through_a_single_session(uri, run, sql, tmp_path):
    sql("INSERT INTO customers (name, phone_number) SELECT 'customer ' || i, i FROM generate_series(1000, 3999) AS i")
    with pooler(uri, default_pool_size=1) as before:
        for where, to in ((uri, "direct"), (before.uri(uri), "pooled")):
            assert run_program(where, "account-report", "--format", "csv").returncode == 0
            done = run_program(where, answers=lines("7", "2", str(tmp_path / f"{to}.csv"), "0", "0"))
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "pooled.csv").read_bytes() == (tmp_path / "direct.csv").read_bytes()
    assert len((tmp_path / "pooled.csv").read_text().splitlines()) == 3001


def test_first_starts_at_once_on_an_empty_database_all_succeed(empty_uri):
    with pooler(empty_uri, default_pool_size=2) as before, ThreadPoolExecutor(4) as threads:
        starts = list(threads.map(lambda _: run_program(before.uri(empty_uri), "verify"), range(4)))
    assert [(start.returncode, start.stderr) for start in starts] == [(0, "")] * 4


def test_an_older_database_is_upgraded_through_a_pooler(old):  # noqa: F811
    with pooler(old) as before:
        done = run_program(before.uri(old), "upgrade", answers="yes\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert run_program(before.uri(old), "verify").returncode == 0


def test_a_backup_through_a_pooler_is_refused_in_one_sentence(pooled, tmp_path):
    done = run_program(pooled, "backup", str(tmp_path))
    assert done.returncode == 2
    assert sentence(done.stderr) == ("Back up from the server itself: what DATABASE_URI names is a pooler, and pg_dump "
                                     "needs a session of its own.")
    assert list(tmp_path.iterdir()) == []


def test_the_trail_knows_program_and_login_through_a_pooler(pooled, sql):
    database.connect(pooled)
    database.add_customer("Ada Okafor", "5550100")
    database.update_customer(1, name="Ada Obi")
    assert sql("SELECT DISTINCT program, login FROM trail") == [
        {"program": "isp-customer-tracker", "login": psycopg2.extensions.parse_dsn(pooled)["user"]}]


def test_ctrl_c_cancels_a_query_through_a_pooler_and_the_menu_goes_on(pooled, sql, terminal):
    sql("CREATE OR REPLACE FUNCTION matching_customers("
        "words text[], phones text[], phone_inside text, account text, most integer) "
        "RETURNS TABLE (customer_id bigint, by_number boolean) "
        "LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$")
    child = terminal(DATABASE_URI=pooled, DB_STATEMENT_TIMEOUT="90")
    for answer in ("1", "3", "Ada"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    wait_for(lambda: sql(asleep))
    child.sendintr()
    child.expect_exact("Cancelled, nothing changed.")
    assert sql(asleep) == []
    for answer in ("1", "Bo Li", "5550101"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("Added customer 1, Bo Li.")


def test_the_menu_goes_on_after_the_pooler_was_restarted_between_two_actions(before, pooled, terminal):
    child = terminal(DATABASE_URI=pooled)
    for answer in ("1", "1", "Ada Okafor", "5550100"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("Added customer 1, Ada Okafor.")
    child.expect(PROMPT)
    before.end()
    child.send("2\r")
    child.expect_exact("The database cannot be reached now; try again in a moment.")
    child.expect(PROMPT)
    before.start()
    child.send("2\r")
    child.expect(PROMPT)
    child.send("\r")
    child.expect_exact("5550100")


def test_no_payment_is_lost_or_doubled_when_the_pooler_dies_under_load(before, pooled, uri):
    database.connect(uri)
    database.add_customer("Ada Okafor", "5550100")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER], cwd=PROJECT, env=environment(pooled), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]

    def saved():
        return database.fetch_value("SELECT count(*) FROM payments")

    try:
        for _ in range(3):
            seen = saved()
            wait_for(lambda seen=seen: saved() > seen + 20)
            before.end()
            before.start()
        seen = saved()
        wait_for(lambda: saved() > seen + 20)
    finally:
        for writer in writers:
            writer.terminate()
        said = [key for writer in writers for key in re.findall(r"^saved (.+)$", writer.communicate()[0], re.MULTILINE)]
    kept = [row["key"] for row in database.fetch_all("SELECT entry_key::text AS key FROM payments")]
    assert len(kept) == len(set(kept))
    assert set(said) <= set(kept)
    assert len(said) > 60
    assert verify_books()[1] == []


def test_a_pooler_that_takes_no_more_clients_is_one_sentence(uri):
    with pooler(uri, max_client_conn=1) as before, contextlib.closing(psycopg2.connect(before.uri(uri))):
        done = run_program(before.uri(uri), "verify")
    assert done.returncode == 2
    assert sentence(done.stderr) == (
        f"The server at 127.0.0.1, port {before.port} has no connection to spare; try again in a moment.")


@pytest.mark.parametrize("waits", [3, 120], ids=["the pooler gives up", "the program gives up"])
def test_a_pooler_whose_sessions_are_all_in_use_is_one_sentence(waits, uri):
    with pooler(uri, default_pool_size=1, query_wait_timeout=waits) as before, neighbours(before.uri(uri), 1):
        done = run_program(before.uri(uri), "verify", DB_CONNECT_TIMEOUT="6")
    assert done.returncode == 2
    assert sentence(done.stderr) == (
        f"The server at 127.0.0.1, port {before.port} has no connection to spare; try again in a moment.")


def test_a_pooler_whose_server_is_away_is_one_sentence(uri):
    with pooler(psycopg2.extensions.make_dsn(uri, host="/nonexistent")) as before:
        done = run_program(before.uri(uri), "verify", DB_CONNECT_TIMEOUT="2")
    assert done.returncode == 2
    assert sentence(done.stderr) == (
        f"Nothing answered in time at 127.0.0.1, port {before.port}; check DATABASE_URI and the network.")


# How docs/SERVERS.md lets a pooler ask for people's passwords: not for those who are locked, or past their last day.
LOOKUP = """
    CREATE ROLE pooler LOGIN PASSWORD 'pool-word';
    CREATE SCHEMA pooler;
    CREATE FUNCTION pooler.password_of(login text) RETURNS TABLE (login_name text, password text)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            SELECT rolname::text, rolpassword
            FROM pg_authid
            WHERE rolname = login AND rolcanlogin AND NOT rolsuper AND coalesce(rolvaliduntil > now(), true)
        $$;
    REVOKE ALL ON FUNCTION pooler.password_of FROM PUBLIC;
    GRANT USAGE ON SCHEMA pooler TO pooler;
    GRANT EXECUTE ON FUNCTION pooler.password_of TO pooler;
    ALTER ROLE isp PASSWORD 'owner-word';
"""


@pytest.fixture(scope="module")
def people():
    """Books on a server that asks for passwords, behind a pooler that asks it for everybody's."""
    with books() as made:
        made.sql(LOOKUP)
        with pooler(made.uri, '"pooler" "pool-word"\n', auth_type="scram-sha-256", auth_user="pooler",
                    query_wait_timeout=5,
                    auth_query="SELECT * FROM pooler.password_of($1)") as before:
            made.pooled = before.uri(made.uri, password="owner-word")
            yield made


def test_people_sign_in_to_the_page_through_a_pooler_with_their_own_passwords_and_rights(people):
    with site(people.pooled) as page:
        problem(page.visitor().try_to_sign_in(login="bob", password="not it"), 401)
        problem(page.visitor().try_to_sign_in(login="nobody", password="not it"), 401)
        bob, ann = page.person("bob", OTHER), page.person("ann", WORD)
        assert bob.post("/api/customers", json={"name": "Cy Young", "phone_number": "5550177"}).status_code == 201
        problem(ann.post("/api/customers", json={"name": "Di Ray", "phone_number": "5550178"}), 403)
        assert ann.get("/api/overview").status_code == 200
    assert people.sql("SELECT login, program FROM trail ORDER BY trail_id DESC LIMIT 1") == [
        ("bob", "isp-customer-tracker")]


def test_who_is_locked_or_past_the_last_day_is_out_through_a_pooler_too(people):
    for login in ("dan", "dora"):
        people.add(login)
    with site(people.pooled) as page:
        dan, dora = page.person("dan", WORD), page.person("dora", WORD)
        database.connect(people.uri)
        access.lock("dan")
        access.set_end("dora", database.today() - timedelta(days=1))
        database.disconnect()
        problem(dan.get("/api/overview"), 401)
        for login in ("dan", "dora"):
            problem(page.visitor().try_to_sign_in(login=login, password=WORD), 401)
        assert dora.get("/api/overview").status_code == 200  # a session that is open goes on, as without a pooler


def test_a_pooler_that_asks_for_no_password_lets_nobody_into_the_page(people):
    with pooler(people.uri, f'"isp" ""\n"bob" "{OTHER}"\n') as before, site(before.uri(people.uri)) as page:
        said = problem(page.visitor().try_to_sign_in(login="bob", password="anything"), 403)
    assert said["error"] == ("The database lets people in without a password from here, so that the page cannot tell "
                             "who is who: set scram-sha-256 as the auth_type of its pooler.")


def test_reports_are_read_from_a_standby_behind_a_pooler_whatever_others_left_there(servers, monkeypatch):  # noqa: F811
    primary, standby = servers
    database.connect(primary.uri)
    database.add_customer("Ada Okafor", "5550100")
    database.disconnect()
    caught_up(primary, standby)
    with pooler(primary.uri) as first, pooler(standby.uri) as second:
        with neighbours(second.uri(standby.uri)) as cursors:
            for cur in cursors:
                cur.execute("SET search_path = ''")
                cur.connection.commit()
        monkeypatch.setenv("REPORTS_URI", second.uri(standby.uri))
        database.connect(first.uri(primary.uri))
        with database.reporting():
            assert database.fetch_value("SELECT pg_is_in_recovery()")
            assert [row["name"] for row in database.list_customers()] == ["Ada Okafor"]
        database.disconnect()


def test_a_pooler_tells_that_its_server_was_promoted_once_it_reconnects(servers):  # noqa: F811
    primary, standby = servers
    database.connect(primary.uri)
    database.disconnect()
    wait_for(lambda: standby.sql("SELECT to_regclass('customers') IS NOT NULL") == [(True,)])
    with pooler(primary.uri) as first, pooler(standby.uri, admin_users="postgres") as second:
        uri = (f"host=127.0.0.1,127.0.0.1 port={first.port},{second.port} user=postgres dbname=postgres "
               "target_session_attrs=read-write")
        assert run_program(uri, "verify").returncode == 0
        psycopg2.connect(second.uri(standby.uri)).close()
        first.end()  # with its machine: else it would let everybody in, and make them wait for a server that is gone
        fail_over(primary, standby)
        done = run_program(uri, "verify")
        assert done.returncode == 2
        assert sentence(done.stderr) == (
            f"Of the servers at 127.0.0.1,127.0.0.1, port {first.port},{second.port} those that answer are standbys or "
            "read-only, and target_session_attrs asks for one that takes changes; try again once there is one.")
        with contextlib.closing(psycopg2.connect(second.uri(standby.uri, dbname="pgbouncer"))) as console:
            console.autocommit = True
            console.cursor().execute("RECONNECT")
        done = run_program(uri, "verify")
        assert (done.returncode, done.stderr) == (0, "")
