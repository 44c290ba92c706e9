//! What was tolerated in a device's message.

use std::fmt;

/// The most repairs that are listed for one message; more would only repeat themselves.
pub const MAX_REPAIRS: usize = 32;

/// One thing that a device did wrong and that was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// No `cwmp:ID` in the header, or an empty one.
    MissingID,
    /// No CWMP namespace that is known; `cwmp-1-0` was assumed. Empty when there is none at all.
    UnknownNamespace(Box<str>),
    /// An element whose prefix is not declared (only when [`super::ParseOptions`] allows it).
    UndeclaredPrefix(Box<str>),
    /// Characters that XML 1.0 cannot hold, raw or as references. They were dropped.
    InvalidCharacters,
    /// An element that the RPC should have; its default was taken.
    MissingElement(&'static str),
    /// An element whose text does not fit its type; its default was taken.
    UnreadableElement(&'static str),
    /// A parameter without a Value; empty text was taken.
    MissingValue(Box<str>),
    /// A parameter whose Value does not fit its type; it was kept as text.
    UnreadableValue(Box<str>),
    /// A parameter that is listed more than once; the last one was taken.
    DuplicateParameter(Box<str>),
    /// Elements where only text belongs; they were ignored.
    ElementInText(Box<str>),
    /// A second element in the Body beside a Fault; the first one was taken.
    ExtraBodyElement(Box<str>),
    /// CwmpFault details in another place than `Fault/detail/cwmp:Fault`, or none at all.
    MisplacedFaultDetail,
    /// More than 64 events, or one with a code of more than 64 bytes; they were ignored (TR-069 A.3.3.1).
    ExcessEvents,
    /// HoldRequests, which only an ACS may send (TR-069 §3.4.4); it was ignored.
    HoldRequestsFromCPE,
}

impl Repair {
    /// What kind of repair it is, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Repair::MissingID => "missing-id",
            Repair::UnknownNamespace(_) => "unknown-namespace",
            Repair::UndeclaredPrefix(_) => "undeclared-prefix",
            Repair::InvalidCharacters => "invalid-characters",
            Repair::MissingElement(_) => "missing-element",
            Repair::UnreadableElement(_) => "unreadable-element",
            Repair::MissingValue(_) => "missing-value",
            Repair::UnreadableValue(_) => "unreadable-value",
            Repair::DuplicateParameter(_) => "duplicate-parameter",
            Repair::ElementInText(_) => "element-in-text",
            Repair::ExtraBodyElement(_) => "extra-body-element",
            Repair::MisplacedFaultDetail => "misplaced-fault-detail",
            Repair::HoldRequestsFromCPE => "hold-requests-from-cpe",
            Repair::ExcessEvents => "excess-events",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Repair::MissingID => write!(formatter, "no cwmp:ID"),
            Repair::UnknownNamespace(uri) if uri.is_empty() => {
                write!(formatter, "no CWMP namespace, cwmp-1-0 assumed")
            }
            Repair::UnknownNamespace(uri) => {
                write!(formatter, "unknown CWMP namespace {uri}, cwmp-1-0 assumed")
            }
            Repair::UndeclaredPrefix(element) => {
                write!(formatter, "the prefix of <{element}> is not declared")
            }
            Repair::InvalidCharacters => {
                write!(formatter, "characters that XML does not allow were dropped")
            }
            Repair::MissingElement(element) => write!(formatter, "no {element}"),
            Repair::UnreadableElement(element) => write!(formatter, "unreadable {element}"),
            Repair::MissingValue(name) => write!(formatter, "{name} has no Value"),
            Repair::UnreadableValue(name) => {
                write!(formatter, "the value of {name} does not fit its type")
            }
            Repair::DuplicateParameter(name) => {
                write!(formatter, "{name} is listed more than once")
            }
            Repair::ElementInText(element) => {
                write!(formatter, "<{element}> where only text belongs")
            }
            Repair::ExtraBodyElement(element) => {
                write!(formatter, "<{element}> beside a Fault in the Body")
            }
            Repair::MisplacedFaultDetail => {
                write!(formatter, "the fault's detail is misplaced or missing")
            }
            Repair::ExcessEvents => write!(formatter, "too many events, or too long ones"),
            Repair::HoldRequestsFromCPE => write!(formatter, "HoldRequests from a CPE"),
        }
    }
}

/// Repairs in the order of their finding, each different one once, [`MAX_REPAIRS`] at most. Empty without allocation.
#[derive(Debug, Default)]
pub(super) struct Repairs(Vec<Repair>);

impl Repairs {
    pub(super) fn note(&mut self, repair: Repair) {
        if self.0.len() < MAX_REPAIRS && !self.0.contains(&repair) {
            self.0.push(repair);
        }
    }

    pub(super) fn into_list(self) -> Vec<Repair> {
        self.0
    }
}
