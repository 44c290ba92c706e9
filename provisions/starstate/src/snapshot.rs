//! What a router has, as far as a plan needs it: the rows of some menus, read together.
//!
//! Rows are kept as they are wanted by plans: what came by itself is left out, as is whatever no command can write. Not here: what
//! should be there.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use routeros::{Command, Error, Query, RouterPort};
use routeros_schema::{MenuKind, Release, Schema};

use crate::ledger::Kept;
use crate::port::read_menu;

/// The rows of some menus of a router.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Which RouterOS it has.
    pub release: Release,
    menus: BTreeMap<String, Option<Vec<Found>>>,
}

/// A row on a router.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Its id; `None` for the one row of a menu of settings.
    pub id: Option<String>,
    /// Its properties.
    pub values: BTreeMap<String, Vec<u8>>,
}

/// What is to be read of a router.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    menus: BTreeMap<String, Rows>,
}

/// What is to be read of a menu.
#[derive(Debug, Clone, Default)]
struct Rows {
    /// Besides those that can be written.
    properties: BTreeSet<String>,
    /// The values of which a row must have one; `None` for all rows. See [`narrowing`].
    only: Option<BTreeSet<String>>,
}

/// Properties that tell whether a row is ours to touch.
const MARKS: [&str; 5] = [".id", "comment", "dynamic", "default", "builtin"];

/// Why a router cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// A menu cannot be read.
    #[error(transparent)]
    Router(#[from] Error),
    /// It is no RouterOS 7.
    #[error("the router has RouterOS {0}, at least 7 is needed")]
    Release(String),
}

impl Snapshot {
    /// A snapshot of given rows.
    pub fn new(release: Release, menus: impl IntoIterator<Item = (String, Option<Vec<Found>>)>) -> Snapshot {
        Snapshot { release, menus: menus.into_iter().collect() }
    }

    /// Reads the release and some menus, all at once.
    ///
    /// # Errors
    /// When one of them cannot be read. A menu that the router does not have is no error.
    pub async fn read(port: &dyn RouterPort, reading: &Reading) -> Result<Snapshot, SnapshotError> {
        let release = read_release(port);
        let menus = try_join_all(reading.menus.iter().map(|(path, rows)| async move {
            let rows = read_menu(port, print_of(path, rows)).await?;
            let rows = rows.map(|rows| rows.iter().filter_map(|row| Found::read(path, row)).collect());
            Ok::<_, SnapshotError>((path.clone(), rows))
        }));
        let (release, menus) = futures_util::future::try_join(release, menus).await?;
        Ok(Snapshot::new(release, menus))
    }

    /// The rows of a menu in their order; none when it was not read, or is not there.
    pub fn rows(&self, path: &str) -> &[Found] {
        self.menus.get(path).and_then(Option::as_deref).unwrap_or_default()
    }

    /// The rows of all menus that were read.
    pub fn all_rows(&self) -> impl Iterator<Item = (&str, &Found)> {
        self.menus.iter().flat_map(|(path, rows)| rows.iter().flatten().map(move |row| (path.as_str(), row)))
    }

    /// The rows of all menus that were read, to change them.
    pub fn all_rows_mut(&mut self) -> impl Iterator<Item = (&str, &mut Found)> {
        self.menus.iter_mut().flat_map(|(path, rows)| rows.iter_mut().flatten().map(move |row| (path.as_str(), row)))
    }

    /// The rows of a menu, to change them.
    pub fn rows_mut(&mut self, path: &str) -> &mut Vec<Found> {
        self.menus.entry(path.to_owned()).or_default().get_or_insert_default()
    }

    /// Whether the router has a menu that was read.
    pub fn has_menu(&self, path: &str) -> bool {
        self.menus.get(path).is_some_and(Option::is_some)
    }

    /// A row by its id; the one row of settings by `None`.
    pub fn row(&self, path: &str, id: Option<&str>) -> Option<&Found> {
        self.rows(path).iter().find(|row| row.id.as_deref() == id)
    }
}

impl Found {
    /// A row that came by itself is none that a plan knows.
    fn read(path: &str, row: &routeros::Row) -> Option<Found> {
        let is_single = is_single(path);
        if row.flag("dynamic") == Some(true) && !is_single {
            return None;
        }
        let id = row.id().map(|id| id.into_owned()).filter(|_| !is_single);
        let values =
            row.iter().filter(|(name, _)| *name != ".id").map(|(name, value)| (name.to_owned(), value.to_vec()));
        Some(Found { id, values: values.collect() })
    }

