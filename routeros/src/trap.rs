//! The errors of a router (`!trap`), told apart by what to do about them. By text first: the category is often absent.

use std::fmt;

/// One `!trap` sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// As the router says it; bytes that are no UTF-8 replaced.
    pub message: String,
    /// When the router gave one.
    pub category: Option<Category>,
}

/// What the router calls the kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// 0.
    MissingItemOrCommand,
    /// 1.
    ArgumentValue,
    /// 2.
    Interrupted,
    /// 3.
    Scripting,
    /// 4.
    General,
    /// 5.
    Api,
    /// 6.
    Tty,
    /// 7: the value of a `:return`.
    Return,
    /// Any other number.
    Other(u32),
}

/// What an error means for whoever sent the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Such an entry is there already. Read it by its key and go on.
    Already,
    /// The item is not there (any more). A removal has succeeded.
    MissingItem,
    /// A value that the router does not accept: a word, a range, a format, or a reference to something that is not there.
    BadValue,
    /// An argument is missing, or the item to work on.
    MissingArgument,
    /// The menu, the command or a parameter does not exist: version, package or hardware.
    Unsupported,
    /// The user, or the device-mode, does not permit it.
    Forbidden,
    /// Something else still uses the item.
    InUse,
    /// The command was cancelled.
    Interrupted,
    /// User name or password are wrong.
    Login,
    /// May succeed later: connection, timeout.
    Transient,
    /// Anything else.
    Other,
}

impl Trap {
    /// What it means.
    pub fn class(&self) -> ErrorClass {
        classify(&self.message, self.category)
    }

