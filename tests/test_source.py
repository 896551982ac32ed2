"""From a file's text to its records: where its header is, what separates its columns, and which lines are whole."""
from __future__ import annotations

import re

import pytest

from tracker import errors
from tracker.transfer import sorting, source, synonyms

HEADER = "name,phone,address,plan,fee"
PEOPLE = ["Ada Bell,555 0101,1 Quay,Fibre 100,29.90", "Bo Cole,555 0102,2 Quay,Fibre 100,29.90",
          "Cy Dunn,555 0103,3 Quay,Fibre 500,49.90", "Di Eng,555 0104,4 Quay,Fibre 500,49.90"]
REMARK = "Only its first cell is filled, as in a remark below a list: fill it in or delete the line."
ROWS = [line.split(",") for line in PEOPLE]


@pytest.fixture
def read(tmp_path):
    """Open a file of these lines; return it, its records as (line, cells or problem, lines), and what else is said."""
    def opened(*lines, end="\n", **how):
        path = tmp_path / "in.csv"
        content = lines[0] if isinstance(lines[0], bytes) else "".join(f"{line}{end}" for line in lines).encode()
        path.write_bytes(content)
        found = source.open_source(path, means_something=synonyms.means_something, **how)
        noticed = []
        records = [(record.number, record.problem or record.row, len(record.raw))
                   for record in source.records(found, noticed=noticed)]
        return found, records, sorting.remarks(noticed)

    return opened


def whole(first, rows=ROWS):
    """Return records of a line each from a line on, as read returns them."""
    return [(number, row, 1) for number, row in enumerate(rows, first)]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_each_separator_is_told_by_the_lines(read, sign):
    lines = [line.replace(",", sign) for line in (HEADER, *PEOPLE)]
    found, records, _ = read(*lines)
    assert (found.delimiter, found.headers, found.header_line) == (sign, HEADER.split(","), 1)
    assert records == whole(2)


@pytest.mark.parametrize(("lines", "sign"), [
    (["Name;Fee", "Ada;29,90", "Bo;49,90"], ";"),
    (["Imię;Telefon;Cena", "Jan;555,1;29,90", "Jon;556,2;39,90"], ";"),
    (["Name,Remark; or more", "Ada,a;b", "Bo,c", "Cy,d;e;f"], ","),
    (['Name,"a;b;c;d"', 'Ada,"x;y;z"'], ","),
    (["Customers, all of them", "", "Name\tPhone\tCity", "Ada\t1, 2\tRome", "Bo\t3\tOslo"], "\t"),
    (["Ada"], ","),
])
def test_the_separator_is_the_one_that_splits_all_lines_alike_outside_quotes(read, lines, sign):
    assert read(*lines)[0].delimiter == sign


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;;;"])
def test_a_first_line_that_names_the_separator_is_obeyed_and_no_header(read, first):
    found, records, _ = read(first, "name;a,b,c", "Ada;1,2,3")
    assert (found.delimiter, found.headers, found.header_line) == (";", ["name", "a,b,c"], 2)
    assert records == [(3, ["Ada", "1,2,3"], 1)]
    assert read("sep=|", "name;a|b", "Ada;1|2")[0].headers == ["name;a", "b"]


def test_a_separator_that_is_none_is_refused(read):
    with pytest.raises(errors.BadFile, match=r"^A delimiter is a comma, a semicolon, tab or \|\.$"):
        read(HEADER, delimiter=":")


@pytest.mark.parametrize("above", [
    ["Customers of the north"], ["Customers,,,,", "2026-11-01,,,,", ""], ['"Customers, all"', "", "", "Made by: Zoe"],
    ["Report;1", "User;Zoe", "Plan;all", "Phone;555"], ["", "", ""], [f"Remark {i}" for i in range(9)],
])
def test_a_header_on_one_of_the_first_ten_lines_is_found(read, above):
    found, records, remarks = read(*above, HEADER, *PEOPLE)
    line = len(above) + 1
    assert (found.header_line, found.headers) == (line, HEADER.split(","))
    assert (records, remarks) == (whole(line + 1), [])
    assert bool(found.titles) == any(above)


