//! What a router is asked: a menu, an action, arguments, and for print a query and the wanted properties. Pure.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::query::Query;
use crate::secret::{Fields, Secret};
use crate::word::MAX_SENT_WORD;

/// A command. `Debug` does not show secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    menu: String,
    action: String,
    arguments: Vec<(String, Value)>,
    query: Option<Query>,
    properties: Vec<String>,
    timeout: Option<Duration>,
}

/// The value of an argument.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// May be seen.
    Plain(Bytes),
    /// May not.
    Secret(Secret),
}

/// A command that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The menu is not a path such as `/ip/address`, or the action not a word.
    #[error("{0:?} is not the path of a command, such as /ip/address/print")]
    Path(String),
    /// A name that would be read as something else.
    #[error("{path}: {name:?} is not the name of an argument or property")]
    Name {
        /// The command.
        path: String,
        /// As given.
        name: String,
    },
    /// A query on anything but a print: the router would take it for nothing and work on other items.
    #[error("{0}: only print takes a query")]
    Query(String),
    /// A value that is no UTF-8, where only text can be sent.
    #[error("{path}: the value of {name} is no UTF-8, and REST sends text only")]
    Text {
        /// The command.
        path: String,
        /// The argument.
        name: String,
    },
    /// Too long for every peer to read.
    #[error("{path}: the value of {name} has {length} bytes, at most {MAX_SENT_WORD} can be sent")]
    Length {
        /// The command.
        path: String,
        /// The argument.
        name: String,
        /// Its bytes.
        length: usize,
    },
}

impl Command {
    /// Any action of a menu: `Command::new("/system/script", "run")`.
    pub fn new(menu: impl Into<String>, action: impl Into<String>) -> Command {
        Command {
            menu: menu.into(),
            action: action.into(),
            arguments: Vec::new(),
            query: None,
            properties: Vec::new(),
            timeout: None,
        }
    }

    /// Reads the rows of a menu. See [`Self::query`] and [`Self::properties`].
    pub fn print(menu: impl Into<String>) -> Command {
        Command::new(menu, "print")
    }

    /// Adds a row. Its id is [`crate::Reply::ret`].
    pub fn add(menu: impl Into<String>) -> Command {
        Command::new(menu, "add")
    }

    /// Changes a row; without [`Self::item`], the one row of a menu that has just one.
    pub fn set(menu: impl Into<String>) -> Command {
        Command::new(menu, "set")
    }

    /// Removes a row.
    pub fn remove(menu: impl Into<String>, id: &str) -> Command {
        Command::new(menu, "remove").item(id)
    }

    /// Moves rows of a table with an order in front of `destination`, or to the end. The router takes a destination that does
    /// not exist for the end.
    pub fn move_items(menu: impl Into<String>, ids: &[&str], destination: Option<&str>) -> Command {
        let command = Command::new(menu, "move").argument("numbers", ids.join(","));
        match destination {
            Some(destination) => command.argument("destination", destination.to_owned()),
            None => command,
        }
    }

    /// Follows the changes of a menu; for [`crate::Client::listen`].
    pub fn listen(menu: impl Into<String>) -> Command {
        Command::new(menu, "listen")
    }

    /// The item to work on: an id exactly as the router gave it, or in some menus a name.
    #[must_use]
    pub fn item(self, id: &str) -> Command {
        self.argument(".id", id.to_owned())
    }

    /// An argument. An empty value clears a property.
    #[must_use]
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Command {
        self.arguments.push((name.into(), Value::Plain(value.into())));
        self
    }

