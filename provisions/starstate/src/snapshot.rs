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

    /// Reads the release and these menus, all at once. `also` names properties that are read besides those that can be written.
    ///
    /// # Errors
    /// When one of them cannot be read. A menu that the router does not have is no error.
    pub async fn read(
        port: &dyn RouterPort,
        paths: &BTreeSet<String>,
        also: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<Snapshot, SnapshotError> {
        let release = read_release(port);
        let menus = try_join_all(paths.iter().map(|path| async move {
            let rows = read_menu(port, print_of(path, also.get(path))).await?;
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

async fn read_release(port: &dyn RouterPort) -> Result<Release, SnapshotError> {
    let rows = port.rows(Command::print("/system/resource").properties(["version"])).await?;
    let version = rows.first().and_then(|row| row.text("version")).unwrap_or_default().into_owned();
    let release: Result<Release, String> = version.parse();
    release.ok().filter(|release| release.major >= 7).ok_or(SnapshotError::Release(version))
}

/// Only what is needed: some properties take a router long.
fn print_of(path: &str, also: Option<&BTreeSet<String>>) -> Command {
    let Some(menu) = Schema::get().menu(path) else { return Command::print(path) };
    let print = Command::print(path);
    if menu.kind == MenuKind::Single {
        return print;
    }
    let mut names: BTreeSet<&str> =
        menu.arguments().map(|(name, _)| name).filter(|name| *name != "copy-from").collect();
    names.remove("place-before");
    names.extend(MARKS);
    names.extend(["name", "default-name"].into_iter().filter(|name| menu.shows.contains(name)));
    names.extend(also.into_iter().flatten().map(String::as_str));
    let print = print.properties(names);
    if menu.shows.contains(&"dynamic") {
        let dynamic = Query::equals("dynamic", "true");
        return print.query(Query::Not(Box::new(dynamic)));
    }
    print
}
