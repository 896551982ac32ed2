"""What a cell of a file says: nothing, a text, a phone number, an amount, a status, a day.

A parser takes a cell and returns its value, or raises ValueError with the sentence to show.
"""
# ruff: noqa: RUF001 (letters of other languages)
from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from tracker import fields, text
from tracker.transfer.source import NUL
from tracker.transfer.synonyms import fold, words

USUAL_PHONE = re.compile(r"[+(]?(?:[0-9().\-/]| (?! )){3,19}", re.ASCII)
USUAL_EMAIL = re.compile(r"(?!mailto:)[A-Za-z0-9._+\-]{1,100}@[A-Za-z0-9.\-]{1,100}")
SPREADSHEET_TEXT = re.compile(r'="(.*)"', re.DOTALL)
SCIENTIFIC = re.compile(r"[+]?[0-9](?:[.,][0-9]*)?E[+]?[0-9]{1,2}", re.ASCII | re.IGNORECASE)
BETWEEN_PHONES = re.compile(r"\s*(?:[;,|\r\n]|:::|\b(?:or|and|oder|und|lub|ou|et|oppure)\b)\s*", re.IGNORECASE)
PHONE_LABEL = re.compile(r"\A(?:tel|telefon|telephone|phone|ph|mob|mobil|mobile|cell|cel|handy|kom|home|work|office"
                         r"|privat|priv|m|t|h|w|p)\s*[.:]+\s*", re.IGNORECASE)
BEFORE_LABEL = re.compile(r"(?<=[0-9])\s+(?=(?:tel|telefon|phone|mob|mobil|mobile|cell|home|work|office)\s*[.:])",
                          re.IGNORECASE)
WITHOUT_DECIMALS = re.compile(r"\A(\+?[0-9]{3,15})[.,]0{1,2}\Z", re.ASCII)  # a program took it for an amount
EXTENSION = re.compile(r"[ ,;]*(?:extn?|wew|wewn|dw|durchwahl|nst|klappe|poste|ramal|anexo|interno|int|toestel|tst"
                       r"|dahili|linka|klapka|mellek)\b[.:]? ?([0-9]{1,6})$", re.IGNORECASE | re.ASCII)
AFTER_PHONE = re.compile(r"\s*\((?:work|home|mobile|cell|office|main|primary|other|tel|phone|mobil|privat|celular|fixo"
                         r"|fijo)\)\Z", re.IGNORECASE)
FAX = re.compile(r"\A(?:tele)?fax\b|\((?:tele)?fax\)\Z", re.IGNORECASE)
CONTINUES_PHONE = re.compile(r"(?:ext|extension|extn|x|#|wew|dw|durchwahl|nst|poste|ramal|interno|int|toestel)\b",
                             re.IGNORECASE)
# What stands for nothing where a number or an address is asked for.
NOTHING_OF_THE_KIND = words(
    "none no nil na unknown keine keiner keines kein nein unbekannt brak nie niema nieznany nao naotem notiene "
    "ninguno ninguna sin sintelefono sinemail sem semtelefone nessuno aucun aucune neant geen onbekend noemail "
    "nophone nomail noaplica ingen ei nincs yok нет")
EITHER_DAY = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})(?![0-9])", re.ASCII)
# Digits and signs of amounts in Arabic, Persian, Hindi and Bengali, as they are in Latin.
DIGITS = str.maketrans({**{chr(first + digit): str(digit) for first in (0x660, 0x6f0, 0x966, 0x9e6)
                           for digit in range(10)}, "\u066b": ".", "\u066c": ","})
# What a spreadsheet shows for what it cannot work out.
SPREADSHEET_ERROR = re.compile(r"(?<!\w)#[\u00a1\u00bf]?[A-Z\u00c0-\u00dd/0]{3,11}[!?](?!\w)"
                               r"|\A(?:Loading|Wird geladen)\.\.\.\Z")
