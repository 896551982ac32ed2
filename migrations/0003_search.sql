-- Finds people, phone numbers, serial numbers and references however they are written; a customer needs no phone number.

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

-- These are there only where pg_trgm is, which may have come since.
DO $$
BEGIN
    IF to_regclass('customers_name_search') IS NOT NULL THEN
        DROP INDEX customers_name_search, locations_address_search;
    END IF;
END
$$;
-- These write four tables anew, which are small beside the bills; searches read them some ten times as fast as folded().
ALTER TABLE customers ADD name_folded text GENERATED ALWAYS AS (folded(name)) STORED;
ALTER TABLE locations ADD address_folded text GENERATED ALWAYS AS (folded(address)) STORED;
ALTER TABLE services ADD service_name_folded text GENERATED ALWAYS AS (folded(service_name)) STORED;
ALTER TABLE equipment
    ADD serial_repeat integer NOT NULL DEFAULT 0,
    ADD equipment_name_folded text GENERATED ALWAYS AS (folded(equipment_name)) STORED;
COMMENT ON COLUMN customers.name_folded IS 'The name as it is searched and compared.';
COMMENT ON COLUMN locations.address_folded IS 'The address as it is searched and compared.';
COMMENT ON COLUMN services.service_name_folded IS 'The name as it is searched and compared.';
COMMENT ON COLUMN equipment.equipment_name_folded IS 'The name as it is searched and compared.';

ALTER TABLE customers ALTER phone_number DROP NOT NULL;
ALTER TABLE customers DROP CONSTRAINT customers_phone_form;
ALTER TABLE customers ADD CONSTRAINT customers_phone_form CHECK (phone_number ~* '^[0-9 +().\-/]+([ ,;]*(extension|ext\.?|x|#) ?[0-9]{1,6})?$' AND char_length(phone_number) BETWEEN 3 AND 32 AND char_length(regexp_replace(phone_number, '[ ,;]*[a-z#].*|[^0-9]', '', 'gi')) BETWEEN 3 AND 15);
COMMENT ON COLUMN customers.phone_number IS 'As it was written, perhaps with an extension; NULL where there is none.';

-- Devices of one serial number, written in several ways, stay as they are; from now on there can be no more of them.
UPDATE equipment
SET serial_repeat = nth - 1
FROM (
    SELECT equipment_id, row_number() OVER (PARTITION BY serial_key(serial_number) ORDER BY equipment_id) AS nth
    FROM equipment
    WHERE serial_number IS NOT NULL
) AS numbered
WHERE numbered.equipment_id = equipment.equipment_id AND nth > 1;
ALTER TABLE equipment DROP CONSTRAINT equipment_serial_once;
CREATE UNIQUE INDEX equipment_serial_once ON equipment (serial_key(serial_number) text_pattern_ops, serial_repeat);
COMMENT ON COLUMN equipment.serial_number IS
    'As it was written; no two devices share one, whatever its case and separators. NULL where there is none.';
COMMENT ON COLUMN equipment.serial_repeat IS
    'Above 0 for a device that shared another''s serial number before version 3 forbade that.';

DROP FUNCTION matching_locations(text, text, text, text, integer);
DROP FUNCTION matching_customers(text, text, text, text, integer);
DROP INDEX customers_phone_digits, customers_phone_reversed;
DROP FUNCTION digits(text);
CREATE INDEX customers_phone_key ON customers (phone_key(phone_number) text_pattern_ops);
CREATE INDEX customers_phone_reversed ON customers (reverse(phone_key(phone_number)) text_pattern_ops);
CREATE INDEX payments_reference ON payments (folded(reference) text_pattern_ops) WHERE reference IS NOT NULL;

-- Of each no more than most, so that a word that half of them have is no burden. by_number tells those that a phone number
-- led to. The sign after 9 is the colon: LIKE with a pattern from a list uses no index of this kind.
CREATE FUNCTION matching_customers(
    words text[], phones text[], phone_inside text, most integer
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
$$;
COMMENT ON FUNCTION matching_customers(text[], text[], text, integer) IS
    'Customers whose name has one of these LIKE patterns, or whose phone number begins or ends so; some of them twice.';

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

CREATE FUNCTION matching_accounts(words text[], phones text[], phone_inside text, most integer)
    RETURNS TABLE (customer_id bigint, by_number boolean)
    LANGUAGE sql STABLE
AS $$
    SELECT customer_id, by_number FROM matching_customers(words, phones, phone_inside, most)
    UNION ALL
    SELECT customer_id, false FROM matching_addresses(words, most)
$$;
COMMENT ON FUNCTION matching_accounts(text[], text[], text, integer) IS
    'Customers that match as matching_customers() does, or by an address; some of them twice.';

CREATE FUNCTION matching_locations(
    words text[], phones text[], phone_inside text, most integer
) RETURNS TABLE (location_id bigint, by_number boolean)
    LANGUAGE sql STABLE
AS $$
    SELECT location_id, false FROM matching_addresses(words, most)
    UNION ALL
    SELECT location_id, by_number
    FROM matching_customers(words, phones, phone_inside, most)
    JOIN locations USING (customer_id)
$$;
COMMENT ON FUNCTION matching_locations(text[], text[], text, integer) IS
    'Locations that match by their address, or their customer as matching_customers() does; some of them twice.';

DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX customers_name_search    ON customers USING gin (name_folded gin_trgm_ops);
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
