//! Queries in MongoDB's JSON.
//!
//! `$eq $ne $lt $lte $gt $gte $in $nin $exists $regex/$options $type $size $all $elemMatch $not` on fields, `$and $or $nor`
//! around them, and extended JSON's `{"$date": …}` and `{"$oid": …}` as operands. Every operator that would run code or needs an
//! index of its own is refused. What operands may mean besides themselves is a `Dialect`; [`parse`] is the plain one, `nbi`
//! has the others.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::{
    CompareOperator, FieldType, LikePattern, MAXIMUM_CLAUSES, MAXIMUM_DEPTH, MAXIMUM_LIST, MAXIMUM_PATTERNS, Operand,
    Query, QueryError, RegexPattern,
};
use crate::value::parse_date_time;

/// Reads a query whose fields and operands are taken as they are. `null` and an empty list mean every record, as clients send
/// them so.
pub fn parse(json: &Json) -> Result<Query, QueryError> {
    parse_with(json, &Plain)
}

/// Reads a query in a dialect.
pub(super) fn parse_with(json: &Json, dialect: &dyn Dialect) -> Result<Query, QueryError> {
    match json {
        Json::Null => Ok(Query::True),
        Json::Array(items) if items.is_empty() => Ok(Query::True),
        _ => Reader { dialect, clauses: 0, patterns: 0 }.document(json, "$", 1),
    }
}

/// How a collection's queries differ from plain ones.
pub(super) trait Dialect {
    /// The document's field that a query's field means.
    fn field<'n>(&self, field: &'n str) -> Cow<'n, str> {
        Cow::Borrowed(field)
    }

    /// Refuses operators that the field does not take.
    fn check_operators(&self, field: &str, operators: &Map<String, Json>, path: &str) -> Result<(), QueryError> {
        let _ = (field, operators, path);
        Ok(())
    }

    /// Everything that an operand may mean; a record matches when it matches one of these.
    fn meanings(&self, field: &str, operand: &Json, path: &str) -> Result<Vec<Meaning>, QueryError> {
        let _ = field;
        Ok(vec![Meaning::Value(plain_operand(operand, path)?)])
    }
}

/// One thing that an operand may mean.
pub(super) enum Meaning {
    /// This value.
    Value(Operand),
    /// Text that matches; only where equality is asked for.
    Like(LikePattern),
    /// Text in which this is found; only where equality is asked for.
    Regex(RegexPattern),
}

struct Plain;

impl Dialect for Plain {}

/// Operators that MongoDB has and that are deliberately absent.
const REFUSED: [&str; 14] = [
    "$where",
    "$function",
    "$accumulator",
    "$expr",
    "$jsonSchema",
    "$text",
    "$near",
    "$nearSphere",
    "$geoWithin",
    "$geoIntersects",
    "$mod",
    "$bitsAllSet",
    "$bitsAnySet",
    "$sampleRate",
];

struct Reader<'d> {
    dialect: &'d dyn Dialect,
    clauses: usize,
    patterns: usize,
}

