"""An older database becomes the present one, whole or not at all, with every row that it had."""
from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest
from catalogue import catalogue, differences
from conftest import HOLDER, PROJECT, environment, in_memory, lines, named, numbers, run_program, sentence, wait_for

import database
from tracker import archive, embedded, errors, migrate
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parent / "fixtures"
SCHEMA_1 = (FIXTURES / "schema_1.sql").read_text(encoding="utf-8")
ROWS_1 = (FIXTURES / "rows_1.sql").read_text(encoding="utf-8")
TABLES_1 = re.findall(r"CREATE TABLE (\w+)", SCHEMA_1)
NEWEST = migrate.program_version()
REFUSAL = (f"The database is at version 1 and this program needs version {NEWEST}: "
           "run python main.py upgrade, which brings it there.\n")
GATE = 77
COMMIT = 0
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Sql = Callable[..., "list[dict[str, Any]]"]


@contextlib.contextmanager
def session(uri: str) -> Iterator[Any]:
    """A cursor of somebody else's, each statement of which commits."""
    with contextlib.closing(psycopg2.connect(uri, cursor_factory=psycopg2.extras.RealDictCursor)) as conn:
        conn.autocommit = True
        yield conn.cursor()


@pytest.fixture(scope="module")
def template_1(server_uri: str, admin: Callable[[str], None]) -> Iterator[str]:
    """A database as version 1 left it, with customers, to copy."""
    name = f"isp_test_{os.getpid()}_version_1"
    admin(f"CREATE DATABASE {name}")
    with session(named(server_uri, name)) as cur:
        cur.execute(SCHEMA_1)
        cur.execute(ROWS_1)
    yield name
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh(uri: str) -> str:
    """A database with the present schema, straight from schema.sql."""
    return uri


@pytest.fixture
def old(server_uri: str, admin: Callable[[str], None], template_1: str) -> Iterator[str]:
    """A database as version 1 left it, with customers."""
    name = f"isp_test_{os.getpid()}_{next(numbers)}"
    admin(f"CREATE DATABASE {name} TEMPLATE {template_1}")
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def run_old(old: str) -> Run:
    """Run main.py on the older database."""
    return functools.partial(run_program, old)


@pytest.fixture
def psql(old: str) -> Iterator[Sql]:
    """Run SQL on the older database beside the program."""
    with session(old) as cur:
        def run(statement: str, *values: Any) -> list[dict[str, Any]]:
            cur.execute(statement, values or None)
            return cur.fetchall() if cur.description else []

        yield run


@pytest.fixture
def make_program(tmp_path: Path) -> Callable[..., Path]:
    """Make a copy of the program with other migrations: by name, their statements, or None for one that it lacks."""
    def make(**changed: str | None) -> Path:
        for part in ("main.py", "database.py", "schema.sql", "roles.sql", "tracker", "migrations"):
            copy = shutil.copytree if (PROJECT / part).is_dir() else shutil.copy
            copy(PROJECT / part, tmp_path / part)
        for name, statements in changed.items():
            path = tmp_path / "migrations" / f"{name}.sql"
            path.unlink() if statements is None else path.write_text(f"-- One more.\n{statements}")
        return tmp_path / "main.py"

    return make


def versions(uri: str) -> list[int]:
    with session(uri) as cur:
        cur.execute("SELECT version FROM schema_version ORDER BY version")
        return [row["version"] for row in cur.fetchall()]


def objects(uri: str) -> dict[str, str]:
    with session(uri) as cur:
        return catalogue(cur)


LATER = (
    "serial_repeat", "voided_on", "name_folded", "address_folded", "service_name_folded", "equipment_name_folded",
    "email", "closed_on", "erased_on", "merged_into", "started_on", "ended_on", "retired_on", "settled_on",
    "cancelled_on", "merged_from", "late_fee_for", "first_day", "last_day", "days", "monthly_cost", "booked_on",
    "kind", "from_bill", "reason", "refund_id", "made_on", "released_on", "account_number",
)


