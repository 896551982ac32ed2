"""Every index is the one that was meant, and serves the question that it was made for."""
from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import psycopg2
import psycopg2.extras
import pytest
from conftest import named
from logins import BANK
from test_record_edges import BANK_LINE

import database
from tracker import access, backup, bill_run, demo, notes, payments, reports, stock, trail, verify
from tracker.transfer import booking
from tracker.transfer.bank_formats import Format

pytestmark = pytest.mark.slow

# As PostgreSQL writes them out. Without a column, condition or operator class, an index is useless and nothing fails.
DEFINITIONS = {
    "customers_name_search": "ON public.customers USING gin (name_folded gin_trgm_ops)",
    "customers_email_search":
        "ON public.customers USING gin (lower(email) gin_trgm_ops) WHERE (email IS NOT NULL)",
    "customers_account_number_once":
        "ON public.customers USING btree (lower(account_number) text_pattern_ops) WHERE (account_number IS NOT NULL)",
    "customers_account_number_key":
        "ON public.customers USING btree (serial_key(account_number)) WHERE (account_number IS NOT NULL)",
    "bank_formats_name_once": "ON public.bank_formats USING btree (lower(name))",
    "bank_lines_open":
        "ON public.bank_lines USING btree (booked_on, bank_line_id) "
        "WHERE (((amount_booked)::numeric < (amount)::numeric) AND (set_aside_on IS NULL))",
    "bank_lines_payer_account":
        "ON public.bank_lines USING btree (payer_account) WHERE (payer_account IS NOT NULL)",
    "payments_bank_line": "ON public.payments USING btree (bank_line_id) WHERE (bank_line_id IS NOT NULL)",
    "customers_phone_key": "ON public.customers USING btree (phone_key(phone_number) text_pattern_ops)",
    "customers_phone_reversed": "ON public.customers USING btree (reverse(phone_key(phone_number)) text_pattern_ops)",
    "locations_address_search": "ON public.locations USING gin (address_folded gin_trgm_ops)",
    "services_name_search": "ON public.services USING gin (service_name_folded gin_trgm_ops)",
    "equipment_name_search": "ON public.equipment USING gin (equipment_name_folded gin_trgm_ops)",
    "equipment_serial_once":
        "ON public.equipment USING btree (serial_key(serial_number) text_pattern_ops, serial_repeat)",
    "billing_description_search":
        "ON public.billing USING gin (folded(description) gin_trgm_ops) WHERE (period IS NULL)",
    "payments_reference":
        "ON public.payments USING btree (folded(reference) text_pattern_ops) WHERE (reference IS NOT NULL)",
    "equipment_in_stock":
        "ON public.equipment USING btree (equipment_name_folded, equipment_id) "
        "WHERE ((location_id IS NULL) AND (retired_on IS NULL))",
    "services_location_id": "ON public.services USING btree (location_id)",
    "equipment_location_id": "ON public.equipment USING btree (location_id)",
    "billing_items_billing_id": "ON public.billing_items USING btree (billing_id)",
    "billing_unpaid":
        "ON public.billing USING btree (due_date, customer_id) INCLUDE (amount_due) "
        "WHERE ((amount_due)::numeric > (0)::numeric)",
    "billing_period": "ON public.billing USING brin (period) WITH (pages_per_range='32')",
    "payments_customer_paid_on": "ON public.payments USING btree (customer_id, paid_on, payment_id)",
    "payments_credit":
        "ON public.payments USING btree (customer_id) INCLUDE (amount_left) "
        "WHERE (((amount_left)::numeric > (0)::numeric) AND (voided_at IS NULL) "
        "AND (kind = ANY (ARRAY['payment'::text, 'credit note'::text])))",
    "billing_last_payment":
        "ON public.billing USING brin (last_payment_date) WITH (pages_per_range='32')",
    "price_changes_from_day": "ON public.price_changes USING brin (from_day) WITH (pages_per_range='32')",
    "billing_settled": "ON public.billing USING btree (settled_on) WHERE (settled_on IS NOT NULL)",
    "billing_items_booked":
        "ON public.billing_items USING btree (billing_id, booked_on) INCLUDE (amount) WHERE (booked_on IS NOT NULL)",
    "payments_voided_on": "ON public.payments USING btree (voided_on) WHERE (voided_on IS NOT NULL)",
    "payment_allocations_released":
        "ON public.payment_allocations USING btree (released_on) WHERE (released_on IS NOT NULL)",
    "payments_paid_on": "ON public.payments USING brin (paid_on) WITH (pages_per_range='32')",
    "payment_allocations_payment": "ON public.payment_allocations USING btree (payment_id)",
    "payment_allocations_bill": "ON public.payment_allocations USING btree (billing_id)",
    "payment_allocations_refund":
        "ON public.payment_allocations USING btree (refund_id) WHERE (refund_id IS NOT NULL)",
    "billing_once_a_period":
        "ON public.billing USING btree (customer_id, ( CASE WHEN ((cancelled_on IS NULL) AND (merged_from IS NULL)) "
        "THEN (period)::date ELSE NULL::date END))",
    "billing_late_fee_once":
        "ON public.billing USING btree (late_fee_for) WHERE ((cancelled_on IS NULL) AND (late_fee_for IS NOT NULL))",
    "billing_late_fee_for": "ON public.billing USING btree (late_fee_for) WHERE (late_fee_for IS NOT NULL)",
    "payments_from_bill": "ON public.payments USING btree (from_bill) WHERE (from_bill IS NOT NULL)",
    "customers_merged_into": "ON public.customers USING btree (merged_into) WHERE (merged_into IS NOT NULL)",
    "customers_closed": "ON public.customers USING btree (closed_on, customer_id) WHERE (closed_on IS NOT NULL)",
    "service_pauses_service_id": "ON public.service_pauses USING btree (service_id)",
    "billing_items_first_day": "ON public.billing_items USING brin (first_day) WITH (pages_per_range='32')",
    "equipment_moves_equipment_id": "ON public.equipment_moves USING btree (equipment_id)",
    "customer_notes_customer_id": "ON public.customer_notes USING btree (customer_id, noted_at)",
    "trail_changed_at": "ON public.trail USING brin (changed_at) WITH (pages_per_range='32')",
    "trail_login": "ON public.trail USING btree (login, changed_at)",
    "trail_deletions":
        "ON public.trail USING btree (changed_at, transaction_id) WHERE (kind = 'deleted'::text)",
    "trail_single_id": "ON public.trail USING btree (single_id) WHERE (single_id IS NOT NULL)",
    "trail_ids": "ON public.trail USING gist (ids) WHERE (single_id IS NULL)",
    "trail_parent_ids": "ON public.trail USING gist (parent_ids) WHERE (parent_ids IS NOT NULL)",
}

