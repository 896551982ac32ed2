"""Every read and write of customers, locations, services, equipment and bills, and the pool they run on.

One public function is one transaction, but for a search, which may need several, and an upgrade, which has one for each
migration. Functions return plain dicts and raise Error, whose text is one sentence for the administrator. Nothing here
prints or asks.
"""
from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import pwd
import random
import re
import select
import threading
import time
import unicodedata
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, TypeVar, cast

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
import psycopg2.sql

from tracker import fields, files, interrupts, log, migrate, settings, standby, text
from tracker.cursor import LOCK_PATIENCE, Cursor, Record, Row, be_patient, only
from tracker.errors import (
    FIELDS,
    RULES,
    Busy,
    Changed,
    Conflict,
    ConnectionLost,
    Deadlock,
    Error,
    Forbidden,
    NoAnswer,
    NotFound,
    NotToBeSeen,
    OutcomeUnknown,
    Refused,
    SignInRefused,
    Unavailable,
    is_refusal,
    names_refusal,
    why_unreachable,
)

if TYPE_CHECKING:
    from uuid import UUID

    from tracker import archive

# Amounts inside JSON stay exact.
for register in (psycopg2.extras.register_default_json, psycopg2.extras.register_default_jsonb):
    register(globally=True, loads=functools.partial(json.loads, parse_float=Decimal))
SCHEMA_LOCK = migrate.SCHEMA_LOCK
MOST_HITS = 20
VIEWER = "isp_readonly"  # whose rights whoever may only look at the embedded database has
MOST_COUNTED = 100_000
SUGGESTED = 100
RARE = 20_000
EXPANSIONS = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "ae", "Ö": "oe", "Ü": "ue", "Å": "aa", "Ø": "oe",
})
COUNT_EXACTLY = 200_000
RETRY_PAUSES = (0.05, 0.2, 0.8)
NOT_HERE = "Nothing is changed here: READ_ONLY or --read-only opened it so."
LONGEST_LOGIN = 63  # bytes; PostgreSQL cuts off what is longer
CATCH_UP = 0.3  # seconds that a standby has to come to where it must be, before the primary is read instead
PRIMARY_KNOWN = 1.0  # seconds for which it is taken to be known how far the primary is, and that it lets a login in
PROBE_LIMIT = 2  # seconds in which a standby that is not frozen says how far it is, or takes a connection
LAGS_FOR, AWAY_FOR = 2.0, 30.0  # seconds for which a standby that was behind, or away, is left alone
STATEMENT_MARGIN = 5  # seconds after which a server that should have stopped a statement itself is taken to be frozen
Schema = Literal["present", "older", "any"]  # what connect() takes
Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])


class Server(TypedDict):
    """Where the data are; folder is the embedded server's."""

    version: str
    database: str
    login: str
    address: str | None
    timezone: str
    today: date
    search_is_indexed: bool
    folder: Path | None


class Rights(TypedDict):
    """What this session may do with the tables; why_not says why it may change nothing, and is empty where it may."""

    owner: str
    is_owner: bool
    why_not: str


class Customer(TypedDict):
    """closed_on is the last day of a closed account; merged_into is who this turned out to be."""

    customer_id: int
    name: str
    phone_number: str | None
    email: str | None
    account_number: str | None
    closed_on: date | None
    merged_into: int | None


class CustomerHit(Customer):
    address: str | None


class CustomerContents(TypedDict):
    """How many of each a customer has."""

    locations: int
    services: int
    equipment: int
    notes: int
    bills: int
    payments: int


class LocationRow(TypedDict):
    location_id: int
    customer_id: int
    address: str


class Location(LocationRow):
    name: str


class LocationContents(TypedDict):
    services: int
    equipment: int


class ServiceRow(TypedDict):
    """A service at its price of today."""

    service_id: int
    location_id: int
    service_name: str
    cost: Decimal


class ServiceHit(ServiceRow):
    """standing says that it does not run today, and why, or that it will rest or end; None where it goes on."""

    customer_id: int
    name: str
    address: str
    standing: str | None


class Pause(TypedDict):
    """last_day is None until further notice."""

    service_pause_id: int
    first_day: date
    last_day: date | None


class ComingPrice(TypedDict):
    """A price that a service will have; from_day is ISO text."""

    from_day: str
    cost: Decimal


class Service(ServiceHit):
    started_on: date | None
    ended_on: date | None
    coming_prices: list[ComingPrice]


class EquipmentRow(TypedDict):
    """location_id is None for a device in stock, or written off."""

    equipment_id: int
    location_id: int | None
    equipment_name: str
    serial_number: str | None
    cost: Decimal


class Equipment(EquipmentRow):
    """Where a device is, and whose that is, if anybody's; place is the address, or says in stock, or written off."""

    customer_id: int | None
    name: str | None
    address: str | None
    place: str
    retired_on: date | None


class BillHit(TypedDict):
    billing_id: int
    customer_id: int
    name: str
    description: str
    due_date: date
    amount_billed: Decimal
    amount_due: Decimal
    last_payment_date: date | None
    is_late: bool
    days_late: int
    cancelled_on: date | None


class Hits(NamedTuple):
    """A page of what a search found, and how many there are in all; above MOST_COUNTED that means more than it."""

    rows: list[Any]
    total: int


class NewBill(NamedTuple):
    billing_id: int
    from_credit: Decimal


class BillItem(TypedDict):
    description: str
    amount: Decimal


class Bill(BillHit):
    period: date | None
    issued_on: date
    amount_paid: Decimal
    items: list[BillItem] | None


class _LockedBill(TypedDict):
    billing_id: int
    customer_id: int
    amount_billed: Decimal
    amount_paid: Decimal
    cancelled_on: date | None


class Login:
    """The connections of one login, opened as they are needed, no more than size, and lent one at a time."""

    is_persons = True  # who is to be told nothing of why they are refused

    def __init__(self, parameters: Row, size: int, read_only: bool = False, role: str = "") -> None:
        self.size, self.read_only, self._role = size, read_only, role
        self.retired = False
        self._books: int | None = None  # the database, by its number
        self.parameters = dict(parameters)
        settle = f"{_settings()}; SET ROLE {role}" if role else _settings()
        self.parameters["connection_factory"] = functools.partial(_opened, settle=settle, login=self)
        self.memory = standby.Memory()
        self.reports: Reports | None = None
        self.patience = settings.whole_number("DB_POOL_WAIT", 30)
        self.slots = threading.BoundedSemaphore(size)
        self.pool: psycopg2.pool.ThreadedConnectionPool | None = None
        self._lent, self._lock, self._used_at = 0, threading.Lock(), time.monotonic()

    def is_as(self, other: Login) -> bool:
        """Tell whether connections of another login would be of the same person, with the same password."""
        return not self.retired and all(self.parameters.get(key) == other.parameters.get(key)
                                        for key in ("user", "password"))

    def greet(self, conn: _Session) -> None:
        """Look which server a connection leads to, and whether one that has taken over has what was saved here.

        Raise Unavailable where another has taken over from that one.
        """
        if _data_folder or not (now := _primary_of(conn)):
            return
        conn.place = now.place
        if self.memory.is_past(now.place):
            raise Unavailable("The server that answers is one that another has taken over from: end it, and make a "
                              "standby of it.")
        if sentence := self.memory.move_to(now):
            log.note(f"Another server is in use than before, of timeline {now.place.timeline}")
            self._tell(sentence)
        try:
            for sentence in self.memory.lost_on(now.place, functools.partial(_stored, conn)):
                self._tell(sentence)
        except psycopg2.Error as exc:  # what could not be looked for now is looked for by the next connection
            log.server_error(exc)

    def renewed(self) -> Login:
        """Return connections of the same login that are good for the books as they are now."""
        return Login(self.parameters, self.size, self.read_only, self._role) if self.retired else self

    def stay_with(self, books: int) -> None:
        """Raise an Error where connections lead to another database of the same name than before, which was restored:
        what people have on their screens is of the one before.
        """
        if self._books not in (None, books):
            self.retired = True
            if self is _own:
                raise Unavailable("A backup was restored in place of these books: leave the program, and start anew.")
            raise SignInRefused
        self._books = books

    def _tell(self, sentence: str) -> None:
        if self is _own:
            _say(sentence)
        else:
            self.memory.news.append(sentence)

    def open(self) -> psycopg2.pool.ThreadedConnectionPool:
        """Return the pool; one that was closed while nobody needed it is opened again."""
        with self._lock:
            if self.pool is None:
                self.pool = self._new_pool()
                self.pool.minconn = self.size  # so that putconn keeps what was opened later, too
            return self.pool

    def _new_pool(self) -> psycopg2.pool.ThreadedConnectionPool:
        return psycopg2.pool.ThreadedConnectionPool(1, self.size, **self.parameters)

    def lend(self) -> _Session:
        with self._lock:
            if self.retired:
                raise SignInRefused
            self._lent += 1
        try:
            return _lend(self)
        except BaseException:
            self._returned()
            raise

    def take_back(self, conn: _Session, close: bool) -> None:
        if self.pool is not None:
            self.pool.putconn(conn, close=close)
        self._returned()

    def _returned(self) -> None:
        with self._lock:
            self._lent -= 1
            self._used_at = time.monotonic()
            if self.retired and not self._lent:
                self._close()

    def close_idle(self, seconds: float) -> None:
        """Close the connections when none has been needed for so long."""
        if self.reports:
            self.reports.close_idle(seconds)
        with self._lock:
            if not self._lent and time.monotonic() > self._used_at + seconds:
                self._close()

    def close_when_idle(self) -> None:
        """Close the connections as soon as none is lent; none is lent any more."""
        if self.reports:
            self.reports.close_when_idle()
        with self._lock:
            self.retired = True
            if not self._lent:
                self._close()

    def close(self) -> None:
        if self.reports:
            self.reports.close()
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self.pool is not None:
            self.pool.closeall()
            self.pool = None


class Reports(Login):
    """The connections of one login to the standby that is read from in the place of the primary, while that is fit.

    why_not says why it was not when it was looked at last, and behind how many seconds it was behind at most.
    """

    def __init__(self, parameters: Row, size: int) -> None:
        super().__init__(parameters, size, read_only=True)
        self.patience = 1  # then the primary is there
        self.most_behind = settings.whole_number("REPORTS_MAX_LAG", 10)
        self.why_not, self.behind = "", 0.0
        self._left_alone_until = 0.0
        self._primary: standby.Primary | None = None
        self._must_have: standby.Primary | None = None
        self._comparing = threading.Lock()

    def where(self) -> str:
        return f"{self.parameters.get('host', 'this machine')}, port {self.parameters.get('port', '5432')}"

    def stay_with(self, books: int) -> None:
        """Read whichever database the primary has under that name."""

    def greet(self, conn: _Session) -> None:
        """Let days be the primary's days; raise Unavailable where there are no tables of this version yet."""
        with conn.cursor(cursor_factory=Cursor) as cur:
            version = migrate.database_version(cur)
        if version is None or migrate.pending(version):
            raise _older(version or 0)
        if self._primary:
            conn.settings += f"; SET TimeZone = {psycopg2.sql.Literal(self._primary.timezone).as_string(conn)}"
            conn.settle()

    def _new_pool(self) -> psycopg2.pool.ThreadedConnectionPool:
        """Open the first connection; of several threads that want to, only one waits for a server that is away."""
        if self._is_left_alone():
            raise psycopg2.OperationalError("It was away just now.")
        try:
            return super()._new_pool()
        except psycopg2.Error:
            self._left_alone_until = time.monotonic() + AWAY_FOR
            raise

    def _is_left_alone(self) -> bool:
        return time.monotonic() < self._left_alone_until

    def borrow(self, of: Login) -> _Session | None:
        """Lend a connection to the standby where it shows what the primary has, and all that was saved here; else none.

        of is the same login at the primary, which must let it in.
        """
        if self._is_left_alone() or not (primary := self._look_at_primary(of)):
            return None
        try:
            conn = _borrow(self)
        except Busy:
            return None
        except Error as exc:
            self.leave_alone(_why_not_lent(exc), AWAY_FOR)
            return None
        if self._is_fit(conn, primary):
            return conn
        _give_back(self, conn, readonly=True)
        return None

    def leave_alone(self, why: str, seconds: float) -> None:
        if why != self.why_not:
            log.note(f"Reports are read from the primary: the standby at {self.where()} {why}")
        self.why_not, self._left_alone_until = why, time.monotonic() + seconds

    def _look_at_primary(self, of: Login) -> standby.Primary | None:
        """Return how far the primary is, or was just now; None where it is none, or does not say."""
        known = self._primary
        if known and known.asked_at > max(of.memory.written_at, time.monotonic() - PRIMARY_KNOWN):
            return known
        with reporting(False), _connection(readonly=True) as conn:
            now = _primary_of(conn)
        with self._comparing:  # other threads may have saved meanwhile, and asked, before and after this one did
            since = self._must_have.asked_at if self._must_have else 0.0
            is_other = bool(now and known and known.place != now.place)
            if now and now.asked_at > since and (is_other or of.memory.written_at > since):
                self._must_have = now
            self._primary = now
        return now

    def _is_fit(self, conn: _Session, primary: standby.Primary) -> bool:
        # Where it was behind already, it is not waited for.
        until = time.monotonic() + (0 if self.why_not else CATCH_UP)
        try:
            while why := self._look(conn, primary):
                if conn.closed or time.monotonic() > until:
                    self.leave_alone(why, LAGS_FOR)
                    return False
                time.sleep(CATCH_UP / 10)
        except psycopg2.Error as exc:
            conn.close()
            log.server_error(exc)
            self.leave_alone("does not answer", AWAY_FOR)
            return False
        self.why_not = ""
        return True

    def _look(self, conn: _Session, primary: standby.Primary) -> str:
        """Say why the standby is not fit, outside a transaction, so that one begins with what it shows by then."""
        conn.limit, limit = PROBE_LIMIT, conn.limit
        conn.autocommit = True
        with conn.waiting(), conn.cursor(cursor_factory=psycopg2.extensions.cursor) as cur:
            cur.execute(standby.STATE)
            state = only(standby.as_row(cur))
        conn.autocommit, conn.limit = False, limit
        self.behind = standby.seconds_behind(state, primary) or 0.0
        why = standby.why_not(state, primary, self._must_have, self.most_behind)
        if why == standby.NO_STANDBY:
            conn.close()  # of the servers that REPORTS_URI names, another may be one by now
        return why


