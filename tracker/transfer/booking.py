"""The lines of a bank's file as payments: each is matched with the customer it is of, and pays their bills.

A line is certain where its reference names one customer, and nothing speaks against it: an import books it. The others
are kept open, until somebody decides on them. All are kept for good, each with its key, which the same line has when it
comes again: it never pays twice. A check looks at the file and the records as an import does, and writes nothing.
Nothing here prints or asks.
"""
from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from uuid import UUID, uuid5

import psycopg2

import database
from database import fetch_all, fetch_value, retried, transaction
from tracker import errors, interrupts, payments
from tracker.cursor import Cursor, be_patient
from tracker.files import Part, clear, part_of
from tracker.payments import Payment
from tracker.transfer import bank
from tracker.transfer.bank import BankFile
from tracker.transfer.bank_formats import Format, from_json, to_json
from tracker.transfer.bank_lines import BankLine
from tracker.transfer.reading import Progress, silent
from tracker.transfer.references import Said, said_in
from tracker.transfer.rejects import put_rejects, rejects_beside, rejects_path

MOST_TOLD = 5  # of what went back, and of the rejects
MOST_CANDIDATES = 9  # a digit each
MOST_SET_ASIDE = 15  # on a screen
DECIDED = "Somebody else has decided on this line just now."
NEAR = 5  # days between a payment typed by hand and its line
CHUNK = 1000
MANY = 1000  # payments, or lines of the bank, of one reference or account: it is not one customer's
FEW = 20  # customers who can have one in common
STEPS = 5
CHANGED_SINCE = "The file or the records changed after the check; nothing was booked. Check again."
# Days and months as they stand in references that many customers write, such as "Internet 122026".
DAYS = (r"\m(0?[1-9]|1[0-2])20[0-9]{2}\M|\m[0-3][0-9][01][0-9](20)?[0-9]{2}\M|"
        r"\m20[0-9]{2}[01][0-9]([0-3][0-9])?\M")

# Each with how many come after it.
OPEN_LINES = """
    SELECT bank_line_id, key, booked_on, amount, amount - amount_booked AS amount_left, payer, payer_account,
           reference, doubt, (
               SELECT count(*)
               FROM bank_lines AS later
               WHERE later.amount_booked < later.amount AND later.set_aside_on IS NULL
                 AND (later.booked_on, later.bank_line_id) > (bank_lines.booked_on, bank_lines.bank_line_id)
           ) AS more
    FROM bank_lines
    WHERE amount_booked < amount AND set_aside_on IS NULL
"""


class Sum(NamedTuple):
    """How many lines, and the sum of their amounts."""

    lines: int
    amount: Decimal


class Outcome(NamedTuple):
    """What an import of a bank's file books and leaves open; known lines are there already, whatever became of them.

    debits are money that went out, which is skipped; returned are those by which a payment went back to the customer.
    rejects are lines that cannot be read, left_out those that are no booking, each with why.
    """

    first_day: date | None
    last_day: date | None
    booked: Sum
    open: Sum
    known: Sum
    debits: Sum
    returned: tuple[BankLine, ...]
    rejects: dict[int, str]
    left_out: dict[int, str]
    rejects_file: Path | None = None
    settled: tuple[tuple[Path, int], ...] = ()  # earlier rejects of which nothing is missing now, and their lines


class OpenLine(TypedDict):
    """A line that is not booked, or not in full: amount_left of its amount; more open ones come after it."""

    bank_line_id: int
    key: UUID
    booked_on: date
    amount: Decimal
    amount_left: Decimal
    payer: str | None
    payer_account: str | None
    reference: str | None
    doubt: str | None
    more: int


class SetAside(TypedDict):
    """A line that somebody said is no customer's, and on which day."""

    bank_line_id: int
    booked_on: date
    amount: Decimal
    payer: str | None
    reference: str | None
    set_aside_on: date


class Candidate(TypedDict):
    """A customer whose payment a line may be, and why; billing_id is the bill that the reference names.

    is_sure is whether an import would book it, is_owed whether they owe this amount, on a bill or in all.
    """

    customer_id: int
    name: str
    amount_due: Decimal
    monthly_total: Decimal
    last_paid_on: date | None
    billing_id: int | None
    why: str
    reasons: int
    is_sure: bool
    is_owed: bool


