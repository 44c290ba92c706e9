//! Bodies as bytes: compression, character sets, and their limits.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::io::Write;

use cwmp::encoding::*;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

const TEXT: &str = "<a>größe € 😀</a>";

fn limits() -> BodyLimits {
    BodyLimits::default()
}

fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> DecodedBody<'a> {
    decode_body(bytes, content_type, None, &limits()).unwrap()
}

fn utf_16(text: &str, bytes_of: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

#[test]
fn plain_utf_8_is_borrowed() {
    let body = decode(TEXT.as_bytes(), Some("text/xml"));
    assert!(matches!(body.text, Cow::Borrowed(text) if text == TEXT));
    assert_eq!((body.coding, body.charset_repaired), (None, false));
    assert_eq!(decode(b"", None).text, "");
}

#[test]
fn the_character_set_is_found_wherever_it_is_named() {
    let declared = |label: &str| format!("<?xml version='1.0' encoding='{label}'?><a>\u{e4}</a>");
    let latin = |text: &str| text.chars().map(|character| character as u8).collect::<Vec<u8>>();
    let cases: Vec<(Vec<u8>, Option<&str>, String)> = vec![
        (latin("<a>\u{e4}</a>"), Some("text/xml; charset=ISO-8859-1"), "<a>ä</a>".into()),
        (latin("<a>\u{e4}</a>"), Some("text/xml;boundary=x; CharSet = \"iso-8859-1\" "), "<a>ä</a>".into()),
        (b"<a>\xe4\x80</a>".to_vec(), Some("text/xml; charset='windows-1252'"), "<a>ä€</a>".into()),
        (b"<a>\xc4\xe3</a>".to_vec(), Some("application/xml; charset=gb2312"), "<a>你</a>".into()),
        (latin(&declared("ISO-8859-1")), None, declared("ISO-8859-1")),
        (latin(&declared("latin1").replace('\'', "\"")), Some("text/xml"), declared("latin1").replace('\'', "\"")),
        (
            latin(&format!(" \r\n{}", declared("ISO-8859-15"))),
            Some("text/xml; charset="),
            format!(" \r\n{}", declared("ISO-8859-15")),
        ),
        // The header goes before the declaration.
        (declared("ISO-8859-1").into_bytes(), Some("text/xml; charset=utf-8"), declared("ISO-8859-1")),
        // Not a charset parameter.
        (TEXT.into(), Some("text/xml; encoding=latin1"), TEXT.into()),
        (TEXT.into(), Some("charset=latin1"), TEXT.into()),
        (TEXT.into(), Some("text/plain"), TEXT.into()),
        (TEXT.into(), Some(""), TEXT.into()),
        // What is readable as ASCII is not UTF-16, whatever it says.
        (declared("UTF-16").into_bytes(), None, declared("UTF-16")),
        (TEXT.into(), Some("text/xml; charset=utf-16"), TEXT.into()),
    ];
    for (bytes, content_type, expected) in cases {
        let body = decode(&bytes, content_type);
        assert_eq!((body.text.as_ref(), body.charset_repaired), (expected.as_str(), false), "{content_type:?}");
    }
}

#[test]
fn byte_order_marks_decide_and_vanish() {
    let marked = format!("\u{feff}{TEXT}");
    let cases = [
        marked.clone().into_bytes(),
        utf_16(&marked, u16::to_le_bytes),
        utf_16(&marked, u16::to_be_bytes),
        utf_16(TEXT, u16::to_le_bytes),
        utf_16(TEXT, u16::to_be_bytes),
    ];
    for bytes in cases {
        let body = decode(&bytes, Some("text/xml; charset=latin1"));
        assert_eq!((body.text.as_ref(), body.charset_repaired), (TEXT, false), "{:?}", &bytes[..4]);
    }
}

#[test]
fn what_claims_to_be_utf_8_and_is_not_is_repaired_byte_by_byte() {
    let body = decode(b"\xc3\xa4\xe4\x80|", Some("text/xml; charset=utf-8"));
    assert_eq!((body.text.as_ref(), body.charset_repaired), ("ää€|", true));
    let body = decode(b"<a>\xfc</a>", None);
    assert_eq!((body.text.as_ref(), body.charset_repaired), ("<a>ü</a>", true));
}

#[test]
fn an_unknown_character_set_is_refused() {
    for content_type in [Some("text/xml; charset=\"klingon\""), None] {
        let bytes = b"<?xml version=\"1.0\" encoding=\"klingon\"?><a/>";
        let error = decode_body(bytes, content_type, None, &limits()).unwrap_err();
        assert_eq!(error.to_string(), "Unknown encoding 'klingon'");
    }
}

#[test]
fn compressed_bodies_in_every_spelling() {
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
    bare.write_all(TEXT.as_bytes()).unwrap();
    let bare = bare.finish().unwrap();
    let gzip = encode_body(TEXT, ContentCoding::Gzip).unwrap();
    let deflate = encode_body(TEXT, ContentCoding::Deflate).unwrap();
    let cases = [
        (&gzip, "gzip", Some(ContentCoding::Gzip)),
        (&gzip, " X-GZip ", Some(ContentCoding::Gzip)),
        (&deflate, "deflate", Some(ContentCoding::Deflate)),
        (&bare, "Deflate", Some(ContentCoding::Deflate)),
        (&TEXT.as_bytes().to_vec(), "identity", None),
        (&TEXT.as_bytes().to_vec(), "", None),
    ];
    for (bytes, header, coding) in cases {
        let body = decode_body(bytes, None, Some(header), &limits()).unwrap();
        assert_eq!((body.text.as_ref(), body.coding), (TEXT, coding), "{header}");
        assert!(coding.is_none_or(|coding| header.trim().to_lowercase().ends_with(coding.name())));
    }
}

#[test]
fn other_codings_are_refused() {
    for header in ["br", "compress", "gzip, deflate"] {
        let error = decode_body(b"", None, Some(header), &limits()).unwrap_err();
        assert!(matches!(&error, BodyError::UnsupportedCoding(name) if name == header), "{error}");
    }
}

#[test]
fn damaged_and_cut_off_data_is_refused() {
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
        let whole = encode_body(&TEXT.repeat(50), coding).unwrap();
        for bytes in [&whole[..whole.len() - 9], &whole[..3], b"\xff\xff\xff\xff", b""] {
            let error = decode_body(bytes, None, Some(coding.name()), &limits()).unwrap_err();
            assert!(matches!(error, BodyError::Damaged { .. }), "{coding:?} {bytes:?}: {error}");
        }
    }
}

