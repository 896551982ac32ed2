-- Keeps the lines of the bank's files, so that none of them pays twice, and how each bank writes its files.
--
-- Who may do what is said by roles.sql, which runs after the last migration.

CREATE TABLE bank_formats (
    bank_format_id  bigint       GENERATED ALWAYS AS IDENTITY,
    name            text         NOT NULL,
    format          jsonb        NOT NULL,
    changed_at      timestamptz  NOT NULL DEFAULT now(),
    changed_by      text         NOT NULL DEFAULT acting_person(),
    CONSTRAINT bank_formats_pkey         PRIMARY KEY (bank_format_id),
    CONSTRAINT bank_formats_name_length  CHECK (char_length(name) <= 50 AND name ~ '\S')
);
COMMENT ON TABLE bank_formats IS 'How a bank writes its files, under the name that the administrator gave it.';
COMMENT ON COLUMN bank_formats.format IS 'Which column is what, and how days and amounts are written.';
COMMENT ON COLUMN bank_formats.changed_by IS 'Who said so last, as acting_person() says.';

-- A line that is not open is kept, too: it is how the same line is known when it comes again.
CREATE TABLE bank_lines (
    bank_line_id   bigint        GENERATED ALWAYS AS IDENTITY,
    key            uuid          NOT NULL,
    booked_on      date          NOT NULL,
    amount         money_amount  NOT NULL,
    amount_booked  money_amount  NOT NULL DEFAULT 0,
    payer          text,
    payer_account  text,
    reference      text,
    file_name      text          NOT NULL,
    line           integer       NOT NULL,
    doubt          text,
    imported_at    timestamptz   NOT NULL DEFAULT now(),
    imported_by    text          NOT NULL DEFAULT acting_person(),
    set_aside_on   date,
    set_aside_by   text,
    CONSTRAINT bank_lines_pkey            PRIMARY KEY (bank_line_id),
    CONSTRAINT bank_lines_once            UNIQUE (key),
    CONSTRAINT bank_lines_range           CHECK (booked_on BETWEEN '2000-01-01' AND '2199-12-31'),
    CONSTRAINT bank_lines_positive        CHECK (amount > 0),
    CONSTRAINT bank_lines_not_overbooked  CHECK (amount_booked BETWEEN 0 AND amount),
    CONSTRAINT bank_lines_length          CHECK (char_length(payer) <= 300 AND char_length(payer_account) <= 100
                                                 AND char_length(reference) <= 1000 AND char_length(file_name) <= 300
                                                 AND char_length(doubt) <= 300),
    CONSTRAINT bank_lines_set_aside       CHECK ((set_aside_on IS NULL) = (set_aside_by IS NULL))
);
COMMENT ON TABLE bank_lines IS 'The lines of the bank''s files by which money came.';
COMMENT ON COLUMN bank_lines.key IS 'Of the bank''s own ID, or the day, amount, payer and reference: the same line has the same.';
COMMENT ON COLUMN bank_lines.booked_on IS 'The day on which the bank booked it.';
COMMENT ON COLUMN bank_lines.amount_booked IS 'The sum of its payments that are not void; kept by triggers.';
COMMENT ON COLUMN bank_lines.payer_account IS 'The account that it came from, as the bank writes it.';
COMMENT ON COLUMN bank_lines.reference IS 'What the payer wrote.';
COMMENT ON COLUMN bank_lines.line IS 'Where it stands in the file.';
COMMENT ON COLUMN bank_lines.doubt IS 'Why it was not booked by itself, in words; NULL where nothing speaks against it.';
COMMENT ON COLUMN bank_lines.set_aside_on IS 'The day on which somebody said that it is no customer''s; NULL for one that may be.';

ALTER TABLE payments ADD COLUMN bank_line_id bigint;
ALTER TABLE payments
    ADD CONSTRAINT payments_bank_line FOREIGN KEY (bank_line_id) REFERENCES bank_lines NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_bank_line;
COMMENT ON COLUMN payments.bank_line_id IS 'The line of the bank''s file that it came by; NULL for one that was typed.';

CREATE UNIQUE INDEX bank_formats_name_once ON bank_formats (lower(name));
CREATE INDEX bank_lines_open ON bank_lines (booked_on, bank_line_id)
    WHERE amount_booked < amount AND set_aside_on IS NULL;
CREATE INDEX bank_lines_reference ON bank_lines (folded(reference)) WHERE reference IS NOT NULL;
CREATE INDEX bank_lines_payer_account ON bank_lines (payer_account) WHERE payer_account IS NOT NULL;
CREATE INDEX payments_bank_line ON payments (bank_line_id) WHERE bank_line_id IS NOT NULL;

