"""Every read and write of customers, locations, services, equipment and bills, and the pool they run on.

One public function is one transaction, or one statement. Functions return plain dicts and raise Error, whose text is
one sentence for the administrator. Nothing here prints or asks.
"""
from __future__ import annotations

import functools
import json
import random
import re
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool

from tracker import interrupts, settings
from tracker.errors import (
    RULES,
    Busy,
    Conflict,
    ConnectionLost,
    Deadlock,
    Error,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ServerError,
    Unavailable,
)

# Amounts inside JSON stay exact.
psycopg2.extras.register_default_json(globally=True, loads=functools.partial(json.loads, parse_float=Decimal))
SCHEMA_VERSION = 1
SCHEMA_LOCK, BILL_RUN_LOCK, IMPORT_LOCK = 49_951, 49_952, 49_953  # any numbers, the same in every copy of the program
MOST_HITS = 20
COUNT_EXACTLY = 200_000
RETRY_PAUSES = (0.05, 0.2, 0.8)
Row = dict[str, Any]
Function = TypeVar("Function", bound=Callable[..., Any])


class _Cursor(psycopg2.extras.RealDictCursor):
    """A cursor that Ctrl-C can stop before each statement and each row."""

    def execute(self, query: str, vars: Any = None) -> None:
        interrupts.check()
        super().execute(query, vars)

    def __iter__(self) -> Iterator[Row]:
        for row in super().__iter__():
            interrupts.check()
            yield row


_pool: psycopg2.pool.ThreadedConnectionPool | None = None
_slots = threading.BoundedSemaphore(1)
_slot_wait = 30
_data_folder: Path | None = None  # of the embedded server, while that is the one in use
saved = 0  # transactions committed so far, so that an interrupted action can tell whether it was before or after


def connect(uri: str | None = None) -> None:
    """Open the pool, on uri, DATABASE_URI or the embedded database, and create the schema on first run.

    Raise Unavailable when the server cannot be reached or its database cannot be used.
    """
    global _pool, _slots, _slot_wait, _data_folder
    _data_folder = None
    size = settings.whole_number("DB_POOL_SIZE", 4)
    _slot_wait = settings.whole_number("DB_POOL_WAIT", 30)
    parameters = _parameters(uri or settings.get("DATABASE_URI") or _embedded_uri())
    try:
        _pool = psycopg2.pool.ThreadedConnectionPool(1, size, **parameters)
    except (psycopg2.Error, UnicodeDecodeError) as exc:  # a server's own words may be in Latin-1
        raise Unavailable(_why_unreachable(str(exc), parameters)) from exc
    _pool.minconn = size  # so that putconn keeps what was opened later, too
    _slots = threading.BoundedSemaphore(size)
    _prepare_schema()


def disconnect() -> None:
    """Close every connection."""
    global _pool
    if _pool is not None:
        _pool.closeall()
        _pool = None


def _embedded_uri() -> str:
    """Start or join the embedded server; its module is imported only here, since others need not wait for that."""
    global _data_folder
    from tracker import embedded

    try:
        folder = _data_folder or embedded.data_folder(settings.get("ISP_DATA_DIR"))
        uri = embedded.start(folder)
    except ServerError as exc:
        raise Unavailable(str(exc)) from exc
    _data_folder = folder
    return uri


def _parameters(uri: str) -> Row:
    """Split a connection URI, and add how long to wait for what; never repeat any of it in an error."""
    try:
        parameters = psycopg2.extensions.parse_dsn(uri)
    except (psycopg2.ProgrammingError, ValueError):
        parameters = {"host": "@"}
    ports = parameters.get("port", "").split(",")
    if "@" in parameters.get("host", "") + parameters.get("dbname", "") or not all(map(_is_port, ports)):
        raise Unavailable(
            "DATABASE_URI cannot be read; it looks like postgresql://user:password@host:5432/database, "
            "with @ : / % in the password written as %40 %3A %2F %25."
        )
    return {
        "connect_timeout": str(settings.whole_number("DB_CONNECT_TIMEOUT", 5)),
        "application_name": "isp-customer-tracker",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
        **parameters,
        "client_encoding": "UTF8",
        "options": f"{parameters.get('options', '')} {_session_options()}".strip(),
        "cursor_factory": _Cursor,
    }


def _is_port(word: str) -> bool:
    return not word or re.fullmatch(r"[0-9]{1,5}", word, re.ASCII) is not None and 1 <= int(word) <= 65535


def _session_options() -> str:
    """Return the settings of every session as libpq's options; conn.reset() goes back to them."""
    lock_ms = 1000 * settings.whole_number("DB_LOCK_TIMEOUT", 5)
    statement_ms = 1000 * settings.whole_number("DB_STATEMENT_TIMEOUT", 60)
    options = f"-c lock_timeout={lock_ms} -c statement_timeout={statement_ms}"
    timezone = settings.get("TIMEZONE")
    if not re.fullmatch(r"[A-Za-z0-9_+\-/:]{0,60}", timezone, re.ASCII):
        raise Unavailable("TIMEZONE must be a name such as Europe/Paris.")
    return f"{options} -c TimeZone={timezone}" if timezone else options


