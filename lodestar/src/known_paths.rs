//! Comparing what scripts declare with what stored devices are known to have, for `lodestar check --data-dir`.

use acs_core::path::{Alias, Path, Segment};
use acs_core::tree::{DeviceTree, LOCAL_ROOTS};
use acs_core::value::{Value, XsdType};
use sandbox::{Finding, LiteralDeclaration, Severity};
use store::{Find, Store, StoreError};

/// As many devices `lodestar check` looks at.
pub const MOST_DEVICES: usize = 10_000;

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The findings of each list of declarations, in their order.
    pub findings: Vec<Vec<Finding>>,
    /// Whether a device was needed and none is stored.
    pub is_empty: bool,
    /// Whether there are more devices than were to be looked at, and not everything was found in those.
    pub is_partial: bool,
}

/// A declaration, and what is known of it so far.
struct Open<'a> {
    declaration: &'a LiteralDeclaration,
    pattern: Path,
    is_known: bool,
    /// Whether nothing more has to be found out about the wanted value.
    is_value_settled: bool,
    misfit: Option<String>,
}

/// Compares lists of declarations, one per script, with stored devices, `most` of them by ID.
///
/// # Errors
/// The store fails.
pub async fn compare(
    store: &dyn Store,
    scripts: &[Vec<LiteralDeclaration>],
    most: usize,
) -> Result<Comparison, StoreError> {
    let mut open: Vec<Vec<Open>> = scripts.iter().map(|list| list.iter().map(Open::new).collect()).collect();
    let mut devices = 0;
    let (mut is_empty, mut is_partial) = (false, false);
    let mut records = store.find_devices(Find { limit: Some(most + 1), ..Find::default() }).await?;
    while open.iter().flatten().any(|one| !one.is_settled()) {
        let Some(device) = records.next().await else {
            is_empty = devices == 0;
            break;
        };
        let device = device?;
        if devices == most {
            is_partial = true;
            break;
        }
        devices += 1;
        let tree = device.full_tree();
        open.iter_mut().flatten().filter(|one| !one.is_settled()).for_each(|one| one.look_at(&tree));
    }
    let findings = |list: &Vec<Open>| list.iter().filter_map(|one| one.finding(devices)).collect();
    Ok(Comparison { findings: open.iter().map(findings).collect(), is_empty, is_partial })
}

