"""Signing in and out, and who is signed in."""
from __future__ import annotations

from typing import Annotated, Any, Optional, Union

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Discriminator, StringConstraints, Tag
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

import database
from tracker.errors import SignInRefused
from web.sessions import IDLE_SECONDS, MOST_SECONDS, Session, Sessions
from web.shapes import Input, Problem

router = APIRouter(tags=["session"])
MOST_NEWS = 10_000
VIEWER = "this link may look, not change"


class Password(Input):
    """A login of the database."""

    login: Annotated[str, StringConstraints(max_length=200)]
    password: Annotated[str, StringConstraints(max_length=1000)]


class Key(Input):
    """What stands behind #key= in a secret link."""

    key: Annotated[str, StringConstraints(max_length=200)]


def _way_in(given: object) -> str:
    return "Key" if isinstance(given, dict) and "key" in given else "Password"


# Told apart by what is there, so that what is wrong is said of the way that was taken.
Secret = Annotated[Union[Annotated[Key, Tag("Key")], Annotated[Password, Tag("Password")]], Discriminator(_way_in)]


class Person(BaseModel):
    """Who is signed in, and what writes must carry as X-CSRF-Token.

    news is what they are to be told of servers that took over, and last_news the number of the last of it; X-News says
    that with every answer while there is some.
    """

    login: str
    name: str
    may_change: bool
    why_not: str
    token: str
    database: str
    server: str
    version: str
    today: str
    idle_minutes: int
    news: list[str]
    last_news: int


class Who(BaseModel):
    """How one signs in here, by password or by link, and who is signed in."""

    by: str
    person: Optional[Person]


@router.get("/session")
def who(request: Request) -> Who:
    """Tell who is signed in, if anybody is."""
    session = request.scope["session"]
    try:
        return _who(request, session)
    except SignInRefused:  # the login is not let in any more
        request.app.state.sessions.end(session)
        return _who(request, None)


@router.post("/session", responses={429: {"model": Problem}})
def sign_in(request: Request, response: Response, given: Secret) -> Who:
    """Open a session, in a cookie, with a login of the database or the key of a link."""
    sessions: Sessions = request.app.state.sessions
    if isinstance(given, Key):
        secret, session = sessions.come_by_link(given.key)
    else:
        host = request.client.host if request.client else "an unknown address"
        secret, session = sessions.sign_in(given.login, given.password, host)
    if earlier := request.scope["session"]:
        sessions.end(earlier)
    response.set_cookie(_cookie_name(request.scope), secret, max_age=MOST_SECONDS, **_kept(request.scope))
    return _who(request, session)


@router.delete("/session", status_code=204)
def sign_out(request: Request, response: Response) -> None:
    """End the session."""
    request.app.state.sessions.end(request.scope["session"])
    response.delete_cookie(_cookie_name(request.scope), **_kept(request.scope))


@router.delete("/news", status_code=204)
def forget_news(seen: Annotated[int, Query(ge=0, le=MOST_NEWS)]) -> None:
    """Forget the news up to the number of the last that was seen."""
    database.forget_news(seen)


def _who(request: Request, session: Optional[Session]) -> Who:
    by = "link" if request.app.state.sessions.by_link else "password"
    return Who(by=by, person=_person(session, request.app.version) if session else None)


def _person(session: Session, version: str) -> Person:
    with database.acting_as(session.login):
        server, why_not = database.describe_server(), database.rights()["why_not"]
        news, last_news = database.news()
    if session.by_link and server["login"] == database.VIEWER:
        why_not = VIEWER
    return Person(login=server["login"], name=session.name, may_change=not why_not, why_not=why_not,
                  token=session.token, database=server["database"], server=f"PostgreSQL {server['version']}",
                  version=version, today=server["today"].isoformat(), idle_minutes=IDLE_SECONDS // 60,
                  news=news, last_news=last_news)


def secret_of(scope: Scope, headers: Headers) -> str:
    """Return the secret in the cookie of a request; empty if there is none."""
    # Not SimpleCookie, which reads none where one of another program on this host is not to its liking.
    return cookie_parser(headers.get("cookie", "")).get(_cookie_name(scope), "")


def _cookie_name(scope: Scope) -> str:
    """Name the cookie; by the port, too, since a browser keeps one set of cookies for all ports of a host."""
    if scope["scheme"] == "https":
        return "__Host-isp"
    return f"isp-{(scope.get('server') or ('', 0))[1]}"


def _kept(scope: Scope) -> dict[str, Any]:
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": scope["scheme"] == "https"}
