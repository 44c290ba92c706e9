//! Tunnels between sites: the interface, its address, and the network to which the far side belongs.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use routeros_schema::{Schema, interval};

use super::join;
use crate::compile::{Builder, Draft};
use crate::issue::Issue;
use crate::state::{
    EoipTunnel, GreTunnel, Hidden, IpipTunnel, NetworkType, Subnet, TunnelBase, TunnelSubnets, VxlanTunnel, Word,
};

/// What IPIP, EoIP and GRE have in common.
struct Options<'t> {
    allow_fast_path: Option<bool>,
    ipsec_secret: &'t Hidden,
    keepalive: &'t Word,
    clamp_tcp_mss: Option<bool>,
    dscp: &'t Word,
    dont_fragment: &'t str,
}

/// The options of a tunnel's part of the document; the structures differ, these fields do not.
macro_rules! options {
    ($tunnel:expr) => {
        Options {
            allow_fast_path: $tunnel.allow_fast_path,
            ipsec_secret: &$tunnel.ipsec_secret,
            keepalive: &$tunnel.keepalive,
            clamp_tcp_mss: $tunnel.clamp_tcp_mss,
            dscp: &$tunnel.dscp,
            dont_fragment: &$tunnel.dont_fragment,
        }
    };
}

/// What is known of a tunnel before it is made.
struct Ends<'t> {
    base: &'t TunnelBase,
    /// The network between the two ends.
    subnet: Option<Ipv4Net>,
    /// Where the packets of the tunnel leave.
    outer: Option<IpAddr>,
    /// The own address in the tunnel.
    inner: Option<Ipv4Addr>,
}

pub(super) fn ipip(builder: &mut Builder<'_>, tunnel: &IpipTunnel) {
    let Some(ends) = ends(builder, &tunnel.base, |subnets| &subnets.ipip) else { return };
    if let Some(draft) = over_ip(builder, "/interface/ipip", &ends, &options!(tunnel)) {
        draft.done();
    }
    network(builder, &ends);
}

pub(super) fn gre(builder: &mut Builder<'_>, tunnel: &GreTunnel) {
    let Some(ends) = ends(builder, &tunnel.base, |subnets| &subnets.gre) else { return };
    if let Some(draft) = over_ip(builder, "/interface/gre", &ends, &options!(tunnel)) {
        draft.done();
    }
    network(builder, &ends);
}

pub(super) fn eoip(builder: &mut Builder<'_>, tunnel: &EoipTunnel) {
    let Some(ends) = ends(builder, &tunnel.base, |subnets| &subnets.eoip) else { return };
    if tunnel.tunnel_id.is_none() {
        builder.error("an EoIP tunnel needs a tunnelId");
    }
    let times = [
        seconds(builder, "arpTimeout", tunnel.arp_timeout),
        seconds(builder, "loopProtectDisableTime", tunnel.loop_protect_disable_time),
        seconds(builder, "loopProtectSendInterval", tunnel.loop_protect_send_interval),
    ];
    if let Some(draft) = over_ip(builder, "/interface/eoip", &ends, &options!(tunnel)) {
        let [arp_timeout, disable_time, send_interval] = times;
        let draft = draft.some("tunnel-id", tunnel.tunnel_id).text("mac-address", &tunnel.mac_address);
        let draft = draft.text("arp", &tunnel.arp).some("arp-timeout", arp_timeout);
        let draft = draft.text("loop-protect", &tunnel.loop_protect).some("loop-protect-disable-time", disable_time);
        draft.some("loop-protect-send-interval", send_interval).done();
    }
    network(builder, &ends);
}

