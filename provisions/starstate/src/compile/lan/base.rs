//! What every router gets: interface lists, traffic that stays local, masquerading, and no resolver for the world.

use crate::compile::{Builder, LOCAL, Rank};

/// Lists, and rules for traffic that stays here.
pub(super) fn base(builder: &mut Builder<'_>) {
    builder.list("WAN");
    builder.list("LAN");
    for network in LOCAL {
        builder.address("LOCAL-IP", network);
    }
    for chain in ["prerouting", "postrouting", "output", "input", "forward"] {
        let rule = builder.add(&format!("local-{chain}"), "/ip/firewall/mangle", &[]);
        rule.arg("action", "accept")
            .arg("chain", chain)
            .arg("src-address-list", "LOCAL-IP")
            .arg("dst-address-list", "LOCAL-IP")
            .first()
            .rank(Rank::Local)
            .optional()
            .done();
    }
    let masquerade = builder.add("masquerade", "/ip/firewall/nat", &[]);
    masquerade.arg("action", "masquerade").arg("chain", "srcnat").arg("out-interface-list", "WAN").done();
}

/// The resolver does not answer the world.
pub(super) fn security(builder: &mut Builder<'_>) {
    for protocol in ["udp", "tcp"] {
        let rule = builder.add(&format!("no-dns-{protocol}"), "/ip/firewall/filter", &[]);
        rule.arg("action", "drop")
            .arg("chain", "input")
            .arg("protocol", protocol)
            .arg("dst-port", "53")
            .arg("in-interface-list", "WAN")
            .before("chain", "input")
            .done();
    }
}
