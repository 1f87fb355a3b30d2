//! The OpenAPI document agrees with the router, and with its responses.

mod modes;
mod text;

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};
use tower_device_sessions::{
    AdminRoutes, ClientInfo, DeviceId, SessionRoutes,
    location::Location,
    manager::RefreshPolicy,
    store::{Fault, StoreMethod},
};

use crate::support::{Answer, CHROME, Kit, TestResult, app, request, send};

fn document() -> Value {
    serde_json::to_value(SessionRoutes::openapi("/api")).expect("a document is JSON")
}

/// The methods and paths that a router's source names.
fn routes_of(source: &str, prefix: &str) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for call in source.split(".route(\"").skip(1) {
        let (path, rest) = call.split_once('"').expect("a path");
        let methods = rest.split(".route(\"").next().unwrap_or_default();
        let methods = methods.split(".layer(").next().unwrap_or_default();
        for method in ["get", "post", "put", "patch", "delete"] {
            if methods.contains(&format!("routing::{method}(")) || methods.contains(&format!(").{method}(")) {
                routes.insert((method.to_owned(), format!("{prefix}{path}")));
            }
        }
    }
    routes
}

fn routes() -> BTreeSet<(String, String)> {
    routes_of(include_str!("../../../../src/routes/mod.rs"), "/api")
}

/// The methods and paths of a document, and what each is secured by.
fn documented(document: &Value) -> Vec<(String, String, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            operations.push((method.clone(), path.clone(), &operation["security"]));
        }
    }
    operations
}

#[test]
fn every_route_is_in_the_document_and_no_other() {
    let document = document();
    let mut found = BTreeSet::new();
    for (method, path, security) in documented(&document) {
        // Refreshing needs no access token: it may well have expired.
        let secured = match path.as_str() {
            "/api/refresh" => json!([{}]),
            _ => json!([{ "sessionToken": [] }, { "sessionCookie": [] }]),
        };
        assert_eq!(*security, secured, "{method} {path}");
        found.insert((method, path));
    }
    assert!(!found.is_empty());
    assert_eq!(found, routes());
}

#[test]
fn every_route_of_administrators_is_in_their_document_and_no_other() {
    let document = serde_json::to_value(AdminRoutes::openapi("/admin")).expect("a document is JSON");
    let mut found = BTreeSet::new();
    for (method, path, security) in documented(&document) {
        assert_eq!(*security, json!([{ "sessionAdmin": [] }]), "{method} {path}");
        found.insert((method, path));
    }
    assert!(!found.is_empty());
    assert_eq!(found, routes_of(include_str!("../../../../src/routes/admin/mod.rs"), "/admin"));
}

#[test]
fn the_json_is_the_document() {
    assert_eq!(SessionRoutes::openapi_json("/api"), document());
    let administrators = serde_json::to_value(AdminRoutes::openapi("/admin")).expect("a document is JSON");
    assert_eq!(AdminRoutes::openapi_json("/admin"), administrators);
}

#[test]
fn the_prefix_is_where_the_router_is_nested() {
    for (prefix, path) in [("", "/sessions"), ("/api", "/api/sessions"), ("/api/", "/api/sessions")] {
        assert!(SessionRoutes::openapi(prefix).paths.get_path_item(path).is_some(), "{prefix:?}");
    }
}

/// Whether a value has the shape that a schema of the document asks for, as far as these schemas go.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("no {name}"));
        return check(document, target, value, at);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().for_each(|part| check(document, part, value, at));
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let chosen = any.iter().find(|part| (part["type"] == "null") == value.is_null()).expect("one that fits");
        return check(document, chosen, value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    assert!(types.iter().any(|known| known == kind), "{at} is of the type {kind}, not {types:?}");
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{at} is {value}, none of {values:?}");
    }
    match (schema["format"].as_str(), value.as_str()) {
        (Some("date-time"), Some(text)) => assert!(text.len() >= 20 && text.ends_with('Z'), "{at} is {text}"),
        (Some("uuid"), Some(text)) => assert!(text.parse::<uuid::Uuid>().is_ok(), "{at} is {text}"),
        _ => {}
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        assert!(value.get(name).is_some(), "{at} lacks {name}");
    }
    if let Some(object) = value.as_object() {
        for (name, member) in object {
            match schema["properties"].get(name) {
                Some(schema) => check(document, schema, member, &format!("{at}.{name}")),
                // What the other part of an `allOf` describes.
                None => assert!(at == "current", "{at}.{name} is not in the document"),
            }
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item, &format!("{at}[]"));
    }
}

