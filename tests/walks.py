"""What an administrator types to see each screen, on which records; each walk is one session on one database.

The records' dates are counted from today, and those of revenue from the first of the month, so that the screens are the
same on every day. A month's name is as long as the month makes it: what a bill run calls its bills is renamed.
"""
from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import calendar_tokens
from emulator import Terminal

from tracker.bill_run import default_due_date

CTRL_C, CTRL_D, CTRL_U, ENTER = "\x03", "\x04", "\x15", ""
LONG_NAME = "Wilhelmina-Alexandrine Quackenbrück-Featherstonehaugh & Daughters"
LONG_ADDRESS = "Third warehouse behind the old lighthouse, 1024 Harbour Promenade North, Port Ellen"


def instead(answer: str) -> str:
    """Return an answer as it is typed where another stands on the line."""
    return f"{CTRL_U}{answer}"


class Walk:
    """A session in which screens are looked at: shot() types answers and keeps what the terminal then shows."""

    def __init__(self, uri: str, columns: int, folder: Path, sql: Callable[..., list[dict[str, Any]]]) -> None:
        self.sql, self.folder = sql, folder
        self.today: date = sql("SELECT CURRENT_DATE AS today")[0]["today"]
        self.shots: dict[str, str] = {}
        self.by_month: dict[str, dict[date, str]] = {}
        self.terminal = Terminal(uri, columns, folder)
        self._row = 0
        self.stays = False

    def start(self, **env: str) -> None:
        """Start the program, on the records that are there, and go on when it asks."""
        self.terminal.start(**env)

    def set_trail(self) -> None:
        """Let every change from now on have been Ada's, three days ago at nine."""
        self.sql("DELETE FROM trail")
        self.sql("""
            ALTER TABLE trail
                ALTER changed_at SET DEFAULT CURRENT_DATE - 3 + time '09:00',
                ALTER person SET DEFAULT 'ada', ALTER login SET DEFAULT 'ada';
            ALTER TABLE equipment_moves ALTER moved_by SET DEFAULT 'ada'
        """)

    def shot(self, name: str, *answers: str | Callable[[], object], whole: bool = False,
             by_month: dict[date, str] | None = None) -> None:
        """Type answers and keep what they led to, without the menu that is shown again unless whole."""
        self._leave_page(answers)
        self.terminal.type(*answers)
        self._keep(name, whole)
        self.by_month[name] = by_month or ({date(self.today.year, 1, 1): "[new year]"} if "statement" in name else {})

    def _leave_page(self, answers: tuple[str | Callable[[], object], ...]) -> None:
        """Leave a list or an account, unless the walk stays in it: what follows is for the menu."""
        first = answers[0] if answers else None
        if not isinstance(first, str) or not first.isdigit() or first == "0":
            return
        while self._row and not self.stays and (self._is_page() or self._is_account()):
            self.terminal.type("0")
            self._row = self.terminal.row()

    def _is_page(self) -> bool:
        return self.terminal.last_lines()[-1].endswith(("back):", "back:", "actions):", "actions:"))

    def _is_account(self) -> bool:
        """Say whether the choice is among an account's actions."""
        shown = self.terminal.last_lines()
        actions = " ".join(shown[len(shown) - shown[::-1].index(""):] if "" in shown else [])
        return "Record payment" in actions and "Statement" in actions

    def _keep(self, name: str, whole: bool) -> None:
        assert name not in self.shots
        row = self.terminal.row()
        shown = self.terminal.lines(self._row, row)
        if shown[-1] == "Choose:" and not whole and "" in shown:
            shown = shown[:len(shown) - 1 - shown[::-1].index("")]
        if shown[0].startswith("Choose: ") and shown[1:2] == [""]:
            shown = shown[2:]
        self.shots[name] = "".join(f"{line}\n" for line in shown)
        self._row = row

    def go(self, *answers: str) -> None:
        """Type answers that lead to a screen without keeping what is shown on the way."""
        self._leave_page(answers)
        self.terminal.type(*answers)
        self._row = self.terminal.row()

    def leave(self) -> None:
        assert self.terminal.leave() == 0

    def close(self) -> None:
        self.terminal.close()

    def file(self, name: str, path: str) -> None:
        """Keep what a file holds."""
        self.shots[name] = (self.folder / path).read_text(encoding="utf-8")

    def day(self, days: int) -> str:
        """Return a day as it is typed, counted from today."""
        return str(self.today + timedelta(days=days))

    def month(self, months: int) -> str:
        return f"{calendar_tokens.month(self.today, months):%Y-%m}"

    def customer(self, name: str, phone_number: str) -> int:
        row, = self.sql("INSERT INTO customers (name, phone_number) VALUES (%s, %s) RETURNING customer_id", name,
                        phone_number)
        return row["customer_id"]

    def location(self, customer_id: int, address: str, services: dict[str, str] | None = None,
                 equipment: dict[str, tuple[str | None, str]] | None = None) -> None:
        """Add a location with its services, each with its cost, and its equipment, each with serial number and cost."""
        row, = self.sql("INSERT INTO locations (customer_id, address) VALUES (%s, %s) RETURNING location_id",
                        customer_id, address)
        for name, cost in (services or {}).items():
            self.sql("INSERT INTO services (location_id, service_name, cost) VALUES (%s, %s, %s)",
                     row["location_id"], name, cost)
        for name, (serial_number, cost) in (equipment or {}).items():
            self.sql("INSERT INTO equipment (location_id, equipment_name, serial_number, cost) VALUES (%s, %s, %s, %s)",
                     row["location_id"], name, serial_number, cost)

    def bill(self, customer_id: int, description: str, billed: str, due: int, issued: int | None = None) -> None:
        """Add a bill that is due so many days from today; it was issued 14 days before, but never after today."""
        self.sql(
            """
            WITH added AS (
                INSERT INTO billing (customer_id, description, amount_billed, due_date, issued_on)
                VALUES (%s, %s, %s, CURRENT_DATE + %s, CURRENT_DATE + %s)
                RETURNING billing_id, description, amount_billed
            )
            INSERT INTO billing_items (billing_id, description, amount) SELECT * FROM added
            """,
            customer_id, description, billed, due, min(due - 14, 0) if issued is None else issued,
        )

    def payment(self, customer_id: int, amount: str, days: int, method: str = "transfer", reference: str | None = None,
                void: str = "") -> None:
        """Record a payment of so many days from today; void it at once when there is a reason."""
        row, = self.sql(
            """
            INSERT INTO payments (customer_id, amount, paid_on, method, reference)
            VALUES (%s, %s, CURRENT_DATE + %s, %s, %s)
            RETURNING payment_id
            """,
            customer_id, amount, days, method, reference,
        )
        self.sql("SELECT apply_credit(ARRAY[%s]::bigint[], ARRAY[%s]::bigint[])", customer_id, row["payment_id"])
        if void:
            self.sql("UPDATE payments SET voided_at = now(), void_reason = %s WHERE payment_id = %s", void,
                     row["payment_id"])
            self.sql("SELECT apply_credit(ARRAY[%s]::bigint[])", customer_id)


