"""The books as a whole: backing them up, restoring them, and trying whether a backup can be restored.

A backup is written in one snapshot, in which what it should hold is counted, too. It is restored into a database of its
own beside the present one, counted again, upgraded and verified there; only then do the two change their names, both in
one transaction, so that a kill at any moment leaves the present books or the restored ones.
"""
from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import psycopg2
from psycopg2.sql import SQL, Composable, Identifier, Literal

import database
from database import (
    acting_as,
    fetch_all,
    fetch_one,
    fetch_value,
    outside_transactions,
    reading,
    rehearsal,
    retried,
    transaction,
)
from tracker import access, errors, files, migrate, settings, text, verify
from tracker.cursor import Cursor, Row, be_patient, only
from tracker.verify import Progress

if TYPE_CHECKING:
    from tracker.archive import Archive, Note, Stock

SUFFIX = ".backup"
LONGEST_NAME = 63  # bytes of a database's name
LEAVE_PATIENCE = 3.0  # seconds
SPARE = 64_000_000  # bytes that a restore writes beside the books: the server's log
RESTORE_LOCK = 49_952  # any number, the same in every copy of the program
OURS = "ISP Customer Tracker: a backup is being restored or checked here."
LISTS = ("search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries")  # settings
OF_ANY_DATABASE = {"schema_version", "work_locks", "verifications", "backups"}  # tables whose rows are no books
PERIODS: dict[str, Callable[[date], object]] = {
    "d": lambda day: day, "w": lambda day: day.isocalendar()[:2], "m": lambda day: (day.year, day.month),
    "y": lambda day: day.year,
}


class Noted(TypedDict):
    """The last backup that was noted, as many days ago by the calendar as age_days says; is_old when it is to worry.
    checked_at is when one was last restored as a trial, or in earnest.
    """

    taken_at: datetime
    age_days: int
    is_old: bool
    path: str
    bytes: int
    checked_at: datetime | None


class Kept(TypedDict):
    """A database with the books from before a restore."""

    name: str
    bytes: int


class Taken(NamedTuple):
    """A backup that was written; why_not_noted is empty where the database says that it was."""

    path: Path
    bytes: int
    note: Note
    why_not_noted: str


class Standing(TypedDict):
    """The database that a backup would be restored into, and what this login may do there."""

    database: str
    login: str
    has_tables: bool
    customers: int
    bills: int
    payments: int
    may_create: bool
    owner: str
    has_others: bool


class Outcome(NamedTuple):
    """What a restore brought: kept is the name of the database with the books before, if there were any; upgraded from
    which version, if it was; differences from what the backup noted, or None when it noted nothing.
    """

    kept: str
    upgraded: int | None
    customers: int
    bills: int
    payments: int
    differences: list[str] | None
    findings: list[str]


def last() -> Noted | None:
    """Return the last backup, or None before the first."""
    return fetch_one(
        """
        SELECT taken_at, CURRENT_DATE - taken_at::date AS age_days, now() > taken_at + interval '2 days' AS is_old,
               path, bytes,
               (SELECT max(checked_at) FROM backups) AS checked_at
        FROM backups
        ORDER BY backup_id DESC
        LIMIT 1
        """
    )


def _notes() -> bool:
    """Tell whether the database notes its backups, which one of an older version does not."""
    return bool(fetch_value("SELECT to_regclass('backups') IS NOT NULL AS found"))


def kept() -> list[Kept]:
    """Return the databases that restores have kept of the books before, the oldest first."""
    return fetch_all(
        """
        SELECT datname AS name,
               CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END AS bytes
        FROM pg_database
        WHERE starts_with(datname, left(current_database(), 40))
          AND datname ~ '_before_[0-9]{4}_[0-9]{2}_[0-9]{2}_[0-9]{6}$'
        ORDER BY right(datname, 17)
        """
    )


def folder() -> Path:
    """Return where backups go unless it is said: where the last one went, else a folder of the data folder's."""
    if _notes() and (noted := last()):
        return Path(noted["path"]).parent
    return settings.data_folder() / settings.BACKUPS


