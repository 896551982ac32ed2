"""The application: who may ask, what every answer carries, and each error as one sentence."""
from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Optional
from weakref import WeakKeyDictionary

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import database
from tracker import log
from tracker.errors import Changed, Error, SignInRefused
from web import accounts, bills, devices, lists, overview, signing_in
from web.sessions import Session, Sessions, TooManyTries, is_token
from web.shapes import Problem, Unanswered, record

DIST = Path(__file__).resolve().parent / "dist"
THREADS = 100  # in which requests are answered: some wait for a connection of their own person's
AT_ONCE = 8  # requests of a person, and sign-ins
TIDY_EVERY = 5  # seconds
LONGEST_BODY = 64 * 1024
UNSAFE = frozenset(("POST", "PATCH", "PUT", "DELETE"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
OVER = "You are signed out: sign in again."
FORGED = "This request did not come from the page itself, so nothing was done: open the page again."
TOO_LONG = "That is too long to be read."
NO_JSON = "The request cannot be read: it is no JSON."
NOT_ASKED = "The request says something that is not asked for here."
FAULT = "This is a fault of the program; please report it, with its log. Look whether something was saved."
# What the framework itself says of a request, and what that means.
SENTENCES = {
    404: "There is nothing at this address.",
    405: "That cannot be done at this address.",
}


def make_app(sessions: Sessions, version: str) -> FastAPI:
    """Return the application over the database that is open."""
    app = FastAPI(title="ISP Customer Tracker", version=version, lifespan=_lifespan, docs_url=None,
                  redoc_url=None, openapi_url="/api/openapi.json", redirect_slashes=False,
                  responses={code: {"model": Problem} for code in (401, 403, 404, 409, 413, 415, 422, 503)})
    app.state.sessions = sessions
    for part in (signing_in, overview, accounts, devices, bills, lists):
        app.include_router(part.router, prefix="/api")
    app.add_api_route("/api/{path:path}", _nothing, include_in_schema=False)
    app.add_api_route("/{path:path}", _page, include_in_schema=False)
    app.add_exception_handler(Error, _say)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _say_what_is_wrong)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _say_http)  # type: ignore[arg-type]
    app.add_middleware(_Guard, sessions=sessions)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    app.add_middleware(_Outermost)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_tidy, app.state.sessions)
        yield
        tasks.cancel_scope.cancel()


async def _tidy(sessions: Sessions) -> None:
    while True:
        await anyio.sleep(TIDY_EVERY)
        await anyio.to_thread.run_sync(sessions.tidy)


def _nothing() -> None:
    raise HTTPException(404)


def _page(path: str) -> FileResponse:
    """Return a file of the built page; whatever is none is an address within the page."""
    file = (DIST / path).resolve() if _may_be_file(path) else DIST
    if DIST in file.parents and file.is_file():
        kept = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        return FileResponse(file, headers={"Cache-Control": kept})
    if "." in path.rpartition("/")[2]:
        raise HTTPException(404)
    return FileResponse(DIST / "index.html", headers={"Cache-Control": "no-cache"})


def _may_be_file(path: str) -> bool:
    """Tell whether a path is short and plain enough that the system can be asked for it."""
    return re.fullmatch(r"[A-Za-z0-9_.\-/]{1,200}", path, re.ASCII) is not None


def problem(status: int, sentence: str, **more: Any) -> JSONResponse:
    content = Problem(error=sentence, **more).model_dump(mode="json")
    return JSONResponse(content, status)


