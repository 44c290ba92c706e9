//! Who wants the outstanding request, for people: task, presets, provision, line.
//!
//! Nothing is kept for this: it is worked out for a request that is being sent, from what its cycle knows anyway.

use std::collections::BTreeSet;

use crate::declaration::Origin;
use crate::path::Segment;
use crate::planner::{Purpose, Sources};
use crate::rpc::AcsRequest;

use super::Session;
use super::level::Source;

/// So many are named.
const MAX_CAUSES: usize = 8;

impl Session {
    /// What the outstanding request is sent for, as `preset P, provision N, line L:C`, at most eight; empty when there is none, or
    /// when it is the server itself that wants to know.
    pub fn causes(&self) -> Vec<String> {
        let (Some(outstanding), Some(cycle)) = (&self.outstanding, &self.cycle) else { return Vec::new() };
        let Some(level) = cycle.levels.last() else { return Vec::new() };
        let names = names(&outstanding.request);
        let of_sources = |sources: &Sources| -> BTreeSet<String> {
            let sources = sources.iter().filter_map(|&index| level.sources.get(index as usize));
            sources.flat_map(|source| origins(source, &names)).collect()
        };
        let causes = match &outstanding.purpose {
            Purpose::Read { sources } | Purpose::Command { sources, .. } => of_sources(sources),
            Purpose::SetValues(sets) | Purpose::CreationSet(sets) => {
                sets.iter().map(|set| set.origin.clone()).collect()
            }
            Purpose::SetAttributes(wishes) => of_sources(&wishes.iter().map(|wish| wish.source).collect()),
            Purpose::Change(change) => BTreeSet::from([change.origin().to_owned()]),
            Purpose::Direct { source } => of_sources(&Sources::from([*source])),
            Purpose::CreationRead | Purpose::CreationUndo => {
                cycle.ledger.creation.iter().map(|creation| creation.origin.clone()).collect()
            }
            Purpose::Methods => BTreeSet::new(),
        };
        causes.into_iter().take(MAX_CAUSES).collect()
    }
}

/// The parameters and objects that a request is about.
fn names(request: &AcsRequest) -> Vec<&str> {
    match request {
        AcsRequest::GetParameterNames { parameter_path, .. } => vec![parameter_path],
        AcsRequest::GetParameterValues { parameter_names } | AcsRequest::GetParameterAttributes { parameter_names } => {
            parameter_names.iter().map(String::as_str).collect()
        }
        AcsRequest::SetParameterAttributes { parameter_list } => {
            parameter_list.iter().map(|parameter| parameter.name.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

/// The places in a script that declare something about these names; the script itself when it is none in particular.
fn origins(source: &Source, names: &[&str]) -> BTreeSet<String> {
    let concerned = source.declarations.iter().filter(|declaration| {
        let path = declaration.path.segments();
        names.iter().any(|name| is_on_the_way(path, name))
    });
    let places: BTreeSet<String> = concerned.map(|declaration| declaration.origin.to_string()).collect();
    if !places.is_empty() {
        return places;
    }
    let script = Origin { provision: source.name.clone(), presets: source.presets.clone(), line: 0, column: 0 };
    BTreeSet::from([script.to_string()])
}

/// Whether a name leads to what a path covers, or lies below it.
fn is_on_the_way(path: &[Segment], name: &str) -> bool {
    let mut names = name.split('.').filter(|name| !name.is_empty());
    for segment in path {
        let Some(name) = names.next() else { return true };
        match segment {
            Segment::AnyDepth => return true,
            Segment::Name(wanted) if **wanted != *name => return false,
            Segment::Name(_) | Segment::Wildcard | Segment::Alias(_) => {}
        }
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::path::Path;

    #[test]
    fn a_request_is_for_what_lies_on_its_way_or_below() {
        let cases = [
            ("Device.WiFi.SSID.*.SSID", "Device.WiFi.SSID.1.SSID", true),
            ("Device.WiFi.SSID.*.SSID", "Device.WiFi.", true),
            ("Device.WiFi.SSID.*.SSID", "", true),
            ("Device.WiFi", "Device.WiFi.SSID.1.", true),
            ("Device.**", "Device.IP.Interface.", true),
            ("Device.WiFi.SSID.*.SSID", "Device.IP.", false),
            ("Device.WiFi.SSID.*.SSID", "Device.WiFi.SSID.1.Name", false),
        ];
        for (path, name, expected) in cases {
            let path = Path::parse(path).unwrap();
            assert_eq!(is_on_the_way(path.segments(), name), expected, "{path} {name}");
        }
    }
}
