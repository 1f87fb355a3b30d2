//! The example's whole life of a sign-in, as its users meet it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::{
    example::my_devices::{Server, json_of},
    support::{CHROME, IPHONE, TestResult},
};

const PASSWORD: &str = "correct horse battery staple";

fn form() -> Value {
    json!({ "email": "demo@example.com", "password": PASSWORD })
}

/// The cookies that an answer sets for the session, each as `name=value`, with their attributes. The device's own
/// cookie is left out.
fn set_cookies(head: &str) -> Vec<(String, String)> {
    let lines = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let pairs = lines.filter_map(|line| line.split_once("; ")).filter(|(pair, _)| !pair.contains("device="));
    pairs.map(|(pair, attributes)| (pair.to_owned(), attributes.to_owned())).collect()
}

fn bearer(started: &Value) -> String {
    format!("Bearer {}", started["token"].as_str().expect("a token"))
}

fn post(server: &Server, path: &str, started: &Value, body: &Value) -> (u16, Value) {
    let (status, body) = server.call("POST", path, &[("authorization", &bearer(started))], Some(body));
    (status, if body.is_empty() { Value::Null } else { json_of(&body) })
}

/// Cookies by the book: the prefix, the attributes, no token in sight, and cleared on the way out.
#[test]
fn with_cookies_no_script_sees_a_token() {
    let server = Server::start(&[("TRANSPORT", "cookie"), ("REFRESH", "on")]);
    let (status, head, body) = server.exchange("POST", "/api/auth/login", &[("user-agent", CHROME)], Some(&form()));
    assert_eq!(status, 200, "{body}");
    assert!(json_of(&body).get("token").is_none() && json_of(&body)["sessionId"].is_string());
    let cookies = set_cookies(&head);
    let [(session, session_attributes), (refresh, refresh_attributes)] = &cookies[..] else { panic!("{head}") };
    assert!(session.starts_with("__Host-session=") && refresh.starts_with("__Host-refresh="));
    assert_eq!(session_attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000");
    assert_eq!(refresh_attributes, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000");

    let both = format!("{session}; {refresh}");
    assert_eq!(server.call("GET", "/api/me", &[("cookie", session)], None).0, 200);
    let foreign = [("cookie", both.as_str()), ("sec-fetch-site", "cross-site")];
    let (status, problem) = server.call("POST", "/api/auth/logout", &foreign, None);
    assert_eq!((status, &json_of(&problem)["code"]), (403, &"csrf_denied".into()));
    assert_eq!(server.call("POST", "/api/refresh", &foreign, None).0, 403);

    let own = [("cookie", both.as_str()), ("sec-fetch-site", "same-origin")];
    let (status, head, _) = server.exchange("POST", "/api/refresh", &own, None);
    assert_eq!((status, set_cookies(&head).len()), (200, 2));
    let newer = set_cookies(&head)[0].0.clone();
    assert_eq!(server.call("GET", "/api/me", &[("cookie", &newer)], None).0, 200);

    let own = [("cookie", newer.as_str()), ("sec-fetch-site", "same-origin")];
    let (status, head, _) = server.exchange("POST", "/api/auth/logout", &own, None);
    let cleared: Vec<String> = set_cookies(&head).into_iter().map(|(pair, _)| pair).collect();
    assert_eq!((status, cleared), (204, vec!["__Host-session=".to_owned(), "__Host-refresh=".to_owned()]));
    assert_eq!(server.call("GET", "/api/me", &[("cookie", &newer)], None).0, 401);
    // The dead cookie is no obstacle.
    assert_eq!(server.call("POST", "/api/auth/login", &own, Some(&form())).0, 200);
}

/// Beside an API of bearer tokens the page's cookie opens the page, and nothing else.
#[test]
fn the_pages_cookie_is_none_of_the_apis() {
    let server = Server::start(&[]);
    let post = |path: &str, body: &str, headers: &str| {
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        let (host, length) = (&server.address, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
        );
        write!(stream, "{head}{body}").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    let form = "email=demo%40example.com&password=correct+horse+battery+staple";
    assert!(post("/sign-in", form, "sec-fetch-site: cross-site\r\n").starts_with("HTTP/1.1 403"));
    let answer = post("/sign-in", form, "sec-fetch-site: same-origin\r\n");
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /sign-in/done"), "{answer}");
    let [(cookie, attributes)] = &set_cookies(&answer)[..] else { panic!("{answer}") };
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=2592000");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let (status, page) = server.call("GET", "/", &headers, None);
    assert!(status == 200 && page.contains("This device"), "{page}");
    assert_eq!(server.call("GET", "/api/me", &headers, None).0, 401);

    // A browser that keeps no cookie is told so.
    let (status, page) = server.call("GET", "/sign-in/done", &[], None);
    assert!(status == 200 && page.contains("INSECURE_COOKIES=on"), "{page}");
    // What a browser cannot have sent is the form again.
    assert!(post("/sign-in", "email=x", "").starts_with("HTTP/1.1 400"));
    assert!(post("/sign-in/code", "", "").starts_with("HTTP/1.1 400"));
}

#[test]
fn insecure_cookies_are_by_choice() {
    let server = Server::start(&[("TRANSPORT", "cookie"), ("INSECURE_COOKIES", "on")]);
    let (_, head, _) = server.exchange("POST", "/api/auth/login", &[], Some(&form()));
    let [(session, attributes)] = &set_cookies(&head)[..] else { panic!("{head}") };
    assert!(session.starts_with("session=ey"), "{session}");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000");
}

#[test]
fn with_both_transports_a_disagreement_is_a_bad_request() {
    let server = Server::start(&[("TRANSPORT", "both")]);
    let (_, head, body) = server.exchange("POST", "/api/auth/login", &[], Some(&form()));
    let (cookie, one) = (set_cookies(&head)[0].0.clone(), json_of(&body));
    let other = server.sign_in("demo@example.com", IPHONE, &[]);
    let ask = |token: &Value| {
        server.call("GET", "/api/me", &[("cookie", &cookie), ("authorization", &bearer(token))], None).0
    };
    assert_eq!((ask(&one), ask(&other)), (200, 400));
}

/// With tokens in the body, the pair moves on, and a used token ends everything.
#[test]
fn a_used_refresh_token_ends_the_session() {
    let server = Server::start(&[("REFRESH", "on"), ("REFRESH_GRACE", "0")]);
    let started = server.sign_in("demo@example.com", CHROME, &[]);
    let refresh = |pair: &Value| {
        let body = json!({ "refreshToken": pair["refreshToken"] });
        let (status, body) = server.call("POST", "/api/refresh", &[], Some(&body));
        (status, json_of(&body))
    };
    let (status, second) = refresh(&started);
    assert_eq!((status, &second["tokenType"]), (200, &"Bearer".into()));
    let (status, again) = refresh(&started);
    assert_eq!((status, &again["refreshToken"]), (200, &second["refreshToken"]), "not seen in use yet");
    assert_eq!(server.with_token("GET", "/api/me", &second).0, 200);
    let (status, reused) = refresh(&started);
    assert_eq!((status, &reused["code"]), (401, &"refresh_reused".into()));
    let (status, body) = server.with_token("GET", "/api/me", &second);
    assert_eq!((status, &json_of(&body)["code"]), (401, &"refresh_reused".into()));
    assert_eq!(server.call("GET", "/api/refresh", &[], None).0, 405);
}

/// No session exists before the second factor, and a code is good once.
#[test]
fn the_second_factor_comes_before_the_session() {
    let server = Server::start(&[("OTP", "on")]);
    let asked = || {
        let (status, body) = server.call("POST", "/api/auth/login", &[("user-agent", CHROME)], Some(&form()));
        assert_eq!(status, 202, "{body}");
        json_of(&body)
    };
    let complete = |token: &Value, code: &str| {
        let body = json!({ "otpToken": token["otpToken"], "code": code });
        let (status, body) = server.call("POST", "/api/auth/otp", &[("user-agent", CHROME)], Some(&body));
        (status, json_of(&body))
    };
    // Guessing ends after five attempts, also for who would know then.
    let token = asked();
    for _ in 0..5 {
        assert_eq!(complete(&token, "12345x").0, 401);
    }
    let first = server.logged("one-time code for demo@example.com");
    let first = first.rsplit(' ').next().expect("a code");
    assert!(first.len() == 6 && first.bytes().all(|byte| byte.is_ascii_digit()), "{first}");
    assert_eq!(complete(&token, first).0, 401, "the token is used up");

    let server = Server::start(&[("OTP", "on")]);
    let (_, body) = server.call("POST", "/api/auth/login", &[("user-agent", CHROME)], Some(&form()));
    let token = json_of(&body)["otpToken"].clone();
    let line = server.logged("one-time code for demo@example.com");
    let code = line.rsplit(' ').next().expect("a code");
    let complete = |token: &Value, code: &str| {
        let body = json!({ "otpToken": token, "code": code });
        let (status, body) = server.call("POST", "/api/auth/otp", &[("user-agent", CHROME)], Some(&body));
        (status, json_of(&body))
    };
    assert_eq!(complete(&token, if code == "000000" { "000001" } else { "000000" }).0, 401);
    assert_eq!(complete(&"nonsense".into(), code).0, 401);
    // As it is shown, and as it is copied.
    let (status, started) = complete(&token, &format!("{}\u{a0}{}-{} ", &code[..2], &code[2..4], &code[4..]));
    assert_eq!(status, 200, "{started}");
    let (_, list) = server.with_token("GET", "/api/sessions", &started);
    assert_eq!(json_of(&list).as_array().map(Vec::len), Some(1), "the attempts have left nothing");
    assert_eq!(complete(&token, code).0, 401, "once");
}

/// A new token after the password was confirmed, and the old one refused.
#[test]
fn confirming_the_password_moves_on_to_a_new_token() {
    let server = Server::start(&[]);
    let started = server.sign_in("demo@example.com", CHROME, &[]);
    let path = "/api/auth/reauthenticate";
    assert_eq!(post(&server, path, &started, &json!({ "password": "wrong" })).0, 401);
    assert_eq!(server.with_token("GET", "/api/me", &started).0, 200);
    let (status, confirmed) = post(&server, path, &started, &json!({ "password": PASSWORD }));
    assert_eq!((status, &confirmed["sessionId"]), (200, &started["sessionId"]));
    assert_eq!(server.with_token("GET", "/api/me", &confirmed).0, 200);
    assert_eq!(server.with_token("GET", "/api/me", &started).0, 401);
    let (_, current) = server.with_token("GET", "/api/sessions/current", &confirmed);
    assert!(json_of(&current)["freshUntil"].is_string());
}

/// Scenario: a password change that leaves sessions.
#[test]
fn a_new_password_ends_the_other_sessions() {
    let server = Server::start(&[]);
    let (laptop, phone) =
        (server.sign_in("demo@example.com", CHROME, &[]), server.sign_in("demo@example.com", IPHONE, &[]));
    let stranger = server.sign_in("other@example.com", CHROME, &[]);
    let path = "/api/auth/password";
    let change = |current: &str, new: &str| post(&server, path, &laptop, &json!({ "current": current, "new": new }));
    assert_eq!(change("wrong", "another good password").0, 401);
    assert_eq!(change(PASSWORD, "short").0, 400);
    assert_eq!(server.with_token("GET", "/api/me", &phone).0, 200);
    let (status, kept) = change(PASSWORD, "another good password");
    assert_eq!((status, &kept["sessionId"]), (200, &laptop["sessionId"]));
    let (status, body) = server.with_token("GET", "/api/me", &phone);
    assert_eq!((status, &json_of(&body)["code"]), (401, &"credentials_changed".into()));
    for survivor in [&kept, &stranger] {
        assert_eq!(server.with_token("GET", "/api/me", survivor).0, 200);
    }
    assert_eq!(server.with_token("GET", "/api/me", &laptop).0, 401, "a copy of the old token is no way in");
    assert_eq!(server.call("POST", "/api/auth/login", &[], Some(&form())).0, 401, "the old password is gone");
}

#[test]
fn a_server_of_secrets_publishes_no_key() {
    let server = Server::start(&[]);
    let (status, body) = server.call("GET", "/.well-known/jwks.json", &[], None);
    assert_eq!((status, json_of(&body)), (200, json!({ "keys": [] })));
}

/// The presets, and the timeouts that win over them.
#[test]
fn presets_set_the_lifetimes() -> TestResult {
    for (variables, seconds) in [
        (&[("PRESET", "aal1")][..], 30 * 86_400),
        (&[("PRESET", "aal2")], 86_400),
        (&[("PRESET", "aal3")], 12 * 3_600),
        (&[("PRESET", "hardened")], 86_400),
        (&[("PRESET", "aal3"), ("ABSOLUTE_TIMEOUT", "1h")], 3_600),
    ] {
        let server = Server::start(variables);
        let started = server.sign_in("demo@example.com", CHROME, &[]);
        let (_, current) = server.with_token("GET", "/api/sessions/current", &started);
        let current = json_of(&current);
        let time = |name: &str| -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
            let text = current[name].as_str().ok_or("a time")?;
            Ok(chrono::DateTime::parse_from_rfc3339(text)?.timestamp())
        };
        assert_eq!(time("expiresAt")? - time("createdAt")?, seconds, "{variables:?}");
    }
    Ok(())
}

/// Sends a form as a browser does that says nothing of where it comes from but what `headers` say.
fn submit(server: &Server, path: &str, body: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    let (host, length) = (&server.address, body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
    );
    write!(stream, "{head}{body}").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

const FORM: &str = "email=demo%40example.com&password=correct+horse+battery+staple";

/// A person sees a page, no matter which layer refuses them; and a proxy's own token is none of ours.
#[test]
fn what_is_refused_on_a_page_is_a_page() {
    let server = Server::start(&[]);
    for (path, body) in [("/sign-in", FORM), ("/sign-in/code", "token=x&code=1")] {
        for headers in ["sec-fetch-site: cross-site\r\n", "origin: https://evil.example\r\n", "origin: null\r\n"] {
            let answer = submit(&server, path, body, headers);
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            assert!(
                answer.contains("content-type: text/html") && answer.contains("<h1>"),
                "{path} {headers}: {answer}"
            );
        }
    }
    let foreign = [("authorization", "Bearer eyJ.somebody.elses")];
    let (status, page) = server.call("GET", "/sign-in", &foreign, None);
    assert!(status == 200 && page.contains("type=\"password\""), "{page}");
    let answer = submit(&server, "/sign-in", FORM, "authorization: Bearer eyJ.somebody.elses\r\n");
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("location: /sign-in/done"), "{answer}");
    assert!(answer.contains("cache-control: no-store"), "{answer}");
    let (_, head, _) = server.exchange("GET", "/", &[], None);
    assert!(head.starts_with("HTTP/1.1 303") && head.contains("cache-control: no-store"), "{head}");
}

/// Two clicks on "Sign in" in a browser that has been here before.
#[test]
fn a_form_that_is_submitted_twice_leaves_one_session() {
    let server = Server::start(&[]);
    let cookie_of = |answer: &str, name: &str| {
        let start = format!("set-cookie: {name}=");
        let line = answer.lines().find_map(|line| line.strip_prefix(&start)).expect("a cookie");
        format!("{name}={}", line.split(';').next().unwrap_or_default())
    };
    let first = submit(&server, "/sign-in", FORM, "sec-fetch-site: same-origin\r\n");
    let device = cookie_of(&first, "__Host-device");
    let headers = format!("cookie: {device}\r\nsec-fetch-site: same-origin\r\n");
    let answers: Vec<String> = std::thread::scope(|scope| {
        let clicks: Vec<_> = (0..2).map(|_| scope.spawn(|| submit(&server, "/sign-in", FORM, &headers))).collect();
        clicks.into_iter().map(|click| click.join().expect("no panic")).collect()
    });
    let sessions: Vec<String> = answers.iter().map(|answer| cookie_of(answer, "__Host-session")).collect();
    let shown: Vec<usize> = sessions
        .iter()
        .map(|cookie| server.call("GET", "/", &[("cookie", cookie)], None).1.matches("id=\"device-").count())
        .collect();
    assert_eq!(shown, [1, 1], "whichever cookie is kept, it shows the one session");
}

/// The same with a code, which the device that has used it may use again for a moment, and no other.
#[test]
fn a_code_that_is_submitted_twice_is_one_sign_in() {
    let server = Server::start(&[("OTP", "on")]);
    let (_, head, _) = server.exchange("GET", "/sign-in", &[], None);
    let device = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("the form hands it out");
    let device = device.split(';').next().unwrap_or_default();
    let own = format!("cookie: {device}\r\nsec-fetch-site: same-origin\r\n");
    let page = submit(&server, "/sign-in", FORM, &own);
    let token =
        page.split_once("name=\"token\" value=\"").and_then(|(_, rest)| rest.split('"').next()).expect("a token");
    let line = server.logged("one-time code");
    let code = line.rsplit(' ').next().unwrap_or_default();
    let form = format!("token={token}&code={code}");

    let [first, second] = [0; 2].map(|_| submit(&server, "/sign-in/code", &form, &own));
    for answer in [&second, &first] {
        let [(session, _)] = &set_cookies(answer)[..] else { panic!("{answer}") };
        let (status, page) = server.call("GET", "/", &[("cookie", session)], None);
        assert_eq!((status, page.matches("id=\"device-").count()), (200, 1), "{page}");
    }
    for others in ["sec-fetch-site: same-origin\r\n".to_owned(), own.replacen("device=", "device=A", 1)] {
        let answer = submit(&server, "/sign-in/code", &form, &others);
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let wrong = submit(&server, "/sign-in/code", &format!("token={token}&code=000000{code}"), &own);
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
}

/// Whatever is refused on a page is a page, and nothing that a program would read.
#[test]
fn every_refusal_on_a_page_is_a_page() {
    let server = Server::start(&[]);
    let answer = submit(&server, "/sign-in", FORM, "sec-fetch-site: same-origin\r\n");
    let [(session, _)] = &set_cookies(&answer)[..] else { panic!("{answer}") };
    let (signed_in, garbage) = (format!("cookie: {session}\r\n"), "cookie: __Host-session=a.b.c\r\n".to_owned());
    let foreign = format!("{signed_in}sec-fetch-site: cross-site\r\n");
    for (path, form, more, status) in [
        ("/sign-in", FORM, &foreign, 403),
        ("/sign-in", "nonsense", &garbage, 400),
        ("/sign-in/code", FORM, &foreign, 403),
        ("/sign-in/code", "nonsense", &garbage, 400),
        ("/sign-in/done", "", &signed_in, 405),
        ("/", "", &signed_in, 405),
        ("/", "", &foreign, 405),
        ("/no-uuid/sign-out", "", &foreign, 403),
        ("/sign-out-others", "", &signed_in, 403),
        ("/nowhere", "", &signed_in, 404),
    ] {
        let answer = submit(&server, path, form, &format!("{more}accept: text/html,*/*;q=0.8\r\n"));
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {head}");
        assert!(head.contains("content-type: text/html"), "{path}: {head}");
    }
    // A form that never arrives as a whole.
    let hasty = Server::start(&[("REQUEST_TIMEOUT", "200ms")]);
    let mut stream = TcpStream::connect(&hasty.address).expect("it listens");
    let head =
        "POST /sign-in HTTP/1.1\r\nhost: x\r\naccept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    write!(stream, "{head}sec-fetch-site: same-origin\r\ncontent-length: 100\r\n\r\nemail=").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("content-type: text/html"), "{answer}");
    // Programs go on reading problem details.
    let (status, head, _) = server.exchange("GET", "/nowhere", &[("accept", "application/json")], None);
    assert!(status == 404 && head.contains("application/problem+json"), "{head}");
}

/// Behind a proxy under a path of its own, whether that is stripped or not, and with a name of its own beside other
/// programs.
#[test]
fn a_path_a_cookie_name_and_other_origins_are_settings() {
    let settings = [
        ("PATH_PREFIX", "/my/devices/"),
        ("COOKIE_NAME", "__Host-devices"),
        ("TRUSTED_ORIGINS", "https://www.example.com, https://app.example.com"),
        ("TRANSPORT", "cookie"),
    ];
    let server = Server::start(&settings);
    for path in ["/my/devices/sign-in", "/sign-in"] {
        let (status, page) = server.call("GET", path, &[], None);
        assert!(status == 200 && page.contains("action=\"/my/devices/sign-in\""), "{page}");
        assert!(page.contains("href=\"/my/devices/assets/devices.css\""), "{page}");
    }
    for path in ["/my/devices", "/"] {
        let (status, head, _) = server.exchange("GET", path, &[], None);
        assert!(status == 303 && head.contains("location: /my/devices/sign-in"), "{head}");
    }
    let (status, head, _) = server.exchange("GET", "/my/devices/", &[], None);
    assert!(status == 303 && head.contains("location: /my/devices\r\n"), "{head}");
    let answer = submit(&server, "/my/devices/sign-in", FORM, "origin: https://app.example.com\r\n");
    assert!(answer.contains("location: /my/devices/sign-in/done"), "{answer}");
    let [(cookie, _)] = &set_cookies(&answer)[..] else { panic!("{answer}") };
    assert!(cookie.starts_with("__Host-devices=ey"), "{cookie}");
    for path in ["/my/devices/sign-in/done", "/sign-in/done"] {
        let (_, head, _) = server.exchange("GET", path, &[("cookie", cookie)], None);
        assert!(head.contains("location: /my/devices\r\n"), "{head}");
    }
    let (status, page) = server.call("GET", "/my/devices", &[("cookie", cookie)], None);
    assert!(
        status == 200 && page.contains("action=\"/my/devices/sign-out-others\"") || page.contains("/my/devices/"),
        "{page}"
    );
    assert_eq!(server.call("GET", "/my/devices/api/me", &[("cookie", cookie)], None).0, 200);
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    assert_eq!(server.call("POST", "/api/auth/logout", &foreign, None).0, 403);
}