def _why_unreachable(text: str, parameters: Row) -> str:
    where = f"{parameters.get('host', 'this machine')}, port {parameters.get('port', '5432')}"
    database = f"database {parameters['dbname']}" if "dbname" in parameters else "the database"
    reasons = {
        '"TimeZone"': "The server does not know the time zone in TIMEZONE; use a name such as Europe/Paris.",
        "authentication failed": f"The server at {where} refused the user or password for {database}.",
        "no password supplied": f"The server at {where} wants a password; put it into DATABASE_URI.",
        "does not exist": f"The server at {where} has no such user, or no {database}.",
        "translate host name": f"The host {parameters.get('host')} cannot be found; check DATABASE_URI.",
        "too many": f"The server at {where} has no connection to spare; try again in a moment.",
        "refused": f"Nothing answers at {where}; is PostgreSQL running there?",
        "No such file": f"Nothing answers at {where}; is PostgreSQL running there?",
        "timeout expired": f"Nothing answered in time at {where}; check DATABASE_URI and the network.",
    }
    for sign, sentence in reasons.items():
        if sign in text:
            return sentence
    return f"Cannot connect to {database} at {where}; check DATABASE_URI and that the server runs."


def _prepare_schema() -> None:
    with reading() as cur:
        version = _schema_version(cur)
    if version is None:
        _create_schema()
    elif version > SCHEMA_VERSION:
        raise Unavailable(
            f"The database is at version {version} and this program knows version {SCHEMA_VERSION}: use a newer program."
        )


def _schema_version(cur: psycopg2.extensions.cursor) -> int | None:
    server = cur.connection.info
    if server.server_version < 140000:
        raise Unavailable("The server is older than PostgreSQL 14; use a newer one.")
    if server.parameter_status("server_encoding") != "UTF8":
        raise Unavailable("The database does not store UTF-8; create one with ENCODING 'UTF8'.")
    # Not to_regclass(), which can repeat from a cache what was true before this transaction waited for SCHEMA_LOCK.
    cur.execute(
        """
        SELECT EXISTS (
            SELECT FROM pg_class WHERE relname = 'schema_version' AND pg_table_is_visible(oid)
        ) AS installed
        """
    )
    if not cur.fetchone()["installed"]:
        return None
    cur.execute("SELECT max(version) AS version FROM schema_version")
    return cur.fetchone()["version"]


def _create_schema() -> None:
    schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    with transaction() as cur:
        be_patient(cur)
        cur.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": SCHEMA_LOCK})
        if _schema_version(cur) is None:
            try:
                cur.execute(schema)
            except (psycopg2.errors.DuplicateTable, psycopg2.errors.DuplicateObject) as exc:
                raise Unavailable("That database holds other tables already; use an empty one.") from exc
            except psycopg2.errors.InsufficientPrivilege as exc:
                raise Unavailable("The tables are not there yet and this login may not create them.") from exc


def be_patient(cur: psycopg2.extensions.cursor) -> None:
    """Lift the time limits for the rest of this transaction; Ctrl-C still ends it."""
    cur.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")


@contextmanager
def transaction() -> Iterator[psycopg2.extensions.cursor]:
    """Lend a cursor in a transaction: COMMIT when the block ends, nothing written when it raises."""
    with _connection() as conn, conn.cursor() as cur:
        yield cur


@contextmanager
def reading() -> Iterator[psycopg2.extensions.cursor]:
    """Lend a cursor for one statement that reads; it spares the round trips of BEGIN and COMMIT."""
    with _connection(autocommit=True) as conn, conn.cursor() as cur:
        yield cur


@contextmanager
def streaming() -> Iterator[psycopg2.extensions.cursor]:
    """Lend a server-side cursor, which holds a few hundred rows of its result at a time."""
    with _connection() as conn:
        with conn.cursor() as cur:
            be_patient(cur)
        with conn.cursor("stream") as cur:
            cur.itersize = 500
            yield cur


@contextmanager
def _connection(autocommit: bool = False) -> Iterator[psycopg2.extensions.connection]:
    """Lend a connection; commit, or turn what went wrong into an Error; take the connection back."""
    with interrupts.deferred():
        conn = _borrow()
        committed = False
        try:
            if autocommit:
                conn.autocommit = True
            yield conn
            if not autocommit:
                _commit(conn)
                committed = True
        except psycopg2.Error as exc:
            raise _translated(exc, conn) from exc
        except ValueError as exc:  # psycopg2's word for NUL, and for what UTF-8 cannot hold
            raise Conflict("Text may not hold NUL or invalid characters.") from exc
        finally:
            _give_back(conn)
            if committed:
                interrupts.forget()


