"""People: the logins that are members of isp_readonly or isp_admin. What those groups may do is said by roles.sql."""
from __future__ import annotations

import secrets
from datetime import date, datetime
from typing import TypedDict

import psycopg2
from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Composable, Identifier, Literal

import database
from database import fetch_all, fetch_one, fetch_value, retried, transaction
from tracker import migrate, settings
from tracker.cursor import Cursor, Row, only
from tracker.errors import Conflict, Deadlock, Forbidden, NotFound

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
    may_ask: bool
    missing_groups: list[str]
    rights_given: bool
    open_to_all: list[str]


def people() -> list[Person]:
    """Return everybody who may look at the tables or more: superusers and owners first, then admins, each by login.

    A group that others have their role from is nobody.
    """
    return fetch_all(
        """
        WITH known AS (
            SELECT (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass) AS owner_id,
                   (SELECT oid FROM pg_roles WHERE rolname = 'isp_admin')            AS admin_id,
                   (SELECT oid FROM pg_roles WHERE rolname = 'isp_readonly')         AS reader_id
        ), person AS (
            SELECT *, CASE WHEN rolsuper THEN 'superuser'
                           WHEN pg_has_role(oid, owner_id, 'USAGE') THEN 'owner'
                           WHEN pg_has_role(oid, admin_id, 'MEMBER') THEN 'admin'
                           WHEN pg_has_role(oid, reader_id, 'MEMBER') THEN 'read-only'
                      END AS role
            FROM pg_roles
            CROSS JOIN known
            WHERE rolname NOT IN ('isp_admin', 'isp_readonly')
        )
        SELECT rolname AS login, role, NOT rolcanlogin AS is_locked,
               CASE WHEN isfinite(rolvaliduntil) THEN (rolvaliduntil - interval '1 microsecond')::date END AS ends_on,
               (SELECT max(changed_at) FROM trail WHERE trail.login = rolname::text) AS last_change
        FROM person
        WHERE role IS NOT NULL
          AND (rolcanlogin OR NOT EXISTS (
              SELECT FROM pg_auth_members
              JOIN pg_roles AS other ON other.oid = member
              WHERE roleid = person.oid AND NOT other.rolcreaterole AND pg_has_role(member, roleid, 'USAGE')
          ))
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
               current_setting('server_version_num')::integer >= 160000
               OR (SELECT pg_has_role(relowner, 'USAGE') FROM customers) AS may_ask,
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
               || ARRAY(SELECT format('ALTER SCHEMA %%1$I OWNER TO %%2$I; REVOKE CREATE ON SCHEMA %%1$I FROM PUBLIC;',
                                      nspname, pg_get_userbyid((SELECT relowner FROM customers)))
                        FROM pg_namespace
                        WHERE pg_namespace.oid = (SELECT relnamespace FROM pg_class WHERE oid = 'customers'::regclass)
                          AND has_schema_privilege('public', pg_namespace.oid, 'CREATE'))
               || ARRAY(SELECT format('REVOKE TEMPORARY ON DATABASE %%I FROM PUBLIC;', datname)
                        FROM pg_database
                        WHERE datname = current_database() AND has_database_privilege('public', oid, 'TEMPORARY'))
                   AS open_to_all
        """
    ))


def sql_to_ask_for(found: Means) -> list[str]:
    """Return the statements that a superuser must run before this login can look after people.

    Before PostgreSQL 16 CREATEROLE makes anybody the tables' owner, so that only the owner may ask for it.
    """
    if not found["may_ask"]:
        return []
    login: str = fetch_value("SELECT quote_ident(%(login)s) AS name", login=found["login"])
    makes = [f"CREATE ROLE {group} NOLOGIN;" for group in found["missing_groups"]]
    if found["missing_groups"]:
        makes.append("GRANT isp_readonly TO isp_admin;")
    return [*makes, f"ALTER ROLE {login} CREATEROLE;",
            f"GRANT isp_readonly, isp_admin TO {login} WITH ADMIN OPTION;", *found["open_to_all"]]


def may_see() -> bool:
    """Tell whether this login looks after people, or owns the tables and can have that allowed.

    Nobody does on the embedded database, which has one login.
    """
    if database.is_embedded():
        return False
    found = means()
    return found["may_manage"] or found["is_owner"]


def give_rights() -> None:
    """Say anew what the groups may do, and make them where this login may; for the owner of the tables alone."""
    with transaction() as cur:
        migrate.lock(cur)
        migrate.give_rights(cur)


