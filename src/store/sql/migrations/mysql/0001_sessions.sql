-- Times are microseconds since the Unix epoch, idle_timeout is a number of microseconds, ids are the 16 bytes of a UUID.
-- A user's sessions lie together under the primary key, which serves every look-up and list.

CREATE TABLE IF NOT EXISTS tds_sessions (
    user_id          VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    id               BINARY(16)   NOT NULL,
    device_id        BINARY(16),
    browser          VARCHAR(255),
    browser_version  VARCHAR(255),
    os               VARCHAR(255),
    os_version       VARCHAR(255),
    model            VARCHAR(255),
    kind             VARCHAR(32)  NOT NULL,
    user_agent       TEXT,
    hints            TEXT,
    custom_name      VARCHAR(255),
    created_ip       VARCHAR(64),
    last_ip          VARCHAR(64),
    city             VARCHAR(255),
    region           VARCHAR(255),
    country_code     VARCHAR(255),
    created_at       BIGINT       NOT NULL,
    last_active_at   BIGINT       NOT NULL,
    authenticated_at BIGINT       NOT NULL,
    expires_at       BIGINT       NOT NULL,
    idle_timeout     BIGINT       NOT NULL,
    methods          TEXT         NOT NULL,
    assurance_level  BIGINT       NOT NULL,
    generation       BIGINT       NOT NULL,
    least_generation BIGINT       NOT NULL,
    rotated_at       BIGINT,
    newest_seen      BOOLEAN      NOT NULL,
    salt             BINARY(16)   NOT NULL,
    ended_at         BIGINT,
    end_reason       VARCHAR(64),
    end_actor        VARCHAR(255),
    ends_at          BIGINT GENERATED ALWAYS AS (COALESCE(ended_at, expires_at)) STORED,
    data             LONGTEXT     NOT NULL,
    PRIMARY KEY (user_id, id),
    KEY tds_sessions_ends_at (ends_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A sign-in under a limit holds one of these rows while it counts: which one is decided by the user's id.

CREATE TABLE IF NOT EXISTS tds_locks (
    stripe INT    NOT NULL PRIMARY KEY,
    uses   BIGINT NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO tds_locks (stripe, uses)
WITH RECURSIVE stripes (stripe) AS (SELECT 0 UNION ALL SELECT stripe + 1 FROM stripes WHERE stripe < 255)
SELECT stripe, 0 FROM stripes;
