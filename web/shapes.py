"""What goes over the wire: records as the functions return them, amounts as text, lists a page at a time, and inputs by
the parsers of fields.
"""
from __future__ import annotations

import base64
import functools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ForwardRef, Generic, Optional, TypeVar, Union, get_args, get_origin

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, create_model

from tracker import fields, notes, payments
from tracker.errors import Conflict, Error

Row = TypeVar("Row")
Value = TypeVar("Value")
MOST_ROWS = 200
AMOUNT = r"^[0-9]{1,10}(\.[0-9]{1,2})?$"
# Exact, since a number of JSON may be read as a float.
Amount = Annotated[
    Decimal,
    PlainSerializer(lambda value: f"{value:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$", "examples": ["49.90"]}),
]


class BadInput(Error):
    """An input is not what it should be; field is its name."""

    http_status = 422

    def __init__(self, sentence: str, field: str) -> None:
        super().__init__(sentence)
        self.field = field


class Question(BaseModel):
    """What must be answered with yes before something is written; the write is then sent again with its kind."""

    kind: str
    sentence: str
    customers: list[Any] = []
    payments: list[Any] = []


class Unanswered(Conflict):
    """Nothing is written before these questions are answered."""

    def __init__(self, questions: list[Question]) -> None:
        super().__init__(" ".join(question.sentence for question in questions))
        self.questions = questions


def ask_first(doubts: list[payments.Doubt], confirmed: tuple[str, ...]) -> None:
    """Raise Unanswered where doubts are not answered yet."""
    questions = [
        Question(kind=doubt.kind, sentence=doubt.sentence, payments=list(map(record, doubt.payments)))
        for doubt in doubts if doubt.kind not in confirmed
    ]
    if questions:
        raise Unanswered(questions)


class Problem(BaseModel):
    """Why something was not done: one sentence, and the input that it is about, if it is about one.

    questions are to be answered first; present is the record as somebody else has changed it meanwhile.
    """

    error: str
    field: Optional[str] = None
    questions: list[Question] = []
    present: Optional[dict[str, Any]] = None


class Page(BaseModel, Generic[Row]):
    """A page of a list; next is the cursor of the page after it, if there is one."""

    rows: list[Row]
    next: Optional[str]


class Found(Page[Row], Generic[Row]):
    """A page of what was searched for, which is total, or more; without a search nothing is counted."""

    total: Optional[int] = None
    more: bool = False


def shape(record: type) -> Any:
    """Return the model of a TypedDict: its name and fields, amounts as text, with those that it holds."""
    return _shape(record)


@functools.cache
def _shape(record: type) -> Any:
    module = vars(sys.modules[record.__module__])
    columns = {name: (_wire(_evaluated(kind, module)), ...) for name, kind in record.__annotations__.items()}
    return create_model(record.__name__, __doc__=record.__doc__ if record.__doc__ != dict.__doc__ else None,
                        **columns)  # type: ignore[call-overload]


def _evaluated(kind: Any, module: dict[str, Any]) -> Any:
    if not isinstance(kind, (str, ForwardRef)):
        return kind
    written = kind if isinstance(kind, str) else kind.__forward_arg__
    if sys.version_info < (3, 10):
        from eval_type_backport import eval_type_backport  # X | None is new in Python 3.10

        return eval_type_backport(ForwardRef(written), module)
    return eval(written, module)  # noqa: S307, the program's own annotations


def _wire(kind: Any) -> Any:
    """Return a type as it goes over the wire."""
    if kind is Decimal:
        return Amount
    if hasattr(kind, "__total__"):  # a TypedDict
        return _shape(kind)
    if get_origin(kind) is list:
        return list[_wire(get_args(kind)[0])]  # type: ignore[misc]
    if type(None) in get_args(kind):
        return Optional[Union[tuple(_wire(part) for part in get_args(kind) if part is not type(None))]]
    return kind


