//! What a router has besides.

use crate::compile::World;
use crate::issue::Issue;

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    let Some(extra) = &world.state.extra else { return };
    if let Some(config) = &extra.certificate_config
        && config.self_signed == Some(true)
        && config.lets_encrypt == Some(true)
    {
        let message = "a certificate is either selfSigned or from letsEncrypt, not both";
        issues.push(Issue::error("$.extra.certificateConfig", message));
    }
}
