//! What tests of the pipeline share: a simulated router, a ledger in memory, steps that use every kind of menu, and a port that stops
//! as a crash does.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use routeros::{ClientOptions, Command, Error, Reply, RouterPort};
use sim::routeros::{RouterOptions, Simulator, SimulatorOptions};
use starstate::ledger::{Entry, Fingerprints, Holding, LedgerSink, SinkError};
use starstate::management::Management;
use starstate::orchestrator::{Applied, ApplyError, Job, Options, Orchestrator, Progress, RollbackResult};
use starstate::plan::Plan;
use starstate::port::{Reach, ReachableRouter};
use starstate::step::{Action, Position, Step, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub const USER: &str = "admin";
pub const PASSWORD: &str = "sesame";
pub const SESSION: &str = "01JTEST";

/// A factory-fresh router whose API is at its usual port, as documents take for granted. Each has an address of its own.
pub async fn start_at_usual_port() -> Simulator {
    let mut problem = None;
    for _ in 0..100 {
        let mut address = [127, 0, 0, 0];
        getrandom::fill(&mut address[1..]).unwrap();
        let mut options = SimulatorOptions::new(factory_fresh());
        options.listen = (address, routeros::PORT).into();
        match Simulator::start(options).await {
            Ok(router) => return router,
            // The address is taken, or is one that cannot be.
            Err(error) => problem = Some(error),
        }
    }
    panic!("no address of this machine is free: {problem:?}");
}

fn factory_fresh() -> RouterOptions {
    let mut options = RouterOptions::new(USER, PASSWORD);
    options.default_configuration = true;
    options.sign_time = Duration::ZERO;
    options.reboot_time = Duration::from_millis(20);
    options
}

/// A router with the configuration of its first start.
pub async fn start() -> Simulator {
    start_with(|_| {}).await
}

pub async fn start_with(change: impl FnOnce(&mut RouterOptions)) -> Simulator {
    let mut options = factory_fresh();
    change(&mut options);
    Simulator::start(SimulatorOptions::new(options)).await.unwrap()
}

pub fn reach(router: &Simulator) -> ReachableRouter {
    let mut options = ClientOptions::new(USER, PASSWORD.into());
    options.timeout = Duration::from_secs(20);
    ReachableRouter::over_tcp(router.address().ip().to_string(), router.address().port(), options)
}

/// The configuration, with lines sorted: the order of rows means something only in some menus, and there it is numbered.
pub fn configuration(router: &Simulator) -> Vec<String> {
    let mut menu = String::new();
    let mut place = 0;
    let mut lines = Vec::new();
    for line in router.configuration().lines() {
        if line.starts_with('/') {
            menu = line.to_owned();
            place = 0;
            continue;
        }
        place += 1;
        let is_ordered = routeros_schema::Schema::get().menu(&menu).is_some_and(|menu| menu.ordered);
        let number = if is_ordered { format!("{place:04} ") } else { String::new() };
        // Each simulated router listens at a port of its own.
        let line = line.replace(&format!("port=\"{}\"", router.address().port()), "port=\"API\"");
        lines.push(format!("{menu} {number}{line}"));
    }
    lines.sort();
    lines
}

/// Shows only what differs.
#[track_caller]
pub fn assert_same(found: &[String], expected: &[String], context: impl std::fmt::Display) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let (more, less) = (only(found, expected), only(expected, found));
    assert!(more.is_empty() && less.is_empty(), "{context}\nmore: {more:#?}\nless: {less:#?}");
    assert_eq!(found.len(), expected.len(), "{context}");
}

/// A ledger that keeps what a crash leaves.
#[derive(Default)]
pub struct MemoryLedger {
    entries: Mutex<BTreeMap<u64, Entry>>,
}

impl MemoryLedger {
    pub fn with(entries: Vec<Entry>) -> MemoryLedger {
        MemoryLedger { entries: Mutex::new(entries.into_iter().map(|entry| (entry.sequence, entry)).collect()) }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().values().cloned().collect()
    }
}

#[async_trait]
impl LedgerSink for MemoryLedger {
    async fn record(&self, entries: &[Entry]) -> Result<(), SinkError> {
        // As stored and read again.
        let stored: Vec<Entry> = serde_json::from_str(&serde_json::to_string(entries).unwrap()).unwrap();
        self.entries.lock().extend(stored.into_iter().map(|entry| (entry.sequence, entry)));
        Ok(())
    }
}

/// One attempt after the other on one router.
pub struct Attempt<'a> {
    pub port: &'a dyn Reach,
    pub steps: Vec<Step>,
    pub base: Vec<Holding>,
    pub options: Options,
    pub ledger: MemoryLedger,
    pub management: Management,
    pub progress: Mutex<Vec<Progress>>,
    pub cancel: CancellationToken,
    pub session: String,
}