def _why_not_lent(error: Error) -> str:
    if isinstance(error, SignInRefused):
        return "does not let this login in"
    if isinstance(error, NotToBeSeen):
        return "has no tables that this login may look at"
    return "has no tables of this version" if isinstance(error, Older) else "cannot be reached"


_own: Login | None = None  # the program's own; the page has others, one for each person
_person: ContextVar[Login | None] = ContextVar("person", default=None)
_reporting: ContextVar[bool] = ContextVar("reporting", default=False)
_memories: dict[str, standby.Memory] = {}  # of people who have signed in to the page, by login
_template: Row = {}  # parameters of a connection, with the program's own login
_reports_template: Row = {}  # the same, of a connection to the standby that reports are read from, if there is one
_read_only = False  # opened so, whatever a login may
_data_folder: Path | None = None  # of the embedded server, while that is the one in use
unknown = 0  # transactions whose COMMIT got no reply
saved = 0  # writing transactions committed so far, so that an action that was stopped can say whether it saved anything


def _nobody(sentence: str) -> None:
    """Hear what takes time, and tell nobody."""


_say: Callable[[str], object] = _nobody  # whom to tell what takes time


def connect(
    uri: str | None = None,
    *,
    schema: Schema = "present",
    read_only: bool = False,
    say: Callable[[str], object] = _nobody,
) -> None:
    """Open the pool, on uri, DATABASE_URI or the embedded database, and create the schema on first run.

    An embedded database of an older version is upgraded; with schema "older", older ones are left alone, with "any"
    whatever is there, and nothing is created. That, and what else takes time from here on, say is told. With read_only,
    or READ_ONLY, every transaction has writes off.
    Raise Unavailable when the server cannot be reached or its database cannot be used.
    """
    global _own, _template, _reports_template, _read_only, _data_folder, _say
    _data_folder, _say = None, say
    _memories.clear()
    settings.country_code()  # a wrong one is said now, not at the first search
    size = settings.whole_number("DB_POOL_SIZE", 4)
    _template = _parsed(uri or settings.get("DATABASE_URI") or _embedded_uri())
    _read_only = settings.is_set("READ_ONLY") or read_only
    _own = Login(_template, size, _read_only)
    try:
        conn = _first_connection(_own)
    except (psycopg2.Error, UnicodeDecodeError) as exc:  # a server's own words may be in Latin-1
        _log_unreachable(exc)
        raise Unavailable(_why_unreachable(str(exc), _template)) from exc
    _template = {**_template, "dbname": conn.info.dbname}  # not each person's own, named like their login
    _reports_template = _parsed_reports()
    _own.reports = _reports(_own)
    log.note(_connected_to(conn))
    if schema != "any":
        _prepare_schema(schema == "older", say)


def _first_connection(login: Login) -> _Session:
    """Open a login's connections, and return the first of them to look at."""
    conn = cast(_Session, login.open().getconn())
    login.open().putconn(conn)
    return conn


def sign_in(name: str, password: str, size: int) -> Login:
    """Open connections of a person's own login to the database that connect() opened, no more than size.

    Raise SignInRefused when the server does not take that login and password; Forbidden when it did not ask for a
    password, since then whoever can reach it may be anybody; Unavailable when it cannot be reached, or its tables are
    of another version, or not to be looked at by that login.
    """
    # Empty ones libpq would replace with the program's own.
    if not name or not password or "\0" in name + password or len(name.encode()) > LONGEST_LOGIN:
        raise SignInRefused
    login = Login({**_template, "user": name, "password": password}, size, _read_only)
    login.memory = _memories.get(name, login.memory)
    login.reports = _reports(login)
    try:
        _check_password(login)
        with acting_as(login):
            _check_schema()
    except BaseException:
        login.close()
        raise
    login.memory = _memories.setdefault(name, login.memory)  # not before, or whoever guesses names fills it
    return login


def _check_password(login: Login) -> None:
    try:
        conn = _first_connection(login)
        if conn.info.used_password:
            return
    except (psycopg2.Error, UnicodeDecodeError) as exc:
        _log_unreachable(exc)
        if is_refusal(str(exc)):
            raise SignInRefused from exc
        raise Unavailable("The database cannot be reached now; try again in a moment.") from exc
    where = "as the auth_type of its pooler" if conn.pooled else "in its pg_hba.conf"
    raise Forbidden("The database lets people in without a password from here, so that the page cannot tell who is "
                    f"who: set scram-sha-256 {where}.")


def login_to(database: str) -> Login:
    """Open connections of the program's own login to another database of the same server."""
    login = Login({**_template, "dbname": database}, 2, _read_only)
    login.is_persons = False
    return login


def close_idle() -> None:
    """Close the program's own connections that nobody uses now; they are opened again when they are needed."""
    if _own is not None:
        _own.close_idle(0)


def target(cur: Cursor) -> archive.Target:
    """Return the server and database that a cursor works on, for PostgreSQL's own programs."""
    from tracker import archive

    return archive.target_of(cur.connection, _login().parameters)


def _reports(login: Login) -> Reports | None:
    """Return the connections of a login to the standby that reports are read from, if there is one; none is open."""
    if not _reports_template:
        return None
    who: Row = {key: login.parameters[key] for key in ("user", "password") if key in login.parameters}
    as_named = {**who, **_reports_template} if login is _own else {**_reports_template, **who}
    return Reports({"dbname": _template["dbname"], **as_named}, login.size)


def viewer_of_embedded(size: int) -> Login:
    """Open connections to the embedded database that may look and change nothing."""
    return Login(_template, size, role=VIEWER)


def administrator_of_embedded(size: int) -> Login:
    """Open connections to the embedded database with the rights of the program itself."""
    return Login(_template, size, _read_only)


@contextmanager
def acting_as(login: Login | None) -> Iterator[None]:
    """Let all that is read and written in the block run on a person's connections."""
    token = _person.set(login)
    try:
        yield
    finally:
        _person.reset(token)


@contextmanager
def reporting(on: bool = True) -> Iterator[None]:
    """Let what is only read in the block be read from the standby that REPORTS_URI names, where there is one that shows
    what the primary has; with on False, from the primary in any case.
    """
    token = _reporting.set(on)
    try:
        yield
    finally:
        _reporting.reset(token)


def reports_source() -> str | None:
    """Say where reports are read from, and how far behind that is; None where REPORTS_URI is not set."""
    login = _login()
    if not (reports := login.reports):
        return None
    with interrupts.deferred():
        if conn := reports.borrow(login):
            _give_back(reports, conn, readonly=True)
            behind = f"{reports.behind:.0f} seconds" if reports.behind >= 1 else "less than a second"
            return f"from the standby at {reports.where()}, {behind} behind"
    return f"from the primary: the standby at {reports.where()} {reports.why_not or 'cannot be compared with it'}"


def remember(cur: Cursor, entry_key: UUID, what: str) -> None:
    """Remember what was saved in a transaction that is over, to look for it where another server takes over.

    what begins the sentence that says that it is missing.
    """
    if place := cast(_Session, cur.connection).place:
        _login().memory.keep(entry_key, standby.Receipt(what, place))


def news() -> tuple[list[str], int]:
    """Return what this person is to be told of servers that took over, and the number of the last of it."""
    memory = _login().memory
    last = memory.last_news()
    return list(memory.news), last


def forget_news(last: int) -> None:
    """Forget what this person was told, up to a number."""
    _login().memory.forget_news(last)


def _login() -> Login:
    """Return whose connections are to be lent: the person's, else the program's own."""
    login = _person.get() or _own
    if login is None:
        raise Unavailable("The database is not open.")
    return login


def _connected_to(conn: _Session) -> str:
    server = conn.info
    return (f"Connected to PostgreSQL {server.parameter_status('server_version')}, database {server.dbname}, "
            f"as {server.user}, at {server.host}, port {server.port}{', through a pooler' if conn.pooled else ''}")


def disconnect() -> None:
    """Close every connection."""
    global _own
    if _own is not None:
        _own.close()
        _own = None


def _embedded_uri() -> str:
    """Start or join the embedded server; its module is imported only here, since others need not wait for that."""
    global _data_folder
    from tracker import embedded

    folder = _data_folder or settings.data_folder()
    uri = embedded.start(folder)
    _data_folder = folder
    return uri


def _parsed_reports() -> Row:
    """Return how to connect to the standby that REPORTS_URI names; nothing where it is not set."""
    uri = settings.get("REPORTS_URI")
    if uri and _data_folder:
        raise Unavailable("REPORTS_URI is for a standby of the server in DATABASE_URI, which is not set.")
    return _parsed(uri, "REPORTS_URI", PROBE_LIMIT) if uri else {}


def _parsed(uri: str, name: str = "DATABASE_URI", patience: int | None = None) -> Row:
    """Split a connection URI, and add how long to wait for what; never repeat any of it in an error."""
    try:
        parameters = psycopg2.extensions.parse_dsn(uri)
    except (psycopg2.ProgrammingError, ValueError):
        parameters = {"host": "@"}
    ports = parameters.get("port", "").split(",")
    if "@" in parameters.get("host", "") + parameters.get("dbname", "") or not all(map(_is_port, ports)):
        raise Unavailable(
            f"{name} cannot be read; it looks like postgresql://user:password@host:5432/database, "
            "with @ : / % in the password written as %40 %3A %2F %25."
        )
    return {
        "connect_timeout": str(patience or settings.whole_number("DB_CONNECT_TIMEOUT", 5)),
        "application_name": "isp-customer-tracker",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
        **parameters,
        "client_encoding": "UTF8",
        "cursor_factory": Cursor,
    }


def _log_unreachable(error: Exception) -> None:
    if isinstance(error, psycopg2.Error):
        log.server_error(error)


def _is_port(word: str) -> bool:
    return not word or (re.fullmatch(r"[0-9]{1,5}", word, re.ASCII) is not None and 1 <= int(word) <= 65535)


def _settings() -> str:
    """Return the SQL that gives a session its settings: not as libpq's options, which some poolers refuse and others
    drop.
    """
    lock_ms = 1000 * settings.whole_number("DB_LOCK_TIMEOUT", 5)
    statement_ms = 1000 * settings.whole_number("DB_STATEMENT_TIMEOUT", 60)
    timezone = settings.get("TIMEZONE")
    if not re.fullmatch(r"[A-Za-z0-9_+\-/:]{0,60}", timezone, re.ASCII):
        raise Unavailable("TIMEZONE must be a name such as Europe/Paris.")
    limits = f"SET lock_timeout = {lock_ms}; SET statement_timeout = {statement_ms}"
    return f"{limits}; SET TimeZone = '{timezone}'" if timezone else limits


class _Session(interrupts.Connection):
    """A connection to a session that has the program's settings, whatever it began with.

    Behind a pooler the session is whichever is free, and what is SET there stays for whoever comes next: each
    transaction has its settings of its own, and the session is left as it is.
    """

    settings = ""  # as SQL
    place: standby.Place | None = None  # the server that it leads to, where that is known
    pooled = False  # several sessions may take turns behind it, so that each transaction needs its settings anew

    def settle(self) -> None:
        """Take back every SET, and set what a session of the program has."""
        if self.pooled:
            return
        self.autocommit = True
        with self.waiting(), self.cursor(cursor_factory=psycopg2.extensions.cursor) as cur:
            # That cursor is not ours, where a late Ctrl-C is raised.
            cur.execute(f"RESET ALL; SET SESSION AUTHORIZATION DEFAULT; {self.settings}")
        self.autocommit = False

    def reset(self) -> None:
        if self.pooled:
            self.autocommit, self.isolation_level, self.readonly, self.deferrable = False, None, None, None
            self.settle_transaction()  # which needs an answer of the server
            self.rollback()
        else:
            super().reset()
            self.settle()

    def settle_transaction(self) -> None:
        """Set, for a transaction that begins, what another session of the pooler may not have."""
        with self.waiting(), self.cursor(cursor_factory=psycopg2.extensions.cursor) as cur:
            cur.execute(self.settings.replace("SET ", "SET LOCAL "))


