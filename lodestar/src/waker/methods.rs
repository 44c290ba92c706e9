//! Which ways of waking there are, and in which order they are tried.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A way to wake a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// HTTP (TR-069 §3.2.2).
    Http,
    /// UDP, through the NAT before the device (TR-069 Annex G).
    Udp,
    /// XMPP (TR-069 Annex K).
    Xmpp,
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Method::Http => "HTTP",
            Method::Udp => "UDP",
            Method::Xmpp => "XMPP",
        })
    }
}

/// The order when none is configured: XMPP, where a device can be reached by it; else HTTP and UDP at the same time.
pub const DEFAULT_ORDER: &str = "XMPP, HTTP+UDP";

/// Reads `cwmp.connectionRequestMethods`: steps separated by commas or blanks, one after the other; methods joined by `+` are used at
/// the same time. `None` when there is an unknown name in it, or nothing.
pub fn parse_order(text: &str) -> Option<Vec<Vec<Method>>> {
    let method = |name: &str| match name.trim().to_ascii_uppercase().as_str() {
        "HTTP" => Some(Method::Http),
        "UDP" | "STUN" => Some(Method::Udp),
        "XMPP" => Some(Method::Xmpp),
        _ => None,
    };
    let steps = text.split([',', ' ', ';']).filter(|step| !step.trim().is_empty());
    let steps: Option<Vec<Vec<Method>>> = steps.map(|step| step.split('+').map(method).collect()).collect();
    steps.filter(|steps| !steps.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_steps_and_what_is_done_at_the_same_time() {
        use Method::{Http, Udp, Xmpp};
        assert_eq!(parse_order(DEFAULT_ORDER).unwrap(), [vec![Xmpp], vec![Http, Udp]]);
        assert_eq!(parse_order("stun http").unwrap(), [vec![Udp], vec![Http]]);
        for wrong in ["", " , ", "HTTP, FAX", "HTTP+"] {
            assert_eq!(parse_order(wrong), None, "{wrong}");
        }
    }
}
