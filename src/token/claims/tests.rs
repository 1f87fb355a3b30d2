//! Claims under a good signature that are not acceptable, each at its boundary.

use super::*;

const NOW: i64 = 1_767_225_600;

fn judge(claims: &str, options: &TokenOptions) -> Result<VerifiedToken, TokenRejection> {
    verify(claims.as_bytes(), options, Timestamp::from_seconds(NOW))
}

const SID: &str = "019b75a2-7c00-7000-8000-000000000001";

/// Our usual claims, without those that `more` has, and with `more`.
fn claims(more: &str) -> String {
    let usual = [
        ("sub", "\"ann\"".to_owned()),
        ("sid", format!("\"{SID}\"")),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 600).to_string()),
    ];
    let mut all: Vec<_> = usual
        .iter()
        .filter(|(name, _)| !more.contains(&format!("\"{name}\":")))
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    all.extend((!more.is_empty()).then(|| more.to_owned()));
    format!("{{{}}}", all.join(","))
}

fn without(name: &str) -> String {
    claims(&format!("\"{name}\":0")).replace(&format!(",\"{name}\":0"), "")
}

#[test]
fn good_claims_are_read() {
    let verified = judge(
        &claims(r#""gen":7,"jti":"x","auth_time":1,"amr":["pwd"],"acr":"aal1","app":{"a":[1]}"#),
        &TokenOptions::new(),
    );
    let verified = verified.unwrap();
    assert_eq!(verified.user_id.as_str(), "ann");
    assert_eq!(verified.session_id.to_string(), SID);
    assert_eq!(verified.issued_at, Timestamp::from_seconds(NOW));
    assert_eq!(verified.expires_at, Timestamp::from_seconds(NOW + 600));
    assert_eq!(verified.generation, Some(7));
}

/// S05, S06, S15: the boundaries, with a leeway of 30 seconds.
#[test]
fn times_are_checked_to_the_second() {
    use TokenRejection::{Expired, IssuedInFuture, Lifetime, NotYetValid};
    let year = 365 * 86_400;
    let month = 30 * 86_400;
    let table = [
        (format!("\"exp\":{},\"iat\":{}", NOW - 29, NOW - 60), None),
        (format!("\"exp\":{},\"iat\":{}", NOW - 30, NOW - 60), Some(Expired)),
        (format!("\"exp\":{},\"iat\":{}", NOW - 31, NOW - 60), Some(Expired)),
        (format!("\"exp\":{}.9,\"iat\":{}", NOW - 30, NOW - 60), Some(Expired)),
        ("\"exp\":0,\"iat\":0".to_owned(), Some(Expired)),
        (format!("\"nbf\":{}", NOW + 30), None),
        (format!("\"nbf\":{}", NOW + 31), Some(NotYetValid)),
        ("\"nbf\":0".to_owned(), None),
        (format!("\"iat\":{}", NOW + 30), None),
        (format!("\"iat\":{}", NOW + 31), Some(IssuedInFuture)),
        (format!("\"iat\":{},\"nbf\":{}", NOW + 31, NOW + 31), Some(NotYetValid)),
        (format!("\"iat\":{},\"exp\":{}", NOW + 31, NOW - 31), Some(Lifetime)),
        (format!("\"exp\":{}", NOW + month), None),
        (format!("\"exp\":{}", NOW + month + 1), Some(Lifetime)),
        (format!("\"exp\":{}", NOW + year), Some(Lifetime)),
        (format!("\"exp\":{}", LAST_SECOND), Some(Lifetime)),
        (format!("\"exp\":{},\"iat\":{}", NOW - 10, NOW - 10), None),
        (format!("\"exp\":{},\"iat\":{}", NOW - 10, NOW - 9), Some(Lifetime)),
        (format!("\"exp\":{}e-1", (NOW + 600) * 10), None),
    ];
    for (more, expected) in table {
        assert_eq!(judge(&claims(&more), &TokenOptions::new()).err(), expected, "{more}");
    }

    let exact = TokenOptions::new().leeway(Duration::ZERO);
    let table = [(NOW + 1, None), (NOW, Some(Expired)), (NOW - 1, Some(Expired))];
    for (exp, expected) in table {
        let more = format!("\"exp\":{exp},\"iat\":{}", NOW - 60);
        assert_eq!(judge(&claims(&more), &exact).err(), expected, "{more}");
    }
}

/// S05, S06, S08, S10.
#[test]
fn every_claim_has_its_one_type() {
    let not_dates = [
        "null",
        "true",
        "\"1767225600\"",
        "\"x\"",
        "[]",
        "[1767225600]",
        "{}",
        "-1",
        "-0",
        "-1767225600",
        "253402300800",
        "1e13",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551617",
        "1e300",
        "-1e300",
        "\"\"",
        "\"Infinity\"",
    ];
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for value in not_dates {
            let more = format!("\"{name}\":{value}");
            assert_eq!(judge(&claims(&more), &TokenOptions::new()).err(), Some(TokenRejection::Claims), "{more}");
        }
    }
    let lenient = TokenOptions::new().max_lifetime(Duration::from_secs(3_000 * 86_400));
    for name in ["iss", "sub", "jti", "acr"] {
        for value in ["null", "1", "true", "[]", "[\"ann\"]", "{}"] {
            let more = format!("\"{name}\":{value}");
            assert_eq!(judge(&claims(&more), &lenient).err(), Some(TokenRejection::Claims), "{more}");
        }
    }
    for value in ["null", "\"pwd\"", "1", "[1]", "[\"pwd\",null]", "{}"] {
        let more = format!("\"amr\":{value}");
        assert_eq!(judge(&claims(&more), &lenient).err(), Some(TokenRejection::Claims), "{more}");
    }
    for value in ["null", "-1", "1.0", "1e0", "\"1\"", "[1]", "4294967296", "true"] {
        let more = format!("\"gen\":{value}");
        assert_eq!(judge(&claims(&more), &lenient).err(), Some(TokenRejection::Claims), "{more}");
    }
    assert_eq!(judge(&claims("\"gen\":4294967295"), &lenient).unwrap().generation, Some(u32::MAX));
}

