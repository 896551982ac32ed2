-- Gives accounts a whole life: first and last days of services, pauses and prices to come, credits, stock, notes.
--
-- New columns have no domain, whose rule would have each row written anew. What is there is as it was: services that were
-- always there, lines that are for a whole month, allocations that count from the day of their payment.

ALTER TABLE customers
    ADD COLUMN email text, ADD COLUMN closed_on date, ADD COLUMN erased_on date, ADD COLUMN merged_into bigint;
ALTER TABLE customers ADD CONSTRAINT customers_email_form CHECK (char_length(email) <= 254 AND email ~ '^[^@\s]+@[^@\s]+$') NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_email_form;
ALTER TABLE customers ADD CONSTRAINT customers_closed_range CHECK (closed_on BETWEEN '2000-01-01' AND '2199-12-31') NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_closed_range;
ALTER TABLE customers ADD CONSTRAINT customers_erased_closed CHECK (erased_on IS NULL OR closed_on IS NOT NULL) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_erased_closed;
ALTER TABLE customers ADD CONSTRAINT customers_erased_stays CHECK (erased_on IS NULL OR name = 'Erased ' || customer_id AND phone_number IS NULL
                                             AND email IS NULL) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_erased_stays;
ALTER TABLE customers ADD CONSTRAINT customers_merged_into FOREIGN KEY (merged_into) REFERENCES customers NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_merged_into;
ALTER TABLE customers ADD CONSTRAINT customers_merged_closed CHECK (merged_into IS NULL OR (closed_on IS NOT NULL AND merged_into <> customer_id)) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_merged_closed;
COMMENT ON COLUMN customers.email IS 'Where a reminder goes; NULL for nowhere.';
COMMENT ON COLUMN customers.closed_on IS 'The last day of an account that is closed; NULL for one that is not.';
COMMENT ON COLUMN customers.erased_on IS 'The day on which who this was was erased; NULL for somebody who is known.';
COMMENT ON COLUMN customers.merged_into IS 'The customer who this turned out to be, and who has all that was theirs.';

ALTER TABLE services ADD COLUMN started_on date, ADD COLUMN ended_on date;
ALTER TABLE services ADD CONSTRAINT services_days_range CHECK (started_on >= '2000-01-01' AND started_on <= '2199-12-31'
        AND ended_on >= '2000-01-01' AND ended_on <= '2199-12-31') NOT VALID;
ALTER TABLE services VALIDATE CONSTRAINT services_days_range;
ALTER TABLE services ADD CONSTRAINT services_days_in_order CHECK (ended_on >= started_on) NOT VALID;
ALTER TABLE services VALIDATE CONSTRAINT services_days_in_order;
COMMENT ON COLUMN services.cost IS 'The monthly charge, when all that price_changes says has come.';
COMMENT ON COLUMN services.started_on IS 'Its first day; NULL for one that was always there: it is billed from the first run that finds it.';
COMMENT ON COLUMN services.ended_on IS 'Its last day; NULL while it goes on.';

CREATE TABLE service_pauses (
    service_pause_id  bigint  GENERATED ALWAYS AS IDENTITY,
    service_id        bigint  NOT NULL,
    first_day         date    NOT NULL,
    last_day          date,
    CONSTRAINT service_pauses_pkey      PRIMARY KEY (service_pause_id),
    CONSTRAINT service_pauses_service   FOREIGN KEY (service_id) REFERENCES services ON DELETE CASCADE,
    CONSTRAINT service_pauses_range     CHECK (first_day >= '2000-01-01' AND first_day <= '2199-12-31'
                                               AND last_day >= '2000-01-01' AND last_day <= '2199-12-31'),
    CONSTRAINT service_pauses_in_order  CHECK (last_day >= first_day),
    CONSTRAINT service_pauses_apart     EXCLUDE USING gist (
        int8range(service_id, service_id, '[]') WITH &&, daterange(first_day, last_day, '[]') WITH &&
    )
);
COMMENT ON TABLE service_pauses IS 'Days on which a service rests, and is not billed.';
COMMENT ON COLUMN service_pauses.last_day IS 'The last of these days; NULL until further notice.';

CREATE TABLE price_changes (
    price_change_id  bigint        GENERATED ALWAYS AS IDENTITY,
    service_id       bigint        NOT NULL,
    from_day         date          NOT NULL,
    cost_before      money_amount  NOT NULL,
    CONSTRAINT price_changes_pkey               PRIMARY KEY (price_change_id),
    CONSTRAINT price_changes_service            FOREIGN KEY (service_id) REFERENCES services ON DELETE CASCADE,
    CONSTRAINT price_changes_once_a_day         UNIQUE (service_id, from_day),
    CONSTRAINT price_changes_range              CHECK (from_day BETWEEN '2000-01-01' AND '2199-12-31'),
    CONSTRAINT price_changes_cost_not_negative  CHECK (cost_before >= 0)
);
COMMENT ON TABLE price_changes IS 'The days on which the monthly charge of a service changes, and what it was before.';
COMMENT ON COLUMN price_changes.from_day IS 'The first day of the new charge.';
COMMENT ON COLUMN price_changes.cost_before IS 'The charge until the day before.';

-- Services, by months; a run looks at these beside its own month, so that it need not read what was billed long ago. Kept
-- without a foreign key: a service that is gone owes nothing, and a run drops its row.
CREATE TABLE unsettled_services (
    service_id   bigint  NOT NULL,
    since        date    NOT NULL,
    billed_from  date,
    CONSTRAINT unsettled_services_pkey PRIMARY KEY (service_id)
);
COMMENT ON TABLE unsettled_services IS
    'Services of whose days some may be billed wrongly, until a bill run makes that good; kept by triggers.';
COMMENT ON COLUMN unsettled_services.since IS 'The first day of the first month that this may be so for.';
COMMENT ON COLUMN unsettled_services.billed_from IS
    'The first day of the first month whose line was deleted since: a service that was always there is billed from then on.';

ALTER TABLE equipment ALTER COLUMN location_id DROP NOT NULL, ADD COLUMN retired_on date;
ALTER TABLE equipment ADD CONSTRAINT equipment_retired CHECK (retired_on IS NULL OR location_id IS NULL) NOT VALID;
ALTER TABLE equipment VALIDATE CONSTRAINT equipment_retired;
COMMENT ON TABLE equipment IS 'A device, at a location or in stock.';
COMMENT ON COLUMN equipment.location_id IS 'Where it stands; NULL while it is in stock, or when it is gone.';
COMMENT ON COLUMN equipment.retired_on IS 'The day on which it was written off; NULL for one that is there.';