#[test]
fn sizes_are_limited_before_they_are_reached() {
    let small = BodyLimits { max_bytes: 1000, max_ratio: 1_000_000 };
    let text = "x".repeat(1001);
    let mut cases = vec![(text.clone().into_bytes(), None)];
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
        cases.push((encode_body(&text, coding).unwrap(), Some(coding.name())));
        cases.push((encode_body(&"x".repeat(50_000_000), coding).unwrap(), Some(coding.name())));
    }
    for (bytes, header) in cases {
        let error = decode_body(&bytes, None, header, &small).unwrap_err();
        assert!(matches!(error, BodyError::TooLarge { limit: 1000 }), "{header:?}: {error}");
    }
    let just_fits = encode_body(&text[1..], ContentCoding::Gzip).unwrap();
    assert_eq!(decode_body(&just_fits, None, Some("gzip"), &small).unwrap().text.len(), 1000);
}

#[test]
fn ratios_are_limited_once_they_matter() {
    let limits = BodyLimits { max_bytes: 100_000_000, max_ratio: 200 };
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
        let harmless = encode_body(&" ".repeat(BodyLimits::RATIO_FROM), coding).unwrap();
        assert!(decode_body(&harmless, None, Some(coding.name()), &limits).is_ok());
        let bomb = encode_body(&" ".repeat(10_000_000), coding).unwrap();
        let error = decode_body(&bomb, None, Some(coding.name()), &limits).unwrap_err();
        assert!(matches!(error, BodyError::TooCompressed { limit: 200 }), "{coding:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_survives_compression(text in any::<String>(), gzip in any::<bool>()) {
        prop_assume!(!text.contains(['\0', '\u{feff}']));
        let coding = if gzip { ContentCoding::Gzip } else { ContentCoding::Deflate };
        let bytes = encode_body(&text, coding).unwrap();
        prop_assert_eq!(decode_body(&bytes, Some("text/xml; charset=utf-8"), Some(coding.name()), &limits()).unwrap().text, text);
    }

    #[test]
    fn noise_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        content_type in prop::option::of("\\PC{0,20}|text/xml; charset=\\PC{0,8}"),
        content_encoding in prop::option::of("gzip|deflate|\\PC{0,8}"),
    ) {
        let _ = decode_body(&bytes, content_type.as_deref(), content_encoding.as_deref(), &limits());
    }
}
