"""PostgreSQL servers of a test's own: one alone, or a primary and a standby that follows it."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

from conftest import in_memory, wait_for

import database
from benchmarks.cluster import HBA, Server, servers

__all__ = ["HBA", "Server", "alone", "caught_up", "cut_off", "fail_over", "pair"]


@contextlib.contextmanager
def alone() -> Iterator[Server]:
    """Start a server."""
    with servers("alone", where=in_memory()) as (server,):
        server.begin()
        yield server
        database.disconnect()


@contextlib.contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """Start a primary, and a standby that follows it."""
    with servers("primary", "standby", where=in_memory()) as (primary, standby):
        primary.begin()
        standby.follow(primary)
        yield primary, standby
        database.disconnect()


def fail_over(primary: Server, standby: Server) -> None:
    primary.kill()
    standby.sql("SELECT pg_promote()")


def caught_up(primary: Server, standby: Server) -> None:
    """Wait until the standby has all that was committed so far."""
    written, = primary.sql("SELECT pg_logical_emit_message(true, 'test', '')::text")[0]
    wait_for(lambda: standby.sql(f"SELECT 1 WHERE pg_last_wal_replay_lsn() >= '{written}'"))


def cut_off(primary: Server, standby: Server) -> None:
    """Let the standby hear no more of the primary, once it has all that was written so far."""
    caught_up(primary, standby)
    standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
    standby.sql("SELECT pg_reload_conf()")
    wait_for(lambda: not primary.sql("SELECT pid FROM pg_stat_replication"))
