"""Random histories of an account keep the books sound, whatever their order."""
from __future__ import annotations

import itertools
import os
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from conftest import delete_with_money, named, there_since
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

import database
from tracker import bill_run, payments
from tracker.verify import verify_books

pytestmark = pytest.mark.slow

amounts = st.integers(1, 30_000).map(lambda cents: Decimal(cents) / 100)
days = st.integers(-90, 60)
numbers = itertools.count(1)


class Books(RuleBasedStateMachine):
    """The program beside a dict of what each customer was billed and has paid."""

    server_uri = template = admin = None
    customers, bills, payments = Bundle("customers"), Bundle("bills"), Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.name = f"isp_test_{os.getpid()}_model_{next(numbers)}"
        type(self).admin(f"CREATE DATABASE {self.name} TEMPLATE {self.template}")
        database.connect(named(self.server_uri, self.name))
        self.billed: dict[int, dict[int, Decimal]] = {}
        self.paid: dict[int, dict[int, Decimal]] = {}
        self.services: dict[int, Decimal] = {}
        self.periods: dict[tuple[int, int], int] = {}
        self.covered: dict[int, dict[int, set[int]]] = {}
        self.first: dict[int, int] = {}

    def teardown(self) -> None:
        database.disconnect()
        type(self).admin(f"DROP DATABASE {self.name} WITH (FORCE)")

    @rule(target=customers, cost=st.one_of(st.none(), amounts))
    def add_customer(self, cost):
        customer_id = database.add_customer("Somebody", "5550100")
        there_since()
        self.billed[customer_id], self.paid[customer_id], self.covered[customer_id] = {}, {}, {}
        if cost is not None:
            database.add_service(database.add_location(customer_id, "Here"), "Fiber", cost)
            self.services[customer_id] = cost
        return customer_id

    @rule(target=bills, customer_id=customers, amount=amounts, day=days)
    def add_bill(self, customer_id, amount, day):
        if customer_id not in self.billed:
            return None
        due_date = database.today() + timedelta(days=day)
        billing_id = database.add_bill(customer_id, "By hand", amount, due_date).billing_id
        self.billed[customer_id][billing_id] = amount
        return customer_id, billing_id

    @rule(target=payments, customer_id=customers, amount=amounts, day=st.integers(-60, 0))
    def pay(self, customer_id, amount, day):
        if customer_id not in self.billed:
            return None
        paid_on = database.today() + timedelta(days=day)
        payment = payments.record_payment(customer_id, amount, paid_on, "cash", None, uuid4())
        self.paid[customer_id][payment["payment_id"]] = amount
        return customer_id, payment["payment_id"]

    @rule(payment=consumes(payments))
    def void(self, payment):
        if payment and payment[0] in self.paid:
            payments.void_payment(payment[1], "a reason")
            del self.paid[payment[0]][payment[1]]

    @rule(bill=consumes(bills))
    def delete_bill(self, bill):
        if bill and bill[0] in self.billed:
            database.delete_bill(bill[1])
            del self.billed[bill[0]][bill[1]]

    @rule(month=st.integers(0, 3))
    def bill_run(self, month):
        """Bill a month, and with it those before it that are open, from the first that was ever billed on."""
        period = date(2026, 6 + month, 1)
        result = bill_run.run(period, period.replace(day=15))
        new = [customer_id for customer_id in self.services if (customer_id, month) not in self.periods]
        open_months = {customer_id: months for customer_id in new if (months := self.open_months(customer_id, month))}
        assert (result["created"], result["skipped"]) == (len(open_months), len(self.services) - len(new))
        for customer_id, months in open_months.items():
            bill_id = -next(numbers)
            self.periods[customer_id, month] = bill_id
            self.first[customer_id] = min(self.first.get(customer_id, month), month)
            self.covered[customer_id][bill_id] = months
            self.billed[customer_id][bill_id] = self.services[customer_id] * len(months)

    def open_months(self, customer_id, month):
        first = min(self.first.get(customer_id, month), month)
        return set(range(first, month + 1)).difference(*self.covered[customer_id].values())

    @rule(month=st.integers(0, 3))
    def undo_run(self, month):
        result = bill_run.undo(date(2026, 6 + month, 1))
        kept = {bill["billing_id"] for bill in result["bills"]}
        owners = {database.get_bill(billing_id)["customer_id"] for billing_id in kept}
        billed = [customer_id for customer_id, billed_month in self.periods if billed_month == month]
        assert result["removed"] + result["kept"] == len(billed)
        for customer_id in set(billed) - owners:
            bill_id = self.periods.pop((customer_id, month))
            del self.billed[customer_id][bill_id], self.covered[customer_id][bill_id]

    @rule(customer_id=consumes(customers))
    def delete_customer(self, customer_id):
        if customer_id in self.billed:
            delete_with_money(customer_id)
            del self.billed[customer_id], self.paid[customer_id], self.covered[customer_id]
            self.services.pop(customer_id, None)
            self.periods = {key: bill for key, bill in self.periods.items() if key[0] != customer_id}

    @rule()
    def restart(self):
        database.disconnect()
        database.connect(named(self.server_uri, self.name))

    @invariant()
    def balances_agree(self):
        for customer_id in self.billed:
            due = sum(bill["amount_due"] for bill in payments.unpaid_bills(customer_id))
            credit = payments.credit(customer_id)
            assert due - credit == sum(self.billed[customer_id].values()) - sum(self.paid[customer_id].values())
            assert due == 0 or credit == 0

    @invariant()
    def books_are_sound(self):
        assert verify_books()[1] == []


def test_any_history_of_payments_bills_and_deletions_keeps_the_books_sound(server_uri, template, admin):
    Books.server_uri, Books.template, Books.admin = server_uri, template, staticmethod(admin)
    run_state_machine_as_test(
        Books, settings=settings(max_examples=12, stateful_step_count=20, print_blob=True,
                                 suppress_health_check=list(HealthCheck)),
    )
