"""Long statements of an import in ranges of its lines, so that one can tell how far they are."""
from __future__ import annotations

from collections.abc import Callable

from tracker.cursor import Cursor

BATCH = 20_000  # lines
MOST = 40  # ranges


def in_batches(cur: Cursor, run: Callable[[Cursor, int, int], None], tell: Callable[[int], object]) -> int:
    """Run a statement for a range of lines after the other, and return the rows of all; tell is told those so far."""
    cur.execute("SELECT min(line) - 1 AS first, max(line) AS last FROM import_lines")
    lines = cur.row()
    count = 0
    if lines["first"] is None:
        return count
    step = max(BATCH, (lines["last"] - lines["first"]) // MOST + 1)
    for after in range(lines["first"], lines["last"], step):
        run(cur, after, after + step)
        count += cur.rowcount
        tell(count)
    return count
