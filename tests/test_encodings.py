"""The encoding of a file: proven by its bytes, or the likeliest proposed with how names would read, none in silence."""
from __future__ import annotations

import re

import pytest

from tracker import errors
from tracker.transfer import encodings, source

# Invented people, in the encodings that lists of such people come in.
LISTS = {
    "German": (["cp1252", "cp850", "mac_roman"], ["Jürgen Möller", "Käthe Groß", "Bärbel Schröder", "Björn Weiß"]),
    "one German": (["cp1252"], ["Jürgen Adler"]),
    "German capitals": (["cp1252"], ["JÜRGEN MÖLLER", "KÄTHE SCHRÖDER"]),
    "German prices": (["cp1252"], ["Jürgen Adler;29,90 €", "Bärbel Krone;39,90 €"]),
    "Spanish": (["cp1252", "cp850"], ["José Pérez", "Iñaki Muñiz", "María Lópes", "Ángel Núñez"]),
    "French": (["cp1252", "mac_roman"], ["Hélène Lefèbre", "François Duboix", "Noël Gâtard"]),
    "French with œ": (["iso-8859-15"], ["Cœur Œuvrard", "Noël;30 €"]),
    "Portuguese": (["cp1252", "cp850"], ["João Gonçalo", "Conceição Simões", "Antônio Araúja"]),
    "Swedish": (["cp1252"], ["Åsa Öbergh", "Björn Sjögrenn", "Göran Lindströmm"]),
    "Danish": (["cp1252"], ["Søren Kjærgård", "Åse Bjørnsen", "Jørgen Møllgård"]),
    "Polish": (["cp1250", "iso-8859-2", "cp852"], ["Zakład Świętowski", "Łukasz Żółciński", "Małgorzata Gęśla"]),
    "Czech": (["cp1250", "iso-8859-2", "cp852", "mac_latin2"],
              ["Jiří Dvořáček", "Věra Černínová", "Růžena Šťastníková"]),
    "Slovak": (["cp1250"], ["Ľubomír Kováčik", "Mária Šťastníková", "Ján Hruškový"]),
    "Hungarian": (["cp1250"], ["Szőkés Ágnes", "Kovácsik Ödön", "Gyűrűs Jenő"]),
    "Croatian": (["cp1250"], ["Željko Marušičić", "Đurđa Kovačinić", "Ivan Šimunić"]),
    "Romanian": (["cp1250"], ["Ştefan Ionel", "Răzvan Vlădeanu", "Mihăiţă Pîrvan"]),
    "Russian": (["cp1251", "koi8-r", "cp866", "iso-8859-5", "mac_cyrillic"],
                ["Иванцов Пётр", "Смирнина Ольга", "Кузнецкий Дмитрий"]),
    "Ukrainian": (["cp1251", "koi8-u"], ["Їжаков Євген", "Ткачишин Олексій", "Ґудзик Наталія"]),
    "Bulgarian": (["cp1251"], ["Георги Димитрев", "Станислава Пейчева", "Щерю Цветанов"]),
    "Serbian": (["cp1251"], ["Ђорђе Јованчић", "Милица Петричић", "Љубиша Њежичић"]),
    "Greek": (["cp1253", "iso-8859-7"], ["Γιώργος Παπαδάκος", "Ελένη Νικολακού", "Ξένια Ψαρράκη"]),
    "Turkish": (["cp1254"], ["Ayşe Yılmazer", "Çağrı Şahinci", "İbrahim Öztürker"]),
    "Lithuanian": (["cp1257"], ["Žydrūnas Kazlauskis", "Jūratė Šimkienė", "Vytautas Žukas"]),
    "Latvian": (["cp1257"], ["Jānis Bērziņsons", "Līga Kļaviņa", "Ģirts Ozolnieks"]),
    "Hebrew": (["cp1255"], ["דוד כהנוב", "שרה לויה", "משה פרצוב"]),
    "Arabic": (["cp1256"], ["محمد أحمدي", "فاطمة علوي", "يوسف حسنات"]),
    "Thai": (["cp874"], ["สมชาย ใจดี", "มาลี ศรีสุข"]),
}


