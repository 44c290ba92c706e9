//! What a new installation starts with: presets and provisions that show a useful device at its first contact, whatever its
//! data model, and have it report regularly at a time of its own.
//!
//! | name | when | what |
//! | --- | --- | --- |
//! | `bootstrap` | `0 BOOTSTRAP` | forgets what was known of the device |
//! | `default` | always | reads versions, addresses, wireless networks and hosts when they are an hour old |
//! | `inform` | always | sets the inform interval, and a time within it that differs from device to device |
//!
//! Credentials for connection requests are not among them: they must be secret, so no script can derive them.

use serde_json::Value as Json;

/// A provision's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedProvision {
    /// The provision's name.
    pub name: &'static str,
    /// Its Rhai source.
    pub script: &'static str,
}

/// A preset's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedPreset {
    /// The preset's name.
    pub name: &'static str,
    /// Its document as JSON text.
    pub text: &'static str,
}

/// The provisions to start with.
pub const PROVISIONS: [SeedProvision; 3] = [
    SeedProvision { name: "bootstrap", script: include_str!("../seeds/bootstrap.rhai") },
    SeedProvision { name: "default", script: include_str!("../seeds/default.rhai") },
    SeedProvision { name: "inform", script: include_str!("../seeds/inform.rhai") },
];

/// The presets to start with.
pub const PRESETS: [SeedPreset; 3] = [
    SeedPreset { name: "bootstrap", text: include_str!("../seeds/bootstrap.json") },
    SeedPreset { name: "default", text: include_str!("../seeds/default.json") },
    SeedPreset { name: "inform", text: include_str!("../seeds/inform.json") },
];

impl SeedPreset {
    /// The document. Its text is valid JSON, which a test proves.
    pub fn document(&self) -> Result<Json, serde_json::Error> {
        serde_json::from_str(self.text)
    }
}
