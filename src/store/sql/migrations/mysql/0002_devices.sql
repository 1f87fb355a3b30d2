-- The devices that users have signed in on. A device's record outlives its sessions.

CREATE TABLE IF NOT EXISTS tds_devices (
    user_id       VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    id            BINARY(16) NOT NULL,
    user_agent    TEXT,
    hints         TEXT,
    custom_name   VARCHAR(255),
    first_seen_at BIGINT     NOT NULL,
    last_seen_at  BIGINT     NOT NULL,
    trusted_until BIGINT,
    PRIMARY KEY (user_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
