//! A device behind a NAT is woken over UDP (TR-069 Annex G). The network is real: three network namespaces, one of which translates
//! addresses. Where they cannot be made, the test says so and is skipped.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::kit::{Server, eventually};
use crate::test_store::is_embedded_or_skips;

const DEVICE: &str = "0A1B2C-SimCPE-NAT00000001";
const TASK: &str =
    r#"{"name":"setParameterValues","parameterValues":[["Device.DeviceInfo.ProvisioningCode","woken"]]}"#;

/// The server's namespace, the NAT's and the device's; they go when this is dropped.
struct Network {
    names: [String; 3],
    /// A network of this process alone, so that tests do not meet.
    prefix: String,
}

impl Network {
    /// ```text
    ///  this process ── P.1 ─ P.2 server P.5 ── P.6 NAT 192.168.77.1 ── 192.168.77.2 device
    /// ```
    fn make() -> Result<Network, String> {
        let number = std::process::id();
        let names = ["server", "nat", "device"].map(|role| format!("lodestar-{role}-{number}"));
        let network = Network { names, prefix: format!("10.98.{}", number % 256) };
        let ([server, nat, device], p) = (&network.names, &network.prefix);
        for name in &network.names {
            run(&["ip", "netns", "add", name])?;
        }
        let links = [("a", None, Some(server)), ("b", Some(server), Some(nat)), ("c", Some(nat), Some(device))];
        for (letter, left, right) in links {
            let (one, other) = (format!("l{letter}{number}"), format!("r{letter}{number}"));
            run(&["ip", "link", "add", &one, "type", "veth", "peer", "name", &other])?;
            for (end, namespace) in [(&one, left), (&other, right)] {
                if let Some(namespace) = namespace {
                    run(&["ip", "link", "set", end, "netns", namespace])?;
                }
            }
        }
        let addresses = [
            (None, "la", format!("{p}.1/30")),
            (Some(server), "ra", format!("{p}.2/30")),
            (Some(server), "lb", format!("{p}.5/30")),
            (Some(nat), "rb", format!("{p}.6/30")),
            (Some(nat), "lc", "192.168.77.1/24".to_owned()),
            (Some(device), "rc", "192.168.77.2/24".to_owned()),
        ];
        for (namespace, end, address) in addresses {
            let end = format!("{end}{number}");
            let within = |command: &[&str]| match namespace {
                Some(namespace) => run(&[&["ip", "netns", "exec", namespace], command].concat()),
                None => run(command),
            };
            within(&["ip", "address", "add", &address, "dev", &end])?;
            within(&["ip", "link", "set", &end, "up"])?;
            if namespace.is_some() {
                within(&["ip", "link", "set", "lo", "up"])?;
            }
        }
        run(&["ip", "netns", "exec", device, "ip", "route", "add", "default", "via", "192.168.77.1"])?;
        run(&["ip", "netns", "exec", nat, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])?;
        let rules = "add table ip nat; add chain ip nat after { type nat hook postrouting priority 100; }; \
                     add rule ip nat after ip saddr 192.168.77.0/24 masquerade random";
        run(&["ip", "netns", "exec", nat, "nft", rules])?;
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = run(&["ip", "netns", "del", name]);
        }
    }
}

fn run(command: &[&str]) -> Result<(), String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.map_err(|error| format!("{}: {error}", command[0]))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_device_behind_a_nat_is_woken() {
    // The database server is not within the namespace.
    if !is_embedded_or_skips() {
        return;
    }
    let network = match Network::make() {
        Ok(network) => network,
        Err(reason) => {
            assert!(std::env::var_os("LODESTAR_NAT_TEST").is_none(), "no network namespaces: {reason}");
            eprintln!("skipped: no network namespaces: {reason}");
            return;
        }
    };
    let [namespace, _, behind] = &network.names;
    let p = &network.prefix;
    let (cwmp, stun): (SocketAddr, SocketAddr) =
        (format!("{p}.5:7547").parse().unwrap(), format!("{p}.5:3478").parse().unwrap());
    let nbi: SocketAddr = format!("{p}.2:7557").parse().unwrap();
    let server = Server::start_within(namespace, cwmp, nbi, &["--stun-listen", &stun.to_string()]);
    server.preset(
        "credentials",
        serde_json::json!({}),
        r#"declare("Device.ManagementServer.ConnectionRequestUsername", (), #{value: "acs"});
           declare("Device.ManagementServer.ConnectionRequestPassword", (), #{value: "s3cret"});
           declare("Device.ManagementServer.STUNUsername", (), #{value: "box1"});
           declare("Device.ManagementServer.STUNPassword", (), #{value: "of the box"});"#,
    );
    let options = server.data_dir().join("sim.json");
    let json = serde_json::json!({
        "stun": {"server": stun.to_string(), "keep_alive_milliseconds": 200},
        "connection_request": {"mode": "digest", "listen": "192.168.77.2:0"},
    });
    std::fs::write(&options, json.to_string()).unwrap();
    let device = Command::new("ip")
        .args(["netns", "exec", behind, env!("CARGO_BIN_EXE_lodestar"), "sim", "cpe"])
        .args(["--acs", &format!("http://{cwmp}/"), "--serial-prefix", "NAT", "--keep-running", "--interval", "3600"])
        .arg("--options")
        .arg(&options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _device = Running(device);

    let management = || server.get(&format!("/devices/{DEVICE}"))["Device"]["ManagementServer"].clone();
    let told = |name: &str| management()[name]["_value"].clone();
    eventually("the device to tell its binding", || {
        let known = server.get("/devices?projection=_id");
        !known.as_array().unwrap().is_empty()
            && told("UDPConnectionRequestAddress")
                .as_str()
                .is_some_and(|address| address.starts_with(&format!("{p}.6:")))
    });
    // The address of the private network is of no use to the server.
    assert!(told("ConnectionRequestURL").as_str().unwrap().starts_with("http://192.168.77.2:"));
    let target = format!("/devices/{DEVICE}/tasks?connection_request&timeout=20000");
    let answer = server.request("POST", &target, TASK);
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("the Inform to be counted", || {
        let methods = server.get(&format!("/devices/{DEVICE}/connection_requests"))["methods"].clone();
        methods["UDP"]["informed"] == 1 && methods["HTTP"]["accepted"] != 1
    });
}