def _opened(dsn: str, *, settle: str, login: Login) -> _Session:
    """Open a connection, and give its session its settings.

    Functions and operators are looked for in pg_catalog first, and in the schemas that the login's search_path names.
    A temporary schema, which comes first unless it is named, holds no functions and operators; what an import puts
    there must be found before a table of that name elsewhere.
    """
    conn = _Session(dsn)
    conn.limit = max(float(login.parameters["connect_timeout"]), 0) or None  # as libpq takes it
    conn.look = functools.partial(_say_who_is_in_the_way, login.parameters)
    conn.autocommit = True
    with _question(conn) as cur:
        # The path that the login has, and not what another client of a pooler may have SET.
        cur.execute("SELECT reset_val, pg_catalog.pg_backend_pid(), pg_database.oid "
                    "FROM pg_catalog.pg_settings CROSS JOIN pg_catalog.pg_database "
                    "WHERE name OPERATOR(pg_catalog.=) 'search_path' "
                    "AND datname OPERATOR(pg_catalog.=) pg_catalog.current_database()")
        searched, pid, books = only(cur.fetchone())
        schemas = re.findall(r'"(?:[^"]|"")+"|[^",\s]+', searched)
        path = [schema for schema in schemas if schema not in ("pg_catalog", "pg_temp")]
        conn.pooled = pid != conn.info.backend_pid
    login.stay_with(books)
    conn.settings = f"{settle}; SET search_path = {', '.join(path) or 'pg_catalog'}"
    if _data_folder:
        conn.settings += f"; SET isp.person = {psycopg2.sql.Literal(_system_user()).as_string(conn)}"
    conn.limit = settings.whole_number("DB_STATEMENT_TIMEOUT", 60) + STATEMENT_MARGIN
    if conn.pooled:
        conn.autocommit = False
        conn.settle_transaction()
    else:
        conn.settle()
        conn.autocommit = True
    try:
        login.greet(conn)
    except BaseException:
        conn.close()
        raise
    conn.rollback()
    conn.autocommit = False
    return conn


@contextmanager
def _question(conn: _Session) -> Iterator[psycopg2.extensions.cursor]:
    """Lend a cursor for the first question: who lets a login in and then hangs up, or says nothing, is a pooler without
    a session to spare, whose word for it libpq loses.
    """
    try:
        with conn.waiting(), conn.cursor(cursor_factory=psycopg2.extensions.cursor) as cur:
            yield cur
    except psycopg2.OperationalError as exc:
        if conn.closed:
            raise psycopg2.OperationalError("query_wait_timeout") from exc
        raise


def _primary_of(conn: _Session) -> standby.Primary | None:
    """Return where a connection leads to; None where that is a standby, or a server that does not tell."""
    asked_at = time.monotonic()
    try:
        with conn.waiting(), conn.cursor(cursor_factory=psycopg2.extensions.cursor) as cur:
            cur.execute(standby.PLACE)
            row = standby.as_row(cur)
    except psycopg2.Error:
        if conn.closed:
            raise
        return None
    return standby.primary(row, asked_at) if row else None


def _stored(conn: _Session, entry_keys: list[UUID]) -> list[UUID]:
    """Return which payments of some entry keys there are, or were until somebody deleted them."""
    conn.autocommit = False
    try:
        if conn.pooled:
            conn.settle_transaction()
        with conn.waiting(), conn.cursor(cursor_factory=psycopg2.extensions.cursor) as cur:
            cur.execute(
                """
                SELECT entry_key
                FROM payments
                WHERE entry_key = ANY (%(keys)s)
                UNION ALL
                SELECT (line ->> 'entry_key')::uuid
                FROM trail
                CROSS JOIN LATERAL jsonb_array_elements(old) AS line
                WHERE kind = 'deleted' AND table_name = 'payments' AND line ->> 'entry_key' = ANY (%(keys)s::text[])
                """,
                {"keys": entry_keys},
            )
            return [entry_key for entry_key, in cur.fetchall()]
    finally:
        conn.rollback()


def _system_user() -> str:
    """Return whose session of the system this is: the embedded database has one login for all."""
    try:
        user = os.environ.get("SUDO_USER") if os.getuid() == 0 else None
        return (user or pwd.getpwuid(os.getuid()).pw_name).encode(errors="replace").decode()
    except KeyError:
        return ""


def _say_who_is_in_the_way(parameters: Row, conn: interrupts.Connection) -> None:
    """Say which sessions keep a statement waiting that may wait long; once, and again when it is others."""
    try:
        with contextlib.closing(psycopg2.connect(**parameters)) as beside, beside.cursor() as cur:
            cur.execute(
                """
                SELECT blocker.pid, usename AS login, application_name AS program,
                       to_char(xact_start, 'YYYY-MM-DD HH24:MI') AS since
                FROM unnest(pg_blocking_pids(%(pid)s)) AS blocker (pid)
                LEFT JOIN pg_stat_activity USING (pid)
                ORDER BY blocker.pid
                """,
                {"pid": conn.pid},
            )
            blockers = cur.fetchall()
    except (psycopg2.Error, UnicodeDecodeError, Unavailable):  # what it waits for is then not known; it waits as well
        return
    if blockers and blockers != conn.blockers:
        conn.blockers = blockers
        _say(f"Waiting for {' and '.join(map(_blocker, blockers))}, for {LOCK_PATIENCE // 60} minutes at most.")


def _blocker(session: Row) -> str:
    if session["login"] is None:
        return "a prepared transaction" if not session["pid"] else f"the server process {session['pid']}"
    program = f" in {session['program']}" if session["program"] else ""
    since = f", in a transaction since {session['since']}" if session["since"] else ""
    return f"the session of {session['login']}{program} (process {session['pid']}{since})"


def _why_unreachable(said: str, parameters: Row) -> str:
    host = parameters.get("host", "this machine")
    database = f"database {parameters['dbname']}" if "dbname" in parameters else "the database"
    return why_unreachable(said, f"{host}, port {parameters.get('port', '5432')}", host, database)


def _prepare_schema(allow_older: bool, say: Callable[[str], object]) -> None:
    version = _schema_version()
    if version is None:
        _check_writable("The tables are not there yet")
        with transaction() as cur:
            version = migrate.create(cur)
    if migrate.pending(version) and not allow_older:
        if not _data_folder:
            raise _older(version)
        _check_writable("The database is of an older version")
        upgrade(say)


def _schema_version() -> int | None:
    with reading() as cur:
        migrate.check_trust(cur)
        return migrate.database_version(cur)


def _check_schema() -> None:
    """Raise Unavailable where there are no tables of this version that the login may look at."""
    version = _schema_version()
    if version is None or migrate.pending(version):
        raise _older(version or 0)


class Older(Unavailable):
    """The tables are of an older version, or not there."""


def _older(version: int) -> Older:
    return Older(
        f"The database is at version {version} and this program needs version {migrate.program_version()}: "
        f"run {settings.command('upgrade')}, which brings it there."
    )


def _check_writable(why: str) -> None:
    if _login().read_only:
        raise Unavailable(f"{why}, and READ_ONLY or --read-only keeps everything as it is: start once without.")


class Upgrade(NamedTuple):
    """What an upgrade would do."""

    version: int
    pending: list[migrate.Migration]
    others: int
    copied: bool


def plan_upgrade() -> Upgrade:
    """Tell what an upgrade would do, and how many other sessions there are; raise Forbidden if this login may not."""
    with reading() as cur:
        version = migrate.database_version(cur) or 0
        pending = migrate.pending(version)
        if pending:
            migrate.check_owner(cur)
        return Upgrade(version, pending, migrate.count_others(cur), _data_folder is not None)


def upgrade(say: Callable[[str], object] = _nobody, copied: bool = True) -> int:
    """Bring the database to the program's version; return how many migrations that took.

    Each is a transaction of its own, but those of the embedded database are one, and that is copied first unless
    copied says not to. Safe for several at once, and to kill and begin again. Raise Unavailable when there can be no
    copy, Busy when others keep the tables, Forbidden when they are another login's.
    """
    done = 0
    while True:
        with transaction() as cur:
            migrate.lock(cur, None if done else say)
            version = migrate.database_version(cur) or 0
            pending = migrate.pending(version)
            if not pending:
                return done
            migrate.check_owner(cur)
            steps = pending if _data_folder else pending[:1]
            with _copied(cur, _data_folder, version, say) if _data_folder and copied else nullcontext():
                for step in steps:
                    migrate.apply(cur, step, say)
        log.note(f"Upgraded the database from version {version} to {steps[-1].version}")
        done += len(steps)


@contextmanager
def _copied(cur: Cursor, folder: Path, version: int, say: Callable[[str], object]) -> Iterator[None]:
    """Copy the embedded database to a file before the block; when the block raises, nothing has changed and it goes."""
    from tracker import archive

    migrate.wait_for_others(cur)
    named = f"before-version-{migrate.program_version()}-{time.strftime('%Y-%m-%d-%H%M%S')}.dump"
    path = folder.resolve() / settings.BACKUPS / named
    say(f"Upgrading the database from version {version} to {migrate.program_version()}, once it is copied to {path}.")
    try:
        files.make_private(path.parent)
        archive.write(path, target(cur), None, lambda: archive.note(cur, with_stock=False), archive.listening(cur))
    except Error as exc:
        raise Unavailable(f"The database was not upgraded, since no copy of it could be made: {exc}") from exc
    log.note(f"Copied the database of version {version} to {path}")
    try:
        migrate.keep_others_out(cur)
        migrate.wait_for_others(cur)
        yield
    except BaseException:
        path.unlink()
        raise


def retried(function: Function) -> Function:
    """Run a function again, a few times, when its transaction was a deadlock's victim or lost its connection.

    Safe because both mean that nothing was written; OutcomeUnknown is never retried.
    """
    @functools.wraps(function)
    def attempt(*args: Any, **kwargs: Any) -> Any:
        for pause in RETRY_PAUSES:
            try:
                return function(*args, **kwargs)
            except (Deadlock, ConnectionLost) as exc:
                log.retry(function.__name__, exc)
                time.sleep(pause * random.uniform(0.5, 1.5))
        return function(*args, **kwargs)

    return attempt  # type: ignore[return-value]


@contextmanager
def transaction() -> Iterator[Cursor]:
    """Lend a cursor in a transaction that writes: COMMIT when the block ends, nothing written when it raises."""
    with _connection(commits=True) as conn, conn.cursor() as cur:
        yield cur


@contextmanager
def rehearsal() -> Iterator[Cursor]:
    """Lend a cursor in a transaction that may write and is never committed."""
    with _connection() as conn, conn.cursor() as cur:
        yield cur


@contextmanager
def reading(snapshot: bool = False) -> Iterator[Cursor]:
    """Lend a cursor in a transaction in which the server lets nothing be written; with snapshot all of it sees one."""
    with _connection(readonly=True, snapshot=snapshot) as conn, conn.cursor() as cur:
        yield cur


@contextmanager
def streaming() -> Iterator[Cursor]:
    """Lend a server-side cursor for one query, which holds a few hundred rows of its result at a time."""
    with _connection(readonly=True) as conn:
        with conn.cursor() as cur:
            be_patient(cur)
        with conn.cursor("stream") as cur:
            cur.itersize = 500
            yield cur


def stream(query: Callable[[Cursor], object]) -> Iterator[Any]:
    """Yield the rows of a query, in flat memory; what is broken off before the first is begun again, a few times."""
    rows, first = _begun(query)
    with contextlib.closing(rows):
        yield from first
        yield from rows


@retried
def _begun(query: Callable[[Cursor], object]) -> tuple[Generator[Any, None, None], list[Any]]:
    rows = _rows(query)
    return rows, list(itertools.islice(rows, 1))


def _rows(query: Callable[[Cursor], object]) -> Generator[Any, None, None]:
    with streaming() as cur:
        query(cur)
        yield from cur


@contextmanager
def outside_transactions() -> Iterator[Cursor]:
    """Lend a cursor for what PostgreSQL runs in no transaction, such as VACUUM, which may take any time.

    Raise Forbidden with writes off.
    """
    if _login().read_only:
        raise Forbidden(NOT_HERE)
    with _connection(autocommit=True) as conn, conn.cursor() as cur:
        if conn.pooled:  # whose limits hold, and each statement may have another server process
            conn.be_patient(0)
        else:
            cur.execute("SET statement_timeout = 0; SELECT pg_backend_pid() AS pid")
            conn.be_patient(cur.row()["pid"])
        yield cur


def take_turn(cur: Cursor, work: str) -> None:
    """Wait, with all the time there is, until nobody else does this work, bill run or import; it ends with the
    transaction.
    """
    be_patient(cur)
    cur.execute(
        """
        UPDATE work_locks SET taken_at = now(), taken_by = acting_person() WHERE work = %(work)s RETURNING work
        """,
        {"work": work},
    )
    cur.row()


def give_reason(cur: Cursor, reason: str) -> None:
    """Say what this transaction is for; the trail has it with each change."""
    cur.execute("SELECT set_config('isp.reason', %(reason)s, true)", {"reason": reason})


@contextmanager
def _connection(
    commits: bool = False, readonly: bool = False, autocommit: bool = False, snapshot: bool = False
) -> Iterator[Any]:
    """Lend a connection; commit, or turn what went wrong into an Error; take the connection back."""
    with interrupts.deferred():
        login = _login()
        conn = login.reports.borrow(login) if readonly and login.reports and _reporting.get() else None
        if conn and login.reports:
            login = login.reports
        else:
            conn = _borrow(login)
        committed = False
        try:
            if conn.place and (conn.pooled or login.memory.has_strays):  # a pooler outlives a server
                conn.autocommit = True  # SET TRANSACTION must come first in the transaction
                login.greet(conn)
                conn.autocommit = False
            # Not by a default of the session, which a pooler would hand on to others.
            conn.readonly = readonly or login.read_only or None
            conn.isolation_level = "REPEATABLE READ" if snapshot else None
            conn.autocommit = autocommit
            if conn.pooled and not autocommit:
                conn.settle_transaction()
            yield conn
            if commits:
                try:
                    _commit(conn)
                finally:
                    login.memory.written_at = time.monotonic()
                committed = True
        except psycopg2.Error as exc:
            if isinstance(exc.__context__, (KeyboardInterrupt, SystemExit)):  # the cancel struck what tidies up
                raise exc.__context__ from None
            log.server_error(exc, getattr(exc.cursor, "statement", ""))
            if isinstance(login, Reports) and exc.pgcode != "57014":
                login.leave_alone("broke off what was read", AWAY_FOR)
                raise ConnectionLost(readonly) from exc
            raise _translated(exc, conn, readonly, login.read_only) from exc
        finally:
            _give_back(login, conn, readonly)
            if committed:
                interrupts.forget()