pub(super) fn vxlan(builder: &mut Builder<'_>, tunnel: &VxlanTunnel) {
    let Some(ends) = ends(builder, &tunnel.base, |subnets| &subnets.vxlan) else { return };
    if tunnel.vni.is_none() {
        builder.error("a VXLAN needs a vni");
    }
    let Some(is_multicast) = is_multicast(builder, tunnel) else { return };
    let bridge = builder.world.bridge(tunnel.bridge.trim()).into_owned();
    let menu = "/interface/vxlan";
    // Called vrf up to 7.19.
    let release = builder.facts.release;
    let has_new = Schema::get().menu(menu).is_some_and(|menu| menu.argument_of("add", "vtep-vrf", release).is_some());
    let vrf = if has_new { "vtep-vrf" } else { "vrf" };
    let multicast = |value: &'_ str| if is_multicast { value.trim().to_owned() } else { String::new() };
    let draft = builder.add("interface", menu, &["name"]).arg("name", &tunnel.base.name);
    let draft = draft.some("vni", tunnel.vni).some("port", tunnel.port).some("local-address", ends.outer);
    let draft = draft.text("interface", &multicast(&tunnel.interface)).text("group", &multicast(&tunnel.group));
    let draft = draft.some("mtu", tunnel.base.mtu).some_flag("hw", tunnel.hw).some_flag("learning", tunnel.learning);
    let draft = draft.text("arp", &tunnel.arp).text("mac-address", &tunnel.mac_address);
    let draft = draft.some("max-fdb-size", tunnel.max_fdb_size).some_flag("checksum", tunnel.check_sum);
    let draft = draft.text("ttl", &tunnel.ttl).text(vrf, tunnel.vrf.trim());
    let draft = draft.text("vteps-ip-version", &tunnel.vteps_ip_version);
    let draft = draft.text("bridge", &bridge).some("bridge-pvid", tunnel.bridge_pvid);
    draft.flag("disabled", is_disabled(&tunnel.base)).label(tunnel.base.comment.trim()).done();
    vteps(builder, tunnel, is_multicast);
    network(builder, &ends);
}

/// The other ends of a VXLAN. One that speaks to single addresses and names none has the remote address.
fn vteps(builder: &mut Builder<'_>, tunnel: &VxlanTunnel, is_multicast: bool) {
    let remote = tunnel.base.remote_address.trim();
    let listed = tunnel.vteps.iter().map(|vtep| (vtep.0.remote_address.trim(), vtep.0.comment.trim()));
    let mut ends: Vec<(&str, &str)> = listed.collect();
    if ends.is_empty() && !is_multicast {
        if remote.is_empty() {
            return builder.error("a VXLAN needs a remoteAddress or vteps");
        }
        ends.push((remote, ""));
    }
    for (address, comment) in ends {
        if address.parse::<IpAddr>().is_err() {
            builder.error(format!("{address:?} is no address of another end of the VXLAN"));
            continue;
        }
        let vtep = builder.add(&format!("vtep-{address}"), "/interface/vxlan/vteps", &["interface", "remote-ip"]);
        vtep.arg("interface", &tunnel.base.name).arg("remote-ip", address).label(comment).done();
    }
}

/// Whether the other ends are found by multicast; `None` when that cannot be.
fn is_multicast(builder: &mut Builder<'_>, tunnel: &VxlanTunnel) -> Option<bool> {
    match tunnel.bum_mode.trim().to_ascii_lowercase().as_str() {
        "" | "unicast" => return Some(false),
        "multicast" => {}
        other => {
            builder.error(format!("{other:?} is no bumMode, unicast and multicast are"));
            return None;
        }
    }
    let group = tunnel.group.trim();
    if !group.parse::<IpAddr>().is_ok_and(|group| group.is_multicast()) || tunnel.interface.trim().is_empty() {
        builder.error("a VXLAN by multicast needs an interface, and a multicast address as group");
        return None;
    }
    Some(true)
}

/// The interface of a tunnel over IP, so far as all kinds are the same.
fn over_ip<'b, 'a>(
    builder: &'b mut Builder<'a>,
    menu: &str,
    ends: &Ends<'_>,
    options: &Options<'_>,
) -> Option<Draft<'b, 'a>> {
    let base = ends.base;
    let remote = base.remote_address.trim();
    if remote.is_empty() {
        builder.error("a tunnel needs a remoteAddress");
        return None;
    }
    let keepalive = keepalive(builder, options.keepalive);
    let (dscp, fragment) = (options.dscp.trim(), options.dont_fragment.trim());
    if !dscp.is_empty() && dscp != "inherit" && !dscp.parse::<u8>().is_ok_and(|dscp| dscp < 64) {
        builder.error(format!("{dscp:?} is no dscp, inherit and 0 to 63 are"));
    }
    if !["", "inherit", "no"].contains(&fragment) {
        builder.error(format!("{fragment:?} is no dontFragment, inherit and no are"));
    }
    let has_ipsec = !options.ipsec_secret.is_empty();
    if has_ipsec && options.allow_fast_path == Some(true) {
        builder.warning("allowFastPath has no effect on a tunnel with an ipsecSecret");
    }
    let fast_path = if has_ipsec { Some(false) } else { options.allow_fast_path };
    let draft = builder.add("interface", menu, &["name"]).arg("name", &base.name).arg("remote-address", remote);
    let draft = draft.some("local-address", ends.outer).some("mtu", base.mtu).some_flag("allow-fast-path", fast_path);
    let draft = draft.some("keepalive", keepalive).secret("ipsec-secret", options.ipsec_secret);
    let draft =
        draft.some_flag("clamp-tcp-mss", options.clamp_tcp_mss).text("dscp", dscp).text("dont-fragment", fragment);
    Some(draft.flag("disabled", is_disabled(base)).label(base.comment.trim()))
}

