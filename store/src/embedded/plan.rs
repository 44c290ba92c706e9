//! What of a query on devices the database can answer exactly, and what is left to be answered on each device.

use acs_core::expression::CompareOperator;
use acs_core::query::{LikePattern, LikeToken, Operand, Query, Sort};
use rusqlite::types::Value as SqlValue;

use super::index::{Entry, IndexedField};
use super::scan::needs_tree;
use crate::index_names::name_of_field;

/// Larger queries are answered device by device: SQLite limits how deep a condition may nest.
const MAXIMUM_CLAUSES: usize = 200;
/// More parameters than this are not given to one statement; SQLite's own limit is 32,766.
const MAXIMUM_PARAMETERS: usize = 20_000;

/// How a query on devices is answered.
#[derive(Debug)]
pub struct Plan {
    /// What SQL answers; true of every match.
    pub condition: Condition,
    /// Whether an index leads to the devices that satisfy `condition`.
    pub used_index: bool,
    /// What is left, and can be answered from the head and the tags.
    pub head_rest: Query,
    /// What is left, and needs the tree.
    pub tree_rest: Query,
    /// The order, when an index has it.
    pub order: Option<Order>,
    /// A parameter that an index would help with.
    pub suggestion: Option<String>,
}

/// A condition in SQL on a row of `device`; never null.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub sql: String,
    pub parameters: Vec<SqlValue>,
}

/// An order that an index has. Devices that are equal in it are ordered by `_id`.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub by: OrderBy,
    pub descending: bool,
}

/// What devices are ordered by.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderBy {
    /// The ID.
    Id,
    /// A column of `device`.
    Column(&'static str),
    /// An indexed field, by its number.
    Field(i64),
}

impl Plan {
    /// The best plan with the given indexes.
    pub fn of(filter: &Query, sort: &[Sort], indexes: &[IndexedField]) -> Plan {
        let conjuncts = match filter {
            Query::And(queries) => queries.as_slice(),
            other => std::slice::from_ref(other),
        };
        let mut condition = Condition::always();
        let mut used_index = false;
        let mut suggestion = None;
        let (mut head_rest, mut tree_rest) = (Vec::new(), Vec::new());
        let small = clauses(filter) <= MAXIMUM_CLAUSES;
        for conjunct in conjuncts {
            let answered = if small { translate(conjunct, indexes) } else { None };
            match answered {
                Some(answer) if condition.has_room_for(&answer.condition) => {
                    used_index |= answer.is_indexed;
                    condition = condition.and(answer.condition);
                }
                _ => {
                    if small && let Some(prefix) = prefix_condition(conjunct, indexes) {
                        used_index = true;
                        condition = condition.and(prefix);
                    }
                    if !conjunct.fields().iter().any(|field| needs_tree(field)) {
                        head_rest.push(conjunct.clone());
                    } else {
                        suggestion = suggestion.or_else(|| worth_an_index(conjunct));
                        tree_rest.push(conjunct.clone());
                    }
                }
            }
        }
        Plan {
            condition,
            used_index,
            head_rest: Query::all(head_rest),
            tree_rest: Query::all(tree_rest),
            order: order_of(sort, indexes),
            suggestion,
        }
    }

    /// Whether SQL answers all of it.
    pub fn is_exact(&self) -> bool {
        self.head_rest == Query::True && self.tree_rest == Query::True
    }
}

/// A query that SQL answers exactly.
struct Answer {
    condition: Condition,
    /// Whether an index leads to what satisfies it.
    is_indexed: bool,
}

/// What a field is in the database.
enum Place<'i> {
    Id,
    SerialNumber,
    Time(&'static str),
    Tags,
    Indexed(&'i IndexedField),
}

impl Place<'_> {
    fn of<'i>(field: &str, indexes: &'i [IndexedField]) -> Option<Place<'i>> {
        match field {
            "_id" => Some(Place::Id),
            "_deviceId._SerialNumber" => Some(Place::SerialNumber),
            "_lastInform" => Some(Place::Time("device.last_inform")),
            "_registered" => Some(Place::Time("device.registered")),
            "_tags" => Some(Place::Tags),
            name => indexes.iter().find(|index| index.name == name).map(Place::Indexed),
        }
    }
}

