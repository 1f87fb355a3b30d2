//! A tiny writer of databases in MaxMind's format, for tests of reading them.

use std::net::IpAddr;

/// A value of a record.
#[derive(Clone)]
pub enum Value {
    Text(String),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(String, Value)>),
    Array(Vec<Value>),
    /// Bytes that need not be a value.
    Raw(Vec<u8>),
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Value {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(bytes, 2, text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
            Self::Short(number) => {
                control(bytes, 5, 2);
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            Self::Number(number) => {
                control(bytes, 6, 4);
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            Self::Long(number) => {
                control(bytes, 9, 8);
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            Self::Map(entries) => {
                control(bytes, 7, entries.len());
                for (key, value) in entries {
                    text(key).write(bytes);
                    value.write(bytes);
                }
            }
            Self::Array(items) => {
                control(bytes, 11, items.len());
                items.iter().for_each(|item| item.write(bytes));
            }
            Self::Raw(raw) => bytes.extend_from_slice(raw),
        }
    }
}

/// The byte before a value: its type and, up to 284, its size.
fn control(bytes: &mut Vec<u8>, kind: u8, size: usize) {
    let short = if size < 29 { u8::try_from(size).expect("small") } else { 29 };
    match kind {
        ..=7 => bytes.push(kind << 5 | short),
        _ => bytes.extend([short, kind - 7]),
    }
    if size >= 29 {
        bytes.push(u8::try_from(size - 29).expect("a short value"));
    }
}

/// A database of this type, with a record for each of these networks.
pub fn database(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    // Every node has two records: a node, nothing, or the place of data.
    let mut nodes = vec![[Record::Nothing; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let (address, length) = network.split_once('/').expect("a network");
        let length: usize = length.parse().expect("a length");
        let (bits, length) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (u128::from(u32::from(address)), length + 96),
            IpAddr::V6(address) => (u128::from(address), length),
        };
        let offset = data.len();
        value.write(&mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[node][side] = Record::Data(offset);
            } else if let Record::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Record::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Record::Node(next);
                node = next;
            }
        }
    }

    let count = nodes.len();
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Nothing => count,
            Record::Node(node) => *node,
            Record::Data(offset) => count + 16 + offset,
        };
        bytes.extend_from_slice(&u32::try_from(number).expect("a small database").to_be_bytes());
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    map([
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_767_225_600)),
        ("database_type", text(kind)),
        ("description", map([("en", text("for tests"))])),
        ("ip_version", Value::Short(6)),
        ("languages", Value::Array(vec![text("en")])),
        ("node_count", Value::Number(u32::try_from(count).expect("a small database"))),
        ("record_size", Value::Short(32)),
    ])
    .write(&mut bytes);
    bytes
}

#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    Data(usize),
}