DECIMAL_NUMBER = re.compile(r"([0-9]{1,15})[.,]0{1,2}", re.ASCII)  # a number that a program took for an amount
SHORTENED = re.compile(r"[0-9][.,][0-9]+E[+][0-9]{1,2}", re.ASCII | re.IGNORECASE)
SIGNS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " ", "\u2019": "'", "\u00b4": "'",
                       "\u2212": "-", "\u2013": "-", "\u2014": "-", "\uff0d": "-", "\u02bc": "'"})
CURRENCIES = words(
    "eur euro euros usd us aud au cad ca nzd nz hkd hk sgd gbp chf fr sfr fr. pln zl czk kc sek nok dkk kr isk huf ft "
    "ron lei bgn lv лв rsd din kn hrk bam km all lek uah грн rub руб р byn kzt try tl r brl mxn mn ars cop clp pen s "
    "uyu u pyg gs bob bs ves bsf gtq q hnl l crc nio c cup dop rd jmd ttd zar ngn n ghs gh kes ksh ksh. ugx ush tzs "
    "tsh rwf xaf xof fcfa cfa mad dh dhs dzd da tnd egp le sar sr aed qar omr kwd bhd jod ils nis שח inr rs re pkr bdt "
    "tk lkr npr mmk thb b vnd php p idr rp myr rm cny rmb yuan jpy krw twd nt 元 円 đ vnđ dong دع دينار ريال جنيه رس")
A_MONTH = re.compile(r"\s*(?:/|per|pro|al|por|par|p\.)\s*(?:mo|month|mth|m|monat|mon|mies|miesiac|mc|mes|mois|mese"
                     r"|maand|mnd)\.?$", re.IGNORECASE)
TRUE_WORDS = words(
    "yes y true 1 on ja tak sim si oui vrai wahr prawda verdadero verdadeiro vero evet ano igen da x t да "
        "так ναι نعم כן 是 はい 예 ya kylla jah taip waar истина")
FALSE_WORDS = words(
    "no n false 0 nein nie nao non faux falsch falsz falso hayir ne nem nu f нет "
        "nee nej nei ei ingen οχι ні لا לא 否 いいえ 아니오 khong tidak onwaar ложь")
