"""How the columns and cells of a file to import are read: said by options, or asked for as questions, and shown."""
from __future__ import annotations

import argparse
import functools
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace

import database
from tracker import errors, fields, text
from tracker.terminal import prompts, tables
from tracker.terminal.progress import Progress, during
from tracker.terminal.prompts import ask, say
from tracker.transfer import columns, survey
from tracker.transfer.choices import AMOUNTS, STATES, Choices, named
from tracker.transfer.reading import Reader
from tracker.transfer.sorting import Source
from tracker.transfer.synonyms import FIELDS, fold

SAMPLES = 3
DECIMALS = {"point": ".", "comma": ",", ".": ".", ",": ","}
DAY_FIRST = {"day": True, "month": False}
# What does for a column that is missing, as options and as an answer.
INSTEAD = {
    "service_cost": ("or a price of each plan: --price Plan=29.90",
                     "; prices to enter one for each plan; or one for all"),
    "service_name": ("or a name for all: --set service_name=Internet", "; or a name for all"),
    "equipment_cost": ("or a value for all: --set equipment_cost=0", "; or a value for all"),
    "equipment_name": ("or a name for all: --set equipment_name=Router", "; or a name for all"),
}


def said(arguments: argparse.Namespace, source: Source) -> Choices:
    """Return what the options of the command say."""
    try:
        return Choices(
            columns=dict(columns.parse_choice(source.headers, answer) for answer in arguments.map),
            constants=dict(map(columns.parse_constant, arguments.set)),
            prices=dict(map(columns.parse_price, arguments.price)),
            states=dict(map(columns.parse_state, arguments.status)),
            decimals=dict.fromkeys(AMOUNTS, DECIMALS[arguments.decimal]) if arguments.decimal else {},
            day_first=DAY_FIRST.get(arguments.dates),
        )
    except ValueError as exc:
        raise errors.BadFile(str(exc)) from exc


def decided(source: Source, chosen: Choices) -> Choices:
    """Complete what was said by what the headers and the whole file show; raise what is unclear."""
    choices = columns.match_headers(source.headers, chosen, source.columns)
    with Progress("Looking through the file") as progress:
        return survey.work_out(source, choices, progress)


def by_options(source: Source, chosen: Choices) -> Choices:
    """Decide how a file is read; what is unclear is a BadFile that says which option makes it clear."""
    try:
        return decided(source, chosen)
    except errors.UnclearMapping as exc:
        instead = f", {INSTEAD[exc.missing][0]}" if exc.missing in INSTEAD else ""
        there = columns.listed_columns(source.headers) or f"1 to {len(source.headers)}"
        raise errors.BadFile(f"{exc} Say which has it, or that none has: --map {shlex.quote(exc.example)}{instead}. "
                             f"The columns are {there}.") from exc
    except errors.UnclearAmounts as exc:
        raise errors.BadFile(f"{exc} Say which it is: --decimal point or --decimal comma.") from exc
    except errors.UnclearDays as exc:
        raise errors.BadFile(f"{exc} Say which comes first: --dates day or --dates month.") from exc
    except errors.UnclearWords as exc:
        raise errors.BadFile(f"{exc} Say so of each, as in --status {shlex.quote(f'{exc.words[0]}=paused')}.") from exc
    except errors.UnclearPrices as exc:
        raise errors.BadFile(f"{exc} Say it of each, as in --price {shlex.quote(f'{exc.plans[0]}=29.90')}.") from exc


def by_questions(source: Source) -> Choices:
    """Ask for what is unclear, and show how the file is read until the administrator is content."""
    chosen = Choices()
    while True:
        try:
            choices = decided(source, chosen)
        except errors.UnclearMapping as exc:
            prompts.complain(str(exc))
            say(f"The file's columns: {columns.listed_columns(source.headers) or f'1 to {len(source.headers)}'}")
            question, missing = which_column(exc), exc.missing
        except errors.BadFile as exc:
            chosen = asked(exc, chosen)
            continue
        else:
            show(source, choices)
            question, missing = "Change (such as name=First+Last; Enter to go on)", ""
        change = ask(question, fields.optional(functools.partial(answered, source, chosen, missing)))
        if change:
            chosen = change
        elif question.startswith("Change"):
            return choices
        else:
            prompts.refuse("Name the column first.")


def which_column(unclear: errors.UnclearMapping) -> str:
    """Return the question for the column of a field, with how to answer it; a name there must be."""
    field, _, column = unclear.example.partition("=")
    if unclear.missing in INSTEAD:
        return (f"Which column ({unclear.missing}=Header; {field}= for none{INSTEAD[unclear.missing][1]})")
    ways = [f"{field}={column or 'Header'}", *([] if field == "name" else [f"{field}= for none"])]
    return f"Which column ({'; '.join(ways)})"


