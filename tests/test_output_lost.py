"""What is printed and does not arrive: a full disk, a closed stream, a reader that leaves; and a server that dies."""
from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from conftest import PROJECT, environment, lines, sentence, wait_for

pytestmark = pytest.mark.slow

FULL = "Standard output could not be written: No space left on device."
CLOSED = "Standard output could not be written: it is closed."
COPYING = """
    SELECT pid
    FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'COPY%%' AND pid <> pg_backend_pid()
"""
LOST = "The connection to the database was lost; {}. Try again."
PRINTS = [
    ["late-report"], ["late-report", "--format", "json"], ["account-report"], ["account-report", "--format", "csv"],
    ["account-report", "--format", "json"], ["aging-report"], ["revenue-report"], ["payments-received"],
    ["find", "1"], ["verify"],
    ["statement", "1", "--from", "2026-01-01"], ["export", "accounts"], ["export", "bills"], ["export", "late"],
    ["bill", "--period", "2026-12", "--dry-run"], ["--help"], ["--version"],
]

# Where a signal comes when Python has looked for signals, and the system does not wait for a key yet: it is as if
# another thread had got it.
BETWEEN = """
import os, signal, sys, threading
from pathlib import Path
from tracker import interrupts

def send(main):
    while Path(f"/proc/self/task/{main}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        pass
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))

interrupts.install()
try:
    threading.Thread(target=send, args=(threading.get_native_id(),), daemon=True).start()
    os.read(0, 1)
except BaseException as exc:
    print(repr(exc))
"""


@pytest.fixture
def customers(sql):
    """Customers whose export fills any pipe."""
    sql("INSERT INTO customers (name, phone_number) "
        "SELECT 'customer ' || i, 1000 + i FROM generate_series(1, 9000) AS i")
    sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
        "SELECT customer_id, 'Setup', 5, '2020-01-01', '2020-02-01' FROM customers")


def shell(uri, redirection, *arguments, unbuffered=""):
    command = ["sh", "-c", f'exec "$0" "$@" {redirection}', sys.executable, PROJECT / "main.py", *arguments]
    return subprocess.run(command, env=environment(uri, PYTHONUNBUFFERED=unbuffered), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("much", [False, True])
@pytest.mark.parametrize("arguments", PRINTS, ids=" ".join)
def test_a_full_standard_output_is_one_sentence(arguments, much, uri, request, db):
    db.add_customer("Ada Okafor", "123")
    if much:
        request.getfixturevalue("customers")
    done = shell(uri, ">/dev/full", *arguments)
    assert (done.stderr, done.returncode) == (f"{FULL}\n", 1)


def test_a_full_standard_output_that_python_does_not_buffer_is_one_sentence(uri):
    done = shell(uri, ">/dev/full", "late-report", unbuffered="1")
    assert (done.stderr, done.returncode) == (f"{FULL}\n", 1)


@pytest.mark.parametrize("arguments", PRINTS, ids=" ".join)
def test_a_closed_standard_output_is_one_sentence(arguments, uri, db):
    db.add_customer("Ada Okafor", "123")
    done = shell(uri, ">&-", *arguments)
    assert (done.stderr, done.returncode) == (f"{CLOSED}\n", 1)


def test_a_menu_on_a_full_standard_output_is_one_sentence(uri):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, PROJECT / "main.py"], env=environment(uri), input="1\n2\n\n0\n0\n",
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=180, check=False)
    assert (done.stderr, done.returncode) == (f"{FULL}\n", 1)


def test_what_was_saved_stays_when_it_cannot_be_shown(uri, db, sql):
    db.add_service(db.add_location(db.add_customer("Ada Okafor", "123"), "1 Quay"), "Fibre", 50)
    done = shell(uri, ">/dev/full", "bill", "--period", "2026-12", "--yes")
    assert (done.stderr, done.returncode) == (f"{FULL} What was saved stays.\n", 1)
    assert len(sql("SELECT billing_id FROM billing")) == 1


