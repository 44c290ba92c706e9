//! From the bytes of an HTTP body to text, and back: compression and character sets.
//!
//! Devices name their character set in three places, often wrongly; what decides is, in this order, a byte order mark, the
//! `charset` of Content-Type, the XML declaration, and else UTF-8 (RFC 7303 §3). Not here: reading the bytes from the network,
//! and what the text says ([`crate::soap`]).

use std::borrow::Cow;
use std::io::{self, Read, Write};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

/// How much a body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes, after decompression.
    pub max_bytes: usize,
    /// How many times larger than its compressed form a body may be. Only asked once it exceeds [`BodyLimits::RATIO_FROM`]. A
    /// long parameter list shrinks to a thirtieth; deflate's best is 1,032.
    pub max_ratio: usize,
}

impl BodyLimits {
    /// Up to so many bytes any ratio is harmless.
    pub const RATIO_FROM: usize = 256 * 1024;
}

impl Default for BodyLimits {
    fn default() -> BodyLimits {
        BodyLimits { max_bytes: 16 * 1024 * 1024, max_ratio: 200 }
    }
}

/// A Content-Encoding that the ACS understands. An answer uses the one of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentCoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950. Bare RFC 1951, which some take `deflate` for, is understood too, but never sent.
    Deflate,
}

impl ContentCoding {
    /// The value of the Content-Encoding header.
    pub const fn name(self) -> &'static str {
        match self {
            ContentCoding::Gzip => "gzip",
            ContentCoding::Deflate => "deflate",
        }
    }
}

/// A body as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedBody<'a> {
    /// The text, without a byte order mark. Borrowed from the bytes when they were plain UTF-8.
    pub text: Cow<'a, str>,
    /// How the request was compressed, and the answer should be.
    pub coding: Option<ContentCoding>,
    /// The bytes were not in the character set that they claimed to be in: those that are not UTF-8 were taken for Latin-1, or
    /// (of another character set) replaced by U+FFFD.
    pub charset_repaired: bool,
}

/// Why a body cannot be made text.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// A Content-Encoding that is not understood: HTTP status 415.
    #[error("415 Unsupported Media Type: content encoding '{0}'")]
    UnsupportedCoding(String),
    /// Larger than [`BodyLimits::max_bytes`]: HTTP status 413.
    #[error("the body exceeds {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// More compressed than [`BodyLimits::max_ratio`] allows: HTTP status 413.
    #[error("the body is compressed more than {limit} times")]
    TooCompressed {
        /// The limit.
        limit: usize,
    },
    /// The compressed data is damaged or cut off: HTTP status 400.
    #[error("the body is not valid {coding}: {source}", coding = .coding.name())]
    Damaged {
        /// What it claims to be.
        coding: ContentCoding,
        /// What is wrong.
        source: io::Error,
    },
    /// A character set that is not known: HTTP status 400.
    #[error("Unknown encoding '{0}'")]
    UnknownCharset(String),
}

/// Makes text of a request's body, by its headers Content-Type and Content-Encoding.
///
/// # Errors
/// The headers name what is not understood, the data is damaged, or it exceeds a limit.
pub fn decode_body<'a>(
    bytes: &'a [u8],
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    limits: &BodyLimits,
) -> Result<DecodedBody<'a>, BodyError> {
    let coding = content_coding(content_encoding)?;
    let (text, charset_repaired) = match coding {
        None if bytes.len() > limits.max_bytes => {
            return Err(BodyError::TooLarge { limit: limits.max_bytes });
        }
        None => to_text(bytes, content_type)?,
        Some(coding) => {
            let plain = decompress(bytes, coding, limits)?;
            let (text, charset_repaired) = to_text(&plain, content_type)?;
            (Cow::Owned(text.into_owned()), charset_repaired)
        }
    };
    Ok(DecodedBody { text, coding, charset_repaired })
}

/// Compresses an answer's body as its request was.
///
/// # Errors
/// None that is known: the encoder writes to memory.
pub fn encode_body(text: &str, coding: ContentCoding) -> io::Result<Vec<u8>> {
    match coding {
        ContentCoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()
        }
        ContentCoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()
        }
    }
}