STATES = {
    "active": words(
        "active activated enabled live online open current valid running connected registered inservice operational "
        "goodstanding ok normal late overdue pastdue delinquent unpaid trialing trial regular subscribed aktiv aktive "
        "aktiviert freigeschaltet laufend offen angeschlossen aktywny aktywna aktywne aktywowany wlaczony podlaczony "
        "polaczony obowiazujaca ativo ativa ativado activo activa activado vigente alta conectado habilitado actif "
        "enservice enactivite attivo attiva attivato actief aktief geactiveerd aktivni aktivny aktiven aktivan "
        "aktivna aktif activ aktiivinen активен активныи активна подключен customer aktivs "
        "активнии увімкнено включен работает деиствует ενεργοσ ενεργη نشط فعال مفعل פעיל פעילה 正常 在用 "
        "启用 激活 利用中 有効 契約中 사용중 정상 hoatdong danghoatdong dangsudung सकरय चल alertado "
        "servicohabilitado emdia ematraso financeiroematraso atrasado"),
    "paused": words(
        "paused disabled deactivated disable odlaczony odlaczona off nopackages neverordered noservice noservices "
        "pause onhold hold suspended suspend suspendedpayment autosuspended temporarilysuspended blocked block "
        "limited banned barred locked restricted frozen stopped seasonal vacation delinquentblocked nonpay nonpayment "
        "preparedblocked pending prepared new lead prospect prospective quoted deferred interessent interessenten neu "
        "nowy zainteresowany potencjalny oczekujacy novo nuevo pendiente pendente prospecto nouveau enattente nuovo "
        "inattesa nieuw wachtend gesperrt gesperrtezahlung sperre pausiert ruhend stillgelegt deaktiviert ausgesetzt "
        "zablokowany zablokowana zablokowane wstrzymany wstrzymana zawieszony zawieszona wylaczony windykacja "
        "bloqueado bloqueada suspenso suspensa suspendido suspendida pausado pausada cortado corte moroso "
        "inadimplente desativado suspendu suspendue bloque bloquee enpause coupe sospeso sospesa bloccato bloccata "
        "inpausa morosogeblokkeerd geblokkeerd opgeschort gepauzeerd onderbroken blokkert sperret pausad avstangd "
        "pozastaveny pozastaven pozastavena zablokovany blokovany felfuggesztett szuneteltetett askida dondurulmus "
        "suspendat приостановлен заблокирован заморожен blokir isolir "
        "newnotyetconnected приостановлена заблокирована блокирован заблокированпобалансу "
        "заблокированадминистратором административная системная заблоковании заблоковано призупинении "
        "призупинено σεαναστολη موقوف متوقف معلق محظور מוקפא מושהה חסום מושעה 停机 暂停 欠费停机 报停 休止 休止中 "
        "停止中 一時停止 정지 일시정지 tamngung tamdung tamkhoa नलबत donduruldu askiyaalindi "
        "szuneteltetve felfuggesztve bloqueiofinanceiro bloqueioautomatico bloqueiomanual "
        "suspensopordebito suspensodebito suspensoapedidodocliente aguardandoassinatura precontrato "
        "deshabilitado suspendidopormora cortadopormora terisolir"),
    "closed": words(
        "closed close notactive cancelled canceled cancelledbycustomer terminated ended churned churn disconnected "
        "inactive expired archived deleted removed former exclient excustomer past lost left obsolete completed fraud "
        "writtenoff collections inaktiv gekundigt gekuendigt beendet geschlossen storniert archiviert geloscht "
        "abgemeldet ausgeschieden ehemalig exkunde abgelaufen nieaktywny nieaktywna rozwiazana rozwiazany zamkniety "
        "zamknieta zakonczony zakonczona usuniety usunieta archiwalny rezygnacja wypowiedziany anulowany cancelado "
        "cancelada encerrado encerrada inativo inativa rescindido excluido desconectado inactivo inactiva baja debaja "
        "retirado retirada eliminado eliminada anulado terminado cerrado resilie resiliee ferme fermee inactif annule "
        "annulee archive termine supprime cessato cessata chiuso chiusa inattivo inattiva disdetto disdetta annullato "
        "scaduto disattivato opgezegd beeindigd gestopt gesloten inactief opgeheven geannuleerd avsluttet opsagt "
        "uppsagd avslutad lukket zruseny zrusena ukonceny ukoncena neaktivni neaktivny lemondott megszunt inaktivan "
        "pasif iptal kapali reziliat inactiv отключен закрыт расторгнут удален berhenti nonaktif "
        "inactivedoesntuseservices отключена закрыта неактивен расторгнута відключении закритии "
        "неактивнии розірвано ανενεργοσ διακοπη ملغي ملغى مغلق غيرنشط מנותק לאפעיל מבוטל סגור 销户 注销 "
        "停用 已拆机 解約 解約済 退会 해지 dahuy ngunghoatdong thanhly बद नषकरय iptaledildi lemondva slegts lemondta "
        "gearchiveerd"),
}
# What yes in a column of such a name means.
YES_MEANS = {
    "active": words(
        "active isactive aktiv aktywny ativo activo actif attivo actief enabled enableuser cliativado "
        "ativado ενεργοσ ενεργο активен активнии aktif"),
    "closed": words(
        "archived isarchived archiviert inactive isinactive inativo inactivo cancelled canceled closed isclosed "
        "terminated "
        "gearchiveerd debaja nieaktywny inaktiv pasif"),
    "paused": words(
        "disabled isdisabled deactivated blocked isblocked suspended issuspended gesperrt zablokowany bloqueado "
        "blockstatus geblokkeerd spaerret sperret sparrad заблокирован блокировка"),
}


def unguarded(cell: str) -> str:
    """Strip a cell, and take away what keeps a spreadsheet from running it, or from taking it for a number."""
    value = cell.strip()
    if value[:1] == "'" or ";" in value:
        return text.unguarded(value)
    quoted = SPREADSHEET_TEXT.fullmatch(value) if value[:2] == '="' else None
    return quoted[1].strip() if quoted else value


def value_of(cell: str) -> str:
    """Return what a cell says: nothing, too, where it has another program's word for that."""
    return "" if cell.strip() in text.EMPTY_WORDS else unguarded(cell)


