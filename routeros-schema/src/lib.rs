//! What RouterOS 7 has: its menus, their commands and arguments, and the form of their values, as data.
//!
//! `menus.txt` is the data and describes its own format, `read` reads it, [`value`] checks values, [`interval`] knows how times
//! are written. A command can be checked before any router sees it: [`Schema::check`].
//!
//! Not here: what a router does. The simulated router and whoever configures routers use the same facts and no common behaviour,
//! so that each tests the other.

pub mod interval;
mod read;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

pub use value::{Kind, Type, ValueMistake};

/// All menus of a release and, marked, those parts that came or went with others.
#[derive(Debug)]
pub struct Schema {
    release: Release,
    menus: BTreeMap<&'static str, Menu>,
}

/// A release of RouterOS, by its first two numbers: differences within a minor line are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// 7.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

/// A menu.
#[derive(Debug)]
pub struct Menu {
    /// Such as `/ip/address`.
    pub path: &'static str,
    /// What it holds.
    pub kind: MenuKind,
    /// The order of its rows means something: it has `move`, and `place-before` when adding.
    pub ordered: bool,
    /// Its rows are built in.
    pub fixed: bool,
    /// Only devices with an ARM64 processor have it.
    pub arm64: bool,
    /// The first release with it; `None` for all of 7.
    pub since: Option<Release>,
    /// The last release in which it held one row of settings; `None` when it always held what it holds now.
    pub single_until: Option<Release>,
    /// Without these nothing can be added.
    pub needs: Vec<&'static str>,
    /// What print shows and nothing writes.
    pub shows: Vec<&'static str>,
    commands: BTreeMap<&'static str, Vec<&'static str>>,
    arguments: BTreeMap<&'static str, Argument>,
}

/// What a menu holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuKind {
    /// Rows with ids.
    Table,
    /// One row of settings, without an id.
    Single,
    /// Only commands.
    Commands,
}

/// An argument of `add` and `set`.
#[derive(Debug)]
pub struct Argument {
    /// The form of its value.
    pub kind: Type,
    /// What its value names.
    pub reference: Option<Reference>,
    /// Which of the two commands take it.
    pub scope: Scope,
    /// It is a password or key.
    pub secret: bool,
    /// The first release with it; `None` for all of 7.
    pub since: Option<Release>,
    /// The last release with it; `None` when it is still there.
    pub until: Option<Release>,
}

/// Rows of other menus that a value names.
#[derive(Debug)]
pub struct Reference {
    /// The menus, one of which has the row.
    pub menus: Vec<&'static str>,
    /// The value may also be something that is no name.
    pub optional: bool,
}

/// Which command takes an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Both.
    AddAndSet,
    /// Only `add`.
    Add,
    /// Only `set`.
    Set,
}

/// What is wrong with a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// There is no such menu in this release.
    #[error("{0}: there is no such menu")]
    Menu(String),
    /// The menu has no such command.
    #[error("{menu}: there is no command {command:?}")]
    Command {
        /// The menu.
        menu: String,
        /// The command.
        command: String,
    },
    /// The command has no such argument.
    #[error("{command}: there is no argument {argument:?}")]
    Argument {
        /// Menu and command.
        command: String,
        /// The argument.
        argument: String,
    },
    /// The argument does not take this value. The value is not shown, as it may be secret.
    #[error("{command}: {}", mistake.describe(argument))]
    Value {
        /// Menu and command.
        command: String,
        /// The argument.
        argument: String,
        /// What is wrong with it.
        mistake: ValueMistake,
    },
    /// An argument is missing.
    #[error("{command}: {argument:?} is missing")]
    Missing {
        /// Menu and command.
        command: String,
        /// The argument.
        argument: String,
    },
}

impl Schema {
    /// The schema.
    #[allow(clippy::panic, reason = "the data is compiled in, and a test reads it")]
    pub fn get() -> &'static Schema {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| match read::read(include_str!("menus.txt")) {
            Ok(schema) => schema,
            Err(mistake) => panic!("menus.txt: {mistake}"),
        });
        &SCHEMA
    }

    /// The release that it describes.
    pub fn release(&self) -> Release {
        self.release
    }

    /// A menu of any release.
    pub fn menu(&self, path: &str) -> Option<&Menu> {
        self.menus.get(path)
    }

    /// All menus, by path.
    pub fn menus(&self) -> impl Iterator<Item = &Menu> {
        self.menus.values()
    }

    /// Checks a command with its arguments, in the words of the API: `.id` and `numbers` name rows, `!name` unsets. Whether
    /// what values refer to exists, only a router knows.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check<'a>(
        &self,
        release: Release,
        path: &str,
        command: &str,
        arguments: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), Mistake> {
        let menu = self.menu(path).filter(|menu| menu.is_in(release)).ok_or_else(|| Mistake::Menu(path.to_owned()))?;
        if !menu.has_command_in(release, command) {
            return Err(Mistake::Command { menu: path.to_owned(), command: command.to_owned() });
        }
        let full = || format!("{path}/{command}");
        let mut given = Vec::new();
        for (name, value) in arguments {
            given.push(name);
            let unset = name.strip_prefix('!').filter(|_| command == "set");
            let Some(found) = menu.argument_of(command, unset.unwrap_or(name), release) else {
                return Err(Mistake::Argument { command: full(), argument: name.to_owned() });
            };
            if let (Some(argument), None) = (found, unset) {
                argument.kind.check(value).map_err(|mistake| Mistake::Value {
                    command: full(),
                    argument: name.to_owned(),
                    mistake,
                })?;
            }
        }
        let missing = menu.needs.iter().find(|need| command == "add" && !given.contains(need));
        match missing {
            Some(need) => Err(Mistake::Missing { command: full(), argument: (*need).to_owned() }),
            None => Ok(()),
        }
    }
}

