-- Trust belongs to a secret that only the device holds. standing: 0 is provisional, 1 forgotten, 2 lasting. due_at is from
-- when on it is worth asking whether a record is still needed.

ALTER TABLE tds_devices
    ADD COLUMN trust_hash BINARY(32),
    ADD COLUMN standing BIGINT NOT NULL DEFAULT 2,
    ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0,
    ADD KEY tds_devices_due_at (due_at);

UPDATE tds_devices SET trusted_until = NULL WHERE trusted_until IS NOT NULL;

-- When a session was last active that has ended; nothing while it is open, so that activity leaves the index alone. It tells a
-- user's open sessions from the others, and holds those in the order of the list.

ALTER TABLE tds_sessions
    ADD COLUMN rested_at BIGINT GENERATED ALWAYS AS (CASE WHEN ended_at IS NULL THEN NULL ELSE last_active_at END) STORED,
    ADD KEY tds_sessions_rested_at (user_id, rested_at, id);
