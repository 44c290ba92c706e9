//! Looks at what a running script holds, from time to time: how much, and how deeply nested.
//!
//! Rhai's limits see one value at a time, when it passes through a function. Entries of a map that are assigned one by one
//! are summed up nowhere, and a closure that captures a closure that captures … nests without any limit until dropping it
//! overflows the stack, which ends the process. So the variables in scope are measured whenever the script has used a little
//! more processor time; what it can add in between is bounded by that time.

use rhai::{Dynamic, EvalContext};

/// Deepest nesting of values.
pub const MAX_DEPTH: usize = 1_000;

/// Bytes of a value without what it refers to.
const VALUE_SIZE: u64 = 16;
/// Bytes of an entry in a map besides its value.
const ENTRY_SIZE: u64 = 40;

/// What is wrong with the values in scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// More bytes than allowed.
    Size,
}

/// Measures all that is in scope of the function that runs now; gives its size.
pub fn inspect(context: &EvalContext, max_bytes: u64) -> Result<u64, Excess> {
    let mut left = max_bytes;
    for (_, _, value) in context.scope().iter_raw() {
        measure(value, &mut left)?;
    }
    if let Some(value) = context.this_ptr() {
        measure(value, &mut left)?;
    }
    Ok(max_bytes - left)
}

/// Measures one value; takes its size from what is left.
pub fn measure(value: &Dynamic, left: &mut u64) -> Result<(), Excess> {
    measure_within(value, MAX_DEPTH, left)
}

fn measure_within(value: &Dynamic, depth: usize, left: &mut u64) -> Result<(), Excess> {
    if depth == 0 {
        return Err(Excess::Depth);
    }
    take(left, VALUE_SIZE)?;
    if value.is_shared() {
        // One that is locked is in use further out, and was measured there.
        return value.read_lock::<Dynamic>().map_or(Ok(()), |inner| measure_within(&inner, depth - 1, left));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return take(left, text.len() as u64);
    }
    if let Ok(list) = value.as_array_ref() {
        return list.iter().try_for_each(|item| measure_within(item, depth - 1, left));
    }
    if let Ok(map) = value.as_map_ref() {
        return map.iter().try_for_each(|(key, item)| {
            take(left, ENTRY_SIZE + key.len() as u64)?;
            measure_within(item, depth - 1, left)
        });
    }
    if let Ok(bytes) = value.as_blob_ref() {
        return take(left, bytes.len() as u64);
    }
    match value.read_lock::<rhai::FnPtr>() {
        Some(function) => function.curry().iter().try_for_each(|captured| measure_within(captured, depth - 1, left)),
        None => Ok(()),
    }
}

fn take(left: &mut u64, bytes: u64) -> Result<(), Excess> {
    *left = left.checked_sub(bytes).ok_or(Excess::Size)?;
    Ok(())
}