CREATE TABLE equipment_moves (
    equipment_move_id  bigint       GENERATED ALWAYS AS IDENTITY,
    equipment_id       bigint       NOT NULL,
    from_location_id   bigint,
    to_location_id     bigint,
    from_place         text         NOT NULL,
    to_place           text         NOT NULL,
    moved_on           date         NOT NULL DEFAULT CURRENT_DATE,
    moved_at           timestamptz  NOT NULL DEFAULT now(),
    moved_by           text         NOT NULL DEFAULT acting_person(),
    CONSTRAINT equipment_moves_pkey       PRIMARY KEY (equipment_move_id),
    CONSTRAINT equipment_moves_equipment  FOREIGN KEY (equipment_id) REFERENCES equipment ON DELETE CASCADE
);
COMMENT ON TABLE equipment_moves IS 'Where devices went, and who says so; kept by a trigger.';
COMMENT ON COLUMN equipment_moves.from_place IS 'Where it had been, in words of that day.';

CREATE TABLE customer_notes (
    customer_note_id  bigint       GENERATED ALWAYS AS IDENTITY,
    customer_id       bigint       NOT NULL,
    noted_at          timestamptz  NOT NULL DEFAULT now(),
    noted_on          date         NOT NULL DEFAULT CURRENT_DATE,
    noted_by          text         NOT NULL DEFAULT acting_person(),
    note              text,
    promised_until    date,
    promised_amount   money_amount,
    CONSTRAINT customer_notes_pkey      PRIMARY KEY (customer_note_id),
    CONSTRAINT customer_notes_customer  FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE,
    CONSTRAINT customer_notes_length    CHECK (char_length(note) <= 2000 AND note ~ '\S'),
    CONSTRAINT customer_notes_says      CHECK (note IS NOT NULL OR promised_until IS NOT NULL),
    CONSTRAINT customer_notes_promise   CHECK ((promised_until IS NULL) = (promised_amount IS NULL) AND promised_amount > 0),
    CONSTRAINT customer_notes_range     CHECK (promised_until BETWEEN '2000-01-01' AND '2199-12-31')
);
COMMENT ON TABLE customer_notes IS 'What was said with a customer, and what they promised to pay.';
COMMENT ON COLUMN customer_notes.noted_on IS 'The day of that, by the calendar of who noted it.';
COMMENT ON COLUMN customer_notes.promised_amount IS 'What was promised; NULL for no promise.';
COMMENT ON COLUMN customer_notes.promised_until IS 'The day by which promised_amount is to be paid; NULL for no promise.';

ALTER TABLE billing
    ADD COLUMN settled_on date, ADD COLUMN cancelled_on date, ADD COLUMN merged_from bigint, ADD COLUMN late_fee_for bigint,
    DROP CONSTRAINT billing_once_a_period;
ALTER TABLE billing ADD CONSTRAINT billing_cancelled_is_empty CHECK (cancelled_on IS NULL OR amount_billed = 0) NOT VALID;
ALTER TABLE billing VALIDATE CONSTRAINT billing_cancelled_is_empty;
ALTER TABLE billing ADD CONSTRAINT billing_late_fee_for FOREIGN KEY (late_fee_for) REFERENCES billing NOT VALID;
ALTER TABLE billing VALIDATE CONSTRAINT billing_late_fee_for;
COMMENT ON COLUMN billing.settled_on IS
    'The latest day on which anything was allocated to it, as far as it counts; NULL where last_payment_date says it.';
COMMENT ON COLUMN billing.cancelled_on IS 'The day on which it was deleted: it stays for the reports of the days before.';
COMMENT ON COLUMN billing.merged_from IS 'The customer whose it was before they were merged into this one.';
COMMENT ON COLUMN billing.late_fee_for IS 'The bill that this is the late fee of; NULL for any other.';

ALTER TABLE billing_items
    ADD COLUMN first_day date, ADD COLUMN last_day date, ADD COLUMN days integer, ADD COLUMN monthly_cost numeric,
    ADD COLUMN booked_on date;
ALTER TABLE billing_items ADD CONSTRAINT billing_items_days CHECK (
        num_nulls(first_day, last_day, days, monthly_cost) IN (0, 4)
        AND abs(days) = last_day - first_day + 1
        AND date_trunc('month', first_day::timestamp) = date_trunc('month', last_day::timestamp)
        ) NOT VALID;
ALTER TABLE billing_items VALIDATE CONSTRAINT billing_items_days;
COMMENT ON COLUMN billing_items.first_day IS
    'The first of the days that the line is for, all of one month; of a line of a run before version 8 NULL: the whole month.';
COMMENT ON COLUMN billing_items.days IS 'How many days that is; below 0 where the line takes back days that were billed.';
COMMENT ON COLUMN billing_items.monthly_cost IS 'The monthly charge that the line goes by.';
COMMENT ON COLUMN billing_items.booked_on IS 'The day of a line that came after the bill was issued; NULL for one of its first.';

ALTER TABLE payments ADD COLUMN kind text NOT NULL DEFAULT 'payment', ADD COLUMN from_bill bigint;
ALTER TABLE payments ADD CONSTRAINT payments_kind_known CHECK (kind IN ('payment', 'credit note', 'write-off', 'refund')) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_kind_known;
ALTER TABLE payments ADD CONSTRAINT payments_from_bill FOREIGN KEY (from_bill) REFERENCES billing ON DELETE SET NULL NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_from_bill;
COMMENT ON TABLE payments IS 'What lowers what a customer owes: money received, credit notes, write-offs; and money given back.';
COMMENT ON COLUMN payments.kind IS
    'payment for money received, credit note, write-off, or refund: money given back, taken from what others have left.';
COMMENT ON COLUMN payments.from_bill IS 'The bill that came to less than nothing, of a credit note that a run made.';
COMMENT ON COLUMN payments.amount IS 'How much, always above 0.';

ALTER TABLE payment_allocations
    ALTER COLUMN billing_id DROP NOT NULL, ADD COLUMN refund_id bigint, ADD COLUMN made_on date, ADD COLUMN released_on date;
ALTER TABLE payment_allocations ADD CONSTRAINT payment_allocations_refund FOREIGN KEY (refund_id) REFERENCES payments ON DELETE CASCADE NOT VALID;
ALTER TABLE payment_allocations VALIDATE CONSTRAINT payment_allocations_refund;
ALTER TABLE payment_allocations ADD CONSTRAINT payment_allocations_of_one CHECK (num_nonnulls(billing_id, refund_id) = 1) NOT VALID;
ALTER TABLE payment_allocations VALIDATE CONSTRAINT payment_allocations_of_one;
COMMENT ON COLUMN payment_allocations.refund_id IS 'The refund that it went into, where it paid no bill.';
COMMENT ON COLUMN payment_allocations.made_on IS 'The day from which it counts; NULL for that of its payment.';
COMMENT ON COLUMN payment_allocations.released_on IS 'The day from which it counts no more; NULL while it does.';

