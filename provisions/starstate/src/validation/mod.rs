//! Whether what a document says makes sense together. Pure.
//!
//! A session can be applied only when no issue here is an error. Not here: the form of fields and those without effect
//! ([`crate::state`]), what a part cannot be made of ([`crate::compile`], which parses it), and what a router's release lacks.

mod choose;
mod clients;
mod extra;
mod lan;
mod links;
mod names;
mod ports;
mod servers;

pub(crate) use lan::other_subnets;
pub(crate) use links::subnet_of;

use crate::compile::World;
use crate::issue::Issue;
use crate::role::Role;
use crate::state::StarState;

/// What is wrong with a document, or worth knowing, part by part.
pub fn validate(state: &StarState) -> Vec<Issue> {
    let (world, _) = World::new(state, Role::Master);
    let mut issues = Vec::new();
    for check in [
        choose::check,
        names::check,
        links::check,
        clients::check,
        servers::check,
        ports::check,
        lan::check,
        extra::check,
    ] {
        check(&world, &mut issues);
    }
    issues
}
