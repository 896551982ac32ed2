"""The command that records a payment: as the form does, asking nothing; what that would ask about is refused."""
from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest
from conftest import PROJECT, environment, lines

import database
from tracker import accounts, payments

RECORDED = """
    SELECT customer_id, kind, amount, paid_on, method, reference,
           ARRAY(SELECT billing_id
                 FROM payment_allocations AS allocation
                 WHERE allocation.payment_id = payments.payment_id
                 ORDER BY billing_id) AS bills
    FROM payments
    ORDER BY payment_id
"""


def ago(days):
    return database.today() - timedelta(days=days)


@pytest.fixture
def ada(db):
    """A customer who owes 75.00 and, due later, 49.90."""
    customer_id = db.add_customer("Ada Okafor", "+44 20 7946 0958")
    db.add_bill(customer_id, "Installation", Decimal(75), ago(14))
    db.add_bill(customer_id, "November", Decimal("49.90"), ago(-10))
    return customer_id


@pytest.fixture
def bob(ada, db):
    """A customer whose account number is the ID of another."""
    customer_id = db.add_customer("Bob Miller", None)
    database.update_customer(customer_id, account_number="1")
    return customer_id


PAID = """\
Recorded payment 1, 100.00 on {}, of Ada Okafor.
  Bill 1  Installation                                                    75.00
  Bill 2  November                                                        25.00
"""


@pytest.mark.parametrize("customer", ["1", "C1", "c 001"])
def test_a_payment_is_recorded_and_said_as_the_form_does(ada, run, sql, customer):
    done = run("pay", customer, "100", "--date", "yesterday", "--method", "direct debit", "--reference", " R-1 ")
    assert (done.returncode, done.stdout, done.stderr) == (0, PAID.format(ago(1)), "")
    recorded = sql(RECORDED)
    assert recorded == [{"customer_id": 1, "kind": "payment", "amount": 100, "paid_on": ago(1),
                         "method": "direct debit", "reference": "R-1", "bills": [1, 2]}]
    payments.void_payment(1, "to enter it again")
    form = run(answers=lines("5", "6", "1", "100", "yesterday", "4", "R-1", "", "0", "0"))
    assert PAID.format(ago(1)).replace("payment 1", "payment 2") in form.stdout
    assert sql(RECORDED)[1:] == recorded


def test_unless_said_it_is_a_transfer_of_today_without_a_reference(ada, run, sql):
    done = run("pay", "1", "130.4")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"""\
Recorded payment 1, 130.40 on {ago(0)}, of Ada Okafor.
  Bill 1  Installation                                                    75.00
  Bill 2  November                                                        49.90
  Credit                                                                   5.50
""", "")
    paid, = sql("SELECT paid_on, method, reference FROM payments")
    assert paid == {"paid_on": ago(0), "method": "transfer", "reference": None}


def test_an_account_number_names_who_pays(ada, run, sql):
    database.update_customer(ada, account_number="K-1007")
    done = run("pay", "k-1007", "100", "--date", "yesterday")
    assert (done.returncode, done.stdout, done.stderr) == (0, PAID.format(ago(1)), "")


def test_an_id_that_is_another_s_account_number_pays_for_nobody(bob, run, sql):
    done = run("pay", "1", "5", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "1 is customer 1, and the account number of customer 2; write C1 or C2.\n"
    assert run("pay", f"C{bob}", "5", "--yes").returncode == 0
    assert sql("SELECT customer_id FROM payments") == [{"customer_id": bob}]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "code", "said"), [
    (("2", "5"), 1, "There is no customer 2."),
    (("C2", "5"), 1, "There is no customer C2."),
    (("ada", "5"), 1, "There is no customer ada."),
    (("0", "5"), 1, "There is no customer 0."),
    (("9" * 30, "5"), 1, f"There is no customer {'9' * 30}."),
    (("1\x1b[2J", "5"), 1, "There is no customer 1\ufffd[2J."),
    (("1", "5", "--date", "tomorrow"), 1, "Enter a past day with --date; {ahead} is still to come."),
    (("1", "0"), 2, "argument AMOUNT: Enter an amount above 0, such as 49.90."),
    (("1", "-5"), 2, "argument AMOUNT: Enter an amount such as 49.90: at most ten digits, and two decimals after a "
                     "point."),
    (("1", "0.005"), 2, "argument AMOUNT: Enter an amount such as 49.90: at most ten digits, and two decimals after a "
                        "point."),
    (("1", "5", "--date", "2026-02-30"), 2, "argument --date: 2026 is no leap year: February has 28 days."),
    (("1", "5", "--method", "barter"), 2,
     "argument --method: Enter 1 cash, 2 card, 3 transfer, 4 direct debit, 5 cheque, 6 other."),
    (("1", "5", "--reference", " "), 2, "argument --reference: Enter 1 to 100 characters; that was nothing."),
    (("1", "5", "--reference", "x" * 101), 2, "argument --reference: Enter 1 to 100 characters; that was 101."),
    (("1",), 2, "the following arguments are required: AMOUNT"),
])
def test_what_cannot_be_paid_is_refused_in_a_sentence_also_with_yes(ada, run, sql, arguments, code, said):
    for more in ((), ("--yes",)):
        done = run("pay", *arguments, *more)
        assert (done.returncode, done.stdout) == (code, "")
        last = done.stderr.splitlines()[-1]
        assert last.removeprefix("main.py pay: error: ") == said.replace("{ahead}", str(ago(-1)))
        assert code == 2 or done.stderr == f"{last}\n"
    assert sql("SELECT 1 FROM payments") == []


