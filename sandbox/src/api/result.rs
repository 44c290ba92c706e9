//! What `declare()` returns. Reading any property, or iterating, commits first; the elements of an iteration are fixed.

use std::sync::Arc;

use acs_core::script::{Handle, Match, Matches};
use rhai::{Dynamic, EvalAltResult, ImmutableString, Module, Position};

use super::add;
use crate::run::{Native, RunRef};
use crate::values::from_typed;

/// A result of `declare()`, or one of its matches.
#[derive(Debug, Clone)]
pub struct Declared {
    /// As declared, for people.
    text: ImmutableString,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Handle(RunRef, Handle),
    One(Arc<Matches>, usize),
}

/// What a property is read from.
struct View {
    matches: Arc<Matches>,
    from: usize,
    count: usize,
}

impl Declared {
    /// The result of a declaration.
    pub fn new(run: RunRef, handle: Handle, text: &str) -> Declared {
        Declared { text: text.into(), source: Source::Handle(run, handle) }
    }

    fn view(&self) -> Native<View> {
        match &self.source {
            Source::Handle(run, handle) => {
                let matches = run.with(Position::NONE, |run| Ok(run.read(*handle)?))?;
                let count = matches.list.len();
                Ok(View { matches, from: 0, count })
            }
            Source::One(matches, index) => Ok(View { matches: matches.clone(), from: *index, count: 1 }),
        }
    }

    /// A property of the first match.
    fn first(&self, property: impl Fn(&Match) -> Option<Dynamic>) -> Native<Dynamic> {
        Ok(self.view()?.list().first().and_then(property).unwrap_or(Dynamic::UNIT))
    }

    fn value(&self) -> Native<Dynamic> {
        let view = self.view()?;
        let value = match view.list().first() {
            Some(first) => first.value.as_ref(),
            None => view.matches.absent_value.as_ref(),
        };
        Ok(value.map_or(Dynamic::UNIT, from_typed))
    }

    fn values(&self) -> Native<Dynamic> {
        let view = self.view()?;
        Ok(Dynamic::from_array(view.list().iter().filter_map(|one| one.value.as_ref()).map(from_typed).collect()))
    }

    fn access_list(one: &Match) -> Option<Dynamic> {
        let list = one.access_list.as_ref()?;
        Some(Dynamic::from_array(list.iter().map(|entry| entry.as_str().into()).collect()))
    }

    fn describe(&self) -> String {
        match &self.source {
            Source::Handle(..) => {
                format!("declare({:?}) (use .value[0], .path, .size or a for loop)", self.text.as_str())
            }
            Source::One(matches, index) => match &matches.list[*index] {
                Match { path, value: Some(value), .. } => format!("{path}: {}", value.0.to_text()),
                Match { path, .. } => path.to_string(),
            },
        }
    }
}

impl View {
    fn list(&self) -> &[Match] {
        &self.matches.list[self.from..self.from + self.count]
    }
}

/// One element per match; or, when the script must stop, one error.
struct Elements {
    text: ImmutableString,
    stopped: Option<Box<EvalAltResult>>,
    view: View,
    next: usize,
}

impl Iterator for Elements {
    type Item = Native<Dynamic>;

    fn next(&mut self) -> Option<Native<Dynamic>> {
        if let Some(error) = self.stopped.take() {
            return Some(Err(error));
        }
        if self.next == self.view.count {
            return None;
        }
        let source = Source::One(self.view.matches.clone(), self.view.from + self.next);
        self.next += 1;
        Some(Ok(Dynamic::from(Declared { text: self.text.clone(), source })))
    }
}

fn elements(result: &Declared) -> Elements {
    let (view, stopped) = match result.view() {
        Ok(view) => (view, None),
        Err(error) => (View { matches: Arc::default(), from: 0, count: 0 }, Some(error)),
    };
    Elements { text: result.text.clone(), stopped, view, next: 0 }
}

pub fn register(module: &mut Module) {
    module.set_custom_type::<Declared>("DeclareResult");
    module.set_iter_result(std::any::TypeId::of::<Declared>(), |value| match value.try_cast::<Declared>() {
        Some(result) => Box::new(elements(&result)),
        None => Box::new(std::iter::empty()),
    });
    module.set_getter_fn("value", |result: &mut Declared| result.value());
    module.set_getter_fn("values", |result: &mut Declared| result.values());
    module.set_getter_fn("size", |result: &mut Declared| Ok(result.view()?.count as i64));
    module.set_getter_fn("path", |result: &mut Declared| result.first(|one| Some((&*one.path).into())));
    module.set_getter_fn("object", |result: &mut Declared| result.first(|one| one.object.map(Dynamic::from)));
    module.set_getter_fn("writable", |result: &mut Declared| result.first(|one| one.writable.map(Dynamic::from)));
    module.set_getter_fn("notification", |result: &mut Declared| {
        result.first(|one| one.notification.map(|number| Dynamic::from(i64::from(number))))
    });
    module.set_getter_fn("accessList", |result: &mut Declared| result.first(Declared::access_list));
    for name in ["to_string", "to_debug", "print", "debug"] {
        add(module, name, |result: &mut Declared| ImmutableString::from(result.describe()));
    }
}
