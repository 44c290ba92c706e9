//! How parts of a document are read and written: keys in any case, other names for keys, every mistake with its place.
//!
//! [`structure!`] makes a structure of a list of keys. What no structure knows is kept and reported.

use routeros::Secret;
use serde_json::{Map, Value as Json};

use crate::issue::Issue;

/// Collects what is wrong while a document is read.
#[derive(Debug, Default)]
pub struct Reader {
    /// What is wrong, or worth knowing.
    pub issues: Vec<Issue>,
}

/// Whether secrets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// As they are: for the store.
    Shown,
    /// As `<secret>`: for people.
    Masked,
}

/// A part of a document.
pub trait Part: Sized + Default {
    /// Reads it. What cannot be read is reported and becomes the default.
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Self;

    /// What it is when its key is absent.
    fn absent(_at: &str, _reader: &mut Reader) -> Self {
        Self::default()
    }

    /// As JSON; `None` when its key need not be there.
    fn write(&self, secrets: Secrets) -> Option<Json>;
}

/// The keys of a structure.
pub trait Keys: Sized + Default {
    /// Reads those that it knows.
    fn read_keys(object: &mut Object<'_>, reader: &mut Reader) -> Self;

    /// Writes them, and what nobody knew.
    fn write_keys(&self, map: &mut Map<String, Json>, secrets: Secrets);

    /// Takes what nobody knew.
    fn keep(&mut self, unknown: Map<String, Json>);
}

impl<T: Keys> Part for T {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> T {
        let Some(map) = json.as_object() else {
            reader.wrong(at, "an object", json);
            return T::default();
        };
        let mut object = Object { at, left: map.iter().collect() };
        let mut read = T::read_keys(&mut object, reader);
        let mut unknown = Map::new();
        for (key, value) in object.left {
            reader.issues.push(Issue::warning(member(at, key), "there is no such field; it has no effect"));
            unknown.insert(key.clone(), value.clone());
        }
        read.keep(unknown);
        read
    }

    fn absent(at: &str, reader: &mut Reader) -> T {
        // Its own keys say what is missing.
        T::read(&Json::Object(Map::new()), at, reader)
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        let mut map = Map::new();
        self.write_keys(&mut map, secrets);
        Some(Json::Object(map))
    }
}

/// An object that is being read.
#[derive(Debug)]
pub struct Object<'a> {
    at: &'a str,
    left: Vec<(&'a String, &'a Json)>,
}

impl Object<'_> {
    /// Takes the value of a key, which may also have one of the other names; the first name that is there wins.
    pub fn take<P: Part>(&mut self, names: &[&str], reader: &mut Reader) -> P {
        let mut found = None;
        for name in names {
            let exact = self.left.iter().position(|(key, _)| key == name);
            let place = exact.or_else(|| self.left.iter().position(|(key, _)| key.eq_ignore_ascii_case(name)));
            if let Some(place) = place {
                let (_, value) = self.left.remove(place);
                let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
                if !is_empty && found.is_none() {
                    found = Some(value);
                }
            }
        }
        let at = member(self.at, names.first().copied().unwrap_or_default());
        match found {
            Some(value) => P::read(value, &at, reader),
            None => P::absent(&at, reader),
        }
    }
}

impl Reader {
    /// Something has the wrong form.
    pub fn wrong(&mut self, at: &str, form: &str, found: &Json) {
        let found = match found {
            Json::Null => "null",
            Json::Bool(_) => "true or false",
            Json::Number(_) => "a number",
            Json::String(_) => "a text",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        self.issues.push(Issue::error(at, format!("must be {form}, not {found}")));
    }
}

/// The path of a member.
pub fn member(at: &str, key: &str) -> String {
    let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match is_name {
        true => format!("{at}.{key}"),
        false => format!("{at}[{}]", Json::from(key)),
    }
}

impl Part for String {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> String {
        match json {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            other => {
                reader.wrong(at, "a text", other);
                String::new()
            }
        }
    }

    fn write(&self, _: Secrets) -> Option<Json> {
        (!self.is_empty()).then(|| Json::from(self.as_str()))
    }
}

impl Part for bool {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> bool {
        let text = json.as_str().map(str::to_ascii_lowercase);
        let word = match text.as_deref() {
            Some("true" | "yes") => Some(true),
            Some("false" | "no") => Some(false),
            _ => None,
        };
        json.as_bool().or(word).unwrap_or_else(|| {
            reader.wrong(at, "true or false", json);
            false
        })
    }

    fn write(&self, _: Secrets) -> Option<Json> {
        Some(Json::from(*self))
    }
}

impl Part for i64 {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> i64 {
        let text = json.as_str().and_then(|text| text.trim().parse().ok());
        json.as_i64().or(text).unwrap_or_else(|| {
            reader.wrong(at, "a whole number", json);
            0
        })
    }

    fn write(&self, _: Secrets) -> Option<Json> {
        Some(Json::from(*self))
    }
}

impl<P: Part> Part for Option<P> {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Option<P> {
        Some(P::read(json, at, reader))
    }

    fn absent(_: &str, _: &mut Reader) -> Option<P> {
        None
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        self.as_ref().and_then(|part| part.write(secrets))
    }
}

/// A single value stands for a list of one; an empty text for none.
impl<P: Part> Part for Vec<P> {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Vec<P> {
        match json {
            Json::Array(items) => {
                let read = |(number, item)| P::read(item, &format!("{at}[{number}]"), reader);
                items.iter().enumerate().map(read).collect()
            }
            Json::String(text) if text.is_empty() => Vec::new(),
            single => vec![P::read(single, at, reader)],
        }
    }

