"""What is chosen and run: an entry of a menu, and what can be done to the account that is shown."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import database
from database import Customer
from tracker import errors, fields, reports
from tracker.reports import Account
from tracker.terminal import prompts, screens, tables
from tracker.terminal.paging import show_lines
from tracker.terminal.prompts import ask

Action = Callable[..., object]
Entries = Mapping[str, tuple[str, Any]]
# What database.saved and database.unknown were when the action that runs began.
saved_before = unknown_before = 0
why_not = ""  # why nothing may be changed here, which is known at the start
may_see_people = False  # known at the start, too
_changing: set[Action] = set()
_about_people: set[Action] = set()
Changing = TypeVar("Changing", bound=Action)


def changes(action: Changing) -> Changing:
    """Mark an action that writes: where nothing may be changed, its entry is left out."""
    _changing.add(action)
    return action


def about_people(action: Changing) -> Changing:
    """Mark an action that looks after people: its entry is for those who may, or can have that allowed."""
    _about_people.add(action)
    return action


def may_run(action: Any) -> bool:
    """Tell whether an entry's action, or menu, is one that this login may run."""
    if not callable(action):
        return True
    return not (why_not and action in _changing) and (may_see_people or action not in _about_people)


def allowed(entries: Entries) -> dict[str, tuple[str, Any]]:
    """Return the entries that this login may run, with the digits that they always have."""
    return {digit: (label, action) for digit, (label, action) in entries.items() if may_run(action)}


class AccountMenu(NamedTuple):
    """What can be done to an account; an action is given the customer, and asks for none."""

    entries: dict[str, tuple[str, Callable[[Customer], object]]]


def choose(labels: dict[str, str], other: Callable[[str], str] | None = None) -> str:
    """Ask for a digit; q, Ctrl-C and Ctrl-D mean 0, and Enter means ?, which is to show everything again.

    Piped, neither q nor an empty line is a choice.
    """
    def parse(answer: str) -> str:
        meant = {"": "?", "q": "0"}.get(answer.casefold(), answer) if prompts.attended() else answer
        if meant == "?" or meant in labels:
            return meant
        return (other or fields.choice({digit: digit for digit in labels}))(answer)

    try:
        return ask("Choose", parse)
    except errors.Cancelled:
        return "0"
    except KeyboardInterrupt:
        if not prompts.attended():
            raise
        return "0"


def run_action(label: str, action: Callable[[], object]) -> None:
    """Run one action; whatever stops it becomes one line, and leaving it by 0 none."""
    global saved_before, unknown_before
    print(f"\n{label}")
    before = saved_before, unknown_before
    saved_before, unknown_before = database.saved, database.unknown
    try:
        action()
    except errors.Left:
        pass
    except errors.Cancelled:
        prompts.complain(stopped())
    except KeyboardInterrupt as exc:
        print(stopped() if prompts.AT_QUESTION in exc.args else f"\n{stopped()}")
        if not prompts.attended():  # whoever wrote the answers that follow did not know of it
            raise
    except errors.Error as exc:
        prompts.refuse(str(exc) if database.saved == saved_before else f"{exc} What was saved before that stays.")
    saved_before, unknown_before = before  # of the action that this one is part of, if any


def stopped() -> str:
    """Say what a cancelled action left behind."""
    if database.unknown != unknown_before:
        return "Stopped; whether that was saved is not known: look before you enter it again."
    if database.saved == saved_before:
        return "Cancelled, nothing changed."
    return "Stopped; what was saved before that stays."


@database.reporting(False)
def run_account(customer_id: int, menu: AccountMenu) -> None:
    """Show an account and run what is chosen for it, until it is left; not by what a standby has, since it may change.

    After an action only the account's head and the actions are shown, so that what the action said stays in sight.
    """
    entries = allowed(menu.entries)
    labels = {**{digit: label for digit, (label, _) in entries.items()}, "0": "Back"}
    show_account(reports.get_account(customer_id), labels)
    while (answer := choose(labels)) != "0":
        if answer == "?":
            print()
            show_account(reports.get_account(customer_id), labels)
        else:
            label, action = entries[answer]
            run_action(label, lambda action=action: action(database.get_customer(customer_id)))  # type: ignore[misc]
            print()
            show_head(reports.get_account(customer_id), labels)


def show_account(account: Account, labels: dict[str, str]) -> None:
    """Show an account and below it the actions; one of more than a screen is turned by pages first."""
    actions = action_lines(labels)
    if show_lines(screens.account_lines(account), len(actions), "actions"):
        print()
        show_head(account, labels)
    else:
        print("", *actions, sep="\n")


def show_head(account: Account, labels: dict[str, str]) -> None:
    print(*screens.account_head(account), "", *action_lines(labels), sep="\n")


def action_lines(labels: dict[str, str]) -> list[str]:
    return tables.in_columns([f"{digit:>2}  {label}" for digit, label in labels.items()])