def take(where: Path | None, progress: Progress) -> Taken:
    """Back the database up into a folder, else into folder(), under work going on, and note it there where it can.

    The file is named by the database and the business's day and time. Raise BadFile, ServerError.
    """
    from tracker import archive

    place = (where or folder()).resolve()
    if not where and place.parent == settings.data_folder().resolve():
        files.make_private(place)
    if not place.is_dir():
        raise errors.BadFile(f"There is no folder {place}{'' if where else ', where the last backup went'}; make it, "
                             "mount its disk, or name another.")
    with reading(snapshot=True) as cur:
        if cur.connection.pooled:  # type: ignore[attr-defined]
            raise errors.Unavailable("Back up from the server itself: what DATABASE_URI names is a pooler, and pg_dump "
                                     "needs a session of its own.")
        be_patient(cur)
        cur.execute(f"SET LOCAL lock_timeout = '{archive.LOCK_PATIENCE}'; "
                    "SET LOCAL idle_in_transaction_session_timeout = 0")
        cur.execute("SELECT pg_export_snapshot() AS snapshot, to_char(now(), 'YYYY-MM-DD-HH24MISS') AS moment")
        row = cur.row()
        noted: list[Note] = []

        def note() -> Note:
            noted.append(archive.note(cur))
            return noted[0]

        path = place / f"{_stem(cur)}-{row['moment']}{SUFFIX}"
        size = archive.write(path, database.target(cur), row["snapshot"], note, _by_size(cur, progress))
    return Taken(path, size, noted[0], _note(path, size, noted[0]["taken_at"]))


def _stem(cur: Cursor) -> str:
    """Return how the names of a database's backups begin."""
    return re.sub(r"[^\w.-]", "_", cur.connection.info.dbname)


def _by_size(cur: Cursor, progress: Progress) -> Progress:
    """Tell how much is dumped, by the sizes of the tables that pg_dump has gone through."""
    from tracker import archive

    cur.execute("SELECT relname, relpages AS size FROM pg_class WHERE relkind = 'r' AND relpages > 0 "
                "AND relnamespace <> 'pg_catalog'::regnamespace")
    sizes = {row["relname"]: row["size"] for row in cur.fetchall()}
    begun: list[str] = []
    listen = archive.listening(cur)

    def tell(table: str, done: int, whole: int) -> None:
        if table and table not in begun:
            begun.append(table)
        progress("Backing up", sum(sizes.get(name, 0) for name in begun[:-1]), sum(sizes.values()))
        listen(table, done, whole)

    return tell


def _note(path: Path, size: int, taken_at: str) -> str:
    """Note a backup where this session may; return why it may not, or nothing."""
    if why_not := database.rights()["why_not"]:
        return why_not
    if not _notes():
        return "it is of an older version"
    try:
        with transaction() as cur:
            cur.execute("INSERT INTO backups (taken_at, path, bytes) VALUES (%(taken_at)s, %(path)s, %(bytes)s)",
                        {"taken_at": taken_at, "path": str(path), "bytes": size})
    except errors.Error as exc:
        return str(exc)
    database.saved -= 1  # nothing that anybody entered
    return ""


def thin(path: Path, keep: Mapping[str, int]) -> list[Path]:
    """Remove backups of the same database beside one, and return them: of the newest of each day, week, month and year
    as many are kept as keep says, and the one that was named in any case. What is dated after that, or was not written
    to its end, neither counts nor goes.
    """
    from tracker import archive

    moment = r"-(\d{4}-\d\d-\d\d)-\d{6}" + re.escape(SUFFIX)
    stem = re.sub(moment + "$", "", path.name)
    found = {}
    for other in path.parent.iterdir():
        if (name := re.fullmatch(re.escape(stem) + moment, other.name, re.ASCII)) and other.is_file():
            with contextlib.suppress(ValueError):
                if other.name <= path.name and archive.is_finished(other):
                    found[other] = date.fromisoformat(name[1])
    newest_first = sorted(found, reverse=True)
    kept = {path}
    for unit, count in keep.items():
        latest: dict[object, Path] = {}
        for other in newest_first:
            latest.setdefault(PERIODS[unit](found[other]), other)
        kept.update(list(latest.values())[:count])
    gone = [other for other in newest_first if other not in kept]
    for other in gone:
        with files.told(other):
            other.unlink()
    return gone


def read(path: Path) -> Archive:
    """Look at a backup file; raise BadFile when it is none, damaged, or of a newer program."""
    from tracker import archive

    found = archive.read(path)
    if found.note and found.note["schema_version"] > migrate.program_version():
        raise errors.BadFile(f"{path} is of version {found.note['schema_version']} and this program knows version "
                             f"{migrate.program_version()}: use a newer program.")
    return found


