"""What compose.yaml says, done by podman: each key of it becomes an argument, and one that is not known is an error.

So what is proven is the file itself. podman-compose is of no use for it, since it does not wait for service_healthy.
"""
from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
UP_WITHIN = 180
CONTAINERS_CONF = """
[containers]
default_ulimits = []
init_path = "/usr/bin/catatonit"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
runroot = "{folder}/run"
graphroot = "{folder}/graph"
"""


class Podman:
    """podman with images, volumes and networks of its own, in a folder, whatever this machine has otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "networks").mkdir(exist_ok=True)
        for name, text in (("containers.conf", CONTAINERS_CONF), ("storage.conf", STORAGE_CONF)):
            (folder / name).write_text(text.format(folder=folder))
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ISP_", "DATABASE_URI"))},
            "CONTAINERS_CONF": str(folder / "containers.conf"), "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["podman", *arguments], env=self.environment, text=True, check=False,
                              **{"capture_output": True, **options})

    def __call__(self, *arguments: str, **options: Any) -> str:
        """Run podman to the end and return what it printed; fail with what it complained of."""
        done = self.start(*arguments, **options)
        if done.returncode:
            command = " ".join(["podman", *arguments])
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout or ""


class Compose:
    """docker compose, as far as compose.yaml needs it."""

    def __init__(self, podman: Podman, settings: dict[str, str] | None = None) -> None:
        self.podman = podman
        self.file = interpolated(yaml.safe_load((PROJECT / "compose.yaml").read_text()), settings or {})
        self.name: str = self.file["name"]
        self.services: dict[str, dict[str, Any]] = self.file["services"]

    def container(self, service: str) -> str:
        return f"{self.name}-{service}-1"

    def arguments(self, name: str) -> list[str]:
        """Translate a service, all of it but what is run when and in which order."""
        service = dict(self.services[name])
        known = {key: service.pop(key) for key in
                 ("image", "pull_policy", "build", "depends_on", "profiles", "restart", "logging", "command",
                  "entrypoint", "stop_grace_period") if key in service}
        arguments = ["--ulimit", "host", "--pull", known.get("pull_policy", "missing"),
                     "--stop-timeout", str(int(seconds(known["stop_grace_period"])))]
        if "entrypoint" in known:
            arguments += ["--entrypoint", json.dumps(known["entrypoint"])]
        for key, value in service.items():
            arguments += getattr(self, f"_{key}")(name, value)
        return arguments

    def _init(self, name: str, value: bool) -> list[str]:
        return ["--init"] if value else []

    def _read_only(self, name: str, value: bool) -> list[str]:
        return ["--read-only", "--read-only-tmpfs=false"] if value else []  # podman would add /tmp, /run and more

    def _cap_drop(self, name: str, value: list[str]) -> list[str]:
        return [f"--cap-drop={capability}" for capability in value]

    def _security_opt(self, name: str, value: list[str]) -> list[str]:
        return [part for option in value for part in ("--security-opt", option)]

    def _environment(self, name: str, value: dict[str, str]) -> list[str]:
        return [part for key, setting in value.items() for part in ("--env", f"{key}={setting}")]

    def _user(self, name: str, value: str) -> list[str]:
        return ["--user", value]

    def _hostname(self, name: str, value: str) -> list[str]:
        return ["--hostname", value]

    def _ipc(self, name: str, value: str) -> list[str]:
        return ["--ipc", value]

    def _shm_size(self, name: str, value: str) -> list[str]:
        return ["--shm-size", value]

    def _tmpfs(self, name: str, value: list[str]) -> list[str]:
        return [part for mount in value for part in ("--tmpfs", mount)]

    def _network_mode(self, name: str, value: str) -> list[str]:
        return ["--network", value]

    def _networks(self, name: str, value: list[str]) -> list[str]:
        return [part for network in value for part in ("--network", f"{self.name}_{network}:alias={name}")]

    def _ports(self, name: str, value: list[str]) -> list[str]:
        return [part for port in value for part in ("--publish", port)]

    def _volumes(self, name: str, value: list[Any]) -> list[str]:
        return [part for mount in value
                for part in ("--volume", f"{self.name}_{mount if isinstance(mount, str) else short(mount)}")]

    def _healthcheck(self, name: str, value: dict[str, Any]) -> list[str]:
        if value == {"disable": True}:
            return ["--no-healthcheck"]
        kind, *test = value["test"]  # podman takes a text alone
        return ["--health-cmd", test[0] if kind == "CMD-SHELL" else shlex.join(test),
                "--health-interval", value["interval"], "--health-timeout", value["timeout"],
                "--health-retries", str(value["retries"]), "--health-start-period", value["start_period"]]

    def make(self) -> None:
        """Make the volumes and networks that are not there."""
        for volume in self.file["volumes"]:
            self.podman.start("volume", "create", f"{self.name}_{volume}")
        for network, options in self.file["networks"].items():
            self.podman.start("network", "create", *(["--internal"] if (options or {}).get("internal") else []),
                              f"{self.name}_{network}")

    def up(self, slowly: str = "") -> dict[str, float]:
        """Start what up starts, each service once what it depends on is as it says; return how long each took.

        The service slowly, if there is one, sleeps 30 seconds before it begins.
        """
        self.make()
        took: dict[str, float] = {}
        for name, service in self.services.items():
            if "profiles" not in service:
                self.begin(name, took, slowly)
        for name in took:
            if not self.services[name].get("healthcheck", {}).get("disable"):
                took[name] += self.wait_until_healthy(name)
        return took

    def begin(self, name: str, took: dict[str, float], slowly: str = "") -> None:
        if name in took:
            return
        for needed, how in self.services[name].get("depends_on", {}).items():
            self.begin(needed, took, slowly)
            if how["condition"] == "service_healthy":
                took[needed] += self.wait_until_healthy(needed)
            else:
                assert how["condition"] == "service_completed_successfully"
                assert self.podman("wait", self.container(needed)).strip() == "0", self.logs(needed)
        began = time.monotonic()
        image, arguments = self.services[name]["image"], self.arguments(name)
        if name == slowly:
            config = json.loads(self.podman("image", "inspect", image))[0]["Config"]
            late = ["sh", "-c", 'sleep 30; exec "$@"', "sh", *config["Entrypoint"], *config["Cmd"]]
            arguments += ["--entrypoint", json.dumps(late)]
        self.podman.start("rm", "--force", self.container(name))
        self.podman("run", "--detach", "--name", self.container(name), *arguments, image,
                    *self.services[name].get("command", []))
        took[name] = time.monotonic() - began

    def wait_until_healthy(self, name: str) -> float:
        """Wait as service_healthy does; there is no systemd to ask, so it is asked here."""
        began = time.monotonic()
        while (found := self.podman.start("healthcheck", "run", self.container(name))).returncode:
            if time.monotonic() > began + UP_WITHIN:
                raise RuntimeError(f"{name} is not healthy: {found.stdout}{found.stderr}\n{self.logs(name)}")
            time.sleep(0.5)
        return time.monotonic() - began

    def run(self, name: str, *command: str, terminal: bool = False) -> list[str]:
        """Return the command that run --rm is."""
        return ["podman", "run", "--rm", "--interactive", *(["--tty"] if terminal else []), *self.arguments(name),
                self.services[name]["image"], *command]

    def tracker(self, *command: str, typed: str = "", name: str = "tracker") -> subprocess.CompletedProcess[str]:
        """Run a command of the program to its end."""
        return subprocess.run(self.run(name, *command), env=self.podman.environment, input=typed, capture_output=True,
                              text=True, check=False)

    def exec(self, name: str, *command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return self.podman.start("exec", "--interactive", self.container(name), *command, input=typed)

    def again(self, name: str) -> None:
        """Make a service's container anew, beside what it depends on."""
        self.begin(name, dict.fromkeys(self.services[name]["depends_on"], 0.0))

    def logs(self, name: str) -> str:
        said = self.podman.start("logs", self.container(name))
        return said.stdout + said.stderr

    def stop(self, *names: str) -> dict[str, tuple[int, float]]:
        """Stop services; return the exit code of each, and how many seconds it took."""
        ended = {}
        for name in names:
            began = time.monotonic()
            self.podman("stop", self.container(name))
            took = time.monotonic() - began
            state = json.loads(self.podman("inspect", self.container(name)))[0]["State"]
            ended[name] = state["ExitCode"], took
        return ended

    def start(self, *names: str) -> None:
        for name in names:
            self.podman("start", self.container(name))
            self.wait_until_healthy(name)

    def down(self, volumes: bool = False) -> None:
        for name in reversed(self.services):
            self.podman.start("stop", self.container(name))
            self.podman.start("rm", "--force", self.container(name))
        for network in self.file["networks"]:
            self.podman.start("network", "rm", "--force", f"{self.name}_{network}")
        if volumes:
            for volume in self.file["volumes"]:
                self.podman.start("volume", "rm", "--force", f"{self.name}_{volume}")


def interpolated(value: Any, settings: dict[str, str]) -> Any:
    """Put settings, or what stands in for them, into every text of the file, once it is parsed."""
    if isinstance(value, dict):
        return {key: interpolated(inner, settings) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner, settings) for inner in value]
    if isinstance(value, str):
        return re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: settings.get(found[1]) or found[2], value)
    return value


def short(mount: dict[str, Any]) -> str:
    """Return the short form of a mount that is written in the long one, to say what no short form can in Compose."""
    assert set(mount) == {"type", "source", "target", "read_only", "volume"}, mount
    assert (mount["type"], mount["read_only"], mount["volume"]) == ("volume", True, {"nocopy": True}), mount
    return f"{mount['source']}:{mount['target']}:ro,nocopy"


def seconds(duration: str) -> float:
    found = re.fullmatch(r"([0-9]+)([smh])", duration)
    assert found, duration
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
