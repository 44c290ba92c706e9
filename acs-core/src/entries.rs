//! Entries: what scripts declare below `Downloads`, `Uploads`, `ScheduledDownloads` and `DUStateChanges`, one object per file or
//! deployment unit (`docs/scripts.md`, "Files and deployment units").
//!
//! All four have one form. *Arguments* say what is wanted. The *trigger*, named after the RPC, is a time: when it is set to a
//! later one than it has, the RPC is sent. What became of it is in `Last<argument>`, `Last<trigger>` and the *outcomes*.

use crate::operation::OperationKind;
use crate::tree::{DeviceTree, NodeId};

/// A root with entries.
#[derive(Debug, PartialEq, Eq)]
pub struct EntryKind {
    /// The root's name.
    pub root: &'static str,
    /// The RPC; its name is the trigger's.
    pub operation: OperationKind,
    /// Fields that scripts set. A dot makes an object.
    pub arguments: &'static [&'static str],
    /// Of these, those of which the last value that the device has carried out is kept.
    pub remembered: &'static [&'static str],
    /// Texts that the device tells afterwards.
    pub outcomes: &'static [&'static str],
}

/// A field of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryField {
    /// Relative to the entry.
    pub name: String,
    /// Whether scripts may set it.
    pub writable: bool,
    /// Whether it is a time rather than a text.
    pub is_time: bool,
}

/// Every root with entries.
pub const ENTRY_KINDS: [EntryKind; 4] = [
    EntryKind {
        root: "Downloads",
        operation: OperationKind::Download,
        arguments: &["FileType", "FileName", "TargetFileName"],
        remembered: &["FileType", "FileName", "TargetFileName"],
        outcomes: &[],
    },
    EntryKind {
        root: "Uploads",
        operation: OperationKind::Upload,
        arguments: &["FileType", "FileName"],
        remembered: &["FileType", "FileName"],
        outcomes: &[],
    },
    EntryKind {
        root: "ScheduledDownloads",
        operation: OperationKind::ScheduleDownload,
        arguments: &[
            "FileType",
            "FileName",
            "TargetFileName",
            "TimeWindow.1.WindowStart",
            "TimeWindow.1.WindowEnd",
            "TimeWindow.1.WindowMode",
            "TimeWindow.1.UserMessage",
            "TimeWindow.1.MaxRetries",
            "TimeWindow.2.WindowStart",
            "TimeWindow.2.WindowEnd",
            "TimeWindow.2.WindowMode",
            "TimeWindow.2.UserMessage",
            "TimeWindow.2.MaxRetries",
        ],
        remembered: &["FileType", "FileName", "TargetFileName"],
        outcomes: &[],
    },
    EntryKind {
        root: "DUStateChanges",
        operation: OperationKind::ChangeDUState,
        arguments: &["Operation", "URL", "UUID", "Version", "ExecutionEnvRef", "Username", "Password"],
        remembered: &["Operation", "URL", "UUID", "Version", "ExecutionEnvRef"],
        outcomes: &[
            "CurrentState",
            "CurrentUUID",
            "CurrentVersion",
            "DeploymentUnitRef",
            "ExecutionUnitRefList",
            "Resolved",
            "FaultCode",
            "FaultString",
        ],
    },
];

impl EntryKind {
    /// The kind of a root.
    pub fn of_root(root: &str) -> Option<&'static EntryKind> {
        ENTRY_KINDS.iter().find(|kind| kind.root == root)
    }

    /// The kind whose entries bring an operation about.
    pub fn of_operation(operation: OperationKind) -> Option<&'static EntryKind> {
        ENTRY_KINDS.iter().find(|kind| kind.operation == operation)
    }

    /// The field that brings the RPC about.
    pub const fn trigger(&self) -> &'static str {
        self.operation.rpc()
    }

    /// The field with the time of the last trigger that the device has carried out.
    pub fn last_trigger(&self) -> String {
        format!("Last{}", self.trigger())
    }

    /// All fields of a new entry.
    pub fn fields(&self) -> Vec<EntryField> {
        let field = |name: String, writable, is_time| EntryField { name, writable, is_time };
        let mut fields: Vec<EntryField> =
            self.arguments.iter().map(|name| field((*name).to_owned(), true, false)).collect();
        fields.push(field(self.trigger().to_owned(), true, true));
        fields.extend(self.remembered.iter().map(|name| field(format!("Last{name}"), false, false)));
        let times = [self.last_trigger(), "StartTime".to_owned(), "CompleteTime".to_owned()];
        fields.extend(times.into_iter().map(|name| field(name, false, true)));
        fields.extend(self.outcomes.iter().map(|name| field((*name).to_owned(), false, false)));
        fields
    }
}

/// Where a field stands: its kind, its entry, and its name relative to that. `None` for nodes that are no fields of entries.
pub fn field_of(tree: &DeviceTree, id: NodeId) -> Option<(&'static EntryKind, NodeId, String)> {
    let kind = EntryKind::of_root(tree.top_level_name(id)?)?;
    let depth = tree.depth(id);
    if depth < 3 {
        return None;
    }
    let mut names = vec![tree.name(id).to_string()];
    let mut entry = tree.parent(id);
    for _ in 3..depth {
        names.push(tree.name(entry).to_string());
        entry = tree.parent(entry);
    }
    names.reverse();
    Some((kind, entry, names.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_however_deep_they_are() {
        let mut tree = DeviceTree::new();
        let start = tree.ensure("ScheduledDownloads.4.TimeWindow.1.WindowStart");
        let entry = tree.ensure("ScheduledDownloads.4");
        let (kind, found, name) = field_of(&tree, start).unwrap_or_else(|| panic!("no field"));
        assert_eq!((kind.root, found, name.as_str()), ("ScheduledDownloads", entry, "TimeWindow.1.WindowStart"));
        assert!(field_of(&tree, entry).is_none());
        let other = tree.ensure("Device.A.B.C");
        assert!(field_of(&tree, other).is_none());
    }
}
