"""One way to run one statement: what reads cannot write, what fails is told as what it is, and what counts as saved."""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import psycopg2
import psycopg2.extensions
import pytest

import database
import main
from tracker import bill_run, errors, payments, reports
from tracker.terminal import menus, paying, prompts
from tracker.transfer import columns, importing, source
from tracker.verify import verify_books

ADD = "INSERT INTO customers (name, phone_number) VALUES (%(name)s, '12345') RETURNING customer_id, name"


@pytest.mark.parametrize("ways", ["fetch_one", "fetch_all", "fetch_value"])
def test_what_reads_cannot_write(db, ways):
    with pytest.raises(errors.Forbidden):
        getattr(db, ways)(ADD, name="Ada")
    assert db.list_customers() == []


@pytest.mark.parametrize("lend", ["reading", "streaming"])
def test_a_lent_cursor_that_reads_cannot_write(db, lend):
    with pytest.raises((errors.Forbidden, errors.Refused)), getattr(db, lend)() as cur:
        cur.execute(ADD, {"name": "Ada"})
    assert db.list_customers() == []


def test_a_rehearsal_writes_nothing(db):
    with db.rehearsal() as cur:
        cur.execute(ADD, {"name": "Ada"})
        assert cur.row()["name"] == "Ada"
    assert db.list_customers() == []


def test_one_row_or_none(db):
    assert db.fetch_one("SELECT 1 AS one WHERE %(there)s", there=False) is None
    assert db.fetch_one("SELECT 1 AS one WHERE %(there)s", there=True) == {"one": 1}
    assert db.fetch_value("SELECT %(day)s::date", day="2026-12-15") == date(2026, 12, 15)
    assert db.write_one(ADD, name="Ada") == {"customer_id": 1, "name": "Ada"}
    assert db.write_one("DELETE FROM customers WHERE customer_id = 7 RETURNING customer_id") is None
    assert db.write_value("DELETE FROM customers RETURNING name") == "Ada"


def test_only_what_was_written_counts_as_saved(db, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("name,phone\nAda,12345\n")
    opened = source.open_source(path)
    before = db.saved
    importing.check(opened, columns.match_headers(opened.headers))
    bill_run.preview(date(2026, 12, 1))
    bill_run.preview_undo(date(2026, 12, 1))
    reports.aging_total()
    verify_books()
    assert db.saved == before
    with pytest.raises(errors.NotFound):
        db.update_customer(7, "Ada")
    assert db.saved == before
    db.add_customer("Ada", "12345")
    assert db.saved == before + 1


def test_what_a_reader_set_is_forgotten(uri, monkeypatch):
    monkeypatch.setenv("DB_POOL_SIZE", "1")
    database.connect(uri)
    with database.reading() as cur:
        cur.execute("SET statement_timeout = '77s'; SET TimeZone = 'Asia/Tokyo'")
    assert database.fetch_value("SELECT current_setting('statement_timeout')") == "1min"
    assert database.fetch_value("SELECT current_setting('TimeZone')") != "Asia/Tokyo"
    database.disconnect()


def test_a_database_that_is_set_read_only_takes_no_changes(db, sql, uri):
    sql(f"ALTER DATABASE {psycopg2.extensions.parse_dsn(uri)['dbname']} SET default_transaction_read_only = on")
    db.disconnect()
    db.connect(uri)
    with pytest.raises(errors.Forbidden, match="takes no changes now"):
        db.add_customer("Ada", "12345")


@pytest.mark.parametrize(("name", "said"), [
    ("Ada\0", "Text may not hold NUL."), ("Ada\udcff", "Text may not hold invalid characters."),
])
def test_text_that_no_statement_can_carry_is_refused_as_such(db, name, said):
    with pytest.raises(errors.Conflict) as caught:
        db.add_customer(name, "12345")
    assert str(caught.value) == said


@pytest.mark.parametrize("lend", ["transaction", "rehearsal", "reading"])
def test_a_fault_in_the_callers_block_is_told_as_what_it_is(db, lend):
    with pytest.raises(ValueError, match="a bug"), getattr(db, lend)():
        raise ValueError("a bug")


def test_amounts_from_json_are_decimals_with_two_places(db):
    customer_id = db.add_customer("Ada", "12345")
    db.add_service(db.add_location(customer_id, "1 Quay"), "Fibre", Decimal(20))
    billing_id = db.add_bill(customer_id, "Setup", Decimal(30), db.today()).billing_id
    payment = payments.record_payment(customer_id, Decimal(10), db.today(), "cash", None, uuid4())
    account = reports.get_account(customer_id)
    statement = reports.get_statement(customer_id, db.today(), db.today())
    item, = db.get_bill(billing_id)["items"]
    amounts = [
        item["amount"], payment["bills"][0]["amount"], account["locations"][0]["services"][0]["cost"],
        account["unpaid_bills"][0]["amount_due"], account["unpaid_bills"][0]["payments"][0]["amount"],
        *(entry["amount"] for entry in statement["entries"]), statement["entries"][0]["items"][0]["amount"],
    ]
    assert " ".join(map(str, amounts)) == "30.00 10.00 20.00 20.00 10.00 30.00 -10.00 30.00"
    assert {type(amount) for amount in amounts} == {Decimal}


def test_each_kind_of_error_has_its_exit_code_and_its_http_status():
    kinds = {
        name: (kind.exit_code, kind.http_status)
        for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Error)
    }
    assert kinds == {
        "Error": (1, 400), "NotFound": (1, 404), "Conflict": (1, 409), "Changed": (1, 409),
        "Forbidden": (1, 403), "Busy": (1, 503),
        "Deadlock": (1, 503), "Unavailable": (2, 503), "ConnectionLost": (2, 503), "NoAnswer": (2, 503),
        "ServerError": (2, 503),
        "OutcomeUnknown": (1, 503), "Refused": (1, 500), "BadFile": (1, 400), "UnclearDelimiter": (1, 400),
        "BadEncoding": (1, 400), "UnclearEncoding": (1, 400), "NoHeader": (1, 400),
        "UnclearMapping": (1, 400), "UnclearAmounts": (1, 400), "UnclearDays": (1, 400),
        "UnclearWords": (1, 400), "UnclearPrices": (1, 400), "UnclearDates": (1, 400), "UnclearDecimals": (1, 400),
        "FileExists": (1, 409),
        "SignInRefused": (1, 401), "NotToBeSeen": (2, 403),
    }


