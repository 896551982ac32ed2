"""What headers mean: each word once, as it is compared."""
from __future__ import annotations

import itertools

import pytest

from tracker.transfer import synonyms
from tracker.transfer.synonyms import address_part, fold, meaning, means_something

SETS = {name: value for name, value in vars(synonyms).items() if isinstance(value, frozenset)}
RANKS = {f"{field} {rank}": line.split() for field, lines in synonyms.SYNONYMS.items() for rank,
         line in enumerate(lines)}


@pytest.mark.parametrize("words", [*SETS.values(), *RANKS.values()], ids=[*SETS, *RANKS])
def test_every_word_stands_as_it_is_compared_and_once(words):
    assert [word for word in words if fold(word) != word] == []
    assert len(set(words)) == len(words)


def test_no_word_means_a_field_in_two_ranks():
    twice = {field: [word for word, group in itertools.groupby(sorted(" ".join(lines).split())) if len(list(group)) > 1]
             for field, lines in synonyms.SYNONYMS.items()}
    assert {field: words for field, words in twice.items() if words} == {}


@pytest.mark.parametrize(("header", "folded"), [
    (" *Contact-Name ", "contactname"), ("Straße", "strasse"), ("Płatność", "platnosc"), ("Nº de série", "nodeserie"),
    ("ＴＥＬ", "tel"), ("İsim", "isim"), ("Телефон", "телефон"),
])
def test_headers_are_compared_by_their_letters(header, folded):
    assert fold(header) == folded


@pytest.mark.parametrize(("header", "word"), [
    ("Phone 2 - Value", "phonevalue"), ("Emails", "email"), ("Customer mobile", "mobile"),
    ("Monthly fee (EUR)", "monthlyfee"),
    ("Item/Description", "item"), ("primary_contact_email", "email"), ("Address 2", "address2"), ("Colour", "colour"),
    ("Client since", "clientsince"),
])
def test_what_a_header_adds_to_a_known_word_does_not_matter(header, word):
    assert meaning(header) == word


@pytest.mark.parametrize(("header", "purpose", "kind"), [
    ("BillingStreet", "billing", "street"), ("SAAddressLine1", "sa", "street"), ("POCity", "po", "city"),
    ("Address 1 - Postal Code", "address1", "zip"), ("Business Street 2", "business", "further"),
    ("Adres instalacji", "sa", "address"),
    ("Dirección Servicio", "sa", "address"), ("Province/State", "", "state"),
    ("ship-to_province/state", "ship", "state"),
    ("PLZ/Ort", "", "city"), ("Bairro", "", "district"), ("Hausnr.", "", "number"), ("Shipping Code", "ship", "zip"),
])
def test_a_part_of_an_address_is_known_with_the_address_that_it_is_of(header, purpose, kind):
    place = next(place for place, names in enumerate(synonyms.PURPOSES) if purpose in (names.split() or [""]))
    assert address_part(header) == (place, kind)


@pytest.mark.parametrize("header", ["E-mail address", "MAC address", "Unit price", "Velocity", "Status",
                                    "Business name"])
def test_what_only_ends_like_a_part_of_an_address_is_none(header):
    assert address_part(header) is None


def test_known_headers_are_counted_and_data_are_none():
    assert means_something(["Kundennummer", "Straße", "", "Farbe", "Preis"]) == 3
    assert means_something(["1001", "Ada Okafor", "+44 20 7946 0958", "1 Quay", "29,90"]) == 0
