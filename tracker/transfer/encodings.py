"""How a file's letters are encoded: told where its bytes tell it, else the likeliest readings, never one in silence.

UTF-8 and UTF-16 prove themselves: text in another encoding is hardly ever valid in them. Single-byte encodings do not,
so that the words of a file are read in each, and the readings are ranked by how words look: capitals at the beginning,
letters beside letters, and letters that one language uses together. charset-normalizer, which was tried, ranks pages of
prose well and short lists of names badly.
"""
from __future__ import annotations

import codecs
import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tracker.errors import BadEncoding, BadFile, UnclearEncoding
from tracker.text import name_lines
from tracker.transfer.kinds import HEAD, open_bytes, shown, wide

CHUNK = 1 << 20
LONGEST_LINE = 64 << 20  # bytes; a packed file may be one endless line
MOST_LINES = 20_000  # with letters that tell the encoding
MOST_WORDS = 1_500
MOST_CANDIDATES = 5
SAMPLES = 3
LONGEST_SAMPLE = 40
DOUBT = 0.4  # points a letter by which another reading must be better than the one that was chosen
LIKELY = 1.8  # points a letter by which a reading may be worse than the best and still be proposed
WORD = re.compile(rb"[A-Za-z'\x80-\xff]*[\x80-\xff][A-Za-z'\x80-\xff]*")
# Quotation marks, dashes, currencies and other signs that stand beside words, and those that stand within one.
AT_EDGES = frozenset("\u201c\u201d\u201e\u201a\u2018\u2019\u00ab\u00bb\u2039\u203a\u2013\u2014"
                     "\u2026\u20ac\u00a3\u00a5\u00b0\u00b2\u00b3\u00aa\u00ba\u00a7\u00a9\u00ae"
                     "\u2122\u00bd\u00bc\u00be\u00d7\u00b7\u2022\u00a1\u00bf\u00b4`\u00a0")
WITHIN = frozenset("\u2019\u2018\u00b4`\u2013\u00b7\u2010\u00a0")
BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

