//! What is behind the router.

use serde_json::json;

use super::{assert_no_errors, assert_shown, compiled, of};

#[test]
fn every_router_gets_lists_and_rules() {
    let compiled = compiled(&json!({}));
    assert_no_errors(&compiled);
    assert_shown(
        &of(&compiled, "system."),
        "+ /interface/list name=WAN
         + /interface/list name=LAN
         + /ip/firewall/address-list list=LOCAL-IP address=192.168.0.0/16
         + /ip/firewall/address-list list=LOCAL-IP address=172.16.0.0/12
         + /ip/firewall/address-list list=LOCAL-IP address=10.0.0.0/8
         + /ip/firewall/mangle action=accept chain=prerouting src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=postrouting src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=output src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=input src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/mangle action=accept chain=forward src-address-list=LOCAL-IP dst-address-list=LOCAL-IP (first) (optional)
         + /ip/firewall/nat action=masquerade chain=srcnat out-interface-list=WAN
         + /ip/firewall/filter action=drop chain=input protocol=udp dst-port=53 in-interface-list=WAN (before chain=input)
         + /ip/firewall/filter action=drop chain=input protocol=tcp dst-port=53 in-interface-list=WAN (before chain=input)",
    );
}