@retried
def check(file: BankFile, progress: Progress = silent) -> Outcome:
    """Return what an import would do; write nothing."""
    with database.rehearsal() as cur:
        be_patient(cur)
        return _compare(cur, file, progress)


@retried
def load(file: BankFile, confirmed: Outcome | None = None, progress: Progress = silent) -> Outcome:
    """Book the certain lines of a bank's file and keep the others open, all of them or none; write those that cannot be
    read to a file beside it, named in the outcome.

    Raise Conflict when this is not what was confirmed, because the file or the records have changed since.
    """
    clear(rejects_path(file.path))
    with contextlib.ExitStack() as stack:
        with transaction() as cur:
            database.take_turn(cur, "payments import")
            database.give_reason(cur, f"import of {file.path.name}".encode(errors="replace").decode())
            outcome = _compare(cur, file, progress, books=True)
            if confirmed is not None and outcome != confirmed:
                raise errors.Conflict(CHANGED_SINCE)
            if outcome.rejects:
                part = stack.enter_context(part_of(rejects_path(file.path)))
                bank.write_rejects(file, outcome.rejects, part.file)
            progress("Booking", STEPS, STEPS)
            _keep(cur, file)
            _book(cur)
        if outcome.rejects:
            return outcome._replace(rejects_file=_earlier(part, file.path) or put_rejects(part, file.path))
        return outcome._replace(settled=bank.settled(file))


def _earlier(part: Part, path: Path) -> Path | None:
    """Return the rejects file that has just these lines already, as where the same file comes again; None for none."""
    part.file.flush()
    with contextlib.suppress(OSError):
        return next((found for found in rejects_beside(path)
                     if found.is_file() and found.read_bytes() == part.path.read_bytes()), None)
    return None


def _compare(cur: Cursor, file: BankFile, progress: Progress, books: bool = False) -> Outcome:
    """Read the file into temporary tables, and find what is there already and whose the rest is; where it books, nobody
    else writes money of these customers from then on.
    """
    steps = itertools.count(1)

    def step(what: str) -> None:
        interrupts.check()
        progress(what, next(steps), STEPS)

    step("Reading the file")
    lines = list(bank.lines(file))
    step("Reading the references")
    _stage(cur, [line for line in lines if line.amount > 0])
    known = _take_known(cur)
    step("Matching with customers")
    _find_seen(cur)
    _match(cur)
    step("Matching with payments")
    _find_certain(cur)
    if books:
        _lock_customers(cur)
    _decide(cur)
    booked, left = _sums(cur)
    debits = [line for line in lines if line.amount < 0]
    days = [line.booked_on for line in lines]
    return Outcome(min(days, default=None), max(days, default=None), booked, left, known, _sum(debits),
                   tuple(line for line in lines if line.returned and line.amount < 0),
                   dict(file.rejects), dict(file.left_out))


def _sum(lines: list[BankLine]) -> Sum:
    return Sum(len(lines), sum((abs(line.amount) for line in lines), Decimal(0)))


def _stage(cur: Cursor, lines: Iterable[BankLine]) -> None:
    """Fill bank_incoming with the lines, and bank_clues with what their references say."""
    _make_tables(cur)
    rows = list(lines)
    psycopg2.extras.execute_values(
        cur,
        "INSERT INTO bank_incoming (line, key, booked_on, amount, payer, payer_account, reference, doubt) VALUES %s",
        [(row.line, row.key, row.booked_on, row.amount, row.payer or None, row.payer_account or None,
          row.reference or None, row.doubt or None) for row in rows],
        page_size=CHUNK,
    )
    _stage_clues(cur, ((row.line, row.reference) for row in rows))


