-- Up to when the tokens of users are refused that no session was made of yet, and the note that such sessions are made at all.
-- A subject is a user, by a hash of the id, or everybody: zeros.

CREATE TABLE IF NOT EXISTS tds_cutoffs (
    subject      BLOB    NOT NULL PRIMARY KEY,
    issued_until INTEGER NOT NULL,
    kept_until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS tds_cutoffs_kept_until ON tds_cutoffs (kept_until);

-- When each assurance level was reached last: JSON of levels and times.

ALTER TABLE tds_sessions ADD COLUMN levels TEXT;
