//! What documents take for granted on a router.

use serde_json::{Value as Json, json};
use starstate::compile::Facts;
use starstate::issue::Severity;
use starstate::role::Role;

use super::{compiled_for, issues, texts};

fn document(name: &str) -> Json {
    let text = texts::documents().into_iter().find(|(known, _)| known == name).unwrap().1;
    serde_json::from_str(&text).unwrap()
}

fn certificates(names: &[&str]) -> Facts {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Facts { certificates: Some(names), ..Facts::newest() }
}

#[test]
fn a_tunnel_is_made_without_a_certificate_that_nobody_has_brought() {
    let document = document("08-everything-on");
    let certificate = |facts: &Facts| {
        let compiled = compiled_for(&document, Role::Master, facts);
        let step = compiled.steps.iter().find(|step| step.path == "/interface/ovpn-client").unwrap();
        let warnings = issues(&compiled, Severity::Warning);
        let told = warnings.into_iter().find(|warning| warning.contains("no certificate client-cert"));
        (step.text("certificate").map(str::to_owned), told)
    };
    let there = Some("client-cert".to_owned());
    assert_eq!(certificate(&certificates(&["client-cert"])), (there.clone(), None));
    assert_eq!(certificate(&Facts::newest()), (there, None), "when nobody knows, it may be there");
    let (argument, told) = certificate(&certificates(&[]));
    assert_eq!(argument, None);
    assert!(told.unwrap().starts_with("$.wan.vpnClient.openVpn[0]: "));
}

#[test]
fn what_cannot_be_without_its_certificate_is_an_error() {
    let mut document = document("09-minimal");
    document["wan"]["vpnClient"] = json!({"ikev2": [{
        "name": "ike",
        "serverAddress": "vpn.example",
        "authMethod": "digital-signature",
        "clientCertificateName": "mine",
    }]});
    let errors = |facts: &Facts| issues(&compiled_for(&document, Role::Master, facts), Severity::Error);
    assert_eq!(errors(&certificates(&["mine"])), [""; 0]);
    assert_eq!(
        errors(&certificates(&[])),
        ["$.wan.vpnClient.ikev2[0]: there is no certificate mine on the router: import it there"]
    );
}
