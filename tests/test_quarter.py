"""A made-up quarter of a provider of 300 customers is played through the menus, day by day, and ties to the cent.

Customers join, leave and come back; services are added, ended, paused and made dearer; bills are run, undone, run again
and run late; money comes, goes back and is written off; customers are merged and erased, devices swapped. One program
stays open for all of it, and after every step its menu verifies that everything adds up. At the end of each month what
the program shows of every customer, bill by bill and in all, is compared with books that plain Python keeps beside it,
and what it said at the end of each month before is printed again. The room quarter/ has the provider, its story, the
books and the hand; today is a day that the server is told, as quarter/clock.py says. QUARTER_SEED makes another one up.
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


@pytest.fixture
def isp(empty_uri, tmp_path):
    """The provider on the eve of the quarter, its customers imported."""
    hand = Hand(empty_uri, tmp_path)
    isp = Provider(hand, int(os.environ.get("QUARTER_SEED", "12")))
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
