//! What goes wrong on demand, at the n-th command.

/// At which command, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterFault {
    /// Which commands count.
    pub counted: Counted,
    /// The number of the command, from 1.
    pub number: u64,
    /// What happens to it.
    pub action: FaultAction,
}

/// Which commands count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All, except login, cancel and quit.
    Commands,
    /// Those that change something.
    Writes,
}

/// What happens to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultAction {
    /// It is refused with this message and not carried out.
    Refuse(String),
    /// The connection is cut, and it is not carried out.
    CutBefore,
    /// It is carried out, and then the connection is cut without a reply.
    CutAfter,
}

/// How many commands came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All, except login, cancel and quit.
    pub commands: u64,
    /// Those that change something.
    pub writes: u64,
}

impl RouterFault {
    /// Refuses the n-th write.
    pub fn refuse_write(number: u64) -> RouterFault {
        let action = FaultAction::Refuse("failure: injected by the simulator".to_owned());
        RouterFault { counted: Counted::Writes, number, action }
    }

    /// From the command line: `12`, or `12:message`.
    ///
    /// # Errors
    /// When it does not begin with a number.
    pub fn parse_refusal(text: &str) -> Result<RouterFault, String> {
        let (number, message) = text.split_once(':').unwrap_or((text, ""));
        let mut fault = RouterFault::refuse_write(parse_number(number)?);
        if !message.is_empty() {
            fault.action = FaultAction::Refuse(message.to_owned());
        }
        Ok(fault)
    }

    /// From the command line: `12`, `12:after` or `12:before`.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse_cut(text: &str) -> Result<RouterFault, String> {
        let (number, when) = text.split_once(':').unwrap_or((text, "after"));
        let action = match when {
            "after" => FaultAction::CutAfter,
            "before" => FaultAction::CutBefore,
            _ => return Err(format!("{when:?} is neither before nor after")),
        };
        Ok(RouterFault { counted: Counted::Writes, number: parse_number(number)?, action })
    }
}

impl Counts {
    /// Counts a command.
    pub(crate) fn count(&mut self, command: &str) {
        self.commands += 1;
        self.writes += u64::from(is_write(command));
    }

    /// What happens to the command that was just counted.
    pub(crate) fn fault<'a>(&self, faults: &'a [RouterFault], command: &str) -> Option<&'a FaultAction> {
        let is_due = |fault: &&RouterFault| match fault.counted {
            Counted::Commands => fault.number == self.commands,
            Counted::Writes => is_write(command) && fault.number == self.writes,
        };
        faults.iter().find(is_due).map(|fault| &fault.action)
    }
}

fn parse_number(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{text:?} is not the number of a command, from 1"))
}

/// Whether a command changes something. Safe mode is no change itself.
fn is_write(path: &str) -> bool {
    const READS: [&str; 9] =
        ["print", "getall", "get", "find", "listen", "monitor", "monitor-traffic", "read", "check-for-updates"];
    let command = path.rsplit('/').next().unwrap_or_default();
    !READS.contains(&command) && !path.starts_with("/safe-mode/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_the_command_and_what_happens() {
        assert_eq!(RouterFault::parse_refusal("3"), Ok(RouterFault::refuse_write(3)));
        let fault = RouterFault::parse_refusal("3:failure: no").unwrap();
        assert_eq!(fault.action, FaultAction::Refuse("failure: no".to_owned()));
        assert_eq!(RouterFault::parse_cut("2").unwrap().action, FaultAction::CutAfter);
        assert_eq!(RouterFault::parse_cut("2:before").unwrap().action, FaultAction::CutBefore);
        for wrong in ["", "0", "x", "2:never"] {
            assert!(RouterFault::parse_cut(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reads_and_safe_mode_are_no_writes() {
        let mut counts = Counts::default();
        for path in ["/ip/address/print", "/safe-mode/take", "/ip/address/add", "/system/reboot"] {
            counts.count(path);
        }
        assert_eq!(counts, Counts { commands: 4, writes: 2 });
        let faults = [RouterFault::refuse_write(2)];
        assert!(counts.fault(&faults, "/system/reboot").is_some());
        assert!(counts.fault(&faults, "/ip/address/print").is_none());
    }
}
