"""Devices: at a location, in stock, written off; where each was, and what is moved."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Optional, cast

from fastapi import APIRouter, Query

import database
from database import MOST_COUNTED
from tracker import stock, wording
from tracker.errors import Conflict
from web.shapes import (
    BadInput,
    Cost,
    Day,
    Id,
    Input,
    Place,
    Search,
    Seen,
    ShortText,
    ShortTextOrNothing,
    TypedId,
    WholeId,
    after,
    changed,
    found,
    found_of,
    page,
    page_of,
    shape,
    storable,
    whole,
)

router = APIRouter(tags=["devices"])


class NewEquipment(Input):
    equipment_name: ShortText
    serial_number: Optional[ShortText] = None
    cost: Cost


class SeenEquipment(Input):
    equipment_name: Seen
    serial_number: Optional[Seen]
    cost: Cost


class EquipmentChange(Input):
    """What is to change; an empty serial number takes it away. seen is the record as it was shown."""

    equipment_name: Optional[ShortText] = None
    serial_number: Optional[ShortTextOrNothing] = None
    cost: Optional[Cost] = None
    seen: SeenEquipment


class SeenPlace(Input):
    location_id: Optional[WholeId]
    retired_on: Optional[Day]


class Move(Input):
    """Where a device is to be, in stock where location_id is null. seen is where it was shown to be."""

    location_id: Optional[TypedId]
    seen: SeenPlace


class StockPage(page_of(stock.Stocked)):  # type: ignore[misc]
    total: shape(stock.StockTotal)  # type: ignore[valid-type]


@router.post("/locations/{location_id}/equipment", status_code=201, response_model=shape(database.EquipmentRow))
def add_equipment(location_id: Id, new: NewEquipment) -> Any:
    with telling_whose(new.serial_number):
        equipment_id = database.add_equipment(location_id, new.equipment_name, new.serial_number, new.cost)
    return {"equipment_id": equipment_id, "location_id": location_id, **new.model_dump()}


@router.get("/equipment", response_model=found_of(database.Equipment))
def list_equipment(asked: Annotated[Search, Query()]) -> Any:
    """Find equipment by serial number, name, address or customer; without a search, list it by ID."""
    skip = (after(asked.cursor, whole) or (0,))[0]
    if asked.search:
        return found(database.find_equipment(asked.search, skip, asked.limit), skip, asked.limit, MOST_COUNTED)
    return page(database.list_equipment(skip, asked.limit + 1), asked.limit, lambda row: [row["equipment_id"]])


@router.get("/equipment/{equipment_id}", response_model=shape(database.Equipment))
def get_equipment(equipment_id: Id) -> Any:
    return database.get_equipment(equipment_id)


@router.patch("/equipment/{equipment_id}", response_model=shape(database.EquipmentRow))
def update_equipment(equipment_id: Id, given: EquipmentChange) -> Any:
    with telling_whose(given.serial_number):
        return database.update_equipment(equipment_id, **changed(given))


@router.post("/equipment/{equipment_id}/move", response_model=shape(database.Equipment))
def move_equipment(equipment_id: Id, given: Move) -> Any:
    """Move a device to a location, or back into stock."""
    seen = given.seen
    if given.location_id == seen.location_id and not seen.retired_on:
        raise BadInput("It is there already.", "location_id")
    stock.move(cast(database.Equipment, {"equipment_id": equipment_id, **seen.model_dump()}), given.location_id)
    return database.get_equipment(equipment_id)


@router.get("/equipment/{equipment_id}/places")
def list_places(equipment_id: Id) -> list[shape(stock.PlaceOfDevice)]:  # type: ignore[valid-type]
    """Return where a device is and was, the last place first."""
    database.get_equipment(equipment_id)
    return stock.places(equipment_id)


@router.get("/stock")
def list_stock(asked: Annotated[Place, Query()]) -> StockPage:
    """Return what is in stock, by name, and what all of it is worth."""
    rows = stock.list_stock(after(asked.cursor, storable, whole) or ("", 0), asked.limit + 1)
    return StockPage(**page(rows, asked.limit, lambda row: [row["equipment_name_folded"], row["equipment_id"]]),
                     total=stock.stock_total())


@contextmanager
def telling_whose(serial_number: Optional[str]) -> Iterator[None]:
    """Where a serial number is refused because another device has it, say which."""
    try:
        yield
    except Conflict as exc:
        if exc.field != "serial_number" or not serial_number or not (row := database.serial_holder(serial_number)):
            raise
        raise Conflict(f"That is the serial number of {wording.device(row)}.", exc.field) from exc