impl Menu {
    /// Whether a release has it.
    pub fn is_in(&self, release: Release) -> bool {
        self.since.is_none_or(|since| since <= release)
    }

    /// What it holds in a release.
    pub fn kind_in(&self, release: Release) -> MenuKind {
        if self.single_until.is_some_and(|until| release <= until) { MenuKind::Single } else { self.kind }
    }

    /// Whether it has this command.
    pub fn has_command(&self, command: &str) -> bool {
        self.commands.contains_key(command)
    }

    /// Whether it has this command in a release that has the menu.
    pub fn has_command_in(&self, release: Release, command: &str) -> bool {
        let is_of_rows = matches!(command, "add" | "remove" | "enable" | "disable" | "comment");
        let lacks_rows = self.kind == MenuKind::Table && self.kind_in(release) != MenuKind::Table;
        self.has_command(command) && !(is_of_rows && lacks_rows)
    }

    /// The names of its commands.
    pub fn commands(&self) -> impl Iterator<Item = &'static str> {
        self.commands.keys().copied()
    }

    /// An argument of `add` or `set`, in any release.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.get(name)
    }

    /// The arguments of `add` and `set`, by name.
    pub fn arguments(&self) -> impl Iterator<Item = (&'static str, &Argument)> {
        self.arguments.iter().map(|(name, argument)| (*name, argument))
    }

    /// Whether rows can have a comment.
    pub fn has_comment(&self, release: Release) -> bool {
        self.argument("comment").is_some_and(|comment| comment.is_in(release))
    }

    /// What a command knows under this name: nothing, an argument whose values have a form, or one without
    /// (`Some(None)`), such as the rows to work on.
    pub fn argument_of(&self, command: &str, name: &str, release: Release) -> Option<Option<&Argument>> {
        let own = self.commands.get(command)?;
        if matches!(command, "add" | "set") {
            let other = if command == "add" { Scope::Set } else { Scope::Add };
            let argument = self.argument(name).filter(|found| found.is_in(release) && found.scope != other);
            if argument.is_some() {
                return Some(argument);
            }
        }
        let rows = match name {
            ".id" => own.iter().any(|known| matches!(*known, "numbers" | "number")) || self.is_set_of_rows(command),
            "numbers" => own.contains(&name) || self.is_set_of_rows(command),
            ".proplist" => true,
            _ => own.contains(&name),
        };
        rows.then_some(None)
    }

    fn is_set_of_rows(&self, command: &str) -> bool {
        command == "set" && self.kind == MenuKind::Table
    }
}