# The question that each was made for; those that rules bring along, too, where a screen leans on them.
QUESTIONS = {
    "customers_name_search": [lambda: database.find_customers("kafo"), lambda: database.find_locations("kafo"),
                              lambda: database.find_bills("kafo"), lambda: payments.find_payments("kafo"),
                              lambda: database.find_services("kafo"), lambda: database.find_equipment("kafo"),
                              lambda: database.find_customers("ad"),
                              lambda: database.find_customers("kafo harbour"),
                              lambda: database.similar_customers("Ada Okafor", None)],
    "customers_email_search": [lambda: database.find_customers("ada@example.org")],
    "customers_account_number_once": [lambda: database.account_holder("k-10030"),
                                      lambda: database.find_customers("K-10030"),
                                      lambda: database.find_customers("MILLER"),
                                      lambda: database.suggest_customers("K-100"),
                                      lambda: database.find_bills("K-10030"),
                                      lambda: database.find_services("K-10030")],
    "services_name_search": [lambda: database.find_services("fibre"), lambda: database.find_services("fibre 100")],
    "equipment_name_search": [lambda: database.find_equipment("router"), lambda: stock.list_of_model("Router")],
    "equipment_moves_equipment_id": [lambda: stock.places(30)],
    "customer_notes_customer_id": [lambda: notes.list_notes(30), lambda: notes.count_notes(30)],
    "customers_closed": [database.list_closed_customers, database.count_closed_customers],
    "equipment_in_stock": [stock.list_stock],
    "billing_description_search": [lambda: database.find_bills("setup")],
    "payments_reference": [lambda: payments.find_payments("TX-1"),
                           lambda: payments.repeats(30, Decimal("29.90"), database.today(), "TX-1")],
    "customers_phone_key": [lambda: database.find_customers("+44 20 7946 0007"),
                            lambda: database.similar_customers("", "+44 20 7946 0007")],
    "customers_phone_reversed": [lambda: database.find_customers("460007"), lambda: payments.find_payments("460007")],
    "locations_address_search": [lambda: database.find_customers("harbour st"),
                                 lambda: database.find_locations("harbour st"),
                                 lambda: database.find_services("harbour st"),
                                 lambda: database.find_equipment("harbour st")],
    "services_location_id": [lambda: reports.get_account(30), lambda: database.location_contents(30)],
    "equipment_location_id": [lambda: reports.get_account(30), lambda: database.location_contents(30)],
    "billing_items_billing_id": [lambda: database.get_bill(30)],
    "service_pauses_service_id": [lambda: database.list_pauses(1)],
    "price_changes_from_day": [lambda: bill_run.preview(database.today().replace(day=1))],
    "billing_items_first_day": [lambda: bill_run.preview(database.today().replace(day=1))],
    "billing_unpaid": [lambda: reports.late_customers(None, 20), reports.late_total, reports.aging,
                       reports.aging_total],
    "billing_period": [lambda: bill_run.preview(database.today().replace(day=1)),
                       lambda: bill_run.preview_undo(database.today().replace(day=1)), bill_run.latest_runs],
    "payments_customer_paid_on": [lambda: payments.list_payments(30), lambda: payments.count_payments(30),
                                  lambda: payments.same_payments(30, Decimal("29.90"), database.today()),
                                  lambda: reports.late_customers(None, 20)],
    "payments_credit": [lambda: payments.credit(30), lambda: reports.get_account(30)],
    "payments_paid_on": [reports.monthly_revenue, lambda: payments.payments_on(database.today()),
                         lambda: reports.payments_received(database.today(), database.today())],
    "billing_last_payment": [lambda: reports.late_total(database.today() - timedelta(days=40)),
                             lambda: reports.late_customers(as_of=database.today() - timedelta(days=40)),
                             lambda: reports.aging(database.today() - timedelta(days=40)),
                             lambda: reports.aging_total(database.today() - timedelta(days=40))],
    "billing_settled": [lambda: reports.aging_total(database.today() - timedelta(days=40))],
    "billing_items_booked": [lambda: reports.aging_total(database.today() - timedelta(days=40))],
    "payment_allocations_released": [lambda: reports.aging_total(database.today() - timedelta(days=40))],
    "payments_voided_on": [reports.monthly_revenue,
                           lambda: reports.payments_received(database.today(), database.today())],
    "payment_allocations_refund": [lambda: payments.get_payment(30)],
    "verifications_pkey": [verify.last],
    "backups_pkey": [backup.last],
    "payments_pkey": [payments.latest_payments, lambda: payments.latest_payments(300)],
    "payment_allocations_payment": [lambda: payments.get_payment(30)],
    "payment_allocations_bill": [lambda: reports.get_account(30),
                                 lambda: bill_run.preview_undo(database.today().replace(day=1))],
    "locations_address_once": [lambda: reports.get_account(30), lambda: database.customer_contents(30)],
    "billing_once_a_period": [lambda: reports.get_account(30)],
    "payments_entry_once": [lambda: payments.find_by_entry_key(uuid.uuid4())],
    "equipment_serial_once": [lambda: database.find_equipment("SN-1001"), lambda: database.find_customers("SN-1001"),
                              lambda: database.serial_holder("S-1")],
    "trail_changed_at": [lambda: trail.count_changes(trail.Wanted(*[database.today() - timedelta(days=60)] * 2))],
    "trail_login": [access.people],
    "trail_deletions": [trail.deletions, lambda: trail.obstacles(trail.deletions()[0])],
    "trail_single_id": [lambda: trail.history_of("customers", 30), lambda: trail.history_of_customer(30),
                        trail.deletions],
    "trail_ids": [lambda: trail.history_of("customers", 30), lambda: trail.count_history_of("customers", 30),
                  lambda: trail.history_of_customer(30), lambda: trail.count_history_of_customer(30), trail.deletions],
    "bank_formats_name_once": [lambda: booking.remember_format("Sparkasse", Format())],
    "bank_lines_open": [booking.count_open, booking.next_open],
    "payments_bank_line": [lambda: booking.count_payments(30)],
    "trail_parent_ids": [lambda: trail.history_of_customer(30), lambda: trail.count_history_of_customer(30)],
}