def _make_tables(cur: Cursor) -> None:
    cur.execute(
        """
        SET LOCAL work_mem = '64MB';
        SET LOCAL jit = off;
        CREATE TEMPORARY TABLE bank_incoming (
            line           bigint   NOT NULL,
            key            uuid     NOT NULL,
            booked_on      date     NOT NULL,
            amount         numeric  NOT NULL,
            payer          text,
            payer_account  text,
            reference      text,
            doubt          text
        ) ON COMMIT DROP;
        CREATE TEMPORARY TABLE bank_clues (
            line         bigint   NOT NULL,
            kind         text     NOT NULL,
            value        text     NOT NULL,
            is_labelled  boolean  NOT NULL
        ) ON COMMIT DROP
        """
    )


def _stage_clues(cur: Cursor, references: Iterable[tuple[int, str | None]]) -> None:
    """Fill bank_clues with what the references of bank_incoming say, and let the planner know how many there are."""
    psycopg2.extras.execute_values(
        cur,
        "INSERT INTO bank_clues (line, kind, value, is_labelled) VALUES %s",
        [(line, *clue) for line, reference in references if reference for clue in _clues(said_in(reference))],
        page_size=CHUNK,
    )
    cur.execute("ANALYZE bank_incoming; ANALYZE bank_clues")


def _clues(said: Said) -> Iterator[tuple[str, str, bool]]:
    """Yield what a reference names: its kind, its value, and whether a word for such a number stands before it."""
    yield from (("bill", str(number), True) for number in said.bills)
    yield from (("customer number", str(number), True) for number in said.customer_ids)
    yield from (("account number", number, True) for number in said.accounts)
    yield from (("account number", number, False) for number in said.tokens)


def _take_known(cur: Cursor) -> Sum:
    """Take out the lines that are there already; count them."""
    cur.execute(
        """
        WITH known AS (
            DELETE FROM bank_incoming
            USING bank_lines
            WHERE bank_lines.key = bank_incoming.key
            RETURNING bank_incoming.amount
        )
        SELECT count(*) AS lines, coalesce(sum(amount), 0) AS amount FROM known
        """
    )
    row = cur.row()
    return Sum(row["lines"], row["amount"])


def _find_seen(cur: Cursor) -> None:
    """Fill bank_seen with whose payments had a reference of the file before, and bank_payers with whom an account of
    it paid for.

    A reference that many pay with, as Internet, is_common: it says nothing but of whoever paid with it from the same
    account. An account that pays for many, as that of a post office, says nothing at all, and is left out. Neither is
    read to its end, nor are the tables: what the planner takes for frequent may be what the file is full of.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE bank_written ON COMMIT DROP AS
        SELECT line, payer_account, folded(left(reference, 100)) AS written,
               regexp_replace(reference, %(days)s, '', 'g') ~ '[0-9]{5}' AS is_plain
        FROM bank_incoming
        WHERE reference IS NOT NULL AND folded(reference) <> '';

        ANALYZE bank_written;

        SET LOCAL enable_seqscan = off;

        CREATE TEMPORARY TABLE bank_seen ON COMMIT DROP AS
        SELECT written, customer_ids, payments = %(many)s OR cardinality(customer_ids) > %(few)s AS is_common
        FROM (SELECT DISTINCT written FROM bank_written) AS reference
        CROSS JOIN LATERAL (
            SELECT array_agg(DISTINCT customer_id) AS customer_ids, count(*) AS payments
            FROM (
                SELECT customer_id
                FROM payments
                WHERE folded(payments.reference) = written AND voided_at IS NULL AND kind = 'payment'
                LIMIT %(many)s
            ) AS payment
        ) AS paid
        WHERE payments > 0;

        CREATE TEMPORARY TABLE bank_payers ON COMMIT DROP AS
        SELECT payer_account, customer_ids
        FROM (SELECT DISTINCT payer_account FROM bank_incoming WHERE payer_account IS NOT NULL) AS account
        CROSS JOIN LATERAL (
            SELECT array_agg(DISTINCT customer_id) FILTER (WHERE customer_id IS NOT NULL AND voided_at IS NULL)
                       AS customer_ids, count(*) AS lines
            FROM (
                SELECT bank_line_id
                FROM bank_lines
                WHERE bank_lines.payer_account = account.payer_account
                LIMIT %(many)s
            ) AS line
            LEFT JOIN payments USING (bank_line_id)
        ) AS paid
        WHERE lines < %(many)s AND cardinality(customer_ids) <= %(few)s;

        RESET enable_seqscan;

        ANALYZE bank_seen;

        ANALYZE bank_payers
        """,
        {"days": DAYS, "many": MANY, "few": FEW},
    )


