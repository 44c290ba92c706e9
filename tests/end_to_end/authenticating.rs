//! Devices authenticate themselves: the recipes of `docs/authentication.md`, and TLS from the command line.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use acs_core::expression::{FunctionSet, parse};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::kit::{Server, eventually};

const DOCUMENTATION: &str = include_str!("../../docs/authentication.md");

/// The blocks of code of one language in the documentation.
fn blocks(language: &str) -> Vec<&'static str> {
    let parts = DOCUMENTATION.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).map(str::trim).collect()
}

fn recipe(part: &str) -> &'static str {
    blocks("text").into_iter().find(|text| text.contains(part)).expect("the recipe is documented")
}

#[test]
fn every_documented_recipe_is_an_expression() {
    let recipes: Vec<&str> =
        blocks("text").into_iter().filter(|text| text.contains('(')).flat_map(str::lines).collect();
    assert!(recipes.len() > 5, "{recipes:?}");
    for text in recipes {
        let problems = parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).check(FunctionSet::AUTHENTICATION);
        assert!(problems.is_empty(), "{text}: {problems:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrols_with_shared_credentials_and_is_given_its_own() {
    let server = Server::start();
    server.preset("password", serde_json::json!({}), blocks("rhai")[0]);
    let gate = serde_json::json!({ "value": recipe("'enrol'") });
    server.put("/config/cwmp.auth", &gate.to_string());
    let shared = |options: &mut sim::Options| {
        (options.username, options.password) = ("enrol".into(), "welcome".into());
    };
    let mut device = server.device("E2E1", shared);
    for _ in 0..2 {
        let report = device.session(["2 PERIODIC"]).await;
        assert!(report.completed(), "{report:?}");
    }
    assert_eq!(device.model().root_text("ManagementServer.Username"), Some("0A1B2C-SimCPE-E2E1"));
    assert_eq!(device.model().root_text("ManagementServer.Password").map(str::len), Some(20));
    // Somebody with the shared credentials is not this device any more, but may be another.
    let mut claimant = server.device("E2E1", shared);
    assert_eq!(claimant.session(["2 PERIODIC"]).await.final_status, Some(401));
    assert!(server.device("E2E2", shared).session(["2 PERIODIC"]).await.completed());
    assert!(device.session(["2 PERIODIC"]).await.completed());
    // Unless an operator forgets who it was.
    assert_eq!(server.request("DELETE", "/devices/0A1B2C-SimCPE-E2E1/credentials", "").status, 200);
    assert!(claimant.session(["0 BOOTSTRAP"]).await.completed());
}

/// Writes `ca.pem`, and a server's and a device's certificate with their keys.
fn write_certificates(directory: &Path) {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    for (name, common_name) in [("server", "Server"), ("cpe", "0A1B2C-SimCPE-SIM00000001")] {
        let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[test]
fn devices_come_by_tls_and_a_hangup_renews_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    write_certificates(directory.path());
    let path = |name: &str| directory.path().join(name).display().to_string();
    let address: SocketAddr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let server = Server::start_with(&[
        "--cwmp-tls-listen",
        &address.to_string(),
        "--tls-certificate",
        &path("server.pem"),
        "--tls-key",
        &path("server.key"),
        "--tls-client-ca",
        &path("ca.pem"),
    ]);
    let gate = serde_json::json!({ "value": recipe("CLIENT_CERTIFICATE(DeviceID.ID)").lines().next().unwrap() });
    server.put("/config/cwmp.auth", &gate.to_string());
    let acs = format!("https://{address}/");
    let comes = |ca: &str, certificate: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lodestar"));
        command.args(["sim", "cpe", "--acs", &acs, "--parameters", "80", "--json", "--ca", ca]).args(certificate);
        command.output().unwrap().status.success()
    };
    let own = [&*format!("--certificate={}", path("cpe.pem")), &*format!("--key={}", path("cpe.key"))];
    assert!(comes(&path("ca.pem"), &own));
    assert!(!comes(&path("ca.pem"), &[]), "without its certificate it is nobody");

    let renewed = tempfile::tempdir().unwrap();
    write_certificates(renewed.path());
    for name in ["server.pem", "server.key", "ca.pem", "cpe.pem", "cpe.key"] {
        std::fs::copy(renewed.path().join(name), directory.path().join(name)).unwrap();
    }
    server.hang_up();
    eventually("the new certificate", || comes(&path("ca.pem"), &own));
}
