-- Gives customers an account number, phone numbers extensions in more languages, and keeps the lines of the bank's files.

ALTER TABLE customers ADD COLUMN account_number text;
ALTER TABLE customers ADD CONSTRAINT customers_account_number_form CHECK (char_length(account_number) <= 50 AND account_number ~ '^\S([^\n\r]*\S)?$') NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_account_number_form;
ALTER TABLE customers DROP CONSTRAINT customers_erased_stays;
ALTER TABLE customers ADD CONSTRAINT customers_erased_stays CHECK (erased_on IS NULL OR name = 'Erased ' || customer_id AND phone_number IS NULL
    AND email IS NULL AND account_number IS NULL) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_erased_stays;
ALTER TABLE customers DROP CONSTRAINT customers_phone_form;
ALTER TABLE customers ADD CONSTRAINT customers_phone_form CHECK (phone_number ~* '^[0-9 +().\-/]+([ ,;]*(extension|ext\.?|x|#|wewn\.?|wew\.?|interno|int\.?|poste|durchwahl|dw\.?|ramal) ?[0-9]{1,6})?$'
    AND phone_number ~* '^([^0-9a-z#]*[0-9]){3,15}[^0-9a-z#]*([a-z#]|$)'
    AND char_length(phone_number) <= 32) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_phone_form;
COMMENT ON COLUMN customers.account_number IS
    'The provider''s own number for the customer, or that of an older system, unique whatever its case; NULL for none.';

-- It is searched by its beginning, too.
CREATE UNIQUE INDEX customers_account_number_once
    ON customers (lower(account_number) text_pattern_ops) WHERE account_number IS NOT NULL;

DROP FUNCTION matching_locations(text[], text[], text, integer);
DROP FUNCTION matching_accounts(text[], text[], text, integer);
DROP FUNCTION matching_customers(text[], text[], text, integer);
DROP FUNCTION restore_deleted(bigint, timestamptz, boolean);
DROP FUNCTION restore_rows(text, bigint, timestamptz, boolean);

-- Of each no more than most, so that a word that half of them have is no burden. by_number tells those that a phone number
-- led to, or an account number. The sign after 9 is the colon: LIKE with a pattern from a list uses no index of this kind.
CREATE FUNCTION matching_customers(
    words text[], phones text[], phone_inside text, account text, most integer
) RETURNS TABLE (customer_id bigint, by_number boolean)
    LANGUAGE sql STABLE
AS $$
    SELECT customer_id, false
    FROM unnest(words) AS word (pattern)
    CROSS JOIN LATERAL (SELECT customer_id FROM customers WHERE name_folded LIKE pattern LIMIT most) AS named
    UNION ALL
    SELECT customer_id, true
    FROM unnest(phones) AS phone (digits)
    CROSS JOIN LATERAL (
        SELECT customer_id
        FROM customers
        WHERE phone_key(phone_number) ~>=~ digits AND phone_key(phone_number) ~<~ (digits || ':')
        LIMIT most
    ) AS called
    UNION ALL
    SELECT customer_id, true
    FROM unnest(phones) AS phone (digits)
    CROSS JOIN LATERAL (
        SELECT customer_id
        FROM customers
        WHERE reverse(phone_key(phone_number)) ~>=~ reverse(digits)
          AND reverse(phone_key(phone_number)) ~<~ (reverse(digits) || ':')
        LIMIT most
    ) AS called
    UNION ALL
    (SELECT customer_id, true
     FROM customers
     WHERE translate(phone_number, ' +().-/', '') LIKE phone_inside
     LIMIT most)
    UNION ALL
    (SELECT customer_id, true
     FROM customers
     WHERE lower(account_number) LIKE account
     LIMIT most)
$$;
COMMENT ON FUNCTION matching_customers(text[], text[], text, text, integer) IS
    'Customers whose name has one of these LIKE patterns, whose phone number begins or ends so, or whose account number has '
    'such a pattern; some of them twice.';

CREATE FUNCTION matching_accounts(words text[], phones text[], phone_inside text, account text, most integer)
    RETURNS TABLE (customer_id bigint, by_number boolean)
    LANGUAGE sql STABLE
AS $$
    SELECT customer_id, by_number FROM matching_customers(words, phones, phone_inside, account, most)
    UNION ALL
    SELECT customer_id, false FROM matching_addresses(words, most)
