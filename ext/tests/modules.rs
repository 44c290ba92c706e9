//! CommonJS modules, run by Node.js. These tests are skipped, and say so, where there is no Node.js.
#![allow(clippy::unwrap_used)]

mod kit;

use std::process::Command;

use acs_core::script::ScriptFault;
use ext::Extensions;
use kit::{Directory, call, fault};
use serde_json::{Value as Json, json};

fn has_node() -> bool {
    let has = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: Node.js is not installed");
    }
    has
}

const CUSTOMERS: &str = r#"
"use strict";
console.log("loaded", require("path").basename(__filename));
exports.echo = (args, callback) => callback(null, args);
exports.kinds = (args, callback) => callback(null, args.map((argument) => typeof argument));
exports.nothing = (args, callback) => callback();
exports.later = (args, callback) => setTimeout(() => callback(null, args[0]), Number(args[0]));
exports.twice = (args, callback) => { callback(null, 1); callback(null, 2); };
exports.promised = async (args) => ({ plan: args[0] });
exports.rejected = async () => { throw new RangeError("too far"); };
exports.failing = (args, callback) => callback(new TypeError("boom"));
exports.complaining = (args, callback) => callback("just a text");
exports.throwing = () => { throw new SyntaxError("at once"); };
exports.circular = (args, callback) => { const value = {}; value.value = value; callback(null, value); };
exports.silent = () => {};
exports.crashing = () => setTimeout(() => { throw new URIError("out of nowhere"); }, 50);
exports.pid = (args, callback) => callback(null, process.pid);
exports.printing = (args, callback) => { console.log("{\"id\":1}"); process.stdout.write("x\n"); callback(null, "printed"); };
exports.separators = (args, callback) => callback(null, [args[0], "\u2028"]);
exports.number = 7;
"#;

fn customers() -> Option<(Directory, Extensions)> {
    has_node().then(|| {
        let directory = Directory::new();
        directory.file("customers.js", CUSTOMERS);
        let extensions = directory.extensions();
        (directory, extensions)
    })
}

#[tokio::test]
async fn an_exported_function_gets_texts_and_calls_back() {
    let Some((_directory, extensions)) = customers() else { return };
    let cases: [(&[&str], Json); 7] = [
        (&["customers", "echo", "a", "ü \n"], json!(["a", "ü \n"])),
        (&["customers", "echo"], json!([])),
        (&["customers", "nothing"], json!(null)),
        (&["customers", "promised", "gold"], json!({"plan": "gold"})),
        (&["customers", "twice"], json!(1)),
        (&["customers", "printing"], json!("printed")),
        (&["customers", "separators", "a\u{2028}b"], json!(["a\u{2028}b", "\u{2028}"])),
    ];
    for (arguments, expected) in cases {
        assert_eq!(call(&extensions, arguments).await, Ok(expected), "{arguments:?}");
    }
    let given = vec![json!("customers"), json!("echo"), json!(1), json!(true), json!(null), json!({"a": [1]})];
    assert_eq!(extensions.call(given).await, Ok(json!(["1", "true", "null", "{\"a\":[1]}"])));
}

#[tokio::test]
async fn the_name_may_have_its_ending() {
    let Some((_directory, extensions)) = customers() else { return };
    assert_eq!(call(&extensions, &["customers.js", "echo", "a"]).await, Ok(json!(["a"])));
}

#[tokio::test]
async fn calls_run_at_the_same_time() {
    let Some((_directory, extensions)) = customers() else { return };
    let (slow, fast) = tokio::join!(
        call(&extensions, &["customers", "later", "200"]),
        call(&extensions, &["customers", "later", "1"])
    );
    assert_eq!((slow, fast), (Ok(json!("200")), Ok(json!("1"))));
}

#[tokio::test]
async fn what_fails_is_a_fault_with_the_name_of_the_error() {
    let Some((_directory, extensions)) = customers() else { return };
    let no_such = |function: &str| format!("No such function '{function}' in extension 'customers'");
    let of = |what: &str| format!("extension 'customers': {what}");
    let cases = [
        ("failing", "ext.TypeError", of("boom")),
        ("rejected", "ext.RangeError", of("too far")),
        ("throwing", "ext.SyntaxError", of("at once")),
        ("complaining", "ext", of("just a text")),
        ("absent", "ext", no_such("absent")),
        ("number", "ext", no_such("number")),
        ("toString", "ext", no_such("toString")),
        ("__proto__", "ext", no_such("__proto__")),
    ];
    for (function, code, message) in cases {
        assert_eq!(fault(&extensions, &["customers", function]).await, (code.to_owned(), message), "{function}");
    }
    let circular = fault(&extensions, &["customers", "circular"]).await;
    assert_eq!(circular.0, "ext.TypeError");
    let ScriptFault { detail, .. } = call(&extensions, &["customers", "failing"]).await.unwrap_err();
    let detail = detail.unwrap();
    assert_eq!((&detail["name"], &detail["message"]), (&json!("TypeError"), &json!("boom")));
    assert!(detail["stack"].as_str().unwrap().contains("customers.js"));
}

#[tokio::test]
async fn the_function_must_be_named() {
    let Some((_directory, extensions)) = customers() else { return };
    for given in [vec![json!("customers")], vec![json!("customers"), json!(1)]] {
        let fault = extensions.call(given).await.unwrap_err();
        assert_eq!(fault.code, "ext");
        assert!(fault.message.starts_with("extension 'customers': a module wants the name"), "{}", fault.message);
    }
}

#[tokio::test]
async fn an_uncaught_error_faults_all_running_calls_and_the_next_call_starts_the_module_again() {
    let Some((_directory, extensions)) = customers() else { return };
    let before = call(&extensions, &["customers", "pid"]).await.unwrap();
    let (crashing, silent) =
        tokio::join!(fault(&extensions, &["customers", "crashing"]), fault(&extensions, &["customers", "silent"]));
    assert_eq!(crashing, ("ext.URIError".to_owned(), "extension 'customers': out of nowhere".to_owned()));
    assert_eq!(silent, crashing);
    // It may still be on its way out.
    let mut after = call(&extensions, &["customers", "pid"]).await;
    while after.is_err() {
        after = call(&extensions, &["customers", "pid"]).await;
    }
    assert_ne!(after, Ok(before));
}

#[tokio::test]
async fn a_module_that_does_not_load_says_why() {
    if !has_node() {
        return;
    }
    let directory = Directory::new();
    directory.file("broken.js", "require('./no-such-file');");
    let (code, message) = fault(&directory.extensions(), &["broken", "f"]).await;
    assert_eq!(code, "ext");
    assert!(message.starts_with("extension 'broken': its process ended (exit status: 1); it said last: "), "{message}");
    assert!(message.contains("Cannot find module './no-such-file'"), "{message}");
}

#[tokio::test]
async fn without_node_the_fault_says_so() {
    let directory = Directory::new();
    directory.file("customers.js", CUSTOMERS);
    let mut config = directory.config();
    config.node = Some("/no/such/node".into());
    let extensions = Extensions::new(config).unwrap();
    let expected = "extension 'customers': it is a Node.js module, but Node.js was not found as '/no/such/node'";
    assert_eq!(fault(&extensions, &["customers", "echo"]).await, ("ext".to_owned(), expected.to_owned()));
}

#[tokio::test]
async fn shutdown_ends_the_module() {
    let Some((_directory, extensions)) = customers() else { return };
    let pid = call(&extensions, &["customers", "pid"]).await.unwrap().to_string();
    assert!(kit::is_alive(&pid));
    extensions.shutdown().await;
    assert!(!kit::is_alive(&pid));
}
