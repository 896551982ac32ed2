"""A change of the trail as the page shows it, in the words of the terminal."""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Optional

from pydantic import BaseModel

from tracker import wording


class FieldChange(BaseModel):
    label: str
    before: Optional[str]
    after: Optional[str]


class Told(BaseModel):
    """Who did what, when, and with what program, which is empty where it is this one.

    changed_at is in the time zone of the business. record_id is of a single record alone.
    """

    trail_id: int
    changed_at: datetime
    person: str
    login: str
    program: str
    reason: Optional[str]
    kind: str
    table_name: str
    record_id: Optional[int]
    row_count: int
    what: str
    fields: list[FieldChange]


def told(change: Mapping[str, Any], name: str) -> Told:
    return Told(
        **{key: change[key] for key in ("trail_id", "changed_at", "person", "login", "reason", "kind", "table_name",
                                        "record_id")},
        row_count=change.get("row_count", 1), program=wording.program(change).strip(),
        what=wording.what_was_done(change, name),
        fields=[FieldChange(label=label, before=before, after=after)
                for label, before, after in wording.values(change)],
    )
