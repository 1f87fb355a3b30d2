//! The response body that ends with its session.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    manager::CurrentSession,
    middleware::end_streams::farewell::{Farewell, Last},
    session::Ending,
};

pin_project! {
    /// The body of responses that pass an [`EndStreamsLayer`](crate::middleware::EndStreamsLayer).
    pub struct EndStreamsBody<B> {
        // `None` once the session has ended, and where there never was a stream.
        #[pin]
        inner: Option<B>,
        // What is sent in place of a stream that is not opened.
        refusal: Option<Bytes>,
        // `None` where there is nothing to wait for, or not any more.
        watch: Option<Watch>,
    }
}

/// A body's wait for the end of its session.
struct Watch {
    ended: Ended,
    farewell: Farewell,
}

enum Ended {
    /// Nobody has asked yet.
    Unasked {
        current: CurrentSession,
        frames: Frames,
    },
    Waiting(Pin<Box<dyn Future<Output = Ending> + Send>>),
    Now(Ending),
}

/// How many frames of data there have been.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frames {
    None,
    Some,
}

/// What becomes of what the inner body has answered.
enum Next {
    AsItIs,
    /// The body has come to its end by itself.
    OwnEnd,
    /// The session has ended, and this comes last.
    Farewell(Last),
}

impl<B> EndStreamsBody<B> {
    pub(super) fn watched(inner: B, current: CurrentSession, farewell: Farewell) -> Self {
        let ended = Ended::Unasked { current, frames: Frames::None };
        Self { inner: Some(inner), refusal: None, watch: Some(Watch { ended, farewell }) }
    }

    /// A body that only ends by itself.
    pub(crate) fn unwatched(inner: B) -> Self {
        Self { inner: Some(inner), refusal: None, watch: None }
    }

    /// A body in place of a stream that is not opened.
    pub(super) fn refused(text: Bytes) -> Self {
        Self { inner: None, refusal: Some(text), watch: None }
    }
}

impl<B> Body for EndStreamsBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(this.refusal.take().map(|text| Ok(Frame::data(text))));
        };
        let polled = inner.poll_frame(cx).map_err(Into::into);
        let Some(watch) = this.watch else {
            return polled;
        };
        let data = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref(),
            _ => None,
        };
        let next = match data {
            Some(data) => watch.after_data(data, cx),
            None if polled.is_pending() => watch.while_pending(cx),
            None => Next::OwnEnd,
        };
        match next {
            Next::AsItIs => polled,
            Next::OwnEnd => {
                *this.watch = None;
                polled
            }
            Next::Farewell(last) => {
                this.inner.set(None);
                *this.watch = None;
                Poll::Ready(match last {
                    Last::Nothing => None,
                    Last::Frame(frame) => Some(Ok(frame)),
                    Last::Cut => Some(Err(Box::new(SessionEnded))),
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.refusal.is_none() && self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.inner, &self.watch) {
            (None, _) => SizeHint::with_exact(self.refusal.as_ref().map_or(0, |text| text.len() as u64)),
            (Some(inner), None) => inner.size_hint(),
            (Some(_), Some(_)) => SizeHint::new(),
        }
    }
}

impl Watch {
    /// The inner body waits, and so do we.
    fn while_pending(&mut self, cx: &mut Context<'_>) -> Next {
        self.poll_ended(cx);
        self.farewell_if_ended().unwrap_or(Next::AsItIs)
    }

    /// The inner body has sent something. What is sent after the session has ended is dropped; an ending that is found
    /// now is kept for the next frame, since this one is on its way.
    fn after_data(&mut self, data: &Bytes, cx: &mut Context<'_>) -> Next {
        if let Some(farewell) = self.farewell_if_ended() {
            return farewell;
        }
        self.farewell.follow(data);
        match &mut self.ended {
            Ended::Unasked { frames: frames @ Frames::None, .. } => *frames = Frames::Some,
            _ => self.poll_ended(cx),
        }
        Next::AsItIs
    }

    /// Asks whether the session has ended, and is woken when it does.
    fn poll_ended(&mut self, cx: &mut Context<'_>) {
        if let Ended::Unasked { current, .. } = &self.ended {
            self.farewell.learn(current);
            self.ended = Ended::Waiting(Box::pin(current.ended()));
        }
        if let Ended::Waiting(ended) = &mut self.ended
            && let Poll::Ready(ending) = ended.as_mut().poll(cx)
        {
            self.ended = Ended::Now(ending);
        }
    }

    fn farewell_if_ended(&self) -> Option<Next> {
        match &self.ended {
            Ended::Now(ending) => Some(Next::Farewell(self.farewell.last(ending))),
            Ended::Unasked { .. } | Ended::Waiting(_) => None,
        }
    }
}

/// The error that cuts a body: servers reset the connection, or the stream of HTTP/2.
#[derive(Clone, Copy, Debug)]
struct SessionEnded;

impl fmt::Display for SessionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session has ended before the body")
    }
}

impl std::error::Error for SessionEnded {}

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whether a body may go on for longer than it takes to send what is there.
pub(super) fn is_open(body: &impl Body, headers: &HeaderMap) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none() && !headers.contains_key(header::CONTENT_LENGTH)
}

impl<B: Default> Default for EndStreamsBody<B> {
    fn default() -> Self {
        Self::unwatched(B::default())
    }
}

impl<B: fmt::Debug> fmt::Debug for EndStreamsBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndStreamsBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
