"""Many rows at once: import, export and the bill run, beside psql doing no more than the same."""
from __future__ import annotations

import tempfile
from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Done, Missing, Peer, Row, alternate, median, run
from benchmarks.server import Server, program, psql

PEAK_MB = 100
PEOPLE = """
    SELECT customer_id, name, phone_number, address
    FROM customers
    JOIN LATERAL (SELECT min(address) AS address FROM locations WHERE locations.customer_id = customers.customer_id)
      AS location ON true
    WHERE customer_id <= {customers}
"""
# The lines that the program's export has, less the apostrophes that keep spreadsheets from running a cell.
ACCOUNTS = """
    SELECT customer_id, name, phone_number, address, service_name, service_cost,
           equipment_name, serial_number, equipment_cost
    FROM customers
    LEFT JOIN locations USING (customer_id)
    LEFT JOIN (
        SELECT *
        FROM (
            SELECT location_id, service_name, cost AS service_cost,
                   row_number() OVER (PARTITION BY location_id ORDER BY service_id) AS nth
            FROM services
        ) AS service
        FULL JOIN (
            SELECT location_id, equipment_name, serial_number, cost AS equipment_cost,
                   row_number() OVER (PARTITION BY location_id ORDER BY equipment_id) AS nth
            FROM equipment
        ) AS device USING (location_id, nth)
    ) AS content USING (location_id)
    ORDER BY customer_id, location_id, nth
"""
BILLS = """
    INSERT INTO billing (customer_id, description, period, issued_on, due_date, amount_billed)
    SELECT customer_id, 'Services', DATE '{period}', CURRENT_DATE, greatest(DATE '{period}', CURRENT_DATE) + 14,
           sum(cost)
    FROM services
    JOIN locations USING (location_id)
    GROUP BY customer_id;

    INSERT INTO billing_items (billing_id, service_id, description, amount, first_day, last_day, days, monthly_cost)
    SELECT billing_id, service_id, service_name || ', ' || address, cost, DATE '{period}', DATE '{last_day}',
           DATE '{last_day}' - DATE '{period}' + 1, cost
    FROM billing
    JOIN locations USING (customer_id)
    JOIN services USING (location_id)
    WHERE period = DATE '{period}';
"""


def need_command(server: Server, name: str) -> None:
    """Raise Missing when the program has no such command yet."""
    try:
        run(program(name, "--help"))
    except Missing:
        raise Missing("the command is missing") from None


