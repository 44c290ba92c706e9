//! Projections: which fields of a document to show.

use serde_json::{Map, Value as Json};

use super::{QueryError, mongo};

/// Which fields of a document to show. Names are dotted and lead through lists; `_id` is always shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Projection {
    /// Everything.
    #[default]
    All,
    /// Only these fields with all below them; none is below another.
    Include(Vec<String>),
    /// Everything but these fields.
    Exclude(Vec<String>),
}

/// How much of what a name stands for a projection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// Nothing.
    No,
    /// Only some of what is below.
    Partly,
    /// It, with all below it.
    Whole,
}

impl Projection {
    /// Reads a list of names separated by commas, or a JSON object `{"name": 1}` or `{"name": 0}`. Names below others of the list
    /// are dropped. Empty text shows everything.
    pub fn parse(text: &str) -> Result<Projection, QueryError> {
        let text = text.trim();
        if text.starts_with('{') {
            let json = serde_json::from_str(text).map_err(|error| QueryError::Json(error.to_string()))?;
            return Projection::from_json(&json);
        }
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Projection::include(names))
    }

    /// Reads `{"name": 1}` or `{"name": 0}`. Both kinds at once are a mistake, except for `_id`, whose value does not matter.
    pub fn from_json(json: &Json) -> Result<Projection, QueryError> {
        let Some(object) = json.as_object() else {
            return Err(QueryError::NotAnObject { path: "$".into() });
        };
        let mut included = Vec::new();
        let mut excluded = Vec::new();
        for (name, flag) in object {
            let list = match flag {
                Json::Bool(true) => &mut included,
                Json::Bool(false) => &mut excluded,
                Json::Number(number) if number.as_f64() == Some(0.0) => &mut excluded,
                Json::Number(_) => &mut included,
                _ => return Err(mongo::invalid(&format!("$.{name}"), "0 or 1")),
            };
            list.push(name.as_str());
        }
        let excludes_only_id = excluded.iter().all(|name| *name == "_id");
        match (included.is_empty(), excludes_only_id) {
            (true, true) => Ok(Projection::All),
            (false, true) => Ok(Projection::include(included.into_iter())),
            (_, false) if included.iter().all(|name| *name == "_id") => {
                let names = excluded.into_iter().filter(|name| *name != "_id");
                Ok(Projection::Exclude(outermost(names)))
            }
            _ => Err(mongo::invalid("$", "either all 1 or all 0")),
        }
    }

    fn include<'n>(names: impl Iterator<Item = &'n str>) -> Projection {
        let names = outermost(names);
        if names.is_empty() { Projection::All } else { Projection::Include(names) }
    }

    /// How much of what this dotted name stands for is shown.
    pub fn inclusion(&self, name: &str) -> Inclusion {
        let (names, inside, outside) = match self {
            _ if name == "_id" => return Inclusion::Whole,
            Projection::All => return Inclusion::Whole,
            Projection::Include(names) => (names, Inclusion::Whole, Inclusion::No),
            Projection::Exclude(names) => (names, Inclusion::No, Inclusion::Whole),
        };
        if names.iter().any(|listed| is_within(name, listed)) {
            inside
        } else if names.iter().any(|listed| is_within(listed, name)) {
            Inclusion::Partly
        } else {
            outside
        }
    }

    /// The dotted names that are listed, `_id` apart.
    pub fn names(&self) -> &[String] {
        match self {
            Projection::All => &[],
            Projection::Include(names) | Projection::Exclude(names) => names,
        }
    }

    /// The document with only what is shown, in the document's order.
    pub fn apply(&self, document: &Json) -> Json {
        match (self, document) {
            (Projection::All, _) => document.clone(),
            (_, Json::Object(object)) => Json::Object(self.apply_to_object(object, "")),
            _ => document.clone(),
        }
    }

    fn apply_to_object(&self, object: &Map<String, Json>, prefix: &str) -> Map<String, Json> {
        let mut shown = Map::new();
        for (key, value) in object {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let value = match self.inclusion(&name) {
                Inclusion::No => None,
                Inclusion::Whole => Some(value.clone()),
                Inclusion::Partly => self.apply_below(value, &name),
            };
            if let Some(value) = value {
                shown.insert(key.clone(), value);
            }
        }
        shown
    }

    /// A value of which only some fields below are shown. A value without fields has nothing to show then, or, when fields are
    /// excluded, nothing to hide.
    fn apply_below(&self, value: &Json, name: &str) -> Option<Json> {
        match value {
            Json::Object(object) => Some(Json::Object(self.apply_to_object(object, name))),
            Json::Array(items) => Some(items.iter().filter_map(|item| self.apply_below(item, name)).collect()),
            _ => matches!(self, Projection::Exclude(_)).then(|| value.clone()),
        }
    }
}

/// Whether a dotted name is another one or below it.
fn is_within(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The names that are not below others, each once, in their order.
fn outermost<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut names: Vec<&str> = names.collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let is_outermost = |name: &str| {
        let mut above = name.match_indices('.').map(|(dot, _)| &name[..dot]);
        !above.any(|outer| sorted.binary_search(&outer).is_ok())
    };
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| is_outermost(name) && seen.insert(*name));
    names.into_iter().map(str::to_owned).collect()
}