def new_password() -> str:
    """Make a password that can be read out on the telephone: 20 letters and digits, 99 bits."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(20))
    return "-".join(letters[i:i + 5] for i in range(0, 20, 5))


def _see_to_rights() -> None:
    """Give the groups their rights where nobody has; raise Forbidden when that is another's to do."""
    found = means()
    if not found["rights_given"] and found["is_owner"]:
        give_rights()
        found = means()
    if not found["rights_given"]:
        raise Forbidden("The groups of people have no rights in this database yet: have the owner of its tables, "
                        f"{found['owner']}, run {settings.command('upgrade')}.")


@retried
def check_free(login: str) -> None:
    """Raise Conflict when there is a login of that name on the server, a person's or not."""
    with database.reading() as cur:
        _check_free(cur, login)


@retried
def check_person(login: str) -> None:
    """Raise as set_password, before anything is asked."""
    with database.reading() as cur:
        _check_person(cur, login)


@retried
def add(login: str, role: str, password: str, ends_on: date | None = None) -> None:
    """Make a login with a role, read-only or admin; its password is hashed before it travels.

    Raise Conflict when the login is there already.
    """
    _see_to_rights()
    with transaction() as cur:
        _check_free(cur, login)
        _run(cur, SQL("CREATE ROLE {} LOGIN PASSWORD {} VALID UNTIL {} IN ROLE {}").format(
            Identifier(login), Literal(_hashed(cur, login, password)), _until(cur, ends_on), Identifier(GROUPS[role])))


@retried
def set_password(login: str, password: str) -> None:
    """Give a person a new password; raise NotFound when there is no such login, Conflict when it is no person's here,
    looks after the server or the tables, or is this one.
    """
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(login), Literal(_hashed(cur, login, password))))


@retried
def set_role(login: str, role: str) -> None:
    """Make a person read-only or an admin; raise as set_password.

    An admin's sessions end with that: one that has SET ROLE isp_admin would keep its rights.
    """
    _see_to_rights()
    with transaction() as cur:
        person_id = _check_person(cur, login)
        for membership in _memberships(cur, login):
            _run(cur, membership)
        _run(cur, SQL("GRANT {} TO {}").format(Identifier(GROUPS[role]), Identifier(login)))
        cur.execute("SELECT pg_has_role(%(login)s, 'isp_admin', 'MEMBER') AS is_admin", {"login": login})
        if cur.row()["is_admin"] != (role == "admin"):
            raise Conflict(f"{login} is an admin by way of another group of that server, too, which a superuser can "
                           "take away.")
    if role != "admin":
        with database.rehearsal() as cur:
            _end_sessions(cur, login, person_id)


def _memberships(cur: Cursor, login: str) -> list[Composable]:
    """Return the statements that take a login's roles away; from 16 on each is taken by the name of who gave it."""
    cur.execute(
        """
        SELECT roleid::regrole::text AS group_name, pg_get_userbyid(grantor) AS grantor
        FROM pg_auth_members
        WHERE member = (SELECT oid FROM pg_roles WHERE rolname = %(login)s)
          AND roleid::regrole::text IN ('isp_admin', 'isp_readonly')
        """,
        {"login": login},
    )
    by = SQL(" GRANTED BY {}" if cur.connection.info.server_version >= 160000 else "")
    return [SQL("REVOKE {} FROM {}").format(Identifier(row["group_name"]), Identifier(login))
            + by.format(Identifier(row["grantor"])) for row in cur.fetchall()]


@retried
def set_end(login: str, ends_on: date | None) -> None:
    """Set the last day on which a person's password is taken, or none; raise as set_password."""
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} VALID UNTIL {}").format(Identifier(login), _until(cur, ends_on)))


@retried
def lock(login: str) -> int:
    """Keep a person out from now on, and end their sessions; return how many are open all the same."""
    with transaction() as cur:
        person_id = _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} NOLOGIN").format(Identifier(login)))
    with database.rehearsal() as cur:
        _end_sessions(cur, login, person_id)
    return _count_sessions(person_id)


@retried
def unlock(login: str) -> None:
    """Let a locked person in again; raise as set_password."""
    with transaction() as cur:
        _check_person(cur, login)
        _run(cur, SQL("ALTER ROLE {} LOGIN").format(Identifier(login)))


