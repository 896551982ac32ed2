"""Which column of a file is which field."""
from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence

from tracker.errors import BadFile, UnclearMapping
from tracker.transfer.sorting import REJECT_COLUMNS, Source

Mapping = dict[str, tuple[int, ...]]
REQUIRED = ("name", "phone_number")
TOGETHER = (("service_name", "service_cost"), ("equipment_name", "equipment_cost"))
NUMBERS = (("service_id", "service_name"), ("equipment_id", "equipment_name"))
# The fields of an import, each with the headers that mean it: in small letters, without spaces and signs.
SYNONYMS = {
    "customer_id": "customerid",
    "name": "name customer customername client clientname fullname subscriber subscribername accountname",
    "phone_number": "phonenumber phone phoneno mobile mobileno mobilenumber mobilephone cell cellphone cellnumber tel "
                    "telno telephone telephoneno telephonenumber contactnumber contactno msisdn gsm",
    "email": "email emailaddress mail mailaddress contactemail",
    "address": "address street streetaddress siteaddress serviceaddress installationaddress customeraddress location "
               "site premises",
    "service_id": "serviceid",
    "service_name": "servicename service plan planname package packagename tariff product subscription bundle",
    "service_cost": "servicecost monthlyfee monthlycost monthlycharge monthlyprice monthlyrate price fee planprice "
                    "plancost packageprice packagecost serviceprice servicefee",
    "equipment_id": "equipmentid",
    "equipment_name": "equipmentname equipment device devicename devicemodel router modem cpe hardware",
    "serial_number": "serialnumber serial serialno sn deviceserial routerserial",
    "equipment_cost": "equipmentcost equipmentprice equipmentvalue devicecost deviceprice devicevalue worth",
}
FIRST_NAME = ("firstname", "first", "givenname", "forename")
LAST_NAME = ("lastname", "last", "surname", "familyname")


def parse_choice(headers: Sequence[str], answer: str) -> tuple[str, tuple[int, ...]]:
    """Parse what the administrator says of a field, field=Header, field=First+Last or field= for none, to its columns.

    Of a phone number's columns, Phone+Mobile or Phone|Mobile, the first that is filled counts. Raise ValueError, as
    parsers do.
    """
    field, equals, wanted = answer.partition("=")
    field = field.strip().casefold()
    if not equals or field not in SYNONYMS:
        raise ValueError(f"Write it as name=Header; the fields are {', '.join(SYNONYMS)}.")
    signs = "[+|]" if field == "phone_number" else "[+]"
    parts = [wanted] if wanted.strip() in headers else re.split(signs, wanted)
    return field, tuple(_column(headers, part) for part in parts if part.strip())


def match_headers(headers: Sequence[str], chosen: Mapping | None = None) -> Mapping:
    """Return the columns of each field: those chosen, else the column whose header means it.

    Raise UnclearMapping, before anything is read, when a required field has no column, or it is not clear which.
    """
    mapping = dict(chosen or {})
    for field in SYNONYMS:
        if field not in mapping:
            mapping[field] = _best_columns(headers, field, mapping)
    mapping = {field: mapping[field] for field in SYNONYMS if mapping[field]}
    for number, name in NUMBERS:
        if name not in mapping:
            mapping.pop(number, None)
    for column in itertools.chain(*mapping.values()):
        if headers[column] and sum(header.casefold() == headers[column].casefold() for header in headers) > 1:
            raise BadFile(f"The header {headers[column]} stands more than once; rename all but one of them.")
    _check_complete(mapping, chosen or {})
    return mapping


def _column(headers: Sequence[str], wanted: str) -> int:
    for form in (str.strip, _words):
        for column, header in enumerate(headers):
            if form(header) == form(wanted):
                return column
    if wanted.strip().isdecimal() and 1 <= int(wanted) <= len(headers):
        return int(wanted) - 1
    there = ", ".join(filter(None, headers))[:300] or f"{len(headers)} columns without a header, 1 to {len(headers)}"
    raise ValueError(f"The file has no column {wanted.strip()[:80]}; it has {there}.")


def _best_columns(headers: Sequence[str], field: str, taken: Mapping) -> tuple[int, ...]:
    used = set(itertools.chain(*taken.values()))
    free = [column for column, header in enumerate(headers) if header and column not in used]
    exact = [column for column in free if _words(headers[column]) == _words(field)]
    fitting = exact or [column for column in free if _words(headers[column]) in SYNONYMS[field].split()]
    if len({headers[column] for column in fitting}) > 1:
        names = [headers[column] for column in fitting]
        joined = "+".join(names) if field == "phone_number" else names[0]
        raise UnclearMapping(f"{' and '.join(names)} could {'both' if len(names) == 2 else 'all'} be {field}.",
                             f"{field}={joined}")
    if not fitting and field == "name":
        return tuple(c for known in (FIRST_NAME, LAST_NAME) for c in free if _words(headers[c]) in known)
    return tuple(fitting[:1])


def _words(header: str) -> str:
    """Return a header as it is compared: letters and digits alone, in small letters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", header).casefold()))


def _check_complete(mapping: Mapping, chosen: Mapping) -> None:
    for field in REQUIRED:
        if field not in mapping and (field == "name" or field not in chosen):
            raise UnclearMapping(f"No column looks like {field}.", f"{field}=Header")
    if "serial_number" in mapping and "equipment_name" not in mapping:
        raise UnclearMapping("There is a column for serial_number but none for equipment_name.", "serial_number=")
    for name, cost in TOGETHER:
        if (name in mapping) != (cost in mapping):
            there, missing = (name, cost) if name in mapping else (cost, name)
            raise UnclearMapping(f"There is a column for {there} but none for {missing}.", f"{there}=")


def known_headers(cells: Sequence[str]) -> int:
    """Count the cells that are known as headers."""
    known = {*FIRST_NAME, *LAST_NAME, *map(_words, (*SYNONYMS, *REJECT_COLUMNS)), *" ".join(SYNONYMS.values()).split()}
    return sum(_words(cell) in known for cell in cells)


def ignored_headers(source: Source, mapping: Mapping) -> list[str]:
    """Return the headers that no field uses."""
    used = set(itertools.chain(*mapping.values()))
    return [header for column, header in enumerate(source.headers)
            if header and column not in used and header not in REJECT_COLUMNS]
