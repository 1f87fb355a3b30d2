-- Times are microseconds since the Unix epoch, idle_timeout is a number of microseconds, ids are the 16 bytes of a UUID.
-- A user's sessions lie together under the primary key, which serves every look-up and list.

CREATE TABLE IF NOT EXISTS tds_sessions (
    user_id          TEXT    NOT NULL,
    id               BLOB    NOT NULL,
    device_id        BLOB,
    browser          TEXT,
    browser_version  TEXT,
    os               TEXT,
    os_version       TEXT,
    model            TEXT,
    kind             TEXT    NOT NULL,
    user_agent       TEXT,
    hints            TEXT,
    custom_name      TEXT,
    created_ip       TEXT,
    last_ip          TEXT,
    city             TEXT,
    region           TEXT,
    country_code     TEXT,
    created_at       INTEGER NOT NULL,
    last_active_at   INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    idle_timeout     INTEGER NOT NULL,
    methods          TEXT    NOT NULL,
    assurance_level  INTEGER NOT NULL,
    generation       INTEGER NOT NULL,
    least_generation INTEGER NOT NULL,
    rotated_at       INTEGER,
    newest_seen      INTEGER NOT NULL,
    salt             BLOB    NOT NULL,
    ended_at         INTEGER,
    end_reason       TEXT,
    end_actor        TEXT,
    ends_at          INTEGER NOT NULL GENERATED ALWAYS AS (COALESCE(ended_at, expires_at)) VIRTUAL,
    data             TEXT    NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS tds_sessions_ends_at ON tds_sessions (ends_at);
