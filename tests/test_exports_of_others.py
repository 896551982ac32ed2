"""Exports of other systems come in whole and right, or are refused in a sentence that names what they are."""
from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import exports
import psycopg2
import pytest

from tracker import errors
from tracker.terminal import commands
from tracker.transfer import source as sources

pytestmark = pytest.mark.slow


def those(are_right: bool) -> list[Any]:
    """Return the cases of files that come in, or of those that are refused, to be tested under their names."""
    return [pytest.param(case, id=case.name) for case in exports.cases() if ("customers" in case.expected) == are_right]


@pytest.fixture
def imported(db: Any, uri: str, tmp_path: Path):
    """Import a case after the one that it follows; return its rejects, and what is stored then."""
    def run(case: exports.Case) -> tuple[dict[str, str], list[dict[str, Any]]]:
        if first := case.expected.get("after"):
            run(exports.case(first))
        path = tmp_path / case.path.name
        shutil.copyfile(case.path, path)
        arguments = command("import", str(path), "--yes", *case.options)
        arguments.run(arguments)
        connection = psycopg2.connect(uri)
        try:
            return rejects(path), exports.stored(connection)
        finally:
            connection.close()

    return run


def command(*line: str) -> argparse.Namespace:
    return commands.parser("", lambda _: 0, lambda _: 0).parse_args(line)


def rejects(path: Path) -> dict[str, str]:
    """Return the reason of each rejected line."""
    file = Path(f"{path}.rejects.csv")
    if not file.exists():
        return {}
    return {record.row[0]: record.row[1] for record in sources.records(sources.open_source(file))}


@pytest.mark.parametrize("case", those(True))
def test_an_export_of_another_system_comes_in_right(imported, case):
    reasons, customers = imported(case)
    assert customers == case.expected["customers"]
    words = case.expected.get("rejects", {})
    assert reasons.keys() == words.keys()
    assert [line for line, word in words.items() if word not in reasons[line]] == []


@pytest.mark.parametrize("case", those(False))
def test_an_export_that_leaves_something_open_is_refused_with_a_question(imported, sql, case):
    with pytest.raises(errors.BadFile) as refused:
        imported(case)
    if kind := case.expected.get("asked"):
        chain = [refused.value, refused.value.__cause__]
        assert {type(fault).__name__ for fault in chain} & set(exports.QUESTIONS[kind])
    assert case.expected.get("refused", "") in str(refused.value)
    assert sql("SELECT count(*) AS n FROM customers") == [{"n": 0}]
