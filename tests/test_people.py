"""People: logins on a server of the test's own, looked after by an owner who may make logins and is no superuser."""
from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import re
import shutil
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions
import pytest
from clusters import Server
from conftest import PROJECT, in_memory, lines, run_program, sentence, wait_for
from emulator import Terminal

import database
from tracker import access, embedded, errors
from tracker.terminal import commands

pytestmark = pytest.mark.slow

WORD = "correct-horse-9"
OTHER = "battery staple 7"
KEPT = ("postgres", "isp", "isp_admin", "isp_readonly")
HBA = "local all postgres trust\nlocal all isp trust\nlocal all all scram-sha-256\n"


@contextlib.contextmanager
def asking_for_passwords():
    """Start a server that asks for passwords and logs every statement."""
    top = Path(tempfile.mkdtemp(prefix="isp-people-", dir=in_memory()))
    top.chmod(0o755)
    server = Server(top / "server")
    server.folder.mkdir(0o700)
    if user := embedded._system_user():
        os.chown(server.folder, user.pw_uid, user.pw_gid)
    server.run("initdb", "-D", server.folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8",
               "--locale=C", "--no-sync")
    (server.folder / "data" / "pg_hba.conf").write_text(HBA)
    server.start("log_statement=all", "logging_collector=on", "log_filename=all.log", "fsync=off")
    server.sql("CREATE ROLE isp LOGIN CREATEROLE")
    yield server
    server.kill()
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def cluster():
    with asking_for_passwords() as server:
        yield server


@pytest.fixture
def books(cluster):
    """A database whose owner may make logins; and nobody else's login."""
    cluster.sql("CREATE DATABASE books OWNER isp")
    yield named(cluster, "isp")
    database.disconnect()
    cluster.sql("DROP DATABASE books WITH (FORCE)")
    cluster.sql("ALTER ROLE isp CREATEROLE")
    for login, in cluster.sql("SELECT quote_ident(rolname) FROM pg_roles WHERE oid >= 16384"):
        if login not in KEPT:
            cluster.sql(f"DROP OWNED BY {login}")
            cluster.sql(f"DROP ROLE {login}")


def named(cluster, login, password=""):
    return psycopg2.extensions.make_dsn(cluster.uri, dbname="books", user=login,
                                        **({"password": password} if password else {}))


@pytest.fixture
def uri(books):
    return books


@pytest.fixture
def people(books):
    """The owner's session, with ann who may look and bob who may change, too."""
    database.connect(books)
    access.add("ann", "read-only", WORD)
    access.add("bob", "admin", OTHER)
    return access


@pytest.fixture
def screen(people, books, tmp_path):
    """The program at the choice from the entry People, in an emulated terminal."""
    database.disconnect()
    shown = Terminal(books, 80, tmp_path)
    shown.start()
    shown.type("8", "3")
    yield shown
    shown.close()


@pytest.fixture
def superuser(cluster, people):
    """Run SQL in the database of the books as a superuser."""
    conn = psycopg2.connect(named(cluster, "postgres"))
    conn.autocommit = True
    yield conn.cursor().execute
    conn.close()


@pytest.fixture
def session(cluster):
    """Open sessions of people, as psql would; each statement commits."""
    with contextlib.ExitStack() as opened:
        def open_session(login, password=WORD):
            conn = opened.enter_context(contextlib.closing(psycopg2.connect(named(cluster, login, password))))
            conn.autocommit = True
            return conn.cursor()

        yield open_session


def roles(people):
    return {person["login"]: person["role"] for person in people.people()}


def logins(cluster):
    return {login for login, in cluster.sql("SELECT rolname FROM pg_roles WHERE oid >= 16384")} - set(KEPT)


def read(path):
    return path.read_bytes().decode("utf-8", "replace")


def test_a_new_person_may_look_and_an_admin_may_change(people, session):
    session("ann").execute("SELECT count(*) FROM customers")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        session("ann").execute("INSERT INTO customers (name) VALUES ('Ada')")
    session("bob", OTHER).execute("INSERT INTO customers (name) VALUES ('Ada')")


def test_a_wrong_password_is_refused(people, session):
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        session("ann", OTHER)


def test_a_changed_role_holds_at_once(people, session):
    bob, ann = session("bob", OTHER), session("ann")
    bob.execute("INSERT INTO customers (name) VALUES ('Ada'); SET ROLE isp_admin")
    people.set_role("bob", "read-only")
    people.set_role("ann", "admin")
    with pytest.raises(psycopg2.OperationalError):  # a session that has another role's rights would keep them
        bob.execute("INSERT INTO customers (name) VALUES ('Bo')")
    bob = session("bob", OTHER)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        bob.execute("INSERT INTO customers (name) VALUES ('Bo')")
    ann.execute("INSERT INTO customers (name) VALUES ('Cy')")
    bob.execute("SELECT name FROM customers")
    assert bob.fetchall() == [("Ada",), ("Cy",)]


def test_whoever_is_locked_ended_or_removed_does_not_come_in(people, session):
    for login in ("locked", "ended", "removed", "mended"):
        people.add(login, "admin", WORD)
        session(login)
    people.lock("locked")
    people.remove("removed")
    for login in ("ended", "mended"):
        people.set_end(login, database.today() - timedelta(days=1))
    people.set_end("mended", database.today())
    for login in ("locked", "ended", "removed"):
        with pytest.raises(psycopg2.OperationalError):
            session(login)
    session("mended")
    people.unlock("locked")
    session("locked")
    people.set_end("ended", None)
    session("ended")