$$;
COMMENT ON FUNCTION matching_accounts(text[], text[], text, text, integer) IS
    'Customers that match as matching_customers() does, or by an address; some of them twice.';

CREATE FUNCTION matching_locations(
    words text[], phones text[], phone_inside text, account text, most integer
) RETURNS TABLE (location_id bigint, by_number boolean)
    LANGUAGE sql STABLE
AS $$
    SELECT location_id, false FROM matching_addresses(words, most)
    UNION ALL
    SELECT location_id, by_number
    FROM matching_customers(words, phones, phone_inside, account, most)
    JOIN locations USING (customer_id)
$$;
COMMENT ON FUNCTION matching_locations(text[], text[], text, text, integer) IS
    'Locations that match by their address, or their customer as matching_customers() does; some of them twice.';

CREATE OR REPLACE FUNCTION customer_merged() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    goes   bigint := OLD.customer_id;
    stays  bigint := NEW.merged_into;
    site   record;
BEGIN
    IF pg_trigger_depth() > 1 THEN  -- one who was merged before into the one who goes
        RETURN NULL;
    ELSIF OLD.merged_into IS NOT NULL THEN
        RAISE EXCEPTION 'a merge stays'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'customers_merged_for_good';
    END IF;
    PERFORM 1 FROM customers WHERE customer_id IN (goes, stays) ORDER BY customer_id FOR UPDATE;
    IF OLD.erased_on IS NOT NULL OR EXISTS (SELECT FROM customers WHERE customer_id = stays AND closed_on IS NOT NULL) THEN
        RAISE EXCEPTION 'merged with a closed or erased one'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'customers_merged_into_open';
    END IF;
    PERFORM 1 FROM locations WHERE customer_id IN (goes, stays) ORDER BY location_id FOR UPDATE;
    FOR site IN
        SELECT location_id, (
            SELECT location_id
            FROM locations AS same
            WHERE same.customer_id = stays AND same.address_folded = locations.address_folded
            ORDER BY same.address <> locations.address, location_id
            LIMIT 1
        ) AS same_id
        FROM locations
        WHERE customer_id = goes
        ORDER BY location_id
    LOOP
        CONTINUE WHEN site.same_id IS NULL;
        UPDATE services SET location_id = site.same_id WHERE location_id = site.location_id;
        UPDATE equipment SET location_id = site.same_id WHERE location_id = site.location_id;
        DELETE FROM locations WHERE location_id = site.location_id;
    END LOOP;
    UPDATE locations SET customer_id = stays WHERE customer_id = goes;
    UPDATE billing SET customer_id = stays, merged_from = coalesce(merged_from, goes) WHERE customer_id = goes;
    UPDATE payments SET customer_id = stays WHERE customer_id = goes;
    UPDATE customer_notes SET customer_id = stays WHERE customer_id = goes;
    UPDATE customers SET merged_into = stays WHERE merged_into = goes;
    -- A run of an earlier month is for who was there by its end.
    UPDATE customers SET created_at = OLD.created_at WHERE customer_id = stays AND created_at > OLD.created_at;
    UPDATE customers
    SET phone_number = coalesce(phone_number, OLD.phone_number), email = coalesce(email, OLD.email)
    WHERE customer_id = stays
      AND (phone_number IS NULL AND OLD.phone_number IS NOT NULL OR email IS NULL AND OLD.email IS NOT NULL);
    -- No two have it at once, not for a moment.
    IF OLD.account_number IS NOT NULL AND EXISTS (
        SELECT FROM customers WHERE customer_id = stays AND account_number IS NULL
    ) THEN
        UPDATE customers SET account_number = NULL WHERE customer_id = goes;
        UPDATE customers SET account_number = OLD.account_number WHERE customer_id = stays;
    END IF;
    PERFORM apply_credit(ARRAY[stays]);
    RETURN NULL;
