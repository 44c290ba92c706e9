//! StarState: one document describes a whole MikroTik router, and the router becomes what it describes, or stays as it was.
//!
//! The document: [`state`] reads it and reports its mistakes ([`issue`]), [`completion`] fills in what it leaves open, [`validation`] says
//! whether it makes sense, [`decompose`] splits it into the resources of a router, whose [`role`] is the master's or a slave's, [`compile`]
//! makes [`step`]s of them: what is wanted of a router; [`quote`] keeps text text inside scripts, [`form`] knows hosts, ports and the
//! like. All of this is pure and knows no router.
//!
//! From steps to a router: [`needs`] and [`phase`] put them in order, [`plan`] compares them with a [`snapshot`] of the router, and
//! [`orchestrator`] carries out what is left, over the [`port`], with a [`ledger`] from which all of it can be taken back. A
//! [`session`] is one document on its way to one router, and [`documents`] is what sessions know of documents. What people need to call
//! the router's VPN servers then, [`client_files`] writes.

pub mod client_files;
pub mod compare;
pub mod compile;
pub mod completion;
mod connections;
pub mod decompose;
pub mod documents;
pub mod form;
pub mod issue;
pub mod ledger;
pub mod management;
pub mod needs;
pub mod orchestrator;
pub mod phase;
pub mod plan;
pub mod port;
pub mod quote;
pub mod role;
pub mod session;
pub mod snapshot;
pub mod state;
pub mod step;
pub mod tag;
pub mod validation;