# What refers to a row that is deleted is looked for by the server itself.
FOR_KEYS = {"customers_merged_into", "billing_late_fee_for", "billing_late_fee_once", "payments_from_bill"}

# What a bank's line is matched by is asked about tables that are there only meanwhile.
FOR_MATCHING = {"customers_account_number_key", "bank_lines_payer_account", "payments_reference"}

# What happened to a provider's records over the years: numbers changed, and services deleted.
PAST = """
    INSERT INTO trail (changed_at, login, person, program, table_name, kind, single_id, ids, parent_ids,
                       row_count, old, new)
    SELECT now() - (%(many)s - n) * interval '7 minutes', 'clerk ' || n %% 1500, 'Ada', 'psql', 'customers', 'changed',
           CASE n %% 3 WHEN 0 THEN n %% 5000 + 1 END, int8multirange(int8range(n %% 5000 + 1, n %% 5000 + 1, '[]')),
           NULL, 1, '{"phone_number": "0201 555001"}'::jsonb, '{"phone_number": "0201 555002"}'::jsonb
    FROM generate_series(1, %(many)s, 2) AS n
    UNION ALL
    SELECT now() - (%(many)s - n) * interval '7 minutes', 'clerk ' || n %% 1500, 'Bo', 'psql', 'services', 'deleted',
           CASE n %% 3 WHEN 0 THEN 1000000 + n END, int8multirange(int8range(1000000 + n, 1000000 + n, '[]')),
           int8multirange(int8range(n %% 5000 + 1, n %% 5000 + 1, '[]')), 1,
           jsonb_build_array(jsonb_build_object('service_id', 1000000 + n, 'location_id', n %% 5000 + 1,
                                                'service_name', 'TV', 'cost', 5)), NULL
    FROM generate_series(2, %(many)s, 2) AS n
    ORDER BY 1
"""