# The letters beyond a to z that each language uses, the commonest first.
WEST = {
    "German": "üäößé", "French": "éèêàçôîâïëûùœ", "Spanish": "íáóñéúü", "Catalan": "àèóíçúéòïü",
    "Portuguese": "ãçáéíóâêõúôà", "Italian": "àèìòùé", "Dutch": "ëéïöüè", "Swedish": "åäöé", "Danish": "øåæéö",
    "Icelandic": "áðíéóöúýþæ", "Irish": "áéíóú",
}
CENTRE = {
    "Polish": "łóąężśćńź", "Czech": "áíěřčéýžšůúňďťóöü", "Slovak": "áčíýéžšľúťňôďäŕĺóö", "Hungarian": "áéöóőíüúű",
    "Romanian": "ăâîşţ", "Croatian": "čćšžđ", "German": "üäößé",
}
CYRILLIC = {
    "Russian": "оаеинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "Ukrainian": "оанивіретскулмдпзьяйбгчхшюжїцєщфґ",
    "Bulgarian": "аоеинтрсвлкдпмзгуъбчщжцяшхйюфь", "Serbian": "аоиенрсјтвукдлмпбгзчшћђжцхњљфџ",
}
RUSSIAN = {name: CYRILLIC[name] for name in ("Russian", "Bulgarian")}
GREEK = {"Greek": "αοιεςτσνηυρπκμλδθγχωφβξζψάέήίόύώϊϋΐΰ"}
TURKISH = {"Turkish": "ığüşöçİâ", "German": "üäößé"}
BALTIC = {"Lithuanian": "ėšžųįūąčę", "Latvian": "āšēīūžņķļģč", "Estonian": "äõöüšž", "Polish": "łóąężśćńź"}
HEBREW = {"Hebrew": "יוהלראמתבשנדקכפםגחעטסזצןךץף"}
ARABIC = {"Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىءآأؤإئپچژگ", "French": "éèêàçôîâïëûùœ"}
THAI = {"Thai": "".join(map(chr, [*range(0xE01, 0xE3B), *range(0xE40, 0xE4F)]))}
# The single-byte encodings that files come in, of those that read the same the commonest first.
ENCODINGS = {
    "cp1252": WEST, "iso-8859-15": WEST, "iso-8859-1": WEST, "cp1250": CENTRE, "iso-8859-2": CENTRE, "cp1251": CYRILLIC,
    "koi8-u": {"Ukrainian": CYRILLIC["Ukrainian"]}, "koi8-r": RUSSIAN, "cp866": RUSSIAN, "iso-8859-5": CYRILLIC,
    "mac_cyrillic": CYRILLIC, "cp1254": TURKISH, "iso-8859-9": TURKISH, "cp1257": BALTIC, "iso-8859-13": BALTIC,
    "cp1253": GREEK, "iso-8859-7": GREEK, "cp850": WEST, "cp437": WEST, "cp852": CENTRE, "cp857": TURKISH,
    "cp775": BALTIC, "cp737": GREEK, "mac_roman": WEST, "mac_latin2": CENTRE, "cp1255": HEBREW, "cp1256": ARABIC,
    "cp874": THAI,
}
# The encodings of East Asia, of two bytes a letter, and the first bytes of the letters that make up most texts.
EAST_ASIAN = {
    "gb18030": ("gb2312", ((0xa1, 0xa3), (0xb0, 0xd7))), "cp932": ("cp932", ((0x81, 0x83), (0x88, 0x97))),
    "big5": ("big5", ((0xa1, 0xc6),)), "cp949": ("euc_kr", ((0xa1, 0xa3), (0xb0, 0xc8))),
}
MOSTLY = 0.9  # of the letters of a text in one of them
RARE = frozenset(("cp775", "cp737", "cp857", "mac_roman", "mac_latin2", "mac_cyrillic", "cp874"))
# What UTF-8 is read as by mistake.
MISREAD = ("cp1252", "latin-1", "cp1250", "iso-8859-2", "iso-8859-15", "cp1251", "cp1254", "cp1257", "mac_roman",
           "cp850", "cp437", "cp852")


class Garbled(NamedTuple):
    """A word whose letters were read in a wrong encoding at some time, and what was meant, if that can be told."""

    shown: str
    meant: str


class _Reading(NamedTuple):
    encoding: str
    points: float


class _Words(NamedTuple):
    """The words of a file with bytes that are no ASCII, counted, and the first cells that have them."""

    words: Counter[bytes]
    cells: dict[bytes, None]


def text_encoding(name: str) -> str:
    """Return Python's name of an encoding, UTF-8 with or without a byte order mark; raise BadEncoding."""
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise BadEncoding(f"There is no encoding {name[:40]}; utf-8 and cp1252 are common ones.") from None
    return "utf-8-sig" if found.name == "utf-8" else found.name


def encoding_of(path: Path) -> str:
    """Return the encoding that a file's bytes prove.

    Raise UnclearEncoding when they prove none, and BadEncoding when some lines are not in the encoding of the rest.
    """
    with open_bytes(path) as file:
        head = file.read(HEAD)
    if not (name := _of_head(head)):
        name = "utf-8-sig" if _fits(path, "utf-8") else ""
    elif not _fits(path, name):
        raise BadEncoding(f"{shown(path)} begins as {name.replace('-sig', '')} and does not go on so: it is cut off or "
                          "mixed. Save it anew.")
    if not name:
        raise _why_not_utf_8(path)
    return name


def doubts(path: Path, encoding: str) -> Garbled | None:
    """Return a word that an encoding which was chosen reads worse than another, and that other reading."""
    if not _is_single_byte(encoding):
        return None
    found = _words_of(path)
    others = ["utf-8"] if found.words and all(_decoded(word, "utf-8") for word in found.words) else []
    if not others:
        ranked = _ranked(found.words, [*ENCODINGS, encoding])
        points = {reading.encoding: reading.points for reading in ranked}
        letters = sum(len(_high(word)) * count for word, count in found.words.items())
        if ranked and points.get(encoding, -letters) + DOUBT * letters < ranked[0].points:
            others = [ranked[0].encoding]
    for word in found.words:
        for other in others:
            was, meant = word.decode(encoding, "replace"), word.decode(other, "replace")
            if was != meant:
                return Garbled(was, f"{meant} in {other}")
    return None


