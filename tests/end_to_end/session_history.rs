//! What happened in a device's last sessions, as the REST API tells it.

use serde_json::{Value as Json, json};

use crate::kit::{Server, eventually};
use crate::test_store::DataDir;

const DEVICE: &str = "0A1B2C-SimCPE-DEMO00000001";
const CODE: &str = "Device.DeviceInfo.ProvisioningCode";
const PASSPHRASE: &str = "Device.WiFi.AccessPoint.1.Security.KeyPassphrase";

fn sessions(server: &Server) -> Vec<Json> {
    server.get(&format!("/devices/{DEVICE}/sessions")).as_array().unwrap().clone()
}

fn session(server: &Server, listed: &Json) -> Json {
    server.get(&format!("/devices/{DEVICE}/sessions/{}", listed["_id"].as_str().unwrap()))
}

fn step<'s>(session: &'s Json, method: &str) -> &'s Json {
    let steps = session["steps"].as_array().unwrap();
    steps.iter().find(|step| step["method"] == method).unwrap_or_else(|| panic!("no {method}: {session}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_told() {
    let server = Server::start();
    let mut device = server.device("DEMO00000001", |_| {});
    assert!(device.session(["1 BOOT"]).await.completed());
    let script = format!("log(\"here\");\ndeclare(\"{CODE}\", (), #{{value: \"new\"}});");
    server.preset("code", json!({}), &script);
    assert!(device.session(["2 PERIODIC"]).await.completed());

    let listed = sessions(&server);
    let events: Vec<&Json> = listed.iter().map(|session| &session["events"][0]).collect();
    assert_eq!(events, ["2 PERIODIC", "1 BOOT"], "the newest first");
    assert_eq!((&listed[1]["registered"], &listed[0]["registered"]), (&json!(true), &json!(false)));
    for listed in &listed {
        assert_eq!((&listed["outcome"], &listed["stored"]), (&json!("completed"), &json!(false)), "{listed}");
        assert_eq!(listed["remoteAddress"], "127.0.0.1");
        assert!(listed["bytesReceived"].as_u64() > Some(0) && listed.get("steps").is_none(), "{listed}");
    }
    let told = session(&server, &listed[0]);
    assert_eq!(step(&told, "SetParameterValues")["causes"], json!(["preset code, provision code, line 2:1"]), "{told}");
    assert_eq!(step(&told, "SetParameterValues")["text"], CODE);
    assert_eq!(step(&told, "SetParameterValuesResponse")["text"], "status 0");
    let logged = told["steps"].as_array().unwrap().iter().find(|step| step["kind"] == "script").unwrap();
    assert_eq!((&logged["text"], &logged["provision"]), (&json!("here"), &json!("code")));

    let missing = server.request("GET", &format!("/devices/{DEVICE}/sessions/000000000000000000000000"), "");
    assert_eq!((missing.status, missing.body.as_str()), (404, "No such session"));
    assert_eq!(server.request("DELETE", &format!("/devices/{DEVICE}"), "").status, 200);
    assert!(device.session(["2 PERIODIC"]).await.completed());
    assert_eq!(sessions(&server).len(), 1, "those of before went with the device");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_with_faults_outlast_a_restart_and_those_that_are_configured() {
    let directory = DataDir::new();
    let mut server = Server::start_on(directory.path());
    server.preset("broken", json!({"events": {"1 BOOT": true}}), "throw \"broken\";");
    let mut device = server.device("DEMO00000001", |_| {});
    for event in ["2 PERIODIC", "1 BOOT", "2 PERIODIC"] {
        assert!(device.session([event]).await.completed());
    }
    let stored = |server: &Server| sessions(server).iter().filter(|session| session["stored"] == true).count();
    eventually("the faulted session to be stored", || stored(&server) == 1);
    let faulted = sessions(&server)[1].clone();
    assert_eq!(faulted["faults"][0]["code"], "script.Error", "{faulted}");

    server.put("/config/cwmp.trace", &json!({ "value": "'all'" }).to_string());
    assert!(device.session(["2 PERIODIC"]).await.completed());
    eventually("the configured session to be stored", || stored(&server) == 2);

    server.kill();
    let server = Server::start_on(directory.path());
    let events: Vec<Json> = sessions(&server).iter().map(|session| session["events"].clone()).collect();
    assert_eq!(events, [json!(["2 PERIODIC"]), json!(["1 BOOT"])], "what was in memory is gone");
    let told = session(&server, &faulted);
    assert_eq!(told["faults"], faulted["faults"]);
    assert!(told["steps"].as_array().unwrap().iter().any(|step| step["kind"] == "fault"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_of_a_session_not_even_in_its_messages() {
    let (canary, set) = ("canary-Wx7#q9", "computed-Kz4-secret");
    let server = Server::start();
    server.put("/config/cwmp.trace", &json!({ "value": "'messages'" }).to_string());
    let mut device = server.device("DEMO00000001", |options| options.behaviour.show_passwords = true);
    assert!(device.change_value(PASSPHRASE, canary));
    let script = format!(
        "let found = declare(\"{PASSPHRASE}\", #{{value: now()}});\n\
         log(\"it is \" + found.value[0]);\n\
         declare(\"{PASSPHRASE}\", (), #{{value: \"{set}\"}});\n\
         log(\"and will be {set}\");\n\
         commit();\n\
         throw \"not {set}\";"
    );
    server.preset("secrets", json!({}), &script);
    for _ in 0..2 {
        assert!(device.session(["2 PERIODIC"]).await.completed());
    }
    let listed = sessions(&server);
    let told: Vec<Json> = listed.iter().map(|listed| session(&server, listed)).collect();
    let inform = step(&told[0], "Inform")["content"].as_str().unwrap();
    assert!(inform.contains("<ParameterList"), "{inform}");
    let text = format!("{listed:?} {told:?}");
    assert!(text.contains("it is ***") && text.contains("not ***"), "{text}");
    for secret in [canary, set] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
