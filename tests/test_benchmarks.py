"""That the benchmarks measure what they say: the same statements, every action, every line of the table. No timing."""
from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest

import benchmarks.__main__ as command
from benchmarks import actions, backups, failover, screens
from benchmarks.measure import Missing, Peer, Row
from benchmarks.replay import replay, statements_of
from benchmarks.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def bare(uri):
    conn = psycopg2.connect(uri)
    yield conn
    conn.close()


def test_recording_writes_nothing_and_replaying_writes_once(db, bare):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    statements = statements_of(lambda: db.add_location(customer_id, "1 Harbour Street"))
    assert db.list_locations() == []
    replay(bare, statements)
    (location,) = db.list_locations()
    assert location["address"] == "1 Harbour Street"


def test_replaying_follows_ids_that_come_out_new(db, bare, sql):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    statements = statements_of(lambda: db.add_bill(customer_id, "Visit", Decimal("49.00"), db.today()))
    replay(bare, statements)
    (bill,) = sql("SELECT billing_id, amount FROM billing JOIN billing_items USING (billing_id)")
    assert bill["amount"] == Decimal("49.00")


def test_every_action_runs_as_typed_and_leaves_nothing_behind(db, bare, sql):
    timings = actions.timed_actions(bare, 1)
    assert list(timings) == [action.name for action in actions.ACTIONS]
    assert {len(timing.ours) for timing in timings.values()} == {len(timing.bare) for timing in timings.values()} == {1}
    assert sql("SELECT name FROM customers") == []


def test_an_action_that_complains_is_not_measured(db):
    with pytest.raises(Missing, match="There is no customer 7"):
        actions.choose("13", [7])


def test_every_screen_is_asked_for_what_is_there(db, bare):
    for number in range(1, 30):
        db.add_customer(f"Customer {number}", f"+44 20 7946 0{number:03}")
    timings = screens.timed_screens(bare, 3)
    assert all(1 <= len(timing.ours) == len(timing.bare) <= 3 for timing in timings.values())


def test_the_late_report_is_measured_in_psql_too(db, uri, server_uri, sql):
    dbname = psycopg2.extensions.parse_dsn(uri)["dbname"]
    db.disconnect()
    (row,) = screens.late_report(Server(server_uri), dbname, 1)
    assert row.ours
    assert row.bare
    assert row.peers[0].seconds


def test_a_backup_and_its_restore_are_measured_beside_the_bare_tools(db, uri, server_uri, sql):
    db.add_customer("Ada Okafor", "+44 20 7946 0958")
    dbname = psycopg2.extensions.parse_dsn(uri)["dbname"]
    db.disconnect()
    server = Server(server_uri)
    if int(server.execute("SHOW server_version_num")[0][0]) < 170000:  # to which 18's pg_restore alone complains
        with pytest.raises(Missing, match="errors ignored on restore"):
            backups.backup_rows(server, dbname, 1)
        return
    backup, restore = backups.backup_rows(server, dbname, 1)
    assert min(backup.ours, backup.bare, restore.ours, restore.bare, restore.peers[0].seconds) > 0
    assert sql("SELECT count(*) AS noted FROM backups") == [{"noted": 1}]


def test_what_cannot_be_measured_says_why(server_uri, monkeypatch):
    def not_there(server, sizes):
        raise Missing("the command is missing")

    monkeypatch.setitem(command.BENCHMARKS, "import", not_there)
    (row,) = command.measured(Server(server_uri), command.Sizes(), ["import"])
    assert "the command is missing" in command.table([row])


def test_each_peer_has_its_line_and_a_missed_goal_its_mark():
    table = command.table([
        Row("import", 2.0, 1.0, 1.5, [Peer("csvsql", 6.0), Peer("pgloader", None, "not installed")]),
        Row("export", 1.1, 1.0, 1.2),
    ])
    _, _, first, second, third = table.split("\n")
    assert first.split() == ["import", "2.00", "s", "1.00", "s", "!", "2.00", "≤", "1.5", "csvsql", "6.00", "s", "3.0"]
    assert second.split() == ["pgloader", "not", "installed"]
    assert "! " not in third


@pytest.fixture
def temporary(monkeypatch):
    """A folder of the test's own for what is temporary, which the server's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="isp-drill-"))
    folder.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("commits", ["synchronous", "asynchronous"])
def test_the_drill_of_promotions_counts_what_was_saved_and_cleans_up(commits, temporary):
    done = failover.drill(2, commits == "synchronous")
    assert done.promotions == len(done.first) == 2
    assert done.acknowledged > 3 * failover.BETWEEN
    assert done.is_good(commits == "synchronous")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("found", "told", "doubled", "findings", "synchronous", "good"), [
    (9, 0, 0, [], True, True), (8, 1, 0, [], True, False), (8, 1, 0, [], False, True), (8, 0, 0, [], False, False),
    (9, 0, 1, [], True, False), (9, 0, 0, ["Bill 1"], True, False),
])
def test_a_drill_is_good_where_nothing_is_lost_unsaid_or_doubled(found, told, doubled, findings, synchronous, good):
    assert failover.Drill(1, 9, found, told, doubled, 1.0, [0.1], findings).is_good(synchronous) == good
