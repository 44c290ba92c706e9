//! The Node.js program that loads a CommonJS module and speaks JSON lines for it.

/// Given to Node.js with `-e`; its arguments are the module's file and the extension's name.
pub(crate) const BRIDGE: &str = include_str!("bridge.js");