@pytest.fixture
def file(tmp_path):
    def write(content):
        (tmp_path / "in.csv").write_bytes(content)
        return tmp_path / "in.csv"

    return write


@pytest.mark.parametrize(("people", "encoding"), [
    (people, encoding) for people, (names, _) in LISTS.items() for encoding in names
])
def test_the_encoding_that_reads_names_right_is_the_first_that_is_proposed(file, people, encoding):
    text = "name,phone\n" + "".join(f"{name},555\n" for name in LISTS[people][1])
    content = text.encode(encoding)
    with pytest.raises(errors.UnclearEncoding) as unclear:
        source.open_source(file(content))
    first, samples = unclear.value.candidates[0]
    assert content.decode(first) == text
    assert all(sample in text for sample in samples)
    assert len(samples) == min(3, sum(not cell.isascii() for cell in re.split("[,;\n]", text)))


def test_of_readings_that_are_the_same_one_is_proposed_each_with_how_it_reads(file):
    path = file("name\nŠtěpán Říha\nŽofie Nová\nJan\n".encode("cp1250"))
    with pytest.raises(errors.UnclearEncoding) as unclear:
        encodings.encoding_of(path)
    assert str(unclear.value) == f"{path} is not UTF-8, and does not show what it is."
    assert unclear.value.candidates[0] == ("cp1250", ["Štěpán Říha", "Žofie Nová"])
    readings = [tuple(samples) for _, samples in unclear.value.candidates]
    assert len(set(readings)) == len(readings) <= 5


@pytest.mark.parametrize(("encoding", "mark", "found"), [
    ("utf-8", b"", "utf-8-sig"), ("utf-8-sig", b"", "utf-8-sig"), ("ascii", b"", "utf-8-sig"),
    ("utf-16", b"", "utf-16"), ("utf-16-le", b"", "utf-16-le"), ("utf-16-be", b"", "utf-16-be"),
    ("utf-16-be", b"\xfe\xff", "utf-16"),
    ("utf-32", b"", "utf-32"), ("utf-32-be", b"\0\0\xfe\xff", "utf-32"),
])
def test_utf_8_and_utf_16_prove_themselves(file, encoding, mark, found):
    names = "Ada" if encoding == "ascii" else "Žofie Größe"
    opened = source.open_source(file(mark + f"name;phone\r\n{names};555\r\n".encode(encoding)))
    assert (opened.encoding, opened.headers) == (found, ["name", "phone"])
    assert [record.row for record in source.records(opened)] == [[names, "555"]]


def test_utf_16_of_another_script_proves_itself_without_a_mark(file):
    opened = source.open_source(file("Имя;Телефон\nИван Петров;5550100\n".encode("utf-16-le")))
    assert (opened.encoding, opened.headers) == ("utf-16-le", ["Имя", "Телефон"])


def test_a_few_lines_that_are_not_utf_8_as_the_rest_is_are_named(file):
    good = "name\n" + "Jürgen\n" * 9
    path = file(good.encode() + b"M\xfcller\nAda\n")
    with pytest.raises(errors.BadEncoding) as refusal:
        encodings.encoding_of(path)
    assert str(refusal.value) == (
        f"Line 11 of {path} is not UTF-8, which the rest is, at M\ufffdller: write the letters there anew.")
    path = file(good.encode() + b"M\xfcller\n" * 4)
    with pytest.raises(errors.BadEncoding, match=r"^Lines 11, 12, 13 and 1 more of .* are not UTF-8, which"):
        encodings.encoding_of(path)


def test_utf_16_that_is_cut_off_is_said(file):
    with pytest.raises(errors.BadEncoding, match=r"begins as utf-16 and does not go on so: it is cut off or mixed"):
        encodings.encoding_of(file("name\nŽofie\n".encode("utf-16")[:-1]))