def provider(walk: Walk) -> None:
    """Six customers: late, paid up, in credit, without a location, of long and of wide names."""
    ada = walk.customer("Ada Okafor", "+44 20 7946 0958")
    bjorn = walk.customer("Björn Åkesson", "555 0102")
    chen = walk.customer("陳美玲", "555 0103")
    long = walk.customer(LONG_NAME, "555 0104")
    cyd = walk.customer("Cyd O'Hara", "555 0105")
    dede = walk.customer("Dede Mbeki", "555 0106")
    walk.location(ada, "1 Harbour Street", {"Fibre 500": "49.90", "Telephone": "9.50"},
                  {"Router AX3000": ("RT-9E3779B1", "89")})
    walk.location(ada, "2 Harbour Street")
    walk.location(bjorn, "7 Mill Lane", {"Fibre 500": "49.90"}, {"Antenna": (None, "140.25")})
    walk.location(chen, "港灣街三號", {"光纖 500": "49.90"})
    walk.location(long, LONG_ADDRESS, {"Fibre 10000 for business, fixed address, four hours to repair": "1249"},
                  {"Router of the carrier class with redundant power": ("CARRIER-0000-1111-2222-3333-4444", "12500")})
    walk.location(dede, "5 Quarry Road", {"Telephone": "9.50"})
    walk.bill(ada, "Setup", "20", -100)
    walk.bill(ada, "Installation", "75", -40)
    walk.bill(ada, "Repair of the mast", "30.50", -3)
    walk.bill(ada, "Second router", "89", 11)
    for year in range(1, 5):
        walk.bill(bjorn, f"Mast rent, year {year}", "5", -10 * year - 150)
    walk.bill(chen, "裝機費", "10", -130)
    walk.bill(long, "Trenching of the yard, cable, splicing and the measured acceptance of the line", "1249", -70)
    walk.payment(ada, "20", -95)
    walk.payment(ada, "25", -10, "cash", "R-1042")
    walk.payment(ada, "24.90", -2, "transfer", None, "entered twice")
    walk.payment(bjorn, "20", -155, "direct debit")
    walk.payment(cyd, "15", -1, "card", "C-77")


def nothing(walk: Walk) -> None:
    """An empty database, and every menu."""
    walk.start()
    walk.shot("first-screen", whole=True)
    walk.shot("wrong-choice", "9", "x", ENTER)
    names = ("customers", "locations", "services", "equipment", "billing", "reporting", "transfer", "administration")
    for digit, name in enumerate(names, 1):
        walk.shot(f"menu-{name}", str(digit), whole=True)
        walk.shot(f"menu-{name}-wrong-choice", "99")
        walk.go("0")
    walk.shot("main-menu-again", "1", "0", whole=True)
    for digit, kind in enumerate(("customers", "locations", "services", "equipment"), 1):
        walk.go(str(digit))
        walk.shot(f"no-{kind}", "2", ENTER)
        walk.go("0")
    walk.go("5")
    walk.shot("nobody-late", "1")
    walk.shot("no-bills", "3", ENTER)
    walk.go("0", "6")
    walk.shot("no-accounts", "1")
    walk.shot("nobody-owes", "2", ENTER)
    walk.go("0", "8")
    walk.shot("nothing-to-verify", "1")
    walk.shot("ctrl-d-goes-back", CTRL_D, whole=True)
    walk.go("7")
    walk.shot("ctrl-c-goes-back", CTRL_C, whole=True)


def customers(walk: Walk) -> None:
    provider(walk)
    walk.start()
    walk.shot("first-screen", whole=True)
    walk.go("1")
    walk.shot("list", "2", ENTER)
    walk.shot("account-of-a-debtor", "2", "1")
    walk.go(ENTER)
    walk.shot("account-paid-up", "2", "2")
    walk.shot("account-without-location", "2", "5")
    walk.shot("account-of-a-long-name", "2", "4")
    walk.go(ENTER)
    walk.shot("no-such-id", "2", "999", "99999999999999999999", "nobody", "\u200b", CTRL_D)
    walk.shot("add", "1", "Noor Haddad", "555-0177")
    walk.shot("add-refused", "1", ENTER, "x" * 201, "Noor\u200b", "Noor", "12", "call me", CTRL_C)
    walk.shot("known-phone", "1", "Zoe Okafor", "+442079460958", "no")
    walk.shot("known-phone-added", "1", "Zoe Okafor", "+442079460958", "yes")
    walk.shot("update", "3", "8", instead("Zoë Okafor"), instead("555 0199"), "zoe@example.com", "K-1007")
    walk.shot("update-kept", "3", "8", ENTER, ENTER, ENTER, ENTER)
    walk.shot("account-with-email", "2", "zoe@")
    walk.shot("account-by-its-number", "2", "k-1007")
    walk.shot("update-taken-account-number", "3", "5", ENTER, ENTER, ENTER, "k-1007", CTRL_C)
    walk.shot("list-with-account-numbers", "2", ENTER)
    walk.sql("UPDATE customers SET account_number = '2' WHERE customer_id = 5")
    walk.shot("id-and-account-number", "2", "2", "2")
    walk.shot("update-refused", "3", "8", ENTER, instead("12"), CTRL_C)
    walk.shot("delete", "4", "8", "yes")
    walk.shot("not-deleted", "4", "6", "no")
    walk.shot("delete-with-sites", "4", "6", "yes")
    walk.shot("delete-with-money", "4", "1")
    walk.shot("delete-changed-meanwhile", "4", "7",
              lambda: walk.sql("INSERT INTO locations (customer_id, address) VALUES (7, 'Here')"), "yes")
    walk.shot("delete-left", "4", "7", CTRL_D)
    walk.shot("gone-meanwhile", "3", "7", lambda: walk.sql("DELETE FROM customers WHERE customer_id = 7"),
              instead("Noor"), ENTER, ENTER, ENTER)


def closing(walk: Walk) -> None:
    """Accounts that end; none that is closed has a service that costs, whose last bill is another one every day."""
    provider(walk)
    walk.location(5, "3 Mill Lane", {}, {"Antenna": ("AN-7", "140.25")})
    twin = walk.customer("Ada Okafor-Li", "+44 20 7946 0958")
    walk.location(twin, "1 Harbour Street", {"TV": "12"})
    noor = walk.customer("Noor Haddad", "555 0177")
    walk.start()
    walk.go("1")
    walk.sql("UPDATE services SET cost = 0 WHERE service_id = 1")
    walk.sql("UPDATE services SET cost = 19.90, started_on = '2020-01-01', ended_on = '2020-01-31' "
             "WHERE service_id = 2")
    walk.shot("not-closed", "6", "1", ENTER, "left", "no")
    walk.sql("UPDATE services SET cost = 49.90 WHERE service_id = 1")
    walk.sql("UPDATE services SET cost = 9.50, started_on = NULL, ended_on = NULL WHERE service_id = 2")
    walk.shot("closed", "6", "5", walk.day(-3), ENTER, "yes")
    walk.shot("closed-already", "6", "5")
    walk.shot("list-of-closed", "2", "closed")
    walk.go(ENTER)
    walk.shot("found", "2", "mill lane")
    walk.go("0", "0")
    walk.shot("account", "2", "5")
    walk.go("0")
    walk.shot("known", "1", "Cyd O'Hara", "555 0999", "no")
    walk.go("0", "2")
    walk.shot("nothing-added", "1", "5")
    walk.go("0", "1")
    walk.shot("not-erased-with-credit", "8", "5")
    walk.shot("reopened", "7", "5", "yes")
    walk.shot("not-closed-yet", "7", "5")
    walk.shot("erased-when-closed", "8", str(noor))
    walk.shot("closed-with-nothing", "6", str(noor), walk.day(-3), "yes")
    walk.shot("not-erased", "8", str(noor), "yes", "no")
    walk.shot("erased", "8", str(noor), "noor haddad")
    walk.shot("erased-account", "2", str(noor))
    walk.shot("not-merged", "9", "1", str(twin), "no")
    walk.shot("merged", "9", "1", str(twin), "yes")
    walk.shot("merged-id", "2", str(twin))
    walk.shot("not-merged-with-itself", "9", "1", "1")


