//! The devices that the server knows before it is measured, and the presets that their sessions meet.

use std::path::Path;
use std::sync::Arc;

use acs_core::change::SessionChange;
use acs_core::device::DeviceHead;
use acs_core::rpc::DeviceIdStruct;
use acs_core::tree::DeviceTree;
use acs_core::value::{TypedValue, Value, XsdType};
use anyhow::Result;
use indicatif::ProgressBar;
use serde_json::json;
use sim::load::LoadOptions;
use sim::{DataModel, Identity};
use store::{Collection, EmbeddedStore, Store};

/// The preset that a quiet session satisfies: it reads a little and wants what is so already.
const QUIET: &str = r#"
let version = declare("*.DeviceInfo.SoftwareVersion", #{value: 1});
if version.value != () && version.value[0] != "" {
    declare("*.ManagementServer.PeriodicInformEnable", #{value: 1}, #{value: true});
    declare("*.ManagementServer.PeriodicInformInterval", #{value: 1});
}
"#;
/// Sessions with `4 VALUE CHANGE` read everything, now.
const READ: &str = r#"declare("InternetGatewayDevice.**", #{value: now()});"#;
/// Sessions with `8 DIAGNOSTICS COMPLETE` learn names and values anew.
const REFRESH: &str = r#"declare("InternetGatewayDevice.**", #{path: now(), value: now(), writable: now()});"#;
/// Sessions with `1 BOOT` read what a start may have changed.
const BOOT: &str = r#"
declare("*.DeviceInfo.SoftwareVersion", #{value: now()});
declare("*.ManagementServer.ConnectionRequestURL", #{value: now()});
"#;

/// The event that makes a session read all values.
pub(super) const READ_EVENT: &str = "4 VALUE CHANGE";
/// The event that makes a session learn all names and values anew.
pub(super) const REFRESH_EVENT: &str = "8 DIAGNOSTICS COMPLETE";
/// The event of a storm.
pub(super) const BOOT_EVENT: &str = "1 BOOT";

/// Fills the database with known devices, and the presets.
pub(super) async fn prepare(data_dir: &Path, options: &LoadOptions, is_quiet: bool) -> Result<()> {
    let store = EmbeddedStore::open(&data_dir.join("lodestar.db"))?;
    let presets = [
        ("bench-quiet", QUIET, json!({ READ_EVENT: false, REFRESH_EVENT: false })),
        ("bench-read", READ, json!({ READ_EVENT: true })),
        ("bench-refresh", REFRESH, json!({ REFRESH_EVENT: true })),
        ("bench-boot", BOOT, json!({ BOOT_EVENT: true })),
    ];
    for (name, script, events) in presets {
        store.put(Collection::Provisions, name, json!({ "script": script })).await?;
        let preset = json!({ "events": events, "provisions": [name] });
        store.put(Collection::Presets, name, preset).await?;
    }
    // Sessions that are held open must not time out while others are opened.
    store.put(Collection::Config, "cwmp.sessionTimeout", json!({ "value": "300" })).await?;
    let model = DataModel::generate(options.model, options.parameters, options.seed);
    let progress = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new(options.devices) };
    let store = Arc::new(store);
    let mut pending = tokio::task::JoinSet::new();
    for number in options.first_serial..options.first_serial + options.devices {
        let identity = Identity { serial_number: format!("BENCH{number:08}"), ..options.identity.clone() };
        let change = known_device(&model, &identity);
        let store = store.clone();
        pending.spawn(async move { store.commit_session(change).await });
        if pending.len() >= 512
            && let Some(done) = pending.join_next().await
        {
            done??;
        }
        progress.inc(1);
    }
    while let Some(done) = pending.join_next().await {
        done??;
    }
    progress.finish_and_clear();
    Ok(())
}

/// A device of which every name and value was learnt a day ago.
fn known_device(model: &DataModel, identity: &Identity) -> SessionChange {
    let at = chrono::Utc::now().timestamp_millis() - 86_400_000;
    let mut personal = model.clone();
    personal.personalise(identity);
    let mut tree = DeviceTree::new();
    tree.set_enumerated(DeviceTree::ROOT, at);
    for (path, node) in personal.walk("") {
        let id = tree.ensure(path);
        match &node.value {
            None => {
                tree.set_listed(id, true, node.writable, at);
                tree.set_enumerated(id, at);
            }
            Some(value) => {
                tree.set_listed(id, false, node.writable, at);
                let xsd_type = XsdType::parse(&value.xsd.name());
                let typed = Value::from(&*value.text).coerce(&xsd_type);
                tree.set_read_value(id, TypedValue(typed, xsd_type), at);
            }
        }
    }
    let identity = DeviceIdStruct {
        manufacturer: identity.manufacturer.clone(),
        oui: identity.oui.clone(),
        product_class: identity.product_class.clone(),
        serial_number: identity.serial_number.clone(),
    };
    let head = DeviceHead { id: identity.device_id(), identity, registered: at, last_inform: at, ..Default::default() };
    SessionChange::first(head, tree)
}
