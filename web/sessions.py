"""Who is it: people sign in with their own login of the database, or by a secret link where it is embedded.

A session lives in this process alone, under a hash of the secret that the browser's cookie holds. It has connections
of its own, so that what a person may do is decided by the database.
"""
from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Optional

import database
from database import Login
from tracker import interrupts, log
from tracker.errors import Error, SignInRefused

IDLE_SECONDS = 60 * 60
MOST_SECONDS = 12 * 60 * 60
CONNECTIONS = 2  # of each person who signs in with a login of their own
SHARED_CONNECTIONS = 4  # of all who came by a link
UNUSED_SECONDS = 30  # after which connections that nobody uses are closed
FREE_TRIES = 5
FREE_FROM_ANYWHERE = 50  # of one name, from all addresses together: guesses from many keep its owner waiting last
MOST_WAIT = 60
FORGOTTEN_AFTER = 15 * 60
MOST_NAMES = 10_000


class TooManyTries(Error):
    """Wrong passwords were tried; seconds is how long to wait now."""

    http_status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong tries: wait {seconds} second{'s' if seconds > 1 else ''}, then try again.")
        self.seconds = seconds


class OldLink(Error):
    """The key of a link that was used already, or was never one."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__("This link was used already, or is an older start's: open the last one that the server "
                         "printed.")


class Session:
    """A person at a browser: whose connections they work on, and what their posts must carry."""

    def __init__(self, login: Login, name: str, by_link: bool) -> None:
        self.login, self.name, self.by_link = login, name, by_link
        self.token = secrets.token_urlsafe(24)
        self.began_at = self.used_at = time.monotonic()

    def is_over(self) -> bool:
        now = time.monotonic()
        return now > self.used_at + IDLE_SECONDS or now > self.began_at + MOST_SECONDS


class _Tries:
    """How often somebody was refused in a row; the next try must wait twice as long as the last."""

    def __init__(self) -> None:
        self._refused: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, free: int = FREE_TRIES) -> None:
        """Count a try as refused until it is known to be none, so that many at once are no way around."""
        with self._lock:
            now = time.monotonic()
            wait = self._wait(name, free, now)
            if wait > 0:
                raise TooManyTries(int(wait) + 1)
            self._refused[name] = self._refused.get(name, (0, 0))[0] + 1, now
            if len(self._refused) > MOST_NAMES:
                self._forget(now)

    def _wait(self, name: str, free: int, now: float) -> float:
        count, last = self._refused.get(name, (0, now))
        if now > last + FORGOTTEN_AFTER:
            self._refused.pop(name, None)
            return 0
        return 0 if count < free else last + min(2 ** min(count - free, 10), MOST_WAIT) - now

    def _forget(self, now: float) -> None:
        kept = sorted(self._refused.items(), key=lambda item: item[1][1])[MOST_NAMES // 2:]
        self._refused = {name: tries for name, tries in kept if now < tries[1] + FORGOTTEN_AFTER}

    def take_back(self, name: str) -> None:
        """Forget the latest try, which told nothing of the password."""
        with self._lock:
            count, last = self._refused.get(name, (1, 0.0))
            self._refused[name] = count - 1, last

    def succeeded(self, name: str) -> None:
        with self._lock:
            self._refused.pop(name, None)


class _Link(NamedTuple):
    """A secret link: what to call whoever comes by it, on whose connections they work, and how its next key is told."""

    name: str
    login: Login
    tell: Callable[[str], object]


class Sessions:
    """All sessions of this server."""

    def __init__(self, by_link: bool = False) -> None:
        self.by_link = by_link
        self._sessions: dict[str, Session] = {}
        self._links: dict[str, _Link] = {}
        self._tries = _Tries()
        self._lock = threading.Lock()

    def make_link(self, name: str, login: Login, tell: Callable[[str], object]) -> str:
        """Return the key of a new link; when it is used, tell is called with the next one's."""
        key = secrets.token_urlsafe(24)
        self._links[_hashed(key)] = _Link(name, login, tell)
        return key

    def sign_in(self, name: str, password: str, host: str) -> tuple[str, Session]:
        """Open a session for a login of the database; return its secret, too.

        Raise SignInRefused, TooManyTries after FREE_TRIES refusals in a row of this name from there, and what
        connecting raises.
        """
        if self.by_link:
            raise SignInRefused
        from_here = f"{name} from {host}"
        self._tries.begin(from_here)
        self._tries.begin(name, FREE_FROM_ANYWHERE)
        try:
            login = database.sign_in(name, password, CONNECTIONS)
        except SignInRefused:
            log.note(f"A sign-in was refused to somebody at {host}")
            raise
        except Error:
            self._tries.take_back(from_here)
            self._tries.take_back(name)
            raise
        self._tries.succeeded(from_here)
        self._tries.succeeded(name)
        with self._lock:
            return self._begin(Session(self._shared(login), name, by_link=False))

    def _shared(self, login: Login) -> Login:
        """Return the connections that this person has in another session: many sessions need no more of them."""
        for other in self._sessions.values():
            if other.login.is_as(login):
                login.close()
                return other.login
        return login

    def come_by_link(self, key: str) -> tuple[str, Session]:
        """Open a session for whoever has a link's key, which is used up by it; raise OldLink.

        Tries are not slowed: nobody guesses a key, and wrong ones would keep out whoever has the right one.
        """
        with self._lock:
            link = self._links.pop(_hashed(key), None)
        if not link:
            raise OldLink
        link = link._replace(login=link.login.renewed())  # a backup may have been restored since it was made
        try:
            link.tell(self.make_link(*link))
        except OSError as exc:  # whoever has come is in all the same
            log.note(f"The next link could not be printed: {exc.strerror}")
        with self._lock:
            return self._begin(Session(link.login, link.name, by_link=True))

    def _begin(self, session: Session) -> tuple[str, Session]:
        secret = secrets.token_urlsafe(32)
        self._sessions[_hashed(secret)] = session
        return secret, session

    def find(self, secret: str) -> Optional[Session]:
        """Return the session of a cookie's secret, from now on used last now; None if there is none, or it is over."""
        session = self._sessions.get(_hashed(secret))
        if session is None or session.is_over():
            return None
        session.used_at = time.monotonic()
        return session

    def end(self, session: Session) -> None:
        with self._lock:
            self._sessions = {key: other for key, other in self._sessions.items() if other is not session}
            if any(other.login is session.login for other in self._sessions.values()):
                return
        if session.by_link:
            session.login.close_idle(0)
        else:
            session.login.close_when_idle()

    def tidy(self) -> None:
        """End what is over, and close connections that nobody has used for a while."""
        for session in list(self._sessions.values()):
            if session.is_over():
                self.end(session)
            else:
                session.login.close_idle(UNUSED_SECONDS)

    def end_all(self) -> None:
        """End every session, and what is still under way for it."""
        for session in list(self._sessions.values()):
            session.login.close_when_idle()
        interrupts.stop_all()


def is_token(session: Session, token: str) -> bool:
    """Tell whether a request that writes carries what only this session's own page knows."""
    return hmac.compare_digest(session.token.encode(), token.encode())


def _hashed(secret: str) -> str:
    """Return what a secret is kept by: whoever reads it, or measures how long a comparison takes, learns nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