def copied(value: str) -> str:
    """Write a value as COPY reads it."""
    return value.replace("\\", "\\\\")


def line_of(limit: int, between: str = " ") -> Callable[[str], str]:
    """Make a parser of one line of text, with the rules of fields.text, to what COPY takes; nothing is nothing.

    A line break is taken for what stands between. Plain ASCII, most of most files, is told by a look at the whole.
    """
    parse = fields.text(limit)
    is_plain = re.compile(rf"(?!Loading|[ '=])[ \"#$%'-;=>@-\[\]-~]{{1,{limit}}}(?<! )").fullmatch
    empty = text.EMPTY_WORDS

    def read(cell: str) -> str:
        if is_plain(cell) and cell not in empty:
            return cell
        value = value_of(cell).replace(NUL, "\0")
        if wrong := SPREADSHEET_ERROR.search(value):
            raise ValueError(f"A spreadsheet could not work it out, and has {wrong[0]} there: write what is meant.")
        if "\n" in value or "\r" in value:
            value = re.sub(r"\s*[\r\n]+\s*", between, re.sub(r"[\s,]*[\r\n]+\s*", "\n", value) if "," in between
                           else value)
        return copied(parse(value)) if value else ""

    return read


ACCOUNT_NUMBER = line_of(50)


def account_number(cell: str) -> str:
    """Parse an account number to what COPY takes: one that a program took for an amount is without its .0."""
    value = ACCOUNT_NUMBER(cell)
    if value.isalnum() and value.isascii():
        return value
    if SHORTENED.fullmatch(value):
        raise ValueError(f"A spreadsheet has shortened it to {value}, and its last digits are lost; take the number "
                         "from the other system again, as text.")
    return whole_number(value.translate(DIGITS))


def whole_number(value: str) -> str:
    """Return a number without decimals that are 0, and everything else as it is."""
    found = DECIMAL_NUMBER.fullmatch(value) if value[-1:] == "0" else None
    return found[1] if found else value


def phones(cell: str) -> list[str]:
    """Parse a phone number and, where more stand in the cell, the further ones, as they are where they are none."""
    if USUAL_PHONE.fullmatch(cell) and " / " not in cell and 3 <= sum(map(cell.count, "0123456789")) <= 15 and (
            not cell.endswith(" ") and not cell.startswith("0.")):
        return [WITHOUT_DECIMALS.sub(r"\1", cell)] if "." in cell else [cell]
    parts = [part for line in value_of(cell).splitlines() for part in _phone_parts(value_of(line))]
    return [*map(_phone, parts[:1]), *map(_phone_or_text, parts[1:])]


def _phone_or_text(part: str) -> str:
    try:
        return _phone(part)
    except ValueError:
        return line_of(200)(part)


def _phone(part: str) -> str:
    """Parse one number, its extension under the word that is stored."""
    number = WITHOUT_DECIMALS.sub(r"\1", AFTER_PHONE.sub("", PHONE_LABEL.sub("", part, count=1))).translate(DIGITS)
    if SCIENTIFIC.fullmatch(number):
        raise ValueError(f"A spreadsheet has shortened it to {number}, and its last digits are lost; take the number "
                         "from the other system again, as text.")
    foreign = None if fields.EXTENSION.search(number) else EXTENSION.search(number)
    return fields.phone(f"{number[:foreign.start()]} ext {foreign[1]}" if foreign else number)


def _phone_parts(value: str) -> list[str]:
    """Return what stands between signs and words that separate numbers, each with its extension."""
    parts: list[str] = []
    if SCIENTIFIC.fullmatch(value) or WITHOUT_DECIMALS.fullmatch(value):
        return [value]
    for part in BETWEEN_PHONES.split(BEFORE_LABEL.sub(";", value)):
        for piece in _slashed(part):
            if parts and CONTINUES_PHONE.match(piece):
                parts[-1] += f" {piece}"
            elif piece and fold(piece) not in NOTHING_OF_THE_KIND and not FAX.search(piece):
                parts.append(piece)
    return parts


