//! Users, and what their roles let them see and do; keys for some devices.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use store::Collection;
use ui_api::{Scopes, Users};

use crate::client::Answer;
use crate::fixture::{Fixture, HOME_BOX, HOME_BOX_URL, OFFLINE, SILENT};

const PASSWORD: &str = "correct horse";

/// A user with one role, whose permissions are `<resource>:<access>` with `filter` and `validate`.
async fn user_with(fixture: &Fixture, name: &str, permissions: &[(&str, Json)]) {
    for (id, rest) in permissions {
        let answer = fixture.request("PUT", &format!("/permissions/{name}:{id}"), &rest.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    Users::write(&*fixture.store, name, Some(&[name.to_owned()]), Some(PASSWORD)).await.unwrap();
}

async fn as_user(fixture: &Fixture, name: &str, method: &str, target: &str, body: &str) -> Answer {
    login(fixture, name, PASSWORD, method, target, body).await
}

async fn login(fixture: &Fixture, name: &str, password: &str, method: &str, target: &str, body: &str) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    fixture.request_with(method, target, &[("Authorization", &basic)], body).await
}

#[tokio::test]
async fn the_first_start_makes_an_administrator_who_may_do_everything() {
    let fixture = Fixture::start().await;
    let password = Users::ensure_initial(&*fixture.store, None).await.unwrap().unwrap();
    assert!(password.len() >= 20);
    assert_eq!(Users::ensure_initial(&*fixture.store, Some("another one".into())).await.unwrap(), None);
    let admin = async |method: &str, target: &str, body: &str| {
        login(&fixture, "admin", &password, method, target, body).await.status
    };
    for target in [
        "/",
        "/devices",
        "/tasks",
        "/faults",
        "/operations",
        "/transfers",
        "/uploads",
        "/presets",
        "/config",
        "/provisions",
        "/virtual_parameters",
        "/objects",
        "/files",
        "/users",
        "/permissions",
        "/api_keys",
        "/repairs",
    ] {
        assert_eq!(admin("GET", target, "").await, 200, "{target}");
    }
    assert_eq!(admin("PUT", "/config/cwmp.retryDelay", "{\"value\": 5}").await, 200);
    assert_eq!(admin("PUT", "/files/f", "x").await, 201);
    assert_eq!(admin("POST", &format!("/devices/{SILENT}/tags/x"), "").await, 200);
    assert_eq!(admin("POST", &format!("/devices/{SILENT}/tasks"), "{\"name\":\"reboot\"}").await, 202);
    assert_eq!(admin("DELETE", &format!("/devices/{SILENT}"), "").await, 200);
    let devices = login(&fixture, "admin", &password, "GET", "/devices", "").await;
    assert!(devices.body.contains("\"hush\""), "the administrator sees secrets");

    let given = Fixture::start().await;
    assert_eq!(Users::ensure_initial(&*given.store, Some("given".into())).await.unwrap(), None);
    assert_eq!(login(&given, "admin", "given", "GET", "/users", "").await.status, 200);
    assert_eq!(login(&given, "admin", "gIven", "GET", "/users", "").await.status, 401);
    assert_eq!(login(&given, "nobody", "given", "GET", "/users", "").await.status, 401);
}

#[tokio::test]
async fn a_user_sees_what_his_filters_let_through() {
    let fixture = Fixture::start().await;
    let lab = json!({"filter": "Tags.lab IS NOT NULL"});
    user_with(&fixture, "support", &[("devices:2", lab), ("devices:1", json!({})), ("presets:2", json!({}))]).await;
    let get = async |target: &str| as_user(&fixture, "support", "GET", target, "").await;
    let list = get("/devices").await;
    assert_eq!((list.ids(), list.header("total")), (vec![HOME_BOX.to_owned()], Some("1")));
    assert!(!list.body.contains("hush"), "secrets need a permission of their own");
    assert_eq!(get(&format!("/devices?query={{\"_id\":\"{OFFLINE}\"}}")).await.header("total"), Some("0"));
    assert_eq!(get(&format!("/devices/{HOME_BOX_URL}")).await.status, 200);
    let hidden = get(&format!("/devices/{OFFLINE}")).await;
    assert_eq!((hidden.status, hidden.body.as_str()), (404, "No such device"));
    // An ID that may mean several devices does not tell of those that are hidden.
    assert_eq!(get("/devices/0A1B2C-A-B-C").await.status, 404);
    assert_eq!(as_user(&fixture, "support", "HEAD", "/devices", "").await.header("total"), Some("5"));
    assert_eq!(get("/presets").await.status, 200);
    for (method, target, expected) in [
        ("GET", "/faults", "has no permission to read faults"),
        ("HEAD", "/faults", "has no permission to count faults"),
        ("PUT", "/presets/x", "has no permission to change presets"),
        ("GET", "/users", "has no permission to read users"),
        ("POST", "/api_keys", "has no permission to change apiKeys"),
    ] {
        let answer = as_user(&fixture, "support", method, target, "{}").await;
        assert_eq!(answer.status, 403, "{method} {target}");
        assert!(method == "HEAD" || answer.body.contains(expected), "{answer:?}");
    }
    // What changes counts at once.
    fixture.request("DELETE", "/permissions/support:devices:2", "").await;
    assert_eq!(get("/devices").await.status, 403);
    Users::write(&*fixture.store, "support", None, Some("another password")).await.unwrap();
    assert_eq!(get("/presets").await.status, 401);
}

#[tokio::test]
async fn a_users_changes_are_validated() {
    let fixture = Fixture::start().await;
    let reboot =
        json!({"validate": "mutationType = 'task' AND mutation.name = 'reboot' AND object.Tags.lab IS NOT NULL"});
    let tag = json!({"validate": "mutationType = 'tags' AND mutation.customer IS NULL"});
    user_with(&fixture, "operator", &[("devices:3", reboot), ("presets:3", json!({}))]).await;
    user_with(&fixture, "tagger", &[("devices:3", tag)]).await;
    let post = async |user: &str, target: &str, body: &str| as_user(&fixture, user, "POST", target, body).await.status;
    let (lab, other) = (format!("/devices/{HOME_BOX_URL}"), format!("/devices/{OFFLINE}"));
    assert_eq!(post("operator", &format!("{lab}/tasks"), "{\"name\":\"reboot\"}").await, 202);
    assert_eq!(post("operator", &format!("{lab}/tasks"), "{\"name\":\"factoryReset\"}").await, 403);
    assert_eq!(post("operator", &format!("{other}/tasks"), "{\"name\":\"reboot\"}").await, 403);
    assert_eq!(post("operator", &format!("{lab}/tags/x"), "").await, 403);
    assert_eq!(post("tagger", &format!("{other}/tags/x"), "").await, 200);
    assert_eq!(post("tagger", &format!("{other}/tags/customer"), "").await, 403);
    assert_eq!(post("tagger", &format!("{other}/tasks"), "{\"name\":\"reboot\"}").await, 403);
    assert_eq!(as_user(&fixture, "tagger", "DELETE", &other, "").await.status, 403);
    let preset = json!({"provisions": ["x"]}).to_string();
    let refused = as_user(&fixture, "operator", "PUT", "/presets/x", &preset).await;
    assert_eq!(refused.status, 403, "without `validate` nothing may be changed: {refused:?}");
    assert!(fixture.store.get(Collection::Presets, "x").await.unwrap().is_none());
}

#[tokio::test]
async fn a_user_of_an_older_database_logs_in_and_gets_a_better_hash() {
    let fixture = Fixture::start().await;
    // PBKDF2-HMAC-SHA512, 10,000 rounds, of `sesame`, by another implementation.
    let salt = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\
                00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let hash = "e52e04834e3805f2261c5ccfffc65551a4b1afec025e1d205fe7dbdd7849f6f4\
                e973c39148fad5a8ae87046cd0237030189f93f6994ed245386c7ce729448fda\
                f4a64ae76aef8e1f63de9c2a8b757f2573091a03f09de8e6e8745852fc8dbfd1\
                46204da520627737ef2735b2ff1d0714a3223ec448a92378800d48222ba74198";
    let old = json!({"password": hash, "salt": salt, "roles": "admin"});
    fixture.store.put(Collection::Users, "olga", old.clone()).await.unwrap();
    assert_eq!(login(&fixture, "olga", "sesam", "GET", "/", "").await.status, 401);
    assert!(fixture.store.get(Collection::Users, "olga").await.unwrap().unwrap()["salt"].is_string());
    assert_eq!(login(&fixture, "olga", "sesame", "GET", "/", "").await.status, 200);
    let renewed = fixture.store.get(Collection::Users, "olga").await.unwrap().unwrap();
    assert!(renewed["password"].as_str().unwrap().starts_with("$argon2id$") && renewed.get("salt").is_none());
    assert_eq!(renewed["roles"], "admin");
    assert_eq!(login(&fixture, "olga", "sesame", "GET", "/", "").await.status, 200);
    assert_eq!(login(&fixture, "olga", "sesam", "GET", "/", "").await.status, 401);
}

#[tokio::test]
async fn everybody_may_change_his_own_password_who_knows_it() {
    let fixture = Fixture::start().await;
    user_with(&fixture, "carol", &[]).await;
    user_with(&fixture, "dave", &[]).await;
    let change = async |user: &str, body: Json| {
        as_user(&fixture, "carol", "PUT", &format!("/users/{user}/password"), &body.to_string()).await.status
    };
    assert_eq!(change("carol", json!({"newPassword": "battery staple"})).await, 400);
    assert_eq!(change("carol", json!({"newPassword": "battery staple", "authPassword": "wrong"})).await, 401);
    assert_eq!(change("dave", json!({"newPassword": "battery staple", "authPassword": PASSWORD})).await, 403);
    assert_eq!(change("carol", json!({"newPassword": "battery staple", "authPassword": PASSWORD})).await, 200);
    assert_eq!(as_user(&fixture, "carol", "GET", "/", "").await.status, 401);
    assert_eq!(login(&fixture, "carol", "battery staple", "GET", "/", "").await.status, 200);
    assert_eq!(login(&fixture, "carol", "battery staple", "GET", "/users/carol", "").await.status, 403);
}

#[tokio::test]
async fn whoever_may_write_users_is_validated_too() {
    let fixture = Fixture::start().await;
    let support_only =
        json!({"filter": "roles = 'support'", "validate": "mutation.roles = 'support' OR mutationType = 'password'"});
    user_with(&fixture, "lead", &[("users:3", support_only), ("users:2", json!({}))]).await;
    user_with(&fixture, "root", &[]).await;
    let put = async |target: &str, body: Json| as_user(&fixture, "lead", "PUT", target, &body.to_string()).await.status;
    assert_eq!(put("/users/new", json!({"roles": "support", "password": PASSWORD})).await, 201);
    assert_eq!(put("/users/evil", json!({"roles": "root", "password": PASSWORD})).await, 403);
    assert_eq!(put("/users/new", json!({"roles": "support,root"})).await, 403);
    assert_eq!(put("/users/new/password", json!({"newPassword": "battery staple"})).await, 200);
    assert_eq!(put("/users/root/password", json!({"newPassword": "battery staple"})).await, 404);
    assert_eq!(put("/users/root", json!({"password": "battery staple"})).await, 403);
    assert_eq!(as_user(&fixture, "root", "GET", "/", "").await.status, 200);
    let users = as_user(&fixture, "lead", "GET", "/users", "").await;
    assert_eq!(users.ids(), ["lead", "new", "root"]);
}

#[tokio::test]
async fn guessing_at_an_account_is_throttled_and_its_owner_goes_on() {
    let fixture = Fixture::start().await;
    user_with(&fixture, "erin", &[]).await;
    assert_eq!(as_user(&fixture, "erin", "GET", "/", "").await.status, 200);
    let mut statuses = Vec::new();
    for guess in 0..15 {
        statuses.push(login(&fixture, "erin", &format!("guess{guess}"), "GET", "/", "").await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[14], 429, "{statuses:?}");
    assert_eq!(as_user(&fixture, "erin", "GET", "/", "").await.status, 200);
}

#[tokio::test]
async fn a_key_for_some_devices_sees_and_changes_those_only() {
    let fixture = Fixture::start().await;
    let scopes = Scopes { devices: Some("Tags.lab IS NOT NULL".to_owned()), ..Scopes::all() };
    let key = fixture.new_key(&scopes, None).await;
    let request = async |method: &str, target: &str, body: &str| {
        fixture.request_with(method, target, &[("X-API-Key", &key)], body).await
    };
    for device in [HOME_BOX_URL, OFFLINE] {
        fixture.request("POST", &format!("/devices/{device}/tasks"), "{\"name\":\"reboot\"}").await;
    }
    assert_eq!(request("GET", "/devices", "").await.ids(), [HOME_BOX]);
    assert_eq!(request("HEAD", "/tasks", "").await.header("total"), Some("1"));
    assert_eq!(request("HEAD", "/faults", "").await.header("total"), Some("0"));
    assert_eq!(request("GET", "/operations", "").await.ids(), [""; 0]);
    let hidden =
        fixture.request("GET", &format!("/tasks?query={{\"device\":\"{OFFLINE}\"}}"), "").await.ids().remove(0);
    for (method, target, body) in [
        ("GET", format!("/tasks/{hidden}"), ""),
        ("DELETE", format!("/tasks/{hidden}"), ""),
        ("POST", format!("/tasks/{hidden}/retry"), ""),
        ("GET", format!("/faults/{OFFLINE}:wifi"), ""),
        ("GET", format!("/devices/{OFFLINE}"), ""),
        ("GET", format!("/devices/{OFFLINE}/connection_requests"), ""),
        ("POST", format!("/devices/{OFFLINE}/tags/lab"), ""),
        ("POST", format!("/devices/{OFFLINE}/plan"), "{}"),
        ("POST", format!("/devices/{OFFLINE}/tasks?connection_request"), "{\"name\":\"reboot\"}"),
        ("POST", format!("/devices/{OFFLINE}/tasks?connection_request"), ""),
        ("DELETE", format!("/devices/{OFFLINE}"), ""),
    ] {
        let answer = request(method, &target, body).await;
        assert_eq!(answer.status, 404, "{method} {target}: {answer:?}");
    }
    assert_eq!(request("DELETE", &format!("/faults/{OFFLINE}:wifi"), "").await.status, 200);
    assert_eq!(fixture.request("HEAD", "/faults", "").await.header("total"), Some("1"), "it is still there");
    let credentials = "{\"username\":\"u\",\"password\":\"p\"}";
    for (method, target, body) in [
        ("PUT", format!("/devices/{OFFLINE}/credentials"), credentials),
        ("PUT", "/devices/unknown/credentials".to_owned(), credentials),
        ("DELETE", format!("/devices/{OFFLINE}/credentials"), ""),
        ("PUT", "/presets/x".to_owned(), "{\"provisions\":[\"x\"]}"),
        ("PUT", "/config/cwmp.auth".to_owned(), "{\"value\":true}"),
        ("PUT", "/files/f".to_owned(), "x"),
        ("GET", "/users".to_owned(), ""),
        ("POST", "/api_keys".to_owned(), "{\"name\":\"x\",\"methods\":[\"*\"],\"collections\":[\"*\"]}"),
        ("GET", "/repairs".to_owned(), ""),
    ] {
        let answer = request(method, &target, body).await;
        assert_eq!(answer.status, 403, "{method} {target}: {answer:?}");
    }
    assert_eq!(request("GET", "/presets", "").await.status, 200);
    assert_eq!(request("PUT", &format!("/devices/{HOME_BOX_URL}/credentials"), credentials).await.status, 200);
    assert_eq!(request("POST", &format!("/devices/{HOME_BOX_URL}/tags/x"), "").await.status, 200);
}
