"""Reports are read from a standby as long as it shows what the primary has, and from the primary otherwise."""
from __future__ import annotations

import contextlib
import socket
import threading
import time
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psutil
import pytest
from clusters import HBA, alone, caught_up, cut_off, fail_over, pair
from conftest import PROMPT, in_memory, lines, processes_of, run_program, wait_for
from pages import own_folder, site, together

import database
from benchmarks.cluster import servers as servers_of
from tracker import access, errors, payments, reports, standby
from tracker.transfer import exporting

pytestmark = pytest.mark.slow

WORD = "correct-horse-9"


@pytest.fixture
def servers():
    with pair() as both:
        yield both


@pytest.fixture
def books(servers):
    """The primary's URI; with a customer who is late with a bill of 30.00, and the people ann and bob."""
    primary, follower = servers
    database.connect(primary.uri)
    database.add_customer("Ada Okafor", "123")
    database.add_bill(1, "Setup", Decimal(30), database.today() - timedelta(days=40))
    for login in ("ann", "bob"):
        access.add(login, "admin", WORD)
    database.disconnect()
    caught_up(primary, follower)
    return primary.uri


@pytest.fixture
def connect(servers, books, monkeypatch):
    """Open the database with a standby that may lag some seconds, each read looked at anew."""
    def connect_with(most_behind=3600, uri=servers[1].uri):
        monkeypatch.setenv("REPORTS_URI", uri)
        monkeypatch.setenv("REPORTS_MAX_LAG", str(most_behind))
        monkeypatch.setattr(database, "PRIMARY_KNOWN", 0)
        monkeypatch.setattr(database, "LAGS_FOR", 0)
        monkeypatch.setattr(database, "AWAY_FOR", 0)
        database.connect(books)

    yield connect_with
    database.disconnect()


def is_from_standby():
    with database.reporting():
        return database.fetch_value("SELECT pg_is_in_recovery()")


def late():
    with database.reporting():
        return reports.late_total()["amount"]


def source():
    return database.reports_source()


def sentence(follower, why):
    return f"from the primary: the standby at {follower.folder}, port 5432 {why}"


def pause(follower):
    follower.sql("SELECT pg_wal_replay_pause()")
    wait_for(lambda: follower.sql("SELECT 1 WHERE pg_get_wal_replay_pause_state() = 'paused'"))


def pay_elsewhere(primary, amount=5):
    """Record a payment as somebody in psql does, who is nobody of this process."""
    primary.sql(f"""
        INSERT INTO payments (customer_id, amount, paid_on, method, entry_key)
        VALUES (1, {amount}, CURRENT_DATE, 'cash', gen_random_uuid());
        SELECT apply_credit(ARRAY[1]::bigint[])
    """)


def test_only_what_is_reported_is_read_from_the_standby(connect, servers):
    connect()
    assert is_from_standby()
    assert not database.fetch_value("SELECT pg_is_in_recovery()")
    with database.reporting():
        with database.reporting(False):
            assert not database.fetch_value("SELECT pg_is_in_recovery()")
        with database.transaction() as cur:
            cur.execute("SELECT pg_is_in_recovery() AS there")
            assert not cur.row()["there"]
        assert database.rights()["why_not"] == ""
    assert source() == f"from the standby at {servers[1].folder}, port 5432, less than a second behind"


def test_without_a_standby_reports_are_read_from_the_primary(books, monkeypatch):
    monkeypatch.delenv("REPORTS_URI", raising=False)
    database.connect(books)
    assert not is_from_standby()
    assert source() is None


def test_what_was_saved_here_is_in_the_next_report(connect, servers, monkeypatch):
    connect()
    monkeypatch.setattr(database, "CATCH_UP", 60)
    for paid in range(1, 6):
        payments.record_payment(1, Decimal(1), database.today(), "cash", None, uuid4())
        assert is_from_standby()
        assert late() == 30 - paid


