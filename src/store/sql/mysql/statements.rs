//! What is said to MySQL and MariaDB.

use crate::store::sql::{
    columns::{inserted_columns, session_columns},
    devices::device_columns,
    names::statements,
};

/// Whether a session is past a deadline: now, idle cutoff.
macro_rules! is_due {
    () => {
        "(expires_at <= ? OR last_active_at <= ? - idle_timeout)"
    };
}

/// Puts the ending on record: the deadline that had passed by then, else the one asked for. Binds now, idle cutoff, now;
/// now, idle cutoff, reason; now, idle cutoff, actor.
macro_rules! set_ending {
    () => {
        "ended_at = CASE WHEN expires_at <= ? THEN expires_at \
                         WHEN last_active_at <= ? - idle_timeout THEN last_active_at + idle_timeout ELSE ? END, \
         end_reason = CASE WHEN expires_at <= ? THEN 'expired' \
                           WHEN last_active_at <= ? - idle_timeout THEN 'idle' ELSE ? END, \
         end_actor = CASE WHEN expires_at <= ? OR last_active_at <= ? - idle_timeout THEN 'system' ELSE ? END"
    };
}

statements! {
    /// 33 columns, as `bind_session!` binds them.
    insert: concat!(
        "INSERT INTO tds_sessions (", inserted_columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
         ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE user_id = user_id"
    ),

    /// stripe; written, not only locked, so that a cluster whose nodes share no locks sees the conflict too
    lock_stripe: "UPDATE tds_locks SET uses = uses + 1 WHERE stripe = ?",

    /// user, id
    exists: "SELECT 1 FROM tds_sessions WHERE user_id = ? AND id = ?",

    /// user, now, idle cutoff; none of them can end before the transaction does
    active: "SELECT id, device_id, kind, created_at, last_active_at FROM tds_sessions \
             WHERE user_id = ? AND ended_at IS NULL AND expires_at > ? AND last_active_at > ? - idle_timeout \
             ORDER BY id FOR UPDATE",

    /// user, id
    find: concat!("SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ? AND id = ?"),

    /// user, now, idle cutoff, whether to show active ones, whether to show others, except, after activity, after id, limit
    list: concat!(
        "SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ? \
         AND (ended_at IS NULL AND expires_at > ? AND last_active_at > ? - idle_timeout) IN (?, NOT ?) \
         AND NOT (id <=> ?) AND (last_active_at, id) < (?, ?) \
         ORDER BY last_active_at DESC, id DESC LIMIT ?"
    ),

    /// the touches as a JSON array of [user, id, at, ip, generation]; visits, and so locks, the rows in its order. The
    /// assignments come to the same in any order, since that of an update with a join is not defined.
    touch: "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (\
                user_id VARCHAR(128) PATH '$[0]', id CHAR(32) PATH '$[1]', at BIGINT PATH '$[2]', \
                ip VARCHAR(64) PATH '$[3]', generation BIGINT PATH '$[4]')) AS t \
            STRAIGHT_JOIN tds_sessions AS s ON s.user_id = t.user_id AND s.id = UNHEX(t.id) SET \
            s.last_ip = CASE WHEN s.last_active_at <= t.at THEN COALESCE(t.ip, s.last_ip) ELSE s.last_ip END, \
            s.last_active_at = GREATEST(s.last_active_at, t.at), \
            s.newest_seen = s.newest_seen OR t.generation <=> s.generation \
            WHERE s.ended_at IS NULL",

    /// the nine of `set_ending!`, user, id
    end: concat!("UPDATE tds_sessions SET ", set_ending!(), " WHERE user_id = ? AND id = ? AND ended_at IS NULL"),

    /// the nine of `set_ending!`, user, id, now, idle cutoff
    expire: concat!(
        "UPDATE tds_sessions SET ", set_ending!(), " WHERE user_id = ? AND id = ? AND ended_at IS NULL AND ", is_due!()
    ),

    /// now, idle cutoff, user, id
    ending: concat!(
        "SELECT ", is_due!(), ", ended_at, end_reason, end_actor FROM tds_sessions WHERE user_id = ? AND id = ?"
    ),

    /// now, idle cutoff, user, except, device, device
    to_end: concat!(
        "SELECT ", is_due!(), ", id FROM tds_sessions WHERE user_id = ? AND NOT (id <=> ?) AND ended_at IS NULL \
         AND (? IS NULL OR device_id = ?) ORDER BY id FOR UPDATE"
    ),

    /// the ids as a JSON array, the nine of `set_ending!`, user
    end_all: concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (listed CHAR(32) PATH '$')) AS t STRAIGHT_JOIN tds_sessions \
         SET ", set_ending!(), " WHERE user_id = ? AND id = UNHEX(listed) AND ended_at IS NULL"
    ),

    /// name, user, id
    rename: "UPDATE tds_sessions SET custom_name = ? WHERE user_id = ? AND id = ?",

    /// data, user, id
    set_data: "UPDATE tds_sessions SET data = ? WHERE user_id = ? AND id = ? AND ended_at IS NULL",

    /// next generation, at, at, whether to refuse older ones, next generation, time of a proof, methods, level, user, id,
    /// from, now, idle cutoff
    rotate: concat!(
        "UPDATE tds_sessions SET generation = ?, rotated_at = ?, newest_seen = FALSE, \
         last_active_at = GREATEST(last_active_at, ?), \
         least_generation = CASE WHEN ? THEN ? ELSE least_generation END, \
         authenticated_at = COALESCE(?, authenticated_at), methods = COALESCE(?, methods), \
         assurance_level = COALESCE(?, assurance_level) \
         WHERE user_id = ? AND id = ? AND generation = ? AND ended_at IS NULL AND NOT ", is_due!()
    ),

    /// ended before, limit
    purge: "DELETE FROM tds_sessions WHERE ends_at < ? ORDER BY ends_at LIMIT ?",

    /// user, id, ended before
    forget_addresses: "UPDATE tds_sessions SET created_ip = NULL, last_ip = NULL, city = NULL, region = NULL, \
                       country_code = NULL WHERE user_id = ? AND id = ? AND ends_at < ?",

    /// since, until, limit
    ended_between: "SELECT user_id, id, ends_at FROM tds_sessions WHERE ends_at >= ? AND ends_at < ? \
                    ORDER BY ends_at, user_id, id LIMIT ?",

    /// user agent, hints, at, user, id
    see_known_device: "UPDATE tds_devices SET user_agent = ?, hints = ?, last_seen_at = GREATEST(last_seen_at, ?) \
                       WHERE user_id = ? AND id = ?",

    /// user, and the columns of a device
    see_new_device: concat!(
        "INSERT INTO tds_devices (user_id, ", device_columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    ),

    /// user, limit
    devices: concat!(
        "SELECT ", device_columns!(), " FROM tds_devices WHERE user_id = ? ORDER BY last_seen_at DESC, id DESC LIMIT ?"
    ),

    /// user, id
    find_device: concat!("SELECT ", device_columns!(), " FROM tds_devices WHERE user_id = ? AND id = ?"),

    /// name, user, id
    rename_device: "UPDATE tds_devices SET custom_name = ? WHERE user_id = ? AND id = ?",

    /// name, user, device
    rename_on_device: "UPDATE tds_sessions SET custom_name = ? WHERE user_id = ? AND device_id = ?",

    /// until, user, id
    trust_device: "UPDATE tds_devices SET trusted_until = ? WHERE user_id = ? AND id = ?",

    /// user
    distrust_devices: "UPDATE tds_devices SET trusted_until = NULL WHERE user_id = ? AND trusted_until IS NOT NULL",

    /// user, id
    forget_device: "DELETE FROM tds_devices WHERE user_id = ? AND id = ?",

    /// user
    erase_devices: "DELETE FROM tds_devices WHERE user_id = ?",

    /// user
    erase_sessions: "DELETE FROM tds_sessions WHERE user_id = ?",

    /// after user, after user, after id, limit; written out, since a comparison of rows would read the table from its
    /// beginning
    scan: concat!(
        "SELECT ", session_columns!(), ", user_id FROM tds_sessions WHERE user_id >= ? AND (user_id > ? OR id > ?) \
         ORDER BY user_id, id LIMIT ?"
    ),

    create_migrations: "CREATE TABLE IF NOT EXISTS tds_migrations (version BIGINT NOT NULL PRIMARY KEY)",
    applied_migrations: "SELECT version FROM tds_migrations",
    record_migration: "INSERT IGNORE INTO tds_migrations (version) VALUES (?)",
}

/// The steps of the schema, in their order, each once and for all: what has been released is never edited.
pub(super) const MIGRATIONS: [(i64, &str); 2] = [
    (1, include_str!("../migrations/mysql/0001_sessions.sql")),
    (2, include_str!("../migrations/mysql/0002_devices.sql")),
];
