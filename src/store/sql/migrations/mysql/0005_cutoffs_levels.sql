-- Up to when the tokens of users are refused that no session was made of yet, and the note that such sessions are made at all.
-- A subject is a user, by a hash of the id, or everybody: zeros.

CREATE TABLE IF NOT EXISTS tds_cutoffs (
    subject      BINARY(32) NOT NULL PRIMARY KEY,
    issued_until BIGINT     NOT NULL,
    kept_until   BIGINT     NOT NULL,
    KEY tds_cutoffs_kept_until (kept_until)
) ENGINE = InnoDB;

-- When each assurance level was reached last: JSON of levels and times. MySQL adds no column "if not exists", and a step may be
-- repeated.

SET @tds_add_levels = (
    SELECT IF(COUNT(*) = 0, 'ALTER TABLE tds_sessions ADD COLUMN levels VARCHAR(255)', 'DO 0') FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'tds_sessions' AND column_name = 'levels'
);
PREPARE tds_add_levels FROM @tds_add_levels;
EXECUTE tds_add_levels;
DEALLOCATE PREPARE tds_add_levels;
