//! What scripts can call: the declarations, the session's helpers, and bounded standard functions.

mod declare;
mod helpers;
mod mapping;
mod result;
mod sorting;
mod standard;
mod text;

use rhai::{FuncRegistration, Module, NativeCallContext, RhaiNativeFunc, Variant};

pub use declare::{FRESHNESS_KEYS, WANTED_KEYS, parse_clear_attributes, parse_freshness, parse_wanted};
pub use result::Declared;

use crate::run::{Native, RunRef, terminated};

/// All functions of the script API.
pub fn module() -> Module {
    let mut module = Module::new();
    declare::register(&mut module);
    helpers::register(&mut module);
    result::register(&mut module);
    standard::register(&mut module);
    mapping::register(&mut module);
    sorting::register(&mut module);
    text::register(&mut module);
    module
}

/// The execution that a native function is called in.
fn run_of(context: &NativeCallContext) -> Native<RunRef> {
    let tag = context.tag().and_then(|tag| tag.read_lock::<RunRef>().map(|run| run.clone()));
    tag.ok_or_else(|| terminated(context.call_position()))
}

/// Adds a function that leaves its first argument as it is.
fn add<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
    module: &mut Module,
    name: &str,
    function: FUNC,
) where
    R: Variant + Clone,
    FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
{
    FuncRegistration::new(name).with_purity(true).with_volatility(true).set_into_module(module, function);
}

/// Adds a method that changes its object, which therefore must not be a constant.
fn add_changing<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
    module: &mut Module,
    name: &str,
    function: FUNC,
) where
    R: Variant + Clone,
    FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
{
    FuncRegistration::new(name).with_purity(false).with_volatility(true).set_into_module(module, function);
}
