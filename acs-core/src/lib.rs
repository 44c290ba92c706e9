//! The model and the engine of Lodestar, pure.
//!
//! What lives here: parameter paths, values and their coercion, the device tree, the RPCs as plain data, declarations, the
//! planner, the session as a step function, faults and backoff, tasks, the expression language and the query tree.
//!
//! What does not: sockets, XML, HTTP, databases, clocks, random numbers, async. A session is driven by feeding it inputs and
//! a time; the same inputs give the same outputs.

pub mod change;
pub mod clock;
pub mod credentials;
pub mod declaration;
pub mod device;
pub mod entries;
pub mod expression;
pub mod fault;
pub mod heartbeat;
pub mod operation;
pub mod path;
pub mod plan;
pub mod planner;
pub mod query;
pub mod random;
pub mod recording;
pub mod rpc;
pub mod script;
pub mod secret;
pub mod session;
pub mod starstate;
pub mod task;
pub mod transfer;
pub mod tree;
pub mod value;
