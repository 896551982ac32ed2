"""Finding what a user would otherwise run; whatever is not installed is said."""
from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Missing, run
from benchmarks.server import Server

DJANGO_SCRIPT = Path(__file__).with_name("django_peer.py")


def command(name: str) -> str:
    """Return the path of a command; raise Missing when it is not on PATH."""
    if path := shutil.which(name):
        return path
    raise Missing("not installed")


@functools.cache
def python_with_django() -> str:
    """Return this Python, or the one beside django-admin on PATH, whichever can import Django."""
    if importlib.util.find_spec("django"):
        return sys.executable
    if admin := shutil.which("django-admin"):
        for python in (Path(admin).with_name("python"), Path(os.path.realpath(admin)).with_name("python")):
            if python.exists() and _can_import(str(python)):
                return str(python)
    raise Missing("not installed")


def _can_import(python: str) -> bool:
    return subprocess.run([python, "-c", "import django, psycopg2"], capture_output=True, check=False).returncode == 0


def django(server: Server, dbname: str, *arguments: str) -> dict[str, float]:
    """Run one task of the Django peer on a database and return the seconds that it measured."""
    parameters = json.dumps({**server.parameters, "dbname": dbname})
    done = run([python_with_django(), str(DJANGO_SCRIPT), parameters, *arguments])
    return json.loads(done.output.strip().split("\n")[-1])