@retried
def remove(login: str) -> int:
    """Remove a person's login, which the trail remembers; return as lock. Raise Conflict when it owns something."""
    with transaction() as cur:
        person_id = _check_person(cur, login)
        cur.execute("SAVEPOINT sessions")
        _drop(cur, login)
        cur.execute("ROLLBACK TO SAVEPOINT sessions")  # it can go, but its sessions end only while it is there
        _end_sessions(cur, login, person_id)
        _drop(cur, login)
    return _count_sessions(person_id)


def _drop(cur: Cursor, login: str) -> None:
    try:
        _run(cur, SQL("DROP ROLE {}").format(Identifier(login)))
    except psycopg2.errors.DependentObjectsStillExist as exc:
        raise Conflict(f"{login} owns something on that server, or has rights there beside the role; lock that login "
                       "instead, or have a superuser run DROP OWNED first.") from exc


def _run(cur: Cursor, statement: Composable) -> None:
    """Run a statement about roles; those take no parameters, so values are quoted into them.

    What happens when two change one role at once differs from statement to statement; a second try finds it as it is.
    """
    try:
        cur.execute(statement)
    except psycopg2.errors.InsufficientPrivilege as exc:
        raise Forbidden("This login may not do that to that person: another login made theirs, or this one lacks "
                        "CREATEROLE.") from exc
    except (psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation, psycopg2.errors.UndefinedObject,
            psycopg2.errors.InternalError_) as exc:
        raise Deadlock("Somebody else is changing the same person; nothing was written. Try again.") from exc


def _hashed(cur: Cursor, login: str, password: str) -> str:
    hashed: str = encrypt_password(password, login, cur.connection, "scram-sha-256")
    return hashed


def _until(cur: Cursor, ends_on: date | None) -> Composable:
    """Return the end of a day in the business's time zone, which is the next day's first moment."""
    if ends_on is None:
        return Literal("infinity")
    cur.execute("SELECT (%(day)s::date + 1)::timestamptz::text AS until", {"day": ends_on})
    return Literal(cur.row()["until"])


def _found(cur: Cursor, login: str) -> Row | None:
    """Return what a login of the server is here; None when there is none."""
    cur.execute(
        """
        SELECT oid::bigint AS person_id, rolname = current_user AS is_you,
               rolsuper OR pg_has_role(oid, (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass), 'USAGE')
                   AS is_above,
               rolname NOT IN ('isp_admin', 'isp_readonly')
               AND EXISTS (SELECT FROM pg_roles AS known
                           WHERE known.rolname IN ('isp_admin', 'isp_readonly')
                             AND pg_has_role(pg_roles.oid, known.oid, 'MEMBER')) AS is_person,
               quote_ident(rolname) AS quoted
        FROM pg_roles
        WHERE rolname = %(login)s
        """,
        {"login": login},
    )
    row = cur.fetchone()
    return dict(row) if row else None


def _check_free(cur: Cursor, login: str) -> None:
    if found := _found(cur, login):
        raise Conflict(f"There is a person {login} already." if found["is_person"] or found["is_above"] else
                       _no_person(login, found), "login")


def _check_person(cur: Cursor, login: str) -> int:
    """Return the ID of a login that is a member of a group; raise as set_password."""
    found = _found(cur, login)
    if found is None:
        raise NotFound("person", login)
    if found["is_you"]:
        raise Conflict(f"{login} is your own login, which somebody else must change.", "login")
    if found["is_above"]:
        raise Conflict(f"{login} looks after the server or the tables, and is changed there and not here.", "login")
    if not found["is_person"]:
        raise Conflict(_no_person(login, found), "login")
    return int(found["person_id"])


def _no_person(login: str, found: Row) -> str:
    return (f"{login} is a login of that server that has no role here; a superuser gives it one by "
            f"GRANT isp_readonly TO {found['quoted']}, or isp_admin.")


def _end_sessions(cur: Cursor, login: str, person_id: int) -> None:
    """End the sessions of a login, where this one may: its members may, so this one is that for a moment."""
    cur.execute("SAVEPOINT membership")
    try:
        cur.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(login)))
        cur.execute("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usesysid = %(person_id)s",
                    {"person_id": person_id})
    except (psycopg2.ProgrammingError, psycopg2.errors.InvalidGrantOperation, psycopg2.InternalError):
        pass  # another login made that one, or it is a group that this one has its own rights from
    cur.execute("ROLLBACK TO SAVEPOINT membership")


def _count_sessions(person_id: int) -> int:
    """Count the sessions of a login that are open, also when it is gone."""
    return fetch_value("SELECT count(*) FROM pg_stat_activity WHERE usesysid = %(person_id)s", person_id=person_id)