def _commit(conn: psycopg2.extensions.connection) -> None:
    global saved
    try:
        conn.commit()
    except psycopg2.Error as exc:
        if conn.closed:
            raise OutcomeUnknown from exc
        raise
    saved += 1


def _borrow() -> psycopg2.extensions.connection:
    if _pool is None:
        raise Unavailable("The database is not open.")
    if not _slots.acquire(timeout=_slot_wait):
        raise Busy("Every connection to the database is in use; try again in a moment.")
    try:
        conn = _lend()
    except (psycopg2.Error, UnicodeDecodeError) as exc:
        _slots.release()
        raise Unavailable("The database cannot be reached now; try again in a moment.") from exc
    except BaseException:
        _slots.release()
        raise
    interrupts.watch(conn)
    return conn


def _lend() -> psycopg2.extensions.connection:
    """Take a connection that works out of the pool; start the embedded server again if that has died."""
    try:
        conn = _pool.getconn()
    except psycopg2.OperationalError:
        if not _data_folder:
            raise
        _embedded_uri()
        conn = _pool.getconn()
    while not _is_alive(conn):
        _pool.putconn(conn, close=True)
        conn = _lend()
    return conn


def _is_alive(conn: psycopg2.extensions.connection) -> bool:
    """Tell whether an idle connection still has its server: one that has lost it has an end of file to read."""
    if conn.closed:
        return False
    readable, _, _ = select.select([conn], [], [], 0)
    if not readable:
        return True
    try:
        conn.reset()
    except psycopg2.Error:
        return False
    return True


def _give_back(conn: psycopg2.extensions.connection) -> None:
    """Return a connection to the pool as new: reset() rolls back and forgets what the borrower set."""
    interrupts.unwatch(conn)
    broken = bool(conn.closed)
    try:
        if not broken:
            conn.reset()
    except psycopg2.Error:
        broken = True
    finally:
        if _pool is not None:  # a report that was broken off gives its connection back after disconnect()
            _pool.putconn(conn, close=broken)
        _slots.release()


def _translated(exc: psycopg2.Error, conn: psycopg2.extensions.connection) -> Error:
    """Turn a driver's error into one for the administrator, by its SQLSTATE."""
    if conn.closed:
        return ConnectionLost("The connection to the database was lost; nothing was written. Try again.")
    code = exc.pgcode or ""
    if code == "23502":
        return Conflict(f"{(exc.diag.column_name or 'A value').replace('_', ' ').capitalize()} is required.")
    if code.startswith("23"):
        return Conflict(RULES.get(exc.diag.constraint_name or "", "A rule of the database forbids that."))
    if code in ("40001", "40P01"):
        return Deadlock("Others are working on the same records; nothing was written. Try again.")
    return {
        "22003": Conflict("The sum is too large to store."),
        "25006": Forbidden("This server takes no changes now: it is a standby, or read-only."),
        "42501": Forbidden("This login may look, not change."),
        "53100": Unavailable("The server's disk is full; nothing was written."),
        "55P03": Busy("Somebody else is changing the same record; nothing was written. Try again in a moment."),
        "57014": Busy("The database took longer than DB_STATEMENT_TIMEOUT allows and was stopped; nothing was written."),
    }.get(code, Error(f"The database refused (SQLSTATE {code or 'unknown'}); nothing was written."))


def retried(function: Function) -> Function:
    """Run a function again, a few times, when its transaction was a deadlock's victim or lost its connection.

    Safe because both mean that nothing was written; OutcomeUnknown is never retried.
    """
    @functools.wraps(function)
    def attempt(*args: Any, **kwargs: Any) -> Any:
        for pause in RETRY_PAUSES:
            try:
                return function(*args, **kwargs)
            except (Deadlock, ConnectionLost):
                time.sleep(pause * random.uniform(0.5, 1.5))
        return function(*args, **kwargs)

    return attempt  # type: ignore[return-value]


def search(statement: str, term: str) -> list[Row]:
    """Run a statement that finds records by term: as an index can, and only when that finds nothing, as it must."""
    for patterns in _patterns(term):
        with reading() as cur:
            cur.execute(statement, {**patterns, "term": term, "most": MOST_HITS + 1})
            if rows := cur.fetchall():
                return rows
    return []