def answered(source: Source, chosen: Choices, missing: str, answer: str) -> Choices:
    """Return what was said with one answer more: a field's columns, or what stands for a column that is missing."""
    if missing and "=" not in answer:
        if missing == "service_cost" and answer.casefold() == "prices":
            return replace(chosen, columns={**chosen.columns, "service_cost": ()})
        return replace(chosen, constants={**chosen.constants, **dict([columns.parse_constant(f"{missing}={answer}")])})
    return replace(chosen, columns={**chosen.columns, **dict([columns.parse_choice(source.headers, answer)])})


def asked(unclear: errors.BadFile, chosen: Choices) -> Choices:
    """Ask for what cells mean, and return that with what was said before."""
    if isinstance(unclear, errors.UnclearPrices):
        say(str(unclear))
        prices = {fold(plan): str(ask(f"Monthly price of {text.clean(plan)}", fields.amount)) for plan in unclear.plans}
        return replace(chosen, prices={**chosen.prices, **prices})
    if isinstance(unclear, errors.UnclearWords):
        say(str(unclear))
        states = {fold(word): ask(f"{text.clean(word)} is", fields.one_of(STATES)) for word in unclear.words}
        return replace(chosen, states={**chosen.states, **states})
    if isinstance(unclear, errors.UnclearAmounts):
        say(str(unclear))
        sign = ask("Decimal sign (point or comma)", fields.choice(DECIMALS, "Enter point or comma."))
        return replace(chosen, decimals={**chosen.decimals, unclear.field: sign})
    if isinstance(unclear, errors.UnclearDays):
        say(str(unclear))
        return replace(chosen, day_first=ask("What comes first (day or month)", fields.choice(DAY_FIRST)))
    raise unclear


def show(source: Source, choices: Choices) -> None:
    """Show which column is which field, what is left out, and the first lines as they will be stored."""
    room = (tables.screen_width() or sys.maxsize) - 2 - max(map(len, FIELDS))
    rows = []
    for name, formulas in choices.columns.items():
        header = text.clean(named(formulas, source.headers))
        rows += [{"field": "" if i else name, "header": line} for i, line in enumerate(tables.wrap(header, room))]
    print(tables.table([tables.codes("Field", "field"), tables.words("Column in the file", "header")], rows))
    parts = dict(columns.left_out_parts(source.headers, choices, source.columns))
    for name in dict.fromkeys(parts.values()):
        headers = [header for header in parts if parts[header] == name]
        hint = (f" Say balance={headers[0]} where that is what they owe, balance=-{headers[0]} where a minus is."
                if name == "balance" else "")
        say(f"Left out, though it looks like {name}: {', '.join(headers)}.{hint}")
    if ignored := [header for header in columns.ignored_headers(source.headers, choices) if header not in parts]:
        say(f"Ignored: {', '.join(ignored)}.")
    for sentence in readings(choices):
        say(sentence)
    show_samples(source, choices)


def readings(choices: Choices) -> list[str]:
    """Say how cells are read, where that is not as they stand, and what is put in."""
    signs = {choices.decimals.get(name, "") for name in AMOUNTS if name in choices.columns} - {""}
    found = []
    if signs == {","}:
        found.append("Amounts are read with a decimal comma: 1.049,00 is 1049.00.")
    elif "," in signs:
        found += [f"{name} is read with a decimal {'comma: 1.049,00' if sign == ',' else 'point: 1,049.00'} is 1049.00."
                  for name, sign in choices.decimals.items() if name in choices.columns]
    found += [f"{name} is {value} where the file does not say it." for name, value in choices.constants.items()]
    return found


def show_samples(source: Source, choices: Choices) -> None:
    """Show the first lines as they will be stored, field by field."""
    read: Callable[[], list[tuple[int, dict[str, str]]]] = functools.partial(
        Reader(source, choices, database.today()).samples, SAMPLES)
    samples = during("Reading the first lines", read)
    names = [name for name in FIELDS if any(name in values for _, values in samples)]
    if not names:
        return
    rows = [{"field": name, **{str(line): values.get(name, "").replace("\n", "; ") for line, values in samples}}
            for name in names]
    lines = [tables.words(f"Line {line}", str(line)) for line, _ in samples]
    print(tables.table([tables.codes("As it will be stored", "field"), *lines], rows))
