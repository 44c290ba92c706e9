//! Input that means harm, or that is noise: refused within the limits, and never a panic.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;

use cwmp::soap::{
    MAX_ATTRIBUTE_LENGTH, MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_NAMESPACES, MAX_REPAIRS, ParseOptions,
    SoapError, parse, parse_with,
};
use proptest::prelude::*;

const SEEDS: [&str; 6] = [
    include_str!("fixtures/inform-attributes-on-lines.xml"),
    include_str!("fixtures/inform-default-namespace.xml"),
    include_str!("fixtures/inform-padded-counts.xml"),
    include_str!("fixtures/get-parameter-values-response.xml"),
    include_str!("fixtures/fault-inside-faultstring.xml"),
    include_str!("fixtures/transfer-complete-failed.xml"),
];

const REBOOTED: &str = "<Envelope xmlns:c=\"urn:dslforum-org:cwmp-1-0\"><Header><c:ID>1</c:ID></Header>\
                        <Body><c:RebootResponse></c:RebootResponse></Body></Envelope>";

/// The well-formed message with something inserted into its RPC.
fn with(inserted: &str) -> String {
    REBOOTED.replace("</c:RebootResponse>", &format!("{inserted}</c:RebootResponse>"))
}

#[track_caller]
fn assert_too_much(document: &str, expected: &str, expected_limit: usize) {
    match parse(document) {
        Err(SoapError::TooMuch { what, limit, .. }) => {
            assert_eq!((what, limit), (expected, expected_limit))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn document_types_are_refused_wherever_they_are() {
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;&lol;\">]>";
    let external = "<!DOCTYPE x [<!ENTITY file SYSTEM \"file:///etc/passwd\">]>";
    for document in [
        format!("{laughs}{}", with("&lol2;")),
        format!("<?xml version=\"1.0\"?>{external}{}", with("&file;")),
        format!("<!doctype html>{REBOOTED}"),
        with("<!DOCTYPE inner>"),
        format!("{REBOOTED}<!DOCTYPE late>"),
    ] {
        assert!(matches!(parse(&document), Err(SoapError::DocumentType { .. })), "{document}");
    }
}

#[test]
fn entities_are_never_expanded() {
    for (name, reference) in [("lol", "&lol;"), ("nbsp", "&nbsp;"), ("LT", "&LT;"), ("", "&;")] {
        match parse(&with(reference)) {
            Err(SoapError::UnknownEntity { name: found, .. }) => assert_eq!(found, name),
            other => panic!("{reference}: {other:?}"),
        }
    }
    for reference in ["&#;", "&#x;", "&#xG;", "&#-1;", "&#+1;", "&#1 ;", "&#X41;", "&amp", "& "] {
        assert!(matches!(parse(&with(reference)), Err(SoapError::Malformed { .. })), "{reference}");
    }
}

#[test]
fn depth_is_limited() {
    // Envelope, Body and the RPC are around it.
    let nested = |depth: usize| with(&("<a>".repeat(depth) + &"</a>".repeat(depth)));
    assert!(parse(&nested(MAX_DEPTH - 3)).is_ok());
    assert_too_much(&nested(MAX_DEPTH - 2), "the depth of elements", MAX_DEPTH);
    assert_too_much(&("<Envelope>".to_owned() + &"<a>".repeat(1_000_000)), "the depth of elements", MAX_DEPTH);
    let in_a_fault = format!("<Envelope><Body><Fault>{}", "<detail>".repeat(1_000_000));
    assert_too_much(&in_a_fault, "the depth of elements", MAX_DEPTH);
}

#[test]
fn elements_are_limited() {
    assert!(parse(&with(&"<a/>".repeat(10_000))).is_ok());
    assert_too_much(&with(&"<a/>".repeat(MAX_ELEMENTS)), "the number of elements", MAX_ELEMENTS);
}

#[test]
fn attributes_are_limited() {
    let element = |attributes: usize| {
        let mut element = String::from("<a");
        for index in 0..attributes {
            write!(element, " a{index}='1'").unwrap();
        }
        with(&(element + "/>"))
    };
    assert!(parse(&element(MAX_ATTRIBUTES)).is_ok());
    assert_too_much(&element(MAX_ATTRIBUTES + 1), "the number of attributes", MAX_ATTRIBUTES);
    assert_too_much(&element(200_000), "the number of attributes", MAX_ATTRIBUTES);

    let long = |length: usize| with(&format!("<a b=\"{}\"/>", "x".repeat(length)));
    assert!(parse(&long(MAX_ATTRIBUTE_LENGTH)).is_ok());
    assert_too_much(&long(MAX_ATTRIBUTE_LENGTH + 1), "the length of an attribute", MAX_ATTRIBUTE_LENGTH);
    let long_name = with(&format!("<a {}=\"\"/>", "x".repeat(MAX_ATTRIBUTE_LENGTH + 1)));
    assert_too_much(&long_name, "the length of an attribute", MAX_ATTRIBUTE_LENGTH);
}

#[test]
fn namespace_declarations_are_limited() {
    let half: String =
        (0..MAX_NAMESPACES / 2 + 1).fold(String::new(), |all, index| all + &format!(" xmlns:p{index}='u'"));
    assert!(parse(&with(&format!("<a{half}/><a{half}/><a{half}/>"))).is_ok());
    assert_too_much(&with(&format!("<a{half}><b{half}/></a>")), "the number of namespace declarations", MAX_NAMESPACES);
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for document in [
        "text",
        "<",
        "<>",
        "</a>",
        "<a",
        "< Envelope/>",
        "<1/>",
        "<a:/>",
        "<:a/>",
        "<Envelope",
        "<Envelope>",
        "<Envelope><Body>",
        "<Envelope></Body>",
        "<Envelope a=b/>",
        "<Envelope a/>",
        "<Envelope a='1/>",
        "<Envelope><!-- ",
        "<Envelope><![CDATA[ ",
        "<Envelope><?pi ",
        "<Envelope><!x></Envelope>",
        "<Envelope/><Envelope/>",
        "<Envelope/>rest",
        "<Envelope/>&amp;",
        "rest<Envelope/>",
        "<Envelope><?xml version='1.0'?></Envelope>",
        "<Envelope><a</Envelope>",
        "<Envelope><a<b/></Envelope>",
    ] {
        let result = parse(document);
        assert!(matches!(result, Err(SoapError::Malformed { .. })), "{document}: {result:?}");
    }
}

#[test]
fn a_valid_envelope_with_something_behind_it_is_refused() {
    for rest in ["e>", "<a/>", "</Envelope>", REBOOTED, "&lt;", "<![CDATA[x]]>"] {
        assert!(parse(&format!("{REBOOTED}{rest}")).is_err(), "{rest}");
    }
    for rest in [" \r\n", "<!-- end -->", "<?end?>"] {
        assert!(parse(&format!("{REBOOTED}{rest}")).is_ok(), "{rest}");
    }
}

#[test]
fn repairs_are_limited() {
    let mut list = String::from("<ParameterList>");
    for index in 0..1000 {
        write!(list, "<ParameterValueStruct><Name>P{index}</Name></ParameterValueStruct>").unwrap();
    }
    list.push_str("</ParameterList>");
    let document = with(&list).replace("RebootResponse", "GetParameterValuesResponse");
    assert_eq!(parse(&document).unwrap().repairs.len(), MAX_REPAIRS);
}

/// A seed with a stretch replaced by something that matters in XML.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        "[<>&;/='\"!?\\[\\]-]{1,4}",
        "\\PC{0,8}",
        Just("<![CDATA[".to_owned()),
        Just("<!--".to_owned()),
        Just("&#x10FFFF;".to_owned()),
        Just("\u{0}\u{fffe}".to_owned()),
        Just("<Body>".to_owned()),
        Just("<Fault><detail>".to_owned()),
        Just(" xmlns:soap_env=''".to_owned()),
    ];
    (0..SEEDS.len(), any::<prop::sample::Index>(), 0_usize..40, piece).prop_map(|(seed, at, length, piece)| {
        let seed = SEEDS[seed];
        let from = seed.floor_char_boundary(at.index(seed.len() + 1));
        let to = seed.ceil_char_boundary((from + length).min(seed.len()));
        format!("{}{piece}{}", &seed[..from], &seed[to..])
    })
}

fn assert_never_panics(document: &str) {
    for allow_undeclared_prefixes in [false, true] {
        match parse_with(document, &ParseOptions { allow_undeclared_prefixes }) {
            Ok(envelope) => assert!(envelope.repairs.len() <= MAX_REPAIRS),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_of_real_messages_never_panic(document in mutated()) {
        assert_never_panics(&document);
    }

    #[test]
    fn beginnings_of_real_messages_are_refused(seed in 0..SEEDS.len(), at in any::<prop::sample::Index>()) {
        let seed = SEEDS[seed].trim_end().trim_end_matches("<!-- the end -->").trim_end();
        let beginning = &seed[..seed.floor_char_boundary(at.index(seed.len()))];
        prop_assert!(parse(beginning).is_err());
    }

    #[test]
    fn noise_never_panics(document in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_never_panics(&document);
        assert_never_panics(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn markup_noise_never_panics(document in "[<>&;/='\"!?: a\u{0}-]{0,60}") {
        assert_never_panics(&document);
        assert_never_panics(&with(&document));
    }
}
