-- The devices that users have signed in on. A device's record outlives its sessions.

CREATE TABLE IF NOT EXISTS tds_devices (
    user_id       TEXT COLLATE "C" NOT NULL,
    id            UUID   NOT NULL,
    user_agent    TEXT,
    hints         TEXT,
    custom_name   TEXT,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    trusted_until BIGINT,
    PRIMARY KEY (user_id, id)
);