def _match(cur: Cursor) -> None:
    """Fill bank_matches: whom a line names, by what, and whether its payer's name and its amount agree with that.

    A reference that was seen before is that of a payment that counts; what many write, such as Internet December, needs
    the payer's name, or the amount from the same account. Whoever was merged is who they turned out to be; whoever was
    erased is nobody. Banks write ä as ae, and so names are compared without the e.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE bank_named ON COMMIT DROP AS
        SELECT line, kind, coalesce(merged_into, customer_id) AS customer_id, NULL::bigint AS billing_id,
               is_labelled OR value ~ '[a-z]' AND value ~ '[0-9]' AND char_length(value) >= 4 AS is_plain
        FROM bank_clues
        JOIN customers ON serial_key(account_number) = serial_key(value)
        WHERE kind = 'account number' AND account_number IS NOT NULL
        UNION ALL
        SELECT line, kind, coalesce(merged_into, customer_id), NULL, false
        FROM bank_clues
        JOIN customers ON customer_id = value::bigint
        WHERE kind = 'customer number'
        UNION ALL
        SELECT line, kind, customer_id, billing_id, false
        FROM bank_clues
        JOIN billing ON billing_id = value::bigint
        WHERE kind = 'bill' AND cancelled_on IS NULL
        UNION ALL
        SELECT line, 'reference', customer_id, NULL, is_plain
        FROM bank_written
        JOIN bank_seen USING (written)
        CROSS JOIN unnest(customer_ids) AS customer_id
        WHERE NOT is_common
        UNION ALL
        SELECT line, 'reference', customer_id, NULL, false
        FROM bank_written
        JOIN bank_seen USING (written)
        JOIN bank_payers USING (payer_account)
        CROSS JOIN unnest(bank_payers.customer_ids) AS payer (customer_id)
        WHERE is_common AND EXISTS (
            WITH own AS MATERIALIZED (
                SELECT reference
                FROM payments
                WHERE payments.customer_id = payer.customer_id AND voided_at IS NULL AND kind = 'payment'
            )
            SELECT FROM own WHERE folded(reference) = written
        )
        UNION ALL
        SELECT line, 'account of the payer', customer_id, NULL, false
        FROM bank_incoming
        JOIN bank_payers USING (payer_account)
        CROSS JOIN unnest(customer_ids) AS customer_id;

        ANALYZE bank_named;

        CREATE TEMPORARY TABLE bank_matches ON COMMIT DROP AS
        SELECT *, kind <> 'account of the payer'
                  AND (is_plain OR same_name OR same_amount AND (kind <> 'reference' OR same_account)) AS is_sure
        FROM (
            SELECT line, bank_named.kind, bank_named.customer_id, bank_named.billing_id, is_plain,
                   coalesce((payer.words <@ named.words OR named.words <@ payer.words)
                            AND (least(cardinality(payer.words), cardinality(named.words)) > 1
                                 OR payer.words = named.words), false) AS same_name,
                   EXISTS (
                       SELECT FROM billing
                       WHERE billing.customer_id = bank_named.customer_id AND cancelled_on IS NULL
                         AND (billing.billing_id = bank_named.billing_id OR bank_named.billing_id IS NULL)
                         AND bank_incoming.amount IN (amount_billed, amount_due)
                   ) AS same_amount,
                   bool_or(bank_named.kind = 'account of the payer') OVER (
                       PARTITION BY line, bank_named.customer_id
                   ) AS same_account
            FROM bank_named
            JOIN bank_incoming USING (line)
            JOIN customers ON customers.customer_id = bank_named.customer_id AND erased_on IS NULL
            CROSS JOIN LATERAL (SELECT ARRAY(
                SELECT DISTINCT unnest(string_to_array(
                    replace(replace(replace(name_folded, 'ae', 'a'), 'oe', 'o'), 'ue', 'u'), ' ')) AS word
                ORDER BY word)) AS named (words)
            CROSS JOIN LATERAL (SELECT ARRAY(
                SELECT DISTINCT unnest(string_to_array(
                    replace(replace(replace(folded(payer), 'ae', 'a'), 'oe', 'o'), 'ue', 'u'), ' ')) AS word
                ORDER BY word)) AS payer (words)
        ) AS compared;

        ANALYZE bank_matches
        """
    )