def standing() -> Standing:
    """Return what there is where a backup would be restored; raise Unavailable where a login is not to look at it."""
    row: Row = only(fetch_one(
        """
        SELECT current_database() AS database, current_user AS login,
               (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user)
                   AND pg_has_role(datdba, 'USAGE') AS may_create,
               pg_get_userbyid(coalesce((SELECT relowner FROM pg_class WHERE oid = to_regclass('schema_version')),
                                        datdba)) AS owner
        FROM pg_database
        WHERE datname = current_database()
        """
    ))
    has_tables = _has_tables()
    customers, bills, payments = (_exactly(table) if has_tables else 0
                                  for table in ("customers", "billing", "payments"))
    return {"database": row["database"], "login": row["login"], "may_create": row["may_create"],
            "owner": row["owner"], "has_tables": has_tables, "has_others": _has_others(), "customers": customers,
            "bills": bills, "payments": payments}


@retried
def _has_tables() -> bool:
    with reading() as cur:
        return migrate.database_version(cur) is not None


@retried
def _exactly(table: str) -> int:
    with reading() as cur:
        be_patient(cur)
        cur.execute(SQL("SELECT count(*) AS rows FROM {}").format(Identifier(table)))
        return int(cur.row()["rows"])


def restore(backup: Archive, there: Standing, progress: Progress, say: Callable[[str], object]) -> Outcome:
    """Restore a backup in place of the database that DATABASE_URI names, which is kept under another name.

    Where this login may make no databases, a database without tables is filled in one transaction. Raise Busy while
    others have the database open, Forbidden where the login may not, Conflict where the database is something else's or
    what was restored is not what the backup noted; then nothing has changed, but for a database that was filled.
    """
    refuse(there, backup)
    if there["may_create"]:
        return _restore_beside(backup, there, progress, say)
    _fill(backup, True, progress)
    outcome = _examine(backup, progress, say)
    if outcome.differences:
        raise errors.Conflict(f"{backup.path} does not hold what was backed up: {outcome.differences[0]} The database "
                              "was filled with it: have it made anew, and use another backup.")
    _note(backup.path, backup.bytes, _taken_at(backup))
    return outcome


def refuse(there: Standing, backup: Archive) -> None:
    """Raise an Error where a backup cannot be restored: Conflict where the database is something else's or has no
    room, Forbidden where the login may not, Busy while others have the database open.
    """
    if there["has_others"] and not there["has_tables"]:
        raise errors.Conflict(f"The database {there['database']} holds tables of something else; name a new, empty "
                              "database in DATABASE_URI.")
    if there["owner"] != there["login"]:
        raise errors.Forbidden(f"The books belong to {there['owner']}, and restored by {there['login']} they would "
                               "not: restore with their owner in DATABASE_URI.")
    if not there["may_create"] and there["has_tables"]:
        raise errors.Forbidden(
            f"A backup is restored beside the present books, and the login {there['login']} may make no databases: "
            f"have a superuser run ALTER ROLE {there['login']} CREATEDB, or name a new, empty database in "
            "DATABASE_URI.")
    if not there["may_create"]:
        return
    _check_room(backup)
    keeper = _keeper(there["database"])
    with contextlib.closing(keeper), acting_as(keeper), outside_transactions():  # which raises with writes off
        _refuse_others(there["database"])


def _check_room(backup: Archive) -> None:
    """Raise Conflict where the embedded database's disk has no room for the books once more."""
    if not database.is_embedded() or not backup.note:
        return
    needed, place = backup.note["size"] + SPARE, settings.data_folder()
    if (free := shutil.disk_usage(place).free) < needed:
        raise errors.Conflict(f"Restoring takes about {text.show_size(needed)} on the disk of {place}, which has "
                              f"{text.show_size(free)} free: make room there, and try again.")


def check(backup: Archive, progress: Progress, say: Callable[[str], object]) -> Outcome:
    """Restore a backup into a database of its own, look at that as a restore does, and drop it.

    Raise Forbidden where this login may make no databases, Conflict as restore() does.
    """
    there = standing()
    if not there["may_create"]:
        raise errors.Forbidden(
            f"A backup is checked in a database of its own: that takes the login {there['owner']}, which has the "
            f"books, and ALTER ROLE {there['owner']} CREATEDB by a superuser; or check it without DATABASE_URI.")
    _check_room(backup)
    with _beside(there["database"], "checking") as beside:
        outcome = _try(backup, beside, progress, say)
    if there["has_tables"] and _notes() and not database.rights()["why_not"]:
        _note_check(_taken_at(backup))
    return outcome


