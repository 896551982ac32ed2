"""Dockerfile and compose.yaml, proven in containers: python -m tests.compose.run

As root, on Debian, with podman runc netavark aardvark-dns catatonit debootstrap installed. It takes some minutes. There
is no Docker here and no registry: podman does what compose.yaml says, on stand-ins for the images of Python and
PostgreSQL. Images stay in the folder below, so that a second run is quicker; rm -rf removes all of it.
"""
from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect

from tests.compose import images
from tests.compose.podman import Compose, Podman

FOLDER = Path("/var/tmp/isp-compose")
PORT = "18000"
PERSON = ("people", "add", "ann", "--role", "admin")
EVERYWHERE = ("/ /app /app/tracker /venv /etc /usr/local /tmp /var/tmp /run /run/login /dev /dev/shm /home /backups "
              "/data")
# What the page's container may do, and where it may write.
LOOK = f"""
id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
for folder in {EVERYWHERE}; do touch "$folder/written" 2>/dev/null && echo "writes to $folder"; done
rm -f /data/written
"""
passed: list[str] = []


def show(sentence: str) -> None:
    passed.append(sentence)
    print(f"  {sentence}", flush=True)


def expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


class Page:
    """The page, as a browser on this machine asks it, perhaps through a proxy."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.cookie = ""

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        asked = http.client.HTTPConnection("127.0.0.1", int(PORT), timeout=60)
        headers = {**self.headers, "Content-Type": "application/json", "Cookie": self.cookie.partition(";")[0]}
        asked.request(method, path, None if body is None else json.dumps(body), headers)
        answer = asked.getresponse()
        self.cookie = answer.headers.get("Set-Cookie", self.cookie)
        return answer.status, json.loads(answer.read())

    def sign_in(self, login: str, password: str) -> int:
        return self.ask("POST", "/api/session", {"login": login, "password": password})[0]

    def customers(self) -> list[str]:
        status, answer = self.ask("GET", "/api/customers")
        expect(status, 200)
        return sorted(row["name"] for row in answer["rows"])


def first_boot(compose: Compose) -> str:
    """From nothing to a person who has signed in; return their password."""
    began = time.monotonic()
    compose.up()
    show(f"first boot: from no volumes to a healthy page and a first backup in {time.monotonic() - began:.0f} s")
    assert "docker compose run --rm tracker people add ann --role admin" in compose.logs("login")
    assert "The page: http://localhost:8000/\n" in compose.logs("page")
    show("its log says how to add the first person, and where the page is")
    added = compose.tracker(*PERSON, "--generate")
    expect((added.returncode, added.stderr), (0, "Added ann, admin. The password is not shown again:\n"))
    password = added.stdout.strip()
    expect(Page().sign_in("ann", "wrong"), 401)
    expect(Page().sign_in("ann", password), 200)
    show("who was added signs in on the page, and nobody with a wrong password")
    expect("Everybody on the server can fill" in compose.tracker("people").stdout, False)
    described = compose.exec("database", "psql", "-qAtX", "-d", "isp", "-c", """
        SELECT datname, pg_encoding_to_char(encoding), datlocprovider, datlocale, pg_get_userbyid(datdba)
        FROM pg_database WHERE datname = 'isp'""")
    expect(described.stdout, "isp|UTF8|b|C.UTF-8|isp\n")
    show("the database is in UTF-8, sorted by PostgreSQL's own C.UTF-8, and belongs to the program's login")
    return password


def nothing_is_open(compose: Compose) -> None:
    podman = compose.podman
    secret = compose.exec("page", "cat", "/run/login/pgpass").stdout.strip().rpartition(":")[2]
    assert len(secret) >= 40
    told = "".join(podman("inspect", compose.container(name)) + compose.logs(name) +
                   compose.exec(name, "env").stdout for name in ("database", "page", "backup"))
    told += podman("inspect", compose.container("login")) + compose.logs("login")
    told += podman("history", "--no-trunc", compose.services["page"]["image"])
    expect(secret in told, False)
    expect(compose.exec("database", "cat", "/docker-entrypoint-initdb.d/pgpass").returncode, 1)
    show("the password is in no container's settings, environment or log, in no image, and the database cannot read it")
    without = compose.exec("page", "python", "-c",
                           "import psycopg2; psycopg2.connect('host=database user=postgres dbname=isp')")
    assert "no password supplied" in without.stderr, without.stderr
    inside = compose.exec("database", "psql", "-h", "127.0.0.1", "-w", "-d", "isp")
    assert "no password supplied" in inside.stderr, inside.stderr
    held = compose.exec("database", "psql", "-qAtX", "-c",
                        "SELECT rolname, left(rolpassword, 13) FROM pg_authid WHERE rolcanlogin ORDER BY rolname")
    expect(held.stdout, "ann|SCRAM-SHA-256\nisp|SCRAM-SHA-256\npostgres|\n")
    show("nobody comes in without a password, from another container or in the database's own; the superuser has none")
    published = {name: list(filter(None, json.loads(podman("inspect", compose.container(name)))[0]["NetworkSettings"]
                                   ["Ports"].values())) for name in ("database", "page", "backup")}
    expect(published, {"database": [], "page": [[{"HostIp": "127.0.0.1", "HostPort": PORT}]], "backup": []})
    way_out = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=3)"
    for name in ("database", "backup"):
        assert "unreachable" in compose.exec(name, "python3", "-c", way_out).stderr.lower()
    show("the page listens on this machine's 127.0.0.1 alone; the database and the backups have no way in or out")
    expect(compose.exec("page", "sh", "-c", LOOK).stdout.split("\n"),
           ["10001", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "writes to /data", ""])
    show("the page runs as 10001 without capabilities, and can write nowhere but its log")


def behind_a_proxy(password: str) -> None:
    proxied = Page(**{"X-Forwarded-Proto": "https"})
    expect(proxied.sign_in("ann", password), 200)
    assert proxied.cookie.startswith("__Host-isp="), proxied.cookie
    assert "Secure" in proxied.cookie
    show("behind a proxy with TLS on this machine, cookies are Secure")


def menus(compose: Compose) -> None:
    """The menus on a terminal, as docker compose run gives one."""
    command, *arguments = compose.run("tracker", terminal=True)
    screen = pexpect.spawn(command, arguments, env=compose.podman.environment, encoding="utf-8", timeout=60,
                           dimensions=(40, 100))
    for answer, shown in ((None, "Choose: "), ("1", "Choose: "), ("1", "Name: "), ("Ada Okafor", "Phone number"),
                          ("+44 20 7946 0958", "Added customer 1, Ada Okafor"), (None, "Choose: "), ("0", "Choose: "),
                          ("0", "Choose: "), ("0", pexpect.EOF)):
        if answer is not None:
            screen.sendline(answer)
        screen.expect(shown)
    screen.close()
    expect(screen.exitstatus, 0)
    expect(compose.tracker(typed="1\n1\nBo Lindqvist\n\n0\n0\n").returncode, 0)
    show("the menus open on a terminal, and from a pipe, and add a customer")


def second_boot(compose: Compose, password: str, slowly: str = "") -> None:
    compose.down()
    began = time.monotonic()
    compose.up(slowly)
    took = time.monotonic() - began
    page = Page()
    expect(page.sign_in("ann", password), 200)
    expect(page.customers(), ["Ada Okafor", "Bo Lindqvist"])
    expect("people add" in compose.logs("login"), False)
    if slowly:
        assert took > 30, took
    show(f"{'a database that begins after 30 s is waited for' if slowly else 'down and up'}: people and records are "
         f"there, after {took:.0f} s")


def database_restarts(compose: Compose, password: str) -> None:
    page = Page()
    expect(page.sign_in("ann", password), 200)
    compose.podman("restart", compose.container("database"))
    compose.wait_until_healthy("database")
    expect(page.customers(), ["Ada Okafor", "Bo Lindqvist"])
    show("the database restarts under the page: the next request of a person signed in is answered")


def stopping(compose: Compose) -> None:
    ended = compose.stop("page", "backup", "database")
    expect({name: code for name, (code, _) in ended.items()}, {"page": 0, "backup": 0, "database": 0})
    took = ", ".join(f"{name} {seconds:.1f} s" for name, (_, seconds) in ended.items())
    assert "database system is shut down" in compose.logs("database")
    compose.start("database", "page", "backup")
    show(f"SIGTERM ends each, as it should be, with exit code 0: {took}")


def restoring(compose: Compose, password: str) -> None:
    """What the backup service wrote brings back what was deleted afterwards."""
    # As the service itself does each day; the first one, of empty books, is there already.
    made = compose.exec("backup", "python", "main.py", "backup", "/backups", "--keep", "7d,4w,12m")
    expect(made.returncode, 0)
    newest = compose.exec("backup", "sh", "-c", "ls /backups/*.backup | tail -1").stdout.strip()
    checked = compose.tracker("backup", "--check", newest)
    assert "It was restored as a trial: 2 customers, 0 bills, 0 payments, as backed up." in checked.stdout, checked
    expect(compose.tracker(typed="1\n4\n1\nyes\n0\n0\n").returncode, 0)
    page = Page()
    expect(page.sign_in("ann", password), 200)
    expect(page.customers(), ["Bo Lindqvist"])
    refused = compose.tracker("restore", newest, typed="isp\n")
    expect((refused.returncode, "end their programs" in refused.stderr), (1, True))
    compose.stop("page", "backup")
    restored = compose.tracker("restore", newest, typed="isp\n")
    assert "Restored isp: 2 customers, 0 bills, 0 payments, as backed up." in restored.stdout, restored
    compose.start("page", "backup")
    page = Page()
    expect(page.sign_in("ann", password), 200)
    expect(page.customers(), ["Ada Okafor", "Bo Lindqvist"])
    show("a backup of the service's is tried, and restored: the customer who was deleted since is there again")
    again = compose.exec("database", "psql", "-qf", "/docker-entrypoint-initdb.d/isp.sql")
    expect((again.returncode, again.stderr), (0, ""))
    expect("Everybody on the server can fill" in compose.tracker("people").stdout, False)
    show("the SQL of the first boot, run again, gives the restored database its rights")


def another_password(compose: Compose) -> None:
    told = compose.tracker("--new", name="login")
    expect(told.returncode, 0)
    refused = compose.tracker("verify")
    assert "password" in refused.stderr, refused
    expect(refused.returncode, 2)
    taken = compose.exec("database", *re.search(r"exec database (.*)\n", told.stdout)[1].split())
    expect((taken.returncode, taken.stderr), (0, ""))
    expect(compose.tracker("verify").returncode, 0)
    show("another password of the program's login is made by login --new, and taken by the database as it says")


def full_disk(compose: Compose) -> None:
    """Backups onto a disk of their own, by a folder of this machine, that has too little room for one."""
    disk = FOLDER / "disk"
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,uid=10001,gid=10001,mode=700", "tmpfs", disk], check=True)
    try:
        other_volume_for_backups(compose, "--opt", "type=none", "--opt", "o=bind", "--opt", f"device={disk}")
        wait_for(lambda: "The backup failed. The next try is at" in compose.logs("backup"))
        assert "There is no room left on the disk of /backups" in compose.logs("backup"), compose.logs("backup")
        told = compose.exec("backup", "python", "docker/daily_backup.py", "--check")
        expect((told.returncode, told.stdout), (1, "The last backup failed; docker compose logs backup says why.\n"))
        expect(compose.exec("backup", "ls", "-A", "/backups").stdout, "")
        other_volume_for_backups(compose)
    finally:
        subprocess.run(["umount", disk], check=True)
    compose.wait_until_healthy("backup")
    show("a backup without room says so, leaves nothing half written, and makes its service unhealthy")


def other_volume_for_backups(compose: Compose, *options: str) -> None:
    volume = f"{compose.name}_backups"
    compose.podman("rm", "--force", compose.container("backup"))
    compose.podman("volume", "rm", volume)
    compose.podman("volume", "create", *options, volume)
    compose.again("backup")


def upgrading(compose: Compose, password: str) -> None:
    """The books of an older program: nothing touches them until somebody agrees."""
    compose.stop("page", "backup")
    for statement in ("DROP DATABASE isp", "CREATE DATABASE isp OWNER isp"):
        expect(compose.exec("database", "psql", "-qc", statement).returncode, 0)
    fixtures = images.PROJECT / "tests" / "fixtures"
    older = "SET ROLE isp;\n" + "".join((fixtures / f"{name}_1.sql").read_text() for name in ("schema", "rows"))
    made = compose.exec("database", "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", "isp", typed=older)
    expect((made.returncode, made.stderr), (0, ""))
    compose.podman("start", compose.container("page"))
    expect(compose.podman("wait", compose.container("page")).strip(), "2")
    assert "The database is at version 1 and this program needs version" in compose.logs("page"), compose.logs("page")
    expect(compose.tracker("verify").returncode, 2)
    expect(compose.tracker("backup", "/backups").returncode, 0)  # what comes before an upgrade
    refused = compose.tracker("upgrade", typed="no\n")
    expect((refused.returncode, refused.stdout.split("\n")[-2]), (1, "Not upgraded."))
    version = ("psql", "-qAtX", "-d", "isp", "-c", "SELECT max(version) FROM schema_version")
    expect(compose.exec("database", *version).stdout, "1\n")
    agreed = compose.tracker("upgrade", typed="yes\n")
    expect((agreed.returncode, "Upgraded to version" in agreed.stdout), (0, True))
    expect(compose.tracker("verify").returncode, 0)
    compose.start("page", "backup")
    page = Page()
    expect(page.sign_in("ann", password), 200)
    expect(len(page.customers()) > 50, True)
    show("an older database is left alone until upgrade is told yes; then the page serves it")


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("That did not come about in a minute.")
        time.sleep(0.2)


def main() -> int:
    podman = Podman(FOLDER)
    compose = Compose(podman, {"PAGE_PORT": PORT, "TIMEZONE": "Europe/Paris"})
    began = time.monotonic()
    print("Images:", flush=True)
    images.make_bases(podman, compose.services["database"]["image"])
    images.build(podman, images.PROJECT, compose.services["login"]["image"])
    show(f"Dockerfile builds, on a stand-in for {images.base_of_program()}, in {time.monotonic() - began:.0f} s")
    compose.down(volumes=True)
    print("Containers:", flush=True)
    try:
        password = first_boot(compose)
        steps: list[Callable[[], None]] = [
            lambda: nothing_is_open(compose), lambda: behind_a_proxy(password), lambda: menus(compose),
            lambda: second_boot(compose, password), lambda: database_restarts(compose, password),
            lambda: stopping(compose), lambda: second_boot(compose, password, slowly="database"),
            lambda: another_password(compose), lambda: restoring(compose, password), lambda: full_disk(compose),
            lambda: upgrading(compose, password),
        ]
        for step in steps:
            step()
    finally:
        compose.down(volumes=True)
    print(f"{len(passed)} passed, 0 failed, in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