/// S10.
#[test]
fn the_session_id_is_a_canonical_uuid() {
    let upper = SID.to_uppercase();
    let simple = SID.replace('-', "");
    let strings = ["", "x", "..", "../../etc/passwd", &upper, &simple, "0", "' OR 1=1 --"];
    let padded = format!("\"{SID} \"");
    let braced = format!("\"{{{SID}}}\"");
    let in_array = format!("[\"{SID}\"]");
    let mut values: Vec<String> = strings.iter().map(|text| format!("\"{text}\"")).collect();
    values.extend(["null", "1", "true", "{}", "[]"].map(str::to_owned));
    values.extend([padded, braced, in_array]);
    for value in values {
        let more = format!("\"sid\":{value}");
        assert_eq!(judge(&claims(&more), &TokenOptions::new()).err(), Some(TokenRejection::SessionIdClaim), "{more}");
    }
}

#[test]
fn the_session_id_is_read_from_its_claim_alone() {
    for name in ["session_id", "sessionId", "https://example.com/sid"] {
        let options = TokenOptions::new().session_id_claim(name);
        assert_eq!(judge(&claims(""), &options).err(), Some(TokenRejection::SessionIdClaim));
        assert!(judge(&claims(&format!("\"{name}\":\"{SID}\"")), &options).is_ok());
        let other = without("sid").replace('}', &format!(",\"{name}\":\"{SID}\"}}"));
        assert!(judge(&other, &options).is_ok());
        assert_eq!(judge(&other, &TokenOptions::new()).err(), Some(TokenRejection::SessionIdClaim));
    }
}