def in_psql(server: Server, dbname: str, *statements: str) -> Done:
    """Run statements in one transaction of psql."""
    commands = [word for statement in statements for word in ("-c", " ".join(statement.split()))]
    return run([psql(), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", *commands, server.uri(dbname)])


def import_rows(server: Server, provider: str, customers: int, runs: int) -> list[Row]:
    """Time the import of customers with a site each, into an empty database every time."""
    need_command(server, "import")
    empty = server.empty()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        people, two_tables = write_people(server, provider, customers, files)

        def import_once() -> float:
            with server.copy(empty) as dbname:
                done = run(program("import", str(people), "--yes"), DATABASE_URI=server.uri(dbname))
                arrived = server.execute("SELECT count(*) FROM customers", dbname)[0][0]
            if arrived < 0.99 * customers:
                raise Missing(f"only {arrived} of {customers} customers arrived")
            return done.seconds

        def copy_once() -> float:
            with server.copy(empty) as dbname:
                return in_psql(server, dbname, *two_tables).seconds

        ours, bare = alternate(runs, import_once, copy_once)
        beside = [
            peer("csvsql --insert, one bare table", runs, partial(with_csvsql, server, empty, people)),
            peer("pgloader, one bare table", runs, partial(with_pgloader, server, empty, people)),
            peer("Django bulk_create", runs, partial(with_django, server, empty, people)),
        ]
    return [Row(f"import {customers} customers with a site each", median(ours), median(bare), 1.5, beside)]


def write_people(server: Server, provider: str, customers: int, folder: Path) -> tuple[Path, list[str]]:
    r"""Write customers with an address to one CSV file, and a table each to two; return it, and the \copy of these."""
    people = PEOPLE.format(customers=customers)
    files = {
        folder / "people.csv": f"SELECT name, phone_number, address FROM ({people}) AS people ORDER BY customer_id",
        folder / "customers.csv":
            f"SELECT customer_id, name, phone_number FROM ({people}) AS people ORDER BY customer_id",
        folder / "locations.csv": f"SELECT customer_id, address FROM ({people}) AS people ORDER BY customer_id",
    }
    for file, select in files.items():
        in_psql(server, provider, f"\\copy ({select}) TO '{file}' CSV HEADER")
    return folder / "people.csv", [
        f"\\copy customers (customer_id, name, phone_number) FROM '{folder / 'customers.csv'}' CSV HEADER",
        f"\\copy locations (customer_id, address) FROM '{folder / 'locations.csv'}' CSV HEADER",
    ]


def peer(name: str, runs: int, once: partial) -> Peer:
    """Run a peer as often as the program; say why when it cannot be."""
    try:
        return Peer(name, median([once() for _ in range(runs)]))
    except Missing as exc:
        return Peer(name, None, str(exc))


def with_csvsql(server: Server, empty: str, people: Path) -> float:
    csvsql = peers.command("csvsql")
    with server.copy(empty) as dbname:
        url = server.url(dbname, "postgresql+psycopg2")
        return run([csvsql, "--db", url, "--insert", "--tables", "people", "--no-inference", "--snifflimit", "0",
                    "--chunk-size", "5000", str(people)]).seconds


def with_pgloader(server: Server, empty: str, people: Path) -> float:
    pgloader = peers.command("pgloader")
    with server.copy(empty) as dbname:
        server.execute("CREATE TABLE people (name text, phone_number text, address text)", dbname)
        at = server.parameters
        login = ":".join(filter(None, (at.get("user", "postgres"), at.get("password"))))
        host = at.get("host", "localhost")
        place = f"unix:{host}:{at.get('port', '5432')}" if host.startswith("/") else f"{host}:{at.get('port', '5432')}"
        script = people.with_name("people.load")
        script.write_text(
            f"LOAD CSV FROM '{people}' (name, phone_number, address)\n"
            f"INTO postgresql://{login}@{place}/{dbname}\n"
            "TARGET TABLE public.people (name, phone_number, address)\n"
            "WITH skip header = 1, fields terminated by ',', fields optionally enclosed by '\"';\n",
            encoding="utf-8",
        )
        done = run([pgloader, str(script)])
        if server.execute("SELECT count(*) FROM people", dbname) == [(0,)]:
            raise Missing(f"pgloader loaded nothing: {done.output.strip()[:100]}")
        return done.seconds


def with_django(server: Server, empty: str, people: Path) -> float:
    with server.copy(empty) as dbname:
        return peers.django(server, dbname, "bulk_create", str(people))["bulk_create"]


def export_rows(server: Server, provider: str, runs: int) -> list[Row]:
    r"""Time the export of every account and its peak memory, beside psql's \copy."""
    need_command(server, "export")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.csv"
        peaks: list[float] = []

        def export_once() -> float:
            file.unlink(missing_ok=True)
            done = run(program("export", "accounts", str(file)), DATABASE_URI=server.uri(provider))
            peaks.append(done.peak_mb)
            return done.seconds

        ours, bare = alternate(
            runs, export_once, lambda: in_psql(server, provider, f"\\copy ({ACCOUNTS}) TO '{file}' CSV HEADER").seconds
        )
    return [
        Row("export all accounts", median(ours), median(bare), 1.2),
        Row(f"export's peak memory, beside {PEAK_MB} MB", max(peaks), PEAK_MB, 1.0, unit="MB"),
    ]


def bill_run_rows(server: Server, provider: str, runs: int) -> list[Row]:
    """Time the bill run in a copy of the database, each run a month of its own, as is each run of the bare SQL."""
    need_command(server, "bill")
    with server.copy(provider) as dbname:
        months = following_months(server, dbname)

        def bill_once() -> float:
            server.execute("CHECKPOINT")
            period = next(months)
            done = run(program("bill", "--period", f"{period:%Y-%m}", "--yes"), DATABASE_URI=server.uri(dbname))
            billed(server, dbname, period)
            return done.seconds

        def insert_once() -> float:
            server.execute("CHECKPOINT")
            period = next(months)
            last_day = period.replace(day=monthrange(period.year, period.month)[1])
            done = in_psql(server, dbname, *BILLS.format(period=period, last_day=last_day).split(";\n")[:2])
            billed(server, dbname, period)
            return done.seconds

        ours, bare = alternate(runs, bill_once, insert_once)
    return [Row("bill run", median(ours), median(bare), 1.5)]


def following_months(server: Server, dbname: str) -> Iterator[date]:
    """Yield the months after the last that was billed."""
    last = server.execute("SELECT max(period) FROM billing", dbname)[0][0]
    number = last.year * 12 + last.month
    while True:
        yield date(number // 12, number % 12 + 1, 1)
        number += 1


def billed(server: Server, dbname: str, period: date) -> None:
    """Raise Missing when a month has not been billed."""
    bills = server.execute(f"SELECT count(*) FROM billing WHERE period = '{period}'", dbname)[0][0]
    if not bills:
        raise Missing(f"no bills were made for {period:%Y-%m}")
