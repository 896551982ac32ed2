"""What the groups may do, object by object: a table, column, sequence or function that nobody spoke for is named."""
from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2.extensions
import pytest
from catalogue import differences
from conftest import in_memory, named
from logins import four_logins, name_of, run, session

import database
from tracker import access, embedded, errors

pytestmark = pytest.mark.slow

# What an admin may do beside looking: to rows of the table, then column by column, + to give it a value in a new row,
# ~ to change it. Readers may look at everything here and do nothing else; nobody else may do anything.
TABLES = {
    "customers": ("DELETE", "customer_id name+~ phone_number+~ created_at name_folded email+~ closed_on~ erased_on "
                            "merged_into~ account_number+~"),
    "locations": ("DELETE", "location_id customer_id+ address+~ address_folded"),
    "services": ("DELETE", "service_id location_id+ service_name+~ cost+~ service_name_folded started_on+~ ended_on+~"),
    "equipment": ("DELETE", "equipment_id location_id+~ equipment_name+~ serial_number+~ cost+~ serial_repeat+~ "
                            "equipment_name_folded retired_on~"),
    "billing": ("DELETE", "billing_id customer_id+ description+~ period+ issued_on+ due_date+~ amount_billed+~ "
                          "amount_paid amount_due last_payment_date settled_on cancelled_on~ merged_from "
                          "late_fee_for+"),
    "billing_items": ("", "billing_item_id billing_id+ service_id+ description+ amount+ first_day+ last_day+ days+ "
                          "monthly_cost+ booked_on+"),
    "payments": ("DELETE", "payment_id customer_id+ amount+ amount_allocated amount_left paid_on+ method+ reference+ "
                           "entry_key+ recorded_at recorded_by voided_at void_reason~ voided_on kind+ from_bill+ "
                           "reason+ bank_line_id+"),
    "bank_lines": ("", "bank_line_id key+ booked_on+ amount+ amount_booked payer+ payer_account+ reference+ file_name+ "
                       "line+ doubt+ imported_at imported_by set_aside_on~ set_aside_by"),
    "bank_formats": ("", "bank_format_id name+ format+~ changed_at changed_by"),
    "payment_allocations": ("", "payment_allocation_id payment_id+ billing_id+ amount+ from_credit+ refund_id+ "
                                "made_on+ released_on~"),
    "service_pauses": ("DELETE", "service_pause_id service_id+ first_day+~ last_day+~"),
    "price_changes": ("DELETE", "price_change_id service_id+ from_day+ cost_before+~"),
    "equipment_moves": ("", "equipment_move_id equipment_id from_location_id to_location_id from_place to_place "
                            "moved_on moved_at moved_by"),
    "customer_notes": ("DELETE", "customer_note_id customer_id+ noted_at noted_on noted_by note+ promised_until+ "
                                 "promised_amount+"),
    "unsettled_services": ("DELETE", "service_id since billed_from"),
    "work_locks": ("", "work taken_at~ taken_by~"),
    "verifications": ("", "verification_id verified_at person login bills+ payments+ findings+ first_finding+"),
    "backups": ("", "backup_id taken_at+ noted_at person login path+ bytes+ checked_at~"),
    "trail": ("", "trail_id changed_at transaction_id login person program reason table_name kind single_id ids "
                  "parent_ids row_count old new"),
    "schema_version": ("", "version installed_at"),
    "billing_status": ("", "billing_id customer_id description period issued_on due_date amount_billed amount_paid "
                           "amount_due last_payment_date is_late days_late cancelled_on"),
    "customer_credit": ("", "customer_id credit"),
    "promises": ("", "customer_note_id customer_id noted_on promised_until promised_amount state"),
    "services_today": ("", "service_id location_id service_name service_name_folded started_on ended_on cost "
                           "changes_on last_cost runs standing"),
    "changing_prices": ("", "service_id from_day cost"),
    "coming_prices": ("", "service_id from_day cost"),
}
VIEWS = ["billing_status", "customer_credit", "promises", "services_today", "changing_prices", "coming_prices"]
# Readers look at where a sequence stands, as pg_dump does; an admin's import takes IDs from one beforehand.
SEQUENCES = {
    "customers_customer_id_seq": "", "locations_location_id_seq": "", "services_service_id_seq": "",
    "equipment_equipment_id_seq": "", "billing_billing_id_seq": "", "billing_items_billing_item_id_seq": "",
    "payments_payment_id_seq": "", "payment_allocations_payment_allocation_id_seq": "", "trail_trail_id_seq": "",
    "service_pauses_service_pause_id_seq": "", "price_changes_price_change_id_seq": "",
    "equipment_moves_equipment_move_id_seq": "", "customer_notes_customer_note_id_seq": "",
    "verifications_verification_id_seq": "", "backups_backup_id_seq": "", "bank_lines_bank_line_id_seq": "",
    "bank_formats_bank_format_id_seq": "",
}
# Who may run a function: readers, and with them admins; admins alone; or nobody but the owner and the triggers.
FUNCTIONS = {
    "isp_readonly": [
        "folded(text)", "serial_key(text)", "phone_country(text)", "phone_key(text)", "phone_keys(text,text)",
        "same_phone(text,text,text)", "acting_person()", "owed_on(date)", "place_in_words(bigint,date)",
        "matching_customers(text[],text[],text,text,integer)", "matching_addresses(text[],integer)",
        "matching_accounts(text[],text[],text,text,integer)", "matching_locations(text[],text[],text,text,integer)",
        "deleted_rows(bigint,timestamp with time zone,text)",
    ],
    "isp_admin": [
        "change_prices(bigint[],numeric[],date)",
        "apply_credit(bigint[],bigint[])", "restore_deleted(bigint,timestamp with time zone,boolean)",
        "unsettle(bigint[],date[],date[])", "erase_person(bigint)", "refuse_closed(bigint,bigint)",
    ],
    "nobody": [
        "settle_bills(bigint[])", "settle_payments(bigint[])",
        "restore_rows(text,bigint,timestamp with time zone,boolean)", "allocations_changed()", "allocation_edited()",
        "kept_by_triggers()", "payment_changed()", "payment_voided()", "trail_added()",
        "trail_changed()", "trail_deleted()", "never_emptied()", "services_unsettled()", "pauses_unsettled()",
        "prices_unsettled()", "bill_unsettled()", "lines_unsettled()", "equipment_moved()",
        "fee_goes_first()", "added_to_account()", "moved_to_account()",
        "customer_merged()", "noted_of_merged()", "without_person(jsonb,text,text)", "settle_bank_lines(bigint[])",
        "bank_lines_booked()", "bank_line_reopened()", "bank_line_set_aside()", "bank_format_changed()",
    ],
}
# Those that have the owner's rights, and so look into nothing that others could put anything into.
PLANNED_ONCE = "plan_cache_mode=force_generic_plan; "
DEFINERS = {
    "allocations_changed()": "", "payment_changed()": "", "equipment_moved()": "", "acting_person()": "",
    "restore_deleted(bigint,timestamp with time zone,boolean)": "", "customer_merged()": "", "erase_person(bigint)": "",
    "unsettle(bigint[],date[],date[])": "", "services_unsettled()": "", "pauses_unsettled()": "",
    "prices_unsettled()": "", "bill_unsettled()": "", "lines_unsettled()": "", "bank_lines_booked()": "",
    "bank_line_reopened()": "",
    "trail_added()": PLANNED_ONCE, "trail_changed()": PLANNED_ONCE, "trail_deleted()": PLANNED_ONCE,
}
TYPES = ("business_day", "money_amount")

