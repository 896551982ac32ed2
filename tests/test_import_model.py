"""Random files one after the other, against a model in Python of what an import makes of them."""
from __future__ import annotations

import random
from decimal import Decimal

import pytest

from tracker import verify
from tracker.transfer import columns, importing, source

pytestmark = pytest.mark.slow
FIELDS = ("account_number", "name", "phone_number", "customer_status", "balance", "address", "service_name",
          "service_cost", "service_status")
RECORDS = """
    SELECT customer_id, account_number AS number, name, coalesce(phone_number, '') AS phone,
           closed_on IS NOT NULL AS is_closed,
           (SELECT sum(amount_billed) FROM billing WHERE billing.customer_id = customers.customer_id) AS billed,
           (SELECT sum(amount) FROM payments WHERE payments.customer_id = customers.customer_id) AS credited
    FROM customers
    ORDER BY customer_id
"""
SERVICES = """
    SELECT customer_id, address, service_name, cost::numeric(12,2)::text AS cost, ended_on IS NOT NULL AS has_ended,
           EXISTS (SELECT FROM service_pauses AS pause WHERE pause.service_id = services_today.service_id
                   AND first_day <= CURRENT_DATE AND coalesce(last_day, 'infinity') >= CURRENT_DATE) AS is_paused
    FROM locations
    LEFT JOIN services_today USING (location_id)
    ORDER BY location_id, service_id
"""


class Service:
    def __init__(self, name, cost, has_ended, is_paused):
        self.name, self.cost, self.has_ended, self.is_paused = name, cost, has_ended, is_paused
        self.is_gone = has_ended  # one that an import ends is there until midnight

    def seen(self):
        return self.name, self.cost, self.has_ended, self.is_paused


class Customer:
    def __init__(self, number, name, phone):
        self.number, self.name, self.phone = number, name, phone
        self.is_closed, self.sites, self.balance = False, {}, None


class Caller:
    """One customer of a file."""

    def __init__(self, number, lines):
        self.number, self.lines = number, lines
        written = sorted(lines, key=lambda line: (not line["name"], not line["phone_number"], line["line"]))
        self.name, self.phone = written[0]["name"], written[0]["phone_number"]
        said = {line["customer_status"] for line in lines} - {""}
        self.is_closing = said == {"closed"}

    def person(self):
        return self.name.casefold(), digits(self.phone)


def digits(phone):
    return "".join(filter(str.isdigit, phone))