impl Argument {
    /// Whether a release has it.
    pub fn is_in(&self, release: Release) -> bool {
        self.since.is_none_or(|since| since <= release) && self.until.is_none_or(|until| release <= until)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl std::str::FromStr for Release {
    type Err = String;

    /// `7.18`, or with more behind it: `7.18.2`, `7.18rc1 (testing)`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a release such as 7.18");
        let (major, rest) = text.split_once('.').ok_or_else(wrong)?;
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let number = |digits: &str| digits.parse::<u16>().map_err(|_| wrong());
        Ok(Release { major: number(major)?, minor: number(&rest[..end])? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NEWEST: Release = Release { major: 7, minor: 24 };

    type Arguments = &'static [(&'static str, &'static str)];

    fn check(path: &str, command: &str, arguments: Arguments) -> Result<(), String> {
        let arguments = arguments.iter().map(|(name, value)| (*name, value.as_bytes()));
        Schema::get().check(NEWEST, path, command, arguments).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn the_data_is_complete() {
        let schema = Schema::get();
        assert_eq!(schema.release(), NEWEST);
        let tables = schema.menus().filter(|menu| menu.kind == MenuKind::Table).count();
        let singles = schema.menus().filter(|menu| menu.kind == MenuKind::Single).count();
        assert_eq!((schema.menus().count(), tables, singles), (358, 257, 87));
        for menu in schema.menus() {
            for (name, argument) in menu.arguments() {
                let referred = argument.reference.iter().flat_map(|reference| &reference.menus);
                for target in referred.chain(argument.kind.target.iter()) {
                    assert!(schema.menu(target).is_some(), "{} {name}: {target}", menu.path);
                }
            }
            for need in &menu.needs {
                assert!(menu.argument(need).is_some(), "{} needs {need}", menu.path);
            }
            assert_eq!(menu.ordered, menu.has_command("move"), "{}", menu.path);
        }
    }

    #[test]
    fn commands_that_a_router_would_take_are_right() {
        let right: [(&str, &str, Arguments); 8] = [
            ("/ip/address", "add", &[("address", "192.0.2.1/24"), ("interface", "ether1"), ("comment", "a=b;\"c\"")]),
            ("/ip/address", "set", &[(".id", "*1A"), ("disabled", "yes")]),
            ("/ip/address", "remove", &[("numbers", "*1,*2")]),
            ("/ip/dns", "set", &[("servers", "192.0.2.53,2001:db8::53"), ("cache-max-ttl", "7d")]),
            ("/ip/firewall/filter", "add", &[("chain", "input"), ("action", "drop"), ("place-before", "*1")]),
            ("/ip/firewall/filter", "set", &[(".id", "*1"), ("!src-address", "")]),
            ("/routing/table", "add", &[("name", "to-a"), ("fib", "")]),
            ("/certificate", "sign", &[(".id", "*1"), ("ca", "root")]),
        ];
        for (path, command, arguments) in right {
            assert_eq!(check(path, command, arguments), Ok(()), "{path}/{command}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let cases: [(&str, &str, Arguments, &str); 9] = [
            ("/ip/adress", "add", &[], "/ip/adress: there is no such menu"),
            ("/ip/service", "add", &[], "/ip/service: there is no command \"add\""),
            ("/ip/address", "add", &[("adress", "")], "/ip/address/add: there is no argument \"adress\""),
            ("/ip/address", "set", &[("copy-from", "*1")], "/ip/address/set: there is no argument \"copy-from\""),
            ("/ip/address", "set", &[("dynamic", "no")], "/ip/address/set: there is no argument \"dynamic\""),
            ("/certificate", "sign", &[("numbers", "*1")], "/certificate/sign: there is no argument \"numbers\""),
            ("/ip/address", "add", &[("address", "192.0.2.1/24")], "/ip/address/add: \"interface\" is missing"),
            (
                "/ip/firewall/filter",
                "add",
                &[("chain", "input"), ("action", "drops")],
                "/ip/firewall/filter/add: input does not match any value of action",
            ),
            (
                "/interface/vlan",
                "add",
                &[("interface", "ether1"), ("vlan-id", "5000")],
                "/interface/vlan/add: value of vlan-id out of range (1..4095)",
            ),
        ];
        for (path, command, arguments, mistake) in cases {
            assert_eq!(check(path, command, arguments).unwrap_err(), mistake);
        }
    }

    #[test]
    fn older_releases_have_less() {
        let schema = Schema::get();
        let release = |text: &str| text.parse::<Release>().unwrap();
        let check = |text: &str, path: &str, arguments: &[(&str, &[u8])]| {
            schema.check(release(text), path, "add", arguments.iter().copied()).is_ok()
        };
        let forwarder: [(&str, &[u8]); 1] = [("name", b"a")];
        assert!(!check("7.16", "/ip/dns/forwarders", &forwarder) && check("7.17.1", "/ip/dns/forwarders", &forwarder));
        let vrf: [(&str, &[u8]); 2] = [("name", b"wg1"), ("vrf", b"main")];
        assert!(!check("7.20.8", "/interface/wireguard", &vrf) && check("7.21", "/interface/wireguard", &vrf));
        let logging = schema.menu("/system/logging").unwrap();
        assert!(!logging.has_comment(release("7.21")) && logging.has_comment(release("7.22 (stable)")));
        assert!("7".parse::<Release>().is_err() && "x.1".parse::<Release>().is_err());
    }

    #[test]
    fn a_menu_of_rows_may_have_been_one_of_settings() {
        let schema = Schema::get();
        let release = |text: &str| text.parse::<Release>().unwrap();
        let menu = schema.menu("/interface/ovpn-server/server").unwrap();
        assert_eq!([menu.kind_in(release("7.16")), menu.kind_in(release("7.17"))], [MenuKind::Single, MenuKind::Table]);
        let check = |text: &str, command: &str, name: &'static str| {
            schema
                .check(release(text), menu.path, command, [(name, &b"yes"[..])])
                .map_err(|mistake| mistake.to_string())
        };
        assert_eq!(check("7.16", "set", "enabled"), Ok(()));
        assert_eq!(check("7.17", "add", "disabled"), Ok(()));
        let refused = "/interface/ovpn-server/server: there is no command \"add\"";
        assert_eq!(check("7.16", "add", "port").unwrap_err(), refused);
    }

    #[test]
    fn menus_without_comments_are_known() {
        let without =
            ["/certificate", "/ip/ipsec/profile", "/ip/ipsec/mode-config", "/ip/upnp/interfaces", "/ip/service"];
        for path in without {
            assert!(!Schema::get().menu(path).unwrap().has_comment(NEWEST), "{path}");
        }
        assert!(Schema::get().menu("/ip/address").unwrap().has_comment(NEWEST));
    }
}
