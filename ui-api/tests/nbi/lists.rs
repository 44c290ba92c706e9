//! Long lists.

use acs_core::value::TypedValue;

use crate::fixture::{Fixture, REGISTERED, first_session};

const MANY: usize = 1_500;

#[tokio::test]
async fn a_long_list_is_complete_and_in_the_known_form() {
    let fixture = Fixture::start().await;
    let value = TypedValue::string("x".repeat(200));
    for number in 0..MANY {
        let serial = format!("{number:05}");
        let session =
            first_session(["0A1B2D", "Many", &serial], REGISTERED, &[("Device.DeviceInfo.Description", value.clone())]);
        fixture.store.commit_session(session).await.unwrap();
    }
    let query = "query={\"_deviceId._OUI\":\"0A1B2D\"}";
    let answer = fixture.request("GET", &format!("/devices?{query}&limit=5000"), "").await;
    assert_eq!(answer.header("total"), Some("1500"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.header("content-encoding"), None);
    let lines: Vec<&str> = answer.body.split('\n').collect();
    assert_eq!(lines.len(), MANY + 2);
    assert_eq!((lines[0], lines[MANY + 1]), ("[", "]"));
    assert!(lines[1..MANY].iter().all(|line| line.starts_with("{\"_id\":\"0A1B2D-Many-") && line.ends_with("},")));
    assert!(lines[MANY].ends_with('}'));
    let ids = answer.ids();
    assert!(ids.is_sorted());

    // Pages follow one another without gaps.
    let mut paged = Vec::new();
    for page in 0..4 {
        let target = format!("/devices?{query}&skip={}&limit=400&projection=_id", page * 400);
        paged.extend(fixture.request("GET", &target, "").await.ids());
    }
    assert_eq!(paged, ids);
}