impl<'a> Attempt<'a> {
    pub fn new(port: &'a dyn Reach, steps: Vec<Step>) -> Attempt<'a> {
        let options = Options { patience: Duration::from_secs(5), ..Options::default() };
        Attempt {
            port,
            steps,
            base: Vec::new(),
            options,
            ledger: MemoryLedger::default(),
            management: Management {
                service: "api".into(),
                port: 8728,
                user: USER.into(),
                peer: Some([127, 0, 0, 1].into()),
                ..Management::default()
            },
            progress: Mutex::default(),
            cancel: CancellationToken::new(),
            session: SESSION.to_owned(),
        }
    }

    pub async fn apply(&self) -> Result<Applied, ApplyError> {
        self.apply_with(&self.ledger).await
    }

    pub async fn apply_with(&self, ledger: &dyn LedgerSink) -> Result<Applied, ApplyError> {
        let fingerprints = fingerprints();
        let note = |progress| self.progress.lock().push(progress);
        let orchestrator = Orchestrator::new(self.port, ledger, &note, &self.cancel, self.options.clone());
        orchestrator.apply(&self.job(&fingerprints), &mut self.ledger.entries()).await
    }

    pub async fn plan(&self) -> Plan {
        let fingerprints = fingerprints();
        let note = |progress| self.progress.lock().push(progress);
        let orchestrator = Orchestrator::new(self.port, &self.ledger, &note, &self.cancel, self.options.clone());
        let holdings = starstate::ledger::fold(&self.base, &self.ledger.entries());
        orchestrator.plan(&self.job(&fingerprints), &holdings).await.unwrap()
    }

    pub async fn roll_back(&self) -> RollbackResult {
        let cancel = CancellationToken::new();
        let note = |progress| self.progress.lock().push(progress);
        let orchestrator = Orchestrator::new(self.port, &self.ledger, &note, &cancel, self.options.clone());
        orchestrator.roll_back(&mut self.ledger.entries()).await.unwrap()
    }

    fn job<'j>(&'j self, fingerprints: &'j Fingerprints) -> Job<'j> {
        Job { steps: &self.steps, base: &self.base, session: &self.session, fingerprints, management: &self.management }
    }
}

pub fn fingerprints() -> Fingerprints {
    Fingerprints::new("a key for tests".into())
}

/// A port that stops at the n-th write, before or after the router has it, and never goes on: what a crash looks like to the
/// router.
pub struct Crashing<'a> {
    port: &'a dyn Reach,
    left: AtomicU64,
    after: bool,
    /// Told when it has stopped.
    pub stopped: Notify,
}

impl<'a> Crashing<'a> {
    pub fn at(port: &'a dyn Reach, write: u64, after: bool) -> Crashing<'a> {
        Crashing { port, left: AtomicU64::new(write), after, stopped: Notify::new() }
    }
}

#[async_trait]
impl RouterPort for Crashing<'_> {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        let is_write = !command.is_read() && command.menu() != "/safe-mode";
        // The last command that counts leaves 0, further ones stop at once.
        let take = |left: u64| Some(left.saturating_sub(1));
        let left =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| if is_write { take(left) } else { None });
        match left {
            Ok(left) if left <= 1 => {
                if self.after && left == 1 {
                    let _ = self.port.run(command).await;
                }
                self.stopped.notify_one();
                std::future::pending().await
            }
            _ => self.port.run(command).await,
        }
    }
}

#[async_trait]
impl Reach for Crashing<'_> {
    async fn reconnect(&self, port: Option<u16>) -> Result<(), Error> {
        self.port.reconnect(port).await
    }

    async fn probe(&self, port: Option<u16>) -> Result<(), Error> {
        self.port.probe(port).await
    }
}

/// A port that is unreachable from the n-th write on.
pub struct Dying<'a> {
    port: &'a dyn Reach,
    left: AtomicU64,
}

