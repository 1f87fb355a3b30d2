//! A session as named fields of text.
//!
//! What never changes is one text of JSON, which saves memory; what changes, and what scripts look at, has fields of
//! its own. The text is cut into pieces, `fixed`, `fixed.1`, `fixed.2` and so on: a hash in which no value is longer
//! than 64 bytes takes little more than half the memory by the server's defaults (`hash-max-listpack-value`). Times and
//! durations are microseconds in digits. A field that is missing stands for nothing, no, or zero, where there is such a
//! thing; fields, and names in the JSON, that a newer version may have added are passed over.

use std::{
    borrow::Cow, collections::BTreeMap, collections::HashMap, fmt::Display, net::IpAddr, str::FromStr, time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    device::{ClientHints, Device, DeviceName},
    id::SessionKey,
    location::Location,
    session::{Actor, EndReason, Ending, Salt, Session, TokenState},
    store::StoreError,
};

#[cfg(feature = "redis")]
use crate::{device::DeviceKind, id::DeviceId, policy::ActiveSession};

/// The fields of a record.
pub(in crate::store) type Fields = HashMap<String, Vec<u8>>;

/// What never changes.
#[derive(Serialize, Deserialize)]
struct Fixed<'a> {
    created_at: i64,
    /// Only for the limits; a record is described by the raw strings.
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    salt: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    hints: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_ip: Option<IpAddr>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    location: Option<Place<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Place<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    city: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    region: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    country: Option<Cow<'a, str>>,
}

/// The fields of a session, names and values by turns.
pub(super) fn encode(session: &Session) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut fields = Vec::with_capacity(40);
    let mut put = |name: &str, value: String| fields.extend([name.into(), value.into()]);

    put("expires_at", session.expires_at.as_micros().to_string());
    put("idle_timeout", micros(session.idle_timeout).to_string());
    put("last_active_at", session.last_active_at.as_micros().to_string());
    put("authenticated_at", session.authenticated_at.as_micros().to_string());
    put("level", session.assurance_level.to_string());
    put("generation", session.tokens.generation.to_string());
    if session.tokens.least_generation > 0 {
        put("least_generation", session.tokens.least_generation.to_string());
    }
    if let Some(at) = session.tokens.rotated_at {
        put("rotated_at", at.as_micros().to_string());
    }
    if session.tokens.newest_seen {
        put("newest_seen", "1".to_owned());
    }
    if let Some(device) = session.device_id {
        put("device_id", device.to_string());
    }
    if let Some(ip) = session.last_ip {
        put("last_ip", ip.to_string());
    }
    if let Some(name) = &session.device.custom_name {
        put("name", name.to_string());
    }
    if !session.methods.is_empty() {
        put("methods", methods_text(&session.methods)?);
    }
    if !session.levels.is_empty() {
        put("levels", levels_text(&session.levels)?);
    }
    if !session.data.is_empty() {
        put("data", data_text(&session.data)?);
    }
    if let Some(ending) = &session.ended {
        put("ended_at", ending.at.as_micros().to_string());
        put("ended_for", ending.reason.as_str().to_owned());
        put("ended_by", ending.actor.to_stored());
    }
    let fixed = serde_json::to_vec(&fixed(session)).map_err(corrupt)?;
    for (place, piece) in fixed.chunks(PIECE).enumerate() {
        fields.extend([piece_name(place).into_bytes(), piece.to_vec()]);
    }
    Ok(fields)
}

/// What never changes of a session, without its addresses and its place.
#[cfg(feature = "redis")]
pub(super) fn fixed_without_addresses(session: &Session) -> Result<String, StoreError> {
    let fixed = Fixed { created_ip: None, location: None, ..fixed(session) };
    serde_json::to_string(&fixed).map_err(corrupt)
}