    /// The argument that it complains about, when the message names one.
    pub fn argument(&self) -> Option<&str> {
        const BEFORE: [&str; 6] = [
            "unknown parameter ",
            "input does not match any value of ",
            "ambiguous value of ",
            "missing value(s) of argument(s) ",
            "invalid value for argument ",
            "invalid value of ",
        ];
        let message = self.message.trim_start_matches("failure: ");
        let rest = match message.strip_prefix("value of ").filter(|rest| rest.contains(" out of range")) {
            Some(rest) => rest,
            None => BEFORE.iter().find_map(|before| message.strip_prefix(before))?,
        };
        let end = rest.find([' ', ',', ':']).unwrap_or(rest.len());
        Some(&rest[..end]).filter(|name| !name.is_empty())
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl From<u32> for Category {
    fn from(number: u32) -> Self {
        match number {
            0 => Category::MissingItemOrCommand,
            1 => Category::ArgumentValue,
            2 => Category::Interrupted,
            3 => Category::Scripting,
            4 => Category::General,
            5 => Category::Api,
            6 => Category::Tty,
            7 => Category::Return,
            other => Category::Other(other),
        }
    }
}

/// The parts of messages that decide, in this order.
const TEXTS: [(ErrorClass, &[&str]); 10] = [
    (ErrorClass::Login, &["invalid user name or password", "cannot log in", "not logged in", "commands before login"]),
    (ErrorClass::Forbidden, &["not enough permissions", "not allowed by device-mode"]),
    (ErrorClass::Already, &["already have", "already exists", "such name exists", "already added"]),
    (ErrorClass::MissingItem, &["no such item"]),
    (ErrorClass::Unsupported, &["no such command", "unknown parameter"]),
    (ErrorClass::MissingArgument, &["missing =", "missing value"]),
    (ErrorClass::InUse, &["has some users", "in use"]),
    (
        ErrorClass::BadValue,
        &[
            "input does not match",
            "ambiguous value",
            "out of range",
            "invalid value",
            "invalid or unexpected argument",
            "invalid network",
            "value of ",
            "only name or regexp",
            "contents too long",
        ],
    ),
    (ErrorClass::Transient, &["session closed", "timed out", "timeout"]),
    (ErrorClass::Interrupted, &["interrupted"]),
];

fn classify(message: &str, category: Option<Category>) -> ErrorClass {
    let message = message.to_lowercase();
    let by_text = TEXTS.iter().find(|(_, parts)| parts.iter().any(|part| message.contains(part)));
    match (by_text, category) {
        (Some((class, _)), _) => *class,
        (None, Some(Category::ArgumentValue)) => ErrorClass::BadValue,
        (None, Some(Category::Interrupted)) => ErrorClass::Interrupted,
        (None, _) => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap(message: &str) -> Trap {
        Trap { message: message.to_owned(), category: None }
    }

    #[test]
    fn messages_of_devices_have_their_class() {
        use ErrorClass::*;
        let cases = [
            ("invalid user name or password (6)", Login),
            ("cannot log in", Login),
            ("not logged in", Login),
            ("too many commands before login", Login),
            ("no such command", Unsupported),
            ("no such command or directory (wifi)", Unsupported),
            ("no such command prefix", Unsupported),
            ("unknown parameter", Unsupported),
            ("unknown parameter vrf", Unsupported),
            ("no such item", MissingItem),
            ("no such item (4)", MissingItem),
            ("missing =.id=", MissingArgument),
            ("missing value(s) of argument(s) interface", MissingArgument),
            ("input does not match any value of interface", BadValue),
            ("ambiguous value of action, more than one possible value matches input", BadValue),
            ("value of distance out of range (1..255)", BadValue),
            ("invalid value for argument address", BadValue),
            ("invalid value of mac-address, mac address required", BadValue),
            ("value of range must have ip address after '-'", BadValue),
            ("failure: already have such entry", Already),
            ("failure: already have such address", Already),
            ("failure: already have interface with such name", Already),
            ("failure: pool with such name exists", Already),
            ("failure: server with such name already exists", Already),
            ("server or relay with such interface already exists", Already),
            ("failure: such network already exists", Already),
            ("failure: invalid network", BadValue),
            ("failure: already have static lease for this client", Already),
            ("failure: entry already exists", Already),
            ("failure: only name or regexp allowed", BadValue),
            ("failure: device already added as bridge port", Already),
            ("failure: group has some users", InUse),
            ("failure: cannot remove hardware device", Other),
            ("failure: can not move object before itself", Other),
            ("failure: contents too long", BadValue),
            ("failure: not allowed by device-mode", Forbidden),
            ("not enough permissions (9)", Forbidden),
            ("interrupted", Interrupted),
            ("invalid or unexpected argument base", BadValue),
            ("session closed", Transient),
            ("value of idle-timeout out of range (1..255)", BadValue),
            ("No Such Item", MissingItem),
            ("something new", Other),
        ];
        for (message, class) in cases {
            assert_eq!(trap(message).class(), class, "{message}");
        }
    }

    #[test]
    fn the_category_decides_when_the_text_is_not_known() {
        let class = |category: u32| Trap { message: "odd".into(), category: Some(category.into()) }.class();
        assert_eq!(class(1), ErrorClass::BadValue);
        assert_eq!(class(2), ErrorClass::Interrupted);
        for category in [0, 3, 4, 5, 6, 7, 8] {
            assert_eq!(class(category), ErrorClass::Other, "{category}");
        }
        let known = Trap { message: "no such item".into(), category: Some(Category::ArgumentValue) };
        assert_eq!(known.class(), ErrorClass::MissingItem);
    }

    #[test]
    fn the_argument_is_found_in_the_message() {
        let cases = [
            ("unknown parameter comment", Some("comment")),
            ("input does not match any value of interface", Some("interface")),
            ("ambiguous value of action, more than one possible value matches input", Some("action")),
            ("value of distance out of range (1..255)", Some("distance")),
            ("invalid value of mac-address, mac address required", Some("mac-address")),
            ("missing value(s) of argument(s) interface", Some("interface")),
            ("unknown parameter", None),
            ("value of range must have ip address after '-'", None),
            ("no such item", None),
        ];
        for (message, argument) in cases {
            assert_eq!(trap(message).argument(), argument, "{message}");
        }
    }
}
