"""Files as banks send them: each in tests/files/banks read whole, and what must never happen to a booking's key."""
from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import PROJECT

from tracker.transfer import bank
from tracker.transfer.bank_formats import Format, from_json, to_json

FOLDER = PROJECT / "tests" / "files" / "banks"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".csv", ".xml"))
TABLES = [name for name in FILES if name.endswith(".csv")]
SPARKASSE = ('"Buchungstag";"Verwendungszweck";"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"Betrag";'
             '"Waehrung"\n')


def told(path, remembered=None):
    """Return all that is told of a file, in the form of its JSON."""
    file = bank.open_bank_file(path, remembered)
    lines = [{field: value if isinstance(value, (int, bool)) else str(value)
              for field, value in line._asdict().items() if value not in ("", False)} for line in bank.lines(file)]
    assert len({line["line"] for line in lines}) == len(lines)
    layout = file.layout
    found = {"kind": file.kind, "lines": lines}
    if file.table:
        found["format"] = {"encoding": layout.encoding, "delimiter": layout.delimiter, "header_line": file.header_line,
                           "decimal": layout.decimal, "days": layout.days}
    for name in ("rejects", "left_out"):
        if reasons := getattr(file, name):
            found[name] = {str(line): why for line, why in reasons.items()}
    return found


def keys(path, remembered=None):
    return [line.key for line in bank.lines(bank.open_bank_file(path, remembered))]


