//! Reads `menus.txt`, which describes its own format.

use std::collections::BTreeMap;

use crate::value::{Kind, Type};
use crate::{Argument, Menu, MenuKind, Reference, Release, Schema, Scope};

/// The data so far, and the names that it uses.
#[derive(Default)]
struct Reader {
    types: BTreeMap<&'static str, Type>,
    commands: BTreeMap<&'static str, Vec<&'static str>>,
    menus: BTreeMap<&'static str, Menu>,
    release: Option<Release>,
    current: Option<&'static str>,
}

/// Reads all of it, or says what is wrong where.
pub(crate) fn read(text: &'static str) -> Result<Schema, String> {
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        reader.line(line).map_err(|mistake| format!("line {}: {mistake}", number + 1))?;
    }
    let release = reader.release.ok_or("it names no release")?;
    Ok(Schema { release, menus: reader.menus })
}

impl Reader {
    fn line(&mut self, line: &'static str) -> Result<(), String> {
        if line.starts_with('#') {
            return Ok(());
        }
        let (keyword, rest) = line.trim_start().split_once(' ').ok_or("a keyword and nothing else")?;
        match keyword {
            "release" => self.release = Some(rest.parse()?),
            "type" => self.named_type(rest)?,
            "command" => {
                let mut words = rest.split(' ');
                let name = words.next().unwrap_or_default();
                self.commands.insert(name, words.collect());
            }
            "menu" => self.menu(rest)?,
            "do" => {
                for word in split_outside_brackets(rest) {
                    let (name, arguments) = self.command(word);
                    self.last()?.commands.insert(name, arguments);
                }
            }
            "need" => self.last()?.needs.extend(rest.split(' ')),
            "shows" => self.last()?.shows.extend(rest.split(' ')),
            "args" => {
                for word in rest.split(' ') {
                    let (name, argument) = self.argument(word)?;
                    self.last()?.arguments.insert(name, argument);
                }
            }
            other => return Err(format!("unknown keyword {other:?}")),
        }
        Ok(())
    }

    fn last(&mut self) -> Result<&mut Menu, String> {
        self.current.and_then(|path| self.menus.get_mut(path)).ok_or_else(|| "no menu begins before it".to_owned())
    }

    fn named_type(&mut self, text: &'static str) -> Result<(), String> {
        let (head, words) = match text.split_once(" : ") {
            Some((head, words)) => (head, words.split('|').collect()),
            None => (text, Vec::new()),
        };
        let mut parts = head.split(' ');
        let name = parts.next().unwrap_or_default();
        let mut found = Type::new(read_kind(parts.next().unwrap_or_default())?);
        found.words = words;
        for part in parts {
            match part.split_once('=') {
                None if part == "neg" => found.negatable = true,
                None if part == "num" => found.numbers = true,
                Some(("min", value)) => found.min = Some(value),
                Some(("max", value)) => found.max = Some(value),
                Some(("to", value)) => found.target = Some(value),
                _ => return Err(format!("unknown part {part:?} of a type")),
            }
        }
        self.types.insert(name, found);
        Ok(())
    }

    fn menu(&mut self, text: &'static str) -> Result<(), String> {
        let mut parts = text.split(' ');
        let path = parts.next().unwrap_or_default();
        let kind = match parts.next() {
            Some("table") => MenuKind::Table,
            Some("single") => MenuKind::Single,
            Some("cmds") => MenuKind::Commands,
            other => return Err(format!("unknown kind of menu {other:?}")),
        };
        let mut menu = Menu {
            path,
            kind,
            ordered: false,
            fixed: false,
            arm64: false,
            since: None,
            single_until: None,
            needs: Vec::new(),
            shows: Vec::new(),
            commands: BTreeMap::new(),
            arguments: BTreeMap::new(),
        };
        for part in parts {
            match part {
                "ordered" => menu.ordered = true,
                "fixed" => menu.fixed = true,
                "arm64" => menu.arm64 = true,
                _ => match part.split_once('=') {
                    Some(("since", release)) => menu.since = Some(release.parse()?),
                    Some(("single-until", release)) => menu.single_until = Some(release.parse()?),
                    _ => return Err("unknown part of a menu".to_owned()),
                },
            }
        }
        self.menus.insert(path, menu);
        self.current = Some(path);
        Ok(())
    }

