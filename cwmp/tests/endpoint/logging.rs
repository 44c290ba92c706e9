//! What the log tells, and what it keeps to itself.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use cwmp::SessionOptions;
use tracing_subscriber::fmt::MakeWriter;

use super::kit::*;

/// Everything that was logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

impl Log {
    fn shared() -> Log {
        static LOG: OnceLock<Log> = OnceLock::new();
        let make = || {
            let log = Log::default();
            let filter = "cwmp=info,cwmp::body=info";
            let subscriber =
                tracing_subscriber::fmt().with_ansi(false).with_env_filter(filter).with_writer(log.clone());
            tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
            log
        };
        LOG.get_or_init(make).clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines about a device.
    fn lines(&self, device: &Device) -> Vec<String> {
        let (text, about) = (self.text(), format!("device=\"{}\"", device.id()));
        text.lines().filter(|line| line.contains(&about)).map(str::to_owned).collect()
    }
}

fn inform_with_password(serial_number: &str, password: &str) -> String {
    let secret = format!(
        "<ParameterList><ParameterValueStruct><Name>Device.ManagementServer.ConnectionRequestPassword</Name>\
         <Value>{password}</Value></ParameterValueStruct>"
    );
    inform(serial_number).replace("<ParameterList>", &secret)
}

#[tokio::test]
async fn a_session_can_be_followed_line_by_line() {
    let log = Log::shared();
    let server = Server::start(Scripts::none().with("reboot", reboot)).await;
    let mut device = server.device("followed").await;
    device.post(&inform_with_password("followed", "hush-one")).await;
    let request = device.post("").await;
    device.post(&fault(request.cwmp_id(), "9001")).await;
    let lines = log.lines(&device);
    let expected: [&[&str]; 4] = [
        &["INFO", "Inform", "remote=\"127.0.0.1\"", "events=\"2 PERIODIC\"", "registered=true"],
        &["INFO", "ACS request", "request=\"Reboot\"", request.cwmp_id()],
        &["WARN", "CPE fault", "request=\"Reboot\"", "9001"],
        &["INFO", "session ended", "completed=true", "had_faults=true"],
    ];
    for parts in expected {
        let tells = |line: &&String| parts.iter().all(|part| line.contains(part));
        assert_eq!(lines.iter().filter(tells).count(), 1, "{parts:?} in {lines:#?}");
    }
    let text = log.text();
    let token = device.cookie.unwrap().replace("session=", "");
    assert!(!text.contains("hush-one") && !text.contains(&token));
}

#[tokio::test]
async fn the_messages_of_a_debugged_device_are_logged_without_their_secrets() {
    let log = Log::shared();
    let debugged = |context: &dyn acs_core::expression::Context| {
        let serial_number = context.parameter("DeviceID.SerialNumber").to_text().map(|text| text.into_owned());
        SessionOptions { debug: serial_number.as_deref() == Some("debugged"), ..SessionOptions::default() }
    };
    let server = Server::start(Scripts::none().with("reboot", reboot).options(debugged)).await;
    let (mut device, mut other) = (server.device("debugged").await, server.device("other").await);
    device.post(&inform_with_password("debugged", "hush-two")).await;
    let request = device.post("").await;
    device.respond(&request).await;
    other.begin().await;
    let bodies = |device: &Device| -> Vec<String> {
        log.lines(device).into_iter().filter(|line| line.contains("direction=")).collect()
    };
    let logged = bodies(&device);
    let expected = ["<cwmp:Inform>", "<cwmp:InformResponse>", "<cwmp:Reboot>", "<cwmp:RebootResponse/>"];
    for part in expected {
        assert_eq!(logged.iter().filter(|line| line.contains(part)).count(), 1, "{part} in {logged:#?}");
    }
    assert!(logged.iter().any(|line| line.contains("ConnectionRequestPassword</Name><Value>***</Value>")));
    assert!(!log.text().contains("hush-two"));
    assert_eq!(bodies(&other), Vec::<String>::new());
}