class Model:
    """What is stored, and how a file changes it; rejects are the numbers of the lines."""

    def __init__(self):
        self.customers = []

    def load(self, lines):
        self.rejects, self.prices = set(), []
        callers = self._callers(lines)
        known = self._known(callers)
        for caller in callers:
            customer = known.get(caller)
            if (not caller.name) if customer is None else customer.is_closed:
                if not (customer and caller.is_closing):
                    self._reject(caller.lines)
                elif customer.balance is None:
                    self._reject([line for line in caller.lines if Decimal(line["balance"] or 0)])
                caller.lines = []
        new = []
        for caller in callers:
            caller.lines = self._of_one_balance(caller.lines, known.get(caller))
            if caller.lines:
                new.append(self._take(caller, known.get(caller)))
        self.customers += [customer for customer in new if customer]

    def _reject(self, lines):
        self.rejects.update(line["line"] for line in lines)

    def _callers(self, lines):
        """Group lines, and reject those that contradict each other."""
        numbers = {}
        for line in lines:
            if line["account_number"] and line["name"]:
                numbers.setdefault(person(line), set()).add(line["account_number"].lower())
        groups = {}
        for line in lines:
            number = line["account_number"].lower()
            if not number and line["name"]:
                of_person = numbers.get(person(line), set())
                if len(of_person) > 1:
                    self._reject([line])
                    continue
                number = "".join(of_person)
            key = (number, None if number else person(line) if line["name"] else None)
            groups.setdefault(key, []).append(line)
        callers = []
        for (number, _), group in groups.items():
            kept = group
            if number:
                named = sorted(group, key=lambda line: (not line["name"], line["line"]))[0]["name"].casefold()
                called = sorted(group, key=lambda line: (not line["phone_number"], line["line"]))[0]["phone_number"]
                kept = [line for line in group
                        if line["name"].casefold() in ("", named)
                        and digits(line["phone_number"]) in ("", digits(called))]
                self._reject([line for line in group if line not in kept])
            callers.append(Caller(number, kept))
        return sorted(callers, key=lambda caller: min(line["line"] for line in caller.lines))

    def _known(self, callers):
        stored = {customer.number.lower(): customer for customer in self.customers if customer.number}
        known = {caller: stored[caller.number] for caller in callers if caller.number in stored}
        wanting = {}
        for caller in callers:
            if caller not in known and caller.name:
                wanting.setdefault(caller.person(), []).append(caller)
        taken = list(known.values())
        for (name, phone), group in wanting.items():
            free = [customer for customer in self.customers if customer not in taken
                    and not (group[0].number and customer.number)
                    and (customer.name.casefold(), digits(customer.phone)) == (name, phone)]
            written = {(line["name"], line["phone_number"])
                       for caller in group for line in caller.lines if line["name"]}
            alike = [customer for customer in free if (customer.name, customer.phone) in written]
            free = alike or free
            is_closing = all(caller.is_closing for caller in group)
            free = [customer for customer in free if customer.is_closed == is_closing] or free
            if len(free) > max(1, len(group)):
                for caller in group:
                    self._reject(caller.lines)
                    caller.lines = []
                continue
            for spelling in (lambda one: (one.name, one.phone), lambda one: ""):
                for caller in group:
                    fit = [customer for customer in free if spelling(customer) == spelling(caller)]
                    if caller not in known and fit:
                        known[caller] = fit[0]
                        free.remove(fit[0])
        return known

    def _of_one_balance(self, lines, known):
        balances = {line["balance"] for line in lines} - {""}
        if len(balances) > 1:
            self._reject([line for line in lines if line["balance"]])
            return [line for line in lines if not line["balance"]]
        return lines

    def _take(self, caller, known):
        """Bring a customer up to the file; return it where it is new."""
        lines = caller.lines
        said = {line["customer_status"] for line in lines} - {""}
        status = "closed" if said == {"closed"} else "paused" if said and "active" not in said else ""
        first = {field: next((line[field] for line in lines if line[field]), "")
                 for field in ("account_number", "name", "phone_number", "balance")}
        customer = known or Customer("", first["name"], first["phone_number"])
        customer.number = first["account_number"] if known is None or (
            first["account_number"].lower() not in ("", (known.number or "").lower())) else known.number
        if known and first["name"].casefold() not in ("", known.name.casefold()):
            known.name = first["name"]
        if known and digits(first["phone_number"]) not in ("", digits(known.phone)):
            known.phone = first["phone_number"]
        if customer.balance is None and first["balance"] and Decimal(first["balance"]):
            customer.balance = Decimal(first["balance"])
        addresses = list(dict.fromkeys(caller.all_addresses if known else []))
        if known and len(known.sites) == 1 and len(addresses) == 1 and addresses[0] not in known.sites:
            [services] = known.sites.values()
            shared = {service.name for service in services} & {name for name in caller.all_services if name}
            if caller.is_sure or shared:
                known.sites = {addresses[0]: services}
        before = [service for services in customer.sites.values() for service in services]
        touched = []
        for address in dict.fromkeys(line["address"] for line in lines if line["address"]):
            site = customer.sites.setdefault(address, [])
            self._subscribe(site, [line for line in lines if line["address"] == address], status, known, touched)
        if known and status == "paused":
            for service in before:
                if service not in touched and not service.is_gone:
                    service.is_paused = True
        if known is None:
            customer.is_closed = status == "closed"
            return customer
        return None

    def _subscribe(self, site, lines, status, known, touched):
        incoming = {}
        for line in lines:
            if line["service_name"]:
                states = {line["service_status"], line["customer_status"] or status}
                state = next((one for one in ("closed", "paused", "active") if one in states), "")
                incoming.setdefault((line["service_name"], line["service_cost"]), []).append(state)
        wanted = [(name, cost, set(states) == {"closed"}, "paused" in states and "active" not in states,
                   "active" in states) for (name, cost), states in incoming.items()]
        pairs, free = {}, list(site)
        for want in wanted:
            fit = [service for service in free if (service.name, service.cost, service.is_gone) == want[:3]]
            if fit:
                pairs[want] = fit[0]
                free.remove(fit[0])
        for ended, here_ended in ((True, True), (False, False), (True, False)):
            for want in wanted:
                fit = [service for service in free if service.name == want[0] and service.is_gone == here_ended]
                if want not in pairs and want[2] == ended and fit:
                    pairs[want] = fit[0]
                    free.remove(fit[0])
        for want in wanted:
            name, cost, has_ended, is_paused, is_active = want
            service = pairs.get(want)
            if service is None:
                site.append(Service(name, cost, has_ended, is_paused and not has_ended))
                continue
            touched.append(service)
            if has_ended:
                service.has_ended = service.has_ended or status != "closed"
                continue
            if service.cost != cost:
                self.prices.append(Decimal(cost) - Decimal(service.cost))
                service.cost = cost
            if is_paused or is_active:
                service.is_paused = is_paused


