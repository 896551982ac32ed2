"""Attempts to get around the rights, in psql: each is refused, and nothing has changed."""
from __future__ import annotations

import contextlib
import io
import re
from decimal import Decimal
from uuid import UUID

import psycopg2
import pytest
from catalogue import differences
from conftest import run_program
from logins import DAY, KINDS, everything, fill, four_logins, name_of, run, session

import database
from tracker import payments
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

NOT_ALLOWED, SYNTAX_ERROR = "42501", "42601"
MERGE_SINCE = 150000
# What a login of either group tries. {me} is its name, {other} is the other's, {owner} the owner's, {db} the database.
BOTH = """
SET ROLE {owner}
SET SESSION AUTHORIZATION {owner}
SET SESSION AUTHORIZATION {other}
SET ROLE postgres
RESET ROLE; SET ROLE {owner}
RESET ALL; SET SESSION AUTHORIZATION DEFAULT; SET ROLE {owner}; DELETE FROM trail
SELECT set_config('role', '{owner}', false)
SELECT set_config('session_authorization', '{owner}', false)
ALTER ROLE {me} SET role = '{owner}'; SET ROLE {owner}
SET session_replication_role = replica
SELECT set_config('session_replication_role', 'replica', false)
ALTER ROLE {me} SET session_replication_role = 'replica'
ALTER DATABASE {db} SET session_replication_role = 'replica'
ALTER DATABASE {db} SET default_transaction_read_only = on
ALTER DATABASE {db} OWNER TO {me}
ALTER DATABASE {db} RENAME TO mine
ALTER DATABASE {db} CONNECTION LIMIT 0
DROP DATABASE {db}
CREATE DATABASE isp_mine
SET row_security = off; DELETE FROM trail
SET default_transaction_read_only = off; DELETE FROM trail
SET transaction_read_only = off; INSERT INTO trail (table_name, kind, ids, row_count) VALUES ('billing', 'added',
    '{{}}', 1)
SET search_path = pg_temp, public; DELETE FROM public.trail
SET log_statement = 'none'
SET lc_messages = 'C'; DELETE FROM trail
GRANT {owner} TO {me}
GRANT isp_readonly TO {me} WITH ADMIN OPTION
GRANT isp_admin TO {other}
GRANT isp_readonly TO {nobody}
REVOKE isp_admin FROM {admin}
GRANT pg_write_all_data TO {me}
GRANT pg_execute_server_program TO {me}
GRANT EXECUTE ON FUNCTION settle_bills(bigint[]) TO {me}
ALTER ROLE {me} CREATEROLE
ALTER ROLE {me} SUPERUSER
ALTER ROLE {me} BYPASSRLS
ALTER ROLE {me} REPLICATION
ALTER ROLE {me} VALID UNTIL 'infinity'
ALTER ROLE {me} CONNECTION LIMIT 100
ALTER ROLE {me} RENAME TO isp_mine
ALTER ROLE {other} PASSWORD 'y'
ALTER ROLE {other} NOLOGIN
ALTER ROLE {owner} PASSWORD 'y'
ALTER ROLE isp_admin SET default_transaction_read_only = on
ALTER ROLE isp_admin LOGIN PASSWORD 'y'
ALTER ROLE ALL SET statement_timeout = 1
CREATE ROLE isp_mine SUPERUSER
CREATE USER isp_mine IN ROLE {owner}
DROP ROLE {other}
DROP ROLE isp_admin
DROP OWNED BY {owner}
REASSIGN OWNED BY {owner} TO {me}
ALTER SYSTEM SET fsync = off
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_stat_reset()
SELECT pg_switch_wal()
SELECT pg_promote()
SELECT pg_create_restore_point('mine')
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{owner}'
SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = '{owner}'
SELECT pg_read_file('postgresql.conf')
SELECT pg_ls_dir('.')
SELECT pg_stat_file('postgresql.conf')
SELECT rolpassword FROM pg_authid
SELECT * FROM pg_shadow
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_largeobject
UPDATE pg_class SET relowner = (SELECT oid FROM pg_roles WHERE rolname = '{me}')
UPDATE pg_trigger SET tgenabled = 'D'
DELETE FROM pg_depend
COPY customers TO '/tmp/isp_stolen'
COPY customers FROM '/etc/passwd'
COPY customers TO PROGRAM 'cat'
COPY customers FROM PROGRAM 'echo 1'
COPY (SELECT 1) TO PROGRAM 'touch /tmp/isp_stolen'
COPY trail FROM STDIN
COPY billing (amount_paid) FROM STDIN
SELECT lo_create(0)
SELECT lo_creat(-1)
SELECT lo_from_bytea(0, 'x')
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/isp_stolen')
SELECT pg_logical_emit_message(true, 'x', 'x')
SELECT pg_create_logical_replication_slot('mine', 'test_decoding')
SELECT pg_create_physical_replication_slot('mine')
CREATE TABLE mine (x int)
CREATE TABLE public.mine AS SELECT * FROM customers
CREATE VIEW mine AS SELECT * FROM trail
CREATE MATERIALIZED VIEW mine AS SELECT * FROM trail
CREATE SEQUENCE mine
CREATE TYPE mine AS (x int)
CREATE DOMAIN mine AS int
CREATE FUNCTION folded(line varchar) RETURNS text LANGUAGE sql RETURN 'x'
CREATE OR REPLACE FUNCTION folded(line text) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'x'
CREATE OR REPLACE FUNCTION trail_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$
CREATE OR REPLACE FUNCTION settle_bills(ids bigint[]) RETURNS void LANGUAGE sql AS ''
CREATE OR REPLACE VIEW billing_status AS SELECT * FROM billing
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)
CREATE SCHEMA mine
CREATE SCHEMA {me}
DROP SCHEMA public CASCADE
ALTER SCHEMA public OWNER TO {me}
ALTER SCHEMA public RENAME TO mine
CREATE EXTENSION dblink
CREATE EXTENSION postgres_fdw
DROP EXTENSION pg_trgm CASCADE
ALTER EXTENSION pg_trgm UPDATE
CREATE FOREIGN DATA WRAPPER mine
CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION trail_added()
CREATE PUBLICATION mine FOR TABLE customers
CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler
CREATE TABLESPACE mine LOCATION '/tmp'
CREATE COLLATION public.mine FROM "C"
CREATE CAST (text AS bigint) WITH INOUT AS IMPLICIT
CREATE STATISTICS mine ON name, phone_number FROM customers
CREATE INDEX mine ON customers (name)
CREATE RULE mine AS ON INSERT TO trail DO INSTEAD NOTHING
CREATE POLICY mine ON trail USING (false)
CREATE TRIGGER mine BEFORE INSERT ON trail FOR EACH ROW EXECUTE FUNCTION never_emptied()
CREATE TRIGGER mine BEFORE INSERT ON trail FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER TABLE trail ENABLE ROW LEVEL SECURITY
ALTER TABLE customers DISABLE TRIGGER ALL
ALTER TABLE customers DISABLE TRIGGER USER
ALTER TABLE customers DISABLE TRIGGER trail_added
ALTER TABLE billing DISABLE TRIGGER billing_paid_sums
ALTER TABLE billing DROP CONSTRAINT billing_not_overpaid
ALTER TABLE billing ALTER amount_paid SET DEFAULT 5
ALTER TABLE billing ADD mine int
ALTER TABLE billing DROP COLUMN amount_paid
ALTER TABLE billing RENAME TO mine
ALTER TABLE billing OWNER TO {me}
ALTER TABLE trail OWNER TO {me}
ALTER TABLE trail SET (autovacuum_enabled = off)
ALTER TABLE trail SET UNLOGGED
ALTER TABLE trail SET SCHEMA pg_temp
ALTER TABLE customers REPLICA IDENTITY FULL
ALTER VIEW billing_status OWNER TO {me}
ALTER VIEW billing_status RENAME TO mine
ALTER FUNCTION trail_added() OWNER TO {me}
ALTER FUNCTION trail_added() SECURITY INVOKER
ALTER FUNCTION trail_added() RESET ALL
ALTER FUNCTION acting_person() SET search_path = pg_temp
ALTER DOMAIN money_amount DROP CONSTRAINT money_amount_exact
ALTER SEQUENCE customers_customer_id_seq RESTART WITH 1
ALTER SEQUENCE trail_trail_id_seq INCREMENT -1
ALTER TRIGGER trail_added ON customers RENAME TO mine
ALTER INDEX equipment_serial_once RENAME TO mine
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT ALL ON TABLES TO {me}
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT EXECUTE ON FUNCTIONS TO PUBLIC
COMMENT ON TABLE trail IS 'mine'
COMMENT ON DATABASE {db} IS 'mine'
COMMENT ON ROLE {other} IS 'mine'
DROP TRIGGER trail_added ON customers
DROP TRIGGER payment_allocations_added ON payment_allocations
DROP TABLE trail
DROP VIEW billing_status
DROP FUNCTION trail_added() CASCADE
DROP INDEX equipment_serial_once
DROP SEQUENCE trail_trail_id_seq CASCADE
TRUNCATE customers CASCADE
TRUNCATE locations CASCADE
TRUNCATE services
TRUNCATE equipment
TRUNCATE billing CASCADE
TRUNCATE billing_items
TRUNCATE payments CASCADE
TRUNCATE payment_allocations
TRUNCATE bank_lines CASCADE
TRUNCATE bank_formats
TRUNCATE trail
TRUNCATE work_locks
TRUNCATE verifications
TRUNCATE backups
TRUNCATE schema_version
REINDEX TABLE trail
BEGIN; LOCK TABLE trail IN ACCESS EXCLUSIVE MODE
BEGIN; LOCK TABLE trail IN SHARE MODE
BEGIN; LOCK TABLE schema_version IN ROW EXCLUSIVE MODE
SELECT * FROM trail FOR UPDATE
SELECT * FROM trail FOR KEY SHARE
SELECT * FROM schema_version FOR UPDATE
SELECT * FROM billing_status FOR UPDATE
INSERT INTO trail (table_name, kind, ids, row_count) VALUES ('billing', 'added', '{{}}', 1)
INSERT INTO trail DEFAULT VALUES
INSERT INTO trail OVERRIDING SYSTEM VALUE SELECT * FROM trail ON CONFLICT (trail_id) DO UPDATE SET login = 'x'
UPDATE trail SET login = 'x'
UPDATE trail SET person = 'x' WHERE false
UPDATE trail SET changed_at = now() - interval '11 years'
DELETE FROM trail
DELETE FROM trail WHERE false
WITH gone AS (DELETE FROM trail RETURNING *) SELECT * FROM gone
EXPLAIN ANALYZE DELETE FROM trail
PREPARE mine AS DELETE FROM trail; EXECUTE mine
DO $$ BEGIN DELETE FROM trail; END $$
DO $$ BEGIN EXECUTE 'TRUNCATE trail'; END $$
DECLARE mine CURSOR WITH HOLD FOR SELECT * FROM trail; DELETE FROM trail WHERE CURRENT OF mine
UPDATE billing_status SET amount_paid = 5
INSERT INTO billing_status (customer_id) VALUES (1)
DELETE FROM billing_status
MERGE INTO trail USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE
MERGE INTO billing USING (SELECT 1) AS one ON true WHEN MATCHED THEN UPDATE SET amount_paid = 5
UPDATE billing SET amount_paid = 5
UPDATE billing SET amount_paid = amount_paid
UPDATE billing SET amount_due = DEFAULT
UPDATE billing SET last_payment_date = '2026-01-01'
UPDATE billing SET customer_id = 2
UPDATE billing SET billing_id = DEFAULT
UPDATE billing SET period = '2026-01-01'
UPDATE billing SET issued_on = '2026-01-01'
UPDATE billing SET (description, amount_paid) = ('x', 5)
WITH paid AS (UPDATE billing SET amount_paid = 5 RETURNING *) SELECT * FROM paid
EXPLAIN ANALYZE UPDATE billing SET amount_paid = 5
PREPARE mine AS UPDATE billing SET amount_paid = 5; EXECUTE mine
DO $$ BEGIN UPDATE billing SET amount_paid = 5; END $$
INSERT INTO billing (customer_id, description, due_date, amount_billed, amount_paid) VALUES (1, 'x', '2026-01-31',
    5, 5)
INSERT INTO billing (billing_id, customer_id, description, due_date, amount_billed) OVERRIDING SYSTEM VALUE VALUES
    (9, 1, 'x', '2026-01-31', 5)
INSERT INTO billing (customer_id, period, description, due_date, amount_billed) VALUES (1, '2026-01-01', 'x',
    '2026-01-31', 5) ON CONFLICT
    (customer_id, (CASE WHEN cancelled_on IS NULL AND merged_from IS NULL THEN period END))
    DO UPDATE SET amount_paid = 5
UPDATE payments SET amount_allocated = 0
UPDATE payments SET amount = 500
UPDATE payments SET customer_id = 1
UPDATE payments SET recorded_by = 'x'
UPDATE payments SET recorded_at = '2020-01-01'
UPDATE payments SET paid_on = '2020-01-01'
UPDATE payments SET voided_on = '2020-01-01'
UPDATE payments SET entry_key = gen_random_uuid()
UPDATE payments SET payment_id = DEFAULT
UPDATE payments SET method = 'cash', reference = 'x'
UPDATE payments SET bank_line_id = 1
UPDATE bank_lines SET amount_booked = 5
UPDATE bank_lines SET amount = 500
UPDATE bank_lines SET key = gen_random_uuid()
UPDATE bank_lines SET doubt = NULL
UPDATE bank_lines SET imported_by = 'x'
UPDATE bank_lines SET set_aside_by = 'x'
INSERT INTO bank_lines (key, booked_on, amount, file_name, line, amount_booked) VALUES (gen_random_uuid(),
    '2026-01-31', 5, 'x', 1, 5)
INSERT INTO bank_lines (key, booked_on, amount, file_name, line, imported_by) VALUES (gen_random_uuid(),
    '2026-01-31', 5, 'x', 1, 'x')
INSERT INTO bank_lines (key, booked_on, amount, file_name, line, set_aside_on, set_aside_by) VALUES
    (gen_random_uuid(), '2026-01-31', 5, 'x', 1, '2026-01-31', 'x')
DELETE FROM bank_lines
UPDATE bank_formats SET name = 'x'
UPDATE bank_formats SET changed_by = 'x'
INSERT INTO bank_formats (name, format, changed_by) VALUES ('x', '{{}}', 'x')
DELETE FROM bank_formats
INSERT INTO payments (customer_id, amount, recorded_by) VALUES (1, 5, 'x')
INSERT INTO payments (customer_id, amount, recorded_at) VALUES (1, 5, '2020-01-01')
INSERT INTO payments (customer_id, amount, amount_allocated) VALUES (1, 5, 5)
INSERT INTO payments (customer_id, amount, voided_at, void_reason) VALUES (1, 5, now(), 'x')
INSERT INTO payments (payment_id, customer_id, amount) OVERRIDING SYSTEM VALUE VALUES (9, 1, 5)
UPDATE payment_allocations SET amount = 1
UPDATE payment_allocations SET billing_id = 2
DELETE FROM payment_allocations
INSERT INTO payment_allocations (payment_allocation_id, payment_id, billing_id, amount) OVERRIDING SYSTEM VALUE
    VALUES (9, 1, 1, 1)
UPDATE customers SET created_at = '2020-01-01'
UPDATE customers SET customer_id = DEFAULT
UPDATE customers SET name_folded = DEFAULT
INSERT INTO customers (name, created_at) VALUES ('x', '2020-01-01')
UPDATE locations SET customer_id = 2
UPDATE services SET location_id = 1
UPDATE equipment_moves SET to_place = 'mine'
INSERT INTO locations (location_id, customer_id, address) OVERRIDING SYSTEM VALUE VALUES (9, 1, 'x')
INSERT INTO services (service_id, location_id, service_name, cost) OVERRIDING SYSTEM VALUE VALUES (9, 1, 'x', 1)
INSERT INTO equipment (equipment_id, location_id, equipment_name, cost) OVERRIDING SYSTEM VALUE VALUES (9, 1, 'x', 1)
UPDATE billing_items SET amount = 1
DELETE FROM billing_items
UPDATE work_locks SET work = 'x'
INSERT INTO work_locks (work) VALUES ('x')
DELETE FROM work_locks
UPDATE verifications SET findings = 0
DELETE FROM verifications
INSERT INTO verifications (bills, payments, findings, person) VALUES (0, 0, 0, 'x')
INSERT INTO verifications (bills, payments, findings, verified_at) VALUES (0, 0, 0, now())
UPDATE backups SET taken_at = now()
DELETE FROM backups
INSERT INTO backups (taken_at, path, bytes, person) VALUES (now(), 'x', 1, 'x')
INSERT INTO backups (taken_at, path, bytes, checked_at) VALUES (now(), 'x', 1, now())
UPDATE schema_version SET version = 1
INSERT INTO schema_version (version) VALUES (99)
DELETE FROM schema_version
SELECT settle_bills(ARRAY[1])
SELECT settle_payments(ARRAY[1])
SELECT settle_bank_lines(ARRAY[1])
SELECT bank_lines_booked()
SELECT restore_rows('trail', 1, now(), false)
SELECT trail_added()
SELECT setval('customers_customer_id_seq', 1)
SELECT setval('trail_trail_id_seq', 1)
SELECT nextval('trail_trail_id_seq')
SELECT nextval('billing_billing_id_seq')
SELECT nextval('payments_payment_id_seq')
SELECT nextval('bank_lines_bank_line_id_seq')
SECURITY LABEL ON TABLE trail IS 'mine'
LISTEN mine; NOTIFY mine; DELETE FROM trail
"""
# What a reader tries beside that, most of which an admin may.
READER = """
SET ROLE isp_admin
SET ROLE {admin}
GRANT isp_admin TO {me}
CREATE TEMPORARY TABLE payments (x int)
CREATE TEMPORARY TABLE mine AS SELECT * FROM customers
CREATE TEMPORARY VIEW mine AS SELECT 1
CREATE TEMPORARY SEQUENCE mine
CREATE FUNCTION pg_temp.folded(line text) RETURNS text LANGUAGE sql RETURN 'x'
SELECT 1 AS x INTO TEMPORARY mine
INSERT INTO customers (name) VALUES ('x')
INSERT INTO customers (customer_id, name) OVERRIDING SYSTEM VALUE VALUES (99, 'x')
INSERT INTO payments (customer_id, amount) VALUES (1, 5)
INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (2, 1, 1)
COPY customers (name) FROM STDIN
UPDATE customers SET name = 'x'
UPDATE customers SET name = name WHERE false
UPDATE billing SET amount_billed = 1
UPDATE payments SET voided_at = now(), void_reason = 'x'
UPDATE payments SET voided_at = NULL, void_reason = NULL
DELETE FROM customers WHERE false
DELETE FROM payments
DELETE FROM equipment
WITH added AS (INSERT INTO customers (name) VALUES ('x') RETURNING *) SELECT * FROM added
MERGE INTO customers USING (SELECT 1) AS one ON false WHEN NOT MATCHED THEN INSERT (name) VALUES ('x')
EXPLAIN ANALYZE INSERT INTO customers (name) VALUES ('x')
PREPARE mine AS INSERT INTO customers (name) VALUES ('x'); EXECUTE mine
DO $$ BEGIN INSERT INTO customers (name) VALUES ('x'); END $$
BEGIN; SET TRANSACTION READ WRITE; DELETE FROM equipment
SELECT * FROM customers FOR UPDATE
SELECT * FROM customers FOR NO KEY UPDATE
SELECT * FROM customers FOR SHARE
SELECT * FROM customers FOR KEY SHARE
SELECT * FROM billing FOR UPDATE
SELECT * FROM payments FOR KEY SHARE
SELECT * FROM work_locks FOR UPDATE
SELECT * FROM work_locks FOR KEY SHARE
SELECT * FROM work_locks FOR UPDATE SKIP LOCKED
BEGIN; DECLARE mine CURSOR FOR SELECT * FROM customers FOR UPDATE
BEGIN; LOCK TABLE customers
BEGIN; LOCK TABLE customers IN ROW SHARE MODE
BEGIN; LOCK TABLE customers IN ROW EXCLUSIVE MODE
BEGIN; LOCK TABLE work_locks IN SHARE MODE
BEGIN; LOCK TABLE billing IN SHARE UPDATE EXCLUSIVE MODE
UPDATE work_locks SET taken_by = 'x'
INSERT INTO bank_lines (key, booked_on, amount, file_name, line) VALUES (gen_random_uuid(), '2026-01-31', 5, 'x', 1)
UPDATE bank_lines SET set_aside_on = '2026-01-31'
UPDATE bank_lines SET set_aside_on = NULL WHERE false
INSERT INTO bank_formats (name, format) VALUES ('x', '{{}}')
UPDATE bank_formats SET format = '{{}}'
INSERT INTO verifications (bills, payments, findings) VALUES (0, 0, 0)
INSERT INTO backups (taken_at, path, bytes) VALUES (now(), 'x', 1)
UPDATE backups SET checked_at = now()
SELECT apply_credit()
SELECT apply_credit(ARRAY[1])
SELECT apply_credit(NULL, ARRAY[1])
SELECT restore_deleted(transaction_id, changed_at, true) FROM trail WHERE kind = 'deleted'
SELECT nextval('customers_customer_id_seq')
SELECT last_value FROM customers_customer_id_seq FOR UPDATE
"""
# What an admin tries with the temporary tables that an import needs.
ADMIN = """
CREATE TEMPORARY TABLE mine (x int) INHERITS (billing)
CREATE TEMPORARY TABLE mine (billing_id bigint REFERENCES billing)
CREATE TEMPORARY TABLE mine (x int); ALTER TABLE billing INHERIT mine
CREATE TEMPORARY TABLE mine (x int); ALTER TABLE mine SET SCHEMA public
CREATE TEMPORARY TABLE customers (customer_id bigint); CREATE TRIGGER mine AFTER INSERT ON pg_temp.customers
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION trail_added('customer_id')
CREATE TEMPORARY TABLE customers (customer_id bigint); CREATE TRIGGER mine AFTER DELETE ON pg_temp.customers
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION trail_deleted('customer_id', '', '{{}}')
CREATE TEMPORARY TABLE mine (payment_id bigint, billing_id bigint); CREATE TRIGGER mine AFTER INSERT ON mine
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION allocations_changed()
CREATE TEMPORARY TABLE mine (bank_line_id bigint); CREATE TRIGGER mine AFTER INSERT ON mine
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION bank_lines_booked()
CREATE TEMPORARY TABLE mine (payment_id bigint); CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE
    FUNCTION payment_changed()
CREATE TEMPORARY TABLE mine (x int); CREATE FUNCTION pg_temp.pay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE billing SET amount_paid = 5; RETURN NULL; END $$; CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW
    EXECUTE FUNCTION pg_temp.pay(); INSERT INTO mine VALUES (1)
CREATE TEMPORARY TABLE mine (x int); CREATE FUNCTION pg_temp.pay() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN UPDATE public.payments SET amount_allocated = 0; RETURN NULL; END $$; CREATE TRIGGER mine AFTER
    INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.pay(); INSERT INTO mine VALUES (1)
CREATE FUNCTION pg_temp.pay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER mine
    BEFORE INSERT ON trail FOR EACH ROW EXECUTE FUNCTION pg_temp.pay()
CREATE FUNCTION pg_temp.pay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER mine
    BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION pg_temp.pay()
CREATE TEMPORARY VIEW mine AS SELECT * FROM billing; UPDATE mine SET amount_paid = 5
CREATE TEMPORARY VIEW mine AS SELECT * FROM trail; DELETE FROM mine
CREATE FUNCTION pg_temp.pay() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.trail'; SELECT
    pg_temp.pay()
CREATE TEMPORARY TABLE mine AS SELECT * FROM billing; CREATE RULE mine AS ON DELETE TO mine DO INSTEAD UPDATE
    billing SET amount_paid = 5; DELETE FROM mine
GRANT isp_admin TO {me} WITH ADMIN OPTION
SET ROLE isp_admin; ALTER TABLE trail OWNER TO isp_admin
SET ROLE isp_admin; DELETE FROM trail
SET ROLE isp_readonly; INSERT INTO customers (name) VALUES ('x')
SET ROLE isp_admin; GRANT isp_admin TO {reader}
ALTER TABLE customers ALTER customer_id RESTART WITH 1
BEGIN; LOCK TABLE trail IN ROW EXCLUSIVE MODE
"""
# What the server refuses for another reason than the lack of a right.
REASONS = {
    "ALTER ROLE {me} RENAME TO isp_mine": "0A000", "SECURITY LABEL ON TABLE trail IS 'mine'": "22023",
    "CREATE TEMPORARY TABLE mine (billing_id bigint REFERENCES billing)": "42P16",
}
# What the server lets pass with a warning, or without, and does not do.
WITHOUT_EFFECT = """
GRANT SELECT ON customers TO {nobody}
GRANT ALL ON customers TO {me}
GRANT UPDATE ON billing TO {me}
GRANT UPDATE (amount_paid) ON billing TO {me}
GRANT EXECUTE ON FUNCTION folded(text) TO {nobody}
GRANT USAGE ON SCHEMA public TO {nobody}
GRANT CREATE ON SCHEMA public TO {me}
GRANT CREATE ON DATABASE {db} TO {me}
REVOKE SELECT ON customers FROM isp_readonly
REVOKE ALL ON trail FROM {owner}
REVOKE CONNECT ON DATABASE {db} FROM PUBLIC
REVOKE USAGE ON SCHEMA public FROM isp_readonly
ANALYZE trail
ANALYZE customers
VACUUM trail
VACUUM FULL customers
NOTIFY mine
LISTEN mine
SELECT pg_notify('mine', 'x')
SET isp.person = 'x'
SET application_name = 'x'
BEGIN; LOCK TABLE trail IN ACCESS SHARE MODE
SELECT pg_advisory_lock(49952)
SELECT pg_terminate_backend(0)
SELECT set_config('isp.reason', 'x', false)
RESET ALL
RESET ROLE
RESET SESSION AUTHORIZATION
DISCARD ALL
"""


