//! Why a router does not do what it is asked, in its words.

/// The traps of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub Vec<Trap>);

/// One trap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// Some traps have a number that tells their kind.
    pub category: Option<u8>,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// A message alone.
    pub fn plain(message: impl Into<String>) -> Refusal {
        Refusal(vec![Trap { category: None, message: message.into() }])
    }

    /// What the router calls a failure.
    pub fn failure(message: impl std::fmt::Display) -> Refusal {
        Refusal::plain(format!("failure: {message}"))
    }

    /// A value that is not accepted.
    pub fn value(message: impl Into<String>) -> Refusal {
        Refusal(vec![Trap { category: Some(1), message: message.into() }])
    }

    /// A value that names nothing.
    pub fn no_match(argument: &str) -> Refusal {
        Refusal::value(format!("input does not match any value of {argument}"))
    }

    /// A row that is not there.
    pub fn no_item() -> Refusal {
        Refusal(vec![Trap { category: Some(0), message: "no such item".to_owned() }])
    }

    /// No row was named.
    pub fn missing_id() -> Refusal {
        Refusal::plain("missing =.id=")
    }

    /// Arguments without which it cannot be done.
    pub fn missing(arguments: &[&str]) -> Refusal {
        Refusal::plain(format!("missing value(s) of argument(s) {}", arguments.join(" ")))
    }

    /// An argument that is not known here.
    pub fn unknown_parameter(name: &str) -> Refusal {
        Refusal::plain(format!("unknown parameter {name}"))
    }

    /// A command that the menu does not have.
    pub fn no_command() -> Refusal {
        Refusal(vec![Trap { category: Some(0), message: "no such command".to_owned() }])
    }

    /// A menu that is not there; `word` is the part of the path that is not known.
    pub fn no_menu(word: &str) -> Refusal {
        let first = Trap { category: Some(0), message: format!("no such command or directory ({word})") };
        Refusal(vec![first, Trap { category: Some(0), message: "no such command prefix".to_owned() }])
    }

    /// The user's group does not permit it.
    pub fn forbidden() -> Refusal {
        Refusal::plain("not enough permissions (9)")
    }

    /// The command was stopped.
    pub fn interrupted() -> Refusal {
        Refusal(vec![Trap { category: Some(2), message: "interrupted".to_owned() }])
    }

    /// The first message.
    pub fn message(&self) -> &str {
        self.0.first().map_or("", |trap| &trap.message)
    }
}