def _patterns(term: str) -> list[Row]:
    """Return the LIKE patterns of a search: those that an index serves, and those that match anywhere.

    An index finds a name or address by any three characters of it or more, by the beginnings of its words if fewer,
    and a phone number by its last or first digits. What is the name of a service or device, or a bill's description: no
    index serves that, and it is looked at last. Leading zeros are left out: 020 7946 0958 finds +44 20 7946 0958.
    """
    text = re.sub(r"([\\%_])", r"\\\1", term)  # so that its own % _ and \ mean themselves
    digits = re.sub(r"[^0-9]", "", term)
    number = ""
    if re.fullmatch(r"[0-9 +().\-/]+", term, re.ASCII) and len(digits) >= 3:
        number = digits.lstrip("0") or digits
    anywhere = {
        "whole": f"%{text}%", "word": None, "phone": f"%{number}%" if number else None, "reversed_phone": None,
        "what": f"%{text}%",
    }
    indexed = {**anywhere, "what": None}
    if len(term) < 3:
        indexed.update(whole=f"{text}%", word=f"% {text}%")
    if number:
        indexed.update(phone=f"{number}%", reversed_phone=f"{number[::-1]}%")
    return [indexed, anywhere]


@retried
def describe_server() -> Row:
    """Say where the data are: version, database, host, login, whether search is indexed, and today's date."""
    with reading() as cur:
        cur.execute(
            """
            SELECT current_setting('server_version')                          AS version,
                   current_database()                                         AS database,
                   current_user                                               AS login,
                   host(inet_server_addr())                                   AS address,
                   current_setting('TimeZone')                                AS timezone,
                   CURRENT_DATE                                               AS today,
                   to_regclass('customers_name_search') IS NOT NULL           AS search_is_indexed
            """
        )
        return {**cur.fetchone(), "folder": _data_folder}


@retried
def size() -> str:
    """Return how large the database is, such as 8 MB."""
    with reading() as cur:
        cur.execute("SELECT pg_size_pretty(pg_database_size(current_database())) AS size")
        return cur.fetchone()["size"]


@retried
def today() -> date:
    """Return the date of the business: the server's, in TIMEZONE."""
    with reading() as cur:
        cur.execute("SELECT CURRENT_DATE AS today")
        return cur.fetchone()["today"]


_COUNTS = {
    "customers": "SELECT count(*) FROM customers",
    "locations": "SELECT count(*) FROM locations",
    "services": "SELECT count(*) FROM services",
    "equipment": "SELECT count(*) FROM equipment",
    "billing": "SELECT count(*) FROM billing",
}


@retried
def count(table: str) -> tuple[int, bool]:
    """Return how many rows a table has and whether that is exact; past COUNT_EXACTLY the planner's estimate does."""
    with reading() as cur:
        cur.execute("SELECT reltuples::bigint AS rows FROM pg_class WHERE oid = %(table)s::regclass", {"table": table})
        estimate = cur.fetchone()["rows"]
        if estimate > COUNT_EXACTLY:
            return estimate, False
        cur.execute(_COUNTS[table])
        return cur.fetchone()["count"], True


