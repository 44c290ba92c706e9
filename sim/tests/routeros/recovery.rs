//! What the client makes of lost connections, silence and commands that are given up, with faults that the router has on demand.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use routeros::{ClientOptions, Command, Error, Router, RouterPort, TcpConnector, TlsConnector, Trust};
use sim::routeros::fault::{Counted, FaultAction};
use sim::{RouterFault, RouterOptions, Simulator, SimulatorOptions};

use crate::kit::{PASSWORD, USER, column, command, connect, fresh, router, rows};

fn options() -> ClientOptions {
    ClientOptions::new(USER, PASSWORD.into())
}

fn plain(simulator: &Simulator) -> Router {
    let address = simulator.address();
    Router::new(TcpConnector::new(address.ip().to_string(), address.port()), options())
}

fn cut_at(counted: Counted, number: u64) -> Vec<RouterFault> {
    vec![RouterFault { counted, number, action: FaultAction::CutBefore }]
}

#[tokio::test]
async fn a_print_is_repeated_on_a_new_connection_and_a_write_is_not() {
    let tls_listen = Some(([127, 0, 0, 1], 0).into());
    let simulator = Simulator::start(SimulatorOptions { tls_listen, ..SimulatorOptions::new(router()) }).await.unwrap();
    let address = simulator.tls_address().unwrap();
    let trust = Trust::Fingerprint(simulator.fingerprint().unwrap().parse().unwrap());
    let tls = TlsConnector::new(address.ip().to_string(), address.port(), &trust).unwrap();
    for router in [plain(&simulator), Router::new(tls, options())] {
        simulator.set_faults(cut_at(Counted::Commands, 1));
        assert_eq!(router.rows(Command::print("/user")).await.unwrap().len(), 1);
        assert_eq!(simulator.counts().commands, 2);
        simulator.set_faults(cut_at(Counted::Writes, 1));
        let error = router.add(command("/ip/pool/add name=a ranges=192.0.2.0/28")).await.unwrap_err();
        assert!(error.is_state_unknown(), "{error:?}");
        assert_eq!(simulator.counts().writes, 1);
        // The next command finds a new connection.
        assert!(router.rows(Command::print("/ip/pool")).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_router_that_is_too_slow_is_not_waited_for() {
    let (simulator, client) = fresh().await;
    simulator.set_latency(Duration::from_secs(3600));
    let add = command("/ip/pool/add name=a ranges=192.0.2.0/28").timeout(Duration::from_millis(20));
    let error = client.run(add).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { sent: true, .. }) && error.is_state_unknown(), "{error:?}");
    simulator.set_latency(Duration::ZERO);
    // It was carried out: that is why nobody may repeat it unseen.
    let again = connect(&simulator).await;
    assert_eq!(column(&rows(&again, "/ip/pool").await, "name"), ["a"]);
}

#[tokio::test]
async fn a_command_that_is_given_up_is_stopped_on_the_router() {
    let options = RouterOptions { sign_time: Duration::from_secs(3600), ..router() };
    let (simulator, client) = crate::kit::start(options).await;
    let id = crate::kit::add(&client, "/certificate/add name=ca common-name=ca").await;
    let sign = format!("/certificate/sign .id={id}");
    let mut signing = Box::pin(client.run(command(&sign)));
    // One poll sends it.
    tokio::select! {
        biased;
        result = &mut signing => panic!("{result:?}"),
        () = std::future::ready(()) => {}
    }
    drop(signing);
    // The connection goes on, and the command after the cancel is answered.
    assert_eq!(rows(&client, "/certificate").await.len(), 1);
    assert_eq!(crate::kit::property(&client, "/certificate", "ca", "fingerprint").await, None);
    drop(simulator);
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_side_logs_a_password() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (simulator, client) = fresh().await;
    tracing::info!("the log is read");
    crate::kit::run(&client, "/ip/dns/set servers=192.0.2.53").await;
    let secret = "a-secret-of-somebody";
    crate::kit::add(&client, &format!("/ppp/secret/add name=s password={secret}")).await;
    let refused = client.run(command(&format!("/ppp/secret/add name=s password={secret}"))).await.unwrap_err();
    simulator.cut();
    let lost = client.closed().await;
    let wrong =
        routeros::Client::connect(simulator.address(), &ClientOptions::new(USER, secret.into())).await.unwrap_err();
    let text =
        String::from_utf8(log.0.lock().clone()).unwrap() + &format!("{refused} {refused:?} {lost:?} {wrong} {wrong:?}");
    assert!(text.contains("the log is read"));
    assert!(!text.contains(PASSWORD) && !text.contains(secret), "{text}");
}
