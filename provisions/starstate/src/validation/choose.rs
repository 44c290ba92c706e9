//! The first choices: system, kind of links, routers of a trunk.

use crate::compile::World;
use crate::issue::Issue;
use crate::role::Role;
use crate::state::{Firmware, RouterMode, WanLinkType, WanType};

pub(super) fn check(world: &World<'_>, issues: &mut Vec<Issue>) {
    let choose = &world.state.choose;
    if choose.firmware != Firmware::MikroTik {
        let message = format!("{} is not configured here, only {}", choose.firmware.word(), Firmware::MikroTik.word());
        issues.push(Issue::error("$.choose.firmware", message));
    }
    link_type(world, issues);
    if choose.router_mode == RouterMode::Trunk {
        trunk(world, issues);
    }
}

/// The groups that are announced are those that are there.
fn link_type(world: &World<'_>, issues: &mut Vec<Issue>) {
    let said = world.state.choose.wan_link_type;
    let has = |group| world.links_of(group).next().is_some();
    for (group, is_said) in
        [(WanType::Domestic, said != WanLinkType::Foreign), (WanType::Foreign, said != WanLinkType::Domestic)]
    {
        let verb = match (is_said, has(group)) {
            (true, false) => "no",
            (false, true) => "a",
            _ => continue,
        };
        let message = format!("says {}, but there is {verb} {} link", said.word(), group.word());
        issues.push(Issue::warning("$.choose.wanLinkType", message));
    }
}

fn trunk(world: &World<'_>, issues: &mut Vec<Issue>) {
    let models = &world.state.choose.router_models;
    let Some((entry, master)) = Role::Master.model(world.state) else {
        let message = "Trunk Mode needs the routers and the interfaces between them";
        issues.push(Issue::error("$.choose.routerModels", message));
        return;
    };
    if master.master_slave_interface.trim().is_empty() {
        let path = format!("$.choose.routerModels[{entry}].masterSlaveInterface");
        issues.push(Issue::error(path, "is needed in Trunk Mode: the master's interface to the slaves"));
    }
    if models.iter().all(|model| model.is_master) {
        issues.push(Issue::warning("$.choose.routerModels", "there is no slave at the other end of the trunk"));
    }
}