@pytest.fixture
def write(tmp_path):
    def write(text, name="bank.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("name", FILES)
def test_a_banks_file_comes_in_as_its_json_says(name):
    expected = json.loads((FOLDER / name).with_suffix(".json").read_text(encoding="utf-8"))
    assert told(FOLDER / name) == expected


@pytest.mark.parametrize("name", TABLES)
def test_a_format_that_is_remembered_reads_the_same_file_the_same_way(name):
    layout = bank.open_bank_file(FOLDER / name).layout
    stored = json.loads(json.dumps(to_json(layout)))
    assert from_json(stored) == layout
    assert told(FOLDER / name, from_json(stored)) == told(FOLDER / name)


def test_every_file_is_in_the_table_with_its_source():
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == FILES


@pytest.mark.parametrize("name", FILES)
def test_no_two_bookings_of_a_file_share_a_key(name):
    found = keys(FOLDER / name)
    assert len(set(found)) == len(found)


def rewritten(name, change):
    """Return a corpus table's text with its header and the rows below given to change as a list of lists."""
    file = bank.open_bank_file(FOLDER / name)
    above = list(io.StringIO(file.text, newline=""))[:file.header_line - 1]
    rest = "".join(list(io.StringIO(file.text, newline=""))[file.header_line - 1:])
    rows = list(csv.reader(io.StringIO(rest, newline=""), delimiter=file.layout.delimiter, skipinitialspace=True))
    out = io.StringIO()
    csv.writer(out, delimiter=file.layout.delimiter).writerows(change(rows))
    return "".join(above) + out.getvalue()


@pytest.mark.parametrize("name", ["sparkasse_camt.csv", "dkb_new.csv", "rabobank.csv", "lloyds.csv", "swedbank_ee.csv",
                                  "paypal_de.csv", "n26_new.csv", "caixabank.csv", "ubs.csv"])
def test_another_order_of_the_columns_changes_no_key(name, write):
    def turned(rows):
        width = max(map(len, rows))
        return [(row + [""] * (width - len(row)))[::-1] for row in rows]

    assert keys(write(rewritten(name, turned))) == keys(FOLDER / name)


@pytest.mark.parametrize("name", ["sparkasse_camt.csv", "itau.csv", "nubank.csv", "mbank.csv", "bank_of_america.csv"])
def test_another_order_of_the_lines_changes_no_key(name, write):
    found = keys(write(rewritten(name, lambda rows: [rows[0], *rows[:0:-1]])))
    assert sorted(found) == sorted(keys(FOLDER / name))


def rows_of(days):
    return "".join(f'"{day:02}.11.2026";"Miete {day % 3}";"Ada Okafor";"DE1";"29,90";"EUR"\n' * 2
                   + f'"{day:02}.11.2026";"Rechnung {day}";"Ada Okafor";"DE1";"{day},50";"EUR"\n' for day in days)


def test_a_month_after_its_days_adds_nothing(write):
    month = keys(write(SPARKASSE + rows_of(range(1, 31))))
    days = [key for day in range(1, 31) for key in keys(write(SPARKASSE + rows_of([day])))]
    assert sorted(days) == sorted(month)
    assert len(set(month)) == 90


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16", "mac_roman", "cp850"])
def test_no_encoding_changes_a_key(encoding, write):
    table = SPARKASSE + '"05.11.2026";"Gebühr für Größe";"Jürgen Weiß";"DE1";"29,90";"EUR"\n'
    assert keys(write(table, encoding=encoding)) == keys(write(table.replace("ü", "u\u0308"), "other.csv"))
    assert keys(write(table)) != keys(write(table.replace("Gebühr", "Gabe")))


def test_of_equal_lines_of_a_day_each_is_a_payment_and_a_later_file_adds_only_what_is_new(write):
    line = '"05.11.2026";"Miete";"Ada Okafor";"DE1";"29,90";"EUR"\n'
    at_noon, at_night = keys(write(SPARKASSE + line)), keys(write(SPARKASSE + line * 3))
    assert at_noon == at_night[:1]
    assert len(set(at_night)) == 3


@pytest.mark.parametrize("changed", [
    '"06.11.2026";"Miete";"Ada Okafor";"DE1";"29,90";"EUR"\n',
    '"05.11.2026";"Miete 2";"Ada Okafor";"DE1";"29,90";"EUR"\n',
    '"05.11.2026";"Miete";"Ada Okafo";"DE1";"29,90";"EUR"\n', '"05.11.2026";"Miete";"Ada Okafor";"DE1";"29,91";"EUR"\n',
    '"05.11.2026";"Miete";"Ada Okafor";"DE1";"-29,90";"EUR"\n',
])
def test_day_amount_payer_and_reference_make_the_key(changed, write):
    line = '"05.11.2026";"Miete";"Ada Okafor";"DE1";"29,90";"EUR"\n'
    assert keys(write(SPARKASSE + line)) != keys(write(SPARKASSE + changed))


@pytest.mark.parametrize("same", [
    '"05.11.2026";"MIETE ";"ada  okafor";"DE1";"29,90";"EUR"\n', '05.11.26;Miete;Ada Okafor;DE1;+29,9;EUR\n',
])
def test_spaces_case_and_quotes_do_not_make_another_key(same, write):
    line = '"05.11.2026";"Miete";"Ada Okafor";"DE1";"29,90";"EUR"\n'
    assert keys(write(SPARKASSE + line)) == keys(write(SPARKASSE + same))


def test_an_id_makes_the_key_with_account_day_and_amount_and_the_text_may_change(write):
    header = "Transaction ID,Date,Name,Amount,Account Number\n"
    one = keys(write(header + "T1,2026-11-05,Ada,29.90,11\n"))
    assert one == keys(write(header + "T1,2026-11-05,Ada Okafor,29.90,11\n"))
    for other in ("T2,2026-11-05,Ada,29.90,11", "T1,2026-11-06,Ada,29.90,11", "T1,2026-11-05,Ada,29.91,11",
                  "T1,2026-11-05,Ada,29.90,12"):
        assert keys(write(header + other + "\n")) != one


@pytest.mark.parametrize("no_id", ["NONREF", "NOTPROVIDED", "Not provided", "0", "000", "-", "N/A", "", " "])
def test_a_word_for_no_id_is_none(no_id, write):
    rows = f"{no_id},2026-11-05,Ada Okafor,29.90\n{no_id},2026-11-05,Jonas Brandt,29.90\n"
    path = write("Transaction ID,Date,Name,Amount\n" + rows)
    lines = list(bank.lines(bank.open_bank_file(path)))
    assert [line.bank_id for line in lines] == ["", ""]
    alone = write("Transaction ID,Date,Name,Amount\n" + rows.splitlines()[1] + "\n", "alone.csv")
    assert keys(alone) == [lines[1].key]


def test_a_file_without_a_header_has_the_same_keys_whatever_else_is_in_it(write):
    first, second = '16/11/2026,"89.00","R NGUYEN INV 31","1,089.00"\n', '17/11/2026,"5.00","M LEE, FEE","1,094.00"\n'
    third = '28/11/2026,"5.25","4021","1,099.25"\n'
    whole = keys(write(first + second + third))
    assert keys(write(first + '28/11/2026,"5.25","4021","1,094.25"\n')) == [whole[0], whole[2]]
    assert keys(write(second + third)) == whole[1:]


@pytest.mark.parametrize("name", ["triodos_nl.csv", "asn_nl.csv", "abn_amro.csv"])
def test_a_line_of_a_file_without_a_header_has_its_key_alone_too(name, write):
    whole = bank.open_bank_file(FOLDER / name)
    for number, row in enumerate(whole.text.splitlines(keepends=True)):
        alone = bank.open_bank_file(write(row), Format(columns={"amount": whole.layout.columns["amount"]}))
        assert [(line.key, line.payer_account) for line in bank.lines(alone)] == [
            (line.key, line.payer_account) for line in bank.lines(whole)][number:number + 1]


@pytest.mark.parametrize(("name", "line"), [
    ("sparkasse_camt.csv", 2), ("nationwide.csv", 6), ("triodos_nl.csv", 1), ("santander_pl.csv", 2), ("sbi_in.csv", 6),
    ("erste_at.csv", 2), ("comdirect.csv", 8), ("vr_old.csv", 14), ("asn_nl.csv", 2), ("swedbank_se.csv", 3),
])
def test_a_line_that_cannot_be_read_is_written_as_it_is_and_once_mended_has_the_key_that_it_would_have(
    name, line, write
):
    whole = bank.open_bank_file(FOLDER / name)
    booking, = [found for found in bank.lines(whole) if found.line == line]
    out = io.BytesIO()
    bank.write_rejects(whole, {line: "It has a reason; more."}, out)
    text = out.getvalue().decode(whole.layout.encoding)
    assert bank.raw(whole, line).rstrip() in text
    assert text.count(bank.raw(whole, line).splitlines()[0]) == 1
    rejects = bank.open_bank_file(write(out.getvalue(), "bank.csv.rejects.csv"), whole.layout)
    assert [found._replace(line=line) for found in bank.lines(rejects)] == [booking]
    again = io.BytesIO()
    bank.write_rejects(rejects, {rejects.table.rows[0].first: "It has a reason; more."}, again)
    renumbered = again.getvalue().decode(whole.layout.encoding).replace(f"\n{rejects.table.rows[0].first}", f"\n{line}")
    assert renumbered == text


def test_the_lines_that_a_quotation_mark_has_hidden_are_lines_again_once_it_is_mended(write):
    rows = [f"{day}.11.2026;{day},50;Ada {day}" for day in range(11, 16)]
    text = "Buchungstag;Betrag;Name\n" + "\n".join(rows) + "\n"
    file = bank.open_bank_file(write(text.replace("Ada 12", '"Ada 12')))
    assert ([line.line for line in bank.lines(file)], list(file.rejects)) == ([2], [3])
    out = io.BytesIO()
    bank.write_rejects(file, file.rejects, out)
    mended = write(out.getvalue().decode("utf-8-sig").replace('"Ada 12', "Ada 12"), "mended.csv")
    assert keys(mended) == keys(write(text))[1:]


def test_the_raw_text_of_a_line_is_given_back_whole():
    file = bank.open_bank_file(FOLDER / "vr_old.csv")
    assert bank.raw(file, 14).splitlines()[0].startswith('"09.11.2026";"09.11.2026";"Lena Vogt"')
    assert bank.raw(file, 14).count("\n") == 5
    assert bank.raw(file, 15) == ""
    assert bank.raw(bank.open_bank_file(FOLDER / "camt053_v2_de.xml"), 1) == ""


def test_a_format_keeps_only_what_it_says_and_the_rest_is_found():
    path = FOLDER / "chase.csv"
    plain = told(path)
    assert told(path, Format(days="MDY")) == plain
    assert told(path, Format(delimiter=",", decimal=".")) == plain
    assert told(path, Format(columns={"reference": ("Description",)})) == plain


def test_the_expected_lines_are_beside_every_file():
    assert [Path(name).stem for name in FILES] == sorted(path.stem for path in FOLDER.glob("*.json"))
