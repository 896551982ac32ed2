"""Customers that are suggested while a name, address or number is being typed."""
from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

PEOPLE = [
    ("María López", "+44 20 7946 0958", "1 Harbour Street, Eastport"),
    ("Maria Lowe", "+44 20 7946 0111", "22 High Street, Westham"),
    ("Jürgen Müller", "+49 30 23125 777", "5 Harbour Street, Eastport"),
    ("Ada 100% Okafor", None, "22 Hill Road, Eastport"),
    ("Mario Anders Lund", "555 0199", "Marian Square 3, Lowtown"),
]


@pytest.fixture
def people(db):
    for name, phone, address in PEOPLE:
        location_id = db.add_location(db.add_customer(name, phone), address)
    db.add_equipment(location_id, "Router", "RT-90:77 A", 0)
    return db


def names(hits):
    return [row["name"] for row in hits.rows]


@pytest.mark.parametrize(("term", "expected"), [
    ("m", ["Jürgen Müller", "María López", "Maria Lowe", "Mario Anders Lund"]),
    ("mari", ["María López", "Maria Lowe", "Mario Anders Lund"]),
    ("maria l", ["María López", "Maria Lowe", "Mario Anders Lund"]),
    ("maria lo", ["María López", "Maria Lowe", "Mario Anders Lund"]),
    ("lop maria", ["María López"]),
    ("mueller", ["Jürgen Müller"]),
    ("harbour", ["Jürgen Müller", "María López"]),
    ("22 h", ["Ada 100% Okafor", "Maria Lowe"]),
    ("maria high", ["Maria Lowe"]),
    ("harbour mull", ["Jürgen Müller"]),
    ("lund mario anders", ["Mario Anders Lund"]),
    ("lund square marian", ["Mario Anders Lund"]),
    ("lund square marian york", []),
    ("maria lopez harbour", ["María López"]),
    ("+44 20 7946", ["María López", "Maria Lowe"]),
    ("7946", []),
    ("020 7946 0958", ["María López"]),
    ("0199", ["Mario Anders Lund"]),
    ("rt9077", ["Mario Anders Lund"]),
    ("100%", ["Ada 100% Okafor"]),
    ("%", []),
    ("_", []),
    ("nobody", []),
    ("", []),
    (" ", []),
])
def test_whoever_is_meant_so_far_is_suggested_by_name(people, term, expected):
    hits = people.suggest_customers(term)
    assert (sorted(names(hits)), hits.total) == (sorted(expected), len(expected))
    assert set(names(hits)) <= set(names(people.find_customers(term)))


def test_who_is_called_so_comes_before_who_lives_there(db):
    people = [("Bea Marian", "1 Oak Road"), ("Adam Bell", "2 Marian Street"), ("Marian Abel", "3 Elm Road")]
    for name, address in people:
        db.add_location(db.add_customer(name, None), address)
    assert names(db.suggest_customers("marian")) == ["Bea Marian", "Marian Abel", "Adam Bell"]


def test_a_suggestion_comes_with_the_address_that_was_meant(people):
    customer_id = people.find_customers("Ada").rows[0]["customer_id"]
    people.add_location(customer_id, "7 Abbey Lane, Northwick")
    (hit,) = people.suggest_customers("hill").rows
    assert hit == {"customer_id": customer_id, "name": "Ada 100% Okafor", "phone_number": None,
                   "email": None, "account_number": None, "closed_on": None, "merged_into": None,
                   "address": "22 Hill Road, Eastport"}


def test_of_many_a_few_are_suggested_and_said_to_be_more(db):
    for number in range(db.SUGGESTED + 20):
        db.add_location(db.add_customer(f"Quentin {number:03}", None), f"{number} Quentin Street")
    hits = db.suggest_customers("quentin", 10)
    assert len(hits.rows) == 10
    assert len(set(names(hits))) == 10
    assert hits.total == db.SUGGESTED + 1


def test_who_is_found_in_two_ways_is_suggested_and_counted_once(db):
    customer_id = db.add_customer("Harbour Harbour", "555 0123")
    for number in range(3):
        db.add_location(customer_id, f"{number} Harbour Street")
    hits = db.suggest_customers("harbour")
    assert (names(hits), hits.total) == (["Harbour Harbour"], 1)
