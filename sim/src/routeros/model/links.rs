//! References: values that name rows of other menus.

use routeros_schema::{Argument, Kind};

use super::interfaces;
use super::refusal::Refusal;
use super::row::{Link, Row, State, Value, read_id, space, write_id};

/// The links that a value is; `None` when the argument is no reference, or the value one of those that are none.
///
/// # Errors
/// When nothing has this name.
pub fn resolve(state: &State, name: &str, argument: &Argument, value: &[u8]) -> Result<Option<Value>, Refusal> {
    let menus: Vec<&str> = match &argument.reference {
        Some(reference) => reference.menus.clone(),
        None => argument.kind.target.into_iter().collect(),
    };
    if menus.is_empty() || value.is_empty() {
        return Ok(None);
    }
    let optional = argument.reference.as_ref().is_some_and(|reference| reference.optional);
    let Ok(text) = std::str::from_utf8(value) else { return Err(Refusal::no_match(name)) };
    let (negated, bare) = match text.strip_prefix('!').filter(|_| argument.kind.negatable) {
        Some(bare) => (true, bare),
        None => (false, text),
    };
    let mut items = Vec::new();
    for part in bare.split(',') {
        let is_word = matches!(argument.kind.kind, Kind::Reference | Kind::Open) && argument.kind.words.contains(&part);
        match find(state, &menus, part) {
            Some((space, id)) => items.push(Link::Row { space: space.to_owned(), id }),
            None if is_word => items.push(Link::Word(part.to_owned())),
            None if optional => return Ok(None),
            // The words `none` and `all` are known nearly everywhere.
            None if part == "none" => items.push(Link::Word(part.to_owned())),
            None => return Err(Refusal::no_match(name)),
        }
    }
    Ok(Some(Value::Links { negated, items }))
}

/// The row of one of the menus with this name or id.
fn find<'a>(state: &State, menus: &[&'a str], name: &str) -> Option<(&'a str, u32)> {
    let id = read_id(name);
    menus.iter().find_map(|menu| {
        let is_it = |row: &&Row| match id {
            Some(id) => row.id == id,
            None => row.text("name").as_deref() == Some(name),
        };
        let found = match *menu {
            "/interface" => interfaces::all(state).map(|(_, row)| row).find(is_it),
            menu => state.rows(menu).iter().find(is_it),
        };
        found.map(|row| (space(menu), row.id))
    })
}

/// A value as it is shown.
pub fn show(state: &State, value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Links { negated, items } => {
            let names: Vec<String> = items.iter().map(|item| name_of(state, item)).collect();
            format!("{}{}", if *negated { "!" } else { "" }, names.join(",")).into_bytes()
        }
    }
}

/// The name of what a link names; the id of a row that is gone.
pub fn name_of(state: &State, link: &Link) -> String {
    match link {
        Link::Word(word) => word.clone(),
        Link::Row { space, id } => {
            let row = match space.as_str() {
                "/interface" => interfaces::all(state).find(|(_, row)| row.id == *id).map(|(_, row)| row),
                menu => state.row(menu, *id),
            };
            row.and_then(|row| row.text("name")).unwrap_or_else(|| write_id(*id))
        }
    }
}

/// A row's argument as it is shown.
pub fn text_of(state: &State, row: &Row, name: &str) -> Option<String> {
    row.values.get(name).map(|value| String::from_utf8_lossy(&show(state, value)).into_owned())
}