def record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record that has no shape of its own here, as it goes over the wire."""
    return {name: f"{value:.2f}" if isinstance(value, Decimal) else value for name, value in row.items()}


def changed(given: Any) -> dict[str, Any]:
    """Return what a change is to write, and over what it was seen to be."""
    values = {name: getattr(given, name) for name in type(given).model_fields if name != "seen"}
    return {**values, "seen": given.seen.model_dump()}


def page_of(record: type) -> Any:
    return Page[shape(record)]  # type: ignore[misc]


def found_of(record: type) -> Any:
    return Found[shape(record)]  # type: ignore[misc]


def page(rows: Sequence[Any], limit: int, key: Callable[[Any], Sequence[object]], **more: Any) -> dict[str, Any]:
    """Return a page of a list of which one row more than the limit was read, to know whether there is another page."""
    shown = list(rows[:limit])
    return {"rows": shown, "next": _cursor(key(shown[-1])) if len(rows) > limit else None, **more}


def _cursor(key: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(map(str, key)), ensure_ascii=False).encode()).decode()


def after(cursor: Optional[str], *parsers: Callable[[str], Any]) -> Optional[tuple[Any, ...]]:
    """Return the key that a cursor stands for; raise BadInput for one that this list has not given."""
    if not cursor:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if not isinstance(parts, list) or len(parts) != len(parsers) or not all(isinstance(p, str) for p in parts):
            raise ValueError
        return tuple(parse(part) for parse, part in zip(parsers, parts))
    except (ValueError, RecursionError):
        raise BadInput("That is no place in this list; begin again at its first page.", "cursor") from None


def found(hits: Any, skip: int, limit: int, most: int) -> dict[str, Any]:
    """Return a page of a search's hits, which are counted up to most."""
    reached = skip + len(hits.rows)
    return {"rows": hits.rows, "next": _cursor([reached]) if hits.rows and reached < hits.total else None,
            "total": min(hits.total, most), "more": hits.total > most}


def whole(answer: str) -> int:
    """Parse a number of a cursor."""
    if not fields.is_id(answer) or len(answer) > 18:
        raise ValueError
    return int(answer)


def money(answer: str) -> Decimal:
    """Parse an amount of a cursor, which may be a sum of many."""
    if not re.fullmatch(r"[0-9]{1,20}\.[0-9]{2}", answer, re.ASCII):
        raise ValueError
    return Decimal(answer)


def storable(value: str) -> str:
    """Take text as it may stand in the database, whatever a form would say to it."""
    if len(value) > fields.LONGEST_ANSWER or re.search("[\0\ud800-\udfff]", value):
        raise ValueError("That is no text that is stored here; look at the record again.")
    return value


def parsed(parse: Callable[[str], Value], value: str, field: str) -> Value:
    """Parse an input that its type alone cannot, because it takes the database; raise BadInput."""
    try:
        return parse(value)
    except ValueError as exc:
        raise BadInput(str(exc), field) from exc


def _input(parse: Callable[[str], Any], kind: Any, **schema: Any) -> Any:
    """Make the type of an input: text, which the parser of a form's field takes."""
    def read(value: object) -> Any:
        if not isinstance(value, str):
            raise ValueError("Enter text, in quotes.")
        return parse(value)

    return Annotated[kind, BeforeValidator(read), WithJsonSchema({"type": "string", **schema})]


def _or_nothing(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda value: parse(value) if value.strip() else ""


Name = _input(fields.text(200), str, maxLength=200)
Phone = _input(fields.phone, str, maxLength=fields.LONGEST_PHONE)
PhoneOrNothing = _input(_or_nothing(fields.phone), str, maxLength=fields.LONGEST_PHONE)
EmailOrNothing = _input(_or_nothing(fields.email), str, maxLength=fields.LONGEST_EMAIL)
AccountNumberOrNothing = _input(_or_nothing(fields.account_number), str, maxLength=fields.LONGEST_ACCOUNT_NUMBER)
Address = _input(fields.text(300), str, maxLength=300)
ShortText = _input(fields.text(100), str, maxLength=100)
ShortTextOrNothing = _input(_or_nothing(fields.text(100)), str, maxLength=100)
NoteText = _input(fields.text(notes.LONGEST), str, maxLength=notes.LONGEST)
Reason = _input(fields.text(200), str, maxLength=200)
Cost = _input(fields.amount, Decimal, pattern=AMOUNT, examples=["49.90"])
Payable = _input(fields.positive_amount, Decimal, pattern=AMOUNT, examples=["49.90"])
Day = _input(fields.day, date, format="date")
Word = _input(_or_nothing(fields.text(300)), str, maxLength=300)
Seen = _input(storable, str)
Id = Annotated[int, BeforeValidator(fields.row_id), Path(ge=1, le=fields.LARGEST_ID)]
TypedId = _input(fields.row_id, int, pattern="^[0-9]{1,19}$")
WholeId = Annotated[int, Field(strict=True, ge=1, le=fields.LARGEST_ID)]


class Input(BaseModel):
    """What a request may say, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Place(Input):
    """Which page of a list is asked for."""

    cursor: Optional[str] = Field(None, max_length=2000, description="next of the page before it")
    limit: int = Field(100, ge=1, le=MOST_ROWS)


class Search(Place):
    """What is searched for, and which page of what is found."""

    search: Word = ""  # type: ignore[valid-type]
