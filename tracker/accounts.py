"""The end of an account: closing and reopening it, erasing who it was of, and merging two that are one person's."""
from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TypedDict, cast

import database
from database import Customer, give_reason, reading, retried, take_turn, transaction
from tracker import bill_run, errors
from tracker.cursor import Cursor, be_patient
from tracker.errors import Conflict

CHANGED = "The customer's records changed while you were looking; nothing was {}. Look again."


class ServiceToEnd(TypedDict):
    """begins_later tells one that begins after the last day, and so never runs."""

    service_id: int
    service_name: str
    address: str
    begins_later: bool


class DeviceThere(TypedDict):
    equipment_id: int
    equipment_name: str
    serial_number: str | None
    address: str


class Standing(TypedDict):
    """What a customer owes, and their credit."""

    amount_due: Decimal
    credit: Decimal


class Contents(Standing):
    """What closing an account on a day would end, and what is there; sums are as of now."""

    services: list[ServiceToEnd]
    equipment: list[DeviceThere]


class Closing(Contents):
    """final is what the last bill comes to, or below 0 what is credited."""

    final: Decimal


class Side(Customer, Standing):
    """One of two customers who are to be merged, with how much they have."""

    locations: int
    services: int
    equipment: int
    notes: int
    bills: int
    payments: int


class Merging(TypedDict):
    """same_addresses is how many locations the one who goes has where the one who stays has one, too."""

    stays: Side
    goes: Side
    same_addresses: int


def why_closed(customer: Customer) -> str:
    """Say that nothing can be added to an account; nothing for one that is open."""
    if not customer["closed_on"]:
        return ""
    return f"Customer {customer['customer_id']} is closed; reopen the account first."


def due_date_of_last_bill(today: date) -> date:
    return today + timedelta(days=bill_run.DAYS_TO_PAY)


@retried
def preview_closing(customer_id: int, last_day: date) -> Closing:
    """Return what closing an account would do."""
    with database.rehearsal() as cur:
        return _end(cur, customer_id, last_day)


def _end(cur: Cursor, customer_id: int, last_day: date) -> Closing:
    """End what an account has, and return what that was and what is left to bill."""
    contents = _contents(cur, customer_id, last_day)
    _end_services(cur, customer_id, last_day)
    return {**contents, "final": bill_run.final_balance(cur, customer_id, last_day)}


def _contents(cur: Cursor, customer_id: int, last_day: date) -> Contents:
    values = {"customer_id": customer_id, "last_day": last_day}
    cur.execute(
        """
        SELECT service_id, service_name, address, coalesce(started_on > %(last_day)s, false) AS begins_later
        FROM services
        JOIN locations USING (location_id)
        WHERE customer_id = %(customer_id)s AND coalesce(ended_on > %(last_day)s, true)
        ORDER BY service_id
        """,
        values,
    )
    services = cast(list[ServiceToEnd], cur.fetchall())
    cur.execute(
        """
        SELECT equipment_id, equipment_name, serial_number, address
        FROM equipment
        JOIN locations USING (location_id)
        WHERE customer_id = %(customer_id)s
        ORDER BY equipment_id
        """,
        values,
    )
    equipment = cast(list[DeviceThere], cur.fetchall())
    return {"services": services, "equipment": equipment, **_standing(cur, customer_id)}


def _standing(cur: Cursor, customer_id: int) -> Standing:
    cur.execute(
        """
        SELECT coalesce((SELECT sum(amount_due)
                         FROM billing
                         WHERE customer_id = %(customer_id)s AND amount_due > 0), 0)                      AS amount_due,
               coalesce((SELECT credit FROM customer_credit WHERE customer_id = %(customer_id)s), 0)      AS credit
        """,
        {"customer_id": customer_id},
    )
    return cast(Standing, cur.row())


@retried
def close(customer_id: int, last_day: date, to_stock: bool, seen: Closing | None = None) -> Standing:
    """Close an account and return how it stands then: its services end, what they ran is billed or credited, and with
    to_stock its devices are taken back.

    seen is what the administrator was shown by preview_closing. Raise NotFound, and Conflict when the account is closed
    already or has changed since.
    """
    with transaction() as cur:
        take_turn(cur, "bill run")  # so that no run bills what ends here
        give_reason(cur, "closing of the account")
        customer = database.lock_account(cur, customer_id)
        if customer["closed_on"]:
            raise Conflict(f"Customer {customer_id} is closed already, since {customer['closed_on']}.")
        ended = _end(cur, customer_id, last_day)
        if seen not in (None, ended):
            raise Conflict(CHANGED.format("closed"))
        if to_stock:
            _take_devices_back(cur, customer_id)
        _bill_the_rest(cur, customer_id, last_day)
        cur.execute(
            "UPDATE customers SET closed_on = %(last_day)s WHERE customer_id = %(customer_id)s",
            {"customer_id": customer_id, "last_day": last_day},
        )
        return _standing(cur, customer_id)