def _find_certain(cur: Cursor) -> None:
    """Fill bank_certain with whose the lines are that name one customer for sure."""
    cur.execute(
        """
        CREATE TEMPORARY TABLE bank_certain ON COMMIT DROP AS
        SELECT line, min(customer_id) AS customer_id, min(billing_id) AS billing_id
        FROM bank_matches
        WHERE is_sure
        GROUP BY line
        HAVING count(DISTINCT customer_id) = 1;

        ANALYZE bank_certain
        """
    )


def _lock_customers(cur: Cursor) -> None:
    """Wait for payments that are being typed, which speak against a line, and let none be typed until these are in."""
    cur.execute(
        """
        SELECT 1
        FROM customers
        WHERE customer_id IN (SELECT customer_id FROM bank_certain)
        ORDER BY customer_id
        FOR UPDATE
        """
    )


def _decide(cur: Cursor) -> None:
    """Say in bank_incoming what speaks against lines, and leave in bank_certain those against which nothing does."""
    cur.execute(
        """
        UPDATE bank_incoming
        SET doubt = 'It names ' || named.customers || '.'
        FROM (
            SELECT line, 'customers ' || string_agg(customer_id::text, ' and ' ORDER BY customer_id) AS customers
            FROM (SELECT DISTINCT line, customer_id FROM bank_matches WHERE is_sure) AS sure
            GROUP BY line
            HAVING count(*) > 1
        ) AS named
        WHERE named.line = bank_incoming.line AND doubt IS NULL;

        UPDATE bank_incoming
        SET doubt = 'It is of a day to come.'
        WHERE booked_on > CURRENT_DATE AND doubt IS NULL;

        UPDATE bank_incoming
        SET doubt = 'It names customer ' || other.named || '; its payer has the name of customer ' || other.payer || '.'
        FROM (
            SELECT line, bank_certain.customer_id AS named, min(customers.customer_id) AS payer
            FROM bank_certain
            JOIN bank_incoming USING (line)
            JOIN customers ON name_folded = folded(payer) AND closed_on IS NULL
            WHERE NOT EXISTS (
                SELECT FROM bank_matches
                WHERE bank_matches.line = bank_certain.line AND bank_matches.customer_id = bank_certain.customer_id
                  AND (same_name OR same_amount)
            )
            GROUP BY line, bank_certain.customer_id
        ) AS other
        WHERE other.line = bank_incoming.line AND doubt IS NULL;

        UPDATE bank_incoming
        SET doubt = 'Payment ' || earlier.payment_id
                    || ' came by another file, of this day and amount; n where it is the same.'
        FROM (
            SELECT line, min(payment_id) AS payment_id
            FROM bank_certain
            JOIN bank_incoming USING (line)
            JOIN payments ON payments.customer_id = bank_certain.customer_id AND payments.amount = bank_incoming.amount
                AND paid_on = booked_on
            WHERE bank_line_id IS NOT NULL AND voided_at IS NULL
            GROUP BY line
        ) AS earlier
        WHERE earlier.line = bank_incoming.line AND doubt IS NULL;

        UPDATE bank_incoming
        SET doubt = 'Payment ' || typed.payment_id || ' of ' || typed.paid_on
                    || ' was typed, of this amount; n where it is the same.'
        FROM (
            SELECT line, min(payment_id) AS payment_id, min(payments.paid_on) AS paid_on
            FROM bank_certain
            JOIN bank_incoming USING (line)
            JOIN payments ON payments.customer_id = bank_certain.customer_id AND payments.amount = bank_incoming.amount
            WHERE payments.kind = 'payment' AND voided_at IS NULL AND bank_line_id IS NULL
              AND paid_on BETWEEN booked_on - %(near)s AND booked_on + %(near)s
            GROUP BY line
        ) AS typed
        WHERE typed.line = bank_incoming.line AND doubt IS NULL;

        DELETE FROM bank_certain
        USING bank_incoming
        WHERE bank_incoming.line = bank_certain.line AND doubt IS NOT NULL
        """,
        {"near": NEAR},
    )


