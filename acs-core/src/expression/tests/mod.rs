//! The expression language's rules, a table for each, and its laws, checked on random expressions.
#![allow(clippy::unwrap_used)]

mod checking;
mod evaluation;
mod laws;
mod syntax;

use std::collections::BTreeMap;

use super::*;

/// A context with some parameters; time is 1,000,000 ms, the functions of the outside world echo their arguments.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters(pub BTreeMap<String, Scalar>);

impl Parameters {
    pub(super) fn of(pairs: &[(&str, Scalar)]) -> Parameters {
        Parameters(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }
}

impl Context for Parameters {
    fn parameter(&self, path: &str) -> Scalar {
        self.0.get(path).cloned().into()
    }

    fn now(&self) -> i64 {
        1_000_000
    }

    fn remote_address(&self) -> Option<&str> {
        Some("192.0.2.7")
    }

    fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
        let joined: Vec<_> = arguments.iter().filter_map(|argument| argument.to_text()).collect();
        (name == "EXT").then(|| Scalar::Text(joined.join("/")))
    }
}
