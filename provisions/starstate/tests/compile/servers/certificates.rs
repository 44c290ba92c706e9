//! Certificates that the router makes.

use routeros::{Command, RouterPort};
use serde_json::{Value as Json, json};
use starstate::issue::Severity;
use starstate::step::Step;

use super::with_server;
use crate::kit::{self, Attempt};
use crate::{assert_no_errors, assert_shown, compiled, issues, of};

#[test]
fn certificates_that_servers_ask_for_are_made() {
    let mut document =
        with_server("sstpServer", json!({ "enabled": true, "certificate": "c1", "verifyClientCertificate": true }));
    document["lan"]["vpnServer"]["certificatePassphrase"] = "long enough".into();
    document["lan"]["vpnServer"]["ikev2Server"] = json!({
        "enabled": true,
        "ipsecIdentity": { "type": "psk", "content": "psk" },
        "certificate": {
            "name": "c1", "commonName": "vpn.example.com", "country": "DE", "state": "B", "city": "Berlin",
            "org": "Example", "unit": "Net", "email": "net@example.com", "validTo": "400",
        },
    });
    let compiled = compiled(&document);
    assert_no_errors(&compiled);
    let certificates: Vec<Step> =
        of(&compiled, "vpn.").into_iter().filter(|step| step.path == "/certificate").collect();
    assert_shown(
        &certificates,
        "+ /certificate name=nnc-ca common-name=\"router CA\" key-usage=key-cert-sign,crl-sign key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-ca] ca-crl-host=127.0.0.1 (needs certificate/nnc-ca)
         > /certificate export-certificate [name=nnc-ca] type=pem file-name=nnc-ca (needs certificate/nnc-ca/sign) (optional)
         + /certificate name=c1 common-name=vpn.example.com key-usage=digital-signature,key-encipherment,tls-server key-size=2048 days-valid=400 subject-alt-name=DNS:vpn.example.com,email:net@example.com country=DE state=B locality=Berlin organization=Example unit=Net
         > /certificate sign until fingerprint [name=c1] ca=nnc-ca (needs certificate/c1 certificate/nnc-ca/sign)
         + /certificate name=nnc-client common-name=\"router client\" key-usage=digital-signature,key-encipherment,tls-client key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-client] ca=nnc-ca (needs certificate/nnc-client certificate/nnc-ca/sign)
         > /certificate export-certificate [name=nnc-client] type=pem file-name=nnc-client export-passphrase=<secret> (needs certificate/nnc-client/sign) (optional)",
    );
    for step in certificates.iter().filter(|step| step.id.matches('/').count() == 1) {
        assert_eq!(step.initial.len(), step.arguments.len() - 1, "one that is there is not changed: {}", step.id);
    }
}

#[test]
fn the_certificate_of_the_router() {
    let certificate = |config: Json| {
        let compiled = compiled(&json!({ "extra": { "certificateConfig": config } }));
        (of(&compiled, "system.certificate"), issues(&compiled, Severity::Error))
    };
    let own = "+ /certificate name=nnc-ca common-name=\"router CA\" key-usage=key-cert-sign,crl-sign key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-ca] ca-crl-host=127.0.0.1 (needs certificate/nnc-ca)
         > /certificate export-certificate [name=nnc-ca] type=pem file-name=nnc-ca (needs certificate/nnc-ca/sign) (optional)
         + /certificate name=nnc-cert common-name=router key-usage=digital-signature,key-encipherment,tls-server key-size=2048 days-valid=3650
         > /certificate sign until fingerprint [name=nnc-cert] ca=nnc-ca (needs certificate/nnc-cert certificate/nnc-ca/sign)";
    let lets_encrypt = "= /ip/cloud ddns-enabled=yes
         + /ip/firewall/filter action=accept chain=input in-interface-list=WAN protocol=tcp dst-port=80 (before chain=input) (optional)
         > /certificate enable-ssl-certificate (needs system.certificate/cloud system.certificate/accept-tcp-80) (optional)";
    let cases = [
        (json!({ "enabled": true, "selfSigned": true }), own),
        (json!({ "enabled": true }), own),
        (json!({ "enabled": true, "certificateProvider": "Self-Signed" }), own),
        (json!({ "enabled": true, "letsEncrypt": true }), lets_encrypt),
        (json!({ "enabled": true, "certificateProvider": "Let's Encrypt", "selfSigned": false }), lets_encrypt),
        (json!({ "enabled": true, "selfSigned": false }), ""),
        (json!({ "enabled": false, "selfSigned": true }), ""),
    ];
    for (config, expected) in cases {
        let (steps, errors) = certificate(config);
        assert_eq!(errors, [""; 0]);
        assert_shown(&steps, expected);
    }
    let (_, errors) = certificate(json!({ "enabled": true, "certificateProvider": "acme corp" }));
    assert_eq!(
        errors,
        ["$.extra.certificateConfig.certificateProvider: \"acme corp\" is none of self-signed, letsencrypt"]
    );
}

#[tokio::test]
async fn a_certificate_that_is_there_serves_as_it_is() {
    let router = kit::start().await;
    router.run(&["/certificate/add", "=name=mine", "=common-name=theirs", "=key-usage=tls-server"]).unwrap();
    let port = kit::reach(&router);
    port.run(Command::new("/certificate", "sign").item("mine")).await.unwrap();
    let server = json!({ "enabled": true, "certificate": "mine" });
    let compiled = compiled(&with_server("sstpServer", server));
    let attempt = Attempt::new(&port, compiled.steps);
    assert_eq!(attempt.apply().await.unwrap().warnings, []);
    assert!(router.configuration().contains("common-name=\"theirs\""));
    assert!(attempt.plan().await.is_empty());
    attempt.roll_back().await;
    assert!(router.configuration().contains("common-name=\"theirs\""), "it stays");
}

#[tokio::test]
async fn a_certificate_that_was_made_stays_as_it_is() {
    let router = kit::start().await;
    let port = kit::reach(&router);
    let document = |certificate: Json| {
        let server = json!({ "enabled": true, "certificate": certificate });
        compiled(&with_server("ikev2Server", server)).steps
    };
    let first = document(json!({ "name": "c", "commonName": "a.example.com", "org": "Example" }));
    let applied = Attempt::new(&port, first).apply().await.unwrap();
    assert_eq!(applied.warnings, []);
    // Neither another name nor less of it: a signature is for what was signed.
    let second = document(json!({ "name": "c", "commonName": "b.example.com" }));
    let attempt = Attempt { base: applied.holdings, ..Attempt::new(&port, second) };
    assert!(attempt.plan().await.is_empty(), "{}", attempt.plan().await);
}