def locations(walk: Walk) -> None:
    provider(walk)
    walk.start()
    walk.go("2")
    walk.shot("list", "2", ENTER)
    walk.shot("one", "2", "1")
    walk.shot("one-empty", "2", "location 2")
    walk.shot("one-long", "2", "location 5")
    walk.shot("no-such-id", "2", "999", "nowhere", CTRL_D)
    walk.shot("add", "1", "5", "12 Orchard Row")
    walk.shot("add-long", "1", "4", f"{LONG_ADDRESS}, second floor")
    walk.shot("add-refused", "1", "5", ENTER, "x" * 301, "12 Orchard Row", CTRL_C)
    walk.shot("update", "3", "7", instead("14 Orchard Row"))
    walk.shot("update-kept", "3", "7", ENTER)
    walk.shot("update-taken", "3", "location 2", instead("1 Harbour Street"), CTRL_C)
    walk.shot("delete", "4", "7", "yes")
    walk.shot("not-deleted", "4", "1", "no")
    walk.shot("delete-with-contents", "4", "1", "yes")
    walk.shot("delete-left", "4", "location 2", CTRL_C)
    walk.shot("delete-changed-meanwhile", "4", "location 2",
              lambda: walk.sql("INSERT INTO services (location_id, service_name, cost) VALUES (2, 'Fibre', 1)"), "yes")
    walk.shot("customer-gone-meanwhile", "1", "6",
              lambda: walk.sql("DELETE FROM customers WHERE customer_id = 6"), "Here")


def services(walk: Walk) -> None:
    provider(walk)
    walk.start()
    walk.go("3")
    walk.shot("list", "2", ENTER)
    walk.shot("one", "2", "1")
    walk.shot("one-long", "2", "service 5")
    walk.shot("no-such-id", "2", "999", "nothing", CTRL_D)
    walk.shot("add", "1", "location 2", "Television", "12", "always")
    walk.shot("add-refused", "1", "location 2", ENTER, "x" * 101, "Cable", ENTER, "-1", "1.999", "12,50",
              "12345678901", "12", "soon", CTRL_D)
    walk.shot("update", "3", "1", instead("Fibre 1000"), instead("59.9"), ENTER)
    walk.shot("update-kept", "3", "1", ENTER, ENTER, ENTER)
    walk.shot("update-refused", "3", "1", ENTER, instead("free"), CTRL_C)
    walk.shot("not-deleted", "4", "1", "y", "no")
    walk.shot("delete", "4", "1", "YES")
    walk.shot("delete-left", "4", "service 2", CTRL_C)
    walk.shot("location-gone-meanwhile", "1", "location 2", "Cable",
              lambda: walk.sql("DELETE FROM locations WHERE location_id = 2"), "10", ENTER)


def service_days(walk: Walk) -> None:
    """Services that end and rest, and prices that change from a day on."""
    provider(walk)
    walk.location(6, "9 Quarry Road", {"Fibre 500": "39.90"})
    next_month = {calendar_tokens.month(walk.today, 1): "[01 mon+1]"}
    walk.start()
    walk.go("3")
    walk.shot("ends", "6", "1", walk.day(10))
    walk.shot("ends-already", "6", "1", ENTER)
    walk.shot("one-that-ends", "2", "1")
    walk.shot("goes-on", "6", "1", "none")
    walk.shot("end-refused", "6", "service 2", "soon", "2026-02-30", CTRL_C)
    walk.shot("rests", "7", "service 2", walk.day(3), walk.day(20))
    walk.shot("rests-until-further-notice", "7", "service 3", ENTER, ENTER)
    walk.shot("rest-refused", "7", "service 4", walk.day(3), walk.day(2), CTRL_D)
    walk.shot("rest-twice", "7", "service 2", ENTER, walk.day(5), walk.day(30), CTRL_C)
    walk.shot("rest-shortened", "7", "service 2", "1", walk.day(9))
    walk.shot("rest-kept", "7", "service 2", "1", ENTER)
    walk.shot("rest-removed", "7", "service 2", "1", "remove")
    walk.shot("one-that-rests", "2", "service 3")
    walk.shot("list", "2", ENTER)
    walk.shot("price-of-no-name", "8", "Satellite", CTRL_C)
    walk.shot("price-not-changed", "8", "phone", "11", ENTER, "no", by_month=next_month)
    walk.shot("price", "8", "Telephone", "11", walk.day(40), "22.00", by_month=next_month)
    walk.shot("price-there-already", "8", "Telephone", "11", walk.day(40), by_month=next_month)
    walk.shot("price-of-those-with-their-own-left", "8", "Fibre 500", "59.90", walk.day(40), "2", "0", "no", "no",
              by_month=next_month)
    walk.shot("price-of-all", "8", "Fibre 500", "59.90", walk.day(40), "yes", "1", "0", "179.70",
              by_month=next_month)
    walk.shot("one-with-another-price-to-come", "2", "1")


def equipment(walk: Walk) -> None:
    walk.set_trail()
    provider(walk)
    walk.start()
    walk.go("4")
    walk.shot("list", "2", ENTER)
    walk.shot("one", "2", "1")
    walk.shot("one-without-serial", "2", "2")
    walk.shot("no-such-id", "2", "999", "nothing", CTRL_D)
    walk.shot("add", "1", "location 2", "Telephone", "T-1", "25.5")
    walk.shot("add-without-serial", "1", "location 2", "Cable", ENTER, "0")
    walk.shot("add-taken-serial", "1", "location 2", "Router", "RT-9E3779B1", "89", CTRL_C)
    walk.shot("add-refused", "1", "location 2", ENTER, "Router", "x" * 101, ENTER, "cheap", CTRL_D)
    walk.shot("update", "3", "1", instead("Router AX6000"), instead("RT-2"), instead("129"))
    walk.shot("update-kept", "3", "1", ENTER, ENTER, ENTER)
    walk.shot("update-serial-away", "3", "1", ENTER, instead(""), ENTER)
    walk.shot("update-taken-serial", "3", "1", ENTER, instead("T-1"), ENTER, CTRL_C)
    walk.shot("not-deleted", "4", "1", ENTER)
    walk.shot("delete", "4", "1", "yes")
    walk.shot("delete-left", "4", "2", CTRL_C)


def stock(walk: Walk) -> None:
    """Devices that come into stock, are moved, swapped and written off."""
    walk.set_trail()
    provider(walk)
    walk.start()
    walk.go("4")
    walk.shot("nothing-in-stock", "6")
    walk.shot("add-to-stock", "1", "stock", "Router AX3000", "RT-2222", "89", "Router AX3000", "RT-3333", "85", ENTER)
    walk.shot("in-stock", "6")
    walk.stays = True
    walk.shot("opened", "4")
    walk.stays = False
    walk.shot("move-from-stock", "7", "RT-2222", "location 2")
    walk.shot("take-back", "7", "equipment 2", "stock")
    walk.shot("there-already", "7", "equipment 2", "stock", CTRL_C)
    walk.shot("swap", "8", "RT-9E3779B1", ENTER, "rt 3333")
    walk.shot("swap-for-a-new-one", "8", "RT-2222", "written off", "new", "Router AX6000", "RT-4444", "129")
    walk.shot("swap-refused", "8", "RT-9E3779B1", "RT-3333", "sold", "stock", "RT-4444", "equipment 6", CTRL_C)
    walk.shot("not-written-off", "9", "RT-9E3779B1", "no")
    walk.shot("written-off", "9", "RT-9E3779B1", "yes")
    walk.shot("written-off-already", "9", "RT-9E3779B1")
    walk.shot("places", "2", "RT-9E3779B1")
    walk.shot("moved-meanwhile", "7", "RT-3333",
              lambda: walk.sql("UPDATE equipment SET location_id = NULL WHERE serial_number = 'RT-3333'"), "location 3")
    walk.shot("in-stock-then", "6")
    walk.shot("history", "5", "equipment 5")
    walk.go("0", "0", "6")
    walk.shot("by-model", "7")
    walk.stays = True
    walk.shot("who-has-it", "3")
    walk.shot("who-has-it-opened", "6")


