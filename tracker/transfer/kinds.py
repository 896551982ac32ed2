"""What a file is by its first bytes, and its bytes as they are read: those of a packed one unpacked.

Everything that is not text is named for what it is, with what to do instead: a workbook's bytes read as CSV are nothing
but damaged lines.
"""
from __future__ import annotations

import functools
import gzip
import io
import os
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from tracker.errors import BadFile
from tracker.files import kind_of

STANDARD_INPUT = Path("/dev/stdin")
HEAD = 1 << 16  # bytes that tell what a file is
GZIP = b"\x1f\x8b"
BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)  # what reading a damaged packed file raises
TEXT_CONTROLS = b"\t\n\v\f\r\x1a\x1b\0"
SAVE = "save it there as CSV and import that"
EXPORT = "export it as CSV where it comes from and import that"
UNPACK = "unpack it and import the file in it"
WORKBOOK = ("an Excel workbook", SAVE)

# What the bytes at a place mean, and what to do with such a file.
SIGNATURES = (
    (0, b"%PDF", "a PDF", EXPORT),
    (0, b"SQLite format 3\0", "an SQLite database", "export its table as CSV and import that"),
    (4, b"Standard Jet DB", "an Access database", "export its table as CSV and import that"),
    (4, b"Standard ACE DB", "an Access database", "export its table as CSV and import that"),
    (0, b"{\\rtf", "a Rich Text document", EXPORT),
    (0, b"\x89PNG", "an image", EXPORT),
    (0, b"\xff\xd8\xff", "an image", EXPORT),
    (0, b"GIF8", "an image", EXPORT),
    (0, b"II*\0", "an image", EXPORT),
    (0, b"MM\0*", "an image", EXPORT),
    (8, b"WEBP", "an image", EXPORT),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"\xfd7zXZ\0", "packed with xz", UNPACK),
    (0, b"BZh", "packed with bzip2", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"PAR1", "a Parquet file", EXPORT),
    (0, b"PGDMP", "a PostgreSQL dump", "restore it, export its table as CSV and import that"),
    (0, b"\x7fELF", "a program", "name the file with the customers"),
    (0, b"-----BEGIN PGP", "encrypted", "decrypt it and import what comes out"),
)
# What the text at the beginning means, a byte order mark and blanks left out.
BEGINNINGS = (
    (rb"<\?xml[^>]*>\s*(<!--.*?-->\s*)*<\?mso-application progid=\"Excel", *WORKBOOK),
    (rb"<\?xml[^>]*>\s*<(\w+:)?Document[^>]*camt\.05", "a bank's statement", "import-payments reads those"),
    (rb"<!doctype html|<html|<head|<body|<meta|<table|<style|<div", "a web page", SAVE.replace("there ", "")),
    (rb"<\?xml|<[A-Za-z:]+\s+xmlns", "an XML file", EXPORT),
    (rb"\{\s*(?:\"|\}\s*\Z)|\[\s*[\[{\"]|\[\s*\]", "a JSON file", EXPORT),
    (rb"# [^\r\n]{10,40} by RouterOS|Flags: [A-Z]", "a router's export, not a list of customers",
     "import what the system that bills them exports"),
    (rb"\"?Data Import Template", "a template of ERPNext", "choose Export in the menu of its list of customers"),
    (rb"\[INFO\]\r?\n\"1\.0", "a file in EDI++ (EPP)", EXPORT),
    (rb"BEGIN:VCARD", "a file of contact cards", "open it in an address book, export that as CSV and import it"),
    (rb"BEGIN:VCALENDAR", "a calendar", "name the file with the customers"),
    (rb"!Type:|OFXHEADER|:20:[^\r\n]*\r?\n:2", "a bank's statement", "name the file with the customers"),
    (rb"-- (MySQL|MariaDB|PostgreSQL|phpMyAdmin)|(CREATE TABLE|INSERT INTO)\s", "an SQL dump",
     "load it, export its table as CSV and import that"),
)


class Kind(NamedTuple):
    """What a file is that is no text, as in "is an image", and what to do with it."""

    what: str
    advice: str


class _Unpacked(gzip.GzipFile):
    """A packed file that tells how far the packed one is read, so that progress is a share of its size."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed = packed

    def tell(self) -> int:
        return self._packed.tell()

    def close(self) -> None:
        super().close()
        self._packed.close()


def shown(path: Path) -> str:
    """Name a file in a sentence."""
    return "Standard input" if path == STANDARD_INPUT else str(path)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file to read its bytes, unpacked where it is packed with gzip, and standard input as often as wanted.

    Raise OSError, when read one of BROKEN.
    """
    file = _open_packed(path)
    if file.peek(2)[:2] != GZIP:
        return cast(BinaryIO, file)
    return cast(BinaryIO, _Unpacked(cast(BinaryIO, file)))


