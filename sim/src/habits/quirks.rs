//! The known oddities of devices, each by its number, some in several variants: `q08` is the first variant of the eighth, `q08.5`
//! the fifth. `docs/simulator.md` lists them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    ArrayTypes, Booleans, CookieHabit, Declaration, EmptyElements, Faults, HeaderHabit, Times, ValueTypes, WhiteSpace,
};
use crate::cpe::Options;
use crate::fault::{FaultAction, FaultRule};

/// How many variants each quirk has, from the first on.
const VARIANTS: [u8; 32] =
    [1, 1, 1, 1, 1, 3, 1, 6, 5, 3, 1, 1, 1, 1, 1, 4, 4, 1, 5, 3, 4, 1, 6, 3, 1, 6, 4, 3, 3, 3, 1, 1];

/// One oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Quirk {
    number: u8,
    variant: u8,
}

/// Why a text is no quirk.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quirk (q01 to q32, or a variant such as q08.2)")]
pub struct QuirkError(String);

impl Quirk {
    /// All quirks in all variants, in order.
    pub fn all() -> impl Iterator<Item = Quirk> {
        (1..).zip(VARIANTS).flat_map(|(number, count)| (1..=count).map(move |variant| Quirk { number, variant }))
    }

    /// The variants of a quirk; none for a number that is not from 1 to 32.
    pub fn variants(number: u8) -> impl Iterator<Item = Quirk> {
        Quirk::all().filter(move |quirk| quirk.number == number)
    }

    /// Makes a device of these options have it.
    pub fn apply(self, options: &mut Options) {
        let (http, xml) = (&mut options.habits.http, &mut options.habits.xml);
        let behaviour = &mut options.behaviour;
        let value = |text: &str| HeaderHabit::Value(text.to_owned());
        let text = |text: &str| Some(text.to_owned());
        let prefixes =
            [("soap-env", "soap-enc"), ("soapenv", "soapenc"), ("soap_env", "soap_enc"), ("soap", "soapenc")];
        let rules: &[(&str, Option<u32>, FaultAction)] = match self.number {
            4 => &[
                ("SetParameterAttributes", None, FaultAction::EmptyPost),
                ("GetParameterAttributes", None, FaultAction::EmptyPost),
                ("ScheduleInform", None, FaultAction::EmptyPost),
                ("GetOptions", None, FaultAction::EmptyPost),
                ("GetQueuedTransfers", None, FaultAction::EmptyPost),
                ("GetAllQueuedTransfers", None, FaultAction::EmptyPost),
                ("ScheduleDownload", None, FaultAction::EmptyPost),
                ("CancelTransfer", None, FaultAction::EmptyPost),
            ],
            15 => &[("GetParameterValues", Some(1), FaultAction::Close)],
            21 if self.variant == 1 => &[("Inform", None, FaultAction::NoId)],
            32 => &[
                ("GetOptions", None, FaultAction::Hang),
                ("ScheduleInform", None, FaultAction::Hang),
                ("Reboot", None, FaultAction::Hang),
            ],
            _ => &[],
        };
        let rule = |(rpc, occurrence, action): &(&str, Option<u32>, FaultAction)| FaultRule {
            rpc: Some((*rpc).to_owned()),
            occurrence: *occurrence,
            path: None,
            action: *action,
        };
        options.faults.extend(rules.iter().map(rule));
        match (self.number, self.variant) {
            (1, _) => behaviour.unframed_empty_post = true,
            (2, _) => behaviour.empty_post_first = true,
            (3, _) => http.empty_post_until_challenged = true,
            (5, _) => http.bodies_only_authorization = true,
            (6, 1) => http.digest_without_qop = true,
            (6, 2) => http.digest_empty_uri = true,
            (6, _) => http.digest_frozen_count = true,
            (7, _) => http.basic_unasked = true,
            (8, 1) => http.cookies = CookieHabit::None,
            (8, 2) => http.cookies = CookieHabit::LastAnswer,
            (8, 3) => http.cookies = CookieHabit::First,
            (8, 4) => http.cookies = CookieHabit::WithAttributes,
            (8, 5) => http.cookies = CookieHabit::CommaJoined,
            (8, _) => http.cookies = CookieHabit::AcrossSessions,
            (9, 1) => http.content_type = value("text/xml; charset=utf-8"),
            (9, 2) => http.content_type = value("text/xml; encoding=utf-8"),
            (9, 3) => http.content_type = value("application/xml"),
            (9, 4) => http.content_type = value("text/plain"),
            (9, _) => http.empty_content_type = value(""),
            (10, 1) => http.soap_action = HeaderHabit::Absent,
            (10, 2) => http.soap_action = value(""),
            (10, _) => http.soap_action = value("cwmp:Inform"),
            (11, _) => {
                http.length_in_utf16 = true;
                options.values.insert("DeviceInfo.ProvisioningCode".to_owned(), "Größe".to_owned());
            }
            (12, _) => http.expect_continue = true,
            (13, _) => http.silent_connections = 2,
            (14, _) => http.connection_per_request = true,
            (15, _) => xml.retry_count = text("0"),
            (16, variant) => {
                let (envelope, encoding) = prefixes[usize::from(variant.clamp(1, 4)) - 1];
                (xml.envelope_prefix, xml.encoding_prefix) = (text(envelope), text(encoding));
            }
            (17, 1) => (xml.envelope_prefix, xml.bare_envelope) = (text("soap"), true),
            (17, 2) => xml.prefixed_device_id = true,
            (17, 3) => xml.array_type_in_envelope = true,
            (17, _) => xml.undeclared_fault_prefix = true,
            (18, _) => xml.schema_of_1999 = true,
            (19, 1) => xml.array_types = ArrayTypes::Missing,
            (19, 2) => xml.array_types = ArrayTypes::Padded,
            (19, 3) => xml.array_types = ArrayTypes::Sixteen,
            (19, 4) => xml.array_types = ArrayTypes::Unprefixed,
            (19, _) => xml.array_types = ArrayTypes::WrongElement,
            (20, variant) => {
                let kinds = [ValueTypes::Missing, ValueTypes::Object, ValueTypes::Everywhere];
                xml.value_types = kinds[usize::from(variant.clamp(1, 3)) - 1];
                // Who does not tell types does not look at those that it is told.
                behaviour.lenient_types = true;
            }
            (21, 2) => (behaviour.constant_id, xml.must_understand) = (text("00001"), text("true")),
            (21, 3) => behaviour.same_call_id = true,
            (21, 4) => behaviour.constant_id = text("1"),
            (22, _) => {
                xml.raw_text = true;
                options.values.insert("DeviceInfo.ProvisioningCode".to_owned(), "A&B <x>".to_owned());
            }
            (23, 1) => xml.white_space = WhiteSpace::BetweenAttributes,
            (23, 2) => xml.white_space = WhiteSpace::Leading,
            (23, 3) => xml.white_space = WhiteSpace::Indented,
            (23, 4) => xml.declaration = Declaration::Missing,
            (23, 5) => xml.declaration = Declaration::WithoutEncoding,
            (23, _) => xml.declaration = Declaration::Standalone,
            (24, 1) => xml.empty_elements = EmptyElements::SelfClosed,
            (24, 2) => xml.empty_elements = EmptyElements::SelfClosedWithBlank,
            (24, _) => xml.empty_elements = EmptyElements::Missing,
            (25, _) => xml.unordered = true,
            (26, 1) => xml.no_events = true,
            (26, 2) => _ = xml.event_names.insert("1 BOOT".to_owned(), "1 Boot".to_owned()),
            (26, 3) => _ = xml.event_names.insert("6 CONNECTION REQUEST".to_owned(), "6 REQUEST".to_owned()),
            (26, 4) => {
                xml.event_names.insert("7 TRANSFER COMPLETE".to_owned(), "2 PERIODIC".to_owned());
                xml.hidden_events.push("M Download".to_owned());
            }
            (26, 5) => xml.hidden_events.push("M Download".to_owned()),
            (26, _) => xml.max_envelopes = text("0"),
            (27, 1) => xml.times = Times::WithoutZone,
            (27, 2) => xml.times = Times::Offset,
            (27, 3) => xml.times = Times::Microseconds,
            (27, _) => xml.times = Times::EmptyTransferTimes,
            (28, 1) => xml.booleans = Booleans::Digits,
            (28, 2) => xml.booleans = Booleans::Words,
            (28, _) => xml.booleans = Booleans::Thirty,
            (29, 1) => xml.faults = Faults::InFaultString,
            (29, 2) => xml.faults = Faults::WithoutEntries,
            (29, _) => xml.faults = Faults::WithoutText,
            (30, 1) => xml.set_answers_with_list = true,
            (30, 2) => xml.instance_number = Some(0),
            (30, _) => xml.instance_number = Some(-7),
            (31, _) => options.cwmp_namespace = "urn:dslforum-org:cwmp-1-0".to_owned(),
            // Those that are rules, above.
            _ => {}
        }
    }
}