@retried
def _note_check(taken_at: str) -> None:
    with transaction() as cur:
        cur.execute("UPDATE backups SET checked_at = now() WHERE taken_at = %(taken_at)s", {"taken_at": taken_at})
    database.saved -= 1  # nothing that anybody entered


def _taken_at(backup: Archive) -> str:
    """Return when a backup was taken, as it says, else as its file does."""
    if backup.note:
        return backup.note["taken_at"]
    return datetime.fromtimestamp(backup.path.stat().st_mtime).astimezone().isoformat()


def _restore_beside(backup: Archive, there: Standing, progress: Progress, say: Callable[[str], object]) -> Outcome:
    with _beside(there["database"], "restoring") as beside:
        _refuse_others(there["database"])
        outcome = _try(backup, beside, progress, say, lasting=True)
        return outcome._replace(kept=_swap(there["database"], beside))


def _try(backup: Archive, beside: str, progress: Progress, say: Callable[[str], object], lasting: bool = False,
         ) -> Outcome:
    """Restore a backup into an empty database of that name, and look at it; note it there when it is to last."""
    login = database.login_to(beside)
    with contextlib.closing(login), acting_as(login):
        _fill(backup, False, progress)
        outcome = _examine(backup, progress, say)
        if outcome.differences:
            raise errors.Conflict(f"{backup.path} does not hold what was backed up: {outcome.differences[0]} Nothing "
                                  "was changed; use another backup.")
        if lasting:
            _note(backup.path, backup.bytes, _taken_at(backup))
            _note_check(_taken_at(backup))
        return outcome


def _fill(backup: Archive, whole: bool, progress: Progress) -> None:
    from tracker import archive

    with reading() as cur:
        target = database.target(cur)
    archive.restore(backup, target, whole, _size, progress)


def _size() -> int:
    return int(fetch_value("SELECT pg_database_size(current_database()) AS size"))


def _examine(backup: Archive, progress: Progress, say: Callable[[str], object]) -> Outcome:
    """Compare what was restored with what the backup noted, bring it to this program's version, and verify it."""
    progress("Tidying up", 0, 0)
    _tidy_up()  # before the rows are read again and again: else each of them is written once more by its first reader
    progress("Comparing", 0, 0)
    differences = _differences(backup.note["stock"]) if backup.note and backup.note["stock"] else None
    with reading() as cur:
        version = migrate.database_version(cur) or 0
    needed = migrate.pending(version)
    database.upgrade(say, copied=False)
    access.give_rights()
    if needed:
        progress("Tidying up", 0, 0)
        _tidy_up()
    checked, findings = verify.verify(progress)
    return Outcome("", version if needed else None, _exactly("customers"), checked["bills"], checked["payments"],
                   differences, findings)


def _tidy_up() -> None:
    with outside_transactions() as cur:
        cur.execute("VACUUM (ANALYZE)")


def _differences(noted: Stock) -> list[str]:
    from tracker import archive

    with reading() as cur:
        be_patient(cur)
        stock = archive.take_stock(cur)
    return [
        f"{table}, {column}: {stock.get(table, {}).get(column, 'nothing')} instead of {value}."
        for table, columns in noted.items()
        for column, value in columns.items()
        if stock.get(table, {}).get(column) != value
    ]


@contextlib.contextmanager
def _beside(name: str, purpose: str) -> Iterator[str]:
    """Make a database like another, and drop it in the end unless it has another name by then; yield its name.

    The block runs on connections to neither of the two. One caller at a time: what one that was killed left is dropped.
    """
    keeper = _keeper(name)
    beside = _fitted(name, f"_{purpose}")
    with contextlib.closing(keeper), acting_as(keeper), rehearsal() as lock:
        lock.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        lock.execute("SELECT pg_try_advisory_xact_lock(%(key)s, hashtext(%(name)s)) AS locked",
                     {"key": RESTORE_LOCK, "name": beside})
        if not lock.row()["locked"]:
            raise errors.Busy(f"Another program has the database {beside} at work; wait for that to end.")
        _make_anew(beside, name)
        try:
            yield beside
        finally:
            _drop_ours(beside)


