use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    peer: SocketAddr,
    header: String,
    lines: Vec<String>,
    trusted: Vec<String>,
    expect: IpAddr,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn headers<V: AsRef<[u8]>>(name: &str, lines: impl IntoIterator<Item = V>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(line.as_ref()).unwrap());
    }
    headers
}

fn ask(proxies: &TrustedProxies, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    proxies.client_ip(peer, headers.get_all(proxies.header_name()).iter().map(HeaderValue::as_bytes))
}

fn ours() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "fd00::/8"]).unwrap()
}

/// Asks from the trusted peer 10.0.0.1.
fn behind_proxy(proxies: &TrustedProxies, name: &str, lines: &[&str]) -> IpAddr {
    ask(proxies, Some(ip("10.0.0.1")), &headers(name, lines)).unwrap()
}

/// S86, S87: the table of the project.
#[test]
fn client_ip_passes_every_row_of_the_table() {
    const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/xff.json"));
    let vectors: Vectors = serde_json::from_str(TABLE).unwrap();
    assert_eq!(vectors.cases.len(), 32);

    for case in vectors.cases {
        let header = match case.header.as_str() {
            "x-forwarded-for" => ForwardedHeader::X_FORWARDED_FOR,
            "forwarded" => ForwardedHeader::FORWARDED,
            other => panic!("unknown header {other}"),
        };
        let proxies = TrustedProxies::new(&case.trusted).unwrap().header(header);
        let latin1 = |line: &String| line.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let lines: Vec<Vec<u8>> = case.lines.iter().map(latin1).collect();
        let client = ask(&proxies, Some(case.peer.ip()), &headers(&case.header, lines));
        assert_eq!(client, Some(case.expect), "{}", case.name);
    }
}

/// S86.
#[test]
fn only_the_configured_header_is_read() {
    let names = ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"];
    let choices = [
        ForwardedHeader::X_FORWARDED_FOR,
        ForwardedHeader::FORWARDED,
        ForwardedHeader::X_REAL_IP,
        ForwardedHeader::named("CF-Connecting-IP").unwrap(),
    ];
    for (chosen, choice) in choices.into_iter().enumerate() {
        let proxies = ours().header(choice);
        for (index, name) in names.iter().enumerate() {
            let line = if *name == "forwarded" { "for=198.51.100.1" } else { "198.51.100.1" };
            let expect = if index == chosen { "198.51.100.1" } else { "10.0.0.1" };
            assert_eq!(behind_proxy(&proxies, name, &[line]), ip(expect), "{name}");
        }
    }
    let named = ours().header(ForwardedHeader::named("Forwarded").unwrap());
    assert_eq!(behind_proxy(&named, "forwarded", &["for=198.51.100.1"]), ip("198.51.100.1"));
}

/// S86: trust nothing is the default, and no peer is no address.
#[test]
fn nobody_is_trusted_unless_named() {
    let forged = headers("x-forwarded-for", ["198.51.100.1"]);
    for proxies in [TrustedProxies::none(), TrustedProxies::default(), "".parse().unwrap()] {
        for peer in ["127.0.0.1", "10.0.0.1", "::1", "203.0.113.9"] {
            assert_eq!(ask(&proxies, Some(ip(peer)), &forged), Some(ip(peer)));
        }
        assert_eq!(ask(&proxies, None, &forged), None);
    }
    assert_eq!(ask(&ours(), None, &forged), None);
}

