//! Values as text: `to_string`, `print`, `to_json`, `parse_json`, bounded in length and depth.
//!
//! Rhai's own versions recurse through values without a limit, and write whatever length results.

use std::fmt::Write;

use rhai::{Array, Dynamic, EvalAltResult, ImmutableString, Map, Module, NativeCallContext, Position};

use super::{add, run_of};
use crate::fault::Kind;
use crate::run::{Native, RunRef};
use crate::values::from_json;

/// Deepest nesting that is written out.
const MAX_DEPTH: usize = 64;

pub fn register(module: &mut Module) {
    for name in ["to_string", "to_debug", "print", "debug"] {
        add(module, name, |context: NativeCallContext, list: &mut Array| {
            written(&context, |writer| writer.array(list))
        });
        add(module, name, |context: NativeCallContext, map: &mut Map| written(&context, |writer| writer.map(map)));
    }
    add(module, "to_json", |context: NativeCallContext, map: &mut Map| {
        json_text(&context, &Dynamic::from_map(map.clone()))
    });
    add(module, "to_json", |context: NativeCallContext, value: Dynamic| json_text(&context, &value));
    add(module, "parse_json", |text: &str| -> Native<Dynamic> {
        match serde_json::from_str(text) {
            Ok(json) => Ok(from_json(&json)),
            Err(error) => {
                Err(EvalAltResult::ErrorRuntime(format!("invalid JSON: {error}").into(), Position::NONE).into())
            }
        }
    });
}

/// A value as scripts print it.
pub fn to_text(run: &RunRef, value: &Dynamic) -> String {
    if let Ok(text) = value.as_immutable_string_ref() {
        return text.to_string();
    }
    let mut writer = Writer::new(run.limits().string_size);
    writer.top(value);
    writer.finish(run)
}

fn written(context: &NativeCallContext, write: impl FnOnce(&mut Writer)) -> Native<ImmutableString> {
    let run = run_of(context)?;
    let mut writer = Writer::new(run.limits().string_size);
    write(&mut writer);
    Ok(writer.finish(&run).into())
}

fn json_text(context: &NativeCallContext, value: &Dynamic) -> Native<ImmutableString> {
    let position = context.call_position();
    let run = run_of(context)?;
    let text = run.to_json("to_json: a value", value, position)?.to_string();
    if text.len() > run.limits().string_size {
        return Err(EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), position).into());
    }
    Ok(text.into())
}

struct Writer {
    out: String,
    max: usize,
    depth: usize,
}

impl Writer {
    fn new(max: usize) -> Writer {
        Writer { out: String::new(), max, depth: 0 }
    }

    /// The text. When it would be too long the script stops: an error could be overlooked, as Rhai falls back to its own,
    /// unlimited text of a value whose `to_string` fails.
    fn finish(self, run: &RunRef) -> String {
        if self.out.len() > self.max {
            let _ = run.exceed(Kind::TooLarge, "Length of string too large", Position::NONE);
        }
        self.out
    }

    fn is_full(&self) -> bool {
        self.out.len() > self.max
    }

    fn top(&mut self, value: &Dynamic) {
        match value.as_immutable_string_ref() {
            Ok(text) => self.out.push_str(&text),
            Err(_) if value.is_unit() => {}
            Err(_) => self.value(value),
        }
    }

    fn value(&mut self, value: &Dynamic) {
        if let Ok(text) = value.as_immutable_string_ref() {
            let rest = self.max.saturating_sub(self.out.len());
            // A longer text makes the whole too long anyway.
            let _ = if text.len() > rest { self.out.write_str(&text) } else { write!(self.out, "{:?}", text.as_str()) };
        } else if let Ok(list) = value.as_array_ref() {
            self.nested(|writer| writer.array(&list));
        } else if let Ok(map) = value.as_map_ref() {
            self.nested(|writer| writer.map(&map));
        } else if value.is_unit() {
            self.out.push_str("()");
        } else {
            // Scalars, and the names of functions and other types. None of them nests.
            let _ = if value.is_fnptr() { self.out.write_str("Fn") } else { write!(self.out, "{value}") };
        }
    }

    fn nested(&mut self, write: impl FnOnce(&mut Writer)) {
        if self.depth == MAX_DEPTH {
            self.out.push('…');
            return;
        }
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    fn array(&mut self, list: &[Dynamic]) {
        self.out.push('[');
        for (index, item) in list.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.out.push_str(", ");
            }
            self.value(item);
        }
        self.out.push(']');
    }

    fn map(&mut self, map: &Map) {
        self.out.push_str("#{");
        for (index, (key, item)) in map.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if index > 0 {
                self.out.push_str(", ");
            }
            let _ = write!(self.out, "{:?}: ", key.as_str());
            self.value(item);
        }
        self.out.push('}');
    }
}
