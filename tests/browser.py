"""The page in a real browser: Debian's Chromium, whoever sits at it, and whatever goes wrong there unseen."""
from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from conftest import wait_for
from pages import PASSWORDS, Site, Visitor
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from test_people import WORD

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")
DESK, NARROW, PHONE = (1440, 900), (1024, 768), (390, 844)
# What a page tells nobody: content that its policy refused, and stored text that ran.
LISTENING = """
addEventListener("securitypolicyviolation", (event) =>
    console.error("refused", event.violatedDirective, event.blockedURI));
window.ran = [];
window.xss = (what) => window.ran.push(what);
"""
WORDS = 'cell.innerText.trim().replace(/\\s+/g, " ")'
ROWS = f"""(caption) => {{
    const table = [...document.querySelectorAll("table")].find((one) => one.caption?.textContent.trim() === caption);
    const rows = [...(table?.rows ?? [])].filter((row) => row.ariaHidden !== "true");
    return rows.map((row) => [...row.cells].map((cell) => {WORDS}));
}}"""
DRAWN = f"""() => [...document.querySelectorAll(".list tbody tr[data-index]")].map((row) =>
    [Number(row.dataset.index), [...row.cells].map((cell) => {WORDS})])"""
LISTED = "Number(document.querySelector('.list').getAttribute('aria-rowcount')) - 1"  # below 0 while there are more
MOST_TURNS = 200  # of the wheel
PATIENCE = 60_000  # milliseconds, on a machine that has much to do
expect.set_options(timeout=PATIENCE)
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; where there is none, skip what needs it, unless PAGE_TESTS says that it must run."""
    program = shutil.which("chromium")
    if not program:
        missing = pytest.fail if os.environ.get("PAGE_TESTS") == "required" else pytest.skip
        missing("There is no chromium on this machine to try the page in: apt-get install chromium.")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=list(FLAGS), timeout=2 * PATIENCE)
        yield browser
        browser.close()


class Screen:
    """A page that is open, and what went wrong on it: refused holds what the server answered with 4xx and 5xx."""

    def __init__(self, page: Page, address: str, signed_in: bool = False) -> None:
        self.page, self.address, self.signed_in = page, address, signed_in
        self.wrong: list[str] = []
        self.refused: list[int] = []
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", self._note_said)
        page.on("dialog", self._note_dialog)
        page.on("request", self._note_request)
        page.on("response", lambda answer: self.refused.append(answer.status) if answer.status >= 400 else None)

    def _note_said(self, said: Any) -> None:
        # The browser's own line about an answer of the server, or about none; a test says which it expects.
        if said.type in ("error", "warning") and not said.text.startswith("Failed to load resource:"):
            self.wrong.append(f"{said.type}: {said.text}")

    def _note_dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"request to {request.url}")

    def open(self, path: str = "") -> Screen:
        """Open an address of the page, as one that a colleague sent."""
        self.page.goto(self.address + path)
        if self.signed_in:
            expect(self.page.get_by_role("combobox", name="Find a customer")).to_be_visible()
            self.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")  # its keys work
        return self

    def is_at(self, path: str) -> None:
        """Wait until the address is that one."""
        expect(self.page).to_have_url(self.address + path)

    def table(self, caption: str) -> list[list[str]]:
        """Return the rows of a table that are drawn, its heads first."""
        return self.page.evaluate(ROWS, caption)

    def shows(self, caption: str, rows: list[list[str]]) -> None:
        """Wait until a table has exactly these rows beneath its heads."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self.table(caption)[1:] == rows, PATIENCE / 1_000)
        assert self.table(caption)[1:] == rows, f"{self.table(caption)[1:]}\nis not\n{rows}"

    def whole_table(self, caption: str) -> list[list[str]]:
        """Return all rows of a long list, of which few are drawn at a time, by scrolling to its end."""
        seen: dict[int, list[str]] = {}
        wait_for(lambda: self.table(caption))
        for _ in range(MOST_TURNS):
            drawn = dict(self.page.evaluate(DRAWN))
            seen.update(drawn)
            if len(seen) == self.page.evaluate(LISTED):
                return [seen[index] for index in sorted(seen)]
            self.page.mouse.wheel(0, 600)
            with contextlib.suppress(AssertionError):  # it may read on, or have drawn other rows before
                wait_for(lambda drawn=drawn: dict(self.page.evaluate(DRAWN)).keys() != drawn.keys(), 2)
        raise AssertionError(f"{len(seen)} rows of {self.page.evaluate(LISTED)}")

    def figures(self) -> dict[str, str]:
        """Return the figures at the head of a page by their names."""
        found = self.page.locator("dl.figures > div")
        expect(found.first).to_be_visible()
        return dict(part.split("\n") for part in found.all_inner_texts())

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def dialog(self, title: str) -> Locator:
        return self.page.get_by_role("dialog", name=title)


@contextlib.contextmanager
def at_desk(browser: Browser, address: str, who: Visitor | None = None, size: tuple[int, int] = DESK,
            refused: Collection[int] = (), **more: Any) -> Iterator[Screen]:
    """Sit somebody down at a browser, signed in or not; nothing may go wrong there but what refused names."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **more)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(LISTENING)
    if who:
        context.add_cookies([{"name": name, "value": value, "url": address} for name, value in who.cookies.items()])
    screen = Screen(context.new_page(), address, who is not None)
    try:
        yield screen
        ran = screen.page.evaluate("window.ran")
    finally:
        context.close()
    assert screen.wrong == [], screen.wrong
    assert ran == [], ran
    assert set(screen.refused) <= set(refused), screen.refused


def open_site(served: Site, browser: Browser) -> Any:
    """Return what opens browsers on a site, with people whose sessions all of a module's tests share."""
    people: dict[str, Visitor] = {}

    def desk(login: str = "", **more: Any) -> contextlib.AbstractContextManager[Screen]:
        if login and login not in people:
            people[login] = served.person(login, PASSWORDS.get(login, WORD))
        return at_desk(browser, served.address, people[login] if login else None, **more)

    return desk
