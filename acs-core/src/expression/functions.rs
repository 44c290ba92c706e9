//! The functions of the expression language: their names, arities, where they may be used, and those that are pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Scalar;
use crate::value::{format_date_time, parse_date_time};

/// What ENCODEURICOMPONENT encodes, as ECMAScript's function of that name does (ECMA-262 §19.2.6.4).
const URI_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A function that expressions may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `NOW()`: milliseconds since the Unix epoch.
    Now,
    /// `UPPER(x)`: text in upper case; other values as they are.
    Upper,
    /// `LOWER(x)`: text in lower case; other values as they are.
    Lower,
    /// `ROUND(x[, digits])`: half away from zero; negative digits round to tens, hundreds, ….
    Round,
    /// `COALESCE(x, …)`: the first that is not null.
    Coalesce,
    /// `REMOTE_ADDRESS()`: the address that the device's connection comes from.
    RemoteAddress,
    /// `DATE_STRING(ms)`: a time as ISO 8601 text in UTC.
    DateString,
    /// `ENCODEURICOMPONENT(x)`: percent-encoded text.
    EncodeUriComponent,
    /// `EXT(file, function, …)`: calls an extension.
    Ext,
    /// `AUTH(user, password)`: whether the request that is being answered carries these credentials.
    Auth,
    /// `OWN_CREDENTIALS()`: whether the request carries the credentials that the server gave to the device; null when it gave none.
    OwnCredentials,
    /// `CLIENT_CERTIFICATE()`: the subject of the client certificate; `CLIENT_CERTIFICATE(name)`: whether it has this name.
    ClientCertificate,
    /// `ENCRYPTED()`: whether the device's connection is encrypted.
    Encrypted,
    /// `LISTENER()`: the name of the listener that the device came to.
    Listener,
    /// `USERNAME()`: the user name for connection requests.
    Username,
    /// `PASSWORD()`: the password for connection requests.
    Password,
    /// `Q(label, value)`: a smart search of the user interface.
    Q,
}

impl Function {
    /// All functions.
    pub const ALL: [Function; 17] = [
        Function::Now,
        Function::Upper,
        Function::Lower,
        Function::Round,
        Function::Coalesce,
        Function::RemoteAddress,
        Function::DateString,
        Function::EncodeUriComponent,
        Function::Ext,
        Function::Auth,
        Function::OwnCredentials,
        Function::ClientCertificate,
        Function::Encrypted,
        Function::Listener,
        Function::Username,
        Function::Password,
        Function::Q,
    ];

    /// The name as it is written, in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Function::Now => "NOW",
            Function::Upper => "UPPER",
            Function::Lower => "LOWER",
            Function::Round => "ROUND",
            Function::Coalesce => "COALESCE",
            Function::RemoteAddress => "REMOTE_ADDRESS",
            Function::DateString => "DATE_STRING",
            Function::EncodeUriComponent => "ENCODEURICOMPONENT",
            Function::Ext => "EXT",
            Function::Auth => "AUTH",
            Function::OwnCredentials => "OWN_CREDENTIALS",
            Function::ClientCertificate => "CLIENT_CERTIFICATE",
            Function::Encrypted => "ENCRYPTED",
            Function::Listener => "LISTENER",
            Function::Username => "USERNAME",
            Function::Password => "PASSWORD",
            Function::Q => "Q",
        }
    }

    /// The function of this name, which is in upper case.
    pub fn by_name(name: &str) -> Option<Function> {
        Function::ALL.into_iter().find(|function| function.name() == name)
    }

    /// The fewest and the most arguments; `None` is any number.
    pub fn arity(self) -> (usize, Option<usize>) {
        match self {
            Function::Now
            | Function::RemoteAddress
            | Function::OwnCredentials
            | Function::Encrypted
            | Function::Listener
            | Function::Username
            | Function::Password => (0, Some(0)),
            Function::ClientCertificate => (0, Some(1)),
            Function::Upper | Function::Lower | Function::DateString | Function::EncodeUriComponent => (1, Some(1)),
            Function::Round => (1, Some(2)),
            Function::Coalesce => (1, None),
            Function::Ext => (2, None),
            Function::Auth | Function::Q => (2, Some(2)),
        }
    }

    /// Whether this many arguments are right.
    pub fn accepts(self, arguments: usize) -> bool {
        let (fewest, most) = self.arity();
        arguments >= fewest && most.is_none_or(|most| arguments <= most)
    }

    /// The value, for the functions that depend on nothing but their arguments; `None` for the others.
    pub(super) fn pure_value(self, arguments: &[Scalar]) -> Option<Scalar> {
        let first = arguments.first().unwrap_or(&Scalar::Null);
        Some(match self {
            Function::Upper => map_text(first, str::to_uppercase),
            Function::Lower => map_text(first, str::to_lowercase),
            Function::Round => round(first, arguments.get(1)),
            Function::Coalesce => arguments.iter().find(|argument| !argument.is_null()).cloned().into(),
            Function::DateString => date_string(first),
            Function::EncodeUriComponent => {
                first.to_text().map(|text| Scalar::Text(utf8_percent_encode(&text, URI_COMPONENT).to_string())).into()
            }
            Function::Now
            | Function::RemoteAddress
            | Function::Ext
            | Function::Auth
            | Function::OwnCredentials
            | Function::ClientCertificate
            | Function::Encrypted
            | Function::Listener
            | Function::Username
            | Function::Password
            | Function::Q => return None,
        })
    }
}

