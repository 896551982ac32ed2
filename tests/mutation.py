"""Break the money on purpose and see whether a test notices: python -m tests.mutation

Each mutant is one small change of the SQL or the Python of the files below. A mutant survives when every test of TESTS
passes with it. Those in EQUIVALENT were looked at and change nothing that anybody could see; they are not run.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from tracker import embedded

PROJECT = Path(__file__).parents[1]
FILES = ["tracker/payments.py", "tracker/bill_run.py", "tracker/reports.py", "tracker/verify.py", "schema.sql"]
TESTS = [  # the quickest first
    "tests/test_schema.py", "tests/test_statements.py", "tests/test_indexes.py", "tests/test_plans.py",
    "tests/test_money.py", "tests/test_money_edges.py", "tests/test_reports.py", "tests/test_report_edges.py",
    "tests/test_billing_menu.py", "tests/test_record_edges.py", "tests/test_locks.py", "tests/test_model.py",
    "tests/test_faults.py", "tests/test_screens.py",
]
SECONDS = 240  # a mutant that makes the tests hang is noticed, too

# What a change is: the pattern that finds a place for it, and what it becomes.
SWAPS = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" <> ", " = "), (r" != ", " == "),
    (r" == ", " != "), (r" - ", " + "), (r" \+ ", " - "), (r" DESC\b", ""), (r" FOR (NO KEY )?UPDATE\b", ""),
    (r"\bIS NULL\b", "IS NOT NULL"), (r"\bIS NOT NULL\b", "IS NULL"), (r"\bmin\(", "max("), (r"\bmax\(", "min("),
    (r"\bsum\(", "max("), (r"\bcount\(DISTINCT ", "count("), (r"\bLEFT JOIN\b", "JOIN"), (r"\bNOT EXISTS\b", "EXISTS"),
    (r"\bleast\(", "greatest("), (r"\bgreatest\(", "least("), (r"\bAND NOT\b", "AND"), (r"\bUNION ALL\b", "UNION"),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"\bIS DISTINCT FROM\b", "="), (r"(?<!IS )\bDISTINCT (?!ON)", ""),
    (r"\bcoalesce\((\w[\w.]*), 0\)", r"\1"), (r"\bON CONFLICT [^\n]* DO NOTHING", ""),
    (r"\bCONSTRAINT \w+ +CHECK", "CHECK"),
    (r"\bCURRENT_DATE\b", "(CURRENT_DATE - 1)"),
    (r"(ORDER BY [^()]*), \w+_id(\)?)$", r"\1\2"), (r"\bBEFORE (UPDATE|TRUNCATE)\b", r"AFTER \1"),
    (r"\bif not\b", "if"), (r"\band\b", "or"), (r"\bor\b", "and"), (r"raise (Conflict|NotFound)\(", r"str("),
]
# Whole lines that may be left out.
DROPS = [
    r" +AND [^\n]*", r" +OR [^\n]*", r" +WHERE [^\n]*", r" +(PERFORM|cur\.execute\(\"S)[^\n]*", r" +be_patient\(cur\)",
    r" +ORDER BY [^\n]*", r"CREATE INDEX [^\n]*", r" +CONSTRAINT \w+ +CHECK [^\n]*", r" +_lock_\w+\(cur[^\n]*",
    r" +_insert_item\([^\n]*", r" +apply_credit\([^\n]*",
]
NUMBER = r"(?<![\w.%({-])(?:[1-9]|[1-9]\d)(?![\w.)}])"

# Looked at, each with why nothing shows it: file, line as it is, line as changed.
EQUIVALENT = {
    (
        "tracker/bill_run.py",
        "WHERE payment_allocation_id > %(last_id)s AND xmin = pg_current_xact_id()::xid",
        "WHERE payment_allocation_id >= %(last_id)s AND xmin = pg_current_xact_id()::xid",
    ): "the last one before is another transaction's",
    (
        "tracker/reports.py",
        "SELECT generate_series(date_trunc('month', CURRENT_DATE) - interval '11 months',",
        "SELECT generate_series(date_trunc('month', (CURRENT_DATE - 1)) - interval '11 months',",
    ): "shows on the first of a month alone",
    (
        "tracker/reports.py",
        "date_trunc('month', CURRENT_DATE), interval '1 month')::date AS month",
        "date_trunc('month', (CURRENT_DATE - 1)), interval '1 month')::date AS month",
    ): "shows on the first of a month alone",
    ("tracker/reports.py", "UNION ALL", "UNION"): "a bill, a payment and a void have IDs, so no two lines are the same",
    (
        "tracker/reports.py",
        "SELECT voided_at::date, 3, 'void', payment_id,",
        "SELECT voided_at::date, 4, 'void', payment_id,",
    ): "still the last of its day",
    (
        "schema.sql",
        "AND (amount_due > 0 OR last_payment_date > as_of)",
        "AND (amount_due >= 0 OR last_payment_date > as_of)",
    ): "spares work: what is billed and paid decides",
    ("schema.sql", "AND (amount_due > 0 OR last_payment_date > as_of)", ""): "spares work, as the one before",
}


class Mutant(NamedTuple):
    file: str
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n  - {self.before.strip()}\n  + {self.after.strip() or '(left out)'}"


def mutants(file: str) -> Iterator[Mutant]:
    """Yield every change of a file, one place of one line at a time; comments and docstrings are left alone."""
    quoted = False
    for number, line in enumerate((PROJECT / file).read_text(encoding="utf-8").split("\n"), 1):
        if line.count('"""') == 1:
            quoted = not quoted
        is_sql = file.endswith(".sql") or (quoted and line.startswith(" " * 8))
        if re.match(r"\s*(#|--|'|COMMENT|\"\"\"|from |import |@|def |class |$)", line) or (quoted and not is_sql):
            continue
        code = line.partition("  # ")[0]
        for pattern, replacement in SWAPS:
            for place in re.finditer(pattern, code):
                changed = line[:place.start()] + place.expand(replacement) + line[place.end():]
                yield Mutant(file, number, line, changed)
        for place in re.finditer(NUMBER, re.sub(r"(PERFORM|SELECT|EXISTS \(SELECT|BY) 1\b", r"\1 _", line)):
            yield Mutant(file, number, line, line[:place.start()] + str(int(place[0]) + 1) + line[place.end():])
        if any(re.fullmatch(pattern, line) for pattern in DROPS):
            ending = re.search(r"[;)]+,?$", line)
            yield Mutant(file, number, line, ending[0] if ending and line.count("(") < line.count(")") else "")