def test_a_new_password_takes_the_place_of_the_old(people, session):
    people.set_password("ann", OTHER)
    session("ann", OTHER)
    with pytest.raises(psycopg2.OperationalError):
        session("ann")


def test_the_last_day_lasts_to_its_end_by_the_calendar_of_the_business(people, books, cluster, monkeypatch):
    database.disconnect()
    monkeypatch.setenv("TIMEZONE", "Asia/Tokyo")
    database.connect(books)
    day = database.today()
    people.set_end("ann", day)
    (end,), = cluster.sql("SELECT rolvaliduntil AT TIME ZONE 'Asia/Tokyo' FROM pg_roles WHERE rolname = 'ann'")
    assert f"{end:%Y-%m-%d %H:%M:%S}" == f"{day + timedelta(days=1)} 00:00:00"
    ann, = [person for person in people.people() if person["login"] == "ann"]
    assert ann["ends_on"] == day


@pytest.mark.parametrize("act", ["lock", "remove"])
@pytest.mark.parametrize("login", ["isp", "postgres"])
def test_the_sessions_of_who_is_locked_or_removed_end(login, act, people, cluster, session):
    database.disconnect()
    database.connect(named(cluster, login))
    ann = session("ann")
    assert getattr(people, act)("ann") == 0
    with pytest.raises(psycopg2.OperationalError):
        ann.execute("SELECT 1")


@pytest.mark.parametrize(("act", "more", "said"), [("lock", [], "Locked"), ("remove", ["--yes"], "Removed")])
def test_sessions_that_do_not_end_are_counted(act, more, said, people, books, session):
    backends = [psutil.Process(session("ann").connection.info.backend_pid) for _ in range(2)]
    for backend in backends:
        backend.suspend()
    try:
        done = run_program(books, "people", act, "ann", *more)
        assert (done.returncode, done.stdout) == (0, f"{said} ann; 2 sessions of theirs are still open.\n")
    finally:
        for backend in backends:
            backend.resume()


@pytest.mark.parametrize("login", ["isp", "postgres"])
def test_sessions_of_others_go_on(login, people, cluster, session):
    database.disconnect()
    database.connect(named(cluster, login))
    bob = session("bob", OTHER)
    people.lock("ann")
    people.remove("ann")
    bob.execute("SELECT 1")


def test_a_removed_persons_changes_keep_their_name(people, session, superuser):
    session("bob", OTHER).execute("INSERT INTO customers (name) VALUES ('Ada')")
    people.remove("bob")
    superuser("SELECT login, person FROM trail")
    assert superuser.__self__.fetchall() == [("bob", "bob")]


TYPED = [
    ("Choose: ", "8"), ("Choose: ", "3"), ("Choose: ", "1"), ("Login: ", "carl"), ("Role [read-only]: ", "2"),
    ("Password [generated]: ", WORD), ("Password again: ", WORD), ("Last day [none]: ", ""),
    ("Choose: ", "2"), ("number): ", "ann"), ("Password [generated]: ", OTHER), ("Password again: ", OTHER),
    ("Choose: ", "0"), ("Choose: ", "0"), ("Choose: ", "0"),
]


def test_no_log_and_no_screen_has_a_password(people, books, cluster, session, terminal, tmp_path):
    database.disconnect()
    child = terminal(ISP_DATA_DIR=str(tmp_path))
    child.logfile_read = seen = io.StringIO()
    for question, answer in TYPED:
        child.expect_exact(question)
        child.send(f"{answer}\r")
    assert child.wait() == 0
    done = run_program(books, "people", "add", "dora", answers=f"{WORD}\n", ISP_DATA_DIR=str(tmp_path))
    made = run_program(books, "people", "add", "eve", "--generate", ISP_DATA_DIR=str(tmp_path))
    passwords = {"carl": WORD, "ann": OTHER, "dora": WORD, "eve": made.stdout.strip()}
    for login, password in passwords.items():
        session(login, password)
    log = cluster.folder / "data/log/all.log"
    wait_for(lambda: read(log).count("SCRAM-SHA-256$4096:") >= len(passwords))  # a process of its own writes it
    servers, programs = read(log), read(tmp_path / "program.log")
    for text in (servers, programs, seen.getvalue(), done.stdout, done.stderr, made.stderr):
        assert [password for password in passwords.values() if password in text] == []


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_password_is_not_shown_while_it_is_typed_or_pasted_on_any_terminal(term, people, terminal):
    database.disconnect()
    child = terminal("people", "add", "carl", TERM=term)
    child.logfile_read = seen = io.StringIO()
    child.expect_exact("Password [generated]: ")
    child.send("\x1b[200~pasted-secret\x1b[201~\r" if term == "xterm" else "pasted-secret\r")
    child.expect_exact("Password again: ")
    child.send("typo-secret\r")
    child.expect_exact("Those two differ; type it again, twice.")
    child.expect_exact("Password [generated]: ")
    child.send("tiny\r")
    child.expect_exact("Enter 8 to 200 characters.")
    child.expect_exact("Password [generated]: ")
    child.send("last-secret\rlast-secret\r")
    child.expect_exact("Added carl, read-only.")
    child.wait()
    assert [word for word in ("pasted", "typo", "tiny", "last") if word in seen.getvalue()] == []


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_the_terminal_shows_what_is_typed_again_after_ctrl_c_at_a_password(term, people, terminal):
    database.disconnect()
    child = terminal(TERM=term)
    for answer in ("8", "3", "1", "carl", "", "some-secret"):
        child.expect_exact(": ")
        child.send(f"{answer}\r")
    child.expect_exact("Password again: ")
    child.sendintr()
    child.expect_exact("Cancelled, nothing changed.")
    child.expect_exact("Choose: ")
    child.send("one two three")
    child.expect_exact("one two three")


