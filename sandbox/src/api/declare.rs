//! `declare()` and `clear()`: reading their maps, strictly.

use acs_core::declaration::{Freshness, InstanceCount, MAX_INSTANCES, Named, Wanted};
use acs_core::entries::EntryKind;
use acs_core::path::{Path, Segment};
use acs_core::script::{HostError, Interrupt, ScriptRun};
use acs_core::tree::ClearAttributes;
use acs_core::value::{Value, XsdType};
use rhai::{Array, Dynamic, ImmutableString, Map, Module, NativeCallContext};

use super::result::Declared;
use super::{add, run_of};
use crate::fault::line_and_column;
use crate::run::Native;
use crate::values::{describe, to_integer, to_scalar};

/// What the second argument of `declare()` may name.
pub const FRESHNESS_KEYS: [&str; 6] = ["path", "value", "object", "writable", "notification", "accessList"];
/// What the third argument of `declare()` may name.
pub const WANTED_KEYS: [&str; 6] = ["value", "path", "object", "notification", "accessList", "writable"];

/// The third argument of `declare()`, read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WantedMap {
    pub wanted: Wanted,
    pub named: Named,
    /// `path: N` with an N that is too high for a count: a time, if the path is one of entries (`Downloads.*`).
    pub triggered_at: Option<i64>,
}

pub fn register(module: &mut Module) {
    type Text = ImmutableString;
    add(module, "declare", |context: NativeCallContext, path: Text| declare(&context, &path, None, None));
    add(module, "declare", |context: NativeCallContext, path: Text, _: ()| declare(&context, &path, None, None));
    add(module, "declare", |context: NativeCallContext, path: Text, fresh: Map| {
        declare(&context, &path, Some(&fresh), None)
    });
    add(module, "declare", |context: NativeCallContext, path: Text, _: (), _: ()| declare(&context, &path, None, None));
    add(module, "declare", |context: NativeCallContext, path: Text, fresh: Map, _: ()| {
        declare(&context, &path, Some(&fresh), None)
    });
    add(module, "declare", |context: NativeCallContext, path: Text, _: (), wanted: Map| {
        declare(&context, &path, None, Some(&wanted))
    });
    add(module, "declare", |context: NativeCallContext, path: Text, fresh: Map, wanted: Map| {
        declare(&context, &path, Some(&fresh), Some(&wanted))
    });
    add(module, "declare", |context: NativeCallContext, path: Dynamic| wrong_types(&context, "declare", &[path]));
    add(module, "declare", |context: NativeCallContext, path: Dynamic, fresh: Dynamic| {
        wrong_types(&context, "declare", &[path, fresh])
    });
    add(module, "declare", |context: NativeCallContext, path: Dynamic, fresh: Dynamic, wanted: Dynamic| {
        wrong_types(&context, "declare", &[path, fresh, wanted])
    });

    add(module, "clear", |context: NativeCallContext, path: Text, at: i64| clear(&context, &path, at, None));
    add(module, "clear", |context: NativeCallContext, path: Text, at: f64| clear(&context, &path, at as i64, None));
    add(module, "clear", |context: NativeCallContext, path: Text, at: i64, only: Map| {
        clear(&context, &path, at, Some(&only))
    });
    add(module, "clear", |context: NativeCallContext, path: Text, at: f64, only: Map| {
        clear(&context, &path, at as i64, Some(&only))
    });
    add(module, "clear", |context: NativeCallContext, path: Dynamic, at: Dynamic| wrong_clear(&context, &path, &at));
    add(module, "clear", |context: NativeCallContext, path: Dynamic, at: Dynamic, _: Dynamic| {
        wrong_clear(&context, &path, &at)
    });
}

