"""What services are called and cost: names in use offered to a form, and a price changed for all who pay it."""
from __future__ import annotations

import difflib
import functools
import re
from datetime import timedelta
from decimal import Decimal

import database
from tracker import errors, fields, prices, text
from tracker.prices import Change, Plan
from tracker.terminal import commands, menus, prompts, screens
from tracker.terminal.paging import LEAVE
from tracker.terminal.pick import Kind, among, pick_hit
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row

ALIKE = 0.8  # of two names with the same numbers in them, from which one may be the other misspelt
PLAN = Kind(
    "service name", "services", "folded", prices.get_plan, prices.find_plans, screens.PLANS,
    lambda row: f"{row['service_name']}, which {has(row)}",
)


def has(plan: Row) -> str:
    return f"{text.plural(plan['services'], 'service')} {'has' if plan['services'] == 1 else 'have'}"


def ask_service_name() -> tuple[str, Decimal | None]:
    """Ask what a new service is called, and return that with what it usually costs: on a terminal a name in use is
    offered where the answer is likely one.

    Piped, the answer is what a script means, and an odd one is only pointed out.
    """
    answer = ask("Service name", fields.text(100))
    named = prices.look_up_name(answer)
    if not prompts.attended():
        if not named.plan and (plan := misspelt(named)):
            prompts.note(f"{answer} is nearly {PLAN.name(plan)}.")
        return answer, None
    plan = named.plan or choose_plan(answer, named)
    return (plan["service_name"], plan["cost"]) if plan else (answer, None)


def choose_plan(answer: str, named: prices.Named) -> Plan | None:
    """Return the name in use that was meant, if one was."""
    words = named.folded.split()
    fitting = [plan for plan in named.plans if all(word in plan["folded"] for word in words)]
    if len(fitting) > 1:
        say(f"Names in use with {answer} in them; Enter keeps {answer}:")
        return pick_hit(PLAN, among(fitting))
    if plan := fitting[0] if fitting else misspelt(named):
        say(f"{'A part of' if fitting else 'Nearly'} {PLAN.name(plan)}.")
        if confirm("Type yes to take that name:"):
            return plan
    return None


def misspelt(named: prices.Named) -> Plan | None:
    """Return the name in use that a new one is nearly: Fiber 100 is nearly Fibre 100, while Fibre 200 is another."""
    numbers = re.findall("[0-9]+", named.folded)
    alike = {plan["folded"]: plan for plan in named.plans if re.findall("[0-9]+", plan["folded"]) == numbers}
    nearest = difflib.get_close_matches(named.folded, alike, 1, ALIKE)
    return alike[nearest[0]] if nearest else None


@menus.changes
def change_price() -> None:
    """Change what a service name costs from a day on, once it was shown for whom, and the new total was typed."""
    plan = pick_plan()
    today = database.today()
    cost = ask("New monthly cost", fields.amount)
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    from_day = ask("From", fields.day_from(today), shown=str(next_month), default=next_month)
    change = Change(plan["service_name"], cost, from_day)
    preview = commands.show_price_change(change, today)
    lists = commands.price_lists(change, preview)
    if preview["own"] and confirm("Type yes to change prices of their own, too:", lists=lists):
        change = change._replace(all_prices=True)
        preview = commands.show_price_change(change, today)
        lists = commands.price_lists(change, preview)
    if preview["changing"] and commands.confirm_price_change(preview, lists):
        commands.make_price_change(change, preview)


def pick_plan() -> Plan:
    """Ask for a name in use, or a part of one, until there is one, and say which; Enter lists all."""
    while True:
        answer = ask("Service name (or a part of it)", part_of_name, shown="all") or ""
        plan = prices.look_up_name(answer).plan if answer else None
        hits = functools.partial(prices.find_plans, answer)
        if not plan:
            found = hits(0, 1)
            if not answer and not found.total:
                raise errors.Conflict("No services are in use.")
            if not found.total:
                prompts.refuse(f"No service in use is called {answer}; enter a shorter part of its name.")
                continue
            plan = found.rows[0] if answer and found.total == 1 else pick_hit(PLAN, hits)
        if plan:
            say(f"{plan['service_name']}: {text.plural(plan['services'], 'service')}, usually at "
                f"{text.show_amount(plan['cost'])} a month.")
            return plan


def part_of_name(answer: str) -> str:
    if answer.casefold() in LEAVE and prompts.attended():
        raise errors.Left
    return fields.text(100)(answer)
