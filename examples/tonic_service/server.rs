//! The server's side of `account.proto`: what `tonic` would generate, written by hand.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::http;
use futures_util::future::BoxFuture;
use tonic::{Request, Response, Status, body::Body, codegen::tokio_stream::Stream, server::Grpc, server::NamedService};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::messages::{Empty, News, SignInReply, SignInRequest, WhoAmIReply};

/// The service, to be implemented.
pub trait Account: Send + Sync + 'static {
    type WatchStream: Stream<Item = Result<News, Status>> + Send + 'static;

    fn sign_in(&self, request: Request<SignInRequest>) -> impl Future<Output = Reply<SignInReply>> + Send;
    fn who_am_i(&self, request: Request<Empty>) -> impl Future<Output = Reply<WhoAmIReply>> + Send;
    fn watch(&self, request: Request<Empty>) -> impl Future<Output = Reply<Self::WatchStream>> + Send;
    fn announce(&self, request: Request<News>) -> impl Future<Output = Reply<Empty>> + Send;
}

pub type Reply<T> = Result<Response<T>, Status>;

/// The service, as a `tower::Service` over HTTP.
pub struct AccountServer<T>(Arc<T>);

impl<T> AccountServer<T> {
    pub fn new(account: T) -> Self {
        Self(Arc::new(account))
    }
}

impl<T> Clone for AccountServer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> NamedService for AccountServer<T> {
    const NAME: &'static str = "example.v1.Account";
}

impl<T: Account> Service<http::Request<Body>> for AccountServer<T> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let account = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/example.v1.Account/SignIn" => {
                    let method = service_fn(|request| account.sign_in(request));
                    Grpc::new(ProstCodec::default()).unary(method, request).await
                }
                "/example.v1.Account/WhoAmI" => {
                    let method = service_fn(|request| account.who_am_i(request));
                    Grpc::new(ProstCodec::default()).unary(method, request).await
                }
                "/example.v1.Account/Watch" => {
                    let method = service_fn(|request| account.watch(request));
                    Grpc::new(ProstCodec::default()).server_streaming(method, request).await
                }
                "/example.v1.Account/Announce" => {
                    let method = service_fn(|request| account.announce(request));
                    Grpc::new(ProstCodec::default()).unary(method, request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}
