"""Files that appear whole or not at all."""
from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tracker.errors import BadFile


def kind_of(path: Path) -> str:
    """Return file, folder or device; nothing when there is none."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as exc:
        raise BadFile(f"{path} cannot be used: {exc.strerror}.") from exc
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "device"


@contextlib.contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """Lend the name under which a file is written until it is whole; remove what is left under it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    if kind_of(path) == "folder":
        raise BadFile(f"{path} is a folder.")
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def put(part: Path, path: Path, but: str = "") -> None:
    try:
        if path.name.endswith(".rejects.csv") and path.exists():
            os.replace(path, f"{path}.old")  # somebody may have mended it
        os.replace(part, path)
    except OSError as exc:
        raise BadFile(f"{but}{path} cannot be replaced: {exc.strerror}.") from exc


@contextlib.contextmanager
def writable(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("wb", buffering=1 << 20) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as exc:
        name = re.sub(r"\.[0-9]+\.part$", "", str(path))
        raise BadFile(f"{name} cannot be written: {exc.strerror}.") from exc