def _end_services(cur: Cursor, customer_id: int, last_day: date) -> None:
    """End a customer's services with a day, and their pauses.

    One that would begin later is deleted; where it was billed in advance it stays, resting on its only day, so that
    what was billed is credited.
    """
    cur.execute(
        """
        SELECT array_agg(service_id) FILTER (WHERE NOT begins_later)               AS running,
               array_agg(service_id) FILTER (WHERE begins_later AND NOT is_billed) AS never_run,
               array_agg(service_id) FILTER (WHERE begins_later AND is_billed)     AS billed_ahead
        FROM (
            SELECT service_id, coalesce(started_on > %(last_day)s, false) AS begins_later,
                   EXISTS (
                       SELECT
                       FROM billing
                       JOIN billing_items USING (billing_id)
                       WHERE billing.customer_id = %(customer_id)s AND billing_items.service_id = services.service_id
                   ) AS is_billed
            FROM services
            JOIN locations USING (location_id)
            WHERE locations.customer_id = %(customer_id)s AND coalesce(ended_on > %(last_day)s, true)
        ) AS service
        """,
        {"customer_id": customer_id, "last_day": last_day},
    )
    cur.execute(
        """
        DELETE FROM services WHERE service_id = ANY (%(never_run)s::bigint[]);

        DELETE FROM service_pauses
        WHERE service_id = ANY (%(running)s::bigint[]) AND first_day > %(last_day)s
           OR service_id = ANY (%(billed_ahead)s::bigint[]);

        UPDATE service_pauses
        SET last_day = %(last_day)s
        WHERE service_id = ANY (%(running)s::bigint[]) AND coalesce(last_day > %(last_day)s, true);

        UPDATE services
        SET ended_on = %(last_day)s
        WHERE service_id = ANY (%(running)s::bigint[]);

        UPDATE services
        SET started_on = %(last_day)s, ended_on = %(last_day)s
        WHERE service_id = ANY (%(billed_ahead)s::bigint[]);

        INSERT INTO service_pauses (service_id, first_day, last_day)
        SELECT service_id, %(last_day)s, %(last_day)s
        FROM unnest(%(billed_ahead)s::bigint[]) AS service_id
        """,
        {**cur.row(), "last_day": last_day},
    )


def _take_devices_back(cur: Cursor, customer_id: int) -> None:
    cur.execute(
        """
        UPDATE equipment
        SET location_id = NULL
        FROM locations
        WHERE locations.location_id = equipment.location_id AND customer_id = %(customer_id)s
        """,
        {"customer_id": customer_id},
    )


def _bill_the_rest(cur: Cursor, customer_id: int, last_day: date) -> None:
    """Bill or credit what services ran for until their last day, and spend the customer's credit."""
    cur.execute("SELECT CURRENT_DATE AS today")
    due_date = due_date_of_last_bill(cur.row()["today"])
    bill_run.final_bill(cur, customer_id, last_day, due_date)
    database.apply_credit(cur, customer_id)