impl FromStr for Quirk {
    type Err = QuirkError;

    fn from_str(text: &str) -> Result<Self, QuirkError> {
        let error = || QuirkError(text.to_owned());
        let (number, variant) = text.strip_prefix('q').ok_or_else(error)?.split_once('.').unwrap_or((&text[1..], "1"));
        let (number, variant) = (number.parse().map_err(|_| error())?, variant.parse().map_err(|_| error())?);
        Quirk::all().find(|quirk| *quirk == Quirk { number, variant }).ok_or_else(error)
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            1 => write!(formatter, "q{:02}", self.number),
            variant => write!(formatter, "q{:02}.{variant}", self.number),
        }
    }
}

impl From<Quirk> for String {
    fn from(quirk: Quirk) -> String {
        quirk.to_string()
    }
}

impl TryFrom<String> for Quirk {
    type Error = QuirkError;

    fn try_from(text: String) -> Result<Self, QuirkError> {
        text.parse()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_changes_the_options_in_a_way_of_its_own_and_reads_back() {
        let mut seen = Vec::new();
        for quirk in Quirk::all() {
            assert_eq!(quirk.to_string().parse::<Quirk>().unwrap(), quirk);
            let mut options = Options { cwmp_namespace: String::new(), ..Options::default() };
            let before = options.clone();
            quirk.apply(&mut options);
            assert_ne!(options, before, "{quirk}");
            assert!(!seen.contains(&options), "{quirk} is another one");
            seen.push(options);
        }
        assert_eq!((1..=32).filter(|number| Quirk::variants(*number).next().is_some()).count(), 32);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "q", "q0", "q33", "q01.2", "q08.7", "8", "qq", "qé"] {
            assert!(text.parse::<Quirk>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_quirk_is_documented() {
        let documentation = include_str!("../../../docs/simulator.md");
        for (number, count) in (1..).zip(VARIANTS) {
            let quirk = Quirk { number, variant: 1 };
            let row = documentation.lines().find(|line| line.starts_with(&format!("| `{quirk}`")));
            let row = row.unwrap_or_else(|| panic!("{quirk} is not in docs/simulator.md"));
            if count > 1 {
                assert!(row.contains(&format!("`.{count}`")), "{quirk}.{count} is not in {row}");
            }
        }
    }
}