DOUBTS = [
    (("10", "--date", "-3"),
     "A payment of this amount on this day is recorded already: payment 1, 10.00 on {0}, cash, of Ada Okafor."),
    (("7", "--reference", "r 1"), "Reference r 1 is recorded already: payment 1, 10.00 on {0}, cash, of Ada Okafor."),
    (("10", "--date", "-3", "--reference", "R-2"),
     "A payment of this amount on this day is recorded already: payment 1, 10.00 on {0}, cash, of Ada Okafor. "
     "Reference R-2 is recorded already: payment 2, 1.00 on {0}, cash, of Bo Li."),
    (("1149",), "1149.00 is ten times what is owed or more; what is left will be credit."),
    (("5", "--date", "-365"), "{1} is a year ago or more."),
]


@pytest.mark.parametrize(("arguments", "doubt"), DOUBTS)
def test_what_the_form_would_ask_about_is_refused_and_recorded_with_yes(ada, run, sql, arguments, doubt):
    database.add_customer("Bo Li", None)
    run("pay", "1", "10", "--date", "-3", "--method", "cash", "--reference", "R 1")
    run("pay", "2", "1", "--date", "-3", "--method", "cash", "--reference", "R-2")
    refused = run("pay", "1", *arguments, answers="yes\nyes\n")
    said = doubt.format(ago(3), ago(365))
    assert (refused.returncode, refused.stdout, refused.stderr) == (
        1, "", f"{said} Give --yes to record it all the same.\n")
    assert len(sql("SELECT 1 FROM payments")) == 2
    done = run("pay", "1", *arguments, "--yes")
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (
        0, f"Recorded payment 3, {Decimal(arguments[0]):.2f} on "
           f"{ago(-int(arguments[2])) if '--date' in arguments else ago(0)}, of Ada Okafor.", "")


def test_a_script_that_runs_again_does_not_pay_again(ada, run, sql):
    assert [run("pay", "1", "75").returncode for _ in range(3)] == [0, 1, 1]
    assert len(sql("SELECT 1 FROM payments")) == 1


def test_the_lines_of_a_script_s_input_are_left_to_it(ada, uri, tmp_path):
    """A loop over a file reads one line at a time; a command that asked would answer itself with the next."""
    (tmp_path / "list").write_text("1 5\n1 5\n1 6\n")
    loop = f"while read id amount; do {sys.executable} {PROJECT}/main.py pay $id $amount; done < {tmp_path}/list"
    done = subprocess.run(["sh", "-c", loop], capture_output=True, text=True, env=environment(uri), check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith("Recorded")] == [
        f"Recorded payment {number}, {amount}.00 on {ago(0)}, of Ada Okafor." for number, amount in ((1, 5), (2, 6))]
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_account_can_pay(ada, run):
    accounts.close(1, ago(0), to_stock=True)
    assert run("pay", "1", "75").stdout.startswith("Recorded payment 1, 75.00 ")


def test_who_was_merged_pays_for_the_one_who_stays(ada, run, sql):
    database.add_customer("Ada M. Okafor", None)
    accounts.merge(1, 2)
    done = run("pay", "C2", "75")
    assert (done.returncode, done.stderr) == (0, "Customer 2 was merged into customer 1.\n")
    assert done.stdout.startswith(f"Recorded payment 1, 75.00 on {ago(0)}, of Ada Okafor.\n")
    assert sql("SELECT customer_id FROM payments") == [{"customer_id": 1}]
