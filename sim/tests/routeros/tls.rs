//! TLS: which router is the right one, and what is said to one that has no certificate.

use std::net::SocketAddr;

use routeros::{Client, ClientOptions, Command, Error, Fingerprint, TlsConnector, Trust};
use sim::{Simulator, SimulatorOptions};

use crate::kit::{PASSWORD, USER, add, connect, property, router, rows, run};

async fn start(without_certificate: bool) -> (Simulator, SocketAddr) {
    let tls_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let options = SimulatorOptions { tls_listen, without_certificate, ..SimulatorOptions::new(router()) };
    let simulator = Simulator::start(options).await.unwrap();
    let address = simulator.tls_address().unwrap();
    (simulator, address)
}

async fn try_tls(address: SocketAddr, trust: &Trust) -> Result<Client, Error> {
    let connector = TlsConnector::new(address.ip().to_string(), address.port(), trust).unwrap();
    Client::connect_by(&connector, &ClientOptions::new(USER, PASSWORD.into())).await
}

#[tokio::test]
async fn a_certificate_that_is_known_is_enough_and_any_other_is_not() {
    let (simulator, address) = start(false).await;
    let known: Fingerprint = simulator.fingerprint().unwrap().parse().unwrap();
    let client = try_tls(address, &Trust::Fingerprint(known)).await.unwrap();
    assert_eq!(rows(&client, "/user").await.len(), 1);
    // The router shows the same fingerprint to whoever is logged in.
    assert_eq!(property(&client, "/certificate", "api", "fingerprint").await, Some(known.to_string()));
    let other: Fingerprint = "ab".repeat(32).parse().unwrap();
    let error = try_tls(address, &Trust::Fingerprint(other)).await.unwrap_err().to_string();
    assert!(error.contains(&known.to_string()) && error.contains(&other.to_string()), "{error}");
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_known_is_enough() {
    let (simulator, address) = start(false).await;
    let client = connect(&simulator).await;
    for name in ["ca", "stranger"] {
        let ca = format!("/certificate/add name={name} common-name={name} key-usage=key-cert-sign,crl-sign");
        let id = add(&client, &ca).await;
        run(&client, &format!("/certificate/sign .id={id}")).await;
        run(&client, &format!("/certificate/export-certificate numbers={name} file-name={name}")).await;
    }
    let id = add(
        &client,
        "/certificate/add name=server common-name=router.lan subject-alt-name=IP:127.0.0.1 key-usage=digital-signature,tls-server",
    )
    .await;
    run(&client, &format!("/certificate/sign .id={id} ca=ca")).await;
    run(&client, "/ip/service/set .id=api-ssl certificate=server").await;
    let trust = async |name: &str| {
        let pem = property(&client, "/file", &format!("{name}.crt"), "contents").await.unwrap();
        Trust::authorities(pem.as_bytes()).unwrap()
    };
    let secure = try_tls(address, &trust("ca").await).await.unwrap();
    assert!(secure.run(Command::print("/ip/address")).await.is_ok());
    let error = try_tls(address, &trust("stranger").await).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn a_router_without_a_certificate_is_refused_and_it_is_said_why() {
    let (_simulator, address) = start(true).await;
    let trust = Trust::Fingerprint("ab".repeat(32).parse().unwrap());
    let error = try_tls(address, &trust).await.unwrap_err().to_string();
    assert!(error.contains("anonymous ciphers") && error.contains("/ip/service set api-ssl certificate="), "{error}");
}
