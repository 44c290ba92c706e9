//! The SOAP codec: CWMP envelopes to plain RPC data and back (TR-069 §3.4, Annex A).
//!
//! Devices are read leniently and answered strictly. Lenient means: names are matched without their prefixes, each in its
//! proper parent, in any order; what is missing gets the standard's default; every such tolerance is listed in
//! [`Envelope::repairs`], so that an operator can see what a device does wrong. Strict means: one fixed house style that every
//! known device understands (see [`write`]).
//!
//! What lives here: text in, enums out, and the reverse. What does not: bytes, compression and charsets ([`crate::encoding`]),
//! HTTP, sessions, and whether a response answers the request that is outstanding.

mod arguments;
mod envelope;
mod error;
mod fault;
mod namespace;
mod notification;
mod parameters;
mod repair;
mod requests;
mod responses;
mod scalar;
pub mod write;
mod xml;

pub use envelope::{Envelope, Glance, Message, ParseOptions, glance, parse, parse_with};
pub use error::{Place, SoapError};
pub use namespace::{CwmpNamespace, highest_common_version};
pub use notification::{Notification, parse_notification};
pub use repair::{MAX_REPAIRS, Repair};
pub use requests::{MAX_EVENTS, MAX_IDENTITY};
pub use write::{ACS_METHODS, FaultCode, WriteOptions};
pub use xml::{MAX_ATTRIBUTE_LENGTH, MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_NAMESPACES};
