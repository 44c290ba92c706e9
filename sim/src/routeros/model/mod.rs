//! The router itself: what it is configured to, and what its commands do to it. It knows nothing of connections.
//!
//! [`Router::run`] carries out one command. `row` is what is kept, `links` the references between rows, `canonical` how values
//! are written, `factory` what is there from the beginning, `rules` what is refused, `services` what of it the
//! simulator offers on the network, `write` the commands that change rows,
//! `special` those of single menus, `shown` and `dynamic` what print shows, `certificates` and `keys` the real keys, `users` who may
//! do what, `dump` the whole as text.

mod canonical;
mod certificates;
pub(crate) mod dump;
mod dynamic;
mod factory;
pub(crate) mod interfaces;
mod keys;
mod links;
mod refusal;
mod row;
mod rules;
mod services;
mod shown;
mod special;
mod store;
pub(crate) mod users;
mod write;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use routeros_schema::{Menu, MenuKind, Release, Schema};
use tokio::sync::watch;

pub use certificates::Identity;
pub use refusal::{Refusal, Trap};
pub use row::State;
pub use special::Work;
pub use users::Caller;

use super::options::RouterOptions;
pub use super::query::Fields;
use super::query::keeps;
use super::request::Request;
use users::{has_policy, policy_for};

/// The history that safe mode can take back.
const HISTORY: u32 = 100;

/// A router.
pub struct Router {
    pub(crate) state: State,
    pub(crate) options: RouterOptions,
    booted: Instant,
    safe_mode: Option<SafeMode>,
    /// Counts changes; whoever follows a menu looks again.
    changes: watch::Sender<u64>,
}

/// Changes that are taken back unless somebody keeps them.
struct SafeMode {
    owner: Caller,
    before: State,
    actions: u32,
}

/// What a command comes to.
#[derive(Debug)]
pub enum Outcome {
    /// It is over.
    Done(Reply),
    /// Its rows come as the menu changes.
    Follow(Print),
    /// It takes a while.
    Work(Work),
    /// The router restarts after the reply.
    Restart,
}

/// The rows and the result of a command that is over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The rows.
    pub rows: Vec<Fields>,
    /// What `!done` carries.
    pub ret: Option<Vec<u8>>,
}

/// Which rows of a menu, and what of them.
#[derive(Debug, Clone, Default)]
pub struct Print {
    /// The menu.
    pub menu: String,
    query: Vec<String>,
    properties: Option<Vec<String>>,
    ids: Option<Vec<String>>,
    /// Rows that are there from the beginning are given, too.
    pub first: bool,
}

impl Reply {
    /// A result without rows.
    pub fn ret(value: impl Into<Vec<u8>>) -> Reply {
        Reply { rows: Vec::new(), ret: Some(value.into()) }
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Outcome {
        Outcome::Done(reply)
    }
}

impl Router {
    /// A factory-fresh router, or the one whose state is in the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(options: RouterOptions) -> std::io::Result<Router> {
        let state = match &options.state {
            Some(path) => store::load(path)?,
            None => None,
        };
        let state = state.unwrap_or_else(|| factory::factory_fresh(&options));
        let router = Router { state, options, booted: Instant::now(), safe_mode: None, changes: watch::Sender::new(0) };
        router.save()?;
        Ok(router)
    }

    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// Why it is refused. What it did until then may stay, as on a real router.
    pub fn run(&mut self, caller: &Caller, request: &Request) -> Result<Outcome, Refusal> {
        let (path, command) = request.split();
        let Some(menu) = self.menu(path) else {
            return match (path, command) {
                ("", "export") => self.export(request),
                _ => Err(self.unknown_menu(&request.path)),
            };
        };
        let command = if command == "getall" { "print" } else { command };
        let listens = command == "listen" && menu.has_command("print") && menu.kind != MenuKind::Commands;
        if !listens && !menu.has_command_in(self.release(), command) && command != "export" {
            return Err(if self.menu(&request.path).is_some() {
                Refusal::no_command()
            } else {
                self.unknown_command(menu, command)
            });
        }
        if !caller.local && !has_policy(&self.state, &caller.user, policy_for(menu.path, command)) {
            return Err(Refusal::forbidden());
        }
        if command != "export" {
            self.check_names(menu, if listens { "print" } else { command }, request)?;
        }
        match command {
            "print" if request.is_on("follow") || request.is_on("follow-only") => {
                Ok(Outcome::Follow(Print { first: request.is_on("follow"), ..print_of(menu, request) }))
            }
            "print" => Ok(self.print(menu, caller, request).into()),
            "listen" => Ok(Outcome::Follow(print_of(menu, request))),
            "get" => self.get(menu, caller, request).map(Outcome::from),
            "find" => Ok(self.find(menu, caller).into()),
            "export" => self.export(request),
            _ => self.change(menu, command, caller, request),
        }
    }