def test_the_screen_of_people_says_who_may_what_until_when(people, superuser, session, books, tmp_path):
    people.add("carl", "read-only", WORD, database.today())
    people.add("dora", "read-only", WORD)
    people.lock("dora")
    people.add("eve", "admin", WORD)
    superuser("ALTER ROLE eve VALID UNTIL '2020-03-01'")
    bob = session("bob", OTHER)
    bob.execute("INSERT INTO customers (name) VALUES ('Ada') RETURNING to_char(now(), 'YYYY-MM-DD HH24:MI')")
    changed, = bob.fetchone()
    for statement in access.means()["open_to_all"]:
        superuser(statement)
    shown = Terminal(books, 80, tmp_path)
    shown.start()
    shown.type("8")
    first = shown.row() + 1
    shown.type("3")
    assert shown.lines(first, shown.row()) == [
        "",
        "People",
        "#  Login     Role       Locked or ends    Last change",
        "-  --------  ---------  ----------------  ----------------",
        "1  postgres  superuser",
        "2  isp       owner",
        f"3  bob       admin                        {changed}",
        "4  eve       admin      ended 2020-02-29",
        "5  ann       read-only",
        f"6  carl      read-only  {database.today()}",
        "7  dora      read-only  locked",
        "",
        "  1  Add person          4  Set the last day    7  Remove",
        "  2  New password        5  Lock                0  Back",
        "  3  Change role         6  Unlock",
        "Choose:",
    ]
    shown.close()


def test_a_form_keeps_what_was_entered_when_one_field_is_refused(screen, cluster):
    first = screen.row() + 1
    screen.type("1", "Carl", "ann", "carl", "3", "2", "short", WORD, OTHER, WORD, WORD, "yesterday", "2199-12-31")
    shown = screen.lines(first, screen.row())
    assert shown[:shown.index("Added carl, admin, until 2199-12-31.") + 1] == [
        "",
        "Add person",
        "Login: Carl",
        "Enter 1 to 63 small letters, digits and . _ -, a letter first.",
        "Login: ann",
        "There is a person ann already.",
        "Login: carl",
        "1 read-only, 2 admin",
        "Role [read-only]: 3",
        "Enter 1 read-only, 2 admin.",
        "Role [read-only]: 2",
        "Password [generated]:",
        "Enter 8 to 200 characters.",
        "Password [generated]:",
        "Password again:",
        "Those two differ; type it again, twice.",
        "Password [generated]:",
        "Password again:",
        "Last day [none]: yesterday",
        f"Enter today or a later day; {yesterday(cluster)} is past.",
        "Last day [none]: 2199-12-31",
        "Added carl, admin, until 2199-12-31.",
    ]


def yesterday(cluster):
    return str(cluster.sql("SELECT CURRENT_DATE - 1")[0][0])


def test_everything_is_done_to_a_person_who_is_picked_by_login_or_number(screen):
    first = screen.row() + 1
    screen.type("2", "4", WORD, WORD, "3", "ann", "1", "3", "ann", "2", "4", "3", "\x152199-12-31", "4", "ann", "\x15",
                "4", "ann", "", "6", "ann", "5", "ann", "5", "ann", "6", "3", "7", "ann", "no", "7", "ann", "yes", "7",
                "ann", "9", "0")
    shown = screen.lines(first, screen.row())
    said = re.compile("ann |The last|No|Locked|Unlocked|Removed|There|This|Type|Person|Role|Last day")
    assert [line for line in shown if said.match(line)] == [
        "Person (login or number): 4", "ann has a new password.",
        "Person (login or number): ann", "Role [read-only]: 1", "Nothing saved.",
        "Person (login or number): ann", "Role [read-only]: 2", "ann is an admin from now on.",
        "Person (login or number): 3", "Last day: 2199-12-31", "The last day of ann is 2199-12-31.",
        "Person (login or number): ann", "Last day:", "ann has no last day.",
        "Person (login or number): ann", "Last day:", "Nothing saved.",
        "Person (login or number): ann", "ann is not locked.",
        "Person (login or number): ann", "Locked ann; no session of theirs is open.",
        "Person (login or number): ann", "ann is locked already.",
        "Person (login or number): 3", "Unlocked ann.",
        "Person (login or number): ann", "This removes the login ann from the server; what it changed stays, and the",
        "Type yes to remove: no", "Not removed.",
        "Person (login or number): ann", "This removes the login ann from the server; what it changed stays, and the",
        "Type yes to remove: yes", "Removed ann; no session of theirs is open.",
        "Person (login or number): ann", "There is no person ann; enter a login, or its number in the list.",
        "Person (login or number): 9", "There is no person 9; enter a login, or its number in the list.",
        "Person (login or number): 0",
    ]


