"""The lines that an import rejects, in a file beside its own, to mend and import."""
from __future__ import annotations

import csv
import glob
import io
import itertools
import re
from pathlib import Path
from typing import IO

from tracker import errors
from tracker.files import Part, kind_of, put
from tracker.transfer.kinds import STANDARD_INPUT
from tracker.transfer.sorting import REJECT_COLUMNS, Record, Source
from tracker.transfer.source import NUL, all_records, open_source, records


def rejects_path(source: Source) -> Path:
    """Return where the rejected lines of a file would go: a name that is free, since an older one may be mended."""
    file = Path("standard-input") if source.path == STANDARD_INPUT else source.path
    name = re.sub(r"\.rejects(-[0-9]+)?\.csv$", "", file.name)
    for number in itertools.count(1):
        path = file.with_name(f"{name}.rejects{f'-{number}' if number > 1 else ''}.csv")
        if not kind_of(path) and not path.is_symlink():
            break
    return path


def put_rejects(part: Part, source: Source) -> Path:
    while True:
        path = rejects_path(source)
        try:
            put(part, path, like=None if source.path == STANDARD_INPUT else source.path)
        except errors.FileExists:
            continue  # another import took the name just now
        except errors.BadFile as exc:
            raise errors.BadFile(f"The good lines were imported, but {exc}") from exc
        return path


def is_rejects(source: Source) -> bool:
    """Tell a file that an import's rejects were written to."""
    return tuple(source.headers[:2]) == REJECT_COLUMNS


def settled(source: Source) -> tuple[tuple[Path, int], ...]:
    """Return the rejects files of which an import without rejects leaves nothing to mend, and how many lines each has.

    That is the file itself where it is one, else all that were written beside it, whose lines it has.
    """
    if source.path == STANDARD_INPUT:
        return ()
    if is_rejects(source):
        found = [source.path]
    else:
        found = sorted(path for path in source.path.parent.glob(f"{glob.escape(source.path.name)}.rejects*.csv")
                       if re.search(r"\.rejects(-[0-9]+)?\.csv$", path.name))
    counted = ((path, _count_lines(path, source)) for path in found)
    return tuple((path, count) for path, count in counted if count)


def _count_lines(path: Path, source: Source) -> int:
    """Return how many records a rejects file of a source has; 0 where it is none."""
    try:
        rejects = open_source(path, source.encoding, source.delimiter)
        return sum(1 for _ in records(rejects)) if is_rejects(rejects) else 0
    except (errors.Error, OSError):
        return 0


def write_rejects(source: Source, rejects: dict[int, str], file: IO[bytes]) -> None:
    """Write the rejected lines as they are, line number and reason before them, in the file's own encoding."""
    lines = io.TextIOWrapper(file, source.encoding, "backslashreplace", newline="")
    if not source.header_line:
        # Columns that are spoken of by number have it for a header there, two columns further on.
        numbers = source.delimiter.join(str(column) for column in range(1, len(source.headers) + 1))
        lines.write(f"{_first_cells(REJECT_COLUMNS, source.delimiter)}{numbers}\n")
    for is_first, record in zip(itertools.chain([True], itertools.repeat(False)), all_records(source)):
        if is_first and source.header_line:
            first = REJECT_COLUMNS
        elif reason := rejects.get(record.number):
            first = (str(record.number), reason)
        else:
            continue
        lines.write(_first_cells(first, source.delimiter) + _as_it_was(source, record))
    lines.flush()
    lines.detach()


def _first_cells(cells: tuple[str, ...], delimiter: str) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow([*cells, ""])
    return line.getvalue().rstrip("\n")


def _as_it_was(source: Source, record: Record) -> str:
    """Return a record as it stands in its file, less an earlier line number and reason."""
    again = is_rejects(source)
    hidden = _numbered(record, source.delimiter, again) if record.problem else record.raw[1:]
    raw = "".join([record.raw[0], *hidden])
    if again:
        cell = rf'("([^"]|"")*"|[^"{source.delimiter}]*){source.delimiter}'
        raw = re.sub(rf"\A{cell}{cell}", "", raw)
    return raw.replace(NUL, "\0") + ("" if raw.endswith(("\n", "\r")) else "\n")


def _numbered(record: Record, delimiter: str, again: bool) -> list[str]:
    """Return the lines that a wrong quotation mark hid, each with its number, so that mending the mark mends all."""
    earlier = rf"\A[0-9]+{re.escape(delimiter)}{{2}}" if again else r"\A"
    return [f"{number}{delimiter}{delimiter}{re.sub(earlier, '', line)}"
            for number, line in enumerate(record.raw[1:], record.number + 1)]
