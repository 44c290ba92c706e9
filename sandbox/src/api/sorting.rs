//! `sort`, `sort_by`, `sort_desc`, `order`, `order_by`, `order_desc`.
//!
//! Rhai's own versions overlook the errors of a comparing function, and with them that the script must stop; and they sort
//! long texts for as long as it takes.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Module, NativeCallContext, Position};

use super::{add, add_changing};
use crate::run::Native;

pub fn register(module: &mut Module) {
    for name in ["sort", "sort_by"] {
        add_changing(module, name, |context: NativeCallContext, list: &mut Array, by: FnPtr| {
            *list = sorted_by(&context, list, &by)?;
            Ok::<_, Box<EvalAltResult>>(())
        });
    }
    for name in ["order", "order_by"] {
        add(module, name, |context: NativeCallContext, list: &mut Array, by: FnPtr| sorted_by(&context, list, &by));
    }
    add_changing(module, "sort", |context: NativeCallContext, list: &mut Array| {
        *list = sorted(&context, list, false)?;
        Ok::<_, Box<EvalAltResult>>(())
    });
    add_changing(module, "sort_desc", |context: NativeCallContext, list: &mut Array| {
        *list = sorted(&context, list, true)?;
        Ok::<_, Box<EvalAltResult>>(())
    });
    add(module, "order", |context: NativeCallContext, list: &mut Array| sorted(&context, list, false));
    add(module, "order_desc", |context: NativeCallContext, list: &mut Array| sorted(&context, list, true));
}

/// Sorted by a function that gives a negative number, 0 or a positive one, or whether the first comes first.
fn sorted_by(context: &NativeCallContext, list: &[Dynamic], by: &FnPtr) -> Native<Array> {
    merge_sort(list.to_vec(), &mut |left, right| {
        let result = by.call_raw(context, None, [left.clone(), right.clone()])?;
        if let Ok(number) = result.as_int() {
            return Ok(number.cmp(&0));
        }
        match result.as_bool() {
            Ok(true) => Ok(Ordering::Less),
            Ok(false) => Ok(Ordering::Greater),
            Err(kind) => {
                Err(EvalAltResult::ErrorMismatchDataType("i64".into(), kind.into(), context.call_position()).into())
            }
        }
    })
}

fn sorted(context: &NativeCallContext, list: &[Dynamic], descending: bool) -> Native<Array> {
    let list = Dynamic::from_array(list.to_vec());
    // Bounds the work: elements may have been replaced by long texts one by one, which nothing sums up.
    context.engine().ensure_data_size_within_limits(&list)?;
    let list = list.into_array().unwrap_or_default();
    let position = context.call_position();
    merge_sort(list, &mut |left, right| {
        let order = compare(left, right).ok_or_else(|| different(position))?;
        Ok(if descending { order.reverse() } else { order })
    })
}

fn different(position: Position) -> Box<EvalAltResult> {
    let message = "sort: the elements must all be numbers, all texts, or all booleans; else give a comparing function";
    EvalAltResult::ErrorRuntime(message.into(), position).into()
}

fn compare(left: &Dynamic, right: &Dynamic) -> Option<Ordering> {
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return Some(left.cmp(&right));
    }
    let number = |value: &Dynamic| value.as_float().ok().or_else(|| value.as_int().ok().map(|integer| integer as f64));
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return Some(left.total_cmp(&right));
    }
    if let (Ok(left), Ok(right)) = (left.as_immutable_string_ref(), right.as_immutable_string_ref()) {
        return Some(left.as_str().cmp(right.as_str()));
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return Some(left.cmp(&right));
    }
    if let (Ok(left), Ok(right)) = (left.as_char(), right.as_char()) {
        return Some(left.cmp(&right));
    }
    (left.is_unit() && right.is_unit()).then_some(Ordering::Equal)
}

/// A stable sort that ends at the first error.
fn merge_sort(mut list: Array, compare: &mut impl FnMut(&Dynamic, &Dynamic) -> Native<Ordering>) -> Native<Array> {
    if list.len() < 2 {
        return Ok(list);
    }
    let second = list.split_off(list.len() / 2);
    let mut left = merge_sort(list, compare)?.into_iter().peekable();
    let mut right = merge_sort(second, compare)?.into_iter().peekable();
    let mut merged = Array::with_capacity(left.len() + right.len());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let taken = if compare(first, second)? == Ordering::Greater { right.next() } else { left.next() };
        merged.extend(taken);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