def test_an_unknown_header_below_a_title_is_the_first_wide_line(read):
    found, records, _ = read("Asiakkaat", "Nimi;Numero;Katu", "Aino;555;1 Tie", "Eino;556;2 Tie")
    assert (found.header_line, found.headers) == (2, ["Nimi", "Numero", "Katu"])
    assert records == whole(3, [["Aino", "555", "1 Tie"], ["Eino", "556", "2 Tie"]])


def test_a_header_may_have_line_breaks_and_the_same_name_twice(read):
    found, records, _ = read('name,"Phone\nnumber",Phone', "Ada,555,556")
    assert (found.headers, records) == (["name", "Phone number", "Phone"], [(3, ["Ada", "555", "556"], 1)])


def test_a_file_without_a_header_has_blank_ones(read):
    found, records, remarks = read(*PEOPLE, has_header=False)
    assert (found.headers, found.header_line, records, remarks) == ([""] * 5, 0, whole(1), [])


@pytest.mark.parametrize("line", ["Ada Bell,555 0101", "Ada,29.90,x", "Ada,ada@home.test"])
def test_a_first_line_that_looks_like_a_customer_is_asked_about(read, line):
    with pytest.raises(errors.NoHeader) as refusal:
        read(line, "Bo Cole,555 0102")
    assert str(refusal.value) == ("The first line looks like a customer, and not like a header: "
                                  f"{line.replace(',', ', ')}.")


def test_a_customer_is_no_header_because_of_a_word_and_the_first_of_two_tables_has_it(read):
    found, records, _ = read("Vārds,Tālr.,Internets", "Ada,+371 2955 5001,Internet 100", "Bo,+371 2955 5002,Net 50")
    assert (found.header_line, len(records)) == (1, 2)
    with pytest.raises(errors.NoHeader):
        read("REC;10001;Frau;Bell;Quay 1;25899;04661 555 201", "REC;10002;Firma;Cole KG;Quay 2;25899;04661 555 202")
    found, records, _ = read("Customers", "id,name,phone", "1,Ada,555 0101", "2,Bo,555 0102",
                             "id,customer id,plan,price", "7,1,Net,5.00")
    assert (found.header_line, [line for line, *_ in records]) == (2, [3, 4, 5, 6])


def test_lines_that_are_in_quotes_as_a_whole_are_refused_and_said(read):
    with pytest.raises(errors.BadFile, match=r"^Each line of .* stands in quotation marks as a whole, so that"):
        read('"name,phone"', '"Ada,555 0101"')


def test_what_cannot_be_seen_is_no_part_of_a_header(read):
    found, *_ = read("\u200ename,\u200bph\u200bone,\u202aservice\u00a0name\u202c", *PEOPLE[:2])
    assert found.headers == ["name", "phone", "service name"]


@pytest.mark.parametrize(("cells", "values"), [
    ("7 Reed Lane\\nSnape\tx\\\\y", ["7 Reed Lane\nSnape", "x\\y"]), ("\\N\ta\\tb", ["\\N", "a b"]),
    ("C:\\path\ta\\nb", ["C:\\path", "a\\nb"]), ("a\\nb\t\"c\"", ["a\\nb", "c"]),
])
def test_what_a_database_escapes_between_tabs_is_what_it_stands_for(read, cells, values):
    _, records, _ = read("name\tnotes", cells)
    assert records == [(2, values, 1)]


