//! What one client can cost the example, and how it ends all the same.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    example::my_devices::{Server, json_of},
    support::CHROME,
};

const PASSWORD: &str = "correct horse battery staple";

fn form(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

/// Sends the beginning of a request.
fn half_a_request(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream.write_all(text.as_bytes()).expect("it reads");
    stream
}

/// What the server says until it closes the connection.
fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is cut says as much as one that is closed.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

const HALF_A_HEAD: &str = "GET /api/me HTTP/1.1\r\nhost: x\r\nx-a: ";
const HALF_A_BODY: &str =
    "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";

/// Each password check takes 19 MiB: 120 at once took 3.3 GiB.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_and_twenty_sign_ins_at_once_take_no_more_memory_than_a_few() {
    let server = Server::start(&[]);
    let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
        let sign_in = || {
            let (status, head, _) = server.exchange("POST", "/api/auth/login", &[], Some(&form("nobody@example.com")));
            (status, head)
        };
        let asked: Vec<_> = (0..120).map(|_| scope.spawn(sign_in)).collect();
        asked.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    let (checked, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(status, _)| *status == 401);
    for (status, head) in &refused {
        assert!(*status == 503 && head.contains("retry-after: 1"), "{head}");
    }
    // As many as the queue is long, and no more than that and what was worked off meanwhile.
    assert!(checked.len() >= 32, "{} of 120 were checked", checked.len());
    let peak = server.peak_memory() / 1_024;
    assert!(peak <= 200, "{peak} MiB");
    println!("120 sign-ins at once: {} checked, {} refused, {peak} MiB", checked.len(), refused.len());
    // And afterwards it is as before.
    server.sign_in("demo@example.com", CHROME, &[]);
}

/// NIST SP 800-63B-4: the limit is the account's. Anyone who knows the password has as many tokens as they like.
#[test]
fn one_time_codes_are_limited_per_account() {
    let server = Server::start(&[("OTP", "on")]);
    let ask = |email: &str| server.exchange("POST", "/api/auth/login", &[], Some(&form(email)));
    let token_for = |email: &str| {
        let (status, _, body) = ask(email);
        assert_eq!(status, 202, "{body}");
        json_of(&body)["otpToken"].clone()
    };
    let guess = |token: &Value, code: &str| {
        server.exchange("POST", "/api/auth/otp", &[], Some(&json!({ "otpToken": token, "code": code })))
    };
    let tokens = [token_for("demo@example.com"), token_for("demo@example.com")];
    let code = server.logged("one-time code for demo@example.com");
    let code = code.rsplit(' ').next().expect("a code");
    for attempt in 0..5 {
        assert_eq!(guess(&tokens[attempt % 2], "12345x").0, 401);
    }
    let (status, head, body) = guess(&tokens[1], code);
    assert_eq!((status, &json_of(&body)["code"]), (429, &"too_many_attempts".into()), "the right code does not help");
    assert!(head.contains("retry-after: "), "{head}");
    let (status, head, _) = ask("demo@example.com");
    assert!(status == 429 && head.contains("retry-after: "), "nor does another token: {head}");

    let other = token_for("other@example.com");
    let code = server.logged("one-time code for other@example.com");
    assert_eq!(guess(&other, code.rsplit(' ').next().expect("a code")).0, 200, "the other account has its own");
}

/// Signing in often keeps nobody out, no matter who does it.
#[test]
fn who_knows_the_password_cannot_lock_the_owner_out() {
    let server = Server::start(&[("MAX_SESSIONS", "2")]);
    for _ in 0..4 {
        server.sign_in("demo@example.com", "an intruder", &[]);
    }
    let owner = server.sign_in("demo@example.com", CHROME, &[]);
    assert_eq!(server.with_token("GET", "/api/me", &owner).0, 200);
    assert_eq!(server.with_token("DELETE", "/api/sessions/others", &owner).0, 200);
}

#[test]
fn half_a_request_is_waited_for_no_longer_than_the_timeout() {
    let server = Server::start(&[("REQUEST_TIMEOUT", "200ms")]);
    let nothing = half_a_request(&server, "");
    let head = half_a_request(&server, HALF_A_HEAD);
    let body = half_a_request(&server, HALF_A_BODY);
    assert_eq!(rest_of(nothing), "");
    assert!(!rest_of(head).contains("200 OK"));
    let answer = rest_of(body);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"timed_out\""), "{answer}");
    server.sign_in("demo@example.com", CHROME, &[]);
}

/// R19: a client that holds half a request keeps nothing from being written.
#[cfg(unix)]
#[test]
fn half_a_request_does_not_keep_the_server_from_ending_well() {
    for half in ["", HALF_A_HEAD, HALF_A_BODY] {
        let mut server = Server::start(&[("REQUEST_TIMEOUT", "10m")]);
        server.sign_in("demo@example.com", CHROME, &[]);
        let held = half_a_request(&server, half);
        assert!(server.terminate().success(), "{half:?}");
        server.logged("stopped; 0 sessions");
        drop(held);
    }
}
