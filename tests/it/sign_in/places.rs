//! Places: found at sign-in, from a database, from a proxy, or not at all.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::Request,
    routing::post,
};
use tower_device_sessions::{
    ClientInfo, Error, SessionLayer, SessionManager, StartedSession, TrustedProxies, client_ip::LocationHeaders,
    location::Location,
};

use crate::support::{Kit, TestResult, get_with, send};

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

async fn login(State(sessions): State<SessionManager>, client: ClientInfo) -> Result<StartedSession, Error> {
    sessions.start("ann", client).await
}

/// Signs in over HTTP from this peer, and returns the place on record.
async fn sign_in_from(kit: &Kit, peer: &str, headers: &[(&str, &str)]) -> Result<Option<Location>, Error> {
    let app = Router::new()
        .route("/login", post(login))
        .layer(SessionLayer::new(&kit.sessions))
        .with_state(kit.sessions.clone());
    let mut request = Request::post("/login").extension(ConnectInfo(SocketAddr::new(address(peer).expect("one"), 1)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = send(&app, request.body(Body::empty()).expect("a good request")).await;
    let id = answer.json()["sessionId"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    Ok(kit.sessions.find(&"ann".try_into()?, id).await?.expect("a record").location)
}

/// Only at sign-in.
#[tokio::test]
async fn places_are_asked_for_at_sign_in_alone() -> TestResult {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let berlin = || Location::new(Some("Berlin"), None, Some("DE"));
    let kit = Kit::with(|builder| {
        builder.locate(move |ip: IpAddr| {
            counter.fetch_add(1, Ordering::SeqCst);
            (Some(ip) == address("81.2.69.142")).then(berlin)
        })
    });
    let client = ClientInfo::new().ip(address("::ffff:81.2.69.142"));
    let started = kit.sessions.start("ann", client).await?;
    assert_eq!(started.session().location, Some(berlin()));
    for _ in 0..3 {
        let list = get_with(&kit.app(), "/api/sessions", started.token()).await;
        assert_eq!(list.json()[0]["location"]["city"], "Berlin");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    let _ = kit.sessions.start("ann", ClientInfo::new()).await?;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "without an address there is nothing to ask");
    let known = ClientInfo::new().ip(address("81.2.69.142")).location(Some(Location::new(Some("Rome"), None, None)));
    let started = kit.sessions.start("ann", known).await?;
    assert_eq!(started.session().location.as_ref().and_then(|place| place.city.as_deref()), Some("Rome"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    Ok(())
}

/// No database, no place, no error; and code that panics fails no sign-in.
#[tokio::test]
async fn a_sign_in_needs_no_place() -> TestResult {
    let client = || ClientInfo::new().ip(address("81.2.69.142"));
    assert_eq!(Kit::new().sessions.start("ann", client()).await?.session().location, None);
    assert_eq!(Kit::new().sessions.location_attribution(), None);
    let empty = Kit::with(|builder| builder.locate(|_: IpAddr| Some(Location::default())));
    assert_eq!(empty.sessions.start("ann", client()).await?.session().location, None);
    let broken = Kit::with(|builder| builder.locate(|_: IpAddr| panic!("a test of a panic")));
    assert_eq!(broken.sessions.start("ann", client()).await?.session().location, None);
    Ok(())
}

/// S86: the place in a header is that of a trusted proxy, or none.
#[tokio::test]
async fn a_place_by_header_is_believed_of_a_trusted_proxy_alone() -> TestResult {
    let trusted = |headers| TrustedProxies::new(["10.0.0.0/8"]).map(|proxies| proxies.location_headers(headers));
    let (cloudflare, none) = (trusted(LocationHeaders::CLOUDFLARE)?, trusted(LocationHeaders::new())?);
    let sent = [("cf-ipcountry", "FR"), ("x-forwarded-for", "81.2.69.142")];
    let france = Some(Location::new(None, None, Some("FR")));

    let kit = Kit::with(|builder| builder.trusted_proxies(cloudflare.clone()));
    assert_eq!(sign_in_from(&kit, "10.0.0.1", &sent).await?, france);
    assert_eq!(sign_in_from(&kit, "203.0.113.9", &sent).await?, None);
    let kit = Kit::with(|builder| builder.trusted_proxies(none));
    assert_eq!(sign_in_from(&kit, "10.0.0.1", &sent).await?, None);

    // A database comes first, and the proxy where that does not know.
    let berlin = || Location::new(Some("Berlin"), None, Some("DE"));
    let kit = Kit::with(|builder| {
        builder.trusted_proxies(cloudflare).locate(move |ip: IpAddr| (Some(ip) == address("81.2.69.142")).then(berlin))
    });
    assert_eq!(sign_in_from(&kit, "10.0.0.1", &sent).await?, Some(berlin()));
    let elsewhere = [("cf-ipcountry", "FR"), ("x-forwarded-for", "81.2.69.143")];
    assert_eq!(sign_in_from(&kit, "10.0.0.1", &elsewhere).await?, france);
    Ok(())
}

#[cfg(feature = "geoip")]
mod databases {
    use std::{error::Error as _, fs, path::PathBuf};

    use proptest::prelude::*;
    use tower_device_sessions::{
        geoip::{GeoIp, GeoIpErrorKind},
        location::Locate,
    };

    use super::{
        super::mmdb::{Value, database, map, text},
        *,
    };

    fn names(english: &str, german: Option<&str>) -> Value {
        let mut names = vec![("en", text(english))];
        names.extend(german.map(|name| ("de", text(name))));
        map([("names", map(names))])
    }

    fn cologne() -> Value {
        map([
            ("city", names("Cologne", Some("Köln"))),
            ("subdivisions", Value::Array(vec![names("North Rhine-Westphalia", Some("Nordrhein-Westfalen"))])),
            ("country", map([("iso_code", text("DE"))])),
        ])
    }

    fn two_places() -> Vec<u8> {
        let flat = map([("city", text("Lyon")), ("region", text("Rhône")), ("country", text("FR"))]);
        database("GeoLite2-City", &[("81.2.69.0/24", cologne()), ("2001:218::/32", flat)])
    }

    fn place(places: &GeoIp, ip: &str) -> Option<Location> {
        places.locate(address(ip).expect("an address"))
    }

    #[test]
    fn a_database_knows_city_region_and_country() -> TestResult {
        let places = GeoIp::from_bytes(two_places())?;
        let cologne = Location::new(Some("Cologne"), Some("North Rhine-Westphalia"), Some("DE"));
        assert_eq!(place(&places, "81.2.69.142"), Some(cologne.clone()));
        assert_eq!(place(&places, "::ffff:81.2.69.142"), Some(cologne));
        assert_eq!(place(&places, "81.2.70.1"), None);
        let lyon = Location::new(Some("Lyon"), Some("Rhône"), Some("FR"));
        assert_eq!(place(&places, "2001:218:1::1"), Some(lyon.clone()));

        let german = places.clone().language("de");
        let köln = Location::new(Some("Köln"), Some("Nordrhein-Westfalen"), Some("DE"));
        assert_eq!(place(&german, "81.2.69.142"), Some(köln));
        assert_eq!(place(&places.language("ja"), "2001:218:1::1"), Some(lyon));
        Ok(())
    }

    #[test]
    fn private_addresses_have_no_place_whatever_the_database_says() -> TestResult {
        let places = GeoIp::from_bytes(database("Test", &[("0.0.0.0/0", cologne())]))?;
        assert!(place(&places, "81.2.69.142").is_some());
        for private in ["10.0.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1", "::1", "fd00::1"] {
            assert_eq!(place(&places, private), None, "{private}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_database_is_replaced_while_the_server_runs() -> TestResult {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("places-{}.mmdb", std::process::id()));
        fs::write(&path, database("Test", &[("1.0.0.0/8", cologne())]))?;
        let places = GeoIp::from_path(&path)?;
        let kit = Kit::with(|builder| builder.locate(places.clone()));
        let city = async || -> Result<Option<String>, Error> {
            let started = kit.sessions.start("ann", ClientInfo::new().ip(address("81.2.69.142"))).await?;
            Ok(started.session().location.as_ref().and_then(|place| place.city.as_deref()).map(str::to_owned))
        };
        assert_eq!(city().await?, None);
        fs::write(&path, two_places())?;
        places.reload()?;
        assert_eq!(city().await?.as_deref(), Some("Cologne"));

        // A broken update changes nothing.
        fs::write(&path, b"half of a fi")?;
        assert_eq!(places.reload().map_err(|error| error.kind()), Err(GeoIpErrorKind::Corrupt));
        assert_eq!(city().await?.as_deref(), Some("Cologne"));
        fs::remove_file(&path)?;
        assert_eq!(places.reload().map_err(|error| error.kind()), Err(GeoIpErrorKind::Unreadable));
        assert_eq!(city().await?.as_deref(), Some("Cologne"));
        Ok(())
    }

    #[test]
    fn the_licence_of_the_data_is_shown_beside_it() -> TestResult {
        let said = |kind: &str| -> Result<Option<String>, Box<dyn std::error::Error + Send + Sync>> {
            let places = GeoIp::from_bytes(database(kind, &[("1.0.0.0/8", cologne())]))?;
            Ok(Kit::with(|builder| builder.locate(places)).sessions.location_attribution().map(Into::into))
        };
        assert!(said("GeoLite2-City")?.is_some_and(|text| text.contains("MaxMind")));
        assert!(said("DBIP-City-Lite")?.is_some_and(|text| text.contains("DB-IP")));
        assert_eq!(said("GeoIP2-City")?, None);
        let either = said("city ipv4")?.ok_or("only the name of the file would tell")?;
        assert!(either.contains("MaxMind") && either.contains("DB-IP"), "{either}");
        assert_eq!(said("country ipv4")?, None);
        let own = GeoIp::empty().attribution("Places by us");
        assert_eq!(Locate::attribution(&own).as_deref(), Some("Places by us"));
        Ok(())
    }

    /// Flat files, where the region is called `state1` and unknown parts are empty, and where its code stands
    /// beside.
    #[test]
    fn a_flat_record_names_its_region() -> TestResult {
        let city = |parts: &[(&str, &str)]| {
            let record = map(parts.iter().map(|(key, value)| (*key, text(value))));
            GeoIp::from_bytes(database("city ipv4", &[("81.2.69.0/24", record)])).map(|g| place(&g, "81.2.69.142"))
        };
        for (parts, region) in [
            (&[("state1", "England"), ("state2", "Kent")][..], Some("England")),
            (&[("state1", ""), ("state2", ""), ("postcode", "")], None),
            (&[("region", ""), ("state1", "England")], Some("England")),
            (&[("region", "NSW"), ("region_name", "New South Wales")], Some("New South Wales")),
            (&[("region_name", ""), ("region", "New South Wales")], Some("New South Wales")),
        ] {
            let parts = [&[("city", "Town"), ("country_code", "GB"), ("country", "United Kingdom")], parts].concat();
            assert_eq!(city(&parts)?, Some(Location::new(Some("Town"), region, Some("GB"))), "{parts:?}");
        }
        Ok(())
    }

    /// An owner of a network is no place, and who opens the wrong file hears of it.
    #[test]
    fn a_database_without_places_is_refused() -> TestResult {
        let asn = || map([("autonomous_system_number", Value::Number(13_335)), ("asn", text("AS13335"))]);
        let of = |kind: &str, record: Value| GeoIp::from_bytes(database(kind, &[("1.0.0.0/8", record)]));
        for (kind, record) in [("GeoLite2-ASN", asn()), ("GeoIP2-Anonymous-IP", map([("is_tor", text("yes"))]))] {
            let error = of(kind, record).expect_err("it has no places");
            assert_eq!(error.kind(), GeoIpErrorKind::NoPlaces);
            let source = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(error.to_string().contains("no places") && source.contains(kind), "{error}: {source}");
        }
        for places in [map([("asn", text("AS1")), ("country_code", text("AU"))]), cologne()] {
            assert!(of("ipinfo lite", places).is_ok());
        }
        let mixed = database("Test", &[("1.0.0.0/8", asn()), ("81.2.69.0/24", cologne())]);
        let places = GeoIp::from_bytes(mixed)?;
        assert!(place(&places, "81.2.69.142").is_some());
        let refused = places.replace(database("GeoLite2-ASN", &[("1.0.0.0/8", asn())]));
        assert_eq!(refused.map_err(|error| error.kind()), Err(GeoIpErrorKind::NoPlaces));
        assert!(place(&places, "81.2.69.142").is_some(), "the old one stays");
        Ok(())
    }

    /// A file for each address family is one `GeoIp`.
    #[test]
    fn two_files_are_one_source_of_places() -> TestResult {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("families-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let lyon = || map([("city", text("Lyon")), ("country_code", text("FR"))]);
        let files = ["geolite2-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"].map(|name| folder.join(name));
        fs::write(&files[0], database("city ipv4", &[("81.2.69.0/24", cologne())]))?;
        fs::write(&files[1], database("city ipv6", &[("2001:218::/32", lyon())]))?;
        let places = GeoIp::from_path(&files[0])?.or(GeoIp::from_path(&files[1])?).language("de");
        let city = |ip| place(&places, ip).and_then(|place| place.city);
        assert_eq!((city("81.2.69.142").as_deref(), city("2001:218::1").as_deref()), (Some("Köln"), Some("Lyon")));
        assert_eq!(city("2001:219::1"), None);
        let attribution = Locate::attribution(&places).ok_or("two licences")?;
        assert!(attribution.contains("MaxMind") && attribution.contains("DB-IP"), "{attribution}");

        // Both files are read again, or neither.
        fs::write(&files[0], database("city ipv4", &[("81.2.69.0/24", lyon())]))?;
        fs::write(&files[1], b"half of a fi")?;
        assert_eq!(places.reload().map_err(|error| error.kind()), Err(GeoIpErrorKind::Corrupt));
        assert_eq!(city("81.2.69.142").as_deref(), Some("Köln"));
        fs::write(&files[1], database("city ipv6", &[("2001:219::/32", lyon())]))?;
        places.reload()?;
        assert_eq!(city("81.2.69.142").as_deref(), Some("Lyon"));
        assert_eq!((city("2001:218::1"), city("2001:219::1").as_deref()), (None, Some("Lyon")));
        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    /// Where a relay stands is not where anybody is.
    #[test]
    fn addresses_of_tunnels_have_no_place() -> TestResult {
        let places = GeoIp::from_bytes(database("Test", &[("2002::/16", cologne()), ("2001::/16", cologne())]))?;
        for tunnel in ["2002:5102:458e::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"] {
            assert_eq!(place(&places, tunnel), None, "{tunnel}");
        }
        assert!(place(&places, "2001:218::1").is_some());
        Ok(())
    }

    /// People ask for `pt` and `zh`, and databases have `pt-BR` and `zh-CN`.
    #[test]
    fn a_language_is_found_by_its_prefix() -> TestResult {
        let names = map([
            ("de", text("Peking")),
            ("en", text("Beijing")),
            ("pt-BR", text("Pequim")),
            ("zh-CN", text("北京")),
            ("ja", text("")),
        ]);
        let record = map([("city", map([("names", names)])), ("country", map([("iso_code", text("CN"))]))]);
        let places = GeoIp::from_bytes(database("GeoLite2-City", &[("81.2.69.0/24", record)]))?;
        for (language, name) in [
            ("en", "Beijing"),
            ("pt", "Pequim"),
            ("pt-BR", "Pequim"),
            ("pt-PT", "Pequim"),
            ("PT_br", "Pequim"),
            ("zh", "北京"),
            ("zh-Hans-CN", "北京"),
            ("de-AT", "Peking"),
            ("en-GB", "Beijing"),
            ("ja", "Beijing"),
            ("p", "Beijing"),
            ("", "Beijing"),
        ] {
            let city = place(&places.clone().language(language), "81.2.69.142").and_then(|place| place.city);
            assert_eq!(city.as_deref(), Some(name), "{language:?}");
        }
        Ok(())
    }

    #[test]
    fn without_a_database_there_is_no_place() {
        assert_eq!(place(&GeoIp::empty(), "81.2.69.142"), None);
        assert_eq!(GeoIp::empty().built_at(), None);
    }

    /// Bad input: what is no database is refused, and says so.
    #[test]
    fn what_is_no_database_is_refused() {
        let whole = two_places();
        let metadata = whole.windows(14).position(|window| window == b"\xab\xcd\xefMaxMind.com").expect("a marker");
        let mut cut = vec![Vec::new(), b"hello".to_vec(), vec![0; 4_096], vec![0xff; 4_096]];
        cut.extend([1, metadata, metadata + 14, whole.len() - 1].map(|length| whole[..length].to_vec()));
        cut.push(whole[metadata..].to_vec());
        for bytes in cut {
            let error = GeoIp::from_bytes(bytes).expect_err("no database");
            assert_eq!(error.kind(), GeoIpErrorKind::Corrupt);
            assert!(error.source().is_some());
        }
        let missing = GeoIp::from_path("/nowhere/at/all.mmdb").expect_err("no file");
        let folder = GeoIp::from_path(env!("CARGO_MANIFEST_DIR")).expect_err("a folder");
        assert_eq!((missing.kind(), folder.kind()), (GeoIpErrorKind::Unreadable, GeoIpErrorKind::Unreadable));
    }

    /// Bad input: a record that points at itself, that nests without end, or that claims to be huge.
    #[test]
    fn a_hostile_record_has_no_place() -> TestResult {
        let deep = (0..2_000).fold(text("deep"), |inner, _| Value::Array(vec![inner]));
        for hostile in [
            Value::Raw(vec![0x20, 0x00]),
            Value::Raw(vec![0xe1, 0x44, b'c', b'i', b't', b'y', 0x20, 0x00]),
            Value::Raw(vec![0x5f, 0xff, 0xff, 0xff, b'x']),
            Value::Raw(vec![0xff, 0xff, 0xff, 0xff]),
            Value::Raw(Vec::new()),
            map([("city", deep)]),
            map([("city", map([("names", map([("en", Value::Raw(vec![0x42, 0xff, 0xfe]))]))]))]),
        ] {
            let places = GeoIp::from_bytes(database("Test", &[("81.2.69.0/24", hostile)]))?;
            assert_eq!(place(&places, "81.2.69.142"), None);
        }
        let shown = map([("city", text("<script>\u{202e}alert(1)\r\n")), ("country", text("<b>"))]);
        let places = GeoIp::from_bytes(database("Test", &[("81.2.69.0/24", shown)]))?;
        assert_eq!(place(&places, "81.2.69.142"), Some(Location::new(Some("<script>alert(1)"), None, None)));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Bad input: a database with some bytes changed is refused, or gives some answer.
        #[test]
        fn a_corrupt_database_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = two_places();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(places) = GeoIp::from_bytes(bytes) {
                for ip in ["81.2.69.142", "81.2.70.1", "2001:218::1", "8.8.8.8"] {
                    let _ = place(&places, ip);
                }
            }
        }
    }
}