/// Which functions an expression may call, depending on where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionSet(u32);

impl FunctionSet {
    /// Only those that work everywhere: `NOW UPPER LOWER ROUND COALESCE DATE_STRING ENCODEURICOMPONENT`.
    pub const BASIC: FunctionSet = FunctionSet::of(&[
        Function::Now,
        Function::Upper,
        Function::Lower,
        Function::Round,
        Function::Coalesce,
        Function::DateString,
        Function::EncodeUriComponent,
    ]);
    /// Preconditions and arguments of presets, and configuration values that sessions use.
    pub const SESSION: FunctionSet = FunctionSet::BASIC.with(Function::RemoteAddress);
    /// The authentication of devices (`cwmp.auth`).
    pub const AUTHENTICATION: FunctionSet = FunctionSet::SESSION
        .with(Function::Ext)
        .with(Function::Auth)
        .with(Function::OwnCredentials)
        .with(Function::ClientCertificate)
        .with(Function::Encrypted)
        .with(Function::Listener);
    /// The credentials of connection requests.
    pub const CONNECTION_REQUEST: FunctionSet =
        FunctionSet::AUTHENTICATION.with(Function::Username).with(Function::Password);
    /// Filters of the user interface.
    pub const FILTER: FunctionSet = FunctionSet::BASIC.with(Function::Q);
    /// Every function.
    pub const ALL: FunctionSet = FunctionSet::of(&Function::ALL);

    const fn of(functions: &[Function]) -> FunctionSet {
        let mut set = FunctionSet(0);
        let mut index = 0;
        while index < functions.len() {
            set = set.with(functions[index]);
            index += 1;
        }
        set
    }

    /// This set and one more function.
    pub const fn with(self, function: Function) -> FunctionSet {
        FunctionSet(self.0 | 1 << function as u32)
    }

    /// Whether the set has the function.
    pub fn contains(self, function: Function) -> bool {
        self.0 & 1 << function as u32 != 0
    }
}

fn map_text(value: &Scalar, map: fn(&str) -> String) -> Scalar {
    match value {
        Scalar::Text(text) => Scalar::Text(map(text)),
        other => other.clone(),
    }
}

fn round(value: &Scalar, digits: Option<&Scalar>) -> Scalar {
    let digits = match digits {
        None => Some(0.0),
        Some(digits) => digits.to_number(),
    };
    let (Some(number), Some(digits)) = (value.to_number(), digits) else {
        return Scalar::Null;
    };
    let factor = 10_f64.powi(digits.abs().min(300.0) as i32);
    let rounded = if digits >= 0.0 {
        let scaled = (number * factor).round();
        // Beyond the precision of the number there is nothing to round.
        if scaled.is_finite() { scaled / factor } else { number }
    } else {
        (number / factor).round() * factor
    };
    Scalar::number(rounded)
}

fn date_string(value: &Scalar) -> Scalar {
    let milliseconds = match value {
        Scalar::Number(number) => Some(*number as i64),
        Scalar::Text(text) => parse_date_time(text),
        Scalar::Null | Scalar::Bool(_) => None,
    };
    milliseconds.map(|milliseconds| Scalar::Text(format_date_time(milliseconds))).into()
}