/// Checks an answer against the response that the document promises for it.
fn conforms(document: &Value, path: &str, method: &str, answer: &Answer) {
    let at = format!("{method} {path} {}", answer.status);
    let response = &document["paths"][path][method]["responses"][answer.status.as_str()];
    assert!(response.is_object(), "{at} is not in the document");
    for name in ["cache-control", "clear-site-data", "link", "retry-after", "set-cookie", "www-authenticate"] {
        let is_documented = response["headers"]
            .as_object()
            .is_some_and(|headers| headers.keys().any(|header| header.eq_ignore_ascii_case(name)));
        assert!(answer.header(name).is_none() || is_documented, "{at}: {name} is not in the document");
    }
    let Some(content) = response["content"].as_object() else {
        return assert_eq!(answer.body, "", "{at}");
    };
    let kind = answer.header(header::CONTENT_TYPE.as_str()).expect("a content type");
    let schema = &content.get(kind).unwrap_or_else(|| panic!("{at}: {kind} is not in the document"))["schema"];
    let name = if path.ends_with("/current") { "current" } else { at.as_str() };
    check(document, schema, &answer.json(), name);
}

#[tokio::test]
async fn what_the_routes_answer_is_what_the_document_says() -> TestResult {
    let document = document();
    let kit = Kit::with(|builder| builder.refresh(RefreshPolicy::new()));
    let app = app(&kit.sessions);
    let place = Location::new(Some("Berlin"), None, Some("DE"));
    let client = ClientInfo::new().user_agent(CHROME).ip("203.0.113.9".parse().ok()).location(Some(place));
    let laptop = kit.sessions.start("ann", client).await?;
    let phone = kit.sign_in("ann").await;
    let gone = kit.sign_in("ann").await;
    let (tv, tablet) = (DeviceId::new(), DeviceId::new());
    for device in [tv, tablet] {
        let _ = kit.sessions.start("ann", ClientInfo::new().device_id(Some(device))).await?;
    }
    let of_device = |device: DeviceId| format!("/api/devices/{device}");
    let refresh = json!({ "refreshToken": phone.refresh_token() }).to_string();
    let token = laptop.token();
    let of = |session: &tower_device_sessions::StartedSession| format!("/api/sessions/{}", session.session().id);

    // What is asked: the path of the document, the path of the request, the method, the body, and the status.
    let renamed = "{\"deviceName\": \"My phone\"}";
    let asked = [
        ("/api/sessions/{id}", of(&gone), Method::DELETE, "", 204),
        ("/api/sessions/{id}", of(&gone), Method::DELETE, "", 204),
        ("/api/sessions/{id}", "/api/sessions/nonsense".to_owned(), Method::DELETE, "", 404),
        ("/api/sessions/{id}", of(&phone), Method::PATCH, renamed, 200),
        ("/api/sessions/{id}", of(&phone), Method::PATCH, "{\"deviceName\": null}", 200),
        ("/api/sessions/{id}", of(&phone), Method::PATCH, "{\"deviceName\": 1}", 400),
        ("/api/sessions/{id}", of(&phone), Method::PATCH, "{\"deviceName\": \"a\\u0007\"}", 400),
        ("/api/sessions/{id}", "/api/sessions/nonsense".to_owned(), Method::PATCH, renamed, 404),
        ("/api/devices", "/api/devices".to_owned(), Method::GET, "", 200),
        ("/api/devices/{id}", of_device(tv), Method::PATCH, renamed, 200),
        ("/api/devices/{id}", of_device(tv), Method::PATCH, "{\"deviceName\": null, \"trusted\": false}", 200),
        ("/api/devices/{id}", of_device(tv), Method::PATCH, "{\"trusted\": true}", 403),
        ("/api/devices/{id}", of_device(tv), Method::PATCH, "{}", 400),
        ("/api/devices/{id}", "/api/devices/nonsense".to_owned(), Method::PATCH, renamed, 404),
        ("/api/devices/{id}", of_device(tablet), Method::DELETE, "", 204),
        ("/api/devices/{id}", of_device(tablet), Method::DELETE, "", 404),
        ("/api/refresh", "/api/refresh".to_owned(), Method::POST, &refresh, 200),
        ("/api/refresh", "/api/refresh".to_owned(), Method::POST, "{\"refreshToken\": \"nonsense\"}", 401),
        ("/api/refresh", "/api/refresh".to_owned(), Method::POST, "{}", 400),
        ("/api/sessions", "/api/sessions?state=all&limit=2".to_owned(), Method::GET, "", 200),
        ("/api/sessions", "/api/sessions?state=all".to_owned(), Method::GET, "", 200),
        ("/api/sessions", "/api/sessions?limit=0".to_owned(), Method::GET, "", 400),
        ("/api/sessions/current", "/api/sessions/current".to_owned(), Method::GET, "", 200),
        ("/api/sessions/others", "/api/sessions/others".to_owned(), Method::DELETE, "", 200),
        ("/api/logout", "/api/logout?scope=others".to_owned(), Method::POST, "", 204),
        ("/api/logout", "/api/logout?scope=nobody".to_owned(), Method::POST, "", 400),
        ("/api/sessions", "/api/sessions".to_owned(), Method::DELETE, "", 200),
        ("/api/sessions", "/api/sessions".to_owned(), Method::GET, "", 401),
        ("/api/sessions", "/api/sessions".to_owned(), Method::DELETE, "", 401),
        ("/api/sessions/current", "/api/sessions/current".to_owned(), Method::GET, "", 401),
        ("/api/sessions/others", "/api/sessions/others".to_owned(), Method::DELETE, "", 401),
        ("/api/sessions/{id}", of(&phone), Method::DELETE, "", 401),
        ("/api/sessions/{id}", of(&phone), Method::PATCH, renamed, 401),
        ("/api/logout", "/api/logout?scope=global".to_owned(), Method::POST, "", 401),
        ("/api/logout", "/api/logout".to_owned(), Method::POST, "", 204),
    ];
    for (path, target, method, body, status) in asked {
        let mut request = request(method.clone(), &target, token);
        if !body.is_empty() {
            request.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            *request.body_mut() = Body::from(body.to_owned());
        }
        let answer = send(&app, request).await;
        assert_eq!(answer.status, status, "{method} {target} {body}");
        conforms(&document, path, &method.as_str().to_lowercase(), &answer);
    }
    Ok(())
}

