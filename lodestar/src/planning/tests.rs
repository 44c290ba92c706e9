use acs_core::change::SessionChange;
use acs_core::device::DeviceHead;
use store::{Collection, EmbeddedStore};

use super::*;

const ID: &str = "0A1B2C-1";
const PASSWORD: &str = "Device.User.Password";
const SECRET: &str = "hush-hush";

/// A store with a device that has a name and a password, and provisions.
async fn stored(provisions: &[(&str, &str)]) -> (EmbeddedStore, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
    let identity =
        DeviceIdStruct { oui: "0A1B2C".to_owned(), serial_number: "1".to_owned(), ..DeviceIdStruct::default() };
    let mut tree = DeviceTree::new();
    for (path, text) in [("Device.User.Name", "Ann"), (PASSWORD, SECRET)] {
        let id = tree.ensure(path);
        tree.set_listed(id, false, true, 1);
        tree.set_read_value(id, TypedValue::string(text), 1);
    }
    let head =
        DeviceHead { id: identity.device_id(), identity, registered: 1, last_inform: 1, ..DeviceHead::default() };
    store.commit_session(SessionChange::first(head, tree)).await.unwrap();
    for (name, source) in provisions {
        store.put(Collection::Provisions, name, json!({ "script": source })).await.unwrap();
    }
    (store, directory)
}

async fn plan_of(store: &EmbeddedStore, subject: PlanSubject, set: &[(&str, &str)], reveal: bool) -> Plan {
    let set = set.iter().map(|(path, text)| ((*path).to_owned(), Value::Text((*text).to_owned()))).collect();
    let request = PlanRequest { subject, set, events: vec!["2 PERIODIC".to_owned()], reveal };
    plan_session(store, None, &Limits::default(), ID, request).await.unwrap().plan
}

/// Reads the password, and tells it in other places.
const TELLS: &str = r#"
    let word = declare("Device.User.Password", #{value: 1}).value?[0];
    declare("Device.User.Name", (), #{value: "it is " + word});
    log(`it is ${word}, which begins with ${word.sub_string(0, 1)}`);
"#;

#[tokio::test]
async fn a_script_that_is_not_stored_cannot_tell_secrets_in_any_form() {
    let (store, _directory) = stored(&[]).await;
    let script = || PlanSubject::Script(TELLS.to_owned());
    let told = plan_of(&store, script(), &[], true).await;
    assert_eq!(told.log[0].message, "it is hush-hush, which begins with h");
    let untold = plan_of(&store, script(), &[], false).await;
    assert_eq!(untold.log[0].message, "it is ***, which begins with *");
    assert_eq!(untold.changes[0].after, Some(TypedValue::string("it is ***")));
}

#[tokio::test]
async fn values_that_are_set_are_no_oracle_for_secrets() {
    let (store, _directory) = stored(&[]).await;
    for (guess, reveal, requests) in [(SECRET, true, 0), ("other", true, 1), (SECRET, false, 1), ("other", false, 1)] {
        let plan = plan_of(&store, PlanSubject::Values, &[(PASSWORD, guess)], reveal).await;
        assert_eq!(plan.requests.len(), requests, "{guess} {reveal}");
    }
}

#[tokio::test]
async fn stored_provisions_are_planned_exactly_and_secrets_that_they_quote_are_masked() {
    let keeps = r#"declare("Device.User.Password", (), #{value: "hush-hush"});"#;
    let changes = r#"declare("Device.User.Password", (), #{value: "new word"}); log("it becomes new word");"#;
    let (store, _directory) = stored(&[("tells", TELLS), ("keeps", keeps), ("changes", changes)]).await;
    let provision = |name: &str| PlanSubject::Provision(name.to_owned());
    assert!(plan_of(&store, provision("keeps"), &[], false).await.requests.is_empty());
    let told = plan_of(&store, provision("tells"), &[], false).await;
    assert!(!to_json(&told).to_string().contains(SECRET), "{told:?}");
    assert_eq!(told.changes[0].path, "Device.User.Name");
    let changed = plan_of(&store, provision("changes"), &[], false).await;
    assert_eq!(changed.log[0].message, "it becomes ***");
    assert!(plan_of(&store, provision("changes"), &[], true).await.log[0].message.contains("new word"));
}

#[tokio::test]
async fn what_is_planned_by_itself_takes_no_stored_names() {
    let name = |value: &str| format!("declare(\"Device.User.Name\", (), #{{value: \"{value}\"}});");
    let (store, _directory) = stored(&[("script", &name("stored")), ("set", &name("stored"))]).await;
    let after = |plan: &Plan| plan.changes[0].after.clone();
    let script = plan_of(&store, PlanSubject::Script(name("own")), &[], true).await;
    assert_eq!(after(&script), Some(TypedValue::string("own")));
    let provision = plan_of(&store, PlanSubject::Provision("script".to_owned()), &[], true).await;
    assert_eq!(after(&provision), Some(TypedValue::string("stored")));
    let both = plan_of(&store, PlanSubject::Provision("set".to_owned()), &[(PASSWORD, "a \"b\"\\\n")], true).await;
    let changed: Vec<_> = both.changes.iter().map(|change| (change.path.as_str(), change.after.clone())).collect();
    let expected = [("Device.User.Name", TypedValue::string("stored")), (PASSWORD, TypedValue::string("a \"b\"\\\n"))];
    assert_eq!(changed, expected.map(|(path, value)| (path, Some(value))));
}

#[tokio::test]
async fn refusals_name_their_reason() {
    let (store, _directory) = stored(&[("wifi", "")]).await;
    let refusal = async |id: &str, subject: PlanSubject| {
        let request = PlanRequest { subject, set: Vec::new(), events: Vec::new(), reveal: true };
        plan_session(&store, None, &Limits::default(), id, request).await.unwrap_err()
    };
    assert!(matches!(refusal("nobody", PlanSubject::Presets).await, PlanError::NoSuchDevice(id) if id == "nobody"));
    let unknown = refusal(ID, PlanSubject::Provision("x".to_owned())).await;
    assert_eq!(unknown.to_string(), "no such provision: x; there are: wifi");
    let broken = refusal(ID, PlanSubject::Script("let x = ;".to_owned())).await;
    assert!(matches!(broken, PlanError::Script(_)) && broken.to_string().contains("line 1, column 9"), "{broken}");
}