fn content_coding(header: Option<&str>) -> Result<Option<ContentCoding>, BodyError> {
    let name = header.unwrap_or_default().trim();
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if name.is_empty() || is("identity") {
        Ok(None)
    } else if is("gzip") || is("x-gzip") {
        Ok(Some(ContentCoding::Gzip))
    } else if is("deflate") {
        Ok(Some(ContentCoding::Deflate))
    } else {
        Err(BodyError::UnsupportedCoding(name.chars().take(64).collect()))
    }
}

fn decompress(bytes: &[u8], coding: ContentCoding, limits: &BodyLimits) -> Result<Vec<u8>, BodyError> {
    let damaged = |source| BodyError::Damaged { coding, source };
    match coding {
        ContentCoding::Gzip => read_limited(MultiGzDecoder::new(bytes), bytes.len(), limits)?.map_err(damaged),
        ContentCoding::Deflate => {
            if has_zlib_header(bytes)
                && let Ok(plain) = read_limited(ZlibDecoder::new(bytes), bytes.len(), limits)?
            {
                return Ok(plain);
            }
            read_limited(DeflateDecoder::new(bytes), bytes.len(), limits)?.map_err(damaged)
        }
    }
}

/// RFC 1950 §2.2. One in about 500 bare deflate streams looks like it, too.
fn has_zlib_header(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..] if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

/// Reads a decompressed stream to its end. The outer error is a limit, the inner one damaged data.
fn read_limited(
    mut source: impl Read,
    compressed: usize,
    limits: &BodyLimits,
) -> Result<io::Result<Vec<u8>>, BodyError> {
    let mut plain = Vec::with_capacity(compressed.saturating_mul(4).min(limits.max_bytes));
    let mut chunk = [0; 16 * 1024];
    loop {
        let count = match source.read(&mut chunk) {
            Ok(0) => return Ok(Ok(plain)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
        };
        let length = plain.len() + count;
        if length > limits.max_bytes {
            return Err(BodyError::TooLarge { limit: limits.max_bytes });
        }
        if length > BodyLimits::RATIO_FROM && length / compressed.max(1) > limits.max_ratio {
            return Err(BodyError::TooCompressed { limit: limits.max_ratio });
        }
        plain.extend_from_slice(&chunk[..count]);
    }
}

/// The text, and whether the bytes had to be repaired.
fn to_text<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Result<(Cow<'a, str>, bool), BodyError> {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None => utf_16_by_pattern(bytes).map_or_else(|| claimed_encoding(bytes, content_type), Ok)?,
    };
    if encoding != UTF_8 {
        let (text, _, had_errors) = encoding.decode(bytes);
        return Ok((text, had_errors));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (Cow::Owned(utf_8_or_latin_1(bytes)), true),
    })
}

/// UTF-16 without a byte order mark shows by the zeros in its first two characters, which cannot be anything but ASCII.
fn utf_16_by_pattern(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(UTF_16LE),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}

fn claimed_encoding(bytes: &[u8], content_type: Option<&str>) -> Result<&'static Encoding, BodyError> {
    let Some(label) = content_type.and_then(charset_parameter).or_else(|| declared_encoding(bytes)) else {
        return Ok(UTF_8);
    };
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        // The declaration or the lack of a pattern shows that it is not UTF-16, whatever is claimed.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Ok(UTF_8),
        Some(encoding) => Ok(encoding),
        None => Err(BodyError::UnknownCharset(label.chars().take(64).collect())),
    }
}

/// The `charset` of a Content-Type, with or without quotes. Other parameters (`encoding=` is met) do not count.
fn charset_parameter(content_type: &str) -> Option<&str> {
    let (_, parameters) = content_type.split_once(';')?;
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Some(charset.trim().trim_matches(['"', '\'']).trim()).filter(|label| !label.is_empty())
}

/// The encoding in the XML declaration, which is readable as ASCII in every encoding but UTF-16.
fn declared_encoding(bytes: &[u8]) -> Option<&str> {
    let start = &bytes[..bytes.len().min(256)];
    let end = start.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(&start[..end]).ok()?.trim_start().strip_prefix("<?xml")?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next().map(str::trim).filter(|label| !label.is_empty())
}

/// Reads UTF-8, and each byte that is none as Latin-1, so that one careless value does not spoil the others.
fn utf_8_or_latin_1(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&WINDOWS_1252.decode_without_bom_handling(chunk.invalid()).0);
    }
    text
}
