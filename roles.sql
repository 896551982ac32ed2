-- Who may do what: the groups isp_readonly and isp_admin, of which people are members, beside the owner of the tables.
-- It runs after schema.sql and after the last migration, as the owner, and says all of it anew. Where the groups are not
-- there and this login may not make them, they come later: main.py upgrade runs it again.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['isp_readonly', 'isp_admin'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = name);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
            RAISE NOTICE 'the group % was not made here', name;
        END;
    END LOOP;
    IF NOT pg_has_role('isp_admin', 'isp_readonly', 'USAGE') THEN
        GRANT isp_readonly TO isp_admin;
    END IF;
EXCEPTION WHEN undefined_object OR insufficient_privilege OR unique_violation OR internal_error THEN
    RAISE NOTICE 'isp_admin does not include isp_readonly';  -- or another database of this server has seen to that just now
END
$$;

-- Functions: nobody's but the owner's, now and later. Those that triggers run and that write what the person may not
-- write have the owner's rights, and look for tables where nobody else may put any.
DO $$
DECLARE
    of        record;
    function  regprocedure;
BEGIN
    SELECT relowner, relnamespace, quote_ident(pg_get_userbyid(relowner)) AS owner, quote_ident(nspname) AS schema INTO of
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = 'customers'::regclass;
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC', of.owner);
    FOR function IN
        SELECT oid
        FROM pg_proc
        WHERE pronamespace = of.relnamespace AND proowner = of.relowner
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', function);
    END LOOP;
    FOREACH function IN ARRAY ARRAY[
        'allocations_changed()', 'payment_changed()', 'unsettle(bigint[], date[], date[])', 'services_unsettled()',
        'pauses_unsettled()', 'prices_unsettled()', 'bill_unsettled()', 'lines_unsettled()', 'equipment_moved()',
        'trail_added()', 'trail_changed()', 'trail_deleted()', 'restore_deleted(bigint, timestamptz, boolean)',
        'acting_person()', 'customer_merged()', 'erase_person(bigint)', 'bank_lines_booked()',
        'bank_line_reopened()'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, %s, pg_temp',
                       function, of.schema);
    END LOOP;
    -- Those that only look have the rights of whoever writes, and look there as well.
    FOREACH function IN ARRAY ARRAY[
        'payment_voided()', 'fee_goes_first()', 'added_to_account()', 'moved_to_account()', 'noted_of_merged()',
        'bank_line_set_aside()', 'bank_format_changed()'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %s, pg_temp', function, of.schema);
    END LOOP;
END
$$;

-- Only what is the tables' owner's: others may have tables of their own beside them. What somebody else was given by hand
-- there is left to look with, and not to write; of the trail nothing.
DO $$
DECLARE
    of      record;
    object  text;
BEGIN
    SELECT relowner, relnamespace, quote_ident(nspname) AS schema INTO of
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = 'customers'::regclass;
    IF pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN  -- large objects, which anybody could fill a disk with
        FOR object IN
            SELECT oid::regprocedure
            FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace
              AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message')
        LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', object);
        END LOOP;
    END IF;
    FOR object IN
        SELECT DISTINCT format(
            CASE WHEN relname IN ('trail', 'trail_trail_id_seq', 'work_locks') THEN 'REVOKE ALL ON %1$s FROM %2$s CASCADE'
                 WHEN relkind = 'S' THEN 'REVOKE USAGE, UPDATE ON SEQUENCE %1$s FROM %2$s CASCADE'
                 ELSE 'REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER%3$s ON %1$s FROM %2$s CASCADE' END,
            pg_class.oid::regclass, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
            CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN ', MAINTAIN' ELSE '' END)
        FROM pg_class
        LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attacl IS NOT NULL
        CROSS JOIN LATERAL (SELECT grantee FROM aclexplode(relacl) UNION SELECT grantee FROM aclexplode(attacl)) AS given
        WHERE relnamespace = of.relnamespace AND relowner = of.relowner AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
          AND grantee <> relowner AND grantee::regrole::text NOT IN ('isp_readonly', 'isp_admin')
    LOOP
        EXECUTE object;
    END LOOP;
    FOR object IN
        SELECT DISTINCT format('REVOKE EXECUTE ON ROUTINE %s FROM %s CASCADE', pg_proc.oid::regprocedure, grantee::regrole)
        FROM pg_proc
        CROSS JOIN LATERAL aclexplode(proacl)
        WHERE pronamespace = of.relnamespace AND proowner = of.relowner AND grantee NOT IN (0, proowner)
          AND grantee::regrole::text NOT IN ('isp_readonly', 'isp_admin')
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE object;
    END LOOP;
    IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('isp_readonly', 'isp_admin')) < 2 THEN
        RAISE NOTICE 'the groups are not there yet';
        RETURN;
    END IF;

    FOR object IN
        SELECT format('TABLE %s', pg_class.oid::regclass)
        FROM pg_class
        WHERE relnamespace = of.relnamespace AND relowner = of.relowner
          AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT format('ROUTINE %s', pg_proc.oid::regprocedure)
        FROM pg_proc
        WHERE pronamespace = of.relnamespace AND proowner = of.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM isp_readonly, isp_admin', object);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO isp_readonly', of.schema);
    FOR object IN  -- as pg_dump needs
        SELECT oid::regclass
        FROM pg_class
        WHERE relnamespace = of.relnamespace AND relowner = of.relowner AND relkind = 'S'
    LOOP
        EXECUTE format('GRANT SELECT ON SEQUENCE %s TO isp_readonly', object);
    END LOOP;

    -- Looking.
    GRANT SELECT ON schema_version, customers, locations, services, equipment, billing, billing_items, payments,
                    payment_allocations, service_pauses, price_changes, unsettled_services, equipment_moves, customer_notes,
                    bank_lines, bank_formats, work_locks, verifications, backups, trail, billing_status, customer_credit,
                    services_today, changing_prices, coming_prices, promises
        TO isp_readonly;
    GRANT EXECUTE ON FUNCTION
        folded(text), serial_key(text), phone_country(text), phone_key(text), phone_keys(text, text),
        same_phone(text, text, text), acting_person(), owed_on(date), place_in_words(bigint, date),
        matching_customers(text[], text[], text, text, integer), matching_addresses(text[], integer),
        matching_accounts(text[], text[], text, text, integer), matching_locations(text[], text[], text, text, integer),
        deleted_rows(bigint, timestamptz, text)
    TO isp_readonly;

    -- Changing. Sums and what tells who did something are no admin's to write; rows go with what they belong to.
    GRANT INSERT (name, phone_number, email, account_number),
          UPDATE (name, phone_number, email, closed_on, merged_into, account_number), DELETE ON customers TO isp_admin;
    GRANT INSERT (customer_id, address), UPDATE (address), DELETE ON locations TO isp_admin;
    GRANT INSERT (location_id, service_name, cost, started_on, ended_on),
          UPDATE (service_name, cost, started_on, ended_on), DELETE ON services TO isp_admin;
    GRANT INSERT (service_id, first_day, last_day), UPDATE (first_day, last_day), DELETE ON service_pauses TO isp_admin;
    GRANT INSERT (service_id, from_day, cost_before), UPDATE (cost_before), DELETE ON price_changes TO isp_admin;
    GRANT DELETE ON unsettled_services TO isp_admin;
    GRANT INSERT (customer_id, note, promised_until, promised_amount), DELETE ON customer_notes TO isp_admin;
    GRANT INSERT (location_id, equipment_name, serial_number, cost, serial_repeat),
          UPDATE (location_id, equipment_name, serial_number, cost, serial_repeat, retired_on), DELETE ON equipment TO isp_admin;
    GRANT INSERT (customer_id, description, period, issued_on, due_date, amount_billed, late_fee_for),
          UPDATE (description, due_date, amount_billed, cancelled_on), DELETE ON billing TO isp_admin;
    GRANT INSERT (billing_id, service_id, description, amount, first_day, last_day, days, monthly_cost, booked_on)
        ON billing_items TO isp_admin;
    GRANT INSERT (customer_id, amount, paid_on, method, reference, entry_key, kind, from_bill, reason, bank_line_id),
          UPDATE (void_reason), DELETE ON payments TO isp_admin;
    GRANT INSERT (payment_id, billing_id, amount, from_credit, refund_id, made_on), UPDATE (released_on)
        ON payment_allocations TO isp_admin;
    GRANT INSERT (key, booked_on, amount, payer, payer_account, reference, file_name, line, doubt),
          UPDATE (set_aside_on) ON bank_lines TO isp_admin;
    GRANT INSERT (name, format), UPDATE (format) ON bank_formats TO isp_admin;
    GRANT UPDATE (taken_at, taken_by) ON work_locks TO isp_admin;
    GRANT INSERT (bills, payments, findings, first_finding) ON verifications TO isp_admin;
    GRANT INSERT (taken_at, path, bytes), UPDATE (checked_at) ON backups TO isp_admin;
    GRANT EXECUTE ON FUNCTION
        apply_credit(bigint[], bigint[]), change_prices(bigint[], numeric[], date), unsettle(bigint[], date[], date[]),
        restore_deleted(bigint, timestamptz, boolean),
        erase_person(bigint), refuse_closed(bigint, bigint)
    TO isp_admin;
    IF pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO isp_admin', current_database());  -- for an import
    END IF;
END
$$;
