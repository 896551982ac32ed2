"""The version of the schema: which one a database is at, making the present one, and bringing an older one to it.

schema.sql is the whole of the present schema, for an empty database. Each file migrations/NNNN_name.sql brings a
database of the version before to version NNNN. These functions work on a cursor, in their caller's transaction.
"""
from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2.sql import SQL, Identifier

from tracker import log, settings
from tracker.cursor import Cursor, Row, be_patient
from tracker.errors import Busy, Conflict, Forbidden, NotToBeSeen, Unavailable

PROJECT = Path(__file__).parents[1]
TABLES = [
    "schema_version", "customers", "locations", "services", "equipment", "billing", "billing_items", "bank_lines",
    "bank_formats", "payments",
    "payment_allocations", "service_pauses", "price_changes", "unsettled_services", "equipment_moves", "customer_notes",
    "trail", "work_locks", "verifications", "backups",
]
# Whoever may change the books does not write to all of these.
NO_BUSINESS = [
    "schema_version", "trail", "work_locks", "verifications", "backups", "equipment_moves", "unsettled_services",
    "bank_lines", "bank_formats",
]
SCHEMA_LOCK = 49_951  # any number, the same in every copy of the program
LOCK_PATIENCE = 60
OTHERS_PATIENCE = 10


class Migration(NamedTuple):
    version: int
    path: Path

    def statements(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def summary(self) -> str:
        """Return the file's first line, a comment that says in one sentence what the migration does."""
        return self.statements().partition("\n")[0].lstrip("- ")


def migrations() -> list[Migration]:
    """Return the migrations that this program has, the oldest first."""
    found = {path: re.fullmatch(r"([0-9]{4})_\w+\.sql", path.name) for path in (PROJECT / "migrations").glob("*.sql")}
    return sorted(Migration(int(name[1]), path) for path, name in found.items() if name)


def program_version() -> int:
    """Return the version that this program works on: its last migration's, and that of schema.sql."""
    return max((migration.version for migration in migrations()), default=1)


def pending(version: int) -> list[Migration]:
    """Return the migrations that a database of a version still needs, in order.

    Raise Unavailable when the database is newer than the program, or a migration is lost.
    """
    known = program_version()
    if version > known:
        raise Unavailable(
            f"The database is at version {version} and this program knows version {known}: use a newer program."
        )
    needed = [migration for migration in migrations() if migration.version > version]
    for expected, migration in enumerate(needed, version + 1):
        if migration.version != expected:
            folder = migration.path.parent
            raise Unavailable(f"Migration {expected} is missing from {folder}; install the program anew.")
    return needed


def database_version(cur: Cursor) -> int | None:
    """Return the version that the database is at, or None when it holds no schema; raise Unavailable if it cannot."""
    server = cur.connection.info
    if server.server_version < 140000:
        raise Unavailable("The server is older than PostgreSQL 14; use a newer one.")
    if server.parameter_status("server_encoding") != "UTF8":
        raise Unavailable("The database does not store UTF-8; create one with ENCODING 'UTF8'.")
    found = rights(cur)
    if not found["owner"]:
        return None
    if not found["may_look"]:
        raise NotToBeSeen(_how_to_look(found))
    cur.execute("SELECT max(version) AS version FROM schema_version")
    version: int | None = cur.row()["version"]
    return version


def rights(cur: Cursor) -> Row:
    """Return what this login may do with the tables, and whose they are: nobody's where there are none.

    Tables are also found in a schema of the search path that the login may not use. Not by to_regclass(), which can
    repeat from a cache what was true before this transaction waited for SCHEMA_LOCK.
    """
    cur.execute(
        """
        WITH ours AS (
            SELECT oid, relname, relnamespace, relowner
            FROM pg_class
            WHERE relkind = 'r'
              AND relname = ANY (%(tables)s)
              AND (pg_table_is_visible(oid)
                   OR NOT has_schema_privilege(relnamespace, 'USAGE')
                      AND (SELECT quote_ident(nspname) FROM pg_namespace WHERE pg_namespace.oid = relnamespace)
                          = ANY (string_to_array(current_setting('search_path'), ', ')))
        )
        SELECT current_user                                                              AS login,
               quote_ident(current_user)                                                 AS quoted,
               coalesce(min(pg_get_userbyid(relowner)), '')                              AS owner,
               coalesce(bool_and(pg_has_role(relowner, 'USAGE')), false)                 AS is_owner,
               bool_and(has_schema_privilege(relnamespace, 'USAGE')
                        AND has_table_privilege(oid, 'SELECT')
                        AND NOT EXISTS (SELECT FROM pg_proc
                                        WHERE pronamespace = relnamespace AND proname = 'folded'
                                          AND NOT has_function_privilege(pg_proc.oid, 'EXECUTE'))) AS may_look,
               bool_and(has_any_column_privilege(oid, 'INSERT'))
                   FILTER (WHERE relname <> ALL (%(no_business)s))                       AS may_change,
               coalesce((SELECT bool_or(pg_has_role(oid, 'MEMBER'))
                         FROM pg_roles
                         WHERE rolname IN ('isp_readonly', 'isp_admin')), false)         AS is_member,
               pg_is_in_recovery()                                                       AS is_standby,
               current_setting('default_transaction_read_only')::boolean                 AS is_closed
        FROM ours
        """,
        {"tables": TABLES, "no_business": NO_BUSINESS},
    )
    return cur.row()


def _how_to_look(found: Row) -> str:
    """Say what a login takes that may not look at the tables."""
    if found["is_member"]:
        return (f"The groups have no rights on the tables of {found['owner']} yet; that takes "
                f"{settings.command('upgrade')} with the login {found['owner']}.")
    return (f"The login {found['login']} may not look at the tables of {found['owner']}: that takes GRANT isp_readonly "
            f"TO {found['quoted']}, or isp_admin to change them, too; ask {found['owner']}, or a superuser.")


def check_trust(cur: Cursor) -> None:
    """Raise Unavailable when somebody has put a function or an operator where a statement of ours would find it: one of
    a built-in's name, or of one of our own, for types that fit better than those of the one that is meant.

    Whoever else may create in a schema that this session looks into can do that; on PostgreSQL 14 that is everybody,
    in public. So it is looked for with nothing but pg_catalog in sight.
    """
    cur.execute("SELECT pg_catalog.current_schemas(false) AS schemas")
    schemas = cur.row()["schemas"]
    cur.execute("SHOW search_path")
    path = cur.row()["search_path"]
    cur.execute("SET LOCAL search_path = pg_catalog")
    cur.execute(
        """
        WITH space AS (
            SELECT oid, nspname, nspowner
            FROM pg_namespace
            WHERE nspname = ANY (%(schemas)s) AND nspname <> 'pg_catalog'
        ), trusted AS (
            SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user
            UNION
            SELECT datdba FROM pg_database WHERE datname = current_database()
            UNION
            SELECT nspowner FROM space
            UNION
            SELECT relowner FROM pg_class JOIN space ON relnamespace = space.oid WHERE relname = 'schema_version'
        ), found AS (
            SELECT proowner AS owner, pronamespace AS space
            FROM pg_proc AS planted
            WHERE EXISTS (
                SELECT FROM pg_proc
                WHERE proname = planted.proname
                  AND (pronamespace = 'pg_catalog'::regnamespace OR proowner IN (SELECT oid FROM trusted))
            )
            UNION
            SELECT oprowner, oprnamespace FROM pg_operator
        )
        SELECT pg_get_userbyid(owner) AS login, nspname AS schema
        FROM found
        JOIN space ON space.oid = found.space
        WHERE owner NOT IN (SELECT oid FROM trusted)
        ORDER BY login
        LIMIT 1
        """,
        {"schemas": schemas},
    )
    found = cur.fetchone()
    cur.execute(f"SET LOCAL search_path = {path}")
    if found:
        raise Unavailable(
            f"The login {found['login']} has put functions or operators into the schema {found['schema']} that this "
            "program would run as its own: look at them, drop them, and REVOKE CREATE ON SCHEMA "
            f"{found['schema']} FROM PUBLIC."
        )


def _keep_others_from_planting(cur: Cursor) -> None:
    """Take from everybody, where this login may, what PostgreSQL 14 gives them: to create in the schema of the tables.

    Where it may not, the server says so in a warning and nothing happens.
    """
    cur.execute(
        """
        SELECT format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', nspname) AS statement
        FROM pg_namespace
        CROSS JOIN LATERAL aclexplode(nspacl) AS granted
        WHERE nspname = current_schema() AND grantee = 0 AND privilege_type = 'CREATE'
        """
    )
    for row in cur.fetchall():
        cur.execute(row["statement"])


def give_rights(cur: Cursor) -> None:
    """Say anew, as the tables' owner, what the groups of people may do, and make the groups where this login may.

    Rights of the database and the schema, which a dump does not bring, are given and taken here, too.
    """
    _keep_others_from_planting(cur)
    cur.execute((PROJECT / "roles.sql").read_text(encoding="utf-8"))


def lock(cur: Cursor, say: Callable[[str], object] | None = None) -> None:
    """Lift the time limits of this transaction, and keep all who would change the schema out until it ends.

    What the version was before may be old news now: read it again.
    """
    be_patient(cur)
    cur.execute("SELECT pg_try_advisory_xact_lock(%(key)s) AS locked", {"key": SCHEMA_LOCK})
    if not cur.row()["locked"]:
        if say:
            say("Another program is upgrading the database; waiting for it.")
        cur.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": SCHEMA_LOCK})


def create(cur: Cursor) -> int:
    """Make the present schema, unless there is one by now, and return the version that the database is at."""
    lock(cur)
    version = database_version(cur)
    if version is not None:
        return version
    try:
        cur.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
        give_rights(cur)
    except (psycopg2.errors.DuplicateTable, psycopg2.errors.DuplicateObject) as exc:
        log.server_error(exc, "schema.sql")
        raise Unavailable("That database holds other tables already; use an empty one.") from exc
    except psycopg2.errors.InsufficientPrivilege as exc:
        raise Unavailable("The tables are not there yet and this login may not create them.") from exc
    return program_version()


def apply(cur: Cursor, migration: Migration, say: Callable[[str], object]) -> None:
    """Run a migration and record it; the caller holds the lock and has read the version under it.

    A lock that is waited for keeps even readers out behind it, so each wait is short and begins anew, for a minute.
    """
    patient_until = time.monotonic() + LOCK_PATIENCE
    told = False
    while not _tried(cur, migration):
        if time.monotonic() > patient_until:
            raise Busy("Others kept the tables for a minute; nothing was changed. Close their programs and try again.")
        if not told:
            say("Others are using the tables; trying again for up to a minute.")
            told = True
        time.sleep(0.5)
    _keep_others_from_planting(cur)
    if migration.version == program_version():
        give_rights(cur)
    cur.execute("INSERT INTO schema_version (version) VALUES (%(version)s)", {"version": migration.version})


def _tried(cur: Cursor, migration: Migration) -> bool:
    """Run a migration's statements; if others hold a table, take all of them back and return False."""
    cur.execute("SAVEPOINT migration; SET LOCAL lock_timeout = '2s'")
    try:
        _act_as_owner(cur)
        cur.execute(migration.statements())
        cur.execute("SET LOCAL ROLE NONE")
    except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected) as exc:
        log.server_error(exc, migration.path.name)
        cur.execute("ROLLBACK TO SAVEPOINT migration")
        return False
    except (psycopg2.errors.DuplicateTable, psycopg2.errors.DuplicateObject, psycopg2.errors.DuplicateFunction) as exc:
        log.server_error(exc, migration.path.name)
        raise Conflict(f"Version {migration.version} makes what is there already under that name, somebody's own "
                       f"({exc.diag.message_primary}): rename that, and run {settings.command('upgrade')} again."
                       ) from exc
    except psycopg2.errors.InsufficientPrivilege as exc:
        raise Forbidden("Some of what belongs to the tables is not this login's; upgrade as their owner.") from exc
    return True


