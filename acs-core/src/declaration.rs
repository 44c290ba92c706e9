//! Declarations: what a script says should be known, and what should be true.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::Path;
use crate::value::{Value, XsdType};

/// How fresh knowledge must be, per attribute: known at or after a time in milliseconds since the Unix epoch. 0 means that
/// nothing is demanded, 1 that anything known suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freshness {
    /// Which paths match.
    pub path: i64,
    /// The value.
    pub value: i64,
    /// Whether it is an object.
    pub object: i64,
    /// Whether it is writable.
    pub writable: i64,
    /// The notification attribute.
    pub notification: i64,
    /// The access list.
    pub access_list: i64,
}

/// What should be true.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// The value, with its type when the script gives one.
    pub value: Option<(Value, Option<XsdType>)>,
    /// The notification attribute, 0 to 6.
    pub notification: Option<u8>,
    /// The access list.
    pub access_list: Option<Vec<String>>,
    /// How many instances match.
    pub instances: Option<InstanceCount>,
}

/// Bounds for the number of instances, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceCount {
    /// Add instances until there are as many.
    pub min: u32,
    /// Delete instances beyond as many.
    pub max: u32,
}

/// The highest count that may be asked for; more is taken for a mistake, such as a time.
pub const MAX_INSTANCES: u32 = 1_000;

/// Which attributes a declaration names; only those are properties of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Named {
    /// `value`
    pub value: bool,
    /// `object`
    pub object: bool,
    /// `writable`
    pub writable: bool,
    /// `notification`
    pub notification: bool,
    /// `accessList`
    pub access_list: bool,
}

/// One `declare()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// What it is about.
    pub path: Path,
    /// What must be known.
    pub fresh: Freshness,
    /// What should be true.
    pub wanted: Wanted,
    /// Who says so.
    pub origin: Origin,
}

/// Where a declaration, a write or a fault comes from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The provision or virtual parameter.
    pub provision: Arc<str>,
    /// The presets that selected it, or the task; empty when a caller ran it directly.
    pub presets: Arc<str>,
    /// Line in the script from 1; 0 in built-in provisions.
    pub line: u32,
    /// Column from 1; 0 in built-in provisions.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.presets.is_empty() {
            write!(formatter, "{}, ", self.presets)?;
        }
        write!(formatter, "provision {}", self.provision)?;
        if self.line > 0 {
            write!(formatter, ", line {}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Freshness {
    /// Whether anything is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Freshness::default()
    }

    /// Every demand, limited to a session's timestamp: "in the future" means "now". Demands below 1 are none.
    pub fn clamped(self, timestamp: i64) -> Freshness {
        let clamp = |time: i64| if time < 1 { 0 } else { time.min(timestamp) };
        Freshness {
            path: clamp(self.path),
            value: clamp(self.value),
            object: clamp(self.object),
            writable: clamp(self.writable),
            notification: clamp(self.notification),
            access_list: clamp(self.access_list),
        }
    }
}

impl Wanted {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        *self == Wanted::default()
    }
}

impl InstanceCount {
    /// Exactly as many.
    pub fn exactly(count: u32) -> InstanceCount {
        InstanceCount { min: count, max: count }
    }
}
