//! TLS handshakes that come to nothing: counted, and told once per address, since whoever scans the network makes many of them.

use std::collections::HashSet;
use std::net::IpAddr;

use parking_lot::Mutex;
use tls::HandshakeFailure;
use tracing::debug;

use crate::endpoint::Endpoint;
use crate::statistics::count;

/// Addresses that are remembered; then all are forgotten.
const MOST: usize = 10_000;

/// The addresses that have been told of.
#[derive(Default)]
pub(crate) struct Handshakes(Mutex<HashSet<IpAddr>>);

impl Handshakes {
    /// Whether an address is to be told of.
    fn is_new(&self, address: IpAddr) -> bool {
        let mut told = self.0.lock();
        if told.len() >= MOST {
            told.clear();
        }
        told.insert(address)
    }
}

impl Endpoint {
    pub(crate) fn handshake_failed(&self, address: IpAddr, failure: &HandshakeFailure) {
        // Some devices try their connections so before they use them.
        if matches!(failure, HandshakeFailure::Silent) {
            return;
        }
        count(&self.statistics.handshake_failures);
        if self.handshakes.is_new(address) {
            debug!(target: "cwmp", remote = %address, "TLS: {failure}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_of_once_and_memory_is_bounded() {
        let handshakes = Handshakes::default();
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        assert!(handshakes.is_new(address(1)) && !handshakes.is_new(address(1)));
        for number in 0..MOST as u32 * 2 {
            handshakes.is_new(address(number));
        }
        assert!(handshakes.0.lock().len() <= MOST);
    }
}
