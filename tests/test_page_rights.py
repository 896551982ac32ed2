"""What each of the page's endpoints lets whom do, and that nobody else can make a visitor's browser do it."""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import re
import shutil
import socket
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from clusters import Server
from conftest import PROJECT, in_memory, wait_for
from logins import everything, fill
from pages import books, own_folder, problem, site
from test_people import WORD

import database
from tracker import embedded
from web.app import FORGED, OVER, make_app
from web.sessions import Sessions

pytestmark = pytest.mark.slow

OPERATIONS = sorted(
    (method.upper(), path)
    for path, kinds in make_app(Sessions(), "any").openapi()["paths"].items() for method in kinds
)
SESSION = [(method, path) for method, path in OPERATIONS if path == "/api/session"]
READS = [(method, path) for method, path in OPERATIONS if method == "GET" and path != "/api/session"]
# Each write as it succeeds on the books of logins.fill, one after the other, with the table that the trail then names.
WRITES = {
    ("POST", "/api/customers"): ({"name": "Cy Young", "phone_number": "5550177"}, "customers"),
    ("PATCH", "/api/customers/1"):
        ({"name": "Ada", "seen": {"name": "Ada Okafor-Li", "phone_number": None}}, "customers"),
    ("POST", "/api/customers/1/locations"): ({"address": "9 Hill"}, "locations"),
    ("PATCH", "/api/locations/1"): ({"address": "1 Hill", "seen": {"address": "1 Harbour Street"}}, "locations"),
    ("POST", "/api/locations/1/services"): ({"service_name": "TV", "cost": "5.00"}, "services"),
    ("PATCH", "/api/services/1"):
        ({"cost": "50", "seen": {"service_name": "Fibre", "cost": "49.90"}}, "services"),
    ("POST", "/api/locations/1/equipment"):
        ({"equipment_name": "Box", "serial_number": "S-9", "cost": "5"}, "equipment"),
    ("PATCH", "/api/equipment/1"):
        ({"cost": "9", "seen": {"equipment_name": "Router", "serial_number": "S-1", "cost": "120"}}, "equipment"),
    ("POST", "/api/customers/1/payments"):
        ({"entry_key": str(uuid4()), "amount": "7.00", "paid_on": "today", "method": "cash"}, "payments"),
    ("POST", "/api/payments/1/void"): ({"reason": "typo"}, "payments"),
    ("POST", "/api/customers/1/credit-notes"):
        ({"entry_key": str(uuid4()), "amount": "1.00", "reason": "Outage"}, "payments"),
    ("POST", "/api/customers/1/notes"): ({"note": "Called."}, "customer_notes"),
    ("POST", "/api/equipment/1/move"):
        ({"location_id": None, "seen": {"location_id": 1, "retired_on": None}}, "equipment"),
}
OWN = [("DELETE", "/api/news")]  # what everybody may do to what is theirs alone
ALL = [*READS, *WRITES, *OWN]


def filled(path):
    """Return a path with the number 1 wherever it wants an ID."""
    return re.sub(r"\{[a-z_]+\}", "1", path)


def ask(visitor, method, path, **more):
    body = WRITES[method, path][0] if (method, path) in WRITES else None
    seen = "?seen=0" if (method, path) in OWN else ""
    return visitor.request(method, filled(path) + seen, json=body, **more)


@pytest.fixture(scope="module")
def place():
    with books() as made:
        yield made


@pytest.fixture(scope="module")
def dist():
    """A built page in which links lead out of it."""
    top = Path(tempfile.mkdtemp(prefix="isp-page-dist-", dir=in_memory()))
    (top / "dist" / "assets").mkdir(parents=True)
    (top / "dist" / "index.html").write_text("<!doctype html><title>The page</title>")
    (top / "dist" / "assets" / "app.js").write_text("// " + "x" * 2000)
    (top / "outside.txt").write_text("a secret of this machine")
    (top / "dist" / "link.txt").symlink_to(top / "outside.txt")
    (top / "dist" / "up").symlink_to(top)
    yield top / "dist"
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def page(place, dist):
    fault = ("from web import overview\ndef fail(): raise RuntimeError('secret')\n"
             "overview.reports.recurring_revenue = fail")
    with site(place.uri, before=f"from pathlib import Path\nfrom web import app\napp.DIST = Path({str(dist)!r})\n"
              f"{fault}") as served:
        yield served