@retried
def add_customer(name: str, phone_number: str) -> int:
    """Add a customer and return the new ID; raise Conflict when a value breaks a rule."""
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO customers (name, phone_number)
            VALUES (%(name)s, %(phone_number)s)
            RETURNING customer_id
            """,
            {"name": name, "phone_number": phone_number},
        )
        return cur.fetchone()["customer_id"]


@retried
def get_customer(customer_id: int) -> Row:
    with reading() as cur:
        cur.execute(
            """
            SELECT customer_id, name, phone_number, created_at
            FROM customers
            WHERE customer_id = %(customer_id)s
            """,
            {"customer_id": customer_id},
        )
        return _one(cur, "customer", customer_id)


def _one(cur: psycopg2.extensions.cursor, kind: str, row_id: int) -> Row:
    if row := cur.fetchone():
        return row
    raise NotFound(kind, row_id)


@retried
def list_customers(after: int = 0, limit: int = 100) -> list[Row]:
    """Return the customers whose IDs follow after."""
    with reading() as cur:
        cur.execute(
            """
            SELECT customer_id, name, phone_number
            FROM customers
            WHERE customer_id > %(after)s
            ORDER BY customer_id
            LIMIT %(limit)s
            """,
            {"after": after, "limit": limit},
        )
        return cur.fetchall()


@retried
def find_customers(term: str) -> list[Row]:
    """Return up to MOST_HITS + 1 customers whose name, phone number or an address contains term, by name."""
    return search(
        """
        SELECT customer_id, name, phone_number,
               (SELECT min(address) FROM locations WHERE locations.customer_id = customers.customer_id) AS address
        FROM customers
        WHERE customer_id IN (
            SELECT customer_id FROM matching_customers(%(whole)s, %(word)s, %(phone)s, %(reversed_phone)s, %(most)s)
            UNION
            (SELECT customer_id FROM locations WHERE address ILIKE %(whole)s LIMIT %(most)s)
            UNION
            (SELECT customer_id FROM locations WHERE address ILIKE %(word)s LIMIT %(most)s)
        )
        ORDER BY lower(name), customer_id
        LIMIT %(most)s
        """,
        term,
    )


@retried
def customers_with_phone(phone_number: str) -> list[Row]:
    """Return customers whose phone number has the same digits; a number may be shared."""
    with reading() as cur:
        cur.execute(
            """
            SELECT customer_id, name, phone_number
            FROM customers
            WHERE digits(phone_number) = digits(%(phone_number)s)
            ORDER BY customer_id
            LIMIT %(most)s
            """,
            {"phone_number": phone_number, "most": MOST_HITS},
        )
        return cur.fetchall()


@retried
def update_customer(customer_id: int, name: str | None = None, phone_number: str | None = None) -> Row:
    """Change what is given and keep the rest; raise NotFound, or Conflict when a value breaks a rule."""
    with transaction() as cur:
        cur.execute(
            """
            UPDATE customers
            SET name = coalesce(%(name)s, name),
                phone_number = coalesce(%(phone_number)s, phone_number)
            WHERE customer_id = %(customer_id)s
            RETURNING customer_id, name, phone_number
            """,
            {"customer_id": customer_id, "name": name, "phone_number": phone_number},
        )
        return _one(cur, "customer", customer_id)


@retried
def customer_contents(customer_id: int) -> Row:
    """Count what would go with a customer: locations, services, equipment, bills, payments; sum billed and paid."""
    with reading() as cur:
        return _customer_contents(cur, customer_id)


def _customer_contents(cur: psycopg2.extensions.cursor, customer_id: int) -> Row:
    cur.execute(
        """
        SELECT (SELECT count(*) FROM locations WHERE customer_id = %(customer_id)s)                            AS locations,
               (SELECT count(*) FROM services JOIN locations USING (location_id)
                WHERE customer_id = %(customer_id)s)                                                           AS services,
               (SELECT count(*) FROM equipment JOIN locations USING (location_id)
                WHERE customer_id = %(customer_id)s)                                                           AS equipment,
               (SELECT count(*) FROM billing WHERE customer_id = %(customer_id)s)                              AS bills,
               (SELECT count(*) FROM payments WHERE customer_id = %(customer_id)s)                             AS payments,
               (SELECT coalesce(sum(amount_billed), 0) FROM billing WHERE customer_id = %(customer_id)s)       AS billed,
               (SELECT coalesce(sum(amount), 0) FROM payments
                WHERE customer_id = %(customer_id)s AND voided_at IS NULL)                                     AS paid
        """,
        {"customer_id": customer_id},
    )
    return cur.fetchone()


@retried
def delete_customer(customer_id: int, contents: Row | None = None) -> None:
    """Delete a customer and everything of theirs, money records too.

    contents is what the administrator was shown by customer_contents; raise Conflict when it has changed since, and
    NotFound when there is no such customer.
    """
    with transaction() as cur:
        cur.execute("SELECT 1 FROM customers WHERE customer_id = %(customer_id)s FOR UPDATE", {"customer_id": customer_id})
        _one(cur, "customer", customer_id)
        cur.execute("SELECT 1 FROM locations WHERE customer_id = %(customer_id)s FOR UPDATE", {"customer_id": customer_id})
        if contents is not None and contents != _customer_contents(cur, customer_id):
            raise Conflict("The customer's records changed while you were looking; nothing was deleted. Look again.")
        cur.execute("DELETE FROM payments WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})
        cur.execute("DELETE FROM billing WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})
        cur.execute("DELETE FROM customers WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})


@retried
def add_location(customer_id: int, address: str) -> int:
    """Add a location to a customer and return the new ID; raise Conflict when they have that address already."""
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO locations (customer_id, address)
            VALUES (%(customer_id)s, %(address)s)
            RETURNING location_id
            """,
            {"customer_id": customer_id, "address": address},
        )
        return cur.fetchone()["location_id"]


@retried
def get_location(location_id: int) -> Row:
    """Return a location with its customer's name; raise NotFound if there is none."""
    with reading() as cur:
        cur.execute(
            """
            SELECT location_id, customer_id, name, address
            FROM locations
            JOIN customers USING (customer_id)
            WHERE location_id = %(location_id)s
            """,
            {"location_id": location_id},
        )
        return _one(cur, "location", location_id)


@retried
def list_locations(after: int = 0, limit: int = 100) -> list[Row]:
    """Return the locations whose IDs follow after, with their customers' names."""
    with reading() as cur:
        cur.execute(
            """
            SELECT location_id, customer_id, name, address
            FROM locations
            JOIN customers USING (customer_id)
            WHERE location_id > %(after)s
            ORDER BY location_id
            LIMIT %(limit)s
            """,
            {"after": after, "limit": limit},
        )
        return cur.fetchall()


