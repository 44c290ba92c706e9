//! Realistic data models of a chosen size, and what makes one device differ from the next.
//!
//! The parameters themselves are data: `tr098.txt` and `tr181.txt` beside this file. Here: how instances are made from
//! their templates until the wanted number of parameters is reached, with values that follow from a seed only.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{DataModel, Node};
use crate::value::{Value, XsdType};

/// What a part of a device ID is percent-encoded for.
const OUTSIDE_DEVICE_ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

/// Which data model a device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// TR-098, root `InternetGatewayDevice.`.
    #[default]
    Tr098,
    /// TR-181 issue 2, root `Device.`.
    Tr181,
}

/// Who a device is: the DeviceIdStruct of Inform (TR-069 Annex A.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Manufacturer's name, at most 64 characters.
    pub manufacturer: String,
    /// Six upper-case hexadecimal digits.
    pub oui: String,
    /// Product class, at most 64 characters.
    pub product_class: String,
    /// Serial number, at most 64 characters.
    pub serial_number: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            manufacturer: "ExampleCorp".into(),
            oui: "0A1B2C".into(),
            product_class: "SimCPE".into(),
            serial_number: "SIM00000001".into(),
        }
    }
}

impl Identity {
    /// `OUI-ProductClass-SerialNumber`, with characters other than letters, digits and `_` percent-encoded, as ACSs
    /// commonly write device IDs.
    pub fn device_id(&self) -> String {
        let parts = [&self.oui, &self.product_class, &self.serial_number];
        let encoded: Vec<String> =
            parts.iter().map(|part| utf8_percent_encode(part, OUTSIDE_DEVICE_ID).to_string()).collect();
        encoded.join("-")
    }
}

/// Instances every generated model has, in order of making.
const INITIAL_098: &[&str] = &[
    "LANDevice.",
    "LANDevice.1.WLANConfiguration.",
    "LANDevice.1.Hosts.Host.",
    "WANDevice.",
    "WANDevice.1.WANConnectionDevice.",
    "WANDevice.1.WANConnectionDevice.1.WANIPConnection.",
];

const INITIAL_181: &[&str] = &[
    "IP.Interface.",
    "IP.Interface.1.IPv4Address.",
    "WiFi.Radio.",
    "WiFi.SSID.",
    "WiFi.AccessPoint.",
    "Hosts.Host.",
    "Routing.Router.",
];

/// Objects that get more instances in turn, with the most that each may have.
const FILL_098: &[(&str, u32)] = &[
    ("LANDevice.1.Hosts.Host.", u32::MAX),
    ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.", 512),
    ("LANDevice.1.WLANConfiguration.", 8),
    ("LANDevice.1.LANEthernetInterfaceConfig.", 4),
    ("Layer3Forwarding.Forwarding.", u32::MAX),
    ("WANDevice.1.WANConnectionDevice.1.WANIPConnection.", 4),
];

const FILL_181: &[(&str, u32)] = &[
    ("Hosts.Host.", u32::MAX),
    ("NAT.PortMapping.", 512),
    ("WiFi.SSID.", 8),
    ("WiFi.AccessPoint.", 8),
    ("Ethernet.Interface.", 4),
    ("Routing.Router.1.IPv4Forwarding.", u32::MAX),
    ("IP.Interface.", 4),
    ("WiFi.Radio.", 2),
];

impl FromStr for ModelKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tr098" => Ok(Self::Tr098),
            "tr181" => Ok(Self::Tr181),
            other => Err(format!("unknown data model {other:?} (tr098 or tr181)")),
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tr098 => "tr098",
            Self::Tr181 => "tr181",
        })
    }
}

impl ModelKind {
    /// The root object's path.
    pub fn root(self) -> &'static str {
        match self {
            Self::Tr098 => "InternetGatewayDevice.",
            Self::Tr181 => "Device.",
        }
    }

    fn definition(self) -> &'static str {
        match self {
            Self::Tr098 => include_str!("tr098.txt"),
            Self::Tr181 => include_str!("tr181.txt"),
        }
    }

    fn plan(self) -> (&'static [&'static str], &'static [(&'static str, u32)]) {
        match self {
            Self::Tr098 => (INITIAL_098, FILL_098),
            Self::Tr181 => (INITIAL_181, FILL_181),
        }
    }
}

impl DataModel {
    /// Makes a model with exactly `parameters` parameters, or with the smallest number the kind allows (below 80) when
    /// that is more. The same arguments give the same model.
    pub fn generate(kind: ModelKind, parameters: usize, seed: u64) -> Self {
        let root = kind.root();
        let mut model = defined(root, kind.definition());
        let mut random = SplitMix(seed);
        let (initial, fill) = kind.plan();
        for object in initial {
            add_realistic(&mut model, &format!("{root}{object}"), &mut random);
        }
        let mut count = model.parameter_count();
        'filling: loop {
            for (object, most) in fill {
                if count >= parameters {
                    break 'filling;
                }
                let object = format!("{root}{object}");
                if model.last_instance.get(object.as_str()).copied() >= Some(*most) {
                    continue;
                }
                let instance = add_realistic(&mut model, &object, &mut random);
                count += shorten(&mut model, &instance, parameters - count);
            }
        }
        let last_instance = std::mem::take(&mut model.last_instance);
        let mut finished = model.into_base();
        // Saves counting thousands of siblings at each AddObject.
        finished.last_instance = last_instance;
        finished
    }

    /// Writes one device's own identity, addresses and network name into the model. Parameters that the model does not
    /// have are left out.
    pub fn personalise(&mut self, identity: &Identity) {
        let hash = fnv1a(&identity.serial_number);
        let mut random = SplitMix(hash);
        let mac = mac_address(&identity.oui, &mut random);
        let wan = format!("100.{}.{}.{}", 64 + hash % 64, hash >> 8 & 255, 1 + (hash >> 16) % 254);
        let network = format!("home-{:06x}", hash & 0xFF_FFFF);
        let connection = "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.";
        let own = [
            ("DeviceInfo.Manufacturer", identity.manufacturer.as_str()),
            ("DeviceInfo.ManufacturerOUI", &identity.oui),
            ("DeviceInfo.ProductClass", &identity.product_class),
            ("DeviceInfo.SerialNumber", &identity.serial_number),
            (&format!("{connection}MACAddress"), &mac),
            (&format!("{connection}ExternalIPAddress"), &wan),
            ("LANDevice.1.WLANConfiguration.1.SSID", &network),
            ("LANDevice.1.WLANConfiguration.1.BSSID", &mac),
            ("IP.Interface.1.IPv4Address.1.IPAddress", &wan),
            ("WiFi.SSID.1.SSID", &network),
            ("WiFi.SSID.1.BSSID", &mac),
        ];
        for (relative, text) in own {
            self.set_root_text(relative, text);
        }
    }
}

