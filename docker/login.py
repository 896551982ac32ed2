"""Make the password of the program's own login, once, and the SQL by which the database takes it.

It stands in one file of a volume, which the program alone can read: in no image, no compose.yaml, no environment. The
SQL beside it has only what PostgreSQL keeps of a password, and PostgreSQL's image runs it when it makes the database.
Run with --new, this makes another password; the SQL, run again in the database, takes it there.
"""
from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import sys
from pathlib import Path

LOGIN = "isp"
HOST = "database"
ROUNDS = 4096  # as PostgreSQL itself does; a password of 32 random bytes cannot be guessed with any number
PASSFILE = "pgpass"
STATEMENTS = "isp.sql"
SQL = r"""-- Run by PostgreSQL's image when it makes the database, and again by hand where the password is another.
SELECT 'CREATE ROLE {login}' WHERE to_regrole('{login}') IS NULL \gexec
ALTER ROLE {login} LOGIN CREATEROLE CREATEDB PASSWORD '{verifier}';
-- The superuser has no password: nobody is that over the network, but whoever may open a shell in the container.
ALTER ROLE postgres PASSWORD NULL;
SELECT 'CREATE DATABASE {login} OWNER {login}'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{login}') \gexec
\connect {login}
-- What lets everybody fill the disk.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace
  AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message') \gexec
"""
FIRST = """The program's login has a password now, which nobody needs to know. When the database is up, add the first
person, who then signs in at http://127.0.0.1:8000/ (or at PAGE_PORT):

    docker compose run --rm tracker people add ann --role admin
"""
ANOTHER = """The program's login has another password. Let the database take it:

    docker compose exec database psql -qf /docker-entrypoint-initdb.d/isp.sql
"""


def verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL keeps of a password (RFC 5802 and 7677, SCRAM-SHA-256)."""
    def encoded(value: bytes) -> str:
        return base64.b64encode(value).decode()

    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ROUNDS}:{encoded(salt)}${encoded(stored)}:{encoded(server)}"


def write(path: Path, text: str, mode: int) -> None:
    """Write a file that is there whole, or as it was before."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def main(folder: Path, is_new: bool) -> None:
    passfile = folder / PASSFILE
    is_first = not passfile.exists()
    if is_first or is_new:
        write(passfile, f"{HOST}:*:*:{LOGIN}:{secrets.token_urlsafe(32)}\n", 0o600)
    # From the file, so that the two agree also where this was killed in between.
    password = passfile.read_text(encoding="ascii").rstrip("\n").rpartition(":")[2]
    write(folder / STATEMENTS, SQL.format(login=LOGIN, verifier=verifier(password, secrets.token_bytes(16))), 0o644)
    if is_first or is_new:
        print(FIRST if is_first else ANOTHER)


if __name__ == "__main__":
    main(Path("/run/login"), sys.argv[1:] == ["--new"])