@pytest.mark.parametrize(("cell", "value"), [
    ("Smith &amp; Sons", "Smith & Sons"), ("Caf&eacute; Ren&#233;", "Café René"), ("1 A St<br/>Apt 4", "1 A St\nApt 4"),
    ("<b>Bo</b>", "Bo"), ("AT&T; Co", "AT&T; Co"), ("Ann <ann@x>", "Ann <ann@x>"), ("&notaname;", "&notaname;"),
    ("'0123", "0123"), ("'SA70 7AA", "SA70 7AA"), ("'t Hooft", "'t Hooft"), ("0561<br>0562", "0561\n0562"),
])
def test_what_a_web_panel_or_a_shop_writes_around_a_text_is_none_of_it_but_in_our_own_export(read, cell, value):
    assert read("name,plan,phone", f"Ada,{cell},")[1] == [(2, ["Ada", value, ""], 1)]
    assert read("customer_id,name,address", f"1,{cell},")[1] == [(2, ["1", cell, ""], 1)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_line_end_is_one(read, end):
    assert read(HEADER, *PEOPLE, end=end)[1] == whole(2)


def test_spaces_around_quoted_cells_are_none_of_theirs(read):
    _, records, _ = read('name, "phone", address', 'Ada, "555", "1 Quay, Rome"', 'Bo,"556" ,"2 Quay"  ', 'Cy,"5""6",3')
    assert records == whole(2, [["Ada", "555", "1 Quay, Rome"], ["Bo", "556", "2 Quay"], ["Cy", '5"6', "3"]])


def test_quotes_that_a_backslash_escapes_are_read(read):
    assert read("name,phone", r'"Ada \"The\" Bell",555')[1] == [(2, ['Ada "The" Bell', "555"], 1)]
    assert read("name,phone", '"Ada "The" Bell",555')[1] == [
        (2, "A quotation mark inside a quoted field must be doubled.", 1)]


def test_text_cells_of_a_spreadsheet_are_their_text(read):
    _, records, _ = read("name,phone,address", 'Ada,="0561 124","=""0561,125"""', 'Bo,="0561,126",=1+1', 'Cy,="",="x')
    assert records == whole(2, [["Ada", "0561 124", "0561,125"], ["Bo", "0561,126", "=1+1"], ["Cy", "", '="x']])


def test_line_breaks_in_a_quoted_cell_are_kept(read):
    _, records, _ = read(HEADER, *PEOPLE, 'Ed,555,"5 Quay\nRome, Lazio\n, , , ,x",Fibre 100,29.90', PEOPLE[0])
    assert records[4:] == [(6, ["Ed", "555", "5 Quay\nRome, Lazio\n, , , ,x", "Fibre 100", "29.90"], 3),
                           (9, ROWS[0], 1)]


def test_nul_and_the_end_sign_of_old_systems_do_no_harm(read):
    assert read("name,phone", "A\0da,555", "\x1a")[1][0] == (2, [f"A{source.NUL}da", "555"], 1)


@pytest.mark.parametrize(("lines", "filled"), [
    (["Ed Fox,555 0105"], [["Ed Fox", "555 0105", "", "", ""]]),
    (["Ed Fox,555 0105,5 Quay", "Flo Gray,555 0106"],
     [["Ed Fox", "555 0105", "5 Quay", "", ""], ["Flo Gray", "555 0106", "", "", ""]]),
    (["Ed Fox,555 0105,5 Quay", "Flo Gray,555 0106,6 Quay"],
     [["Ed Fox", "555 0105", "5 Quay", "", ""], ["Flo Gray", "555 0106", "6 Quay", "", ""]]),
    (["Ed Fox,555 0105,5 Quay,Fibre 100", "Flo Gray,555 0106"],
     [["Ed Fox", "555 0105", "5 Quay", "Fibre 100", ""], ["Flo Gray", "555 0106", "", "", ""]]),
])
def test_cells_that_are_left_out_at_the_end_are_blank_and_said(read, lines, filled):
    _, records, remarks = read(HEADER, *PEOPLE, *lines, PEOPLE[0])
    assert records == [*whole(2), *whole(6, filled), (6 + len(lines), ROWS[0], 1)]
    assert remarks == ["Line 6 ends early; the cells that are left out there are blank."] if len(lines) == 1 else [
        "Lines 6 and 7 end early; the cells that are left out there are blank."]


def test_a_file_whose_lines_mostly_end_early_is_filled(read):
    _, records, _ = read(HEADER, PEOPLE[0], "Bo,556,2 Quay", "Cy,557,3 Quay", "Di,558,4 Quay")
    assert [row[:3] for _, row, _ in records] == [
        ROWS[0][:3], ["Bo", "556", "2 Quay"], ["Cy", "557", "3 Quay"], ["Di", "558", "4 Quay"]]


BROKEN = "A line break stands in a cell without quotation marks: make it one line."


@pytest.mark.parametrize(("lines", "problem", "taken"), [
    (["Ed Fox,555 0105,5", "Quay,Fibre 100,29.90"], BROKEN, 2),
    (["Ed Fox,555 0105,5 Quay", "Rome", "Lazio,Fibre 100,29.90"], BROKEN, 3),
    (["Ed", "Fox,555 0105,5 Quay,Fibre 100"], "The line has 1 field, the header 5.", 1),
    (["Ed Fox,5 Quay,Fibre 100,29.90"], "The line has 4 fields, the header 5.", 1),
    (["Ed Fox,555 0105,Fibre 100,29.90"], "The line has 4 fields, the header 5.", 1),
    (["Ed Fox,555 0105,Fibre 100"], "The line has 3 fields, the header 5.", 1),
    (["Ed Fox"], "The line has 1 field, the header 5.", 1),
    (["Ed Fox,555 0105,5 Quay,Fibre 100,29,90"], "The line has 6 fields, the header 5.", 1),
])
def test_a_line_that_is_broken_or_has_a_cell_too_few_is_a_reject_and_never_joined(read, lines, problem, taken):
    _, records, _ = read(HEADER, *PEOPLE, *lines, PEOPLE[0])
    assert records[:5] == [*whole(2), (6, problem, taken)]
    assert records[-1] == (6 + len(lines), ROWS[0], 1)


def test_blank_cells_beyond_the_header_are_nothing(read):
    assert read("name,phone", "Ada,555,,  ,")[1] == [(2, ["Ada", "555"], 1)]


def test_lines_that_a_quotation_mark_hides_are_one_record_that_has_them_all(read):
    unclosed = read(HEADER, *PEOPLE, 'Ed Fox,555 0105,"5 Quay', *PEOPLE)[1]
    assert unclosed[4:] == [(6, "A quotation mark is opened and not closed up to the end of the file.", 5)]
    closed = read(HEADER, *PEOPLE, 'Ed Fox,555 0105,"5 Quay', PEOPLE[1], 'Flo,555,6 Quay",Fibre 100,29.90',
                  PEOPLE[0])[1]
    assert closed[4:] == [(6, "A quotation mark makes them one: one is missing, or one too many.", 3), (9, ROWS[0], 1)]


@pytest.mark.parametrize(("line", "said"), [
    (HEADER, "is the header again"), (" name , phone,address,plan,fee", "is the header again"),
    ("Total,,,,149.60", "is a total"), ("TOTAL: 4,,,,", "is a total"), (",,,Summe:,\"1.149,60\"", "is a total"),
    ("Razem,4,,,149.60 zł", "is a total"), ("Grand total,4 customers,,,", "is a total"), ("Итого,,,,5", "is a total"),
    ("(4 rows)", "counts the lines"), ("4 rows affected,,,,", "counts the lines"),
    ("Page 1 of 3", "is a page number"), ("Seite 2/3,,,,", "is a page number"),
    ("-----,-----,---,-,-", "is a ruled line"), ("====================", "is a ruled line"),
    ("Customers of the north,,,,", "is the title again"),
])
def test_what_is_no_customer_is_left_out_in_the_middle_and_at_the_end_and_said(read, line, said):
    _, records, remarks = read("Customers of the north,,,,", HEADER, *PEOPLE[:2], line, *PEOPLE[2:])
    assert (records, remarks) == ([*whole(3, ROWS[:2]), *whole(6, ROWS[2:])], [f"Line 5 {said}, and is left out."])
    _, records, remarks = read("Customers of the north,,,,", HEADER, *PEOPLE, line, "", line)
    assert records == whole(3)
    assert [re.sub("^Lines 7 and 9 (are|count).*out.$", "", remark) for remark in remarks] == [""]


@pytest.mark.parametrize("line", [
    "Total Cleaning,555 0105,5 Quay,Fibre 100,29.90", "Total,555 0105,5 Quay,Fibre 100,29.90", "Total,555 0105,,,",
    "Summer Total,,,,149.60", "Page Turner,555 0105,,,", "Pagano,555 0105,,Fibre 100,29.90", "-,555 0105,5 Quay,,",
])
def test_a_customer_is_never_taken_for_a_total(read, line):
    _, records, remarks = read(HEADER, *PEOPLE, line)
    assert (records[4:], remarks) == ([(6, line.split(","), 1)], [])


def test_a_remark_below_the_list_is_a_reject_but_where_lines_of_one_cell_are_usual(read):
    assert read(HEADER, *PEOPLE, "Made by Zoe,,,,", "on Monday,,,,")[1][4:] == [(6, REMARK, 1), (7, REMARK, 1)]
    assert read(HEADER, "Ed Fox,555 0105", "Made by Zoe,,,,")[1][1:] == [(3, REMARK, 1)]
    assert read(HEADER, "Ed,,,,", *PEOPLE, "Flo,,,,")[1][::5] == [
        (2, ["Ed", "", "", "", ""], 1), (7, ["Flo", "", "", "", ""], 1)]
    assert read(HEADER, "Ed,,,,", "Flo,,,,")[1] == [(2, ["Ed", "", "", "", ""], 1), (3, ["Flo", "", "", "", ""], 1)]


def test_a_remark_in_a_rejects_file_is_one_again_and_a_name_rejected_for_something_else_is_not(read):
    header = f"line_number,reason,{HEADER}"
    assert read(header, f'7,"{REMARK}",Made by Zoe,,,,')[1] == [(2, REMARK, 1)]
    assert read(header, "7,It looks like customer 3.,Ed Fox,,,,")[1] == [
        (2, ["7", "It looks like customer 3.", "Ed Fox", "", "", "", ""], 1)]


def test_the_columns_of_a_rejects_file_are_no_cells_of_the_line(read):
    found, records, _ = read("line_number,reason," + HEADER, *(f"{i},x,{line}" for i, line in enumerate(PEOPLE)),
                             "7,x,Ed Fox", "8,x,Ed Fox,555 0105", "9,,Total,,,,9.90", has_header=False)
    assert (found.header_line, len(found.headers)) == (1, 7)
    assert [content for _, content, _ in records[4:]] == [
        "The line has 3 fields, the header 7.", ["8", "x", "Ed Fox", "555 0105", "", "", ""]]


def test_a_device_is_no_file_and_says_what_to_do(tmp_path):
    with pytest.raises(errors.BadFile, match=r"^/dev/null is a device, not a file; give - to read standard input\.$"):
        source.open_source(tmp_path / "/dev/null")


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["x" * 200_000, '"' + '""' * 100_000 + '"', ",".join("=" * 50_000), " " * 200_000,
                                  "é" * 200_000, "1 " * 100_000, ('"' + "x" * 30) * 5_000])
def test_no_text_takes_long_to_understand(read, cell):
    with pytest.raises(errors.BadFile, match="never"):
        read("name,phone", f"Ada,{cell}", f"{cell},555", "Bo,556")
        raise errors.BadFile("never")


@pytest.mark.parametrize(("last", "is_one"), [
    ('Bo,556,2 Quay",x', False), ('Flat 2, Bath, Somerset",x', True), ('Bo,556",x', True), ('2 Quay",x', True),
])
def test_a_last_line_that_begins_as_a_customer_is_not_taken_for_an_address(read, last, is_one):
    problem = "A quotation mark makes them one: one is missing, or one too many."
    address = f"1 Quay\n{last}".partition('"')[0]
    _, records, _ = read("name,phone,address,notes", 'Ada,555,"1 Quay', last)
    assert records == [(2, ["Ada", "555", address, "x"] if is_one else problem, 2)]
