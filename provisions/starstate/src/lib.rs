//! StarState: one document describes a whole MikroTik router, and the router becomes what it describes, or stays as it was.
//!
//! From document to router: `state` reads it, `validation` finds its mistakes, `decompose` splits it into resources, `compile` says for
//! each which rows and settings it wants ([`step`]). All of this is pure and knows no router.
//!
//! From steps to a router: [`needs`] and [`phase`] put them in order, [`plan`] compares them with a [`snapshot`] of the router, and
//! [`orchestrator`] carries out what is left, over the [`port`], with a [`ledger`] from which all of it can be taken back. A
//! [`session`] is one document on its way to one router.

pub mod compare;
pub mod issue;
pub mod ledger;
pub mod management;
pub mod needs;
pub mod orchestrator;
pub mod phase;
pub mod plan;
pub mod port;
pub mod quote;
pub mod session;
pub mod snapshot;
pub mod state;
pub mod step;
pub mod tag;
