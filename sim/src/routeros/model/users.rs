//! Who may log in, and what their groups may do.

use super::links::text_of;
use super::row::State;

/// The policies of groups, in the order in which they are shown.
pub const POLICIES: [&str; 17] = [
    "local",
    "telnet",
    "ssh",
    "ftp",
    "reboot",
    "read",
    "write",
    "policy",
    "test",
    "winbox",
    "password",
    "web",
    "sniff",
    "sensitive",
    "api",
    "romon",
    "rest-api",
];

/// Who sends a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    /// The connection; safe mode belongs to one.
    pub session: u64,
    /// Whoever is at the router itself: may do everything.
    pub local: bool,
}

impl Caller {
    /// Somebody at the router itself.
    pub fn local() -> Caller {
        Caller { user: "local".to_owned(), session: 0, local: true }
    }
}

/// Whether a user may log in over the API with this password.
pub fn may_log_in(state: &State, user: &str, password: &[u8]) -> bool {
    may_use(state, user, password, "api")
}

/// The same for a way in that needs another policy.
pub fn may_use(state: &State, user: &str, password: &[u8], policy: &str) -> bool {
    let Some(row) = state.find("/user", "name", user).filter(|row| !row.is_disabled()) else { return false };
    let known = row.text("password").unwrap_or_default();
    is_same(known.as_bytes(), password) && has_policy(state, user, policy)
}

/// Whether a user's group has a policy.
pub fn has_policy(state: &State, user: &str, policy: &str) -> bool {
    let Some(row) = state.find("/user", "name", user) else { return false };
    let group = text_of(state, row, "group").unwrap_or_default();
    let policies = state.find("/user/group", "name", &group).and_then(|group| group.text("policy")).unwrap_or_default();
    policies.split(',').any(|known| known == policy)
}

/// The policy that a command needs.
pub fn policy_for(menu: &str, command: &str) -> &'static str {
    match (menu, command) {
        (_, "print" | "get" | "find" | "listen") => "read",
        ("/user" | "/user/group" | "/user/aaa", _) => "policy",
        ("/system", "reboot" | "shutdown") => "reboot",
        (_, "ping" | "traceroute" | "scan") => "test",
        (_, "monitor" | "monitor-traffic" | "show-client-config") => "read",
        ("/system/backup", _) => "ftp",
        ("/file", "read") => "read",
        _ => "write",
    }
}

/// Compares without telling by its time where the difference is.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |all, (left, right)| all | (left ^ right)) == 0
}
