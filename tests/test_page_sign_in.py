"""Who is let in to the page, for how long, and that nothing secret is told."""
from __future__ import annotations

import os
import pwd
import re
import threading
import uuid

import httpx
import pytest
from conftest import wait_for
from pages import CLOCK, PASSWORDS, books, embedded_site, problem, site, together
from pooler import free_port
from test_people import WORD

from web.sessions import UNUSED_SECONDS

pytestmark = pytest.mark.slow

WRONG = "That login and password are not let in here; try again, or ask who looks after people."
SIGNED_OUT = "You are signed out: sign in again."
LONG = 10_000
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


class Clock:
    """A clock of sessions that is put forward rather than waited for, and stands otherwise."""

    def __init__(self, folder):
        self.path, self.now = folder / "clock", 0.0
        self.forward(0)

    def forward(self, seconds):
        self.now += seconds
        part = self.path.with_suffix(".part")
        part.write_text(str(self.now))
        part.replace(self.path)


@pytest.fixture(scope="module")
def place():
    with books() as made:
        yield made


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def page(place, clock):
    """A page that closes connections as soon as nobody uses them, and does not wait for Python to collect them."""
    with site(place.uri, before=f"import gc\ngc.disable()\n{CLOCK}", CLOCK=str(clock.path)) as served:
        yield served


@pytest.fixture(scope="module")
def embedded():
    """A page by links over an embedded database."""
    with embedded_site("--viewer-link") as served:
        yield served


@pytest.fixture
def cara(place, clock):
    """A login of this test's own, which may change, with the password WORD."""
    clock.forward(15 * 60 + 1)
    place.add("cara")
    yield "cara"
    for statement in ("DROP OWNED BY cara", "DROP ROLE cara"):
        if place.sql("SELECT 1 FROM pg_roles WHERE rolname = 'cara'"):
            wait_for(lambda: not place.sessions("cara"))
            place.sql(statement)


@pytest.fixture
def visitor(page, clock):
    """Somebody who comes when earlier tests' wrong tries are forgotten."""
    clock.forward(15 * 60 + 1)
    with page.visitor() as somebody:
        yield somebody


def test_a_person_signs_in_with_the_login_s_own_password(page):
    person = page.person("bob").who()
    assert (person["login"], person["name"], person["may_change"], person["why_not"]) == ("bob", "bob", True, "")


def test_who_may_look_is_told_why_nothing_can_be_changed(page):
    person = page.person("ann").who()
    assert (person["may_change"], person["why_not"]) == (False, "the login ann may look, not change")


@pytest.mark.parametrize(("login", "password"), [
    ("ann", "wrong"), ("ann", WORD + " "), ("ann", WORD.upper()), ("ANN", WORD), ("ann ", WORD), (" ann", WORD),
    ("no-such-login", WORD), ("", ""), ("", WORD), ("ann", ""), ("ann\0", WORD), ("ann", f"{WORD}\0"),
    ("isp\0ann", WORD), ("x dbname=postgres", WORD), ("isp user=isp", WORD), ("isp' user='isp", WORD),
    ("user=isp", WORD), ("postgresql://isp@/books", WORD), ("service=books", WORD), ("ann", "x user=isp"),
    ("isp_admin", WORD), ("isp_readonly", WORD), ("\u202e", WORD), ("a" * 64, WORD), ("ann", "x" * 1000),
])
def test_a_wrong_login_or_password_is_refused_in_the_same_words(visitor, login, password):
    assert problem(visitor.try_to_sign_in(login=login, password=password), 401)["error"] == WRONG
    assert visitor.who() is None