@retried
def find_locations(term: str) -> list[Row]:
    """Return up to MOST_HITS + 1 locations whose address, or customer's name or phone number, contains term."""
    return search(
        """
        SELECT location_id, customer_id, name, address
        FROM matching_locations(%(whole)s, %(word)s, %(phone)s, %(reversed_phone)s, %(most)s)
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        ORDER BY lower(name), location_id
        LIMIT %(most)s
        """,
        term,
    )


@retried
def update_location(location_id: int, address: str | None = None) -> Row:
    """Change a location's address; raise NotFound, or Conflict when the customer has that address already."""
    with transaction() as cur:
        cur.execute(
            """
            UPDATE locations
            SET address = coalesce(%(address)s, address)
            WHERE location_id = %(location_id)s
            RETURNING location_id, customer_id, address
            """,
            {"location_id": location_id, "address": address},
        )
        return _one(cur, "location", location_id)


@retried
def location_contents(location_id: int) -> Row:
    """Count what would go with a location: services, equipment."""
    with reading() as cur:
        return _location_contents(cur, location_id)


def _location_contents(cur: psycopg2.extensions.cursor, location_id: int) -> Row:
    cur.execute(
        """
        SELECT (SELECT count(*) FROM services WHERE location_id = %(location_id)s)  AS services,
               (SELECT count(*) FROM equipment WHERE location_id = %(location_id)s) AS equipment
        """,
        {"location_id": location_id},
    )
    return cur.fetchone()


@retried
def delete_location(location_id: int, contents: Row | None = None) -> None:
    """Delete a location with its services and equipment; contents and errors as in delete_customer."""
    with transaction() as cur:
        cur.execute("SELECT 1 FROM locations WHERE location_id = %(location_id)s FOR UPDATE", {"location_id": location_id})
        _one(cur, "location", location_id)
        if contents is not None and contents != _location_contents(cur, location_id):
            raise Conflict("The location's records changed while you were looking; nothing was deleted. Look again.")
        cur.execute("DELETE FROM locations WHERE location_id = %(location_id)s", {"location_id": location_id})


@retried
def add_service(location_id: int, service_name: str, cost: Decimal) -> int:
    """Subscribe a location to a service at a monthly cost and return the new ID."""
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO services (location_id, service_name, cost)
            VALUES (%(location_id)s, %(service_name)s, %(cost)s)
            RETURNING service_id
            """,
            {"location_id": location_id, "service_name": service_name, "cost": cost},
        )
        return cur.fetchone()["service_id"]


@retried
def get_service(service_id: int) -> Row:
    """Return a service with its location's address and customer's name; raise NotFound if there is none."""
    with reading() as cur:
        cur.execute(
            """
            SELECT service_id, location_id, customer_id, name, address, service_name, cost
            FROM services
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            WHERE service_id = %(service_id)s
            """,
            {"service_id": service_id},
        )
        return _one(cur, "service", service_id)


@retried
def list_services(after: int = 0, limit: int = 100) -> list[Row]:
    """Return the services whose IDs follow after, with their customers and addresses."""
    with reading() as cur:
        cur.execute(
            """
            SELECT service_id, name, address, service_name, cost
            FROM services
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            WHERE service_id > %(after)s
            ORDER BY service_id
            LIMIT %(limit)s
            """,
            {"after": after, "limit": limit},
        )
        return cur.fetchall()


@retried
def find_services(term: str) -> list[Row]:
    """Return up to MOST_HITS + 1 services at locations whose address or customer contains term, else of that name."""
    return search(
        """
        SELECT service_id, name, address, service_name, cost
        FROM services
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        WHERE service_id IN (
            SELECT service_id
            FROM matching_locations(%(whole)s, %(word)s, %(phone)s, %(reversed_phone)s, %(most)s)
            JOIN services USING (location_id)
            UNION
            (SELECT service_id FROM services WHERE service_name ILIKE %(what)s LIMIT %(most)s)
        )
        ORDER BY lower(name), service_id
        LIMIT %(most)s
        """,
        term,
    )


@retried
def update_service(service_id: int, service_name: str | None = None, cost: Decimal | None = None) -> Row:
    """Change what is given and keep the rest; raise NotFound, or Conflict when a value breaks a rule."""
    with transaction() as cur:
        cur.execute(
            """
            UPDATE services
            SET service_name = coalesce(%(service_name)s, service_name),
                cost = coalesce(%(cost)s, cost)
            WHERE service_id = %(service_id)s
            RETURNING service_id, location_id, service_name, cost
            """,
            {"service_id": service_id, "service_name": service_name, "cost": cost},
        )
        return _one(cur, "service", service_id)


@retried
def delete_service(service_id: int) -> None:
    """End a service; what was billed for it stays on its bills."""
    with transaction() as cur:
        cur.execute(
            "DELETE FROM services WHERE service_id = %(service_id)s RETURNING service_id", {"service_id": service_id}
        )
        _one(cur, "service", service_id)


@retried
def add_equipment(location_id: int, equipment_name: str, serial_number: str | None, cost: Decimal) -> int:
    """Place equipment at a location and return the new ID; raise Conflict when its serial number is taken."""
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO equipment (location_id, equipment_name, serial_number, cost)
            VALUES (%(location_id)s, %(equipment_name)s, %(serial_number)s, %(cost)s)
            RETURNING equipment_id
            """,
            {"location_id": location_id, "equipment_name": equipment_name, "serial_number": serial_number, "cost": cost},
        )
        return cur.fetchone()["equipment_id"]