def test_a_generated_password_is_shown_once_and_works(screen, session):
    first = screen.row() + 1
    screen.type("1", "carl", "", "", "")
    shown = "\n".join(screen.lines(first, screen.row()))
    password, = re.findall(r"The password is ([a-z2-9-]{23}); it is not shown again\.", shown)
    session("carl", password)
    assert shown.count(password) == 1


@pytest.mark.parametrize("login", ["isp", "postgres", "isp_admin", "isp_readonly"])
@pytest.mark.parametrize("act", ["set_password", "set_role", "set_end", "lock", "unlock", "remove"])
def test_the_owner_a_superuser_and_the_groups_are_not_changed_here(act, login, people, cluster):
    before = cluster.sql("SELECT * FROM pg_roles ORDER BY oid")
    with pytest.raises(errors.Conflict):
        getattr(people, act)(login, *{"set_password": [WORD], "set_role": ["admin"], "set_end": [None]}.get(act, []))
    assert cluster.sql("SELECT * FROM pg_roles ORDER BY oid") == before


def test_nobody_changes_their_own_login(people, superuser, cluster, books):
    superuser("ALTER ROLE bob CREATEROLE")
    superuser("GRANT isp_readonly, isp_admin TO bob WITH ADMIN OPTION")
    bob = named(cluster, "bob", OTHER)
    done = run_program(bob, "people", "role", "bob", "read-only")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == "bob is your own login, which somebody else must change."
    done = run_program(bob, answers=lines("8", "3", "5", "bob"))
    assert sentence(done.stderr) == "Stopped at input line 4: That is your own login, which somebody else must change."
    assert roles(people)["bob"] == "admin"


def test_whoever_has_the_owners_rights_is_an_owner(people, superuser):
    superuser("CREATE ROLE zoe LOGIN; GRANT isp TO zoe")
    assert roles(people)["zoe"] == "owner"
    with pytest.raises(errors.Conflict, match="looks after the server or the tables"):
        people.lock("zoe")


@pytest.mark.parametrize("arguments", [
    ["add", "clerk"], ["password", "clerk"], ["role", "clerk", "admin"], ["until", "clerk", "none"], ["lock", "clerk"],
    ["unlock", "clerk"], ["remove", "clerk", "--yes"],
])
def test_a_login_without_a_role_here_is_left_alone_and_the_grant_is_said(arguments, people, superuser, books, cluster):
    superuser("CREATE ROLE clerk LOGIN")
    done = run_program(books, "people", *arguments, answers=f"{WORD}\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == ("clerk is a login of that server that has no role here; a superuser gives it one "
                                     "by GRANT isp_readonly TO clerk, or isp_admin.")
    assert "clerk" in logins(cluster)
    superuser("GRANT isp_readonly TO clerk")
    assert roles(people)["clerk"] == "read-only"


