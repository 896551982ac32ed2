"""Files that appear whole or not at all, follow no link, and let nobody read who could not read before.

A file is written under a name that nobody can guess, beside the place where it will stand, and locked meanwhile: one
without a lock was left by a program that was killed, and the next to write the same file removes it.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tracker.errors import BadFile, FileExists

DEVICES = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))  # where links are the system's own, as /dev/stdout is


class Part(NamedTuple):
    """A file that is not whole yet."""

    path: Path
    file: IO[bytes]


def kind_of(path: Path) -> str:
    """Return file, folder or device; nothing when there is none."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as exc:
        raise BadFile(f"{path} cannot be used: {exc.strerror}.") from exc
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "device"


def kind_to_write(path: Path) -> str:
    """Return kind_of a path; raise BadFile when nothing is to be written there: to a folder, or through a link."""
    if path.parent in DEVICES and path.is_symlink():
        return "device"
    if (kind := kind_of(path)) == "folder":
        raise BadFile(f"{path} is a folder.")
    _refuse_link(path)
    return kind


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise BadFile(f"{path} is a link, and nothing is written through one; name the file itself.")


def make_private(folder: Path) -> None:
    """Make a folder, its owner's alone, unless it is there; raise BadFile."""
    try:
        folder.mkdir(0o700, exist_ok=True)
        sync_folder(folder.parent)
    except OSError as exc:
        raise BadFile(f"{folder} cannot be made: {exc.strerror}.") from exc


@contextlib.contextmanager
def part_of(path: Path) -> Iterator[Part]:
    """Lend the file to write until it is whole, which is its owner's alone; remove it if put() gave it no name."""
    clear(path)
    with told(path):
        part, descriptor = _new_part(path)
        try:
            with os.fdopen(descriptor, "wb", 1 << 20) as file:
                yield Part(part, file)
        finally:
            with contextlib.suppress(OSError):
                part.unlink()


def put(part: Part, path: Path, like: Path | None = None, replace: bool = False) -> None:
    """Give a whole file its name; raise FileExists when that is taken and not to be replaced.

    Whoever may read like, or the file that is replaced, may read it; without one, its owner alone.
    """
    with told(path):
        part.file.flush()
        _take_after(part.file.fileno(), like or (path if replace else None))
        os.fsync(part.file.fileno())
        if replace:
            _refuse_link(path)  # it may have come since the file was begun
            os.replace(part.path, path)
        else:
            _name(part.path, path)
        sync_folder(path.parent)


@contextlib.contextmanager
def device(path: Path) -> Iterator[IO[bytes]]:
    """Open a device or a pipe to write to it as it is."""
    followed = 0 if path.parent in DEVICES else os.O_NOFOLLOW
    with told(path), os.fdopen(os.open(path, os.O_WRONLY | followed), "wb", 1 << 20) as file:
        if followed and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileExists(path)  # it took the device's place just now
        yield file


def clear(path: Path) -> None:
    """Remove what killed programs left of a file; what another program still writes is locked, and stays."""
    clear_all(path.parent, re.escape(_stem(path)))


def clear_all(folder: Path, stem: str) -> None:
    """Remove what killed programs left in a folder of files whose names a regular expression describes, with a dot at
    its end.
    """
    left = re.compile(stem + r"[0-9a-f]{16}\.part")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if left.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_unlocked(Path(entry))


def _stem(path: Path) -> str:
    """Return how the names of a file's parts begin, short enough that the rest fits."""
    return os.fsdecode(os.fsencode(path.name)[:200]) + "."


def _new_part(path: Path) -> tuple[Path, int]:
    while True:
        part = path.with_name(f"{_stem(path)}{secrets.token_hex(8)}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        # Whoever clears could have seen it before it was locked.
        if _locked(descriptor) and os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock a file; False when another program has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # no locks in this file system, so that nothing is cleared there either
    return True


def _remove_unlocked(part: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(part, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        finally:
            os.close(descriptor)


def _take_after(descriptor: int, like: Path | None) -> None:
    """Give a file the owner and mode of another where this login may; where not, fewer may read it, never more."""
    with contextlib.suppress(FileNotFoundError):
        if like:
            model = like.stat()
            for owner in (model.st_uid, -1):
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, owner, model.st_gid)
                    break
            same_group = os.fstat(descriptor).st_gid == model.st_gid
            os.fchmod(descriptor, stat.S_IMODE(model.st_mode) & (0o777 if same_group else 0o700))


def _name(part: Path, path: Path) -> None:
    """Give a file a name that is free, in one step, so that a kill leaves no empty file of that name."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise FileExists(path) from None
    except OSError:  # no second names in this file system: the name is taken first, and then replaced
        _reserve(path)
        os.replace(part, path)


def _reserve(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise FileExists(path) from None


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlast a power cut, where its file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Make one sentence of what goes wrong with a file that is written."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise BadFile(f"{path} cannot be written: {exc.strerror}.") from exc
