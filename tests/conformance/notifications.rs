//! Notifications: rows N.

use std::net::UdpSocket;

use acs_core::change::SessionChange;
use acs_core::heartbeat::Heartbeat;
use serde_json::Value as Json;

use crate::kit::{Server, Setup, eventually};

#[test]
fn n1_a_lightweight_notification_is_stored_when_it_is_signed_fresh_and_new() {
    const UP_TIME: &str = "Device.DeviceInfo.UpTime";
    let stun = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Setup::default()
        .arguments(|arguments| arguments.stun_listen = Some(stun))
        .script(
            "password",
            r#"declare("Device.ManagementServer.Username", (), #{value: "box"});
               declare("Device.ManagementServer.Password", (), #{value: "s3cret"});
               declare("Device.DeviceInfo.UpTime", #{value: 1});"#,
        )
        .start();
    let mut device = server.simulated("N1", |_| {});
    server.session(&mut device, &["1 BOOT"]);
    let id = device.device_id().to_owned();
    let stun = stun.to_string();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |text: &str| socket.send_to(text.as_bytes(), &stun).unwrap();
    let is_stored = |text: &str| server.value(&id, UP_TIME).to_string().trim_matches('"') == text;
    let now = || chrono::Utc::now().timestamp();
    let mut notification = |text: &str, timestamp| {
        device.model_mut().set_text(UP_TIME, text);
        device.lightweight_notification(&stun, &[UP_TIME], timestamp)
    };
    let old = notification("1111", now() - 3_600);
    let forged = notification("2222", now()).replace("2222", "2223");
    let first = notification("3333", now());
    let second = notification("4444", now() + 1);
    let last = notification("5555", now() + 2);
    for refused in [&old, &forged] {
        send(refused);
    }
    send(&first);
    eventually("the notification to be stored", || is_stored("3333"));
    send(&second);
    eventually("the next one to be stored", || is_stored("4444"));
    for refused in [&first, &old, &forged] {
        send(refused);
    }
    send(&last);
    eventually("the last one to be stored", || is_stored("5555"));
    // Nothing is ever answered.
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err());
}

#[test]
fn n2_lightweight_notifications_fall_back_to_plain_ones() {
    const WANTED: [(&str, u8, u8); 4] = [
        ("Device.DeviceInfo.UpTime", 3, 1),
        ("Device.DeviceInfo.ProvisioningCode", 4, 1),
        ("Device.ManagementServer.URL", 5, 2),
        ("Device.ManagementServer.PeriodicInformInterval", 6, 2),
    ];
    let script: String = WANTED
        .iter()
        .map(|(path, wanted, _)| format!("declare(\"{path}\", (), #{{notification: {wanted}}});\n"))
        .collect();
    let server = Setup::default().script("notifications", &script).start();
    // The second agrees upon 1.4, and refuses them all the same (9003).
    for (serial_number, versions, sets) in [("N2a", None, 1), ("N2b", Some("1.4,1.3,1.2,1.1,1.0"), 2)] {
        let mut device = server.simulated(serial_number, |options| {
            options.supported_cwmp_versions = versions.map(str::to_owned);
        });
        for expected in [sets, 0] {
            let report = server.session(&mut device, &["2 PERIODIC"]);
            let sent = report.rpcs().into_iter().filter(|name| *name == "SetParameterAttributes").count();
            assert_eq!(sent, expected, "{serial_number}");
        }
        for (path, wanted, plain) in WANTED {
            let known = server.parameter(device.device_id(), path);
            assert_eq!(known["_notification"], plain, "{serial_number}: {path} for {wanted}");
        }
        assert!(server.faults(device.device_id()).is_empty());
    }
}

#[test]
fn n3_missing_heartbeats_are_told_once() {
    const POLICY: &str = "Device.ManagementServer.HeartbeatPolicy";
    let script = format!(
        r#"declare("{POLICY}.ReportingInterval", (), #{{value: 300}}); declare("{POLICY}.Enable", (), #{{value: true}});"#
    );
    let mut server = Setup::default().script("heartbeats", &script).start();
    let mut device = server.simulated("N3", |_| {});
    let id = device.device_id().to_owned();
    server.session(&mut device, &["1 BOOT"]);
    let heartbeat = |server: &Server| server.stored(&id)["_heartbeat"].clone();
    let time = |text: &Json| chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap().timestamp();
    let stored = server.stored(&id);
    assert_eq!(time(&stored["_heartbeat"]["_due"]) - time(&stored["_lastInform"]), 450);
    assert_eq!(stored["_heartbeat"]["_missed"], Json::Null);

    // As if it had been silent for so long.
    server.restart_after(async |store| {
        let mut head = store.get_device(&id).await.unwrap().unwrap().head;
        head.heartbeat = Some(Heartbeat { patience: 1, due: head.last_inform + 1, missed_at: None });
        store.commit_session(SessionChange { head, ..SessionChange::default() }).await.unwrap();
    });
    eventually("the heartbeat to be missed", || heartbeat(&server)["_missed"] != Json::Null);
    assert_eq!(
        server.get("/devices/?query={%22_heartbeat._missed%22:{%22$exists%22:true}}").as_array().unwrap().len(),
        1
    );
    assert_eq!(server.outbox("device.heartbeat_resumed"), [] as [Json; 0]);

    let mut device = server.simulated("N3", |_| {});
    server.session(&mut device, &["14 HEARTBEAT"]);
    assert_eq!(heartbeat(&server)["_missed"], Json::Null);
    assert_eq!(server.outbox("device.heartbeat_missed").len(), 1);
    assert_eq!(server.outbox("device.heartbeat_resumed").len(), 1);
}

#[test]
fn n4_periodic_informs_are_spread_over_the_interval() {
    const DEVICES: i64 = 200;
    const SLOTS: i64 = 10;
    let server = Setup::default().seeds().start();
    let mut slots = [0; SLOTS as usize];
    for number in 0..DEVICES {
        // Serial numbers one after the other, as they are delivered.
        let mut device = server.simulated(&format!("{:06}", 4_711 + number), |options| options.parameters = 40);
        server.session(&mut device, &["0 BOOTSTRAP", "1 BOOT"]);
        let management = server.parameter(device.device_id(), "Device.ManagementServer");
        let interval = management["PeriodicInformInterval"]["_value"].as_i64().unwrap() * 1_000;
        let time = management["PeriodicInformTime"]["_value"].as_str().unwrap();
        let time = chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis();
        slots[(time % interval * SLOTS / interval) as usize] += 1;
    }
    let even = DEVICES / SLOTS;
    assert!(slots.iter().all(|count| (even / 2..=even * 2).contains(count)), "{slots:?}");
}
