-- The whole of the tracker's database: tables, rules, indexes, views and triggers, in that order, parents first.
-- It runs once, on an empty database, inside one transaction; the files in migrations/ bring an older database to the
-- same. Every rule has a name, and every name has one sentence for the administrator in tracker.errors.RULES.

CREATE TABLE schema_version (
    version       integer      PRIMARY KEY,
    installed_at  timestamptz  NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_version IS 'The versions that these tables have had; the highest is the present one.';
INSERT INTO schema_version (version) VALUES (9);

-- Not numeric(12,2): a cast to that rounds 0.005 up to 0.01 before any CHECK can see it. min_scale() is NULL for NaN and
-- Infinity, which BETWEEN refuses.
CREATE DOMAIN money_amount AS numeric
    CONSTRAINT money_amount_exact CHECK (min_scale(VALUE) <= 2 AND VALUE BETWEEN -9999999999.99 AND 9999999999.99);
COMMENT ON DOMAIN money_amount IS 'An amount of money, exact to the cent.';

-- Keeps 'infinity' and typing errors out.
CREATE DOMAIN business_day AS date
    CONSTRAINT business_day_range CHECK (VALUE BETWEEN DATE '2000-01-01' AND DATE '2199-12-31');
COMMENT ON DOMAIN business_day IS 'A day that a provider can have business on.';

-- Two lines of text are the same to a reader when these are: letters without accents and case (ß is ss, ł is l), without
-- apostrophes and what cannot be seen, and one space for any number of spaces, dashes, dots and commas.
CREATE FUNCTION folded(line text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    IF octet_length(line) > char_length(line) THEN
        line := regexp_replace(
            normalize(translate(line, '´', ''), NFKD),
            '[\u00AD\u0300-\u036F\u0591-\u05C7\u061C\u0640\u064B-\u065F\u0670\u1AB0-\u1AFF\u1DC0-\u1DFF'
            '\u200B-\u200F\u202A-\u202E\u2060-\u206F\u20D0-\u20FF\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF]',
            '', 'g'
        );
        line := lower(normalize(translate(line,
            'ŁłĐđÐðØøĦħŦŧıÆŒÞẞςيىك٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', 'llddddoohhttiæœþßσییک01234567890123456789'), NFKC));
        line := replace(replace(replace(replace(line, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'ß', 'ss');
        line := translate(line, U&'\2010\2012\2013\2014\2015\2212“”„«»·’‘‛ʼʻʹ′', '------------');
    END IF;
    line := translate(lower(line), E'-.,;:/()"\t\'`', '          ');
    IF strpos(line, '  ') > 0 THEN
        line := regexp_replace(line, '  +', ' ', 'g');
    END IF;
    RETURN btrim(line);
END
$$;
COMMENT ON FUNCTION folded(text) IS
    'Text as it is searched and compared: no accents, no case, no apostrophes, plain spaces for dashes, dots and commas.';

-- Its backslashes mean the same whatever a session says of them: the unique index of serial numbers stands on it.
CREATE FUNCTION serial_key(serial text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN coalesce(nullif(upper(regexp_replace(
        normalize(serial, NFKC), E'[ -/:-@\\[-`{-~\\s\\u00AD\\u200B-\\u200F\\u2010-\\u2015\\u2060\\u2212\\uFEFF]', '', 'g'
    )), ''), serial);
END
$$;
COMMENT ON FUNCTION serial_key(text) IS
    'A serial number or MAC address as it is compared: its letters and digits alone, in capitals.';

-- The country codes of ITU-T E.164, none of which begins another.
CREATE FUNCTION phone_country(phone text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN substring(
        translate(phone, ' ().-/', '')
        FROM '^(?:\+|00)0*(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|'
             '(?:2[1-69]|3[578]|42|5[09]|6[7-9]|8[03578]|9[679])[0-9])'
    );
COMMENT ON FUNCTION phone_country(text) IS 'The country code of a phone number that begins with + or 00; else NULL.';

-- The codes stand here again, because what an index calls can call no function of ours: while its rows are analysed or
-- restored, the server looks into pg_catalog alone.
CREATE FUNCTION phone_key(phone text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    number text := translate(regexp_replace(phone, '[ ,;]*[a-z#].*', '', 'i'), ' ().-/', '');
    key    text := regexp_replace(number,
        '^(?:(?:\+|00)0*(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|'
        '(?:2[1-69]|3[578]|42|5[09]|6[7-9]|8[03578]|9[679])[0-9]))?\+?0*', '');
BEGIN
    RETURN coalesce(nullif(key, ''), ltrim(number, '+'));
END
$$;
COMMENT ON FUNCTION phone_key(text) IS
    'The digits of a phone number within its country: no country code after + or 00, no 0 before them, no extension.';

-- A number written without + may begin with its country code or not; one from Russia or Hungary has its own sign for
-- long distance, 8 or 06. Without a country, eleven digits are taken to begin with a country code.
CREATE FUNCTION phone_keys(phone text, country text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    key   text := phone_key(phone);
    keys  text[] := ARRAY[key];
    home  text := coalesce(phone_country(phone), nullif(country, ''));
    long  text := CASE home WHEN '7' THEN '8' WHEN '36' THEN '6' END;
BEGIN
    keys := keys || (home || key) || (long || key);
    IF phone_country(phone) IS NULL THEN
        IF starts_with(key, country) AND country <> '' AND char_length(key) - char_length(country) >= 7 THEN
            keys := keys || ltrim(substr(key, char_length(country) + 1), '0');
        ELSIF starts_with(key, long) THEN
            keys := keys || substr(key, 2);
        ELSIF country = '' AND char_length(key) >= 11 THEN
            keys := keys || phone_key('+' || key);
        END IF;
    END IF;
    RETURN array_remove(keys, NULL);
END
$$;
COMMENT ON FUNCTION phone_keys(text, text) IS
    'The keys under which a phone number may be stored, where country is the code of numbers that have none, or empty.';

CREATE FUNCTION same_phone(phone text, other text, country text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN phone_key(phone) = ANY (phone_keys(other, country))
       AND (phone_key(phone) <> phone_key(other)
            OR coalesce(phone_country(phone), nullif(country, ''), phone_country(other), '')
             = coalesce(phone_country(other), nullif(country, ''), phone_country(phone), ''));
COMMENT ON FUNCTION same_phone(text, text, text) IS
    'Whether two phone numbers are one, however they are written; country is the code of numbers that have none, or empty.';

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

CREATE TABLE customers (
    customer_id     bigint       GENERATED ALWAYS AS IDENTITY,
    name            text         NOT NULL,
    phone_number    text,
    created_at      timestamptz  NOT NULL DEFAULT now(),
    name_folded     text         GENERATED ALWAYS AS (folded(name)) STORED,
    email           text,
    closed_on       date,
    erased_on       date,
    merged_into     bigint,
    account_number  text,
    CONSTRAINT customers_pkey          PRIMARY KEY (customer_id),
    CONSTRAINT customers_name_length   CHECK (char_length(name) <= 200 AND name ~ '\S'),
    CONSTRAINT customers_name_nfc      CHECK (name IS NFC NORMALIZED),
    CONSTRAINT customers_phone_form    CHECK (phone_number ~* '^[0-9 +().\-/]+([ ,;]*(extension|ext\.?|x|#|wewn\.?|wew\.?|interno|int\.?|poste|durchwahl|dw\.?|ramal) ?[0-9]{1,6})?$'
                                              AND phone_number ~* '^([^0-9a-z#]*[0-9]){3,15}[^0-9a-z#]*([a-z#]|$)'
                                              AND char_length(phone_number) <= 32),
    CONSTRAINT customers_email_form    CHECK (char_length(email) <= 254 AND email ~ '^[^@\s]+@[^@\s]+$'),
    CONSTRAINT customers_closed_range  CHECK (closed_on BETWEEN '2000-01-01' AND '2199-12-31'),
    CONSTRAINT customers_erased_closed CHECK (erased_on IS NULL OR closed_on IS NOT NULL),
    CONSTRAINT customers_erased_stays  CHECK (erased_on IS NULL OR name = 'Erased ' || customer_id AND phone_number IS NULL
                                              AND email IS NULL AND account_number IS NULL),
    CONSTRAINT customers_merged_into   FOREIGN KEY (merged_into) REFERENCES customers,
    CONSTRAINT customers_merged_closed CHECK (merged_into IS NULL OR (closed_on IS NOT NULL AND merged_into <> customer_id)),
    CONSTRAINT customers_account_number_form CHECK (char_length(account_number) <= 50 AND account_number ~ '^\S([^\n\r]*\S)?$')
);
COMMENT ON TABLE customers IS 'Somebody who pays for service.';
COMMENT ON COLUMN customers.name_folded IS 'The name as it is searched and compared.';
COMMENT ON COLUMN customers.email IS 'Where a reminder goes; NULL for nowhere.';
COMMENT ON COLUMN customers.closed_on IS 'The last day of an account that is closed; NULL for one that is not.';
COMMENT ON COLUMN customers.erased_on IS 'The day on which who this was was erased; NULL for somebody who is known.';
COMMENT ON COLUMN customers.merged_into IS 'The customer who this turned out to be, and who has all that was theirs.';
COMMENT ON COLUMN customers.phone_number IS 'As it was written, perhaps with an extension; NULL where there is none.';
COMMENT ON COLUMN customers.account_number IS
    'The provider''s own number for the customer, or that of an older system, unique whatever its case; NULL for none.';

CREATE TABLE locations (
    location_id     bigint  GENERATED ALWAYS AS IDENTITY,
    customer_id     bigint  NOT NULL,
    address         text    NOT NULL,
    address_folded  text    GENERATED ALWAYS AS (folded(address)) STORED,
    CONSTRAINT locations_pkey            PRIMARY KEY (location_id),
    CONSTRAINT locations_customer        FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE,
    CONSTRAINT locations_address_length  CHECK (char_length(address) <= 300 AND address ~ '\S'),
    CONSTRAINT locations_address_nfc     CHECK (address IS NFC NORMALIZED),
    CONSTRAINT locations_address_once    UNIQUE (customer_id, address)
);
COMMENT ON TABLE locations IS 'A site where a customer receives service.';
COMMENT ON COLUMN locations.address_folded IS 'The address as it is searched and compared.';

CREATE TABLE services (
    service_id           bigint        GENERATED ALWAYS AS IDENTITY,
    location_id          bigint        NOT NULL,
    service_name         text          NOT NULL,
    cost                 money_amount  NOT NULL,
    service_name_folded  text          GENERATED ALWAYS AS (folded(service_name)) STORED,
    started_on           date,
    ended_on             date,
    CONSTRAINT services_pkey               PRIMARY KEY (service_id),
    CONSTRAINT services_location           FOREIGN KEY (location_id) REFERENCES locations ON DELETE CASCADE,
    CONSTRAINT services_name_length        CHECK (char_length(service_name) <= 100 AND service_name ~ '\S'),
    CONSTRAINT services_name_nfc           CHECK (service_name IS NFC NORMALIZED),
    CONSTRAINT services_cost_not_negative  CHECK (cost >= 0),
    CONSTRAINT services_days_range         CHECK (started_on >= '2000-01-01' AND started_on <= '2199-12-31'
                                                  AND ended_on >= '2000-01-01' AND ended_on <= '2199-12-31'),
    CONSTRAINT services_days_in_order      CHECK (ended_on >= started_on)
);
COMMENT ON TABLE services IS 'What a location is subscribed to.';
COMMENT ON COLUMN services.cost IS 'The monthly charge, when all that price_changes says has come.';
COMMENT ON COLUMN services.started_on IS 'Its first day; NULL for one that was always there: it is billed from the first run that finds it.';
COMMENT ON COLUMN services.ended_on IS 'Its last day; NULL while it goes on.';
COMMENT ON COLUMN services.service_name_folded IS 'The name as it is searched and compared.';

-- Two ranges of one ID each overlap where the IDs are the same, and so an exclusion needs no extension.
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

-- The price on a day is cost_before of the first change after it, or where there is none the service's cost.
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

CREATE TABLE equipment (
    equipment_id           bigint        GENERATED ALWAYS AS IDENTITY,
    location_id            bigint,
    equipment_name         text          NOT NULL,
    serial_number          text,
    cost                   money_amount  NOT NULL,
    serial_repeat          integer       NOT NULL DEFAULT 0,
    equipment_name_folded  text          GENERATED ALWAYS AS (folded(equipment_name)) STORED,
    retired_on             date,
    CONSTRAINT equipment_pkey               PRIMARY KEY (equipment_id),
    CONSTRAINT equipment_location           FOREIGN KEY (location_id) REFERENCES locations ON DELETE CASCADE,
    CONSTRAINT equipment_name_length        CHECK (char_length(equipment_name) <= 100 AND equipment_name ~ '\S'),
    CONSTRAINT equipment_name_nfc           CHECK (equipment_name IS NFC NORMALIZED),
    CONSTRAINT equipment_serial_length      CHECK (char_length(serial_number) <= 100 AND serial_number ~ '\S'),
    CONSTRAINT equipment_cost_not_negative  CHECK (cost >= 0),
    CONSTRAINT equipment_retired            CHECK (retired_on IS NULL OR location_id IS NULL)
);
COMMENT ON TABLE equipment IS 'A device, at a location or in stock.';
COMMENT ON COLUMN equipment.location_id IS 'Where it stands; NULL while it is in stock, or when it is gone.';
COMMENT ON COLUMN equipment.retired_on IS 'The day on which it was written off; NULL for one that is there.';
COMMENT ON COLUMN equipment.serial_number IS
    'As it was written; no two devices share one, whatever its case and separators. NULL where there is none.';
COMMENT ON COLUMN equipment.cost IS 'What the device is worth; it is on no bill.';
COMMENT ON COLUMN equipment.equipment_name_folded IS 'The name as it is searched and compared.';
COMMENT ON COLUMN equipment.serial_repeat IS
    'Above 0 for a device that shared another''s serial number before version 3 forbade that.';

-- A place that is gone is still known by what was written of it.
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

-- Money records outlive a careless DELETE: no cascade from customers.
CREATE TABLE billing (
    billing_id         bigint        GENERATED ALWAYS AS IDENTITY,
    customer_id        bigint        NOT NULL,
    description        text          NOT NULL,
    period             business_day,
    issued_on          business_day  NOT NULL DEFAULT CURRENT_DATE,
    due_date           business_day  NOT NULL,
    amount_billed      money_amount  NOT NULL,
    amount_paid        money_amount  NOT NULL DEFAULT 0,
    amount_due         money_amount  GENERATED ALWAYS AS (amount_billed - amount_paid) STORED,
    last_payment_date  business_day,
    settled_on         date,
    cancelled_on       date,
    merged_from        bigint,
    late_fee_for       bigint,
    CONSTRAINT billing_pkey                 PRIMARY KEY (billing_id),
    CONSTRAINT billing_customer             FOREIGN KEY (customer_id) REFERENCES customers,
    CONSTRAINT billing_description_length   CHECK (char_length(description) <= 200 AND description ~ '\S'),
    CONSTRAINT billing_description_nfc      CHECK (description IS NFC NORMALIZED),
    CONSTRAINT billing_period_first_day     CHECK (extract(day FROM period) = 1),
    CONSTRAINT billing_amount_not_negative  CHECK (amount_billed >= 0),
    CONSTRAINT billing_not_overpaid         CHECK (amount_paid BETWEEN 0 AND amount_billed),
    CONSTRAINT billing_cancelled_is_empty   CHECK (cancelled_on IS NULL OR amount_billed = 0),
    CONSTRAINT billing_late_fee_for         FOREIGN KEY (late_fee_for) REFERENCES billing
);
COMMENT ON TABLE billing IS 'A bill of a customer.';
COMMENT ON COLUMN billing.period IS
    'The first day of the month that a bill run billed; NULL for a bill made by hand.';
COMMENT ON COLUMN billing.issued_on IS 'The day the bill was made.';
COMMENT ON COLUMN billing.due_date IS 'The last day to pay; the bill is late from the next day on.';
COMMENT ON COLUMN billing.amount_billed IS 'What the lines of the bill add up to.';
COMMENT ON COLUMN billing.amount_paid IS
    'The sum of its allocations from payments that are not void; kept by triggers.';
COMMENT ON COLUMN billing.amount_due IS 'What is left to pay: amount_billed less amount_paid.';
COMMENT ON COLUMN billing.last_payment_date IS 'The day of the latest such payment, or NULL; kept by triggers.';
COMMENT ON COLUMN billing.settled_on IS
    'The latest day on which anything was allocated to it, as far as it counts; NULL where last_payment_date says it.';
COMMENT ON COLUMN billing.cancelled_on IS 'The day on which it was deleted: it stays for the reports of the days before.';
COMMENT ON COLUMN billing.merged_from IS 'The customer whose it was before they were merged into this one.';
COMMENT ON COLUMN billing.late_fee_for IS 'The bill that this is the late fee of; NULL for any other.';

-- service_id is no foreign key: a line outlives its service.
CREATE TABLE billing_items (
    billing_item_id  bigint        GENERATED ALWAYS AS IDENTITY,
    billing_id       bigint        NOT NULL,
    service_id       bigint,
    description      text          NOT NULL,
    amount           money_amount  NOT NULL,
    first_day        date,
    last_day         date,
    days             integer,
    monthly_cost     numeric,
    booked_on        date,
    CONSTRAINT billing_items_pkey                PRIMARY KEY (billing_item_id),
    CONSTRAINT billing_items_bill                FOREIGN KEY (billing_id) REFERENCES billing ON DELETE CASCADE,
    CONSTRAINT billing_items_description_length  CHECK (char_length(description) <= 500 AND description ~ '\S'),
    CONSTRAINT billing_items_days                CHECK (
        num_nulls(first_day, last_day, days, monthly_cost) IN (0, 4)
        AND abs(days) = last_day - first_day + 1
        AND date_trunc('month', first_day::timestamp) = date_trunc('month', last_day::timestamp)
    )
);
COMMENT ON TABLE billing_items IS 'The lines of a bill, as they were when it was made.';
COMMENT ON COLUMN billing_items.service_id IS
    'The service that was billed, which may be gone; NULL for a line typed by hand.';
COMMENT ON COLUMN billing_items.amount IS 'What the line adds to the bill; below 0 where the bill was lowered.';
COMMENT ON COLUMN billing_items.first_day IS
    'The first of the days that the line is for, all of one month; of a line of a run before version 8 NULL: the whole month.';
COMMENT ON COLUMN billing_items.days IS 'How many days that is; below 0 where the line takes back days that were billed.';
COMMENT ON COLUMN billing_items.monthly_cost IS 'The monthly charge that the line goes by.';
COMMENT ON COLUMN billing_items.booked_on IS 'The day of a line that came after the bill was issued; NULL for one of its first.';

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

CREATE TABLE payments (
    payment_id        bigint        GENERATED ALWAYS AS IDENTITY,
    customer_id       bigint        NOT NULL,
    amount            money_amount  NOT NULL,
    amount_allocated  money_amount  NOT NULL DEFAULT 0,
    amount_left       money_amount  GENERATED ALWAYS AS (amount - amount_allocated) STORED,
    paid_on           business_day  NOT NULL DEFAULT CURRENT_DATE,
    method            text          NOT NULL DEFAULT 'other',
    reference         text,
    entry_key         uuid          NOT NULL DEFAULT gen_random_uuid(),
    recorded_at       timestamptz   NOT NULL DEFAULT now(),
    recorded_by       text          NOT NULL DEFAULT acting_person(),
    voided_at         timestamptz,
    void_reason       text,
    voided_on         date,
    kind              text          NOT NULL DEFAULT 'payment',
    from_bill         bigint,
    reason            text,
    bank_line_id      bigint,
    CONSTRAINT payments_pkey                PRIMARY KEY (payment_id),
    CONSTRAINT payments_customer            FOREIGN KEY (customer_id) REFERENCES customers,
    CONSTRAINT payments_entry_once          UNIQUE (entry_key),
    CONSTRAINT payments_amount_positive     CHECK (amount > 0),
    CONSTRAINT payments_not_overallocated   CHECK (amount_allocated BETWEEN 0 AND amount),
    CONSTRAINT payments_method_known        CHECK (method IN ('cash', 'card', 'transfer', 'direct debit', 'cheque', 'other')),
    CONSTRAINT payments_reference_length    CHECK (char_length(reference) <= 100 AND reference ~ '\S'),
    CONSTRAINT payments_void_reason_length  CHECK (char_length(void_reason) <= 200 AND void_reason ~ '\S'),
    CONSTRAINT payments_void_has_reason     CHECK ((voided_at IS NULL) = (void_reason IS NULL)),
    CONSTRAINT payments_kind_known          CHECK (kind IN ('payment', 'credit note', 'write-off', 'refund')),
    CONSTRAINT payments_from_bill           FOREIGN KEY (from_bill) REFERENCES billing ON DELETE SET NULL,
    CONSTRAINT payments_reason_length       CHECK (char_length(reason) <= 200 AND reason ~ '\S'),
    CONSTRAINT payments_reason_given        CHECK ((kind IN ('credit note', 'write-off')) = (reason IS NOT NULL)),
    CONSTRAINT payments_bank_line           FOREIGN KEY (bank_line_id) REFERENCES bank_lines
);
COMMENT ON TABLE payments IS 'What lowers what a customer owes: money received, credit notes, write-offs; and money given back.';
COMMENT ON COLUMN payments.kind IS
    'payment for money received, credit note, write-off, or refund: money given back, taken from what others have left.';
COMMENT ON COLUMN payments.from_bill IS 'The bill that came to less than nothing, of a credit note that a run made.';
COMMENT ON COLUMN payments.reason IS 'What a credit note or write-off is for; NULL for money that came or went.';
COMMENT ON COLUMN payments.bank_line_id IS 'The line of the bank''s file that it came by; NULL for one that was typed.';
COMMENT ON COLUMN payments.amount IS 'How much, always above 0.';
COMMENT ON COLUMN payments.amount_allocated IS
    'The sum of its allocations that are not released, of a refund of those that it took; kept by triggers.';
COMMENT ON COLUMN payments.amount_left IS
    'amount less amount_allocated: of a payment or credit note the customer''s credit, unless it is void.';
COMMENT ON COLUMN payments.paid_on IS 'The day the money came or went, or of the credit note or write-off.';
COMMENT ON COLUMN payments.reference IS 'The number of a receipt or transfer, as typed; NULL for none.';
COMMENT ON COLUMN payments.entry_key IS 'Made when the form opens: the same form can never pay twice.';
COMMENT ON COLUMN payments.recorded_by IS 'Who recorded it, as acting_person() says.';
COMMENT ON COLUMN payments.voided_at IS 'When it was voided, and ceased to count; NULL for one that counts.';
COMMENT ON COLUMN payments.voided_on IS 'The day of that, by the calendar of who voided it; kept by a trigger.';

CREATE TABLE payment_allocations (
    payment_allocation_id  bigint        GENERATED ALWAYS AS IDENTITY,
    payment_id             bigint        NOT NULL,
    billing_id             bigint,
    amount                 money_amount  NOT NULL,
    from_credit            boolean       NOT NULL DEFAULT false,
    refund_id              bigint,
    made_on                date,
    released_on            date,
    CONSTRAINT payment_allocations_pkey             PRIMARY KEY (payment_allocation_id),
    CONSTRAINT payment_allocations_payment          FOREIGN KEY (payment_id) REFERENCES payments ON DELETE CASCADE,
    CONSTRAINT payment_allocations_bill             FOREIGN KEY (billing_id) REFERENCES billing ON DELETE CASCADE,
    CONSTRAINT payment_allocations_amount_positive  CHECK (amount > 0),
    CONSTRAINT payment_allocations_refund           FOREIGN KEY (refund_id) REFERENCES payments ON DELETE CASCADE,
    CONSTRAINT payment_allocations_of_one           CHECK (num_nonnulls(billing_id, refund_id) = 1)
);
COMMENT ON TABLE payment_allocations IS
    'Which bill a payment paid. Never edited, only released; those of a void payment stay, and count for nothing.';
COMMENT ON COLUMN payment_allocations.amount IS 'How much of the bill it paid, or went into the refund.';
COMMENT ON COLUMN payment_allocations.refund_id IS 'The refund that it went into, where it paid no bill.';
COMMENT ON COLUMN payment_allocations.made_on IS 'The day from which it counts; NULL for that of its payment.';
COMMENT ON COLUMN payment_allocations.released_on IS 'The day from which it counts no more; NULL while it does.';
COMMENT ON COLUMN payment_allocations.from_credit IS 'True where the money was there before, as credit.';

-- Not an advisory lock, which a login that may only look could take and keep.
CREATE TABLE work_locks (
    work      text         NOT NULL,
    taken_at  timestamptz,
    taken_by  text,
    CONSTRAINT work_locks_pkey PRIMARY KEY (work)
);
COMMENT ON TABLE work_locks IS 'Work that one session does at a time: whoever does it holds the row of it.';
INSERT INTO work_locks (work) VALUES ('bill run'), ('import'), ('payments import');

CREATE TABLE verifications (
    verification_id  bigint       GENERATED ALWAYS AS IDENTITY,
    verified_at      timestamptz  NOT NULL DEFAULT now(),
    person           text         NOT NULL DEFAULT acting_person(),
    login            text         NOT NULL DEFAULT session_user,
    bills            bigint       NOT NULL,
    payments         bigint       NOT NULL,
    findings         bigint       NOT NULL,
    first_finding    text,
    CONSTRAINT verifications_pkey                 PRIMARY KEY (verification_id),
    CONSTRAINT verifications_counts_not_negative  CHECK (bills >= 0 AND payments >= 0 AND findings >= 0),
    CONSTRAINT verifications_first_finding        CHECK ((findings > 0) = (first_finding IS NOT NULL)
                                                         AND char_length(first_finding) <= 1000)
);
COMMENT ON TABLE verifications IS 'What a verify looked at and found; one that nobody could note is not here.';
COMMENT ON COLUMN verifications.person IS 'Who verified, as acting_person() says.';
COMMENT ON COLUMN verifications.login IS 'The login of the session.';
COMMENT ON COLUMN verifications.bills IS 'How many bills there were.';
COMMENT ON COLUMN verifications.payments IS 'How many payments there were.';
COMMENT ON COLUMN verifications.findings IS 'How many findings there were; 0 where everything added up.';
COMMENT ON COLUMN verifications.first_finding IS 'The first of them, in words; NULL for none.';

-- When the books were backed up, and when a backup was last restored as a trial.
CREATE TABLE backups (
    backup_id   bigint       GENERATED ALWAYS AS IDENTITY,
    taken_at    timestamptz  NOT NULL,
    noted_at    timestamptz  NOT NULL DEFAULT now(),
    person      text         NOT NULL DEFAULT acting_person(),
    login       text         NOT NULL DEFAULT session_user,
    path        text         NOT NULL,
    bytes       bigint       NOT NULL,
    checked_at  timestamptz,
    CONSTRAINT backups_pkey            PRIMARY KEY (backup_id),
    CONSTRAINT backups_bytes_positive  CHECK (bytes > 0),
    CONSTRAINT backups_path_length     CHECK (char_length(path) BETWEEN 1 AND 5000)
);
COMMENT ON TABLE backups IS 'When the books were backed up, and where to; also the backup that they were restored from.';
COMMENT ON COLUMN backups.taken_at IS 'The moment whose books the backup holds.';
COMMENT ON COLUMN backups.noted_at IS 'When it was whole, or restored.';
COMMENT ON COLUMN backups.person IS 'Who made it, as acting_person() says.';
COMMENT ON COLUMN backups.login IS 'The login of the session.';
COMMENT ON COLUMN backups.path IS 'Where it was written, on the machine of whoever made it.';
COMMENT ON COLUMN backups.bytes IS 'How large the file is.';
COMMENT ON COLUMN backups.checked_at IS 'When it was last restored and found to be what it should; NULL for never.';

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

-- A caller's number is searched by its last digits, or its first.
CREATE INDEX customers_phone_key           ON customers (phone_key(phone_number) text_pattern_ops);
CREATE INDEX customers_phone_reversed      ON customers (reverse(phone_key(phone_number)) text_pattern_ops);
-- It is searched by its beginning, too.
CREATE UNIQUE INDEX customers_account_number_once
    ON customers (lower(account_number) text_pattern_ops) WHERE account_number IS NOT NULL;
CREATE INDEX services_location_id          ON services (location_id);
CREATE INDEX service_pauses_service_id     ON service_pauses (service_id);
CREATE INDEX equipment_location_id         ON equipment (location_id);
CREATE UNIQUE INDEX equipment_serial_once  ON equipment (serial_key(serial_number) text_pattern_ops, serial_repeat);
CREATE INDEX equipment_in_stock            ON equipment (equipment_name_folded, equipment_id)
    WHERE location_id IS NULL AND retired_on IS NULL;
CREATE INDEX equipment_moves_equipment_id  ON equipment_moves (equipment_id);
CREATE INDEX customer_notes_customer_id    ON customer_notes (customer_id, noted_at);
CREATE INDEX customers_closed              ON customers (closed_on, customer_id) WHERE closed_on IS NOT NULL;
-- It leads to a customer's bills, too, also to those that may be of a month that has another.
CREATE UNIQUE INDEX billing_once_a_period
    ON billing (customer_id, (CASE WHEN cancelled_on IS NULL AND merged_from IS NULL THEN period END));
CREATE UNIQUE INDEX billing_late_fee_once  ON billing (late_fee_for) WHERE cancelled_on IS NULL AND late_fee_for IS NOT NULL;
CREATE INDEX billing_items_billing_id      ON billing_items (billing_id);
CREATE INDEX payments_customer_paid_on     ON payments (customer_id, paid_on, payment_id);
CREATE INDEX payments_reference            ON payments (folded(reference) text_pattern_ops) WHERE reference IS NOT NULL;
CREATE INDEX payments_credit               ON payments (customer_id) INCLUDE (amount_left)
    WHERE amount_left > 0 AND voided_at IS NULL AND kind IN ('payment', 'credit note');
CREATE INDEX payment_allocations_payment   ON payment_allocations (payment_id);
CREATE INDEX payment_allocations_bill      ON payment_allocations (billing_id);
CREATE INDEX customers_merged_into         ON customers (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX billing_late_fee_for          ON billing (late_fee_for) WHERE late_fee_for IS NOT NULL;
CREATE INDEX payments_from_bill            ON payments (from_bill) WHERE from_bill IS NOT NULL;
CREATE INDEX payment_allocations_refund    ON payment_allocations (refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX billing_items_booked          ON billing_items (billing_id, booked_on) INCLUDE (amount) WHERE booked_on IS NOT NULL;
CREATE INDEX payment_allocations_released  ON payment_allocations (released_on) WHERE released_on IS NOT NULL;
-- The late report and the aging report read this index alone, and of it only what is due.
CREATE INDEX billing_unpaid                ON billing (due_date, customer_id) INCLUDE (amount_due) WHERE amount_due > 0;
-- Bills and payments arrive in the order of their months, so a BRIN of a few pages finds a month among millions.
CREATE INDEX billing_period                ON billing USING brin (period) WITH (pages_per_range = 32);
-- Lines arrive in the order of their months, too.
CREATE INDEX billing_items_first_day       ON billing_items USING brin (first_day) WITH (pages_per_range = 32);
CREATE INDEX payments_paid_on              ON payments USING brin (paid_on) WITH (pages_per_range = 32);
CREATE INDEX customers_account_number_key ON customers (serial_key(account_number)) WHERE account_number IS NOT NULL;
CREATE UNIQUE INDEX bank_formats_name_once  ON bank_formats (lower(name));
CREATE INDEX bank_lines_open               ON bank_lines (booked_on, bank_line_id)
    WHERE amount_booked < amount AND set_aside_on IS NULL;
CREATE INDEX bank_lines_payer_account      ON bank_lines (payer_account) WHERE payer_account IS NOT NULL;
CREATE INDEX payments_bank_line            ON payments (bank_line_id) WHERE bank_line_id IS NOT NULL;
CREATE INDEX payments_voided_on            ON payments (voided_on) WHERE voided_on IS NOT NULL;
CREATE INDEX price_changes_from_day        ON price_changes USING brin (from_day) WITH (pages_per_range = 32);
-- What was owed on a past day was paid after it, or not yet.
CREATE INDEX billing_last_payment          ON billing USING brin (last_payment_date) WITH (pages_per_range = 32);
-- Of most bills that is the day of their last payment, and they are not here.
CREATE INDEX billing_settled               ON billing (settled_on) WHERE settled_on IS NOT NULL;

-- Changes arrive in the order of their times.
CREATE INDEX trail_changed_at              ON trail USING brin (changed_at) WITH (pages_per_range = 32);
CREATE INDEX trail_login                   ON trail (login, changed_at);
CREATE INDEX trail_deletions               ON trail (changed_at, transaction_id) WHERE kind = 'deleted';
-- Most changes are of one record, and a place in a B-tree is found in a fifth of the time.
CREATE INDEX trail_single_id               ON trail (single_id) WHERE single_id IS NOT NULL;
CREATE INDEX trail_ids                     ON trail USING gist (ids) WHERE single_id IS NULL;
CREATE INDEX trail_parent_ids              ON trail USING gist (parent_ids) WHERE parent_ids IS NOT NULL;

-- Search by any part of a name or address. pg_trgm is trusted since PostgreSQL 13, but a server may
-- not have it; then the same searches read the whole table.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX customers_name_search    ON customers USING gin (name_folded gin_trgm_ops);
    CREATE INDEX customers_email_search   ON customers USING gin (lower(email) gin_trgm_ops) WHERE email IS NOT NULL;
    CREATE INDEX locations_address_search ON locations USING gin (address_folded gin_trgm_ops);
    CREATE INDEX services_name_search     ON services USING gin (service_name_folded gin_trgm_ops);
    CREATE INDEX equipment_name_search    ON equipment USING gin (equipment_name_folded gin_trgm_ops);
    CREATE INDEX billing_description_search
        ON billing USING gin (folded(description) gin_trgm_ops) WHERE period IS NULL;
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR undefined_object OR feature_not_supported THEN
        RAISE NOTICE 'pg_trgm is not available here';
END
$$;

-- Late is derived, never stored: a stored flag is stale the morning after.
CREATE VIEW billing_status AS
SELECT billing_id, customer_id, description, period, issued_on, due_date,
       amount_billed, amount_paid, amount_due, last_payment_date,
       amount_due > 0 AND due_date < CURRENT_DATE                                  AS is_late,
       CASE WHEN amount_due > 0 THEN greatest(CURRENT_DATE - due_date, 0) ELSE 0 END AS days_late,
       cancelled_on
FROM billing;
COMMENT ON VIEW billing_status IS 'Each bill, and whether it is late today.';
COMMENT ON COLUMN billing_status.is_late IS 'Whether there is something to pay and the due date has passed.';
COMMENT ON COLUMN billing_status.days_late IS 'Days since the due date; 0 for a bill that is not late.';

CREATE VIEW customer_credit AS
SELECT customer_id, sum(amount_left) AS credit
FROM payments
WHERE amount_left > 0 AND voided_at IS NULL AND kind IN ('payment', 'credit note')
GROUP BY customer_id;
COMMENT ON VIEW customer_credit IS
    'What of payments and credit notes has gone to no bill and into no refund, for each customer who has some.';

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

-- Today that is what is due; on a past day, what the bills were over less what counted as paid on them. A bill that is paid
-- today, and on which nothing was allocated, released or booked after the day, was paid then, too.
CREATE FUNCTION owed_on(as_of date) RETURNS TABLE (customer_id bigint, amount numeric, days integer)
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

CREATE FUNCTION matching_addresses(words text[], most integer) RETURNS TABLE (location_id bigint, customer_id bigint)
    LANGUAGE sql STABLE
AS $$
    SELECT location_id, customer_id
    FROM unnest(words) AS word (pattern)
    CROSS JOIN LATERAL (
        SELECT location_id, customer_id FROM locations WHERE address_folded LIKE pattern LIMIT most
    ) AS addressed
$$;
COMMENT ON FUNCTION matching_addresses(text[], integer) IS
    'Locations whose address has one of these LIKE patterns, and their customers; some of them twice.';

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

-- The rows are locked by a statement of their own, so that the sums are read after every other writer of these bills has
-- committed.
CREATE FUNCTION settle_bills(ids bigint[]) RETURNS void
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

CREATE FUNCTION settle_payments(ids bigint[]) RETURNS void
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

-- Of a void payment an allocation only comes back, with the ID that it had; to choose IDs is the owner's right alone.
CREATE FUNCTION allocations_changed() RETURNS trigger
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

CREATE TRIGGER payment_allocations_added
    AFTER INSERT ON payment_allocations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION allocations_changed();

CREATE TRIGGER payment_allocations_released
    AFTER UPDATE ON payment_allocations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION allocations_changed();

CREATE TRIGGER payment_allocations_removed
    AFTER DELETE ON payment_allocations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION allocations_changed();

CREATE FUNCTION allocation_edited() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'allocations are never edited'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_allocations_never_edited';
END
$$;
COMMENT ON FUNCTION allocation_edited() IS 'Refuse to edit an allocation.';

-- Released is one today, for good.
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

-- What follows from allocations is written by their triggers alone, and what has allocations stays its customer's.
CREATE FUNCTION kept_by_triggers() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'paid sums follow the allocations'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_allocations_rule_sums';
END
$$;
COMMENT ON FUNCTION kept_by_triggers() IS 'Refuse to write sums that follow from allocations.';

CREATE TRIGGER billing_paid_sums
    BEFORE UPDATE OF amount_paid, last_payment_date, settled_on, customer_id ON billing
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (OLD.amount_paid IS DISTINCT FROM NEW.amount_paid
               OR OLD.last_payment_date IS DISTINCT FROM NEW.last_payment_date
               OR OLD.settled_on IS DISTINCT FROM NEW.settled_on
               OR OLD.customer_id IS DISTINCT FROM NEW.customer_id))
    EXECUTE FUNCTION kept_by_triggers();

CREATE TRIGGER payments_paid_sums
    BEFORE UPDATE OF amount_allocated, customer_id, kind ON payments
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (OLD.amount_allocated IS DISTINCT FROM NEW.amount_allocated
               OR OLD.customer_id IS DISTINCT FROM NEW.customer_id
               OR OLD.kind IS DISTINCT FROM NEW.kind))
    EXECUTE FUNCTION kept_by_triggers();

CREATE TRIGGER payment_allocations_emptied
    BEFORE TRUNCATE ON payment_allocations
    FOR EACH STATEMENT EXECUTE FUNCTION kept_by_triggers();

CREATE FUNCTION payment_changed() RETURNS trigger
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

-- Whoever voids gives the reason; when that was is not theirs to say. The day is stored, since that of a moment is another
-- one in another time zone.
CREATE FUNCTION payment_voided() RETURNS trigger
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

CREATE TRIGGER payments_voided
    BEFORE INSERT OR UPDATE OF void_reason, voided_at, voided_on ON payments
    FOR EACH ROW EXECUTE FUNCTION payment_voided();

CREATE TRIGGER payments_changed
    AFTER UPDATE OF void_reason, voided_at, paid_on ON payments
    FOR EACH ROW
    WHEN ((OLD.voided_at, OLD.paid_on) IS DISTINCT FROM (NEW.voided_at, NEW.paid_on))
    EXECUTE FUNCTION payment_changed();

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

-- The oldest payment goes first, on the bill due first. Both are laid end to end as ranges of money; where two ranges
-- overlap, that payment pays that bill the length of the overlap. Payments that have just been made are told from credit
-- by their IDs; what comes from credit counts from today.
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
            ('billing', 'billing_id', 'customer_id', '{}', '{amount_paid,amount_due,last_payment_date,settled_on}'),
            ('billing_items', 'billing_item_id', 'billing_id', '{}', '{}'),
            ('payments', 'payment_id', 'customer_id', '{}', '{amount_allocated,amount_left}'),
            ('payment_allocations', 'payment_allocation_id', 'payment_id', '{}', '{}'),
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

-- Undoing a deletion. What follows from other columns is left to the triggers; a column that came since has its default.
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

-- Erasing a person. Sums, days and IDs stay as they are; what says who it was goes, from what is there and from what the
-- trail has of it. A row of the trail may be of several records: of deleted ones only those of this person change, of
-- records that one statement changed from the same to the same all do.
CREATE FUNCTION without_person(line jsonb, known text, alias text) RETURNS jsonb
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
COMMENT ON FUNCTION erase_person(bigint) IS
    'Take out who a customer was, of a closed account with nothing to pay and no credit; every sum stays as it is.';
