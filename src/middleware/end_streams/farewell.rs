//! The last message of a stream, by its content type.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Frame;

use crate::{
    manager::{CurrentSession, Endings},
    middleware::{
        LastEvent,
        media_type::{Grpc, MediaType},
        rejection::{connect_end, grpc_trailers},
    },
    policy::Denied,
    session::{EndReason, Ending},
};

/// The last word to one stream.
pub(super) struct Farewell {
    form: Form,
    endings: Endings,
}

enum Form {
    /// An error: the part that has arrived must not be taken for the whole.
    Cut,
    /// Nothing: a stream of events has no length, and ends at any time.
    End,
    /// A server-sent event, if the stream is between two of them.
    Event {
        between: bool,
    },
    Trailers,
    /// The trailers in a message, encoded as text or not.
    GrpcWeb,
    GrpcWebText,
    /// The error, in the message with which a stream of Connect's own protocol ends.
    Connect,
}

/// What comes last.
pub(super) enum Last {
    Nothing,
    Frame(Frame<Bytes>),
    Cut,
}

impl Farewell {
    /// The form that goes with a response of these headers.
    pub(super) fn to(headers: &HeaderMap, last_event: LastEvent) -> Self {
        let media_type = MediaType::of(headers);
        let form = match media_type.grpc() {
            Some(Grpc::Plain) => Form::Trailers,
            Some(Grpc::Web) => Form::GrpcWeb,
            Some(Grpc::WebText) => Form::GrpcWebText,
            None if media_type.is_connect_stream() => Form::Connect,
            None if !media_type.is("text/event-stream") => Form::Cut,
            None if last_event == LastEvent::SessionEnded && is_plain(headers) => Form::Event { between: true },
            None => Form::End,
        };
        Self { form, endings: Endings::Told }
    }

    /// Learns whether the session's manager conceals how sessions end.
    pub(super) fn learn(&mut self, current: &CurrentSession) {
        if let Some(manager) = current.manager() {
            self.endings = manager.endings();
        }
    }

    /// Sees the data that goes by.
    pub(super) fn follow(&mut self, data: &Bytes) {
        if let Form::Event { between } = &mut self.form {
            *between = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|blank| data.ends_with(blank));
        }
    }

    /// What comes last.
    pub(super) fn last(&self, ending: &Ending) -> Last {
        let denied = match self.endings {
            Endings::Told => Denied::Ended(ending.clone()),
            Endings::Concealed => Denied::Invalid,
        };
        Last::Frame(match self.form {
            Form::Cut => return Last::Cut,
            // In the midst of an event there is nothing that a client would not take for a part of it.
            Form::End | Form::Event { between: false } => return Last::Nothing,
            Form::Event { between: true } => Frame::data(event(&denied)),
            Form::Trailers => Frame::trailers(grpc_trailers(&denied)),
            Form::GrpcWeb => Frame::data(message_of_trailers(&denied)),
            Form::GrpcWebText => Frame::data(Bytes::from(STANDARD.encode(message_of_trailers(&denied)))),
            Form::Connect => Frame::data(connect_end(&denied)),
        })
    }
}

/// Clients drop an event without data, so there is some in any case.
fn event(denied: &Denied) -> Bytes {
    let reason = denied.end_reason().map_or("ended", EndReason::as_str);
    Bytes::from(format!("event: session-ended\ndata: {reason}\n\n"))
}

/// The trailers as gRPC-Web sends them: a flag, a length, and lines in lower case.
fn message_of_trailers(denied: &Denied) -> Bytes {
    let mut lines = BytesMut::new();
    for (name, value) in &grpc_trailers(denied) {
        lines.put_slice(name.as_str().as_bytes());
        lines.put_u8(b':');
        lines.put_slice(value.as_bytes());
        lines.put_slice(b"\r\n");
    }
    let mut message = BytesMut::with_capacity(5 + lines.len());
    message.put_u8(TRAILERS);
    message.put_u32(u32::try_from(lines.len()).unwrap_or_default());
    message.put(lines);
    message.freeze()
}

fn is_plain(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_ENCODING)
}

/// The flag of a gRPC-Web message that holds trailers.
const TRAILERS: u8 = 0x80;
