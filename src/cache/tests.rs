use std::sync::Arc;

use super::*;
use crate::session::Session;

const NOW: u64 = 1_000;
const TTL: u64 = 10_000;

type TestCache = Cache<&'static str>;

fn cache() -> TestCache {
    Cache::new(1 << 20, Duration::from_secs(300))
}

fn user(name: &str) -> UserId {
    UserId::try_from(name).expect("a good id")
}

fn id(number: u128) -> SessionId {
    SessionId::from_uuid(uuid::Uuid::from_u128(number))
}

fn record(user: &UserId, until: u64) -> Fresh {
    let start = Timestamp::UNIX_EPOCH;
    let session = Session::new(user.clone(), start, start.saturating_add(Duration::from_secs(60)));
    Fresh { session: Arc::new(session), until }
}

fn publication<'a>(token: &'a str, value: &'static str) -> Publication<'a, &'static str> {
    Publication {
        token: token.as_bytes(),
        value,
        key_revision: 0,
        valid_until: NOW + TTL,
        touch_due: NOW,
        reload_due: NOW + TTL / 2,
        bytes: 1_500,
    }
}

/// Leads a load, and ends it with a record.
fn load(cache: &TestCache, user: &UserId, id: SessionId, now: u64) -> Ticket {
    match cache.join(user, id, now, now) {
        Joined::Lead(ticket, load) => {
            cache.complete(&ticket, &load, LoadOutcome::Found(record(user, now + TTL)));
            ticket
        }
        Joined::Fresh(ticket, _) => ticket,
        Joined::Running(..) => panic!("nobody else loads"),
    }
}

fn is_hit(cache: &TestCache, token: &str) -> bool {
    matches!(cache.get(token.as_bytes(), NOW, 0), Lookup::Hit(_))
}

#[test]
fn what_is_published_is_found_until_it_ends() {
    let (cache, ann) = (cache(), user("ann"));
    assert!(matches!(cache.get(b"token", NOW, 0), Lookup::Miss));
    let ticket = load(&cache, &ann, id(1), NOW);
    assert!(cache.publish(&ticket, publication("token", "value")).is_some());

    assert!(matches!(cache.get(b"token", NOW + TTL - 1, 0), Lookup::Hit(entry) if *entry.value() == "value"));
    assert!(matches!(cache.get(b"token", NOW + TTL, 0), Lookup::Stale(_)));
    assert!(matches!(cache.get(b"another", NOW, 0), Lookup::Miss));
}

#[test]
fn one_of_those_who_ask_at_once_leads_the_load_and_the_others_join_it() {
    let (cache, ann) = (cache(), user("ann"));
    let Joined::Lead(ticket, load) = cache.join(&ann, id(1), NOW, NOW) else { panic!("the first leads") };
    assert!(matches!(cache.join(&ann, id(1), NOW, NOW), Joined::Running(..)));
    assert!(matches!(cache.join(&ann, id(2), NOW, NOW), Joined::Lead(..)), "another session is another load");

    cache.complete(&ticket, &load, LoadOutcome::Found(record(&ann, NOW + TTL)));
    assert!(matches!(cache.join(&ann, id(1), NOW, NOW), Joined::Fresh(..)));
    assert!(matches!(cache.join(&ann, id(1), NOW + TTL, NOW + TTL), Joined::Lead(..)), "the record has ended");
}

/// R05.
#[test]
fn a_load_that_failed_is_not_kept() {
    let (cache, ann) = (cache(), user("ann"));
    for outcome in [LoadOutcome::Failed, LoadOutcome::NotFound] {
        let Joined::Lead(ticket, load) = cache.join(&ann, id(1), NOW, NOW) else { panic!("the first leads") };
        cache.complete(&ticket, &load, outcome);
        assert_eq!(cache.live.len(), 0);
    }
}

/// S26.
#[test]
fn a_record_read_before_a_revocation_is_not_published_after_it() {
    let (cache, ann) = (cache(), user("ann"));
    let Joined::Lead(early, load) = cache.join(&ann, id(1), NOW, NOW) else { panic!("the first leads") };
    let Joined::Running(joined, _) = cache.join(&ann, id(1), NOW, NOW) else { panic!("the second joins") };
    cache.revoke(&ann, id(1));
    let Joined::Lead(late, _) = cache.join(&ann, id(1), NOW, NOW) else { panic!("the load of before is not joined") };
    cache.complete(&early, &load, LoadOutcome::Found(record(&ann, NOW + TTL)));

    for ticket in [early, joined] {
        assert!(cache.publish(&ticket, publication("token", "value")).is_none());
    }
    assert!(!is_hit(&cache, "token"));
    assert!(matches!(cache.join(&ann, id(1), NOW, NOW), Joined::Running(..)), "nor is its record kept");
    assert!(cache.publish(&late, publication("token", "value")).is_some());
}

