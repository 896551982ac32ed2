-- Writes down every change of the business's tables, who made it and what was there before.
--
-- Who may do what is said by roles.sql, which runs after the last migration.

-- Where one login serves several people, the session says whom it serves; of any but the owner's login that is a claim,
-- and shown as one.
CREATE FUNCTION acting_person() RETURNS text
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    person text := left(coalesce(current_setting('isp.person', true), ''), 100);
BEGIN
    IF person IN ('', session_user) THEN
        RETURN session_user;
    ELSIF session_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'payments'::regclass) THEN
        RETURN person;
    END IF;
    RETURN session_user || ', for ' || person;
END
$$;
COMMENT ON FUNCTION acting_person() IS
    'Who works here: the login, or the person that the login says it serves, with the login unless it is the owner''s.';

ALTER TABLE payments ALTER COLUMN recorded_by SET DEFAULT acting_person();
COMMENT ON COLUMN payments.recorded_by IS 'Who recorded it, as acting_person() says.';

-- Not an advisory lock, which a login that may only look could take and keep.
CREATE TABLE work_locks (
    work      text         NOT NULL,
    taken_at  timestamptz,
    taken_by  text,
    CONSTRAINT work_locks_pkey PRIMARY KEY (work)
);
COMMENT ON TABLE work_locks IS 'Work that one session does at a time: whoever does it holds the row of it.';
INSERT INTO work_locks (work) VALUES ('bill run'), ('import');

-- What one statement did to a table is one row where it can be: added records are only counted, since they are there;
-- records changed from the same to the same are together; deleted ones are whole, a thousand to a row.
CREATE TABLE trail (
    trail_id        bigint          GENERATED ALWAYS AS IDENTITY,
    changed_at      timestamptz     NOT NULL DEFAULT now(),
    transaction_id  bigint          NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    login           text            NOT NULL DEFAULT session_user,
    person          text            NOT NULL DEFAULT
        CASE coalesce(current_setting('isp.person', true), '') WHEN '' THEN session_user::text ELSE acting_person() END,
    program         text            NOT NULL DEFAULT current_setting('application_name'),
    reason          text            DEFAULT nullif(left(current_setting('isp.reason', true), 500), ''),
    table_name      text            NOT NULL,
    kind            text            NOT NULL,
    single_id       bigint,
    ids             int8multirange  NOT NULL,
    parent_ids      int8multirange,
    row_count       bigint          NOT NULL,
    old             jsonb,
    new             jsonb,
    CONSTRAINT trail_pkey        PRIMARY KEY (trail_id),
    CONSTRAINT trail_kind_known  CHECK (kind IN ('added', 'changed', 'deleted'))
);
COMMENT ON TABLE trail IS 'Every change of the business''s tables, written by their triggers; nobody but the owner can change it.';
COMMENT ON COLUMN trail.changed_at IS 'When the transaction began; with its ID the key of a transaction, since IDs begin anew.';
COMMENT ON COLUMN trail.login IS 'The login of the session.';
COMMENT ON COLUMN trail.person IS 'Who that was, as acting_person() says.';
COMMENT ON COLUMN trail.program IS 'What the session calls its program, which anybody can choose.';
COMMENT ON COLUMN trail.reason IS 'What the session said it was for, in isp.reason; NULL for nothing.';
COMMENT ON COLUMN trail.single_id IS 'The ID of the record, where it is one alone.';
COMMENT ON COLUMN trail.ids IS 'The IDs of the records.';
COMMENT ON COLUMN trail.parent_ids IS
    'The IDs of what changed and deleted records belong to: a location''s customer, a service''s location, an item''s bill.';
COMMENT ON COLUMN trail.old IS 'Of changed records the old values of what changed; of deleted ones a list of whole rows.';
COMMENT ON COLUMN trail.new IS 'Of changed records the new values of what changed.';