def _is_single_byte(encoding: str) -> bool:
    return encoding in ENCODINGS or len("é".encode(encoding, "replace")) == len("я".encode(encoding, "replace")) == 1


def looks_garbled(text: str) -> Garbled | None:
    """Return the first word of a text whose letters somebody read in a wrong encoding before it was saved.

    UTF-8 that was read as another encoding (JÃ¼rgen), letters of Central Europe (Zak³ad) or Cyrillic (Èâàíîâ) that
    were read as western ones, and letters that are lost (M�ller).
    """
    if text.isascii():
        return None
    for word in dict.fromkeys(re.split(r"[\s,;|\"]+", text)):
        if word.isascii() or len(word) > LONGEST_SAMPLE:
            continue
        if "\N{REPLACEMENT CHARACTER}" in word:
            return Garbled(word, "")
        if meant := _meant(word):
            return Garbled(word, meant)
    return None


def _meant(word: str) -> str:
    if utf_8 := _as_utf_8(word):
        return utf_8
    symbols = re.search(r"[^\W\d_][³¹¿±¶¼¯¦¡¬£¥][^\W\d_]", word)
    western = len(word) > 3 and re.fullmatch(r"[À-ÖØ-öø-ÿ]{4,}", word)
    for wrong in ("cp1252", "latin-1") if symbols or western else ():
        for right in ("cp1250", "iso-8859-2") if symbols else ("cp1251", "cp1253"):
            meant = _recoded(word, wrong, right)
            languages = ENCODINGS[right].values()
            if meant.isalpha() and any(set(meant.lower()) - _ASCII <= set(letters) for letters in languages):
                return meant if _shape(meant) > 0 else ""
    return ""


_ASCII = frozenset(map(chr, range(128)))


def _as_utf_8(word: str) -> str:
    """Return what a word is as UTF-8, if it is that read as something else, else nothing."""
    for wrong in MISREAD:
        meant = _recoded(word, wrong, "utf-8")
        is_word = len(word) < 5 and any(set(word.lower()) <= set(letters) for letters in CYRILLIC.values())
        if meant and len(meant) < len(word) and not meant.isascii() and not is_word:  # No in Ukrainian is one
            odd = [letter for letter in meant if letter not in _ASCII and not letter.isalpha()]
            if twice := _as_utf_8(meant):  # it went through two such programs
                return twice
            if all(letter in AT_EDGES or unicodedata.combining(letter) for letter in odd) and _shape(meant) > -1:
                return meant
    return ""


def _recoded(word: str, wrong: str, right: str) -> str:
    """Return a word that was read in a wrong encoding in the right one; nothing where it cannot have been.

    Programs that read Windows' encodings let the few bytes that those do not define stand for themselves.
    """
    data = bytearray()
    for letter in word:
        try:
            data += letter.encode(wrong)
        except UnicodeError:
            if ord(letter) > 0xff:
                return ""
            data.append(ord(letter))
    return _decoded(bytes(data), right)


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError:
        return ""


def _of_head(head: bytes) -> str:
    """Return the encoding that a byte order mark, or the zeros of UTF-16 without one, show at a file's beginning."""
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    return wide(head)


def _fits(path: Path, encoding: str) -> bool:
    """Read a file to its end, and tell whether it is in an encoding; raise BadFile at a line that does not end."""
    decoder = codecs.getincrementaldecoder(encoding)()
    unbroken = 0
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            last_break = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            unbroken = unbroken + len(chunk) if last_break < 0 else len(chunk) - last_break
            if unbroken > LONGEST_LINE:
                raise BadFile(f"{shown(path)} has a line of over {LONGEST_LINE >> 20} MB, and is no list of "
                              "customers.")
            try:
                decoder.decode(chunk)
            except UnicodeError:
                return False
    try:
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