@pytest.fixture(scope="module")
def logins(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        fill(uris["superuser"])
        with contextlib.closing(session(uris["owner"])) as conn:  # for others to try and end
            yield {**uris, "state": everything(uris["superuser"]), "version": conn.server_version}


def statements(text):
    """Return the statements of a list, where lines that go on from the one before are indented."""
    return [" ".join(lines.split()) for lines in re.split(r"\n(?=\S)", text.strip())]


def attempts():
    """Return who tries what, statement by statement."""
    return [pytest.param(who, statement, id=f"{who}: {statement}")
            for who, tried in (("reader", BOTH), ("admin", BOTH), ("reader", READER), ("admin", ADMIN))
            for statement in statements(tried)]


def asked(statement, who, logins):
    names = {kind: name_of(logins[kind]) for kind in KINDS}
    return statement.format(me=names[who], other=names["admin" if who == "reader" else "reader"],
                            db=psycopg2.extensions.parse_dsn(logins["superuser"])["dbname"], **names)


def changes(logins):
    """Return what has changed since this was asked last."""
    before, logins["state"] = logins["state"], everything(logins["superuser"])
    return differences(before, logins["state"])


@pytest.mark.parametrize(("who", "statement"), attempts())
def test_an_attempt_is_refused_and_changes_nothing(who, statement, logins):
    with pytest.raises(psycopg2.Error) as said:
        run(logins[who], asked(statement, who, logins))
    assert changes(logins) == []
    unknown = statement.startswith("MERGE") and logins["version"] < MERGE_SINCE
    assert said.value.pgcode == (SYNTAX_ERROR if unknown else REASONS.get(statement, NOT_ALLOWED))


@pytest.mark.parametrize("who", ["reader", "admin"])
@pytest.mark.parametrize("statement", statements(WITHOUT_EFFECT))
def test_what_the_server_lets_pass_has_no_effect(who, statement, logins):
    run(logins[who], asked(statement, who, logins))
    assert changes(logins) == []


TRAP = "RAISE EXCEPTION 'caught'"
SHADOWS = f"""
    CREATE TEMPORARY TABLE payments (payment_id bigint, customer_id bigint, amount_left numeric, voided_at timestamptz);
    CREATE TEMPORARY TABLE billing (billing_id bigint, customer_id bigint, amount_due numeric);
    CREATE TEMPORARY TABLE customers (customer_id bigint);
    CREATE TEMPORARY TABLE equipment (serial_number text);
    CREATE TEMPORARY TABLE payment_allocations (payment_id bigint, billing_id bigint, amount numeric);
    CREATE TEMPORARY TABLE trail (table_name text, kind text, ids int8multirange, row_count bigint);
    CREATE TEMPORARY TABLE added (payment_id bigint, customer_id bigint);
    CREATE TEMPORARY TABLE changed (payment_id bigint, billing_id bigint);
    CREATE TEMPORARY TABLE old_rows (x int);
    CREATE TEMPORARY TABLE new_rows (x int);
    CREATE TEMPORARY VIEW pg_class AS SELECT 'payments'::text AS relname;
    CREATE TYPE pg_temp.money_amount AS ENUM ('much');
    CREATE FUNCTION pg_temp.settle_bills(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE FUNCTION pg_temp.settle_payments(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE FUNCTION pg_temp.folded(line text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE FUNCTION pg_temp.acting_person() RETURNS text LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE FUNCTION pg_temp.jsonb_populate_recordset(base anyelement, from_json jsonb) RETURNS SETOF anyelement
        LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE FUNCTION pg_temp.int8range(bigint, bigint, text) RETURNS int8range
        LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE FUNCTION pg_temp.equal(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {TRAP}; END $$;
    CREATE OPERATOR pg_temp.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = pg_temp.equal);
    CREATE OPERATOR pg_temp.<> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = pg_temp.differ)
""".replace("pg_temp.differ", "numeric_ne")


@pytest.fixture
def books(server_uri, template, admin):
    """Four logins on a database of their own, which a test may change."""
    with four_logins(server_uri, admin) as uris:
        fill(uris["superuser"])
        yield uris


@pytest.mark.parametrize("path", ["pg_temp, public", "public, pg_temp", "pg_temp, pg_catalog, public", "public"])
def test_temporary_tables_functions_and_operators_of_our_names_are_not_what_the_triggers_use(path, books):
    with contextlib.closing(session(books["admin"])) as conn, conn.cursor() as cur:
        cur.execute(f"{SHADOWS}; SET search_path = {path}")
        cur.execute("INSERT INTO public.payments (customer_id, amount) VALUES (1, 30) RETURNING *")
        paid = cur.fetchone()
        assert paid["recorded_by"] == name_of(books["admin"])
        cur.execute("INSERT INTO public.payment_allocations (payment_id, billing_id, amount) "
                    "VALUES (%(payment_id)s, 1, 26)", paid)
        cur.execute("UPDATE public.billing SET description = 'Shadow' WHERE billing_id = 1")
        cur.execute("SELECT * FROM public.trail WHERE kind = 'deleted' AND table_name = 'locations'")
        cur.execute("SELECT public.restore_deleted(%(transaction_id)s, %(changed_at)s, false)", cur.fetchone())
        cur.execute("UPDATE public.payments SET void_reason = 'Shadow' WHERE payment_id = %(payment_id)s", paid)
        cur.execute("DELETE FROM public.equipment")
    owed, = run(books["superuser"], "SELECT amount_paid FROM billing WHERE billing_id = 1")
    noted = run(books["superuser"], """
        SELECT table_name, kind, sum(row_count) AS rows
        FROM trail
        WHERE login ~ '_admin$' AND table_name <> 'services'
        GROUP BY table_name, kind
        ORDER BY table_name, kind
    """)
    assert owed == {"amount_paid": 4}
    assert [tuple(row.values()) for row in noted] == [
        ("billing", "changed", 1), ("equipment", "added", 1), ("equipment", "deleted", 2), ("locations", "added", 1),
        ("payment_allocations", "added", 1), ("payments", "added", 1), ("payments", "changed", 1)]
    database.connect(books["owner"])
    assert verify_books()[1] == []


@pytest.mark.parametrize("claim", ["SET isp.person = 'boss'", "SELECT set_config('isp.person', 'boss', false)",
                                   "CREATE TEMPORARY TABLE payments (x int); SET isp.person = 'boss'",
                                   "SET ROLE isp_admin; CREATE TEMP TABLE payments (x int); SET isp.person = 'boss'",
                                   "SET search_path = pg_temp, public; SET isp.person = 'boss'"])
def test_a_name_that_an_admin_claims_stands_with_the_login_that_claims_it(claim, books):
    me = name_of(books["admin"])
    with contextlib.closing(session(books["admin"])) as conn, conn.cursor() as cur:
        cur.execute(claim.format(me=me))
        cur.execute("INSERT INTO public.payments (customer_id, amount) VALUES (1, 1) RETURNING recorded_by")
        assert cur.fetchone()["recorded_by"] == f"{me}, for boss"
    noted, = run(books["owner"], "SELECT login, person FROM trail ORDER BY trail_id DESC LIMIT 1")
    assert noted == {"login": me, "person": f"{me}, for boss"}


def test_the_owners_name_claimed_by_an_admin_is_a_claim_and_the_owners_word_is_taken(books):
    owner, me = name_of(books["owner"]), name_of(books["admin"])
    run(books["admin"], f"SET isp.person = '{owner}'; UPDATE customers SET name = 'Ann' WHERE customer_id = 1")
    run(books["owner"], "SET isp.person = 'ada'; UPDATE customers SET name = 'Eve' WHERE customer_id = 1")
    assert run(books["owner"], "SELECT login, person FROM trail ORDER BY trail_id DESC LIMIT 2") == [
        {"login": owner, "person": "ada"}, {"login": me, "person": f"{me}, for {owner}"}]


def test_a_program_that_calls_itself_another_has_its_login_noted(books):
    run(f"{books['admin']} application_name=boss", "UPDATE customers SET name = 'Ann' WHERE customer_id = 1")
    assert run(books["owner"], "SELECT login, program FROM trail ORDER BY trail_id DESC LIMIT 1") == [
        {"login": name_of(books["admin"]), "program": "boss"}]


def test_whatever_locks_a_reader_holds_bills_are_run_and_files_imported_and_payments_taken(books, tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text("name,phone\nEve Moss,5550199\n", encoding="utf-8")
    with contextlib.closing(psycopg2.connect(books["reader"])) as conn, conn.cursor() as cur:
        for number in (49_952, 49_953, 49_954, 1, 0):
            cur.execute("SELECT pg_advisory_lock(%s), pg_advisory_lock_shared(%s)", (number, number))
        cur.execute("SELECT * FROM customers CROSS JOIN work_locks CROSS JOIN billing_status CROSS JOIN trail")
        cur.execute("LOCK TABLE customers, billing, payments, payment_allocations, work_locks, trail "
                    "IN ACCESS SHARE MODE")
        assert "Imported 1 customer" in run_program(books["admin"], "import", str(file), "--yes").stdout
        assert "Created 1, skipped 0" in run_program(books["admin"], "bill", "--period", "2026-01", "--yes").stdout
        database.connect(books["admin"])
        payments.record_payment(1, Decimal(1), DAY, "cash", None, UUID(int=7))
        database.delete_equipment(1)


def test_a_void_is_of_now_whatever_an_admin_says_and_is_not_taken_back(books):
    database.connect(books["admin"])
    paid = payments.record_payment(1, Decimal(5), DAY, "cash", None, UUID(int=7))["payment_id"]
    run(books["admin"], f"UPDATE payments SET void_reason = 'slip' WHERE payment_id = {paid}")
    assert (payments.get_payment(paid)["voided_on"], database.get_bill(1)["amount_paid"]) == (database.today(), 4)
    with pytest.raises(psycopg2.IntegrityError):
        run(books["admin"], f"UPDATE payments SET void_reason = NULL WHERE payment_id = {paid}")
    for statement in ("SET voided_at = NULL, void_reason = NULL", "SET voided_at = '2020-01-01'"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(books["admin"], f"UPDATE payments {statement} WHERE payment_id = {paid}")
    assert verify_books()[1] == []


@pytest.mark.parametrize("statement", [
    "UPDATE billing SET amount_billed = 1 WHERE amount_paid > 1",
    "INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (2, 1, 1)",
    "INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (3, 2, 1)",
    "INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (1, 1, 1000)",
    "INSERT INTO payment_allocations (payment_id, billing_id, amount) VALUES (2, 2, -1)",
    "UPDATE payments SET void_reason = NULL",
    "SELECT restore_deleted(transaction_id, changed_at, false), restore_deleted(transaction_id, changed_at, false) "
    "FROM trail WHERE kind = 'deleted' AND table_name = 'locations'",
])
def test_what_an_admin_may_write_keeps_the_rules_of_money(statement, books):
    before = everything(books["superuser"])
    with pytest.raises(psycopg2.IntegrityError):
        run(books["admin"], statement)
    after = everything(books["superuser"])
    assert [line for line in differences(before, after) if not line.startswith("elsewhere")] == []


def test_by_whatever_statement_an_admin_changes_records_the_trail_has_it(books):
    tried = {
        "WITH added AS (INSERT INTO customers (name) VALUES ('x') RETURNING customer_id) "
        "INSERT INTO locations (customer_id, address) SELECT customer_id, 'x' FROM added":
            [("locations", "added"), ("customers", "added")],
        "INSERT INTO locations (customer_id, address) VALUES (1, '1 Harbour Street') "
        "ON CONFLICT (customer_id, address) DO UPDATE SET address = 'y'": [("locations", "changed")],
        "PREPARE mine AS DELETE FROM equipment; EXECUTE mine": [("equipment", "deleted")],
        "DO $$ BEGIN UPDATE services SET cost = 7; END $$": [("services", "changed")],
        "BEGIN; DECLARE mine CURSOR FOR SELECT * FROM billing FOR UPDATE; FETCH mine; "
        "UPDATE billing SET description = 'y' WHERE CURRENT OF mine; COMMIT": [("billing", "changed")],
        "SET ROLE isp_admin; UPDATE customers SET name = 'y' WHERE customer_id = 1": [("customers", "changed")],
        "EXPLAIN ANALYZE UPDATE customers SET name = 'z' WHERE customer_id = 1": [("customers", "changed")],
        "SET lock_timeout = 0; SET synchronous_commit = off; DELETE FROM locations WHERE customer_id = 1":
            [("locations", "deleted"), ("services", "deleted")],
        "BEGIN; SAVEPOINT one; DELETE FROM services; ROLLBACK TO one; COMMIT": [],
        "MERGE INTO customers USING (SELECT 1) AS one ON customer_id = 1 WHEN MATCHED THEN UPDATE SET name = 'q'":
            [("customers", "changed")],
    }
    with contextlib.closing(session(books["admin"])) as conn:
        version = conn.server_version
    for statement, noted in tried.items():
        if statement.startswith("MERGE") and version < MERGE_SINCE:
            continue
        last, = run(books["owner"], "SELECT max(trail_id) AS id FROM trail")
        run(books["admin"], statement)
        found = run(books["owner"], f"SELECT table_name, kind, login FROM trail WHERE trail_id > {last['id']}")
        assert {(row["table_name"], row["kind"]) for row in found} == set(noted), statement
        assert {row["login"] for row in found} <= {name_of(books["admin"])}


def test_what_is_asked_for_by_nobody_is_nobodys(books):
    """A login with no right sees no row of ours, whatever it asks."""
    for table in ("customers", "billing", "payments", "trail", "billing_status", "customer_credit", "work_locks",
                  "verifications", "backups"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(books["nobody"], f"SELECT * FROM {table}")
    for call in ("owed_on(CURRENT_DATE)", "deleted_rows(1, now(), 'customers')", "restore_deleted(1, now(), true)",
                 "apply_credit()", "acting_person()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(books["nobody"], f"SELECT {call}")


def test_rows_that_an_admin_copies_in_are_in_the_trail(books):
    with contextlib.closing(session(books["admin"])) as conn, conn.cursor() as cur:
        cur.copy_expert("COPY customers (name) FROM STDIN", io.StringIO("Zoe\nYan\n"))
    noted, = run(books["owner"], "SELECT login, kind, row_count FROM trail ORDER BY trail_id DESC LIMIT 1")
    assert noted == {"login": name_of(books["admin"]), "kind": "added", "row_count": 2}