@pytest.fixture(scope="module")
def plain(place):
    """The page with nothing changed."""
    with site(place.uri) as served:
        yield served


@pytest.fixture
def untouched(place):
    """See that a test leaves everything in the database as it was."""
    before = everything(place.superuser)
    yield
    assert everything(place.superuser) == before


def test_every_endpoint_is_spoken_for():
    """A new one is tried by everybody below once it stands in WRITES, or reads."""
    named = {(method, filled(path)) for method, path in OPERATIONS}
    assert named == {*SESSION, *OWN, *((method, filled(path)) for method, path in READS), *WRITES}


@pytest.mark.parametrize("cookie", [
    "", "isp-{port}=; a=b", "isp-{port}=planted", "__Host-isp=planted", "isp-{port}", "isp-{port}=\xe9\xff", "a=[;\x01",
])
def test_nobody_gets_or_does_anything(plain, untouched, cookie):
    port = plain.address.rstrip("/").rpartition(":")[2]
    stranger = plain.visitor(headers=encoded({"Cookie": cookie.format(port=port)}) if cookie else {})
    stranger.token = "planted"
    for method, path in ALL:
        assert problem(ask(stranger, method, path), 401)["error"] == OVER, path
    problem(stranger.delete("/api/session"), 403)
    assert stranger.who() is None


def test_whose_rights_were_taken_away_gets_and_does_nothing(plain, place):
    place.add("dan")
    dan = plain.person("dan", WORD)
    place.sql("REVOKE isp_admin FROM dan GRANTED BY isp")
    before = everything(place.superuser)
    for method, path in [*READS, *WRITES]:
        problem(ask(dan, method, path), 403)
    assert everything(place.superuser) == before
    place.sql("DROP OWNED BY dan")
    dan.delete("/api/session")
    wait_for(lambda: not place.sessions("dan"))
    place.sql("DROP ROLE dan")


def reads_all(visitor):
    for method, path in READS:
        answer = ask(visitor, method, path)
        assert answer.status_code == 200, (path, answer.text)


def refused(visitor, sentence):
    for method, path in WRITES:
        assert problem(ask(visitor, method, path), 403)["error"] == sentence, path


MAY_NOT = "This login may not do that."


def test_a_reader_reads_all_and_is_refused_each_write_by_the_database(plain, untouched):
    ann = plain.person("ann")
    reads_all(ann)
    refused(ann, MAY_NOT)


def test_the_refusal_stays_where_the_program_believes_that_a_reader_may_change(place, untouched):
    faked = "import database\nseen = database.rights\ndatabase.rights = lambda: {**seen(), 'why_not': ''}"
    with site(place.uri, before=faked) as served:
        ann = served.person("ann")
        assert ann.who()["may_change"]
        refused(ann, MAY_NOT)


def trail(visitor):
    return visitor.get("/api/changes", params={"limit": 1}).json()["rows"][0]


def written_by(visitor, path, table, names):
    """See that the trail's last line tells of a write with a table, of whom, and with what program."""
    last = trail(visitor)
    assert {key: last[key] for key in names} == names, path
    assert last["table_name"] in (table, "billing", "payment_allocations"), path


@pytest.fixture
def own_books():
    """Books of a test's own, since it writes all over them."""
    with books() as made:
        yield made


def writes_all(visitor, **names):
    for number, ((method, path), (_, table)) in enumerate(WRITES.items()):
        before = trail(visitor)["trail_id"] if number else 0
        answer = ask(visitor, method, path)
        assert answer.status_code in (200, 201), (path, answer.text)
        assert trail(visitor)["trail_id"] > before
        written_by(visitor, path, table, names)


def test_an_administrator_reads_and_writes_all_and_the_trail_has_the_name(own_books):
    with site(own_books.uri) as served:
        bob = served.person("bob")
        reads_all(bob)
        writes_all(bob, person="bob", login="bob", program="")
    assert own_books.sql("SELECT DISTINCT program FROM trail WHERE login = 'bob'") == [("isp-customer-tracker",)]