/// S26.
#[test]
fn revoking_voids_the_entries_of_all_tokens_also_for_those_who_hold_one() {
    let (cache, ann, bob) = (cache(), user("ann"), user("bob"));
    let ticket = load(&cache, &ann, id(1), NOW);
    let held = cache.publish(&ticket, publication("one", "value")).expect("published");
    cache.publish(&ticket, publication("two", "value"));
    cache.publish(&load(&cache, &ann, id(2), NOW), publication("three", "value"));
    cache.publish(&load(&cache, &bob, id(1), NOW), publication("four", "value"));

    cache.revoke(&ann, id(1));
    assert!(!held.is_valid(NOW));
    assert_eq!(["one", "two", "three", "four"].map(|token| is_hit(&cache, token)), [false, false, true, true]);
    cache.revoke_all(&ann, None);
    assert_eq!(["three", "four"].map(|token| is_hit(&cache, token)), [false, true]);
}

#[test]
fn a_session_that_is_kept_survives_the_end_of_the_others() {
    let (cache, ann) = (cache(), user("ann"));
    for (number, token) in [(1, "one"), (2, "two"), (3, "three")] {
        cache.publish(&load(&cache, &ann, id(number), NOW), publication(token, "value"));
    }
    cache.revoke_all(&ann, Some(id(2)));
    assert_eq!(["one", "two", "three"].map(|token| is_hit(&cache, token)), [false, true, false]);
    assert_eq!((cache.live.len(), cache.tokens.len()), (1, 1));
}

#[test]
fn a_raised_epoch_voids_entries_records_and_tickets() {
    let (cache, ann) = (cache(), user("ann"));
    let ticket = load(&cache, &ann, id(1), NOW);
    let entry = cache.publish(&ticket, publication("token", "value")).expect("published");
    let Joined::Lead(running, load) = cache.join(&ann, id(2), NOW, NOW) else { panic!("the first leads") };

    cache.flush();
    assert!(matches!(cache.get(b"token", NOW, 0), Lookup::Miss));
    assert!(!cache.is_recent(&entry, 0));
    assert!(cache.publish(&ticket, publication("token", "value")).is_none());
    assert!(matches!(cache.join(&ann, id(1), NOW, NOW), Joined::Lead(..)), "the record is read anew");
    cache.complete(&running, &load, LoadOutcome::Found(record(&ann, NOW + TTL)));
    assert!(cache.publish(&running, publication("another", "value")).is_none());
    assert!(matches!(cache.join(&ann, id(2), NOW, NOW), Joined::Lead(..)), "a load from before is not trusted");
}

/// S25.
#[test]
fn a_changed_key_ring_voids_what_it_verified() {
    let (cache, ann) = (cache(), user("ann"));
    let ticket = load(&cache, &ann, id(1), NOW);
    let entry = cache.publish(&ticket, publication("token", "value")).expect("published");
    assert!(cache.is_recent(&entry, 0) && !cache.is_recent(&entry, 1));
    assert!(matches!(cache.get(b"token", NOW, 1), Lookup::Miss));
}

#[test]
fn a_session_that_had_to_go_during_a_load_is_loaded_again() {
    let (cache, ann) = (cache(), user("ann"));
    cache.publish(&load(&cache, &ann, id(1), NOW), publication("token", "value"));
    let later = NOW + TTL;
    let Joined::Lead(ticket, load) = cache.join(&ann, id(1), later, later) else { panic!("the record has ended") };
    let long_after = later + ticks(Duration::from_secs(300));
    cache.join(&ann, id(2), long_after, long_after);
    assert_eq!(cache.live.len(), 1, "nobody has asked for the first in a while");

    cache.complete(&ticket, &load, LoadOutcome::Found(record(&ann, later + TTL)));
    assert!(cache.publish(&ticket, publication("token", "value")).is_none());
    assert!(matches!(cache.join(&ann, id(1), later, later), Joined::Lead(..)));
}

#[test]
fn a_cache_without_room_still_answers_those_who_ask() {
    let cache = Cache::new(1, Duration::from_secs(300));
    let ann = user("ann");
    for number in 1..50 {
        let ticket = load(&cache, &ann, id(number), NOW);
        assert!(cache.publish(&ticket, publication(&format!("{number}"), "value")).is_some());
    }
    assert!(cache.live.len() <= 1);
}