/// The definition file's objects and parameters, without any instance.
fn defined(root: &str, definition: &str) -> DataModel {
    let mut nodes = BTreeMap::from([(Box::from(root), Node::object(false))]);
    let mut templates = BTreeMap::new();
    for line in definition.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.splitn(4, ' ');
        let (Some(path), Some(access)) = (fields.next(), fields.next()) else {
            continue;
        };
        let writable = access == "w";
        let node = match fields.next() {
            None => Node::object(writable),
            Some(xsd) => {
                let text = fields.next().unwrap_or_default();
                Node::parameter(writable, Value::new(text, XsdType::parse(xsd)))
            }
        };
        let target = if path.contains("{i}") { &mut templates } else { &mut nodes };
        target.insert(format!("{root}{path}").into(), node);
    }
    DataModel::from_parts(nodes, templates)
}

/// Makes an instance that looks used, and returns its path.
fn add_realistic(model: &mut DataModel, object: &str, random: &mut SplitMix) -> String {
    let number = model.add_instance(object);
    let instance = format!("{object}{number}.");
    let parameters: Vec<String> =
        model.walk(&instance).filter(|(_, node)| node.value.is_some()).map(|(path, _)| path.to_owned()).collect();
    for path in parameters {
        let name = path.rsplit('.').next().unwrap_or_default();
        if let Some(text) = used_value(&instance, name, number, random) {
            model.set_text(&path, &text);
        }
    }
    instance
}

/// What a parameter of a working instance holds, when that is not the template's value.
fn used_value(instance: &str, name: &str, number: u32, random: &mut SplitMix) -> Option<String> {
    let host = 2 + number % 250;
    let mapping = instance.contains("PortMapping.");
    let wan = instance.contains("WANIPConnection.");
    Some(match name {
        "Enable" | "Active" | "PortMappingEnabled" => "true".into(),
        "Status" if instance.contains("Forwarding.") || instance.contains("IPv4Address.") => "Enabled".into(),
        "Status" => "Up".into(),
        "ConnectionStatus" => "Connected".into(),
        "HostName" => format!("host-{number}"),
        "IPAddress" => format!("192.168.{}.{host}", 1 + number / 250 % 250),
        "InternalClient" => format!("192.168.1.{host}"),
        "ExternalIPAddress" => format!("100.64.{}.{host}", random.below(256)),
        "DefaultGateway" | "GatewayIPAddress" => "100.64.0.1".into(),
        "DNSServers" if wan => "100.64.0.53,100.64.1.53".into(),
        "SubnetMask" | "DestSubnetMask" => "255.255.255.0".into(),
        "DestIPAddress" => format!("10.{}.{}.0", number / 256 % 256, number % 256),
        "MACAddress" | "PhysAddress" | "BSSID" => mac_address("0A1B2C", random),
        "SSID" => format!("network-{number}"),
        "ExternalPort" | "InternalPort" => (1024 + number % 60_000).to_string(),
        "PortMappingDescription" | "Description" if mapping => format!("service {number}"),
        "LeaseTimeRemaining" => random.below(86_400).to_string(),
        "Uptime" => "3600".into(),
        "TotalBytesReceived" | "TotalBytesSent" => random.below(u64::from(u32::MAX)).to_string(),
        _ => return None,
    })
}

/// Removes parameters from the end of an instance until at most `most` are left; returns how many are left.
fn shorten(model: &mut DataModel, instance: &str, most: usize) -> usize {
    let parameters: Vec<String> =
        model.walk(instance).filter(|(_, node)| node.value.is_some()).map(|(path, _)| path.to_owned()).collect();
    for path in parameters.iter().skip(most) {
        model.remove(path);
    }
    parameters.len().min(most)
}

fn mac_address(oui: &str, random: &mut SplitMix) -> String {
    let prefix = match oui.as_bytes() {
        bytes if bytes.len() == 6 && oui.is_ascii() => {
            format!("{}:{}:{}", &oui[0..2], &oui[2..4], &oui[4..6])
        }
        _ => "02:00:00".into(),
    };
    let low = random.below(1 << 24);
    format!("{prefix}:{:02X}:{:02X}:{:02X}", low >> 16, low >> 8 & 255, low & 255)
}

/// FNV-1a, 64 bits: the same serial number gives the same device on every run and machine.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// SplitMix64: a small generator whose whole state is its seed.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit.max(1)
    }
}