-- Changes arrive in the order of their times.
CREATE INDEX trail_changed_at              ON trail USING brin (changed_at) WITH (pages_per_range = 32);
CREATE INDEX trail_login                   ON trail (login, changed_at);
CREATE INDEX trail_deletions               ON trail (changed_at, transaction_id) WHERE kind = 'deleted';
-- Most changes are of one record, and a place in a B-tree is found in a fifth of the time.
CREATE INDEX trail_single_id               ON trail (single_id) WHERE single_id IS NOT NULL;
CREATE INDEX trail_ids                     ON trail USING gist (ids) WHERE single_id IS NULL;
CREATE INDEX trail_parent_ids              ON trail USING gist (parent_ids) WHERE parent_ids IS NOT NULL;

-- Whoever voids gives the reason; when that was is not theirs to say. The day is stored, since that of a moment is another
-- one in another time zone.
CREATE OR REPLACE FUNCTION payment_voided() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.void_reason IS NOT NULL AND NEW.voided_at IS NULL THEN
        NEW.voided_at := now();
    END IF;
    IF NEW.voided_at IS NULL OR NEW.voided_on IS NULL
       OR TG_OP = 'UPDATE' AND NEW.voided_at IS DISTINCT FROM OLD.voided_at THEN
        NEW.voided_on := NEW.voided_at::date;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payment_voided() IS 'Set the time of a void that has a reason, and its day, by the calendar of who voids.';

CREATE OR REPLACE TRIGGER payments_voided
    BEFORE INSERT OR UPDATE OF void_reason, voided_at, voided_on ON payments
    FOR EACH ROW EXECUTE FUNCTION payment_voided();

CREATE OR REPLACE TRIGGER payments_changed
    AFTER UPDATE OF void_reason, voided_at, paid_on ON payments
    FOR EACH ROW
    WHEN ((OLD.voided_at, OLD.paid_on) IS DISTINCT FROM (NEW.voided_at, NEW.paid_on))
    EXECUTE FUNCTION payment_changed();

-- Of a void payment an allocation only comes back, with the ID that it had; to choose IDs is the owner's right alone.
CREATE OR REPLACE FUNCTION allocations_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM settle_payments(ARRAY(SELECT DISTINCT payment_id FROM changed));
    IF TG_OP = 'INSERT' AND EXISTS (
        SELECT FROM changed
        JOIN payments USING (payment_id)
        JOIN billing USING (billing_id)
        WHERE payments.customer_id <> billing.customer_id
           OR payments.voided_at IS NOT NULL AND NOT EXISTS (
                  SELECT FROM trail
                  WHERE kind = 'deleted' AND table_name = 'payment_allocations'
                    AND (single_id = payment_allocation_id OR single_id IS NULL AND ids @> payment_allocation_id))
    ) THEN
        RAISE EXCEPTION 'allocation to another customer''s bill, or of a void payment'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_allocations_own_bill';
    END IF;
    PERFORM settle_bills(ARRAY(SELECT DISTINCT billing_id FROM changed));
    RETURN NULL;
END
$$;

-- The trail. Records of a range without gaps, as statements mostly make them, need no list.
CREATE FUNCTION trail_added() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    first  bigint;
    last   bigint;
    many   bigint;
    ids    int8multirange;
BEGIN
    CASE TG_TABLE_NAME
        WHEN 'customers' THEN
            SELECT min(customer_id), max(customer_id), count(*) INTO first, last, many FROM added;
        WHEN 'locations' THEN
            SELECT min(location_id), max(location_id), count(*) INTO first, last, many FROM added;
        WHEN 'services' THEN
            SELECT min(service_id), max(service_id), count(*) INTO first, last, many FROM added;
        WHEN 'equipment' THEN
            SELECT min(equipment_id), max(equipment_id), count(*) INTO first, last, many FROM added;
        WHEN 'billing' THEN
            SELECT min(billing_id), max(billing_id), count(*) INTO first, last, many FROM added;
        WHEN 'billing_items' THEN
            SELECT min(billing_item_id), max(billing_item_id), count(*) INTO first, last, many FROM added;
        WHEN 'payments' THEN
            SELECT min(payment_id), max(payment_id), count(*) INTO first, last, many FROM added;
        WHEN 'payment_allocations' THEN
            SELECT min(payment_allocation_id), max(payment_allocation_id), count(*) INTO first, last, many FROM added;
    END CASE;
    IF many = last - first + 1 THEN
        ids := int8multirange(int8range(first, last, '[]'));
    ELSIF many > 0 THEN
        SELECT range_agg(int8range(id, id, '[]')) INTO ids
        FROM (SELECT (to_jsonb(added) ->> TG_ARGV[0])::bigint AS id FROM added) AS record;
    ELSE
        RETURN NULL;
    END IF;
    INSERT INTO trail (table_name, kind, single_id, ids, row_count)
    VALUES (TG_TABLE_NAME, 'added', CASE many WHEN 1 THEN first END, ids, many);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION trail_added() IS 'Write down which records a statement added.';