/// R33.
#[test]
fn eight_tokens_of_a_session_are_remembered_and_the_oldest_goes_first() {
    let (cache, ann) = (cache(), user("ann"));
    let ticket = load(&cache, &ann, id(1), NOW);
    let tokens: Vec<String> = (0..12).map(|number| format!("token-{number}")).collect();
    for token in &tokens {
        cache.publish(&ticket, publication(token, "value"));
        // Again, which changes nothing.
        cache.publish(&ticket, publication(token, "value"));
    }
    let hits: Vec<bool> = tokens.iter().map(|token| is_hit(&cache, token)).collect();
    assert_eq!(hits, [[false; 4].as_slice(), &[true; 8]].concat());
    assert_eq!(cache.tokens.len(), 8);
}

#[test]
fn activity_is_claimed_once_per_interval_and_session() {
    let (cache, ann) = (cache(), user("ann"));
    let ticket = load(&cache, &ann, id(1), NOW);
    let one = cache.publish(&ticket, publication("one", "value")).expect("published");
    let two = cache.publish(&ticket, publication("two", "value")).expect("published");
    let claim = |entry: &Entry<_>, now| cache.claim_touch(entry, &ann, id(1), now, Timestamp::from_seconds(7), 60);

    assert!(one.is_touch_due(NOW) && two.is_touch_due(NOW));
    assert!(claim(&one, NOW));
    assert!(!claim(&one, NOW) && !claim(&two, NOW), "whichever token it comes with");
    assert_eq!(cache.last_activity(&ann, id(1)), Some(Timestamp::from_seconds(7)));

    let three = cache.publish(&ticket, publication("three", "value")).expect("published");
    assert!(!three.is_touch_due(NOW + 59), "an entry that comes later knows of it");
    assert!(claim(&three, NOW + 60) && !claim(&one, NOW + 60));
}

#[test]
fn a_reload_is_claimed_by_one_and_by_another_when_nothing_came_of_it() {
    let (cache, ann) = (cache(), user("ann"));
    let ticket = load(&cache, &ann, id(1), NOW);
    let entry = cache.publish(&ticket, publication("token", "value")).expect("published");
    let due = NOW + TTL / 2;
    assert!(!entry.is_reload_due(due - 1) && !entry.claim_reload(due - 1, due + 100));
    assert!(entry.is_reload_due(due) && entry.claim_reload(due, due + 100));
    assert!(!entry.claim_reload(due, due + 100) && !entry.claim_reload(due + 99, due + 200));
    assert!(entry.claim_reload(due + 100, due + 200));
}

#[test]
fn who_plans_ahead_reads_anew_while_others_go_on_with_the_record() {
    let (cache, ann) = (cache(), user("ann"));
    let ticket = load(&cache, &ann, id(1), NOW);
    cache.publish(&ticket, publication("token", "old"));
    let later = NOW + TTL - 100;
    let Joined::Lead(ahead, load) = cache.join(&ann, id(1), later, later + 200) else { panic!("it reads anew") };
    assert!(matches!(cache.join(&ann, id(1), later, later), Joined::Fresh(..)));
    assert!(matches!(cache.join(&ann, id(1), later, later + 200), Joined::Running(..)));
    assert!(is_hit(&cache, "token"));

    cache.complete(&ahead, &load, LoadOutcome::Failed);
    assert!(is_hit(&cache, "token"), "a read that failed takes nothing away");
    let Joined::Lead(ahead, load) = cache.join(&ann, id(1), later, later + 200) else { panic!("it reads anew") };
    cache.complete(&ahead, &load, LoadOutcome::Found(record(&ann, later + TTL)));
    cache.publish(&ahead, publication("token", "new"));
    assert!(matches!(cache.get(b"token", NOW, 0), Lookup::Hit(entry) if *entry.value() == "new"));
    assert_eq!(cache.tokens.len(), 1);
}

/// S26.
#[test]
fn a_record_read_ahead_of_time_is_not_published_after_a_revocation() {
    let (cache, ann) = (cache(), user("ann"));
    cache.publish(&load(&cache, &ann, id(1), NOW), publication("token", "old"));
    let later = NOW + TTL - 100;
    let Joined::Lead(ahead, load) = cache.join(&ann, id(1), later, later + 200) else { panic!("it reads anew") };
    cache.revoke(&ann, id(1));
    cache.complete(&ahead, &load, LoadOutcome::Found(record(&ann, later + TTL)));
    assert!(cache.publish(&ahead, publication("token", "new")).is_none());
    assert!(!is_hit(&cache, "token"));
}

