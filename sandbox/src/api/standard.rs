//! Bounded replacements of standard functions that multiply, recurse or wait.
//!
//! A native function is not interrupted by the limits, so each must end soon by itself: its result is bounded before it is
//! made, and nothing recurses through values, which scripts can nest deeper than a stack.

use rhai::{Array, Dynamic, EvalAltResult, ImmutableString, Map, Module, NativeCallContext};

use super::{add, add_changing, run_of};
use crate::fault::Kind;
use crate::run::Native;

/// Comparisons of elements in one `==`; texts count by their length.
const COMPARISON_BUDGET: usize = 4 * 1024 * 1024;
/// Deepest nesting that is compared.
const MAX_DEPTH: usize = 256;

pub fn register(module: &mut Module) {
    type Text = ImmutableString;
    add_changing(module, "replace", |context: NativeCallContext, text: &mut Text, find: &str, by: &str| {
        replace(&context, text, find, by)
    });
    add_changing(module, "replace", |context: NativeCallContext, text: &mut Text, find: &str, by: char| {
        replace(&context, text, find, by.encode_utf8(&mut [0; 4]))
    });
    add_changing(module, "replace", |context: NativeCallContext, text: &mut Text, find: char, by: &str| {
        replace(&context, text, find.encode_utf8(&mut [0; 4]), by)
    });
    add_changing(module, "replace", |context: NativeCallContext, text: &mut Text, find: char, by: char| {
        replace(&context, text, find.encode_utf8(&mut [0; 4]), by.encode_utf8(&mut [0; 4]))
    });

    add(module, "==", |context: NativeCallContext, left: &mut Array, right: Array| {
        arrays_equal(&context, left, &right)
    });
    add(module, "!=", |context: NativeCallContext, left: &mut Array, right: Array| {
        arrays_equal(&context, left, &right).map(|equal| !equal)
    });
    add(module, "==", |context: NativeCallContext, left: &mut Map, right: Map| maps_equal(&context, left, &right));
    add(module, "!=", |context: NativeCallContext, left: &mut Map, right: Map| {
        maps_equal(&context, left, &right).map(|equal| !equal)
    });

    add(module, "sleep", |context: NativeCallContext, _: i64| no_sleep(&context));
    add(module, "sleep", |context: NativeCallContext, _: f64| no_sleep(&context));
}

fn no_sleep(context: &NativeCallContext) -> Native<()> {
    Err(run_of(context)?.refuse("sleep: a script cannot wait", context.call_position()))
}

fn replace(context: &NativeCallContext, text: &mut ImmutableString, find: &str, by: &str) -> Native<()> {
    let count = text.matches(find).count();
    let length = text.len() - count * find.len() + count.saturating_mul(by.len());
    if length > context.engine().max_string_size() {
        return Err(EvalAltResult::ErrorDataTooLarge("Length of string".to_owned(), context.call_position()).into());
    }
    if count > 0 {
        *text = text.replace(find, by).into();
    }
    Ok(())
}

fn arrays_equal(context: &NativeCallContext, left: &[Dynamic], right: &[Dynamic]) -> Native<bool> {
    let mut comparison = Comparison { budget: COMPARISON_BUDGET, depth: 0 };
    let equal = comparison.arrays(left, right);
    comparison.finish(context, equal)
}

fn maps_equal(context: &NativeCallContext, left: &Map, right: &Map) -> Native<bool> {
    let mut comparison = Comparison { budget: COMPARISON_BUDGET, depth: 0 };
    let equal = comparison.maps(left, right);
    comparison.finish(context, equal)
}

/// Compares nested values, up to a depth and an effort. Once a limit is reached the answer does not count.
struct Comparison {
    budget: usize,
    depth: usize,
}

impl Comparison {
    fn finish(self, context: &NativeCallContext, equal: bool) -> Native<bool> {
        if self.budget == 0 {
            let run = run_of(context)?;
            return Err(run.exceed(Kind::TooLarge, "the compared values are too large", context.call_position()));
        }
        Ok(equal)
    }

    fn arrays(&mut self, left: &[Dynamic], right: &[Dynamic]) -> bool {
        left.len() == right.len() && left.iter().zip(right).all(|(left, right)| self.values(left, right))
    }

    fn maps(&mut self, left: &Map, right: &Map) -> bool {
        left.len() == right.len()
            && left.iter().zip(right).all(|((key, left), (other, right))| key == other && self.values(left, right))
    }

    fn values(&mut self, left: &Dynamic, right: &Dynamic) -> bool {
        self.budget = if self.depth > MAX_DEPTH { 0 } else { self.budget.saturating_sub(1) };
        if self.budget == 0 {
            return false;
        }
        if let (Ok(left), Ok(right)) = (left.as_immutable_string_ref(), right.as_immutable_string_ref()) {
            self.budget = self.budget.saturating_sub(left.len());
            return *left == *right;
        }
        if let (Ok(left), Ok(right)) = (left.as_array_ref(), right.as_array_ref()) {
            return self.nested(|comparison| comparison.arrays(&left, &right));
        }
        if let (Ok(left), Ok(right)) = (left.as_map_ref(), right.as_map_ref()) {
            return self.nested(|comparison| comparison.maps(&left, &right));
        }
        scalars_equal(left, right)
    }

    fn nested(&mut self, compare: impl FnOnce(&mut Comparison) -> bool) -> bool {
        self.depth += 1;
        let equal = compare(self);
        self.depth -= 1;
        equal
    }
}

fn scalars_equal(left: &Dynamic, right: &Dynamic) -> bool {
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return left == right;
    }
    let number = |value: &Dynamic| value.as_float().ok().or_else(|| value.as_int().ok().map(|integer| integer as f64));
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_char(), right.as_char()) {
        return left == right;
    }
    left.is_unit() && right.is_unit()
}