def bills(walk: Walk) -> None:
    provider(walk)
    walk.start()
    walk.go("5")
    walk.shot("late", "1")
    walk.shot("list", "3", ENTER)
    walk.shot("one-late", "3", "bill 2")
    walk.shot("one-paid", "3", "1")
    walk.shot("one-long", "3", "10")
    walk.shot("no-such-id", "3", "999", "nothing", CTRL_D)
    walk.shot("add", "2", "6", "Repair", "40", walk.day(14))
    walk.shot("add-from-credit", "2", "5", "Repair", "40", walk.day(-1))
    walk.shot("add-refused", "2", "6", ENTER, "x" * 201, "Repair", "0", "much", "1", "soon", "2026-02-30", "1999-12-31",
              "2200-01-01", CTRL_C)
    walk.shot("update", "4", "11", instead("Repair of the roof"), instead("45.5"), instead(walk.day(-5)))
    walk.shot("updated", "3", "11")
    walk.shot("update-kept", "4", "11", ENTER, ENTER, ENTER)
    walk.shot("update-below-paid", "4", "12", ENTER, instead("5"), ENTER)
    walk.shot("update-refused", "4", "11", ENTER, instead("0"), instead("1"), instead("never"), CTRL_D)
    walk.shot("not-deleted", "5", "11", "no")
    walk.shot("delete", "5", "11", "yes")
    walk.shot("delete-paid-on", "5", "12", "yes")
    walk.shot("delete-left", "5", "bill 3", CTRL_C)


def payments(walk: Walk) -> None:
    provider(walk)
    walk.start()
    walk.go("5")
    walk.shot("list-with-a-void", "7", "1")
    walk.shot("list-of-none", "7", "6")
    walk.shot("record", "6", "6", "12", ENTER, ENTER, ENTER)
    walk.shot("record-over-bills", "6", "1", "60", "yesterday", "1", "R-1043", ENTER)
    walk.shot("record-aimed", "6", "1", "10", walk.day(-4), "direct debit", ENTER, "4")
    walk.shot("record-more-than-is-owed", "6", "3", "12.5", "today", "6", ENTER)
    walk.shot("record-repeated", "6", "1", "10", walk.day(-4), "4", ENTER, ENTER, "no")
    walk.shot("record-repeated-on-purpose", "6", "1", "10", walk.day(-4), "4", ENTER, ENTER, "yes")
    walk.shot("record-ten-times", "6", "6", "1000", ENTER, ENTER, ENTER, "no")
    walk.shot("record-ten-times-on-purpose", "6", "6", "95", ENTER, ENTER, ENTER, "yes")
    walk.shot("record-almost-ten-times", "6", "6", "94.99", ENTER, ENTER, ENTER)
    walk.shot("record-year-old", "6", "1", "5", walk.day(-367), ENTER, ENTER, ENTER, "no")
    walk.shot("record-a-year-ago", "6", "1", "5", walk.day(-364), ENTER, ENTER, ENTER)
    walk.shot("record-refused", "6", "1", ENTER, "0", "5", walk.day(1), "2199-01-01", "then", "today", "7", "barter",
              "cash", "x" * 101, ENTER, "1", "oldest", CTRL_C)
    walk.shot("record-left", "6", "1", CTRL_D)
    walk.shot("bill-paid-meanwhile", "6", "1", "5", ENTER, ENTER, ENTER,
              lambda: walk.sql("DELETE FROM billing WHERE billing_id = 4"), "4")
    walk.shot("list", "7", "1")
    walk.shot("void", "8", "7", "bounced", "yes")
    walk.shot("void-credit", "8", "5", "wrong customer", "yes")
    walk.shot("not-voided", "8", "8", "bounced", "no")
    walk.shot("void-refused", "8", "8", ENTER, "x" * 201, CTRL_C)
    walk.shot("void-already", "8", "7")
    walk.shot("void-already-meanwhile", "8", "8", "bounced", lambda: walk.sql(
        "UPDATE payments SET voided_at = now(), void_reason = 'bounced' WHERE payment_id = 8"), "yes")
    walk.shot("no-such-payment", "8", "999", "nobody", CTRL_D)
    walk.shot("list-after-voids", "7", "1")
    walk.shot("record-oldest-credit", "6", "6", "30", walk.day(-5), ENTER, ENTER)
    walk.shot("bill-from-the-oldest-credit", "2", "6", "Repair", "20", walk.day(7))
    walk.shot("credit-left", "7", "6")
    walk.shot("raised-bill-from-credit", "4", "11", ENTER, instead("25"), ENTER)
    walk.shot("credit-left-then", "7", "6")


def credits(walk: Walk) -> None:
    """What is owed is lowered without money received, and money is given back."""
    provider(walk)
    walk.start()
    walk.go("5")
    walk.shot("credit-note", "13", "1", "60", "Outage of a week")
    walk.shot("credit-note-with-nothing-owed", "13", "6", "5", "Outage of a day")
    walk.shot("credit-note-refused", "13", "1", "0", "5", ENTER, "x" * 201, CTRL_C)
    walk.shot("write-off", "14", "1", ENTER, "4", "Moved away")
    walk.shot("write-off-of-one-bill", "14", "4", ENTER, "Insolvent")
    walk.shot("write-off-refused", "14", "3", "10.01", "0", CTRL_D)
    walk.shot("write-off-with-nothing-owed", "14", "6")
    walk.shot("refund-of-credit", "15", "5", ENTER, "6", ENTER, "R-77")
    walk.shot("refund-refused", "15", "5", ENTER, "9.01", "9", "barter", CTRL_C)
    walk.shot("refund-of-a-payment", "15", "1", "2", "10", "cash", ENTER)
    walk.shot("refund-with-nothing-to-give", "15", "3")
    walk.shot("list", "7", "1")
    walk.shot("credit-note-void", "8", "payment 6", "wrong customer", "yes")
    walk.shot("refund-void", "8", "payment 10", "not paid out", "yes")
    walk.go("0", "1")
    walk.stays = True
    walk.shot("account", "2", "1")
    walk.shot("statement", ENTER, "9", walk.day(-120), ENTER)