impl Reader<'_> {
    /// A whole query or an operand of `$and` and its kin: conditions that must all hold.
    fn document(&mut self, json: &Json, path: &str, depth: usize) -> Result<Query, QueryError> {
        check_depth(path, depth)?;
        let Some(object) = json.as_object() else {
            return Err(QueryError::NotAnObject { path: path.into() });
        };
        let mut queries = Vec::with_capacity(object.len());
        for (key, value) in object {
            let path = format!("{path}.{key}");
            self.count_clause()?;
            queries.push(match key.as_str() {
                "$and" => Query::all(self.documents(value, &path, depth)?),
                "$or" => Query::any(self.documents(value, &path, depth)?),
                "$nor" => Query::any(self.documents(value, &path, depth)?).negated(),
                "$comment" => Query::True,
                operator if operator.starts_with('$') => return Err(unknown(operator, &path)),
                field => self.field(field, value, &path, depth)?,
            });
        }
        Ok(Query::all(queries))
    }

    fn documents(&mut self, json: &Json, path: &str, depth: usize) -> Result<Vec<Query>, QueryError> {
        match json.as_array() {
            Some(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.document(item, &format!("{path}[{index}]"), depth + 1))
                .collect(),
            _ => Err(invalid(path, "a list with at least one query")),
        }
    }

    /// A field with a value to equal, or with operators.
    fn field(&mut self, field: &str, json: &Json, path: &str, depth: usize) -> Result<Query, QueryError> {
        match operators(json, path)? {
            Some(operators) => {
                self.dialect.check_operators(field, operators, path)?;
                self.operators(field, operators, path, depth)
            }
            None => self.equality(field, json, path),
        }
    }

    fn operators(
        &mut self,
        field: &str,
        operators: &Map<String, Json>,
        path: &str,
        depth: usize,
    ) -> Result<Query, QueryError> {
        check_depth(path, depth)?;
        let mut queries = Vec::with_capacity(operators.len());
        for (operator, operand) in operators {
            let path = format!("{path}.{operator}");
            self.count_clause()?;
            queries.push(match operator.as_str() {
                "$regex" => self.regex(field, operand, operators.get("$options"), &path)?,
                "$options" if operators.contains_key("$regex") => Query::True,
                "$options" => return Err(invalid(&path, "beside a $regex")),
                operator => self.operator(field, operator, operand, &path, depth)?,
            });
        }
        Ok(Query::all(queries))
    }

    fn operator(
        &mut self,
        field: &str,
        operator: &str,
        operand: &Json,
        path: &str,
        depth: usize,
    ) -> Result<Query, QueryError> {
        let name = self.dialect.field(field).into_owned();
        Ok(match operator {
            "$eq" => self.equality(field, operand, path)?,
            "$ne" => self.equality(field, operand, path)?.negated(),
            "$lt" => self.ordering(field, CompareOperator::Less, operand, path)?,
            "$lte" => self.ordering(field, CompareOperator::LessOrEqual, operand, path)?,
            "$gt" => self.ordering(field, CompareOperator::Greater, operand, path)?,
            "$gte" => self.ordering(field, CompareOperator::GreaterOrEqual, operand, path)?,
            "$in" => self.membership(field, operand, path)?,
            "$nin" => self.membership(field, operand, path)?.negated(),
            "$all" => {
                let mut queries = Vec::new();
                for (index, item) in list(operand, path)?.iter().enumerate() {
                    self.count_clause()?;
                    queries.push(self.equality(field, item, &format!("{path}[{index}]"))?);
                }
                // As in MongoDB, "all of none" is no record.
                if queries.is_empty() { Query::False } else { Query::all(queries) }
            }
            "$not" => self.negation(field, operand, path, depth)?,
            "$exists" => Query::Exists { field: name, exists: flag(operand, path)? },
            "$type" => Query::Type { field: name, types: types(operand, path)? },
            "$size" => Query::Size { field: name, size: size(operand, path)? },
            "$elemMatch" => {
                let query = self.element(operand, path, depth)?;
                Query::ElementMatch { field: name, query: Box::new(query) }
            }
            other => return Err(unknown(other, path)),
        })
    }

    fn equality(&mut self, field: &str, operand: &Json, path: &str) -> Result<Query, QueryError> {
        let name = self.dialect.field(field);
        let mut queries = Vec::new();
        for meaning in self.dialect.meanings(field, operand, path)? {
            let field = name.clone().into_owned();
            queries.push(match meaning {
                Meaning::Value(value) => Query::equal(field, value),
                Meaning::Like(pattern) => Query::Like { field, pattern, fold_case: false },
                Meaning::Regex(pattern) => {
                    self.count_pattern()?;
                    Query::Regex { field, pattern }
                }
            });
        }
        Ok(Query::any(queries))
    }

    fn ordering(
        &mut self,
        field: &str,
        operator: CompareOperator,
        operand: &Json,
        path: &str,
    ) -> Result<Query, QueryError> {
        let name = self.dialect.field(field);
        let mut queries = Vec::new();
        for meaning in self.dialect.meanings(field, operand, path)? {
            match meaning {
                Meaning::Value(Operand::List(_)) => {
                    return Err(invalid(path, "a single value, not a list"));
                }
                Meaning::Value(value) => {
                    queries.push(Query::compare(name.clone(), operator, value));
                }
                Meaning::Like(_) | Meaning::Regex(_) => {}
            }
        }
        Ok(Query::any(queries))
    }

    fn membership(&mut self, field: &str, operand: &Json, path: &str) -> Result<Query, QueryError> {
        let mut values = Vec::new();
        let mut others = Vec::new();
        for (index, item) in list(operand, path)?.iter().enumerate() {
            match self.equality(field, item, &format!("{path}[{index}]"))? {
                Query::Compare { value, .. } => values.push(value),
                Query::Or(queries) => {
                    for query in queries {
                        match query {
                            Query::Compare { value, .. } => values.push(value),
                            other => others.push(other),
                        }
                    }
                }
                other => others.push(other),
            }
        }
        others.insert(0, Query::In { field: self.dialect.field(field).into_owned(), values });
        Ok(Query::any(others))
    }

    fn regex(&mut self, field: &str, operand: &Json, options: Option<&Json>, path: &str) -> Result<Query, QueryError> {
        let source = operand.as_str().ok_or_else(|| invalid(path, "text"))?;
        let flags = match options {
            None => "",
            Some(options) => options.as_str().ok_or_else(|| invalid(path, "beside $options that are text"))?,
        };
        self.count_pattern()?;
        let pattern = regex(source, flags, path)?;
        Ok(Query::Regex { field: self.dialect.field(field).into_owned(), pattern })
    }

    fn negation(&mut self, field: &str, operand: &Json, path: &str, depth: usize) -> Result<Query, QueryError> {
        let inner = match operators(operand, path)? {
            Some(operators) => self.operators(field, operators, path, depth + 1)?,
            // A regular expression in the dialects that write one as text.
            None if operand.is_string() => self.equality(field, operand, path)?,
            None => return Err(invalid(path, "an object of operators")),
        };
        Ok(inner.negated())
    }

    /// What an element must satisfy: operators on the element itself, or a query on its fields. Names and operands in there are
    /// plain: an element is no parameter.
    fn element(&mut self, json: &Json, path: &str, depth: usize) -> Result<Query, QueryError> {
        let outer = std::mem::replace(&mut self.dialect, &Plain);
        let is_query = |object: &Map<String, Json>| {
            object.keys().all(|key| !key.starts_with('$') || matches!(key.as_str(), "$and" | "$or" | "$nor"))
        };
        let result = match json.as_object() {
            None => Err(QueryError::NotAnObject { path: path.into() }),
            Some(object) if is_query(object) => self.document(json, path, depth + 1),
            Some(object) => self.operators("", object, path, depth + 1),
        };
        self.dialect = outer;
        result
    }

    fn count_clause(&mut self) -> Result<(), QueryError> {
        self.clauses += 1;
        within(self.clauses, MAXIMUM_CLAUSES, "conditions")
    }

    fn count_pattern(&mut self) -> Result<(), QueryError> {
        self.patterns += 1;
        within(self.patterns, MAXIMUM_PATTERNS, "regular expressions")
    }
}