fn translate(query: &Query, indexes: &[IndexedField]) -> Option<Answer> {
    let each = |queries: &[Query]| queries.iter().map(|query| translate(query, indexes)).collect::<Option<Vec<_>>>();
    match query {
        Query::True => Some(Answer { condition: Condition::always(), is_indexed: false }),
        Query::False => Some(Answer { condition: Condition::never(), is_indexed: true }),
        Query::And(queries) => {
            let answers = each(queries)?;
            let is_indexed = answers.iter().any(|answer| answer.is_indexed);
            Some(Answer { condition: Condition::join(answers, " AND ", "1"), is_indexed })
        }
        Query::Or(queries) => {
            let answers = each(queries)?;
            let is_indexed = answers.iter().all(|answer| answer.is_indexed);
            Some(Answer { condition: Condition::join(answers, " OR ", "0"), is_indexed })
        }
        Query::Not(query) => {
            let Condition { sql, parameters } = translate(query, indexes)?.condition;
            Some(Answer { condition: Condition { sql: format!("NOT ({sql})"), parameters }, is_indexed: false })
        }
        Query::Compare { field, operator: CompareOperator::NotEqual, value } => {
            let equal = Query::compare(field.clone(), CompareOperator::Equal, value.clone());
            translate(&Query::Not(Box::new(equal)), indexes)
        }
        Query::Compare { field, operator, value } => compare(&Place::of(field, indexes)?, *operator, value),
        Query::In { field, values } => is_in(&Place::of(field, indexes)?, values),
        Query::Exists { field, exists } => match Place::of(field, indexes)? {
            Place::Indexed(index) => {
                let missing = Entry::of_operand(&Operand::Null)?;
                let condition = within_index(index, "kind = ? AND num = ?", vec![missing.kind.into(), missing.number]);
                let Condition { sql, parameters } = condition;
                let sql = if *exists { format!("NOT ({sql})") } else { sql };
                Some(Answer { condition: Condition { sql, parameters }, is_indexed: !*exists })
            }
            _ => Some(Answer {
                condition: if *exists { Condition::always() } else { Condition::never() },
                is_indexed: !*exists,
            }),
        },
        _ => None,
    }
}

fn compare(place: &Place<'_>, operator: CompareOperator, value: &Operand) -> Option<Answer> {
    let symbol = symbol(operator)?;
    let condition = match (place, value) {
        (Place::Id, Operand::Text(text)) => column("device.id", symbol, text.clone().into()),
        (Place::SerialNumber, Operand::Text(text)) => column("device.serial_number", symbol, text.clone().into()),
        (Place::Time(name), Operand::Date(time)) => column(name, symbol, (*time).into()),
        (Place::Tags, Operand::Text(text)) => Condition {
            sql: format!("device.no IN (SELECT no FROM device_tag WHERE tag {symbol} ?)"),
            parameters: vec![text.clone().into()],
        },
        // A list as a whole is left to the record.
        (Place::Tags, Operand::List(_)) => return None,
        (Place::Indexed(index), value) => indexed_comparison(index, operator, value)?,
        // Values of another type never compare.
        _ => Condition::never(),
    };
    Some(Answer { condition, is_indexed: true })
}

fn indexed_comparison(index: &IndexedField, operator: CompareOperator, value: &Operand) -> Option<Condition> {
    let Some(Entry { kind, number, text }) = Entry::of_operand(value) else { return Some(Condition::never()) };
    let mut symbol = symbol(operator)?;
    if *value == Operand::Null {
        // Null has no order; it is only equal to itself.
        if matches!(operator, CompareOperator::Less | CompareOperator::Greater) {
            return Some(Condition::never());
        }
        symbol = "=";
    }
    Some(match value {
        Operand::Text(_) => within_index(
            index,
            &format!("kind = ? AND num = ? AND text {symbol} ?"),
            vec![kind.into(), number, text.into()],
        ),
        _ => within_index(index, &format!("kind = ? AND num {symbol} ?"), vec![kind.into(), number]),
    })
}