def test_two_people_at_once_are_told_apart(plain, place):
    place.add("dora")
    people = {login: plain.person(login, password) for login, password in (("bob", ""), ("dora", WORD))}
    for number, (login, visitor) in enumerate([*people.items()] * 4):
        answer = visitor.post("/api/customers/2/locations", json={"address": f"{login} was at {number}"})
        assert answer.status_code == 201, answer.text
        assert trail(visitor)["login"] == login
    said = place.sql("SELECT address, login FROM locations JOIN trail ON single_id = location_id "
                     "WHERE table_name = 'locations' AND kind = 'added' AND address LIKE '%was at%'")
    assert len(said) == 8
    assert [address for address, login in said if not address.startswith(login)] == []


@contextlib.contextmanager
def filled_embedded(*options, **more):
    """Serve an embedded database that is filled; yield the server and the database's URI."""
    with own_folder() as folder, site("", *options, ISP_DATA_DIR=str(folder), **more) as served:
        uri = f"host={next(folder.glob('postgres-*'))} user=postgres dbname=isp_customer_tracker"
        fill(uri)
        yield served, uri


def test_the_administrator_s_link_writes_as_the_system_account_and_the_viewer_s_not_at_all():
    with filled_embedded("--viewer-link") as (served, uri):
        viewer = served.guest(1)
        before = everything(uri)
        reads_all(viewer)
        refused(viewer, MAY_NOT)
        assert everything(uri) == before
        administrator = served.guest(0)
        reads_all(administrator)
        user = os.environ.get("SUDO_USER") if os.getuid() == 0 else None
        writes_all(administrator, person=user or pwd.getpwuid(os.getuid()).pw_name, login="postgres", program="")


@pytest.mark.parametrize("how", [{"READ_ONLY": "yes"}, {"first": ("--read-only",)}])
def test_a_page_that_is_opened_to_read_takes_no_changes(place, untouched, how):
    with site(place.uri, **how) as served:
        bob = served.person("bob")
        assert bob.who()["why_not"] == "by READ_ONLY or --read-only, a seat belt and no lock"
        reads_all(bob)
        refused(bob, database.NOT_HERE)


def test_an_embedded_page_that_is_opened_to_read_takes_no_changes():
    with filled_embedded() as (_, uri):
        folder = Path(psycopg2.extensions.parse_dsn(uri)["host"]).parent
        with site("", first=("--read-only",), ISP_DATA_DIR=str(folder)) as served:
            guest = served.guest()
            assert not guest.who()["may_change"]
            before = everything(uri)
            reads_all(guest)
            refused(guest, database.NOT_HERE)
            assert everything(uri) == before


@pytest.fixture
def standby(place):
    """A standby that follows the server of the books."""
    rules = place.server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local replication postgres trust\n{before}")
    place.sql("SELECT pg_reload_conf()")
    follower = Server(Path(f"{place.server.folder}-standby"))
    follower.folder.mkdir(0o700)
    if user := embedded._system_user():
        os.chown(follower.folder, user.pw_uid, user.pw_gid)
    follower.run("pg_basebackup", "-d", place.server.uri, "-D", follower.folder / "data", "-R", "--checkpoint=fast",
                 "--no-sync")
    follower.start()
    yield follower
    follower.kill()
    rules.write_text(before)
    place.sql("SELECT pg_reload_conf()")


def test_on_a_standby_the_page_reads_and_says_that_it_takes_no_changes(place, standby):
    uri = psycopg2.extensions.make_dsn(place.uri, host=str(standby.folder))
    with site(uri) as served:
        bob = served.person("bob")
        assert bob.who()["why_not"] == "this server is a standby"
        reads_all(bob)
        refused(bob, "This server takes no changes now: it is a standby, or read-only.")


# How other sites' pages, and programs that are no page, send a write.
def forged(page):
    host = ":".join(map(str, place_of(page)))
    return [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"http://{host}.evil.example"},
        {"Origin": f"http://evil.example/{host}"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "http://["},
        {"Origin": f"http://{host}@evil.example"}, {"Origin": ""}, {"Origin": "http://\xe9"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "planted"}, {"X-CSRF-Token": "\xe9"},
    ]


def encoded(headers):
    return {name: value.encode("latin-1") for name, value in headers.items()}


