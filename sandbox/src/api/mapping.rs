//! `map` of arrays and maps, and `zip`, which measure what they collect.
//!
//! Rhai's own versions check a result when it is complete, which is late when each element is a long text.

use rhai::{Array, Dynamic, FnPtr, Map, Module, NativeCallContext};

use super::{add, run_of};
use crate::run::{Native, RunRef};

pub fn register(module: &mut Module) {
    add(module, "map", |context: NativeCallContext, list: &mut Array, by: FnPtr| map_array(&context, list, &by));
    add(module, "map", |context: NativeCallContext, map: &mut Map, by: FnPtr| map_map(&context, map, &by));
    add(module, "zip", |context: NativeCallContext, left: &mut Array, right: Array, by: FnPtr| {
        zip(&context, left, right, &by)
    });
}

fn map_array(context: &NativeCallContext, list: &mut Array, by: &FnPtr) -> Native<Array> {
    let mut collected = Collected::new(context)?;
    let mut out = Array::with_capacity(list.len());
    for (index, item) in (0_i64..).zip(list) {
        let element = by.call_raw_with_extra_args("map", context, Some(item), [], [index.into()], Some(0))?;
        out.push(collected.add(context, element)?);
    }
    Ok(out)
}

fn map_map(context: &NativeCallContext, map: &mut Map, by: &FnPtr) -> Native<Map> {
    let mut collected = Collected::new(context)?;
    let mut out = Map::new();
    for (key, item) in map {
        let element = by.call_raw_with_extra_args("map", context, Some(item), [key.into()], [], Some(1))?;
        out.insert(key.clone(), collected.add(context, element)?);
    }
    Ok(out)
}

fn zip(context: &NativeCallContext, left: &[Dynamic], right: Array, by: &FnPtr) -> Native<Array> {
    let mut collected = Collected::new(context)?;
    let mut out = Array::with_capacity(left.len().min(right.len()));
    for (index, (left, right)) in (0_i64..).zip(left.iter().zip(right)) {
        let element = by.call_raw_with_extra_args("zip", context, None, [left.clone(), right], [index.into()], None)?;
        out.push(collected.add(context, element)?);
    }
    Ok(out)
}

/// How much has been collected.
struct Collected {
    run: RunRef,
    left: u64,
}

impl Collected {
    fn new(context: &NativeCallContext) -> Native<Collected> {
        let run = run_of(context)?;
        Ok(Collected { left: run.limits().memory, run })
    }

    fn add(&mut self, context: &NativeCallContext, element: Dynamic) -> Native<Dynamic> {
        self.run.measure(&element, &mut self.left, context.call_position())?;
        Ok(element)
    }
}