def test_what_was_saved_here_is_in_the_next_report_when_the_standby_has_stopped(connect, servers):
    connect()
    pause(servers[1])
    assert late() == 30
    pay_elsewhere(servers[0])
    assert late() == 30, "it may be as old as REPORTS_MAX_LAG says"
    database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
    assert late() == 32
    assert source() == sentence(servers[1], "does not have yet what was saved here")
    servers[1].sql("SELECT pg_wal_replay_resume()")
    wait_for(is_from_standby)
    assert late() == 32


@pytest.mark.parametrize("moment", ["_primary_of", "_give_back"], ids=["before it is asked", "after it was asked"])
def test_what_was_saved_here_is_in_the_next_report_whatever_another_thread_asks_meanwhile(
        moment, connect, servers, monkeypatch):
    connect()
    database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
    assert late() == 37
    pause(servers[1])
    if moment == "_give_back":  # the first thread, too, has something to look for
        database._own.memory.written_at = time.monotonic()
    real = getattr(database, moment)

    def interrupted(*given, **named):
        monkeypatch.setattr(database, moment, real)
        monkeypatch.setattr(database, "PRIMARY_KNOWN", 3600)
        database.add_bill(1, "Visit", Decimal(5), database.today() - timedelta(days=1))
        if moment == "_give_back":
            assert together(1, late) == [42]
        return real(*given, **named)

    monkeypatch.setattr(database, moment, interrupted)
    late()
    assert late() == 42


@pytest.mark.parametrize("reply", ["comes", "is lost"])
def test_what_was_saved_here_is_in_the_next_report_though_another_thread_reported_before_commit(
        reply, connect, servers, monkeypatch):
    connect()
    pause(servers[1])
    monkeypatch.setattr(database, "PRIMARY_KNOWN", 3600)
    real = database._commit

    def report_first(conn):
        assert together(1, late) == [30]
        real(conn)
        if reply == "is lost":
            raise errors.OutcomeUnknown

    monkeypatch.setattr(database, "_commit", report_first)
    with contextlib.suppress(errors.OutcomeUnknown):
        database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
    assert late() == 37


def test_what_was_saved_here_is_in_the_next_report_where_commit_does_not_wait_for_the_disk(connect, servers):
    primary, _ = servers
    primary.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")  # in which the standby gets nothing of it
    primary.sql("SELECT pg_reload_conf()")
    primary.sql("ALTER ROLE postgres SET synchronous_commit = off")
    connect()
    assert late() == 30
    for billed in range(1, 4):
        database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
        assert late() == 30 + 7 * billed


def test_a_standby_of_a_primary_where_nothing_happens_is_not_behind(connect):
    connect(most_behind=1)
    time.sleep(1.5)
    assert is_from_standby()


@pytest.mark.parametrize("how", ["paused", "cut off"])
def test_a_standby_that_is_too_far_behind_is_not_read(how, connect, servers):
    primary, follower = servers
    connect(most_behind=1)
    pay_elsewhere(primary, 1)
    caught_up(primary, follower)
    assert late() == 29
    if how == "paused":
        pause(follower)
    else:
        cut_off(primary, follower)
    time.sleep(1.5)
    assert is_from_standby(), "there is nothing that it does not have"
    pay_elsewhere(primary)
    assert late() == 24
    assert source().startswith(sentence(follower, "is "))
    assert source().endswith(" seconds behind")
    assert not is_from_standby()


def test_a_standby_that_lags_is_waited_for_once_and_not_at_each_read(connect, servers, monkeypatch):
    connect(most_behind=1)
    pause(servers[1])
    database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
    looks = []
    monkeypatch.setattr(database.Reports, "_look", lambda *given: looks.append(1) or "is behind")
    assert late() == 37
    first = len(looks)
    assert late() == 37
    assert first > 1
    assert len(looks) == first + 1
    monkeypatch.setattr(database, "LAGS_FOR", 3600)
    assert late() == late() == 37
    assert len(looks) == first + 2


