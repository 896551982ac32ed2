-- Keeps what each verify found, and finds what was owed on a past day without reading every bill.
--
-- Who may do what is said by roles.sql, which runs after the last migration.

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

-- What was owed on a past day was paid after it, or not yet.
CREATE INDEX billing_last_payment ON billing USING brin (last_payment_date) WITH (pages_per_range = 32);