/// S10.
#[test]
fn the_subject_is_a_user_id() {
    let long = "x".repeat(129);
    for subject in ["", " ", " ann", "a\\nb", "\\u0000", "a\\u0000b", &long] {
        let more = format!("\"sub\":\"{subject}\"");
        assert_eq!(judge(&claims(&more), &TokenOptions::new()).err(), Some(TokenRejection::Claims), "{more}");
    }
    let verified = judge(&claims("\"sub\":\"\\u0061nn\""), &TokenOptions::new()).unwrap();
    assert_eq!(verified.user_id.as_str(), "ann");
}

/// S05, S10.
#[test]
fn a_missing_claim_is_not_made_up() {
    for (name, rejection) in [
        ("sub", TokenRejection::Claims),
        ("exp", TokenRejection::Claims),
        ("iat", TokenRejection::Claims),
        ("sid", TokenRejection::SessionIdClaim),
    ] {
        assert_eq!(judge(&without(name), &TokenOptions::new()).err(), Some(rejection), "{name}");
    }
    assert_eq!(judge("{}", &TokenOptions::new()).err(), Some(TokenRejection::Claims));
}

/// S07.
#[test]
fn the_issuer_is_exactly_ours() {
    let ours = TokenOptions::new().issuer("https://a.example");
    assert!(judge(&claims("\"iss\":\"https://a.example\""), &ours).is_ok());
    assert!(judge(&claims("\"iss\":\"https:\\/\\/a.example\""), &ours).is_ok());
    assert_eq!(judge(&claims(""), &ours).err(), Some(TokenRejection::Issuer));
    for issuer in [
        "",
        "https://a.example/",
        "https://A.example",
        "https://b.example",
        " https://a.example",
        "https://a.example\\t",
    ] {
        let more = format!("\"iss\":\"{issuer}\"");
        assert_eq!(judge(&claims(&more), &ours).err(), Some(TokenRejection::Issuer), "{more}");
    }
    for value in ["1", "null", "{}", "[\"https://a.example\"]"] {
        let more = format!("\"iss\":{value}");
        assert_eq!(judge(&claims(&more), &ours).err(), Some(TokenRejection::Claims), "{more}");
    }
}

#[test]
fn any_issuer_is_accepted_when_none_is_configured() {
    assert!(judge(&claims("\"iss\":\"https://a.example\""), &TokenOptions::new()).is_ok());
}

/// S15: the times of a token are whole seconds, so a limit with a fraction is rounded up.
#[test]
fn a_lifetime_limit_with_a_fraction_is_rounded_up() {
    let options = TokenOptions::new().max_lifetime(Duration::from_millis(1_500));
    assert!(judge(&claims(&format!("\"exp\":{}", NOW + 2)), &options).is_ok());
    let longer = judge(&claims(&format!("\"exp\":{}", NOW + 3)), &options);
    assert_eq!(longer.err(), Some(TokenRejection::Lifetime));
}

/// S08.
#[test]
fn the_audience_holds_us() {
    let ours = TokenOptions::new().audience("me");
    for audience in ["\"me\"", "[\"me\"]", "[\"you\",\"me\"]", "[\"me\",\"you\"]", "[\"\\u006de\"]"] {
        assert!(judge(&claims(&format!("\"aud\":{audience}")), &ours).is_ok(), "{audience}");
    }
    assert_eq!(judge(&claims(""), &ours).err(), Some(TokenRejection::Audience));
    for audience in ["\"\"", "\"you\"", "\"Me\"", "\"me \"", "[]", "[\"ME\"]", "[\"you\"]", "\"me,you\""] {
        let more = format!("\"aud\":{audience}");
        assert_eq!(judge(&claims(&more), &ours).err(), Some(TokenRejection::Audience), "{more}");
    }
    for audience in ["null", "2", "{}", "{\"me\":1}", "[1,\"me\"]", "[\"me\",null]", "[[\"me\"]]", "[\"me\",{}]"] {
        let more = format!("\"aud\":{audience}");
        assert_eq!(judge(&claims(&more), &ours).err(), Some(TokenRejection::Claims), "{more}");
    }

    // A token for somebody, and we have no name.
    for audience in ["\"me\"", "[\"me\"]", "[]"] {
        let more = format!("\"aud\":{audience}");
        assert_eq!(judge(&claims(&more), &TokenOptions::new()).err(), Some(TokenRejection::Audience), "{more}");
    }
}

