"""What happens to customers."""
from __future__ import annotations

import pytest

from tracker import errors


def test_a_customer_that_was_added_is_read_back(db):
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    customer = db.get_customer(customer_id)
    assert (customer["name"], customer["phone_number"]) == ("Ada Okafor", "+44 20 7946 0958")


def test_an_unknown_customer_is_one_sentence(db):
    with pytest.raises(errors.NotFound, match=r"^There is no customer 7\.$"):
        db.get_customer(7)
