"""People: logins on a server of the test's own, looked after by an owner who may make logins and is no superuser."""
from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import tempfile
import threading
from datetime import date, timedelta
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest
from conftest import environment, in_memory, lines, run_program, sentence, wait_for
from test_failover import Server

import database
import main
from tracker import access, embedded, errors, fields
from tracker.terminal import commands, menus

pytestmark = pytest.mark.slow

WORD = "correct-horse-9"
OTHER = "battery staple 7"
KEPT = ("postgres", "isp", "isp_admin", "isp_readonly")
HBA = "local all postgres trust\nlocal all isp trust\nlocal all all scram-sha-256\n"


@pytest.fixture(scope="module")
def cluster():
    """A server that asks for passwords and logs every statement."""
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


@pytest.fixture
def books(cluster):
    """A database whose owner may make logins; and nobody else's login."""
    yield from fresh_books(cluster)


def fresh_books(cluster):
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
def run(books):
    """Run main.py as the owner, with time for a server that is busy."""
    def start(*arguments, answers="", uri=books, **env):
        return run_program(uri, *arguments, answers=answers, **env)

    return start


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


def test_a_changed_role_holds_from_the_next_statement_on(people, session):
    bob, ann = session("bob", OTHER), session("ann")
    bob.execute("INSERT INTO customers (name) VALUES ('Ada')")
    people.set_role("bob", "read-only")
    people.set_role("ann", "admin")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        bob.execute("INSERT INTO customers (name) VALUES ('Bo')")
    ann.execute("INSERT INTO customers (name) VALUES ('Cy')")
    bob.execute("SELECT name FROM customers")
    assert bob.fetchall() == [("Ada",), ("Cy",)]
