-- Trust belongs to a secret that only the device holds. standing: 0 is provisional, 1 forgotten, 2 lasting. due_at is from
-- when on it is worth asking whether a record is still needed.

ALTER TABLE tds_devices
    ADD COLUMN trust_hash BINARY(32),
    ADD COLUMN standing BIGINT NOT NULL DEFAULT 2,
    ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0,
    ADD KEY tds_devices_due_at (due_at);

UPDATE tds_devices SET trusted_until = NULL WHERE trusted_until IS NOT NULL;