    /// The rows of a print, as they are now.
    pub fn rows(&self, print: &Print, caller: &Caller) -> Vec<Fields> {
        let Some(menu) = self.menu(&print.menu) else { return Vec::new() };
        let mut rows = shown::rows_of(self, menu, caller);
        rows.retain(|row| keeps(&print.query, row));
        if let Some(ids) = &print.ids {
            let is_wanted = |name: &str, row: &Fields| {
                row.get(name).is_some_and(|value| ids.iter().any(|id| id.as_bytes() == value.as_slice()))
            };
            rows.retain(|row| is_wanted(".id", row) || is_wanted("name", row));
        }
        rows
    }

    /// Only the wanted properties of a row.
    pub fn trim(&self, print: &Print, mut row: Fields) -> Fields {
        if let Some(wanted) = &print.properties {
            row.retain(|name, _| wanted.iter().any(|property| property == name));
        }
        row
    }

    /// Whether a user may log in over the API.
    pub fn may_log_in(&self, user: &str, password: &[u8]) -> bool {
        users::may_log_in(&self.state, user, password)
    }

    /// Whether a user may come in over REST.
    pub fn may_use_rest(&self, user: &str, password: &[u8]) -> bool {
        users::may_use(&self.state, user, password, "rest-api")
    }

    /// A connection has ended. Unless it said goodbye, what it did in safe mode is taken back.
    pub fn session_ended(&mut self, session: u64, orderly: bool) {
        if self.safe_mode.as_ref().is_some_and(|safe| safe.owner.session == session) {
            if orderly { self.safe_mode = None } else { self.unroll() }
        }
    }

    /// Starts again: what is not kept is gone.
    pub fn reboot(&mut self) {
        self.unroll();
        for rows in self.state.tables.values_mut() {
            rows.retain(|row| row.builtin || !row.dynamic);
        }
        self.booted = Instant::now();
        self.changed();
    }

    /// The whole configuration as text; equal texts are equal routers.
    pub fn dump(&self) -> String {
        dump::dump(&self.state)
    }

    /// The release, with a patch number.
    pub(crate) fn version(&self) -> String {
        self.options.release.to_string()
    }

    fn release(&self) -> Release {
        self.options.release
    }

    fn uptime(&self) -> Duration {
        self.booted.elapsed()
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// A menu that this router has.
    fn menu(&self, path: &str) -> Option<&'static Menu> {
        let menu = Schema::get().menu(path)?;
        let hardware = self.options.hardware;
        let missing = |above: &str, count: u32| count == 0 && factory::is_below(path, above);
        let absent = self.options.without.iter().any(|without| factory::is_below(path, without))
            || menu.arm64 && !hardware.arm64
            || missing("/interface/wifi", hardware.radios)
            || missing("/interface/lte", hardware.modems)
            || factory::is_below(path, "/interface/wireless");
        (menu.is_in(self.release()) && !absent).then_some(menu)
    }

    /// The first word of a path that leads nowhere.
    fn unknown_menu(&self, path: &str) -> Refusal {
        let known = |prefix: &str| {
            Schema::get().menus().any(|menu| factory::is_below(menu.path, prefix) && self.menu(menu.path).is_some())
        };
        let mut end = 0;
        for word in path.split('/').skip(1) {
            end += 1 + word.len();
            if !path.get(..end).is_some_and(known) {
                return Refusal::no_menu(word);
            }
        }
        Refusal::no_command()
    }

    /// A command that a menu does not have, or a menu below it that is not there.
    fn unknown_command(&self, menu: &Menu, command: &str) -> Refusal {
        let below = format!("{}/{command}", menu.path);
        let elsewhere = Schema::get().menu(&below).is_some();
        if elsewhere { Refusal::no_menu(command) } else { Refusal::no_command() }
    }

    fn check_names(&self, menu: &Menu, command: &str, request: &Request) -> Result<(), Refusal> {
        for (name, _) in &request.arguments {
            let bare = name.strip_prefix('!').filter(|_| command == "set").unwrap_or(name);
            let console = matches!(command, "print") && matches!(bare, "stats" | "detail" | "count-only" | "where");
            if !console && menu.argument_of(command, bare, self.release()).is_none() {
                return Err(Refusal::unknown_parameter(name));
            }
        }
        Ok(())
    }

    fn print(&self, menu: &Menu, caller: &Caller, request: &Request) -> Reply {
        let print = print_of(menu, request);
        let rows = self.rows(&print, caller);
        if request.is_on("count-only") {
            return Reply::ret(rows.len().to_string());
        }
        Reply { rows: rows.into_iter().map(|row| self.trim(&print, row)).collect(), ret: None }
    }