def person(line):
    return line["name"].casefold(), digits(line["phone_number"])


def random_lines(dice):
    lines = []
    for number in range(2, dice.randint(4, 10)):
        name = dice.choice(["Ada", "ADA", "Bo", "Cy", ""])
        line = dict.fromkeys(FIELDS, "")
        line.update(
            line=number, account_number=dice.choice(["", "", "K1", "k1", "K2", "K3"]), name=name,
            phone_number=dice.choice(["555 0100", "5550100", "555 0199", ""]) if name else "",
            customer_status=dice.choice(["", "", "", "active", "paused", "closed"]),
            balance=dice.choice(["", "", "", "10.00", "-5.00", "0"]),
        )
        if dice.random() < 0.8:
            line["address"] = dice.choice(["1 Quay", "1 Quay", "2 Quay"])
            if dice.random() < 0.8:
                line.update(service_name=dice.choice(["Fibre", "TV"]), service_cost=dice.choice(["20.00", "30.00"]),
                            service_status=dice.choice(["", "", "", "active", "paused", "closed"]))
        if any(line[field] for field in FIELDS[:4]):  # else it is the customer's above, which is another test's matter
            lines.append(line)
    return [{**line, "line": number} for number, line in enumerate(lines, 2)]


def prepare(model, lines):
    """Note of each caller what it says before lines are rejected for their balances: moves are found by that."""
    known, callers = Model._known, Model._callers

    class Noting(Model):
        def _callers(self, lines):
            found = callers(self, lines)
            for caller in found:
                caller.all_addresses = [line["address"] for line in caller.lines if line["address"]]
                caller.all_services = [line["service_name"] for line in caller.lines]
            return found

        def _known(self, found):
            numbers = {customer.number.lower() for customer in self.customers if customer.number}
            for caller in found:
                caller.is_sure = caller.number in numbers
            return known(self, found)

    model.__class__ = Noting
    model.load(lines)


@pytest.mark.parametrize("seed", range(12))
def test_random_files_one_after_the_other_make_what_the_model_does(db, sql, tmp_path, seed):
    dice, model = random.Random(seed), Model()
    for turn in range(6):
        lines = random_lines(dice)
        path = tmp_path / f"{turn}.csv"
        rows = [FIELDS, *([line[field] for field in FIELDS] for line in lines)]
        path.write_text("".join(",".join(row) + "\n" for row in rows))
        found = source.open_source(path)
        prepare(model, lines)
        outcome = importing.load(found, columns.match_headers(found.headers))
        context = "\n" + path.read_text() + repr(outcome.rejects)
        assert set(outcome.rejects) == model.rejects, context
        assert outcome.changes.difference == sum(model.prices), context
        assert [(row["number"] or "", row["name"], row["phone"], row["is_closed"],
                 (row["billed"] or 0) - (row["credited"] or 0)) for row in sql(RECORDS)] == [
            (customer.number, customer.name, customer.phone, customer.is_closed, customer.balance or 0)
            for customer in model.customers], context
        here = {}
        for row in sql(SERVICES):
            site = here.setdefault((row["customer_id"], row["address"]), [])
            if row["service_name"]:
                site.append((row["service_name"], row["cost"], row["has_ended"], row["is_paused"]))
        assert {place: sorted(services) for place, services in here.items()} == {
            (customer_id, address): sorted(service.seen() for service in services)
            for customer_id, customer in enumerate(model.customers, 1) for address, services in customer.sites.items()
        }, context
    assert verify.verify()[1] == []