/// S87.
#[test]
fn hops_have_one_form_or_are_none() {
    let good = [
        ("198.51.100.1", "198.51.100.1"),
        ("198.51.100.1:0", "198.51.100.1"),
        ("198.51.100.1:65535", "198.51.100.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("[::ffff:198.51.100.1]:443", "198.51.100.1"),
        ("::ffff:c633:6401", "198.51.100.1"),
        ("::1", "::1"),
    ];
    let bad = [
        "",
        " ",
        "unknown",
        "_hidden",
        "localhost",
        "0.0.0.0",
        "0.0.0.0:80",
        "::",
        "[::]:80",
        "::ffff:0.0.0.0",
        "198.51.100",
        "198.51.100.1.2",
        "198.51.100.256",
        "198.51.100.01",
        "0xc6.51.100.1",
        "3325256705",
        "::ffff:198.51.100.01",
        "198.51.100.1:",
        "198.51.100.1:+80",
        "198.51.100.1:65536",
        "198.51.100.1:http",
        "198.51.100.1 198.51.100.2",
        "198.51.100.1/32",
        "198.51.100.1%eth0",
        "[198.51.100.1]",
        "[198.51.100.1]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]443",
        "[2001:db8::1]:",
        "[[2001:db8::1]]",
        "2001:db8::1%",
        "2001:db8::g",
        "2001:db8::1::2",
        "\"198.51.100.1\"",
        "for=198.51.100.1",
    ];
    for (text, expect) in good {
        assert_eq!(behind_proxy(&ours(), "x-forwarded-for", &[text]), ip(expect), "{text}");
    }
    for text in bad {
        assert_eq!(behind_proxy(&ours(), "x-forwarded-for", &[text]), ip("10.0.0.1"), "{text}");
        let line = format!("198.51.100.1, {text}, 10.0.0.7");
        assert_eq!(behind_proxy(&ours(), "x-forwarded-for", &[&line]), ip("10.0.0.7"), "{text}");
    }
}

/// S86: the parts of RFC 7239 that the table leaves open.
#[test]
fn forwarded_is_read_by_its_grammar() {
    let good = [
        "for=198.51.100.1",
        "FOR=\"198.51.100.1\"",
        "for=\"198.51.100.1:4711\"",
        "for=198.51.100.1:4711",
        "proto=https;for=198.51.100.1;by=10.0.0.1",
        "by=\"[fd00::1]\"; for=198.51.100.1; host=\"a;b,c\"",
        ";for=198.51.100.1;;",
        " for=198.51.100.1\t",
        "for=1.1.1.1,for=198.51.100.1",
        "for=1.1.1.1;for=2.2.2.2, for=198.51.100.1",
        "for=\"\\\"\", for=198.51.100.1",
        "for=\"a\\\\\", for=198.51.100.1",
    ];
    let bad = [
        "",
        "198.51.100.1",
        "for",
        "for=",
        "for=\"\"",
        "for =198.51.100.1",
        "for= 198.51.100.1x",
        "fort=198.51.100.1",
        "proto=https",
        "for=198.51.100.1;proto",
        "for=198.51.100.1;FOR=198.51.100.1",
        "for=\"198.51.100.1",
        "for=198.51.100.1\"",
        "for=\"198.51.100.1\"x",
        "for=x\"198.51.100.1\"",
        "for=\"198.51.100.1\";x=\"a\"b\"c\"",
        "for=\"198.51.100.1\\\"",
        "for=\"198.51.100.\\1\"",
        "for=198.51.100.1,",
        "for=198.51.100.1;x=\", for=\"[2001:db8::1]\"",
        "for=198.51.100.1;x=\"\\, for=\"[2001:db8::1]\"",
        "for=\"x, for=\"[2001:db8::1]:4711\"",
        "for=198.51.100.1\u{e9}",
        "\"a\"=b;for=198.51.100.1",
        "for=198.51.100.1;x=\"a\\\"",
        "for=\\\", for=198.51.100.1",
    ];
    let proxies = ours().header(ForwardedHeader::FORWARDED);
    for line in good {
        assert_eq!(behind_proxy(&proxies, "forwarded", &[line]), ip("198.51.100.1"), "{line}");
    }
    for line in bad {
        assert_eq!(behind_proxy(&proxies, "forwarded", &[line]), ip("10.0.0.1"), "{line}");
    }
    // A quote that the client left open does not reach into the line that the proxy added.
    let lines = ["for=\"1.1.1.1", "for=198.51.100.1, for=10.0.0.2"];
    assert_eq!(behind_proxy(&proxies, "forwarded", &lines), ip("198.51.100.1"));
    // Nor does a line that cannot be read make way for the one before it.
    let lines = ["for=198.51.100.1", "for=\"1.1.1.1"];
    assert_eq!(behind_proxy(&proxies, "forwarded", &lines), ip("10.0.0.1"));
}

/// S86, R35: the length of the header is the client's choice, the work is not.
#[test]
fn walk_ends_after_a_hundred_hops() {
    let line = |trusted: usize| format!("198.51.100.1{}", ", 10.0.0.2".repeat(trusted));
    assert_eq!(behind_proxy(&ours(), "x-forwarded-for", &[&line(99)]), ip("198.51.100.1"));
    assert_eq!(behind_proxy(&ours(), "x-forwarded-for", &[&line(100)]), ip("10.0.0.2"));
}

/// S87: ranges are normalised like the addresses that they are compared with.
#[test]
fn ranges_and_addresses_are_trusted_as_written() {
    let table = [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("10.1.2.3/8", "10.0.0.0", "9.255.255.255"),
        (" 192.0.2.1\t", "192.0.2.1", "192.0.2.2"),
        ("192.0.2.1/32", "::ffff:192.0.2.1", "192.0.2.0"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:10.0.0.0/104", "10.0.0.1", "11.0.0.1"),
        ("fd00::/8", "fdff::1", "fe00::1"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
    ];
    let forwarded = headers("x-forwarded-for", ["198.51.100.1"]);
    for (range, inside, outside) in table {
        for proxies in [TrustedProxies::new([range]), range.parse()] {
            let proxies = proxies.unwrap();
            // 198.51.100.1 is what the header says, whether it is trusted or not.
            let client = |peer| ask(&proxies, Some(ip(peer)), &forwarded);
            assert_eq!(client(inside), Some(ip("198.51.100.1")), "{range} {inside}");
            assert_eq!(client(outside), Some(ip(outside)), "{range} {outside}");
        }
    }
}

/// S86: a wrong setting is told by name.
#[test]
fn error_names_the_item_that_is_wrong() {
    for item in [
        "nonsense",
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/ 8",
        "10.0.0.0/255.0.0.0",
        "10.0.0/8",
        "010.0.0.0/8",
        "10.0.0.1:80",
        "[fd00::1]",
        "fe80::1%eth0",
        "/8",
        "10.0.0.0/8/8",
        "a\nb",
    ] {
        let error = TrustedProxies::new(["fd00::/8", item]).unwrap_err();
        assert_eq!(error.item(), item);
        let parsed = format!("fd00::/8, {item} ,10.0.0.0/8").parse::<TrustedProxies>();
        assert_eq!(parsed.unwrap_err(), error);
        let message =
            format!("trusted proxy {item:?} is neither an ip address, nor a cidr range, nor the name of a header");
        assert_eq!(error.to_string(), message);
        assert!(!message.contains('\n'));
    }
    for list in [",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,fd00::/8"] {
        assert_eq!(list.parse::<TrustedProxies>().unwrap_err().item(), "", "{list}");
    }
}

#[derive(Clone, Debug)]
enum Hop {
    Trusted(u8),
    Client(u8),
    Garbage(&'static str),
}

impl Hop {
    fn list_item(&self) -> String {
        match self {
            Self::Trusted(n) => format!("10.0.0.{n}"),
            Self::Client(n) => format!("[2001:db8::{n:x}]:443"),
            Self::Garbage(text) => (*text).to_owned(),
        }
    }

    fn forwarded_element(&self) -> String {
        match self {
            Self::Trusted(n) => format!("by=proxy;For=10.0.0.{n}"),
            Self::Client(n) => format!("for=\"[2001:db8::{n:x}]:443\";host=\"a,b;c\""),
            Self::Garbage(text) => format!("for={text}"),
        }
    }
}

fn hops() -> impl Strategy<Value = Vec<Vec<Hop>>> {
    let garbage = prop::sample::select(vec!["unknown", "_x", "", "0.0.0.0", "010.0.0.1", "1.2.3"]);
    let hop = prop_oneof![
        4 => any::<u8>().prop_map(Hop::Trusted),
        2 => (1..=u8::MAX).prop_map(Hop::Client),
        1 => garbage.prop_map(Hop::Garbage),
    ];
    prop::collection::vec(prop::collection::vec(hop, 1..5), 0..4)
}

/// What the walk must find, said from the left: each hop either hides what came before, or adopts
/// it.
fn expected(peer: IpAddr, lines: &[Vec<Hop>]) -> IpAddr {
    let mut found = None;
    for hop in lines.iter().flatten() {
        found = match hop {
            Hop::Trusted(n) => found.or(Some(ip(&format!("10.0.0.{n}")))),
            Hop::Client(n) => Some(ip(&format!("2001:db8::{n:x}"))),
            Hop::Garbage(_) => None,
        };
    }
    found.unwrap_or(peer)
}

proptest! {
    /// S86: the rightmost untrusted hop, never one left of it, never one left of garbage, and a
    /// trusted address only if nothing else stands right of it.
    #[test]
    fn walk_finds_the_rightmost_untrusted_hop(lines in hops(), trusted_peer: bool) {
        let peer = ip(if trusted_peer { "10.9.9.9" } else { "203.0.113.9" });
        let expect = if trusted_peer { expected(peer, &lines) } else { peer };

        let join = |item: fn(&Hop) -> String| -> Vec<String> {
            let line = |hops: &Vec<Hop>| hops.iter().map(item).collect::<Vec<_>>().join(", ");
            lines.iter().map(line).collect()
        };
        let list = headers("x-forwarded-for", join(Hop::list_item));
        prop_assert_eq!(ask(&ours(), Some(peer), &list), Some(expect));

        let forwarded = headers("forwarded", join(Hop::forwarded_element));
        let proxies = ours().header(ForwardedHeader::FORWARDED);
        prop_assert_eq!(ask(&proxies, Some(peer), &forwarded), Some(expect));
    }

    /// R36: arbitrary bytes neither panic nor make an address that the header does not contain.
    #[test]
    fn arbitrary_lines_yield_the_peer_or_an_address(
        lines in prop::collection::vec(
            prop::collection::vec(prop::sample::select(&b"for=\";,[]:%.0123 a\\\t\xff"[..]), 0..40),
            0..4,
        ),
        forwarded: bool,
    ) {
        let (name, header) = match forwarded {
            true => ("forwarded", ForwardedHeader::FORWARDED),
            false => ("x-forwarded-for", ForwardedHeader::X_FORWARDED_FOR),
        };
        let headers = headers(name, lines);
        let client = ask(&ours().header(header), Some(ip("10.0.0.1")), &headers).unwrap();
        prop_assert!(!client.is_unspecified());
        prop_assert_eq!(client, client.to_canonical());
        let stranger = Some(ip("203.0.113.9"));
        prop_assert_eq!(ask(&ours(), stranger, &headers), stranger);
    }

    /// S86: what a client writes does not matter once a proxy has appended its address.
    #[test]
    fn client_cannot_hide_behind_what_it_writes(
        forged in prop::collection::vec("[ -~]{0,40}", 0..4),
        same_line: bool,
    ) {
        let mut lines = forged;
        match lines.last_mut().filter(|_| same_line) {
            Some(line) => line.push_str(", 198.51.100.1"),
            None => lines.push("198.51.100.1".to_owned()),
        }
        let list = headers("x-forwarded-for", lines);
        prop_assert_eq!(ask(&ours(), Some(ip("10.0.0.1")), &list), Some(ip("198.51.100.1")));
    }
}

#[test]
fn a_header_that_cannot_be_one_is_refused() {
    for name in ["", "two words", "x-forwarded-for:", "x\n", "ü"] {
        assert_eq!(ForwardedHeader::named(name).unwrap_err().item(), name);
    }
}
