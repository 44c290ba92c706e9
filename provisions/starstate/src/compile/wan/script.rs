//! Scripts that run on the router when a lease or the state of a link changes. Pure.

use crate::quote::{quote, quote_pattern_of_end};

/// Of a DHCP client: routes through its interface get the gateway of the lease. They are those whose comments end with `label`.
pub(super) fn follow_lease(label: &str, interface: &str) -> String {
    let through = quote(&format!("%{interface}"));
    let pattern = quote_pattern_of_end(label);
    format!(
        ":if ($bound = 1) do={{ \
         :local gateway ($\"gateway-address\" . {through}); \
         :foreach route in=[/ip/route/find where comment~{pattern}] do={{ \
         :local now [:tostr [/ip/route/get $route gateway]]; \
         :if (([:typeof [:find $now {through}]] = \"num\") && ($now != $gateway)) do={{ \
         /ip/route/set $route gateway=$gateway }} }} }}"
    )
}

/// Of Netwatch: routes whose comments end with `label` are switched on or off.
pub(super) fn switch_routes(label: &str, on: bool) -> String {
    let command = if on { "enable" } else { "disable" };
    format!("/ip/route/{command} [/ip/route/find where comment~{}]", quote_pattern_of_end(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_in_scripts() {
        assert_eq!(
            switch_routes("CheckIP-Route-to-Foreign-a\"; /system/reboot", false),
            r#"/ip/route/disable [/ip/route/find where comment~"CheckIP\5B-\5DRoute\5B-\5Dto\5B-\5DForeign\5B-\5Da\5B\"\5D\5B\3B\5D \5B/\5Dsystem\5B/\5Dreboot\$"]"#
        );
        assert_eq!(
            follow_lease("Route-to-Foreign-Sat", "MacVLAN-ether2-Sat"),
            r#":if ($bound = 1) do={ :local gateway ($"gateway-address" . "%MacVLAN-ether2-Sat"); :foreach route in=[/ip/route/find where comment~"Route\5B-\5Dto\5B-\5DForeign\5B-\5DSat\$"] do={ :local now [:tostr [/ip/route/get $route gateway]]; :if (([:typeof [:find $now "%MacVLAN-ether2-Sat"]] = "num") && ($now != $gateway)) do={ /ip/route/set $route gateway=$gateway } } }"#
        );
    }
}