def _sums(cur: Cursor) -> tuple[Sum, Sum]:
    """Return what is certain and what stays open."""
    cur.execute(
        """
        SELECT count(certain.line)                                                  AS booked_lines,
               coalesce(sum(amount) FILTER (WHERE certain.line IS NOT NULL), 0)     AS booked,
               count(*) - count(certain.line)                                       AS open_lines,
               coalesce(sum(amount) FILTER (WHERE certain.line IS NULL), 0)         AS open
        FROM bank_incoming
        LEFT JOIN bank_certain AS certain USING (line)
        """
    )
    row = cur.row()
    return Sum(row["booked_lines"], row["booked"]), Sum(row["open_lines"], row["open"])


def _keep(cur: Cursor, file: BankFile) -> None:
    cur.execute(
        """
        INSERT INTO bank_lines (key, booked_on, amount, payer, payer_account, reference, file_name, line, doubt)
        SELECT key, booked_on, amount, left(payer, 300), left(payer_account, 100), left(reference, 1000), %(file_name)s,
               line, left(doubt, 300)
        FROM bank_incoming
        ORDER BY line
        """,
        {"file_name": file.path.name.encode(errors="replace").decode()[:300]},
    )


def _book(cur: Cursor) -> None:
    """Make the payments of the certain lines, and let them pay: the bill that a reference names, then the oldest due.

    Of several lines that name one bill, the earlier pays first.
    """
    cur.execute(
        """
        CREATE TEMPORARY TABLE bank_paid (payment_id bigint, customer_id bigint, key uuid) ON COMMIT DROP;

        WITH paid AS (
            INSERT INTO payments (customer_id, amount, paid_on, method, reference, entry_key, bank_line_id)
            SELECT customer_id, bank_lines.amount, bank_lines.booked_on, 'transfer', left(bank_lines.reference, 100),
                   bank_lines.key, bank_line_id
            FROM bank_certain
            JOIN bank_incoming USING (line)
            JOIN bank_lines USING (key)
            ORDER BY bank_line_id
            RETURNING payment_id, customer_id, entry_key
        )
        INSERT INTO bank_paid SELECT * FROM paid;

        INSERT INTO payment_allocations (payment_id, billing_id, amount)
        SELECT payment_id, billing_id, least(upto, amount_due) - after
        FROM (
            SELECT payment_id, bank_certain.billing_id, amount_due, sum(amount) OVER earlier AS upto,
                   sum(amount) OVER earlier - amount AS after
            FROM bank_certain
            JOIN bank_incoming USING (line)
            JOIN bank_paid USING (key)
            JOIN billing ON billing.billing_id = bank_certain.billing_id AND billing.customer_id = bank_paid.customer_id
            WINDOW earlier AS (PARTITION BY bank_certain.billing_id ORDER BY line)
        ) AS named
        WHERE after < amount_due;

        SELECT apply_credit(ARRAY(SELECT DISTINCT customer_id FROM bank_paid), ARRAY(SELECT payment_id FROM bank_paid))
        """
    )


def count_open() -> Sum:
    """Return how many lines are open, and how much of them is not booked."""
    row = database.fetch_one(
        """
        SELECT count(*) AS lines, coalesce(sum(amount - amount_booked), 0) AS amount
        FROM bank_lines
        WHERE amount_booked < amount AND set_aside_on IS NULL
        """
    )
    return Sum(*row.values()) if row else Sum(0, Decimal(0))


def next_open(after: tuple[date, int] = (date.min, 0)) -> OpenLine | None:
    """Return the open line that follows another, given by its day and ID, or None."""
    return database.fetch_one(
        f"{OPEN_LINES} AND (booked_on, bank_line_id) > (%(day)s, %(id)s) ORDER BY booked_on, bank_line_id LIMIT 1",
        day=after[0], id=after[1],
    )


