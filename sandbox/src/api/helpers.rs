//! `commit ext exit log now random random_seed starstate`.

use acs_core::script::Interrupt;
use rhai::{Dynamic, FuncRegistration, Module, NativeCallContext, Shared};
use serde_json::Value as Json;

use super::text::to_text;
use super::{add, run_of};
use crate::run::Native;
use crate::values::{describe, from_json, to_integer};

/// An extension's name and its arguments.
const MAX_EXTENSION_ARGUMENTS: usize = 16;

pub fn register(module: &mut Module) {
    add(module, "commit", |context: NativeCallContext| commit(&context));
    add(module, "log", |context: NativeCallContext, message: Dynamic| log(&context, &message, &Dynamic::UNIT));
    add(module, "log", |context: NativeCallContext, message: Dynamic, meta: Dynamic| log(&context, &message, &meta));
    // Else two floats would find the logarithm to a base and log nothing.
    add(module, "log", |context: NativeCallContext, message: f64, meta: f64| {
        log(&context, &message.into(), &meta.into())
    });
    add(module, "now", |context: NativeCallContext| now(&context, None, None));
    add(module, "now", |context: NativeCallContext, of: Dynamic| now(&context, Some(of), None));
    add(module, "now", |context: NativeCallContext, of: Dynamic, spread: Dynamic| {
        now(&context, Some(of), Some(spread))
    });
    add(module, "random", |context: NativeCallContext| {
        run_of(&context)?.with(context.call_position(), |run| Ok(run.random()))
    });
    add(module, "random_seed", |context: NativeCallContext, seed: Dynamic| {
        let run = run_of(&context)?;
        let seed = to_text(&run, &seed);
        run.with(context.call_position(), |run| {
            run.seed_random(&seed);
            Ok(())
        })
    });
    add(module, "starstate", |context: NativeCallContext, document: Dynamic| {
        starstate(&context, &document, &Dynamic::UNIT)
    });
    add(module, "starstate", |context: NativeCallContext, document: Dynamic, options: Dynamic| {
        starstate(&context, &document, &options)
    });
    add(module, "exit", |context: NativeCallContext| exit(&context, Dynamic::UNIT));
    add(module, "exit", |context: NativeCallContext, value: Dynamic| exit(&context, value));
    for count in 1..=MAX_EXTENSION_ARGUMENTS {
        register_extension(module, count);
    }
}

/// `ext` with so many arguments; Rhai has no functions with any number of them.
fn register_extension(module: &mut Module, count: usize) {
    let types = vec![std::any::TypeId::of::<Dynamic>(); count];
    let function = |context: Option<NativeCallContext>, arguments: &mut [&mut Dynamic]| match context {
        Some(context) => extension(&context, arguments),
        None => Ok(Dynamic::UNIT),
    };
    let function =
        rhai::RhaiFunc::Pure { func: Shared::new(function), has_context: true, is_pure: true, is_volatile: true };
    FuncRegistration::new("ext").set_into_module_raw(module, types, function);
}

fn commit(context: &NativeCallContext) -> Native<()> {
    run_of(context)?.with(context.call_position(), |run| Ok(run.commit()?))
}

fn exit(context: &NativeCallContext, value: Dynamic) -> Native<()> {
    Err(run_of(context)?.exit(value, context.call_position()))
}

fn extension(context: &NativeCallContext, arguments: &mut [&mut Dynamic]) -> Native<Dynamic> {
    let position = context.call_position();
    let run = run_of(context)?;
    if !arguments[0].is_string() {
        return Err(run.refuse(format!("ext: the name must be a text, not {}", describe(arguments[0])), position));
    }
    let arguments = arguments
        .iter()
        .map(|value| run.to_json("an argument of ext", value, position))
        .collect::<Native<Vec<Json>>>()?;
    run.hand_out(arguments.iter().map(json_size).sum(), position)?;
    let result = run.with(position, |run| run.extension(arguments))?;
    Ok(from_json(&result))
}

fn starstate(context: &NativeCallContext, document: &Dynamic, options: &Dynamic) -> Native<Dynamic> {
    let position = context.call_position();
    let run = run_of(context)?;
    if !document.is_string() && !document.is_map() {
        let message = format!("starstate: expected a document or its name, not {}", describe(document));
        return Err(run.refuse(message, position));
    }
    if !options.is_map() && !options.is_unit() {
        let message = format!("starstate: the options must be a map, not {}", describe(options));
        return Err(run.refuse(message, position));
    }
    let document = run.to_json("a document of starstate", document, position)?;
    let options = run.to_json("an option of starstate", options, position)?;
    run.hand_out(json_size(&document) + json_size(&options), position)?;
    let report = run.with(position, |run| run.starstate(document, options))?;
    Ok(from_json(&report))
}

fn log(context: &NativeCallContext, message: &Dynamic, meta: &Dynamic) -> Native<()> {
    let position = context.call_position();
    let run = run_of(context)?;
    let message = to_text(&run, message);
    let meta = run.to_json("the second argument of log", meta, position)?;
    run.hand_out(json_size(&meta), position)?;
    run.log(message, meta, position)
}

fn now(context: &NativeCallContext, of: Option<Dynamic>, spread: Option<Dynamic>) -> Native<i64> {
    let position = context.call_position();
    let run = run_of(context)?;
    let spread = match spread {
        Some(value) => match to_integer(&value) {
            Some(spread) => Some(spread),
            None => {
                return Err(run.refuse(
                    format!("now: the spread must be a number of milliseconds, not {}", describe(&value)),
                    position,
                ));
            }
        },
        None => None,
    };
    let Some(of) = of else {
        return run.with(position, |run| Ok(run.now()));
    };
    if let Ok(cron) = of.as_immutable_string_ref() {
        return run.with(position, |run| Ok(run.now_cron(&cron, spread.unwrap_or(0))?));
    }
    match to_integer(&of) {
        Some(interval) => {
            run.with(position, |run| Ok::<_, Interrupt>(run.now_interval(interval, spread.unwrap_or(interval))?))
        }
        None => {
            let message = format!("now: expected a number of milliseconds or a cron expression, not {}", describe(&of));
            Err(run.refuse(message, position))
        }
    }
}

fn json_size(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(list) => list.iter().map(|item| json_size(item) + 16).sum(),
        Json::Object(map) => map.iter().map(|(key, value)| key.len() + json_size(value) + 32).sum(),
        _ => 8,
    }
}
