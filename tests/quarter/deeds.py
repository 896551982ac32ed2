"""What an administrator does in a quarter, each deed once through the program's menus, and once in the books.

A deed returns False when there is nobody whom it can be about. What the program is to say is put together from the
books, and its totals are typed from them: where they differ, a deed fails. Only IDs are taken from what it says.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import takewhile

from quarter.books import (
    DAYS_TO_PAY,
    FEE,
    ZERO,
    Bill,
    Customer,
    Device,
    Money,
    Service,
    Site,
    month_of,
)
from quarter.provider import MODELS, Provider

Deed = Callable[[Provider], object]
METHODS = ("cash", "card", "transfer", "direct debit", "cheque", "other")


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def standing(isp: Provider, customer: int) -> str:
    return rf"to pay {isp.books.owed(customer):.2f}, credit {isp.books.credit(customer):.2f}\."


# Who joins, and what they have


def join(isp: Provider) -> None:
    add_customer(isp, isp.names.pop(), f"{isp.number()} Side Street")


def add_customer(isp: Provider, name: str, address: str, is_known: bool = False) -> int:
    phone = isp.chance.choice(["", f"444 {1000 + isp.number()}"])
    number = int(isp.says(rf"Added customer (\d+), {name}\.", 1, 1, name, phone, *["yes"] * is_known)[1])
    isp.books.customers[number] = Customer(number, name, isp.today)
    add_service_at(isp, add_site_of(isp, number, address))
    return number


def add_site_of(isp: Provider, customer: int, address: str) -> Site:
    number = int(isp.says(rf"Added location (\d+), {address}, to .*", 2, 1, f"customer {customer}", address)[1])
    isp.books.sites[number] = Site(number, customer, address)
    return isp.books.sites[number]


def add_service_at(isp: Provider, site: Site) -> Service:
    """Add a service from a day on, some days ago or to come."""
    (plan, cost), start = isp.plan(), isp.day(-12, 20)
    number = int(isp.says(rf"Added service (\d+), {plan}, at {cost} a month, from {start}, to {site.address}\.",
                          3, 1, f"location {site.number}", plan, cost, start)[1])
    isp.books.services[number] = Service(number, site.number, plan, start, {date.min: cost})
    return isp.books.services[number]


def join_twice(isp: Provider) -> bool:
    """Add somebody who is there already, at the same address or at another one, and who promises to pay."""
    known = {customer for pair in isp.doubles for customer in pair}
    first = isp.customer(lambda customer: isp.books.sites_of(customer) and customer not in known)
    if first is None:
        return False
    there = isp.chance.choice(isp.books.sites_of(first)).address
    address = isp.chance.choice([there, f"{isp.number()} Back Lane"])
    second = add_customer(isp, isp.books.customers[first].name, address, is_known=True)
    isp.doubles.append((first, second))
    note_promise(isp, second)
    return True


def merge(isp: Provider) -> bool:
    if not isp.doubles:
        return False
    stays, goes = pair = isp.doubles.pop(0)
    if isp.books.customers[stays].closed_on or isp.chance.random() < 0.5:
        stays, goes = goes, stays
    if isp.books.customers[stays].closed_on or any(isp.books.customers[one].erased for one in pair):
        return False
    isp.books.merge(stays, goes)
    isp.says(rf"Merged customer {goes} into customer {stays}; {standing(isp, stays)}",
             1, 9, f"customer {stays}", f"customer {goes}", "yes")
    return True


def add_service(isp: Provider) -> bool:
    if site := isp.site():
        add_service_at(isp, site)
    return bool(site)


def add_site(isp: Provider) -> None:
    add_service_at(isp, add_site_of(isp, isp.customer(), f"{isp.number()} Quay"))


def add_service_by_mistake(isp: Provider) -> bool:
    if site := isp.site():
        service = add_service_at(isp, site)
        isp.says(rf"Deleted service {service.number}, .*", 3, 4, f"service {service.number}", "yes")
        del isp.books.services[service.number]
    return bool(site)


def end_service(isp: Provider) -> bool:
    last = isp.day(-15, 20)
    service = isp.service(lambda service: service.end != last and (not service.start or service.start <= last))
    if service:
        isp.says(rf"Service {service.number}, .*, ends on {last}\.", 3, 6, f"service {service.number}", last)
        service.end = last
    return bool(service)


def let_service_go_on(isp: Provider) -> bool:
    service = isp.service(lambda service: service.end)
    if service:
        isp.says(rf"Service {service.number}, .*, goes on\.", 3, 6, f"service {service.number}", "none")
        service.end = None
    return bool(service)


def pause(isp: Provider) -> bool:
    """Pause a service, from some days ago or to come, to a day or until further notice."""
    service = isp.service(lambda service: not service.pauses)
    if service:
        first = isp.day(-10, 15)
        last = isp.chance.choice([first, first + timedelta(days=isp.chance.randint(1, 40)), None])
        isp.says(rf"Service {service.number}, .*, is paused .*", 3, 7, f"service {service.number}", first, last or "")
        service.pauses[first] = last
    return bool(service)


def change_pause(isp: Provider) -> bool:
    """End a pause on another day, or take it back."""
    service = isp.service(lambda service: len(service.pauses) == 1)
    if service is None:
        return False
    (first, last), = service.pauses.items()
    until = isp.chance.choice(["remove", *{max(first, isp.day(-5, 10))} - {last}])
    pauses = isp.hand.asked(r"Pause to change \(ID\) \[another pause\]: $", 3, 7, f"service {service.number}")
    number, = (line.split()[0] for line in pauses.splitlines() if f"  {first}" in line)
    said = rf"Removed the pause .* of service {service.number}, .*" if until == "remove" \
        else rf"Service {service.number}, .*, is paused .*"
    isp.says(said, number, until)
    service.pauses = {} if until == "remove" else {first: until}
    return True


def change_own_price(isp: Provider) -> bool:
    service = isp.service(lambda service: not service.start or service.start <= isp.today)
    if service:
        cost = max(service.price(isp.today) + isp.chance.choice([-1, 1]) * isp.amount("0.01", "4.00"), ZERO)
        isp.says(rf"Saved service {service.number}, {service.name}, at {cost} a month.*\.",
                 3, 3, f"service {service.number}", "", cost, "")
        service.prices[isp.today] = cost
    return bool(service)


def change_price(isp: Provider, plan: str, rise: str, from_day: date, with_own: bool = False) -> None:
    cost = isp.books.usual_price(plan) + Decimal(rise)
    usual, own, total = isp.books.price_change(plan, cost, from_day)
    changing = usual + own if with_own else usual
    total += cost * len(changing) + sum((service.price(from_day) for service in own if not with_own), ZERO)
    isp.says(rf"Changed {plural(len(changing), 'service')} to {cost} from {from_day}; {total} a month\.",
             3, 8, plan, cost, from_day, *["yes" if with_own else "no"] * bool(own), total)
    for service in changing:
        service.prices[from_day] = cost


# Bills


def run_bills(isp: Provider, month: date) -> None:
    charged = isp.books.to_bill(month)
    balances = [sum((line.amount for line in lines), ZERO) for lines in charged.values()]
    total = sum((max(balance, ZERO) for balance in balances), ZERO)
    skipped = len([bill for bill in isp.books.bills
                   if bill.period == month and not bill.cancelled and not bill.merged])
    due_date = month.replace(day=15)
    if due_date < isp.today:
        due_date = isp.today + timedelta(days=DAYS_TO_PAY)
    credited = sum(balance < 0 for balance in balances)
    previewed = rf"Billed less than nothing: {plural(credited, 'customer')}, with credit notes of " \
                rf"{-sum(balance for balance in balances if balance < 0):.2f}\.\n(?:.*\n)*" if credited else ""
    _, spent = isp.books.spending(lambda: isp.books.run_bills(month, due_date))
    from_credit = rf", {spent:.2f} paid from credit" if spent else ""
    isp.says(rf"{previewed}Created {len(charged)}, skipped {skipped}; {total} billed, due {due_date}{from_credit}\.",
             5, 9, f"{month:%Y-%m}", "", total)
    isp.learn_bills()


def undo_bills(isp: Provider, month: date) -> None:
    bills = isp.books.to_undo(month)
    isp.says(rf"Removed {plural(len(bills), 'bill')} of {month:%Y-%m}\.", 5, 10, f"{month:%Y-%m}", "yes")
    isp.books.cancel(bills)


def add_bill(isp: Provider) -> None:
    customer, amount, due_date = isp.customer(), isp.amount("5.00", "120.00"), isp.day(0, 30)
    bill = isp.books.add_bill(customer, amount, due_date)
    paid = rf"; {bill.paid} of it paid from credit" if bill.paid else ""
    bill.number = int(isp.says(rf"Added bill (\d+), Repair, {amount} due {due_date}, to [^;]*{paid}\.",
                               5, 2, f"customer {customer}", "Repair", amount, due_date)[1])


def change_bill(isp: Provider) -> bool:
    bill = isp.bill(lambda bill: bill.amount > 1)
    if bill:
        lower = max(bill.amount - isp.amount("0.01", "25.00"), Decimal("0.01"))
        amount = isp.chance.choice([lower, lower, bill.amount + isp.amount("0.50", "9.00")])
        isp.books.change_bill(bill, amount)
        isp.says(rf"Saved bill {bill.number}, .*, {amount} due {bill.due_date}, {bill.due} to pay\.",
                 5, 4, f"bill {bill.number}", "", amount, "")
    return bool(bill)


def delete_bill(isp: Provider) -> bool:
    """Delete a bill without a late fee, whose credit note, if it made one, was not refunded."""
    bill = isp.bill(lambda bill: not isp.books.fee_on(bill) and not any(
        money.from_bill is bill and money.refunded for money in isp.books.money_of(bill.customer)))
    if bill:
        isp.says(rf"Deleted bill {bill.number}, .*", 5, 5, f"bill {bill.number}", "yes")
        isp.books.cancel([bill])
    return bool(bill)


def charge_late_fees(isp: Provider) -> bool:
    bills = isp.books.to_charge()
    if bills:
        total = FEE * len(bills)
        customers = plural(len({bill.customer for bill in bills}), "customer")
        isp.says(rf"Created {plural(len(bills), 'late fee')} for {customers}; {total} billed, .*", 5, 16, total)
        isp.books.charge_late_fees()
        isp.learn_bills()
    return bool(bills)


def undo_late_fees(isp: Provider) -> bool:
    """Take the fees of the latest day back, but for those that were paid on."""
    fees = [bill for bill in isp.books.bills if bill.fee_for and not bill.cancelled]
    day = max((fee.issued for fee in fees), default=None)
    fees = [fee for fee in fees if fee.issued == day and all(use.from_credit for use in fee.uses)]
    if fees:
        isp.says(rf"Took back {plural(len(fees), 'late fee')} of {day}\.", 5, 17, "", "yes")
        isp.books.cancel(fees)
    return bool(fees)


# Money


def pay(isp: Provider, customer: int, amount: Decimal, paid_on: date | None = None) -> None:
    """Record a payment, of some days ago in this month unless said, at times meant for a bill that is not due first."""
    unpaid = isp.books.unpaid(customer)
    paid_on = paid_on or max(isp.day(-3, 0), month_of(isp.today))
    aimed = isp.chance.choice([None, None, *unpaid]) if len(unpaid) > 1 else None
    again = isp.books.is_recorded(customer, amount, paid_on)
    said = isp.says(
        rf"Recorded payment (\d+), {amount} on {paid_on}, of .*", 5, 6, f"customer {customer}", amount, paid_on,
        isp.chance.choice(METHODS), f"R-{isp.number()}", *[aimed.number if aimed else ""] * (len(unpaid) > 1),
        *["yes"] * again)
    payment = isp.books.pay(customer, amount, paid_on, aimed)
    payment.number = int(said[1])
    check_uses(said, payment)


def check_uses(said: re.Match[str], money: Money) -> None:
    """Compare where some money went, or what a refund came from, with what the program says after its sentence."""
    after = said.string[said.end():].split("\n\n")[0].splitlines()
    lines = [*takewhile(lambda line: not re.match(r" *ID |To pay |No unpaid", line), after)]  # and then what is due
    others = [(use.source if money.kind == "refund" else use.target, use.amount) for use in money.uses]
    expected = [rf"  (?:Of )?{'bill' if isinstance(other, Bill) else other.kind} {other.number or '[0-9]+'} .* {amount}"
                for other, amount in others]
    expected += [rf"  credit +{money.left}"] * bool(money.left)
    for line in expected:
        lines.remove(next(shown for shown in lines if re.fullmatch(line, shown, re.IGNORECASE)))
    assert lines in ([], [""])


def pay_all(isp: Provider) -> bool:
    if customer := isp.customer(isp.books.owed):
        pay(isp, customer, isp.books.owed(customer))
    return bool(customer)


def pay_part(isp: Provider) -> bool:
    if customer := isp.customer(isp.books.owed):
        pay(isp, customer, isp.amount("0.01", isp.books.owed(customer)))
    return bool(customer)


def pay_too_much(isp: Provider) -> bool:
    if customer := isp.customer(lambda customer: isp.books.monthly_total(customer) > 5):
        pay(isp, customer, isp.books.owed(customer) + isp.amount("0.01", "20.00"))
    return bool(customer)


def pay_after_leaving(isp: Provider) -> bool:
    if customer := isp.who_left(lambda customer: isp.books.owed(customer.number)):
        pay(isp, customer.number, isp.books.owed(customer.number))
    return bool(customer)


def add_credit_note(isp: Provider) -> None:
    customer, amount = isp.customer(), isp.amount("0.50", "30.00")
    said = isp.says(rf"Recorded credit note (\d+), {amount} .*", 5, 13, f"customer {customer}", amount, "Outage")
    note = isp.books.credit_note(customer, amount)
    note.number = int(said[1])
    check_uses(said, note)


def write_off(isp: Provider) -> bool:
    """Give up what somebody owes, or a part of it, on one bill or on those due first."""
    customer = isp.one_of(isp.books.customers, isp.books.owed)
    if customer is None:
        return False
    unpaid = isp.books.unpaid(customer)
    aimed = isp.chance.choice([None, *unpaid]) if len(unpaid) > 1 else None
    most = aimed.due if aimed else isp.books.owed(customer)
    amount = isp.chance.choice([most, isp.amount("0.01", most)])
    said = isp.says(rf"Recorded write-off (\d+), {amount} .*", 5, 14, f"customer {customer}",
                    *[aimed.number if aimed else ""] * (len(unpaid) > 1), amount, "Moved away")
    given_up = isp.books.write_off(customer, amount, aimed)
    given_up.number = int(said[1])
    check_uses(said, given_up)
    return True


def refund_credit(isp: Provider) -> bool:
    customer = isp.one_of(isp.books.customers, isp.books.credit)
    if customer:
        credit = isp.books.credit(customer)
        refund(isp, customer, isp.chance.choice([credit, isp.amount("0.01", credit)]))
    return bool(customer)


def overpay_and_refund(isp: Provider) -> None:
    """Take too much, twice, and give a part of it back: of the oldest first."""
    customer = isp.customer(lambda customer: isp.books.monthly_total(customer) > 5)
    pay(isp, customer, isp.books.owed(customer) + Decimal("5.00"))
    pay(isp, customer, Decimal("7.00"))
    refund(isp, customer, Decimal("3.00"))


def refund_payment(isp: Provider) -> bool:
    payment = isp.money("payment", lambda money: money.refunded < money.amount)
    if payment:
        refund(isp, payment.customer, isp.amount("0.01", payment.amount - payment.refunded), payment)
    return bool(payment)


def refund(isp: Provider, customer: int, amount: Decimal, payment: Money | None = None) -> None:
    said = isp.says(rf"Recorded refund (\d+), {amount} .*", 5, 15, f"customer {customer}",
                    payment.number if payment else "", amount, "transfer", "")
    given_back = isp.books.refund(customer, amount, payment)
    given_back.number = int(said[1])
    check_uses(said, given_back)


def void(isp: Provider, kind: str) -> bool:
    wrong = isp.money(kind, lambda money: kind == "refund" or not money.refunded)
    if wrong:
        isp.books.void(wrong)
        isp.says(rf"Voided {kind} {wrong.number}, .*: typo(?:\n.*)*\n{standing(isp, wrong.customer).capitalize()}",
                 5, 8, f"payment {wrong.number}", "typo", "yes")
    return bool(wrong)


# Late, and then?


def promise(isp: Provider) -> bool:
    if customer := isp.customer(lambda customer: customer in isp.books.late()):
        note_promise(isp, customer)
    return bool(customer)


def note_promise(isp: Provider, customer: int, amount: Decimal | None = None) -> None:
    until = isp.day(0, 12)
    amount = amount or isp.chance.choice([isp.books.owed(customer) or Decimal("9.99"), isp.amount("1.00", "20.00")])
    isp.says(rf"Added note \d+ to .*: {amount} promised until {until}\.",
             f"customer {customer}", 11, "Rang at noon", until, amount)
    isp.books.promise(customer, until, amount)


def promise_twice(isp: Provider) -> None:
    """Note two promises of a day, of which what is paid then keeps one."""
    customer = isp.customer(lambda customer: customer in isp.books.late() and isp.books.owed(customer) > 20)
    for _ in range(2):
        note_promise(isp, customer, Decimal("4.00"))
    pay(isp, customer, Decimal("5.00"), isp.today)


# Who leaves


def leave(isp: Provider, last_day: date | None = None) -> bool:
    customer = isp.customer(isp.books.services_of)
    if customer is None:
        return False
    last_day, devices = last_day or isp.day(-8, 8), isp.books.devices_of(customer)
    fate = isp.chance.choice(["stock", "stock", "stock", "left"])
    bill = isp.books.close(customer, last_day, fate == "stock")
    isp.says(rf"Closed customer {customer}, .*, with {last_day} as the last day; {standing(isp, customer)}",
             1, 6, f"customer {customer}", last_day, *[fate] * bool(devices), "yes")
    if bill:
        isp.learn_bills()
    return True


def come_back(isp: Provider) -> bool:
    if customer := isp.who_left():
        isp.says(rf"Reopened the account of customer {customer.number}, .*", 1, 7, f"customer {customer.number}", "yes")
        customer.closed_on = None
        add_service_at(isp, add_site_of(isp, customer.number, f"{isp.number()} New Road"))
    return bool(customer)


def erase(isp: Provider) -> bool:
    """Erase somebody who left, once what is open was paid or given back."""
    if customer := isp.who_left():
        number = customer.number
        if owed := isp.books.owed(number):
            pay(isp, number, owed)
        if credit := isp.books.credit(number):
            refund(isp, number, credit)
        isp.says(rf"Erased customer {number}\.", 1, 8, f"customer {number}", customer.name)
        customer.erased = True
    return bool(customer)


# Equipment


def add_to_stock(isp: Provider) -> None:
    model, worth = isp.chance.choice(list(MODELS.items()))
    number = int(isp.says(rf"Added equipment (\d+), {model}, worth {worth}, to stock\.",
                          4, 1, "stock", model, f"N-{isp.number()}", worth, "")[1])
    isp.books.devices[number] = Device(number, model, None, Decimal(worth))


def take_back(isp: Provider) -> bool:
    if device := isp.device(lambda device: device.site):
        isp.says(rf"Moved equipment {device.number}, .*, to stock\.", 4, 7, f"equipment {device.number}", "stock")
        device.site = None
    return bool(device)


def install(isp: Provider) -> bool:
    device, site = isp.device(lambda device: not device.site), isp.site()
    if device and site:
        isp.says(rf"Moved equipment {device.number}, .*, to {site.address}, of .*",
                 4, 7, f"equipment {device.number}", f"location {site.number}")
        device.site = site.number
    return bool(device and site)


def swap(isp: Provider) -> bool:
    """Swap a device for one from stock, or for a new one."""
    old = isp.device(lambda device: device.site and isp.is_open(device.site))
    if old is None:
        return False
    fate = isp.chance.choice(["stock", "written off"])
    stocked = isp.device(lambda device: not device.site)
    if stocked and isp.chance.random() < 0.7:
        answers = [f"equipment {stocked.number}"]
    else:
        answers = ["new", "TV box", f"N-{isp.number()}", MODELS["TV box"]]
    said = isp.says(rf"Swapped equipment {old.number}, .*, for equipment (\d+), .*",
                    4, 8, f"equipment {old.number}", fate, *answers)
    number = int(said[1])
    new = isp.books.devices.setdefault(number, Device(number, "TV box", None, Decimal(MODELS["TV box"])))
    new.site, old.site, old.written_off = old.site, None, fate == "written off"
    return True


def write_device_off(isp: Provider) -> bool:
    if device := isp.device():
        isp.says(rf"Wrote off equipment {device.number}, .*", 4, 9, f"equipment {device.number}", "yes")
        device.site, device.written_off = None, True
    return bool(device)


void_payment, void_credit_note, void_write_off, void_refund = (
    partial(void, kind=kind) for kind in ("payment", "credit note", "write-off", "refund"))
