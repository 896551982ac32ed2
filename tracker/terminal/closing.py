"""The forms that close and reopen an account, erase a person, and merge two customers."""
from __future__ import annotations

import database
from tracker import accounts, fields, text
from tracker.terminal import menus, prompts, screens
from tracker.terminal.pick import CUSTOMER, pick
from tracker.terminal.progress import during
from tracker.terminal.prompts import ask, confirm, say

LONG_AGO = 31  # days
DEVICES = {"stock": True, "left": False}


@menus.changes
def close_account() -> None:
    customer = pick(CUSTOMER)
    customer_id = customer["customer_id"]
    if customer["closed_on"]:
        prompts.refuse(f"Customer {customer_id} is closed already, since {customer['closed_on']}.")
        return
    today = database.today()
    last_day = ask("Last day", fields.day_from(today), shown="today", default=today)
    if (today - last_day).days > LONG_AGO:
        say(f"{last_day} is {(today - last_day).days} days ago; what was billed since is credited.")
        if not confirm("Type yes if that is right:"):
            print("Not closed.")
            return
    closing = accounts.preview_closing(customer_id, last_day)
    for line in screens.closing_lines(closing, last_day, accounts.due_date_of_last_bill(today)):
        print(line)
    to_stock = bool(closing["equipment"]) and ask(
        "Devices (stock: taken back; left: they stay there)", fields.choice(DEVICES), shown="stock", default=True)
    if not confirm("Type yes to close the account:"):
        print("Not closed.")
        return
    stands = accounts.close(customer_id, last_day, to_stock, closing)
    say(f"Closed {CUSTOMER.name(customer)}, with {last_day} as the last day; {screens.standing(stands)}")


@menus.changes
def reopen_account() -> None:
    customer = pick(CUSTOMER)
    if not customer["closed_on"]:
        prompts.refuse(f"Customer {customer['customer_id']} is not closed.")
        return
    if not confirm("Type yes to reopen the account:"):
        print("Not reopened.")
        return
    accounts.reopen(customer["customer_id"])
    say(f"Reopened the account of customer {customer['customer_id']}, {customer['name']}. Services that have ended "
        "stay so; add what runs from now on.")


@menus.changes
def erase_person() -> None:
    customer = pick(CUSTOMER)
    customer_id = customer["customer_id"]
    accounts.check_erasure(customer_id)
    say("This takes out name, phone number, e-mail, account number, addresses and notes, here and in the history, and "
        "nothing brings them back. Bills, payments and sums stay. Backups made before still hold all of it.")
    if not confirm("Type the customer's name to erase it:", text.clean(customer["name"])):
        print("Not erased.")
        return
    during("Erasing", lambda: accounts.erase(customer_id))
    say(f"Erased customer {customer_id}.")


@menus.changes
def merge_customers() -> None:
    """Merge two customers; the one who goes is asked for second."""
    print("First the customer who stays:")
    stays_id = pick(CUSTOMER)["customer_id"]
    print("Then the one who goes:")
    goes_id = pick(CUSTOMER)["customer_id"]
    merging = accounts.preview_merge(stays_id, goes_id)
    print(screens.merging_table(merging))
    same = merging["same_addresses"]
    joined = f"; {same} {'address' if same == 1 else 'addresses'} that both have will be one location" if same else ""
    stays, goes = merging["stays"], merging["goes"]
    lacking = [what for what, has, gets in (("phone number", stays["phone_number"], goes["phone_number"]),
                                            ("e-mail address", stays["email"], goes["email"]),
                                            ("account number", stays["account_number"], goes["account_number"]))
               if gets and not has]
    taken = f"; customer {stays_id} gets the {' and the '.join(lacking)} of customer {goes_id}" if lacking else ""
    say(f"All that customer {goes_id} has goes to customer {stays_id}, for good{joined}{taken}.")
    if not confirm("Type yes to merge them:"):
        print("Not merged.")
        return
    stands = accounts.merge(stays_id, goes_id, merging)
    say(f"Merged customer {goes_id} into customer {stays_id}; {screens.standing(stands)}")