def size_of(path: Path) -> int:
    """Return how many bytes a file has, packed where it is packed."""
    with _open_packed(path) as file:
        return os.fstat(file.fileno()).st_size


def _open_packed(path: Path) -> io.BufferedReader:
    if path != STANDARD_INPUT:
        return path.open("rb")
    file = os.fdopen(os.dup(_spool().fileno()), "rb")
    file.seek(0)
    return file


@functools.cache
def _spool() -> IO[bytes]:
    """Keep what comes from standard input in a file without a name, since it is read more than once."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115, it stays as long as the program
    shutil.copyfileobj(sys.stdin.buffer, spool)
    spool.flush()
    return spool


def check(path: Path) -> str:
    """Return how a file of text is packed, gzip or not at all; raise BadFile when there is none, or nothing in it."""
    kind = "file" if path == STANDARD_INPUT else kind_of(path)
    if kind == "device":
        raise BadFile(f"{path} is a device, not a file; give - to read standard input.")
    if kind != "file":
        raise BadFile(f"{path} is a {kind}, not a file." if kind else f"There is no file {path}.")
    try:
        with open_bytes(path) as file:
            packed = isinstance(file, _Unpacked)
            head = file.read(HEAD)
            found = kind_of_bytes(head, file)
    except BROKEN as exc:
        raise BadFile(f"{shown(path)} is packed with gzip and damaged: it cannot be unpacked. Get it anew.") from exc
    except OSError as exc:
        raise BadFile(f"{shown(path)} cannot be read: {exc.strerror}.") from exc
    if not head:
        raise BadFile(f"{shown(path)} is empty.")
    if found:
        raise BadFile(f"{shown(path)} {'holds' if packed else 'is'} {found.what}; {found.advice}.")
    return "gzip" if packed else ""


def kind_of_bytes(head: bytes, file: BinaryIO | None = None) -> Kind | None:
    """Tell what begins with these bytes, None where it is text; file is looked into where it is an archive."""
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _kind_of_archive(head, file)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        locked = "EncryptedPackage".encode("utf-16-le") in head
        return Kind("an Excel workbook with a password" if locked else "an Excel workbook", SAVE)
    for place, sign, *kind in SIGNATURES:
        if head.startswith(sign, place):
            return Kind(*kind)
    beginning = _plain(head[:4096]).lstrip(b"\xef\xbb\xbf").lstrip()
    for pattern, *text_kind in BEGINNINGS:
        if re.match(pattern, beginning, re.IGNORECASE | re.DOTALL):
            return Kind(*text_kind)
    return Kind("not a text file", EXPORT) if _is_binary(head) else None


def _plain(head: bytes) -> bytes:
    """Return the beginning of UTF-16 as single bytes, where it is that."""
    return head.lstrip(b"\xff\xfe").replace(b"\0", b"") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else head


def _kind_of_archive(head: bytes, file: BinaryIO | None) -> Kind:
    if b"mimetypeapplication/vnd.oasis.opendocument" in head[:200]:
        return Kind(f"an OpenDocument {'spreadsheet' if b'spreadsheet' in head[:200] else 'file'}", SAVE)
    names = _archived(file) if file else []
    if any(name.startswith("xl/") for name in names) or b"xl/w" in head:
        return Kind(*WORKBOOK)
    if any(name.startswith("word/") for name in names):
        return Kind("a Word document", EXPORT)
    if any(name.endswith(".iwa") for name in names):
        return Kind("a Numbers spreadsheet", SAVE)
    return Kind("a ZIP archive", f"unpack it and import {names[0]}" if len(names) == 1 else UNPACK)


def _archived(file: BinaryIO) -> list[str]:
    """Return the names of an archive's files; none where it is cut off."""
    try:
        with zipfile.ZipFile(file) as archive:
            return [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError, *BROKEN):
        return []


def wide(head: bytes) -> str:
    """Return the name of UTF-16 without a byte order mark, where a file begins as that: every other byte is often 0."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 8 <= len(head) or min(even, odd) * 20 > max(even, odd):
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


def _is_binary(head: bytes) -> bool:
    """Tell whether bytes are no text: too many control characters, and no UTF-16 or UTF-32 that explains them."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:4] == b"\0\0\xfe\xff" or wide(head):
        return False
    controls = sum(map(head.count, (bytes([sign]) for sign in range(32) if sign not in TEXT_CONTROLS)))
    return controls * 20 > len(head) or head.count(0) * 10 > len(head)