NAMES = ["o'brien", 'quo"te', "x; DROP TABLE customers; --", "%(login)s", "{}", "Zoë", "a b", "back\\slash"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_ever_a_name(name, people, superuser, books, session, cluster):
    superuser(psycopg2.sql.SQL("CREATE ROLE {0} LOGIN; GRANT isp_readonly TO {0}").format(
        psycopg2.sql.Identifier(name)))
    if cluster.sql("SHOW server_version_num")[0][0] >= "160000":
        superuser(psycopg2.sql.SQL("GRANT {0} TO isp WITH ADMIN OPTION; "
                                   "REVOKE isp_readonly FROM {0}").format(psycopg2.sql.Identifier(name)))
        superuser(psycopg2.sql.SQL("SET ROLE isp; GRANT isp_readonly TO {0}; RESET ROLE").format(
            psycopg2.sql.Identifier(name)))
    people.set_password(name, WORD)
    session(name).execute("SELECT count(*) FROM customers")
    people.set_role(name, "admin")
    assert roles(people)[name] == "admin"
    done = run_program(books, "people", "lock", name)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(psycopg2.OperationalError):
        session(name)
    done = run_program(books, answers=lines("8", "3", "7", name, "yes", "0", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert name not in roles(people)
    assert logins(cluster) == {"ann", "bob"}


@pytest.mark.parametrize("name", [*NAMES, "Ann", "1st", "pg_ann", "isp_admin", "public", "none", "", "a" * 64, "-h"])
def test_no_login_of_an_odd_name_is_made(name, people, books, cluster):
    done = run_program(books, answers=lines("8", "3", "1", name, "", WORD, WORD, ""))
    assert done.returncode == 1
    assert "Stopped at input line 4: " in sentence(done.stderr)
    done = run_program(books, "people", "add", "--role=admin", "--", name, answers=f"{WORD}\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert logins(cluster) == {"ann", "bob"}


def test_control_characters_in_a_name_do_not_reach_the_screen(people, superuser, books):
    superuser('CREATE ROLE "red\x1b[31m" LOGIN; GRANT isp_readonly TO "red\x1b[31m"')
    done = run_program(books, "people")
    assert "\x1b" not in done.stdout
    assert "red\N{REPLACEMENT CHARACTER}[31m" in done.stdout
    superuser('DROP ROLE "red\x1b[31m"')


def test_a_person_who_owns_something_stays_with_all_sessions(people, superuser, session):
    superuser("CREATE TABLE theirs (); ALTER TABLE theirs OWNER TO ann")
    ann = session("ann")
    with pytest.raises(errors.Conflict, match="owns something on that server"):
        people.remove("ann")
    ann.execute("SELECT count(*) FROM customers")


def test_a_role_that_a_superuser_gave_is_not_left_behind(people, superuser, books, cluster):
    superuser("GRANT isp_admin TO ann")
    if cluster.sql("SHOW server_version_num")[0][0] >= "160000":  # each grant is its giver's
        with pytest.raises(errors.Forbidden):
            people.set_role("ann", "read-only")
        assert roles(people)["ann"] == "admin"
    database.disconnect()
    database.connect(named(cluster, "postgres"))
    people.set_role("ann", "read-only")
    people.set_role("bob", "read-only")
    assert (roles(people)["ann"], roles(people)["bob"]) == ("read-only", "read-only")


def test_a_role_by_way_of_another_group_is_not_said_to_be_taken(people, superuser):
    superuser("CREATE ROLE staff; GRANT isp_admin TO staff; GRANT staff TO ann")
    with pytest.raises(errors.Conflict, match="by way of another group"):
        people.set_role("ann", "read-only")
    assert roles(people) == {"postgres": "superuser", "isp": "owner", "ann": "admin", "bob": "admin"}


def test_a_group_by_way_of_which_others_have_their_role_is_nobody(people, superuser, cluster):
    superuser("CREATE ROLE staff; GRANT isp_readonly TO staff; CREATE ROLE zoe LOGIN; GRANT staff TO zoe")
    if cluster.sql("SHOW server_version_num")[0][0] >= "160000":  # as a login is where createrole_self_grant says so
        superuser("GRANT ann TO isp WITH INHERIT TRUE")
    people.lock("ann")
    assert list(roles(people)) == ["postgres", "isp", "bob", "ann", "zoe"]


def test_of_two_who_add_one_login_at_once_the_second_is_asked_for_another(screen, cluster, session):
    first = screen.row() + 1
    screen.type("1", "carl", "2", WORD, WORD)
    with contextlib.closing(psycopg2.connect(cluster.uri)) as other:
        other.cursor().execute("CREATE ROLE carl LOGIN")
        threading.Thread(target=commit_once_somebody_waits, args=(cluster, other)).start()
        screen.type("2199-12-31", "carla")
    shown = screen.lines(first, screen.row())
    assert shown[shown.index("Last day [none]: 2199-12-31") + 1:][:5] == [
        "carl is a login of that server that has no role here; a superuser gives it one",
        "by GRANT isp_readonly TO carl, or isp_admin.",
        "Login: carla",
        "Added carla, admin, until 2199-12-31.",
        "",
    ]
    session("carla")


def commit_once_somebody_waits(cluster, other):
    wait_for(lambda: waiting(cluster))
    other.commit()


def waiting(cluster):
    return [pid for pid, in cluster.sql("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")]


def test_a_person_is_added_once_though_the_connection_is_lost_meanwhile(screen, cluster, session):
    first = screen.row() + 1
    screen.type("1", "carl", "", WORD, WORD)
    with contextlib.closing(psycopg2.connect(cluster.uri)) as other:
        other.cursor().execute("CREATE ROLE carl LOGIN")
        threading.Thread(target=lose_connection, args=(cluster, other)).start()
        screen.type("")
    assert "Added carl, read-only." in screen.lines(first, screen.row())
    session("carl")


def lose_connection(cluster, other):
    pid, = wait_for(lambda: waiting(cluster))
    cluster.sql(f"SELECT pg_terminate_backend({pid})")
    wait_for(lambda: [again for again in waiting(cluster) if again != pid])
    other.rollback()


@pytest.mark.parametrize("change", [
    lambda: access.set_role("ann", "admin"), lambda: access.set_password("ann", OTHER), lambda: access.lock("ann"),
    lambda: access.set_end("ann", None),
], ids=["role", "password", "lock", "end"])
def test_two_who_change_one_person_at_once_both_get_through(change, people, cluster, books):
    with contextlib.closing(psycopg2.connect(books)) as other:
        other.cursor().execute("ALTER ROLE ann VALID UNTIL '2100-01-01'; REVOKE isp_readonly FROM ann; "
                               "GRANT isp_readonly TO ann")
        thread = threading.Thread(target=commit_once_somebody_waits, args=(cluster, other))
        thread.start()
        change()
        thread.join()


FORMS = {
    "add": ["1", "carl", "2", WORD, WORD, "2199-12-31"], "password": ["2", "ann", WORD, WORD],
    "role": ["3", "ann", "2"], "end": ["4", "ann", "2199-12-31"], "lock": ["5", "ann"], "unlock": ["6", "bob"],
    "remove": ["7", "ann", "yes"],
}


@pytest.mark.parametrize(("form", "answered"), [
    (form, count) for form, answers in FORMS.items() for count in range(1, len(answers))
])
def test_ctrl_c_in_any_form_changes_nothing(form, answered, people, screen, cluster):
    cluster.sql("ALTER ROLE bob NOLOGIN")
    before = cluster.sql("SELECT * FROM pg_authid ORDER BY oid"), cluster.sql("SELECT * FROM pg_auth_members")
    first = screen.row() + 1
    screen.type(*FORMS[form][:answered], "\x03")
    shown = screen.lines(first, screen.row())
    assert [line for line in shown if line.startswith(("Cancelled", "Stopped"))] == ["Cancelled, nothing changed."]
    assert (cluster.sql("SELECT * FROM pg_authid ORDER BY oid"),
            cluster.sql("SELECT * FROM pg_auth_members")) == before


def entries(uri):
    """Return what the menu Administration offers."""
    done = run_program(uri, answers=lines("8", "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    return re.findall(r"^ +\d+  (.+)$", done.stdout.partition("\nAdministration\n")[2].partition("  0  Back")[0], re.M)


def test_people_is_offered_to_whoever_may_manage_them_and_to_the_owner(people, superuser, cluster, books):
    superuser("CREATE ROLE dba LOGIN CREATEROLE; GRANT isp_readonly, isp_admin TO dba WITH ADMIN OPTION")
    superuser("ALTER ROLE dba PASSWORD 'dba'")
    usual = ["Verify that the money adds up", "About this database", "Undo a deletion", "Back up now"]
    with_people = [*usual[:2], "People", *usual[2:]]
    assert entries(named(cluster, "ann", WORD)) == usual[:2]
    assert entries(named(cluster, "bob", OTHER)) == usual
    for uri in (books, named(cluster, "postgres"), named(cluster, "dba", "dba")):
        assert entries(uri) == with_people
    superuser("ALTER ROLE isp NOCREATEROLE")
    assert entries(books) == with_people


@pytest.fixture
def home():
    """A data folder for an embedded database, where the server's user can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="isp-people-", dir=in_memory()))
    folder.chmod(0o755)
    yield folder / "data"
    embedded.stop()
    wait_for(lambda: not list(folder.rglob("postmaster.pid")))
    shutil.rmtree(folder)


def test_the_embedded_database_has_no_people(home):
    done = run_program("", answers=lines("8", "3"), ISP_DATA_DIR=str(home))
    assert "  3  People" not in done.stdout
    assert sentence(done.stderr).startswith("Stopped at input line 2: Enter ")
    for arguments in (["list"], [], ["add", "ann", "--generate"], ["lock", "ann"]):
        done = run_program("", "people", *arguments, ISP_DATA_DIR=str(home))
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence(done.stderr) == access.EMBEDDED


COMMANDS = {
    "list": [], "add": ["carl", "--generate"], "password": ["ann", "--generate"], "role": ["ann", "admin"],
    "until": ["ann", "none"], "lock": ["ann"], "unlock": ["ann"], "remove": ["ann", "--yes"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_right_to_manage_people_each_command_says_what_to_ask_for(command, people, superuser, cluster,
                                                                              books):
    superuser("ALTER ROLE isp NOCREATEROLE")
    before = cluster.sql("SELECT * FROM pg_authid ORDER BY oid")
    done = run_program(books, "people", command, *COMMANDS[command])
    assert sentence(done.stderr) == ("The login isp may not look after people; ask a superuser to run this in this "
                                     "database:")
    assert (done.returncode, done.stdout.splitlines()) == (1, access.sql_to_ask_for(access.means()))
    done = run_program(named(cluster, "bob", OTHER), "people", command, *COMMANDS[command])
    assert sentence(done.stderr) == ("The login bob may not look after people; ask a superuser, or isp, who owns the "
                                     "tables, to run this in this database:")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "ALTER ROLE bob CREATEROLE;")
    assert cluster.sql("SELECT * FROM pg_authid ORDER BY oid") == before


def test_in_the_menus_the_owner_without_that_right_is_shown_what_to_ask_for(people, superuser, screen, books):
    superuser("ALTER ROLE isp NOCREATEROLE")
    first = screen.row() + 1
    screen.type("0", "3")
    shown = screen.lines(first, screen.row())
    at = shown.index("The login isp may not look after people; ask a superuser to run this in this")
    assert shown[at - 1:at + 4] == [
        "People", shown[at], "database:", "ALTER ROLE isp CREATEROLE;",
        "GRANT isp_readonly, isp_admin TO isp WITH ADMIN OPTION;",
    ]
    done = run_program(books, answers=lines("8", "3", "0", "0"))
    assert done.returncode == 1
    assert sentence(done.stderr).startswith("Stopped at input line 2: The login isp may not look after people; ask a ")
    assert "\nALTER ROLE isp CREATEROLE;\n" in done.stdout


@pytest.fixture
def without_groups(cluster):
    """The server as it was before there were any books."""
    for group in ("isp_admin", "isp_readonly"):
        if cluster.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{group}'"):
            cluster.sql(f"DROP OWNED BY {group}; DROP ROLE {group}")
    cluster.sql("ALTER ROLE isp NOCREATEROLE")


def test_the_sql_that_is_handed_over_is_all_that_it_takes(without_groups, books, cluster, session):
    asked = run_program(books, "people")
    assert asked.returncode == 1
    assert asked.stdout.splitlines()[:5] == [
        "CREATE ROLE isp_readonly NOLOGIN;", "CREATE ROLE isp_admin NOLOGIN;", "GRANT isp_readonly TO isp_admin;",
        "ALTER ROLE isp CREATEROLE;", "GRANT isp_readonly, isp_admin TO isp WITH ADMIN OPTION;",
    ]
    with contextlib.closing(psycopg2.connect(named(cluster, "postgres"))) as superuser:
        superuser.cursor().execute(asked.stdout)
        superuser.commit()
    done = run_program(books, "people", "add", "ann", answers=f"{WORD}\n")
    assert (done.returncode, done.stderr) == (0, "")
    session("ann").execute("SELECT count(*) FROM customers")
    assert "REVOKE" not in run_program(books, "people").stdout


def test_who_adds_people_where_the_groups_have_no_rights_yet_gives_them_first_as_the_owner_alone(
        without_groups, books, cluster, session):
    database.connect(books)
    assert not access.means()["rights_given"]
    database.disconnect()
    cluster.sql("CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'dba'; CREATE ROLE isp_readonly; CREATE ROLE isp_admin; "
                "GRANT isp_readonly, isp_admin TO dba WITH ADMIN OPTION; GRANT isp_readonly TO isp_admin; "
                "ALTER ROLE isp CREATEROLE; GRANT isp_readonly, isp_admin TO isp WITH ADMIN OPTION")
    with contextlib.closing(psycopg2.connect(named(cluster, "postgres"))) as superuser:
        superuser.cursor().execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dba; "
                                   "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO dba")
        superuser.commit()
    dba = named(cluster, "dba", "dba")
    done = run_program(dba, "people", "add", "ann", answers=f"{WORD}\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == ("The groups of people have no rights in this database yet: have the owner of its "
                                     "tables, isp, run python main.py upgrade.")
    assert run_program(books, "people", "add", "ann", answers=f"{WORD}\n").returncode == 0
    session("ann").execute("SELECT count(*) FROM customers")
    assert run_program(dba, "people", "add", "bob", answers=f"{WORD}\n").returncode == 0


def test_what_everybody_may_needlessly_do_is_said_to_the_owner_alone_until_it_is_taken_away(people, superuser, cluster,
                                                                                           books):
    superuser("CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'dba'; "
              "GRANT isp_readonly, isp_admin TO dba WITH ADMIN OPTION; GRANT isp_readonly TO dba")
    _, _, said = run_program(books, "people").stdout.partition(
        "Everybody on the server can fill its disk, until a superuser runs this in this database:\n")
    assert said.splitlines() == access.means()["open_to_all"] != []
    assert "Everybody" not in run_program(named(cluster, "dba", "dba"), "people").stdout
    superuser(said)
    assert "Everybody" not in run_program(books, "people").stdout
    assert access.means()["open_to_all"] == []


def test_the_list_is_a_table_csv_or_json(people, books, session):
    session("bob", OTHER).execute("INSERT INTO customers (name) VALUES ('Ada')")
    people.set_end("ann", database.today())
    table = run_program(books, "people").stdout
    assert table == run_program(books, "people", "list").stdout
    assert re.search(r"^4  ann       read-only  \d{4}-\d\d-\d\d\n", table, re.M)
    for arguments in (["--format", "csv"], ["list", "--format", "csv"], ["--format", "csv", "list"]):
        rows = list(csv.DictReader(io.StringIO(run_program(books, "people", *arguments).stdout)))
        assert [row["login"] for row in rows] == ["postgres", "isp", "bob", "ann"]
    found = json.loads(run_program(books, "people", "--format", "json").stdout)
    assert [list(row) for row in found] == [["login", "role", "is_locked", "ends_on", "last_change"]] * 4
    assert [(row["role"], row["is_locked"], row["ends_on"], bool(row["last_change"])) for row in found] == [
        ("superuser", False, None, False), ("owner", False, None, False), ("admin", False, None, True),
        ("read-only", False, str(database.today()), False)]


SAID = {
    ("add", "carl", "--until", "2199-12-31"): "Added carl, read-only, until 2199-12-31.",
    ("add", "carl", "--role", "admin"): "Added carl, admin.",
    ("password", "ann"): "ann has a new password.",
    ("role", "ann", "admin"): "ann is an admin from now on.",
    ("role", "bob", "read-only"): "bob is read-only from now on.",
    ("until", "ann", "2199-12-31"): "The last day of ann is 2199-12-31.",
    ("until", "ann", "NONE"): "ann has no last day.",
    ("lock", "ann"): "Locked ann; no session of theirs is open.",
    ("unlock", "ann"): "Unlocked ann.",
    ("remove", "ann", "--yes"): "Removed ann; no session of theirs is open.",
}


@pytest.mark.parametrize("arguments", SAID)
def test_each_command_says_what_it_did(arguments, people, books):
    done = run_program(books, "people", *arguments, answers=f"{WORD}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SAID[arguments]}\n", "")


REFUSED = {
    ("add", "ann"): "There is a person ann already.",
    ("add", "isp"): "There is a person isp already.",
    ("add", "carl", "--until", "2020-01-01"): "Enter today or a later day; 2020-01-01 is past.",
    ("password", "zoe"): "There is no person zoe.",
    ("role", "zoe", "admin"): "There is no person zoe.",
    ("until", "ann", "2020-01-01"): "Enter today or a later day; 2020-01-01 is past.",
    ("lock", "zoe"): "There is no person zoe.",
    ("unlock", "postgres"): "postgres looks after the server or the tables, and is changed there and not here.",
    ("remove", "isp"): "isp is your own login, which somebody else must change.",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_a_command_that_cannot_be_done_says_why_and_reads_no_password(arguments, people, books, cluster):
    before = cluster.sql("SELECT * FROM pg_authid ORDER BY oid")
    done = run_program(books, "people", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{REFUSED[arguments]}\n")
    assert cluster.sql("SELECT * FROM pg_authid ORDER BY oid") == before


@pytest.mark.parametrize(("piped", "why"), [
    ("", "Cancelled, nothing changed."), ("\n", "Enter 8 to 200 characters."),
    ("short\n", "Enter 8 to 200 characters."),
    ("x" * 201, "Enter 8 to 200 characters."), ("eight\x07bells", "Leave out control characters"),
    (b"eight\xffbells\n", "Leave out control characters"), ("eight\u200bbells\n", "Leave out control characters"),
])
def test_a_piped_password_that_will_not_do_is_refused_and_not_repeated(piped, why, people, books, cluster):
    done = run_program(books, "people", "add", "carl", answers=piped)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr).startswith(why)
    assert "bells" not in done.stderr
    assert "carl" not in logins(cluster)


@pytest.mark.parametrize("password", ["  blanks at the ends  ", "quo'te\"\\%(x)s{}", "pässwörd Ω 漢字", "x" * 200])
def test_any_other_password_works_as_it_was_typed(password, people, books, session):
    done = run_program(books, "people", "add", "carl", answers=f"{password}\r\nmore lines\n")
    assert (done.returncode, done.stderr) == (0, "")
    session("carl", password)


def test_a_generated_password_stands_alone_on_standard_output(people, books, session):
    for arguments, said in ((["add", "carl"], "Added carl, read-only."), (["password", "carl"], "carl has a new ")):
        done = run_program(books, "people", *arguments, "--generate")
        assert sentence(done.stderr).startswith(said)
        session("carl", sentence(done.stdout))


def test_remove_wants_yes(people, books, cluster):
    for answer in ("no\n", "", "y\n"):
        assert run_program(books, "people", "remove", "ann", answers=answer).returncode == 1
        assert "ann" in logins(cluster)
    done = run_program(books, "people", "remove", "ann", answers="yes\n")
    assert done.stdout.endswith("Removed ann; no session of theirs is open.\n")
    assert "ann" not in logins(cluster)


def test_the_commands_in_readme_are_those_of_people_with_their_options():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    written = {words.split()[0]: set(re.findall(r"--[a-z]+", words))
               for words in re.findall(r"^\| `main\.py people ([a-z].*?)` \|", readme, re.M)}
    real = choices(choices(commands.parser("", lambda arguments: 0, lambda arguments: 0))["people"])
    assert written == {name: {option for action in command._actions for option in action.option_strings}
                       - {"-h", "--help"} for name, command in real.items()}


def choices(parser):
    actions, = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return actions.choices


def test_books_move_from_the_embedded_database_to_a_server_as_readme_says(books, cluster, session, home):
    assert run_program("", answers=lines("1", "1", "Ada", "123", "0", "0"), ISP_DATA_DIR=str(home)).returncode == 0
    uri = embedded.start(home)
    dump = cluster.folder / "isp.dump"
    dumped = psycopg2.extensions.parse_dsn(uri)
    cluster.run("pg_dump", "-h", dumped["host"], "-U", "postgres", "-Fc", "-f", dump, "isp_customer_tracker")
    cluster.run("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "-d", books, dump)
    for arguments in (["upgrade", "--yes"], ["verify"]):
        assert run_program(books, *arguments).returncode == 0
    assert run_program(books, "people", "add", "ann", answers=f"{WORD}\n").returncode == 0
    ann = session("ann")
    ann.execute("SELECT name FROM customers")
    assert ann.fetchall() == [("Ada",)]


def test_piped_answers_add_people_and_no_password_stands_in_the_transcript(people, books, session):
    done = run_program(books, answers=lines("8", "3", "1", "carl", "2", WORD, WORD, "", "2", "ann", OTHER, OTHER, "0",
                                            "0", "0"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nPassword [generated]: \nPassword again: \nLast day [none]: \nAdded carl, admin.\n" in done.stdout
    assert WORD not in done.stdout
    assert OTHER not in done.stdout
    session("carl")
    session("ann", OTHER)


@pytest.mark.parametrize(("answers", "line"), [((WORD, OTHER), 7), (("short",), 6), (("", "never"), 7)])
def test_a_piped_form_ends_at_the_line_that_will_not_do(answers, line, people, books, cluster):
    done = run_program(books, answers=lines("8", "3", "1", "carl", "2", *answers, "0", "0"))
    assert done.returncode == 1
    assert sentence(done.stderr).startswith(f"Stopped at input line {line}: ")
    assert "carl" not in logins(cluster)


def test_a_login_that_another_made_is_changed_where_the_server_lets_us(people, superuser, books, cluster):
    superuser("CREATE ROLE zoe LOGIN IN ROLE isp_readonly")
    done = run_program(books, "people", "lock", "zoe")
    if cluster.sql("SHOW server_version_num")[0][0] < "160000":
        assert done.stdout == "Locked zoe; no session of theirs is open.\n"
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence(done.stderr).startswith("This login may not do that to that person: another login made theirs")
