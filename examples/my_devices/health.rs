//! Whether this server can do its work, for a load balancer.

use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::Mutex;

use crate::{A_MOMENT, App, problem, retry_after};

/// What was found out last, and when: nobody makes the store work by asking often.
#[derive(Default)]
pub struct Health(Mutex<Option<(Instant, bool)>>);

/// 503 while the store does not answer, or takes no changes. Sessions that are known are still accepted meanwhile, so
/// this says where to send new users, not which process to kill.
pub async fn health(State(app): State<App>) -> Response {
    let mut found = app.health.0.lock().await;
    let known = found.filter(|(at, _)| at.elapsed() < GOOD_FOR).map(|(_, is_well)| is_well);
    let is_well = match known {
        Some(is_well) => is_well,
        // The reason is on the log.
        None => app.sessions.check_store().await.is_ok(),
    };
    if known.is_none() {
        *found = Some((Instant::now(), is_well));
    }
    match is_well {
        true => "ok".into_response(),
        false => {
            let error = "The session store does not answer, or takes no changes";
            (retry_after(A_MOMENT), problem(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", error))
                .into_response()
        }
    }
}

const GOOD_FOR: Duration = Duration::from_secs(1);