def _make_anew(name: str, like: str) -> None:
    """Make an empty database like another; the server may be still making one for a program that was killed."""
    patient_until = time.monotonic() + LEAVE_PATIENCE
    while True:
        _drop_ours(name)
        try:
            _make(name, like)
            return
        except errors.Busy:
            if time.monotonic() > patient_until:
                _drop_ours(name)
                raise
            time.sleep(0.1)
        except BaseException:
            _drop_ours(name)
            raise


def _keeper(name: str) -> database.Login:
    """Open connections to another database than one, from where that can be renamed."""
    return database.login_to("template1" if name == "postgres" else "postgres")


def _fitted(name: str, suffix: str) -> str:
    return name.encode()[:LONGEST_NAME - len(suffix)].decode(errors="ignore") + suffix


def _drop_ours(name: str) -> None:
    """Drop a database that _make() made, if it is there; one that a kill kept from being marked is empty."""
    with outside_transactions() as cur:
        cur.execute("SELECT shobj_description(oid, 'pg_database') AS said FROM pg_database WHERE datname = %(name)s",
                    {"name": name})
        row = cur.fetchone()
        if row and row["said"] != OURS and not _is_empty(name):
            raise errors.Conflict(f"There is a database {name}, which this program would make and did not; rename it.")
        try:
            if row:
                cur.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        except psycopg2.errors.InsufficientPrivilege as exc:  # to end the sessions of another login
            raise errors.Busy(f"Others have the database {name} open, which this program made for its work: end their "
                              "programs; the next restore or check drops it.") from exc


def _is_empty(name: str) -> bool:
    """Tell whether nobody has made anything in a database."""
    login = database.login_to(name)
    with contextlib.closing(login), acting_as(login):
        return not fetch_value("SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384) AS found")


def _make(name: str, like: str) -> None:
    """Make an empty database with the owner, locale, settings and rights of another."""
    with outside_transactions() as cur:
        cur.execute(
            """
            SELECT to_jsonb(pg_database) AS known, pg_get_userbyid(datdba) AS owner, spcname AS tablespace,
                   ARRAY(SELECT jsonb_build_array(quote_ident(pg_get_userbyid(nullif(setrole, 0))), setting)
                         FROM pg_db_role_setting
                         CROSS JOIN LATERAL unnest(setconfig) AS setting
                         WHERE setdatabase = pg_database.oid
                           AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))) AS settings,
                   ARRAY(SELECT format('GRANT %%s ON DATABASE %%I TO %%s%%s', privilege_type, %(name)s,
                                       CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                                       CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
                         FROM aclexplode(datacl)
                         WHERE grantee <> datdba) AS grants
            FROM pg_database
            JOIN pg_tablespace ON pg_tablespace.oid = dattablespace
            WHERE datname = %(like)s
            """,
            {"name": name, "like": like},
        )
        row = cur.row()
        try:
            cur.execute(SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' {} {}").format(
                Identifier(name), Identifier(row["owner"]), _tablespace(row["tablespace"]), _locale(row["known"])))
        except psycopg2.errors.DuplicateDatabase as exc:
            raise errors.Busy(f"Another program makes the database {name} just now; try again in a moment.") from exc
        except psycopg2.errors.InsufficientPrivilege as exc:
            raise errors.Forbidden(f"This login may make no database in the tablespace {row['tablespace']}: have a "
                                   "superuser grant it CREATE there.") from exc
        cur.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(OURS)))
        for of, setting in row["settings"]:
            _set(cur, name, of, *setting.split("=", 1))
        if row["known"]["datacl"] is not None:
            cur.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))
        for grant in row["grants"]:
            cur.execute(grant)


def _tablespace(name: str) -> Composable:
    """Return where a database is made; pg_default, said by name, would take a right that is a superuser's alone."""
    return SQL("") if name == "pg_default" else SQL("TABLESPACE {}").format(Identifier(name))


def _locale(known: Row) -> Composable:
    """Return the locale of a database as CREATE DATABASE takes it; known is its row of pg_database, of any version."""
    provider = known.get("datlocprovider")
    options = {"LC_COLLATE": known["datcollate"], "LC_CTYPE": known["datctype"]}
    if provider:
        options["LOCALE_PROVIDER"] = {"c": "libc", "i": "icu", "b": "builtin"}[provider]
    if own := known.get("datlocale") or known.get("daticulocale"):
        options["BUILTIN_LOCALE" if provider == "b" else "ICU_LOCALE"] = own
    if rules := known.get("daticurules"):
        options["ICU_RULES"] = rules
    return SQL(" ").join(SQL("{} {}").format(SQL(name), Literal(value)) for name, value in options.items())


