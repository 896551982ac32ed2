"""People: the logins that are members of isp_readonly or isp_admin. What those groups may do is said by roles.sql."""
from __future__ import annotations

import contextlib
import secrets
from datetime import date, datetime
from typing import TypedDict

import psycopg2
from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Composable, Identifier, Literal

import database
from database import fetch_all, fetch_one, fetch_value, retried, transaction
from tracker import migrate
from tracker.cursor import Cursor, only
from tracker.errors import Conflict, Forbidden, NotFound

GROUPS = {"read-only": "isp_readonly", "admin": "isp_admin"}
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
EMBEDDED = ("The embedded database is one system account's alone: a second person needs the books on a server; "
            "README says how they get there.")


class Person(TypedDict):
    """A login; ends_on is the last day on which its password is taken, last_change when it last changed a record."""

    login: str
    role: str
    is_locked: bool
    ends_on: date | None
    last_change: datetime | None


class Means(TypedDict):
    """What this login has and lacks to look after people."""

    login: str
    owner: str
    is_owner: bool
    may_manage: bool
    missing_groups: list[str]
    rights_given: bool
    open_to_all: list[str]


def people() -> list[Person]:
    """Return everybody who may look at the tables or more, by login: owners first, then admins."""
    return fetch_all(
        """
        SELECT rolname AS login, role, NOT rolcanlogin AS is_locked,
               CASE WHEN isfinite(rolvaliduntil) THEN (rolvaliduntil - interval '1 microsecond')::date END AS ends_on,
               (SELECT max(changed_at) FROM trail WHERE trail.login = rolname::text) AS last_change
        FROM (
            SELECT *, CASE WHEN rolsuper THEN 'superuser'
                           WHEN oid = (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass) THEN 'owner'
                           WHEN pg_has_role(oid, admins.group_id, 'MEMBER') THEN 'admin'
                           WHEN pg_has_role(oid, readers.group_id, 'MEMBER') THEN 'read-only'
                      END AS role
            FROM pg_roles
            LEFT JOIN (SELECT oid AS group_id FROM pg_roles WHERE rolname = 'isp_admin') AS admins ON true
            LEFT JOIN (SELECT oid AS group_id FROM pg_roles WHERE rolname = 'isp_readonly') AS readers ON true
        ) AS person
        WHERE role IS NOT NULL AND rolname NOT IN ('isp_admin', 'isp_readonly')
        ORDER BY array_position(ARRAY['superuser', 'owner', 'admin', 'read-only'], role), rolname
        """
    )


def means() -> Means:
    """Return what this login has and lacks to look after people.

    open_to_all are the statements by which a superuser takes from everybody what an ordinary owner cannot take: filling
    the disk with temporary tables and large objects.
    """
    return only(fetch_one(
        """
        WITH me AS (
            SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user
        ), known AS (
            SELECT rolname, oid FROM pg_roles WHERE rolname IN ('isp_readonly', 'isp_admin')
        ), customers AS (
            SELECT oid, relowner FROM pg_class WHERE oid = 'customers'::regclass
        )
        SELECT current_user AS login,
               (SELECT pg_get_userbyid(relowner) FROM customers) AS owner,
               (SELECT pg_has_role(relowner, 'USAGE') FROM customers) AS is_owner,
               (SELECT rolsuper OR rolcreaterole AND (
                    current_setting('server_version_num')::integer < 160000
                    OR coalesce((SELECT bool_and(pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')) FROM known), true))
                FROM me) AS may_manage,
               ARRAY(SELECT name
                     FROM unnest(ARRAY['isp_readonly', 'isp_admin']) AS name
                     WHERE name NOT IN (SELECT rolname FROM known)) AS missing_groups,
               (SELECT count(*) = 2 AND bool_and(has_table_privilege(known.oid, customers.oid, 'SELECT'))
                FROM known, customers) AS rights_given,
               ARRAY(SELECT format('REVOKE EXECUTE ON FUNCTION %%s FROM PUBLIC;', oid::regprocedure)
                     FROM pg_proc
                     WHERE pronamespace = 'pg_catalog'::regnamespace
                       AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message')
                       AND has_function_privilege('public', oid, 'EXECUTE')
                     ORDER BY oid::regprocedure::text)
               || ARRAY(SELECT format('REVOKE TEMPORARY ON DATABASE %%I FROM PUBLIC;', datname)
                        FROM pg_database
                        WHERE datname = current_database() AND has_database_privilege('public', oid, 'TEMPORARY'))
                   AS open_to_all
        """
    ))


def sql_to_ask_for(found: Means) -> list[str]:
    """Return the statements that a superuser must run before this login can look after people."""
    login: str = fetch_value("SELECT quote_ident(%(login)s) AS name", login=found["login"])
    makes = [f"CREATE ROLE {group} NOLOGIN;" for group in found["missing_groups"]]
    if found["missing_groups"]:
        makes.append("GRANT isp_readonly TO isp_admin;")
    return [*makes, f"ALTER ROLE {login} CREATEROLE;",
            f"GRANT isp_readonly, isp_admin TO {login} WITH ADMIN OPTION;", *found["open_to_all"]]