@retried
def get_equipment(equipment_id: int) -> Row:
    """Return equipment with its location's address and customer's name; raise NotFound if there is none."""
    with reading() as cur:
        cur.execute(
            """
            SELECT equipment_id, location_id, customer_id, name, address, equipment_name, serial_number, cost
            FROM equipment
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            WHERE equipment_id = %(equipment_id)s
            """,
            {"equipment_id": equipment_id},
        )
        return _one(cur, "equipment", equipment_id)


@retried
def list_equipment(after: int = 0, limit: int = 100) -> list[Row]:
    """Return the equipment whose IDs follow after, with its customers and addresses."""
    with reading() as cur:
        cur.execute(
            """
            SELECT equipment_id, name, address, equipment_name, serial_number, cost
            FROM equipment
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            WHERE equipment_id > %(after)s
            ORDER BY equipment_id
            LIMIT %(limit)s
            """,
            {"after": after, "limit": limit},
        )
        return cur.fetchall()


@retried
def find_equipment(term: str) -> list[Row]:
    """Return up to MOST_HITS + 1 pieces with that serial number, or at locations whose address or customer matches."""
    return search(
        """
        SELECT equipment_id, name, address, equipment_name, serial_number, cost
        FROM equipment
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        WHERE equipment_id IN (
            SELECT equipment_id FROM equipment WHERE serial_number = %(term)s
            UNION
            (SELECT equipment_id FROM equipment WHERE equipment_name ILIKE %(what)s LIMIT %(most)s)
            UNION
            SELECT equipment_id
            FROM matching_locations(%(whole)s, %(word)s, %(phone)s, %(reversed_phone)s, %(most)s)
            JOIN equipment USING (location_id)
        )
        ORDER BY lower(name), equipment_id
        LIMIT %(most)s
        """,
        term,
    )


@retried
def update_equipment(
    equipment_id: int,
    equipment_name: str | None = None,
    serial_number: str | None = None,
    cost: Decimal | None = None,
) -> Row:
    """Change what is given and keep the rest; an empty serial number takes it away."""
    with transaction() as cur:
        cur.execute(
            """
            UPDATE equipment
            SET equipment_name = coalesce(%(equipment_name)s, equipment_name),
                serial_number = nullif(coalesce(%(serial_number)s, serial_number), ''),
                cost = coalesce(%(cost)s, cost)
            WHERE equipment_id = %(equipment_id)s
            RETURNING equipment_id, location_id, equipment_name, serial_number, cost
            """,
            {
                "equipment_id": equipment_id,
                "equipment_name": equipment_name,
                "serial_number": serial_number,
                "cost": cost,
            },
        )
        return _one(cur, "equipment", equipment_id)


@retried
def delete_equipment(equipment_id: int) -> None:
    """Delete a piece of equipment; raise NotFound if there is none."""
    with transaction() as cur:
        cur.execute(
            "DELETE FROM equipment WHERE equipment_id = %(equipment_id)s RETURNING equipment_id",
            {"equipment_id": equipment_id},
        )
        _one(cur, "equipment", equipment_id)


@retried
def add_bill(customer_id: int, description: str, amount: Decimal, due_date: date) -> int:
    """Bill a customer by hand and return the new ID; their credit pays it at once, as far as it goes."""
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO billing (customer_id, description, amount_billed, due_date)
            VALUES (%(customer_id)s, %(description)s, %(amount)s, %(due_date)s)
            RETURNING billing_id
            """,
            {"customer_id": customer_id, "description": description, "amount": amount, "due_date": due_date},
        )
        billing_id = cur.fetchone()["billing_id"]
        _insert_item(cur, billing_id, description, amount)
        apply_credit(cur, customer_id)
        return billing_id


def _insert_item(cur: psycopg2.extensions.cursor, billing_id: int, description: str, amount: Decimal) -> None:
    cur.execute(
        """
        INSERT INTO billing_items (billing_id, description, amount)
        VALUES (%(billing_id)s, %(description)s, %(amount)s)
        """,
        {"billing_id": billing_id, "description": description, "amount": amount},
    )


def apply_credit(cur: psycopg2.extensions.cursor, customer_id: int) -> None:
    """Spend a customer's credit on their unpaid bills, the one due first first."""
    cur.execute("SELECT apply_credit(ARRAY[%(customer_id)s]::bigint[])", {"customer_id": customer_id})


