//! `summary.…`: fields that an early release of the incumbent had, and that clients still ask for by projection.

use serde_json::{Map, Value as Json, json};

use acs_core::query::Projection;

/// Parameters that may hold the MAC address, the likeliest first.
const MAC_ADDRESSES: [&str; 5] = [
    "Device.Ethernet.Interface.1.MACAddress",
    "Device.Ethernet.Link.1.MACAddress",
    "InternetGatewayDevice.LANDevice.1.LANEthernetInterfaceConfig.1.MACAddress",
    "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.MACAddress",
    "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.MACAddress",
];
/// The address that the device wants to be called at.
const CONNECTION_REQUEST_URLS: [&str; 2] =
    ["Device.ManagementServer.ConnectionRequestURL", "InternetGatewayDevice.ManagementServer.ConnectionRequestURL"];

/// Whether a projection asks for it.
pub fn is_wanted(projection: &Projection) -> bool {
    let is_summary = |name: &String| name == "summary" || name.starts_with("summary.");
    matches!(projection, Projection::Include(names) if names.iter().any(is_summary))
}

/// `{serialNumber, lastInform, ip?, mac?}`, from a device's document.
pub fn of_document(document: &Json) -> Json {
    let mut summary = Map::new();
    summary.insert("serialNumber".to_owned(), document["_deviceId"]["_SerialNumber"].clone());
    summary.insert("lastInform".to_owned(), document["_lastInform"].clone());
    let url = CONNECTION_REQUEST_URLS.iter().find_map(|path| value(document, path));
    if let Some(address) = url.and_then(host) {
        summary.insert("ip".to_owned(), json!(address));
    }
    if let Some(address) = MAC_ADDRESSES.iter().find_map(|path| value(document, path)) {
        summary.insert("mac".to_owned(), json!(address));
    }
    Json::Object(summary)
}

fn value<'d>(document: &'d Json, path: &str) -> Option<&'d str> {
    let node = path.split('.').try_fold(document, |node, name| node.get(name))?;
    node.get("_value")?.as_str().filter(|text| !text.is_empty())
}

fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => authority.split(':').next(),
    }
    .filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_what_is_known() {
        let document = json!({
            "_deviceId": {"_SerialNumber": "S1"},
            "_lastInform": "2024-05-01T10:00:00.000Z",
            "InternetGatewayDevice": {"ManagementServer": {"ConnectionRequestURL": {"_value": "http://192.0.2.7:7547/x"}}},
        });
        let expected = json!({"serialNumber": "S1", "lastInform": "2024-05-01T10:00:00.000Z", "ip": "192.0.2.7"});
        assert_eq!(of_document(&document), expected);
    }

    #[test]
    fn hosts_are_found_in_urls() {
        let cases = [
            ("http://[2001:db8::1]:80/", Some("2001:db8::1")),
            ("http://u:p@h/", Some("h")),
            ("h:80", None),
            ("http:///x", None),
        ];
        for (url, expected) in cases {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
