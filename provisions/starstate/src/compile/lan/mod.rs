//! What is behind the router: lists and rules that every router has, networks, wireless, ports, tunnels between sites.

mod base;

use super::Builder;
use crate::decompose::{Content, Resource};

/// The steps of a resource, if it is one of these.
pub(super) fn steps(builder: &mut Builder<'_>, resource: &Resource<'_>) -> bool {
    match resource.content {
        Content::Base => base::base(builder),
        Content::Security => base::security(builder),
        _ => return false,
    }
    true
}
