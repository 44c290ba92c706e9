//! What one execution of a script may use.

use std::time::Duration;

/// Limits of one execution. A script that exceeds one fails with `script.Timeout`, `script.TooManyOperations`,
/// `script.TooDeep`, `script.TooLarge` or `script.OutOfMemory`; it cannot catch that.
#[derive(Debug, Clone)]
pub struct Limits {
    /// CPU time of the thread, so that a loaded host causes no false faults.
    pub cpu_time: Duration,
    /// Time by the clock, generous: only for scripts that sleep without using the processor, as one does that calls a method
    /// of a variable with a closure that uses the same variable.
    pub wall_time: Duration,
    /// Operations: roughly one per statement, operand and call.
    pub operations: u64,
    /// Nested function calls.
    pub call_levels: usize,
    /// Nesting of expressions in the script's body.
    pub expression_depth: usize,
    /// Nesting of expressions in its functions.
    pub function_expression_depth: usize,
    /// Bytes of one text, and of all texts in one array or map.
    pub string_size: usize,
    /// Elements of one array, counted through nested ones.
    pub array_size: usize,
    /// Entries of one map, counted through nested ones.
    pub map_size: usize,
    /// Variables at any time.
    pub variables: usize,
    /// Functions in one script.
    pub functions: usize,
    /// Bytes: what the script hands to its host in total (declared texts, log messages, extension arguments), and what it
    /// holds at any time. The latter is estimated from its variables in short intervals, so that a script can hold some
    /// tens of megabytes for a moment; a [`memory_probe`](Limits::memory_probe) makes it exact.
    pub memory: u64,
    /// Gives the bytes that the current thread has allocated and not freed. A counting global allocator can know it.
    pub memory_probe: Option<fn() -> i64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cpu_time: Duration::from_millis(50),
            wall_time: Duration::from_secs(5),
            operations: 1_000_000,
            call_levels: 32,
            expression_depth: 64,
            function_expression_depth: 32,
            string_size: 64 * 1024,
            array_size: 10_000,
            map_size: 10_000,
            variables: 500,
            functions: 200,
            memory: 16 * 1024 * 1024,
            memory_probe: None,
        }
    }
}