# And what came by the bank, each payment from an account of its own.
BOOKED = """
    INSERT INTO bank_lines (key, booked_on, amount, payer, payer_account, reference, file_name, line)
    SELECT gen_random_uuid(), paid_on, amount, 'Payer ' || payment_id, 'DE' || payment_id, 'Thanks', 'year.csv',
           payment_id
    FROM payments
    WHERE payment_id % 40 = 0;
    UPDATE payments
    SET bank_line_id = bank_lines.bank_line_id
    FROM bank_lines
    WHERE file_name = 'year.csv' AND line = payment_id
"""


@pytest.fixture(scope="module")
def provider_uri(server_uri, admin, template) -> Iterator[str]:
    """A provider: where whole tables may not be read, the plans show which index could serve."""
    name = f"isp_test_{os.getpid()}_indexed"
    admin(f"CREATE DATABASE {name} TEMPLATE {template}")
    database.connect(named(server_uri, name))
    demo.fill(6_000)
    database.disconnect()
    conn = psycopg2.connect(named(server_uri, name))
    conn.autocommit = True
    conn.cursor().execute(PAST, {"many": 30_000})
    conn.cursor().execute("INSERT INTO price_changes (service_id, from_day, cost_before) "
                          "SELECT service_id, CURRENT_DATE + n, cost "
                          "FROM services, generate_series(-1000, 20, 30) AS n ORDER BY n")
    conn.cursor().execute("UPDATE equipment SET location_id = NULL WHERE equipment_id % 10 = 0")
    conn.cursor().execute(BANK)
    conn.cursor().execute(BOOKED)
    conn.cursor().execute("UPDATE customers SET account_number = 'K-' || 10000 + customer_id WHERE customer_id % 2 = 0")
    conn.cursor().execute("VACUUM ANALYZE")
    conn.close()
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def explain(provider_uri, sent) -> Iterator[Callable[..., str]]:
    """Call a function that reads, and return the plans of its statements, were reading whole tables forbidden."""
    conn = psycopg2.connect(provider_uri, options="-c enable_seqscan=off")

    def run(function: Callable[[], object]) -> str:
        plans = []
        with conn.cursor() as cur:
            for statement in sent(function):
                cur.execute(f"EXPLAIN {statement}")
                plans += [line for line, in cur]
        return "\n".join(plans)

    database.connect(provider_uri)
    yield run
    database.disconnect()
    conn.close()


def indexes(sql) -> dict[str, str]:
    """Return the indexes that no rule brings along, each as PostgreSQL writes it out."""
    return {row["name"]: row["definition"] for row in sql(
        r"""
        SELECT relname AS name,
               regexp_replace(regexp_replace(pg_get_indexdef(indexrelid), '.* (?=ON public)', ''),
                              '\s+', ' ', 'g') AS definition
        FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relnamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        """
    )}


def test_the_indexes_are_those_that_were_meant(sql):
    assert indexes(sql) == DEFINITIONS


def test_every_index_has_a_question_that_it_is_for(sql):
    assert set(indexes(sql)) <= set(QUESTIONS) | FOR_KEYS | FOR_MATCHING


def test_every_index_is_in_use(sql):
    assert sql("SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready)") == []


@pytest.mark.parametrize(("index", "nth"), [
    (index, nth) for index, questions in QUESTIONS.items() for nth in range(len(questions))
])
def test_an_index_serves_the_question_that_it_is_for(index, nth, explain):
    plan = explain(QUESTIONS[index][nth])
    assert f" {index} " in f"{plan} ".replace("\n", " "), plan


@pytest.mark.parametrize("index", sorted(FOR_MATCHING))
def test_an_index_serves_the_matching_of_a_bank_s_line(index, provider_uri, monkeypatch):
    match, scans = booking._match, []

    def note(cur):
        match(cur)
        cur.execute("SELECT pg_stat_get_xact_numscans(%(index)s::regclass) AS scans", {"index": index})
        scans.append(cur.row()["scans"])

    monkeypatch.setattr(booking, "_match", note)
    database.connect(provider_uri)
    booking.candidates({**BANK_LINE, "reference": "Kunde K-10030"})
    database.disconnect()
    assert scans > [0]
