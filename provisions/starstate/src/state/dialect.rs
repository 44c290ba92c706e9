//! The wizard's own shapes, moved to where the canonical document has them. Names that differ only in case, or have another name in the
//! same place, are the reader's matter ([`super::part`]).

use serde_json::{Map, Value as Json, json};

type Object = Map<String, Json>;

/// The document with every part in its canonical place.
pub(super) fn canonical(json: &Json) -> Json {
    let mut json = json.clone();
    let Some(root) = json.as_object_mut() else { return json };
    if let Some(extra) = member(root, &["extra", "extraConfig"]) {
        move_extra(extra);
    }
    if let Some(clients) = member(root, &["wan"]).and_then(|wan| member(wan, &["vpnClient"])) {
        for client in members_of(clients, "pptp") {
            word_to_object(client, "connectTo", |word| json!({ "address": word }));
        }
    }
    if let Some(servers) = member(root, &["lan"]).and_then(|lan| member(lan, &["vpnServer"])) {
        move_servers(servers);
    }
    json
}

fn move_extra(extra: &mut Object) {
    if let Some(services) = take(extra, "services") {
        put(extra, "serviceConfig", json!({ "services": services }));
    }
    let Some(useful) = member(extra, &["usefulServices"]) else { return };
    let mut moved = Vec::new();
    for (from, to, switched_on) in [
        ("certificate", "certificateConfig", false),
        ("ntp", "ntpConfig", true),
        ("graphing", "graphingConfig", false),
        ("cloudDDNS", "cloudDdnsConfig", true),
        ("upnp", "upnpConfig", false),
        ("natpmp", "natpmpConfig", false),
    ] {
        if let Some(mut part) = take(useful, from) {
            if let Some(part) = part.as_object_mut().filter(|_| switched_on) {
                put(part, "enabled", Json::Bool(true));
            }
            moved.push((to, part));
        }
    }
    for (key, part) in moved {
        put(extra, key, part);
    }
}

fn move_servers(servers: &mut Object) {
    const WITH_NETWORK: [&str; 10] = [
        "pptpServer",
        "l2tpServer",
        "sstpServer",
        "openVpnServer",
        "ikev2Server",
        "socks5Server",
        "sshServer",
        "httpProxyServer",
        "backToHomeServer",
        "zeroTierServer",
    ];
    for name in WITH_NETWORK {
        for server in members_of(servers, name) {
            move_network(server);
            spread(server, "packetSize", &[("MaxMtu", "maxMtu"), ("MaxMru", "maxMru"), ("mrru", "mrru")]);
        }
    }
    for server in members_of(servers, "l2tpServer") {
        spread(server, "ipsec", &[("UseIpsec", "useIpsec"), ("IpsecSecret", "ipsecSecret")]);
    }
    for server in members_of(servers, "openVpnServer") {
        let encryption = [
            ("auth", "auth"),
            ("cipher", "cipher"),
            ("tlsVersion", "tlsVersion"),
            ("userAuthMethod", "authentication"),
        ];
        spread(server, "encryption", &encryption);
        let address = [
            ("netmask", "netmask"),
            ("macAddress", "macAddress"),
            ("maxMtu", "maxMtu"),
            ("addressPool", "addressPool"),
        ];
        spread(server, "address", &address);
        spread(server, "certificate", &[("requireClientCertificate", "requireClientCertificate")]);
        if let Some(certificate) = take(server, "certificate") {
            put(server, "certificates", certificate);
        }
        if let Some(ipv6) = take(server, "ipv6") {
            let part = |name: &str| ipv6.as_object().and_then(|map| find(map, name)).cloned();
            let mut config = Object::new();
            put_some(&mut config, "enabled", part("EnableTunIPv6"));
            let address = part("TunServerIPv6").and_then(|address| address.as_str().map(str::to_owned));
            let subnet = address.map(|address| match part("IPv6PrefixLength") {
                Some(length) if !address.contains('/') => format!("{address}/{}", length.to_string().trim_matches('"')),
                _ => address,
            });
            put_some(&mut config, "subnet", subnet.map(Json::from));
            if !config.is_empty() {
                put(server, "ipv6Config", Json::Object(config));
            }
        }
    }
    for server in members_of(servers, "ikev2Server") {
        move_ikev2(server);
    }
    for server in members_of(servers, "wireguardServers") {
        move_wireguard(server);
    }
}

/// `VSNetwork`, or `Network` as a word.
fn move_network(server: &mut Object) {
    let as_object = |word: &str| json!({ "name": word, "type": word });
    word_to_object(server, "vsNetwork", as_object);
    word_to_object(server, "network", as_object);
}

