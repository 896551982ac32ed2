"""What others on the same machine, or at other addresses, can do to who uses the page: nothing."""
from __future__ import annotations

import socket
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from conftest import kill_server, processes_of, title, wait_for
from pages import CLOCK, books, embedded_site, problem, site

import database
from tracker import errors
from web import lists
from web.sessions import FREE_TRIES, TooManyTries, _Tries

pytestmark = pytest.mark.slow
NAMES = "\U00020000" * 200  # letters of four bytes
QUICK = "from web import sessions, app; sessions.UNUSED_SECONDS, app.TIDY_EVERY = 0, 0.05"
FOREIGN = 'prefs={"a":1}; a/b=2; wide=\u00e4; ='


@pytest.fixture(scope="module")
def place():
    with books() as made:
        yield made


@pytest.fixture(scope="module")
def page(place):
    with site(place.uri) as served:
        yield served


def test_cookies_of_other_programs_on_the_host_keep_nobody_out(page):
    bob = page.person("bob")
    ours = "; ".join(f"{cookie.name}={cookie.value}" for cookie in bob.cookies.jar)
    bob.cookies.clear()
    for cookies in (f"{FOREIGN}; {ours}", f"{ours}; {FOREIGN}"):
        assert bob.get("/api/customers", headers={"Cookie": cookies.encode("latin-1")}).status_code == 200


@pytest.fixture(scope="module")
def odd(place):
    """Customers of long names and large debts."""
    database.connect(place.uri)
    for number in range(3):
        customer_id = database.add_customer(f"{NAMES[:198]}{number}", None)
        for _ in range(2):
            database.add_bill(customer_id, "Much", Decimal("9999999999.99"), database.today().replace(year=2024))
    database.disconnect()


@pytest.mark.parametrize("path", ["/api/late", "/api/aging"])
@pytest.mark.parametrize("sort", ["name", "amount", "oldest"])
def test_a_list_goes_on_after_any_name_and_any_sum(page, odd, path, sort):
    ann = page.person("ann")
    seen, cursor = [], {}
    while cursor is not None:
        answer = ann.get(path, params={"sort": sort, "limit": 1, **cursor})
        assert answer.status_code == 200, answer.text
        seen += [row["customer_id"] for row in answer.json()["rows"]]
        cursor = {"cursor": answer.json()["next"]} if answer.json()["next"] else None
    assert len(seen) == len(set(seen)) == ann.get(path).json()["total"]["customers"] > 3


def test_an_embedded_database_that_died_while_nobody_worked_is_started_again():
    with embedded_site(before=QUICK) as served:
        guest = served.guest()
        guest.post("/api/customers", json={"name": "Ada"})
        pid = int(next(served.folder.glob("postgres-*/postmaster.pid")).read_text().split()[0])
        wait_for(lambda: not any("isp_customer" in title(process) for process in processes_of(pid)))
        kill_server(pid)
        answer = wait_for(lambda: (tried := guest.get("/api/customers/1")).status_code == 200 and tried)
        assert answer.json()["name"] == "Ada"


def test_a_browser_is_opened_without_the_key_among_its_arguments(tmp_path):
    told, browser = tmp_path / "told", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {told}\ncp "${{1#file://}}" {told}.new; mv {told}.new {told}.page\n')
    browser.chmod(0o755)
    with embedded_site("--open", BROWSER=str(browser)) as served:
        wait_for((tmp_path / "told.page").exists)
        assert served.key() not in told.read_text()
        assert f'url={served.links[0]}"' in (tmp_path / "told.page").read_text()
        opened = Path(told.read_text().strip().replace("file://", ""))
    assert not opened.exists()


def write(file, as_of):
    file.write(b"customer_id\n")


async def silence():
    await anyio.sleep_forever()


async def note(message):
    assert message["type"].startswith("http.response")


def test_who_has_no_browser_is_told(tmp_path):
    nobody = tmp_path / "nobody"
    nobody.write_text("#!/bin/sh\nexit 1\n")
    nobody.chmod(0o755)
    with embedded_site("--open", BROWSER=str(nobody), PATH=str(tmp_path)) as served:
        wait_for(lambda: "There is no browser here to be opened: open the link yourself." in served.output)


def test_lists_that_nobody_reads_do_not_pile_up(monkeypatch):
    request = SimpleNamespace(scope={"session": SimpleNamespace(login="somebody's")})
    monkeypatch.setattr(lists, "_turns", {})
    given = {"as_of": date(2026, 1, 31)}
    held = [lists._download(request, "late", write, given) for _ in range(lists.MOST_DOWNLOADS)]
    with pytest.raises(errors.Busy):
        lists._download(request, "late", write, given)
    for answer in held:
        anyio.run(answer, {"type": "http", "method": "GET"}, silence, note)
    lists._download(request, "late", write, given)


def test_who_says_nothing_is_hung_up_on():
    with embedded_site(before="from web import server; server.HEAD_WITHIN = 3") as served, ExitStack() as open_:
        host, port = served.address[7:-1].split(":")
        halves = (b"", b"GET / HTTP/1.1\r\nHost: x\r\n")
        silent = [open_.enter_context(socket.create_connection((host, int(port)), timeout=20)) for _ in halves]
        for one, said in zip(silent, halves):
            one.sendall(said)
        assert [one.recv(1) for one in silent] == [b"", b""]
        assert served.guest().get("/api/session").status_code == 200


def test_wrong_tries_from_elsewhere_do_not_keep_a_person_waiting(place, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("0")
    with site(place.uri, before=CLOCK, CLOCK=str(clock)) as served:
        stranger = served.visitor(headers={"X-Forwarded-For": "203.0.113.9"})
        for _ in range(FREE_TRIES):
            problem(stranger.try_to_sign_in(login="bob", password="no"), 401)
        problem(stranger.try_to_sign_in(login="bob", password="no"), 429)
        served.person("bob")


def test_a_name_that_is_tried_from_everywhere_is_slowed_down_all_the_same():
    tries = _Tries()
    for _ in range(50):
        tries.begin("bob", 50)
    with pytest.raises(TooManyTries):
        tries.begin("bob", 50)


@pytest.mark.parametrize(("said", "surely"), [
    ('FATAL:  password authentication failed for user "bob"', True),
    ('FATAL:  role "bob" is not permitted to log in', True),
    ("could not create socket: Too many open files", False),
    ("FATAL:  das Datenbanksystem startet", False),
    ("FATAL:  canceling authentication due to timeout", False),
])
def test_who_is_signed_in_is_signed_out_by_a_refusal_alone(said, surely):
    assert errors.names_refusal(said) is surely
    assert errors.is_refusal(said)