@pytest.mark.parametrize(("shown", "meant"), [
    ("JÃ¼rgen", "Jürgen"), ("Ãœnal", "Ünal"), ("Å»Ã³Å‚ty", "Żółty"), ("MÃƒÂ¼ller", "Müller"), ("Fran√ßois", "François"),
    ("M├╝ller", "Müller"), ("РџРµС‚СЂ", "Петр"), ("Zak³ad", "Zakład"), ("Pa¿dzioch", "Pażdzioch"),
    ("Èâàíîâ", "Иванов"), ("â‚¬", "€"), ("M\ufffdller", ""),
])
def test_letters_that_were_garbled_earlier_are_noticed_and_what_was_meant(shown, meant):
    assert encodings.looks_garbled(f"name,phone\nAda,555\n{shown},556\n") == (shown, meant)


@pytest.mark.parametrize("name", [
    *(name for _, names in LISTS.values() for name in names), "São João", "NÚÑEZ", "Île d’Or", "¿Qué?", "100m³/h",
    "Nº5", "1½", "29,90 €", "ÉLÈVE", "Øægård", "Ångström", "naïve", "ΓΙΩΡΓΟΣ", "Ãngela", "AÇÃO", "佐藤", "김민준",
    "Nguyễn Thị Ánh", "Ні", "дії",
])
def test_names_that_are_right_are_never_taken_for_garbled_ones(name):
    assert encodings.looks_garbled(f"name,phone\n{name},555\n") is None


@pytest.mark.parametrize(("encoding", "chosen", "sentence"), [
    ("utf-8", "cp1252", "Read as cp1252, {} has BÃ¤rbel, which would be Bärbel in utf-8: is cp1252 right?"),
    ("cp1250", "cp1252", "Read as cp1252, {} has Dvoøák, which would be Dvořák in cp1250: is cp1252 right?"),
    ("cp1250", "iso-8859-1", "Read as iso8859-1, {} has Dvoøák, which would be Dvořák in cp1250: is iso8859-1 right?"),
    ("cp1252", "cp1252", ""), ("cp1252", "iso-8859-1", ""), ("utf-8", "utf-8", ""), ("cp1250", "cp1250", ""),
])
def test_an_encoding_that_is_chosen_wrong_is_pointed_out(file, encoding, chosen, sentence):
    names = "Dvořák Jiří,5\nŘezníček,6\n" if encoding == "cp1250" else "Bärbel Groß,5\nJürgen,6\n"
    path = file(f"name,phone\n{names}".encode(encoding))
    assert source.open_source(path, chosen).garbled == sentence.format(path)


def test_a_file_that_was_garbled_before_says_so(file):
    path = file("name,phone\nJÃ¼rgen,555\n".encode())
    assert source.open_source(path).garbled == (
        f"{path} has JÃ¼rgen where Jürgen was meant: its letters were garbled before it was saved. Export it anew, as "
        "UTF-8.")


@pytest.mark.parametrize(("encoding", "text"), [
    ("gb18030", "客户编号,客户名称\nK001,林小满\nK002,顺发便利店\n"),
    ("cp932", "顧客番号,氏名\nJ-11,森下 葵\nJ-12,喫茶やまびこ\n"),
    ("big5", "客戶編號,客戶名稱\n1,陳美玲\n2,王記小吃店\n"), ("cp949", "고객번호,고객명\n1,김민준\n2,한빛식당\n"),
])
def test_an_encoding_of_east_asia_is_proposed_with_names_as_they_would_read(file, encoding, text):
    with pytest.raises(errors.UnclearEncoding) as unclear:
        encodings.encoding_of(file(text.encode(encoding)))
    proposed = dict(unclear.value.candidates[:2])
    assert set(proposed[encoding]) <= set(text.replace("\n", ",").split(","))


def test_an_encoding_of_two_bytes_a_letter_is_not_doubted_because_one_of_one_byte_reads_it(file):
    path = file("氏名,電話\n森下 葵,5\n".encode("cp932"))
    assert source.open_source(path, "cp932").garbled == ""