END
$$;
CREATE FUNCTION restore_rows(
    into_table text, in_transaction bigint, at timestamptz, without_taken_numbers boolean
) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM (SELECT line FROM deleted_rows(in_transaction, at, into_table) LIMIT 1) AS lost
    JOIN pg_attribute ON line ? attname
    WHERE attrelid = into_table::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
      AND attname NOT IN ('amount_paid', 'last_payment_date', 'settled_on', 'amount_allocated');
    IF columns IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        $sql$
        INSERT INTO %1$I (%2$s) OVERRIDING SYSTEM VALUE
        SELECT %2$s
        FROM deleted_rows($1, $2, %1$L) AS lost
        CROSS JOIN LATERAL jsonb_populate_record(NULL::%1$I, CASE
            WHEN $3 AND EXISTS (
                SELECT FROM equipment
                WHERE serial_key(serial_number) = serial_key(lost.line ->> 'serial_number')
                  AND serial_repeat = (lost.line ->> 'serial_repeat')::integer
            ) THEN lost.line || '{"serial_number": null, "serial_repeat": 0}'
            WHEN $3 AND EXISTS (
                SELECT FROM customers WHERE lower(account_number) = lower(lost.line ->> 'account_number')
            ) THEN lost.line || '{"account_number": null}'
            ELSE lost.line
        END)
        $sql$, into_table, columns
    ) USING in_transaction, at, without_taken_numbers;
END
$$;
COMMENT ON FUNCTION restore_rows(text, bigint, timestamptz, boolean) IS
    'Add again, with their IDs, the rows that a transaction deleted from a table.';

-- An allocation to a bill that others have paid since, or of money that is elsewhere now, comes back as far as it can; what
-- is left of the money pays what else there is to pay. Of a service that was away any day may be billed wrongly: no run
-- has looked at it. The credit note of a bill of less than nothing was voided with it, for good: there is another one.
CREATE FUNCTION restore_deleted(in_transaction bigint, at timestamptz, without_taken_numbers boolean) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    name          text;
    customer_ids  bigint[] := ARRAY(
        SELECT (line ->> 'customer_id')::bigint FROM deleted_rows(in_transaction, at, 'billing')
        UNION
        SELECT (line ->> 'customer_id')::bigint FROM deleted_rows(in_transaction, at, 'payments')
        UNION
        SELECT customer_id
        FROM deleted_rows(in_transaction, at, 'payment_allocations')
        JOIN payments ON payment_id = (line ->> 'payment_id')::bigint
    );
BEGIN
    PERFORM 1 FROM customers WHERE customer_id = ANY (customer_ids) ORDER BY customer_id FOR UPDATE;
    FOREACH name IN ARRAY ARRAY[
        'customers', 'locations', 'services', 'service_pauses', 'price_changes', 'equipment', 'equipment_moves',
        'customer_notes', 'billing', 'billing_items', 'payments'
    ] LOOP
        PERFORM restore_rows(name, in_transaction, at, without_taken_numbers);
    END LOOP;
    INSERT INTO payment_allocations (
        payment_allocation_id, payment_id, billing_id, refund_id, amount, from_credit, made_on, released_on
    )
    OVERRIDING SYSTEM VALUE
    SELECT payment_allocation_id, payment_id, billing_id, refund_id, possible, from_credit, made_on, released_on
    FROM (
        SELECT kept.*, CASE WHEN kept.released_on IS NOT NULL THEN kept.amount ELSE least(
                   kept.amount,
                   payments.amount_left - sum(kept.amount) FILTER (WHERE kept.released_on IS NULL) OVER of_payment + kept.amount,
                   CASE WHEN payments.voided_at IS NULL
                   THEN coalesce(billing.amount_due, refund.amount_left)
                      - sum(kept.amount) FILTER (WHERE payments.voided_at IS NULL AND kept.released_on IS NULL) OVER of_target
                      + kept.amount END
               ) END AS possible
        FROM deleted_rows(in_transaction, at, 'payment_allocations')
        CROSS JOIN LATERAL jsonb_populate_record(NULL::payment_allocations, line) AS kept
        JOIN payments ON payments.payment_id = kept.payment_id
        LEFT JOIN billing ON billing.billing_id = kept.billing_id
        LEFT JOIN payments AS refund ON refund.payment_id = kept.refund_id
        WHERE billing.billing_id IS NOT NULL OR refund.payment_id IS NOT NULL
        WINDOW of_payment AS (PARTITION BY kept.payment_id ORDER BY kept.payment_allocation_id),
               of_target AS (PARTITION BY kept.billing_id, kept.refund_id ORDER BY kept.payment_allocation_id)
    ) AS allocation
    WHERE possible > 0;
    PERFORM unsettle(array_agg(service_id), array_agg(day), array_agg(billed))
    FROM (
        SELECT (line ->> 'service_id')::bigint AS service_id, '2000-01-01'::date AS day, at::date AS billed
        FROM deleted_rows(in_transaction, at, 'services')
        UNION ALL
        SELECT (line ->> 'service_id')::bigint, (line ->> 'first_day')::date, NULL
        FROM deleted_rows(in_transaction, at, 'billing_items')
    ) AS restored
    WHERE service_id IS NOT NULL;
    INSERT INTO payments (customer_id, amount, kind, reason, from_bill)
    SELECT payments.customer_id, amount, payments.kind, payments.reason, (old ->> 'from_bill')::bigint
    FROM trail
    JOIN payments ON payment_id = single_id AND voided_at = at
    WHERE trail.kind = 'changed' AND table_name = 'payments' AND changed_at = at AND transaction_id = in_transaction
      AND old ->> 'from_bill' IS NOT NULL;
    PERFORM apply_credit(customer_ids);
