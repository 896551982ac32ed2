"""A made-up quarter of a provider of 300 customers, played through the menus day by day.

Customers join, leave and come back; services are added, ended, paused and made dearer; bills are run, undone, run again
and run late; money comes, goes back and is written off; customers are merged and erased, devices swapped. After every
step the program verifies its books. At the end of each month what it shows of every customer, service by service and
bill by bill, is compared to the cent with books that are kept in plain Python beside it, and at the end of the quarter
what it said at the end of each month is printed again. The room quarter/ has the story, the books and the hand.
"""
from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta

import pytest
from quarter.books import month_of
from quarter.deeds import Deed
from quarter.hand import Hand
from quarter.printed import Printed, compare_accounts, compare_again, compare_reports, print_reports
from quarter.provider import Provider
from quarter.story import DECEMBER, OFTEN, PAID, PLANNED, days, play

pytestmark = pytest.mark.slow

SEED = 12


@pytest.fixture
def isp(empty_uri, tmp_path):
    """The provider on the eve of the quarter, its customers imported."""
    hand = Hand(empty_uri, tmp_path)
    isp = Provider(hand, int(os.environ.get("SEED", SEED)))
    isp.begin(DECEMBER - timedelta(days=1))
    try:
        hand.open()
        isp.import_customers()
        yield isp
    finally:
        hand.kill()


def test_a_quarter_of_a_provider_of_300_ties_to_the_cent_for_every_customer(isp):
    done: Counter[Deed] = Counter()
    printed: list[Printed] = []
    for day in days():
        play(isp, day, done)
        if month_of(day + timedelta(days=1)) > day:
            compare_accounts(isp)
            for earlier in printed:
                compare_again(isp, earlier)
            printed.append(print_reports(isp, day))
            compare_reports(isp, printed[-1])
    isp.hand.close()
    planned = {deed for deeds in PLANNED.values() for deed in deeds}
    assert {deed for deed in (*OFTEN, *PAID, *planned) if not done[deed]} == set()