fn declare(context: &NativeCallContext, text: &str, fresh: Option<&Map>, wanted: Option<&Map>) -> Native<Declared> {
    let position = context.call_position();
    let run_ref = run_of(context)?;
    let bytes = text.len() + wanted.map_or(0, size_of_texts);
    run_ref.hand_out(bytes, position)?;
    let handle = run_ref.with(position, |run| {
        let (mut fresh, named) = fresh.map(parse_freshness).transpose()?.unwrap_or_default();
        let WantedMap { wanted, named: named_wanted, triggered_at } =
            wanted.map(parse_wanted).transpose()?.unwrap_or_default();
        if named_wanted.object {
            fresh.object = fresh.object.max(1);
        }
        if named_wanted.writable {
            fresh.writable = fresh.writable.max(1);
        }
        let named = named.or(named_wanted);
        let path = Path::parse(text)?;
        let (line, column) = line_and_column(position);
        let (wanted, triggered) = match triggered_at {
            Some(count) => match entries_of(&path) {
                Some(kind) => (Wanted { instances: Some(InstanceCount::exactly(1)), ..wanted }, Some((kind, count))),
                None => return Err(HostError::TooManyInstances { path: path.to_string(), count }.into()),
            },
            None => (wanted, None),
        };
        let handle = run.declare_path(path.clone(), fresh, wanted, named, line, column)?;
        if let Some((kind, at)) = triggered {
            declare_trigger(run, &path, kind, at, line, column)?;
        }
        Ok::<_, Interrupt>(handle)
    })?;
    Ok(Declared::new(run_ref, handle, text))
}

/// An entry's RPC is asked for by setting its trigger to a time.
fn declare_trigger(
    run: &mut ScriptRun,
    entry: &Path,
    kind: &EntryKind,
    at: i64,
    line: u32,
    column: u32,
) -> Result<(), HostError> {
    let path = entry.child(Segment::Name(kind.trigger().into()));
    let fresh = Freshness { value: 1, ..Freshness::default() };
    let wanted = Wanted { value: Some((Value::Int(at), Some(XsdType::DateTime))), ..Wanted::default() };
    run.declare_path(path, fresh, wanted, Named { value: true, ..Named::default() }, line, column)?;
    Ok(())
}

/// The kind of the entries that a path means: all of a root, or those of an alias.
fn entries_of(path: &Path) -> Option<&'static EntryKind> {
    let kind = EntryKind::of_root(path.first_name()?)?;
    let is_entry = path.segments().len() == 2 && matches!(path.segments()[1], Segment::Alias(_) | Segment::Wildcard);
    is_entry.then_some(kind)
}

fn clear(context: &NativeCallContext, path: &str, at: i64, only: Option<&Map>) -> Native<()> {
    let position = context.call_position();
    let run_ref = run_of(context)?;
    run_ref.hand_out(path.len(), position)?;
    run_ref.with(position, |run| {
        let only = only.map(parse_clear_attributes).transpose()?.unwrap_or_default();
        Ok(run.clear(path, at, only)?)
    })
}

fn wrong_types(context: &NativeCallContext, function: &str, arguments: &[Dynamic]) -> Native<Declared> {
    let names =
        ["the path must be a text", "the freshness must be a map or ()", "the wanted state must be a map or ()"];
    let fits = |index: usize, value: &Dynamic| match index {
        0 => value.is_string(),
        _ => value.is_map() || value.is_unit(),
    };
    let wrong = arguments.iter().enumerate().find(|(index, value)| !fits(*index, value));
    let message = match wrong {
        Some((index, value)) => format!("{function}: {}, not {}", names[index], describe(value)),
        None => format!("{function}: wrong arguments"),
    };
    Err(run_of(context)?.refuse(message, context.call_position()))
}

fn wrong_clear(context: &NativeCallContext, path: &Dynamic, at: &Dynamic) -> Native<()> {
    let message = if !path.is_string() {
        format!("clear: the path must be a text, not {}", describe(path))
    } else if to_integer(at).is_none() {
        format!("clear: the time must be a number of milliseconds, not {}", describe(at))
    } else {
        "clear: the attributes must be a map".to_owned()
    };
    Err(run_of(context)?.refuse(message, context.call_position()))
}