def may_manage() -> bool:
    """Tell whether this login may add and change people; nobody may on the embedded database, which has one login."""
    return not database.is_embedded() and means()["may_manage"]


def give_rights() -> None:
    """Say anew what the groups may do, and make them where this login may; for the owner of the tables alone."""
    with transaction() as cur:
        migrate.lock(cur)
        migrate.give_rights(cur)


def new_password() -> str:
    """Make a password that can be read out on the telephone: 20 letters and digits, 99 bits."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(20))
    return "-".join(letters[i:i + 5] for i in range(0, 20, 5))


@retried
def add(login: str, role: str, password: str, ends_on: date | None = None) -> None:
    """Make a login with a role, read-only or admin; its password is hashed before it travels."""
    with transaction() as cur:
        _check_free(cur, login)
        _run(cur, SQL("CREATE ROLE {} LOGIN PASSWORD {} VALID UNTIL {} IN ROLE {}").format(
            Identifier(login), Literal(_hashed(cur, login, password)), _until(cur, ends_on), Identifier(GROUPS[role])))


@retried
def set_password(login: str, password: str) -> None:
    """Give a person a new password; raise NotFound when the login is nobody's here."""
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(login), Literal(_hashed(cur, login, password))))


@retried
def set_role(login: str, role: str) -> None:
    """Make a person read-only or an admin; raise as set_password."""
    with transaction() as cur:
        _check_person(cur, login)
        for group in GROUPS.values():
            _run(cur, SQL("REVOKE {} FROM {}").format(Identifier(group), Identifier(login)))
        _run(cur, SQL("GRANT {} TO {}").format(Identifier(GROUPS[role]), Identifier(login)))


@retried
def set_end(login: str, ends_on: date | None) -> None:
    """Set the last day on which a person's password is taken, or none; raise as set_password."""
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} VALID UNTIL {}").format(Identifier(login), _until(cur, ends_on)))


@retried
def lock(login: str) -> int:
    """Keep a person out from now on; return how many sessions of theirs are open all the same."""
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} NOLOGIN").format(Identifier(login)))
    return _end_sessions(login)


@retried
def unlock(login: str) -> None:
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} LOGIN").format(Identifier(login)))


@retried
def remove(login: str) -> int:
    """Remove a person's login, which the trail remembers; return as lock. Raise Conflict when it owns something."""
    with transaction() as cur:
        _check_person(cur, login)
        try:
            cur.execute("SAVEPOINT removal")
            _run(cur, SQL("DROP ROLE {}").format(Identifier(login)))
        except psycopg2.errors.DependentObjectsStillExist as exc:
            raise Conflict(f"The login {login} has something of its own on that server, or rights beside its role; "
                           "lock it instead, or have a superuser run DROP OWNED.") from exc
    return _end_sessions(login)


def _run(cur: Cursor, statement: Composable) -> None:
    """Run a statement about roles; those take no parameters, so values are quoted into them."""
    try:
        cur.execute(statement)
    except psycopg2.errors.InsufficientPrivilege as exc:
        raise Forbidden("This login may not do that to that person: another login made theirs, or this one lacks "
                        "CREATEROLE.") from exc


def _hashed(cur: Cursor, login: str, password: str) -> str:
    hashed: str = encrypt_password(password, login, cur.connection, "scram-sha-256")
    return hashed


def _until(cur: Cursor, ends_on: date | None) -> Composable:
    """Return the end of a day in the business's time zone, which is the next day's first moment."""
    if ends_on is None:
        return Literal("infinity")
    cur.execute("SELECT (%(day)s::date + 1)::timestamptz::text AS until", {"day": ends_on})
    return Literal(cur.row()["until"])


def _check_free(cur: Cursor, login: str) -> None:
    cur.execute("SELECT 1 FROM pg_roles WHERE rolname = %(login)s", {"login": login})
    if cur.fetchone():
        raise Conflict(f"There is a login {login} on that server already.", "login")


def _check_person(cur: Cursor, login: str) -> None:
    """Raise NotFound unless a login is a member of a group, and Conflict when it is more than that."""
    cur.execute(
        """
        SELECT rolsuper, rolname = current_user AS is_you,
               oid = (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass) AS is_owner
        FROM pg_roles
        WHERE rolname = %(login)s
          AND EXISTS (SELECT FROM pg_roles AS known
                      WHERE known.rolname IN ('isp_admin', 'isp_readonly')
                        AND pg_has_role(pg_roles.oid, known.oid, 'MEMBER'))
          AND rolname NOT IN ('isp_admin', 'isp_readonly')
        """,
        {"login": login},
    )
    row = cur.fetchone()
    if row is None:
        raise NotFound("person", login)
    if row["is_you"] or row["is_owner"] or row["rolsuper"]:
        raise Conflict(f"{login} looks after the server or the tables, and is changed there and not here.")


def _end_sessions(login: str) -> int:
    """End the sessions of a login, where this one may; return how many are left."""
    with contextlib.suppress(Forbidden):
        fetch_all("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %(login)s", login=login)
    return fetch_value("SELECT count(*) FROM pg_stat_activity WHERE usename = %(login)s", login=login)