def get_open(bank_line_id: int) -> OpenLine:
    """Return an open line; raise Conflict when it is not open any more."""
    line: OpenLine | None = database.fetch_one(
        f"{OPEN_LINES} AND bank_line_id = %(bank_line_id)s", bank_line_id=bank_line_id)
    if line is None:
        raise errors.Conflict(DECIDED)
    return line


@retried
def candidates(line: OpenLine) -> list[Candidate]:
    """Return who may have paid an open line, the likeliest first: those that its reference names, those who paid from
    this account or with this reference before, those with the payer's name, and those who owe this amount and have a
    word of it. Whose whole name the payer or the reference has comes before whoever has a part of it.
    """
    similar = [row["customer_id"] for row in database.suggest_customers(line["payer"], MOST_CANDIDATES).rows
               ] if line["payer"] else []
    with database.rehearsal() as cur:
        _make_tables(cur)
        cur.execute(
            """
            INSERT INTO bank_incoming (line, key, booked_on, amount, payer, payer_account, reference)
            SELECT 1, key, booked_on, amount - amount_booked, payer, payer_account, reference
            FROM bank_lines
            WHERE bank_line_id = %(bank_line_id)s
            """,
            {"bank_line_id": line["bank_line_id"]},
        )
        _stage_clues(cur, [(1, line["reference"])])
        _find_seen(cur)
        _match(cur)
        cur.execute(
            """
            WITH written AS (
                SELECT string_to_array(replace(replace(replace(folded(line), 'ae', 'a'), 'oe', 'o'), 'ue', 'u'), ' ')
                           AS words
                FROM concat_ws(' ', %(payer)s::text, %(reference)s::text) AS line
            ), owing AS (
                SELECT customer_id, named.words <@ written.words AS is_named
                FROM (SELECT DISTINCT customer_id FROM billing WHERE amount_due > 0 AND amount_due = %(amount)s) AS due
                JOIN customers USING (customer_id)
                CROSS JOIN written
                CROSS JOIN LATERAL (SELECT string_to_array(
                    replace(replace(replace(name_folded, 'ae', 'a'), 'oe', 'o'), 'ue', 'u'), ' ') AS words) AS named
                CROSS JOIN LATERAL (
                    SELECT count(*) AS words
                    FROM unnest(named.words) AS word
                    WHERE char_length(word) >= 4 AND word = ANY (written.words)
                ) AS shared
                WHERE shared.words > 0
                ORDER BY is_named DESC, shared.words DESC, customer_id
                LIMIT %(most)s
            ), reason AS (
                SELECT customer_id, billing_id, kind, is_sure, same_name
                FROM bank_matches
                WHERE kind <> 'reference' OR is_sure
                UNION ALL
                SELECT coalesce(merged_into, customer_id), NULL, 'name', false, name_folded = folded(%(payer)s)
                FROM customers
                WHERE customer_id = ANY (%(similar)s::bigint[]) AND erased_on IS NULL
                UNION ALL
                SELECT customer_id, NULL, 'owes this', false, is_named FROM owing
                UNION ALL
                SELECT customer_id, NULL, 'owes this', false, false
                FROM billing
                WHERE customer_id = ANY (%(similar)s::bigint[]) AND amount_due > 0
                GROUP BY customer_id
                HAVING sum(amount_due) = %(amount)s
                UNION ALL
                SELECT customer_id, NULL, 'name', false, true FROM owing WHERE is_named
            ), candidate AS (
                SELECT customer_id, min(billing_id) AS billing_id, bool_or(is_sure) AS is_sure,
                       bool_or(same_name) AS is_named, string_agg(DISTINCT kind, ', ') AS why,
                       count(DISTINCT kind) AS reasons
                FROM reason
                GROUP BY customer_id
            )
            SELECT customer_id, name, amount_due, monthly_total, last_paid_on, billing_id,
                   why || CASE WHEN closed_on IS NULL THEN '' ELSE ', closed' END AS why, reasons, is_sure,
                   has_bill OR amount_due = %(amount)s AS is_owed
            FROM candidate
            JOIN customers USING (customer_id)
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount_due), 0)                       AS amount_due,
                       coalesce(bool_or(amount_due = %(amount)s), false)  AS has_bill
                FROM billing
                WHERE billing.customer_id = candidate.customer_id AND amount_due > 0
            ) AS owed
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(services_today.cost), 0) AS monthly_total
                FROM locations
                JOIN services_today USING (location_id)
                WHERE locations.customer_id = candidate.customer_id
            ) AS billed
            CROSS JOIN LATERAL (
                SELECT max(paid_on) AS last_paid_on
                FROM payments
                WHERE payments.customer_id = candidate.customer_id AND kind = 'payment' AND voided_at IS NULL
            ) AS paid
            ORDER BY is_sure DESC, reasons DESC, is_named DESC, is_owed DESC, amount_due > 0 DESC,
                     closed_on DESC NULLS FIRST, customer_id
            LIMIT %(most)s
            """,
            {**line, "amount": line["amount_left"], "similar": similar, "most": MOST_CANDIDATES},
        )
        return cur.fetchall()  # type: ignore[return-value]