def _say(request: Request, error: Error) -> JSONResponse:
    """Turn what went wrong into its status and sentence."""
    session = _session_of(request)
    if session and isinstance(error, SignInRefused) and not _signs_in(request.scope):
        request.app.state.sessions.end(session)  # since then the password was changed, or the login locked
    answer = problem(
        error.http_status, str(error),
        field=getattr(error, "field", None) or None,
        questions=error.questions if isinstance(error, Unanswered) else [],
        present=record(error.present) if isinstance(error, Changed) else None,
    )
    if isinstance(error, TooManyTries):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _say_what_is_wrong(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say of the first input that is wrong what is wrong about it."""
    first = error.errors()[0]
    if first["type"].startswith("json"):
        return problem(422, NO_JSON)
    names = [part for part in first["loc"][1:] if isinstance(part, str)]
    # It may be a word of the visitor's own.
    field = names[-1] if names and re.fullmatch(r"[a-z_]{1,40}", names[-1]) else None
    return problem(422, _sentence(first, field), field=field)


def _sentence(wrong: Mapping[str, Any], field: Optional[str]) -> str:
    label = (field or "the request").replace("_", " ")
    cause = wrong.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):  # a parser's own sentence
        return str(cause)
    if wrong["type"].startswith("model"):
        return f"{label.capitalize()} must be an object of JSON."
    if wrong["type"] == "missing":
        return f"{label.capitalize()} is missing."
    if wrong["type"] == "extra_forbidden":
        return f"{label.capitalize()} is nothing that is asked for here." if field else NOT_ASKED
    return f"{label.capitalize()}: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}."


def _say_http(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 400:  # one of the two ways in which it says so
        return problem(422, NO_JSON)
    return problem(error.status_code, SENTENCES.get(error.status_code, str(error.detail)))


def _session_of(request: Request) -> Optional[Session]:
    session: Optional[Session] = request.scope.get("session")
    return session


class _Guard:
    """Lets in who has a session, and runs their request on their own connections; refuses forged posts."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions
        self._turns: WeakKeyDictionary[object, anyio.Semaphore] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        session = self.sessions.find(signing_in.secret_of(scope, headers))
        scope["session"] = session
        send = _with_news(send, session) if session else send
        if refusal := self._refusal(scope, headers, session):
            await refusal(scope, receive, send)
            return
        body = await _read(receive) if scope["method"] in UNSAFE else receive
        if not body:
            await problem(413, TOO_LONG)(scope, receive, send)
            return
        with database.acting_as(session.login if session else None), database.reporting(scope["method"] == "GET"):
            # Whoever signs in waits for others who do, and nobody else waits for them.
            who = self.sessions if _signs_in(scope) else session and session.login
            await self._in_turn(who)(scope, body, send)

    def _in_turn(self, who: object) -> ASGIApp:
        """Let nobody have more than AT_ONCE requests under way: the threads are there for all.

        A turn ends where the answer begins, since a client may take its time to read it.
        """
        if not who:
            return self.app
        turn = self._turns.setdefault(who, anyio.Semaphore(AT_ONCE))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async with contextlib.AsyncExitStack() as held:
                await held.enter_async_context(turn)

                async def begin(message: Message) -> None:
                    await held.aclose()
                    await send(message)

                await self.app(scope, receive, begin)

        return app

    def _refusal(self, scope: Scope, headers: Headers, session: Optional[Session]) -> Optional[JSONResponse]:
        if int(headers.get("content-length", "0") or 0) > LONGEST_BODY:
            return problem(413, TOO_LONG)
        open_to_all = scope["path"] in ("/api/session", "/api/openapi.json")
        if not open_to_all and not session:
            return problem(401, OVER)
        if scope["method"] not in UNSAFE:
            return None
        is_ours = _is_from_here(scope, headers) and (
            _signs_in(scope) or (session is not None and is_token(session, headers.get("x-csrf-token", ""))))
        if not is_ours:
            return problem(403, FORGED)
        return problem(415, NO_JSON) if scope["method"] != "DELETE" and not _is_json(headers) else None


def _with_news(send: Send, session: Session) -> Send:
    """Say with an answer the number of the last that the person is to be told of servers that took over."""
    async def with_news(message: Message) -> None:
        if message["type"] == "http.response.start" and (last := session.login.memory.last_news()):
            MutableHeaders(scope=message)["X-News"] = str(last)
        await send(message)

    return with_news


def _is_json(headers: Headers) -> bool:
    """Tell whether a body says that it is JSON, which no form of another site can say."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _signs_in(scope: Scope) -> bool:
    return bool(scope["path"] == "/api/session" and scope["method"] == "POST")


def _is_from_here(scope: Scope, headers: Headers) -> bool:
    """Tell whether a browser says that a request came from a page of this address, or says nothing."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


async def _read(receive: Receive) -> Optional[Receive]:
    """Read a body, and return what gives it again; None where it is longer than LONGEST_BODY, also if it said less.

    A body that comes slowly keeps nobody waiting so, not even its own person.
    """
    messages: list[Message] = []
    length = 0
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
        length += len(messages[-1].get("body", b""))
        if length > LONGEST_BODY:
            return None

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return again


class _Outermost:
    """Puts its headers on every answer, and turns a fault of the program into one sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if scope["path"].startswith("/api/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            await self.app(scope, receive, with_headers)
        except Exception as exc:
            log.fault(exc)
            if not begun:
                await problem(500, FAULT)(scope, receive, with_headers)
