//! What the device is to do beside its parameters: transfers of files, changes of deployment units, restarts.
//!
//! Each is brought about by a time: a trigger of an entry ([`crate::entries`]), or a root that stands for an RPC.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::entries::{ENTRY_KINDS, EntryKind, field_of};
use crate::operation::OperationKind;
use crate::rpc::{AcsRequest, DUOperation, Download, ScheduleDownload, TimeWindow, Upload};
use crate::tree::{DeviceTree, NodeId};
use crate::value::{TypedValue, Value, XsdType};

use super::{Planner, Purpose, Sources, Step};

/// What of a file name is percent-encoded in a URL: all but unreserved characters (RFC 3986 §2.3), and slashes.
const OUTSIDE_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

impl Planner<'_> {
    /// The next command of a weight: entries first, restarts last.
    pub(super) fn next_command(&self, weight: i64) -> Option<Step> {
        let reboot = || AcsRequest::Reboot { command_key: String::new() };
        ENTRY_KINDS
            .iter()
            .find_map(|kind| self.triggered(weight, kind))
            .or_else(|| self.schedule_inform(weight))
            .or_else(|| self.restart(weight, self.reboot, "Reboot", reboot))
            .or_else(|| self.restart(weight, self.factory_reset, "FactoryReset", || AcsRequest::FactoryReset))
    }

    /// The request for the first entry whose trigger is due or, for deployment units, for all of them.
    fn triggered(&self, weight: i64, kind: &'static EntryKind) -> Option<Step> {
        let tree = self.situation.tree;
        let mut due: Vec<(NodeId, u32)> = Vec::new();
        for &id in &self.target_order {
            let Some(index) = self.targets[&id].value else { continue };
            let effective = self.effective(index);
            if effective.weight != weight || &**tree.name(id) != kind.trigger() {
                continue;
            }
            let Some((_, entry, _)) =
                field_of(tree, id).filter(|(found, _, name)| *found == kind && name == kind.trigger())
            else {
                continue;
            };
            if self.situation.ledger.refused_commands.contains(&format!("{}.{}", kind.root, tree.name(entry))) {
                continue;
            }
            let Some(wanted) = self.wanted_time(index) else { continue };
            let stored = tree.node(id).typed_value().and_then(as_time).unwrap_or(0);
            if wanted > 0 && wanted <= self.situation.timestamp && wanted > stored {
                due.push((entry, effective.source));
                if kind.operation != OperationKind::ChangeDUState {
                    break;
                }
            }
        }
        if due.is_empty() {
            return None;
        }
        let entries: Vec<Entry<'_>> = due.iter().map(|&(id, _)| Entry { tree, id }).collect();
        let request = self.entry_request(kind, &entries);
        let instances = due.iter().map(|&(id, _)| tree.name(id).to_string()).collect();
        let sources: Sources = due.iter().map(|&(_, source)| source).collect();
        Some(Step::Request(request, Purpose::Command { sources, instances }))
    }

    fn entry_request(&self, kind: &EntryKind, entries: &[Entry<'_>]) -> AcsRequest {
        let entry = entries[0];
        let file_name = entry.text("FileName");
        let (url, username, password) = file_address(&self.situation.settings.file_url_prefix, &file_name);
        match kind.operation {
            OperationKind::Upload => AcsRequest::Upload(Upload {
                file_type: entry.text("FileType"),
                url,
                username,
                password,
                ..Upload::default()
            }),
            OperationKind::ScheduleDownload => AcsRequest::ScheduleDownload(ScheduleDownload {
                file_type: entry.text("FileType"),
                url,
                username,
                password,
                target_file_name: entry.text("TargetFileName"),
                time_window_list: (1..=2).filter_map(|number| entry.window(number)).collect(),
                ..ScheduleDownload::default()
            }),
            OperationKind::ChangeDUState => AcsRequest::ChangeDUState {
                operations: entries.iter().map(Entry::du_operation).collect(),
                command_key: String::new(),
            },
            _ => AcsRequest::Download(Download {
                file_type: entry.text("FileType"),
                url,
                username,
                password,
                target_file_name: entry.text("TargetFileName"),
                ..Download::default()
            }),
        }
    }

    /// A time in the future that is later than the last one asked for.
    fn schedule_inform(&self, weight: i64) -> Option<Step> {
        let (wanted, source) = self.wanted_command(weight, self.schedule_inform, "ScheduleInform")?;
        let remaining = wanted.saturating_sub(self.situation.timestamp);
        let delay_seconds = u32::try_from(remaining.saturating_add(999) / 1_000).unwrap_or(u32::MAX);
        if remaining <= 0 {
            return None;
        }
        let request = AcsRequest::ScheduleInform { delay_seconds, command_key: String::new() };
        let sources = Sources::from([source]);
        Some(Step::Request(request, Purpose::Command { sources, instances: Vec::new() }))
    }

    fn restart(
        &self,
        weight: i64,
        declaration: Option<usize>,
        name: &str,
        request: impl FnOnce() -> AcsRequest,
    ) -> Option<Step> {
        let (wanted, source) = self.wanted_command(weight, declaration, name)?;
        if wanted > self.situation.timestamp {
            return None;
        }
        let sources = Sources::from([source]);
        Some(Step::Request(request(), Purpose::Command { sources, instances: Vec::new() }))
    }

    /// The time that is declared for a root that stands for an RPC, when it is later than the last one.
    fn wanted_command(&self, weight: i64, declaration: Option<usize>, name: &str) -> Option<(i64, u32)> {
        let index = declaration?;
        let effective = self.effective(index);
        if !effective.is_active() || effective.weight != weight || self.situation.ledger.refused_commands.contains(name)
        {
            return None;
        }
        let wanted = self.wanted_time(index)?;
        let tree = self.situation.tree;
        let stored = tree.find(name).and_then(|id| tree.node(id).typed_value()).and_then(as_time).unwrap_or(0);
        (wanted > 0 && wanted > stored).then_some((wanted, effective.source))
    }

    fn wanted_time(&self, index: usize) -> Option<i64> {
        let (value, _) = self.effective(index).declaration.wanted.value.as_ref()?;
        as_time(&TypedValue(value.clone().coerce(&XsdType::DateTime), XsdType::DateTime))
    }
}

