//! What a router has out of the box: from `factory.txt`, and its hardware; with the default configuration if asked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use routeros_schema::{MenuKind, Schema};

use super::row::{Row, State, Value};
use super::{canonical, interfaces, links};
use crate::routeros::options::RouterOptions;

const FACTORY: &str = include_str!("factory.txt");
const DEFAULT_CONFIGURATION: &str = include_str!("default_configuration.txt");

/// A row in a file.
struct Line {
    menu: &'static str,
    builtin: bool,
    dynamic: bool,
    fields: Vec<(&'static str, &'static str)>,
}

/// What is filled in when a row is added to a menu.
pub fn defaults_of(menu: &str) -> &'static [(&'static str, &'static str)] {
    static DEFAULTS: LazyLock<BTreeMap<&str, Vec<(&str, &str)>>> =
        LazyLock::new(|| lines(include_str!("defaults.txt")).map(|line| (line.menu, line.fields)).collect());
    DEFAULTS.get(menu).map_or(&[], Vec::as_slice)
}

/// A router as it leaves the factory.
pub fn factory_fresh(options: &RouterOptions) -> State {
    let mut state = State::default();
    add_hardware(&mut state, options);
    let needs_arm64 = |menu: &str| Schema::get().menu(menu).is_some_and(|menu| menu.arm64);
    let absent = |menu: &str| {
        options.without.iter().any(|without| is_below(menu, without)) || needs_arm64(menu) && !options.hardware.arm64
    };
    lines(FACTORY).filter(|line| !absent(line.menu)).for_each(|line| put(&mut state, &line));
    add_old_settings(&mut state, options);
    let mut user = Row { id: state.next_id("/user"), ..Row::default() };
    for (name, value) in [("name", options.user.as_str()), ("group", "full"), ("password", &options.password)] {
        set(&state, "/user", &mut user, name, value.as_bytes());
    }
    user.put("disabled", "false");
    state.rows_mut("/user").push(user);
    if options.default_configuration {
        lines(DEFAULT_CONFIGURATION).for_each(|line| put(&mut state, &line));
        add_bridge_ports(&mut state);
    }
    state
}