def _slashed(part: str) -> list[str]:
    """Return the numbers on both sides of a slash, which in most numbers stands behind the area's."""
    pieces = [piece.strip() for piece in re.split(r"/", part)]
    digits = [sum(map(str.isdigit, piece)) for piece in pieces]
    if len(pieces) > 1 and min(digits) >= 6 and (sum(digits) > 15 or min(digits) >= 7 or all(
            piece[:1] in ("0", "+", "(") for piece in pieces)):
        return pieces
    return [part]


def emails(cell: str) -> list[str]:
    """Parse an e-mail address and, where more stand in the cell, the further ones."""
    if USUAL_EMAIL.fullmatch(cell):
        return [cell]
    return [address for line in value_of(cell).splitlines() for address in _emails_of(value_of(line))]


def _emails_of(value: str) -> list[str]:
    if not value or fold(value) in NOTHING_OF_THE_KIND:
        return []
    found = re.findall(r"(?:mailto:)?([^@\s<>,;]+@[^@\s<>,;]+)", value)
    if len(found) == value.count("@") and (len(found) > 1 or re.search(r"[<;,]|mailto:", value)):
        return [fields.email(address) for address in found]
    return [fields.email(value)]


def amount(cell: str, decimal: str = ".", owed: bool = False) -> Decimal:
    """Parse an amount of money; one that is owed may be below 0, and Cr beside it says that it is.

    Its currency, and what groups its digits, does not matter. Raise ValueError, too, where more than two decimals
    say something.
    """
    digits, is_negative = bare_amount(value_of(cell))
    value = _number(digits, decimal)
    if value is None:
        example = "49.90" if decimal == "." else "49,90"
        raise ValueError(f"Enter an amount such as {example}: at most ten digits, and two decimals"
                         f" after a {'point' if decimal == '.' else 'comma'}.")
    if is_negative and value and not owed:
        raise ValueError("Enter an amount of 0 or more.")
    return -value if is_negative and value else value


def bare_amount(value: str) -> tuple[str, bool]:
    """Return an amount without its sign and currency, and whether it is below 0."""
    rest = A_MONTH.sub("", fields.without_invisible(value).translate(SIGNS).translate(DIGITS)).strip()
    is_negative = is_signed = False
    if credit := re.search(r"(?<![^\W\d_])(cr|dr|haben|soll)\.?$", rest, re.IGNORECASE):
        is_negative, rest = credit[1].casefold() in ("cr", "haben"), rest[:credit.start()].strip()
    if re.fullmatch(r"\(.*\)", rest):
        is_negative, is_signed, rest = True, True, rest[1:-1].strip()
    rest = re.sub(r"(?<=[0-9])[.,](?:-+|=)(?=\D*$)", "", rest)  # 49,- is 49
    for _ in range(3):
        before = rest
        if rest[:1] in ("-", "+") and not is_signed:
            is_negative, is_signed, rest = is_negative or rest[0] == "-", True, rest[1:].strip()
        elif rest[-1:] == "-" and not is_signed:
            is_negative, is_signed, rest = True, True, rest[:-1].strip()
        rest = _without_currency(rest)
        if rest == before:
            break
    return rest, is_negative


def _without_currency(value: str) -> str:
    for pattern in (r"\A(?P<sign>[^0-9\-+.,]+(?:\.(?=[ ]))?\.?/?)(?P<rest>\s*[-+(]?\s*[.,]?[0-9].*)\Z",
                    r"\A(?P<rest>.*[0-9][.,]?\s*-?)\s*(?P<sign>[^0-9\-+,.][^0-9\-+,]*)\Z"):
        if (found := re.match(pattern, value)) and _is_currency(found["sign"]):
            return found["rest"].strip()
    return value


def _is_currency(sign: str) -> bool:
    words = re.sub(r"[\s./\"\u05f4]", "", "".join(" " if unicodedata.category(c) == "Sc" else c for c in sign))
    plain = "".join(c for c in unicodedata.normalize("NFKD", words.casefold()) if not unicodedata.combining(c))
    return not words or plain.replace("ł", "l") in CURRENCIES