    fn absent(_: &str, _: &mut Reader) -> Vec<P> {
        Vec::new()
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        // Empty texts keep their place, so that paths stay true.
        let items = || self.iter().map(|part| part.write(secrets).unwrap_or_else(|| Json::from(""))).collect();
        (!self.is_empty()).then(|| Json::Array(items()))
    }
}

/// A secret; `None` when it is empty or absent.
impl Part for Hidden {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Hidden {
        let text = String::read(json, at, reader);
        Hidden((!text.is_empty()).then(|| Secret::from(text)))
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        let secret = self.0.as_ref()?;
        Some(Json::from(match secrets {
            Secrets::Shown => secret.reveal(),
            Secrets::Masked => "<secret>",
        }))
    }
}

/// A text that must not be seen, or none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hidden(pub Option<Secret>);

impl Hidden {
    /// The text; empty when there is none.
    pub fn reveal(&self) -> &str {
        self.0.as_ref().map_or("", Secret::reveal)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// A word that is also written as `true`, `false` or a number: `true` is `yes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word(pub String);

impl Part for Word {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Word {
        Word(match json {
            Json::Bool(true) => "yes".to_owned(),
            Json::Bool(false) => "no".to_owned(),
            other => String::read(other, at, reader),
        })
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        self.0.write(secrets)
    }
}

impl std::ops::Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A value that the document may have and that changes nothing on the router: kept, and reported when it says something.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unused(pub Option<Json>);

impl Part for Unused {
    fn read(json: &Json, at: &str, reader: &mut Reader) -> Unused {
        let says_nothing = match json {
            Json::Null | Json::Bool(false) => true,
            Json::Number(number) => number.as_i64() == Some(0),
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(map) => map.is_empty(),
            Json::Bool(true) => false,
        };
        if !says_nothing {
            reader.issues.push(Issue::warning(at, "has no effect on the router"));
        }
        Unused(Some(json.clone()))
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        let is_text = self.0.as_ref().is_some_and(Json::is_string);
        match secrets {
            Secrets::Shown => self.0.clone(),
            // What nobody interprets may be a secret.
            Secrets::Masked => self.0.clone().map(|json| if is_text { Json::from("<unused>") } else { json }),
        }
    }
}

/// A value that belongs to somebody else: kept, never interpreted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Opaque(pub Option<Json>);

impl Part for Opaque {
    fn read(json: &Json, _: &str, _: &mut Reader) -> Opaque {
        Opaque(Some(json.clone()))
    }

    fn write(&self, secrets: Secrets) -> Option<Json> {
        self.0.clone().filter(|_| secrets == Secrets::Shown)
    }
}

/// Makes a structure: its documentation, its name, perhaps a structure whose keys it has, too, and its own keys, each with type, key
/// and other names for it.
macro_rules! structure {
    (
        $(#[$about:meta])*
        $name:ident $(: $base:ident $base_type:ident)? {
            $( $(#[$field_about:meta])* $field:ident: $type:ty = $key:literal $(| $other:literal)*, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $name {
            $(
                /// What it has in common with others of its kind.
                pub $base: $base_type,
            )?
            $( $(#[$field_about])* pub $field: $type, )*
            /// Fields that are none of these: kept as they were.
            pub unknown: serde_json::Map<String, serde_json::Value>,
        }

        impl $crate::state::part::Keys for $name {
            fn read_keys(object: &mut $crate::state::part::Object<'_>, reader: &mut $crate::state::part::Reader) -> Self {
                $name {
                    $( $base: $crate::state::part::Keys::read_keys(object, reader), )?
                    $( $field: object.take(&[$key $(, $other)*], reader), )*
                    unknown: serde_json::Map::new(),
                }
            }

            fn write_keys(
                &self,
                map: &mut serde_json::Map<String, serde_json::Value>,
                secrets: $crate::state::part::Secrets,
            ) {
                $( $crate::state::part::Keys::write_keys(&self.$base, map, secrets); )?
                $(
                    if let Some(json) = $crate::state::part::Part::write(&self.$field, secrets) {
                        map.insert($key.to_owned(), json);
                    }
                )*
                if secrets == $crate::state::part::Secrets::Shown {
                    map.extend(self.unknown.clone());
                }
            }

            fn keep(&mut self, unknown: serde_json::Map<String, serde_json::Value>) {
                self.unknown = unknown;
            }
        }
    };
}

/// Makes an enumeration of words, which are understood in any case.
macro_rules! words {
    (
        $(#[$about:meta])*
        $name:ident {
            $( $(#[$word_about:meta])* $variant:ident = $word:literal $(| $other:literal)*, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub enum $name {
            $( $(#[$word_about])* $variant, )*
        }

        impl $name {
            /// The word.
            pub fn word(self) -> &'static str {
                match self {
                    $( $name::$variant => $word, )*
                }
            }
        }

        impl $crate::state::part::Part for $name {
            fn read(json: &serde_json::Value, at: &str, reader: &mut $crate::state::part::Reader) -> Self {
                let Some(text) = json.as_str() else {
                    reader.wrong(at, "a text", json);
                    return Self::default();
                };
                $(
                    if [$word $(, $other)*].iter().any(|word| text.eq_ignore_ascii_case(word)) {
                        return $name::$variant;
                    }
                )*
                let known = [$($word),*].join(", ");
                reader.issues.push($crate::issue::Issue::error(at, format!("{text:?} is none of {known}")));
                Self::default()
            }

            fn absent(at: &str, reader: &mut $crate::state::part::Reader) -> Self {
                let known = [$($word),*].join(", ");
                reader.issues.push($crate::issue::Issue::error(at, format!("is missing; one of {known}")));
                Self::default()
            }

            fn write(&self, _: $crate::state::part::Secrets) -> Option<serde_json::Value> {
                Some(serde_json::Value::from(self.word()))
            }
        }
    };
}

pub(crate) use {structure, words};