def test_a_write_that_another_site_s_page_sends_is_refused(plain, untouched):
    bob = plain.person("bob")
    for headers in forged(plain):
        for method, path in WRITES:
            answer = ask(bob, method, path, headers=encoded(headers))
            assert problem(answer, 403)["error"] == FORGED, headers
        assert problem(bob.request("DELETE", "/api/session", headers=encoded(headers)), 403)["error"] == FORGED
    assert bob.who()["login"] == "bob"


def test_another_site_s_page_cannot_sign_a_visitor_in(plain):
    stranger = plain.visitor()
    for headers in forged(plain)[:13]:
        answer = stranger.request("POST", "/api/session", json={"login": "ann", "password": WORD},
                                  headers=encoded(headers))
        assert problem(answer, 403)["error"] == FORGED, headers
    assert stranger.who() is None


def test_a_write_without_a_token_or_with_another_session_s_is_refused(plain, untouched):
    bob, other = plain.person("bob"), plain.person("bob")
    assert bob.token != other.token
    for token in ("", other.token, bob.token[:-1], bob.token + "x"):
        bob.token = token
        for method, path in WRITES:
            assert problem(ask(bob, method, path), 403)["error"] == FORGED


def test_a_write_from_the_page_itself_is_taken(plain):
    bob = plain.person("bob")
    headers = {"Origin": plain.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    answer = bob.post("/api/customers/2/locations", json={"address": "Where it was typed"}, headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("kind", [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
    "text/plain; application/json", "application/jsonp", "x",
])
def test_a_body_that_a_form_of_another_site_could_send_is_refused(plain, untouched, kind):
    bob = plain.person("bob")
    for (method, path), (body, _) in WRITES.items():
        sent = json.dumps(body)
        part = f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{sent}'
        for text in (sent, f"{sent}=", "name=Eve&reason=x", part):
            headers = {"Content-Type": kind} if kind else {}
            answer = bob.request(method, path, content=text.encode(), headers=headers)
            problem(answer, 415)


def test_reading_writes_nothing(plain, untouched):
    bob = plain.person("bob")
    for method, path in READS:
        for query in ({}, {"search": "ada"}, {"limit": 1}, {"as_of": "2026-01-31"}, {"reason": "x"}):
            bob.request(method, filled(path), params=query)
            bob.request(method, filled(path), params=query, headers={"X-HTTP-Method-Override": "DELETE"})


HEADERS = {
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(("path", "status"), [
    ("/", 200), ("/customers/1", 200), ("/assets/app.js", 200), ("/missing.js", 404), ("/%00", 200),
    ("/" + "a" * 5000, 200), ("/" + "a/" * 3000, 200), ("/api/session", 200), ("/api/customers/1", 200),
    ("/api/customers/999", 404), ("/api/nothing", 404), ("/api/", 404), ("/api/customers/x", 422),
    ("/api/revenue", 500), ("/api/late.csv", 200), ("/api/openapi.json", 200),
])
def test_every_kind_of_answer_carries_the_headers_that_protect_it(page, path, status):
    answer = page.person("ann").get(path)
    assert answer.status_code == status, answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_a_fault_of_the_program_is_one_sentence_that_tells_nothing(page):
    said = problem(page.person("ann").get("/api/revenue"), 500)
    assert said["error"].startswith("This is a fault of the program; please report it")


def test_no_answer_of_the_api_may_be_kept(page):
    ann = page.person("ann")
    answers = [*(ask(ann, *operation) for operation in ALL), ann.get("/api/session"), page.visitor().get("/api/late"),
               ann.get("/api/nothing"), ann.get("/api/customers/x"), ann.request("OPTIONS", "/api/late")]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


def test_the_page_is_asked_for_anew_and_its_parts_are_kept(page):
    stranger = page.visitor()
    assert stranger.get("/customers").headers["cache-control"] == "no-cache"
    assert "immutable" in stranger.get("/assets/app.js").headers["cache-control"]


def place_of(page):
    host, port = page.address[len("http://"):].rstrip("/").split(":")
    return host, int(port)


def raw(page, method, path, body=None, headers=None):
    """Send a path as it stands, which a client would tidy up."""
    with contextlib.closing(http.client.HTTPConnection(*place_of(page), timeout=180)) as connection:
        connection.putrequest(method, path, skip_host=False)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


@pytest.mark.parametrize("path", [
    "/../outside.txt", "/assets/../../outside.txt", "/..%2foutside.txt", "/%2e%2e/outside.txt", "/%2e%2e%2foutside.txt",
    "/assets/..%2f..%2foutside.txt", "/..%5coutside.txt", "/..;/outside.txt", "/%252e%252e/outside.txt", "/link.txt",
    "/up/outside.txt", "/up/dist/../outside.txt", "//outside.txt", "/{outside}", "/%2f{outside}", "/{outside}%00.js",
    "/....//outside.txt", "/assets/app.js/../../../outside.txt", "/.%2e/outside.txt", "/%c0%ae%c0%ae/outside.txt",
])
def test_no_path_leads_out_of_the_page_s_folder(page, dist, path):
    path = path.replace("{outside}", str(dist.parent / "outside.txt"))
    status, body, _ = raw(page, "GET", path)
    assert b"a secret of this machine" not in body
    assert status in (200, 404)


def test_the_page_is_found_where_the_program_s_folder_is_a_link(place, tmp_path):
    """As /srv/isp is, which stands for the version that is installed."""
    (tmp_path / "current").symlink_to(PROJECT)
    linked = str(tmp_path / "current")
    with site(place.uri, before=f"import sys\nsys.path.insert(0, {linked!r})") as served:
        icon = next((PROJECT / "web" / "dist").glob("*.svg"))
        assert served.visitor().get(f"/{icon.name}").content == icon.read_bytes()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "GETT", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/api/session", "/api/customers", "/api/customers/1"])
def test_other_methods_do_nothing_and_break_nothing(page, untouched, method, path):
    bob = page.person("bob")
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in bob.cookies.items()), "X-CSRF-Token": bob.token}
    status, body, headers = raw(page, method, path, headers=cookie)
    assert status < 500
    assert headers["X-Frame-Options"] == "DENY"
    assert method != "HEAD" or body == b""
    assert not headers["Access-Control-Allow-Origin"]


def test_headers_without_end_are_refused_and_stop_nobody(page):
    with contextlib.suppress(ConnectionError):  # it may hang up before all has arrived
        status, _, _ = raw(page, "GET", "/api/session", headers={f"X-{number}": "x" * 1000 for number in range(5000)})
        assert status in (400, 431)
    status, _, _ = raw(page, "GET", "/api/session", headers={"Cookie": "a" * 60_000})
    assert status < 500
    assert page.person("ann").get("/api/customers/1").status_code == 200


def test_a_body_too_long_to_be_read_is_refused_whether_it_says_so_or_not(page, untouched):
    bob = page.person("bob")
    chunks = (b"x" * 10_000 for _ in range(1000))
    problem(bob.send_text("POST", "/api/customers", b"x" * 10_000_000), 413)
    problem(bob.send_text("POST", "/api/customers", chunks), 413)
    problem(page.visitor().send_text("POST", "/api/session", (b"x" * 10_000 for _ in range(1000))), 413)
    assert page.person("ann").get("/api/customers/1").status_code == 200


@pytest.mark.parametrize("said", ["-1", "1e3", "x", "1, 2", "99999999999999999999999", " "])
def test_a_length_that_is_none_is_refused(page, said):
    with contextlib.suppress(ConnectionError):  # it hangs up on what it does not read
        status, _, _ = raw(page, "POST", "/api/session", b"{}", headers={"Content-Length": said})
        assert 400 <= status < 500
    assert page.visitor().who() is None


def test_slow_and_silent_clients_stop_nobody(page):
    bob = page.person("bob")
    cookie = "; ".join(f"{name}={value}" for name, value in bob.cookies.items())
    begun = (f"POST /api/customers HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nX-CSRF-Token: {bob.token}\r\n"
             "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{").encode()
    with contextlib.ExitStack() as opened:
        for text in [begun] * 150 + [b"GET / HT"] * 50 + [b""] * 50:
            slow = opened.enter_context(socket.create_connection(place_of(page)))
            slow.sendall(text)
        assert page.person("ann").get("/api/customers/1").status_code == 200
        assert bob.get("/api/customers/1").status_code == 200