/// R33: the bound holds, and the one session that requests keep finding outlives ten thousand that were found once.
#[test]
fn a_session_that_requests_find_outlives_a_flood_of_others() {
    let (cache, regular) = (Cache::new(1 << 20, Duration::from_secs(300)), user("regular"));
    cache.publish(&load(&cache, &regular, id(0), NOW), publication("regular", "value"));
    for number in 1..10_000_u32 {
        let name = format!("user-{number}");
        cache.publish(&load(&cache, &user(&name), id(u128::from(number)), NOW), publication(&name, "value"));
        assert!(number % 20 != 0 || is_hit(&cache, "regular"), "after {number} others");
        assert!(cache.live.bytes() <= 1 << 20);
    }
    assert!(!is_hit(&cache, "user-1"));
}

/// R33: requests that are given up after their record was read, and before it was published.
#[test]
fn records_of_requests_that_were_given_up_stay_within_the_bound() {
    let capacity = 16 * 8_192;
    let cache = TestCache::new(capacity, Duration::from_secs(300));
    // Ten a millisecond, the records being good for a minute.
    for number in 0..50_000_u64 {
        let now = NOW + number * 100_000;
        let Joined::Lead(ticket, load) = cache.join(&user(&format!("user-{number}")), id(1), now, now) else {
            panic!("a session of its own")
        };
        let until = now + 60_000_000_000;
        cache.complete(&ticket, &load, LoadOutcome::Found(record(ticket.user(), until)));
    }
    // Those of the last tenth of a second are still waited for.
    assert!(cache.live.len() <= 1_000 + 16 * 8, "{}", cache.live.len());
}

/// R33: a flood of valid tokens.
#[test]
fn a_flood_of_sessions_stays_within_the_bound_and_spares_those_in_use() {
    let capacity = 1 << 20;
    let (cache, regular) = (Cache::new(capacity, Duration::from_secs(300)), user("regular"));
    for number in 0..20_000_u32 {
        let name = format!("user-{number}");
        let passing = user(&name);
        cache.publish(&load(&cache, &passing, id(u128::from(number)), NOW), publication(&name, "value"));
        if number % 100 == 0 {
            cache.publish(&load(&cache, &regular, id(0), NOW), publication("regular", "value"));
        }
        assert!(cache.live.bytes() <= capacity);
    }
    assert!(is_hit(&cache, "regular"));
    assert_eq!(cache.live.len(), cache.tokens.len());
    assert!(cache.live.len() > 400, "the room is used: {}", cache.live.len());
}

#[test]
fn the_weight_of_everything_that_went_is_given_back() {
    let (cache, ann) = (cache(), user("ann"));
    for round in 0..500 {
        for number in 1..=3 {
            let ticket = load(&cache, &ann, id(number), NOW);
            cache.publish(&ticket, publication(&format!("{round}-{number}"), "value"));
        }
        cache.revoke(&ann, id(2));
        cache.revoke_all(&ann, None);
    }
    assert_eq!((cache.live.bytes(), cache.live.len(), cache.tokens.len()), (0, 0, 0));
}

#[test]
fn a_session_that_nobody_asks_for_is_forgotten_in_passing() {
    let cache = Cache::new(1 << 20, Duration::from_nanos(1_000));
    let ann = user("ann");
    cache.publish(&load(&cache, &ann, id(1), NOW), publication("token", "value"));
    let later = NOW + TTL + 1_001;
    for number in 2..5 {
        load(&cache, &ann, id(number), later);
    }
    assert_eq!((cache.live.len(), cache.tokens.len()), (3, 0));
}

/// A request may give up between a load and its publication.
#[test]
fn a_record_that_nobody_publishes_is_forgotten_too() {
    let cache = Cache::new(16 * 4_096, Duration::from_secs(300));
    for number in 0..1_000 {
        let passing = user(&format!("user-{number}"));
        load(&cache, &passing, id(number), NOW + u64::try_from(number).expect("small") * 200_000_000);
    }
    assert!(cache.live.len() < 100, "{}", cache.live.len());
    for number in 0..1_000 {
        cache.read_alone(&user(&format!("user-{number}")), id(number), u64::MAX / 2);
    }
    for number in 1_000..2_000 {
        cache.read_alone(&user(&format!("user-{number}")), id(number), u64::MAX - 1);
    }
    assert!(cache.live.len() <= 1_000, "{}", cache.live.len());
}
