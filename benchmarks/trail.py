"""What the trail costs: actions, the bill run and an import with its triggers and without; the room that it takes."""
from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import database
from benchmarks.actions import ACTIONS, Action, choose, make_records, numbers
from benchmarks.bulk import billed, following_months, write_people
from benchmarks.measure import Row, alternate, median, run, seconds_of
from benchmarks.server import PREFIX, Server, program
from tracker import trail

ROUNDS = 4  # in which both databases take turns
CHANGES = 20_000  # of which a million's room is reckoned
KINDS = {
    "additions": "INSERT INTO customers (name, phone_number) VALUES ('Ada Okafor', '+44 20 7946 0958')",
    "changes of a phone number": "UPDATE customers SET phone_number = '+44 20 7946 0959' WHERE customer_id = i",
    "deletions": "DELETE FROM customers WHERE customer_id = i",
}


def trail_rows(server: Server, provider: str, customers: int, runs: int, samples: int) -> list[Row]:
    """Time the same with the trail and without, in copies of the same databases."""
    with pair(server, provider) as (noted, bare):
        rows = [*action_rows(server, noted, bare, samples), bill_run_row(server, noted, bare, runs)]
    empty = server.empty()
    with pair(server, empty) as (noted, bare), tempfile.TemporaryDirectory() as folder:
        people, _ = write_people(server, provider, customers, Path(folder))
        rows.append(import_row(server, noted, bare, people, runs))
    return [*rows, *room_rows(server, empty)]


@contextmanager
def pair(server: Server, template: str) -> Iterator[tuple[str, str]]:
    """Lend two copies of a database, the second without the trail's triggers."""
    names = f"{PREFIX}_noted", f"{PREFIX}_bare"
    for name in names:
        server.drop(name)
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    for table in trail.KEYS:
        for kind in trail.KINDS:
            server.execute(f"DROP TRIGGER trail_{kind} ON {table}", names[1])
    try:
        yield names
    finally:
        for name in names:
            server.drop(name)


def action_rows(server: Server, noted: str, bare: str, samples: int) -> Iterator[Row]:
    """Time each action, in rounds; in each the first of an action does not count."""
    took: dict[str, dict[str, list[float]]] = {noted: {}, bare: {}}
    for turn in range(ROUNDS):
        for dbname in ((noted, bare) if turn % 2 else (bare, noted)):
            database.connect(server.uri(dbname))
            try:
                for action in ACTIONS:
                    took[dbname].setdefault(action.name, []).extend(seconds(action, samples // ROUNDS + 1)[1:])
            finally:
                database.disconnect()
    for name in took[noted]:
        yield Row(f"{name}, with the trail and without", median(took[noted][name]), median(took[bare][name]), 1.1)


def seconds(action: Action, samples: int) -> list[float]:
    """Run an action on records of its own each time."""
    results = []
    for _ in range(samples):
        answers = action.answers(make_records(), next(numbers))
        results.append(seconds_of(lambda answers=answers: choose(action.digits, answers)))
    return results


def bill_run_row(server: Server, noted: str, bare: str, runs: int) -> Row:
    months = {dbname: following_months(server, dbname) for dbname in (noted, bare)}

    def bill_once(dbname: str) -> float:
        server.execute("CHECKPOINT")
        period = next(months[dbname])
        done = run(program("bill", "--period", f"{period:%Y-%m}", "--yes"), DATABASE_URI=server.uri(dbname))
        billed(server, dbname, period)
        return done.seconds

    with_it, without = alternate(runs, lambda: bill_once(noted), lambda: bill_once(bare))
    return Row("bill run, with the trail and without", median(with_it), median(without), 1.3)


def import_row(server: Server, noted: str, bare: str, people: Path, runs: int) -> Row:
    def import_once(template: str) -> float:
        with server.copy(template) as dbname:
            return run(program("import", str(people), "--yes"), DATABASE_URI=server.uri(dbname)).seconds

    with_it, without = alternate(runs, lambda: import_once(noted), lambda: import_once(bare))
    return Row("import, with the trail and without", median(with_it), median(without), 1.3)


def room_rows(server: Server, empty: str) -> Iterator[Row]:
    """Reckon the room of a million single changes in the trail, beside that of a million customers."""
    with server.copy(empty) as dbname:
        customers = noted = 0.0
        for kind, statement in KINDS.items():
            server.execute(f"DO $$ BEGIN FOR i IN 1..{CHANGES} LOOP {statement}; END LOOP; END $$", dbname)
            (table, size), = server.execute(
                "SELECT pg_total_relation_size('customers'), pg_total_relation_size('trail')", dbname)
            customers = customers or table / CHANGES
            yield Row(f"trail of a million {kind}, beside as many customers", size / CHANGES - noted, customers, 3.0,
                      unit="MB")
            noted = size / CHANGES
