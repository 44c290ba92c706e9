//! What holds for any device and any declarations: a second session writes nothing, a plan is the session, a session that is
//! written down between its steps is the same session, and a replay goes as recorded, whatever the device does.

use acs_core::plan::plan;
use acs_core::session::settings::Settings;
use lodestar::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use crate::bench::Scenario;
use crate::kit::{Behaviour, describe};
use crate::recording::{Tape, limits, replayed};

/// A device's model with what a script can name in it.
#[derive(Debug, Clone)]
struct Model {
    lines: String,
    /// Parameters.
    leaves: Vec<String>,
    /// Objects that may grow; each has an instance.
    tables: Vec<String>,
}

/// Leaves of an object: name, value of a new instance, other values.
const LEAVES: [(&str, &str, [&str; 2]); 6] = [
    ("Name", "", ["a", "b"]),
    ("Enable", "false", ["true", "false"]),
    ("Port", "0u", ["80u", "443u"]),
    ("Since", "0:dateTime", ["1000:dateTime", "2000:dateTime"]),
    ("Level", "0:int", ["-3:int", "5:int"]),
    ("Total", ":unsignedLong", ["7:unsignedLong", "8:unsignedLong"]),
];

/// An object: its name, whether it is a table, how many instances it has, which leaves, with which values.
type Section = (&'static str, bool, usize, Vec<(usize, bool, usize)>, bool);

fn section() -> impl Strategy<Value = Section> {
    let leaf = (0..LEAVES.len(), prop::bool::weighted(0.8), 0usize..2);
    (select(vec!["A", "B", "C", "D"]), any::<bool>(), 1usize..4, prop::collection::vec(leaf, 1..4), any::<bool>())
}

fn model() -> impl Strategy<Value = Model> {
    prop::collection::vec(section(), 1..5).prop_map(|sections| {
        let mut model = Model { lines: String::new(), leaves: Vec::new(), tables: Vec::new() };
        model.lines.push_str("Device.DeviceInfo.SoftwareVersion : 1\n");
        for (place, (name, is_table, count, leaves, is_deep)) in sections.into_iter().enumerate() {
            let deeper = if is_deep { "Sub." } else { "" };
            let object = format!("Device.{deeper}{name}{place}.");
            if !is_table {
                model.add_leaves(&object, &leaves, 0);
                continue;
            }
            model.lines.push_str(&format!("{object} +\n"));
            for (leaf, _, _) in &leaves {
                model.lines.push_str(&format!("{object}+.{} = {}\n", LEAVES[*leaf].0, LEAVES[*leaf].1));
            }
            for instance in 1..=count {
                let leaves: Vec<_> = leaves.iter().map(|&(leaf, _, value)| (leaf, true, value)).collect();
                model.add_leaves(&format!("{object}{instance}."), &leaves, instance);
            }
            model.tables.push(object.trim_end_matches('.').to_owned());
        }
        model
    })
}

impl Model {
    fn add_leaves(&mut self, object: &str, leaves: &[(usize, bool, usize)], shift: usize) {
        for &(leaf, writable, value) in leaves {
            let (name, _, values) = LEAVES[leaf];
            let path = format!("{object}{name}");
            if !self.leaves.contains(&path) {
                let sign = if writable { '=' } else { ':' };
                self.lines.push_str(&format!("{path} {sign} {}\n", values[(value + shift) % 2]));
                self.leaves.push(path);
            }
        }
    }
}

/// One statement of a script: what it does, and what it picks.
type Statement = (u8, Index, Index, u8);

/// Presets, each with its weight and the statements of its script.
type Presets = Vec<(i64, Vec<Statement>)>;

fn presets() -> impl Strategy<Value = Presets> {
    let statement = (0u8..14, any::<Index>(), any::<Index>(), any::<u8>());
    prop::collection::vec((0i64..3, prop::collection::vec(statement, 1..6)), 1..4)
}

const TIMES: [&str; 4] = ["1", "now()", "now() - 100000000", "now(86400000)"];
const VALUES: [&str; 8] =
    ["\"a\"", "\"b\"", "7", "true", "\"0\"", "\"1970-01-01T00:00:05Z\"", "[5, \"xsd:int\"]", "\"\""];

impl Model {
    fn script(&self, statements: &[Statement]) -> String {
        statements.iter().map(|statement| self.statement(statement)).collect::<Vec<_>>().join("\n")
    }

    /// A parameter as it is, through a wildcard, an alias, or at any depth.
    fn pattern(&self, pick: Index, how: u8) -> String {
        let leaf = pick.get(&self.leaves);
        let mut segments: Vec<&str> = leaf.split('.').collect();
        let instance = segments.iter().position(|segment| segment.parse::<u32>().is_ok());
        match (how % 4, instance) {
            (1, Some(place)) => segments[place] = "*",
            (2, Some(place)) => segments[place] = "[Name:a]",
            (3, _) => return format!("Device.**.{}", segments[segments.len() - 1]),
            _ => {}
        }
        segments.join(".")
    }

    fn statement(&self, &(kind, first, second, detail): &Statement) -> String {
        let path = self.pattern(first, detail);
        let (time, value) = (second.get(&TIMES), second.get(&VALUES));
        let table = || first.get(&self.tables);
        match kind {
            0 | 1 => format!("declare(\"{path}\", #{{value: {time}}});"),
            2 => format!("declare(\"{path}\", #{{path: {time}, value: {time}, writable: 1}});"),
            3..=5 => format!("declare(\"{path}\", (), #{{value: {value}}});"),
            6 => format!("declare(\"{path}\", #{{value: now()}}, #{{value: {value}}});"),
            7 => format!("declare(\"{path}\", (), #{{notification: {}}});", detail % 3),
            8 if !self.tables.is_empty() => format!("declare(\"{}.*\", (), #{{path: {}}});", table(), detail % 5),
            9 if !self.tables.is_empty() => {
                format!(
                    "declare(\"{}.[Name:{}]\", (), #{{path: {}}});",
                    table(),
                    ["a", "new"][usize::from(detail) % 2],
                    detail % 3
                )
            }
            10 => format!(
                "if declare(\"{path}\", #{{value: {time}}}).size == 0 {{ declare(\"Tags.none\", (), #{{value: true}}); }}"
            ),
            11 => format!("declare(\"Device.Absent.{path}\", #{{path: {time}}}, #{{value: {value}}});"),
            12 => "declare(\"VirtualParameters.sum\", #{value: now()});".to_owned(),
            _ => "commit();".to_owned(),
        }
    }
}

const SUM: &str = r#"
    let sum = 0;
    for leaf in declare("Device.**", #{path: 1, value: 1}) { if leaf.value != () { sum += 1; } }
    #{writable: false, value: sum}
"#;

fn scenario(model: &Model, presets: &Presets) -> Scenario {
    let mut scenario = Scenario::of(&model.lines).virtual_parameter("sum", SUM);
    for (number, (weight, statements)) in presets.iter().enumerate() {
        let document = json!({ "weight": weight, "channel": format!("c{}", number % 2) });
        scenario = scenario.preset(&format!("p{number}"), document, &model.script(statements));
    }
    scenario.device.behaviour.numbers_by_table = true;
    scenario
}

/// How a device may go wrong: which RPC of which parameter gets which fault, and habits.
fn behaviour() -> impl Strategy<Value = Behaviour> {
    let rpc = select(vec![
        "GetParameterNames",
        "GetParameterValues",
        "SetParameterValues",
        "GetParameterAttributes",
        "SetParameterAttributes",
        "AddObject",
        "DeleteObject",
    ]);
    let contains = select(vec!["", "Name", "Enable", "Device.A", ".1", "Sub"]);
    let fault = (rpc.clone(), contains, select(vec!["9002", "9003", "9005"]));
    let faults = prop::collection::vec(fault, 0..2);
    let dead = prop::option::weighted(0.2, rpc);
    (faults, dead, any::<[bool; 8]>()).prop_map(|(faults, dead, habits)| {
        let texts = |(rpc, contains, code): (&str, &str, &str)| (rpc.into(), contains.into(), code.into());
        let [silent, vanishes, confused] =
            [0, 1, 2].map(|kind| dead.filter(|rpc| rpc.len() % 3 == kind).map(str::to_owned));
        Behaviour {
            faults: faults.into_iter().map(texts).collect(),
            ignores_add: habits[0] && habits[1],
            adds_two: habits[2] && habits[3],
            ignores_delete: habits[4] && habits[5],
            ignores_next_level: habits[6],
            lists_no_objects: habits[7] && habits[0],
            numbers_by_table: habits[1],
            silent,
            vanishes,
            confused,
            ..Behaviour::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_second_session_writes_nothing(model in model(), presets in presets(), is_known in any::<bool>()) {
        let mut scenario = scenario(&model, &presets);
        if is_known {
            scenario = scenario.known();
        }
        let first = scenario.periodic();
        // Scripts that contradict themselves over a commit never settle; that is what preset_loop is for.
        prop_assume!(scenario.world.snapshot.faults.is_empty());
        let second = scenario.periodic();
        let writes: Vec<_> = second.requests.iter().filter(|request| !request.starts_with('G')).collect();
        prop_assert!(writes.is_empty(), "{}\n{:#?}\nfirst: {:#?}\nsecond: {:#?}", model.lines, scenario.documents.provisions, first.requests, second.requests);
    }

    #[test]
    fn a_plan_is_the_session(model in model(), presets in presets()) {
        let mut scenario = scenario(&model, &presets).known();
        let (configuration, _) = Snapshot::build(&scenario.documents, None, &limits());
        let inform = scenario.device.inform(&["2 PERIODIC"]);
        let mut no_extension = |_: &_| unreachable!("no script here calls one");
        let planned =
            plan(scenario.world.snapshot.clone(), &inform, scenario.world.clock, Settings::default(), &configuration, &mut no_extension);
        let planned: Vec<_> = planned.requests.iter().map(describe).collect();
        prop_assert_eq!(planned, scenario.periodic().requests, "{}\n{:#?}", model.lines, scenario.documents.provisions);
    }

    #[test]
    fn a_session_written_down_between_its_steps_is_the_same(
        model in model(),
        presets in presets(),
        behaviour in behaviour(),
    ) {
        let run = |serialise| {
            let mut scenario = scenario(&model, &presets);
            scenario.device.behaviour = behaviour.clone();
            scenario.world.serialise = serialise;
            let requests = [scenario.periodic().requests, scenario.periodic().requests];
            (requests, scenario.world.snapshot)
        };
        let (plain, written_down) = (run(false), run(true));
        prop_assert_eq!(plain.0, written_down.0);
        prop_assert_eq!(format!("{:?}", plain.1), format!("{:?}", written_down.1));
    }

    #[test]
    fn a_replay_goes_as_recorded(
        model in model(),
        presets in presets(),
        behaviours in prop::collection::vec(behaviour(), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = scenario(&model, &presets);
        let (configuration, _) = Snapshot::build(&scenario.documents, None, &limits());
        for (number, behaviour) in behaviours.into_iter().enumerate() {
            scenario.device.behaviour = behaviour;
            let folder = folder.path().join(number.to_string());
            let mut tape = Tape::new(&configuration, &folder);
            let no_extension = |_: &_| unreachable!("no script here calls one");
            scenario.world.session_with(
                &mut scenario.device,
                &["2 PERIODIC"],
                &configuration,
                &no_extension,
                &[],
                &mut tape,
            );
            prop_assert_eq!(replayed(&folder), None);
        }
    }
}