fn move_ikev2(server: &mut Object) {
    if let Some(pool) = take(server, "ipPools") {
        let pool = pool.as_array().and_then(|pools| pools.first()).unwrap_or(&pool).clone();
        let part =
            |name: &str| pool.as_object().and_then(|map| find(map, name)).and_then(Json::as_str).map(str::to_owned);
        let ranges = part("Ranges").unwrap_or_default();
        let (start, end) = ranges.split_once('-').unwrap_or((&ranges, &ranges));
        put(server, "ipPool", json!({ "name": part("Name"), "startIp": start.trim(), "endIp": end.trim() }));
    }
    if let Some(templates) = take(server, "policyTemplates") {
        let template = templates.as_array().and_then(|templates| templates.first()).unwrap_or(&templates).clone();
        let part = |names: [&str; 2]| {
            let map = template.as_object()?;
            names.iter().find_map(|name| find(map, name)).cloned()
        };
        let mut config = Object::new();
        put_some(&mut config, "sourceSubnet", part(["SrcAddress", "sourceSubnet"]));
        put_some(&mut config, "destSubnet", part(["DstAddress", "destSubnet"]));
        put(server, "ipsecPolicyTemplate", Json::Object(config));
    }
    if let Some(identity) = take(server, "identities") {
        let identity = identity.as_array().and_then(|all| all.first()).unwrap_or(&identity).clone();
        let part =
            |name: &str| identity.as_object().and_then(|map| find(map, name)).and_then(Json::as_str).map(str::to_owned);
        if part("AuthMethod").as_deref() == Some("pre-shared-key") {
            put(server, "ipsecIdentity", json!({ "type": "psk", "content": part("Secret") }));
        } else if let Some(name) = part("Certificate") {
            put(server, "certificate", json!({ "name": name }));
        }
    }
    for (from, to) in [("peer", "ipsecPeers"), ("modeConfigs", "ipsecModeConfig")] {
        if let Some(part) = take(server, from) {
            put(server, to, part);
        }
    }
    if find(server, "enabled").is_none() {
        put(server, "enabled", Json::Bool(true));
    }
}

fn move_wireguard(server: &mut Object) {
    let mut name = None;
    if let Some(interface) = member(server, &["interface"]) {
        move_network(interface);
        name = find(interface, "name").cloned();
    }
    if find(server, "name").is_none() {
        put_some(server, "name", name);
        if let Some(interface) = member(server, &["interface"]) {
            take(interface, "name");
        }
    }
    for peer in members_of(server, "peers") {
        let (address, port) = (take(peer, "endpointAddress"), take(peer, "endpointPort"));
        if let Some(address) = address {
            let mut endpoint = Object::new();
            put(&mut endpoint, "address", address);
            put_some(&mut endpoint, "port", port);
            put(peer, "endpoint", Json::Object(endpoint));
        }
    }
}

/// Moves parts of an object that stands below `key` next to it, when it is an object.
fn spread(object: &mut Object, key: &str, names: &[(&str, &str)]) {
    let Some(inner) = member(object, &[key]) else { return };
    let moved: Vec<(&str, Json)> = names.iter().filter_map(|(from, to)| Some((*to, take(inner, from)?))).collect();
    if inner.is_empty() {
        take(object, key);
    }
    for (name, value) in moved {
        put(object, name, value);
    }
}

fn word_to_object(object: &mut Object, key: &str, make: impl Fn(&str) -> Json) {
    if let Some(value) = find_mut(object, key)
        && let Some(word) = value.as_str()
    {
        *value = if word.is_empty() { Json::Null } else { make(word) };
    }
}

/// The objects below a key: of a list, or the one.
fn members_of<'a>(object: &'a mut Object, key: &str) -> Vec<&'a mut Object> {
    match find_mut(object, key) {
        Some(Json::Array(items)) => items.iter_mut().filter_map(Json::as_object_mut).collect(),
        Some(Json::Object(single)) => vec![single],
        _ => Vec::new(),
    }
}

fn member<'a>(object: &'a mut Object, keys: &[&str]) -> Option<&'a mut Object> {
    let key = name_of(object, keys)?;
    object.get_mut(&key)?.as_object_mut()
}

fn find<'a>(object: &'a Object, key: &str) -> Option<&'a Json> {
    object.get(&name_of(object, &[key])?)
}

fn find_mut<'a>(object: &'a mut Object, key: &str) -> Option<&'a mut Json> {
    object.get_mut(&name_of(object, &[key])?)
}

fn take(object: &mut Object, key: &str) -> Option<Json> {
    object.shift_remove(&name_of(object, &[key])?)
}

/// The key as the document spells it.
fn name_of(object: &Object, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| object.keys().find(|own| own.eq_ignore_ascii_case(key))).cloned()
}

/// What is there already stays.
fn put(object: &mut Object, key: &str, value: Json) {
    if find(object, key).is_none() {
        object.insert(key.to_owned(), value);
    }
}

fn put_some(object: &mut Object, key: &str, value: Option<Json>) {
    if let Some(value) = value {
        put(object, key, value);
    }
}
