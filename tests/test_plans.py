"""At scale, what an administrator waits for reads only the rows that it shows or sums: no scan of whole tables."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg2
import psycopg2.extras
import pytest
from conftest import named

import database
from tracker import accounts, bill_run, demo, payments, reports

pytestmark = pytest.mark.slow

LARGE = {"billing", "billing_items", "payments", "payment_allocations", "customers", "locations"}


@pytest.fixture(scope="module")
def provider_uri(server_uri, admin, template) -> Iterator[str]:
    """A provider large enough that PostgreSQL has reason to use its indexes."""
    name = f"isp_test_{os.getpid()}_provider"
    admin(f"CREATE DATABASE {name} TEMPLATE {template}")
    database.connect(named(server_uri, name))
    demo.fill(6_000)
    database.disconnect()
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def provider(provider_uri) -> Iterator[None]:
    database.connect(provider_uri)
    yield
    database.disconnect()


@pytest.fixture
def explain(provider, provider_uri, sent) -> Callable[..., str]:
    """Call a function that reads, and return the plans of the statements that it ran."""
    def run(function, *arguments) -> str:
        statements = sent(function, *arguments)
        conn = psycopg2.connect(provider_uri)
        with conn.cursor() as cur:
            plans = []
            for statement in statements:
                cur.execute(f"EXPLAIN {statement}")
                plans += [line for line, in cur]
        conn.close()
        assert plans
        return "\n".join(plans)

    return run


def scanned_whole(plan: str) -> set[str]:
    return {line.split("Seq Scan on ")[1].split()[0] for line in plan.split("\n") if "Seq Scan on " in line} & LARGE


def page_of_received() -> list[reports.ReceivedEntry]:
    """Ask for a page of what came in two months, as if each of their days had a hundred payments."""
    last = database.today()
    days: list[reports.ReceivedOnDay] = [{"day": last - timedelta(days), "entries": 100} for days in range(60, -1, -1)]
    first = days[0]["day"]
    return reports.list_received({"first": first, "last": last, "methods": [], "days": days}, (first, 1, 0), 20)


@pytest.mark.parametrize("read", [
    lambda: reports.late_customers(None, 20),
    reports.late_total,
    lambda: reports.get_account(3000),
    lambda: reports.list_accounts(3000, 20),
    lambda: reports.get_statement(3000, database.today().replace(month=1, day=1), database.today()),
    lambda: payments.unpaid_bills(3000),
    lambda: payments.credit(3000),
    lambda: payments.list_payments(3000),
    lambda: payments.same_payments(3000, Decimal("29.90"), database.today()),
    lambda: payments.doubts(3000, Decimal("29.90"), database.today(), None),
    lambda: payments.latest_payments(0, 20),
    lambda: payments.latest_payments(30_000, 20),
    lambda: payments.payments_on(database.today()),
    lambda: reports.payments_received(database.today(), database.today()),
    page_of_received,
    lambda: database.list_bills(30_000, 20),
    lambda: database.list_services(3000, 20),
    lambda: database.get_bill(30_000),
    lambda: database.customer_contents(3000),
    lambda: database.similar_customers("Ada Okafor", "+44 20 7946 0007"),
], ids=[
    "late report", "late total", "account", "account report", "statement", "unpaid bills", "credit", "payments",
    "same payments", "doubts", "latest payments", "earlier payments", "payments of a day",
    "payments received", "a page of payments received",
    "bills", "services", "bill", "contents", "phone number",
])
def test_a_screen_reads_no_table_whole(explain, read):
    plan = explain(read)
    assert scanned_whole(plan) == set(), plan


def test_the_late_report_reads_late_bills_from_an_index_alone(explain):
    assert "Index Only Scan using billing_unpaid" in explain(reports.late_customers, None, 20)


def test_the_payments_of_a_day_are_found_by_their_day_and_not_from_the_latest_back(explain):
    plan = explain(payments.payments_on, database.today(), 8)
    assert "Filter: ((paid_on)" not in plan, plan


@pytest.mark.parametrize("sort", ["amount", "name"])
def test_the_late_report_reads_late_bills_from_an_index_alone_in_any_order(explain, sort):
    assert "Index Only Scan using billing_unpaid" in explain(lambda: reports.late_customers(None, 20, sort=sort))


@pytest.mark.parametrize("read", [
    lambda: reports.late_customers(None, 20, search="okafor"), lambda: reports.late_total(search="okafor"),
    lambda: reports.aging(None, None, 20, search="okafor"), lambda: reports.aging_total(search="okafor"),
], ids=["late", "late total", "aging", "aging total"])
def test_the_customers_that_a_filter_means_are_hashed_and_not_looked_for_bill_by_bill(explain, read):
    plan = explain(read)
    assert "Hash Full Join" in plan, plan
    assert "customers_name_search" in plan, plan


def test_aging_today_reads_unpaid_bills_from_an_index_alone(explain):
    plan = explain(reports.aging, None, None, 20)
    today = plan.split("One-Time Filter")[1]
    assert "billing_unpaid" in today, plan
    assert "Seq Scan" not in today.split("->  Result")[0], plan


@contextmanager
def scans_of_each_transaction(monkeypatch) -> Iterator[list[set[str]]]:
    """Note which large tables each transaction has read whole, also from inside functions and triggers."""
    scans = []
    commit = database._commit

    def note(conn):
        with conn.cursor() as cur:
            cur.execute("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0")
            scans.append({row["relname"] for row in cur} & LARGE)
        commit(conn)

    with monkeypatch.context() as patch:
        patch.setattr(database, "_commit", note)
        yield scans


@pytest.mark.parametrize("write", [
    lambda: payments.record_payment(3000, Decimal("7.00"), database.today(), "cash", None, uuid4()),
    lambda: payments.void_payment(30_000, "a test"),
    lambda: database.add_bill(3000, "By hand", Decimal("9.00"), database.today()),
    lambda: database.update_bill(30_000, amount=Decimal("900.00")),
    lambda: database.delete_bill(30_001),
    lambda: accounts.close(4000, database.today(), False),
    lambda: database.delete_location(2000),
], ids=["payment", "void", "add bill", "update bill", "delete bill", "close account", "delete location"])
def test_a_change_reads_no_table_whole(provider, monkeypatch, write):
    with scans_of_each_transaction(monkeypatch) as scans:
        write()
    assert scans == [set()]


def test_the_last_bill_runs_are_read_month_by_month_and_no_further(explain):
    plan = explain(bill_run.latest_runs)
    assert plan.startswith("Limit "), plan
    assert "->  Nested Loop" in plan.split("\n")[1], plan
    assert "Bitmap Index Scan on billing_period" in plan, plan