def bill_run(walk: Walk) -> None:
    """A bill run's dates depend on the day of the month, and are said to.

    Which of a run's bills has the lower ID is the server's choice: bills whose IDs are shown were made alone.
    """
    ada = walk.customer("Ada Okafor", "555 0101")
    bjorn = walk.customer("Björn Åkesson", "555 0102")
    dede = walk.customer("Dede Mbeki", "555 0106")
    eve = walk.customer("Eve Lindqvist", "555 0107")
    walk.location(bjorn, "7 Mill Lane", {"Fibre 500": "49.90"})
    walk.payment(bjorn, "20", 0)
    due_date = {default_due_date(calendar_tokens.month(walk.today, 0), walk.today): "[due date]"}
    later = {calendar_tokens.month(walk.today, n).replace(day=15): f"[15 mon{n:+d}]" for n in (1, 2, 3)}
    walk.start()
    walk.go("5")
    walk.shot("not-the-total", "9", ENTER, ENTER, "yes", "no", by_month=due_date)
    walk.shot("left", "9", ENTER, ENTER, CTRL_C, by_month=due_date)
    walk.shot("run", "9", ENTER, ENTER, "49.90", by_month=due_date)
    walk.sql("UPDATE billing SET description = 'A month'")
    walk.shot("run-again", "9", ENTER, ENTER, by_month=due_date)
    walk.shot("bill-of-the-run", "3", "bill 1", by_month=due_date)
    walk.location(ada, "1 Harbour Street", {"Fibre 500": "49.90", "Telephone": "9.50"})
    walk.location(dede, "5 Quarry Road", {"Telephone": "9.50"})
    walk.shot("run-for-the-rest", "9", ENTER, walk.day(30), "68.90", by_month=due_date)
    walk.sql("DELETE FROM services WHERE service_id = 1")
    walk.sql("UPDATE services SET cost = 7 WHERE service_id = 3")
    walk.location(eve, "3 Birch Row", {"Fibre 500": "49.90"})
    walk.shot("run-with-changes", "9", walk.month(1), ENTER, "0", "no", by_month=later)
    walk.shot("total-changed-meanwhile", "9", walk.month(1), ENTER,
              lambda: walk.sql("UPDATE services SET cost = 8 WHERE service_id = 3"), "113.80", by_month=later)
    walk.shot("month-far-ahead", "9", walk.month(3), ENTER, "no", by_month=later)
    walk.shot("month-after-next", "9", walk.month(2), walk.day(90), "no", by_month=later)
    walk.shot("month-long-ago-and-due-date-past", "9", walk.month(-2), walk.day(-1), "no")
    walk.shot("month-before-last", "9", walk.month(-2), ENTER, "no")
    walk.shot("last-month", "9", walk.month(-1), ENTER, "no")
    walk.shot("due-today", "9", walk.month(1), walk.day(0), "no", by_month=later)
    walk.shot("refused", "9", "May", "2026-13", "2026", walk.month(0), "soon", "15", CTRL_D, by_month=due_date)
    walk.shot("undo-none", "10", walk.month(5))
    walk.shot("undo-refused", "10", ENTER, "2026-00", CTRL_C)
    walk.bill(eve, "A month", "49.90", 0)
    walk.sql("UPDATE billing SET period = %s WHERE customer_id = %s", calendar_tokens.month(walk.today, 0), eve)
    walk.payment(eve, "10", 0)
    walk.shot("undo-not-confirmed", "10", walk.month(0), "no")
    walk.shot("undo-left", "10", walk.month(0), CTRL_D)
    walk.shot("undo", "10", walk.month(0), "yes")
    walk.shot("undo-with-nothing-to-remove", "10", walk.month(0))


def late_customers(walk: Walk) -> None:
    """Notes and promises, and late fees."""
    provider(walk)
    walk.sql("UPDATE billing SET issued_on = due_date - 14")
    walk.sql("ALTER TABLE customer_notes ALTER noted_by SET DEFAULT 'ada'")
    walk.start(LATE_FEE="5.00", LATE_FEE_AFTER_DAYS="14")
    walk.stays = True
    walk.go("陳美玲")
    walk.shot("note-and-promise", "11", "Will pay all of it, rang from the mast.", walk.day(9), ENTER, whole=True)
    walk.shot("nothing-noted", "11", ENTER, ENTER)
    walk.shot("refused", "11", "x" * 2001, "Nobody there.", walk.day(-1), ENTER)
    walk.shot("left", "11", "Nobody there.", CTRL_C)
    walk.shot("another-promise", "11", ENTER, "+3", "5")
    walk.shot("fourth-note", "11", "Rang again, and was told that the mast had been sold to a neighbour.", ENTER)
    walk.shot("account-with-notes", ENTER, whole=True)
    walk.shot("all-notes", "13")
    walk.shot("a-note-in-full", "4")
    walk.go("q", "0", "5")
    walk.shot("late-fees-but-for-who-promised", "16", "no")
    walk.sql("UPDATE customer_notes SET promised_until = CURRENT_DATE - 1, noted_on = CURRENT_DATE - 5 "
             "WHERE promised_until IS NOT NULL")
    walk.go("0", "陳美玲")
    walk.shot("a-broken-promise", ENTER, whole=True)
    walk.go("0", "5")
    walk.stays = False
    walk.shot("late-fees-list", "16", "1")
    walk.shot("late-fees-refused", "5", "no")
    walk.shot("late-fees-left", "16", CTRL_C)
    walk.shot("no-late-fees-to-undo", "17")
    walk.shot("late-fees", "16", "15.00")
    walk.shot("late-fees-again", "16")
    walk.shot("bill-with-a-late-fee-deleted", "5", "bill 2")
    walk.shot("undo-late-fees-of-another-day", "17", walk.day(-2))
    walk.shot("undo-late-fees-not-confirmed", "17", ENTER, "no")
    walk.payment(3, "12", 0)
    walk.shot("undo-late-fees", "17", ENTER, "yes")
    walk.shot("undo-late-fees-that-all-stay", "17", ENTER)


def no_late_fee(walk: Walk) -> None:
    """Where no late fee is set."""
    walk.start()
    walk.go("5")
    walk.shot("late-fees", "16")
    walk.shot("undo-late-fees", "17")


def reports(walk: Walk) -> None:
    provider(walk)
    fay = walk.customer("Fay Grønlund", "555 0108")
    walk.bill(fay, "Due today", "1", 0)
    for days in (1, 30, 31, 60, 61, 90, 91):
        walk.bill(fay, f"{days} days late", str(days), -days)
    gil = walk.customer("Gil Mora", "555 0109")
    walk.bill(gil, "Installation", "75", 14, issued=0)
    walk.payment(gil, "80", 0)
    hal = walk.customer("Hal Nowak", "555 0120")
    walk.bill(hal, "Paid 8 days ago, void since 4", "50", -20)
    walk.payment(hal, "50", -8, void="bounced")
    walk.sql("UPDATE payments SET voided_at = now() - interval '4 days' WHERE customer_id = %s", hal)
    walk.start()
    walk.go("6")
    walk.shot("accounts", "1")
    for page in range(2, 7):
        walk.shot(f"accounts-page-{page}", ENTER)
    walk.go(ENTER)
    walk.shot("aging", "2", ENTER)
    walk.shot("aging-yesterday", "2", "yesterday")
    walk.shot("aging-a-month-ago", "2", walk.day(-30))
    walk.shot("aging-the-day-before-a-payment", "2", walk.day(-9))
    walk.shot("aging-on-the-day-of-a-payment", "2", walk.day(-8))
    walk.shot("aging-the-day-before-a-void", "2", walk.day(-5))
    walk.shot("aging-on-the-day-of-a-void", "2", walk.day(-4))
    walk.shot("aging-before-all", "2", walk.day(-300))
    walk.shot("aging-refused", "2", walk.day(1), "then", CTRL_C)
    walk.shot("statement-of-this-year", "4", str(gil), ENTER, ENTER)
    walk.shot("statement", "4", "1", walk.day(-60), "today")
    walk.go(ENTER)
    walk.shot("statement-of-a-past-span", "4", "1", walk.day(-60), "yesterday")
    walk.go(ENTER)
    walk.shot("statement-of-long-lines", "4", "4", walk.day(-90), ENTER)
    walk.shot("statement-of-credit", "4", "5", walk.day(-5), ENTER)
    walk.shot("statement-backwards", "4", "1", "today", "yesterday", CTRL_C)
    walk.shot("statement-refused", "4", "1", "then", walk.day(-9), walk.day(1), CTRL_C)


def revenue(walk: Walk) -> None:
    ada = walk.customer("Ada Okafor", "555 0101")
    walk.location(ada, "1 Harbour Street", {"Fibre 500": "49.90", "Telephone": "9.50"})
    walk.location(ada, "2 Harbour Street", {"Fibre 500": "44.90", LONG_ADDRESS: "1000"})
    for month, billed, paid in ((-12, 500, 500), (-11, 10, 0), (-3, 104.3, 50), (-1, 104.3, 104.3), (0, 1104.3, 0.01)):
        walk.sql("INSERT INTO billing (customer_id, description, amount_billed, issued_on, due_date) "
                 "VALUES (%s, 'A month', %s, %s, '2199-12-31')", ada, billed, calendar_tokens.month(walk.today, month))
        if paid:
            walk.sql("INSERT INTO payments (customer_id, amount, paid_on) VALUES (%s, %s, %s)", ada, paid,
                     calendar_tokens.month(walk.today, month))
    walk.sql("SELECT apply_credit()")
    walk.start()
    walk.go("6")
    walk.shot("revenue", "3")
    walk.shot("revenue-next-page", ENTER)
    walk.shot("revenue-previous-page", "p")
    walk.go("0")
    walk.shot("revenue-by-date-of-issue", "5")