END
$$;
COMMENT ON FUNCTION restore_deleted(bigint, timestamptz, boolean) IS
    'Add again, with their IDs, the rows that a transaction deleted, without the serial and account numbers that others have.';

CREATE OR REPLACE FUNCTION without_person(line jsonb, known text, alias text) RETURNS jsonb
    LANGUAGE sql STABLE
AS $$
    SELECT jsonb_object_agg(key, CASE
        WHEN jsonb_typeof(value) <> 'string' THEN value
        WHEN key IN ('phone_number', 'email', 'account_number') THEN 'null'
        WHEN key IN ('name', 'address') THEN to_jsonb(alias)
        WHEN key = 'note' THEN '"Erased"'
        ELSE to_jsonb(regexp_replace(value #>> '{}', known, alias, 'gi'))
    END)
    FROM jsonb_each(line)
$$;
CREATE OR REPLACE FUNCTION erase_person(erased_id bigint) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    alias     text := 'Erased ' || erased_id;
    whose     bigint[];
    of_whose  int8multirange;
    sites     bigint[];
    bills     bigint[];
    devices   bigint[];
    changes   bigint[];
    known     text;
BEGIN
    PERFORM set_config('isp.reason', 'erasure of a person', true);
    PERFORM 1 FROM customers WHERE customer_id = erased_id FOR UPDATE;
    IF NOT EXISTS (SELECT FROM customers WHERE customer_id = erased_id AND closed_on IS NOT NULL AND merged_into IS NULL)
       OR EXISTS (SELECT FROM billing WHERE customer_id = erased_id AND amount_due > 0)
       OR EXISTS (SELECT FROM customer_credit WHERE customer_id = erased_id) THEN
        RAISE EXCEPTION 'an account that is open, or not settled'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'customers_erased_settled';
    END IF;
    whose := ARRAY(SELECT customer_id FROM customers WHERE customer_id = erased_id OR merged_into = erased_id);
    of_whose := (SELECT range_agg(int8range(id, id, '[]')) FROM unnest(whose) AS id);
    sites := ARRAY(
        SELECT location_id FROM locations WHERE customer_id = erased_id
        UNION
        SELECT (line ->> 'location_id')::bigint
        FROM trail
        CROSS JOIN LATERAL jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS line
        WHERE kind = 'deleted' AND table_name = 'locations' AND parent_ids && of_whose
          AND (line ->> 'customer_id')::bigint = ANY (whose)
    );
    bills := ARRAY(
        SELECT billing_id FROM billing WHERE customer_id = erased_id
        UNION
        SELECT (line ->> 'billing_id')::bigint
        FROM trail
        CROSS JOIN LATERAL jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS line
        WHERE kind = 'deleted' AND table_name = 'billing' AND parent_ids && of_whose
          AND (line ->> 'customer_id')::bigint = ANY (whose)
    );
    devices := ARRAY(
        SELECT equipment_id FROM equipment_moves WHERE from_location_id = ANY (sites) OR to_location_id = ANY (sites)
        UNION
        SELECT (line ->> 'equipment_id')::bigint
        FROM trail
        CROSS JOIN LATERAL jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS line
        WHERE kind = 'deleted' AND table_name = 'equipment'
          AND parent_ids && (SELECT range_agg(int8range(id, id, '[]')) FROM unnest(sites) AS id)
    );

    -- All that they were ever called, the longest first; letters and digits beside it make it part of another word. An
    -- account number of up to four digits stays in texts, where it may be a year, or how many.
    SELECT '(?<![[:alnum:]])(' || string_agg(term, '|' ORDER BY char_length(term) DESC, term) || ')(?![[:alnum:]])' INTO known
    FROM (
        SELECT DISTINCT regexp_replace(said, '([^[:alnum:][:space:]])', '\\\1', 'g') AS term
        FROM (
            SELECT field.*
            FROM customers
            CROSS JOIN LATERAL jsonb_each_text(to_jsonb(customers)) AS field
            WHERE customer_id = ANY (whose) AND key IN ('name', 'phone_number', 'email', 'account_number')
            UNION ALL
            SELECT 'address', address FROM locations WHERE customer_id = erased_id
            UNION ALL
            SELECT field.*
            FROM trail
            CROSS JOIN LATERAL jsonb_each_text(CASE kind WHEN 'changed' THEN old END) AS field
            WHERE kind = 'changed' AND key IN ('name', 'phone_number', 'email', 'address', 'account_number')
              AND (table_name = 'locations' AND parent_ids && of_whose
                   OR table_name = 'customers' AND (single_id = ANY (whose) OR single_id IS NULL AND ids && of_whose))
            UNION ALL
            SELECT field.*
            FROM trail
            CROSS JOIN LATERAL jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS line
            CROSS JOIN LATERAL jsonb_each_text(line) AS field
            WHERE kind = 'deleted' AND key IN ('name', 'phone_number', 'email', 'address', 'account_number')
              AND (table_name = 'locations' AND parent_ids && of_whose
                   OR table_name = 'customers' AND (single_id = ANY (whose) OR single_id IS NULL AND ids && of_whose))
              AND (line ->> 'customer_id')::bigint = ANY (whose)
        ) AS given (field, said)
        WHERE said IS NOT NULL AND NOT (field = 'account_number' AND said ~ '^[0-9]{1,4}$')
    ) AS called;

    UPDATE customers
    SET name = 'Erased ' || customer_id, phone_number = NULL, email = NULL, account_number = NULL,
        erased_on = CURRENT_DATE
    WHERE customer_id = ANY (whose);
    UPDATE locations
    SET address = alias || CASE place WHEN 1 THEN '' ELSE ', site ' || place END
    FROM (
        SELECT location_id, row_number() OVER (ORDER BY location_id) AS place
        FROM locations
        WHERE customer_id = erased_id
    ) AS numbered
    WHERE numbered.location_id = locations.location_id;
    UPDATE customer_notes SET note = 'Erased' WHERE customer_id = erased_id AND note IS NOT NULL;
    UPDATE billing_items
    SET description = left(regexp_replace(description, known, alias, 'gi'), 500)
    WHERE billing_id = ANY (bills) AND description ~* known;
    UPDATE billing
    SET description = left(regexp_replace(description, known, alias, 'gi'), 200)
    WHERE customer_id = erased_id AND description ~* known;
    UPDATE payments
    SET reference = left(regexp_replace(reference, known, alias, 'gi'), 100),
        void_reason = left(regexp_replace(void_reason, known, alias, 'gi'), 200),
        reason = left(regexp_replace(reason, known, alias, 'gi'), 200)
    WHERE customer_id = erased_id AND (reference ~* known OR void_reason ~* known OR reason ~* known);
    -- A line by which somebody else paid, or that is open after a void, tells who that was.
    UPDATE bank_lines
    SET payer = CASE WHEN is_theirs THEN alias ELSE left(regexp_replace(payer, known, alias, 'gi'), 300) END,
        payer_account = CASE WHEN NOT is_theirs THEN payer_account END,
        reference = left(regexp_replace(reference, known, alias, 'gi'), 1000),
        doubt = CASE WHEN NOT is_theirs THEN doubt END
    FROM (
        SELECT line.bank_line_id,
               bool_or(voided_at IS NULL) OR amount_booked = 0 AND set_aside_on IS NOT NULL AS is_theirs
        FROM payments
        JOIN bank_lines AS line USING (bank_line_id)
        WHERE customer_id = erased_id
        GROUP BY line.bank_line_id
    ) AS whose
    WHERE bank_lines.bank_line_id = whose.bank_line_id;
    UPDATE equipment_moves
    SET from_place = regexp_replace(from_place, known, alias, 'gi'),
        to_place = regexp_replace(to_place, known, alias, 'gi')
    WHERE equipment_id = ANY (devices) AND (from_place ~* known OR to_place ~* known);

    -- What a transaction was for stands with all that it did.
    changes := ARRAY(
        SELECT trail_id
        FROM trail
        WHERE kind <> 'added'
          AND (table_name = 'customers' AND (single_id = ANY (whose) OR single_id IS NULL AND ids && of_whose)
               OR table_name IN ('locations', 'customer_notes', 'billing', 'payments') AND parent_ids && of_whose
               OR table_name = 'billing_items'
                  AND parent_ids && (SELECT range_agg(int8range(id, id, '[]')) FROM unnest(bills) AS id)
               OR table_name = 'equipment_moves'
                  AND parent_ids && (SELECT range_agg(int8range(id, id, '[]')) FROM unnest(devices) AS id))
    );
    UPDATE trail
    SET old = CASE kind
            WHEN 'changed' THEN without_person(old, known, alias)
            WHEN 'deleted' THEN (
                SELECT jsonb_agg(CASE WHEN CASE table_name
                    WHEN 'billing_items' THEN (line ->> 'billing_id')::bigint = ANY (bills)
                    WHEN 'equipment_moves' THEN (line ->> 'equipment_id')::bigint = ANY (devices)
                    ELSE (line ->> 'customer_id')::bigint = ANY (whose)
                END THEN without_person(line, known, alias) ELSE line END ORDER BY place)
                FROM jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) WITH ORDINALITY AS row_of (line, place)
            )
        END,
        new = without_person(new, known, alias)
    WHERE trail_id = ANY (changes);
    UPDATE trail
    SET reason = regexp_replace(reason, known, alias, 'gi')
    WHERE reason ~* known
      AND (changed_at, transaction_id) IN (SELECT changed_at, transaction_id FROM trail WHERE trail_id = ANY (changes));
END
$$;

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
COMMENT ON COLUMN bank_lines.amount IS 'How much came, always above 0.';
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

CREATE INDEX customers_account_number_key ON customers (serial_key(account_number)) WHERE account_number IS NOT NULL;
CREATE UNIQUE INDEX bank_formats_name_once ON bank_formats (lower(name));
CREATE INDEX bank_lines_open ON bank_lines (booked_on, bank_line_id)
    WHERE amount_booked < amount AND set_aside_on IS NULL;
CREATE INDEX bank_lines_payer_account ON bank_lines (payer_account) WHERE payer_account IS NOT NULL;
CREATE INDEX payments_bank_line ON payments (bank_line_id) WHERE bank_line_id IS NOT NULL;

CREATE FUNCTION settle_bank_lines(ids bigint[]) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM 1 FROM bank_lines WHERE bank_line_id = ANY (ids) ORDER BY bank_line_id FOR NO KEY UPDATE;
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
    IF EXISTS (
        SELECT FROM added
        JOIN bank_lines USING (bank_line_id)
        WHERE set_aside_on IS NOT NULL AND voided_at IS NULL
    ) THEN
        RAISE EXCEPTION 'payment by a line that was set aside'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'bank_lines_booked_while_open';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION bank_lines_booked() IS
    'Settle the lines of the bank by which payments came, and refuse one that was set aside.';

CREATE FUNCTION bank_line_reopened() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM settle_bank_lines(ARRAY[OLD.bank_line_id]);
    UPDATE bank_lines
    SET set_aside_on = NULL
    WHERE bank_line_id = OLD.bank_line_id AND set_aside_on IS NOT NULL AND OLD.voided_at IS NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION bank_line_reopened() IS
    'Settle the line of the bank of a payment that was voided or deleted, and open it again.';

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

-- Who sets a line aside, or says how a bank writes, is not theirs to say.
CREATE FUNCTION bank_line_set_aside() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    NEW.set_aside_by := CASE WHEN NEW.set_aside_on IS NOT NULL THEN acting_person() END;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION bank_line_set_aside() IS 'Note who sets a line of the bank aside.';

CREATE TRIGGER bank_lines_set_aside
    BEFORE UPDATE OF set_aside_on ON bank_lines
    FOR EACH ROW EXECUTE FUNCTION bank_line_set_aside();

CREATE FUNCTION bank_format_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    NEW.changed_at := now();
    NEW.changed_by := acting_person();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION bank_format_changed() IS 'Note who says anew how a bank writes its files, and when.';

CREATE TRIGGER bank_formats_changed
    BEFORE UPDATE OF format ON bank_formats
    FOR EACH ROW EXECUTE FUNCTION bank_format_changed();

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

-- Nothing that adds rows would soon tell the planner that the new columns are empty, and it takes them for rare.
ANALYZE customers, payments;
