//! What a browser sees when the example was built without the feature `pages`: how to get the pages.
//!
//! In the repository the pages are always there. The published package cannot switch on a feature of its own for its
//! example.

use axum::{Router, http::header, response::IntoResponse, routing::get};
use tower_device_sessions::SessionManager;

use crate::App;

/// What would be the page of the user's devices.
#[derive(Clone)]
pub struct Page;

pub fn page(_: &SessionManager, _: &str) -> Page {
    Page
}

/// The API is complete without the pages.
pub fn routes(_: &SessionManager, _: Page) -> Router<App> {
    Router::new().route("/", get(hint))
}

async fn hint() -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "no-store")],
        "The pages come with one more feature:\n\n    cargo run --example my_devices --features sqlite,pages\n",
    )
}
