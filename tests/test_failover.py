"""A primary dies and its standby takes over, with both named in DATABASE_URI, while payments are being recorded."""
from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from decimal import Decimal
from uuid import uuid4

import pytest
from browser import at_desk, chromium
from clusters import caught_up, cut_off, fail_over, pair
from conftest import PROJECT, delete_with_money, environment, processes_of, title, wait_for
from pages import problem, site, together
from playwright.sync_api import expect
from test_people import WORD

import database
from tracker import access, errors, payments
from tracker import standby as standby_room
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

WRITER = """
import sys
from decimal import Decimal
from uuid import uuid4
import database
from tracker import errors
from tracker.terminal import paying
database.connect()
while True:
    key = uuid4()
    try:
        paying.save_payment(1, Decimal("0.01"), database.today(), "cash", None, key)
    except errors.Error:
        continue
    print("saved", key, flush=True)
"""
ASYNCHRONOUS = "Another server has taken over, and may lack the last changes before that, those of others, too."


@pytest.fixture
def servers():
    with pair() as both:
        yield both


@pytest.fixture
def uri(servers):
    """Both servers, as README names them, with a customer."""
    both = ",".join(str(server.folder) for server in servers)
    uri = f"host={both} port=5432 user=postgres dbname=postgres target_session_attrs=read-write"
    database.connect(uri)
    database.add_customer("Ada Okafor", "123")
    database.disconnect()
    return uri


