"""The embedded database when its server, its disk, its folder or the environment is not as it should be."""
from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
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
import psycopg2.extensions
import pytest
import test_embedded
from conftest import PROJECT, UNHURRIED, environment, wait_for
from test_embedded import (
    ROOT,
    SETTINGS,
    children,
    cluster_of,
    is_running,
    kill_server,
    note_a_row,
    ps,
    query,
    server_pid,
)

from tracker import embedded, errors, settings

pytestmark = pytest.mark.slow
empty, made, folder, run = test_embedded.empty, test_embedded.made, test_embedded.folder, test_embedded.run


@pytest.fixture
def impatient(monkeypatch):
    """Let waits in which nothing moves end soon."""
    monkeypatch.setattr(embedded, "PATIENCE", 3.0)  # a server that starts on a busy machine may not seem to move
    monkeypatch.setattr(embedded, "RECOVERY_PATIENCE", 0.5)
    monkeypatch.setattr(embedded, "ANSWER_PATIENCE", 0.2)
    monkeypatch.setattr(embedded, "STOP_PATIENCE", dict.fromkeys(embedded.STOP_PATIENCE, 3.0))


def crash_a_backend(uri: str) -> None:
    """Kill the server's process for a session, as the kernel does when memory runs out."""
    conn = psycopg2.connect(uri)
    os.kill(conn.info.backend_pid, signal.SIGKILL)
    conn.close()


def log_of(folder: Path) -> str:
    return (folder / "server.log").read_text()


def make_stuck(folder: Path) -> int:
    """Ask a server to stop while it recovers from a crash, as program 1.0.0 did; return its process, which stays."""
    for _ in range(20):
        uri, pid = embedded.start(folder, SETTINGS), server_pid(folder)
        before = log_of(folder).count("reinitializing")
        crash_a_backend(uri)
        wait_for(lambda before=before: log_of(folder).count("reinitializing") > before)
        os.kill(pid, signal.SIGINT)
        with contextlib.suppress(AssertionError):
            wait_for(lambda pid=pid: not is_running(pid), 1.5)
            continue
        return pid
    raise AssertionError("the server stopped each time")


def test_the_last_program_out_stops_a_server_that_recovers_from_a_crash(folder, run):
    program = run(folder)
    note_a_row(program.uri())
    uri, pid = embedded_uri(folder), server_pid(folder)
    crash_a_backend(uri)
    wait_for(lambda: "was terminated by signal 9" in log_of(folder))
    program.leave()
    wait_for(lambda: not is_running(pid))
    assert "immediate shutdown request" not in log_of(folder)
    assert query(run(folder).uri(), "SELECT word FROM noted") == "kept"


def embedded_uri(folder: Path) -> str:
    return f"postgresql://postgres@/isp_customer_tracker?host={embedded._sockets(cluster_of(folder))}"


def test_a_server_that_is_stuck_in_its_stop_is_ended_and_started_anew_by_the_next_start(folder, impatient):
    note_a_row(embedded.start(folder, SETTINGS))
    stuck = make_stuck(folder)
    assert query(embedded.start(folder, SETTINGS), "SELECT word FROM noted") == "kept"
    wait_for(lambda: not is_running(stuck))
    assert server_pid(folder) != stuck


def test_a_server_that_is_stuck_in_its_stop_is_ended_by_the_last_program_out(folder, impatient):
    note_a_row(embedded.start(folder, SETTINGS))
    stuck = make_stuck(folder)
    embedded.stop()
    wait_for(lambda: not is_running(stuck))
    assert query(embedded.start(folder, SETTINGS), "SELECT word FROM noted") == "kept"


@pytest.mark.parametrize("stopped", ["postmaster", "children"])
def test_a_server_that_was_suspended_goes_on_when_a_program_starts_or_leaves(folder, run, impatient, stopped):
    first = run(folder)
    note_a_row(first.uri())
    pid = server_pid(folder)
    suspend(pid, stopped)
    assert query(embedded.start(folder, SETTINGS), "SELECT word FROM noted") == "kept"
    assert server_pid(folder) == pid
    suspend(pid, stopped)
    first.leave()
    embedded.stop()
    wait_for(lambda: not is_running(pid))


def suspend(pid: int, who: str) -> None:
    named = "" if who == "children" else who
    for victim in [pid] if who == "postmaster" else [child for child in children(pid) if named in ps("args", child)]:
        with contextlib.suppress(ProcessLookupError):  # that of a session that has ended may end meanwhile
            os.kill(victim, signal.SIGSTOP)


