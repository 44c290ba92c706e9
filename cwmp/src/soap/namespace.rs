//! The namespaces of CWMP and the protocol versions that they stand for (TR-069 §3.7.1.1, Annex A.6).

use acs_core::rpc::CwmpVersion;

/// The namespace of the RPC elements. A session's answers use the namespace of its Inform.
///
/// CWMP 1.3 and 1.4 officially keep the namespace of 1.2 and tell themselves apart by header elements; some devices
/// nevertheless send `cwmp-1-3` and `cwmp-1-4`, and want to be answered in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub enum CwmpNamespace {
    /// `urn:dslforum-org:cwmp-1-0`; also assumed for devices that name no namespace, or none that is known.
    #[default]
    V1_0,
    /// `urn:dslforum-org:cwmp-1-1`
    V1_1,
    /// `urn:dslforum-org:cwmp-1-2`
    V1_2,
    /// `urn:dslforum-org:cwmp-1-3`
    V1_3,
    /// `urn:dslforum-org:cwmp-1-4`
    V1_4,
}

/// What every CWMP namespace starts with, whatever its version.
pub(super) const FAMILY: &str = "urn:dslforum-org:cwmp-";

impl CwmpNamespace {
    /// Every namespace, oldest first.
    pub const ALL: [CwmpNamespace; 5] =
        [CwmpNamespace::V1_0, CwmpNamespace::V1_1, CwmpNamespace::V1_2, CwmpNamespace::V1_3, CwmpNamespace::V1_4];

    /// The namespace's name on the wire.
    pub const fn uri(self) -> &'static str {
        match self {
            CwmpNamespace::V1_0 => "urn:dslforum-org:cwmp-1-0",
            CwmpNamespace::V1_1 => "urn:dslforum-org:cwmp-1-1",
            CwmpNamespace::V1_2 => "urn:dslforum-org:cwmp-1-2",
            CwmpNamespace::V1_3 => "urn:dslforum-org:cwmp-1-3",
            CwmpNamespace::V1_4 => "urn:dslforum-org:cwmp-1-4",
        }
    }

    /// The version of the protocol that it stands for when nothing more is said: the oldest that uses it.
    pub const fn version(self) -> CwmpVersion {
        match self {
            CwmpNamespace::V1_0 => CwmpVersion::V1_0,
            CwmpNamespace::V1_1 => CwmpVersion::V1_1,
            CwmpNamespace::V1_2 => CwmpVersion::V1_2,
            CwmpNamespace::V1_3 => CwmpVersion::V1_3,
            CwmpNamespace::V1_4 => CwmpVersion::V1_4,
        }
    }

    /// The namespace with that name, blanks around it aside.
    pub fn from_uri(uri: &str) -> Option<CwmpNamespace> {
        let uri = uri.trim();
        CwmpNamespace::ALL.into_iter().find(|namespace| namespace.uri() == uri)
    }
}

/// The protocol versions that an ACS can choose from when a device lists its own, newest first.
const VERSIONS: [&str; 5] = ["1.4", "1.3", "1.2", "1.1", "1.0"];

/// The newest protocol version in a device's `SupportedCWMPVersions` list that is also ours: what `UseCWMPVersion` has to say.
/// Order, blanks and unknown entries do not matter. `None` asks for fault 8006.
pub fn highest_common_version(supported: &str) -> Option<&'static str> {
    VERSIONS.into_iter().find(|version| supported.split(',').any(|entry| entry.trim() == *version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_is_found_by_its_uri() {
        for namespace in CwmpNamespace::ALL {
            assert_eq!(CwmpNamespace::from_uri(namespace.uri()), Some(namespace));
            assert!(namespace.uri().starts_with(FAMILY));
        }
        assert_eq!(CwmpNamespace::from_uri(" urn:dslforum-org:cwmp-1-2 "), Some(CwmpNamespace::V1_2));
        assert_eq!(CwmpNamespace::from_uri("urn:dslforum-org:cwmp-1-9"), None);
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        let cases = [
            ("1.4,1.3,1.2,1.1,1.0", Some("1.4")),
            ("1.9, 1.2 ,1.3", Some("1.3")),
            ("1.0", Some("1.0")),
            ("2.0", None),
            ("", None),
        ];
        for (supported, expected) in cases {
            assert_eq!(highest_common_version(supported), expected, "{supported:?}");
        }
    }
}
