"""The page: its answers beside the same SQL on one bare connection, fifty people at once, and its first paint."""
from __future__ import annotations

import gzip
import http.client
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import psycopg2.extensions

from benchmarks.measure import Missing, Row, median, p95, seconds_of
from benchmarks.replay import replay, statements_of
from benchmarks.screens import Timing, opened, screens
from benchmarks.server import PROJECT, Server
from web import accounts, bills, lists, overview
from web.shapes import Place, Search

PEOPLE = 50
READS_EACH = 12
PAUSE = (1.0, 5.0)  # seconds in which a person reads what came
# What people read, each as often as this: calls lead to accounts, the morning to the lists.
READ = {
    "account": 30, "search that is typed": 30, "customer's bills": 8, "customer's payments": 8, "customer's history": 4,
    "search by phone": 2, "late, the oldest first": 4, "aging": 2, "overview": 4, "bills": 2, "payments": 2,
    "equipment": 2, "changes": 2,
}
FACTOR, ALLOWANCE = 1.5, 0.005  # what an answer may take: so many times its SQL, and so many seconds
P95, PAINT, SCRIPT_KB = 0.5, 1.0, 150
dice = random.Random(2)


class Person:
    """A browser's connection to the page, signed in by a link."""

    def __init__(self, port: int, key: str) -> None:
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.conn.request("POST", "/api/session", json.dumps({"key": key}), {"Content-Type": "application/json"})
        answer = self.conn.getresponse()
        answer.read()
        self.cookie = answer.getheader("Set-Cookie", "").partition(";")[0]

    def get(self, path: str) -> bytes:
        """Return what the page answers; raise Missing unless it is well."""
        self.conn.request("GET", path, headers={"Cookie": self.cookie, "Accept-Encoding": "gzip"})
        answer = self.conn.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Missing(f"{path} answered {answer.status}")
        return content


class Answer(NamedTuple):
    """An answer of the page: its path, and the endpoint that gives it, called with the same."""

    path: Callable[[Any], str]
    endpoint: Callable[[Any], object]
    asked: list[Any]


def page_rows(server: Server, dbname: str, samples: int) -> list[Row]:
    """Time the page on a database."""
    with opened(server, dbname) as conn, served(server.uri(dbname)) as (port, keys):
        person = Person(port, keys[0])
        rows = [answer_row(conn, person, name, answer) for name, answer in answers(samples).items()]
        people = [Person(port, key) for key in keys[1:]]
        rows.append(crowd_row(people, answers(samples)))
    return [*rows, *front_rows(server, dbname)]