    /// An argument that must not be seen.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: Secret) -> Command {
        self.arguments.push((name.into(), Value::Secret(value)));
        self
    }

    /// Where an added row goes: in front of this one.
    #[must_use]
    pub fn place_before(self, id: &str) -> Command {
        self.argument("place-before", id.to_owned())
    }

    /// Which rows a print gives.
    #[must_use]
    pub fn query(mut self, query: Query) -> Command {
        self.query = Some(match self.query {
            Some(other) => other.and(query),
            None => query,
        });
        self
    }

    /// Which properties a print gives. Without this all, also those that take the router long.
    #[must_use]
    pub fn properties<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Command {
        self.properties.extend(names.into_iter().map(Into::into));
        self
    }

    /// How long it may take, instead of what the client's options say.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Command {
        self.timeout = Some(timeout);
        self
    }

    /// The menu, such as `/ip/address`.
    pub fn menu(&self) -> &str {
        &self.menu
    }

    /// The action, such as `print`.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Menu and action in one, such as `/ip/address/print`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.menu.trim_end_matches('/'), self.action)
    }

    /// The arguments in the order in which they were given.
    pub fn arguments(&self) -> impl Iterator<Item = (&str, &Value)> + Clone {
        self.arguments.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The query, when there is one.
    pub fn query_words(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// The wanted properties; empty for all.
    pub fn wanted_properties(&self) -> &[String] {
        &self.properties
    }

    /// The timeout, when it has its own.
    pub fn own_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether it only reads, so that it may be sent again when nobody knows whether it was carried out.
    pub fn is_read(&self) -> bool {
        matches!(self.action.as_str(), "print" | "getall")
    }

    /// The words of its sentence, without a tag.
    ///
    /// # Errors
    /// When the router could take it for something else than is meant.
    pub fn words(&self) -> Result<Vec<Vec<u8>>, CommandError> {
        let path = self.path();
        if !is_path(&path) {
            return Err(CommandError::Path(path));
        }
        if self.query.is_some() && !self.is_read() {
            return Err(CommandError::Query(path));
        }
        let queried = self.query.iter().flat_map(Query::names);
        let names = self.arguments().map(|(name, _)| name).chain(queried);
        for name in names.chain(self.properties.iter().map(String::as_str)) {
            if !is_name(name) {
                return Err(CommandError::Name { path, name: name.to_owned() });
            }
        }
        let mut words = vec![path.clone().into_bytes()];
        for (name, value) in self.arguments() {
            words.push([b"=", name.as_bytes(), b"=", value.bytes()].concat());
        }
        if !self.properties.is_empty() {
            words.push(format!("=.proplist={}", self.properties.join(",")).into_bytes());
        }
        words.extend(self.query.iter().flat_map(Query::words));
        match words.iter().find(|word| word.len() > MAX_SENT_WORD) {
            Some(word) => {
                let name =
                    word.iter().skip(1).take_while(|byte| **byte != b'=').map(|byte| char::from(*byte)).collect();
                Err(CommandError::Length { path, name, length: word.len() })
            }
            None => Ok(words),
        }
    }
}

impl Value {
    /// The bytes, for the wire.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Plain(bytes) => bytes,
            Value::Secret(secret) => secret.reveal().as_bytes(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Plain(bytes) => fmt::Debug::fmt(&String::from_utf8_lossy(bytes), formatter),
            Value::Secret(secret) => fmt::Debug::fmt(secret, formatter),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = self.arguments().map(|(name, value)| match value {
            Value::Plain(bytes) => (name, Some(bytes.as_ref())),
            Value::Secret(_) => (name, None),
        });
        formatter.write_str(&self.path())?;
        formatter.write_str(" ")?;
        fmt::Debug::fmt(&Fields(arguments), formatter)
    }
}

/// `/` and words of small letters, digits and hyphens.
fn is_path(path: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    path.strip_prefix('/').is_some_and(|words| words.split('/').all(is_word))
}

/// RouterOS uses letters, digits, hyphens and dots, a `!` in front to unset a property, and in a few menus underscores.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('!').unwrap_or(name);
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_good)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(command: &Command) -> Vec<String> {
        command.words().unwrap().into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn commands_become_words() {
        let cases = [
            (Command::print("/ip/address"), vec!["/ip/address/print"]),
            (
                Command::print("/ip/address")
                    .properties([".id", "address"])
                    .query(Query::equals("interface", "ether1"))
                    .query(Query::equals("dynamic", "false")),
                vec!["/ip/address/print", "=.proplist=.id,address", "?=interface=ether1", "?=dynamic=false", "?#&"],
            ),
            (
                Command::add("/ip/firewall/filter")
                    .argument("chain", "input")
                    .argument("comment", "")
                    .place_before("*1"),
                vec!["/ip/firewall/filter/add", "=chain=input", "=comment=", "=place-before=*1"],
            ),
            (
                Command::set("/interface").item("*2").argument("name", "a=b").argument("!mtu", ""),
                vec!["/interface/set", "=.id=*2", "=name=a=b", "=!mtu="],
            ),
            (Command::set("/ip/dns").argument("servers", "192.0.2.1"), vec!["/ip/dns/set", "=servers=192.0.2.1"]),
            (Command::remove("/ip/pool", "*F"), vec!["/ip/pool/remove", "=.id=*F"]),
            (
                Command::move_items("/ip/firewall/nat", &["*1", "*2"], Some("*9")),
                vec!["/ip/firewall/nat/move", "=numbers=*1,*2", "=destination=*9"],
            ),
            (Command::move_items("/ip/firewall/nat", &["*1"], None), vec!["/ip/firewall/nat/move", "=numbers=*1"]),
            (
                Command::add("/ppp/secret").secret("password", "sesame".into()),
                vec!["/ppp/secret/add", "=password=sesame"],
            ),
        ];
        for (command, expected) in cases {
            assert_eq!(texts(&command), expected, "{command:?}");
        }
    }

    #[test]
    fn values_are_sent_byte_for_byte() {
        let words = Command::set("/x").argument("comment", &b"\x00=\xFC\n"[..]).words().unwrap();
        assert_eq!(words[1], b"=comment=\x00=\xFC\n");
    }

    #[test]
    fn what_would_be_read_as_something_else_is_not_sent() {
        for menu in ["ip", "/ip//address", "/ip address", "/ip/=x", "/IP", "/ip/add\0ress"] {
            assert!(matches!(Command::print(menu).words(), Err(CommandError::Path(_))), "{menu}");
        }
        // Commands such as /ping are in no menu.
        assert!(Command::new("", "ping").words().is_ok());
        assert!(Command::new("", "").words().is_err());
        for name in ["", "a=b", "a b", "?a", "a,b", "!", "-a", "ü"] {
            let commands = [
                Command::set("/x").argument(name, "1"),
                Command::print("/x").properties([name]),
                Command::print("/x").query(Query::Has(name.into())),
            ];
            for command in commands {
                assert!(matches!(command.words(), Err(CommandError::Name { .. })), "{name} {command:?}");
            }
        }
        let set = Command::set("/x").query(Query::id("*1"));
        assert_eq!(set.words(), Err(CommandError::Query("/x/set".into())));
    }

    #[test]
    fn secrets_are_not_shown() {
        let command = Command::add("/ppp/secret")
            .argument("name", "u1")
            .secret("service", "sesame".into())
            .argument("password", "sesame");
        assert_eq!(
            format!("{command:?}"),
            r#"/ppp/secret/add {"name": "u1", "service": <secret>, "password": <secret>}"#
        );
    }

    #[test]
    fn only_prints_may_be_repeated() {
        assert!(Command::print("/x").is_read() && Command::new("/x", "getall").is_read());
        assert!(
            !Command::add("/x").is_read() && !Command::listen("/x").is_read() && !Command::new("/x", "run").is_read()
        );
    }
}