def _set(cur: Cursor, name: str, of: str | None, setting: str, value: str) -> None:
    """Give a database a setting, for one login or all."""
    written = SQL(value or "''") if setting in LISTS else Literal(value)  # a list is stored as it is written
    what = SQL("ROLE {} IN DATABASE {}").format(SQL(of), Identifier(name)) if of else SQL("DATABASE {}").format(
        Identifier(name))
    try:
        cur.execute(SQL("ALTER {} SET {} TO {}").format(what, SQL(setting), written))
    except psycopg2.errors.InsufficientPrivilege as exc:
        raise errors.Forbidden(
            f"The database has the setting {setting}, which only a superuser can give to the restored one: have one "
            "take it away (ALTER DATABASE … RESET), restore, and have it set again.") from exc


def _refuse_others(name: str) -> None:
    """Raise Busy while others have a database open; whoever left it just now takes a moment to be gone."""
    database.close_idle()
    patient_until = time.monotonic() + LEAVE_PATIENCE
    while others := _others(name):
        if time.monotonic() > patient_until:
            raise errors.Busy(f"Others have the database {name} open ({text.clean(others)}): end their programs, then "
                              "restore.")
        time.sleep(0.05)


def _others(name: str) -> str:
    """Return who has a database open, in words, or nothing."""
    with reading() as cur:
        cur.execute(
            """
            SELECT coalesce(string_agg(usename || coalesce(' in ' || nullif(application_name, ''), ''), ', '
                                       ORDER BY usename), '') AS others
            FROM pg_stat_activity
            WHERE datname = %(name)s  -- of another login no more is told; PostgreSQL's own have no login
            """,
            {"name": name},
        )
        return str(cur.row()["others"])


def _swap(name: str, beside: str) -> str:
    """Let a database take the place of another, which is kept under another name if it holds anything; return that."""
    database.close_idle()
    before = _unused(name)
    with transaction() as cur:
        try:
            cur.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(name), Identifier(before)))
            cur.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(beside), Identifier(name)))
        except psycopg2.errors.ObjectInUse as exc:
            raise errors.Busy(f"Others have opened the database {name} meanwhile, and nothing was changed: end their "
                              "programs, then restore.") from exc
        cur.execute(SQL("COMMENT ON DATABASE {} IS NULL").format(Identifier(name)))
    # Looked for now that nobody can have it open by the name they know: somebody may have worked in it meanwhile.
    if _holds_something(before):
        return before
    with outside_transactions() as cur:
        try:
            cur.execute(SQL("DROP DATABASE {}").format(Identifier(before)))
        except psycopg2.errors.ObjectInUse:
            return before
    return ""


def _unused(name: str) -> str:
    """Return a name by the time for the books before; two restores in a second have one name each."""
    while True:
        with reading() as cur:
            cur.execute("SELECT to_char(clock_timestamp(), '_YYYY_MM_DD_HH24MISS') AS moment")
            before = _fitted(name, f"_before{cur.row()['moment']}")
            cur.execute("SELECT FROM pg_database WHERE datname = %(name)s", {"name": before})
            if not cur.rowcount:
                return before
        time.sleep(0.1)


def _holds_something(name: str) -> bool:
    """Tell whether a database has tables of others, or rows in those of this program that a new one does not have."""
    from tracker import archive

    login = database.login_to(name)
    with contextlib.closing(login), acting_as(login):
        with reading() as cur:
            be_patient(cur)
            stock = archive.take_stock(cur)
        return _has_others() or any(stock[table]["rows"] != "0" for table in stock.keys() - OF_ANY_DATABASE)


def _has_others() -> bool:
    """Tell whether there are tables that are neither this program's nor an extension's."""
    return bool(fetch_value(
        """
        SELECT EXISTS (
            SELECT
            FROM pg_class
            WHERE pg_class.oid >= 16384 AND relkind IN ('r', 'p', 'f', 'm')
              AND NOT (relname = ANY (%(tables)s) AND pg_table_is_visible(pg_class.oid))
              AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
        ) AS found
        """,
        tables=migrate.TABLES,
    ))