CREATE INDEX service_pauses_service_id     ON service_pauses (service_id);
CREATE INDEX equipment_in_stock            ON equipment (equipment_name_folded, equipment_id)
    WHERE location_id IS NULL AND retired_on IS NULL;
CREATE INDEX equipment_moves_equipment_id  ON equipment_moves (equipment_id);
CREATE INDEX customer_notes_customer_id    ON customer_notes (customer_id, noted_at);
CREATE INDEX customers_closed              ON customers (closed_on, customer_id) WHERE closed_on IS NOT NULL;
-- It leads to a customer's bills, too, also to those that may be of a month that has another.
CREATE UNIQUE INDEX billing_once_a_period
    ON billing (customer_id, (CASE WHEN cancelled_on IS NULL AND merged_from IS NULL THEN period END));
CREATE UNIQUE INDEX billing_late_fee_once  ON billing (late_fee_for) WHERE cancelled_on IS NULL AND late_fee_for IS NOT NULL;
CREATE INDEX billing_items_first_day       ON billing_items USING brin (first_day) WITH (pages_per_range = 32);
CREATE INDEX customers_merged_into         ON customers (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX billing_late_fee_for          ON billing (late_fee_for) WHERE late_fee_for IS NOT NULL;
CREATE INDEX payments_from_bill            ON payments (from_bill) WHERE from_bill IS NOT NULL;
CREATE INDEX payment_allocations_refund    ON payment_allocations (refund_id) WHERE refund_id IS NOT NULL;

-- What was billed of a service may be wrong from the first month on that a change is about. A row is written anew where it
-- is there already, so that a run that began before does not drop it.
CREATE FUNCTION unsettle(ids bigint[], months date[], billed_from date[]) RETURNS void
    LANGUAGE sql
AS $$
    INSERT INTO unsettled_services (service_id, since, billed_from)
    SELECT service_id, date_trunc('month', min(day)), date_trunc('month', min(billed))
    FROM unnest(ids, months, billed_from) AS change (service_id, day, billed)
    WHERE day IS NOT NULL
    GROUP BY service_id
    ORDER BY service_id
    ON CONFLICT (service_id) DO UPDATE
    SET since = least(unsettled_services.since, excluded.since),
        billed_from = least(unsettled_services.billed_from, excluded.billed_from)
$$;
COMMENT ON FUNCTION unsettle(bigint[], date[], date[]) IS
    'Note services of whose days some may be billed wrongly from a month on, and from when on they had been billed.';

-- A cost that changes without a change of price was never another one, as far back as none is noted.
CREATE FUNCTION services_unsettled() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM unsettle(array_agg(service_id), array_agg(started_on), NULL)
        FROM new_rows
        WHERE started_on IS NOT NULL;
    ELSE
        PERFORM unsettle(array_agg(service_id), array_agg(day), NULL)
        FROM (
            SELECT service_id, least(
                       CASE WHEN is_now.started_on IS DISTINCT FROM was.started_on
                       THEN least(coalesce(is_now.started_on, '2000-01-01'), coalesce(was.started_on, '2000-01-01')) END,
                       CASE WHEN is_now.ended_on IS DISTINCT FROM was.ended_on
                       THEN least(is_now.ended_on, was.ended_on) + 1 END,
                       CASE WHEN is_now.cost <> was.cost
                       THEN coalesce((SELECT max(from_day) FROM price_changes WHERE service_id = is_now.service_id),
                                     '2000-01-01') END
                   ) AS day
            FROM new_rows AS is_now
            JOIN old_rows AS was USING (service_id)
        ) AS change
        WHERE day IS NOT NULL;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION services_unsettled() IS 'Note services whose days or price changed.';

CREATE TRIGGER services_added
    AFTER INSERT ON services REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION services_unsettled();

CREATE TRIGGER services_changed
    AFTER UPDATE ON services REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION services_unsettled();

CREATE FUNCTION pauses_unsettled() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM unsettle(array_agg(service_id), array_agg(first_day), NULL) FROM changed;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION pauses_unsettled() IS 'Note services whose pauses changed.';

CREATE FUNCTION prices_unsettled() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM unsettle(array_agg(service_id), array_agg(CASE WHEN TG_OP <> 'INSERT' THEN coalesce((
        SELECT max(earlier.from_day)
        FROM price_changes AS earlier
        WHERE earlier.service_id = changed.service_id AND earlier.from_day < changed.from_day
    ), '2000-01-01') ELSE from_day END), NULL)
    FROM changed;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION prices_unsettled() IS 'Note services whose changes of price changed.';

-- What was on a bill before it is cancelled or deleted is to be billed again.
CREATE FUNCTION bill_unsettled() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF OLD.cancelled_on IS NOT NULL THEN
        RAISE EXCEPTION 'a deleted bill stays so'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_cancelled_for_good';
    END IF;
    PERFORM unsettle(array_agg(service_id), array_agg(first_day), array_agg(first_day))
    FROM billing_items
    WHERE billing_id = NEW.billing_id AND first_day IS NOT NULL AND service_id IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION bill_unsettled() IS 'Note services that a bill was for which is cancelled, and let it be so for good.';

CREATE FUNCTION lines_unsettled() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM unsettle(array_agg(service_id), array_agg(first_day), array_agg(first_day))
    FROM changed
    WHERE first_day IS NOT NULL AND service_id IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION lines_unsettled() IS 'Note services that lines were for which are gone.';

CREATE TRIGGER billing_cancelled
    AFTER UPDATE OF cancelled_on ON billing
    FOR EACH ROW
    WHEN (OLD.cancelled_on IS DISTINCT FROM NEW.cancelled_on)
    EXECUTE FUNCTION bill_unsettled();

CREATE TRIGGER billing_items_removed
    AFTER DELETE ON billing_items REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION lines_unsettled();

DO $$
DECLARE
    of record;
BEGIN
    FOR of IN
        SELECT *
        FROM (VALUES ('service_pauses', 'pauses_unsettled'), ('price_changes', 'prices_unsettled')) AS kept (name, function)
    LOOP
        EXECUTE format(
            'CREATE TRIGGER %1$s_added AFTER INSERT ON %1$s REFERENCING NEW TABLE AS changed
             FOR EACH STATEMENT EXECUTE FUNCTION %2$s()', of.name, of.function);
        EXECUTE format(
            'CREATE TRIGGER %1$s_changed_from AFTER UPDATE ON %1$s REFERENCING OLD TABLE AS changed
             FOR EACH STATEMENT EXECUTE FUNCTION %2$s()', of.name, of.function);
        EXECUTE format(
            'CREATE TRIGGER %1$s_changed_to AFTER UPDATE ON %1$s REFERENCING NEW TABLE AS changed
             FOR EACH STATEMENT EXECUTE FUNCTION %2$s()', of.name, of.function);
        EXECUTE format(
            'CREATE TRIGGER %1$s_removed AFTER DELETE ON %1$s REFERENCING OLD TABLE AS changed
             FOR EACH STATEMENT EXECUTE FUNCTION %2$s()', of.name, of.function);
    END LOOP;
END
$$;

CREATE INDEX price_changes_from_day        ON price_changes USING brin (from_day) WITH (pages_per_range = 32);

-- A promise is about the bills that were there on its day and were due by its last; what was promised on the same day for an
-- earlier one is paid first. Nothing of it is stored: it is kept the moment that the money comes.
CREATE VIEW promises AS
SELECT customer_note_id, customer_id, noted_on, promised_until, promised_amount,
       CASE WHEN paid.amount >= promised_amount + earlier.amount OR NOT is_owed THEN 'kept'
            WHEN promised_until < CURRENT_DATE THEN 'broken'
            ELSE 'open' END AS state
FROM customer_notes AS promise
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount), 0) AS amount
    FROM payments
    WHERE payments.customer_id = promise.customer_id AND kind = 'payment' AND voided_at IS NULL
      AND paid_on BETWEEN noted_on AND promised_until AND recorded_at >= noted_at
) AS paid
CROSS JOIN LATERAL (
    SELECT coalesce(sum(other.promised_amount), 0) AS amount
    FROM customer_notes AS other
    WHERE other.customer_id = promise.customer_id AND other.noted_on = promise.noted_on
      AND (other.promised_until, other.customer_note_id) < (promise.promised_until, promise.customer_note_id)
) AS earlier
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM billing
        WHERE billing.customer_id = promise.customer_id AND amount_due > 0
          AND issued_on <= noted_on AND due_date <= promised_until
    ) AS is_owed
) AS debt
WHERE promised_until IS NOT NULL;
COMMENT ON VIEW promises IS 'Each promise to pay, and what has become of it by today.';
COMMENT ON COLUMN promises.state IS
    'kept when payments since then and by its last day come to its amount, or nothing of those bills is left to pay; broken '
    'from the day after its last on; open until then.';

