//! What clients see: routes, the page, OpenAPI and gRPC.

mod admin;
#[cfg(feature = "pages")]
mod browser;
mod cors;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "pages")]
mod pages;
mod paging;
mod routes;
mod tonic;