    /// `name`, which takes what the command usually takes, or `name(argument,...)`.
    fn command(&self, word: &'static str) -> (&'static str, Vec<&'static str>) {
        match word.strip_suffix(')').and_then(|word| word.split_once('(')) {
            Some((name, "")) => (name, Vec::new()),
            Some((name, arguments)) => (name, arguments.split(',').collect()),
            None => (word, self.commands.get(word).cloned().unwrap_or_default()),
        }
    }

    /// `name:type` and marks behind it.
    fn argument(&self, word: &'static str) -> Result<(&'static str, Argument), String> {
        const MARKS: [char; 6] = ['>', '+', '~', '!', '@', '-'];
        let (name, rest) = word.split_once(':').ok_or_else(|| format!("argument {word:?} has no type"))?;
        let end = rest.find(MARKS).unwrap_or(rest.len());
        let (type_name, mut marks) = rest.split_at(end);
        let kind = match self.types.get(type_name) {
            Some(named) => named.clone(),
            None => Type::new(read_kind(type_name)?),
        };
        let mut argument =
            Argument { kind, reference: None, scope: Scope::AddAndSet, secret: false, since: None, until: None };
        while let Some(mark) = marks.chars().next() {
            let rest = &marks[1..];
            // A menu's path may have dashes in it.
            let end = rest.find(|next| MARKS.contains(&next) && !(mark == '>' && next == '-')).unwrap_or(rest.len());
            let (value, next) = rest.split_at(end);
            match mark {
                '>' => argument.reference = read_reference(value),
                '+' => argument.scope = Scope::Add,
                '~' => argument.scope = Scope::Set,
                '!' => argument.secret = true,
                '@' => argument.since = Some(value.parse()?),
                _ => argument.until = Some(value.parse()?),
            }
            marks = next;
        }
        Ok((name, argument))
    }
}

/// `text` looks like a reference and is none.
fn read_reference(value: &'static str) -> Option<Reference> {
    let (menus, optional) = match value.strip_suffix('?') {
        Some(menus) => (menus, true),
        None => (value, false),
    };
    (menus != "text").then(|| Reference { menus: menus.split('|').collect(), optional })
}

fn read_kind(name: &str) -> Result<Kind, String> {
    Ok(match name {
        "any" => Kind::Any,
        "str" | "script" => Kind::Text,
        "bool" => Kind::Boolean,
        "flag" => Kind::Flag,
        "enum" => Kind::Word,
        "flags" => Kind::Words,
        "open" => Kind::Open,
        "ref" => Kind::Reference,
        "id" => Kind::Id,
        "int" => Kind::Integer,
        "time" => Kind::Interval,
        "hex" => Kind::Hexadecimal,
        "mac" => Kind::Mac,
        "key32" => Kind::Key,
        "ports" => Kind::Ports,
        "address" => Kind::Address,
        "addresses" => Kind::Addresses,
        "address4" => Kind::Address4,
        "range4" => Kind::Range4,
        "ranges4" => Kind::Ranges4,
        "prefix" => Kind::Prefix,
        "prefix4" => Kind::Prefix4,
        "prefix6" => Kind::Prefix6,
        "prefixes" => Kind::Prefixes,
        "network4" => Kind::Network4,
        other => return Err(format!("unknown type {other:?}")),
    })
}

/// The words of a line; what stands in brackets belongs to its word.
fn split_outside_brackets(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0_u32;
    text.split(move |character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ' ' && depth == 0
    })
}