CREATE FUNCTION fee_goes_first() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM billing WHERE late_fee_for = NEW.billing_id AND cancelled_on IS NULL) THEN
        RAISE EXCEPTION 'the bill has a late fee'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'billing_late_fee_for';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION fee_goes_first() IS 'Refuse to cancel a bill whose late fee stays.';

CREATE TRIGGER billing_fee_first
    AFTER UPDATE OF cancelled_on ON billing
    FOR EACH ROW
    WHEN (NEW.cancelled_on IS NOT NULL AND OLD.cancelled_on IS NULL)
    EXECUTE FUNCTION fee_goes_first();

-- What price_changes means for today: for the services of a list, each of which finds its next change by the index, and for
-- all services together, with which the few that change are joined once.
CREATE VIEW changing_prices AS
SELECT DISTINCT ON (service_id) service_id, from_day, cost_before AS cost
FROM price_changes
WHERE from_day > CURRENT_DATE
ORDER BY service_id, from_day;
COMMENT ON VIEW changing_prices IS 'The prices of today of those services whose price changes, and from which day.';

CREATE VIEW services_today AS
SELECT services.service_id, location_id, service_name, service_name_folded, started_on, ended_on,
       coalesce(next.cost_before, services.cost) AS cost, next.from_day AS changes_on, services.cost AS last_cost,
       (started_on > CURRENT_DATE OR ended_on < CURRENT_DATE OR pause.first_day <= CURRENT_DATE) IS NOT TRUE AS runs,
       CASE
           WHEN ended_on < CURRENT_DATE THEN 'ended ' || ended_on
           ELSE nullif(concat_ws(
               ', ',
               CASE WHEN started_on > CURRENT_DATE THEN 'from ' || started_on || coalesce(' to ' || ended_on, '') END,
               CASE WHEN pause.first_day <= CURRENT_DATE THEN 'paused' ELSE 'paused from ' || pause.first_day END
                   || coalesce(' to ' || pause.last_day, ''),
               CASE WHEN started_on > CURRENT_DATE THEN NULL ELSE 'ends ' || ended_on END
           ), '')
       END AS standing
FROM services
LEFT JOIN LATERAL (
    SELECT first_day, last_day
    FROM service_pauses
    WHERE service_pauses.service_id = services.service_id
      AND coalesce(last_day, 'infinity') >= CURRENT_DATE AND first_day <= coalesce(ended_on, 'infinity')
    ORDER BY first_day
    LIMIT 1
) AS pause ON true
LEFT JOIN LATERAL (
    SELECT from_day, cost_before
    FROM price_changes
    WHERE price_changes.service_id = services.service_id AND from_day > CURRENT_DATE
    ORDER BY from_day
    LIMIT 1
) AS next ON true;
COMMENT ON VIEW services_today IS 'Each service at the price that it has today.';
COMMENT ON COLUMN services_today.cost IS 'The monthly charge of today.';
COMMENT ON COLUMN services_today.changes_on IS 'The first day of the next charge; NULL where none is to come.';
COMMENT ON COLUMN services_today.runs IS 'Whether this is a day to bill: it has begun, has not ended, and is not paused.';
COMMENT ON COLUMN services_today.standing IS
    'That in words where it does not run, or will rest or end: paused from 2027-01-01, ends 2027-03-31; NULL where it goes on.';
COMMENT ON COLUMN services_today.last_cost IS 'The monthly charge when all changes have come.';

CREATE VIEW coming_prices AS
SELECT service_id, from_day, cost
FROM (
    SELECT service_id, from_day, cost_before,
           lead(cost_before, 1, cost) OVER (PARTITION BY service_id ORDER BY from_day) AS cost, ended_on
    FROM price_changes
    JOIN services USING (service_id)
    WHERE from_day > CURRENT_DATE
) AS change
WHERE cost <> cost_before AND (from_day > ended_on) IS NOT TRUE;
COMMENT ON VIEW coming_prices IS 'The prices that services will have, and from which day.';