fn is_in(place: &Place<'_>, values: &[Operand]) -> Option<Answer> {
    if let Place::Indexed(index) = place {
        let (mut clauses, mut parameters) = (Vec::new(), Vec::new());
        let texts: Vec<SqlValue> = values.iter().filter_map(text_of).collect();
        if !texts.is_empty() {
            clauses.push(format!("kind = 3 AND num = 0 AND text IN ({})", marks(texts.len())));
            parameters.extend(texts);
        }
        let others: Vec<Entry> =
            values.iter().filter(|value| text_of(value).is_none()).filter_map(Entry::of_operand).collect();
        if others.len() > MAXIMUM_CLAUSES {
            return None;
        }
        for entry in others {
            clauses.push("kind = ? AND num = ?".to_owned());
            parameters.extend([entry.kind.into(), entry.number]);
        }
        let any = if clauses.is_empty() { "0".to_owned() } else { format!("({})", clauses.join(" OR ")) };
        return Some(Answer { condition: within_index(index, &any, parameters), is_indexed: true });
    }
    if matches!(place, Place::Tags) && values.iter().any(|value| matches!(value, Operand::List(_))) {
        return None;
    }
    let parameters: Vec<SqlValue> = match place {
        Place::Time(_) => values
            .iter()
            .filter_map(|value| match value {
                Operand::Date(time) => Some((*time).into()),
                _ => None,
            })
            .collect(),
        _ => values.iter().filter_map(text_of).collect(),
    };
    let list = marks(parameters.len());
    let sql = match place {
        Place::Id => format!("device.id IN ({list})"),
        Place::SerialNumber => format!("device.serial_number IN ({list})"),
        Place::Time(name) => format!("{name} IN ({list})"),
        Place::Tags | Place::Indexed(_) => format!("device.no IN (SELECT no FROM device_tag WHERE tag IN ({list}))"),
    };
    Some(Answer { condition: Condition { sql, parameters }, is_indexed: true })
}

/// A condition that every text with the prefix of a pattern satisfies.
fn prefix_condition(query: &Query, indexes: &[IndexedField]) -> Option<Condition> {
    let Query::Like { field, pattern, fold_case: false } = query else { return None };
    let place = Place::of(field, indexes)?;
    let prefix = literal_prefix(pattern);
    if prefix.is_empty() {
        return None;
    }
    let from = compare(&place, CompareOperator::GreaterOrEqual, &Operand::Text(prefix.clone()))?.condition;
    if matches!(place, Place::Tags) {
        // The two ends of the range must hold for the same tag, which two conditions cannot say.
        return Some(from);
    }
    match next_prefix(&prefix) {
        Some(end) => Some(from.and(compare(&place, CompareOperator::Less, &Operand::Text(end))?.condition)),
        None => Some(from),
    }
}

fn literal_prefix(pattern: &LikePattern) -> String {
    let characters = pattern.tokens().iter().map_while(|token| match token {
        LikeToken::Character(character) => Some(*character),
        _ => None,
    });
    characters.collect()
}

/// The least text that is greater than every text with this prefix.
fn next_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// The parameter that a condition compares, when an index on it would lead to the matches.
fn worth_an_index(query: &Query) -> Option<String> {
    match query {
        Query::Compare { operator: CompareOperator::NotEqual, .. } => None,
        Query::Compare { field, .. } | Query::In { field, .. } => {
            field.ends_with("._value").then(|| name_of_field(field).to_owned())
        }
        Query::Or(queries) => queries.iter().find_map(worth_an_index),
        _ => None,
    }
}

fn order_of(sort: &[Sort], indexes: &[IndexedField]) -> Option<Order> {
    let Some((first, more)) = sort.split_first() else { return Some(Order { by: OrderBy::Id, descending: false }) };
    let by = match Place::of(&first.field, indexes)? {
        // IDs are unique: no further field matters.
        Place::Id => return Some(Order { by: OrderBy::Id, descending: first.descending }),
        Place::Time(name) => OrderBy::Column(name),
        Place::SerialNumber => OrderBy::Column("device.serial_number"),
        Place::Indexed(index) => OrderBy::Field(index.id),
        Place::Tags => return None,
    };
    let is_by_id_then = matches!(more, []) || matches!(more, [then, ..] if then.field == "_id" && !then.descending);
    is_by_id_then.then_some(Order { by, descending: first.descending })
}

impl Condition {
    fn always() -> Condition {
        Condition { sql: "1".to_owned(), parameters: Vec::new() }
    }

    fn never() -> Condition {
        Condition { sql: "0".to_owned(), parameters: Vec::new() }
    }

    fn and(mut self, other: Condition) -> Condition {
        if self.sql == "1" {
            return other;
        }
        self.sql = format!("({}) AND ({})", self.sql, other.sql);
        self.parameters.extend(other.parameters);
        self
    }

    fn join(answers: Vec<Answer>, operator: &str, none: &str) -> Condition {
        let mut joined = Condition { sql: String::new(), parameters: Vec::new() };
        for Answer { condition, .. } in answers {
            if !joined.sql.is_empty() {
                joined.sql.push_str(operator);
            }
            joined.sql.push_str(&format!("({})", condition.sql));
            joined.parameters.extend(condition.parameters);
        }
        if joined.sql.is_empty() {
            joined.sql.push_str(none);
        }
        joined
    }

