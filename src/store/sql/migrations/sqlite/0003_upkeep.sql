-- Trust belongs to a secret that only the device holds. standing: 0 is provisional, 1 forgotten, 2 lasting. due_at is from
-- when on it is worth asking whether a record is still needed.

ALTER TABLE tds_devices ADD COLUMN trust_hash BLOB;
ALTER TABLE tds_devices ADD COLUMN standing INTEGER NOT NULL DEFAULT 2;
ALTER TABLE tds_devices ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;
UPDATE tds_devices SET trusted_until = NULL WHERE trusted_until IS NOT NULL;

CREATE INDEX IF NOT EXISTS tds_devices_due_at ON tds_devices (due_at);

-- When a session was last active that has ended; nothing while it is open, so that activity leaves the index alone. It tells a
-- user's open sessions from the others, and holds those in the order of the list.

ALTER TABLE tds_sessions ADD COLUMN rested_at INTEGER
    GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN NULL ELSE last_active_at END) VIRTUAL;
CREATE INDEX IF NOT EXISTS tds_sessions_rested_at ON tds_sessions (user_id, rested_at, id);
