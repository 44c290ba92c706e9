//! Uplinks, how they share the traffic, tunnels to somewhere else, and the routes through all of them.

use super::Builder;
use crate::decompose::Resource;

/// The steps of a resource, if it is one of these.
pub(super) fn steps(_builder: &mut Builder<'_>, _resource: &Resource<'_>) -> bool {
    false
}

/// The routes through all uplinks and tunnels.
pub(super) fn fabric(_builder: &mut Builder<'_>) {}
