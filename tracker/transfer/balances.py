"""What customers owed, or had paid too much, in the books that an import comes from.

It becomes a bill or a credit note called as OPENING says, once: whoever has one gets no other.
"""
from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from tracker.cursor import Cursor

OPENING = "Opening balance"
MOST_TOLD = 3
# What a customer's opening balance here is, NULL for none. A bill may be called otherwise by now, its line may not.
HERE = """
    SELECT sum(amount) AS amount
    FROM (
        SELECT amount_billed AS amount
        FROM billing
        WHERE billing.customer_id = known.customer_id AND period IS NULL AND cancelled_on IS NULL
          AND EXISTS (
              SELECT FROM billing_items AS item
              WHERE item.billing_id = billing.billing_id AND item.description = %(opening)s
          )
        UNION ALL
        SELECT -amount
        FROM payments
        WHERE payments.customer_id = known.customer_id AND reason = %(opening)s AND kind = 'credit note'
          AND voided_at IS NULL
    ) AS booked
"""


class Other(NamedTuple):
    """A customer who has another opening balance here than in the file."""

    line: int
    name: str
    here: Decimal
    in_file: Decimal


class Opening(NamedTuple):
    """The opening balances to be made, and those that are there; amounts above 0 are owed."""

    bills: int = 0
    owed: Decimal = Decimal(0)
    credits: int = 0
    credit: Decimal = Decimal(0)
    present: int = 0
    others: int = 0
    first_others: tuple[Other, ...] = ()

    def total(self) -> Decimal:
        """Return what all of it comes to, below 0 where that is credit."""
        return self.owed - self.credit

    def to_make(self) -> bool:
        """Tell whether there is anything to bill or credit."""
        return bool(self.bills or self.credits)


def reject_differing(cur: Cursor) -> dict[int, str]:
    """Take out lines with a balance of customers for whom the file has several: which is right, or whether they add up,
    the file does not say.
    """
    cur.execute(
        """
        DELETE FROM import_lines
        USING (
            SELECT customer, min(line) AS first_line, max(line) AS last_line
            FROM import_lines
            WHERE balance IS NOT NULL
            GROUP BY customer
            HAVING min(balance) <> max(balance)
        ) AS several
        WHERE several.customer = import_lines.customer AND balance IS NOT NULL
        RETURNING line, first_line, last_line
        """
    )
    return {
        row["line"]: f"balance: Lines {row['first_line']} to {row['last_line']} have different ones of this customer; "
                     "write one, the sum if they add up."
        for row in cur
    }


def reject_of_closed(cur: Cursor) -> dict[int, str]:
    """Take out lines with a balance of customers who are closed in the file and here, and have no opening balance:
    nothing else would be said of it.
    """
    cur.execute(
        f"""
        DELETE FROM import_lines
        USING import_callers AS caller
        JOIN import_known AS known USING (customer)
        JOIN customers AS stored ON stored.customer_id = known.customer_id AND closed_on IS NOT NULL
        CROSS JOIN LATERAL ({HERE}) AS here
        WHERE import_lines.customer = caller.customer AND is_closing AND balance <> 0 AND here.amount IS NULL
        RETURNING line, known.customer_id
        """,  # noqa: S608 (HERE stands above)
        {"opening": OPENING},
    )
    return {row["line"]: f"balance: Customer {row['customer_id']} is closed, and has no opening balance; reopen the "
                         "account first." for row in cur}


def find(cur: Cursor) -> Opening:
    """Fill import_balances with the balance of each customer who has one, and what they have here; sum that up."""
    cur.execute(
        f"""
        CREATE TEMPORARY TABLE import_balances ON COMMIT DROP AS
        SELECT customer, line, balance, known.customer_id, here.amount AS here
        FROM (
            SELECT customer, min(line) AS line, min(balance) AS balance
            FROM import_lines
            WHERE balance IS NOT NULL
            GROUP BY customer
        ) AS one
        LEFT JOIN import_known AS known USING (customer)
        LEFT JOIN LATERAL (
            {HERE}
        ) AS here ON known.customer_id IS NOT NULL;

        SELECT count(*) FILTER (WHERE here IS NULL AND balance > 0)                      AS bills,
               coalesce(sum(balance) FILTER (WHERE here IS NULL AND balance > 0), 0)     AS owed,
               count(*) FILTER (WHERE here IS NULL AND balance < 0)                      AS credits,
               coalesce(-sum(balance) FILTER (WHERE here IS NULL AND balance < 0), 0)    AS credit,
               count(*) FILTER (WHERE here = balance)                                    AS present,
               count(*) FILTER (WHERE here <> balance)                                   AS others
        FROM import_balances
        """,  # noqa: S608 (HERE stands above)
        {"opening": OPENING},
    )
    opening = Opening(**cur.row())
    if not opening.others:
        return opening
    cur.execute(
        """
        SELECT line, name, here, balance AS in_file
        FROM import_balances
        JOIN customers USING (customer_id)
        WHERE here <> balance
        ORDER BY line
        LIMIT %(most)s
        """,
        {"most": MOST_TOLD},
    )
    return opening._replace(first_others=tuple(Other(**row) for row in cur))


def book(cur: Cursor, opening: Opening, as_of: date | None) -> None:
    """Bill what is owed, due on a day, today unless it is given; credit what was paid too much, and spend it.

    The day of both is that day, or today where it is to come.
    """
    values = {"opening": OPENING, "as_of": as_of}
    if opening.bills:
        cur.execute(
            """
            WITH made AS (
                INSERT INTO billing (customer_id, description, issued_on, due_date, amount_billed)
                SELECT known.customer_id, %(opening)s, least(%(as_of)s::date, CURRENT_DATE),
                       coalesce(%(as_of)s::date, CURRENT_DATE), balance
                FROM import_balances
                JOIN import_known AS known USING (customer)
                WHERE here IS NULL AND balance > 0
                ORDER BY line
                RETURNING billing_id, amount_billed
            )
            INSERT INTO billing_items (billing_id, description, amount)
            SELECT billing_id, %(opening)s, amount_billed FROM made
            """,
            values,
        )
    if opening.credits:
        cur.execute(
            """
            INSERT INTO payments (customer_id, amount, paid_on, kind, reason)
            SELECT known.customer_id, -balance, least(%(as_of)s::date, CURRENT_DATE), 'credit note', %(opening)s
            FROM import_balances
            JOIN import_known AS known USING (customer)
            WHERE here IS NULL AND balance < 0
            ORDER BY line
            """,
            values,
        )
    cur.execute(
        """
        SELECT apply_credit(array_agg(customer_id))
        FROM import_balances
        WHERE here IS NULL AND balance <> 0 AND customer_id IS NOT NULL
        HAVING count(*) > 0
        """
    )
