//! What is said to SQLite. Without statistics it would read all of a user's rows rather than those the index tells
//! apart, so the index is named.

use crate::store::sql::{
    columns::{inserted_columns, session_columns},
    devices::device_columns,
    names::statements,
};

/// Whether a session is past a deadline at `?3`, with the idle cutoff at `?4`.
macro_rules! is_due {
    () => {
        "(expires_at <= ?3 OR last_active_at <= ?4 - idle_timeout)"
    };
}

/// Puts the ending on record: the deadline that had passed by `?3`, else the one asked for, `?5` by `?6`.
macro_rules! set_ending {
    () => {
        "ended_at = CASE WHEN expires_at <= ?3 THEN expires_at \
                         WHEN last_active_at <= ?4 - idle_timeout THEN last_active_at + idle_timeout ELSE ?3 END, \
         end_reason = CASE WHEN expires_at <= ?3 THEN 'expired' \
                           WHEN last_active_at <= ?4 - idle_timeout THEN 'idle' ELSE ?5 END, \
         end_actor = CASE WHEN expires_at <= ?3 OR last_active_at <= ?4 - idle_timeout THEN 'system' ELSE ?6 END"
    };
}

/// A page of a user's sessions beyond a place: user, now, idle cutoff, whether to show active ones, whether to show
/// others, except, the activity and the id at the place, limit.
#[rustfmt::skip]
macro_rules! list {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM (SELECT ", session_columns!(), " FROM tds_sessions INDEXED BY tds_sessions_rested_at \
             WHERE user_id = ?1 AND rested_at IS NULL \
             AND (expires_at > ?2 AND last_active_at > ?3 - idle_timeout) IN (?4, NOT ?5) \
             AND id IS NOT ?6 AND (last_active_at, id) ", $beyond, " (?7, ?8) \
             ORDER BY last_active_at ", $order, ", id ", $order, " LIMIT ?9) \
             UNION ALL \
             SELECT * FROM (SELECT ", session_columns!(), " FROM tds_sessions INDEXED BY tds_sessions_rested_at \
             WHERE user_id = ?1 AND rested_at IS NOT NULL \
             AND ?5 AND id IS NOT ?6 AND (rested_at, id) ", $beyond, " (?7, ?8) \
             ORDER BY rested_at ", $order, ", id ", $order, " LIMIT ?9) \
             ORDER BY last_active_at ", $order, ", id ", $order, " LIMIT ?9"
        )
    };
}