@retried
def reopen(customer_id: int) -> None:
    """Reopen a closed account; what ended with it stays so. Raise NotFound, and Conflict when it cannot be."""
    with transaction() as cur:
        customer = database.lock_account(cur, customer_id)
        if customer["merged_into"]:
            raise Conflict(merged(customer))
        if not customer["closed_on"]:
            raise Conflict(f"Customer {customer_id} is not closed.")
        cur.execute("SELECT erased_on FROM customers WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})
        if cur.row()["erased_on"]:
            raise Conflict(f"Customer {customer_id} is erased, and stays closed.")
        cur.execute("UPDATE customers SET closed_on = NULL WHERE customer_id = %(customer_id)s",
                    {"customer_id": customer_id})


def merged(customer: Customer) -> str:
    """Say whom a customer was merged into."""
    return f"Customer {customer['customer_id']} was merged into customer {customer['merged_into']}."


@retried
def check_known(customer_id: int) -> None:
    """Raise Conflict where the person was erased, NotFound where there is none."""
    with reading() as cur:
        cur.execute("SELECT erased_on FROM customers WHERE customer_id = %(customer_id)s", {"customer_id": customer_id})
        if database.existing("customer", customer_id, cur.fetchone())["erased_on"]:
            raise Conflict(errors.RULES["customers_erased_stays"])


@retried
def check_erasure(customer_id: int) -> None:
    """Raise Conflict when a person cannot be erased, NotFound where there is none."""
    with reading() as cur:
        _check_erasure(cur, customer_id)


def _check_erasure(cur: Cursor, customer_id: int) -> None:
    cur.execute("SELECT closed_on, erased_on, merged_into FROM customers WHERE customer_id = %(customer_id)s",
                {"customer_id": customer_id})
    row = database.existing("customer", customer_id, cur.fetchone())
    if row["merged_into"]:
        raise Conflict(f"Customer {customer_id} was merged into customer {row['merged_into']}, and is erased with it.")
    if row["erased_on"]:
        raise Conflict(f"Customer {customer_id} is erased already, since {row['erased_on']}.")
    if not row["closed_on"]:
        raise Conflict(f"Customer {customer_id} is not closed: close the account first.")
    stands = _standing(cur, customer_id)
    if stands["amount_due"]:
        raise Conflict(f"Customer {customer_id} has {stands['amount_due']:.2f} to pay: "
                       "that is paid or written off first.")
    if stands["credit"]:
        raise Conflict(f"Customer {customer_id} has {stands['credit']:.2f} of credit: that is refunded first.")


@retried
def erase(customer_id: int) -> None:
    """Take out of the books and the trail who a customer was; bills, payments and sums stay.

    Raise NotFound, and Conflict unless the account is closed, with nothing to pay and no credit.
    """
    with transaction() as cur:
        be_patient(cur)  # the trail may be long
        database.lock_account(cur, customer_id)
        _check_erasure(cur, customer_id)
        cur.execute("SELECT erase_person(%(customer_id)s)", {"customer_id": customer_id})


@retried
def preview_merge(stays_id: int, goes_id: int) -> Merging:
    """Return two customers as they would be merged; raise NotFound, and Conflict when they cannot be."""
    with reading() as cur:
        return _merging(cur, stays_id, goes_id)


def _merging(cur: Cursor, stays_id: int, goes_id: int) -> Merging:
    if stays_id == goes_id:
        raise Conflict(f"Customer {stays_id} cannot be merged with itself.")
    cur.execute(
        """
        SELECT customer_id, closed_on, erased_on, merged_into
        FROM customers
        WHERE customer_id IN (%(stays_id)s, %(goes_id)s)
        """,
        {"stays_id": stays_id, "goes_id": goes_id},
    )
    found = {row["customer_id"]: row for row in cur}
    for customer_id in (stays_id, goes_id):
        row = database.existing("customer", customer_id, found.get(customer_id))
        if row["merged_into"]:
            raise Conflict(merged(row))
        if row["erased_on"]:
            raise Conflict(f"Customer {customer_id} is erased; nobody knows who that was.")
    if found[stays_id]["closed_on"]:
        raise Conflict(f"Customer {stays_id} is closed; reopen the account first.")
    cur.execute(
        """
        SELECT count(*) AS same
        FROM locations AS there
        WHERE customer_id = %(goes_id)s
          AND EXISTS (
              SELECT FROM locations AS here
              WHERE here.customer_id = %(stays_id)s AND here.address_folded = there.address_folded
          )
        """,
        {"stays_id": stays_id, "goes_id": goes_id},
    )
    same: int = cur.row()["same"]
    return {"stays": _side(cur, stays_id), "goes": _side(cur, goes_id), "same_addresses": same}


def _side(cur: Cursor, customer_id: int) -> Side:
    return cast(Side, {**database.customer_in(cur, customer_id), **database.contents_in(cur, customer_id),
                       **_standing(cur, customer_id)})


@retried
def merge(stays_id: int, goes_id: int, seen: Merging | None = None) -> Standing:
    """Give all that is one customer's to another one, who is the same person, and return how that account stands.

    seen is what the administrator was shown by preview_merge. Raise NotFound, and Conflict when they cannot be merged
    or have changed since.
    """
    with transaction() as cur:
        take_turn(cur, "bill run")
        give_reason(cur, f"merge of customer {goes_id} into customer {stays_id}")
        for customer_id in sorted((stays_id, goes_id)):
            database.lock_account(cur, customer_id)
        if seen not in (None, _merging(cur, stays_id, goes_id)):
            raise Conflict(CHANGED.format("merged"))
        cur.execute(
            """
            UPDATE customers
            SET merged_into = %(stays_id)s, closed_on = coalesce(closed_on, CURRENT_DATE)
            WHERE customer_id = %(goes_id)s
            """,
            {"stays_id": stays_id, "goes_id": goes_id},
        )
        return _standing(cur, stays_id)