def test_a_new_bill_says_all_that_credit_paid_of_it(db):
    customer_id = db.add_customer("Ada", "12345")
    for amount in ("3", "10", "15"):
        payments.record_payment(customer_id, Decimal(amount), db.today(), "cash", None, uuid4())
    assert db.add_bill(customer_id, "Small", Decimal(3), db.today()).from_credit == Decimal(3)
    assert db.add_bill(customer_id, "Setup", Decimal(60), db.today()).from_credit == Decimal(25)
    assert db.add_bill(customer_id, "Visit", Decimal(60), db.today()).from_credit == 0


class SlowClock:
    """A clock by which each look-up takes seven seconds, as one does that waits for a server out of reach."""

    def __init__(self) -> None:
        self.now, self.tries = 0.0, 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 7
        self.tries += 1


def test_a_lost_reply_is_looked_up_for_a_minute_however_long_each_try_takes(db, monkeypatch):
    clock = SlowClock()
    monkeypatch.setattr(paying, "time", clock)
    db.disconnect()
    with pytest.raises(errors.Unavailable, match="whether this was saved is unknown: look at View payments"):
        paying.look_up_saved_payment(uuid4())
    assert clock.tries == 9


def test_each_rule_of_the_database_that_is_broken_without_a_sentence_of_its_own_has_one(db, sql):
    sql("ALTER TABLE customers ADD CONSTRAINT customers_not_ada CHECK (name <> 'Ada')")
    with pytest.raises(errors.Conflict, match="A rule of the database forbids that"):
        db.add_customer("Ada", "12345")
    with pytest.raises(psycopg2.Error):
        sql("INSERT INTO customers (name, phone_number) VALUES ('Ada', '12345')")


def test_a_payment_that_others_hold_up_is_looked_up_until_there_is_an_answer(db, sql, monkeypatch, uri):
    monkeypatch.setenv("DB_LOCK_TIMEOUT", "1")
    db.disconnect()
    db.connect(uri)
    customer_id, key = db.add_customer("Ada", "12345"), uuid4()
    payments.record_payment(customer_id, Decimal(5), db.today(), "cash", None, key)
    holder = psycopg2.connect(uri)
    holder.cursor().execute("LOCK TABLE payments")
    monkeypatch.setattr(paying.time, "sleep", lambda seconds: holder.rollback())
    assert paying.look_up_saved_payment(key)["amount"] == 5
    holder.close()


def test_an_error_after_something_was_saved_says_so(db, capsys, monkeypatch):
    monkeypatch.setattr(prompts, "attended", lambda: True)

    def action() -> None:
        db.add_customer("Ada", "12345")
        db.get_customer(7)

    menus.run_action("An action", action)
    assert capsys.readouterr().err == "There is no customer 7. What was saved before that stays.\n"


def test_stopping_after_a_lost_reply_does_not_say_that_nothing_changed(db, capsys, monkeypatch):
    def action() -> None:
        monkeypatch.setattr(database, "unknown", database.unknown + 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(prompts, "attended", lambda: True)
    menus.run_action("An action", action)
    assert capsys.readouterr().out.endswith(
        "Stopped; whether that was saved is not known: look before you enter it again.\n")
    main.say_fault(KeyError, KeyError("x"), None)
    assert "Whether something was saved is not known" in capsys.readouterr().err