FOUND = """
    WITH grantee (who, name) AS (
        VALUES ('PUBLIC', 'public'), ('isp_readonly', 'isp_readonly'), ('isp_admin', 'isp_admin')
    ), space AS (
        SELECT oid, nspname FROM pg_namespace WHERE oid = (SELECT relnamespace FROM pg_class
                                                           WHERE oid = 'customers'::regclass)
    ), ours AS (
        SELECT * FROM pg_class
        WHERE relnamespace = (SELECT oid FROM space) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    ), routine AS (
        SELECT * FROM pg_proc
        WHERE pronamespace = (SELECT oid FROM space)
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    ), found (object, who, may) AS (
        SELECT 'table ' || relname, who, ARRAY(
            SELECT privilege FROM unnest(%(table_rights)s::text[]) AS privilege
            WHERE has_table_privilege(name, ours.oid, privilege))
        FROM ours CROSS JOIN grantee
        WHERE relkind <> 'S'
        UNION ALL
        SELECT 'column ' || relname || '.' || attname, who, ARRAY(
            SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
            WHERE has_column_privilege(name, ours.oid, attnum, privilege))
        FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped CROSS JOIN grantee
        WHERE relkind <> 'S'
        UNION ALL
        SELECT 'sequence ' || relname, who, ARRAY(
            SELECT privilege FROM unnest(ARRAY['SELECT', 'USAGE', 'UPDATE']) AS privilege
            WHERE has_sequence_privilege(name, ours.oid, privilege))
        FROM ours CROSS JOIN grantee
        WHERE relkind = 'S'
        UNION ALL
        SELECT 'function ' || routine.oid::regprocedure, who,
               CASE WHEN has_function_privilege(name, routine.oid, 'EXECUTE') THEN ARRAY['EXECUTE'] ELSE '{}' END
        FROM routine CROSS JOIN grantee
        UNION ALL
        SELECT 'type ' || typname, who,
               CASE WHEN has_type_privilege(name, oid, 'USAGE') THEN ARRAY['USAGE'] ELSE '{}' END
        FROM pg_type CROSS JOIN grantee
        WHERE typnamespace = (SELECT oid FROM space) AND typtype IN ('d', 'e', 'r', 'm')
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_type.oid AND deptype IN ('e', 'i'))
        UNION ALL
        SELECT 'schema', who, ARRAY(SELECT privilege FROM unnest(ARRAY['USAGE', 'CREATE']) AS privilege
                                    WHERE has_schema_privilege(name, space.oid, privilege))
        FROM space CROSS JOIN grantee
        UNION ALL
        SELECT 'database', who, ARRAY(SELECT privilege FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege
                                      WHERE has_database_privilege(name, current_database(), privilege))
        FROM grantee
    )
    SELECT object, coalesce(string_agg(who || ': ' || array_to_string(may, ' '), '; ' ORDER BY who)
                                FILTER (WHERE may <> '{}'), 'nobody') AS may
    FROM found
    GROUP BY object
    UNION ALL
    SELECT 'definer ' || oid::regprocedure,
           concat_ws('; ', coalesce(array_to_string(proconfig, '; '), 'no search_path'),
                           nullif(proowner, (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass))::regrole)
    FROM routine
    WHERE prosecdef
    UNION ALL
    SELECT concat_ws(' ', 'right of', grantee::regrole, 'on', object), privilege_type
    FROM (
        SELECT relname::text AS object, (aclexplode(relacl)).*, relowner AS owner FROM ours
        UNION ALL
        SELECT relname || '.' || attname, (aclexplode(attacl)).*, relowner
        FROM ours JOIN pg_attribute ON attrelid = ours.oid
        UNION ALL
        SELECT oid::regprocedure::text, (aclexplode(proacl)).*, proowner FROM routine
    ) AS granted
    WHERE grantee NOT IN (0, owner) AND (grantee::regrole::text NOT IN ('isp_readonly', 'isp_admin') OR is_grantable)
    UNION ALL
    SELECT 'default privileges', string_agg(concat_ws(' ', defaclobjtype, defaclnamespace, grants), '; ')
    FROM (
        SELECT defaclobjtype, nullif(defaclnamespace, 0)::regnamespace AS defaclnamespace,
               array_to_string(array_replace(defaclacl::text[],
                   format('%%s=X/%%s', defaclrole::regrole, defaclrole::regrole), 'owner=X'), ' ') AS grants
        FROM pg_default_acl
    ) AS later
"""
TABLE_RIGHTS = ["SELECT", "DELETE", "TRUNCATE", "TRIGGER"]  # to which version 17 added the next
MAINTAIN_SINCE = 170000


