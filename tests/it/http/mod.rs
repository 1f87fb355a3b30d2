//! What clients see: routes, the page, OpenAPI and gRPC.

mod admin;
#[cfg(feature = "pages")]
mod browser;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "pages")]
mod pages;
mod paging;
mod routes;
mod tonic;