/// An entry that is being turned into a request.
#[derive(Clone, Copy)]
struct Entry<'a> {
    tree: &'a DeviceTree,
    id: NodeId,
}

impl Entry<'_> {
    fn text(&self, name: &str) -> String {
        let node = name.split('.').try_fold(self.id, |at, part| self.tree.child(at, part));
        let value = node.and_then(|id| self.tree.node(id).typed_value());
        value.map(|value| value.0.to_text().into_owned()).unwrap_or_default()
    }

    /// One of the time windows; `None` when neither its start nor its end is given.
    fn window(&self, number: u32) -> Option<TimeWindow> {
        let text = |name: &str| self.text(&format!("TimeWindow.{number}.{name}"));
        let (start, end) = (text("WindowStart"), text("WindowEnd"));
        if start.is_empty() && end.is_empty() {
            return None;
        }
        let mode = text("WindowMode");
        Some(TimeWindow {
            window_start: start.trim().parse().unwrap_or(0),
            // What is no number makes a window that ends before it begins, which is refused.
            window_end: end.trim().parse().unwrap_or(0),
            window_mode: if mode.is_empty() { "1 At Any Time".to_owned() } else { mode },
            user_message: text("UserMessage"),
            max_retries: text("MaxRetries").trim().parse().unwrap_or(0),
        })
    }

    fn du_operation(&self) -> DUOperation {
        let text = |name: &str| self.text(name);
        match text("Operation").as_str() {
            "Uninstall" => DUOperation::Uninstall {
                uuid: text("UUID"),
                version: text("Version"),
                execution_env_ref: text("ExecutionEnvRef"),
            },
            "Update" => DUOperation::Update {
                uuid: text("UUID"),
                version: text("Version"),
                url: text("URL"),
                username: text("Username"),
                password: text("Password"),
            },
            _ => DUOperation::Install {
                url: text("URL"),
                uuid: text("UUID"),
                username: text("Username"),
                password: text("Password"),
                execution_env_ref: text("ExecutionEnvRef"),
            },
        }
    }
}

fn as_time(value: &TypedValue) -> Option<i64> {
    match value.0 {
        Value::Int(time) => Some(time),
        Value::Float(time) => Some(time as i64),
        _ => None,
    }
}

/// Where a file is fetched or put, with user name and password: a name that is a URL already says it itself.
fn file_address(prefix: &str, file_name: &str) -> (String, String, String) {
    let Some((scheme, rest)) = file_name.split_once("://") else {
        return (format!("{prefix}{}", utf8_percent_encode(file_name, OUTSIDE_PATH)), String::new(), String::new());
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((user_info, host)) = authority.rsplit_once('@') else {
        return (file_name.to_owned(), String::new(), String::new());
    };
    let (username, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (format!("{scheme}://{host}{path}"), decoded(username), decoded(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_url_become_arguments() {
        let cases = [
            ("fw 1.bin", ("http://files.example/fw%201.bin", "", "")),
            ("ftp://h/f", ("ftp://h/f", "", "")),
            ("http://me:p%40ss@h:8080/f?a=b@c", ("http://h:8080/f?a=b@c", "me", "p@ss")),
            ("http://me@h", ("http://h", "me", "")),
        ];
        for (name, (url, username, password)) in cases {
            let expected = (url.to_owned(), username.to_owned(), password.to_owned());
            assert_eq!(file_address("http://files.example/", name), expected, "{name}");
        }
    }
}