def spoken_for() -> dict[str, str]:
    """Return the tables of rights above, as FOUND says them."""
    def line(readers: str, more: str, everybody: str = "") -> str:
        parts = {"PUBLIC": everybody, "isp_admin": " ".join(filter(None, (readers, more))), "isp_readonly": readers}
        return "; ".join(f"{who}: {may}" for who, may in parts.items() if may) or "nobody"

    rights = {}
    for table, (rows, columns) in TABLES.items():
        rights[f"table {table}"] = line("SELECT", rows)
        for column in columns.split():
            name, may = column.rstrip("+~"), " ".join(
                privilege for sign, privilege in (("+", "INSERT"), ("~", "UPDATE")) if sign in column)
            rights[f"column {table}.{name}"] = line("SELECT", may)
    rights |= {f"sequence {name}": line("SELECT", more) for name, more in SEQUENCES.items()}
    for who, names in FUNCTIONS.items():
        readers, admins = ("EXECUTE" if who == "isp_readonly" else ""), ("EXECUTE" if who == "isp_admin" else "")
        rights |= {f"function {name}": line(readers, admins) for name in names}
    rights |= {f"definer {name}": f"{DEFINERS[name]}search_path=pg_catalog, public, pg_temp" for name in DEFINERS}
    rights |= {f"type {name}": line("USAGE", "", "USAGE") for name in TYPES}
    return {**rights, "schema": line("USAGE", "", "USAGE"), "database": line("", "TEMPORARY"),
            "default privileges": "f owner=X"}