def _why_not_utf_8(path: Path) -> BadFile:
    """Say which lines are not UTF-8, where most are; else propose what the file may be in."""
    good, bad = 0, []
    with open_bytes(path) as file:
        for number, line in enumerate(_lines(file), 1):
            if line.isascii():
                continue
            if _decoded(line, "utf-8"):
                good += 1
            else:
                bad.append((number, line))
            if good + len(bad) >= MOST_LINES:
                break
    if good > 2 * len(bad):
        word = WORD.search(bad[0][1]) if bad else None
        example = f", at {word[0].decode('utf-8', 'replace')}" if word else ""
        return BadEncoding(f"{name_lines([number for number, _ in bad])} of {shown(path)} "
                           f"{'is' if len(bad) == 1 else 'are'} not UTF-8, which the rest is{example}: write the "
                           "letters there anew.")
    found = _words_in(line for _, line in bad)
    candidates = [*_east_asian([line for _, line in bad]), *_candidates(found)][:MOST_CANDIDATES]
    if not candidates:
        return BadFile(f"{shown(path)} is not UTF-8, and reads well in no encoding that is known here.")
    return UnclearEncoding(candidates, shown(path))


def _lines(file: BinaryIO) -> Iterable[bytes]:
    """Yield a file's lines, also where they end in CR alone."""
    for line in file:
        yield from line.splitlines() if b"\r" in line[:-2] else (line,)


def _words_of(path: Path) -> _Words:
    with open_bytes(path) as file:
        return _words_in(line for line in _lines(file) if not line.isascii())


def _words_in(lines: Iterable[bytes]) -> _Words:
    words: Counter[bytes] = Counter()
    cells: dict[bytes, None] = {}
    for number, line in enumerate(lines):
        words.update(WORD.findall(line))
        if len(cells) < MOST_WORDS:
            cells.update(dict.fromkeys(cell.strip(b" \"'") for cell in re.split(rb"[,;\t|\r\n]", line)
                                       if not cell.isascii()))
        if number >= MOST_LINES:
            break
    return _Words(Counter(dict(words.most_common(MOST_WORDS))), cells)


def _candidates(found: _Words) -> list[tuple[str, list[str]]]:
    """Return the likeliest encodings, best first, each with how it reads some cells; of equal readings one."""
    ranked = _ranked(found.words, list(ENCODINGS))
    letters = sum(len(_high(word)) * count for word, count in found.words.items())
    readings: dict[str, str] = {}
    for reading in ranked:
        is_likely = reading.points + LIKELY * letters >= ranked[0].points
        readings.setdefault(b"\n".join(found.words).decode(reading.encoding), reading.encoding if is_likely else "")
    names = [name for name in readings.values() if name][:MOST_CANDIDATES]
    samples = _telling(list(found.cells), names)
    return [(name, [_shortened(cell.decode(name, "replace")) for cell in samples]) for name in names]


def _east_asian(lines: list[bytes]) -> list[tuple[str, list[str]]]:
    """Return the encodings of East Asia in which lines are of common letters, best first, each with some cells."""
    found = []
    for name, (narrow, common) in EAST_ASIAN.items():
        decoded = _decoded(b"\n".join(lines), name)
        first = [letter.encode(narrow, "replace")[0] for letter in decoded if not letter.isascii()]
        share = sum(any(low <= byte <= high for low, high in common) for byte in first) / max(len(first), 1)
        touching = len(re.findall(r"[A-Za-z][^\x00-\x7f]", decoded))  # which is rare in these languages
        if share >= MOSTLY and touching < len(first) * (1 - MOSTLY):
            cells = [cell.strip(" \"'") for cell in re.split("[,;\t|\r\n]", decoded) if not cell.isascii()]
            samples = sorted(dict.fromkeys(cells), key=lambda cell: -len(set(cell[:LONGEST_SAMPLE])))[:SAMPLES]
            found.append((share, name, list(map(_shortened, samples))))
    return [(name, samples) for _, name, samples in sorted(found, reverse=True)]