-- The price on every day before first_day stays, and so does that from the next change on. A service has no days before
-- it starts; one that was always there, and is on no bill yet, none before today.
CREATE FUNCTION change_prices(ids bigint[], costs numeric[], first_day date) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM 1 FROM services WHERE service_id = ANY (ids) ORDER BY service_id FOR NO KEY UPDATE;
    WITH wanted AS MATERIALIZED (
        SELECT service_id, given.cost, from_day, later.price_change_id AS later_id,
               coalesce(later.cost_before, services.cost) AS cost_before,
               EXISTS (
                   SELECT
                   FROM price_changes AS same
                   WHERE same.service_id = services.service_id AND same.from_day = start.from_day
               ) AS changes_then,
               CASE WHEN started_on IS NOT NULL OR from_day > CURRENT_DATE
               THEN coalesce(started_on < from_day, true)
               ELSE EXISTS (
                   SELECT
                   FROM locations
                   JOIN billing USING (customer_id)
                   JOIN billing_items USING (billing_id)
                   WHERE locations.location_id = services.location_id AND billing_items.service_id = services.service_id
               ) END AS had_days
        FROM unnest(ids, costs) AS given (service_id, cost)
        JOIN services USING (service_id)
        CROSS JOIN LATERAL (SELECT greatest(first_day, started_on) AS from_day) AS start
        LEFT JOIN LATERAL (
            SELECT price_change_id, cost_before
            FROM price_changes
            WHERE price_changes.service_id = services.service_id AND price_changes.from_day > start.from_day
            ORDER BY price_changes.from_day
            LIMIT 1
        ) AS later ON true
        WHERE coalesce(later.cost_before, services.cost) <> given.cost
    ), begun AS (
        INSERT INTO price_changes (service_id, from_day, cost_before)
        SELECT service_id, from_day, cost_before FROM wanted WHERE had_days AND NOT changes_then
    ), taken_back AS (
        DELETE FROM price_changes AS same
        USING wanted
        WHERE same.service_id = wanted.service_id AND same.from_day = wanted.from_day AND same.cost_before = wanted.cost
    ), until_later AS (
        UPDATE price_changes AS later
        SET cost_before = wanted.cost
        FROM wanted
        WHERE later.price_change_id = later_id
    )
    UPDATE services
    SET cost = wanted.cost
    FROM wanted
    WHERE services.service_id = wanted.service_id AND later_id IS NULL;
END
$$;
COMMENT ON FUNCTION change_prices(bigint[], numeric[], date) IS
    'Give services other monthly charges from a day on, until the next change that is written down already.';

CREATE FUNCTION place_in_words(location bigint, retired date) RETURNS text
    LANGUAGE sql STABLE
AS $$
    SELECT coalesce(
        (SELECT name || ', ' || address FROM locations JOIN customers USING (customer_id) WHERE location_id = location),
        CASE WHEN retired IS NULL THEN 'stock' ELSE 'written off' END
    )
$$;
COMMENT ON FUNCTION place_in_words(bigint, date) IS
    'Whose location that is, and its address; for a device that is at none whether it is in stock or written off.';

-- Row by row, since few are moved at a time, and what is added or changed otherwise pays nothing for it.
CREATE FUNCTION equipment_moved() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO equipment_moves (equipment_id, from_location_id, to_location_id, from_place, to_place)
    VALUES (NEW.equipment_id, OLD.location_id, NEW.location_id,
            place_in_words(OLD.location_id, OLD.retired_on), place_in_words(NEW.location_id, NEW.retired_on));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION equipment_moved() IS 'Write down where a device went.';

CREATE TRIGGER equipment_moved
    AFTER UPDATE OF location_id, retired_on ON equipment
    FOR EACH ROW
    WHEN (OLD.location_id IS DISTINCT FROM NEW.location_id OR OLD.retired_on IS DISTINCT FROM NEW.retired_on)
    EXECUTE FUNCTION equipment_moved();

-- Not where there is no pg_trgm.
DO $$
BEGIN
    CREATE INDEX customers_email_search ON customers USING gin (lower(email) gin_trgm_ops) WHERE email IS NOT NULL;
EXCEPTION
    WHEN undefined_object THEN
        RAISE NOTICE 'pg_trgm is not available here';
END
$$;

-- Nothing is added to a closed account but late fees, and nothing at all to one that was merged into another; what is
-- brought back with its customer, in one transaction, is as it was. The keys of what rows belong to are locked by then, so
-- that a closing under way is waited for.
CREATE FUNCTION added_to_account() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    closed_id  bigint;
    stays_id   bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM customers WHERE closed_on IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    CASE TG_TABLE_NAME
        WHEN 'locations' THEN
            SELECT customer_id, merged_into INTO closed_id, stays_id
            FROM added
            JOIN customers USING (customer_id)
            WHERE closed_on IS NOT NULL AND customers.xmin <> pg_current_xact_id()::xid
            LIMIT 1;
        WHEN 'services' THEN
            SELECT customer_id, merged_into INTO closed_id, stays_id
            FROM added
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            WHERE closed_on IS NOT NULL AND customers.xmin <> pg_current_xact_id()::xid
            LIMIT 1;
        WHEN 'equipment' THEN
            SELECT customer_id, merged_into INTO closed_id, stays_id
            FROM added
            JOIN locations USING (location_id)
            JOIN customers USING (customer_id)
            WHERE closed_on IS NOT NULL AND customers.xmin <> pg_current_xact_id()::xid
            LIMIT 1;
        WHEN 'billing' THEN
            SELECT customer_id, merged_into INTO closed_id, stays_id
            FROM added
            JOIN customers USING (customer_id)
            WHERE closed_on IS NOT NULL AND customers.xmin <> pg_current_xact_id()::xid
              AND (late_fee_for IS NULL OR merged_into IS NOT NULL)
            LIMIT 1;
        WHEN 'payments' THEN
            SELECT customer_id, merged_into INTO closed_id, stays_id
            FROM added
            JOIN customers USING (customer_id)
            WHERE merged_into IS NOT NULL AND customers.xmin <> pg_current_xact_id()::xid
            LIMIT 1;
    END CASE;
    IF closed_id IS NOT NULL THEN
        PERFORM refuse_closed(closed_id, stays_id);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION added_to_account() IS 'Refuse what is added to a closed account.';

CREATE FUNCTION refuse_closed(closed_id bigint, stays_id bigint) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    IF stays_id IS NULL THEN
        RAISE EXCEPTION 'Customer % is closed; reopen the account first.', closed_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'customers_account_open';
    END IF;
    RAISE EXCEPTION 'Customer % was merged into customer %.', closed_id, stays_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'customers_account_open';
END
$$;
COMMENT ON FUNCTION refuse_closed(bigint, bigint) IS 'Say that an account is closed, or whose it is by now.';

