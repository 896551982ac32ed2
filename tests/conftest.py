"""A real PostgreSQL for every test: the embedded one, or TEST_DATABASE_URI, in databases that are dropped again."""
from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pexpect
import psutil
import psycopg2
import psycopg2.extensions
import pytest

import database

# How long an example takes is no matter: a machine may have much to do.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")
PROJECT = Path(__file__).parents[1]
numbers = itertools.count(1)
# Where the program writes its log, in this process and in those that it starts: not into the user's own folder.
os.environ["ISP_DATA_DIR"] = tempfile.mkdtemp(prefix="isp-tests-data-")
atexit.register(shutil.rmtree, os.environ["ISP_DATA_DIR"])
# The program is started some thousand times: half of each start would be the compiling of its modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What is started in the background ignores Ctrl-C, and so would the programs that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A question that waits: each is announced by the mark of pastes, which an echoed answer is not. What is typed before,
# the terminal's own line discipline takes.
PROMPT = r"\?2004h[^\r\n]*: [^\r\n]*$"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-screens", action="store_true", help="write what the screens show now to tests/screens")


def named(uri: str, dbname: str) -> str:
    """Return the URI's server with another database, as a libpq connection string."""
    return psycopg2.extensions.make_dsn(uri, dbname=dbname)


HOLDER = """
import sys
from pathlib import Path
from tracker import embedded
uri = embedded.start(Path(sys.argv[1]), ["fsync=off", "full_page_writes=off", "max_connections=200"])
print(uri.partition("&options=")[0], flush=True)  # without the time zone, which tests set on databases
sys.stdin.read()
"""


def in_memory() -> str | None:
    """Return a folder in memory where the machine has one with room: databases are made ten times as fast there."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30 else None


@pytest.fixture(scope="session")
def server_uri() -> Iterator[str]:
    """A server for the whole run, quick because it need not survive a power cut."""
    if uri := os.environ.get("TEST_DATABASE_URI"):
        yield uri
        return
    folder = Path(tempfile.mkdtemp(prefix="isp-tests-", dir=in_memory()))
    folder.chmod(0o755)
    # A program of its own holds the server, so that tests may start and stop others.
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=PROJECT, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield holder.stdout.readline().strip()
    holder.communicate()
    wait_for(lambda: not list(folder.glob("*/postmaster.pid")))
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def admin(server_uri: str) -> Iterator[Callable[[str], None]]:
    """Run a statement such as CREATE DATABASE."""
    conn = psycopg2.connect(named(server_uri, "postgres"))
    conn.autocommit = True
    yield conn.cursor().execute
    conn.close()


@pytest.fixture(scope="session")
def template(server_uri: str, admin: Callable[[str], None]) -> Iterator[str]:
    """A database that holds the schema and nothing else."""
    name = f"isp_test_{os.getpid()}_template"
    admin(f"CREATE DATABASE {name}")
    database.connect(named(server_uri, name))
    database.disconnect()
    yield name
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def uri(server_uri: str, admin: Callable[[str], None], template: str) -> Iterator[str]:
    """A fresh database with the schema in it."""
    name = f"isp_test_{os.getpid()}_{next(numbers)}"
    quickly = "" if admin.__self__.connection.server_version < 150000 else "STRATEGY file_copy"
    admin(f"CREATE DATABASE {name} TEMPLATE {template} {quickly}")
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_uri(server_uri: str, admin: Callable[[str], None]) -> Iterator[str]:
    """A fresh database with nothing in it."""
    name = f"isp_test_{os.getpid()}_{next(numbers)}"
    admin(f"CREATE DATABASE {name}")
    yield named(server_uri, name)
    admin(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(uri: str) -> Iterator[Any]:
    """The database module, open on a fresh database."""
    database.connect(uri)
    yield database
    database.disconnect()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Call a function and return the statements that it sends, with their values, but for settings."""
    def run(function: Callable[..., object], *arguments: Any) -> list[str]:
        statements: list[str] = []
        execute = psycopg2.extras.RealDictCursor.execute

        def note(cur: psycopg2.extras.RealDictCursor, query: Any, values: Any = None) -> None:
            statements.append(cur.mogrify(query, values).decode())
            execute(cur, query, values)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg2.extras.RealDictCursor, "execute", note)
            function(*arguments)
        return [statement for statement in statements if not statement.lstrip().startswith("SET ")]

    return run


