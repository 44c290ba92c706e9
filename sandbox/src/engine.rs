//! The script engines: what is shared by all runs, and what is made for each.
//!
//! Two modules are built once: Rhai's standard library without its clock, and the script API with bounded replacements of
//! standard functions. An engine for one run refers to them and costs less than a microsecond.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use rhai::packages::{
    BasicArrayPackage, BasicBlobPackage, BasicMapPackage, BasicMathPackage, BitFieldPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, Module, OptimizationLevel};

use crate::api;
use crate::limits::Limits;
use crate::run::RunRef;

/// The name under which scripts find their arguments.
pub const ARGUMENTS: &str = "args";

/// Parts of the language that no script gets.
const DISABLED: [&str; 3] = ["eval", "import", "export"];

/// Functions that the language itself provides, with their numbers of arguments.
const LANGUAGE_FUNCTIONS: [(&str, std::ops::RangeInclusive<usize>); 7] = [
    ("Fn", 1..=1),
    ("call", 1..=20),
    ("curry", 1..=20),
    ("type_of", 1..=1),
    ("is_shared", 1..=1),
    ("is_def_fn", 2..=3),
    ("is_def_var", 1..=1),
];

static STANDARD: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let mut module = Module::new();
    CorePackage::init(&mut module);
    BitFieldPackage::init(&mut module);
    LogicPackage::init(&mut module);
    BasicMathPackage::init(&mut module);
    BasicArrayPackage::init(&mut module);
    BasicBlobPackage::init(&mut module);
    BasicMapPackage::init(&mut module);
    MoreStringPackage::init(&mut module);
    // Else each call hashes its way through all functions.
    module.register_lazy_functions();
    module.build_index();
    module.into()
});

static API: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let mut module = api::module();
    module.build_index();
    module.into()
});

/// An engine that only compiles.
pub fn for_compilation(limits: &Limits, optimization: OptimizationLevel) -> Engine {
    let mut engine = bare(limits);
    engine.set_optimization_level(optimization);
    engine
}

/// An engine for one run.
pub fn for_run(state: &RunRef) -> Engine {
    let mut engine = bare(state.limits());
    engine.set_default_tag(Dynamic::from(state.clone()));
    let run = state.clone();
    engine.on_progress(move |_| run.must_stop().then_some(Dynamic::UNIT));
    let run = state.clone();
    engine.on_print(move |text| run.print(text));
    let run = state.clone();
    engine.on_debug(move |text, _, _| run.print(text));
    let run = state.clone();
    // Functions see no outer variables, except what is resolved here. A local variable of that name hides it.
    #[allow(deprecated, reason = "not deprecated, only declared volatile by its authors")]
    engine.on_var(move |name, index, context| {
        run.inspect_if_due(&context);
        Ok((index == 0 && name == ARGUMENTS).then(|| run.arguments()))
    });
    engine
}

fn bare(limits: &Limits) -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(STANDARD.clone());
    // Registered later, so its functions hide standard ones with the same parameters.
    engine.register_global_module(API.clone());
    for symbol in DISABLED {
        engine.disable_symbol(symbol);
    }
    engine
        .set_max_operations(0) // counted by the run's state: the engine's own count is lost inside array functions
        .set_max_call_levels(limits.call_levels)
        .set_max_expr_depths(limits.expression_depth, limits.function_expression_depth)
        .set_max_string_size(limits.string_size)
        .set_max_array_size(limits.array_size)
        .set_max_map_size(limits.map_size)
        .set_max_variables(limits.variables)
        .set_max_functions(limits.functions)
        .set_max_modules(0);
    engine
}

/// All functions that scripts can call, by name and number of arguments.
pub struct KnownFunctions(BTreeMap<String, BTreeSet<usize>>);

impl KnownFunctions {
    /// Whether any function has that name.
    pub fn has_name(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The numbers of arguments that functions of that name take; a method's object is one of them.
    pub fn arities(&self, name: &str) -> Option<&BTreeSet<usize>> {
        self.0.get(name)
    }
}

/// See [`KnownFunctions`].
pub fn known_functions() -> &'static KnownFunctions {
    static KNOWN: LazyLock<KnownFunctions> = LazyLock::new(|| {
        let mut known: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let engine = bare(&Limits::default());
        let all = engine.collect_fn_metadata(
            None,
            |info| Some((info.metadata.name.to_string(), info.metadata.num_params)),
            true,
        );
        for (name, arity) in all {
            known.entry(name).or_default().insert(arity);
        }
        for (name, arities) in LANGUAGE_FUNCTIONS {
            known.entry(name.to_owned()).or_default().extend(arities);
        }
        KnownFunctions(known)
    });
    &KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_get_no_clock_and_no_modules() {
        let known = known_functions();
        for name in
            ["declare", "clear", "commit", "ext", "log", "now", "random", "starstate", "to_json", "map", "split"]
        {
            assert!(known.has_name(name), "{name}");
        }
        for name in ["timestamp", "elapsed", "eval", "import"] {
            assert!(!known.has_name(name), "{name}");
        }
    }
}
