"""What happens in the quarter, on which day: some of it is planned, the rest comes by chance."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

from quarter import deeds
from quarter.deeds import Deed
from quarter.provider import Provider

DECEMBER, JANUARY, FEBRUARY = date(2027, 12, 1), date(2028, 1, 1), date(2028, 2, 1)
LAST_DAY = date(2028, 2, 29)
# December's run is undone a day later and made again, January's is late, February's is undone on its own day. The first
# late fees are charged on the day from which those bills can have one.
PLANNED: dict[date, list[Deed]] = {
    date(2027, 12, 1): [partial(deeds.run_bills, month=DECEMBER)],
    date(2027, 12, 2): [partial(deeds.undo_bills, month=DECEMBER), partial(deeds.run_bills, month=DECEMBER)],
    date(2027, 12, 5): [deeds.join_twice],
    date(2027, 12, 10): [partial(deeds.change_price, plan="Fibre 100", rise="3.00", from_day=JANUARY)],
    date(2027, 12, 20): [deeds.merge, partial(deeds.change_price, plan="Radio 20", rise="1.11",
                                              from_day=date(2027, 12, 12), with_own=True)],
    date(2027, 12, 29): [deeds.charge_late_fees],
    date(2028, 1, 2): [deeds.undo_late_fees],
    date(2028, 1, 5): [deeds.join_twice],
    date(2028, 1, 9): [deeds.charge_late_fees],
    date(2028, 1, 17): [partial(deeds.run_bills, month=JANUARY)],
    date(2028, 1, 20): [deeds.merge],
    date(2028, 1, 25): [partial(deeds.change_price, plan="Telephone", rise="0.49", from_day=date(2028, 2, 10))],
    date(2028, 2, 1): [partial(deeds.run_bills, month=FEBRUARY), partial(deeds.undo_bills, month=FEBRUARY),
                       partial(deeds.run_bills, month=FEBRUARY)],
    date(2028, 2, 14): [partial(deeds.change_price, plan="Fibre 500", rise="5.01", from_day=date(2028, 2, 14),
                                with_own=True)],
    date(2028, 2, 15): [deeds.erase],
    date(2028, 2, 20): [deeds.charge_late_fees],
}
OFTEN: dict[Deed, float] = {
    deeds.join: 2, deeds.join_twice: 0.5, deeds.merge: 0.5, deeds.add_service: 1.5, deeds.add_site: 0.5,
    deeds.add_service_by_mistake: 0.5, deeds.end_service: 2, deeds.let_service_go_on: 0.7, deeds.pause: 2.5,
    deeds.change_pause: 1, deeds.change_own_price: 1.5,
    deeds.add_bill: 1.5, deeds.change_bill: 2, deeds.delete_bill: 1,
    deeds.pay_after_leaving: 1, deeds.add_credit_note: 2, deeds.write_off: 1.5, deeds.refund_credit: 1.2,
    deeds.refund_payment: 1, deeds.void_payment: 1, deeds.void_credit_note: 0.5, deeds.void_write_off: 0.5,
    deeds.void_refund: 0.5, deeds.promise: 1, deeds.leave: 1.5, deeds.come_back: 0.5, deeds.erase: 0.5,
    deeds.add_to_stock: 1, deeds.take_back: 1, deeds.install: 1, deeds.swap: 1.5, deeds.write_device_off: 0.5,
}
PAID: dict[Deed, float] = {deeds.pay_all: 8, deeds.pay_part: 3, deeds.pay_too_much: 1}
DEEDS_A_DAY, PAYMENTS_A_DAY = 3, 5


def days() -> Iterator[date]:
    for number in range((LAST_DAY - DECEMBER).days + 1):
        yield DECEMBER + timedelta(days=number)


def play(isp: Provider, day: date, done: Counter[Deed]) -> None:
    """Do what a day brings, and count what was done; the last day brings what never came."""
    isp.begin(day)
    by_chance = [deed for often, count in ((OFTEN, DEEDS_A_DAY), (PAID, PAYMENTS_A_DAY))
                 for deed in isp.chance.choices([*often], [*often.values()], k=count)]
    missed = [deed for deed in OFTEN if not done[deed]] if day == LAST_DAY else []
    for deed in (*PLANNED.get(day, ()), *by_chance, *missed):
        done[deed] += deed(isp) is not False
