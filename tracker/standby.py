"""Which server answers: whether it is the one of before, and whether a standby is close enough behind it to be read.

A standby that took over begins another timeline. One that took over without the last changes has the same records but
for those; so what was acknowledged is looked for there.
"""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from tracker.cursor import Row

if TYPE_CHECKING:
    from uuid import UUID

MOST_RECEIPTS = 1000
NO_STANDBY = "is no standby"
# What an ordinary login may read. A standby gives no row: of its timeline it knows only what its last restart point
# noted. Every name is qualified, since this runs before it is known that nobody has planted others.
PLACE = """
    SELECT system_identifier AS system,
           pg_catalog.current_database() AS database,
           pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) AS file,
           pg_catalog.current_setting('synchronous_standby_names') AS waited_for,
           pg_catalog.current_setting('synchronous_commit') AS commits,
           pg_catalog.current_setting('TimeZone') AS timezone,
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0') AS flushed,
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0') AS inserted,
           pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS transactions,
           pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS now
    FROM pg_catalog.pg_control_system()
    WHERE NOT pg_catalog.pg_is_in_recovery()
"""
STATE = """
    SELECT system_identifier AS system,
           pg_catalog.current_database() AS database,
           pg_catalog.pg_is_in_recovery() AS is_standby,
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0') AS replayed,
           pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) AS transactions,
           pg_catalog.date_part('epoch', pg_catalog.pg_last_xact_replay_timestamp()) AS committed,
           greatest(timeline_id, min_recovery_end_timeline) AS timeline
    FROM pg_catalog.pg_control_system(), pg_catalog.pg_control_checkpoint(), pg_catalog.pg_control_recovery()
"""


class Place(NamedTuple):
    """A server that takes changes, as far as that tells which changes it has."""

    system: int
    timeline: int
    database: str


class Primary(NamedTuple):
    """How far a server that takes changes was, at a moment after asked_at, which is of this process's clock.

    All that was committed by then has numbers below transactions, and stands before end in its log. now is its own
    clock, timezone its sessions'. commits_wait says whether COMMIT waits for a standby.
    """

    place: Place
    asked_at: float
    transactions: int
    end: int
    now: float
    timezone: str
    commits_wait: bool


class Receipt(NamedTuple):
    """What was acknowledged, in words, and by which server."""

    what: str
    place: Place


def primary(row: Row, asked_at: float) -> Primary:
    """Shape the row of PLACE."""
    place = Place(row["system"], int(row["file"][:8], 16), row["database"])
    end = int(row["inserted" if row["commits"] == "off" else "flushed"])  # off does not wait until it is flushed
    waits = bool(row["waited_for"]) and row["commits"] not in ("off", "local")
    return Primary(place, asked_at, int(row["transactions"]), end, row["now"], row["timezone"], waits)


class Memory:
    """What a login did in this process: where, and what of it must be found again where a standby has taken over."""

    def __init__(self) -> None:
        self.written_at = 0.0  # when something was saved last, by this process's clock
        self.news: list[str] = []  # sentences for a person who is not at this terminal
        self._forgotten = 0  # of them
        self.has_strays = False  # kept after another server was found in use, where they were not looked for
        self._last: Primary | None = None
        self._receipts: dict[UUID, Receipt] = {}
        self._lock = threading.Lock()

    def last_news(self) -> int:
        """Return the running number of the last of the news, or 0 when there are none."""
        return self._forgotten + len(self.news) if self.news else 0

    def forget_news(self, last: int) -> None:
        """Forget the news up to a running number: what came since may not have been seen."""
        with self._lock:
            count = min(max(last - self._forgotten, 0), len(self.news))
            del self.news[:count]
            self._forgotten += count

    def keep(self, entry_key: UUID, receipt: Receipt) -> None:
        with self._lock:
            self._receipts[entry_key] = receipt
            self.has_strays = self.has_strays or bool(self._last and receipt.place != self._last.place)
            if len(self._receipts) > MOST_RECEIPTS:
                del self._receipts[next(iter(self._receipts))]

    def is_past(self, place: Place) -> bool:
        """Tell whether another server has taken over from one, as far as this process knows."""
        last = self._last
        return last is not None and place.system == last.place.system and place.timeline < last.place.timeline

    def move_to(self, now: Primary) -> str:
        """Note which server is in use; return what is to be said, if it is another than before.

        Another thread may have noted meanwhile that one has taken over from that.
        """
        with self._lock:
            if self.is_past(now.place):
                return ""
            before, self._last = self._last, now
        return _moved(before) if before and before.place != now.place else ""

    def lost_on(self, place: Place, stored: Callable[[list[UUID]], Iterable[UUID]]) -> list[str]:
        """Return what is to be said of payments that another server acknowledged and that are not on this one.

        stored returns which of some entry keys it has.
        """
        with self._lock:
            asked = [key for key, receipt in self._receipts.items() if receipt.place != place]
            there = set(stored(asked)) if asked else set()
            self._receipts.update({key: self._receipts[key]._replace(place=place) for key in there})
            gone = [self._receipts.pop(key) for key in asked if key not in there]
            self.has_strays = False
        return [f"{receipt.what}, is not on the server that is in use now: record it again." for receipt in gone]


def _moved(before: Primary) -> str:
    if before.commits_wait:
        return "Another server has taken over."
    return "Another server has taken over, and may lack the last changes before that, those of others, too."


def why_not(state: Row, behind: Primary, must_have: Primary | None, most_behind: float) -> str:
    """Say why a server is not read from in the place of another, or nothing where it may be.

    most_behind is in seconds; must_have is how far that one was when all that the standby must have was there.
    """
    if not state["is_standby"]:
        return NO_STANDBY
    if (state["system"], state["database"]) != (behind.place.system, behind.place.database):
        return "is of another database"
    if state["timeline"] != behind.place.timeline:
        return "does not follow the server in use yet"
    late = seconds_behind(state, behind)
    if late is None or late > most_behind:
        return "is too far behind" if late is None else f"is {late:.0f} seconds behind"
    if must_have and not has_all(state, must_have):
        return "does not have yet what was saved here"
    return ""


def has_all(state: Row, of: Primary) -> bool:
    """Tell whether a standby shows all that was committed where and when another server was asked.

    It may never come to the end of that one's log, where nothing happens: whole pages are sent, and the last may end in
    the middle of a record, which is no commit's. Then no transaction that had ended there is open or unknown here.
    """
    return bool(state["replayed"] >= of.end) or int(state["transactions"]) >= of.transactions


def seconds_behind(state: Row, behind: Primary) -> float | None:
    """Return how old at most is what a standby shows, or None where that cannot be told.

    Where it has all that the other server had when asked, it is as old as that answer. Where it has not, all is there
    that was committed before the last commit that it has, whose time is by the other server's clock. Neither
    its own clock nor what it was sent says anything: it may be cut off, or paused, or have nothing to do.
    """
    since = time.monotonic() - behind.asked_at
    if not state["is_standby"]:
        return None
    if has_all(state, behind):
        return since
    committed: float | None = state["committed"]
    return None if committed is None else max(behind.now + since - committed, since)


def as_row(cursor: Any) -> Row | None:
    """Return the row of a plain cursor by its columns' names."""
    row = cursor.fetchone()
    return row and dict(zip((column.name for column in cursor.description), row))