    fn get(&self, menu: &Menu, caller: &Caller, request: &Request) -> Result<Reply, Refusal> {
        let rows = shown::rows_of(self, menu, caller);
        let row = if menu.kind_in(self.release()) == MenuKind::Single {
            rows.first()
        } else {
            let item = request.items().or_else(|| request.text("number")).ok_or_else(Refusal::missing_id)?;
            let is_it = |row: &&Fields| {
                [".id", "name"].iter().any(|name| row.get(*name).is_some_and(|value| value == item.as_bytes()))
            };
            Some(rows.iter().find(is_it).ok_or_else(Refusal::no_item)?)
        };
        let Some(row) = row else { return Err(Refusal::no_item()) };
        match request.text("value-name") {
            Some(name) => Ok(Reply::ret(row.get(&name).cloned().unwrap_or_default())),
            None => {
                let pairs = row.iter().map(|(name, value)| [name.as_bytes(), b"=", value].concat());
                Ok(Reply::ret(pairs.collect::<Vec<_>>().join(&b';')))
            }
        }
    }

    fn find(&self, menu: &Menu, caller: &Caller) -> Reply {
        let rows = shown::rows_of(self, menu, caller);
        let ids: Vec<Vec<u8>> = rows.into_iter().filter_map(|mut row| row.remove(".id")).collect();
        Reply::ret(ids.join(&b';'))
    }

    /// Carries out a command that changes something, and remembers that it did.
    fn change(
        &mut self,
        menu: &'static Menu,
        command: &str,
        caller: &Caller,
        request: &Request,
    ) -> Result<Outcome, Refusal> {
        if menu.path == "/safe-mode" {
            return self.switch_safe_mode(command, caller).map(Outcome::from);
        }
        let result = match command {
            "add" => self.add(menu, request).map(Outcome::from),
            "set" => self.set(menu, request).map(Outcome::from),
            "remove" => self.remove(menu, request).map(Outcome::from),
            "move" => self.move_rows(menu, request).map(Outcome::from),
            "enable" | "disable" => self.switch(menu, command == "disable", request).map(Outcome::from),
            "comment" => self.comment(menu, request).map(Outcome::from),
            "unset" | "reset" => self.unset(menu, request).map(Outcome::from),
            _ => self.special(menu, command, request),
        };
        self.changed();
        result
    }

    /// Something may have changed: safe mode counts it, followers look, the state is saved.
    pub(crate) fn changed(&mut self) {
        if let Some(safe) = &mut self.safe_mode {
            safe.actions += 1;
            // Nobody is told, and nothing is undone.
            if safe.actions > HISTORY {
                self.safe_mode = None;
            }
        }
        if let Err(error) = self.save() {
            tracing::error!(%error, "the simulated router's state cannot be saved");
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// What is in safe mode is not kept until it is released.
    fn save(&self) -> std::io::Result<()> {
        match &self.options.state {
            Some(path) => store::save(path, self.safe_mode.as_ref().map_or(&self.state, |safe| &safe.before)),
            None => Ok(()),
        }
    }

    fn switch_safe_mode(&mut self, command: &str, caller: &Caller) -> Result<Reply, Refusal> {
        match command {
            "take" => match &self.safe_mode {
                Some(safe) if safe.owner != *caller => {
                    return Err(Refusal::failure("safe mode is taken by another session"));
                }
                Some(_) => {}
                None => {
                    self.safe_mode = Some(SafeMode { owner: caller.clone(), before: self.state.clone(), actions: 0 });
                }
            },
            // Also from another session: how a stale hold is cleared.
            "release" => self.safe_mode = None,
            "unroll" => self.unroll(),
            _ => return Err(Refusal::no_command()),
        }
        if let Err(error) = self.save() {
            tracing::error!(%error, "the simulated router's state cannot be saved");
        }
        Ok(Reply::default())
    }

    /// Files and certificates stay as they are: they have no history.
    fn unroll(&mut self) {
        let Some(safe) = self.safe_mode.take() else { return };
        let now = std::mem::replace(&mut self.state, safe.before);
        for menu in ["/file", "/certificate"] {
            if let Some(rows) = now.tables.get(menu) {
                *self.state.rows_mut(menu) = rows.clone();
            }
        }
        self.state.keep_ids_of(&now);
        self.changed();
    }

    fn safe_mode_fields(&self) -> Vec<(&'static str, String)> {
        match &self.safe_mode {
            Some(safe) => {
                vec![("enabled", "true".to_owned()), ("user", safe.owner.user.clone()), ("owner", "api".to_owned())]
            }
            None => vec![("enabled", "false".to_owned())],
        }
    }
}

fn print_of(menu: &Menu, request: &Request) -> Print {
    let list = |text: String| text.split(',').map(|name| name.trim().to_owned()).collect();
    Print {
        menu: menu.path.to_owned(),
        query: request.query.clone(),
        properties: request.text(".proplist").or_else(|| request.text("proplist")).map(list),
        ids: request.text("from").map(list),
        first: false,
    }
}
