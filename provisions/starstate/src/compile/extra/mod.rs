//! What a router has besides: name, time, services, resolvers, schedules, games.

use super::Builder;
use crate::decompose::Resource;

/// The steps of a resource, if it is one of these.
pub(super) fn steps(_builder: &mut Builder<'_>, _resource: &Resource<'_>) -> bool {
    false
}