def count_payments(bank_line_id: int) -> int:
    """Return how many payments a line has made, void ones too."""
    return fetch_value("SELECT count(*) FROM payments WHERE bank_line_id = %(bank_line_id)s", bank_line_id=bank_line_id)


def entry_key(line: OpenLine, nth: int) -> UUID:
    """Return the entry key of the nth payment of a line, from 0: two people who decide on it at once book it once."""
    return uuid5(line["key"], str(nth))


def book(line: OpenLine, customer_id: int, amount: Decimal, nth: int, billing_id: int | None = None) -> Payment:
    """Record that a customer paid a line, or amount of it, and return the payment as record_payment does.

    nth is as in entry_key. Raise Conflict where somebody else decided otherwise, and the rest as record_payment.
    """
    return payments.record_payment(
        customer_id, amount, line["booked_on"], "transfer", (line["reference"] or "")[:100].strip() or None,
        entry_key(line, nth), billing_id, line["bank_line_id"],
    )


def set_aside(bank_line_id: int) -> None:
    """Say that an open line is no customer's payment; raise Conflict where it is not open any more."""
    if not database.write_one(
        """
        UPDATE bank_lines
        SET set_aside_on = CURRENT_DATE
        WHERE bank_line_id = %(bank_line_id)s AND set_aside_on IS NULL AND amount_booked < amount
        RETURNING bank_line_id
        """,
        bank_line_id=bank_line_id,
    ):
        raise errors.Conflict(DECIDED)


def list_set_aside() -> list[SetAside]:
    """Return the lines that were set aside last, the latest first."""
    return fetch_all(
        """
        SELECT bank_line_id, booked_on, amount, payer, reference, set_aside_on
        FROM bank_lines
        WHERE set_aside_on IS NOT NULL AND amount_booked < amount
        ORDER BY set_aside_on DESC, bank_line_id DESC
        LIMIT %(most)s
        """,
        most=MOST_SET_ASIDE,
    )


def take_back(bank_line_id: int) -> None:
    """Open a line again that was set aside."""
    database.write_one(
        """
        UPDATE bank_lines
        SET set_aside_on = NULL
        WHERE bank_line_id = %(bank_line_id)s AND set_aside_on IS NOT NULL
        RETURNING bank_line_id
        """,
        bank_line_id=bank_line_id,
    )


def formats() -> dict[str, Format]:
    """Return how banks write their files, by name."""
    rows: list[dict[str, Any]] = fetch_all("SELECT name, format FROM bank_formats ORDER BY lower(name)")
    return {row["name"]: from_json(row["format"]) for row in rows}


def get_format(name: str) -> Format | None:
    """Return how a bank writes its files, whatever the case of its name; None for a bank that is not known yet."""
    return next((layout for known, layout in formats().items() if known.casefold() == name.casefold()), None)


def remember_format(name: str, layout: Format) -> None:
    """Keep how a bank writes its files under a name, in place of what was kept there."""
    database.write_one(
        """
        INSERT INTO bank_formats (name, format)
        VALUES (%(name)s, %(format)s::jsonb)
        ON CONFLICT (lower(name)) DO UPDATE
        SET format = excluded.format
        RETURNING bank_format_id
        """,
        name=name, format=json.dumps(to_json(layout)),
    )
