-- Stores the day on which a payment was voided, so that reports are the same in every time zone.
--
-- Of a payment that is void already it is the day that screens showed, in the time zone of whoever upgrades.

ALTER TABLE payments ADD COLUMN voided_on date;
UPDATE payments SET voided_on = voided_at::date WHERE voided_at IS NOT NULL;
COMMENT ON COLUMN payments.voided_on IS 'The day of that, by the calendar of who voided it; kept by a trigger.';

CREATE OR REPLACE FUNCTION owed_on(as_of date) RETURNS TABLE (customer_id bigint, amount numeric, days integer)
    LANGUAGE sql STABLE
AS $$
    SELECT customer_id, amount_due, as_of - due_date
    FROM billing
    WHERE amount_due > 0 AND as_of >= CURRENT_DATE
    UNION ALL
    SELECT customer_id, amount_billed - paid.amount, as_of - due_date
    FROM billing
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(allocation.amount), 0) AS amount
        FROM payment_allocations AS allocation
        JOIN payments USING (payment_id)
        WHERE allocation.billing_id = billing.billing_id
          AND paid_on <= as_of
          AND (voided_on IS NULL OR voided_on > as_of)
    ) AS paid
    WHERE as_of < CURRENT_DATE
      AND issued_on <= as_of
      AND (amount_due > 0 OR last_payment_date > as_of)
      AND amount_billed > paid.amount
$$;

CREATE FUNCTION payment_voided() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.voided_at IS NULL OR NEW.voided_on IS NULL
       OR TG_OP = 'UPDATE' AND NEW.voided_at IS DISTINCT FROM OLD.voided_at THEN
        NEW.voided_on := NEW.voided_at::date;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION payment_voided() IS 'Set the day of a void, by the calendar of who voids.';

CREATE TRIGGER payments_voided
    BEFORE INSERT OR UPDATE OF voided_at, voided_on ON payments
    FOR EACH ROW EXECUTE FUNCTION payment_voided();
