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

/// Puts the ending on record: the deadline that had passed by then, else the one asked for. Binds now, idle cutoff,
/// now; now, idle cutoff, reason; now, idle cutoff, actor.
macro_rules! set_ending {
    () => {
        "ended_at = CASE WHEN expires_at <= ? THEN expires_at \
                         WHEN last_active_at <= ? - idle_timeout THEN last_active_at + idle_timeout ELSE ? END, \
         end_reason = CASE WHEN expires_at <= ? THEN 'expired' \
                           WHEN last_active_at <= ? - idle_timeout THEN 'idle' ELSE ? END, \
         end_actor = CASE WHEN expires_at <= ? OR last_active_at <= ? - idle_timeout THEN 'system' ELSE ? END"
    };
}

/// A page of a user's sessions beyond a place. Binds user, now, idle cutoff, whether to show active ones, whether to
/// show others, except, activity, activity, id, limit; user, whether to show others, activity, except, id, limit; user,
/// whether to show others, activity, except, limit; limit.
///
/// Of a row constructor, or an `OR`, neither MySQL nor MariaDB makes a range of the index: they would read all sessions
/// that have rested since the same moment. So these are a part of their own.
#[rustfmt::skip]
macro_rules! list {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM ((SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ? AND rested_at IS NULL \
             AND (expires_at > ? AND last_active_at > ? - idle_timeout) IN (?, NOT ?) AND NOT (id <=> ?) \
             AND (last_active_at ", $beyond, " ? OR last_active_at = ? AND id ", $beyond, " ?) \
             ORDER BY last_active_at ", $order, ", id ", $order, " LIMIT ?) \
             UNION ALL \
             (SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ? AND ? AND rested_at = ? \
             AND NOT (id <=> ?) AND id ", $beyond, " ? ORDER BY id ", $order, " LIMIT ?) \
             UNION ALL \
             (SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ? AND ? AND rested_at ", $beyond, " ? \
             AND NOT (id <=> ?) ORDER BY rested_at ", $order, ", id ", $order, " LIMIT ?)) AS s \
             ORDER BY last_active_at ", $order, ", id ", $order, " LIMIT ?"
        )
    };
}