@contextmanager
def served(uri: str) -> Iterator[tuple[int, list[str]]]:
    """Serve the page; lend its port, and the keys of its links."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.page_server", uri, str(PEOPLE + 1)], cwd=PROJECT,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        yield port, [process.stdout.readline().strip() for _ in range(PEOPLE + 1)]
    finally:
        process.terminate()
        process.communicate()


def answers(samples: int) -> dict[str, Answer]:
    """Choose what to ask of the open database."""
    account, by_name, by_phone = (screen.asked for screen in screens(samples))
    return {
        "overview": Answer(lambda _: "/api/overview", lambda _: overview.get_overview(), [None] * (samples // 4)),
        "account": Answer("/api/customers/{}".format, accounts.get_account, list(account)),
        "search by part of a name": search_of("/api/customers", accounts.list_customers, list(by_name)),
        "search by phone": search_of("/api/customers", accounts.list_customers, list(by_phone)),
        "search that is typed": Answer(
            lambda term: f"/api/customers?quick=true&search={quote(term)}&limit=8",
            lambda term: accounts.list_customers(accounts.TypedSearch(search=term, limit=8, quick=True)),
            [term[:2 + number % 6] for number, term in enumerate(by_name)]),
        "customer's bills": Answer("/api/customers/{}/bills".format,
                                   lambda customer_id: accounts.list_bills(customer_id, Place()), list(account)),
        "customer's payments": Answer("/api/customers/{}/payments".format,
                                      lambda customer_id: accounts.list_payments(customer_id, Place()), list(account)),
        "customer's history": Answer("/api/customers/{}/history".format,
                                     lambda customer_id: accounts.get_history(customer_id, Place()), list(account)),
        "late, the oldest first": late("oldest", samples),
        "late, by amount": late("amount", samples),
        "late, by name": late("name", samples),
        "aging": Answer(lambda _: "/api/aging", lambda _: lists.list_aging(lists.ListPage()), [None] * (samples // 4)),
        "bills": Answer(lambda _: "/api/bills", lambda _: bills.list_bills(Search()), [None] * samples),
        "payments": Answer(lambda _: "/api/payments", lambda _: bills.list_payments(Search()), [None] * samples),
        "equipment": Answer(lambda _: "/api/equipment", lambda _: accounts.list_equipment(Search()), [None] * samples),
        "changes": Answer(lambda _: "/api/changes", lambda _: lists.list_changes(lists.Wanted()), [None] * samples),
    }


def search_of(path: str, endpoint: Callable[[Any], object], terms: list[str]) -> Answer:
    return Answer(lambda term: f"{path}?search={quote(term)}&limit=20",
                  lambda term: endpoint(accounts.TypedSearch(search=term, limit=20)), terms)


def late(sort: Any, samples: int) -> Answer:
    return Answer(lambda _: f"/api/late?sort={sort}", lambda _: lists.list_late(lists.ListPage(sort=sort)),
                  [None] * (samples // 4))


def answer_row(conn: psycopg2.extensions.connection, person: Person, name: str, answer: Answer) -> Row:
    """Set an answer beside what it may take: its SQL on a bare connection, times a factor, and an allowance."""
    timing = Timing([], [])
    person.get(answer.path(answer.asked[0]))
    for asked in answer.asked:
        statements = statements_of(partial(answer.endpoint, asked))
        timing.bare.append(seconds_of(partial(replay, conn, statements)))
        timing.ours.append(seconds_of(partial(person.get, answer.path(asked))))
    allowed = FACTOR * median(timing.bare) + ALLOWANCE
    what = f"page: {name}, beside {FACTOR:g} × its SQL + {1000 * ALLOWANCE:g} ms"
    return Row(what, median(timing.ours), allowed, 1.0)


def crowd_row(people: list[Person], asked: dict[str, Answer]) -> Row:
    """Let all people read at once, each at their own pace, and tell the time that 95 of 100 answers stayed in."""
    took: list[float] = []
    refused: list[str] = []
    threads = [threading.Thread(target=read_along, args=(person, asked, took, refused)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise Missing(f"{len(refused)} of {len(refused) + len(took)} answers failed, first: {refused[0]}")
    return Row(f"page: {PEOPLE} people at once, p95 of {len(took)} answers, beside {P95:g} s", p95(took), P95, 1.0)


def read_along(person: Person, asked: dict[str, Answer], took: list[float], refused: list[str]) -> None:
    for _ in range(READS_EACH):
        time.sleep(dice.uniform(*PAUSE))
        answer = asked[dice.choices(list(READ), list(READ.values()))[0]]
        path = answer.path(dice.choice(answer.asked))
        try:
            took.append(seconds_of(partial(person.get, path)))
        except (Missing, OSError, http.client.HTTPException) as exc:
            refused.append(str(exc) or type(exc).__name__)


def front_rows(server: Server, dbname: str) -> list[Row]:
    """Tell how large the page's scripts are, packed, and when a browser first paints it."""
    dist = PROJECT / "web" / "dist"
    scripts = sum(len(gzip.compress(path.read_bytes(), 6)) for path in dist.rglob("*.js")) / 1000
    return [
        Row(f"page: scripts, packed, beside {SCRIPT_KB} kB", scripts, SCRIPT_KB, 1.0, unit="kB"),
        Row(f"page: first paint, beside {PAINT:g} s", first_paint(server.uri(dbname)), PAINT, 1.0),
    ]


def first_paint(uri: str) -> float:
    """Return the median time to the first paint of the overview in Chromium, nothing of it kept from before."""
    chromium = shutil.which("chromium")
    if not chromium:
        raise Missing("Chromium is not installed")
    from playwright.sync_api import sync_playwright
    with served(uri) as (port, keys), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        times = []
        for key in keys[:5]:
            page = browser.new_context().new_page()
            page.goto(f"http://127.0.0.1:{port}/#key={key}")
            page.wait_for_selector("main h1")
            times.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000)
        browser.close()
    return median(times)