def test_a_standby_that_was_promoted_is_not_read(connect, servers):
    _, follower = servers
    connect()
    assert is_from_standby()
    follower.sql("SELECT pg_promote()")
    follower.sql("DELETE FROM billing_items; DELETE FROM billing")
    assert late() == 30
    assert source() == sentence(follower, "is no standby")


def test_a_standby_of_a_server_that_another_took_over_from_is_not_read():
    state = {"system": 1, "database": "isp", "is_standby": True, "replayed": 900, "transactions": "7",
             "committed": None, "timeline": 1}
    place = standby.Place(1, 2, "isp")
    behind = standby.Primary(place, time.monotonic(), 9, 800, time.time(), "UTC", commits_wait=False)
    assert standby.why_not(state, behind, None, 10) == "does not follow the server in use yet"
    assert standby.why_not({**state, "timeline": 2}, behind, None, 10) == ""


def test_after_a_failover_the_former_primary_is_read_once_it_is_a_standby_of_the_new_one(servers, books, monkeypatch):
    primary, follower = servers
    both = f"host={primary.folder},{follower.folder} port=5432 user=postgres dbname=postgres target_session_attrs="
    monkeypatch.setenv("REPORTS_URI", f"{both}prefer-standby")
    for name in ("PRIMARY_KNOWN", "LAGS_FOR", "AWAY_FOR"):
        monkeypatch.setattr(database, name, 0)
    database.connect(f"{both}read-write")
    assert is_from_standby()
    fail_over(primary, follower)
    assert late() == 30
    database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
    assert late() == 37
    assert source() == (f"from the primary: the standby at {primary.folder},{follower.folder}, port 5432 "
                        "is no standby")
    primary.follow(follower)
    wait_for(is_from_standby)
    assert late() == 37


def test_a_second_standby_is_read_again_once_it_follows_the_new_primary(monkeypatch):
    with servers_of("one", "two", "three", where=in_memory()) as (one, two, three):
        one.begin()
        two.follow(one)
        three.follow(one)
        for name in ("PRIMARY_KNOWN", "LAGS_FOR", "AWAY_FOR"):
            monkeypatch.setattr(database, name, 0)
        monkeypatch.setenv("REPORTS_URI", three.uri)
        database.connect(f"host={one.folder},{two.folder} port=5432 user=postgres dbname=postgres "
                         "target_session_attrs=read-write")
        database.add_customer("Ada Okafor", None)
        caught_up(one, two)
        caught_up(one, three)
        assert is_from_standby()
        fail_over(one, two)
        assert not is_from_standby()
        assert source() == sentence(three, "does not follow the server in use yet")
        three.sql(f"ALTER SYSTEM SET primary_conninfo = 'host={two.folder} port=5432 user=postgres'")
        three.sql("SELECT pg_reload_conf()")
        wait_for(lambda: two.sql("SELECT pid FROM pg_stat_replication WHERE state = 'streaming'"))
        two.sql("CHECKPOINT")
        caught_up(two, three)
        three.sql("CHECKPOINT")
        wait_for(is_from_standby)
        database.disconnect()


def test_another_cluster_or_database_is_not_read(connect, servers):
    with alone() as other:
        database.connect(other.uri)
        database.disconnect()
        connect(uri=other.uri)
        assert late() == 30
        assert source() == f"from the primary: the standby at {other.folder}, port 5432 is no standby"
        database.disconnect()
    servers[0].sql("CREATE DATABASE old TEMPLATE template0")
    database.connect(servers[0].uri.replace("dbname=postgres", "dbname=old"))
    database.disconnect()
    caught_up(*servers)
    connect(uri=servers[1].uri.replace("dbname=postgres", "dbname=old"))
    assert late() == 30
    assert source() == sentence(servers[1], "is of another database")


