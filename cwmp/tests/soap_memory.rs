//! Hostile documents take no memory: reading them stops at a limit, whatever they hold. A test of its own process, because it looks at
//! all of the process's memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;

use cwmp::encoding::{BodyLimits, decode_body};
use cwmp::soap::parse;

/// More than reading any small document takes, and far less than any of these documents.
const MOST: u64 = 1024 * 1024;
/// The XML parser quotes the tag that does not match: as much as there is, but no more than twice.
const QUOTED: u64 = 32 * MOST;

/// Memory now, and at its highest since it was reset, in bytes.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// How much memory some work takes at its highest.
fn growth(work: impl FnOnce()) -> u64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, _) = memory();
    work();
    memory().1.saturating_sub(before)
}

fn envelope(content: &str) -> String {
    format!(
        "<Envelope xmlns:c=\"urn:dslforum-org:cwmp-1-0\"><Header><c:ID>1</c:ID></Header>\
         <Body><c:RebootResponse>{content}</c:RebootResponse></Body></Envelope>"
    )
}

#[test]
fn hostile_documents_and_bombs_take_no_memory() {
    let million = 1_000_000;
    let documents = [
        ("elements inside each other", MOST, envelope(&"<a>".repeat(million))),
        ("elements beside each other", MOST, envelope(&"<a/>".repeat(million + 1))),
        ("one attribute of 16 MB", MOST, envelope(&format!("<a b=\"{}\"/>", "x".repeat(16 * million)))),
        ("many attributes", MOST, envelope(&format!("<a {}/>", "b='1' ".repeat(million)))),
        ("one name of 16 MB", MOST, envelope(&format!("<{}/>", "x".repeat(16 * million)))),
        ("many namespaces", MOST, envelope(&format!("<a {}/>", "xmlns:b='1' ".repeat(million)))),
        ("references to an entity", MOST, envelope(&"&lol;".repeat(million))),
        ("an end tag of 16 MB", QUOTED, envelope(&format!("<a></{}>", "x".repeat(16 * million)))),
        ("comments", MOST, format!("<!--{}-->", "x".repeat(16 * million))),
    ];
    // Whatever is set up once is no matter.
    assert!(parse(&envelope("")).is_ok());
    growth(|| ());
    for (what, most, document) in &documents {
        let grown = growth(|| match parse(document) {
            Ok(_) => panic!("{what} is read"),
            Err(error) => assert!(error.to_string().len() < 1_000, "{what}: the mistake is named in few words"),
        });
        assert!(grown < *most, "{what}: {grown} bytes");
    }
    drop(documents);

    let bomb = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..100 {
            encoder.write_all(&vec![b' '; million]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let grown = growth(|| {
        let decoded = decode_body(&bomb, None, Some("gzip"), &BodyLimits::default());
        assert!(decoded.is_err(), "a hundred megabytes in {} bytes", bomb.len());
    });
    assert!(grown < 24 * MOST, "{grown} bytes");
}