/// A JSON value as an operand. Objects are none, except extended JSON's dates and object ids.
pub(super) fn plain_operand(json: &Json, path: &str) -> Result<Operand, QueryError> {
    operand_within(json, path, 1)
}

fn operand_within(json: &Json, path: &str, depth: usize) -> Result<Operand, QueryError> {
    check_depth(path, depth)?;
    Ok(match json {
        Json::Null => Operand::Null,
        Json::Bool(value) => Operand::Bool(*value),
        Json::Number(number) => Operand::Number(number.as_f64().ok_or_else(|| invalid(path, "a number in range"))?),
        Json::String(text) => Operand::Text(text.clone()),
        Json::Array(items) => {
            within(items.len(), MAXIMUM_LIST, "values")?;
            Operand::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| operand_within(item, &format!("{path}[{index}]"), depth + 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        Json::Object(object) => extended(object, path)?,
    })
}

fn extended(object: &Map<String, Json>, path: &str) -> Result<Operand, QueryError> {
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) if key == "$date" => date(value)
            .map(Operand::Date)
            .ok_or_else(|| invalid(path, "a date: ISO 8601 text, or milliseconds since 1970")),
        (Some((key, Json::String(text))), None) if key == "$oid" => Ok(Operand::Text(text.clone())),
        _ => Err(invalid(path, "a value; whole objects are not compared, name their fields instead")),
    }
}