@pytest.fixture
def sql(uri: str) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Run SQL beside the program, as an administrator in psql would; each call commits."""
    conn = psycopg2.connect(uri, cursor_factory=psycopg2.extras.RealDictCursor)
    conn.autocommit = True

    def run(statement: str, *values: Any) -> list[dict[str, Any]]:
        with conn.cursor() as cur:
            cur.execute(statement, values or None)
            return cur.fetchall() if cur.description else []

    yield run
    conn.close()


def there_since(day: str = "2020-01-01") -> None:
    """Let all customers have been there since a day: a bill run of a month is for those who were there by its end."""
    with database.transaction() as cur:
        cur.execute("UPDATE customers SET created_at = %(day)s", {"day": day})


def delete_with_money(customer_id: int) -> None:
    """Delete a customer with bills and payments in one transaction, as programs did before version 8."""
    with database.transaction() as cur:
        for table in ("payments", "billing", "customers"):
            cur.execute(f"DELETE FROM {table} WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})


# How a row is changed and changed back, so that it takes a new place.
ANEW = {
    "customers": ("customer_id", "phone_number = phone_number || '1'", "phone_number = left(phone_number, -1)"),
    "locations": ("location_id", "address = address || 'x'", "address = left(address, -1)"),
    "services": ("service_id", "location_id = location_id + 1", "location_id = location_id - 1"),
    "equipment": ("equipment_id", "location_id = location_id + 1", "location_id = location_id - 1"),
    "billing": ("billing_id", "due_date = due_date + 1", "due_date = due_date - 1"),
    "billing_items": ("billing_item_id", "amount = amount + 1", "amount = amount - 1"),
    "payments": ("payment_id", "paid_on = paid_on + 1", "paid_on = paid_on - 1"),
}


@pytest.fixture
def rewritten(uri: str, sql: Callable[..., list[dict[str, Any]]]) -> Callable[..., None]:
    """Write rows of a table anew: they are the same, and come last where nothing puts rows in order.

    No index does that by the way from then on.
    """
    def rewrite(table: str, *ids: int) -> None:
        key, there, back = ANEW[table]
        for row_id in ids:
            for change in (there, back):
                sql(f"UPDATE {table} SET {change} WHERE {key} = %s", row_id)
        database.disconnect()
        database.connect(psycopg2.extensions.make_dsn(
            uri, options="-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off"))

    return rewrite


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what the condition gives as soon as it is true."""
    patient_until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < patient_until, "waited in vain"
        time.sleep(0.01)
    return found


def processes_of(postmaster: int) -> list[psutil.Process]:
    """Return the processes that a server's postmaster has started; one that ends meanwhile is left out."""
    return [process for process in psutil.process_iter(["ppid", "cmdline"]) if process.info["ppid"] == postmaster]


def title(process: psutil.Process) -> str:
    """Return what a process of `processes_of` says that it is."""
    return " ".join(process.info["cmdline"] or ())


def kill_server(postmaster: int) -> None:
    """Kill a server and all its processes, as a power cut would."""
    os.kill(postmaster, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(postmaster).status() == psutil.STATUS_STOPPED)  # it starts none, and none is gone
    family = [*processes_of(postmaster), psutil.Process(postmaster)]
    for process in family:
        process.kill()
    wait_for(lambda: all(has_ended(process.pid) for process in family))


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, whether or not somebody has asked how."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


def lines(*answers: str) -> str:
    """Return answers as they are typed, each with its Enter."""
    return "".join(f"{answer}\n" for answer in answers)


def sentence(output: str) -> str:
    """Return the one line that there is."""
    line, = output.splitlines()
    return line


def environment(uri: str, **more: str) -> dict[str, str]:
    """Return the program's environment: this one, with the database, without the settings of whoever runs the tests."""
    settings = ("DATABASE_URI", "REPORTS_", "TIMEZONE", "DB_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return {**kept, "DATABASE_URI": uri, **more}


def changed(lines_of_its_own: str) -> str:
    """Return a program that runs main.py after some lines of its own, which change what a test cannot wait for."""
    return f"import sys\nsys.path.insert(0, {str(PROJECT)!r})\nimport main\n{lines_of_its_own}\nmain.start()"


# The program on its own server says nothing of how long that takes to start or stop on a busy machine.
UNHURRIED = changed("from tracker import embedded\nembedded.NOTE_AFTER = 600")


def run_program(uri: str, *arguments: str, answers: str | bytes = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run main.py with arguments and piped answers, on its own server where uri is empty; its output as text."""
    typed = answers.encode() if isinstance(answers, str) else answers
    done = subprocess.run(
        [sys.executable, *([str(PROJECT / "main.py")] if uri else ["-c", UNHURRIED]), *arguments],
        input=typed, capture_output=True, env=environment(uri, **env), timeout=180, check=False,
    )
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


@pytest.fixture
def run(uri: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run main.py on the test's database."""
    return functools.partial(run_program, uri)


@pytest.fixture
def terminal(uri: str) -> Iterator[Callable[..., pexpect.spawn]]:
    """Start main.py on a pseudo-terminal of 24 lines; before is Python that runs before it."""
    children: list[pexpect.spawn] = []

    def start(*arguments: str, columns: int = 80, before: str = "", **env: str) -> pexpect.spawn:
        program = ["-c", changed(before)] if before else [str(PROJECT / "main.py")]
        child = pexpect.spawn(
            sys.executable, [*program, *arguments], env=environment(uri, **{"TERM": "xterm", **env}),
            dimensions=(24, columns), encoding="utf-8", codec_errors="replace", timeout=60,
        )
        child.delaybeforesend = None
        child.delayafterclose = 0
        children.append(child)
        return child

    yield start
    for child in children:
        if child.isalive():
            child.kill(signal.SIGHUP)  # as a terminal that is closed does: killed, it would not say what it covered
            with contextlib.suppress(AssertionError):
                wait_for(lambda child=child: not child.isalive(), 20)
        if child.isalive():
            child.kill(signal.SIGKILL)
            wait_for(lambda child=child: not child.isalive())
        child.close()


@pytest.fixture(scope="module")
def served(place: Any) -> Iterator[Any]:
    """The page of the books that a module has as its fixture place."""
    from pages import site
    with site(place.uri) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, in which a module looks at the page."""
    from browser import chromium
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def desk(served: Any, browser: Any) -> Any:
    """What sits people down at a browser on that page."""
    from browser import open_site
    return open_site(served, browser)


@pytest.fixture
def ann(desk: Any) -> Iterator[Any]:
    """Somebody who looks, at a desk."""
    with desk("ann") as screen:
        yield screen


@pytest.fixture
def bob(desk: Any) -> Iterator[Any]:
    """Somebody who may change things, at a desk."""
    with desk("bob") as screen:
        yield screen