    /// A property; `None` when it is unset, or not shown.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// A property as text.
    pub fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.value(name).map(String::from_utf8_lossy)
    }

    /// Whether it was there from the beginning.
    pub fn is_builtin(&self) -> bool {
        ["default", "builtin"].iter().any(|mark| matches!(self.value(mark), Some(b"true" | b"yes")))
    }

    /// Everything that can be written, to add the row again.
    pub fn writable(&self, path: &str) -> Vec<(String, Kept)> {
        let menu = Schema::get().menu(path);
        let writable = self.values.iter().filter_map(|(name, value)| {
            let argument = menu?.argument(name).filter(|argument| argument.scope != routeros_schema::Scope::Set)?;
            Some((name.clone(), Kept::new(value.clone(), argument.secret)))
        });
        writable.collect()
    }
}

/// Whether a menu holds settings instead of rows.
pub fn is_single(path: &str) -> bool {
    Schema::get().menu(path).is_some_and(|menu| menu.kind == MenuKind::Single)
}

/// Whether an argument holds a password or key.
pub fn is_secret(path: &str, name: &str) -> bool {
    let known = Schema::get().menu(path).and_then(|menu| menu.argument(name)).map(|argument| argument.secret);
    known.unwrap_or_else(|| routeros::secret::is_secret_name(name))
}

pub(crate) async fn read_release(port: &dyn RouterPort) -> Result<Release, SnapshotError> {
    let rows = port.rows(Command::print("/system/resource").properties(["version"])).await?;
    let version = rows.first().and_then(|row| row.text("version")).unwrap_or_default().into_owned();
    let release: Result<Release, String> = version.parse();
    release.ok().filter(|release| release.major >= 7).ok_or(SnapshotError::Release(version))
}

/// Only what is needed: some properties take a router long.
fn print_of(path: &str, rows: &Rows) -> Command {
    let Some(menu) = Schema::get().menu(path) else { return Command::print(path) };
    let print = Command::print(path);
    if menu.kind == MenuKind::Single {
        return print;
    }
    let writable = menu.arguments().map(|(name, _)| name).filter(|name| !["copy-from", "place-before"].contains(name));
    let mut names: BTreeSet<&str> = writable.collect();
    names.extend(MARKS);
    names.extend(["name", "default-name"].into_iter().filter(|name| menu.shows.contains(name)));
    names.extend(rows.properties.iter().map(String::as_str));
    let mut print = print.properties(names);
    if menu.shows.contains(&"dynamic") {
        print = print.query(Query::Not(Box::new(Query::equals("dynamic", "true"))));
    }
    match (narrowing(path), &rows.only) {
        (Some(property), Some(values)) => {
            print.query(Query::Any(values.iter().map(|value| Query::equals(property, value.as_str())).collect()))
        }
        _ => print,
    }
}

/// Some menus may be long: there only rows are read that have one of the wanted values of this property.
fn narrowing(path: &str) -> Option<&'static str> {
    match path {
        "/ip/firewall/address-list" => Some("list"),
        "/file" => Some("name"),
        _ => None,
    }
}

impl Reading {
    /// Reads a menu, at least a row that has the values that `value` gives. Call it for each row that matters.
    pub fn row<'v>(&mut self, path: &str, value: impl Fn(&str) -> Option<&'v str>) {
        let rows = self
            .menus
            .entry(path.to_owned())
            .or_insert_with(|| Rows { only: Some(BTreeSet::new()), ..Rows::default() });
        let value = narrowing(path).and_then(value);
        match (&mut rows.only, value) {
            (Some(only), Some(value)) => drop(only.insert(value.to_owned())),
            (only, _) => *only = None,
        }
    }

    /// Reads all rows of a menu.
    pub fn menu(&mut self, path: &str) {
        self.menus.entry(path.to_owned()).or_default().only = None;
    }

    /// Reads also a property that cannot be written, when the menu is read.
    pub fn property(&mut self, path: &str, name: &str) {
        if let Some(rows) = self.menus.get_mut(path) {
            rows.properties.insert(name.to_owned());
        }
    }
}
