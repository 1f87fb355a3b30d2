//! The details of a gRPC status (`google.rpc.Status`), written by hand: two messages need no protocol compiler.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use crate::denied::Profile;

/// The value of `grpc-status-details-bin`: the status with a `google.rpc.ErrorInfo`, whose reason is the code in upper
/// case.
pub(super) fn encode(profile: &Profile, end_reason: Option<&str>) -> String {
    let mut any = Vec::new();
    put_bytes(&mut any, 1, format!("type.googleapis.com/{ERROR_INFO}").as_bytes());
    put_bytes(&mut any, 2, &error_info(profile.code, end_reason));

    let mut details = vec![1 << 3];
    put_varint(&mut details, usize::from(profile.grpc_status));
    put_bytes(&mut details, 2, profile.grpc_message.as_bytes());
    put_bytes(&mut details, 3, &any);
    STANDARD_NO_PAD.encode(details)
}

/// The `google.rpc.ErrorInfo` as one of the details of an error in Connect's own protocol.
pub(super) fn of_connect(code: &str, end_reason: Option<&str>) -> serde_json::Value {
    let mut metadata = serde_json::Map::new();
    if let Some(reason) = end_reason {
        metadata.insert("reason".to_owned(), reason.into());
    }
    serde_json::json!({
        "type": ERROR_INFO,
        "value": STANDARD_NO_PAD.encode(error_info(code, end_reason)),
        "debug": { "reason": code.to_ascii_uppercase(), "domain": DOMAIN, "metadata": metadata },
    })
}

fn error_info(code: &str, end_reason: Option<&str>) -> Vec<u8> {
    let mut info = Vec::new();
    put_bytes(&mut info, 1, code.to_ascii_uppercase().as_bytes());
    put_bytes(&mut info, 2, DOMAIN.as_bytes());
    if let Some(reason) = end_reason {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, b"reason");
        put_bytes(&mut entry, 2, reason.as_bytes());
        put_bytes(&mut info, 3, &entry);
    }
    info
}

fn put_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | LENGTH_DELIMITED);
    put_varint(message, bytes.len());
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        message.push(0x80 | (number.to_le_bytes()[0] & 0x7f));
        number >>= 7;
    }
    message.push(number.to_le_bytes()[0]);
}

const LENGTH_DELIMITED: u8 = 2;

const ERROR_INFO: &str = "google.rpc.ErrorInfo";

/// Whose codes they are.
const DOMAIN: &str = "tower-device-sessions";