def _act_as_owner(cur: Cursor) -> None:
    """Let what is made belong to the owner of the tables, also where a superuser makes it."""
    cur.execute("SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = 'schema_version'::regclass")
    cur.execute(SQL("SET LOCAL ROLE {}").format(Identifier(cur.row()["owner"])))


def check_owner(cur: Cursor) -> None:
    """Raise Forbidden when the tables are another's, who alone may change them."""
    cur.execute(
        """
        SELECT pg_get_userbyid(relowner) AS owner, pg_has_role(relowner, 'USAGE') AS ours
        FROM pg_class
        WHERE oid = 'schema_version'::regclass
        """
    )
    row = cur.row()
    if not row["ours"]:
        raise Forbidden(f"The tables belong to {row['owner']}; upgrade with that login in DATABASE_URI.")


def count_others(cur: Cursor) -> int:
    """Count the sessions of other copies of the program, but for those that wait to read the version anew: of the
    programs that know this lock, and of the older ones, which wait for the table itself.
    """
    cur.execute("SELECT pg_stat_clear_snapshot()")
    cur.execute(
        """
        SELECT count(*)
        FROM pg_stat_activity AS other
        WHERE datname = current_database()
          AND pid <> pg_backend_pid()
          AND application_name = current_setting('application_name')
          AND NOT EXISTS (
              SELECT FROM pg_locks
              WHERE pg_locks.pid = other.pid
                AND NOT granted
                AND (locktype = 'advisory' AND objid = %(key)s
                     OR locktype = 'relation' AND relation = 'schema_version'::regclass)
          )
        """,
        {"key": SCHEMA_LOCK},
    )
    return int(cur.row()["count"])


def keep_others_out(cur: Cursor) -> None:
    """Let nobody read the version until this transaction ends: who starts meanwhile reads the new one."""
    cur.execute("LOCK TABLE schema_version IN ACCESS EXCLUSIVE MODE")


def wait_for_others(cur: Cursor) -> None:
    """Wait a little for other copies of the program to end, else raise Busy: an older one must not go on afterwards."""
    patient_until = time.monotonic() + OTHERS_PATIENCE
    while count_others(cur):
        if time.monotonic() > patient_until:
            raise Busy("The database must be upgraded, and another program has it open: close that, then start again.")
        time.sleep(0.05)