@pytest.fixture
def writers(uri):
    """Two programs that record payments, one after the other, and say of which they know that they are saved."""
    started = [subprocess.Popen([sys.executable, "-c", WRITER], cwd=PROJECT, env=environment(uri), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    yield started
    for writer in started:
        writer.kill()
        writer.wait()


def acknowledged(writer: subprocess.Popen[str], count: int) -> list[str]:
    """Return the keys of the next payments that a writer knows to be saved."""
    keys = []
    while len(keys) < count:
        if (line := writer.stdout.readline()).startswith("saved"):
            keys.append(line.split()[1])
    return keys


@pytest.mark.parametrize("commits", ["synchronous", "asynchronous"])
def test_payments_go_on_after_a_failover_and_none_is_there_twice(commits, servers, writers, uri):
    primary, standby = servers
    if commits == "synchronous":
        primary.wait_for_standby()
    said = [key for writer in writers for key in acknowledged(writer, 20)]
    fail_over(primary, standby)
    promoted_with, = standby.sql("SELECT count(*) FROM payments")
    wait_for(lambda: standby.sql("SELECT count(*) FROM payments")[0] > (promoted_with[0] + 20,), 120)
    for writer in writers:
        writer.terminate()
        said += re.findall(r"^saved (.+)$", writer.communicate()[0], re.MULTILINE)
    kept = [key for key, in standby.sql("SELECT entry_key::text FROM payments")]
    assert len(kept) == len(set(kept))
    assert len(set(said)) > 40
    if commits == "synchronous":
        assert set(said) <= set(kept)
    database.connect(uri)
    assert verify_books()[1] == []


def test_the_menu_goes_on_after_a_failover(servers, uri, terminal):
    child = terminal()
    child.expect_exact("Choose: ")
    fail_over(*servers)
    child.send("1\r1\rBo Li\r124\r")
    child.expect_exact("Added customer")
    child.expect_exact("Choose: ")
    child.send("0\r2\r\r")
    child.expect_exact("Ada Okafor")


def test_what_no_standby_got_is_gone_after_a_failover_and_is_not_shown(servers, uri):
    primary, standby = servers
    database.connect(uri)
    cut_off(primary, standby)
    customer_id = database.add_customer("Bo Li", "124")
    fail_over(primary, standby)
    assert [row["name"] for row in database.list_customers()] == ["Ada Okafor"]
    assert database.add_customer("Bo Li", "124") >= customer_id


def test_ctrl_c_while_the_standby_has_not_confirmed_says_so(servers, uri, terminal):
    primary, standby = servers
    primary.wait_for_standby()
    child = terminal()
    child.expect_exact("Choose: ")
    receiver, = (process for process in processes_of(standby.process.pid) if "walreceiver" in title(process))
    receiver.suspend()
    child.send("1\r1\rBo Li\r124\r")
    wait_for(lambda: primary.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
    child.sendintr()
    child.expect_exact("no standby has confirmed it")
    child.expect_exact("Added customer 2, Bo Li.")
    receiver.resume()


def missing(payment: dict) -> str:
    return (f"Payment {payment['payment_id']}, {payment['amount']:.2f} of {payment['paid_on']} of Ada Okafor, is not "
            "on the server that is in use now: record it again.")


def record(amount: str = "50.00") -> dict:
    return payments.record_payment(1, Decimal(amount), database.today(), "cash", None, uuid4())


@pytest.fixture
def said(uri):
    """Open the database as the program does; what it says."""
    heard = []
    database.connect(uri, say=heard.append)
    return heard


def test_payments_that_the_new_server_lacks_are_named_once(servers, said):
    kept = record("49.00")
    cut_off(*servers)
    lost = [record(), record("51.00")]
    fail_over(*servers)
    assert [row["payment_id"] for row in payments.list_payments(1)] == [kept["payment_id"]]
    assert said == [ASYNCHRONOUS, *map(missing, lost)]
    database._own.close()
    record()
    assert len(said) == 3


def test_a_payment_that_had_reached_a_synchronous_standby_is_there_and_nothing_is_said_of_it(servers, said):
    servers[0].wait_for_standby()
    database._own.close()  # so that the next connection sees it
    kept = record()
    fail_over(*servers)
    assert [row["payment_id"] for row in payments.list_payments(1)] == [kept["payment_id"]]
    assert said == ["Another server has taken over."]


def test_where_commit_waits_for_the_standby_but_not_in_these_sessions_changes_may_be_missing(servers, said):
    primary, _ = servers
    primary.wait_for_standby()
    primary.sql("ALTER ROLE postgres SET synchronous_commit = local")
    database._own.close()  # so that the next connection sees it
    record()
    caught_up(*servers)
    fail_over(*servers)
    database.today()
    assert said == [ASYNCHRONOUS]


def test_a_payment_that_is_remembered_only_after_the_failover_is_looked_for(servers, said, monkeypatch):
    cut_off(*servers)
    real = payments._remember

    def fail_over_first(*given):
        fail_over(*servers)
        wait_for(lambda: servers[1].sql("SELECT pg_is_in_recovery()") == [(False,)])
        assert together(1, database.today)
        real(*given)

    monkeypatch.setattr(payments, "_remember", fail_over_first)
    lost = record()
    database.today()
    database.today()
    assert said == [ASYNCHRONOUS, missing(lost)]


def test_payments_that_could_not_be_looked_for_are_looked_for_by_the_next_connection(servers, said):
    cut_off(*servers)
    lost = record()
    fail_over(*servers)
    wait_for(lambda: servers[1].sql("SELECT pg_is_in_recovery()") == [(False,)])
    servers[1].sql("ALTER TABLE payments RENAME TO away")
    database.today()
    assert said == [ASYNCHRONOUS]
    servers[1].sql("ALTER TABLE away RENAME TO payments")
    database._own.close()
    database.today()
    assert said == [ASYNCHRONOUS, missing(lost)]


def test_a_server_that_was_left_for_another_is_not_gone_back_to():
    memory = standby_room.Memory()
    now = [standby_room.Primary(standby_room.Place(1, timeline, "isp"), 0.0, 9, 800, 0.0, "UTC", commits_wait=False)
           for timeline in (1, 2)]
    assert [memory.move_to(one) for one in (*now, *now)] == ["", ASYNCHRONOUS, "", ""]
    assert memory.is_past(now[0].place)
    assert not memory.is_past(standby_room.Place(2, 1, "isp")), "nothing is known of another cluster's timelines"


def test_a_payment_that_was_looked_up_after_a_lost_reply_is_looked_for_too(servers, said):
    cut_off(*servers)
    found = record()
    memory = database._own.memory
    entry_key, = memory._receipts
    memory._receipts.clear()
    assert payments.find_by_entry_key(entry_key) == found
    fail_over(*servers)
    database.today()
    assert said == [ASYNCHRONOUS, missing(found)]


def test_a_payment_that_was_deleted_with_its_customer_is_not_said_to_be_missing(servers, said):
    record()
    delete_with_money(1)
    caught_up(*servers)
    fail_over(*servers)
    assert database.list_customers() == []
    assert said == [ASYNCHRONOUS]


def test_a_server_that_was_restarted_is_no_other(servers, said):
    record()
    primary, _ = servers
    primary.kill()
    primary.start()
    record()
    assert said == []


def test_another_database_of_the_same_server_is_no_other_server(servers, said):
    record()
    with contextlib.closing(database.login_to("template1")) as other:
        with database.acting_as(other):
            assert database.fetch_value("SELECT current_database()") == "template1"
        assert other.memory.news == []
    database._own.close()
    record()
    assert said == []


def test_of_whoever_is_refused_nothing_is_kept(said):
    for login in ("nobody", "somebody"):
        with pytest.raises(errors.SignInRefused):
            database.sign_in(login, WORD, 1)
    assert database._memories == {}


def test_a_former_primary_that_comes_back_is_not_used(servers, said):
    primary, standby = servers
    record()
    fail_over(primary, standby)
    record()
    primary.start()
    database._own.close()
    with pytest.raises(errors.Unavailable) as caught:
        database.today()
    assert str(caught.value) == ("The server that answers is one that another has taken over from: end it, and make a "
                                 "standby of it.")
    primary.kill()
    assert record()["payment_id"] in [row["payment_id"] for row in payments.list_payments(1)]


def test_no_more_than_the_latest_payments_are_remembered():
    memory = standby_room.Memory()
    place = standby_room.Place(1, 1, "isp")
    keys = [uuid4() for _ in range(standby_room.MOST_RECEIPTS + 5)]
    for key in keys:
        memory.keep(key, standby_room.Receipt("Payment", place))
    asked = []
    for _ in range(2):
        assert memory.lost_on(place._replace(timeline=2), lambda given: asked.extend(given) or given) == []
    assert asked == keys[5:], "what is there is looked for once"


def test_the_menus_say_which_payment_is_missing_before_the_next_answer(servers, uri, terminal):
    child = terminal()
    child.expect_exact("Choose: ")
    cut_off(*servers)
    for answer in ("5", "6", "1", "50", "", "", ""):
        child.send(f"{answer}\r")
    child.expect_exact("Recorded payment 1, 50.00 on ")
    child.expect_exact("Choose: ")
    fail_over(*servers)
    child.send("7\r1\r")
    child.expect(r"Customer[^\r\n]*: ")
    child.expect_exact("1, Ada Okafor, 123.")
    before = " ".join(child.before.split())
    today, = servers[1].sql("SELECT CURRENT_DATE")[0]
    words = f"{ASYNCHRONOUS} {missing({'payment_id': 1, 'amount': Decimal(50), 'paid_on': today})}"
    assert words in before
    child.send("\r")
    child.expect_exact("Choose: ")
    assert "taken over" not in child.before


SENT = {"entry_key": "0f5b3c1e-0000-4000-8000-000000000001", "amount": "50", "paid_on": "today", "method": "cash",
        "confirmed": ["much"]}


@pytest.fixture
def page(uri):
    """The page, with the people ann and bob."""
    database.connect(uri)
    for login in ("ann", "bob"):
        access.add(login, "admin", WORD)
    database.disconnect()
    with site(uri) as served:
        yield served


def test_on_the_page_each_person_is_told_of_their_own_payments_until_they_have_seen_it(servers, page):
    ann, bob = (page.person(login, WORD) for login in ("ann", "bob"))
    cut_off(*servers)
    recorded = ann.post("/api/customers/1/payments", json=SENT)
    assert recorded.status_code == 201, recorded.text
    fail_over(*servers)
    for visitor in (ann, bob):
        wait_for(lambda visitor=visitor: visitor.get("/api/customers/1").status_code == 200)
    told = missing({"payment_id": 1, "amount": Decimal(50), "paid_on": recorded.json()["paid_on"]})
    assert ann.who()["news"] == [ASYNCHRONOUS, told]
    assert bob.who()["news"] == [ASYNCHRONOUS]
    assert [visitor.get("/api/customers/1").headers["X-News"] for visitor in (ann, bob)] == ["2", "1"]
    assert ann.post("/api/customers/1/payments", json=SENT).status_code == 201
    for seen, left in ((1, [told]), (1, [told]), (2, [])):  # another tab that still shows the first forgets no more
        assert ann.delete(f"/api/news?seen={seen}").status_code == 204
        assert ann.who()["news"] == left
    assert "X-News" not in ann.get("/api/customers/1").headers
    assert bob.who()["news"] == [ASYNCHRONOUS]
    assert servers[1].sql("SELECT count(*) FROM payments") == [(1,)]


def test_whoever_signs_in_again_after_a_failover_is_told_too(servers, page):
    ann = page.person("ann", WORD)
    cut_off(*servers)
    day = ann.post("/api/customers/1/payments", json=SENT).json()["paid_on"]
    ann.delete("/api/session")
    fail_over(*servers)
    problem(page.visitor().try_to_sign_in(login="ann", password="wrong horse"), 401)
    again = page.person("ann", WORD)
    assert again.who()["news"] == [ASYNCHRONOUS, missing({"payment_id": 1, "amount": Decimal(50), "paid_on": day})]


@pytest.mark.parametrize("seen", ["-1", "x", "10001", ""])
def test_news_are_forgotten_by_a_number_that_can_be_one(page, seen):
    problem(page.person("ann", WORD).delete(f"/api/news?seen={seen}"), 422)


def test_in_a_browser_what_is_missing_stands_at_the_top_until_it_was_seen(servers, page):
    ann = page.person("ann", WORD)
    with chromium() as browser, at_desk(browser, page.address, ann, refused=[503]) as screen:
        screen.open("customers/1")
        cut_off(*servers)
        day = ann.post("/api/customers/1/payments", json=SENT).json()["paid_on"]
        fail_over(*servers)
        wait_for(lambda: ann.get("/api/customers/1").status_code == 200)
        screen.page.get_by_role("link", name="Late").click()
        news = screen.page.locator(".news")
        expect(news.get_by_role("listitem")).to_have_text([
            ASYNCHRONOUS, missing({"payment_id": 1, "amount": Decimal(50), "paid_on": day})])
        screen.open("late")
        expect(news).to_be_visible()
        screen.button("Seen").click()
        expect(news).to_have_count(0)
        screen.open("late")
        expect(news).to_have_count(0)


def test_behind_a_pooler_another_server_is_noticed_on_the_same_connection(servers, said, monkeypatch):
    primary, _ = servers
    recorded = record()
    for conn in database._own.pool._pool:
        conn.pooled = True
    database.today()
    assert said == []
    real = database._primary_of
    moved = standby_room.Place(1, 2, "postgres")
    monkeypatch.setattr(database, "_primary_of", lambda conn: real(conn)._replace(place=moved))
    primary.sql("DELETE FROM payment_allocations")
    primary.sql("DELETE FROM payments")
    primary.sql("DELETE FROM trail")  # where it would have been deleted on purpose
    database.today()
    database.today()
    assert said == [ASYNCHRONOUS, missing(recorded)]