def is_noticed(mutant: Mutant, copy: Path, uri: str, tests: list[str]) -> bool:
    """Run the tests on a copy of the project with a mutant in it; tell whether one fails."""
    path = copy / mutant.file
    sound = path.read_text(encoding="utf-8")
    lines = sound.split("\n")
    lines[mutant.line - 1] = mutant.after
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", *tests],
            cwd=copy, env={**os.environ, "TEST_DATABASE_URI": uri, "PYTHONDONTWRITEBYTECODE": "1"}, timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(sound, encoding="utf-8")
    return done.returncode != 0


def main() -> int:
    top = argparse.ArgumentParser(description="Break the money on purpose and list the changes that no test notices.")
    top.add_argument("--files", nargs="+", default=FILES, help="files to break, else those about money")
    top.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    top.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth mutant")
    top.add_argument("--list", action="store_true", help="list the mutants and stop")
    arguments = top.parse_args()
    chosen = [
        mutant for file in arguments.files for mutant in mutants(file)
        if (mutant.file, mutant.before.strip(), mutant.after.strip()) not in EQUIVALENT
    ][::arguments.every]
    if arguments.list:
        print(*chosen, f"{len(chosen)} mutants.", sep="\n")
        return 0
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="isp-mutation-", dir=memory) as folder:
        Path(folder).chmod(0o755)
        return run(chosen, arguments.jobs, Path(folder))


def run(chosen: list[Mutant], jobs: int, folder: Path) -> int:
    """Try mutants, some at a time, each in a copy of the project that is lent to it; return how many survived."""
    uri = embedded.start(folder / "data", ["fsync=off", "full_page_writes=off", "max_connections=300"])
    uri = uri.partition("&options=")[0]  # without the time zone, as in conftest.py
    tests = [test for test in TESTS if (PROJECT / test).exists()]
    copies: Queue[Path] = Queue()
    for number in range(jobs):
        copies.put(folder / f"copy-{number}")
        left_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")
        shutil.copytree(PROJECT, folder / f"copy-{number}", ignore=left_out)

    def attempt(mutant: Mutant) -> bool:
        copy = copies.get()
        try:
            return is_noticed(mutant, copy, uri, tests)
        finally:
            copies.put(copy)

    survivors = 0
    with ThreadPoolExecutor(jobs) as pool:
        for count, (mutant, noticed) in enumerate(zip(chosen, pool.map(attempt, chosen)), 1):
            if not noticed:
                survivors += 1
                print(f"survived: {mutant}", flush=True)
            if count % 25 == 0:
                print(f"{count} of {len(chosen)}, {survivors} survived", file=sys.stderr, flush=True)
    embedded.stop()
    print(f"{len(chosen)} mutants, {survivors} survived ({survivors / max(len(chosen), 1):.1%}).")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main())
