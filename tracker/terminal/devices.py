"""Devices: where each was, what is in stock, and how they are moved, swapped and written off."""
from __future__ import annotations

import functools

import database
from database import Equipment, Hits
from tracker import fields, stock, text
from tracker.terminal import menus, prompts, screens, tables
from tracker.terminal.forms import EQUIPMENT_FIELDS, fill_in, view
from tracker.terminal.paging import browse
from tracker.terminal.pick import EQUIPMENT, LOCATION, STOCKED, pick, pick_hit, pick_or, say_record
from tracker.terminal.prompts import ask, confirm, say
from tracker.terminal.tables import Row

FATES = ("stock", "written off")
SHORTEST_PART = 3  # of a serial number


def view_equipment() -> None:
    view(EQUIPMENT, screens.EQUIPMENT, database.list_equipment, show_device)


def show_device(device: Equipment) -> None:
    """Show a device, and where it was."""
    for line in (*tables.field_lines(screens.EQUIPMENT, device),
                 *screens.place_lines(stock.places(device["equipment_id"]))):
        print(line)


def unplaced(answer: str) -> Hits:
    """Find what stands at no location by its serial number, or where nothing has that, by a part of one."""
    device = database.serial_holder(answer)
    if device or len(answer) < SHORTEST_PART:
        rows = [device] if device and device["location_id"] is None else []
        return Hits(rows, len(rows))
    return database.find_unplaced(answer)


def show_unplaced(answer: str, found: Hits) -> None:
    """Show the device that unplaced() found, or of several the one that is picked."""
    hits = functools.partial(database.find_unplaced, answer)
    device = found.rows[0] if found.total == 1 else pick_hit(EQUIPMENT, hits)
    if device:
        show_device(say_record(EQUIPMENT, device))


def open_device(row: Row) -> None:
    """Show the device of a row of a list."""
    show_device(database.get_equipment(row["equipment_id"]))


def show_stock() -> None:
    """Show what is in stock, by name, a page at a time on a terminal."""
    def totals() -> tuple[str, str, None]:
        total = stock.stock_total()
        return str(total["devices"]), screens.stock_footer(total), None

    counted, footer, _ = totals()
    if counted == "0":
        print("Nothing is in stock.")
        return
    browse(
        screens.STOCK, stock.list_stock, lambda row: (row["equipment_name_folded"], row["equipment_id"]), ("", 0),
        counted, footer, opens=open_device, renew=totals,
    )


@menus.changes
def move_equipment() -> None:
    """Move a device to a location, or back into stock."""
    device = pick(EQUIPMENT)
    while True:
        location = pick_or(LOCATION, "stock")
        location_id = location["location_id"] if location else None
        if location_id != device["location_id"] or device["retired_on"]:
            break
        prompts.refuse("It is there already.")
    stock.move(device, location_id)
    to = f"{location['address']}, of {location['name']}" if location else "stock"
    say(f"Moved {name_of(device)}, to {to}.")


def name_of(device: Equipment) -> str:
    return f"equipment {device['equipment_id']}, {device['equipment_name']}"


def pick_at_location() -> Equipment:
    """Ask for a device until one stands at a location."""
    while True:
        device = pick(EQUIPMENT)
        if device["location_id"]:
            return device
        prompts.refuse(f"It is {device['place']}, and there is nothing to swap.")


def pick_stocked() -> Equipment | None:
    """Ask for a device in stock, or for a new one, which is None."""
    while True:
        device = pick_or(STOCKED, "new")
        if device is None or device["place"] == "in stock":
            return device
        prompts.refuse(f"Equipment {device['equipment_id']} is not in stock.")


@menus.changes
def swap_equipment() -> None:
    """Put a device from stock, or a new one, in the place of another."""
    device = pick_at_location()
    written_off = ask("What becomes of it (1 stock, 2 written off)", fields.one_of(FATES), shown="stock",
                      default="stock") == "written off"
    other = pick_stocked()
    if other:
        stock.swap_for_stocked(device, written_off, other)
        name = name_of(other)
    else:
        equipment_id, new = fill_in(EQUIPMENT_FIELDS, functools.partial(stock.swap_for_new, device, written_off))
        name = f"equipment {equipment_id}, {new['equipment_name']}, worth {text.show_amount(new['cost'])}"
    say(f"Swapped {name_of(device)}, {'written off' if written_off else 'now in stock'}, for {name}, "
        f"at {device['address']}, of {device['name']}.")


@menus.changes
def write_off_equipment() -> None:
    """Write a device off: it is lost, broken or sold."""
    device = pick(EQUIPMENT)
    if device["retired_on"]:
        prompts.refuse(f"Equipment {device['equipment_id']} is written off already, since {device['retired_on']}.")
        return
    if confirm("Type yes to write it off:"):
        stock.write_off(device)
        say(f"Wrote off {name_of(device)}, worth {text.show_amount(device['cost'])}.")
    else:
        print("Not written off.")