/// S18.
#[test]
fn a_repeated_claim_is_refused_however_it_is_written() {
    let sid = format!("\"sid\":\"{SID}\"");
    let sid_again = format!("\"\\u0073id\":\"{SID}\"");
    let (exp, iat) = (format!("\"exp\":{}", NOW + 600), format!("\"iat\":{NOW}"));
    let (exp_again, iat_again) = (format!("\"e\\u0078p\":{}", NOW + 9), format!("\"ia\\u0074\":{NOW}"));
    let repeated = [
        ("\"sub\":\"ann\"", "\"sub\":\"ann\""),
        ("\"sub\":\"ann\"", "\"sub\":\"bob\""),
        ("\"sub\":\"ann\"", "\"\\u0073ub\":\"bob\""),
        (&sid, &sid),
        (&sid, &sid_again),
        (&exp, &exp),
        (&exp, &exp_again),
        (&iat, &iat),
        (&iat, &iat_again),
        ("\"app\":1", "\"app\":1"),
        ("\"app\":1", "\"ap\\u0070\":2"),
        ("\"app\":{\"a\":1,\"a\":1}", "\"b\":1"),
        ("\"app\":[{\"a\":1,\"\\u0061\":1}]", "\"b\":1"),
        ("\"app\":{\"b\":{\"a\":1,\"a\":2}}", "\"b\":1"),
    ];
    for (first, second) in repeated {
        let text = claims(&format!("{first},{second}"));
        assert_eq!(judge(&text, &TokenOptions::new()).err(), Some(TokenRejection::Claims), "{text}");
        let text = claims(&format!("{first},\"between\":[],{second}"));
        assert_eq!(judge(&text, &TokenOptions::new()).err(), Some(TokenRejection::Claims), "{text}");
    }
}

/// S19, S20.
#[test]
fn claims_that_are_not_strict_json_are_refused() {
    let nested = |depth: usize| claims(&format!("\"app\":{}{}", "[".repeat(depth), "]".repeat(depth)));
    assert!(judge(&nested(15), &TokenOptions::new()).is_ok());

    let not_utf8 = |byte: u8| {
        let text = claims("\"app\":\"?\"").into_bytes();
        text.into_iter().map(|old| if old == b'?' { byte } else { old }).collect::<Vec<u8>>()
    };
    let bad = [
        nested(16).into_bytes(),
        nested(1_000).into_bytes(),
        claims("\"app\":\"\\u0000\"").into_bytes(),
        claims("\"a\\u0000\":1").into_bytes(),
        claims("\"app\":\"\0\"").into_bytes(),
        claims("\"app\":1e999").into_bytes(),
        claims("\"app\":\"\\ud800\"").into_bytes(),
        format!("\u{feff}{}", claims("")).into_bytes(),
        format!("{}{{}}", claims("")).into_bytes(),
        format!("{}\0", claims("")).into_bytes(),
        format!("[{}]", claims("")).into_bytes(),
        claims("").replace('}', ",}").into_bytes(),
        not_utf8(0xff),
        not_utf8(0xc3),
        Vec::new(),
    ];
    for text in bad {
        let judged = verify(&text, &TokenOptions::new(), Timestamp::from_seconds(NOW));
        assert_eq!(judged.err(), Some(TokenRejection::Claims), "{}", String::from_utf8_lossy(&text));
    }
}

/// R10.
#[test]
fn any_clock_is_survived() {
    for micros in [i64::MIN, -1, 0, i64::MAX] {
        let _ = verify(claims("").as_bytes(), &TokenOptions::new(), Timestamp::from_micros(micros));
    }
}
