//! Presets and provisions that explain the product, for a server that is started with `--demo`. They come besides the
//! [seeds](crate::seeds).
//!
//! | preset | shows |
//! | --- | --- |
//! | `demo-greet` | a condition on a tag, tags as memory, `log()` and `random()` |
//! | `demo-wifi-name` | setting a value; an argument that is computed for each device |
//! | `demo-mistake` | a fault that names the line, in a channel of its own, which harms no other |
//! | `demo-refresh` | a schedule, and a built-in provision |

use serde_json::{Value as Json, json};

use crate::seeds::SeedProvision;

/// The demonstration's provisions.
pub const PROVISIONS: [SeedProvision; 3] = [
    SeedProvision { name: "demo-greet", script: include_str!("../seeds/demo/demo-greet.rhai") },
    SeedProvision { name: "demo-wifi-name", script: include_str!("../seeds/demo/demo-wifi-name.rhai") },
    SeedProvision { name: "demo-mistake", script: include_str!("../seeds/demo/demo-mistake.rhai") },
];

/// The demonstration's presets, by name. The device with this serial number gets the fault.
pub fn presets(faulty_serial: &str) -> Vec<(&'static str, Json)> {
    let provision = |name: &str, arguments: Json| json!([{ "type": "provision", "name": name, "args": arguments }]);
    vec![
        (
            "demo-greet",
            json!({
                "weight": 10,
                "precondition": "Tags.demo_greeted IS NULL",
                "configurations": provision("demo-greet", json!([])),
            }),
        ),
        (
            "demo-wifi-name",
            json!({
                "weight": 0,
                "precondition": "Tags.demo_wifi IS NOT NULL",
                "configurations": provision("demo-wifi-name", json!([["||", "Demo ", ["PARAM", "DeviceID.SerialNumber"]]])),
            }),
        ),
        (
            "demo-mistake",
            json!({
                "weight": 0,
                "channel": "demo-mistake",
                "configurations": provision("demo-mistake", json!([faulty_serial])),
            }),
        ),
        (
            "demo-refresh",
            json!({
                "weight": 0,
                // During the first half of each hour, which is there for every device to hit; nights are more usual.
                "schedule": { "cron": "0 * * * *", "duration": 1800, "timezone": "Europe/Warsaw" },
                "provisions": [["refresh", "*.DeviceInfo", 3600]],
            }),
        ),
    ]
}