/// The session that these are the fields of.
pub(super) fn decode(key: &SessionKey, fields: &Fields) -> Result<Session, StoreError> {
    let whole = joined(fields);
    let fixed = parse_fixed(std::str::from_utf8(&whole).map_err(corrupt)?)?;
    let hints = fixed.hints.as_deref().map(ClientHints::from_compact).unwrap_or_default();
    let name = text(fields, "name")?.map(DeviceName::try_from).transpose().map_err(corrupt)?;
    let methods: BTreeMap<Box<str>, i64> =
        text(fields, "methods")?.map(serde_json::from_str).transpose().map_err(corrupt)?.unwrap_or_default();
    let levels: BTreeMap<u8, i64> =
        text(fields, "levels")?.map(serde_json::from_str).transpose().map_err(corrupt)?.unwrap_or_default();
    let data = text(fields, "data")?.map(serde_json::from_str).transpose().map_err(corrupt)?;
    let owned = |text: Option<Cow<'_, str>>| text.map(|text| text.into_owned().into_boxed_str());

    Ok(Session {
        user_id: key.user_id.clone(),
        id: key.id,
        device_id: parsed(fields, "device_id")?,
        device: Device::new(owned(fixed.user_agent), hints).custom_name(name),
        created_ip: fixed.created_ip,
        last_ip: parsed(fields, "last_ip")?,
        location: fixed.location.map(|place| Location {
            city: owned(place.city),
            region: owned(place.region),
            country_code: owned(place.country),
        }),
        created_at: Timestamp::from_micros(fixed.created_at),
        last_active_at: required(fields, "last_active_at").map(Timestamp::from_micros)?,
        authenticated_at: required(fields, "authenticated_at").map(Timestamp::from_micros)?,
        expires_at: required(fields, "expires_at").map(Timestamp::from_micros)?,
        idle_timeout: Duration::from_micros(required(fields, "idle_timeout")?),
        methods: methods.into_iter().map(|(method, at)| (method, Timestamp::from_micros(at))).collect(),
        assurance_level: required(fields, "level")?,
        levels: levels.into_iter().map(|(level, at)| (level, Timestamp::from_micros(at))).collect(),
        tokens: TokenState {
            generation: required(fields, "generation")?,
            least_generation: parsed(fields, "least_generation")?.unwrap_or_default(),
            rotated_at: parsed(fields, "rotated_at")?.map(Timestamp::from_micros),
            newest_seen: fields.contains_key("newest_seen"),
            salt: salt(&fixed.salt)?,
        },
        ended: match parsed(fields, "ended_at")? {
            Some(at) => Some(ending(at, text(fields, "ended_for")?, text(fields, "ended_by")?)),
            None => None,
        },
        data: data.unwrap_or_default(),
    })
}

/// What admission needs to know of a session, of its id and four of its fields.
#[cfg(feature = "redis")]
pub(super) fn decode_active(
    id: &str,
    fixed: &[u8],
    device_id: &str,
    [authenticated_at, last_active_at]: [&str; 2],
) -> Result<ActiveSession, StoreError> {
    let fixed = parse_fixed(std::str::from_utf8(fixed).map_err(corrupt)?)?;
    let device_id = (!device_id.is_empty()).then(|| device_id.parse::<DeviceId>()).transpose().map_err(corrupt)?;
    Ok(ActiveSession {
        id: id.parse().map_err(corrupt)?,
        device_id,
        kind: DeviceKind::from_name(&fixed.kind),
        created_at: Timestamp::from_micros(fixed.created_at),
        authenticated_at: Timestamp::from_micros(authenticated_at.parse().map_err(corrupt)?),
        last_active_at: Timestamp::from_micros(last_active_at.parse().map_err(corrupt)?),
    })
}

/// An ending of these fields. Reasons and actors that a newer version may know read as what they are to this one.
pub(super) fn ending(at: i64, reason: Option<&str>, actor: Option<&str>) -> Ending {
    let reason = EndReason::from_name(reason.unwrap_or_default());
    Ending::new(reason, Actor::from_stored(actor.unwrap_or_default()), Timestamp::from_micros(at))
}