def _telling(cells: list[bytes], names: list[str]) -> list[bytes]:
    """Return the few cells that show most of the letters, those in which the readings differ and short ones first."""
    left = list(cells)
    chosen: list[bytes] = []
    differ = {cell: len({cell.decode(name, "replace") for name in names}) > 1 for cell in cells}
    seen: set[int] = set()
    while left and len(chosen) < SAMPLES:
        best = max(left, key=lambda cell: (
            len(cell) <= LONGEST_SAMPLE, differ[cell], len(_high(cell) - seen), -len(cell)))
        chosen.append(best)
        seen |= _high(best)
        left.remove(best)
    return chosen


def _shortened(sample: str) -> str:
    return sample if len(sample) <= LONGEST_SAMPLE else f"{sample[:LONGEST_SAMPLE - 1]}…"


def _high(data: bytes) -> set[int]:
    return {byte for byte in data if byte > 127}


def _ranked(words: Counter[bytes], encodings: list[str]) -> list[_Reading]:
    """Return how words read in those of the encodings that can read all of them, best first."""
    readings = []
    for encoding in dict.fromkeys(encodings):
        decoded = {word: _decoded(word, encoding) for word in words}
        if all(decoded.values()):
            points = sum(_shape(text) * count for text, count in zip(decoded.values(), words.values()))
            letters: Counter[str] = Counter()
            for text, count in zip(decoded.values(), words.values()):
                if len(text) > 1:  # a letter alone is rather a sign
                    letters.update(dict.fromkeys(set(text) - _ASCII, count))
            points += max(_fluency(letters, language) for language in ENCODINGS.get(encoding, WEST).values())
            readings.append(_Reading(encoding, points - 0.2 * sum(letters.values()) * (encoding in RARE)))
    return sorted(readings, key=lambda reading: -reading.points)


def _fluency(letters: Counter[str], language: str) -> float:
    """Return the points of letters for a language: more for its common ones, fewer for none of its."""
    places = _places(language)
    return sum(count * (1.5 - places[letter] if letter in places else -1.0)
               for letter, count in letters.items() if letter.isalpha())


@functools.cache
def _places(language: str) -> dict[str, float]:
    """Return each letter's place among a language's, from 0 for the commonest to 1."""
    places = {letter: number / len(language) for number, letter in enumerate(language)}
    return {**{letter.upper(): place for letter, place in places.items()}, **places}


@functools.lru_cache(maxsize=100_000)
def _shape(word: str) -> float:
    """Return the points of a word for how its letters stand beside each other; below 0 it is none that people write."""
    if len(word) == 1:
        return 0.5 if word in "€£" else _symbol(word, "", "") if not word.isalpha() else 0.0
    points = 0.0
    for place, letter in enumerate(word):
        if letter in _ASCII:
            continue
        before, after = word[place - 1:place], word[place + 1:place + 2]
        if not letter.isalpha() and not unicodedata.category(letter).startswith("M"):
            points += _symbol(letter, before, after)
        else:
            points += _letter(letter, before, after)
    return points


def _symbol(letter: str, before: str, after: str) -> float:
    if letter in WITHIN and (before.isalpha() or after.isalpha()):
        return 0.2
    between = before.isalpha() and after.isalpha()
    return -0.2 if letter in AT_EDGES and not between else -3.0


def _letter(letter: str, before: str, after: str) -> float:
    points = 1.0
    if letter.isupper() and before.islower():
        points -= 3
    if letter.islower() and (after.isupper() or (before.isupper() and after.isupper())):
        points -= 2
    if letter in "ªº" or letter == "ƒ":
        points -= 2
    is_latin = _is_latin(letter)
    if any(beside.isalpha() and beside not in "ªº" and _is_latin(beside) != is_latin for beside in (before, after)):
        points -= 3
    if is_latin and before.isalpha() and before not in _ASCII:
        points -= 0.5
    return points


@functools.lru_cache(maxsize=10_000)
def _is_latin(letter: str) -> bool:
    return letter in _ASCII or "LATIN" in unicodedata.name(letter, "")