@pytest.fixture
def crashed(folder, run):
    """A data folder whose server was killed with a row in it."""
    program = run(folder)
    note_a_row(program.uri())
    kill_server(folder)
    program.kill()
    return folder


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff garbage", b"7\n/da"])
def test_a_damaged_postmaster_pid_does_not_keep_the_next_start_from_recovering(crashed, content):
    (cluster_of(crashed) / "postmaster.pid").write_bytes(content)
    assert query(embedded.start(crashed, SETTINGS), "SELECT word FROM noted") == "kept"


def test_a_damaged_postmaster_pid_brings_no_second_server_beside_what_is_left_of_the_first(
        folder, run, impatient, monkeypatch):
    first = run(folder)
    note_a_row(first.uri())
    left = children(server_pid(folder))
    suspend(server_pid(folder), "children")
    os.kill(server_pid(folder), signal.SIGKILL)
    first.kill()
    (cluster_of(folder) / "postmaster.pid").write_bytes(b"")
    monkeypatch.setattr(embedded, "IN_USE_PATIENCE", 0.5)
    assert query(embedded.start(folder, SETTINGS), "SELECT word FROM noted") == "kept"
    wait_for(lambda: not any(map(is_running, left)))


def test_a_program_that_holds_the_lock_and_does_not_go_on_is_named_in_one_sentence(folder, impatient):
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path; from tracker import embedded\n"
         "with embedded._alone(Path(sys.argv[1])): print(flush=True); time.sleep(60)", str(folder)],
        cwd=PROJECT, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        with pytest.raises(errors.ServerError, match=rf"^Another program, process {holder.pid}, [^\n]*; end [^\n]*\.$"):
            embedded.start(folder, SETTINGS)
    finally:
        holder.kill()
        holder.communicate()


def test_whoever_waits_for_a_program_that_does_go_on_is_patient(folder, impatient, monkeypatch):
    monkeypatch.setattr(embedded, "PATIENCE", 4.0)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path; from tracker import embedded\n"
         "with embedded._alone(Path(sys.argv[1])):\n"
         "    print(flush=True)\n"
         "    embedded._wait(lambda: False, '', 8)", str(folder)], cwd=PROJECT, stdout=subprocess.PIPE)
    holder.stdout.readline()
    assert query(embedded.start(folder, SETTINGS), "SELECT 1") == 1
    assert holder.wait(timeout=60) == 0


