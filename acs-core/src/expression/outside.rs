//! Evaluation of expressions whose functions need the outside world, and time: `AUTH`, `EXT`.
//!
//! The expression is evaluated as far as what is known decides it. The first call that is not answered yet interrupts it; who
//! evaluates makes the call, gives the answer, and evaluates again. So alternatives joined by `OR` are tried in turn, and nothing
//! is called whose answer does not matter. No I/O here: who calls what, and how, is the caller's.

use std::cell::RefCell;

use super::{Context, Expression, Scalar};

/// A call that is to be made before an expression has a value.
#[derive(Debug, Clone, PartialEq)]
pub struct OutsideCall {
    /// The function, in upper case.
    pub name: String,
    /// Its arguments in order.
    pub arguments: Vec<Scalar>,
}

/// How far an evaluation came.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// To the end.
    Value(Scalar),
    /// To a call that is not answered yet.
    Call(OutsideCall),
}

/// The answers to the calls of one evaluation. Equal calls are made once.
#[derive(Debug, Clone, Default)]
pub struct OutsideAnswers(Vec<(OutsideCall, Scalar)>);

impl OutsideAnswers {
    /// How many calls are answered.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Answers a call.
    pub fn answer(&mut self, call: OutsideCall, value: Scalar) {
        self.0.push((call, value));
    }

    /// Evaluates an expression as far as the answers go. What the context itself answers is no call.
    pub fn evaluate(&self, expression: &Expression, context: &dyn Context) -> Evaluated {
        let answered = Answered { context, answers: self, asked: RefCell::default() };
        let value = expression.evaluate(&answered);
        match answered.asked.into_inner() {
            // What came behind an unanswered call was evaluated with nothing in its place, and does not count.
            Some(call) => Evaluated::Call(call),
            None => Evaluated::Value(value),
        }
    }
}

/// A context that knows the answers, and notes the first call that has none.
struct Answered<'a> {
    context: &'a dyn Context,
    answers: &'a OutsideAnswers,
    asked: RefCell<Option<OutsideCall>>,
}

impl Context for Answered<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        self.context.parameter(path)
    }

    fn now(&self) -> i64 {
        self.context.now()
    }

    fn remote_address(&self) -> Option<&str> {
        self.context.remote_address()
    }

    fn call(&self, name: &str, arguments: &[Scalar]) -> Option<Scalar> {
        if let Some(value) = self.context.call(name, arguments) {
            return Some(value);
        }
        let known = self.answers.0.iter().find(|(call, _)| call.name == name && call.arguments == arguments);
        if let Some((_, value)) = known {
            return Some(value.clone());
        }
        self.asked
            .borrow_mut()
            .get_or_insert_with(|| OutsideCall { name: name.to_owned(), arguments: arguments.to_vec() });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::parse;

    struct Device;

    impl Context for Device {
        fn parameter(&self, path: &str) -> Scalar {
            if path == "a" { "x".into() } else { Scalar::Null }
        }

        fn now(&self) -> i64 {
            0
        }

        fn call(&self, name: &str, _: &[Scalar]) -> Option<Scalar> {
            (name == "USERNAME").then(|| "me".into())
        }
    }

    /// Evaluates with calls answered in turn; returns the value, and the calls with their arguments.
    fn run(text: &str, answers: &[Scalar]) -> (Scalar, Vec<String>) {
        let expression = parse(text).unwrap();
        let (mut known, mut calls) = (OutsideAnswers::default(), Vec::new());
        for answer in answers {
            match known.evaluate(&expression, &Device) {
                Evaluated::Value(value) => return (value, calls),
                Evaluated::Call(call) => {
                    let arguments: Vec<_> = call.arguments.iter().map(|one| one.to_json().to_string()).collect();
                    calls.push(format!("{}({})", call.name, arguments.join(",")));
                    known.answer(call, answer.clone());
                }
            }
        }
        match known.evaluate(&expression, &Device) {
            Evaluated::Value(value) => (value, calls),
            Evaluated::Call(call) => panic!("{text}: {call:?} is not answered"),
        }
    }

    #[test]
    fn alternatives_are_tried_in_turn_and_no_further_than_needed() {
        const YES: Scalar = Scalar::Bool(true);
        const NO: Scalar = Scalar::Bool(false);
        type Case<'a> = (&'a str, &'a [Scalar], Scalar, &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            ("TRUE", &[], YES, &[]),
            ("AUTH(USERNAME(), a)", &[YES], YES, &["AUTH(\"me\",\"x\")"]),
            ("AUTH('1', '1') OR AUTH('2', '2')", &[YES], YES, &["AUTH(\"1\",\"1\")"]),
            ("AUTH('1', '1') OR AUTH('2', '2')", &[NO, NO], NO, &["AUTH(\"1\",\"1\")", "AUTH(\"2\",\"2\")"]),
            // Null is no answer that decides.
            (
                "AUTH('1', '1') OR AUTH('2', '2')",
                &[Scalar::Null, YES],
                YES,
                &["AUTH(\"1\",\"1\")", "AUTH(\"2\",\"2\")"],
            ),
            ("AUTH('1', '1') OR AUTH('1', '1')", &[NO], NO, &["AUTH(\"1\",\"1\")"]),
            (
                "AUTH(a, EXT('f', 'g', a))",
                &["secret".into(), YES],
                YES,
                &["EXT(\"f\",\"g\",\"x\")", "AUTH(\"x\",\"secret\")"],
            ),
            ("CASE WHEN a = 'x' THEN AUTH('1', '1') ELSE AUTH('2', '2') END", &[YES], YES, &["AUTH(\"1\",\"1\")"]),
            ("a = 'y' AND AUTH('1', '1')", &[], NO, &[]),
        ];
        for (text, answers, value, calls) in cases {
            let (found, made) = run(text, answers);
            assert_eq!(
                (&found, made.as_slice()),
                (value, calls.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
    }
}
