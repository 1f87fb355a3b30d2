//! One request, with and without everything.

use axum::{Router, routing::get};

use crate::{
    Failure, Pace,
    figures::{Figures, heading},
    ours, rivals,
    rounds::{Case, Outcome, take_turns},
    tutorial,
};

pub async fn run(pace: Pace, figures: &mut Figures) -> Result<(), Failure> {
    let bare = || Router::new().route("/", get(async || "ok"));
    let bearer = ours::bearer_of_nobody();
    let mut cases = vec![
        Case::new("floor", bare(), Some(bearer.clone())),
        Case::new("noop", bare().layer(ours::NoopLayer), Some(bearer.clone())),
        Case::new("around_noop", tower::Layer::layer(&ours::NoopLayer, bare()), Some(bearer)),
    ];
    cases.extend(ours::cases().await?);
    cases.extend(rivals::jwt_cases()?);
    cases.extend(rivals::session_cases().await?);
    cases.extend(tutorial::cases().await?);
    let outcomes = take_turns(cases, pace).await?;

    heading("One request, in one process (medians; added = over the bare handler)");
    let find = |name: &str| outcomes.iter().find(|outcome| outcome.name == name);
    let floor = find("floor").ok_or("no floor")?.clone();
    println!("{:<28} {:>12} {:>12} {:>14}", "", "ns", "added ns", "added allocs");
    for outcome in &outcomes {
        let (ns, allocations) = (added(outcome, &floor), outcome.allocations - floor.allocations);
        println!("{:<28} {:>12.0} {ns:>12.0} {allocations:>14.1}", outcome.name, outcome.nanoseconds);
    }

    let added_by = |name: &str| find(name).map(|outcome| added(outcome, &floor));
    let difference = |name: &str, other: &str| Some(find(name)?.nanoseconds - find(other)?.nanoseconds);
    let allocations = |name: &str, other: &str| Some(find(name)?.allocations - find(other)?.allocations);
    let mut tell = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            figures.add(name, value);
        }
    };
    tell("noop_ns", added_by("noop"));
    tell("cached_ns", added_by("cached"));
    tell("cached_over_noop_ns", difference("cached", "noop"));
    tell("cached_over_noop_allocations", allocations("cached", "noop"));
    tell("around_cached_over_noop_ns", difference("around_cached", "around_noop"));
    tell("around_cached_over_noop_allocations", allocations("around_cached", "around_noop"));
    tell("cached_read_over_noop_ns", difference("cached_read", "noop"));
    tell("cookie_over_bearer_ns", difference("cached_cookie", "cached"));
    let ratio = |name: &str, other: &str| Some(added_by(name)? / added_by(other)?);
    for (name, rival) in RATIOS {
        tell(&format!("{name}_over_cached"), ratio(rival, "cached"));
    }
    // The peers' handlers read a value of the session. So does ours here.
    for (name, rival) in RATIOS.into_iter().filter(|(_, rival)| rival.ends_with("_memory")) {
        tell(&format!("{name}_over_cached_read"), ratio(rival, "cached_read"));
    }
    tell("cold_sqlite_over_select", ratio("cold_sqlite", "bare_select_sqlite"));
    Ok(())
}

fn added(outcome: &Outcome, floor: &Outcome) -> f64 {
    outcome.nanoseconds - floor.nanoseconds
}

/// The figures that compare, each with the case that it compares with ours.
const RATIOS: [(&str, &str); 13] = [
    ("hs256", "hs256"),
    ("rs256", "rs256"),
    ("eddsa", "eddsa"),
    ("es256", "es256"),
    ("tower_sessions", "tower_sessions_memory"),
    ("tower_sessions_moka", "tower_sessions_moka"),
    ("tower_sessions_sqlite", "tower_sessions_sqlite"),
    ("axum_login", "axum_login_memory"),
    ("axum_session", "axum_session_memory"),
    ("session_guard", "session_guard_memory"),
    ("tutorial_sqlite", "tutorial_sqlite"),
    ("tutorial_postgres", "tutorial_postgres"),
    ("cold", "cold"),
];