def found(uri: str) -> dict[str, str]:
    conn = session(uri)
    maintain = ["MAINTAIN"] if conn.server_version >= MAINTAIN_SINCE else []
    with conn.cursor() as cur:
        cur.execute(FOUND, {"table_rights": [*TABLE_RIGHTS, *maintain]})
        rows = cur.fetchall()
    conn.close()
    return {row["object"]: row["may"] for row in rows}


@pytest.fixture
def given(uri):
    """A database with all rights given: what a database itself allows does not come with a copy of its template."""
    database.connect(uri)
    access.give_rights()
    yield uri
    database.disconnect()


def test_every_object_is_spoken_for_and_nobody_may_more(given):
    assert differences(found(given), spoken_for()) == []


def test_an_owner_who_is_no_superuser_gives_the_same_rights(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        assert differences(found(uris["owner"]), spoken_for()) == []


def test_a_superuser_who_gives_rights_lets_nobody_fill_the_disk_with_large_objects(given):
    assert [row["name"] for row in run(given, """
        SELECT oid::regprocedure::text AS name
        FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
          AND (proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'pg_logical_emit_message'))
    """)] == []


@pytest.mark.parametrize(("statement", "named_is"), [
    ("ALTER TABLE customers ADD note text", "column customers.note"),
    ("CREATE TABLE invoices (invoice_id bigint)", "table invoices"),
    ("CREATE TABLE invoices (invoice_id bigint)", "column invoices.invoice_id"),
    ("CREATE TABLE parts (part_id bigint) PARTITION BY LIST (part_id)", "table parts"),
    ("CREATE VIEW late AS SELECT * FROM billing_status", "table late"),
    ("CREATE MATERIALIZED VIEW late AS SELECT * FROM billing_status", "table late"),
    ("CREATE SEQUENCE invoice_number", "sequence invoice_number"),
    ("CREATE FUNCTION forgotten() RETURNS int LANGUAGE sql RETURN 1", "function forgotten()"),
    ("CREATE PROCEDURE forgotten() LANGUAGE sql AS ''", "function forgotten()"),
    ("CREATE DOMAIN rate AS numeric", "type rate"),
    ("CREATE TYPE mood AS ENUM ('sad')", "type mood"),
    ("DROP VIEW customer_credit", "table customer_credit"),
    ("ALTER TABLE payments ALTER recorded_by DROP DEFAULT; GRANT INSERT (recorded_by) ON payments TO isp_admin",
     "column payments.recorded_by"),
    ("GRANT UPDATE (amount_paid) ON billing TO isp_admin", "column billing.amount_paid"),
    ("GRANT UPDATE (name) ON customers TO isp_readonly", "column customers.name"),
    ("GRANT REFERENCES (customer_id) ON customers TO isp_admin", "column customers.customer_id"),
    ("GRANT INSERT ON trail TO isp_admin", "column trail.login"),
    ("GRANT DELETE ON payment_allocations TO isp_admin", "table payment_allocations"),
    ("GRANT TRIGGER ON billing TO isp_admin", "table billing"),
    ("GRANT TRUNCATE ON trail TO isp_admin", "table trail"),
    ("GRANT SELECT ON trail TO PUBLIC", "table trail"),
    ("REVOKE SELECT ON customers FROM isp_readonly", "table customers"),
    ("GRANT UPDATE ON SEQUENCE trail_trail_id_seq TO isp_admin", "sequence trail_trail_id_seq"),
    ("GRANT EXECUTE ON FUNCTION trail_added() TO isp_admin", "function trail_added()"),
    ("GRANT EXECUTE ON FUNCTION settle_bills(bigint[]) TO PUBLIC", "function settle_bills(bigint[])"),
    ("ALTER FUNCTION settle_bills(bigint[]) SECURITY DEFINER", "definer settle_bills(bigint[])"),
    ("ALTER FUNCTION trail_added() SECURITY INVOKER", "definer trail_added()"),
    ("ALTER FUNCTION trail_added() SET search_path = public", "definer trail_added()"),
    ("ALTER FUNCTION trail_added() RESET search_path", "definer trail_added()"),
    ("GRANT CREATE ON SCHEMA public TO isp_admin", "schema"),
    ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "default privileges"),
    ("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC", "default privileges"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO isp_admin", "default privileges"),
    ("GRANT SELECT ON trail TO pg_monitor", "right of pg_monitor on trail"),
    ("GRANT UPDATE (name) ON customers TO pg_monitor", "right of pg_monitor on customers.name"),
    ("GRANT SELECT ON trail TO isp_readonly WITH GRANT OPTION", "right of isp_readonly on trail"),
    ("DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO isp_admin', current_database()); END $$", "database"),
    ("DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$", "database"),
])
def test_what_a_later_migration_forgets_to_speak_for_or_gives_away_is_named(statement, named_is, given, sql):
    sql(statement)
    assert named_is in [line.partition(": ")[0] for line in differences(found(given), spoken_for())]


def test_a_function_that_a_later_migration_makes_is_nobodys_to_run(given, sql):
    sql("CREATE FUNCTION later() RETURNS int LANGUAGE sql RETURN 1; CREATE PROCEDURE late() LANGUAGE sql AS ''")
    assert [found(given)[f"function {name}()"] for name in ("later", "late")] == ["nobody", "nobody"]
    sql("GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO PUBLIC")
    access.give_rights()
    assert [found(given)[f"function {name}()"] for name in ("later", "late")] == ["nobody", "nobody"]


def test_rights_given_anew_are_the_same_and_take_back_what_the_groups_got_beside(given, sql):
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO isp_readonly; GRANT UPDATE (amount_paid) ON billing TO isp_admin")
    sql("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO isp_admin; ALTER FUNCTION trail_added() RESET search_path")
    sql("GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO isp_readonly; ALTER FUNCTION trail_added() SECURITY INVOKER")
    access.give_rights()
    access.give_rights()
    pg_trgm_aside = {name: may for name, may in found(given).items() if "gtrgm" not in name}
    assert differences(pg_trgm_aside, spoken_for()) == []


def test_tables_of_others_beside_ours_neither_stop_nor_lose_anything(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        other = name_of(uris["nobody"])
        run(uris["superuser"], f"""
            CREATE TABLE theirs (x int); CREATE SEQUENCE their_numbers;
            CREATE FUNCTION theirs() RETURNS int LANGUAGE sql RETURN 1;
            ALTER TABLE theirs OWNER TO {other}; ALTER SEQUENCE their_numbers OWNER TO {other};
            ALTER FUNCTION theirs() OWNER TO {other}; REVOKE ALL ON FUNCTION theirs() FROM PUBLIC;
            GRANT INSERT ON theirs TO isp_readonly; GRANT EXECUTE ON FUNCTION theirs() TO isp_readonly
        """)
        database.connect(uris["owner"])
        access.give_rights()
        assert run(uris["superuser"], "SELECT has_table_privilege('isp_readonly', 'theirs', 'INSERT') AND "
                                      "has_function_privilege('isp_readonly', 'theirs()', 'EXECUTE') AS kept"
                   ) == [{"kept": True}]


def test_what_others_were_given_by_hand_is_left_to_look_with_and_nothing_of_the_trail(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        clerk = name_of(uris["nobody"])
        run(uris["owner"], f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {clerk}")
        run(uris["owner"], f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {clerk} WITH GRANT OPTION")
        run(uris["owner"], f"GRANT UPDATE (amount_paid), SELECT ON billing TO {clerk}; GRANT SELECT ON trail TO PUBLIC")
        run(uris["owner"], f"GRANT EXECUTE ON FUNCTION settle_bills(bigint[]) TO {clerk}")
        database.connect(uris["owner"])
        access.give_rights()
        left = differences(found(uris["owner"]), spoken_for())
        assert {line.partition(": ")[2].partition(" /")[0].strip() for line in left} <= {"SELECT"}
        assert [line for line in left if "trail" in line or "work_locks" in line or "settle_bills" in line] == []


def test_rights_are_about_the_schema_of_the_tables_whatever_schema_comes_first_later(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        run(uris["superuser"], f"CREATE SCHEMA {name_of(uris['owner'])} AUTHORIZATION {name_of(uris['owner'])}")
        database.connect(uris["owner"])
        access.give_rights()
        assert differences(found(uris["owner"]), spoken_for()) == []


def test_tables_in_a_schema_of_their_own_have_their_rights_there(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        run(uris["superuser"], "DROP EXTENSION pg_trgm CASCADE")  # whose operators are not found from another schema
        run(uris["owner"], "CREATE SCHEMA \"The Books\"")
        path = "-c search_path=\"The\\ Books\""
        database.connect(psycopg2.extensions.make_dsn(uris["owner"], options=path))
        database.add_customer("Ada", "123")
        database.disconnect()
        database.connect(psycopg2.extensions.make_dsn(uris["admin"], options=path))
        database.update_customer(1, "Bo")
        database.disconnect()
        database.connect(psycopg2.extensions.make_dsn(uris["reader"], options=path))
        assert [row["name"] for row in database.list_customers()] == ["Bo"]
        with pytest.raises(errors.Forbidden):
            database.add_customer("Eve", "123")


@pytest.fixture
def fresh_server() -> Iterator[str]:
    """A server where nobody has made the groups yet."""
    folder = Path(tempfile.mkdtemp(prefix="isp-rights-", dir=in_memory()))
    folder.chmod(0o755)
    uri = embedded.start(folder, ["fsync=off", "full_page_writes=off"]).partition("&options=")[0]
    yield uri
    database.disconnect()
    embedded.stop()
    shutil.rmtree(folder)


def test_an_owner_who_may_make_no_groups_makes_the_tables_and_gives_rights_once_the_groups_are_there(fresh_server):
    superuser = named(fresh_server, "postgres")
    for statement in ("CREATE ROLE isp LOGIN", "CREATE ROLE reader LOGIN", "CREATE DATABASE isp OWNER isp"):
        run(superuser, statement)
    owner, reader = (psycopg2.extensions.make_dsn(named(fresh_server, "isp"), user=name) for name in ("isp", "reader"))
    database.connect(owner)
    database.add_customer("Ada", "123")
    means = access.means()
    assert (means["missing_groups"], means["rights_given"]) == (["isp_readonly", "isp_admin"], False)
    database.disconnect()
    with pytest.raises(errors.Unavailable, match="GRANT isp_readonly TO reader"):
        database.connect(reader)
    for statement in ("CREATE ROLE isp_readonly NOLOGIN", "CREATE ROLE isp_admin NOLOGIN",
                      "GRANT isp_readonly TO isp_admin, reader"):
        run(superuser, statement)
    database.connect(owner)
    access.give_rights()
    assert access.means()["rights_given"]
    database.disconnect()
    assert differences(found(owner), spoken_for()) == []
    database.connect(reader)
    assert [row["name"] for row in database.list_customers()] == ["Ada"]


def test_an_owner_who_may_make_the_groups_makes_them(fresh_server):
    superuser = named(fresh_server, "postgres")
    for statement in ("CREATE ROLE isp LOGIN CREATEROLE", "CREATE DATABASE isp OWNER isp"):
        run(superuser, statement)
    owner = psycopg2.extensions.make_dsn(named(fresh_server, "isp"), user="isp")
    database.connect(owner)
    database.disconnect()
    assert differences(found(owner), spoken_for()) == []


def test_a_reader_can_dump_everything(server_uri, template, admin):
    with four_logins(server_uri, admin) as uris:
        database.connect(uris["owner"])
        database.add_customer("Ada", "123")
        dumped = subprocess.run([embedded.binaries() / "pg_dump", "-d", uris["reader"]], text=True, check=False,
                                capture_output=True, env=embedded._environment())
    assert (dumped.returncode, dumped.stderr) == (0, "")
    assert [table for table in TABLES if f"COPY public.{table} " not in dumped.stdout] == VIEWS


def test_a_dump_brings_the_rights_but_for_those_of_the_database_which_are_given_anew(uri, sql, tmp_path):
    dump = tmp_path / "books.sql"
    with open(dump, "wb") as file:
        subprocess.run([embedded.binaries() / "pg_dump", "-d", uri], check=True, stdout=file,
                       env=embedded._environment())
    sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
    subprocess.run([embedded.binaries() / "psql", "-qX", "-d", uri, "-f", dump], check=True, capture_output=True,
                   env=embedded._environment())
    assert [line.partition(":")[0] for line in differences(found(uri), spoken_for())] == ["database"]
    database.connect(uri)
    access.give_rights()
    database.disconnect()
    assert differences(found(uri), spoken_for()) == []