-- Spellings and sums are left out: they follow from what is noted. A row stands at the same place before and after, so
-- that one whose key the owner changed is known, too, under both keys. A single row, as the menus change, takes half the
-- time by itself; and plans that are made once, the rest of it.
CREATE FUNCTION trail_changed() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    many     integer;
    was_row  jsonb;
    is_row   jsonb;
BEGIN
    SELECT count(*), (array_agg(old_line))[1], (array_agg(new_line))[1]
    INTO many, was_row, is_row
    FROM (SELECT to_jsonb(old_rows) - TG_ARGV[2]::text[] - TG_ARGV[3]::text[] AS old_line FROM old_rows LIMIT 2) AS before,
         (SELECT to_jsonb(new_rows) - TG_ARGV[2]::text[] - TG_ARGV[3]::text[] AS new_line FROM new_rows LIMIT 2) AS after;
    IF many = 0 THEN
        RETURN NULL;
    ELSIF many = 1 THEN
        IF was_row <> is_row THEN
            INSERT INTO trail (table_name, kind, single_id, ids, parent_ids, row_count, old, new)
            SELECT TG_TABLE_NAME, 'changed',
                   CASE WHEN was_row -> TG_ARGV[0] = is_row -> TG_ARGV[0] THEN (was_row ->> TG_ARGV[0])::bigint END,
                   format('{[%1$s,%1$s],[%2$s,%2$s]}', was_row ->> TG_ARGV[0], is_row ->> TG_ARGV[0])::int8multirange,
                   ('{[' || (was_row ->> TG_ARGV[1]) || ',' || (was_row ->> TG_ARGV[1]) || ']}')::int8multirange, 1,
                   jsonb_object_agg(key, was_row -> key), jsonb_object_agg(key, is_row -> key)
            FROM jsonb_object_keys(was_row) AS key
            WHERE was_row -> key <> is_row -> key;
        END IF;
        RETURN NULL;
    END IF;
    INSERT INTO trail (table_name, kind, single_id, ids, parent_ids, row_count, old, new)
    SELECT TG_TABLE_NAME, 'changed', CASE WHEN count(*) = 1 AND min(id) = min(new_id) THEN min(id) END,
           range_agg(int8range(id, id, '[]')) + range_agg(int8range(new_id, new_id, '[]')),
           range_agg(int8range(parent_id, parent_id, '[]')) FILTER (WHERE parent_id IS NOT NULL), count(*), was, is_now
    FROM (
        SELECT (before.line ->> TG_ARGV[0])::bigint AS id,
               (after.line ->> TG_ARGV[0])::bigint AS new_id,
               (before.line ->> TG_ARGV[1])::bigint AS parent_id,
               (SELECT jsonb_object_agg(key, value)
                FROM jsonb_each(before.line)
                WHERE value IS DISTINCT FROM after.line -> key) AS was,
               (SELECT jsonb_object_agg(key, value)
                FROM jsonb_each(after.line)
                WHERE value <> before.line -> key) AS is_now
        FROM (SELECT row_number() OVER () AS place,
                     to_jsonb(old_rows) - TG_ARGV[2]::text[] - TG_ARGV[3]::text[] AS line
              FROM old_rows) AS before
        JOIN (SELECT row_number() OVER () AS place,
                     to_jsonb(new_rows) - TG_ARGV[2]::text[] - TG_ARGV[3]::text[] AS line
              FROM new_rows) AS after USING (place)
        WHERE before.line <> after.line
    ) AS change
    GROUP BY was, is_now;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION trail_changed() IS 'Write down what a statement changed.';

