//! Changes of what the server itself keeps: tags, and entries.

use crate::entries::EntryKind;
use crate::planner::LocalChange;
use crate::tree::DeviceTree;
use crate::value::{TypedValue, Value, XsdType};

use super::Session;

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
                LocalChange::AddEntry(kind, fields) => add_entry(tree, kind, &fields, at),
                LocalChange::RemoveEntry(node) => tree.remove(node),
                LocalChange::SetEntryField(node, value, origin) => {
                    tree.set_written_value(node, value, at, Some(origin))
                }
            }
        }
    }
}

fn add_entry(tree: &mut DeviceTree, kind: &EntryKind, given: &[(String, String)], at: i64) {
    let root = tree.ensure(kind.root);
    let highest = tree.children(root).iter().filter_map(|&id| tree.name(id).parse::<u64>().ok()).max().unwrap_or(0);
    let entry = tree.ensure_child(root, &(highest + 1).to_string());
    tree.set_listed(entry, true, true, at);
    tree.set_enumerated(entry, at);
    for field in kind.fields() {
        let mut node = entry;
        for name in field.name.split('.') {
            if node != entry {
                tree.set_listed(node, true, false, at);
                tree.set_enumerated(node, at);
            }
            node = tree.ensure_child(node, name);
        }
        let text = given.iter().find(|(name, _)| *name == field.name).map(|(_, text)| Value::from(text.as_str()));
        let value = if field.is_time {
            let time = text.map_or(Value::Int(0), |value| value.coerce(&XsdType::DateTime));
            TypedValue(time, XsdType::DateTime)
        } else {
            TypedValue(text.unwrap_or_else(|| "".into()), XsdType::String)
        };
        tree.set_written_value(node, value, at, None);
        tree.set_listed(node, false, field.writable, at);
    }
}
