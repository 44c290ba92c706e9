//! Changes of what the server itself keeps: tags, and the entries below `Downloads`.

use crate::planner::LocalChange;
use crate::tree::DeviceTree;
use crate::value::{TypedValue, Value, XsdType};

use super::Session;

/// The fields of an entry below `Downloads`: name, whether scripts may set it, whether it is a time.
const DOWNLOAD_FIELDS: [(&str, bool, bool); 10] = [
    ("FileType", true, false),
    ("FileName", true, false),
    ("TargetFileName", true, false),
    ("Download", true, true),
    ("LastFileType", false, false),
    ("LastFileName", false, false),
    ("LastTargetFileName", false, false),
    ("LastDownload", false, true),
    ("StartTime", false, true),
    ("CompleteTime", false, true),
];

impl Session {
    pub(super) fn apply_local(&mut self, changes: Vec<LocalChange>) {
        let at = self.stamp + 1;
        for change in &changes {
            if let LocalChange::Tag(tag, value, source, origin) = change
                && let Some(cycle) = &mut self.cycle
            {
                let value = value.as_ref().map_or("(removed)".into(), Value::to_text).into_owned();
                cycle.note_write(&format!("Tags.{tag}"), value, origin, *source);
            }
        }
        let tree = self.tree_mut();
        for change in changes {
            match change {
                LocalChange::Tag(tag, value, ..) => {
                    let root = tree.ensure_child(DeviceTree::ROOT, "Tags");
                    match value {
                        Some(value) => {
                            let node = tree.ensure_child(root, &tag);
                            tree.set_written_value(node, TypedValue::inferred(value), at, None);
                            tree.set_listed(node, false, true, at);
                        }
                        None => {
                            if let Some(node) = tree.child(root, &tag) {
                                tree.remove(node);
                            }
                        }
                    }
                }
                LocalChange::EnsureRoot(name) => {
                    let node = tree.ensure(name);
                    tree.set_listed(node, true, true, at);
                }
                LocalChange::AddDownload(fields) => add_download(tree, &fields, at),
                LocalChange::RemoveDownload(node) => tree.remove(node),
                LocalChange::SetDownloadField(node, value, origin) => {
                    tree.set_written_value(node, value, at, Some(origin))
                }
            }
        }
    }
}

fn add_download(tree: &mut DeviceTree, fields: &[(String, String)], at: i64) {
    let root = tree.ensure("Downloads");
    let highest = tree.children(root).iter().filter_map(|&id| tree.name(id).parse::<u64>().ok()).max().unwrap_or(0);
    let entry = tree.ensure_child(root, &(highest + 1).to_string());
    tree.set_listed(entry, true, true, at);
    tree.set_enumerated(entry, at);
    for (name, writable, is_time) in DOWNLOAD_FIELDS {
        let node = tree.ensure_child(entry, name);
        let given = fields.iter().find(|(field, _)| field == name).map(|(_, text)| Value::from(text.as_str()));
        let value = if is_time {
            let time = given.map_or(Value::Int(0), |value| value.coerce(&XsdType::DateTime));
            TypedValue(time, XsdType::DateTime)
        } else {
            TypedValue(given.unwrap_or_else(|| "".into()), XsdType::String)
        };
        tree.set_written_value(node, value, at, None);
        tree.set_listed(node, false, writable, at);
    }
}
