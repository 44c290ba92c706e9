//! `serve --demo` shows what it promises.

use std::fs;

use crate::kit::{Server, eventually};
use crate::test_store::is_embedded_or_skips;

#[test]
fn the_demonstration_shows_what_its_guide_says() {
    if !is_embedded_or_skips() {
        return;
    }
    let server = Server::start_with(&["--demo"]);
    eventually("three devices", || server.get("/devices?projection=_id").as_array().unwrap().len() == 3);
    let tagged = "/devices/0A1B2C-SimCPE-DEMO00000001";
    eventually("a device with its values", || {
        server.get(tagged)["Device"]["DeviceInfo"]["SoftwareVersion"]["_value"].is_string()
    });
    assert_eq!(server.request("POST", &format!("{tagged}/tags/demo_wifi"), "").status, 200);
    let transcript = server.data_dir().join("transcript.jsonl");
    eventually("the set request in the transcript", || {
        fs::read_to_string(&transcript)
            .unwrap()
            .lines()
            .any(|line| line.contains("SetParameterValues") && line.contains("Demo DEMO00000001"))
    });
    let fault = || server.get("/faults").as_array().unwrap().first().cloned();
    eventually("a fault that names its line", || {
        fault().is_some_and(|fault| fault["message"].as_str().unwrap().contains("line "))
    });
    eventually("its first retry", || fault().is_some_and(|fault| fault["retries"].as_u64() >= Some(1)));
    assert!(fs::read_to_string(server.data_dir().join("api-key")).is_ok());
}