def rows(uri: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of the tables that version 1 had, but for the versions and what came later."""
    found = {}
    with session(uri) as cur:
        for table in TABLES_1[1:]:
            cur.execute(f"SELECT * FROM {table} ORDER BY 1")
            found[table] = [{name: value for name, value in row.items() if name not in LATER} for row in cur.fetchall()]
            assert found[table]
    return found


def start(uri: str, *arguments: str, program: Path = PROJECT / "main.py", **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(program), *arguments], env=environment(uri, **env), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def outcome(program: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a program; return its exit code and what it said."""
    stdout, stderr = program.communicate(timeout=90)
    return program.returncode, stdout, stderr


def test_migrations_are_numbered_from_2_without_a_gap():
    assert [migration.version for migration in migrate.migrations()] == list(range(2, NEWEST + 1))
    assert len(list((PROJECT / "migrations").iterdir())) == NEWEST - 1


def test_schema_sql_is_at_the_program_s_version(fresh):
    assert versions(fresh) == [NEWEST]


def test_the_schema_that_version_1_was_released_with_is_kept_as_it_was():
    digest = hashlib.sha256(SCHEMA_1.encode()).hexdigest()
    assert digest == "efe50df2938a6e9928d67e15eb61d51a5e89dd46a345fa031e21c52f47f15efa"


@pytest.mark.parametrize("migration", migrate.migrations(), ids=lambda migration: migration.path.stem)
def test_a_migration_begins_with_a_sentence_for_the_owner_and_leaves_its_transaction_to_the_program(migration):
    assert re.fullmatch(r"[A-Z].{10,}\.", migration.summary())
    code = re.sub(r"--[^\n]*|'(?:[^']|'')*'|\$\$.*?\$\$", "", migration.statements(), flags=re.DOTALL)
    assert not re.search(r"(?i)\b(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|CONCURRENTLY|VACUUM|IF\s+(NOT\s+)?EXISTS)\b", code)
    assert not re.search(r"(?i)ADD\s+(COLUMN\s+)?\w+\s+(money_amount|business_day)\b", code)


def test_an_upgraded_database_is_the_one_that_schema_sql_makes_object_by_object(run_old, old, fresh):
    assert run_old("upgrade", "--yes").returncode == 0
    assert differences(objects(fresh), objects(old)) == []


def test_pg_dump_finds_no_difference_either(run_old, old, fresh):
    assert run_old("upgrade", "--yes").returncode == 0
    assert dumped(fresh) == dumped(old)


def dumped(uri: str) -> list[str]:
    """Return the schema as pg_dump writes it, without its key of this dump."""
    done = subprocess.run([embedded.binaries() / "pg_dump", "--schema-only", f"--dbname={uri}"], capture_output=True,
                          text=True, check=True)
    return [line for line in done.stdout.splitlines() if not re.match(r"\\(un)?restrict ", line)]


@pytest.mark.parametrize(("change", "named_as"), [
    ("COMMENT ON COLUMN billing.amount_due IS NULL", "comment on column amount_due of table billing"),
    ("COMMENT ON FUNCTION owed_on(date) IS 'What was owed.'", "comment on function owed_on(date)"),
    ("CREATE INDEX one_more ON billing (description)", "index one_more"),
    ("DROP INDEX billing_unpaid; CREATE INDEX billing_unpaid ON billing (due_date)", "index billing_unpaid"),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'billing_period'::regclass", "index billing_period"),
    ("CREATE OR REPLACE FUNCTION allocation_edited() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
     "function allocation_edited()"),
    ("ALTER FUNCTION owed_on(date) VOLATILE", "function owed_on(date)"),
    ("ALTER FUNCTION owed_on(date) SET search_path = public", "function owed_on(date)"),
    ("ALTER FUNCTION owed_on(date) SECURITY DEFINER", "function owed_on(date)"),
    ("GRANT EXECUTE ON FUNCTION owed_on(date) TO PUBLIC", "function owed_on(date)"),
    ("CREATE FUNCTION digits(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'", "function digits(integer)"),
    ("DROP TRIGGER payments_changed ON payments", "trigger payments_changed on payments"),
    ("ALTER TABLE payments DISABLE TRIGGER payments_changed", "trigger payments_changed on payments"),
    ("ALTER TABLE equipment ALTER serial_number SET NOT NULL", "column equipment.serial_number"),
    ("ALTER TABLE payments ALTER method DROP DEFAULT", "column payments.method"),
    ("ALTER TABLE payments ALTER method TYPE varchar", "column payments.method"),
    ('ALTER TABLE payments ALTER method TYPE text COLLATE "C"', "column payments.method"),
    ("ALTER TABLE services ALTER service_id SET GENERATED BY DEFAULT", "column services.service_id"),
    ("ALTER TABLE services ALTER service_id SET INCREMENT 2", "sequence services_service_id_seq"),
    ("ALTER TABLE billing ALTER amount_due DROP EXPRESSION", "column billing.amount_due"),
    ("ALTER TABLE services ADD note text", "column services.note"),
    ("ALTER TABLE billing_items DROP service_id; ALTER TABLE billing_items ADD service_id bigint",
     "column billing_items.service_id"),
    ("ALTER TABLE billing DROP CONSTRAINT billing_not_overpaid", "constraint billing_not_overpaid on billing"),
    ("UPDATE pg_constraint SET convalidated = false WHERE conname = 'billing_customer'",
     "constraint billing_customer on billing"),
    ("ALTER DOMAIN money_amount DROP CONSTRAINT money_amount_exact", "constraint money_amount_exact on money_amount"),
    ("ALTER DOMAIN money_amount SET DEFAULT 0", "type money_amount"),
    ("CREATE OR REPLACE VIEW customer_credit AS SELECT customer_id, sum(amount) AS credit FROM payments GROUP BY 1",
     "view customer_credit"),
    ("CREATE RULE no_delete AS ON DELETE TO payments DO INSTEAD NOTHING", "rule no_delete on payments"),
    ("ALTER TABLE payments SET (fillfactor = 70)", "relation payments"),
    ("GRANT SELECT ON payments TO PUBLIC", "relation payments"),
    ("DROP EXTENSION pg_trgm CASCADE", "extension pg_trgm"),
    ("CREATE EXTENSION btree_gin", "extension btree_gin"),
    ("CREATE SCHEMA other", "schema other"),
])
def test_the_comparison_names_the_object_that_differs(change, named_as, fresh, sql):
    before = objects(fresh)
    sql(change)
    assert named_as in [line.partition(": ")[0] for line in differences(before, objects(fresh))]


def test_every_table_view_function_and_domain_says_what_it_is(sql):
    assert sql(
        """
        SELECT pg_describe_object(classid, objid, 0)
        FROM (
            SELECT 'pg_class'::regclass AS classid, oid AS objid, relnamespace AS namespace
            FROM pg_class WHERE relkind IN ('r', 'v')
            UNION ALL
            SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
            UNION ALL
            SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type WHERE typtype = 'd'
        ) AS object
        WHERE namespace = 'public'::regnamespace
          AND obj_description(objid, classid::regclass::text) IS NULL
          AND NOT EXISTS (SELECT FROM pg_depend WHERE pg_depend.classid = object.classid
                          AND pg_depend.objid = object.objid AND deptype = 'e')
        """
    ) == []


def test_every_amount_day_and_derived_column_of_a_table_says_what_it_is(sql):
    assert sql(
        """
        SELECT attrelid::regclass::text AS table, attname
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r' AND relnamespace = 'public'::regnamespace
        WHERE attnum > 0
          AND (attgenerated <> '' OR atttypid IN ('money_amount'::regtype, 'business_day'::regtype, 'boolean'::regtype))
          AND col_description(attrelid, attnum) IS NULL
        """
    ) == []


def test_every_row_of_every_table_survives_and_the_money_adds_up(run_old, old):
    before = rows(old)
    assert run_old("upgrade", "--yes").returncode == 0
    assert rows(old) == before
    database.connect(old)
    checked, findings = verify_books()
    database.disconnect()
    assert (checked["bills"], checked["payments"], findings) == (len(before["billing"]), len(before["payments"]), [])


def test_the_planner_knows_every_column_after_an_upgrade(run_old, psql):
    assert run_old("upgrade", "--yes").returncode == 0
    assert psql(
        """
        SELECT relname, pg_attribute.attname
        FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_stats
               ON schemaname = 'public' AND tablename = relname AND pg_stats.attname = pg_attribute.attname
        WHERE relname IN ('customers', 'services', 'equipment', 'billing', 'billing_items', 'payments',
                          'payment_allocations')
          AND relnamespace = 'public'::regnamespace AND pg_stats.attname IS NULL
        """
    ) == []


def test_a_payment_that_was_void_before_keeps_the_day_that_was_shown(run_old, psql):
    assert run_old("upgrade", "--yes", TIMEZONE="Etc/GMT-14").returncode == 0
    days = psql("SELECT voided_on, (voided_at AT TIME ZONE 'Etc/GMT-14')::date AS shown FROM payments ORDER BY 1")
    assert [row["voided_on"] for row in days] == [row["shown"] for row in days]
    assert any(row["voided_on"] for row in days)


def test_an_upgrade_takes_what_version_14_gives_everybody_to_create_beside_the_tables(run_old, old, psql):
    psql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert run_old("upgrade", "--yes").returncode == 0
    assert psql("SELECT 1 FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl) AS granted "
                "WHERE nspname = 'public' AND grantee = 0 AND privilege_type = 'CREATE'") == []


def test_the_next_customer_after_an_upgrade_gets_the_next_id(run_old):
    assert run_old("upgrade", "--yes").returncode == 0
    assert "Added customer 121, Grace." in run_old(answers=lines("1", "1", "Grace", "123", "0", "0")).stdout


@pytest.mark.parametrize("command", [
    "", "late-report", "account-report --format json", "verify", "bill --period 2026-07 --yes", "export bills", "demo",
])
def test_an_older_database_on_a_server_is_refused_in_one_sentence_and_left_alone(command, run_old, old):
    before = objects(old)
    done = run_old(*command.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", REFUSAL)
    assert (versions(old), objects(old)) == ([1], before)


def login(uri: str) -> str:
    with session(uri) as cur:
        cur.execute("SELECT current_user AS name")
        return cur.fetchone()["name"]


def test_upgrade_shows_what_it_will_do_and_does_it_when_yes_is_typed(run_old, old):
    done = run_old("upgrade", answers=lines("yes"))
    assert (done.returncode, done.stderr) == (0, "")
    server, where, change, *migrations, backup, question, result = done.stdout.splitlines()
    assert server.startswith("PostgreSQL ")
    assert where == f"Database {psycopg2.extensions.parse_dsn(old)['dbname']}, as {login(old)}"
    assert change == f"It is at version 1; this program needs version {NEWEST}."
    assert migrations == [f"{each.path.stem}: {each.summary()}" for each in migrate.migrations()]
    assert backup == "No copy is made of a database on a server: have a backup."
    assert (question, result) == ("Type yes to upgrade: yes", f"Upgraded to version {NEWEST}.")
    assert versions(old) == list(range(1, NEWEST + 1))


@pytest.mark.parametrize("answers", ["", "no\n", "\n"])
def test_upgrade_changes_nothing_without_a_yes(answers, run_old, old):
    done = run_old("upgrade", answers=answers)
    assert done.returncode == 1
    assert versions(old) == [1]


def test_a_second_upgrade_finds_nothing_to_do(run_old):
    assert run_old("upgrade", "--yes").returncode == 0
    done = run_old("upgrade")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Already at version {NEWEST}.\n", "")


def test_upgrade_of_an_empty_database_makes_the_tables(empty_uri):
    done = run_program(empty_uri, "upgrade")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Already at version {NEWEST}.\n", "")
    assert versions(empty_uri) == [NEWEST]


def test_upgrade_refuses_a_newer_database(run, sql):
    sql("INSERT INTO schema_version (version) VALUES (99)")
    done = run("upgrade", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "version 99" in sentence(done.stderr)


def test_a_program_without_the_migrations_refuses_a_database_that_has_them(make_program, fresh):
    older = make_program(**{migration.path.stem: None for migration in migrate.migrations()})
    assert outcome(start(fresh, "late-report", program=older)) == (
        2, "", f"The database is at version {NEWEST} and this program knows version 1: use a newer program.\n"
    )


def test_a_start_on_the_present_version_changes_no_object(run, sql):
    sql("CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    sql("CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()")
    done = run("late-report")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Nobody is late.\n", "")


@pytest.fixture
def clerk(old: str, psql: Sql) -> Iterator[str]:
    """A login that may read and write every row, and owns no table."""
    name = f"isp_test_{os.getpid()}_clerk"
    psql(f"CREATE ROLE {name} LOGIN PASSWORD 's3cr3t'")
    psql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    yield psycopg2.extensions.make_dsn(old, user=name, password="s3cr3t")
    psql(f"DROP OWNED BY {name}")
    psql(f"DROP ROLE {name}")


def test_a_login_that_does_not_own_the_tables_is_told_who_does(clerk, run_old, old):
    done = run_old("upgrade", "--yes", DATABASE_URI=clerk)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence(done.stderr) == f"The tables belong to {login(old)}; upgrade with that login in DATABASE_URI."
    assert versions(old) == [1]


def test_a_login_that_owns_only_some_of_it_is_told_so_and_changes_nothing(clerk, run_old, old, psql):
    psql(f"ALTER TABLE schema_version OWNER TO {psycopg2.extensions.parse_dsn(clerk)['user']}")
    before = objects(old)
    done = run_old("upgrade", "--yes", DATABASE_URI=clerk)
    assert done.returncode == 1
    assert sentence(done.stderr) == "Some of what belongs to the tables is not this login's; upgrade as their owner."
    assert objects(old) == before


def test_four_upgrades_at_the_same_moment_all_succeed_and_each_step_is_done_once(old, psql):
    psql("SELECT pg_advisory_lock(%s)", database.SCHEMA_LOCK)
    programs = [start(old, "upgrade", "--yes") for _ in range(4)]
    wait_for(lambda: psql("SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                          "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
                          )[0]["count"] == 4, 60)
    psql("SELECT pg_advisory_unlock(%s)", database.SCHEMA_LOCK)
    ends = [outcome(program) for program in programs]
    assert {(code, stderr) for code, _, stderr in ends} == {
        (0, "Another program is upgrading the database; waiting for it.\n")
    }
    results = sorted(stdout.splitlines()[-1] for _, stdout, _ in ends)
    assert f"Upgraded to version {NEWEST}." in results
    assert set(results) <= {f"Already at version {NEWEST}.", f"Upgraded to version {NEWEST}."}
    assert versions(old) == list(range(1, NEWEST + 1))


def test_an_upgrade_that_somebody_did_while_the_question_waited_is_not_done_again(terminal, old, run_old):
    child = terminal("upgrade", DATABASE_URI=old)
    child.expect_exact("Type yes to upgrade: ")
    beside = run_old("upgrade", "--yes").stdout.splitlines()
    assert "1 other session of this program: end those of an older version first." in beside
    child.sendline("yes")
    child.expect_exact(f"Already at version {NEWEST}.")
    child.wait()
    assert child.exitstatus == 0
    assert versions(old) == list(range(1, NEWEST + 1))


NEXT = f"{NEWEST + 1:04}_next"


def test_an_upgrade_beside_a_reader_says_that_it_waits_and_goes_on_when_the_reader_ends(make_program, old):
    program = make_program(**{NEXT: "ALTER TABLE schema_version ADD COLUMN note text;"})
    with session(old) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM schema_version")
        upgrade = start(old, "upgrade", "--yes", program=program)
        assert upgrade.stderr.readline() == "Others are using the tables; trying again for up to a minute.\n"
        assert versions(old)[-1] == NEWEST
        reader.execute("COMMIT")
        code, stdout, stderr = outcome(upgrade)
    assert (code, stdout.splitlines()[-1], stderr) == (0, f"Upgraded to version {NEWEST + 1}.", "")
    assert "column schema_version.note" in objects(old)


def test_an_upgrade_gives_up_when_others_keep_the_tables_and_nothing_has_changed(old, psql, monkeypatch):
    before = objects(old)
    monkeypatch.setattr(migrate, "LOCK_PATIENCE", 0)
    psql("BEGIN; LOCK TABLE customers IN SHARE UPDATE EXCLUSIVE MODE")
    database.connect(old, schema="older")
    with pytest.raises(errors.Busy, match="nothing was changed"):
        database.upgrade()
    database.disconnect()
    psql("COMMIT")
    assert objects(old) == before


def test_a_migration_that_fails_leaves_the_database_at_the_version_before_it(make_program, old):
    program = make_program(**{NEXT: "ALTER TABLE billing ADD COLUMN note text; SELECT 1 / 0;"})
    code, _, stderr = outcome(start(old, "upgrade", "--yes", program=program))
    assert code == 1
    assert "22012" in sentence(stderr)
    assert versions(old)[-1] == NEWEST
    assert "column billing.note" not in objects(old)


def test_a_lost_migration_is_missed_before_anything_is_done(make_program, old):
    program = make_program(**{f"{NEWEST + 2:04}_later": "ALTER TABLE billing ADD COLUMN note text;"})
    code, stdout, stderr = outcome(start(old, "upgrade", "--yes", program=program))
    assert (code, stdout) == (2, "")
    assert sentence(stderr).startswith(f"Migration {NEWEST + 1} is missing from ")
    assert versions(old) == [1]


@pytest.fixture
def gate(old: str, psql: Sql) -> Iterator[Callable[[int], None]]:
    """Make an upgrade stop before a migration's statement of that number, comments left out, at its record where it has
    fewer, or for COMMIT at that.
    """
    psql(f"""
        CREATE SCHEMA gate;
        CREATE SEQUENCE gate.steps;
        CREATE TABLE gate.closed (step integer);
        INSERT INTO gate.closed VALUES (0);
        CREATE FUNCTION gate.on_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF tg_tag <> 'COMMENT' AND nextval('gate.steps') = (SELECT step FROM gate.closed) THEN
                PERFORM pg_advisory_lock({GATE});
            END IF;
        END
        $$;
        CREATE FUNCTION gate.on_record() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('gate.steps') <= (SELECT step FROM gate.closed) THEN
                PERFORM pg_advisory_lock({GATE});
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE FUNCTION gate.on_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT step FROM gate.closed) = {COMMIT} THEN
                PERFORM pg_advisory_lock({GATE});
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER gate_record BEFORE INSERT ON schema_version FOR EACH ROW EXECUTE FUNCTION gate.on_record();
        CREATE CONSTRAINT TRIGGER gate_commit AFTER INSERT ON schema_version DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION gate.on_commit();
        CREATE EVENT TRIGGER gate ON ddl_command_start EXECUTE FUNCTION gate.on_command();
        SELECT pg_advisory_lock({GATE});
    """)

    def close(step: int) -> None:
        psql("SELECT setval('gate.steps', 1, false)")
        psql("UPDATE gate.closed SET step = %s", step)

    return close


AT_THE_GATE = ("FROM pg_locks JOIN pg_database ON pg_database.oid = database "
               "WHERE datname = current_database() AND objid = %s AND NOT granted")


def is_stopped(psql: Sql) -> bool:
    return psql(f"SELECT count(*) {AT_THE_GATE}", GATE)[0]["count"] == 1


def open_gate(psql: Sql) -> None:
    """Let the server go on alone, until it has noticed that its program is gone."""
    psql("SELECT pg_advisory_unlock(%s)", GATE)
    wait_for(lambda: psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isp-customer-tracker' "
                          "AND datname = current_database()")[0]["count"] == 0)
    psql("SELECT pg_advisory_lock(%s)", GATE)


def killed_at(step: int, gate: Callable[[int], None], uri: str, psql: Sql) -> None:
    gate(step)
    upgrade = start(uri, "upgrade", "--yes")
    wait_for(lambda: is_stopped(psql))
    upgrade.kill()
    upgrade.communicate()
    open_gate(psql)


def test_an_upgrade_killed_at_any_statement_leaves_all_or_nothing_and_can_be_run_again(gate, old, psql):
    kept = rows(old)
    for version in range(1, NEWEST):
        before = objects(old)
        for step in itertools.count(1, 9):  # what an earlier one would have kept, a later one sees
            killed_at(step, gate, old, psql)
            assert versions(old)[-1] == version
            assert differences(before, objects(old)) == []
            if psql("SELECT last_value FROM gate.steps")[0]["last_value"] < step:
                break  # at the record, which comes last
        killed_at(COMMIT, gate, old, psql)
        assert versions(old)[-1] == version + 1
    assert rows(old) == kept
    assert outcome(start(old, "upgrade")) == (0, f"Already at version {NEWEST}.\n", "")


def test_ctrl_c_in_the_middle_of_an_upgrade_takes_it_back(gate, old, psql):
    before = objects(old)
    gate(1)
    upgrade = start(old, "upgrade", "--yes")
    wait_for(lambda: is_stopped(psql))
    upgrade.send_signal(signal.SIGINT)
    code, _, stderr = outcome(upgrade)
    assert (code, stderr) == (130, "Cancelled.\n")
    assert differences(before, objects(old)) == []


def test_a_connection_lost_in_the_middle_of_an_upgrade_is_one_sentence_that_says_to_run_it_again(gate, old, psql):
    gate(1)
    upgrade = start(old, "upgrade", "--yes")
    wait_for(lambda: is_stopped(psql))
    psql(f"SELECT pg_terminate_backend(pid) {AT_THE_GATE}", GATE)
    code, _, stderr = outcome(upgrade)
    assert code == 1
    assert sentence(stderr) == ("The connection was lost; run python main.py upgrade again, which begins where this "
                                "one ended.")
    assert versions(old) == [1]


@contextlib.contextmanager
def held(folder: Path) -> Iterator[str]:
    """Keep the server of a data folder running, and return the URI of its database."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=PROJECT, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield holder.stdout.readline().strip()
    finally:
        holder.communicate(timeout=30)


@pytest.fixture(scope="module")
def made_1() -> Iterator[Path]:
    """A data folder as version 1 left it, with customers, to copy."""
    base = Path(tempfile.mkdtemp(prefix="isp-tests-", dir=in_memory()))
    base.chmod(0o755)
    with held(base / "data") as uri, session(uri) as cur:
        cur.execute(SCHEMA_1)
        cur.execute(ROWS_1)
    yield base / "data"
    shutil.rmtree(base)


@pytest.fixture
def folder(made_1: Path) -> Iterator[Path]:
    """A data folder as version 1 left it, with customers."""
    base = Path(tempfile.mkdtemp(prefix="isp-tests-", dir=in_memory()))
    base.chmod(0o755)
    subprocess.run(["cp", "-a", made_1, base / "data"], check=True)
    yield base / "data"
    database.disconnect()
    embedded.stop()
    with held(base / "data"):
        pass  # the last one out stops a server that a killed program left
    wait_for(lambda: not list(base.rglob("postmaster.pid")))
    shutil.rmtree(base)


@pytest.fixture
def run_embedded(folder: Path) -> Run:
    """Run main.py on the data folder."""
    return functools.partial(run_program, "", ISP_DATA_DIR=str(folder))


def backup(folder: Path) -> Path:
    """Return the one file in the folder of copies."""
    path, = (folder / "backups").iterdir()
    return path


def made_here(uri: str) -> str:
    """Make another database on a server, by schema.sql."""
    with session(uri) as cur:
        cur.execute("CREATE DATABASE made_here")
    database.connect(named(uri, "made_here"))
    database.disconnect()
    return named(uri, "made_here")


def upgrading(folder: Path) -> str:
    return f"Upgrading the database from version 1 to {NEWEST}, once it is copied to {backup(folder)}.\n"


def test_an_embedded_database_is_upgraded_at_start_with_one_line_said(run_embedded, folder):
    with held(folder) as uri:
        before = rows(uri)
        done = run_embedded("export", "bills")
        assert (done.returncode, done.stderr) == (0, upgrading(folder))
        assert len(done.stdout.splitlines()) == len(before["billing"]) + 1
        assert (versions(uri), rows(uri)) == (list(range(1, NEWEST + 1)), before)
        assert differences(objects(made_here(uri)), objects(uri)) == []
        again = run_embedded("verify")
        assert (again.returncode, again.stderr) == (0, "")
        backup(folder)


def test_the_menus_upgrade_an_embedded_database_too(run_embedded, folder):
    done = run_embedded(answers=lines("0"))
    assert (done.returncode, done.stderr) == (0, upgrading(folder))
    assert "120 customers." in done.stdout


def test_the_copy_is_its_owner_s_alone_and_named_by_version_and_time(run_embedded, folder):
    run_embedded("late-report")
    path = backup(folder)
    assert re.fullmatch(rf"before-version-{NEWEST}-\d{{4}}-\d\d-\d\d-\d{{6}}\.dump", path.name)
    for made, mode in ((path, 0o600), (path.parent, 0o700)):
        assert (stat.S_IMODE(made.stat().st_mode), made.stat().st_uid) == (mode, os.geteuid())


def test_the_copy_restored_elsewhere_is_the_database_of_version_1(run_embedded, folder):
    with held(folder) as uri:
        before, schema = rows(uri), objects(uri)
        run_embedded("late-report")
        with session(uri) as cur:
            cur.execute("CREATE DATABASE elsewhere")
        elsewhere = named(uri, "elsewhere")
        pg_restore = embedded.binaries() / "pg_restore"
        subprocess.run([pg_restore, "--exit-on-error", f"--dbname={elsewhere}", backup(folder)], check=True)
        assert (versions(elsewhere), rows(elsewhere)) == ([1], before)
        assert objects(elsewhere).keys() == schema.keys()


def test_upgrade_of_an_embedded_database_asks_and_copies(run_embedded, folder):
    done = run_embedded("upgrade", answers=lines("yes"))
    assert (done.returncode, done.stderr) == (0, upgrading(folder))
    assert "The database is first copied into the folder backups, beside its data." in done.stdout.splitlines()


def small_files() -> None:
    """Let no file of this process grow past 10,000 bytes, as on a disk that fills up."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


def test_an_embedded_database_is_not_upgraded_when_the_copy_does_not_fit_on_the_disk(folder):
    with held(folder) as uri:
        done = subprocess.run([sys.executable, str(PROJECT / "main.py"), "late-report"], text=True, capture_output=True,
                              env=environment("", ISP_DATA_DIR=str(folder)), preexec_fn=small_files, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        _, why = done.stderr.splitlines()
        assert why == ("The database was not upgraded, since no copy of it could be made: There is no room left on the "
                       f"disk of {folder}/backups, or it cannot be written; nothing is left of that backup.")
        assert versions(uri) == [1]
    assert list((folder / "backups").iterdir()) == []


def test_an_embedded_database_is_not_upgraded_when_there_is_no_place_for_the_copy(run_embedded, folder):
    (folder / "backups").write_text("in the way")
    done = run_embedded("late-report")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no copy of it could be made: {folder}/backups cannot be made: File exists." in done.stderr
    with held(folder) as uri:
        assert versions(uri) == [1]


def test_an_upgrade_of_an_embedded_database_that_fails_leaves_no_copy_behind(make_program, folder):
    program = make_program(**{migrate.migrations()[0].path.stem: "CREATE TABLE more (); SELECT 1 / 0;"})
    code, stdout, stderr = outcome(start("", "late-report", program=program, ISP_DATA_DIR=str(folder)))
    assert (code, stdout) == (2, "")
    assert "22012" in stderr
    assert list((folder / "backups").iterdir()) == []
    with held(folder) as uri:
        assert versions(uri) == [1]


def test_four_programs_that_find_an_older_embedded_database_all_start_and_make_one_copy(folder):
    programs = [start("", "verify", ISP_DATA_DIR=str(folder)) for _ in range(4)]
    assert [outcome(program)[0] for program in programs] == [0] * 4
    backup(folder)


def test_an_embedded_database_that_another_program_has_open_is_not_upgraded_under_it(folder, monkeypatch):
    monkeypatch.setattr(migrate, "OTHERS_PATIENCE", 0)
    monkeypatch.setenv("ISP_DATA_DIR", str(folder))
    monkeypatch.delenv("DATABASE_URI", raising=False)
    with held(folder) as uri:
        older = psycopg2.connect(uri, application_name="isp-customer-tracker")
        with pytest.raises(errors.Busy, match="another program has it open: close that"):
            database.connect()
        database.disconnect()
        assert versions(uri) == [1]
        older.close()


@contextlib.contextmanager
def stopped_copy(folder: Path, uri: str) -> Iterator[subprocess.Popen[str]]:
    """Start a program whose copy of the database waits in its middle until the block ends."""
    with session(uri) as cur:
        cur.execute("BEGIN; LOCK TABLE billing IN ACCESS EXCLUSIVE MODE")
        program = start("", "verify", ISP_DATA_DIR=str(folder))
        with session(uri) as observer:
            def waits() -> bool:
                observer.execute("SELECT count(*) FROM pg_stat_activity "
                                 "WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'")
                return observer.fetchone()["count"] == 1

            wait_for(waits)
        assert backup(folder).suffix == ".part"
        yield program
        cur.execute("COMMIT")


def test_an_embedded_upgrade_killed_while_it_copies_is_done_at_the_next_start(folder, run_embedded):
    with held(folder) as uri:
        with stopped_copy(folder, uri) as program:
            program.kill()
            program.communicate()
        assert versions(uri) == [1]
        done = run_embedded("verify")
        assert (done.returncode, done.stderr) == (0, upgrading(folder))
        assert backup(folder).suffix == ".dump"


def test_ctrl_c_while_the_copy_is_made_leaves_the_database_and_no_copy(folder):
    with held(folder) as uri:
        with stopped_copy(folder, uri) as program:
            program.send_signal(signal.SIGINT)
            code, _, stderr = outcome(program)
        assert (code, stderr.splitlines()[-1]) == (130, "Cancelled.")
        assert list((folder / "backups").iterdir()) == []
        assert versions(uri) == [1]


def test_an_older_program_that_starts_while_the_copy_is_made_keeps_the_upgrade_from_going_on(folder, monkeypatch):
    monkeypatch.setattr(migrate, "OTHERS_PATIENCE", 0)
    monkeypatch.setenv("ISP_DATA_DIR", str(folder))
    monkeypatch.delenv("DATABASE_URI", raising=False)
    copied = archive.write
    with held(folder) as uri:
        older = []

        def copy_slowly(*where):
            copied(*where)
            older.append(psycopg2.connect(uri, application_name="isp-customer-tracker"))

        monkeypatch.setattr(archive, "write", copy_slowly)
        with pytest.raises(errors.Busy, match="another program has it open"):
            database.connect()
        database.disconnect()
        assert versions(uri) == [1]
        assert list(folder.glob("backups/*")) == []
        older[0].close()


def test_nobody_reads_the_version_of_an_embedded_database_while_it_is_being_changed(folder, monkeypatch):
    monkeypatch.setenv("ISP_DATA_DIR", str(folder))
    monkeypatch.delenv("DATABASE_URI", raising=False)
    apply, refused = migrate.apply, []
    with held(folder) as uri:
        def apply_beside_a_reader(*what):
            with session(uri) as cur, pytest.raises(psycopg2.errors.LockNotAvailable):
                cur.execute("SET lock_timeout = '100ms'; SELECT max(version) FROM schema_version")
            refused.append(True)
            apply(*what)

        monkeypatch.setattr(migrate, "apply", apply_beside_a_reader)
        database.connect()
        database.disconnect()
        assert (refused, versions(uri)[-1]) == ([True] * (NEWEST - 1), NEWEST)


def test_a_table_of_somebody_s_own_with_a_name_of_ours_is_named(run_old, psql):
    psql("CREATE TABLE trail (whose text)")
    done = run_old("upgrade", "--yes")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        'Version 5 makes what is there already under that name, somebody\'s own (relation "trail" already exists): '
        "rename that, and run python main.py upgrade again.")


def test_a_dump_of_version_1_is_restored_and_upgraded(old, run_old, admin, tmp_path):
    before, path = rows(old), tmp_path / "version-1.dump"
    subprocess.run([embedded.binaries() / "pg_dump", "-Fc", f"--file={path}", f"--dbname={old}"], check=True)
    name = psycopg2.extensions.parse_dsn(old)["dbname"]
    done = run_old("restore", str(path), answers=lines(name))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\nRestored {name}: 120 customers, " in done.stdout
    assert "\nIt was of version 1, and is upgraded.\n" in done.stdout
    kept = done.stdout.rpartition("database ")[2].removesuffix(" now.\n")
    try:
        assert (versions(named(old, kept)), rows(named(old, kept))) == ([1], before)
        assert (versions(old)[-1], run_old("verify").returncode) == (NEWEST, 0)
        assert {table: found for table, found in rows(old).items() if table in before}.keys() == before.keys()
    finally:
        admin(f"DROP DATABASE {kept}")


def test_what_a_superuser_makes_by_an_upgrade_is_the_owners(run_old, old, psql, admin):
    name = f"isp_owner_{os.getpid()}"
    admin(f"CREATE ROLE {name}")
    psql(f"""
        DO $$
        DECLARE object record;
        BEGIN
            FOR object IN
                SELECT 'TABLE' AS kind, oid::regclass::text AS name FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
                UNION ALL
                SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace
                  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
                UNION ALL
                SELECT 'DOMAIN', oid::regtype::text FROM pg_type
                WHERE typnamespace = 'public'::regnamespace AND typtype = 'd'
            LOOP
                EXECUTE format('ALTER %s %s OWNER TO {name}', object.kind, object.name);
            END LOOP;
        END
        $$;
        GRANT CREATE, USAGE ON SCHEMA public TO {name}
    """)
    try:
        assert run_old("upgrade", "--yes").returncode == 0
        assert psql("""
            SELECT relname AS name FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
              AND relowner <> (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass)
            UNION ALL
            SELECT proname FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
              AND proowner <> (SELECT relowner FROM pg_class WHERE oid = 'customers'::regclass)
              AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
        """) == []
    finally:
        psql(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}")
        admin(f"DROP ROLE {name}")