/// Reads the second argument of `declare()`. Times below 1 demand nothing, but still name their attribute.
pub fn parse_freshness(map: &Map) -> Result<(Freshness, Named), HostError> {
    let mut fresh = Freshness::default();
    let mut named = Named::default();
    for (key, value) in map {
        let (slot, name) = match key.as_str() {
            "path" => (&mut fresh.path, None),
            "value" => (&mut fresh.value, Some(&mut named.value)),
            "object" => (&mut fresh.object, Some(&mut named.object)),
            "writable" => (&mut fresh.writable, Some(&mut named.writable)),
            "notification" => (&mut fresh.notification, Some(&mut named.notification)),
            "accessList" => (&mut fresh.access_list, Some(&mut named.access_list)),
            _ => return Err(unknown_key("the freshness", key, &FRESHNESS_KEYS)),
        };
        *slot = time("the freshness", key, value)?;
        if let Some(name) = name {
            *name = true;
        }
    }
    Ok((fresh, named))
}

/// Reads the third argument of `declare()`.
pub fn parse_wanted(map: &Map) -> Result<WantedMap, HostError> {
    let mut out = WantedMap::default();
    for (key, value) in map {
        match key.as_str() {
            "value" => {
                out.wanted.value = Some(wanted_value(value)?);
                out.named.value = true;
            }
            "path" => {
                if map.contains_key("object") {
                    return Err(argument("the wanted state: path and object both count instances; use one of them"));
                }
                (out.wanted.instances, out.triggered_at) = wanted_count(value)?;
            }
            "object" => {
                let exists = flag(key, value)?;
                let count = if exists { InstanceCount { min: 1, max: u32::MAX } } else { InstanceCount::exactly(0) };
                out.wanted.instances = Some(count);
                out.named.object = true;
            }
            "notification" => {
                let number =
                    to_integer(value).and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= 6);
                let wrong = || {
                    argument(format!(
                        "the wanted state: notification must be a number from 0 to 6, not {}",
                        describe(value)
                    ))
                };
                out.wanted.notification = Some(number.ok_or_else(wrong)?);
                out.named.notification = true;
            }
            "accessList" => {
                out.wanted.access_list = Some(wanted_access_list(value)?);
                out.named.access_list = true;
            }
            "writable" => {
                flag(key, value)?;
                out.named.writable = true;
            }
            _ => return Err(unknown_key("the wanted state", key, &WANTED_KEYS)),
        }
    }
    Ok(out)
}

/// Reads the third argument of `clear()`.
pub fn parse_clear_attributes(map: &Map) -> Result<ClearAttributes, HostError> {
    const KEYS: [&str; 5] = ["value", "object", "writable", "notification", "accessList"];
    let mut attributes = ClearAttributes::default();
    for (key, value) in map {
        let slot = match key.as_str() {
            "value" => &mut attributes.value,
            "object" => &mut attributes.object,
            "writable" => &mut attributes.writable,
            "notification" => &mut attributes.notification,
            "accessList" => &mut attributes.access_list,
            _ => return Err(unknown_key("the attributes", key, &KEYS)),
        };
        *slot = time("the attributes", key, value)?;
    }
    Ok(attributes)
}

fn time(map: &str, key: &str, value: &Dynamic) -> Result<i64, HostError> {
    to_integer(value)
        .ok_or_else(|| argument(format!("{map}: {key} must be a time in milliseconds, not {}", describe(value))))
}

