"""A server that is reached over TLS alone, with certificates made for the test; pgbouncer is its side of TLS."""
from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import psycopg2.extensions
import pytest
from conftest import PROMPT, lines, run_program, sentence, wait_for
from pages import books, problem, site
from pooler import pooler
from test_people import OTHER

pytestmark = pytest.mark.slow

SECRET = "tls-word-81"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments: object, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, check=True).stdout


class Certificates:
    """A folder with a root, and the certificates that it signed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.root = folder, folder / "root.crt"
        openssl("req", "-x509", *KEY, "-keyout", folder / "root.key", "-out", self.root, "-subj", "/CN=A root")

    def sign(self, host: str, days: int) -> Path:
        """Make a certificate of a host that ends after some days, with its key beside it; return its file."""
        path = self.folder / f"{host} {days}.crt"
        asked = openssl("req", *KEY, "-keyout", path.with_suffix(".key"), "-subj", "/CN=db",
                        "-addext", f"subjectAltName=DNS:{host}")
        openssl("x509", "-req", "-copy_extensions", "copy", "-CA", self.root, "-CAkey", self.folder / "root.key",
                "-days", days, "-out", path, given=asked)
        return path


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The root that is trusted, and one that is not."""
    folder = tmp_path_factory.mktemp("certificates")
    return SimpleNamespace(ours=Certificates(folder / "ours"), other=Certificates(folder / "other"))


def over_tls(server, users, certificate, **settings):
    """Start a server's side of TLS; the key and the certificate are given to it."""
    return pooler(server, users, client_tls_sslmode="require", client_tls_cert_file="{folder}/server.crt",
                  client_tls_key_file="{folder}/server.key",
                  files={"server.crt": certificate.read_text(),
                         "server.key": certificate.with_suffix(".key").read_text()}, **settings)


@pytest.fixture
def served(uri, roots):
    """Serve the test's database over TLS with a certificate; yields what makes its URI."""
    name = psycopg2.extensions.parse_dsn(uri)["user"]

    def serve(host="localhost", days=2):
        return over_tls(uri, f'"{name}" "{SECRET}"\n', roots.ours.sign(host, days), auth_type="scram-sha-256")

    return serve


def checked(before, uri, root, host="localhost", sslmode="verify-full"):
    return before.uri(uri, host=host, sslmode=sslmode, sslrootcert=str(root), password=SECRET)


def refused(uri, *arguments, **env):
    """Run the program where it cannot connect, and return its sentence, which holds no secret."""
    done = run_program(uri, *(arguments or ("verify",)), **env)
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    return sentence(done.stderr)


def test_the_menus_work_over_tls_with_a_certificate_that_is_checked(served, roots, uri, sql):
    with served() as before:
        there = checked(before, uri, roots.ours.root)
        done = run_program(there, answers=lines("1", "1", "Ada Okafor", "5550100", "0", "0", "0"))
        assert (done.returncode, done.stderr) == (0, "")
        assert "Added customer 1, Ada Okafor." in done.stdout
        assert run_program(there, "verify").returncode == 0
        assert SECRET not in done.stdout


def test_ctrl_c_cancels_a_query_over_tls(served, roots, uri, sql, terminal):
    sql("CREATE OR REPLACE FUNCTION matching_customers("
        "words text[], phones text[], phone_inside text, account text, most integer) "
        "RETURNS TABLE (customer_id bigint, by_number boolean) "
        "LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); END $$")
    with served() as before:
        child = terminal(DATABASE_URI=checked(before, uri, roots.ours.root), DB_STATEMENT_TIMEOUT="90")
        for answer in ("1", "3", "Ada"):
            child.expect(PROMPT)
            child.send(f"{answer}\r")
        wait_for(lambda: sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' "
                             "AND datname = current_database()"))
        child.sendintr()
        child.expect_exact("Cancelled, nothing changed.")


def test_the_certificate_of_another_host_is_refused(served, roots, uri):
    with served(host="db.example.net") as before:
        assert refused(checked(before, uri, roots.ours.root)) == (
            f"The certificate of the server at localhost, port {before.port} is another host's; write the name that it "
            "is for into DATABASE_URI.")


def test_a_certificate_of_a_name_is_refused_where_the_address_is_asked_for(served, roots, uri):
    with served() as before:
        assert refused(checked(before, uri, roots.ours.root, host="127.0.0.1")) == (
            f"The certificate of the server at 127.0.0.1, port {before.port} is another host's; write the name that it "
            "is for into DATABASE_URI.")


@pytest.mark.parametrize(("root", "days"), [("other", 2), ("ours", -1)], ids=["unknown root", "expired"])
def test_a_certificate_that_expired_or_that_no_known_root_signed_is_refused(root, days, served, roots, uri):
    with served(days=days) as before:
        assert refused(checked(before, uri, getattr(roots, root).root)) == (
            f"The certificate of the server at localhost, port {before.port} has expired, or no root that sslrootcert "
            "names has signed it.")


def test_a_server_without_tls_is_refused(roots, uri):
    name = psycopg2.extensions.parse_dsn(uri)["user"]
    with pooler(uri, f'"{name}" "{SECRET}"\n', auth_type="scram-sha-256") as before:
        assert refused(checked(before, uri, roots.ours.root)) == (
            f"There is no SSL with localhost, port {before.port}, and sslmode in DATABASE_URI asks for it.")


def test_a_server_that_wants_tls_is_not_talked_to_without(served, roots, uri):
    with served() as before:
        assert refused(checked(before, uri, roots.ours.root, sslmode="disable")) == (
            f"The server at localhost, port {before.port} wants SSL; add sslmode=require to DATABASE_URI.")


def test_a_root_that_is_not_there_is_said(served, roots, uri):
    with served() as before:
        assert refused(checked(before, uri, roots.ours.folder / "nowhere.crt")) == (
            "sslmode asks for a root certificate, and there is none on this machine; name its file by sslrootcert in "
            "DATABASE_URI.")


def test_a_wrong_password_over_tls_is_said_and_not_repeated(served, roots, uri):
    with served() as before:
        wrong = psycopg2.extensions.make_dsn(checked(before, uri, roots.ours.root), password="wrong-word-82")
        said = refused(wrong)
        dbname = psycopg2.extensions.parse_dsn(uri)["dbname"]
        assert said == (
            f"The server at localhost, port {before.port} refused the user or password for database {dbname}.")


def test_the_page_signs_people_in_over_tls_and_checks_the_certificate(roots):
    with books() as made:
        users = f'"isp" "{SECRET}"\n"bob" "{OTHER}"\n'
        with over_tls(made.uri, users, roots.ours.sign("localhost", 2), auth_type="scram-sha-256") as before:
            there = checked(before, made.uri, roots.ours.root)
            with site(there) as page:
                bob = page.person("bob", OTHER)
                assert bob.get("/api/overview").status_code == 200
                problem(page.visitor().try_to_sign_in(login="bob", password=SECRET), 401)
            assert "another host's" in refused(checked(before, made.uri, roots.ours.root, host="127.0.0.1"), "web")