CREATE FUNCTION moved_to_account() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM refuse_closed(customer_id, merged_into)
    FROM locations
    JOIN customers USING (customer_id)
    WHERE location_id = NEW.location_id AND closed_on IS NOT NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION moved_to_account() IS 'Refuse a service or device that is moved to a closed account.';

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['locations', 'services', 'equipment', 'billing', 'payments'] LOOP
        EXECUTE format(
            'CREATE TRIGGER account_open AFTER INSERT ON %I REFERENCING NEW TABLE AS added
             FOR EACH STATEMENT EXECUTE FUNCTION added_to_account()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['services', 'equipment'] LOOP
        EXECUTE format(
            'CREATE TRIGGER account_still_open AFTER UPDATE OF location_id ON %I
             FOR EACH ROW WHEN (OLD.location_id IS DISTINCT FROM NEW.location_id)
             EXECUTE FUNCTION moved_to_account()', name);
    END LOOP;
END
$$;

-- Two customers who are one. Whoever sets merged_into moves with it all that was theirs, and it stays so: which of two
-- had what is not known any more. A trigger, since only those may give a bill or payment to another customer. The bill
-- of a month that both have keeps its own place by merged_from.
CREATE FUNCTION customer_merged() RETURNS trigger
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
    PERFORM apply_credit(ARRAY[stays]);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION customer_merged() IS 'Give all that was a customer''s to the one whom they are merged into.';

CREATE TRIGGER customers_merged
    AFTER UPDATE OF merged_into ON customers
    FOR EACH ROW
    WHEN (OLD.merged_into IS DISTINCT FROM NEW.merged_into)
    EXECUTE FUNCTION customer_merged();

-- A note may be written while its customer is merged, and one that was deleted before may come back after it. The keys are
-- locked as those of a foreign key are, so that a merge under way is waited for, and looked at when it is over.
CREATE FUNCTION noted_of_merged() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    stays  bigint;
BEGIN
    LOOP
        PERFORM FROM customers WHERE customer_id = NEW.customer_id FOR KEY SHARE;
        SELECT merged_into INTO stays FROM customers WHERE customer_id = NEW.customer_id;
        EXIT WHEN stays IS NULL;
        NEW.customer_id := stays;
    END LOOP;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION noted_of_merged() IS 'Let a note of one who was merged be a note of the one who stays.';

CREATE TRIGGER customer_notes_of_merged
    BEFORE INSERT ON customer_notes
    FOR EACH ROW EXECUTE FUNCTION noted_of_merged();

CREATE OR REPLACE FUNCTION trail_added() RETURNS trigger
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
        WHEN 'service_pauses' THEN
            SELECT min(service_pause_id), max(service_pause_id), count(*) INTO first, last, many FROM added;
        WHEN 'price_changes' THEN
            SELECT min(price_change_id), max(price_change_id), count(*) INTO first, last, many FROM added;
        WHEN 'equipment_moves' THEN
            SELECT min(equipment_move_id), max(equipment_move_id), count(*) INTO first, last, many FROM added;
        WHEN 'customer_notes' THEN
            SELECT min(customer_note_id), max(customer_note_id), count(*) INTO first, last, many FROM added;
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

CREATE OR REPLACE FUNCTION restore_rows(
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
            ELSE lost.line
        END)
        $sql$, into_table, columns
    ) USING in_transaction, at, without_taken_serials;
END
$$;

CREATE OR REPLACE FUNCTION restore_deleted(in_transaction bigint, at timestamptz, without_taken_serials boolean) RETURNS void
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
        PERFORM restore_rows(name, in_transaction, at, without_taken_serials);
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

DO $$
DECLARE
    of record;
BEGIN
    FOR of IN
        SELECT *
        FROM (VALUES
            ('service_pauses', 'service_pause_id', 'service_id', '{}', '{}'),
            ('price_changes', 'price_change_id', 'service_id', '{}', '{}'),
            ('equipment_moves', 'equipment_move_id', 'equipment_id', '{}', '{}'),
            ('customer_notes', 'customer_note_id', 'customer_id', '{}', '{}')
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

-- A sum that follows from allocations is no change of a bill.
DROP TRIGGER trail_changed ON billing;
CREATE TRIGGER trail_changed AFTER UPDATE ON billing REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION trail_changed(
        'billing_id', 'customer_id', '{}', '{amount_paid,amount_due,last_payment_date,settled_on}'
    );

-- Credits, refunds and write-offs, and bills that are lowered or deleted.
ALTER TABLE payments ADD COLUMN reason text;
ALTER TABLE payments ADD CONSTRAINT payments_reason_length CHECK (char_length(reason) <= 200 AND reason ~ '\S') NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_reason_length;
ALTER TABLE payments ADD CONSTRAINT payments_reason_given
    CHECK ((kind IN ('credit note', 'write-off')) = (reason IS NOT NULL)) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT payments_reason_given;
COMMENT ON COLUMN payments.reason IS 'What a credit note or write-off is for; NULL for money that came or went.';
COMMENT ON COLUMN payments.amount_allocated IS
    'The sum of its allocations that are not released, of a refund of those that it took; kept by triggers.';
COMMENT ON COLUMN payments.amount_left IS
    'amount less amount_allocated: of a payment or credit note the customer''s credit, unless it is void.';
COMMENT ON COLUMN payments.paid_on IS 'The day the money came or went, or of the credit note or write-off.';
COMMENT ON COLUMN payment_allocations.amount IS 'How much of the bill it paid, or went into the refund.';
COMMENT ON TABLE payment_allocations IS
    'Which bill a payment paid. Never edited, only released; those of a void payment stay, and count for nothing.';

DROP INDEX payments_credit;
CREATE INDEX payments_credit               ON payments (customer_id) INCLUDE (amount_left)
    WHERE amount_left > 0 AND voided_at IS NULL AND kind IN ('payment', 'credit note');
CREATE INDEX billing_items_booked          ON billing_items (billing_id, booked_on) INCLUDE (amount) WHERE booked_on IS NOT NULL;
CREATE INDEX payment_allocations_released  ON payment_allocations (released_on) WHERE released_on IS NOT NULL;
CREATE INDEX billing_settled               ON billing (settled_on) WHERE settled_on IS NOT NULL;
CREATE INDEX payments_voided_on            ON payments (voided_on) WHERE voided_on IS NOT NULL;

CREATE OR REPLACE VIEW customer_credit AS
SELECT customer_id, sum(amount_left) AS credit
FROM payments
WHERE amount_left > 0 AND voided_at IS NULL AND kind IN ('payment', 'credit note')
GROUP BY customer_id;
COMMENT ON VIEW customer_credit IS
    'What of payments and credit notes has gone to no bill and into no refund, for each customer who has some.';
CREATE OR REPLACE VIEW billing_status AS
SELECT billing_id, customer_id, description, period, issued_on, due_date,
       amount_billed, amount_paid, amount_due, last_payment_date,
       amount_due > 0 AND due_date < CURRENT_DATE                                  AS is_late,
       CASE WHEN amount_due > 0 THEN greatest(CURRENT_DATE - due_date, 0) ELSE 0 END AS days_late,
       cancelled_on
FROM billing;

CREATE OR REPLACE FUNCTION owed_on(as_of date) RETURNS TABLE (customer_id bigint, amount numeric, days integer)
    LANGUAGE sql STABLE
AS $$
    SELECT customer_id, amount_due, as_of - due_date
    FROM billing
    WHERE amount_due > 0 AND as_of >= CURRENT_DATE
    UNION ALL
    SELECT customer_id, billed.amount - paid.amount, as_of - due_date
    FROM (
        SELECT billing_id, customer_id, issued_on, due_date, amount_billed
        FROM billing
        WHERE amount_due > 0 OR last_payment_date > as_of OR settled_on > as_of
        UNION ALL
        SELECT billing_id, customer_id, issued_on, due_date, amount_billed
        FROM billing
        WHERE billing_id IN (
                  SELECT billing_id FROM billing_items WHERE booked_on > as_of
                  UNION
                  SELECT billing_id FROM payment_allocations WHERE released_on > as_of
              )
          AND amount_due = 0
          AND (last_payment_date > as_of) IS NOT TRUE
          AND (settled_on > as_of) IS NOT TRUE
    ) AS bill
    CROSS JOIN LATERAL (
        SELECT bill.amount_billed - coalesce(sum(amount), 0) AS amount
        FROM billing_items AS item
        WHERE item.billing_id = bill.billing_id AND booked_on > as_of
    ) AS billed
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(allocation.amount), 0) AS amount
        FROM payment_allocations AS allocation
        JOIN payments USING (payment_id)
        WHERE allocation.billing_id = bill.billing_id
          AND coalesce(made_on, paid_on) <= as_of
          AND (released_on IS NULL OR released_on > as_of)
          AND (voided_on IS NULL OR voided_on > as_of)
    ) AS paid
    WHERE as_of < CURRENT_DATE
      AND issued_on <= as_of
      AND billed.amount > paid.amount
