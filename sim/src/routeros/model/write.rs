//! The commands that change rows: add, set, remove, move, enable, disable, comment, unset.

use routeros_schema::{Argument, Menu, MenuKind};

use super::factory::{fill, keeps_empty};
use super::refusal::Refusal;
use super::row::{Row, Value, read_id, write_id};
use super::{Reply, Router, canonical, dynamic, factory, interfaces, links, rules};
use crate::routeros::request::Request;

/// Arguments that say which row or where, not what is in it.
const PLACES: [&str; 4] = [".id", "numbers", "place-before", "copy-from"];

/// A row that a command works on: the menu in which it really is, and its id.
type Item = (String, u32);

impl Router {
    pub(super) fn add(&mut self, menu: &Menu, request: &Request) -> Result<Reply, Refusal> {
        let mut row = match request.text("copy-from") {
            Some(item) => Row { values: self.existing(menu, &item)?.values.clone(), ..Row::default() },
            None => Row::default(),
        };
        self.put_arguments(menu, &mut row, request)?;
        let missing: Vec<&str> = menu.needs.iter().copied().filter(|need| !row.values.contains_key(*need)).collect();
        if !missing.is_empty() {
            return Err(Refusal::missing(&missing));
        }
        let nameless = menu.argument("name").is_some() && !row.values.contains_key("name");
        if let Some(name) = rules::made_up_name(&self.state, menu.path).filter(|_| nameless) {
            row.put("name", &name);
        }
        fill(&self.state, menu.path, &mut row);
        let place = match request.text("place-before") {
            Some(item) => Some(self.place(menu, &item)?),
            None => None,
        };
        // What a script on the router waits for runs out by itself.
        row.dynamic = menu.path == "/ip/firewall/address-list" && row.values.contains_key("timeout");
        row.id = self.state.next_id(menu.path);
        rules::check(&self.state, &self.options, menu.path, &mut row)?;
        let id = row.id;
        let rows = self.state.rows_mut(menu.path);
        rows.insert(place.unwrap_or(rows.len()), row);
        Ok(Reply::ret(write_id(id)))
    }

    pub(super) fn set(&mut self, menu: &Menu, request: &Request) -> Result<Reply, Refusal> {
        if menu.kind_in(self.release()) == MenuKind::Single {
            let mut row = self.state.settings(menu.path).cloned().unwrap_or_default();
            self.put_arguments(menu, &mut row, request)?;
            rules::check(&self.state, &self.options, menu.path, &mut row)?;
            *self.state.rows_mut(menu.path) = vec![row];
            return Ok(Reply::default());
        }
        for (home, id) in self.items(menu, request)? {
            self.edit(&home, id, |router, row| {
                // What belongs to a kind of interface is written in its own menu.
                let menu = router.menu(&home).unwrap_or(menu);
                router.put_arguments(menu, row, request)
            })?;
        }
        Ok(Reply::default())
    }

    pub(super) fn remove(&mut self, menu: &Menu, request: &Request) -> Result<Reply, Refusal> {
        for (home, id) in self.items(menu, request)? {
            let row = self.state.row(&home, id).ok_or_else(Refusal::no_item)?;
            if row.builtin {
                let is_hardware = interfaces::kind_of(&home).is_some();
                let what = if is_hardware { "cannot remove hardware device" } else { "can not remove default item" };
                return Err(Refusal::failure(what));
            }
            let has_users = |user: &Row| user.link("group").is_some_and(|(_, group)| group == id);
            if home == "/user/group" && self.state.rows("/user").iter().any(has_users) {
                return Err(Refusal::failure("group has some users"));
            }
            self.state.rows_mut(&home).retain(|row| row.id != id);
        }
        Ok(Reply::default())
    }

    /// In front of a row, in the order in which they are given; a destination that is not there is the end.
    pub(super) fn move_rows(&mut self, menu: &Menu, request: &Request) -> Result<Reply, Refusal> {
        let ids: Vec<u32> = self.items(menu, request)?.into_iter().map(|(_, id)| id).collect();
        let destination = request.text("destination").filter(|text| !text.is_empty());
        let destination = destination.and_then(|item| self.existing(menu, &item).ok()).map(|row| row.id);
        if destination.is_some_and(|id| ids.contains(&id)) {
            return Err(Refusal::failure("can not move object before itself"));
        }
        let rows = self.state.rows_mut(menu.path);
        let mut moved: Vec<Row> = ids.iter().filter_map(|id| rows.iter().find(|row| row.id == *id).cloned()).collect();
        rows.retain(|row| !ids.contains(&row.id));
        let place = rows.iter().position(|row| Some(row.id) == destination).unwrap_or(rows.len());
        rows.splice(place..place, moved.drain(..));
        Ok(Reply::default())
    }

    pub(super) fn switch(&mut self, menu: &Menu, disable: bool, request: &Request) -> Result<Reply, Refusal> {
        for (home, id) in self.items(menu, request)? {
            self.edit(&home, id, |_, row| {
                row.put("disabled", if disable { "true" } else { "false" });
                Ok(())
            })?;
        }
        Ok(Reply::default())
    }

    pub(super) fn comment(&mut self, menu: &Menu, request: &Request) -> Result<Reply, Refusal> {
        let comment = request.argument("comment").unwrap_or_default().to_vec();
        for (home, id) in self.items(menu, request)? {
            self.edit(&home, id, |_, row| {
                match comment.is_empty() {
                    true => drop(row.values.remove("comment")),
                    false => drop(row.values.insert("comment".to_owned(), Value::Bytes(comment.clone()))),
                }
                Ok(())
            })?;
        }
        Ok(Reply::default())
    }

