//! The example, as a process: limits, known devices, closing the account, and the administrators' door.

use serde_json::{Value, json};

use crate::{
    example::my_devices::{Server, json_of},
    support::{CHROME, IPHONE},
};

const PASSWORD: &str = "correct horse battery staple";

/// Signs in as a browser that sends these cookies; the status, the device cookie that is set, and the body.
fn login(server: &Server, cookies: &str) -> (u16, Option<String>, Value) {
    let form = json!({ "email": "demo@example.com", "password": PASSWORD });
    let headers = [("user-agent", CHROME), ("cookie", cookies), ("sec-fetch-site", "same-origin")];
    let (status, head, body) = server.exchange("POST", "/api/auth/login", &headers, Some(&form));
    let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: __Host-device="));
    let cookie = line.and_then(|line| line.split(';').next()).map(|value| format!("__Host-device={value}"));
    (status, cookie, json_of(&body))
}

fn lives(server: &Server, started: &Value) -> bool {
    server.with_token("GET", "/api/me", started).0 == 200
}

/// S85.
#[test]
fn a_limit_refuses_the_newcomer_or_makes_another_give_way() {
    for (over, refused, gone) in [("reject", true, None), ("oldest", false, Some(0)), ("least_recent", false, Some(1))]
    {
        let server = Server::start(&[("MAX_SESSIONS", "2"), ("OVER_LIMIT", over), ("ACTIVITY_INTERVAL", "1ms")]);
        let first = server.sign_in("demo@example.com", CHROME, &[]);
        let second = server.sign_in("demo@example.com", IPHONE, &[]);
        // Until what the first one does is later than anything the second one did.
        loop {
            let (_, list) = server.with_token("GET", "/api/sessions", &first);
            let list = json_of(&list);
            if list[0]["lastActivityAt"].as_str() > list[1]["lastActivityAt"].as_str() {
                break;
            }
        }
        let (status, _, body) = login(&server, "");
        assert_eq!((status, body["code"] == "too_many_sessions"), (if refused { 409 } else { 200 }, refused), "{over}");
        for (place, started) in [&first, &second].into_iter().enumerate() {
            assert_eq!(lives(&server, started), gone != Some(place), "{over}: session {place}");
        }
        server.sign_in("other@example.com", CHROME, &[]);
    }
}

#[test]
fn without_a_limit_there_is_none() {
    let server = Server::start(&[("MAX_SESSIONS", "0"), ("OVER_LIMIT", "reject")]);
    let started: Vec<Value> = (0..8).map(|_| server.sign_in("demo@example.com", CHROME, &[])).collect();
    assert!(started.iter().all(|started| lives(&server, started)));
}

/// A browser is known again by its cookie, in every transport.
#[test]
fn a_browser_is_one_device_however_often_it_signs_in() {
    for (same_device, older_lives) in [("keep", true), ("replace", false)] {
        let server = Server::start(&[("SAME_DEVICE", same_device)]);
        let (_, cookie, first) = login(&server, "");
        let cookie = cookie.expect("a device cookie");
        let (_, again, second) = login(&server, &cookie);
        assert_eq!(again.as_ref(), Some(&cookie));
        let (_, other_cookie, other) = login(&server, "__Host-device=made-up");
        assert_ne!(other_cookie.as_ref(), Some(&cookie));
        assert_eq!(lives(&server, &first), older_lives, "{same_device}");
        assert!(lives(&server, &second) && lives(&server, &other), "{same_device}");

        let (status, devices) = server.with_token("GET", "/api/devices", &second);
        let devices = json_of(&devices);
        assert_eq!((status, devices.as_array().map(Vec::len)), (200, Some(2)), "{same_device}");
        let here = devices.as_array().and_then(|all| all.iter().find(|device| device["isCurrent"] == true));
        let path = format!("/api/devices/{}", here.and_then(|device| device["id"].as_str()).expect("an id"));
        assert_eq!(server.with_token("DELETE", &path, &other).0, 204);
        assert!(!lives(&server, &first) && !lives(&server, &second) && lives(&server, &other), "{same_device}");
    }
}

#[test]
fn closing_the_account_leaves_nothing() {
    let server = Server::start(&[]);
    let (one, two) = (server.sign_in("demo@example.com", CHROME, &[]), server.sign_in("demo@example.com", IPHONE, &[]));
    let other = server.sign_in("other@example.com", CHROME, &[]);
    assert_eq!(server.call("DELETE", "/api/account", &[], None).0, 401);
    assert_eq!(server.with_token("DELETE", "/api/account", &one), (204, String::new()));
    for gone in [&one, &two] {
        let (status, body) = server.with_token("GET", "/api/me", gone);
        assert_eq!((status, &json_of(&body)["code"]), (401, &"token_invalid".into()));
    }
    assert!(lives(&server, &other));

    let anew = server.sign_in("demo@example.com", CHROME, &[]);
    for (path, left) in [("/api/sessions?state=all", 1), ("/api/devices", 1)] {
        let (_, list) = server.with_token("GET", path, &anew);
        assert_eq!(json_of(&list).as_array().map(Vec::len), Some(left), "{path}");
    }
}

/// S84: no door unless there is a key for it, and none but that opens it.
#[test]
fn administrators_need_a_token_of_their_own() {
    let token = "an-administrators-token-of-32-bytes-or-more";
    // What is no session's token keeps nobody out who needs no session.
    for (variables, statuses) in [(vec![], [404, 404, 404]), (vec![("ADMIN_TOKEN", token)], [401, 401, 200])] {
        let server = Server::start(&variables);
        let started = server.sign_in("demo@example.com", CHROME, &[]);
        let of_a_session = started["token"].as_str().expect("a token");
        let presented = ["", of_a_session, token];
        for (presented, expected) in presented.into_iter().zip(statuses) {
            let bearer = format!("Bearer {presented}");
            let headers = if presented.is_empty() { vec![] } else { vec![("authorization", bearer.as_str())] };
            let (status, _) = server.call("GET", "/admin/users/demo/sessions", &headers, None);
            assert_eq!(status, expected, "{presented:?}");
        }
        if variables.is_empty() {
            continue;
        }
        let bearer = format!("Bearer {token}");
        let body = json!({ "deviceKind": "desktop", "dryRun": false });
        let headers = [("authorization", bearer.as_str())];
        let (status, body) = server.call("POST", "/admin/sessions/revoke", &headers, Some(&body));
        assert_eq!((status, &json_of(&body)["revoked"]), (200, &1.into()), "{body}");
        assert!(!lives(&server, &started));
    }
}