CREATE FUNCTION settle_bank_lines(ids bigint[]) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE bank_lines
    SET amount_booked = booked.amount
    FROM (
        SELECT line.bank_line_id, coalesce(sum(payments.amount), 0) AS amount
        FROM unnest(ids) AS line (bank_line_id)
        LEFT JOIN payments ON payments.bank_line_id = line.bank_line_id AND voided_at IS NULL
        GROUP BY line.bank_line_id
    ) AS booked
    WHERE bank_lines.bank_line_id = booked.bank_line_id AND bank_lines.amount_booked <> booked.amount;
END
$$;
COMMENT ON FUNCTION settle_bank_lines(bigint[]) IS 'Set what these lines say was booked of them from their payments.';

CREATE FUNCTION bank_lines_booked() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM settle_bank_lines(ARRAY(SELECT DISTINCT bank_line_id FROM added WHERE bank_line_id IS NOT NULL));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION bank_lines_booked() IS 'Settle the lines of the bank by which payments came.';

CREATE FUNCTION bank_line_reopened() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM settle_bank_lines(ARRAY[OLD.bank_line_id]);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION bank_line_reopened() IS 'Settle the line of the bank of a payment that was voided or deleted.';

CREATE TRIGGER payments_of_bank_lines
    AFTER INSERT ON payments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION bank_lines_booked();

CREATE TRIGGER payments_voided_of_bank_lines
    AFTER UPDATE OF void_reason, voided_at ON payments
    FOR EACH ROW
    WHEN (OLD.bank_line_id IS NOT NULL AND OLD.voided_at IS DISTINCT FROM NEW.voided_at)
    EXECUTE FUNCTION bank_line_reopened();

CREATE TRIGGER payments_deleted_of_bank_lines
    AFTER DELETE ON payments
    FOR EACH ROW
    WHEN (OLD.bank_line_id IS NOT NULL)
    EXECUTE FUNCTION bank_line_reopened();

CREATE TRIGGER bank_lines_booked_sums
    BEFORE UPDATE OF amount_booked ON bank_lines
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0 AND OLD.amount_booked IS DISTINCT FROM NEW.amount_booked)
    EXECUTE FUNCTION kept_by_triggers();

INSERT INTO work_locks (work) VALUES ('payments import');

-- Several payments can be new.
DROP FUNCTION apply_credit(bigint[], bigint);

CREATE FUNCTION apply_credit(customer_ids bigint[] DEFAULT NULL, new_payment_ids bigint[] DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    IF customer_ids IS NULL THEN
        customer_ids := ARRAY(SELECT customer_id FROM customer_credit);
    END IF;
    PERFORM 1 FROM customers WHERE customer_id = ANY (customer_ids) ORDER BY customer_id FOR NO KEY UPDATE;
    INSERT INTO payment_allocations (payment_id, billing_id, amount, from_credit, made_on)
    SELECT money.payment_id, billing_id, least(money.upto, owed.upto) - greatest(money.after, owed.after),
           new.payment_id IS NULL, CASE WHEN new.payment_id IS NULL THEN CURRENT_DATE END
    FROM (
        SELECT customer_id, payment_id,
               sum(amount_left) OVER earlier AS upto,
               sum(amount_left) OVER earlier - amount_left AS after
        FROM payments
        WHERE customer_id = ANY (customer_ids) AND amount_left > 0 AND voided_at IS NULL
          AND kind IN ('payment', 'credit note')
        WINDOW earlier AS (PARTITION BY customer_id ORDER BY paid_on, payment_id)
    ) AS money
    JOIN (
        SELECT customer_id, billing_id,
               sum(amount_due) OVER earlier AS upto,
               sum(amount_due) OVER earlier - amount_due AS after
        FROM billing
        WHERE customer_id = ANY (customer_ids) AND amount_due > 0
        WINDOW earlier AS (PARTITION BY customer_id ORDER BY due_date, billing_id)
    ) AS owed USING (customer_id)
    LEFT JOIN unnest(new_payment_ids) AS new (payment_id) ON new.payment_id = money.payment_id
    WHERE least(money.upto, owed.upto) > greatest(money.after, owed.after)
    ORDER BY customer_id, money.upto, owed.upto;
END
$$;
COMMENT ON FUNCTION apply_credit(bigint[], bigint[]) IS 'Spend credit on unpaid bills, of these customers or of all.';
