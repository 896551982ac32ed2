"""Four logins on one database: its owner, who is no superuser; an admin; a reader; and one with no right at all."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from catalogue import catalogue
from conftest import named, numbers, there_since

import database
from tracker import access, payments

KINDS = ("owner", "admin", "reader", "nobody")
DAY = date(2026, 1, 31)
# Two lines of a bank's file that nobody has decided on.
BANK = """
    INSERT INTO bank_formats (name, format)
    VALUES ('Sparkasse', '{"encoding": "", "delimiter": "", "has_header": true, "columns": {}, "decimal": "",
                           "days": ""}');
    INSERT INTO bank_lines (key, booked_on, amount, payer, payer_account, reference, file_name, line)
    SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, '2026-01-15', 5, 'Ada Okafor', 'DE89', 'Thanks',
           'january.csv', n + 1
    FROM generate_series(1, 2) AS n
"""
BEFORE_15 = 150000


def session(uri: str, **more: str) -> Any:
    """Open a session as psql would, each statement its own transaction."""
    conn = psycopg2.connect(uri, cursor_factory=psycopg2.extras.RealDictCursor, **more)
    conn.autocommit = True
    return conn


def run(uri: str, statement: str) -> list[dict[str, Any]]:
    with contextlib.closing(session(uri)) as conn, conn.cursor() as cur:
        cur.execute(statement)
        return cur.fetchall() if cur.description else []


def name_of(uri: str) -> str:
    return psycopg2.extensions.parse_dsn(uri)["user"]


def make_database(server_uri: str, admin: Callable[[str], None], name: str, owner: str) -> str:
    """Make an empty database of somebody's, with the schema public, and return its URI for the server's superuser."""
    admin(f"CREATE DATABASE {name} OWNER {owner}")
    uri = named(server_uri, name)
    if admin.__self__.connection.server_version < BEFORE_15:
        run(uri, f"ALTER SCHEMA public OWNER TO {owner}")
    return uri


def close_to_all(uri: str, owner: str) -> None:
    """Take from everybody, as a superuser, what the owner is told that only a superuser can take."""
    database.connect(owner)
    statements = access.means()["open_to_all"]
    database.disconnect()
    for statement in statements:
        run(uri, statement)


@contextlib.contextmanager
def four_logins(server_uri: str, admin: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Make a database as its owner's first run does, and yield its URI for each of KINDS and for the superuser."""
    number = next(numbers)
    names = {kind: f"isp_test_{os.getpid()}_{number}_{kind}" for kind in KINDS}
    for name in names.values():
        admin(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    dbname = f"isp_test_{os.getpid()}_{number}"
    uri = make_database(server_uri, admin, dbname, names["owner"])
    uris = {kind: psycopg2.extensions.make_dsn(uri, user=name, password="x") for kind, name in names.items()}
    try:
        close_to_all(uri, uris["owner"])
        admin(f"GRANT isp_admin TO {names['admin']}; GRANT isp_readonly TO {names['reader']}")
        yield {**uris, "superuser": uri}
    finally:
        database.disconnect()
        admin(f"DROP DATABASE {dbname} WITH (FORCE)")
        for name in names.values():
            admin(f"DROP ROLE {name}")


def fill(uri: str) -> None:
    """One of everything, with the number 1, a second customer with a void payment, a third with nothing, and a site
    that was deleted.
    """
    database.connect(uri)
    customer_id = database.add_customer("Ada Okafor", "+44 20 7946 0958")
    location_id = database.add_location(customer_id, "1 Harbour Street")
    database.add_service(location_id, "Fibre", Decimal("49.90"))
    database.add_equipment(location_id, "Router", "S-1", Decimal(120))
    database.add_bill(customer_id, "Setup", Decimal(30), DAY)
    payments.record_payment(customer_id, Decimal(4), DAY, "cash", "R-1", UUID(int=1))
    database.add_bill(database.add_customer("Bo Li", "5550100"), "Repair", Decimal(10), DAY)
    payments.record_payment(2, Decimal(25), DAY, "card", None, UUID(int=3))
    void = payments.record_payment(2, Decimal(5), DAY, "card", None, UUID(int=4))
    payments.void_payment(void["payment_id"], "typo")
    database.add_customer("Cy Dee", None)
    second = database.add_location(customer_id, "7 Side Street")
    database.add_service(second, "TV", Decimal(5))
    database.add_equipment(second, "TV", "S-2", Decimal(5))
    database.update_customer(customer_id, "Ada Okafor-Li")
    database.delete_location(second)
    with database.transaction() as cur:
        cur.execute(BANK)
    there_since()
    database.disconnect()


TABLES = """
    SELECT relname AS name
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    ORDER BY relname
"""
ELSEWHERE = """
    SELECT jsonb_build_array(
        (SELECT jsonb_agg(to_jsonb(pg_roles) - 'rolpassword' ORDER BY rolname) FROM pg_roles WHERE rolname ~ %(names)s),
        (SELECT jsonb_agg(concat_ws(' ', roleid::regrole, member::regrole, admin_option) ORDER BY roleid, member)
         FROM pg_auth_members WHERE member::regrole::text ~ %(names)s),
        (SELECT count(*) FROM pg_largeobject_metadata),
        (SELECT jsonb_agg(to_jsonb(pg_default_acl)) FROM pg_default_acl),
        (SELECT jsonb_agg(jsonb_build_array(datdba, datacl, datconnlimit)) FROM pg_database
         WHERE datname = current_database()),
        (SELECT jsonb_agg(to_jsonb(pg_db_role_setting)) FROM pg_db_role_setting
         WHERE setrole IN (SELECT oid FROM pg_roles WHERE rolname ~ %(names)s)
            OR setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())),
        (SELECT jsonb_agg(nspname ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'),
        (SELECT jsonb_agg(jsonb_build_array(sequencename, last_value) ORDER BY sequencename) FROM pg_sequences),
        (SELECT jsonb_agg(stxname) FROM pg_statistic_ext), (SELECT count(*) FROM pg_publication),
        (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_foreign_data_wrapper)
    )::text AS found
"""


def everything(uri: str) -> dict[str, str]:
    """Return all that is stored: each table's rows, what there is and how it is defined, and the logins' rights."""
    with contextlib.closing(session(uri)) as conn, conn.cursor() as cur:
        found = catalogue(cur)
        cur.execute(TABLES)
        for table in [row["name"] for row in cur.fetchall()]:
            cur.execute(f'SELECT jsonb_agg(to_jsonb(line) ORDER BY line::text)::text AS rows FROM "{table}" AS line')
            found[f"rows of {table}"] = str(cur.fetchone()["rows"])
        cur.execute(ELSEWHERE, {"names": rf"^isp_(test_{os.getpid()}_|readonly|admin)"})
        found["elsewhere"] = cur.fetchone()["found"]
        return found