fn is_disabled(base: &TunnelBase) -> bool {
    base.enabled == Some(false) || base.disabled == Some(true)
}

/// Seconds alone, or both parts as RouterOS has them: how long to wait for an answer, and how often.
fn keepalive(builder: &mut Builder<'_>, word: &str) -> Option<String> {
    let word = word.trim();
    if word.is_empty() {
        return None;
    }
    let (time, tries) = word.split_once(',').unwrap_or((word, "10"));
    match (interval::parse(time.trim()), tries.trim().parse::<u8>()) {
        (Some(time), Ok(tries)) => Some(format!("{},{tries}", interval::format(time))),
        _ => {
            builder.error(format!("{word:?} is no keepalive such as 10, or 10s,10"));
            None
        }
    }
}

fn seconds(builder: &mut Builder<'_>, field: &str, value: Option<i64>) -> Option<String> {
    match u64::try_from(value?) {
        Ok(value) => Some(interval::format(Duration::from_secs(value))),
        Err(_) => {
            builder.error(format!("{field} is less than 0"));
            None
        }
    }
}

/// Reads the addresses of a tunnel; `None` when there is no tunnel to be made.
fn ends<'t>(
    builder: &mut Builder<'_>,
    base: &'t TunnelBase,
    of_kind: impl Fn(&TunnelSubnets) -> &Vec<Subnet>,
) -> Option<Ends<'t>> {
    if base.name.trim().is_empty() {
        builder.error("a tunnel needs a name");
        return None;
    }
    let subnets = builder.world.state.lan.as_ref().and_then(|lan| lan.subnets.as_ref());
    let planned = subnets.and_then(|subnets| subnets.tunnel_subnets.as_ref()).map(of_kind);
    let planned = planned.into_iter().flatten().find(|subnet| subnet.name.eq_ignore_ascii_case(&base.name));
    let text = planned.map_or("", |subnet| subnet.subnet.trim());
    let subnet = match text.parse::<Ipv4Net>() {
        Ok(subnet) => Some(subnet.trunc()),
        Err(_) if text.is_empty() => None,
        Err(_) => {
            builder.error(format!("{text:?} in lan.subnets.tunnelSubnets is no network such as 192.168.170.0/30"));
            return None;
        }
    };
    let local = base.local_address.trim();
    let local = match local.split('/').next().unwrap_or_default().parse::<IpAddr>() {
        Ok(address) => Some(address),
        Err(_) if local.is_empty() => None,
        Err(_) => {
            builder.error(format!("localAddress {local:?} is no address"));
            return None;
        }
    };
    let inside = subnet.and_then(|subnet| match local {
        Some(IpAddr::V4(address)) if subnet.contains(&address) => Some(address),
        _ => None,
    });
    let inner = inside.or_else(|| subnet?.hosts().next());
    Some(Ends { base, subnet, outer: local.filter(|_| inside.is_none()), inner })
}

/// The own address in the tunnel, and to which network the other end belongs.
fn network(builder: &mut Builder<'_>, ends: &Ends<'_>) {
    let interface = ends.base.name.as_str();
    if let Some((address, subnet)) = ends.inner.zip(ends.subnet) {
        let draft = builder.add("address", "/ip/address", &["address", "interface"]);
        draft.arg("address", format!("{address}/{}", subnet.prefix_len())).arg("interface", interface).done();
    }
    join(builder, "LAN", interface);
    let word = ends.base.network_type.trim();
    if word.is_empty() {
        return;
    }
    let known = NetworkType::from_word(word).map(|kind| kind.word().to_owned());
    let Some(name) = known.or_else(|| builder.world.network(word).map(|network| network.name.clone())) else {
        let message = format!("there is no network {word:?}");
        return builder.report(Issue::error(format!("{}.networkType", builder.source()), message));
    };
    let list = format!("{name}-LAN");
    join(builder, &list, interface);
    if let Some(subnet) = ends.subnet {
        builder.address(&list, &subnet.to_string());
    }
}
