//! A script that waits does not execute another statement, whatever it catches and wherever it waits.

#![allow(clippy::unwrap_used)]

mod support;

use acs_core::script::Outcome;
use acs_core::value::TypedValue;
use serde_json::json;
use support::{World, run};

const READ: &str = "declare(\"Device.DeviceInfo.Status\", #{value: 1}).value";

/// Ways to read a value where Rhai, by itself, lets the script overlook that it must stop.
const READ_INSIDE: &[(&str, &str)] = &[
    ("a plain statement", "READ;"),
    ("try", "try { READ } catch { }"),
    ("try with a variable", "try { READ } catch (error) { log(\"caught\"); }"),
    ("map", "[1].map(|x| READ);"),
    ("map in try", "try { [1].map(|x| READ); } catch { }"),
    ("filter in try", "try { [1].filter(|x| READ == 1); } catch { }"),
    ("for_each in try", "try { [1].for_each(|| READ); } catch { }"),
    ("some in try", "try { [1].some(|x| READ == 1); } catch { }"),
    ("all in try", "try { [1].all(|x| READ == 1); } catch { }"),
    ("find in try", "try { [1].find(|x| READ == 1); } catch { }"),
    ("find_map in try", "try { [1].find_map(|x| READ); } catch { }"),
    ("index_of in try", "try { [1].index_of(|x| READ == 1); } catch { }"),
    ("reduce in try", "try { [1, 2].reduce(|a, b| READ, 0); } catch { }"),
    ("reduce_rev in try", "try { [1, 2].reduce_rev(|a, b| READ, 0); } catch { }"),
    ("zip in try", "try { [1].zip([2], |a, b| READ); } catch { }"),
    ("retain in try", "try { [1].retain(|x| READ == 1); } catch { }"),
    ("drain in try", "try { [1].drain(|x| READ == 1); } catch { }"),
    ("dedup", "let a = [1, 2]; a.dedup(|x, y| READ == 1);"),
    ("sort", "let a = [2, 1]; a.sort(|x, y| READ.len());"),
    ("sort_by in try", "try { let a = [2, 1]; a.sort_by(|x, y| READ.len()); } catch { }"),
    ("order", "[2, 1].order(|x, y| READ.len());"),
    ("a map's filter in try", "try { #{a: 1}.filter(|k, v| READ == 1); } catch { }"),
    ("a map's map in try", "try { #{a: 1}.map(|k, v| READ); } catch { }"),
    ("a function", "fn f() { try { read() } catch { 7 } } fn read() { READ } f();"),
    ("a called function pointer", "let f = |x| READ; try { f.call(1) } catch { }"),
    ("an interpolated text", "try { `${READ}` } catch { }"),
    ("an index", "try { [1, 2][READ.len()] } catch { }"),
    ("for", "try { for x in declare(\"Device.DeviceInfo.Status\", #{value: 1}) { log(\"ran on\"); } } catch { }"),
    ("a condition", "try { if READ == 1 { } } catch { }"),
    ("switch", "try { switch READ { 1 => 2, _ => 3 } } catch { }"),
    ("coalescing", "try { READ ?? 1 } catch { }"),
    ("a loop that catches", "loop { try { [1].map(|x| READ); break; } catch { } }"),
    ("commit in a closure", "try { [1].map(|x| commit()); } catch { }"),
];

#[test]
fn nothing_is_executed_after_a_stop() {
    for (name, template) in READ_INSIDE {
        let source = format!("{}\nlog(\"ran on\"); declare(\"Device.X\");", template.replace("READ", READ));
        let mut world = World::new(&source);
        let (record, outcome) = world.step();
        assert_eq!(outcome, Outcome::Suspended, "{name}");
        let messages: Vec<_> = record.logs.iter().map(|entry| entry.message.as_str()).collect();
        assert!(messages.is_empty(), "{name}: {messages:?}");
        assert!(record.declarations.iter().all(|one| one.path.to_string() != "Device.X"), "{name}");
    }
}

#[test]
fn the_next_run_goes_on_where_the_last_one_stopped() {
    for (name, template) in READ_INSIDE {
        if name.contains("loop") {
            continue;
        }
        let source = format!("{}\nlog(\"after\");", template.replace("READ", READ));
        let finished = World::new(&source).finish();
        assert!(finished.messages().contains(&"after"), "{name}: {finished:?}");
    }
}

#[test]
fn extensions_stop_a_script_in_the_same_way() {
    let source = r#"try { [1].map(|x| ext("lookup", x, #{a: [()]})); } catch { } log("ran on");"#;
    let mut world = World::new(source);
    let (record, outcome) = world.step();
    assert_eq!(outcome, Outcome::WaitingForExtension);
    assert_eq!(record.extensions[0].arguments, [json!("lookup"), json!(1), json!({"a": [null]})]);
    assert!(record.logs.is_empty());

    world.memory.set_extension_result(record.extensions[0].arguments.clone(), Ok(json!({"ssid": "x"})));
    let (record, outcome) = world.step();
    assert_eq!((record.logs.len(), outcome), (1, Outcome::Finished(json!(null))));
}

#[test]
fn reads_before_a_commit_stay_as_they_were() {
    let source = r#"
        let status = declare("Device.DeviceInfo.Status", #{value: 1});
        let before = status.value[0];
        commit();
        log(before + " " + status.value[0]);
    "#;
    let mut world = World::new(source);
    for _ in 0..2 {
        assert_eq!(world.step().1, Outcome::Suspended);
        world.memory.advance();
        let mut tree = (*world.tree).clone();
        if world.memory.revision == 2 {
            let id = tree.ensure("Device.DeviceInfo.Status");
            tree.set_read_value(id, TypedValue::string("Down"), 2_000);
        }
        world.tree = tree.into();
    }
    let (record, _) = world.step();
    assert_eq!(record.logs[0].message, "Up Down");
}

#[test]
fn declaring_everything_first_takes_one_commit() {
    let together = run(r#"
        let a = declare("Device.DeviceInfo.Status", #{value: 1});
        let b = declare("Device.DeviceInfo.UpTime", #{value: 1});
        log(a.value[0] + b.value[0] + a.size + b.path);
    "#);
    assert_eq!((together.commits, together.messages()), (1, vec!["Up900001Device.DeviceInfo.UpTime"]));
    let one_by_one = run(r#"
        let a = declare("Device.DeviceInfo.Status", #{value: 1}).value;
        let b = declare("Device.DeviceInfo.UpTime", #{value: 1}).value;
    "#);
    assert_eq!(one_by_one.commits, 2);
}

#[test]
fn elements_of_an_iteration_never_commit() {
    let finished = run(r#"
        for host in declare("Device.Hosts.Host.*.MACAddress", #{value: 1}) {
            declare("Tags.seen", (), #{value: true});
            log(host.path + " " + host.value[0] + " " + host.size);
        }
    "#);
    assert_eq!(finished.commits, 1);
    assert_eq!(
        finished.messages(),
        [
            "Device.Hosts.Host.1.MACAddress 02:00:00:00:00:01 1",
            "Device.Hosts.Host.2.MACAddress 02:00:00:00:00:02 1",
            "Device.Hosts.Host.10.MACAddress 02:00:00:00:00:0A 1"
        ]
    );
}

#[test]
fn exit_ends_a_script_quietly() {
    let finished = run("try { [1].map(|x| exit()); } catch { } log(\"unseen\");");
    assert!(finished.messages().is_empty());
    assert_eq!(support::value_of("exit(#{value: 5}); 6"), json!({"value": 5}));
}