/// Whether a menu is this one or below it.
pub fn is_below(menu: &str, above: &str) -> bool {
    menu.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Menus of rows that held one row of settings in this release.
fn add_old_settings(state: &mut State, options: &RouterOptions) {
    for menu in Schema::get().menus().filter(|menu| menu.kind_in(options.release) != menu.kind) {
        let mut row = Row { builtin: true, ..Row::default() };
        fill(state, menu.path, &mut row);
        let known = |name: &String| menu.argument(name).is_some_and(|argument| argument.is_in(options.release));
        row.values.retain(|name, _| known(name));
        if known(&"enabled".to_owned()) {
            row.put("enabled", "false");
        }
        state.rows_mut(menu.path).push(row);
    }
}

fn add_hardware(state: &mut State, options: &RouterOptions) {
    let hardware = &options.hardware;
    let copper = (1..=hardware.ethernets).map(|number| format!("ether{number}"));
    let ports = copper.chain((1..=hardware.sfps).map(|number| format!("sfp-sfpplus{number}")));
    for name in ports {
        let id = state.next_id("/interface/ethernet");
        let mac = interfaces::mac_of(id);
        let fields = [("mtu", "1500"), ("l2mtu", "1514"), ("mac-address", &mac), ("orig-mac-address", &mac)];
        add_port(state, "/interface/ethernet", id, &name, &fields);
        if let Some(row) = state.row_mut("/interface/ethernet", id) {
            row.put("arp", "enabled");
            row.put("auto-negotiation", "true");
        }
    }
    for number in 1..=hardware.radios {
        let id = state.next_id("/interface/wifi");
        let mac = interfaces::mac_of(id);
        // As in most home routers, the first radio is the one of 5 GHz.
        let band = if number == 2 { "2ghz-ax" } else { "5ghz-ax" };
        add_port(
            state,
            "/interface/wifi",
            id,
            &format!("wifi{number}"),
            &[("mac-address", &mac), ("disabled", "true")],
        );
        let radio = Row {
            id: state.next_id("/interface/wifi/radio"),
            facts: [("interface", format!("wifi{number}")), ("radio-mac", mac), ("bands", band.to_owned())]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            builtin: true,
            ..Row::default()
        };
        state.rows_mut("/interface/wifi/radio").push(radio);
    }
    for number in 1..=hardware.modems {
        let id = state.next_id("/interface/lte");
        add_port(state, "/interface/lte", id, &format!("lte{number}"), &[("mtu", "1500"), ("allow-roaming", "true")]);
    }
}

fn add_port(state: &mut State, menu: &str, id: u32, name: &str, fields: &[(&str, &str)]) {
    let mut row = Row { id, builtin: true, ..Row::default() };
    row.put("name", name);
    row.put("disabled", "false");
    row.note("default-name", name);
    fields.iter().for_each(|(name, value)| row.put(name, value));
    state.rows_mut(menu).push(row);
}

/// All ports but the first, and the radios.
fn add_bridge_ports(state: &mut State) {
    let named = |menu: &str| {
        state.rows(menu).iter().filter_map(|row| row.text("name")).filter(|name| name != "ether1").collect::<Vec<_>>()
    };
    for port in [named("/interface/ethernet"), named("/interface/wifi")].concat() {
        let mut row = Row { id: state.next_id("/interface/bridge/port"), ..Row::default() };
        fill(state, "/interface/bridge/port", &mut row);
        for (name, value) in [("bridge", "bridge"), ("interface", port.as_str()), ("comment", "defconf")] {
            set(state, "/interface/bridge/port", &mut row, name, value.as_bytes());
        }
        state.rows_mut("/interface/bridge/port").push(row);
    }
}

/// Fills in what was not given.
pub fn fill(state: &State, menu: &str, row: &mut Row) {
    for (name, value) in defaults_of(menu) {
        if !row.values.contains_key(*name) {
            set(state, menu, row, name, value.as_bytes());
        }
    }
    let switchable = Schema::get().menu(menu).is_some_and(|menu| menu.argument("disabled").is_some());
    if switchable && !row.values.contains_key("disabled") {
        row.put("disabled", "false");
    }
}

/// Whether an argument is shown even when its value is empty.
pub fn keeps_empty(menu: &str, name: &str) -> bool {
    let single = Schema::get().menu(menu).is_some_and(|menu| menu.kind == MenuKind::Single);
    single || defaults_of(menu).contains(&(name, ""))
}

fn put(state: &mut State, line: &Line) {
    let single = Schema::get().menu(line.menu).is_some_and(|menu| menu.kind == MenuKind::Single);
    let mut row = match state.settings(line.menu).filter(|_| single) {
        Some(row) => row.clone(),
        None => Row { builtin: line.builtin, dynamic: line.dynamic, ..Row::default() },
    };
    for (name, value) in &line.fields {
        match name.strip_prefix('.') {
            Some(fact) => row.note(fact, *value),
            None => set(state, line.menu, &mut row, name, value.as_bytes()),
        }
    }
    if single {
        *state.rows_mut(line.menu) = vec![row];
        return;
    }
    fill(state, line.menu, &mut row);
    row.id = state.next_id(line.menu);
    state.rows_mut(line.menu).push(row);
}

/// Puts a value into a row without checks: the files are right, and a test says so.
fn set(state: &State, menu: &str, row: &mut Row, name: &str, value: &[u8]) {
    let Some(argument) = Schema::get().menu(menu).and_then(|menu| menu.argument(name)) else { return };
    if let Ok(Some(links)) = links::resolve(state, name, argument, value) {
        row.values.insert(name.to_owned(), links);
        return;
    }
    match canonical::canonical(menu, name, &argument.kind, value) {
        Some(bytes) => drop(row.values.insert(name.to_owned(), Value::Bytes(bytes))),
        None if value.is_empty() && keeps_empty(menu, name) => row.put(name, ""),
        None => drop(row.values.remove(name)),
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = Line> {
    let meant = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    meant.map(|line| {
        let mut words = split(line).into_iter();
        let menu = words.next().unwrap_or_default();
        let mut read = Line { menu, builtin: false, dynamic: false, fields: Vec::new() };
        for word in words {
            match word.split_once('=') {
                Some((name, value)) => read.fields.push((name, value.trim_matches('"'))),
                None => {
                    read.builtin |= word == "builtin";
                    read.dynamic |= word == "dynamic";
                }
            }
        }
        read
    })
}

/// Words between blanks; what stands in quotes is one.
fn split(line: &str) -> Vec<&str> {
    let mut quoted = false;
    let words = line.split(move |character| {
        quoted ^= character == '"';
        character == ' ' && !quoted
    });
    words.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_files_name_what_there_is() {
        let mut wrong = Vec::new();
        for line in [FACTORY, DEFAULT_CONFIGURATION, include_str!("defaults.txt")].into_iter().flat_map(lines) {
            let menu = Schema::get().menu(line.menu).unwrap_or_else(|| panic!("{}", line.menu));
            for (name, value) in &line.fields {
                let right = match name.strip_prefix('.') {
                    Some(fact) => menu.shows.contains(&fact),
                    None => menu.argument(name).is_some_and(|argument| argument.kind.check(value.as_bytes()).is_ok()),
                };
                if !right {
                    wrong.push(format!("{} {name}={value}", line.menu));
                }
            }
        }
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn a_fresh_router_has_its_ports_and_what_is_built_in() {
        let state = factory_fresh(&RouterOptions::new("admin", "secret"));
        let names: Vec<_> = interfaces::all(&state).filter_map(|(_, row)| row.text("name")).collect();
        assert_eq!(&names[..2], ["ether1", "ether2"]);
        assert!(names.contains(&"wifi2".to_owned()) && names.contains(&"lte1".to_owned()));
        assert_eq!(state.settings("/system/identity").unwrap().text("name").as_deref(), Some("MikroTik"));
        assert!(state.rows("/ip/address").is_empty());
        let policy = &state.rows("/ip/ipsec/policy")[0];
        assert!(policy.builtin && policy.link("group").is_some() && policy.link("proposal").is_some());
    }

    #[test]
    fn the_default_configuration_bridges_all_ports_but_the_first() {
        let options = RouterOptions { default_configuration: true, ..RouterOptions::new("admin", "") };
        let state = factory_fresh(&options);
        let all = state.rows("/interface/ethernet").len() + state.rows("/interface/wifi").len();
        assert_eq!(state.rows("/interface/bridge/port").len(), all - 1);
        assert!(state.rows("/interface/bridge/port").iter().all(|port| port.link("bridge").is_some()));
        assert!(state.rows("/ip/firewall/filter").len() > 5);
    }
}
