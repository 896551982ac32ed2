"""A base backup and the archived WAL bring the books back as they were at a moment, as docs/SERVERS.md says."""
from __future__ import annotations

import os
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import delete_with_money, in_memory, run_program, wait_for

import database
from benchmarks.cluster import Server, servers
from tracker import embedded, payments

pytestmark = pytest.mark.slow


@pytest.fixture
def places():
    """A server, and a place for another, neither of which runs yet."""
    with servers("server", "restored", where=in_memory()) as both:
        yield both
        database.disconnect()


def give(*paths: Path) -> None:
    """Let paths belong to whoever runs the servers."""
    if user := embedded._system_user():
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def pay(customer_id: int, amount: int) -> str:
    """Record a payment and return its key."""
    key = uuid4()
    payments.record_payment(customer_id, Decimal(amount), date(2026, 1, 15), "cash", None, key)
    return str(key)


def keys() -> set[str]:
    return {row["key"] for row in database.fetch_all("SELECT entry_key::text AS key FROM payments")}


def restore(base: Path, server: Server, archive: Path, moment: str) -> None:
    """Start a server on a copy of a base backup, and let it replay the archive up to a moment."""
    shutil.copytree(base, server.folder / "data", copy_function=shutil.copy2)
    with (server.folder / "data" / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{moment}'\n"
                       "recovery_target_action = 'promote'\n")
    (server.folder / "data" / "recovery.signal").touch()
    give(server.folder / "data", *(server.folder / "data").rglob("*"))
    server.start()
    wait_for(lambda: server.sql("SELECT pg_is_in_recovery()") == [(False,)])


def test_the_books_come_back_as_they_were_before_a_mistake(places):
    server, restored = places
    archive = server.folder / "archive"
    archive.mkdir()
    give(archive)
    server.begin("archive_mode=on", f"archive_command=test ! -f {archive}/%f && cp %p {archive}/%f")
    database.connect(server.uri)
    ada, bo = database.add_customer("Ada Okafor", "5550100"), database.add_customer("Bo Li", "5550101")
    database.add_bill(ada, "Setup", Decimal(100), date(2026, 1, 31))
    before = {pay(ada, 30)}
    base = server.folder / "base"
    server.run("pg_basebackup", "-d", server.uri, "-D", base, "--checkpoint=fast", "--no-sync")
    server.run("pg_verifybackup", base)
    before |= {pay(ada, 40), pay(bo, 5)}
    database.add_location(ada, "1 Harbour Street")
    [(moment,)] = server.sql("SELECT clock_timestamp()::text")

    payments.void_payment(database.fetch_value("SELECT max(payment_id) AS id FROM payments"), "typo")
    delete_with_money(ada)
    pay(bo, 7)
    [(last,)] = server.sql("SELECT pg_walfile_name(pg_switch_wal())")
    # The file is there before all of it is.
    wait_for(lambda: server.sql(f"SELECT 1 FROM pg_stat_archiver WHERE last_archived_wal >= '{last}'"))
    database.disconnect()
    server.kill()

    restore(base, restored, archive, moment)
    done = run_program(restored.uri, "verify")
    assert (done.returncode, done.stdout) == (0, "Checked 1 bill and 3 payments.\nEverything adds up.\n")
    database.connect(restored.uri)
    assert keys() == before
    assert [row["name"] for row in database.list_customers()] == ["Ada Okafor", "Bo Li"]
    assert [row["address"] for row in database.list_locations()] == ["1 Harbour Street"]
    assert database.fetch_value("SELECT count(*) FROM payments WHERE voided_at IS NOT NULL") == 0
    assert restored.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)") == [("00000002",)]  # the timeline
    after = pay(ada, 9)
    assert keys() == before | {after}
    assert run_program(restored.uri, "verify").returncode == 0
