//! Scripts that run on the router: a text with places, into which only quoted text goes.

use crate::compile::Builder;
use crate::quote::quote;

/// What a script may do that fetches something and writes it down: fetching needs `ftp`.
const POLICY: &str = "ftp,read,test,write";

/// Finds out whether the certificates of servers can be checked: `$check` is `yes` or `no`.
const TRUST: &str = include_str!("trust.rsc");

/// A script with its places, `{{name}}`, filled with texts as strings of the script language. Lines of comments above the first
/// command are for readers of this repository.
pub(super) fn fill(template: &str, places: &[(&str, &str)]) -> String {
    let mut script = template.trim_start();
    while let Some(rest) = script.strip_prefix('#') {
        script = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    let mut script = script.replace("{{trust}}", TRUST.trim_end());
    // A text is quoted before it is put in, and quoted text has no braces.
    for (name, text) in places {
        script = script.replace(&format!("{{{{{name}}}}}"), &quote(text));
    }
    script
}

/// A script with a scheduler of its own.
pub(super) struct Script<'a> {
    /// What tells its steps from others of the resource.
    pub what: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub source: &'a str,
    /// Whether there is a secret in it; the whole of it is one then.
    pub is_secret: bool,
    /// When it fails, the others go on.
    pub is_optional: bool,
}

impl Script<'_> {
    /// Wants the script. Gives its step.
    pub(super) fn add(&self, builder: &mut Builder<'_>) -> String {
        let row = builder.add(&format!("{}-script", self.what), "/system/script", &["name"]);
        let row = row.arg("name", self.name).arg("policy", POLICY);
        let row = if self.is_secret { row.secret_text("source", self.source) } else { row.arg("source", self.source) };
        if self.is_optional { row.optional().done() } else { row.done() }
    }

    /// Wants its scheduler.
    pub(super) fn schedule(&self, builder: &mut Builder<'_>, script: &str, scheduler: &str, times: &[(&str, &str)]) {
        let row = builder.add(&format!("{}-scheduler", self.what), "/system/scheduler", &["name"]);
        // The name alone stands for the script; as a command it would be code.
        let is_word = self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let event = if is_word { self.name.to_owned() } else { format!("/system/script/run {}", quote(self.name)) };
        let mut row = row.arg("name", scheduler).arg("on-event", event).arg("policy", POLICY).needs(script);
        for (name, value) in times {
            row = row.arg(name, *value);
        }
        // What starts with the router is there for one time only.
        if times.contains(&("start-time", "startup")) {
            row = row.once();
        }
        if self.is_optional {
            row.optional().done()
        } else {
            row.done()
        };
    }
}
