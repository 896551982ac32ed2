"""The house: which room may use which, read from the imports."""
from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from conftest import PROJECT

MODULES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).replace(".__init__", ""): path
    for path in [PROJECT / "main.py", PROJECT / "database.py", *(PROJECT / "tracker").rglob("*.py"),
                 *(PROJECT / "web").glob("*.py")]
}
# Each floor may use itself and the floors before it.
FLOORS = [
    ["tracker", "tracker.errors", "tracker.text", "tracker.fields", "tracker.interrupts", "tracker.files"],
    ["tracker.settings"],
    ["tracker.log"],
    ["tracker.cursor", "tracker.bulk"],
    ["tracker.embedded", "tracker.migrate", "tracker.standby"],
    ["tracker.archive"],
    ["database"],
    ["tracker.payments", "tracker.bill_run", "tracker.prices", "tracker.reports", "tracker.verify", "tracker.demo",
     "tracker.access", "tracker.trail", "tracker.wording", "tracker.notes", "tracker.late_fees",
     "tracker.credits", "tracker.stock", "tracker.accounts"],
    ["tracker.backup"],
    ["tracker.transfer"],
    ["web", "web.sessions", "web.shapes", "web.telling"],
    ["web.signing_in", "web.overview", "web.accounts", "web.devices", "web.bills", "web.lists"],
    ["web.app"],
    ["web.server", "web.openapi"],
    ["tracker.terminal"],
    ["main"],
    ["tracker.installed"],
]
# What asks or says: the terminal; and the embedded server, which says that it starts before there is a terminal room.
MAY_PRINT = ("main", "tracker.terminal", "tracker.embedded", "web.openapi")


def imported(module: str) -> Iterator[str]:
    """Yield the modules of ours that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module or ""]
        else:
            continue
        yield from (name for name in names if name in MODULES and name != "tracker")


def floor(module: str) -> int:
    """Return how high a module stands: by its own name, else by its folder's."""
    floors = {name: number for number, names in enumerate(FLOORS) for name in names}
    return floors[module] if module in floors else floors[module.rpartition(".")[0]]


@pytest.mark.parametrize("module", MODULES)
def test_a_room_uses_only_rooms_on_its_floor_and_below(module):
    assert {other for other in imported(module) if floor(other) > floor(module)} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("tracker")])
def test_the_menus_know_nothing_of_the_page_beside_them(module):
    assert {other for other in imported(module) if other.startswith("web")} == set()


def test_no_two_rooms_use_each_other():
    waiting = {module: set(imported(module)) - {module} for module in MODULES}
    while free := [module for module, uses in waiting.items() if not uses & set(waiting)]:
        for module in free:
            del waiting[module]
    assert waiting == {}


def test_a_room_stands_on_a_floor_of_its_own_and_not_on_the_ground_by_default():
    unplaced = [module for module in MODULES if module.count(".") == 1 and not any(module in names for names in FLOORS)]
    assert unplaced == []


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith(MAY_PRINT)])
def test_a_room_below_the_terminal_neither_asks_nor_prints(module):
    calls = [
        node.func.id for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert {"print", "input"} & set(calls) == set()
