//! Connection requests over XMPP, through a real server: Prosody. Rows J. Where Prosody is not installed, the tests say so and are
//! skipped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use lodestar::command_line::ServeArguments;
use sim::cpe::Xmpp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::kit::{Answer, Server, Setup, eventually};

/// An XMPP server with the users `acs` and `box`, whose passwords are `secret`.
struct Prosody {
    process: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Prosody {
    /// `None`: there is none on this machine.
    fn start(tls: bool) -> Option<Prosody> {
        if Command::new("prosodyctl").arg("about").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("LODESTAR_XMPP_TEST").is_none(), "Prosody is not installed");
            eprintln!("skipped: Prosody is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (path, port) = (directory.path().display().to_string(), address.port());
        let modules = if tls { "\"saslauth\", \"tls\"" } else { "\"saslauth\"" };
        let mut config = format!(
            "run_as_root = true; pidfile = \"{path}/pid\"; data_path = \"{path}\"\n\
             log = {{ {{ levels = {{ min = \"error\" }}, to = \"console\" }} }}\n\
             modules_enabled = {{ {modules} }}; modules_disabled = {{ \"s2s\", \"offline\" }}\n\
             interfaces = {{ \"127.0.0.1\" }}; c2s_ports = {{ {port} }}; s2s_ports = {{ }}\n\
             authentication = \"internal_hashed\"; c2s_require_encryption = {tls}; allow_unencrypted_plain_auth = {}\n",
            !tls
        );
        if tls {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(directory.path().join("certificate.pem"), made.cert.pem()).unwrap();
            std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            config
                .push_str(&format!("ssl = {{ certificate = \"{path}/certificate.pem\"; key = \"{path}/key.pem\" }}\n"));
        }
        config.push_str("VirtualHost \"localhost\"\n");
        let file = directory.path().join("prosody.cfg.lua");
        std::fs::write(&file, config).unwrap();
        for user in ["acs", "box"] {
            register(&file, user);
        }
        let mut prosody = Command::new("prosody");
        prosody.arg("-F").arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let prosody = Prosody { process: prosody.spawn().unwrap(), address, directory };
        eventually("Prosody to listen", || TcpStream::connect(address).is_ok());
        Some(prosody)
    }

    fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    /// A server that is on XMPP by this one. It may not go to this machine by HTTP.
    fn acs(&self, setup: Setup, change: impl FnOnce(&mut ServeArguments)) -> Server {
        let password = self.directory.path().join("password");
        std::fs::write(&password, "secret\n").unwrap();
        let setup = setup.config("cwmp.connectionRequestAuth", "AUTH('acs', 's3cret')");
        let setup = setup.arguments(|arguments| {
            arguments.xmpp_jid = Some("acs@localhost/lodestar".to_owned());
            arguments.xmpp_password_file = Some(password);
            arguments.xmpp_server = Some(self.address.to_string());
            change(arguments);
        });
        setup.start()
    }

    /// A device that is on XMPP, and has told so.
    fn device(&self, server: &Server, serial_number: &str) -> sim::Device {
        let mut device = server.simulated(serial_number, |options| {
            options.xmpp = Some(Xmpp {
                jid: format!("box@localhost/{serial_number}"),
                password: "secret".to_owned(),
                server: self.address.to_string(),
            });
        });
        server.run(device.listen()).unwrap();
        for (name, text) in [("Username", "acs"), ("Password", "s3cret")] {
            device.change_value(&format!("Device.ManagementServer.ConnectionRequest{name}"), text);
        }
        server.session(&mut device, &["1 BOOT"]);
        device
    }
}

fn register(config: &Path, user: &str) {
    let mut command = Command::new("prosodyctl");
    command.arg("--root").arg("--config").arg(config).args(["register", user, "localhost", "secret"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

impl Drop for Prosody {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wake(server: &Server, device: &sim::Device) -> Answer {
    server.request("POST", &format!("/devices/{}/tasks?connection_request", device.device_id()), "")
}

/// Wakes until this is why it fails; at first the server may not be connected yet.
fn eventually_fails(server: &Server, device: &sim::Device, reason: &str) {
    eventually(reason, || {
        let answer = wake(server, device);
        answer.status == 504 && xmpp(server, device)["lastFailure"]["reason"] == reason
    });
}

fn xmpp(server: &Server, device: &sim::Device) -> serde_json::Value {
    server.get(&format!("/devices/{}/connection_requests", device.device_id()))["methods"]["XMPP"].clone()
}

#[test]
fn j1_the_iq_carries_the_devices_credentials_to_its_jabber_id() {
    let Some(prosody) = Prosody::start(false) else { return };
    let server = prosody.acs(Setup::default(), |_| {});
    let device = prosody.device(&server, "J1");
    let told = server.value(device.device_id(), "Device.ManagementServer.ConnReqJabberID");
    assert_eq!(told, "box@localhost/J1");
    // The device lets in nobody without them.
    eventually("the device to be woken", || wake(&server, &device).status == 200);
    assert_eq!(device.connection_requests(), 1);
}

#[test]
fn j2_a_result_is_followed_by_an_inform() {
    let Some(prosody) = Prosody::start(false) else { return };
    let server = prosody.acs(Setup::default(), |_| {});
    let mut device = prosody.device(&server, "J2");
    let id = device.device_id().to_owned();
    let (stop, (over, first_session)) = (CancellationToken::new(), mpsc::channel());
    let running = server.spawn({
        let stop = stop.clone();
        // Whether anybody still listens does not matter.
        async move { device.run(["2 PERIODIC"], None, stop, |_| over.send(()).unwrap_or(())).await }
    });
    first_session.recv().unwrap();
    let task =
        r#"{"name": "setParameterValues", "parameterValues": [["Device.DeviceInfo.ProvisioningCode", "woken"]]}"#;
    let target = format!("/devices/{id}/tasks?connection_request&timeout=20000");
    eventually("the task to be done", || server.request("POST", &target, task).status == 200);
    eventually("the Inform to be counted", || {
        let record = server.get(&format!("/devices/{id}/connection_requests"));
        record["methods"]["XMPP"]["informed"].as_u64() >= Some(1)
    });
    assert_eq!(server.value(&id, "Device.DeviceInfo.ProvisioningCode"), "woken");
    stop.cancel();
    server.run(running).unwrap();
}

#[test]
fn j3_errors_mean_what_they_mean_over_http() {
    let Some(prosody) = Prosody::start(false) else { return };
    let server = prosody.acs(Setup::default(), |_| {});
    let mut device = prosody.device(&server, "J3");
    device.change_value("Device.ManagementServer.ConnectionRequestPassword", "another");
    eventually_fails(&server, &device, "wrong_credentials");
    assert_eq!(wake(&server, &device).text(), "Incorrect connection request credentials");
    let gone = server.simulated("J3", |_| {});
    drop(device);
    eventually_fails(&server, &gone, "unavailable");
    assert_eq!(wake(&server, &gone).text(), "Device is offline");
}

#[test]
fn j4_the_way_is_chosen_per_device_in_a_configurable_order() {
    let Some(prosody) = Prosody::start(false) else { return };
    let setup = Setup::default().config("cwmp.connectionRequestMethods", "'HTTP, XMPP'");
    let server = prosody.acs(setup, |_| {});
    let mut device = prosody.device(&server, "J4");
    device.change_value("Device.ManagementServer.ConnectionRequestURL", "https://192.0.2.1/");
    server.session(&mut device, &["2 PERIODIC"]);
    eventually("the device to be woken", || wake(&server, &device).status == 200);
    let methods = server.get(&format!("/devices/{}/connection_requests", device.device_id()))["methods"].clone();
    assert_eq!(methods["HTTP"]["lastFailure"]["reason"], "unsupported_protocol", "it comes first");
    assert_eq!(methods["XMPP"]["accepted"], 1);
}

#[test]
fn j5_the_connection_is_encrypted() {
    let Some(prosody) = Prosody::start(true) else { return };
    let server = prosody.acs(Setup::default(), |arguments| arguments.xmpp_ca = Some(prosody.certificate()));
    let mut device = server.simulated("J5", |_| {});
    let path = device.model().under_root("ManagementServer.ConnReqJabberID");
    let value = sim::value::Value { text: "box@localhost/J5".into(), xsd: sim::value::XsdType::String };
    device.model_mut().insert(&path, sim::model::Node { writable: false, value: Some(value) });
    device.report_value(&path);
    server.session(&mut device, &["1 BOOT"]);
    // Nobody is there. That the XMPP server says so shows that the connection stands; it takes none without TLS.
    eventually_fails(&server, &device, "unavailable");
    // Without TLS only where the operator says so, or on this machine.
    let password = prosody.directory.path().join("password");
    let resolve = |xmpp_server: &str| {
        let arguments = ServeArguments {
            xmpp_jid: Some("acs@localhost".to_owned()),
            xmpp_password_file: Some(password.clone()),
            xmpp_server: Some(xmpp_server.to_owned()),
            ..ServeArguments::default()
        };
        lodestar::options::ServeOptions::resolve(arguments).unwrap().xmpp.unwrap().without_tls
    };
    assert!(!resolve("192.0.2.1:5222"));
    assert!(resolve("127.0.0.1:5222"));
}