$$;
COMMENT ON FUNCTION owed_on(date) IS 'What customers owed on a day, bill by bill, and how many days late it was.';

CREATE OR REPLACE FUNCTION settle_bills(ids bigint[]) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM 1 FROM billing WHERE billing_id = ANY (ids) ORDER BY billing_id FOR NO KEY UPDATE;
    UPDATE billing
    SET amount_paid = paid.amount, last_payment_date = paid.last_date, settled_on = nullif(paid.last_day, paid.last_date)
    FROM (
        SELECT bill.billing_id, coalesce(sum(allocation.amount), 0) AS amount,
               max(payment.paid_on) FILTER (WHERE kind = 'payment') AS last_date,
               max(coalesce(made_on, payment.paid_on)) AS last_day
        FROM unnest(ids) AS bill (billing_id)
        LEFT JOIN (payment_allocations AS allocation
                   JOIN payments AS payment ON payment.payment_id = allocation.payment_id
                                            AND payment.voided_at IS NULL)
               ON allocation.billing_id = bill.billing_id AND released_on IS NULL
        GROUP BY bill.billing_id
    ) AS paid
    WHERE billing.billing_id = paid.billing_id
      AND (billing.amount_paid, billing.last_payment_date, billing.settled_on)
          IS DISTINCT FROM (paid.amount, paid.last_date, nullif(paid.last_day, paid.last_date));
END
$$;
COMMENT ON FUNCTION settle_bills(bigint[]) IS
    'Set what these bills say was paid on them from their allocations.';

CREATE OR REPLACE FUNCTION settle_payments(ids bigint[]) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM 1 FROM payments WHERE payment_id = ANY (ids) ORDER BY payment_id FOR NO KEY UPDATE;
    UPDATE payments
    SET amount_allocated = used.amount
    FROM (
        SELECT payment_id, coalesce(sum(allocation.amount), 0) AS amount
        FROM (
            SELECT payment.payment_id, allocation.amount
            FROM unnest(ids) AS payment (payment_id)
            LEFT JOIN payment_allocations AS allocation
                   ON allocation.payment_id = payment.payment_id AND released_on IS NULL
            UNION ALL
            SELECT refund_id, allocation.amount
            FROM payment_allocations AS allocation
            WHERE refund_id = ANY (ids) AND released_on IS NULL
        ) AS allocation
        GROUP BY payment_id
    ) AS used
    WHERE payments.payment_id = used.payment_id
      AND payments.amount_allocated <> used.amount;
END
$$;
COMMENT ON FUNCTION settle_payments(bigint[]) IS
    'Set what these payments say was allocated from their allocations; of refunds, from what went into them.';

CREATE OR REPLACE FUNCTION allocations_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM settle_payments(ARRAY(
        SELECT payment_id FROM changed UNION SELECT refund_id FROM changed WHERE refund_id IS NOT NULL
    ));
    IF TG_OP = 'INSERT' AND EXISTS (
        SELECT FROM changed
        JOIN payments USING (payment_id)
        LEFT JOIN billing ON billing.billing_id = changed.billing_id
        LEFT JOIN payments AS refund ON refund.payment_id = changed.refund_id
        WHERE payments.customer_id <> coalesce(billing.customer_id, refund.customer_id)
           OR payments.kind = 'refund'
           OR refund.kind <> 'refund'
           OR refund.kind = 'refund' AND payments.kind = 'write-off'
           OR (payments.voided_at IS NOT NULL OR refund.voided_at IS NOT NULL) AND NOT EXISTS (
                  SELECT FROM trail
                  WHERE kind = 'deleted' AND table_name = 'payment_allocations'
                    AND (single_id = payment_allocation_id OR single_id IS NULL AND ids @> payment_allocation_id))
    ) THEN
        RAISE EXCEPTION 'allocation to another customer''s bill or refund, or of what cannot pay it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_allocations_own_bill';
    END IF;
    PERFORM settle_bills(ARRAY(SELECT DISTINCT billing_id FROM changed WHERE billing_id IS NOT NULL));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION allocations_changed() IS
    'Settle the payments and bills of allocations that came, went or were released, and refuse one that cannot be.';

CREATE TRIGGER payment_allocations_released
    AFTER UPDATE ON payment_allocations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION allocations_changed();

-- Released is one today, for good.
DROP TRIGGER payment_allocations_edited ON payment_allocations;
CREATE TRIGGER payment_allocations_edited
    BEFORE UPDATE ON payment_allocations
    FOR EACH ROW
    WHEN (OLD.released_on IS NOT NULL OR NEW.released_on IS DISTINCT FROM CURRENT_DATE
          OR OLD.payment_allocation_id IS DISTINCT FROM NEW.payment_allocation_id
          OR OLD.payment_id IS DISTINCT FROM NEW.payment_id
          OR OLD.billing_id IS DISTINCT FROM NEW.billing_id
          OR OLD.refund_id IS DISTINCT FROM NEW.refund_id
          OR OLD.amount IS DISTINCT FROM NEW.amount
          OR OLD.from_credit IS DISTINCT FROM NEW.from_credit
          OR OLD.made_on IS DISTINCT FROM NEW.made_on)
    EXECUTE FUNCTION allocation_edited();

