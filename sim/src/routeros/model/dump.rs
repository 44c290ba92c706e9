//! A router's whole configuration as text: what two routers, or one at two times, must have in common to be the same.

use std::fmt::Write;

use routeros_schema::{MenuKind, Schema};

use super::links::show;
use super::row::State;

/// Every menu that has something, every row in its order, every value in full, secrets too. Ids are left out, except of rows that
/// are gone and still linked to; so are dynamic rows.
pub fn dump(state: &State) -> String {
    let mut text = String::new();
    for (menu, rows) in &state.tables {
        let single = Schema::get().menu(menu).is_some_and(|menu| menu.kind == MenuKind::Single);
        let mut rows = rows.iter().filter(|row| !row.dynamic).peekable();
        if rows.peek().is_some() {
            let _ = writeln!(text, "{menu}");
        }
        for row in rows {
            text.push_str(match (single, row.builtin) {
                (true, _) => "set",
                (false, true) => "set [ built in ]",
                (false, false) => "add",
            });
            let values = row.values.iter().map(|(name, value)| (name, show(state, value)));
            let facts = row.facts.iter().map(|(name, fact)| (name, fact.clone().into_bytes()));
            for (name, value) in values.chain(facts) {
                let _ = write!(text, " {name}={}", quote(&value));
            }
            text.push('\n');
        }
    }
    text
}

fn quote(value: &[u8]) -> String {
    let mut text = "\"".to_owned();
    for byte in value {
        match byte {
            b'"' | b'\\' | b'$' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x20..0x7F => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:02X}");
            }
        }
    }
    text.push('"');
    text
}