/// The methods as JSON, with their times in microseconds.
pub(super) fn methods_text(methods: &BTreeMap<Box<str>, Timestamp>) -> Result<String, StoreError> {
    let micros: BTreeMap<&str, i64> = methods.iter().map(|(method, at)| (&**method, at.as_micros())).collect();
    serde_json::to_string(&micros).map_err(corrupt)
}

/// The levels as JSON, with their times in microseconds.
pub(super) fn levels_text(levels: &BTreeMap<u8, Timestamp>) -> Result<String, StoreError> {
    let micros: BTreeMap<u8, i64> = levels.iter().map(|(&level, at)| (level, at.as_micros())).collect();
    serde_json::to_string(&micros).map_err(corrupt)
}

/// The application's data as JSON. What is nested too deep to be read back is not written.
pub(super) fn data_text(data: &Map<String, Value>) -> Result<String, StoreError> {
    let text = serde_json::to_string(data).map_err(corrupt)?;
    serde_json::from_str::<Value>(&text).map_err(corrupt)?;
    Ok(text)
}

fn fixed(session: &Session) -> Fixed<'_> {
    let hints = session.device.hints();
    Fixed {
        created_at: session.created_at.as_micros(),
        kind: session.device.kind().as_str().into(),
        salt: BASE64_STANDARD_NO_PAD.encode(session.tokens.salt.as_bytes()).into(),
        user_agent: session.device.user_agent.as_deref().map(Cow::from),
        hints: (!hints.is_empty()).then(|| hints.to_compact().into()),
        created_ip: session.created_ip,
        location: session.location.as_ref().map(|place| Place {
            city: place.city.as_deref().map(Cow::from),
            region: place.region.as_deref().map(Cow::from),
            country: place.country_code.as_deref().map(Cow::from),
        }),
    }
}

/// The text of which the pieces are in these fields.
fn joined(fields: &Fields) -> Vec<u8> {
    (0..).map_while(|place| fields.get(&piece_name(place))).flatten().copied().collect()
}

fn piece_name(place: usize) -> String {
    match place {
        0 => "fixed".to_owned(),
        place => format!("fixed.{place}"),
    }
}

fn parse_fixed(text: &str) -> Result<Fixed<'_>, StoreError> {
    serde_json::from_str(text).map_err(corrupt)
}

fn salt(text: &str) -> Result<Salt, StoreError> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(text).map_err(corrupt)?;
    bytes.try_into().map(Salt::from_bytes).map_err(|_| corrupt("a salt is 16 bytes"))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn text<'f>(fields: &'f Fields, name: &str) -> Result<Option<&'f str>, StoreError> {
    fields.get(name).map(|value| std::str::from_utf8(value)).transpose().map_err(corrupt)
}

fn parsed<T: FromStr<Err: Display>>(fields: &Fields, name: &str) -> Result<Option<T>, StoreError> {
    let value = text(fields, name)?.map(str::parse).transpose();
    value.map_err(|error| corrupt(format!("the field {name}: {error}")))
}

fn required<T: FromStr<Err: Display>>(fields: &Fields, name: &str) -> Result<T, StoreError> {
    parsed(fields, name)?.ok_or_else(|| corrupt(format!("the field {name} is missing")))
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::corrupt(source)
}

