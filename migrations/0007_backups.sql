-- Keeps when the books were backed up, and when a backup was last restored as a trial.
--
-- Who may do what is said by roles.sql, which runs after the last migration.

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
