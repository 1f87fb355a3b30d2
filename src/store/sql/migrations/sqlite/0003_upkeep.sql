-- Trust belongs to a secret that only the device holds. standing: 0 is provisional, 1 forgotten, 2 lasting. due_at is from
-- when on it is worth asking whether a record is still needed.

ALTER TABLE tds_devices ADD COLUMN trust_hash BLOB;
ALTER TABLE tds_devices ADD COLUMN standing INTEGER NOT NULL DEFAULT 2;
ALTER TABLE tds_devices ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;
UPDATE tds_devices SET trusted_until = NULL WHERE trusted_until IS NOT NULL;

CREATE INDEX IF NOT EXISTS tds_devices_due_at ON tds_devices (due_at);