    pub(super) fn unset(&mut self, menu: &Menu, request: &Request) -> Result<Reply, Refusal> {
        let names = request.text("value-name").ok_or_else(|| Refusal::missing(&["value-name"]))?;
        let items = match menu.kind_in(self.release()) {
            MenuKind::Single => vec![(menu.path.to_owned(), 0)],
            _ => self.items(menu, request)?,
        };
        for (home, id) in items {
            self.edit(&home, id, |router, row| names.split(',').try_for_each(|name| router.clear(&home, row, name)))?;
        }
        Ok(Reply::default())
    }

    /// Changes a copy of a row, checks it, and keeps it.
    pub(super) fn edit(
        &mut self,
        menu: &str,
        id: u32,
        change: impl FnOnce(&Router, &mut Row) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut row = self.state.row(menu, id).cloned().ok_or_else(Refusal::no_item)?;
        if row.dynamic {
            return Err(Refusal::failure("can not change dynamic item"));
        }
        change(self, &mut row)?;
        rules::check(&self.state, &self.options, menu, &mut row)?;
        if let Some(kept) = self.state.row_mut(menu, id) {
            *kept = row;
        }
        Ok(())
    }

    /// The rows that a command names: by id, by name where names are unique, or, a trap, by position.
    pub(super) fn items(&self, menu: &Menu, request: &Request) -> Result<Vec<Item>, Refusal> {
        let text = request.items().or_else(|| request.text("number")).filter(|text| !text.is_empty());
        let text = text.ok_or_else(Refusal::missing_id)?;
        text.split(',').map(|item| self.item(menu, item)).collect()
    }

    fn item(&self, menu: &Menu, text: &str) -> Result<Item, Refusal> {
        let is_it = |row: &Row| match read_id(text) {
            Some(id) => row.id == id,
            None => has_names(menu) && row.text("name").as_deref() == Some(text),
        };
        if menu.path == "/interface" {
            let found = interfaces::all(&self.state).find(|(_, row)| is_it(row));
            return found.map(|(home, row)| (home.to_owned(), row.id)).ok_or_else(Refusal::no_item);
        }
        let rows = self.state.rows(menu.path);
        let by_position = || text.parse::<usize>().ok().and_then(|position| rows.get(position));
        match rows.iter().find(|row| is_it(row)).or_else(by_position) {
            Some(row) => Ok((menu.path.to_owned(), row.id)),
            None => {
                let dynamic = dynamic::rows_of(&self.state, menu.path, self.options.leases);
                let is_dynamic = dynamic.iter().any(|row| row.get(".id").is_some_and(|id| id == text.as_bytes()));
                Err(if is_dynamic { Refusal::failure("can not change dynamic item") } else { Refusal::no_item() })
            }
        }
    }

    fn existing(&self, menu: &Menu, item: &str) -> Result<&Row, Refusal> {
        let (home, id) = self.item(menu, item)?;
        self.state.row(&home, id).ok_or_else(Refusal::no_item)
    }

    fn place(&self, menu: &Menu, item: &str) -> Result<usize, Refusal> {
        let id = self.existing(menu, item)?.id;
        self.state.rows(menu.path).iter().position(|row| row.id == id).ok_or_else(Refusal::no_item)
    }

    /// Puts what a request gives into a row.
    fn put_arguments(&self, menu: &Menu, row: &mut Row, request: &Request) -> Result<(), Refusal> {
        for (name, value) in &request.arguments {
            if let Some(unset) = name.strip_prefix('!') {
                self.clear(menu.path, row, unset)?;
                continue;
            }
            if PLACES.contains(&name.as_str()) {
                continue;
            }
            let argument = menu.argument(name).ok_or_else(|| Refusal::unknown_parameter(name))?;
            match self.read_value(menu, name, argument, value)? {
                Some(value) => drop(row.values.insert(name.clone(), value)),
                None => drop(row.values.remove(name)),
            }
        }
        Ok(())
    }

    /// A value as it is kept; `None` when there is none.
    fn read_value(&self, menu: &Menu, name: &str, argument: &Argument, value: &[u8]) -> Result<Option<Value>, Refusal> {
        argument.kind.check(value).map_err(|mistake| Refusal::value(mistake.describe(name)))?;
        if let Some(links) = links::resolve(&self.state, name, argument, value)? {
            return Ok(Some(links));
        }
        let kept = canonical::canonical(menu.path, name, &argument.kind, value).map(Value::Bytes);
        let empty = value.is_empty() && keeps_empty(menu.path, name);
        Ok(kept.or_else(|| empty.then(|| Value::from(""))))
    }

    /// Takes a value away; what the router fills in takes its place.
    fn clear(&self, menu: &str, row: &mut Row, name: &str) -> Result<(), Refusal> {
        row.values.remove(name);
        let filled = factory::defaults_of(menu).iter().any(|(known, _)| *known == name);
        if filled {
            fill(&self.state, menu, row);
        }
        Ok(())
    }
}

/// Whether rows can be named by their names.
fn has_names(menu: &Menu) -> bool {
    menu.argument("name").is_some() || menu.shows.contains(&"name")
}