def _commit(conn: _Session) -> None:
    global saved, unknown
    started = time.monotonic()
    conn.notices.clear()
    try:
        conn.commit()
    except psycopg2.Error as exc:
        if conn.closed:
            unknown += 1
            log.server_error(exc, "COMMIT")
            raise OutcomeUnknown from exc
        raise
    saved += 1
    log.slow("COMMIT", time.monotonic() - started)
    if any("synchronous replication" in notice for notice in conn.notices):  # cancelled while it waited for that
        _say("That is saved, but no standby has confirmed it: after a failover, look whether it is there.")


def _borrow(login: Login) -> _Session:
    if not login.slots.acquire(timeout=login.patience):
        raise Busy("Every connection to the database is in use; try again in a moment.")
    try:
        conn = login.lend()
    except (psycopg2.Error, UnicodeDecodeError) as exc:
        login.slots.release()
        _log_unreachable(exc)
        if not login.is_persons:
            raise Unavailable(_why_unreachable(str(exc), login.parameters)) from exc
        if login is not _own and not _data_folder and names_refusal(str(exc)):
            raise SignInRefused from exc
        raise Unavailable("The database cannot be reached now; try again in a moment.") from exc
    except BaseException:
        login.slots.release()
        raise
    interrupts.watch(conn)
    return conn


def _lend(login: Login) -> _Session:
    """Take a connection that works out of a login's pool; start the embedded server again if that has died."""
    try:
        conn = cast(_Session, login.open().getconn())
    except psycopg2.OperationalError:
        if not _data_folder:
            raise
        log.note("The embedded server is away; it is started again")
        _embedded_uri()
        conn = cast(_Session, login.open().getconn())
    while not _is_alive(conn):
        log.note("A connection was lost while idle; another one is taken")
        login.open().putconn(conn, close=True)
        conn = _lend(login)
    return conn


def _is_alive(conn: _Session) -> bool:
    """Tell whether an idle connection still has its server: one that has lost it has an end of file to read."""
    if conn.closed:
        return False
    idle = select.poll()  # not select(), which knows no descriptor above 1023
    idle.register(conn, select.POLLIN)
    if not idle.poll(0):
        return True
    try:
        conn.reset()
    except psycopg2.Error:
        return False
    return True


def _give_back(login: Login, conn: _Session, readonly: bool) -> None:
    """Return a connection to its login as new: rolled back, and what the borrower set forgotten."""
    broken = bool(conn.closed)
    try:
        broken = not interrupts.unwatch(conn) or broken
        if not broken:
            _renew(conn, readonly)
    except psycopg2.Error:
        broken = True
    finally:
        login.take_back(conn, close=broken)  # after disconnect(), too, when a report was broken off
        login.slots.release()


def _renew(conn: _Session, readonly: bool) -> None:
    """Undo what is not committed; where it only read, that takes back every SET, too, and spares a round trip."""
    conn.rollback()
    conn.readonly = None
    if conn.autocommit or conn.isolation_level is not None or conn.deferrable is not None:
        conn.reset()
    elif not readonly:
        conn.settle()


def _translated(exc: psycopg2.Error, conn: _Session, readonly: bool, opened_read_only: bool) -> Error:
    """Turn a driver's error into one for the administrator, by its SQLSTATE."""
    if conn.closed or conn.given_up:
        return NoAnswer(readonly) if conn.given_up else ConnectionLost(readonly)
    code = exc.pgcode or ""
    if code == "23502":
        return Conflict(f"{(exc.diag.column_name or 'A value').replace('_', ' ').capitalize()} is required.")
    if code.startswith("23"):
        rule = exc.diag.constraint_name or ""
        if rule == "customers_account_open" and exc.diag.message_primary:  # which says whose account
            return Conflict(exc.diag.message_primary)
        return Conflict(RULES.get(rule, "A rule of the database forbids that."), FIELDS.get(rule, ""))
    if code in ("40001", "40P01"):
        return Deadlock("Others are working on the same records; nothing was written. Try again.")
    return {
        "22003": Conflict("The sum is too large to store."),
        "25006": Forbidden(NOT_HERE if opened_read_only else
                           "This server takes no changes now: it is a standby, or read-only."),
        "42501": Forbidden("This login may not look at that." if readonly else "This login may not do that."),
        "53100": Unavailable("The server's disk is full; nothing was written."),
        "55P03": Busy(f"Another session kept what this needs for {LOCK_PATIENCE // 60} minutes; nothing was written. "
                      "End that session, or wait for it, and try again." if conn.patient else
                      "Somebody else is changing the same record; nothing was written. Try again in a moment."),
        "57014": Busy("The database took longer than DB_STATEMENT_TIMEOUT allows and was stopped; "
                      "nothing was written."),
    }.get(code, Refused(f"The database refused (SQLSTATE {code or 'unknown'}); nothing was written."))


@retried
def fetch_all(statement: str, /, patient: bool = False, **values: object) -> list[Record]:
    """Run one statement that reads and return its rows, shaped as the caller says; patient lifts the time limits."""
    with reading() as cur:
        if patient:
            be_patient(cur)
        cur.execute(statement, values)
        return cur.fetchall()  # type: ignore[return-value]


def fetch_one(statement: str, /, patient: bool = False, **values: object) -> Record | None:
    """Run one statement that reads and return its first row, or None."""
    rows: list[Record] = fetch_all(statement, patient=patient, **values)
    return rows[0] if rows else None


@retried
def write_one(statement: str, /, **values: object) -> Record | None:
    """Run one statement that writes, in a transaction of its own, and return the first row that it returns.

    Where it returns none, it wrote nothing, and nothing is committed; return None.
    """
    try:
        with transaction() as cur:
            cur.execute(statement, values)
            return existing("row", 0, cur.fetchone())  # type: ignore[return-value]
    except NotFound:
        return None


def fetch_value(statement: str, /, patient: bool = False, **values: object) -> Value:  # type: ignore[type-var]
    """Run one statement that reads a single value and return that."""
    rows: list[Row] = fetch_all(statement, patient=patient, **values)
    value, = rows[0].values()
    return value  # type: ignore[no-any-return]


def write_value(statement: str, /, **values: object) -> Value:  # type: ignore[type-var]
    """Run one statement that writes, in a transaction of its own, and return the single value that it returns."""
    row: Row = only(write_one(statement, **values))
    value, = row.values()
    return value  # type: ignore[no-any-return]


def search(statement: str, term: str, skip: int, limit: int, own_text: bool = False, **values: Any) -> Hits:
    """Run a statement that finds records by term: as an index can, and only when that finds nothing, as it must.

    own_text says that a word may stand in the record itself, not only with its customer and location.
    """
    for patterns in _patterns(term, own_text):
        rows: list[Row] = fetch_all(statement, **patterns, **values, skip=skip, limit=limit, most=MOST_COUNTED + 1)
        if rows:
            return _hits(rows)
    return Hits([], 0)


def _hits(rows: list[Row]) -> Hits:
    total = rows[0]["hits"] if rows else 0
    return Hits([{key: value for key, value in row.items() if key != "hits"} for row in rows], total)


def _patterns(term: str, own_text: bool) -> Iterator[Row]:
    """Yield the patterns of a search, the likeliest reading first.

    words are LIKE patterns that find a name or address by an index, own_words those of the record's own text; what they
    find must match each of every, regular expressions, where that is not None. Numbers are found however they are
    written: a phone number by its last digits or its first, a serial number by its beginning, an account number whole
    or by a beginning with a digit. What no index serves comes last: one or two characters inside a word, digits inside
    a number, and what stands inside a reference, a serial or account number or the changed description of a monthly
    bill.
    """
    term = unicodedata.normalize("NFC", term)
    folds = _folds(term)
    if not folds["plain"]:
        return
    spellings = _spelt(folds)
    keys = folds["keys"]
    yield {
        **_by_index(spellings, own_text), "start": f"{_literal(folds['plain'])}%", "inside": None, "phone_inside": None,
        "phones": keys, "account": _account_pattern(folds["account"]),
        "serial": f"{_literal(folds['serial'])}%" if _is_serial(term, folds["serial"]) else None,
    }
    yield {
        **_anywhere(spellings), "start": None, "phones": [], "serial": None,
        "inside": f"%{_literal(term)}%", "phone_inside": f"%{keys[0]}%" if keys and len(keys[0]) < 8 else None,
        "account": f"%{_literal(folds['account'])}%" if _is_beginning(folds["account"]) else None,
    }


def _folds(term: str) -> Row:
    """Return a search term as names are searched, plain and with umlauts written out, as a serial number, and as the
    phone numbers that it may be a part of: three digits or more.
    """
    folds: Row = only(fetch_one(
        """
        SELECT folded(%(term)s) AS plain, folded(%(expanded)s) AS expanded, serial_key(%(term)s) AS serial,
               lower(%(account)s) AS account, phone_keys(%(phone)s, %(country)s) AS keys
        """,
        term=term, expanded=term.translate(EXPANSIONS), account=term.strip(), phone=fields.phone_like(term),
        country=settings.country_code(),
    ))
    return {**folds, "keys": [key for key in folds["keys"] or [] if len(key) >= 3]}


def _spelt(folds: Row) -> list[list[str]]:
    """Return the words of a search term, each in its spellings."""
    return list(map(_spellings, folds["plain"].split(" "), folds["expanded"].split(" ")))


def customer_patterns(term: str) -> Row:
    """Return what a customer has whom a filter means: words are regular expressions, of which the name has every one,
    the longest first; phones are LIKE patterns, of which the digits of the phone number have any; account is the LIKE
    pattern of the account number.
    """
    folds = _folds(unicodedata.normalize("NFC", term))
    words = [_expression(spellings) for spellings in _spelt(folds)] if folds["plain"] else []
    return {"words": sorted(words, key=len, reverse=True), "phones": [f"%{key}%" for key in folds["keys"]],
            "account": _account_pattern(folds["account"])}


def _is_serial(term: str, serial: str) -> bool:
    """Tell what may begin a serial number or MAC address from a name."""
    return len(serial) >= 4 and re.search(r"[0-9]|^[0-9A-Fa-f:.\- ]+$", term) is not None


def _account_pattern(account: str) -> str:
    """Return the LIKE pattern of a term that may be an account number or, from three characters with a digit on, the
    beginning of one: letters alone may begin the numbers of all customers.
    """
    return f"{_literal(account)}%" if _is_beginning(account) else _literal(account)


def _is_beginning(account: str) -> bool:
    return len(account) >= 3 and re.search("[0-9]", account) is not None


def _literal(word: str) -> str:
    """Return a word as a LIKE pattern in which % _ and \\ mean themselves."""
    return re.sub(r"([\\%_])", r"\\\1", word)


def _spellings(plain: str, expanded: str) -> list[str]:
    """Return a folded word as it may be spelt, an umlaut being one letter or two: muller, mueller."""
    return list(dict.fromkeys((plain, expanded, re.sub(r"([aou])e|a(a)", r"\1\2", plain))))


def _by_index(words: list[list[str]], own_text: bool) -> Row:
    each = list(map(_all_indexed, words))
    chosen = each if len(words) == 1 else _rarest(each, own_text)
    return {
        "words": list(itertools.chain(*chosen)),
        "own_words": max(each, key=lambda patterns: len(patterns[0])),
        "every": None if len(words) == 1 else [_expression(spellings) for spellings in words],
    }


def _all_indexed(spellings: list[str]) -> list[str]:
    return [pattern for spelling in spellings for pattern in _indexed(spelling)]


def _indexed(word: str) -> list[str]:
    """Return the patterns by which a trigram index finds a word: a short one at the beginning, or after a space."""
    literal = _literal(word)
    return [f"%{literal}%"] if len(word) >= 3 else [f"{literal}%", f"% {literal}%"]


def _expression(spellings: list[str]) -> str:
    """Return a regular expression for a word in any of its spellings; short ones begin a word."""
    return "|".join(re.escape(word) if len(word) >= 3 else f"(^| ){re.escape(word)}" for word in spellings)


def _rarest(words: list[list[str]], own_text: bool) -> list[list[str]]:
    """Return the patterns of the word that the fewest names and addresses have; with own_text, of all rare ones.

    A word that none has may be part of a number, or of the record's own text.
    """
    rows: list[Row] = fetch_all(
        """
        SELECT word, sum(named.count + addressed.count) AS count
        FROM unnest(%(words)s::integer[], %(patterns)s::text[]) AS given (word, pattern)
        CROSS JOIN LATERAL (
            SELECT count(*) FROM (SELECT FROM customers WHERE name_folded LIKE pattern LIMIT %(enough)s) AS few
        ) AS named
        CROSS JOIN LATERAL (
            SELECT count(*) FROM (SELECT FROM locations WHERE address_folded LIKE pattern LIMIT %(enough)s) AS few
        ) AS addressed
        GROUP BY word
        ORDER BY count, word
        """,
        words=[word for word, patterns in enumerate(words) for _ in patterns],
        patterns=list(itertools.chain(*words)), enough=RARE,
    )
    there = [words[row["word"]] for row in rows if row["count"]]
    if own_text:
        return [words[row["word"]] for row in rows if 0 < row["count"] < RARE] or there[:1]
    is_hopeless = any(not row["count"] and not re.search("[0-9]", words[row["word"]][0]) for row in rows)
    return [] if is_hopeless else there[:1]


