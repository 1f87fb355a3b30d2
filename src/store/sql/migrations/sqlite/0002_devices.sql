-- The devices that users have signed in on. A device's record outlives its sessions.

CREATE TABLE IF NOT EXISTS tds_devices (
    user_id       TEXT    NOT NULL,
    id            BLOB    NOT NULL,
    user_agent    TEXT,
    hints         TEXT,
    custom_name   TEXT,
    first_seen_at INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    trusted_until INTEGER,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