/// A date in JSON: ISO 8601 text, or milliseconds since the Unix epoch.
pub(super) fn date(json: &Json) -> Option<i64> {
    match json {
        Json::String(text) => parse_date_time(text),
        Json::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|milliseconds| milliseconds as i64)),
        _ => None,
    }
}

/// Compiles a regular expression of a query.
pub(super) fn regex(source: &str, flags: &str, path: &str) -> Result<RegexPattern, QueryError> {
    RegexPattern::new(source, flags).map_err(|message| QueryError::Regex { path: path.into(), message })
}

/// What must be something else than it is.
pub(super) fn invalid(path: &str, expected: &'static str) -> QueryError {
    QueryError::Operand { path: path.into(), expected }
}

/// The operators of a field, `None` when the value is an operand. Both at once is a mistake.
fn operators<'j>(json: &'j Json, path: &str) -> Result<Option<&'j Map<String, Json>>, QueryError> {
    let Some(object) = json.as_object() else {
        return Ok(None);
    };
    let with_dollar = object.keys().filter(|key| key.starts_with('$')).count();
    let is_extended = object.len() == 1 && (object.contains_key("$date") || object.contains_key("$oid"));
    match with_dollar {
        0 => Ok(None),
        _ if is_extended => Ok(None),
        _ if with_dollar == object.len() => Ok(Some(object)),
        _ => Err(invalid(path, "either operators or a value, not both")),
    }
}

fn unknown(operator: &str, path: &str) -> QueryError {
    let (operator, path) = (operator.to_owned(), path.to_owned());
    if REFUSED.contains(&operator.as_str()) {
        QueryError::RefusedOperator { operator, path }
    } else {
        QueryError::UnknownOperator { operator, path }
    }
}

fn list<'j>(json: &'j Json, path: &str) -> Result<&'j [Json], QueryError> {
    let items = json.as_array().ok_or_else(|| invalid(path, "a list"))?;
    within(items.len(), MAXIMUM_LIST, "values")?;
    Ok(items)
}

fn flag(json: &Json, path: &str) -> Result<bool, QueryError> {
    match json {
        Json::Bool(value) => Ok(*value),
        Json::Number(number) => Ok(number.as_f64() != Some(0.0)),
        _ => Err(invalid(path, "true or false")),
    }
}

fn size(json: &Json, path: &str) -> Result<usize, QueryError> {
    let whole = json.as_f64().filter(|size| *size >= 0.0 && size.fract() == 0.0);
    whole.map(|size| size as usize).ok_or_else(|| invalid(path, "a whole number from 0"))
}

fn types(json: &Json, path: &str) -> Result<Vec<FieldType>, QueryError> {
    let parse = |json: &Json| {
        FieldType::parse(json).ok_or_else(|| {
            invalid(
                path,
                "a type, or a list of types, of double, string, object, array, bool, date, null, int, long, number",
            )
        })
    };
    match json {
        Json::Array(items) => items.iter().map(parse).collect(),
        json => Ok(vec![parse(json)?]),
    }
}

fn check_depth(path: &str, depth: usize) -> Result<(), QueryError> {
    if depth > MAXIMUM_DEPTH {
        return Err(QueryError::TooDeep { path: path.into() });
    }
    Ok(())
}

fn within(count: usize, limit: usize, what: &'static str) -> Result<(), QueryError> {
    if count > limit {
        return Err(QueryError::TooMany { what, limit });
    }
    Ok(())
}