#[tokio::test]
async fn every_route_may_answer_400_401_and_503() -> TestResult {
    let document = document();
    let kit = Kit::new();
    let app = app(&kit.sessions);
    let id = kit.sign_in("ann").await.session().id.to_string();
    // Whether a refresh is refused hangs on its own token.
    for (method, path) in routes().into_iter().filter(|(_, path)| path != "/api/refresh") {
        let target = path.replace("{id}", &id);
        let ask = |credentials: &[&str]| {
            let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(&target);
            for credential in credentials {
                request = request.header(header::AUTHORIZATION, format!("Bearer {credential}"));
            }
            request.body(Body::empty()).expect("a good request")
        };
        for (credentials, status) in [(&["a", "b"][..], 400), (&[], 401), (&["nonsense"], 401)] {
            let answer = send(&app, ask(credentials)).await;
            assert_eq!(answer.status, status, "{method} {path}");
            conforms(&document, &path, &method, &answer);
        }
        let started = kit.sign_in("bob").await;
        kit.store.fail(StoreMethod::Find, Fault::FailBefore);
        let answer = send(&app, ask(&[started.token()])).await;
        assert_eq!(answer.status, 503, "{method} {path}");
        conforms(&document, &path, &method, &answer);
        kit.store.heal();
    }
    Ok(())
}