impl<'a> Open<'a> {
    fn new(declaration: &'a LiteralDeclaration) -> Open<'a> {
        let path = &declaration.path;
        let is_own = path.first_name().is_some_and(|name| LOCAL_ROOTS.contains(&name));
        let mut open = Open {
            declaration,
            pattern: any_instance(path),
            is_known: is_own,
            is_value_settled: is_own || declaration.value.is_none(),
            misfit: None,
        };
        if let Some((value, Some(xsd_type))) = &declaration.value {
            // The script says the type itself.
            open.settle_value(value, xsd_type, &path.to_string());
        }
        open
    }

    fn is_settled(&self) -> bool {
        self.is_known && self.is_value_settled
    }

    fn look_at(&mut self, tree: &DeviceTree) {
        let nodes = tree.matches(&self.pattern);
        self.is_known |= !nodes.is_empty() || is_without_instances(tree, &self.pattern);
        if let (false, Some((value, None))) = (self.is_value_settled, &self.declaration.value)
            && let Some((id, known)) = nodes.into_iter().find_map(|id| Some((id, tree.node(id).typed_value()?)))
        {
            self.settle_value(value, &known.1, &tree.path_text(id));
        }
    }

    fn settle_value(&mut self, value: &Value, xsd_type: &XsdType, path: &str) {
        self.is_value_settled = true;
        if !fits(value, xsd_type) {
            self.misfit = Some(format!("{:?} cannot become {xsd_type}, the type of {path}", value.to_text()));
        }
    }

    fn finding(&self, devices: usize) -> Option<Finding> {
        let LiteralDeclaration { path, line, column, .. } = self.declaration;
        let unknown = || match devices {
            1 => format!("the only stored device is not known to have {path}"),
            _ => format!("none of {devices} stored devices is known to have {path}"),
        };
        // Without devices nothing is known of any path.
        let message = self.misfit.clone().or_else(|| (!self.is_known && devices > 0).then(unknown))?;
        Some(Finding { line: *line, column: *column, severity: Severity::Warning, message })
    }
}

/// The pattern without what its instances must be like: one may be created yet.
fn any_instance(path: &Path) -> Path {
    let any = |segment: &Segment| match segment {
        Segment::Alias(_) => Segment::Alias(Alias { pairs: Vec::new() }.into()),
        other => other.clone(),
    };
    Path::from_segments(path.segments().iter().map(any).collect())
}

/// Whether the pattern asks for instances of an object that has none now: what they would look like is not known.
fn is_without_instances(tree: &DeviceTree, pattern: &Path) -> bool {
    let mut names = pattern.segments().to_vec();
    let Some(end) = names.iter().position(|segment| !matches!(segment, Segment::Name(_))) else { return false };
    names.truncate(end);
    let objects = tree.matches(&Path::from_segments(names));
    end > 0 && objects.into_iter().any(|id| tree.children(id).is_empty())
}

/// Whether a value can be sent as a type (TR-106 §3.2).
fn fits(value: &Value, xsd_type: &XsdType) -> bool {
    let coerced = value.clone().coerce(xsd_type);
    let text = coerced.to_text();
    match (xsd_type, &coerced) {
        (XsdType::Boolean, coerced) => matches!(coerced, Value::Bool(_)),
        (XsdType::Int, Value::Int(number)) => i32::try_from(*number).is_ok(),
        (XsdType::UnsignedInt, Value::Int(number)) => u32::try_from(*number).is_ok(),
        (XsdType::DateTime, Value::Int(_)) => true,
        (XsdType::Int | XsdType::UnsignedInt | XsdType::DateTime, _) => false,
        (XsdType::Long, _) => text.trim().parse::<i64>().is_ok(),
        (XsdType::UnsignedLong, _) => text.trim().parse::<u64>().is_ok(),
        (XsdType::HexBinary, _) => text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        (XsdType::String | XsdType::Base64 | XsdType::Other(_), _) => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::change::SessionChange;
    use acs_core::device::DeviceHead;
    use acs_core::value::TypedValue;
    use sandbox::literal_declarations;
    use store::EmbeddedStore;

    use super::*;

    /// A store in which each device has one parameter, named as itself.
    async fn stored(ids: &[&str]) -> (EmbeddedStore, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&directory.path().join("lodestar.db")).unwrap();
        for id in ids {
            let mut tree = DeviceTree::new();
            let parameter = tree.ensure(&format!("Device.{id}"));
            tree.set_listed(parameter, false, true, 1);
            let head = DeviceHead { id: (*id).to_owned(), registered: 1, last_inform: 1, ..DeviceHead::default() };
            store.commit_session(SessionChange::first(head, tree)).await.unwrap();
        }
        (store, directory)
    }

    #[tokio::test]
    async fn all_devices_are_looked_at_and_no_more_than_asked_for() {
        let (store, _directory) = stored(&["A", "B", "C"]).await;
        let scripts = [literal_declarations("declare(\"Device.A\");\ndeclare(\"Device.C\");"), Vec::new()];
        for (most, lines, is_partial) in [(3, vec![], false), (2, vec![2], true), (1, vec![2], true)] {
            let comparison = compare(&store, &scripts, most).await.unwrap();
            let found: Vec<u32> = comparison.findings[0].iter().map(|finding| finding.line).collect();
            assert_eq!((found, comparison.is_partial), (lines, is_partial), "{most}");
            assert!(comparison.findings[1].is_empty() && !comparison.is_empty);
        }
        let known = [literal_declarations("declare(\"Device.A\");")];
        assert!(!compare(&store, &known, 1).await.unwrap().is_partial, "everything was found");
        let (store, _directory) = stored(&[]).await;
        let comparison = compare(&store, &scripts, 3).await.unwrap();
        assert!(comparison.is_empty && comparison.findings.iter().all(Vec::is_empty));
    }

    fn device() -> DeviceTree {
        let mut tree = DeviceTree::new();
        for (path, text, xsd_type) in [
            ("Device.WiFi.SSID.1.SSID", "Home", XsdType::String),
            ("Device.WiFi.SSID.1.Enable", "true", XsdType::Boolean),
            ("Device.WiFi.Radio.1.Channel", "6", XsdType::UnsignedInt),
        ] {
            let id = tree.ensure(path);
            tree.set_listed(id, false, true, 1);
            let value = Value::Text(text.to_owned()).coerce(&xsd_type);
            tree.set_read_value(id, TypedValue(value, xsd_type), 1);
        }
        let empty = tree.ensure("Device.NAT.PortMapping");
        tree.set_listed(empty, true, true, 1);
        tree
    }

    fn messages(source: &str) -> Vec<String> {
        let declarations = literal_declarations(source);
        let mut open: Vec<Open> = declarations.iter().map(Open::new).collect();
        open.iter_mut().for_each(|one| one.look_at(&device()));
        open.iter().filter_map(|one| Some(one.finding(1)?.message)).collect()
    }

    #[test]
    fn paths_that_some_device_has_are_known() {
        for path in [
            "",
            "Device.WiFi",
            "Device.WiFi.SSID.*.SSID",
            "Device.**",
            "Device.WiFi.SSID.[SSID:\"New\"].Enable",
            "Device.NAT.PortMapping.[ExternalPort:80].InternalPort",
            "Device.NAT.PortMapping.*",
            "Tags.new",
            "DeviceID.SerialNumber",
            "Events.Inform",
            "Downloads.*.Download",
            "VirtualParameters.Anything",
            "Reboot",
            "FactoryReset",
        ] {
            assert!(messages(&format!("declare({path:?});")).is_empty(), "{path}");
        }
        for path in ["Device.WiFi.SSID.*.Ssid", "Device.WiFi.SSID.[SSID:x].Nothing", "Device.Wifi", "Rebot"] {
            let found = messages(&format!("clear({path:?}, 1);"));
            assert!(found.len() == 1 && found[0].contains("is not known to have"), "{path}: {found:?}");
        }
    }

    #[test]
    fn values_must_fit_the_known_type() {
        let cases = [
            ("Device.WiFi.Radio.1.Channel", "\"abc\"", Some("\"abc\" cannot become xsd:unsignedInt")),
            (
                "Device.WiFi.Radio.*.Channel",
                "-1",
                Some("\"-1\" cannot become xsd:unsignedInt, the type of Device.WiFi.Radio.1.Channel"),
            ),
            ("Device.WiFi.Radio.1.Channel", "\"11\"", None),
            ("Device.WiFi.Radio.1.Channel", "[\"abc\", \"xsd:string\"]", None),
            ("Device.WiFi.Radio.1.Channel", "[5, \"xsd:boolean\"]", Some("\"5\" cannot become xsd:boolean")),
            ("Device.WiFi.SSID.1.Enable", "\"yes\"", Some("\"yes\" cannot become xsd:boolean")),
            ("Device.WiFi.SSID.1.Enable", "1", None),
            ("Device.WiFi.SSID.1.SSID", "5", None),
            ("Tags.x", "\"anything\"", None),
        ];
        for (path, value, expected) in cases {
            let found = messages(&format!("declare({path:?}, (), #{{value: {value}}});"));
            match expected {
                None => assert!(found.is_empty(), "{path} {value}: {found:?}"),
                Some(expected) => assert!(found.len() == 1 && found[0].contains(expected), "{path} {value}: {found:?}"),
            }
        }
    }

    #[test]
    fn types_have_their_ranges() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert!(
            fits(&text("18446744073709551615"), &XsdType::UnsignedLong) && !fits(&text("-1"), &XsdType::UnsignedLong)
        );
        assert!(fits(&Value::Int(i64::MIN), &XsdType::Long) && !fits(&text("x"), &XsdType::Long));
        assert!(fits(&text("2024-05-01T00:00:00Z"), &XsdType::DateTime) && !fits(&text("May"), &XsdType::DateTime));
        assert!(fits(&text("00ff"), &XsdType::HexBinary) && !fits(&text("0xf"), &XsdType::HexBinary));
        assert!(!fits(&Value::Int(i64::from(i32::MAX) + 1), &XsdType::Int) && !fits(&Value::Float(1.5), &XsdType::Int));
        assert!(fits(&text("x"), &XsdType::Other("cwmp:odd".into())));
    }
}