statements! {
    /// 34 columns, as `bind_session!` binds them.
    insert: concat!(
        "INSERT INTO tds_sessions (", inserted_columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
         ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE user_id = user_id"
    ),

    /// stripe; written, not only locked, so that a cluster whose nodes share no locks sees the conflict too
    lock_stripe: "UPDATE tds_locks SET uses = uses + 1 WHERE stripe = ?",

    /// user, id
    exists: "SELECT 1 FROM tds_sessions WHERE user_id = ? AND id = ?",

    /// user, now, idle cutoff; none of them can end before the transaction does
    active: "SELECT id, device_id, kind, created_at, authenticated_at, last_active_at FROM tds_sessions \
             WHERE user_id = ? AND rested_at IS NULL AND expires_at > ? AND last_active_at > ? - idle_timeout \
             ORDER BY id FOR UPDATE",

    /// user, id
    find: concat!("SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ? AND id = ?"),

    /// as `list!` says; newest activity first
    list: list!("<", "DESC"),

    /// the same; the longest rest first
    list_above: list!(">", "ASC"),

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
        "SELECT ", is_due!(), ", id FROM tds_sessions WHERE user_id = ? AND NOT (id <=> ?) AND rested_at IS NULL \
         AND (? IS NULL OR device_id = ?) ORDER BY id FOR UPDATE"
    ),

    /// the ids as a JSON array, the nine of `set_ending!`, user
    end_all: concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (listed CHAR(32) PATH '$')) AS t STRAIGHT_JOIN tds_sessions \
         SET ", set_ending!(), " WHERE user_id = ? AND id = UNHEX(listed) AND ended_at IS NULL"
    ),

    /// user, except, device, device
    in_scope: "SELECT id FROM tds_sessions WHERE user_id = ? AND NOT (id <=> ?) AND rested_at IS NULL \
               AND (? IS NULL OR device_id = ?)",

    /// now, idle cutoff, the keys as a JSON array of [user, id]; locks the rows in its order
    to_end_several: concat!(
        "SELECT ", is_due!(), ", s.user_id, s.id \
         FROM JSON_TABLE(?, '$[*]' COLUMNS (whose VARCHAR(128) PATH '$[0]', listed CHAR(32) PATH '$[1]')) AS t \
         STRAIGHT_JOIN tds_sessions AS s ON s.user_id = whose AND s.id = UNHEX(listed) \
         WHERE s.ended_at IS NULL FOR UPDATE"
    ),

    /// the keys as a JSON array of [user, id], the nine of `set_ending!`
    end_several: concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (whose VARCHAR(128) PATH '$[0]', listed CHAR(32) PATH '$[1]')) AS t \
         STRAIGHT_JOIN tds_sessions ON user_id = whose AND id = UNHEX(listed) SET ", set_ending!(),
        " WHERE ended_at IS NULL"
    ),

    /// subject, subject
    cutoffs: "SELECT subject, issued_until FROM tds_cutoffs WHERE subject IN (?, ?)",

    /// subject, issued until, kept until
    cut_off: "INSERT INTO tds_cutoffs (subject, issued_until, kept_until) VALUES (?, ?, ?) \
              ON DUPLICATE KEY UPDATE issued_until = GREATEST(issued_until, VALUES(issued_until)), \
              kept_until = GREATEST(kept_until, VALUES(kept_until))",

    /// kept until before, limit
    purge_cutoffs: "DELETE FROM tds_cutoffs WHERE kept_until < ? ORDER BY kept_until LIMIT ?",

    /// name, user, id
    rename: "UPDATE tds_sessions SET custom_name = ? WHERE user_id = ? AND id = ?",

    /// data, user, id
    set_data: "UPDATE tds_sessions SET data = ? WHERE user_id = ? AND id = ? AND ended_at IS NULL",

    /// next generation, at, at, whether to refuse older ones, next generation, time of a proof, methods, level,
    /// levels, user, id, from, now, idle cutoff
    rotate: concat!(
        "UPDATE tds_sessions SET generation = ?, rotated_at = ?, newest_seen = FALSE, \
         last_active_at = GREATEST(last_active_at, ?), \
         least_generation = CASE WHEN ? THEN ? ELSE least_generation END, \
         authenticated_at = COALESCE(?, authenticated_at), methods = COALESCE(?, methods), \
         assurance_level = COALESCE(?, assurance_level), levels = COALESCE(?, levels) \
         WHERE user_id = ? AND id = ? AND generation = ? AND ended_at IS NULL AND NOT ", is_due!()
    ),

    /// user, the most to look at, how many are kept, user, ended before; on its own, since a deletion by a query would
    /// read all rows of the user
    beyond: "SELECT HEX(s.id) FROM (SELECT id FROM tds_sessions WHERE user_id = ? AND rested_at IS NOT NULL \
             ORDER BY rested_at DESC, id DESC LIMIT ? OFFSET ?) AS beyond \
             STRAIGHT_JOIN tds_sessions AS s ON s.user_id = ? AND s.id = beyond.id WHERE s.ended_at < ?",

    /// the ids as a JSON array, user, ended before
    trim: "DELETE s FROM JSON_TABLE(?, '$[*]' COLUMNS (listed CHAR(32) PATH '$')) AS t STRAIGHT_JOIN tds_sessions AS s \
           WHERE s.user_id = ? AND s.id = UNHEX(t.listed) AND s.ended_at < ?",

    /// ended before, limit
    purge: "DELETE FROM tds_sessions WHERE ends_at < ? ORDER BY ends_at LIMIT ?",

    /// user, id, ended before
    forget_addresses: "UPDATE tds_sessions SET created_ip = NULL, last_ip = NULL, city = NULL, region = NULL, \
                       country_code = NULL WHERE user_id = ? AND id = ? AND ends_at < ?",

    /// since, until, limit
    ended_between: "SELECT user_id, id, ends_at FROM tds_sessions WHERE ends_at >= ? AND ends_at < ? \
                    ORDER BY ends_at, user_id, id LIMIT ?",

    /// user agent, hints, at, standing, due, user, id
    see_known_device: "UPDATE tds_devices SET user_agent = ?, hints = ?, last_seen_at = GREATEST(last_seen_at, ?), \
                       standing = GREATEST(standing, ?), due_at = GREATEST(due_at, ?) \
                       WHERE user_id = ? AND id = ? AND standing <> 1",

    /// user, id
    drop_forgotten_device: "DELETE FROM tds_devices WHERE user_id = ? AND id = ? AND standing = 1",

    /// user, and the columns of a device
    see_new_device: concat!(
        "INSERT INTO tds_devices (user_id, ", device_columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),

    /// user, user, the newcomer, how many others may stay
    drop_devices_beyond: "DELETE FROM tds_devices WHERE user_id = ? AND id IN (SELECT id FROM (\
                              SELECT id FROM tds_devices WHERE user_id = ? AND id <> ? \
                              ORDER BY custom_name IS NOT NULL OR trusted_until IS NOT NULL DESC, standing DESC, \
                              last_seen_at DESC, id DESC LIMIT 1000000 OFFSET ?) AS beyond)",

    /// user, after sight, after id, limit
    devices: concat!(
        "SELECT ", device_columns!(), " FROM tds_devices WHERE user_id = ? AND (last_seen_at, id) < (?, ?) \
         ORDER BY last_seen_at DESC, id DESC LIMIT ?"
    ),

    /// user, id
    find_device: concat!("SELECT ", device_columns!(), " FROM tds_devices WHERE user_id = ? AND id = ?"),

    /// name, user, id
    rename_device: "UPDATE tds_devices SET custom_name = ? WHERE user_id = ? AND id = ? AND standing <> 1",

    /// name, user, device
    rename_on_device: "UPDATE tds_sessions SET custom_name = ? WHERE user_id = ? AND device_id = ?",

    /// until, hash, user, id
    trust_device: "UPDATE tds_devices SET trusted_until = ?, trust_hash = ? WHERE user_id = ? AND id = ? AND standing <> 1",

    /// user
    distrust_devices: "UPDATE tds_devices SET trusted_until = NULL, trust_hash = NULL \
                       WHERE user_id = ? AND trusted_until IS NOT NULL",

    /// at, at, at, user, id
    forget_device: "UPDATE tds_devices SET user_agent = NULL, hints = NULL, custom_name = NULL, first_seen_at = ?, \
                    last_seen_at = ?, trusted_until = NULL, trust_hash = NULL, standing = 1, due_at = ? \
                    WHERE user_id = ? AND id = ? AND standing <> 1",

    /// now, limit
    due_devices: concat!(
        "SELECT ", device_columns!(), ", user_id FROM tds_devices WHERE due_at <= ? ORDER BY due_at LIMIT ?"
    ),

    /// the users as a JSON array
    last_ends: "SELECT s.user_id, s.device_id, MAX(s.ends_at) \
                FROM JSON_TABLE(?, '$[*]' COLUMNS (user_id VARCHAR(128) PATH '$')) AS t \
                STRAIGHT_JOIN tds_sessions AS s ON s.user_id = t.user_id \
                WHERE s.device_id IS NOT NULL GROUP BY s.user_id, s.device_id",

    /// user, id, now, when those were last seen at the latest that go whatever they have, now, now
    purge_device: "DELETE FROM tds_devices WHERE user_id = ? AND id = ? AND due_at <= ? AND (last_seen_at <= ? \
                   OR custom_name IS NULL AND COALESCE(trusted_until, ?) <= ?)",

    /// due, user, id, now
    keep_device: "UPDATE tds_devices SET due_at = ? WHERE user_id = ? AND id = ? AND due_at <= ?",

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

    /// All that is ever asked for, of nobody's rows: what it is refused for now would be refused later.
    check: concat!(
        "UPDATE tds_sessions SET custom_name = custom_name WHERE user_id = ''; \
         DELETE FROM tds_sessions WHERE user_id = ''; \
         INSERT INTO tds_sessions (", inserted_columns!(), ") SELECT ", inserted_columns!(),
        " FROM tds_sessions WHERE user_id = ''; \
         DELETE FROM tds_cutoffs WHERE subject = ''; \
         INSERT INTO tds_cutoffs (subject, issued_until, kept_until) \
         SELECT subject, issued_until, kept_until FROM tds_cutoffs WHERE subject = ''; \
         UPDATE tds_cutoffs SET kept_until = kept_until WHERE subject = ''; \
         UPDATE tds_locks SET uses = uses WHERE stripe = -1; \
         UPDATE tds_devices SET custom_name = custom_name WHERE user_id = ''; \
         DELETE FROM tds_devices WHERE user_id = ''; \
         INSERT INTO tds_devices (user_id, ", device_columns!(), ") SELECT user_id, ", device_columns!(),
        " FROM tds_devices WHERE user_id = ''"
    ),

    create_migrations: "CREATE TABLE IF NOT EXISTS tds_migrations (version BIGINT NOT NULL PRIMARY KEY)",
    applied_migrations: "SELECT version FROM tds_migrations",
    record_migration: "INSERT IGNORE INTO tds_migrations (version) VALUES (?)",
}

/// The steps of the schema, in their order, each once and for all: what has been released is never edited.
pub(super) const MIGRATIONS: [(i64, &str); 4] = [
    (1, include_str!("../migrations/mysql/0001_sessions.sql")),
    (2, include_str!("../migrations/mysql/0002_devices.sql")),
    (3, include_str!("../migrations/mysql/0003_upkeep.sql")),
    (5, include_str!("../migrations/mysql/0005_cutoffs_levels.sql")),
];