    fn has_room_for(&self, other: &Condition) -> bool {
        self.parameters.len() + other.parameters.len() <= MAXIMUM_PARAMETERS
    }
}

fn column(name: &str, symbol: &str, value: SqlValue) -> Condition {
    Condition { sql: format!("{name} {symbol} ?"), parameters: vec![value] }
}

fn within_index(index: &IndexedField, condition: &str, parameters: Vec<SqlValue>) -> Condition {
    let sql = format!("device.no IN (SELECT no FROM field_index WHERE field = {} AND {condition})", index.id);
    Condition { sql, parameters }
}

fn symbol(operator: CompareOperator) -> Option<&'static str> {
    match operator {
        CompareOperator::Equal => Some("="),
        CompareOperator::NotEqual => None,
        CompareOperator::Less => Some("<"),
        CompareOperator::LessOrEqual => Some("<="),
        CompareOperator::Greater => Some(">"),
        CompareOperator::GreaterOrEqual => Some(">="),
    }
}

fn text_of(value: &Operand) -> Option<SqlValue> {
    match value {
        Operand::Text(text) => Some(text.clone().into()),
        _ => None,
    }
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}

fn clauses(query: &Query) -> usize {
    match query {
        Query::And(queries) | Query::Or(queries) => 1 + queries.iter().map(clauses).sum::<usize>(),
        Query::Not(query) => 1 + clauses(query),
        _ => 1,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use acs_core::query::nbi;
    use serde_json::{Value as Json, json};

    use super::*;

    fn plan(query: Json, sort: Json) -> Plan {
        let indexes = [IndexedField { id: 7, name: "Device.V._value".to_owned() }];
        let filter = nbi::parse("devices", &query).unwrap();
        Plan::of(&filter, &nbi::parse_sort("devices", &sort).unwrap(), &indexes)
    }

    #[test]
    fn what_an_index_can_answer_is_left_to_it() {
        for (query, is_exact, used_index) in [
            (json!({}), true, false),
            (json!({"_id": "a"}), true, true),
            (json!({"_id": {"$ne": "a"}}), true, false),
            (json!({"_deviceId._SerialNumber": {"$in": ["a", "b"]}}), true, true),
            (json!({"_tags": "t", "_lastInform": {"$gt": "2020-01-01T00:00:00Z"}}), true, true),
            (json!({"Device.V": "1.0"}), true, true),
            (json!({"Device.V": {"$exists": true}}), true, false),
            (json!({"Device.V": {"$gt": 3}, "Device.W": 4}), false, true),
            (json!({"$or": [{"Device.V": 3}, {"_id": "a"}]}), true, true),
            (json!({"$or": [{"Device.V": 3}, {"Device.W": 4}]}), false, false),
            (json!({"Device.W": 4}), false, false),
            (json!({"_deviceId._OUI": "0A1B2C"}), false, false),
        ] {
            let plan = plan(query.clone(), json!({}));
            assert_eq!((plan.is_exact(), plan.used_index), (is_exact, used_index), "{query}: {plan:?}");
        }
    }

    #[test]
    fn an_index_is_suggested_where_it_would_help() {
        let suggestion = |query| plan(query, json!({})).suggestion;
        assert_eq!(suggestion(json!({"Device.W": 4})), Some("Device.W".to_owned()));
        assert_eq!(suggestion(json!({"Device.W": {"$ne": 4}})), None);
        assert_eq!(suggestion(json!({"Device.V": 4})), None);
    }

    #[test]
    fn the_order_of_an_index_needs_ids_behind_it() {
        let order = |sort| plan(json!({}), sort).order.map(|order| (order.by, order.descending));
        assert_eq!(order(json!({})), Some((OrderBy::Id, false)));
        assert_eq!(order(json!({"_lastInform": -1})), Some((OrderBy::Column("device.last_inform"), true)));
        assert_eq!(order(json!({"Device.V": 1, "_id": 1})), Some((OrderBy::Field(7), false)));
        assert_eq!(order(json!({"Device.V": 1, "_id": -1})), None);
        assert_eq!(order(json!({"Device.W": 1})), None);
    }

    #[test]
    fn prefixes_end_before_the_next_text() {
        let next = |prefix: &str| next_prefix(prefix).unwrap_or_default();
        assert_eq!(next("ab"), "ac");
        assert_eq!(next("a\u{10FFFF}"), "b");
        assert_eq!(next("\u{D7FF}"), "\u{E000}");
        assert_eq!(next_prefix("\u{10FFFF}"), None);
    }
}
