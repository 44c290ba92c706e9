//! What the fuzz targets check, one function per target: any input is understood or refused with a named mistake, within its limits.
//!
//! The fuzzer's binaries in `fuzz_targets/` call these, and so does the test that replays the corpus (`tests/corpus.rs`), which
//! reads this file as a module of its own.

use std::sync::Arc;

use acs_core::expression::{Context, Scalar, parse};
use acs_core::path::Path;
use acs_core::script::{Memory, ScriptKind, ScriptRun, ScriptRunner, SessionFacts};
use acs_core::tree::DeviceTree;
use bytes::BytesMut;
use cwmp::connection_request::{ConnectionRequestTarget, Credentials, challenge, parse_reply};
use cwmp::encoding::{BodyLimits, decode_body, encode_body};
use cwmp::soap::{ParseOptions, glance, parse_with};
use routeros::reply::Answer;
use routeros::sentence::{DecodeError, Decoder, Limits, Sentence, encode};
use sandbox::{ScriptSource, Scripts};
use starstate::compile::{Facts, compile};
use starstate::role::Role;
use starstate::state::{self, Secrets};
use ui_api::request_line::{Repair, repair_line};

/// A target: its name, which is its folder in the corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("path", path),
    ("expression", expression),
    ("script", script),
    ("soap", soap),
    ("body", body),
    ("authentication", authentication),
    ("authorization", authorization),
    ("cookies", cookies),
    ("request_target", request_target),
    ("connection_request_reply", connection_request_reply),
    ("stun", stun),
    ("notification", notification),
    ("routeros_reply", routeros_reply),
    ("routeros_request", routeros_request),
    ("starstate_document", starstate_document),
    ("starstate_quote", starstate_quote),
];

/// A text is a path or a named mistake, and what is printed reads back as the same path.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Path::parse(text) {
        Ok(path) => assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

struct Nothing;

impl Context for Nothing {
    fn parameter(&self, path: &str) -> Scalar {
        if path.len().is_multiple_of(2) { Scalar::Null } else { path.into() }
    }

    fn now(&self) -> i64 {
        1_700_000_000_000
    }
}

/// A text is an expression or a named mistake, what is printed reads back as the same, and evaluating never fails.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Ok(expression) => {
            assert_eq!(parse(&expression.to_string()).as_ref(), Ok(&expression));
            expression.evaluate(&Nothing);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A script ends within its limits, whatever it does, and so do the checks when it is saved.
pub fn script(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    sandbox::check("fuzz", source);
    let name: Arc<str> = "fuzz".into();
    let scripts =
        Scripts::build([ScriptSource { kind: ScriptKind::Provision, name: name.clone(), source: source.into() }], None);
    let facts = SessionFacts { device_id: "0A1B2C-Box-1".into(), timestamp: 1_700_000_000_000 };
    let tree = Arc::new(DeviceTree::new());
    let run = ScriptRun::new(name, "".into(), Arc::new([]), Arc::new(facts), tree, Memory::default());
    scripts.run(ScriptKind::Provision, "fuzz", run);
}

/// A body is an envelope or a named mistake.
pub fn soap(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else { return };
    for allow_undeclared_prefixes in [false, true] {
        if let Err(error) = parse_with(body, &ParseOptions { allow_undeclared_prefixes }) {
            assert!(!error.to_string().is_empty());
        }
    }
    glance(body);
}