def _anywhere(words: list[list[str]]) -> Row:
    """Return patterns for short words inside longer ones, which read whole tables; none where all words are long."""
    short = [f"%{_literal(spellings[0])}%" for spellings in words if len(spellings[0]) < 3]
    long = [f"%{_literal(spellings[0])}%" for spellings in words if len(spellings[0]) >= 3]
    words_anywhere = (long[:1] or short) if short else []
    return {
        "words": words_anywhere, "own_words": words_anywhere,
        "every": ["|".join(map(re.escape, spellings)) for spellings in words],
    }


def describe_server() -> Server:
    """Say where the data are: version, database, host, login, whether search is indexed, and today's date."""
    row: Row = only(fetch_one(
        """
        SELECT current_setting('server_version')                          AS version,
               current_database()                                         AS database,
               current_user                                               AS login,
               host(inet_server_addr())                                   AS address,
               current_setting('TimeZone')                                AS timezone,
               CURRENT_DATE                                               AS today,
               to_regclass('customers_name_search') IS NOT NULL           AS search_is_indexed
        """
    ))
    return cast(Server, {**row, "folder": _data_folder})


@retried
def rights() -> Rights:
    """Return what this session may do."""
    with reporting(False), reading() as cur:
        row = migrate.rights(cur)
    why_not = ("this server is a standby" if row["is_standby"] else
               "by READ_ONLY or --read-only, a seat belt and no lock" if _login().read_only else
               "the database is set so" if row["is_closed"] else
               "" if row["may_change"] else f"the login {row['login']} may look, not change")
    return {"owner": row["owner"], "is_owner": row["is_owner"], "why_not": why_not}


def is_embedded() -> bool:
    return _data_folder is not None


def size() -> str:
    """Return how large the database is, such as 8 MB."""
    return fetch_value("SELECT pg_size_pretty(pg_database_size(current_database())) AS size")


def today() -> date:
    """Return the date of the business: the server's, in TIMEZONE."""
    return fetch_value("SELECT CURRENT_DATE AS today")


def now() -> datetime:
    """Return the present moment in the time zone of the business."""
    return fetch_value("SELECT now() AS now")


_COUNTS = {
    "customers": "SELECT count(*) FROM customers WHERE closed_on IS NULL",
    "locations": "SELECT count(*) FROM locations",
    "services": "SELECT count(*) FROM services",
    "equipment": "SELECT count(*) FROM equipment",
    "billing": "SELECT count(*) FROM billing",
}


@retried
def count(table: str) -> tuple[int, bool]:
    """Return how many rows a table has and whether that is exact; past COUNT_EXACTLY the planner's estimate does.

    Closed customers are not counted.
    """
    with reading() as cur:
        cur.execute(
            """
            SELECT reltuples::bigint - CASE WHEN %(table)s = 'customers' THEN (
                       SELECT count(*) FROM customers WHERE closed_on IS NOT NULL
                   ) ELSE 0 END AS rows
            FROM pg_class
            WHERE oid = %(table)s::regclass
            """,
            {"table": table},
        )
        estimate = cur.row()["rows"]
        if estimate > COUNT_EXACTLY:
            return estimate, False
        cur.execute(_COUNTS[table])
        return cur.row()["count"], True


def add_customer(name: str, phone_number: str | None) -> int:
    """Add a customer and return the new ID; raise Conflict when a value breaks a rule."""
    return write_value(
        """
        INSERT INTO customers (name, phone_number)
        VALUES (%(name)s, %(phone_number)s)
        RETURNING customer_id
        """,
        name=name, phone_number=phone_number,
    )


@retried
def get_customer(customer_id: int) -> Customer:
    with reading() as cur:
        return customer_in(cur, customer_id)


def account_holder(account_number: str) -> Customer | None:
    """Return the customer who has an account number, whatever its case, or None."""
    return fetch_one(
        """
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
        FROM customers
        WHERE lower(account_number) = lower(%(account_number)s)
        """,
        account_number=account_number,
    )


def customer_in(cur: Cursor, customer_id: int, lock: bool = False) -> Customer:
    """Return a customer within a transaction, locked if that is asked for; raise NotFound if there is none."""
    cur.execute(
        f"""
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
        FROM customers
        WHERE customer_id = %(customer_id)s
        {"FOR UPDATE" if lock else ""}
        """,  # noqa: S608 (no value is in it)
        {"customer_id": customer_id},
    )
    return cast(Customer, existing("customer", customer_id, cur.fetchone()))


def existing(kind: str, row_id: int, row: Record | None) -> Record:
    """Return a row that was asked for by its ID; raise NotFound if there is none."""
    if row is None:
        raise NotFound(kind, row_id)
    return row


def list_customers(after: int = 0, limit: int = 100) -> list[Customer]:
    """Return the customers whose IDs follow after, but for closed ones."""
    return fetch_all(
        """
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
        FROM customers
        WHERE customer_id > %(after)s AND closed_on IS NULL
        ORDER BY customer_id
        LIMIT %(limit)s
        """,
        after=after, limit=limit,
    )


def list_closed_customers(before: tuple[date, int] | None = None, limit: int = 100) -> list[Customer]:
    """Return the closed customers, but for merged ones, the last closed first.

    before is closed_on and customer_id of the last one shown.
    """
    before_day, before_id = before or (None, None)
    return fetch_all(
        """
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
        FROM customers
        WHERE closed_on IS NOT NULL AND merged_into IS NULL
          AND (%(before_id)s::bigint IS NULL OR (closed_on, customer_id) < (%(before_day)s, %(before_id)s))
        ORDER BY closed_on DESC, customer_id DESC
        LIMIT %(limit)s
        """,
        before_day=before_day, before_id=before_id, limit=limit,
    )


def count_closed_customers() -> int:
    return fetch_value("SELECT count(*) FROM customers WHERE closed_on IS NOT NULL AND merged_into IS NULL")