CREATE FUNCTION trail_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    many     integer;
    was_row  jsonb;
BEGIN
    SELECT count(*), (array_agg(old_line))[1]
    INTO many, was_row
    FROM (SELECT to_jsonb(old_rows) - TG_ARGV[2]::text[] AS old_line FROM old_rows LIMIT 2) AS few;
    IF many = 0 THEN
        RETURN NULL;
    ELSIF many = 1 THEN
        INSERT INTO trail (table_name, kind, single_id, ids, parent_ids, row_count, old)
        VALUES (TG_TABLE_NAME, 'deleted', (was_row ->> TG_ARGV[0])::bigint,
                ('{[' || (was_row ->> TG_ARGV[0]) || ',' || (was_row ->> TG_ARGV[0]) || ']}')::int8multirange,
                ('{[' || (was_row ->> TG_ARGV[1]) || ',' || (was_row ->> TG_ARGV[1]) || ']}')::int8multirange, 1,
                jsonb_build_array(was_row));
        RETURN NULL;
    END IF;
    INSERT INTO trail (table_name, kind, single_id, ids, parent_ids, row_count, old)
    SELECT TG_TABLE_NAME, 'deleted', CASE count(*) WHEN 1 THEN min(id) END, range_agg(int8range(id, id, '[]')),
           range_agg(int8range(parent_id, parent_id, '[]')) FILTER (WHERE parent_id IS NOT NULL), count(*),
           jsonb_agg(line)
    FROM (
        SELECT line, (line ->> TG_ARGV[0])::bigint AS id, (line ->> TG_ARGV[1])::bigint AS parent_id,
               (row_number() OVER () - 1) / 1000 AS part
        FROM (SELECT to_jsonb(old_rows) - TG_ARGV[2]::text[] AS line FROM old_rows) AS whole
    ) AS record
    GROUP BY part;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION trail_deleted() IS 'Write down the rows that a statement deleted.';

CREATE FUNCTION never_emptied() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the trail would not know what was there'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'trail_knows_deletions';
END
$$;
COMMENT ON FUNCTION never_emptied() IS 'Refuse TRUNCATE, which tells no trigger what it took.';

-- Each table's key, what its records belong to, and its columns that follow from others: spellings, and sums.
DO $$
DECLARE
    of record;