def test_a_program_that_keeps_the_database_in_use_for_itself_is_not_waited_for_without_end(folder, impatient):
    with open(folder / "use.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(errors.ServerError, match=r"^Another program holds /[^\n]*/use\.lock; end it [^\n]*\.$"):
            embedded.start(folder, SETTINGS)


@pytest.mark.parametrize("room", [0, 100])
def test_a_listener_that_is_no_server_is_neither_waited_for_without_end_nor_signalled(folder, impatient, room):
    code = ("import os, socket, sys, time; os.chdir(sys.argv[1]); s = socket.socket(socket.AF_UNIX); "
            "s.bind('.s.PGSQL.5432'); s.listen(int(sys.argv[2])); print(flush=True); print(input())")
    stranger = subprocess.Popen([sys.executable, "-c", code, cluster_of(folder), str(room)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        stranger.stdout.readline()
        with pytest.raises(errors.ServerError, match=r"neither answers nor ends; end it [^\n]*\.$"):
            embedded.start(folder, SETTINGS)
        embedded.stop()
        assert stranger.communicate("still there\n", timeout=60)[0] == "still there\n"
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_program_of_the_server_s_that_hangs_is_ended_and_said(folder, impatient, monkeypatch):
    wheel = folder.parent / "wheel"
    wheel.mkdir()
    (wheel / "postgres").write_text("#!/bin/sh\nexec sleep 60\n")
    (wheel / "postgres").chmod(0o755)
    monkeypatch.setattr(embedded, "binaries", lambda: wheel)
    with pytest.raises(errors.ServerError, match=r"^The database could not be prepared: postgres did not move [^\n]*$"):
        embedded.start(folder, SETTINGS)


@pytest.fixture
def small_disk():
    """A folder on a disk of 64 MB, where this user may mount one; else on that of /tmp."""
    place = Path(tempfile.mkdtemp(prefix="isp-small-", dir="/tmp"))
    place.chmod(0o755)
    mount(place, "64m")
    yield place
    if ROOT:
        wait_for(lambda: subprocess.run(["umount", place], capture_output=True, check=False).returncode == 0)
    shutil.rmtree(place)


def mount(place: Path, size: str, *options: str) -> None:
    if ROOT:
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size},mode=755", *options]), "tmpfs", place],
                       check=True)


def run_main(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", UNHURRIED, *arguments], text=True, capture_output=True,
                          env=environment("", ISP_DATA_DIR=str(folder), **more), timeout=180, check=False,
                          stdin=subprocess.DEVNULL)


def test_a_disk_that_fills_up_ends_the_program_and_with_room_again_the_next_start_recovers(small_disk):
    run_main(small_disk / "data", "demo")
    again = run_main(small_disk / "data", "verify")
    if ROOT:
        assert (again.returncode, again.stderr) == (
            2, "There is no room left on the disk of the data folder; make room there and start again.\n")
    mount(small_disk, "500m", "remount")
    assert run_main(small_disk / "data", "verify").returncode == 0


@pytest.mark.parametrize("said", [
    'FATAL:  could not extend file "base/1/2691": No space left on device\nHINT:  Check free disk space.\n'
    "PANIC:  cannot abort transaction 1, it was already committed\nAborted\n",
    'could not extend file "base/12784/12619": wrote only 4096 of 8192 bytes at block 0',
])
def test_a_full_disk_is_called_so_whatever_is_complained_of_last(said):
    assert embedded._why(said).startswith("There is no room left on the disk of the data folder; ")


def test_full_shared_memory_is_not_called_a_full_disk():
    said = 'FATAL:  could not resize shared memory segment "/PostgreSQL.1234" to 8 bytes: No space left on device'
    assert "/dev/shm" in embedded._why(said)


def test_a_path_from_wherever_the_program_is_started_is_refused_in_one_sentence(tmp_path):
    for path in ("data", "./data", "../data", ".", " ", "data/"):
        done = subprocess.run([sys.executable, str(PROJECT / "main.py"), "verify"], capture_output=True, text=True,
                              env=environment("", ISP_DATA_DIR=path), cwd=tmp_path, timeout=180, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (f"The data folder {path} would be another one wherever the program is started; "
                               "set ISP_DATA_DIR to a whole path, such as /srv/isp-customer-tracker.\n")
    assert list(tmp_path.iterdir()) == []


def test_the_home_folder_of_nobody_known_is_one_sentence(tmp_path):
    done = run_main(Path("~nosuch/x"), "verify")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("ISP_DATA_DIR is ~nosuch/x, but there is no such home folder; "
                           "set it to a whole path, such as /srv/isp-customer-tracker.\n")


def test_a_data_folder_from_the_home_folder_or_with_a_slash_too_many_is_what_it_says(monkeypatch):
    for path, meant in (("~", Path.home()), ("~/x/", Path.home() / "x"), ("/srv//x/", Path("/srv/x"))):
        monkeypatch.setenv("ISP_DATA_DIR", path)
        assert settings.data_folder() == meant


def test_an_empty_setting_for_the_data_folder_is_none(monkeypatch):
    monkeypatch.setenv("ISP_DATA_DIR", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Path.home() in settings.data_folder().parents


def test_an_account_without_a_name_is_told_what_it_lacks(empty):
    if ROOT:
        os.chown(empty.parent, 54321, -1)
    code = ("import os, pwd, sys, psutil; from pathlib import Path; from tracker import embedded, errors\n"
            "if not os.geteuid(): os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
            "pwd.getpwuid = lambda uid: {}[uid]\n"  # where the tests do not run as root
            "try: embedded.start(Path(sys.argv[1]))\n"
            "except errors.ServerError as exc: print(exc)")
    done = subprocess.run([sys.executable, "-c", code, empty], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert re.fullmatch(r"The account with the ID \d+ has no name .* or set DATABASE_URI\.\n", done.stdout)


def test_a_link_to_the_same_folder_is_the_same_database_and_one_to_nowhere_is_refused(folder):
    note_a_row(embedded.start(folder, SETTINGS))
    link = folder.with_name("link")
    link.symlink_to(folder)
    assert query(embedded.start(link, SETTINGS), "SELECT word FROM noted") == "kept"
    embedded.stop()
    folder.rename(folder.with_name("unmounted"))
    with pytest.raises(errors.ServerError, match=r"^/[^\n]*/link is a link to /[^\n]*/data, which is not there; "):
        embedded.start(link, SETTINGS)
    assert not folder.exists()


EAST, WEST = "Pacific/Kiritimati", "Etc/GMT+12"  # it is never the same day there


def test_today_is_the_machine_s_whatever_zone_the_database_was_made_in(empty, run):
    first = run(empty, TZ=EAST)
    there = query(first.uri(), "SELECT current_setting('TimeZone') || CURRENT_DATE")
    assert there.startswith(EAST)
    first.leave()
    second = run(empty, TZ=WEST)
    here = query(second.uri(), "SELECT current_setting('TimeZone') || CURRENT_DATE")
    assert here.startswith(WEST)
    assert here[-10:] < there[-10:]


def test_a_program_that_joins_a_server_started_in_another_zone_has_its_own_today(folder, run):
    run(folder, TZ=EAST).uri()
    assert query(run(folder, TZ=WEST).uri(), "SHOW TimeZone") == WEST


def test_the_setting_decides_over_the_machine_s_zone(folder):
    done = subprocess.run([sys.executable, str(PROJECT / "main.py")], input="8\n2\n0\n0\n", text=True, timeout=180,
                          env=environment("", ISP_DATA_DIR=str(folder), TZ=EAST, TIMEZONE=WEST), capture_output=True,
                          check=False)
    assert f", in {WEST}\n" in done.stdout


@pytest.mark.parametrize(("tz", "zone"), [
    ("Europe/Paris", "Europe/Paris"), (":Europe/Paris", "Europe/Paris"), ("posix/Europe/Paris", "Europe/Paris"),
    ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"), ("", "UTC"), ("EST5EDT", "EST5EDT"),
    ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3"), ("<+0530>-5:30", "<+0530>-5:30"),
])
def test_the_zone_in_tz_is_found_as_the_machine_reads_it(tz, zone, monkeypatch):
    monkeypatch.setenv("TZ", tz)
    assert embedded._machine_zone() == zone


def test_a_zone_that_nobody_knows_is_what_the_machine_s_clock_makes_of_it(monkeypatch):
    monkeypatch.setenv("TZ", "Nowhere/City'; DROP TABLE customers")
    time.tzset()
    assert embedded._machine_zone() == embedded._offset_now()
    monkeypatch.undo()
    time.tzset()


def test_without_tz_the_machine_s_own_zone_counts_also_where_it_is_a_copy_without_a_name(tmp_path, monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    zones = tmp_path / "zoneinfo"
    (zones / "Europe").mkdir(parents=True)
    (zones / "Europe" / "Paris").write_bytes(b"TZif2 and so on\nCET-1CEST,M3.5.0,M10.5.0/3\n")
    (tmp_path / "localtime").symlink_to(zones / "Europe" / "Paris")
    monkeypatch.setattr(embedded, "LOCALTIME", tmp_path / "localtime")
    assert embedded._machine_zone() == "Europe/Paris"
    (zones / "Europe" / "Paris").rename(tmp_path / "copy")
    monkeypatch.setattr(embedded, "LOCALTIME", tmp_path / "copy")
    assert embedded._machine_zone() == "CET-1CEST,M3.5.0,M10.5.0/3"


def test_an_offset_is_a_zone_that_the_server_takes(folder, monkeypatch):
    uri = embedded.start(folder, SETTINGS)
    for east in (0, 20_700, -34_200):
        now = time.struct_time((0,) * 9, {"tm_gmtoff": east})
        monkeypatch.setattr(embedded.time, "localtime", lambda now=now: now)
        zone = embedded._offset_now()
        there = f"(now() AT TIME ZONE '{zone}') - (now() AT TIME ZONE 'UTC')"
        assert query(uri, f"SELECT extract(epoch FROM {there})") == east


@pytest.mark.parametrize("path", ["", "base/1/PG_VERSION"])
def test_a_copy_that_belongs_to_somebody_else_is_given_to_the_server_s_user_or_explained(
        folder, path, capfd, monkeypatch):
    monkeypatch.setattr(embedded, "NOTE_AFTER", 600)
    cluster = cluster_of(folder)
    cluster.chmod(0o755)
    if ROOT:
        os.chown(cluster / path, 0, 0)
        assert query(embedded.start(folder, SETTINGS), "SELECT 1") == 1
        assert capfd.readouterr() == ("", f"Giving {cluster} to isp-tracker, who runs the database for root.\n")
        assert (cluster / path).stat().st_uid == embedded._system_user().pw_uid
    else:
        assert query(embedded.start(folder, SETTINGS), "SELECT 1") == 1
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o700


def test_files_of_somebody_else_in_the_data_are_named_with_what_to_do(folder, monkeypatch):
    cluster = cluster_of(folder)
    monkeypatch.setattr(embedded, "_system_user", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(errors.ServerError) as caught:
        embedded._own(cluster)
    assert re.fullmatch(rf"{cluster} belongs to [\w-]+; run sudo chown -R 54321:\d+ {folder} while no program uses it, "
                        r"and start again\.", str(caught.value))


def test_a_link_in_the_data_is_given_away_and_never_what_it_leads_to(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    before = elsewhere.stat()
    (cluster_of(folder) / "link").symlink_to(elsewhere)
    os.link(elsewhere, tmp_path / "second")
    embedded.start(folder, SETTINGS)
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode) == (before.st_uid, before.st_mode)


def test_a_copy_of_a_running_database_starts_beside_it_and_says_so(folder, run, capfd):
    program = run(folder)
    note_a_row(program.uri())
    pid = server_pid(folder)
    copied = folder.with_name("copied")
    suspend(pid, "postmaster"), suspend(pid, "children")  # no file comes and goes meanwhile
    subprocess.run(["cp", "-r", folder, copied], check=True)
    embedded._nudge(cluster_of(folder))
    assert query(embedded.start(copied, SETTINGS), "SELECT word FROM noted") == "kept"
    assert f"This database was last used as {cluster_of(folder)} and not closed; " in capfd.readouterr().err
    assert server_pid(folder) == pid != server_pid(copied)
    embedded.stop()
    assert is_running(pid)


def test_a_folder_that_was_moved_is_the_same_database(folder):
    note_a_row(embedded.start(folder, SETTINGS))
    embedded.stop()
    moved = folder.with_name("moved")
    folder.rename(moved)
    assert query(embedded.start(moved, SETTINGS), "SELECT word FROM noted") == "kept"


LIBPQ = {
    "PGSERVICE": "other", "PGSERVICEFILE": "/nowhere", "PGSYSCONFDIR": "/nowhere", "PGHOST": "/nowhere", "PGPORT": "1",
    "PGHOSTADDR": "192.0.2.1", "PGUSER": "nobody", "PGDATABASE": "other", "PGPASSWORD": "no", "PGPASSFILE": "/nowhere",
    "PGTARGETSESSIONATTRS": "standby", "PGTZ": "Asia/Tokyo", "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1", "PGSSLMODE": "require", "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require", "PGLOADBALANCEHOSTS": "random", "PGSSLNEGOTIATION": "direct", "PGGEQO": "off",
    "PGKRBSRVNAME": "x", "PGREQUIREPEER": "nobody", "PGMAXPROTOCOLVERSION": "3.2", "PGDATA": "/nowhere",
    "PGGSSENCMODE": "require",
}


def test_the_environment_of_other_databases_does_not_reach_the_embedded_one(folder):
    done = run_main(folder, "demo", TZ=WEST, **LIBPQ)
    assert (done.returncode, done.stderr) == (0, "")
    report = run_main(folder, "late-report", "--format", "csv", TZ=WEST, **LIBPQ)
    assert report.stdout == run_main(folder, "late-report", "--format", "csv", TZ=WEST).stdout
    assert report.returncode == 0


PORT = 25432  # which no machine gives away by chance


@contextlib.contextmanager
def started_by_hand(folder: Path, sockets: Path, host: str):
    """Start a data folder's server without the program, with the files beside its data alone to say who may connect."""
    cluster = cluster_of(folder)
    user = {"user": cluster.stat().st_uid} if ROOT else {}
    server = subprocess.Popen(
        [embedded.binaries() / "postgres", "-D", cluster, "-c", f"listen_addresses={host}", "-k", sockets,
         "-c", f"port={PORT}", "-c", "fsync=off", "-c", "unix_socket_permissions=0777"],
        cwd="/", stderr=subprocess.DEVNULL, **user)
    wait_for(lambda: embedded._state(cluster) == "ready")
    try:
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


@pytest.mark.parametrize("from_1_0_0", [True, False])
def test_a_server_started_by_hand_lets_its_owner_in_through_the_socket_and_nobody_else(folder, tmp_path, from_1_0_0):
    cluster = cluster_of(folder)
    if from_1_0_0:
        (cluster / "pg_hba.conf").write_text("# of initdb\n" + "\n".join(embedded.HBA_OF_INITDB) + "\n")
        (cluster / "pg_ident.conf").write_text("# nothing\n")
    embedded.start(folder, SETTINGS)
    embedded.stop()
    assert stat.S_IMODE((cluster / "pg_hba.conf").stat().st_mode) == 0o600
    sockets = folder.parent
    if ROOT:
        sockets.chmod(0o777)
    host = str(ipaddress.ip_address("127.0.0.0") + os.getpid())  # of this process alone, as the port is not
    with started_by_hand(folder, sockets, host):
        uri = f"postgresql://postgres@/isp_customer_tracker?host={sockets}&port={PORT}"
        assert query(uri, "SELECT 1") == 1
        with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg2.connect(f"postgresql://postgres@{host}:{PORT}/isp_customer_tracker")
        if ROOT:
            stranger = subprocess.run([embedded.binaries() / "psql", uri, "-c", "SELECT 1"], user="nobody", cwd="/",
                                      capture_output=True, text=True, check=False)
            assert 'Peer authentication failed for user "postgres"' in stranger.stderr


def test_who_may_connect_by_the_administrator_s_own_rules_stays_as_it_is(folder):
    hba = cluster_of(folder) / "pg_hba.conf"
    hba.write_text(own := "local all all trust\nhost isp_customer_tracker reader 192.0.2.0/24 scram-sha-256\n")
    embedded.start(folder, SETTINGS)
    assert hba.read_text() == own


def leaving(folder: Path) -> subprocess.Popen[str]:
    """Start the menus, suspend the server and leave; return once that waits for the server to stop."""
    program = subprocess.Popen([sys.executable, "-u", str(PROJECT / "main.py")], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment("", ISP_DATA_DIR=str(folder)))
    while "Exit" not in program.stdout.readline():
        pass
    suspend(server_pid(folder), "checkpointer")
    program.stdin.write("0\n")
    program.stdin.flush()
    while (said := program.stderr.readline()) == "Starting the database...\n":  # on a busy machine
        pass
    assert said == "Stopping the database...\n"
    return program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_server_is_stopped_ends_the_program_without_a_word(folder, number):
    note_a_row(embedded.start(folder, SETTINGS))
    embedded.stop()
    program = leaving(folder)
    pid = server_pid(folder)
    program.send_signal(number)
    assert program.communicate(timeout=60)[1] == ""
    assert program.returncode == 128 + number
    assert embedded._state(cluster_of(folder)) == "stopping"
    assert query(embedded.start(folder, SETTINGS), "SELECT word FROM noted") == "kept"
    wait_for(lambda: not is_running(pid))


@pytest.mark.parametrize(("number", "said"),
                         [(signal.SIGINT, "Cancelled.\n"), (signal.SIGTERM, "Cancelled, nothing changed.\n"),
                          (signal.SIGHUP, "Cancelled, nothing changed.\n")])
def test_a_signal_while_the_server_is_started_ends_the_program_in_one_sentence(folder, number, said):
    with embedded._alone(folder):
        program = subprocess.Popen([sys.executable, str(PROJECT / "main.py"), "verify"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=environment("", ISP_DATA_DIR=str(folder)))
        assert program.stderr.readline() == "Waiting for another program to start or stop the database...\n"
        program.send_signal(number)
        assert program.communicate(timeout=60) == ("", said)
    assert program.returncode == 128 + number


def test_pg_dump_by_hand_reads_the_database_while_it_is_in_use(folder):
    note_a_row(embedded.start(folder, SETTINGS))
    kept = folder.parent / "isp.dump"
    command = f"pg_dump -h {folder}/{cluster_of(folder).name} -U postgres -Fc -f {kept} isp_customer_tracker".split()
    subprocess.run([embedded.binaries() / command[0], *command[1:]], check=True)
    contents = subprocess.run([embedded.binaries() / "pg_restore", "--list", kept], capture_output=True, text=True,
                              check=True).stdout
    assert "TABLE DATA public noted" in contents
