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


def rejects_path(path: Path) -> Path:
    """Return where the rejected lines of a file would go: a name that is free, since an older one may be mended."""
    file = Path("standard-input") if path == STANDARD_INPUT else path
    name = re.sub(r"\.rejects(-[0-9]+)?\.csv$", "", file.name)
    for number in itertools.count(1):
        path = file.with_name(f"{name}.rejects{f'-{number}' if number > 1 else ''}.csv")
        if not kind_of(path) and not path.is_symlink():
            break
    return path


def put_rejects(part: Part, file: Path) -> Path:
    while True:
        path = rejects_path(file)
        try:
            put(part, path, like=None if file == STANDARD_INPUT else file)
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
    found = [source.path] if is_rejects(source) else rejects_beside(source.path)
    counted = ((path, _count_lines(path, source)) for path in found)
    return tuple((path, count) for path, count in counted if count)


def rejects_beside(path: Path) -> list[Path]:
    """Return the files that rejected lines of a file were written to."""
    return sorted(found for found in path.parent.glob(f"{glob.escape(path.name)}.rejects*.csv")
                  if re.search(r"\.rejects(-[0-9]+)?\.csv$", found.name))


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
        lines.write(f"{first_cells(REJECT_COLUMNS, source.delimiter)}{numbers}\n")
    for is_first, record in zip(itertools.chain([True], itertools.repeat(False)), all_records(source)):
        if is_first and source.header_line:
            first = REJECT_COLUMNS
        elif reason := rejects.get(record.number):
            first = (str(record.number), reason)
        else:
            continue
        lines.write(first_cells(first, source.delimiter) + _as_it_was(source, record))
    lines.flush()
    lines.detach()


def first_cells(cells: tuple[str, ...], delimiter: str) -> str:
    """Return the beginning of a line, up to where its own cells follow."""
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow([*cells, ""])
    return line.getvalue().rstrip("\n")


def _as_it_was(source: Source, record: Record) -> str:
    """Return a record as it stands in its file, less an earlier line number and reason."""
    again = is_rejects(source)
    hidden = _numbered(record, source.delimiter, again) if record.problem else record.raw[1:]
    raw = "".join([record.raw[0], *hidden])
    if again:
        raw = without_first_cells(raw, source.delimiter)
    return raw.replace(NUL, "\0") + ("" if raw.endswith(("\n", "\r")) else "\n")


def without_first_cells(raw: str, delimiter: str) -> str:
    """Return a line without the number and the reason that an earlier import wrote before it."""
    cell = rf'("([^"]|"")*"|[^"{re.escape(delimiter)}]*){re.escape(delimiter)}'
    return re.sub(rf"\A{cell}{cell}", "", raw)


def _numbered(record: Record, delimiter: str, again: bool) -> list[str]:
    """Return the lines that a wrong quotation mark hid, each with its number, so that mending the mark mends all."""
    earlier = rf"\A[0-9]+{re.escape(delimiter)}{{2}}" if again else r"\A"
    return [f"{number}{delimiter}{delimiter}{re.sub(earlier, '', line)}"
            for number, line in enumerate(record.raw[1:], record.number + 1)]
