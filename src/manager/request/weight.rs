use crate::session::Session;

/// About what a session and one token of it weigh in the cache, in bytes: rather too much than too little.
pub(in crate::manager) fn weight(session: &Session, token: &[u8]) -> u32 {
    let device = &session.device;
    let location = session.location.as_ref().map(|place| [&place.city, &place.region, &place.country_code]);
    let texts = [&device.user_agent].into_iter().chain(location.into_iter().flatten());
    let texts: usize = texts.flatten().map(|text| text.len()).sum();
    let hints = device.hints();
    let hints = if hints.is_empty() { 0 } else { size_of_val(hints) + hints.text_bytes() };
    let custom_name = device.custom_name.as_ref().map_or(0, |name| name.as_str().len());
    let methods: usize = session.methods.keys().map(|name| name.len()).sum();
    let data: usize = session.data.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    let nodes = nodes(session.methods.len()) * METHODS_NODE
        + nodes(session.levels.len()) * LEVELS_NODE
        + nodes(session.data.len()) * DATA_NODE;
    let texts = texts + hints + custom_name + methods + data + session.user_id.as_str().len();
    u32::try_from(STRUCTURES + token.len() + texts + nodes).unwrap_or(u32::MAX)
}

/// How many nodes a B-tree of so many entries has at most: all but the first are half full.
fn nodes(entries: usize) -> usize {
    entries.div_ceil(5)
}

/// The weight of an entry without its token's bytes and the record's texts.
const STRUCTURES: usize = 800;

/// The weight of up to eleven names with their times.
const METHODS_NODE: usize = 288;

/// The weight of up to eleven levels with their times.
const LEVELS_NODE: usize = 112;

/// The weight of up to eleven names with their values.
const DATA_NODE: usize = 640;
