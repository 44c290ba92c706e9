//! What a router has besides: name, time, services, resolvers, schedules, games.

mod ddns;
mod dns;
mod domestic;
mod forwarding;
mod games;
mod region;
mod schedules;
mod scripts;
mod system;

use super::Builder;
use crate::decompose::{Content, Resource};

pub(super) use dns::resolvers;

/// The steps of a resource, if it is one of these.
pub(super) fn steps(builder: &mut Builder<'_>, resource: &Resource<'_>) -> bool {
    match resource.content {
        Content::Dns(config) => dns::dns(builder, config),
        Content::Identity(config) => system::identity(builder, config),
        Content::Ntp(config) => system::ntp(builder, config),
        Content::Services(services) => system::services(builder, services),
        Content::Ddns(config) => ddns::ddns(builder, config),
        Content::Upnp(config) => forwarding::upnp(builder, config),
        Content::NatPmp(config) => forwarding::nat_pmp(builder, config),
        Content::Graphing(config) => system::graphing(builder, config),
        Content::UsefulServices(config) => system::useful_services(builder, config),
        Content::Game(game) => games::game(builder, game),
        Content::TimeZone(zone) => schedules::time_zone(builder, zone),
        Content::Reboot(schedule) => schedules::reboot(builder, schedule),
        Content::Update(schedule) => schedules::update(builder, schedule),
        Content::DomesticIps(schedule) => domestic::domestic_ips(builder, schedule),
        _ => return false,
    }
    true
}