DROP TRIGGER billing_paid_sums ON billing;
CREATE TRIGGER billing_paid_sums
    BEFORE UPDATE OF amount_paid, last_payment_date, settled_on, customer_id ON billing
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (OLD.amount_paid IS DISTINCT FROM NEW.amount_paid
               OR OLD.last_payment_date IS DISTINCT FROM NEW.last_payment_date
               OR OLD.settled_on IS DISTINCT FROM NEW.settled_on
               OR OLD.customer_id IS DISTINCT FROM NEW.customer_id))
    EXECUTE FUNCTION kept_by_triggers();

DROP TRIGGER payments_paid_sums ON payments;
CREATE TRIGGER payments_paid_sums
    BEFORE UPDATE OF amount_allocated, customer_id, kind ON payments
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (OLD.amount_allocated IS DISTINCT FROM NEW.amount_allocated
               OR OLD.customer_id IS DISTINCT FROM NEW.customer_id
               OR OLD.kind IS DISTINCT FROM NEW.kind))
    EXECUTE FUNCTION kept_by_triggers();

CREATE OR REPLACE FUNCTION payment_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM settle_bills(ARRAY(
        SELECT DISTINCT billing_id FROM payment_allocations WHERE payment_id = NEW.payment_id AND billing_id IS NOT NULL
    ));
    IF NEW.voided_at IS NOT NULL THEN
        UPDATE payment_allocations
        SET released_on = CURRENT_DATE
        WHERE refund_id = NEW.payment_id AND released_on IS NULL;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION payment_changed() IS
    'Settle the bills of a payment that was voided or given another date, and give back what a refund took that was voided.';

CREATE OR REPLACE FUNCTION payment_voided() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.void_reason IS NOT NULL AND NEW.voided_at IS NULL THEN
        NEW.voided_at := now();
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.voided_at IS NOT NULL AND OLD.voided_at IS NULL AND EXISTS (
        SELECT FROM payment_allocations
        WHERE payment_id = NEW.payment_id AND refund_id IS NOT NULL AND released_on IS NULL
    ) THEN
        RAISE EXCEPTION 'payment that was refunded'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_refunded_stays';
    END IF;
    IF NEW.voided_at IS NULL OR NEW.voided_on IS NULL
       OR TG_OP = 'UPDATE' AND NEW.voided_at IS DISTINCT FROM OLD.voided_at THEN
        NEW.voided_on := NEW.voided_at::date;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payment_voided() IS 'Set the time of a void that has a reason, and its day, by the calendar of who voids.';

CREATE OR REPLACE FUNCTION apply_credit(customer_ids bigint[] DEFAULT NULL, new_payment_id bigint DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    IF customer_ids IS NULL THEN
        customer_ids := ARRAY(SELECT customer_id FROM customer_credit);
    END IF;
    PERFORM 1 FROM customers WHERE customer_id = ANY (customer_ids) ORDER BY customer_id FOR NO KEY UPDATE;
    INSERT INTO payment_allocations (payment_id, billing_id, amount, from_credit, made_on)
    SELECT payment_id, billing_id, least(money.upto, owed.upto) - greatest(money.after, owed.after),
           payment_id IS DISTINCT FROM new_payment_id,
           CASE WHEN payment_id IS DISTINCT FROM new_payment_id THEN CURRENT_DATE END
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
    WHERE least(money.upto, owed.upto) > greatest(money.after, owed.after)
    ORDER BY customer_id, money.upto, owed.upto;
END
$$;
COMMENT ON FUNCTION apply_credit(bigint[], bigint) IS 'Spend credit on unpaid bills, of these customers or of all.';

-- Erasing a person. Sums, days and IDs stay as they are; what says who it was goes, from what is there and from what the
-- trail has of it. A row of the trail may be of several records: of deleted ones only those of this person change, of
-- records that one statement changed from the same to the same all do.
CREATE FUNCTION without_person(line jsonb, known text, alias text) RETURNS jsonb
    LANGUAGE sql STABLE
AS $$
    SELECT jsonb_object_agg(key, CASE
        WHEN jsonb_typeof(value) <> 'string' THEN value
        WHEN key IN ('phone_number', 'email') THEN 'null'
        WHEN key IN ('name', 'address') THEN to_jsonb(alias)
        WHEN key = 'note' THEN '"Erased"'
        ELSE to_jsonb(regexp_replace(value #>> '{}', known, alias, 'gi'))
    END)
    FROM jsonb_each(line)
$$;
COMMENT ON FUNCTION without_person(jsonb, text, text) IS
    'A row of the trail without who it was: known is a regular expression of names, addresses and numbers.';

-- Whoever was merged into this customer is the same person.
CREATE FUNCTION erase_person(erased_id bigint) RETURNS void
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

    -- All that they were ever called, the longest first; letters and digits beside it make it part of another word.
    SELECT '(?<![[:alnum:]])(' || string_agg(term, '|' ORDER BY char_length(term) DESC, term) || ')(?![[:alnum:]])' INTO known
    FROM (
        SELECT DISTINCT regexp_replace(said, '([^[:alnum:][:space:]])', '\\\1', 'g') AS term
        FROM (
            SELECT unnest(ARRAY[name, phone_number, email]) FROM customers WHERE customer_id = ANY (whose)
            UNION ALL
            SELECT address FROM locations WHERE customer_id = erased_id
            UNION ALL
            SELECT field.value
            FROM trail
            CROSS JOIN LATERAL jsonb_each_text(CASE kind WHEN 'changed' THEN old END) AS field
            WHERE kind = 'changed' AND key IN ('name', 'phone_number', 'email', 'address')
              AND (table_name = 'locations' AND parent_ids && of_whose
                   OR table_name = 'customers' AND (single_id = ANY (whose) OR single_id IS NULL AND ids && of_whose))
            UNION ALL
            SELECT field.value
            FROM trail
            CROSS JOIN LATERAL jsonb_array_elements(CASE kind WHEN 'deleted' THEN old END) AS line
            CROSS JOIN LATERAL jsonb_each_text(line) AS field
            WHERE kind = 'deleted' AND key IN ('name', 'phone_number', 'email', 'address')
              AND (table_name = 'locations' AND parent_ids && of_whose
                   OR table_name = 'customers' AND (single_id = ANY (whose) OR single_id IS NULL AND ids && of_whose))
              AND (line ->> 'customer_id')::bigint = ANY (whose)
        ) AS given (said)
        WHERE said IS NOT NULL
    ) AS called;

    UPDATE customers
    SET name = 'Erased ' || customer_id, phone_number = NULL, email = NULL, erased_on = CURRENT_DATE
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
COMMENT ON FUNCTION erase_person(bigint) IS
    'Take out who a customer was, of a closed account with nothing to pay and no credit; every sum stays as it is.';

-- Nothing that adds rows would soon tell the planner that the new columns are empty, and it takes them for rare.
ANALYZE customers, services, equipment, billing, billing_items, payments, payment_allocations;