/// The longest value that a server keeps in a small hash, by its defaults. `prelude.lua` knows it too.
const PIECE: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::UserId;

    fn full() -> Session {
        let now = Timestamp::from_micros(1_767_225_600_123_457);
        let mut session = Session::new(UserId::from(1), now, now.saturating_add(Duration::from_secs(60)));
        session.device_id = Some(DeviceId::new());
        session.device = Device::new(Some("curl/8.5.0".into()), ClientHints::default());
        session.created_ip = "2001:db8::1".parse().ok();
        session.last_ip = "192.0.2.1".parse().ok();
        session.location = Some(Location::default());
        session.methods = BTreeMap::from([("pwd".into(), now)]);
        session.levels = BTreeMap::from([(2, now)]);
        session.tokens = TokenState {
            generation: 2,
            least_generation: 1,
            rotated_at: Some(now),
            newest_seen: true,
            salt: Salt::from_bytes([7; 16]),
        };
        session.ended = Some(Ending::new(EndReason::Policy, Actor::Administrator("ann".into()), now));
        session.data = Map::from_iter([("a".to_owned(), Value::from(1))]);
        session
    }

    fn fields_of(session: &Session) -> Result<Fields, StoreError> {
        let encoded = encode(session)?;
        let pair = |pair: &[Vec<u8>]| (String::from_utf8_lossy(&pair[0]).into_owned(), pair[1].clone());
        Ok(encoded.chunks(2).map(pair).collect())
    }

    #[test]
    fn a_session_reads_back_from_its_fields() -> Result<(), StoreError> {
        let full = full();
        let bare = Session::new(UserId::from(1), Timestamp::UNIX_EPOCH, Timestamp::from_micros(1));
        for session in [full, bare] {
            assert_eq!(decode(&session.key(), &fields_of(&session)?)?, session);
        }
        Ok(())
    }

    /// R39.
    #[test]
    fn what_a_newer_version_has_added_is_passed_over() -> Result<(), Box<dyn std::error::Error>> {
        let session = full();
        let mut fields = fields_of(&session)?;
        fields.insert("mood".into(), b"good".to_vec());
        let mut fixed: Map<String, Value> = serde_json::from_slice(&joined(&fields))?;
        fixed.insert("mood".into(), "good".into());
        fields.retain(|name, _| !name.starts_with("fixed"));
        // Also as one piece, as it once was.
        fields.insert("fixed".into(), serde_json::to_vec(&fixed)?);
        assert_eq!(decode(&session.key(), &fields)?, session);
        Ok(())
    }

    #[test]
    fn no_value_is_too_long_for_a_small_hash() -> Result<(), StoreError> {
        let mut session = full();
        session.device = Device::new(Some("é".repeat(250).into()), ClientHints::default());
        let fields = fields_of(&session)?;
        assert!(fields.values().all(|value| value.len() <= PIECE));
        assert_eq!(decode(&session.key(), &fields)?, session);
        Ok(())
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(data_text(&Map::from_iter([("deep".to_owned(), deep)])).is_err());
    }

    proptest! {
        #[test]
        fn damaged_fields_never_panic(
            name in "fixed|expires_at|idle_timeout|last_.*|authenticated_at|level|generation|least_generation|\
                     rotated_at|newest_seen|device_id|last_ip|name|methods|levels|data|ended_at|ended_for|ended_by",
            value in proptest::collection::vec(any::<u8>(), 0..40),
            number in any::<i64>(),
        ) {
            let session = full();
            let whole = fields_of(&session).unwrap_or_default();
            for value in [Some(value), Some(number.to_string().into_bytes()), None] {
                let mut fields = whole.clone();
                match value {
                    Some(value) => fields.insert(name.clone(), value),
                    None => fields.remove(&name),
                };
                let _ = decode(&session.key(), &fields);
            }
        }

        #[test]
        fn damaged_json_never_panics(cut in 0_usize..200, put in any::<u8>(), at in 0_usize..200) {
            let session = full();
            let mut fields = fields_of(&session).unwrap_or_default();
            let fixed = fields.entry("fixed".to_owned()).or_default();
            if let Some(byte) = fixed.get_mut(at) {
                *byte = put;
            }
            fixed.truncate(fixed.len().saturating_sub(cut));
            let _ = decode(&session.key(), &fields);
            let _ = decode_active(&session.id.to_string(), &joined(&fields), "", ["1", "1"]);
        }
    }
}