@retried
def get_bill(billing_id: int) -> Row:
    """Return a bill with its customer's name and, under items, its lines; raise NotFound if there is none."""
    with reading() as cur:
        return _bill(cur, billing_id)


def _bill(cur: psycopg2.extensions.cursor, billing_id: int) -> Row:
    cur.execute(
        """
        SELECT billing_id, customer_id, name, description, period, issued_on, due_date, amount_billed, amount_paid,
               amount_due, last_payment_date, is_late, days_late,
               (SELECT json_agg(json_build_object('description', item.description, 'amount', item.amount::text)
                                ORDER BY billing_item_id)
                FROM billing_items AS item
                WHERE item.billing_id = billing_status.billing_id) AS items
        FROM billing_status
        JOIN customers USING (customer_id)
        WHERE billing_id = %(billing_id)s
        """,
        {"billing_id": billing_id},
    )
    return _one(cur, "bill", billing_id)


@retried
def list_bills(before: int = 0, limit: int = 100) -> list[Row]:
    """Return bills with their customers' names, the newest first; before is the ID of the last one shown."""
    with reading() as cur:
        cur.execute(
            """
            SELECT billing_id, name, description, due_date, amount_billed, amount_due, last_payment_date,
                   is_late, days_late
            FROM billing_status
            JOIN customers USING (customer_id)
            WHERE %(before)s = 0 OR billing_id < %(before)s
            ORDER BY billing_id DESC
            LIMIT %(limit)s
            """,
            {"before": before, "limit": limit},
        )
        return cur.fetchall()


@retried
def find_bills(term: str) -> list[Row]:
    """Return up to MOST_HITS + 1 bills of customers whose name or phone number contains term, else so described: unpaid
    first, newest first.
    """
    return search(
        """
        SELECT billing_id, name, description, due_date, amount_billed, amount_due, last_payment_date,
               is_late, days_late
        FROM billing_status
        JOIN customers USING (customer_id)
        WHERE billing_id IN (
            SELECT billing_id
            FROM matching_customers(%(whole)s, %(word)s, %(phone)s, %(reversed_phone)s, %(most)s)
            JOIN billing USING (customer_id)
            UNION
            (SELECT billing_id FROM billing WHERE description ILIKE %(what)s LIMIT %(most)s)
        )
        ORDER BY amount_due > 0 DESC, due_date DESC, billing_id DESC
        LIMIT %(most)s
        """,
        term,
    )


@retried
def update_bill(
    billing_id: int,
    description: str | None = None,
    amount: Decimal | None = None,
    due_date: date | None = None,
) -> Row:
    """Change what is given and keep the rest; a changed amount is a line of its own, so that the lines still add up.

    Raise NotFound, or Conflict when more was paid on the bill than the new amount.
    """
    with transaction() as cur:
        before = _lock_bill(cur, billing_id)
        cur.execute(
            """
            UPDATE billing
            SET description = coalesce(%(description)s, description),
                amount_billed = coalesce(%(amount)s, amount_billed),
                due_date = coalesce(%(due_date)s, due_date)
            WHERE billing_id = %(billing_id)s
            RETURNING amount_billed
            """,
            {"billing_id": billing_id, "description": description, "amount": amount, "due_date": due_date},
        )
        change = cur.fetchone()["amount_billed"] - before["amount_billed"]
        if change:
            _insert_item(cur, billing_id, "Adjustment", change)
            apply_credit(cur, before["customer_id"])
        return _bill(cur, billing_id)


def _lock_bill(cur: psycopg2.extensions.cursor, billing_id: int) -> Row:
    """Lock a bill's account, then the bill: the order of every writer of money.

    FOR UPDATE, because a bill run holds the key of each customer that it bills: it must not miss a payment. The bill,
    too, because psql changes and pays bills without their accounts.
    """
    cur.execute(
        """
        SELECT 1
        FROM customers
        WHERE customer_id = (SELECT customer_id FROM billing WHERE billing_id = %(billing_id)s)
        FOR UPDATE
        """,
        {"billing_id": billing_id},
    )
    cur.execute(
        """
        SELECT billing_id, customer_id, amount_billed, amount_paid
        FROM billing
        WHERE billing_id = %(billing_id)s
        FOR UPDATE
        """,
        {"billing_id": billing_id},
    )
    return _one(cur, "bill", billing_id)


@retried
def delete_bill(billing_id: int) -> Decimal:
    """Delete a bill and return what had been paid on it, which is the customer's credit again."""
    with transaction() as cur:
        bill = _lock_bill(cur, billing_id)
        cur.execute("DELETE FROM billing WHERE billing_id = %(billing_id)s", {"billing_id": billing_id})
        apply_credit(cur, bill["customer_id"])
        return bill["amount_paid"]
