//! A request body that can be taken back when nobody has read it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

/// The body of requests behind a [`DrainRequestLayer`](crate::middleware::DrainRequestLayer). It is the server's, and
/// goes back to the layer when it is dropped before its end.
pub struct LentBody<B: Body> {
    // `None` at its end.
    body: Option<B>,
    // `None` where the layer does not want it back.
    lender: Option<Loan<B>>,
}

/// Where a body goes that is dropped before its end.
pub(crate) struct Loan<B>(Arc<Mutex<Option<B>>>);

impl<B: Body> LentBody<B> {
    pub(super) fn lend(body: B) -> (Self, Loan<B>) {
        let loan = Loan(Arc::new(Mutex::new(None)));
        (Self { body: Some(body), lender: Some(Loan(Arc::clone(&loan.0))) }, loan)
    }

    /// A body that is of no interest any more.
    pub(super) fn given(body: B) -> Self {
        Self { body: Some(body), lender: None }
    }
}

impl<B> Loan<B> {
    /// The body, if the inner service has let go of it before its end.
    pub(crate) fn returned(self) -> Option<B> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<B: Body + Unpin> Body for LentBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body> Drop for LentBody<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(lender)) = (self.body.take(), &self.lender)
            && !body.is_end_stream()
        {
            *lender.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl<B: Body> fmt::Debug for LentBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LentBody").finish_non_exhaustive()
    }
}
