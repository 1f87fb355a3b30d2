-- Times are microseconds since the Unix epoch, idle_timeout is a number of microseconds.
-- A user's sessions lie together under the primary key, which serves every look-up and list.

CREATE TABLE IF NOT EXISTS tds_sessions (
    user_id          TEXT COLLATE "C" NOT NULL,
    id               UUID     NOT NULL,
    device_id        UUID,
    browser          TEXT,
    browser_version  TEXT,
    os               TEXT,
    os_version       TEXT,
    model            TEXT,
    kind             TEXT     NOT NULL,
    user_agent       TEXT,
    hints            TEXT,
    custom_name      TEXT,
    created_ip       TEXT,
    last_ip          TEXT,
    city             TEXT,
    region           TEXT,
    country_code     TEXT,
    created_at       BIGINT   NOT NULL,
    last_active_at   BIGINT   NOT NULL,
    authenticated_at BIGINT   NOT NULL,
    expires_at       BIGINT   NOT NULL,
    idle_timeout     BIGINT   NOT NULL,
    methods          TEXT     NOT NULL,
    assurance_level  BIGINT   NOT NULL,
    generation       BIGINT   NOT NULL,
    least_generation BIGINT   NOT NULL,
    rotated_at       BIGINT,
    newest_seen      BOOLEAN  NOT NULL,
    salt             BYTEA    NOT NULL,
    ended_at         BIGINT,
    end_reason       TEXT,
    end_actor        TEXT,
    ends_at          BIGINT   NOT NULL GENERATED ALWAYS AS (COALESCE(ended_at, expires_at)) STORED,
    data             TEXT     NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS tds_sessions_ends_at ON tds_sessions (ends_at);