BEGIN
    FOR of IN
        SELECT *
        FROM (VALUES
            ('customers', 'customer_id', '', '{name_folded}', '{}'),
            ('locations', 'location_id', 'customer_id', '{address_folded}', '{}'),
            ('services', 'service_id', 'location_id', '{service_name_folded}', '{}'),
            ('equipment', 'equipment_id', 'location_id', '{equipment_name_folded}', '{}'),
            ('billing', 'billing_id', 'customer_id', '{}', '{amount_paid,amount_due,last_payment_date}'),
            ('billing_items', 'billing_item_id', 'billing_id', '{}', '{}'),
            ('payments', 'payment_id', 'customer_id', '{}', '{amount_allocated,amount_left}'),
            ('payment_allocations', 'payment_allocation_id', 'payment_id', '{}', '{}')
        ) AS noted (name, key, parent, spellings, sums)
    LOOP
        EXECUTE format(
            'CREATE TRIGGER trail_added AFTER INSERT ON %I REFERENCING NEW TABLE AS added
             FOR EACH STATEMENT EXECUTE FUNCTION trail_added(%L)', of.name, of.key);
        EXECUTE format(
            'CREATE TRIGGER trail_changed AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
             FOR EACH STATEMENT EXECUTE FUNCTION trail_changed(%L, %L, %L, %L)',
            of.name, of.key, of.parent, of.spellings, of.sums);
        EXECUTE format(
            'CREATE TRIGGER trail_deleted AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows
             FOR EACH STATEMENT EXECUTE FUNCTION trail_deleted(%L, %L, %L)',
            of.name, of.key, of.parent, of.spellings);
        EXECUTE format(
            'CREATE TRIGGER trail_emptied BEFORE TRUNCATE ON %I
             FOR EACH STATEMENT EXECUTE FUNCTION never_emptied()', of.name);
    END LOOP;
END
$$;

-- Undoing a deletion. What follows from other columns is left to the triggers; a column that came since has its default.
CREATE FUNCTION restore_rows(
    into_table text, in_transaction bigint, at timestamptz, without_taken_serials boolean
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
      AND attname NOT IN ('amount_paid', 'last_payment_date', 'amount_allocated');
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
            ELSE lost.line
        END)
        $sql$, into_table, columns
    ) USING in_transaction, at, without_taken_serials;
END
$$;
COMMENT ON FUNCTION restore_rows(text, bigint, timestamptz, boolean) IS
    'Add again, with their IDs, the rows that a transaction deleted from a table.';

CREATE FUNCTION deleted_rows(in_transaction bigint, at timestamptz, from_table text) RETURNS TABLE (line jsonb)
    LANGUAGE sql STABLE
AS $$
    SELECT DISTINCT ON (lost -> key) lost
    FROM (
        SELECT trail_id, jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS lost
        FROM trail
        WHERE kind = 'deleted' AND changed_at = at AND transaction_id = in_transaction AND table_name = from_table
    ) AS deletion
    CROSS JOIN (
        SELECT attname::text AS key FROM pg_attribute WHERE attrelid = from_table::regclass AND attidentity <> ''
    ) AS identity
    ORDER BY lost -> key, trail_id DESC
$$;
COMMENT ON FUNCTION deleted_rows(bigint, timestamptz, text) IS
    'The rows that a transaction deleted from a table; of one that it deleted twice, the last.';

-- An allocation to a bill that others have paid since, or of money that is elsewhere now, comes back as far as it can; what
-- is left of the money pays what else there is to pay.
CREATE FUNCTION restore_deleted(in_transaction bigint, at timestamptz, without_taken_serials boolean) RETURNS void
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
        'customers', 'locations', 'services', 'equipment', 'billing', 'billing_items', 'payments'
    ] LOOP
        PERFORM restore_rows(name, in_transaction, at, without_taken_serials);
    END LOOP;
    INSERT INTO payment_allocations (payment_allocation_id, payment_id, billing_id, amount, from_credit)
    OVERRIDING SYSTEM VALUE
    SELECT payment_allocation_id, payment_id, billing_id, possible, from_credit
    FROM (
        SELECT kept.*, least(
                   kept.amount,
                   amount_left - sum(kept.amount) OVER of_payment + kept.amount,
                   CASE WHEN voided_at IS NULL
                   THEN amount_due - sum(kept.amount) FILTER (WHERE voided_at IS NULL) OVER of_bill + kept.amount END
               ) AS possible
        FROM deleted_rows(in_transaction, at, 'payment_allocations')
        CROSS JOIN LATERAL jsonb_populate_record(NULL::payment_allocations, line) AS kept
        JOIN payments ON payments.payment_id = kept.payment_id
        JOIN billing ON billing.billing_id = kept.billing_id
        WINDOW of_payment AS (PARTITION BY kept.payment_id ORDER BY kept.payment_allocation_id),
               of_bill AS (PARTITION BY kept.billing_id ORDER BY kept.payment_allocation_id)
    ) AS allocation
    WHERE possible > 0;
    PERFORM apply_credit(customer_ids);
END
$$;
COMMENT ON FUNCTION restore_deleted(bigint, timestamptz, boolean) IS
    'Add again, with their IDs, the rows that a transaction deleted; devices without the serial numbers that others have.';