/// Bytes are a text within the limits or a named mistake. The first byte chooses the headers.
pub fn body(data: &[u8]) {
    const ENCODINGS: [Option<&str>; 4] = [None, Some("gzip"), Some("deflate"), Some("br")];
    const TYPES: [Option<&str>; 4] =
        [None, Some("text/xml"), Some("text/xml; charset=\"iso-8859-1\""), Some("text/xml;charset=utf-16")];
    const LIMITS: BodyLimits = BodyLimits { max_bytes: 1024 * 1024, max_ratio: 200 };
    let Some((choice, bytes)) = data.split_first() else { return };
    let encoding = ENCODINGS[usize::from(choice & 3)];
    match decode_body(bytes, TYPES[usize::from(choice >> 2 & 3)], encoding, &LIMITS) {
        Ok(decoded) => {
            // A character set has no more than three bytes of UTF-8 for one of its own.
            assert!(decoded.text.len() <= 3 * LIMITS.max_bytes);
            if let Some(coding) = decoded.coding.filter(|_| decoded.text.len() < 4_096) {
                let packed = encode_body(&decoded.text, coding).expect("memory takes everything");
                let limits = BodyLimits { max_bytes: 16 * 1024, ..LIMITS };
                // The text may itself claim another character set.
                let again = decode_body(&packed, Some("text/xml; charset=utf-8"), Some(coding.name()), &limits);
                assert!(again.is_ok(), "what is sent can be read");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A device's challenge is understood or is of another kind, and the answer to it is one line of a header.
pub fn authentication(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let values: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let credentials = Credentials { username: "us\"er".to_owned(), password: "secret".to_owned() };
    for challenge in challenge::parse(&values) {
        if let Some(answer) = challenge.answer(&credentials, "GET", "/cr?id=1") {
            assert!(!answer.contains(['\r', '\n', '\0']), "{answer:?}");
        }
    }
}

/// A device's credentials are read or taken for none.
pub fn authorization(data: &[u8]) {
    if let Some(username) = cwmp::claimed_username(data) {
        // Characters of one byte may become two.
        assert!(username.len() <= 2 * data.len());
    }
}

/// Cookies hold tokens of the right form, or none.
pub fn cookies(data: &[u8]) {
    for token in cwmp::cookies::tokens(data) {
        let sent = cwmp::cookies::set_cookie(token, std::str::from_utf8(data).ok());
        assert!(!sent.contains(['\r', '\n']), "{sent:?}");
        assert!(cwmp::cookies::tokens(sent.as_bytes()).any(|read| read == token));
    }
}

/// Request lines are repaired alike in whatever pieces they come, and no more than once; connection request URLs become a request
/// of one line each.
pub fn request_target(data: &[u8]) {
    let whole = repaired(data, data.len());
    for size in [1, 7] {
        assert_eq!(repaired(data, size), whole);
    }
    let once = repair_line(data);
    assert_eq!(repair_line(&once), once);
    if let Ok(target) = ConnectionRequestTarget::parse(&String::from_utf8_lossy(data)) {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(target.path.starts_with('/') && is_plain(&target.path) && is_plain(&target.authority));
    }
}

fn repaired(data: &[u8], piece: usize) -> BytesMut {
    let mut repair = Repair::default();
    let mut output = BytesMut::new();
    for piece in data.chunks(piece.max(1)) {
        repair.feed(piece, &mut output);
    }
    repair.finish(&mut output);
    output
}

/// A STUN message is read or refused, and what is said of it does not depend on how often it is asked.
pub fn stun(data: &[u8]) {
    if let Ok(message) = cwmp::udp::stun::parse(data) {
        assert!(message.length() <= data.len());
        let seen = || (message.username(), message.integrity(b"key"), message.error_code(), message.address(1));
        assert_eq!(seen(), seen());
    }
}

/// A lightweight notification is read, and belongs to a device, or is a named mistake.
pub fn notification(data: &[u8]) {
    match cwmp::udp::parse_notification(data) {
        Ok(signed) => assert!(!signed.notification.device_id.device_id().is_empty() || signed.is_signed_with("")),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A device's answer to a connection request has a status, or is a named mistake; its challenges are one line each.
pub fn connection_request_reply(data: &[u8]) {
    match parse_reply(data) {
        Ok(reply) => assert!(reply.challenges.iter().all(|challenge| !challenge.contains('\n'))),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What a router sends is sentences within the limits or a named mistake, in whatever pieces it comes, and a sentence is an answer
/// or a named mistake.
pub fn routeros_reply(data: &[u8]) {
    const LIMITS: Limits = Limits { word: 1024, sentence: 4096, words: 32 };
    let read = |piece: usize| -> (Vec<Sentence>, Option<DecodeError>) {
        let mut decoder = Decoder::new(LIMITS);
        let mut sentences = Vec::new();
        for bytes in data.chunks(piece.max(1)) {
            decoder.buffer().extend_from_slice(bytes);
            loop {
                match decoder.next_sentence() {
                    Ok(Some(sentence)) => sentences.push(sentence),
                    Ok(None) => break,
                    Err(error) => return (sentences, Some(error)),
                }
            }
        }
        (sentences, None)
    };
    let whole = read(data.len());
    assert_eq!(read(1), whole, "pieces do not matter");
    for sentence in whole.0 {
        assert!(
            sentence.len() <= LIMITS.words && sentence.iter().map(|word| word.len()).sum::<usize>() <= LIMITS.sentence
        );
        if let Err(error) = Answer::parse(&sentence) {
            assert!(!error.to_string().is_empty());
        }
        let mut written = Vec::new();
        encode(&sentence, &mut written);
        let mut decoder = Decoder::new(LIMITS);
        decoder.buffer().extend_from_slice(&written);
        assert_eq!(decoder.next_sentence(), Ok(Some(sentence)), "what is written reads back");
    }
}

/// What a client sends to the simulated router is sentences or a named mistake, in whatever pieces it comes.
pub fn routeros_request(data: &[u8]) {
    sim::routeros::check_any_bytes(data);
}

/// A document is read, mistakes have their places, what is written reads the same, and it compiles into steps or names why not.
pub fn starstate_document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let document = match state::parse(text) {
        Ok(document) => document,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let written = document.state.to_json(Secrets::Shown);
    assert_eq!(state::read(&written).state.to_json(Secrets::Shown), written);
    let compiled = compile(&document.state, Role::Master, &Facts::newest());
    for issue in document.issues.iter().chain(&compiled.issues) {
        assert!(issue.path.starts_with('$') && !issue.message.is_empty(), "{issue}");
    }
    // Steps have distinct names, whatever names the document gives.
    let mut ids: Vec<&str> = compiled.steps.iter().map(|step| step.id.as_str()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

/// A text inside a script stays text, whatever stands in it.
pub fn starstate_quote(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let behind = "; /system reset-configuration";
    let script = format!("{}{behind}", starstate::quote::quote(text));
    assert_eq!(string_of_script(script.as_bytes()), Some((text.as_bytes().to_vec(), behind.as_bytes())));
    let pattern = format!("{}{behind}", starstate::quote::quote_pattern_of_end(text));
    assert_eq!(string_of_script(pattern.as_bytes()).map(|(_, rest)| rest), Some(behind.as_bytes()));
}

/// A string at the beginning of a script, and what stands behind it, by the rules of the script language; `None` when there is none,
/// or code in it.
fn string_of_script(script: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = script.strip_prefix(b"\"")?;
    let mut read = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b'"' => return Some((read, rest)),
            b'$' | b'\r' | b'\n' | b'\0' => return None,
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                match escaped {
                    b'n' => read.push(b'\n'),
                    b'r' => read.push(b'\r'),
                    b't' => read.push(b'\t'),
                    b'"' | b'\\' | b'$' | b'?' => read.push(*escaped),
                    b'_' => read.push(b' '),
                    b'0'..=b'9' | b'A'..=b'F' => {
                        let (low, after) = rest.split_first()?;
                        rest = after;
                        let digits = [*escaped, *low];
                        read.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                    }
                    _ => return None,
                }
            }
            byte => read.push(*byte),
        }
    }
}