@pytest.mark.parametrize(("secret", "field"), [
    ({"login": "\ud800", "password": WORD}, "login"),
    ({"login": "ann", "password": "\udfff"}, "password"),
    ({"login": "a" * LONG, "password": WORD}, "login"),
    ({"login": "ann", "password": "p" * LONG}, "password"),
    ({"login": "ann"}, "password"), ({"password": WORD}, "login"),
    ({"login": None, "password": WORD}, "login"), ({"login": ["ann"], "password": WORD}, "login"),
    ({"login": 1, "password": WORD}, "login"), ({"login": "ann", "password": {"a": 1}}, "password"),
    ({"login": "ann", "password": WORD, "role": "isp"}, "role"), ({}, "login"), ({"key": 5}, "key"),
    ({"key": "k" * LONG}, "key"), ({"key": "\ud800"}, "key"),
])
def test_what_is_no_login_and_password_is_named_by_its_field(visitor, secret, field):
    assert problem(visitor.try_to_sign_in(**secret), 422)["field"] == field


@pytest.mark.parametrize("body", ["", "null", "[]", "5", '"key"', '["key"]', "{", "[" * 50_000, '{"key": NaN}', "\xff"])
def test_what_is_no_sign_in_at_all_is_refused(visitor, body):
    said = problem(visitor.send_text("POST", "/api/session", body.encode("latin-1")), 422)
    assert said["field"] == ("key" if "NaN" in body else None)


def test_a_login_that_is_let_in_without_a_password_is_refused(page, place, visitor):
    said = problem(visitor.try_to_sign_in(login="isp", password="anything at all"), 403)
    assert "set scram-sha-256 in its pg_hba.conf" in said["error"]
    assert visitor.who() is None


def test_a_login_that_the_system_vouches_for_is_refused(page, place, visitor, clock):
    user = pwd.getpwuid(os.getuid()).pw_name
    rules = place.server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    place.sql(f'CREATE ROLE "{user}" LOGIN PASSWORD \'{WORD}\'; GRANT isp_admin TO "{user}"')
    try:
        rules.write_text(f'local all "{user}" peer\n{before}')
        place.sql("SELECT pg_reload_conf()")
        wait_for(lambda: place.sql("SELECT 1 FROM pg_hba_file_rules WHERE auth_method = 'peer'"))
        said = wait_for(lambda: _peer(visitor, user, clock))
        assert "set scram-sha-256 in its pg_hba.conf" in said["error"]
    finally:
        rules.write_text(before)
        place.sql(f'SELECT pg_reload_conf(); DROP OWNED BY "{user}"; DROP ROLE "{user}"')


def _peer(visitor, user, clock):
    """Return what is said once the server has read its new rules."""
    clock.forward(60)  # a try before that is a wrong one
    answer = visitor.try_to_sign_in(login=user, password="whatever else")
    return problem(answer, 403) if answer.status_code == 403 else None


def test_passwords_that_the_server_s_own_user_has_help_no_visitor(place, tmp_path):
    kept = tmp_path / "pgpass"
    kept.write_text(f"*:*:*:ann:{WORD}\n*:*:*:*:{WORD}\n")
    kept.chmod(0o600)
    services = tmp_path / "services"
    services.write_text(f"[books]\nuser=ann\npassword={WORD}\n")
    own = {"PGPASSWORD": WORD, "PGUSER": "ann", "PGPASSFILE": str(kept), "PGSERVICEFILE": str(services),
           "PGSERVICE": "books", "HOME": str(tmp_path)}
    (tmp_path / ".pgpass").write_text(kept.read_text())
    (tmp_path / ".pgpass").chmod(0o600)
    for more in ("", f" passfile={kept} password={WORD} service=books"):
        with site(place.uri + more, **own) as served:
            for login, password in (("ann", ""), ("ann", "wrong"), ("", ""), ("", WORD), ("eve", WORD)):
                assert problem(served.visitor().try_to_sign_in(login=login, password=password), 401)["error"] == WRONG
            assert served.person("ann").who()["login"] == "ann"