def find_customers(term: str, skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return customers by name whose name, phone and account number and addresses have every word of term, in any
    order, or who have it in their e-mail address, or a device of that serial number, or pay with that reference; first
    the one who has that account number.

    Each comes with an address of theirs: the first of those that have a word of it, if any.
    """
    return search(
        """
        WITH hit AS MATERIALIZED (
            SELECT customers.customer_id
            FROM (
                SELECT customer_id, by_number
                FROM matching_accounts(%(words)s, %(phones)s, %(phone_inside)s, %(account)s, %(most)s)
                UNION ALL
                SELECT customer_id, true
                FROM equipment
                JOIN locations USING (location_id)
                WHERE serial_key(serial_number) LIKE %(serial)s OR serial_number ILIKE %(inside)s
                UNION ALL
                SELECT customer_id, true FROM customers WHERE customer_id = %(referred)s
                UNION ALL
                (SELECT customer_id, true
                 FROM customers
                 WHERE lower(email) LIKE %(email)s
                 LIMIT %(most)s)
            ) AS candidate
            JOIN customers USING (customer_id)
            GROUP BY customers.customer_id
            HAVING %(every)s::text[] IS NULL OR bool_or(by_number)
                OR concat_ws(' ', name_folded, translate(phone_number, ' +().-/', ''), folded(account_number),
                                    (SELECT string_agg(address_folded, ' ')
                                     FROM locations
                                     WHERE locations.customer_id = customers.customer_id)) ~ ALL (%(every)s)
            LIMIT %(most)s
        )
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into,
               (SELECT address
                FROM locations
                WHERE locations.customer_id = customers.customer_id
                ORDER BY address_folded LIKE ANY (%(words)s) DESC, address
                LIMIT 1) AS address,
               (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN customers USING (customer_id)
        ORDER BY (lower(account_number) = lower(%(exact)s)) IS TRUE DESC, name_folded, customer_id
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit, referred=fields.referred_customer(term), email=_email_pattern(term), exact=term.strip(),
    )


def _email_pattern(term: str) -> str | None:
    """Return the LIKE pattern of a term that may be part of an e-mail address: three characters or more, no spaces."""
    part = unicodedata.normalize("NFC", term).strip()
    return f"%{_literal(part.lower())}%" if re.fullmatch(r"\S{3,}", part) else None


def suggest_customers(term: str, limit: int = 10) -> Hits:
    """Return a few of the customers that find_customers() would find, for who is still typing: in no time at a million.

    Only what an index finds at once: numbers, then names, then addresses, then names with addresses, each by the two
    longest words. Where more than SUGGESTED are found so, the rest is not looked for, and total is one more than that.
    Whose account number it is comes first, then whose name has the longest word.
    """
    folds = _folds(unicodedata.normalize("NFC", term))
    if not folds["plain"]:
        return Hits([], 0)
    words = sorted(_spelt(folds), key=lambda spellings: len(spellings[0]), reverse=True)
    rows: list[Row] = fetch_all(
        """
        WITH found AS MATERIALIZED (
            SELECT customer_id
            FROM matching_customers('{}', %(phones)s, NULL, %(account)s, %(most)s)
            UNION ALL
            SELECT customer_id FROM customers WHERE customer_id = %(referred)s
            UNION ALL
            (SELECT customer_id
             FROM equipment
             JOIN locations USING (location_id)
             WHERE serial_key(serial_number) LIKE %(serial)s
             LIMIT %(most)s)
            UNION ALL
            (SELECT customer_id
             FROM customers
             WHERE lower(email) LIKE %(email)s
             LIMIT %(most)s)
            UNION ALL
            SELECT customer_id
            FROM unnest(%(first)s::text[]) AS one (first)
            CROSS JOIN unnest(%(second)s::text[]) AS two (second)
            CROSS JOIN LATERAL (
                SELECT customer_id
                FROM customers
                WHERE name_folded LIKE first AND name_folded LIKE second
                  AND (%(others)s::text[] IS NULL
                       OR concat_ws(' ', name_folded, (SELECT string_agg(address_folded, ' ')
                                                       FROM locations
                                                       WHERE locations.customer_id = customers.customer_id))
                          ~ ALL (%(others)s))
                LIMIT %(most)s
            ) AS named
            UNION ALL
            SELECT customer_id
            FROM unnest(%(first)s::text[]) AS one (first)
            CROSS JOIN unnest(%(second)s::text[]) AS two (second)
            CROSS JOIN LATERAL (
                SELECT customer_id
                FROM locations
                JOIN customers USING (customer_id)
                WHERE address_folded LIKE first AND address_folded LIKE second
                  AND (%(others)s::text[] IS NULL OR concat(name_folded, ' ', address_folded) ~ ALL (%(others)s))
                LIMIT %(most)s
            ) AS addressed
            UNION ALL
            SELECT customer_id
            FROM (SELECT * FROM unnest(%(first)s::text[]) AS one (named)
                  CROSS JOIN unnest(%(second)s::text[]) AS two (addressed)
                  UNION ALL
                  SELECT * FROM unnest(%(second)s::text[]) AS two (named)
                  CROSS JOIN unnest(%(first)s::text[]) AS one (addressed)) AS pair
            CROSS JOIN LATERAL (
                SELECT customer_id
                FROM customers
                JOIN locations USING (customer_id)
                WHERE name_folded LIKE named AND address_folded LIKE addressed
                  AND (%(others)s::text[] IS NULL OR concat(name_folded, ' ', address_folded) ~ ALL (%(others)s))
                LIMIT %(most)s
            ) AS both_ways
            LIMIT %(most)s
        ), hit AS MATERIALIZED (
            SELECT DISTINCT customer_id FROM found
        )
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into,
               (SELECT address
                FROM locations
                WHERE locations.customer_id = customers.customer_id
                ORDER BY address_folded LIKE ANY (%(first)s) DESC, address
                LIMIT 1) AS address,
               CASE WHEN (SELECT count(*) FROM found) < %(most)s THEN (SELECT count(*) FROM hit) ELSE %(most)s
               END AS hits
        FROM hit
        JOIN customers USING (customer_id)
        ORDER BY (lower(account_number) = %(exact)s) IS TRUE DESC, name_folded LIKE ANY (%(first)s) DESC, name_folded,
                 customer_id
        LIMIT %(limit)s
        """,
        first=_all_indexed(words[0]), second=_all_indexed(words[min(1, len(words) - 1)]),
        others=[_expression(spellings) for spellings in words[2:]] or None, phones=folds["keys"],
        account=_account_pattern(folds["account"]), exact=folds["account"],
        serial=f"{_literal(folds['serial'])}%" if _is_serial(term, folds["serial"]) else None,
        referred=fields.referred_customer(term), email=_email_pattern(term), most=SUGGESTED + 1, limit=limit,
    )
    return _hits(rows)


def similar_customers(name: str, phone_number: str | None) -> list[Customer]:
    """Return customers who have the same name or the same phone number, however they are written."""
    return fetch_all(
        """
        SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
        FROM (
            (SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
             FROM customers
             WHERE phone_key(phone_number) = ANY (phone_keys(%(phone_number)s, %(country)s))
               AND same_phone(phone_number, %(phone_number)s, %(country)s)
             ORDER BY customer_id
             LIMIT %(most)s)
            UNION
            (SELECT customer_id, name, phone_number, email, account_number, closed_on, merged_into
             FROM customers
             WHERE name_folded = folded(%(name)s)
             ORDER BY customer_id
             LIMIT %(most)s)
        ) AS similar_customer
        ORDER BY customer_id
        LIMIT %(most)s
        """,
        name=name, phone_number=phone_number, country=settings.country_code(), most=MOST_HITS,
    )


def update_customer(  # noqa: PLR0913 (each is a column)
    customer_id: int,
    name: str | None = None,
    phone_number: str | None = None,
    email: str | None = None,
    account_number: str | None = None,
    *,
    seen: Mapping[str, Any] | None = None,
) -> Customer:
    """Change what is given and keep the rest; an empty phone number, e-mail address or account number takes it away.

    seen is the record as it was shown. Raise NotFound, Conflict when a value breaks a rule or is another customer's
    account number, and Changed when somebody has changed meanwhile what is given.
    """
    with _naming_account_holder(account_number):
        row: Customer | None = write_one(
            """
            UPDATE customers
            SET name = coalesce(%(name)s, name),
                phone_number = nullif(coalesce(%(phone_number)s, phone_number), ''),
                email = nullif(coalesce(%(email)s, email), ''),
                account_number = nullif(coalesce(%(account_number)s, account_number), '')
            WHERE customer_id = %(customer_id)s
              AND (%(unseen)s OR %(name)s IS NULL OR name IN (%(name)s, %(seen_name)s))
              AND (%(unseen)s OR %(phone_number)s IS NULL
                   OR coalesce(phone_number, '') IN (%(phone_number)s, coalesce(%(seen_phone_number)s, '')))
              AND (%(unseen)s OR %(email)s IS NULL
                   OR coalesce(email, '') IN (%(email)s, coalesce(%(seen_email)s, '')))
              AND (%(unseen)s OR %(account_number)s IS NULL
                   OR coalesce(account_number, '') IN (%(account_number)s, coalesce(%(seen_account_number)s, '')))
            RETURNING customer_id, name, phone_number, email, account_number, closed_on, merged_into
            """,
            customer_id=customer_id, name=name, phone_number=phone_number, email=email,
            account_number=account_number, **_seen(seen, "name", "phone_number", "email", "account_number"),
        )
    if row is None:
        raise Changed(get_customer(customer_id))
    return row


@contextlib.contextmanager
def _naming_account_holder(account_number: str | None) -> Iterator[None]:
    """Say who has an account number that is refused because somebody has it."""
    try:
        yield
    except Conflict as exc:
        holder = account_holder(account_number) if exc.field == "account_number" and account_number else None
        if holder is None:
            raise
        raise Conflict(f"Customer {holder['customer_id']} has account number {holder['account_number']}.",
                       exc.field) from exc


def _seen(row: Mapping[str, Any] | None, *columns: str) -> Row:
    """Return what an administrator saw in a record as values of a statement; unseen when it matters to nobody."""
    return {"unseen": row is None, **{f"seen_{column}": row and row[column] for column in columns}}


@retried
def customer_contents(customer_id: int) -> CustomerContents:
    """Count what a customer has: locations, services, equipment, notes, bills, payments."""
    with reading() as cur:
        return contents_in(cur, customer_id)


def contents_in(cur: Cursor, customer_id: int) -> CustomerContents:
    cur.execute(
        """
        SELECT (SELECT count(*) FROM locations WHERE customer_id = %(customer_id)s)                        AS locations,
               (SELECT count(*) FROM services JOIN locations USING (location_id)
                WHERE customer_id = %(customer_id)s)                                                       AS services,
               (SELECT count(*) FROM equipment JOIN locations USING (location_id)
                WHERE customer_id = %(customer_id)s)                                                       AS equipment,
               (SELECT count(*) FROM customer_notes WHERE customer_id = %(customer_id)s)                   AS notes,
               (SELECT count(*) FROM billing WHERE customer_id = %(customer_id)s)                          AS bills,
               (SELECT count(*) FROM payments WHERE customer_id = %(customer_id)s)                         AS payments
        """,
        {"customer_id": customer_id},
    )
    return cur.row()  # type: ignore[return-value]


@retried
def delete_customer(customer_id: int, contents: CustomerContents | None = None) -> None:
    """Delete a customer who has no bills and payments, and everything of theirs.

    contents is what the administrator was shown by customer_contents; raise Conflict when it has changed since, or when
    there are bills or payments, which stay, and NotFound when there is no such customer.
    """
    with transaction() as cur:
        customer = lock_account(cur, customer_id)
        there = contents_in(cur, customer_id)
        if contents is not None and contents != there:
            raise Conflict("The customer's records changed while you were looking; nothing was deleted. Look again.")
        if reason := why_kept(customer, there):
            raise Conflict(reason)
        cur.execute("DELETE FROM customers WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})


def lock_account(cur: Cursor, customer_id: int) -> Customer:
    """Lock a customer and their locations, so that nothing is added to the account meanwhile, and return the customer.

    Raise NotFound if there is none.
    """
    customer = customer_in(cur, customer_id, lock=True)
    cur.execute(
        "SELECT 1 FROM locations WHERE customer_id = %(customer_id)s ORDER BY location_id FOR UPDATE",
        {"customer_id": customer_id},
    )
    return customer


def why_kept(customer: Customer, contents: CustomerContents) -> str:
    """Say why a customer cannot be deleted, and what to do instead; nothing for one who can."""
    stay = [text.plural(count, noun) for count, noun in ((contents["bills"], "bill"), (contents["payments"], "payment"))
            if count]
    if not stay:
        return ""
    instead = "" if customer["closed_on"] else "; close the account instead: Manage Customers, 6"
    verb = "stays" if contents["bills"] + contents["payments"] == 1 else "stay"
    return f"Customer {customer['customer_id']} has {' and '.join(stay)}, which {verb}{instead}."


def add_location(customer_id: int, address: str) -> int:
    """Add a location to a customer and return the new ID; raise Conflict when they have that address already."""
    return write_value(
        """
        INSERT INTO locations (customer_id, address)
        VALUES (%(customer_id)s, %(address)s)
        RETURNING location_id
        """,
        customer_id=customer_id, address=address,
    )


def get_location(location_id: int) -> Location:
    """Return a location with its customer's name; raise NotFound if there is none."""
    return existing("location", location_id, fetch_one(
        """
        SELECT location_id, customer_id, name, address
        FROM locations
        JOIN customers USING (customer_id)
        WHERE location_id = %(location_id)s
        """,
        location_id=location_id,
    ))


def list_locations(after: int = 0, limit: int = 100, customer_id: int | None = None) -> list[Location]:
    """Return the locations whose IDs follow after, with their customers' names; of one customer, if given."""
    return fetch_all(
        """
        SELECT location_id, customer_id, name, address
        FROM locations
        JOIN customers USING (customer_id)
        WHERE location_id > %(after)s
          AND (%(customer_id)s::bigint IS NULL OR customer_id = %(customer_id)s)
        ORDER BY location_id
        LIMIT %(limit)s
        """,
        after=after, limit=limit, customer_id=customer_id,
    )


def find_locations(term: str, skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return locations by customer where address and the customer's name and phone number have every word of term."""
    return search(
        """
        WITH hit AS MATERIALIZED (
            SELECT locations.location_id
            FROM matching_locations(%(words)s, %(phones)s, %(phone_inside)s, %(account)s, %(most)s)
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            GROUP BY locations.location_id, customers.customer_id
            HAVING %(every)s::text[] IS NULL OR bool_or(by_number)
                OR concat_ws(' ', address_folded, name_folded, translate(phone_number, ' +().-/', ''),
                                    folded(account_number)) ~ ALL (%(every)s)
            LIMIT %(most)s
        )
        SELECT location_id, customer_id, name, address, (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        ORDER BY name_folded, location_id
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit,
    )


def update_location(
    location_id: int, address: str | None = None, *, seen: Mapping[str, Any] | None = None
) -> LocationRow:
    """Change a location's address; raise as update_customer, also when the customer has that address already."""
    row: LocationRow | None = write_one(
        """
        UPDATE locations
        SET address = coalesce(%(address)s, address)
        WHERE location_id = %(location_id)s
          AND (%(unseen)s OR %(address)s IS NULL OR address IN (%(address)s, %(seen_address)s))
        RETURNING location_id, customer_id, address
        """,
        location_id=location_id, address=address, **_seen(seen, "address"),
    )
    if row is None:
        raise Changed(get_location(location_id))
    return row


@retried
def location_contents(location_id: int) -> LocationContents:
    """Count what would go with a location: services, equipment."""
    with reading() as cur:
        return _location_contents(cur, location_id)


def _location_contents(cur: Cursor, location_id: int) -> LocationContents:
    cur.execute(
        """
        SELECT (SELECT count(*) FROM services WHERE location_id = %(location_id)s)  AS services,
               (SELECT count(*) FROM equipment WHERE location_id = %(location_id)s) AS equipment
        """,
        {"location_id": location_id},
    )
    return cur.row()  # type: ignore[return-value]


@retried
def delete_location(location_id: int, contents: LocationContents | None = None) -> None:
    """Delete a location with its services and equipment; contents and errors as in delete_customer."""
    with transaction() as cur:
        values = {"location_id": location_id}
        cur.execute("SELECT 1 FROM locations WHERE location_id = %(location_id)s FOR UPDATE", values)
        existing("location", location_id, cur.fetchone())
        if contents is not None and contents != _location_contents(cur, location_id):
            raise Conflict("The location's records changed while you were looking; nothing was deleted. Look again.")
        cur.execute("DELETE FROM locations WHERE location_id = %(location_id)s", values)


def add_service(location_id: int, service_name: str, cost: Decimal, started_on: date | None = None) -> int:
    """Subscribe a location to a service at a monthly cost and return the new ID.

    started_on is its first day; without one it was always there, and is billed from the first run that finds it.
    """
    return write_value(
        """
        INSERT INTO services (location_id, service_name, cost, started_on)
        VALUES (%(location_id)s, %(service_name)s, %(cost)s, %(started_on)s)
        RETURNING service_id
        """,
        location_id=location_id, service_name=service_name, cost=cost, started_on=started_on,
    )


def get_service(service_id: int) -> Service:
    """Return a service with its location's address and customer's name; raise NotFound if there is none."""
    return existing("service", service_id, fetch_one(
        """
        SELECT service_id, location_id, customer_id, name, address, service_name, cost, started_on, ended_on,
               standing,
               (SELECT coalesce(json_agg(json_build_object('from_day', from_day, 'cost', coming.cost::numeric(12,2))
                                         ORDER BY from_day), '[]')
                FROM coming_prices AS coming
                WHERE coming.service_id = services_today.service_id) AS coming_prices
        FROM services_today
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        WHERE service_id = %(service_id)s
        """,
        service_id=service_id,
    ))


def list_services(after: int = 0, limit: int = 100, customer_id: int | None = None) -> list[ServiceHit]:
    """Return the services whose IDs follow after, with their customers and addresses; of one customer, if given."""
    return fetch_all(
        """
        SELECT service_id, location_id, customer_id, name, address, service_name, cost, standing
        FROM services_today
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        WHERE service_id > %(after)s
          AND (%(customer_id)s::bigint IS NULL OR customer_id = %(customer_id)s)
        ORDER BY service_id
        LIMIT %(limit)s
        """,
        after=after, limit=limit, customer_id=customer_id,
    )


def find_services(term: str, skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return services by customer where name, address, and the customer's name and number have every word of term."""
    return search(
        """
        WITH hit AS MATERIALIZED (
            SELECT services.service_id
            FROM (
                SELECT service_id, by_number
                FROM matching_locations(%(words)s, %(phones)s, %(phone_inside)s, %(account)s, %(most)s)
                JOIN services USING (location_id)
                UNION ALL
                SELECT service_id, false
                FROM unnest(%(own_words)s::text[]) AS word (pattern)
                CROSS JOIN LATERAL (
                    SELECT service_id
                    FROM services
                    WHERE service_name_folded LIKE pattern
                      AND (%(every)s::text[] IS NULL OR service_name_folded ~ ALL (%(every)s))
                    LIMIT %(most)s
                ) AS named
            ) AS candidate
            JOIN services USING (service_id)
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            GROUP BY services.service_id, locations.location_id, customers.customer_id
            HAVING %(every)s::text[] IS NULL OR bool_or(by_number)
                OR concat_ws(' ', service_name_folded, address_folded, name_folded,
                                    translate(phone_number, ' +().-/', ''), folded(account_number)) ~ ALL (%(every)s)
            LIMIT %(most)s
        )
        SELECT service_id, location_id, customer_id, name, address, service_name, cost, standing,
               (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN services_today USING (service_id)
        JOIN locations USING (location_id)
        JOIN customers USING (customer_id)
        ORDER BY name_folded, service_id
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit, own_text=True,
    )


@retried
def update_service(
    service_id: int,
    service_name: str | None = None,
    cost: Decimal | None = None,
    started_on: date | Literal[""] | None = None,
    *,
    seen: Mapping[str, Any] | None = None,
) -> ServiceRow:
    """Change what is given and keep the rest; an empty first day is that of one that was always there; raise as
    update_customer.

    Another cost holds from today until the next change that is to come, and is for all days of a service that had none
    before today. What was billed of days before another first day, or was not from it on, is made good by the next run.
    """
    with transaction() as cur:
        cur.execute("SELECT FROM services WHERE service_id = %(service_id)s FOR NO KEY UPDATE",
                    {"service_id": service_id})
        if not cur.rowcount:
            raise NotFound("service", service_id)
        cur.execute(
            """
            UPDATE services
            SET service_name = coalesce(%(service_name)s, services.service_name)
            FROM services_today AS today
            WHERE services.service_id = %(service_id)s AND today.service_id = services.service_id
              AND (%(unseen)s OR %(service_name)s IS NULL
                   OR services.service_name IN (%(service_name)s, %(seen_service_name)s))
              AND (%(unseen)s OR %(cost)s IS NULL OR today.cost IN (%(cost)s, %(seen_cost)s))
              AND (%(unseen)s OR %(started_on)s IS NULL
                   OR services.started_on IS NOT DISTINCT FROM nullif(%(started_on)s::text, '')::date
                   OR services.started_on IS NOT DISTINCT FROM %(seen_started_on)s)
            """,
            {"service_id": service_id, "service_name": service_name, "cost": cost, "started_on": started_on,
             **_seen(seen, "service_name", "cost"), "seen_started_on": seen and seen.get("started_on")},
        )
        if cur.rowcount:
            return _with_cost_and_first_day(cur, service_id, cost, started_on)
    raise Changed(get_service(service_id))


def _with_cost_and_first_day(
    cur: Cursor, service_id: int, cost: Decimal | None, started_on: date | Literal[""] | None
) -> ServiceRow:
    """Change the cost first: days that a service only has by another first day never had the cost of before."""
    if cost is not None:
        cur.execute("SELECT change_prices(ARRAY[%(service_id)s]::bigint[], ARRAY[%(cost)s], CURRENT_DATE)",
                    {"service_id": service_id, "cost": cost})
    if started_on is not None:
        cur.execute("UPDATE services SET started_on = %(started_on)s WHERE service_id = %(service_id)s",
                    {"service_id": service_id, "started_on": started_on or None})
    cur.execute(
        """
        SELECT service_id, location_id, service_name, cost
        FROM services_today
        WHERE service_id = %(service_id)s
        """,
        {"service_id": service_id},
    )
    return cast(ServiceRow, cur.row())


def end_service(service_id: int, ended_on: date | None) -> ServiceRow:
    """Set the last day of a service, or with None let it go on; raise NotFound, and Conflict where it began later."""
    return existing("service", service_id, write_one(
        """
        UPDATE services
        SET ended_on = %(ended_on)s
        WHERE service_id = %(service_id)s
        RETURNING service_id, location_id, service_name, cost
        """,
        service_id=service_id, ended_on=ended_on,
    ))


def list_pauses(service_id: int) -> list[Pause]:
    """Return the pauses of a service, the first first."""
    return fetch_all(
        """
        SELECT service_pause_id, first_day, last_day
        FROM service_pauses
        WHERE service_id = %(service_id)s
        ORDER BY first_day
        """,
        service_id=service_id,
    )


def pause_service(service_id: int, first_day: date, last_day: date | None) -> int:
    """Let a service rest from a day to a day, or until further notice, and return the pause's ID.

    Raise Conflict where it is paused on some of these days already.
    """
    return write_value(
        """
        INSERT INTO service_pauses (service_id, first_day, last_day)
        VALUES (%(service_id)s, %(first_day)s, %(last_day)s)
        RETURNING service_pause_id
        """,
        service_id=service_id, first_day=first_day, last_day=last_day,
    )


def end_pause(service_pause_id: int, last_day: date | None) -> Pause:
    """Set the last day of a pause, or with None let it be until further notice; raise NotFound and Conflict."""
    return existing("pause", service_pause_id, write_one(
        """
        UPDATE service_pauses
        SET last_day = %(last_day)s
        WHERE service_pause_id = %(service_pause_id)s
        RETURNING service_pause_id, first_day, last_day
        """,
        service_pause_id=service_pause_id, last_day=last_day,
    ))


def delete_pause(service_pause_id: int) -> None:
    """Remove a pause, as if it had never been; raise NotFound if there is none."""
    gone: Row | None = write_one(
        "DELETE FROM service_pauses WHERE service_pause_id = %(service_pause_id)s RETURNING service_pause_id",
        service_pause_id=service_pause_id,
    )
    existing("pause", service_pause_id, gone)


def delete_service(service_id: int) -> None:
    """End a service; what was billed for it stays on its bills. Raise NotFound if there is none."""
    gone: Row | None = write_one(
        "DELETE FROM services WHERE service_id = %(service_id)s RETURNING service_id", service_id=service_id
    )
    existing("service", service_id, gone)


@retried
def add_equipment(location_id: int | None, equipment_name: str, serial_number: str | None, cost: Decimal) -> int:
    """Place equipment at a location, or in stock, and return the new ID; raise Conflict when its serial is taken."""
    with transaction() as cur:
        return insert_equipment(cur, location_id, equipment_name, serial_number, cost)


def insert_equipment(
    cur: Cursor, location_id: int | None, equipment_name: str, serial_number: str | None, cost: Decimal
) -> int:
    """Do what add_equipment does; one of several devices that shared a serial number before has taken it, too: the new
    one has its serial_repeat.
    """
    cur.execute(
        """
        INSERT INTO equipment (location_id, equipment_name, serial_number, cost, serial_repeat)
        VALUES (%(location_id)s, %(equipment_name)s, %(serial_number)s, %(cost)s,
                coalesce((SELECT min(serial_repeat)
                          FROM equipment
                          WHERE serial_key(serial_number) = serial_key(%(serial_number)s)), 0))
        RETURNING equipment_id
        """,
        {"location_id": location_id, "equipment_name": equipment_name, "serial_number": serial_number, "cost": cost},
    )
    equipment_id: int = cur.row()["equipment_id"]
    return equipment_id


def get_equipment(equipment_id: int) -> Equipment:
    """Return equipment with where it is and whose that is; raise NotFound if there is none."""
    return existing("equipment", equipment_id, fetch_one(
        """
        SELECT equipment_id, location_id, customer_id, name, address, equipment_name, serial_number, cost, retired_on,
               coalesce(address, CASE WHEN retired_on IS NULL THEN 'in stock' ELSE 'written off' END) AS place
        FROM equipment
        LEFT JOIN locations USING (location_id)
        LEFT JOIN customers USING (customer_id)
        WHERE equipment_id = %(equipment_id)s
        """,
        equipment_id=equipment_id,
    ))


def list_equipment(after: int = 0, limit: int = 100, customer_id: int | None = None) -> list[Equipment]:
    """Return the equipment whose IDs follow after, with where it is and whose that is; of one customer, if given."""
    return fetch_all(
        """
        SELECT equipment_id, location_id, customer_id, name, address, equipment_name, serial_number, cost, retired_on,
               coalesce(address, CASE WHEN retired_on IS NULL THEN 'in stock' ELSE 'written off' END) AS place
        FROM equipment
        LEFT JOIN locations USING (location_id)
        LEFT JOIN customers USING (customer_id)
        WHERE equipment_id > %(after)s
          AND (%(customer_id)s::bigint IS NULL OR customer_id = %(customer_id)s)
        ORDER BY equipment_id
        LIMIT %(limit)s
        """,
        after=after, limit=limit, customer_id=customer_id,
    )


def find_equipment(term: str, skip: int = 0, limit: int = MOST_HITS, *, in_stock: bool = False) -> Hits:
    """Return equipment by customer that has this serial number, or where name, address, and the customer's name and
    number have every word of term; what is at nobody's comes last. With in_stock only what is there.
    """
    return search(
        """
        WITH hit AS MATERIALIZED (
            SELECT equipment.equipment_id
            FROM (
                SELECT equipment_id, by_number
                FROM matching_locations(%(words)s, %(phones)s, %(phone_inside)s, %(account)s, %(most)s)
                JOIN equipment USING (location_id)
                UNION ALL
                SELECT equipment_id, true
                FROM equipment
                WHERE serial_key(serial_number) LIKE %(serial)s OR serial_number ILIKE %(inside)s
                UNION ALL
                SELECT equipment_id, false
                FROM unnest(%(own_words)s::text[]) AS word (pattern)
                CROSS JOIN LATERAL (
                    SELECT equipment_id
                    FROM equipment
                    WHERE equipment_name_folded LIKE pattern
                      AND (%(every)s::text[] IS NULL OR equipment_name_folded ~ ALL (%(every)s))
                      AND (NOT %(in_stock)s OR location_id IS NULL AND retired_on IS NULL)
                    LIMIT %(most)s
                ) AS named
            ) AS candidate
            JOIN equipment USING (equipment_id)
            LEFT JOIN locations USING (location_id)
            LEFT JOIN customers USING (customer_id)
            WHERE NOT %(in_stock)s OR location_id IS NULL AND retired_on IS NULL
            GROUP BY equipment.equipment_id, locations.location_id, customers.customer_id
            HAVING %(every)s::text[] IS NULL OR bool_or(by_number)
                OR concat_ws(' ', equipment_name_folded, folded(serial_number), address_folded, name_folded,
                                    translate(phone_number, ' +().-/', ''), folded(account_number)) ~ ALL (%(every)s)
            LIMIT %(most)s
        )
        SELECT equipment_id, location_id, customer_id, name, address, equipment_name, serial_number, cost, retired_on,
               coalesce(address, CASE WHEN retired_on IS NULL THEN 'in stock' ELSE 'written off' END) AS place,
               (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN equipment USING (equipment_id)
        LEFT JOIN locations USING (location_id)
        LEFT JOIN customers USING (customer_id)
        ORDER BY name_folded, retired_on NULLS FIRST, equipment_id
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit, own_text=True, in_stock=in_stock,
    )


def find_unplaced(term: str, skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return equipment in stock, then what is written off, that has this serial number or a part of it."""
    return search(
        """
        WITH hit AS MATERIALIZED (
            SELECT equipment_id
            FROM equipment
            WHERE (serial_key(serial_number) LIKE %(serial)s OR serial_number ILIKE %(inside)s) AND location_id IS NULL
            LIMIT %(most)s
        )
        SELECT equipment_id, location_id, NULL::bigint AS customer_id, NULL AS name, NULL AS address, equipment_name,
               serial_number, cost, retired_on,
               CASE WHEN retired_on IS NULL THEN 'in stock' ELSE 'written off' END AS place,
               (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN equipment USING (equipment_id)
        ORDER BY retired_on NULLS FIRST, equipment_id
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit,
    )


def serial_holder(serial_number: str) -> Equipment | None:
    """Return the equipment that has a serial number, however it is written, or None."""
    return fetch_one(
        """
        SELECT equipment_id, location_id, customer_id, name, address, equipment_name, serial_number, cost, retired_on,
               coalesce(address, CASE WHEN retired_on IS NULL THEN 'in stock' ELSE 'written off' END) AS place
        FROM equipment
        LEFT JOIN locations USING (location_id)
        LEFT JOIN customers USING (customer_id)
        WHERE serial_key(serial_number) = serial_key(%(serial_number)s)
        ORDER BY equipment_id
        """,
        serial_number=serial_number,
    )


def update_equipment(
    equipment_id: int,
    equipment_name: str | None = None,
    serial_number: str | None = None,
    cost: Decimal | None = None,
    *,
    seen: Mapping[str, Any] | None = None,
) -> EquipmentRow:
    """Change what is given and keep the rest; an empty serial number takes it away. Raise as update_customer."""
    row: EquipmentRow | None = write_one(
        """
        UPDATE equipment
        SET equipment_name = coalesce(%(equipment_name)s, equipment_name),
            serial_number = nullif(coalesce(%(serial_number)s, serial_number), ''),
            serial_repeat = CASE
                WHEN %(serial_number)s IS NULL OR serial_key(%(serial_number)s) = serial_key(serial_number)
                THEN serial_repeat
                ELSE coalesce((SELECT min(other.serial_repeat)
                               FROM equipment AS other
                               WHERE serial_key(other.serial_number) = serial_key(%(serial_number)s)), 0)
            END,
            cost = coalesce(%(cost)s, cost)
        WHERE equipment_id = %(equipment_id)s
          AND (%(unseen)s OR %(equipment_name)s IS NULL
               OR equipment_name IN (%(equipment_name)s, %(seen_equipment_name)s))
          AND (%(unseen)s OR %(serial_number)s IS NULL
               OR coalesce(serial_number, '') IN (%(serial_number)s, coalesce(%(seen_serial_number)s, '')))
          AND (%(unseen)s OR %(cost)s IS NULL OR cost IN (%(cost)s, %(seen_cost)s))
        RETURNING equipment_id, location_id, equipment_name, serial_number, cost
        """,
        equipment_id=equipment_id, equipment_name=equipment_name, serial_number=serial_number, cost=cost,
        **_seen(seen, "equipment_name", "serial_number", "cost"),
    )
    if row is None:
        raise Changed(get_equipment(equipment_id))
    return row


def delete_equipment(equipment_id: int) -> None:
    """Delete a piece of equipment; raise NotFound if there is none."""
    gone: Row | None = write_one(
        "DELETE FROM equipment WHERE equipment_id = %(equipment_id)s RETURNING equipment_id", equipment_id=equipment_id
    )
    existing("equipment", equipment_id, gone)


@retried
def add_bill(customer_id: int, description: str, amount: Decimal, due_date: date) -> NewBill:
    """Bill a customer by hand; their credit pays it at once, as far as it goes."""
    with transaction() as cur:
        cur.execute(
            """
            INSERT INTO billing (customer_id, description, amount_billed, due_date)
            VALUES (%(customer_id)s, %(description)s, %(amount)s, %(due_date)s)
            RETURNING billing_id
            """,
            {"customer_id": customer_id, "description": description, "amount": amount, "due_date": due_date},
        )
        billing_id: int = cur.row()["billing_id"]
        _insert_item(cur, billing_id, description, amount)
        apply_credit(cur, customer_id)
        cur.execute("SELECT amount_paid FROM billing WHERE billing_id = %(billing_id)s", {"billing_id": billing_id})
        return NewBill(billing_id, cur.row()["amount_paid"])


def _insert_item(cur: Cursor, billing_id: int, description: str, amount: Decimal) -> None:
    cur.execute(
        """
        INSERT INTO billing_items (billing_id, description, amount)
        VALUES (%(billing_id)s, %(description)s, %(amount)s)
        """,
        {"billing_id": billing_id, "description": description, "amount": amount},
    )


def apply_credit(cur: Cursor, customer_id: int) -> None:
    """Spend a customer's credit on their unpaid bills, the one due first first."""
    cur.execute("SELECT apply_credit(ARRAY[%(customer_id)s]::bigint[])", {"customer_id": customer_id})


@retried
def get_bill(billing_id: int) -> Bill:
    """Return a bill with its customer's name and, under items, its lines; raise NotFound if there is none."""
    with reading() as cur:
        return _bill(cur, billing_id)


def _bill(cur: Cursor, billing_id: int) -> Bill:
    cur.execute(
        """
        SELECT billing_id, customer_id, name, description, period, issued_on, due_date, amount_billed, amount_paid,
               amount_due, last_payment_date, is_late, days_late, cancelled_on,
               (SELECT json_agg(json_build_object('description', item.description, 'amount', item.amount::numeric(12,2))
                                ORDER BY billing_item_id)
                FROM billing_items AS item
                WHERE item.billing_id = billing_status.billing_id) AS items
        FROM billing_status
        JOIN customers USING (customer_id)
        WHERE billing_id = %(billing_id)s
        """,
        {"billing_id": billing_id},
    )
    return cast(Bill, existing("bill", billing_id, cur.fetchone()))


def list_bills(before: int = 0, limit: int = 100, customer_id: int | None = None) -> list[BillHit]:
    """Return bills, or one customer's, with their customers' names, the newest first; deleted ones with one customer's.

    before is the ID of the last one shown.
    """
    return fetch_all(
        """
        SELECT billing_id, customer_id, name, description, due_date, amount_billed, amount_due, last_payment_date,
               is_late, days_late, cancelled_on
        FROM billing_status
        JOIN customers USING (customer_id)
        WHERE (%(before)s = 0 OR billing_id < %(before)s)
          AND (%(customer_id)s::bigint IS NULL OR customer_id = %(customer_id)s)
          AND (%(customer_id)s::bigint IS NOT NULL OR cancelled_on IS NULL)
        ORDER BY billing_id DESC
        LIMIT %(limit)s
        """,
        before=before, limit=limit, customer_id=customer_id,
    )


def find_bills(term: str, skip: int = 0, limit: int = MOST_HITS) -> Hits:
    """Return bills, unpaid first, newest first, where description, due date, amount, and the customer's name, phone
    number and addresses have every word of term.
    """
    return search(
        """
        WITH account AS (
            SELECT customer_id, bool_or(by_number) AS by_number
            FROM matching_accounts(%(words)s, %(phones)s, %(phone_inside)s, %(account)s, %(most)s)
            GROUP BY customer_id
        ), hit AS MATERIALIZED (
            (SELECT billing_id
             FROM account
             JOIN billing USING (customer_id)
             JOIN customers USING (customer_id)
             WHERE cancelled_on IS NULL AND (%(every)s::text[] IS NULL OR by_number
                OR concat_ws(' ', folded(description), folded(due_date || ' ' || amount_billed::numeric(12,2)),
                                    name_folded, translate(phone_number, ' +().-/', ''), folded(account_number),
                                    (SELECT string_agg(address_folded, ' ')
                                     FROM locations
                                     WHERE locations.customer_id = customers.customer_id)) ~ ALL (%(every)s))
             LIMIT %(most)s)
            UNION
            (SELECT billing_id
             FROM unnest(%(own_words)s::text[]) AS word (pattern)
             JOIN billing ON folded(description) LIKE pattern
             WHERE period IS NULL AND cancelled_on IS NULL
               AND (%(every)s::text[] IS NULL OR folded(description) ~ ALL (%(every)s))
             LIMIT %(most)s)
            UNION
            (SELECT billing_id
             FROM billing
             WHERE period = ANY (%(periods)s) AND cancelled_on IS NULL
             LIMIT %(most)s)
            UNION
            (SELECT billing_id
             FROM billing
             WHERE description ILIKE %(inside)s AND cancelled_on IS NULL
             LIMIT %(most)s)
            LIMIT %(most)s
        )
        SELECT billing_id, customer_id, name, description, due_date, amount_billed, amount_due, last_payment_date,
               is_late, days_late, cancelled_on, (SELECT count(*) FROM hit) AS hits
        FROM hit
        JOIN billing_status USING (billing_id)
        JOIN customers USING (customer_id)
        ORDER BY amount_due > 0 DESC, due_date DESC, billing_id DESC
        OFFSET %(skip)s
        LIMIT %(limit)s
        """,
        term, skip, limit, own_text=True, periods=_months(term),
    )


def _months(term: str) -> list[date]:
    """Return the first days of the months that a search term names, such as november, nov 2026 or 2026-11."""
    rows: list[Row] = fetch_all(
        """
        SELECT month::date AS period
        FROM generate_series(date_trunc('month', CURRENT_DATE) - interval '10 years',
                             date_trunc('month', CURRENT_DATE) + interval '1 year', interval '1 month') AS month
        WHERE NOT EXISTS (
            SELECT FROM regexp_split_to_table(folded(%(term)s), ' ') AS word
            WHERE strpos(folded(to_char(month, 'FMMonth YYYY YYYY-MM')), word) = 0
        )
        """,
        term=term,
    )
    return [row["period"] for row in rows]


@retried
def update_bill(
    billing_id: int,
    description: str | None = None,
    amount: Decimal | None = None,
    due_date: date | None = None,
    *,
    seen: Mapping[str, Any] | None = None,
) -> Bill:
    """Change what is given and keep the rest; a changed amount is a line of its own, of today where the bill is older.

    What was paid above the new amount is credit, the latest first. Raise as update_customer, and Conflict when that was
    written off.
    """
    with transaction() as cur:
        before = _lock_bill(cur, billing_id)
        if amount is not None and amount < before["amount_paid"]:
            _refuse_written_off(cur, [billing_id])
            release(cur, before["amount_paid"] - amount, billing_id=billing_id)
        cur.execute(
            """
            UPDATE billing
            SET description = coalesce(%(description)s, description),
                amount_billed = coalesce(%(amount)s, amount_billed),
                due_date = coalesce(%(due_date)s, due_date)
            WHERE billing_id = %(billing_id)s
              AND (%(unseen)s OR %(description)s IS NULL OR description IN (%(description)s, %(seen_description)s))
              AND (%(unseen)s OR %(amount)s IS NULL OR amount_billed IN (%(amount)s, %(seen_amount_billed)s))
              AND (%(unseen)s OR %(due_date)s IS NULL OR due_date IN (%(due_date)s, %(seen_due_date)s))
            RETURNING amount_billed
            """,
            {"billing_id": billing_id, "description": description, "amount": amount, "due_date": due_date,
             **_seen(seen, "description", "amount_billed", "due_date")},
        )
        row = cur.fetchone()
        if row is None:
            raise Changed(_bill(cur, billing_id))
        cur.execute(
            """
            INSERT INTO billing_items (billing_id, description, amount, booked_on)
            SELECT billing_id, 'Adjustment', %(amount)s - lines.amount,
                   CASE WHEN issued_on < CURRENT_DATE THEN CURRENT_DATE END
            FROM billing
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount), 0) AS amount
                FROM billing_items
                WHERE billing_items.billing_id = billing.billing_id
            ) AS lines
            WHERE billing_id = %(billing_id)s AND lines.amount <> %(amount)s
            """,
            {"billing_id": billing_id, "amount": amount},
        )
        if row["amount_billed"] != before["amount_billed"]:
            apply_credit(cur, before["customer_id"])
        return _bill(cur, billing_id)


def release(cur: Cursor, amount: Decimal, billing_id: int | None = None, payment_id: int | None = None) -> None:
    """Release that much of what is allocated to a bill, or of what a payment has paid of bills, the latest first.

    An allocation of which a part stays is released whole, and made anew over that part.
    """
    cur.execute(
        """
        WITH latest AS (
            SELECT *
            FROM (
                SELECT payment_allocation_id, payment_id, billing_id, allocation.amount, from_credit,
                       sum(allocation.amount) OVER (
                           ORDER BY coalesce(made_on, paid_on) DESC, payment_allocation_id DESC
                       ) AS upto
                FROM payment_allocations AS allocation
                JOIN payments USING (payment_id)
                WHERE (billing_id = %(billing_id)s OR payment_id = %(payment_id)s)
                  AND billing_id IS NOT NULL AND released_on IS NULL AND voided_at IS NULL
            ) AS allocation
            WHERE upto - amount < %(amount)s
        ), released AS (
            UPDATE payment_allocations
            SET released_on = CURRENT_DATE
            WHERE payment_allocation_id IN (SELECT payment_allocation_id FROM latest)
        )
        INSERT INTO payment_allocations (payment_id, billing_id, amount, from_credit, made_on)
        SELECT payment_id, billing_id, upto - %(amount)s, from_credit, CURRENT_DATE
        FROM latest
        WHERE upto > %(amount)s
        """,
        {"amount": amount, "billing_id": billing_id, "payment_id": payment_id},
    )


def _lock_bill(cur: Cursor, billing_id: int) -> _LockedBill:
    """Lock a bill's account, then the bill: the order of every writer of money.

    FOR UPDATE, because a bill run holds the key of each customer that it bills: it must not miss a payment. The bill,
    too, because psql changes and pays bills without their accounts. Raise Conflict for one that is deleted.
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
        SELECT billing_id, customer_id, amount_billed, amount_paid, cancelled_on
        FROM billing
        WHERE billing_id = %(billing_id)s
        FOR UPDATE
        """,
        {"billing_id": billing_id},
    )
    bill = cast(_LockedBill, existing("bill", billing_id, cur.fetchone()))
    if bill["cancelled_on"]:
        raise Conflict(deleted(bill))
    return bill


def deleted(bill: Bill | _LockedBill) -> str:
    """Say since when a bill is deleted."""
    return f"Bill {bill['billing_id']} was deleted on {bill['cancelled_on']}."


@retried
def delete_bill(billing_id: int) -> Decimal:
    """Delete a bill and return what had been paid on it, which is the customer's credit again; see cancel_bills."""
    with transaction() as cur:
        bill = _lock_bill(cur, billing_id)
        cancel_bills(cur, [billing_id])
        return bill["amount_paid"]


def cancel_bills(cur: Cursor, ids: list[int]) -> None:
    """Delete bills: what was paid on them is credit again, which pays what else their customers have to pay.

    One that was issued on an earlier day stays, over nothing, for the reports of the days until now. The credit notes
    that bills of less than nothing made are void. Raise Conflict where a write-off pays one, or such a credit note was
    refunded.
    """
    customer_ids = _lock_bills(cur, ids)
    _refuse_written_off(cur, ids)
    _void_credit_notes_of(cur, ids)
    cur.execute(
        """
        DELETE FROM billing
        WHERE billing_id = ANY (%(ids)s) AND issued_on >= CURRENT_DATE
        """,
        {"ids": ids},
    )
    cur.execute(
        """
        UPDATE payment_allocations
        SET released_on = CURRENT_DATE
        WHERE billing_id = ANY (%(ids)s) AND released_on IS NULL
        """,
        {"ids": ids},
    )
    cur.execute(
        """
        WITH item AS (
            INSERT INTO billing_items (billing_id, description, amount, booked_on)
            SELECT billing_id, 'Deleted', -amount_billed, CURRENT_DATE
            FROM billing
            WHERE billing_id = ANY (%(ids)s) AND amount_billed > 0 AND cancelled_on IS NULL
        )
        UPDATE billing
        SET amount_billed = 0, cancelled_on = CURRENT_DATE
        WHERE billing_id = ANY (%(ids)s) AND cancelled_on IS NULL
        """,
        {"ids": ids},
    )
    cur.execute("SELECT apply_credit(%(customer_ids)s)", {"customer_ids": customer_ids})


def _lock_bills(cur: Cursor, ids: list[int]) -> list[int]:
    """Lock the accounts of bills, then the bills, as _lock_bill does, and return the customers' IDs."""
    cur.execute(
        """
        SELECT array_agg(customer_id) AS ids
        FROM (
            SELECT customer_id
            FROM customers
            WHERE customer_id IN (SELECT customer_id FROM billing WHERE billing_id = ANY (%(ids)s))
            ORDER BY customer_id
            FOR UPDATE
        ) AS account
        """,
        {"ids": ids},
    )
    customer_ids: list[int] = cur.row()["ids"] or []
    cur.execute(
        """
        SELECT count(*)
        FROM (SELECT 1 FROM billing WHERE billing_id = ANY (%(ids)s) ORDER BY billing_id FOR UPDATE) AS bill
        """,
        {"ids": ids},
    )
    return customer_ids


def _refuse_written_off(cur: Cursor, ids: list[int]) -> None:
    """Raise Conflict where a write-off pays one of these bills, whose sum nobody owes and nobody can have as credit."""
    cur.execute(
        """
        SELECT billing_id, payment_id
        FROM payment_allocations
        JOIN payments USING (payment_id)
        WHERE billing_id = ANY (%(ids)s) AND kind = 'write-off' AND released_on IS NULL AND voided_at IS NULL
        ORDER BY billing_id, payment_id
        LIMIT 1
        """,
        {"ids": ids},
    )
    if row := cur.fetchone():
        raise Conflict(f"Bill {row['billing_id']} was written off by write-off {row['payment_id']}; void that first.",
                       "amount")


def _void_credit_notes_of(cur: Cursor, ids: list[int]) -> None:
    cur.execute(
        """
        SELECT payment_id, refund_id
        FROM payments
        JOIN payment_allocations USING (payment_id)
        WHERE from_bill = ANY (%(ids)s) AND voided_at IS NULL AND refund_id IS NOT NULL AND released_on IS NULL
        ORDER BY payment_id, refund_id
        LIMIT 1
        """,
        {"ids": ids},
    )
    if row := cur.fetchone():
        raise Conflict(f"Credit note {row['payment_id']} was refunded by refund {row['refund_id']}; void that first.")
    cur.execute(
        """
        UPDATE payments
        SET void_reason = 'Its bill was deleted'
        WHERE from_bill = ANY (%(ids)s) AND voided_at IS NULL
        """,
        {"ids": ids},
    )
