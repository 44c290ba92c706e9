//! Membership in a ZeroTier network.

use super::common;
use crate::compile::Builder;
use crate::decompose::Resource;
use crate::issue::Issue;
use crate::state::ZeroTierServer;

/// The instance that every router with the package has.
const INSTANCE: &str = "zt1";

/// The router joins the network.
pub(super) fn member(builder: &mut Builder<'_>, resource: &Resource<'_>, server: &ZeroTierServer) {
    let id = server.network_id.trim().to_ascii_lowercase();
    let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        let path = format!("{}.networkId", resource.source);
        return builder.report(Issue::error(path, "must be the 16 hexadecimal digits of a network"));
    }
    let target = common::target(builder, resource);
    let instance = builder.set_row("instance", "/zerotier", &[("name", INSTANCE)]).flag("disabled", false).done();
    let name = format!("zt-{}", &id[..6]);
    let row = builder.add("interface", "/zerotier/interface", &["name"]);
    row.arg("name", &*name).arg("instance", INSTANCE).arg("network", id).flag("disabled", false).needs(instance).done();
    common::join(builder, &name, &target);
}