def test_a_visitor_comes_to_the_program_s_database_whatever_their_login_is_called(place):
    """A connection that names no database goes to the one named like its login."""
    def rename(before, after):
        wait_for(lambda: not place.server.sql(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{before}'"))
        place.server.sql(f"ALTER DATABASE {before} RENAME TO {after}")

    rename("books", "isp")
    try:
        with site(place.uri.replace("dbname=books", "")) as served:
            assert served.person("bob").who()["database"] == "isp"
    finally:
        rename("isp", "books")


CLOSED = ["ALTER ROLE cara NOLOGIN", "ALTER ROLE cara VALID UNTIL '2020-01-01'"]


@pytest.mark.parametrize("statement", CLOSED)
def test_a_locked_or_expired_login_is_not_let_in(place, visitor, cara, statement):
    place.sql(statement)
    assert problem(visitor.try_to_sign_in(login="cara", password=WORD), 401)["error"] == WRONG


@pytest.mark.parametrize("statement", [
    *CLOSED, "ALTER ROLE cara PASSWORD 'another word 9'", "DROP OWNED BY cara; DROP ROLE cara",
    "REVOKE CONNECT ON DATABASE books FROM PUBLIC", "REVOKE CONNECT ON DATABASE books FROM PUBLIC, isp_admin",
])
def test_a_session_ends_when_its_login_is_not_let_in_any_more(page, place, cara, statement):
    person = page.person("cara", WORD)
    wait_for(lambda: not place.sessions("cara"))
    place.sql(statement)
    try:
        problem(person.get("/api/customers/1"), 401)
        assert problem(person.get("/api/customers/1"), 401)["error"] == SIGNED_OUT
        assert person.who() is None
    finally:
        place.sql("GRANT CONNECT ON DATABASE books TO PUBLIC")


def test_who_is_asked_after_a_login_was_closed_is_nobody(page, place, cara):
    person = page.person("cara", WORD)
    wait_for(lambda: not place.sessions("cara"))
    place.sql("ALTER ROLE cara NOLOGIN")
    assert person.who() is None


def test_a_right_that_is_taken_away_is_gone_at_once(page, place, cara):
    person = page.person("cara", WORD)
    assert person.get("/api/customers/1").status_code == 200
    place.sql("REVOKE isp_admin FROM cara GRANTED BY isp; GRANT isp_readonly TO cara")
    assert person.get("/api/customers/1").status_code == 200
    assert problem(person.post("/api/customers", json={"name": "New"}), 403)["error"] == "This login may not do that."
    place.sql("REVOKE isp_readonly FROM cara")
    assert problem(person.get("/api/customers/1"), 403)["error"] == "This login may not look at that."


def test_who_may_look_at_nothing_is_told_what_that_takes_and_leaves_no_connection(page, place, visitor):
    said = problem(visitor.try_to_sign_in(login="eve", password=PASSWORDS["eve"]), 403)
    assert "GRANT isp_readonly TO eve" in said["error"]
    assert visitor.who() is None
    wait_for(lambda: not place.sessions("eve"))


def test_a_database_of_another_version_is_told_and_leaves_no_connection(page, place, visitor):
    place.sql("CREATE TABLE kept AS SELECT * FROM schema_version ORDER BY version DESC LIMIT 1;"
              "DELETE FROM schema_version WHERE version = (SELECT version FROM kept)")
    try:
        said = problem(visitor.try_to_sign_in(login="bob", password=PASSWORDS["bob"]), 503)
        assert "run python main.py upgrade" in said["error"]
        wait_for(lambda: not place.sessions("bob"))
    finally:
        place.sql("INSERT INTO schema_version OVERRIDING SYSTEM VALUE SELECT * FROM kept; DROP TABLE kept")


def test_six_wrong_passwords_are_slowed_down_and_nobody_else_is(page, clock, visitor, cara):
    for _ in range(5):
        problem(visitor.try_to_sign_in(login="cara", password="wrong"), 401)
    slowed = visitor.try_to_sign_in(login="cara", password=WORD)
    seconds = slowed.headers["Retry-After"]
    assert f"wait {seconds} second" in problem(slowed, 429)["error"]
    page.person("ann")
    clock.forward(int(seconds))
    problem(visitor.try_to_sign_in(login="cara", password="wrong"), 401)
    assert int(visitor.try_to_sign_in(login="cara", password=WORD).headers["Retry-After"]) > int(seconds)
    clock.forward(100)
    visitor.sign_in(login="cara", password=WORD)
    problem(page.visitor().try_to_sign_in(login="cara", password="wrong"), 401)


def test_many_wrong_passwords_at_once_are_no_way_around(page, clock, cara):
    answers = together(20, lambda: page.visitor().try_to_sign_in(login="cara", password="wrong"))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 15
    clock.forward(100)


def test_tries_while_the_database_is_away_neither_count_nor_take_back_what_was_counted(page, place, visitor, cara):
    for _ in range(4):
        problem(visitor.try_to_sign_in(login="cara", password="wrong"), 401)
    socket = place.server.folder / ".s.PGSQL.5432"
    socket.rename(socket.with_name("away"))
    try:
        for _ in range(3):
            said = problem(visitor.try_to_sign_in(login="cara", password="wrong"), 503)
            assert said["error"] == "The database cannot be reached now; try again in a moment."
    finally:
        socket.with_name("away").rename(socket)
    problem(visitor.try_to_sign_in(login="cara", password="wrong"), 401)
    problem(visitor.try_to_sign_in(login="cara", password="wrong"), 429)


def test_a_login_that_the_server_would_cut_short_is_not_tried(page, place, clock):
    """PostgreSQL takes the first 63 bytes of a login: with what follows, tries would be counted apart."""
    place.add("x" * 63)
    try:
        answer = page.visitor().try_to_sign_in(login="x" * 63 + "y", password=WORD)
        assert problem(answer, 401)["error"] == WRONG
    finally:
        place.sql(f"DROP OWNED BY {'x' * 63}; DROP ROLE {'x' * 63}")


def test_a_session_ends_when_nobody_uses_it(page, clock):
    person = page.person("bob")
    clock.forward(59 * 60)
    assert person.get("/api/customers/1").status_code == 200
    clock.forward(59 * 60)
    assert person.get("/api/customers/1").status_code == 200
    clock.forward(61 * 60)
    assert problem(person.get("/api/customers/1"), 401)["error"] == SIGNED_OUT


def test_a_session_ends_however_much_it_is_used(page, clock):
    person = page.person("bob")
    for _ in range(14):
        assert person.get("/api/customers/1").status_code == 200
        clock.forward(51 * 60)
    assert person.get("/api/customers/1").status_code == 200
    clock.forward(8 * 60)
    assert problem(person.get("/api/customers/1"), 401)["error"] == SIGNED_OUT


def test_a_signed_out_person_s_cookie_opens_nothing(page):
    person = page.person("bob")
    cookie = dict(person.cookies)
    assert person.delete("/api/session").status_code == 204
    assert not person.cookies
    problem(page.visitor(cookies=cookie).get("/api/customers/1"), 401)


def test_signing_in_anew_ends_the_session_before_and_gives_another_cookie(page):
    person = page.person("bob")
    earlier = dict(person.cookies)
    person.sign_in(login="ann", password=PASSWORDS["ann"])
    assert dict(person.cookies) != earlier
    assert person.who()["login"] == "ann"
    problem(page.visitor(cookies=earlier).get("/api/customers/1"), 401)


def test_a_wrong_sign_in_leaves_who_is_signed_in_as_they_are(page):
    person = page.person("bob")
    problem(person.try_to_sign_in(login="ann", password="wrong"), 401)
    assert person.who()["login"] == "bob"


def attributes(answer):
    name, _, rest = answer.headers["set-cookie"].partition("=")
    return name, {part.strip().casefold() for part in rest.split(";")[1:]}


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(page, visitor):
    name, said = attributes(visitor.try_to_sign_in(login="ann", password=WORD))
    port = page.address.rstrip("/").rpartition(":")[2]
    assert name == f"isp-{port}"
    assert said == {"httponly", "samesite=strict", "path=/", "max-age=43200"}


def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_alone(page):
    behind = page.visitor(headers={"X-Forwarded-Proto": "https"})
    name, said = attributes(behind.try_to_sign_in(login="ann", password=WORD))
    assert name == "__Host-isp"
    assert said == {"httponly", "samesite=strict", "path=/", "max-age=43200", "secure"}


def test_nobody_but_a_proxy_of_this_machine_says_that_there_is_tls(place):
    with site(place.uri, "--host", "0.0.0.0") as served:  # noqa: S104, the test ends before anybody comes
        address = f"http://127.0.0.2:{served.address.rstrip('/').rpartition(':')[2]}/"
        served.printed = [f"The page: {address}\n"]
        from_elsewhere = served.visitor(transport=_from("127.0.0.3"), headers={"X-Forwarded-Proto": "https"})
        name, said = attributes(from_elsewhere.try_to_sign_in(login="ann", password=WORD))
        assert name.startswith("isp-")
        assert "secure" not in said


def _from(address):
    return httpx.HTTPTransport(local_address=address)


def test_two_servers_at_two_ports_do_not_sign_each_other_out(page, place):
    with site(place.uri) as other:
        person = page.person("bob")
        there = other.visitor(cookies=person.cookies).sign_in(login="ann", password=WORD)
        person.cookies.update(there.cookies)
        assert person.who()["login"] == "bob"
        assert other.visitor(cookies=person.cookies).who()["login"] == "ann"


def test_a_server_that_was_started_again_knows_nobody(place):
    port = str(free_port())
    with site(place.uri, "--port", port) as before:
        person = before.person("bob")
    with site(place.uri, "--port", port):
        problem(person.get("/api/customers/1"), 401)
        assert person.who() is None


def test_a_person_s_statements_run_as_that_person(page, place):
    readers = [threading.Thread(target=person.get, args=("/api/customers/1",))
               for person in (page.person("ann"), page.person("bob"))]
    with place.session() as holder:
        holder.execute("BEGIN; LOCK TABLE locations")
        for reader in readers:
            reader.start()
        wait_for(lambda: len(place.sql(WAITING)) == 2)
        seen = place.sql("SELECT usename, application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for reader in readers:
        reader.join()
    assert sorted(seen) == [("ann", "isp-customer-tracker"), ("bob", "isp-customer-tracker")]


def test_the_program_s_own_connections_are_closed_while_it_serves(page, place):
    page.person("bob").get("/api/overview")
    wait_for(lambda: place.sessions("isp") == [])


def test_many_sessions_of_a_person_share_their_few_connections(place):
    with site(place.uri) as served:
        sessions = [served.person("bob") for _ in range(8)]
        for person in sessions:
            assert person.get("/api/overview").status_code == 200
        assert sessions[0].delete("/api/session").status_code == 204
        wait_for(lambda: 1 <= len(place.sessions("bob")) <= 2, UNUSED_SECONDS / 2)  # one that was closed ends by itself
        assert sessions[1].get("/api/overview").status_code == 200


def test_connections_that_nobody_uses_are_closed_and_opened_again(page, place):
    person = page.person("bob")
    person.get("/api/overview")
    wait_for(lambda: not place.sessions("bob"))
    assert person.get("/api/overview").status_code == 200


def test_a_write_under_way_at_sign_out_is_finished_and_then_its_connection_is_closed(page, place):
    person = page.person("bob")
    form = person.get("/api/customers/1/payment-form").json()
    payment = {"entry_key": form["entry_key"], "amount": "1.23", "paid_on": form["today"], "method": "cash"}
    with place.session() as holder:
        holder.execute("BEGIN; SELECT 1 FROM customers WHERE customer_id = 1 FOR UPDATE")
        answers = []
        writer = threading.Thread(target=lambda: answers.append(
            person.post("/api/customers/1/payments", json=payment)))
        writer.start()
        wait_for(lambda: place.sql(WAITING))
        leaver = page.visitor(cookies=person.cookies)
        leaver.token = person.token
        assert leaver.delete("/api/session").status_code == 204
        holder.execute("COMMIT")
        writer.join()
    answer, = answers
    assert answer.status_code == 201, answer.text
    assert place.sql("SELECT count(*) FROM payments WHERE amount = 1.23") == [(1,)]
    wait_for(lambda: not place.sessions("bob"))


def test_a_link_works_once_and_the_next_one_is_printed(embedded):
    first = embedded.key(0)
    embedded.guest(0)
    problem(embedded.visitor().try_to_sign_in(key=first), 401)
    assert len(embedded.links) == 3
    assert embedded.guest(-1).who()["name"] == "administrator"


@pytest.mark.parametrize("key", ["", "x", "0" * 32, str(uuid.UUID(int=0)), "\0", "../../etc/passwd"])
def test_a_key_that_was_never_printed_opens_nothing(embedded, key):
    stranger = embedded.visitor()
    problem(stranger.try_to_sign_in(key=key), 401)
    assert stranger.who() is None


def last_key(served, name):
    *_, link = re.findall(r"To look\S* .*(http\S+)" if name == "viewer" else r"(?:The page:|Used. The next:) (http\S+)",
                          served.output)
    return link.partition("#key=")[2]


def test_wrong_keys_keep_nobody_with_the_right_one_waiting(embedded):
    for _ in range(8):
        problem(embedded.visitor().try_to_sign_in(key="wrong"), 401)
    embedded.come_by(last_key(embedded, "viewer"))


def test_whoever_opens_a_link_that_was_used_stays_signed_in(embedded):
    guest = embedded.come_by(last_key(embedded, "viewer"))
    problem(guest.try_to_sign_in(key="used"), 401)
    assert guest.who()["name"] == "viewer"


def test_the_viewer_s_link_may_look_and_not_change(embedded):
    viewer = embedded.come_by(last_key(embedded, "viewer"))
    assert viewer.get("/api/overview").status_code == 200
    assert (viewer.who()["may_change"], viewer.who()["why_not"]) == (False, "this link may look, not change")
    assert problem(viewer.post("/api/customers", json={"name": "New"}), 403)["error"] == "This login may not do that."


def test_the_two_links_leave_each_other_alone(embedded):
    viewer = embedded.come_by(last_key(embedded, "viewer"))
    administrator = embedded.come_by(last_key(embedded, "administrator"))
    assert viewer.delete("/api/session").status_code == 204
    assert administrator.get("/api/customers").status_code == 200
    problem(viewer.get("/api/customers"), 401)


def test_passwords_open_nothing_where_there_are_links_nor_keys_where_there_are_people(embedded, visitor):
    problem(embedded.visitor().try_to_sign_in(login="postgres", password="postgres"), 401)
    problem(visitor.try_to_sign_in(key="anything"), 401)


def test_nothing_secret_is_printed_logged_or_answered(place, tmp_path):
    with site(place.uri, ISP_DATA_DIR=str(tmp_path)) as served:
        person = served.person("bob")
        answers = [
            served.visitor().try_to_sign_in(login="ann", password="secret-one"),
            served.visitor().try_to_sign_in(login="secret-two", password="secret-one"),
            person.post("/api/customers", json={"name": "secret-name\0"}),
            person.get("/api/customers", params={"search": "secret-search"}),
            person.get("/api/overview"), person.get("/api/changes"), person.delete("/api/session"),
        ]
        cookie = answers[-1].request.headers["cookie"].partition("=")[2]
        served.end()
        told = "".join([served.output, *served.complained, (tmp_path / "program.log").read_text()])
    secrets = ["secret-", PASSWORDS["bob"], person.token, cookie]
    assert [secret for secret in secrets if secret in told] == []
    said = "".join(answer.text + str(answer.headers) for answer in answers)
    assert [secret for secret in ["secret-one", *secrets[1:]] if secret in said] == []


def test_of_links_only_the_printed_ones_are_told(tmp_path):
    with embedded_site("--viewer-link") as served:
        keys = [served.key(0), served.key(1)]
        guest = served.guest(0)
        served.visitor().try_to_sign_in(key="planted-key")
        guest.get("/api/overview")
        cookie, = guest.cookies.values()
        served.end()
        folder = served.folder
        log = (folder / "program.log").read_text()
    assert [secret for secret in [*keys, "planted-key", cookie, guest.token] if secret in log] == []
    assert [secret for secret in ["planted-key", cookie, guest.token] if secret in served.output] == []
    assert served.complained == []
