"""The first sentence when there is no connection names the cause: for what libpq, servers and poolers really say."""
from __future__ import annotations

import pytest

from tracker.errors import why_unreachable

AT = 'connection to server at "db.example.net" (192.0.2.7), port 5432 failed: '
# What is said, and a part of the sentence that no other cause has.
SAID = {
    f'{AT}FATAL:  role "ann" does not exist': "has no such user",
    f'{AT}FATAL:  database "isp" does not exist': "has no database isp",
    f'{AT}FATAL:  database "isp" does not exist\nDETAIL:  It seems to have just been dropped or renamed.':
        "has no database isp",
    f'{AT}FATAL:  cannot connect to invalid database "isp"\nHINT:  Use DROP DATABASE': "has no database isp",
    f'{AT}FATAL:  password authentication failed for user "ann"': "refused the user or password",
    f'{AT}FATAL:  Peer authentication failed for user "ann"': "only as the system user",
    f'{AT}fe_sendauth: no password supplied': "wants a password",
    f'{AT}FATAL:  no pg_hba.conf entry for host "192.0.2.9", user "ann", database "isp", no encryption': "pg_hba.conf",
    f'{AT}FATAL:  pg_hba.conf rejects connection for host "192.0.2.9", user "ann", database "isp"': "pg_hba.conf",
    f'{AT}FATAL:  role "ann" is not permitted to log in': "may not log in",
    f'{AT}FATAL:  permission denied for database "isp"\nDETAIL:  User does not have CONNECT privilege.':
        "GRANT CONNECT",
    f'{AT}FATAL:  database "isp" is not currently accepting connections': "takes no connections now",
    f"{AT}FATAL:  sorry, too many clients already": "no connection to spare",
    f'{AT}FATAL:  too many connections for role "ann"': "no connection to spare",
    f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute":
        "no connection to spare",
    f"{AT}FATAL:  no more connections allowed (max_client_conn)": "no connection to spare",
    f"{AT}FATAL:  the database system is starting up": "starting or recovering",
    f"{AT}FATAL:  the database system is in recovery mode": "starting or recovering",
    f"{AT}FATAL:  the database system is not yet accepting connections\nDETAIL:  Consistent recovery state has not "
    "been yet reached.": "starting or recovering",
    f"{AT}FATAL:  the database system is not accepting connections\nDETAIL:  Hot standby mode is disabled.":
        "a standby that takes no connections",
    f"{AT}FATAL:  the database system is shutting down": "is shutting down",
    f"{AT}session is read-only": "standbys or read-only",
    f"{AT}server is in hot standby mode": "standbys or read-only",
    f"{AT}server is not in hot standby mode": "No server at",
    f"{AT}FATAL:  unsupported startup parameter: options": "leave them out",
    f'{AT}FATAL:  unrecognized configuration parameter "nosuch"': "does not take the options",
    f"{AT}FATAL:  no such user: ann": "has no such user",
    f"{AT}FATAL:  no such database: isp": "has no database isp",
    f"{AT}FATAL:  pgbouncer cannot connect to server": "does not reach its own server",
    f"{AT}FATAL:  server login has been failing, try again later (server_login_retry)": "does not reach its own server",
    f'{AT}root certificate file "/home/ann/.postgresql/root.crt" does not exist\nEither provide the file, use the '
    "system's trusted roots with sslrootcert=system, or change sslmode to disable server certificate verification.":
        "sslmode asks for a root certificate",
    f"{AT}SSL error: certificate verify failed": "has expired, or no root",
    f'{AT}server certificate for "other.example.net" does not match host name "db.example.net"': "is another host's",
    f"{AT}server does not support SSL, but SSL was required": "There is no SSL with",
    f"{AT}FATAL:  SSL required": "add sslmode=require",
    f"{AT}FATAL:  connection requires a valid client certificate": "wants a client certificate",
    f'{AT}private key file "/home/ann/key" has group or world access; file must have permissions u=rw (0600)':
        "check sslcert and sslkey",
    f'{AT}could not open certificate file "/nowhere": No such file or directory': "check sslcert and sslkey",
    f"{AT}channel binding required, but server authenticated client without channel binding":
        "does not check passwords",
    f"{AT}SSL SYSCALL error: EOF detected": "does not talk as PostgreSQL does",
    f"{AT}received invalid response to SSL negotiation: H": "does not talk as PostgreSQL does",
    f"{AT}server closed the connection unexpectedly": "does not talk as PostgreSQL does",
    'could not translate host name "db.example.net" to address: Name or service not known': "cannot be found",
    f"{AT}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?":
        "Nothing answers at",
    f"{AT}timeout expired": "Nothing answered in time",
    f"{AT}Connection timed out": "Nothing answered in time",
    f"{AT}No route to host\n\tIs the server running on that host": "has no way to",
    f"{AT}Network is unreachable\n\tIs the server running on that host": "has no way to",
    'connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory': "Nothing answers at",
    'connection to server on socket "/run/.s.PGSQL.5432" failed: Permission denied': "may not open the socket",
    'invalid sslmode value: "zz"': "look at sslmode",
    'invalid target_session_attrs value: "zz"': "look at target_session_attrs",
    'invalid port number: "0"': "look at port",
    'invalid integer value "zz" for connection option "connect_timeout"': "look at connect_timeout",
    'definition of service "zz" not found': "look at service",
    'invalid value for parameter "TimeZone": "Europe/Atlantis"': "TIMEZONE",
    "something that nobody has heard of": "Cannot connect to database isp",
    # Of two servers, the one that says why
    f"{AT}Connection refused\n{AT}session is read-only": "standbys or read-only",
    f'{AT}timeout expired\n{AT}FATAL:  password authentication failed for user "ann"': "refused the user or password",
    # Names that read like causes
    f'{AT}FATAL:  database "too many refused pg_hba.conf" does not exist': "has no database isp",
}


@pytest.mark.parametrize("said", SAID)
def test_what_is_said_of_a_failed_connection_becomes_the_sentence_of_its_cause(said):
    sentence = why_unreachable(said, "db.example.net, port 5432", "db.example.net", "database isp")
    assert SAID[said] in sentence
    assert "\n" not in sentence
    assert "{" not in sentence
