"""What a file is by its first bytes: all that is no text is named for what it is, and packed text is read through."""
from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile

import pytest

from tracker import errors
from tracker.transfer import kinds, source

TEXT = b"name,phone\nAda,555\n"


def archive(**members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name, content in members.items():
            # Of a fixed day: a test is named by its bytes, and has one name in every process.
            file.writestr(zipfile.ZipInfo(name.replace("__", "/").replace("_dot_", ".")), content)
    return held.getvalue()


def workbook():
    return archive(_Content_Types_dot_xml="x" * 9_000, xl__workbook_dot_xml="<workbook/>")


def database_file(tmp_path):
    path = tmp_path / "customers.db"
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE customers (name text)")
    return path.read_bytes()


@pytest.mark.parametrize(("content", "what"), [
    (workbook(), "is an Excel workbook; save it there as CSV and import that."),
    (archive(word__document_dot_xml="x"), "is a Word document; export it as CSV where it comes from and import that."),
    (archive(Index__Tables_dot_iwa="x"), "is a Numbers spreadsheet; save it there as CSV and import that."),
    (archive(mimetype="application/vnd.oasis.opendocument.spreadsheet", content_dot_xml="x"),
     "is an OpenDocument spreadsheet; save it there as CSV and import that."),
    (archive(mimetype="application/vnd.oasis.opendocument.text", content_dot_xml="x"),
     "is an OpenDocument file; save it there as CSV and import that."),
    (archive(customers_dot_csv="x"), "is a ZIP archive; unpack it and import customers.csv."),
    (archive(a_dot_csv="x", b_dot_csv="x"), "is a ZIP archive; unpack it and import the file in it."),
    (workbook()[:500], "is a ZIP archive; unpack it and import the file in it."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an Excel workbook; save it there as CSV and import that."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
     "is an Excel workbook with a password; save it there as CSV and import that."),
    (b"%PDF-1.7\n", "is a PDF; export it as CSV where it comes from and import that."),
    (b"\x00\x01\x00\x00Standard ACE DB\x00", "is an Access database; export its table as CSV and import that."),
    (b"\x89PNG\r\n\x1a\n", "is an image; export it as CSV where it comes from and import that."),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "is an image; export it as CSV where it comes from and import that."),
    (b"7z\xbc\xaf\x27\x1c\x00", "is a 7-Zip archive; unpack it and import the file in it."),
    (b"BZh91AY&SY", "is packed with bzip2; unpack it and import the file in it."),
    (b"customers.csv".ljust(257, b"\0") + b"ustar", "is a tar archive; unpack it and import the file in it."),
    (b"PGDMP\x01", "is a PostgreSQL dump; restore it, export its table as CSV and import that."),
    (b"-- MySQL dump 10.13\n", "is an SQL dump; load it, export its table as CSV and import that."),
    (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<table>", "is a web page; save it as CSV and import that."),
    (b"<table><tr><td>Name</td></tr></table>", "is a web page; save it as CSV and import that."),
    (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>',
     "is an Excel workbook; save it there as CSV and import that."),
    (b'<?xml version="1.0"?>\n<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">',
     "is a bank's statement; import-payments reads those."),
    ('<?xml version="1.0"?><customers/>'.encode("utf-16"),
     "is an XML file; export it as CSV where it comes from and import that."),
    (b'[\n  {"name": "Ada"}]', "is a JSON file; export it as CSV where it comes from and import that."),
    (b"# 2026-11-26 10:00:00 by RouterOS 7.16\n/ppp secret\n", "is a router's export, not a list of customers; import "
     "what the system that bills them exports."),
    (b"Data Import Template\nTable:,Customer\n",
     "is a template of ERPNext; choose Export in the menu of its list of customers."),
    (b'[INFO]\r\n"1.05",3,1250\r\n', "is a file in EDI++ (EPP); export it as CSV where it comes from and import that."),
    (b'{"customers": []}', "is a JSON file; export it as CSV where it comes from and import that."),
    (b"BEGIN:VCARD\r\nFN:Ada",
     "is a file of contact cards; open it in an address book, export that as CSV and import it."),
    (b"!Type:Bank\nD1", "is a bank's statement; name the file with the customers."),
    (bytes(range(256)) * 4, "is not a text file; export it as CSV where it comes from and import that."),
    (bytes(5_000), "is not a text file; export it as CSV where it comes from and import that."),
    (b"", "is empty."),
    (gzip.compress(b"", mtime=0), "is empty."),
    (gzip.compress(workbook(), mtime=0), "holds an Excel workbook; save it there as CSV and import that."),
    (gzip.compress(b"%PDF-1.7\n", mtime=0), "holds a PDF; export it as CSV where it comes from and import that."),
    (gzip.compress(TEXT, mtime=0)[:15], "is packed with gzip and damaged: it cannot be unpacked. Get it anew."),
])
def test_what_is_no_text_is_named_for_what_it_is(tmp_path, content, what):
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    with pytest.raises(errors.BadFile) as refusal:
        source.open_source(path)
    assert str(refusal.value) == f"{path} {what}"


def test_a_database_file_is_named(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(database_file(tmp_path))
    with pytest.raises(errors.BadFile, match=r"is an SQLite database; export its table as CSV and import that\.$"):
        kinds.check(path)


@pytest.mark.parametrize("content", [
    b"<CUSTOMER>,<PHONE>\nAda,555\n", b"[Name];Phone\nAda;555\n", b"BM,GIF\n1,2\n", b"name\nA\0da\n", b"{name},phone\n",
    "Имя;Телефон\nИван;555\n".encode("utf-16-le"), "name,phone\nAda,555\n".encode("utf-32"), b"PK,phone\nAda,555\n",
])
def test_text_is_text_whatever_it_begins_with(tmp_path, content):
    (tmp_path / "in.csv").write_bytes(content)
    assert kinds.check(tmp_path / "in.csv") == ""


def test_a_packed_file_is_read_through_and_tells_its_packed_size(tmp_path):
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(TEXT + b"Bo,556\n" * 100_000))
    opened = source.open_source(path)
    assert (opened.kind, opened.headers, opened.size) == ("gzip", ["name", "phone"], path.stat().st_size)
    held = []
    assert sum(1 for _ in source.records(opened, held.append)) == 100_001
    with kinds.open_bytes(path) as file:
        file.read()
        assert file.tell() == opened.size


def test_a_packed_file_that_is_cut_off_later_is_one_sentence(tmp_path):
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(b"name,phone\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(50_000)))[:-2_000])
    with pytest.raises(errors.BadFile, match=r"is packed with gzip and damaged: it cannot be unpacked to its end"):
        source.open_source(path)


def test_one_endless_line_is_refused_without_being_held(tmp_path):
    path = tmp_path / "in.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(70):
            file.write(b"x" * (1 << 20))
    with pytest.raises(errors.BadFile, match=r"has a line of over 64 MB, and is no list of customers\.$"):
        source.open_source(path)
