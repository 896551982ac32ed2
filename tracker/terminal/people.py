"""People: who may look at the records or change them; the screen of the menus, and the commands."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import database
from tracker import access, errors, fields, text
from tracker.access import Person
from tracker.terminal import menus, prompts, tables
from tracker.terminal.paging import show_lines
from tracker.terminal.prompts import ask, ask_secret, confirm, edit, say
from tracker.terminal.tables import Column, Row, codes, numbers

ROLES = tuple(access.GROUPS)
KEYS = ("login", "role", "is_locked", "ends_on", "last_change")


def show_moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value else ""


COLUMNS = [
    numbers("#", "number"), codes("Login", "login"), codes("Role", "role"), codes("Locked or ends", "standing"),
    Column("Last change", "last_change", show_moment),
]


def standing(person: Person, today: date) -> str:
    """Say whether a login is locked, or has a last day."""
    if person["is_locked"] or not person["ends_on"]:
        return "locked" if person["is_locked"] else ""
    return f"{'ended ' if person['ends_on'] < today else ''}{person['ends_on']}"


def numbered(people: Sequence[Person]) -> list[Row]:
    today = database.today()
    return [{**person, "number": i, "standing": standing(person, today)} for i, person in enumerate(people, 1)]


def people_lines(people: Sequence[Person]) -> list[str]:
    return tables.table(COLUMNS, numbered(people)).split("\n")


def open_lines(found: access.Means) -> list[str]:
    """Say to the owner of the tables what everybody on the server may do needlessly, and how that ends."""
    if not found["is_owner"] or not found["open_to_all"]:
        return []
    sentence = "Everybody on the server can fill its disk, until a superuser runs this in this database:"
    width = tables.screen_width() or sys.maxsize
    return [part for line in (sentence, *found["open_to_all"]) for part in tables.wrap(text.clean(line), width - 1)]


def why_not(found: access.Means) -> str:
    """Say what a login that may not look after people is to ask for, before the SQL of that."""
    if not found["may_ask"]:
        return f"The login {found['login']} may not look after people; {found['owner']}, who owns the tables, may."
    whom = "a superuser" if found["is_owner"] else f"a superuser, or {found['owner']}, who owns the tables,"
    return f"The login {found['login']} may not look after people; ask {whom} to run this in this database:"


class People:
    """The screen of people, as it was shown last, so that they can be picked by number."""

    def __init__(self) -> None:
        self.found = access.means()
        self.people: list[Person] = []

    def show(self, actions: list[str], is_first: bool = True) -> None:
        self.people = access.people()
        lines = [*people_lines(self.people), *(open_lines(self.found) if is_first else [])]
        show_lines(iter(lines), len(actions) + 1, "actions")
        print("", *actions, sep="\n")

    def pick(self) -> Person:
        """Ask for a person whom this login may change; 0, q and Enter leave."""
        def parse(answer: str) -> Person:
            if answer.casefold() in ("", "0", "q") and prompts.attended():
                raise errors.Left
            by_number = {str(i): person for i, person in enumerate(self.people, 1)}
            by_login = {person["login"]: person for person in access.people()}
            person = by_login.get(answer) or by_number.get(answer)
            if person is None:
                raise ValueError(f"There is no person {answer}; enter a login, or its number in the list.")
            self.check(person)
            return person

        return ask("Person (login or number)", parse)

    def check(self, person: Person) -> None:
        if person["login"] == self.found["login"]:
            raise ValueError("That is your own login, which somebody else must change.")
        if person["role"] not in ROLES:
            raise ValueError(f"{person['login']} looks after the server or the tables, and is changed there.")


@menus.changes
@menus.about_people
def look_after_people() -> None:
    """Show who may look at the records or change them, and do what is chosen to them, until that is left."""
    screen = People()
    if not screen.found["may_manage"]:
        try:
            prompts.refuse(why_not(screen.found))
        finally:
            say_sql(screen.found)
        return
    labels = {**{digit: label for digit, (label, _) in ACTIONS.items()}, "0": "Back"}
    lines = tables.in_columns([f"{digit:>3}  {label}" for digit, label in labels.items()])
    screen.show(lines)
    while (answer := menus.choose(labels)) != "0":
        before = database.saved, database.unknown
        if answer != "?":
            label, action = ACTIONS[answer]
            menus.run_action(label, lambda action=action: action(screen))  # type: ignore[misc]
            print()
        if answer == "?" or (database.saved, database.unknown) != before:
            screen.show(lines, is_first=answer == "?")
        else:
            print(*lines, sep="\n")


def say_sql(found: access.Means) -> None:
    for statement in access.sql_to_ask_for(found):
        say(statement)


def last_day(answer: str) -> date:
    """Parse the last day of a login: today, or a day to come."""
    return fields.coming_day(database.today())(answer)


def ask_role(present: str) -> str:
    say(", ".join(f"{i} {role}" for i, role in enumerate(ROLES, 1)))
    return ask("Role", fields.one_of(ROLES), shown=present, default=present)


def ask_password() -> tuple[str, bool]:
    """Ask for a password; return it, and whether it was made here, so that it is to be shown."""
    typed = ask_secret("Password", fields.password, shown="generated")
    return (typed, False) if typed else (access.new_password(), True)


def say_password(password: str, is_new: bool) -> None:
    if is_new:
        say(f"The password is {password}; it is not shown again.")


def free_login(answer: str) -> str:
    """Parse the name of a new login, which nobody on the server has."""
    login = fields.login(answer)
    try:
        access.check_free(login)
    except errors.Conflict as exc:
        raise ValueError(str(exc)) from exc
    return login


def add_person(screen: People) -> None:
    login = ask("Login", free_login)
    role = ask_role(ROLES[0])
    password, is_new = ask_password()
    ends_on = ask("Last day", last_day, shown="none")
    while True:
        try:
            access.add(login, role, password, ends_on)
            break
        except errors.Conflict as exc:
            if exc.field != "login":
                raise
            prompts.refuse(str(exc), "Login")  # somebody else was quicker
            login = ask("Login", free_login)
    say(added(login, role, ends_on))
    say_password(password, is_new)


def added(login: str, role: str, ends_on: date | None) -> str:
    return f"Added {login}, {role}{f', until {ends_on}' if ends_on else ''}."


def change_password(screen: People) -> None:
    login = screen.pick()["login"]
    password, is_new = ask_password()
    access.set_password(login, password)
    say(f"{login} has a new password.")
    say_password(password, is_new)


def change_role(screen: People) -> None:
    person = screen.pick()
    role = ask_role(person["role"])
    if role == person["role"]:
        print("Nothing saved.")
        return
    access.set_role(person["login"], role)
    say(changed_role(person["login"], role))


def changed_role(login: str, role: str) -> str:
    return f"{login} is {'an admin' if role == 'admin' else role} from now on."


def change_end(screen: People) -> None:
    person = screen.pick()
    none: Any = ""
    ends_on = edit("Last day", last_day, text.show_day(person["ends_on"]), none=none)
    if ends_on is None:
        print("Nothing saved.")
        return
    access.set_end(person["login"], ends_on or None)
    say(changed_end(person["login"], ends_on or None))


def changed_end(login: str, ends_on: date | None) -> str:
    return f"The last day of {login} is {ends_on}." if ends_on else f"{login} has no last day."


def lock_person(screen: People) -> None:
    person = screen.pick()
    if person["is_locked"]:
        prompts.refuse(f"{person['login']} is locked already.")
        return
    say(locked(person["login"], access.lock(person["login"])))


def locked(login: str, sessions: int) -> str:
    return f"Locked {login}; {still_open(sessions)}."


def still_open(sessions: int) -> str:
    if not sessions:
        return "no session of theirs is open"
    return f"{text.plural(sessions, 'session')} of theirs {'is' if sessions == 1 else 'are'} still open"


def unlock_person(screen: People) -> None:
    person = screen.pick()
    if not person["is_locked"]:
        prompts.refuse(f"{person['login']} is not locked.")
        return
    access.unlock(person["login"])
    say(f"Unlocked {person['login']}.")


def remove_person(screen: People) -> None:
    login = screen.pick()["login"]
    if confirm_removal(login):
        say(removed(login, access.remove(login)))
    else:
        print("Not removed.")


def confirm_removal(login: str) -> bool:
    say(f"This removes the login {login} from the server; what it changed stays, and the trail keeps its name.")
    return confirm("Type yes to remove:")


def removed(login: str, sessions: int) -> str:
    return f"Removed {login}; {still_open(sessions)}."


ACTIONS: dict[str, tuple[str, Callable[[People], None]]] = {
    "1": ("Add person", add_person),
    "2": ("New password", change_password),
    "3": ("Change role", change_role),
    "4": ("Set the last day", change_end),
    "5": ("Lock", lock_person),
    "6": ("Unlock", unlock_person),
    "7": ("Remove", remove_person),
}


def command(act: Callable[[argparse.Namespace, access.Means], bool | None]) -> Callable[[argparse.Namespace], int]:
    """Make a command of what is done by a login that may look after people; False is a failure that is said already."""
    def run(arguments: argparse.Namespace) -> int:
        if database.is_embedded():
            raise errors.Forbidden(access.EMBEDDED)
        found = access.means()
        if not found["may_manage"]:
            prompts.complain(why_not(found))
            say_sql(found)
            return 1
        return 1 if act(arguments, found) is False else 0

    return run


@command
def list_command(arguments: argparse.Namespace, found: access.Means) -> None:
    people = access.people()
    if arguments.format == "csv":
        tables.write_csv(people, KEYS)
    elif arguments.format == "json":
        tables.write_json(people)
    else:
        print(*people_lines(people), *open_lines(found), sep="\n")


@command
def add_command(arguments: argparse.Namespace, found: access.Means) -> None:
    ends_on = end_of(arguments.until) if arguments.until else None
    access.check_free(arguments.login)
    password, is_new = given_password(arguments.generate)
    access.add(arguments.login, arguments.role, password, ends_on)
    say_done(added(arguments.login, arguments.role, ends_on), password if is_new else "")


@command
def password_command(arguments: argparse.Namespace, found: access.Means) -> None:
    access.check_person(arguments.login)
    password, is_new = given_password(arguments.generate)
    access.set_password(arguments.login, password)
    say_done(f"{arguments.login} has a new password.", password if is_new else "")


@command
def role_command(arguments: argparse.Namespace, found: access.Means) -> None:
    access.set_role(arguments.login, arguments.role)
    say(changed_role(arguments.login, arguments.role))


@command
def until_command(arguments: argparse.Namespace, found: access.Means) -> None:
    ends_on = end_of(arguments.until)
    access.set_end(arguments.login, ends_on)
    say(changed_end(arguments.login, ends_on))


@command
def lock_command(arguments: argparse.Namespace, found: access.Means) -> None:
    say(locked(arguments.login, access.lock(arguments.login)))


@command
def unlock_command(arguments: argparse.Namespace, found: access.Means) -> None:
    access.unlock(arguments.login)
    say(f"Unlocked {arguments.login}.")


@command
def remove_command(arguments: argparse.Namespace, found: access.Means) -> bool:
    access.check_person(arguments.login)
    if not arguments.yes and not confirm_removal(arguments.login):
        print("Not removed.")
        return False
    say(removed(arguments.login, access.remove(arguments.login)))
    return True


def end_of(until: str) -> date | None:
    """Return the last day that a command was given; none is none."""
    try:
        return None if until == "none" else last_day(until)
    except ValueError as exc:
        raise errors.Conflict(str(exc), "ends_on") from exc


def given_password(is_generated: bool) -> tuple[str, bool]:
    """Return the password for a command: made here, typed on a terminal, or a line of piped input; and whether it was
    made here.
    """
    if is_generated:
        return access.new_password(), True
    if prompts.attended():
        return ask_password()
    try:
        return fields.password(prompts.piped_line()), False
    except ValueError as exc:
        raise errors.Conflict(str(exc), "password") from exc


def say_done(sentence: str, new_password: str) -> None:
    """Say what was done; a password that was made here stands alone on standard output."""
    if new_password:
        prompts.note(f"{sentence} The password is not shown again:")
        print(new_password)
    else:
        say(sentence)