def received(walk: Walk) -> None:
    provider(walk)
    walk.sql("DELETE FROM payment_allocations; DELETE FROM payments")
    for number in range(1, 31):
        walk.payment(1, f"{number}.50", -1 - number // 10, ("cash", "direct debit", "card")[number % 3], f"R-{number}")
    walk.payment(4, "1049.00", -1, "transfer", "Invoice of the warehouse, first and second part", void="bounced")
    walk.sql("INSERT INTO payments (customer_id, kind, amount, method) VALUES (5, 'refund', 20, 'transfer')")
    walk.start()
    walk.go("6")
    walk.shot("today", "8", ENTER)
    walk.shot("a-span", "8", walk.day(-4), ENTER)
    walk.shot("a-span-second-page", ENTER)
    walk.shot("opened", "8", walk.day(-1), ENTER, "14")
    walk.shot("a-day", "8", walk.day(-4), walk.day(-4))
    walk.shot("no-day", "8", walk.day(-9), walk.day(-8))
    walk.shot("refused", "8", walk.day(1), "then", walk.day(-1), walk.day(-2), CTRL_C)


def bank(walk: Walk) -> None:
    """A bank's file, and the lines of it that somebody decides on."""
    provider(walk)
    walk.sql("UPDATE customers SET account_number = 'K-1007' WHERE customer_id = 1")
    twin = walk.customer("Björn Åkesson", "555 0177")
    walk.bill(twin, "Setup", "49.90", 5)
    files = {
        "november.csv": "Booking date;Amount;Payer;Reference;IBAN\n"
                        f"{walk.day(-6)};80,50;ADA OKAFOR;Kd.Nr. K-1007 thank you;DE02120300000000202051\n"
                        f"{walk.day(-5)};10,00;陳美玲;光纖;\n"
                        f"{walk.day(-5)};49,90;Bjoern Akesson;Setup;DE02500105170137075030\n"
                        f"{walk.day(-4)};60,00;Mbeki & O'Hara;for the two of us;DE02100500000054540402\n"
                        f"{walk.day(-4)};24,90;Ada Okafor;K-1007 second;DE02120300000000202051\n"
                        f"{walk.day(-3)};12,00;Harbour Insurance;claim 77-1;\n"
                        f"{walk.day(-3)};-87,00;Power Grid;invoice 4711;\n"
                        f"{walk.day(-2)};1.249,00;Wilhelmina-Alexandrine Quackenbrueck-Featherstonehaugh;"
                        "TRENCHING OF THE YARD, CABLE, SPLICING AND THE MEASURED ACCEPTANCE OF THE LINE;\n"
                        f"{walk.day(-2)};much;Somebody;nothing;\n",
        "days.csv": "Date,Amount,Payer,Reference\n03/04/2024,15.00,Cyd O'Hara,May\n",
        "columns.csv": f"Day,What came,Whoever,Words\n{walk.day(-3)},15.00,Cyd O'Hara,May\n",
        "none.csv": "Name,Phone\nHana Sato,555 0110\n",
    }
    for name, content in files.items():
        (walk.folder / name).write_text(content, encoding="utf-8")
    walk.start()
    walk.go("5")
    walk.shot("no-line-open", "19")
    walk.shot("no-file-of-a-bank", "18", "missing.csv", "none.csv", "0")
    walk.shot("not-booked", "18", "november.csv", "no")
    walk.shot("booked-and-the-first-line-to-decide-on", "18", "november.csv", "yes")
    walk.stays = True
    walk.shot("a-candidate-picked", "1")
    walk.shot("undone", "u")
    walk.shot("wrong-keys", "8", "x")
    walk.shot("somebody-else-found", "dede", "no", "cyd", "yes")
    walk.shot("by-the-customers-id", "C7")
    walk.shot("split", "s", "1", "Cyd", "100", "20", "0", "s", "Dede", ENTER)
    walk.shot("not-to-book", "a", "n")
    walk.shot("to-book-after-all", "a", "x", "1", "n")
    walk.shot("left-for-later", "l")
    walk.shot("what-is-left", "19", "u")
    walk.shot("left", "0")
    walk.go("19", "n")
    walk.shot("set-aside-and-none-open", "19", ENTER)
    walk.shot("opened-again", "19", "1")
    walk.shot("left-again", "q")
    walk.shot("the-same-file-again", "18", "november.csv")
    walk.shot("days-asked", "18", "days.csv", "x", CTRL_C)
    walk.shot("columns-asked", "18", "columns.csv", "Day", "amount=What", "booked_on=Day", "0")
    walk.shot("columns-said-and-remembered", "18", "columns.csv", "amount=What came", "booked_on=Day", "yes",
              "Harbour Bank")
    walk.go("q")
    walk.shot("a-bank-that-is-known", "18", "columns.csv", "harbour bank")
    walk.shot("no-such-file", "18", "missing.csv", CTRL_C)


def searches(walk: Walk) -> None:
    walk.set_trail()
    provider(walk)
    for number in range(1, 26):
        walk.customer(f"Tenant {number}", f"556 {number:04}")
    walk.location(7, "Tower Block, flat 1")
    walk.location(8, "Tower Block, flat 2")
    walk.start()
    walk.go("1")
    walk.shot("one-customer", "2", "björn")
    walk.shot("several-customers", "2", "harbour", "2")
    walk.go(ENTER)
    walk.shot("no-such-hit", "2", "harbour", "3", "x", "0", CTRL_C)
    walk.shot("a-callers-number", "2", "0102")
    walk.shot("digits-that-are-no-id", "2", "5560", ENTER, CTRL_C)
    walk.shot("more-than-twenty", "2", "tenant", ENTER, CTRL_C)
    walk.go("0", "2")
    walk.shot("locations", "2", "tower", "2")
    walk.go("0", "3")
    walk.shot("services", "2", "fibre", ENTER, CTRL_D)
    walk.go("0", "4")
    walk.shot("equipment", "2", "router", ENTER, CTRL_D)
    walk.shot("equipment-by-serial-number", "2", "RT-9E3779B1")
    walk.go("0", "5")
    walk.shot("bills", "3", "okafor", "1")
    walk.shot("payments", "8", "okafor", ENTER, CTRL_D)
    walk.shot("customer-of-payments", "7", "mast", "okafor")


def accounts(walk: Walk) -> None:
    """An account: how it is found from the main menu, what is done to it, and what its number leads to."""
    provider(walk)
    for number in range(7, 31):
        walk.customer(f"Tenant {number}", f"556 {number:04}")
    walk.start()
    walk.stays = True
    walk.shot("found-by-name", "björn", whole=True)
    walk.shot("again", ENTER, whole=True)
    walk.shot("wrong-choice", "x", "14")
    walk.shot("record-payment", "1", "12", ENTER, ENTER, ENTER, whole=True)
    walk.shot("add-bill", "2", "Repair", "40", walk.day(14), whole=True)
    walk.shot("add-service", "4", "Telephone", "9.50", ENTER)
    walk.shot("add-equipment", "5", "Cable", ENTER, "0", ENTER)
    walk.shot("add-location", "3", "9 Mill Lane")
    walk.shot("add-service-at-one-of-several", "4", "2", "Telephone", "9.50", ENTER)
    walk.shot("add-equipment-left-at-the-location", "5", "0")
    walk.shot("update", "6", ENTER, instead("555 0199"), ENTER, ENTER)
    walk.shot("all-bills", "7")
    walk.shot("all-bills-opened", "5")
    walk.shot("all-bills-left", "q")
    walk.shot("all-payments", "8")
    walk.shot("all-payments-opened", "4")
    walk.go("0")
    walk.shot("statement", "9", walk.day(-30), ENTER)
    walk.shot("back", "0", whole=True)
    walk.shot("hits", "tenant", whole=True)
    walk.shot("hits-next", ENTER, whole=True)
    walk.shot("hits-wrong-number", "99")
    walk.shot("hit-picked", "22")
    walk.go("0")
    walk.shot("found-by-number", "555 0105")
    walk.go("0")
    walk.shot("no-such-number", "999")
    walk.shot("nobody-of-that-name", "Noor Haddad")
    walk.shot("added-by-name", "yes", "555-0177", whole=True)
    walk.shot("first-location-with-a-service", "4", "9 Elm Close", "Fibre 500", "49.90", ENTER)
    walk.go("0", "5")
    walk.shot("opened-from-the-late-list", "1", "3")
    walk.shot("late-list-again", "0")
    walk.go("0", "0", "3")
    walk.shot("a-number-of-two-meanings", "1", "2")
    walk.shot("the-customers-own-picked", "2", "Telephone", "9.50", ENTER)
    walk.shot("a-strangers-location-alone", "1", "5")
    walk.shot("search-again", "0")
    walk.shot("a-customers-number-alone", "31", "1")
    walk.go(CTRL_C)
    walk.shot("an-id-left", "1", "0", whole=True)


def paging(walk: Walk) -> None:
    for number in range(1, 46):
        walk.customer(f"Tenant {number}", f"556 {number:04}")
        walk.bill(number, "Rent", str(number), -number)
    walk.start()
    walk.go("1")
    walk.shot("table", "2", ENTER)
    walk.shot("table-next", ENTER)
    walk.shot("table-previous", "p")
    walk.shot("table-next-by-letter", "n")
    walk.shot("table-last", "n")
    walk.shot("table-wrong-turn", "x", "n")
    walk.shot("table-back", ENTER, whole=True)
    walk.shot("table-left", "2", ENTER, CTRL_C)
    walk.go("0", "5")
    walk.shot("table-with-footer", "1")
    walk.go("0", "0", "6")
    walk.shot("table-with-total", "2", ENTER)
    walk.shot("table-with-total-last", "n", ENTER, ENTER)
    walk.shot("text", "1")
    walk.shot("text-wrong-turn", "p")
    walk.shot("text-next", "n")
    walk.shot("text-previous", "p")
    walk.shot("text-back", "0", whole=True)


def imports(walk: Walk) -> None:
    provider(walk)
    write = {
        "new.csv": "Customer name,Mobile No.,Street,Plan,Monthly fee,Router,Serial,Device cost,Colour\n"
                   "Hana Sato,555 0110,9 Elm Close,Fibre 500,49.90,Router AX3000,RT-1,89,red\n"
                   "Hana Sato,555 0110,11 Elm Close,Telephone,9.50,,,,\n"
                   "Ada Okafor,+44 20 7946 0958,1 Harbour Street,Fibre 500,49.90,,,,\n"
                   "Ivo,12,Nowhere,,,,,,\n"
                   "Jo Marsh,555 0111,3 Fen Way,Fibre 500,dear,,,,\n"
                   "Kit Vale,555 0112,4 Fen Way,,,Router,RT-9E3779B1,89,\n",
        "parts.csv": "First,Last,Tel.\nLea,Brandt,555 0113\n",
        "unmatched.csv": "Who,Number\nMia Holm,555 0114\n",
        "half.csv": "Name,Phone,Plan\nMia Holm,555 0114,Fibre\n",
        "twice.csv": "Name,Phone,Mobile\nMia Holm,555 0114,555 0115\n",
        "unclear.csv": "Name,Phone;Address\nMia Holm,555 0114;Here\n",
        "known.csv": "Name,Phone\nAda Okafor,+44 20 7946 0958\n",
        "rejected.csv": "customer_id,name,phone_number,address,service_name,service_cost,equipment_name,"
                        "serial_number,worth\n"
                        "a1,Ann Bell,555 0121,1 Oak Row,,,,,\n"
                        "a1,Ann Belle,555 0121,2 Oak Row,,,,,\n"
                        ",Bob Cole,555 0122\n"
                        ",Cal Dunn,555 0123,,Fibre,10,,,\n"
                        ",Cal Dunn,555 0123,3 Oak Row,Fibre,,,,\n"
                        ",Cal Dunn,555 0123,3 Oak Row,,10,,,\n"
                        ",Cal Dunn,555 0123,3 Oak Row,,,,S-1,\n"
                        "a2,Dot Eng,555 0124,4 Oak Row,,,Router,S-9,1\n"
                        "a3,Eli Fox,555 0125,5 Oak Row,,,Router,S-9,1\n"
                        ",\"Gus\"x,555 0126,,,,,,\n"
                        ",,555 0127,,,,,,\n"
                        ",Twin,555 0130,6 Oak Row,,,,,\n",
        "header-twice.csv": "Name,Phone,Phone\nMia Holm,555 0114,555 0115\n",
        "serials.csv": "Name,Phone,Serial\nMia Holm,555 0114,S-1\n",
        "quote.csv": "Name,\"Phone\n",
        "empty.csv": "",
        "latin.csv": "Name,Phone\nJosé Pérez,555 0116\n",
        "bare.csv": "Jon Bell,555 0140\nJan Cole,555 0141\n",
        "report.csv": "Customers of the north,,\n\nName,Phone,Plan fee\nJon Bell,555 0140,29.90\nName,Phone,Plan fee\n"
                      "Jan Cole,555 0141\nTotal,,29.90\n",
        "book.xlsx": "PK\x03\x04 xl/workbook.xml",
    }
    for name, content in write.items():
        (walk.folder / name).write_text(content, encoding="latin-1" if name == "latin.csv" else "utf-8")
    (walk.folder / "folder.csv").mkdir()
    for _ in range(2):
        walk.customer("Twin", "555 0130")
    walk.start()
    walk.go("7")
    walk.shot("mapping-counts-and-rejects", "1", "new.csv", ENTER)
    walk.shot("not-imported", "no")
    walk.shot("imported", "1", "new.csv", ENTER, "yes")
    walk.file("rejects-file", "new.csv.rejects.csv")
    walk.shot("again-with-earlier-rejects", "1", "new.csv", ENTER, "yes")
    walk.file("later-rejects-file", "new.csv.rejects-2.csv")
    walk.shot("left-at-the-mapping", "1", "new.csv", CTRL_C)
    walk.shot("left-at-the-confirmation", "1", "new.csv", ENTER, CTRL_D)
    walk.shot("joined-names", "1", "parts.csv", ENTER, "yes")
    walk.shot("mapping-by-hand", "1", "unmatched.csv", ENTER, "name=Who", "phone_number=Number", "colour=Who",
              "address=Street", "nonsense", ENTER, "yes")
    walk.shot("half-a-pair", "1", "half.csv", "service_name=", ENTER, "no")
    walk.shot("two-columns-for-one-field", "1", "twice.csv", "phone_number=Mobile", CTRL_C)
    walk.shot("delimiter-asked", "1", "unclear.csv", "x", "semicolon", CTRL_C)
    walk.shot("nothing-to-import", "1", "known.csv", ENTER)
    walk.shot("encoding-asked", "1", "latin.csv", "1", ENTER, "yes")
    walk.shot("another-encoding", "1", "latin.csv", "cp1251", CTRL_C)
    walk.shot("no-such-encoding", "1", "latin.csv", "runes", "9", CTRL_C)
    walk.shot("no-header-asked", "1", "bare.csv", "yes", "name=1", "phone_number=2", ENTER, "no")
    walk.shot("a-report-with-a-title-and-a-total", "1", "report.csv", ENTER, "no")
    walk.shot("a-workbook", "1", "book.xlsx", CTRL_C)
    walk.shot("no-such-file", "1", ENTER, "missing.csv", CTRL_C)
    walk.shot("a-folder", "1", "folder.csv", CTRL_C)
    walk.shot("empty-file", "1", "empty.csv", CTRL_C)
    walk.shot("header-without-end", "1", "quote.csv", CTRL_C)
    walk.shot("a-header-twice", "1", "header-twice.csv", CTRL_C)
    walk.shot("serials-of-nothing", "1", "serials.csv", CTRL_D)
    walk.shot("rejected-for-every-reason", "1", "rejected.csv", ENTER, "yes")
    walk.file("rejected-for-every-reason-file", "rejected.csv.rejects.csv")
    walk.shot("no-such-home", "1", "~nobody-of-this-name/new.csv", CTRL_D)
    walk.shot("changed-meanwhile", "1", "known.csv", "phone_number=Phone",
              lambda: (walk.folder / "known.csv").write_text("Name,Phone\nNew,555 0117\n"), ENTER,
              lambda: (walk.folder / "known.csv").write_text("Name,Phone\nNewer,555 0117\nOther,555 0118\n"), "yes")


def exports(walk: Walk) -> None:
    provider(walk)
    walk.customer("=HYPERLINK(A1)", "+555 0119")
    (walk.folder / "folder.csv").mkdir()
    walk.start()
    walk.go("7")
    for digit, what in (("2", "accounts"), ("3", "bills"), ("4", "payments"), ("5", "late")):
        walk.shot(what, digit, f"{what}.csv", "")
        walk.file(f"{what}-file", f"{what}.csv")
    walk.shot("kept", "3", "accounts.csv", "", "no")
    walk.file("kept-file", "accounts.csv")
    walk.shot("replaced", "5", "accounts.csv", "", "yes")
    walk.file("replaced-file", "accounts.csv")
    walk.shot("left-at-the-question", "5", "bills.csv", "", CTRL_C)
    walk.shot("a-folder", "2", "folder.csv", "")
    walk.shot("no-such-folder", "2", "nowhere/accounts.csv", "")
    walk.shot("for-excel", "5", "excel.csv", "excel", "comma")
    walk.file("for-excel-file", "excel.csv")
    walk.shot("everything", "6", "books.zip")
    walk.shot("everything-kept", "6", "books.zip", "no")
    walk.shot("everything-again", "6", "books.zip", "yes")
    walk.shot("everything-into-books", "7", "books.zip")
    walk.shot("everything-from-nowhere", "7", "none.zip")


def administration(walk: Walk) -> None:
    provider(walk)
    walk.start()
    walk.go("8")
    walk.shot("verified", "1")
    walk.shot("about", "2")
    walk.sql("SET session_replication_role = replica")
    walk.sql("UPDATE billing SET amount_paid = 30 WHERE billing_id = 2")
    walk.sql("UPDATE billing_items SET amount = 31 WHERE billing_id = 3")
    walk.sql("UPDATE payments SET amount_allocated = 19 WHERE payment_id = 1")
    walk.sql("UPDATE billing SET customer_id = 5 WHERE billing_id = 1")
    walk.sql("UPDATE billing SET customer_id = 5 WHERE billing_id = 4")
    walk.shot("findings", "1")
    walk.sql("DROP EXTENSION pg_trgm CASCADE")
    walk.shot("about-without-an-index", "2")


def last_backup(walk: Walk) -> None:
    """Where the last backup is old."""
    provider(walk)
    walk.sql("INSERT INTO backups (taken_at, path, bytes, checked_at) VALUES (CURRENT_DATE - 5 + time '03:00', "
             "'/tmp/isp.backup', 96543210, CURRENT_DATE - 3 + time '09:30')")
    walk.start()
    walk.shot("first-screen", whole=True)
    walk.go("8")
    walk.shot("about", "2")
    walk.shot("no-such-folder", "5", "/mnt/nowhere", CTRL_C)
    walk.shot("left-at-the-question", "5", CTRL_C)


def trail(walk: Walk) -> None:
    """What was changed, by whom, and how a change is undone."""
    provider(walk)
    walk.set_trail()
    walk.start()
    walk.go("1", "3", "1", ENTER, instead("0201 555001"), ENTER, ENTER, "0")
    walk.go("3", "3", "service 1", instead("Fibre 1000"), instead("54.90"), ENTER, "0")
    walk.go("5", "8", "payment 2", "wrong customer", "yes", "5", "bill 3", "yes", "0")
    walk.go("4", "4", "equipment 1", "yes", "1", "location 2", "Router", "rt9e3779b1", "95", "0")
    walk.go("1", "4", "6", "yes", "0")
    walk.go("1")
    walk.shot("history-of-a-customer", "5", "1")
    walk.stays = True
    walk.shot("a-deletion-in-full", "2")
    walk.shot("an-addition-in-full", "1")
    walk.stays = False
    walk.go("0", "0", "5")
    walk.shot("history-of-a-payment", "12", "payment 2")
    walk.shot("history-of-a-bill-that-never-changed", "11", "bill 2")
    walk.go("0", "2")
    walk.shot("history-of-a-location-that-never-changed", "5", "location 1")
    walk.go("0", "4")
    walk.shot("history-of-equipment", "5", "equipment 4")
    walk.go("0", "0", "3")
    walk.shot("history-of-a-service", "5", "service 1")
    walk.stays = True
    walk.shot("change-not-undone", "1", "no")
    walk.shot("change-undone", "1", "yes")
    walk.go("0")
    walk.stays = False
    walk.sql("UPDATE services SET cost = 44 WHERE service_id = 1")
    walk.go("5", "service 1")
    walk.stays = True
    walk.shot("changed-since", "3")
    walk.stays = False
    walk.go("0", "0", "6")
    walk.shot("changes", "6", walk.day(-3), ENTER, ENTER, ENTER)
    walk.stays = True
    walk.shot("a-change-in-full", "63")
    walk.shot("a-deleted-row-in-full", "58")
    walk.stays = False
    walk.go("0")
    walk.shot("changes-of-nobody", "6", walk.day(-3), ENTER, "nobody", "deleted")


def deletions(walk: Walk) -> None:
    """How a deletion is undone."""
    provider(walk)
    walk.set_trail()
    walk.start()
    walk.go("8")
    walk.shot("nothing-deleted", "4")
    walk.go("0", "5", "5", "bill 3", "yes", "0")
    walk.go("4", "4", "equipment 1", "yes", "1", "location 2", "Router", "rt9e3779b1", "95", "0")
    walk.go("1", "4", "6", "yes", "0", "8")
    walk.shot("list", "4")
    walk.stays = True
    walk.shot("brought-back", "1", "yes")
    walk.shot("serial-number-taken", "1", "no")
    walk.shot("back-without-it", "1", "yes")


def read_only(walk: Walk) -> None:
    """What is left where nothing may be changed."""
    provider(walk)
    walk.start(READ_ONLY="yes")
    walk.shot("first-screen", whole=True)
    names = ("customers", "locations", "services", "equipment", "billing", "reporting", "transfer", "administration")
    for digit, name in enumerate(names, 1):
        walk.shot(f"menu-{name}", str(digit), whole=True)
        walk.go("0")
    walk.shot("account", "Ada Okafor", whole=True)
    walk.go("0", "1")
    walk.shot("not-offered", "1")
    walk.go("0")
    walk.shot("nobody", "Noor", whole=True)


WALKS = (nothing, customers, closing, locations, services, service_days, equipment, stock, bills, payments, credits,
         bill_run, bank, late_customers, no_late_fee, reports, revenue, received, searches, accounts, paging,
         imports, exports, administration, last_backup, trail, deletions, read_only)