def test_a_standby_of_another_cluster_is_not_read(connect):
    with pair() as (primary, follower):
        database.connect(primary.uri)
        database.disconnect()
        caught_up(primary, follower)
        connect(uri=follower.uri)
        assert late() == 30
        assert source() == sentence(follower, "is of another database")
        database.disconnect()


def test_a_standby_that_is_away_is_not_waited_for_again_and_again(connect, servers, monkeypatch):
    connect()
    assert is_from_standby()
    servers[1].kill()
    assert late() == 30
    assert source() == sentence(servers[1], "cannot be reached")
    servers[1].start()
    wait_for(is_from_standby)


@contextlib.contextmanager
def frozen(server):
    family = psutil.Process(server.process.pid)
    family.suspend()  # first: it starts none now, and none that ends is gone
    stopped = [family, *processes_of(family.pid)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


def test_a_standby_that_is_frozen_is_given_up(connect, servers, watched):
    connect()
    assert is_from_standby()
    with frozen(servers[1]):
        assert late() == 30
        assert source() in [sentence(servers[1], why) for why in ("does not answer", "cannot be reached")]
        assert late() == 30
    wait_for(is_from_standby)


@pytest.fixture
def watched():
    """Let the watcher end waits, as in the program."""
    import signal

    from tracker import interrupts

    kept = {number: signal.getsignal(number) for number in interrupts._WATCHED}
    interrupts.install()
    yield
    signal.set_wakeup_fd(-1)
    interrupts._reader = None
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_standby_that_has_not_the_tables_yet_is_not_read(servers, monkeypatch):
    primary, follower = servers
    caught_up(*servers)
    pause(follower)
    monkeypatch.setenv("REPORTS_URI", follower.uri)
    monkeypatch.setattr(database, "AWAY_FOR", 0)
    database.connect(primary.uri)
    with database.reporting():
        assert database.list_customers() == []
    assert source() == sentence(follower, "has no tables of this version")
    follower.sql("SELECT pg_wal_replay_resume()")
    wait_for(is_from_standby)


def test_a_standby_that_refuses_the_login_is_not_read(connect, servers):
    (servers[1].folder / "data" / "pg_hba.conf").write_text("local all all reject\n")
    servers[1].process.send_signal(1)
    connect()
    wait_for(lambda: late() == 30 and source() == sentence(servers[1], "does not let this login in"))
    (servers[1].folder / "data" / "pg_hba.conf").write_text(HBA)
    servers[1].process.send_signal(1)
    wait_for(is_from_standby)


def test_what_a_standby_breaks_off_is_read_again_from_the_primary_once(connect, servers, monkeypatch):
    primary, follower = servers
    follower.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    follower.sql("SELECT pg_reload_conf()")
    connect()
    monkeypatch.setattr(database, "AWAY_FOR", 3600)
    read, said = [], []
    monkeypatch.setattr(database.log, "server_error", lambda exc, *_: said.append(exc.pgcode))

    @database.retried
    def long_report():
        with database.reading() as cur:
            cur.execute("SELECT pg_is_in_recovery() AS is_standby")
            read.append(cur.row()["is_standby"])
            cur.execute("SELECT name, pg_sleep(CASE WHEN pg_is_in_recovery() THEN 60 ELSE 0 END) FROM customers")
            return cur.row()["name"]

    def is_sleeping():
        return follower.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")

    def is_in_the_way():
        """Tell whether it was; another session on the primary may see what is to be removed, such as autovacuum's."""
        primary.sql("UPDATE customers SET phone_number = '124'")
        primary.sql("VACUUM customers")
        return not is_sleeping()

    def be_in_the_way():
        wait_for(is_sleeping)
        wait_for(is_in_the_way)

    vacuum = threading.Thread(target=be_in_the_way)
    vacuum.start()
    with database.reporting():
        assert long_report() == "Ada Okafor"
    vacuum.join()
    assert read == [True, False]
    assert said == ["40001"]


def test_what_a_standby_alone_refuses_is_read_from_the_primary(connect, monkeypatch):
    connect()
    monkeypatch.setattr(database, "AWAY_FOR", 3600)
    with database.reporting():
        assert len(database.fetch_value("SELECT pg_walfile_name(pg_current_wal_lsn())")) == 24
    assert source().endswith("broke off what was read")


def test_a_list_that_a_standby_breaks_off_before_its_first_row_is_read_from_the_primary(connect, servers, monkeypatch):
    connect()
    real = reports._late_customers
    tried = []

    def broken_first(cur, asked):
        tried.append(cur)
        real(cur, asked)
        if len(tried) == 1:
            end_sessions(servers[1])

    monkeypatch.setattr(reports, "_late_customers", broken_first)
    with database.reporting():
        assert [row["amount_late"] for row in reports.stream_late_customers()] == [30]
    assert len(tried) == 2


def test_a_report_that_takes_too_long_is_not_begun_again_on_the_primary(connect, monkeypatch):
    monkeypatch.setenv("DB_STATEMENT_TIMEOUT", "3")
    connect()
    monkeypatch.setattr(database, "AWAY_FOR", 3600)
    with database.reporting(), pytest.raises(errors.Busy):
        database.fetch_value("SELECT pg_sleep(60)")
    assert is_from_standby()


def test_connections_to_the_standby_that_nobody_uses_are_closed_with_the_others(connect, servers):
    connect()
    assert is_from_standby()
    database.close_idle()
    wait_for(lambda: not servers[1].sql("SELECT pid FROM pg_stat_activity "
                                        "WHERE application_name = 'isp-customer-tracker'"))
    assert is_from_standby()


def test_days_are_the_primary_s_days(connect, servers):
    for server, zone in zip(servers, ("Pacific/Kiritimati", "Pacific/Pago_Pago")):
        server.sql(f"ALTER SYSTEM SET timezone = '{zone}'")
        server.sql("SELECT pg_reload_conf()")
        wait_for(lambda server=server, zone=zone: server.sql("SHOW timezone") == [(zone,)])
    connect()
    today = database.today()
    with database.reporting():
        assert database.today() == today
        assert database.fetch_value("SELECT current_setting('TimeZone')") == "Pacific/Kiritimati"
    assert is_from_standby()


def test_the_primary_is_asked_once_for_reads_within_a_second(connect, monkeypatch):
    connect()
    monkeypatch.setattr(database, "PRIMARY_KNOWN", 3600)
    monkeypatch.setattr(database, "CATCH_UP", 60)
    asked = []
    real = database._primary_of
    monkeypatch.setattr(database, "_primary_of", lambda conn: asked.append(1) or real(conn))
    assert [is_from_standby() for _ in range(3)] == [True] * 3
    assert len(asked) == 1
    database.add_customer("Bo Li", None)
    assert [is_from_standby() for _ in range(3)] == [True] * 3
    assert len(asked) == 2


def test_the_menus_and_commands_report_from_the_standby_and_work_on_the_primary(books, servers):
    settings = {"REPORTS_URI": servers[1].uri, "REPORTS_MAX_LAG": "3600"}
    pause(servers[1])
    pay_elsewhere(servers[0])
    assert "30.00" in run_program(books, "late-report", "--format", "csv", **settings).stdout
    assert "25.00" in run_program(books, "late-report", "--format", "csv").stdout
    for command in (["aging-report", "--format", "json"], ["account-report"], ["export", "late"], ["export", "bills"]):
        assert "30.00" in run_program(books, *command, **settings).stdout, command
    nothing = run_program(books, "payments-received", **settings).stdout
    assert nothing.startswith("No payments on ")
    assert "5.00" in run_program(books, "payments-received").stdout
    shown = run_program(books, answers=lines("6", "2", "", "0", "5", "1", "0", "8", "2", "0", "0"),
                        **settings)
    assert shown.stderr == ""
    screens = shown.stdout.split("\n\n")
    assert "25.00 in total" in shown.stdout.split("Main menu")[0], "the first screen is the primary's"
    assert any(screen.startswith("Late payments by age") and "30.00" in screen for screen in screens)
    assert any(screen.startswith("Customers late on payments") and "30.00 in total." in screen for screen in screens)
    assert f"Reports    from the standby at {servers[1].folder}, port 5432, " in shown.stdout


def test_an_account_that_a_report_opens_is_the_primary_s(books, servers, terminal):
    pause(servers[1])
    pay_elsewhere(servers[0])
    child = terminal(REPORTS_URI=servers[1].uri, REPORTS_MAX_LAG="3600")
    for answer in ("5", "1"):
        child.expect(PROMPT)
        child.send(f"{answer}\r")
    child.expect_exact("with 30.00 in total.")
    child.expect(PROMPT)
    child.send("1\r")
    child.expect_exact("to pay 25.00")


@pytest.fixture
def uri(books):
    return books


def test_an_export_that_a_standby_breaks_off_is_written_from_the_primary(connect, servers, monkeypatch, tmp_path):
    connect()
    monkeypatch.setattr(database, "AWAY_FOR", 3600)
    real, tried = exporting.be_patient, []

    def break_off_first(cur):
        tried.append(cur)
        real(cur)
        if len(tried) == 1:
            end_sessions(servers[1])

    monkeypatch.setattr(exporting, "be_patient", break_off_first)
    assert exporting.export("bills", tmp_path / "bills.csv") == 1
    assert len(tried) == 2
    assert "Setup" in (tmp_path / "bills.csv").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["bills.csv"]


def end_sessions(follower):
    follower.sql("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                 "WHERE application_name = 'isp-customer-tracker'")


def test_a_read_for_which_the_standby_has_no_connection_free_is_from_the_primary(connect, monkeypatch):
    monkeypatch.setenv("DB_POOL_SIZE", "1")
    connect()
    monkeypatch.setattr(database, "AWAY_FOR", 3600)
    with database.reporting(), database.reading():
        assert together(1, is_from_standby) == [False]
    assert is_from_standby()


def test_a_standby_that_is_looked_at_and_not_read_keeps_no_connection(connect, servers, monkeypatch):
    monkeypatch.setenv("DB_POOL_SIZE", "1")
    connect()
    assert source() == source() == f"from the standby at {servers[1].folder}, port 5432, less than a second behind"
    pause(servers[1])
    database.add_bill(1, "Visit", Decimal(7), database.today() - timedelta(days=1))
    assert late() == late() == 37
    servers[1].sql("SELECT pg_wal_replay_resume()")
    wait_for(is_from_standby)


def test_on_the_page_everybody_reads_with_their_own_login(books, servers):
    primary, follower = servers
    with site(books, REPORTS_URI=follower.uri, REPORTS_MAX_LAG="3600") as served:  # whose login is the program's
        ann = served.person("ann", WORD)
        assert ann.who()["may_change"]
        assert ann.get("/api/customers/1").json()["amount_due"] == "30.00"
        assert follower.sql("SELECT usename FROM pg_stat_activity WHERE application_name = 'isp-customer-tracker'") == [
            ("ann",)]
        pause(follower)
        pay_elsewhere(primary)
        assert ann.get("/api/customers/1").json()["amount_due"] == "30.00"
        location = ann.post("/api/customers/1/locations", json={"address": "1 Quay"}).json()
        account = ann.get("/api/customers/1").json()
        assert account["amount_due"] == "25.00"
        assert [site["location_id"] for site in account["locations"]] == [location["location_id"]]
        bob = served.person("bob", WORD)
        assert bob.get("/api/customers/1").json()["amount_due"] == "30.00", "bob has saved nothing"
        bob.delete("/api/session")
        wait_for(lambda: follower.sql("SELECT DISTINCT usename FROM pg_stat_activity "
                                      "WHERE application_name = 'isp-customer-tracker'") == [("ann",)])


def test_the_program_itself_reads_with_the_login_that_reports_uri_names(connect, servers):
    connect(uri=servers[1].uri.replace("user=postgres", f"user=ann password={WORD}"))
    with database.reporting():
        assert database.fetch_value("SELECT current_user || ' ' || pg_is_in_recovery()") == "ann true"
    assert database.fetch_value("SELECT current_user") == "postgres"


def test_only_while_it_says_how_far_it_is_a_standby_has_a_short_time_to_answer(connect, monkeypatch):
    connect()
    real, limits = standby.as_row, []

    def as_row(cur):
        limits.append(cur.connection.limit)
        return real(cur)

    monkeypatch.setattr(standby, "as_row", as_row)
    with database.reporting(), database.reading() as cur:
        assert cur.connection.limit == 60 + database.STATEMENT_MARGIN
    assert limits[-1] == database.PROBE_LIMIT


def test_whoever_is_locked_out_of_the_primary_does_not_read_from_the_standby(books, servers):
    primary, follower = servers
    with site(books, REPORTS_URI=f"host={follower.folder} port=5432", REPORTS_MAX_LAG="3600") as served:
        ann = served.person("ann", WORD)
        assert ann.get("/api/customers/1").status_code == 200
        pause(follower)
        primary.sql("ALTER ROLE ann NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'ann'")
        wait_for(lambda: ann.get("/api/customers/1").status_code == 401)


def test_a_standby_of_an_embedded_database_is_refused_in_one_sentence():
    with own_folder() as folder:
        done = run_program("", "late-report", REPORTS_URI="postgresql://db2/isp", ISP_DATA_DIR=str(folder))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == ("REPORTS_URI is for a standby of the server in DATABASE_URI, which is not "
                                            "set.")


@pytest.mark.parametrize(("uri", "said"), [
    ("postgresql://isp:p@ss@db2/isp", "REPORTS_URI cannot be read; it looks like "
     "postgresql://user:password@host:5432/database, with @ : / % in the password written as %40 %3A %2F %25."),
])
def test_an_address_that_cannot_be_read_is_one_sentence_without_any_of_it(books, uri, said):
    done = run_program(books, "late-report", REPORTS_URI=uri)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said}\n")


def test_a_lag_that_is_no_number_is_one_sentence(books, servers):
    done = run_program(books, "late-report", REPORTS_URI=servers[1].uri, REPORTS_MAX_LAG="soon")
    assert (done.returncode, done.stderr) == (2, "REPORTS_MAX_LAG must be a whole number from 1 to 2147483.\n")


def test_of_many_reads_at_once_one_alone_waits_for_a_standby_that_is_silent(books, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("REPORTS_URI", f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/postgres")
        monkeypatch.setattr(database, "AWAY_FOR", 3600)
        database.connect(books)
        assert together(4, is_from_standby) == [False] * 4
        silent.settimeout(0)
        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()
    database.disconnect()


@pytest.mark.parametrize(("replayed", "transactions", "has_all"), [
    (800, "9", True), (799, "10", True), (800, "8", True), (799, "9", True), (799, "8", False),
])
def test_a_log_that_ends_within_a_record_is_no_lag(replayed, transactions, has_all):
    place = standby.Place(1, 1, "isp")
    primary = standby.Primary(place, time.monotonic(), 9, 800, time.time(), "UTC", commits_wait=False)
    assert standby.has_all({"replayed": replayed, "transactions": transactions}, primary) == has_all


def test_a_lag_grows_with_the_time_since_the_primary_was_asked():
    place = standby.Place(1, 1, "isp")
    primary = standby.Primary(place, time.monotonic() - 60, 9, 800, 1000.0, "UTC", commits_wait=False)
    state = {"is_standby": True, "replayed": 799, "transactions": "8", "committed": 997.0}
    assert 63 <= standby.seconds_behind(state, primary) < 120
