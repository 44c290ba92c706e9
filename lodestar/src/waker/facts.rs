//! What a device has told of how it can be woken.

use acs_core::device::StoredDevice;
use acs_core::expression::{Context, Scalar};
use acs_core::tree::DeviceTree;
use cwmp::connection_request::Credentials;

/// Where devices keep what is needed, the older data model first.
pub const ROOTS: [&str; 2] = ["InternetGatewayDevice", "Device"];

/// A device as its waker sees it.
pub struct DeviceFacts {
    tree: DeviceTree,
    now: i64,
    /// `ConnectionRequestURL`
    pub url: Option<String>,
    /// `ConnectionRequestUsername` and `ConnectionRequestPassword`; empty when they are not known.
    pub credentials: Credentials,
    /// `UDPConnectionRequestAddress`, and when it was told, unless the device says that it does no STUN or is behind no NAT.
    pub udp_address: Option<(String, i64)>,
    /// Whether UDP is of any use: `STUNEnable` and `NATDetected` are not false.
    pub uses_udp: bool,
    /// `ConnReqJabberID`
    pub jabber_id: Option<String>,
    /// `SupportedConnReqMethods`, in upper case; empty when the device has not told.
    pub supported: Vec<String>,
}

impl DeviceFacts {
    /// What a stored device tells.
    pub fn of(device: &StoredDevice, now: i64) -> DeviceFacts {
        let tree = device.full_tree();
        let value = |name: &str| management_server(&tree, name).map(|(text, _)| text);
        let list = value("SupportedConnReqMethods").unwrap_or_default();
        let supported = list.split(',').map(|one| one.trim().to_ascii_uppercase()).filter(|one| !one.is_empty());
        let is_false = |name: &str| value(name).is_some_and(|text| matches!(text.as_str(), "false" | "0"));
        let uses_udp = !is_false("STUNEnable") && !is_false("NATDetected");
        DeviceFacts {
            now,
            udp_address: management_server(&tree, "UDPConnectionRequestAddress").filter(|_| uses_udp),
            uses_udp,
            jabber_id: value("ConnReqJabberID"),
            url: value("ConnectionRequestURL"),
            credentials: Credentials {
                username: value("ConnectionRequestUsername").unwrap_or_default(),
                password: value("ConnectionRequestPassword").unwrap_or_default(),
            },
            supported: supported.collect(),
            tree,
        }
    }

    /// Whether the device takes connection requests of this kind, as `SupportedConnReqMethods` spells it. It does when it has
    /// not told.
    pub fn supports(&self, kind: &str) -> bool {
        self.supported.is_empty() || self.supported.iter().any(|one| one == kind)
    }
}

/// A parameter's value below `ManagementServer`, and when it was read or written; `None` when it is not known or empty.
pub fn management_server(tree: &DeviceTree, name: &str) -> Option<(String, i64)> {
    let of_root = |root: &&str| {
        let node = tree.find(&format!("{root}.ManagementServer.{name}")).map(|id| tree.node(id))?;
        let value = node.value.as_ref()?;
        match Scalar::from(&value.value.0) {
            Scalar::Text(text) if !text.is_empty() => Some((text, value.at)),
            Scalar::Bool(truth) => Some((truth.to_string(), value.at)),
            Scalar::Number(number) => Some((number.to_string(), value.at)),
            _ => None,
        }
    };
    ROOTS.iter().find_map(of_root)
}

/// The device's tree, and `USERNAME()` and `PASSWORD()`.
impl Context for DeviceFacts {
    fn parameter(&self, path: &str) -> Scalar {
        let node = self.tree.find(path).map(|id| self.tree.node(id));
        node.and_then(|node| node.typed_value()).map_or(Scalar::Null, |value| Scalar::from(&value.0))
    }

    fn now(&self) -> i64 {
        self.now
    }

    fn call(&self, name: &str, _arguments: &[Scalar]) -> Option<Scalar> {
        match name {
            "USERNAME" => Some(self.credentials.username.as_str().into()),
            "PASSWORD" => Some(self.credentials.password.as_str().into()),
            _ => None,
        }
    }
}
