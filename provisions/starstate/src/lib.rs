//! StarState: one document describes a whole MikroTik router, and the router becomes what it describes, or stays as it was.
//!
//! From document to router: `state` reads it, `validation` finds its mistakes, `decompose` splits it into resources, `compile` says for
//! each which rows and settings it wants ([`step`]). All of this is pure and knows no router.

pub mod step;