@pytest.mark.parametrize("redirection", ["0>/dev/null", "0<&-"], ids=["under nohup", "closed"])
def test_a_question_that_nobody_can_answer_is_cancelled(redirection, uri, db, sql):
    db.add_service(db.add_location(db.add_customer("Ada Okafor", "123"), "1 Quay"), "Fibre", 50)
    done = shell(uri, redirection, "bill", "--period", "2026-12")
    assert (done.stderr, done.returncode) == ("Cancelled, nothing changed.\n", 1)
    assert sql("SELECT billing_id FROM billing") == []


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_complaints_that_nobody_can_hear_change_no_exit_code(redirection, uri):
    assert shell(uri, redirection, "statement", "7", "--from", "2026-01-01").returncode == 1
    done = shell(uri, redirection, "late-report")
    assert (done.stdout, done.returncode) == ("Nobody is late.\n", 0)


@pytest.mark.parametrize("arguments", PRINTS, ids=" ".join)
def test_a_reader_that_leaves_is_no_fault(arguments, uri, customers):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        done = subprocess.run([sys.executable, PROJECT / "main.py", *arguments], env=environment(uri), stdout=pipe,
                              stderr=subprocess.PIPE, timeout=180, check=False)
    assert (done.stderr, done.returncode) == (b"", 1)


def kill_while_copying(sql, way):
    backend, = wait_for(lambda: sql(COPYING))
    if way == "kill":
        os.kill(backend["pid"], signal.SIGKILL)
    else:
        sql("SELECT pg_terminate_backend(%s, 10000)", backend["pid"])


def test_a_server_that_dies_during_an_exports_copy_is_one_sentence(uri, customers, sql):
    child = subprocess.Popen([sys.executable, PROJECT / "main.py", "export", "accounts"], env=environment(uri),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kill_while_copying(sql, "terminate")
    _, complaints = child.communicate(timeout=90)
    assert (sentence(complaints), child.returncode) == (LOST.format("not everything was read"), 2)


def test_a_server_that_dies_during_an_imports_copy_is_one_sentence(uri, sql, tmp_path):
    pipe = tmp_path / "in.csv"
    pipe.write_text("name,phone\n" + "".join(f"customer {n},{n + 1000}\n" for n in range(200_000)))
    child = subprocess.Popen([sys.executable, PROJECT / "main.py", "import", pipe, "--yes"], env=environment(uri),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(4):  # as often as it tries
        kill_while_copying(sql, "terminate")
    _, complaints = child.communicate(timeout=90)
    assert (sentence(complaints), child.returncode) == (LOST.format("nothing was written"), 2)
    assert sql("SELECT customer_id FROM customers") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_at_a_prompt_is_one_sentence(number, uri):
    child = subprocess.Popen([sys.executable, PROJECT / "main.py"], env=environment(uri), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdin.write(lines("1", "1", "Ada", "123"))
    child.stdin.flush()
    while "Added customer" not in child.stdout.readline():
        pass
    child.send_signal(number)
    _, complaints = child.communicate(timeout=90)
    assert (complaints, child.returncode) == ("Stopped; what was saved before that stays.\n", 128 + number)


@pytest.mark.parametrize(("number", "raised"), [
    (signal.SIGINT, "KeyboardInterrupt()"), (signal.SIGTERM, "SystemExit(143)"), (signal.SIGHUP, "SystemExit(129)"),
])
def test_a_signal_that_comes_just_before_a_key_is_waited_for_ends_the_wait(number, raised):
    with subprocess.Popen([sys.executable, "-c", BETWEEN, str(int(number))], cwd=PROJECT, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        wait_for(lambda: child.poll() is not None)  # before its input ends
        assert child.stdout.read() == f"{raised}\n"


@pytest.mark.parametrize("arguments", [["export", "accounts"], ["account-report", "--format", "csv"]])
def test_a_signal_to_end_reaches_a_program_whose_reader_does_not_read(arguments, uri, customers):
    child = subprocess.Popen([sys.executable, PROJECT / "main.py", *arguments], env=environment(uri),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.read(1)
    child.terminate()
    assert child.wait(90) == 128 + signal.SIGTERM
    child.communicate()