statements! {
    /// 34 columns, as `bind_session!` binds them.
    insert: concat!(
        "INSERT INTO tds_sessions (", inserted_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
         ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34) \
         ON CONFLICT (user_id, id) DO NOTHING"
    ),

    /// user, id
    exists: "SELECT 1 FROM tds_sessions WHERE user_id = ?1 AND id = ?2",

    /// user, now, idle cutoff
    active: "SELECT id, device_id, kind, created_at, authenticated_at, last_active_at FROM tds_sessions INDEXED BY tds_sessions_rested_at \
             WHERE user_id = ?1 AND rested_at IS NULL AND expires_at > ?2 AND last_active_at > ?3 - idle_timeout",

    /// user, id
    find: concat!("SELECT ", session_columns!(), " FROM tds_sessions WHERE user_id = ?1 AND id = ?2"),

    /// as `list!` says; newest activity first
    list: list!("<", "DESC"),

    /// the same; the longest rest first
    list_above: list!(">", "ASC"),

    /// the touches as a JSON array of [user, at, ip, generation], and their ids, 16 bytes each
    touch: "UPDATE tds_sessions AS s SET \
            last_ip = CASE WHEN s.last_active_at <= t.at THEN COALESCE(t.ip, s.last_ip) ELSE s.last_ip END, \
            last_active_at = max(s.last_active_at, t.at), \
            newest_seen = s.newest_seen OR t.generation IS s.generation \
            FROM (SELECT value ->> 0 AS user_id, substr(?2, key * 16 + 1, 16) AS id, value ->> 1 AS at, value ->> 2 AS ip, \
                  value ->> 3 AS generation FROM json_each(?1)) AS t \
            WHERE s.user_id = t.user_id AND s.id = t.id AND s.ended_at IS NULL",

    /// user, id, at, idle cutoff, reason, actor
    end: concat!(
        "UPDATE tds_sessions SET ", set_ending!(), " WHERE user_id = ?1 AND id = ?2 AND ended_at IS NULL \
         RETURNING ", is_due!(), ", ended_at, end_reason, end_actor"
    ),

    /// user, id, at, idle cutoff, reason, actor; those two are not used
    expire: concat!(
        "UPDATE tds_sessions SET ", set_ending!(), " WHERE user_id = ?1 AND id = ?2 AND ended_at IS NULL AND ", is_due!(),
        " RETURNING 1, ended_at, end_reason, end_actor"
    ),

    /// user, id
    ending: "SELECT ended_at, end_reason, end_actor FROM tds_sessions WHERE user_id = ?1 AND id = ?2",

    /// user, except, at, idle cutoff, reason, actor, device
    end_all: concat!(
        "UPDATE tds_sessions INDEXED BY tds_sessions_rested_at SET ", set_ending!(), " WHERE user_id = ?1 \
         AND id IS NOT ?2 AND rested_at IS NULL \
         AND ended_at IS NULL \
         AND (?7 IS NULL OR device_id = ?7) RETURNING ", is_due!(), ", id"
    ),

    /// user, except, device
    in_scope: "SELECT id FROM tds_sessions INDEXED BY tds_sessions_rested_at WHERE user_id = ?1 AND id IS NOT ?2 \
               AND rested_at IS NULL AND ended_at IS NULL AND (?3 IS NULL OR device_id = ?3)",

    /// the users as a JSON array, their ids, 16 bytes each, at, idle cutoff, reason, actor
    end_several: concat!(
        "UPDATE tds_sessions SET ", set_ending!(), " \
         FROM (SELECT value AS whose, substr(?2, key * 16 + 1, 16) AS listed FROM json_each(?1)) \
         WHERE user_id = whose AND tds_sessions.id = listed AND ended_at IS NULL RETURNING ", is_due!(), ", user_id, id"
    ),

    /// subject, subject
    cutoffs: "SELECT subject, issued_until FROM tds_cutoffs WHERE subject IN (?1, ?2)",

    /// subject, issued until, kept until
    cut_off: "INSERT INTO tds_cutoffs (subject, issued_until, kept_until) VALUES (?1, ?2, ?3) \
              ON CONFLICT (subject) DO UPDATE SET issued_until = max(issued_until, excluded.issued_until), \
              kept_until = max(kept_until, excluded.kept_until)",

    /// kept until before, limit
    purge_cutoffs: "DELETE FROM tds_cutoffs WHERE subject IN \
                    (SELECT subject FROM tds_cutoffs WHERE kept_until < ?1 ORDER BY kept_until LIMIT ?2)",

    /// user, id, name
    rename: "UPDATE tds_sessions SET custom_name = ?3 WHERE user_id = ?1 AND id = ?2",

    /// user, id, data
    set_data: "UPDATE tds_sessions SET data = ?3 WHERE user_id = ?1 AND id = ?2 AND ended_at IS NULL",

    /// user, id, at, idle cutoff, from, whether to refuse older ones, methods, level, levels
    rotate: concat!(
        "UPDATE tds_sessions SET generation = ?5 + 1, rotated_at = ?3, newest_seen = 0, \
         last_active_at = max(last_active_at, ?3), \
         least_generation = CASE WHEN ?6 THEN ?5 + 1 ELSE least_generation END, \
         methods = COALESCE(?7, methods), assurance_level = COALESCE(?8, assurance_level), \
         levels = COALESCE(?9, levels), \
         authenticated_at = CASE WHEN ?7 IS NULL THEN authenticated_at ELSE ?3 END \
         WHERE user_id = ?1 AND id = ?2 AND generation = ?5 AND generation < 4294967295 AND ended_at IS NULL \
         AND NOT ", is_due!(), " RETURNING ", session_columns!()
    ),

    /// user, how many are kept, ended before, the most to look at
    trim: "DELETE FROM tds_sessions WHERE user_id = ?1 AND id IN (SELECT id FROM (\
               SELECT id, ended_at FROM tds_sessions INDEXED BY tds_sessions_rested_at \
               WHERE user_id = ?1 AND rested_at IS NOT NULL \
               ORDER BY rested_at DESC, id DESC LIMIT ?4 OFFSET ?2) WHERE ended_at < ?3)",

    /// ended before, limit
    purge: "DELETE FROM tds_sessions WHERE (user_id, id) IN \
            (SELECT user_id, id FROM tds_sessions WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",

    /// user, id, ended before
    forget_addresses: "UPDATE tds_sessions SET created_ip = NULL, last_ip = NULL, city = NULL, region = NULL, \
                       country_code = NULL WHERE user_id = ?1 AND id = ?2 AND ends_at < ?3",

    /// since, until, limit
    ended_between: "SELECT user_id, id, ends_at FROM tds_sessions WHERE ends_at >= ?1 AND ends_at < ?2 \
                    ORDER BY ends_at, user_id, id LIMIT ?3",

    /// user, id, user agent, hints, at, standing, due
    see_known_device: "UPDATE tds_devices SET user_agent = ?3, hints = ?4, last_seen_at = max(last_seen_at, ?5), \
                       standing = max(standing, ?6), due_at = max(due_at, ?7) \
                       WHERE user_id = ?1 AND id = ?2 AND standing <> 1",

    /// user, and the columns of a device
    see_new_device: concat!(
        "INSERT INTO tds_devices (user_id, ", device_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
         ON CONFLICT (user_id, id) DO UPDATE SET user_agent = ?3, hints = ?4, custom_name = ?5, first_seen_at = ?6, \
         last_seen_at = ?7, trusted_until = ?8, trust_hash = ?9, standing = ?10, due_at = ?11 WHERE standing = 1"
    ),

    /// user, the newcomer, how many others may stay
    drop_devices_beyond: "DELETE FROM tds_devices WHERE user_id = ?1 AND id IN (\
                              SELECT id FROM tds_devices WHERE user_id = ?1 AND id <> ?2 \
                              ORDER BY custom_name IS NOT NULL OR trusted_until IS NOT NULL DESC, standing DESC, \
                              last_seen_at DESC, id DESC LIMIT -1 OFFSET ?3)",

    /// user, after sight, after id, limit
    devices: concat!(
        "SELECT ", device_columns!(), " FROM tds_devices WHERE user_id = ?1 AND (last_seen_at, id) < (?2, ?3) \
         ORDER BY last_seen_at DESC, id DESC LIMIT ?4"
    ),

    /// user, id
    find_device: concat!("SELECT ", device_columns!(), " FROM tds_devices WHERE user_id = ?1 AND id = ?2"),

    /// user, id, name
    rename_device: "UPDATE tds_devices SET custom_name = ?3 WHERE user_id = ?1 AND id = ?2 AND standing <> 1",

    /// user, device, name
    rename_on_device: "UPDATE tds_sessions SET custom_name = ?3 WHERE user_id = ?1 AND device_id = ?2",

    /// user, id, until, hash
    trust_device: "UPDATE tds_devices SET trusted_until = ?3, trust_hash = ?4 \
                   WHERE user_id = ?1 AND id = ?2 AND standing <> 1",

    /// user
    distrust_devices: "UPDATE tds_devices SET trusted_until = NULL, trust_hash = NULL \
                       WHERE user_id = ?1 AND trusted_until IS NOT NULL",

    /// user, id, at
    forget_device: "UPDATE tds_devices SET user_agent = NULL, hints = NULL, custom_name = NULL, first_seen_at = ?3, \
                    last_seen_at = ?3, trusted_until = NULL, trust_hash = NULL, standing = 1, due_at = ?3 \
                    WHERE user_id = ?1 AND id = ?2 AND standing <> 1",

    /// now, limit
    due_devices: concat!(
        "SELECT ", device_columns!(), ", user_id FROM tds_devices WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2"
    ),

    /// the users as a JSON array
    last_ends: "SELECT user_id, device_id, MAX(ends_at) FROM tds_sessions \
                WHERE user_id IN (SELECT value FROM json_each(?1)) AND device_id IS NOT NULL GROUP BY user_id, device_id",

    /// user, id, now, when those were last seen at the latest that go whatever they have
    purge_device: "DELETE FROM tds_devices WHERE user_id = ?1 AND id = ?2 AND due_at <= ?3 AND (last_seen_at <= ?4 \
                   OR custom_name IS NULL AND COALESCE(trusted_until, ?3) <= ?3)",

    /// user, id, now, due
    keep_device: "UPDATE tds_devices SET due_at = ?4 WHERE user_id = ?1 AND id = ?2 AND due_at <= ?3",

    /// user
    erase_devices: "DELETE FROM tds_devices WHERE user_id = ?1",

    /// user
    erase_sessions: "DELETE FROM tds_sessions WHERE user_id = ?1",

    /// after user, after id, limit
    scan: concat!(
        "SELECT ", session_columns!(), ", user_id FROM tds_sessions WHERE (user_id, id) > (?1, ?2) \
         ORDER BY user_id, id LIMIT ?3"
    ),

    /// A change of nobody's rows, which a file that takes no changes refuses all the same.
    check: "DELETE FROM tds_sessions WHERE user_id = ''",

    create_migrations: "CREATE TABLE IF NOT EXISTS tds_migrations (version INTEGER NOT NULL PRIMARY KEY) STRICT",
    applied_migrations: "SELECT version FROM tds_migrations",
    record_migration: "INSERT INTO tds_migrations (version) VALUES (?1)",
}

/// The steps of the schema, in their order, each once and for all: what has been released is never edited.
pub(super) const MIGRATIONS: [(i64, &str); 4] = [
    (1, include_str!("../migrations/sqlite/0001_sessions.sql")),
    (2, include_str!("../migrations/sqlite/0002_devices.sql")),
    (3, include_str!("../migrations/sqlite/0003_upkeep.sql")),
    (5, include_str!("../migrations/sqlite/0005_cutoffs_levels.sql")),
];
