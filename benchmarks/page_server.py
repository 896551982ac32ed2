"""The page's server over one database of the benchmarks, for many people: each comes by a link of their own.

python -m benchmarks.page_server URI HOW_MANY prints the port, then the links' keys, a line each, and serves until it is
ended.
"""
from __future__ import annotations

import sys

import database
from tracker import interrupts
from web import server
from web.sessions import CONNECTIONS, Sessions


def main(uri: str, people: int) -> None:
    """Serve the page to so many people."""
    interrupts.install()
    database.connect(uri)
    sessions = Sessions(by_link=True)
    with server.listening("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1])
        for number in range(people):
            login = database.administrator_of_embedded(CONNECTIONS)
            print(sessions.make_link(f"person {number}", login, lambda key: None))
        sys.stdout.flush()
        server.run("benchmark", sessions, listener)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
