"""What somebody without any right plants in the schema of the tables, and a session's own settings."""
from __future__ import annotations

import contextlib
import os

import psycopg2
import psycopg2.extensions
import pytest
from conftest import numbers, run_program, sentence

import database
from tracker import errors

pytestmark = pytest.mark.slow

# Each would be found instead of a built-in, or of one of ours, for its types fit better; who runs it is its victim.
TRAP = "LANGUAGE plpgsql AS $$ BEGIN INSERT INTO caught VALUES (current_user); RETURN {}; END $$"
PLANTED = {
    "operator": f"""
        CREATE FUNCTION public.more(numeric, integer) RETURNS boolean {TRAP.format('true')};
        CREATE OPERATOR public.> (LEFTARG = numeric, RIGHTARG = integer, FUNCTION = public.more)
    """,
    "built-in function": f"CREATE FUNCTION public.count(bigint) RETURNS bigint {TRAP.format('1')}",
    "function of ours": f"CREATE FUNCTION public.apply_credit(bigint[]) RETURNS void {TRAP.format('')}",
}


@pytest.fixture
def owner(uri, sql):
    """The login that owns database and tables, in a server that lets everybody create in public, as 14 does."""
    name, dbname = f"isp_owner_{os.getpid()}_{next(numbers)}", psycopg2.extensions.parse_dsn(uri)["dbname"]
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    sql(f"ALTER DATABASE {dbname} OWNER TO {name}; GRANT CREATE ON SCHEMA public TO PUBLIC")
    sql("CREATE TABLE caught (who text); GRANT ALL ON caught TO PUBLIC")
    sql(f"""
        DO $$
        DECLARE object record;
        BEGIN
            FOR object IN
                SELECT 'TABLE' AS kind, oid::regclass::text AS name FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'caught'
                UNION ALL
                SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace
                  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
            LOOP
                EXECUTE format('ALTER %s %s OWNER TO {name}', object.kind, object.name);
            END LOOP;
        END
        $$
    """)
    yield psycopg2.extensions.make_dsn(uri, user=name, password="x")
    database.disconnect()
    sql(f"ALTER DATABASE {dbname} OWNER TO postgres; REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}")
    sql(f"DROP ROLE {name}")


@pytest.fixture
def mallory(uri, sql):
    """A login without any right, which may create in public all the same."""
    name = f"isp_mallory_{os.getpid()}_{next(numbers)}"
    sql(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    with contextlib.closing(psycopg2.connect(psycopg2.extensions.make_dsn(uri, user=name, password="x"))) as conn:
        conn.autocommit = True
        yield conn.cursor()
    sql(f"DROP OWNED BY {name}")
    sql(f"DROP ROLE {name}")


@pytest.mark.parametrize("planted", PLANTED)
def test_what_a_login_without_rights_planted_is_not_run_but_named(planted, owner, mallory, sql):
    mallory.execute(PLANTED[planted])
    done = run_program(owner, "verify")
    assert done.returncode == 2
    assert f"The login {mallory.connection.info.user} has put functions or operators into the schema public" in (
        sentence(done.stderr))
    assert sql("SELECT who FROM caught") == []


def test_a_function_of_somebody_elses_that_nothing_calls_is_no_reason_to_stop(owner, mallory):
    mallory.execute("CREATE FUNCTION public.their_report() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    done = run_program(owner, "verify")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_planted_in_a_temporary_schema_is_not_run(owner, sql):
    database.connect(owner)
    with database.rehearsal() as cur:
        cur.execute(PLANTED["operator"].replace("public.", "pg_temp."))
        cur.execute("SELECT 1::numeric > 2 AS more")
        assert cur.row()["more"] is False


def test_the_first_start_takes_from_everybody_what_they_may_create(empty_uri):
    with contextlib.closing(psycopg2.connect(empty_uri)) as conn, conn, conn.cursor() as cur:
        cur.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    database.connect(empty_uri)
    database.disconnect()
    with contextlib.closing(psycopg2.connect(empty_uri)) as conn, conn.cursor() as cur:
        cur.execute("CREATE ROLE isp_nobody; SELECT has_schema_privilege('isp_nobody', 'public', 'CREATE')")
        assert cur.fetchone() == (False,)


def test_a_planted_operator_keeps_the_first_start_from_making_tables(empty_uri, mallory):
    with contextlib.closing(psycopg2.connect(empty_uri)) as conn, conn, conn.cursor() as cur:
        cur.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    theirs = psycopg2.extensions.make_dsn(empty_uri, user=mallory.connection.info.user, password="x")
    with contextlib.closing(psycopg2.connect(theirs)) as conn, conn, conn.cursor() as cur:
        cur.execute("CREATE FUNCTION public.upper(money) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'")
    with pytest.raises(errors.Unavailable, match="has put functions or operators"):
        database.connect(empty_uri)
    database.disconnect()
    with contextlib.closing(psycopg2.connect(empty_uri)) as conn, conn, conn.cursor() as cur:
        cur.execute("DROP FUNCTION public.upper(money)")


@pytest.mark.parametrize("setting", ["public, pg_catalog", "pg_catalog, public", "pg_temp, public", '"$user", public'])
def test_built_in_functions_come_first_whatever_the_logins_search_path(setting, uri, sql):
    dbname = psycopg2.extensions.parse_dsn(uri)["dbname"]
    sql(f"ALTER DATABASE {dbname} SET search_path = {setting}")
    sql("CREATE FUNCTION public.upper(text) RETURNS text LANGUAGE sql AS $$ SELECT 'planted' $$")
    database.connect(uri)
    for _ in range(2):
        with database.transaction() as cur:
            cur.execute("SELECT upper('a') AS letter, current_schema() AS schema")
            assert cur.row() == {"letter": "A", "schema": "public"}
    database.disconnect()


@pytest.mark.parametrize("way", ["uri", "login"])
def test_tables_may_stand_in_a_schema_that_the_login_or_the_uri_names(way, empty_uri):
    with contextlib.closing(psycopg2.connect(empty_uri)) as conn, conn, conn.cursor() as cur:
        cur.execute("CREATE SCHEMA isp")
        if way == "login":
            cur.execute(f"ALTER DATABASE {conn.info.dbname} SET search_path = isp")
    options = {"options": "-c search_path=isp"} if way == "uri" else {}
    database.connect(psycopg2.extensions.make_dsn(empty_uri, **options))
    database.add_customer("Ada", "123")
    assert database.fetch_value("SELECT count(*) FROM isp.customers") == 1
    database.disconnect()