impl<'a> Dying<'a> {
    pub fn at(port: &'a dyn Reach, write: u64) -> Dying<'a> {
        Dying { port, left: AtomicU64::new(write) }
    }

    fn check(&self) -> Result<(), Error> {
        match self.left.load(Ordering::SeqCst) {
            0 => Err(Error::Connect { address: "router".into(), reason: "no route".into() }),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl RouterPort for Dying<'_> {
    async fn run(&self, command: Command) -> Result<Reply, Error> {
        if !command.is_read() {
            let _ = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        }
        self.check()?;
        self.port.run(command).await
    }
}

#[async_trait]
impl Reach for Dying<'_> {
    async fn reconnect(&self, port: Option<u16>) -> Result<(), Error> {
        self.check()?;
        self.port.reconnect(port).await
    }

    async fn probe(&self, port: Option<u16>) -> Result<(), Error> {
        self.check()?;
        self.port.probe(port).await
    }
}

/// A step that adds a row.
pub fn add(id: &str, path: &str, key: &[&str], arguments: &[(&str, &str)]) -> Step {
    Step {
        resource: id.split('/').next().unwrap_or_default().into(),
        source: format!("$.{id}"),
        arguments: arguments.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        ..Step::new(id, path, Action::Add)
    }
}

/// A step that sets values.
pub fn set(id: &str, path: &str, target: &[(&str, &str)], arguments: &[(&str, &str)]) -> Step {
    let target = target.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Step { action: Action::Set, target, ..add(id, path, &[], arguments) }
}

/// A step that removes rows.
pub fn remove(id: &str, path: &str, target: &[(&str, &str)]) -> Step {
    Step { action: Action::Remove, ..set(id, path, target, &[]) }
}

pub fn secret(mut step: Step, name: &str, value: &str) -> Step {
    step.arguments.push((name.to_owned(), Value::Secret(value.into())));
    step
}

pub fn needs(mut step: Step, needs: &[&str]) -> Step {
    step.needs = needs.iter().map(|need| (*need).to_owned()).collect();
    step
}

pub fn at(mut step: Step, place: Option<(&str, &str)>) -> Step {
    step.place = Some(Position::Before(place.map(|(name, value)| (name.to_owned(), value.to_owned()))));
    step
}

/// Steps with all that a document can bring about: inversions of phases, menus with and without comments, settings, rows with an
/// order, secrets, commands, rows of others that are removed.
pub fn steps() -> Vec<Step> {
    let certificate = add(
        "certificate/ca",
        "/certificate",
        &["name"],
        &[("name", "ca"), ("common-name", "router"), ("key-usage", "key-cert-sign,crl-sign"), ("days-valid", "3650")],
    );
    let sign = Step {
        action: Action::Run { command: "sign".into(), until: Some("fingerprint".into()) },
        target: vec![("name".into(), "ca".into())],
        ..needs(add("certificate/sign", "/certificate", &[], &[("ca-crl-host", "127.0.0.1")]), &["certificate/ca"])
    };
    let export = Step {
        action: Action::Run { command: "export-certificate".into(), until: None },
        target: vec![("name".into(), "ca".into())],
        read_back: vec!["file:exported-ca.crt".into()],
        ..needs(
            add("certificate/export", "/certificate", &[], &[("type", "pem"), ("file-name", "exported-ca")]),
            &["certificate/sign"],
        )
    };
    let mut wireguard = secret(
        add("vpn/wg", "/interface/wireguard", &["name"], &[("name", "wg-home"), ("listen-port", "13231")]),
        "private-key",
        "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
    );
    wireguard.read_back = vec!["public-key".into()];
    let accept = |chain: &str| {
        let arguments = [
            ("chain", chain),
            ("action", "accept"),
            ("src-address-list", "LOCAL-IP"),
            ("dst-address-list", "LOCAL-IP"),
        ];
        at(add(&format!("base/accept-{chain}"), "/ip/firewall/mangle", &[], &arguments), None)
    };
    let drop_dns = |protocol: &str| {
        let arguments = [
            ("chain", "input"),
            ("action", "drop"),
            ("protocol", protocol),
            ("dst-port", "53"),
            ("in-interface-list", "WAN"),
        ];
        let step = add(&format!("security/dns-{protocol}"), "/ip/firewall/filter", &[], &arguments);
        at(step, Some(("chain", "input")))
    };
    let mut lease = add(
        "wan/route",
        "/ip/route",
        &["dst-address", "routing-table"],
        &[("dst-address", "0.0.0.0/0"), ("gateway", "192.0.2.1"), ("routing-table", "to-Foreign")],
    );
    lease.label = Some("Route-to-Foreign-fiber".into());
    lease.initial = vec!["gateway".into()];
    vec![
        add("base/list-wan", "/interface/list", &["name"], &[("name", "WAN")]),
        add("base/list-foreign", "/interface/list", &["name"], &[("name", "Foreign-WAN")]),
        add(
            "base/local",
            "/ip/firewall/address-list",
            &["list", "address"],
            &[("list", "LOCAL-IP"), ("address", "10.0.0.0/8")],
        ),
        accept("prerouting"),
        accept("input"),
        accept("forward"),
        drop_dns("udp"),
        drop_dns("tcp"),
        // A PPPoE client of phase 1 names a profile of phase 4, which names a pool of phase 3.
        add(
            "wan/vlan",
            "/interface/vlan",
            &["name"],
            &[("name", "VLAN7-ether1"), ("interface", "ether1"), ("vlan-id", "7")],
        ),
        secret(
            add(
                "wan/pppoe",
                "/interface/pppoe-client",
                &["name"],
                &[
                    ("name", "pppoe-client-fiber"),
                    ("interface", "VLAN7-ether1"),
                    ("user", "u\"$[1];\\"),
                    ("profile", "wan-profile"),
                    ("disabled", "no"),
                ],
            ),
            "password",
            "p4ss \u{fc} \"quoted\"",
        ),
        add(
            "wan/member",
            "/interface/list/member",
            &["list", "interface"],
            &[("list", "Foreign-WAN"), ("interface", "pppoe-client-fiber")],
        ),
        add("wan/profile", "/ppp/profile", &["name"], &[("name", "wan-profile"), ("remote-address", "wan-pool")]),
        add("wan/pool", "/ip/pool", &["name"], &[("name", "wan-pool"), ("ranges", "192.168.99.2-192.168.99.9")]),
        remove("wan/old-clients", "/ip/dhcp-client", &[("interface", "ether1")]),
        needs(
            add(
                "wan/dhcp-client",
                "/ip/dhcp-client",
                &["interface"],
                &[("interface", "ether1"), ("add-default-route", "no"), ("use-peer-dns", "no"), ("disabled", "no")],
            ),
            &["wan/old-clients"],
        ),
        add("lan/bridge", "/interface/bridge", &["name"], &[("name", "LANBridgeForeign")]),
        add(
            "lan/address",
            "/ip/address",
            &["address", "interface"],
            &[("address", "192.168.10.1/24"), ("interface", "LANBridgeForeign")],
        ),
        add(
            "lan/pool",
            "/ip/pool",
            &["name"],
            &[("name", "DHCP-pool-Foreign"), ("ranges", "192.168.10.2-192.168.10.254")],
        ),
        add(
            "lan/server",
            "/ip/dhcp-server",
            &["name"],
            &[
                ("name", "DHCP-Foreign"),
                ("interface", "LANBridgeForeign"),
                ("address-pool", "DHCP-pool-Foreign"),
                ("lease-time", "86400"),
                ("disabled", "no"),
            ],
        ),
        add(
            "lan/network",
            "/ip/dhcp-server/network",
            &["address"],
            &[("address", "192.168.10.0/24"), ("gateway", "192.168.10.1"), ("dns-server", "192.168.10.1")],
        ),
        add("lan/table", "/routing/table", &["name"], &[("name", "to-Foreign"), ("fib", "")]),
        add(
            "lan/rule",
            "/routing/rule",
            &[],
            &[("src-address", "192.168.10.0/24"), ("table", "to-Foreign"), ("action", "lookup")],
        ),
        add(
            "lan/mark",
            "/ip/firewall/mangle",
            &[],
            &[
                ("chain", "prerouting"),
                ("action", "mark-routing"),
                ("src-address", "192.168.10.0/24"),
                ("new-routing-mark", "to-Foreign"),
                ("passthrough", "yes"),
            ],
        ),
        lease,
        wireguard,
        secret(
            add(
                "vpn/peer",
                "/interface/wireguard/peers",
                &["interface", "public-key"],
                &[
                    ("interface", "wg-home"),
                    ("public-key", "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="),
                    ("allowed-address", "0.0.0.0/0"),
                    ("persistent-keepalive", "25s"),
                ],
            ),
            "preshared-key",
            "ZAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
        ),
        secret(
            add(
                "vpn/user",
                "/ppp/secret",
                &["name", "service"],
                &[("name", "alice"), ("service", "l2tp"), ("profile", "wan-profile")],
            ),
            "password",
            "wonderland",
        ),
        add(
            "extra/upnp",
            "/ip/upnp/interfaces",
            &["interface"],
            &[("interface", "LANBridgeForeign"), ("type", "internal")],
        ),
        set("extra/upnp-on", "/ip/upnp", &[], &[("enabled", "yes")]),
        set("extra/dns", "/ip/dns", &[], &[("servers", "192.0.2.53"), ("allow-remote-requests", "yes")]),
        set("extra/identity", "/system/identity", &[], &[("name", "edge \"1\"; [x] $y")]),
        set("extra/telnet", "/ip/service", &[("name", "telnet")], &[("disabled", "yes")]),
        secret(set("extra/romon", "/tool/romon", &[], &[("enabled", "yes")]), "secrets", "romon-secret"),
        certificate,
        sign,
        export,
    ]
}