def _number(digits: str, decimal: str) -> Decimal | None:
    """Return an amount of whole cents, or None where it is none."""
    whole, sign, places = digits.rpartition(decimal)
    if not sign:
        whole, places = digits, ""
    group = "," if decimal == "." else "."
    is_whole = re.fullmatch(rf"[0-9]*|[0-9]{{1,3}}(?:(?P<by>[ '{group}])[0-9]{{3}})(?:(?P=by)[0-9]{{3}})*"
                            r"|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3}", whole, re.ASCII)
    if not is_whole or ("," in whole and group != ",") or not re.fullmatch(r"[0-9]{0,2}0*", places, re.ASCII):
        return None
    plain = re.sub(r"[^0-9]", "", whole)
    if not plain + places or len(plain.lstrip("0")) > 10:
        return None
    return Decimal(f"{plain or 0}.{places[:2] or 0}").quantize(Decimal("0.01"))


def decimal_sign(cell: str) -> str:
    """Return the decimal sign that a cell shows: a point, a comma, ? where it may be either, or nothing without any."""
    digits, _ = bare_amount(value_of(cell))
    signs = [sign for sign in digits if sign in ".,"]
    if not signs:
        return ""
    if len(set(signs)) > 1:
        return signs[-1]
    if len(signs) > 1:
        return "," if signs[0] == "." else "."
    before, after = digits.split(signs[0])
    if re.search("[ ']", before):
        return signs[0]
    may_group = re.fullmatch("[1-9][0-9]{0,2}", before, re.ASCII) and re.fullmatch("[0-9]{3}", after, re.ASCII)
    return "?" if may_group else signs[0]


def state_of(header: str, said: dict[str, str]) -> Callable[[str], str]:
    """Make a parser of a status in a column of that header, where words have been given a meaning."""
    yes = next((state for state, headers in YES_MEANS.items() if fold(header) in headers), "active")
    no = "closed" if yes == "active" else "active"
    letters = {"s": yes} if any(fold(header) in headers for headers in YES_MEANS.values()) else {}
    known = {**{word: state for state, known in STATES.items() for word in known},
             **dict.fromkeys(TRUE_WORDS, yes), **dict.fromkeys(FALSE_WORDS, no), **letters, **said}

    def read(cell: str) -> str:
        value = value_of(cell)
        if not value:
            return ""
        word = fold(value)
        if state := known.get(word) or known.get(re.sub(r"\A(account|customer|client|service)", "", word)):
            return state
        raise ValueError(f"It is not known whether {value[:40]} is active, paused or closed.")

    return read


def day(cell: str, day_first: bool = True) -> date | None:
    """Parse a day, perhaps with a time after it, which does not matter."""
    value = re.sub(r"[T ]+[0-9]{1,2}:[0-9]{2}.*\Z", "", value_of(cell))
    if not value or re.fullmatch(r"0000-00-00|0", value):
        return None
    if either := EITHER_DAY.fullmatch(value):
        first, second = int(either[1]), int(either[3])
        if first <= 12 and second <= 12:
            first, second = (first, second) if day_first else (second, first)
            return fields.day(f"{either[4]}-{second:02}-{first:02}")
    return fields.day(value)


def quantity(cell: str) -> int:
    """Parse how many there are: a whole number, and 1 where nothing is said."""
    value = value_of(cell)
    if not value:
        return 1
    if found := re.fullmatch(r"([0-9]{1,4})(?:[.,]0+)?", value, re.ASCII):
        return int(found[1])
    raise ValueError(f"{value[:40]} is no whole number.")


def shows_day_first(cell: str) -> bool | None:
    """Tell whether a day shows that the day stands before the month; None where it does not show."""
    if either := EITHER_DAY.match(value_of(cell)):
        first, second = int(either[1]), int(either[3])
        return True if first > 12 else False if second > 12 else None
    return None


def may_be_either(cell: str) -> bool:
    """Tell whether a day can be read in two ways."""
    either = EITHER_DAY.match(value_of(cell))
    return either is not None and either[1].lstrip("0") != either[3].lstrip("0")