fn wanted_value(value: &Dynamic) -> Result<(Value, Option<XsdType>), HostError> {
    let scalar = |value: &Dynamic| {
        if value.is_unit() {
            return Err(argument(
                "the wanted state: value is () (nothing); use an empty text \"\" to clear a parameter, or leave the declaration out",
            ));
        }
        to_scalar(value).ok_or_else(|| {
            argument(format!("the wanted state: value must be a text, a number or a boolean, not {}", describe(value)))
        })
    };
    let Ok(pair) = value.as_array_ref() else {
        return Ok((scalar(value)?, None));
    };
    match pair.as_slice() {
        [value] => Ok((scalar(value)?, None)),
        [value, xsd_type] => {
            let Ok(xsd_type) = xsd_type.as_immutable_string_ref() else {
                let message = format!(
                    "the wanted state: the type of value must be a text as \"xsd:string\", not {}",
                    describe(xsd_type)
                );
                return Err(argument(message));
            };
            Ok((scalar(value)?, Some(XsdType::parse(&xsd_type))))
        }
        _ => Err(argument("the wanted state: value as an array must be [value] or [value, type]")),
    }
}

/// A count, or what is too high for one.
fn wanted_count(value: &Dynamic) -> Result<(Option<InstanceCount>, Option<i64>), HostError> {
    let wrong = || {
        argument(format!(
            "the wanted state: path must be a number of instances or [least, most], not {}",
            describe(value)
        ))
    };
    let number = |value: &Dynamic| to_integer(value).filter(|number| *number >= 0).ok_or_else(wrong);
    let small = |number: i64| u32::try_from(number).ok().filter(|number| *number <= MAX_INSTANCES);
    if let Ok(bounds) = value.as_array_ref() {
        let [least, most] = bounds.as_slice() else { return Err(wrong()) };
        let (least, most) = (number(least)?, number(most)?);
        return match (small(least), small(most)) {
            (Some(min), Some(max)) if min <= max => Ok((Some(InstanceCount { min, max }), None)),
            (Some(_), Some(_)) => {
                Err(argument(format!("the wanted state: path [{least}, {most}] has its bounds swapped")))
            }
            _ => Ok((None, Some(least.max(most)))),
        };
    }
    let count = number(value)?;
    match small(count) {
        Some(count) => Ok((Some(InstanceCount::exactly(count)), None)),
        None => Ok((None, Some(count))),
    }
}

fn wanted_access_list(value: &Dynamic) -> Result<Vec<String>, HostError> {
    let wrong = || argument(format!("the wanted state: accessList must be an array of texts, not {}", describe(value)));
    let list = value.as_array_ref().map_err(|_| wrong())?;
    let text = |item: &Dynamic| item.as_immutable_string_ref().map(|text| text.to_string()).map_err(|_| wrong());
    list.iter().map(text).collect()
}

/// A boolean; 0 and 1 are accepted, since results of the incumbent had them.
fn flag(key: &str, value: &Dynamic) -> Result<bool, HostError> {
    match (value.as_bool(), value.as_int()) {
        (Ok(flag), _) => Ok(flag),
        (_, Ok(number @ 0..=1)) => Ok(number == 1),
        _ => Err(argument(format!("the wanted state: {key} must be true or false, not {}", describe(value)))),
    }
}

fn size_of_texts(map: &Map) -> usize {
    let of = |value: &Dynamic| value.as_immutable_string_ref().map_or(0, |text| text.len());
    let of_list = |list: &Array| list.iter().map(of).sum::<usize>();
    map.values().map(|value| of(value) + value.as_array_ref().map_or(0, |list| of_list(&list))).sum()
}

fn unknown_key(map: &str, key: &str, known: &[&str]) -> HostError {
    argument(format!("{map}: unknown key {key:?}; known are {}", known.join(", ")))
}

fn argument(message: impl Into<String>) -> HostError {
    HostError::Argument(message.into())
}

trait Union {
    fn or(self, other: Self) -> Self;
}

impl Union for Named {
    fn or(self, other: Named) -> Named {
        Named {
            value: self.value || other.value,
            object: self.object || other.object,
            writable: self.writable || other.writable,
            notification: self.notification || other.notification,
            access_list: self.access_list || other.access_list,
        }
    }
}
